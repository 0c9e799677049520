/* SPDX-License-Identifier: Apache-2.0 */
/* Handles whose peer is a Kafka cluster: what goes out, what comes, places, and bad days. Groups
 * are in test_kafka_groups.c. */
#include <sys/syscall.h>
#include <unistd.h>

#include "kafka_mock.h"

enum { MANY = 20000, LARGE = 200000 };

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
    OK(rill_flush(bus, 60000));
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
    ck_assert_uint_eq(receipt->seq, err == RILL_OK ? a->last + 1 : 0);
    if (err == RILL_OK) a->last = receipt->seq;
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
    set_slow(60000);
    int sent = 0, rc = RILL_OK;
    while (sent < 100 && rc == RILL_OK) {
        rc = rill_append_async(bus, "orders", "x", 1, NULL, on_stored, &a);
        if (rc == RILL_OK) sent++;
    }
    FAILS(rc, RILL_EAGAIN);
    ck_assert_int_ge(sent, 9); /* the queue counts what is on its way, too */
    FAILS(rill_publish(bus, "orders", "x", 1, NULL), RILL_EAGAIN);
    set_slow(0);
    append(bus, "orders", "this one waits for room, and then for its receipt");
    DRIVEN(bus, _i, a.stored == sent);
    end(bus);
}
END_TEST

/* Room in bytes is librdkafka's own to count, and who finds none is told so. */
START_TEST(window_of_bytes)
{
    static const char text[1000];
    const rill_header header = {RILL_STR("trace"), RILL_STR("7")};
    begin();
    rill_bus *bus = join(_i, "queue.buffering.max.kbytes=2");
    answers a = {0};
    append(bus, "orders", "first");
    a.last = 1;
    set_slow(60000);
    int sent = 0, rc = RILL_OK;
    while (sent < 10000 && rc == RILL_OK) {
        rc = rill_append_async(bus, "orders", text, sizeof text, NULL, on_stored, &a);
        if (rc == RILL_OK) sent++;
    }
    FAILS(rc, RILL_EAGAIN);
    ck_assert_str_eq(rill_errmsg(), "append to orders: librdkafka has no room for more");
    FAILS(rill_publish(bus, "orders", "x", 1,
                       RILL_OPTS(rill_post, .headers = &header, .nheaders = 1)), RILL_EAGAIN);
    ck_assert_str_eq(rill_errmsg(), "append to orders: librdkafka has no room for more");
    set_slow(0);
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
                   NULL, 60000));
    OK(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .headers = gone, .nheaders = 2),
                   NULL, 60000));
    OK(rill_append(bus, "orders", "", 0, RILL_OPTS(rill_post, .headers = bytes, .nheaders = 2),
                   NULL, 60000));
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
    nothing_comes(later);
    append(bus, "orders", "11");
    append(bus, "orders", "12");
    next_is(new, "11");
    next_is(last, "11");
    next_is(later, "12"); /* what is before its number is passed over */
    OK(rill_seek(at, RILL_AT(2)));
    next_is(at, "2");
    OK(rill_seek(at, RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
    nothing_comes(at);
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
    OK(rill_flush(bus, 60000));
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
                       RILL_OPTS(rill_post, .headers = &header, .nheaders = 1), &receipt, 60000));
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
    ck_assert_uint_eq(info.partitions, 3);
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

/* ---- Two at once ---- */

typedef struct publisher {
    rill_bus *bus;
    atomic_bool over;
} publisher;

