/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGES_CONN_LIMIT = 1024,   /* connections on a page of /connz that names no limit */
    PAGES_NS_OF_MS = 1000000,
    PAGES_SUB_LIMIT = 4096,    /* subscriptions of one connection on /connz?subs, and on /subsz */
};

int64_t pages_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t pages_or(uint64_t value, uint64_t when_zero)
{
    return value != 0 ? value : when_zero;
}

void pages_put_id(const monitor *from, doc_text *out)
{
    rill_broker_info info = {.size = sizeof info};
    if (rill_broker_about(from->subject.broker, &info) < 0) return;
    doc_string(out, "server_id", info.id);
}

int pages_refuse(int status, doc_text *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doc_raw(out, text, strlen(text));
    return status;
}

/* ---- /varz ---- */

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
    if (!file) return 0;
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

/* A number by the kind of connection: all that there are here are clients'. */
static void pages_put_kinds(const char *key, uint64_t clients, doc_text *out)
{
    doc_open(out, key, '{');
    doc_uint(out, "clients", clients);
    doc_uint(out, "routes", 0);
    doc_uint(out, "gateways", 0);
    doc_uint(out, "leafs", 0);
    doc_close(out, '}');
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
    /* Nothing comes but from clients and this process. */
    doc_uint(out, "in_client_msgs", stats.in_msgs);
    doc_uint(out, "in_client_bytes", stats.in_bytes);
    doc_uint(out, "out_client_msgs", stats.out_msgs);
    doc_uint(out, "out_client_bytes", stats.out_bytes);
    doc_uint(out, "slow_consumers", stats.slow_conns);
    doc_uint(out, "stale_connections", stats.stale_conns);
    doc_uint(out, "stalled_clients", stats.stalled_conns);
    doc_uint(out, "subscriptions", stats.subs);
    doc_uint(out, "memory_budget", stats.memory_max_bytes);
    doc_uint(out, "memory_used", stats.memory_bytes);
    doc_uint(out, "memory_refusals", stats.memory_refusals);
    pages_put_kinds("slow_consumer_stats", stats.slow_conns, out);
    pages_put_kinds("stale_connection_stats", stats.stale_conns, out);
}

static void pages_put_jetstream(const monitor *from, doc_text *out)
{
    doc_open(out, "jetstream", '{');
    if (from->subject.bus) {
        doc_open(out, "config", '{');
        pages_put_js_config(from, out);
        doc_close(out, '}');
        doc_open(out, "stats", '{');
        pages_put_js_stats(from, false, out);
        doc_close(out, '}');
        pages_put_js_limits(from, out);
    }
    doc_close(out, '}');
}

/* Parts of nats-server that are not here have no settings to show. */
static void pages_put_absent(doc_text *out)
{
    static const char *const parts[] = {"cluster", "gateway", "leaf", "mqtt", "websocket"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        doc_open(out, parts[i], '{');
        doc_close(out, '}');
    }
}

static void pages_put_tls(const daemon_options *options, int64_t expires_ns, doc_text *out)
{
    if (!options->tls_optional) doc_bool(out, "tls_required", true);
    if (options->tls.conf.verify_peer) doc_bool(out, "tls_verify", true);
    doc_number(out, "tls_timeout", (double)pages_or(options->tls.conf.timeout_ms, 2000) / 1000);
    if (expires_ns) doc_time(out, "tls_cert_not_after", expires_ns);
}

static int pages_varz(const monitor *from, const char *query, doc_text *out)
{
    (void)query;
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
    bool asks = options->user || options->token || options->nusers;
    if (asks && !options->broker.no_auth_user) doc_bool(out, "auth_required", true);
    if (options->tls.on) pages_put_tls(options, info.tls_expires_ns, out);
    pages_put_limits(options, out);
    doc_string(out, "http_host", options->http_host);
    doc_int(out, "http_port", from->port);
    doc_string(out, "http_base_path", "");
    doc_int(out, "https_port", 0);
    pages_put_absent(out);
    pages_put_jetstream(from, out);
    pages_put_process(from, out);
    pages_put_traffic(from, out);
    doc_open(out, "http_req_stats", '{');
    for (int page = 0; pages_path(page) != NULL; page++)
        if (from->shown[page] > 0) doc_uint(out, pages_path(page), from->shown[page]);
    doc_close(out, '}');
    doc_time(out, "config_load_time", from->subject.config_ns);
    doc_close(out, '}');
    return 200;
}

