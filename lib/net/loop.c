/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "net/thread.h"

/* A waker writes the eventfd only if the loop was about to sleep, so a loop that is busy, or
 * has been woken already, costs it one atomic exchange. */
enum loop_rest { LOOP_AWAKE, LOOP_ASLEEP, LOOP_WOKEN };

enum {
    LOOP_STACK = 1024 * 1024,    /* address space; the engine runs on it */
    LOOP_SPIN_AFTER = 4,         /* short sleeps in a row before the loop polls, at first ... */
    LOOP_SPIN_AFTER_MAX = 4096,  /* ... and at most */
    LOOP_SPIN_BYTES = 2048,      /* read in a turn, above which the next is not awaited so */
    LOOP_SWITCH_NS = 15000,      /* a sleep that woke no idle core takes less */
    LOOP_SPINS_MAX = 1000000,    /* polls in a row, should the host's clock stand still */
};

static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    ri_loop_had_event(arg);
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ri_loop *loop = arg;
    ri_loop_had_event(loop);
    loop->timer_due_ns = INT64_MAX; /* the turn looks at the heap in any case */
}

static int loop_open_base(ri_loop *loop)
{
    struct event_config *config = event_config_new();
    if (!config) return ri_err_nomem(sizeof(void *));
    /* One thread. Changes of interest are passed on at once: a list of them would still name a
     * descriptor that is closed meanwhile, and may be another thread's by then. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!loop->base) return ri_err(RILL_EIO, "libevent could not make an event base");
    return RILL_OK;
}

/* Polling pays if the awaited thread can run meanwhile, on another core. Where the call fails there
 * are more cores than a cpu_set_t has room for. */
static bool loop_has_cores(void)
{
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) < 0 || CPU_COUNT(&cores) > 1;
}

int ri_loop_init(ri_loop *loop, const ri_host *host, void (*on_turn)(void *arg), void *arg)
{
    RI_ASSERT(host && on_turn);
    *loop = (ri_loop){.host = host, .wake_fd = -1, .outer_fd = -1, .timer_due_ns = INT64_MAX,
                      .on_turn = on_turn, .arg = arg};
    ri_heap_init(&loop->timers, host);
    ri_list_init(&loop->soon);
    ri_list_init(&loop->ends);
    ri_list_init(&loop->host_link);
    loop->spins = loop_has_cores();
    loop->spin_after = LOOP_SPIN_AFTER;
    int rc = RILL_ENOMEM;
    if (!(loop->shared = ri_alloc(host, RI_LOOP_SHARED_SIZE))) goto fail;
    if ((rc = loop_open_base(loop)) < 0) goto fail;
    rc = RILL_EIO;
    if ((loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) {
        ri_err_os(rc, errno, "eventfd");
        goto fail;
    }
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_on_wake,
                                 loop);
    loop->timer_event = event_new(loop->base, -1, 0, loop_on_timer, loop);
    if (!loop->wake_event || !loop->timer_event || event_add(loop->wake_event, NULL) < 0) {
        ri_err(rc, "libevent could not make the loop's events");
        goto fail;
    }
    return RILL_OK;
fail:
    ri_loop_fini(loop);
    return rc;
}

/* libevent's timer follows the earliest of ours. It counts in whole milliseconds and may come
 * a little early; then the turn finds nothing due and it is set again. The turn before may have
 * taken long, as a commit does on a busy disk, so that the clock is read anew here. */
static void loop_arm_timer(ri_loop *loop)
{
    int64_t due_ns = ri_heap_next(&loop->timers);
    if (due_ns == loop->timer_due_ns) return;
    loop->timer_due_ns = due_ns;
    if (due_ns == INT64_MAX) {
        event_del(loop->timer_event);
        return;
    }
    int64_t wait_ns = ri_ns_add(RI_MAX(ri_ns_sub(due_ns, ri_mono_ns(loop->host)), 0),
                               RI_MS - 1);
    struct timeval wait = {wait_ns / RI_SEC, wait_ns % RI_SEC / 1000};
    event_add(loop->timer_event, &wait);
}

static void loop_run_timers(ri_loop *loop)
{
    if (loop->timers.len == 0) return;
    ri_timer *timer;
    while ((timer = ri_heap_due(&loop->timers, ri_loop_now(loop)))) {
        ri_loop_timer *t = ri_container_of(timer, ri_loop_timer, timer);
        t->fn(t);
    }
}

/* What these put into the row is for the next turn. */
static void loop_run_soon(ri_loop *loop)
{
    ri_list row, *item;
    ri_list_init(&row);
    ri_list_splice(&row, &loop->soon);
    while ((item = ri_list_pop(&row))) {
        ri_loop_soon *soon = ri_container_of(item, ri_loop_soon, link);
        soon->fn(soon);
    }
}

