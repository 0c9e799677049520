/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to mbedTLS: SHA-1, which WebSocket's handshake wants as proof that a server has read a
 * key. Nothing secret hangs on it. */
#ifndef RI_SHA1_H
#define RI_SHA1_H

#include "base/str.h"

enum { RI_SHA1_SIZE = 20 };

void ri_sha1(ri_str bytes, unsigned char out[RI_SHA1_SIZE]);

#endif
