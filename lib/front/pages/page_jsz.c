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
#include "front/pages/page_varz.h"
#include "front/pages/page.h"

enum {
    JSZ_UNITS = 10,     /* of the turn, for what is shown of a stream or consumer, ... */
    JSZ_TEXT_BYTES = 32, /* ... and one for so many bytes of it */
    JSZ_ACCOUNT = 256,
};

typedef struct jsz_work {
    bool accounts, streams, consumers, config;
    char account[JSZ_ACCOUNT]; /* of that one alone; empty: of all */
    uint64_t skip, limit;    /* accounts; limit 0: all */
    bool begun;
    struct ri_durable *house, *room; /* as in /metrics: the room at hand, or the last one */
    bool in_room, in_list, in_stream; /* in_list: accounts are listed */
    bool shown;              /* the account at hand is */
    uint64_t nrooms, listed;
    ri_buffer stream, consumer; /* the names that were looked at last; empty: none */
    ri_page_js_sums sums;
    uint64_t nstreams, nconsumers, messages, bytes;
    ri_page_json json;
    ri_page *page;
} jsz_work;

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
    return ri_budget_spend(budget, 1 + (bytes ? JSZ_UNITS : 0) + bytes / JSZ_TEXT_BYTES);
}

static bool jsz_consumers(jsz_work *w, ri_stream *stream, ri_budget *budget)
{
    size_t n;
    ri_consumer *const *all = ri_js_consumers_after(stream, ri_buffer_str(&w->consumer), &n);
    for (size_t i = 0; i < n && !ri_page_is_full(w->page, w->json.out->len); i++) {
        if (!ri_ahead_count_on(all[i])) return false;
        ri_consumer_info info = {0};
        size_t before = w->json.out->len;
        ri_consumer_info_of(all[i], &info);
        if (!w->config) info.config = NULL;
        ri_page_json_key(&w->json, NULL);
        ri_jsapi_encode(&ri_jsapi_consumer_info, &info, w->json.out);
        jsz_note(&w->consumer, ri_consumer_name(all[i]));
        if (!jsz_spend(w, budget, before) && i + 1 < n) return false;
    }
    return true;
}

static void jsz_begin_stream(jsz_work *w, const ri_broker *broker, ri_stream *stream)
{
    ri_page_json *j = &w->json;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    ri_page_json_open(j, NULL, '{');
    ri_page_json_string(j, "name", info.config->name);
    ri_page_json_time(j, "created", info.created);
    ri_page_json_open(j, "cluster", '{');
    ri_page_json_text(j, "leader", broker->name);
    ri_page_json_close(j, '}');
    if (w->config) {
        ri_page_json_key(j, "config");
        ri_jsapi_encode(&ri_jsapi_stream_conf, info.config, j->out);
    }
    ri_page_json_key(j, "state");
    ri_jsapi_encode(&ri_jsapi_stream_state, &info.state, j->out);
    if (w->consumers) ri_page_json_open(j, "consumer_detail", '[');
    w->in_stream = true;
}

