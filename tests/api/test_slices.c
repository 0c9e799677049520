/* SPDX-License-Identifier: Apache-2.0 */
/* What a program asks of very many subjects, messages or groups is done in turns, with whatever
 * else there is to do in between: no turn is long, in units. */
#include "api.h"

enum { MANY = 30000, GROUPS = 300, UNITS = 15000 };

static int count_name(const char *name, void *arg)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

static int count_msg(const rill_msg *m, void *arg)
{
    (void)m;
    ++*(int *)arg;
    return 0;
}

static void one_more(int rc, const rill_receipt *receipt, void *arg)
{
    (void)arg, (void)receipt;
    ck_assert_int_ge(rc, 0);
}

static void fill(rill_bus *bus, const char *prefix)
{
    for (int i = 0; i < MANY; i++) {
        char subject[64];
        snprintf(subject, sizeof subject, "%s%d", prefix, i);
        OK(rill_append_async(bus, subject, "x", 1, NULL, one_more, NULL));
    }
    OK(rill_flush(bus, -1));
}

static rill_broker *broker;

static rill_bus *open_bus(void)
{
    rill_bus *bus = NULL;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    return bus;
}

static void close_bus(rill_bus *bus)
{
    OK(rill_close(bus, -1));
    OK(rill_broker_close(broker, -1));
}

static rill_stats stats_now(void)
{
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    return stats;
}

START_TEST(test_streams)
{
    rill_bus *bus = open_bus();
    rill_msg *m = NULL;
    int n = 0;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    fill(bus, "s.");
    for (int i = 0; i < GROUPS; i++) {
        char group[32];
        snprintf(group, sizeof group, "g%03d", i);
        OK(rill_group_ensure(bus, "S", group, RILL_OPTS(rill_sub_opts, .filter = "s.29999")));
    }
    OK(rill_group_each(bus, "S", count_name, &n));
    ck_assert_int_eq(n, GROUPS);
    rill_group_info info = {.size = sizeof info};
    OK(rill_group_status(bus, "S", "g000", &info));
    ck_assert_uint_eq(info.lag_msgs, 1);
    ck_assert_uint_gt(info.lag_bytes, 0);
    uint64_t before = stats_now().turns;
    FAILS(rill_stream_get(bus, "S", RILL_AT_LAST("*.*.none"), &m), RILL_ENOENT);
    OK(rill_stream_get(bus, "S", RILL_AT_LAST("*.17"), &m));
    ck_assert_uint_eq(m->seq, 18);
    rill_msg_unref(m);
    uint64_t purged = 0;
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "*.17"), &purged));
    ck_assert_uint_eq(purged, 1);
    OK(rill_stream_purge(bus, "S", NULL, &purged));
    ck_assert_uint_eq(purged, MANY - 1);
    ck_assert_uint_ge(stats_now().turns - before, 6);
    ck_assert_uint_le(stats_now().turn_units_max, UNITS);
    close_bus(bus);
}
END_TEST

/* Whoever makes a stream, or changes one, lets others in while its filters are compared. */
START_TEST(test_many_streams)
{
    enum { STREAMS = 150, SUBJECTS = 256, LEN = 16 };
    static char subjects[SUBJECTS * LEN];
    rill_bus *bus = open_bus();
    char name[16];
    for (int i = 0; i < STREAMS; i++) {
        size_t at = 0;
        for (int k = 0; k < SUBJECTS; k++)
            at += (size_t)snprintf(subjects + at, LEN, "s%d.%d ", i, k);
        snprintf(name, sizeof name, "S%d", i);
        OK(rill_stream_ensure(bus, name, RILL_OPTS(rill_stream_opts, .subjects = subjects)));
    }
    rill_stats before = stats_now();
    OK(rill_stream_ensure(bus, "T", RILL_OPTS(rill_stream_opts, .subjects =
                                              "t.0 t.1 t.2 t.3 t.4 t.5 t.6 t.7.*")));
    OK(rill_stream_ensure(bus, "T", RILL_OPTS(rill_stream_opts, .subjects =
                                              "t.0 t.1 t.2 t.3 t.4 t.5 t.6 t.8.*")));
    FAILS(rill_stream_ensure(bus, "U", RILL_OPTS(rill_stream_opts, .subjects = "u.* s149.255")),
          RILL_EEXIST);
    rill_stats after = stats_now();
    ck_assert_uint_ge(after.turns_cut - before.turns_cut, 4);
    ck_assert_uint_le(after.turn_units_max, UNITS);
    close_bus(bus);
}
END_TEST

START_TEST(test_keys)
{
    rill_bus *bus = open_bus();
    rill_kv *kv;
    int n = 0;
    OK(rill_kv_open(bus, &kv, "b", RILL_OPTS(rill_bucket_opts, .history = 3)));
    OK(rill_kv_put(kv, "key", "1", 1, NULL, NULL));
    fill(bus, "$KV.b.k");
    OK(rill_kv_put(kv, "key", "2", 1, NULL, NULL));
    uint64_t before = stats_now().turns;
    OK(rill_kv_each(kv, NULL, count_name, &n));
    ck_assert_int_eq(n, MANY + 1);
    ck_assert_uint_ge(stats_now().turns - before, 3);
    OK(rill_kv_history(kv, "key", count_msg, &n));
    ck_assert_int_eq(n, MANY + 3);
    FAILS(rill_kv_history(kv, "no", count_msg, &n), RILL_ENOENT);
    ck_assert_uint_le(stats_now().turn_units_max, UNITS);
    rill_kv_close(kv);
    close_bus(bus);
}
END_TEST

/* The last ack of a reader that acks up to a message settles all. */
START_TEST(test_acks)
{
    rill_bus *bus = open_bus();
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    fill(bus, "s.");
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_UPTO,
                                              .max_unacked = MANY)));
    for (int i = 0; i < MANY; i++) OK(rill_next(sub, &m, 20000));
    OK(rill_ack(m));
    rill_group_info info = {.size = sizeof info};
    OK(rill_group_status(bus, "S", "g", &info));
    ck_assert_uint_eq(info.unacked_msgs, 0);
    ck_assert_uint_eq(info.settled_seq, MANY);
    ck_assert_uint_le(stats_now().turn_units_max, UNITS);
    OK(rill_seek(sub, RILL_AT(1)));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 1);
    rill_sub_close(sub);
    close_bus(bus);
}
END_TEST

SUITE_MAIN("slices", test_streams, test_many_streams, test_keys, test_acks)