static void *publish_on(void *arg)
{
    publisher *p = arg;
    while (!p->over) {
        api_send(p->bus, "orders", "x");
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return NULL;
}

/* A flush waits for what was published before it, and not for what comes meanwhile: the next record
 * is always under way when the last one is acknowledged. */
START_TEST(flush_beside)
{
    begin();
    publisher p = {.bus = join(_i, NULL)};
    pthread_t thread;
    append(p.bus, "orders", "x");
    set_slow(100);
    ck_assert_int_eq(pthread_create(&thread, NULL, publish_on, &p), 0);
    for (int i = 0; i < 3; i++) {
        api_send(p.bus, "orders", "y");
        OK(rill_flush(p.bus, 30000));
    }
    p.over = true;
    pthread_join(thread, NULL);
    set_slow(0);
    end(p.bus);
}
END_TEST

typedef struct seeker {
    rill_sub *sub;
    atomic_bool begun;
    int rc;
} seeker;

static void *seek_once(void *arg)
{
    seeker *s = arg;
    s->begun = true;
    s->rc = rill_seek(s->sub, RILL_AT(1));
    return NULL;
}

/* Who closes a reader waits for who seeks in it. */
START_TEST(seek_and_close)
{
    begin();
    rill_bus *bus = join(0, NULL);
    append_numbers(bus, "orders", 3);
    set_slow(10);
    for (int i = 0; i < 20; i++) { /* each time a little later in the seek */
        seeker s = {.sub = tail(bus, NULL)};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, seek_once, &s), 0);
        EVENTUALLY(s.begun);
        nanosleep(&(struct timespec){0, i * 3000000}, NULL);
        rill_sub_close(s.sub);
        pthread_join(thread, NULL);
        if (s.rc != RILL_ECLOSED) OK(s.rc);
    }
    set_slow(0);
    end(bus);
}
END_TEST

/* ---- Without memory ---- */

typedef struct short_of {
    atomic_bool fails;
    atomic_int failed;
} short_of;

static void *alloc_short(void *arg, void *p, size_t old_size, size_t new_size)
{
    short_of *s = arg;
    if (new_size > old_size && new_size >= LARGE && s->fails) { /* that of a record */
        s->failed++;
        return NULL;
    }
    if (new_size) return realloc(p, new_size);
    free(p);
    return NULL;
}

/* A reader that finds no memory for a record goes on when there is some; one whose records stay
 * where they are until they are read is told so. */
START_TEST(no_memory)
{
    begin();
    static char text[LARGE];
    short_of memory = {0};
    const rill_host host = {.size = sizeof host, .arg = &memory, .alloc = alloc_short};
    rill_bus *bus = join(_i, NULL), *poor = join_with(_i, (rill_opts){.host = &host});
    rill_sub *sub = tail(poor, NULL), *member;
    const rill_msg *m;
    OK(rill_consume(poor, &member, "orders", RILL_OPTS(rill_sub_opts, .group = "poor",
                                                       .ack = RILL_ACK_NONE)));
    append(bus, "orders", "first");
    memory.fails = true;
    FAILS(rill_next(sub, &m, 60000), RILL_ENOMEM);
    memory.fails = false;
    next_is(sub, "first");
    next_is(member, "first");
    memory.failed = 0;
    memory.fails = true;
    for (int i = 0; i < 3; i++) OK(rill_publish(bus, "orders", text, sizeof text, NULL));
    OK(rill_flush(bus, 60000));
    DRIVEN(poor, _i, memory.failed > 0);
    memory.fails = false;
    for (uint64_t i = 2; i <= 4; i++) {
        ck_assert_uint_eq(next(member)->seq, i);
        ck_assert_uint_eq(next(sub)->seq, i);
    }
    rill_sub_close(member);
    rill_sub_close(sub);
    OK(rill_close(poor, 60000));
    end(bus);
}
END_TEST

/* ---- Bad days ---- */

/* A call has one time, whatever it asks for one after the other. */
START_TEST(one_deadline)
{
    begin();
    rill_bus *bus = join_with(_i, (rill_opts){.call_timeout_ms = 2000});
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "wide", &info));
    set_slow(1500);
    int64_t from = api_now_ms();
    FAILS(rill_stream_status(bus, "wide", &info), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - from, 20000);
    set_slow(0);
    end(bus);
}
END_TEST

/* What was sent, and got no answer, may be stored. */
START_TEST(unsure)
{
    begin();
    rill_bus *bus = join(_i, "message.timeout.ms=1000");
    append(bus, "orders", "x");
    set_slow(20000);
    FAILS(rill_append(bus, "orders", "y", 1, NULL, NULL, 60000), RILL_EUNSURE);
    set_slow(0);
    end(bus);
}
END_TEST

