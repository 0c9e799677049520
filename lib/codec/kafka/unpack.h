/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a Kafka batch, unpacked in pieces.
 *
 *     codec    0  none      1  gzip     2  snappy          3  lz4         4  zstd
 *     by       -            zlib        codec/s2_block.h   liblz4         libzstd
 *
 * The last two are features of the build, which is without them where they are not.
 *
 * snappy comes as one block, or in the frame of Java's: "\202SNAPPY\0", two versions u32, and then
 * blocks, each behind its length u32 (big-endian). */
#ifndef RI_UNPACK_H
#define RI_UNPACK_H

#include "base/buffer.h"
#include "base/str.h"
#include "codec/s2_block.h"

/* RILL_ENOTSUP, and the sentence names the codec, if this build cannot unpack it. */
int ri_unpack_has(int codec);

/* What the adapter of a library (gzip.h, lz4.h, zstd.h) does in one call of it. It returns 1 if
 * there may be more, 0 at the end; RILL_EPROTO, without a sentence, if it is not what the codec
 * makes; RILL_ETOOBIG, RILL_ENOMEM. */
typedef struct ri_unpack_step {
    ri_str in;       /* packed bytes that are not done; they may lie elsewhere at each step */
    bool rest;       /* and more behind them */
    char *room;      /* where what it unpacks to goes, of ... */
    size_t cap;      /* ... so many bytes */
    size_t used, given; /* out: bytes of `in` that are done, and bytes in `room` */
} ri_unpack_step;

typedef struct ri_unpack {
    const ri_host *host;
    int codec;
    size_t max;      /* bytes that it may unpack to */
    size_t at;       /* of the packed bytes, so many are done */
    size_t given;    /* so many unpacked */
    void *state;     /* the library's; NULL: there is none, or it has not begun */
    ri_s2_place place; /* in the block of snappy at hand */
} ri_unpack;

void ri_unpack_init(ri_unpack *u, const ri_host *host, int codec, size_t max);
void ri_unpack_fini(ri_unpack *u); /* zeroed: nothing happens */
/* Append about `bytes` more of what `in`, all of it, unpacks to, less where blocks hold next to
 * nothing: 1 if there is more, or 0. Nobody else writes to `out` meanwhile. RILL_ENOTSUP;
 * RILL_EPROTO: not what the codec makes; RILL_ETOOBIG, RILL_ENOMEM. */
int ri_unpack_some(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out);
/* All of it. */
int ri_unpack_all(int codec, ri_str in, size_t max, ri_buffer *out);

#endif
