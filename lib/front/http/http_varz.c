/* SPDX-License-Identifier: Apache-2.0 */
/* /varz: the broker as nats-server describes itself; and /expvarz, the process alone. What belongs
 * to Go, to a cluster or to its system account is absent here. Accounts are counted, and rooms are
 * walked, in slices. */
#include "base/assert.h"
#include "base/saturate.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/http/http_answer.h"
#include "net/machine.h"

enum { HTTP_VARZ_ROOM_UNITS = 10 };

typedef struct varz_work {
    ri_machine_use use;
    size_t account;            /* that is counted next */
    rill_stats sums;
    struct ri_durable *house, *room; /* whose streams were counted last; NULL: the first is next */
    bool begun;
    ri_http_js_sums streams;
} varz_work;

/* Limits as they are in force. */
static void varz_put_limits(const ri_broker_conf *conf, ri_http_json *j)
{
    ri_http_json_uint(j, "max_connections", conf->max_conns);
    if (conf->max_subs) ri_http_json_uint(j, "max_subscriptions", conf->max_subs);
    ri_http_json_int(j, "ping_interval", ri_ns_of_ms(conf->ping_interval_ms));
    ri_http_json_uint(j, "ping_max", conf->ping_max);
    ri_http_json_number(j, "auth_timeout", (double)conf->auth_timeout_ms / 1000);
    ri_http_json_uint(j, "max_control_line", conf->max_control_line_bytes);
    ri_http_json_uint(j, "max_payload", conf->max_msg_bytes);
    ri_http_json_uint(j, "max_pending", conf->max_pending_bytes);
    ri_http_json_int(j, "write_deadline", ri_ns_of_ms(conf->write_deadline_ms));
}

static bool varz_asks(const ri_broker_conf *conf)
{
    bool asks = conf->token || conf->user || conf->access || conf->on_login || conf->trust;
    return asks && !conf->no_auth_user;
}

static void varz_put_client_port(const ri_broker *broker, ri_http_json *j)
{
    static const uint32_t default_ms = 2000;
    const ri_venue *at = ri_venue_find(broker, RI_URL_NATS);
    int64_t expires_ns = ri_door_tls_expires_ns(broker);
    ri_http_json_text(j, "host", at ? at->name : "");
    ri_http_json_int(j, "port", at ? at->port : 0);
    if (varz_asks(&broker->conf)) ri_http_json_bool(j, "auth_required", true);
    if (!at || !at->tls) return;
    if (!at->tls_optional) ri_http_json_bool(j, "tls_required", true);
    if (at->tls_verify) ri_http_json_bool(j, "tls_verify", true);
    ri_http_json_number(j, "tls_timeout",
                        (at->tls_timeout_ms ? at->tls_timeout_ms : default_ms) / 1000.0);
    if (expires_ns) ri_http_json_time(j, "tls_cert_not_after", expires_ns);
}

static void varz_put_http_port(const ri_broker *broker, ri_http_json *j)
{
    const ri_venue *http = ri_venue_find(broker, RI_URL_HTTP);
    const ri_venue *https = ri_venue_find(broker, RI_URL_HTTPS);
    ri_http_json_text(j, "http_host", http ? http->name : https ? https->name : "");
    ri_http_json_int(j, "http_port", http ? http->port : 0);
    ri_http_json_text(j, "http_base_path", "");
    ri_http_json_int(j, "https_port", https ? https->port : 0);
}

static void varz_put_origins(const char *at, ri_http_json *j)
{
    ri_http_json_open(j, "allowed_origins", '[');
    while (*at) {
        size_t len = strcspn(at, ", \t");
        if (len) ri_http_json_string(j, NULL, (ri_str){at, len});
        at += len + (at[len] != 0);
    }
    ri_http_json_close(j, ']');
}

static void varz_put_websocket(const ri_broker *broker, ri_http_json *j)
{
    const ri_venue *at = ri_venue_find(broker, RI_URL_WS);
    if (!at) at = ri_venue_find(broker, RI_URL_WSS);
    ri_http_json_open(j, "websocket", '{');
    if (at) {
        ri_http_json_text(j, "host", at->name);
        ri_http_json_int(j, "port", at->port);
        ri_http_json_text(j, "advertise", at->advertise);
        if (at->handshake_ms)
            ri_http_json_int(j, "handshake_timeout", ri_ns_of_ms(at->handshake_ms));
        if (!at->tls) ri_http_json_bool(j, "no_tls", true);
        if (at->same_origin) ri_http_json_bool(j, "same_origin", true);
        if (at->compress) ri_http_json_bool(j, "compression", true);
        if (at->origins) varz_put_origins(at->origins, j);
    }
    ri_http_json_close(j, '}');
}

/* Parts of nats-server that are not here have no settings to show. */
static void varz_put_absent(ri_http_json *j)
{
    static const char *const parts[] = {"cluster", "gateway", "leaf", "mqtt"};
    for (size_t i = 0; i < RI_LEN(parts); i++) {
        ri_http_json_open(j, parts[i], '{');
        ri_http_json_close(j, '}');
    }
}

