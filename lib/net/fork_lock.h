/* SPDX-License-Identifier: Apache-2.0 */
/* A lock of the whole process, which guards something that no handle has. A thread of the parent
 * may hold it at the moment of a fork: the child would wait for it for ever, and find half of a
 * change in what it guards. So who comes first in a child makes both anew:
 *
 *     parent   [4711, locked]    stamp and mutex
 *        fork()
 *     child    [4711, locked] -- not mine --> [4712, claimed] -- reset() --> [4712, free]
 *
 * What it guards is the parent's, or nobody's, and is forgotten without being freed. */
#ifndef RI_FORK_LOCK_H
#define RI_FORK_LOCK_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/defs.h"

typedef struct ri_fork_lock {
    pthread_mutex_t mutex;
    atomic_uint stamp;   /* of the process that it is of; 0: of none yet */
    void (*reset)(void); /* what it guards becomes empty */
} ri_fork_lock;

#define RI_FORK_LOCK(reset_fn) {.mutex = PTHREAD_MUTEX_INITIALIZER, .reset = (reset_fn)}

void ri_fork_lock_enter(ri_fork_lock *lock);
void ri_fork_lock_leave(ri_fork_lock *lock);

#endif
