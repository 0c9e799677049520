/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle/bus_call.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "front/handle/bus_reap.h"
#include "front/handle/peer.h"

#define CALL_OF(pointer, field) ri_container_of(pointer, ri_bus_call, field)

/* ---- On the stack of a call ---- */

static void call_run(ri_task *task)
{
    ri_bus_call *call = CALL_OF(task, task);
    int rc = call->run(call);
    call->item.err = RI_MIN(ri_failure_keep(&call->failure, rc), RILL_OK);
}

/* A callback of the program on its stack (on_publisher) ends before another one begins. */
static bool call_may_yield(const ri_task *task)
{
    (void)task;
    return !ri_bus_has_frames();
}

static void call_wake(ri_task *task)
{
    ri_bus_ring(CALL_OF(task, task)->bus);
}

bool ri_bus_call_gives_way(void)
{
    const ri_task *task = ri_task_here();
    return ri_unlikely(task != NULL) && (!task->may_yield || task->may_yield(task));
}

/* ---- On the thread beside ---- */

static void call_run_beside(ri_job *job)
{
    ri_bus_call *call = CALL_OF(job, job);
    RI_ASSERT(call->beside && !ri_hurry_here());
    ri_hurry_swap(&call->task.hurry);
    call_run(&call->task);
    ri_hurry_swap(NULL);
}

/* Inside the gate, so that rill_close() does not return before on_ready() has. */
static void call_on_job(void *arg)
{
    rill_bus *bus = arg;
    ri_broker_enter(bus->broker);
    ri_bus_ring(bus);
    ri_broker_leave(bus->broker);
}

/* ---- Begin ---- */

void ri_bus_calls_init(rill_bus *bus)
{
    ri_bus_calls *calls = &bus->calls;
    ri_list_init(&calls->waiting);
    ri_list_init(&calls->waiting_beside);
    ri_list_init(&calls->running);
    ri_list_init(&calls->over);
}

void ri_bus_calls_fini(rill_bus *bus)
{
    RI_ASSERT(!ri_bus_calls_are_left(bus));
    if (!bus->calls.has_worker) return;
    ri_worker_stop(&bus->calls.worker);
    ri_worker_fini(&bus->calls.worker);
}

/* Inside the gate: it waits or runs no more. */
static void call_over(rill_bus *bus, ri_bus_call *call)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && call->bus == bus);
    RI_ASSERT(bus->calls.n > 0 && ri_list_linked(&call->link));
    bus->calls.n--;
    ri_heap_cancel(&bus->timers, &call->timer.timer);
    if (call->cancelled && call->item.err == RILL_ETIMEDOUT) {
        ri_err(RILL_ECANCELED, "the call was taken back");
        call->item.err = ri_failure_keep(&call->failure, RILL_ECANCELED);
    }
    if (call->item.err < 0) call->item.detail = call->failure.text;
    ri_list_remove(&call->link);
    ri_list_push(&bus->calls.over, &call->link);
}

/* How many run of its kind. */
static uint32_t *call_places(ri_bus_calls *calls, const ri_bus_call *call)
{
    return call->beside ? &calls->nbeside : &calls->nrunning;
}

static void call_fail(rill_bus *bus, ri_bus_call *call, int rc)
{
    call->item.err = ri_failure_keep(&call->failure, rc);
    call_over(bus, call);
}

/* Inside the gate. */
static void call_late(rill_bus *bus, ri_bus_timer *timer)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && !CALL_OF(timer, timer)->open);
    call_fail(bus, CALL_OF(timer, timer),
              ri_err(RILL_ETIMEDOUT, "%u calls that were begun before it are not over",
                     *call_places(&bus->calls, CALL_OF(timer, timer))));
}

static int call_enqueue(rill_bus *bus, ri_bus_call *call)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && !call->open);
    if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    if (bus->calls.n == RI_BUS_CALLS_MAX)
        return ri_err(RILL_EAGAIN, "%d calls are under way", RI_BUS_CALLS_MAX);
    call->timer.due = call_late;
    if (call->begin_ns != INT64_MAX &&
        ri_heap_set(&bus->timers, &call->timer.timer, call->begin_ns) < 0)
        return RILL_ENOMEM;
    ri_bus_ref(bus);
    atomic_store(&bus->calls.some, true);
    bus->calls.n++;
    ri_list_push(call->beside ? &bus->calls.waiting_beside : &bus->calls.waiting, &call->link);
    ri_bus_work(bus);
    return RILL_OK;
}

int ri_bus_call_start(ri_bus_call *call)
{
    rill_bus *bus = call->bus;
    RI_ASSERT(ri_bus_is_sound(bus) && call->run && call->free);
    int rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    call->item.kind = RILL_ITEM_DONE;
    call->item.arg = call->arg;
    call->beside = call->beside || bus->ops->sleeps;
    ri_broker_enter(bus->broker);
    rc = call_enqueue(bus, call);
    ri_broker_leave(bus->broker);
    return rc;
}

