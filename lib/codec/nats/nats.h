/* SPDX-License-Identifier: Apache-2.0 */
/* The NATS protocol: bytes to operations and back; pure, no copy, no allocation.
 *
 *     while (s < end) {
 *         int used = ri_nats_parse(&p, s, end, &op);
 *         if (used == 0) break;       // read more behind what is there; p.need says how much
 *         if (used < 0) { say ri_nats_failure_text(p.failure) unless NULL; close; }
 *         obey op; s += used;
 *     }
 *
 * ri_nats_parse_many() does that for many at once.
 *
 * An operation is whole or it is not handed out; it points into the input, and is good until
 * the input moves. After "more" call again with the same bytes (they may have moved) and those
 * that came since: the parser has remembered how far it looked. */
#ifndef RI_NATS_H
#define RI_NATS_H

#include "base/assert.h"
#include "base/defs.h"
#include "base/message.h"
#include "base/number.h"
#include "base/str.h"

typedef enum ri_nats_kind {
    RI_NATS_PUB = 1, /* subject, reply, header (empty), data */
    RI_NATS_HPUB,    /* subject, reply, headers, data */
    RI_NATS_SUB,     /* subject, queue, sid */
    RI_NATS_UNSUB,   /* sid, max */
    RI_NATS_CONNECT, /* text: the JSON */
    RI_NATS_PING,
    RI_NATS_PONG,
    RI_NATS_INFO,    /* text: the JSON, without blanks behind it */
    RI_NATS_OK,
    RI_NATS_ERR,     /* text, without its quotes */
    RI_NATS_MSG,     /* subject, sid, reply, data */
    RI_NATS_HMSG,    /* subject, sid, reply, headers, data */
} ri_nats_kind;

static inline bool ri_nats_is_message(ri_nats_kind kind)
{
    return kind == RI_NATS_PUB || kind == RI_NATS_HPUB || kind == RI_NATS_MSG ||
           kind == RI_NATS_HMSG;
}

/* Fields not named beside the kind are undefined. Absent parts are empty. */
typedef struct ri_nats_op {
    ri_nats_kind kind;
    ri_message m;   /* SUB: its subject alone. The parser computes no hash: it is 0 */
    ri_str sid;
    ri_str queue;
    ri_str text;
    uint64_t max;   /* UNSUB: 0 is now */
} ri_nats_op;

/* Why a connection must be closed. */
typedef enum ri_nats_failure {
    RI_NATS_FINE,
    RI_NATS_BAD_OPERATION,   /* unknown verb, or data not followed by CRLF */
    RI_NATS_BAD_ARGUMENTS,   /* wrong count or size; closed without a word */
    RI_NATS_LONG_LINE,       /* beyond max_line */
    RI_NATS_BIG_PAYLOAD,     /* beyond max_payload; known before the payload is there */
    RI_NATS_NO_LOGIN,        /* the first line had to be CONNECT */
    RI_NATS_NO_HEADERS,      /* HPUB without `headers`; closed without a word */
} ri_nats_failure;

/* What stands between the quotes of -ERR before closing; NULL: close without a word. */
const char *ri_nats_failure_text(ri_nats_failure failure);

typedef enum ri_nats_side {
    RI_NATS_FROM_CLIENT, /* we are the server */
    RI_NATS_FROM_SERVER, /* we are the client */
} ri_nats_side;

typedef struct ri_nats {
    ri_nats_side side;
    uint32_t max_line;      /* bytes of arguments of a line */
    uint32_t max_payload;   /* headers and data */
    bool headers;           /* HPUB is allowed */
    bool connect_only;      /* anything but CONNECT is RI_NATS_NO_LOGIN */
    ri_nats_failure failure; /* set when RILL_EPROTO is returned */
    size_t need;            /* after "more": the operation's bytes, as far as known; 0: unknown */
    size_t sought;          /* private: bytes of this operation without a LF in them */
} ri_nats;

