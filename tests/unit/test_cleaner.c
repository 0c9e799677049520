/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "store/log/log.h"
#include "support/fake_os.h"
#include "support/rng.h"
#include "support/suite.h"

enum { RECORDS = 400, KEPT_EACH = 20, DATA = 400 };

static fake_os disk;
static ri_host host;
static ri_log *log_;
static ri_track *track;

static void open_log(void)
{
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 16384};
    ck_assert_ok(ri_log_open(&log_, &opts));
    ck_assert_ok(ri_log_track(log_, 1, &(ri_track_opts){.subjects = true}, &track));
}

static void append_all(void)
{
    for (int n = 1; n <= RECORDS; n++) {
        char data[DATA];
        memset(data, n, sizeof data);
        ri_record r = {.time_ns = n, .subject = n % 2 ? RI_STR("a") : RI_STR("b"),
                       .data = {data, sizeof data}};
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert_ok(ri_log_commit(log_));
    }
}

static void setup(void)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    open_log();
    append_all();
}

static void teardown(void)
{
    ri_log_close(log_);
    fake_os_fini(&disk);
}

static ri_log_stats stats(void)
{
    ri_log_stats s;
    ri_log_status(log_, &s);
    return s;
}

static void clean_all(void)
{
    int rc = 1, turns = 0;
    for (; turns < 1000 && (rc == 1 || ri_log_dirty(log_)); turns++) {
        rc = ri_log_clean(log_);
        ck_assert_int_ge(rc, 0);
        ck_assert_ok(ri_log_commit(log_));
    }
    ck_assert_int_lt(turns, 1000); /* it comes to an end */
}

static void thin_out(void)
{
    for (uint64_t seq = 1; seq <= RECORDS; seq++)
        if (seq % KEPT_EACH) ck_assert_ok(ri_track_remove(track, seq, false));
    ck_assert_ok(ri_log_commit(log_));
}

static void check_kept(void)
{
    ri_cursor c;
    ri_record r;
    char data[DATA];
    uint64_t n = 0;
    ri_cursor_init(&c, track);
    for (uint64_t from = 1; ri_cursor_next(&c, from, NULL, &r) == 1; from = r.seq + 1) {
        n += KEPT_EACH;
        memset(data, (int)n, sizeof data);
        ck_assert_uint_eq(r.seq, n);
        ck_assert_int_eq(r.time_ns, (int64_t)n);
        ck_assert_span(r.subject, "b");
        ck_assert(ri_str_eq(r.data, (ri_str){data, sizeof data}));
    }
    ck_assert_uint_eq(n, RECORDS);
    ri_cursor_fini(&c);
}

START_TEST(test_nothing_to_do_when_all_lives)
{
    setup();
    ck_assert_int_eq(ri_log_clean(log_), 0);
    ck_assert_uint_eq(stats().cleaned, 0);
    ck_assert_uint_eq(stats().copied_bytes, 0);
    teardown();
}
END_TEST

START_TEST(test_space_comes_back)
{
    setup();
    ri_log_stats before = stats();
    ck_assert_uint_ge(before.segments, 9);
    thin_out();
    clean_all();
    ri_log_stats after = stats();
    ck_assert_uint_ge(after.cleaned, 8);
    ck_assert_uint_le(after.segments, 4);
    ck_assert_uint_lt(after.used_bytes, before.used_bytes / 2);
    /* Kept records were copied at least once where their segment went, few more than that. */
    ck_assert_uint_ge(after.copied_bytes, (RECORDS / KEPT_EACH - 5) * DATA);
    ck_assert_uint_le(after.copied_bytes, 3 * (RECORDS / KEPT_EACH) * (DATA + 60));
    ck_assert_uint_ge(after.appended_bytes, RECORDS * DATA);
    ck_assert_uint_ge(after.written_bytes, after.appended_bytes + after.copied_bytes);
    check_kept();
    ri_log_close(log_);
    open_log();
    check_kept();
    teardown();
}
END_TEST

