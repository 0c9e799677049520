/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/purge.h"
#include "engine/streams/stream.h"

#include <stdio.h>

#include "base/error.h"
#include "codec/nats/headers.h"
#include "support/fake_os.h"
#include "support/rng.h"
#include "support/streams.h"

START_TEST(test_store_and_ack)
{
    world *w = open_world();
    ri_stream *s = stream(w, "");
    ck_assert_int_eq(world_publish(w, "s.1", "ack", "", "one"), 1);
    ck_assert_int_eq(world_publish(w, "s.2", "", "", "two"), 1);
    ck_assert_int_eq(world_publish(w, "other", "ack", "", "none"), 0);
    WORLD_TOLD(w, ""); /* nothing leaves before the commit */
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack " ACK(1) "\n");
    ri_record r;
    ck_assert_ok(ri_stream_get(s, 2, &r));
    ck_assert_span(r.data, "two");
    ck_assert_rc(ri_stream_get(s, 3, &r), RILL_ENOENT);
    ck_assert_ok(ri_stream_get_last(s, RI_STR("s.*"), &r));
    ck_assert_uint_eq(r.seq, 2);
    ck_assert_ok(ri_stream_get_next(s, 1, RI_STR("s.2"), &r));
    ck_assert_uint_eq(r.seq, 2);
    ck_assert_rc(ri_stream_get_next(s, 3, RI_STR("s.2"), &r), RILL_ENOENT);
    ck_assert_uint_eq(state_of(s).messages, 2);
    ck_assert_uint_eq(state_of(s).num_subjects, 2);
    ck_assert_uint_eq(state_of(s).bytes, 2 * (30 + 3 + 3));
    world_fini(w);
}
END_TEST

START_TEST(test_create_again_and_overlap)
{
    world *w = open_world();
    ri_stream *s = stream(w, ""), *other;
    ri_js_error e;
    ck_assert_ok(world_stream(w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", &other, NULL));
    ck_assert_ptr_eq(s, other);
    ck_assert_int_lt(world_stream(w, "{\"name\":\"S\",\"subjects\":[\"x\"]}", NULL, &e), 0);
    ck_assert_int_eq(e.err_code, 10058);
    ck_assert_int_lt(world_stream(w, "{\"name\":\"T\",\"subjects\":[\"s.a\"]}", NULL, &e), 0);
    ck_assert_int_eq(e.err_code, 10065);
    ck_assert_int_lt(world_stream(w, "{\"name\":\"a.b\"}", NULL, &e), 0);
    ck_assert_ok(world_stream(w, "{\"name\":\"A\"}", &other, NULL));
    size_t n;
    ri_stream *const *all = ri_js_streams(w->js, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_ptr_eq(all[0], other);
    ri_stream *found;
    ck_assert_int_eq(ri_js_stream_of(w->js, RI_STR("s.q"), &found), RILL_OK);
    ck_assert_ptr_eq(found, s);
    ck_assert_int_eq(ri_js_stream_of(w->js, RI_STR("A"), &found), RILL_OK);
    ck_assert_ptr_eq(found, other);
    ck_assert_int_eq(ri_js_stream_of(w->js, RI_STR("B"), &found), RILL_OK);
    ck_assert_ptr_null(found);
    ck_assert_ok(ri_stream_delete(s, NULL));
    ck_assert_ptr_null(ri_js_stream(w->js, RI_STR("S")));
    ck_assert_int_eq(world_publish(w, "s.1", "", "", ""), 0);
    world_turn(w);
    world_fini(w);
}
END_TEST

/* However many come between two looks, and whichever go. */
START_TEST(test_listed_by_name)
{
    enum { COUNT = 120 };
    world *w = open_world();
    rng r;
    char json[40];
    size_t there = 0;
    rng_init(&r, 7);
    for (uint64_t i = 0, left = 0; i < COUNT; i++) {
        snprintf(json, sizeof json, "{\"name\":\"N%u_%u\"}", (unsigned)rng_below(&r, 1000),
                 (unsigned)i);
        ck_assert_ok(world_stream(w, json, NULL, NULL));
        there++;
        if (left-- > 0) continue;
        left = rng_below(&r, 4) ? rng_below(&r, 2) : 20; /* more than go to their places singly */
        size_t n;
        ri_stream *const *all = ri_js_streams(w->js, &n);
        ck_assert_uint_eq(n, there);
        for (size_t k = 1; k < n; k++)
            ck_assert_int_lt(ri_str_cmp(ri_stream_conf_of(all[k - 1])->name,
                                        ri_stream_conf_of(all[k])->name), 0);
        if (rng_below(&r, 2)) continue;
        ck_assert_ok(ri_stream_delete(all[rng_below(&r, n)], NULL));
        there--;
    }
    world_fini(w);
}
END_TEST

/* One that goes in slices is found by its name, and is not what is asked for. */
START_TEST(test_not_made_again_while_it_goes)
{
    static const char again[] = "{\"name\":\"S\",\"subjects\":[\"s.>\"]}";
    world *w = open_world();
    ri_stream *s = stream(w, ""), *other;
    ri_consumer *c;
    ri_js_error e = {0};
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"a\",\"ack_policy\":\"explicit\"}", &c,
                                NULL));
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"b\",\"ack_policy\":\"explicit\"}", &c,
                                NULL));
    ri_budget *budget = &w->router.budget;
    int64_t left = budget->left;
    budget->left = budget->floor;
    ck_assert_int_eq(ri_stream_delete_some(s, &e), 1);
    budget->left = left;
    ck_assert_int_lt(world_stream(w, again, &other, &e), 0);
    ck_assert_int_eq(e.err_code, 10058);
    ri_js_stream_request request = {.conf = *ri_stream_conf_of(s)};
    ck_assert_int_lt(ri_stream_update(s, &request, &e), 0);
    ck_assert_int_eq(e.err_code, 10059);
    ck_assert_ok(ri_stream_delete_some(s, &e));
    ck_assert_ok(world_stream(w, again, &other, NULL));
    world_turn(w);
    world_fini(w);
}
END_TEST

