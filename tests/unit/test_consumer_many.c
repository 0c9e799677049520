/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers of which much is wanted: many pulls that wait, many messages that nobody acknowledges,
 * and what both take of the broker's memory. */
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "codec/limits.h"
#include "consumers.h"

/* A limit that is too high is lowered, and told as it is. */
START_TEST(test_max_waiting)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_waiting\":1000000}");
    ck_assert_int_eq(ri_consumer_conf_of(c)->max_waiting, RI_LIMIT_JS_WAITING);
    for (int i = 0; i < RI_LIMIT_JS_WAITING; i++)
        ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":1,\"expires\":60000000000}"));
    world_turn(w);
    WORLD_TOLD(w, "");
    ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":1,\"expires\":60000000000}"));
    WORLD_TOLD(w, "[     0] in: in.1 {409 Exceeded MaxWaiting}\n");
    ck_assert_uint_eq(info_of(c).num_waiting, RI_LIMIT_JS_WAITING);
    world_fini(w);
}
END_TEST

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for so many requests, each in a turn of its own, beside so many that wait. */
static double cost_of_pulls(const char *more, const char *body, int waiting)
{
    enum { ASKED = 2000 };
    char json[256];
    world *w = consumers_world("", 0);
    snprintf(json, sizeof json, EXPLICIT ",\"max_waiting\":%d%s}", waiting + 8, more);
    ri_consumer *c = consumer(w, json);
    for (int i = 0; i < waiting; i++)
        world_pull(w, c, "in.1",
                   "{\"batch\":1,\"expires\":60000000000,\"group\":\"g\",\"priority\":3}");
    world_turn(w);
    double from = cpu_s();
    for (int i = 0; i < ASKED; i++) {
        ck_assert_ok(world_pull(w, c, "in.2", body));
        world_turn(w);
        if (i % 8 == 7) world_wait(w, 1);
        ri_buffer_reset(&w->told);
    }
    from = cpu_s() - from;
    world_fini(w);
    return from;
}

/* What a request costs does not grow with those that wait. */
START_TEST(test_many_pulls_wait)
{
    static const char *const asked[][2] = {
        {"", "{\"batch\":1,\"expires\":1000000}"},
        {"", "{\"batch\":1,\"no_wait\":true}"},
        {"", "{\"batch\":1,\"no_wait\":true,\"expires\":1000000}"},
        {",\"priority_policy\":\"prioritized\",\"priority_groups\":[\"g\"]",
         "{\"batch\":1,\"expires\":1000000,\"group\":\"g\",\"priority\":5}"},
    };
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        double few = cost_of_pulls(asked[i][0], asked[i][1], 8);
        double many = cost_of_pulls(asked[i][0], asked[i][1], 8000);
        ck_assert_msg(many < few * 10 + 0.02, "%s: %g s beside 8000, %g s beside 8", asked[i][1],
                      many, few);
    }
}
END_TEST

/* Those whose inbox is gone make room. */
START_TEST(test_gone_pulls_make_room)
{
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT ",\"max_waiting\":1000}");
    for (int i = 0; i < 500; i++) ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":1}"));
    for (int round = 0; round < 3; round++) {
        world_ear *gone = world_listen(w, "gone", "gone");
        for (int i = round; i < 500; i++) ck_assert_ok(world_pull(w, c, "gone", "{\"batch\":1}"));
        world_turn(w);
        WORLD_TOLD(w, "");
        world_deafen(w, gone);
        ck_assert_ok(world_pull(w, c, "in.1", "{\"batch\":1}"));
        world_turn(w);
        WORLD_TOLD(w, "");
        ck_assert_uint_eq(info_of(c).num_waiting, 501 + (uint64_t)round);
    }
    world_fini(w);
}
END_TEST

