/* SPDX-License-Identifier: Apache-2.0 */
/* Overlaps of many filters against comparing each with each. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/overlap.h"
#include "codec/subject/subject.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

enum { TEXT = 64, SET = 12 };

typedef struct dice_set {
    char text[SET][TEXT];
    ri_str filters[SET];
    uint32_t n;
} dice_set;

static size_t dice_filter(rng *r, char out[TEXT], uint32_t words)
{
    uint32_t count = 1 + (uint32_t)rng_below(r, 4);
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        char word[8];
        snprintf(word, sizeof word, "w%u", (unsigned)rng_below(r, words));
        if (rng_below(r, 4) == 0) strcpy(word, "*");
        if (i + 1 == count && rng_below(r, 8) == 0) strcpy(word, ">");
        len += (size_t)snprintf(out + len, TEXT - len, "%s%s", i ? "." : "", word);
    }
    return len;
}

static void dice_fill(dice_set *set, rng *r, uint32_t words)
{
    set->n = (uint32_t)rng_below(r, SET + 1);
    for (uint32_t i = 0; i < set->n; i++)
        set->filters[i] = (ri_str){set->text[i], dice_filter(r, set->text[i], words)};
}

static void put(ri_overlap *o, const dice_set *set, const ri_host *host)
{
    ri_overlap_init(o, host);
    for (uint32_t i = 0; i < set->n; i++) ck_assert_ok(ri_overlap_add(o, set->filters[i]));
}

static int naive_within(const dice_set *set, uint32_t pair[2])
{
    for (uint32_t i = 0; i < set->n; i++)
        for (uint32_t k = i + 1; k < set->n; k++)
            if (ri_subject_overlaps(set->filters[i], set->filters[k])) {
                pair[0] = i;
                pair[1] = k;
                return 1;
            }
    return 0;
}

static int naive_covered(const dice_set *set, uint32_t *covered)
{
    for (uint32_t i = 0; i < set->n; i++)
        for (uint32_t k = 0; k < set->n; k++)
            if (i != k && ri_subject_covers(set->filters[k], set->filters[i])) {
                *covered = i;
                return 1;
            }
    return 0;
}

static int naive_between(const dice_set *a, const dice_set *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < b->n; k++)
            if (ri_subject_overlaps(a->filters[i], b->filters[k])) return 1;
    return 0;
}

START_TEST(test_dice)
{
    static dice_set a, b;
    static const uint32_t words[] = {2, 6, 40, 400};
    fault f;
    fault_init(&f);
    rng r;
    uint64_t seed = rng_seed(5);
    rng_init(&r, seed);
    int found[3][2] = {{0}};
    for (int round = 0; round < 20000; round++) {
        dice_fill(&a, &r, words[round % 4]);
        dice_fill(&b, &r, words[round % 4]);
        ri_overlap oa, ob;
        put(&oa, &a, &f.host);
        put(&ob, &b, &f.host);
        uint32_t pair[2], want[2], covered, covered_want;
        int rc = ri_overlap_within(&oa, pair), rc_want = naive_within(&a, want);
        if (rc != rc_want || (rc && (pair[0] != want[0] || pair[1] != want[1])))
            ck_abort_msg("seed %llu, round %d: within is %d", (unsigned long long)seed, round, rc);
        found[0][rc]++;
        rc = ri_overlap_covered(&oa, &covered);
        rc_want = naive_covered(&a, &covered_want);
        if (rc != rc_want || (rc && covered != covered_want))
            ck_abort_msg("seed %llu, round %d: covered is %d", (unsigned long long)seed, round, rc);
        found[1][rc]++;
        rc = ri_overlap_between(&oa, &ob);
        if (rc != naive_between(&a, &b))
            ck_abort_msg("seed %llu, round %d: between is %d", (unsigned long long)seed, round, rc);
        found[2][rc]++;
        ri_overlap_fini(&oa);
        ri_overlap_fini(&ob);
    }
    for (int i = 0; i < 3; i++) ck_assert(found[i][0] > 1000 && found[i][1] > 1000);
    fault_fini(&f);
}
END_TEST

static int all_of_it(fault *f, void *arg)
{
    const dice_set *set = arg;
    ri_overlap o, other;
    uint32_t pair[2], covered;
    int rc = RILL_OK;
    ri_overlap_init(&o, &f->host);
    ri_overlap_init(&other, &f->host);
    for (uint32_t i = 0; i < set->n && rc >= 0; i++) rc = ri_overlap_add(&o, set->filters[i]);
    if (rc >= 0) rc = ri_overlap_add(&other, RI_STR("q.*.q.q.q"));
    if (rc >= 0) rc = ri_overlap_within(&o, pair);
    if (rc >= 0) rc = ri_overlap_covered(&o, &covered);
    if (rc >= 0) rc = ri_overlap_between(&o, &other);
    ri_overlap_fini(&o);
    ri_overlap_fini(&other);
    return RI_MIN(rc, 0);
}

START_TEST(test_no_memory)
{
    static dice_set set;
    rng r;
    rng_init(&r, 1);
    do dice_fill(&set, &r, 400);
    while (set.n < SET);
    ck_assert_uint_gt(fault_each(all_of_it, &set), 8);
}
END_TEST

/* Shapes enough that comparing them would take for ever are refused. */
START_TEST(test_bound)
{
    enum { N = 1 << 13 };
    static char text[N][TEXT];
    fault f;
    fault_init(&f);
    ri_overlap o;
    uint32_t pair[2];
    ri_overlap_init(&o, &f.host);
    for (uint32_t i = 0; i < N; i++) {
        size_t len = (size_t)snprintf(text[i], TEXT, "u%u", i);
        for (int bit = 0; bit < 13; bit++)
            len += (size_t)snprintf(text[i] + len, TEXT - len, i >> bit & 1 ? ".*" : ".x");
        ck_assert_ok(ri_overlap_add(&o, (ri_str){text[i], len}));
    }
    ck_assert_rc(ri_overlap_within(&o, pair), RILL_EFULL);
    ri_overlap_fini(&o);
    fault_fini(&f);
}
END_TEST

/* 60 000 of two kinds, none of which overlap: what a request may name. */
START_TEST(test_many)
{
    enum { N = 60000 };
    static char text[N][TEXT];
    fault f;
    fault_init(&f);
    ri_overlap o;
    uint32_t pair[2], covered;
    ri_overlap_init(&o, &f.host);
    for (uint32_t i = 0; i < N; i++) {
        size_t len = (size_t)snprintf(text[i], TEXT, i % 2 ? "a.%u.x" : "a.*.y%u", i);
        ck_assert_ok(ri_overlap_add(&o, (ri_str){text[i], len}));
    }
    ck_assert_rc(ri_overlap_within(&o, pair), 0);
    ck_assert_rc(ri_overlap_covered(&o, &covered), 0);
    ck_assert_ok(ri_overlap_add(&o, RI_STR("*.40001.*")));
    ck_assert_rc(ri_overlap_within(&o, pair), 1);
    ck_assert(pair[0] == 0 && pair[1] == N);
    ck_assert_rc(ri_overlap_covered(&o, &covered), 1);
    ck_assert_uint_eq(covered, 40001);
    ri_overlap_fini(&o);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("overlap", test_dice, test_no_memory, test_bound, test_many)
