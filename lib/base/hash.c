/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/process.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HASH_SECRET_WORDS = 24 }; /* 192 bytes, as many as xxHash's own */

/* What `state` is beside the stamp of the process that draws the secret. */
enum { HASH_PLAIN = 0, HASH_KEYED = 1u << 31 };

static struct {
    _Alignas(64) uint64_t words[HASH_SECRET_WORDS];
    _Atomic(const uint64_t *) key; /* the words, once they are complete; else NULL */
    atomic_uint state;
} hash_secret;

/* Is it to be drawn by the caller? What a parent was about to draw when it forked is the child's to
 * draw; what another thread is about to draw is waited for. */
static bool hash_is_mine(void)
{
    uint32_t own = ri_process_stamp(), state = atomic_load(&hash_secret.state);
    while (state != HASH_KEYED) {
        if (state != own && atomic_compare_exchange_strong(&hash_secret.state, &state, own))
            return true;
        state = atomic_load(&hash_secret.state);
    }
    return false;
}

void ri_hash_seed(const ri_host *host)
{
    if (ri_likely(atomic_load(&hash_secret.state) == HASH_KEYED) || !hash_is_mine()) return;
    uint64_t drawn[HASH_SECRET_WORDS];
    host->entropy(host->arg, drawn, sizeof drawn);
    /* Words that differ, even if a test's entropy is one byte again and again. */
    for (uint64_t i = 0; i < HASH_SECRET_WORDS; i++)
        hash_secret.words[i] = drawn[i] ^ ri_hash_u64(i + 1);
    atomic_store(&hash_secret.key, hash_secret.words);
    RI_ASSERT(hash_secret.words[0] != hash_secret.words[1]);
    atomic_store(&hash_secret.state, HASH_KEYED);
}

uint64_t ri_hash_bytes(const void *data, size_t len)
{
    RI_ASSERT(data || len == 0);
    const uint64_t *key = atomic_load_explicit(&hash_secret.key, memory_order_relaxed);
    if (ri_unlikely(!key)) return XXH3_64bits(data, len);
    return XXH3_64bits_withSecret(data, len, key, sizeof hash_secret.words);
}

uint64_t ri_hash_plain(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void ri_hash128(const void *data, size_t len, uint64_t out[2])
{
    RI_ASSERT(data || len == 0);
    const uint64_t *key = atomic_load_explicit(&hash_secret.key, memory_order_relaxed);
    XXH128_hash_t hash = key ? XXH3_128bits_withSecret(data, len, key, sizeof hash_secret.words)
                             : XXH3_128bits(data, len);
    out[0] = hash.low64;
    out[1] = hash.high64;
}