static void jsz_end_stream(jsz_work *w)
{
    if (w->consumers) ri_page_json_close(&w->json, ']');
    ri_page_json_close(&w->json, '}');
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

/* Of the account at hand no more streams are shown, and of those behind it nothing. */
static void jsz_end_list(jsz_work *w)
{
    RI_ASSERT(!w->in_stream);
    if (w->shown) ri_page_json_close(&w->json, ']');
    if (w->shown) ri_page_json_close(&w->json, '}');
    w->shown = w->accounts = false;
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
        if (ri_page_is_full(w->page, before)) jsz_end_list(w);
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

static void jsz_begin_account(jsz_work *w, struct ri_durable *room, ri_page_js_sums *sums)
{
    const char *name = ri_rooms_account(room);
    ri_page_json *j = &w->json;
    RI_ASSERT(name && w->listed < w->nrooms);
    if (!w->in_list && !w->page->inner) ri_page_json_open(j, "account_details", '[');
    w->in_list = true;
    w->listed++;
    if (w->page->inner) ri_page_json_begin(w->page, j, true);
    else ri_page_json_open(j, NULL, '{');
    ri_page_json_string(j, "name", ri_trust_name_of(w->page->broker->conf.trust, ri_str_of(name)));
    ri_page_json_text(j, "id", name);
    ri_page_js_put_sums(sums, true, j);
    if (w->streams) ri_page_json_open(j, "stream_detail", '[');
}

static void jsz_begin_room(jsz_work *w, struct ri_durable *room)
{
    ri_page_js_sums sums = {0};
    RI_ASSERT(!w->in_room && !w->in_stream);
    const ri_broker *broker = w->page->broker;
    ri_page_js_add(&sums, broker, room);
    ri_page_js_add(&w->sums, broker, room);
    w->room = room;
    w->in_room = true;
    bool counts = ri_page_js_counts(broker, room);
    w->nrooms += counts;
    bool wanted = counts && jsz_wants(w, ri_rooms_account(room));
    if (wanted) jsz_begin_account(w, room, &sums);
    w->shown = wanted && w->streams;
    if (wanted && !w->shown) ri_page_json_close(&w->json, '}');
}

static void jsz_end_room(jsz_work *w)
{
    RI_ASSERT(w->in_room && !w->in_stream);
    if (w->shown) ri_page_json_close(&w->json, ']');
    if (w->shown) ri_page_json_close(&w->json, '}');
    w->in_room = w->shown = false;
    ri_buffer_reset(&w->stream);
}

static bool jsz_rooms(jsz_work *w, const ri_broker *broker, ri_budget *budget)
{
    for (;;) {
        struct ri_durable *next = w->in_room ? w->room : ri_rooms_after(w->house, w->room);
        if (!next) return true;
        if (w->page->inner && strcmp(ri_rooms_account(next), w->account) != 0) {
            w->room = next;
            if (!ri_budget_spend(budget, JSZ_UNITS)) return false;
            continue;
        }
        if (!w->in_room) jsz_begin_room(w, next);
        if (!jsz_streams(w, broker, ri_durable_js(w->room), budget)) return false;
        jsz_end_room(w);
        if (!ri_budget_spend(budget, JSZ_UNITS)) return false;
    }
}

/* ---- The route ---- */

/* Of one account alone. */
static void jsz_end_inner(jsz_work *w)
{
    const ri_account *account;
    const ri_broker *broker = w->page->broker;
    bool there = false;
    if (w->in_list) return;
    for (size_t i = 0; !there && (account = ri_broker_account_at(broker, i)) != NULL; i++)
        there = strcmp(account->name, w->account) == 0;
    if (there && !w->house) {
        ri_page_say(w->page, 400, "jetstream not enabled");
        return;
    }
    ri_page_say(w->page, 400, there ? "account \"%s\" not jetstream enabled"
                                    : "account \"%s\" not found", w->account);
}

static void jsz_end(jsz_work *w)
{
    ri_page_json *j = &w->json;
    RI_ASSERT(!w->in_room);
    if (w->page->inner) {
        jsz_end_inner(w);
        return;
    }
    if (w->in_list) ri_page_json_close(j, ']');
    if (w->house) ri_page_js_put_sums(&w->sums, false, j);
    ri_page_json_uint(j, "streams", w->nstreams);
    ri_page_json_uint(j, "consumers", w->nconsumers);
    ri_page_json_uint(j, "messages", w->messages);
    ri_page_json_uint(j, "bytes", w->bytes);
    ri_page_json_uint(j, "total", w->nrooms);
    ri_page_json_close(j, '}');
}

/* Of JetStream that is off: as many zeros as nats-server has, at the level of no API. */
static void jsz_put_none(ri_page_json *j)
{
    static const ri_page_js_sums none;
    ri_page_json_bool(j, "disabled", true);
    ri_page_json_open(j, "config", '{');
    ri_page_json_int(j, "max_memory", 0);
    ri_page_json_int(j, "max_storage", 0);
    ri_page_json_close(j, '}');
    ri_page_js_put_sums(&none, false, j);
}

static void jsz_start(ri_page *page, jsz_work *w)
{
    const ri_broker *broker = page->broker;
    w->house = broker->durable_opening ? NULL : ri_durable_streams(broker);
    w->begun = true;
    if (page->inner) return;
    ri_page_json_begin(page, &w->json, false);
    if (!w->house) {
        jsz_put_none(&w->json);
        return;
    }
    ri_page_json_open(&w->json, "config", '{');
    ri_page_js_put_config(w->house, true, &w->json);
    ri_page_json_close(&w->json, '}');
    ri_page_js_put_limits(w->house, &w->json);
}

static bool jsz_step(ri_page *page)
{
    jsz_work *w = page->work;
    ri_broker *broker = page->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    if (!w->begun) jsz_start(page, w);
    if (w->house && w->house != broker->durable) { /* what is not walked yet is gone */
        page->body.failed = true;
        page->why = "the store was closed while this page was made\n";
        return false;
    }
    bool done = !w->house || jsz_rooms(w, broker, &broker->router.budget);
    if (w->stream.failed || w->consumer.failed) page->body.failed = true;
    if (!ri_page_charge(page, 0)) return false;
    if (done) jsz_end(w);
    return !done;
}

static void jsz_begin(ri_page *page, ri_str query)
{
    jsz_work *w = ri_page_work(page, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->stream, page->body.host);
    ri_buffer_init(&w->consumer, page->body.host);
    ri_page_query_get(query, "acc", w->account, sizeof w->account);
    w->config = ri_page_query_bool(query, "config");
    w->consumers = ri_page_query_bool(query, "consumers");
    w->streams = w->consumers || ri_page_query_bool(query, "streams");
    w->accounts = w->streams || ri_page_query_bool(query, "accounts");
    w->skip = ri_page_query_number(query, "offset", 0);
    w->limit = ri_page_query_number(query, "limit", 0);
    w->page = page;
}

static void jsz_drop(ri_page *page)
{
    jsz_work *w = page->work;
    ri_buffer_fini(&w->stream);
    ri_buffer_fini(&w->consumer);
}

const ri_page_kind ri_page_jsz = {
    .bools = "accounts streams consumers config leader-only raft",
    .ints = "offset limit", .begin = jsz_begin, .step = jsz_step, .drop = jsz_drop};
