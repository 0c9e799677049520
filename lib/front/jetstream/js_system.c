/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ: who am I, which server is this, who is connected, how does its JetStream fare.
 *
 *     $SYS.REQ.USER.INFO
 *     $SYS.REQ.SERVER.PING.IDZ|JSZ|CONNZ     $SYS.REQ.SERVER.<id>.IDZ|JSZ|CONNZ
 *     $SYS.REQ.ACCOUNT.PING.CONNZ|STATZ
 *
 * In nats-server what is of a server is for the system account, the rest for everybody about the
 * own account. So it is here where accounts are configured, but that STATZ, which would have to be
 * summed up, is answered nowhere then. Where $G is alone each of its clients may ask for all: JSZ
 * gives nobody what $JS.API does not.
 *
 * Answers are {"server":{...},"data":{...}}; the data is that of the monitoring page of that
 * name. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/jetstream/js_request.h"

typedef struct system_page { /* what of the page is asked for */
    bool accounts, streams, consumers, config;
    int64_t offset, limit; /* of streams, or connections */
} system_page;

/* What may be asked. */
static const struct {
    const char *subject; /* %s: the id of the server */
    bool server;         /* of all of it: of the system's account, where there are accounts */
    bool sums;           /* what one account has had in all */
} system_rows[] = {
    {"$SYS.REQ.USER.INFO", false, false},         {"$SYS.REQ.SERVER.PING.IDZ", true, false},
    {"$SYS.REQ.SERVER.PING.JSZ", true, false},    {"$SYS.REQ.SERVER.%s.IDZ", true, false},
    {"$SYS.REQ.SERVER.%s.JSZ", true, false},      {"$SYS.REQ.SERVER.PING.CONNZ", true, false},
    {"$SYS.REQ.SERVER.%s.CONNZ", true, false},    {"$SYS.REQ.ACCOUNT.PING.CONNZ", false, false},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", false, true},
};
_Static_assert(RI_LEN(system_rows) == RI_JS_SYSTEM_SUBS, "one subscription each");

static const ri_accounts *system_accounts(const ri_jetstream_api *api)
{
    const ri_broker *broker = api->opts.broker;
    return broker ? broker->conf.accounts : NULL;
}

static void system_string(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, "\"%s\":", name);
    ri_json_put_string(out, value);
}

static void system_time(ri_buffer *out, const char *name, int64_t time_ns)
{
    char text[RI_RFC3339_MAX];
    ri_buffer_printf(out, "\"%s\":\"%.*s\"", name, (int)ri_rfc3339_write(text, time_ns), text);
}

static void system_server(ri_js_request *r, ri_buffer *out)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    ri_buffer_puts(out, "\"server\":{");
    system_string(out, "name", ri_str_of(opts->server_name));
    ri_buffer_puts(out, ",\"host\":\"\",");
    system_string(out, "id", ri_str_of(opts->server_id));
    if (opts->domain) {
        ri_buffer_puts(out, ",");
        system_string(out, "domain", ri_str_of(opts->domain));
    }
    ri_buffer_puts(out, ",");
    system_string(out, "ver", ri_str_of(opts->version));
    ri_buffer_printf(out, ",\"jetstream\":%s,\"flags\":%d,\"seq\":%llu,", r->js ? "true" : "false",
                     r->js ? 1 : 0, (unsigned long long)r->api->stats.total);
    system_time(out, "time", r->api->wall_ns);
    ri_buffer_puts(out, "}");
}

/* ---- /jsz ---- */

/* Put together in slices, consumer by consumer; each is listed as it is when it is reached. A
 * stream that goes before all of its consumers were listed ends with those that were. */
typedef struct system_jsz {
    system_page page;
    ri_buffer out;         /* the answer */
    int64_t seen, listed;    /* streams */
    ri_buffer stream;      /* the name of the one that was looked at last; empty: none */
    ri_buffer consumer;    /* the same of its consumers */
    bool inside;           /* not all of its consumers were looked at */
    bool any;              /* one was listed */
} system_jsz;

enum { SYSTEM_UNITS = 10 }; /* of what is listed, beside its bytes */

