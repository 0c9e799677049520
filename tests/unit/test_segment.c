/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/segment.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "support/guard.h"
#include "support/suite.h"

static const ri_segment_head head_of = {
    .optional = 5, .epoch = 3, .log_id = 0x1122334455667788u, .number = 9, .prev = 7,
    .size = 16384, .first_commit = 77, .chain = 0xcafe};

START_TEST(test_head)
{
    char out[RI_SEGMENT_HEAD], *in;
    ri_segment_head head;
    ri_segment_put_head(out, &head_of);
    in = guard_copy(out, sizeof out);
    ck_assert_ok(ri_segment_get_head(in, &head));
    ck_assert_uint_eq(head.epoch, 3);
    ck_assert_uint_eq(head.optional, 5);
    ck_assert_uint_eq(head.log_id, head_of.log_id);
    ck_assert_uint_eq(head.version, RI_SEGMENT_VERSION);
    ck_assert_uint_eq(head.number, 9);
    ck_assert_uint_eq(head.prev, 7);
    ck_assert_uint_eq(head.size, 16384);
    ck_assert_uint_eq(head.first_commit, 77);
    ck_assert_uint_eq(head.chain, 0xcafe);
    for (size_t bit = 0; bit < sizeof out * 8; bit++) { /* every flip is seen */
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(ri_segment_get_head(in, &head) < 0);
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

/* What version 1 wrote is read: it tells no segment before. */
START_TEST(test_old_head)
{
    char out[RI_SEGMENT_HEAD];
    ri_segment_head head;
    ri_segment_put_head(out, &head_of);
    ri_segment_set32(out + 8, 1);
    ri_segment_set64(out + 40, 65536);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
    ck_assert_ok(ri_segment_get_head(out, &head));
    ck_assert_uint_eq(head.version, 1);
    ck_assert_uint_eq(head.size, 65536);
    ck_assert_uint_eq(head.prev, RI_SEGMENT_UNNAMED);
    ck_assert_uint_eq(head.number, 9);
}
END_TEST

START_TEST(test_spare_and_note)
{
    char out[RI_SEGMENT_HEAD], *in;
    ri_segment_note put = {.log_id = 7, .number = 12, .commit = 900}, got;
    ri_segment_head head;
    ri_segment_put_spare(out, 7, 16384);
    in = guard_copy(out, sizeof out);
    ck_assert(ri_segment_is_spare(in));
    ck_assert_rc(ri_segment_get_head(in, &head), RILL_ECORRUPT);
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(!ri_segment_is_spare(in));
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
    ri_segment_put_note(out, &put);
    in = guard_copy(out, sizeof out);
    ck_assert_ok(ri_segment_get_note(in, &got));
    ck_assert_uint_eq(got.log_id, 7);
    ck_assert_uint_eq(got.number, 12);
    ck_assert_uint_eq(got.commit, 900);
    ri_segment_note far[] = {{7, 0, 1}, {7, RI_SEGMENT_NUMBERS, 1}, {7, 1, UINT64_MAX}};
    for (size_t i = 0; i < RI_LEN(far); i++) { /* no log comes so far */
        ri_segment_put_note(out, &far[i]);
        ck_assert_int_eq(ri_segment_get_note(out, &got), RILL_ECORRUPT);
    }
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(ri_segment_get_note(in, &got) == RILL_ECORRUPT);
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

/* A version or a required feature of the future, under a right checksum. */
START_TEST(test_future_is_refused)
{
    char out[RI_SEGMENT_HEAD];
    ri_segment_head head = head_of;
    head.required = 1u << 30;
    ri_segment_put_head(out, &head);
    ck_assert_rc(ri_segment_get_head(out, &head), RILL_ENOTSUP);
    ck_assert_msg(strstr(ri_err_text(), "feature"), "%s", ri_err_text());
    ri_segment_put_head(out, &head_of);
    ri_segment_set32(out + 8, RI_SEGMENT_VERSION + 1);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
    ck_assert_rc(ri_segment_get_head(out, &head), RILL_ENOTSUP);
    ck_assert_msg(strstr(ri_err_text(), "version 3"), "%s", ri_err_text());
}
END_TEST

START_TEST(test_commit)
{
    char out[RI_SEGMENT_COMMIT], *in;
    uint32_t seed = ri_segment_seed(head_of.log_id, 9);
    ck_assert_uint_ne(seed, ri_segment_seed(head_of.log_id, 10));
    ck_assert_uint_ne(seed, ri_segment_seed(head_of.log_id + 1, 9));
    ri_segment_commit put = {.flags = RI_SEGMENT_MORE, .segment = 9, .number = 80, .durable = 79,
                             .position = 64, .bytes = 160, .entries = 2, .epoch = 3,
                             .body = 0xb0d1, .prev = 0xcafe}, got;
    ri_segment_put_commit(out, seed, &put);
    in = guard_copy(out, sizeof out);
    ck_assert_ok(ri_segment_get_commit(in, seed, &got));
    ck_assert_uint_eq(got.flags, put.flags);
    ck_assert_uint_eq(got.segment, 9);
    ck_assert_uint_eq(got.number, 80);
    ck_assert_uint_eq(got.durable, 79);
    ck_assert_uint_eq(got.position, 64);
    ck_assert_uint_eq(got.bytes, 160);
    ck_assert_uint_eq(got.entries, 2);
    ck_assert_uint_eq(got.epoch, 3);
    ck_assert_uint_eq(got.body, 0xb0d1);
    ck_assert_uint_eq(got.prev, 0xcafe);
    ck_assert_uint_eq(got.check, put.check);
    ck_assert_int_lt(ri_segment_get_commit(in, seed + 1, &got), 0); /* an earlier life's */
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(ri_segment_get_commit(in, seed, &got) < 0);
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(test_trailer)
{
    char out[RI_SEGMENT_TRAILER], *in;
    ri_segment_trailer put = {.number = 9, .last_commit = 99, .position = 12000, .head_bytes = 300,
                              .head_crc = 0xabc, .end = 9000, .chain = 0xdef, .names = 12300}, got;
    ri_segment_put_trailer(out, ri_segment_seed(7, 9), &put);
    in = guard_copy(out, sizeof out);
    ck_assert_ok(ri_segment_get_trailer(in, 7, &got));
    ck_assert_uint_eq(got.number, 9);
    ck_assert_uint_eq(got.last_commit, 99);
    ck_assert_uint_eq(got.position, 12000);
    ck_assert_uint_eq(got.head_bytes, 300);
    ck_assert_uint_eq(got.head_crc, 0xabc);
    ck_assert_uint_eq(got.end, 9000);
    ck_assert_uint_eq(got.chain, 0xdef);
    ck_assert_uint_eq(got.names, 12300);
    ck_assert_int_lt(ri_segment_get_trailer(in, 8, &got), 0); /* of another log */
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(ri_segment_get_trailer(in, 7, &got) < 0);
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

static void check_entry(ri_segment_entry put)
{
    char out[512];
    ri_segment_entry got;
    uint32_t size = ri_segment_put_entry(out, 11, &put);
    ck_assert_uint_eq(size, ri_segment_entry_size(&put));
    ck_assert_uint_eq(size % 8, 0);
    for (uint32_t len = 0; len < put.length; len++) { /* cut anywhere: asks for more */
        char *cut = guard_copy(out, len);
        ck_quick(ri_segment_get_entry(cut, len, 11, &got) == RILL_EAGAIN);
    }
    char *in = guard_copy(out, size);
    ck_assert_ok(ri_segment_get_entry(in, size, 11, &got));
    ck_assert_int_eq(got.kind, put.kind);
    ck_assert_uint_eq(got.track, put.track);
    ck_assert_uint_eq(got.crc, put.crc);
    ck_assert_uint_eq(got.length, put.length);
    if (put.kind != RI_SEGMENT_KIND_SUBJECT) ck_assert_uint_eq(got.seq, put.seq);
    ck_assert(ri_str_eq(got.headers, put.headers));
    ck_assert(ri_str_eq(got.data, put.data));
    for (size_t bit = 0; bit < put.length * 8; bit++) {
        in[bit / 8] ^= (char)(1 << bit % 8);
        ck_quick(ri_segment_get_entry(in, size, 11, &got) < 0);
        in[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert_int_lt(ri_segment_get_entry(in, size, 12, &got), 0);
}

START_TEST(test_entries)
{
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_RECORD, .track = 4, .seq = 8,
                                   .time_ns = 123, .subject = 2, .flags = 6,
                                   .data = RI_STR("some data")});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_RECORD, .track = 4, .seq = 9,
                                   .subject = RI_SEGMENT_NO_SUBJECT,
                                   .bits = RI_SEGMENT_BIT_HEADERS,
                                   .headers = RI_STR("NATS/1.0\r\na: b\r\n\r\n"),
                                   .data = RI_STR("")});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_GONE, .seq = 4, .last = 9});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_SUBJECT, .subject = 3,
                                   .data = RI_STR("orders.eu")});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_PURGE, .track = 4, .seq = 100});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_SKIP, .track = 4, .seq = 200});
    check_entry((ri_segment_entry){.kind = RI_SEGMENT_KIND_REMOVE, .track = 4, .seq = 5,
                                   .last = 7, .id = 2});
}
END_TEST

/* An erased record is told from a whole one, and its commit stays one. */
START_TEST(test_erased_entry)
{
    char body[256];
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_RECORD, .track = 1, .seq = 1,
                          .data = RI_STR("secret")}, got;
    uint32_t size = ri_segment_put_entry(body, 11, &e);
    ri_segment_commit commit = {.bytes = size, .entries = 1,
                                .body = ri_segment_chain(0, e.crc)};
    ck_assert_ok(ri_segment_check_body(body, &commit));
    ri_segment_erase_entry(body);
    ck_assert_ok(ri_segment_check_body(body, &commit));
    ck_assert_ptr_null(memmem(body, size, "secret", 6));
    ck_assert_rc(ri_segment_get_entry(body, size, 11, &got), RILL_ECORRUPT);
    commit.body ^= 1;
    ck_assert_rc(ri_segment_check_body(body, &commit), RILL_ECORRUPT);
}
END_TEST

SUITE_MAIN("segment", test_head, test_old_head, test_spare_and_note, test_future_is_refused,
           test_commit, test_trailer, test_entries,
           test_erased_entry)
