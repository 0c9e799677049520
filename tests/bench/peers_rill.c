/* SPDX-License-Identifier: Apache-2.0 */
/* The works of peers.h over rill. Handles have no threads where one thread does the work
 * (RILL_DRIVE_HOST), and what waits to be sent is as much as a processor's cache holds. */
#include "peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rill.h"

#define OK(call)                                              \
    do {                                                      \
        if ((call) < 0) wire_die("%s: %s", #call, rill_errmsg()); \
    } while (0)

const char *peers_version(void)
{
    static char text[32];
    uint32_t v = rill_version();
    snprintf(text, sizeof text, "rill %u.%u.%u", v >> 16, v >> 8 & 255, v & 255);
    return text;
}

static rill_bus *bus_of(const char *url, rill_drive drive)
{
    rill_bus *bus;
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = drive, .send_buffer_bytes = 1 << 20,
                                      .max_inflight = PEERS_WINDOW)));
    return bus;
}

static void bus_close(rill_bus *bus)
{
    OK(rill_close(bus, PEERS_WAIT_MS));
}

/* ---- Live ---- */

static void run_publish(const char *url, long count)
{
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    OK(rill_flush(bus, PEERS_WAIT_MS));
    peers_begin();
    for (long i = 0; i < count; i++) {
        int rc;
        while ((rc = rill_publish(bus, PEERS_SUBJECT, peers_data, PEERS_SIZE, NULL)) == RILL_EAGAIN)
            OK(rill_poll(bus, -1));
        OK(rc);
    }
    OK(rill_flush(bus, PEERS_WAIT_MS));
    peers_end(count);
    bus_close(bus);
}

/* Until `count` have come. */
static void read_all(rill_sub *sub, long count, void (*came)(long))
{
    const rill_msg *msgs[PEERS_FETCH];
    for (long n = 0; n < count;) {
        int got = rill_read(sub, msgs, PEERS_FETCH, PEERS_WAIT_MS);
        OK(got);
        n += got;
        if (came) came(n);
    }
}

static void run_receive(const char *url, long count)
{
    rill_sub *sub;
    peers_source(url, count);
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    OK(rill_subscribe(bus, &sub, PEERS_SUBJECT,
                      RILL_OPTS(rill_sub_opts, .pending_msgs = 1 << 20)));
    OK(rill_flush(bus, PEERS_WAIT_MS));
    peers_begin();
    peers_came(0);
    read_all(sub, count, peers_came);
    peers_end(count);
    rill_sub_close(sub);
    bus_close(bus);
}

static void ask_all(rill_bus *bus, const char *subject, long count)
{
    for (long i = 0; i < count; i++) {
        rill_msg *reply;
        OK(rill_request(bus, subject, peers_data, PEERS_SIZE, NULL, &reply, PEERS_WAIT_MS));
        rill_msg_unref(reply);
    }
}

static void run_request(const char *url, long count)
{
    peers_echo(url);
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    ask_all(bus, PEERS_ECHO, 100);
    peers_begin();
    ask_all(bus, PEERS_ECHO, count);
    peers_end(count);
    bus_close(bus);
}

/* ---- Streams ---- */

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    if (err < 0) wire_die("append: %s", rill_errmsg());
    ++*(long *)arg;
}

static void stream_make(rill_bus *bus)
{
    int rc = rill_stream_delete(bus, PEERS_STREAM);
    if (rc != RILL_ENOENT) OK(rc);
    OK(rill_stream_ensure(bus, PEERS_STREAM, RILL_OPTS(rill_stream_opts, .in_memory = true,
                                                       .subjects = PEERS_SUBJECT)));
}

static void run_js_publish(const char *url, long count)
{
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    long stored = 0;
    stream_make(bus);
    peers_begin();
    for (long i = 0; i < count;) {
        int rc = i - stored >= PEERS_WINDOW
                     ? RILL_EAGAIN
                     : rill_append_async(bus, PEERS_SUBJECT, peers_data, PEERS_SIZE, NULL,
                                         on_stored, &stored);
        if (rc == RILL_EAGAIN) OK(rill_poll(bus, PEERS_WAIT_MS));
        else OK(rc);
        if (rc >= 0) i++;
    }
    while (stored < count)
        if (rill_poll(bus, PEERS_WAIT_MS) <= 0) wire_die("no receipts: %s", rill_errmsg());
    peers_end(count);
    bus_close(bus);
}

