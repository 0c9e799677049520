/* SPDX-License-Identifier: Apache-2.0 */
#include "front/nats/nats_server.h"

#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/json.h"
#include "base/saturate.h"
#include "codec/nats/url.h"
#include "engine/live/trade.h"
#include "front/broker/durable.h"
#include "front/nats/nats_session.h"

enum {
    SERVER_REPLY_ENTRIES = 64,          /* replies of unanswered requests that are remembered */
    SERVER_REPLY_BYTES = 64 * 1024,
    SERVER_LDM_STEP_MS = 1000,          /* the longest between two closes of a lame duck */
    SERVER_SHARE_MIN = RI_BUDGET_TURN / 8, /* units of a connection's input in a turn of the loop */
    SERVER_CROWD = 512,                 /* written to in one turn, of those that a message to very
                                           many is for ... */
    SERVER_CROWD_MAX = 8 * SERVER_CROWD, /* ... which goes no further while so many wait for that */
    SERVER_DROP_SUBS = 512,             /* subscriptions taken off the router in one turn, since
                                           there may be a million */
};

/* A wire that was given to the server and waits for the loop. */
typedef struct server_wire {
    ri_list link;
    ri_wire *wire;
    char peer[RI_LISTEN_PEER_MAX];
} server_wire;

#define SERVER_SESSION(item, field) ri_container_of(item, ri_nats_session, field)
#define SERVER_OF(pointer) ri_container_of(pointer, ri_nats_server, door)

/* ---- What was asked for from outside ---- */

static void server_refused(ri_nats_server *server, const char *peer)
{
    ri_host_log(&server->broker->host, RILL_ERROR, "%s - connection refused: %s", peer,
                ri_err_text());
}

static void server_on_accept(ri_listener *listener, int fd, const char *peer)
{
    ri_nats_server *server = listener->arg;
    ri_nats_server_enter(server);
    int rc = ri_nats_session_open(server, NULL, fd, listener, peer);
    ri_nats_server_leave(server);
    if (rc == RILL_OK) return;
    server_refused(server, peer);
    close(fd);
}

/* Inside the gate. A wire that finds no session is closed behind it: that may be a function of the
 * program's. */
static void server_start_wires(ri_nats_server *server)
{
    ri_list *item, refused;
    ri_list_init(&refused);
    while ((item = ri_list_pop(&server->new_wires))) {
        server_wire *w = ri_container_of(item, server_wire, link);
        if (ri_nats_session_open(server, w->wire, -1, NULL, w->peer) == RILL_OK) {
            ri_delete(&server->broker->host, w);
            continue;
        }
        server_refused(server, w->peer);
        ri_list_push(&refused, item);
    }
    ri_list_splice(&server->refused_wires, &refused);
}

/* Outside the gate. */
static void server_drop_wires(ri_nats_server *server, ri_list *wires)
{
    for (ri_list *item; (item = ri_list_pop(wires));) {
        server_wire *w = ri_container_of(item, server_wire, link);
        w->wire->ops->close(w->wire);
        ri_delete(&server->broker->host, w);
    }
}

static void server_start_listeners(ri_nats_server *server)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->new_listeners))) {
        ri_listener *listener = ri_container_of(item, ri_listener, link);
        ri_list_push(&server->listeners, item);
        if (ri_listen_start(listener, &server->loop, server_on_accept, server) < 0)
            ri_host_log(&server->broker->host, RILL_ERROR, "%s", ri_err_text());
    }
}

static void server_stop_listeners(ri_nats_server *server)
{
    ri_list_splice(&server->listeners, &server->new_listeners);
    ri_list_each (item, &server->listeners)
        ri_listen_stop(ri_container_of(item, ri_listener, link));
    ri_list_splice(&server->stopped_listeners, &server->listeners);
}

static void server_begin_ldm(ri_nats_server *server)
{
    server->ldm_begun = true;
    ri_host_log(&server->broker->host, RILL_INFO,
                "Entering lame duck mode, stop accepting new clients");
    server_stop_listeners(server);
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->async_info && s->greeted) ri_nats_session_say_info(s, false);
    }
    int64_t grace_end_ns = ri_ns_add(ri_loop_now(&server->loop), ri_ns_of_ms(server->ldm_grace_ms));
    server->ldm_end_ns = ri_ns_add(grace_end_ns, ri_ns_of_ms(server->ldm_duration_ms));
    if (ri_loop_timer_set(&server->loop, &server->ldm_timer, grace_end_ns) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "lame duck: %s", ri_err_text());
}

