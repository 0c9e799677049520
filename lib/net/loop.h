/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that waits for sockets, timers and other threads, by libevent's readiness events.
 *
 *     turn:   sleep (or spin) -> events of sockets -> timers that are due -> on_turn -> again
 *
 * All of it runs on the loop's thread; ri_loop_wake() alone comes from anywhere. A loop with
 * nothing to do sleeps for ever: there is no periodic timer. */
#ifndef RI_LOOP_H
#define RI_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/heap.h"

struct event_base;
struct event;

typedef struct ri_loop_timer ri_loop_timer;
typedef void (*ri_loop_timer_fn)(ri_loop_timer *timer);
struct ri_loop_timer {
    ri_timer timer;
    ri_loop_timer_fn fn; /* runs once when due, on the loop's thread, outside any gate */
};

typedef struct ri_loop {
    const ri_host *host;
    struct event_base *base;
    struct event *wake_event;  /* the eventfd below became readable */
    struct event *timer_event; /* the earliest of `timers` */
    int wake_fd;               /* an eventfd, or -1 */
    atomic_int rest;           /* enum loop_rest: does a wake need a system call? */
    ri_heap timers;            /* of ri_loop_timer */
    int64_t timer_due_ns;      /* for which timer_event is set; INT64_MAX: not set */
    int64_t now_ns;            /* monotonic, of this turn; by ri_loop_now() only */
    bool now_known;
    int64_t spin_ns;           /* how long to poll without sleeping after input; 0: not at all */
    int64_t spin_until_ns;
    void (*on_turn)(void *arg); /* at the end of each turn */
    void *arg;
    bool stopped;
    bool started;              /* the thread is to be joined */
    pthread_t thread;
} ri_loop;

/* RILL_ENOMEM, RILL_EIO. The thread begins with ri_loop_start(). */
int ri_loop_init(ri_loop *loop, const ri_host *host, void (*on_turn)(void *arg), void *arg);
int ri_loop_start(ri_loop *loop);
void ri_loop_stop(ri_loop *loop);  /* on the loop's thread: this turn is the last */
void ri_loop_join(ri_loop *loop);  /* from another thread, after a stop */
void ri_loop_fini(ri_loop *loop);  /* joined or never started; zeroed is legal */

void ri_loop_wake(ri_loop *loop);  /* any thread: a turn begins soon after this call */
int64_t ri_loop_now(ri_loop *loop); /* read once a turn */
void ri_loop_had_input(ri_loop *loop); /* spin for a while, if that is asked for */

/* Arm or move; RILL_ENOMEM leaves it as it was. */
int ri_loop_timer_set(ri_loop *loop, ri_loop_timer *timer, int64_t due_ns);
void ri_loop_timer_cancel(ri_loop *loop, ri_loop_timer *timer);

#endif
