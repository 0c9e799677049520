/* SPDX-License-Identifier: Apache-2.0 */
/* The log's faults and promises; that it does what a naive list does, crashes included, is
 * tests/crash/crash_sim.c and the model test here. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/segment.h"
#include "support/fake_os.h"
#include "support/fault.h"
#include "support/log_model.h"
#include "support/suite.h"

static fake_os disk;
static ri_host host;
static size_t damages;
static char last_damage[RI_ERROR_TEXT_MAX];

static void on_damage(void *arg, const ri_damage *damage)
{
    (void)arg;
    damages++;
    snprintf(last_damage, sizeof last_damage, "%s", damage->sentence);
}

static ri_log_opts log_opts(void)
{
    return (ri_log_opts){.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 16384,
                         .damage = on_damage};
}

static void setup(void)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    damages = 0;
}

static ri_log *open_log(void)
{
    ri_log *log;
    ri_log_opts opts = log_opts();
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

static int append(ri_track *track, const char *subject, const char *data)
{
    ri_record r = {.time_ns = 5, .subject = ri_str_of(subject), .data = ri_str_of(data)};
    return ri_track_append(track, &r);
}

static ri_track *track_of(ri_log *log, uint64_t id)
{
    ri_track *track;
    ck_assert_ok(ri_log_track(log, id, &(ri_track_opts){.subjects = true}, &track));
    return track;
}

static uint64_t count_of(ri_track *track)
{
    ri_track_info info;
    ri_track_status(track, &info);
    return info.count;
}

START_TEST(test_second_open_is_busy)
{
    setup();
    ri_log *log = open_log(), *other;
    ri_log_opts opts = log_opts();
    ck_assert_rc(ri_log_open(&other, &opts), RILL_EBUSY);
    ck_assert_ptr_null(other);
    ri_log_close(log);
    ck_assert_ok(ri_log_open(&other, &opts));
    ri_log_close(other);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_invisible_until_committed)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 9);
    ck_assert_ok(append(track, "a", "one"));
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    ck_assert_rc(ri_cursor_get(&c, 1, &r), RILL_ENOENT);
    ri_commit job;
    ck_assert_ok(ri_log_commit_begin(log, &job));
    ck_assert_ok(append(track, "a", "two"));
    ck_assert_rc(ri_cursor_get(&c, 1, &r), RILL_ENOENT);
    ck_assert_ok(ri_log_commit_io(&job));
    ck_assert_ok(ri_log_commit_end(log, &job));
    ck_assert_ok(ri_cursor_get(&c, 1, &r));
    ck_assert_span(r.data, "one");
    ck_assert_rc(ri_cursor_get(&c, 2, &r), RILL_ENOENT);
    ck_assert(ri_log_dirty(log));
    ck_assert_ok(ri_log_commit(log));
    ck_assert_ok(ri_cursor_get(&c, 2, &r));
    ck_assert(!ri_log_dirty(log));
    ri_cursor_fini(&c);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_failed_sync_fences)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    ck_assert_ok(append(track, "a", "kept"));
    ck_assert_ok(ri_log_commit(log));
    disk.fail_syncs_only = true;
    disk.fail_errno = EIO;
    disk.fail_at = disk.syncs + 1;
    ck_assert_ok(append(track, "a", "not acknowledged"));
    ck_assert_rc(ri_log_commit(log), RILL_EIO);
    disk.fail_at = 0;
    ck_assert_rc(append(track, "a", "refused"), RILL_EIO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "opened again"));
    ck_assert_rc(ri_log_commit(log), RILL_EIO);
    ck_assert_rc(ri_track_remove(track, 1, false), RILL_EIO);
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    ck_assert_ok(ri_cursor_get(&c, 1, &r));
    ck_assert_rc(ri_cursor_get(&c, 2, &r), RILL_ENOENT);
    ri_cursor_fini(&c);
    ri_log_close(log);
    log = open_log();
    ck_assert_ok(append(track_of(log, 1), "a", "again"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_failed_write_is_repeated)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    ck_assert_ok(append(track, "a", "one"));
    ck_assert_ok(ri_log_commit(log));
    disk.read_only = true;
    ck_assert_ok(append(track, "a", "two"));
    ck_assert_rc(ri_log_commit(log), RILL_EIO);
    ck_assert_rc(append(track, "a", "refused"), RILL_EIO);
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    ck_assert_ok(ri_cursor_get(&c, 1, &r)); /* reads go on */
    ck_assert_ok(ri_track_remove(track, 1, false));
    disk.read_only = false;
    ck_assert_ok(ri_log_commit(log));
    ck_assert_ok(append(track, "a", "three"));
    ck_assert_ok(ri_log_commit(log));
    ck_assert_ok(ri_cursor_get(&c, 3, &r));
    ck_assert_span(r.data, "three");
    ri_cursor_fini(&c);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_full_disk_is_emptied_without_restart)
{
    setup();
    disk.capacity = 16384 * 5;
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    char data[500];
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = 0;
    int rc = 0;
    uint64_t last = 0;
    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = append(track, "a.b", data);
        if (rc == 0) last++;
        ck_assert_ok(ri_log_commit(log));
    }
    ck_assert_int_eq(rc, RILL_EFULL);
    ck_assert_uint_gt(last, 60);
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    for (uint64_t seq = 1; seq <= last; seq++) ck_assert_ok(ri_cursor_get(&c, seq, &r));
    for (uint64_t seq = 1; seq < last; seq++)
        if (seq % 20) ck_assert_ok(ri_track_remove(track, seq, false));
    for (int i = 0; i < 100; i++) {
        ck_assert_int_ge(ri_log_clean(log), 0);
        ck_assert_ok(ri_log_commit(log));
    }
    ck_assert_ok(append(track, "a.b", data));
    ck_assert_ok(ri_log_commit(log));
    for (uint64_t seq = 20; seq < last; seq += 20) ck_assert_ok(ri_cursor_get(&c, seq, &r));
    ri_cursor_fini(&c);
    ri_log_close(log);
    log = open_log();
    ck_assert_uint_eq(count_of(track_of(log, 1)), (last - 1) / 20 + 2);
    ck_assert_uint_eq(damages, 0);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* The same random work on a log in memory, and on disk with every level, and on the model. */