/* Close as many as it takes to be done at ldm_end_ns, and come back for the next. */
static void server_on_ldm(ri_loop_timer *timer)
{
    ri_nats_server *server = ri_container_of(timer, ri_nats_server, ldm_timer);
    int64_t now_ns = ri_loop_now(&server->loop);
    ri_nats_server_enter(server);
    int64_t left_ns = RI_MAX(ri_ns_sub(server->ldm_end_ns, now_ns), 0);
    int64_t steps = left_ns / RI_MS + 1; /* at most one a millisecond */
    int64_t count = (server->nsessions + steps - 1) / steps;
    uint32_t open = server->nsessions;
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->end || count == 0) continue;
        ri_nats_session_end(s, RI_NATS_END_SHUTDOWN);
        count--;
        open--;
    }
    ri_nats_server_leave(server);
    if (open == 0) return;
    int64_t step_ns = RI_MIN(RI_MAX(left_ns / open, RI_MS), SERVER_LDM_STEP_MS * RI_MS);
    if (ri_loop_timer_set(&server->loop, timer, ri_ns_add(now_ns, step_ns)) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "lame duck: %s", ri_err_text());
}

/* The youngest go, when fewer connections are allowed than there are. */
static void server_apply_max_conns(ri_nats_server *server)
{
    uint32_t max = server->broker->conf.max_conns, open = 0;
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->end || ++open <= max) continue;
        ri_host_log(&server->broker->host, RILL_ERROR,
                    "%s - cid:%llu - maximum connections exceeded",
                    s->peer, (unsigned long long)s->cid);
        ri_nats_session_fail(s, RI_NATS_END_MAX_CONNS, "maximum connections exceeded");
    }
}

static void server_apply_conf(ri_nats_server *server)
{
    ri_broker *broker = server->broker;
    server->loop.spin_ns = ri_ns_mul(broker->conf.spin_us, 1000);
    server_apply_max_conns(server);
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->end) continue;
        ri_nats_session_configure(s);
    }
}

static void server_begin_close(ri_nats_server *server)
{
    server->close_begun = true;
    server_stop_listeners(server);
    ri_list_each (item, &server->sessions)
        ri_nats_session_end(SERVER_SESSION(item, link), RI_NATS_END_SHUTDOWN);
    if (server->close_due_ns == INT64_MAX) return;
    if (ri_loop_timer_set(&server->loop, &server->close_timer, server->close_due_ns) < 0)
        server->close_due_ns = ri_loop_now(&server->loop); /* then at once */
}

static void server_on_close_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at the time */
}

static void server_obey(ri_nats_server *server)
{
    if (ri_unlikely(!ri_list_empty(&server->new_listeners))) server_start_listeners(server);
    if (ri_unlikely(server->certs_changed)) ri_nats_listen_look(server);
    if (ri_unlikely(!ri_list_empty(&server->new_wires))) server_start_wires(server);
    if (ri_unlikely(atomic_load_explicit(&server->reload, memory_order_relaxed))) {
        atomic_store(&server->reload, false);
        server_apply_conf(server);
        ri_nats_listen_tend(server);
    }
    if (ri_unlikely(server->ldm && !server->ldm_begun)) server_begin_ldm(server);
    if (ri_unlikely(server->closing && !server->close_begun)) server_begin_close(server);
}

/* ---- The end of a turn ---- */

static void server_settle_one(ri_nats_session *s)
{
    ri_conn_settle(&s->conn, &s->server->pool);
    if (s->conn.sending.bytes == 0) s->sending_epoch = 0;
}

