/* SPDX-License-Identifier: Apache-2.0 */
/* Which process a handle belongs to. The child of a fork() has copies of its parent's handles, but
 * none of the threads behind them, and the locks as they were at that instant: whatever it does
 * with such a handle hangs or is lost. So each handle keeps the stamp of the process that made it,
 * and a call looks whether that is still the process that it runs in.
 *
 *     parent   [page: 4711]  handle.stamp 4711      equal: go on
 *        fork()
 *     child    [page:    0]  handle.stamp 4711      the kernel has wiped the page
 *
 * The look is one load. Where the kernel cannot wipe a page it is one system call. */
#ifndef RI_PROCESS_H
#define RI_PROCESS_H

#include <stdatomic.h>

#include "base/defs.h"

extern atomic_uint *_Atomic ri_process_page; /* private; NULL before the first stamp */

/* The stamp of this process; never 0. Any thread. */
uint32_t ri_process_stamp(void);
bool ri_process_is_slow(uint32_t stamp); /* private */

/* Was the stamp made in this process? Any thread, also that of a forked child. `stamp`
 * is not 0: a child's page holds 0 until somebody asks for a stamp there. */
static inline bool ri_process_is(uint32_t stamp)
{
    atomic_uint *page = atomic_load_explicit(&ri_process_page, memory_order_relaxed);
    return ri_likely(page && atomic_load_explicit(page, memory_order_relaxed) == stamp) ||
           ri_process_is_slow(stamp);
}

#endif
