/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic, and streams and consumers whose times are as far away as a number can say: each
 * turn ends, nothing comes due that should not, and a restart changes nothing of that. */
#include "base/saturate.h"

#include <stdio.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

#define FAR "9223372036854775807"
#define ACKS "\"ack_policy\":\"explicit\","
#define PUSHED ACKS "\"ack_wait\":" FAR ",\"deliver_subject\":\"push\","

START_TEST(test_sums)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -2, -1, 0, 1, 2, INT64_MAX - 1,
                                    INT64_MAX};
    for (size_t i = 0; i < RI_LEN(edges); i++) {
        for (size_t j = 0; j < RI_LEN(edges); j++) {
            __int128 sum = (__int128)edges[i] + edges[j], less = (__int128)edges[i] - edges[j];
            sum = RI_MIN(RI_MAX(sum, (__int128)INT64_MIN), (__int128)INT64_MAX);
            less = RI_MIN(RI_MAX(less, (__int128)INT64_MIN), (__int128)INT64_MAX);
            ck_assert_int_eq(ri_ns_add(edges[i], edges[j]), (int64_t)sum);
            ck_assert_int_eq(ri_ns_sub(edges[i], edges[j]), (int64_t)less);
        }
    }
}
END_TEST

START_TEST(test_products)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN / RI_MS, -1, 0, 1, INT64_MAX / RI_MS,
                                    INT64_MAX / RI_MS + 1, INT64_MAX};
    for (size_t i = 0; i < RI_LEN(edges); i++) {
        __int128 product = (__int128)edges[i] * RI_MS;
        product = RI_MIN(RI_MAX(product, (__int128)INT64_MIN), (__int128)INT64_MAX);
        ck_assert_int_eq(ri_ns_of_ms(edges[i]), (int64_t)product);
    }
    ck_assert_int_eq(ri_ns_of_s(INT64_MAX), INT64_MAX);
    ck_assert_int_eq(ri_ns_of_s(7), 7 * RI_SEC);
    ck_assert_int_eq(ri_ns_mul(5, 0), 0);
    ck_assert_int_eq(ri_ns_of_u64(UINT64_MAX), INT64_MAX);
}
END_TEST

START_TEST(test_sizes)
{
    ck_assert_uint_eq(ri_u64_add(UINT64_MAX, 1), UINT64_MAX);
    ck_assert_uint_eq(ri_u64_add(UINT64_MAX - 1, 1), UINT64_MAX);
    ck_assert_uint_eq(ri_u64_add(1, 2), 3);
    ck_assert_uint_eq(ri_u64_sub(1, 2), 0);
    ck_assert_uint_eq(ri_u64_sub(2, 1), 1);
    ck_assert_uint_eq(ri_u64_mul(UINT64_MAX / 2, 3), UINT64_MAX);
    ck_assert_uint_eq(ri_u64_mul(UINT64_MAX, 0), 0);
    ck_assert_uint_eq(ri_u64_mul(6, 7), 42);
    ck_assert_uint_eq(ri_size_add(SIZE_MAX, 8), SIZE_MAX);
    ck_assert_uint_eq(ri_size_add(3, 8), 11);
    ck_assert_uint_eq(ri_size_mul(SIZE_MAX / 8 + 1, 8), SIZE_MAX);
    ck_assert_uint_eq(ri_size_mul(3, 8), 24);
}
END_TEST

/* No memory is that large, and no host is asked for it. */
START_TEST(test_impossible_sizes)
{
    fault f;
    fault_init(&f);
    ri_arena arena;
    ri_arena_init(&arena, &f.host);
    ck_assert_ptr_null(ri_alloc(&f.host, SIZE_MAX));
    ck_assert_ptr_null(ri_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(ri_arena_alloc(&arena, SIZE_MAX - 6));
    ri_arena_fini(&arena);
    fault_fini(&f);
}
END_TEST

/* ---- Streams and consumers ---- */

static world w_;

static void restart(world *w)
{
    ck_assert_ok(world_restart(w));
    world_turn(w);
}

/* A stream with three messages, and who hears what is delivered. */
static world *open_world(const char *more)
{
    char json[512];
    ck_assert_ok(world_init(&w_, NULL));
    world_move(&w_, RI_SEC); /* so that no clock stands at 0 */
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s}", more);
    ck_assert_ok(world_stream(&w_, json, NULL, NULL));
    world_listen(&w_, "in", "in.>");
    world_listen(&w_, "in", "push");
    for (int i = 0; i < 3; i++) world_publish(&w_, "s.a", "", "", "m");
    world_turn(&w_);
    return &w_;
}

