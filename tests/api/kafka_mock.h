/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster that librdkafka has for tests, three brokers in this process, and handles at it.
 * Looped, _i is the drive: 0 a thread, 1 the caller. What that cluster cannot do (topics made and
 * purged, groups that change) is tested with a real one by tests/peers/kafka.sh.
 *
 * Its brokers answer a fetch that finds nothing when its time is up and no earlier, so handles ask
 * with a short one; and a group's first members wait there for 3 s, whatever they ask for. Nothing
 * in these tests measures time but for what is to be much shorter than a wait that is tested. */
#ifndef RI_TEST_KAFKA_MOCK_H
#define RI_TEST_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include "api.h"

/* Numbers of requests in Kafka's protocol. */
enum { MOCK_PRODUCE = 0, MOCK_FETCH = 1, MOCK_OFFSET_COMMIT = 8 };

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static char url[256];
static atomic_int ups, downs, errors, last_error;

static inline void begin(void)
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
    ups = downs = errors = last_error = 0;
}

static inline void end(rill_bus *bus)
{
    if (bus) OK(rill_close(bus, 60000));
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
}

static inline void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    ck_assert_ptr_nonnull(ev->detail);
    if (ev->kind == RILL_EV_UP) ups++;
    if (ev->kind == RILL_EV_DOWN) downs++;
    if (ev->kind != RILL_EV_ERROR) return;
    last_error = ev->err;
    errors++;
}

/* With lines of librdkafka's configuration beside that of these tests. */
static inline const char *config_of(const char *more)
{
    static char config[1024];
    snprintf(config, sizeof config, "fetch.wait.max.ms=10\n%s", more ? more : "");
    return config;
}

static inline rill_bus *join_with(int i, rill_opts opts)
{
    rill_bus *bus = NULL;
    opts.size = sizeof opts;
    opts.drive = i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    opts.on_event = on_event;
    opts.kafka_config = config_of(opts.kafka_config);
    opts.connect_timeout_ms = 60000; /* a machine may be busy */
    if (!opts.call_timeout_ms) opts.call_timeout_ms = 60000;
    OK(rill_open(&bus, url, &opts));
    return bus;
}

static inline rill_bus *join(int i, const char *config)
{
    return join_with(i, (rill_opts){.kafka_config = config});
}

static inline rill_receipt append(rill_bus *bus, const char *topic, const char *text)
{
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, topic, text, strlen(text), NULL, &receipt, 60000));
    return receipt;
}

static inline void append_numbers(rill_bus *bus, const char *topic, int n)
{
    char text[16];
    for (int i = 1; i <= n; i++) {
        snprintf(text, sizeof text, "%d", i);
        append(bus, topic, text);
    }
}

static inline const rill_msg *next(rill_sub *sub)
{
    const rill_msg *m = NULL;
    OK(rill_next(sub, &m, 40000));
    return m;
}

static inline void next_is(rill_sub *sub, const char *text)
{
    const rill_msg *m = next(sub);
    TEXT_IS(m->data, text);
}

static inline void nothing_comes(rill_sub *sub)
{
    const rill_msg *m;
    FAILS(rill_next(sub, &m, 200), RILL_ETIMEDOUT);
}

static inline rill_sub *tail(rill_bus *bus, const rill_sub_opts *opts)
{
    rill_sub *sub = NULL;
    OK(rill_tail(bus, &sub, "orders", opts));
    return sub;
}

static inline rill_sub *consume(rill_bus *bus, const rill_sub_opts *opts)
{
    rill_sub *sub = NULL;
    OK(rill_consume(bus, &sub, "orders", opts));
    return sub;
}

static inline void set_all(bool up)
{
    for (int id = 1; id <= 3; id++)
        if (up) rd_kafka_mock_broker_set_up(cluster, id);
        else rd_kafka_mock_broker_set_down(cluster, id);
}

static inline void set_slow(int rtt_ms)
{
    for (int id = 1; id <= 3; id++) rd_kafka_mock_broker_set_rtt(cluster, id, rtt_ms);
}

/* Its reader finds that the partition ends before its place, as if the topic had been made anew.
 * The first answer at the end of a partition is taken for that end, whatever it says. */
static inline void mock_restart_partition(void)
{
    rd_kafka_mock_push_request_errors(cluster, MOCK_FETCH, 2,
                                      RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                      RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
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

#endif
