/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/histogram.h"
#include "support/suite.h"

/* What is at a bound is below it, as Prometheus has it; the last bucket takes all the rest. */
START_TEST(test_bounds)
{
    ri_histogram h = {{0}, 0};
    ck_assert_int_eq(ri_histogram_bound_ns(0), 953);
    ck_assert_int_eq(ri_histogram_bound_ns(20), RI_SEC);
    ck_assert_int_eq(ri_histogram_bound_ns(RI_HISTOGRAM_BOUNDS - 1), 16 * RI_SEC);
    for (int i = 0; i < RI_HISTOGRAM_BOUNDS; i++) {
        ri_histogram_add(&h, ri_histogram_bound_ns(i));
        ck_assert_uint_eq(h.counts[i], i ? 2 : 1);
        ri_histogram_add(&h, ri_histogram_bound_ns(i) + 1);
        ck_assert_uint_eq(h.counts[i + 1], 1);
    }
    ri_histogram_add(&h, INT64_MAX);
    ck_assert_uint_eq(h.counts[RI_HISTOGRAM_BOUNDS], 2);
}
END_TEST

START_TEST(test_back)
{
    ri_histogram h = {{0}, 0};
    ri_histogram_add(&h, -RI_SEC);
    ck_assert_uint_eq(h.counts[0], 1);
    ck_assert_uint_eq(h.sum_ns, 0);
}
END_TEST

START_TEST(test_join)
{
    ri_histogram a = {{0}, 0}, b = {{0}, 0};
    for (int i = 0; i < 10; i++) ri_histogram_add(i % 2 ? &a : &b, i * RI_MS);
    ri_histogram all = a;
    ri_histogram_join(&all, &b);
    ck_assert_uint_eq(all.sum_ns, 45 * RI_MS);
    uint64_t n = 0;
    for (size_t i = 0; i < RI_LEN(all.counts); i++) {
        ck_assert_uint_eq(all.counts[i], a.counts[i] + b.counts[i]);
        n += all.counts[i];
    }
    ck_assert_uint_eq(n, 10);
}
END_TEST

START_TEST(test_sample)
{
    uint32_t left = 0;
    int taken = 0;
    ck_assert(ri_histogram_samples(&left));
    for (int i = 0; i < 100 * RI_HISTOGRAM_EVERY; i++) taken += ri_histogram_samples(&left);
    ck_assert_int_eq(taken, 100);
}
END_TEST

SUITE_MAIN("histogram", test_bounds, test_back, test_join, test_sample)