/* An hour later, and a restart and an hour later, the consumer has delivered three messages. */
static const char *const consumers[] = {
    ACKS "\"ack_wait\":86400000000000,\"inactive_threshold\":" FAR,
    ACKS "\"ack_wait\":" FAR,
    ACKS "\"ack_wait\":9000000000000000000",
    ACKS "\"max_deliver\":3,\"backoff\":[" FAR "]",
    ACKS "\"max_deliver\":3,\"backoff\":[" FAR "," FAR "]",
    PUSHED "\"idle_heartbeat\":" FAR,
    PUSHED "\"idle_heartbeat\":" FAR
        ",\"flow_control\":true,\"inactive_threshold\":" FAR,
    ACKS "\"ack_wait\":" FAR ",\"max_expires\":" FAR,
};

START_TEST(test_consumer_far_times)
{
    char json[256];
    ri_consumer_info info;
    ri_consumer *c;
    world *w = open_world("");
    snprintf(json, sizeof json, "{\"durable_name\":\"c\",%s}", consumers[_i]);
    ck_assert_ok(world_consumer(w, "S", json, &c, NULL));
    bool push = strstr(json, "deliver_subject") != NULL;
    if (!push) ck_assert_ok(world_pull(w, c, "in.pull", "{\"batch\":9,\"expires\":" FAR "}"));
    world_wait(w, 3600000);
    for (int i = 0; i < 2; i++) {
        c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
        ck_assert_ptr_nonnull(c);
        ri_consumer_info_of(c, &info);
        ck_assert_uint_eq(info.delivered.consumer_seq, 3);
        ck_assert_uint_eq(info.num_redelivered, 0);
        ck_assert_uint_eq(info.num_ack_pending, 3);
        restart(w);
        world_wait(w, 3600000);
    }
    WORLD_TOLD(w, push ? "[  1000] in: s.a <ACK(1/1/1/2)> m\n"
                         "[  1000] in: s.a <ACK(1/2/2/1)> m\n"
                         "[  1000] in: s.a <ACK(1/3/3/0)> m\n"
                       : "[  1000] in: s.a <ACK(1/1/1/2)> m\n"
                         "[  1000] in: s.a <ACK(1/2/2/1)> m\n"
                         "[  1000] in: s.a <ACK(1/3/3/0)> m\n");
    world_fini(w);
}
END_TEST

/* Requests that never end, with a heartbeat of half a never; and pins that never lapse. */
START_TEST(test_pull_far_times)
{
    ri_consumer *c;
    world *w = open_world("");
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                        "\"filter_subject\":\"s.b\"}", &c, NULL));
    ck_assert_ok(world_pull(w, c, "in.a", "{\"batch\":1,\"expires\":9000000000000000000}"));
    ck_assert_ok(world_pull(w, c, "in.b", "{\"batch\":1,\"expires\":" FAR
                                          ",\"idle_heartbeat\":4611686018427387903}"));
    ck_assert_ok(world_pull(w, c, "in.c", "{\"batch\":1,\"expires\":" FAR
                                          ",\"idle_heartbeat\":" FAR "}"));
    ck_assert_ok(world_pull(w, c, "in.d", "{\"batch\":9223372036854775807,\"no_wait\":true}"));
    ck_assert_ok(world_pull(w, c, "in.e", "{\"batch\":1,\"expires\":-" FAR "}"));
    world_wait(w, 3600000);
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_waiting, 2);
    WORLD_TOLD(w, "[  1000] in: in.c {400 Bad Request - heartbeat value too large}\n"
                  "[  1000] in: in.d {404 No Messages}\n"
                  "[  1000] in: in.e {408 Request Timeout, Nats-Pending-Messages: 1, "
                  "Nats-Pending-Bytes: 0}\n");
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"p\",\"ack_policy\":\"explicit\","
                                        "\"priority_policy\":\"pinned_client\","
                                        "\"priority_groups\":[\"g\"],\"priority_timeout\":" FAR "}",
                                &c, NULL));
    ck_assert_ok(world_pull(w, c, "in.p", "{\"batch\":5,\"group\":\"g\",\"expires\":" FAR "}"));
    world_wait(w, 3600000);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_gt(info.priority_groups.items[0].pinned_client_id.len, 0);
    restart(w);
    world_wait(w, 3600000);
    world_fini(w);
}
END_TEST

