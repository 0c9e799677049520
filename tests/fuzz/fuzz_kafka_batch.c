/* SPDX-License-Identifier: Apache-2.0 */
/* Record batches: whatever parses can be walked to its end within its bytes, and what was walked
 * builds a batch that reads the same. A first byte of the input decides how much of a batch is
 * made valid first, so that random inputs reach the records. Each record comes back from its
 * message as it was; and what is unpacked in pieces is what is unpacked at once. */
#include <stdlib.h>
#include <string.h>

#include "codec/kafka/kafka_batch.h"
#include "codec/kafka/kafka_message.h"
#include "codec/kafka/unpack.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "support/fuzz.h"
#include "support/guard.h"

static ri_host host;

static void same_record(const ri_kafka_record *a, const ri_kafka_record *b)
{
    fuzz_require(a->offset == b->offset, "offset");
    fuzz_require(a->timestamp_ms == b->timestamp_ms, "time");
    fuzz_require(ri_str_eq(a->key, b->key) && !a->key.ptr == !b->key.ptr, "key");
    fuzz_require(ri_str_eq(a->value, b->value) && !a->value.ptr == !b->value.ptr, "value");
    fuzz_require(a->nheaders == b->nheaders && ri_str_eq(a->headers, b->headers), "headers");
}

static void check_headers(const ri_kafka_record *r)
{
    ri_str rest = r->headers, name, value;
    int32_t n = 0;
    while (ri_kafka_headers_next(&rest, &name, &value) == 1) n++;
    fuzz_require(n == r->nheaders && rest.len == 0, "headers were checked with their record");
}

static void same_headers(ri_str a, ri_str b)
{
    ri_str name[2], value[2];
    while (ri_kafka_headers_next(&a, &name[0], &value[0]) == 1) {
        fuzz_require(ri_kafka_headers_next(&b, &name[1], &value[1]) == 1, "as many headers");
        fuzz_require(ri_str_eq(name[0], name[1]), "a header's name");
        fuzz_require(ri_str_eq(value[0], value[1]) && !value[0].ptr == !value[1].ptr, "its value");
    }
    fuzz_require(b.len == 0, "no more headers");
}

static void check_message(const ri_kafka_record *r, const char *filter)
{
    ri_buffer text, back;
    ri_kafka_names names;
    ri_kafka_message m;
    ri_kafka_record again = {.offset = r->offset};
    ri_str omitted;
    ri_buffer_init(&text, &host);
    ri_buffer_init(&back, &host);
    ri_kafka_names_of(ri_str_of(filter), &names);
    fuzz_require(ri_kafka_message_read(&names, r, &text, &m) == 0, "a record is a message");
    fuzz_require(!m.headers.len || ri_headers_check(m.headers) == 0, "its headers are a block");
    if (!ri_headers_find(m.headers, RI_STR("Kafka-Omitted"), &omitted)) {
        fuzz_require(ri_kafka_message_write(&names, &m, &back, &again) == 0, "and a record again");
        fuzz_require(ri_str_eq(r->key, again.key) && !r->key.ptr == !again.key.ptr, "its key");
        fuzz_require(ri_str_eq(r->value, again.value) && !r->value.ptr == !again.value.ptr,
                     "its value");
        same_headers(r->headers, again.headers);
    }
    ri_buffer_fini(&text);
    ri_buffer_fini(&back);
}

enum { UNPACKED_MAX = 50000 };

static void check_unpack(int codec, ri_str in)
{
    ri_buffer whole, pieces;
    ri_unpack u;
    int rc = 1;
    ri_buffer_init(&whole, &host);
    ri_buffer_init(&pieces, &host);
    int all = ri_unpack_all(codec, in, UNPACKED_MAX, &whole);
    ri_unpack_init(&u, &host, codec, UNPACKED_MAX);
    while (rc == 1) rc = ri_unpack_some(&u, in, 100, &pieces);
    ri_unpack_fini(&u);
    fuzz_require(rc == all, "in pieces it ends as at once");
    fuzz_require(rc < 0 || ri_str_eq(ri_buffer_str(&whole), ri_buffer_str(&pieces)), "and is that");
    fuzz_require(whole.len <= 2 * UNPACKED_MAX, "and no longer than it may be");
    ri_buffer_fini(&whole);
    ri_buffer_fini(&pieces);
}

