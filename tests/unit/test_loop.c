/* SPDX-License-Identifier: Apache-2.0 */
/* The loop alone: wakes are neither lost nor repeated for ever, timers come in order and not too
 * early, and one that has nothing to do takes no turns. */
#include <event2/event.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/saturate.h"
#include "net/loop.h"
#include "net/park.h"
#include "support/fault.h"
#include "support/suite.h"

enum { WAIT_MS = 20000, TIMERS = 20 };

typedef struct bench {
    ri_host host;
    ri_loop loop;
    ri_park turned;     /* signalled at each turn */
    atomic_uint turns;
    atomic_uint asked;  /* by the test, before a wake */
    atomic_uint seen;   /* of `asked`, at the last turn */
    atomic_bool quit;
    ri_loop_timer timers[TIMERS];
    int64_t due_ns[TIMERS];
    int order[TIMERS];
    atomic_int fired;
    bool early;
} bench;

static void bench_on_turn(void *arg)
{
    bench *b = arg;
    atomic_fetch_add(&b->turns, 1);
    atomic_store(&b->seen, atomic_load(&b->asked));
    if (atomic_load(&b->quit)) ri_loop_stop(&b->loop);
    ri_park_signal(&b->turned);
}

static bench *bench_here; /* timers carry no argument: their place in this one tells which */

static void bench_on_timer(ri_loop_timer *timer)
{
    bench *b = bench_here;
    int i = (int)(timer - b->timers);
    if (ri_mono_ns(&b->host) < b->due_ns[i]) b->early = true;
    b->order[atomic_load(&b->fired)] = i;
    atomic_fetch_add(&b->fired, 1);
}

static void bench_open(bench *b, const ri_host *host)
{
    *b = (bench){.host = *host};
    ri_park_init(&b->turned);
}

static void bench_stop(bench *b)
{
    if (!b->loop.started) return;
    atomic_store(&b->quit, true);
    ri_loop_wake(&b->loop);
    ri_loop_join(&b->loop);
}

static void bench_close(bench *b)
{
    bench_stop(b);
    ri_loop_fini(&b->loop);
    ri_park_fini(&b->turned);
}

#define BENCH_WAIT(b, condition)                                          \
    do {                                                                  \
        int64_t until_ = ri_mono_ns(&(b)->host) + WAIT_MS * RI_MS;         \
        for (;;) {                                                        \
            uint32_t count_ = ri_park_count(&(b)->turned);                \
            if (condition) break;                                         \
            ck_assert_msg(ri_mono_ns(&(b)->host) < until_, "in vain: " #condition); \
            ri_park_wait(&(b)->turned, count_, 100 * RI_MS);              \
        }                                                                 \
    } while (0)

/* Whatever the loop is doing when it is woken, a turn follows that sees what was done before. */
START_TEST(wakes)
{
    bench b;
    ri_host host;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    ck_assert_ok(ri_loop_start(&b.loop));
    for (unsigned i = 1; i <= 20000; i++) {
        atomic_store(&b.asked, i);
        ri_loop_wake(&b.loop);
        if (i % 3 == 0) BENCH_WAIT(&b, atomic_load(&b.seen) == i);
    }
    BENCH_WAIT(&b, atomic_load(&b.seen) == 20000);
    bench_close(&b);
}
END_TEST

/* Once the last turn is over, which may take as long as others have the processor, the loop takes
 * none for 300 ms. */
static void bench_rests(bench *b)
{
    unsigned turns, before = atomic_load(&b->turns);
    for (int i = 0; i < 100; i++, before = turns) {
        poll(NULL, 0, 100);
        turns = atomic_load(&b->turns);
        if (turns == before) break;
    }
    poll(NULL, 0, 300);
    ck_assert_uint_eq(atomic_load(&b->turns), before);
}

START_TEST(idle)
{
    bench b;
    ri_host host;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    ck_assert_ok(ri_loop_start(&b.loop));
    atomic_store(&b.asked, 1);
    ri_loop_wake(&b.loop);
    BENCH_WAIT(&b, atomic_load(&b.seen) == 1);
    bench_rests(&b);
    bench_close(&b);
}
END_TEST

/* A loop that is woken again and again learns to look before it sleeps; left alone it sleeps, and
 * after looking in vain it is slower to try again. */
START_TEST(polling)
{
    bench b;
    ri_host host;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    b.loop.spins = true; /* on a single core, too */
    b.loop.short_sleeps = b.loop.spin_after;
    uint32_t after = b.loop.spin_after;
    ck_assert_ok(ri_loop_start(&b.loop));
    for (unsigned i = 1; i <= 2000; i++) {
        atomic_store(&b.asked, i);
        ri_loop_wake(&b.loop);
        BENCH_WAIT(&b, atomic_load(&b.seen) == i);
    }
    bench_rests(&b);
    bench_stop(&b);
    ck_assert(b.loop.events > 0 && b.loop.spin_after > after); /* the last look was in vain */
    ck_assert_uint_le(b.loop.short_sleeps, 1);
    bench_close(&b);
}
END_TEST

/* Armed in a mixed order; one is moved and one taken out. */
START_TEST(timers)
{
    bench b;
    ri_host host;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    bench_here = &b;
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    int64_t start_ns = ri_mono_ns(&b.host);
    for (int i = 0; i < TIMERS; i++) {
        int at = i * 7 % TIMERS;
        b.timers[at].fn = bench_on_timer;
        b.due_ns[at] = start_ns + (10 + at * 8) * RI_MS;
        ck_assert_ok(ri_loop_timer_set(&b.loop, &b.timers[at], b.due_ns[at]));
    }
    b.due_ns[0] = start_ns + 500 * RI_MS;
    ck_assert_ok(ri_loop_timer_set(&b.loop, &b.timers[0], b.due_ns[0]));
    ri_loop_timer_cancel(&b.loop, &b.timers[5]);
    ck_assert_ok(ri_loop_start(&b.loop));
    BENCH_WAIT(&b, atomic_load(&b.fired) == TIMERS - 1);
    bench_close(&b);
    ck_assert(!b.early);
    int want = 1;
    for (int i = 0; i < TIMERS - 2; i++, want++) {
        if (want == 5) want++;
        ck_assert_int_eq(b.order[i], want);
    }
    ck_assert_int_eq(b.order[TIMERS - 2], 0);
}
END_TEST

enum { BUSY_MAX = 100 };

static void busy_on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    unsigned *ready = arg;
    if (++*ready < BUSY_MAX) return;
    char byte; /* so that a loop that never ends its turn does, and fails */
    ck_assert_int_eq(read(fd, &byte, 1), 1);
}

