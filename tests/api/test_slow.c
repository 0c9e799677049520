/* SPDX-License-Identifier: Apache-2.0 */
/* Readers that are too slow: bounds, policies, and how they are told. */
#include "api.h"

typedef struct slow_news {
    atomic_int slow, closed;
    _Atomic uint64_t count, first;
    atomic_int err;
} slow_news;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    slow_news *news = arg;
    if (ev->kind == RILL_EV_SLOW) {
        if (!atomic_load(&news->slow)) atomic_store(&news->first, ev->first);
        atomic_fetch_add(&news->count, ev->count);
        atomic_store(&news->err, ev->err);
        ck_assert_ptr_nonnull(ev->sub);
        ck_assert_ptr_nonnull(strstr(ev->detail, "dropped"));
        atomic_fetch_add(&news->slow, 1);
    }
    if (ev->kind == RILL_EV_CLOSED) atomic_fetch_add(&news->closed, 1);
}

static rill_bus *open_with_events(slow_news *news)
{
    rill_bus *bus;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .on_event = on_event, .arg = news)));
    return bus;
}

static void send_numbered(rill_bus *bus, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        api_send(bus, "a", text);
    }
}

static void expect_numbered(rill_sub *sub, int from, int to)
{
    const rill_msg *m;
    for (int i = from; i <= to; i++) {
        OK(rill_next(sub, &m, 0));
        ck_assert_int_eq(atoi(m->data.ptr), i);
    }
    FAILS(rill_next(sub, &m, 0), RILL_EAGAIN);
}

START_TEST(drop_new_keeps_the_first)
{
    slow_news news = {0};
    rill_bus *bus = open_with_events(&news);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .pending_msgs = 4)));
    send_numbered(bus, 1, 10);
    EVENTUALLY(atomic_load(&news.count) == 6);
    ck_assert_uint_eq(atomic_load(&news.first), 5);
    ck_assert_int_eq(atomic_load(&news.err), 0);
    expect_numbered(sub, 1, 4);
    send_numbered(bus, 11, 12);
    expect_numbered(sub, 11, 12);
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.dropped_msgs, 6);
    ck_assert_uint_eq(info.delivered_msgs, 6);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&news.closed), 1);
}
END_TEST

START_TEST(drop_old_keeps_the_last)
{
    slow_news news = {0};
    rill_bus *bus = open_with_events(&news);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .pending_msgs = 4,
                                .when_full = RILL_FULL_DROP_OLD)));
    send_numbered(bus, 1, 10);
    EVENTUALLY(atomic_load(&news.count) == 6);
    ck_assert_uint_eq(atomic_load(&news.first), 1);
    expect_numbered(sub, 7, 10);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(bytes_are_bounded_too)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    char kilo[1024] = {0};
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .pending_bytes = 10000)));
    for (int i = 0; i < 20; i++) OK(rill_publish(bus, "a", kilo, sizeof kilo, NULL));
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.pending_msgs, 9);
    ck_assert_uint_le(info.pending_bytes, 10000);
    ck_assert_uint_eq(info.dropped_msgs, 11);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(disconnect_ends_the_subscription)
{
    slow_news news = {0};
    rill_bus *bus = open_with_events(&news);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .pending_msgs = 2,
                                .when_full = RILL_FULL_DISCONNECT)));
    send_numbered(bus, 1, 9);
    OK(rill_next(sub, &m, 0));
    OK(rill_next(sub, &m, 0));
    FAILS(rill_next(sub, &m, -1), RILL_ECLOSED);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "slow"));
    EVENTUALLY(atomic_load(&news.slow) == 1);
    ck_assert_int_eq(atomic_load(&news.err), RILL_ECLOSED);
    ck_assert_uint_eq(atomic_load(&news.first), 3);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(block_answers_eagain_and_nobody_has_it)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *blocking, *other;
    OK(rill_subscribe(bus, &other, "a", NULL));
    OK(rill_subscribe(bus, &blocking, "a",
                      RILL_OPTS(rill_sub_opts, .pending_msgs = 2, .when_full = RILL_FULL_BLOCK)));
    send_numbered(bus, 1, 2);
    FAILS(rill_publish(bus, "a", "3", 1, NULL), RILL_EAGAIN);
    expect_numbered(other, 1, 2);
    expect_numbered(blocking, 1, 2);
    send_numbered(bus, 3, 4);
    expect_numbered(blocking, 3, 4);
    rill_sub_close(blocking);
    send_numbered(bus, 5, 9); /* nobody blocks any more */
    rill_sub_close(other);
    OK(rill_close(bus, 20000));
}
END_TEST

static void *slow_reader(void *arg)
{
    rill_sub *sub = arg;
    const rill_msg *m;
    for (int i = 1; i <= 2000; i++) {
        OK(rill_next(sub, &m, -1));
        ck_assert_int_eq(atoi(m->data.ptr), i);
        if (i % 500 == 0) nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return NULL;
}

START_TEST(block_waits_for_room_and_loses_nothing)
{
    rill_bus *bus;
    rill_sub *sub;
    pthread_t reader;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .send_timeout_ms = 20000)));
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .pending_msgs = 7, .when_full = RILL_FULL_BLOCK)));
    pthread_create(&reader, NULL, slow_reader, sub);
    send_numbered(bus, 1, 2000);
    pthread_join(reader, NULL);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_group_falls_through_to_the_member_that_has_room)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *full, *roomy;
    OK(rill_subscribe(bus, &full, "a", RILL_OPTS(rill_sub_opts, .group = "g", .pending_msgs = 1)));
    OK(rill_subscribe(bus, &roomy, "a", RILL_OPTS(rill_sub_opts, .group = "g", .pending_msgs = 5)));
    send_numbered(bus, 1, 8);
    rill_sub_info a = {.size = sizeof a}, b = {.size = sizeof b};
    OK(rill_sub_status(full, &a));
    OK(rill_sub_status(roomy, &b));
    ck_assert_uint_eq(a.pending_msgs, 1);
    ck_assert_uint_eq(b.pending_msgs, 5);
    ck_assert_uint_eq(a.dropped_msgs + b.dropped_msgs, 2);
    rill_sub_close(full);
    rill_sub_close(roomy);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("slow", drop_new_keeps_the_first, drop_old_keeps_the_last, bytes_are_bounded_too,
           disconnect_ends_the_subscription, block_answers_eagain_and_nobody_has_it,
           block_waits_for_room_and_loses_nothing,
           a_group_falls_through_to_the_member_that_has_room)
