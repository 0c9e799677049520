/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream API over an engine without sockets or clock: requests and their whole answers,
 * answers that wait for the commit, bounds, snapshots and restores, every allocation failed. */
#include "front/jetstream/jetstream_api.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"
#include "support/desk.h"
#include "support/suite.h"

static desk *desk_new(void)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    return &d;
}

#define REPLY(type) "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1." type "\""

START_TEST(test_empty)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.NAMES", "");
    WORLD_TOLD(&d->w, REPLY("stream_names_response") ",\"total\":0,\"offset\":0,\"limit\":1024,"
                                                     "\"streams\":null}\n");
    desk_ask(d, "STREAM.INFO.S", "");
    WORLD_TOLD(&d->w, REPLY("stream_info_response") ",\"error\":{\"code\":404,\"err_code\":10059,"
                      "\"description\":\"stream not found\"},\"total\":0,\"offset\":0,"
                      "\"limit\":0}\n");
    desk_ask(d, "STREAM.DELETE.S", "{\"a\":1}");
    WORLD_TOLD(&d->w, REPLY("stream_delete_response") ",\"error\":{\"code\":400,\"err_code\":10038,"
                      "\"description\":\"expected an empty request payload\"}}\n");
    desk_ask(d, "STREAM.PURGE.S", "");
    WORLD_TOLD(&d->w, REPLY("stream_purge_response") ",\"error\":{\"code\":404,\"err_code\":10059,"
                      "\"description\":\"stream not found\"},\"purged\":0}\n");
    desk_ask(d, "NO.SUCH", "");
    desk_ask(d, "CONSUMER.RESET.S.C", "");
    WORLD_TOLD(&d->w, "");
    desk_ask(d, "DIRECT.GET.S.a", "");
    WORLD_TOLD(&d->w, "[     0] in: in {503 , Nats-Subject: $JS.API.DIRECT.GET.S.a}\n");
    desk_ask(d, "CONSUMER.MSG.NEXT.S.C", "");
    WORLD_TOLD(&d->w, "[     0] in: in {503 , Nats-Subject: $JS.API.CONSUMER.MSG.NEXT.S.C}\n");
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_level)
{
    desk *d = desk_new();
    world_publish(&d->w, "$JS.API.STREAM.NAMES", "in", "Nats-Required-Api-Level: 6\r\n", "");
    desk_turn(d);
    WORLD_TOLD(&d->w, REPLY("stream_names_response") ",\"error\":{\"code\":412,\"err_code\":10185,"
                      "\"description\":\"JetStream minimum api level required\"},\"total\":0,"
                      "\"offset\":0,\"limit\":0,\"streams\":null}\n");
    desk_fini(d, NULL);
}
END_TEST

/* What is asked is compared with all other streams before it is checked. */
START_TEST(test_subject_that_is_none)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"a\",\"b\",\"c\",\"d\",\"e\","
                                   "\"f\",\"g\",\"h\",\"\"]}");
    WORLD_TOLD(&d->w, REPLY("stream_create_response") ",\"error\":{\"code\":500,\"err_code\":10052,"
                      "\"description\":\"invalid subject\"}}\n");
    desk_fini(d, NULL);
}
END_TEST

