/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's turn: what waits for which commit, what failing commits and allocations leave. */
#include "engine/streams/js.h"

#include "base/error.h"
#include "engine/streams/consumer.h"
#include "engine/streams/purge.h"
#include "support/suite.h"
#include "support/world.h"

static world w_;

static world *open_world(void)
{
    ck_assert_ok(world_init(&w_, NULL));
    ck_assert_ok(world_stream(&w_, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    world_listen(&w_, "app", "ack.*");
    return &w_;
}

typedef struct wait_note {
    ri_js_waiter waiter;
    int rc, calls;
} wait_note;

static void wait_done(ri_js_waiter *waiter, int rc)
{
    wait_note *note = ri_container_of(waiter, wait_note, waiter);
    note->rc = rc;
    note->calls++;
}

START_TEST(test_overlapping_commits)
{
    world *w = open_world();
    ri_commit job;
    wait_note first = {.waiter.done = wait_done}, second = first, third = first;
    world_publish(w, "s.1", "ack.1", "", "");
    ri_js_wait(w->js, w->log, &first.waiter);
    ri_js_prepare(w->js, w->log);
    ck_assert_ok(ri_log_commit_begin(w->log, &job));
    world_publish(w, "s.2", "ack.2", "", ""); /* while the first is being written */
    ri_js_wait(w->js, w->log, &second.waiter);
    ck_assert_ok(ri_log_commit_io(&job));
    int rc = ri_log_commit_end(w->log, &job);
    ri_js_committed(w->js, w->log, rc, w->wall_ns, w->mono_ns);
    WORLD_TOLD(w, "[     0] app: ack.1 {\"stream\":\"S\",\"seq\":1}\n");
    ck_assert_int_eq(first.calls, 1);
    ck_assert_int_eq(second.calls, 0);
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack.2 {\"stream\":\"S\",\"seq\":2}\n");
    ck_assert_int_eq(second.calls, 1);
    ri_js_wait(w->js, w->log, &third.waiter); /* nothing is open */
    ck_assert(ri_js_waiting(w->js));
    world_turn(w);
    ck_assert_int_eq(third.calls, 1);
    ck_assert_int_eq(third.rc, 0);
    world_fini(w);
}
END_TEST

START_TEST(test_failed_commit)
{
    world *w = open_world();
    wait_note note = {.waiter.done = wait_done};
    world_publish(w, "s.1", "ack.1", "", "");
    ri_js_wait(w->js, w->log, &note.waiter);
    ri_js_prepare(w->js, w->log);
    ri_js_committed(w->js, w->log, RILL_EIO, w->wall_ns, w->mono_ns);
    ck_assert_int_eq(note.calls, 1);
    ck_assert_int_eq(note.rc, RILL_EIO);
    WORLD_TOLD(w, "[     0] app: ack.1 {\"error\":{\"code\":503,\"err_code\":10077,\"description\":"
                  "\"a read, write or sync failed\"},\"stream\":\"S\",\"seq\":0}\n");
    world_fini(w);
}
END_TEST

START_TEST(test_close_tells_who_waits)
{
    world *w = open_world();
    wait_note note = {.waiter.done = wait_done};
    world_publish(w, "s.1", "", "", "");
    ri_js_wait(w->js, w->log, &note.waiter);
    world_fini(w);
    ck_assert_int_eq(note.rc, RILL_ECLOSED);
}
END_TEST

START_TEST(test_deliver_into_another_stream)
{
    world *w = open_world();
    ri_stream *t;
    ck_assert_ok(world_stream(w, "{\"name\":\"T\",\"subjects\":[\"t\"]}", &t, NULL));
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"deliver_subject\":\"t\"}", NULL,
                                NULL));
    for (int i = 0; i < 100; i++) world_publish(w, "s.x", "", "H: v\r\n", "body");
    world_turn(w);
    ri_record r;
    ck_assert_ok(ri_stream_get(t, 100, &r));
    ck_assert_span(r.data, "body");
    world_fini(w);
}
END_TEST

