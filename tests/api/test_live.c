/* SPDX-License-Identifier: Apache-2.0 */
/* Publish and subscribe within a process. */
#include "api.h"

START_TEST(a_message_arrives_whole)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    const rill_header headers[] = {{RILL_STR("A"), RILL_STR("1")}, {RILL_STR("b"), RILL_STR("")}};
    OK(rill_subscribe(bus, &sub, "greet.*", NULL));
    OK(rill_publish(bus, "greet.world", "hello", 5,
                    RILL_OPTS(rill_post, .reply = "back", .headers = headers, .nheaders = 2)));
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->subject, "greet.world");
    TEXT_IS(m->reply, "back");
    TEXT_IS(m->data, "hello");
    ck_assert_int_eq(m->data.ptr[m->data.len], 0);
    ck_assert_int_eq(m->subject.ptr[m->subject.len], 0);
    ck_assert_uint_eq(m->nheaders, 2);
    ck_assert_int_gt(m->time_ns, 1600000000000000000);
    rill_str value;
    ck_assert_int_eq(rill_header_get(m, "A", &value), 1);
    TEXT_IS(value, "1");
    ck_assert_int_eq(rill_header_get(m, "b", &value), 1);
    ck_assert_uint_eq(value.len, 0);
    ck_assert_int_eq(rill_header_get(m, "a", &value), 0);
    TEXT_IS(rill_header_at(m, 1).name, "b");
    ck_assert_uint_eq(rill_header_at(m, 2).name.len, 0);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(an_empty_message_has_data_that_is_not_null)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_publish(bus, "a", NULL, 0, NULL));
    OK(rill_next(sub, &m, 20000));
    ck_assert_ptr_nonnull(m->data.ptr);
    ck_assert_uint_eq(m->data.len, 0);
    ck_assert_uint_eq(m->reply.len, 0);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(names_share_a_broker_and_others_do_not)
{
    rill_bus *a = api_open("mem:shared"), *b = api_open("mem:shared"), *c = api_open("mem:other");
    rill_bus *d = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(b, &sub, ">", NULL));
    api_send(c, "x", "no");
    api_send(d, "x", "no");
    api_send(a, "x", "yes");
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->data, "yes");
    FAILS(rill_next(sub, &m, 0), RILL_EAGAIN);
    ck_assert_ptr_null(m);
    rill_sub_close(sub);
    OK(rill_close(a, 20000));
    OK(rill_close(b, 20000));
    OK(rill_close(c, 20000));
    OK(rill_close(d, 20000));
    a = api_open("mem:shared"); /* the name is free again */
    OK(rill_close(a, 20000));
}
END_TEST

START_TEST(a_group_shares_and_overlapping_patterns_are_one_group)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *w[3], *all;
    const char *subjects[] = {"job.*", "job.>", "job.a"};
    const rill_msg *m;
    int got[3] = {0};
    for (int i = 0; i < 3; i++)
        OK(rill_subscribe(bus, &w[i], subjects[i], RILL_OPTS(rill_sub_opts, .group = "g")));
    OK(rill_subscribe(bus, &all, "job.a", NULL));
    for (int i = 0; i < 300; i++) api_send(bus, "job.a", "x");
    for (int i = 0; i < 3; i++)
        while (rill_next(w[i], &m, 0) == RILL_OK) got[i]++;
    ck_assert_int_eq(got[0] + got[1] + got[2], 300);
    for (int i = 0; i < 3; i++) ck_assert_int_gt(got[i], 30);
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(all, &info));
    ck_assert_uint_eq(info.pending_msgs, 300);
    for (int i = 0; i < 3; i++) rill_sub_close(w[i]);
    rill_sub_close(all);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_limit_ends_a_subscription_after_its_last_message)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .limit_msgs = 2)));
    for (int i = 0; i < 5; i++) api_send(bus, "a", "x");
    OK(rill_next(sub, &m, 0));
    OK(rill_next(sub, &m, 0));
    FAILS(rill_next(sub, &m, -1), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_stopped_subscription_can_be_read_to_its_end)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m[8];
    OK(rill_subscribe(bus, &sub, "a", NULL));
    for (int i = 0; i < 3; i++) api_send(bus, "a", "x");
    OK(rill_sub_stop(sub));
    api_send(bus, "a", "late");
    ck_assert_int_eq(rill_read(sub, m, 8, 0), 3);
    FAILS(rill_read(sub, m, 8, -1), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_kept_message_outlives_its_loan_its_sub_and_its_bus)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    char *big = calloc(1, 100000);
    big[99999] = 'z';
    OK(rill_subscribe(bus, &sub, "a", NULL));
    api_send(bus, "a", "small");
    OK(rill_publish(bus, "a", big, 100000, NULL));
    OK(rill_next(sub, &m, 0));
    rill_msg *small = rill_msg_ref(m);
    ck_assert_ptr_nonnull(small);
    OK(rill_next(sub, &m, 0));
    rill_msg *large = rill_msg_ref(m), *again = rill_msg_ref(large);
    ck_assert_ptr_eq(large, again);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    TEXT_IS(small->data, "small");
    ck_assert_int_eq(large->data.ptr[99999], 'z');
    FAILS(rill_reply(small, "x", 1, NULL), RILL_EINVAL);
    rill_msg_unref(small);
    rill_msg_unref(large);
    rill_msg_unref(again);
    free(big);
}
END_TEST

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(callbacks_run_on_a_thread_of_the_bus)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    atomic_int n = 0;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = &n)));
    for (int i = 0; i < 1000; i++) api_send(bus, "a", "x");
    EVENTUALLY(atomic_load(&n) == 1000);
    const rill_msg *m;
    FAILS(rill_next(sub, &m, 0), RILL_EINVAL);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

