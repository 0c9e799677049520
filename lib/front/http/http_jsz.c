/* SPDX-License-Identifier: Apache-2.0 */
/* /jsz: what JetStream has, and for who asks for it its accounts, their streams and the consumers
 * of these, in slices: each thing is shown as it is when it is reached.
 *
 *     account   {name, id, usage, ------------------\
 *       stream    {name, created, config, state, ----+--> body
 *         consumer  {...}, ...
 *
 * The place of the walk is the name that was looked at last, so that streams and consumers may come
 * and go meanwhile. The sums stand behind them, since they are what was seen. `offset` and `limit`
 * are of accounts, as nats-server has it. */
#include "base/assert.h"
#include "base/saturate.h"
#include "engine/streams/consumer.h"
#include "engine/streams/stream.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/http/http_answer.h"

enum {
    HTTP_JSZ_UNITS = 10,     /* of the turn, for what is shown of a stream or consumer, ... */
    HTTP_JSZ_TEXT_BYTES = 32, /* ... and one for so many bytes of it */
    HTTP_JSZ_ACCOUNT = 256,
};

typedef struct jsz_work {
    bool accounts, streams, consumers, config;
    char account[HTTP_JSZ_ACCOUNT]; /* of that one alone; empty: of all */
    uint64_t skip, limit;    /* accounts; limit 0: all */
    bool begun;
    struct ri_durable *house, *room; /* as in /metrics: the room at hand, or the last one */
    bool in_room, in_list, in_stream; /* in_list: accounts are listed */
    bool shown;              /* the account at hand is */
    uint64_t nrooms, listed;
    ri_buffer stream, consumer; /* the names that were looked at last; empty: none */
    ri_http_js_sums sums;
    uint64_t nstreams, nconsumers, messages, bytes;
    ri_http_json json;
} jsz_work;

/* ---- What /varz has, too ---- */

void ri_http_js_add(ri_http_js_sums *sums, struct ri_durable *room)
{
    const ri_service *service = ri_durable_service(room);
    ri_js_account account;
    uint64_t total = 0, errors = 0;
    ri_js_account_of(ri_durable_js(room), &account);
    if (service && service->ops->counts) service->ops->counts(service, &total, &errors);
    sums->memory += account.memory;
    sums->storage += account.storage;
    sums->reserved_memory = ri_u64_add(sums->reserved_memory, account.reserved_memory);
    sums->reserved_storage = ri_u64_add(sums->reserved_storage, account.reserved_storage);
    sums->accounts++;
    sums->total += total;
    sums->errors += errors;
}

/* Of an account nothing is reserved, but for its streams: as much as there is. */
void ri_http_js_put_sums(const ri_http_js_sums *sums, bool account, ri_http_json *j)
{
    ri_http_json_uint(j, "memory", sums->memory);
    ri_http_json_uint(j, "storage", sums->storage);
    ri_http_json_uint(j, "reserved_memory", account ? UINT64_MAX : sums->reserved_memory);
    ri_http_json_uint(j, "reserved_storage", account ? UINT64_MAX : sums->reserved_storage);
    ri_http_json_uint(j, "accounts", account ? 0 : sums->accounts);
    ri_http_json_uint(j, "ha_assets", 0);
    ri_http_json_open(j, "api", '{');
    ri_http_json_uint(j, "level", account ? 0 : RI_JS_API_LEVEL);
    ri_http_json_uint(j, "total", sums->total);
    ri_http_json_uint(j, "errors", sums->errors);
    ri_http_json_close(j, '}');
}

static int64_t jsz_limit(uint64_t bytes)
{
    return bytes ? (int64_t)RI_MIN(bytes, (uint64_t)INT64_MAX) : -1;
}

void ri_http_js_put_config(struct ri_durable *house, ri_http_json *j)
{
    const ri_durable_opts *opts = ri_durable_opts_of(house);
    ri_http_json_int(j, "max_memory", jsz_limit(opts->max_memory_bytes));
    ri_http_json_int(j, "max_storage", jsz_limit(opts->max_file_bytes));
    ri_http_json_text(j, "store_dir", ri_durable_dir(house));
    if (opts->sync_interval_ms)
        ri_http_json_int(j, "sync_interval", ri_ns_of_ms(opts->sync_interval_ms));
    if (opts->safety == RI_SAFETY_SYNCED && ri_durable_has_disk(house))
        ri_http_json_bool(j, "sync_always", true);
    ri_http_json_bool(j, "strict", true);
    ri_http_json_text(j, "domain", ri_durable_domain(house));
}

void ri_http_js_put_limits(struct ri_durable *house, ri_http_json *j)
{
    const ri_durable_opts *opts = ri_durable_opts_of(house);
    ri_http_json_open(j, "limits", '{');
    if (opts->max_batch > 0) ri_http_json_int(j, "max_request_batch", opts->max_batch);
    if (opts->max_ack_pending > 0) ri_http_json_int(j, "max_ack_pending", opts->max_ack_pending);
    if (opts->duplicate_window_ns > 0)
        ri_http_json_int(j, "max_duplicate_window", opts->duplicate_window_ns);
    ri_http_json_close(j, '}');
}