/* A change is told when it is committed, not before. */
START_TEST(test_committed)
{
    desk *d = desk_new();
    world_publish(&d->w, "$JS.API.STREAM.CREATE.S", "in", "", "{\"name\":\"S\"}");
    ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
    ck_assert_uint_eq(d->w.ears[0]->got, 0);
    desk_turn(d);
    ck_assert_uint_eq(d->w.ears[0]->got, 1);
    desk_ask(d, "STREAM.NAMES", "");
    ck_assert_uint_eq(d->w.ears[0]->got, 2);
    d->w.ears[0]->got = 0;
    /* Closed in between, nothing is told and nothing is left. */
    world_publish(&d->w, "$JS.API.STREAM.DELETE.S", "in", "", "");
    ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
    ri_jetstream_api_close(d->api);
    d->api = NULL;
    world_turn(&d->w);
    ck_assert_uint_eq(d->w.ears[0]->got, 0);
    desk_forget(d);
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_messages)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"allow_direct\":true}");
    world_publish(&d->w, "s.a", "", "", "one");
    world_publish(&d->w, "s.b", "", "", "two");
    desk_turn(d);
    desk_forget(d);
    desk_ask(d, "DIRECT.GET.S", "{\"seq\":1,\"batch\":5}");
    ck_assert_uint_eq(d->w.ears[0]->got, 4); /* create, two messages, the end */
    desk_ask(d, "DIRECT.GET.S", "{\"multi_last\":[\"s.*\",\"s.a\"]}");
    ck_assert_uint_eq(d->w.ears[0]->got, 7);
    desk_forget(d);
    desk_ask(d, "DIRECT.GET.S", "{\"seq\":9}");
    desk_ask(d, "DIRECT.GET.S", "{}");
    desk_ask(d, "DIRECT.GET.S", "x");
    desk_ask(d, "DIRECT.GET.S", "{\"multi_last\":[\"none\"]}");
    WORLD_TOLD(&d->w, "[     0] in: in {404 Message Not Found}\n"
                      "[     0] in: in {408 Empty Request}\n"
                      "[     0] in: in {408 Malformed Request}\n"
                      "[     0] in: in {404 No Results}\n");
    desk_ask(d, "STREAM.MSG.DELETE.S", "{\"seq\":1}");
    desk_ask(d, "STREAM.MSG.DELETE.S", "{\"seq\":1}");
    desk_ask(d, "STREAM.PURGE.S", "{\"seq\":1,\"keep\":1}");
    desk_ask(d, "STREAM.PURGE.S", "");
    WORLD_TOLD(&d->w, REPLY("stream_msg_delete_response") ",\"success\":true}\n"
                      REPLY("stream_msg_delete_response") ",\"error\":{\"code\":400,"
                      "\"err_code\":10043,\"description\":\"sequence 1 not found\"}}\n"
                      REPLY("stream_purge_response") ",\"error\":{\"code\":400,\"err_code\":10003,"
                      "\"description\":\"bad request\"},\"purged\":0}\n"
                      REPLY("stream_purge_response") ",\"success\":true,\"purged\":1}\n");
    desk_fini(d, NULL);
}
END_TEST

/* While a commit is on its way that replaces the last message of a subject, and erases the old one
 * with it, each way of asking finds the old or the new one. */
