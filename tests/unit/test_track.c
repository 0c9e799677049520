/* SPDX-License-Identifier: Apache-2.0 */
/* What a track tells of itself, and reads of every kind: on disk, opened again, and in memory. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "store/log/log.h"
#include "store/log/segment.h"
#include "support/fake_os.h"
#include "support/suite.h"

enum { RECORDS = 300 }; /* some segments of 16 KiB */

static fake_os disk;
static ri_host host;
static ri_log_opts opts;
static ri_log *log_;
static ri_track *track;

static void open_log(void)
{
    ck_assert_ok(ri_log_open(&log_, &opts));
    ck_assert_ok(ri_log_track(log_, 7, &(ri_track_opts){.subjects = true}, &track));
}

/* Record n at time 10 n, every third on a.x, the others on b.<n % 3>. */
static void setup(bool memory)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    opts = (ri_log_opts){.host = &host, .os = memory ? NULL : &disk.os, .dir = "/log",
                         .segment_bytes = 16384};
    open_log();
    for (int n = 1; n <= RECORDS; n++) {
        char data[200], subject[8] = "a.x";
        if (n % 3) snprintf(subject, sizeof subject, "b.%d", n % 3);
        memset(data, n, sizeof data);
        ri_record r = {.time_ns = 10 * n, .subject = ri_str_of(subject), .flags = 3,
                       .headers = n % 2 ? RI_STR("NATS/1.0\r\n\r\n") : RI_STR_NONE,
                       .data = {data, sizeof data}};
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert_uint_eq(r.seq, (uint64_t)n);
        if (n % 10 == 0) ck_assert_ok(ri_log_commit(log_));
    }
}

static void reopen(void)
{
    ck_assert_ok(ri_log_commit(log_));
    if (!opts.os) return;
    ri_log_close(log_);
    open_log();
}

static void teardown(void)
{
    ri_log_close(log_);
    fake_os_fini(&disk);
}

static void check_record(const ri_record *r, uint64_t seq)
{
    char data[200];
    memset(data, (int)seq, sizeof data);
    ck_assert_uint_eq(r->seq, seq);
    ck_assert_int_eq(r->time_ns, 10 * (int64_t)seq);
    ck_assert_uint_eq(r->flags, 3);
    ck_assert(ri_str_eq(r->data, (ri_str){data, sizeof data}));
    ck_assert_uint_eq(r->headers.len, seq % 2 ? 12 : 0);
}

START_TEST(test_info)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ri_track_info info;
        ri_track_status(track, &info);
        ck_assert_uint_eq(info.first_seq, 1);
        ck_assert_uint_eq(info.last_seq, RECORDS);
        ck_assert_uint_eq(info.visible_seq, RECORDS);
        ck_assert_uint_eq(info.count, RECORDS);
        ck_assert_uint_eq(info.subjects, 3);
        ck_assert_int_eq(info.first_time_ns, 10);
        ck_assert_int_eq(info.last_time_ns, 10 * RECORDS);
        ck_assert_uint_eq(info.bytes, RECORDS * (30 + 3 + 200) + RECORDS / 2 * (12 + 4));
        ck_assert_ok(ri_track_purge(track, 101));
        ck_assert_ok(ri_track_remove(track, 101, false));
        ck_assert_rc(ri_track_remove(track, 101, false), RILL_ENOENT);
        ck_assert_ok(ri_track_remove(track, RECORDS, false));
        reopen();
        ri_track_status(track, &info);
        ck_assert_uint_eq(info.first_seq, 102);
        ck_assert_uint_eq(info.last_seq, RECORDS);
        ck_assert_uint_eq(info.count, RECORDS - 102);
        ck_assert_int_eq(info.first_time_ns, 1020);
        ck_assert_int_eq(info.last_time_ns, 10 * (RECORDS - 1));
        ck_assert_ok(ri_track_purge(track, RECORDS + 1));
        reopen();
        ri_track_status(track, &info);
        ck_assert_uint_eq(info.first_seq, RECORDS + 1);
        ck_assert_uint_eq(info.last_seq, RECORDS);
        ck_assert_uint_eq(info.count + info.bytes + info.subjects, 0);
        ck_assert_int_eq(info.first_time_ns, 0);
        teardown();
    }
}
END_TEST

