/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a work queue over restarts. Each job is there until it is done,
 * once; what was in flight when the broker closed comes again at its time; what was done is gone;
 * a full queue refuses, and takes again when there is room. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static ri_consumer *crew(world *w)
{
    return ri_stream_consumer(ri_js_stream(w->js, RI_STR("JOBS")), RI_STR("crew"));
}

static uint64_t left(world *w)
{
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w->js, RI_STR("JOBS")), &info);
    return info.state.messages;
}

START_TEST(test_work_queue)
{
    static world w;
    ri_js_error e;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "boss", "ok.*");
    world_ear *worker = world_listen(&w, "worker", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"JOBS\",\"subjects\":[\"jobs.*\"],\"max_msgs\":3,"
                                  "\"discard\":\"new\",\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "JOBS", "{\"durable_name\":\"crew\","
                                            "\"ack_policy\":\"explicit\","
                                            "\"ack_wait\":10000000000}", NULL, NULL));
    /* A queue has one consumer. */
    ck_assert_int_lt(world_consumer(&w, "JOBS", "{\"durable_name\":\"too\","
                                                "\"ack_policy\":\"explicit\"}", NULL, &e), 0);
    ck_assert_str_eq(e.text, "multiple non-filtered consumers not allowed on workqueue stream");
    world_publish(&w, "jobs.a", "ok.1", "", "one");
    world_publish(&w, "jobs.b", "ok.2", "", "two");
    world_publish(&w, "jobs.c", "ok.3", "", "three");
    world_publish(&w, "jobs.d", "ok.4", "", "four");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] boss: ok.4 {\"error\":{\"code\":503,\"err_code\":10077,"
                   "\"description\":\"maximum messages exceeded\"},\"stream\":\"JOBS\","
                   "\"seq\":0}\n"
                   "[     0] boss: ok.1 {\"stream\":\"JOBS\",\"seq\":1}\n"
                   "[     0] boss: ok.2 {\"stream\":\"JOBS\",\"seq\":2}\n"
                   "[     0] boss: ok.3 {\"stream\":\"JOBS\",\"seq\":3}\n");

    /* Two are in flight, one of them is done, when the broker closes. */
    world_pull(&w, crew(&w), "in", "2");
    world_turn(&w);
    world_publish(&w, "$JS.ACK.JOBS.crew.1.1.1.0.0", "", "", "");
    world_wait(&w, 3000);
    WORLD_TOLD(&w, "[     0] worker: jobs.a <ACK(1/1/1/2)> one\n"
                   "[     0] worker: jobs.b <ACK(1/2/2/1)> two\n");
    ck_assert_ok(world_restart(&w));
    ck_assert_uint_eq(left(&w), 2);

    /* There is room for the fourth. What was in flight has seven seconds to go. */
    world_publish(&w, "jobs.d", "ok.4", "", "four");
    world_pull(&w, crew(&w), "in", "{\"batch\":9,\"expires\":60000000000}");
    worker->auto_ack = true;
    world_wait(&w, 6999);
    WORLD_TOLD(&w, "[  3000] worker: jobs.c <ACK(1/3/3/0)> three\n"
                   "[  3000] boss: ok.4 {\"stream\":\"JOBS\",\"seq\":4}\n"
                   "[  3000] worker: jobs.d <ACK(1/4/4/0)> four\n");
    ck_assert_ok(world_restart(&w));
    ck_assert_uint_eq(left(&w), 1);
    world_pull(&w, crew(&w), "in", "{\"batch\":9,\"expires\":60000000000}");
    world_wait(&w, 1);
    WORLD_TOLD(&w, "[ 10000] worker: jobs.b <ACK(2/2/5/0)> two\n");

    /* All is done, and stays done. */
    ck_assert_ok(world_restart(&w));
    world_pull(&w, crew(&w), "in", "{\"batch\":9,\"expires\":30000000000}");
    world_wait(&w, 30000);
    WORLD_TOLD(&w, "[ 40000] worker: in {408 Request Timeout, Nats-Pending-Messages: 9, "
                   "Nats-Pending-Bytes: 0}\n");
    ck_assert_uint_eq(left(&w), 0);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("work_queue", test_work_queue)
