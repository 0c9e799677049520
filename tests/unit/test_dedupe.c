/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "store/memory/dedupe.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_dedupe d;

static void begin(ri_dedupe_opts opts)
{
    fault_init(&f);
    ri_dedupe_init(&d, &f.host, &opts);
}

static void end(void)
{
    ri_dedupe_fini(&d);
    fault_fini(&f);
}

static uint64_t find(const char *id, int64_t now_ns) /* 0: not known */
{
    uint64_t seq = 0;
    return ri_dedupe_find(&d, ri_str_of(id), now_ns, &seq) ? seq : 0;
}

START_TEST(test_window)
{
    begin((ri_dedupe_opts){.window_ns = 100});
    ck_assert_int_eq(ri_dedupe_expire(&d, 0), INT64_MAX);
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("a"), 1, 1000));
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("b"), 2, 1050));
    ck_assert_ok(ri_dedupe_add(&d, RI_STR(""), 3, 1010)); /* the clock went back */
    ck_assert_uint_eq(find("a", 1099), 1);
    ck_assert_uint_eq(find("a", 1100), 0); /* aged, though still here */
    ck_assert_uint_eq(find("b", 1100), 2);
    ck_assert_uint_eq(find("", 1149), 3);
    ck_assert_uint_eq(find("c", 1000), 0);
    ck_assert_uint_eq(find("a", 500), 1); /* nor is it forgotten early */
    ck_assert_uint_eq(d.duplicates, 4);
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("a"), 4, 1120)); /* again, before the old one left */
    ck_assert_uint_eq(d.count, 3);
    ck_assert_int_eq(ri_dedupe_expire(&d, 1120), 1150);
    ck_assert_uint_eq(d.count, 3);
    ck_assert_uint_eq(find("a", 1130), 4);
    ck_assert_int_eq(ri_dedupe_expire(&d, 1150), 1220);
    ck_assert_uint_eq(d.count, 1);
    ri_dedupe_forget(&d, RI_STR("a"));
    ri_dedupe_forget(&d, RI_STR("a"));
    ck_assert_uint_eq(find("a", 1130), 0);
    ck_assert_int_eq(ri_dedupe_expire(&d, 1130), INT64_MAX); /* what was taken back leaves too */
    ck_assert_uint_eq(d.bytes, 0);
    end();
}
END_TEST

START_TEST(test_off)
{
    begin((ri_dedupe_opts){0});
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("a"), 1, 1000));
    ck_assert_uint_eq(find("a", 1000), 0);
    ck_assert_uint_eq(f.supply.calls, 0);
    end();
}
END_TEST

START_TEST(test_bounds)
{
    begin((ri_dedupe_opts){.window_ns = 100, .max_count = 3});
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("a"), 1, 0));
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("b"), 2, 0));
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("c"), 3, 50));
    ck_assert_rc(ri_dedupe_add(&d, RI_STR("d"), 4, 60), RILL_EFULL);
    ck_assert_uint_eq(d.refused, 1);
    ck_assert_uint_eq(find("a", 60), 1); /* nothing was forgotten for it */
    ck_assert_int_eq(ri_dedupe_expire(&d, 100), 150);
    ck_assert_ok(ri_dedupe_add(&d, RI_STR("d"), 4, 100));
    end();

    begin((ri_dedupe_opts){.window_ns = 100, .max_bytes = 3000});
    char id[300];
    memset(id, 'i', sizeof id);
    int rc = 0;
    uint64_t seq = 1;
    for (; rc == 0; seq++) {
        id[0] = (char)seq;
        rc = ri_dedupe_add(&d, (ri_str){id, sizeof id}, seq, 0);
    }
    ck_assert_int_eq(rc, RILL_EFULL);
    ck_assert_uint_ge(seq, 4);
    ck_assert_uint_le(d.bytes, 3000);
    ri_dedupe_configure(&d, &(ri_dedupe_opts){.window_ns = 100});
    ck_assert_ok(ri_dedupe_add(&d, (ri_str){id, sizeof id}, seq, 0));
    static char big[RI_DEDUPE_ID_MAX + 1];
    ck_assert_rc(ri_dedupe_add(&d, (ri_str){big, sizeof big}, seq, 0), RILL_ETOOBIG);
    ck_assert_ok(ri_dedupe_add(&d, (ri_str){big, sizeof big - 1}, seq, 0));
    end();
}
END_TEST

/* At a bound, the oldest leave, and are counted; what is known is the newest. */
START_TEST(test_forgets)
{
    char id[16];
    begin((ri_dedupe_opts){.window_ns = 1000, .max_count = 100, .forget = true});
    for (uint64_t seq = 1; seq <= 10000; seq++) {
        int len = snprintf(id, sizeof id, "%llu", (unsigned long long)seq);
        ck_assert_ok(ri_dedupe_add(&d, (ri_str){id, (size_t)len}, seq, (int64_t)(seq / 100)));
        ck_assert_uint_le(d.count, 100);
        ck_assert_uint_eq(d.count + d.forgotten, seq);
        ck_assert_uint_eq(find(id, 100), seq);
    }
    ck_assert_uint_eq(find("1", 100), 0);
    ck_assert_uint_eq(d.refused, 0);
    end();

    begin((ri_dedupe_opts){.window_ns = 1000, .max_bytes = 20000, .forget = true});
    static char big[1000];
    memset(big, 'i', sizeof big);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        big[seq % 50] = (char)('a' + seq % 19); /* some come again before they are forgotten */
        uint64_t before = d.count + d.forgotten, known;
        ck_assert_ok(ri_dedupe_add(&d, (ri_str){big, sizeof big}, seq, 1));
        ck_assert_uint_le(d.bytes, 20000);
        ck_assert_uint_le(d.count + d.forgotten, before + 1);
        ck_assert(ri_dedupe_find(&d, (ri_str){big, sizeof big}, 1, &known));
        ck_assert_uint_eq(known, seq);
    }
    ck_assert_uint_gt(d.forgotten, 800);
    static char huge[30000];
    ck_assert_rc(ri_dedupe_add(&d, (ri_str){huge, sizeof huge}, 2000, 1), RILL_EFULL);
    end();
}
END_TEST

