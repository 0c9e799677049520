/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about topics and groups, on the thread of who asks, outside the gate unless it says
 * otherwise. All of them fail with a sentence. */
#ifndef RI_KAFKA_ASK_H
#define RI_KAFKA_ASK_H

#include "front/peer_kafka/kafka_read.h"

int ri_kafka_ask(rill_bus *bus, ri_ask *ask); /* inside the gate */

/* One request to a broker that administers. */
typedef struct ri_kafka_admin {
    ri_kafka_peer *peer;
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
} ri_kafka_admin;
int ri_kafka_ask_begin(ri_kafka_admin *admin, ri_kafka_peer *peer, rd_kafka_admin_op_t op);
/* The answer is in admin->event, and no failure as a whole. */
int ri_kafka_ask_await(ri_kafka_admin *admin, const char *what);
void ri_kafka_ask_end(ri_kafka_admin *admin);
/* What became of the one topic, or group, that was asked for. */
int ri_kafka_ask_topic_result(ri_kafka_admin *admin, const rd_kafka_topic_result_t **results,
                              size_t n, const char *what);
int ri_kafka_ask_group_result(ri_kafka_admin *admin, const rd_kafka_group_result_t **results,
                              size_t n, const char *what);

/* ---- kafka_place.c ---- */
/* How many partitions there are; RILL_ENOENT: no such topic. */
int ri_kafka_place_count(ri_kafka_peer *peer, const char *stream, int32_t *n);
/* The first offset, and the one behind the last. */
int ri_kafka_place_ends(ri_kafka_peer *peer, const char *stream, int32_t partition, int64_t *low,
                        int64_t *high);
/* The offset of a place in a partition; of RILL_FROM_SEQ it may be behind the end. */
int ri_kafka_place_find(ri_kafka_peer *peer, const char *stream, int32_t partition,
                        const rill_at *at, int64_t *offset);
/* The first message from there on as the caller's own. RILL_ENOENT. */
int ri_kafka_place_get(ri_kafka_peer *peer, const char *stream, int32_t partition, int64_t offset,
                       rill_msg **m);
/* RI_ASK_GET, _LAST, _NEXT */
int ri_kafka_place_message(ri_kafka_peer *peer, const ri_ask *ask);

/* ---- kafka_topic.c ---- */
int ri_kafka_topic_ensure(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_topic_delete(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_topic_status(ri_kafka_peer *peer, const char *stream, rill_stream_info *out);
int ri_kafka_topic_describe(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_topic_names(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_topic_purge(ri_kafka_peer *peer, const ri_ask *ask);

/* ---- kafka_join.c ---- */
int ri_kafka_join(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_join_seek(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_join_ensure(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_join_status(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_join_names(ri_kafka_peer *peer, const ri_ask *ask);
int ri_kafka_join_delete(ri_kafka_peer *peer, const ri_ask *ask);

#endif