/* ---- /connz ---- */

/* %24G stands for $G. */
static void query_decode(char *text)
{
    char *out = text;
    for (const char *p = text; *p; p++) {
        char hex[3] = {p[0] == '%' ? p[1] : 0, p[0] == '%' && p[1] != 0 ? p[2] : 0, 0};
        char *rest;
        long byte = strtol(hex, &rest, 16);
        bool coded = isxdigit((unsigned char)hex[0]) && rest == hex + 2 && byte > 0;
        *out++ = coded ? (char)byte : *p == '+' ? ' ' : *p;
        if (coded) p += 2;
    }
    *out = 0;
}

bool query_get(const char *query, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    for (const char *p = query; *p; p += *p == '&') {
        size_t pair = strcspn(p, "&");
        if (pair > len && strncmp(p, name, len) == 0 && p[len] == '=') {
            snprintf(value, size, "%.*s", (int)(pair - len - 1), p + len + 1);
            query_decode(value);
            return true;
        }
        p += pair;
    }
    return false;
}

#define QUERY_TRUE "1 t T TRUE true True"
#define QUERY_FALSE "0 f F FALSE false False"

/* Is it one of these words? */
static bool query_is(const char *value, const char *words)
{
    size_t len = strlen(value);
    for (const char *p = words; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && strncmp(p, value, len) == 0) return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

bool query_bool(const char *query, const char *name)
{
    char value[8];
    return query_get(query, name, value, sizeof value) && query_is(value, QUERY_TRUE);
}

uint64_t query_number(const char *query, const char *name, uint64_t absent)
{
    char value[24], *rest;
    if (!query_get(query, name, value, sizeof value)) return absent;
    unsigned long long number = strtoull(value, &rest, 10);
    return rest == value || *rest || value[0] == '-' ? absent : number;
}

/* How a value has to look; one that is empty is as good as absent. */
static bool query_value_is(const char *kind, const char *name, const char *value)
{
    if (!value[0]) return true;
    if (strcmp(kind, "boolean") == 0)
        return query_is(value, QUERY_TRUE " " QUERY_FALSE) ||
               (strcmp(name, "subs") == 0 && strcasecmp(value, "detail") == 0);
    const char *digits = value;
    if (strcmp(kind, "int") == 0) digits += *digits == '-' || *digits == '+';
    if (!*digits || digits[strspn(digits, "0123456789")] != 0) return false;
    errno = 0;
    if (digits == value) strtoull(value, NULL, 10);
    if (strcmp(kind, "int") == 0) strtoll(value, NULL, 10);
    return errno == 0;
}

/* 200, or 400 if one of these names, parted by blanks, is given a value of another kind. */
static int query_check(const char *query, const char *kind, const char *names, doc_text *out)
{
    for (const char *p = names; *p;) {
        char name[32], value[64];
        size_t len = strcspn(p, " ");
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        if (query_get(query, name, value, sizeof value) && !query_value_is(kind, name, value))
            return pages_refuse(400, out, "Error decoding %s for '%s': \"%s\" is none", kind, name,
                                value);
        p += len + (p[len] == ' ');
    }
    return 200;
}

typedef struct connz_list {
    rill_conn_info *all; /* a block for each one's texts begins at its `peer` */
    size_t count, cap;
} connz_list;

/* One more, with texts of our own. */
static int connz_collect(const rill_conn_info *conn, void *arg)
{
    connz_list *list = arg;
    if (list->count == list->cap) {
        size_t cap = list->cap * 2 + 64;
        rill_conn_info *grown = realloc(list->all, cap * sizeof *grown);
        if (!grown) return 1;
        list->all = grown;
        list->cap = cap;
    }
    rill_conn_info *own = &list->all[list->count];
    *own = *conn;
    const char **texts[] = {&own->peer, &own->user, &own->name, &own->lang, &own->version,
                            &own->tls_version, &own->tls_cipher};
    const size_t count = sizeof texts / sizeof texts[0];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += strlen(*texts[i]) + 1;
    char *at = malloc(size);
    if (!at) return 1;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], len);
        at += len;
    }
    list->count++;
    return 0;
}

