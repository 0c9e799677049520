/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of WebSocket (RFC 6455), bytes to bytes: what carries an operation of NATS is cut where
 * the operations are not, so a frame is read as its bytes come, and none is kept.
 *
 *      0 1 2 3  4..7     8  9..15
 *     |F|R|R|R| opcode | M | length |  ... 16 or 64 bits of length ... | key, if M | payload
 *      |  \_____ 1: this message is deflated; 2 and 3 mean nothing     \ each byte of the payload
 *      \ the last frame of its message                                   is xored with its byte
 *
 *     message   a frame that says TEXT or BINARY, then CONTINUATIONs, of which the last has F
 *     control   PING, PONG, CLOSE: one frame of up to 125 bytes, perhaps between those of a message
 *
 * To a NATS peer a text is as good as bytes, and where messages end says nothing. What a client
 * sends is masked, and what a server sends is not.
 *
 * The frames are rill's own code, and not wslay's, against which tests/unit/test_ws_frame.c checks
 * them: wslay unmasks byte by byte, through 4 KiB of its own for each connection, and there is no
 * static library of it for a daemon that is one file. */
#ifndef RI_WS_FRAME_H
#define RI_WS_FRAME_H

#include "base/str.h"

enum {
    RI_WS_CONTINUATION = 0,
    RI_WS_TEXT = 1,
    RI_WS_BINARY = 2,
    RI_WS_CLOSE = 8,
    RI_WS_PING = 9,
    RI_WS_PONG = 10,
};

enum {
    RI_WS_HEAD_MAX = 14,     /* bytes of a frame before its payload */
    RI_WS_CONTROL_MAX = 125, /* payload of a control frame */
};

/* Why a connection is closed (RFC 6455, 7.4). */
enum {
    RI_WS_NORMAL = 1000,
    RI_WS_GOING_AWAY = 1001,
    RI_WS_PROTOCOL = 1002,
    RI_WS_NO_STATUS = 1005,  /* a CLOSE without a code; is never sent */
    RI_WS_INVALID = 1007,
    RI_WS_POLICY = 1008,
    RI_WS_TOO_BIG = 1009,
    RI_WS_INTERNAL = 1011,
};

typedef struct ri_ws_frame {
    uint64_t len;     /* of the payload, below 2^63 */
    uint8_t opcode;
    bool final, deflated, masked;
    uint8_t key[4];   /* if masked */
} ri_ws_frame;

/* The header of a frame; its bytes. */
size_t ri_ws_frame_write(char out[RI_WS_HEAD_MAX], const ri_ws_frame *frame);
/* A control frame whole; `payload` has at most RI_WS_CONTROL_MAX bytes. */
size_t ri_ws_frame_control(char out[RI_WS_HEAD_MAX + RI_WS_CONTROL_MAX], uint8_t opcode,
                           ri_str payload, const uint8_t *key);
/* A deflated message of `len` bytes, which stand behind RI_WS_HEAD_MAX bytes of room, is one frame:
 * masked in place, its header in front of it. Where that begins. */
size_t ri_ws_frame_wrap(char *room, size_t len, const uint8_t *key);
/* The payload of a CLOSE, of which `text` gets as much as fits; its bytes. */
size_t ri_ws_frame_reason(char out[RI_WS_CONTROL_MAX], uint16_t code, const char *text);
/* Xors with the key, from the payload's byte `at` on, 8 bytes at a time. `out` may lie within or
 * before `in`, but not within it from its second byte on. */
void ri_ws_frame_mask(char *out, const char *in, size_t len, const uint8_t key[4], uint64_t at);

/* ---- Reading ---- */

typedef struct ri_ws_reader {
    bool masked;      /* what comes has to be masked; else it must not be */
    bool deflates;    /* messages may be deflated */
    bool framed;      /* a frame is under way ... */
    ri_ws_frame frame;
    uint64_t at;      /* ... and so much of its payload was read */
    bool within;      /* so is a message, ... */
    bool deflated;    /* ... and it is deflated */
    uint8_t head_len;
    char head[RI_WS_HEAD_MAX];       /* of a frame of which not all has come */
    uint8_t control_len;
    char control[RI_WS_CONTROL_MAX]; /* likewise, or just whole */
} ri_ws_reader;

/* What a call may use, and what it has done. `out` may be where `in` begins. */
typedef struct ri_ws_io {
    char *in;         /* is unmasked in place where a message is deflated */
    size_t in_len;    /* not used yet */
    char *out;
    size_t out_cap;   /* room that is left */
} ri_ws_io;

typedef enum ri_ws_step {
    RI_WS_MORE,       /* all that has come is used */
    RI_WS_FULL,       /* there is no room for what comes next */
    RI_WS_CONTROLLED, /* a control frame: frame.opcode, and control[0, control_len) */
    RI_WS_DEFLATED,   /* a frame of a deflated message is under way: ri_ws_frame_take() */
} ri_ws_step;

/* A ri_ws_step, or RILL_EPROTO, whose sentence is what nats-server says, and may be sent. */
int ri_ws_frame_read(ri_ws_reader *r, ri_ws_io *io);
/* What has come of that frame, unmasked where it stands; *last: the message is over behind it. */
ri_str ri_ws_frame_take(ri_ws_reader *r, ri_ws_io *io, bool *last);
/* What a CLOSE says: its code, RI_WS_NO_STATUS if it has none; RILL_EPROTO: it is malformed. */
int ri_ws_frame_closed(const ri_ws_reader *r);

#endif
