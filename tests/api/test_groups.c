/* SPDX-License-Identifier: Apache-2.0 */
/* Groups as a monitor and an operator see them: to join is not to change, and to look is not to
 * touch. */
#include "kinds.h"

static rill_bus *open_jobs(int kind)
{
    rill_bus *bus = begin_kind(kind);
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK,
                                                 .subjects = "jobs.>")));
    return bus;
}

static void refused(rill_bus *bus, const char *option, const rill_sub_opts *opts)
{
    rill_sub *sub;
    FAILS(rill_consume(bus, &sub, "JOBS", opts), RILL_EEXIST);
    ck_assert_ptr_null(sub);
    ck_assert_msg(strstr(rill_errmsg(), option), "%s is not in: %s", option, rill_errmsg());
}

START_TEST(who_joins_gets_the_group_as_it_is)
{
    static const uint32_t pauses[] = {100, 200}, others[] = {100, 300};
    rill_bus *bus = open_jobs(_i);
    rill_sub *sub, *observer;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "DEAD", NULL));
    const rill_sub_opts *made = RILL_OPTS(rill_sub_opts, .group = "g", .filter = "jobs.a jobs.b",
                                          .max_deliveries = 2, .max_unacked = 7,
                                          .backoff_ms = pauses, .nbackoff = 2,
                                          .dead_letters = "DEAD", .inactive_ms = 60000);
    OK(rill_consume(bus, &sub, "JOBS", made));
    OK(rill_consume(bus, &observer, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g")));
    rill_sub_close(observer);
    OK(rill_consume(bus, &observer, "JOBS", made)); /* the same options are no change */
    rill_sub_close(observer);
    refused(bus, "filter", RILL_OPTS(rill_sub_opts, .group = "g", .filter = "jobs.a"));
    refused(bus, "ack, which cannot change",
            RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_UPTO));
    refused(bus, "another from", RILL_OPTS(rill_sub_opts, .group = "g", .from = RILL_FROM_NEW));
    refused(bus, "ack_wait_ms", RILL_OPTS(rill_sub_opts, .group = "g", .ack_wait_ms = 500));
    refused(bus, "max_deliveries", RILL_OPTS(rill_sub_opts, .group = "g", .max_deliveries = 3));
    refused(bus, "max_unacked", RILL_OPTS(rill_sub_opts, .group = "g", .max_unacked = 8));
    refused(bus, "backoff_ms", RILL_OPTS(rill_sub_opts, .group = "g", .backoff_ms = others,
                                         .nbackoff = 2));
    refused(bus, "dead_letters", RILL_OPTS(rill_sub_opts, .group = "g", .dead_letters = "X"));
    refused(bus, "headers_only", RILL_OPTS(rill_sub_opts, .group = "g", .headers_only = true));
    refused(bus, "original_speed", RILL_OPTS(rill_sub_opts, .group = "g", .original_speed = true));
    refused(bus, "inactive_ms", RILL_OPTS(rill_sub_opts, .group = "g", .inactive_ms = 1));
    append(bus, "jobs.a", "x"); /* and it is as it was: two deliveries, then the dead letters */
    for (uint32_t i = 1; i <= 2; i++) {
        OK(rill_next(sub, &m, 20000));
        ck_assert_uint_eq(m->deliveries, i);
        OK(rill_nak(m, 1));
    }
    OK(rill_consume(bus, &observer, "DEAD", NULL));
    OK(rill_next(observer, &m, 20000));
    TEXT_IS(m->data, "x");
    rill_sub_close(observer);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_group_is_changed_by_the_call_that_does_so)
{
    rill_bus *bus = open_jobs(_i);
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_int_eq(rill_group_ensure(bus, "JOBS", "g", NULL), 1);
    ck_assert_int_eq(rill_group_ensure(bus, "JOBS", "g", NULL), 0);
    ck_assert_int_eq(rill_group_ensure(bus, "JOBS", "g",
                                       RILL_OPTS(rill_sub_opts, .ack_wait_ms = 50)), 0);
    FAILS(rill_group_ensure(bus, "JOBS", "g", RILL_OPTS(rill_sub_opts, .ack = RILL_ACK_UPTO)),
          RILL_EEXIST);
    FAILS(rill_group_ensure(bus, "NONE", "g", NULL), RILL_ENOENT);
    FAILS(rill_group_ensure(bus, "JOBS", "no blanks", NULL), RILL_EINVAL);
    FAILS(rill_group_ensure(bus, "JOBS", NULL, NULL), RILL_EINVAL);
    bus = reopen_kind(bus, _i);
    refused(bus, "ack_wait_ms", RILL_OPTS(rill_sub_opts, .group = "g", .ack_wait_ms = 60));
    append(bus, "jobs.a", "x");
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g")));
    OK(rill_next(sub, &m, 20000));
    uint32_t before = m->deliveries; /* more than one, where 50 ms were over by then */
    OK(rill_next(sub, &m, 20000));   /* again after 50 ms */
    ck_assert_uint_gt(m->deliveries, before);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static int collect(const char *name, void *arg)
{
    char *names = arg;
    snprintf(names + strlen(names), 64 - strlen(names), "%s ", name);
    return strcmp(name, "stop") == 0;
}

START_TEST(anybody_may_look_at_a_group)
{
    rill_bus *bus = open_jobs(_i);
    rill_sub *sub;
    const rill_msg *m;
    char names[64] = "";
    rill_group_info info = {.size = sizeof info};
    OK(rill_group_ensure(bus, "JOBS", "b", RILL_OPTS(rill_sub_opts, .filter = "jobs.b")));
    OK(rill_group_ensure(bus, "JOBS", "a", RILL_OPTS(rill_sub_opts, .filter = "jobs.a")));
    for (int i = 0; i < 5; i++) append(bus, "jobs.a", "x");
    TELLS(rill_group_status(bus, "JOBS", "a", &info), info.lag_msgs == 5);
    ck_assert_uint_gt(info.lag_bytes, 5);
    ck_assert_int_gt(info.lag_ns, 0);
    ck_assert_uint_eq(info.unacked_msgs + info.waiting + info.delivered_seq + info.settled_seq, 0);
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "a")));
    OK(rill_next(sub, &m, 20000));
    OK(rill_ack(m));
    OK(rill_next(sub, &m, 20000));
    OK(rill_group_pause(bus, "JOBS", "a", m->time_ns + INT64_C(3600000000000)));
    TELLS(rill_group_status(bus, "JOBS", "a", &info),
          info.unacked_msgs == 1 && info.lag_msgs == 3 && info.settled_seq == 1);
    ck_assert_uint_ge(info.delivered_seq, 2);
    ck_assert_int_gt(info.active_ns, 0);
    ck_assert_int_eq(info.paused_until_ns, m->time_ns + INT64_C(3600000000000));
    TELLS(rill_group_status(bus, "JOBS", "b", &info), info.lag_msgs == 0);
    OK(rill_group_each(bus, "JOBS", collect, names));
    ck_assert_str_eq(names, "a b ");
    FAILS(rill_group_status(bus, "JOBS", "c", &info), RILL_ENOENT);
    ck_assert_uint_eq(info.lag_msgs, 0);
    FAILS(rill_group_status(bus, "NONE", "a", &info), RILL_ENOENT);
    FAILS(rill_group_each(bus, "NONE", collect, names), RILL_ENOENT);
    FAILS(rill_group_each(bus, "JOBS", NULL, NULL), RILL_EINVAL);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* Whoever tails a work queue sees its jobs, and takes none. */
