/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/ws_frame.h"

#include "base/assert.h"
#include "base/error.h"

enum { FRAME_FINAL = 0x80, FRAME_DEFLATED = 0x40, FRAME_RESERVED = 0x30, FRAME_MASKED = 0x80 };

static bool ws_frame_is_control(uint8_t opcode)
{
    return opcode >= RI_WS_CLOSE;
}

static uint64_t ws_frame_number(const char *bytes, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) n = n << 8 | (uint8_t)bytes[i];
    return n;
}

static void ws_frame_put_number(char *out, size_t len, uint64_t n)
{
    for (size_t i = 0; i < len; i++) out[i] = (char)(n >> 8 * (len - 1 - i));
}

/* ---- Writing ---- */

size_t ri_ws_frame_write(char out[RI_WS_HEAD_MAX], const ri_ws_frame *f)
{
    RI_ASSERT(f->opcode <= 15 && f->len <= INT64_MAX);
    size_t size = f->len < 126 ? 0 : f->len <= UINT16_MAX ? 2 : 8;
    uint8_t len = size == 0 ? (uint8_t)f->len : size == 2 ? 126 : 127;
    out[0] = (char)((f->final ? FRAME_FINAL : 0) | (f->deflated ? FRAME_DEFLATED : 0) | f->opcode);
    out[1] = (char)((f->masked ? FRAME_MASKED : 0) | len);
    ws_frame_put_number(out + 2, size, f->len);
    if (!f->masked) return 2 + size;
    memcpy(out + 2 + size, f->key, sizeof f->key);
    return 2 + size + sizeof f->key;
}

size_t ri_ws_frame_control(char out[RI_WS_HEAD_MAX + RI_WS_CONTROL_MAX], uint8_t opcode,
                           ri_str payload, const uint8_t *key)
{
    RI_ASSERT(ws_frame_is_control(opcode) && payload.len <= RI_WS_CONTROL_MAX);
    ri_ws_frame f = {.opcode = opcode, .final = true, .masked = key != NULL, .len = payload.len};
    if (key) memcpy(f.key, key, sizeof f.key);
    size_t len = ri_ws_frame_write(out, &f);
    if (key) ri_ws_frame_mask(out + len, payload.ptr, payload.len, key, 0);
    else if (payload.len) memcpy(out + len, payload.ptr, payload.len);
    return len + payload.len;
}

size_t ri_ws_frame_wrap(char *room, size_t len, const uint8_t *key)
{
    char head[RI_WS_HEAD_MAX], *text = room + RI_WS_HEAD_MAX;
    ri_ws_frame f = {.opcode = RI_WS_BINARY, .final = true, .deflated = true,
                     .masked = key != NULL, .len = len};
    if (key) memcpy(f.key, key, sizeof f.key);
    size_t head_len = ri_ws_frame_write(head, &f);
    if (key) ri_ws_frame_mask(text, text, len, key, 0);
    memcpy(text - head_len, head, head_len);
    return RI_WS_HEAD_MAX - head_len;
}

/* A text of ours, so that it is cut between letters wherever that is. */
size_t ri_ws_frame_reason(char out[RI_WS_CONTROL_MAX], uint16_t code, const char *text)
{
    static const char cut[] = "...";
    RI_ASSERT(code >= 1000 && code != RI_WS_NO_STATUS);
    size_t len = strlen(text), room = RI_WS_CONTROL_MAX - 2;
    ws_frame_put_number(out, 2, code);
    memcpy(out + 2, text, RI_MIN(len, room));
    if (len <= room) return 2 + len;
    memcpy(out + RI_WS_CONTROL_MAX - (sizeof cut - 1), cut, sizeof cut - 1);
    return RI_WS_CONTROL_MAX;
}

