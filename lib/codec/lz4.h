/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of LZ4, unpacked in pieces:
 *
 *     magic 04 22 4d 18 | flags | block size | content size, if it is told | check byte
 *     length u32 | block | its sum, if there are any       the length's uppermost bit: not packed
 *     ...
 *     0 u32 | sum of the content, if there is one
 *
 * A block is a row of: a token, whose upper half is the length of literals and whose lower half
 * that of a copy, less 4, both with bytes behind them that are added while they are 255 (a half
 * of 15 has some); the literals; the distance of the copy, u16. The last has no copy. A copy may
 * reach back into blocks before, 64 KiB at most. Numbers are little-endian; sums are of 32 bits, by
 * xxHash. */
#ifndef RI_LZ4_H
#define RI_LZ4_H

#include "base/buffer.h"
#include "base/str.h"

typedef struct ri_lz4 { /* zeroed: at the beginning of the frame */
    size_t at;          /* bytes of it that are done */
    size_t given;       /* unpacked so far, at the end of `out` */
    size_t block_max;   /* bytes that a block may unpack to */
    bool block_sums, content_sum;
} ri_lz4;

/* Append whole blocks that unpack to about `bytes`: 1 if there is more, 0 at the end of the
 * frame, behind which nothing may be. RILL_EPROTO: it is none, or damaged; RILL_ETOOBIG: it
 * unpacks to more than `max`; RILL_ENOTSUP: it needs a dictionary; RILL_ENOMEM. */
int ri_lz4_some(ri_lz4 *z, ri_str in, size_t bytes, size_t max, ri_buffer *out);

#endif