START_TEST(test_full_log)
{
    static fault f;
    static world w;
    fault_init(&f);
    ri_log_opts opts = {.host = &f.host, .segment_bytes = 16384, .budget_bytes = 65536};
    ri_log *log;
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(world_init_with(&w, &f, log));
    world_ear *app = world_listen(&w, "app", "ack.*");
    ri_stream *s;
    ri_consumer *c;
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", &s, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}", &c,
                                NULL));
    ri_stream_info info;
    app->quiet = true;
    for (int i = 0; i < 1000; i++) world_publish(&w, "s.x", "ack.1", "", "twenty bytes of data");
    world_turn(&w);
    ck_assert_uint_eq(app->got, 1000); /* every one is answered, most with an error */
    ri_stream_info_of(s, &info);
    ck_assert_uint_gt(info.state.messages, 100);
    ck_assert_uint_lt(info.state.messages, 1000);
    app->quiet = false;
    world_pull(&w, c, "ack.2", "1");
    world_turn(&w);
    ri_buffer_reset(&w.told);
    world_publish(&w, "$JS.ACK.S.c.1.1.1.0.0", "ack.done", "", "+ACK");
    world_turn(&w);
    WORLD_TOLD(&w, ""); /* it cannot be recorded: not confirmed */
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 0, &purged, NULL)); /* this can */
    world_turn(&w);
    world_wait(&w, 1500);
    world_publish(&w, "$JS.ACK.S.c.1.1.1.0.0", "ack.done", "", "+ACK");
    world_turn(&w);
    WORLD_TOLD(&w, "[  1500] app: ack.done\n");
    world_fini_with(&w);
    fault_fini(&f);
}
END_TEST

/* A little of everything; each step may fail for want of memory. */
static int fault_work(world *w)
{
    ri_stream *s;
    ri_consumer *c;
    int rc;
    rc = world_stream(w, "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_atomic\":true,"
                         "\"max_msgs_per_subject\":3,\"allow_rollup_hdrs\":true}", &s, NULL);
    if (rc < 0) return rc;
    rc = world_consumer(w, "S",
                        "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"max_deliver\":2,"
                                "\"filter_subjects\":[\"s.a\",\"s.b\"],\"ack_wait\":1000000000}",
                                &c, NULL);
    if (rc < 0) return rc;
    rc = world_consumer(w, "S", "{\"durable_name\":\"p\",\"deliver_subject\":\"out\","
                                "\"idle_heartbeat\":1000000000}", NULL, NULL);
    if (rc < 0) return rc;
    for (int i = 0; i < 6; i++)
        world_publish(w, i % 2 ? "s.a" : "s.b", "ack.1", "Nats-Msg-Id: x\r\nA: b\r\n", "data");
    world_publish(w, "s.a", "ack.1", "Nats-Rollup: sub\r\n", "data");
    world_publish(w, "s.b", "ack.1", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n"
                                     "Nats-Batch-Commit: 1\r\n", "data");
    world_turn(w);
    if ((rc = world_pull(w, c, "ack.2", "5")) < 0) return rc;
    world_turn(w);
    world_publish(w, "$JS.ACK.S.c.1.1.1.0.0", "ack.3", "", "-NAK");
    world_publish(w, "$JS.ACK.S.c.1.2.2.0.0", "ack.3", "", "+ACK");
    world_wait(w, 2500);
    uint64_t purged;
    if ((rc = ri_purge_whole(s, RI_STR("s.b"), 0, 0, &purged, NULL)) < 0) return rc;
    world_turn(w);
    return world_restart(w);
}

static int fault_run(fault *f, void *arg)
{
    (void)arg;
    static world w;
    int rc = world_init_with(&w, f, NULL);
    if (rc >= 0 && !world_listen(&w, "app", "ack.*")) rc = RILL_ENOMEM;
    if (rc >= 0 && !world_listen(&w, "out", "out")) rc = RILL_ENOMEM;
    if (rc >= 0) rc = fault_work(&w);
    world_fini_with(&w);
    return f->supply.failed && rc < 0 ? RILL_ENOMEM : rc; /* the API has codes of its own for it */
}

START_TEST(test_each_allocation_fails)
{
    size_t met = fault_each(fault_run, NULL);
    ck_assert_uint_gt(met, 100);
}
END_TEST

SUITE_MAIN("jetstream", test_overlapping_commits, test_failed_commit, test_close_tells_who_waits,
           test_deliver_into_another_stream, test_full_log, test_each_allocation_fails)
