/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/consumer.h"
#include "engine/streams/purge.h"

#include <stdio.h>

#include "base/error.h"
#include "base/nuid.h"
#include "consumers.h"

START_TEST(test_pull_batch)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_uint_eq(info_of(c).num_pending, 3);
    ck_assert_ok(world_pull(w, c, "in.1", "2"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/1)> m2\n");
    ck_assert_ok(world_pull(w, c, "in.2", "{\"batch\":2,\"expires\":1000000000}"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/3/3/0)> m3\n");
    ck_assert_uint_eq(info_of(c).num_waiting, 1);
    world_wait(w, 1500);
    WORLD_TOLD(w, "[  1000] in: in.2 {408 Request Timeout, Nats-Pending-Messages: 1, "
                  "Nats-Pending-Bytes: 0}\n");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 3);
    ack(w, 2, 2, "+ACK");
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 0);
    ack(w, 1, 1, "");
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 2);
    ck_assert_uint_eq(info_of(c).ack_floor.consumer_seq, 2);
    ack(w, 3, 3, "+ACK");
    ack(w, 3, 3, "+ACK");
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 3);
    ck_assert_uint_eq(info_of(c).num_ack_pending, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_pull_waits_for_messages)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":2,\"expires\":5000000000}"));
    ck_assert_ok(world_pull(w, c, "in.2", "{\"batch\":2,\"expires\":5000000000}"));
    world_turn(w);
    for (int i = 0; i < 3; i++) world_publish(w, "s.a", "", "", "x");
    WORLD_TOLD(w, "");
    world_turn(w); /* turn and turn about */
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)> x\n"
                  "[     0] in: s.a <ACK(1/2/2/1)> x\n"
                  "[     0] in: s.a <ACK(1/3/3/0)> x\n");
    world_wait(w, 6000);
    WORLD_TOLD(w, "[  5000] in: in.2 {408 Request Timeout, Nats-Pending-Messages: 1, "
                  "Nats-Pending-Bytes: 0}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_pull_no_wait)
{
    world *w = consumers_world("", 2);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":5,\"no_wait\":true}"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/1)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/0)> m2\n"
                  "[     0] in: in.1 {404 No Messages}\n");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":5,\"no_wait\":true}"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.1 {404 No Messages}\n");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":5,\"no_wait\":true,\"expires\":2000000000}"));
    world_turn(w);
    WORLD_TOLD(w, ""); /* waits for the first */
    world_publish(w, "s.a", "", "", "x");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/3/3/0)> x\n"
                  "[     0] in: in.1 {404 No Messages}\n");
    world_fini(w);
}
END_TEST

/* One that is held up, here by max_ack_pending, ends at its first heartbeat if it got something,
 * as nats-server's does; one that got nothing hears its heartbeats. */
START_TEST(test_pull_no_wait_held_up)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_ack_pending\":2}");
    static const char body[] = "{\"batch\":5,\"no_wait\":true,\"expires\":1000000000,"
                               "\"idle_heartbeat\":400000000}";
    ck_assert_ok(world_pull(w, c, "in.1", body));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/1)> m2\n");
    world_wait(w, 500);
    WORLD_TOLD(w, "[   400] in: in.1 {404 No Messages}\n");
    ck_assert_ok(world_pull(w, c, "in.2", body));
    world_wait(w, 500);
    WORLD_TOLD(w, "[   900] in: in.2 {100 Idle Heartbeat, Nats-Last-Consumer: 2, "
                  "Nats-Last-Stream: 2}\n");
    world_fini(w);
}
END_TEST

/* Whoever takes all that is there at once gets it, however often what is not settled holds him
 * up. */