typedef struct inline_probe {
    rill_bus *bus;
    pthread_t thread;
    int depth, deepest, n, resend;
} inline_probe;

static void probe_inline(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    inline_probe *p = arg;
    p->n++;
    p->thread = pthread_self();
    if (++p->depth > p->deepest) p->deepest = p->depth;
    if (p->resend-- > 0) api_send(p->bus, "in", "again");
    p->depth--;
}

START_TEST(on_publisher_runs_in_the_publish_and_does_not_recurse)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    inline_probe p = {.bus = bus, .resend = 3};
    OK(rill_subscribe(bus, &sub, "in",
                      RILL_OPTS(rill_sub_opts, .on_msg = probe_inline, .arg = &p,
                                .on_publisher = true)));
    api_send(bus, "in", "x");
    ck_assert_int_eq(p.n, 4);
    ck_assert_int_eq(p.deepest, 1);
    ck_assert(pthread_equal(p.thread, pthread_self()));
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void keep_it(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    *(rill_msg **)arg = rill_msg_ref(m);
}

START_TEST(a_message_of_a_publisher_can_be_kept)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    rill_msg *kept = NULL;
    char data[3000];
    const size_t sizes[] = {0, 1, 900, sizeof data}; /* on the publisher's stack, or in a packet */
    const rill_header header = {RILL_STR("k"), RILL_STR("v")};
    memset(data, 'x', sizeof data);
    OK(rill_subscribe(bus, &sub, "in", RILL_OPTS(rill_sub_opts, .on_msg = keep_it, .arg = &kept,
                                                 .on_publisher = true)));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rill_str value;
        OK(rill_publish(bus, "in", data, sizes[i],
                        RILL_OPTS(rill_post, .reply = "back", .headers = &header, .nheaders = 1)));
        ck_assert_ptr_nonnull(kept);
        TEXT_IS(kept->subject, "in");
        TEXT_IS(kept->reply, "back");
        ck_assert_uint_eq(kept->data.len, sizes[i]);
        ck_assert_int_eq(memcmp(kept->data.ptr, data, sizes[i]), 0);
        ck_assert_int_eq(kept->data.ptr[sizes[i]], 0);
        ck_assert_int_eq(rill_header_get(kept, "k", &value), 1);
        rill_msg_unref(kept);
    }
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void close_itself(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)m;
    atomic_fetch_add((atomic_int *)arg, 1);
    rill_sub_close(sub);
}

START_TEST(a_callback_may_close_its_own_subscription)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    atomic_int n = 0;
    for (int inline_too = 0; inline_too < 2; inline_too++) {
        OK(rill_subscribe(bus, &sub, "a",
                          RILL_OPTS(rill_sub_opts, .on_msg = close_itself, .arg = &n,
                                    .on_publisher = inline_too)));
        for (int i = 0; i < 10; i++) api_send(bus, "a", "x");
        EVENTUALLY(atomic_load(&n) == 1 + inline_too);
    }
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&n), 2);
}
END_TEST

START_TEST(stats_count_what_was_sent_and_delivered)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, ">", RILL_OPTS(rill_sub_opts, .pending_msgs = 3)));
    for (int i = 0; i < 5; i++) api_send(bus, "a", "12345");
    rill_stats stats = {.size = sizeof stats};
    OK(rill_bus_stats(bus, &stats));
    ck_assert_uint_eq(stats.in_msgs, 5);
    ck_assert_uint_eq(stats.in_bytes, 25);
    ck_assert_uint_eq(stats.out_msgs, 3);
    ck_assert_uint_eq(stats.dropped_msgs, 2);
    ck_assert_uint_eq(stats.subs, 1);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(many_in_one_call_are_many_messages)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    char texts[300][4];
    rill_str rows[301];
    OK(rill_subscribe(bus, &sub, "a", NULL));
    for (int i = 0; i < 300; i++) {
        int len = snprintf(texts[i], sizeof texts[i], "%d", i);
        rows[i] = (rill_str){texts[i], (size_t)len};
    }
    rows[300] = (rill_str){texts[0], (size_t)1 << 30};
    ck_assert_int_eq(rill_publish_many(bus, "a", rows, 0), 0);
    ck_assert_int_eq(rill_publish_many(bus, "a", rows, 301), 300);
    ck_assert_int_eq(rill_publish_many(bus, "a", rows + 300, 1), RILL_ETOOBIG);
    ck_assert_int_eq(rill_publish_many(bus, "a b", rows, 300), RILL_EINVAL);
    ck_assert_int_eq(rill_publish_many(bus, "a", NULL, 300), RILL_EINVAL);
    for (int i = 0; i < 300; i++) {
        OK(rill_next(sub, &m, 20000));
        TEXT_IS(m->data, texts[i]);
    }
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_EAGAIN);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("live", many_in_one_call_are_many_messages, a_message_arrives_whole,
           an_empty_message_has_data_that_is_not_null,
           names_share_a_broker_and_others_do_not,
           a_group_shares_and_overlapping_patterns_are_one_group,
           a_limit_ends_a_subscription_after_its_last_message,
           a_stopped_subscription_can_be_read_to_its_end,
           a_kept_message_outlives_its_loan_its_sub_and_its_bus,
           callbacks_run_on_a_thread_of_the_bus,
           on_publisher_runs_in_the_publish_and_does_not_recurse,
           a_message_of_a_publisher_can_be_kept, a_callback_may_close_its_own_subscription,
           stats_count_what_was_sent_and_delivered)
