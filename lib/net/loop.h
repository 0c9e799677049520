/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that waits for sockets, timers and other threads, by libevent's readiness events.
 *
 *     turn:   poll, sleep -> events of sockets -> calls of other threads -> the row of those who
 *             are ready without the kernel -> timers that are due -> on_turn -> ends -> again
 *
 * To sleep and be woken takes some 25 us where the core has gone idle, half of what a request and
 * its answer take. So, when the last few sleeps were all over after less than 2 RI_LOOP_SPIN_US,
 * of which half may be the waking, the loop polls for RI_LOOP_SPIN_US before it sleeps. (Less than
 * 15 us is no waking but a switch of threads on one core: such sleeps do not count.) Each time
 * that this was in vain it waits for twice as many short sleeps before it tries again, and for
 * half as many when it was not. A loop to which little comes never polls, nor does one that reads
 * much in a turn: what comes while it sleeps is then handled all at once, which costs less; nor
 * does one on a machine with a single core.
 *
 * All of it runs on the loop's thread; ri_loop_wake() and ri_loop_call_put() alone come from
 * anywhere. A loop with nothing to do sleeps for ever: there is no periodic timer. */
#ifndef RI_LOOP_H
#define RI_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "net/gate.h"

struct event_base;
struct event;

enum { RI_LOOP_SPIN_US = 50, RI_LOOP_SHARED_SIZE = 256 * 1024 };

typedef struct ri_loop_timer ri_loop_timer;
typedef void (*ri_loop_timer_fn)(ri_loop_timer *timer);
struct ri_loop_timer {
    ri_timer timer;
    ri_loop_timer_fn fn; /* runs once when due, on the loop's thread, outside any gate */
};

/* What is ready though the kernel does not know of it, such as a wire with bytes inside. */
typedef struct ri_loop_soon ri_loop_soon;
struct ri_loop_soon {
    ri_list link;
    void (*fn)(ri_loop_soon *soon); /* runs once, on the loop's thread, outside any gate */
};

/* What another thread says to the loop's: once, however often it is said until `fn` begins. */
typedef struct ri_loop_call ri_loop_call;
struct ri_loop_call {
    ri_loop_call *next;             /* the loop's, while `called` */
    atomic_bool called;
    void (*fn)(ri_loop_call *call); /* on the loop's thread, outside any gate */
};

/* What one kind of wire has once on each loop that it is used on, made with the first of them. */
typedef struct ri_loop_annex ri_loop_annex;
struct ri_loop_annex {
    void (*fini)(ri_loop_annex *annex); /* with the loop; no wire is there any more */
};

typedef struct ri_loop {
    const ri_host *host;
    struct event_base *base;
    struct event *wake_event;  /* fires when wake_fd became readable */
    struct event *timer_event; /* fires when the earliest of `timers` is due */
    int wake_fd;               /* an eventfd, or -1 */
    int outer_fd;              /* an epoll descriptor for a loop without a thread, or -1 */
    atomic_int rest;           /* enum loop_rest: does a wake need a system call? */
    ri_heap timers;            /* of ri_loop_timer */
    ri_list soon;              /* of ri_loop_soon: no turn sleeps while there are any */
    ri_list ends;              /* of ri_loop_soon: they run when the turn is over */
    _Atomic(ri_loop_call *) calls; /* those who called, the last one first */
    ri_list host_link;         /* of whoever turns several loops; see front/broker/hosted.h */
    char *shared;              /* RI_LOOP_SHARED_SIZE bytes that all connections are read into */
    ri_memory *memory;         /* where what connections keep of their input is counted; NULL:
                                  nowhere. Set by the loop's owner */
    ri_loop_annex *annex;      /* of TLS (tls_wire.c), or NULL */
    int64_t timer_due_ns;      /* for which timer_event is set; INT64_MAX: not set */
    int64_t now_ns;            /* monotonic, of this turn; by ri_loop_now() only */
    bool now_known;
    _Atomic int64_t spin_ns;   /* how long to poll before each sleep; 0: only when it will pay */
    uint64_t events;           /* of sockets, timers and other threads so far */
    size_t read_bytes;         /* from sockets in this turn */
    bool spins;                /* polling leaves a core for whoever is to send something */
    uint32_t short_sleeps;     /* sleeps in a row that polling would have spared */
    uint32_t spin_after;       /* so many of these make the loop poll */
    void (*on_turn)(void *arg); /* at the end of each turn */
    void *arg;
    bool stopped;
    bool started;              /* the thread runs, and is to be joined */
    pthread_t thread;
} ri_loop;

/* RILL_ENOMEM, RILL_EIO. The thread begins with ri_loop_start(). */
int ri_loop_init(ri_loop *loop, const ri_host *host, void (*on_turn)(void *arg), void *arg);
int ri_loop_start(ri_loop *loop);
void ri_loop_stop(ri_loop *loop);  /* on the loop's thread: this turn is the last */
void ri_loop_join(ri_loop *loop);  /* from another thread, after a stop */
void ri_loop_fini(ri_loop *loop);  /* joined or never started; zeroed is legal */

/* ---- A loop that is never started: its owner calls for each turn ---- */
void ri_loop_turn(ri_loop *loop);  /* one turn, which does not sleep */
/* A descriptor that is readable when a turn has something to do other than timers, or a negative
 * errno. libevent does not show its own. The loop's; may be watched together with others. */
int ri_loop_outer_fd(ri_loop *loop);
/* The owner is about to sleep on that descriptor: wakes make it readable from now on. False:
 * somebody woke the loop since its last turn. */
bool ri_loop_rest(ri_loop *loop);
/* Until the next turn has something to do: 0 at once, -1 never. */
int64_t ri_loop_due_ns(ri_loop *loop);
/* By whoever watches a descriptor on the loop: EV_READ, EV_WRITE, both, or 0 before a close. */
void ri_loop_watched(ri_loop *loop, int fd, int events);


void ri_loop_wake(ri_loop *loop);  /* any thread: a turn begins soon after this call */
/* Any thread, a signal handler, too. Waits for nothing. */
void ri_loop_call_put(ri_loop *loop, ri_loop_call *call);
int64_t ri_loop_now(ri_loop *loop); /* read once a turn */
static inline void ri_loop_had_event(ri_loop *loop) /* in each handler of an event */
{
    ri_gate_stay_begin(RI_GATE_TURN);
    loop->events++;
}

/* `soon` runs in the next turn, which begins without a sleep; once, however often it is put. One
 * that is put while the row runs is the next turn's. Its link is initialized; removing the link
 * takes it back. */
static inline void ri_loop_soon_put(ri_loop *loop, ri_loop_soon *soon)
{
    if (!ri_list_linked(&soon->link)) ri_list_push(&loop->soon, &soon->link);
}

/* `end` runs when this turn is over, outside any gate, in ri_loop_fini() at the latest: what may
 * not run inside a gate, such as the last call of a program's function. It may free itself. */
static inline void ri_loop_end_put(ri_loop *loop, ri_loop_soon *end)
{
    if (!ri_list_linked(&end->link)) ri_list_push(&loop->ends, &end->link);
}
/* On the loop's thread, outside any gate: ends that were put run now. */
void ri_loop_run_ends(ri_loop *loop);
/* On the loop's thread: whoever has called is heard now. */
void ri_loop_run_calls(ri_loop *loop);

/* Arm or move; RILL_ENOMEM leaves it as it was. */
int ri_loop_timer_set(ri_loop *loop, ri_loop_timer *timer, int64_t due_ns);
void ri_loop_timer_cancel(ri_loop *loop, ri_loop_timer *timer);

#endif
