/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"
#include "base/error.h"
#include "support/suite.h"

START_TEST(test_turn)
{
    ri_budget b;
    ri_budget_init(&b);
    ri_budget_open(&b);
    ck_assert(ri_budget_left(&b));
    ck_assert(ri_budget_spend(&b, RI_BUDGET_TURN - 1));
    ck_assert(!ri_budget_spend(&b, 1));
    ck_assert(!ri_budget_spend(&b, 500)); /* a step is not divided */
    ri_budget_close(&b);
    ck_assert_uint_eq(b.turns, 1);
    ck_assert_uint_eq(b.longest, RI_BUDGET_TURN + 500);
    ck_assert_uint_eq(b.cut, 1);
    ri_budget_open(&b);
    ck_assert(ri_budget_spend(&b, 10));
    ri_budget_open(&b); /* closes the one before */
    ri_budget_close(&b);
    ri_budget_close(&b);
    ck_assert_uint_eq(b.turns, 3);
    ck_assert_uint_eq(b.spent, RI_BUDGET_TURN + 510);
    ck_assert_uint_eq(b.longest, RI_BUDGET_TURN + 500);
    ck_assert_uint_eq(b.cut, 1);
}
END_TEST

START_TEST(test_slices)
{
    ri_budget b;
    ri_budget_init(&b);
    ri_budget_open(&b);
    ri_budget_slice(&b, 100);
    ck_assert(ri_budget_spend(&b, 99));
    ck_assert(!ri_budget_spend(&b, 1));
    ri_budget_slice(&b, 100); /* the next asker */
    ck_assert(ri_budget_left(&b));
    ck_assert(!ri_budget_spend(&b, 300));
    ri_budget_whole(&b);
    ck_assert(ri_budget_left(&b));
    ri_budget_spend(&b, RI_BUDGET_TURN - 450);
    ri_budget_slice(&b, 100); /* no more than what is left of the turn */
    ck_assert(ri_budget_spend(&b, 49));
    ck_assert(!ri_budget_spend(&b, 1));
    ri_budget_open(&b);
    ck_assert_int_eq(b.floor, 0);
    ck_assert_int_eq(b.left, RI_BUDGET_TURN);
}
END_TEST

/* Who has a part of a turn has no more by what is sliced off it. */
START_TEST(test_part)
{
    ri_budget b;
    ri_budget_init(&b);
    ri_budget_open_part(&b, 2500);
    ri_budget_slice(&b, 100);
    ck_assert(!ri_budget_spend(&b, 100));
    ri_budget_whole(&b);
    ck_assert(ri_budget_spend(&b, 2399));
    ck_assert(!ri_budget_spend(&b, 1));
    ri_budget_close(&b);
    ck_assert_uint_eq(b.longest, 2500);
    ck_assert_uint_eq(b.cut, 1);
    b.limit = 1000;
    ri_budget_open_part(&b, 2500); /* no more than a turn has */
    ck_assert_int_eq(b.left, 1000);
    ri_budget_open(&b);
    ck_assert_int_eq(b.left, 1000);
}
END_TEST

/* What passes outside of a turn is no turn. */
START_TEST(test_outside)
{
    ri_budget b;
    ri_budget_init(&b);
    for (int i = 0; i < 100; i++) ri_budget_spend(&b, RI_BUDGET_TURN);
    ck_assert(!ri_budget_left(&b));
    ri_budget_open(&b);
    ck_assert(ri_budget_left(&b));
    ck_assert_uint_eq(b.longest, 0);
    ri_budget_close(&b);
    ck_assert_uint_eq(b.longest, 0);
    ck_assert_uint_eq(ri_budget_bytes(1000), 3);
}
END_TEST

SUITE_MAIN("budget", test_turn, test_slices, test_part, test_outside)
