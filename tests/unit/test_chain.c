/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chain.h"

#include "support/fault.h"
#include "support/suite.h"

enum { ITEMS = 3 * RI_CHAIN_SLOTS + 1 };

START_TEST(what_was_pushed_comes_in_order)
{
    static char items[ITEMS];
    fault f;
    ri_chain chain;
    fault_init(&f);
    ri_chain_init(&chain, &f.host);
    ck_assert_ptr_null(ri_chain_pop(&chain));
    for (int i = 0; i < ITEMS; i++) ck_assert_int_eq(ri_chain_push(&chain, &items[i]), RILL_OK);
    for (int i = 0; i < ITEMS; i++) ck_assert_ptr_eq(ri_chain_pop(&chain), &items[i]);
    ck_assert(ri_chain_empty(&chain));
    ri_chain_fini(&chain);
    fault_fini(&f);
}
END_TEST

/* Asked after each step, also where a chunk ends and where it is used again. */
START_TEST(drained_is_true_when_the_last_item_is_taken)
{
    char item;
    fault f;
    ri_chain chain;
    fault_init(&f);
    ri_chain_init(&chain, &f.host);
    ck_assert(ri_chain_drained(&chain));
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_int_eq(ri_chain_push(&chain, &item), RILL_OK);
        ck_assert(!ri_chain_drained(&chain));
        ck_assert_int_eq(ri_chain_push(&chain, &item), RILL_OK);
        ck_assert_ptr_nonnull(ri_chain_pop(&chain));
        ck_assert(!ri_chain_drained(&chain));
        ck_assert_ptr_nonnull(ri_chain_pop(&chain));
        ck_assert(ri_chain_drained(&chain));
    }
    ri_chain_fini(&chain);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("chain", what_was_pushed_comes_in_order, drained_is_true_when_the_last_item_is_taken)
