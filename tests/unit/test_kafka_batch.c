/* SPDX-License-Identifier: Apache-2.0 */
/* The golden batches were written by kafka-python 3.0.12's DefaultRecordBatchBuilder, a writer
 * that shares nothing with this one. */
#include "base/crc32c.h"
#include "base/error.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/limits.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

/* 4 records: k1 = v1; null key, empty value, headers h=x, h=null, empty=empty, 123 ms later;
 * empty key, null value, earlier than the first; key, 70 times z, a binary header. */
static const char golden_plain[] =
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xb1\x00\x00\x00\x00\x02\x03\x1b\xdd\x36\x00"
    "\x00\x00\x00\x00\x03\x00\x00\x01\x8b\xcf\xe5\x68\x00\x00\x00\x01\x8b\xcf\xee\x8f\xc0\xff"
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x04\x14\x00\x00\x00\x04"
    "\x6b\x31\x04\x76\x31\x00\x20\x00\xf6\x01\x02\x01\x00\x06\x02\x68\x02\x78\x02\x68\x01\x00"
    "\x00\x0c\x00\x01\x04\x00\x01\x00\xb6\x01\x00\x80\x9f\x49\x06\x06\x6b\x65\x79\x8c\x01\x7a"
    "\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a"
    "\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a"
    "\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a\x7a"
    "\x7a\x7a\x7a\x02\x0a\x74\x72\x61\x63\x65\x04\x00\xff";

/* 2 records of producer 4711, epoch 7, sequences 2147483646 and on, transactional. */
static const char golden_txn[] =
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x43\x00\x00\x00\x00\x02\x0c\x19\x97\x32\x00"
    "\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00"
    "\x00\x00\x00\x00\x00\x12\x67\x00\x07\x7f\xff\xff\xfe\x00\x00\x00\x02\x10\x00\x00\x00\x02"
    "\x61\x02\x31\x00\x10\x00\x02\x02\x02\x62\x02\x32\x00";

/* 20 records, k0 to k19, times 1000 to 1019, gzip. */
static const char golden_gzip[] =
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xca\x00\x00\x00\x00\x02\xae\x08\x40\x54\x00"
    "\x01\x00\x00\x00\x13\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x00\x00\x00\x00\x00\x03\xfb\xff"
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x14\x1f\x8b\x08\x00\x0a"
    "\x78\x03\x6b\x02\xff\x95\xd1\x3b\x0a\x84\x40\x14\x44\xd1\x46\x8a\x46\x44\x44\x44\x44\x44"
    "\x44\x44\x8c\x6d\xff\xb3\x8b\x59\x82\x98\x56\x3e\xeb\x9f\xb7\x04\xeb\xe6\x27\xba\xb7\x73"
    "\x0e\x9c\xbf\xbf\x97\xb9\xdb\x45\x11\x18\x14\x00\x80\x8b\x02\xbc\x07\x57\x05\xc4\x31\xb8"
    "\x29\x20\x49\xc0\x5d\x01\x69\x0a\x1e\x0a\xc8\x32\xf0\x54\x40\x9e\x83\x97\x02\x8a\x02\xfc"
    "\xbc\x07\x8f\x2b\x4b\xcf\x30\x2b\xa2\xaa\x4c\x04\x45\xd4\xb5\x89\x45\x11\x4d\x63\x62\x55"
    "\x44\xdb\x9a\xd8\x14\xd1\x75\x26\x76\x45\xf4\xbd\x89\x43\x11\xc3\x60\xe2\x54\xc4\x38\x9a"
    "\xb8\x14\x31\x4d\x26\x84\xe7\x7f\xdc\xe4\x5d\xba\xde\x03\x00\x00";

#define GOLDEN(name) ((ri_str){golden_##name, sizeof golden_##name - 1})

static fault f;

static ri_kafka_batch parsed(ri_str bytes)
{
    ri_kafka_batch b;
    ck_assert_int_eq(ri_kafka_batch_parse(bytes, RI_LIMIT_KAFKA_BATCH, &b), (int)bytes.len);
    ck_assert_ok(ri_kafka_batch_verify(&b));
    return b;
}

static ri_kafka_record next(ri_kafka_records *it)
{
    ri_kafka_record r;
    ck_assert_rc(ri_kafka_records_next(it, &r), 1);
    return r;
}

static bool is_null(ri_str s)
{
    return s.ptr == NULL;
}

