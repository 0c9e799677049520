/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of how long a service takes (trade.h): which requests are sampled, and what is published
 * of one, in nats-server's words. */
#include "base/assert.h"
#include "base/json.h"
#include "base/nuid.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "engine/live/trade.h"

typedef struct latency_head { /* of what is kept of a request; `texts` follows */
    int64_t wall_ns, mono_ns;  /* when it came */
    int64_t rtt_ns;            /* of who asks; 0: not known */
} latency_head;

enum { LATENCY_NAME = 64 }; /* bytes of a header that is shown */

/* ---- Is it sampled? ---- */

static bool latency_header(ri_str headers, const char *name, ri_str *value)
{
    rill_header header;
    while (ri_headers_next(&headers, &header))
        if (ri_str_eq_nocase(header.name, ri_str_of(name))) {
            *value = header.value;
            return true;
        }
    return false;
}

/* The nth field between these, from 0 on; none: empty. */
static ri_str latency_field(ri_str text, char between, int n)
{
    ri_str field = RI_STR_NONE;
    for (int i = 0; i <= n; i++)
        if (!ri_str_cut(&text, between, &field)) return RI_STR_NONE;
    return field;
}

/* Of one or two digits of base 16. */
static bool latency_is_odd(ri_str hex)
{
    char last = hex.len == 1 || hex.len == 2 ? hex.ptr[hex.len - 1] : '0';
    if (last >= '0' && last <= '9') return last & 1;
    last |= 32;
    return last >= 'a' && last <= 'f' && !(last & 1); /* b, d, f */
}

/* Those whose names begin so, as members of an object, with their names as Go writes them. */
static void latency_put_all(ri_buffer *out, ri_str headers, const char *prefix)
{
    rill_header header;
    char name[LATENCY_NAME];
    size_t len = strlen(prefix);
    while (ri_headers_next(&headers, &header)) {
        if (header.name.len < len || header.name.len > sizeof name ||
            !ri_str_eq_nocase((ri_str){header.name.ptr, len}, (ri_str){prefix, len}))
            continue;
        for (size_t i = 0; i < header.name.len; i++) {
            char c = header.name.ptr[i];
            bool first = i == 0 || name[i - 1] == '-';
            name[i] = first && c >= 'a' && c <= 'z' ? c - 32 : !first && c >= 'A' && c <= 'Z'
                      ? c + 32 : c;
        }
        if (ri_buffer_size(out)) ri_buffer_puts(out, ",");
        ri_json_put_string(out, (ri_str){name, header.name.len});
        ri_buffer_puts(out, ":[");
        ri_json_put_string(out, header.value);
        ri_buffer_puts(out, "]");
    }
}

/* Do its headers ask for it, as those who trace requests have them? Those that do so, as members
 * of an object. */
static bool latency_is_traced(ri_str headers, ri_buffer *out)
{
    const char *prefix = "X-B3-";
    ri_str value;
    bool wanted = false;
    if (latency_header(headers, "Uber-Trace-Id", &value)) {
        wanted = latency_is_odd(latency_field(value, ':', 3));
        prefix = "Uber";
    } else if (latency_header(headers, "X-B3-Sampled", &value) && value.len == 1 &&
               (value.ptr[0] & ~1) == '0') {
        wanted = value.ptr[0] == '1';
    } else if (latency_header(headers, "X-B3-TraceId", &value)) {
        wanted = true;
    } else if (latency_header(headers, "B3", &value)) {
        wanted = !ri_str_is(value, "0") && !ri_str_is(latency_field(value, '-', 2), "0");
        prefix = "B3";
    } else if (latency_header(headers, "Traceparent", &value)) {
        value = latency_field(value, '-', 3);
        wanted = value.len == 2 && latency_is_odd(value);
        prefix = "Trace";
    }
    if (wanted) latency_put_all(out, headers, prefix);
    return wanted;
}

/* ---- Who ---- */

static int64_t latency_rtt(const ri_party *party)
{
    return party->ops->rtt_ns ? party->ops->rtt_ns(party) : 0;
}

