/* SPDX-License-Identifier: Apache-2.0 */
#include "front/kafka/kafka_server.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_catalog.h"
#include "front/kafka/kafka_serve.h"

enum {
    KAFKA_SERVER_LDM_STEP_MS = 1000,           /* the longest between two closes of a lame duck */
    KAFKA_SERVER_WRITTEN = 1024 * 1024,        /* bytes of large answers in a turn of the loop */
    KAFKA_SERVER_DECODED = 512 * 1024,         /* bytes of large frames in a turn of the loop */
    KAFKA_SERVER_KEEP_MS = 1000,               /* memory of answers that nobody wants is kept */
    KAFKA_SERVER_SHARE_MIN = RI_BUDGET_TURN / 32, /* units of a connection's input in a turn */
    KAFKA_SERVER_FIRST = RI_BUDGET_TURN / 16,     /* units of a request that can go on again */
};

#define KAFKA_SERVER_SESSION(item, field) ri_container_of(item, ri_kafka_session, field)
#define KAFKA_SERVER_OF(pointer) ri_container_of(pointer, ri_kafka_server, door)
#define KAFKA_SERVER_PLACE(item) ri_container_of(item, ri_kafka_listener, link)

/* ---- What was asked for from outside ---- */

static void kafka_server_on_accept(ri_listener *listener, int fd, const char *peer)
{
    const ri_kafka_listener *place = listener->arg;
    ri_kafka_server *server = place->server;
    ri_kafka_server_enter(server);
    int rc = ri_kafka_session_open(server, fd, place, peer);
    ri_kafka_server_leave(server);
    if (rc == RILL_OK) return;
    ri_host_log(&server->broker->host, RILL_ERROR, "%s - connection refused: %s", peer,
                ri_err_text());
    close(fd);
}

static void kafka_server_start_places(ri_kafka_server *server)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->new_places))) {
        ri_kafka_listener *place = KAFKA_SERVER_PLACE(item);
        ri_list_push(&server->places, item);
        if (server->stopped) continue;
        if (ri_listen_start(place->listener, &server->loop, kafka_server_on_accept, place) < 0)
            ri_host_log(&server->broker->host, RILL_ERROR, "%s", ri_err_text());
    }
}

static void kafka_server_stop(ri_kafka_server *server)
{
    kafka_server_start_places(server); /* which begins none: they are all in one list */
    ri_list_each (item, &server->places) ri_listen_stop(KAFKA_SERVER_PLACE(item)->listener);
}

/* The first of them end, as many as it takes to be done in time. */
static void kafka_server_end_some(ri_kafka_server *server, int64_t count)
{
    ri_list_each (item, &server->sessions) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        if (s->end || count-- <= 0) continue;
        ri_kafka_session_end(s, RI_KAFKA_END_SHUTDOWN);
    }
}

static void kafka_server_on_ldm(ri_loop_timer *timer)
{
    ri_kafka_server *server = ri_container_of(timer, ri_kafka_server, ldm_timer);
    int64_t now_ns = ri_loop_now(&server->loop);
    int64_t left_ns = RI_MAX(ri_ns_sub(server->ldm_end_ns, now_ns), 0);
    int64_t steps = left_ns / RI_MS + 1; /* at most one a millisecond */
    ri_kafka_server_enter(server);
    int64_t open = server->nsessions;
    kafka_server_end_some(server, (open + steps - 1) / steps);
    ri_kafka_server_leave(server);
    if (open == 0) return;
    int64_t step_ns = RI_MIN(RI_MAX(left_ns / open, RI_MS), KAFKA_SERVER_LDM_STEP_MS * RI_MS);
    if (ri_loop_timer_set(&server->loop, timer, ri_ns_add(now_ns, step_ns)) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "lame duck: %s", ri_err_text());
}