START_TEST(test_expectations)
{
    world *w = open_world();
    stream(w, "");
    expect(w, "s.a", "", "1", ACK(1));
    expect(w, "s.a", "Nats-Expected-Stream: T\r\n", "",
           ERR(400, 10060, "expected stream does not match"));
    expect(w, "s.a", "Nats-Expected-Last-Sequence: 7\r\n", "",
           ERR(400, 10071, "wrong last sequence: 1"));
    expect(w, "s.a", "Nats-Expected-Last-Sequence: 1\r\n", "2", ACK(2));
    expect(w, "s.b", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "3", ACK(3));
    expect(w, "s.b", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "",
           ERR(400, 10071, "wrong last sequence: 3"));
    expect(w, "s.c", "Nats-Expected-Last-Subject-Sequence: 3\r\n"
                     "Nats-Expected-Last-Subject-Sequence-Subject: s.*\r\n", "4", ACK(4));
    expect(w, "s.c", "Nats-Expected-Last-Subject-Sequence-Subject: s.*\r\n", "",
           ERR(400, 10193, "missing sequence for expected last sequence per subject"));
    expect(w, "s.a", "Nats-Msg-Id: one\r\n", "5", ACK(5));
    expect(w, "s.a", "Nats-Msg-Id: one\r\n", "6",
           "{\"stream\":\"S\",\"seq\":5,\"duplicate\": true}");
    expect(w, "s.a", "Nats-Expected-Last-Msg-Id: two\r\n", "",
           ERR(400, 10070, "wrong last msg ID: one"));
    expect(w, "s.a", "Nats-Expected-Last-Msg-Id: one\r\n", "6", ACK(6));
    expect(w, "s.a", "Nats-Rollup: sub\r\n", "", ERR(500, 10111, "rollup not permitted"));
    expect(w, "s.a", "Nats-TTL: 5\r\n", "", ERR(400, 10166, "per-message TTL is disabled"));
    expect(w, "s.a", "Nats-TTL: x\r\n", "", ERR(400, 10165, "invalid per-message TTL"));
    expect(w, "s.a", "Nats-Incr: 1\r\n", "", ERR(400, 10168, "message counters is disabled"));
    world_fini(w);
}
END_TEST

/* What expects a number that is none is refused: no sequence is it. */
START_TEST(test_expected_numbers_that_are_none)
{
    static const char *const bad[] = {"x", "-1", "1x", "1.0", "0x1", "18446744073709551615",
                                      "18446744073709551616", "99999999999999999999999"};
    world *w = open_world();
    char headers[128];
    stream(w, "");
    expect(w, "s.a", "", "1", ACK(1));
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        snprintf(headers, sizeof headers, "Nats-Expected-Last-Sequence: %s\r\n", bad[i]);
        expect(w, "s.a", headers, "", ERR(400, 10071, "wrong last sequence: 1"));
        snprintf(headers, sizeof headers, "Nats-Expected-Last-Subject-Sequence: %s\r\n", bad[i]);
        expect(w, "s.a", headers, "", ERR(400, 10071, "wrong last sequence: 1"));
        expect(w, "s.b", headers, "", ERR(400, 10071, "wrong last sequence: 0"));
    }
    expect(w, "s.a", "Nats-Expected-Last-Sequence:\r\n", "2", ACK(2)); /* says nothing */
    world_fini(w);
}
END_TEST

START_TEST(test_expectations_within_a_commit)
{
    world *w = open_world();
    stream(w, "");
    world_publish(w, "s.a", "ack", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "");
    world_publish(w, "s.a", "ack", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "");
    world_publish(w, "s.a", "ack", "Nats-Expected-Last-Subject-Sequence: 1\r\n", "");
    world_publish(w, "s.a", "ack", "Nats-Msg-Id: i\r\n", "");
    world_publish(w, "s.a", "ack", "Nats-Msg-Id: i\r\n", "");
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack " ERR(400, 10071, "wrong last sequence: 1") "\n"
                  "[     0] app: ack " ACK(1) "\n"
                  "[     0] app: ack " ACK(2) "\n"
                  "[     0] app: ack " ACK(3) "\n"
                  "[     0] app: ack {\"stream\":\"S\",\"seq\":3,\"duplicate\": true}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_limits_discard_old)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_msgs\":3,\"max_msgs_per_subject\":2");
    for (int i = 0; i < 4; i++) world_publish(w, "s.a", "", "", "x");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).messages, 2);
    ck_assert_uint_eq(state_of(s).first_seq, 3);
    world_publish(w, "s.b", "", "", "x");
    world_publish(w, "s.c", "", "", "x");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).messages, 3);
    ck_assert_uint_eq(state_of(s).first_seq, 4);
    ck_assert_uint_eq(state_of(s).last_seq, 6);
    ck_assert_uint_eq(state_of(s).num_subjects, 3);
    world_fini(w);
}
END_TEST

