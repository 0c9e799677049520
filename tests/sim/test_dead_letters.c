/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: messages that nobody can work on. One is given up by its worker
 * with a reason, one is put off again and again until its deliveries are used up; both lie in the
 * stream for dead letters with what happened to them, also after the broker was closed and opened;
 * one that cannot be moved stays where it is, which is told, and holds nobody up. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static const char crew[] =
    "{\"durable_name\":\"crew\",\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,"
    "\"max_deliver\":3,\"metadata\":{\"rill.dead_letters\":\"DEAD\"}}";

static void has(world *w, const char *stream, uint64_t messages, uint64_t first)
{
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w->js, ri_str_of(stream)), &info);
    ck_assert_uint_eq(info.state.messages, messages);
    ck_assert_uint_eq(info.state.first_seq, first);
}

START_TEST(test_dead_letters)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    world_ear *worker = world_listen(&w, "worker", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"DEAD\",\"subjects\":[\"dead.>\"],\"max_msgs\":2,"
                                  "\"discard\":\"new\"}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"JOBS\",\"subjects\":[\"jobs.*\"],"
                                  "\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "JOBS", crew, &c, NULL));
    w.events = true;
    world_publish(&w, "jobs.pdf", "", "Lang: fr\r\n", "torn page");
    world_publish(&w, "jobs.png", "", "", "too big");
    world_pull(&w, c, "in", "{\"batch\":9,\"expires\":600000000000}");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] worker: jobs.pdf <ACK(1/1/1/1)> {Lang: fr} torn page\n"
                   "[     0] worker: jobs.png <ACK(1/2/2/0)> too big\n");

    /* The first is hopeless. */
    world_publish(&w, "$JS.ACK.JOBS.crew.1.1.1.0.0", "", "", "+TERM cannot\nread it");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] event: terminated JOBS > crew seq 1 x1 (cannot\nread it)\n");

    /* The second is put off for ten seconds, and again, and again. */
    for (int i = 0; i < 3; i++, world_wait(&w, 10000))
        world_publish(&w, worker->last_ack, "", "", "-NAK {\"delay\":10000000000}");
    WORLD_TOLD(&w, "[     0] event: naked JOBS > crew seq 2 x1\n"
                   "[ 10000] worker: jobs.png <ACK(2/2/3/0)> too big\n"
                   "[ 10000] event: naked JOBS > crew seq 2 x2\n"
                   "[ 20000] worker: jobs.png <ACK(3/2/4/0)> too big\n"
                   "[ 20000] event: naked JOBS > crew seq 2 x3\n"
                   "[ 30000] event: max deliveries JOBS > crew seq 2 x3\n");

    /* Both are kept, and are still there when the broker is opened again. */
    ck_assert_ok(world_restart(&w));
    world_listen(&w, "coroner", "corpse");
    ck_assert_ok(world_consumer(&w, "DEAD", "{\"name\":\"look\",\"deliver_subject\":\"corpse\"}",
                                NULL, NULL));
    WORLD_TOLD(&w, "[ 30000] event: consumer created DEAD > look\n"
                   "[ 30000] coroner: jobs.pdf <ACK(1/1/1/1)> {Lang: fr, Rill-Dead-Stream: JOBS, "
                   "Rill-Dead-Consumer: crew, Rill-Dead-Sequence: 1, Rill-Dead-Deliveries: 1, "
                   "Rill-Dead-Reason: terminated: cannot read it} torn page\n"
                   "[ 30000] coroner: jobs.png <ACK(1/2/2/0)> {Rill-Dead-Stream: JOBS, "
                   "Rill-Dead-Consumer: crew, Rill-Dead-Sequence: 2, Rill-Dead-Deliveries: 3, "
                   "Rill-Dead-Reason: max_deliver} too big\n");

    /* DEAD is full now: a third cannot be kept, and the queue goes on. */
    c = ri_stream_consumer(ri_js_stream(w.js, RI_STR("JOBS")), RI_STR("crew"));
    world_publish(&w, "jobs.pdf", "", "", "blank");
    world_publish(&w, "jobs.pdf", "", "", "good");
    world_pull(&w, c, "in", "{\"batch\":9,\"expires\":600000000000}");
    world_turn(&w);
    world_publish(&w, "$JS.ACK.JOBS.crew.1.3.5.0.0", "", "", "+TERM");
    world_publish(&w, worker->last_ack, "", "", "+ACK");
    world_wait(&w, 60000);
    WORLD_TOLD(&w, "[ 30000] worker: jobs.pdf <ACK(1/3/5/1)> blank\n"
                   "[ 30000] worker: jobs.pdf <ACK(1/4/6/0)> good\n"
                   "[ 30000] event: terminated JOBS > crew seq 3 x1\n"
                   "[ 30000] event: dead letter stuck JOBS > crew seq 3 x1 (message 3 of JOBS, "
                   "which crew has given up on, does not go to DEAD: maximum messages exceeded)\n");

    /* What was moved is out of the queue; the third is in it, and is not delivered again. */
    has(&w, "JOBS", 1, 3);
    has(&w, "DEAD", 2, 1);
    world_fini(&w);
}
END_TEST

/* Nowhere to go: the stream for dead letters is not there, or is the one that they come from. */
START_TEST(test_nowhere)
{
    static world w;
    ri_consumer *c;
    ri_stream_info info;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "worker", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"JOBS\",\"subjects\":[\"jobs.*\"],"
                                  "\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "JOBS", crew, &c, NULL));
    w.events = true;
    world_publish(&w, "jobs.a", "", "", "");
    world_publish(&w, "jobs.b", "", "", "");
    world_pull(&w, c, "in", "1");
    world_turn(&w);
    world_publish(&w, "$JS.ACK.JOBS.crew.1.1.1.0.0", "", "", "+TERM");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] worker: jobs.a <ACK(1/1/1/1)>\n"
                   "[     0] event: terminated JOBS > crew seq 1 x1\n"
                   "[     0] event: dead letter stuck JOBS > crew seq 1 x1 (message 1 of JOBS, "
                   "which crew has given up on, does not go to DEAD: there is no such stream)\n");
    ck_assert_ok(ri_consumer_delete(c));
    ck_assert_ok(world_consumer(&w, "JOBS", "{\"durable_name\":\"crew\",\"max_deliver\":1,"
                                            "\"ack_policy\":\"explicit\",\"metadata\":"
                                            "{\"rill.dead_letters\":\"JOBS\"}}", &c, NULL));
    world_pull(&w, c, "in", "2");
    world_wait(&w, 30000);
    WORLD_TOLD(&w, "[     0] event: consumer deleted JOBS > crew\n"
                   "[     0] event: consumer created JOBS > crew\n"
                   "[     0] worker: jobs.a <ACK(1/1/1/1)>\n"
                   "[     0] worker: jobs.b <ACK(1/2/2/0)>\n"
                   "[ 30000] event: max deliveries JOBS > crew seq 1 x1\n"
                   "[ 30000] event: dead letter stuck JOBS > crew seq 1 x1 (message 1 of JOBS, "
                   "which crew has given up on, does not go to JOBS: it is the stream that it "
                   "comes from)\n"
                   "[ 30000] event: max deliveries JOBS > crew seq 2 x1\n"
                   "[ 30000] event: dead letter stuck JOBS > crew seq 2 x1 (message 2 of JOBS, "
                   "which crew has given up on, does not go to JOBS: it is the stream that it "
                   "comes from)\n");
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("JOBS")), &info);
    ck_assert_uint_eq(info.state.messages, 2);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("dead_letters", test_dead_letters, test_nowhere)
