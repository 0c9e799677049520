/* SPDX-License-Identifier: Apache-2.0 */
/* A bus's life, its dispatcher, and the waits of its callers. See bus.h for the picture. */
#include "base/deadline.h"
#include "front/handle/peer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/handle/bus_reap.h"
#include "net/thread.h"

enum {
    BUS_BURST = 256,      /* callbacks of one subscription before the next one's turn */
    BUS_ANSWER_MS = 5000, /* that an answer is waited for */
};

/* The callbacks that this thread runs, by which a wait knows that it would wait for itself. Those
 * from the floor on are further out than the task that it runs. */
static _Thread_local ri_bus_frame *bus_frames RI_NEAR, *bus_floor RI_NEAR;

void ri_bus_frame_push(ri_bus_frame *frame, rill_bus *bus, rill_sub *sub)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    *frame = (ri_bus_frame){bus, sub, bus_frames};
    bus_frames = frame;
}

void ri_bus_frame_pop(ri_bus_frame *frame)
{
    RI_ASSERT(bus_frames == frame);
    bus_frames = frame->outer;
}

bool ri_bus_has_frames(void)
{
    return bus_frames != bus_floor;
}

ri_bus_frame *ri_bus_floor_swap(ri_bus_frame *floor)
{
    ri_bus_frame *before = bus_floor;
    bus_floor = floor;
    return before;
}

bool ri_bus_in_callback(const rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (!ri_bus_has_frames()) return false; /* a call of a task, which the program is not in */
    for (ri_bus_frame *f = bus_frames; f; f = f->outer)
        if (f->bus == bus) return true;
    return false;
}

bool ri_bus_in_callback_of(const rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    for (ri_bus_frame *f = bus_frames; f; f = f->outer)
        if (f->sub == sub) return true;
    return false;
}

void ri_bus_ref(rill_bus *bus)
{
    atomic_fetch_add_explicit(&bus->refs, 1, memory_order_relaxed);
}

static size_t bus_bytes(const ri_peer_ops *ops)
{
    RI_ASSERT(ops->bytes == 0 || ops->bytes >= sizeof(rill_bus));
    return ops->bytes ? ops->bytes : sizeof(rill_bus);
}

void ri_bus_unref(rill_bus *bus)
{
    if (atomic_fetch_sub_explicit(&bus->refs, 1, memory_order_acq_rel) != 1) return;
    ri_broker *broker = bus->broker;
    ri_bus_calls_fini(bus);
    if (bus->ops->fini) bus->ops->fini(bus);
    ri_bus_requests_fini(bus);
    ri_bus_asked_fini(&bus->asked, &bus->host);
    ri_bus_appends_fini(bus);
    ri_heap_fini(&bus->timers);
    ri_park_fini(&bus->park);
    ri_park_fini(&bus->quiet);
    ri_park_fini(&bus->rest);
    ri_park_fini(&bus->answer);
    bus->magic = 0;
    ri_host host = bus->host;
    ri_free(&host, bus->refused, sizeof *bus->refused);
    ri_free(&host, bus, bus_bytes(bus->ops));
    ri_broker_unref(broker);
}

/* ---- The dispatcher ---- */

/* The program hears of it once, until it looks. */
static void bus_ready(rill_bus *bus)
{
    if (!bus->on_ready || atomic_load(&bus->ended)) return;
    if (!atomic_exchange(&bus->readied, true)) bus->on_ready(bus->arg);
}

void ri_bus_ring(rill_bus *bus)
{
    ri_park_signal(&bus->park);
    bus_ready(bus);
}

void ri_bus_work(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (ri_unlikely(bus->on_ready != NULL)) bus_ready(bus);
    if (bus->sleeping) {
        bus->sleeping = false;
        ri_park_signal(&bus->park);
    } else if (bus->watched) {
        ri_park_signal(&bus->park);
    }
}

/* May an event be given now? */
static bool bus_takes_events(rill_bus *bus)
{
    return bus->on_event || ri_bus_reap_has_room(bus);
}

static void bus_give(rill_bus *bus, const rill_event *ev)
{
    if (!bus->on_event) {
        if (bus->reaping) ri_bus_reap_event(bus, ev);
        return;
    }
    ri_bus_frame frame;
    ri_bus_frame_push(&frame, bus, NULL);
    bus->on_event(bus, ev, bus->arg);
    ri_bus_frame_pop(&frame);
}

