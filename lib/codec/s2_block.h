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
/* How far it is decompressed; zeroed at first. */
typedef struct ri_s2_place {
    size_t at;       /* bytes of the body that are done */
    size_t len;      /* bytes that are written */
    size_t distance; /* of the last copy; 0: there was none */
    size_t literal, copy; /* bytes of the one at hand that are not written; one of them is 0 */
} ri_s2_place;

/* Decompress `most` bytes more, or what is left, of what stands behind the length: of exactly
 * `holds` bytes at `out`, where what is written stays between two calls. 1 if there is more, or 0;
 * RILL_EPROTO. */
int ri_s2_block_some(ri_s2_place *place, ri_str body, char *out, size_t holds, size_t most);
/* All of it. */
int ri_s2_block_read(ri_str body, char *out, size_t holds);

#endif