/* With the default limits of `side`; fields may be changed at any time between two operations. */
void ri_nats_init(ri_nats *p, ri_nats_side side);
/* Bytes used, 0 for "more", RILL_EPROTO with p->failure set (no sentence is made). */
int ri_nats_parse(ri_nats *p, const char *s, const char *end, ri_nats_op *op);
/* As many at once as `ops` has room for and `in` holds, cut off its front: how many, or what
 * ri_nats_parse() says when there is none. Messages only follow each other; any other operation
 * is the last, since how the rest is to be read may depend on it. Equal lines one behind the
 * other have one subject and reply, the first one's, by address, too. */
int ri_nats_parse_many(ri_nats *p, ri_str *in, ri_nats_op *ops, int max);

/* ---- Writing. Each returns the end of what it wrote at `out`, which must have room. ---- */

/* What the MSG lines of one message have in common; only the sid differs by receiver. */
typedef struct ri_nats_line {
    ri_str subject;
    ri_str reply;        /* empty: none */
    bool headers;        /* HMSG or HPUB */
    uint8_t tail_len;
    char tail[2 * (RI_NUMBER_MAX + 1) + 2]; /* sizes and CRLF */
} ri_nats_line;

/* `header_len` 0 is a message without headers; data of `data_len` follows them. */
void ri_nats_line_init(ri_nats_line *line, ri_str subject, ri_str reply, size_t header_len,
                       size_t data_len);

/* Room that a MSG line needs. */
static inline size_t ri_nats_line_room(const ri_nats_line *line, size_t sid_len)
{
    return sizeof "HPUB " + line->subject.len + sid_len + line->reply.len + 3 + sizeof line->tail;
}

static inline char *ri_nats_put_tail(char *out, const ri_nats_line *line)
{
    RI_ASSERT(line->tail_len > 0 && line->tail_len <= sizeof line->tail);
    if (line->reply.len > 0) {
        out = ri_str_put(out, line->reply);
        *out++ = ' ';
    }
    memcpy(out, line->tail, sizeof line->tail); /* there is room for all of it */
    return out + line->tail_len;
}

/* "MSG subject sid [reply] size CRLF", or HMSG; headers, data and CRLF are the caller's. Each
 * delivery passes it. */
static inline char *ri_nats_put_msg(char *out, const ri_nats_line *line, ri_str sid)
{
    RI_ASSERT(sid.len > 0 && line->subject.len > 0);
    if (line->headers) *out++ = 'H';
    memcpy(out, "MSG ", 4);
    out = ri_str_put(out + 4, line->subject);
    *out++ = ' ';
    out = ri_str_put(out, sid);
    *out++ = ' ';
    return ri_nats_put_tail(out, line);
}
/* "PUB subject [reply] size CRLF", or HPUB. It is for one receiver, and so its sizes are written
 * where they stay: what was written as digits and is read at once as more is waited for. */
char *ri_nats_put_pub(char *out, ri_str subject, ri_str reply, size_t header_len, size_t data_len);

#define RI_NATS_PUB_ROOM(subject_len, reply_len) \
    (sizeof "HPUB " + (subject_len) + (reply_len) + 2 * RI_NUMBER_MAX + 6)
#define RI_NATS_SUB_ROOM(subject_len, queue_len) (RI_NUMBER_MAX + 8 + (subject_len) + (queue_len))
#define RI_NATS_UNSUB_ROOM (2 * RI_NUMBER_MAX + 10)
char *ri_nats_put_sub(char *out, ri_str subject, ri_str queue, uint64_t sid);
char *ri_nats_put_unsub(char *out, uint64_t sid, uint64_t max); /* max 0: now */
/* "-ERR 'text' CRLF"; needs text.len + 9. */
char *ri_nats_put_err(char *out, ri_str text);

#define RI_NATS_PING_LINE RI_STR("PING\r\n")
#define RI_NATS_PONG_LINE RI_STR("PONG\r\n")
#define RI_NATS_OK_LINE RI_STR("+OK\r\n")
#define RI_NATS_CRLF RI_STR("\r\n")

#endif
