/* SPDX-License-Identifier: Apache-2.0 */
#include "front/nats/nats_session.h"

#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jsapi.h"
#include "codec/subject/subject.h"
#include "front/broker/departed.h"
#include "front/broker/durable.h"

enum {
    SESSION_FIRST_PING_MS = 2000, /* after CONNECT, if pings are not wanted earlier */
    SESSION_LINGER_MS = 50,       /* for the peer to read a last word and close */
    SESSION_STALL_MS = 10,        /* the longest that a slow receiver keeps one from being read */
    SESSION_NAME_MAX = 256,
    SESSION_WORD_MAX = 64,        /* of a client's version and language */
    SESSION_BURST = 1024 * 1024, /* bytes routed before they are written: one read with many
                                        receivers may not fill the memory, nor hold the gate */
    SESSION_BATCH = 32,              /* operations that are parsed before they are obeyed */
    SESSION_BYTES = 4096,            /* of memory, for a connection with its buffers in the
                                        kernel */
    SESSION_SUB_BYTES = 160,         /* for a subscription, beside its own: its places in tables */
    SESSION_SUB_UNITS = 10,          /* of the turn, for one taken off the router */
};

const char *ri_nats_session_end_text(ri_nats_end end)
{
    switch (end) {
    case RI_NATS_END_NOT: return "";
#define RI_X(name, text) case RI_NATS_END_##name: return text;
        RI_NATS_END_MAP(RI_X)
#undef RI_X
    }
    return "";
}

/* ---- Ending ---- */

/* Called when it begins to end. */
static void session_log_end(const ri_nats_session *s)
{
    if (s->end == RI_NATS_END_MEMORY || s->shed)
        ri_host_log(&s->server->broker->host, RILL_INFO,
                    "%s - cid:%llu - %s: the memory budget of %llu bytes is used up", s->peer,
                    (unsigned long long)s->cid,
                    s->shed ? "Slow Consumer Detected" : "Connection closed",
                    (unsigned long long)s->server->broker->conf.memory_bytes);
    else if (s->end == RI_NATS_END_SLOW_PENDING)
        ri_host_log(&s->server->broker->host, RILL_INFO,
                    "%s - cid:%llu - Slow Consumer Detected: MaxPending of %llu Exceeded", s->peer,
                    (unsigned long long)s->cid,
                    (unsigned long long)s->server->broker->conf.max_pending_bytes);
    if (s->end == RI_NATS_END_SLOW_DEADLINE)
        ri_host_log(&s->server->broker->host, RILL_INFO,
                    "%s - cid:%llu - Slow Consumer Detected: WriteDeadline of %ums exceeded",
                    s->peer, (unsigned long long)s->cid, s->conn.write_deadline_ms);
    ri_nats_trace_say(s, RILL_DEBUG, "Client connection closed: ",
                      ri_nats_session_end_text(s->end));
}

/* Whoever looks at the broker hears of it as it was. */
static void session_note_end(const ri_nats_session *s, ri_nats_end end)
{
    ri_broker *broker = s->server->broker;
    ri_broker_conn conn = {0};
    ri_departed_subs subs = {.full = ri_list_linked(&s->forget_link)}; /* others' come first then */
    if (!broker->departed) return;
    const rill_conn_subs_opts opts = {.size = sizeof opts, .conn = s->cid};
    ri_broker_subs_query query = {.opts = &opts, .max = RI_LIMIT_DEPARTED_SUBS,
                                  .put = ri_departed_put_sub, .arg = &subs};
    ri_buffer_init(&subs.text, &broker->host);
    if (!subs.full) ri_nats_session_list_subs(s, &query);
    ri_nats_session_describe(s, ri_ns_sub(ri_wall_ns(&broker->host), ri_mono_ns(&broker->host)),
                             &conn);
    if (!subs.text.failed) conn.subs = ri_buffer_str(&subs.text);
    ri_departed_note(broker, &conn, ri_nats_session_end_text(end));
    ri_buffer_fini(&subs.text);
}

void ri_nats_session_end(ri_nats_session *s, ri_nats_end end)
{
    RI_ASSERT(end != RI_NATS_END_NOT);
    if (s->end) return;
    s->end = end;
    session_note_end(s, end);
    session_log_end(s);
    ri_list_push(&s->server->ending, &s->ending_link);
    s->server->broker->output_waits |= s->server->door.bit; /* wake the loop to look after it */
}

void ri_nats_session_fail(ri_nats_session *s, ri_nats_end end, const char *text)
{
    RI_ASSERT(end != RI_NATS_END_NOT && text);
    if (s->end) return;
    char line[128];
    int n = snprintf(line, sizeof line, "-ERR '%s'\r\n", text);
    RI_ASSERT(n > 0 && (size_t)n < sizeof line);
    ri_nats_deliver_raw(s, (ri_str){line, (size_t)n});
    s->dismissed = true;
    ri_nats_session_end(s, end);
}

