/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka record batches as a producer sends them. */
#ifndef RI_TEST_PRODUCE_H
#define RI_TEST_PRODUCE_H

#include "codec/kafka/kafka_batch.h"
#include "engine/streams/stream.h"
#include "engine/streams/view.h"
#include "support/world.h"

typedef struct produce {
    ri_buffer plain, packed, headers;
    ri_kafka_builder builder;
    int codec;
    bool unframed;   /* snappy comes without its frame */
} produce;

/* Of a producer with an id, or of none (-1). */
void produce_begin(produce *p, const ri_host *host, int codec, int64_t producer, int32_t sequence);
/* NULL is null. `header` is "name=value", or NULL. */
void produce_add(produce *p, const char *key, const char *value, const char *header,
                 int64_t time_ms);
void produce_add_bytes(produce *p, ri_str key, ri_str value, int64_t time_ms);
ri_str produce_end(produce *p); /* lent until the next begin or fini */
void produce_fini(produce *p);  /* zeroed: nothing happens */
/* A marker that ends the transaction of a producer. */
ri_str produce_marker(produce *p, const ri_host *host, int64_t producer, ri_kafka_marker marker);

/* Snappy as one block, or in Java's frame. */
void produce_snappy(ri_str in, bool framed, ri_buffer *out);

/* By their libraries; as it is, if the build has none. */
void produce_lz4(ri_str in, ri_buffer *out);
void produce_zstd(ri_str in, ri_buffer *out);

typedef struct produced { /* a receipt */
    ri_view_ask ask;
    int calls, rc;
} produced;
/* Appends to the stream; done when the world has turned. RILL codes. */
int produce_append(ri_stream *stream, ri_str batch, produced *out);

#endif
