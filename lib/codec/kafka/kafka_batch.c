/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's RecordBatch v2. Integers are big-endian:
 *
 *      0  base offset       i64   the broker's; a producer sends 0
 *      8  batch length      i32   bytes after this field
 *     12  leader epoch      i32   the broker's; a producer sends -1
 *     16  magic             i8    2
 *     17  crc               u32   CRC-32C of byte 21 to the end
 *     21  attributes        i16   0-2 codec, 3 log append time, 4 transactional, 5 control,
 *                                 6 base timestamp is the delete horizon
 *     23  last offset delta i32
 *     27  base timestamp    i64   ms
 *     35  max timestamp     i64   ms; -1: none
 *     43  producer id       i64   -1: not idempotent, and so the next two
 *     51  producer epoch    i16
 *     53  base sequence     i32
 *     57  records           i32   how many
 *     61  the records, compressed as one block if there is a codec
 *
 * A record; every number but the attributes is a zigzag varint (0 -1 1 -2 ... as 0 1 2 3 ...,
 * 7 bits a byte, low bits first, the high bit set on all but the last byte):
 *
 *     length   of what follows
 *     attributes (one byte, 0), timestamp delta, offset delta
 *     key length (-1: null), key, value length (-1: null), value
 *     headers: how many; each: name length, name, value length (-1: null), value
 *
 * Since the checksum begins behind the broker's two fields, a broker stores what it got with
 * these patched and hands it out again as it is. */
#include "codec/kafka/kafka_batch.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "codec/limits.h"

enum {
    BATCH_LENGTH = 8,
    BATCH_LEADER_EPOCH = 12,
    BATCH_MAGIC = 16,
    BATCH_CRC = 17,
    BATCH_ATTRIBUTES = 21, /* and the first byte that the checksum covers */
    BATCH_LAST_OFFSET_DELTA = 23,
    BATCH_BASE_TIMESTAMP = 27,
    BATCH_MAX_TIMESTAMP = 35,
    BATCH_PRODUCER_ID = 43,
    BATCH_PRODUCER_EPOCH = 51,
    BATCH_BASE_SEQUENCE = 53,
    BATCH_COUNT = 57,
    BATCH_LENGTH_OVER = 12, /* bytes of a batch that its length leaves out */
    BATCH_RECORD_MIN = 7,   /* bytes of the smallest record */
    BATCH_VARINT_MAX = 10,
};

/* ---- Integers ---- */

static inline uint64_t batch_get(const char *p, unsigned bytes)
{
    RI_ASSERT(bytes > 0 && bytes <= 8);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value = value << 8 | (unsigned char)p[i];
    return value;
}

static void batch_set(char *p, unsigned bytes, uint64_t value)
{
    RI_ASSERT(bytes > 0 && bytes <= 8);
    for (unsigned i = bytes; i-- > 0; value >>= 8) p[i] = (char)value;
}

static uint64_t batch_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static size_t batch_varint_len(int64_t value)
{
    size_t len = 1;
    for (uint64_t z = batch_zigzag(value); z >= 0x80; z >>= 7) len++;
    return len;
}

static char *batch_put_varint(char *p, int64_t value)
{
    uint64_t z = batch_zigzag(value);
    for (; z >= 0x80; z >>= 7) *p++ = (char)(z | 0x80);
    *p++ = (char)z;
    return p;
}

/* A reader that fails for good at the first breach. */
struct batch_reader {
    const char *p, *end;
    bool failed;
};

static inline int64_t batch_unzigzag(uint64_t z)
{
    return (int64_t)(z >> 1 ^ (z & 1 ? UINT64_MAX : 0));
}

/* One of any length, which may be too long, or cut off. */
static int64_t batch_read_any_varint(struct batch_reader *r)
{
    RI_ASSERT(r->failed || r->p <= r->end);
    uint64_t z = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        unsigned char byte = (unsigned char)*r->p++;
        if (shift == 63 && byte > 1) break; /* more than 64 bits */
        z |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return batch_unzigzag(z);
    }
    r->failed = true;
    r->p = r->end;
    return 0;
}

