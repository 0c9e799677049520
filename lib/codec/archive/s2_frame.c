/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/archive/s2_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "codec/s2_block.h"

enum {
    S2_IDENTIFIER = 0xff,
    S2_COMPRESSED = 0x00,
    S2_PLAIN = 0x01,
    S2_SKIPPABLE = 0x80, /* and above: not ours to know */
    S2_HEAD = 4,         /* kind and length */
    S2_SUM = 4,
    S2_CHUNK = 65536, /* bytes of data in one that is written, as Snappy's readers take at most */
    S2_CHUNK_MAX = RI_S2_FRAME_MAX + S2_SUM, /* bytes of one that is read */
};

static uint32_t s2_sum(ri_str plain)
{
    uint32_t crc = ri_crc32c(0, plain.ptr, plain.len);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void s2_number(char *out, uint32_t n, size_t bytes)
{
    RI_ASSERT(bytes <= 4 && (bytes == 4 || n >> (8 * bytes) == 0));
    for (size_t i = 0; i < bytes; i++) out[i] = (char)(n >> (8 * i));
}

static uint32_t s2_number_of(const char *p, size_t bytes)
{
    RI_ASSERT(bytes <= 4);
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

static int s2_read_compressed(ri_str block, ri_buffer *plain, size_t *holds)
{
    size_t head;
    int rc = ri_s2_block_size(block, holds, &head);
    if (rc < 0) return rc;
    if (*holds > RI_S2_FRAME_MAX) return ri_err(RILL_EPROTO, "a chunk holds %zu bytes", *holds);
    if (*holds == 0) return RILL_OK;
    char *room = ri_buffer_room(plain, *holds);
    return room ? ri_s2_block_read(ri_str_from(block, head), room, *holds) : RILL_ENOMEM;
}

static int s2_read_plain(ri_str data, ri_buffer *plain, size_t *holds)
{
    *holds = data.len;
    if (data.len == 0) return RILL_OK;
    char *room = ri_buffer_room(plain, data.len);
    if (!room) return RILL_ENOMEM;
    memcpy(room, data.ptr, data.len);
    return RILL_OK;
}

/* A chunk with data: its bytes count once their checksum is found right. */
static int s2_read_data(bool compressed, ri_str chunk, ri_buffer *plain)
{
    RI_ASSERT(chunk.len >= S2_SUM);
    size_t holds;
    ri_str body = ri_str_from(chunk, S2_SUM);
    int rc = compressed ? s2_read_compressed(body, plain, &holds)
                        : s2_read_plain(body, plain, &holds);
    if (rc < 0) return rc;
    ri_str data = {holds ? plain->ptr + plain->len : NULL, holds};
    if (s2_number_of(chunk.ptr, S2_SUM) != s2_sum(data))
        return ri_err(RILL_EPROTO, "the checksum of a chunk is wrong");
    if (holds) ri_buffer_added(plain, holds);
    return RILL_OK;
}

static int s2_check_identifier(ri_str id)
{
    if (ri_str_is(id, "S2sTwO") || ri_str_is(id, "sNaPpY")) return RILL_OK;
    return ri_err(RILL_EPROTO, "this is no S2 stream");
}

int64_t ri_s2_frame_read(ri_str in, ri_buffer *plain)
{
    RI_ASSERT(ri_buffer_is_sound(plain));
    if (in.len < S2_HEAD) return 0;
    unsigned kind = (unsigned char)in.ptr[0];
    size_t len = s2_number_of(in.ptr + 1, 3);
    bool data = kind == S2_PLAIN || kind == S2_COMPRESSED;
    if (!data && kind < S2_SKIPPABLE)
        return ri_err(RILL_EPROTO, "an unknown kind of chunk: %u", kind);
    if (len > S2_CHUNK_MAX || (data && len < S2_SUM) || (kind == S2_IDENTIFIER && len != 6))
        return ri_err(RILL_EPROTO, "a chunk of %zu bytes", len);
    if (in.len < S2_HEAD + len) return 0;
    ri_str chunk = {in.ptr + S2_HEAD, len};
    int rc = data ? s2_read_data(kind == S2_COMPRESSED, chunk, plain)
                  : kind == S2_IDENTIFIER ? s2_check_identifier(chunk) : RILL_OK;
    return rc < 0 ? rc : (int64_t)(S2_HEAD + len);
}
