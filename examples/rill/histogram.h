/* SPDX-License-Identifier: Apache-2.0 */
/* How often which time was taken: counted in buckets that are a 32nd of their time wide, so that a
 * percentile is right to 3 %, whatever it is. */
#ifndef RILL_TOOL_HISTOGRAM_H
#define RILL_TOOL_HISTOGRAM_H

#include <stdint.h>

#include "out.h"

enum {
    HISTOGRAM_BITS = 5,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

typedef struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n;
    int64_t max_ns;
} histogram;

void histogram_add(histogram *h, int64_t ns, uint64_t times);
void histogram_merge(histogram *into, const histogram *from);
/* So much of all, 0 to 1, took no longer; 0 if nothing was counted. */
int64_t histogram_at(const histogram *h, double share);
/* For people: a row for each doubling of time, with a bar. */
void histogram_draw(out *o, const histogram *h);

#endif