static const char *const bus_event_texts[] = {
    [RILL_EV_UP] = "the bus is open",
    [RILL_EV_DOWN] = "the broker of this bus was closed",
    [RILL_EV_CLOSED] = "the bus is closed",
};

void ri_bus_trouble(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (!ri_bus_hears(bus)) return;
    bus->events |= 1u << RILL_EV_ERROR;
    ri_bus_work(bus);
}

void ri_bus_report_refused(rill_bus *bus, const ri_failure *refused)
{
    if (!ri_bus_hears(bus)) return;
    if (!bus->refused) bus->refused = ri_new(&bus->host, ri_failure);
    if (bus->refused) *bus->refused = *refused;
    bus->refusals++;
    ri_bus_trouble(bus);
}

/* One event about the bus itself; 1 if there was one. Enters and leaves the gate. */
static int bus_bus_event(rill_bus *bus)
{
    rill_event ev = {0};
    ri_failure trouble;
    if (!bus_takes_events(bus)) return 0;
    ri_broker_enter(bus->broker);
    for (int kind = RILL_EV_UP; kind < RILL_EV_CLOSED; kind++)
        if (!ev.kind && (bus->events & (1u << kind))) ev.kind = (rill_event_kind)kind;
    ev.detail = bus_event_texts[ev.kind];
    ev.err = ev.kind == RILL_EV_DOWN ? RILL_ECLOSED : RILL_OK;
    bool more = ev.kind == RILL_EV_ERROR && bus->refusals;
    if (more) {
        trouble = bus->refused ? *bus->refused : (ri_failure){RILL_ENOMEM, "it was refused"};
        ev.count = bus->refusals;
        bus->refusals = 0;
    } else if (ev.kind == RILL_EV_ERROR) {
        more = bus->ops->event && bus->ops->event(bus, &ev, &trouble);
    }
    if (more) {
        if (trouble.code) /* else it is good news */
            ri_failure_keep(&trouble, ri_bus_words_say(ri_failure_restore(&trouble)));
        ev.err = trouble.code; /* and the bit stays: there may be another event */
        ev.detail = trouble.text;
    } else {
        bus->events &= ~(1u << ev.kind);
        if (ev.kind == RILL_EV_ERROR) ev.kind = (rill_event_kind)0;
    }
    ri_broker_leave(bus->broker);
    if (!ev.kind) return 0;
    bus_give(bus, &ev);
    return 1;
}

static int bus_slow_event(rill_bus *bus)
{
    rill_event ev;
    char text[160];
    bool some = false;
    if (!bus_takes_events(bus)) return 0;
    ri_broker_enter(bus->broker);
    ri_list *link = ri_list_pop(&bus->slow);
    if (link) {
        some = ri_bus_sub_slow_event(ri_container_of(link, rill_sub, slow_link), &ev, text,
                                   sizeof text);
    } else if (bus->lost_msgs) {
        snprintf(text, sizeof text, "%" PRIu64 " messages were dropped before their subscriptions "
                 "were closed", bus->lost_msgs);
        ev = (rill_event){.kind = RILL_EV_SLOW, .count = bus->lost_msgs, .detail = text};
        bus->lost_msgs = 0;
        some = true;
    }
    ri_broker_leave(bus->broker);
    if (some) bus_give(bus, &ev);
    return some;
}

/* A burst of one subscription's callbacks. */
static int bus_run_ready(rill_bus *bus)
{
    rill_sub *sub = NULL;
    ri_broker_enter(bus->broker);
    while (!sub) {
        ri_list *link = ri_list_pop(&bus->ready);
        if (!link) break;
        sub = ri_container_of(link, rill_sub, ready_link);
        if (!ri_bus_sub_start(sub)) { /* the thread that runs its callbacks takes what is queued */
            ri_bus_sub_call_runner(sub);
            sub = NULL;
        }
    }
    ri_broker_leave(bus->broker);
    if (!sub) return 0;
    int ran = ri_bus_sub_run(sub, BUS_BURST);
    ri_broker_enter(bus->broker);
    bool again = ri_bus_sub_owes_end(sub);
    if (!ri_bus_sub_rest(sub) || again) { /* more is queued: behind the others */
        atomic_store(&sub->run, 0);
        ri_list_push(&bus->ready, &sub->ready_link);
    }
    ri_broker_leave(bus->broker);
    return ran ? ran : 1;
}