static void session_drop_sub(ri_nats_session *s, ri_nats_sub *sub)
{
    ri_router *router = s->party.router;
    ri_router_unsubscribe(&sub->sub);
    ri_budget_spend(&router->budget, SESSION_SUB_UNITS);
    if (s->server->broker->conf.trace) ri_nats_trace_gone(s, sub->sid);
    ri_nats_session_free_sub(s, sub);
}

void ri_nats_session_free_sub(ri_nats_session *s, ri_nats_sub *sub)
{
    RI_ASSERT(sub->size > sizeof *sub);
    uint64_t bytes = sub->size + SESSION_SUB_BYTES;
    RI_ASSERT(s->interest_bytes >= bytes);
    s->interest_bytes -= bytes;
    ri_memory_refund(&s->party.router->memory, RI_MEMORY_INTEREST, bytes);
    ri_free(s->subs.host, sub, sub->size);
}

static bool session_charge_interest(ri_nats_session *s, uint64_t bytes)
{
    ri_memory *memory = &s->party.router->memory;
    s->interest_bytes += bytes;
    if (ri_memory_charge(memory, RI_MEMORY_INTEREST, bytes)) return true;
    if (ri_nats_server_make_interest(s->server, s)) return true;
    s->interest_bytes -= bytes;
    ri_memory_refund(memory, RI_MEMORY_INTEREST, bytes);
    return false;
}

bool ri_nats_session_charge_sub(ri_nats_session *s, const ri_nats_sub *sub)
{
    return session_charge_interest(s, sub->size + SESSION_SUB_BYTES);
}

static ri_nats_sub *session_first_sub(const ri_nats_session *s)
{
    if (ri_list_empty(&s->party.subs)) return NULL;
    return ri_container_of(s->party.subs.next, ri_nats_sub, sub.link);
}

void ri_nats_session_forget_subs(ri_nats_session *s)
{
    s->logins++;
    ri_map_fini(&s->subs);
    if (!session_first_sub(s) || ri_list_linked(&s->forget_link)) return;
    ri_list_push(&s->server->forgetting, &s->forget_link);
    ri_loop_wake(&s->server->loop);
}

bool ri_nats_session_drop_forgotten(ri_nats_session *s, uint32_t *subs)
{
    ri_nats_sub *sub; /* the oldest are first */
    while ((sub = session_first_sub(s)) && ri_nats_session_has_forgotten(s, sub)) {
        if (*subs == 0) return false;
        --*subs;
        session_drop_sub(s, sub);
    }
    ri_list_remove(&s->forget_link);
    return true;
}

void ri_nats_session_recheck_subs(ri_nats_session *s)
{
    s->unchecked = s->party.nsubs;
    s->guarded = s->unchecked > 0;
    if (!s->unchecked || ri_list_linked(&s->recheck_link)) return;
    ri_list_push(&s->server->rechecking, &s->recheck_link);
    ri_loop_wake(&s->server->loop);
}

/* Each goes to the end of the row when it has been looked at, so that those that came before the
 * reload are first: one that is added meanwhile is right as it is, and one that has gone meanwhile
 * makes that one more is looked at. Forgotten ones, which have to be first, go. */
bool ri_nats_session_recheck_some(ri_nats_session *s, uint32_t *subs)
{
    ri_nats_sub *sub;
    while (s->unchecked > 0 && !s->end && (sub = session_first_sub(s)) != NULL) {
        uint32_t cost = 1 + (s->who ? ri_access_units(s->who) / SESSION_SUB_UNITS : 0);
        if (*subs == 0) return false;
        *subs -= RI_MIN(*subs, cost);
        s->unchecked--;
        bool forgotten = ri_nats_session_has_forgotten(s, sub);
        if (!forgotten && (!s->who || ri_nats_access_keep(s, sub))) {
            ri_list_remove(&sub->sub.link);
            ri_list_push(&s->party.subs, &sub->sub.link);
            continue;
        }
        if (!forgotten) ri_map_take(&s->subs, ri_hash(sub->sid), &sub->sid);
        session_drop_sub(s, sub);
    }
    s->unchecked = 0;
    s->guarded = false;
    ri_list_remove(&s->recheck_link);
    return true;
}

bool ri_nats_session_detach(ri_nats_session *s, uint32_t *subs)
{
    RI_ASSERT(s->end);
    if (s->detached) return true;
    if (ri_unlikely(s->fan != NULL)) { /* what it said last is still said */
        *subs = 0;
        return false;
    }
    for (ri_nats_sub *sub; (sub = session_first_sub(s)) != NULL; --*subs) {
        if (*subs == 0) return false;
        session_drop_sub(s, sub);
    }
    ri_list_remove(&s->forget_link);
    ri_list_remove(&s->recheck_link);
    ri_nats_login_leave(s);
    ri_nats_desk_leave(s);
    ri_nats_news_leave(s, subs);
    s->detached = true;
    RI_ASSERT(s->server->nsessions > 0);
    s->server->nsessions--;
    ri_party_fini(&s->party);
    ri_map_fini(&s->subs);
    ri_nats_deliver_drained(s);
    return true;
}