/* Appended and purged for ever, a log stays as large as what lives in it. */
START_TEST(test_files_do_not_pile_up)
{
    setup();
    uint64_t most = 0;
    for (int round = 0; round < 10; round++) {
        ri_track_info info;
        ri_track_status(track, &info);
        ck_assert_ok(ri_track_purge(track, info.last_seq + 1));
        clean_all();
        append_all();
        most = RI_MAX(most, fake_os_used(&disk));
    }
    ck_assert_uint_le(most, 3 * RECORDS * DATA);
    ck_assert_uint_ge(stats().cleaned, 80);
    teardown();
}
END_TEST

/* A reader whose record moves, dies, or is overwritten with its segment, hears what is true. */
START_TEST(test_cursor_on_a_cleaned_record)
{
    setup();
    ri_cursor moved, dead;
    ri_record r;
    ri_cursor_init(&moved, track);
    ri_cursor_init(&dead, track);
    ck_assert_ok(ri_cursor_get(&moved, KEPT_EACH, &r));
    ck_assert_ok(ri_cursor_get(&dead, KEPT_EACH + 1, &r));
    thin_out();
    clean_all();
    for (int i = 0; i < RECORDS; i++) { /* the files are used again */
        ri_record filler = {.subject = RI_STR("c"), .data = RI_STR("filler")};
        ck_assert_ok(ri_track_append(track, &filler));
    }
    ck_assert_ok(ri_log_commit(log_));
    ck_assert_ok(ri_cursor_get(&moved, KEPT_EACH, &r));
    ck_assert_uint_eq(r.seq, KEPT_EACH);
    ck_assert_uint_eq(r.data.len, DATA);
    ck_assert_int_eq(r.data.ptr[DATA - 1], KEPT_EACH);
    ck_assert_rc(ri_cursor_get(&dead, KEPT_EACH + 1, &r), RILL_ENOENT);
    ck_assert_int_eq(ri_cursor_next(&dead, KEPT_EACH + 1, NULL, &r), 1);
    ck_assert_uint_eq(r.seq, 2 * KEPT_EACH);
    ck_assert_int_eq(ri_cursor_prev(&dead, 2 * KEPT_EACH - 1, NULL, &r), 1);
    ck_assert_uint_eq(r.seq, KEPT_EACH);
    ri_cursor_fini(&moved);
    ri_cursor_fini(&dead);
    teardown();
}
END_TEST

/* Power lost in the midst of cleaning, wherever: what lives is there, what died stays dead. */
START_TEST(test_power_lost_while_cleaning)
{
    for (size_t more = 1; more < 60; more += 2) {
        setup();
        thin_out();
        disk.fail_at = disk.calls + more;
        disk.power_at_fail = true;
        disk.fail_errno = EIO;
        for (int i = 0; i < 60; i++) {
            (void)ri_log_clean(log_);
            if (ri_log_commit(log_) < 0) break;
        }
        disk.off = true;
        ri_log_close(log_);
        fake_os_crash(&disk, more % 4 == 1 ? FAKE_OS_DROP : FAKE_OS_RANDOM, more);
        disk.fail_at = 0;
        open_log();
        check_kept();
        clean_all();
        check_kept();
        teardown();
    }
}
END_TEST

/* Records that die in a row are told by one entry, whatever is appended between them. */
START_TEST(test_removals_in_a_row)
{
    setup();
    clean_all();
    uint64_t written = stats().written_bytes, appended = stats().appended_bytes;
    for (uint64_t seq = 1; seq <= 100; seq++) {
        ri_record r = {.subject = RI_STR("a"), .data = RI_STR("0123456789abcdef")};
        ck_assert_ok(ri_track_remove(track, seq, false));
        ck_assert_ok(ri_track_append(track, &r));
    }
    ck_assert_ok(ri_log_commit(log_));
    written = stats().written_bytes - written;
    appended = stats().appended_bytes - appended;
    uint64_t segments = 100 * (440 + 8) / 16384 + 3; /* that the hundred stood in, and two ends */
    ck_assert_uint_le(written, appended + segments * (48 + 64) + 8192); /* and a footer */
    teardown();
    setup();
    for (uint64_t seq = 1; seq <= 100; seq++) ck_assert_ok(ri_track_remove(track, seq, true));
    ck_assert_ok(ri_log_commit(log_));
    ri_log_close(log_);
    open_log();
    ri_track_info info;
    ri_track_status(track, &info);
    ck_assert_uint_eq(info.count, RECORDS - 100);
    ck_assert_uint_eq(info.first_seq, 101);
    teardown();
}
END_TEST

