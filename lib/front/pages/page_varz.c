/* SPDX-License-Identifier: Apache-2.0 */
/* /varz: the broker as nats-server describes itself. What belongs to Go or to a cluster is absent
 * here. Accounts are counted, and rooms are walked, in slices. */
#include "front/pages/page_varz.h"

#include "base/assert.h"
#include "base/saturate.h"
#include "front/broker/broker.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/pages/page.h"
#include "net/machine.h"

enum {
    VARZ_ROOM_UNITS = 10,
    VARZ_INTERVAL_MS = 120000, /* of nats-server, shown where nobody says one */
};

typedef struct varz_work {
    ri_machine_use use;
    size_t account;            /* that is counted next */
    rill_stats sums;
    struct ri_durable *house, *room; /* whose streams were counted last; NULL: the first is next */
    bool begun;
    uint64_t active;           /* accounts with connections */
    ri_page_js_sums streams;
} varz_work;

/* ---- What /jsz has, too ---- */

bool ri_page_js_counts(const ri_broker *broker, struct ri_durable *room)
{
    size_t n;
    if (room != broker->durable || !ri_accounts_count(broker->conf.accounts)) return true;
    ri_js_streams(ri_durable_js(room), &n);
    return n > 0;
}

void ri_page_js_add(ri_page_js_sums *sums, const ri_broker *broker, struct ri_durable *room)
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
    sums->accounts += ri_page_js_counts(broker, room);
    sums->on = true;
    sums->total += total;
    sums->errors += errors;
}

/* Of an account nothing is reserved, but for its streams: as much as there is. */
void ri_page_js_put_sums(const ri_page_js_sums *sums, bool account, ri_page_json *j)
{
    ri_page_json_uint(j, "memory", sums->memory);
    ri_page_json_uint(j, "storage", sums->storage);
    ri_page_json_uint(j, "reserved_memory", account ? UINT64_MAX : sums->reserved_memory);
    ri_page_json_uint(j, "reserved_storage", account ? UINT64_MAX : sums->reserved_storage);
    ri_page_json_uint(j, "accounts", account ? 0 : sums->accounts);
    ri_page_json_uint(j, "ha_assets", 0);
    ri_page_json_open(j, "api", '{');
    ri_page_json_uint(j, "level", account || !sums->on ? 0 : RI_JS_API_LEVEL);
    ri_page_json_uint(j, "total", sums->total);
    ri_page_json_uint(j, "errors", sums->errors);
    ri_page_json_close(j, '}');
}

static int64_t varz_limit(uint64_t bytes)
{
    return bytes ? (int64_t)RI_MIN(bytes, (uint64_t)INT64_MAX) : -1;
}

void ri_page_js_put_config(struct ri_durable *house, bool dir, ri_page_json *j)
{
    const ri_durable_opts *opts = ri_durable_opts_of(house);
    ri_page_json_int(j, "max_memory", varz_limit(opts->max_memory_bytes));
    ri_page_json_int(j, "max_storage", varz_limit(opts->max_file_bytes));
    if (dir) ri_page_json_text(j, "store_dir", ri_durable_dir(house));
    uint32_t interval_ms = opts->sync_interval_ms ? opts->sync_interval_ms : VARZ_INTERVAL_MS;
    ri_page_json_int(j, "sync_interval", ri_ns_of_ms(interval_ms));
    if (opts->safety == RI_SAFETY_SYNCED && ri_durable_has_disk(house))
        ri_page_json_bool(j, "sync_always", true);
    ri_page_json_bool(j, "strict", true);
    ri_page_json_text(j, "domain", ri_durable_domain(house));
}

void ri_page_js_put_limits(struct ri_durable *house, ri_page_json *j)
{
    const ri_durable_opts *opts = ri_durable_opts_of(house);
    ri_page_json_open(j, "limits", '{');
    if (opts->max_batch > 0) ri_page_json_int(j, "max_request_batch", opts->max_batch);
    if (opts->max_ack_pending > 0) ri_page_json_int(j, "max_ack_pending", opts->max_ack_pending);
    if (opts->duplicate_window_ns > 0)
        ri_page_json_int(j, "max_duplicate_window", opts->duplicate_window_ns);
    ri_page_json_close(j, '}');
}

/* Limits as they are in force. */
static void varz_put_limits(const ri_broker_conf *conf, ri_page_json *j)
{
    ri_page_json_uint(j, "max_connections", conf->max_conns);
    if (conf->max_subs) ri_page_json_uint(j, "max_subscriptions", conf->max_subs);
    ri_page_json_int(j, "ping_interval", ri_ns_of_ms(conf->ping_interval_ms));
    ri_page_json_uint(j, "ping_max", conf->ping_max);
    ri_page_json_number(j, "auth_timeout", (double)conf->auth_timeout_ms / 1000);
    ri_page_json_uint(j, "max_control_line", conf->max_control_line_bytes);
    ri_page_json_uint(j, "max_payload", conf->max_msg_bytes);
    ri_page_json_uint(j, "max_pending", conf->max_pending_bytes);
    ri_page_json_int(j, "write_deadline", ri_ns_of_ms(conf->write_deadline_ms));
}