static void connz_free(connz_list *list)
{
    for (size_t i = 0; i < list->count; i++) free((void *)list->all[i].peer);
    free(list->all);
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

typedef struct connz_show {
    const monitor *from;
    bool auth;         /* who has logged in ... */
    bool subs, detail; /* ... and what they listen to: subjects, or all about it ... */
    uint64_t subs_offset; /* ... behind so many */
} connz_show;

static void connz_put_sub(const rill_conn_sub *sub, bool account, doc_text *out)
{
    doc_open(out, NULL, '{');
    if (account) doc_string(out, "account", "$G");
    if (account) doc_string(out, "account_tag", "$G");
    doc_string(out, "subject", sub->subject);
    if (sub->queue[0]) doc_string(out, "qgroup", sub->queue);
    doc_string(out, "sid", sub->sid);
    doc_uint(out, "msgs", sub->msgs);
    if (sub->max_msgs > 0) doc_uint(out, "max", sub->max_msgs);
    doc_uint(out, "cid", sub->conn);
    doc_close(out, '}');
}

static int connz_sub(const rill_conn_sub *sub, void *arg)
{
    connz_put_sub(sub, false, arg);
    return 0;
}

static int connz_sub_subject(const rill_conn_sub *sub, void *arg)
{
    doc_string(arg, NULL, sub->subject);
    return 0;
}

/* A list that is not whole says so, and which part it is; nats-server lists all. */
static void connz_put_subs(const connz_show *show, const rill_conn_info *conn, doc_text *out)
{
    if (conn->subs == 0) return;
    if (show->subs_offset > 0 || conn->subs > PAGES_SUB_LIMIT) {
        doc_uint(out, "subs_offset", show->subs_offset);
        doc_uint(out, "subs_limit", PAGES_SUB_LIMIT);
    }
    doc_open(out, show->detail ? "subscriptions_list_detail" : "subscriptions_list", '[');
    rill_broker_subs(show->from->subject.broker,
                     RILL_OPTS(rill_conn_subs_opts, .conn = conn->id, .max = PAGES_SUB_LIMIT,
                               .skip = show->subs_offset),
                     show->detail ? connz_sub : connz_sub_subject, out, NULL);
    doc_close(out, ']');
}

static void connz_put(const connz_show *show, const rill_conn_info *conn, doc_text *out)
{
    char ip[128];
    const char *colon = strrchr(conn->peer, ':'); /* none for a unix socket */
    const char *begin = conn->peer + (conn->peer[0] == '[');
    size_t len = colon ? (size_t)(colon - begin) : strlen(begin);
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
    if (conn->name[0]) doc_string(out, "name", conn->name);
    if (conn->lang[0]) doc_string(out, "lang", conn->lang);
    if (conn->version[0]) doc_string(out, "version", conn->version);
    if (conn->tls_version[0]) doc_string(out, "tls_version", conn->tls_version);
    if (conn->tls_cipher[0]) doc_string(out, "tls_cipher_suite", conn->tls_cipher);
    if (show->auth && conn->user[0]) doc_string(out, "authorized_user", conn->user);
    if (show->auth && conn->user[0]) doc_string(out, "account", "$G");
    if (show->auth) doc_string(out, "name_tag", "$G");
    if (show->subs) connz_put_subs(show, conn, out);
    doc_close(out, '}');
}

/* Those that the query is about come first: how many. Closed ones are not remembered: none is. */
static size_t connz_select(rill_conn_info *all, size_t count, const char *query)
{
    char state[16], account[64];
    uint64_t cid = query_number(query, "cid", 0);
    if (query_get(query, "state", state, sizeof state) && strcasecmp(state, "closed") == 0)
        return 0;
    if (query_get(query, "acc", account, sizeof account) && strcmp(account, "$G") != 0) return 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (cid != 0 && all[i].id != cid) continue;
        const rill_conn_info chosen = all[i];
        all[i] = all[kept];
        all[kept++] = chosen;
    }
    return kept;
}

