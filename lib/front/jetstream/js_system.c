/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ: who am I, which server is this, who is connected, how does its JetStream fare.
 *
 *     $SYS.REQ.USER.INFO
 *     $SYS.REQ.SERVER.PING.IDZ|JSZ|CONNZ     $SYS.REQ.SERVER.<id>.IDZ|JSZ|CONNZ
 *     $SYS.REQ.ACCOUNT.PING.CONNZ|STATZ
 *
 * In nats-server what is of a server is for the system account, the rest for everybody about the
 * own account. So it is here where accounts are configured. Where $G is alone each of its clients
 * may ask for all: JSZ gives nobody what $JS.API does not. The system account also has what
 * system_verbs[] says, of the server and, as $SYS.REQ.ACCOUNT.NAME.VERB, of any account.
 *
 * Answers are {"server":{...},"data":{...}}; the data is that of the monitoring page of that
 * name. Messages of an account are those of the connections that it has now. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/jetstream/js_request.h"
#include "net/machine.h"

typedef struct system_page { /* what of the page is asked for */
    bool accounts, streams, consumers, config;
    int64_t offset, limit; /* of streams, or connections */
} system_page;

/* What may be asked. */
static const struct {
    const char *subject; /* %s: the id of the server */
    bool server;         /* of all of it: of the system's account, where there are accounts */
} system_rows[] = {
    {"$SYS.REQ.USER.INFO", false},         {"$SYS.REQ.SERVER.PING.IDZ", true},
    {"$SYS.REQ.SERVER.PING.JSZ", true},    {"$SYS.REQ.SERVER.%s.IDZ", true},
    {"$SYS.REQ.SERVER.%s.JSZ", true},      {"$SYS.REQ.SERVER.PING.CONNZ", true},
    {"$SYS.REQ.SERVER.%s.CONNZ", true},    {"$SYS.REQ.ACCOUNT.PING.CONNZ", false},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", false},
};
_Static_assert(RI_LEN(system_rows) == RI_JS_SYSTEM_SUBS, "one subscription each");

/* Where the system's account is heard ... */
static const char *const system_places[] = {
    "$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.*",
    "$SYS.REQ.SERVER.%s.*", "$SYS.REQ.ACCOUNT.*.*",
};
_Static_assert(RI_LEN(system_places) == RI_JS_SYSTEM_THERE, "one subscription each");

/* ... and what it may ask of the server, and of an account. */
static const struct {
    const char *verb;
    bool server, account;
} system_verbs[] = {
    {"PING", true, false},   {"STATSZ", true, false}, {"IDZ", true, false},
    {"JSZ", true, true},     {"CONNZ", true, true},   {"SUBSZ", true, true},
    {"LEAFZ", true, true},   {"INFO", false, true},   {"STATZ", false, true},
    {"ROUTEZ", true, false}, {"HEALTHZ", true, false}, {"GATEWAYZ", true, false},
    {"ACCOUNTZ", true, false},
};

static bool system_is_known(ri_str subject)
{
    ri_str rest = subject, kind = subject, verb = subject;
    for (int i = 0; ri_str_cut(&rest, '.', &verb); i++)
        if (i == 2) kind = verb;
    if (ri_str_is(kind, "USER")) return true;
    for (size_t i = 0; i < RI_LEN(system_verbs); i++)
        if (ri_str_is(verb, system_verbs[i].verb))
            return ri_str_is(kind, "ACCOUNT") ? system_verbs[i].account : system_verbs[i].server;
    return false;
}

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
    ri_account *account;   /* a reference: of whose streams; NULL: of those of the API's */
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
static void system_account(const char *account_name, const ri_js_account *account, ri_buffer *out)
{
    ri_str name = ri_str_of(account_name);
    ri_buffer_puts(out, "{");
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
    if (!page->accounts) return;
    ri_buffer_puts(out, ",\"account_details\":[");
    system_account(api->opts.account->name, &account, out);
}

