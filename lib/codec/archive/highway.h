/* SPDX-License-Identifier: Apache-2.0 */
/* HighwayHash with a result of 64 bits, of bytes that come in pieces: the checksum of nats-server's
 * message blocks. Pure. */
#ifndef RI_HIGHWAY_H
#define RI_HIGHWAY_H

#include "base/str.h"

#define RI_HIGHWAY_KEY 32 /* bytes */

typedef struct ri_highway {
    uint64_t v0[4], v1[4], mul0[4], mul1[4];
    unsigned char rest[32]; /* of a packet that is not yet whole */
    size_t len;             /* of rest */
} ri_highway;

void ri_highway_init(ri_highway *h, const unsigned char key[RI_HIGHWAY_KEY]);
void ri_highway_add(ri_highway *h, ri_str bytes);
uint64_t ri_highway_end(ri_highway *h); /* init before it is used again */

#endif
