/* SPDX-License-Identifier: Apache-2.0 */
/* A handle whose peer is none of this process (support/script_peer.h): what programs ask reaches
 * the peer in its words, and they get its answers when they come, by a thread of the peer's or in a
 * turn of the host's; what is never answered ends in time. */
#include <stdio.h>

#include "base/error.h"
#include "engine/streams/js_state.h"
#include "front/broker/durable.h"
#include "support/script_peer.h"
#include "support/suite.h"

#define OK(call)                                                     \
    do {                                                             \
        int ok_rc = (call);                                          \
        ck_assert_msg(ok_rc >= 0, "%s: %s", #call, rill_errmsg());   \
    } while (0)
#define HEARD(bus, text) ck_assert_str_eq(script_heard(bus), text)

static rill_bus *open_bus(int i, const script_row *rows)
{
    rill_bus *bus;
    OK(script_open(&bus, i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD, rows));
    return bus;
}

START_TEST(live)
{
    rill_bus *bus = open_bus(_i, NULL);
    rill_sub *sub;
    const rill_msg *m;
    rill_msg *reply;
    OK(rill_subscribe(bus, &sub, "a.*", NULL));
    OK(rill_publish(bus, "a.b", "hello", 5, NULL));
    HEARD(bus, "SUB a.*\nPUB a.b hello\n");
    script_bring(bus, "a.*", &(ri_message){.subject = RI_STR("a.b"), .data = RI_STR("hi")});
    OK(rill_next(sub, &m, 10000));
    ck_assert_str_eq(m->data.ptr, "hi");
    OK(rill_request(bus, "ask", "echo", 4, NULL, &reply, 10000));
    ck_assert_str_eq(reply->data.ptr, "echoed");
    rill_msg_unref(reply);
    ck_assert_int_eq(rill_request(bus, "ask", "nobody", 6, NULL, &reply, 10000), RILL_ENOREPLY);
    ck_assert_int_eq(rill_request(bus, "ask", "mute", 4, NULL, &reply, 30), RILL_ETIMEDOUT);
    HEARD(bus, "SUB inbox\nPUB ask echo\nPUB ask nobody\nPUB ask mute\n");
    rill_sub_close(sub);
    OK(rill_flush(bus, 1000));
    HEARD(bus, "UNSUB a.*\nFLUSH STORED\n");
    ck_assert_uint_eq(rill_caps(bus), RILL_CAN_REQUEST | RILL_CAN_STREAM);
    OK(rill_close(bus, 10000));
}
END_TEST

static void count_stored(int rc, const rill_receipt *receipt, void *arg)
{
    int *stored = arg;
    if (rc == RILL_OK) *stored += (int)receipt->seq;
    else *stored = -1000;
}

START_TEST(appends)
{
    static const script_row rows[] = {{.seq = 7}, {.rc = RILL_EFULL, .sentence = "it is full"},
                                      {.never = true}, {.seq = 8}, {.seq = 9}};
    rill_bus *bus = open_bus(_i, rows);
    rill_receipt receipt = {.size = sizeof receipt};
    int stored = 0;
    OK(rill_append(bus, "s.a", "one", 3, NULL, &receipt, 10000));
    ck_assert_uint_eq(receipt.seq, 7);
    ck_assert_int_eq(rill_append(bus, "s.a", "two", 3, NULL, NULL, 10000), RILL_EFULL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "it is full"));
    ck_assert_int_eq(rill_append(bus, "s.a", "lost", 4, NULL, NULL, 30), RILL_ETIMEDOUT);
    OK(rill_append_async(bus, "s.a", "x", 1, NULL, count_stored, &stored));
    OK(rill_append_async(bus, "s.a", "y", 1, NULL, count_stored, &stored));
    OK(rill_close(bus, 10000)); /* waits for both */
    ck_assert_int_eq(stored, 17);
}
END_TEST

static int join_names(const char *name, void *arg)
{
    strcat(arg, name);
    return 0;
}

START_TEST(questions)
{
    static const script_row rows[] = {
        {.rc = 1}, {.seq = 3}, {.names = {"S", "T"}},
        {.rc = RILL_ENOENT, .sentence = "no stream S"},
        {.seq = 5, .subject = "s.a", .data = "stored"}, {.never = true}};
    rill_bus *bus = open_bus(_i, rows);
    rill_stream_info info = {.size = sizeof info};
    rill_msg *m;
    ck_assert_int_eq(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")),
                     1);
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 3);
    char names[16] = "";
    OK(rill_stream_each(bus, join_names, names));
    ck_assert_str_eq(names, "ST");
    ck_assert_int_eq(rill_stream_delete(bus, "S"), RILL_ENOENT);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no stream S"));
    OK(rill_stream_get(bus, "S", RILL_AT(5), &m));
    ck_assert_str_eq(m->data.ptr, "stored");
    rill_msg_unref(m);
    ck_assert_int_eq(rill_jetstream_ask(bus, "$JS.API.INFO", "", 0, &m, 30), RILL_ETIMEDOUT);
    OK(rill_close(bus, 10000));
}
END_TEST

