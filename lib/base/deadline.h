/* SPDX-License-Identifier: Apache-2.0 */
/* Until when a call waits: a time of the host's monotonic clock, INT64_MAX being never. A call that
 * hurries has nothing left, if it has an end. */
#ifndef RI_DEADLINE_H
#define RI_DEADLINE_H

#include "base/alloc.h"
#include "base/hurry.h"
#include "base/saturate.h"

/* When a call ends that may take `timeout_ns` from now on; below 0: never. */
static inline int64_t ri_deadline_in(const ri_host *host, int64_t timeout_ns)
{
    return timeout_ns < 0 ? INT64_MAX : ri_ns_add(ri_mono_ns(host), timeout_ns);
}

/* What is left until the deadline, as waits take it: 0: it has passed; -1: it never will. */
static inline int64_t ri_deadline_left_ns(const ri_host *host, int64_t due_ns)
{
    if (due_ns == INT64_MAX) return -1;
    if (ri_hurry_is_now()) return 0;
    int64_t left_ns = ri_ns_sub(due_ns, ri_mono_ns(host));
    return left_ns < 0 ? 0 : left_ns;
}

#endif