START_TEST(test_replaced)
{
    static const struct { const char *subject, *body; int answers; } asked[] = {
        {"$JS.API.DIRECT.GET.S.s.a", "", 1},
        {"$JS.API.DIRECT.GET.S", "{\"last_by_subj\":\"s.a\"}", 1},
        {"$JS.API.DIRECT.GET.S", "{\"last_by_subj\":\"s.*\"}", 1},
        {"$JS.API.DIRECT.GET.S", "{\"seq\":1,\"next_by_subj\":\"s.a\"}", 1},
        {"$JS.API.DIRECT.GET.S", "{\"seq\":1,\"next_by_subj\":\"s.>\"}", 1},
        {"$JS.API.DIRECT.GET.S", "{\"multi_last\":[\"s.a\",\"s.*\"]}", 2},
        {"$JS.API.DIRECT.GET.S", "{\"multi_last\":[\"s.a\"],\"up_to_seq\":9}", 2},
        {"$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.a\"}", 1},
        {"$JS.API.STREAM.MSG.GET.S", "{\"seq\":1,\"next_by_subj\":\"s.a\"}", 1},
    };
    desk *d = desk_new();
    ri_commit job;
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"allow_direct\":true,"
                                   "\"max_msgs_per_subject\":1}");
    world_publish(&d->w, "s.a", "", "", "one");
    desk_turn(d);
    for (int flying = 0; flying < 2; flying++) {
        world_publish(&d->w, "s.a", "", "", "two");
        if (flying) {
            ri_js_prepare(d->w.js, d->w.log);
            ck_assert_ok(ri_log_commit_begin(d->w.log, &job));
            ck_assert_ok(ri_log_commit_io(&job));
        }
        for (size_t i = 0; i < RI_LEN(asked); i++) {
            desk_forget(d);
            d->w.ears[0]->got = 0;
            world_publish(&d->w, asked[i].subject, "in", "", asked[i].body);
            ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
            ri_str told = ri_buffer_str(&d->w.told);
            ck_assert_msg(!memmem(told.ptr, told.len, "404", 3), "%s %s: %.*s", asked[i].subject,
                          asked[i].body, RI_ARG(told));
            ck_assert_uint_eq(d->w.ears[0]->got, (uint64_t)asked[i].answers);
        }
        if (flying)
            ri_js_committed(d->w.js, d->w.log, ri_log_commit_end(d->w.log, &job), d->w.wall_ns,
                            d->w.mono_ns);
        desk_turn(d);
        desk_forget(d);
    }
    /* What never was there is not there now: by number, and what comes new. */
    world_publish(&d->w, "s.b", "", "", "three");
    world_publish(&d->w, "$JS.API.DIRECT.GET.S", "in", "", "{\"seq\":4}");
    world_publish(&d->w, "$JS.API.DIRECT.GET.S", "in", "", "{\"last_by_subj\":\"s.c\"}");
    ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
    WORLD_TOLD(&d->w, "[     0] in: in {404 Message Not Found}\n"
                      "[     0] in: in {404 Message Not Found}\n");
    desk_fini(d, NULL);
}
END_TEST

#define TOLD_OF(seq, subject, own)                                                             \
    "[     0] in: in {" own "Nats-Stream: S, Nats-Subject: " subject ", Nats-Sequence: " seq ", " \
    "Nats-Time-Stamp: 2027-01-15T08:00:00Z"

/* A message that is got carries what it was stored with, then where it stands. */
START_TEST(test_got)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"allow_direct\":true}");
    world_publish(&d->w, "s.a", "", "", "one");
    world_publish(&d->w, "s.b", "", "Own: 1\r\nTwo: 2\r\n", "two");
    desk_turn(d);
    desk_forget(d);
    desk_ask(d, "DIRECT.GET.S.s.a", "");
    desk_ask(d, "DIRECT.GET.S.s.b", "");
    WORLD_TOLD(&d->w, TOLD_OF("1", "s.a", "") "} one\n"
                      TOLD_OF("2", "s.b", "Own: 1, Two: 2, ") "} two\n");
    desk_ask(d, "DIRECT.GET.S", "{\"seq\":1,\"batch\":2}");
    WORLD_TOLD(&d->w, TOLD_OF("1", "s.a", "") ", Nats-Num-Pending: 1, Nats-Last-Sequence: 0} one\n"
                      TOLD_OF("2", "s.b", "Own: 1, Two: 2, ") ", Nats-Num-Pending: 0, "
                      "Nats-Last-Sequence: 1} two\n"
                      "[     0] in: in {204 EOB, Nats-Num-Pending: 0, Nats-Last-Sequence: 2}\n");
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_domain)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, "hub"));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    world_publish(&d.w, "$JS.hub.API.STREAM.NAMES", "in", "", "");
    desk_turn(&d);
    WORLD_TOLD(&d.w, REPLY("stream_names_response") ",\"total\":0,\"offset\":0,\"limit\":1024,"
                                                    "\"streams\":null}\n");
    ck_assert_ptr_nonnull(world_listen(&d.w, "kv", "$KV.b.*"));
    world_publish(&d.w, "$JS.hub.API.$KV.b.k", "", "", "value");
    desk_turn(&d);
    WORLD_TOLD(&d.w, "[     0] kv: $KV.b.k value\n");
    desk_fini(&d, NULL);
}
END_TEST

