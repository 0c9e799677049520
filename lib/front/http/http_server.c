/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/http_server.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/broker/departed.h"
#include "front/http/http_session.h"
#include "net/thread.h"

enum { HTTP_SERVER_PAUSE_MS = 1 }; /* between two slices of long answers */

#define HTTP_SERVER_SESSION(item, field) ri_container_of(item, ri_http_session, field)
#define HTTP_SERVER_OF(pointer) ri_container_of(pointer, ri_http_server, door)
#define HTTP_SERVER_PLACE(item) ri_container_of(item, ri_http_listener, link)

/* ---- The gate ---- */

/* How long it is kept is counted, by what a busy machine makes no longer. */
void ri_http_server_enter(ri_http_server *server)
{
    ri_broker_enter(server->broker);
    server->entered_ns = ri_thread_cpu_ns();
}

void ri_http_server_leave(ri_http_server *server)
{
    int64_t stay_ns = ri_ns_sub(ri_thread_cpu_ns(), server->entered_ns);
    server->slice_longest_ns = RI_MAX(server->slice_longest_ns, stay_ns);
    server->broker->output_waits &= ~server->door.bit;
    ri_broker_leave(server->broker);
}

/* ---- What was asked for from outside ---- */

static void http_server_on_accept(ri_listener *listener, int fd, const char *peer)
{
    const ri_http_listener *place = listener->arg;
    ri_http_server *server = place->server;
    ri_http_server_enter(server);
    int rc = ri_http_session_open(server, fd, place, peer);
    ri_http_server_leave(server);
    if (rc == RILL_OK) return;
    ri_host_log(&server->broker->host, RILL_ERROR, "%s - connection refused: %s", peer,
                ri_err_text());
    close(fd);
}

static void http_server_start_places(ri_http_server *server)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->new_places))) {
        ri_http_listener *place = HTTP_SERVER_PLACE(item);
        ri_list_push(&server->places, item);
        if (server->stopped) continue;
        if (ri_listen_start(place->listener, &server->loop, http_server_on_accept, place) < 0)
            ri_host_log(&server->broker->host, RILL_ERROR, "%s", ri_err_text());
    }
}

static void http_server_begin_close(ri_http_server *server)
{
    server->close_begun = true;
    http_server_start_places(server); /* which begins none: they are all in one list */
    ri_list_each (item, &server->places) ri_listen_stop(HTTP_SERVER_PLACE(item)->listener);
    ri_list_each (item, &server->sessions)
        ri_http_session_end(HTTP_SERVER_SESSION(item, link), RI_HTTP_END_SHUTDOWN);
    if (server->close_due_ns == INT64_MAX) return;
    if (ri_loop_timer_set(&server->loop, &server->close_timer, server->close_due_ns) < 0)
        server->close_due_ns = ri_loop_now(&server->loop); /* then at once */
}

static void http_server_on_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at the time */
}

static void http_server_apply_conf(ri_http_server *server)
{
    const ri_broker_conf *conf = &server->broker->conf;
    server->loop.spin_ns = ri_ns_mul(conf->spin_us, 1000);
    ri_list_each (item, &server->sessions) {
        ri_http_session *s = HTTP_SERVER_SESSION(item, link);
        s->conn.write_deadline_ms = conf->write_deadline_ms;
        if (ri_http_follow_is_old(s)) ri_http_session_end(s, RI_HTTP_END_DONE);
    }
}

static void http_server_obey(ri_http_server *server)
{
    if (ri_unlikely(!ri_list_empty(&server->new_places))) http_server_start_places(server);
    if (ri_unlikely(server->certs_changed)) ri_http_listen_look(server);
    if (ri_unlikely(atomic_load_explicit(&server->reload, memory_order_relaxed))) {
        atomic_store(&server->reload, false);
        http_server_apply_conf(server);
    }
    if (ri_unlikely(server->closing && !server->close_begun)) http_server_begin_close(server);
}

