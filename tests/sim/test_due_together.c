/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: twenty thousand messages whose ack wait runs out in one moment, then
 * their last deliveries, then twenty thousand whose time to live does. All of it comes about, in
 * turns that are no longer than their budget. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

enum { MANY = 20000 };

static void check_turns(world *w, uint64_t least)
{
    ck_assert_uint_le(w->router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    ck_assert_uint_ge(w->router.budget.turns, least);
    ri_budget_init(&w->router.budget);
}

START_TEST(test_due_together)
{
    static world w;
    ri_consumer_info info;
    ck_assert_ok(world_init(&w, NULL));
    world_ear *ear = world_listen(&w, "in", "in");
    ear->quiet = true;
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"],\"allow_msg_ttl\":true}",
                              NULL, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                         "\"ack_policy\":\"explicit\",\"ack_wait\":1000000000,"
                                         "\"max_deliver\":2,\"max_ack_pending\":-1}", NULL, NULL));
    ri_consumer *c = ri_stream_consumer(ri_js_stream(w.js, RI_STR("S")), RI_STR("c"));
    for (int i = 0; i < MANY; i++) world_publish(&w, "s", "", "Nats-TTL: 10s\r\n", "job");
    world_turn(&w);
    ck_assert_uint_eq(ear->got, MANY);
    check_turns(&w, 10);

    world_wait(&w, 1000); /* all are delivered again, in their order */
    ck_assert_uint_eq(ear->got, 2 * MANY);
    ck_assert_uint_eq(ear->last_seq, MANY);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_redelivered, MANY);
    check_turns(&w, 10);

    world_wait(&w, 1000); /* that was the last time */
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(ear->got, 2 * MANY);
    check_turns(&w, 4);

    world_wait(&w, 8000); /* and their time is over */
    ri_stream_info told = {0};
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("S")), &told);
    ck_assert_uint_eq(told.state.messages, 0);
    check_turns(&w, 4);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("due_together", test_due_together)
