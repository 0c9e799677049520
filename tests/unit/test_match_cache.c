/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "support/fault.h"
#include "support/naive_match.h"
#include "support/rng.h"
#include "support/suite.h"

static uint32_t choose(void *arg, uint32_t n)
{
    return (uint32_t)rng_below(arg, n);
}

static naive population;

/* Random subscriptions come and go while several caches, some of them much too small, answer. */
START_TEST(test_against_naive)
{
    uint64_t seed = rng_seed(3);
    rng r;
    rng_init(&r, seed);
    fault f;
    fault_init(&f);
    ri_interest interest;
    ck_assert_ok(ri_interest_init(&interest, &f.host));
    population = (naive){.interest = &interest};
    ri_match_cache caches[4];
    ri_match_cache_init(&caches[0], &f.host, 0, 0);
    ri_match_cache_init(&caches[1], &f.host, 10, 0);
    ri_match_cache_init(&caches[2], &f.host, 0, 4000);
    ri_match_cache_init(&caches[3], &f.host, 1, 1);
    size_t matched = 0;
    for (int turn = 0; turn < 30000; turn++) {
        if (rng_below(&r, 8) == 0)
            ck_assert_ok(naive_toggle(&population, choose(&r, NAIVE_SUBS), choose, &r));
        char text[NAIVE_TEXT];
        ri_str subject = {text, naive_subject(text, false, choose, &r)};
        ri_match_cache *cache = &caches[rng_below(&r, RI_LEN(caches))];
        const ri_match *match = ri_match_cache_get(cache, &interest, subject);
        ck_assert_ptr_nonnull(match);
        const char *wrong = naive_check(&population, match, subject);
        ck_assert_msg(!wrong, "%s: %s (seed %llu, turn %d)", text, wrong, (unsigned long long)seed,
                      turn);
        matched += match->nplain + match->ngroups;
        ck_assert(cache->len <= cache->max_entries && cache->bytes <= cache->max_bytes);
    }
    ck_assert_uint_gt(matched, 20000);
    ck_assert(caches[0].hits > 300 && caches[3].len == 0);
    for (size_t i = 0; i < NAIVE_SUBS; i++) ri_interest_remove(&interest, &population.entries[i]);
    ck_assert(interest.count == 0 && !interest.root && interest.edges.len == 0);
    for (size_t i = 0; i < RI_LEN(caches); i++) ri_match_cache_fini(&caches[i]);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

START_TEST(test_groups)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ck_assert_ok(ri_interest_init(&interest, &f.host));
    ri_interest_entry e[] = {
        {.subject = RI_STR("a.b"), .queue = RI_STR("q")},
        {.subject = RI_STR("a.*"), .queue = RI_STR("q")},
        {.subject = RI_STR(">"), .queue = RI_STR("q")},
        {.subject = RI_STR("a.b"), .queue = RI_STR("r")},
        {.subject = RI_STR("a.b")},                       {.subject = RI_STR("a.b")},
    };
    for (size_t i = 0; i < RI_LEN(e); i++) ck_assert_ok(ri_interest_add(&interest, &e[i]));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    const ri_match *match = ri_match_cache_get(&cache, &interest, RI_STR("a.b"));
    ck_assert(match && match->nplain == 2 && match->ngroups == 2);
    ck_assert(match->plain[0] == &e[4] && match->plain[1] == &e[5]); /* in the order of coming */
    const ri_match_group *q = naive_group(match, RI_STR("q"));
    ck_assert(q && q->n == 3 && naive_group(match, RI_STR("r"))->n == 1);
    match->groups[0].turn = 41;
    ck_assert_ptr_eq(ri_match_cache_get(&cache, &interest, RI_STR("a.b")), match);
    ck_assert(match->groups[0].turn == 41 && cache.hits == 1 && cache.misses == 1);
    for (size_t i = 0; i < RI_LEN(e); i++) ri_interest_remove(&interest, &e[i]);
    match = ri_match_cache_get(&cache, &interest, RI_STR("a.b"));
    ck_assert(match && match->nplain == 0 && match->ngroups == 0);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

/* More names of groups than are told apart one by one. */
START_TEST(test_many_groups)
{
    enum { MANY = 3000, NAMES = 700 };
    fault f;
    fault_init(&f);
    ri_interest interest;
    ck_assert_ok(ri_interest_init(&interest, &f.host));
    static ri_interest_entry entries[MANY];
    static char names[NAMES][8];
    for (int i = 0; i < MANY; i++) {
        int name = i % NAMES;
        snprintf(names[name], sizeof names[name], "q%d", name);
        entries[i] = (ri_interest_entry){.subject = i & 1 ? RI_STR("x.y") : RI_STR("x.*"),
                                         .queue = ri_str_of(names[name])};
        ck_assert_ok(ri_interest_add(&interest, &entries[i]));
    }
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    const ri_match *match = ri_match_cache_get(&cache, &interest, RI_STR("x.y"));
    ck_assert(match && match->nplain == 0 && match->ngroups == NAMES);
    uint32_t members = 0;
    for (uint32_t g = 0; g < match->ngroups; g++) {
        members += match->groups[g].n;
        for (uint32_t i = 0; i < match->groups[g].n; i++)
            ck_assert(ri_str_eq(match->groups[g].members[i]->queue, match->groups[g].queue));
    }
    ck_assert_uint_eq(members, MANY);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

/* Changes elsewhere leave an answer where it is; a change here does not. */
START_TEST(test_churn)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ck_assert_ok(ri_interest_init(&interest, &f.host));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    ri_match_cache_get(&cache, &interest, RI_STR("orders.eu"));
    size_t kept = 0;
    for (int i = 0; i < 1000; i++) {
        char inbox[32];
        snprintf(inbox, sizeof inbox, "_INBOX.%d.*", i);
        ri_interest_entry e = {.subject = ri_str_of(inbox)};
        uint64_t hits = cache.hits;
        ck_assert_ok(ri_interest_add(&interest, &e));
        const ri_match *match = ri_match_cache_get(&cache, &interest, RI_STR("orders.eu"));
        ck_assert(match && match->nplain == 0);
        kept += cache.hits > hits;
        ri_interest_remove(&interest, &e);
    }
    ck_assert_uint_gt(kept, 980); /* the rest meets in a bucket */
    ri_interest_entry e = {.subject = RI_STR("orders.*")};
    ck_assert_ok(ri_interest_add(&interest, &e));
    const ri_match *match = ri_match_cache_get(&cache, &interest, RI_STR("orders.eu"));
    ck_assert(match && match->nplain == 1 && match->plain[0] == &e);
    ri_interest_remove(&interest, &e);
    match = ri_match_cache_get(&cache, &interest, RI_STR("orders.eu"));
    ck_assert(match && match->nplain == 0);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

/* What is used survives a flood of what is not. */
START_TEST(test_eviction)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ck_assert_ok(ri_interest_init(&interest, &f.host));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 100, 0);
    uint64_t misses = 0;
    for (int i = 0; i < 5000; i++) {
        char flood[32];
        int len = snprintf(flood, sizeof flood, "flood.%d", i);
        ck_assert_ptr_nonnull(ri_match_cache_get(&cache, &interest, (ri_str){flood, (size_t)len}));
        uint64_t before = cache.misses;
        ck_assert_ptr_nonnull(ri_match_cache_get(&cache, &interest, RI_STR("hot")));
        misses += cache.misses - before;
        ck_assert_uint_le(cache.len, 100);
    }
    ck_assert_uint_eq(misses, 1);
    ri_match_cache_clear(&cache);
    ck_assert(cache.len == 0 && cache.bytes == 0);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

/* Under every failing allocation an answer is right or NULL. */
static int ask(fault *f, void *arg)
{
    (void)arg;
    ri_interest interest;
    ri_match_cache cache;
    rng r;
    rng_init(&r, 5);
    population = (naive){.interest = &interest};
    ri_match_cache_init(&cache, &f->host, 20, 0);
    int rc = ri_interest_init(&interest, &f->host);
    for (int turn = 0; turn < 150 && rc >= 0; turn++) {
        rc = naive_toggle(&population, choose(&r, NAIVE_SUBS), choose, &r);
        char text[NAIVE_TEXT];
        ri_str subject = {text, naive_subject(text, false, choose, &r)};
        const ri_match *match = ri_match_cache_get(&cache, &interest, subject);
        if (!match) rc = RILL_ENOMEM;
        else ck_assert_ptr_null(naive_check(&population, match, subject));
    }
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    return rc;
}

/* A table of answers that cannot grow is no reason to fail. */
static int ask_many(fault *f, void *arg)
{
    (void)arg;
    ri_interest interest;
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f->host, 0, 0);
    size_t nulls = 0;
    if (ri_interest_init(&interest, &f->host) < 0) return RILL_ENOMEM;
    for (int i = 0; i < 40; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "s.%d", i % 20);
        nulls += ri_match_cache_get(&cache, &interest, (ri_str){text, (size_t)len}) == NULL;
    }
    ck_assert_uint_le(nulls, 1);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    return f->failed ? RILL_ENOMEM : RILL_OK;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(ask, NULL), 20);
    ck_assert_uint_gt(fault_each(ask_many, NULL), 20);
}
END_TEST

SUITE_MAIN("match_cache", test_against_naive, test_groups, test_many_groups, test_churn,
           test_eviction, test_faults)