START_TEST(test_pull_no_wait_goes_on_behind_acks)
{
    enum { MESSAGES = 117, AT_ONCE = 10 };
    world *w = consumers_world("", MESSAGES);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_ack_pending\":10}");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":117,\"no_wait\":true}"));
    world_turn(w);
    for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
        ck_assert_uint_eq(info_of(c).delivered.stream_seq, RI_MIN(seq + AT_ONCE - 1, MESSAGES));
        ck_assert_ptr_null(memmem(w->told.ptr, w->told.len, "404", 3));
        ack(w, seq, seq, "");
    }
    ck_assert_uint_eq(info_of(c).num_ack_pending + info_of(c).num_waiting, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_pull_refused)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_batch\":5,\"max_expires\":1000000000,"
                                          "\"max_bytes\":100,\"max_waiting\":1}");
    world_pull(w, c, "in.1", "{\"batch\":6}");
    world_pull(w, c, "in.1", "{\"expires\":2000000000}");
    world_pull(w, c, "in.1", "{\"max_bytes\":101}");
    world_pull(w, c, "in.1", "{\"expires\":1000000000,\"idle_heartbeat\":600000000}");
    world_pull(w, c, "in.1", "{\"group\":\"g\",\"min_pending\":1}");
    world_pull(w, c, "in.1", "{\"id\":\"x\"}");
    world_pull(w, c, "in.1", "{\"expires\":1000000000}");
    world_pull(w, c, "in.2", "{\"expires\":1000000000}");
    world_pull(w, c, "in.2", "{\"expires\":1000000000,\"idle_heartbeat\":500000000}");
    world_pull(w, c, "in.2", "{\"no_wait\":true}");
    WORLD_TOLD(w, "[     0] in: in.1 {409 Exceeded MaxRequestBatch of 5}\n"
                  "[     0] in: in.1 {409 Exceeded MaxRequestExpires of 1s}\n"
                  "[     0] in: in.1 {409 Exceeded MaxRequestMaxBytes of 100}\n"
                  "[     0] in: in.1 {400 Bad Request - heartbeat value too large}\n"
                  "[     0] in: in.1 {400 Bad Request - Not a Overflow Priority consumer}\n"
                  "[     0] in: in.1 {400 Bad Request - Not a Pinned Client Priority consumer}\n"
                  "[     0] in: in.2 {409 Exceeded MaxWaiting}\n"
                  "[     0] in: in.2 {404 No Messages}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_pull_bytes_and_beats)
{
    world *w = consumers_world("", 2);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":5,\"max_bytes\":80}"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/1)> m1\n"
                  "[     0] in: in.1 {409 Message Size Exceeds MaxBytes, Nats-Pending-Messages: 4, "
                  "Nats-Pending-Bytes: 36}\n");
    ck_assert_ok(world_pull(w, c, "in.2", "{\"batch\":1,\"max_bytes\":80}"));
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.b <ACK(1/2/2/0)> m2\n"
                  "[     0] in: in.2 {409 Batch Completed, Nats-Pending-Messages: 0, "
                  "Nats-Pending-Bytes: 36}\n");
    ck_assert_ok(world_pull(w, c, "in.3",
                            "{\"batch\":1,\"expires\":1000000000,\"idle_heartbeat\":400000000}"));
    world_wait(w, 1000);
    WORLD_TOLD(w, "[   400] in: in.3 {100 Idle Heartbeat, Nats-Last-Consumer: 2, "
                  "Nats-Last-Stream: 2}\n"
                  "[   800] in: in.3 {100 Idle Heartbeat, Nats-Last-Consumer: 2, "
                  "Nats-Last-Stream: 2}\n"
                  "[  1000] in: in.3 {408 Request Timeout, Nats-Pending-Messages: 1, "
                  "Nats-Pending-Bytes: 0}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_redelivery)
{
    world *w = consumers_world("", 2);
    ri_consumer *c = consumer(w, EXPLICIT ",\"ack_wait\":1000000000,\"max_deliver\":3}");
    w->events = true;
    ck_assert_ok(world_pull(w, c, "in.1", "100"));
    world_wait(w, 3500);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/1)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/0)> m2\n"
                  "[  1000] in: s.a <ACK(2/1/3/0)> m1\n"
                  "[  1000] in: s.b <ACK(2/2/4/0)> m2\n"
                  "[  2000] in: s.a <ACK(3/1/5/0)> m1\n"
                  "[  2000] in: s.b <ACK(3/2/6/0)> m2\n"
                  "[  3000] event: max deliveries S > c seq 1 x3\n"
                  "[  3000] event: max deliveries S > c seq 2 x3\n");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 0);
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 2);
    ck_assert_uint_eq(info_of(c).num_redelivered, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_nak_progress_term)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT ",\"ack_wait\":1000000000}");
    w->events = true;
    ck_assert_ok(world_pull(w, c, "in.1", "100"));
    world_turn(w);
    ri_buffer_reset(&w->told);
    ack(w, 1, 1, "-NAK");
    ack(w, 2, 2, "-NAK {\"delay\": 300000000}");
    WORLD_TOLD(w, "[     0] event: naked S > c seq 1 x1\n"
                  "[     0] in: s.a <ACK(2/1/4/0)> m1\n"
                  "[     0] event: naked S > c seq 2 x1\n");
    world_wait(w, 500);
    WORLD_TOLD(w, "[   300] in: s.b <ACK(2/2/5/0)> m2\n");
    ack(w, 1, 4, "+WPI");
    ack(w, 3, 3, "+TERM not for us");
    WORLD_TOLD(w, "[   500] event: terminated S > c seq 3 x1 (not for us)\n");
    world_wait(w, 900);
    WORLD_TOLD(w, "[  1300] in: s.b <ACK(3/2/6/0)> m2\n");
    world_wait(w, 200);
    WORLD_TOLD(w, "[  1500] in: s.a <ACK(3/1/7/0)> m1\n");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 2);
    ck_assert_uint_eq(info_of(c).num_redelivered, 2);
    world_fini(w);
}
END_TEST