START_TEST(test_limits_discard_new)
{
    world *w = open_world();
    stream(w, "\"max_msgs\":2,\"max_bytes\":200,\"max_msg_size\":100,\"discard\":\"new\","
              "\"max_msgs_per_subject\":1,\"discard_new_per_subject\":true");
    expect(w, "s.a", "", "1", ACK(1));
    expect(w, "s.a", "", "1", ERR(503, 10077, "maximum messages per subject exceeded"));
    expect(w, "s.b", "", "2", ACK(2));
    expect(w, "s.c", "", "3", ERR(503, 10077, "maximum messages exceeded"));
    char big[102] = {0};
    memset(big, 'x', 101);
    expect(w, "s.d", "", big, ERR(400, 10054, "message size exceeds maximum allowed"));
    world_fini(w);
}
END_TEST

START_TEST(test_discard_new_replaces_in_subject)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_msgs\":2,\"discard\":\"new\",\"max_msgs_per_subject\":1");
    expect(w, "s.a", "", "1", ACK(1));
    expect(w, "s.b", "", "2", ACK(2));
    expect(w, "s.a", "", "3", ACK(3)); /* in place of the first */
    expect(w, "s.c", "", "4", ERR(503, 10077, "maximum messages exceeded"));
    ck_assert_uint_eq(state_of(s).messages, 2);
    world_fini(w);
}
END_TEST

START_TEST(test_age_and_own_times)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_age\":10000000000,\"allow_msg_ttl\":true,"
                             "\"duplicate_window\":1000000000");
    world_publish(w, "s.a", "", "", "10 s");
    world_publish(w, "s.b", "", "Nats-TTL: 2\r\n", "2 s");
    world_publish(w, "s.c", "", "Nats-TTL: never\r\n", "for ever");
    world_turn(w);
    world_wait(w, 1000);
    ck_assert_uint_eq(state_of(s).messages, 3);
    world_wait(w, 1100);
    ck_assert_uint_eq(state_of(s).messages, 2);
    world_wait(w, 8100);
    ck_assert_uint_eq(state_of(s).messages, 1);
    ck_assert_uint_eq(state_of(s).first_seq, 3);
    ck_assert_ok(world_restart(w));
    world_wait(w, 20000);
    ck_assert_uint_eq(state_of(ri_js_stream(w->js, RI_STR("S"))).messages, 1);
    world_fini(w);
}
END_TEST

START_TEST(test_age_without_own_times)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_age\":1000000000");
    world_publish(w, "s.a", "", "", "1");
    world_turn(w);
    world_wait(w, 500);
    world_publish(w, "s.a", "", "", "2");
    world_turn(w);
    world_wait(w, 600);
    ck_assert_uint_eq(state_of(s).messages, 1);
    world_wait(w, 600);
    ck_assert_uint_eq(state_of(s).messages, 0);
    ck_assert_uint_eq(state_of(s).first_seq, 3);
    ck_assert_uint_eq(state_of(s).last_seq, 2);
    world_fini(w);
}
END_TEST

START_TEST(test_delete_marker)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_age\":1000000000,\"subject_delete_marker_ttl\":5000000000");
    world_publish(w, "s.a", "", "", "1");
    world_turn(w);
    world_wait(w, 1100);
    ri_record r;
    ck_assert_ok(ri_stream_get_last(s, RI_STR("s.a"), &r));
    ck_assert_uint_eq(r.seq, 2);
    ck_assert_span(r.headers, "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 5s\r\n"
                              "Nats-Rollup: sub\r\n\r\n");
    ck_assert_uint_eq(state_of(s).messages, 1);
    world_wait(w, 6000);
    ck_assert_uint_eq(state_of(s).messages, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_rollup)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_rollup_hdrs\":true");
    for (int i = 0; i < 3; i++) world_publish(w, "s.a", "", "", "x");
    world_publish(w, "s.b", "", "", "x");
    expect(w, "s.a", "Nats-Rollup: sub\r\n", "y", ACK(5));
    ck_assert_uint_eq(state_of(s).messages, 2);
    expect(w, "s.a", "Nats-Rollup: all\r\n", "z", ACK(6));
    ck_assert_uint_eq(state_of(s).messages, 1);
    expect(w, "s.a", "Nats-Rollup: some\r\n", "z",
           ERR(500, 10111, "rollup value invalid: \\\"some\\\""));
    world_fini(w);
}
END_TEST

