/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "store/live.h"
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

static uint32_t naive_count(const bool *set, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++) n += set[i];
    return n;
}

static void same(const ri_live *live, const bool *set, uint32_t len)
{
    ck_quick(live->len == len);
    ck_quick(live->count == naive_count(set, 0, len));
    for (uint32_t i = 0; i < len + 2; i++) {
        ck_quick(ri_live_has(live, i) == (i < len && set[i]));
        ck_quick(ri_live_next(live, i) == (i < len ? naive_next(set, len, i) : len));
        if (i <= len) ck_quick(ri_live_rank(live, i) == naive_count(set, 0, i));
        ck_quick(ri_live_prev(live, i) == naive_prev(set, len, i));
    }
}

/* Written and read back, it is the same; cut or with a bit flipped it is refused or another. */
static void round_trip(const ri_live *live, const bool *set, rng *r)
{
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_live_write(live, &out);
    ri_str bytes = ri_buffer_str(&out);
    ck_assert_int_eq(bytes.len == 0, live->count == live->len);
    ck_assert_uint_le(bytes.len, 1 + (live->len + 7) / 8);
    ri_live back;
    ri_live_init(&back, &f.host, 5);
    ck_assert_ok(ri_live_read(&back, live->len, (ri_str){guard_copy(bytes.ptr, bytes.len),
                                                         bytes.len}));
    same(&back, set, live->len);
    for (size_t len = 1; len < bytes.len; len += 1 + len / 8) {
        ck_assert_rc(ri_live_read(&back, live->len, (ri_str){guard_copy(bytes.ptr, len), len}),
                     RILL_ECORRUPT);
        same(&back, set, live->len); /* refused: as it was */
    }
    for (int i = 0; i < 50 && bytes.len; i++) {
        char *bad = guard_copy(bytes.ptr, bytes.len);
        bad[rng_below(r, bytes.len)] ^= (char)(1u << rng_below(r, 8));
        ri_live other;
        ri_live_init(&other, &f.host, 0);
        int rc = ri_live_read(&other, live->len, (ri_str){bad, bytes.len});
        ck_assert(rc == 0 || rc == RILL_ECORRUPT);
        if (rc == 0) ck_assert_uint_eq(other.count, ri_live_rank(&other, other.len));
        ri_live_fini(&other);
    }
    ri_live_fini(&back);
    ri_buffer_fini(&out);
}

START_TEST(test_live_all)
{
    fault_init(&f);
    ri_live live;
    ri_live_init(&live, &f.host, 0);
    ck_assert_uint_eq(ri_live_next(&live, 0), 0);
    ck_assert_uint_eq(ri_live_prev(&live, 7), 0);
    for (int i = 0; i < 1000; i++) ck_assert_ok(ri_live_push(&live));
    ck_assert_uint_eq(f.calls, 0); /* all live: nothing is kept */
    ck_assert_uint_eq(live.count, 1000);
    ri_live_fini(&live);
    fault_fini(&f);
}
END_TEST

START_TEST(test_live_random)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        rng r;
        rng_init(&r, rng_seed(seed));
        fault_init(&f);
        bool set[MANY];
        uint32_t len = (uint32_t)rng_below(&r, 300), bias = (uint32_t)rng_below(&r, 6);
        ri_live live;
        ri_live_init(&live, &f.host, len);
        for (uint32_t i = 0; i < len; i++) set[i] = true;
        for (int step = 0; step < 200; step++) {
            uint32_t what = (uint32_t)rng_below(&r, 8);
            if (what <= bias) {
                ck_assert_ok(ri_live_push(&live));
                set[len++] = true;
            } else if (len && what < 7) {
                uint32_t i = (uint32_t)rng_below(&r, len);
                ck_assert_int_eq(ri_live_clear(&live, i), set[i]);
                set[i] = false;
            } else if (len) {
                uint32_t from = (uint32_t)rng_below(&r, len);
                uint32_t to = (uint32_t)(from + rng_below(&r, RI_MIN(len - from, 70) + 1));
                uint32_t dying = naive_count(set, from, to);
                ck_assert_int_eq(ri_live_clear_range(&live, from, to), dying);
                memset(set + from, 0, to - from);
            }
        }
        same(&live, set, len);
        round_trip(&live, set, &r);
        ck_assert_int_ge(ri_live_clear_range(&live, 0, len), 0);
        memset(set, 0, sizeof set);
        same(&live, set, len);
        round_trip(&live, set, &r);
        ri_live_fini(&live);
        fault_fini(&f);
    }
}
END_TEST

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
                         ri_select *select, const ri_live *live)
{
    bool want[200] = {false}, set[MANY];
    uint32_t ids[200], n = 0, how = (uint32_t)rng_below(r, 4);
    for (uint32_t s = 0; s < sets->subjects; s++) {
        want[s] = rng_below(r, 1 + how * how * 10) == 0;
        if (want[s]) ids[n++] = s;
    }
    for (uint32_t i = 0; i < sets->records; i++) {
        set[i] = want[subject_of[i]] && (!live || ri_live_has(live, i));
    }
    for (int form = 0; form < 2; form++) {
        if (form == 0) ck_assert_ok(ri_select_from(select, sets, ids, n));
        if (form == 1) {
            ck_assert_ok(ri_select_scan(select, subject_of, sets->records, want,
                                        sets->subjects));
        }
        for (uint32_t i = 0; i <= sets->records; i++) {
            ck_quick(ri_select_next(select, live, i) == naive_next(set, sets->records, i));
            ck_quick(ri_select_prev(select, live, i) == naive_prev(set, sets->records, i));
        }
        for (uint32_t i = 0; i <= sets->records; i += 17) {
            ck_quick(ri_select_count(select, live, i) == naive_count(set, i, sets->records));
        }
    }
}

