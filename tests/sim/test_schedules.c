/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: messages that are due later. One at a time, one every five
 * seconds, one at each full minute with the last body of another subject; a schedule is replaced
 * by a newer one on its subject, ends when a client says so, and one that is due once fires late
 * when the broker was down at its time; those that come again go on at their next. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static void schedule(world *w, const char *subject, const char *headers)
{
    world_publish(w, subject, "ok", headers, "body of the schedule");
}

START_TEST(test_schedules)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "reply", "ok");
    world_ear *bell = world_listen(&w, "bell", "bell");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.*\",\"out.*\",\"temp\"],"
                                  "\"allow_msg_schedules\":true,\"allow_msg_ttl\":true}",
                              NULL, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"deliver_subject\":\"bell\",\"durable_name\":\"bell\","
                                         "\"filter_subject\":\"out.*\"}", NULL, NULL));
    /* The clock says 2027-01-15T08:00:00Z. */
    schedule(&w, "s.once", "Nats-Schedule: @at 2027-01-15T08:00:10Z\r\n"
                           "Nats-Schedule-Target: out.once\r\nColor: red\r\n");
    schedule(&w, "s.often", "Nats-Schedule: @every 7s\r\nNats-Schedule-Target: out.often\r\n");
    schedule(&w, "s.often", "Nats-Schedule: @every 5s\r\nNats-Schedule-Target: out.often\r\n");
    schedule(&w, "s.cron", "Nats-Schedule: 0 * * * * *\r\nNats-Schedule-Target: out.cron\r\n"
                           "Nats-Schedule-Source: temp\r\nNats-Schedule-TTL: 30s\r\n");
    world_publish(&w, "temp", "", "", "21 degrees");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] reply: ok {\"stream\":\"S\",\"seq\":1}\n"
                   "[     0] reply: ok {\"stream\":\"S\",\"seq\":2}\n"
                   "[     0] reply: ok {\"stream\":\"S\",\"seq\":3}\n"
                   "[     0] reply: ok {\"stream\":\"S\",\"seq\":4}\n");
    world_wait(&w, 12000);
    WORLD_TOLD(&w, "[  5000] bell: out.often <ACK(1/6/1/0)> {Nats-Scheduler: s.often, "
                   "Nats-Schedule-Next: 2027-01-15T08:00:10Z} body of the schedule\n"
                   "[ 10000] bell: out.often <ACK(1/7/2/1)> {Nats-Scheduler: s.often, "
                   "Nats-Schedule-Next: 2027-01-15T08:00:15Z} body of the schedule\n"
                   "[ 10000] bell: out.once <ACK(1/8/3/0)> {Color: red, Nats-Scheduler: s.once, "
                   "Nats-Schedule-Next: purge} body of the schedule\n");

    /* No more of the second, says a client; the third comes at the full minute. */
    world_publish(&w, "out.often", "ok", "Nats-Scheduler: s.often\r\nNats-Schedule-Next: purge\r\n",
                  "enough");
    world_wait(&w, 50000);
    WORLD_TOLD(&w, "[ 12000] reply: ok {\"stream\":\"S\",\"seq\":9}\n"
                   "[ 12000] bell: out.often <ACK(1/9/4/0)> {Nats-Scheduler: s.often, "
                   "Nats-Schedule-Next: purge} enough\n"
                   "[ 60000] bell: out.cron <ACK(1/10/5/0)> {Nats-Scheduler: s.cron, "
                   "Nats-Schedule-Next: 2027-01-15T08:02:00Z, Nats-TTL: 30s} 21 degrees\n");

    /* The broker is down from 08:01:02 to 08:02:42; what was due at 08:01:30 comes then. */
    schedule(&w, "s.once", "Nats-Schedule: @at 2027-01-15T08:01:30Z\r\n"
                           "Nats-Schedule-Target: out.once\r\n");
    world_turn(&w);
    world_deafen(&w, bell);
    w.mono_ns += 100000 * RI_MS;
    w.wall_ns += 100000 * RI_MS;
    ck_assert_ok(world_restart(&w));
    world_listen(&w, "bell", "bell");
    world_wait(&w, 1000);
    WORLD_TOLD(&w, "[ 62000] reply: ok {\"stream\":\"S\",\"seq\":11}\n"
                   "[162000] bell: out.once <ACK(1/12/6/0)> {Nats-Scheduler: s.once, "
                   "Nats-Schedule-Next: purge} body of the schedule\n");
    world_fini(&w);
}
END_TEST

