/* SPDX-License-Identifier: Apache-2.0 */
#include "support/streams.h"

static void last_has(ri_stream *s, const char *subject, const char *headers, const char *data)
{
    ri_record r;
    ck_assert_ok(ri_stream_get_last(s, ri_str_of(subject), &r));
    ck_assert_span(r.headers, headers);
    ck_assert_span(r.data, data);
}

START_TEST(test_schedule)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_msg_schedules\":true,\"allow_msg_ttl\":true");
    expect(w, "s.at", "Nats-Schedule: @every 10s\r\nNats-Schedule-Target: s.out\r\nK: v\r\n",
           "tick",
           ACK(1));
    expect(w, "s.at", "Nats-Schedule: often\r\nNats-Schedule-Target: s.out\r\n", "",
           ERR(400, 10189, "message schedules pattern is invalid"));
    expect(w, "s.at", "Nats-Schedule: @every 10s\r\nNats-Schedule-Target: other\r\n", "",
           ERR(400, 10190, "message schedules target is invalid"));
    world_wait(w, 25000);
    ck_assert_uint_eq(state_of(s).messages, 3);
    ri_record r;
    ck_assert_ok(ri_stream_get_last(s, RI_STR("s.out"), &r));
    ck_assert_span(r.data, "tick");
    ck_assert_span(r.headers, "NATS/1.0\r\nK: v\r\nNats-Scheduler: s.at\r\n"
                              "Nats-Schedule-Next: 2027-01-15T08:00:30Z\r\n\r\n");
    ck_assert_ok(world_restart(w));
    world_wait(w, 10000);
    ck_assert_uint_eq(state_of(ri_js_stream(w->js, RI_STR("S"))).messages, 4);
    world_fini(w);
}
END_TEST

/* Body and headers of the source, if it has something; times to live and rollup of the schedule. */
START_TEST(test_schedule_source)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_msg_schedules\":true,\"allow_msg_ttl\":true");
    world_publish(w, "s.a", "",
                  "Own: 1\r\nNats-Schedule: @every 1s\r\nNats-Schedule-Target: s.x\r\n"
                  "Nats-Schedule-Source: s.src\r\nNats-Schedule-TTL: 5m\r\n", "own");
    world_turn(w);
    world_wait(w, 1000);
    last_has(s, "s.x", "NATS/1.0\r\nOwn: 1\r\nNats-Scheduler: s.a\r\nNats-Schedule-Next: "
             "2027-01-15T08:00:02Z\r\nNats-TTL: 5m\r\n\r\n", "own");
    world_publish(w, "s.src", "", "A: 2\r\nNats-Msg-Id: q\r\nNats-TTL: 1h\r\n", "source");
    world_turn(w);
    world_wait(w, 1000);
    last_has(s, "s.x", "NATS/1.0\r\nA: 2\r\nNats-Scheduler: s.a\r\nNats-Schedule-Next: "
             "2027-01-15T08:00:03Z\r\nNats-TTL: 5m\r\n\r\n", "source");
    uint64_t last = state_of(s).last_seq;
    world_publish(w, "s.a", "", "", "cancelled"); /* it is a schedule no more */
    world_turn(w);
    world_wait(w, 5000);
    ck_assert_uint_eq(state_of(s).last_seq, last + 1);
    world_fini(w);
}
END_TEST

/* Who names a schedule may only end it. */
START_TEST(test_schedule_ends)
{
    world *w = open_world();
    stream(w, "\"allow_msg_schedules\":true");
    ck_assert_ok(world_stream(w, "{\"name\":\"N\",\"subjects\":[\"n.>\"]}", NULL, NULL));
    expect(w, "s.plain", "", "x", ACK(1));
    expect(w, "s.a", "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: s.t\r\n", "x", ACK(2));
    static const char *const bad[] = {
        "Nats-Scheduler: s.a\r\nNats-Schedule-Next: 2030-01-01T00:00:00Z\r\n",
        "Nats-Scheduler: s.a\r\n",
        "Nats-Schedule-Next: purge\r\n", "Nats-Scheduler: s.plain\r\nNats-Schedule-Next: purge\r\n",
        "Nats-Scheduler: s.x\r\nNats-Schedule-Next: purge\r\n",
        "Nats-Scheduler: s.*\r\nNats-Schedule-Next: purge\r\n",
    };
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        world_publish(w, "s.x", "ack", bad[i], "x");
        world_turn(w);
        ck_assert_msg(strstr(ri_buffer_str(&w->told).ptr, "\"err_code\":"), "%s is taken", bad[i]);
        ri_buffer_reset(&w->told);
    }
    world_publish(w, "n.x", "ack", "Nats-Scheduler: n.a\r\nNats-Schedule-Next: purge\r\n", "x");
    world_turn(w);
    ck_assert(strstr(ri_buffer_str(&w->told).ptr, "\"err_code\":10188"));
    ri_buffer_reset(&w->told);
    world_publish(w, "s.c", "ack", "Nats-Schedule: 0 0 0 30 2 *\r\nNats-Schedule-Target: s.t\r\n",
                  "x");
    world_turn(w);
    /* such a day never comes */
    ck_assert(strstr(ri_buffer_str(&w->told).ptr, "\"err_code\":10189"));
    ri_buffer_reset(&w->told);
    expect(w, "s.x", "Nats-Scheduler: s.none\r\nNats-Schedule-Next: purge\r\n", "x", ACK(3));
    expect(w, "s.x", "Nats-Scheduler: s.a\r\nNats-Schedule-Next: purge\r\n", "x", ACK(4));
    ri_record r;
    ck_assert_rc(ri_stream_get(ri_js_stream(w->js, RI_STR("S")), 2, &r), RILL_ENOENT);
    world_fini(w);
}
END_TEST

/* What a schedule makes lives no shorter than the markers of its stream, as any message. */
START_TEST(test_schedule_least_time_to_live)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_msg_schedules\":true,\"allow_msg_ttl\":true,"
                             "\"subject_delete_marker_ttl\":60000000000");
    world_publish(w, "s.a", "", "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: s.x\r\n"
                  "Nats-Schedule-TTL: 5s\r\n", "x");
    world_turn(w);
    world_wait(w, 3600 * 1000);
    last_has(s, "s.x", "NATS/1.0\r\nNats-Scheduler: s.a\r\nNats-Schedule-Next: "
             "2027-01-15T10:00:00Z\r\nNats-TTL: 60\r\n\r\n", "x");
    world_fini(w);
}
END_TEST

SUITE_MAIN("schedule", test_schedule, test_schedule_source, test_schedule_ends,
           test_schedule_least_time_to_live)