static void kafka_server_begin_ldm(ri_kafka_server *server)
{
    kafka_server_stop(server);
    if (ri_loop_timer_set(&server->loop, &server->ldm_timer, server->ldm_begin_ns) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "lame duck: %s", ri_err_text());
    server->ldm_begin_ns = 0;
}

uint32_t ri_kafka_server_most(const ri_kafka_server *server)
{
    const ri_broker_conf *conf = &server->broker->conf;
    return ri_kafka_listen_asks(conf) ? 0 : conf->max_conns;
}

/* The youngest go, when fewer connections are allowed than there are. */
static void kafka_server_apply_conf(ri_kafka_server *server)
{
    const ri_broker_conf *conf = &server->broker->conf;
    uint32_t max = ri_kafka_server_most(server), open = 0;
    server->loop.spin_ns = ri_ns_mul(conf->spin_us, 1000);
    if (max == 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "kafka:// asks nobody for credentials, and "
                    "the broker wants them: no Kafka client is let in");
    ri_list_each (item, &server->sessions) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        s->conn.write_deadline_ms = conf->write_deadline_ms;
        if (!s->end && ++open > max) ri_kafka_session_end(s, RI_KAFKA_END_REFUSED);
    }
}

static void kafka_server_begin_close(ri_kafka_server *server)
{
    server->close_begun = true;
    kafka_server_stop(server);
    kafka_server_end_some(server, INT64_MAX);
    if (server->close_due_ns == INT64_MAX) return;
    if (ri_loop_timer_set(&server->loop, &server->close_timer, server->close_due_ns) < 0)
        server->close_due_ns = ri_loop_now(&server->loop); /* then at once */
}

static void kafka_server_on_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at the time */
}

static void kafka_server_obey(ri_kafka_server *server)
{
    if (ri_unlikely(!ri_list_empty(&server->new_places))) kafka_server_start_places(server);
    if (ri_unlikely(server->certs_changed)) ri_kafka_listen_look(server);
    if (ri_unlikely(atomic_load_explicit(&server->reload, memory_order_relaxed))) {
        atomic_store(&server->reload, false);
        kafka_server_apply_conf(server);
    }
    if (ri_unlikely(server->ldm_begin_ns)) kafka_server_begin_ldm(server);
    if (ri_unlikely(server->closing && !server->close_begun)) kafka_server_begin_close(server);
}

/* ---- Memory ---- */

/* What the pool keeps of buffers is looked at later: else it would keep that for good. */
static void kafka_server_keep(ri_kafka_server *server)
{
    if (ri_likely(server->pool.nkept == 0) || server->keeps) return;
    int64_t due_ns = ri_ns_add(ri_loop_now(&server->loop), KAFKA_SERVER_KEEP_MS * RI_MS);
    server->lent_last = server->pool.lent;
    server->keeps = ri_loop_timer_set(&server->loop, &server->keep_timer, due_ns) == RILL_OK;
    if (!server->keeps) ri_outq_pool_give_back(&server->pool);
}

static void kafka_server_on_keep(ri_loop_timer *timer)
{
    ri_kafka_server *server = ri_container_of(timer, ri_kafka_server, keep_timer);
    ri_kafka_server_enter(server);
    server->keeps = false;
    if (server->pool.lent == server->lent_last) ri_outq_pool_give_back(&server->pool);
    kafka_server_keep(server);
    ri_kafka_server_leave(server);
}

static void kafka_server_on_trimmed(void *arg) /* the worker's thread */
{
    ri_kafka_server *server = arg;
    ri_loop_wake(&server->loop);
}

static void kafka_server_look_at_memory(ri_kafka_server *server)
{
    for (ri_job *job; server->trim.runs && (job = ri_worker_done(&server->worker)) != NULL;)
        ri_trim_done(&server->trim, job);
    ri_trim_watch(&server->trim);
}

void ri_kafka_server_lend(ri_kafka_server *server, size_t size, ri_buffer *buffer)
{
    RI_ASSERT(size > 0);
    ri_outq_pool_lend(&server->pool, size, buffer);
}

