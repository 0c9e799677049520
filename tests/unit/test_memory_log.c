/* SPDX-License-Identifier: Apache-2.0 */
/* A log without a disk: the same calls, and a byte budget that is kept. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "base/error.h"
#include "store/log/log.h"
#include "support/suite.h"

enum { BUDGET = 1 << 20, SEGMENT = 65536, DATA = 500 };

static ri_host host;
static size_t held, most; /* bytes that the log has from its host */
static size_t piece;      /* the largest that was asked for, but for a segment's image */
static size_t image;      /* bytes of that, and ODD more where it is to have small pages */
enum { ODD = 64 };

static void *count_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    (void)arg;
    void *q = NULL;
    if (new_size) {
        q = realloc(p, new_size);
        if (!q) return NULL;
    } else {
        free(p);
    }
    held += new_size - (p ? old_size : 0);
    most = held > most ? held : most;
    bool is_image = new_size >= image && new_size - image <= ODD;
    if (!is_image && new_size > piece) piece = new_size;
    return q;
}

static ri_log *open_log(ri_track **track)
{
    ri_log *log;
    static const rill_host counting = {.size = sizeof counting, .alloc = count_alloc};
    ri_host_init(&host, &counting);
    held = most = 0;
    ri_log_opts opts = {.host = &host, .segment_bytes = SEGMENT, .budget_bytes = BUDGET};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(ri_log_track(log, 1, &(ri_track_opts){.subjects = true}, track));
    return log;
}

static int append(ri_log *log, ri_track *track, uint64_t seq)
{
    char data[DATA];
    memset(data, (int)seq, sizeof data);
    ri_record r = {.time_ns = (int64_t)seq, .subject = RI_STR("s"), .data = {data, sizeof data}};
    int rc = ri_track_append(track, &r);
    ri_log_stats stats;
    ri_log_status(log, &stats);
    ck_quick(rc < 0 || r.seq == seq);
    ck_quick(stats.memory_bytes <= BUDGET);
    ck_quick(held <= BUDGET + BUDGET / 4); /* with the indexes */
    return rc;
}

static void clean_all(ri_log *log)
{
    int rc = 1;
    for (int i = 0; i < 1000 && (rc == 1 || ri_log_dirty(log)); i++) {
        rc = ri_log_clean(log);
        ck_assert_int_ge(rc, 0);
        ck_assert_ok(ri_log_commit(log));
    }
}

static void check_from(ri_track *track, uint64_t first, uint64_t last)
{
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    for (uint64_t seq = first; seq <= last; seq++) {
        ck_quick(ri_cursor_get(&c, seq, &r) == 0);
        ck_quick(r.data.len == DATA && r.data.ptr[0] == (char)seq && r.time_ns == (int64_t)seq);
    }
    if (first > 1) ck_assert_rc(ri_cursor_get(&c, first - 1, &r), RILL_ENOENT);
    ri_cursor_fini(&c);
}

/* Filled, half emptied, filled: each time as much fits, and never more than the budget. */
START_TEST(test_budget)
{
    ri_track *track;
    ri_log *log = open_log(&track);
    uint64_t last = 0, first = 1;
    for (int round = 0; round < 8; round++) {
        int rc;
        while ((rc = append(log, track, last + 1)) == 0) {
            last++;
            if (last % 50 == 0) ck_assert_ok(ri_log_commit(log));
        }
        ck_assert_int_eq(rc, RILL_EFULL);
        ck_assert_msg(strstr(ri_err_text(), "budget_bytes"), "%s", ri_err_text());
        ck_assert_ok(ri_log_commit(log));
        ck_assert_uint_ge((last + 1 - first) * DATA, BUDGET / 4 * 3);
        check_from(track, first, last); /* reads go on */
        first = last - (last - first) / 2;
        ck_assert_ok(ri_track_purge(track, first)); /* so do removals */
        ck_assert_ok(ri_log_commit(log));
        clean_all(log);
        check_from(track, first, last);
    }
    ri_log_close(log);
    ck_assert_uint_eq(held, 0);
    ck_assert_uint_ge(most, BUDGET / 4 * 3);
}
END_TEST

