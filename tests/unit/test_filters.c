/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled filters against comparing each; shapes against a list of them. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/subject/filters.h"
#include "codec/limits.h"
#include "codec/subject/shapes.h"
#include "codec/subject/subject.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

enum { TEXT = 96, SET = 40 };

typedef struct dice_set {
    char text[SET][TEXT];
    ri_str subjects[SET];
    size_t n;
} dice_set;

static size_t dice_subject(rng *r, char out[TEXT], bool filter, uint32_t tokens)
{
    static const char *words[] = {"a", "b", "cc", "*x", "d", "long-token"};
    uint32_t count = 1 + (uint32_t)rng_below(r, tokens);
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *word = words[rng_below(r, i < 2 ? 3 : RI_LEN(words))];
        if (filter && rng_below(r, 3) == 0) word = "*";
        if (filter && i + 1 == count && rng_below(r, 5) == 0) word = ">";
        len += (size_t)snprintf(out + len, TEXT - len, "%s%s", i ? "." : "", word);
    }
    return len;
}

static void dice_fill(dice_set *set, rng *r, bool wild, uint32_t tokens)
{
    set->n = 1 + rng_below(r, SET);
    for (size_t i = 0; i < set->n; i++)
        set->subjects[i] = (ri_str){set->text[i], dice_subject(r, set->text[i],
                                                               wild && rng_below(r, 2), tokens)};
}

static bool naive(const dice_set *set, ri_str subject)
{
    for (size_t i = 0; i < set->n; i++)
        if (ri_subject_match(set->subjects[i], subject)) return true;
    return false;
}

START_TEST(test_match)
{
    static dice_set set;
    fault f;
    fault_init(&f);
    rng r;
    uint64_t seed = rng_seed(7);
    rng_init(&r, seed);
    size_t hits = 0, asked = 0;
    for (int round = 0; round < 2000; round++) {
        uint32_t tokens = round % 3 ? 4 : 8;
        dice_fill(&set, &r, round % 5 != 0, tokens);
        ri_filters filters;
        ck_assert_ok(ri_filters_compile(&filters, &f.host, set.subjects, set.n));
        for (int i = 0; i < 60; i++) {
            char text[TEXT];
            ri_str subject = {text, dice_subject(&r, text, false, tokens)};
            bool want = naive(&set, subject);
            if (ri_filters_match(&filters, subject) != want)
                ck_abort_msg("seed %llu, round %d: %s, which %s", (unsigned long long)seed, round,
                             text, want ? "matches" : "does not match");
            hits += want;
            asked++;
        }
        ri_filters_fini(&filters);
    }
    ck_assert_uint_gt(hits, asked / 20); /* both answers are asked for */
    ck_assert_uint_lt(hits, asked / 20 * 19);
    fault_fini(&f);
}
END_TEST

static int compile_once(fault *f, void *arg)
{
    const dice_set *set = arg;
    ri_filters filters;
    int rc = ri_filters_compile(&filters, &f->host, set->subjects, set->n);
    ck_assert(rc == 0 || !filters.host);
    ri_filters_fini(&filters);
    ri_filters_fini(&filters); /* of one that is zeroed */
    return rc;
}

START_TEST(test_no_memory)
{
    static dice_set set;
    rng r;
    rng_init(&r, 3);
    do dice_fill(&set, &r, true, 6);
    while (set.n < SET);
    ck_assert_uint_gt(fault_each(compile_once, &set), 4);
}
END_TEST

/* "x.*.x ..." of `tokens`, with a star where `stars` has a bit. */
static ri_str shaped(char *out, uint32_t stars, int tokens)
{
    size_t len = 0;
    for (int i = 0; i < tokens; i++) {
        if (i) out[len++] = '.';
        out[len++] = stars >> i & 1 ? '*' : 'x';
    }
    return (ri_str){out, len};
}

