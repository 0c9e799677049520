/* SPDX-License-Identifier: Apache-2.0 */
/* A reader's place in a stream: sought, told as a lag, held up; acks that come by themselves. */
#include "kinds.h"

static rill_bus *open_numbers(int kind, int n)
{
    rill_bus *bus = begin_kind(kind);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*")));
    for (int i = 1; i <= n; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        append(bus, i % 2 ? "s.odd" : "s.even", text);
    }
    return bus;
}

static void close_numbers(rill_bus *bus)
{
    end_kind(bus);
}

static const rill_msg *next_is(rill_sub *sub, uint64_t seq)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, seq);
    return m;
}

START_TEST(a_reader_goes_back_and_ahead)
{
    rill_bus *bus = open_numbers(_i, 1200); /* more than a reader asks for at once */
    rill_sub *sub;
    rill_msg *middle;
    OK(rill_stream_get(bus, "S", RILL_AT(600), &middle));
    for (int tail = 0; tail < 2; tail++) {
        OK(tail ? rill_tail(bus, &sub, "S", NULL) : rill_consume(bus, &sub, "S", NULL));
        for (uint64_t seq = 1; seq <= 300; seq++) next_is(sub, seq);
        OK(rill_seek(sub, RILL_AT(2)));
        for (uint64_t seq = 2; seq <= 700; seq++) {
            const rill_msg *m = next_is(sub, seq);
            ck_assert_uint_eq(m->deliveries, 1);
            if (!tail) OK(rill_ack(m));
        }
        OK(rill_seek(sub, RILL_AT(1199)));
        next_is(sub, 1199);
        OK(rill_seek(sub, RILL_AT_TIME(middle->time_ns)));
        const rill_msg *m;
        OK(rill_next(sub, &m, 20000));
        ck_assert_int_ge(m->time_ns, middle->time_ns);
        ck_assert_uint_le(m->seq, 600);
        OK(rill_seek(sub, RILL_AT(5000))); /* beyond the end: what comes there, or later */
        FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
        OK(rill_seek(sub, RILL_AT_TIME(INT64_MAX)));
        FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
        uint64_t seq = append(bus, "s.odd", "new");
        next_is(sub, seq);
        OK(rill_stream_erase(bus, "S", RILL_AT(seq)));
        FAILS(rill_seek(sub, RILL_AT(0)), RILL_EINVAL);
        OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_LAST)));
        next_is(sub, 1200);
        OK(rill_seek(sub, NULL));
        next_is(sub, 1);
        OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
        FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
        rill_sub_close(sub);
    }
    rill_msg_unref(middle);
    OK(rill_subscribe(bus, &sub, "s.*", NULL));
    FAILS(rill_seek(sub, RILL_AT(1)), RILL_EINVAL);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

/* The next one, which is settled. One that came too late to be settled in its ack_wait is there
 * again. */
static void settle_next(rill_sub *sub, uint64_t seq)
{
    const rill_msg *m;
    do {
        OK(rill_next(sub, &m, 20000));
        OK(rill_ack(m));
    } while (m->seq < seq && m->deliveries > 1);
    ck_assert_uint_eq(m->seq, seq);
}

START_TEST(a_group_keeps_the_place_that_was_sought)
{
    rill_bus *bus = open_numbers(_i, 20);
    rill_sub *sub;
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .filter = "s.even",
                                          .ack_wait_ms = 300);
    OK(rill_consume(bus, &sub, "S", opts));
    for (uint64_t seq = 2; seq <= 20; seq += 2) settle_next(sub, seq);
    OK(rill_seek(sub, RILL_AT(7)));
    rill_sub_close(sub); /* what had come meanwhile comes again after its ack_wait */
    bus = reopen_kind(bus, _i);
    OK(rill_consume(bus, &sub, "S", opts));
    for (uint64_t seq = 8; seq <= 20; seq += 2) settle_next(sub, seq);
    OK(rill_group_delete(bus, "S", "g"));
    FAILS(rill_seek(sub, RILL_AT(1)), RILL_ECLOSED);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

static void no_place(rill_sub *sub, const rill_at *at, int rc, const char *word)
{
    FAILS(rill_seek(sub, at), rc);
    ck_assert_msg(strstr(rill_errmsg(), word), "%s is not in: %s", word, rill_errmsg());
}