/* Nobody may have items of this bus now. */
static bool bus_is_full(rill_bus *bus)
{
    return bus->reap && !ri_bus_reap_has_room(bus);
}

/* What is due, by its kind. */
enum { BUS_EVENTS = 1, BUS_SLOW = 2, BUS_ANSWERED = 4, BUS_STORED = 8, BUS_JOBS = 16,
       BUS_READY = 32 };

static unsigned bus_callbacks(const rill_bus *bus) /* inside the gate */
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return (bus->events ? BUS_EVENTS : 0) |
           (bus->lost_msgs || !ri_list_empty(&bus->slow) ? BUS_SLOW : 0) |
           (ri_list_empty(&bus->answered) ? 0 : BUS_ANSWERED) |
           (ri_list_empty(&bus->stored) ? 0 : BUS_STORED) |
           (ri_list_empty(&bus->due_jobs) ? 0 : BUS_JOBS) |
           (ri_list_empty(&bus->ready) ? 0 : BUS_READY);
}

/* All that is due, once round; how many callbacks and items. One look finds it, since each visit
 * to the gate keeps publishers from it. */
static int bus_turn(rill_bus *bus)
{
    int ran = 0, n;
    ri_broker_enter(bus->broker);
    unsigned due = bus_callbacks(bus);
    ri_broker_leave(bus->broker);
    if (due & BUS_EVENTS) while ((n = bus_bus_event(bus))) ran += n;
    if (due & BUS_SLOW) while ((n = bus_slow_event(bus))) ran += n;
    if (due & BUS_ANSWERED) ran += ri_bus_request_hand_over(bus);
    if (due & BUS_STORED) ran += ri_bus_append_hand_over(bus);
    if (due & BUS_JOBS) ran += ri_bus_jobs_run(bus);
    ran += ri_bus_calls_turn(bus, false);
    if ((due & BUS_READY) && !bus_is_full(bus)) ran += bus_run_ready(bus);
    return ran;
}

static bool bus_has_callbacks(const rill_bus *bus) /* inside the gate */
{
    return bus_callbacks(bus) || ri_heap_next(&bus->timers) <= ri_mono_ns(&bus->host);
}

bool ri_bus_has_rest(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_list_each (link, &bus->subs)
        if (ri_bus_sub_is_busy(ri_container_of(link, rill_sub, link))) return false;
    return !bus_has_callbacks(bus);
}

static bool bus_has_work(rill_bus *bus) /* inside the gate */
{
    return bus_has_callbacks(bus) || ri_bus_calls_have_work(bus);
}

/* Inside the gate: what the caller's thread does for the peer. */
static void bus_drive(rill_bus *bus)
{
    if (bus->drive == RILL_DRIVE_HOST && bus->ops->turn) bus->ops->turn(bus);
}

/* Inside the gate: what was to be answered by now counts as late. */
static void bus_expire(rill_bus *bus)
{
    ri_timer *timer;
    int64_t now = bus->timers.len ? ri_mono_ns(&bus->host) : 0;
    while ((timer = ri_heap_due(&bus->timers, now))) {
        ri_bus_timer *due = ri_container_of(timer, ri_bus_timer, timer);
        due->due(bus, due);
    }
}

/* Turns, until there is nothing to do, or the thread, which is the program's, has other work. */
static int bus_turns(rill_bus *bus)
{
    int ran = 0, n;
    bool lent = bus->reap || bus->drive == RILL_DRIVE_HOST;
    while ((n = bus_turn(bus)) > 0) {
        ran += n;
        if (bus_is_full(bus) || (ran >= BUS_BURST && lent)) break;
    }
    return ran;
}

static int64_t bus_sooner(int64_t a, int64_t b) /* of two timeouts; < 0 is never */
{
    if (a < 0) return b;
    return b < 0 ? a : RI_MIN(a, b);
}

/* Inside the gate: until the peer's turn; -1: it needs none. */
static int64_t bus_peer_due_ns(rill_bus *bus)
{
    return bus->drive == RILL_DRIVE_HOST && bus->ops->due_ns ? bus->ops->due_ns(bus) : -1;
}

