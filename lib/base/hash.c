/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t ri_hash_bytes(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void ri_hash128(const void *data, size_t len, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits(data, len);
    out[0] = hash.low64;
    out[1] = hash.high64;
}
