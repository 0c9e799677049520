/* SPDX-License-Identifier: Apache-2.0 */
/* What the requests that are about groups' offsets share. */
#ifndef RI_KAFKA_COMMITS_H
#define RI_KAFKA_COMMITS_H

#include "front/kafka/kafka_serve.h"

/* Where a request is among its topics and their partitions. */
typedef struct ri_kafka_at {
    uint32_t topic, partition;
    bool found;
    ri_kafka_topic of; /* if it was found: to be looked up again in each turn */
} ri_kafka_at;

/* `id` NULL: by its name. */
void ri_kafka_commits_find(ri_kafka_request *r, ri_kafka_at *at, ri_str name,
                           const ri_kafka_uuid *id);
/* Behind a partition. True: the turn is over. */
bool ri_kafka_commits_next(ri_kafka_request *r, ri_kafka_at *at, uint32_t partitions);
/* The offset names the topic that was found; its name is lent. */
void ri_kafka_commits_set_topic(const ri_kafka_at *at, ri_group_offset *offset);

#endif
