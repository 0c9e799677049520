/* SPDX-License-Identifier: Apache-2.0 */
/* Groups in a broker: the durable half steps them, its commits bring their answers, timers go off
 * without anybody asking, and a broker that is opened anew knows what was committed. */
#include <sched.h>
#include <stdio.h>

#include "base/error.h"
#include "front/broker/durable.h"
#include "support/scratch.h"
#include "support/suite.h"

#define WAIT_NS (20 * RI_SEC)

typedef struct asked {
    union { ri_group_commit commit; ri_group_join join; ri_group_pulse pulse; } of;
    bool over;
    ri_group_error error;
    char id[96];
    size_t partitions;
} asked;

static void committed(ri_group_call *call)
{
    asked *a = ri_container_of(call, asked, of.commit.call);
    a->error = call->error;
    a->over = true;
}

static void joined(ri_group_call *call)
{
    asked *a = ri_container_of(call, asked, of.join.call);
    a->error = call->error;
    snprintf(a->id, sizeof a->id, "%.*s", RI_ARG(a->of.join.given_member));
    a->over = true;
}

static ri_broker *open_delaying(const char *dir, int32_t delay_ms, ri_groups **groups)
{
    rill_broker *broker;
    ri_groups_conf conf;
    ri_groups_conf_init(&conf);
    conf.initial_delay_ms = delay_ms;
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, dir ? &(ri_durable_opts){.dir = dir} : NULL));
    ri_broker_enter(b);
    ck_assert_ok(ri_durable_groups(b->durable, &conf, groups));
    return b;
}

static ri_broker *open_broker(const char *dir, ri_groups **groups)
{
    return open_delaying(dir, 20, groups);
}

static void close_broker(ri_broker *b)
{
    ri_broker_leave(b);
    ck_assert_ok(rill_broker_close((rill_broker *)(void *)b, -1));
}

/* *woken counts anew when it is waited for. */
static void commit_after(ri_broker *b, ri_groups *groups, int64_t offset, uint32_t *woken)
{
    asked a = {.of.commit = {.call.done = committed, .group = RI_STR("g"), .member = RI_STR(""),
                             .generation = -1, .retention_ms = -1}};
    ri_group_offset given = {.topic = RI_STR("t"), .offset = offset, .metadata = RI_STR("")};
    ri_durable_clock(b->durable);
    ck_assert_int_eq(ri_groups_commit_begin(groups, &a.of.commit), 0);
    ck_assert_int_eq(ri_groups_commit_put(&a.of.commit, &given), 0);
    ri_groups_commit_end(&a.of.commit);
    ri_durable_touched(b->durable);
    *woken = 0;
    ck_assert(ri_durable_wait(b->durable, &a.over, WAIT_NS));
    ck_assert_int_eq(a.error, 0);
}

static void commit(ri_broker *b, ri_groups *groups, int64_t offset)
{
    uint32_t woken;
    commit_after(b, groups, offset, &woken);
}

/* ---- Who turns ---- */

typedef struct sleeper { /* a driver that notes that it was woken, and sleeps on */
    ri_driver driver;
    uint32_t woken;
} sleeper;

static void sleeper_wake(ri_driver *driver)
{
    ri_container_of(driver, sleeper, driver)->woken++;
}

static const ri_driver_ops sleeper_ops = {.rank = RI_DRIVER_LOOP, .alone = true,
                                          .wake = sleeper_wake};

/* Who waited for his commit made it himself, and leaves what else there is to do, such as a file
 * that is to be wiped, to the driver, who knows of it. */
START_TEST(test_who_leaves_wakes_the_driver)
{
    enum { COMMITS = 2000, SEGMENT = 16384 };
    char dir[SCRATCH_LEN];
    scratch_make_quick(dir);
    sleeper sleeping = {.driver.ops = &sleeper_ops};
    rill_broker *broker;
    ri_groups *groups;
    ri_groups_conf conf;
    uint32_t left = 0;
    ri_groups_conf_init(&conf);
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, &(ri_durable_opts){
        .dir = dir, .safety = RI_SAFETY_MEMORY, .segment_bytes = SEGMENT}));
    ri_broker_enter(b);
    ck_assert_ok(ri_durable_groups(b->durable, &conf, &groups));
    ri_driver_join(b, &sleeping.driver);
    for (int i = 0; i < COMMITS; i++) {
        commit_after(b, groups, i, &sleeping.woken);
        if (!ri_durable_waits(b->durable)) continue;
        ck_assert_uint_gt(sleeping.woken, 0);
        left++;
    }
    ck_assert_uint_gt(left, 3);
    ri_driver_leave(b, &sleeping.driver);
    close_broker(b);
    scratch_remove(dir);
}
END_TEST

static bool fetch_over;

static void fetched(ri_group_call *call)
{
    ck_assert_int_eq(call->error, 0);
    fetch_over = true;
}

static int64_t fetch(ri_broker *b, ri_groups *groups)
{
    ri_group_fetch f = {.call.done = fetched, .group = RI_STR("g")};
    ri_group_offset wanted = {.topic = RI_STR("t")};
    ck_assert_int_eq(ri_groups_fetch_begin(groups, &f), 0);
    ri_groups_fetch_get(&f, &wanted);
    int64_t offset = wanted.offset;
    fetch_over = false;
    ri_groups_fetch_end(&f);
    ck_assert(ri_durable_wait(b->durable, &fetch_over, WAIT_NS));
    return offset;
}