static void rebuild(const ri_kafka_batch *b)
{
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_kafka_batch head = *b;
    head.attributes &= ~RI_KAFKA_LOG_APPEND_TIME & ~RI_KAFKA_CODEC_MASK;
    ri_kafka_builder builder;
    ri_kafka_records it, again;
    ri_kafka_record r, s;
    int rc;
    ri_kafka_builder_begin(&builder, &out, &head);
    ri_kafka_records_init(&it, b, b->records);
    while ((rc = ri_kafka_records_next(&it, &r)) == 1) {
        check_headers(&r);
        check_message(&r, "t.>");
        check_message(&r, "t");
        fuzz_require(ri_kafka_builder_add(&builder, &r) == 0, "a read record can be added");
    }
    int size = ri_kafka_builder_end(&builder);
    ri_kafka_batch built;
    fuzz_require(ri_kafka_batch_parse(ri_buffer_str(&out), RI_LIMIT_KAFKA_BATCH_MAX, &built) ==
                 size, "what was built parses");
    fuzz_require(ri_kafka_batch_verify(&built) == 0, "and has its checksum");
    ri_kafka_records_init(&it, b, b->records);
    ri_kafka_records_init(&again, &built, built.records);
    while (ri_kafka_records_next(&again, &s) == 1) {
        fuzz_require(ri_kafka_records_next(&it, &r) == 1, "as many records");
        same_record(&r, &s);
    }
    fuzz_require(rc < 0 || ri_kafka_records_next(&it, &r) == 0, "no more records");
    ri_buffer_fini(&out);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    ri_host_init(&host, NULL);
    if (size == 0) return 0;
    char *p = guard_copy(data + 1, size - 1);
    size_t len = size - 1;
    if (data[0] & 1 && len >= RI_KAFKA_BATCH_HEADER) { /* a header that fits */
        p[16] = 2;
        memset(p, 0, 8);
        memset(p + 23, 0, 2);
        p[21] = 0;
        memset(p + 57, 0, 3);
        ri_kafka_batch_seal(p, len, data[0] & 2 ? p[22] & 3 : 0);
    }
    if (data[0] & 4 && len > RI_KAFKA_BATCH_HEADER + 8) { /* and a first record */
        p[RI_KAFKA_BATCH_HEADER] = (char)((len - RI_KAFKA_BATCH_HEADER - 1) * 2 & 0x7f);
        p[RI_KAFKA_BATCH_HEADER + 3] = 0;
        p[60] = 1;
    }
    if (data[0] & 8 && len > 7) { /* or a frame of lz4 */
        memcpy(p, "\x04\x22\x4d\x18\x60\x40\x82", 7);
        check_unpack(RI_KAFKA_CODEC_LZ4, (ri_str){p, len});
    }
    for (int codec = RI_KAFKA_CODEC_GZIP; codec <= RI_KAFKA_CODEC_ZSTD; codec++)
        check_unpack(codec, (ri_str){p, len});
    ri_kafka_batch b;
    int rc = ri_kafka_batch_parse((ri_str){p, len}, RI_LIMIT_KAFKA_BATCH, &b);
    if (rc <= 0) return 0;
    fuzz_require((size_t)rc <= len && b.bytes.len == (size_t)rc, "size");
    ri_kafka_batch_verify(&b);
    ri_kafka_batch_check_produced(&b);
    if (b.attributes & RI_KAFKA_CONTROL) {
        ri_kafka_marker marker;
        int32_t epoch;
        ri_kafka_marker_read(&b, &marker, &epoch);
    }
    if (ri_kafka_batch_codec(&b) == RI_KAFKA_CODEC_NONE) rebuild(&b);
    else check_unpack(ri_kafka_batch_codec(&b), b.records);
    return 0;
}