/* A delay that is none puts nothing off. */
START_TEST(test_nak_nonsense)
{
    static const char *const naks[] = {
        "-NAK {\"delay\": 9e18}", "-NAK {\"delay\":1.5e18}", "-NAK {\"delay\":\"5s\"}",
        "-NAK {\"delay\":99999999999999999999}", "-NAK {\"delay\":-5000000000}", "-NAK {",
        "-NAK {\"x\":\"\\\"delay\\\":5000000000\"}", "-NAK {\"delay\":5000000000} x", "-NAK 5",
        "-NAK -5s",
    };
    world *w = consumers_world("", 1);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(world_pull(w, c, "in.1", "100"));
    world_turn(w);
    for (size_t i = 0; i < RI_LEN(naks); i++) {
        ack(w, 1, i + 1, naks[i]);
        ck_assert_uint_eq(info_of(c).delivered.consumer_seq, i + 2);
    }
    world_fini(w);
}
END_TEST

START_TEST(test_double_ack_and_next)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(world_pull(w, c, "in.1", "1"));
    world_turn(w);
    ri_buffer_reset(&w->told);
    world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "in.done", "", "+ACK");
    WORLD_TOLD(w, ""); /* confirmed when it is recorded */
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.done\n");
    world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "in.done", "", "+ACK"); /* twice */
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.done\n");
    ck_assert_ok(world_pull(w, c, "in.1", "1"));
    world_turn(w);
    ri_buffer_reset(&w->told);
    world_publish(w, "$JS.ACK.S.c.1.2.2.0.0", "in.2", "", "+NXT");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/3/3/0)> m3\n");
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 2);
    world_publish(w, "$JS.ACK.S.other.1.2.2.0.0", "in.2", "", ""); /* forged */
    world_publish(w, "$JS.ACK.S.c.1.99.2.0.0", "", "", "");
    world_publish(w, "$JS.ACK.S", "", "", "");
    world_turn(w);
    ck_assert_uint_eq(info_of(c).num_ack_pending, 1);
    world_fini(w);
}
END_TEST

START_TEST(test_ack_all_and_none)
{
    world *w = consumers_world("", 5);
    ri_consumer *c = consumer(w, "{\"durable_name\":\"c\",\"ack_policy\":\"all\"}");
    ri_consumer *n = consumer(w, "{\"durable_name\":\"n\",\"ack_policy\":\"none\"}");
    ck_assert_ok(world_pull(w, c, "in.1", "5"));
    ck_assert_ok(world_pull(w, n, "in.2", "4"));
    world_turn(w);
    ack(w, 4, 4, "");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 1);
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 4);
    ck_assert_uint_eq(info_of(n).ack_floor.stream_seq, 4);
    ck_assert_uint_eq(info_of(n).num_ack_pending, 0);
    ck_assert_uint_eq(info_of(n).num_pending, 1);
    world_fini(w);
}
END_TEST

START_TEST(test_filters_and_policies)
{
    world *w = consumers_world("", 6);
    world_publish(w, "s.c", "", "", "c7");
    world_turn(w);
    ri_consumer *c = consumer(w, "{\"name\":\"f\",\"filter_subject\":\"s.b\"}");
    ck_assert_uint_eq(info_of(c).num_pending, 3);
    world_pull(w, c, "in.f", "9");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.b <ACK(1/2/1/2)> m2\n"
                  "[     0] in: s.b <ACK(1/4/2/1)> m4\n"
                  "[     0] in: s.b <ACK(1/6/3/0)> m6\n");
    c = consumer(w, "{\"name\":\"g\",\"filter_subjects\":[\"s.b\",\"s.c\"],"
                    "\"deliver_policy\":\"last_per_subject\"}");
    world_pull(w, c, "in.g", "9");
    world_publish(w, "s.b", "", "", "b8");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.b <ACK(1/6/1/1)> m6\n"
                  "[     0] in: s.c <ACK(1/7/2/0)> c7\n"
                  "[     0] in: s.b <ACK(1/8/4/0)> b8\n"
                  "[     0] in: s.b <ACK(1/8/3/0)> b8\n");
    c = consumer(w, "{\"name\":\"h\",\"deliver_policy\":\"last\",\"filter_subject\":\"s.a\"}");
    world_pull(w, c, "in.h", "{\"batch\":9,\"no_wait\":true}");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/5/1/0)> m5\n"
                  "[     0] in: in.h {404 No Messages}\n");
    c = consumer(w, "{\"name\":\"i\",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":7,"
                    "\"headers_only\":true}");
    world_pull(w, c, "in.i", "1");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.c <ACK(1/7/1/1)> {Nats-Msg-Size: 2}\n");
    c = consumer(w, "{\"name\":\"j\",\"deliver_policy\":\"new\"}");
    ck_assert_uint_eq(info_of(c).num_pending, 0);
    ck_assert_uint_eq(info_of(c).delivered.stream_seq, 8);
    world_fini(w);
}
END_TEST