/* Nearly all have one byte or two, and each record of a batch that is produced has six of them. */
static inline int64_t batch_read_varint(struct batch_reader *r)
{
    if (ri_unlikely(r->end - r->p < 2)) return batch_read_any_varint(r);
    uint64_t first = (unsigned char)r->p[0], second = (unsigned char)r->p[1];
    if (first < 0x80) {
        r->p += 1;
        return batch_unzigzag(first);
    }
    if (second >= 0x80) return batch_read_any_varint(r);
    r->p += 2;
    return batch_unzigzag((first & 0x7f) | second << 7);
}

/* A varint within [min, max]. */
static inline int64_t batch_read_within(struct batch_reader *r, int64_t min, int64_t max)
{
    int64_t value = batch_read_varint(r);
    if (!r->failed && value >= min && value <= max) return value;
    r->failed = true;
    return 0;
}

/* Bytes behind their length; a length of -1 is null where it may be. */
static inline ri_str batch_read_bytes(struct batch_reader *r, bool nullable)
{
    int64_t len = batch_read_within(r, nullable ? -1 : 0, INT32_MAX);
    if (r->failed || len < 0) return RI_STR_NONE;
    if (len > r->end - r->p) {
        r->failed = true;
        return RI_STR_NONE;
    }
    ri_str s = {r->p, (size_t)len};
    r->p += len;
    return s;
}

/* ---- The header ---- */

static void batch_read_header(const char *p, ri_kafka_batch *out)
{
    out->base_offset = (int64_t)batch_get(p, 8);
    out->leader_epoch = (int32_t)batch_get(p + BATCH_LEADER_EPOCH, 4);
    out->crc = (uint32_t)batch_get(p + BATCH_CRC, 4);
    out->attributes = (int16_t)batch_get(p + BATCH_ATTRIBUTES, 2);
    out->last_offset_delta = (int32_t)batch_get(p + BATCH_LAST_OFFSET_DELTA, 4);
    out->base_timestamp_ms = (int64_t)batch_get(p + BATCH_BASE_TIMESTAMP, 8);
    out->max_timestamp_ms = (int64_t)batch_get(p + BATCH_MAX_TIMESTAMP, 8);
    out->producer_id = (int64_t)batch_get(p + BATCH_PRODUCER_ID, 8);
    out->producer_epoch = (int16_t)batch_get(p + BATCH_PRODUCER_EPOCH, 2);
    out->base_sequence = (int32_t)batch_get(p + BATCH_BASE_SEQUENCE, 4);
    out->count = (int32_t)batch_get(p + BATCH_COUNT, 4);
}

/* What no reader could make sense of. */
static int batch_check_header(const ri_kafka_batch *b)
{
    int codec = ri_kafka_batch_codec(b);
    if (codec > RI_KAFKA_CODEC_ZSTD) return ri_err(RILL_EPROTO, "record batch of codec %d", codec);
    if (b->base_offset < 0 || b->last_offset_delta < 0 ||
        b->base_offset > INT64_MAX - b->last_offset_delta) {
        return ri_err(RILL_EPROTO, "record batch of offsets %lld + %d",
                      (long long)b->base_offset, b->last_offset_delta);
    }
    if (b->count < 0 || b->count > RI_LIMIT_KAFKA_RECORDS ||
        b->count > (int64_t)b->last_offset_delta + 1) {
        return ri_err(RILL_EPROTO, "record batch of %d records, last offset delta %d", b->count,
                      b->last_offset_delta);
    }
    if (codec == RI_KAFKA_CODEC_NONE && b->records.len / BATCH_RECORD_MIN < (size_t)b->count) {
        return ri_err(RILL_EPROTO, "record batch of %d records in %zu bytes", b->count,
                      b->records.len);
    }
    return RILL_OK;
}

int ri_kafka_batch_parse(ri_str in, size_t max_bytes, ri_kafka_batch *out)
{
    if (in.len > BATCH_MAGIC && in.ptr[BATCH_MAGIC] != 2) {
        return ri_err(RILL_EPROTO, "record batch of magic %d, not 2", in.ptr[BATCH_MAGIC]);
    }
    if (in.len < BATCH_LEADER_EPOCH) return 0;
    int32_t length = (int32_t)batch_get(in.ptr + BATCH_LENGTH, 4);
    if (length < RI_KAFKA_BATCH_HEADER - BATCH_LENGTH_OVER) {
        return ri_err(RILL_EPROTO, "record batch of length %d", length);
    }
    size_t size = (size_t)length + BATCH_LENGTH_OVER;
    if (size > max_bytes || size > RI_LIMIT_KAFKA_BATCH_MAX) {
        return ri_err(RILL_ETOOBIG, "record batch of %zu bytes", size);
    }
    if (in.len < size) return 0;
    batch_read_header(in.ptr, out);
    out->bytes = (ri_str){in.ptr, size};
    out->records = ri_str_from(out->bytes, RI_KAFKA_BATCH_HEADER);
    int rc = batch_check_header(out);
    return rc < 0 ? rc : (int)size;
}