START_TEST(test_shapes)
{
    fault f;
    fault_init(&f);
    ri_shapes shapes;
    ri_shapes_init(&shapes, &f.host);
    char text[TEXT];
    /* Of those that are short, all. */
    for (uint32_t stars = 0; stars < 1u << RI_LIMIT_SHAPE_TOKENS; stars++)
        ck_assert_ok(ri_shapes_add(&shapes, shaped(text, stars, RI_LIMIT_SHAPE_TOKENS)));
    ck_assert_ptr_null(shapes.all);
    /* Deeper ones until there are too many; then none, and none of those that are there is lost. */
    uint32_t n = 0;
    for (; n < 1u << 14; n++)
        if (ri_shapes_add(&shapes, shaped(text, n, 14)) < 0) break;
    ck_assert_uint_lt(n, 1u << 14);
    ck_assert_uint_le(shapes.deep, RI_LIMIT_SHAPES);
    ck_assert_rc(ri_shapes_add(&shapes, shaped(text, n, 14)), RILL_EFULL);
    uint32_t deep = shapes.deep, len = shapes.len;
    for (uint32_t i = 0; i < n; i++) ck_assert_ok(ri_shapes_add(&shapes, shaped(text, i, 14)));
    ck_assert(shapes.deep == deep && shapes.len == len);
    for (uint32_t i = 0; i < n; i++) ri_shapes_remove(&shapes, shaped(text, i, 14));
    ck_assert_uint_eq(shapes.deep, deep);
    /* Who goes leaves room for others. */
    for (uint32_t i = 0; i < n; i++) ri_shapes_remove(&shapes, shaped(text, i, 14));
    ck_assert_uint_eq(shapes.deep, 0);
    for (uint32_t i = 0; i < n; i++) ck_assert_ok(ri_shapes_add(&shapes, shaped(text, i, 14)));
    ck_assert(shapes.deep == deep && shapes.len == len);
    ri_shapes_fini(&shapes);
    fault_fini(&f);
}
END_TEST

/* By the dice: as many deep nodes as there are distinct beginnings of shapes. */
START_TEST(test_shapes_count)
{
    enum { FILTERS = 24 };
    static char text[FILTERS][TEXT];
    static bool in[FILTERS];
    ri_str filters[FILTERS];
    fault f;
    fault_init(&f);
    ri_shapes shapes;
    ri_shapes_init(&shapes, &f.host);
    rng r;
    rng_init(&r, rng_seed(11));
    for (int i = 0; i < FILTERS; i++)
        filters[i] = shaped(text[i], (uint32_t)rng_next(&r) & 0xfc07u, 8 + i % 9);
    for (int round = 0; round < 5000; round++) {
        int i = (int)rng_below(&r, FILTERS);
        in[i] = !in[i];
        if (in[i]) ck_assert_ok(ri_shapes_add(&shapes, filters[i]));
        else ri_shapes_remove(&shapes, filters[i]);
        uint32_t deep = 0;
        for (int k = 0; k < FILTERS; k++)
            for (size_t at = RI_LIMIT_SHAPE_TOKENS + 1; in[k] && at <= 8u + (size_t)k % 9; at++) {
                /* A last `*` is no node. */
                size_t len = at * 2 - 1;
                bool first = !(len == filters[k].len && text[k][len - 1] == '*');
                for (int other = 0; other < k && first; other++)
                    first = !in[other] || filters[other].len < len ||
                            memcmp(text[other], text[k], len) != 0 ||
                            (filters[other].len == len && text[other][len - 1] == '*');
                deep += first;
            }
        ck_quick(deep == shapes.deep);
    }
    ri_shapes_fini(&shapes);
    fault_fini(&f);
}
END_TEST

/* 2^14 filters that share nothing at their ends: more than a walk may visit. */
START_TEST(test_explosion)
{
    enum { N = 1 << 14 };
    static char text[N][TEXT];
    static ri_str filters[N];
    fault f;
    fault_init(&f);
    for (uint32_t i = 0; i < N; i++) {
        filters[i] = shaped(text[i], i, 14);
        filters[i].len += (size_t)snprintf(text[i] + filters[i].len, TEXT - 32, ".u%u", i);
    }
    ri_filters set;
    ck_assert_rc(ri_filters_compile(&set, &f.host, filters, N), RILL_EFULL);
    ck_assert(f.supply.blocks == 0);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("filters", test_match, test_no_memory, test_shapes, test_shapes_count, test_explosion)
