/* SPDX-License-Identifier: Apache-2.0 */
/* A Kafka record as a message, and a message as a Kafka record. The rules are drawn in
 * kafka_message.c; offset = sequence - 1 is said here, and nowhere else. */
#ifndef RI_KAFKA_MESSAGE_H
#define RI_KAFKA_MESSAGE_H

#include "codec/kafka/kafka_batch.h"

static inline uint64_t ri_kafka_seq_of(int64_t offset)
{
    return (uint64_t)offset + 1;
}

static inline int64_t ri_kafka_offset_of(uint64_t seq)
{
    return (int64_t)(seq - 1);
}

typedef struct ri_kafka_names { /* how the subjects of a topic are made; lent */
    ri_str prefix; /* may be empty if keyed */
    bool keyed;    /* one token more, which is the key */
} ri_kafka_names;
/* By the subject that a stream takes: "a.b" is the subject of all; "a.b.*" and "a.b.>" have one
 * token more. RILL_EINVAL for one with a wildcard elsewhere. */
int ri_kafka_names_of(ri_str filter, ri_kafka_names *out);

typedef struct ri_kafka_message {
    ri_str subject, headers, data;
    int64_t time_ns;
} ri_kafka_message;
/* `data` is that of the record; subject and headers are put together in `text`, which is emptied
 * first. RILL_ENOMEM. */
int ri_kafka_message_read(const ri_kafka_names *names, const ri_kafka_record *record,
                          ri_buffer *text, ri_kafka_message *out);
/* The other way: out->offset is the caller's. Key and headers are put together in `text`.
 * RILL_ENOMEM; RILL_EPROTO if a header says of itself what it is not. */
int ri_kafka_message_write(const ri_kafka_names *names, const ri_kafka_message *message,
                           ri_buffer *text, ri_kafka_record *out);
/* The subject that a record with that key has, at the end of `text`. */
void ri_kafka_message_subject(const ri_kafka_names *names, ri_str key, ri_buffer *text);

#endif
