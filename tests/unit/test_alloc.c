/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

START_TEST(test_host)
{
    ri_host host;
    ri_host_init(&host, NULL); /* the C library's */
    char *p = ri_calloc(&host, 100);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(p[i], 0);
    memset(p, 'x', 100);
    p = ri_realloc(&host, p, 100, 1000);
    ck_assert_int_eq(p[99], 'x');
    ri_free(&host, p, 1000);
    ri_free(&host, NULL, 0);
    ck_assert_ptr_null(ri_alloc(&host, 0));
    ck_assert_int_gt(ri_wall_ns(&host), 1500000000 * RI_SEC);
    int64_t before = ri_mono_ns(&host);
    ck_assert_int_ge(ri_mono_ns(&host), before);
    uint64_t a[2] = {0, 0};
    host.entropy(host.arg, a, sizeof a);
    ck_assert(a[0] != a[1]);
    ri_host_log(&host, RILL_INFO, "to %s", "nobody");

    fault f;
    fault_init(&f);
    rill_host only = {.size = sizeof only, .arg = &f, .mono_ns = f.hooks.mono_ns};
    ri_host_init(&host, &only); /* what is missing is filled */
    ck_assert_int_eq(ri_mono_ns(&host), f.now_ns);
    ri_free(&host, ri_alloc(&host, 10), 10);
    ck_assert_uint_eq(f.supply.calls, 0);
    char *copy = ri_strdup(&f.host, "text and more", 4);
    ck_assert_str_eq(copy, "text");
    ri_free(&f.host, copy, 5);
    fault_fini(&f);
}
END_TEST

START_TEST(test_refused)
{
    fault f;
    fault_init(&f);
    f.supply.fail_at = 2;
    f.supply.fail_after = true;
    char *p = ri_alloc(&f.host, 10);
    memcpy(p, "012345678", 10);
    ck_assert_ptr_null(ri_realloc(&f.host, p, 10, 20));
    ck_assert_str_eq(ri_err_text(), "out of memory: 20 bytes were asked for");
    ck_assert_str_eq(p, "012345678"); /* stays as it was */
    ck_assert_ptr_null(ri_strdup(&f.host, "x", 1));
    ck_assert_ptr_null(ri_calloc(&f.host, 8));
    ri_free(&f.host, p, 10);
    fault_fini(&f);
}
END_TEST

START_TEST(test_arena)
{
    rng r;
    rng_init(&r, rng_seed(1));
    fault f;
    fault_init(&f);
    ri_arena arena;
    ri_arena_init(&arena, &f.host);
    ck_assert_uint_eq(f.supply.calls, 0);
    static unsigned char *pieces[3000];
    static size_t sizes[3000];
    for (size_t i = 0; i < RI_LEN(pieces); i++) {
        sizes[i] = rng_below(&r, i % 100 ? 40 : 9000);
        pieces[i] = ri_arena_alloc(&arena, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < RI_LEN(pieces); i++) { /* none overlaps another */
        for (size_t k = 0; k < sizes[i]; k++) {
            if (pieces[i][k] != (i & 0xff)) ck_abort_msg("piece %zu at %zu", i, k);
        }
    }
    ck_assert_uint_eq(arena.bytes, f.supply.bytes);
    ck_assert_str_eq(ri_arena_copy(&arena, "copied", 4), "copi");
    ri_arena_fini(&arena);
    ck_assert_uint_eq(f.supply.bytes, 0);
    ck_assert_str_eq(ri_arena_copy(&arena, "", 0), ""); /* usable again */
    ri_arena_fini(&arena);
    fault_fini(&f);
}
END_TEST

static int body(fault *f, void *arg)
{
    (void)arg;
    ri_arena arena;
    ri_arena_init(&arena, &f->host);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++) {
        size_t before = arena.bytes;
        rc = ri_arena_alloc(&arena, 500) ? 0 : RILL_ENOMEM;
        if (rc < 0) ck_assert_uint_eq(arena.bytes, before);
    }
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 5);
}
END_TEST

/* The pages of what is about to be freed are gone, and it can be written again. */
START_TEST(test_give_back)
{
    enum { PAGES = 16 };
    ri_host host;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PAGES * page;
    unsigned char there[PAGES] = {0};
    ri_host_init(&host, NULL);
    char *p = ri_alloc(&host, size);
    ck_assert_ptr_nonnull(p);
    char *from = p + (page - (uintptr_t)p % page) % page;
    memset(p, 1, size);
    ck_assert_int_eq(mincore(from, size - 2 * page, there), 0);
    for (int i = 0; i < PAGES - 2; i++) ck_assert(there[i] & 1);
    ri_host_give_back(&host, p, size);
    ck_assert_int_eq(mincore(from, size - 2 * page, there), 0);
    for (int i = 0; i < PAGES - 2; i++) ck_assert(!(there[i] & 1));
    memset(p, 2, size);
    ri_host_give_back(&host, p, page - 1); /* no page is whole */
    ck_assert_int_eq(p[page - 2], 2);
    ri_host_give_back(&host, NULL, 0);
    ri_free(&host, p, size);
}
END_TEST

SUITE_MAIN("alloc", test_host, test_refused, test_arena, test_faults, test_give_back)
