/* SPDX-License-Identifier: Apache-2.0 */
/* Small disks: a log takes as much of one as there is, and gets going again when there is room. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/log/log.h"
#include "support/fake_os.h"
#include "support/suite.h"

enum { MIB = 1 << 20, DATA = 20000, LEAST_MIB = 2 };

static fake_os disk;
static ri_host host;
static size_t damages;
static uint64_t last; /* sequence that was acknowledged */

static void on_damage(void *arg, const ri_damage *damage)
{
    (void)arg, (void)damage;
    damages++;
}

static void setup(uint64_t capacity)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    disk.capacity = capacity;
    damages = 0;
    last = 0;
}

static ri_log *open_log(void)
{
    ri_log *log;
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .damage = on_damage};
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

static ri_track *track_of(ri_log *log)
{
    ri_track *track;
    ck_assert_ok(ri_log_track(log, 1, &(ri_track_opts){.subjects = true}, &track));
    return track;
}

static int append(ri_log *log, size_t len)
{
    static char data[4 * MIB];
    memset(data, (int)('a' + (last + 1) % 26), len);
    ri_record r = {.subject = RI_STR("a.b"), .data = {data, len}};
    int rc = ri_track_append(track_of(log), &r);
    int committed = ri_log_commit(log);
    ck_quick(rc < 0 || committed == 0);
    if (rc == 0) last = r.seq;
    return rc;
}

/* How many went in until the disk was full. */
static uint64_t fill(ri_log *log)
{
    uint64_t first = last;
    int rc;
    while ((rc = append(log, DATA)) == 0) ck_quick(last - first < 100000);
    ck_assert_int_eq(rc, RILL_EFULL);
    return last - first;
}

static void clean(ri_log *log)
{
    for (int i = 0; i < 200; i++) {
        ck_quick(ri_log_clean(log) >= 0);
        ck_quick(ri_log_commit(log) == 0);
    }
}

static void check(ri_log *log, uint64_t first)
{
    ri_cursor c;
    ri_record r;
    ri_track_info info;
    ri_cursor_init(&c, track_of(log));
    for (uint64_t seq = first; seq <= last; seq++) {
        ck_quick(ri_cursor_get(&c, seq, &r) == 0);
        ck_quick(r.data.ptr[r.data.len - 1] == (char)('a' + seq % 26));
    }
    ri_cursor_fini(&c);
    ri_track_status(track_of(log), &info);
    ck_assert_uint_eq(info.count, last + 1 - first);
}

START_TEST(test_small_disks_are_filled_and_emptied)
{
    static const uint64_t sizes[] = {LEAST_MIB, 3, 5, 8, 16, 24, 40, 60, 3, 5, 24, 60};
    enum { TOLD = 8 }; /* the rest is as with quotas: it shows when a file does not fit */
    for (size_t i = 0; i < RI_LEN(sizes); i++) {
        setup(sizes[i] * MIB);
        if (i >= TOLD) disk.os.room = NULL;
        ri_log *log = open_log();
        uint64_t n = fill(log);
        ck_assert_msg(n * DATA > disk.capacity * 6 / 10, "%d MiB hold %d", (int)sizes[i], (int)n);
        check(log, 1);
        ck_assert_ok(ri_track_purge(track_of(log), last + 1));
        clean(log);
        uint64_t first = last + 1, again = fill(log);
        ck_assert_msg(again * 10 >= n * (i < TOLD ? 6 : 3), "%d MiB held %d, then %d",
                      (int)sizes[i], (int)n, (int)again);
        check(log, first);
        ri_log_close(log);
        log = open_log();
        check(log, first);
        ck_assert_ok(ri_track_purge(track_of(log), last + 1));
        clean(log);
        ck_assert_ok(append(log, DATA));
        ck_assert_uint_eq(damages, 0);
        ri_log_close(log);
        fake_os_fini(&disk);
    }
}
END_TEST