static uint64_t kafka_server_greediest(const ri_door *door)
{
    uint64_t most = 0;
    ri_list_each (item, &KAFKA_SERVER_OF(door)->sessions) {
        const ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        if (!s->end) most = RI_MAX(most, s->conn.pending);
    }
    return most;
}

static uint64_t kafka_server_shed(ri_door *door, uint64_t cap, uint64_t bytes)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    uint64_t gone = 0;
    ri_list_each (item, &server->sessions) { /* those that are on their way out, first */
        const ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        if (s->end == RI_KAFKA_END_MEMORY) gone += s->conn.pending;
    }
    ri_list_each (item, &server->sessions) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        if (gone >= bytes) break;
        if (s->end || s->conn.pending <= cap) continue;
        gone += s->conn.pending;
        server->slow_conns++;
        ri_memory_refused(&server->broker->router.memory);
        ri_kafka_session_end(s, RI_KAFKA_END_MEMORY);
    }
    return gone;
}

static void kafka_server_spare(ri_door *door)
{
    ri_outq_pool_give_back(&KAFKA_SERVER_OF(door)->pool);
}

/* Nobody publishes to a client of Kafka: it asks. */
static bool kafka_server_crowded(const ri_door *door)
{
    (void)door;
    return false;
}

/* ---- The turn ---- */