/* Reasons that leave no use in writing what is still queued. */
bool ri_nats_session_ends_hard(const ri_nats_session *s)
{
    switch (s->end) {
    case RI_NATS_END_READ_ERROR:
    case RI_NATS_END_WRITE_ERROR:
    case RI_NATS_END_SLOW_PENDING:
    case RI_NATS_END_SLOW_DEADLINE:
    case RI_NATS_END_NO_MEMORY: return true;
    case RI_NATS_END_NOT:
    case RI_NATS_END_CLIENT_CLOSED:
    case RI_NATS_END_PROTOCOL:
    case RI_NATS_END_CONTROL_LINE:
    case RI_NATS_END_PAYLOAD:
    case RI_NATS_END_AUTH:
    case RI_NATS_END_AUTH_TIMEOUT:
    case RI_NATS_END_EXPIRED:
    case RI_NATS_END_REVOKED:
    case RI_NATS_END_KICKED:
    case RI_NATS_END_BAD_CLIENT_PROTOCOL:
    case RI_NATS_END_NO_RESPONDERS_HEADERS:
    case RI_NATS_END_MAX_CONNS:
    case RI_NATS_END_MAX_ACCOUNT_CONNS:
    case RI_NATS_END_MEMORY:
    case RI_NATS_END_TLS:
    case RI_NATS_END_STALE:
    case RI_NATS_END_SHUTDOWN: return false;
    }
    return true;
}

static void session_bury(ri_nats_session *s)
{
    if (s->dead) return;
    s->dead = true;
    ri_conn_silence(&s->conn);
    ri_list_remove(&s->work_link);
    ri_list_push(&s->server->dead, &s->work_link);
}

void ri_nats_session_wind_down(ri_nats_session *s)
{
    RI_ASSERT(s->winding && s->detached);
    ri_nats_server *server = s->server;
    if (s->dead) return;
    if (ri_nats_session_ends_hard(s) || s->conn.ended) {
        session_bury(s);
        return;
    }
    ri_conn_deafen(&s->conn);
    if (s->conn.sending.bytes || s->conn.out.bytes || s->conn.full || s->shut) return;
    s->shut = true;
    ri_nats_tls_say_end(s);
    ri_conn_shut(&s->conn);
    int64_t due_ns = ri_loop_now(&server->loop) + SESSION_LINGER_MS * RI_MS;
    if (!s->dismissed || ri_loop_timer_set(&server->loop, &s->timer, due_ns) < 0) session_bury(s);
}

/* It ends with whom it is of. */
static size_t session_size(const char *peer)
{
    RI_ASSERT(strlen(peer) < RI_LISTEN_PEER_MAX);
    return sizeof(ri_nats_session) + strlen(peer) + 1;
}

void ri_nats_session_free(ri_nats_session *s)
{
    ri_nats_server *server = s->server;
    const ri_host *host = &server->broker->host;
    ri_loop_timer_cancel(&server->loop, &s->timer);
    ri_loop_timer_cancel(&server->loop, &s->stall_timer);
    ri_nats_server_pass(server, s);
    ri_list_remove(&s->link);
    ri_list_remove(&s->touched_link);
    ri_list_remove(&s->ending_link);
    ri_list_remove(&s->work_link);
    ri_list_remove(&s->stall_link);
    ri_list_remove(&s->held_link);
    ri_list_remove(&s->fan_link);
    server->ncrowd -= s->crowded;
    ri_router_fan_drop(&s->fan);
    ri_nats_login_leave(s);
    ri_nats_desk_leave(s);
    if (!s->end) {
        s->end = RI_NATS_END_SHUTDOWN;
        session_log_end(s);
    }
    ri_nats_session_detach(s, &(uint32_t){UINT32_MAX});
    ri_conn_fini(&s->conn, &server->pool);
    ri_nats_access_fini(s);
    RI_ASSERT(s->interest_bytes <= SESSION_BYTES);
    ri_memory_refund(&server->broker->router.memory, RI_MEMORY_INTEREST, s->interest_bytes);
    ri_nats_login_fini(&s->login, host);
    if (s->name) ri_free(host, s->name, strlen(s->name) + 1);
    if (s->cert.len) ri_free(host, (char *)(uintptr_t)s->cert.ptr, s->cert.len + 1);
    ri_free(host, s, session_size(s->peer));
}

/* ---- Time ---- */

