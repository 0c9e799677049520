/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of several partitions, in each of which messages have an order and numbers of their own.
 * Kafka calls it a topic. Each partition is a stream, too, whose name says which:
 *
 *     partition        stream       takes
 *     0                orders       orders
 *     1                orders~1     orders.~1
 *     2                orders~2     orders.~2
 *
 * A message with a key belongs to the partition that the key picks: murmur2 of its bytes, without
 * the sign, modulo the number of partitions, as Java's clients of Kafka do it. Who sends to Kafka's
 * door picks by himself, and a handle of this process picks when it appends. So these find what the
 * others wrote of the same key in the same partition and in order, as long as no partitions are
 * added. Whoever publishes to a subject, live or as a client of NATS, has picked with it. */
#ifndef RI_TOPIC_H
#define RI_TOPIC_H

#include "base/buffer.h"

#define RI_TOPIC_STREAM "~"   /* what parts the name of a stream from the number of a partition */
#define RI_TOPIC_SUBJECT ".~" /* the same of its subject */

uint32_t ri_topic_hash(ri_str key); /* murmur2 */
/* n > 0 */
static inline uint32_t ri_topic_pick(ri_str key, uint32_t n)
{
    return (ri_topic_hash(key) & INT32_MAX) % n;
}

/* At the end of `out`: the name with the number behind it, unless that is 0. */
void ri_topic_put(ri_str name, const char *mark, uint32_t partition, ri_buffer *out);
/* Takes the mark and the number, which it returns, from the end of a name; 0: none are there. */
uint32_t ri_topic_cut(ri_str *name, const char *mark);
/* Which partition a stream is that takes that subject; the name is the topic's then. 0: the first
 * one, or a stream without any. */
uint32_t ri_topic_of(ri_str *stream, ri_str subject);

#endif
