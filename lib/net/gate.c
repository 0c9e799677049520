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

#ifdef RI_GATE_CLOCK
#include <stdio.h>

static _Thread_local int64_t gate_stays[2];

static int64_t gate_stay_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void ri_gate_stay_begin(ri_gate_stay stay)
{
    if (!gate_stays[stay]) gate_stays[stay] = gate_stay_clock();
}

void ri_gate_stay_end(ri_gate_stay stay)
{
    int64_t took_ns = gate_stay_clock() - gate_stays[stay];
    bool begun = gate_stays[stay] != 0;
    gate_stays[stay] = 0;
    if (!begun || took_ns < RI_GATE_LONG_NS) return;
    extern const char __executable_start[]; /* the linker's */
    const char *where = __builtin_return_address(0);
    dprintf(STDERR_FILENO, "%s held %lld us: %#tx\n", stay == RI_GATE_INSIDE ? "gate" : "turn",
            (long long)(took_ns / 1000), where - __executable_start);
}
#endif
