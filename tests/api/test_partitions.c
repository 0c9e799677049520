/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of several partitions: made, appended to by keys, read, and looked after, over each kind
 * of bus that has them. What both doors make of them is in test_kafka.c. */
#include "kinds.h"

enum { PARTITIONS = 3, KEYED = 60 };
#define TWO "a-little-bit-long-string" /* a key of partition 2 of 3 */

static rill_bus *begin_topic(int kind)
{
    rill_bus *bus = begin_kind(kind);
    const rill_stream_opts *opts = RILL_OPTS(rill_stream_opts, .partitions = PARTITIONS);
    ck_assert_int_eq(rill_stream_ensure(bus, "orders", opts), 1);
    ck_assert_int_eq(rill_stream_ensure(bus, "orders", opts), 0);
    return bus;
}

static rill_receipt put(rill_bus *bus, const char *key, const char *text)
{
    const rill_header header = {RILL_STR("Kafka-Key"), {key, key ? strlen(key) : 0}};
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, "orders", text, strlen(text),
                   RILL_OPTS(rill_post, .headers = &header, .nheaders = key ? 1 : 0), &receipt,
                   10000));
    return receipt;
}

/* So many keyed messages; counts what each partition got. */
static void put_keyed(rill_bus *bus, uint64_t got[PARTITIONS])
{
    for (int i = 0; i < KEYED; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        rill_receipt receipt = put(bus, key, key);
        ck_assert_uint_lt(receipt.partition, PARTITIONS);
        ck_assert_uint_eq(receipt.seq, ++got[receipt.partition]);
    }
}

static int count_names(const char *name, void *arg)
{
    ck_assert_str_eq(name, "orders");
    ++*(int *)arg;
    return 0;
}

static int count_any(const char *name, void *arg)
{
    ck_assert_int_eq(name[0], 'a');
    ++*(int *)arg;
    return 0;
}

static int see_desc(const rill_stream_desc *desc, void *arg)
{
    *(uint32_t *)arg = desc->opts->partitions;
    ck_assert_str_eq(desc->opts->subjects, "orders");
    ck_assert_uint_ge(desc->info->partitions, 1);
    return 0;
}

START_TEST(made_and_shown)
{
    rill_bus *bus = begin_topic(_i);
    rill_stream_info info = {.size = sizeof info};
    uint32_t partitions = 0;
    int names = 0;
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, PARTITIONS);
    OK(rill_stream_each(bus, count_names, &names));
    ck_assert_int_eq(names, 1);
    OK(rill_stream_describe(bus, "orders", see_desc, &partitions));
    ck_assert_uint_eq(partitions, PARTITIONS);
    FAILS(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 2)),
          RILL_EEXIST);
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 5)));
    bus = reopen_kind(bus, _i);
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .max_msgs = 100)));
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, 5); /* who names none takes none away */
    OK(rill_stream_delete(bus, "orders"));
    FAILS(rill_stream_status(bus, "orders", &info), RILL_ENOENT);
    FAILS(rill_stream_status(bus, "orders~4", &info), RILL_ENOENT);
    OK(rill_stream_ensure(bus, "orders", NULL));
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, 1);
    OK(rill_stream_describe(bus, "orders", see_desc, &partitions));
    ck_assert_uint_eq(partitions, 0);
    end_kind(bus);
}
END_TEST

