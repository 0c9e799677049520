/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: interest that ends. A stream keeps what somebody still wants. When
 * a consumer's filters change, a consumer goes, a stream that copies goes, or the stream itself
 * becomes one that keeps by interest, what nobody wants any more leaves it: at once if there is
 * little, in the turns that follow if there is much; what is not committed yet, too. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "support/fake_os.h"
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
    ri_js_stream_request to_interest = {.conf = {.name = RI_STR("L"),
                                                 .retention = RI_RETAIN_INTEREST}};
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
    ck_assert_ok(world_stream(&w,
                              "{\"name\":\"COPY\",\"max_msgs\":1,\"discard\":\"new\",\"sources\":"
                                  "[{\"name\":\"L\",\"filter_subject\":\"i.c\"}]}", &copy, NULL));
    publish_each(&w, "ccc");
    kept(&w, "COPY", 1, 1);
    kept(&w, "L", 2, 7);
    ck_assert_ok(ri_stream_delete(copy, NULL));
    kept(&w, "L", 0, 9);
    world_fini(&w);
}
END_TEST


static void publish_many(world *w, int n)
{
    for (int i = 0; i < n; i++) publish_each(w, i % 2 ? "a" : "b");
    world_turn(w);
}

/* An orderly close, or the end of the process, in the middle of what leaves in turns. */
START_TEST(test_the_process_ends_meanwhile)
{
    enum { MANY = 30000 };
    ri_js_consumer_request narrower = {.conf = {.durable_name = RI_STR("x"),
                                                .filter_subject = RI_STR("i.a"),
                                                .ack_policy = RI_ACK_EXPLICIT}};
    for (int orderly = 0; orderly < 2; orderly++) {
        static world w;
        ri_stream_info info;
        ck_assert_ok(world_init(&w, NULL));
        ck_assert_ok(world_stream(&w, "{\"name\":\"I\",\"subjects\":[\"i.*\"],"
                                      "\"retention\":\"interest\"}", NULL, NULL));
        ri_consumer *c = reader(&w, "I", "\"i.a\",\"i.b\"");
        publish_many(&w, MANY);
        for (int round = 0; round < 2; round++) {
            ri_budget_open(&w.router.budget);
            int rc = round == 0 ? ri_consumer_create(ri_js_stream(w.js, RI_STR("I")), &narrower,
                                                     &c, NULL) : ri_consumer_delete(c);
            ck_assert_ok(rc);
            ri_budget_close(&w.router.budget);
            ri_js_prepare(w.js, w.log);
            rc = ri_log_commit(w.log);
            ri_js_committed(w.js, w.log, rc, w.wall_ns, w.mono_ns);
            ck_assert(ri_js_waiting(w.js));
            if (orderly) world_one_turn(&w);
            ck_assert_ok(world_restart(&w));
            ri_stream_info_of(ri_js_stream(w.js, RI_STR("I")), &info);
            ck_assert_uint_gt(info.state.messages, round == 0 ? MANY / 2 : 0);
            if (round == 0) kept(&w, "I", MANY / 2, 2);
            else kept(&w, "I", 0, MANY + 1);
            c = ri_stream_consumer(ri_js_stream(w.js, RI_STR("I")), RI_STR("x"));
        }
        world_fini(&w);
    }
}
END_TEST

START_TEST(test_the_process_ends_while_limits_are_lowered)
{
    enum { MANY = 30000 };
    static world w;
    ri_stream *l;
    ri_stream_info info;
    ri_js_error e;
    ri_str subjects[] = {RI_STR("i.*")};
    ri_js_stream_request lower = {.conf = {.name = RI_STR("L"), .subjects = {subjects, 1},
                                           .max_msgs_per_subject = 10}};
    ck_assert_ok(world_init(&w, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"L\",\"subjects\":[\"i.*\"]}", &l, NULL));
    publish_many(&w, MANY);
    ri_budget_open(&w.router.budget);
    ck_assert_msg(ri_stream_update(l, &lower, &e) == RILL_OK, "%s", e.text);
    ri_budget_close(&w.router.budget);
    ck_assert_ok(world_restart(&w));
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("L")), &info);
    ck_assert_uint_gt(info.state.messages, 20);
    kept(&w, "L", 20, MANY - 19);
    world_fini(&w);
}
END_TEST

static ssize_t (*read_disk)(void *arg, int fd, void *buf, size_t len, uint64_t pos);
static int bad_reads; /* so many fail */

static ssize_t read_badly(void *arg, int fd, void *buf, size_t len, uint64_t pos)
{
    return bad_reads > 0 && bad_reads-- ? -EIO : read_disk(arg, fd, buf, len, pos);
}

/* What fails, since the disk cannot be read for a while, is tried again. */
START_TEST(test_the_disk_fails_meanwhile)
{
    static world w;
    fake_os disk;
    ri_host host;
    ri_log *log;
    fake_os_init(&disk);
    ri_host_init(&host, NULL);
    read_disk = disk.os.pread;
    disk.os.pread = read_badly;
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 65536,
                        .cache_bytes = 1, .no_maps = true};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(world_init(&w, log));
    ck_assert_ok(world_stream(&w, "{\"name\":\"I\",\"subjects\":[\"i.*\"],"
                                  "\"retention\":\"interest\"}", NULL, NULL));
    ri_consumer *c = reader(&w, "I", "\"i.a\",\"i.b\"");
    publish_many(&w, 5000);
    kept(&w, "I", 5000, 1);
    bad_reads = 3;
    ck_assert_ok(ri_consumer_delete(c));
    for (int i = 0; i < 5; i++) world_wait(&w, 1100);
    ck_assert_int_eq(bad_reads, 0);
    kept(&w, "I", 0, 5001);
    world_fini(&w);
    fake_os_fini(&disk);
}
END_TEST

SUITE_MAIN("interest_ends", test_filters_change, test_much_is_left_in_turns, test_streams_change,
           test_the_process_ends_meanwhile, test_the_process_ends_while_limits_are_lowered,
           test_the_disk_fails_meanwhile)