/* What waits is of the broker's memory for work. */
START_TEST(test_memory_of_pulls)
{
    static const char wait[] = "{\"batch\":1,\"expires\":60000000000}";
    world *w = consumers_world("", 0);
    ri_consumer *c = consumer(w, EXPLICIT "}");
    ri_claim filling, other;
    ri_claim_init(&filling, NULL);
    ri_claim_init(&other, NULL);
    ri_memory_set_limit(&w->router.memory, 8 * 32 * 1024);
    ck_assert(ri_claim_grow(&w->router.work, &filling, 16 * 1024));
    int n = 0;
    for (; n < 500 && w->told.len == 0; n++) ck_assert_ok(world_pull(w, c, "in.1", wait));
    ck_assert_int_lt(n, 200);
    WORLD_TOLD(w, "[     0] in: in.1 {409 Exceeded MaxWaiting}\n");
    ck_assert_uint_eq(info_of(c).num_waiting, (uint64_t)n - 1);
    ck_assert(ri_claim_grow(&w->router.work, &other, 1024)); /* it has less: they go */
    world_turn(w);
    ck_assert_uint_eq(info_of(c).num_waiting, 0);
    ck_assert_ptr_nonnull(memmem(w->told.ptr, w->told.len, "409 Exceeded MaxWaiting", 23));
    ri_buffer_reset(&w->told);
    ck_assert_ok(world_pull(w, c, "in.1", wait)); /* and then there is room again */
    world_turn(w);
    WORLD_TOLD(w, "");
    ck_assert_uint_eq(info_of(c).num_waiting, 1);
    ri_claim_end(&w->router.work, &filling);
    ri_claim_end(&w->router.work, &other);
    world_fini(w);
}
END_TEST

/* What is delivered and not acknowledged has a share of the broker's memory: who has most of it
 * waits for acks, others go on. */
START_TEST(test_memory_of_deliveries)
{
    enum { MSGS = 2000 };
    world *w = consumers_world("", MSGS);
    ri_memory *memory = &w->router.memory;
    ri_consumer *greedy = consumer(w, EXPLICIT ",\"max_ack_pending\":-1}");
    ri_consumer *modest = consumer(w, "{\"durable_name\":\"d\",\"ack_policy\":\"explicit\"}");
    ri_memory_set_limit(memory, 8 * 64 * 1024);
    ck_assert_ok(world_pull(w, greedy, "in.1", "{\"batch\":2000,\"expires\":600000000000}"));
    world_wait(w, 500);
    uint64_t n = info_of(greedy).num_ack_pending;
    ck_assert_uint_gt(n, 300);
    ck_assert_uint_lt(n, 600);
    ck_assert_uint_eq(atomic_load(&memory->refusals), 1);
    ck_assert_ok(world_pull(w, modest, "in.1", "{\"batch\":20}"));
    world_turn(w);
    ck_assert_uint_eq(info_of(modest).num_ack_pending, 20);
    ck_assert_uint_le(ri_memory_used(memory, RI_MEMORY_DELIVERIES),
                      ri_memory_share(memory, RI_MEMORY_DELIVERIES));
    for (uint64_t seq = 1; seq <= MSGS; seq++) {
        if (info_of(greedy).delivered.consumer_seq < seq) world_wait(w, 100);
        ck_assert_uint_lt(info_of(greedy).num_ack_pending, 600);
        ack(w, seq, seq, "");
    }
    ck_assert_uint_eq(info_of(greedy).delivered.consumer_seq, MSGS);
    ck_assert_uint_eq(info_of(greedy).num_ack_pending, 0);
    ri_consumer_delete(greedy);
    ri_consumer_delete(modest);
    world_turn(w);
    ck_assert_uint_eq(ri_memory_used(memory, RI_MEMORY_DELIVERIES), 0);
    world_fini(w);
}
END_TEST

SUITE_MAIN("consumer_many", test_max_waiting, test_many_pulls_wait, test_gone_pulls_make_room,
           test_memory_of_pulls, test_memory_of_deliveries)