/* The numbers are those of Kafka's Java clients. */
START_TEST(keys_pick)
{
    rill_bus *bus = begin_topic(_i);
    uint64_t got[PARTITIONS] = {0}, seen[PARTITIONS] = {0};
    ck_assert_uint_eq(put(bus, "foobar", "x").partition, (uint32_t)(-790332482 & INT32_MAX) % 3);
    ck_assert_uint_eq(put(bus, TWO, "x").partition,
                      (uint32_t)(-985981536 & INT32_MAX) % 3);
    ck_assert_uint_eq(put(bus, "21", "x").partition, (uint32_t)(-973932308 & INT32_MAX) % 3);
    ck_assert_uint_eq(put(bus, NULL, "x").partition, 0);
    OK(rill_stream_purge(bus, "orders", NULL, NULL));
    OK(rill_stream_delete(bus, "orders"));
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = PARTITIONS)));
    put_keyed(bus, got);
    ck_assert(got[0] && got[1] && got[2]);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_tail(bus, &sub, "orders", NULL));
    for (int i = 0; i < KEYED; i++) {
        OK(rill_next(sub, &m, 20000));
        TEXT_IS(m->stream, "orders");
        ck_assert_uint_lt(m->partition, PARTITIONS);
        ck_assert_uint_eq(m->seq, ++seen[m->partition]);
    }
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    uint32_t at = put(bus, "later", "later").partition;
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->partition, at);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(places)
{
    rill_bus *bus = begin_topic(_i);
    uint64_t got[PARTITIONS] = {0}, purged;
    rill_msg *m;
    rill_stream_info info = {.size = sizeof info};
    put_keyed(bus, got);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        OK(rill_stream_get(bus, "orders", RILL_OPTS(rill_at, .from = RILL_FROM_LAST,
                                                    .partition = p), &m));
        ck_assert_uint_eq(m->partition, p);
        ck_assert_uint_eq(m->seq, got[p]);
        TEXT_IS(m->stream, "orders");
        rill_msg_unref(m);
    }
    const rill_at *first = RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 2, .seq = 1);
    OK(rill_stream_get(bus, "orders", first, &m));
    rill_msg_unref(m);
    OK(rill_stream_erase(bus, "orders", first));
    FAILS(rill_stream_get(bus, "orders", first, &m), RILL_ENOENT);
    OK(rill_stream_get(bus, "orders", RILL_AT(1), &m));
    ck_assert_uint_eq(m->partition, 0);
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "orders", RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 3,
                                                   .seq = 1), &m), RILL_ENOENT);
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.msgs, KEYED - 1);
    FAILS(rill_stream_purge(bus, "orders", RILL_OPTS(rill_purge_opts, .keep_msgs = 1), NULL),
          RILL_ENOTSUP);
    OK(rill_stream_purge(bus, "orders", NULL, &purged));
    ck_assert_uint_eq(purged, KEYED - 1);
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.msgs, 0);
    end_kind(bus);
}
END_TEST

/* Two members have each message once, whichever of them; what is not settled comes again. */
START_TEST(a_group_shares)
{
    rill_bus *bus = begin_topic(_i);
    rill_sub *subs[2];
    const rill_msg *m;
    uint64_t got[PARTITIONS] = {0};
    bool seen[PARTITIONS][KEYED + 1] = {{false}};
    rill_group_info info = {.size = sizeof info};
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g");
    for (int i = 0; i < 2; i++) OK(rill_consume(bus, &subs[i], "orders", opts));
    put_keyed(bus, got);
    for (int i = 0; i < KEYED; i++) {
        OK(rill_next(subs[i % 2], &m, 20000));
        ck_assert(!seen[m->partition][m->seq]);
        seen[m->partition][m->seq] = true;
        OK(rill_ack(m));
        FAILS(rill_ack(m), RILL_ENOENT);
    }
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.lag_msgs, 0);
    ck_assert_uint_eq(info.unacked_msgs, 0);
    FAILS(rill_next(subs[0], &m, 20), RILL_ETIMEDOUT);
    OK(rill_seek(subs[0], RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 1, .seq = 2)));
    for (uint64_t i = 2; i <= got[1]; i++) {
        OK(rill_next(subs[0], &m, 20000));
        ck_assert_uint_eq(m->partition, 1);
        OK(rill_ack(m));
    }
    FAILS(rill_seek(subs[0], RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 7, .seq = 2)),
          RILL_EINVAL);
    FAILS(rill_seek(subs[0], RILL_OPTS(rill_at, .from = RILL_FROM_LAST)), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "3 partitions"));
    rill_sub_close(subs[1]);
    OK(rill_seek(subs[0], RILL_OPTS(rill_at, .from = RILL_FROM_FIRST)));
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.lag_msgs + info.unacked_msgs, KEYED);
    for (int i = 0; i < KEYED; i++) {
        OK(rill_next(subs[0], &m, 20000));
        OK(rill_ack(m));
    }
    rill_sub_close(subs[0]);
    OK(rill_group_delete(bus, "orders", "g"));
    FAILS(rill_group_status(bus, "orders", "g", &info), RILL_ENOENT);
    end_kind(bus);
}
END_TEST