static void bus_nap(rill_bus *bus, uint32_t seen, int64_t timeout_ns)
{
    if (bus->drive == RILL_DRIVE_HOST && bus->ops->sleep) bus->ops->sleep(bus, seen, timeout_ns);
    else ri_park_wait(&bus->park, seen, timeout_ns);
}

/* Inside the gate: how long the end of calls is waited for. Those that run here hurry, and end;
 * one on the thread beside may be in a function of the program's, which nobody can end. */
static int64_t bus_finish_left_ns(const rill_bus *bus)
{
    return bus->calls.nrunning > 0 ? -1 : ri_deadline_left_ns(&bus->host, bus->finish_ns);
}

/* The bus is shut: calls that were begun go to their end before the dispatcher does, unless none
 * but those on the thread beside are left and rill_close() has no time. Items of theirs are
 * dropped: nobody reaps any more. `drives`: this thread is one that may drive the peer. */
static void bus_finish_calls(rill_bus *bus, bool drives)
{
    RI_ASSERT(bus->dispatching && atomic_load(&bus->closed));
    for (;;) {
        uint32_t seen = ri_park_count(&bus->park);
        ri_bus_calls_turn(bus, true);
        ri_broker_enter(bus->broker);
        if (drives) bus_drive(bus);
        bool left = ri_bus_calls_are_left(bus);
        bool work = ri_bus_calls_have_work(bus);
        int64_t time = bus_finish_left_ns(bus);
        int64_t due = bus_sooner(drives ? bus_peer_due_ns(bus) : -1, ri_bus_calls_due_ns(bus));
        ri_broker_leave(bus->broker);
        if (!left || time == 0) return;
        if (work || due == 0) continue;
        if (drives) bus_nap(bus, seen, bus_sooner(due, time));
        else ri_park_wait(&bus->park, seen, bus_sooner(due, time));
    }
}

int ri_bus_dispatch_reaping(rill_bus *bus, ri_bus_reaping *reaping)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_broker_enter(bus->broker);
    bus_drive(bus);
    bus_expire(bus);
    bool busy = bus->dispatching;
    bool drives = bus->reap && !reaping && !atomic_load(&bus->closed); /* and runs nothing */
    if (!busy && !drives) {
        bus->dispatching = true;
        bus->reaping = reaping;
    }
    if (bus->watched && !drives) ri_park_calm(&bus->park);
    ri_broker_leave(bus->broker);
    if (busy) return ri_err(RILL_EBUSY, "another thread runs the callbacks of this bus");
    if (drives) return 0;
    if (reaping || !bus->reap) atomic_store(&bus->readied, false);
    int ran = reaping || !bus->reap ? bus_turns(bus) : 0;
    /* While somebody reaps nobody else can do it, and rill_close() waits for him. */
    if (ri_unlikely(atomic_load(&bus->closed)) && (!reaping || atomic_load(&bus->ended)))
        bus_finish_calls(bus, true);
    ri_broker_enter(bus->broker);
    bus->reaping = NULL;
    bus->dispatching = false;
    if ((bus->watched || bus->on_ready) && bus_has_work(bus)) { /* new, or without room before */
        if (bus->watched) ri_park_signal(&bus->park);
        bus_ready(bus);
    }
    ri_park_signal(&bus->quiet);
    if (ri_unlikely(bus->draining) && ri_bus_has_rest(bus)) ri_park_signal(&bus->rest);
    ri_broker_leave(bus->broker);
    return ran;
}

int ri_bus_dispatch(rill_bus *bus)
{
    return ri_bus_dispatch_reaping(bus, NULL);
}

/* Inside the gate: until what needs no dispatcher is due. */
static int64_t bus_driving_due_ns(rill_bus *bus)
{
    int64_t due = bus_peer_due_ns(bus);
    int64_t next = ri_heap_next(&bus->timers);
    if (next != INT64_MAX)
        due = bus_sooner(due, RI_MAX(ri_ns_sub(next, ri_mono_ns(&bus->host)), 0));
    return due;
}

int64_t ri_bus_due_ns(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (bus_has_work(bus)) return 0;
    return bus_sooner(bus_driving_due_ns(bus), ri_bus_calls_due_ns(bus));
}

