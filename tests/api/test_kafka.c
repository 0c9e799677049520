/* SPDX-License-Identifier: Apache-2.0 */
/* Handles whose peer is a Kafka cluster: here the one that librdkafka has for tests, three brokers
 * in this process. What that one cannot do (topics made and purged, groups that change) is tested
 * with a real one by tests/peers/kafka.sh. Looped, _i is the drive: 0 a thread, 1 the caller. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include "api.h"

enum { MANY = 20000 };

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static char url[256];
static atomic_int ups, downs, errors;

static void begin(void)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", why, sizeof why);
    owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    ck_assert_msg(owner, "%s", why);
    cluster = rd_kafka_mock_cluster_new(owner, 3);
    ck_assert_ptr_nonnull(cluster);
    rd_kafka_mock_topic_create(cluster, "orders", 1, 1);
    rd_kafka_mock_topic_create(cluster, "wide", 3, 1);
    snprintf(url, sizeof url, "kafka://%s", rd_kafka_mock_cluster_bootstraps(cluster));
}

static void end(rill_bus *bus)
{
    OK(rill_close(bus, 10000));
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
}

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    if (ev->kind == RILL_EV_UP) ups++;
    if (ev->kind == RILL_EV_DOWN) downs++;
    if (ev->kind == RILL_EV_ERROR) errors++;
    ck_assert_ptr_nonnull(ev->detail);
}

static rill_bus *join(int i, const char *config)
{
    rill_bus *bus = NULL;
    OK(rill_open(&bus, url,
                 RILL_OPTS(rill_opts, .drive = i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
                           .on_event = on_event, .kafka_config = config)));
    return bus;
}

static rill_receipt append(rill_bus *bus, const char *topic, const char *text)
{
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, topic, text, strlen(text), NULL, &receipt, 20000));
    return receipt;
}

static const rill_msg *next(rill_sub *sub)
{
    const rill_msg *m = NULL;
    OK(rill_next(sub, &m, 20000));
    return m;
}

static void next_is(rill_sub *sub, const char *text)
{
    const rill_msg *m = next(sub);
    TEXT_IS(m->data, text);
}

/* Until a condition is true that the bus makes so; under RILL_DRIVE_HOST it is turned meanwhile. */
#define DRIVEN(bus, i, condition)                                    \
    do {                                                             \
        int64_t until_ = api_now_ms() + 50000;                       \
        while (!(condition) && api_now_ms() < until_)                \
            if (i) OK(rill_poll(bus, 100));                          \
            else nanosleep(&(struct timespec){0, 200000}, NULL);     \
        ck_assert_msg(condition, "%s did not come true", #condition); \
    } while (0)

/* ---- Opening ---- */

static int open_fails(const char *where, const char *config)
{
    rill_bus *bus = NULL;
    int rc = rill_open(&bus, where, RILL_OPTS(rill_opts, .kafka_config = config));
    ck_assert_ptr_null(bus);
    return rc;
}

START_TEST(refused)
{
    FAILS(open_fails("kafka://127.0.0.1:1", NULL), RILL_ECONN);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "127.0.0.1:1"));
    FAILS(open_fails("kafka://token@127.0.0.1:1", NULL), RILL_EINVAL);
    FAILS(open_fails("kafka://127.0.0.1:1", "no such line"), RILL_EINVAL);
    FAILS(open_fails("kafka://127.0.0.1:1", "no.such.key=1"), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no.such.key"));
    FAILS(open_fails("kafka://127.0.0.1:1", "# a comment\n\n group.id = mine"), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "group.id"));
    FAILS(open_fails("kafka://", NULL), RILL_EINVAL);
}
END_TEST

