/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's RecordBatch v2: bytes to structs and back. The format is drawn in kafka_batch.c.
 * Whatever is parsed points into the input. */
#ifndef RI_KAFKA_BATCH_H
#define RI_KAFKA_BATCH_H

#include "base/buffer.h"
#include "base/str.h"

#define RI_KAFKA_BATCH_HEADER 61 /* bytes ahead of the records */

enum ri_kafka_batch_codec { /* low 3 bits of the attributes; more is refused */
    RI_KAFKA_CODEC_NONE,
    RI_KAFKA_CODEC_GZIP,
    RI_KAFKA_CODEC_SNAPPY,
    RI_KAFKA_CODEC_LZ4,
    RI_KAFKA_CODEC_ZSTD,
};

enum ri_kafka_batch_attribute {
    RI_KAFKA_CODEC_MASK = 0x07,
    RI_KAFKA_LOG_APPEND_TIME = 0x08, /* every record has the time max_timestamp_ms */
    RI_KAFKA_TRANSACTIONAL = 0x10,
    RI_KAFKA_CONTROL = 0x20,
    RI_KAFKA_DELETE_HORIZON = 0x40, /* base_timestamp_ms is when tombstones may go */
};

typedef struct ri_kafka_batch {
    ri_str bytes;              /* the whole batch */
    ri_str records;            /* what follows the header; compressed as one if codec != none */
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;              /* as it stands there: CRC-32C of byte 21 to the end */
    int16_t attributes;
    int32_t last_offset_delta; /* last offset = base + this, also after compaction */
    int64_t base_timestamp_ms; /* the deltas of the records count from here */
    int64_t max_timestamp_ms;  /* -1: none */
    int64_t producer_id;       /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;             /* records; may be 0 after compaction */
} ri_kafka_batch;

static inline int ri_kafka_batch_codec(const ri_kafka_batch *b)
{
    return b->attributes & RI_KAFKA_CODEC_MASK;
}

static inline int64_t ri_kafka_batch_last_offset(const ri_kafka_batch *b)
{
    return b->base_offset + b->last_offset_delta;
}

/* The batch at the front of `in`: its size, 0 when `in` ends before it does, RILL_EPROTO for
 * another magic, or lengths and counts that cannot be, RILL_ETOOBIG above `max_bytes`. The
 * checksum is not looked at. */
int ri_kafka_batch_parse(ri_str in, size_t max_bytes, ri_kafka_batch *out);
/* RILL_ECORRUPT if the checksum does not match. */
int ri_kafka_batch_verify(const ri_kafka_batch *b);
/* What a broker asks of a batch that a producer sends, beyond its checksum: base offset 0, no
 * control bit, record count = last offset delta + 1, no delete horizon, and, if it is not
 * compressed, every record whole with offset deltas 0, 1, 2 ... RILL_EPROTO names the breach. */
int ri_kafka_batch_check_produced(const ri_kafka_batch *b);

/* ---- Records ---- */

typedef struct ri_kafka_record {
    int64_t offset;
    int64_t timestamp_ms;
    ri_str key;         /* ptr NULL: null, which is not empty */
    ri_str value;       /* ptr NULL: null, a tombstone */
    ri_str headers;     /* the raw headers, for ri_kafka_headers_next() */
    int32_t nheaders;
} ri_kafka_record;

typedef struct ri_kafka_records { /* a cursor over the records of one batch */
    const ri_kafka_batch *batch;
    const char *p, *end; /* not yet read */
    int32_t left;        /* records not yet read */
    int32_t last_delta;  /* offset delta of the last one read: they rise */
} ri_kafka_records;

/* `plain` are the records, inflated by the caller if the batch is compressed. Both must outlive
 * the cursor. */
void ri_kafka_records_init(ri_kafka_records *it, const ri_kafka_batch *batch, ri_str plain);
/* 1 and the next record, 0 at the end, RILL_EPROTO. */
int ri_kafka_records_next(ri_kafka_records *it, ri_kafka_record *out);
/* Cut the next header off the front of *rest (record->headers at first): 1, 0 at the end. The
 * headers were checked with the record. value.ptr NULL: null. */
int ri_kafka_headers_next(ri_str *rest, ri_str *name, ri_str *value);

/* ---- Building ---- */

typedef struct ri_kafka_builder {
    ri_buffer *out;    /* the caller's; the batch is appended to it */
    size_t start;      /* where the batch begins, in bytes behind out's head */
    ri_kafka_batch batch; /* header so far; `bytes` and `records` unused */
    int32_t last_delta;   /* of the newest record; -1: none */
    bool had_failed;      /* out->failed when it began */
} ri_kafka_builder;

/* Start a batch at the end of `out`. Of `head` count the offset, epoch, attributes, producer's
 * three, the last offset delta if it is above that of the last record, and, with
 * RI_KAFKA_DELETE_HORIZON or without records, base_timestamp_ms (origin of the deltas). NULL:
 * base offset 0, no producer. Nothing else may be put to `out` until end or cancel. Compression
 * is the caller's: build plain, deflate, see ri_kafka_batch_seal(). */
void ri_kafka_builder_begin(ri_kafka_builder *b, ri_buffer *out, const ri_kafka_batch *head);
/* Add a record; offsets must rise. r->headers in wire form with r->nheaders, as parsed or as
 * written by ri_kafka_headers_put(). RILL_ETOOBIG when the batch would pass the bounds and
 * RILL_EINVAL for an offset that does not rise: without this record the batch goes on. */
int ri_kafka_builder_add(ri_kafka_builder *b, const ri_kafka_record *r);
/* Finish: header and checksum. The batch's size, or RILL_ENOMEM (and `out` is as before begin). */
int ri_kafka_builder_end(ri_kafka_builder *b);
void ri_kafka_builder_cancel(ri_kafka_builder *b); /* `out` is as before begin */
/* One header in wire form at the end of `out`; value.ptr NULL is null. */
void ri_kafka_headers_put(ri_buffer *out, ri_str name, ri_str value);

/* ---- In place ---- */

/* The broker's two fields, which the checksum leaves out. `batch` has at least its header. */
void ri_kafka_batch_patch(char *batch, int64_t base_offset, int32_t leader_epoch);
/* Set length, the attributes' codec and checksum of a batch whose records were replaced. */
void ri_kafka_batch_seal(char *batch, size_t size, int codec);
/* Stamp LogAppendTime: sets the bit and the maximum timestamp, and the checksum anew. */
void ri_kafka_batch_set_append_time(char *batch, size_t size, int64_t now_ms);

/* ---- Control batches ---- */

typedef enum ri_kafka_marker { RI_KAFKA_ABORT = 0, RI_KAFKA_COMMIT = 1 } ri_kafka_marker;

/* Append a transaction marker. Its size, or RILL_ENOMEM. */
int ri_kafka_marker_write(ri_buffer *out, const ri_kafka_batch *head, ri_kafka_marker marker,
                          int32_t coordinator_epoch, int64_t time_ms);
/* Read one (a batch with RI_KAFKA_CONTROL): 1 for abort and commit, 0 for another type of control
 * record, RILL_EPROTO. */
int ri_kafka_marker_read(const ri_kafka_batch *b, ri_kafka_marker *marker,
                         int32_t *coordinator_epoch);

#endif
