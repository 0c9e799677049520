/* SPDX-License-Identifier: Apache-2.0 */
/* Members of groups of a Kafka cluster: what is settled, where a group goes on, and who leaves it.
 * The cluster for tests keeps the first members of a group waiting for 3 s, and so it does when one
 * has left. So all groups join at once, each with a topic of its own, are looked at one after the
 * other, and, those that are to be joined again, join at once again. */
#include "kafka_mock.h"

/* That cluster gives partitions to the next member when a session could have ended, 1 s less. */
#define SOON "session.timeout.ms=4000"

enum { QUEUED = 200 };

static void append_to(rill_bus *bus, const char *topic, int n)
{
    rd_kafka_mock_topic_create(cluster, topic, 1, 1);
    append_numbers(bus, topic, n);
}

static uint64_t settled(rill_bus *bus, const char *topic)
{
    rill_group_info info = {.size = sizeof info};
    OK(rill_group_status(bus, topic, topic, &info));
    return info.settled_seq;
}

static rill_sub *member(rill_bus *bus, const char *topic, rill_sub_opts opts)
{
    rill_sub *sub = NULL;
    opts.size = sizeof opts;
    opts.group = topic; /* of a group of its own */
    OK(rill_consume(bus, &sub, topic, &opts));
    return sub;
}

static void numbers_are(rill_sub *sub, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) ck_assert_uint_eq(next(sub)->seq, i);
}

/* ---- One group each ---- */

/* Kafka sends a group whose position is beyond the end to the beginning: no such position is
 * stored. */
static void go_beyond_the_end(rill_bus *bus, rill_sub *sub)
{
    nothing_comes(sub);
    append(bus, "beyond", "new");
    next_is(sub, "new");
}

static void settle_in_any_order(rill_bus *bus, rill_sub *sub)
{
    rill_group_info info = {.size = sizeof info};
    rill_msg *held[3];
    for (uint64_t i = 0; i < 3; i++) {
        held[i] = rill_msg_ref(next(sub));
        ck_assert_uint_eq(held[i]->seq, i + 1);
    }
    nothing_comes(sub); /* three are not settled */
    FAILS(rill_nak(held[0], 0), RILL_ENOTSUP);
    FAILS(rill_term(held[0]), RILL_ENOTSUP);
    OK(rill_working(held[0]));
    OK(rill_ack(held[1])); /* the place moves when the first is settled, too */
    OK(rill_flush(bus, 60000));
    OK(rill_group_status(bus, "acks", "acks", &info));
    ck_assert_uint_eq(info.settled_seq, 0);
    ck_assert_uint_eq(info.unacked_msgs, 2);
    OK(rill_ack(held[0]));
    FAILS(rill_ack(held[0]), RILL_ENOENT);
    OK(rill_flush(bus, 60000));
    ck_assert_uint_eq(settled(bus, "acks"), 2);
    ck_assert_uint_eq(next(sub)->seq, 4);
    for (int i = 0; i < 3; i++) rill_msg_unref(held[i]);
}

/* Commits that a broker refuses are made again, a flush waits for that, and the program hears of it
 * once. */
static void commit_again(int i, rill_bus *bus, rill_sub *sub)
{
    for (int n = 0; n < 2; n++) OK(rill_ack(next(sub)));
    OK(rill_flush(bus, 60000));
    rd_kafka_mock_push_request_errors(cluster, MOCK_OFFSET_COMMIT, 3,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    OK(rill_ack(next(sub)));
    OK(rill_flush(bus, 60000));
    ck_assert_uint_eq(settled(bus, "refused"), 3);
    DRIVEN(bus, i, errors >= 1);
    ck_assert_int_eq(errors, 1);
    ck_assert_int_eq(last_error, RILL_EAUTH);
}

/* A partition that begins anew is read from its beginning, and its positions are its own. */
static void begin_anew(rill_bus *bus, rill_sub *sub)
{
    rill_msg *old = NULL;
    for (int n = 1; n <= 5; n++) {
        const rill_msg *m = next(sub);
        if (n < 5) OK(rill_ack(m));
        else old = rill_msg_ref(m);
    }
    OK(rill_flush(bus, 60000));
    mock_restart_partition();
    numbers_are(sub, 1, 5);
    FAILS(rill_ack(old), RILL_ENOENT); /* that one was of the partition from before */
    rill_msg_unref(old);
    OK(rill_flush(bus, 60000));
    ck_assert_uint_eq(settled(bus, "anew"), 0);
}

/* Without acks a message is settled when the program has it, and not when it waits in the queue. */
static void take_some(rill_bus *bus, rill_sub *sub)
{
    numbers_are(sub, 1, 3);
    OK(rill_flush(bus, 60000));
    ck_assert_uint_eq(settled(bus, "no_acks"), 3);
    numbers_are(sub, 4, 5);
    OK(rill_flush(bus, 60000)); /* else who comes next may get them again */
}

static void take_the_rest(rill_bus *bus, rill_sub *sub)
{
    numbers_are(sub, 6, QUEUED);
    OK(rill_flush(bus, 60000));
    ck_assert_uint_eq(settled(bus, "no_acks"), QUEUED);
}

/* ---- All of them ---- */

START_TEST(groups)
{
    begin();
    rill_bus *bus = join(_i, SOON), *other = join(_i, SOON);
    append_to(bus, "beyond", 5);
    append_to(bus, "acks", 6);
    append_to(bus, "refused", 3);
    append_to(bus, "anew", 5);
    append_to(bus, "no_acks", QUEUED);
    append_to(bus, "kept", 2);
    rill_sub *beyond = member(bus, "beyond", (rill_sub_opts){.from = RILL_FROM_SEQ,
                                                             .from_seq = 100});
    rill_sub *acks = member(bus, "acks", (rill_sub_opts){.max_unacked = 3});
    rill_sub *refused = member(bus, "refused", (rill_sub_opts){0});
    rill_sub *anew = member(bus, "anew", (rill_sub_opts){0});
    rill_sub *no_acks = member(bus, "no_acks", (rill_sub_opts){.ack = RILL_ACK_NONE});
    rill_sub *kept = member(other, "kept", (rill_sub_opts){0});
    rill_msg *m = rill_msg_ref(next(kept));
    OK(rill_ack(m));
    int threads = rd_kafka_thread_cnt();
    OK(rill_close(other, 60000));
    /* Its member ends, though a message and a reader are kept: else others of the group would wait
     * for the end of its session. */
    EVENTUALLY(rd_kafka_thread_cnt() < threads);
    take_some(bus, no_acks);
    rill_sub_close(no_acks);
    no_acks = member(bus, "no_acks", (rill_sub_opts){.ack = RILL_ACK_NONE});
    rill_sub *next_kept = member(bus, "kept", (rill_sub_opts){0});
    go_beyond_the_end(bus, beyond);
    settle_in_any_order(bus, acks);
    commit_again(_i, bus, refused);
    take_the_rest(bus, no_acks);
    next_is(next_kept, "2");
    TEXT_IS(m->data, "1");
    FAILS(rill_ack(m), RILL_ECLOSED);
    rill_msg_unref(m);
    rill_sub *const all[] = {beyond, acks, refused, no_acks, next_kept, kept};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rill_sub_close(all[i]);
    begin_anew(bus, anew); /* any reader may hear that its partition has begun anew */
    rill_sub_close(anew);
    end(bus);
}
END_TEST

SUITE_MAIN_ROWS("kafka_groups", SUITE_EACH(2, groups))