/* Put off for as long as can be said, in each way of saying it: it does not come back, and there
 * is no difference after a restart. */
START_TEST(test_nak_far)
{
    static const char *const naks[] = {"-NAK {\"delay\":" FAR "}",
                                       "-NAK {\"delay\": 9000000000000000000}",
                                       "-NAK 2562047h47m16.854775807s"};
    ri_consumer *c;
    ri_consumer_info info;
    world *w = open_world("");
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}",
                                &c, NULL));
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":1,\"expires\":1000000000}"));
    world_turn(w);
    ck_assert_int_eq(world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "", "", naks[_i]), 1);
    world_turn(w);
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(world_pull(w, c, "in.2", "{\"batch\":1,\"no_wait\":true}"));
        world_wait(w, 20000);
        ri_consumer_info_of(c, &info);
        ck_assert_uint_eq(info.delivered.consumer_seq, 2 + (uint64_t)i);
        ck_assert_uint_eq(info.delivered.stream_seq, 2 + (uint64_t)i);
        ck_assert_uint_eq(info.num_redelivered, 0);
        if (i) break;
        restart(w);
        c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
    }
    world_fini(w);
}
END_TEST

/* Limits of streams, and of messages in them. */
static const char *const streams[] = {
    ",\"max_age\":" FAR,
    ",\"max_age\":" FAR ",\"duplicate_window\":" FAR,
    ",\"max_age\":9000000000000000000,\"allow_msg_ttl\":true",
    ",\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":" FAR ",\"allow_rollup_hdrs\":true",
};

START_TEST(test_stream_far_times)
{
    ri_stream_info info;
    world *w = open_world(streams[_i]);
    world_publish(w, "s.a", "", "Nats-Msg-Id: x\r\n", "m");
    world_publish(w, "s.b", "", "Nats-Msg-Id: x\r\n", "m");
    bool window = strstr(streams[_i], "duplicate_window") != NULL;
    uint64_t want = 4;
    if (strstr(streams[_i], "msg_ttl")) {
        want = 7;
        world_publish(w, "s.c", "", "Nats-TTL: 9223372036\r\n", "m");
        world_publish(w, "s.d", "", "Nats-TTL: 2562047h\r\n", "m");
        world_publish(w, "s.e", "", "Nats-TTL: never\r\n", "m");
        world_publish(w, "s.f", "", "Nats-TTL: 9223372037\r\n", "more than a number can say");
    }
    for (int i = 0; i < 2; i++) {
        world_wait(w, 3600000);
        ri_stream_info_of(ri_js_stream(w->js, RI_STR("S")), &info);
        ck_assert_uint_eq(info.state.messages, want);
        restart(w);
    }
    world_publish(w, "s.b", "", "Nats-Msg-Id: x\r\n", "m");
    world_turn(w);
    ri_stream_info_of(ri_js_stream(w->js, RI_STR("S")), &info);
    ck_assert_uint_eq(info.state.messages, window ? want : want + 1);
    world_fini(w);
}
END_TEST

/* A pause until the end of time, and a start there. */
START_TEST(test_far_moments)
{
    ri_consumer *c;
    ri_consumer_info info;
    world *w = open_world("");
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                        "\"deliver_subject\":\"push\","
                                        "\"pause_until\":\"9999-12-31T23:59:59Z\"}", &c, NULL));
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"d\",\"ack_policy\":\"explicit\","
                                        "\"deliver_subject\":\"push\","
                                        "\"deliver_policy\":\"by_start_time\","
                                        "\"opt_start_time\":\"9999-12-31T23:59:59Z\"}",
                                NULL, NULL));
    world_wait(w, 3600000);
    restart(w);
    world_wait(w, 3600000);
    c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c"));
    ri_consumer_info_of(c, &info);
    ck_assert(info.paused);
    ck_assert_int_gt(info.pause_remaining, 0);
    WORLD_TOLD(w, "");
    world_fini(w);
}
END_TEST