START_TEST(test_golden_read)
{
    ri_kafka_batch b = parsed(GOLDEN(plain));
    ck_assert_int_eq(b.count, 4);
    ck_assert_int_eq(b.last_offset_delta, 3);
    ck_assert_int_eq(b.base_timestamp_ms, 1700000000000);
    ck_assert_int_eq(b.max_timestamp_ms, 1700000600000);
    ck_assert_int_eq(b.producer_id, -1);
    ck_assert_int_eq(b.producer_epoch, -1);
    ck_assert_int_eq(b.base_sequence, -1);
    ck_assert_ok(ri_kafka_batch_check_produced(&b));
    ri_kafka_records it;
    ri_kafka_records_init(&it, &b, b.records);
    ri_kafka_record r = next(&it);
    ck_assert_span(r.key, "k1");
    ck_assert_span(r.value, "v1");
    ck_assert_int_eq(r.nheaders, 0);
    r = next(&it);
    ck_assert(is_null(r.key) && !is_null(r.value) && r.value.len == 0);
    ck_assert_int_eq(r.timestamp_ms, 1700000000123);
    ck_assert_int_eq(r.nheaders, 3);
    ri_str name, value;
    ck_assert_rc(ri_kafka_headers_next(&r.headers, &name, &value), 1);
    ck_assert_span(name, "h");
    ck_assert_span(value, "x");
    ck_assert_rc(ri_kafka_headers_next(&r.headers, &name, &value), 1);
    ck_assert(is_null(value));
    ck_assert_rc(ri_kafka_headers_next(&r.headers, &name, &value), 1);
    ck_assert(name.len == 0 && !is_null(value) && value.len == 0);
    ck_assert_rc(ri_kafka_headers_next(&r.headers, &name, &value), 0);
    r = next(&it);
    ck_assert(!is_null(r.key) && r.key.len == 0 && is_null(r.value));
    ck_assert_int_eq(r.timestamp_ms, 1699999999999);
    r = next(&it);
    ck_assert_int_eq(r.offset, 3);
    ck_assert_uint_eq(r.value.len, 70);
    ck_assert_rc(ri_kafka_records_next(&it, &r), 0);

    b = parsed(GOLDEN(txn));
    ck_assert_int_eq(b.producer_id, 4711);
    ck_assert_int_eq(b.producer_epoch, 7);
    ck_assert_int_eq(b.base_sequence, 2147483646);
    ck_assert(b.attributes & RI_KAFKA_TRANSACTIONAL);
    b = parsed(GOLDEN(gzip));
    ck_assert_int_eq(ri_kafka_batch_codec(&b), RI_KAFKA_CODEC_GZIP);
    ck_assert_int_eq(b.count, 20);
    ck_assert_ok(ri_kafka_batch_check_produced(&b)); /* the records are not looked into */
}
END_TEST

/* Reading and building again gives the golden bytes. */
static void rebuild(ri_str golden)
{
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_buffer_puts(&out, "eaten|kept");
    ri_buffer_eat(&out, 6);
    ri_kafka_batch b = parsed(golden);
    ri_kafka_builder builder;
    ri_kafka_builder_begin(&builder, &out, &b);
    ri_kafka_records it;
    ri_kafka_record r;
    ri_kafka_records_init(&it, &b, b.records);
    while (ri_kafka_records_next(&it, &r) == 1) {
        ri_buffer headers;
        ri_buffer_init(&headers, &f.host);
        ri_str name, value;
        for (ri_str rest = r.headers; ri_kafka_headers_next(&rest, &name, &value) == 1;) {
            ri_kafka_headers_put(&headers, name, value);
        }
        r.headers = ri_buffer_str(&headers);
        ck_assert_ok(ri_kafka_builder_add(&builder, &r));
        ck_assert_rc(ri_kafka_builder_add(&builder, &r), RILL_EINVAL); /* the offset again */
        ri_buffer_fini(&headers);
    }
    ck_assert_int_eq(ri_kafka_builder_end(&builder), (int)golden.len);
    ri_str built = ri_str_from(ri_buffer_str(&out), 4);
    ck_assert_uint_eq(built.len, golden.len);
    ck_assert_mem_eq(built.ptr, golden.ptr, golden.len);
    ri_buffer_fini(&out);
}

START_TEST(test_golden_build)
{
    fault_init(&f);
    rebuild(GOLDEN(plain));
    rebuild(GOLDEN(txn));
    fault_fini(&f);
}
END_TEST

static int read_all(ri_str bytes)
{
    ri_kafka_batch b;
    int size = ri_kafka_batch_parse(bytes, RI_LIMIT_KAFKA_BATCH, &b);
    if (size <= 0) return size;
    ri_kafka_records it;
    ri_kafka_record r;
    int rc;
    ri_kafka_records_init(&it, &b, b.records);
    while ((rc = ri_kafka_records_next(&it, &r)) == 1) {}
    return rc < 0 ? rc : size;
}

