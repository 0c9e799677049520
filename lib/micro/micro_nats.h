/* SPDX-License-Identifier: Apache-2.0 */
/* The peer that is a server of NATS, over wires that the program dials.
 *
 *               dial()            INFO              PONG
 *      DOWN ------------> HELLO --------> LOGIN ----------> UP
 *        ^                  |               |                |
 *        +------------------+---------------+----------------+   lost: by the wire, a deadline,
 *              after the pause, or at once if another server     garbage, unanswered PINGs
 *              of the URL was not tried in this round
 *
 * Output has two buffers. `ctl` has what belongs to this connection: CONNECT, PING, PONG, SUB and
 * UNSUB; it is made again for each. `out` has messages, which outlive connections:
 *
 *      out:   [ sent ......... | goal ......... | len ....... ]  cap
 *
 * Bytes before `sent` are with the wire. `goal` is where an operation ends: at sent == goal the
 * control bytes may go first. A connection that is lost within an operation has not delivered it:
 * it is found from the front, line by line, and sent again as a whole; those before it are gone.
 *
 * Input is read into one buffer, which holds a message of max_msg_bytes with its line. What is
 * larger is passed over: of a message's line only the size, at its end, is looked at then; of an
 * INFO what there was room for is read. */
#ifndef RI_MICRO_NATS_H
#define RI_MICRO_NATS_H

#include "micro/micro.h"

#include "micro/micro_tls.h"

#include "codec/nats/nats.h"
#include "codec/nats/url.h"

typedef enum ri_micro_nats_state {
    MICRO_NATS_DOWN,
    MICRO_NATS_HELLO,
    MICRO_NATS_LOGIN,
    MICRO_NATS_UP,
} ri_micro_nats_state;

typedef enum ri_micro_nats_skip {
    RI_MICRO_NATS_SKIP_NONE,
    RI_MICRO_NATS_SKIP_LINE,  /* up to its LF, and then as many bytes as its last word says ... */
    RI_MICRO_NATS_SKIP_WORDS, /* ... or none: it is no message's */
    RI_MICRO_NATS_SKIP_BYTES,
} ri_micro_nats_skip;

typedef struct ri_micro_nats {
    rill_bus *bus;
    ri_micro_nats_state state;
    ri_url url;
    ri_str name;               /* of the connection, in the monitoring; a copy */
    uint32_t server, tried;    /* whose turn it is; how many failed in this round */
    uint32_t rounds, max_rounds;
    rill_wire *wire;           /* NULL: DOWN */
    ri_micro_tls *tls;         /* NULL: none is wanted */
    bool tls_on, tls_due;      /* it has begun, or will when INFO has been read to its end */
    int (*dial)(rill_wire **wire, const char *address, void *arg);
    char *address;             /* room for "HOST:PORT" of any of the URL */
    int64_t due_ns;            /* DOWN: to dial; HELLO, LOGIN: the deadline; UP: the next PING */
    uint32_t connect_ms, pause_ms, pause_min_ms, pause_max_ms, ping_ms, ping_max;
    uint32_t pings_out;        /* without an answer */
    bool no_redial, waits_up;  /* rill_open() still waits: failing all servers ends it */
    int last_err;
    /* Input. */
    ri_nats parser;
    char *in;
    size_t in_cap, in_len, in_at; /* in_at: what is used */
    ri_micro_nats_skip skip;
    uint64_t skip_bytes;       /* to pass over; of a line: the number that its last word is */
    bool skip_digits;
    /* Output. */
    char *out, *ctl;
    size_t out_cap, out_len, out_sent, out_goal, ctl_cap, ctl_len, ctl_sent;
    uint64_t out_base;         /* bytes that were in `out` before its front */
    bool inbox_wanted, inbox_sent, ping_owed;
    uint32_t pongs_owed, subs_due; /* subs_due: some subscription is to be sent or ended */
    uint32_t pings_sent, pongs_seen, flush_ping; /* counts; the last: of the PING of a flush */
    bool flush_open;
    void *readers;             /* of streams: max_readers of them ... */
    char *texts;               /* ... and the room of their names */
#ifdef RI_MICRO_JETSTREAM
    char js_subject[RI_MICRO_TEXT], js_body[RI_MICRO_BODY]; /* of the question being written */
#endif
    uint64_t max_payload;      /* of the server; 0: not known */
    bool headers;              /* it takes them */
} ri_micro_nats;

/* ---- micro_nats_out.c ---- */
/* Put a message into `out`; `call`, if it has one, learns where it ends. RILL_EAGAIN: no room. */
int ri_micro_nats_out_put(ri_micro_nats *n, const ri_micro_out *msg, ri_micro_call *call);
/* Write what the wire takes. How many bytes, or the error by which it is lost. */
int64_t ri_micro_nats_out_write(ri_micro_nats *n);
bool ri_micro_nats_out_pending(const ri_micro_nats *n);
/* A connection begins, or was lost: what was sent whole is gone, the rest begins at its front. */
void ri_micro_nats_out_again(ri_micro_nats *n);
void ri_micro_nats_out_connect(ri_micro_nats *n); /* CONNECT and PING */

/* ---- micro_nats_in.c ---- */
/* Read and obey what the wire has, up to a bound. How much was done, or an error. */
int ri_micro_nats_in_turn(ri_micro_nats *n);

/* ---- micro_nats.c ---- */
void ri_micro_nats_up(ri_micro_nats *n);
int ri_micro_nats_tls(ri_micro_nats *n); /* it begins */
int64_t ri_micro_nats_read(ri_micro_nats *n, void *buf, size_t len);
int64_t ri_micro_nats_write(ri_micro_nats *n, const void *buf, size_t len);

#ifdef RI_MICRO_JETSTREAM
/* ---- micro_js.c ---- */
int ri_micro_js_append(rill_bus *bus, ri_micro_out *out, ri_micro_call *call);
int ri_micro_js_get(rill_bus *bus, ri_str stream, ri_str subject, ri_micro_call *call);
int ri_micro_js_ensure(rill_bus *bus, ri_str stream, ri_str subjects, const rill_stream_opts *opts,
                       bool must_exist, ri_micro_call *call);
int ri_micro_js_consume(rill_bus *bus, rill_sub *sub, const ri_micro_ask *ask, ri_micro_call *call);
void ri_micro_js_want(rill_bus *bus, rill_sub *sub, uint32_t msgs, int64_t until_ns);
int ri_micro_js_settle(rill_bus *bus, ri_micro_msg *msg, ri_micro_settle how, uint32_t delay_ms);
void ri_micro_js_forget(rill_bus *bus, rill_sub *sub);
/* Room for readers and their texts; NULL: the arena has too little. */
void ri_micro_js_lay(rill_bus *bus, void **readers, char **texts);
void ri_micro_js_open(rill_bus *bus, char *texts);
/* A message for a subscription that reads a stream. */
void ri_micro_js_take(rill_sub *sub, ri_micro_msg *msg);
/* A message for it, with this reply, came while all slots were held. */
void ri_micro_js_missed(rill_sub *sub, ri_str reply);
/* The answer to an append or a question. */
void ri_micro_js_answer(rill_bus *bus, ri_micro_call *call, ri_str headers, ri_str data, bool cut);
void ri_micro_js_up(rill_bus *bus);   /* connected anew: readers begin again */
void ri_micro_js_turn(rill_bus *bus); /* pulls that are due */
int64_t ri_micro_js_due(rill_bus *bus);
#endif

#endif