START_TEST(test_max_ack_pending)
{
    world *w = consumers_world("", 5);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_ack_pending\":2,\"ack_wait\":1000000000}");
    world_pull(w, c, "in.1", "100");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/4)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/3)> m2\n");
    ack(w, 1, 1, "");
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/3/3/2)> m3\n");
    world_wait(w, 1000); /* redeliveries do not count */
    WORLD_TOLD(w, "[  1000] in: s.b <ACK(2/2/4/2)> m2\n"
                  "[  1000] in: s.a <ACK(2/3/5/2)> m3\n");
    world_fini(w);
}
END_TEST

START_TEST(test_restart_keeps_place)
{
    world *w = consumers_world("", 6);
    ri_consumer *c = consumer(w, EXPLICIT ",\"ack_wait\":2000000000}");
    world_pull(w, c, "in.1", "4");
    world_turn(w);
    ack(w, 1, 1, "");
    ack(w, 3, 3, "");
    world_wait(w, 1000);
    ri_buffer_reset(&w->told);
    ck_assert_ok(world_restart(w));
    c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
    ck_assert_ptr_nonnull(c);
    ri_consumer_info info = info_of(c);
    ck_assert_uint_eq(info.delivered.stream_seq, 4);
    ck_assert_uint_eq(info.delivered.consumer_seq, 4);
    ck_assert_uint_eq(info.ack_floor.stream_seq, 1);
    ck_assert_uint_eq(info.num_ack_pending, 2);
    ck_assert_uint_eq(info.num_pending, 2);
    world_pull(w, c, "in.1", "1");
    world_turn(w);
    WORLD_TOLD(w, "[  1000] in: s.a <ACK(1/5/5/1)> m5\n");
    world_pull(w, c, "in.1", "2");
    world_turn(w);
    WORLD_TOLD(w, "[  1000] in: s.b <ACK(1/6/6/0)> m6\n");
    world_pull(w, c, "in.1", "2");
    world_wait(w, 1000); /* their clocks ran on */
    WORLD_TOLD(w, "[  2000] in: s.b <ACK(2/2/7/0)> m2\n"
                  "[  2000] in: s.b <ACK(2/4/8/0)> m4\n");
    ck_assert_ok(ri_consumer_delete(c));
    world_turn(w);
    ck_assert_ok(world_restart(w));
    ck_assert_ptr_null(ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c")));
    world_fini(w);
}
END_TEST

START_TEST(test_create_rules)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT "}"), *again;
    ri_js_error e;
    ck_assert_ok(world_consumer(w, "S", EXPLICIT "}", &again, NULL));
    ck_assert_ptr_eq(c, again);
    ck_assert_ok(world_consumer(w, "S", EXPLICIT ",\"max_ack_pending\":7}", &again, NULL));
    ck_assert_ptr_eq(c, again);
    ck_assert_int_eq(ri_consumer_conf_of(c)->max_ack_pending, 7);
    ck_assert_int_lt(world_consumer(w, "S", EXPLICIT ",\"deliver_policy\":\"new\"}", NULL, &e), 0);
    ck_assert_int_lt(world_consumer(w, "S", "{\"durable_name\":\"a\",\"name\":\"b\"}", NULL, &e),
                     0);
    ck_assert_int_eq(e.err_code, 10132);
    ri_js_consumer_request request = {.action = RI_ACTION_UPDATE,
                                      .conf = {.durable_name = RI_STR("nobody")}};
    ck_assert_int_lt(ri_consumer_create(ri_consumer_stream(c), &request, &again, &e), 0);
    ck_assert_int_eq(e.err_code, 10149);
    request.action = RI_ACTION_CREATE;
    request.conf.durable_name = RI_STR("c");
    ck_assert_int_lt(ri_consumer_create(ri_consumer_stream(c), &request, &again, &e), 0);
    ck_assert_int_eq(e.err_code, 10148);
    request.conf.durable_name = RI_STR_NONE;
    ck_assert_ok(ri_consumer_create(ri_consumer_stream(c), &request, &again, &e));
    ck_assert_uint_eq(ri_consumer_name(again).len, 8);
    world_turn(w);
    world_fini(w);
}
END_TEST