START_TEST(down)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append(bus, "orders", "before");
    DRIVEN(bus, _i, ups >= 1);
    set_all(false);
    FAILS(rill_append(bus, "orders", "meanwhile", 9, NULL, NULL, 500), RILL_ETIMEDOUT);
    DRIVEN(bus, _i, downs >= 1);
    api_send(bus, "orders", "published");
    FAILS(rill_flush(bus, 0), RILL_ETIMEDOUT);
    set_all(true);
    OK(rill_flush(bus, 60000)); /* what waited was sent */
    DRIVEN(bus, _i, ups >= 2);
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
    rill_bus *bus = join(_i, NULL);
    set_all(false);
    DRIVEN(bus, _i, downs >= 1);
    set_all(true);
    DRIVEN(bus, _i, ups >= 2);
    end(bus);
}
END_TEST

START_TEST(lost)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append(bus, "orders", "x");
    append(bus, "wide", "x");
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    FAILS(rill_append(bus, "orders", "x", 1, NULL, NULL, 60000), RILL_EAUTH);
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    api_send(bus, "wide", "nobody waits for this");
    DRIVEN(bus, _i, errors >= 1);
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
    EVENTUALLY(a.failed == 10); /* on a busy machine callbacks outlive the time that they have */
    FAILS(rill_sub_stop(sub), RILL_ECLOSED);
    rill_sub_close(sub);
    end(NULL);
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

/* ---- Calls that do not wait, and items ---- */

typedef struct asked {
    atomic_bool over;
    int err;
    uint64_t msgs, seq;
    size_t n;
    char data[64];
    rill_sub *sub;
} asked;

static void note_item(const rill_item *item, void *arg)
{
    asked *a = arg;
    a->err = item->err;
    if (item->stream_info) a->msgs = item->stream_info->msgs;
    if (item->receipt) a->seq = item->receipt->seq;
    if (item->msg) snprintf(a->data, sizeof a->data, "%.*s", RILL_ARG(item->msg->data));
    a->n = item->n;
    a->sub = item->sub;
    ck_assert_int_eq(item->err < 0, item->detail != NULL);
    atomic_store(&a->over, true);
}

static int ask(rill_bus *bus, int i, asked *a, const rill_call *call)
{
    *a = (asked){.err = 1};
    OK(rill_start(bus, call, note_item, a));
    DRIVEN(bus, i, atomic_load(&a->over));
    return a->err;
}
#define ASK(verb_, ...) \
    ask(bus, _i, &a, RILL_OPTS(rill_call, .verb = RILL_DO_##verb_, __VA_ARGS__))

/* The peer's own library waits on a thread beside the dispatcher's. */
START_TEST(begun)
{
    begin();
    asked a;
    rill_bus *bus = join(_i, NULL);
    for (int n = 0; n < 3; n++)
        ck_assert_int_eq(ASK(APPEND, .name = "orders", .data = "one", .len = 3), RILL_OK);
    ck_assert_uint_eq(a.seq, 3);
    ck_assert_int_eq(ASK(APPEND, .name = "orders", .data = "four", .len = 4, .timeout_ms = 20000),
                     RILL_OK);
    ck_assert_uint_eq(a.seq, 4);
    ck_assert_int_eq(ASK(STREAM_STATUS, .name = "orders"), RILL_OK);
    ck_assert_uint_eq(a.msgs, 4);
    ck_assert_int_eq(ASK(STREAM_EACH, .timeout_ms = 20000), RILL_OK);
    ck_assert_uint_ge(a.n, 2);
    ck_assert_int_eq(ASK(STREAM_GET, .name = "orders", .at = RILL_AT(4)), RILL_OK);
    ck_assert_str_eq(a.data, "four");
    ck_assert_int_eq(ASK(KV_OPEN, .name = "B"), RILL_ENOTSUP);
    ck_assert_int_eq(ASK(FLUSH, .timeout_ms = 20000), RILL_OK);
    ck_assert_int_eq(ASK(TAIL, .name = "orders"), RILL_OK);
    next_is(a.sub, "one");
    rill_sub_close(a.sub);
    for (int n = 0; n < 5; n++) /* the end of the bus is theirs */
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = "orders"),
                      note_item, &a));
    end(bus);
}
END_TEST

