/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/system_event.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "front/broker/durable.h"
#include "front/broker/peer_host.h"

enum { EVENT_SUBJECT = 400, EVENT_STATSZ_S = 10, EVENT_CONNS_S = 30 };

/* Nothing is delivered to it: it subscribes to nothing. */
static bool event_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party;
    (void)sub;
    (void)d;
    return false;
}

static const ri_party_ops event_ops = {.deliver = event_deliver};

static ri_account *event_account(const ri_broker *b)
{
    return b->closed ? NULL : ri_accounts_system(b->conf.accounts);
}

bool ri_system_event_heard(const ri_broker *b)
{
    RI_ASSERT(ri_broker_is_entered(b));
    const ri_account *system = event_account(b);
    return system && ri_interest_count(&system->interest) > 0;
}

/* ---- Texts ---- */

static void event_put_string(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, ",\"%s\":", name);
    ri_json_put_string(out, value);
}

static void event_put_given(ri_buffer *out, const char *name, ri_str value)
{
    if (value.len) event_put_string(out, name, value);
}

static void event_put_time(ri_buffer *out, const char *name, int64_t wall_ns)
{
    char text[RI_RFC3339_MAX];
    ri_buffer_printf(out, ",\"%s\":\"%.*s\"", name, (int)ri_rfc3339_write(text, wall_ns), text);
}

/* The members of the object, without its brackets. */
static void event_put_server(ri_broker *b, ri_buffer *out)
{
    const ri_venue *at = ri_venue_find(b, RI_URL_NATS);
    const char *domain = ri_durable_streams(b) ? ri_durable_domain(b->durable) : NULL;
    ri_buffer_puts(out, "\"name\":");
    ri_json_put_string(out, ri_str_of(b->name));
    event_put_string(out, "host", ri_str_of(at && at->name ? at->name : ""));
    event_put_string(out, "id", ri_str_of(b->keys.id));
    event_put_given(out, "domain", ri_str_of(domain));
    event_put_string(out, "ver", ri_str_of(b->version));
    ri_labels_put(b->conf.labels, out);
    ri_buffer_printf(out, ",\"jetstream\":%s,\"flags\":%d,\"seq\":%llu",
                     ri_durable_streams(b) ? "true" : "false", ri_durable_streams(b) ? 1 : 0,
                     (unsigned long long)ri_system_event_number(b));
    event_put_time(out, "time", ri_wall_ns(&b->host));
}

static void event_begin(ri_broker *b, const char *type, ri_buffer *out)
{
    char id[RI_NUID_LEN];
    if (!b->nuid.host) ri_nuid_init(&b->nuid, &b->host);
    ri_nuid_next(&b->nuid, id);
    ri_buffer_init(out, &b->host);
    ri_buffer_printf(out, "{\"type\":\"io.nats.server.advisory.v1.%s\",\"id\":\"%.*s\"", type,
                     RI_NUID_LEN, id);
    event_put_time(out, "timestamp", ri_wall_ns(&b->host));
    ri_buffer_puts(out, ",\"server\":{");
    event_put_server(b, out);
    ri_buffer_puts(out, "}");
}

/* ---- Where to ---- */

/* FORMAT has one place, for `name`. False: nobody listens there, or it is no subject. */
static bool event_wanted(const ri_broker *b, const char *format, const char *name,
                         char room[static EVENT_SUBJECT], ri_str *to)
{
    const ri_account *system = event_account(b);
    const char *hole = strchr(format, '*');
    RI_ASSERT(hole);
    if (!system) return false;
    int n = snprintf(room, EVENT_SUBJECT, "%.*s%s%s", (int)(hole - format), format, name, hole + 1);
    if (n < 0 || n >= EVENT_SUBJECT) return false;
    *to = (ri_str){room, (size_t)n};
    return ri_interest_any(&system->interest, *to) && ri_subject_is_literal(*to);
}

/* The text is sent, and freed. */
static void event_send(ri_broker *b, ri_str to, ri_str reply, ri_buffer *out)
{
    ri_account *system = event_account(b);
    RI_ASSERT(system && to.len); /* as event_wanted() found */
    ri_message m = {.subject = to, .reply = reply, .data = ri_buffer_str(out)};
    if (!b->herald.router) {
        ri_party_init(&b->herald, &b->router, &event_ops);
        b->herald.queues = true; /* to very many it goes in slices */
    }
    if (b->herald.account != system) ri_party_enter(&b->herald, system);
    ri_budget_spend(&b->router.budget, ri_budget_bytes(out->len) + 1);
    if (!out->failed) ri_router_publish(&b->herald, &(ri_publish){.m = &m, .route = to});
    ri_buffer_fini(out);
}

