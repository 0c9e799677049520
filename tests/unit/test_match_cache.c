/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/hash.h"
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
    ri_interest_init(&interest, &f.host);
    population = (naive){.interest = &interest};
    ri_match_cache caches[4];
    ri_match_cache_init(&caches[0], &f.host, 0, 0);
    ri_match_cache_init(&caches[1], &f.host, 10, 0);
    ri_match_cache_init(&caches[2], &f.host, 0, 4000);
    ri_match_cache_init(&caches[3], &f.host, 1, 1);
    caches[1].patience = 0;
    size_t matched = 0, stems = 0;
    for (int turn = 0; turn < 30000; turn++) {
        if (rng_below(&r, 8) == 0)
            ck_assert_ok(naive_toggle(&population, choose(&r, NAIVE_SUBS), choose, &r));
        char text[NAIVE_TEXT];
        ri_str subject = {text, naive_subject(text, false, choose, &r)};
        ri_match_cache *cache = &caches[rng_below(&r, RI_LEN(caches))];
        if (rng_below(&r, 2)) { /* ahead of it, or not; it changes nothing */
            ri_match_cache_fetch(cache, &interest, ri_hash(subject));
            ri_match_cache_fetch_more(cache, &interest, ri_hash(subject));
        }
        const ri_match *match = ri_match_cache_get(cache, &interest, subject);
        ck_assert_ptr_nonnull(match);
        const char *wrong = naive_check(&population, match, subject);
        ck_assert_msg(!wrong, "%s: %s (seed %llu, turn %d)", text, wrong, (unsigned long long)seed,
                      turn);
        matched += match->nplain + match->ngroups;
        stems += cache->stem != NULL;
        ck_assert(cache->len <= cache->max_entries && cache->bytes <= cache->max_bytes);
    }
    ck_assert_uint_gt(matched, 20000);
    ck_assert(caches[0].hits > 300 && caches[3].len == 0 && stems > 1000);
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
    ri_interest_init(&interest, &f.host);
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
    ri_interest_init(&interest, &f.host);
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
    ri_interest_init(&interest, &f.host);
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

/* What is asked for once is not remembered; what is asked for again is, unless it is found as
 * fast without. */
START_TEST(test_once)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    ri_interest_entry literal = {.subject = RI_STR("a.b")}, filter = {.subject = RI_STR("x.*")};
    ck_assert_ok(ri_interest_add(&interest, &literal));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    cache.patience = UINT32_MAX; /* no stems */
    for (int wild = 0; wild < 2; wild++) {
        if (wild) ck_assert_ok(ri_interest_add(&interest, &filter));
        for (int i = 0; i < 100000; i++) {
            char once[32];
            int len = snprintf(once, sizeof once, "once.%d", i);
            const ri_match *match = ri_match_cache_get(&cache, &interest,
                                                       (ri_str){once, (size_t)len});
            ck_assert(match && match->nplain == 0);
        }
        ck_assert_uint_lt(cache.len, 200); /* marks that happen to be equal */
        size_t before = cache.len;
        for (int i = 0; i < 2; i++) {
            const ri_match *match = ri_match_cache_get(&cache, &interest, RI_STR("a.b"));
            ck_assert(match && match->nplain == 1 && match->plain[0] == &literal);
            match = ri_match_cache_get(&cache, &interest, RI_STR("x.y"));
            ck_assert(match && match->nplain == (uint32_t)wild);
        }
        ck_assert_uint_eq(cache.len, before + (wild ? 2 : 0));
    }
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
    ri_interest_entry filter = {.subject = RI_STR("x.*")}; /* with one, answers are remembered */
    ri_interest_init(&interest, &f.host);
    ck_assert_ok(ri_interest_add(&interest, &filter));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 100, 0);
    cache.patience = UINT32_MAX; /* no stems */
    uint64_t misses = 0;
    for (int i = 0; i < 5000; i++) {
        char flood[32];
        int len = snprintf(flood, sizeof flood, "flood.%d", i);
        for (int twice = 0; twice < 2; twice++)
            ck_assert_ptr_nonnull(ri_match_cache_get(&cache, &interest,
                                                     (ri_str){flood, (size_t)len}));
        uint64_t before = cache.misses;
        ck_assert_ptr_nonnull(ri_match_cache_get(&cache, &interest, RI_STR("hot")));
        misses += cache.misses - before;
        ck_assert_uint_le(cache.len, 100);
    }
    ck_assert_uint_le(misses, 6); /* until it is known to be wanted again; the door grows, too */
    ck_assert_uint_gt(cache.len, 90);
    ri_match_cache_clear(&cache);
    ck_assert(cache.len == 0 && cache.bytes == 0);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

static const ri_match *ask_for(ri_match_cache *cache, const ri_interest *interest,
                               const char *subject)
{
    const ri_match *match = ri_match_cache_get(cache, interest, ri_str_of(subject));
    ck_assert_ptr_nonnull(match);
    return match;
}

static void check_one(ri_match_cache *cache, const ri_interest *interest, const char *subject,
                      const ri_interest_entry *entry)
{
    const ri_match *match = ask_for(cache, interest, subject);
    ck_assert_uint_eq(match->nplain, 1);
    ck_assert_ptr_eq(match->plain[0], entry);
}

