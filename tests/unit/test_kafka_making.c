/* SPDX-License-Identifier: Apache-2.0 */
/* Topics whose clients leave while they are made, at the Kafka door of a broker. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_catalog.h"
#include "front/kafka/kafka_serve.h"
#include "front/kafka/kafka_server.h"
#include "support/kclient.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static int port;
static kclient c;

static void start(const rill_broker_opts *opts, const rill_listen_opts *listen)
{
    ck_assert_ok(rill_broker_open(&broker, opts));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", listen);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
}

static void stop(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}

static void setup(void)
{
    start(NULL, NULL);
}

static uint32_t partitions_of(const char *topic)
{
    const ri_kafka_metadata_answer *m =
        kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata(topic));
    ck_assert_uint_eq(m->topics.len, 1);
    return m->topics.items[0].error_code ? 0 : m->topics.items[0].partitions.len;
}

static void await_partitions(const char *topic, uint32_t n)
{
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (partitions_of(topic) != n) ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
}

/* ---- Who leaves while it is made ---- */

static ri_kafka_server *server_of(ri_broker *b)
{
    return ri_container_of(ri_container_of(b->doors.next, ri_door, link), ri_kafka_server, door);
}

/* Inside the gate: how many partitions the topic seems to have. */
static int32_t seen_of(ri_broker *b, ri_str name)
{
    ri_kafka_topic topic;
    ri_js *js = ri_durable_js(b->durable);
    return ri_kafka_catalog_find(js, name, &topic) ? ri_kafka_catalog_partitions(js, &topic) : 0;
}

/* Under way: some of it is made, and not all, and nothing of it is seen. While that is looked at
 * nothing is made, so that who leaves then leaves it as it was seen. */
static bool leave_amid(kclient *one)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    bool amid = false;
    ri_broker_enter(b);
    ri_list_each (item, &server_of(b)->making) {
        const ri_kafka_making *m = ri_container_of(item, ri_kafka_making, link);
        if (m->at == m->from || m->at == m->partitions) continue;
        ck_assert_int_eq(seen_of(b, m->name), m->from);
        amid = true;
    }
    if (amid) kclient_close(one);
    ri_broker_leave(b);
    return amid;
}

/* All that was begun is over. */
static void await_made(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    for (bool over = false; !over;) {
        ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
        ri_broker_enter(b);
        over = ri_list_empty(&server_of(b)->making) && ri_list_empty(&server_of(b)->left);
        ri_broker_leave(b);
    }
}

static size_t streams(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    size_t n;
    ri_broker_enter(b);
    ri_js_streams(ri_durable_js(b->durable), &n);
    ri_broker_leave(b);
    return n;
}

/* Who asks for it, and leaves amid. False: it was over before anybody looked. */
static bool ask_and_leave(int16_t key, int16_t version, const void *q)
{
    kclient one;
    kclient_open(&one, port);
    kclient_send(&one, key, version, q);
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (!leave_amid(&one)) {
        ri_str frame;
        ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
        if (!kclient_frame(&one, 0, &frame)) continue;
        kclient_close(&one);
        return false;
    }
    return true;
}

/* The same with topics until one was left amid: its name. */
static const char *create_and_leave(int32_t partitions)
{
    static char name[16];
    for (int i = 0; ; i++) {
        snprintf(name, sizeof name, "big%d", i);
        if (ask_and_leave(RI_KAFKA_CREATE_TOPICS, 5, kclient_create(name, partitions)))
            return name;
    }
}

static const ri_kafka_create_partitions_request *more_of(const char *topic, int32_t count)
{
    static ri_kafka_create_partitions_request q;
    static ri_kafka_create_partitions_request_topic t;
    ri_kafka_blank(ri_kafka_create_partitions_request_type(), &q);
    ri_kafka_blank(ri_kafka_create_partitions_request_topic_type(), &t);
    t.name = ri_str_of(topic);
    t.count = count;
    KCLIENT_ONE(q.topics, &t);
    q.timeout_ms = WAIT_MS;
    return &q;
}

/* A topic has all of its partitions, or none, also when nobody waits for it any more. */
START_TEST(test_left)
{
    enum { MANY = 4000, MORE = 8000, OWN = 1000 };
    const char *big = create_and_leave(MANY);
    await_partitions(big, MANY);
    ask_and_leave(RI_KAFKA_CREATE_PARTITIONS, 3, more_of(big, MORE));
    await_partitions(big, MORE);
    stop();
    start(NULL, RILL_OPTS(rill_listen_opts, .partitions = OWN));
    ri_kafka_metadata_request m = *kclient_metadata("own");
    m.allow_auto_topic_creation = true;
    ask_and_leave(RI_KAFKA_METADATA, 9, &m);
    await_partitions("own", OWN);
}
END_TEST

static rill_bus *take_subject_of(const char *topic, int32_t index)
{
    rill_bus *bus;
    char subject[32];
    ri_buffer text;
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ri_buffer_init(&text, &c.host);
    ri_kafka_catalog_put_subject(ri_str_of(topic), index, &text);
    snprintf(subject, sizeof subject, "%.*s", RI_ARG(ri_buffer_str(&text)));
    ri_buffer_fini(&text);
    ck_assert_int_eq(rill_stream_ensure(bus, "S",
                                        RILL_OPTS(rill_stream_opts, .subjects = subject)), 1);
    return bus;
}

/* One of them cannot be made: all go again. */
START_TEST(test_left_undone)
{
    enum { MANY = 4000, TAKEN = 500 };
    rill_bus *bus = NULL;
    char name[16];
    bool amid = false;
    for (int i = 0; !amid; i++) {
        snprintf(name, sizeof name, "big%d", i);
        if (bus) {
            rill_close(bus, WAIT_MS);
            stop();
            setup();
        }
        bus = take_subject_of(name, TAKEN);
        amid = ask_and_leave(RI_KAFKA_CREATE_TOPICS, 5, kclient_create(name, MANY));
        await_made();
    }
    ck_assert_uint_eq(streams(), 1);
    ck_assert_uint_eq(partitions_of(name), 0);
    rill_close(bus, WAIT_MS);
}
END_TEST

