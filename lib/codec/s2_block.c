/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/s2_block.h"

#include "base/assert.h"
#include "base/error.h"

typedef struct s2_block {
    const unsigned char *at, *end;
    char *out;
    size_t len, cap;   /* written; to be written */
    size_t distance;   /* of the last copy; 0: there was none */
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

static bool block_literal(s2_block *b, size_t len)
{
    RI_ASSERT(b->len <= b->cap);
    if (len >= 60) {
        size_t bytes = len - 59;
        if (!block_has(b, bytes)) return false;
        len = block_number(b, bytes);
    }
    len++;
    if (!block_has(b, len) || len > b->cap - b->len) return false;
    memcpy(b->out + b->len, b->at, len);
    b->at += len;
    b->len += len;
    return true;
}

/* Source and target may overlap: what is copied may copy itself. */
static bool block_copy(s2_block *b, size_t len)
{
    RI_ASSERT(b->len <= b->cap);
    if (b->distance == 0 || b->distance > b->len || len > b->cap - b->len) return false;
    char *to = b->out + b->len;
    const char *from = to - b->distance;
    b->len += len;
    if (b->distance >= len) {
        memcpy(to, from, len);
        return true;
    }
    for (size_t i = 0; i < len; i++) to[i] = from[i];
    return true;
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

static bool block_step(s2_block *b)
{
    RI_ASSERT(b->at < b->end);
    size_t tag = *b->at++;
    switch (tag & 3) {
    case 0: return block_literal(b, tag >> 2);
    case 1: {
        if (!block_has(b, 1)) return false;
        size_t distance = (tag & 0xe0) << 3 | block_number(b, 1), code = tag >> 2 & 7;
        if (distance == 0) return block_again(b, code);
        b->distance = distance;
        return block_copy(b, code + 4);
    }
    case 2:
        if (!block_has(b, 2)) return false;
        b->distance = block_number(b, 2);
        return block_copy(b, (tag >> 2) + 1);
    default:
        if (!block_has(b, 4)) return false;
        b->distance = block_number(b, 4);
        return block_copy(b, (tag >> 2) + 1);
    }
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

int ri_s2_block_read(ri_str body, char *out, size_t holds)
{
    RI_ASSERT(out || holds == 0);
    const unsigned char *bytes = (const unsigned char *)body.ptr;
    s2_block b = {.at = bytes, .end = bytes + body.len, .out = out, .cap = holds};
    while (b.at < b.end)
        if (!block_step(&b)) return block_bad();
    return b.len == b.cap ? RILL_OK : block_bad();
}
