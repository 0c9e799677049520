/* SPDX-License-Identifier: Apache-2.0 */
/* Topics are streams, under the names of another door. This is the one place that knows how.
 *
 *     topic                  stream       takes          besides
 *     orders, 1 partition    orders       orders         metadata rill.batches: on
 *     orders, 3 partitions   orders       orders         is partition 0,
 *                            orders~1     orders.~1      ... 1, and
 *                            orders~2     orders.~2      ... 2
 *     my.topic               my_topic     my.topic       metadata rill.topic: my.topic
 *     a..b                   a__b         a__b           metadata rill.topic: a..b
 *     ORDERS, 1 partition    ORDERS       orders.>       that a JetStream client has made
 *
 * Kafka itself has no two topics that differ in . and _ alone, so no two of them want the same
 * stream. A partition has a stream, and so an order and numbers, of its own; `~` is no letter of a
 * topic's name, and parts the two. Who publishes on the topic's own subject writes to partition 0;
 * who subscribes to orders.> and orders hears them all. A stream whose name is no topic's is not
 * shown.
 *
 * The offset of a record is its sequence - 1 (codec/kafka/kafka_message.h says what a record is as
 * a message). The leader of each partition is this broker, its epoch always 0: nothing that was
 * acknowledged is ever taken back. The id of a topic is made of what its first stream keeps for
 * life, so it needs no room of its own, and a topic that is made anew has another one:
 *
 *     bytes 0 to 7    a sum of the time when the stream was made and of its number
 *           8 to 15   the number of its track */
#ifndef RI_KAFKA_CATALOG_H
#define RI_KAFKA_CATALOG_H

#include "base/buffer.h"
#include "codec/kafka/kafka_apis.h"
#include "engine/streams/stream.h"

enum {
    RI_KAFKA_NODE = 1,        /* the id of this broker */
    RI_KAFKA_EPOCH = 0,       /* of all leaders */
    RI_KAFKA_NAME_MAX = 249, /* bytes of a topic's name */
};
#define RI_KAFKA_NODE_TEXT "1"

typedef struct ri_kafka_catalog ri_kafka_catalog;

typedef struct ri_kafka_topic { /* lent until the stream is changed or goes */
    ri_str name;
    ri_stream *stream; /* of partition 0 */
} ri_kafka_topic;

int ri_kafka_catalog_open(ri_kafka_catalog **catalog, const ri_host *host);
void ri_kafka_catalog_close(ri_kafka_catalog *catalog); /* NULL: no-op */

/* ---- Finding; false: there is none ---- */

bool ri_kafka_catalog_find(ri_js *js, ri_str name, ri_kafka_topic *out);
bool ri_kafka_catalog_find_id(ri_kafka_catalog *catalog, ri_js *js, const ri_kafka_uuid *id,
                              ri_kafka_topic *out);
/* The next topic, by the names of streams, behind that stream (empty: the first). */
bool ri_kafka_catalog_next(ri_js *js, ri_str stream, ri_kafka_topic *out);
/* Of a stream: is it the first of a topic? */
bool ri_kafka_catalog_topic_of(ri_stream *stream, ri_kafka_topic *out);
ri_kafka_uuid ri_kafka_catalog_id(const ri_kafka_topic *topic);
int32_t ri_kafka_catalog_partitions(ri_js *js, const ri_kafka_topic *topic);
/* The same, for those who ask again and again: counted anew when streams have changed. */
int32_t ri_kafka_catalog_count(ri_kafka_catalog *catalog, ri_js *js, const ri_kafka_topic *topic);
/* Does a stream of that name take what such a partition takes? One that does not is no part of a
 * topic, for programs as for Kafka's clients. */
bool ri_kafka_catalog_is_partition(ri_stream *stream, int32_t index);
ri_stream *ri_kafka_catalog_partition(ri_js *js, const ri_kafka_topic *topic, int32_t index);

/* ---- Names ---- */

bool ri_kafka_catalog_name_ok(ri_str topic);
/* The stream of a partition, and the subject that it takes, at the end of `out`. */
void ri_kafka_catalog_put_stream(ri_str topic, int32_t index, ri_buffer *out);
void ri_kafka_catalog_put_subject(ri_str topic, int32_t index, ri_buffer *out);

static inline bool ri_kafka_catalog_is_none(const ri_kafka_uuid *id)
{
    static const ri_kafka_uuid none;
    return memcmp(id, &none, sizeof none) == 0;
}

#endif
