/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/s2_block.h"

#include "base/assert.h"
#include "base/error.h"

typedef struct s2_block {
    const unsigned char *at, *end;
    char *out;
    size_t cap;          /* bytes that shall be written */
    ri_s2_place *place;
} s2_block;

static int block_bad(void)
{
    return ri_err(RILL_EPROTO, "a compressed block is damaged");
}

/* `bytes` of a little-endian number; the caller has looked whether they are there. */
static size_t block_number(s2_block *b, size_t bytes)
{
    RI_ASSERT(bytes <= 4 && (size_t)(b->end - b->at) >= bytes);
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) n |= (size_t)b->at[i] << (8 * i);
    b->at += bytes;
    return n;
}

static bool block_has(const s2_block *b, size_t bytes)
{
    RI_ASSERT(b->at <= b->end);
    return (size_t)(b->end - b->at) >= bytes;
}

/* Is there room for all of it? Then it is what stands before the next tag. */
static bool block_owes(const s2_block *b, size_t *left, size_t len)
{
    RI_ASSERT(b->place->literal == 0 && b->place->copy == 0);
    if (len > b->cap - b->place->len) return false;
    *left = len;
    return true;
}

static bool block_literal(s2_block *b, size_t len)
{
    if (len >= 60) {
        size_t bytes = len - 59;
        if (!block_has(b, bytes)) return false;
        len = block_number(b, bytes);
    }
    len++;
    return block_has(b, len) && block_owes(b, &b->place->literal, len);
}

static bool block_copy(s2_block *b, size_t len)
{
    size_t distance = b->place->distance;
    if (distance == 0 || distance > b->place->len) return false;
    return block_owes(b, &b->place->copy, len);
}

/* The last distance once more: codes 0 to 4 are lengths, 5 to 7 say how many bytes hold it. */
static bool block_again(s2_block *b, size_t code)
{
    RI_ASSERT(code <= 8);
    static const size_t base[] = {0, 4, 1 << 8, 1 << 16};
    size_t bytes = code >= 5 ? code - 4 : 0;
    if (!block_has(b, bytes)) return false;
    size_t len = bytes ? block_number(b, bytes) + base[bytes] : code;
    return block_copy(b, len + 4);
}

/* A tag, and the numbers behind it. */
static bool block_tag(s2_block *b)
{
    RI_ASSERT(b->at < b->end);
    size_t tag = *b->at++;
    switch (tag & 3) {
    case 0: return block_literal(b, tag >> 2);
    case 1: {
        if (!block_has(b, 1)) return false;
        size_t distance = (tag & 0xe0) << 3 | block_number(b, 1), code = tag >> 2 & 7;
        if (distance == 0) return block_again(b, code);
        b->place->distance = distance;
        return block_copy(b, code + 4);
    }
    case 2:
        if (!block_has(b, 2)) return false;
        b->place->distance = block_number(b, 2);
        return block_copy(b, (tag >> 2) + 1);
    default:
        if (!block_has(b, 4)) return false;
        b->place->distance = block_number(b, 4);
        return block_copy(b, (tag >> 2) + 1);
    }
}

/* Source and target may overlap: what is copied may copy itself, and then is `distance` bytes again
 * and again, of which twice as many are there after each piece. */
static void block_repeat(char *to, size_t distance, size_t len)
{
    const char *from = to - distance;
    if (distance == 1) {
        memset(to, *from, len);
        return;
    }
    while (len > 0) {
        size_t piece = RI_MIN(len, (size_t)(to - from));
        memcpy(to, from, piece);
        to += piece;
        len -= piece;
    }
}

/* Of the literal or copy at hand, `most` bytes at most. */
static void block_write(s2_block *b, size_t most)
{
    ri_s2_place *place = b->place;
    RI_ASSERT(place->literal == 0 || place->copy == 0);
    char *to = b->out + place->len;
    size_t literal = RI_MIN(place->literal, most), copy = RI_MIN(place->copy, most);
    if (literal) memcpy(to, b->at, literal);
    if (copy) block_repeat(to, place->distance, copy);
    b->at += literal;
    place->literal -= literal;
    place->copy -= copy;
    place->len += literal + copy;
}

int ri_s2_block_size(ri_str block, size_t *holds, size_t *head)
{
    uint64_t n = 0;
    for (size_t i = 0; i < block.len && i < 5; i++) {
        unsigned char byte = (unsigned char)block.ptr[i];
        n |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (n > UINT32_MAX) break;
        *holds = (size_t)n;
        *head = i + 1;
        return RILL_OK;
    }
    return block_bad();
}

int ri_s2_block_some(ri_s2_place *place, ri_str body, char *out, size_t holds, size_t most)
{
    RI_ASSERT((out || holds == 0) && place->at <= body.len && place->len <= holds && most > 0);
    const unsigned char *bytes = (const unsigned char *)body.ptr;
    s2_block b = {bytes + place->at, bytes + body.len, out, holds, place};
    size_t end = most < holds - place->len ? place->len + most : holds;
    bool more;
    while ((more = b.at < b.end || place->copy > 0) && place->len < end) {
        if (place->literal == 0 && place->copy == 0 && !block_tag(&b)) return block_bad();
        block_write(&b, end - place->len);
    }
    place->at = (size_t)(b.at - bytes);
    if (more && place->len < holds) return 1;
    return !more && place->len == holds ? RILL_OK : block_bad();
}

int ri_s2_block_read(ri_str body, char *out, size_t holds)
{
    ri_s2_place place = {0};
    return ri_s2_block_some(&place, body, out, holds, RI_MAX(holds, (size_t)1));
}