void ri_ws_frame_mask(char *out, const char *in, size_t len, const uint8_t key[4], uint64_t at)
{
    RI_ASSERT(len == 0 || out <= in || out >= in + len);
    uint8_t turned[8];
    uint64_t word, bytes[4];
    for (size_t i = 0; i < sizeof turned; i++) turned[i] = key[(at + i) & 3];
    memcpy(&word, turned, sizeof word);
    /* All that is read stands behind what is written, so a block is read before it is. */
    for (; len >= sizeof bytes; in += sizeof bytes, out += sizeof bytes, len -= sizeof bytes) {
        memcpy(bytes, in, sizeof bytes);
        for (size_t i = 0; i < RI_LEN(bytes); i++) bytes[i] ^= word;
        memcpy(out, bytes, sizeof bytes);
    }
    for (; len >= sizeof word; in += sizeof word, out += sizeof word, len -= sizeof word) {
        memcpy(bytes, in, sizeof word);
        bytes[0] ^= word;
        memcpy(out, bytes, sizeof word);
    }
    for (size_t i = 0; i < len; i++) out[i] = (char)(in[i] ^ turned[i]);
}

/* ---- Reading ---- */

static int ws_frame_refuse(const char *why)
{
    return ri_err(RILL_EPROTO, "%s", why);
}

/* The first two bytes, which say how long the header is: that, or RILL_EPROTO. */
static int ws_frame_head_size(const ri_ws_reader *r, const char *b)
{
    uint8_t first = (uint8_t)b[0], second = (uint8_t)b[1], len = second & 0x7f;
    bool masked = second & FRAME_MASKED;
    if (first & FRAME_RESERVED) return ws_frame_refuse("RSV2 and RSV3 must be clear");
    if (first & FRAME_DEFLATED && !r->deflates)
        return ws_frame_refuse("compressed frame received without negotiated permessage-deflate");
    if (r->masked && !masked) return ws_frame_refuse("mask bit missing");
    if (!r->masked && masked) return ws_frame_refuse("a server's frame is masked");
    if (ws_frame_is_control(first & 15) && len > RI_WS_CONTROL_MAX)
        return ws_frame_refuse("control frame length bigger than maximum allowed of 125 bytes");
    return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (masked ? 4 : 0);
}

/* A whole header, whose length is known. */
static void ws_frame_decode(ri_ws_frame *f, const char *b)
{
    size_t at = 2;
    *f = (ri_ws_frame){.opcode = (uint8_t)b[0] & 15, .final = b[0] & FRAME_FINAL,
                       .deflated = b[0] & FRAME_DEFLATED, .masked = b[1] & FRAME_MASKED,
                       .len = (uint8_t)b[1] & 0x7f};
    size_t size = f->len == 126 ? 2 : f->len == 127 ? 8 : 0;
    if (size) f->len = ws_frame_number(b + at, size);
    at += size;
    if (f->masked) memcpy(f->key, b + at, sizeof f->key);
}

/* May it stand here? The message that it belongs to is noted. */
static int ws_frame_admit(ri_ws_reader *r)
{
    const ri_ws_frame *f = &r->frame;
    switch (f->opcode) {
    case RI_WS_CLOSE:
    case RI_WS_PING:
    case RI_WS_PONG:
        if (!f->final) return ws_frame_refuse("control frame does not have final bit set");
        if (f->deflated) return ws_frame_refuse("control frame must not be compressed");
        r->control_len = 0;
        return RILL_OK;
    case RI_WS_TEXT:
    case RI_WS_BINARY:
        if (r->within)
            return ws_frame_refuse("new message started before final frame for previous message "
                                   "was received");
        r->deflated = f->deflated;
        break;
    case RI_WS_CONTINUATION:
        if (!r->within || f->deflated) return ws_frame_refuse("invalid continuation frame");
        break;
    default: return ri_err(RILL_EPROTO, "unknown opcode %u", f->opcode);
    }
    if (f->len > INT64_MAX) return ws_frame_refuse("invalid 64-bit payload length");
    r->within = true;
    return RILL_OK;
}

/* More bytes of the header, until there are `size`; true: there are. */
static bool ws_frame_gather(ri_ws_reader *r, ri_ws_io *io, size_t size)
{
    RI_ASSERT(size <= sizeof r->head && r->head_len <= size);
    size_t n = RI_MIN(size - r->head_len, io->in_len);
    memcpy(r->head + r->head_len, io->in, n);
    r->head_len += (uint8_t)n;
    io->in += n;
    io->in_len -= n;
    return r->head_len == size;
}