START_TEST(test_inactive)
{
    world *w = consumers_world("", 1);
    w->events = true;
    ri_consumer *c = consumer(w, "{\"name\":\"e\",\"inactive_threshold\":1000000000}");
    world_wait(w, 500);
    world_pull(w, c, "in.1", "1");
    world_wait(w, 900);
    ck_assert_ptr_nonnull(ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("e")));
    world_wait(w, 200);
    ck_assert_ptr_null(ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("e")));
    WORLD_TOLD(w, "[     0] event: consumer created S > e\n"
                  "[   500] in: s.a <ACK(1/1/1/0)> m1\n"
                  "[  1500] event: consumer deleted S > e\n");
    world_fini(w);
}
END_TEST

static bool is_there(world *w, const char *name)
{
    return ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), ri_str_of(name)) != NULL;
}

/* Who works on a message, and has time left for its ack, is using the consumer. */
START_TEST(test_inactive_beside_work)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT ",\"inactive_threshold\":1000000000,"
                                 "\"ack_wait\":5000000000}");
    world_pull(w, c, "in.1", "2");
    world_wait(w, 4800);
    ack(w, 1, 1, "");
    ck_assert(is_there(w, "c"));
    world_wait(w, 100);
    ack(w, 2, 2, "+WPI"); /* its five seconds begin anew */
    world_wait(w, 5990);
    ck_assert(is_there(w, "c"));
    world_wait(w, 20);
    ck_assert(!is_there(w, "c"));
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)> m1\n"
                  "[     0] in: s.b <ACK(1/2/2/1)> m2\n");

    /* So is who waits for one: the threshold counts from the end of the request. */
    c = consumer(w, EXPLICIT ",\"inactive_threshold\":1000000000,\"deliver_policy\":\"new\"}");
    world_pull(w, c, "in.1", "{\"batch\":1,\"expires\":900000000}");
    world_wait(w, 1890);
    ck_assert(is_there(w, "c"));
    world_wait(w, 20);
    ck_assert(!is_there(w, "c"));

    /* A threshold of next to nothing does not keep the engine busy. */
    c = consumer(w, EXPLICIT ",\"inactive_threshold\":1}");
    world_pull(w, c, "in.1", "1");
    world_turn(w);
    ri_js_step(w->js, w->wall_ns + 1, w->mono_ns + 1);
    ck_assert_int_ge(ri_js_next_due_ns(w->js), w->mono_ns + 10 * RI_MS);
    world_fini(w);
}
END_TEST

START_TEST(test_pause_and_delete)
{
    world *w = consumers_world("", 1);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_ok(ri_consumer_pause(c, w->wall_ns + 2 * RI_SEC));
    world_pull(w, c, "in.1", "2");
    world_pull(w, c, "in.2", "{\"batch\":1,\"no_wait\":true}"); /* nothing waits for its end */
    world_wait(w, 1900);
    WORLD_TOLD(w, "[     0] in: in.2 {404 No Messages}\n");
    ck_assert(info_of(c).paused);
    world_wait(w, 200);
    WORLD_TOLD(w, "[  2000] in: s.a <ACK(1/1/1/0)> m1\n");
    ri_consumer_delete(c);
    world_turn(w);
    WORLD_TOLD(w, "[  2100] in: in.1 {409 Consumer Deleted}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_vanished_inbox)
{
    world *w = consumers_world("", 1);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    world_ear *gone = world_listen(w, "gone", "gone");
    world_pull(w, c, "gone", "{\"batch\":1}");
    world_deafen(w, gone);
    world_pull(w, c, "in.1", "{\"batch\":1}");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/0)> m1\n");
    ck_assert_uint_eq(info_of(c).num_waiting, 0);
    world_fini(w);
}
END_TEST

/* Who waits and is not there any more is not counted. */
START_TEST(test_vanished_is_not_counted)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    world_ear *gone = world_listen(w, "gone", "gone");
    world_pull(w, c, "gone", "{\"batch\":1}");
    world_pull(w, c, "in.1", "{\"batch\":1}");
    world_turn(w);
    ck_assert_uint_eq(info_of(c).num_waiting, 2);
    world_deafen(w, gone);
    ck_assert_uint_eq(info_of(c).num_waiting, 1);
    world_fini(w);
}
END_TEST

/* What follows the word of an ack may stand right behind it; what takes nothing is no ack if
 * something follows. */