/* All that was lent is settled by the next read, though it is of several partitions. */
START_TEST(settled_by_reading_on)
{
    rill_bus *bus = begin_topic(_i);
    rill_sub *sub;
    const rill_msg *msgs[KEYED];
    uint64_t got[PARTITIONS] = {0};
    rill_group_info info = {.size = sizeof info};
    put_keyed(bus, got);
    OK(rill_consume(bus, &sub, "orders",
                    RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_AUTO)));
    for (int n = 0; n < KEYED;) {
        int rc = rill_read(sub, msgs, KEYED, 10000);
        OK(rc);
        n += rc;
    }
    FAILS(rill_next(sub, msgs, 20), RILL_ETIMEDOUT);
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.lag_msgs + info.unacked_msgs, 0);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static void note_partition(int err, const rill_receipt *receipt, void *arg)
{
    ck_assert_int_eq(err, RILL_OK);
    atomic_store((atomic_int *)arg, (int)receipt->partition + 1);
}

START_TEST(every_way_to_append)
{
    rill_bus *bus = begin_topic(_i);
    rill_batch *batch;
    rill_receipt last = {.size = sizeof last};
    atomic_int partition = 0;
    const rill_header header = {RILL_STR("Kafka-Key"), RILL_STR(TWO)};
    const rill_post *post = RILL_OPTS(rill_post, .headers = &header, .nheaders = 1);
    uint32_t want = put(bus, TWO, "one").partition;
    ck_assert_uint_eq(want, 2);
    OK(rill_append_async(bus, "orders", "two", 3, post, note_partition, &partition));
    OK(rill_flush(bus, 20000));
    if (kind_drives(_i)) OK(rill_poll(bus, 0));
    EVENTUALLY(atomic_load(&partition));
    ck_assert_int_eq(partition, (int)want + 1);
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "orders", "three", 5, NULL));
    OK(rill_batch_add(batch, "orders", "four", 4, post));
    OK(rill_batch_commit(batch, &last, 20000));
    rill_batch_close(batch);
    ck_assert_uint_eq(last.partition, want);
    ck_assert_uint_eq(last.seq, 3);
    end_kind(bus);
}
END_TEST

START_TEST(cannot)
{
    rill_bus *bus = begin_topic(_i);
    rill_sub *sub;
    const rill_source from = {.size = sizeof from, .stream = "other"};
#define MAKE(...) rill_stream_ensure(bus, "more", RILL_OPTS(rill_stream_opts, __VA_ARGS__))
    FAILS(MAKE(.partitions = 2, .mirror = &from), RILL_EINVAL);
    FAILS(MAKE(.partitions = 2, .subjects = "more.>"), RILL_EINVAL);
    FAILS(MAKE(.partitions = 2, .subjects = "more less"), RILL_EINVAL);
    FAILS(MAKE(.partitions = 10001), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "10001"));
    FAILS(rill_tail(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .filter = "orders")),
          RILL_ENOTSUP);
    OK(rill_tail(bus, &sub, "orders", NULL));
    FAILS(rill_seek(sub, RILL_AT(1)), RILL_ENOTSUP);
    OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
    rill_sub_close(sub);
    OK(MAKE(.partitions = 257));
    FAILS(rill_tail(bus, &sub, "more", NULL), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "257"));
    end_kind(bus);
}
END_TEST

