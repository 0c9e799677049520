/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about topics and groups, on the thread of who asks, outside the gate unless it says
 * otherwise. All of them fail with a sentence. */
#ifndef RI_KAFKA_ASK_H
#define RI_KAFKA_ASK_H

#include "front/peer_kafka/kafka_read.h"

int ri_kafka_ask(rill_bus *bus, ri_ask *ask); /* inside the gate */

/* A call of the program's, whatever it asks a cluster for one after the other: all of it together
 * ends by `until_ns`, which is call_timeout_ms behind its beginning. */
typedef struct ri_kafka_call {
    ri_kafka_peer *peer;
    int64_t until_ns; /* monotonic */
} ri_kafka_call;
int ri_kafka_ask_left_ms(const ri_kafka_call *call); /* as librdkafka is asked; 0: none is left */
/* Until something of the peer changes, or for so long; RILL_ETIMEDOUT, RILL_ECLOSED: no longer. */
int ri_kafka_ask_pause(const ri_kafka_call *call, int64_t ns, const char *what);
/* Is it an answer that will be another one soon: the coordinator of a group is being found? */
bool ri_kafka_ask_is_early(rd_kafka_resp_err_t err);

/* One request to a broker that administers. */
typedef struct ri_kafka_admin {
    const ri_kafka_call *call;
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
    bool changes; /* what was asked may have been done when no answer came: RILL_EUNSURE */
} ri_kafka_admin;
int ri_kafka_ask_begin(ri_kafka_admin *admin, const ri_kafka_call *call, rd_kafka_admin_op_t op);
/* The answer is in admin->event, and no failure as a whole. */
int ri_kafka_ask_await(ri_kafka_admin *admin, const char *what);
void ri_kafka_ask_end(ri_kafka_admin *admin);
/* What became of the one thing that was asked for. */
int ri_kafka_ask_topic_result(ri_kafka_admin *admin, const rd_kafka_topic_result_t **results,
                              size_t n, const char *what);
int ri_kafka_ask_group_result(ri_kafka_admin *admin, const rd_kafka_group_result_t **results,
                              size_t n, const char *what);

/* ---- kafka_place.c ---- */
/* How many partitions there are; RILL_ENOENT: no such topic. */
int ri_kafka_place_count(const ri_kafka_call *call, const char *stream, int32_t *n);
/* The first offset, and the one behind the last, of one partition. */
int ri_kafka_place_ends(const ri_kafka_call *call, const char *stream, int32_t partition,
                        int64_t *low, int64_t *high);
/* The same of the first `n` partitions. */
typedef struct ri_kafka_ends {
    rd_kafka_topic_partition_list_t *low, *high; /* of partition i: low->elems[i].offset */
} ri_kafka_ends;
int ri_kafka_place_all_ends(const ri_kafka_call *call, const char *stream, int32_t n,
                            ri_kafka_ends *ends);
void ri_kafka_place_ends_fini(ri_kafka_peer *peer, ri_kafka_ends *ends);
static inline int64_t ri_kafka_place_within(const ri_kafka_ends *ends, int32_t i, int64_t offset)
{
    return RI_MIN(RI_MAX(offset, ends->low->elems[i].offset), ends->high->elems[i].offset);
}
/* A new list of the first `n` partitions. */
rd_kafka_topic_partition_list_t *ri_kafka_place_list(ri_kafka_peer *peer, const char *stream,
                                                     int32_t n);
/* The offset of a place in each of the first `n` partitions, into `list`; of RILL_FROM_SEQ it may
 * be behind the end. */
int ri_kafka_place_find(const ri_kafka_call *call, const char *stream, const rill_at *at,
                        const ri_kafka_ends *ends, rd_kafka_topic_partition_list_t *list);
/* The first message from there on as the caller's own. RILL_ENOENT. */
int ri_kafka_place_get(const ri_kafka_call *call, const char *stream, int32_t partition,
                       int64_t offset, rill_msg **m);
/* RI_ASK_GET, _LAST, _NEXT */
int ri_kafka_place_message(const ri_kafka_call *call, const ri_ask *ask);

/* ---- kafka_topic.c ---- */
int ri_kafka_topic_ensure(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_topic_delete(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_topic_status(const ri_kafka_call *call, const char *stream, rill_stream_info *out);
int ri_kafka_topic_describe(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_topic_names(const ri_kafka_call *call, const ri_ask *ask);
/* Are there transactions? A broker that bounds their time has some: 1, else 0; < 0: not known. */
int ri_kafka_topic_transacts(const ri_kafka_call *call);
int ri_kafka_topic_purge(const ri_kafka_call *call, const ri_ask *ask);

/* ---- kafka_join.c ---- */
int ri_kafka_join(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_join_seek(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_join_ensure(const ri_kafka_call *call, const ri_ask *ask);

/* ---- kafka_outside.c ---- */
/* Where a group is in each partition of `list`; RD_KAFKA_OFFSET_INVALID: nowhere. */
int ri_kafka_outside_positions(const ri_kafka_call *call, const char *group,
                               rd_kafka_topic_partition_list_t *list);
/* RILL_EBUSY: the group has members. */
int ri_kafka_outside_set(const ri_kafka_call *call, const char *group,
                         const rd_kafka_topic_partition_list_t *list);
/* A group that is nowhere in the topic begins there: 1; 0: it has a place. */
int ri_kafka_outside_begin(const ri_kafka_call *call, const char *stream, const char *group,
                           int32_t n, const rill_at *at);
int ri_kafka_outside_status(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_outside_names(const ri_kafka_call *call, const ri_ask *ask);
int ri_kafka_outside_delete(const ri_kafka_call *call, const ri_ask *ask);

#endif
