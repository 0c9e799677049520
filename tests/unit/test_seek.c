/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/seek.h"

#include <string.h>

#include "base/error.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

enum { SEED = 77, SEGMENT = 5, SIZE = 4096 };

static void put_commit(char *bytes, uint32_t at, ri_segment_commit c)
{
    c.segment = SEGMENT;
    c.position = at;
    ri_segment_put_commit(bytes + at, SEED, &c);
}

static ri_seek seek_of(const ri_host *host, char *bytes, uint32_t size)
{
    ri_seek seek;
    ri_seek_init(&seek, host, bytes, size, SEED);
    ck_assert_ok(ri_seek_marks(&seek, SEGMENT));
    return seek;
}

/* Headers that stand elsewhere, end beyond the file, claim themselves durable or fail their sum
 * are none. */
START_TEST(test_marks)
{
    fault f;
    fault_init(&f);
    static char made[SIZE];
    put_commit(made, 64, (ri_segment_commit){.number = 4, .durable = 3, .epoch = 2});
    put_commit(made, 512, (ri_segment_commit){.number = 6, .durable = 5, .epoch = 1});
    put_commit(made, 1024, (ri_segment_commit){.number = 5, .durable = 4, .epoch = 2});
    memcpy(made + 1536, made + 1024, RI_SEGMENT_COMMIT);
    put_commit(made, 2048, (ri_segment_commit){.number = 9, .durable = 8, .bytes = SIZE});
    put_commit(made, 2176, (ri_segment_commit){.number = 9, .durable = 9});
    put_commit(made, 2304, (ri_segment_commit){.number = 9, .durable = 8});
    made[2304 + 20] ^= 1;
    put_commit(made, SIZE - 64, (ri_segment_commit){.number = 8, .durable = 2, .epoch = 3});
    ri_seek seek = seek_of(&f.host, guard_copy(made, sizeof made), SIZE);
    ck_assert_uint_eq(seek.nmarks, 4);
    ck_assert_uint_eq(seek.max_epoch, 3);
    const ri_seek_mark *mark = ri_seek_next(&seek, 64, 3, 0);
    ck_assert_uint_eq(mark->position, 64);
    ck_assert_uint_eq(ri_seek_next(&seek, 72, 4, 2)->position, 1024); /* 512: an older epoch */
    ck_assert_uint_eq(ri_seek_next(&seek, 1032, 5, 2)->position, SIZE - 64);
    ck_assert_ptr_null(ri_seek_next(&seek, 1032, 8, 2));
    ck_assert(ri_seek_claim(&seek, 64, 2, 1));
    ck_assert(ri_seek_claim(&seek, 64, 4, 2)); /* at 1024; the last one claims less */
    ck_assert(!ri_seek_claim(&seek, 1032, 4, 2));
    ck_assert(ri_seek_claim(&seek, 1024, 4, 2));
    ck_assert(!ri_seek_claim(&seek, 64, 5, 2));
    ri_seek_fini(&seek);
    guard_free();
    fault_fini(&f);
}
END_TEST

static uint32_t put_record(char *bytes, uint32_t at, const char *data, size_t len)
{
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_RECORD, .track = 1, .seq = 7, .time_ns = 5,
                          .subject = 2, .data = {data, len}};
    return ri_segment_put_entry(bytes + at, SEED, &e);
}

/* Every single flipped bit is found and set right, wherever the entry's end is; two are not. */
START_TEST(test_mend)
{
    ri_host host;
    ri_host_init(&host, NULL);
    char good[512] = {0}, data[300];
    memset(data, 'x', sizeof data);
    for (size_t len = 0; len <= sizeof data; len += 100) {
        uint32_t size = put_record(good, 0, data, len);
        uint32_t length = ri_segment_u32(good + 4), end = size + 64;
        char *bytes = guard_copy(good, end);
        ri_seek seek = seek_of(&host, bytes, end);
        for (uint32_t bit = 0; bit < length * 8; bit++) {
            ri_segment_entry e;
            bytes[bit / 8] ^= (char)(1 << bit % 8);
            seek.left = SIZE;
            ck_quick(!ri_seek_entry(&seek, 0, end, &e));
            ck_quick(bit < 64 ? ri_seek_mend_start(&seek, 0, end)
                              : ri_seek_mend(&seek, 0, length));
            ck_quick(memcmp(bytes, good, end) == 0 && ri_seek_entry(&seek, 0, end, &e));
            if (bit < 64) continue;
            bytes[bit / 8] ^= (char)(1 << bit % 8); /* not among the bytes that may be mended */
            ck_quick(!ri_seek_mend(&seek, 0, bit / 8));
            bytes[9] ^= (char)(bit == 73 ? 4 : 2);  /* a second one */
            ck_quick(!ri_seek_mend(&seek, 0, length));
            memcpy(bytes, good, end);
        }
        ri_seek_fini(&seek);
        guard_free();
    }
}
END_TEST

/* Bytes full of what looks like long entries: summing stops when eight times the bytes are
 * spent, and says so; what does not look like an entry costs nothing. */
START_TEST(test_vain_sums_are_bounded)
{
    ri_host host;
    ri_host_init(&host, NULL);
    static char bytes[1 << 20];
    ri_segment_entry e;
    for (uint32_t at = 0; at + 64 <= sizeof bytes; at += 32) {
        ri_segment_set32(bytes + at + 4, (uint32_t)(sizeof bytes - at) & ~63u);
        bytes[at + 8] = RI_SEGMENT_KIND_RECORD;
    }
    ri_seek seek = seek_of(&host, bytes, sizeof bytes);
    uint64_t left = seek.left;
    ck_assert_uint_eq(left, 8 * sizeof bytes);
    for (uint32_t at = 8; at + 64 <= sizeof bytes; at += 32)
        ck_quick(!ri_seek_entry(&seek, at, sizeof bytes, &e) && seek.left == left);
    for (uint32_t at = 0; at + 64 <= sizeof bytes; at += 32)
        ck_quick(!ri_seek_entry(&seek, at, sizeof bytes, &e) && seek.left <= left);
    ck_assert(seek.given_up);
    uint32_t size = put_record(bytes, 64, "whole", 5); /* one that is whole needs no more than it */
    seek.left = size;
    ck_assert(ri_seek_entry(&seek, 64, sizeof bytes, &e));
    ck_assert_uint_eq(seek.left, size);
    ri_seek_fini(&seek);
}
END_TEST

static int fault_work(fault *f, void *arg)
{
    ri_seek seek;
    ri_seek_init(&seek, &f->host, arg, 64 * 1024, SEED);
    int rc = ri_seek_marks(&seek, SEGMENT);
    if (rc == 0) ck_assert_uint_eq(seek.nmarks, 1023);
    ri_seek_fini(&seek);
    return rc;
}

START_TEST(test_each_allocation_fails)
{
    static char bytes[64 * 1024];
    for (uint32_t at = 64; at < sizeof bytes; at += 64)
        put_commit(bytes, at, (ri_segment_commit){.number = at});
    ck_assert_uint_ge(fault_each(fault_work, bytes), 4);
}
END_TEST

SUITE_MAIN("seek", test_marks, test_mend, test_vain_sums_are_bounded, test_each_allocation_fails)
