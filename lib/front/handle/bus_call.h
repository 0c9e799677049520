/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that were begun and are not waited for: rill_start(). Such a call is made by a task
 * (net/task.h) on the dispatcher's thread, with the functions that wait: so whatever can be asked
 * can be asked so, of every peer, and there is no second way to ask it.
 *
 *     start() --> waiting --> running, at most RI_BUS_CALLS_RUN --> over --> done(), or an item
 *                    |          ^   |  it waits for the peer         ^       of a reap
 *                    |          |___|                                |
 *                    |___________ cancelled, or the bus is closed ___|
 *
 * Two kinds of calls are made by a thread beside the dispatcher's, one after the other, since they
 * sleep where no park is: all of a peer that says so (ri_peer_ops.sleeps), and what reads or copies
 * the files of a store (`beside`). The thread is there from the first of them to the end of the
 * bus.
 *
 * A call is its owner's struct (api/start.c), with the copies of all that it was given. It lives
 * until its `done` has returned, or the batch is freed of which it is an item, and holds a
 * reference to the bus. What is appended or requested without waiting has its own, shorter way
 * (bus_append.c, bus_request.c); a cancel finds it there. */
#ifndef RI_BUS_CALL_H
#define RI_BUS_CALL_H

#include "net/task.h"
#include "net/worker.h"
#include "base/error.h"
#include "base/heap.h"
#include "rill.h"

enum {
    RI_BUS_CALLS_RUN = 64,    /* tasks at a time, each with a stack */
    RI_BUS_CALLS_BESIDE = 8,  /* handed to the thread beside at a time; they take no task's place */
    RI_BUS_CALLS_MAX = 65536, /* that wait or run */
};

/* Something that is due by the clock; called inside the gate, by the dispatcher. */
typedef struct ri_bus_timer {
    ri_timer timer; /* in bus->timers */
    void (*due)(rill_bus *bus, struct ri_bus_timer *timer);
} ri_bus_timer;

typedef struct ri_bus_call ri_bus_call;
struct ri_bus_call {
    rill_bus *bus;
    int (*run)(ri_bus_call *call);   /* makes the call, which may wait, and fills `item` */
    void (*free)(ri_bus_call *call); /* all of it; the bus stays until this has returned */
    rill_done_fn done;          /* NULL: it becomes an item of a reap */
    void *arg;                  /* by which it is cancelled */
    bool beside;
    bool delivered;             /* the program has had the item, and what it has opened */
    int64_t until_ns;           /* monotonic: then it hurries; INT64_MAX: never */
    int64_t begin_ns;           /* the same: then it has failed, if it had no turn */
    /* Guarded by the gate. */
    ri_list link;               /* in one of the lists of ri_bus_calls */
    ri_bus_timer timer;         /* at begin_ns, while it waits */
    bool open;                  /* it has a stack, or is with the worker */
    bool cancelled;
    uint32_t round;             /* of the dispatcher's that it had its turn in */
    /* Of whoever runs it. */
    ri_task task;
    ri_job job;                 /* of one that is beside */
    ri_failure failure;         /* its text is item.detail */
    rill_item item;             /* kind, err, detail and arg are set by start() and at the end, the
                                   rest by run() */
};

typedef struct ri_bus_calls {   /* guarded by the gate */
    ri_list waiting;            /* ri_bus_call.link: for a stack ... */
    ri_list waiting_beside;     /* ... or for the thread beside */
    ri_list running, over;
    atomic_bool some;           /* one was ever started; may be read outside */
    uint32_t n;                 /* of all but those that are over */
    uint32_t nrunning, nbeside; /* with a stack; with the thread beside */
    uint32_t round;
    ri_worker worker;           /* makes those that are beside */
    bool has_worker;
} ri_bus_calls;

/* `bus`, run, free, done, arg, beside, until_ns and begin_ns are set, the rest is 0. RILL_EAGAIN,
 * RILL_ECLOSED, RILL_ENOMEM: then it is still the caller's. */
int ri_bus_call_start(ri_bus_call *call);
/* Those that were begun with `arg`, appends and requests among them; how many. */
int ri_bus_call_cancel(rill_bus *bus, const void *arg);
/* On the thread of a call: does a wait of it leave it to others to drive the bus? */
bool ri_bus_call_gives_way(void);

void ri_bus_call_free(ri_bus_call *call); /* of an item that is given back; any thread */

/* ---- For bus.c ---- */
void ri_bus_calls_init(rill_bus *bus);
void ri_bus_calls_fini(rill_bus *bus);
/* Inside the gate: the bus is shut. */
void ri_bus_calls_fail(rill_bus *bus);
/* Outside, by the dispatcher: begins and resumes calls, and hands over those that are over; how
 * many of these. `drop`: they are freed instead, unless they have a `done`. */
int ri_bus_calls_turn(rill_bus *bus, bool drop);
/* Inside: is there anything for the dispatcher to do? */
bool ri_bus_calls_have_work(rill_bus *bus);
/* Inside: until there is by the clock; -1: never. */
int64_t ri_bus_calls_due_ns(rill_bus *bus);
/* Inside: is any left that has been started? */
bool ri_bus_calls_are_left(const rill_bus *bus);

#endif