/* The bucket's open, a put, a get, a create of a key that is there, the keys, the history. */
START_TEST(keys)
{
    static const script_row rows[] = {
        {.rc = 0}, {.seq = 1}, {.seq = 1, .subject = "$KV.b.k", .data = "v"},
        {.rc = RILL_ECONFLICT, .sentence = "wrong last sequence"},
        {.seq = 1, .subject = "$KV.b.k", .data = "v"},
        {.names = {"$KV.b.k", "$KV.b.l"}},
        {.seq = 1, .subject = "$KV.b.k", .data = "v"},
        {.rc = RILL_ENOENT, .sentence = "no more"}};
    rill_bus *bus = open_bus(_i, rows);
    rill_kv *kv;
    rill_msg *m;
    uint64_t rev;
    char names[16] = "";
    OK(rill_kv_open(bus, &kv, "b", NULL));
    OK(rill_kv_put(kv, "k", "v", 1, NULL, &rev));
    ck_assert_uint_eq(rev, 1);
    OK(rill_kv_get(kv, "k", &m));
    ck_assert_str_eq(m->data.ptr, "v");
    ck_assert_str_eq(m->key.ptr, "k");
    rill_msg_unref(m);
    ck_assert_int_eq(rill_kv_create(kv, "k", "w", 1, NULL, NULL), RILL_EEXIST);
    OK(rill_kv_each(kv, NULL, join_names, names));
    ck_assert_str_eq(names, "kl");
    rill_kv_close(kv);
    OK(rill_close(bus, 10000));
}
END_TEST

static int64_t give(void *buf, size_t cap, void *arg)
{
    size_t *left = arg, n = *left < cap ? *left : cap;
    memset(buf, 'x', n);
    *left -= n;
    return (int64_t)n;
}

/* Two pieces, whose receipts are read before the description is looked for and written. */
START_TEST(objects)
{
    static const script_row rows[] = {{.rc = 0}, {.seq = 1}, {.seq = 2},
                                      {.rc = RILL_ENOENT, .sentence = "no object"}, {.seq = 3},
                                      {.rc = 0}, {.rc = RILL_EFULL, .sentence = "it is full"},
                                      {.rc = 0}, {.rc = 0}};
    rill_bus *bus = open_bus(_i, rows);
    rill_objs *objs;
    size_t left = 200000;
    OK(rill_objs_open(bus, &objs, "b", NULL));
    OK(rill_obj_put(objs, "o", give, &left));
    ck_assert_uint_eq(left, 0);
    script_heard(bus);
    rill_objs_close(objs);
    OK(rill_objs_open(bus, &objs, "b", NULL));
    left = 10;
    ck_assert_int_eq(rill_obj_put(objs, "o", give, &left), RILL_EFULL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "it is full"));
    rill_objs_close(objs);
    OK(rill_close(bus, 10000));
}
END_TEST

START_TEST(consumers)
{
    static const script_row rows[] = {
        {.joined = {.name = "G", .acks = true, .max_unacked = 10, .pending = 1}},
        {.seq = 4}, {.rc = RILL_ENOENT, .sentence = "no group"}};
    rill_bus *bus = open_bus(_i, rows);
    rill_sub *sub;
    const rill_msg *m;
    rill_sub_info info = {.size = sizeof info};
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "G")));
    script_heard(bus);
    script_bring(bus, "consumer", &(ri_message){.subject = RI_STR("s.a"), .data = RI_STR("job"),
                                                .reply = RI_STR("$JS.ACK.S.G.1.5.1.7.0")});
    OK(rill_next(sub, &m, 10000));
    ck_assert_uint_eq(m->seq, 5);
    OK(rill_ack(m));
    OK(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.lag_msgs, 4);
    ck_assert_int_eq(rill_next(sub, &m, 30), RILL_ETIMEDOUT);
    ck_assert_int_eq(rill_group_delete(bus, "S", "G"), RILL_ENOENT);
    rill_sub_close(sub);
    ck_assert_ptr_nonnull(strstr(script_heard(bus), "SETTLE 1"));
    OK(rill_close(bus, 10000));
}
END_TEST

typedef struct getting {
    rill_bus *bus;
    uint64_t seq;
} getting;

static void get_in_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    getting *g = arg;
    rill_msg *got;
    OK(rill_stream_get(g->bus, "S", RILL_AT(5), &got));
    g->seq = got->seq;
    rill_msg_unref(got);
}

/* A callback asks, and the answer comes while it waits. */
START_TEST(in_a_callback)
{
    static const script_row rows[] = {{.seq = 5, .subject = "s.a", .data = "stored"}};
    rill_bus *bus = open_bus(_i, rows);
    rill_sub *sub;
    getting g = {.bus = bus};
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = get_in_callback,
                                               .arg = &g)));
    script_bring(bus, "a", &(ri_message){.subject = RI_STR("a")});
    OK(rill_drain(bus, 10000));
    ck_assert_uint_eq(g.seq, 5);
    rill_sub_close(sub);
    OK(rill_close(bus, 10000));
}
END_TEST

