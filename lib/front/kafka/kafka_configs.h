/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a topic, by Kafka's names.
 *
 *     what a client sets    is kept as the stream's metadata  kafka.<name>: <value>
 *     what the stream does  follows from them:
 *         cleanup.policy          compact: the log keeps the last of each key; without delete no
 *                                 record leaves for its age
 *         delete.retention.ms     how long a tombstone stays
 *         retention.ms, .bytes    max_age, max_bytes
 *         max.message.bytes       max_msg_size
 *         message.timestamp.type  LogAppendTime: batches get the time of now
 *         message.timestamp.before.max.ms, .after.max.ms   looked at for each batch
 *     all others                  are kept, and answered, and change nothing here
 *
 * A stream that a JetStream client has made, or has changed since, shows what it does under these
 * names: what it does counts, not what was set before. */
#ifndef RI_KAFKA_CONFIGS_H
#define RI_KAFKA_CONFIGS_H

#include "base/buffer.h"
#include "engine/streams/stream.h"

typedef enum ri_kafka_config_kind { /* Kafka's numbers of them */
    RI_KAFKA_CONFIG_BOOL = 1,
    RI_KAFKA_CONFIG_STRING = 2,
    RI_KAFKA_CONFIG_INT = 3,
    RI_KAFKA_CONFIG_LONG = 5,
    RI_KAFKA_CONFIG_DOUBLE = 6,
    RI_KAFKA_CONFIG_LIST = 7,
} ri_kafka_config_kind;

enum { /* what has settings, of what there is here */
    RI_KAFKA_RESOURCE_TOPIC = 2,
    RI_KAFKA_RESOURCE_BROKER = 4,
    RI_KAFKA_RESOURCE_GROUP = 32,
};

enum { /* where a value comes from */
    RI_KAFKA_CONFIG_TOPIC = 1,
    RI_KAFKA_CONFIG_BROKER = 4,
    RI_KAFKA_CONFIG_DEFAULT = 5,
};

typedef struct ri_kafka_config {
    const char *name, *value; /* the latter by default */
    const char *synonym;      /* what a broker calls the same for all topics; NULL: nothing */
    ri_kafka_config_kind kind;
    int64_t min, max;         /* of a number */
    const char *words;        /* that a text or list may be of, parted by commas; NULL: any */
} ri_kafka_config;

/* By name; NULL: there is none. */
const ri_kafka_config *ri_kafka_config_of(ri_str name);
/* The i-th by name; NULL behind the last. */
const ri_kafka_config *ri_kafka_config_at(size_t i);
/* RILL_EINVAL says what is wrong with the value. */
int ri_kafka_config_check(const ri_kafka_config *config, ri_str value);

/* Of a list, parted by commas. */
bool ri_kafka_config_has_word(ri_str words, ri_str word);
uint32_t ri_kafka_config_words(ri_str words); /* how many */

/* Pairs of settings, each checked, that a topic shall have: conf->metadata, whose memory is of
 * `arena`, and what follows for the rest of conf. `name` is the topic's. RILL_ENOMEM. */
typedef struct ri_kafka_value {
    ri_str name, value;
} ri_kafka_value;
int ri_kafka_configs_apply(const ri_kafka_value *settings, size_t n, ri_str topic,
                           ri_arena *arena, ri_stream_conf *conf);
/* The same for a stream that is there, of whose configuration *conf is a copy: these settings take
 * the place of those that it has; all else stays. */
int ri_kafka_configs_replace(const ri_kafka_value *settings, size_t n, ri_arena *arena,
                             ri_stream_conf *conf);
/* What a stream's setting is: in `text`, if it has to be made. Where it comes from. */
int ri_kafka_configs_get(const ri_stream_conf *conf, const ri_kafka_config *config,
                         ri_buffer *text, ri_str *value);

/* What a stream's settings say of the times of batches. */
typedef struct ri_kafka_times {
    bool stamps;                 /* they get the time of now; or they may be: */
    int64_t before_ms, after_ms; /* so far from now */
} ri_kafka_times;
ri_kafka_times ri_kafka_configs_times(const ri_stream_conf *conf);

#endif
