/* SPDX-License-Identifier: Apache-2.0 */
/* Acks that settle very many messages at once. */
#include <stdio.h>

#include "base/error.h"
#include "engine/streams/js_state.h"
#include "support/desk.h"
#include "support/fake_os.h"
#include "support/suite.h"

enum { MANY = 20000 };

/* An ack of all up to a message settles them in slices, and is confirmed when it has; a NAK of one
 * of them, and its ack wait, count for nothing meanwhile. What a reset or a purge drops takes as
 * little time. */
START_TEST(test_all)
{
    static desk d;
    ri_consumer *c;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ok(world_stream(&d.w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    for (int i = 0; i < MANY; i++) world_publish(&d.w, "s.x", "", "", "0123456789");
    ck_assert_ok(world_consumer(&d.w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"all\","
                                "\"max_ack_pending\":100000}", &c, NULL));
    world_ear *in = world_listen(&d.w, "in", "in"), *told = world_listen(&d.w, "re", "re");
    in->quiet = told->quiet = true;
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    ck_assert_uint_eq(in->got, MANY);

    ri_budget *budget = &d.w.router.budget;
    ri_consumer_info info;
    ri_budget_init(budget);
    ri_budget_open(budget);
    ri_budget_slice(budget, RI_BUDGET_SLICE);
    world_publish(&d.w, in->last_ack, "re", "", "");
    world_publish(&d.w, in->last_ack, "re", "", "-NAK");
    ri_budget_close(budget);
    ck_assert_uint_le(budget->longest, RI_BUDGET_SLICE + 10);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_gt(info.num_ack_pending, MANY / 2);
    ck_assert_uint_lt(info.num_ack_pending, MANY);
    ck_assert_uint_eq(told->got, 0);
    world_move(&d.w, d.w.mono_ns + 30 * RI_SEC);
    desk_turn(&d);
    ck_assert_uint_eq(told->got, 2);
    ck_assert_uint_eq(in->got, MANY);
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(info.ack_floor.stream_seq, MANY);
    ck_assert_uint_gt(budget->turns, 4);

    desk_ask(&d, "CONSUMER.RESET.S.c", "{\"seq\":1}");
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    desk_ask(&d, "CONSUMER.RESET.S.c", "{\"seq\":1}");
    desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"batch\":20000}");
    desk_ask(&d, "STREAM.PURGE.S", "{\"seq\":20000}");
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 1);
    ck_assert_uint_le(budget->longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    desk_fini(&d, NULL);
}
END_TEST

static uint64_t stored(const world *w)
{
    ri_stream_info info = {0};
    ri_stream_info_of(ri_js_stream(w->js, RI_STR("S")), &info);
    return info.state.messages;
}

static int64_t unsettled(const world *w)
{
    ri_consumer_info info = {0};
    ri_consumer_info_of(ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c")), &info);
    return info.num_ack_pending;
}

static void pull(world *w, uint64_t n)
{
    char body[32];
    snprintf(body, sizeof body, "{\"batch\":%llu}", (unsigned long long)n);
    world_pull(w, ri_stream_consumer(ri_js_stream(w->js, RI_STR("S")), RI_STR("c")), "in", body);
    world_turn(w);
}

/* The last that was delivered is acknowledged while the log finds no memory. */
static void ack_in_need(world *w, fault *f, const world_ear *in, const char *payload)
{
    f->supply.fail_at = f->supply.calls + 1;
    f->supply.fail_after = true;
    size_t failed = f->supply.failed;
    world_publish(w, in->last_ack, "re", "", payload);
    ri_ack_step(w->js);
    ck_assert_uint_gt(f->supply.failed, failed);
    f->supply.fail_at = 0;
    f->supply.fail_after = false;
}

typedef void (*needy)(world *w, fault *f, const world_ear *in, const world_ear *told);

/* Four jobs, of which one is delivered. */
static void in_need(needy fn, const char *retention, const char *policy)
{
    char json[160];
    static world w;
    fake_os disk;
    fault f;
    ri_log *log;
    fake_os_init(&disk);
    fault_init(&f);
    ri_log_opts opts = {.host = &f.host, .os = &disk.os, .dir = "/log"};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(world_init(&w, log));
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s\"],\"retention\":\"%s\"}",
             retention);
    ck_assert_ok(world_stream(&w, json, NULL, NULL));
    snprintf(json, sizeof json, "{\"durable_name\":\"c\",\"ack_policy\":\"%s\"}", policy);
    ck_assert_ok(world_consumer(&w, "S", json, NULL, NULL));
    world_ear *in = world_listen(&w, "in", "in"), *told = world_listen(&w, "re", "re");
    in->quiet = told->quiet = true;
    for (int i = 0; i < 4; i++) world_publish(&w, "s", "", "", "job");
    world_turn(&w);
    pull(&w, 1);
    fn(&w, &f, in, told);
    world_fini(&w); /* and the log */
    fault_fini(&f);
    fake_os_fini(&disk);
}

static void need_is_over_soon(world *w, fault *f, const world_ear *in, const world_ear *told)
{
    ack_in_need(w, f, in, "+TERM");
    ck_assert_uint_eq(stored(w), 4);
    ck_assert_int_eq(unsettled(w), 1);
    world_wait(w, 1500);
    ck_assert_uint_eq(stored(w), 3);
    ck_assert_int_eq(unsettled(w), 0);
    ck_assert_uint_eq(told->got, 0);
    ck_assert_uint_eq(in->got, 1);
}

static void it_comes_again(world *w, fault *f, const world_ear *in, const world_ear *told)
{
    ack_in_need(w, f, in, "");
    ck_assert_int_eq(unsettled(w), 1);
    world_publish(w, in->last_ack, "re", "", "-NAK"); /* it is settled: nobody gets it again */
    world_turn(w);
    ck_assert_uint_eq(stored(w), 3);
    ck_assert_int_eq(unsettled(w), 0);
    ck_assert_uint_eq(told->got, 1);
    ck_assert_uint_eq(in->got, 1);
}

static void power_goes(world *w, fault *f, const world_ear *in, const world_ear *told)
{
    ack_in_need(w, f, in, "+ACK");
    ck_assert_ok(world_restart(w));
    ck_assert_uint_eq(stored(w), 4);
    world_wait(w, 31000);
    pull(w, 1);
    ck_assert_uint_eq(in->got, 2);
    world_publish(w, in->last_ack, "re", "", "+ACK");
    world_turn(w);
    ck_assert_uint_eq(told->got, 1);
    ck_assert_uint_eq(stored(w), 3);
}

/* One ack settles all four, the first of which cannot leave: that is not confirmed either. */
static void all_at_once(world *w, fault *f, const world_ear *in, const world_ear *told)
{
    pull(w, 3);
    ck_assert_uint_eq(in->got, 4);
    ack_in_need(w, f, in, "");
    world_turn(w);
    ck_assert_uint_eq(told->got, 0);
    ck_assert_uint_eq(stored(w), 4);
    world_publish(w, in->last_ack, "re", "", "");
    world_turn(w);
    ck_assert_uint_eq(told->got, 1);
    ck_assert_uint_eq(stored(w), 0);
    ck_assert_int_eq(unsettled(w), 0);
    ck_assert_uint_eq(in->got, 4);
}

/* A job is done, and cannot be removed for want of memory: nobody is told that it is settled,
 * nobody gets it again, and it leaves as soon as that can be, or when the ack comes again. After a
 * restart it is as if the ack had not come. */
START_TEST(test_removal_fails)
{
    static const needy all[] = {need_is_over_soon, it_comes_again, power_goes};
    for (size_t i = 0; i < RI_LEN(all); i++) in_need(all[i], "workqueue", "explicit");
    in_need(all_at_once, "interest", "all");
}
END_TEST

SUITE_MAIN("ack", test_all, test_removal_fails)
