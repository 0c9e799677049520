/* SPDX-License-Identifier: Apache-2.0 */
/* A block of S2 or Snappy, decompressed: a varint with the length of what it holds, and then
 * literals and copies of what came before, divided by the two low bits of their first byte.
 *
 *     00  literal   length - 1 in the upper six bits; 60 to 63: in the 1 to 4 bytes behind
 *     01  copy      4 to 11 bytes, 11 bits of distance; distance 0: the last one again (S2 only),
 *                   with lengths of its own, up to 2^24
 *     10  copy      1 to 64 bytes, 16 bits of distance
 *     11  copy      1 to 64 bytes, 32 bits of distance
 *
 * Pure; for any bytes. */
#ifndef RI_S2_BLOCK_H
#define RI_S2_BLOCK_H

#include "base/str.h"

/* How many bytes the block holds, and how many its own length takes; RILL_EPROTO. */
int ri_s2_block_size(ri_str block, size_t *holds, size_t *head);
/* Decompress what stands behind the length into exactly `holds` bytes. RILL_EPROTO. */
int ri_s2_block_read(ri_str body, char *out, size_t holds);

#endif