static bool varz_asks(const ri_broker_conf *conf)
{
    bool asks = conf->token || conf->user || conf->access || conf->on_login || conf->trust;
    return asks && !conf->no_auth_user;
}

static void varz_put_client_port(const ri_broker *broker, ri_page_json *j)
{
    static const uint32_t default_ms = 2000;
    const ri_venue *at = ri_venue_find(broker, RI_URL_NATS);
    int64_t expires_ns = ri_door_tls_expires_ns(broker);
    ri_page_json_text(j, "host", at ? at->name : "");
    ri_page_json_int(j, "port", at ? at->port : 0);
    if (varz_asks(&broker->conf)) ri_page_json_bool(j, "auth_required", true);
    uint32_t timeout_ms = at && at->tls_timeout_ms ? at->tls_timeout_ms : default_ms;
    ri_page_json_number(j, "tls_timeout", timeout_ms / 1000.0);
    if (!at || !at->tls) return;
    if (!at->tls_optional) ri_page_json_bool(j, "tls_required", true);
    if (at->tls_verify) ri_page_json_bool(j, "tls_verify", true);
    if (expires_ns) ri_page_json_time(j, "tls_cert_not_after", expires_ns);
}

static void varz_put_http_port(const ri_broker *broker, ri_page_json *j)
{
    const ri_venue *http = ri_venue_find(broker, RI_URL_HTTP);
    const ri_venue *https = ri_venue_find(broker, RI_URL_HTTPS);
    ri_page_json_text(j, "http_host", http ? http->name : https ? https->name : "");
    ri_page_json_int(j, "http_port", http ? http->port : 0);
    const ri_venue *at = http ? http : https;
    ri_page_json_text(j, "http_base_path", at && at->base_path ? at->base_path : "");
    ri_page_json_int(j, "https_port", https ? https->port : 0);
}

static void varz_put_origins(const char *at, ri_page_json *j)
{
    ri_page_json_open(j, "allowed_origins", '[');
    while (*at) {
        size_t len = strcspn(at, ", \t");
        if (len) ri_page_json_string(j, NULL, (ri_str){at, len});
        at += len + (at[len] != 0);
    }
    ri_page_json_close(j, ']');
}

static void varz_put_websocket(const ri_broker *broker, ri_page_json *j)
{
    const ri_venue *at = ri_venue_find(broker, RI_URL_WS);
    if (!at) at = ri_venue_find(broker, RI_URL_WSS);
    ri_page_json_open(j, "websocket", '{');
    if (at) {
        ri_page_json_text(j, "host", at->name);
        ri_page_json_int(j, "port", at->port);
        ri_page_json_text(j, "advertise", at->advertise);
        if (at->handshake_ms)
            ri_page_json_int(j, "handshake_timeout", ri_ns_of_ms(at->handshake_ms));
        if (!at->tls) ri_page_json_bool(j, "no_tls", true);
        if (at->same_origin) ri_page_json_bool(j, "same_origin", true);
        if (at->compress) ri_page_json_bool(j, "compression", true);
        if (at->origins) varz_put_origins(at->origins, j);
    }
    ri_page_json_close(j, '}');
}

/* Parts of nats-server that are not here have no settings to show. */
static void varz_put_absent(ri_page_json *j)
{
    static const char *const parts[] = {"cluster", "gateway", "leaf", "mqtt"};
    for (size_t i = 0; i < RI_LEN(parts); i++) {
        ri_page_json_open(j, parts[i], '{');
        ri_page_json_close(j, '}');
    }
}

static void varz_put_jetstream(const varz_work *w, bool dir, ri_page_json *j)
{
    ri_page_json_open(j, "jetstream", '{');
    if (w->house) {
        ri_page_json_open(j, "config", '{');
        ri_page_js_put_config(w->house, dir, j);
        ri_page_json_close(j, '}');
        ri_page_json_open(j, "stats", '{');
        ri_page_js_put_sums(&w->streams, false, j);
        ri_page_json_close(j, '}');
        ri_page_js_put_limits(w->house, j);
    }
    ri_page_json_close(j, '}');
}