/* ---- Streams and consumers: true where all of it is done, false where the turn is over ---- */

static void jsz_note(ri_buffer *place, ri_str name)
{
    ri_buffer_reset(place);
    ri_buffer_put_str(place, name);
}

static bool jsz_spend(const jsz_work *w, ri_budget *budget, size_t before)
{
    RI_ASSERT(w->json.out->len >= before);
    size_t bytes = w->json.out->len - before;
    return ri_budget_spend(budget, 1 + (bytes ? HTTP_JSZ_UNITS : 0) + bytes / HTTP_JSZ_TEXT_BYTES);
}

static bool jsz_consumers(jsz_work *w, ri_stream *stream, ri_budget *budget)
{
    size_t n;
    ri_consumer *const *all = ri_js_consumers_after(stream, ri_buffer_str(&w->consumer), &n);
    for (size_t i = 0; i < n; i++) {
        if (!ri_ahead_count_on(all[i])) return false;
        ri_consumer_info info = {0};
        size_t before = w->json.out->len;
        ri_consumer_info_of(all[i], &info);
        if (!w->config) info.config = NULL;
        ri_http_json_key(&w->json, NULL);
        ri_jsapi_encode(&ri_jsapi_consumer_info, &info, w->json.out);
        jsz_note(&w->consumer, ri_consumer_name(all[i]));
        if (!jsz_spend(w, budget, before) && i + 1 < n) return false;
    }
    return true;
}

static void jsz_begin_stream(jsz_work *w, const ri_broker *broker, ri_stream *stream)
{
    ri_http_json *j = &w->json;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    ri_http_json_open(j, NULL, '{');
    ri_http_json_string(j, "name", info.config->name);
    ri_http_json_time(j, "created", info.created);
    ri_http_json_open(j, "cluster", '{');
    ri_http_json_text(j, "leader", broker->name);
    ri_http_json_close(j, '}');
    if (w->config) {
        ri_http_json_key(j, "config");
        ri_jsapi_encode(&ri_jsapi_stream_conf, info.config, j->out);
    }
    ri_http_json_key(j, "state");
    ri_jsapi_encode(&ri_jsapi_stream_state, &info.state, j->out);
    if (w->consumers) ri_http_json_open(j, "consumer_detail", '[');
    w->in_stream = true;
}

static void jsz_end_stream(jsz_work *w)
{
    if (w->consumers) ri_http_json_close(&w->json, ']');
    ri_http_json_close(&w->json, '}');
    ri_buffer_reset(&w->consumer);
    w->in_stream = false;
}

static void jsz_count(jsz_work *w, ri_stream *stream)
{
    RI_ASSERT(!w->in_stream);
    ri_track_info info;
    size_t consumers;
    ri_track_counts(ri_stream_track(stream), &info);
    ri_stream_consumers(stream, &consumers);
    w->nstreams++;
    w->nconsumers += consumers;
    w->messages += info.count;
    w->bytes += info.bytes;
}

static bool jsz_streams(jsz_work *w, const ri_broker *broker, ri_js *js, ri_budget *budget)
{
    size_t n;
    if (w->in_stream) { /* unless it has gone */
        ri_stream *stream = ri_js_stream(js, ri_buffer_str(&w->stream));
        if (stream && !jsz_consumers(w, stream, budget)) return false;
        jsz_end_stream(w);
    }
    ri_stream *const *all = ri_js_streams_after(js, ri_buffer_str(&w->stream), &n);
    for (size_t i = 0; i < n; i++) {
        size_t before = w->json.out->len;
        jsz_count(w, all[i]);
        jsz_note(&w->stream, ri_stream_conf_of(all[i])->name);
        if (w->shown) jsz_begin_stream(w, broker, all[i]);
        jsz_spend(w, budget, before);
        if (w->shown && w->consumers && !jsz_consumers(w, all[i], budget)) return false;
        if (w->shown) jsz_end_stream(w);
        if (!ri_budget_left(budget) && i + 1 < n) return false;
    }
    return true;
}

/* ---- Accounts ---- */

static bool jsz_wants(jsz_work *w, const char *account)
{
    if (w->account[0]) return strcmp(account, w->account) == 0;
    if (!w->accounts) return false;
    uint64_t number = w->nrooms - 1;
    return number >= w->skip && (!w->limit || w->listed < w->limit);
}