/* Others have taken what the log would have needed for a segment of the usual size. */
START_TEST(test_a_disk_with_little_left_is_used)
{
    setup(0);
    ri_log *log = open_log();
    while (fake_os_used(&disk) < 17 * MIB) ck_assert_ok(append(log, DATA));
    disk.capacity = fake_os_used(&disk) + MIB;
    fill(log);
    ri_log_close(log);
    log = open_log();
    ck_assert_ok(ri_track_purge(track_of(log), last + 1));
    disk.capacity = fake_os_used(&disk) + MIB;
    ck_assert_ok(ri_log_commit(log));
    for (int i = 0; i < 600; i++) {
        ck_assert_ok(append(log, DATA));
        ck_assert_ok(ri_track_purge(track_of(log), last));
        ck_assert_int_ge(ri_log_clean(log), 0);
    }
    check(log, last);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* Removed one by one, but for some: what lives is moved through what is kept for that. */
START_TEST(test_a_small_disk_is_emptied_one_by_one)
{
    setup(8 * MIB);
    ri_log *log = open_log();
    uint64_t n = fill(log);
    for (uint64_t seq = 1; seq <= n; seq++) {
        if (seq % 20) ck_quick(!ri_track_remove(track_of(log), seq, false));
        if (seq % 7 == 0) ck_quick(!ri_log_commit(log));
    }
    clean(log);
    uint64_t again = fill(log);
    ck_assert_uint_ge(again * 10, n * 6);
    ri_log_close(log);
    log = open_log();
    ri_track_info info;
    ri_track_status(track_of(log), &info);
    ck_assert_uint_eq(info.count, n / 20 + again);
    ck_assert_uint_eq(damages, 0);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* A record that is larger than the segments of a small disk gets one that it fits in. */
START_TEST(test_large_records_on_a_small_disk)
{
    setup(8 * MIB);
    ri_log *log = open_log();
    ck_assert_ok(append(log, DATA));
    ck_assert_ok(append(log, 3 * MIB));
    ck_assert_int_eq(append(log, 4 * MIB), RILL_EFULL);
    ck_assert_ok(append(log, DATA));
    check(log, 1);
    ri_log_close(log);
    log = open_log();
    check(log, 1);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* Who owns the log waits for no zeros: a file that is needed at once has its room, and the thread
 * that writes the commits lays zeros a step ahead of them. */
START_TEST(test_the_owner_writes_no_zeros)
{
    setup(0);
    ri_log *log = open_log();
    static char data[100000];
    ri_record r = {.subject = RI_STR("a.b"), .data = {data, sizeof data}};
    uint64_t laid = 0, files = 0;
    for (int i = 0; i < 400; i++) {
        ri_commit job;
        uint64_t before = disk.zeroed;
        r.seq = 0;
        ck_assert_ok(ri_track_append(track_of(log), &r));
        ck_assert_ok(ri_log_commit_begin(log, &job));
        ck_assert_uint_eq(disk.zeroed, before);
        ck_assert_ok(ri_log_commit_io(&job));
        ck_assert_uint_le(disk.zeroed - before, 2 * MIB); /* of this one, and of a spare */
        laid += disk.zeroed - before;
        before = disk.zeroed;
        ck_assert_ok(ri_log_commit_end(log, &job));
        ck_assert_uint_eq(disk.zeroed, before);
    }
    ck_assert_uint_gt(laid, MIB);
    for (size_t i = 0; fake_os_name(&disk, i); i++)
        files += strstr(fake_os_name(&disk, i), ".seg") != NULL;
    ck_assert_uint_ge(files, 3);
    ri_log_close(log);
    log = open_log();
    ri_track_info info;
    ri_track_status(track_of(log), &info);
    ck_assert_uint_eq(info.count, 400);
    ck_assert_uint_eq(damages, 0);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* The first commit waits for few zeros, and those behind it for none: a broker that has just begun
 * acknowledges its first records soon. */
START_TEST(test_a_log_that_begins_writes_few_zeros)
{
    setup(0);
    ri_log *log = open_log();
    uint64_t before = disk.zeroed;
    ck_assert_ok(append(log, 100));
    ck_assert_uint_gt(disk.zeroed, before);
    ck_assert_uint_le(disk.zeroed - before, MIB / 8);
    before = disk.zeroed;
    for (int i = 0; i < 10; i++) ck_assert_ok(append(log, 100));
    ck_assert_uint_eq(disk.zeroed, before);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* What comes while the first file is made is part of the first commit. A file that could not be
 * made so is made by the commit. */
START_TEST(test_the_first_file_is_founded)
{
    for (int fails = 0; fails <= 1; fails++) {
        setup(0);
        ri_log *log = open_log();
        ri_record r = {.subject = RI_STR("a.b"), .data = RI_STR("x")};
        ri_commit job;
        ri_track *track = track_of(log);
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert(ri_log_found_begin(log, &job));
        ck_assert_int_eq(ri_log_commit(log), RILL_EBUSY);
        disk.fail_errno = ENOSPC;
        disk.fail_at = fails ? disk.calls + 1 : 0;
        ck_assert_int_eq(ri_log_commit_io(&job) < 0, fails);
        disk.fail_at = 0;
        r.seq = 0;
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert_int_eq(ri_log_commit_end(log, &job) < 0, fails);
        ck_assert(ri_log_dirty(log));
        ck_assert_int_eq(ri_log_found_begin(log, &job), fails);
        if (fails) {
            ri_log_commit_io(&job);
            ck_assert_ok(ri_log_commit_end(log, &job));
        }
        ck_assert_ok(ri_log_commit(log));
        ck_assert(!ri_log_found_begin(log, &job));
        ri_log_close(log);
        log = open_log();
        ri_track_info info;
        ri_track_status(track_of(log), &info);
        ck_assert_uint_eq(info.count, 2);
        ck_assert(!ri_log_found_begin(log, &job));
        ck_assert_uint_eq(damages, 0);
        ri_log_close(log);
        fake_os_fini(&disk);
    }
}
END_TEST

SUITE_MAIN("space", test_small_disks_are_filled_and_emptied, test_a_disk_with_little_left_is_used,
           test_a_small_disk_is_emptied_one_by_one, test_large_records_on_a_small_disk,
           test_the_owner_writes_no_zeros, test_a_log_that_begins_writes_few_zeros,
           test_the_first_file_is_founded)