static void server_work_on(ri_nats_session *s)
{
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

static bool server_has_ends(const ri_nats_server *server)
{
    return !ri_list_empty(&server->ending) || !ri_list_empty(&server->forgetting) ||
           !ri_list_empty(&server->rechecking);
}

/* 1. Inside the gate: who is to be looked after, and what is there to write. Those whose turn was
 * not enough stand behind the others. */
static void server_note_ends(ri_nats_server *server)
{
    uint32_t subs = SERVER_DROP_SUBS;
    ri_list *item;
    while (subs > 0 && (item = ri_list_pop(&server->forgetting))) {
        ri_nats_session *s = SERVER_SESSION(item, forget_link);
        ri_list_push(&server->forgetting, item);
        ri_nats_session_drop_forgotten(s, &subs);
    }
    subs = SERVER_DROP_SUBS;
    while (subs > 0 && (item = ri_list_pop(&server->rechecking))) {
        ri_nats_session *s = SERVER_SESSION(item, recheck_link);
        ri_list_push(&server->rechecking, item);
        ri_nats_session_recheck_some(s, &subs);
    }
    subs = SERVER_DROP_SUBS;
    while (subs > 0 && (item = ri_list_pop(&server->ending))) {
        ri_nats_session *s = SERVER_SESSION(item, ending_link);
        s->winding = ri_nats_session_detach(s, &subs);
        if (s->winding) server_work_on(s);
        else ri_list_push(&server->ending, item);
    }
    if (server_has_ends(server)) ri_loop_wake(&server->loop);
}

/* ---- Memory ---- */

static uint64_t server_greediest(const ri_door *door)
{
    const ri_nats_server *server = SERVER_OF(door);
    uint64_t most = 0;
    ri_list_each (item, &server->sessions) {
        const ri_nats_session *s = SERVER_SESSION(item, link);
        if (!s->end) most = RI_MAX(most, s->conn.pending);
    }
    return most;
}

static uint64_t server_shed(ri_door *door, uint64_t cap, uint64_t bytes)
{
    ri_nats_server *server = SERVER_OF(door);
    uint64_t gone = 0;
    ri_list_each (item, &server->sessions) { /* those that are on their way out, first */
        const ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->end && ri_nats_session_ends_hard(s)) gone += s->conn.pending;
    }
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (gone >= bytes) break;
        if (s->end || s->conn.pending <= cap) continue;
        gone += s->conn.pending;
        s->shed = true;
        server->slow_conns++;
        ri_memory_refused(&server->broker->router.memory);
        ri_nats_session_end(s, RI_NATS_END_SLOW_PENDING);
        ri_nats_deliver_stalled(s); /* until it is gone: who fills the queues waits meanwhile */
    }
    return gone;
}

static uint64_t server_interest_of(const ri_nats_session *s)
{
    return s->interest_bytes + s->party.trade_bytes;
}

bool ri_nats_server_make_interest(ri_nats_server *server, ri_nats_session *asker)
{
    ri_nats_session *most = NULL;
    ri_memory_refused(&server->broker->router.memory);
    if (ri_errand_forget_orphans(&server->broker->router)) return true;
    if (!server->interest_looked) {
        ri_list_each (item, &server->sessions) {
            ri_nats_session *s = SERVER_SESSION(item, link);
            if (!most || server_interest_of(s) > server_interest_of(most)) most = s;
        }
        server->interest_looked = true;
        server->interest_most = most ? server_interest_of(most) : 0;
    }
    if (server_interest_of(asker) >= server->interest_most / 2) return false;
    if (most && most != asker)
        ri_nats_session_fail(most, RI_NATS_END_MEMORY, "maximum subscriptions exceeded");
    return true;
}

/* ---- The end of a turn, go on ---- */

bool ri_nats_server_is_crowded(const ri_nats_server *server)
{
    return server->ncrowd > SERVER_CROWD_MAX;
}

static bool server_crowded(const ri_door *door)
{
    return ri_nats_server_is_crowded(SERVER_OF(door));
}

static void server_collect(ri_nats_server *server)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->touched))) {
        ri_nats_session *s = SERVER_SESSION(item, touched_link);
        s->touched = false;
        server_work_on(s);
    }
    for (int i = 0; i < SERVER_CROWD && (item = ri_list_pop(&server->crowd)); i++) {
        ri_nats_session *s = SERVER_SESSION(item, touched_link);
        s->touched = s->crowded = false;
        server->ncrowd--;
        server_work_on(s);
    }
    ri_list_each (work, &server->work) {
        ri_nats_session *s = SERVER_SESSION(work, work_link);
        server_settle_one(s);
        if (s->conn.full || s->conn.sending.bytes) continue;
        if (!ri_conn_take(&s->conn, &server->pool)) continue;
        s->sending_epoch = s->out_epoch;
        s->out_epoch = 0;
    }
}