static size_t nreads;

static ssize_t counted_pread(void *arg, int fd, void *buf, size_t len, uint64_t pos)
{
    nreads++;
    return disk.os.pread(arg, fd, buf, len, pos);
}

static char *no_map(void *arg, int fd, size_t len)
{
    (void)arg, (void)fd, (void)len;
    nreads++;
    return NULL;
}

/* The first time is known as long as the first record is in memory, and where it was looked at
 * before; nothing is read for it. */
START_TEST(test_at_hand)
{
    setup(false);
    ri_track_info info;
    ri_track_at_hand(track, &info);
    ck_assert_uint_eq(info.count, RECORDS);
    ck_assert_uint_eq(info.first_seq, 1);
    ri_log_close(log_);
    ri_os counted = disk.os;
    counted.pread = counted_pread;
    if (counted.map) counted.map = no_map;
    opts.os = &counted;
    open_log();
    nreads = 0;
    ri_track_at_hand(track, &info);
    ck_assert_uint_eq(nreads, 0);
    ck_assert_int_eq(info.first_time_ns, 0);
    ri_track_info read;
    ri_track_status(track, &read);
    ck_assert_uint_gt(nreads, 0);
    ck_assert_int_eq(read.first_time_ns, 10);
    nreads = 0;
    ri_track_at_hand(track, &info);
    ck_assert_int_eq(info.first_time_ns, 10);
    ck_assert_uint_eq(info.bytes, read.bytes);
    ck_assert_ok(ri_track_purge(track, 2));
    ri_track_at_hand(track, &info);
    ck_assert_uint_eq(info.first_seq, 2);
    ck_assert_int_eq(info.first_time_ns, 0);
    ck_assert_uint_eq(nreads, 0);
    teardown();
}
END_TEST

START_TEST(test_reads)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        for (uint64_t seq = 1; seq <= RECORDS; seq++) {
            ck_assert_ok(ri_cursor_get(&c, seq, &r));
            check_record(&r, seq);
        }
        ck_assert_rc(ri_cursor_get(&c, RECORDS + 1, &r), RILL_ENOENT);
        ck_assert_rc(ri_cursor_get(&c, 0, &r), RILL_ENOENT);
        uint64_t n = 0;
        for (uint64_t from = 1; ri_cursor_next(&c, from, NULL, &r) == 1; from = r.seq + 1)
            check_record(&r, ++n);
        ck_assert_uint_eq(n, RECORDS);
        for (uint64_t from = UINT64_MAX; from && ri_cursor_prev(&c, from, NULL, &r) == 1; n--) {
            check_record(&r, n);
            from = r.seq - 1;
        }
        ck_assert_uint_eq(n, 0);
        ri_cursor_fini(&c);
        teardown();
    }
}
END_TEST