/* A signal that comes behind the look at the work is not missed: the count was read before. */
void ri_bus_doze(rill_bus *bus, int64_t timeout_ns)
{
    ri_broker_enter(bus->broker);
    uint32_t seen = ri_park_count(&bus->park);
    int64_t due = ri_bus_due_ns(bus);
    bool sleep = due != 0 && !atomic_load(&bus->closed);
    bus->sleeping = sleep;
    ri_broker_leave(bus->broker);
    if (sleep) bus_nap(bus, seen, bus_sooner(due, timeout_ns));
}

/* What was dropped, and that it is over. */
static void bus_say_closed(rill_bus *bus)
{
    RI_ASSERT(atomic_load(&bus->closed));
    if (!bus->on_event) return;
    ri_broker_enter(bus->broker);
    ri_list_each (link, &bus->subs)
        ri_bus_sub_abandon(ri_container_of(link, rill_sub, link));
    ri_broker_leave(bus->broker);
    while (bus_slow_event(bus)) continue;
    bus_give(bus, &(rill_event){.kind = RILL_EV_CLOSED,
                                  .detail = bus_event_texts[RILL_EV_CLOSED]});
}

/* The last that the program hears: answers that the close has made, what was dropped, the end. */
static void bus_last_words(rill_bus *bus)
{
    if (ri_bus_dispatch(bus) >= 0) bus_say_closed(bus);
}

static void *bus_thread(void *arg)
{
    rill_bus *bus = arg;
    while (!atomic_load(&bus->closed)) {
        if (ri_bus_dispatch(bus) < 0) break;
        ri_bus_doze(bus, -1);
    }
    bus_last_words(bus);
    ri_broker_enter(bus->broker);
    bus->finished = true;
    ri_park_signal(&bus->quiet);
    ri_broker_leave(bus->broker);
    ri_bus_unref(bus);
    return NULL;
}

/* Calls on the thread beside that were not over in time are waited for here. Threads of the
 * program's alone drive the peer: wires and logins run nowhere else. */
static void *bus_finish_thread(void *arg)
{
    rill_bus *bus = arg;
    RI_ASSERT(atomic_load(&bus->ended));
    bus_finish_calls(bus, false);
    ri_broker_enter(bus->broker);
    bus->dispatching = false;
    ri_bus_rested(bus);
    ri_broker_leave(bus->broker);
    bus_say_closed(bus);
    ri_bus_unref(bus);
    return NULL;
}

/* A thread for them, which dispatches from now on; false: there can be none. */
static bool bus_finish_elsewhere(rill_bus *bus)
{
    pthread_t thread;
    RI_ASSERT(bus->dispatching && bus->finish_ns == INT64_MAX);
    ri_bus_ref(bus); /* the thread's */
    if (ri_thread_start(&thread, bus_finish_thread, bus, 0) == 0) {
        pthread_detach(thread);
        return true;
    }
    ri_broker_enter(bus->broker);
    bus->dispatching = false;
    ri_broker_leave(bus->broker);
    ri_bus_unref(bus);
    return false;
}

/* The last words of a bus without a thread of its own. False: a call on the thread beside is not
 * over at that time, and they are another thread's. If there can be none they are waited for. */
static bool bus_finish(rill_bus *bus, int64_t until_ns)
{
    ri_broker_enter(bus->broker);
    bus->finish_ns = until_ns;
    ri_broker_leave(bus->broker);
    ri_bus_dispatch(bus);
    ri_broker_enter(bus->broker);
    bool left = ri_bus_calls_are_left(bus) && !bus->dispatching;
    RI_ASSERT(!left || bus->calls.nbeside > 0);
    if (left) bus->dispatching = true;
    bus->finish_ns = INT64_MAX;
    ri_broker_leave(bus->broker);
    if (left && bus_finish_elsewhere(bus)) return false;
    bus_last_words(bus);
    return true;
}

int ri_bus_need_thread(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (bus->drive != RILL_DRIVE_THREAD || bus->reap) return RILL_OK;
    int rc = RILL_OK;
    ri_broker_enter(bus->broker);
    if (!bus->has_thread) {
        ri_bus_ref(bus); /* the thread's */
        int err = ri_thread_start(&bus->thread, bus_thread, bus, 0);
        bus->has_thread = err == 0;
        if (err) rc = ri_err_os(RILL_ENOMEM, err, "start the thread that runs callbacks");
    }
    ri_broker_leave(bus->broker);
    if (rc < 0) ri_bus_unref(bus);
    return rc;
}