/* ---- The turn ---- */

static void http_server_read_on(ri_http_server *server)
{
    ri_list row, *item;
    ri_list_init(&row);
    ri_list_splice(&row, &server->ready);
    while ((item = ri_list_pop(&row)) != NULL)
        ri_http_session_read_on(HTTP_SERVER_SESSION(item, ready_link));
}

static void http_server_note_ends(ri_http_server *server)
{
    for (ri_list *item; (item = ri_list_pop(&server->ending)) != NULL;) {
        ri_http_session *s = HTTP_SERVER_SESSION(item, ending_link);
        s->winding = true;
        if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&server->work, &s->work_link);
    }
}

/* Inside the gate: what is queued is to be written. */
static void http_server_collect(ri_http_server *server)
{
    for (ri_list *item; (item = ri_list_pop(&server->touched)) != NULL;) {
        ri_http_session *s = HTTP_SERVER_SESSION(item, touched_link);
        ri_http_follow_go_on(s);
        if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&server->work, &s->work_link);
    }
    ri_list_each (work, &server->work) {
        ri_http_session *s = HTTP_SERVER_SESSION(work, work_link);
        ri_conn_settle(&s->conn, &server->pool);
        if (!s->conn.full && !s->conn.sending.bytes) ri_conn_take(&s->conn, &server->pool);
    }
}

static void http_server_write(ri_http_server *server)
{
    ri_list_each (work, &server->work) {
        ri_http_session *s = HTTP_SERVER_SESSION(work, work_link);
        if (!s->conn.full && !s->conn.ended) ri_http_session_write(s);
    }
    ri_http_server_enter(server);
    ri_list_each (work, &server->work) {
        ri_conn_settle(&HTTP_SERVER_SESSION(work, work_link)->conn, &server->pool);
        ri_http_follow_go_on(HTTP_SERVER_SESSION(work, work_link));
    }
    ri_outq_pool_give_back(&server->pool);
    ri_broker_relieve(server->broker);
    if (ri_unlikely(server->broker->drain_waiters > 0)) ri_park_signal(&server->broker->drained);
    if (!ri_list_empty(&server->touched)) ri_loop_wake(&server->loop); /* leaving does not */
    ri_http_server_leave(server);
    for (ri_list *item; (item = ri_list_pop(&server->work)) != NULL;) {
        ri_http_session *s = HTTP_SERVER_SESSION(item, work_link);
        if (s->winding) ri_http_session_wind_down(s);
        else ri_http_session_drained(s);
    }
}

