/* SPDX-License-Identifier: Apache-2.0 */
/* One consumer: a reader of a stream with a place, a filter and, unless acks are not wanted, the
 * set of messages that were delivered and not acknowledged. The states are drawn in consumer.c.
 *
 * Calls that fail return RILL_E* and fill in `e` (may be NULL). */
#ifndef RI_CONSUMER_H
#define RI_CONSUMER_H

#include "engine/streams/stream.h"

/* request->conf without name and durable_name: a name is made. stream_name is not looked at.
 * Defaults and rules are applied here; what is about the request's subject is checked by the
 * front. */
int ri_consumer_create(ri_stream *stream, const ri_js_consumer_request *request,
                       ri_consumer **consumer, ri_js_error *e);
int ri_consumer_delete(ri_consumer *consumer); /* publishes: 409 Consumer Deleted */
/* All of a stream, in slices of the budget: 1 if there are more. */
int ri_consumer_delete_some(ri_stream *stream);
const ri_consumer_conf *ri_consumer_conf_of(const ri_consumer *consumer);
ri_stream *ri_consumer_stream(const ri_consumer *consumer);
ri_str ri_consumer_name(const ri_consumer *consumer);
bool ri_consumer_is_offline(const ri_consumer *consumer); /* it is not served */
/* A slice of counting what is ahead of one that has filters, for the first time, or in a stream
 * with record batches. False: there is more. Nothing is delivered, or shown, before all is
 * counted that was there when it began. */
bool ri_ahead_count_on(ri_consumer *consumer);
/* How many dead letters have been moved since it was opened. False: it names no stream for them. */
bool ri_dead_count(const ri_consumer *consumer, uint64_t *n);
/* All but `cluster`. Spans are lent until the consumer changes. */
void ri_consumer_info_of(ri_consumer *consumer, ri_consumer_info *out);

int ri_consumer_pause(ri_consumer *consumer, int64_t until_wall_ns); /* 0, or past: resume */
/* seq 0: to the ack floor + 1. What was pending is forgotten. */
int ri_consumer_reset(ri_consumer *consumer, uint64_t seq, uint64_t *reset_seq, ri_js_error *e);
/* The same to any place, whatever the policy. */
void ri_consumer_seek(ri_consumer *consumer, uint64_t seq);
int ri_consumer_unpin(ri_consumer *consumer, ri_str group, ri_js_error *e);

/* A pull request as it is written: empty, a number, or JSON; what is none of these asks for one
 * message. RILL_EINVAL: JSON that is wrong. */
int ri_consumer_pull_read(ri_str body, ri_arena *arena, ri_js_pull_request *out);
/* A pull request whose answers (messages and status lines) go to `inbox`. What is wrong with it
 * is answered there, too. Call it outside a publish; deliveries leave in the next step. */
int ri_consumer_pull(ri_consumer *consumer, ri_str inbox, const ri_js_pull_request *request);

/* The same by a reader of this process (its number is of ri_js_reader()), whose queue is at
 * `inbox`: up to `batch` messages are held for it there. What it does not hand out to its program
 * within RI_CONSUMER_HOLD_NS goes to the next who asks, and that delivery does not count.
 * RILL_ENOMEM. */
#define RI_CONSUMER_HOLD_NS (200 * RI_MS)
int ri_consumer_ask(ri_consumer *consumer, uint32_t reader, ri_str inbox, uint32_t batch);
/* What was asked for and has not come is not wanted any more. */
void ri_consumer_unask(ri_consumer *consumer, ri_str inbox);
/* The program gets this delivery now, so that its ack wait begins; false: it is settled, or it is
 * another reader's by now, and must not be handed out. `delivery` is the ack's consumer_seq. */
bool ri_consumer_hand_out(ri_consumer *consumer, uint64_t stream_seq, uint64_t delivery);

/* How many are pending that no program has got yet, and the first of these; 0: there is none. Looks
 * at the last 4096 pending ones at most. */
uint64_t ri_consumer_unread(const ri_consumer *consumer, uint64_t *first_seq);

/* Native acks: what `$JS.ACK` says, without the subject. `payload` as of NATS: empty, +ACK,
 * -NAK .., +WPI, +TERM ...; but a -NAK without a delay obeys the backoff. 1: as many as the budget
 * allows were settled, the others are by ri_consumer_ack_more(), as long as it returns 1. */
int ri_consumer_ack(ri_consumer *consumer, uint64_t stream_seq, uint64_t deliveries,
                    ri_str payload);
int ri_consumer_ack_more(ri_consumer *consumer, uint64_t stream_seq);

#endif