START_TEST(test_filters)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ri_str one[] = {RI_STR("a.*")}, two[] = {RI_STR("b.1"), RI_STR("a.x")};
        ri_str none[] = {RI_STR("c.>")};
        ri_filter a = {one, 1}, ab = {two, 2}, nobody = {none, 1};
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        uint64_t n = 0;
        for (uint64_t from = 1; ri_cursor_next(&c, from, &a, &r) == 1; from = r.seq + 1)
            check_record(&r, 3 * ++n);
        ck_assert_uint_eq(n, RECORDS / 3);
        ck_assert_uint_eq(ri_track_count(track, 1, &a), RECORDS / 3);
        ck_assert_uint_eq(ri_track_count(track, 4, &a), RECORDS / 3 - 1);
        ck_assert_uint_eq(ri_track_count(track, 1, &ab), RECORDS / 3 * 2);
        ck_assert_uint_eq(ri_track_count(track, 1, &nobody), 0);
        ck_assert_uint_eq(ri_track_count(track, 11, NULL), RECORDS - 10);
        ck_assert_int_eq(ri_cursor_next(&c, 1, &nobody, &r), 0);
        ck_assert_int_eq(ri_cursor_prev(&c, RECORDS, &nobody, &r), 0);
        ck_assert_int_eq(ri_cursor_prev(&c, 200, &a, &r), 1);
        check_record(&r, 198);
        ck_assert_int_eq(ri_cursor_prev(&c, 2, &a, &r), 0);
        ck_assert_int_eq(ri_cursor_next(&c, 2, &ab, &r), 1);
        check_record(&r, 3);
        ck_assert_int_eq(ri_cursor_next(&c, 4, &ab, &r), 1);
        check_record(&r, 4);
        ri_cursor_fini(&c);
        teardown();
    }
}
END_TEST

START_TEST(test_times)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ck_assert_uint_eq(ri_track_seq_at(track, INT64_MIN), 1);
        for (int64_t n = 1; n <= RECORDS; n++) {
            ck_quick(ri_track_seq_at(track, 10 * n) == (uint64_t)n);
            ck_quick(ri_track_seq_at(track, 10 * n - 9) == (uint64_t)n);
        }
        ck_assert_uint_eq(ri_track_seq_at(track, 10 * RECORDS + 1), RECORDS + 1);
        ck_assert_ok(ri_track_remove(track, 50, false));
        reopen();
        ck_assert_uint_eq(ri_track_seq_at(track, 500), 51);
        teardown();
    }
}
END_TEST

/* Subject names that fail their checksum: a filtered read says so, and the others go on. */
START_TEST(test_damaged_names_are_told)
{
    setup(false);
    reopen();
    size_t len;
    unsigned char *bytes = fake_os_bytes(&disk, "/log/00000000.seg", &len);
    ri_segment_trailer trailer;
    ri_segment_head head;
    ck_assert_ok(ri_segment_get_head((char *)bytes, &head));
    ck_assert_ok(ri_segment_get_trailer((char *)bytes + len - RI_SEGMENT_TRAILER, head.log_id,
                                        &trailer));
    ri_log_close(log_);
    for (int late = 0; late < 2; late++) { /* damaged before it is opened, or after */
        if (!late) bytes[trailer.names] ^= 0x40;
        open_log();
        if (late) bytes[trailer.names] ^= 0x40;
        ri_str subject = RI_STR("a.*");
        ri_filter a = {&subject, 1};
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        int rc = ri_cursor_next(&c, 1, &a, &r);
        ck_assert_msg(rc == RILL_ECORRUPT || (rc == 1 && r.seq == 3), "%d: %s", rc,
                      ri_err_text());
        rc = ri_cursor_prev(&c, 3, &a, &r);
        ck_assert_msg(rc == RILL_ECORRUPT || (rc == 1 && r.seq == 3), "%d: %s", rc,
                      ri_err_text());
        ck_assert_int_eq(ri_cursor_prev(&c, RECORDS, &a, &r), 1);
        check_record(&r, RECORDS);
        ri_cursor_fini(&c);
        ri_log_close(log_);
        if (!late) bytes[trailer.names] ^= 0x40;
    }
    open_log();
    teardown();
}
END_TEST

static int sum_counts(void *arg, const ri_subject_info *info)
{
    *(uint64_t *)arg += info->count;
    return 0;
}