START_TEST(cannot)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub;
    rill_msg *m;
    rill_kv *kv;
    rill_objs *objs;
    uint64_t last = 0;
    ck_assert_uint_eq(rill_caps(bus), RILL_CAN_STREAM);
    FAILS(rill_subscribe(bus, &sub, "orders", NULL), RILL_ENOTSUP);
    FAILS(rill_request(bus, "orders", "", 0, NULL, &m, 1000), RILL_ENOTSUP);
    FAILS(rill_publish(bus, "orders", "", 0, RILL_OPTS(rill_post, .reply = "r")), RILL_ENOTSUP);
    FAILS(rill_kv_open(bus, &kv, "b", NULL), RILL_ENOTSUP);
    FAILS(rill_objs_open(bus, &objs, "b", NULL), RILL_ENOTSUP);
    FAILS(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .msg_id = "1"), NULL, 1000),
          RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "msg_id"));
    FAILS(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .expect_last_seq = &last), NULL,
                      1000), RILL_ENOTSUP);
    FAILS(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .ttl_ms = 5000), NULL, 1000),
          RILL_ENOTSUP);
    FAILS(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .sync = RILL_SYNC_ALWAYS), NULL,
                      1000), RILL_ENOTSUP);
    FAILS(rill_stream_erase(bus, "orders", RILL_AT(1)), RILL_ENOTSUP);
    FAILS(rill_group_pause(bus, "orders", "g", 1), RILL_ENOTSUP);
    FAILS(rill_stream_ensure(bus, "new", RILL_OPTS(rill_stream_opts, .max_msgs = 5)),
          RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "max_msgs"));
    FAILS(rill_stream_ensure(bus, "new", RILL_OPTS(rill_stream_opts, .subjects = "new.>")),
          RILL_ENOTSUP);
    FAILS(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "g",
                                                      .max_deliveries = 3)), RILL_ENOTSUP);
    FAILS(rill_tail(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .filter = "orders.x")),
          RILL_ENOTSUP);
    FAILS(rill_store_check(bus, NULL, NULL), RILL_ENOTSUP);
    end(bus);
}
END_TEST

/* ---- What goes out ---- */

START_TEST(receipts)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    for (uint64_t i = 1; i <= 3; i++) ck_assert_uint_eq(append(bus, "orders", "x").seq, i);
    api_send(bus, "orders", "published");
    OK(rill_flush(bus, 20000));
    ck_assert_uint_eq(append(bus, "orders", "y").seq, 5);
    static char large[2 << 20];
    FAILS(rill_append(bus, "orders", large, sizeof large, NULL, NULL, 5000), RILL_ETOOBIG);
    end(bus);
}
END_TEST

typedef struct answers {
    atomic_int stored, failed;
    uint64_t last;
} answers;

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    answers *a = arg;
    if (err == RILL_OK) ck_assert_uint_eq(receipt->seq, a->last + 1);
    a->last = receipt->seq;
    if (err == RILL_OK) a->stored++;
    else a->failed++;
}

START_TEST(many)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    answers a = {0};
    for (int i = 0; i < MANY; i++)
        OK(rill_append_async(bus, "orders", &i, sizeof i, NULL, on_stored, &a));
    DRIVEN(bus, _i, a.stored == MANY);
    ck_assert_int_eq(a.failed, 0);
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "orders", NULL));
    for (int i = 0; i < MANY; i++) {
        const rill_msg *m = next(sub);
        int value;
        ck_assert_uint_eq(m->seq, (uint64_t)i + 1);
        memcpy(&value, m->data.ptr, sizeof value);
        ck_assert_int_eq(value, i);
    }
    rill_sub_close(sub);
    end(bus);
}
END_TEST

START_TEST(window)
{
    begin();
    rill_bus *bus = join(_i, "queue.buffering.max.messages=10");
    answers a = {0};
    append(bus, "orders", "first");
    a.last = 1;
    for (int id = 1; id <= 3; id++) rd_kafka_mock_broker_set_rtt(cluster, id, 300);
    int sent = 0, rc = RILL_OK;
    while (sent < 100 && rc == RILL_OK) {
        rc = rill_append_async(bus, "orders", "x", 1, NULL, on_stored, &a);
        if (rc == RILL_OK) sent++;
    }
    FAILS(rc, RILL_EAGAIN);
    ck_assert_int_ge(sent, 9); /* the queue counts what is on its way, too */
    FAILS(rill_publish(bus, "orders", "x", 1, NULL), RILL_EAGAIN);
    append(bus, "orders", "this one waits for room, and then for its receipt");
    DRIVEN(bus, _i, a.stored == sent);
    end(bus);
}
END_TEST