START_TEST(test_terse_acks)
{
    static const struct { const char *payload, *told; uint64_t pending; } forms[] = {
        {"+NXT{\"batch\":2}", "[     0] in: s.b <ACK(1/2/2/1)>\n[     0] in: s.a <ACK(1/3/3/0)>\n",
         2},
        {"+NXT2", "[     0] in: s.b <ACK(1/2/2/1)>\n[     0] in: s.a <ACK(1/3/3/0)>\n", 2},
        {"+NXT\t1", "[     0] in: s.b <ACK(1/2/2/1)>\n", 1},
        {"+NXTmore", "[     0] in: s.b <ACK(1/2/2/1)>\n", 1},
        {"+NXT {\"batch\":1,\"group\":\"\\u0061\"}", "[     0] in: s.b <ACK(1/2/2/1)>\n", 1},
        {"+NXT {}", "[     0] in: s.b <ACK(1/2/2/1)>\n", 1},
        {"+TERMwhy", "[     0] in: in.2\n", 0},
        {"-NAK{\"delay\":1000000000}", "[     0] in: in.2\n", 1},
        {"+ACKx", "[     0] in: in.2\n", 1},
        {"+OKx", "[     0] in: in.2\n", 1},
        {"+WPIx", "[     0] in: in.2\n", 1},
        {"+ACK ", "[     0] in: in.2\n", 0},
    };
    for (size_t i = 0; i < RI_LEN(forms); i++) {
        world *w = consumers_world("", 0);
        ri_consumer *c = consumer(w, EXPLICIT "}");
        for (int n = 0; n < 3; n++) world_publish(w, n % 2 ? "s.b" : "s.a", "", "", "");
        world_pull(w, c, "in.1", "1");
        world_turn(w);
        WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)>\n");
        world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "in.2", "", forms[i].payload);
        world_turn(w);
        WORLD_TOLD(w, forms[i].told);
        ck_assert_uint_eq(info_of(c).num_ack_pending, forms[i].pending);
        world_fini(w);
    }
}
END_TEST

START_TEST(test_wrong_next)
{
    world *w = consumers_world("", 1);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    world_pull(w, c, "in.1", "1");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/0)> m1\n");
    world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "in.2", "", "+NXT {bad");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.2 {400 Bad Request - JSON, line 1, column 4: string or '}' "
                  "expected "
                  "near 'bad'}\n");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_work_queue_and_interest)
{
    world *w = consumers_world(",\"retention\":\"workqueue\"", 3);
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ri_js_error e;
    ri_stream_info info;
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ck_assert_int_lt(world_consumer(w, "S", "{\"durable_name\":\"d\",\"ack_policy\":\"explicit\"}",
                                    NULL, &e), 0);
    ck_assert_int_eq(e.err_code, 10099);
    world_pull(w, c, "in.1", "3");
    world_turn(w);
    ack(w, 2, 2, "");
    ack(w, 1, 1, "+TERM");
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 1);
    world_fini(w);

    w = consumers_world(",\"retention\":\"interest\"", 3); /* nobody is interested */
    s = ri_js_stream(w->js, RI_STR("S"));
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 0);
    ck_assert_uint_eq(info.state.last_seq, 3);
    c = consumer(w, EXPLICIT "}");
    ri_consumer *d = consumer(w, "{\"durable_name\":\"d\",\"ack_policy\":\"explicit\","
                                 "\"filter_subject\":\"s.a\"}");
    world_publish(w, "s.a", "", "", "x");
    world_publish(w, "s.b", "", "", "y");
    world_turn(w);
    world_pull(w, c, "in.1", "3");
    world_pull(w, d, "in.2", "3");
    world_turn(w);
    ack(w, 4, 1, "");
    ack(w, 5, 2, "");
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 1);
    ck_assert_uint_eq(info.state.first_seq, 4);
    ri_consumer_delete(d);
    world_turn(w);
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_removed_while_pending)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    world_pull(w, c, "in.1", "2");
    world_turn(w);
    ri_stream *s = ri_consumer_stream(c);
    uint64_t purged;
    ck_assert_ok(ri_stream_erase(s, 1, false, NULL));
    ck_assert_uint_eq(info_of(c).num_ack_pending, 1);
    ck_assert_ok(ri_stream_erase(s, 3, false, NULL));
    ck_assert_uint_eq(info_of(c).num_pending, 0);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 0, &purged, NULL));
    ck_assert_uint_eq(info_of(c).num_ack_pending, 0);
    ck_assert_uint_eq(info_of(c).ack_floor.stream_seq, 3);
    world_turn(w);
    world_fini(w);
}
END_TEST

START_TEST(test_dead_letters)
{
    world *w = consumers_world("", 2);
    ri_stream *dead;
    ck_assert_ok(world_stream(w, "{\"name\":\"DEAD\",\"subjects\":[\"dead\"]}", &dead, NULL));
    ri_consumer *c = consumer(w, EXPLICIT ",\"ack_wait\":1000000000,\"max_deliver\":1,"
                                          "\"metadata\":{\"rill.dead_letters\":\"DEAD\"}}");
    world_pull(w, c, "in.1", "2");
    world_turn(w);
    ack(w, 1, 1, "+TERM bad");
    world_wait(w, 1500);
    ri_record r;
    ck_assert_ok(ri_stream_get(dead, 1, &r));
    ck_assert_span(r.subject, "s.a");
    ck_assert_span(r.data, "m1");
    ck_assert_span(r.headers, "NATS/1.0\r\nRill-Dead-Stream: S\r\nRill-Dead-Consumer: c\r\n"
                              "Rill-Dead-Sequence: 1\r\nRill-Dead-Deliveries: 1\r\n"
                              "Rill-Dead-Reason: terminated: bad\r\n\r\n");
    ck_assert_ok(ri_stream_get(dead, 2, &r));
    ck_assert_span(r.headers, "NATS/1.0\r\nRill-Dead-Stream: S\r\nRill-Dead-Consumer: c\r\n"
                              "Rill-Dead-Sequence: 2\r\nRill-Dead-Deliveries: 1\r\n"
                              "Rill-Dead-Reason: max_deliver\r\n\r\n");
    world_fini(w);
}
END_TEST