/* Each day at two in the afternoon where clocks are five and a half hours ahead, restart or not. */
START_TEST(test_time_zone)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "bell", "bell");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.*\",\"out.*\"],"
                                  "\"allow_msg_schedules\":true}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"deliver_subject\":\"bell\",\"durable_name\":\"bell\","
                                         "\"filter_subject\":\"out.*\"}", NULL, NULL));
    schedule(&w, "s.daily", "Nats-Schedule: 0 0 14 * * *\r\nNats-Schedule-Target: out.daily\r\n"
                            "Nats-Schedule-Time-Zone: Test/Half\r\n");
    schedule(&w, "s.hourly", "Nats-Schedule: @hourly\r\nNats-Schedule-Target: out.hourly\r\n"
                             "Nats-Schedule-Time-Zone: Test/Half\r\n");
    world_turn(&w); /* it is 08:00:00Z, there 13:30 */
    ri_record record;
    ck_assert_ok(ri_stream_get(ri_js_stream(w.js, RI_STR("S")), 1, &record));
    ck_assert(memmem(record.headers.ptr, record.headers.len, "\r\nNats-Rollup: sub\r\n\r\n", 22));
    world_wait(&w, 1000);
    ck_assert_ok(world_restart(&w));
    world_wait(&w, 1800000);
    WORLD_TOLD(&w, "[1800000] bell: out.daily <ACK(1/3/1/1)> {Nats-Scheduler: s.daily, "
                   "Nats-Schedule-Next: 2027-01-16T14:00:00+05:30} body of the schedule\n"
                   "[1800000] bell: out.hourly <ACK(1/4/2/0)> {Nats-Scheduler: s.hourly, "
                   "Nats-Schedule-Next: 2027-01-15T15:00:00+05:30} body of the schedule\n");
    world_fini(&w);
}
END_TEST

#define EVERY "Nats-Schedule: @every 5s\r\n"
#define CRON "Nats-Schedule: 0 * * * * *\r\n"
#define TO_X "Nats-Schedule-Target: out.x\r\n"

static const struct {
    const char *headers;
    int code;
} refused[] = {
    {"Nats-Schedule: @at noon\r\n" TO_X,
     RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID},
    {"Nats-Schedule: @every 10ms\r\n" TO_X,
     RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID},
    {"Nats-Schedule: 61 * * * * *\r\n" TO_X,
     RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID},
    {EVERY,
     RI_JS_MESSAGE_SCHEDULES_TARGET_INVALID},
    {EVERY "Nats-Schedule-Target: s.x\r\n",
     RI_JS_MESSAGE_SCHEDULES_TARGET_INVALID},
    {EVERY "Nats-Schedule-Target: else\r\n",
     RI_JS_MESSAGE_SCHEDULES_TARGET_INVALID},
    {EVERY TO_X "Nats-Schedule-Source: out.x\r\n",
     RI_JS_MESSAGE_SCHEDULES_SOURCE_INVALID},
    {EVERY TO_X "Nats-Schedule-TTL: x\r\n",
     RI_JS_MESSAGE_SCHEDULES_TTL_INVALID},
    {EVERY TO_X "Nats-Schedule-TTL: 5s\r\n",
     RI_JS_MESSAGE_TTL_DISABLED},
    {EVERY TO_X "Nats-Schedule-Rollup: all\r\n",
     RI_JS_MESSAGE_SCHEDULES_ROLLUP_INVALID},
    {EVERY TO_X "Nats-Schedule-Time-Zone: UTC\r\n",
     RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID},
    {CRON TO_X "Nats-Schedule-Time-Zone: Mars\r\n",
     RI_JS_MESSAGE_SCHEDULES_TIME_ZONE_INVALID},
    {CRON TO_X "Nats-Schedule-Time-Zone: ../Test/Half\r\n",
     RI_JS_MESSAGE_SCHEDULES_TIME_ZONE_INVALID},
    {"Nats-Scheduler: s.x\r\nNats-Schedule-Next: 2027-01-15T08:00:10Z\r\n",
     RI_JS_MESSAGE_SCHEDULES_SCHEDULER_INVALID},
};

/* What a schedule may not say; nothing is stored of it. */
START_TEST(test_refused)
{
    static world w;
    char want[32];
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "reply", "ok");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.*\",\"out.*\"],"
                                  "\"allow_msg_schedules\":true}", NULL, NULL));
    for (size_t i = 0; i < RI_LEN(refused); i++) {
        schedule(&w, "s.x", refused[i].headers);
        world_turn(&w);
        snprintf(want, sizeof want, "\"err_code\":%d", refused[i].code);
        ck_assert_msg(memmem(w.told.ptr, w.told.len, want, strlen(want)) != NULL, "%s: %.*s",
                      refused[i].headers, RI_ARG(ri_buffer_str(&w.told)));
        ri_buffer_reset(&w.told);
    }
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("S")), &info);
    ck_assert_uint_eq(info.state.last_seq, 0);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("schedules", test_schedules, test_time_zone, test_refused)