static int pages_connz(const monitor *from, const char *query, doc_text *out)
{
    char sort[32] = "cid", state[16] = "open", subs[8] = "";
    query_get(query, "sort", sort, sizeof sort);
    query_get(query, "state", state, sizeof state);
    query_get(query, "subs", subs, sizeof subs);
    int (*compare)(const void *a, const void *b) = NULL;
    for (size_t i = 0; i < sizeof connz_orders / sizeof connz_orders[0]; i++)
        if (strcmp(connz_orders[i].name, sort) == 0) compare = connz_orders[i].compare;
    if (!compare) return pages_refuse(400, out, "invalid sorting option: %s", sort);
    if (strcasecmp(state, "open") != 0 && strcasecmp(state, "any") != 0 &&
        strcasecmp(state, "all") != 0 && strcasecmp(state, "closed") != 0)
        return pages_refuse(400, out, "Error decoding state for %s", state);
    connz_list list = {0};
    rill_broker_conns(from->subject.broker, NULL, connz_collect, &list);
    rill_conn_info *all = list.all;
    size_t total = connz_select(all, list.count, query);
    if (total > 1 && compare != connz_by_cid) qsort(all, total, sizeof *all, compare);
    uint64_t offset = query_number(query, "offset", 0);
    uint64_t limit = pages_or(query_number(query, "limit", 0), PAGES_CONN_LIMIT);
    if (query_number(query, "cid", 0) != 0) limit = 1;
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
    bool detail = strcasecmp(subs, "detail") == 0;
    connz_show show = {.from = from, .auth = query_bool(query, "auth"), .detail = detail,
                       .subs = detail || query_bool(query, "subs"),
                       .subs_offset = query_number(query, "subs_offset", 0)};
    for (uint64_t i = begin; i < end; i++) connz_put(&show, &all[i], out);
    doc_close(out, ']');
    doc_close(out, '}');
    connz_free(&list);
    return 200;
}

/* ---- /subsz ---- */

/* What is remembered of who gets a message. The fan-out is that of a sample of it. */
static void subsz_put_matches(const rill_stats *stats, doc_text *out)
{
    double known = stats->matches > 0 ? (double)stats->matches_known / (double)stats->matches : 0;
    double told = (double)pages_or(stats->answers_told, 1);
    doc_uint(out, "num_cache", stats->answers);
    doc_uint(out, "num_inserts", stats->subs_begun);
    doc_uint(out, "num_removes", stats->subs_ended);
    doc_uint(out, "num_matches", stats->matches);
    doc_number(out, "cache_hit_rate", known);
    doc_uint(out, "max_fanout", stats->receivers_max);
    doc_number(out, "avg_fanout", (double)stats->receivers / told);
}

static int subsz_none(const rill_conn_sub *sub, void *arg)
{
    (void)sub, (void)arg;
    return 1;
}

static int subsz_sub(const rill_conn_sub *sub, void *arg)
{
    connz_put_sub(sub, true, arg);
    return 0;
}

