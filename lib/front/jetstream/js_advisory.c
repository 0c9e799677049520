/* SPDX-License-Identifier: Apache-2.0 */
/* Advisories: what happens to streams and consumers, published on $JS.EVENT.> to whoever listens.
 * The text is only made when somebody does. */
#include <stdio.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "front/jetstream/js_request.h"

#define ADVISORY "$JS.EVENT.ADVISORY."

/* What is said of each kind: its subject (the names follow), its type, and which fields. */
enum {
    ADVISORY_CONSUMER = 1,
    ADVISORY_SEQS = 2,       /* consumer_seq */
    ADVISORY_DELIVERIES = 4, /* stream_seq, deliveries */
    ADVISORY_REASON = 8,
    ADVISORY_GROUP = 16,
    ADVISORY_ACCOUNT = 32,
};

typedef struct advisory_kind {
    const char *subject;
    const char *type;
    const char *action;
    unsigned fields;
} advisory_kind;

static const advisory_kind advisory_kinds[] = {
    [RI_JS_STREAM_CREATED] = {ADVISORY "STREAM.CREATED", "advisory.v1.stream_action", "create", 0},
    [RI_JS_STREAM_UPDATED] = {ADVISORY "STREAM.UPDATED", "advisory.v1.stream_action", "modify", 0},
    [RI_JS_STREAM_DELETED] = {ADVISORY "STREAM.DELETED", "advisory.v1.stream_action", "delete", 0},
    [RI_JS_CONSUMER_CREATED] = {ADVISORY "CONSUMER.CREATED", "advisory.v1.consumer_action",
                                "create", ADVISORY_CONSUMER},
    [RI_JS_CONSUMER_DELETED] = {ADVISORY "CONSUMER.DELETED", "advisory.v1.consumer_action",
                                "delete", ADVISORY_CONSUMER},
    [RI_JS_CONSUMER_PAUSED] = {ADVISORY "CONSUMER.PAUSE", "advisory.v1.consumer_pause", NULL,
                               ADVISORY_CONSUMER},
    [RI_JS_CONSUMER_PINNED] = {ADVISORY "CONSUMER.PINNED", "advisory.v1.consumer_group_pinned",
                               NULL, ADVISORY_ACCOUNT | ADVISORY_CONSUMER | ADVISORY_GROUP},
    [RI_JS_CONSUMER_UNPINNED] = {ADVISORY "CONSUMER.UNPINNED",
                                 "advisory.v1.consumer_group_unpinned", NULL,
                                 ADVISORY_ACCOUNT | ADVISORY_CONSUMER | ADVISORY_GROUP |
                                     ADVISORY_REASON},
    [RI_JS_MAX_DELIVERIES] = {ADVISORY "CONSUMER.MAX_DELIVERIES", "advisory.v1.max_deliver", NULL,
                              ADVISORY_CONSUMER | ADVISORY_DELIVERIES},
    [RI_JS_MSG_NAKED] = {ADVISORY "CONSUMER.MSG_NAKED", "advisory.v1.nak", NULL,
                         ADVISORY_CONSUMER | ADVISORY_SEQS | ADVISORY_DELIVERIES},
    [RI_JS_MSG_TERMINATED] = {ADVISORY "CONSUMER.MSG_TERMINATED", "advisory.v1.terminated", NULL,
                              ADVISORY_CONSUMER | ADVISORY_SEQS | ADVISORY_DELIVERIES |
                                  ADVISORY_REASON},
    [RI_JS_ACK_SAMPLED] = {"$JS.EVENT.METRIC.CONSUMER.ACK", "metric.v1.consumer_ack", NULL,
                           ADVISORY_CONSUMER | ADVISORY_SEQS},
    [RI_JS_BATCH_ABANDONED] = {ADVISORY "STREAM.BATCH_ABANDONED",
                               "advisory.v1.stream_batch_abandoned", NULL, ADVISORY_ACCOUNT},
    [RI_JS_IDS_FORGOTTEN] = {NULL, NULL, NULL, 0}, /* clients know no such advisory */
    [RI_JS_DEAD_LETTER_STUCK] = {NULL, NULL, NULL, 0},
    [RI_JS_UNREADABLE] = {NULL, NULL, NULL, 0},
};

static void advisory_string(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, ",\"%s\":", name);
    ri_json_put_string(out, value);
}