/* No more is listed: the page is full, or the answer is long. */
static bool system_is_full(const system_jsz *w)
{
    return w->listed == w->page.limit || w->out.len >= RI_LIMIT_JS_JSZ;
}

static bool system_spend(ri_js_request *r, const system_jsz *w, size_t before)
{
    return ri_budget_spend(ri_js_request_budget(r),
                           1 + (w->out.len > before ? SYSTEM_UNITS : 0) +
                               (w->out.len - before) / RI_JS_TEXT_BYTES);
}

static void system_note(ri_buffer *place, ri_str name)
{
    ri_buffer_reset(place);
    ri_buffer_put_str(place, name);
}

/* The consumers behind the place: false, if the budget ends before them. */
static bool system_consumers(ri_js_request *r, ri_stream *stream, system_jsz *w)
{
    size_t n, i = 0;
    ri_consumer *const *consumers = ri_js_consumers_after(stream, ri_buffer_str(&w->consumer), &n);
    for (bool left = true; i < n && w->out.len < RI_LIMIT_JS_JSZ; i++) {
        if (!left || !ri_ahead_count_on(consumers[i])) return false;
        ri_consumer_info info = {0};
        size_t before = w->out.len;
        ri_consumer_info_of(consumers[i], &info);
        if (w->any) ri_buffer_puts(&w->out, ",");
        ri_jsapi_encode(&ri_jsapi_consumer_info, &info, &w->out);
        w->any = true;
        system_note(&w->consumer, ri_consumer_name(consumers[i]));
        left = system_spend(r, w, before);
    }
    return true;
}

static void system_end_stream(system_jsz *w)
{
    if (w->page.consumers) ri_buffer_puts(&w->out, "]");
    ri_buffer_puts(&w->out, "}");
    ri_buffer_reset(&w->consumer);
    w->inside = w->any = false;
}

static void system_begin_stream(ri_js_request *r, ri_stream *stream, system_jsz *w)
{
    ri_buffer *out = &w->out;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    if (w->listed++) ri_buffer_puts(out, ",");
    ri_buffer_puts(out, "{");
    system_string(out, "name", info.config->name);
    ri_buffer_puts(out, ",");
    system_time(out, "created", info.created);
    ri_buffer_puts(out, ",\"cluster\":{");
    system_string(out, "leader", ri_str_of(r->api->opts.server_name));
    ri_buffer_puts(out, "}");
    if (w->page.config) {
        ri_buffer_puts(out, ",\"config\":");
        ri_jsapi_encode(&ri_jsapi_stream_conf, info.config, out);
    }
    ri_buffer_puts(out, ",\"state\":");
    ri_jsapi_encode(&ri_jsapi_stream_state, &info.state, out);
    if (w->page.consumers) ri_buffer_puts(out, ",\"consumer_detail\":[");
    w->inside = true;
}

static void system_usage(const ri_js_account *a, ri_buffer *out)
{
    ri_buffer_printf(out, "\"memory\":%llu,\"storage\":%llu,\"reserved_memory\":%llu,"
                          "\"reserved_storage\":%llu,\"accounts\":1,\"ha_assets\":0,",
                     (unsigned long long)a->memory, (unsigned long long)a->storage,
                     (unsigned long long)a->reserved_memory,
                     (unsigned long long)a->reserved_storage);
    ri_buffer_printf(out, "\"api\":{\"level\":%d,\"total\":%llu,\"errors\":%llu}", RI_JS_API_LEVEL,
                     (unsigned long long)a->api.total, (unsigned long long)a->api.errors);
}

/* Up to the details of streams, which follow. */
static void system_account(ri_js_request *r, const ri_js_account *account, ri_buffer *out)
{
    ri_str name = ri_str_of(r->api->opts.account->name);
    ri_buffer_puts(out, ",\"account_details\":[{");
    system_string(out, "name", name);
    ri_buffer_puts(out, ",");
    system_string(out, "id", name);
    ri_buffer_puts(out, ",");
    system_usage(account, out);
    ri_buffer_puts(out, ",\"stream_detail\":[");
}

