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
    union { ri_group_commit commit; ri_group_join join; } of;
    bool over;
    ri_group_error error;
    char id[96];
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

static ri_broker *open_broker(const char *dir, ri_groups **groups)
{
    rill_broker *broker;
    ri_groups_conf conf;
    ri_groups_conf_init(&conf);
    conf.initial_delay_ms = 20;
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, dir ? &(ri_durable_opts){.dir = dir} : NULL));
    ri_broker_enter(b);
    ck_assert_ok(ri_durable_groups(b->durable, &conf, groups));
    return b;
}

static void close_broker(ri_broker *b)
{
    ri_broker_leave(b);
    ck_assert_ok(rill_broker_close((rill_broker *)(void *)b, -1));
}

static void commit(ri_broker *b, ri_groups *groups, int64_t offset)
{
    asked a = {.of.commit = {.call.done = committed, .group = RI_STR("g"), .member = RI_STR(""),
                             .generation = -1, .retention_ms = -1}};
    ri_group_offset given = {.topic = RI_STR("t"), .offset = offset, .metadata = RI_STR("")};
    ri_durable_clock(b->durable);
    ck_assert_int_eq(ri_groups_commit_begin(groups, &a.of.commit), 0);
    ck_assert_int_eq(ri_groups_commit_put(&a.of.commit, &given), 0);
    ri_groups_commit_end(&a.of.commit);
    ri_durable_touched(b->durable);
    ck_assert(ri_durable_wait(b->durable, &a.over, WAIT_NS));
    ck_assert_int_eq(a.error, 0);
}

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

/* Who waits when all ends hears that the coordinator is gone. */
START_TEST(test_closed)
{
    ri_groups *groups;
    ri_broker *b = open_broker(NULL, &groups);
    ri_group_protocol protocol = {RI_STR("range"), RI_STR("")};
    static asked a;
    a.of.join = (ri_group_join){
        .call.done = joined, .group = RI_STR("g"), .member = RI_STR(""), .client_id = RI_STR("c"),
        .client_host = RI_STR(""), .protocol_type = RI_STR("consumer"), .protocols = &protocol,
        .nprotocols = 1, .session_ms = 6000, .rebalance_ms = 60000};
    ri_groups_join(groups, &a.of.join);
    close_broker(b);
    ck_assert(a.over);
    ck_assert_int_eq(a.error, 16);
}
END_TEST

SUITE_MAIN("groups_turn", test_reopened, test_timers, test_closed)
