/* SPDX-License-Identifier: Apache-2.0 */
/* kafka:// against bare librdkafka, over the same cluster and in turns: records appended with a
 * callback each, and read from the first on. BROKERS is a cluster's; without it, the one of
 * librdkafka for tests, in this process, whose share of the processor is the same for both.
 *
 *     bench_kafka [BROKERS [RECORDS]]
 *
 * That cluster keeps 5 MiB of a partition, and forgets the oldest: as many records as it keeps are
 * the most there, and what is measured is short.
 *
 * Prints, for each, the best of five rounds in records a second, and the quotients. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "rill.h"

enum { SIZE = 128, ROUNDS = 5, READ = 1000, KEPT = 20000 };

static const char *brokers;
static long records = 300000;
static char data[SIZE];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_kafka: %s: %s\n", what, why);
    exit(1);
}

#define OK(call)                                   \
    do {                                           \
        if ((call) < 0) die(#call, rill_errmsg()); \
    } while (0)

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

typedef struct result {
    double rate, cpu_us; /* records a second; processor time of a record, of all in this process */
} result;

static result measured(double began, double cpu_began)
{
    return (result){(double)records / (now() - began),
                    (cpu() - cpu_began) * 1e6 / (double)records};
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 100000}, NULL);
}

/* ---- rill ---- */

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    if (err) die("append", rill_errmsg());
    atomic_fetch_add_explicit((atomic_long *)arg, 1, memory_order_relaxed);
}

static rill_bus *rill_bus_of(void)
{
    char url[512];
    rill_bus *bus;
    snprintf(url, sizeof url, "kafka://%s", brokers);
    OK(rill_open(&bus, url, NULL));
    return bus;
}

static result rill_appends(const char *topic)
{
    rill_bus *bus = rill_bus_of();
    atomic_long stored = 0;
    OK(rill_append(bus, topic, data, SIZE, NULL, NULL, 10000));
    double began = now(), used = cpu();
    for (long i = 0; i < records; i++) {
        int rc;
        while ((rc = rill_append_async(bus, topic, data, SIZE, NULL, on_stored,
                                       (void *)&stored)) == RILL_EAGAIN) nap();
        OK(rc);
    }
    while (stored < records) nap();
    result r = measured(began, used);
    OK(rill_close(bus, 10000));
    return r;
}

static result rill_reads(const char *topic)
{
    rill_bus *bus = rill_bus_of();
    rill_sub *sub;
    const rill_msg *msgs[READ];
    OK(rill_tail(bus, &sub, topic, NULL));
    OK(rill_read(sub, msgs, 1, 10000)); /* connecting is no part of it */
    double began = now(), used = cpu();
    for (long n = 1; n < records;) {
        int got = rill_read(sub, msgs, READ, 10000);
        OK(got);
        n += got;
    }
    result r = measured(began, used);
    rill_sub_close(sub);
    OK(rill_close(bus, 10000));
    return r;
}

/* ---- librdkafka ---- */

static rd_kafka_t *bare(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) die("librdkafka", why);
    return rk;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    if (m->err) die("produce", rd_kafka_err2str(m->err));
    ++*(long *)opaque;
}

/* As idempotent, and with the linger, that kafka:// has. */
static result bare_appends(const char *topic)
{
    long stored = 0;
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "1", why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, &stored);
    rd_kafka_t *rk = bare(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_produce(rkt, -1, RD_KAFKA_MSG_F_COPY, data, SIZE, NULL, 0, NULL);
    while (stored < 1) rd_kafka_poll(rk, 100);
    double began = now(), used = cpu();
    for (long i = 0; i < records; i++) {
        while (rd_kafka_produce(rkt, -1, RD_KAFKA_MSG_F_COPY, data, SIZE, NULL, 0, NULL))
            rd_kafka_poll(rk, 1);
        if (i % 100 == 0) rd_kafka_poll(rk, 0);
    }
    while (stored < records + 1) rd_kafka_poll(rk, 100);
    result r = measured(began, used);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    return r;
}

static result bare_reads(const char *topic)
{
    rd_kafka_message_t *messages[READ];
    rd_kafka_t *rk = bare(RD_KAFKA_CONSUMER, rd_kafka_conf_new());
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_consume_start_queue(rkt, 0, RD_KAFKA_OFFSET_BEGINNING, queue);
    double began = 0, used = 0;
    for (long n = 0; n < records;) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 10, messages, n ? READ : 1);
        if (n == 0) began = now(), used = cpu(); /* connecting is no part of it */
        for (ssize_t i = 0; i < got; i++) {
            if (messages[i]->err) die("consume", rd_kafka_err2str(messages[i]->err));
            rd_kafka_message_destroy(messages[i]);
        }
        n += got > 0 ? got : 0;
    }
    result r = measured(began, used);
    rd_kafka_consume_stop(rkt, 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    return r;
}

/* ---- In turns ---- */

static void best(result *to, result r)
{
    if (r.rate <= to->rate) return;
    *to = r;
}

static void row(const char *what, result ours, result theirs)
{
    printf("%-18s %10.0f/s %6.2f us   %10.0f/s %6.2f us   %5.2fx\n", what, ours.rate, ours.cpu_us,
           theirs.rate, theirs.cpu_us, ours.rate / theirs.rate);
}

int main(int argc, char **argv)
{
    rd_kafka_t *owner = NULL;
    rd_kafka_mock_cluster_t *cluster = NULL;
    char topic[64];
    if (argc > 2) records = atol(argv[2]);
    if (argc > 1) {
        brokers = argv[1];
    } else {
        brokers = "127.0.0.1:1";
        records = KEPT;
        owner = bare(RD_KAFKA_PRODUCER, rd_kafka_conf_new());
        cluster = rd_kafka_mock_cluster_new(owner, 1);
        brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    }
    result append_rill = {0}, append_bare = {0}, read_rill = {0}, read_bare = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int side = 0; side < 2; side++) {
            rill_bus *bus;
            snprintf(topic, sizeof topic, "bench_%d_%d_%ld", round, side, (long)time(NULL));
            bus = rill_bus_of();
            if (cluster) rd_kafka_mock_topic_create(cluster, topic, 1, 1);
            else OK(rill_stream_ensure(bus, topic, NULL));
            if (side) best(&append_bare, bare_appends(topic));
            else best(&append_rill, rill_appends(topic));
            if (round % 2) best(&read_bare, bare_reads(topic));
            best(&read_rill, rill_reads(topic));
            if (round % 2 == 0) best(&read_bare, bare_reads(topic));
            if (!cluster) OK(rill_stream_delete(bus, topic));
            OK(rill_close(bus, 10000));
        }
    }
    printf("%-18s %23s   %23s\n", "128 B", "kafka://", "librdkafka");
    row("append, callbacks", append_rill, append_bare);
    row("tail", read_rill, read_bare);
    if (cluster) rd_kafka_mock_cluster_destroy(cluster);
    if (owner) rd_kafka_destroy(owner);
    return 0;
}