START_TEST(test_purge_and_erase)
{
    world *w = open_world();
    ri_stream *s = stream(w, "");
    uint64_t purged;
    ri_js_error e;
    for (int i = 0; i < 10; i++) world_publish(w, i % 2 ? "s.a" : "s.b", "", "", "x");
    world_turn(w);
    ck_assert_ok(ri_stream_erase(s, 5, true, &e));
    ck_assert_int_lt(ri_stream_erase(s, 5, true, &e), 0);
    ck_assert_int_eq(e.err_code, 10043);
    ck_assert_str_eq(e.text, "sequence 5 not found");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).num_deleted, 1);
    ck_assert_ok(ri_purge_whole(s, RI_STR("s.a"), 0, 2, &purged, &e));
    ck_assert_uint_eq(purged, 3);
    world_turn(w);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 9, 0, &purged, &e));
    ck_assert_uint_eq(purged, 4);
    world_turn(w);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 1, &purged, &e));
    ck_assert_uint_eq(purged, 1);
    world_turn(w);
    ck_assert_uint_eq(state_of(s).first_seq, 10);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 0, &purged, &e));
    ck_assert_uint_eq(purged, 1);
    world_turn(w);
    ck_assert_uint_eq(state_of(s).first_seq, 11);
    ck_assert_uint_eq(state_of(s).last_seq, 10);
    expect(w, "s.a", "", "x", ACK(11));
    world_fini(w);
}
END_TEST

/* A purge up to a number makes the stream go on with it, and what was stored last keeps its
 * time. */
START_TEST(test_purge_beyond_the_last)
{
    world *w = open_world();
    ri_stream *s = stream(w, "");
    ri_js_error e;
    uint64_t purged;
    ck_assert_uint_eq(state_of(s).first_seq, 0);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 0, &purged, &e));
    ck_assert_uint_eq(state_of(s).first_seq, 1);
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 1000, 0, &purged, &e));
    ck_assert_uint_eq(state_of(s).first_seq, 1000);
    ck_assert_uint_eq(state_of(s).last_seq, 999);
    world_turn(w);
    expect(w, "s.a", "", "x", ACK(1000));
    world_wait(w, 1000);
    expect(w, "s.a", "", "x", ACK(1001));
    int64_t last_ns = state_of(s).last_ts;
    ck_assert_ok(ri_stream_erase(s, 1001, false, &e));
    ck_assert_int_eq(state_of(s).last_ts, last_ns);
    ck_assert_ok(ri_purge_whole(s, RI_STR("s.a"), 3000, 0, &purged, &e)); /* some, not all */
    ck_assert_uint_eq(purged, 1);
    ck_assert_uint_eq(state_of(s).last_seq, 1001);
    ck_assert_ok(ri_purge_whole(s, RI_STR(">"), 2000, 0, &purged, &e));
    ck_assert_uint_eq(state_of(s).last_seq, 1999);
    ck_assert_int_lt(ri_purge_whole(s, RI_STR_NONE, UINT64_MAX, 0, &purged, &e), 0);
    ck_assert_int_eq(e.err_code, RI_JS_STREAM_PURGE_FAILED);
    world_turn(w);
    ck_assert_ok(world_restart(w));
    expect(w, "s.a", "", "x", ACK(2000));
    world_fini(w);
}
END_TEST

START_TEST(test_restart)
{
    world *w = open_world();
    stream(w, "\"metadata\":{\"owner\":\"us\"},\"first_seq\":100");
    ck_assert_ok(world_stream(w, "{\"name\":\"M\",\"storage\":\"memory\"}", NULL, NULL));
    expect(w, "s.a", "Nats-Msg-Id: one\r\n", "1", ACK(100));
    ck_assert_ok(world_restart(w));
    ck_assert_ptr_null(ri_js_stream(w->js, RI_STR("M"))); /* memory ends with the process */
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(state_of(s).messages, 1);
    ck_assert_uint_eq(state_of(s).first_seq, 100);
    expect(w, "s.a", "Nats-Msg-Id: one\r\n", "1",
           "{\"stream\":\"S\",\"seq\":100,\"duplicate\": true}");
    expect(w, "s.a", "Nats-Expected-Last-Msg-Id: one\r\n", "1", ACK(101));
    ck_assert_ok(ri_stream_delete(s, NULL));
    world_turn(w);
    ck_assert_ok(world_restart(w));
    ck_assert_ptr_null(ri_js_stream(w->js, RI_STR("S")));
    world_fini(w);
}
END_TEST

static void update(world *w, ri_stream *s, const char *json)
{
    ri_arena arena;
    ri_js_stream_request request = {0};
    ri_arena_init(&arena, &w->own.host);
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(json), false, &arena,
                                 &request.conf));
    ck_assert_ok(ri_stream_update(s, &request, NULL));
    ri_arena_fini(&arena);
    world_turn(w);
}

/* What a stream that refuses has promised to keep stays when its limits are lowered. */
START_TEST(test_lower_limits)
{
    static const struct {
        const char *conf, *lower, *refused;
        uint64_t stay;
    } rows[] = {
        {"\"discard\":\"new\",\"retention\":\"workqueue\"", "\"max_msgs\":2", "messages", 4},
        {"\"discard\":\"new\"", "\"max_msgs\":2", "messages", 4},
        {"\"discard\":\"new\"", "\"max_bytes\":70", "bytes", 4},
        {"\"discard\":\"new\",\"max_msgs_per_subject\":4,\"discard_new_per_subject\":true",
         "\"max_msgs_per_subject\":1", "messages per subject", 4},
        {"\"discard\":\"new\"", "\"max_msgs_per_subject\":1", "", 1},
        {"\"discard\":\"old\"", "\"max_msgs\":2", "", 2},
        {"\"discard\":\"old\",\"retention\":\"workqueue\"", "\"max_bytes\":70", "", 2},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        world *w = open_world();
        char json[512], answer[256];
        ri_stream *s = stream(w, rows[i].conf);
        for (int n = 0; n < 4; n++) world_publish(w, "s.a", "", "", "x");
        world_turn(w);
        snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"],%s,%s}", rows[i].conf,
                 rows[i].lower);
        update(w, s, json);
        ck_assert_msg(state_of(s).messages == rows[i].stay, "%s: %llu stay", json,
                      (unsigned long long)state_of(s).messages);
        if (*rows[i].refused) {
            snprintf(answer, sizeof answer, ERR(503, 10077, "maximum %s exceeded"),
                     rows[i].refused);
            expect(w, "s.a", "", "x", answer);
        }
        world_fini(w);
    }
}
END_TEST