START_TEST(test_model)
{
    for (int kind = 0; kind < 4; kind++) {
        setup();
        ri_log *log;
        ri_log_opts opts = log_opts();
        if (kind == 3) opts.os = NULL;
        else opts.safety = (ri_safety)kind;
        ck_assert_ok(ri_log_open(&log, &opts));
        model m = {0};
        rng r;
        rng_init(&r, rng_seed(77 + (uint64_t)kind));
        char why[300];
        for (int i = 0; i < 6000; i++) {
            ck_assert_ok(model_change(&m, log, &r));
            if (i % 5 == 0) ck_assert_int_ge(ri_log_clean(log), 0);
            if (i % 11 == 0) ck_assert_ok(ri_log_commit(log));
            if (i % 700) continue;
            ck_assert_ok(ri_log_commit(log));
            ck_assert_msg(!model_compare(&m, log, why, sizeof why), "kind %d step %d: %s", kind, i,
                          why);
            if (kind == 3 || i % 1400) continue;
            ri_log_close(log);
            ck_assert_ok(ri_log_open(&log, &opts));
            ck_assert_msg(!model_compare(&m, log, why, sizeof why), "kind %d opened at %d: %s",
                          kind, i, why);
        }
        ri_log_close(log);
        model_free(&m);
        fake_os_fini(&disk);
    }
}
END_TEST