START_TEST(test_push)
{
    world *w = consumers_world("", 2);
    ri_consumer *c = consumer(w, EXPLICIT ",\"deliver_subject\":\"out\","
                                          "\"idle_heartbeat\":1000000000}");
    world_wait(w, 1500);
    WORLD_TOLD(w, ""); /* nobody listens: nothing is delivered or counted */
    ck_assert_uint_eq(info_of(c).delivered.consumer_seq, 0);
    ck_assert(!info_of(c).push_bound);
    world_ear *out = world_listen(w, "out", "out");
    world_turn(w);
    ck_assert(info_of(c).push_bound);
    WORLD_TOLD(w, "[  1500] out: s.a <ACK(1/1/1/1)> m1\n"
                  "[  1500] out: s.b <ACK(1/2/2/0)> m2\n");
    world_wait(w, 1000);
    WORLD_TOLD(w, "[  2500] out: out {100 Idle Heartbeat, Nats-Last-Consumer: 2, "
                  "Nats-Last-Stream: 2}\n");
    world_publish(w, "s.a", "", "", "m3");
    world_turn(w);
    WORLD_TOLD(w, "[  2500] out: s.a <ACK(1/3/3/0)> m3\n");
    world_deafen(w, out);
    world_publish(w, "s.a", "", "", "m4");
    world_turn(w);
    ck_assert_uint_eq(info_of(c).delivered.consumer_seq, 3);
    world_fini(w);
}
END_TEST

START_TEST(test_push_flow_control)
{
    static char big[200001];
    memset(big, 'x', sizeof big - 1);
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w,
                              "{\"name\":\"c\",\"deliver_subject\":\"out\",\"flow_control\":true,"
                                 "\"idle_heartbeat\":1000000000}");
    world_ear *out = world_listen(w, "out", "out");
    world_ear *flow = world_listen(w, "flow", "$JS.FC.>");
    out->quiet = flow->quiet = true;
    for (int i = 0; i < 30; i++) {
        world_publish(w, "s.a", "", "", big);
        world_turn(w);
    }
    ck_assert_uint_eq(out->got, 12); /* 11 messages fill 2 MiB, and the request */
    ck_assert_uint_eq(info_of(c).num_pending, 19);
    out->quiet = false;
    world_wait(w, 1000);
    ri_str told = ri_buffer_str(&w->told), line, subject;
    ck_assert(ri_str_cut(&told, '}', &line));
    const char *at = strstr(line.ptr, "Nats-Consumer-Stalled: ");
    ck_assert_ptr_nonnull(at);
    subject = (ri_str){at + 23, (size_t)(line.ptr + line.len - (at + 23))};
    char answer[128];
    snprintf(answer, sizeof answer, "%.*s", RI_ARG(subject));
    ri_buffer_reset(&w->told);
    out->quiet = true;
    world_publish(w, answer, "", "", "");
    world_turn(w);
    ck_assert_uint_gt(out->got, 25);
    world_fini(w);
}
END_TEST

START_TEST(test_push_rate_and_replay)
{
    world *w = consumers_world("", 0);
    for (int i = 0; i < 3; i++) {
        world_publish(w, "s.a", "", "", "x");
        world_turn(w);
        world_wait(w, 400);
    }
    world_listen(w, "out", "out");
    consumer(w, "{\"name\":\"r\",\"deliver_subject\":\"out\",\"replay_policy\":\"original\"}");
    world_wait(w, 1000);
    WORLD_TOLD(w, "[  1200] out: s.a <ACK(1/1/1/2)> x\n"
                  "[  1600] out: s.a <ACK(1/2/2/1)> x\n"
                  "[  2000] out: s.a <ACK(1/3/3/0)> x\n");
    world_listen(w, "slow", "slow");
    ck_assert_ok(world_consumer(w, "S", "{\"name\":\"q\",\"deliver_subject\":\"slow\","
                                        "\"rate_limit_bps\":800}", NULL, NULL));
    world_wait(w, 300);
    ri_str told = ri_buffer_str(&w->told);
    size_t lines = 0;
    for (size_t i = 0; i < told.len; i++) lines += told.ptr[i] == '\n';
    ck_assert_uint_eq(lines, 1); /* 52 bytes are half a second */
    world_wait(w, 2000);
    told = ri_buffer_str(&w->told);
    for (size_t i = lines = 0; i < told.len; i++) lines += told.ptr[i] == '\n';
    ck_assert_uint_eq(lines, 3);
    world_fini(w);
}
END_TEST