static int pages_subsz(const monitor *from, const char *query, doc_text *out)
{
    rill_stats stats = {.size = sizeof stats};
    char test[RILL_SUBJECT_MAX + 1] = "";
    query_get(query, "test", test, sizeof test);
    uint64_t offset = query_number(query, "offset", 0);
    uint64_t limit = pages_or(query_number(query, "limit", 0), PAGES_CONN_LIMIT);
    if (limit > PAGES_SUB_LIMIT) limit = PAGES_SUB_LIMIT; /* which is told */
    bool list = query_bool(query, "subs");
    uint64_t total = 0;
    rill_conn_subs_opts opts = {.size = sizeof opts, .skip = offset, .max = 1,
                                .matches = test[0] != 0 ? test : NULL};
    if (rill_broker_subs(from->subject.broker, &opts, subsz_none, NULL, &total) < 0)
        return pages_refuse(400, out, "invalid test subject, must be valid publish subject: %s",
                            test);
    rill_broker_stats(from->subject.broker, &stats);
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    doc_uint(out, "num_subscriptions", stats.subs);
    subsz_put_matches(&stats, out);
    doc_uint(out, "total", list || opts.matches ? total : 0);
    doc_uint(out, "offset", offset);
    doc_uint(out, "limit", limit);
    if (list) doc_open(out, "subscriptions_list", '[');
    opts.max = limit;
    if (list) rill_broker_subs(from->subject.broker, &opts, subsz_sub, out, NULL);
    if (list) doc_close(out, ']');
    doc_close(out, '}');
    return 200;
}

/* ---- Accounts: there is one, which nats-server calls $G ---- */

static int pages_accountz(const monitor *from, const char *query, doc_text *out)
{
    char name[128] = "";
    rill_stats stats = {.size = sizeof stats};
    query_get(query, "acc", name, sizeof name);
    if (name[0] && strcmp(name, "$G") != 0)
        return pages_refuse(400, out, "Account %s does not exist", name);
    rill_broker_stats(from->subject.broker, &stats);
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    if (!name[0]) {
        doc_open(out, "accounts", '[');
        doc_string(out, NULL, "$G");
        doc_close(out, ']');
    } else {
        doc_open(out, "account_detail", '{');
        doc_string(out, "account_name", "$G");
        doc_time(out, "update_time", from->subject.start_ns);
        doc_bool(out, "expired", false);
        doc_bool(out, "complete", true);
        doc_bool(out, "jetstream_enabled", from->subject.bus != NULL);
        doc_uint(out, "leafnode_connections", 0);
        doc_uint(out, "client_connections", stats.conns);
        doc_uint(out, "subscriptions", stats.subs);
        doc_string(out, "name_tag", "$G");
        doc_close(out, '}');
    }
    doc_close(out, '}');
    return 200;
}

static void accstatz_put_way(const char *key, uint64_t msgs, uint64_t bytes, doc_text *out)
{
    static const char *const others[] = {"gateways", "routes", "leafs"};
    doc_open(out, key, '{');
    doc_uint(out, "msgs", msgs);
    doc_uint(out, "bytes", bytes);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        doc_open(out, others[i], '{');
        doc_uint(out, "msgs", 0);
        doc_uint(out, "bytes", 0);
        doc_close(out, '}');
    }
    doc_close(out, '}');
}

static int pages_accstatz(const monitor *from, const char *query, doc_text *out)
{
    rill_stats stats = {.size = sizeof stats};
    (void)query;
    rill_broker_stats(from->subject.broker, &stats);
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    doc_open(out, "account_statz", '[');
    doc_open(out, NULL, '{');
    doc_string(out, "acc", "$G");
    doc_string(out, "name", "$G");
    doc_uint(out, "conns", stats.conns);
    doc_uint(out, "leafnodes", 0);
    doc_uint(out, "total_conns", stats.conns);
    doc_uint(out, "num_subscriptions", stats.subs);
    accstatz_put_way("sent", stats.out_msgs, stats.out_bytes, out);
    accstatz_put_way("received", stats.in_msgs, stats.in_bytes, out);
    doc_uint(out, "slow_consumers", stats.slow_conns);
    doc_close(out, '}');
    doc_close(out, ']');
    doc_close(out, '}');
    return 200;
}