static int call_open(rill_bus *bus, ri_bus_call *call)
{
    RI_ASSERT(!call->open && !call->delivered);
    call->task.run = call_run;
    call->task.wake = call_wake;
    call->task.host = &bus->host;
    if (!call->beside) {
        call->task.may_yield = call_may_yield;
        return ri_task_open(&call->task);
    }
    ri_list_init(&call->job.link);
    call->job.run = call_run_beside;
    return ri_worker_put(&bus->calls.worker, &call->job);
}

/* Inside the gate: the list of those that wait and for which there is a place; NULL: none. */
static ri_list *call_beginners(ri_bus_calls *calls)
{
    RI_ASSERT(calls->nrunning <= RI_BUS_CALLS_RUN && calls->nbeside <= RI_BUS_CALLS_BESIDE);
    if (calls->nrunning < RI_BUS_CALLS_RUN && !ri_list_empty(&calls->waiting))
        return &calls->waiting;
    if (calls->nbeside < RI_BUS_CALLS_BESIDE && !ri_list_empty(&calls->waiting_beside))
        return &calls->waiting_beside;
    return NULL;
}

/* One of those that wait; NULL: there is none, or enough of its kind run. */
static ri_bus_call *call_take_place(rill_bus *bus)
{
    ri_bus_calls *calls = &bus->calls;
    ri_broker_enter(bus->broker);
    ri_list *list = call_beginners(calls);
    ri_bus_call *call = list ? CALL_OF(list->next, link) : NULL;
    if (call) {
        ri_list_remove(&call->link);
        ri_list_push(&calls->running, &call->link);
        ri_heap_cancel(&bus->timers, &call->timer.timer);
        ++*call_places(calls, call);
    }
    if (call && call->beside && !calls->has_worker) {
        ri_worker_init(&calls->worker, call_on_job, bus);
        calls->has_worker = true;
    }
    ri_broker_leave(bus->broker);
    return call;
}

/* The first of those that wait gets a stack; false: there is none, or enough of them run. */
static bool call_begin(rill_bus *bus)
{
    ri_bus_call *call = call_take_place(bus);
    if (!call) return false;
    int rc = call_open(bus, call);
    ri_broker_enter(bus->broker);
    call->open = rc == RILL_OK;
    if (rc < 0) {
        --*call_places(&bus->calls, call);
        call_fail(bus, call, rc);
    }
    ri_broker_leave(bus->broker);
    return true;
}

/* ---- Turns ---- */

/* Inside the gate: a call on the thread beside may sleep for an answer, or for room. */
static void call_wake_beside(rill_bus *bus)
{
    RI_ASSERT(bus->calls.has_worker);
    ri_bus_notify(bus);
    ri_park_signal(&bus->rest);
    ri_park_signal(&bus->broker->room);
}

/* Inside the gate. */
static void call_hurry(ri_bus_call *call)
{
    bool hurries = atomic_exchange(&call->task.hurry.now, true);
    if (!hurries && call->beside && call->open) call_wake_beside(call->bus);
}

/* Inside the gate. */
static bool call_is_ready(ri_bus_call *call, int64_t now_ns)
{
    if (now_ns >= call->until_ns) call_hurry(call);
    return call->open && !call->beside && ri_task_is_ready(&call->task, now_ns);
}

/* One that is ready, and had no turn in this round; NULL: none. */
static ri_bus_call *call_next(rill_bus *bus)
{
    ri_bus_call *next = NULL;
    ri_broker_enter(bus->broker);
    int64_t now_ns = ri_list_empty(&bus->calls.running) ? 0 : ri_mono_ns(&bus->host);
    ri_list_each (link, &bus->calls.running) {
        ri_bus_call *call = CALL_OF(link, link);
        if (next || call->round == bus->calls.round || !call_is_ready(call, now_ns)) continue;
        next = call;
        next->round = bus->calls.round;
    }
    ri_broker_leave(bus->broker);
    return next;
}

static void call_end(rill_bus *bus, ri_bus_call *call)
{
    RI_ASSERT(call->open && call->bus == bus);
    if (!call->beside) ri_task_close(&call->task);
    ri_broker_enter(bus->broker);
    RI_ASSERT(*call_places(&bus->calls, call) > 0);
    --*call_places(&bus->calls, call);
    call_over(bus, call);
    ri_broker_leave(bus->broker);
}

static void call_resume(rill_bus *bus, ri_bus_call *call)
{
    ri_bus_frame frame; /* a callback on the stack of the call may not wait for this bus */
    ri_bus_frame_push(&frame, bus, NULL);
    ri_bus_frame *outer = ri_bus_floor_swap(&frame);
    RI_ASSERT(call->open && !call->beside && bus->dispatching);
    bool over = ri_task_resume(&call->task);
    ri_bus_floor_swap(outer);
    ri_bus_frame_pop(&frame);
    if (over) call_end(bus, call);
}

void ri_bus_call_free(ri_bus_call *call)
{
    rill_bus *bus = call->bus;
    RI_ASSERT(bus && !ri_list_linked(&call->link));
    call->free(call);
    ri_bus_unref(bus);
}