START_TEST(test_subjects_gaps_and_drop)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ri_subject_info info;
        ck_assert_ok(ri_track_subject(track, RI_STR("a.x"), &info));
        ck_assert_uint_eq(info.first_seq, 3);
        ck_assert_uint_eq(info.last_seq, RECORDS);
        ck_assert_uint_eq(info.count, RECORDS / 3);
        ck_assert_rc(ri_track_subject(track, RI_STR("a"), &info), RILL_ENOENT);
        uint64_t sum = 0;
        ck_assert_ok(ri_track_each_subject(track, RI_STR("b.*"), sum_counts, &sum));
        ck_assert_uint_eq(sum, RECORDS / 3 * 2);
        ck_assert_ok(ri_track_skip_to(track, 1000));
        ri_record r = {.subject = RI_STR("a.x"), .data = RI_STR("behind the gap")};
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert_uint_eq(r.seq, 1000);
        r.seq = 2000;
        ck_assert_ok(ri_track_append(track, &r));
        reopen();
        ri_cursor c;
        ri_cursor_init(&c, track);
        ck_assert_int_eq(ri_cursor_next(&c, RECORDS + 1, NULL, &r), 1);
        ck_assert_uint_eq(r.seq, 1000);
        ck_assert_int_eq(ri_cursor_prev(&c, 999, NULL, &r), 1);
        ck_assert_uint_eq(r.seq, RECORDS);
        ri_cursor_fini(&c);
        ck_assert_ok(ri_track_drop(track));
        ck_assert_ok(ri_log_commit(log_));
        ck_assert_ok(ri_log_track(log_, 7, &(ri_track_opts){.subjects = true}, &track));
        reopen();
        ri_track_info all;
        ri_track_status(track, &all);
        ck_assert_uint_eq(all.count + all.last_seq, 0);
        teardown();
    }
}
END_TEST

START_TEST(test_single_tail_keeps_the_newest)
{
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        ri_track *state;
        ck_assert_ok(ri_log_track(log_, 8, &(ri_track_opts){.single_tail = true}, &state));
        for (int i = 0; i < 50; i++) {
            ri_record r = {.data = i == 49 ? RI_STR("newest") : RI_STR("older")};
            ck_assert_ok(ri_track_append(state, &r));
        }
        reopen();
        ck_assert_ok(ri_log_track(log_, 8, &(ri_track_opts){.single_tail = true}, &state));
        ri_track_info info;
        ri_track_status(state, &info);
        ck_assert_uint_eq(info.count, 1);
        ck_assert_uint_eq(info.first_seq, 50);
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, state);
        ck_assert_ok(ri_cursor_get(&c, 50, &r));
        ck_assert_span(r.data, "newest");
        ck_assert_rc(ri_cursor_get(&c, 49, &r), RILL_ENOENT);
        ri_cursor_fini(&c);
        teardown();
    }
}
END_TEST

enum { SPARSE = 12000, EACH = 100, SPARSE_LONGEST = 70000 };

/* A few are longer than what is read of one at first, and than all that is copied ahead. */
static size_t sparse_len(uint64_t n)
{
    return n % (EACH * 7) == 0 ? 3000 : n == EACH * 100 ? SPARSE_LONGEST : 200 - n % 7;
}

/* Record n holds n; each hundredth on its own subject. Segments of a megabyte. */
static void setup_sparse(uint64_t cache_bytes, bool no_maps)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    opts = (ri_log_opts){.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 1 << 20,
                         .cache_bytes = cache_bytes, .no_maps = no_maps};
    open_log();
    for (uint64_t n = 1; n <= SPARSE; n++) {
        static char data[SPARSE_LONGEST];
        memcpy(data, &n, sizeof n);
        ri_record r = {.time_ns = 1, .subject = n % EACH ? RI_STR("many") : RI_STR("few"),
                       .data = {data, sparse_len(n)}};
        ck_quick(ri_track_append(track, &r) == 0);
        if (n % 500 == 0) ck_assert_ok(ri_log_commit(log_));
    }
}

