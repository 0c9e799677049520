/* SPDX-License-Identifier: Apache-2.0 */
/* Who is cut where a share of the memory is used up, and who is refused. */
#include "base/claim.h"
#include "support/suite.h"

#define MIB (UINT64_C(1) << 20)

static ri_memory memory;
static ri_ledger ledger;
static ri_claim *given_up[8];
static int ngiven_up;

static void note(ri_claim *claim)
{
    given_up[ngiven_up++] = claim;
}

static uint64_t begin(ri_claim *claims, int n)
{
    ngiven_up = 0;
    ri_memory_init(&memory);
    ri_memory_set_limit(&memory, 64 * MIB);
    ri_ledger_init(&ledger, &memory, RI_MEMORY_WORK);
    for (int i = 0; i < n; i++) ri_claim_init(&claims[i], note);
    return ri_memory_share(&memory, RI_MEMORY_WORK);
}

static uint64_t used(void)
{
    return ri_memory_used(&memory, RI_MEMORY_WORK);
}

START_TEST(test_the_greediest_is_cut)
{
    ri_claim c[3];
    uint64_t share = begin(c, 3);
    ck_assert(ri_claim_grow(&ledger, &c[0], share / 2));
    ck_assert(ri_claim_grow(&ledger, &c[1], share / 4));
    ck_assert(ri_claim_grow(&ledger, &c[2], share / 8));
    ck_assert(ri_claim_grow(&ledger, &c[2], share / 4));
    ck_assert_int_eq(ngiven_up, 1);
    ck_assert_ptr_eq(given_up[0], &c[0]);
    ck_assert_uint_eq(used(), share / 4 + share / 8 * 3);
    /* Whoever was cut gets nothing, and gives nothing back twice, until it has ended. */
    ck_assert(!ri_claim_grow(&ledger, &c[0], 1));
    ck_assert(!ri_claim_set(&ledger, &c[0], 1));
    ri_claim_shrink(&ledger, &c[0], share / 2);
    ri_claim_end(&ledger, &c[0]);
    ck_assert(ri_claim_grow(&ledger, &c[0], 1));
    for (int i = 0; i < 3; i++) ri_claim_end(&ledger, &c[i]);
    ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(test_who_would_be_the_greediest_is_refused)
{
    ri_claim c[3];
    uint64_t share = begin(c, 3);
    ck_assert(ri_claim_grow(&ledger, &c[0], share / 2));
    ck_assert(ri_claim_grow(&ledger, &c[1], share / 2));
    ck_assert(!ri_claim_grow(&ledger, &c[1], 1)); /* it would have most */
    ck_assert(!ri_claim_grow(&ledger, &c[2], share / 4 * 3));
    ck_assert(!ri_claim_grow(&ledger, &c[2], share * 2));
    ck_assert_int_eq(ngiven_up, 0);
    ck_assert_uint_eq(used(), share);
    ck_assert_uint_eq(atomic_load(&memory.refusals), 3);
    ri_claim_shrink(&ledger, &c[0], share / 2);
    ck_assert(ri_claim_set(&ledger, &c[1], share / 4));
    ck_assert(ri_claim_set(&ledger, &c[2], share / 4 * 3));
    for (int i = 0; i < 3; i++) ri_claim_end(&ledger, &c[i]);
    ck_assert_uint_eq(used(), 0);
}
END_TEST

/* Those that cannot be cut are passed over; many small ones are in no list, and go on as long as
 * there is room. */
START_TEST(test_small_ones_and_those_that_stay)
{
    enum { SMALL = 2000 };
    static ri_claim c[SMALL + 2];
    uint64_t share = begin(c, SMALL + 2);
    c[0].give_up = NULL;
    ck_assert(ri_claim_grow(&ledger, &c[0], share / 2));
    ck_assert(ri_claim_grow(&ledger, &c[1], share / 4));
    int taken = 0;
    for (int i = 0; i < SMALL; i++) taken += ri_claim_grow(&ledger, &c[2 + i], share / 4000);
    ck_assert_int_eq(taken, SMALL); /* ... at the expense of the one that can be */
    ck_assert_int_eq(ngiven_up, 1);
    ck_assert_ptr_eq(given_up[0], &c[1]);
    ck_assert_uint_le(used(), share);
    for (int i = 0; i < SMALL; i++)
        if (!ri_claim_grow(&ledger, &c[2 + i], share / 4000)) taken--;
    ck_assert_int_lt(taken, SMALL); /* and then nobody is left to be cut for them */
    ck_assert_uint_le(used(), share);
    for (int i = 0; i < SMALL + 2; i++) ri_claim_end(&ledger, &c[i]);
    ck_assert(ri_list_empty(&ledger.large));
    ck_assert_uint_eq(used(), 0);
}
END_TEST

/* Those that are not cut wait: first whoever has much, at last all. */
START_TEST(test_waits)
{
    ri_claim c[2];
    uint64_t share = begin(c, 2);
    c[0].give_up = c[1].give_up = NULL;
    ri_claim_add(&ledger, &c[0], share / 2);
    ck_assert(!ri_claim_waits(&ledger, &c[0]));
    ri_claim_add(&ledger, &c[0], share / 8 * 3);
    ck_assert(ri_claim_waits(&ledger, &c[0]));
    ck_assert(!ri_claim_waits(&ledger, &c[1]));
    ri_claim_add(&ledger, &c[1], share / 8);
    ck_assert(ri_claim_waits(&ledger, &c[1]));
    ri_claim_shrink(&ledger, &c[0], share / 2);
    ck_assert(!ri_claim_waits(&ledger, &c[1]));
    for (int i = 0; i < 2; i++) ri_claim_end(&ledger, &c[i]);
    ck_assert_uint_eq(used(), 0);
}
END_TEST

/* Without a limit nobody is large, and nobody is refused. */
START_TEST(test_no_limit)
{
    ri_claim c;
    begin(&c, 1);
    ri_memory_set_limit(&memory, 0);
    ck_assert(ri_claim_grow(&ledger, &c, UINT64_C(1) << 40));
    ck_assert(ri_list_empty(&ledger.large));
    ri_claim_end(&ledger, &c);
    ck_assert_uint_eq(used(), 0);
}
END_TEST

SUITE_MAIN("claim", test_the_greediest_is_cut, test_who_would_be_the_greediest_is_refused,
           test_small_ones_and_those_that_stay, test_waits, test_no_limit)
