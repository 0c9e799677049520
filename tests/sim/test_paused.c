/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a consumer that is paused until a time. It is sent nothing but its
 * heartbeats, the acks for what it has still count, what is not acknowledged does not come again;
 * it goes on by itself at that time, also after a restart, or when it is resumed. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static ri_consumer *the(world *w)
{
    return ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
}

START_TEST(test_paused)
{
    static world w;
    ri_consumer_info info;
    ck_assert_ok(world_init(&w, NULL));
    w.events = true;
    world_listen(&w, "in", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                         "\"ack_policy\":\"explicit\",\"ack_wait\":3000000000,"
                                         "\"idle_heartbeat\":2000000000}", NULL, NULL));
    world_publish(&w, "s", "", "", "one");
    world_publish(&w, "s", "", "", "two");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] event: stream created S\n"
                   "[     0] event: consumer created S > c\n"
                   "[     0] in: s <ACK(1/1/1/1)> one\n"
                   "[     0] in: s <ACK(1/2/2/0)> two\n");

    /* Paused for ten seconds; the first is acknowledged, the second's time is up. */
    ck_assert_ok(ri_consumer_pause(the(&w), w.wall_ns + 10 * RI_SEC));
    world_publish(&w, "s", "", "", "three");
    world_publish(&w, "$JS.ACK.S.c.1.1.1.0.0", "", "", "");
    world_wait(&w, 6000);
    WORLD_TOLD(&w, "[     0] event: consumer paused S > c\n"
                   "[  2000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 2, Nats-Last-Stream: "
                   "2}\n"
                   "[  4000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 2, Nats-Last-Stream: "
                   "2}\n"
                   "[  6000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 2, Nats-Last-Stream: "
                   "2}\n");
    ri_consumer_info_of(the(&w), &info);
    ck_assert(info.paused);
    ck_assert_int_eq(info.pause_remaining, 4 * RI_SEC);
    ck_assert_uint_eq(info.num_ack_pending, 1);

    /* A restart does not wake it, its time does. */
    ck_assert_ok(world_restart(&w));
    world_wait(&w, 4000);
    WORLD_TOLD(&w, "[  8000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 2, Nats-Last-Stream: "
                   "2}\n"
                   "[ 10000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 2, Nats-Last-Stream: "
                   "2}\n"
                   "[ 10000] event: consumer paused S > c\n"
                   "[ 10000] in: s <ACK(2/2/3/1)> two\n"
                   "[ 10000] in: s <ACK(1/3/4/0)> three\n");
    world_publish(&w, "$JS.ACK.S.c.2.2.3.0.0", "", "", "");
    world_publish(&w, "$JS.ACK.S.c.1.3.4.0.0", "", "", "");

    /* Paused again, and resumed by hand. */
    ck_assert_ok(ri_consumer_pause(the(&w), w.wall_ns + 3600 * RI_SEC));
    world_publish(&w, "s", "", "", "four");
    world_wait(&w, 1000);
    ck_assert_ok(ri_consumer_pause(the(&w), 0));
    world_turn(&w);
    WORLD_TOLD(&w, "[ 10000] event: consumer paused S > c\n"
                   "[ 11000] event: consumer paused S > c\n"
                   "[ 11000] in: s <ACK(1/4/5/0)> four\n");
    world_fini(&w);
}
END_TEST

/* One that begins paused is told of as such, and of its end. */
START_TEST(test_born_paused)
{
    static world w;
    char json[200];
    ck_assert_ok(world_init(&w, NULL));
    w.events = true;
    world_listen(&w, "in", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    world_publish(&w, "s", "", "", "");
    snprintf(json, sizeof json, "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                "\"pause_until\":\"2027-01-15T08:00:05Z\"}");
    ck_assert_ok(world_consumer(&w, "S", json, NULL, NULL));
    snprintf(json, sizeof json,
             "{\"durable_name\":\"d\",\"pause_until\":\"2020-01-01T00:00:00Z\"}");
    ck_assert_ok(world_consumer(&w, "S", json, NULL, NULL));
    world_wait(&w, 6000);
    WORLD_TOLD(&w, "[     0] event: stream created S\n"
                   "[     0] event: consumer created S > c\n"
                   "[     0] event: consumer paused S > c\n"
                   "[     0] event: consumer created S > d\n"
                   "[  5000] event: consumer paused S > c\n"
                   "[  5000] in: s <ACK(1/1/1/0)>\n");
    world_fini(&w);
}
END_TEST

SUITE_MAIN("paused", test_paused, test_born_paused)
