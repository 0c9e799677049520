/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGES_CONN_LIMIT = 1024,   /* connections on a page of /connz that names no limit */
    PAGES_CONN_CHUNK = 1024,   /* asked of the broker at a time */
    PAGES_NS_OF_MS = 1000000,
    PAGES_ASK_MS = 1000,       /* how long a question to the broker may take */
};

static int64_t pages_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t pages_or(uint64_t value, uint64_t when_zero)
{
    return value != 0 ? value : when_zero;
}

static void pages_put_id(const monitor *from, doc_text *out)
{
    rill_broker_info info = {.size = sizeof info};
    if (rill_broker_about(from->subject.broker, &info) < 0) return;
    doc_string(out, "server_id", info.id);
}

/* ---- /varz -------------------------------------------------------------------------- */

/* Limits as they are in force: a zero stands for the default that rill.h gives. */
static void pages_put_limits(const daemon_options *options, doc_text *out)
{
    const rill_broker_opts *broker = &options->broker;
    double auth_ms = (double)pages_or(broker->auth_timeout_ms, 2000);
    doc_uint(out, "max_connections", pages_or(broker->max_conns, 65536));
    if (broker->max_subs != 0) doc_uint(out, "max_subscriptions", broker->max_subs);
    doc_uint(out, "ping_interval", pages_or(broker->ping_interval_ms, 120000) * PAGES_NS_OF_MS);
    doc_uint(out, "ping_max", pages_or(broker->ping_max, 2));
    doc_number(out, "auth_timeout", auth_ms / 1000);
    doc_uint(out, "max_control_line", pages_or(broker->max_control_line_bytes, 4096));
    doc_uint(out, "max_payload", pages_or(broker->max_msg_bytes, 1 << 20));
    doc_uint(out, "max_pending", pages_or(broker->max_pending_bytes, 64 << 20));
    doc_uint(out, "write_deadline",
              pages_or(broker->write_deadline_ms, 10000) * PAGES_NS_OF_MS);
}