/* ---- Those of a cluster: empty ---- */

static int pages_routez(const monitor *from, const char *query, doc_text *out)
{
    rill_broker_info info = {.size = sizeof info};
    (void)query;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    if (rill_broker_about(from->subject.broker, &info) >= 0)
        doc_string(out, "server_name", info.name);
    doc_time(out, "now", pages_now_ns());
    doc_uint(out, "num_routes", 0);
    doc_open(out, "routes", '[');
    doc_close(out, ']');
    doc_close(out, '}');
    return 200;
}

static int pages_gatewayz(const monitor *from, const char *query, doc_text *out)
{
    (void)query;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    doc_open(out, "outbound_gateways", '{');
    doc_close(out, '}');
    doc_open(out, "inbound_gateways", '{');
    doc_close(out, '}');
    doc_close(out, '}');
    return 200;
}

static int pages_leafz(const monitor *from, const char *query, doc_text *out)
{
    (void)query;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    doc_uint(out, "leafnodes", 0);
    doc_open(out, "leafs", '[');
    doc_close(out, ']');
    doc_close(out, '}');
    return 200;
}

static int pages_root(const monitor *from, const char *query, doc_text *out)
{
    (void)from;
    (void)query;
    static const char begin[] = "<html><body><p>rilld</p>", end[] = "</body></html>\n";
    doc_raw(out, begin, sizeof begin - 1);
    for (int page = 1; pages_path(page) != NULL; page++) {
        char link[96];
        const char *name = pages_path(page) + 1;
        int len = snprintf(link, sizeof link, "<a href=./%s>%s</a> ", name, name);
        doc_raw(out, link, (size_t)len);
    }
    doc_raw(out, end, sizeof end - 1);
    return 200;
}

/* ---- All of them ---- */

static const struct {
    const char *path;
    int (*show)(const monitor *from, const char *query, doc_text *out);
    bool is_long;
    const char *bools, *ints, *uints; /* what it may be asked for, by kinds of values */
} pages[] = {
    {"/", pages_root, false, "", "", ""},
    {"/varz", pages_varz, false, "", "", ""},
    {"/connz", pages_connz, true, "auth subs", "offset limit subs_offset", "cid"},
    {"/subsz", pages_subsz, true, "subs", "offset limit", ""},
    {"/jsz", pages_jsz, true, "accounts streams consumers config leader-only raft", "offset limit",
     ""},
    {"/healthz", pages_healthz, false, "js-enabled-only js-enabled js-server-only js-meta-only", "",
     ""},
    {"/accountz", pages_accountz, true, "", "", ""},
    {"/accstatz", pages_accstatz, false, "unused", "", ""},
    {"/routez", pages_routez, false, "subs", "", ""},
    {"/gatewayz", pages_gatewayz, false, "accs", "", ""},
    {"/leafz", pages_leafz, false, "subs", "", ""},
};
enum { PAGES_COUNT = sizeof pages / sizeof pages[0] };
_Static_assert((int)PAGES_COUNT <= (int)PAGES_MAX, "a counter for each page");

const char *pages_path(int page)
{
    return page < (int)PAGES_COUNT ? pages[page].path : NULL;
}

int pages_find(const char *path)
{
    if (strcmp(path, "/subscriptionsz") == 0) path = "/subsz";
    for (int page = 0; page < (int)PAGES_COUNT; page++)
        if (strcmp(path, pages[page].path) == 0) return page;
    return -1;
}

bool pages_is_long(int page)
{
    return page >= 0 && pages[page].is_long;
}

int pages_show(int page, const monitor *from, const char *query, doc_text *out)
{
    int status = query_check(query, "boolean", pages[page].bools, out);
    if (status == 200) status = query_check(query, "int", pages[page].ints, out);
    if (status == 200) status = query_check(query, "uint64", pages[page].uints, out);
    return status == 200 ? pages[page].show(from, query, out) : status;
}
