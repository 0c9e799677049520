/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: to whom a push consumer is bound. Who only looks on, by a wildcard
 * or in another queue, wakes nothing and uses up no delivery; when the worker comes, each message
 * comes to it, and a copy to the others. */
#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static bool is_bound(ri_consumer *c)
{
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    return info.push_bound;
}

START_TEST(test_a_group_and_its_onlookers)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"JOBS\",\"subjects\":[\"jobs\"]}", NULL, NULL));
    world_listen(&w, "monitor", "work.*");
    world_listen(&w, "plain", "work.q");
    world_listen_in(&w, "other", "work.q", "H");
    world_listen_in(&w, "wide", "work.>", "G");
    ck_assert_ok(world_consumer(&w, "JOBS", "{\"durable_name\":\"c\",\"deliver_group\":\"G\","
                                            "\"deliver_subject\":\"work.q\",\"max_deliver\":2,"
                                            "\"ack_policy\":\"explicit\",\"ack_wait\":2000000000,"
                                            "\"idle_heartbeat\":1000000000}", &c, NULL));
    world_publish(&w, "jobs", "", "", "1");
    world_publish(&w, "jobs", "", "", "2");
    world_wait(&w, 6500);
    WORLD_TOLD(&w, "");
    ck_assert(!is_bound(c));

    world_ear *worker = world_listen_in(&w, "worker", "work.q", "G");
    world_ear *quiet[] = {w.ears[0], w.ears[1], w.ears[2], w.ears[3]};
    for (size_t i = 0; i < RI_LEN(quiet); i++) quiet[i]->quiet = true;
    world_turn(&w);
    ck_assert(is_bound(c));
    ck_assert_uint_eq(worker->got + quiet[3]->got, 2); /* members of one queue share */
    ck_assert_uint_eq(quiet[0]->got, 2);

    /* It leaves amid its work: what comes due is kept for who comes next. */
    world_deafen(&w, worker);
    world_wait(&w, 5000);
    ck_assert(!is_bound(c));
    ck_assert_uint_eq(quiet[0]->got, 2);
    w.told.len = w.told.head = 0;
    world_deafen(&w, quiet[3]);
    world_listen_in(&w, "next", "work.q", "G");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 11500] next: jobs <ACK(2/1/3/0)> 1\n"
                   "[ 11500] next: jobs <ACK(2/2/4/0)> 2\n");
    world_fini(&w);
}
END_TEST

/* A subscription that ends by its count ends the deliveries, although somebody looks on. */
START_TEST(test_no_group)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    for (int i = 0; i < 5; i++) world_publish(&w, "s", "", "", "");
    world_ear *monitor = world_listen(&w, "monitor", ">");
    world_listen_in(&w, "queue", "in", "q");
    monitor->quiet = true;
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                         "\"ack_policy\":\"none\"}", &c, NULL));
    ck_assert(!is_bound(c));
    WORLD_TOLD(&w, "");
    world_ear *in = world_listen(&w, "in", "in");
    w.ears[1]->quiet = true;
    ri_router_limit(&in->sub, 2);
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] in: s <ACK(1/1/1/4)>\n[     0] in: s <ACK(1/2/2/3)>\n");
    ck_assert(!is_bound(c));
    ck_assert_uint_eq(monitor->got, 2);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("bound", test_a_group_and_its_onlookers, test_no_group)