static uint32_t batch_crc(const char *batch, size_t size)
{
    RI_ASSERT(size >= RI_KAFKA_BATCH_HEADER);
    return ri_crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES);
}

int ri_kafka_batch_verify(const ri_kafka_batch *b)
{
    RI_ASSERT(b->bytes.len >= RI_KAFKA_BATCH_HEADER);
    uint32_t crc = batch_crc(b->bytes.ptr, b->bytes.len);
    if (crc == b->crc) return RILL_OK;
    return ri_err(RILL_ECORRUPT, "record batch at offset %lld has checksum %08x, says %08x",
                  (long long)b->base_offset, crc, b->crc);
}

static int batch_check_records(const ri_kafka_batch *b, ri_str plain)
{
    ri_kafka_records it;
    ri_kafka_record record;
    int rc;
    ri_kafka_records_init(&it, b, plain);
    for (int64_t offset = 0; (rc = ri_kafka_records_next(&it, &record)) == 1; offset++) {
        if (record.offset != offset) {
            return ri_err(RILL_EPROTO, "record %lld has offset delta %lld", (long long)offset,
                          (long long)record.offset);
        }
    }
    return rc;
}

int ri_kafka_batch_check_produced(const ri_kafka_batch *b)
{
    RI_ASSERT(b->bytes.len >= RI_KAFKA_BATCH_HEADER && b->count >= 0);
    if (b->base_offset != 0) return ri_err(RILL_EPROTO, "record batch with a base offset");
    if (b->attributes & RI_KAFKA_CONTROL) return ri_err(RILL_EPROTO, "control record batch");
    if (b->attributes & RI_KAFKA_DELETE_HORIZON) {
        return ri_err(RILL_EPROTO, "record batch with a delete horizon");
    }
    if (b->count < 1 || b->count - 1 != b->last_offset_delta) {
        return ri_err(RILL_EPROTO, "record batch of %d records, last offset delta %d", b->count,
                      b->last_offset_delta);
    }
    bool idempotent = b->producer_id >= 0;
    if (idempotent && (b->producer_epoch < 0 || b->base_sequence < 0)) {
        return ri_err(RILL_EPROTO, "record batch of producer %lld without epoch or sequence",
                      (long long)b->producer_id);
    }
    if (!idempotent && b->attributes & RI_KAFKA_TRANSACTIONAL) {
        return ri_err(RILL_EPROTO, "transactional record batch without a producer");
    }
    bool plain = ri_kafka_batch_codec(b) == RI_KAFKA_CODEC_NONE;
    return plain ? batch_check_records(b, b->records) : RILL_OK;
}

/* ---- Records ---- */

void ri_kafka_records_init(ri_kafka_records *it, const ri_kafka_batch *batch, ri_str plain)
{
    RI_ASSERT(batch->count >= 0 && batch->last_offset_delta >= -1);
    *it = (ri_kafka_records){batch, plain.ptr, plain.ptr ? plain.ptr + plain.len : NULL,
                             batch->count, -1};
}

static void batch_read_headers(struct batch_reader *r, ri_kafka_record *out)
{
    out->nheaders = (int32_t)batch_read_within(r, 0, RI_LIMIT_KAFKA_HEADERS);
    const char *from = r->p;
    for (int32_t i = 0; i < out->nheaders && !r->failed; i++) {
        batch_read_bytes(r, false);
        batch_read_bytes(r, true);
    }
    out->headers = (ri_str){from, (size_t)(r->p - from)};
}

