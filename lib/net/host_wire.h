/* SPDX-License-Identifier: Apache-2.0 */
/* The wire that a program brings (rill_wire_ops in rill.h): two functions that move bytes, and a
 * descriptor to be watched or a call that says "ready".
 *
 *     rill_wire_new()      rill_opts.dial, rill_broker_accept()          close() has returned
 *          |                       |                                            |
 *          v        free           v               in use                       v
 *          +--- ri_host_wire_close +--- ri_host_wire_take(): a ri_wire ---------+ freed
 *
 * What may go. `may` holds RI_WIRE_READ and RI_WIRE_WRITE: each is there from the beginning, is
 * taken away when the program's function answers RILL_EAGAIN, and comes back by the descriptor or
 * by rill_wire_ready(). The owner hears, in each turn, of what may go and is watched: so the
 * program's function is called until it answers RILL_EAGAIN, and bytes that it keeps inside (TLS of
 * its own, a ring of its interrupts) need no further word. A word too much costs one call.
 *
 * Another thread. rill_wire_ready() takes no lock and waits for nothing: it puts the wire into the
 * row of those who call the loop, once, and wakes it. Before the wire is on a loop there is nothing
 * to say, since everything may go.
 *
 * The program's functions run outside any gate, so that a lock of the program's that is held while
 * it calls rill cannot meet the gate. So close(), which the owner may call inside, only ends the
 * events; the program's own close() runs when the turn is over (ri_loop_end_put()), on the same
 * thread as all others, and before the close of the handle or broker returns. A function that calls
 * rill could wait for itself: the calls of rill.h look at `ri_host_wire_depth`, and refuse.
 *
 * What a function answers is not believed: more than it was asked for, or a number that is no code
 * of rill.h, is a broken wire, with a sentence that says so. A broken wire is not asked again, and
 * an end of the stream is remembered, so that both may come behind bytes of the same call. */
#ifndef RI_HOST_WIRE_H
#define RI_HOST_WIRE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "net/wire.h"
#include "rill.h"

#define RI_HOST_WIRE_MAGIC 0x31e30001u

struct rill_wire {
    uint32_t magic;
    uint32_t stamp;          /* of the process that made it */
    atomic_bool taken;       /* somebody has it, and closes it */
    rill_wire_ops ops;       /* the program's, copied */
    void *arg;
    ri_host host;
    ri_wire wire;
    int fd;                  /* -1: none */
    _Atomic(ri_loop *) loop; /* NULL: on none yet; what ri_host_wire_ready() sees of wire.loop */
    ri_loop_call call;
    /* The loop's thread. */
    unsigned watched, may;
    bool ended;              /* the peer sends no more */
    const char *broken;      /* the function that failed; NULL: none ... */
    int64_t verdict;         /* ... its answer ... */
    size_t asked;            /* ... for so many bytes */
    struct event event;      /* of fd */
    short interest;          /* EV_READ and EV_WRITE, as the loop knows it */
    ri_loop_soon soon, end;
};

/* The functions of wires that this thread is in. */
extern _Thread_local int ri_host_wire_depth RI_NEAR;

/* `ops` has this library's size. RILL_EINVAL names the function that is missing; RILL_ENOMEM. Then
 * nothing of it was called but fd(). */
int ri_host_wire_new(rill_wire **wire, const rill_wire_ops *ops, void *arg, const rill_host *host);
/* The caller has it from now on, and ends it by its close(), whatever follows. RILL_EBUSY: somebody
 * has it already; RILL_EINVAL: that is no wire. */
int ri_host_wire_take(rill_wire *handle, ri_wire **wire);
/* Any thread, a signal handler, too. */
void ri_host_wire_ready(rill_wire *handle);

/* Around each function of the program's. */
static inline void ri_host_wire_enter(void)
{
    ri_host_wire_depth++;
}

static inline void ri_host_wire_leave(void)
{
    RI_ASSERT(ri_host_wire_depth > 0);
    ri_host_wire_depth--;
}

#endif