/* How many messages and bytes all streams have. */
static void system_sums(ri_js *js, uint64_t *messages, uint64_t *bytes)
{
    size_t n;
    ri_stream *const *streams = ri_js_streams(js, &n);
    *messages = *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        ri_track_info info;
        ri_track_counts(ri_stream_track(streams[i]), &info);
        *messages += info.count;
        *bytes += info.bytes;
    }
}

static long long system_limit(uint64_t bytes)
{
    return bytes == 0 ? -1 : (long long)RI_MIN(bytes, (uint64_t)INT64_MAX);
}

/* What stands before the details: it is that of the moment when the answer is begun. */
static void system_begin_jsz(ri_js_request *r, const system_page *page, ri_buffer *out)
{
    const ri_jetstream_api *api = r->api;
    if (!r->js) {
        ri_buffer_puts(out, "{");
        system_string(out, "server_id", ri_str_of(api->opts.server_id));
        ri_buffer_puts(out, ",");
        system_time(out, "now", api->wall_ns);
        ri_buffer_puts(out, ",\"disabled\":true,\"streams\":0,\"consumers\":0,\"messages\":0,"
                            "\"bytes\":0");
        return;
    }
    ri_js_account account;
    ri_js_account_of(r->js, &account);
    account.api = (ri_js_api_stats){.total = api->stats.total, .errors = api->stats.errors};
    uint64_t messages, bytes;
    system_sums(r->js, &messages, &bytes);
    ri_buffer_puts(out, "{");
    system_usage(&account, out);
    ri_buffer_puts(out, ",");
    system_string(out, "server_id", ri_str_of(api->opts.server_id));
    ri_buffer_puts(out, ",");
    system_time(out, "now", api->wall_ns);
    ri_buffer_printf(out, ",\"config\":{\"max_memory\":%lld,\"max_storage\":%lld",
                     system_limit(api->opts.max_memory_bytes),
                     system_limit(api->opts.max_store_bytes));
    if (api->opts.store_dir) {
        ri_buffer_puts(out, ",");
        system_string(out, "store_dir", ri_str_of(api->opts.store_dir));
    }
    ri_buffer_printf(out, ",\"strict\":%s},\"streams\":%llu,\"consumers\":%llu,\"messages\":%llu,"
                          "\"bytes\":%llu", api->opts.lenient ? "false" : "true",
                     (unsigned long long)account.streams, (unsigned long long)account.consumers,
                     (unsigned long long)messages, (unsigned long long)bytes);
    if (page->accounts) system_account(r, &account, out);
}

static void system_end_jsz(const ri_js_request *r, const system_page *page, ri_buffer *out)
{
    if (r->js && page->accounts) ri_buffer_puts(out, "]}]");
    ri_buffer_printf(out, ",\"total\":%d}", r->js ? 1 : 0);
}

/* Each deeper level brings those around it; false if the body is no JSON object. */
static bool system_read_jsz(ri_str body, system_page *page)
{
    *page = (system_page){.limit = RI_LIMIT_SYSTEM_PAGE};
    char account[2];
    if (!body.len) return true;
    if (body.len > RI_LIMIT_JS_BODY) return false;
    ri_json root;
    if (ri_json_parse(&root, body) < 0) return false;
    int64_t limit = ri_json_integer(ri_json_get(root, "limit"));
    page->config = ri_json_bool(ri_json_get(root, "config"));
    page->consumers = ri_json_bool(ri_json_get(root, "consumer"));
    page->streams = page->consumers || ri_json_bool(ri_json_get(root, "streams"));
    page->accounts = page->streams || ri_json_bool(ri_json_get(root, "accounts")) ||
                    ri_json_copy(ri_json_get(root, "account"), account, sizeof account) > 0;
    page->offset = RI_MIN(RI_MAX(ri_json_integer(ri_json_get(root, "offset")), 0), UINT32_MAX);
    if (limit > 0) page->limit = RI_MIN(limit, RI_LIMIT_SYSTEM_PAGE);
    return ri_json_kind_of(root) == RI_JSON_OBJECT;
}