int ri_bus_poll(rill_bus *bus, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    int ran = ri_bus_dispatch(bus);
    if (ran != 0 || timeout_ns == 0) return ran;
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    while (ran == 0) {
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus was closed");
        if (left == 0) return 0;
        ri_bus_doze(bus, left);
        ran = ri_bus_dispatch(bus);
    }
    return ran;
}

/* Under RILL_DRIVE_HOST whoever waits is the dispatcher: what ends the wait signals `park` and,
 * by ri_bus_work(), the bus's own park, which is where this sleeps. */
static bool bus_sleep_driving(rill_bus *bus, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    for (;;) {
        int ran = ri_bus_dispatch(bus);
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        ri_broker_enter(bus->broker);
        /* Callbacks that another thread runs, or this one further out, are not ours to wait for. */
        int64_t due = ran < 0 ? bus_peer_due_ns(bus)
                      : bus->reap ? bus_driving_due_ns(bus) : ri_bus_due_ns(bus);
        bool changed = ri_park_count(park) != seen;
        uint32_t bus_seen = ri_park_count(&bus->park);
        bus->sleeping = true;
        ri_broker_leave(bus->broker);
        if (changed) return true;
        if (left == 0) return false;
        if (ran <= 0) bus_nap(bus, bus_seen, bus_sooner(due, left));
    }
}

bool ri_bus_sleep(rill_bus *bus, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (bus->drive == RILL_DRIVE_THREAD || ri_bus_call_gives_way())
        return ri_park_wait(park, seen, timeout_ns);
    return bus_sleep_driving(bus, park, seen, timeout_ns);
}

void ri_bus_rested(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_park_signal(&bus->quiet);
    ri_park_signal(&bus->rest);
}

void ri_bus_notify(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_park_signal(&bus->answer);
    if (bus->drive == RILL_DRIVE_HOST) ri_bus_work(bus);
}

bool ri_bus_await(rill_bus *bus, const bool *over, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (bus->ops->await) return *over || bus->ops->await(bus, over, timeout_ns);
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    bool late = false;
    while (!*over && !late && !atomic_load(&bus->closed)) {
        uint32_t seen = ri_park_count(&bus->answer);
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        ri_broker_leave(bus->broker);
        late = !ri_bus_sleep(bus, &bus->answer, seen, left);
        ri_broker_enter(bus->broker);
    }
    return *over;
}