START_TEST(test_split_and_damage)
{
    ri_str golden = GOLDEN(plain);
    for (size_t len = 0; len < golden.len; len++) {
        char *cut = guard_copy(golden.ptr, len);
        ck_assert_rc(read_all((ri_str){cut, len}), 0); /* more is wanted */
        if (len < RI_KAFKA_BATCH_HEADER) continue;
        cut[11] = (char)(len - 12); /* a length that says it ends here: no record may pass it */
        cut[10] = 0;
        ck_assert_rc(read_all((ri_str){cut, len}), RILL_EPROTO);
    }
    for (size_t i = 0; i < golden.len * 8; i++) { /* each bit from the crc on is covered */
        char *bad = guard_copy(golden.ptr, golden.len);
        bad[i / 8] ^= (char)(1u << i % 8);
        ri_kafka_batch b;
        int size = ri_kafka_batch_parse((ri_str){bad, golden.len}, RI_LIMIT_KAFKA_BATCH, &b);
        if (size > 0 && i / 8 >= 17) ck_assert_rc(ri_kafka_batch_verify(&b), RILL_ECORRUPT);
        if (size > 0 && i / 8 < 16 && (i / 8 < 8 || i / 8 >= 12)) {
            ck_assert_ok(ri_kafka_batch_verify(&b));
        }
        read_all((ri_str){bad, golden.len});
    }
    guard_free();
}
END_TEST

/* The golden batch with some bytes set otherwise. */
static int reread(size_t at, const char *bytes, size_t len)
{
    char *p = guard_copy(golden_plain, sizeof golden_plain - 1);
    memcpy(p + at, bytes, len);
    ri_kafka_batch b;
    int rc = ri_kafka_batch_parse((ri_str){p, sizeof golden_plain - 1}, RI_LIMIT_KAFKA_BATCH, &b);
    if (rc <= 0) return rc;
    return ri_kafka_batch_check_produced(&b);
}

START_TEST(test_refused)
{
    ri_kafka_batch b;
    ri_str golden = GOLDEN(plain);
    ck_assert_ok(reread(0, "", 0));
    ck_assert_rc(reread(7, "\x01", 1), RILL_EPROTO);                 /* base offset */
    ck_assert_rc(reread(0, "\xff", 1), RILL_EPROTO);                 /* a negative one */
    ck_assert_rc(reread(8, "\0\0\0\x30", 4), RILL_EPROTO);        /* shorter than a header */
    ck_assert_rc(reread(8, "\xff\xff\xff\xff", 4), RILL_EPROTO);
    ck_assert_rc(reread(8, "\x7f\xff\xff\xff", 4), RILL_ETOOBIG);
    ck_assert_rc(reread(16, "\x01", 1), RILL_EPROTO);                /* magic */
    ck_assert_rc(reread(22, "\x05", 1), RILL_EPROTO);                /* codec */
    ck_assert_rc(reread(22, "\x20", 1), RILL_EPROTO);                /* control */
    ck_assert_rc(reread(22, "\x40", 1), RILL_EPROTO);                /* delete horizon */
    ck_assert_rc(reread(22, "\x10", 1), RILL_EPROTO);                /* transactional */
    ck_assert_rc(reread(23, "\0\0\0\x04", 4), RILL_EPROTO);       /* not dense */
    ck_assert_rc(reread(23, "\0\0\0\x02", 4), RILL_EPROTO);
    ck_assert_rc(reread(43, "\0", 1), RILL_EPROTO);                  /* id without epoch */
    ck_assert_rc(reread(57, "\0\0\0\0", 4), RILL_EPROTO);         /* no record */
    ck_assert_rc(reread(57, "\xff\xff\xff\xff", 4), RILL_EPROTO);
    ck_assert_rc(reread(57, "\x01\0\0\x01", 4), RILL_EPROTO);
    ck_assert_rc(reread(23, "\0\0\0\x04\0", 4), RILL_EPROTO);
    ck_assert_rc(ri_kafka_batch_parse(golden, golden.len - 1, &b), RILL_ETOOBIG);
    ck_assert_int_eq(ri_kafka_batch_parse(golden, golden.len, &b), (int)golden.len);
    /* Record 0: length, attributes, time delta, offset delta, key length ... */
    ck_assert_rc(reread(61, "\x12", 1), RILL_EPROTO);
    ck_assert_rc(reread(61, "\x16", 1), RILL_EPROTO);
    ck_assert_rc(reread(61, "\x01", 1), RILL_EPROTO);
    ck_assert_rc(reread(64, "\x02", 1), RILL_EPROTO); /* offset delta 1 */
    ck_assert_rc(reread(64, "\x01", 1), RILL_EPROTO); /* -1 */
    ck_assert_rc(reread(65, "\x03", 1), RILL_EPROTO); /* key length -2 */
    ck_assert_rc(reread(65, "\x7e", 1), RILL_EPROTO); /* beyond its record */
    ck_assert_rc(reread(71, "\x02", 1), RILL_EPROTO); /* a header that is not there */
    ck_assert_rc(reread(62, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10), RILL_EPROTO);
    guard_free();
}
END_TEST

