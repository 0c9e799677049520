/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody wants what this thread does to be over: then the time of all its waits that have an end
 * is up (base/deadline.h). */
#ifndef RI_HURRY_H
#define RI_HURRY_H

#include <stdatomic.h>

#include "base/defs.h"

typedef struct ri_hurry {
    atomic_bool now;
} ri_hurry;

/* Of what this thread does; NULL: nobody may hurry it. */
extern _Thread_local ri_hurry *ri_hurry_here
#ifdef __GLIBC__
    __attribute__((tls_model("initial-exec"))) /* one load: each wait looks */
#endif
    ;

static inline bool ri_hurry_is_now(void)
{
    return ri_unlikely(ri_hurry_here != NULL) &&
           atomic_load_explicit(&ri_hurry_here->now, memory_order_relaxed);
}

#endif
