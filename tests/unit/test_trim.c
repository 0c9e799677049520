/* SPDX-License-Identifier: Apache-2.0 */
/* When memory goes back to the system: with a clock of the test's own, and a worker that is this
 * thread. */
#include "front/broker/trim.h"

#include "base/error.h"
#include "support/suite.h"

enum { MEGABYTE = 1024 * 1024 };

static rill_broker *broker;
static ri_broker *inner;
static ri_host host;
static ri_loop loop;
static ri_worker worker;
static ri_trim trim;
static int64_t now_ns;
static int done;

static int64_t clock_ns(void *arg)
{
    (void)arg;
    return now_ns;
}

static void on_turn(void *arg)
{
    (void)arg;
    ri_trim_watch(&trim);
}

static void on_done(void *arg)
{
    (void)arg;
    done++;
}

static void setup(void)
{
    memset(&trim, 0, sizeof trim);
    memset(&loop, 0, sizeof loop);
    done = 0;
    now_ns = 1000 * RI_SEC;
    ri_host_init(&host, &(rill_host){.mono_ns = clock_ns});
    ck_assert_ok(rill_broker_open(&broker, NULL));
    inner = (ri_broker *)(void *)broker;
    ri_worker_init(&worker, on_done, NULL);
    worker.here = true;
    ck_assert_ok(ri_loop_init(&loop, &host, on_turn, NULL));
    ri_trim_init(&trim, inner, &loop, &worker);
}

static void teardown(void)
{
    ri_worker_stop(&worker);
    while (ri_worker_done(&worker)) {}
    ri_worker_fini(&worker);
    ri_loop_fini(&loop);
    ck_assert_ok(rill_broker_close(broker, 0));
}

static void pass(int64_t ms)
{
    now_ns += ms * RI_MS;
    ri_loop_turn(&loop);
}

/* So much is used for a turn, and no more in the next. */
static void burst(uint64_t bytes)
{
    ck_assert(ri_memory_take(&inner->router.memory, RI_MEMORY_WORK, bytes));
    pass(0);
    ri_memory_refund(&inner->router.memory, RI_MEMORY_WORK, bytes);
    pass(0);
}

static void taken(void)
{
    ri_job *job = ri_worker_done(&worker);
    ri_job other = {.run = NULL};
    ck_assert_ptr_nonnull(job);
    ck_assert(!ri_trim_done(&trim, &other));
    ck_assert(trim.runs && ri_trim_done(&trim, job));
    ck_assert(!trim.runs);
}

START_TEST(test_after_a_burst)
{
    burst(3 * MEGABYTE); /* too little */
    pass(60000);
    ck_assert_int_eq(done, 0);
    burst(8 * MEGABYTE);
    pass(499);
    ck_assert_int_eq(done, 0);
    pass(1);
    ck_assert_int_eq(done, 1);
    burst(8 * MEGABYTE); /* the worker's job was not taken back yet */
    pass(60000);
    ck_assert_int_eq(done, 1);
    taken();
    pass(0);
    pass(500);
    ck_assert_int_eq(done, 2);
    taken();
    burst(8 * MEGABYTE); /* not so soon again */
    pass(4499);
    ck_assert_int_eq(done, 2);
    pass(501);
    ck_assert_int_eq(done, 3);
    taken();
}
END_TEST

START_TEST(test_half)
{
    ck_assert(ri_memory_take(&inner->router.memory, RI_MEMORY_WORK, 20 * MEGABYTE));
    burst(8 * MEGABYTE); /* most of it is used as before */
    pass(60000);
    ck_assert_int_eq(done, 0);
    ri_memory_refund(&inner->router.memory, RI_MEMORY_WORK, 20 * MEGABYTE);
    pass(0);
    pass(500);
    ck_assert_int_eq(done, 1);
    taken();
}
END_TEST

SUITE_MAIN_ROWS("trim", SUITE_WITH(setup, teardown, test_after_a_burst, test_half))