static void varz_put_jetstream(const varz_work *w, ri_http_json *j)
{
    ri_http_json_open(j, "jetstream", '{');
    if (w->house) {
        ri_http_json_open(j, "config", '{');
        ri_http_js_put_config(w->house, j);
        ri_http_json_close(j, '}');
        ri_http_json_open(j, "stats", '{');
        ri_http_js_put_sums(&w->streams, false, j);
        ri_http_json_close(j, '}');
        ri_http_js_put_limits(w->house, j);
    }
    ri_http_json_close(j, '}');
}

static void varz_put_process(const ri_broker *broker, const ri_machine_use *use, ri_http_json *j)
{
    RI_ASSERT(use->cores >= 0 && use->cpu_ns >= 0);
    int64_t now_ns = ri_wall_ns(&broker->host), up_ns = ri_ns_sub(now_ns, broker->start_ns);
    ri_http_json_time(j, "start", broker->start_ns);
    ri_http_json_time(j, "now", now_ns);
    ri_http_json_span(j, "uptime", up_ns);
    ri_http_json_uint(j, "mem", use->resident_bytes);
    ri_http_json_int(j, "cores", use->cores);
    ri_http_json_number(j, "cpu", up_ns > 0 ? (double)use->cpu_ns * 100 / (double)up_ns : 0);
}

/* A number by the kind of connection: all that there are here are clients'. */
static void varz_put_kinds(const char *key, uint64_t clients, ri_http_json *j)
{
    static const char *const others[] = {"routes", "gateways", "leafs"};
    ri_http_json_open(j, key, '{');
    ri_http_json_uint(j, "clients", clients);
    for (size_t i = 0; i < RI_LEN(others); i++) ri_http_json_uint(j, others[i], 0);
    ri_http_json_close(j, '}');
}

static void varz_put_traffic(const rill_stats *s, ri_http_json *j)
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
        {"memory_refusals", s->memory_refusals}};
    for (size_t i = 0; i < RI_LEN(rows); i++) ri_http_json_uint(j, rows[i].key, rows[i].value);
    varz_put_kinds("slow_consumer_stats", s->slow_conns, j);
    varz_put_kinds("stale_connection_stats", s->stale_conns, j);
}

static void varz_put(ri_http_answer *a, const varz_work *w)
{
    const ri_broker *broker = a->server->broker;
    const ri_account *system = ri_accounts_system(broker->conf.accounts);
    rill_stats stats = {.size = sizeof stats};
    ri_http_json j;
    RI_ASSERT(!ri_broker_account_at(broker, w->account)); /* all are counted */
    ri_broker_counts_inside(broker, &stats);
    stats.subs = w->sums.subs;
    ri_http_answer_json(a, &j, true);
    ri_http_json_text(&j, "server_id", broker->keys.id);
    ri_http_json_text(&j, "server_name", broker->name);
    ri_http_json_text(&j, "version", broker->version);
    ri_http_json_int(&j, "proto", 1);
    ri_http_json_text(&j, "go", "C11");
    varz_put_client_port(broker, &j);
    varz_put_limits(&broker->conf, &j);
    varz_put_http_port(broker, &j);
    varz_put_absent(&j);
    varz_put_websocket(broker, &j);
    varz_put_jetstream(w, &j);
    varz_put_process(broker, &w->use, &j);
    varz_put_traffic(&stats, &j);
    ri_http_json_open(&j, "http_req_stats", '{');
    ri_http_answer_asked(a->server, &j);
    ri_http_json_close(&j, '}');
    ri_http_json_time(&j, "config_load_time", broker->conf_ns);
    if (system) ri_http_json_text(&j, "system_account", system->name);
    ri_http_json_close(&j, '}');
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
        if (!ri_budget_spend(budget, 1)) return false;
    }
    while (w->house && (next = ri_rooms_after(w->house, w->room)) != NULL) {
        w->room = next;
        ri_http_js_add(&w->streams, next);
        if (!ri_budget_spend(budget, HTTP_VARZ_ROOM_UNITS)) return false;
    }
    return true;
}

static bool varz_step(ri_http_answer *a)
{
    varz_work *w = a->work;
    const ri_broker *broker = a->server->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    if (!w->begun) w->house = broker->durable_opening ? NULL : broker->durable;
    w->begun = true;
    if (w->house && w->house != broker->durable) w->house = NULL; /* it was closed meanwhile */
    if (!varz_count(w, broker, &a->server->broker->router.budget)) return true;
    varz_put(a, w);
    return false;
}

static void varz_begin(ri_http_answer *a, const ri_http_request *request)
{
    varz_work *w = ri_http_answer_work(a, sizeof *w);
    (void)request;
    if (w) ri_machine_use_of(&w->use);
}

const ri_http_route ri_http_varz_route = {.path = "/varz", .begin = varz_begin, .step = varz_step};

/* ---- /expvarz: Go's variables, as far as this process has such ---- */

static void varz_begin_exp(ri_http_answer *a, const ri_http_request *request)
{
    ri_machine_use use;
    ri_http_json j;
    (void)request;
    ri_machine_use_of(&use);
    ri_http_answer_json(a, &j, true);
    ri_http_json_open(&j, "cmdline", '[');
    ri_http_json_close(&j, ']');
    ri_http_json_open(&j, "memstats", '{');
    ri_http_json_uint(&j, "Sys", use.resident_bytes);
    ri_http_json_close(&j, '}');
    ri_http_json_close(&j, '}');
}

const ri_http_route ri_http_expvarz_route = {.path = "/expvarz", .alias = "/debug/vars",
                                             .begin = varz_begin_exp};