/* The streams that are asked about: each slice looks, as rooms come and go. NULL: none. */
static ri_js *system_js(const ri_js_request *r, const system_jsz *w)
{
    if (!w->account) return r->js;
    return r->api->opts.house->streams_of(r->api->opts.broker, w->account->name);
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
    bool sums;             /* not the connections are wanted, but what they have had in all: */
    rill_stats stats;
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

static void system_sum(void *arg, const ri_broker_conn *listed)
{
    rill_stats *sum = &((system_connz *)arg)->stats;
    sum->conns++;
    sum->in_msgs += listed->info.in_msgs;
    sum->in_bytes += listed->info.in_bytes;
    sum->out_msgs += listed->info.out_msgs;
    sum->out_bytes += listed->info.out_bytes;
    ri_budget_spend(((system_connz *)arg)->query.budget, SYSTEM_UNITS);
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

static void system_put_statz(ri_js_request *r, const char *name, const rill_stats *sum,
                             ri_buffer *out)
{
    rill_stats stats = *sum;
    ri_str account = ri_str_of(name);
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

/* ---- The rest of what the system's account may ask ---- */

/* How subjects are matched, in one account or in all. */
static void system_matches(const rill_stats *s, ri_buffer *out)
{
    double known = (double)s->matches_known / (double)RI_MAX(s->matches, UINT64_C(1));
    double seen = (double)s->receivers / (double)RI_MAX(s->answers_told, UINT64_C(1));
    ri_buffer_printf(out, "\"num_subscriptions\":%llu,\"num_cache\":%llu,\"num_inserts\":%llu,"
                     "\"num_removes\":%llu,\"num_matches\":%llu,\"cache_hit_rate\":%.4g,"
                     "\"max_fanout\":%llu,\"avg_fanout\":%.4g", (unsigned long long)s->subs,
                     (unsigned long long)s->answers, (unsigned long long)s->subs_begun,
                     (unsigned long long)s->subs_ended, (unsigned long long)s->matches, known,
                     (unsigned long long)s->receivers_max, seen);
}

static void system_put_info(const ri_js_request *r, const ri_account *account, ri_buffer *out)
{
    const ri_broker *b = r->api->opts.broker;
    rill_stats s = {.size = sizeof s};
    bool global = account == &b->router.global;
    r->api->opts.house->account_stats(account, &s);
    ri_buffer_puts(out, "{");
    system_string(out, "account_name", ri_str_of(account->name));
    ri_buffer_puts(out, ",");
    system_time(out, "update_time", b->conf_ns);
    if (account->system) ri_buffer_puts(out, ",\"is_system\":true");
    ri_buffer_printf(out, ",\"expired\":false,\"complete\":true,\"jetstream_enabled\":%s,"
                     "\"leafnode_connections\":0,\"client_connections\":%u,"
                     "\"subscriptions\":%llu,",
                     (global ? b->durable != NULL : ri_account_has_streams(account)) ? "true"
                                                                                : "false",
                     account->nconns, (unsigned long long)s.subs);
    system_string(out, "name_tag", ri_str_of(account->name));
    ri_buffer_puts(out, ",\"sublist_stats\":{");
    system_matches(&s, out);
    ri_buffer_puts(out, "}}");
}

static void system_counts(ri_buffer *out, const char *name, uint64_t msgs, uint64_t bytes)
{
    ri_buffer_printf(out, "\"%s\":{\"msgs\":%llu,\"bytes\":%llu},", name,
                     (unsigned long long)msgs, (unsigned long long)bytes);
}

static size_t system_accounts_in_use(const ri_broker *b)
{
    size_t n = b->router.global.nconns > 0;
    for (size_t i = 0; i < ri_accounts_count(b->conf.accounts); i++)
        n += ri_accounts_at(b->conf.accounts, i)->nconns > 0;
    return n;
}

static void system_put_statsz(ri_js_request *r, const ri_broker *b, const rill_stats *s,
                              ri_buffer *out)
{
    ri_machine_use use;
    r->api->opts.house->machine(&use);
    double up_ns = (double)RI_MAX(ri_ns_sub(r->api->wall_ns, b->start_ns), 1);
    ri_buffer_puts(out, "{");
    system_time(out, "start", b->start_ns);
    ri_buffer_printf(out, ",\"mem\":%llu,\"cores\":%ld,\"cpu\":%.4g,\"connections\":%llu,"
                     "\"total_connections\":%llu,\"active_accounts\":%zu,"
                     "\"subscriptions\":%llu,", (unsigned long long)use.resident_bytes, use.cores,
                     (double)use.cpu_ns * 100 / up_ns, (unsigned long long)s->conns,
                     (unsigned long long)s->conns_total, system_accounts_in_use(b),
                     (unsigned long long)s->subs);
    system_counts(out, "sent", s->out_msgs, s->out_bytes);
    system_counts(out, "sent_to_clients", s->out_msgs, s->out_bytes);
    system_counts(out, "received", s->in_msgs, s->in_bytes);
    system_counts(out, "received_from_clients", s->in_msgs, s->in_bytes);
    ri_buffer_printf(out, "\"slow_consumers\":%llu,\"active_servers\":1",
                     (unsigned long long)s->slow_conns);
    if (r->js) {
        ri_js_account account;
        ri_js_account_of(r->js, &account);
        account.api = (ri_js_api_stats){.total = r->api->stats.total,
                                        .errors = r->api->stats.errors};
        ri_buffer_printf(out, ",\"jetstream\":{\"config\":{\"max_memory\":%lld,"
                         "\"max_storage\":%lld},\"stats\":{",
                         system_limit(r->api->opts.max_memory_bytes),
                         system_limit(r->api->opts.max_store_bytes));
        system_usage(&account, out);
        ri_buffer_puts(out, "}}");
    }
    ri_buffer_puts(out, "}");
}

static void system_put_accountz(ri_js_request *r, const ri_broker *b, ri_buffer *out)
{
    const ri_account *account;
    system_head(r, out);
    ri_buffer_puts(out, ",\"system_account\":");
    ri_json_put_string(out, ri_str_of(ri_js_request_account(r)->name));
    ri_buffer_puts(out, ",\"accounts\":");
    for (size_t i = 0; (account = r->api->opts.house->account_at(b, i)) != NULL; i++) {
        ri_buffer_puts(out, i ? "," : "[");
        ri_json_put_string(out, ri_str_of(account->name));
    }
    ri_buffer_puts(out, "]}");
}

/* `account` NULL: of the server. */
static void system_page_of(ri_js_request *r, ri_str verb, const ri_account *account, ri_buffer *out)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    const ri_broker *b = opts->broker;
    RI_ASSERT(b && opts->house);
    rill_stats s = {.size = sizeof s};
    if (account) opts->house->account_stats(account, &s);
    else opts->broker_stats(opts->broker, &s);
    if (ri_str_is(verb, "ACCOUNTZ")) {
        system_put_accountz(r, b, out);
    } else if (ri_str_is(verb, "HEALTHZ")) {
        bool fails = opts->house->is_failing(b);
        ri_buffer_puts(out, fails ? "{\"status\":\"unavailable\",\"status_code\":503,\"error\":"
                                    "\"JetStream store does not take what is committed, "
                                    "or could not be opened for all\"}"
                                  : "{\"status\":\"ok\",\"status_code\":200}");
    } else if (ri_str_is(verb, "SUBSZ")) {
        system_head(r, out);
        ri_buffer_puts(out, ",\"total\":0,\"offset\":0,\"limit\":1024,");
        system_matches(&s, out);
        ri_buffer_puts(out, "}");
    } else if (ri_str_is(verb, "LEAFZ")) {
        system_head(r, out);
        ri_buffer_puts(out, ",\"leafnodes\":0,\"leafs\":[]}");
    } else if (ri_str_is(verb, "GATEWAYZ")) {
        system_head(r, out);
        ri_buffer_puts(out, ",\"outbound_gateways\":{},\"inbound_gateways\":{}}");
    } else if (ri_str_is(verb, "ROUTEZ")) {
        system_head(r, out);
        ri_buffer_puts(out, ",");
        system_string(out, "server_name", ri_str_of(r->api->opts.server_name));
        ri_buffer_puts(out, ",\"num_routes\":0,\"routes\":[]}");
    } else {
        system_put_statsz(r, b, &s, out);
    }
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
    ri_js *js = system_js(r, w);
    if (!js) return false;
    ri_stream *const *streams = ri_js_streams_after(js, ri_buffer_str(&w->stream), &n);
    if (w->inside) { /* unless it has gone */
        ri_stream *stream = ri_js_stream(js, ri_buffer_str(&w->stream));
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
    bool more = w->page.streams && system_jsz_streams(r, w);
    r->held = w->out.cap;
    if (more) return !w->stream.failed;
    if (w->account) ri_buffer_puts(&w->out, "]}");
    else system_end_jsz(r, &w->page, &w->out);
    system_end(r, &w->out);
    return false;
}

static void system_jsz_drop(ri_js_request *r)
{
    system_jsz *w = r->work;
    ri_account_unref(w->account);
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
    ri_buffer out;
    system_begin(r, &out);
    if (w->sums) {
        opts->house->account_stats(w->account, &w->stats);
        system_put_statz(r, w->account->name, &w->stats, &out);
        system_end(r, &out);
        return false;
    }
    if (opts->broker_stats) opts->broker_stats(opts->broker, &stats);
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

static void system_connz_begin(ri_js_request *r, const system_page *page, ri_account *account,
                               bool sums)
{
    static const ri_js_route route = {.silent = true, .reads = true};
    system_connz *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (system_connz){.page = *page, .api = r->api, .sums = sums};
    w->query = (ri_broker_conns_query){.skip = (uint64_t)page->offset, .max = (uint64_t)page->limit,
                                       .budget = ri_js_request_budget(r), .put = system_conn,
                                       .arg = w};
    if (account) w->query.account = w->account = ri_account_ref(account);
    if (sums) {
        w->query.put = system_sum;
        w->query.skip = 0;
        w->query.max = UINT64_MAX;
    }
    ri_buffer_init(&w->list, &r->api->host);
    r->route = &route;
    r->work = w;
    r->drop = system_connz_drop;
    ri_js_request_go_on(r, system_connz_step);
}

static void system_jsz_begin(ri_js_request *r, const system_page *page, ri_account *account)
{
    static const ri_js_route route = {.silent = true, .reads = true};
    system_jsz *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (system_jsz){.page = *page};
    if (account) w->account = ri_account_ref(account);
    system_begin(r, &w->out);
    if (account) {
        ri_js_account of = {.streams = 0};
        const ri_js *js = system_js(r, w);
        if (js) ri_js_account_of(js, &of);
        system_account(account->name, &of, &w->out);
    } else {
        system_begin_jsz(r, page, &w->out);
    }
    ri_buffer_init(&w->stream, &r->api->host);
    ri_buffer_init(&w->consumer, &r->api->host);
    r->route = &route;
    r->work = w;
    r->drop = system_jsz_drop;
    ri_js_request_go_on(r, system_jsz_step);
}

static void system_fail(ri_js_request *r, int code, const char *format, ri_str name)
{
    ri_buffer out, text;
    ri_buffer_init(&out, &r->api->host);
    ri_buffer_init(&text, &r->api->host);
    ri_buffer_printf(&text, format, RI_ARG(name));
    ri_buffer_puts(&out, "{");
    system_server(r, &out);
    ri_buffer_printf(&out, ",%s\"error\":{\"code\":%d,\"description\":",
                     name.len ? "\"data\":null," : "", code);
    ri_json_put_string(&out, ri_buffer_str(&text));
    ri_buffer_puts(&out, "}");
    out.failed = out.failed || text.failed;
    ri_buffer_fini(&text);
    system_end(r, &out);
}

/* Whose account it is that `name` asks about: NULL: there is none of that name. */
static ri_account *system_account_of(const ri_js_request *r, ri_str name)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    const ri_account *account;
    if (!r->there || ri_str_is(name, "PING")) return ri_js_request_account(r);
    for (size_t i = 0; (account = opts->house->account_at(opts->broker, i)) != NULL; i++)
        if (ri_str_is(name, account->name)) return (ri_account *)(uintptr_t)account;
    return NULL;
}

/* What is answered in one piece. STATZ: of the only account that there is. */
static void system_at_once(ri_js_request *r, ri_str verb, const ri_account *account)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    rill_stats stats = {.size = sizeof stats};
    bool statsz = ri_str_is(verb, "STATSZ") || ri_str_is(verb, "PING");
    bool ids = ri_str_is(verb, "IDZ");
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    ri_buffer_puts(&out, "{");
    if (!ids) system_server(r, &out);
    if (!ids) ri_buffer_puts(&out, statsz ? ",\"statsz\":" : ",\"data\":");
    if (ids) {
        system_string(&out, "name", ri_str_of(opts->server_name));
        ri_buffer_puts(&out, ",\"host\":\"\",");
        system_string(&out, "id", ri_str_of(opts->server_id));
    } else if (ri_str_is(verb, "INFO")) {
        if (account) system_put_info(r, account, &out);
        else system_put_user(r, &out);
    } else if (ri_str_is(verb, "STATZ")) {
        if (opts->broker_stats) opts->broker_stats(opts->broker, &stats);
        system_put_statz(r, opts->account->name, &stats, &out);
    } else {
        system_page_of(r, verb, account, &out);
    }
    ri_budget_spend(ri_js_request_budget(r), out.len / RI_JS_TEXT_BYTES);
    system_end(r, &out);
}

bool ri_js_system_request(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (!ri_str_starts(r->subject, RI_STR("$SYS.REQ."))) return false;
    ri_str rest = r->subject, verb = r->subject, name = RI_STR_NONE;
    for (int i = 0; ri_str_cut(&rest, '.', &verb); i++)
        if (i == 3) name = verb;
    bool of_account = system_accounts(r->api) &&
                      ri_str_starts(r->subject, RI_STR("$SYS.REQ.ACCOUNT."));
    ri_account *account = of_account ? system_account_of(r, name) : NULL;
    system_page page;
    if (of_account && !account && ri_str_is(verb, "JSZ"))
        system_fail(r, 500, "account \"%.*s\" not found", name);
    else if (of_account && !account)
        system_fail(r, 500, "Account %.*s does not exist", name);
    else if (!ri_str_is(verb, "IDZ") && !system_read_jsz(r->body, &page))
        system_fail(r, 400, "invalid JSON%.*s", RI_STR_NONE);
    else if (ri_str_is(verb, "CONNZ")) system_connz_begin(r, &page, account, false);
    else if (ri_str_is(verb, "JSZ")) system_jsz_begin(r, &page, account);
    else if (ri_str_is(verb, "STATZ") && account) system_connz_begin(r, &page, account, true);
    else system_at_once(r, verb, account);
    return true;
}

/* ---- Where it is heard ---- */

bool ri_js_system_hears(const ri_jetstream_api *api, const ri_subscription *sub)
{
    const ri_subscription *here = api->system_subs;
    bool is_here = sub >= here && sub < here + RI_JS_SYSTEM_SUBS;
    const ri_accounts *accounts = system_accounts(api);
    if (!is_here || !accounts) return true;
    /* The house hears in the system's account, whether or not it has streams of its own. */
    if (api->opts.account == ri_accounts_system(accounts)) return false;
    return !system_rows[sub - here].server;
}

static bool system_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_jetstream_api *api = ri_container_of(party, ri_jetstream_api, system);
    (void)sub;
    return system_is_known(d->m->subject) && ri_js_row_put(api, d, true);
}

const ri_party_ops ri_js_system_ops = {.deliver = system_deliver};

/* `format` with the id of the server, if it has a place for it. */
static ri_str system_subject(const ri_jetstream_api *api, const char *format, char room[static 128])
{
    const char *hole = strchr(format, '%');
    int n = hole ? snprintf(room, 128, "%.*s%s%s", (int)(hole - format), format,
                            api->opts.server_id, hole + 2)
                 : snprintf(room, 128, "%s", format);
    RI_ASSERT(n > 0 && n < 128);
    return (ri_str){room, (size_t)n};
}

void ri_js_system_move(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    bool global = api->opts.account == &api->system.router->global; /* else: its own alone */
    ri_account *account = global ? ri_accounts_system(system_accounts(api)) : NULL;
    if (account && account == api->system.account && system_is_there(api)) return;
    for (size_t i = 0; i < RI_JS_SYSTEM_THERE; i++) ri_router_unsubscribe(&api->system_there[i]);
    ri_party_enter(&api->system, account ? account : &api->system.router->global);
    for (size_t i = 0; account && i < RI_JS_SYSTEM_THERE; i++) {
        ri_subscription *sub = &api->system_there[i];
        *sub = (ri_subscription){.entry.subject = system_subject(api, system_places[i],
                                                                 api->there_subjects[i])};
        if (ri_router_subscribe(&api->system, sub) < 0)
            ri_host_log(&api->host, RILL_ERROR, "account %s: %s", account->name, ri_err_text());
    }
}

int ri_js_system_start(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    for (size_t i = 0; i < RI_JS_SYSTEM_SUBS; i++) {
        api->system_subs[i].entry.subject = system_subject(api, system_rows[i].subject,
                                                           api->system_subjects[i]);
        int rc = ri_router_subscribe(&api->party, &api->system_subs[i]);
        if (rc < 0) return rc;
    }
    ri_js_system_move(api);
    return RILL_OK;
}