START_TEST(test_memory_budget_is_kept)
{
    setup();
    ri_log *log;
    ri_log_opts opts = {.host = &host, .budget_bytes = 1 << 20};
    ck_assert_ok(ri_log_open(&log, &opts));
    ri_track *track = track_of(log, 1);
    int rc = 0;
    uint64_t n = 0;
    for (; rc == 0; n++) {
        rc = append(track, "a.b.c", "some bytes that take room in this log");
        ri_log_stats stats;
        ri_log_status(log, &stats);
        ck_assert_uint_le(stats.memory_bytes, opts.budget_bytes);
    }
    ck_assert_int_eq(rc, RILL_EFULL);
    ck_assert_uint_gt(n, 5000);
    ck_assert_ok(ri_log_commit(log));
    ck_assert_ok(ri_track_purge(track, n / 2));
    for (int i = 0; i < 200; i++) {
        ck_assert_int_ge(ri_log_clean(log), 0);
        ck_assert_ok(ri_log_commit(log));
    }
    ck_assert_ok(append(track, "a.b.c", "again"));
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* What is acknowledged at each level, and what is left of it when the process dies or the power
 * is lost: of a synced one all, of a written one all but for the power, of one in memory what came
 * before the last RI_LOG_BUFFER bytes; always without a hole. */
START_TEST(test_levels)
{
    enum { N = 900, STORED = 1048, BUFFER = 262144 };
    static char data[1000];
    for (int safety = RI_SAFETY_SYNCED; safety <= RI_SAFETY_MEMORY; safety++) {
        for (int loss = FAKE_OS_KEEP; loss <= FAKE_OS_RANDOM; loss++) {
            setup();
            ri_log_opts opts = log_opts();
            opts.safety = (ri_safety)safety;
            opts.segment_bytes = 2097152;
            ri_log *log;
            ck_assert_ok(ri_log_open(&log, &opts));
            ri_track *track = track_of(log, 1);
            for (int i = 0; i < N; i++) {
                ri_record r = {.subject = RI_STR("a"), .data = {data, sizeof data}};
                ck_assert_ok(ri_track_append(track, &r));
                ck_assert_ok(ri_log_commit(log));
                ck_assert(!ri_log_dirty(log));
                ri_track_info info;
                ri_track_counts(track, &info);
                ck_assert_uint_eq(info.visible_seq, (uint64_t)i + 1);
            }
            ck_assert_int_eq(ri_log_lags(log), safety == RI_SAFETY_MEMORY);
            disk.off = true;
            ri_log_close(log);
            fake_os_crash(&disk, (fake_os_loss)loss, 7);
            ck_assert_ok(ri_log_open(&log, &opts));
            ri_track_info info;
            ri_track_status(track_of(log, 1), &info);
            uint64_t least = safety == RI_SAFETY_SYNCED    ? N
                             : loss != FAKE_OS_KEEP      ? 0
                             : safety == RI_SAFETY_WRITTEN ? N
                                                         : N - BUFFER / STORED - 1;
            ck_assert_uint_ge(info.count, least);
            if (safety == RI_SAFETY_MEMORY) ck_assert_uint_lt(info.count, N);
            if (info.count) ck_assert_uint_eq(info.first_seq, 1);
            ck_assert_uint_eq(info.last_seq, info.count);
            ri_log_close(log);
            fake_os_fini(&disk);
        }
    }
}
END_TEST

/* What was not written is when the log is closed, and when it is copied. */
START_TEST(test_memory_level_is_written_at_last)
{
    setup();
    ri_log_opts opts = log_opts();
    opts.safety = RI_SAFETY_MEMORY;
    ri_log *log;
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(append(track_of(log, 1), "a", "in memory"));
    ck_assert_ok(ri_log_commit(log));
    ck_assert(ri_log_lags(log));
    ck_assert_ok(ri_log_snapshot(log, "/copy"));
    ck_assert(!ri_log_lags(log));
    ck_assert_ok(append(track_of(log, 1), "a", "in memory"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_close(log);
    for (uint64_t n = 1; n <= 2; n++) {
        opts.dir = n == 1 ? "/copy" : "/log";
        ck_assert_ok(ri_log_open(&log, &opts));
        ri_track_info info;
        ri_track_status(track_of(log, 1), &info);
        ck_assert_uint_eq(info.count, n);
        ri_log_close(log);
    }
    fake_os_fini(&disk);
}
END_TEST

static int fault_work(fault *f, void *arg)
{
    (void)arg;
    fake_os_init(&disk);
    ri_log_opts opts = log_opts();
    opts.host = &f->host;
    ri_log *log = NULL;
    model m = {0};
    rng r;
    rng_init(&r, 3);
    int rc = ri_log_open(&log, &opts);
    for (int i = 0; i < 260 && rc >= 0; i++) {
        rc = model_change(&m, log, &r);
        if (rc >= 0 && i % 9 == 0) rc = ri_log_commit(log);
        if (rc >= 0 && i % 20 == 0) rc = ri_log_clean(log);
        if (rc >= 0 && i % 15 == 0) rc = model_compact(&m, log, RI_SEC + i * MODEL_TOMBSTONE_NS);
    }
    ri_log_close(log);
    if (rc >= 0) rc = ri_log_open(&log, &opts);
    if (rc >= 0) ri_log_close(log);
    model_free(&m);
    fake_os_fini(&disk);
    return rc < 0 ? rc : 0;
}

START_TEST(test_each_allocation_fails)
{
    setup();
    ck_assert_uint_gt(fault_each(fault_work, NULL), 100);
}
END_TEST

START_TEST(test_newer_format_is_refused)
{
    setup();
    ri_log *log = open_log();
    ck_assert_ok(append(track_of(log, 1), "a", "b"));
    ri_log_close(log);
    for (int field = 8; field <= 12; field += 4) { /* version, required features */
        size_t len;
        char *bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len), old[64];
        memcpy(old, bytes, sizeof old);
        ri_segment_set32(bytes + field, 66);
        ri_segment_set32(bytes + 60, ri_crc32c(0, bytes, 60));
        ri_log_opts opts = log_opts();
        ck_assert_rc(ri_log_open(&log, &opts), RILL_ENOTSUP);
        ck_assert_ptr_nonnull(strstr(ri_err_text(), "00000000.seg"));
        memcpy(bytes, old, sizeof old);
    }
    log = open_log();
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* Each record that the damaged log shows is right; what it does not show was told of. */
static void check_flipped(size_t at, uint64_t records)
{
    ri_log *log = NULL;
    ri_log_opts opts = log_opts();
    opts.read_only = true;
    damages = 0;
    int rc = ri_log_open(&log, &opts);
    if (rc == RILL_ENOTSUP) return;
    ck_assert_msg(rc == 0, "byte %zu: %s", at, ri_err_text());
    ri_track *track;
    uint64_t seen = 0, refused = 0;
    if (ri_log_track(log, 1, NULL, &track) == 0) {
        ri_cursor c;
        ri_cursor_init(&c, track);
        for (uint64_t seq = 1; seq <= records; seq++) {
            ri_record r;
            char want[64];
            rc = ri_cursor_get(&c, seq, &r);
            if (rc == RILL_ECORRUPT) refused++;
            if (rc < 0) continue;
            snprintf(want, sizeof want, "record %" PRIu64, seq);
            ck_assert_msg(ri_str_is(r.data, want) && ri_str_is(r.subject, "sub.ject"),
                          "byte %zu: record %" PRIu64 " is wrong", at, seq);
            seen++;
        }
        ri_cursor_fini(&c);
    }
    ri_log_close(log);
    ck_assert_msg(seen == records || damages || refused, "byte %zu: %" PRIu64
                  " records lost in silence", at, records - seen);
    ck_assert_msg(seen + 4 >= records, "byte %zu: only %" PRIu64 " left", at, seen);
}

START_TEST(test_bit_flips)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    uint64_t records = 0;
    for (int i = 0; i < 60; i++) {
        for (int n = 0; n < 3; n++) {
            char data[64];
            snprintf(data, sizeof data, "record %" PRIu64, ++records);
            ck_assert_ok(append(track, "sub.ject", data));
        }
        ck_assert_ok(ri_log_commit(log));
    }
    ri_log_close(log);
    const char *name;
    for (size_t i = 0; (name = fake_os_name(&disk, i)) != NULL; i++) {
        size_t len;
        unsigned char *bytes = fake_os_bytes(&disk, name, &len);
        for (size_t at = 0; at < len; at += under_valgrind() ? 13 : 1) {
            if (bytes[at] == 0 && at % 8) continue; /* mostly empty room */
            bytes[at] ^= (unsigned char)(1u << at % 8);
            check_flipped(at, records);
            bytes[at] ^= (unsigned char)(1u << at % 8);
        }
    }
    check_flipped(0, records);
    ck_assert_uint_eq(damages, 0);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_scrub_snapshot_salvage)
{
    setup();
    ri_log *log = open_log();
    model m = {0};
    rng r;
    rng_init(&r, 12);
    char why[300];
    for (int i = 0; i < 700; i++) ck_assert_ok(model_change(&m, log, &r));
    ck_assert_ok(ri_log_snapshot(log, "/copy"));
    ck_assert_rc(ri_log_snapshot(log, "/copy"), RILL_EEXIST);
    model at_copy = {0};
    model_copy(&at_copy, &m);
    for (int i = 0; i < 700; i++) { /* goes on, and cleans what the copy shares */
        ck_assert_ok(model_change(&m, log, &r));
        ck_assert_int_ge(ri_log_clean(log), 0);
        if (i % 10 == 0) ck_assert_ok(ri_log_commit(log));
    }
    ck_assert_ok(ri_log_commit(log));
    ri_scrub scrub = {0};
    int rc;
    while ((rc = ri_log_scrub(log, &scrub)) == 1) continue;
    ck_assert_ok(rc);
    ck_assert_uint_gt(scrub.done_bytes, 10000);
    ck_assert_uint_eq(scrub.done_bytes, scrub.total_bytes);
    ck_assert_uint_eq(scrub.damages, 0);
    ri_log_close(log);
    ri_log_opts opts = log_opts();
    uint64_t records;
    ck_assert_ok(ri_log_salvage(&opts, "/saved", &records));
    ck_assert_uint_gt(records, 10);
    ck_assert_rc(ri_log_salvage(&opts, "/saved", &records), RILL_EEXIST);
    opts.dir = "/saved";
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_msg(!model_compare(&m, log, why, sizeof why), "saved: %s", why);
    ri_log_close(log);
    model_free(&m);
    model_free(&at_copy);
    fake_os_fini(&disk);
}
END_TEST

/* Each call of a snapshot fails once: there is no copy then, the log goes on, and the next try is
 * good. Some segments are sealed, one is not. */
START_TEST(test_snapshot_fails)
{
    setup();
    ri_log *log = open_log();
    model m = {0};
    rng r;
    rng_init(&r, 5);
    char why[300];
    for (int i = 0; i < 700; i++) ck_assert_ok(model_change(&m, log, &r));
    ck_assert_ok(ri_log_commit(log));
    int rc = -1;
    for (size_t n = 1; rc < 0; n++) {
        size_t len;
        disk.fail_errno = EIO;
        disk.fail_at = disk.calls + n;
        rc = ri_log_snapshot(log, "/copy");
        disk.fail_at = 0;
        ck_assert_msg(rc == 0 || rc == RILL_EIO, "call %zu: %d", n, rc);
        if (rc == 0) ck_assert_uint_gt(n, 6);
        if (rc < 0 && strstr(ri_err_text(), "sync /:")) break; /* it is there, and may vanish */
        ck_assert((fake_os_bytes(&disk, "/copy/00000000.seg", &len) != NULL) == (rc == 0));
    }
    ck_assert_ok(model_change(&m, log, &r));
    ck_assert_ok(ri_log_commit(log));
    rc = ri_log_snapshot(log, "/again");
    ck_assert_ok(rc);
    ri_log_close(log);
    ri_log_opts opts = log_opts();
    opts.dir = "/again";
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_msg(!model_compare(&m, log, why, sizeof why), "copy: %s", why);
    ri_log_close(log);
    model_free(&m);
    fake_os_fini(&disk);
}
END_TEST

START_TEST(test_need_raises_one_commit)
{
    setup();
    ri_log *log;
    ri_log_opts opts = log_opts();
    opts.safety = RI_SAFETY_MEMORY;
    ck_assert_ok(ri_log_open(&log, &opts));
    ri_track *track = track_of(log, 1);
    ri_log_stats stats;
    ck_assert_ok(append(track, "a", "in memory"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_status(log, &stats);
    ck_assert_uint_eq(stats.written_bytes, 0);
    ri_log_need(log, RI_SAFETY_SYNCED);
    ck_assert_ok(append(track, "a", "on disk"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_status(log, &stats);
    ck_assert_uint_gt(stats.written_bytes, 0);
    ck_assert_uint_gt(stats.syncs, 0);
    fake_os_crash(&disk, FAKE_OS_DROP, 1);
    opts.read_only = true;
    ri_log *after;
    ck_assert_ok(ri_log_open(&after, &opts));
    ck_assert_ok(ri_log_track(after, 1, NULL, &track));
    ck_assert_uint_eq(count_of(track), 2);
    ri_log_close(after);
    disk.off = true;
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* A commit is as safe as the most demanding of what is in it, and one that failed is repeated as
 * what it was. */
START_TEST(test_ease_lowers_what_follows)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    ck_assert_ok(ri_log_commit(log));
    ri_log_stats stats;
    ri_log_status(log, &stats);
    uint64_t syncs = stats.syncs;
    ri_log_ease(log, RI_SAFETY_WRITTEN);
    ck_assert_ok(append(track, "a", "written"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_status(log, &stats);
    ck_assert_uint_eq(stats.syncs, syncs);
    ck_assert_ok(append(track, "a", "beside one"));
    ri_log_ease(log, ri_log_safety(log));
    ck_assert_ok(append(track, "a", "that is synced"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_status(log, &stats);
    ck_assert_uint_eq(stats.syncs, ++syncs);
    ck_assert_ok(append(track, "a", "refused at first"));
    disk.fail_errno = ENOSPC;
    disk.fail_at = disk.calls + 1;
    ck_assert_rc(ri_log_commit(log), RILL_EFULL);
    disk.fail_at = 0;
    ck_assert_ok(ri_log_commit(log));
    ri_log_status(log, &stats);
    ck_assert_uint_eq(stats.syncs, syncs + 1);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* A segment whose header claims two gigabytes in a file of sixteen kilobytes: no more is asked for
 * than is there, and what is there is served. */
START_TEST(test_size_that_is_not_there)
{
    fault f;
    fault_init(&f);
    setup();
    ri_log *log = open_log();
    ck_assert_ok(append(track_of(log, 1), "a", "whole"));
    ck_assert_ok(ri_log_commit(log));
    ri_log_close(log);
    size_t len;
    char *bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len);
    ri_segment_set32(bytes + 40, INT32_MAX & ~4095);
    ri_segment_set32(bytes + 60, ri_crc32c(0, bytes, 60));
    ri_log_opts opts = log_opts();
    opts.host = &f.host;
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_uint_lt(f.supply.peak_bytes, 1 << 20);
    ck_assert_uint_eq(count_of(track_of(log, 1)), 1);
    ri_log_close(log);
    fake_os_fini(&disk);
    fault_fini(&f);
}
END_TEST

/* The file of the newest segment is missing, and its commits were noted as durable: what is stored
 * from then on has numbers behind theirs, and so is not held for damaged at the next opening. */
START_TEST(test_newest_file_is_missing)
{
    static char data[300];
    setup();
    ri_log *log = open_log();
    memset(data, 'x', sizeof data - 1);
    for (int i = 0; i < 200; i++) {
        ck_assert_ok(append(track_of(log, 1), "a", data));
        ck_assert_ok(ri_log_commit(log));
    }
    ri_log_close(log);
    char newest[32] = "";
    uint64_t number = 0;
    for (size_t i = 0, len; fake_os_name(&disk, i); i++) {
        const char *name = fake_os_name(&disk, i);
        ri_segment_head head;
        if (!strstr(name, ".seg")) continue;
        if (ri_segment_get_head((char *)fake_os_bytes(&disk, name, &len), &head) < 0) continue;
        if (head.number < number) continue;
        number = head.number;
        snprintf(newest, sizeof newest, "%s", name);
    }
    ck_assert_uint_gt(number, 3);
    ck_assert_int_eq(disk.os.unlink(disk.os.arg, newest), 0);
    for (int i = 0; i < 3; i++) {
        damages = 0;
        log = open_log();
        ck_assert_uint_eq(damages, i ? 2 : 1);
        ck_assert_msg(strstr(last_damage, i ? "are lost with segment" : "is missing") != NULL, "%s",
                      last_damage);
        ck_assert_uint_lt(count_of(track_of(log, 1)), 200);
        ck_assert_ok(append(track_of(log, 1), "a", "later"));
        ck_assert_ok(ri_log_commit(log));
        ri_log_close(log);
    }
    fake_os_fini(&disk);
}
END_TEST

/* The file that goes on is cut short: what was stored last may have stood there. It is told, what
 * is left of a commit that was cut through is served, and no sequence is given again. */
START_TEST(test_cut_file)
{
    for (uint32_t cut = 0; cut < 3; cut++) {
        setup();
        ri_log *log = open_log();
        ri_track *track = track_of(log, 1);
        for (int i = 0; i < 9; i++)
            ck_assert_ok(append(track, "a", "some data, and some more of it"));
        ck_assert_ok(ri_log_commit(log));
        disk.off = cut == 0; /* no orderly close */
        ri_log_close(log);
        if (!cut) fake_os_crash(&disk, FAKE_OS_KEEP, 1);
        size_t len;
        char *bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len);
        char *third = memmem(bytes, len, "some", 4);
        for (int i = 0; i < 2; i++)
            third = memmem(third + 1, (size_t)(bytes + len - third - 1), "some d", 6);
        int fd = disk.os.open(&disk, "/log/00000000.seg", O_RDWR, 0);
        ck_assert_ok(disk.os.truncate(&disk, fd, cut == 2 ? 8192 : (uint64_t)(third - bytes) + 50));
        disk.os.close(&disk, fd);
        for (int again = 0; again < 2; again++) {
            damages = 0;
            log = open_log();
            ck_assert_msg(damages >= 1, "cut %u, again %d", cut, again);
            ck_assert_uint_eq(count_of(track_of(log, 1)), (cut == 2 ? 9u : 3u) + again);
            ck_assert_ok(append(track_of(log, 1), "a", "behind"));
            ri_track_info info;
            ri_track_status(track_of(log, 1), &info);
            ck_assert_uint_gt(info.last_seq, 9);
            ck_assert_ok(ri_log_commit(log));
            ri_log_close(log);
        }
        ck_assert_ptr_nonnull(fake_os_bytes(&disk, "/log/00000000.seg", &len));
        ck_assert_uint_lt(len, 16384);
        fake_os_fini(&disk);
    }
}
END_TEST

/* Of a damaged segment nothing is left behind the cut once the log goes on in the next one: no
 * footer would ever cover it. */
START_TEST(test_damaged_segment_is_blank_behind_the_cut)
{
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    const char *const data[] = {"first", "flipped", "third", "torn", "stale"};
    for (size_t i = 0; i < RI_LEN(data); i++) {
        if (i == 3) ri_log_ease(log, RI_SAFETY_WRITTEN);
        ck_assert_ok(append(track, "a", data[i]));
        ck_assert_ok(ri_log_commit(log));
    }
    disk.off = true;
    ri_log_close(log);
    fake_os_crash(&disk, FAKE_OS_KEEP, 1);
    size_t len;
    char *bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len);
    char *flipped = memmem(bytes, len, data[1], 7), *torn = memmem(bytes, len, data[3], 4);
    ck_assert(flipped && torn && memmem(bytes, len, data[4], 5));
    memset(flipped, 0xff, 7);
    memset(torn, 0xff, 4);
    log = open_log();
    ck_assert_uint_eq(damages, 1);
    ck_assert_ok(append(track_of(log, 1), "a", "behind"));
    ck_assert_ok(ri_log_commit(log));
    bytes = (char *)fake_os_bytes(&disk, "/log/00000000.seg", &len);
    size_t end = len - RI_SEGMENT_TAIL; /* the copy of the header stays */
    while (end > 0 && bytes[end - 1] == 0) end--;
    char *third = memmem(bytes, len, data[2], 5);
    ck_assert_ptr_nonnull(third);
    ck_assert_uint_le(end, (size_t)(third - bytes) + 5);
    ri_log_close(log);
    log = open_log();
    ck_assert_uint_eq(damages, 2); /* the same again */
    ck_assert_uint_eq(count_of(track_of(log, 1)), 3);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* What damaged the last record that is there may have taken others behind it, although nothing is
 * left that says so: their sequences are not used again. */
START_TEST(test_damage_at_the_end_may_have_taken_more)
{
    static const char second[] = "/log/00000001.seg";
    setup();
    ri_log *log = open_log();
    ri_track *track = track_of(log, 1);
    char data[500] = {0};
    uint64_t n = 0;
    ri_log_stats stats = {.segments = 1};
    for (; stats.segments < 2; ri_log_status(log, &stats)) {
        memset(data, (int)('a' + ++n % 26), sizeof data - 1);
        ck_assert_ok(append(track, "a", data));
        ck_assert_ok(ri_log_commit(log));
    }
    for (int i = 0; i < 5; i++, n++) { /* the note does not tell of these */
        ck_assert_ok(append(track, "a", "more"));
        ck_assert_ok(ri_log_commit(log));
    }
    disk.off = true; /* no orderly close */
    ri_log_close(log);
    fake_os_crash(&disk, FAKE_OS_KEEP, 1);
    size_t len;
    char *bytes = (char *)fake_os_bytes(&disk, second, &len);
    char *newest = memmem(bytes, len, data, sizeof data - 1);
    ck_assert_ptr_nonnull(newest);
    memset(newest + 400, 0, (size_t)(bytes + len - newest) - 400 - RI_SEGMENT_TAIL);
    log = open_log();
    ck_assert_uint_eq(damages, 1);
    ri_track_info info;
    ri_track_status(track_of(log, 1), &info);
    ck_assert_uint_ge(info.last_seq, n);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

/* A segment full of erased records, each in a commit of its own, is opened in a time that does
 * not grow with the square of them: that would be minutes. */
START_TEST(test_many_erased_are_opened_fast)
{
    const uint64_t records = under_valgrind() ? 2000 : 20000;
    setup();
    ri_log *log;
    ri_log_opts opts = log_opts();
    opts.segment_bytes = 16 << 20;
    ck_assert_ok(ri_log_open(&log, &opts));
    ri_track *track = track_of(log, 1);
    ri_log_ease(log, RI_SAFETY_WRITTEN);
    for (uint64_t i = 0; i < records; i++) {
        ck_quick(append(track, "a", "to be erased") == 0);
        ck_quick(ri_log_commit(log) == 0);
    }
    for (uint64_t seq = 1; seq < records; seq += 2)
        ck_quick(ri_track_remove(track, seq, true) == 0);
    ck_assert_ok(ri_log_commit(log));
    ri_log_close(log);
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_uint_eq(damages, 0);
    ck_assert_uint_eq(count_of(track_of(log, 1)), records / 2);
    ri_log_close(log);
    fake_os_fini(&disk);
}
END_TEST

SUITE_MAIN("log", test_second_open_is_busy, test_invisible_until_committed,
           test_failed_sync_fences, test_failed_write_is_repeated,
           test_full_disk_is_emptied_without_restart, test_model, test_memory_budget_is_kept,
           test_each_allocation_fails, test_levels,
           test_memory_level_is_written_at_last, test_newer_format_is_refused, test_bit_flips,
           test_scrub_snapshot_salvage, test_snapshot_fails, test_need_raises_one_commit,
           test_ease_lowers_what_follows,
           test_newest_file_is_missing,
           test_size_that_is_not_there, test_cut_file,
           test_damaged_segment_is_blank_behind_the_cut,
           test_damage_at_the_end_may_have_taken_more, test_many_erased_are_opened_fast)