static void check_sparse(const ri_record *r, uint64_t n)
{
    ck_quick(r->seq == n && r->data.len == sparse_len(n) && !memcmp(r->data.ptr, &n, sizeof n));
    ck_quick(ri_str_is(r->subject, n % EACH ? "many" : "few"));
}

/* Each hundredth, so often that to map the segments pays. */
static void read_few(int times)
{
    ri_str few = RI_STR("few");
    ri_filter filter = {&few, 1};
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    for (int i = 0; i < times; i++) {
        uint64_t n = 0;
        for (uint64_t from = 1; ri_cursor_next(&c, from, &filter, &r) == 1; from = r.seq + 1)
            check_sparse(&r, n += EACH);
        ck_assert_uint_eq(n, SPARSE);
    }
    ri_cursor_fini(&c);
}

/* Reads what is left of each hundredth, and all; some are removed meanwhile. */
static void read_sparse(void)
{
    ri_str few = RI_STR("few");
    ri_filter filter = {&few, 1};
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    uint64_t want = EACH, from = 1, removed = 0;
    for (; ri_cursor_next(&c, from, &filter, &r) == 1; from = r.seq + 1, want += EACH) {
        check_sparse(&r, want);
        if (want % (EACH * 5) == 0 && want + EACH <= SPARSE) { /* the next one is ahead by now */
            ck_assert_ok(ri_track_remove(track, want + EACH, false));
            removed++;
            want += EACH;
        }
    }
    ck_assert_uint_eq(want, SPARSE + EACH);
    uint64_t all = 0;
    for (from = 1; ri_cursor_next(&c, from, NULL, &r) == 1; from = r.seq + 1) {
        check_sparse(&r, r.seq);
        all++;
    }
    ck_assert_uint_eq(all, SPARSE - removed);
    ck_assert_int_eq(ri_cursor_next(&c, 1, &filter, &r), 1); /* back, and on with another filter */
    ri_str many = RI_STR("*");
    filter.subjects = &many;
    ck_assert_int_eq(ri_cursor_next(&c, r.seq + 1, &filter, &r), 1);
    check_sparse(&r, EACH + 1);
    ri_cursor_fini(&c);
}

START_TEST(test_sparse_reads)
{
    for (int kind = 0; kind < 4; kind++) {
        setup_sparse(kind % 2, kind / 2);
        reopen();
        read_few(1);
        ri_log_stats stats;
        ri_log_status(log_, &stats);
        ck_assert_uint_eq(stats.map_bytes, 0);
        read_few(4);
        read_sparse();
        ri_log_status(log_, &stats);
        ck_assert((stats.map_bytes > 0) == (kind / 2 == 0));
        ck_assert_uint_eq(disk.maps * opts.segment_bytes, stats.map_bytes);
        teardown();
    }
}
END_TEST

/* A record that is damaged among those read ahead is told as it is read alone; the rest comes. */
START_TEST(test_damage_ahead)
{
    for (int sparse = 0; sparse < 2; sparse++) {
        setup_sparse(0, false);
        reopen();
        size_t len;
        uint64_t bad = EACH * 30;
        char *bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len), *at = bytes;
        for (; at < bytes + len - 8 && memcmp(at, &bad, sizeof bad) != 0; at += 8) continue;
        at[RI_SEGMENT_RECORD + 5] ^= 1; /* the sequence stands before the data: this is data */
        ri_str few = RI_STR("few");
        ri_filter filter = {&few, 1};
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        uint64_t n = 0, from = 1, step = sparse ? EACH : 1;
        int rc;
        while ((rc = ri_cursor_next(&c, from, sparse ? &filter : NULL, &r)) != 0) {
            ck_quick((rc == RILL_ECORRUPT) == (r.seq == bad));
            if (rc == 1) check_sparse(&r, r.seq);
            else ck_assert_ptr_nonnull(strstr(ri_err_text(), "sequence 3000"));
            from = r.seq + 1;
            n++;
        }
        ck_assert_uint_eq(n, SPARSE / step);
        ri_cursor_fini(&c);
        teardown();
    }
}
END_TEST