START_TEST(records)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    const rill_header keyed[] = {{RILL_STR("Kafka-Key"), RILL_STR("k1")},
                                 {RILL_STR("trace"), RILL_STR("7")},
                                 {RILL_STR("trace"), RILL_STR("8")}};
    const rill_header gone[] = {{RILL_STR("Kafka-Key"), RILL_STR("k1")},
                                {RILL_STR("KV-Operation"), RILL_STR("DEL")}};
    const rill_header bytes[] = {{RILL_STR("Kafka-Next"), RILL_STR("base64")},
                                 {RILL_STR("Kafka-Key"), RILL_STR("AAECAw==")}};
    OK(rill_append(bus, "orders", "v", 1, RILL_OPTS(rill_post, .headers = keyed, .nheaders = 3),
                   NULL, 20000));
    OK(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .headers = gone, .nheaders = 2),
                   NULL, 20000));
    OK(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .headers = bytes, .nheaders = 2),
                   NULL, 20000));
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "orders", NULL));
    const rill_msg *m = next(sub);
    rill_str value;
    TEXT_IS(m->subject, "orders");
    TEXT_IS(m->stream, "orders");
    TEXT_IS(m->reply, "");
    TEXT_IS(m->key, "k1");
    TEXT_IS(m->data, "v");
    ck_assert_int_eq(rill_header_get(m, "trace", &value), 1);
    TEXT_IS(value, "7");
    ck_assert_uint_eq(m->nheaders, 3);
    ck_assert_uint_eq(m->flags, 0);
    ck_assert_int_gt(m->time_ns, 1600000000000000000);
    ck_assert_uint_eq(m->pending, 2);
    m = next(sub);
    ck_assert_uint_eq(m->flags, RILL_MSG_DELETED);
    TEXT_IS(m->key, "k1");
    m = next(sub);
    ck_assert_uint_eq(m->key.len, 4);
    ck_assert_mem_eq(m->key.ptr, "\0\1\2\3", 5);
    rill_msg *kept = rill_msg_ref(m);
    rill_sub_close(sub);
    ck_assert_mem_eq(kept->key.ptr, "\0\1\2\3", 5);
    ck_assert_uint_eq(kept->seq, 3);
    rill_msg_unref(kept);
    end(bus);
}
END_TEST

/* ---- What comes ---- */

static rill_sub *tail(rill_bus *bus, const rill_sub_opts *opts)
{
    rill_sub *sub = NULL;
    OK(rill_tail(bus, &sub, "orders", opts));
    return sub;
}

START_TEST(tails)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    char text[16];
    const rill_msg *m;
    for (int i = 1; i <= 10; i++) {
        snprintf(text, sizeof text, "%d", i);
        append(bus, "orders", text);
    }
    rill_sub *last = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_LAST));
    rill_sub *new = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW));
    rill_sub *at = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_SEQ, .from_seq = 4));
    rill_sub *later = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_SEQ, .from_seq = 12));
    next_is(last, "10");
    for (int i = 4; i <= 10; i++) ck_assert_uint_eq(next(at)->seq, (uint64_t)i);
    FAILS(rill_next(new, &m, 0), RILL_EAGAIN);
    FAILS(rill_next(later, &m, 300), RILL_ETIMEDOUT);
    append(bus, "orders", "11");
    append(bus, "orders", "12");
    next_is(new, "11");
    next_is(last, "11");
    next_is(later, "12"); /* what is before its number is passed over */
    OK(rill_seek(at, RILL_AT(2)));
    next_is(at, "2");
    OK(rill_seek(at, RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
    FAILS(rill_next(at, &m, 300), RILL_ETIMEDOUT);
    append(bus, "orders", "13");
    next_is(at, "13");
    rill_sub_close(at);
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(last, &info));
    ck_assert_uint_le(info.lag_msgs, 2);
    end(bus); /* with readers that are open */
    rill_sub_close(last);
    rill_sub_close(new);
    rill_sub_close(later);
}
END_TEST

/* A reader that does not read keeps little here, and misses nothing. */
START_TEST(slow)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    char text[1000];
    memset(text, 'x', sizeof text);
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .pending_msgs = 64, .pending_bytes = 8000));
    for (int i = 0; i < 500; i++) OK(rill_publish(bus, "orders", text, sizeof text, NULL));
    OK(rill_flush(bus, 20000));
    for (uint64_t i = 1; i <= 500; i++) {
        ck_assert_uint_eq(next(sub)->seq, i);
        rill_sub_info info = {.size = sizeof info};
        if (i % 100) continue;
        OK(rill_sub_status(sub, &info));
        ck_assert_uint_le(info.pending_msgs, 64);
        ck_assert_uint_eq(info.dropped_msgs, 0);
    }
    rill_sub_close(sub);
    end(bus);
}
END_TEST

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    atomic_int *n = arg;
    ck_assert_uint_eq(m->seq, (uint64_t)*n + 1);
    ++*n;
}

