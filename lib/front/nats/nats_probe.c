/* SPDX-License-Identifier: Apache-2.0 */
/* Message tracing: where a message goes is published on the subject that its header Nats-Trace-Dest
 * names, in nats-server's form:
 *
 *     {"server":{..},"request":{"header":{"A":["b"]},"msgsize":43},
 *      "events":[{"type":"in","ts":"..","kind":0,"cid":5,"name":"n","acc":"$G","subj":"live.a"},
 *                {"type":"sm","ts":"..","to":"live.b"},                 by a mapping
 *                {"type":"eg","ts":"..","kind":0,"cid":6,"sub":"live.>","queue":"q"},
 *                {"type":"js","ts":"..","stream":"S","subject":"live.b"}]}
 *
 * With Nats-Trace-Only it arrives nowhere: a stream says whether it would be stored. Of thousands
 * of receivers nothing is published. */
#include "base/json.h"
#include "base/rfc3339.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "front/broker/durable.h"
#include "front/nats/nats_session.h"

enum {
    PROBE_HEADERS = 64,           /* headers of the message that are in the report */
    PROBE_BYTES = 256 * 1024,     /* of the report: receivers beyond that are left out */
    PROBE_CLIENT = 0, PROBE_JETSTREAM = 5, /* kinds of connections, as nats-server counts them */
};

typedef struct nats_probe {
    ri_probe probe;               /* first */
    ri_buffer events, stored;     /* those of streams come last */
    char ts[RI_RFC3339_MAX];
    size_t ts_len;
} nats_probe;

static bool probe_full(const nats_probe *p)
{
    return p->events.len + p->stored.len > PROBE_BYTES;
}

static void probe_put_text(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, ",\"%s\":", name);
    ri_json_put_string(out, value);
}

/* Of a connection; NULL: it has none, or is none. */
static void probe_put_name(ri_buffer *out, const char *name)
{
    if (name) probe_put_text(out, "name", ri_str_of(name));
}

static void probe_begin(const nats_probe *p, ri_buffer *out, const char *type)
{
    ri_buffer_printf(out, "%s{\"type\":\"%s\",\"ts\":\"%.*s\"", out->len ? "," : "", type,
                     (int)p->ts_len, p->ts);
}

static void probe_egress(ri_probe *probe, const ri_party *party, const ri_subscription *sub)
{
    nats_probe *p = (nats_probe *)probe;
    ri_buffer *out = &p->events;
    if (probe_full(p)) return;
    uint64_t cid = party->ops->number ? party->ops->number(party) : 0;
    probe_begin(p, out, "eg");
    ri_buffer_printf(out, ",\"kind\":%d,\"cid\":%llu",
                     cid || party->local ? PROBE_CLIENT : PROBE_JETSTREAM,
                     (unsigned long long)cid);
    if (party->ops == &ri_nats_deliver_ops)
        probe_put_name(out, ri_nats_session_name(ri_nats_session_of((ri_party *)(uintptr_t)party)));
    probe_put_text(out, "sub", sub->entry.subject);
    if (sub->entry.queue.len) probe_put_text(out, "queue", sub->entry.queue);
    ri_buffer_puts(out, "}");
}

static void probe_stored(ri_probe *probe, ri_str stream, ri_str subject, bool no_interest,
                         ri_str error)
{
    nats_probe *p = (nats_probe *)probe;
    ri_buffer *out = &p->stored;
    if (probe_full(p)) return;
    probe_begin(p, out, "js");
    probe_put_text(out, "stream", stream);
    if (error.len) probe_put_text(out, "error", error);
    else probe_put_text(out, "subject", subject);
    ri_buffer_puts(out, no_interest ? ",\"nointerest\":true}" : "}");
}

static void probe_put_header(ri_buffer *out, const rill_header *all, size_t n, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (ri_str_eq(all[i].name, all[at].name)) return; /* it is with that one */
    if (at) ri_buffer_puts(out, ",");
    ri_json_put_string(out, all[at].name);
    ri_buffer_puts(out, ":[");
    for (size_t i = at; i < n; i++) {
        if (!ri_str_eq(all[i].name, all[at].name)) continue;
        if (i > at) ri_buffer_puts(out, ",");
        ri_json_put_string(out, all[i].value);
    }
    ri_buffer_puts(out, "]");
}