/* However much is read, and sealed by this process, what is kept of it stays within bounds. */
START_TEST(test_memory_of_sealed_segments)
{
    enum { CACHE = 100000 }; /* six runs of 20 KB and their ids would be more */
    setup_sparse(CACHE, false);
    ri_log_stats stats;
    for (int opened = 0; opened < 2; opened++) {
        ck_assert_ok(ri_log_commit(log_));
        ri_log_status(log_, &stats);
        ck_assert_uint_le(stats.cached_bytes, CACHE + CACHE / 4);
        ri_str few = RI_STR("few");
        ri_filter filter = {&few, 1};
        for (int round = 0; round < 2; round++) {
            ri_cursor c;
            ri_record r;
            ri_cursor_init(&c, track);
            for (uint64_t from = 1; ri_cursor_next(&c, from, round ? &filter : NULL, &r) == 1;
                 from = r.seq + 1) {
                ri_log_status(log_, &stats);
                ck_quick(stats.cached_bytes < CACHE + CACHE / 4 + 50000);
            }
            ck_assert_uint_eq(ri_track_count(track, 2, &filter), SPARSE / EACH);
            ri_cursor_fini(&c);
        }
        ck_assert_uint_gt(stats.cached_bytes, 0);
        reopen();
    }
    teardown();
}
END_TEST

/* Who only appends keeps nothing of what is sealed; what is read while it is filled stays. */
START_TEST(test_memory_of_what_nobody_reads)
{
    ri_log_stats stats;
    setup_sparse(0, false);
    ck_assert_ok(ri_log_commit(log_));
    ri_log_status(log_, &stats);
    ck_assert_uint_gt(stats.segments, 2);
    ck_assert_uint_eq(stats.cached_bytes, 0);
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    for (uint64_t n = SPARSE + 1; n <= 2 * SPARSE; n++) {
        ri_record more = {.time_ns = 1, .subject = RI_STR("many"), .data = RI_STR("more than it")};
        ck_quick(ri_track_append(track, &more) == 0);
        if (n % 500) continue;
        ck_assert_ok(ri_log_commit(log_));
        ck_quick(ri_cursor_next(&c, n, NULL, &r) == 1 && r.seq == n);
    }
    ri_log_status(log_, &stats);
    ck_assert_uint_gt(stats.cached_bytes, 0);
    ri_cursor_fini(&c);
    teardown();
}
END_TEST

/* A track that was dropped before its segment got a footer is declared nowhere. Its number is not
 * given to another one, which the removal, copied forward by the cleaner, would take away. */
START_TEST(test_number_of_a_dropped_track)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    opts = (ri_log_opts){.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 16384};
    open_log();
    ri_track *dropped, *other;
    ri_record r = {.data = RI_STR("of a track that goes")};
    ck_assert_ok(ri_log_track(log_, 8, NULL, &dropped));
    ck_assert_ok(ri_track_append(dropped, &r));
    ri_log_stats stats = {0};
    char data[200] = {0};
    uint64_t n = 0, kept = 0;
    for (; stats.segments < 2; ri_log_status(log_, &stats), kept = n - 1) {
        r = (ri_record){.subject = RI_STR("a"), .data = {data, sizeof data}};
        ck_assert_ok(ri_track_append(track, &r));
        n++;
    }
    ck_assert_ok(ri_track_drop(dropped));
    reopen();
    r = (ri_record){.data = RI_STR("of a track that stays")};
    ck_assert_ok(ri_log_track(log_, 9, NULL, &other));
    ck_assert_ok(ri_track_append(other, &r));
    for (; stats.segments < 4; ri_log_status(log_, &stats), n++) {
        r = (ri_record){.subject = RI_STR("a"), .data = {data, sizeof data}};
        ck_assert_ok(ri_track_append(track, &r));
        if (n % 8 == 0) ck_assert_ok(ri_log_commit(log_));
    }
    while (n > kept) ck_assert_ok(ri_track_remove(track, n--, false));
    ck_assert_ok(ri_log_commit(log_));
    while (ri_log_clean(log_) == 1) ck_assert_ok(ri_log_commit(log_));
    ri_log_status(log_, &stats);
    ck_assert_uint_gt(stats.cleaned, 0);
    reopen();
    ck_assert_ok(ri_log_track(log_, 9, NULL, &other));
    ri_track_info info;
    ri_track_status(other, &info);
    ck_assert_uint_eq(info.count, 1);
    teardown();
}
END_TEST

