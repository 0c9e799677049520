/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pages/page_conn.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/saturate.h"
#include "codec/limits.h"

/* "127.0.0.1:50123", "[::1]:50123", or what a unix socket or a wire is called. */
static void page_conn_put_peer(ri_str peer, ri_page_json *j)
{
    RI_ASSERT(peer.ptr);
    const char *colon = strrchr(peer.ptr, ':'), *begin = peer.ptr + (peer.ptr[0] == '[');
    size_t len = colon ? (size_t)(colon - begin) : strlen(begin);
    if (begin > peer.ptr && len > 0) len--; /* the closing bracket */
    ri_page_json_string(j, "ip", (ri_str){begin, len});
    ri_page_json_uint(j, "port", colon ? strtoul(colon + 1, NULL, 10) : 0);
}

void ri_page_conn_put_sub(const ri_broker_sub *sub, ri_str account, ri_str tag, ri_page_json *j)
{
    ri_page_json_open(j, NULL, '{');
    if (account.len) ri_page_json_string(j, "account", account);
    if (account.len) ri_page_json_string(j, "account_tag", tag);
    ri_page_json_string(j, "subject", sub->subject);
    if (sub->queue.len) ri_page_json_string(j, "qgroup", sub->queue);
    ri_page_json_string(j, "sid", sub->sid);
    ri_page_json_uint(j, "msgs", sub->info.msgs);
    if (sub->info.max_msgs) ri_page_json_uint(j, "max", sub->info.max_msgs);
    ri_page_json_uint(j, "cid", sub->info.conn);
    ri_page_json_close(j, '}');
}

static void page_conn_on_sub(void *arg, const ri_broker_sub *sub)
{
    ri_page_conn_put_sub(sub, RI_STR_NONE, RI_STR_NONE, arg);
}

static void page_conn_on_subject(void *arg, const ri_broker_sub *sub)
{
    ri_page_json_string(arg, NULL, sub->subject);
}

/* A list that is not whole says so, and which part it is; nats-server lists all. */
static void page_conn_put_subs(const ri_page_conn_show *show, const rill_conn_info *info,
                               ri_page_json *j)
{
    const rill_conn_subs_opts opts = {.size = sizeof opts, .conn = info->id,
                                      .skip = show->subs_offset};
    ri_broker_subs_query query = {
        .opts = &opts, .max = RI_LIMIT_HTTP_SUBS, .arg = j,
        .put = show->detail ? page_conn_on_sub : page_conn_on_subject};
    RI_ASSERT(show->subs && info->id);
    if (info->subs == 0) return;
    if (show->subs_offset > 0 || info->subs > RI_LIMIT_HTTP_SUBS) {
        ri_page_json_uint(j, "subs_offset", show->subs_offset);
        ri_page_json_uint(j, "subs_limit", RI_LIMIT_HTTP_SUBS);
    }
    ri_page_json_open(j, show->detail ? "subscriptions_list_detail" : "subscriptions_list", '[');
    ri_broker_subs_of(show->broker, &query);
    ri_page_json_close(j, ']');
}

/* Of one that has gone, as far as it is remembered. Its account is said beside each, as
 * nats-server does it. */
static void page_conn_put_gone_subs(const ri_page_conn_show *show, const ri_departed_one *gone,
                                    ri_page_json *j)
{
    const ri_broker_conn *conn = &gone->conn;
    ri_str account = conn->account.len ? conn->account : ri_str_of(RI_ACCOUNT_GLOBAL);
    ri_str tag = ri_trust_name_of(show->broker->conf.trust, account);
    uint64_t kept = 0, met = 0;
    ri_broker_sub sub;
    for (size_t at = 0; ri_departed_sub(gone, &at, &sub);) kept++;
    if (conn->info.subs == 0) return;
    if (show->subs_offset > 0 || conn->info.subs > kept) {
        ri_page_json_uint(j, "subs_offset", show->subs_offset);
        ri_page_json_uint(j, "subs_limit", kept);
    }
    ri_page_json_open(j, show->detail ? "subscriptions_list_detail" : "subscriptions_list", '[');
    for (size_t at = 0; ri_departed_sub(gone, &at, &sub);) {
        if (met++ < show->subs_offset) continue;
        if (show->detail) ri_page_conn_put_sub(&sub, account, tag, j);
        else ri_page_json_string(j, NULL, sub.subject);
    }
    ri_page_json_close(j, ']');
}