/* The header of the next frame: 1: a frame is under way; 0: more is to come; or RILL_EPROTO. */
static int ws_frame_begin(ri_ws_reader *r, ri_ws_io *io)
{
    const char *head = io->in;
    int size;
    if (ri_likely(r->head_len == 0 && io->in_len >= RI_WS_HEAD_MAX)) {
        if ((size = ws_frame_head_size(r, head)) < 0) return size;
        io->in += size;
        io->in_len -= (size_t)size;
    } else {
        if (r->head_len < 2 && !ws_frame_gather(r, io, 2)) return 0;
        if ((size = ws_frame_head_size(r, r->head)) < 0) return size;
        if (!ws_frame_gather(r, io, (size_t)size)) return 0;
        head = r->head;
        r->head_len = 0;
    }
    ws_frame_decode(&r->frame, head);
    int rc = ws_frame_admit(r);
    if (rc < 0) return rc;
    r->framed = true;
    r->at = 0;
    return 1;
}

static void ws_frame_end(ri_ws_reader *r)
{
    RI_ASSERT(r->framed && r->at == r->frame.len);
    r->framed = false;
    if (r->frame.final && !ws_frame_is_control(r->frame.opcode)) r->within = false;
}

/* As many bytes of the payload as have come and `room` holds, to `out`. */
static size_t ws_frame_move(ri_ws_reader *r, ri_ws_io *io, char *out, size_t room)
{
    size_t n = RI_MIN(io->in_len, room);
    n = (size_t)RI_MIN(r->frame.len - r->at, (uint64_t)n);
    if (r->frame.masked) ri_ws_frame_mask(out, io->in, n, r->frame.key, r->at);
    else if (n) memmove(out, io->in, n);
    r->at += n;
    io->in += n;
    io->in_len -= n;
    return n;
}

int ri_ws_frame_read(ri_ws_reader *r, ri_ws_io *io)
{
    RI_ASSERT(r && io && r->head_len <= RI_WS_HEAD_MAX);
    for (;;) {
        int rc = r->framed ? 1 : ws_frame_begin(r, io);
        if (rc <= 0) return rc < 0 ? rc : RI_WS_MORE;
        if (ri_unlikely(ws_frame_is_control(r->frame.opcode))) {
            size_t n = ws_frame_move(r, io, r->control + r->control_len,
                                  sizeof r->control - r->control_len);
            r->control_len += (uint8_t)n;
            if (r->at < r->frame.len) return RI_WS_MORE;
            ws_frame_end(r);
            return RI_WS_CONTROLLED;
        }
        if (ri_unlikely(r->deflated)) return RI_WS_DEFLATED;
        size_t n = ws_frame_move(r, io, io->out, io->out_cap);
        io->out += n;
        io->out_cap -= n;
        if (r->at < r->frame.len) return io->in_len ? RI_WS_FULL : RI_WS_MORE;
        ws_frame_end(r);
    }
}

ri_str ri_ws_frame_take(ri_ws_reader *r, ri_ws_io *io, bool *last)
{
    RI_ASSERT(r->framed && r->deflated && !ws_frame_is_control(r->frame.opcode));
    char *here = io->in;
    size_t n = ws_frame_move(r, io, here, io->in_len);
    *last = r->at == r->frame.len && r->frame.final;
    if (r->at == r->frame.len) ws_frame_end(r);
    return (ri_str){here, n};
}

/* 1016 to 2999 mean nothing yet, and some must not be sent. */
static bool ws_frame_is_code(unsigned code)
{
    if (code == 1004 || code == RI_WS_NO_STATUS || code == 1006 || code == 1015) return false;
    return (code >= 1000 && code < 1016) || (code >= 3000 && code < 5000);
}

int ri_ws_frame_closed(const ri_ws_reader *r)
{
    RI_ASSERT(r->frame.opcode == RI_WS_CLOSE && !r->framed);
    if (r->control_len == 0) return RI_WS_NO_STATUS;
    if (r->control_len == 1) return ws_frame_refuse("close frame payload cannot be 1 byte");
    unsigned code = (unsigned)ws_frame_number(r->control, 2);
    if (!ws_frame_is_code(code)) return ri_err(RILL_EPROTO, "invalid close status code %u", code);
    return (int)code;
}