START_TEST(places_are_checked)
{
    rill_bus *bus = open_numbers(_i, 3);
    rill_sub *sub;
    rill_msg *m;
    OK(rill_consume(bus, &sub, "S", NULL));
    no_place(sub, RILL_OPTS(rill_at, .from = RILL_FROM_LAST_PER_SUBJECT), RILL_EINVAL, "from");
    no_place(sub, RILL_OPTS(rill_at, .from = -1), RILL_EINVAL, "from");
    no_place(sub, RILL_OPTS(rill_at, .from = 40), RILL_EINVAL, "from");
    no_place(sub, RILL_OPTS(rill_at, .seq = 2), RILL_EINVAL, "RILL_FROM_SEQ");
    no_place(sub, RILL_OPTS(rill_at, .time_ns = 2), RILL_EINVAL, "RILL_FROM_TIME");
    bool far = _i >= KIND_NATS || api_far_url();
    no_place(sub, RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 1, .seq = 1),
             far ? RILL_ENOTSUP : RILL_EINVAL, "partition");
    no_place(sub, RILL_OPTS(rill_at, .filter = "s.odd"), RILL_EINVAL, "filter");
    FAILS(rill_stream_get(bus, "S", RILL_OPTS(rill_at, .from = RILL_FROM_NEW), &m), RILL_EINVAL);
    FAILS(rill_stream_get(bus, "S", RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .seq = 1,
                                              .filter = "s.odd"), &m), RILL_EINVAL);
    FAILS(rill_stream_erase(bus, "S", NULL), RILL_EINVAL);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

static void get_is(rill_bus *bus, const rill_at *at, uint64_t seq)
{
    rill_msg *m;
    int rc = rill_stream_get(bus, "S", at, &m);
    FAILS(rc, seq ? RILL_OK : RILL_ENOENT);
    if (seq) ck_assert_uint_eq(m->seq, seq);
    rill_msg_unref(m);
}

START_TEST(one_message_is_had_by_its_place)
{
    rill_bus *bus = open_numbers(_i, 9);
    rill_msg *fifth;
    OK(rill_stream_get(bus, "S", RILL_AT(5), &fifth));
    get_is(bus, NULL, 1);
    get_is(bus, RILL_OPTS(rill_at, .filter = "s.even"), 2);
    get_is(bus, RILL_OPTS(rill_at, .filter = "none"), 0);
    get_is(bus, RILL_OPTS(rill_at, .from = RILL_FROM_LAST), 9);
    get_is(bus, RILL_AT_LAST("s.even"), 8);
    get_is(bus, RILL_AT_LAST("*.even"), 8);
    get_is(bus, RILL_AT(10), 0);
    rill_msg *m;
    OK(rill_stream_get(bus, "S", RILL_AT_TIME(fifth->time_ns), &m));
    ck_assert_uint_le(m->seq, 5);
    ck_assert_int_ge(m->time_ns, fifth->time_ns);
    rill_msg_unref(m);
    OK(rill_stream_get(bus, "S", RILL_OPTS(rill_at, .from = RILL_FROM_TIME, .filter = "s.even",
                                           .time_ns = fifth->time_ns), &m));
    ck_assert_uint_eq(m->seq % 2, 0);
    ck_assert_uint_le(m->seq, 6);
    rill_msg_unref(m);
    get_is(bus, RILL_AT_TIME(INT64_MAX), 0);
    rill_msg_unref(fifth);
    close_numbers(bus);
}
END_TEST

START_TEST(a_purge_leaves_what_it_is_told_to)
{
    rill_bus *bus = open_numbers(_i, 9);
    uint64_t purged;
    const rill_purge_opts *both = RILL_OPTS(rill_purge_opts, .before_seq = 2, .keep_msgs = 1);
    FAILS(rill_stream_purge(bus, "S", both, &purged), RILL_EINVAL);
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .before_seq = 3), &purged));
    ck_assert_uint_eq(purged, 2);
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "s.odd", .keep_msgs = 1),
                         &purged));
    ck_assert_uint_eq(purged, 3); /* 3, 5 and 7 */
    get_is(bus, NULL, 4);
    get_is(bus, RILL_AT_LAST("s.odd"), 9);
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .keep_msgs = 2), &purged));
    ck_assert_uint_eq(purged, 2);
    get_is(bus, NULL, 8);
    close_numbers(bus);
}
END_TEST