START_TEST(test_bound)
{
    desk *d = desk_new();
    d->w.ears[0]->quiet = true;
    for (int i = 0; i < RI_LIMIT_JS_API_ROW + 7; i++)
        world_publish(&d->w, "$JS.API.INFO", "in", "", "");
    ri_jetstream_api_stats stats;
    ri_jetstream_api_stats_of(d->api, &stats);
    ck_assert_uint_eq(stats.waiting, RI_LIMIT_JS_API_ROW);
    ck_assert_uint_eq(stats.dropped, 7);
    desk_turn(d);
    ri_jetstream_api_stats_of(d->api, &stats);
    ck_assert_uint_eq(stats.total, RI_LIMIT_JS_API_ROW);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(d->w.ears[0]->got, RI_LIMIT_JS_API_ROW);
    desk_fini(d, NULL);
}
END_TEST

/* Every request of the table below, with each allocation failing once: no answer or an error, but
 * nothing lost, leaked or torn. */
static int desk_fault_body(fault *f, void *arg)
{
    (void)arg;
    static const char *const requests[][2] = {
        {"INFO", ""},
        {"STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"allow_direct\":true,"
                            "\"metadata\":{\"a\":\"b\"}}"},
        {"STREAM.UPDATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"allow_direct\":true}"},
        {"STREAM.NAMES", "{\"subject\":\"s.>\"}"},
        {"STREAM.LIST", ""},
        {"STREAM.INFO.S", "{\"subjects_filter\":\">\",\"deleted_details\":true}"},
        {"STREAM.MSG.GET.S", "{\"seq\":1}"},
        {"DIRECT.GET.S", "{\"multi_last\":[\"s.*\"]}"},
        {"CONSUMER.CREATE.S.c", "{\"stream_name\":\"S\",\"config\":{\"ack_policy\":\"explicit\"}}"},
        {"CONSUMER.LIST.S", ""},
        {"CONSUMER.MSG.NEXT.S.c", "{\"batch\":1,\"no_wait\":true}"},
        {"CONSUMER.PAUSE.S.c", "{\"pause_until\":\"2100-01-01T00:00:00Z\"}"},
        {"CONSUMER.INFO.S.c", ""},
        {"STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"in\"}"},
        {"CONSUMER.DELETE.S.c", ""},
        {"STREAM.PURGE.S", ""},
        {"STREAM.DELETE.S", ""},
    };
    static desk d;
    int rc = desk_init(&d, f, NULL);
    world_ear *in = rc >= 0 ? world_listen(&d.w, "in", "in") : NULL;
    for (size_t i = 0; in && i < RI_LEN(requests); i++) {
        desk_ask(&d, requests[i][0], requests[i][1]);
        if (i == 2) world_publish(&d.w, "s.a", "", "", "x");
    }
    if (in) desk_forget(&d);
    desk_fini(&d, f);
    return f->supply.failed ? RILL_ENOMEM : rc;
}

/* Time goes on, and nobody steps. */
static void desk_skip(desk *d, int64_t ms)
{
    d->w.mono_ns += ms * RI_MS;
    d->w.wall_ns += ms * RI_MS;
}

/* A request counts from when it comes, not from the last step, and finds what is due done. */
START_TEST(test_after_idle)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.OLD", "{\"name\":\"OLD\",\"subjects\":[\"old\"],"
                                     "\"storage\":\"memory\",\"max_age\":100000000,"
                                     "\"duplicate_window\":100000000}");
    desk_ask(d, "STREAM.CREATE.S",
             "{\"name\":\"S\",\"subjects\":[\"s\"],\"storage\":\"memory\"}");
    desk_ask(d, "CONSUMER.DURABLE.CREATE.S.c",
             "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\","
             "\"ack_policy\":\"explicit\","
             "\"ack_wait\":1000000000}}");
    world_publish(&d->w, "old", "", "", "gone soon");
    world_publish(&d->w, "s", "", "", "m1");
    desk_turn(d);
    desk_forget(d);

    desk_skip(d, 101);
    desk_ask(d, "CONSUMER.CREATE.OLD",
             "{\"stream_name\":\"OLD\",\"config\":{\"ack_policy\":\"none\"}}");
    ri_str told = ri_buffer_str(&d->w.told), pending = RI_STR("\"num_pending\":0,");
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, pending.ptr, pending.len));
    desk_forget(d);

    desk_skip(d, 5000);
    desk_ask(d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":9,\"no_wait\":true,\"expires\":1000000000}");
    WORLD_TOLD(&d->w, "[  5101] in: s <ACK(1/1/1/0)> m1\n"
                      "[  5101] in: in {404 No Messages}\n");
    desk_skip(d, 1000); /* not acknowledged in time, it is there again */
    desk_ask(d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":1,\"no_wait\":true}");
    WORLD_TOLD(&d->w, "[  6101] in: s <ACK(2/1/2/0)> m1\n");
    desk_fini(d, NULL);
}
END_TEST