/* `all` that is known of it, or its account alone. */
static void latency_put_party(ri_buffer *out, const char *name, const ri_party *party, bool all)
{
    ri_buffer_printf(out, "\"%s\":{", name);
    if (all && party->ops->facts) party->ops->facts(party, out);
    else if (latency_rtt(party) > 0)
        ri_buffer_printf(out, "\"rtt\":%lld,", (long long)latency_rtt(party));
    ri_buffer_puts(out, "\"acc\":");
    ri_json_put_string(out, ri_str_of(party->account->name));
    ri_buffer_puts(out, "},");
}

bool ri_latency_begin(const ri_import *i, const ri_delivery *d, uint32_t dice, ri_buffer *out)
{
    const ri_host *host = out->host;
    RI_ASSERT(ri_buffer_size(out) == 0 && i->latency_subject && dice < 100);
    ri_buffer traced;
    ri_buffer_init(&traced, host);
    bool wanted = dice < i->latency_percent || latency_is_traced(d->m->headers, &traced);
    if (wanted) {
        const latency_head head = {ri_wall_ns(host), ri_mono_ns(host), latency_rtt(d->from)};
        ri_buffer_put(out, &head, sizeof head);
        latency_put_party(out, "requestor", d->from, i->share);
        if (ri_buffer_size(&traced)) {
            ri_buffer_puts(out, "\"header\":{");
            ri_buffer_put_str(out, ri_buffer_str(&traced));
            ri_buffer_puts(out, "},");
        }
    }
    wanted = wanted && !traced.failed && !out->failed;
    ri_buffer_fini(&traced);
    return wanted;
}

/* ---- What is published ---- */

static const char *latency_words(int status)
{
    if (status == 400) return "Bad Request";
    if (status == 408) return "Request Timeout";
    return status == 503 ? "Service Unavailable" : status == 504 ? "Service Timeout" : NULL;
}

static void latency_write(ri_buffer *out, const ri_host *host, const ri_party *responder,
                          ri_str sample, int status)
{
    latency_head head;
    ri_nuid nuid;
    char id[RI_NUID_LEN], now[RI_RFC3339_MAX], start[RI_RFC3339_MAX];
    const char *words = latency_words(status);
    int64_t service_ns = 0, total_ns = 0;
    memcpy(&head, sample.ptr, sizeof head);
    if (responder) {
        int64_t took_ns = ri_ns_sub(ri_mono_ns(host), head.mono_ns);
        service_ns = RI_MAX(ri_ns_sub(took_ns, latency_rtt(responder)), 0);
        total_ns = RI_MAX(ri_ns_add(took_ns, head.rtt_ns), 0);
    }
    ri_nuid_init(&nuid, host);
    ri_nuid_next(&nuid, id);
    int now_len = (int)ri_rfc3339_write(now, ri_wall_ns(host));
    int start_len = (int)ri_rfc3339_write(start, ri_ns_sub(head.wall_ns, head.rtt_ns));
    ri_buffer_printf(out, "{\"type\":\"io.nats.server.metric.v1.service_latency\",\"id\":\"%.*s\","
                     "\"timestamp\":\"%.*s\",\"status\":%d,%s%s%s", RI_NUID_LEN, id, now_len, now,
                     status, words ? "\"description\":\"" : "", words ? words : "",
                     words ? "\"," : "");
    ri_buffer_put(out, sample.ptr + sizeof head, sample.len - sizeof head);
    if (responder) latency_put_party(out, "responder", responder, true);
    ri_buffer_printf(out, "\"start\":\"%.*s\",\"service\":%lld,\"system\":0,\"total\":%lld}",
                     start_len, start, (long long)service_ns, (long long)total_ns);
}

void ri_latency_report(const ri_import *i, ri_party *from, const ri_party *responder, ri_str sample,
                     int status)
{
    ri_buffer out;
    RI_ASSERT(sample.len > sizeof(latency_head) && (status == 200) == (responder != NULL));
    if (!i->latency_subject) return;
    ri_account *exporter = ri_account_ref(i->exporter);
    ri_buffer_init(&out, i->name.host);
    latency_write(&out, i->name.host, responder, sample, status);
    ri_message m = {.subject = ri_str_of(i->latency_subject), .data = ri_buffer_str(&out)};
    /* No service carries a sample, or it might be sampled itself. */
    const ri_publish p = {.m = &m, .errands = RI_LIMIT_ERRANDS};
    if (!out.failed) ri_router_send(exporter, from, &p);
    ri_buffer_fini(&out);
    ri_account_unref(exporter);
}