START_TEST(reaped)
{
    begin();
    rill_bus *bus;
    rill_sub *sub;
    int msgs = 0, dones = 0, bad = 0;
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
                                      .reap = true)));
    OK(rill_tail(bus, &sub, "orders", NULL));
    for (int n = 0; n < 10; n++)
        OK(rill_append_async(bus, "orders", "x", 1, NULL, NULL, NULL));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_EACH), NULL, NULL));
    for (int64_t until = api_now_ms() + 50000; msgs < 10 || dones < 11;) {
        rill_reaped *reaped;
        int rc = rill_reap(bus, &reaped, 100, 1000);
        ck_assert_int_lt(api_now_ms(), until);
        if (rc == RILL_ETIMEDOUT) continue;
        OK(rc);
        for (size_t n = 0; reaped && n < reaped->n; n++) {
            msgs += reaped->items[n]->kind == RILL_ITEM_MSG;
            dones += reaped->items[n]->kind == RILL_ITEM_DONE;
            bad += reaped->items[n]->kind == RILL_ITEM_DONE && reaped->items[n]->err < 0;
        }
        rill_reaped_free(reaped);
    }
    ck_assert_int_eq(bad, 0);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* ---- A broker of ours, over TLS ---- */

static int about_tls(const rill_conn_info *conn, void *arg)
{
    snprintf(arg, 80, "%s %.4s", conn->tls_version, conn->tls_cipher);
    return 1;
}

/* librdkafka's connections rest before each look at what came, as they do on a busy machine: then
 * all that the broker has to say of itself is there at the first one. */
static atomic_int rest_ms;

ssize_t read(int fd, void *buf, size_t n) /* instead of the C library's */
{
    char name[16] = "";
    int ms = atomic_load(&rest_ms);
    if (ms) pthread_getname_np(pthread_self(), name, sizeof name);
    if (strncmp(name, "rdk:broker", 10) == 0)
        nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
    return syscall(SYS_read, fd, buf, n);
}

/* One of our handles and one of our doors: what is appended is read, and who believes another
 * signer, or speaks no TLS, does not come in. */
START_TEST(our_own_over_tls)
{
    const rill_tls tls = {.size = sizeof tls, .cert_file = GOLDEN_DIR "/tls/server.pem",
                          .key_file = GOLDEN_DIR "/tls/server.key", .timeout_ms = 20000};
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    int port;
    char agreed[80] = "", other[80];
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, "kafkas://127.0.0.1:0",
                                 RILL_OPTS(rill_listen_opts, .tls = &tls)));
    snprintf(url, sizeof url, "kafkas://localhost:%d", port);
    bus = join(_i, "ssl.ca.location=" GOLDEN_DIR "/tls/ca.pem");
    OK(rill_stream_ensure(bus, "orders", NULL));
    for (int n = 0; n < 100; n++) OK(rill_append(bus, "orders", "hello", 5, NULL, NULL, 60000));
    OK(rill_tail(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_FIRST)));
    for (int n = 0; n < 100; n++) {
        OK(rill_next(sub, &m, 60000));
        TEXT_IS(m->data, "hello");
    }
    ck_assert_int_ge(rill_broker_conns(broker, NULL, about_tls, agreed), 1);
    ck_assert_msg(strcmp(agreed, "1.2 TLS_") == 0 || strcmp(agreed, "1.3 TLS_") == 0, "%s", agreed);
    rill_sub_close(sub);
    OK(rill_close(bus, 60000));
    const rill_opts *brief = RILL_OPTS(rill_opts, .connect_timeout_ms = 20000, .kafka_config =
                                       "ssl.ca.location=" GOLDEN_DIR "/tls/stranger.pem");
    for (int ms = 0; ms <= 20; ms += 20) {
        atomic_store(&rest_ms, ms);
        FAILS(rill_open(&bus, url, brief), RILL_EAUTH);
        ck_assert_ptr_nonnull(strstr(rill_errmsg(), "certificate verify failed"));
    }
    atomic_store(&rest_ms, 0);
    snprintf(other, sizeof other, "kafka://localhost:%d", port);
    FAILS(rill_open(&bus, other, RILL_OPTS(rill_opts, .connect_timeout_ms = 300)), RILL_ECONN);
    OK(rill_broker_close(broker, 60000));
}
END_TEST

