/* SPDX-License-Identifier: Apache-2.0 */
/* The works of peers.h that concern Kafka, over bare librdkafka. As idempotent, and with the window
 * and the linger, that kafka:// has. */
#include "peers.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH = 1000,
    REPORTS = 100,  /* records between two looks for reports */
    WINDOW = 50000, /* records that are not delivered yet, as of kafka:// */
};

const char *peers_version(void)
{
    static char text[64];
    snprintf(text, sizeof text, "librdkafka %s", rd_kafka_version_str());
    return text;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why)) wire_die("%s: %s", key, why);
}

static rd_kafka_t *client_of(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *broker)
{
    char why[256];
    set(conf, "bootstrap.servers", broker);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) wire_die("rd_kafka_new: %s", why);
    return rk;
}

/* ---- Append ---- */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    if (m->err) wire_die("produce: %s", rd_kafka_err2str(m->err));
    ++*(long *)opaque;
}

static rd_kafka_t *producer_of(const char *broker, long *stored, int most)
{
    char window[16];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(window, sizeof window, "%d", most);
    set(conf, "queue.buffering.max.messages", window);
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "1");
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, stored);
    return client_of(RD_KAFKA_PRODUCER, conf, broker);
}

/* The first record, which finds the broker. */
static void append_first(rd_kafka_t *rk, rd_kafka_topic_t *topic, const long *stored)
{
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, peers_data, PEERS_SIZE,
                         NULL, 0, NULL)) wire_die("produce");
    while (*stored < 1) rd_kafka_poll(rk, PEERS_WAIT_MS);
}

static void append_each(rd_kafka_t *rk, rd_kafka_topic_t *topic, long count)
{
    for (long i = 0; i < count; i++) {
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, peers_data,
                                PEERS_SIZE, NULL, 0, NULL))
            rd_kafka_poll(rk, 1);
        if (i % REPORTS == 0) rd_kafka_poll(rk, 0);
    }
}

/* Those at the end of a batch that found no room are tried again. */
static void append_batches(rd_kafka_t *rk, rd_kafka_topic_t *topic, long count)
{
    static rd_kafka_message_t batch[BATCH];
    for (long left = count; left > 0;) {
        int n = left < BATCH ? (int)left : BATCH;
        for (int i = 0; i < n; i++)
            batch[i] = (rd_kafka_message_t){.payload = peers_data, .len = PEERS_SIZE};
        int taken = rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                           batch, n);
        left -= taken;
        rd_kafka_poll(rk, taken < n);
    }
}

static void append(const char *url, long count, int most,
                   void (*way)(rd_kafka_t *rk, rd_kafka_topic_t *topic, long count))
{
    long stored = 0;
    peers_place at = peers_place_of(url);
    rd_kafka_t *rk = producer_of(at.broker, &stored, most);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, at.topic, NULL);
    append_first(rk, topic, &stored);
    peers_begin();
    way(rk, topic, count);
    while (stored < count + 1) rd_kafka_poll(rk, PEERS_WAIT_MS);
    peers_end(count);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
}

static void run_append(const char *url, long count)
{
    append(url, count, WINDOW, append_each);
}

static void run_append_few(const char *url, long count)
{
    append(url, count, PEERS_FEW, append_each);
}

static void run_append_batches(const char *url, long count)
{
    append(url, count, WINDOW, append_batches);
}

static void run_append_batches_few(const char *url, long count)
{
    append(url, count, PEERS_FEW, append_batches);
}

/* ---- Tail ---- */

typedef struct tail {
    long n;
    size_t bytes;
    bool looks; /* at headers, as who must know whether a message has some */
} tail;

static void take(rd_kafka_message_t *m, void *arg)
{
    tail *t = arg;
    rd_kafka_headers_t *headers;
    if (m->err) wire_die("consume: %s", rd_kafka_err2str(m->err));
    if (t->looks && !rd_kafka_message_headers(m, &headers)) wire_die("consume: headers");
    t->n++;
    t->bytes += m->len;
}

static void tail_called(rd_kafka_queue_t *queue, tail *t)
{
    rd_kafka_consume_callback_queue(queue, PEERS_WAIT_MS, take, t);
}

static void tail_batch(rd_kafka_queue_t *queue, tail *t)
{
    rd_kafka_message_t *messages[PEERS_FETCH];
    ssize_t n = rd_kafka_consume_batch_queue(queue, 10, messages, t->n ? PEERS_FETCH : 1);
    for (ssize_t i = 0; i < n; i++) {
        take(messages[i], t);
        rd_kafka_message_destroy(messages[i]);
    }
}

/* What comes first has found the broker, and is not measured. */
static void read_topic(const char *url, long count, bool looks,
                       void (*way)(rd_kafka_queue_t *queue, tail *t))
{
    tail t = {.looks = looks};
    peers_place at = peers_place_of(url);
    rd_kafka_t *rk = client_of(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), at.broker);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, at.topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (rd_kafka_consume_start_queue(topic, 0, RD_KAFKA_OFFSET_BEGINNING, queue))
        wire_die("consume: %s", at.topic);
    while (t.n == 0) way(queue, &t);
    long first = t.n;
    peers_begin();
    while (t.n < count) way(queue, &t);
    peers_end(t.n - first);
    if (t.bytes != (size_t)t.n * PEERS_SIZE) wire_die("consume: %zu bytes", t.bytes);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
}

static void run_tail(const char *url, long count)
{
    read_topic(url, count, false, tail_batch);
}

static void run_tail_called(const char *url, long count)
{
    read_topic(url, count, false, tail_called);
}

static void run_tail_headers(const char *url, long count)
{
    read_topic(url, count, true, tail_batch);
}

static void run_tail_headers_called(const char *url, long count)
{
    read_topic(url, count, true, tail_called);
}

const peers_work peers_works[] = {
    {"kafka_append", run_append},
    {"kafka_append_few", run_append_few},
    {"kafka_append_batches", run_append_batches},
    {"kafka_append_batches_few", run_append_batches_few},
    {"kafka_tail", run_tail},
    {"kafka_tail_called", run_tail_called},
    {"kafka_tail_headers", run_tail_headers},
    {"kafka_tail_headers_called", run_tail_headers_called},
    {NULL, NULL},
};
