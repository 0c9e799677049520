/* SPDX-License-Identifier: Apache-2.0 */
/* What a JetStream server answers, as whoever has asked it understands it. Requests need nothing
 * of their own: the tables of jsapi.h write them.
 *
 *     $JS.API.STREAM.INFO.S      JSON                     ri_js_answers_read()
 *     $JS.API.DIRECT.GET.S       a message of the stream  ri_js_answers_message()
 *     a pull                     messages, and now and then a status line instead of one:
 *                                                         ri_js_answers_status()
 *     a publish to a stream      PubAck                   ri_jshot_puback_read()
 *
 * Pure: no socket, clock or memory but the arena that is given. An answer may be of any server,
 * newer or of other makers, or of an attacker: it is taken as far as it makes sense, and numbers
 * that do not fit are the nearest that do. */
#ifndef RI_JS_ANSWERS_H
#define RI_JS_ANSWERS_H

#include "codec/jetstream/jsapi.h"

/* An answer of the API into the struct of its table, which begins with a ri_js_head. An error in
 * it is the nearest RILL_E*, with its text as the sentence and its number in *err_code, which
 * is 0 else. RILL_EPROTO if it is no such answer. */
int ri_js_answers_read(const ri_jsapi_type *type, ri_str json, ri_arena *arena, void *out,
                       int *err_code);

/* A stored message as DIRECT.GET answers it: headers that describe it stand behind its own. */
typedef struct ri_js_found {
    ri_str stream, subject;
    uint64_t seq;
    int64_t time_ns;
    uint64_t pending;     /* of a batch: how many are left behind it */
    ri_str headers;       /* its own, without the empty line that ends them; empty: it has none */
} ri_js_found;
/* `headers` are those of the answer; false if they describe no message. */
bool ri_js_answers_message(ri_str headers, ri_js_found *found);

/* A header block without data that says something of a request. */
typedef enum ri_js_status_kind {
    RI_JS_STATUS_BEAT,     /* 100: it is there, and has nothing */
    RI_JS_STATUS_STALLED,  /* 100: a push consumer waits for a word to go on */
    RI_JS_STATUS_END,      /* 204: that was the last message of this answer */
    RI_JS_STATUS_NOTHING,  /* 404: there is no (more) message for it */
    RI_JS_STATUS_OVER,     /* the pull has ended in a regular way: ask again */
    RI_JS_STATUS_MOVED,    /* the pull has ended since the server changes: ask again a bit later */
    RI_JS_STATUS_GONE,     /* the consumer, or all behind it, is not there any more */
    RI_JS_STATUS_NOBODY,   /* 503: no server listens for that request */
    RI_JS_STATUS_TOO_MANY, /* 413: it would find more than one answer may have */
    RI_JS_STATUS_REFUSED,  /* anything else: `text` says it */
} ri_js_status_kind;

typedef struct ri_js_status {
    ri_js_status_kind kind;
    int code;              /* 100 to 999 */
    ri_str text;           /* "Idle Heartbeat"; may be empty */
    bool counts;           /* it says what the pull has not delivered: */
    uint64_t pending_msgs, pending_bytes;
    bool places;           /* it says where the consumer is: */
    uint64_t last_consumer, last_stream;
} ri_js_status;
/* False: the block has no status. */
bool ri_js_answers_status(ri_str headers, ri_js_status *status);

/* The configuration in an answer of STREAM.INFO, as it stands there, but that `name` is `literal`:
 * also what we know nothing of stays as it is. Appended to `out`. RILL_EPROTO if it has none. */
int ri_js_answers_change(ri_str json, const char *name, ri_str literal, ri_buffer *out);

#endif
