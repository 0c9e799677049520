/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: of two workers one dies with messages in flight. What it held goes
 * to the other when the time for an ack is up, in order, marked as sent again; work in progress
 * that is told of is left alone; a late ack of the dead one's counts. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

START_TEST(test_dying_worker)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    world_ear *ann = world_listen(&w, "ann", "ann"), *bob = world_listen(&w, "bob", "bob");
    ck_assert_ok(world_stream(&w, "{\"name\":\"JOBS\",\"subjects\":[\"jobs.*\"]}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "JOBS", "{\"durable_name\":\"crew\",\"ack_wait\":5000000000,"
                                            "\"ack_policy\":\"explicit\"}", &c, NULL));
    world_pull(&w, c, "ann", "{\"batch\":3,\"expires\":60000000000}");
    for (const char *job = "12345"; *job; job++)
        world_publish(&w, "jobs.a", "", "", (char[2]){*job});
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] ann: jobs.a <ACK(1/1/1/4)> 1\n"
                   "[     0] ann: jobs.a <ACK(1/2/2/3)> 2\n"
                   "[     0] ann: jobs.a <ACK(1/3/3/2)> 3\n");
    char third[512];
    snprintf(third, sizeof third, "%s", ann->last_ack);

    /* Ann finishes the first and is gone. Bob takes what was not sent, then waits. */
    world_publish(&w, "$JS.ACK.JOBS.crew.1.1.1.0.0", "", "", "+ACK");
    world_deafen(&w, ann);
    world_wait(&w, 2000);
    world_pull(&w, c, "bob", "{\"batch\":10,\"expires\":60000000000}");
    world_turn(&w);
    WORLD_TOLD(&w, "[  2000] bob: jobs.a <ACK(1/4/4/1)> 4\n"
                   "[  2000] bob: jobs.a <ACK(1/5/5/0)> 5\n");

    /* Five seconds after they were sent to Ann, her two come to Bob; his fourth is told of as being
     * worked on and stays his, his fifth comes again. */
    world_wait(&w, 2000);
    world_publish(&w, "$JS.ACK.JOBS.crew.1.4.4.0.0", "", "", "+WPI");
    world_wait(&w, 4000);
    WORLD_TOLD(&w, "[  5000] bob: jobs.a <ACK(2/2/6/0)> 2\n"
                   "[  5000] bob: jobs.a <ACK(2/3/7/0)> 3\n"
                   "[  7000] bob: jobs.a <ACK(2/5/8/0)> 5\n");

    /* Ann had done the third after all; her ack was on its way. Bob acknowledges all he has. */
    world_publish(&w, third, "", "", "");
    world_publish(&w, "$JS.ACK.JOBS.crew.2.2.6.0.0", "", "", "");
    world_publish(&w, "$JS.ACK.JOBS.crew.1.4.4.0.0", "", "", "");
    world_publish(&w, bob->last_ack, "", "", "");
    world_wait(&w, 20000);
    WORLD_TOLD(&w, "");
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(info.ack_floor.stream_seq, 5);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("dying_worker", test_dying_worker)
