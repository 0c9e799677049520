/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

#include "base/assert.h"

#if MBEDTLS_VERSION_MAJOR < 3
#define sha256_starts mbedtls_sha256_starts_ret
#define sha256_update mbedtls_sha256_update_ret
#define sha256_finish mbedtls_sha256_finish_ret
#else
#define sha256_starts mbedtls_sha256_starts
#define sha256_update mbedtls_sha256_update
#define sha256_finish mbedtls_sha256_finish
#endif

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(ri_sha256), "the state has room");

static mbedtls_sha256_context *sha256_of(ri_sha256 *sha)
{
    return (mbedtls_sha256_context *)(void *)sha->state;
}

/* What these return speaks of hardware that fails; the software cannot. */
void ri_sha256_init(ri_sha256 *sha)
{
    mbedtls_sha256_init(sha256_of(sha));
    int rc = sha256_starts(sha256_of(sha), 0);
    RI_ASSERT(rc == 0);
    (void)rc;
}

void ri_sha256_add(ri_sha256 *sha, ri_str bytes)
{
    if (!bytes.len) return;
    int rc = sha256_update(sha256_of(sha), (const unsigned char *)bytes.ptr, bytes.len);
    RI_ASSERT(rc == 0);
    (void)rc;
}

void ri_sha256_end(ri_sha256 *sha, uint8_t out[RI_SHA256_LEN])
{
    int rc = sha256_finish(sha256_of(sha), out);
    RI_ASSERT(rc == 0);
    (void)rc;
}