START_TEST(test_update)
{
    world *w = open_world();
    ri_stream *s = stream(w, "");
    for (int i = 0; i < 5; i++) world_publish(w, "s.a", "", "", "x");
    world_turn(w);
    ri_js_stream_request request = {.conf = *ri_stream_conf_of(s)};
    ri_str subjects[] = {RI_STR("s.>"), RI_STR("t.*")};
    request.conf.max_msgs = 2;
    request.conf.subjects = (ri_strs){subjects, 2};
    ri_js_error e;
    ck_assert_ok(ri_stream_update(s, &request, &e));
    world_turn(w);
    ck_assert_uint_eq(state_of(s).messages, 2);
    expect(w, "t.a", "", "x", ACK(6));
    request.conf = *ri_stream_conf_of(s);
    request.conf.storage = RI_STORE_MEMORY;
    ck_assert_int_lt(ri_stream_update(s, &request, &e), 0);
    ck_assert_int_eq(e.err_code, 10052);
    ck_assert_ok(world_restart(w));
    s = ri_js_stream(w->js, RI_STR("S"));
    ck_assert_int_eq(ri_stream_conf_of(s)->max_msgs, 2);
    expect(w, "t.a", "", "x", ACK(7));
    request.conf = *ri_stream_conf_of(s);
    request.conf.sealed = true;
    ck_assert_ok(ri_stream_update(s, &request, &e));
    expect(w, "t.a", "", "x", ERR(400, 10109, "invalid operation on sealed stream"));
    world_fini(w);
}
END_TEST

START_TEST(test_transform_and_republish)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"subject_transform\":{\"src\":\"s.*.>\",\"dest\":\"s.t.$1.>\"},"
                             "\"republish\":{\"src\":\">\",\"dest\":\"live.>\"}");
    world_listen(w, "live", "live.>");
    world_publish(w, "s.a.b", "ack", "", "x");
    world_publish(w, "s.a.b", "", "K: v\r\n", "y");
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack " ACK(1) "\n"
                  "[     0] live: live.s.t.a.b {Nats-Stream: S, Nats-Subject: s.t.a.b, "
                  "Nats-Sequence: 1, Nats-Time-Stamp: 2027-01-15T08:00:00Z, "
                  "Nats-Last-Sequence: 0} x\n"
                  "[     0] live: live.s.t.a.b {K: v, Nats-Stream: S, Nats-Subject: s.t.a.b, "
                  "Nats-Sequence: 2, Nats-Time-Stamp: 2027-01-15T08:00:00Z, "
                  "Nats-Last-Sequence: 1} y\n");
    ri_record r;
    ck_assert_ok(ri_stream_get(s, 1, &r));
    ck_assert_span(r.subject, "s.t.a.b");
    world_fini(w);
}
END_TEST

START_TEST(test_memory_stream)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"storage\":\"memory\"");
    expect(w, "s.a", "", "1", ACK(1));
    ck_assert_uint_eq(state_of(s).messages, 1);
    ck_assert(!ri_log_dirty(w->log));
    expect(w, "s.a", "A: b\r\n", "1", ACK(2)); /* counted as nats-server does its memory */
    ck_assert_uint_eq(state_of(s).bytes, (16 + 3 + 1) + (16 + 3 + 18 + 1));
    expect(w, "s.b", "", "", ACK(3));
    uint64_t purged;
    ri_js_error e;
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 3, 0, &purged, &e));
    ck_assert_uint_eq(state_of(s).bytes, 16 + 3);
    world_fini(w);
}
END_TEST

/* ---- A message that is traced ---- */

static char traced[512];

static void traced_egress(ri_probe *probe, const ri_party *party, const ri_subscription *sub)
{
    (void)party;
    size_t len = strlen(traced);
    snprintf(traced + len, sizeof traced - len, "%s%.*s; ", probe->only ? "only " : "",
             RI_ARG(sub->entry.subject));
}

static void traced_stored(ri_probe *probe, ri_str stream_name, ri_str subject, bool no_interest,
                          ri_str error)
{
    size_t len = strlen(traced);
    (void)probe;
    snprintf(traced + len, sizeof traced - len, "%.*s %.*s%s%.*s; ", RI_ARG(stream_name),
             RI_ARG(subject), no_interest ? " unwanted" : " ", RI_ARG(error));
}

#define TRACED(w, subject, headers, want)                          \
    do {                                                           \
        traced[0] = 0;                                             \
        ck_assert_int_eq(world_publish(w, subject, "ack", headers, "1"), 1); \
        ck_assert_str_eq(traced, want);                            \
        world_turn(w);                                             \
    } while (0)