/* 2. Outside: one write for each. */
static void server_write_all(ri_nats_server *server)
{
    ri_list_each (work, &server->work) {
        ri_nats_session *s = SERVER_SESSION(work, work_link);
        if (!s->conn.full && !s->conn.ended) ri_conn_write(&s->conn);
    }
}

/* What came of a read that is measured is written, if anybody got anything. */
static RI_COLD void server_sampled(ri_nats_server *server)
{
    const ri_broker *broker = server->broker;
    if (broker->router.out_msgs > server->sample_out)
        ri_histogram_add(&server->door.delivery,
                         ri_ns_sub(ri_mono_ns(&broker->host), server->sample_ns));
    server->sample_ns = 0;
}

/* 3. Inside again: what is written is given back. */
static void server_settle(ri_nats_server *server)
{
    ri_list_each (work, &server->work) {
        ri_nats_session *s = SERVER_SESSION(work, work_link);
        server_settle_one(s);
        ri_nats_deliver_drained(s);
    }
    if (ri_unlikely(server->sample_ns)) server_sampled(server);
    if (ri_unlikely(server->flushing > 0)) ri_park_signal(&server->written);
    ri_broker *broker = server->broker;
    if (ri_unlikely(broker->drain_waiters > 0)) ri_park_signal(&broker->drained);
}

/* 4. Outside: those that end go a step further; those that waited for a slow one go on. */
static void server_follow_up(ri_nats_server *server, bool drained)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->work))) {
        ri_nats_session *s = SERVER_SESSION(item, work_link);
        if (ri_unlikely(s->winding)) ri_nats_session_wind_down(s);
    }
    if (ri_likely(!drained)) return;
    while ((item = ri_list_pop(&server->waiting)))
        ri_nats_session_unstall(SERVER_SESSION(item, stall_link));
}

/* As many as go in a turn: what they have not read may be much. */
static void server_bury(ri_nats_server *server)
{
    ri_nats_server_enter(server);
    ri_budget *budget = &server->broker->router.budget;
    ri_budget_open(budget);
    for (bool left = true; left && !ri_list_empty(&server->dead);) {
        ri_nats_session *s = SERVER_SESSION(server->dead.next, work_link);
        if (!ri_conn_drop_some(&s->conn, &server->pool, budget)) break;
        ri_nats_session_free(s);
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_close(budget);
    if (server->flushing) ri_park_signal(&server->written);
    ri_nats_server_leave(server);
    if (!ri_list_empty(&server->dead)) {
        ri_gate_pass(&server->broker->gate);
        ri_loop_wake(&server->loop);
    }
    ri_list_each (l, &server->listeners) /* descriptors are free again */
        ri_listen_resume(ri_container_of(l, ri_listener, link));
}

void ri_nats_server_write(ri_nats_server *server)
{
    ri_nats_server_enter(server);
    server_collect(server);
    ri_nats_server_leave(server);
    server_write_all(server);
    ri_nats_server_enter(server);
    server_settle(server);
    ri_nats_server_leave(server);
}

/* Closing: over when all sessions are gone, or the time is. */
static void server_check_close(ri_nats_server *server)
{
    bool late = ri_loop_now(&server->loop) >= server->close_due_ns;
    if (!ri_list_empty(&server->sessions) && !late) return;
    server->output_left = !ri_list_empty(&server->sessions);
    ri_loop_stop(&server->loop);
}

static void server_on_durable_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at what is due */
}

/* What the streams have to do: their commit is one of this turn. What is for live receivers does
 * not wait for it. Inside the gate, which it leaves and enters again. */
static void server_durable_turn(ri_nats_server *server)
{
    bool due = ri_durable_due_ns(server->broker->durable) == 0;
    if (due && !ri_list_empty(&server->touched)) {
        ri_nats_server_leave(server);
        ri_nats_server_write(server);
        ri_nats_server_enter(server);
    }
    ri_durable *durable = server->broker->durable; /* it may be closed meanwhile, here as below */
    if (due && durable) ri_durable_loop_turn(durable, &server->door);
    durable = server->broker->durable;
    int64_t due_ns = durable ? ri_durable_due_ns(durable) : -1;
    ri_loop *loop = &server->loop;
    if (due_ns == 0) /* the turn's budget is used up: sockets and timers come first, then it goes
                        on */
        ri_loop_wake(loop);
    else if (due_ns < 0)
        ri_loop_timer_cancel(loop, &server->durable_timer);
    else if (ri_loop_timer_set(loop, &server->durable_timer,
                               ri_ns_add(ri_mono_ns(loop->host), due_ns)) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "timers of streams: %s", ri_err_text());
}

