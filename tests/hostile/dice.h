/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile client says, by the dice: numbers at and around every limit, names and subjects
 * of every class of characters, and bodies of requests made from the JetStream tables, so that
 * each field of each request is thrown, also one that a table gets later.
 *
 * Most of what is thrown is ordinary and small, and names come from a few: requests shall meet
 * each other and get far, or only the first check is tested. */
#ifndef RI_TEST_DICE_H
#define RI_TEST_DICE_H

#include "codec/jetstream/jsapi.h"
#include "support/rng.h"

enum {
    DICE_STREAMS = 4,   /* S0 to S3, of subjects s0.> to s3.> */
    DICE_CONSUMERS = 3, /* c0 to c2 of each */
};

/* True `percent` times of a hundred. */
static inline bool dice_chance(rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

/* All of these append to `out`. */
void dice_number(rng *r, ri_buffer *out);    /* as JSON; now and then it is no number at all */
void dice_integer(rng *r, ri_buffer *out);   /* for headers and acks: digits, or nearly so */
void dice_stream(rng *r, ri_buffer *out);
void dice_consumer(rng *r, ri_buffer *out);
void dice_subject(rng *r, ri_buffer *out, bool wild);
void dice_time(rng *r, ri_buffer *out);
void dice_headers(rng *r, ri_buffer *out);   /* lines with CRLF */
void dice_payload(rng *r, ri_buffer *out);
/* The subject of an API request without its head, and its body. */
void dice_request(rng *r, ri_buffer *subject, ri_buffer *body);
/* Requests that make stream Sn, and consumer cn of it, in forms that are most likely accepted. */
void dice_make_stream(rng *r, unsigned n, ri_buffer *subject, ri_buffer *body);
void dice_make_consumer(rng *r, unsigned stream, unsigned n, ri_buffer *subject, ri_buffer *body);
/* What acknowledges, rightly or not, the delivery whose reply was `last` (it may be ""). */
void dice_ack(rng *r, const char *last, ri_buffer *subject, ri_buffer *body);

#endif
