/* SPDX-License-Identifier: Apache-2.0 */
/* /healthz: is all well, or an account, a stream, a consumer there? And /ipqueuesz: what waits in
 * queues inside of the broker. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/json.h"
#include "engine/streams/consumer.h"
#include "engine/streams/stream.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/pages/page.h"

enum { HEALTHZ_NAME = 300, HEALTHZ_SENTENCE = 1200 };

typedef struct healthz_ask {
    char account[HEALTHZ_NAME], stream[HEALTHZ_NAME], consumer[HEALTHZ_NAME];
    bool details, streams;     /* streams: JetStream has to be there */
    int status;                /* the verdict */
    const char *kind;          /* ... is about such a thing */
    char error[HEALTHZ_SENTENCE];
} healthz_ask;

static void healthz_fail(healthz_ask *ask, int status, const char *kind, const char *format, ...)
    RI_PRINTF(4, 5);
static void healthz_fail(healthz_ask *ask, int status, const char *kind, const char *format, ...)
{
    va_list args;
    RI_ASSERT(status >= 400);
    va_start(args, format);
    vsnprintf(ask->error, sizeof ask->error, format, args);
    va_end(args);
    ask->status = status;
    ask->kind = kind;
}

/* What is wrong with the broker: it is gone, or its store is not there yet, or does not take what
 * is committed, or an account's could not be opened. NULL: nothing is. */
static const char *healthz_trouble(const ri_broker *broker)
{
    if (broker->closed) return "shutting down";
    if (broker->durable_opening) return "JetStream store is being opened";
    if (broker->durable && ri_durable_is_failing(broker->durable))
        return "JetStream store does not take what is committed, or could not be opened for all";
    return NULL;
}

static struct ri_durable *healthz_room(const ri_broker *broker, const char *account)
{
    struct ri_durable *room = NULL;
    while ((room = ri_rooms_after(broker->durable, room)) != NULL)
        if (strcmp(ri_rooms_account(room), account) == 0) return room;
    return NULL;
}

static void healthz_look_inside(healthz_ask *ask, const ri_broker *broker)
{
    struct ri_durable *room = healthz_room(broker, ask->account);
    if (!room) {
        healthz_fail(ask, 404, "ACCOUNT", "JetStream account \"%s\" not found", ask->account);
        return;
    }
    ri_stream *stream = ask->stream[0] ? ri_js_stream(ri_durable_js(room), ri_str_of(ask->stream))
                                       : NULL;
    if (ask->stream[0] && !stream)
        healthz_fail(ask, 404, "STREAM", "JetStream stream \"%s\" not found on account \"%s\"",
                     ask->stream, ask->account);
    else if (ask->consumer[0] && !ri_stream_consumer(stream, ri_str_of(ask->consumer)))
        healthz_fail(ask, 404, "CONSUMER",
                     "JetStream consumer \"%s\" not found on account \"%s\"", ask->consumer,
                     ask->account);
}

/* Inside the gate. */
static void healthz_look(healthz_ask *ask, const ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_entered(broker));
    const char *trouble = healthz_trouble(broker);
    bool named = ask->account[0] != 0;
    if (trouble)
        healthz_fail(ask, 503, broker->durable || broker->durable_opening ? "JETSTREAM" : "CONN",
                     "%s", trouble);
    else if (!ri_durable_streams(broker) && (ask->streams || named))
        healthz_fail(ask, 503, "JETSTREAM", "JetStream not enabled");
    else if (!named && ask->stream[0])
        healthz_fail(ask, 400, "BAD_REQUEST",
                     "\"account\" must not be empty when checking stream health");
    else if (!ask->stream[0] && ask->consumer[0])
        healthz_fail(ask, 400, "BAD_REQUEST",
                     "\"stream\" must not be empty when checking consumer health");
    else if (named) healthz_look_inside(ask, broker);
}

static void healthz_put(ri_buffer *out, const char *key, const char *value)
{
    if (!value[0]) return;
    ri_buffer_printf(out, ",\"%s\":", key);
    ri_json_put_string(out, ri_str_of(value));
}

static void healthz_answer(ri_page *page, const healthz_ask *ask)
{
    ri_buffer *out = &page->body;
    RI_ASSERT(ask->status == 200 || ask->kind);
    page->type = "application/json";
    page->status = ask->status;
    bool bad = ask->status == 400 || (ask->details && ask->status != 200);
    ri_buffer_printf(out, "{\"status\":\"%s\"",
                     ask->status == 200 ? "ok" : bad ? "error" : "unavailable");
    if (page->system) ri_buffer_printf(out, ",\"status_code\":%d", ask->status);
    if (ask->status == 200) {
        ri_buffer_puts(out, "}");
    } else if (ask->details) {
        ri_buffer_printf(out, ",\"errors\":[{\"type\":\"%s\"", ask->kind);
        healthz_put(out, "account", ask->account);
        healthz_put(out, "stream", ask->stream);
        healthz_put(out, "consumer", ask->consumer);
        healthz_put(out, "error", ask->error);
        ri_buffer_puts(out, "}]}");
    } else {
        healthz_put(out, "error", ask->error);
        ri_buffer_puts(out, "}");
    }
}

static void healthz_begin(ri_page *page, ri_str query)
{
    healthz_ask *ask = ri_page_work(page, sizeof *ask);
    if (!ask) return;
    ask->status = 200;
    ri_page_query_get(query, "account", ask->account, sizeof ask->account);
    ri_page_query_get(query, "stream", ask->stream, sizeof ask->stream);
    ri_page_query_get(query, "consumer", ask->consumer, sizeof ask->consumer);
    ask->details = ri_page_query_bool(query, "details");
    ask->streams = ri_page_query_bool(query, "js-enabled-only") ||
                   ri_page_query_bool(query, "js-enabled");
}

static bool healthz_step(ri_page *page)
{
    healthz_ask *ask = page->work;
    if (!ask) return false;
    healthz_look(ask, page->broker);
    healthz_answer(page, ask);
    return false;
}

const ri_page_kind ri_page_healthz = {
    .bools = "js-enabled-only js-enabled js-server-only js-meta-only details",
    .begin = healthz_begin, .step = healthz_step};

/* ---- /ipqueuesz ---- */

/* Empty queues are for who asks for all. */
static void healthz_put_queue(ri_page_json *j, const char *name, uint64_t pending, bool all)
{
    if (!pending && !all) return;
    ri_page_json_open(j, name, '{');
    ri_page_json_uint(j, "pending", pending);
    ri_page_json_close(j, '}');
}

static void healthz_begin_queues(ri_page *page, ri_str query)
{
    bool *all = ri_page_work(page, sizeof *all);
    if (all) *all = ri_page_query_bool(query, "all");
}

static bool healthz_step_queues(ri_page *page)
{
    const bool *all = page->work;
    const ri_broker *broker = page->broker;
    const ri_service *service = broker->durable ? ri_durable_service(broker->durable) : NULL;
    ri_page_json j;
    if (!all) return false;
    ri_page_json_begin(page, &j, true);
    if (service) healthz_put_queue(&j, "JetStream API queue", service->held, *all);
    ri_page_json_close(&j, '}');
    return false;
}

const ri_page_kind ri_page_ipqueuesz = {.bools = "all", .begin = healthz_begin_queues,
                                        .step = healthz_step_queues};
