/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that are the same each run: xorshift64* from a seed. */
#ifndef RI_TEST_RNG_H
#define RI_TEST_RNG_H

#include <stdint.h>
#include <stdlib.h>

typedef struct rng {
    uint64_t state;
} rng;

static inline void rng_init(rng *r, uint64_t seed)
{
    r->state = seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL;
    if (!r->state) r->state = 1;
}

static inline uint64_t rng_next(rng *r)
{
    uint64_t x = r->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    r->state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

static inline uint64_t rng_below(rng *r, uint64_t n) /* 0 .. n-1; n > 0 */
{
    return (rng_next(r) >> 11) % n;
}

/* RILL_SEED of the environment, or `standard`: print it when a random test fails. */
static inline uint64_t rng_seed(uint64_t standard)
{
    const char *text = getenv("RILL_SEED");
    return text && *text ? strtoull(text, NULL, 0) : standard;
}

#endif