int ri_bus_enter(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (bus->ops->enter) return bus->ops->enter(bus);
    ri_broker_enter(bus->broker);
    if (!atomic_load(&bus->closed)) return RILL_OK;
    ri_broker_leave(bus->broker);
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

int ri_bus_enter_append(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    return bus->ops->enter_append ? bus->ops->enter_append(bus) : ri_bus_enter(bus);
}

int ri_bus_fd(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_broker_enter(bus->broker);
    bool peers = bus->drive == RILL_DRIVE_HOST && bus->ops->fd;
    int fd = peers ? bus->ops->fd(bus) : ri_park_fd(&bus->park);
    if (fd >= 0) bus->watched = true;
    if (fd >= 0 && bus_has_work(bus)) ri_park_signal(&bus->park);
    ri_broker_leave(bus->broker);
    return fd;
}

void ri_bus_shut(rill_bus *bus)
{
    if (atomic_load(&bus->closed)) return;
    atomic_store(&bus->closed, true);
    ri_list_each (link, &bus->subs) {
        rill_sub *sub = ri_container_of(link, rill_sub, link);
        ri_bus_sub_end(sub);
        ri_bus_sub_call_runner(sub); /* the close waits for the runner */
    }
    ri_bus_requests_fail(bus);
    ri_bus_appends_fail(bus);
    ri_bus_jobs_shut(bus);
    ri_bus_calls_fail(bus);
    if (bus->ops->shut) bus->ops->shut(bus);
    ri_party_fini(&bus->party);
    ri_member_leave(&bus->member);
    bus->sleeping = false;
    ri_park_signal(&bus->park);
    ri_park_signal(&bus->answer);
    ri_park_signal(&bus->rest);
    ri_park_signal(&bus->broker->room);
}

/* ---- The bus as a member of its broker: inside the gate ---- */

#define BUS_OF(pointer) ri_container_of(pointer, rill_bus, member)

static void bus_member_gone(ri_member *member)
{
    BUS_OF(member)->events |= 1u << RILL_EV_DOWN;
    ri_bus_shut(BUS_OF(member));
}

static void bus_member_work(ri_member *member)
{
    ri_bus_work(BUS_OF(member));
}

static void bus_member_trouble(ri_member *member)
{
    ri_bus_trouble(BUS_OF(member));
}

static void bus_member_settle(ri_member *member)
{
    for (ri_list *link; (link = ri_list_pop(&BUS_OF(member)->deferred));)
        ri_bus_sub_end(ri_container_of(link, rill_sub, deferred_link));
}

static void bus_member_ask_again(ri_member *member)
{
    ri_bus_consume_again(BUS_OF(member));
}

static uint64_t bus_member_most_pending(const ri_member *member)
{
    uint64_t most = 0;
    ri_list_each (link, &BUS_OF(member)->subs) {
        const rill_sub *sub = ri_container_of(link, rill_sub, link);
        most = RI_MAX(most, sub->pushed_bytes - atomic_load(&sub->popped_bytes));
    }
    return most;
}

static const ri_member_ops bus_member = {
    .gone = bus_member_gone,
    .work = bus_member_work,
    .trouble = bus_member_trouble,
    .settle = bus_member_settle,
    .ask_again = bus_member_ask_again,
    .most_pending = bus_member_most_pending,
};

/* ---- Open and close ---- */

static void bus_init(rill_bus *bus, const ri_peer_ops *ops, ri_broker *broker,
                     const rill_opts *opts)
{
    bus->magic = RI_BUS_MAGIC;
    bus->ops = ops;
    bus->stamp = broker->stamp;
    atomic_init(&bus->refs, 1);
    bus->broker = broker;
    if (opts->host)
        ri_host_init(&bus->host, opts->host);
    else
        bus->host = broker->host;
    bus->drive = opts->drive;
    bus->on_event = opts->on_event;
    bus->arg = opts->arg;
    bus->on_ready = opts->on_ready;
    bus->reap = opts->reap;
    bus->send_timeout_ms = opts->send_timeout_ms;
    bus->finish_ns = INT64_MAX;
    bus->answer_ns = ri_ns_of_ms(opts->call_timeout_ms ? opts->call_timeout_ms : BUS_ANSWER_MS);
    ri_member_init(&bus->member, &bus_member);
    ri_list_init(&bus->deferred);
    ri_list_init(&bus->asking);
    ri_list_init(&bus->subs);
    ri_list_init(&bus->ready);
    ri_list_init(&bus->slow);
    ri_list_init(&bus->jobs);
    ri_list_init(&bus->due_jobs);
    ri_list_init(&bus->answered);
    ri_list_init(&bus->appending);
    ri_list_init(&bus->stored);
    ri_list_init(&bus->held);
    ri_list_init(&bus->spare);
    ri_list_init(&bus->strays);
    ri_bus_calls_init(bus);
    ri_heap_init(&bus->timers, &bus->host);
    ri_map_init(&bus->requests, &bus->host, ri_bus_request_same);
    ri_park_init(&bus->park);
    ri_park_init(&bus->quiet);
    ri_park_init(&bus->rest);
    ri_park_init(&bus->answer);
    if (ri_bus_hears(bus) && !ops->late) bus->events = 1u << RILL_EV_UP;
}

/* Are all callbacks over, and no more to come? Inside the gate. */
static bool bus_is_quiet(rill_bus *bus)
{
    ri_list_each (link, &bus->subs)
        if (atomic_load(&ri_container_of(link, rill_sub, link)->run)) return false;
    return !bus->dispatching && (!bus->has_thread || bus->finished);
}

static bool bus_wait_quiet(rill_bus *bus, int64_t timeout_ns)
{
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    for (;;) {
        ri_broker_enter(bus->broker);
        bool quiet = bus_is_quiet(bus);
        uint32_t seen = ri_park_count(&bus->quiet);
        ri_broker_leave(bus->broker);
        if (quiet) return true;
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        if (left == 0) return false;
        ri_park_wait(&bus->quiet, seen, left);
    }
}

/* Nothing of it is heard any more, unless a callback still runs after `timeout_ns`: false. */
static bool bus_end(rill_bus *bus, int64_t timeout_ns)
{
    ri_broker_enter(bus->broker);
    atomic_store(&bus->ended, true);
    ri_bus_shut(bus);
    ri_broker_leave(bus->broker);
    if (bus->ops->let_go) bus->ops->let_go(bus);
    int64_t until_ns = ri_deadline_in(&bus->host, timeout_ns);
    bool quiet = bus_wait_quiet(bus, timeout_ns);
    if (bus->has_thread) {
        if (quiet)
            pthread_join(bus->thread, NULL);
        else
            pthread_detach(bus->thread);
    } else if (!bus_finish(bus, until_ns)) {
        quiet = false;
    }
    ri_bus_unref(bus);
    return quiet;
}

int ri_bus_make(rill_bus **out, const ri_peer_ops *ops, ri_broker *broker, const rill_opts *opts)
{
    static const rill_opts defaults = {.size = sizeof defaults};
    if (!opts) opts = &defaults;
    ri_host host;
    ri_host_init(&host, opts->host);
    rill_bus *bus = ri_calloc(opts->host ? &host : &broker->host, bus_bytes(ops));
    if (!bus) return RILL_ENOMEM;
    ri_broker_ref(broker);
    bus_init(bus, ops, broker, opts);
    ri_broker_enter(broker);
    bool closed = broker->closed;
    ri_nuid_init(&bus->nuid, &bus->host);
    ri_party_init(&bus->party, &broker->router, &ri_bus_client_ops);
    bus->party.local = true;
    if (!closed) ri_list_push(&broker->members, &bus->member.link);
    if (ops->event) ri_bus_trouble(bus); /* what the peer found before the bus was opened */
    ri_broker_leave(broker);
    if (closed) return ri_bus_give_up(bus, ri_err(RILL_ECLOSED, "the broker is closed"));
    *out = bus;
    return RILL_OK;
}

int ri_bus_begin(rill_bus *bus)
{
    int rc = bus->on_event ? ri_bus_need_thread(bus) : RILL_OK;
    return rc < 0 ? ri_bus_give_up(bus, rc) : RILL_OK;
}

int ri_bus_open(rill_bus **out, const ri_peer_ops *ops, ri_broker *broker, const rill_opts *opts)
{
    rill_bus *bus;
    int rc = ri_bus_make(&bus, ops, broker, opts);
    if (rc == RILL_OK && (rc = ri_bus_begin(bus)) == RILL_OK) *out = bus;
    return rc;
}

int ri_bus_open_alone(rill_bus **bus, const ri_peer_ops *ops, uint32_t max_msg_bytes,
                      const rill_opts *opts)
{
    ri_broker *broker = NULL;
    rill_broker_opts broker_opts = {.size = sizeof broker_opts, .host = opts->host,
                                    .max_msg_bytes = max_msg_bytes};
    int rc = ri_broker_new(&broker, &broker_opts);
    if (rc < 0) return rc;
    rc = ri_bus_open(bus, ops, broker, opts);
    ri_broker_unref(broker); /* the bus has its own reference */
    return rc;
}

int ri_bus_give_up(rill_bus *bus, int rc)
{
    RI_ASSERT(rc < 0);
    ri_failure why;
    ri_failure_keep(&why, rc);
    bus_end(bus, -1); /* the program may free what its callbacks stand on */
    return ri_failure_restore(&why);
}

int ri_bus_close(rill_bus *bus, int timeout_ms)
{
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot close it");
    int rc = RILL_OK;
    if (!atomic_load(&bus->closed)) {
        if (!ri_bus_appends_wait(bus, ri_timeout_ns(timeout_ms)))
            rc = ri_err(RILL_ETIMEDOUT, "some appends were not committed in time");
        if (rc == RILL_OK) rc = bus->ops->flush(bus, timeout_ms, false);
    }
    if (!bus_end(bus, ri_timeout_ns(timeout_ms)))
        return ri_err(RILL_ETIMEDOUT, "a callback, or a call that was begun, still runs; it keeps "
                      "what it needs");
    return rc;
}
