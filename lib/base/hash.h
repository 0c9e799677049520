/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to xxHash, used from its header: a 64-bit hash for tables, not for secrets. */
#ifndef RI_HASH_H
#define RI_HASH_H

#include "base/str.h"

uint64_t ri_hash_bytes(const void *data, size_t len);
/* 128 bits, where two that are equal are taken for the same bytes. */
void ri_hash128(const void *data, size_t len, uint64_t out[2]);

static inline uint64_t ri_hash(ri_str s)
{
    return ri_hash_bytes(s.ptr, s.len);
}

/* Spread an integer key over all 64 bits. */
static inline uint64_t ri_hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

#endif