/* A log that keeps next to nothing in memory: a record that was handed out is good while others
 * are read and the index is asked, until the log is changed. */
START_TEST(test_lent_records_outlast_other_reads)
{
    setup_sparse(1, true);
    ri_log_close(log_);
    open_log();
    ri_cursor c, other;
    ri_record r, all;
    ri_subject_info info;
    ri_cursor_init(&c, track);
    ri_cursor_init(&other, track);
    for (uint64_t seq = EACH; seq < SPARSE; seq += SPARSE / 8) {
        ck_assert_ok(ri_track_subject(track, RI_STR("few"), &info));
        ck_assert_ok(ri_track_remove(track, info.first_seq, false)); /* it has to look again */
        ck_assert_ok(ri_cursor_get(&c, seq + EACH, &r));
        for (uint64_t from = 1; ri_cursor_next(&other, from, NULL, &all) == 1;) from += SPARSE / 10;
        ck_assert_ok(ri_track_subject(track, r.subject, &info));
        ck_quick(info.first_seq > seq / EACH);
        check_sparse(&r, seq + EACH);
    }
    ri_cursor_fini(&c);
    ri_cursor_fini(&other);
    teardown();
}
END_TEST

static int lent_back;

static void give_back(ri_lender *lender)
{
    ck_assert_uint_eq(lender->records, 0);
    lent_back++;
}

static void check_lent(ri_cursor *c, const char (*bytes)[1200], uint64_t seq)
{
    ri_record r;
    size_t headers = seq % 3 * 200, i = (size_t)(seq - RECORDS - 1);
    ck_assert_ok(ri_cursor_get(c, seq, &r));
    ck_assert_uint_eq(r.headers.len, headers);
    ck_assert(!headers || memcmp(r.headers.ptr, bytes[i], headers) == 0);
    ck_assert_uint_eq(r.data.len, sizeof bytes[0] - headers);
    ck_assert(memcmp(r.data.ptr, bytes[i] + headers, r.data.len) == 0);
    ck_assert_span(r.subject, "a.y");
}

/* Records whose bytes are lent, over several segments: they are read at each moment, kept, and
 * given back at the end of their commit; one that dies in between, and what is appended behind
 * them. */