/* A stream that is called as if it were a partition is what it is. */
START_TEST(alone)
{
    rill_bus *bus = begin_kind(_i);
    rill_stream_info info = {.size = sizeof info};
    int names = 0;
    OK(rill_stream_ensure(bus, "a~1", RILL_OPTS(rill_stream_opts, .subjects = "b.c")));
    OK(rill_stream_ensure(bus, "a", RILL_OPTS(rill_stream_opts, .subjects = "a")));
    OK(rill_stream_status(bus, "a", &info));
    ck_assert_uint_eq(info.partitions, 1);
    OK(rill_stream_each(bus, count_any, &names));
    ck_assert_int_eq(names, 2);
    end_kind(bus);
}
END_TEST

static int see_left_out(const rill_stream_desc *desc, void *arg)
{
    const rill_stream_opts *opts = desc->opts;
    ck_assert_uint_eq(opts->partitions, *(uint32_t *)arg);
    ck_assert_str_eq(opts->subjects, "sales.orders");
    ck_assert_str_eq(opts->description, "all of them");
    ck_assert(opts->compact && opts->deny_erase);
    ck_assert_int_eq(opts->tombstone_ms, 5000);
    ck_assert_int_eq(opts->max_age_ms, 60000);
    ck_assert_uint_eq(opts->max_msg_bytes, 1000);
    ck_assert_uint_eq(opts->max_msgs, 77);
    return 0;
}

/* Who adds partitions, or changes one option, keeps what others have set. */
START_TEST(left_out_stays)
{
    rill_bus *bus = begin_kind(_i);
    uint32_t partitions = 5;
    OK(rill_stream_ensure(bus, "orders",
                          RILL_OPTS(rill_stream_opts, .partitions = 3, .subjects = "sales.orders",
                                    .description = "all of them", .compact = true,
                                    .tombstone_ms = 5000, .max_age_ms = 60000, .deny_erase = true,
                                    .max_msg_bytes = 1000)));
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = partitions)));
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .max_msgs = 77)));
    OK(rill_stream_describe(bus, "orders", see_left_out, &partitions));
    end_kind(bus);
}
END_TEST

static int count_all(const char *name, void *arg)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

static int streams_of(rill_bus *bus)
{
    int n = 0;
    OK(rill_stream_each(bus, count_all, &n));
    return n;
}

/* A partition that cannot be made leaves none of the others. */
START_TEST(all_or_none)
{
    rill_bus *bus = begin_kind(_i);
    rill_stream_info info = {.size = sizeof info};
    char name[256];
    const rill_stream_opts *five = RILL_OPTS(rill_stream_opts, .partitions = 5),
                           *eight = RILL_OPTS(rill_stream_opts, .partitions = 8);
    OK(rill_stream_ensure(bus, "a", RILL_OPTS(rill_stream_opts, .subjects = "orders.~2")));
    FAILS(rill_stream_ensure(bus, "orders", five), RILL_EEXIST);
    ck_assert_int_eq(streams_of(bus), 1);
    OK(rill_stream_delete(bus, "a"));
    ck_assert_int_eq(rill_stream_ensure(bus, "orders", five), 1);
    OK(rill_stream_ensure(bus, "a", RILL_OPTS(rill_stream_opts, .subjects = "orders.~6")));
    FAILS(rill_stream_ensure(bus, "orders", eight), RILL_EEXIST);
    FAILS(rill_stream_status(bus, "orders~7", &info), RILL_ENOENT);
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, 5);
    memset(name, 'x', 255);
    name[255] = 0;
    FAILS(rill_stream_ensure(bus, name, five), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "more than 255 bytes"));
    ck_assert_int_eq(streams_of(bus), 2);
    end_kind(bus);
}
END_TEST

/* What is in partitions that were added is a group's from the first message on, although the group
 * began behind the last one, and nobody has joined since. */
