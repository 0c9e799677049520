/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/lz4.h"

#include "base/error.h"
#include "base/hash.h"

enum {
    LZ4_HEAD = 7,           /* magic, flags, block size, check byte */
    LZ4_WORD = 4,
    LZ4_COPY_MIN = 4,
    LZ4_FLAG_DICTIONARY = 1, LZ4_FLAG_CONTENT_SUM = 4, LZ4_FLAG_CONTENT_SIZE = 8,
    LZ4_FLAG_BLOCK_SUMS = 16,
};

#define LZ4_MAGIC 0x184d2204u
#define LZ4_PLAIN 0x80000000u /* of a block's length: what follows is not packed */

static int lz4_bad(void)
{
    return ri_err(RILL_EPROTO, "a frame of lz4 is damaged");
}

static uint32_t lz4_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* ---- A block ---- */

typedef struct lz4_block {
    const unsigned char *at, *end;
    char *out;     /* of the frame */
    size_t len;    /* written of it */
    size_t cap;    /* that may be */
    bool full;     /* it wanted more */
} lz4_block;

/* A half of a token and the bytes that belong to it; false: they are not all there. */
static bool lz4_length(lz4_block *b, size_t half, size_t *len)
{
    unsigned char more = 255;
    *len = half;
    if (half < 15) return true;
    while (more == 255) {
        if (b->at == b->end || *len > UINT32_MAX) return false;
        more = *b->at++;
        *len += more;
    }
    return true;
}

static bool lz4_fits(lz4_block *b, size_t len)
{
    b->full = len > b->cap - b->len;
    return !b->full;
}

static bool lz4_literals(lz4_block *b, size_t len)
{
    if (len > (size_t)(b->end - b->at) || !lz4_fits(b, len)) return false;
    if (len) memcpy(b->out + b->len, b->at, len);
    b->at += len;
    b->len += len;
    return true;
}

/* Source and target may overlap: what is copied may copy itself. */
static bool lz4_copy(lz4_block *b, size_t half)
{
    size_t len;
    if (b->end - b->at < 2) return false;
    size_t distance = (size_t)b->at[0] | (size_t)b->at[1] << 8;
    b->at += 2;
    if (!lz4_length(b, half, &len) || distance == 0 || distance > b->len) return false;
    len += LZ4_COPY_MIN;
    if (!lz4_fits(b, len)) return false;
    char *to = b->out + b->len;
    const char *from = to - distance;
    b->len += len;
    if (distance >= len) memcpy(to, from, len);
    else for (size_t i = 0; i < len; i++) to[i] = from[i];
    return true;
}

static bool lz4_unpack(lz4_block *b)
{
    while (b->at < b->end) {
        size_t token = *b->at++, len;
        if (!lz4_length(b, token >> 4, &len) || !lz4_literals(b, len)) return false;
        if (b->at == b->end) return true;
        if (!lz4_copy(b, token & 15)) return false;
    }
    return false; /* the last has no copy */
}

/* ---- The frame ---- */

static int lz4_begin(ri_lz4 *z, ri_str in, size_t max)
{
    if (in.len < LZ4_HEAD || lz4_u32(in.ptr) != LZ4_MAGIC) return lz4_bad();
    unsigned flags = (unsigned char)in.ptr[4], size = (unsigned char)in.ptr[5] >> 4 & 7;
    size_t head = LZ4_HEAD + (flags & LZ4_FLAG_CONTENT_SIZE ? 8 : 0);
    if (flags & LZ4_FLAG_DICTIONARY) return ri_err(RILL_ENOTSUP, "lz4 with a dictionary");
    if (flags >> 6 != 1 || size < 4 || in.len < head) return lz4_bad();
    if (flags & LZ4_FLAG_CONTENT_SIZE && (lz4_u32(in.ptr + 10) || lz4_u32(in.ptr + 6) > max))
        return ri_err(RILL_ETOOBIG, "it unpacks to more than %zu bytes", max);
    uint32_t sum = ri_hash_xxh32(in.ptr + LZ4_WORD, head - LZ4_WORD - 1);
    if ((unsigned char)in.ptr[head - 1] != (sum >> 8 & 255)) return lz4_bad();
    z->block_max = (size_t)1 << (8 + 2 * size);
    z->block_sums = flags & LZ4_FLAG_BLOCK_SUMS;
    z->content_sum = flags & LZ4_FLAG_CONTENT_SUM;
    z->at = head;
    return RILL_OK;
}

static int lz4_end(ri_lz4 *z, ri_str in, const ri_buffer *out)
{
    if (in.len - z->at != (z->content_sum ? LZ4_WORD : 0)) return lz4_bad();
    if (!z->content_sum) return 0;
    const char *content = out->ptr + out->len - z->given;
    return ri_hash_xxh32(content, z->given) == lz4_u32(in.ptr + z->at) ? 0 : lz4_bad();
}

static int lz4_block_read(ri_lz4 *z, ri_str block, bool plain, size_t max, ri_buffer *out)
{
    size_t room = RI_MIN(z->block_max, max - z->given);
    if (!ri_buffer_room(out, RI_MAX(room, (size_t)1))) return ri_err_nomem(room);
    lz4_block b = {.at = (const unsigned char *)block.ptr,
                   .end = (const unsigned char *)block.ptr + block.len,
                   .out = out->ptr + out->len - z->given, .len = z->given, .cap = z->given + room};
    bool whole = plain ? lz4_literals(&b, block.len) : lz4_unpack(&b);
    if (!whole && b.full && room < z->block_max)
        return ri_err(RILL_ETOOBIG, "it unpacks to more than %zu bytes", max);
    if (!whole) return lz4_bad();
    ri_buffer_added(out, b.len - z->given);
    z->given = b.len;
    return RILL_OK;
}

int ri_lz4_some(ri_lz4 *z, ri_str in, size_t bytes, size_t max, ri_buffer *out)
{
    int rc = z->at ? RILL_OK : lz4_begin(z, in, max);
    size_t enough = z->given + bytes;
    while (rc == 0 && z->given < enough) {
        if (in.len - z->at < LZ4_WORD) return lz4_bad();
        uint32_t word = lz4_u32(in.ptr + z->at), len = word & ~LZ4_PLAIN;
        z->at += LZ4_WORD;
        if (word == 0) return lz4_end(z, in, out);
        size_t sum = z->block_sums ? LZ4_WORD : 0;
        if (len > in.len - z->at || sum > in.len - z->at - len) return lz4_bad();
        ri_str block = {in.ptr + z->at, len};
        z->at += len + sum;
        if (sum && ri_hash_xxh32(block.ptr, len) != lz4_u32(block.ptr + len)) return lz4_bad();
        rc = lz4_block_read(z, block, word & LZ4_PLAIN, max, out);
    }
    return rc < 0 ? rc : 1;
}
