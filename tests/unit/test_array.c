/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"
#include "base/error.h"
#include "support/fault.h"
#include "support/suite.h"

/* The host of a fault counts sizes: what is freed is what was taken. */
START_TEST(test_grows_and_keeps)
{
    fault f;
    fault_init(&f);
    uint64_t *items = NULL;
    uint32_t cap = 0, times = 0;
    for (uint32_t n = 0; n < 10000; n++) {
        uint32_t was = cap;
        ck_assert_ok(ri_array_reserve(&f.host, &items, &cap, n + 1, sizeof *items));
        times += cap != was;
        if (cap <= n) ck_abort_msg("%u are no room for %u", cap, n + 1);
        items[n] = n;
    }
    for (uint32_t n = 0; n < 10000; n++)
        if (items[n] != n) ck_abort_msg("item %u is lost", n);
    ck_assert_uint_le(times, 12); /* each time to twice as much */
    ri_free(&f.host, items, cap * sizeof *items);
    fault_fini(&f);
}
END_TEST

START_TEST(test_much_at_once)
{
    fault f;
    fault_init(&f);
    char *bytes = NULL;
    size_t cap = 0;
    ck_assert_ok(ri_array_reserve_long(&f.host, &bytes, &cap, 100000, 1));
    ck_assert_uint_eq(cap, 100000);
    ck_assert_ok(ri_array_reserve_long(&f.host, &bytes, &cap, 5, 1));
    ck_assert_uint_eq(cap, 100000);
    ri_free(&f.host, bytes, cap);
    fault_fini(&f);
}
END_TEST

static int grow_twice(fault *f, void *arg)
{
    (void)arg;
    uint32_t *items = NULL, cap = 0;
    int rc = ri_array_reserve(&f->host, &items, &cap, 1, sizeof *items);
    uint32_t *was = items, was_cap = cap;
    if (rc == RILL_OK) rc = ri_array_reserve(&f->host, &items, &cap, cap + 1, sizeof *items);
    if (rc < 0 && (items != was || cap != was_cap)) ck_abort_msg("a failure has changed it");
    ri_free(&f->host, items, cap * sizeof *items);
    return rc;
}

START_TEST(test_want_of_memory_changes_nothing)
{
    ck_assert_uint_eq(fault_each(grow_twice, NULL), 2);
}
END_TEST

SUITE_MAIN("array", test_grows_and_keeps, test_much_at_once, test_want_of_memory_changes_nothing)