START_TEST(test_traced)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"subject_transform\":{\"src\":\"s.*\",\"dest\":\"t.$1\"}");
    ri_probe probe = {false, traced_egress, traced_stored};
    w->probe = &probe;
    ck_assert_ok(world_stream(w, "{\"name\":\"I\",\"subjects\":[\"i\"],\"retention\":\"interest\"}",
                              NULL, NULL));
    TRACED(w, "s.1", "Nats-Msg-Id: a\r\n", "S t.1 ; ");
    TRACED(w, "s.1", "Nats-Msg-Id: a\r\n", "S t.1 msgid is duplicate; ");
    TRACED(w, "i", "", "I i unwanted; ");
    WORLD_TOLD(w, "[     0] app: ack " ACK(1) "\n[     0] app: ack {\"stream\":\"S\",\"seq\":1,"
                  "\"duplicate\": true}\n[     0] app: ack {\"stream\":\"I\",\"seq\":1}\n");
    probe.only = true; /* nothing is stored, refusals are answered */
    TRACED(w, "s.1", "", "S t.1 ; ");
    TRACED(w, "s.1", "Nats-Msg-Id: a\r\n", "S t.1 msgid is duplicate; ");
    TRACED(w, "s.1", "Nats-Expected-Last-Sequence: 9\r\n", "S t.1 wrong last sequence: 1; ");
    TRACED(w, "i", "", "I i unwanted; ");
    WORLD_TOLD(w, "[     0] app: ack {\"stream\":\"S\",\"seq\":1,\"duplicate\": true}\n"
                  "[     0] app: ack " ERR(400, 10071, "wrong last sequence: 1") "\n");
    ck_assert_uint_eq(state_of(s).last_seq, 1);
    traced[0] = 0;
    ck_assert_int_eq(world_publish(w, "ack", "", "", "1"), 1);
    ck_assert_str_eq(traced, "only ack; ");
    world_turn(w);
    WORLD_TOLD(w, "");
    world_fini(w);
}
END_TEST

START_TEST(test_counter)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_msg_counter\":true");
    expect(w, "s.a", "Nats-Incr: 1\r\n", "", "{\"stream\":\"S\",\"seq\":1,\"val\":\"1\"}");
    expect(w, "s.a", "Nats-Incr: +41\r\n", "", "{\"stream\":\"S\",\"seq\":2,\"val\":\"42\"}");
    expect(w, "s.b", "Nats-Incr: -7\r\n", "", "{\"stream\":\"S\",\"seq\":3,\"val\":\"-7\"}");
    expect(w, "s.a", "", "", ERR(400, 10169, "message counter increment is missing"));
    expect(w, "s.a", "Nats-Incr: 1\r\n", "x", ERR(400, 10170, "message counter has payload"));
    expect(w, "s.a", "Nats-Incr: q\r\n", "",
           ERR(400, 10171, "message counter increment is invalid"));
    expect(w, "s.a", "Nats-Incr: 99999999999999999999\r\n", "",
           "{\"stream\":\"S\",\"seq\":4,\"val\":\"100000000000000000041\"}");
    expect(w, "s.a", "Nats-Incr: -100000000000000000042\r\n", "",
           "{\"stream\":\"S\",\"seq\":5,\"val\":\"-1\"}");
    world_publish(w, "s.c", "ack", "Nats-Incr: 1\r\n", ""); /* two in one commit */
    world_publish(w, "s.c", "ack", "Nats-Incr: 1\r\n", "");
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack {\"stream\":\"S\",\"seq\":6,\"val\":\"1\"}\n"
                  "[     0] app: ack {\"stream\":\"S\",\"seq\":7,\"val\":\"2\"}\n");
    ri_record r;
    ck_assert_ok(ri_stream_get(s, 7, &r));
    ck_assert_span(r.data, "{\"val\":\"2\"}");
    world_fini(w);
}
END_TEST

/* A time to live is not shorter than that of the markers, unless a subject has one message only. */
START_TEST(test_least_time_to_live)
{
    static const struct {
        const char *more, *asked, *stored;
    } rows[] = {
        {"", "5s", "Nats-TTL: 60\r\nB: 2"}, {"", "59", "Nats-TTL: 60\r\nB: 2"}, {"", "60", ""},
        {"", "2m", ""},
        {"", "never", ""}, {",\"max_msgs_per_subject\":1", "5s", ""},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        world *w = open_world();
        char conf[200], headers[200], want[200];
        snprintf(conf, sizeof conf, "\"allow_msg_ttl\":true,"
                                    "\"subject_delete_marker_ttl\":60000000000%s", rows[i].more);
        ri_stream *s = stream(w, conf);
        snprintf(headers, sizeof headers, "A: 1\r\nNats-TTL: %s\r\nB: 2\r\n", rows[i].asked);
        world_publish(w, "s.a", "", headers, "x");
        world_turn(w);
        ri_record r;
        ck_assert_ok(ri_stream_get(s, 1, &r));
        ri_str ttl;
        ck_assert(ri_headers_find(r.headers, RI_STR("Nats-TTL"), &ttl));
        snprintf(want, sizeof want, "%s", *rows[i].stored ? "60" : rows[i].asked);
        ck_assert_span(ttl, want);
        world_wait(w, 50000);
        if (*rows[i].stored) ck_assert_ok(ri_stream_get(s, 1, &r));
        world_fini(w);
    }
}
END_TEST