START_TEST(callbacks)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    atomic_int n = 0;
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = (void *)&n));
    for (int i = 0; i < 2000; i++) api_send(bus, "orders", "x");
    DRIVEN(bus, _i, n == 2000);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

START_TEST(partitions)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    bool used[3] = {0};
    for (int i = 0; i < 60; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        const rill_header header = {RILL_STR("Kafka-Key"), {key, strlen(key)}};
        rill_receipt receipt = {.size = sizeof receipt};
        OK(rill_append(bus, "wide", key, strlen(key),
                       RILL_OPTS(rill_post, .headers = &header, .nheaders = 1), &receipt, 20000));
        ck_assert_uint_lt(receipt.partition, 3);
        used[receipt.partition] = true;
    }
    ck_assert(used[0] && used[1] && used[2]);
    uint64_t seen[3] = {0};
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "wide", NULL));
    for (int i = 0; i < 60; i++) {
        const rill_msg *m = next(sub);
        ck_assert_uint_eq(m->seq, ++seen[m->partition]); /* in order within each */
    }
    rill_msg *m;
    OK(rill_stream_get(bus, "wide", RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 2,
                                              .seq = 1), &m));
    ck_assert_uint_eq(m->partition, 2);
    ck_assert_uint_eq(m->seq, 1);
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "wide", RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .partition = 3,
                                                 .seq = 1), &m), RILL_ENOENT);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "wide", &info));
    ck_assert_uint_eq(info.msgs, 60);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

START_TEST(places)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_msg *m;
    FAILS(rill_stream_get(bus, "orders", RILL_AT_LAST(NULL), &m), RILL_ENOENT);
    append(bus, "orders", "one");
    append(bus, "orders", "two");
    OK(rill_stream_get(bus, "orders", RILL_AT_LAST(NULL), &m));
    TEXT_IS(m->data, "two");
    ck_assert_uint_eq(m->seq, 2);
    TEXT_IS(m->stream, "orders");
    rill_msg_unref(m);
    OK(rill_stream_get(bus, "orders", RILL_AT(1), &m));
    TEXT_IS(m->data, "one");
    rill_msg_unref(m);
    OK(rill_stream_get(bus, "orders", RILL_OPTS(rill_at, .from = RILL_FROM_FIRST), &m));
    TEXT_IS(m->data, "one");
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "orders", RILL_AT(3), &m), RILL_ENOENT);
    FAILS(rill_stream_get(bus, "nothing", RILL_AT(1), &m), RILL_ENOENT);
    end(bus);
}
END_TEST

/* ---- Groups ---- */

/* Kafka sends a group whose position is beyond the end to the beginning: no such position is
 * stored. */
START_TEST(beyond_the_end)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub;
    const rill_msg *m;
    for (int i = 0; i < 5; i++) append(bus, "orders", "old");
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "g",
                                                   .from = RILL_FROM_SEQ, .from_seq = 100)));
    FAILS(rill_next(sub, &m, 1000), RILL_ETIMEDOUT);
    append(bus, "orders", "new");
    next_is(sub, "new");
    rill_sub_close(sub);
    end(bus);
}
END_TEST

START_TEST(group)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    for (int i = 0; i < 6; i++) append(bus, "orders", "x");
    rill_sub *sub;
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "g",
                                                   .max_unacked = 3)));
    rill_msg *held[3];
    for (uint64_t i = 0; i < 3; i++) {
        held[i] = rill_msg_ref(next(sub));
        ck_assert_uint_eq(held[i]->seq, i + 1);
    }
    const rill_msg *m;
    FAILS(rill_next(sub, &m, 300), RILL_ETIMEDOUT); /* three are not settled */
    FAILS(rill_nak(held[0], 0), RILL_ENOTSUP);
    FAILS(rill_term(held[0]), RILL_ENOTSUP);
    OK(rill_working(held[0]));
    rill_group_info info = {.size = sizeof info};
    OK(rill_ack(held[1])); /* the place moves when the first is settled, too */
    OK(rill_flush(bus, 20000));
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.settled_seq, 0);
    ck_assert_uint_eq(info.unacked_msgs, 2);
    OK(rill_ack(held[0]));
    FAILS(rill_ack(held[0]), RILL_ENOENT);
    OK(rill_flush(bus, 20000));
    OK(rill_group_status(bus, "orders", "g", &info));
    ck_assert_uint_eq(info.settled_seq, 2);
    ck_assert_uint_eq(next(sub)->seq, 4);
    for (int i = 0; i < 3; i++) rill_msg_unref(held[i]);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