/* Inside the gate. Where another door's loop, or a thread, turns the streams, it is woken for what
 * this turn's requests and messages have left for them. */
static void server_turn_durable(ri_nats_server *server)
{
    ri_broker *broker = server->broker;
    if (!broker->durable) return;
    if (ri_likely(broker->driver == &server->driver)) server_durable_turn(server);
    else ri_durable_touched(broker->durable);
}

int64_t ri_nats_server_share(ri_nats_server *server)
{
    server->inputs++;
    return RI_MAX(2 * RI_BUDGET_TURN / (1 + (int64_t)server->inputs_last), SERVER_SHARE_MIN);
}

static void server_on_job(void *arg) /* the worker's thread */
{
    ri_nats_server *server = arg;
    ri_loop_wake(&server->loop);
}

/* Verdicts that have come, and the next who wants one. */
static void server_check_logins(ri_nats_server *server)
{
    for (ri_job *job; (job = ri_worker_done(&server->worker)) != NULL;) {
        if (ri_trim_done(&server->trim, job)) continue;
        ri_nats_server_enter(server);
        ri_nats_session *s = ri_nats_login_end(server, job);
        ri_nats_server_leave(server);
        if (s) ri_nats_session_verified(s);
    }
    ri_nats_server_enter(server);
    ri_job *next = ri_nats_login_begin(server);
    ri_nats_server_leave(server);
    if (!next || ri_worker_put(&server->worker, next) == RILL_OK) return;
    ri_nats_server_enter(server);
    ri_nats_login_fail(server, next);
    ri_nats_server_leave(server);
}

/* 0. Input that was held goes on, once around. */
static void server_go_on(ri_nats_server *server)
{
    ri_list row;
    ri_list_init(&row);
    ri_list_splice(&row, &server->held);
    ri_list *item;
    while ((item = ri_list_pop(&row))) ri_nats_session_go_on(SERVER_SESSION(item, held_link));
}

/* A message to very many goes a slice further; those who rested for theirs are read again. */
static void server_fan_on(ri_nats_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    ri_list over, *item, *fans = &server->fans;
    ri_list_init(&over);
    ri_nats_server_enter(server);
    ri_budget_open(budget);
    ri_budget_slice(budget, RI_BUDGET_TURN / 2);
    ri_list_each (link, fans) {
        if (ri_nats_server_is_crowded(server) || !ri_budget_left(budget)) break;
        if (ri_router_fan_on(&SERVER_SESSION(link, fan_link)->fan)) continue;
        ri_list_remove(link);
        ri_list_push(&over, link);
    }
    ri_budget_close(budget);
    ri_nats_server_leave(server);
    while ((item = ri_list_pop(&over)))
        ri_nats_session_fan_over(SERVER_SESSION(item, fan_link));
}

/* Inside the gate: those who may ask more. */
static void server_find_asking(ri_nats_server *server, ri_list *asking)
{
    ri_list_each (item, &server->waiting) {
        if (!ri_nats_session_may_ask(SERVER_SESSION(item, stall_link))) continue;
        ri_list_remove(item);
        ri_list_push(asking, item);
    }
}

