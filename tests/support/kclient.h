/* SPDX-License-Identifier: Apache-2.0 */
/* A client of Kafka's protocol, over a blocking socket and the library's own rows. What does not go
 * ends the test. */
#ifndef RI_TEST_KCLIENT_H
#define RI_TEST_KCLIENT_H

#include "base/buffer.h"
#include "codec/kafka/kafka_frame.h"
#include "support/peer.h"

typedef struct kclient {
    peer p;
    ri_host host;
    ri_arena arena;       /* of the answers that were read */
    ri_buffer out;        /* what is sent */
    ri_buffer in;         /* what was read and not taken */
    int32_t sent, read;   /* correlation ids */
} kclient;

void kclient_open(kclient *c, int port);
void kclient_close(kclient *c);

/* A request as a frame, at the end of c->out; and all of these as bytes. */
void kclient_put(kclient *c, int16_t key, int16_t version, const void *request);
void kclient_flush(kclient *c);
void kclient_send(kclient *c, int16_t key, int16_t version, const void *request); /* both */
/* The next answer, which must be that of this request; its struct, lent until the client closes. */
void *kclient_read(kclient *c, int16_t key, int16_t version);
void *kclient_ask(kclient *c, int16_t key, int16_t version, const void *request); /* all three */
/* A whole frame that has come, without its size; false: none comes within the time. */
bool kclient_frame(kclient *c, int wait_ms, ri_str *frame);
bool kclient_ended(kclient *c); /* the stream ends, and nothing is left */

/* Blank requests of one topic and one partition, whose fields a test sets. Each is good until the
 * next of its kind. */
ri_kafka_produce_request *kclient_produce(const char *topic, int32_t partition, ri_str records);
ri_kafka_fetch_request *kclient_fetch(const char *topic, int32_t partition, int64_t offset,
                                      int32_t wait_ms);
ri_kafka_list_offsets_request *kclient_offsets(const char *topic, int32_t partition,
                                               int64_t timestamp);
ri_kafka_create_topics_request *kclient_create(const char *topic, int32_t partitions);
ri_kafka_delete_topics_request *kclient_delete(const char *topic);
ri_kafka_metadata_request *kclient_metadata(const char *topic); /* NULL: all */

/* A struct whose fields are the defaults of its rows; and a list of one item. */
#define KCLIENT_BLANK(type, name) \
    ri_kafka_##type name; \
    ri_kafka_blank(ri_kafka_##type##_type(), &name)
#define KCLIENT_ONE(list, item) ((list).items = (item), (list).len = 1)

void kclient_created(kclient *c, const char *topic, int32_t partitions); /* or the test ends */

/* Ask, and give what the one partition says. */
ri_kafka_produce_answer_partition kclient_produced(kclient *c, int16_t version,
                                                   const ri_kafka_produce_request *q);
ri_kafka_fetch_answer_partition kclient_fetched(kclient *c, int16_t version,
                                                const ri_kafka_fetch_request *q);
ri_kafka_list_offsets_answer_partition kclient_listed(kclient *c, int16_t version,
                                                      const ri_kafka_list_offsets_request *q);

#endif