/* ---- Connections ---- */

static ri_str event_name_tag(const ri_broker *b, ri_str account)
{
    return ri_trust_name_of(b->conf.trust, account);
}

/* What JWTs say of it. */
static void event_put_claims(const ri_broker *b, const ri_system_client *client, ri_str account,
                             ri_buffer *out)
{
    const ri_broker_conn *conn = client->conn;
    event_put_given(out, "jwt", client->jwt);
    event_put_given(out, "issuer_key", conn->issuer);
    event_put_string(out, "name_tag", event_name_tag(b, account));
    if (!conn->tags.len) return;
    ri_buffer_puts(out, ",\"tags\":");
    ri_buffer_put_str(out, conn->tags);
}

static void event_put_client(const ri_broker *b, const ri_system_client *client, int64_t stop_ns,
                             ri_buffer *out)
{
    const ri_broker_conn *conn = client->conn;
    char host[RI_PEER_HOST_MAX];
    ri_str account = conn->account.len ? conn->account : ri_str_of(RI_ACCOUNT_GLOBAL);
    ri_peer_address(conn->peer.ptr, host);
    ri_buffer_puts(out, ",\"client\":{\"start\":");
    char text[RI_RFC3339_MAX];
    ri_buffer_printf(out, "\"%.*s\"", (int)ri_rfc3339_write(text, conn->info.start_ns), text);
    event_put_string(out, "host", ri_str_of(host));
    ri_buffer_printf(out, ",\"id\":%llu", (unsigned long long)conn->info.id);
    event_put_string(out, "acc", account);
    event_put_given(out, "user", conn->given);
    event_put_given(out, "name", conn->name);
    event_put_given(out, "lang", conn->lang);
    event_put_given(out, "ver", conn->version);
    if (conn->rtt_ns) ri_buffer_printf(out, ",\"rtt\":%lld", (long long)conn->rtt_ns);
    if (client->reason) event_put_time(out, "stop", stop_ns);
    event_put_claims(b, client, account, out);
    ri_buffer_printf(out, ",\"kind\":\"Client\",\"client_type\":\"%s\"}",
                     conn->info.websocket ? "websocket" : "nats");
}

static void event_put_way(ri_buffer *out, const char *name, uint64_t msgs, uint64_t bytes)
{
    ri_buffer_printf(out, ",\"%s\":{\"msgs\":%llu,\"bytes\":%llu", name, (unsigned long long)msgs,
                     (unsigned long long)bytes);
}

static int event_client(ri_broker *b, const ri_system_client *client, const char *format,
                        const char *name)
{
    char room[EVENT_SUBJECT];
    ri_str to;
    ri_buffer out;
    const rill_conn_info *info = &client->conn->info;
    if (!event_wanted(b, format, name, room, &to)) return 0;
    event_begin(b, client->reason ? "client_disconnect" : "client_connect", &out);
    event_put_client(b, client, ri_wall_ns(&b->host), &out);
    if (client->reason) {
        event_put_way(&out, "sent", info->out_msgs, info->out_bytes);
        ri_buffer_puts(&out, "}");
        event_put_way(&out, "received", info->in_msgs, info->in_bytes);
        ri_buffer_puts(&out, "}");
        event_put_string(&out, "reason", ri_str_of(client->reason));
    }
    ri_buffer_puts(&out, "}");
    event_send(b, to, RI_STR_NONE, &out);
    return 1;
}

int ri_system_event_client(ri_broker *b, const ri_system_client *client)
{
    RI_ASSERT(ri_broker_is_entered(b) && client->conn->info.id);
    ri_str account = client->conn->account; /* a 0 is behind it */
    const char *of = account.len ? account.ptr : RI_ACCOUNT_GLOBAL;
    int made = 0;
    if (client->unknown)
        made += event_client(b, client, "$SYS.SERVER.*.CLIENT.AUTH.ERR", b->keys.id);
    return made + event_client(b, client, client->reason ? "$SYS.ACCOUNT.*.DISCONNECT"
                                                         : "$SYS.ACCOUNT.*.CONNECT", of);
}

