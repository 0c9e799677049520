/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    GATE_SPINS = 100,     /* looks at a gate that is taken before sleeping: holds are short */
    GATE_PASS_NS = 20000, /* sleep so long: with waking up, about as long as the others need */
};

static inline void gate_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* A sleep that fails or ends for nothing is no harm: the gate is looked at again. Keeps errno. */
static void gate_futex(ri_gate *gate, int op, unsigned value)
{
    _Static_assert(sizeof gate->woken == 4, "a futex is a word of 32 bits");
    int kept = errno;
    syscall(SYS_futex, &gate->woken, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
    errno = kept;
}

static bool gate_barrier(int command)
{
    int kept = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
    errno = kept;
    return done;
}

void ri_gate_init(ri_gate *gate)
{
    atomic_init(&gate->taken, 0);
    atomic_init(&gate->sleepers, 0);
    atomic_init(&gate->woken, 0);
    gate->light = gate_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

/* Looks at it for a while. True: it is the caller's. */
static bool gate_spin(ri_gate *gate)
{
    for (int i = 0; i < GATE_SPINS; i++) {
        if (!atomic_load_explicit(&gate->taken, memory_order_relaxed) &&
            !atomic_exchange_explicit(&gate->taken, 1, memory_order_acquire))
            return true;
        gate_pause();
    }
    return false;
}

void ri_gate_wait(ri_gate *gate)
{
    if (gate_spin(gate)) return;
    atomic_fetch_add(&gate->sleepers, 1);
    if (gate->light) gate_barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    while (atomic_exchange(&gate->woken, 0), !gate_spin(gate)) gate_futex(gate, FUTEX_WAIT, 0);
    atomic_fetch_sub(&gate->sleepers, 1);
}

void ri_gate_pass(ri_gate *gate)
{
    if (ri_likely(!atomic_load_explicit(&gate->sleepers, memory_order_relaxed))) return;
    int kept = errno;
    nanosleep(&(struct timespec){.tv_nsec = GATE_PASS_NS}, NULL);
    errno = kept;
}

void ri_gate_wake(ri_gate *gate)
{
    if (!atomic_exchange(&gate->woken, 1)) gate_futex(gate, FUTEX_WAKE, 1);
}
