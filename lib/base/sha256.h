/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to mbedTLS: SHA-256 of bytes that come in pieces. */
#ifndef RI_SHA256_H
#define RI_SHA256_H

#include "base/str.h"

#define RI_SHA256_LEN 32

typedef struct ri_sha256 {
    uint64_t state[16]; /* mbedTLS's; nothing in it needs freeing */
} ri_sha256;

void ri_sha256_init(ri_sha256 *sha);
void ri_sha256_add(ri_sha256 *sha, ri_str bytes);
void ri_sha256_end(ri_sha256 *sha, uint8_t out[RI_SHA256_LEN]); /* init before it is used again */

#endif
