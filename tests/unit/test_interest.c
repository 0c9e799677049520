/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "engine/live/interest.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_interest_entry entry_of(const char *subject)
{
    size_t len = strlen(subject);
    return (ri_interest_entry){.subject = {guard_copy(subject, len), len}};
}

static bool any(const ri_interest *interest, const char *subject)
{
    size_t len = strlen(subject);
    return ri_interest_any(interest, (ri_str){guard_copy(subject, len), len});
}

START_TEST(test_rules)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    size_t blocks = f.supply.blocks;
    static const char *bad[] = {"", "a..b", ".", "a.", "a.>.b", "a b", ">.a"};
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        ri_interest_entry e = entry_of(bad[i]);
        ck_assert_rc(ri_interest_add(&interest, &e), RILL_EINVAL);
        ck_assert(!ri_interest_is_in(&e));
    }
    static const struct { const char *filter, *hits, *misses; } rows[] = {
        {"a.b", "a.b", "a.c"},      {"a.*", "a.*", "a"},         {"a.*", "a.x", "a.x.y"},
        {"a.>", "a.x.y", "a"},      {">", "a", ""},              {"*", "a", "a.b"},
        {"a*", "a*", "ab"},         {"foo.*", "foo.bar", "foo."}, {">", "a.b", "a..b"},
        {"*.*", "a.b", ".b"},       {"a.b", "a.b", "a.*"},       {"*.b.>", "x.b.y", "x.c.y"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_interest_entry e = entry_of(rows[i].filter);
        ck_assert_ok(ri_interest_add(&interest, &e));
        ck_assert_uint_eq(ri_interest_count(&interest), 1);
        ck_assert_msg(any(&interest, rows[i].hits), "%s misses %s", rows[i].filter, rows[i].hits);
        ck_assert_msg(!any(&interest, rows[i].misses), "%s hits %s", rows[i].filter,
                      rows[i].misses);
        ri_interest_remove(&interest, &e);
        ri_interest_remove(&interest, &e);
        ck_assert(!any(&interest, rows[i].hits));
        ck_assert_ptr_null(interest.root); /* pruned */
        ck_assert_uint_eq(interest.edges.len + interest.literals.len + interest.count, 0);
    }
    ck_assert_uint_le(f.supply.blocks, blocks + 3); /* the two tables and the counters stay */
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

/* A filter may have RI_LIMIT_FILTER_TOKENS tokens; subjects may be longer. */
START_TEST(test_deep)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    static char filter[4 * RI_LIMIT_FILTER_TOKENS], subject[8 * RI_LIMIT_FILTER_TOKENS];
    for (int tokens = RI_LIMIT_FILTER_TOKENS - 1; tokens <= RI_LIMIT_FILTER_TOKENS + 1; tokens++)
        for (int rest = 0; rest < 2; rest++) {
            filter[0] = 0;
            for (int i = 0; i < tokens; i++)
                strcat(filter, i + 1 == tokens && rest ? ".>" : i ? ".*" : "*");
            ri_interest_entry e = entry_of(filter);
            bool fits = tokens <= RI_LIMIT_FILTER_TOKENS;
            ck_assert_rc(ri_interest_add(&interest, &e), fits ? RILL_OK : RILL_EINVAL);
            for (int longer = -1; longer <= 300; longer += longer < 1 ? 1 : 299) {
                subject[0] = 0;
                for (int i = 0; i < tokens + longer; i++) strcat(subject, i ? ".x" : "x");
                bool want = fits && (rest ? longer >= 0 : longer == 0);
                ck_assert_msg(any(&interest, subject) == want, "%d tokens, %d", tokens, longer);
            }
            ri_interest_remove(&interest, &e);
        }
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

static const char *watched[] = {"a", "a.b", "a.b.c", "a.x", "b", "b.c"};

static uint64_t generation_of(const ri_interest *interest, const char *subject)
{
    ri_interest_key key;
    ri_interest_key_init(&key, ri_str_of(subject), ri_hash(ri_str_of(subject)));
    return ri_interest_generation(interest, &key);
}

/* There are counters from the first entry on. */
static void begin(ri_interest *interest, fault *f)
{
    ri_interest_init(interest, &f->host);
    ck_assert_ptr_null(interest->counters);
    ri_interest_entry first = entry_of("first");
    ck_assert_ok(ri_interest_add(interest, &first));
    ri_interest_remove(interest, &first);
}

/* Which of the watched subjects a change of each filter concerns. */
START_TEST(test_generations)
{
    static const struct { const char *filter; bool moves[6]; } rows[] = {
        {"a.b", {0, 1, 0, 0, 0, 0}},   {"a", {1, 0, 0, 0, 0, 0}},
        {"a.b.c", {0, 0, 1, 0, 0, 0}}, {"a.b.*", {0, 1, 1, 0, 0, 0}},
        {"a.b.>", {0, 1, 1, 0, 0, 0}}, {"a.*", {1, 1, 1, 1, 0, 0}},
        {"a.>", {1, 1, 1, 1, 0, 0}},   {"*.b", {1, 1, 1, 1, 1, 1}},
        {">", {1, 1, 1, 1, 1, 1}},     {"_INBOX.xyz.*", {0, 0, 0, 0, 0, 0}},
    };
    fault f;
    fault_init(&f);
    ri_interest interest;
    begin(&interest, &f);
    for (size_t i = 0; i < RI_LEN(rows); i++)
        for (int change = 0; change < 2; change++) {
            static ri_interest_entry e;
            uint64_t before[RI_LEN(watched)];
            for (size_t w = 0; w < RI_LEN(watched); w++)
                before[w] = generation_of(&interest, watched[w]);
            if (change == 0) {
                e = entry_of(rows[i].filter);
                ck_assert_ok(ri_interest_add(&interest, &e));
            } else {
                ri_interest_remove(&interest, &e);
            }
            for (size_t w = 0; w < RI_LEN(watched); w++) {
                bool moved = generation_of(&interest, watched[w]) != before[w];
                ck_assert_msg(moved == rows[i].moves[w], "%s: %s", rows[i].filter, watched[w]);
            }
        }
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

/* A counter that goes round makes no generation go back to what it was. */
START_TEST(test_counters_go_round)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    begin(&interest, &f);
    for (size_t i = 0; i < RI_INTEREST_COUNTERS; i++) interest.counters[i] = UINT32_MAX - 2;
    static const char *filters[] = {"a.b.*", "a.*", "a.b.c"};
    for (size_t i = 0; i < RI_LEN(filters); i++)
        for (int change = 0; change < 4; change++) {
            static ri_interest_entry e;
            uint64_t before = generation_of(&interest, "a.b.c");
            if (!(change & 1)) e = entry_of(filters[i]);
            if (change & 1) ri_interest_remove(&interest, &e);
            else ck_assert_ok(ri_interest_add(&interest, &e));
            ck_assert_uint_gt(generation_of(&interest, "a.b.c"), before);
        }
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

/* With each allocation failing, an add that fails leaves the others as they were. */
static int populate(fault *f, void *arg)
{
    static const char *subjects[] = {"a.b.c", "a.*.c", "a.*.c", "a.b.>", ">", "*.*.x", "a.b.c",
                                     "x.y.z", "q.r.*.t", "m.1", "m.2", "m.3", "m.4", "m.5",
                                     "n.1.>", "n.2.>", "n.3.>", "n.4.>"};
    (void)arg;
    ri_interest interest;
    ri_interest_entry entries[RI_LEN(subjects)];
    memset(entries, 0, sizeof entries);
    int rc = RILL_OK;
    ri_interest_init(&interest, &f->host);
    size_t n = 0;
    for (; n < RI_LEN(subjects) && rc >= 0; n++) {
        entries[n].subject = ri_str_of(subjects[n]);
        rc = ri_interest_add(&interest, &entries[n]);
        if (rc < 0) break;
    }
    if (interest.counters) {
        ck_assert_uint_eq(ri_interest_count(&interest), n);
        if (rc < 0) ck_assert(n == RI_LEN(subjects) || !ri_interest_is_in(&entries[n]));
        for (size_t i = 0; i < n; i++) {
            ck_assert(ri_interest_is_in(&entries[i]));
            ri_interest_remove(&interest, &entries[i]);
        }
        ck_assert_ptr_null(interest.root);
    }
    ri_interest_fini(&interest);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(populate, NULL), 10);
}
END_TEST

/* Freed with entries still in it, stars and all. */
START_TEST(test_fini_full)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    ri_interest_entry e[] = {entry_of("a.*.*.b"), entry_of("*.*.c"), entry_of("*.>"),
                             entry_of("x")};
    for (size_t i = 0; i < RI_LEN(e); i++) ck_assert_ok(ri_interest_add(&interest, &e[i]));
    ri_interest_fini(&interest);
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

/* "a.*.a ..." of `tokens`, with a star where `stars` has a bit, and a last token of its own. */
static ri_str shaped(char *out, uint32_t stars, int tokens)
{
    size_t len = 0;
    for (int i = 0; i < tokens; i++) {
        out[len++] = stars >> i & 1 ? '*' : 'a';
        out[len++] = '.';
    }
    return (ri_str){out, len + (size_t)sprintf(out + len, "u%u", stars)};
}

static bool nobody(void *arg, ri_interest_entry *ring)
{
    (void)arg, (void)ring;
    return true;
}

static size_t visited(const ri_interest *interest, const char *subject)
{
    ri_str s = ri_str_of(subject);
    ri_interest_search search = {s, ri_hash(s), nobody, NULL, 0, 0};
    ck_assert(ri_interest_find(interest, &search));
    return search.visited;
}

/* As many filters of a and * as there can be, and as many as are taken of deeper ones: no subject
 * makes a walk longer than the bound, and that of others is no longer than their depth has it. */
START_TEST(test_explosion)
{
    enum { DEEP = 1 << 14, SHORT = 1 << RI_LIMIT_SHAPE_TOKENS };
    static ri_interest_entry entries[DEEP + SHORT];
    static char text[DEEP + SHORT][48];
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < DEEP + SHORT; i++) {
        bool deep = i < DEEP;
        entries[i].subject = shaped(text[i], deep ? i : i - DEEP,
                                    deep ? 14 : RI_LIMIT_SHAPE_TOKENS - 1);
        int rc = ri_interest_add(&interest, &entries[i]);
        if (rc == RILL_EFULL && deep) refused++;
        else ck_assert_ok(rc);
    }
    ck_assert_uint_gt(refused, DEEP / 2);
    ck_assert_uint_gt(visited(&interest, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.x"), 1000);
    ck_assert_uint_le(visited(&interest, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.x"), RI_INTEREST_VISITS);
    ck_assert_uint_le(visited(&interest, "orders.eu.7"), 4); /* the stars' way */
    ck_assert_uint_le(visited(&interest, "a.a.a"), 15);
    ri_interest_entry plain = entry_of("orders.*.eu.c.d.e.f.g.h.i.j.k.l.m.x"); /* as others do */
    ck_assert_ok(ri_interest_add(&interest, &plain));
    ri_interest_remove(&interest, &plain);
    for (uint32_t i = 0; i < DEEP + SHORT; i++) ri_interest_remove(&interest, &entries[i]);
    ck_assert_ptr_null(interest.root);
    ck_assert_uint_eq(interest.shapes.deep, 0);
    ri_interest_fini(&interest);
    fault_fini(&f);
    guard_free();
}
END_TEST

SUITE_MAIN("interest", test_explosion, test_rules, test_deep, test_generations,
           test_counters_go_round,
           test_faults, test_fini_full)