static void advisory_uint(ri_buffer *out, const char *name, uint64_t n)
{
    ri_buffer_printf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void advisory_time(ri_buffer *out, const char *name, int64_t time_ns)
{
    char text[RI_RFC3339_MAX];
    size_t n = ri_rfc3339_write(text, time_ns ? time_ns : RI_RFC3339_YEAR1);
    ri_buffer_printf(out, ",\"%s\":\"%.*s\"", name, (int)n, text);
}

static void advisory_begin(ri_jetstream_api *api, ri_buffer *out, const char *type)
{
    char id[RI_NUID_LEN];
    ri_nuid_next(&api->nuid, id);
    ri_buffer_init(out, &api->host);
    ri_buffer_printf(out, "{\"type\":\"io.nats.jetstream.%s\",\"id\":\"%.*s\"", type, RI_NUID_LEN,
                     id);
    advisory_time(out, "timestamp", api->wall_ns);
}

static void advisory_end(ri_jetstream_api *api, ri_buffer *out, ri_str subject)
{
    ri_str domain = ri_js_request_domain(api), none = {NULL, 0};
    if (domain.len) advisory_string(out, "domain", domain);
    ri_buffer_puts(out, "}");
    if (!out->failed) ri_js_request_publish(api, subject, none, none, ri_buffer_str(out));
    ri_buffer_fini(out);
}

static void advisory_fields(ri_jetstream_api *api, const ri_js_event *event,
                            const advisory_kind *kind, ri_buffer *out)
{
    if (kind->fields & ADVISORY_ACCOUNT)
        advisory_string(out, "account", ri_str_of(api->opts.account->name));
    advisory_string(out, "stream", event->stream);
    if (kind->fields & ADVISORY_CONSUMER) advisory_string(out, "consumer", event->consumer);
    if (kind->action) advisory_string(out, "action", ri_str_of(kind->action));
    if (kind->fields & ADVISORY_SEQS) advisory_uint(out, "consumer_seq", event->consumer_seq);
    if (kind->fields & (ADVISORY_DELIVERIES | ADVISORY_SEQS))
        advisory_uint(out, "stream_seq", event->stream_seq);
    if (event->kind == RI_JS_ACK_SAMPLED) advisory_uint(out, "ack_time", (uint64_t)event->time_ns);
    if (kind->fields & (ADVISORY_DELIVERIES | ADVISORY_SEQS))
        advisory_uint(out, "deliveries", event->deliveries);
    if (kind->fields & ADVISORY_GROUP) advisory_string(out, "group", event->group);
    if (event->kind == RI_JS_CONSUMER_PINNED) advisory_string(out, "pinned_id", event->id);
    if (event->kind == RI_JS_BATCH_ABANDONED) {
        advisory_string(out, "batch", event->id);
        advisory_string(out, "reason", event->reason);
    }
    if (kind->fields & ADVISORY_REASON && event->reason.len)
        advisory_string(out, "reason", event->reason);
    if (event->kind == RI_JS_CONSUMER_PAUSED) {
        bool paused = event->time_ns > api->wall_ns;
        ri_buffer_printf(out, ",\"paused\":%s", paused ? "true" : "false");
        advisory_time(out, "pause_until", event->time_ns);
    }
}

void ri_js_advisory_event(ri_jetstream_api *api, const ri_js_event *event)
{
    RI_ASSERT((size_t)event->kind < RI_LEN(advisory_kinds));
    RI_ASSERT(ri_js_api_is_sound(api));
    const advisory_kind *kind = &advisory_kinds[event->kind];
    if (!kind->subject) return;
    char subject[1024];
    int n = snprintf(subject, sizeof subject, "%s.%.*s%s%.*s", kind->subject,
                     RI_ARG(event->stream), kind->fields & ADVISORY_CONSUMER ? "." : "",
                     kind->fields & ADVISORY_CONSUMER ? (int)event->consumer.len : 0,
                     event->consumer.ptr ? event->consumer.ptr : "");
    if (n < 0 || (size_t)n >= sizeof subject) return;
    ri_str to = {subject, (size_t)n};
    if (!ri_interest_any(&api->party.account->interest, to)) return;
    ri_buffer out;
    advisory_begin(api, &out, kind->type);
    advisory_fields(api, event, kind, &out);
    advisory_end(api, &out, to);
}

static void advisory_client(ri_jetstream_api *api, ri_buffer *out)
{
    ri_buffer_puts(out, ",\"client\":{\"acc\":");
    ri_json_put_string(out, ri_str_of(api->opts.account->name));
    ri_buffer_puts(out, "}");
}

void ri_js_advisory_transfer(ri_jetstream_api *api, const ri_js_transfer_event *event)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    char subject[400], type[60];
    int n = snprintf(subject, sizeof subject, ADVISORY "STREAM.%s_%s.%.*s",
                     event->restore ? "RESTORE" : "SNAPSHOT", event->over ? "COMPLETE" : "CREATE",
                     RI_ARG(event->stream));
    if (n < 0 || (size_t)n >= sizeof subject) return;
    ri_str to = {subject, (size_t)n};
    if (!ri_interest_any(&api->party.account->interest, to)) return;
    snprintf(type, sizeof type, "advisory.v1.%s_%s", event->restore ? "restore" : "snapshot",
             event->over ? "complete" : "create");
    ri_buffer out;
    advisory_begin(api, &out, type);
    advisory_string(&out, "stream", event->stream);
    if (event->state) {
        ri_buffer_puts(&out, ",\"state\":");
        ri_jsapi_encode(&ri_jsapi_stream_state, event->state, &out);
    }
    if (event->over) {
        advisory_time(&out, "start", event->begun_ns);
        advisory_time(&out, "end", api->wall_ns);
    }
    if (event->over && event->restore) advisory_uint(&out, "bytes", event->bytes);
    advisory_client(api, &out);
    if (event->error) advisory_string(&out, "error", ri_str_of(event->error));
    advisory_end(api, &out, to);
}

void ri_js_advisory_audit(ri_js_request *r, ri_str response)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    static const ri_str to = {ADVISORY "API", sizeof ADVISORY "API" - 1};
    if (!ri_interest_any(&r->api->party.account->interest, to)) return;
    ri_buffer out;
    advisory_begin(r->api, &out, "advisory.v1.api_audit");
    advisory_string(&out, "server", ri_str_of(r->api->opts.server_name));
    advisory_client(r->api, &out);
    advisory_string(&out, "subject", r->subject);
    if (r->body.len) advisory_string(&out, "request", r->body);
    advisory_string(&out, "response", response);
    advisory_end(r->api, &out, to);
}