static uint64_t pages_resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void pages_put_process(const monitor *from, doc_text *out)
{
    int64_t now_ns = pages_now_ns(), up_ns = now_ns - from->subject.start_ns;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double busy_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    doc_time(out, "start", from->subject.start_ns);
    doc_time(out, "now", now_ns);
    doc_span(out, "uptime", up_ns);
    doc_uint(out, "mem", pages_resident_bytes());
    doc_int(out, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    doc_number(out, "cpu", up_ns > 0 ? busy_s * 1e11 / (double)up_ns : 0);
}

static void pages_put_traffic(const monitor *from, doc_text *out)
{
    rill_stats stats = {.size = sizeof stats};
    if (rill_broker_stats(from->subject.broker, &stats) < 0) return;
    doc_uint(out, "connections", stats.conns);
    doc_uint(out, "total_connections", stats.conns_total);
    doc_uint(out, "routes", 0);
    doc_uint(out, "remotes", 0);
    doc_uint(out, "leafnodes", 0);
    doc_uint(out, "in_msgs", stats.in_msgs);
    doc_uint(out, "in_bytes", stats.in_bytes);
    doc_uint(out, "out_msgs", stats.out_msgs);
    doc_uint(out, "out_bytes", stats.out_bytes);
    doc_uint(out, "slow_consumers", stats.slow_conns);
    doc_uint(out, "subscriptions", stats.subs);
    doc_open(out, "slow_consumer_stats", '{');
    doc_uint(out, "clients", stats.slow_conns);
    doc_uint(out, "routes", 0);
    doc_uint(out, "gateways", 0);
    doc_uint(out, "leafs", 0);
    doc_close(out, '}');
}

/* Parts of nats-server that are not here have no settings to show. */
static void pages_put_absent(doc_text *out)
{
    static const char *const parts[] = {"cluster", "gateway", "leaf", "mqtt", "websocket",
                                        "jetstream"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        doc_open(out, parts[i], '{');
        doc_close(out, '}');
    }
}

void pages_varz(const monitor *from, doc_text *out)
{
    const daemon_options *options = from->subject.options;
    rill_broker_info info = {.size = sizeof info};
    doc_open(out, NULL, '{');
    if (rill_broker_about(from->subject.broker, &info) >= 0) {
        doc_string(out, "server_id", info.id);
        doc_string(out, "server_name", info.name);
        doc_string(out, "version", info.version);
    }
    doc_int(out, "proto", 1);
    doc_string(out, "go", "C11");
    doc_string(out, "host", options->host);
    doc_int(out, "port", from->subject.port);
    if (options->user != NULL || options->token != NULL) doc_bool(out, "auth_required", true);
    pages_put_limits(options, out);
    doc_string(out, "http_host", options->http_host);
    doc_int(out, "http_port", from->port);
    doc_string(out, "http_base_path", "");
    doc_int(out, "https_port", 0);
    pages_put_absent(out);
    pages_put_process(from, out);
    pages_put_traffic(from, out);
    doc_open(out, "http_req_stats", '{');
    doc_uint(out, "/", from->root);
    doc_uint(out, "/connz", from->connz);
    doc_uint(out, "/healthz", from->healthz);
    doc_uint(out, "/subsz", from->subsz);
    doc_uint(out, "/varz", from->varz);
    doc_close(out, '}');
    doc_time(out, "config_load_time", from->subject.config_ns);
    doc_close(out, '}');
}

/* ---- /connz ------------------------------------------------------------------------- */

/* The value of `name` in "a=1&b=2", cut to fit and a 0 behind it; false if it is absent. */
static bool query_get(const char *query, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    for (const char *p = query; *p != 0; p += *p == '&') {
        size_t pair = strcspn(p, "&");
        if (pair > len && strncmp(p, name, len) == 0 && p[len] == '=') {
            snprintf(value, size, "%.*s", (int)(pair - len - 1), p + len + 1);
            return true;
        }
        p += pair;
    }
    return false;
}

static bool query_bool(const char *query, const char *name)
{
    char value[8];
    return query_get(query, name, value, sizeof value) &&
           (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

static uint64_t query_number(const char *query, const char *name, uint64_t absent)
{
    char value[24], *rest;
    if (!query_get(query, name, value, sizeof value)) return absent;
    unsigned long long number = strtoull(value, &rest, 10);
    return rest == value || *rest != 0 || value[0] == '-' ? absent : number;
}

/* All connections of now; NULL with *count 0 if there are none, or no memory for them. */
static rill_conn_info *connz_collect(rill_broker *broker, size_t *count)
{
    rill_conn_info *all = NULL;
    *count = 0;
    for (;;) {
        rill_conn_info *grown = realloc(all, (*count + PAGES_CONN_CHUNK) * sizeof *all);
        if (grown == NULL) break;
        all = grown;
        uint64_t after = *count > 0 ? all[*count - 1].id : 0;
        int got = rill_broker_conns(broker, after, all + *count, PAGES_CONN_CHUNK);
        if (got > 0) *count += (size_t)got;
        if (got < PAGES_CONN_CHUNK) return all;
    }
    free(all);
    *count = 0;
    return NULL;
}

#define CONNZ_ORDER(name, field, sign)                                              \
    static int connz_by_##name(const void *a, const void *b)                        \
    {                                                                               \
        const rill_conn_info *x = a, *y = b;                                        \
        if (x->field != y->field) return (x->field < y->field ? -1 : 1) * (sign);   \
        return x->id < y->id ? -1 : x->id > y->id;                                  \
    }
CONNZ_ORDER(cid, id, 1)
CONNZ_ORDER(start, start_ns, 1)
CONNZ_ORDER(subs, subs, -1)
CONNZ_ORDER(pending, pending_bytes, -1)
CONNZ_ORDER(msgs_to, out_msgs, -1)
CONNZ_ORDER(msgs_from, in_msgs, -1)
CONNZ_ORDER(bytes_to, out_bytes, -1)
CONNZ_ORDER(bytes_from, in_bytes, -1)
CONNZ_ORDER(last, active_ns, -1)
CONNZ_ORDER(idle, active_ns, 1)

static const struct {
    const char *name;
    int (*compare)(const void *a, const void *b);
} connz_orders[] = {
    {"cid", connz_by_cid}, {"start", connz_by_start}, {"subs", connz_by_subs},
    {"pending", connz_by_pending}, {"msgs_to", connz_by_msgs_to},
    {"msgs_from", connz_by_msgs_from}, {"bytes_to", connz_by_bytes_to},
    {"bytes_from", connz_by_bytes_from}, {"last", connz_by_last}, {"idle", connz_by_idle},
    {"uptime", connz_by_start},
};

static void connz_put(const rill_conn_info *conn, bool auth, doc_text *out)
{
    char ip[sizeof conn->peer];
    const char *colon = strrchr(conn->peer, ':'); /* none for a unix socket */
    const char *begin = conn->peer + (conn->peer[0] == '[');
    size_t len = colon == NULL ? strlen(begin) : (size_t)(colon - begin);
    if (begin > conn->peer && len > 0) len--; /* the closing bracket */
    snprintf(ip, sizeof ip, "%.*s", (int)len, begin);
    int64_t now_ns = pages_now_ns();
    doc_open(out, NULL, '{');
    doc_uint(out, "cid", conn->id);
    doc_string(out, "kind", "Client");
    doc_string(out, "type", "nats");
    doc_string(out, "ip", ip);
    doc_int(out, "port", colon == NULL ? 0 : atoi(colon + 1));
    doc_time(out, "start", conn->start_ns);
    doc_time(out, "last_activity", conn->active_ns);
    doc_span(out, "uptime", now_ns - conn->start_ns);
    doc_span(out, "idle", now_ns - conn->active_ns);
    doc_uint(out, "pending_bytes", conn->pending_bytes);
    doc_uint(out, "in_msgs", conn->in_msgs);
    doc_uint(out, "out_msgs", conn->out_msgs);
    doc_uint(out, "in_bytes", conn->in_bytes);
    doc_uint(out, "out_bytes", conn->out_bytes);
    doc_uint(out, "subscriptions", conn->subs);
    if (conn->name[0] != 0) doc_string(out, "name", conn->name);
    if (conn->lang[0] != 0) doc_string(out, "lang", conn->lang);
    if (conn->version[0] != 0) doc_string(out, "version", conn->version);
    if (auth && conn->user[0] != 0) doc_string(out, "authorized_user", conn->user);
    doc_close(out, '}');
}

/* Keep those that the query is about. Closed ones are not remembered, so none is. */
static size_t connz_select(rill_conn_info *all, size_t count, const char *query)
{
    char state[16];
    uint64_t cid = query_number(query, "cid", 0);
    if (query_get(query, "state", state, sizeof state) && strcasecmp(state, "closed") == 0) {
        return 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (cid == 0 || all[i].id == cid) all[kept++] = all[i];
    }
    return kept;
}

bool pages_connz(const monitor *from, const char *query, doc_text *out)
{
    char sort[32] = "cid";
    query_get(query, "sort", sort, sizeof sort);
    int (*compare)(const void *a, const void *b) = NULL;
    for (size_t i = 0; i < sizeof connz_orders / sizeof connz_orders[0]; i++) {
        if (strcmp(connz_orders[i].name, sort) == 0) compare = connz_orders[i].compare;
    }
    if (compare == NULL) {
        static const char why[] = "invalid sorting option";
        doc_raw(out, why, sizeof why - 1);
        return false;
    }
    size_t total;
    rill_conn_info *all = connz_collect(from->subject.broker, &total);
    total = connz_select(all, total, query);
    if (total > 1 && compare != connz_by_cid) qsort(all, total, sizeof *all, compare);
    uint64_t offset = query_number(query, "offset", 0);
    uint64_t limit = pages_or(query_number(query, "limit", 0), PAGES_CONN_LIMIT);
    uint64_t begin = offset < total ? offset : total;
    uint64_t end = limit < total - begin ? begin + limit : total;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    doc_uint(out, "num_connections", end - begin);
    doc_uint(out, "total", total);
    doc_uint(out, "offset", offset);
    doc_uint(out, "limit", limit);
    doc_open(out, "connections", '[');
    bool auth = query_bool(query, "auth");
    for (uint64_t i = begin; i < end; i++) connz_put(&all[i], auth, out);
    doc_close(out, ']');
    doc_close(out, '}');
    free(all);
    return true;
}

/* ---- The rest -------------------------------------------------------------------------- */

void pages_subsz(const monitor *from, doc_text *out)
{
    rill_stats stats = {.size = sizeof stats};
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    if (rill_broker_stats(from->subject.broker, &stats) >= 0) {
        doc_uint(out, "num_subscriptions", stats.subs);
    }
    doc_close(out, '}');
}

typedef struct jsz_sum {
    rill_bus *bus;
    uint64_t msgs, bytes;
} jsz_sum;

static int jsz_add(const char *stream, void *arg)
{
    jsz_sum *sum = arg;
    rill_stream_info info = {.size = sizeof info};
    if (rill_stream_status(sum->bus, stream, &info) < 0) return 0; /* deleted meanwhile */
    sum->msgs += info.msgs;
    sum->bytes += info.bytes;
    return 0;
}

/* The number behind the first `"key":`, 0 if there is none. */
static uint64_t jsz_number(const char *json, const char *key)
{
    const char *found = strstr(json, key);
    return found == NULL ? 0 : strtoull(found + strlen(key), NULL, 10);
}

/* Told by the account's own report and by the streams. */
static void jsz_put(rill_bus *bus, doc_text *out)
{
    rill_msg *reply;
    jsz_sum sum = {.bus = bus};
    if (rill_request(bus, "$JS.API.INFO", "", 0, NULL, &reply, PAGES_ASK_MS) < 0) return;
    const char *json = reply->data.ptr; /* a 0 ends it */
    doc_uint(out, "memory", jsz_number(json, "\"memory\":"));
    doc_uint(out, "storage", jsz_number(json, "\"storage\":"));
    doc_uint(out, "accounts", 1);
    doc_open(out, "api", '{');
    doc_uint(out, "level", jsz_number(json, "\"level\":"));
    doc_uint(out, "total", jsz_number(json, "\"total\":"));
    doc_uint(out, "errors", jsz_number(json, "\"errors\":"));
    doc_close(out, '}');
    doc_uint(out, "streams", jsz_number(json, "\"streams\":"));
    doc_uint(out, "consumers", jsz_number(json, "\"consumers\":"));
    rill_msg_unref(reply);
    if (rill_stream_each(bus, jsz_add, &sum) < 0) return;
    doc_uint(out, "messages", sum.msgs);
    doc_uint(out, "bytes", sum.bytes);
}

void pages_jsz(const monitor *from, doc_text *out)
{
    const daemon_options *options = from->subject.options;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    if (from->subject.bus == NULL) {
        doc_bool(out, "disabled", true);
    } else {
        doc_open(out, "config", '{');
        doc_uint(out, "max_memory", options->broker.max_memory_bytes);
        doc_uint(out, "max_storage", options->broker.max_store_bytes);
        doc_string(out, "store_dir", options->stream_dir);
        if (options->broker.domain != NULL) doc_string(out, "domain", options->broker.domain);
        doc_close(out, '}');
        jsz_put(from->subject.bus, out);
    }
    doc_close(out, '}');
}

void pages_root(const monitor *from, doc_text *out)
{
    static const char page[] =
        "<html><body><p>rilld</p><a href=./varz>varz</a> <a href=./connz>connz</a> "
        "<a href=./subsz>subsz</a> <a href=./jsz>jsz</a> <a href=./healthz>healthz</a>"
        "</body></html>\n";
    (void)from;
    doc_raw(out, page, sizeof page - 1);
}
