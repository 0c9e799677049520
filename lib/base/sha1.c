/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha1.h"

#include <mbedtls/sha1.h>
#include <mbedtls/version.h>

#include "base/assert.h"

#if MBEDTLS_VERSION_MAJOR < 3
#define sha1_of mbedtls_sha1_ret
#else
#define sha1_of mbedtls_sha1
#endif

/* What this returns speaks of hardware that fails; the software cannot. */
void ri_sha1(ri_str bytes, unsigned char out[RI_SHA1_SIZE])
{
    RI_ASSERT(bytes.ptr && out);
    int rc = sha1_of((const unsigned char *)bytes.ptr, bytes.len, out);
    RI_ASSERT(rc == 0);
    (void)rc;
}