static void run_js_fetch(const char *url, long count)
{
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    rill_sub *sub;
    OK(rill_consume(bus, &sub, PEERS_STREAM,
                    RILL_OPTS(rill_sub_opts, .group = "rill_fetch", .ack = RILL_ACK_NONE)));
    peers_begin();
    read_all(sub, count, NULL);
    peers_end(count);
    rill_sub_close(sub);
    OK(rill_group_delete(bus, PEERS_STREAM, "rill_fetch"));
    bus_close(bus);
}

static void run_js_consume(const char *url, long count)
{
    rill_bus *bus = bus_of(url, RILL_DRIVE_HOST);
    rill_sub *sub;
    const rill_msg *msgs[PEERS_FETCH];
    OK(rill_consume(bus, &sub, PEERS_STREAM,
                    RILL_OPTS(rill_sub_opts, .group = "rill_consume",
                              .max_unacked = PEERS_UNACKED)));
    peers_begin();
    for (long n = 0; n < count;) {
        int got = rill_read(sub, msgs, PEERS_FETCH, PEERS_WAIT_MS);
        OK(got);
        for (int i = 0; i < got; i++)
            OK(rill_ack(msgs[i]));
        n += got;
    }
    OK(rill_flush(bus, PEERS_WAIT_MS));
    peers_end(count);
    rill_sub_close(sub);
    OK(rill_group_delete(bus, PEERS_STREAM, "rill_consume"));
    bus_close(bus);
}

/* ---- Kafka ---- */

/* `most` may wait for their delivery; 0: as many as is the default. */
static rill_bus *kafka_bus(const peers_place *at, rill_drive drive, uint32_t most)
{
    rill_bus *bus;
    char url[160];
    snprintf(url, sizeof url, "kafka://%s", at->broker);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = drive, .max_inflight = most)));
    return bus;
}

enum { KAFKA_TOLD = 1000 }; /* receipts, of which the last one is told */
static atomic_long kafka_stored;
static pthread_mutex_t kafka_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t kafka_told = PTHREAD_COND_INITIALIZER;

/* A handle with threads calls back on one of them, which tells now and then. */
static void on_stored_there(int err, const rill_receipt *receipt, void *arg)
{
    on_stored(err, receipt, arg);
    long n = *(long *)arg;
    if (n % KAFKA_TOLD != 0) return;
    pthread_mutex_lock(&kafka_lock);
    kafka_stored = n;
    pthread_cond_signal(&kafka_told);
    pthread_mutex_unlock(&kafka_lock);
}

/* Until something happens: in rill_poll(), or on the handle's own thread, after `seen`. */
static void kafka_wait(rill_bus *bus, rill_drive drive, long seen)
{
    if (drive == RILL_DRIVE_HOST) {
        OK(rill_poll(bus, PEERS_WAIT_MS));
        return;
    }
    pthread_mutex_lock(&kafka_lock);
    while (kafka_stored == seen) pthread_cond_wait(&kafka_told, &kafka_lock);
    pthread_mutex_unlock(&kafka_lock);
}

static void kafka_append(const char *url, long count, rill_drive drive, uint32_t most)
{
    peers_place at = peers_place_of(url);
    rill_bus *bus = kafka_bus(&at, drive, most);
    long stored = 0;
    count = (count + KAFKA_TOLD - 1) / KAFKA_TOLD * KAFKA_TOLD;
    OK(rill_append(bus, at.topic, peers_data, PEERS_SIZE, NULL, NULL, PEERS_WAIT_MS));
    peers_begin();
    for (long i = 0; i < count; i++) {
        int rc;
        long seen = kafka_stored;
        while ((rc = rill_append_async(bus, at.topic, peers_data, PEERS_SIZE, NULL,
                                       on_stored_there, &stored)) == RILL_EAGAIN) {
            kafka_wait(bus, drive, seen);
            seen = kafka_stored;
        }
        OK(rc);
        if (drive == RILL_DRIVE_HOST && i % 100 == 0) OK(rill_poll(bus, 0));
    }
    for (long seen; (seen = kafka_stored) < count;) kafka_wait(bus, drive, seen);
    peers_end(count);
    bus_close(bus);
}

static void run_kafka_append(const char *url, long count)
{
    kafka_append(url, count, RILL_DRIVE_HOST, 0);
}

static void run_kafka_append_few(const char *url, long count)
{
    kafka_append(url, count, RILL_DRIVE_HOST, PEERS_FEW);
}

static void run_kafka_append_threads(const char *url, long count)
{
    kafka_append(url, count, RILL_DRIVE_THREAD, 0);
}