static void server_on_turn(void *arg)
{
    ri_nats_server *server = arg;
    if (ri_unlikely(server->check_runs || server->nchecking || server->trim.runs))
        server_check_logins(server);
    if (ri_unlikely(server->nasking)) ri_nats_desk_turn(server);
    if (ri_unlikely(!ri_list_empty(&server->held))) server_go_on(server);
    if (ri_unlikely(!ri_list_empty(&server->fans))) server_fan_on(server);
    server->inputs_last = server->inputs;
    server->inputs = 0;
    ri_nats_server_enter(server);
    server->interest_looked = false;
    ri_broker_relieve(server->broker);
    server_obey(server);
    if (ri_unlikely(server_has_ends(server))) server_note_ends(server);
    server_turn_durable(server);
    server_collect(server);
    ri_list asking;
    ri_list_init(&asking);
    if (ri_unlikely(!ri_list_empty(&server->waiting))) server_find_asking(server, &asking);
    bool crowd = server->ncrowd > 0;
    ri_nats_server_leave(server);
    if (ri_unlikely(!ri_list_empty(&server->refused_wires)))
        server_drop_wires(server, &server->refused_wires);
    for (ri_list *item; (item = ri_list_pop(&asking));)
        ri_nats_session_unstall(SERVER_SESSION(item, stall_link));
    if (!ri_list_empty(&server->work)) {
        server_write_all(server);
        ri_nats_server_enter(server);
        server_settle(server);
        bool drained = server->drained;
        server->drained = false;
        ri_nats_server_leave(server);
        server_follow_up(server, drained);
    }
    server->sample_ns = 0;
    if (ri_unlikely(!ri_list_empty(&server->dead))) server_bury(server);
    if (ri_unlikely(!ri_list_empty(&server->held) || !ri_list_empty(&server->fans) ||
                    crowd))
        ri_loop_wake(&server->loop);
    ri_trim_watch(&server->trim);
    if (ri_unlikely(server->close_begun)) server_check_close(server);
}

/* ---- Outside calls ---- */

/* Without a thread any more, or yet. Inside the gate, since sessions stand at the router. */
static void server_clear(ri_nats_server *server)
{
    const ri_host *host = &server->broker->host;
    ri_worker_stop(&server->worker);
    for (ri_job *job; (job = ri_worker_done(&server->worker)) != NULL;)
        if (!ri_trim_done(&server->trim, job)) ri_nats_login_forget(job, host);
    ri_worker_fini(&server->worker);
    ri_list_remove(&server->door.link);
    ri_driver_leave(server->broker, &server->driver);
    ri_list_each (item, &server->sessions) ri_nats_session_free(SERVER_SESSION(item, link));
    ri_login_desk_close(server->desk);
    ri_nats_callout_fini(server);
    ri_match_cache_fini(&server->reply_cache);
    ri_buffer_fini(&server->mapped);
    ri_list_splice(&server->stopped_listeners, &server->listeners);
    ri_list_splice(&server->stopped_listeners, &server->new_listeners);
    ri_list_each (item, &server->stopped_listeners)
        ri_listen_close(ri_container_of(item, ri_listener, link));
    ri_outq_pool_fini(&server->pool);
}

/* Behind it. Outside the gate, if there was any wire. */
static void server_delete(ri_nats_server *server)
{
    const ri_host *host = &server->broker->host;
    server_drop_wires(server, &server->new_wires);
    server_drop_wires(server, &server->refused_wires);
    ri_loop_fini(&server->loop);
    ri_park_fini(&server->written);
    ri_delete(host, server);
}

static void server_wake(ri_door *door)
{
    ri_loop_wake(&SERVER_OF(door)->loop);
}

static void server_wake_driver(ri_driver *driver)
{
    ri_loop_wake(&ri_container_of(driver, ri_nats_server, driver)->loop);
}

int ri_nats_server_make(ri_nats_server **out, ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    static const ri_driver_ops driver = {.rank = RI_DRIVER_LOOP, .alone = true,
                                         .wake = server_wake_driver};
    *out = NULL;
    const ri_host *host = &broker->host;
    ri_nats_server *server = ri_new(host, ri_nats_server);
    if (!server) return RILL_ENOMEM;
    server->door.ops = &ri_nats_door;
    server->driver.ops = &driver;
    server->broker = broker;
    ri_list *lists[] = {&server->new_listeners, &server->listeners, &server->stopped_listeners,
                        &server->new_wires, &server->refused_wires, &server->sessions,
                        &server->touched, &server->ending, &server->forgetting,
                        &server->rechecking, &server->work, &server->dead, &server->waiting,
                        &server->held, &server->checking, &server->crowd,
                        &server->fans};
    for (size_t i = 0; i < RI_LEN(lists); i++) ri_list_init(lists[i]);
    ri_outq_pool_init(&server->pool, host, &broker->router.memory);
    ri_match_cache_init(&server->reply_cache, host, SERVER_REPLY_ENTRIES, SERVER_REPLY_BYTES);
    ri_buffer_init(&server->mapped, host);
    ri_park_init(&server->written);
    ri_worker_init(&server->worker, server_on_job, server);
    server->worker.here = broker->hosted.on;
    server->ldm_timer.fn = server_on_ldm;
    server->close_timer.fn = server_on_close_due;
    atomic_store(&server->reload, true); /* what there is may be over some time */
    ri_trim_init(&server->trim, broker, &server->loop, &server->worker);
    server->durable_timer.fn = server_on_durable_due;
    ri_nats_listen_init(server);
    ri_nats_callout_init(server);
    server->epoch = 1;
    int rc = ri_loop_init(&server->loop, host, server_on_turn, server);
    if (rc < 0) {
        server_clear(server);
        server_delete(server);
        return rc;
    }
    server->loop.spin_ns = ri_ns_mul(broker->conf.spin_us, 1000);
    server->loop.memory = &broker->router.memory;
    *out = server;
    return RILL_OK;
}