/* ---- CONNZ ---- */

/* Put together in slices: a connection that is there all the time is listed once. */
typedef struct system_connz {
    system_page page;
    ri_broker_conns_query query; /* what is left of it */
    ri_jetstream_api *api;
    ri_account *account;   /* a reference: of its connections alone; NULL: of all */
    ri_buffer list;
    uint64_t listed;
} system_connz;

/* "1d2h3m4s", from the first unit that is not zero. */
static void system_span(ri_buffer *out, const char *name, int64_t ns)
{
    static const struct { const char *unit; int64_t seconds; } units[] = {
        {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t left = RI_MAX(ns, 0) / (1000 * RI_MS);
    bool begun = false;
    ri_buffer_printf(out, ",\"%s\":\"", name);
    for (size_t i = 0; i < RI_LEN(units); i++) {
        begun = begun || left >= units[i].seconds || units[i].seconds == 1;
        long long count = left / units[i].seconds;
        if (begun) ri_buffer_printf(out, "%lld%s", count, units[i].unit);
        left %= units[i].seconds;
    }
    ri_buffer_puts(out, "\"");
}

/* As Go writes a short time, in whole microseconds. */
static void system_rtt(ri_buffer *out, int64_t ns)
{
    if (ns < 1000 * RI_MS)
        ri_buffer_printf(out, ",\"rtt\":\"%lld\xc2\xb5s\"", (long long)ns / 1000);
    else
        ri_buffer_printf(out, ",\"rtt\":\"%lldms\"", (long long)(ns / RI_MS));
}

/* "127.0.0.1:50123", "[::1]:50123", or the path of a unix socket */
static void system_peer(ri_buffer *out, const char *peer)
{
    const char *colon = strrchr(peer, ':'), *begin = peer + (*peer == '[');
    size_t len = colon ? (size_t)(colon - begin) : strlen(begin);
    if (begin > peer && len > 0) len--; /* the closing bracket */
    ri_buffer_puts(out, ",");
    system_string(out, "ip", (ri_str){begin, len});
    ri_buffer_printf(out, ",\"port\":%s", colon ? colon + 1 : "0");
}

static void system_conn(void *arg, const ri_broker_conn *listed)
{
    system_connz *connz = arg;
    ri_buffer *out = &connz->list;
    int64_t wall_ns = connz->api->wall_ns;
    size_t before = out->len;
    const rill_conn_info *conn = &listed->info;
    ri_str named = system_accounts(connz->api) ? listed->account : RI_STR_NONE;
    const struct { const char *name; ri_str text; } texts[] = {
        {"name", listed->name}, {"lang", listed->lang}, {"version", listed->version},
        {"authorized_user", listed->user}, {"account", named}};
    ri_buffer_printf(out, "%s{\"cid\":%llu,\"kind\":\"Client\",\"type\":\"nats\"",
                     connz->listed++ ? "," : "", (unsigned long long)conn->id);
    system_peer(out, listed->peer.ptr);
    ri_buffer_puts(out, ",");
    system_time(out, "start", conn->start_ns);
    ri_buffer_puts(out, ",");
    system_time(out, "last_activity", conn->active_ns);
    system_rtt(out, listed->rtt_ns);
    system_span(out, "uptime", ri_ns_sub(wall_ns, conn->start_ns));
    system_span(out, "idle", ri_ns_sub(wall_ns, conn->active_ns));
    ri_buffer_printf(out, ",\"pending_bytes\":%llu,\"in_msgs\":%llu,\"out_msgs\":%llu,"
                          "\"in_bytes\":%llu,\"out_bytes\":%llu,\"subscriptions\":%u",
                     (unsigned long long)conn->pending_bytes, (unsigned long long)conn->in_msgs,
                     (unsigned long long)conn->out_msgs, (unsigned long long)conn->in_bytes,
                     (unsigned long long)conn->out_bytes, conn->subs);
    for (size_t i = 0; i < RI_LEN(texts); i++) {
        if (texts[i].text.len == 0) continue;
        ri_buffer_puts(out, ",");
        system_string(out, texts[i].name, texts[i].text);
    }
    ri_buffer_puts(out, "}");
    ri_budget_spend(connz->query.budget, SYSTEM_UNITS + (out->len - before) / RI_JS_TEXT_BYTES);
}

static void system_head(ri_js_request *r, ri_buffer *out)
{
    ri_buffer_puts(out, "{");
    system_string(out, "server_id", ri_str_of(r->api->opts.server_id));
    ri_buffer_puts(out, ",");
    system_time(out, "now", r->api->wall_ns);
}

/* ---- STATZ: of the one account ---- */

static void system_way(ri_buffer *out, const char *name, uint64_t msgs, uint64_t bytes)
{
    static const char *const others[] = {"gateways", "routes", "leafs"};
    ri_buffer_printf(out, ",\"%s\":{\"msgs\":%llu,\"bytes\":%llu", name,
                     (unsigned long long)msgs, (unsigned long long)bytes);
    for (size_t i = 0; i < RI_LEN(others); i++)
        ri_buffer_printf(out, ",\"%s\":{\"msgs\":0,\"bytes\":0}", others[i]);
    ri_buffer_puts(out, "}");
}

static void system_put_statz(ri_js_request *r, ri_buffer *out)
{
    rill_stats stats = {.size = sizeof stats};
    ri_str account = ri_str_of(r->api->opts.account->name);
    if (r->api->opts.broker_stats) r->api->opts.broker_stats(r->api->opts.broker, &stats);
    system_head(r, out);
    ri_buffer_puts(out, ",\"account_statz\":[{");
    system_string(out, "acc", account);
    ri_buffer_puts(out, ",");
    system_string(out, "name", account);
    ri_buffer_printf(out, ",\"conns\":%llu,\"leafnodes\":0,\"total_conns\":%llu,"
                          "\"num_subscriptions\":%llu", (unsigned long long)stats.conns,
                     (unsigned long long)stats.conns, (unsigned long long)stats.subs);
    system_way(out, "sent", stats.out_msgs, stats.out_bytes);
    system_way(out, "received", stats.in_msgs, stats.in_bytes);
    ri_buffer_printf(out, ",\"slow_consumers\":%llu}]}", (unsigned long long)stats.slow_conns);
}

/* ---- Requests ---- */

static void system_put_user(ri_js_request *r, ri_buffer *out)
{
    ri_str account = ri_str_of(ri_js_request_account(r)->name);
    ri_buffer_puts(out, "{\"user\":\"\",");
    system_string(out, "account", account);
    ri_buffer_puts(out, ",");
    system_string(out, "account_name", account);
    ri_buffer_puts(out, "}");
}

static void system_begin(ri_js_request *r, ri_buffer *out)
{
    ri_buffer_init(out, &r->api->host);
    ri_buffer_puts(out, "{");
    system_server(r, out);
    ri_buffer_puts(out, ",\"data\":");
}

/* Is it in an account that is the system's? */
static bool system_is_there(const ri_jetstream_api *api)
{
    return ri_list_linked(&api->system_there[0].link);
}

static void system_end(ri_js_request *r, ri_buffer *out)
{
    ri_str none = {NULL, 0};
    ri_buffer_puts(out, "}");
    ri_jetstream_api *api = r->api;
    ri_message m = {.subject = r->reply, .data = ri_buffer_str(out)};
    if (out->failed || !m.subject.len) {}
    else if (r->there) ri_router_publish(&api->system, &(ri_publish){.m = &m});
    else ri_js_request_publish(api, r->reply, none, none, m.data);
    ri_buffer_fini(out);
}

static bool system_jsz_streams(ri_js_request *r, system_jsz *w)
{
    size_t n, i = 0;
    ri_stream *const *streams = ri_js_streams_after(r->js, ri_buffer_str(&w->stream), &n);
    if (w->inside) { /* unless it has gone */
        ri_stream *stream = ri_js_stream(r->js, ri_buffer_str(&w->stream));
        if (stream && !system_consumers(r, stream, w)) return true;
        system_end_stream(w);
    }
    for (bool left = true; i < n && !system_is_full(w); i++) {
        if (!left) return true;
        size_t before = w->out.len;
        system_note(&w->stream, ri_stream_conf_of(streams[i])->name);
        bool listed = w->seen++ >= w->page.offset;
        if (listed) system_begin_stream(r, streams[i], w);
        left = system_spend(r, w, before);
        if (listed && w->page.consumers && !system_consumers(r, streams[i], w)) return true;
        if (listed) system_end_stream(w);
    }
    return false;
}

static bool system_jsz_step(ri_js_request *r)
{
    system_jsz *w = r->work;
    bool more = r->js && w->page.streams && system_jsz_streams(r, w);
    r->held = w->out.cap;
    if (more) return !w->stream.failed;
    system_end_jsz(r, &w->page, &w->out);
    system_end(r, &w->out);
    return false;
}

static void system_jsz_drop(ri_js_request *r)
{
    system_jsz *w = r->work;
    ri_buffer_fini(&w->out);
    ri_buffer_fini(&w->stream);
    ri_buffer_fini(&w->consumer);
}

/* How many were listed stands before them. */
static bool system_connz_step(ri_js_request *r)
{
    system_connz *w = r->work;
    rill_stats stats = {.size = sizeof stats};
    const ri_jetstream_api_opts *opts = &r->api->opts;
    bool more = opts->conns && opts->conns(opts->broker, &w->query);
    r->held = w->list.cap;
    if (more) return true;
    if (opts->broker_stats) opts->broker_stats(opts->broker, &stats);
    ri_buffer out;
    system_begin(r, &out);
    system_head(r, &out);
    ri_buffer_printf(&out, ",\"num_connections\":%llu,\"total\":%llu,\"offset\":%llu,"
                          "\"limit\":%llu,\"connections\":[", (unsigned long long)w->listed,
                     (unsigned long long)(w->query.account ? w->query.account->nconns
                                                           : stats.conns),
                     (unsigned long long)w->page.offset,
                     (unsigned long long)w->page.limit);
    ri_buffer_put_str(&out, ri_buffer_str(&w->list));
    ri_buffer_puts(&out, "]}");
    out.failed = out.failed || w->list.failed;
    system_end(r, &out);
    return false;
}

static void system_connz_drop(ri_js_request *r)
{
    system_connz *w = r->work;
    ri_account_unref(w->account);
    ri_buffer_fini(&w->list);
}

static void system_connz_begin(ri_js_request *r, const system_page *page)
{
    static const ri_js_route route = {.silent = true, .reads = true};
    system_connz *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (system_connz){.page = *page, .api = r->api};
    w->query = (ri_broker_conns_query){.skip = (uint64_t)page->offset, .max = (uint64_t)page->limit,
                                       .budget = ri_js_request_budget(r), .put = system_conn,
                                       .arg = w};
    bool own = system_accounts(r->api) && ri_str_starts(r->subject, RI_STR("$SYS.REQ.ACCOUNT."));
    if (own) w->query.account = w->account = ri_account_ref(ri_js_request_account(r));
    ri_buffer_init(&w->list, &r->api->host);
    r->route = &route;
    r->work = w;
    r->drop = system_connz_drop;
    ri_js_request_go_on(r, system_connz_step);
}

static void system_jsz_begin(ri_js_request *r, const system_page *page)
{
    static const ri_js_route route = {.silent = true, .reads = true};
    system_jsz *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (system_jsz){.page = *page};
    system_begin(r, &w->out);
    system_begin_jsz(r, page, &w->out);
    ri_buffer_init(&w->stream, &r->api->host);
    ri_buffer_init(&w->consumer, &r->api->host);
    r->route = &route;
    r->work = w;
    r->drop = system_jsz_drop;
    ri_js_request_go_on(r, system_jsz_step);
}

static void system_bad(ri_js_request *r)
{
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    ri_buffer_puts(&out, "{");
    system_server(r, &out);
    ri_buffer_puts(&out, ",\"error\":{\"code\":400,\"description\":\"invalid JSON\"}");
    system_end(r, &out);
}

bool ri_js_system_request(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (!ri_str_starts(r->subject, RI_STR("$SYS.REQ."))) return false;
    ri_str rest = r->subject, verb = r->subject;
    while (ri_str_cut(&rest, '.', &verb)) {}
    system_page page;
    ri_buffer out;
    if (ri_str_is(verb, "IDZ")) {
        ri_buffer_init(&out, &r->api->host);
        ri_buffer_puts(&out, "{");
        system_string(&out, "name", ri_str_of(r->api->opts.server_name));
        ri_buffer_puts(&out, ",\"host\":\"\",");
        system_string(&out, "id", ri_str_of(r->api->opts.server_id));
    } else if (ri_str_is(verb, "INFO")) {
        system_begin(r, &out);
        system_put_user(r, &out);
    } else if (!system_read_jsz(r->body, &page)) {
        system_bad(r);
        return true;
    } else if (ri_str_is(verb, "CONNZ")) {
        system_connz_begin(r, &page);
        return true;
    } else if (ri_str_is(verb, "STATZ")) {
        system_begin(r, &out);
        system_put_statz(r, &out);
    } else {
        system_jsz_begin(r, &page);
        return true;
    }
    ri_budget_spend(ri_js_request_budget(r), out.len / RI_JS_TEXT_BYTES);
    system_end(r, &out);
    return true;
}

/* ---- Where it is heard ---- */

bool ri_js_system_hears(const ri_jetstream_api *api, const ri_subscription *sub)
{
    const ri_subscription *here = api->system_subs, *there = api->system_there;
    bool is_here = sub >= here && sub < here + RI_JS_SYSTEM_SUBS;
    bool is_there = sub >= there && sub < there + RI_JS_SYSTEM_SUBS;
    const ri_accounts *accounts = system_accounts(api);
    if ((!is_here && !is_there) || !accounts) return true;
    /* The house hears in the system's account, whether or not it has streams of its own. */
    if (is_here && api->opts.account == ri_accounts_system(accounts)) return false;
    size_t i = (size_t)(is_here ? sub - here : sub - there);
    return !system_rows[i].sums && (is_there || !system_rows[i].server);
}

static bool system_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_jetstream_api *api = ri_container_of(party, ri_jetstream_api, system);
    return ri_js_system_hears(api, sub) && ri_js_row_put(api, d, true);
}

const ri_party_ops ri_js_system_ops = {.deliver = system_deliver};

void ri_js_system_move(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    bool global = api->opts.account == &api->system.router->global; /* else: its own alone */
    ri_account *account = global ? ri_accounts_system(system_accounts(api)) : NULL;
    if (account && account == api->system.account && system_is_there(api)) return;
    for (size_t i = 0; i < RI_JS_SYSTEM_SUBS; i++) ri_router_unsubscribe(&api->system_there[i]);
    ri_party_enter(&api->system, account ? account : &api->system.router->global);
    for (size_t i = 0; account && i < RI_JS_SYSTEM_SUBS; i++) {
        ri_subscription *sub = &api->system_there[i];
        *sub = (ri_subscription){.entry.subject = api->system_subs[i].entry.subject};
        if (ri_router_subscribe(&api->system, sub) < 0)
            ri_host_log(&api->host, RILL_ERROR, "account %s: %s", account->name, ri_err_text());
    }
}

int ri_js_system_start(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    for (size_t i = 0; i < RI_JS_SYSTEM_SUBS; i++) {
        const char *format = system_rows[i].subject;
        char *subject = api->system_subjects[i];
        const char *hole = strchr(format, '%');
        size_t room = sizeof api->system_subjects[i];
        int n = hole ? snprintf(subject, room, "%.*s%s%s", (int)(hole - format), format,
                                api->opts.server_id, hole + 2)
                     : snprintf(subject, room, "%s", format);
        RI_ASSERT(n > 0 && (size_t)n < room);
        api->system_subs[i].entry.subject = (ri_str){subject, (size_t)n};
        int rc = ri_router_subscribe(&api->party, &api->system_subs[i]);
        if (rc < 0) return rc;
    }
    ri_js_system_move(api);
    return RILL_OK;
}
