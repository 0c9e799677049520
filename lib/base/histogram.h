/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took: counts of durations in buckets whose bounds are powers of two of a second,
 * from a microsecond to 16 seconds, which are those of a native histogram of Prometheus of schema
 * 0. It costs a clock that is read twice, so it is fed with a sample: one of RI_HISTOGRAM_EVERY. */
#ifndef RI_HISTOGRAM_H
#define RI_HISTOGRAM_H

#include "base/defs.h"

enum {
    RI_HISTOGRAM_LOW = -20,   /* the first bound is 2 to this, in seconds; ... */
    RI_HISTOGRAM_HIGH = 4,    /* ... the last one */
    RI_HISTOGRAM_BOUNDS = RI_HISTOGRAM_HIGH - RI_HISTOGRAM_LOW + 1,
    RI_HISTOGRAM_EVERY = 17,  /* reads or requests, of which one is measured. A prime: what comes
                                 by turns is not always the same one of them */
};

typedef struct ri_histogram {
    uint64_t counts[RI_HISTOGRAM_BOUNDS + 1]; /* the last one: above all bounds */
    uint64_t sum_ns;
} ri_histogram;

/* Is this one to be measured? `left` counts down; it begins with 0, so that the first is. */
static inline bool ri_histogram_samples(uint32_t *left)
{
    if (ri_likely(*left)) {
        (*left)--;
        return false;
    }
    *left = RI_HISTOGRAM_EVERY - 1;
    return true;
}

/* Of bucket i, what is not above this is in it: nanoseconds, rounded down. */
static inline int64_t ri_histogram_bound_ns(int i)
{
    return (int64_t)((UINT64_C(1000000000) << RI_HISTOGRAM_HIGH) >> (RI_HISTOGRAM_BOUNDS - 1 - i));
}

void ri_histogram_add(ri_histogram *h, int64_t ns);
/* `from` into `h`. */
void ri_histogram_join(ri_histogram *h, const ri_histogram *from);

#endif
