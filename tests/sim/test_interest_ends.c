/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: interest that ends. A stream keeps what somebody still wants. When
 * a consumer's filters change, a consumer goes, a stream that copies goes, or the stream itself
 * becomes one that keeps by interest, what nobody wants any more leaves it: at once if there is
 * little, in the turns that follow if there is much; what is not committed yet, too. */
#include <stdio.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static ri_consumer *reader(world *w, const char *stream, const char *filters)
{
    char json[256];
    ri_consumer *c;
    ri_js_error e;
    snprintf(json, sizeof json, "{\"durable_name\":\"x\",\"ack_policy\":\"explicit\","
             "\"filter_subjects\":[%s]}", filters);
    ck_assert_msg(world_consumer(w, stream, json, &c, &e) == RILL_OK, "%s", e.text);
    return c;
}

/* How many messages there are, and the first. */
static void kept(world *w, const char *stream, uint64_t count, uint64_t first)
{
    ri_stream_info info;
    world_turn(w);
    ri_stream_info_of(ri_js_stream(w->js, ri_str_of(stream)), &info);
    ck_assert_uint_eq(info.state.messages, count);
    ck_assert_uint_eq(info.state.first_seq, first);
}

static void publish_each(world *w, const char *subjects)
{
    for (char subject[4] = "i.x"; *subjects; subjects++) {
        subject[2] = *subjects;
        world_publish(w, subject, "", "", "");
    }
}

START_TEST(test_filters_change)
{
    static world w;
    ri_consumer_info info;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "in", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"I\",\"subjects\":[\"i.*\"],"
                                  "\"retention\":\"interest\"}", NULL, NULL));
    ri_consumer *c = reader(&w, "I", "\"i.a\",\"i.b\"");
    publish_each(&w, "abab");
    kept(&w, "I", 4, 1);
    world_pull(&w, c, "in", "2");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] in: i.a <ACK(1/1/1/3)>\n[     0] in: i.b <ACK(1/2/2/2)>\n");

    /* The second lies with a worker: its ack has nothing to settle any more. */
    reader(&w, "I", "\"i.a\"");
    kept(&w, "I", 2, 1);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 1);
    ck_assert_uint_eq(info.num_pending, 1);
    ck_assert_int_eq(ri_consumer_ack(c, 2, 1, RI_STR_NONE), RILL_ENOENT);
    ck_assert_ok(ri_consumer_ack(c, 1, 1, RI_STR_NONE));
    kept(&w, "I", 1, 3);

    /* What is in the open commit goes as well. */
    publish_each(&w, "aa");
    reader(&w, "I", "\"i.c\"");
    kept(&w, "I", 0, 7);
    ck_assert_ok(world_restart(&w));
    kept(&w, "I", 0, 7);
    world_fini(&w);
}
END_TEST

START_TEST(test_much_is_left_in_turns)
{
    enum { MANY = 30000 };
    static world w;
    ri_stream_info info;
    ck_assert_ok(world_init(&w, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"I\",\"subjects\":[\"i.*\"],"
                                  "\"retention\":\"interest\"}", NULL, NULL));
    ri_consumer *c = reader(&w, "I", "\"i.a\",\"i.b\"");
    for (int i = 0; i < MANY; i++) publish_each(&w, i % 2 ? "a" : "b");
    kept(&w, "I", MANY, 1);
    ri_budget *budget = &w.router.budget;
    ri_stream *stream = ri_js_stream(w.js, RI_STR("I"));
    ri_js_consumer_request narrower = {.conf = {.durable_name = RI_STR("x"),
                                                .filter_subject = RI_STR("i.a"),
                                                .ack_policy = RI_ACK_EXPLICIT}};
    ri_budget_open(budget);
    ck_assert_ok(ri_consumer_create(stream, &narrower, &c, NULL));
    ck_assert(!ri_budget_left(budget));
    ck_assert_int_gt(budget->left, -10);
    ri_stream_info_of(stream, &info);
    ck_assert_uint_gt(info.state.messages, MANY / 2);
    ck_assert(ri_js_waiting(w.js));
    kept(&w, "I", MANY / 2, 2);
    ri_consumer_delete(c);
    kept(&w, "I", 0, MANY + 1);
    world_fini(&w);
}
END_TEST

START_TEST(test_streams_change)
{
    static world w;
    ri_js_error e;
    ri_js_stream_request to_interest = {.conf = {.name = RI_STR("L"), .retention = RI_RETAIN_INTEREST}};
    ri_str subjects[] = {RI_STR("i.*")};
    ck_assert_ok(world_init(&w, NULL));
    ri_stream *l, *copy;
    ck_assert_ok(world_stream(&w, "{\"name\":\"L\",\"subjects\":[\"i.*\"]}", &l, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"COPY\",\"sources\":[{\"name\":\"L\","
                                  "\"filter_subject\":\"i.c\"}]}", &copy, NULL));
    ri_consumer *c = reader(&w, "L", "\"i.a\"");
    world_pull(&w, c, "nowhere", "1");
    publish_each(&w, "abcab");
    kept(&w, "L", 5, 1);
    kept(&w, "COPY", 1, 1);

    /* From now on it keeps by interest, and nobody wants i.b; i.c has been copied. */
    to_interest.conf.subjects = (ri_strs){subjects, 1};
    ck_assert_msg(ri_stream_update(l, &to_interest, &e) == RILL_OK, "%s", e.text);
    kept(&w, "L", 2, 1);
    ck_assert_ok(ri_consumer_delete(c));
    kept(&w, "L", 0, 6);

    /* What is kept for a copy that cannot take it is let go with that. */
    ck_assert_ok(ri_stream_delete(copy, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"COPY\",\"max_msgs\":1,\"discard\":\"new\",\"sources\":"
                                  "[{\"name\":\"L\",\"filter_subject\":\"i.c\"}]}", &copy, NULL));
    publish_each(&w, "ccc");
    kept(&w, "COPY", 1, 1);
    kept(&w, "L", 2, 7);
    ck_assert_ok(ri_stream_delete(copy, NULL));
    kept(&w, "L", 0, 9);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("interest_ends", test_filters_change, test_much_is_left_in_turns, test_streams_change)
