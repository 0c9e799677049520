/* SPDX-License-Identifier: Apache-2.0 */
/* What a work queue promises to its workers, on a clock that only the test moves: a job's time runs
 * while somebody works on it and at no other time, and a job lies where somebody reads. */
#include "kinds.h"

static int64_t now_ns = INT64_C(1700000000000000000);

static int64_t told_ns(void *arg)
{
    (void)arg;
    return now_ns;
}

static const rill_host hooks = {.size = sizeof hooks, .mono_ns = told_ns, .wall_ns = told_ns};

static void pass_ms(rill_bus *bus, int64_t ms)
{
    now_ns += ms * 1000000;
    OK(rill_poll(bus, 0));
}

/* A queue of `n` jobs, in memory or on disk. */
static rill_bus *open_queue(int kind, int n)
{
    char url[80];
    rill_bus *bus = NULL;
    make_dir();
    snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .host = &hooks)));
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    for (int i = 0; i < n; i++) append(bus, "JOBS", "job");
    return bus;
}

static void close_queue(rill_bus *bus)
{
    end_kind(bus);
}

static rill_sub *join(rill_bus *bus, const rill_sub_opts *opts)
{
    rill_sub *sub;
    OK(rill_consume(bus, &sub, "JOBS", opts));
    return sub;
}

/* The next job, which is asked for first if none waits here; NULL: there is none. */
static const rill_msg *take(rill_bus *bus, rill_sub *sub)
{
    const rill_msg *m = NULL;
    for (int tries = 0; tries < 3; tries++) {
        int rc = rill_next(sub, &m, 0);
        if (rc == RILL_OK) return m;
        FAILS(rc, RILL_EAGAIN);
        OK(rill_poll(bus, 0));
    }
    return NULL;
}

/* Work for so long on each of `n` jobs, each of which is seen for the first time. */
static void work(rill_bus *bus, rill_sub *sub, int n, int64_t each_ms)
{
    for (int i = 0; i < n; i++) {
        const rill_msg *m = take(bus, sub);
        ck_assert_msg(m, "only %d of %d jobs came", i, n);
        ck_assert_uint_eq(m->deliveries, 1);
        pass_ms(bus, each_ms);
        OK(rill_ack(m));
    }
}

START_TEST(one_worker_does_each_job_once_at_the_defaults)
{
    rill_bus *bus = open_queue(_i, 464);
    rill_sub *sub = join(bus, RILL_OPTS(rill_sub_opts, .group = "workers"));
    work(bus, sub, 64, 0); /* it is quick at first, so that it fetches ahead */
    work(bus, sub, 400, 100);
    ck_assert_ptr_null(take(bus, sub));
    rill_sub_close(sub);
    close_queue(bus);
}
END_TEST

START_TEST(the_ack_wait_of_a_job_begins_when_it_is_handed_out)
{
    rill_bus *bus = open_queue(_i, 74);
    rill_sub *sub = join(bus, RILL_OPTS(rill_sub_opts, .group = "workers", .ack_wait_ms = 500,
                                        .max_deliveries = 3));
    work(bus, sub, 64, 0);
    work(bus, sub, 10, 499);
    ck_assert_ptr_null(take(bus, sub));
    rill_sub_close(sub);
    close_queue(bus);
}
END_TEST

START_TEST(what_is_settled_is_never_handed_out_again)
{
    rill_bus *bus = open_queue(_i, 100);
    rill_sub *sub = join(bus, RILL_OPTS(rill_sub_opts, .group = "workers", .ack_wait_ms = 300));
    work(bus, sub, 64, 0);
    for (int i = 0; i < 4; i++) { /* too slow for its ack_wait, four times */
        rill_msg *slow = rill_msg_ref(take(bus, sub));
        pass_ms(bus, 301);
        const rill_msg *next = take(bus, sub); /* this asks for more, so that copies come, too */
        ck_assert_ptr_nonnull(next);
        OK(rill_ack(slow));
        if (next->seq != slow->seq) OK(rill_ack(next));
        rill_msg_unref(slow);
    }
    int left = 0;
    for (const rill_msg *m; (m = take(bus, sub)) != NULL; left++) OK(rill_ack(m));
    ck_assert_int_le(left, 32);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "JOBS", &info));
    ck_assert_uint_eq(info.msgs, 0);
    rill_sub_close(sub);
    close_queue(bus);
}
END_TEST