START_TEST(test_lent)
{
    enum { LENT = 40 };
    static char bytes[LENT][1200];
    for (int memory = 0; memory < 2; memory++) {
        setup(memory);
        reopen();
        ri_lender lender = {.done = give_back};
        ri_commit job;
        ri_cursor c;
        lent_back = 0;
        ri_cursor_init(&c, track);
        c.open = true;
        for (size_t i = 0; i < LENT; i++) {
            size_t headers = (RECORDS + 1 + i) % 3 * 200;
            memset(bytes[i], 'A' + (int)i, sizeof bytes[i]);
            ri_record r = {.time_ns = 5000, .subject = RI_STR("a.y"),
                           .headers = {bytes[i], headers},
                           .data = {bytes[i] + headers, sizeof bytes[i] - headers}};
            ri_lent lent = {.lender = &lender};
            ri_lent_sum(&lent, r.headers, r.data);
            ck_assert_ok(ri_track_append_lent(track, &r, &lent));
        }
        ck_assert_uint_eq(lender.records, LENT);
        for (size_t i = 0; i < LENT; i++) check_lent(&c, bytes, RECORDS + 1 + i);
        ck_assert_ok(ri_log_commit_begin(log_, &job));
        ck_assert_ok(ri_track_remove(track, RECORDS + 7, true));
        ri_record behind = {.time_ns = 5000, .subject = RI_STR("b.1"), .data = RI_STR("behind")};
        ck_assert_ok(ri_track_append(track, &behind));
        check_lent(&c, bytes, RECORDS + 3);
        ck_assert_ok(ri_log_commit_io(&job));
        check_lent(&c, bytes, RECORDS + 3);
        ck_assert_int_eq(lent_back, 0);
        ck_assert_ok(ri_log_commit_end(log_, &job));
        ck_assert_int_eq(lent_back, 1);
        ri_cursor_fini(&c);
        reopen();
        ri_cursor_init(&c, track);
        for (size_t i = 0; i < LENT; i++) if (i != 6) check_lent(&c, bytes, RECORDS + 1 + i);
        ri_record r;
        ck_assert_int_eq(ri_cursor_get(&c, RECORDS + 7, &r), RILL_ENOENT);
        ck_assert_ok(ri_cursor_get(&c, behind.seq, &r));
        ri_cursor_fini(&c);
        teardown();
    }
}
END_TEST

/* Records of a segment that is written to are looked at one by one where they are fewer than its
 * subjects: a search with a budget does so in pieces, and none of them twice. */
START_TEST(test_looks_in_pieces)
{
    enum { SUBJECTS = 20000, FROM = 12001, LEFT = 100, PIECE = 64 };
    ri_host_init(&host, NULL);
    opts = (ri_log_opts){.host = &host, .segment_bytes = 8 << 20};
    open_log();
    char subject[32];
    for (int i = 0; i < SUBJECTS; i++) {
        snprintf(subject, sizeof subject, "s.%d", i);
        ck_assert_ok(ri_track_append(track, &(ri_record){.subject = ri_str_of(subject)}));
    }
    ck_assert_ok(ri_log_commit(log_));
    ri_str wanted = RI_STR("*.nobody");
    ri_filter filter = {&wanted, 1};
    ri_budget budget;
    ri_cursor c;
    ri_record r;
    uint64_t spent = 0, from = FROM, n = 0;
    ri_budget_init(&budget);
    ri_cursor_init(&c, track);
    c.budget = &budget;
    for (int counting = 0; counting < 2; counting++, from = FROM, spent = 0) {
        for (int rc = 1, cuts = 0; rc; cuts++) {
            budget.left = LEFT;
            rc = counting ? ri_cursor_count_some(&c, &from, UINT64_MAX, &filter, &n)
                          : ri_cursor_next(&c, from, &filter, &r);
            ck_assert_int_ge(budget.left, -PIECE);
            spent += (uint64_t)(LEFT - budget.left);
            if (rc == 0) ck_assert_int_gt(cuts, 10);
            if (rc && !counting) from = r.seq;
        }
        ck_assert_uint_gt(spent, (SUBJECTS - FROM) / 4);
        ck_assert_uint_lt(spent, SUBJECTS - FROM);
    }
    ck_assert_uint_eq(n, 0);
    ri_cursor_fini(&c);
    ri_log_close(log_);
}
END_TEST

SUITE_MAIN("track", test_lent, test_info, test_at_hand, test_reads, test_filters,
           test_damaged_names_are_told,
           test_lent_records_outlast_other_reads,
           test_times, test_subjects_gaps_and_drop,
           test_single_tail_keeps_the_newest, test_sparse_reads, test_damage_ahead,
           test_looks_in_pieces, test_memory_of_what_nobody_reads,
           test_memory_of_sealed_segments, test_number_of_a_dropped_track)