static int server_open(ri_door **out, ri_broker *broker)
{
    ri_nats_server *server;
    int rc = ri_nats_server_make(&server, broker);
    if (rc < 0) return rc;
    rc = broker->hosted.on ? ri_hosted_join(broker, &server->loop) : ri_loop_start(&server->loop);
    if (rc < 0) {
        server_clear(server);
        server_delete(server);
        return rc;
    }
    if (!broker->hosted.on) ri_driver_join(broker, &server->driver);
    *out = &server->door;
    return RILL_OK;
}

static int server_accept(ri_door *door, ri_wire *wire, const char *peer)
{
    return ri_nats_server_accept(SERVER_OF(door), wire, peer);
}

int ri_nats_server_accept(ri_nats_server *server, ri_wire *wire, const char *peer)
{
    const ri_host *host = &server->broker->host;
    server_wire *w = ri_new(host, server_wire);
    if (!w) return RILL_ENOMEM;
    w->wire = wire;
    snprintf(w->peer, sizeof w->peer, "%s", peer);
    ri_broker_enter(server->broker);
    bool closed = server->closing || server->ldm;
    if (!closed) ri_list_push(&server->new_wires, &w->link);
    ri_broker_leave(server->broker);
    if (closed) {
        ri_delete(host, w);
        return ri_err(RILL_ECLOSED, "the broker takes no more connections");
    }
    ri_loop_wake(&server->loop);
    return RILL_OK;
}

/* Rights are what they are now when the reload is over, whoever publishes next; the rest comes
 * with the loop's next turn. */
static void server_reload(ri_door *door)
{
    ri_nats_server *server = SERVER_OF(door);
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->end || s->verifying || s->login_epoch == server->broker->conf.login_epoch) continue;
        if (!s->connected && s->parser.connect_only) continue; /* it is asked yet */
        ri_nats_op_login(s);
    }
    ri_nats_callout_reload(server);
    atomic_store(&server->reload, true);
    server_wake(door);
}

static void server_lame_duck(ri_door *door, uint32_t grace_ms, uint32_t duration_ms)
{
    ri_nats_server *server = SERVER_OF(door);
    if (!server->ldm) {
        server->ldm_grace_ms = grace_ms;
        server->ldm_duration_ms = duration_ms;
        server->ldm = true;
    }
    server_wake(door);
}

static void server_stats(const ri_door *door, rill_stats *add)
{
    const ri_nats_server *server = SERVER_OF(door);
    add->conns += server->nsessions;
    add->conns_total += server->conns_total;
    add->slow_conns += server->slow_conns;
    add->stale_conns += server->stale_conns;
    add->stalled_conns += server->stalled_conns;
}

/* ---- A walk over the sessions: the place is the link of one ---- */

static uint64_t server_next_conn(const ri_door *door, const void **at)
{
    const ri_list *sessions = &SERVER_OF(door)->sessions;
    const ri_list *item = *at ? *at : sessions;
    if (*at) SERVER_OF(door)->walked = SERVER_SESSION(item, link);
    while ((item = item->next) != sessions && SERVER_SESSION(item, link)->end) continue;
    *at = item;
    const char *next = (const char *)item->next - offsetof(ri_nats_session, link);
    for (size_t i = 0; i < sizeof(ri_nats_session); i += RI_CACHE_LINE)
        __builtin_prefetch(next + i); /* it comes while this one is looked at */
    return item == sessions ? 0 : SERVER_SESSION(item, link)->cid;
}

/* Who lists connections page by page goes on where the last page ended: the walk may have been one
 * ahead of that. */
static void server_seek_conn(const ri_door *door, uint64_t id, const void **at)
{
    ri_nats_session *s = SERVER_OF(door)->walked;
    if (s && s->cid <= id) *at = &s->link;
}