static void page_conn_put_counts(const rill_conn_info *info, ri_page_json *j)
{
    ri_page_json_uint(j, "pending_bytes", info->pending_bytes);
    ri_page_json_uint(j, "in_msgs", info->in_msgs);
    ri_page_json_uint(j, "out_msgs", info->out_msgs);
    ri_page_json_uint(j, "in_bytes", info->in_bytes);
    ri_page_json_uint(j, "out_bytes", info->out_bytes);
    ri_page_json_uint(j, "subscriptions", info->subs);
}

/* Of one that has gone all is shown, as nats-server does it; and its user's name, unless its
 * account is asked for. */
static void page_conn_put_claims(const ri_page_conn_show *show, const ri_broker_conn *conn,
                                 bool gone, ri_page_json *j)
{
    bool global = !conn->account.len || ri_str_is(conn->account, RI_ACCOUNT_GLOBAL);
    ri_str account = global ? ri_str_of(RI_ACCOUNT_GLOBAL) : conn->account;
    ri_str name = gone && (global || !show->auth)
                      ? conn->name_tag : ri_trust_name_of(show->broker->conf.trust, account);
    if (!show->auth && !gone) return;
    if (conn->jwt.len) ri_page_json_string(j, "jwt", conn->jwt);
    if (conn->issuer.len) ri_page_json_string(j, "issuer_key", conn->issuer);
    if (name.len) ri_page_json_string(j, "name_tag", name);
    if (!conn->tags.len) return;
    ri_page_json_key(j, "tags");
    ri_buffer_put_str(j->out, conn->tags);
}

static void page_conn_put_names(const ri_page_conn_show *show, const ri_broker_conn *conn,
                                ri_page_json *j)
{
    bool own = show->auth && !ri_str_is(conn->account, RI_ACCOUNT_GLOBAL);
    const struct { const char *key; ri_str value; } rows[] = {
        {"name", conn->name}, {"lang", conn->lang}, {"version", conn->version},
        {"tls_version", conn->tls_version}, {"tls_cipher_suite", conn->tls_cipher},
        {"authorized_user", show->auth ? conn->given : RI_STR_NONE},
        {"account", own ? conn->account : RI_STR_NONE}};
    for (size_t i = 0; i < RI_LEN(rows); i++)
        if (rows[i].value.len) ri_page_json_string(j, rows[i].key, rows[i].value);
}

void ri_page_conn_put(const ri_page_conn_show *show, const ri_broker_conn *conn,
                      const ri_departed_one *gone, ri_page_json *j)
{
    const rill_conn_info *info = &conn->info;
    RI_ASSERT(!gone || gone->reason);
    int64_t now_ns = gone ? gone->stop_ns : show->now_ns;
    ri_page_json_open(j, NULL, '{');
    ri_page_json_uint(j, "cid", info->id);
    ri_page_json_text(j, "kind", "Client");
    ri_page_json_text(j, "type", info->websocket ? "websocket" : "nats");
    page_conn_put_peer(conn->peer, j);
    ri_page_json_time(j, "start", info->start_ns);
    ri_page_json_time(j, "last_activity", info->active_ns);
    if (gone) ri_page_json_time(j, "stop", gone->stop_ns);
    if (gone) ri_page_json_text(j, "reason", gone->reason);
    ri_page_json_duration(j, "rtt", conn->rtt_ns);
    ri_page_json_span(j, "uptime", ri_ns_sub(now_ns, info->start_ns));
    ri_page_json_span(j, "idle", ri_ns_sub(now_ns, info->active_ns));
    page_conn_put_counts(info, j);
    page_conn_put_names(show, conn, j);
    if (show->subs && !gone) page_conn_put_subs(show, info, j);
    if (show->subs && gone) page_conn_put_gone_subs(show, gone, j);
    page_conn_put_claims(show, conn, gone != NULL, j);
    ri_page_json_close(j, '}');
}