#define ERROR_REPLY(type, code, err_code, text) REPLY(type) ",\"error\":{\"code\":" code ","     \
    "\"err_code\":" err_code ",\"description\":\"" text "\"}"

/* Limits of consumers are not drawn tighter than those that are there allow. */
START_TEST(test_limits_of_consumers)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"]}");
    desk_ask(d, "CONSUMER.CREATE.S.a", "{\"stream_name\":\"S\",\"config\":{\"name\":\"a\","
                                       "\"durable_name\":\"a\",\"ack_policy\":\"explicit\"}}");
    desk_ask(d, "CONSUMER.CREATE.S.b",
             "{\"stream_name\":\"S\",\"config\":{\"name\":\"b\",\"max_ack_"
                                       "pending\":50,\"ack_policy\":\"explicit\"}}");
    desk_forget(d);
    desk_ask(d, "STREAM.UPDATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"],"
                                   "\"consumer_limits\":{\"max_ack_pending\":10}}");
    WORLD_TOLD(&d->w, ERROR_REPLY("stream_update_response", "500", "10069",
                                  "change to limits violates consumers: a, b") "}\n");
    desk_ask(d, "STREAM.UPDATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"],"
                                   "\"consumer_limits\":{\"inactive_threshold\":2000000000}}");
    WORLD_TOLD(&d->w, ERROR_REPLY("stream_update_response", "500", "10069",
                                  "change to limits violates consumers: b") "}\n");
    desk_fini(d, NULL);
}
END_TEST

/* Created once more, the same durable consumer is found; an ephemeral one that was given its
 * threshold is not what is asked for. */
START_TEST(test_created_again)
{
    desk *d = desk_new();
    const char *const same[] = {
        "{\"stream_name\":\"S\",\"action\":\"create\",\"config\":{\"name\":\"c\","
        "\"durable_name\":\"c\"}}",
        "{\"stream_name\":\"S\",\"action\":\"create\",\"config\":{\"name\":\"e\","
        "\"inactive_threshold\":5000000000}}"};
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"]}");
    for (int i = 0; i < 4; i++)
        desk_ask(d, i % 2 ? "CONSUMER.CREATE.S.e" : "CONSUMER.CREATE.S.c", same[i % 2]);
    ri_str told = ri_buffer_str(&d->w.told);
    ck_assert_ptr_null(memmem(told.ptr, told.len, "error", 5));
    desk_forget(d);
    desk_ask(d, "CONSUMER.CREATE.S.e",
             "{\"stream_name\":\"S\",\"action\":\"create\",\"config\":{\"name\":\"e\"}}");
    WORLD_TOLD(&d->w, ERROR_REPLY("consumer_create_response", "400", "10148",
                                  "consumer already exists") "}\n");
    desk_fini(d, NULL);
}
END_TEST