/* ---- Accounts ---- */

static void event_put_ways(ri_buffer *out, const char *name, uint64_t msgs, uint64_t bytes)
{
    static const char *const others[] = {"gateways", "routes", "leafs"};
    event_put_way(out, name, msgs, bytes);
    for (size_t i = 0; i < RI_LEN(others); i++) {
        event_put_way(out, others[i], 0, 0);
        ri_buffer_puts(out, "}");
    }
    ri_buffer_puts(out, "}");
}

int ri_system_event_conns(ri_broker *b, const ri_account *account)
{
    static const char *const formats[] = {"$SYS.SERVER.ACCOUNT.*.CONNS",
                                          "$SYS.ACCOUNT.*.SERVER.CONNS"};
    const ri_account_gone *gone = &account->gone;
    char room[EVENT_SUBJECT];
    ri_str to;
    ri_buffer out;
    RI_ASSERT(ri_broker_is_entered(b));
    int made = 0;
    if (account == &b->router.global) return 0;
    for (size_t i = 0; i < RI_LEN(formats); i++) {
        if (!event_wanted(b, formats[i], account->name, room, &to)) continue;
        event_begin(b, "account_connections", &out);
        event_put_string(&out, "acc", ri_str_of(account->name));
        event_put_string(&out, "name", event_name_tag(b, ri_str_of(account->name)));
        ri_buffer_printf(&out, ",\"conns\":%u,\"leafnodes\":0,\"total_conns\":%u,"
                         "\"num_subscriptions\":%llu", account->nconns, account->nconns,
                         (unsigned long long)ri_interest_count(&account->interest));
        event_put_ways(&out, "sent", gone->out_msgs, gone->out_bytes);
        event_put_ways(&out, "received", gone->in_msgs, gone->in_bytes);
        ri_buffer_puts(&out, ",\"slow_consumers\":0}");
        event_send(b, to, RI_STR_NONE, &out);
        made++;
    }
    return made;
}

/* ---- The server ---- */

void ri_system_event_lame_duck(ri_broker *b)
{
    char room[EVENT_SUBJECT];
    ri_str to;
    ri_buffer out;
    if (!event_wanted(b, "$SYS.SERVER.*.LAMEDUCK", b->keys.id, room, &to)) return;
    ri_buffer_init(&out, &b->host);
    ri_buffer_puts(&out, "{");
    event_put_server(b, &out);
    ri_buffer_puts(&out, "}");
    event_send(b, to, RI_STR_NONE, &out);
}

/* ---- From time to time ---- */

/* The page is made by who is asked for it, beside the durable half: this one asks, and whoever
 * listens gets the answer. */
static void event_ask_statsz(ri_broker *b)
{
    char to_room[EVENT_SUBJECT], at_room[EVENT_SUBJECT];
    ri_str to, at;
    ri_buffer none;
    if (!b->durable || !event_wanted(b, "$SYS.SERVER.*.STATSZ", b->keys.id, to_room, &to)) return;
    if (!event_wanted(b, "$SYS.REQ.SERVER.*.STATSZ", b->keys.id, at_room, &at)) return;
    ri_buffer_init(&none, &b->host);
    event_send(b, at, to, &none);
}

/* False: the turn is over before all are said. */
static bool event_say_conns(ri_broker *b)
{
    const ri_account *account;
    while ((account = ri_broker_account_at(b, b->conns_at)) != NULL) {
        b->conns_at++;
        if (account->nconns) ri_system_event_conns(b, account);
        if (!ri_budget_spend(&b->router.budget, 1)) return false;
    }
    b->conns_at = 0;
    return true;
}

int64_t ri_system_event_tend(ri_broker *b)
{
    int64_t now_ns = ri_mono_ns(&b->host);
    RI_ASSERT(ri_broker_is_entered(b));
    if (!event_account(b)) return INT64_MAX;
    if (b->statsz_ns <= now_ns) {
        event_ask_statsz(b);
        b->statsz_ns = ri_ns_add(now_ns, EVENT_STATSZ_S * RI_SEC);
    }
    if (b->conns_ns <= now_ns && event_say_conns(b))
        b->conns_ns = ri_ns_add(now_ns, EVENT_CONNS_S * RI_SEC);
    return RI_MIN(b->statsz_ns, b->conns_ns);
}
