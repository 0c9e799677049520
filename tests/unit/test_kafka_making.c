/* SPDX-License-Identifier: Apache-2.0 */
/* Topics whose clients leave while they are made, at the Kafka door of a broker. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "front/kafka/kafka_catalog.h"
#include "support/kclient.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 10000 };

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

/* Who asks for it, and leaves when the first partition is there. */
static void ask_and_leave(int16_t key, int16_t version, const void *q, const char *topic)
{
    kclient one;
    uint32_t had = partitions_of(topic);
    kclient_open(&one, port);
    kclient_send(&one, key, version, q);
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (partitions_of(topic) == had) ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
    kclient_close(&one);
}

/* A topic has all of its partitions, or none, also when nobody waits for it any more. */
START_TEST(test_left)
{
    enum { MANY = 4000, MORE = 8000, OWN = 1000 };
    ask_and_leave(RI_KAFKA_CREATE_TOPICS, 5, kclient_create("big", MANY), "big");
    await_partitions("big", MANY);
    ri_kafka_create_partitions_request q;
    ri_kafka_blank(ri_kafka_create_partitions_request_type(), &q);
    ri_kafka_create_partitions_request_topic t = {.name = RI_STR("big"), .count = MORE};
    q.topics.items = &t;
    q.topics.len = 1;
    q.timeout_ms = WAIT_MS;
    ask_and_leave(RI_KAFKA_CREATE_PARTITIONS, 3, &q, "big");
    await_partitions("big", MORE);
    stop();
    start(NULL, RILL_OPTS(rill_listen_opts, .partitions = OWN));
    ri_kafka_metadata_request m = *kclient_metadata("own");
    m.allow_auto_topic_creation = true;
    ask_and_leave(RI_KAFKA_METADATA, 9, &m, "own");
    await_partitions("own", OWN);
}
END_TEST

/* One of them cannot be made: all go again. */
START_TEST(test_left_undone)
{
    enum { MANY = 4000, TAKEN = 3500 };
    rill_bus *bus;
    char subject[32];
    ri_buffer text;
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ri_buffer_init(&text, &c.host);
    ri_kafka_catalog_put_subject(RI_STR("big"), TAKEN, &text);
    snprintf(subject, sizeof subject, "%.*s", RI_ARG(ri_buffer_str(&text)));
    ri_buffer_fini(&text);
    ck_assert_int_eq(rill_stream_ensure(bus, "S",
                                        RILL_OPTS(rill_stream_opts, .subjects = subject)), 1);
    ask_and_leave(RI_KAFKA_CREATE_TOPICS, 5, kclient_create("big", MANY), "big");
    await_partitions("big", 0);
    const ri_kafka_metadata_answer *m =
        kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata(NULL));
    ck_assert_uint_eq(m->topics.len, 1);
    ck_assert_span(m->topics.items[0].name, "S");
    rill_close(bus, WAIT_MS);
}
END_TEST

/* A broker that is closed makes it whole before. */
START_TEST(test_left_closed)
{
    enum { MANY = 4000 };
    char dir[SCRATCH_LEN];
    scratch_make(dir);
    stop();
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .sync = RILL_SYNC_NEVER), NULL);
    ask_and_leave(RI_KAFKA_CREATE_TOPICS, 5, kclient_create("big", MANY), "big");
    stop();
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .sync = RILL_SYNC_NEVER), NULL);
    ck_assert_uint_eq(partitions_of("big"), MANY);
    stop();
    scratch_remove(dir);
    start(NULL, NULL);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(setup, stop, test_left, test_left_undone,
                                         test_left_closed)};
    return suite_run("kafka_making", rows, RI_LEN(rows), CK_FORK_GETENV);
}