/* One live record in each segment: they are copied together. */
START_TEST(test_thinned_out_memory_comes_back)
{
    ri_track *track;
    ri_log *log = open_log(&track);
    uint64_t last = 0;
    while (append(log, track, last + 1) == 0) last++;
    ck_assert_ok(ri_log_commit(log));
    ri_log_stats before, after;
    ri_log_status(log, &before);
    for (uint64_t seq = 1; seq <= last; seq++)
        if (seq % 100) ck_assert_ok(ri_track_remove(track, seq, false));
    ck_assert_ok(ri_log_commit(log));
    clean_all(log);
    ri_log_status(log, &after);
    ck_assert_uint_le(after.memory_bytes, before.memory_bytes / 4);
    ck_assert_uint_gt(after.copied_bytes, 0);
    ck_assert_uint_gt(after.cleaned, 0);
    ck_assert_uint_eq(after.written_bytes + after.syncs, 0);
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    uint64_t n = 0;
    for (uint64_t from = 1; ri_cursor_next(&c, from, NULL, &r) == 1; from = r.seq + 1) {
        ck_assert_uint_eq(r.seq, n += 100);
        ck_assert_int_eq(r.data.ptr[DATA - 1], (char)n);
    }
    ck_assert_uint_eq(n, last / 100 * 100);
    ri_cursor_fini(&c);
    ri_log_close(log);
    ck_assert_uint_eq(held, 0);
}
END_TEST

START_TEST(test_too_large_for_the_budget)
{
    ri_track *track;
    ri_log *log = open_log(&track);
    static char big[2 * BUDGET];
    ri_record r = {.subject = RI_STR("s"), .data = {big, sizeof big}};
    ck_assert_int_lt(ri_track_append(track, &r), 0);
    ck_assert_int_eq(append(log, track, 1), 0);
    ck_assert_ok(ri_log_commit(log));
    check_from(track, 1, 1);
    ck_assert_rc(ri_log_snapshot(log, "/nowhere"), RILL_ENOTSUP);
    ri_log_close(log);
    ck_assert_uint_eq(held, 0);
}
END_TEST

static void subject_of(uint32_t n, char *out, size_t cap)
{
    snprintf(out, cap, "many.%" PRIu32, n);
}

static void append_subjects(ri_track *track, uint32_t n)
{
    char subject[32];
    static const char data[100];
    for (uint32_t i = 0; i < n; i++) {
        subject_of(i, subject, sizeof subject);
        ri_record r = {.time_ns = 1, .subject = ri_str_of(subject), .data = {data, sizeof data}};
        ck_quick(ri_track_append(track, &r) == 0);
    }
}

static void check_subjects(ri_track *track, uint32_t n, uint64_t each)
{
    char subject[32];
    ri_subject_info info;
    for (uint32_t i = 0; i < n; i++) {
        subject_of(i, subject, sizeof subject);
        ck_quick(ri_track_subject(track, ri_str_of(subject), &info) >= 0);
        ck_quick(info.count == each && info.last_seq == (each - 1) * n + i + 1);
    }
}

/* What grows as subjects are added grows in pieces that are copied within a slice, and a segment
 * that begins behind one with many subjects knows its own alone. */
START_TEST(test_many_subjects_grow_in_small_pieces)
{
    enum { SUBJECTS = 65000, ROUNDS = 3 };
    ri_log *log;
    ri_track *track;
    static const rill_host counting = {.size = sizeof counting, .alloc = count_alloc};
    ri_host_init(&host, &counting);
    held = piece = 0;
    image = 16 << 20;
    ri_log_opts opts = {.host = &host, .segment_bytes = image};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(ri_log_track(log, 1, &(ri_track_opts){.subjects = true}, &track));
    for (uint64_t each = 1; each <= ROUNDS; each++) {
        append_subjects(track, SUBJECTS);
        ck_assert_ok(ri_log_commit(log));
        check_subjects(track, SUBJECTS, each);
    }
    ri_log_stats stats;
    ri_log_status(log, &stats);
    ck_assert_uint_gt(stats.segments, 1);
    ck_assert_uint_le(piece, (size_t)RI_BUDGET_SLICE * RI_BUDGET_BYTES);
    ri_log_close(log);
    ck_assert_uint_eq(held, 0);
}
END_TEST

static int look_again(void *arg, const ri_subject_info *info)
{
    ri_subject_info again;
    ck_assert_ok(ri_track_subject(arg, info->subject, &again));
    ck_assert_uint_eq(again.first_seq, 1);
    ck_assert_uint_eq(again.last_seq, 2);
    return 0;
}

/* The last of a subject was removed, and nobody has looked for the one before it. */
START_TEST(test_who_walks_subjects_may_ask_of_one)
{
    ri_track *track;
    ri_log *log = open_log(&track);
    for (uint64_t seq = 1; seq <= 4; seq++) ck_assert_ok(append(log, track, seq));
    ck_assert_ok(ri_log_commit(log));
    ck_assert_ok(ri_track_remove(track, 3, false));
    ck_assert_ok(ri_track_remove(track, 4, false));
    ck_assert_int_ge(ri_track_each_subject(track, RI_STR(">"), look_again, track), 0);
    ri_log_close(log);
}
END_TEST

SUITE_MAIN("memory_log", test_budget, test_who_walks_subjects_may_ask_of_one,
           test_thinned_out_memory_comes_back,
           test_too_large_for_the_budget, test_many_subjects_grow_in_small_pieces)
