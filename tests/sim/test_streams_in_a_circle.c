/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: two streams in memory whose push consumers deliver into each other.
 * The first message goes round for ever, as traffic does: turn by turn, each no longer than its
 * budget, with everybody else's messages in between. It ends when one of the consumers goes. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static uint64_t stored(world *w, const char *name)
{
    ri_stream_info info = {0};
    ri_stream_info_of(ri_js_stream(w->js, ri_str_of(name)), &info);
    return info.state.last_seq;
}

static void make_circle(world *w)
{
    ck_assert_ok(world_stream(w, "{\"name\":\"A\",\"subjects\":[\"a\"],\"storage\":\"memory\","
                                 "\"max_msgs\":100}", NULL, NULL));
    ck_assert_ok(world_stream(w, "{\"name\":\"B\",\"subjects\":[\"b\"],\"storage\":\"memory\","
                                 "\"max_msgs\":100}", NULL, NULL));
    ck_assert_ok(world_consumer(w, "A", "{\"durable_name\":\"c\",\"deliver_subject\":\"b\","
                                        "\"ack_policy\":\"none\"}", NULL, NULL));
    ck_assert_ok(world_consumer(w, "B", "{\"durable_name\":\"c\",\"deliver_subject\":\"a\","
                                        "\"ack_policy\":\"none\"}", NULL, NULL));
}

START_TEST(test_circle)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_ear *ear = world_listen(&w, "app", "echo");
    make_circle(&w);
    world_publish(&w, "a", "", "", "round and round");
    uint64_t was = 0;
    for (int i = 1; i <= 50; i++) {
        world_publish(&w, "echo", "", "", "and I?");
        ck_assert_uint_eq(ear->got, (uint64_t)i); /* the bystander is served between the turns */
        uint64_t turns = w.router.budget.turns;
        world_one_turn(&w);
        ck_assert_uint_eq(w.router.budget.turns, turns + 1);
        ck_assert_uint_gt(stored(&w, "B"), was); /* and the circle goes on */
        was = stored(&w, "B");
        ck_assert(ri_js_waiting(w.js));
    }
    ck_assert_uint_gt(was, 1000);
    ck_assert_uint_ge(w.router.budget.cut, 50);
    ck_assert_uint_le(w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);

    ri_consumer_delete(ri_stream_consumer(ri_js_stream(w.js, RI_STR("B")), RI_STR("c")));
    world_turn(&w); /* comes to its end */
    ck_assert(!ri_js_waiting(w.js));
    world_fini(&w);
}
END_TEST

SUITE_MAIN("streams_in_a_circle", test_circle)