static void kafka_server_work_on(ri_kafka_session *s)
{
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

/* Sessions that may begin what they have read. */
static void kafka_server_read_on(ri_kafka_server *server)
{
    ri_list row, *item;
    ri_list_init(&row);
    ri_kafka_server_enter(server);
    ri_list_splice(&row, &server->ready);
    ri_kafka_server_leave(server);
    while ((item = ri_list_pop(&row)) != NULL)
        ri_kafka_session_go_on(KAFKA_SERVER_SESSION(item, ready_link));
}

/* Large frames are decoded, as many as are KAFKA_SERVER_DECODED bytes, and at least a slice of one:
 * what is left of that stands behind the others. Outside the gate, as below. */
static void kafka_server_decode(ri_kafka_server *server)
{
    int rc = RILL_OK;
    for (size_t bytes = 0; bytes < KAFKA_SERVER_DECODED && rc != 1;) {
        ri_kafka_server_enter(server);
        ri_list *item = ri_list_pop(&server->coded);
        ri_kafka_server_leave(server);
        server->codes = item != NULL;
        if (!item) return;
        ri_kafka_request *r = ri_container_of(item, ri_kafka_request, busy_link);
        bytes += r->frame.len;
        rc = ri_kafka_request_decode(r);
        ri_kafka_server_enter(server);
        ri_kafka_session_decoded(r->session, r, rc);
        ri_kafka_server_leave(server);
    }
}

/* Requests of one list, once around, as many as the budget is for; each has `units` of it. Those
 * whose turn it was stand behind the others. */
static void kafka_server_step_some(ri_kafka_server *server, ri_list *list, int64_t units)
{
    ri_budget *budget = &server->broker->router.budget;
    ri_list row, *item;
    ri_list_init(&row);
    ri_list_splice(&row, list);
    for (bool left = true; left && (item = ri_list_pop(&row)) != NULL;) {
        ri_kafka_request *r = ri_container_of(item, ri_kafka_request, busy_link);
        RI_ASSERT(!r->lent); /* the bytes that it came in are others' now */
        ri_budget_slice(budget, units);
        ri_kafka_request_go_on(r);
        ri_budget_whole(budget);
        left = ri_budget_left(budget);
    }
    ri_list_splice(&row, list);
    ri_list_splice(list, &row);
}

/* Requests that can go on: those that were cut before have what is left, at least one of them. */
static void kafka_server_step(ri_kafka_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    if (ri_list_empty(&server->busy) && ri_list_empty(&server->slow)) return;
    ri_budget_open(budget);
    kafka_server_step_some(server, &server->busy, KAFKA_SERVER_FIRST);
    kafka_server_step_some(server, &server->slow, RI_BUDGET_TURN);
    ri_budget_close(budget);
}

/* Those who waited for the commit. */
static void kafka_server_step_woken(ri_kafka_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    if (ri_list_empty(&server->busy)) return;
    ri_budget_open(budget);
    kafka_server_step_some(server, &server->busy, KAFKA_SERVER_FIRST);
    ri_budget_close(budget);
}

/* Large answers become frames, as many as are KAFKA_SERVER_WRITTEN bytes, and at least one. Outside
 * the gate: the session of each is there still, since only this thread drops it. */
static void kafka_server_write_answers(ri_kafka_server *server)
{
    ri_list *item;
    for (uint64_t bytes = 0; bytes < KAFKA_SERVER_WRITTEN;) {
        ri_kafka_server_enter(server);
        item = ri_list_pop(&server->written_apart);
        ri_kafka_server_leave(server);
        if (!item) return;
        ri_kafka_request *r = ri_container_of(item, ri_kafka_request, busy_link);
        bytes += r->arena.bytes;
        ri_kafka_request_write(r);
    }
}

/* The streams' turn is one of this loop's. Inside the gate, which it leaves and enters again. */
static void kafka_server_drive(ri_kafka_server *server)
{
    ri_durable *durable = server->broker->durable;
    if (ri_durable_due_ns(durable) == 0) ri_durable_loop_turn(durable, &server->door);
    durable = server->broker->durable; /* it may be closed meanwhile */
    int64_t due_ns = durable ? ri_durable_due_ns(durable) : -1;
    ri_loop *loop = &server->loop;
    if (due_ns == 0)
        ri_loop_wake(loop);
    else if (due_ns < 0)
        ri_loop_timer_cancel(loop, &server->durable_timer);
    else if (ri_loop_timer_set(loop, &server->durable_timer,
                               ri_ns_add(ri_mono_ns(loop->host), due_ns)) < 0)
        ri_host_log(&server->broker->host, RILL_ERROR, "timers of streams: %s", ri_err_text());
}

/* Where another thread turns the streams this loop commits only what it appended itself; that
 * thread does the rest, at the time when something is due. */
static void kafka_server_durable_turn(ri_kafka_server *server)
{
    ri_broker *broker = server->broker;
    bool stored = server->stored;
    server->stored = false;
    if (!broker->durable) return;
    if (broker->driver == &server->driver) {
        kafka_server_drive(server);
        return;
    }
    if (!stored) return;
    if (ri_durable_waits(broker->durable)) ri_durable_loop_turn(broker->durable, &server->door);
    if (broker->durable) ri_durable_touched(broker->durable);
}

/* As many as go in a turn: what their requests wait for is much, perhaps. */
static void kafka_server_note_ends(ri_kafka_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    ri_list *item;
    ri_budget_open(budget);
    for (bool left = true; left && (item = ri_list_pop(&server->ending)) != NULL;) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, ending_link);
        ri_kafka_session_detach(s);
        kafka_server_work_on(s);
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_close(budget);
}

static void kafka_server_settle_one(ri_kafka_session *s)
{
    ri_conn_settle(&s->conn, &s->server->pool);
    if (s->conn.sending.bytes == 0) s->sending_epoch = 0;
}

static void kafka_server_collect(ri_kafka_server *server)
{
    for (ri_list *item; (item = ri_list_pop(&server->touched)) != NULL;) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, touched_link);
        s->touched = false;
        kafka_server_work_on(s);
    }
    ri_list_each (work, &server->work) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(work, work_link);
        kafka_server_settle_one(s);
        if (s->conn.full || s->conn.sending.bytes) continue;
        if (!ri_conn_take(&s->conn, &server->pool)) continue;
        s->sending_epoch = s->out_epoch;
        s->out_epoch = 0;
    }
}

