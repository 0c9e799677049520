/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hurry.h"

static _Thread_local ri_hurry *hurry_here RI_NEAR;

ri_hurry *ri_hurry_here(void)
{
    return hurry_here;
}

ri_hurry *ri_hurry_swap(ri_hurry *hurry)
{
    ri_hurry *before = hurry_here;
    hurry_here = hurry;
    return before;
}

bool ri_hurry_is_now(void)
{
    return ri_unlikely(hurry_here != NULL) &&
           atomic_load_explicit(&hurry_here->now, memory_order_relaxed);
}