static void varz_put_process(const ri_broker *broker, const ri_machine_use *use, ri_page_json *j)
{
    RI_ASSERT(use->cores >= 0 && use->cpu_ns >= 0);
    int64_t now_ns = ri_wall_ns(&broker->host), up_ns = ri_ns_sub(now_ns, broker->start_ns);
    ri_page_json_time(j, "start", broker->start_ns);
    ri_page_json_time(j, "now", now_ns);
    ri_page_json_span(j, "uptime", up_ns);
    ri_page_json_uint(j, "mem", use->resident_bytes);
    ri_page_json_int(j, "cores", use->cores);
    ri_page_json_int(j, "gomaxprocs", use->usable);
    ri_page_json_number(j, "cpu", up_ns > 0 ? (double)use->cpu_ns * 100 / (double)up_ns : 0);
}

/* A number by the kind of connection: all that there are here are clients'. */
static void varz_put_kinds(const char *key, uint64_t clients, ri_page_json *j)
{
    static const char *const others[] = {"routes", "gateways", "leafs"};
    ri_page_json_open(j, key, '{');
    ri_page_json_uint(j, "clients", clients);
    for (size_t i = 0; i < RI_LEN(others); i++) ri_page_json_uint(j, others[i], 0);
    ri_page_json_close(j, '}');
}

static void varz_put_traffic(const rill_stats *s, ri_page_json *j)
{
    const struct { const char *key; uint64_t value; } rows[] = {
        {"connections", s->conns}, {"total_connections", s->conns_total}, {"routes", 0},
        {"remotes", 0}, {"leafnodes", 0}, {"in_msgs", s->in_msgs}, {"in_bytes", s->in_bytes},
        {"out_msgs", s->out_msgs}, {"out_bytes", s->out_bytes},
        /* Nothing comes but from clients and this process. */
        {"in_client_msgs", s->in_msgs}, {"in_client_bytes", s->in_bytes},
        {"out_client_msgs", s->out_msgs}, {"out_client_bytes", s->out_bytes},
        {"slow_consumers", s->slow_conns}, {"stale_connections", s->stale_conns},
        {"stalled_clients", s->stalled_conns}, {"subscriptions", s->subs},
        {"memory_budget", s->memory_max_bytes}, {"memory_used", s->memory_bytes},
        {"memory_refusals", s->memory_refusals}, {"logins_failed", s->logins_failed},
        {"logins_refused", s->logins_refused}};
    for (size_t i = 0; i < RI_LEN(rows); i++) ri_page_json_uint(j, rows[i].key, rows[i].value);
    varz_put_kinds("slow_consumer_stats", s->slow_conns, j);
    varz_put_kinds("stale_connection_stats", s->stale_conns, j);
}

static void varz_put_labels(const ri_labels *labels, ri_page_json *j)
{
    if (labels && labels->ntags) {
        ri_page_json_open(j, "tags", '[');
        for (size_t i = 0; i < labels->ntags; i++) ri_page_json_string(j, NULL, labels->tags[i]);
        ri_page_json_close(j, ']');
    }
    if (labels && labels->nmetadata) {
        ri_page_json_open(j, "metadata", '{');
        for (size_t i = 0; i < labels->nmetadata; i++)
            ri_page_json_pair(j, labels->metadata[i].name, labels->metadata[i].value);
        ri_page_json_close(j, '}');
    }
}

/* All of the object but its end. */
static void varz_put(const varz_work *w, const ri_broker *broker, ri_page_json *j)
{
    const ri_account *system = ri_accounts_system(broker->conf.accounts);
    rill_stats stats = {.size = sizeof stats};
    RI_ASSERT(!ri_broker_account_at(broker, w->account)); /* all are counted */
    ri_broker_counts_inside(broker, &stats);
    stats.subs = w->sums.subs;
    ri_page_json_text(j, "server_id", broker->keys.id);
    ri_page_json_text(j, "server_name", broker->name);
    ri_page_json_text(j, "version", broker->version);
    ri_page_json_int(j, "proto", 1);
    ri_page_json_text(j, "go", "C11");
    varz_put_client_port(broker, j);
    varz_put_limits(&broker->conf, j);
    varz_put_http_port(broker, j);
    varz_put_absent(j);
    varz_put_websocket(broker, j);
    varz_put_jetstream(w, true, j);
    varz_put_process(broker, &w->use, j);
    varz_put_traffic(&stats, j);
    ri_page_json_time(j, "config_load_time", broker->conf_ns);
    varz_put_labels(broker->conf.labels, j);
    if (system) ri_page_json_text(j, "system_account", system->name);
}

