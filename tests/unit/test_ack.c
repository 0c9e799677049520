/* SPDX-License-Identifier: Apache-2.0 */
/* Acks that settle very many messages at once. */
#include <stdio.h>

#include "base/error.h"
#include "support/desk.h"
#include "support/suite.h"

enum { MANY = 20000 };

/* An ack of all up to a message settles them in slices, and is confirmed when it has; a NAK of one
 * of them, and its ack wait, count for nothing meanwhile. What a reset or a purge drops takes as
 * little time. */
START_TEST(test_all)
{
    static desk d;
    ri_consumer *c;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ok(world_stream(&d.w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    for (int i = 0; i < MANY; i++) world_publish(&d.w, "s.x", "", "", "0123456789");
    ck_assert_ok(world_consumer(&d.w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"all\","
                                "\"max_ack_pending\":100000}", &c, NULL));
    world_ear *in = world_listen(&d.w, "in", "in"), *told = world_listen(&d.w, "re", "re");
    in->quiet = told->quiet = true;
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    ck_assert_uint_eq(in->got, MANY);

    ri_budget *budget = &d.w.router.budget;
    ri_consumer_info info;
    ri_budget_init(budget);
    ri_budget_open(budget);
    ri_budget_slice(budget, RI_BUDGET_SLICE);
    world_publish(&d.w, in->last_ack, "re", "", "");
    world_publish(&d.w, in->last_ack, "re", "", "-NAK");
    ri_budget_close(budget);
    ck_assert_uint_le(budget->longest, RI_BUDGET_SLICE + 10);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_gt(info.num_ack_pending, MANY / 2);
    ck_assert_uint_lt(info.num_ack_pending, MANY);
    ck_assert_uint_eq(told->got, 0);
    world_move(&d.w, d.w.mono_ns + 30 * RI_SEC);
    desk_turn(&d);
    ck_assert_uint_eq(told->got, 2);
    ck_assert_uint_eq(in->got, MANY);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(info.ack_floor.stream_seq, MANY);
    ck_assert_uint_gt(budget->turns, 4);

    desk_ask(&d, "CONSUMER.RESET.S.c", "{\"seq\":1}");
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    desk_ask(&d, "CONSUMER.RESET.S.c", "{\"seq\":1}");
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    desk_ask(&d, "STREAM.PURGE.S", "{\"seq\":20000}");
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 1);
    ck_assert_uint_le(budget->longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    desk_fini(&d, NULL);
}
END_TEST

SUITE_MAIN("ack", test_all)