START_TEST(a_work_queue_can_be_tailed)
{
    rill_bus *bus = open_jobs(_i);
    rill_sub *sub, *eye;
    const rill_msg *m;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g")));
    for (int i = 0; i < 3; i++) append(bus, "jobs.a", "x");
    OK(rill_tail(bus, &eye, "JOBS", NULL));
    for (uint64_t seq = 1; seq <= 3; seq++) {
        OK(rill_next(eye, &m, 20000));
        ck_assert_uint_eq(m->seq, seq);
        ck_assert_int_eq(rill_ack(m), RILL_EINVAL);
    }
    OK(rill_stream_status(bus, "JOBS", &info));
    ck_assert_uint_eq(info.msgs, 3);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        OK(rill_next(sub, &m, 20000));
        ck_assert_uint_eq(m->seq, seq);
        OK(rill_ack(m));
    }
    TELLS(rill_stream_status(bus, "JOBS", &info), info.msgs == 0);
    rill_sub_close(eye);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("groups",
    EACH_KIND(who_joins_gets_the_group_as_it_is, a_group_is_changed_by_the_call_that_does_so,
              anybody_may_look_at_a_group),
    LOCAL_KINDS("a tail of a queue would take its jobs there, and is refused",
                a_work_queue_can_be_tailed))