/* Without being a member, and whoever is one goes on from there. */
START_TEST(a_group_is_sent_elsewhere)
{
    rill_bus *bus = open_numbers(_i, 20);
    rill_sub *sub;
    const rill_msg *m;
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g");
    OK(rill_group_ensure(bus, "S", "g", NULL));
    OK(rill_group_seek(bus, "S", "g", RILL_AT(15)));
    OK(rill_consume(bus, &sub, "S", opts));
    OK(rill_ack(next_is(sub, 15)));
    m = next_is(sub, 16);
    OK(rill_group_seek(bus, "S", "g", RILL_AT(3)));
    FAILS(rill_ack(m), RILL_ENOENT);
    OK(rill_ack(next_is(sub, 3)));
    rill_sub_close(sub);
    OK(rill_group_seek(bus, "S", "g", RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
    bus = reopen_kind(bus, _i);
    OK(rill_consume(bus, &sub, "S", opts));
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    next_is(sub, append(bus, "s.odd", "new"));
    rill_sub_close(sub);
    FAILS(rill_group_seek(bus, "S", "none", RILL_AT(1)), RILL_ENOENT);
    FAILS(rill_group_seek(bus, "NONE", "g", RILL_AT(1)), RILL_ENOENT);
    FAILS(rill_group_seek(bus, "S", "g", RILL_AT(0)), RILL_EINVAL);
    close_numbers(bus);
}
END_TEST

START_TEST(acks_come_by_themselves)
{
    rill_bus *bus = open_numbers(_i, 10);
    rill_sub *sub;
    const rill_msg *m, *some[4];
    rill_sub_info info = {.size = sizeof info};
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_AUTO);
    OK(rill_consume(bus, &sub, "S", opts));
    next_is(sub, 1);
    next_is(sub, 2);
    OK(rill_nak(next_is(sub, 3), 60000)); /* settled by hand: left as it is */
    for (uint64_t seq = 4; seq < 8;) { /* a read waits for the first only */
        int n = rill_read(sub, some, (size_t)(8 - seq), 10000);
        OK(n);
        ck_assert_uint_eq(some[0]->seq, seq);
        if (seq == 4) OK(rill_term(some[0]));
        seq += (uint64_t)n;
    }
    next_is(sub, 8);
    /* 3 waits, 8 is being worked on; what was fetched ahead is nobody's yet */
    TELLS(rill_sub_status(sub, &info), info.unacked_msgs == 2 && info.lag_msgs == 2);
    rill_sub_close(sub); /* in the middle of 8 */
    bus = reopen_kind(bus, _i);
    OK(rill_group_delete(bus, "S", "g"));
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "h", .ack = RILL_ACK_AUTO,
                                               .max_unacked = 1)));
    for (uint64_t seq = 1; seq <= 10; seq++) next_is(sub, seq); /* each makes way for the next */
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    TELLS(rill_sub_status(sub, &info), info.unacked_msgs == 0);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

static uint64_t unacked(rill_sub *sub)
{
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(sub, &info));
    return info.unacked_msgs;
}

static void count_one(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    if (m->seq == 4 && m->deliveries == 1) OK(rill_nak(m, 0));
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(acks_come_when_callbacks_return)
{
    rill_bus *bus = open_numbers(1, 10);
    rill_sub *sub;
    atomic_int n = 0;
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_AUTO,
                                               .max_unacked = 2, .on_msg = count_one, .arg = &n)));
    EVENTUALLY(atomic_load(&n) == 11);
    EVENTUALLY(unacked(sub) == 0);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

START_TEST(a_lag_is_told_in_messages_bytes_and_time)
{
    rill_bus *bus = open_numbers(_i, 10);
    rill_sub *sub;
    rill_sub_info info = {.size = sizeof info};
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g", .max_unacked = 2,
                                               .filter = "s.even")));
    next_is(sub, 2);
    nanosleep(&(struct timespec){0, 3000000}, NULL);
    TELLS(rill_sub_status(sub, &info),
          info.unacked_msgs == 1 && info.lag_msgs == 4); /* 4, 6, 8 and 10 */
    ck_assert_uint_eq(info.lag_bytes, 4 * (kind_overhead(_i) + 6) + 1 + 1 + 1 + 2);
    ck_assert_int_ge(info.lag_ns, 3000000);
    OK(rill_seek(sub, RILL_AT(11)));
    TELLS(rill_sub_status(sub, &info), info.lag_msgs + info.lag_bytes + info.unacked_msgs == 0);
    ck_assert_int_eq(info.lag_ns, 0);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

START_TEST(a_group_can_be_held_up)
{
    rill_bus *bus = open_numbers(_i, 3);
    rill_sub *sub;
    const rill_msg *m;
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .max_unacked = 1);
    OK(rill_consume(bus, &sub, "S", opts));
    m = next_is(sub, 1);
    OK(rill_group_pause(bus, "S", "g", m->time_ns + INT64_C(3600000000000)));
    OK(rill_ack(m));
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    rill_sub_close(sub);
    bus = reopen_kind(bus, _i);
    OK(rill_consume(bus, &sub, "S", opts));
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    OK(rill_group_pause(bus, "S", "g", 0));
    OK(rill_ack(next_is(sub, 2)));
    next_is(sub, 3);
    FAILS(rill_group_pause(bus, "S", "h", 0), RILL_ENOENT);
    rill_sub_close(sub);
    close_numbers(bus);
}
END_TEST

SUITE_MAIN_ROWS("place",
    SUITE_ONCE(acks_come_when_callbacks_return),
    LOCAL_KINDS("lag_bytes is an average there", a_lag_is_told_in_messages_bytes_and_time),
    LOCAL_KINDS("an ack is sent there, and nobody says that it came too late",
                a_group_is_sent_elsewhere),
    EACH_KIND(a_reader_goes_back_and_ahead, a_group_keeps_the_place_that_was_sought,
              acks_come_by_themselves, a_group_can_be_held_up, places_are_checked,
              one_message_is_had_by_its_place, a_purge_leaves_what_it_is_told_to))
