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

static bool latency_is_odd(ri_str hex) /* of one or two digits */
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    for (size_t i = 0; i < hex.len; i++)
        if (!memchr(digits, hex.ptr[i], 32)) return false;
    const char *last = hex.len == 1 || hex.len == 2
                           ? memchr(digits, hex.ptr[hex.len - 1], 32) : NULL;
    return last && ((last - digits) & 1);
}

static void latency_put(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, "%s\"%s\":[", ri_buffer_size(out) ? "," : "", name);
    ri_json_put_string(out, value);
    ri_buffer_puts(out, "]");
}

/* Those of these names, whose first decides. */
static void latency_put_all(ri_buffer *out, ri_str headers, const char *const *names, size_t n)
{
    ri_str value;
    for (size_t i = 0; i < n; i++)
        if (latency_header(headers, names[i], &value)) latency_put(out, names[i], value);
}

static void latency_put_uber(ri_buffer *out, ri_str headers, ri_str id)
{
    rill_header header;
    static const char prefix[] = "Uberctx-";
    latency_put(out, "Uber-Trace-Id", id);
    while (ri_headers_next(&headers, &header))
        if (header.name.len >= sizeof prefix &&
            ri_str_eq_nocase((ri_str){header.name.ptr, sizeof prefix - 1}, RI_STR(prefix))) {
            ri_buffer_puts(out, ",");
            ri_json_put_string(out, header.name);
            ri_buffer_puts(out, ":[");
            ri_json_put_string(out, header.value);
            ri_buffer_puts(out, "]");
        }
}

/* Do its headers ask for it, as those who trace requests have them? Those that do so, as members
 * of an object. */
static bool latency_is_traced(ri_str headers, ri_buffer *out)
{
    static const char *const b3[] = {"X-B3-Sampled", "X-B3-Traceid", "X-B3-Parentspanid",
                                     "X-B3-Spanid"};
    static const char *const context[] = {"Traceparent", "Tracestate"};
    ri_str value;
    bool wanted = false;
    if (latency_header(headers, "Uber-Trace-Id", &value)) {
        wanted = latency_is_odd(latency_field(value, ':', 3));
        if (wanted) latency_put_uber(out, headers, value);
    } else if (latency_header(headers, b3[0], &value) &&
               (ri_str_is(value, "0") || ri_str_is(value, "1"))) {
        wanted = ri_str_is(value, "1");
        if (wanted) latency_put_all(out, headers, b3, RI_LEN(b3));
    } else if (latency_header(headers, b3[1], &value)) {
        wanted = true;
        latency_put_all(out, headers, b3, RI_LEN(b3));
    } else if (latency_header(headers, "B3", &value)) {
        wanted = !ri_str_is(value, "0") && !ri_str_is(latency_field(value, '-', 2), "0");
        if (wanted) latency_put(out, "B3", value);
    } else if (latency_header(headers, context[0], &value)) {
        ri_str flags = latency_field(value, '-', 3);
        wanted = flags.len == 2 && latency_is_odd(flags);
        if (wanted) latency_put_all(out, headers, context, RI_LEN(context));
    }
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
    switch (status) {
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 503: return "Service Unavailable";
    case 504: return "Service Timeout";
    default: return NULL;
    }
}

static void latency_put_time(ri_buffer *out, const char *name, int64_t time_ns)
{
    char text[RI_RFC3339_MAX];
    ri_buffer_printf(out, "\"%s\":\"%.*s\",", name, (int)ri_rfc3339_write(text, time_ns), text);
}

static void latency_write(ri_buffer *out, const ri_host *host, const ri_party *responder,
                          ri_str sample, int status)
{
    latency_head head;
    ri_nuid nuid;
    char id[RI_NUID_LEN];
    const char *words = latency_words(status);
    memcpy(&head, sample.ptr, sizeof head);
    int64_t took_ns = responder ? ri_ns_sub(ri_mono_ns(host), head.mono_ns) : 0;
    int64_t service_ns = responder ? ri_ns_sub(took_ns, latency_rtt(responder)) : 0;
    int64_t total_ns = responder ? ri_ns_add(took_ns, head.rtt_ns) : 0;
    ri_nuid_init(&nuid, host);
    ri_nuid_next(&nuid, id);
    ri_buffer_printf(out, "{\"type\":\"io.nats.server.metric.v1.service_latency\",\"id\":\"%.*s\",",
                     RI_NUID_LEN, id);
    latency_put_time(out, "timestamp", ri_wall_ns(host));
    ri_buffer_printf(out, "\"status\":%d,", status);
    if (words) ri_buffer_printf(out, "\"description\":\"%s\",", words);
    ri_buffer_put(out, sample.ptr + sizeof head, sample.len - sizeof head);
    if (responder) latency_put_party(out, "responder", responder, true);
    latency_put_time(out, "start", ri_ns_sub(head.wall_ns, head.rtt_ns));
    ri_buffer_printf(out, "\"service\":%lld,\"system\":0,\"total\":%lld}",
                     (long long)RI_MAX(service_ns, 0), (long long)RI_MAX(total_ns, 0));
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