/* ---- What is made, and what is not ---- */

static int16_t more_error(const char *topic, int32_t count)
{
    const ri_kafka_create_partitions_answer *a =
        kclient_ask(&c, RI_KAFKA_CREATE_PARTITIONS, 3, more_of(topic, count));
    return a->results.items[0].error_code;
}

/* What cannot be whole is not seen of anybody: no record is taken by what goes again. */
START_TEST(test_unseen)
{
    rill_bus *bus = take_subject_of("t", 4);
    kclient_created(&c, "t", 3);
    ck_assert_int_eq(more_error("t", 9), RI_KAFKA_E_INVALID_TOPIC);
    ck_assert_uint_eq(partitions_of("t"), 3);
    ck_assert_uint_eq(streams(), 4);
    ck_assert_int_eq(more_error("t", 4), 0);
    ck_assert_uint_eq(partitions_of("t"), 4);
    rill_close(bus, WAIT_MS);
}
END_TEST

static void ensure_part(rill_bus *bus, const char *stream, const char *subject)
{
    ck_assert_int_eq(rill_stream_ensure(bus, stream,
                                        RILL_OPTS(rill_stream_opts, .subjects = subject)), 1);
}

/* What a power cut has left is taken when the client asks again; what would be one partition too
 * many is named; what takes another subject is no partition. */
START_TEST(test_left_over)
{
    rill_bus *bus;
    kclient_created(&c, "t", 4);
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_ok(rill_stream_delete(bus, "t~1"));
    ck_assert_uint_eq(partitions_of("t"), 1); /* 2 and 3 are left */
    ck_assert_int_eq(more_error("t", 2), RI_KAFKA_E_INVALID_PARTITIONS);
    ck_assert_int_eq(more_error("t", 4), 0);
    ck_assert_uint_eq(partitions_of("t"), 4);
    ensure_part(bus, "a", "a");
    ensure_part(bus, "a~1", "b.c");
    ck_assert_uint_eq(partitions_of("a"), 1);
    rill_close(bus, WAIT_MS);
}
END_TEST

/* More partitions of a program's topic are as its first. */
START_TEST(test_as_the_first)
{
    rill_bus *bus;
    rill_stream_info info = {.size = sizeof info};
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_int_eq(rill_stream_ensure(bus, "orders", RILL_OPTS(rill_stream_opts,
        .subjects = "sales.orders", .partitions = 2, .max_msgs = 77)), 1);
    ck_assert_int_eq(more_error("orders", 3), 0);
    ck_assert_ok(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.partitions, 3);
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    const ri_stream_conf *conf =
        ri_stream_conf_of(ri_js_stream(ri_durable_js(b->durable), RI_STR("orders~2")));
    ck_assert_int_eq(conf->max_msgs, 77);
    ck_assert_int_eq(conf->max_age, 0);
    ck_assert_uint_eq(conf->subjects.len, 1);
    ck_assert_span(conf->subjects.items[0], "sales.orders.~2");
    ri_broker_leave(b);
    rill_close(bus, WAIT_MS);
}
END_TEST

/* What is known of a topic while it is made counts as work, and has to find room. */
START_TEST(test_room)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_memory *memory = &b->router.memory;
    const ri_kafka_wanted wanted = {.name = RI_STR("t"), .partitions = 3};
    ri_kafka_making *m;
    ri_broker_enter(b);
    ri_memory_set_limit(memory, 64 << 20);
    uint64_t before = ri_memory_used(memory, RI_MEMORY_WORK);
    uint64_t rest = ri_memory_share(memory, RI_MEMORY_WORK) - before;
    ri_memory_charge(memory, RI_MEMORY_WORK, rest);
    ck_assert_int_eq(ri_kafka_making_begin(server_of(b), &wanted, &m), RI_KAFKA_E_STORAGE);
    ck_assert_ptr_null(m);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "no room"));
    ri_memory_refund(memory, RI_MEMORY_WORK, rest);
    ck_assert_int_eq(ri_kafka_making_begin(server_of(b), &wanted, &m), RI_KAFKA_E_NONE);
    ck_assert_uint_eq(ri_memory_used(memory, RI_MEMORY_WORK), before + m->bytes);
    ri_kafka_making *other;
    ck_assert_int_eq(ri_kafka_making_begin(server_of(b), &wanted, &other),
                     RI_KAFKA_E_TOPIC_EXISTS);
    ri_kafka_making_leave(m); /* nothing of it is there */
    ck_assert_uint_eq(ri_memory_used(memory, RI_MEMORY_WORK), before);
    ri_broker_leave(b);
}
END_TEST

/* ---- The broker closes ---- */

/* A broker that is closed makes it whole before. */
START_TEST(test_left_closed)
{
    enum { MANY = 4000 };
    char dir[SCRATCH_LEN];
    scratch_make(dir);
    stop();
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .sync = RILL_SYNC_NEVER), NULL);
    const char *big = create_and_leave(MANY);
    stop();
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .sync = RILL_SYNC_NEVER), NULL);
    ck_assert_uint_eq(partitions_of(big), MANY);
    stop();
    scratch_remove(dir);
    start(NULL, NULL);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(setup, stop, test_left, test_left_undone,
                                         test_left_closed, test_unseen, test_left_over,
                                         test_as_the_first, test_room)};
    return suite_run("kafka_making", rows, RI_LEN(rows), CK_FORK_GETENV);
}