static void session_ping(ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    int64_t now_ns = ri_loop_now(&s->server->loop), quiet_ns = ri_ns_sub(now_ns, s->conn.read_ns);
    int64_t interval_ns = ri_ns_of_ms(conf->ping_interval_ms);
    if (!s->ponged || quiet_ns >= interval_ns) {
        if (s->pings_out + 1 > conf->ping_max) {
            s->server->stale_conns++;
            ri_nats_session_fail(s, RI_NATS_END_STALE, "Stale Connection");
            return;
        }
        if (s->pings_out++ == 0) s->ping_ns = now_ns;
        ri_nats_deliver_raw(s, RI_NATS_PING_LINE);
    }
    if (ri_loop_timer_set(&s->server->loop, &s->timer, ri_ns_add(now_ns, interval_ns)) < 0)
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

/* The next ping, or the end of the time to log in. */
static void session_set_timer(ri_nats_session *s, uint32_t ms)
{
    ri_loop *loop = &s->server->loop;
    if (ri_loop_timer_set(loop, &s->timer, ri_ns_add(ri_loop_now(loop), ri_ns_of_ms(ms))) < 0)
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

static void session_on_timer(ri_loop_timer *timer)
{
    ri_nats_session *s = ri_container_of(timer, ri_nats_session, timer);
    uint32_t wait_ms;
    if (s->shut) {
        session_bury(s);
        return;
    }
    ri_nats_server_enter(s->server);
    if (!s->end && ri_nats_tls_on_timer(s, &wait_ms)) {
        if (wait_ms) session_set_timer(s, wait_ms);
    } else if (!s->end && (s->verifying ? ri_nats_desk_has(s) : s->parser.connect_only)) {
        ri_nats_session_fail(s, RI_NATS_END_AUTH_TIMEOUT, "Authentication Timeout");
    } else if (!s->end && !s->verifying) {
        session_ping(s);
    }
    ri_nats_server_leave(s->server);
}

void ri_nats_session_hurry(ri_nats_session *s)
{
    session_set_timer(s, s->server->broker->conf.auth_timeout_ms);
}

void ri_nats_session_connected(ri_nats_session *s)
{
    uint32_t ms = RI_MIN(s->server->broker->conf.ping_interval_ms, SESSION_FIRST_PING_MS);
    /* Spread by up to a fifth, since clients tend to come in herds. */
    session_set_timer(s, ms + (uint32_t)(ri_hash_u64(s->cid) % (ms / 5 + 1)));
}

/* ---- Input ---- */

/* Operations that are parsed before the first is obeyed. */
typedef struct session_batch {
    ri_nats_op ops[SESSION_BATCH];
    int n;
} session_batch;

/* Messages on many subjects find little of what they need in the CPU's cache: it is fetched for
 * all of the batch at once. Those on one subject find it there. */
static void session_look_ahead(const ri_account *account, session_batch *batch)
{
    ri_nats_op *ops = batch->ops;
    int n = batch->n;
    if (!ri_nats_is_message(ops[n - 1].kind)) n--;
    bool one = n < 2 || ops[0].m.subject.ptr == ops[n - 1].m.subject.ptr;
    if (one) return;
    for (int i = 0; i < n; i++) {
        bool again = i > 0 && ops[i].m.subject.ptr == ops[i - 1].m.subject.ptr;
        ops[i].m.hash = again ? ops[i - 1].m.hash : ri_hash(ops[i].m.subject);
        if (!again) ri_match_cache_fetch(&account->cache, &account->interest, ops[i].m.hash);
    }
    for (int i = 0; i < n; i++)
        ri_match_cache_fetch_more(&account->cache, &account->interest, ops[i].m.hash);
}

/* How many operations to parse at once: no more than those of the last batch let expect will fit
 * into what is left of the share. */
static int session_batch_size(const ri_nats_session *s, const ri_budget *budget)
{
    int64_t fit = (budget->left - budget->floor) / RI_MAX(s->op_units, 1u);
    return (int)RI_MAX(RI_MIN(fit, SESSION_BATCH), 1);
}

/* Obey what was parsed, in its order, until the session ends, or has to rest since there are very
 * many who get the message: then what is behind that, else NULL. */
static const char *session_obey(ri_nats_session *s, const session_batch *batch,
                                uint64_t *written_bytes)
{
    ri_nats_server *server = s->server;
    const ri_router *router = s->party.router;
    if (ri_unlikely(!s->counted) && batch->ops[0].kind != RI_NATS_CONNECT &&
        !ri_nats_access_count(s))
        return NULL;
    for (int i = 0; i < batch->n && ri_likely(!s->end); i++) {
        if (ri_unlikely(router->out_bytes - *written_bytes > SESSION_BURST)) {
            ri_budget *budget = &server->broker->router.budget;
            int64_t share = budget->left - budget->floor;
            ri_budget_close(budget);
            ri_nats_server_leave(server);
            ri_nats_server_write(server);
            ri_nats_server_enter(server);
            ri_budget_open(budget);
            ri_budget_slice(budget, share);
            *written_bytes = router->out_bytes;
            if (s->end) return NULL;
        }
        ri_nats_op_obey(s, &batch->ops[i]);
        if (ri_unlikely(s->fan != NULL))
            return batch->ops[i].m.data.ptr + batch->ops[i].m.data.len + 2; /* CRLF */
    }
    return NULL;
}

/* It is not read until what it published has reached all. */
static void session_rest(ri_nats_session *s)
{
    if (ri_list_linked(&s->fan_link)) return;
    ri_list_push(&s->server->fans, &s->fan_link);
    ri_conn_pause(&s->conn, true);
    ri_loop_wake(&s->server->loop);
}

/* The rest of its input goes on in the next turn, behind that of others. */
static void session_wait_turn(ri_nats_session *s)
{
    if (!ri_list_linked(&s->held_link)) ri_list_push(&s->server->held, &s->held_link);
}

/* When a read that is measured begins; 0: this one is not. */
static int64_t session_sample(ri_nats_server *server)
{
    bool samples = ri_histogram_samples(&server->sample_left);
    return ri_unlikely(samples) ? ri_mono_ns(&server->broker->host) : 0;
}

/* Its messages have found who gets them. Inside the gate. */
static RI_COLD void session_sampled(const ri_nats_session *s, int64_t begun_ns, uint64_t out_msgs)
{
    ri_nats_server *server = s->server;
    ri_histogram_add(&server->door.publish, ri_ns_sub(ri_mono_ns(&server->broker->host), begun_ns));
    if (server->sample_ns) return;
    server->sample_ns = begun_ns;
    server->sample_out = out_msgs;
}

static size_t session_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    ri_nats_session *s = ri_container_of(conn, ri_nats_session, conn);
    ri_nats_server *server = s->server;
    ri_router *router = &server->broker->router;
    ri_str in = {bytes, len};
    if (ri_unlikely(s->tls_mode) && ri_nats_tls_on_bytes(s, in)) return len;
    int64_t sample_ns = session_sample(server);
    ri_nats_server_enter(server);
    router->time_ns = ri_wall_ns(&server->broker->host);
    ri_budget *budget = &router->budget;
    ri_budget_open(budget);
    ri_budget_slice(budget, ri_nats_server_share(server));
    uint64_t written_bytes = router->out_bytes, in_msgs = s->party.in_msgs;
    uint64_t out_msgs = router->out_msgs;
    bool trace = server->broker->conf.trace, left = true;
    while (in.len > 0 && ri_likely(!s->end && !s->verifying) && ri_likely(left)) {
        session_batch batch;
        const char *begin = in.ptr;
        int64_t before = budget->left;
        s->let = NULL;
        batch.n = ri_nats_parse_many(&s->parser, &in, batch.ops,
                                     trace ? 1 : session_batch_size(s, budget));
        if (ri_unlikely(batch.n <= 0)) {
            if (batch.n < 0) ri_nats_tls_refused(s, in);
            if (batch.n < 0) ri_nats_op_refuse(s);
            break;
        }
        if (ri_unlikely(trace)) ri_nats_trace_in(s, &batch.ops[0], begin);
        session_look_ahead(s->party.account, &batch);
        const char *rest = session_obey(s, &batch, &written_bytes);
        if (ri_unlikely(rest != NULL)) { /* what was parsed behind it will be parsed again */
            in = (ri_str){rest, (size_t)(bytes + len - rest)};
            s->parser.need = s->parser.sought = 0;
        }
        left = ri_budget_spend(budget, ri_budget_bytes((uint64_t)(in.ptr - begin)));
        if (ri_unlikely(ri_asker_has_many(s->party.asker))) {
            s->stall = s->asks = true;
            left = false;
        }
        s->op_units = (uint32_t)RI_MAX((before - budget->left) / batch.n, 1);
        if (ri_unlikely(rest != NULL)) left = false;
    }
    bool ends = s->end != RI_NATS_END_NOT, stall = s->stall, rests = s->fan != NULL;
    s->stall = false;
    if (ri_unlikely(sample_ns) && s->party.in_msgs > in_msgs)
        session_sampled(s, sample_ns, out_msgs);
    ri_budget_close(budget);
    ri_nats_server_leave(server);
    *need = s->parser.need;
    conn->narrow = stall;
    bool verifying = s->verifying;
    conn->hold = in.len > 0 && (!left || verifying);
    if (ri_unlikely(rests)) session_rest(s);
    if (ri_unlikely(ends)) ri_conn_deafen(conn);
    else if (ri_unlikely(verifying)) ri_conn_pause(conn, true);
    else if (ri_unlikely(stall)) ri_nats_session_stall(s);
    if (conn->hold && !verifying) session_wait_turn(s);
    return len - in.len;
}

void ri_nats_session_go_on(ri_nats_session *s)
{
    ri_conn_go_on(&s->conn);
}

static void session_on_stalled(ri_loop_timer *timer)
{
    ri_nats_session_unstall(ri_container_of(timer, ri_nats_session, stall_timer));
}

void ri_nats_session_stall(ri_nats_session *s)
{
    ri_loop *loop = &s->server->loop;
    int64_t due_ns = ri_loop_now(loop) + SESSION_STALL_MS * RI_MS;
    if (ri_list_linked(&s->stall_link)) return;
    if (ri_loop_timer_set(loop, &s->stall_timer, due_ns) < 0) return;
    ri_list_push(&s->server->waiting, &s->stall_link);
    s->server->stalled_conns++;
    ri_conn_pause(&s->conn, true);
}

/* Most of what it asked is answered: it may ask more. */
bool ri_nats_session_may_ask(const ri_nats_session *s)
{
    const ri_asker *asker = s->party.asker;
    return s->asks && (!asker || asker->waiting < RI_ASKER_MANY / 2);
}

static void session_read_on(ri_nats_session *s)
{
    if (s->verifying || ri_list_linked(&s->fan_link) || ri_list_linked(&s->stall_link)) return;
    ri_conn_pause(&s->conn, false);
    if (!s->conn.held) return;
    session_wait_turn(s);
    ri_loop_wake(&s->server->loop);
}

void ri_nats_session_unstall(ri_nats_session *s)
{
    ri_loop_timer_cancel(&s->server->loop, &s->stall_timer);
    ri_list_remove(&s->stall_link);
    s->asks = false;
    session_read_on(s);
}

void ri_nats_session_verified(ri_nats_session *s)
{
    session_read_on(s);
}

void ri_nats_session_fan_over(ri_nats_session *s)
{
    ri_list_remove(&s->fan_link);
    if (!s->conn.deaf) session_read_on(s);
}

static void session_work(ri_nats_session *s)
{
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

static void session_on_writable(ri_conn *conn)
{
    ri_nats_session *s = ri_container_of(conn, ri_nats_session, conn);
    ri_conn_write(conn);
    session_work(s);
}

static void session_on_end(ri_conn *conn, ri_conn_end end)
{
    static const ri_nats_end reasons[] = {
        [RI_CONN_EOF] = RI_NATS_END_CLIENT_CLOSED,
        [RI_CONN_READ_FAILED] = RI_NATS_END_READ_ERROR,
        [RI_CONN_WRITE_FAILED] = RI_NATS_END_WRITE_ERROR,
        [RI_CONN_DEADLINE] = RI_NATS_END_SLOW_DEADLINE,
        [RI_CONN_NO_MEMORY] = RI_NATS_END_NO_MEMORY,
    };
    ri_nats_session *s = ri_container_of(conn, ri_nats_session, conn);
    ri_nats_server_enter(s->server);
    bool was_open = s->end == RI_NATS_END_NOT;
    if (was_open && end == RI_CONN_DEADLINE) s->server->slow_conns++;
    bool failed = end == RI_CONN_READ_FAILED || end == RI_CONN_WRITE_FAILED;
    bool shaking = was_open && failed && ri_nats_tls_failed(s);
    ri_nats_session_end(s, shaking ? RI_NATS_END_TLS : reasons[end]);
    ri_nats_server_leave(s->server);
    /* Already ending: a broken socket ends that, an end of the stream only the lingering. */
    if (s->winding && (end != RI_CONN_EOF || s->shut)) session_bury(s);
    ri_loop_wake(&s->server->loop); /* it may be late in this turn */
}

/* Whoever has sent the largest part of an operation goes. */
static bool session_on_crowded(ri_conn *conn)
{
    ri_nats_server *server = ri_container_of(conn, ri_nats_session, conn)->server;
    ri_nats_session *greediest = NULL;
    size_t most = 0;
    ri_nats_server_enter(server);
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = ri_container_of(item, ri_nats_session, link);
        size_t bytes = s->conn.own_cap + s->conn.held_len;
        if (s->end || bytes <= most) continue;
        most = bytes;
        greediest = s;
    }
    ri_memory_refused(&server->broker->router.memory);
    if (greediest)
        ri_nats_session_fail(greediest, RI_NATS_END_MEMORY, "Memory Budget Exceeded");
    ri_nats_server_leave(server);
    if (greediest) ri_conn_deafen(&greediest->conn);
    return greediest != NULL;
}

static const ri_conn_ops session_conn_ops = {session_on_bytes, session_on_writable,
                                             session_on_end, session_on_crowded};

/* ---- Greeting ---- */

/* The address within "1.2.3.4:567" or "[::1]:567"; empty for "@". */
static ri_str session_ip(const ri_nats_session *s)
{
    const char *colon = strrchr(s->peer, ':');
    if (!colon) return RI_STR_NONE;
    if (s->peer[0] == '[') return (ri_str){s->peer + 1, (size_t)(colon - s->peer) - 2};
    return (ri_str){s->peer, (size_t)(colon - s->peer)};
}

static void session_say_info(ri_nats_session *s, bool connect_info, bool ldm)
{
    const ri_broker *broker = s->server->broker;
    ri_nats_info info;
    ri_nats_info_init(&info);
    info.server_id = ri_str_of(broker->keys.id);
    info.server_name = ri_str_of(broker->name);
    info.version = ri_str_of(broker->version);
    info.go = RI_STR("C11");
    const char *here = s->at ? s->at->name : s->conn.wire->ops->name;
    const ri_broker_conf *conf = &broker->conf;
    const char *name = s->at && s->at->advertise ? s->at->advertise : conf->advertise;
    int port = s->at && s->at->advertise ? s->at->advertise_port : conf->advertise_port;
    info.host = ri_str_of(name ? name : here);
    info.port = port ? port : s->at ? s->at->port : 0;
    info.headers = !broker->conf.no_headers;
    info.auth_required = ri_nats_login_guards(conf) && !conf->no_auth_user;
    info.nonce = ri_nats_login_nonce(s);
    info.max_payload = (int64_t)s->parser.max_payload;
    if (s->at && s->at->tls) {
        info.tls_required = !s->at->tls_optional;
        info.tls_available = s->at->tls_optional || s->at->ws;
        info.tls_verify = s->at->tls->verify;
    }
    if (broker->durable && ri_durable_service(broker->durable)) {
        info.jetstream = true;
        info.api_lvl = RI_JS_API_LEVEL;
        info.domain = ri_str_of(ri_durable_domain(broker->durable));
    }
    info.client_id = s->cid;
    info.client_ip = session_ip(s);
    info.ldm = ldm;
    info.connect_info = connect_info;
    if (connect_info) info.remote_account = ri_str_of(s->party.account->name);
    if (connect_info) info.acc_is_sys = s->party.account->system;
    ri_buffer line;
    ri_buffer_init(&line, &broker->host);
    ri_buffer_puts(&line, "INFO ");
    ri_nats_info_write(&info, &line);
    ri_buffer_puts(&line, " \r\n");
    if (line.failed) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else ri_nats_deliver_raw(s, ri_buffer_str(&line));
    ri_buffer_fini(&line);
}

void ri_nats_session_say_info(ri_nats_session *s, bool connect_info)
{
    session_say_info(s, connect_info, s->server->ldm);
}

bool ri_nats_session_say_lame_duck(ri_nats_session *s)
{
    bool takes = s->async_info && s->greeted;
    if (takes) session_say_info(s, false, true);
    return takes;
}

/* What of a client's text goes into its name; JSON may have put a 0 within. */
static int session_word_len(ri_str s)
{
    return s.len ? (int)strnlen(s.ptr, RI_MIN(s.len, (size_t)SESSION_WORD_MAX)) : 0;
}

void ri_nats_session_set_name(ri_nats_session *s, const ri_nats_connect *connect)
{
    const ri_host *host = &s->server->broker->host;
    int version_len = session_word_len(connect->version);
    int lang_len = session_word_len(connect->lang);
    char name[SESSION_NAME_MAX];
    int n = snprintf(name, sizeof name, "%s%.*s%s%.*s%s%.*s", version_len ? "v" : "", version_len,
                     connect->version.ptr, version_len && lang_len ? ":" : "", lang_len,
                     connect->lang.ptr, (version_len || lang_len) && connect->name.len ? ":" : "",
                     RI_ARG(connect->name));
    if (s->name) ri_free(host, s->name, strlen(s->name) + 1);
    s->name = n > 0 ? ri_strdup(host, name, strlen(name)) : NULL; /* without is well, too */
    s->version_len = s->name ? (uint8_t)version_len : 0;
    s->lang_len = s->name ? (uint8_t)lang_len : 0;
}

/* s->name is "vVERSION:LANG:NAME", of which any part may be missing. */
static const char *session_lang(const ri_nats_session *s)
{
    const char *at = s->name + (s->version_len ? s->version_len + 1 : 0);
    return s->version_len && *at == ':' ? at + 1 : at;
}

const char *ri_nats_session_name(const ri_nats_session *s)
{
    if (!s->name) return NULL;
    const char *at = session_lang(s) + s->lang_len;
    if (s->lang_len && *at == ':') at++;
    return *at ? at : NULL;
}

static void session_describe_user(const ri_nats_session *s, ri_broker_conn *out)
{
    const ri_access_badge badge = ri_access_badge_of(s->who);
    out->user = ri_str_of(ri_access_name(s->who));
    out->issuer = badge.issuer;
    out->name_tag = badge.name;
    out->tags = badge.tags;
    bool signs = s->ticket && s->ticket->is_signed && s->ticket->login == s->logins;
    if (signs) out->jwt = ri_str_of(s->login.jwt);
}

void ri_nats_session_describe(const ri_nats_session *s, int64_t boot_ns, ri_broker_conn *out)
{
    out->info = (rill_conn_info){
        .id = s->cid, .start_ns = s->start_ns, .active_ns = ri_ns_add(s->conn.read_ns, boot_ns),
        .in_msgs = s->party.in_msgs, .in_bytes = s->party.in_bytes,
        .out_msgs = s->party.out_msgs, .out_bytes = s->party.out_bytes,
        .pending_bytes = s->conn.out.bytes, .subs = (uint32_t)s->subs.len,
        .websocket = s->at && s->at->ws};
    out->rtt_ns = s->rtt_ns;
    out->peer = ri_str_of(s->peer);
    out->account = s->counted ? ri_str_of(s->counted->name) : RI_STR_NONE;
    if (s->who) session_describe_user(s, out);
    else if (s->connected && s->login.user && ri_nats_login_guards(&s->server->broker->conf))
        out->user = ri_str_of(s->login.user);
    out->given = ri_nats_news_user(s);
    if (s->tls.version) out->tls_version = ri_str_of(s->tls.version);
    if (s->tls.version) out->tls_cipher = ri_str_of(s->tls.cipher);
    if (!s->name) return;
    const char *name = ri_nats_session_name(s), *lang = session_lang(s);
    if (s->version_len) out->version = (ri_str){s->name + 1, s->version_len};
    out->lang = (ri_str){lang, s->lang_len};
    out->name = ri_str_of(name ? name : "");
}

void ri_nats_session_configure(ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    s->parser.max_line = conf->max_control_line_bytes;
    uint32_t own = s->party.account->limits.msg_bytes;
    s->parser.max_payload = own ? RI_MIN(own, conf->max_msg_bytes) : conf->max_msg_bytes;
    if (s->who)
        s->parser.max_payload = RI_MIN(s->parser.max_payload, ri_access_max_msg_bytes(s->who));
    s->conn.write_deadline_ms = conf->write_deadline_ms;
}

static bool session_same_sid(const void *item, const void *key)
{
    return ri_str_eq(((const ri_nats_sub *)item)->sid, *(const ri_str *)key);
}

static void session_init(ri_nats_session *s, const ri_listener *at, const char *peer)
{
    ri_nats_server *server = s->server;
    ri_broker *broker = server->broker;
    s->cid = ++server->broker->next_conn_id;
    s->at = at;
    s->verbose = s->pedantic = true; /* until CONNECT says otherwise */
    s->start_ns = ri_wall_ns(&broker->host);
    s->timer.fn = session_on_timer;
    s->stall_timer.fn = session_on_stalled;
    memcpy(s->peer, peer, strlen(peer) + 1);
    ri_nats_init(&s->parser, RI_NATS_FROM_CLIENT);
    s->parser.headers = false;
    s->parser.connect_only = ri_nats_login_asked(s);
    ri_map_init(&s->subs, &broker->host, session_same_sid);
    ri_party_init(&s->party, &broker->router, &ri_nats_deliver_ops);
    ri_list_init(&s->touched_link);
    ri_list_init(&s->ending_link);
    ri_list_init(&s->forget_link);
    ri_list_init(&s->recheck_link);
    ri_list_init(&s->work_link);
    ri_list_init(&s->stall_link);
    ri_list_init(&s->held_link);
    ri_list_init(&s->check_link);
    ri_list_push(&server->sessions, &s->link);
    server->nsessions++;
    server->conns_total++;
}

int ri_nats_session_open(ri_nats_server *server, ri_wire *wire, int fd, const ri_listener *at,
                         const char *peer)
{
    const ri_broker_conf *conf = &server->broker->conf;
    ri_nats_session *s = ri_calloc(&server->broker->host, session_size(peer));
    if (!s) return RILL_ENOMEM;
    ri_loop *loop = &server->loop;
    int rc = wire ? ri_conn_init(&s->conn, loop, wire, &session_conn_ops)
                  : ri_conn_init_fd(&s->conn, loop, fd, &session_conn_ops);
    if (rc < 0) {
        ri_free(&server->broker->host, s, session_size(peer));
        return rc;
    }
    s->server = server;
    session_init(s, at, peer);
    bool room = session_charge_interest(s, SESSION_BYTES);
    ri_nats_trace_say(s, RILL_DEBUG, "Client connection created", "");
    if (!s->parser.connect_only) ri_nats_access_enter(s);
    ri_nats_session_configure(s);
    bool greets;
    if (ri_nats_tls_open(s, &greets) < 0) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else if (greets) ri_nats_session_say_info(s, false);
    if (server->nsessions > conf->max_conns || !room) {
        ri_host_log(&server->broker->host, RILL_ERROR,
                    "%s - cid:%llu - maximum connections exceeded",
                    s->peer, (unsigned long long)s->cid);
        ri_nats_session_fail(s, RI_NATS_END_MAX_CONNS, "maximum connections exceeded");
    }
    uint32_t ms = s->parser.connect_only ? conf->auth_timeout_ms : conf->ping_interval_ms;
    session_set_timer(s, ri_nats_tls_wait_ms(s, ms));
    return RILL_OK;
}
