/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers that are told of a consumer: where it stands, and which delivery an event is
 * about. */
#include <stdio.h>

#include "base/error.h"
#include "engine/streams/consumer.h"
#include "engine/streams/purge.h"
#include "consumers.h"

static world w_;

/* A world with stream S of s.>, some messages in it, and a listener on in.>. */
static world *open_world(int n)
{
    ck_assert_ok(world_init(&w_, NULL));
    ck_assert_ok(world_stream(&w_, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    world_listen(&w_, "in", "in.>");
    for (int i = 1; i <= n; i++) world_publish(&w_, i % 2 ? "s.a" : "s.b", "", "", "");
    world_turn(&w_);
    return &w_;
}

static void note_seq(void *arg, const ri_js_event *event)
{
    uint64_t *seqs = arg;
    if (event->kind == RI_JS_MSG_NAKED) seqs[0] = event->consumer_seq;
    if (event->kind == RI_JS_MSG_TERMINATED) seqs[1] = event->consumer_seq;
    if (event->kind == RI_JS_ACK_SAMPLED) seqs[2] = event->consumer_seq;
}

/* What is told of a settling names the delivery that was settled, also after a restart. */
START_TEST(test_told_deliveries)
{
    uint64_t seqs[3] = {0};
    world *w = open_world(2);
    consumer(w, EXPLICIT ",\"sample_freq\":\"100\"}");
    w->also = note_seq;
    w->also_arg = seqs;
    ri_consumer *c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
    world_pull(w, c, "in.1", "5");
    world_turn(w);
    ack(w, 1, 1, "-NAK");
    ck_assert_uint_eq(seqs[0], 1);
    ack(w, 2, 2, "-NAK");
    ck_assert_ok(world_restart(w));
    ack(w, 1, 3, "+TERM");
    ck_assert_uint_eq(seqs[1], 3);
    ack(w, 2, 4, "");
    ck_assert_uint_eq(seqs[2], 4);
    world_fini(w);
}
END_TEST

static void stands_at(world *w, const char *name, uint64_t consumer_seq, uint64_t stream_seq)
{
    ri_consumer_info info = info_of(ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")),
                                                       ri_str_of(name)));
    ck_assert_uint_eq(info.delivered.consumer_seq, consumer_seq);
    ck_assert_uint_eq(info.delivered.stream_seq, stream_seq);
    ck_assert_uint_eq(info.ack_floor.consumer_seq, consumer_seq);
    ck_assert_uint_eq(info.ack_floor.stream_seq, stream_seq);
    ck_assert_uint_eq(info.num_ack_pending, 0);
}

/* A purge of a subject moves those who want nothing else; others stand where the stream begins. */
START_TEST(test_purged_subject)
{
    uint64_t purged;
    world *w = open_world(20); /* s.a and s.b in turn */
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    consumer(w, "{\"durable_name\":\"b\",\"filter_subject\":\"s.b\",\"ack_policy\":\"explicit\"}");
    consumer(w, "{\"durable_name\":\"bc\",\"filter_subjects\":[\"s.b\",\"s.c\"]}");
    consumer(w, "{\"durable_name\":\"all\"}");
    ri_consumer *c = consumer(w, EXPLICIT ",\"filter_subject\":\"s.b\"}");
    world_pull(w, c, "in.1", "3");
    world_turn(w);
    ck_assert_ok(ri_purge_whole(s, RI_STR("s.b"), 0, 2, &purged, NULL)); /* 18 and 20 are left */
    ck_assert_uint_eq(purged, 8);
    stands_at(w, "b", 0, 17);
    stands_at(w, "c", 3, 17);
    stands_at(w, "bc", 0, 0);
    stands_at(w, "all", 0, 0);
    world_publish(w, "s.b", "", "", "not committed yet");
    ck_assert_ok(ri_purge_whole(s, RI_STR("s.b"), 0, 0, &purged, NULL));
    world_turn(w);
    stands_at(w, "b", 0, 20);
    ck_assert_uint_eq(info_of(ri_stream_consumer(s, RI_STR("b"))).num_pending, 1);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 1, &purged, NULL));
    stands_at(w, "all", 0, 20);
    stands_at(w, "bc", 0, 20);
    ck_assert_ok(world_restart(w));
    stands_at(w, "c", 3, 20);
    stands_at(w, "all", 0, 20);
    world_fini(w);
}
END_TEST

/* By time it stands before the first that it may get, if that is known without a search. */
START_TEST(test_start_time)
{
    world *w = open_world(0);
    static const char *const subjects[] = {"s.x", "s.y", "s.a", "s.b", "s.x"};
    for (size_t i = 0; i < RI_LEN(subjects); i++) world_publish(w, subjects[i], "", "", "");
    world_turn(w);
#define BY_TIME "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"2020-01-01T00:00:00Z\""
    consumer(w, "{\"durable_name\":\"two\"," BY_TIME ",\"filter_subjects\":[\"s.b\",\"s.a\"]}");
    consumer(w, "{\"durable_name\":\"one\"," BY_TIME ",\"filter_subject\":\"s.b\"}");
    consumer(w, "{\"durable_name\":\"none\"," BY_TIME ",\"filter_subject\":\"s.c\"}");
    consumer(w, "{\"durable_name\":\"wide\"," BY_TIME ",\"filter_subject\":\"s.*\"}");
    stands_at(w, "two", 0, 2);
    stands_at(w, "one", 0, 3);
    stands_at(w, "none", 0, 0);
    stands_at(w, "wide", 0, 0);
    world_publish(w, "s.c", "", "", "");
    world_turn(w);
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ck_assert_uint_eq(info_of(ri_stream_consumer(s, RI_STR("none"))).num_pending, 1);
    world_fini(w);
}
END_TEST

SUITE_MAIN("consumer_numbers", test_told_deliveries, test_purged_subject, test_start_time)
