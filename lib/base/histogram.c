/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include "base/assert.h"
#include "base/saturate.h"

void ri_histogram_add(ri_histogram *h, int64_t ns)
{
    RI_ASSERT(h);
    uint64_t took_ns = (uint64_t)RI_MAX(ns, 0); /* a clock that was set back says nothing */
    int i = 0;
    while (i < RI_HISTOGRAM_BOUNDS && took_ns > (uint64_t)ri_histogram_bound_ns(i)) i++;
    h->counts[i]++;
    h->sum_ns = ri_u64_add(h->sum_ns, took_ns);
}

void ri_histogram_join(ri_histogram *h, const ri_histogram *from)
{
    RI_ASSERT(h != from);
    for (size_t i = 0; i < RI_LEN(h->counts); i++) h->counts[i] += from->counts[i];
    h->sum_ns = ri_u64_add(h->sum_ns, from->sum_ns);
}