START_TEST(test_in_place)
{
    char *p = guard_copy(golden_txn, sizeof golden_txn - 1);
    ri_str bytes = {p, sizeof golden_txn - 1};
    ri_kafka_batch_patch(p, 1234567890123, 42);
    ri_kafka_batch b = parsed(bytes);
    ck_assert_int_eq(b.base_offset, 1234567890123);
    ck_assert_int_eq(b.leader_epoch, 42);
    ck_assert_int_eq(ri_kafka_batch_last_offset(&b), 1234567890124);
    ri_kafka_batch_set_append_time(p, bytes.len, 777);
    b = parsed(bytes);
    ri_kafka_records it;
    ri_kafka_records_init(&it, &b, b.records);
    ck_assert_int_eq(next(&it).timestamp_ms, 777);
    ri_kafka_record second = next(&it);
    ck_assert_int_eq(second.timestamp_ms, 777);
    ck_assert_int_eq(second.offset, 1234567890124);
    p[68] ^= 1;
    ri_kafka_batch_seal(p, bytes.len, RI_KAFKA_CODEC_ZSTD);
    b = parsed(bytes);
    ck_assert_int_eq(ri_kafka_batch_codec(&b), RI_KAFKA_CODEC_ZSTD);
    ck_assert(b.attributes & RI_KAFKA_TRANSACTIONAL);
    guard_free();
}
END_TEST

START_TEST(test_markers)
{
    fault_init(&f);
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_kafka_batch head = {.base_offset = 9, .leader_epoch = 3, .producer_id = 5,
                           .producer_epoch = 2, .base_sequence = 8};
    int size = ri_kafka_marker_write(&out, &head, RI_KAFKA_COMMIT, 6, 1000);
    ck_assert_int_eq(size, 78);
    ri_kafka_batch b = parsed(ri_buffer_str(&out));
    ck_assert_int_eq(b.base_sequence, -1);
    ck_assert_int_eq(b.producer_id, 5);
    ck_assert_int_eq(b.max_timestamp_ms, 1000);
    ck_assert_int_eq(b.base_offset, 9);
    ri_kafka_marker marker;
    int32_t epoch;
    ck_assert_rc(ri_kafka_marker_read(&b, &marker, &epoch), 1);
    ck_assert_int_eq(marker, RI_KAFKA_COMMIT);
    ck_assert_int_eq(epoch, 6);
    char *p = guard_copy(out.ptr, out.len);
    p[61 + 5 + 3] = 4; /* another type of control record */
    ri_kafka_batch_seal(p, out.len, 0);
    b = parsed((ri_str){p, out.len});
    ck_assert_rc(ri_kafka_marker_read(&b, &marker, &epoch), 0);
    p[61 + 5 + 3] = 0;
    b = parsed((ri_str){(ri_kafka_batch_seal(p, out.len, 0), p), out.len});
    ck_assert_rc(ri_kafka_marker_read(&b, &marker, &epoch), 1);
    ck_assert_int_eq(marker, RI_KAFKA_ABORT);
    ri_buffer_fini(&out);
    fault_fini(&f);
}
END_TEST