/* What three streams may take in all is more than a number can say. */
START_TEST(test_reserved)
{
    char json[128];
    ri_js_account account;
    world *w = open_world("");
    for (int i = 0; i < 3; i++) {
        snprintf(json, sizeof json, "{\"name\":\"R%d\",\"subjects\":[\"r.%d\"],\"max_bytes\":" FAR
                 "}", i, i);
        ck_assert_ok(world_stream(w, json, NULL, NULL));
    }
    ri_js_account_of(w->js, &account);
    ck_assert_uint_eq(account.reserved_storage, UINT64_MAX);
    world_fini(w);
}
END_TEST

/* ---- Schedules ---- */

/* One that is due again when time is over waits for ever, beside a message that does expire. */
START_TEST(test_schedule_far)
{
    static const char *const patterns[] = {"@every 2200000h", "@every 2562047h47m16s",
                                           "@at 9999-12-31T23:59:59Z",
                                           "@at 2262-04-11T23:47:16.854775807Z"};
    char headers[160];
    ri_stream_info info;
    world *w = open_world(",\"allow_msg_schedules\":true,\"allow_msg_ttl\":true");
    snprintf(headers, sizeof headers, "Nats-Schedule: %s\r\nNats-Schedule-Target: s.x\r\n",
             patterns[_i]);
    world_publish(w, "s.later", "in.ack", headers, "never");
    world_publish(w, "s.a", "", "Nats-TTL: 1s\r\n", "soon gone");
    for (int i = 0; i < 2; i++) {
        world_wait(w, 3600000);
        ri_stream_info_of(ri_js_stream(w->js, RI_STR("S")), &info);
        ck_assert_uint_eq(info.state.messages, 4);
        ck_assert_uint_eq(info.state.last_seq, 5);
        restart(w);
        world_publish(w, "s.a", "", "Nats-TTL: 1s\r\n", "soon gone");
        world_wait(w, 2000);
        ri_stream_info_of(ri_js_stream(w->js, RI_STR("S")), &info);
        ck_assert_uint_eq(info.state.messages, 4);
        break;
    }
    world_fini(w);
}
END_TEST

/* A time that has passed is due at once, however long ago it was. */
START_TEST(test_schedule_past)
{
    static const char *const times[] = {"2027-01-15T08:00:00Z", "2027-01-15T07:59:59.999999999Z",
                                        "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00Z",
                                        "1678-01-01T00:00:00Z", "0001-01-01T00:00:00Z"};
    char headers[160];
    world *w = open_world(",\"allow_msg_schedules\":true");
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"none\","
                                        "\"deliver_subject\":\"push\","
                                        "\"filter_subject\":\"s.x\"}", NULL, NULL));
    snprintf(headers, sizeof headers, "Nats-Schedule: @at %s\r\nNats-Schedule-Target: s.x\r\n",
             times[_i]);
    world_publish(w, "s.later", "in.ack", headers, "late");
    world_turn(w);
    world_move(w, w->mono_ns);
    world_turn(w);
    WORLD_TOLD(w, "[  1000] in: in.ack {\"stream\":\"S\",\"seq\":4}\n"
                  "[  1000] in: s.x <ACK(1/5/1/0)> {Nats-Scheduler: s.later, "
                  "Nats-Schedule-Next: purge} late\n");
    world_fini(w);
}
END_TEST

SUITE_MAIN_ROWS("saturate",
    SUITE_ONCE(test_sums, test_products, test_sizes, test_impossible_sizes, test_pull_far_times,
               test_far_moments, test_reserved),
    SUITE_EACH(RI_LEN(consumers), test_consumer_far_times),
    SUITE_EACH(RI_LEN(streams), test_stream_far_times),
    SUITE_EACH(3, test_nak_far),
    SUITE_EACH(4, test_schedule_far),
    SUITE_EACH(6, test_schedule_past))