START_TEST(a_group_grows)
{
    rill_bus *bus = begin_topic(_i);
    rill_sub *sub;
    const rill_msg *m;
    bool added = false;
    rill_group_info info = {.size = sizeof info};
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .from = RILL_FROM_NEW,
                                          .max_deliveries = 5);
    put(bus, "foobar", "before the group");
    ck_assert_int_eq(rill_group_ensure(bus, "orders", "g", opts), 1);
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 5)));
    for (int i = 0; i < KEYED; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        added = put(bus, key, key).partition >= PARTITIONS || added;
    }
    ck_assert(added);
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.lag_msgs, KEYED);
    ck_assert_int_gt(info.lag_ns, 0);
    for (int i = 0; i < 2; i++) { /* made in the new ones, then found there */
        OK(rill_consume(bus, &sub, "orders", opts));
        for (int k = 0; k < KEYED / 2; k++) {
            OK(rill_next(sub, &m, 20000));
            OK(rill_ack(m));
        }
        rill_sub_close(sub);
    }
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.lag_msgs + info.unacked_msgs, 0);
    ck_assert_int_eq(rill_group_ensure(bus, "orders", "g", opts), 0);
    OK(rill_group_delete(bus, "orders~4", "g")); /* as a deletion that was cut short */
    OK(rill_group_delete(bus, "orders", "g"));
    FAILS(rill_group_status(bus, "orders", "g", &info), RILL_ENOENT);
    for (int i = 1; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "orders~%d", i);
        FAILS(rill_group_status(bus, name, "g", &info), RILL_ENOENT);
    }
    end_kind(bus);
}
END_TEST

typedef struct closing {
    rill_broker *broker;
    atomic_bool now;
} closing;

static void *close_meanwhile(void *arg)
{
    closing *c = arg;
    EVENTUALLY(atomic_load(&c->now));
    OK(rill_broker_close(c->broker, 20000));
    return NULL;
}

static int ask_all(rill_bus *bus, int what)
{
    rill_sub *sub;
    if (what == 0) return rill_stream_purge(bus, "orders", NULL, NULL);
    if (what == 1) return rill_group_ensure(bus, "orders", "g", NULL);
    if (what == 2) return rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts,
                                                                       .max_age_ms = 60000));
    int rc = rill_tail(bus, &sub, "orders", NULL);
    if (rc >= 0) rill_sub_close(sub);
    return rc;
}

/* The broker is closed while one of the partitions is waited for: the others are not asked. */
START_TEST(closed_meanwhile)
{
    pthread_t thread;
    rill_bus *bus;
    closing c = {.now = false};
    int rc = RILL_OK;
    make_dir();
    OK(rill_broker_open(&c.broker, RILL_OPTS(rill_broker_opts, .dir = dir, .jetstream = true)));
    OK(rill_broker_bus(c.broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 16)));
    pthread_create(&thread, NULL, close_meanwhile, &c);
    while (rc >= 0) {
        rc = ask_all(bus, _i);
        atomic_store(&c.now, true);
    }
    ck_assert_int_eq(rc, RILL_ECLOSED);
    pthread_join(thread, NULL);
    OK(rill_close(bus, 20000));
    scratch_remove(dir);
}
END_TEST

START_TEST(not_of_a_nats_server)
{
    rill_bus *bus = begin_kind(KIND_NATS);
    rill_stream_info info = {.size = sizeof info};
    FAILS(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 2)),
          RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "partitions is 2"));
    OK(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts, .partitions = 1)));
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, 1);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("partitions", SUITE_ONCE(not_of_a_nats_server),
                SUITE_EACH(4, closed_meanwhile),
                LOCAL_KINDS("a stream of a NATS server has one partition", made_and_shown,
                            keys_pick, places, a_group_shares, settled_by_reading_on,
                            every_way_to_append, cannot, alone, left_out_stays,
                            all_or_none, a_group_grows))