/* What is written is given back, and who ends goes a step further. True: some may read on. */
static bool kafka_server_write(ri_kafka_server *server)
{
    ri_list_each (work, &server->work) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(work, work_link);
        if (!s->conn.full && !s->conn.ended) ri_conn_write(&s->conn);
    }
    ri_kafka_server_enter(server);
    ri_list_each (work, &server->work) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(work, work_link);
        kafka_server_settle_one(s);
        ri_kafka_session_drained(s);
    }
    kafka_server_keep(server);
    if (ri_unlikely(server->flushing > 0)) ri_park_signal(&server->written);
    if (ri_unlikely(server->broker->drain_waiters > 0)) ri_park_signal(&server->broker->drained);
    bool more = !ri_list_empty(&server->ready);
    ri_kafka_server_leave(server);
    for (ri_list *item; (item = ri_list_pop(&server->work)) != NULL;) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(item, work_link);
        if (ri_unlikely(s->winding)) ri_kafka_session_wind_down(s);
    }
    return more;
}

/* As many as go in a turn: what they have not read may be much. True: there are more. */
static bool kafka_server_bury(ri_kafka_server *server)
{
    ri_budget *budget = &server->broker->router.budget;
    ri_kafka_server_enter(server);
    ri_budget_open(budget);
    for (bool left = true; left && !ri_list_empty(&server->dead);) {
        ri_kafka_session *s = KAFKA_SERVER_SESSION(server->dead.next, work_link);
        if (!ri_conn_drop_some(&s->conn, &server->pool, budget)) break;
        ri_kafka_session_free(s);
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_close(budget);
    if (server->flushing) ri_park_signal(&server->written);
    ri_kafka_server_leave(server);
    ri_list_each (l, &server->places) /* descriptors are free again */
        ri_listen_resume(KAFKA_SERVER_PLACE(l)->listener);
    return !ri_list_empty(&server->dead);
}

static void kafka_server_free_spent(ri_kafka_server *server, ri_list *spent)
{
    for (ri_list *item; (item = ri_list_pop(spent)) != NULL;) {
        ri_kafka_request *r = ri_container_of(item, ri_kafka_request, link);
        ri_loop_timer_cancel(&server->loop, &r->timer);
        ri_kafka_request_free(r);
    }
}

/* Closing: over when all sessions are gone, or the time is. */
static void kafka_server_check_close(ri_kafka_server *server)
{
    bool late = ri_loop_now(&server->loop) >= server->close_due_ns;
    if (!ri_list_empty(&server->sessions) && !late) return;
    server->output_left = !ri_list_empty(&server->sessions);
    ri_loop_stop(&server->loop);
}

int64_t ri_kafka_server_share(ri_kafka_server *server)
{
    server->inputs++;
    return RI_MAX(2 * RI_BUDGET_TURN / (1 + (int64_t)server->inputs_last), KAFKA_SERVER_SHARE_MIN);
}

/* Between two parts of a turn, each of which may use up a budget: where one did since the budget
 * had been cut `*cut` times, whoever sleeps before the gate has it first. Inside the gate; the
 * store may be closed behind this. */
static void kafka_server_part(ri_kafka_server *server, uint64_t *cut)
{
    const ri_budget *budget = &server->broker->router.budget;
    if (ri_likely(budget->cut == *cut)) return;
    ri_kafka_server_leave(server);
    ri_gate_pass(&server->broker->gate);
    ri_kafka_server_enter(server);
    *cut = budget->cut;
}

static void kafka_server_on_turn(void *arg)
{
    ri_kafka_server *server = arg;
    ri_list spent;
    ri_list_init(&spent);
    if (server->codes) kafka_server_decode(server);
    kafka_server_read_on(server);
    if (server->large) kafka_server_write_answers(server);
    server->inputs_last = server->inputs;
    server->inputs = 0;
    ri_kafka_server_enter(server);
    uint64_t cut = server->broker->router.budget.cut;
    ri_broker_relieve(server->broker);
    kafka_server_obey(server);
    ri_kafka_making_step(server);
    kafka_server_step(server);
    kafka_server_part(server, &cut);
    kafka_server_durable_turn(server);
    kafka_server_part(server, &cut);
    kafka_server_step_woken(server);
    kafka_server_part(server, &cut);
    if (ri_unlikely(!ri_list_empty(&server->ending))) kafka_server_note_ends(server);
    kafka_server_collect(server);
    kafka_server_keep(server);
    ri_list_splice(&spent, &server->spent);
    server->large = !ri_list_empty(&server->written_apart);
    bool more = server->codes || !ri_list_empty(&server->busy) || !ri_list_empty(&server->slow) ||
                !ri_list_empty(&server->ready) || !ri_list_empty(&server->ending) ||
                server->large || server->stored || !ri_list_empty(&server->left);
    ri_kafka_server_leave(server);
    kafka_server_free_spent(server, &spent);
    if (!ri_list_empty(&server->work) && kafka_server_write(server)) more = true;
    if (ri_unlikely(!ri_list_empty(&server->dead)) && kafka_server_bury(server)) more = true;
    kafka_server_look_at_memory(server);
    if (more) {
        ri_gate_pass(&server->broker->gate); /* this thread is back there at once */
        ri_loop_wake(&server->loop);
    }
    if (ri_unlikely(server->close_begun)) kafka_server_check_close(server);
}

/* ---- Outside calls ---- */

/* Without a thread any more, or yet. Inside the gate. */
static void kafka_server_free(ri_kafka_server *server)
{
    const ri_host *host = &server->broker->host;
    ri_worker_stop(&server->worker);
    while (ri_worker_done(&server->worker)) {} /* there is one job, which is the server's own */
    ri_worker_fini(&server->worker);
    ri_list_remove(&server->door.link);
    ri_driver_leave(server->broker, &server->driver);
    ri_list_each (item, &server->sessions)
        ri_kafka_session_free(KAFKA_SERVER_SESSION(item, link));
    kafka_server_free_spent(server, &server->spent);
    while (!ri_list_empty(&server->left)) ri_kafka_making_step(server);
    ri_list_splice(&server->places, &server->new_places);
    ri_list_each (item, &server->places)
        ri_kafka_listen_free(KAFKA_SERVER_PLACE(item), host);
    ri_kafka_groups_part(server);
    ri_kafka_catalog_close(server->catalog);
    ri_outq_pool_fini(&server->pool);
    ri_loop_fini(&server->loop);
    ri_park_fini(&server->written);
    ri_delete(host, server);
}

static void kafka_server_wake(ri_door *door)
{
    ri_loop_wake(&KAFKA_SERVER_OF(door)->loop);
}

static void kafka_server_wake_driver(ri_driver *driver)
{
    ri_loop_wake(&ri_container_of(driver, ri_kafka_server, driver)->loop);
}

int ri_kafka_server_make(ri_kafka_server **out, ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    static const ri_driver_ops driver = {.rank = RI_DRIVER_LOOP, .alone = true,
                                         .wake = kafka_server_wake_driver};
    const ri_host *host = &broker->host;
    ri_kafka_server *server = ri_new(host, ri_kafka_server);
    *out = NULL;
    if (!server) return RILL_ENOMEM;
    server->door.ops = &ri_kafka_door;
    server->driver.ops = &driver;
    server->broker = broker;
    ri_list *lists[] = {&server->new_places, &server->places, &server->sessions, &server->touched,
                        &server->ending, &server->coded, &server->busy, &server->slow,
                        &server->ready, &server->written_apart, &server->spent, &server->making,
                        &server->left, &server->work, &server->dead};
    for (size_t i = 0; i < RI_LEN(lists); i++) ri_list_init(lists[i]);
    ri_outq_pool_init(&server->pool, host, &broker->router.memory);
    ri_park_init(&server->written);
    server->ldm_timer.fn = kafka_server_on_ldm;
    server->keep_timer.fn = kafka_server_on_keep;
    server->close_timer.fn = server->durable_timer.fn = kafka_server_on_due;
    ri_worker_init(&server->worker, kafka_server_on_trimmed, server);
    server->worker.here = broker->hosted.on;
    ri_trim_init(&server->trim, broker, &server->loop, &server->worker);
    ri_kafka_listen_init(server);
    server->epoch = 1;
    int rc = ri_kafka_catalog_open(&server->catalog, host);
    if (rc == RILL_OK) rc = ri_loop_init(&server->loop, host, kafka_server_on_turn, server);
    if (rc < 0) {
        kafka_server_free(server);
        return rc;
    }
    server->loop.spin_ns = ri_ns_mul(broker->conf.spin_us, 1000);
    server->loop.memory = &broker->router.memory;
    *out = server;
    return RILL_OK;
}

static int kafka_server_open(ri_door **out, ri_broker *broker)
{
    ri_kafka_server *server;
    int rc = ri_kafka_server_make(&server, broker);
    if (rc < 0) return rc;
    if ((rc = ri_loop_start(&server->loop)) < 0) {
        kafka_server_free(server);
        return rc;
    }
    ri_driver_join(broker, &server->driver);
    *out = &server->door;
    return RILL_OK;
}

static void kafka_server_reload(ri_door *door)
{
    atomic_store(&KAFKA_SERVER_OF(door)->reload, true);
    kafka_server_wake(door);
}

static void kafka_server_lame_duck(ri_door *door, uint32_t grace_ms, uint32_t duration_ms)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    if (!server->stopped) {
        server->ldm_begin_ns = ri_ns_add(ri_mono_ns(&server->broker->host), ri_ns_of_ms(grace_ms));
        server->ldm_end_ns = ri_ns_add(server->ldm_begin_ns, ri_ns_of_ms(duration_ms));
        server->stopped = true;
    }
    kafka_server_wake(door);
}