/* True: all is counted. */
static bool varz_count(varz_work *w, const ri_broker *broker, ri_budget *budget)
{
    const ri_account *account;
    struct ri_durable *next;
    RI_ASSERT(w->begun);
    while ((account = ri_broker_account_at(broker, w->account)) != NULL) {
        w->account++;
        w->sums.subs += ri_interest_count(&account->interest);
        w->active += account->nconns > 0;
        if (!ri_budget_spend(budget, 1)) return false;
    }
    while (w->house && (next = ri_rooms_after(w->house, w->room)) != NULL) {
        w->room = next;
        ri_page_js_add(&w->streams, broker, next);
        if (!ri_budget_spend(budget, VARZ_ROOM_UNITS)) return false;
    }
    return true;
}

/* Is all counted? */
static bool varz_counts(ri_page *page, varz_work *w)
{
    const ri_broker *broker = page->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w->begun) w->house = broker->durable_opening ? NULL : ri_durable_streams(broker);
    w->begun = true;
    if (w->house && w->house != broker->durable) w->house = NULL; /* it was closed meanwhile */
    return varz_count(w, broker, &page->broker->router.budget);
}

static bool varz_step(ri_page *page)
{
    varz_work *w = page->work;
    ri_page_json j;
    if (!w) return false;
    if (!varz_counts(page, w)) return true;
    ri_page_json_begin(page, &j, true);
    varz_put(w, page->broker, &j);
    ri_page_json_open(&j, "http_req_stats", '{');
    if (page->asked) page->asked(page->asked_arg, &j);
    ri_page_json_close(&j, '}');
    ri_page_json_close(&j, '}');
    return false;
}

static void varz_begin(ri_page *page, ri_str query)
{
    varz_work *w = ri_page_work(page, sizeof *w);
    (void)query;
    if (w) ri_machine_use_of(&w->use);
}

const ri_page_kind ri_page_varz = {.begin = varz_begin, .step = varz_step};

/* ---- What $SYS.REQ has beside it, in short ---- */

static void varz_put_way(const char *key, uint64_t msgs, uint64_t bytes, ri_page_json *j)
{
    ri_page_json_open(j, key, '{');
    ri_page_json_uint(j, "msgs", msgs);
    ri_page_json_uint(j, "bytes", bytes);
    ri_page_json_close(j, '}');
}

static void varz_put_short(const varz_work *w, const ri_broker *broker, ri_page_json *j)
{
    rill_stats s = {.size = sizeof s};
    int64_t up_ns = ri_ns_sub(ri_wall_ns(&broker->host), broker->start_ns);
    ri_broker_counts_inside(broker, &s);
    ri_page_json_time(j, "start", broker->start_ns);
    ri_page_json_uint(j, "mem", w->use.resident_bytes);
    ri_page_json_int(j, "cores", w->use.cores);
    ri_page_json_number(j, "cpu", up_ns > 0 ? (double)w->use.cpu_ns * 100 / (double)up_ns : 0);
    ri_page_json_uint(j, "connections", s.conns);
    ri_page_json_uint(j, "total_connections", s.conns_total);
    ri_page_json_uint(j, "active_accounts", w->active);
    ri_page_json_uint(j, "subscriptions", w->sums.subs);
    varz_put_way("sent", s.out_msgs, s.out_bytes, j);
    varz_put_way("sent_to_clients", s.out_msgs, s.out_bytes, j);
    varz_put_way("received", s.in_msgs, s.in_bytes, j);
    varz_put_way("received_from_clients", s.in_msgs, s.in_bytes, j);
    ri_page_json_uint(j, "slow_consumers", s.slow_conns);
    ri_page_json_uint(j, "active_servers", 1);
    if (w->house) varz_put_jetstream(w, false, j);
    ri_page_json_int(j, "gomaxprocs", w->use.usable);
}

static bool varz_step_short(ri_page *page)
{
    varz_work *w = page->work;
    ri_page_json j;
    if (!w) return false;
    if (!varz_counts(page, w)) return true;
    ri_page_json_begin(page, &j, true);
    varz_put_short(w, page->broker, &j);
    ri_page_json_close(&j, '}');
    return false;
}

const ri_page_kind ri_page_statsz = {.begin = varz_begin, .step = varz_step_short};

/* ---- /expvarz: Go's variables, as far as this process has such ---- */

static void varz_begin_exp(ri_page *page, ri_str query)
{
    ri_machine_use use;
    ri_page_json j;
    (void)query;
    ri_machine_use_of(&use);
    ri_page_json_begin(page, &j, true);
    ri_page_json_open(&j, "cmdline", '[');
    ri_page_json_close(&j, ']');
    ri_page_json_open(&j, "memstats", '{');
    ri_page_json_uint(&j, "Sys", use.resident_bytes);
    ri_page_json_close(&j, '}');
    ri_page_json_close(&j, '}');
}

const ri_page_kind ri_page_expvarz = {.begin = varz_begin_exp};