/* Subjects that never come twice share an answer, which does not stand in the way of any other. */
START_TEST(test_stems)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    ri_interest_entry one = {.subject = RI_STR("_INBOX.a.*")},
        two = {.subject = RI_STR("_INBOX.b.*")};
    ri_interest_entry acks = {.subject = RI_STR("$JS.ACK.>")}, all = {.subject = RI_STR("js.>")};
    ri_interest_entry *entries[] = {&one, &two, &acks, &all};
    for (size_t i = 0; i < RI_LEN(entries); i++)
        ck_assert_ok(ri_interest_add(&interest, entries[i]));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    for (int i = 0; i < 1000; i++) {
        char text[64];
        const char *formats[] = {"_INBOX.a.%d", "_INBOX.b.%d", "$JS.ACK.S.C.1.%d.7.8.9", "js.x%d"};
        for (size_t k = 0; k < RI_LEN(formats); k++) {
            snprintf(text, sizeof text, formats[k], i);
            check_one(&cache, &interest, text, entries[k]);
        }
    }
    ck_assert_uint_eq(cache.misses, RI_LEN(entries) * 257); /* 256 of each kind one by one */
    ck_assert(cache.len < 10 && cache.hits == 4000 - cache.misses);
    /* One token more or less, or an empty one, is another matter. */
    const char *none[] = {"_INBOX.a", "_INBOX.a.", "_INBOX.a.1.2", "_INBOX..1",
                          "$JS.ACK.S.C.1.2..8.9"};
    for (size_t i = 0; i < RI_LEN(none); i++)
        ck_assert_uint_eq(ask_for(&cache, &interest, none[i])->nplain, 0);
    /* Somebody listens to one of them, too. */
    ri_interest_entry literal = {.subject = RI_STR("_INBOX.a.5000")};
    ck_assert_ok(ri_interest_add(&interest, &literal));
    ck_assert_uint_eq(ask_for(&cache, &interest, "_INBOX.a.5000")->nplain, 2);
    check_one(&cache, &interest, "_INBOX.a.6000", &one);
    ri_interest_remove(&interest, &literal);
    check_one(&cache, &interest, "_INBOX.a.5000", &one);
    /* A filter that looks further. */
    ri_interest_entry further = {.subject = RI_STR("js.x5001.*")};
    ck_assert_ok(ri_interest_add(&interest, &further));
    check_one(&cache, &interest, "js.x5001", &all);
    ck_assert_uint_eq(ask_for(&cache, &interest, "js.x5001.y")->nplain, 2);
    check_one(&cache, &interest, "js.x5002.y", &all);
    ck_assert_uint_eq(ask_for(&cache, &interest, "js.x5001.z")->nplain, 2);
    ri_interest_entry across = {.subject = RI_STR("*.a.7000")};
    ck_assert_ok(ri_interest_add(&interest, &across));
    ck_assert_uint_eq(ask_for(&cache, &interest, "_INBOX.a.7000")->nplain, 2);
    check_one(&cache, &interest, "_INBOX.a.8000", &one);
    ri_match_cache_clear(&cache);
    ck_assert(cache.bytes == 0 && cache.len == 0);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    fault_fini(&f);
}
END_TEST

/* Other clients come and go: an inbox's stem stays right, and is not made anew. */
START_TEST(test_stem_churn)
{
    fault f;
    fault_init(&f);
    ri_interest interest;
    ri_interest_init(&interest, &f.host);
    ri_interest_entry mine = {.subject = RI_STR("_INBOX.mine.*")};
    ck_assert_ok(ri_interest_add(&interest, &mine));
    ri_match_cache cache;
    ri_match_cache_init(&cache, &f.host, 0, 0);
    uint64_t kept = 0;
    for (int i = 0; i < 1300; i++) {
        char inbox[32], reply[32];
        snprintf(inbox, sizeof inbox, "_INBOX.%d.*", i);
        snprintf(reply, sizeof reply, "_INBOX.mine.%d", i);
        ri_interest_entry e = {.subject = ri_str_of(inbox)};
        uint64_t misses = cache.misses;
        ck_assert_ok(ri_interest_add(&interest, &e));
        check_one(&cache, &interest, reply, &mine);
        ri_interest_remove(&interest, &e);
        kept += cache.misses == misses;
    }
    ck_assert_uint_gt(kept, 980);
    ri_interest_remove(&interest, &mine);
    ck_assert_uint_eq(ask_for(&cache, &interest, "_INBOX.mine.1")->nplain, 0);
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
    cache.patience = 0;
    int rc = RILL_OK;
    ri_interest_init(&interest, &f->host);
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
    ri_interest_entry filter = {.subject = RI_STR("x.*")};
    ri_interest_init(&interest, &f->host);
    bool added = ri_interest_add(&interest, &filter) == RILL_OK;
    for (int i = 0; i < 60 && added; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "s.%d", i % 20);
        nulls += ri_match_cache_get(&cache, &interest, (ri_str){text, (size_t)len}) == NULL;
    }
    ck_assert_uint_le(nulls, 1);
    ri_match_cache_fini(&cache);
    ri_interest_fini(&interest);
    return f->supply.failed ? RILL_ENOMEM : RILL_OK;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(ask, NULL), 20);
    ck_assert_uint_gt(fault_each(ask_many, NULL), 20);
}
END_TEST

SUITE_MAIN("match_cache", test_against_naive, test_groups, test_many_groups, test_churn,
           test_once, test_eviction, test_stems, test_stem_churn, test_faults)
