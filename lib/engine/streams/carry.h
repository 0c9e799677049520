/* SPDX-License-Identifier: Apache-2.0 */
/* What streams and consumers are while an archive of them is made, or made anew from one. Who calls
 * this does it in steps: each call is bounded, but for one that captures a consumer.
 *
 * While a stream is filled its consumers are held: they take part in nothing until they are let
 * go. What an archive brings is looked at as what is published is: what a stream could not have
 * taken is refused, with RILL_EPROTO or an error in `e`. */
#ifndef RI_CARRY_H
#define RI_CARRY_H

#include "engine/streams/consumer.h"

/* A stream that will be filled: those that copy from one of this name wait until it is whole. */
int ri_carry_create(ri_js *js, const ri_js_stream_request *request, ri_stream **stream,
                    ri_js_error *e);
void ri_carry_whole(ri_stream *stream);
/* A message with its number and time. RILL_OK also for one whose time is over: it has its number,
 * and is not stored. `max_bytes` of headers and data. Limits of the stream hold. */
int ri_carry_message(ri_stream *stream, ri_record *record, uint64_t max_bytes, ri_js_error *e);
/* Numbers up to this one were assigned; those that nothing came for are gone. */
int ri_carry_skip(ri_stream *stream, uint64_t last_seq);
/* All is there: the last number and when it was assigned (0: not known), though it may be gone. */
int ri_carry_end(ri_stream *stream, uint64_t last_seq, int64_t time_ns);
/* Delete the first message of *first to last: 1, and *first is behind it; 0: there is none, and
 * all of these numbers were assigned. */
int ri_carry_gone(ri_stream *stream, uint64_t *first, uint64_t last);

typedef struct ri_carry_place { /* where a consumer stands */
    uint64_t delivered_consumer, delivered_stream;
    uint64_t floor_consumer, floor_stream;
    uint64_t next_seq;  /* the first that was neither delivered nor passed over */
    int64_t created_ns; /* wall clock; 0: not known; so the next two */
    int64_t delivered_ns, acked_ns; /* when it last did so */
} ri_carry_place;

typedef struct ri_carry_pending { /* a message that was delivered and is not acknowledged */
    uint64_t stream_seq, consumer_seq, deliveries;
    int64_t sent_ns;    /* wall clock */
} ri_carry_pending;

/* A consumer that was just made is held, put to its place, given its pending messages in the order
 * of the stream, how often some were delivered, what is yet to be delivered before next_seq, and
 * let go. What is behind `last_seq` is as if it were there; what contradicts itself does not
 * count. */
void ri_carry_hold(ri_consumer *c);
bool ri_carry_holds(const ri_consumer *c);
int ri_carry_put(ri_consumer *c, const ri_carry_place *place, uint64_t last_seq);
int ri_carry_pending_add(ri_consumer *c, const ri_carry_pending *pending);
void ri_carry_again(ri_consumer *c, uint64_t stream_seq, uint64_t deliveries);
int ri_carry_picks(ri_consumer *c, const uint64_t *picks, uint32_t n);
void ri_carry_let_go(ri_consumer *c);

/* The other way. The calls of `each` are made within the call. */
typedef struct ri_carry_visitor {
    void *arg;
    void (*pending)(void *arg, const ri_carry_pending *pending);
    void (*pick)(void *arg, uint64_t seq);
} ri_carry_visitor;
void ri_carry_get(ri_consumer *c, ri_carry_place *place);
void ri_carry_each(const ri_consumer *c, const ri_carry_visitor *each);

#endif
