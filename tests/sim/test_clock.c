/* SPDX-License-Identifier: Apache-2.0 */
/* Narratives of a wall clock that is set: times in a stream never go back, nothing lives longer or
 * shorter for a clock that was wrong for a while, and timers of the engine run on. */
#include <stdio.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

#define HOUR (3600 * RI_SEC)

static world *begin(const char *more)
{
    static world w;
    char json[512];
    ck_assert_ok(world_init(&w, NULL));
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.*\"]%s}", more);
    ck_assert_ok(world_stream(&w, json, NULL, NULL));
    world_turn(&w);
    return &w;
}

static ri_stream *stream(world *w)
{
    return ri_js_stream(w->js, RI_STR("S"));
}

static ri_stream_state state(world *w)
{
    ri_stream_info info;
    ri_stream_info_of(stream(w), &info);
    return info.state;
}

static int64_t put(world *w, const char *headers)
{
    ri_record record;
    world_publish(w, "s.a", "", headers, "x");
    world_turn(w);
    ck_assert_ok(ri_stream_get(stream(w), state(w).last_seq, &record));
    return record.time_ns;
}

static void set_clock(world *w, int64_t by_ns)
{
    w->wall_ns += by_ns;
}

static const int64_t leaps[] = {HOUR, -HOUR};

START_TEST(test_times_do_not_go_back)
{
    for (size_t i = 0; i < RI_LEN(leaps); i++) {
        world *w = begin("");
        int64_t last = put(w, ""), now;
        set_clock(w, leaps[i]);
        ck_assert_int_ge(now = put(w, ""), last);
        last = now;
        set_clock(w, -leaps[i]);
        ck_assert_int_ge(now = put(w, ""), last);
        last = now;
        ck_assert_int_eq(state(w).last_ts, last);
        /* who reads from now on finds some */
        ck_assert_uint_le(ri_stream_seq_at(stream(w), w->wall_ns), 3);
        ck_assert_ok(world_restart(w));
        ck_assert_int_ge(put(w, ""), last);
        ck_assert_ok(ri_stream_erase(stream(w), 4, false, NULL));
        ck_assert_int_ge(state(w).last_ts, last);
        world_fini(w);
    }
}
END_TEST

/* One record with a wrong time holds up nobody, and takes nobody along. */
START_TEST(test_max_age)
{
    static const char *const kinds[] = {",\"max_age\":5000000000",
                                        ",\"max_age\":5000000000,\"allow_msg_ttl\":true"};
    for (size_t i = 0; i < RI_LEN(leaps) * RI_LEN(kinds); i++) {
        world *w = begin(kinds[i / 2]);
        int64_t leap = leaps[i % 2];
        put(w, "");
        world_wait(w, 2000);
        if (leap < 0) { /* an hour ahead, everything is too old */
            set_clock(w, leap);
            put(w, "");
            set_clock(w, -leap);
        } else {
            ck_assert_uint_eq(state(w).messages, 1);
            world_publish(w, "s.a", "", "", "x"); /* comes and is stored before the clock is looked
                                                     at */
            world_turn(w);
        }
        put(w, "");
        ck_assert_uint_eq(state(w).messages, 3);
        world_wait(w, 2900);
        ck_assert_uint_eq(state(w).messages, 3);
        world_wait(w, 200);
        ck_assert_uint_eq(state(w).messages, 2);
        world_wait(w, 1700);
        ck_assert_uint_eq(state(w).messages, 2);
        world_wait(w, 1000); /* and a part of max_age */
        ck_assert_uint_eq(state(w).messages, 0);
        world_fini(w);
    }
}
END_TEST

/* The stream has a record from an hour ahead; what comes behind it goes in time, also when the
 * broker was opened again meanwhile. */
START_TEST(test_max_age_behind_a_late_one)
{
    for (int restart = 0; restart < 2; restart++) {
        world *w = begin(",\"max_age\":7200000000000");
        set_clock(w, HOUR);
        put(w, "");
        set_clock(w, -HOUR);
        for (int i = 0; i < 100; i++) {
            world_wait(w, 1000);
            put(w, "");
        }
        if (restart) {
            ck_assert_ok(world_restart(w));
            world_turn(w);
        }
        world_wait(w, 7200 * 1000 - 101000);
        ck_assert_uint_ge(state(w).messages, 100);
        world_wait(w, 101000 + 7200 * 1000 / 16 + 1000);
        ck_assert_uint_eq(state(w).messages, 0);
        world_fini(w);
    }
}
END_TEST

START_TEST(test_own_times)
{
    for (size_t i = 0; i < RI_LEN(leaps); i++) {
        world *w = begin(",\"allow_msg_ttl\":true");
        set_clock(w, leaps[i]);
        put(w, "");
        set_clock(w, -leaps[i]);
        put(w, "Nats-TTL: 5s\r\n");
        world_wait(w, 4900);
        ck_assert_uint_eq(state(w).messages, 2);
        world_wait(w, 200);
        ck_assert_uint_eq(state(w).messages, 1);
        world_fini(w);
    }
}
END_TEST

START_TEST(test_schedules)
{
    for (size_t i = 0; i < RI_LEN(leaps); i++) {
        world *w = begin(",\"allow_msg_schedules\":true");
        set_clock(w, leaps[i]);
        put(w, "");
        set_clock(w, -leaps[i]);
        put(w, "Nats-Schedule: @every 5s\r\nNats-Schedule-Target: s.t\r\n");
        uint64_t before = state(w).messages;
        world_wait(w, 5100);
        ck_assert_uint_eq(state(w).messages, before + 1);
        set_clock(w, leaps[i]);
        world_wait(w, 11000);
        ck_assert_uint_ge(state(w).messages, before + 2);
        ck_assert_uint_le(state(w).messages, before + 4);
        world_fini(w);
    }
}
END_TEST

/* A clock that is set is no time that has passed: an ack wait, a pull, a batch last as long as they
 * would have, though a publish is the first to see it. */
START_TEST(test_timers)
{
    for (size_t i = 0; i < RI_LEN(leaps); i++) {
        world *w = begin(",\"allow_atomic\":true");
        ri_consumer *c;
        ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                            "\"ack_wait\":10000000000}", &c, NULL));
        world_ear *in = world_listen(w, "in", "in");
        in->quiet = true;
        ck_assert_ok(world_pull(w, c, "in", "{\"batch\":9,\"expires\":60000000000}"));
        put(w, "");
        ck_assert_uint_eq(in->got, 1);
        set_clock(w, leaps[i]);
        put(w, "");
        ck_assert_uint_eq(in->got, 2);
        world_wait(w, 9000);
        ck_assert_uint_eq(in->got, 2);
        world_wait(w, 2000);
        ck_assert_uint_eq(in->got, 4);
        world_fini(w);
    }
}
END_TEST

SUITE_MAIN("clock", test_times_do_not_go_back, test_max_age, test_max_age_behind_a_late_one,
           test_own_times, test_schedules, test_timers)