/* A topic, of the number of partitions that `arg` points to. */
static bool by_name(void *arg, ri_str name, ri_groups_topic *out)
{
    *out = (ri_groups_topic){.name = RI_STR("t"), .id = {1}, .partitions = *(int *)arg};
    return ri_str_is(name, "t");
}

static bool by_id(void *arg, const uint8_t *id, ri_groups_topic *out)
{
    return id[0] == 1 && by_name(arg, RI_STR("t"), out);
}

static uint64_t version(void *arg)
{
    return (uint64_t)*(int *)arg;
}

static const ri_groups_topics topics = {by_name, by_id, version, NULL};

START_TEST(test_reopened)
{
    char dir[SCRATCH_LEN];
    ri_groups *groups;
    scratch_make(dir);
    for (int round = 0; round < 3; round++) {
        ri_broker *b = open_broker(dir, &groups);
        ck_assert_int_eq(fetch(b, groups), round ? round : -1);
        commit(b, groups, round + 1);
        close_broker(b);
    }
    scratch_remove(dir);
}
END_TEST

/* The driver's thread wakes for the end of the initial delay, with nobody in the gate. */
START_TEST(test_timers)
{
    ri_groups *groups;
    ri_broker *b = open_broker(NULL, &groups);
    ri_group_protocol protocol = {RI_STR("range"), RI_STR("")};
    static asked a;
    a.of.join = (ri_group_join){
        .call.done = joined, .group = RI_STR("g"), .member = RI_STR(""), .client_id = RI_STR("c"),
        .client_host = RI_STR(""), .protocol_type = RI_STR("consumer"), .protocols = &protocol,
        .nprotocols = 1, .session_ms = 6000, .rebalance_ms = 1000};
    ri_durable_clock(b->durable);
    ri_groups_join(groups, &a.of.join);
    ri_durable_touched(b->durable);
    int64_t until_ns = ri_mono_ns(&b->host) + WAIT_NS;
    while (!a.over && ri_mono_ns(&b->host) < until_ns) {
        ri_broker_leave(b);
        sched_yield();
        ri_broker_enter(b);
    }
    ck_assert(a.over);
    ck_assert_int_eq(a.error, 0);
    ck_assert_int_eq(a.of.join.generation, 1);
    close_broker(b);
}
END_TEST

static void pulsed(ri_group_call *call)
{
    asked *a = ri_container_of(call, asked, of.pulse.call);
    a->error = call->error;
    for (size_t i = 0; i < a->of.pulse.nassigned; i++)
        a->partitions += a->of.pulse.assigned[i].n;
    a->over = true;
}

static void pulse(ri_broker *b, ri_groups *groups, asked *a, int32_t epoch)
{
    ri_str names[] = {RI_STR("t")};
    *a = (asked){.of.pulse = {
        .call.done = pulsed, .group = RI_STR("g"), .member = RI_STR("m"), .client_id = RI_STR("c"),
        .client_host = RI_STR(""), .rebalance_ms = 1000, .epoch = epoch, .topics = names,
        .ntopics = 1, .says_topics = true, .says_owned = true, .makes_id = true}};
    ri_durable_clock(b->durable);
    ri_groups_pulse(groups, &a->of.pulse);
    ri_durable_touched(b->durable);
    ck_assert(ri_durable_wait(b->durable, &a->over, WAIT_NS));
    ck_assert_int_eq(a->error, 0);
}

/* What topics there are, the door says; who has what outlasts the broker. */
START_TEST(test_modern)
{
    char dir[SCRATCH_LEN];
    ri_groups *groups;
    asked a;
    int partitions = 3;
    scratch_make(dir);
    ri_broker *b = open_broker(dir, &groups);
    ri_groups_set_topics(groups, &topics, &partitions);
    pulse(b, groups, &a, 0);
    ck_assert_int_eq(a.of.pulse.given_epoch, 1);
    ck_assert_uint_eq(a.partitions, 3);
    close_broker(b);
    b = open_broker(dir, &groups);
    ri_groups_set_topics(groups, &topics, &partitions);
    pulse(b, groups, &a, 1);
    ck_assert(a.of.pulse.given_epoch >= 1);
    ck_assert_uint_eq(a.partitions, 3);
    close_broker(b);
    scratch_remove(dir);
}
END_TEST

/* Who waits when all ends hears that the coordinator is gone. */
START_TEST(test_closed)
{
    ri_groups *groups;
    ri_broker *b = open_delaying(NULL, 600000, &groups);
    ri_group_protocol protocol = {RI_STR("range"), RI_STR("")};
    static asked a;
    a.of.join = (ri_group_join){
        .call.done = joined, .group = RI_STR("g"), .member = RI_STR(""), .client_id = RI_STR("c"),
        .client_host = RI_STR(""), .protocol_type = RI_STR("consumer"), .protocols = &protocol,
        .nprotocols = 1, .session_ms = 6000, .rebalance_ms = 600000};
    ri_groups_join(groups, &a.of.join);
    close_broker(b);
    ck_assert(a.over);
    ck_assert_int_eq(a.error, 16);
}
END_TEST

SUITE_MAIN("groups_turn", test_who_leaves_wakes_the_driver, test_reopened, test_timers,
           test_modern, test_closed)
