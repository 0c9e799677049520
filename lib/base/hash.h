/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to xxHash, used from its header: hashes for tables.
 *
 * A stranger who knows the hash of a table chooses keys that all fall into one place, and each
 * look at them walks through all. So the hash of bytes is keyed by a secret of this process, drawn
 * from the entropy of the first host there is (with a test's entropy it is the same each time).
 * Nothing that is stored or sent may depend on it: that is what ri_hash_plain() is for. */
#ifndef RI_HASH_H
#define RI_HASH_H

#include "base/alloc.h"
#include "base/str.h"

/* The first call in the process draws the secret, before anything is hashed; others change
 * nothing. ri_host_init() makes it. Any thread. */
void ri_hash_seed(const ri_host *host);

uint64_t ri_hash_bytes(const void *data, size_t len);
/* 128 bits, where two that are equal are taken for the same bytes. Keyed, too. */
void ri_hash128(const void *data, size_t len, uint64_t out[2]);
/* A hash that is the same in each process, so it does not protect a table that strangers fill. */
uint64_t ri_hash_plain(const void *data, size_t len);

static inline uint64_t ri_hash(ri_str s)
{
    return ri_hash_bytes(s.ptr, s.len);
}

/* The keyed hash of a number that a stranger chose. */
static inline uint64_t ri_hash_number(uint64_t x)
{
    return ri_hash_bytes(&x, sizeof x);
}

/* Spread a number that we count ourselves over all 64 bits. */
static inline uint64_t ri_hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

#endif