START_TEST(alone)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    for (int i = 0; i < 3; i++) append(bus, "orders", "x");
    rill_sub *sub;
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .ack = RILL_ACK_UPTO)));
    rill_msg *first = rill_msg_ref(next(sub));
    const rill_msg *m = next(sub);
    OK(rill_ack(m));
    FAILS(rill_ack(first), RILL_ENOENT); /* the second covers it */
    rill_msg_unref(first);
    rill_sub_close(sub);
    OK(rill_tail(bus, &sub, "orders", NULL));
    FAILS(rill_ack(next(sub)), RILL_EINVAL);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* ---- Bad days ---- */

static void set_all(bool up)
{
    for (int id = 1; id <= 3; id++)
        if (up) rd_kafka_mock_broker_set_up(cluster, id);
        else rd_kafka_mock_broker_set_down(cluster, id);
}

START_TEST(down)
{
    begin();
    ups = downs = 0;
    rill_bus *bus = join(_i, NULL);
    append(bus, "orders", "before");
    DRIVEN(bus, _i, ups == 1);
    set_all(false);
    FAILS(rill_append(bus, "orders", "meanwhile", 9, NULL, NULL, 500), RILL_ETIMEDOUT);
    DRIVEN(bus, _i, downs == 1);
    api_send(bus, "orders", "published");
    FAILS(rill_flush(bus, 0), RILL_ETIMEDOUT);
    set_all(true);
    OK(rill_flush(bus, 40000)); /* what waited was sent */
    DRIVEN(bus, _i, ups == 2);
    rill_sub *sub = tail(bus, NULL);
    next_is(sub, "before");
    next_is(sub, "meanwhile");
    next_is(sub, "published");
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* A handle that nobody asks for anything hears that its cluster is back. */
START_TEST(idle)
{
    begin();
    ups = downs = 0;
    rill_bus *bus = join(_i, NULL);
    set_all(false);
    DRIVEN(bus, _i, downs == 1);
    set_all(true);
    DRIVEN(bus, _i, ups == 2);
    end(bus);
}
END_TEST

START_TEST(lost)
{
    begin();
    errors = 0;
    rill_bus *bus = join(_i, NULL);
    append(bus, "orders", "x");
    append(bus, "wide", "x");
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    FAILS(rill_append(bus, "orders", "x", 1, NULL, NULL, 20000), RILL_EAUTH);
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    api_send(bus, "wide", "nobody waits for this");
    DRIVEN(bus, _i, errors == 1);
    end(bus);
}
END_TEST

/* What is under way when the handle is closed ends, once. */
START_TEST(closing)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub;
    answers a = {0};
    append(bus, "orders", "x");
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "g")));
    set_all(false);
    for (int i = 0; i < 10; i++)
        OK(rill_append_async(bus, "orders", "x", 1, NULL, on_stored, &a));
    int64_t from = api_now_ms();
    FAILS(rill_close(bus, 100), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - from, 20000);
    ck_assert_int_eq(a.failed, 10);
    FAILS(rill_sub_stop(sub), RILL_ECLOSED);
    rill_sub_close(sub);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
}
END_TEST

/* In a loop of the program's own: its descriptor says that there is something to do. */
START_TEST(own_loop)
{
    begin();
    rill_bus *bus = join(1, NULL);
    answers a = {0};
    struct pollfd fd = {.fd = rill_fd(bus), .events = POLLIN};
    OK(fd.fd);
    for (int i = 0; i < 100; i++)
        OK(rill_append_async(bus, "orders", "x", 1, NULL, on_stored, &a));
    int64_t until = api_now_ms() + 30000;
    while (a.stored < 100 && api_now_ms() < until) {
        ck_assert_int_ge(poll(&fd, 1, rill_wait_ms(bus)), 0);
        OK(rill_poll(bus, 0));
    }
    ck_assert_int_eq(a.stored, 100);
    end(bus);
}
END_TEST

SUITE_MAIN_ROWS("kafka", SUITE_ONCE(refused, own_loop),
                SUITE_EACH(2, cannot, receipts, many, window, records, tails, slow, callbacks,
                           partitions, places, beyond_the_end, group, alone, down, idle, lost,
                           closing))