START_TEST(test_mirror_and_source)
{
    world *w = open_world();
    stream(w, "");
    ri_stream *m, *t;
    for (int i = 0; i < 3; i++) world_publish(w, i == 1 ? "s.b" : "s.a", "", "", "x");
    world_turn(w);
    ck_assert_ok(world_stream(w, "{\"name\":\"M\",\"mirror\":{\"name\":\"S\"}}", &m, NULL));
    ck_assert_ok(world_stream(w,
                              "{\"name\":\"T\",\"subjects\":[\"t\"],\"sources\":[{\"name\":\"S\","
                                 "\"filter_subject\":\"s.a\"},{\"name\":\"LATER\"}]}", &t, NULL));
    world_turn(w);
    ck_assert_uint_eq(state_of(m).messages, 3);
    ck_assert_uint_eq(state_of(t).messages, 2);
    ri_record r;
    ck_assert_ok(ri_stream_get(t, 2, &r));
    /* The origin's identity ends the header. It is stored: the world's S has this one for ever. */
    ck_assert_span(r.headers, "NATS/1.0\r\nNats-Stream-Source: S 3 s.a > s.a d83N6fXn\r\n\r\n");
    ck_assert_ok(ri_stream_get(m, 2, &r));
    ck_assert_span(r.subject, "s.b");
    ck_assert_ok(world_stream(w, "{\"name\":\"LATER\",\"subjects\":[\"l\"]}", NULL, NULL));
    world_publish(w, "l", "", "", "late");
    world_turn(w);
    ck_assert_uint_eq(state_of(t).messages, 3);
    ck_assert_ok(world_restart(w));
    world_publish(w, "s.a", "", "", "4");
    world_publish(w, "l", "", "", "5");
    world_turn(w);
    m = ri_js_stream(w->js, RI_STR("M"));
    t = ri_js_stream(w->js, RI_STR("T"));
    ck_assert_uint_eq(state_of(m).messages, 4);
    ck_assert_uint_eq(state_of(t).messages, 5);
    ri_stream_info info;
    ri_stream_info_of(t, &info);
    ck_assert_uint_eq(info.sources.len, 2);
    ck_assert_uint_eq(info.sources.items[0].lag, 0);
    world_fini(w);
}
END_TEST

/* All filters and destinations of a source name it, in the order of its configuration. */
START_TEST(test_source_with_transforms)
{
    world *w = open_world();
    stream(w, "");
    ri_stream *t;
    ri_record r;
    ck_assert_ok(world_stream(w, "{\"name\":\"T\",\"sources\":[{\"name\":\"S\","
                                 "\"subject_transforms\":["
                                 "{\"src\":\"s.1\",\"dest\":\"a\"},{\"src\":\"s.2\","
                                 "\"dest\":\"\"}]}]}", &t, NULL));
    world_publish(w, "s.2", "", "", "x");
    world_turn(w);
    ck_assert_ok(ri_stream_get(t, 1, &r));
    ck_assert_span(r.subject, "s.2");
    r.headers.len -= 8 + 4;
    ck_assert_span(r.headers, "NATS/1.0\r\nNats-Stream-Source: S 1 s.1\fs.2 a\f> s.2 ");
    world_fini(w);
}
END_TEST

/* Of a work queue, a source takes away; of a stream kept for interest, it is one of those who
 * do. */
START_TEST(test_source_consumes)
{
    world *w = open_world();
    ri_stream *s, *t, *m;
    ri_consumer *c;
    for (int interest = 0; interest < 2; interest++) {
        const char *json =
            interest ? "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"interest\"}"
                     : "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"workqueue\"}";
        ck_assert_ok(world_stream(w, json, &s, NULL));
        ck_assert_ok(world_stream(w, "{\"name\":\"T\",\"sources\":[{\"name\":\"S\","
                                     "\"filter_subject\":\"s.a\"}]}",
                                  &t, NULL));
        world_turn(w);
        for (int i = 0; i < 600; i++) world_publish(w, "s.a", "", "", "taken");
        world_publish(w, "s.b", "", "", "left");
        world_turn(w);
        ck_assert_uint_eq(state_of(t).messages, 600);
        ck_assert_uint_eq(state_of(s).messages, interest ? 0 : 1); /* nobody is interested in s.b */
        ck_assert_ok(world_restart(w));
        s = ri_js_stream(w->js, RI_STR("S"));
        t = ri_js_stream(w->js, RI_STR("T"));
        world_turn(w);
        ck_assert_uint_eq(state_of(t).messages, 600);
        if (interest) { /* what a consumer has not acked stays, also when it was copied; and the
                           reverse */
            ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\","
                                                "\"ack_policy\":\"explicit\"}", &c, NULL));
            ck_assert_ok(world_stream(w, "{\"name\":\"M\",\"mirror\":{\"name\":\"S\"}}", &m, NULL));
            world_publish(w, "s.a", "", "", "both");
            world_turn(w);
            ck_assert_uint_eq(state_of(t).messages + state_of(m).messages, 602);
            ck_assert_uint_eq(state_of(s).messages, 1);
            world_ear *in = world_listen(w, "in", "in.1");
            ck_assert_ok(world_pull(w, c, "in.1", "1"));
            world_turn(w);
            world_publish(w, in->last_ack, "", "", "");
            world_turn(w);
            ck_assert_uint_eq(state_of(s).messages, 0);
        }
        ck_assert_ok(ri_stream_delete(t, NULL));
        ck_assert_ok(ri_stream_delete(s, NULL));
        world_turn(w);
    }
    world_fini(w);
}
END_TEST