/* A message with a time to live of its own does not keep others beyond max_age. */
START_TEST(test_age_beside_ttl)
{
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"],\"max_age\":2000000000,"
                                   "\"allow_msg_ttl\":true,\"duplicate_window\":2000000000}");
    world_publish(&d->w, "s", "", "Nats-TTL: 20\r\n", "lives long");
    world_publish(&d->w, "s", "", "", "does not");
    desk_turn(d);
    desk_wait(d, 2001);
    desk_forget(d);
    desk_ask(d, "STREAM.MSG.GET.S", "{\"seq\":2}");
    WORLD_TOLD(&d->w,
               "[  2001] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_msg_get_response\","
                      "\"error\":{\"code\":404,\"err_code\":10037,"
                      "\"description\":\"no message found\"}}\n");
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(desk_fault_body, NULL), 50);
}
END_TEST

/* What is there and cannot be served says so, and goes when it is deleted. */
START_TEST(test_offline)
{
    desk *d = desk_new();
    ri_stream *s;
    ck_assert_ok(world_stream(&d->w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", &s, NULL));
    ri_fence stream = {.name = RI_STR("BAD"), .reason = RI_STR("why")};
    ri_fence consumer = {.name = RI_STR("bad"), .number = 9, .reason = RI_STR("so")};
    ck_assert_ok(ri_fence_stream(d->w.js, &stream));
    ck_assert_ok(ri_fence_consumer(s, &consumer));
    desk_ask(d, "STREAM.INFO.BAD", "");
    WORLD_TOLD(&d->w, REPLY("stream_info_response") ",\"error\":{\"code\":500,\"err_code\":10194,"
                      "\"description\":\"stream is offline: why\"},\"total\":0,\"offset\":0,"
                      "\"limit\":0}\n");
    desk_ask(d, "STREAM.CREATE.BAD", "{\"name\":\"BAD\",\"subjects\":[\"b\"]}");
    WORLD_TOLD(&d->w, REPLY("stream_create_response") ",\"error\":{\"code\":500,\"err_code\":10194,"
                      "\"description\":\"stream is offline: why\"}}\n");
    desk_ask(d, "STREAM.UPDATE.BAD", "{\"name\":\"BAD\",\"subjects\":[\"b\"]}");
    WORLD_TOLD(&d->w, REPLY("stream_update_response") ",\"error\":{\"code\":500,\"err_code\":10194,"
                      "\"description\":\"stream is offline: why\"}}\n");
    desk_ask(d, "CONSUMER.INFO.S.bad", "");
    WORLD_TOLD(&d->w, REPLY("consumer_info_response") ",\"error\":{\"code\":500,\"err_code\":10195,"
                      "\"description\":\"consumer is offline: so\"}}\n");
    desk_ask(d, "CONSUMER.LIST.S", "");
    WORLD_TOLD(&d->w, REPLY("consumer_list_response") ",\"total\":0,\"offset\":0,\"limit\":256,"
                      "\"offline\":{\"bad\":\"so\"},\"consumers\":[]}\n");
    desk_ask(d, "CONSUMER.DELETE.S.bad", "");
    WORLD_TOLD(&d->w, REPLY("consumer_delete_response") ",\"success\":true}\n");
    ck_assert_ok(ri_stream_delete(s, NULL));
    desk_ask(d, "STREAM.LIST", "");
    WORLD_TOLD(&d->w, REPLY("stream_list_response") ",\"total\":0,\"offset\":0,\"limit\":256,"
                      "\"offline\":{\"BAD\":\"why\"},\"streams\":[]}\n");
    desk_ask(d, "STREAM.DELETE.BAD", "");
    WORLD_TOLD(&d->w, REPLY("stream_delete_response") ",\"success\":true}\n");
    desk_ask(d, "STREAM.DELETE.BAD", "");
    WORLD_TOLD(&d->w, REPLY("stream_delete_response") ",\"error\":{\"code\":404,\"err_code\":10059,"
                      "\"description\":\"stream not found\"}}\n");
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("jetstream_api", test_empty, test_level, test_offline,
           test_subject_that_is_none, test_committed, test_messages,
           test_replaced, test_got, test_domain, test_bound, test_after_idle,
           test_limits_of_consumers, test_created_again, test_age_beside_ttl, test_faults)
