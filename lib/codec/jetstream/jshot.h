/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of JetStream that are written or read once a message, by hand: publish acks, ack
 * subjects, pull requests. None allocates. */
#ifndef RI_JSHOT_H
#define RI_JSHOT_H

#include "codec/jetstream/jsapi.h"

typedef struct ri_js_puback {
    ri_str stream;
    uint64_t seq;
    ri_str domain;        /* left out when empty, so val and batch */
    bool duplicate;
    ri_str val;           /* a counter's new total */
    ri_str batch;         /* its id; then count is there, too */
    uint64_t count;
} ri_js_puback;

/* {"stream":"S","seq":1} and so on, appended to `out`. */
void ri_jshot_puback(const ri_js_puback *ack, ri_buffer *out);
/* A row of plain acks of one stream, from a head that is made once: {"stream":"S","seq": */
void ri_jshot_puback_head(ri_str stream, ri_str domain, ri_buffer *out);
enum { RI_JS_PUBACK_MAX = 21 }; /* bytes behind the head, at most */
/* Head, sequence and end; `out` has room for head.len + RI_JS_PUBACK_MAX. Returns the bytes. */
size_t ri_jshot_puback_put(ri_str head, uint64_t seq, char *out);
/* {"error":{...},"stream":"S","seq":0} */
void ri_jshot_puback_error(const ri_js_error *e, ri_str stream, ri_buffer *out);
/* Reads either; RILL_EPROTO for another text. e->code is 0 if it says no error. Strings
 * point into `json`; one that needs unescaping is left out. */
int ri_jshot_puback_read(ri_str json, ri_js_puback *ack, ri_js_error *e);

/* $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending> */
typedef struct ri_js_ack {
    ri_str domain;         /* v2 only; "_" is read as empty */
    ri_str account_hash;   /* v2 only */
    ri_str stream, consumer;
    uint64_t deliveries;   /* 1: the first time */
    uint64_t stream_seq, consumer_seq;
    int64_t time_ns;
    uint64_t pending;      /* behind this one */
} ri_js_ack;

/* Most bytes that the writer adds to the names' lengths. */
#define RI_JS_ACK_MAX (10 + 5 * 21)
/* v1. `out` has room for stream.len + consumer.len + RI_JS_ACK_MAX; returns the bytes written. */
size_t ri_jshot_ack_write(const ri_js_ack *ack, char *out);
/* v1 (9 tokens) and v2 (11 and more); false for another subject. Points into `subject`. */
bool ri_jshot_ack_read(ri_str subject, ri_js_ack *ack);

/* The body of CONSUMER.MSG.NEXT, and what follows +NXT: nothing, a number, or JSON of the plain
 * kind clients send. Returns RILL_OK, or RILL_EAGAIN for a text that wants the full decoder
 * (escapes, unknown fields, faults). Strings point into `body`. */
int ri_jshot_pull_read(ri_str body, ri_js_pull_request *pull);

#endif