/* A stream of an old name is another stream: its numbers begin anew. */
START_TEST(test_source_of_a_new_stream)
{
    world *w = open_world();
    ri_stream *s, *t;
    ri_stream_info info;
    ck_assert_ok(world_stream(w, "{\"name\":\"T\",\"sources\":[{\"name\":\"S\"}]}", &t, NULL));
    world_turn(w);
    ri_stream_info_of(t, &info);
    ck_assert_int_eq(info.sources.items[0].error->err_code, 10059);
    for (int life = 1; life <= 3; life++) {
        ck_assert_ok(world_stream(w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", &s, NULL));
        for (int i = 0; i < 2; i++) world_publish(w, "s", "", "", "x");
        world_turn(w);
        ck_assert_uint_eq(state_of(t).messages, (uint64_t)(2 * life));
        ri_stream_info_of(t, &info);
        ck_assert_uint_eq(info.sources.items[0].seq, 2);
        ck_assert_ptr_null(info.sources.items[0].error);
        ck_assert_ok(ri_stream_delete(s, NULL));
        world_turn(w);
        world_wait(w, 1000);
        if (life == 2) ck_assert_ok(world_restart(w));
        t = ri_js_stream(w->js, RI_STR("T"));
    }
    world_fini(w);
}
END_TEST

typedef struct receipt {
    ri_js_append append;
    int rc, calls;
} receipt;

static void receipt_done(ri_js_waiter *waiter, int rc)
{
    receipt *r = ri_container_of(waiter, receipt, append.waiter);
    r->rc = rc;
    r->calls++;
}

START_TEST(test_native_append)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"max_msg_size\":4");
    receipt a = {.append.waiter.done = receipt_done}, b = a, c = a;
    ri_message m = {.subject = RI_STR("s.a"), .data = RI_STR("four")};
    ri_publish p = {.m = &m, .append = &a.append};
    ck_assert_int_eq(ri_js_publish(w->js, &w->from, &p), 1);
    m.data = RI_STR("fives");
    ri_js_publish(w->js, &w->from, &(ri_publish){.m = &m, .append = &b.append});
    m.subject = RI_STR("nobody");
    ri_js_publish(w->js, &w->from, &(ri_publish){.m = &m, .append = &c.append});
    ck_assert_int_eq(a.calls + b.calls + c.calls, 0);
    world_turn(w);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_uint_eq(a.append.seq, 1);
    ck_assert_ptr_eq(a.append.stream, s);
    ck_assert_int_eq(b.calls, 1);
    ck_assert_int_eq(b.append.err_code, 10054);
    ck_assert_int_eq(c.append.err_code, 10059);
    world_fini(w);
}
END_TEST

/* One message of a synced log that need not be synced, and the next that must be. */
START_TEST(test_native_append_with_a_level)
{
    static world w;
    fake_os disk;
    fault f;
    fault_init(&f);
    fake_os_init(&disk);
    ri_log *log;
    ri_log_opts opts = {.host = &f.host, .os = &disk.os, .dir = "/log", .segment_bytes = 1 << 20};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(world_init(&w, log));
    stream(&w, "");
    static const ri_safety written = RI_SAFETY_WRITTEN;
    receipt a = {.append = {.waiter.done = receipt_done, .safety = &written}};
    receipt b = {.append.waiter.done = receipt_done};
    ri_message m = {.subject = RI_STR("s.a"), .data = RI_STR("x")};
    size_t syncs = disk.syncs;
    ck_assert_int_eq(ri_js_publish(w.js, &w.from, &(ri_publish){.m = &m, .append = &a.append}), 1);
    world_turn(&w);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_uint_eq(disk.syncs, syncs);
    ck_assert_int_eq(ri_js_publish(w.js, &w.from, &(ri_publish){.m = &m, .append = &b.append}), 1);
    world_turn(&w);
    ck_assert_int_eq(b.calls, 1);
    ck_assert_uint_eq(disk.syncs, syncs + 1);
    world_fini(&w);
    fake_os_fini(&disk);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("stream", test_store_and_ack, test_create_again_and_overlap,
           test_listed_by_name, test_not_made_again_while_it_goes, test_expectations,
           test_expected_numbers_that_are_none, test_expectations_within_a_commit,
           test_limits_discard_old, test_limits_discard_new,
           test_discard_new_replaces_in_subject, test_age_and_own_times,
           test_age_without_own_times, test_delete_marker, test_rollup, test_purge_and_erase,
           test_purge_beyond_the_last, test_restart, test_lower_limits, test_update,
           test_transform_and_republish, test_memory_stream, test_traced, test_counter,
           test_least_time_to_live, test_mirror_and_source, test_source_with_transforms,
           test_source_consumes, test_source_of_a_new_stream, test_native_append,
           test_native_append_with_a_level)