/* What comes first has found the broker, and is not measured. */
static void kafka_tail(const char *url, long count, rill_drive drive, bool no_headers)
{
    peers_place at = peers_place_of(url);
    rill_bus *bus = kafka_bus(&at, drive, 0);
    rill_sub *sub;
    const rill_msg *msgs[PEERS_FETCH];
    OK(rill_tail(bus, &sub, at.topic, RILL_OPTS(rill_sub_opts, .no_headers = no_headers)));
    long first = rill_read(sub, msgs, PEERS_FETCH, PEERS_WAIT_MS);
    OK(first);
    peers_begin();
    read_all(sub, count - first, NULL);
    peers_end(count - first);
    rill_sub_close(sub);
    bus_close(bus);
}

static void run_kafka_tail(const char *url, long count)
{
    kafka_tail(url, count, RILL_DRIVE_HOST, true);
}

static void run_kafka_tail_threads(const char *url, long count)
{
    kafka_tail(url, count, RILL_DRIVE_THREAD, true);
}

static void run_kafka_tail_headers(const char *url, long count)
{
    kafka_tail(url, count, RILL_DRIVE_HOST, false);
}

static void run_kafka_tail_headers_threads(const char *url, long count)
{
    kafka_tail(url, count, RILL_DRIVE_THREAD, false);
}

/* ---- Idle ---- */

static void run_idle(const char *url, long count)
{
    rill_bus **buses = wire_alloc((size_t)(count + 1) * sizeof *buses);
    peers_size sizes[3] = {peers_measure()};
    buses[0] = bus_of(url, RILL_DRIVE_THREAD);
    sizes[1] = peers_measure();
    for (long i = 1; i <= count; i++)
        buses[i] = bus_of(url, RILL_DRIVE_THREAD);
    sizes[2] = peers_measure();
    peers_report_idle(sizes, count);
    for (long i = 0; i <= count; i++)
        bus_close(buses[i]);
    free(buses);
}

/* ---- The same program over any peer ---- */

typedef struct own_publisher {
    rill_bus *bus;
    long count;
} own_publisher;

static void *own_publish(void *arg)
{
    own_publisher *own = arg;
    for (long i = 0; i < own->count; i++)
        OK(rill_publish(own->bus, PEERS_SUBJECT, peers_data, PEERS_SIZE, NULL));
    OK(rill_flush(own->bus, PEERS_WAIT_MS));
    return NULL;
}

static void run_own_live(const char *url, long count)
{
    rill_bus *bus, *reader = bus_of(url, RILL_DRIVE_THREAD);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .send_timeout_ms = PEERS_WAIT_MS)));
    rill_sub *sub;
    pthread_t thread;
    OK(rill_subscribe(reader, &sub, PEERS_SUBJECT,
                      RILL_OPTS(rill_sub_opts, .pending_msgs = (uint32_t)count,
                                .pending_bytes = UINT64_MAX, .when_full = RILL_FULL_BLOCK)));
    OK(rill_flush(reader, PEERS_WAIT_MS));
    own_publisher own = {bus, count};
    peers_begin();
    if (pthread_create(&thread, NULL, own_publish, &own)) wire_die("no thread");
    read_all(sub, count, NULL);
    pthread_join(thread, NULL);
    peers_end(count);
    rill_sub_close(sub);
    bus_close(reader);
    bus_close(bus);
}

static void own_answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    OK(rill_reply(m, m->data.ptr, m->data.len, NULL));
}

static void run_own_request(const char *url, long count)
{
    rill_bus *bus = bus_of(url, RILL_DRIVE_THREAD), *server = bus_of(url, RILL_DRIVE_THREAD);
    rill_sub *sub;
    OK(rill_subscribe(server, &sub, PEERS_ECHO, RILL_OPTS(rill_sub_opts, .on_msg = own_answer)));
    OK(rill_flush(server, PEERS_WAIT_MS));
    peers_begin();
    ask_all(bus, PEERS_ECHO, count);
    peers_end(count);
    rill_sub_close(sub);
    bus_close(server);
    bus_close(bus);
}

const peers_work peers_works[] = {
    {"publish", run_publish},
    {"receive", run_receive},
    {"request", run_request},
    {"js_publish", run_js_publish},
    {"js_fetch", run_js_fetch},
    {"js_consume", run_js_consume},
    {"idle", run_idle},
    {"own_live", run_own_live},
    {"own_request", run_own_request},
    {"own_append", run_js_publish},
    {"kafka_append", run_kafka_append},
    {"kafka_append_few", run_kafka_append_few},
    {"kafka_append_threads", run_kafka_append_threads},
    {"kafka_tail", run_kafka_tail},
    {"kafka_tail_threads", run_kafka_tail_threads},
    {"kafka_tail_headers", run_kafka_tail_headers},
    {"kafka_tail_headers_threads", run_kafka_tail_headers_threads},
    {NULL, NULL},
};