/* ---- Partitions, by both doors of a broker of ours ---- */

static rill_receipt append_keyed(rill_bus *bus, const char *key)
{
    const rill_header header = {RILL_STR("Kafka-Key"), {key, strlen(key)}};
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, "keyed", key, strlen(key),
                   RILL_OPTS(rill_post, .headers = &header, .nheaders = 1), &receipt, 60000));
    return receipt;
}

static uint32_t partitions_of(rill_bus *bus)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "keyed", &info));
    return info.partitions;
}

static int note_partitions(const rill_stream_desc *desc, void *arg)
{
    *(uint32_t *)arg = desc->opts->partitions;
    return 0;
}

/* A topic that one of them makes is that of the other, and both send a key to the same partition;
 * it gets more by either, and none is taken away. */
START_TEST(our_own_partitions)
{
    rill_broker *broker;
    rill_bus *native, *far;
    rill_sub *sub;
    int port;
    uint32_t shown = 0;
    uint64_t seen[5] = {0};
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, &native, NULL));
    snprintf(url, sizeof url, "kafka://127.0.0.1:%d", port);
    far = join(_i, NULL);
    ck_assert_int_eq(rill_stream_ensure(far, "keyed", RILL_OPTS(rill_stream_opts,
                                                                .partitions = 3)), 1);
    ck_assert_uint_eq(partitions_of(native), 3);
    OK(rill_stream_ensure(native, "keyed", RILL_OPTS(rill_stream_opts, .partitions = 4)));
    OK(rill_stream_ensure(far, "keyed", RILL_OPTS(rill_stream_opts, .partitions = 5)));
    ck_assert_uint_eq(partitions_of(native), 5);
    ck_assert_uint_eq(partitions_of(far), 5);
    FAILS(rill_stream_ensure(far, "keyed", RILL_OPTS(rill_stream_opts, .partitions = 2)),
          RILL_EEXIST);
    OK(rill_stream_describe(far, "keyed", note_partitions, &shown));
    ck_assert_uint_eq(shown, 5);
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        rill_receipt theirs = append_keyed(far, key), ours = append_keyed(native, key);
        ck_assert_uint_eq(theirs.partition, ours.partition);
        ck_assert_uint_eq(theirs.seq + 1, ours.seq);
    }
    for (int side = 0; side < 2; side++, memset(seen, 0, sizeof seen)) {
        OK(rill_tail(side ? far : native, &sub, "keyed", NULL));
        for (int i = 0; i < 80; i++) {
            const rill_msg *m = next(sub);
            TEXT_IS(m->stream, "keyed");
            ck_assert_uint_eq(m->seq, ++seen[m->partition]);
        }
        rill_sub_close(sub);
    }
    OK(rill_stream_delete(native, "keyed"));
    OK(rill_close(far, 60000));
    OK(rill_close(native, 60000));
    OK(rill_broker_close(broker, 60000));
}
END_TEST

SUITE_MAIN_ROWS("kafka", SUITE_ONCE(refused, own_loop, seek_and_close),
                SUITE_EACH(2, cannot, receipts, many, window, window_of_bytes, records, tails, slow,
                           callbacks, partitions, places, alone, flush_beside, no_memory,
                           one_deadline, unsure, down, idle, lost, closing, begun, reaped,
                           our_own_over_tls, our_own_partitions))