/* As many as go in a turn: what they have not read may be much. True: there are more. */
static bool http_server_bury(ri_http_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    ri_http_server_enter(server);
    ri_budget_open(budget);
    for (bool left = true; left && !ri_list_empty(&server->dead);) {
        ri_http_session *s = HTTP_SERVER_SESSION(server->dead.next, work_link);
        if (!ri_conn_drop_some(&s->conn, &server->pool, budget)) break;
        ri_http_session_free(s);
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_close(budget);
    ri_http_server_leave(server);
    ri_list_each (item, &server->places) /* descriptors are free again */
        ri_listen_resume(HTTP_SERVER_PLACE(item)->listener);
    return !ri_list_empty(&server->dead);
}

/* Closing: over when all sessions are gone, or the time is. */
static void http_server_check_close(ri_http_server *server)
{
    bool late = ri_loop_now(&server->loop) >= server->close_due_ns;
    if (!ri_list_empty(&server->sessions) && !late) return;
    server->output_left = !ri_list_empty(&server->sessions);
    ri_loop_stop(&server->loop);
}

/* One slice, and if others want the gate the next not before a pause, however many ask. True: the
 * next comes by no timer. */
static bool http_server_make(ri_http_server *server)
{
    int64_t now_ns = ri_loop_now(&server->loop);
    if (ri_list_empty(&server->row)) return false;
    if (now_ns >= server->slice_due_ns) {
        bool wanted = ri_http_session_make(HTTP_SERVER_SESSION(server->row.next, row_link));
        server->slice_due_ns = wanted ? ri_ns_add(now_ns, HTTP_SERVER_PAUSE_MS * RI_MS) : 0;
    }
    if (ri_list_empty(&server->row)) return false;
    if (server->slice_due_ns == 0) return true;
    return ri_loop_timer_set(&server->loop, &server->slice_timer, server->slice_due_ns) < 0;
}

static void http_server_on_turn(void *arg)
{
    ri_http_server *server = arg;
    for (ri_http_session *s; (s = ri_http_login_next(server)) != NULL;) ri_http_session_checked(s);
    http_server_read_on(server);
    bool more = http_server_make(server);
    ri_http_server_enter(server);
    http_server_obey(server);
    http_server_note_ends(server);
    http_server_collect(server);
    ri_http_server_leave(server);
    if (!ri_list_empty(&server->work)) http_server_write(server);
    if (!ri_list_empty(&server->dead)) more = http_server_bury(server) || more;
    more = more || !ri_list_empty(&server->ready);
    if (more) {
        ri_gate_pass(&server->broker->gate); /* this thread is back there at once */
        ri_loop_wake(&server->loop);
    }
    if (ri_unlikely(server->close_begun)) http_server_check_close(server);
}

/* ---- Outside calls ---- */

/* Without a thread any more, or yet. Inside the gate. */
static void http_server_free(ri_http_server *server)
{
    const ri_host *host = &server->broker->host;
    ri_list_remove(&server->door.link);
    ri_worker_stop(&server->worker);
    ri_http_login_forget_all(server);
    ri_worker_fini(&server->worker);
    ri_list_each (item, &server->sessions) ri_http_session_free(HTTP_SERVER_SESSION(item, link));
    ri_list_splice(&server->places, &server->new_places);
    ri_list_each (item, &server->places) ri_http_listen_free(HTTP_SERVER_PLACE(item), host);
    ri_outq_pool_fini(&server->pool);
    ri_loop_fini(&server->loop);
    ri_delete(host, server);
}

static void http_server_on_checked(void *arg) /* the worker's thread */
{
    ri_http_server *server = arg;
    ri_loop_wake(&server->loop);
}

static int http_server_open(ri_door **out, ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    const ri_host *host = &broker->host;
    ri_http_server *server = ri_new(host, ri_http_server);
    if (!server) return RILL_ENOMEM;
    if (ri_departed_keep(broker) < 0) {
        ri_delete(host, server);
        return RILL_ENOMEM;
    }
    server->door.ops = &ri_http_door;
    server->broker = broker;
    ri_list *lists[] = {&server->new_places, &server->places, &server->sessions, &server->ending,
                        &server->row, &server->ready, &server->work, &server->dead,
                        &server->touched};
    for (size_t i = 0; i < RI_LEN(lists); i++) ri_list_init(lists[i]);
    ri_outq_pool_init(&server->pool, host, &broker->router.memory);
    server->close_timer.fn = server->slice_timer.fn = http_server_on_due;
    ri_http_listen_init(server);
    ri_http_events_init(server);
    ri_worker_init(&server->worker, http_server_on_checked, server);
    int rc = ri_loop_init(&server->loop, host, http_server_on_turn, server);
    server->loop.spin_ns = ri_ns_mul(broker->conf.spin_us, 1000);
    server->loop.memory = &broker->router.memory;
    if (rc == RILL_OK) rc = ri_loop_start(&server->loop);
    if (rc < 0) http_server_free(server);
    else *out = &server->door;
    return rc;
}

static void http_server_wake(ri_door *door)
{
    ri_loop_wake(&HTTP_SERVER_OF(door)->loop);
}

/* Nothing that anybody else has queued goes out here. */
static int http_server_flush(ri_door *door, int64_t due_ns)
{
    (void)door;
    (void)due_ns;
    return RILL_OK;
}

static void http_server_reload(ri_door *door)
{
    atomic_store(&HTTP_SERVER_OF(door)->reload, true);
    http_server_wake(door);
}

/* Whoever looks at a broker wants to see how it leaves. */
static void http_server_lame_duck(ri_door *door, uint32_t grace_ms, uint32_t duration_ms)
{
    (void)door;
    (void)grace_ms;
    (void)duration_ms;
}

/* Visitors are no clients: they are not among the connections. */
static void http_server_stats(const ri_door *door, rill_stats *add)
{
    (void)door;
    (void)add;
}

static uint64_t http_server_next_conn(const ri_door *door, const void **at)
{
    (void)door;
    (void)at;
    return 0;
}

static void http_server_describe_conn(const ri_door *door, const void *at, ri_broker_conn *out)
{
    (void)door;
    (void)at;
    (void)out;
}

static void http_server_list_subs(const ri_door *door, const void *at, ri_broker_subs_query *query)
{
    (void)door;
    (void)at;
    (void)query;
}

static uint64_t http_server_greediest(const ri_door *door)
{
    uint64_t most = 0;
    ri_list_each (item, &HTTP_SERVER_OF(door)->sessions) {
        const ri_http_session *s = HTTP_SERVER_SESSION(item, link);
        if (!s->end) most = RI_MAX(most, s->conn.pending);
    }
    return most;
}

static uint64_t http_server_shed(ri_door *door, uint64_t cap, uint64_t bytes)
{
    ri_http_server *server = HTTP_SERVER_OF(door);
    uint64_t gone = 0;
    ri_list_each (item, &server->sessions) { /* those that are on their way out, first */
        const ri_http_session *s = HTTP_SERVER_SESSION(item, link);
        if (s->end == RI_HTTP_END_MEMORY) gone += s->conn.pending;
    }
    ri_list_each (item, &server->sessions) {
        ri_http_session *s = HTTP_SERVER_SESSION(item, link);
        if (gone >= bytes) break;
        if (s->end || s->conn.pending <= cap) continue;
        gone += s->conn.pending;
        ri_memory_refused(&server->broker->router.memory);
        ri_http_session_end(s, RI_HTTP_END_MEMORY);
    }
    return gone;
}

/* Nobody publishes to a visitor: he asks. */
static bool http_server_crowded(const ri_door *door)
{
    (void)door;
    return false;
}

static void http_server_end(ri_door *door, int64_t due_ns)
{
    ri_http_server *server = HTTP_SERVER_OF(door);
    server->closing = server->stopped = true;
    server->close_due_ns = due_ns;
    http_server_wake(door);
}

static int http_server_close(ri_door *door)
{
    ri_http_server *server = HTTP_SERVER_OF(door);
    ri_broker *broker = server->broker;
    ri_loop_join(&server->loop);
    RI_ASSERT(server->closing);
    bool left = server->output_left;
    ri_worker_stop(&server->worker); /* a hash may take seconds: outside the gate */
    ri_broker_enter(broker);
    http_server_free(server);
    ri_broker_leave(broker);
    if (left) return ri_err(RILL_ETIMEDOUT, "visitors had not taken all of their answers");
    return RILL_OK;
}

const ri_door_ops ri_http_door = {
    .schemes = (const char *const[]){"http", "https", NULL},
    .open = http_server_open,
    .listen = ri_http_listen,
    .wake = http_server_wake,
    .flush = http_server_flush,
    .reload = http_server_reload,
    .lame_duck = http_server_lame_duck,
    .stats = http_server_stats,
    .next_conn = http_server_next_conn,
    .describe_conn = http_server_describe_conn,
    .list_subs = http_server_list_subs,
    .greediest = http_server_greediest,
    .shed = http_server_shed,
    .crowded = http_server_crowded,
    .end = http_server_end,
    .close = http_server_close,
};
