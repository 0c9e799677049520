/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "store/index/sets.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

#define MANY 3000

static fault f;

static uint32_t naive_next(const bool *set, uint32_t len, uint32_t from)
{
    for (uint32_t i = from; i < len; i++) {
        if (set[i]) return i;
    }
    return len;
}

static uint32_t naive_prev(const bool *set, uint32_t len, uint32_t from)
{
    for (uint32_t i = RI_MIN(from + 1, len); i-- > 0;) {
        if (set[i]) return i;
    }
    return len;
}

/* A segment of which subject s has roughly every (s * s + 1)-th record. */
static uint32_t make_segment(rng *r, uint32_t *subject_of, uint32_t records, uint32_t subjects)
{
    for (uint32_t i = 0; i < records; i++) {
        uint32_t s = (uint32_t)rng_below(r, subjects);
        subject_of[i] = rng_below(r, 3) ? (uint32_t)rng_below(r, s + 1) : s;
    }
    return records;
}

static void check_select(rng *r, const ri_sets *sets, const uint32_t *subject_of,
                         ri_select *select)
{
    bool want[200] = {false}, set[MANY];
    uint32_t ids[200], n = 0, how = (uint32_t)rng_below(r, 4);
    for (uint32_t s = 0; s < sets->subjects; s++) {
        want[s] = rng_below(r, 1 + how * how * 10) == 0;
        if (want[s]) ids[n++] = s;
    }
    for (uint32_t i = 0; i < sets->records; i++) {
        set[i] = want[subject_of[i]];
    }
    for (int form = 0; form < 2; form++) {
        if (form == 0) ck_assert_ok(ri_select_from(select, sets, ids, n));
        if (form == 1) {
            ck_assert_ok(ri_select_scan(select, subject_of, sets->records, want,
                                        sets->subjects));
        }
        for (uint32_t i = 0; i <= sets->records; i++) {
            ck_quick(ri_select_next(select, i) == naive_next(set, sets->records, i));
            ck_quick(ri_select_prev(select, i) == naive_prev(set, sets->records, i));
        }
    }
}

START_TEST(test_sets)
{
    fault_init(&f);
    ri_select select;
    ri_select_init(&select, &f.host);
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r;
        rng_init(&r, rng_seed(seed));
        static uint32_t subject_of[MANY];
        uint32_t subjects = 1 + (uint32_t)rng_below(&r, seed % 3 ? 190 : 3);
        uint32_t records = make_segment(&r, subject_of, (uint32_t)rng_below(&r, 1500), subjects);
        ri_buffer out;
        ri_buffer_init(&out, &f.host);
        ri_buffer_puts(&out, "before"); /* it is put behind what is there */
        ck_assert_ok(ri_sets_write(&f.host, subject_of, records, subjects, &out));
        ri_str bytes = ri_str_from(ri_buffer_str(&out), 6);
        ri_sets sets;
        ck_assert_ok(ri_sets_view(&sets, (ri_str){guard_copy(bytes.ptr, bytes.len), bytes.len}));
        ck_assert_uint_eq(sets.records, records);
        ck_assert_uint_eq(sets.subjects, subjects);
        for (int i = 0; i < 4; i++) check_select(&r, &sets, subject_of, &select);
        ri_buffer_fini(&out);
    }
    ri_select_fini(&select);
    fault_fini(&f);
}
END_TEST

/* Damaged bytes give wrong sets, and never a read outside them or an ordinal out of range. */
START_TEST(test_sets_damage)
{
    fault_init(&f);
    rng r;
    rng_init(&r, rng_seed(7));
    uint32_t subject_of[700];
    make_segment(&r, subject_of, 700, 40);
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ck_assert_ok(ri_sets_write(&f.host, subject_of, 700, 40, &out));
    ri_str bytes = ri_buffer_str(&out);
    ri_select select;
    ri_select_init(&select, &f.host);
    uint32_t ids[40];
    for (uint32_t s = 0; s < 40; s++) ids[s] = s;
    int viewed = 0;
    for (size_t round = 0; round < bytes.len + 3000; round++) {
        size_t len = round < bytes.len ? round : bytes.len;
        char *bad = guard_copy(bytes.ptr, len);
        if (round >= bytes.len) bad[4 + rng_below(&r, len - 4)] = (char)rng_next(&r);
        ri_sets sets;
        int rc = ri_sets_view(&sets, (ri_str){bad, len});
        ck_assert(rc == 0 || rc == RILL_ECORRUPT);
        if (rc < 0) continue;
        viewed++;
        for (uint32_t n = 1; n <= 40; n += 13) {
            ck_assert_ok(ri_select_from(&select, &sets, ids, n));
            ck_quick(ri_select_next(&select, 0) <= sets.records);
            ck_quick(ri_select_prev(&select, UINT32_MAX) <= sets.records);
        }
    }
    ck_assert_int_gt(viewed, 2000);
    ri_select_fini(&select);
    ri_buffer_fini(&out);
    fault_fini(&f);
}
END_TEST

static int body(fault *at, void *arg)
{
    (void)arg;
    ri_sets sets;
    ri_select select;
    ri_buffer out;
    uint32_t subject_of[400], ids[] = {0, 2}, n = 0;
    for (uint32_t i = 0; i < 400; i++) subject_of[i] = i % 3;
    ri_select_init(&select, &at->host);
    ri_buffer_init(&out, &at->host);
    int rc = ri_sets_write(&at->host, subject_of, 400, 3, &out);
    if (rc >= 0) rc = ri_sets_view(&sets, ri_buffer_str(&out));
    if (rc >= 0) rc = ri_select_from(&select, &sets, ids, 2);
    for (uint32_t i = 0; rc >= 0 && (i = ri_select_next(&select, i)) < 400; i++) n++;
    if (rc >= 0) ck_assert_uint_eq(n, 267);
    ri_select_fini(&select);
    ri_buffer_fini(&out);
    return rc < 0 ? rc : 0;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 3);
}
END_TEST

SUITE_MAIN("sets", test_sets, test_sets_damage, test_faults)