int ri_kafka_records_next(ri_kafka_records *it, ri_kafka_record *out)
{
    RI_ASSERT(it->left >= 0 && it->p <= it->end);
    if (it->left == 0) {
        if (it->p == it->end) return 0;
        return ri_err(RILL_EPROTO, "%zu bytes behind the last record", (size_t)(it->end - it->p));
    }
    const ri_kafka_batch *b = it->batch;
    struct batch_reader r = {it->p, it->end, it->p == it->end};
    int64_t length = batch_read_within(&r, 0, r.end - r.p);
    if (length > r.end - r.p) r.failed = true;
    if (!r.failed) {
        r.end = r.p + length;
        r.failed = r.p == r.end;
        r.p += !r.failed; /* attributes */
    }
    int64_t time_delta = batch_read_varint(&r);
    int64_t delta = batch_read_within(&r, (int64_t)it->last_delta + 1, b->last_offset_delta);
    out->key = batch_read_bytes(&r, true);
    out->value = batch_read_bytes(&r, true);
    batch_read_headers(&r, out);
    if (r.failed || r.p != r.end) {
        return ri_err(RILL_EPROTO, "record %d of the batch at offset %lld is malformed",
                      b->count - it->left, (long long)b->base_offset);
    }
    out->offset = b->base_offset + delta;
    out->timestamp_ms = b->attributes & RI_KAFKA_LOG_APPEND_TIME
        ? b->max_timestamp_ms
        : (int64_t)((uint64_t)b->base_timestamp_ms + (uint64_t)time_delta);
    it->p = r.end;
    it->left--;
    it->last_delta = (int32_t)delta;
    return 1;
}

int ri_kafka_headers_next(ri_str *rest, ri_str *name, ri_str *value)
{
    RI_ASSERT(rest->ptr || rest->len == 0);
    if (rest->len == 0) return 0;
    struct batch_reader r = {rest->ptr, rest->ptr + rest->len, false};
    *name = batch_read_bytes(&r, false);
    *value = batch_read_bytes(&r, true);
    if (r.failed) return ri_err(RILL_EPROTO, "a record header is malformed");
    *rest = ri_str_from(*rest, (size_t)(r.p - rest->ptr));
    return 1;
}

/* ---- Building ---- */

void ri_kafka_builder_begin(ri_kafka_builder *b, ri_buffer *out, const ri_kafka_batch *head)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    *b = (ri_kafka_builder){.out = out, .start = ri_buffer_size(out), .last_delta = -1,
                            .had_failed = out->failed};
    b->batch = head ? *head : (ri_kafka_batch){.leader_epoch = -1, .max_timestamp_ms = -1,
                                               .producer_id = -1, .producer_epoch = -1,
                                               .base_sequence = -1};
    b->batch.count = 0;
    if (ri_buffer_room(out, RI_KAFKA_BATCH_HEADER)) ri_buffer_added(out, RI_KAFKA_BATCH_HEADER);
}

static size_t batch_bytes_len(ri_str s)
{
    return batch_varint_len(s.ptr ? (int64_t)s.len : -1) + s.len;
}

static char *batch_put_bytes(char *p, ri_str s)
{
    p = batch_put_varint(p, s.ptr ? (int64_t)s.len : -1);
    if (s.len) memcpy(p, s.ptr, s.len);
    return p + s.len;
}

