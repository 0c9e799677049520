/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "front/peer_nats/nats_pool.h"
#include "support/fault.h"
#include "support/suite.h"

static void begin(ri_nats_pool *pool, fault *f, const char *text, bool fixed)
{
    ri_url url;
    ck_assert_ok(ri_url_parse(&url, &f->host, text));
    ck_assert_ok(ri_nats_pool_init(pool, &f->host, &url, fixed));
    ri_url_fini(&url);
    pool->first_ns = 100;
    pool->most_ns = 800;
}

/* The next `n`, with a bar where a pause is. */
static const char *next(ri_nats_pool *pool, int n, int64_t *last_pause)
{
    static char out[256];
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        int64_t pause;
        const ri_nats_pool_server *server = ri_nats_pool_next(pool, &pause);
        if (pause && last_pause) *last_pause = pause;
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", pause ? "|" : "",
                 server ? server->host : "-");
    }
    return out;
}

START_TEST(rounds)
{
    fault f;
    ri_nats_pool pool;
    fault_init(&f);
    begin(&pool, &f, "nats://a,b:1,c,a", true);
    ck_assert_str_eq(next(&pool, 7, NULL), "abc|abc|a");
    ri_nats_pool_up(&pool);
    ri_nats_pool_stood(&pool); /* at a; it is lost, the others first */
    ck_assert_str_eq(next(&pool, 4, NULL), "bc|ab");
    ck_assert(!ri_nats_pool_is_round(&pool));
    ri_nats_pool_fini(&pool);
    fault_fini(&f);
}
END_TEST

START_TEST(pauses)
{
    static const int64_t want[] = {100, 200, 400, 800, 800, 800};
    fault f;
    ri_nats_pool pool;
    int64_t pause = 0, least = INT64_MAX, most = 0;
    fault_init(&f);
    begin(&pool, &f, "nats://a", false);
    ck_assert_str_eq(next(&pool, 1, NULL), "a");
    for (size_t i = 0; i < RI_LEN(want); i++) {
        next(&pool, 1, &pause);
        ck_assert_int_ge(pause, want[i] * 8 / 10);
        ck_assert_int_le(pause, want[i] * 12 / 10);
    }
    for (int i = 0; i < 200; i++) {
        next(&pool, 1, &pause);
        least = RI_MIN(least, pause);
        most = RI_MAX(most, pause);
    }
    ck_assert_int_lt(least, 700); /* dice, not one number */
    ck_assert_int_gt(most, 900);
    ri_nats_pool_up(&pool); /* and does not keep us */
    next(&pool, 1, &pause);
    ck_assert_int_gt(pause, 120);
    ri_nats_pool_up(&pool);
    ri_nats_pool_stood(&pool);
    next(&pool, 1, &pause);
    ck_assert_int_le(pause, 120);
    ri_nats_pool_fini(&pool);
    fault_fini(&f);
}
END_TEST

static void learn(ri_nats_pool *pool, int n, const char *const *texts)
{
    ri_str items[8];
    for (int i = 0; i < n; i++) items[i] = ri_str_of(texts[i]);
    ck_assert_ok(ri_nats_pool_learn(pool, &(ri_str_list){items, (uint32_t)n}));
}

