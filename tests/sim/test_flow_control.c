/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a push consumer with flow control. It sends a window, asks, and
 * goes on when it is answered; while it waits, heartbeats carry the question; a reader that went
 * away is asked nothing. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

START_TEST(test_flow_control)
{
    static world w;
    static char data[250001];
    ck_assert_ok(world_init(&w, NULL));
    world_ear *in = world_listen(&w, "in", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    memset(data, 'x', sizeof data - 1);
    for (int i = 0; i < 14; i++) world_publish(&w, "s", "", "", data);
    world_turn(&w);
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                         "\"ack_policy\":\"none\",\"flow_control\":true,"
                                         "\"idle_heartbeat\":5000000000}", NULL, NULL));
    WORLD_TOLD(&w, "[     0] in: s <ACK(1/1/1/13)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/2/2/12)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/3/3/11)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/4/4/10)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/5/5/9)> 250000 bytes\n"
                   "[     0] in: in <FC> {100 FlowControl Request}\n"
                   "[     0] in: s <ACK(1/6/6/8)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/7/7/7)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/8/8/6)> 250000 bytes\n"
                   "[     0] in: s <ACK(1/9/9/5)> 250000 bytes\n");

    /* It says nothing: it is told on what it is waited for. */
    world_wait(&w, 10000);
    WORLD_TOLD(&w, "[  5000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 9, Nats-Last-Stream: "
                   "9, Nats-Consumer-Stalled: FC}\n"
                   "[ 10000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 9, Nats-Last-Stream: "
                   "9, Nats-Consumer-Stalled: FC}\n");

    /* An answer on another subject is none; on the right one, the rest comes. */
    world_publish(&w, "$JS.FC.S.c.none", "", "", "");
    world_turn(&w);
    WORLD_TOLD(&w, "");
    world_publish(&w, in->last_flow, "", "", "");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 10000] in: s <ACK(1/10/10/4)> 250000 bytes\n"
                   "[ 10000] in: s <ACK(1/11/11/3)> 250000 bytes\n"
                   "[ 10000] in: s <ACK(1/12/12/2)> 250000 bytes\n"
                   "[ 10000] in: s <ACK(1/13/13/1)> 250000 bytes\n"
                   "[ 10000] in: s <ACK(1/14/14/0)> 250000 bytes\n"
                   "[ 10000] in: in <FC> {100 FlowControl Request}\n");

    /* It goes away: nothing is sent, and nothing is asked. */
    world_deafen(&w, in);
    world_publish(&w, "s", "", "", "small");
    world_wait(&w, 6000);
    world_listen(&w, "again", "in");
    world_wait(&w, 1000);
    WORLD_TOLD(&w, "[ 16000] again: s <ACK(1/15/15/0)> small\n");
    world_fini(&w);
}
END_TEST

/* Acks by flow control: each message comes once, however long nothing is settled; the heartbeats
 * ask, and what the answer says is settled, no more. */
START_TEST(test_acks_by_flow_control)
{
    static world w;
    ri_consumer *c;
    ri_consumer_info info;
    ck_assert_ok(world_init(&w, NULL));
    world_ear *in = world_listen(&w, "in", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    for (int i = 0; i < 3; i++) world_publish(&w, "s", "", "", "");
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\","
                                         "\"ack_policy\":\"flow_control\"}", &c, NULL));
    world_wait(&w, 2500);
    WORLD_TOLD(&w, "[     0] in: s <ACK(1/1/1/2)>\n"
                   "[     0] in: s <ACK(1/2/2/1)>\n"
                   "[     0] in: s <ACK(1/3/3/0)>\n"
                   "[  1000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 3, Nats-Last-Stream: "
                   "3}\n"
                   "[  1000] in: in <FC> {100 FlowControl Request}\n"
                   "[  2000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 3, Nats-Last-Stream: "
                   "3, Nats-Consumer-Stalled: FC}\n");
    world_publish(&w, in->last_flow, "", "Nats-Last-Consumer: 2\r\nNats-Last-Stream: 2\r\n", "");
    world_wait(&w, 1000);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.ack_floor.stream_seq, 2);
    ck_assert_uint_eq(info.num_ack_pending, 1);
    WORLD_TOLD(&w, "[  3000] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 3, Nats-Last-Stream: "
                   "3}\n"
                   "[  3000] in: in <FC> {100 FlowControl Request}\n");

    /* An answer that says nothing settles nothing; nor does a close and an opening deliver
     * again. */
    world_publish(&w, in->last_flow, "", "", "");
    world_turn(&w);
    ck_assert_ok(world_restart(&w));
    world_wait(&w, 1100);
    WORLD_TOLD(&w, "[  4500] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 3, Nats-Last-Stream: "
                   "3}\n"
                   "[  4500] in: in <FC> {100 FlowControl Request}\n");
    world_publish(&w, in->last_flow, "", "Nats-Last-Stream: 3\r\n", "");
    world_wait(&w, 1000);
    WORLD_TOLD(&w, "[  5500] in: in {100 Idle Heartbeat, Nats-Last-Consumer: 3, Nats-Last-Stream: "
                   "3}\n");
    world_fini(&w);
}
END_TEST

SUITE_MAIN("flow_control", test_flow_control, test_acks_by_flow_control)