void ri_loop_call_put(ri_loop *loop, ri_loop_call *call)
{
    RI_ASSERT(call->fn);
    if (atomic_load(&call->called) || atomic_exchange(&call->called, true)) return;
    ri_loop_call *first = atomic_load(&loop->calls);
    do call->next = first;
    while (!atomic_compare_exchange_weak(&loop->calls, &first, call));
    ri_loop_wake(loop);
}

void ri_loop_run_calls(ri_loop *loop)
{
    ri_loop_call *call = atomic_exchange(&loop->calls, NULL);
    while (call) {
        ri_loop_call *next = call->next; /* once it is not called it may be put again */
        atomic_store(&call->called, false);
        call->fn(call);
        call = next;
    }
}

void ri_loop_run_ends(ri_loop *loop)
{
    RI_ASSERT(loop->host && loop->ends.next);
    for (ri_list *item; (item = ri_list_pop(&loop->ends));) {
        ri_loop_soon *end = ri_container_of(item, ri_loop_soon, link);
        end->fn(end);
    }
}

/* The events that are there now, once each; `sleep`: until there is one. Without EVLOOP_ONCE
 * libevent would not return while some descriptor is ready, which a peer who sends without end
 * sees to: the rest of the turn, commits among it, would never come. */
static void loop_events(ri_loop *loop, bool sleep)
{
    event_base_loop(loop->base, sleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* Sleep until there is an event, but not if somebody woke us since the last turn. */
static void loop_sleep(ri_loop *loop)
{
    int awake = LOOP_AWAKE;
    bool rests = atomic_compare_exchange_strong(&loop->rest, &awake, LOOP_ASLEEP);
    loop_events(loop, rests);
}

/* Look for events again and again; false if none came in time. */
static bool loop_poll(ri_loop *loop, int64_t from_ns, int64_t for_ns)
{
    uint64_t events = loop->events;
    for (int i = 0; i < LOOP_SPINS_MAX && ri_mono_ns(loop->host) - from_ns < for_ns; i++) {
        loop_events(loop, false);
        if (loop->events != events) return true;
        if (atomic_load_explicit(&loop->rest, memory_order_relaxed) == LOOP_WOKEN) return true;
    }
    return false;
}

/* What the sleep that began at `from_ns` says of polling. Being woken is part of it, ours and
 * that of whoever sent something since our answer woke him. One that took no longer than switching
 * threads takes shows that he runs on our core: polling would keep him from it. */
static void loop_learn(ri_loop *loop, int64_t from_ns)
{
    int64_t took_ns = ri_loop_now(loop) - from_ns;
    bool pays = took_ns > LOOP_SWITCH_NS && took_ns < 2 * RI_LOOP_SPIN_US * 1000LL;
    loop->short_sleeps = pays ? RI_MIN(loop->short_sleeps + 1, LOOP_SPIN_AFTER_MAX) : 0;
}

/* Until there is an event: polling first if that is asked for or is likely to pay. */
static void loop_wait(ri_loop *loop)
{
    loop->now_known = false;
    if (ri_unlikely(!ri_list_empty(&loop->soon))) {
        loop_events(loop, false);
        return;
    }
    int64_t from_ns = ri_mono_ns(loop->host);
    int64_t spin_ns = atomic_load_explicit(&loop->spin_ns, memory_order_relaxed);
    if (spin_ns) {
        if (!loop_poll(loop, from_ns, spin_ns)) loop_sleep(loop);
        return;
    }
    bool little = loop->read_bytes <= LOOP_SPIN_BYTES;
    loop->read_bytes = 0;
    if (loop->spins && little && loop->short_sleeps >= loop->spin_after) {
        if (loop_poll(loop, from_ns, RI_LOOP_SPIN_US * 1000LL)) {
            loop->spin_after = RI_MAX(loop->spin_after / 2, LOOP_SPIN_AFTER);
            return;
        }
        loop->spin_after = RI_MIN(loop->spin_after * 2, LOOP_SPIN_AFTER_MAX);
        loop->short_sleeps = 0;
    }
    loop_sleep(loop);
    loop_learn(loop, from_ns);
}

/* What a turn does behind the events of sockets. */
static void loop_handle(ri_loop *loop)
{
    ri_gate_stay_begin(RI_GATE_TURN);
    atomic_exchange(&loop->rest, LOOP_AWAKE);
    if (ri_unlikely(atomic_load(&loop->calls) != NULL)) ri_loop_run_calls(loop);
    if (ri_unlikely(!ri_list_empty(&loop->soon))) loop_run_soon(loop);
    loop_run_timers(loop);
    loop->on_turn(loop->arg);
    if (ri_unlikely(!ri_list_empty(&loop->ends))) ri_loop_run_ends(loop);
    ri_gate_stay_end(RI_GATE_TURN);
}

static void *loop_run(void *arg)
{
    ri_loop *loop = arg;
    while (!loop->stopped) {
        loop_arm_timer(loop);
        loop_wait(loop);
        loop_handle(loop);
    }
    return NULL;
}

void ri_loop_turn(ri_loop *loop)
{
    RI_ASSERT(!loop->started);
    loop->now_known = false;
    loop_events(loop, false);
    loop_handle(loop);
}

int ri_loop_outer_fd(ri_loop *loop)
{
    RI_ASSERT(!loop->started);
    if (loop->outer_fd >= 0) return loop->outer_fd;
    if ((loop->outer_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) return -errno;
    ri_loop_watched(loop, loop->wake_fd, EV_READ);
    return loop->outer_fd;
}

void ri_loop_watched(ri_loop *loop, int fd, int events)
{
    if (loop->outer_fd < 0) return;
    struct epoll_event ev = {.data.fd = fd};
    ev.events = (events & EV_READ ? EPOLLIN : 0u) | (events & EV_WRITE ? EPOLLOUT : 0u);
    if (!events) epoll_ctl(loop->outer_fd, EPOLL_CTL_DEL, fd, &ev);
    else if (epoll_ctl(loop->outer_fd, EPOLL_CTL_MOD, fd, &ev) < 0 && errno == ENOENT)
        epoll_ctl(loop->outer_fd, EPOLL_CTL_ADD, fd, &ev);
}

bool ri_loop_rest(ri_loop *loop)
{
    RI_ASSERT(!loop->started);
    int awake = LOOP_AWAKE;
    return atomic_compare_exchange_strong(&loop->rest, &awake, LOOP_ASLEEP) ||
           awake == LOOP_ASLEEP;
}

int64_t ri_loop_due_ns(ri_loop *loop)
{
    if (!ri_list_empty(&loop->soon)) return 0;
    if (atomic_load_explicit(&loop->rest, memory_order_relaxed) == LOOP_WOKEN) return 0;
    int64_t next = ri_heap_next(&loop->timers);
    if (next == INT64_MAX) return -1;
    return RI_MAX(ri_ns_sub(next, ri_mono_ns(loop->host)), 0);
}

int ri_loop_start(ri_loop *loop)
{
    RI_ASSERT(!loop->started);
    int err = ri_thread_start(&loop->thread, loop_run, loop, LOOP_STACK);
    if (err) return ri_err_os(RILL_EIO, err, "the loop's thread could not be started");
    loop->started = true;
    return RILL_OK;
}

void ri_loop_stop(ri_loop *loop)
{
    loop->stopped = true;
}

void ri_loop_join(ri_loop *loop)
{
    if (!loop->started) return;
    RI_ASSERT(!pthread_equal(pthread_self(), loop->thread));
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

void ri_loop_fini(ri_loop *loop)
{
    if (!loop->host) return;
    RI_ASSERT(!loop->started && !ri_list_linked(&loop->host_link));
    ri_loop_run_ends(loop);
    if (loop->annex) loop->annex->fini(loop->annex);
    if (loop->wake_event) event_free(loop->wake_event);
    if (loop->timer_event) event_free(loop->timer_event);
    if (loop->base) event_base_free(loop->base);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    if (loop->outer_fd >= 0) close(loop->outer_fd);
    ri_heap_fini(&loop->timers);
    ri_free(loop->host, loop->shared, RI_LOOP_SHARED_SIZE);
    *loop = (ri_loop){.wake_fd = -1, .outer_fd = -1};
}

void ri_loop_wake(ri_loop *loop)
{
    if (atomic_exchange(&loop->rest, LOOP_WOKEN) != LOOP_ASLEEP) return;
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

int64_t ri_loop_now(ri_loop *loop)
{
    if (!loop->now_known) {
        loop->now_ns = ri_mono_ns(loop->host);
        loop->now_known = true;
    }
    return loop->now_ns;
}

int ri_loop_timer_set(ri_loop *loop, ri_loop_timer *timer, int64_t due_ns)
{
    return ri_heap_set(&loop->timers, &timer->timer, due_ns);
}

void ri_loop_timer_cancel(ri_loop *loop, ri_loop_timer *timer)
{
    ri_heap_cancel(&loop->timers, &timer->timer);
}