static void probe_put_request(ri_buffer *out, const ri_message *m)
{
    rill_header all[PROBE_HEADERS];
    size_t n = 0;
    ri_str rest = m->headers;
    while (n < PROBE_HEADERS && ri_headers_next(&rest, &all[n])) n++;
    ri_buffer_puts(out, "\"request\":{\"header\":{");
    for (size_t i = 0; i < n; i++) probe_put_header(out, all, n, i);
    ri_buffer_printf(out, "},\"msgsize\":%zu}", m->headers.len + m->data.len);
}

static void probe_put_server(const ri_nats_session *s, const nats_probe *p, ri_buffer *out)
{
    const ri_broker *broker = s->server->broker;
    ri_buffer_puts(out, "{\"server\":{\"name\":");
    ri_json_put_string(out, ri_str_of(broker->name));
    probe_put_text(out, "host", ri_str_of(s->at->name));
    probe_put_text(out, "id", ri_str_of(broker->keys.id));
    probe_put_text(out, "ver", ri_str_of(broker->version));
    ri_buffer_printf(out, ",\"jetstream\":%s,\"time\":\"%.*s\"},",
                     ri_durable_streams(broker) ? "true" : "false", (int)p->ts_len, p->ts);
}

/* To whoever listens there, the asker too, with whatever it says of echoes. */
static void probe_report(ri_nats_session *s, ri_str dest, const ri_message *m, nats_probe *p)
{
    ri_buffer out;
    ri_buffer_init(&out, s->party.router->host);
    probe_put_server(s, p, &out);
    probe_put_request(&out, m);
    ri_buffer_puts(&out, ",\"events\":[");
    ri_buffer_put_str(&out, ri_buffer_str(&p->events));
    if (p->stored.len) ri_buffer_puts(&out, ",");
    ri_buffer_put_str(&out, ri_buffer_str(&p->stored));
    ri_buffer_puts(&out, "]}");
    bool no_echo = s->party.no_echo;
    s->party.no_echo = false;
    ri_message report = {.subject = dest, .data = ri_buffer_str(&out)};
    if (!out.failed && !p->events.failed && !p->stored.failed)
        ri_router_publish(&s->party, &(ri_publish){.m = &report, .route = dest});
    s->party.no_echo = no_echo;
    ri_budget_spend(&s->party.router->budget, ri_budget_bytes(out.len));
    ri_buffer_fini(&out);
}

bool ri_nats_probe_asked(ri_str headers, ri_str *dest)
{
    return ri_headers_find(headers, RI_STR("Nats-Trace-Dest"), dest) &&
           ri_subject_is_literal(*dest);
}

static bool probe_only(ri_str headers)
{
    ri_str value;
    return ri_headers_find(headers, RI_STR("Nats-Trace-Only"), &value) &&
           (ri_str_is(value, "1") || ri_str_eq_nocase(value, RI_STR("true")) ||
            ri_str_eq_nocase(value, RI_STR("on")));
}

int ri_nats_probe_publish(ri_nats_session *s, ri_str dest, const ri_message *m, ri_str asked)
{
    ri_router *router = s->party.router;
    nats_probe p = {.probe = {probe_only(m->headers), probe_egress, probe_stored}};
    p.ts_len = ri_rfc3339_write(p.ts, router->time_ns);
    ri_buffer_init(&p.events, router->host);
    ri_buffer_init(&p.stored, router->host);
    probe_begin(&p, &p.events, "in");
    ri_buffer_printf(&p.events, ",\"kind\":0,\"cid\":%llu", (unsigned long long)s->cid);
    probe_put_name(&p.events, ri_nats_session_name(s));
    probe_put_text(&p.events, "acc", ri_str_of(s->party.account->name));
    probe_put_text(&p.events, "subj", asked);
    ri_buffer_puts(&p.events, "}");
    if (!ri_str_eq(asked, m->subject)) {
        probe_begin(&p, &p.events, "sm");
        probe_put_text(&p.events, "to", m->subject);
        ri_buffer_puts(&p.events, "}");
    }
    int rc = ri_router_publish(&s->party,
                               &(ri_publish){.m = m, .probe = &p.probe, .fan = &s->fan});
    if (!s->fan) probe_report(s, dest, m, &p); /* it may publish nothing while that goes on */
    ri_buffer_fini(&p.events);
    ri_buffer_fini(&p.stored);
    return rc;
}