/* Any record may die while others come, a quarter lives: what is written stays near what the
 * essay of the cleaner says, and no call moves much. */
START_TEST(test_amplification)
{
    enum { KEEP = 3000, ALL = 30000, BYTES = 100, SEGMENT = 131072 };
    static uint64_t living[KEEP];
    rng r;
    rng_init(&r, rng_seed(1));
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = SEGMENT};
    ck_assert_ok(ri_log_open(&log_, &opts));
    ck_assert_ok(ri_log_track(log_, 1, NULL, &track));
    for (unsigned i = 0; i < ALL; i++) {
        char data[BYTES] = "", subject[16];
        int len = snprintf(subject, sizeof subject, "s.%u", i % 10);
        uint64_t at = i < KEEP ? i : rng_below(&r, KEEP);
        if (i >= KEEP) ck_assert_ok(ri_track_remove(track, living[at], false));
        ri_record rec = {.subject = {subject, (size_t)len}, .data = {data, sizeof data}};
        ck_assert_ok(ri_track_append(track, &rec));
        living[at] = rec.seq;
        if (i % 50) continue;
        uint64_t moved = stats().copied_bytes;
        ck_assert_int_ge(ri_log_clean(log_), 0);
        ck_assert_uint_le(stats().copied_bytes - moved, 512 * 1024);
        ck_assert_ok(ri_log_commit(log_));
    }
    ri_log_stats s = stats();
    ck_assert_uint_gt(s.cleaned, 20);
    /* 144 bytes a record, 88 a removal, 4 a slot; a third of it again for what is moved */
    double amplification = (double)s.written_bytes / (double)s.appended_bytes;
    ck_assert_msg(amplification < (144. + 88 + 4) / 144 * 4 / 3, "%.2f", amplification);
    ck_assert_uint_le(s.used_bytes, s.live_bytes * 4 + 4 * SEGMENT);
    teardown();
}
END_TEST

/* One record of a segment cannot be read: the segment stays, with older copies of those that were
 * moved out of it. What dies later must not come back from there. */
START_TEST(test_moved_out_of_a_damaged_segment)
{
    setup();
    size_t len, at = 0;
    char bad[DATA];
    memset(bad, 10, sizeof bad);
    unsigned char *bytes = fake_os_bytes(&disk, "/log/00000000.seg", &len);
    while (at + DATA <= len && memcmp(bytes + at, bad, DATA) != 0) at++;
    ck_assert_uint_le(at + DATA, len);
    bytes[at] ^= 1;
    for (uint64_t seq = 1; seq <= RECORDS; seq++)
        if (seq != 5 && seq != 10) ck_assert_ok(ri_track_remove(track, seq, false));
    ck_assert_ok(ri_log_commit(log_));
    clean_all();
    ck_assert_uint_eq(stats().damages, 1);
    for (int round = 0; round < 4; round++) { /* all but the damaged one are used again */
        ri_track_info info;
        if (round == 1) ck_assert_ok(ri_track_remove(track, 5, false));
        append_all();
        ri_track_status(track, &info);
        for (uint64_t seq = info.last_seq - RECORDS + 1; seq <= info.last_seq; seq++)
            ck_assert_ok(ri_track_remove(track, seq, false));
        ck_assert_ok(ri_log_commit(log_));
        clean_all();
        if (round % 2 == 0) continue;
        ri_log_close(log_);
        open_log();
        ri_track_status(track, &info);
        ck_assert_uint_eq(info.first_seq, 10);
        ck_assert_uint_eq(info.count, 1);
    }
    teardown();
}
END_TEST

SUITE_MAIN("cleaner", test_nothing_to_do_when_all_lives, test_space_comes_back,
           test_files_do_not_pile_up, test_cursor_on_a_cleaned_record,
           test_power_lost_while_cleaning, test_removals_in_a_row, test_amplification,
           test_moved_out_of_a_damaged_segment)