int ri_kafka_builder_add(ri_kafka_builder *b, const ri_kafka_record *r)
{
    RI_ASSERT(ri_buffer_size(b->out) >= b->start && b->batch.count >= 0);
    ri_kafka_batch *batch = &b->batch;
    int64_t delta = r->offset - batch->base_offset;
    if (delta <= b->last_delta || delta > INT32_MAX) {
        return ri_err(RILL_EINVAL, "record of offset %lld behind %lld", (long long)r->offset,
                      (long long)(batch->base_offset + b->last_delta));
    }
    bool first = batch->count == 0;
    if (first && !(batch->attributes & RI_KAFKA_DELETE_HORIZON)) {
        batch->base_timestamp_ms = r->timestamp_ms;
    }
    int64_t time_delta = (int64_t)((uint64_t)r->timestamp_ms - (uint64_t)batch->base_timestamp_ms);
    size_t len = 1 + batch_varint_len(time_delta) + batch_varint_len(delta) +
                 batch_bytes_len(r->key) + batch_bytes_len(r->value) +
                 batch_varint_len(r->nheaders) + r->headers.len;
    size_t total = batch_varint_len((int64_t)len) + len;
    if (ri_buffer_size(b->out) - b->start + total > RI_LIMIT_KAFKA_BATCH_MAX ||
        batch->count == RI_LIMIT_KAFKA_RECORDS) {
        return ri_err(RILL_ETOOBIG, "record of %zu bytes in a full batch", len);
    }
    char *p = ri_buffer_room(b->out, total), *start = p;
    if (!p) return RILL_ENOMEM;
    p = batch_put_varint(p, (int64_t)len);
    *p++ = 0;
    p = batch_put_varint(p, time_delta);
    p = batch_put_varint(p, delta);
    p = batch_put_bytes(p, r->key);
    p = batch_put_bytes(p, r->value);
    p = batch_put_varint(p, r->nheaders);
    if (r->headers.len) memcpy(p, r->headers.ptr, r->headers.len);
    RI_ASSERT((size_t)(p - start) + r->headers.len == total);
    ri_buffer_added(b->out, total);
    batch->max_timestamp_ms = first ? r->timestamp_ms
                                    : RI_MAX(batch->max_timestamp_ms, r->timestamp_ms);
    b->last_delta = (int32_t)delta;
    batch->count++;
    return RILL_OK;
}

static void batch_write_header(char *p, const ri_kafka_batch *b)
{
    batch_set(p, 8, (uint64_t)b->base_offset);
    batch_set(p + BATCH_LEADER_EPOCH, 4, (uint64_t)b->leader_epoch);
    p[BATCH_MAGIC] = 2;
    batch_set(p + BATCH_ATTRIBUTES, 2, (uint64_t)b->attributes);
    batch_set(p + BATCH_LAST_OFFSET_DELTA, 4, (uint64_t)b->last_offset_delta);
    batch_set(p + BATCH_BASE_TIMESTAMP, 8, (uint64_t)b->base_timestamp_ms);
    batch_set(p + BATCH_MAX_TIMESTAMP, 8, (uint64_t)b->max_timestamp_ms);
    batch_set(p + BATCH_PRODUCER_ID, 8, (uint64_t)b->producer_id);
    batch_set(p + BATCH_PRODUCER_EPOCH, 2, (uint64_t)b->producer_epoch);
    batch_set(p + BATCH_BASE_SEQUENCE, 4, (uint64_t)b->base_sequence);
    batch_set(p + BATCH_COUNT, 4, (uint64_t)b->count);
}

void ri_kafka_builder_cancel(ri_kafka_builder *b)
{
    RI_ASSERT(ri_buffer_size(b->out) >= b->start);
    b->out->len = b->out->head + b->start;
    b->out->failed = b->had_failed;
}

int ri_kafka_builder_end(ri_kafka_builder *b)
{
    RI_ASSERT(ri_buffer_size(b->out) >= b->start);
    if (b->out->failed) {
        ri_kafka_builder_cancel(b);
        return ri_err(RILL_ENOMEM, "out of memory for a record batch");
    }
    size_t size = ri_buffer_size(b->out) - b->start;
    b->batch.last_offset_delta = RI_MAX(b->batch.last_offset_delta, RI_MAX(b->last_delta, 0));
    char *p = b->out->ptr + b->out->head + b->start;
    batch_write_header(p, &b->batch);
    ri_kafka_batch_seal(p, size, ri_kafka_batch_codec(&b->batch));
    return (int)size;
}

void ri_kafka_headers_put(ri_buffer *out, ri_str name, ri_str value)
{
    RI_ASSERT(name.len <= INT32_MAX && value.len <= INT32_MAX);
    size_t len = batch_varint_len((int64_t)name.len) + name.len + batch_bytes_len(value);
    char *p = ri_buffer_room(out, len);
    if (!p) return;
    p = batch_put_varint(p, (int64_t)name.len);
    if (name.len) memcpy(p, name.ptr, name.len);
    batch_put_bytes(p + name.len, value);
    ri_buffer_added(out, len);
}

/* ---- In place ---- */

void ri_kafka_batch_patch(char *batch, int64_t base_offset, int32_t leader_epoch)
{
    RI_ASSERT(base_offset >= 0 && batch[BATCH_MAGIC] == 2);
    batch_set(batch, 8, (uint64_t)base_offset);
    batch_set(batch + BATCH_LEADER_EPOCH, 4, (uint64_t)leader_epoch);
}