static void check_sets(const ri_sets *sets, const uint32_t *subject_of)
{
    for (uint32_t s = 0; s < sets->subjects + 2; s++) {
        uint32_t n = 0, first = sets->records, last = sets->records;
        for (uint32_t i = 0; i < sets->records; i++) {
            if (subject_of[i] != s) continue;
            if (n++ == 0) first = i;
            last = i;
        }
        ck_assert_uint_eq(ri_sets_count(sets, s), n);
        ck_assert_uint_eq(ri_sets_first(sets, s), first);
        ck_assert_uint_eq(ri_sets_last(sets, s), last);
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
        check_sets(&sets, subject_of);
        ri_live live;
        ri_live_init(&live, &f.host, records);
        for (uint32_t i = 0; i < records / 3; i++) {
            ck_assert_int_ge(ri_live_clear(&live, (uint32_t)rng_below(&r, records)), 0);
        }
        for (int i = 0; i < 4; i++) {
            check_select(&r, &sets, subject_of, &select, i % 2 ? &live : NULL);
        }
        ri_live_fini(&live);
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
        for (uint32_t s = 0; s < 40; s++) {
            ck_quick(ri_sets_count(&sets, s) <= sets.records);
            ck_quick(ri_sets_first(&sets, s) <= sets.records);
            ck_quick(ri_sets_last(&sets, s) <= sets.records);
        }
        for (uint32_t n = 1; n <= 40; n += 13) {
            ck_assert_ok(ri_select_from(&select, &sets, ids, n));
            ck_quick(ri_select_next(&select, NULL, 0) <= sets.records);
            ck_quick(ri_select_count(&select, NULL, 0) <= sets.records);
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
    ri_live live, back;
    ri_sets sets;
    ri_select select;
    ri_buffer out, bits;
    uint32_t subject_of[400], ids[] = {0, 2};
    for (uint32_t i = 0; i < 400; i++) subject_of[i] = i % 3;
    ri_live_init(&live, &at->host, 100);
    ri_live_init(&back, &at->host, 0);
    ri_select_init(&select, &at->host);
    ri_buffer_init(&out, &at->host);
    ri_buffer_init(&bits, &at->host);
    int rc = ri_live_clear(&live, 3);
    ck_assert_uint_eq(live.count, rc < 0 ? 100 : 99);
    for (int i = 0; i < 300 && rc >= 0; i++) {
        uint32_t len = live.len;
        rc = ri_live_push(&live);
        ck_assert_uint_eq(live.len, len + (rc == 0));
    }
    if (rc >= 0) ri_live_write(&live, &bits);
    if (rc >= 0 && bits.failed) rc = RILL_ENOMEM;
    if (rc >= 0) rc = ri_live_read(&back, 400, ri_buffer_str(&bits));
    if (rc >= 0) rc = ri_sets_write(&at->host, subject_of, 400, 3, &out);
    if (rc >= 0) rc = ri_sets_view(&sets, ri_buffer_str(&out));
    if (rc >= 0) rc = ri_select_from(&select, &sets, ids, 2);
    if (rc >= 0) ck_assert_uint_eq(ri_select_count(&select, &back, 0), 266); /* 3 has id 0: dead */
    ri_live_fini(&live);
    ri_live_fini(&back);
    ri_select_fini(&select);
    ri_buffer_fini(&out);
    ri_buffer_fini(&bits);
    return rc < 0 ? rc : 0;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 8);
}
END_TEST

SUITE_MAIN("live", test_live_all, test_live_random, test_sets, test_sets_damage, test_faults)