/* A descriptor that is always ready, as that of a peer who sends without end, has one event a
 * turn: the rest of the turn comes. */
START_TEST(busy)
{
    bench b;
    ri_host host;
    int fds[2];
    unsigned ready = 0;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    struct event *event = event_new(b.loop.base, fds[0], EV_READ | EV_PERSIST, busy_on_ready,
                                    &ready);
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(event_add(event, NULL), 0);
    for (unsigned i = 1; i <= 5; i++) {
        ri_loop_turn(&b.loop);
        ck_assert_uint_eq(ready, i);
        ck_assert_uint_eq(atomic_load(&b.turns), i);
    }
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    bench_close(&b);
}
END_TEST

typedef struct row {
    ri_loop_soon soon;
    bench *bench;
    int runs, again;
} row;

static void row_on_soon(ri_loop_soon *soon)
{
    row *r = ri_container_of(soon, row, soon);
    r->runs++;
    if (r->again-- > 0) ri_loop_soon_put(&r->bench->loop, soon);
    else atomic_store(&r->bench->quit, true);
}

/* Whoever is in the row runs once a turn, and no turn sleeps while somebody is in it. */
START_TEST(soon)
{
    bench b;
    ri_host host;
    ri_host_init(&host, NULL);
    bench_open(&b, &host);
    ck_assert_ok(ri_loop_init(&b.loop, &b.host, bench_on_turn, &b));
    row first = {.soon.fn = row_on_soon, .bench = &b, .again = 1}, gone = first;
    ri_list_init(&first.soon.link);
    ri_list_init(&gone.soon.link);
    for (int i = 0; i < 2; i++) ri_loop_soon_put(&b.loop, &first.soon);
    ri_loop_soon_put(&b.loop, &gone.soon);
    ri_list_remove(&gone.soon.link);
    for (int i = 1; i <= 4; i++) {
        ri_loop_turn(&b.loop);
        ck_assert_int_eq(first.runs, RI_MIN(i, 2));
    }
    ck_assert_int_eq(gone.runs, 0);
    first.again = 1000; /* with nobody who wakes it the thread comes to its end */
    atomic_store(&b.quit, false);
    b.loop.stopped = false;
    ri_loop_soon_put(&b.loop, &first.soon);
    ck_assert_ok(ri_loop_start(&b.loop));
    ri_loop_join(&b.loop);
    ck_assert_int_eq(first.runs, 1003);
    ri_loop_fini(&b.loop);
    ri_park_fini(&b.turned);
}
END_TEST

/* ---- A turn that takes long ---- */

#define LONG_NS (3600 * RI_SEC)

static _Atomic int64_t ahead_ns; /* of the loop's clock */

static int64_t long_mono_ns(void *arg)
{
    (void)arg;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * RI_SEC + now.tv_nsec + atomic_load(&ahead_ns);
}

/* The first one takes an hour, and sets a timer for its end. */
static void long_on_turn(void *arg)
{
    bench *b = arg;
    int64_t now_ns = ri_loop_now(&b->loop);
    if (atomic_load(&ahead_ns) == 0) {
        atomic_store(&ahead_ns, LONG_NS);
        ri_loop_timer_set(&b->loop, &b->timers[0], ri_ns_add(now_ns, LONG_NS));
    }
    bench_on_turn(arg);
}

/* What a turn has set is not late by what the turn took. */
START_TEST(long_turn)
{
    bench b;
    ri_host host, slow;
    ri_host_init(&host, NULL);
    slow = host;
    slow.mono_ns = long_mono_ns;
    atomic_store(&ahead_ns, 0);
    bench_open(&b, &host);
    bench_here = &b;
    b.timers[0].fn = bench_on_timer;
    ck_assert_ok(ri_loop_init(&b.loop, &slow, long_on_turn, &b));
    ck_assert_ok(ri_loop_start(&b.loop));
    ri_loop_wake(&b.loop);
    BENCH_WAIT(&b, atomic_load(&b.fired) == 1);
    bench_close(&b);
}
END_TEST

static int body_faults(fault *f, void *arg)
{
    (void)arg;
    bench b;
    bench_open(&b, &f->host);
    bench_here = &b;
    int rc = ri_loop_init(&b.loop, &b.host, bench_on_turn, &b);
    for (int i = 0; i < TIMERS && rc == RILL_OK; i++)
        rc = ri_loop_timer_set(&b.loop, &b.timers[i], INT64_MAX - i);
    for (int i = 0; i < TIMERS && rc == RILL_OK; i++) ri_loop_timer_cancel(&b.loop, &b.timers[i]);
    bench_close(&b);
    return rc;
}

START_TEST(faults)
{
    ck_assert_uint_ge(fault_each(body_faults, NULL), 1);
}
END_TEST

SUITE_MAIN("loop", wakes, idle, polling, timers, busy, soon, long_turn, faults)
