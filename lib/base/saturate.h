/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, differences and products of times and sizes that came from outside: a peer, a program, an
 * archive, a disk. One that does not fit is the nearest that does, so that a time too far away is
 * "never" (INT64_MAX, when no timer is due) and a size too great is refused by the limit that it
 * is compared with. tests/meta/saturate.py finds what is computed beside this file. */
#ifndef RI_SATURATE_H
#define RI_SATURATE_H

#include "base/defs.h"

static inline int64_t ri_ns_add(int64_t a, int64_t b)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return b > 0 ? INT64_MAX : INT64_MIN;
    return a + b;
}

static inline int64_t ri_ns_sub(int64_t a, int64_t b)
{
    if (b < 0 ? a > INT64_MAX + b : a < INT64_MIN + b) return b < 0 ? INT64_MAX : INT64_MIN;
    return a - b;
}

/* `n` > 0, or the product is of no use. */
static inline int64_t ri_ns_mul(int64_t ns, int64_t n)
{
    if (n <= 0) return 0;
    if (ns > INT64_MAX / n) return INT64_MAX;
    return ns < INT64_MIN / n ? INT64_MIN : ns * n;
}

static inline int64_t ri_ns_of_ms(int64_t ms)
{
    return ri_ns_mul(ms, RI_MS);
}

static inline int64_t ri_ns_of_s(int64_t s)
{
    return ri_ns_mul(s, RI_SEC);
}

/* A count that is unsigned outside, as an int64_t. */
static inline int64_t ri_ns_of_u64(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static inline uint64_t ri_u64_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t ri_u64_sub(uint64_t a, uint64_t b) /* not below 0 */
{
    return a > b ? a - b : 0;
}

static inline uint64_t ri_u64_mul(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* An allocation of SIZE_MAX bytes always fails. */
static inline size_t ri_size_add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static inline size_t ri_size_mul(size_t a, size_t b)
{
    return b && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

#endif