static void call_answer(rill_bus *bus, ri_bus_call *call)
{
    ri_bus_frame frame;
    RI_ASSERT(call->done && !call->delivered);
    call->delivered = true;
    ri_bus_frame_push(&frame, bus, NULL);
    call->done(&call->item, call->arg);
    ri_bus_frame_pop(&frame);
    ri_bus_call_free(call);
}

/* The first that is over; NULL: there is none, or no room for it. */
static ri_bus_call *call_take(rill_bus *bus, bool drop)
{
    ri_broker_enter(bus->broker);
    ri_list *first = bus->calls.over.next;
    ri_bus_call *call = first == &bus->calls.over ? NULL : CALL_OF(first, link);
    if (call && !call->done && !drop && !ri_bus_reap_has_room(bus)) call = NULL;
    if (call) ri_list_remove(&call->link);
    ri_broker_leave(bus->broker);
    return call;
}

static int call_hand_over(rill_bus *bus, bool drop)
{
    int n = 0;
    for (ri_bus_call *call; (call = call_take(bus, drop)); n++) {
        if (call->done) call_answer(bus, call);
        else if (drop) ri_bus_call_free(call);
        else ri_bus_reap_call(bus, call);
    }
    return n;
}

int ri_bus_calls_turn(rill_bus *bus, bool drop)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_calls *calls = &bus->calls;
    if (ri_likely(!atomic_load_explicit(&calls->some, memory_order_relaxed))) return 0;
    while (call_begin(bus)) continue;
    calls->round++;
    for (ri_bus_call *call; (call = call_next(bus));) call_resume(bus, call);
    if (calls->has_worker)
        for (ri_job *job; (job = ri_worker_done(&calls->worker));)
            call_end(bus, CALL_OF(job, job));
    return call_hand_over(bus, drop);
}

bool ri_bus_calls_have_work(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    const ri_bus_calls *calls = &bus->calls;
    if (ri_likely(calls->n == 0)) return !ri_list_empty(&calls->over);
    if (!ri_list_empty(&calls->over)) return true;
    if (call_beginners(&bus->calls)) return true;
    if (calls->has_worker && ri_worker_has_done(&bus->calls.worker)) return true;
    int64_t now_ns = ri_mono_ns(&bus->host);
    ri_list_each (link, &calls->running)
        if (call_is_ready(CALL_OF(link, link), now_ns)) return true;
    return false;
}

int64_t ri_bus_calls_due_ns(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    int64_t due_ns = INT64_MAX;
    if (ri_likely(ri_list_empty(&bus->calls.running))) return -1;
    ri_list_each (link, &bus->calls.running) {
        const ri_bus_call *call = CALL_OF(link, link);
        int64_t one_ns = call->beside ? INT64_MAX : atomic_load(&call->task.due_ns);
        bool hurries = atomic_load(&call->task.hurry.now);
        due_ns = RI_MIN(due_ns, hurries ? one_ns : RI_MIN(one_ns, call->until_ns));
    }
    return due_ns == INT64_MAX ? -1 : ri_deadline_left_ns(&bus->host, due_ns);
}

bool ri_bus_calls_are_left(const rill_bus *bus)
{
    return bus->calls.n > 0 || !ri_list_empty(&bus->calls.over);
}

/* ---- Taken back ---- */

static int call_cancel_waiting(rill_bus *bus, ri_list *waiting, const void *arg)
{
    int n = 0;
    ri_list_each (link, waiting) {
        ri_bus_call *call = CALL_OF(link, link);
        if (call->arg != arg) continue;
        call->cancelled = true;
        call_fail(bus, call, RILL_ETIMEDOUT); /* which becomes RILL_ECANCELED */
        n++;
    }
    return n;
}

static int call_cancel_running(rill_bus *bus, const void *arg)
{
    int n = 0;
    ri_list_each (link, &bus->calls.running) {
        ri_bus_call *call = CALL_OF(link, link);
        if (call->arg != arg || call->cancelled) continue;
        call->cancelled = true;
        call_hurry(call);
        n++;
    }
    return n;
}

int ri_bus_call_cancel(rill_bus *bus, const void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus) && arg);
    ri_broker_enter(bus->broker);
    int n = call_cancel_waiting(bus, &bus->calls.waiting, arg) +
            call_cancel_waiting(bus, &bus->calls.waiting_beside, arg) +
            call_cancel_running(bus, arg);
    n += ri_bus_request_cancel(bus, arg) + ri_bus_append_cancel(bus, arg);
    if (n > 0) ri_bus_work(bus);
    ri_broker_leave(bus->broker);
    if (n > 0) ri_bus_ring(bus);
    return n;
}

static void call_fail_waiting(rill_bus *bus, ri_list *waiting)
{
    ri_list_each (link, waiting) {
        ri_err(RILL_ECLOSED, "the bus was closed");
        call_fail(bus, CALL_OF(link, link), RILL_ECLOSED);
    }
}

void ri_bus_calls_fail(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    call_fail_waiting(bus, &bus->calls.waiting);
    call_fail_waiting(bus, &bus->calls.waiting_beside);
    ri_list_each (link, &bus->calls.running)
        atomic_store(&CALL_OF(link, link)->task.hurry.now, true);
}
