/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: ownership of a broker's engine. Whoever is inside is its one owner and may call
 * codec, store and engine on its state; a loop enters to handle what it has read, a caller's
 * thread enters to publish without a hop. Nobody makes a system call that may wait, or runs a
 * user's callback, inside. Not recursive.
 *
 * It is in the path of every publish of this process, mostly with nobody else there, where a
 * mutex of the C library costs twice as much: entering is one exchange, leaving a plain store and
 * a look whether somebody sleeps. Between those two there must be a full barrier, or each could
 * miss the other:
 *
 *     who leaves      taken = 0;      [barrier]   sleepers? wake one
 *     who sleeps      sleepers += 1;  [barrier]   taken? sleep while it is
 *
 * Leaving is what happens all the time, so the sleeper makes both barriers: membarrier() has
 * every thread of the process pass one. Where the kernel has no such call leaving pays.
 *
 * A thread that was woken needs a while until it runs, in which the gate may be left a thousand
 * times: only the first one wakes. */
#ifndef RI_GATE_H
#define RI_GATE_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/defs.h"

typedef struct ri_gate {
    atomic_uint taken;    /* 1: somebody is inside */
    atomic_uint sleepers; /* threads that sleep before the gate, or are about to */
    atomic_uint woken;    /* 1: one of them was woken and has not looked yet; they sleep on it */
    bool light;           /* membarrier() works */
} ri_gate;

void ri_gate_init(ri_gate *gate); /* no ri_gate_fini() is needed */
void ri_gate_wait(ri_gate *gate); /* private: returns when the gate is the caller's */
void ri_gate_wake(ri_gate *gate); /* private: wakes one thread that sleeps before it */

/* Outside: time for those who sleep before the gate. Who leaves it and means to come back at once
 * calls this in between, or would be back before the first of them is awake. */
void ri_gate_pass(ri_gate *gate);

/* A build with -DRI_GATE_CLOCK says on standard error which stays inside the gate, and which turns
 * of a loop, take a thread's own processor clock longer than RI_GATE_LONG_NS: what is so is so on a
 * machine that others use, too. Nothing in all other builds. */
typedef enum ri_gate_stay { RI_GATE_INSIDE, RI_GATE_TURN } ri_gate_stay;
#ifdef RI_GATE_CLOCK
enum { RI_GATE_LONG_NS = 1000000 };
void ri_gate_stay_begin(ri_gate_stay stay); /* one that was begun goes on */
void ri_gate_stay_end(ri_gate_stay stay);
#else
static inline void ri_gate_stay_begin(ri_gate_stay stay) { (void)stay; }
static inline void ri_gate_stay_end(ri_gate_stay stay) { (void)stay; }
#endif

static inline void ri_gate_enter(ri_gate *gate) /* any thread */
{
    if (ri_unlikely(atomic_exchange_explicit(&gate->taken, 1, memory_order_acquire)))
        ri_gate_wait(gate);
    ri_gate_stay_begin(RI_GATE_INSIDE);
}

/* Is somebody inside? For assertions of functions whose caller must be. */
static inline bool ri_gate_is_taken(const ri_gate *gate)
{
    return atomic_load_explicit(&gate->taken, memory_order_relaxed) == 1;
}

/* Inside: does anybody sleep before the gate? */
static inline bool ri_gate_is_wanted(const ri_gate *gate)
{
    return atomic_load_explicit(&gate->sleepers, memory_order_relaxed) > 0;
}

static inline void ri_gate_leave(ri_gate *gate)
{
    ri_gate_stay_end(RI_GATE_INSIDE);
    if (ri_likely(gate->light)) {
        atomic_store_explicit(&gate->taken, 0, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
    } else {
        atomic_exchange(&gate->taken, 0);
    }
    if (ri_unlikely(atomic_load_explicit(&gate->sleepers, memory_order_relaxed)))
        ri_gate_wake(gate);
}

#endif
