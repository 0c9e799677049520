/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a reader that cannot follow. It is sent no more than it may hold
 * unacknowledged. What the stream's limit takes away is no longer owed, so that a reader that says
 * nothing at all still sees what is left; as soon as it acknowledges, the rest follows. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

START_TEST(test_slow_reader)
{
    static world w;
    ri_consumer *c;
    char text[16];
    ck_assert_ok(world_init(&w, NULL));
    world_ear *reader = world_listen(&w, "reader", "news.in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"NEWS\",\"subjects\":[\"news.eu\"],"
                                  "\"max_msgs\":5}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "NEWS",
                                "{\"durable_name\":\"reader\",\"deliver_subject\":\"news.in\","
                                "\"ack_policy\":\"explicit\",\"max_ack_pending\":2,"
                                "\"ack_wait\":60000000000}", &c, NULL));
    /* Ten items, one a second: two arrive, then it is full. With the sixth the first is gone from
     * the stream, and a third may follow. */
    for (int i = 1; i <= 10; i++) {
        snprintf(text, sizeof text, "item %d", i);
        world_publish(&w, "news.eu", "", "", text);
        world_wait(&w, 1000);
    }
    WORLD_TOLD(&w, "[     0] reader: news.eu <ACK(1/1/1/0)> item 1\n"
                   "[  1000] reader: news.eu <ACK(1/2/2/0)> item 2\n"
                   "[  5000] reader: news.eu <ACK(1/3/3/2)> item 3\n"
                   "[  6000] reader: news.eu <ACK(1/4/4/2)> item 4\n"
                   "[  7000] reader: news.eu <ACK(1/5/5/2)> item 5\n"
                   "[  8000] reader: news.eu <ACK(1/6/6/2)> item 6\n"
                   "[  9000] reader: news.eu <ACK(1/7/7/2)> item 7\n");
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 2);
    ck_assert_uint_eq(info.num_pending, 3);

    /* It acknowledges one of the two it has. */
    world_publish(&w, reader->last_ack, "", "", "");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 10000] reader: news.eu <ACK(1/8/8/2)> item 8\n");

    /* It wakes up, and has all there is. */
    reader->auto_ack = true;
    world_publish(&w, reader->last_ack, "", "", "");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 10000] reader: news.eu <ACK(1/9/9/1)> item 9\n"
                   "[ 10000] reader: news.eu <ACK(1/10/10/0)> item 10\n");

    /* The sixth was never acknowledged: it comes again when its time is up. */
    world_wait(&w, 60000);
    WORLD_TOLD(&w, "[ 68000] reader: news.eu <ACK(2/6/11/0)> item 6\n");
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(info.ack_floor.stream_seq, 10);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("slow_reader", test_slow_reader)
