/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fork_lock.h"

#include <sched.h>

#include "base/assert.h"
#include "base/process.h"

/* A stamp is a process's number, which has fewer bits. */
#define FORK_LOCK_CLAIMED 0x80000000u /* a thread of that process makes it anew */

/* In a child where nobody has asked for a stamp yet the mark of the process is 0, too. */
static bool fork_lock_is_made(uint32_t stamp)
{
    return stamp != 0 && ri_process_is(stamp);
}

void ri_fork_lock_enter(ri_fork_lock *lock)
{
    RI_ASSERT(lock->reset);
    uint32_t stamp = atomic_load(&lock->stamp);
    while (ri_unlikely(!fork_lock_is_made(stamp))) {
        uint32_t own = ri_process_stamp();
        RI_ASSERT(!(own & FORK_LOCK_CLAIMED));
        if (stamp != (own | FORK_LOCK_CLAIMED) &&
            atomic_compare_exchange_strong(&lock->stamp, &stamp, own | FORK_LOCK_CLAIMED)) {
            pthread_mutex_init(&lock->mutex, NULL);
            lock->reset();
            atomic_store(&lock->stamp, own);
        }
        sched_yield();
        stamp = atomic_load(&lock->stamp);
    }
    pthread_mutex_lock(&lock->mutex);
}

void ri_fork_lock_leave(ri_fork_lock *lock)
{
    RI_ASSERT(fork_lock_is_made(atomic_load(&lock->stamp)));
    pthread_mutex_unlock(&lock->mutex);
}