/* What compaction leaves: gaps, a kept last offset, a batch of no records. */
START_TEST(test_compacted)
{
    fault_init(&f);
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_kafka_batch head = {.base_offset = 100, .last_offset_delta = 50, .producer_id = 5,
                           .base_timestamp_ms = 9000, .max_timestamp_ms = -1,
                           .attributes = RI_KAFKA_DELETE_HORIZON};
    ri_kafka_builder builder;
    ri_kafka_builder_begin(&builder, &out, &head);
    for (int64_t offset = 103; offset < 140; offset += 9) {
        ri_kafka_record r = {.offset = offset, .timestamp_ms = 8000 + offset, .key = RI_STR("k")};
        ck_assert_ok(ri_kafka_builder_add(&builder, &r));
    }
    ck_assert_int_gt(ri_kafka_builder_end(&builder), 0);
    ri_kafka_batch b = parsed(ri_buffer_str(&out));
    ck_assert_int_eq(ri_kafka_batch_last_offset(&b), 150);
    ck_assert_int_eq(b.base_timestamp_ms, 9000);
    ck_assert_int_eq(b.count, 5);
    ri_kafka_records it;
    ri_kafka_records_init(&it, &b, b.records);
    ri_kafka_record r = next(&it);
    ck_assert_int_eq(r.offset, 103);
    ck_assert_int_eq(r.timestamp_ms, 8103);
    ri_buffer_reset(&out);
    ri_kafka_builder_begin(&builder, &out, &head);
    ck_assert_int_eq(ri_kafka_builder_end(&builder), RI_KAFKA_BATCH_HEADER);
    b = parsed(ri_buffer_str(&out));
    ck_assert_int_eq(b.count, 0);
    ck_assert_int_eq(ri_kafka_batch_last_offset(&b), 150);
    ri_kafka_records_init(&it, &b, b.records);
    ck_assert_rc(ri_kafka_records_next(&it, &r), 0);
    ri_buffer_fini(&out);
    fault_fini(&f);
}
END_TEST

START_TEST(test_varints)
{
    fault_init(&f);
    static const struct { int64_t value; const char *bytes; } rows[] = {
        {0, "\x00"}, {-1, "\x01"}, {1, "\x02"}, {63, "\x7e"}, {-64, "\x7f"}, {64, "\x80\x01"},
        {-65, "\x81\x01"}, {INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
        {INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_buffer out;
        ri_buffer_init(&out, &f.host);
        ri_kafka_builder builder;
        ri_kafka_builder_begin(&builder, &out, NULL);
        ck_assert_ok(ri_kafka_builder_add(&builder, &(ri_kafka_record){.offset = 0}));
        ck_assert_ok(ri_kafka_builder_add(&builder, &(ri_kafka_record){
            .offset = 1, .timestamp_ms = rows[i].value})); /* behind the first one's 0 */
        ck_assert_int_gt(ri_kafka_builder_end(&builder), 0);
        enum { FIRST = 7 }; /* bytes of a record with nothing in it; length and attributes follow */
        size_t len = i == 0 ? 1 : strlen(rows[i].bytes);
        ck_assert_mem_eq(out.ptr + RI_KAFKA_BATCH_HEADER + FIRST + 2, rows[i].bytes, len);
        ck_assert_uint_eq(ri_buffer_size(&out), RI_KAFKA_BATCH_HEADER + 2 * FIRST + len - 1);
        ri_kafka_batch b = parsed(ri_buffer_str(&out));
        ri_kafka_records it;
        ri_kafka_records_init(&it, &b, b.records);
        ck_assert_int_eq(next(&it).timestamp_ms, 0);
        ck_assert_int_eq(next(&it).timestamp_ms, rows[i].value);
        ri_buffer_fini(&out);
    }
    fault_fini(&f);
}
END_TEST

static int body(fault *at, void *arg)
{
    (void)arg;
    ri_buffer out;
    ri_buffer_init(&out, &at->host);
    ri_buffer_puts(&out, "kept");
    if (out.failed) return RILL_ENOMEM;
    char value[500];
    memset(value, 'v', sizeof value);
    ri_kafka_builder builder;
    ri_kafka_builder_begin(&builder, &out, NULL);
    int rc = 0;
    for (int64_t i = 0; i < 20 && rc == 0; i++) {
        rc = ri_kafka_builder_add(&builder, &(ri_kafka_record){.offset = i,
                                                               .value = {value, sizeof value}});
    }
    rc = ri_kafka_builder_end(&builder);
    if (rc < 0) ck_assert_span(ri_buffer_str(&out), "kept");
    if (rc < 0) ck_assert(!out.failed);
    if (rc > 0) {
        ri_kafka_batch b;
        ri_str bytes = ri_str_from(ri_buffer_str(&out), 4);
        ck_assert_int_eq(ri_kafka_batch_parse(bytes, bytes.len, &b), rc);
        ck_assert_ok(ri_kafka_batch_check_produced(&b));
    }
    ri_buffer_fini(&out);
    return RI_MIN(rc, 0);
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 4);
}
END_TEST

SUITE_MAIN("kafka_batch", test_golden_read, test_golden_build, test_split_and_damage,
           test_refused, test_in_place, test_markers, test_compacted, test_varints, test_faults)
