/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/s2_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"

enum {
    S2_IDENTIFIER = 0xff,
    S2_COMPRESSED = 0x00,
    S2_PLAIN = 0x01,
    S2_SKIPPABLE = 0x80, /* and above: not ours to know */
    S2_HEAD = 4,         /* kind and length */
    S2_SUM = 4,
    S2_CHUNK = 65536,     /* bytes of data in one, as Snappy's readers take at most */
    S2_CHUNK_MAX = 4 << 20, /* as S2's writers make */
};

static uint32_t s2_sum(ri_str plain)
{
    uint32_t crc = ri_crc32c(0, plain.ptr, plain.len);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void s2_number(char *out, uint32_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) out[i] = (char)(n >> (8 * i));
}

static uint32_t s2_number_of(const char *p, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = bytes; i-- > 0;) n = n << 8 | (unsigned char)p[i];
    return n;
}

void ri_s2_frame_begin(ri_buffer *out)
{
    ri_buffer_put(out, "\xff\x06\0\0S2sTwO", 10);
}

void ri_s2_frame_put(ri_buffer *out, ri_str plain)
{
    while (plain.len > 0) {
        ri_str part = {plain.ptr, plain.len < S2_CHUNK ? plain.len : S2_CHUNK};
        char head[S2_HEAD + S2_SUM] = {S2_PLAIN};
        s2_number(head + 1, (uint32_t)part.len + S2_SUM, 3);
        s2_number(head + S2_HEAD, s2_sum(part), S2_SUM);
        ri_buffer_put(out, head, sizeof head);
        ri_buffer_put_str(out, part);
        plain = ri_str_from(plain, part.len);
    }
}

int64_t ri_s2_frame_read(ri_str in, ri_str *plain)
{
    *plain = (ri_str){NULL, 0};
    if (in.len < S2_HEAD) return 0;
    unsigned kind = (unsigned char)in.ptr[0];
    size_t len = s2_number_of(in.ptr + 1, 3);
    if (kind == S2_COMPRESSED) return ri_err(RILL_EPROTO, "the archive is compressed");
    if (kind != S2_PLAIN && kind < S2_SKIPPABLE)
        return ri_err(RILL_EPROTO, "an unknown kind of chunk: %u", kind);
    if (len > S2_CHUNK_MAX + S2_SUM || (kind == S2_PLAIN && len < S2_SUM))
        return ri_err(RILL_EPROTO, "a chunk of %zu bytes", len);
    if (in.len < S2_HEAD + len) return 0;
    if (kind == S2_PLAIN) {
        ri_str data = {in.ptr + S2_HEAD + S2_SUM, len - S2_SUM};
        if (s2_number_of(in.ptr + S2_HEAD, S2_SUM) != s2_sum(data))
            return ri_err(RILL_EPROTO, "the checksum of a chunk is wrong");
        *plain = data;
    } else if (kind == S2_IDENTIFIER && len != 6) {
        return ri_err(RILL_EPROTO, "an identifier of %zu bytes", len);
    }
    RI_ASSERT(plain->len <= S2_CHUNK_MAX);
    return (int64_t)(S2_HEAD + len);
}
