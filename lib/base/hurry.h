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
ri_hurry *ri_hurry_here(void) RI_APART;
ri_hurry *ri_hurry_swap(ri_hurry *hurry) RI_APART; /* what it was before */
bool ri_hurry_is_now(void) RI_APART;

#endif