/* A reader that has a consumer of its own, and cannot be made for want of memory, deletes it. */
static void *(*real_alloc)(void *arg, void *p, size_t old_size, size_t new_size);

static void *no_consumer(void *arg, void *p, size_t old_size, size_t new_size)
{
    bool one = !p && new_size == sizeof(ri_bus_consumer) + sizeof "S" + sizeof "own";
    return one ? NULL : real_alloc(arg, p, old_size, new_size);
}

START_TEST(a_reader_without_memory)
{
    static const script_row rows[] = {{.joined = {.name = "own", .reader = 3}},
                                      {.rc = RILL_ENOENT, .sentence = "it is gone"}};
    rill_bus *bus = open_bus(0, rows);
    rill_sub *sub;
    char heard[64];
    real_alloc = bus->host.alloc;
    bus->host.alloc = no_consumer;
    ck_assert_int_eq(rill_tail(bus, &sub, "S", NULL), RILL_ENOMEM);
    bus->host.alloc = real_alloc;
    snprintf(heard, sizeof heard, "ASK %d S \nASK %d S \n", RI_ASK_JOIN, RI_ASK_GROUP_DELETE);
    HEARD(bus, heard);
    OK(rill_close(bus, 10000));
}
END_TEST

/* Whoever waits for an answer hears when the bus is closed. */
typedef struct closing {
    rill_bus *bus;
    const char *word; /* that is heard before */
} closing;

static void *close_soon(void *arg)
{
    const closing *c = arg;
    while (!strstr(script_heard(c->bus), c->word)) continue;
    OK(rill_close(c->bus, 10000));
    return NULL;
}

static int wait_for_get(rill_bus *bus)
{
    rill_msg *m;
    return rill_stream_get(bus, "S", RILL_AT(5), &m);
}

static int wait_for_append(rill_bus *bus)
{
    return rill_append(bus, "s.a", "x", 1, NULL, NULL, -1);
}

static int wait_for_batch(rill_bus *bus)
{
    rill_batch *batch;
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "s.a", "x", 1, NULL));
    int rc = rill_batch_commit(batch, NULL, -1);
    rill_batch_close(batch);
    return rc;
}

START_TEST(closed)
{
    static const script_row rows[] = {{.never = true}};
    static const struct { const char *word; int (*wait)(rill_bus *bus); } waits[] = {
        {"ASK", wait_for_get}, {"APPEND", wait_for_append}, {"BATCH", wait_for_batch}};
    closing c = {open_bus(0, rows), waits[_i].word};
    pthread_t closer;
    ri_bus_ref(c.bus);
    pthread_create(&closer, NULL, close_soon, &c);
    ck_assert_int_eq(waits[_i].wait(c.bus), RILL_ECLOSED);
    pthread_join(closer, NULL);
    ri_bus_unref(c.bus);
}
END_TEST

/* A question that is not waited for is over at once, whatever kind of peer it is. */
START_TEST(not_waited_for)
{
    static const script_row rows[] = {{.never = true}};
    rill_bus *bus = open_bus(_i, rows);
    rill_msg *m;
    int64_t from_ns = ri_mono_ns(&bus->host);
    ck_assert_int_eq(rill_jetstream_ask(bus, "$JS.API.INFO", "", 0, &m, 0), RILL_ETIMEDOUT);
    ck_assert_int_lt(ri_mono_ns(&bus->host) - from_ns, bus->answer_ns / 2);
    OK(rill_close(bus, 10000));
}
END_TEST

/* A bucket whose stream is being deleted, turn by turn, is neither opened nor made anew. */
START_TEST(a_bucket_that_goes)
{
    rill_bus *bus;
    rill_kv *kv;
    OK(rill_open(&bus, "mem:", NULL));
    OK(rill_kv_open(bus, &kv, "b", NULL));
    rill_kv_close(kv);
    ri_broker_enter(bus->broker);
    ri_stream *stream = ri_js_stream(ri_durable_js(bus->broker->durable), RI_STR("KV_b"));
    stream->closing = true;
    ri_broker_leave(bus->broker);
    ck_assert_int_eq(rill_kv_open(bus, &kv, "b", NULL), RILL_EEXIST);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "is being deleted"));
    OK(rill_stream_delete(bus, "KV_b"));
    OK(rill_kv_open(bus, &kv, "b", NULL));
    rill_kv_close(kv);
    OK(rill_close(bus, 10000));
}
END_TEST

SUITE_MAIN_ROWS("handle", SUITE_EACH(2, live, appends, questions, keys, objects, consumers,
                                     in_a_callback, not_waited_for),
                SUITE_EACH(3, closed), SUITE_ONCE(a_reader_without_memory, a_bucket_that_goes))