void ri_kafka_batch_seal(char *batch, size_t size, int codec)
{
    RI_ASSERT(size >= RI_KAFKA_BATCH_HEADER && size <= RI_LIMIT_KAFKA_BATCH_MAX);
    RI_ASSERT(codec >= 0 && codec <= RI_KAFKA_CODEC_ZSTD);
    uint64_t attributes = batch_get(batch + BATCH_ATTRIBUTES, 2);
    attributes = (attributes & ~(uint64_t)RI_KAFKA_CODEC_MASK) | (uint64_t)codec;
    batch_set(batch + BATCH_ATTRIBUTES, 2, attributes);
    batch_set(batch + BATCH_LENGTH, 4, size - BATCH_LENGTH_OVER);
    batch_set(batch + BATCH_CRC, 4, batch_crc(batch, size));
}

void ri_kafka_batch_set_append_time(char *batch, size_t size, int64_t now_ms)
{
    RI_ASSERT(size >= RI_KAFKA_BATCH_HEADER && batch[BATCH_MAGIC] == 2);
    uint64_t attributes = batch_get(batch + BATCH_ATTRIBUTES, 2) | RI_KAFKA_LOG_APPEND_TIME;
    batch_set(batch + BATCH_ATTRIBUTES, 2, attributes);
    batch_set(batch + BATCH_MAX_TIMESTAMP, 8, (uint64_t)now_ms);
    batch_set(batch + BATCH_CRC, 4, batch_crc(batch, size));
}

/* ---- Control batches: one record ----
 *
 *     key    version i16 = 0, type i16 (0 abort, 1 commit)
 *     value  version i16 = 0, coordinator epoch i32 */

int ri_kafka_marker_write(ri_buffer *out, const ri_kafka_batch *head, ri_kafka_marker marker,
                          int32_t coordinator_epoch, int64_t time_ms)
{
    RI_ASSERT(marker == RI_KAFKA_ABORT || marker == RI_KAFKA_COMMIT);
    char key[4] = {0}, value[6] = {0};
    batch_set(key + 2, 2, marker);
    batch_set(value + 2, 4, (uint64_t)coordinator_epoch);
    ri_kafka_batch control = *head;
    control.attributes = RI_KAFKA_TRANSACTIONAL | RI_KAFKA_CONTROL;
    control.base_sequence = -1;
    control.last_offset_delta = 0;
    ri_kafka_builder b;
    ri_kafka_builder_begin(&b, out, &control);
    int rc = ri_kafka_builder_add(&b, &(ri_kafka_record){
        .offset = head->base_offset, .timestamp_ms = time_ms, .key = {key, sizeof key},
        .value = {value, sizeof value}});
    if (rc < 0 && rc != RILL_ENOMEM) {
        ri_kafka_builder_cancel(&b);
        return rc;
    }
    return ri_kafka_builder_end(&b);
}

int ri_kafka_marker_read(const ri_kafka_batch *b, ri_kafka_marker *marker,
                         int32_t *coordinator_epoch)
{
    RI_ASSERT(b->attributes & RI_KAFKA_CONTROL);
    ri_kafka_records it;
    ri_kafka_record r;
    ri_kafka_records_init(&it, b, b->records);
    if (ri_kafka_batch_codec(b) != RI_KAFKA_CODEC_NONE || b->count != 1) {
        return ri_err(RILL_EPROTO, "control batch of %d records, codec %d", b->count,
                      ri_kafka_batch_codec(b));
    }
    int rc = ri_kafka_records_next(&it, &r);
    if (rc < 0) return rc;
    if (r.key.len < 4) return ri_err(RILL_EPROTO, "control record with a key of %zu", r.key.len);
    uint64_t type = batch_get(r.key.ptr + 2, 2);
    if (type != RI_KAFKA_ABORT && type != RI_KAFKA_COMMIT) return 0;
    if (r.value.len < 6) return ri_err(RILL_EPROTO, "marker with a value of %zu", r.value.len);
    *marker = (ri_kafka_marker)type;
    *coordinator_epoch = (int32_t)batch_get(r.value.ptr + 2, 4);
    return 1;
}