static void kafka_server_stats(const ri_door *door, rill_stats *add)
{
    const ri_kafka_server *server = KAFKA_SERVER_OF(door);
    add->conns += server->nsessions;
    add->conns_total += server->conns_total;
    add->slow_conns += server->slow_conns;
}

/* ---- A walk over the sessions: the place is the link of one ---- */

static uint64_t kafka_server_next_conn(const ri_door *door, const void **at)
{
    ri_kafka_server *server = KAFKA_SERVER_OF((ri_door *)(uintptr_t)door);
    const ri_list *sessions = &server->sessions, *item = *at ? *at : sessions;
    if (*at) server->walked = KAFKA_SERVER_SESSION(item, link);
    while ((item = item->next) != sessions && KAFKA_SERVER_SESSION(item, link)->end) continue;
    *at = item;
    return item == sessions ? 0 : KAFKA_SERVER_SESSION(item, link)->cid;
}

/* Whoever asks is no client of this door: the driver looks after what is due of them. */
static ri_groups *kafka_server_groups(ri_door *door)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    bool had = server->groups != NULL;
    ri_groups *groups = ri_kafka_groups_of(server);
    if (groups && !had) ri_durable_touched(server->broker->durable);
    return groups;
}

static ri_acted kafka_server_act(ri_door *door, const void *at, ri_act_kind kind)
{
    const ri_list *item = at;
    (void)door;
    if (kind != RI_ACT_KICK) return RI_ACTED_CANNOT;
    ri_kafka_session_end(KAFKA_SERVER_SESSION(item, link), RI_KAFKA_END_KICKED);
    return RI_ACTED_YES;
}