void ri_nats_server_pass(ri_nats_server *server, ri_nats_session *s)
{
    if (ri_likely(server->walked != s)) return;
    ri_list *before = s->link.prev;
    server->walked = before == &server->sessions ? NULL : SERVER_SESSION(before, link);
}

static void server_describe_conn(const ri_door *door, const void *at, ri_broker_conn *out)
{
    const ri_host *host = &SERVER_OF(door)->broker->host;
    const ri_list *item = at;
    int64_t boot_ns = ri_ns_sub(ri_wall_ns(host), ri_mono_ns(host));
    ri_nats_session_describe(SERVER_SESSION(item, link), boot_ns, out);
}

static void server_list_subs(const ri_door *door, const void *at, ri_broker_subs_query *query)
{
    (void)door;
    const ri_list *item = at;
    ri_nats_session_list_subs(SERVER_SESSION(item, link), query);
}

static ri_acted server_act(ri_door *door, const void *at, ri_act_kind kind)
{
    const ri_list *item = at;
    ri_nats_session *s = SERVER_SESSION(item, link);
    (void)door;
    if (kind == RI_ACT_KICK) ri_nats_session_end(s, RI_NATS_END_KICKED);
    else if (!ri_nats_session_say_lame_duck(s)) return RI_ACTED_CANNOT;
    return RI_ACTED_YES;
}

/* ---- Flush and close ---- */

/* Is anything left of what was queued before this epoch? */
static bool server_is_flushed(ri_nats_server *server, uint64_t epoch)
{
    ri_list_each (item, &server->sessions) {
        ri_nats_session *s = SERVER_SESSION(item, link);
        if (s->sending_epoch && s->sending_epoch < epoch) return false;
        if (s->out_epoch && s->out_epoch < epoch) return false;
    }
    return true;
}

static int server_flush(ri_door *door, int64_t due_ns)
{
    ri_nats_server *server = SERVER_OF(door);
    const ri_host *host = &server->broker->host;
    ri_broker_enter(server->broker);
    uint64_t epoch = ++server->epoch;
    server->flushing++;
    bool done;
    while (!(done = server_is_flushed(server, epoch))) {
        uint32_t seen = ri_park_count(&server->written);
        int64_t left_ns = ri_deadline_left_ns(host, due_ns);
        if (left_ns == 0) break;
        ri_broker_leave(server->broker);
        ri_hosted_wait(server->broker, &server->written, seen, left_ns);
        ri_broker_enter(server->broker);
    }
    server->flushing--;
    ri_broker_leave(server->broker);
    if (!done) return ri_err(RILL_ETIMEDOUT, "some connections take no more at the moment");
    return RILL_OK;
}

static void server_end(ri_door *door, int64_t due_ns)
{
    ri_nats_server *server = SERVER_OF(door);
    ri_driver_leave(server->broker, &server->driver);
    server->closing = true;
    server->close_due_ns = due_ns;
    server_wake(door);
}

static int server_close(ri_door *door)
{
    ri_nats_server *server = SERVER_OF(door);
    ri_broker *broker = server->broker;
    if (broker->hosted.on) ri_hosted_finish(broker, &server->loop);
    else ri_loop_join(&server->loop);
    ri_worker_stop(&server->worker);
    bool left = server->output_left;
    ri_broker_enter(broker);
    server_clear(server);
    ri_broker_leave(broker);
    server_delete(server);
    if (left) return ri_err(RILL_ETIMEDOUT, "connections had not taken all of their output");
    return RILL_OK;
}

const ri_door_ops ri_nats_door = {
    .schemes = (const char *const[]){"nats", "unix", "ws", "wss", NULL},
    .hosted = true,
    .open = server_open,
    .listen = ri_nats_listen,
    .accept = server_accept,
    .wake = server_wake,
    .flush = server_flush,
    .reload = server_reload,
    .lame_duck = server_lame_duck,
    .stats = server_stats,
    .next_conn = server_next_conn,
    .seek_conn = server_seek_conn,
    .describe_conn = server_describe_conn,
    .list_subs = server_list_subs,
    .greediest = server_greediest,
    .act = server_act,
    .shed = server_shed,
    .crowded = server_crowded,
    .end = server_end,
    .close = server_close,
};