START_TEST(test_priority_groups)
{
    world *w = consumers_world("", 3);
    w->events = true;
    ri_consumer *c = consumer(w, EXPLICIT ",\"priority_policy\":\"pinned_client\","
                                          "\"priority_groups\":[\"g\"],"
                                          "\"priority_timeout\":5000000000}");
    ri_buffer_reset(&w->told);
    world_pull(w, c, "in.1", "{\"batch\":2,\"group\":\"g\"}");
    world_pull(w, c, "in.2", "{\"batch\":2,\"group\":\"g\",\"expires\":9000000000}");
    world_turn(w);
    ck_assert_uint_eq(info_of(c).num_waiting, 1); /* the other's: it is not pinned */
    ck_assert_uint_eq(info_of(c).delivered.consumer_seq, 2);
    ck_assert_uint_eq(info_of(c).priority_groups.items[0].pinned_client_id.len, RI_NUID_LEN);
    ri_buffer_reset(&w->told);
    world_pull(w, c, "in.1", "{\"batch\":2,\"group\":\"g\",\"id\":\"wrong\"}");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.1 {423 Nats-Pin-Id mismatch}\n");
    world_wait(w, 5500);
    ck_assert_uint_eq(info_of(c).delivered.consumer_seq, 3);
    world_fini(w);

    w = consumers_world("", 3);
    c = consumer(w, EXPLICIT ",\"priority_policy\":\"overflow\",\"priority_groups\":[\"g\"]}");
    world_pull(w, c, "in.1", "{\"batch\":5,\"group\":\"g\",\"min_pending\":3}");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/2)> m1\n");
    world_fini(w);

    w = consumers_world("", 2);
    c = consumer(w, EXPLICIT ",\"priority_policy\":\"prioritized\",\"priority_groups\":[\"g\"]}");
    world_pull(w, c, "in.2", "{\"batch\":1,\"group\":\"g\",\"priority\":2}");
    world_pull(w, c, "in.1", "{\"batch\":1,\"group\":\"g\",\"priority\":1}");
    world_listen(w, "first", "in.1");
    world_turn(w);
    ck_assert_uint_eq(info_of(c).delivered.consumer_seq, 2);
    world_fini(w);
}
END_TEST

START_TEST(test_backoff)
{
    world *w = consumers_world("", 1);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_deliver\":4,"
                                          "\"backoff\":[100000000,300000000]}");
    world_pull(w, c, "in.1", "9");
    world_wait(w, 2000);
    WORLD_TOLD(w, "[     0] in: s.a <ACK(1/1/1/0)> m1\n"
                  "[   100] in: s.a <ACK(2/1/2/0)> m1\n"
                  "[   400] in: s.a <ACK(3/1/3/0)> m1\n"
                  "[   700] in: s.a <ACK(4/1/4/0)> m1\n");
    ck_assert_uint_eq(info_of(c).num_ack_pending, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_reset)
{
    world *w = consumers_world("", 3);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    uint64_t seq;
    world_pull(w, c, "in.1", "3");
    world_turn(w);
    ri_buffer_reset(&w->told);
    ack(w, 1, 1, "");
    ck_assert_ok(ri_consumer_reset(c, 0, &seq, NULL));
    ck_assert_uint_eq(seq, 2);
    world_pull(w, c, "in.1", "1");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: s.b <ACK(1/2/1/1)> m2\n");
    ck_assert_ok(ri_consumer_reset(c, 1, &seq, NULL));
    ck_assert_ok(world_restart(w));
    c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
    world_fini(w);
}
END_TEST

SUITE_MAIN("consumer", test_pull_batch, test_pull_waits_for_messages, test_pull_no_wait,
           test_pull_no_wait_held_up, test_pull_no_wait_goes_on_behind_acks,
           test_pull_refused, test_pull_bytes_and_beats, test_redelivery, test_nak_progress_term,
           test_nak_nonsense,
           test_double_ack_and_next, test_ack_all_and_none, test_filters_and_policies,
           test_max_ack_pending, test_restart_keeps_place, test_create_rules, test_inactive,
           test_inactive_beside_work, test_pause_and_delete, test_vanished_inbox,
           test_vanished_is_not_counted,
           test_terse_acks, test_wrong_next, test_work_queue_and_interest,
           test_removed_while_pending, test_dead_letters, test_push, test_push_flow_control,
           test_push_rate_and_replay, test_priority_groups, test_backoff, test_reset)