static void kafka_server_seek_conn(const ri_door *door, uint64_t id, const void **at)
{
    ri_kafka_session *s = KAFKA_SERVER_OF(door)->walked;
    if (s && s->cid <= id) *at = &s->link;
}

void ri_kafka_server_pass(ri_kafka_server *server, ri_kafka_session *s)
{
    if (ri_likely(server->walked != s)) return;
    ri_list *before = s->link.prev;
    server->walked = before == &server->sessions ? NULL : KAFKA_SERVER_SESSION(before, link);
}

static void kafka_server_describe_conn(const ri_door *door, const void *at, ri_broker_conn *out)
{
    const ri_host *host = &KAFKA_SERVER_OF(door)->broker->host;
    const ri_list *item = at;
    int64_t boot_ns = ri_ns_sub(ri_wall_ns(host), ri_mono_ns(host));
    ri_kafka_session_describe(KAFKA_SERVER_SESSION(item, link), boot_ns, out);
}

/* A client of Kafka subscribes to nothing here. */
static void kafka_server_list_subs(const ri_door *door, const void *at, ri_broker_subs_query *query)
{
    (void)door;
    (void)at;
    (void)query;
}

/* ---- Flush and close ---- */

static bool kafka_server_is_flushed(ri_kafka_server *server, uint64_t epoch)
{
    ri_list_each (item, &server->sessions) {
        const ri_kafka_session *s = KAFKA_SERVER_SESSION(item, link);
        if (s->sending_epoch && s->sending_epoch < epoch) return false;
        if (s->out_epoch && s->out_epoch < epoch) return false;
    }
    return true;
}

