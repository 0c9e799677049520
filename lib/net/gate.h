/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: ownership of a broker's engine. Whoever is inside is its one owner and may call
 * codec, store and engine on its state; a loop enters to handle what it has read, a caller's
 * thread enters to publish without a hop. Nobody makes a system call that may wait, or runs a
 * user's callback, inside. Not recursive. */
#ifndef RI_GATE_H
#define RI_GATE_H

#include <pthread.h>

typedef struct ri_gate {
    pthread_mutex_t lock;
} ri_gate;

void ri_gate_init(ri_gate *gate);
void ri_gate_fini(ri_gate *gate);

static inline void ri_gate_enter(ri_gate *gate) /* any thread */
{
    pthread_mutex_lock(&gate->lock);
}

static inline void ri_gate_leave(ri_gate *gate)
{
    pthread_mutex_unlock(&gate->lock);
}

#endif