START_TEST(discovery)
{
    fault f;
    ri_nats_pool pool;
    char text[64];
    fault_init(&f);
    begin(&pool, &f, "nats://u:p@a", false);
    next(&pool, 1, NULL);
    ri_nats_pool_up(&pool);
    ck_assert(!ri_nats_pool_has_other(&pool));
    learn(&pool, 7, (const char *[]){"a:4222", "b:4222", "nonsense", "c:0", "c:70000", "c:",
                                     "[::1]:7"});
    ck_assert_uint_eq(pool.len, 3);
    ck_assert(ri_nats_pool_has_other(&pool));
    next(&pool, 1, NULL);
    ck_assert_str_ne(ri_nats_pool_current(&pool)->host, "a");
    ck_assert_str_eq(ri_nats_pool_login(&pool)->user, "u");
    while (strcmp(ri_nats_pool_current(&pool)->host, "::1") != 0) next(&pool, 1, NULL);
    ri_nats_pool_write(&pool, ri_nats_pool_current(&pool), text, sizeof text);
    ck_assert_str_eq(text, "nats://[::1]:7");
    learn(&pool, 1, (const char *[]){"d:4222"}); /* b goes, the current one stays, a is the URL's */
    ck_assert_uint_eq(pool.len, 3);
    ck_assert_str_eq(ri_nats_pool_current(&pool)->host, "::1");
    learn(&pool, 0, NULL); /* a server that says nothing of others takes nothing back */
    ck_assert_uint_eq(pool.len, 3);
    ri_nats_pool_fini(&pool);
    begin(&pool, &f, "nats://a", true);
    next(&pool, 1, NULL);
    learn(&pool, 1, (const char *[]){"d:4222"});
    ck_assert_uint_eq(pool.len, 1);
    ri_nats_pool_fini(&pool);
    fault_fini(&f);
}
END_TEST

START_TEST(bounds)
{
    fault f;
    ri_nats_pool pool;
    ri_str items[2000];
    char texts[2000][16];
    fault_init(&f);
    begin(&pool, &f, "nats://a", false);
    next(&pool, 1, NULL);
    for (int i = 0; i < 2000; i++) {
        snprintf(texts[i], sizeof texts[i], "h%d:1", i);
        items[i] = ri_str_of(texts[i]);
    }
    ck_assert_ok(ri_nats_pool_learn(&pool, &(ri_str_list){items, 2000}));
    ck_assert_uint_eq(pool.len, RI_NATS_POOL_MAX);
    ri_nats_pool_fini(&pool);
    fault_fini(&f);
}
END_TEST

START_TEST(refusals)
{
    fault f;
    ri_nats_pool pool;
    int64_t pause;
    fault_init(&f);
    begin(&pool, &f, "nats://a,b", true);
    for (int i = 0; i < 4; i++) { /* a, b, a, b */
        ck_assert_ptr_nonnull(ri_nats_pool_next(&pool, &pause));
        ri_nats_pool_refused(&pool);
    }
    ck_assert_ptr_null(ri_nats_pool_next(&pool, &pause));
    ri_nats_pool_fini(&pool);
    begin(&pool, &f, "nats://a,b", true);
    ri_nats_pool_next(&pool, &pause);
    ri_nats_pool_refused(&pool);
    ri_nats_pool_next(&pool, &pause);
    ri_nats_pool_next(&pool, &pause); /* a again; now it serves us */
    ri_nats_pool_up(&pool);
    ri_nats_pool_refused(&pool);
    ck_assert(!ri_nats_pool_current(&pool)->barred);
    ri_nats_pool_fini(&pool);
    fault_fini(&f);
}
END_TEST

static int scarce_body(fault *f, void *arg)
{
    (void)arg;
    ri_url url;
    ri_nats_pool pool = {0};
    ri_str items[] = {RI_STR("b:1"), RI_STR("c:1"), RI_STR("d:1"), RI_STR("e:1"), RI_STR("f:1")};
    int rc = ri_url_parse(&url, &f->host, "nats://u:p@a,t@b");
    if (rc < 0) return rc;
    int64_t pause;
    rc = ri_nats_pool_init(&pool, &f->host, &url, false);
    if (rc == RILL_OK) ri_nats_pool_next(&pool, &pause);
    if (rc == RILL_OK) rc = ri_nats_pool_learn(&pool, &(ri_str_list){items, RI_LEN(items)});
    ri_nats_pool_fini(&pool);
    ri_url_fini(&url);
    return rc;
}

START_TEST(scarce)
{
    ck_assert_uint_gt(fault_each(scarce_body, NULL), 5);
}
END_TEST

SUITE_MAIN("nats_pool", rounds, pauses, discovery, bounds, refusals, scarce)