static void jsz_begin_account(jsz_work *w, struct ri_durable *room, ri_http_js_sums *sums)
{
    const char *name = ri_rooms_account(room);
    ri_http_json *j = &w->json;
    RI_ASSERT(name && w->listed < w->nrooms);
    if (!w->in_list) ri_http_json_open(j, "account_details", '[');
    w->in_list = true;
    w->listed++;
    ri_http_json_open(j, NULL, '{');
    ri_http_json_text(j, "name", name);
    ri_http_json_text(j, "id", name);
    ri_http_js_put_sums(sums, true, j);
    if (w->streams) ri_http_json_open(j, "stream_detail", '[');
}

static void jsz_begin_room(jsz_work *w, struct ri_durable *room)
{
    ri_http_js_sums sums = {0};
    RI_ASSERT(!w->in_room && !w->in_stream);
    ri_http_js_add(&sums, room);
    ri_http_js_add(&w->sums, room);
    w->room = room;
    w->in_room = true;
    w->nrooms++;
    bool wanted = jsz_wants(w, ri_rooms_account(room));
    if (wanted) jsz_begin_account(w, room, &sums);
    w->shown = wanted && w->streams;
    if (wanted && !w->shown) ri_http_json_close(&w->json, '}');
}

static void jsz_end_room(jsz_work *w)
{
    RI_ASSERT(w->in_room && !w->in_stream);
    if (w->shown) ri_http_json_close(&w->json, ']');
    if (w->shown) ri_http_json_close(&w->json, '}');
    w->in_room = w->shown = false;
    ri_buffer_reset(&w->stream);
}

static bool jsz_rooms(jsz_work *w, const ri_broker *broker, ri_budget *budget)
{
    for (;;) {
        struct ri_durable *next = w->in_room ? w->room : ri_rooms_after(w->house, w->room);
        if (!next) return true;
        if (!w->in_room) jsz_begin_room(w, next);
        if (!jsz_streams(w, broker, ri_durable_js(w->room), budget)) return false;
        jsz_end_room(w);
        if (!ri_budget_spend(budget, HTTP_JSZ_UNITS)) return false;
    }
}

/* ---- The route ---- */

static void jsz_end(jsz_work *w)
{
    ri_http_json *j = &w->json;
    RI_ASSERT(!w->in_room);
    if (w->in_list) ri_http_json_close(j, ']');
    if (w->house) ri_http_js_put_sums(&w->sums, false, j);
    ri_http_json_uint(j, "streams", w->nstreams);
    ri_http_json_uint(j, "consumers", w->nconsumers);
    ri_http_json_uint(j, "messages", w->messages);
    ri_http_json_uint(j, "bytes", w->bytes);
    ri_http_json_uint(j, "total", w->nrooms);
    ri_http_json_close(j, '}');
}

static void jsz_start(ri_http_answer *a, jsz_work *w)
{
    const ri_broker *broker = a->server->broker;
    w->house = broker->durable_opening ? NULL : broker->durable;
    w->begun = true;
    ri_http_answer_json(a, &w->json, false);
    if (!w->house) {
        ri_http_json_bool(&w->json, "disabled", true);
        return;
    }
    ri_http_json_open(&w->json, "config", '{');
    ri_http_js_put_config(w->house, &w->json);
    ri_http_json_close(&w->json, '}');
    ri_http_js_put_limits(w->house, &w->json);
}

static bool jsz_step(ri_http_answer *a)
{
    jsz_work *w = a->work;
    ri_broker *broker = a->server->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    if (!w->begun) jsz_start(a, w);
    if (w->house && w->house != broker->durable) { /* what is not walked yet is gone */
        a->body.failed = true;
        a->why = "the store was closed while this page was made\n";
        return false;
    }
    bool done = !w->house || jsz_rooms(w, broker, &broker->router.budget);
    if (w->stream.failed || w->consumer.failed) a->body.failed = true;
    if (!ri_http_answer_charge(a, 0)) return false;
    if (done) jsz_end(w);
    return !done;
}

static void jsz_begin(ri_http_answer *a, const ri_http_request *request)
{
    ri_str query = request->query;
    jsz_work *w = ri_http_answer_work(a, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->stream, a->body.host);
    ri_buffer_init(&w->consumer, a->body.host);
    ri_http_query_get(query, "acc", w->account, sizeof w->account);
    w->config = ri_http_query_bool(query, "config");
    w->consumers = ri_http_query_bool(query, "consumers");
    w->streams = w->consumers || ri_http_query_bool(query, "streams");
    w->accounts = w->streams || ri_http_query_bool(query, "accounts");
    w->skip = ri_http_query_number(query, "offset", 0);
    w->limit = ri_http_query_number(query, "limit", 0);
}

static void jsz_drop(ri_http_answer *a)
{
    jsz_work *w = a->work;
    ri_buffer_fini(&w->stream);
    ri_buffer_fini(&w->consumer);
}

const ri_http_route ri_http_jsz_route = {
    .path = "/jsz", .bools = "accounts streams consumers config leader-only raft",
    .ints = "offset limit", .begin = jsz_begin, .step = jsz_step, .drop = jsz_drop};