START_TEST(what_an_idle_member_has_fetched_goes_to_one_that_reads)
{
    rill_bus *bus = open_queue(_i, 200);
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "workers");
    rill_sub *idle = join(bus, opts), *busy = join(bus, opts);
    work(bus, idle, 100, 0);
    const rill_msg *kept = take(bus, idle); /* and falls asleep over this one */
    ck_assert_ptr_nonnull(kept);
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(idle, &info));
    ck_assert_uint_gt(info.pending_msgs, 0); /* it was quick, so that more is with it */
    ck_assert_uint_eq(info.unacked_msgs, 1);
    ck_assert_uint_eq(info.lag_msgs, 99);
    pass_ms(bus, 250);
    work(bus, busy, 99, 1);
    ck_assert_ptr_null(take(bus, busy));
    OK(rill_ack(kept));
    ck_assert_ptr_null(take(bus, idle)); /* what waits there is done */
    rill_sub_close(idle);
    rill_sub_close(busy);
    close_queue(bus);
}
END_TEST

/* More than the reader's queue may hold: what finds no room stays in the stream, and comes. */
START_TEST(a_queue_that_is_full_goes_on_when_it_is_read)
{
    static char large[300000];
    rill_bus *bus = open_queue(_i, 0);
    rill_sub *tail, *group;
    const rill_msg *m;
    for (int i = 0; i < 40; i++)
        OK(rill_append(bus, "JOBS", large, sizeof large, NULL, NULL, 20000));
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .pending_bytes = 1000000);
    OK(rill_tail(bus, &tail, "JOBS", opts));
    for (uint64_t seq = 1; seq <= 40; seq++) {
        m = take(bus, tail);
        ck_assert_msg(m, "the tail has read %d", (int)seq - 1);
        ck_assert_uint_eq(m->seq, seq);
    }
    OK(rill_consume(bus, &group, "JOBS", RILL_OPTS(rill_sub_opts, .group = "workers",
                                                   .pending_bytes = 1000)));
    work(bus, group, 40, 0); /* each is larger than the bound itself */
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(tail, &info));
    ck_assert_uint_eq(info.dropped_msgs, 0);
    rill_sub_close(tail);
    rill_sub_close(group);
    close_queue(bus);
}
END_TEST

/* A delivery that nobody saw does not use up one of those that are allowed. */
START_TEST(a_delivery_counts_when_it_is_handed_out)
{
    rill_bus *bus = open_queue(_i, 3);
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "workers", .max_deliveries = 1);
    rill_sub *idle = join(bus, opts);
    pass_ms(bus, 0); /* one is with it by now */
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(idle, &info));
    ck_assert_uint_eq(info.pending_msgs, 1);
    rill_sub *busy = join(bus, opts);
    pass_ms(bus, 250);
    work(bus, busy, 3, 0);
    rill_sub_close(idle);
    rill_sub_close(busy);
    close_queue(bus);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_nothing_along)
{
    rill_bus *bus = open_queue(_i, 150);
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "workers");
    rill_sub *leaves = join(bus, opts);
    work(bus, leaves, 100, 0);
    rill_sub_close(leaves);
    pass_ms(bus, 250);
    rill_sub *stays = join(bus, opts);
    work(bus, stays, 50, 1);
    rill_sub_close(stays);
    close_queue(bus);
}
END_TEST

SUITE_MAIN_ROWS("queue",
    SUITE_EACH(2, one_worker_does_each_job_once_at_the_defaults,
               the_ack_wait_of_a_job_begins_when_it_is_handed_out,
               what_is_settled_is_never_handed_out_again,
               what_an_idle_member_has_fetched_goes_to_one_that_reads,
               a_delivery_counts_when_it_is_handed_out, a_worker_that_leaves_takes_nothing_along,
               a_queue_that_is_full_goes_on_when_it_is_read))