/* Against a table of times. */
START_TEST(test_random)
{
    enum { IDS = 500, WINDOW = 1000 };
    begin((ri_dedupe_opts){.window_ns = WINDOW});
    rng r;
    rng_init(&r, rng_seed(1));
    int64_t added[IDS], now = 0;
    uint64_t seqs[IDS];
    for (int i = 0; i < IDS; i++) added[i] = -10 * WINDOW;
    for (uint64_t step = 1; step < 40000; step++) {
        now += (int64_t)rng_below(&r, 5);
        size_t i = rng_below(&r, IDS);
        char id[40];
        ri_str name = {id, (size_t)sprintf(id, "%zu%.*s", i, (int)(i % 30),
                                           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")};
        uint64_t seq = 0;
        int known = ri_dedupe_find(&d, name, now, &seq);
        ck_assert_int_eq(known, now - added[i] < WINDOW);
        if (known) ck_assert_uint_eq(seq, seqs[i]);
        if (!known) {
            ck_assert_ok(ri_dedupe_add(&d, name, step, now));
            added[i] = now;
            seqs[i] = step;
        } else if (rng_below(&r, 10) == 0) {
            ri_dedupe_forget(&d, name);
            added[i] = -10 * WINDOW;
        }
        if (rng_below(&r, 50) == 0) {
            int64_t next = ri_dedupe_expire(&d, now);
            ck_assert_int_gt(next, now);
            uint64_t count = 0;
            for (int k = 0; k < IDS; k++) count += now - added[k] < WINDOW;
            ck_assert_uint_eq(d.count, count);
        }
    }
    ck_assert_int_eq(ri_dedupe_expire(&d, now + WINDOW), INT64_MAX);
    ck_assert_uint_eq(d.bytes, 0);
    end();
}
END_TEST

static int body(fault *at, void *arg)
{
    (void)arg;
    ri_dedupe dd;
    ri_dedupe_init(&dd, &at->host, &(ri_dedupe_opts){.window_ns = 10});
    char id[] = "id 000";
    int rc = 0;
    uint64_t n = 0;
    for (; n < 200 && rc == 0; n++) {
        id[3] = (char)('0' + n / 26);
        id[4] = (char)('a' + n % 26);
        rc = ri_dedupe_add(&dd, RI_STR(id), n + 1, 5);
        uint64_t seq;
        ck_assert_int_eq(ri_dedupe_find(&dd, RI_STR(id), 5, &seq), rc == 0);
        ck_assert_uint_eq(dd.count, n + (rc == 0));
    }
    ck_assert_int_eq(ri_dedupe_expire(&dd, 15), INT64_MAX);
    ri_dedupe_fini(&dd);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 5);
}
END_TEST

typedef struct each_seen {
    uint64_t seqs[64];
    size_t len;
} each_seen;

static void each_see(void *arg, ri_str id, uint64_t seq, int64_t time_ns)
{
    each_seen *seen = arg;
    char want[200];
    int len = snprintf(want, sizeof want, "id-%u-%060u", (unsigned)seq, (unsigned)seq);
    ck_assert_span(id, want);
    ck_assert_int_eq(time_ns, (int64_t)seq * 10);
    ck_assert_int_gt(len, 0);
    seen->seqs[seen->len++] = seq;
}

/* Over several blocks, with some taken back and some that have left. */
START_TEST(test_each_in_spans)
{
    begin((ri_dedupe_opts){.window_ns = 100000});
    for (unsigned i = 1; i <= 3000; i++) {
        char id[200];
        int len = snprintf(id, sizeof id, "id-%u-%060u", i, i);
        ck_assert_ok(ri_dedupe_add(&d, (ri_str){id, (size_t)len}, i, i * 10));
        if (i == 701) ri_dedupe_forget(&d, (ri_str){id, (size_t)len});
    }
    ri_dedupe_expire(&d, 100000 + 5000); /* the first 500 leave */
    const ri_dedupe_span spans[] = {{1, 499}, {498, 502}, {700, 702}, {1500, 1500}, {2999, 5000}};
    static const uint64_t want[] = {501, 502, 700, 702, 1500, 2999, 3000};
    each_seen seen = {.len = 0};
    ri_dedupe_each(&d, spans, RI_LEN(spans), each_see, &seen);
    ck_assert_uint_eq(seen.len, RI_LEN(want));
    for (size_t i = 0; i < RI_LEN(want); i++) ck_assert_uint_eq(seen.seqs[i], want[i]);
    seen.len = 0;
    ri_dedupe_each(&d, spans, 0, each_see, &seen);
    ri_dedupe_each(&d, &(ri_dedupe_span){5000, 6000}, 1, each_see, &seen);
    ck_assert_uint_eq(seen.len, 0);
    end();
}
END_TEST

SUITE_MAIN("dedupe", test_window, test_each_in_spans, test_off, test_bounds, test_forgets,
           test_random, test_faults)