static int kafka_server_flush(ri_door *door, int64_t due_ns)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    bool done;
    ri_broker_enter(server->broker);
    uint64_t epoch = ++server->epoch;
    server->flushing++;
    while (!(done = kafka_server_is_flushed(server, epoch))) {
        uint32_t seen = ri_park_count(&server->written);
        int64_t left_ns = ri_deadline_left_ns(&server->broker->host, due_ns);
        if (left_ns == 0) break;
        ri_broker_leave(server->broker);
        ri_park_wait(&server->written, seen, left_ns);
        ri_broker_enter(server->broker);
    }
    server->flushing--;
    ri_broker_leave(server->broker);
    if (!done) return ri_err(RILL_ETIMEDOUT, "some connections take no more at the moment");
    return RILL_OK;
}

static bool kafka_server_finish(ri_door *door)
{
    return ri_kafka_making_finish(KAFKA_SERVER_OF(door));
}

static void kafka_server_end(ri_door *door, int64_t due_ns)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    ri_driver_leave(server->broker, &server->driver);
    server->closing = server->stopped = true;
    server->close_due_ns = due_ns;
    kafka_server_wake(door);
}

static int kafka_server_close(ri_door *door)
{
    ri_kafka_server *server = KAFKA_SERVER_OF(door);
    ri_broker *broker = server->broker;
    ri_loop_join(&server->loop);
    RI_ASSERT(server->closing);
    bool left = server->output_left;
    ri_worker_stop(&server->worker); /* outside the gate: it may be at work */
    ri_broker_enter(broker);
    kafka_server_free(server);
    ri_broker_leave(broker);
    if (left) return ri_err(RILL_ETIMEDOUT, "connections had not taken all of their output");
    return RILL_OK;
}

const ri_door_ops ri_kafka_door = {
    .schemes = (const char *const[]){"kafka", "kafkas", NULL},
    .open = kafka_server_open,
    .listen = ri_kafka_listen,
    .wake = kafka_server_wake,
    .flush = kafka_server_flush,
    .reload = kafka_server_reload,
    .lame_duck = kafka_server_lame_duck,
    .stats = kafka_server_stats,
    .next_conn = kafka_server_next_conn,
    .seek_conn = kafka_server_seek_conn,
    .describe_conn = kafka_server_describe_conn,
    .list_subs = kafka_server_list_subs,
    .act = kafka_server_act,
    .groups = kafka_server_groups,
    .greediest = kafka_server_greediest,
    .shed = kafka_server_shed,
    .spare = kafka_server_spare,
    .crowded = kafka_server_crowded,
    .finish = kafka_server_finish,
    .end = kafka_server_end,
    .close = kafka_server_close,
};
