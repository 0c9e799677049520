/* SPDX-License-Identifier: Apache-2.0 */
/* Load for a broker of Kafka's protocol on loopback, from one thread and raw sockets:
 *
 *     loadgen_kafka latency PORT TOPIC COUNT        one record at a time, to a fetch that waits
 *     loadgen_kafka start   PORT PROGRAM...         to the first acknowledged record
 *     loadgen_kafka up      PORT TOPIC 1            a topic that is made, and takes a record
 *     loadgen_kafka each    PORT TOPICS PARTITIONS  one record to each of so many partitions
 *     loadgen_kafka last    PORT TOPICS PARTITIONS  one record to the last partition of each topic
 *
 * A client library has threads, whose waking takes longer than what is measured here; so there is
 * none. `start` prints, and leaves the program running until its own input ends; then it ends it.
 * The topics of `each` are made, and their making counts; `last` asks until it is answered, as a
 * client does whose broker comes back. Prints one line of key=value. */
#include "wire.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    FRAME_MAX = 1 << 20,
    VALUE = 100,        /* bytes of a record */
    WARMING = 500,      /* records before those that are measured */
    STRIDE = 1000,      /* partitions in one request */
    NAP_NS = 50000,     /* between two tries */
    EXISTS = 36,        /* Kafka's error */
    BOUND_S = 300,      /* what takes longer has failed */
};

typedef struct kafka_frame {
    unsigned char bytes[FRAME_MAX];
    size_t len, at;     /* written; read */
} kafka_frame;

static kafka_frame out, in;
static unsigned char batch[VALUE + 128];
static size_t batch_len;

/* ---- Numbers, the highest byte first ---- */

static void put(kafka_frame *f, uint64_t v, int size)
{
    if (f->len + (size_t)size > sizeof f->bytes) wire_die("a request is too large");
    for (int i = 0; i < size; i++) f->bytes[f->len++] = (unsigned char)(v >> 8 * (size - 1 - i));
}

static void put_text(kafka_frame *f, const char *text)
{
    put(f, strlen(text), 2);
    for (; *text; text++) put(f, (unsigned char)*text, 1);
}

static int64_t get(kafka_frame *f, int size)
{
    uint64_t v = 0;
    if (f->at + (size_t)size > f->len) wire_die("an answer ends too early");
    for (int i = 0; i < size; i++) v = v << 8 | f->bytes[f->at++];
    int unused = 64 - 8 * size;
    return (int64_t)(v << unused) >> unused;
}

static void skip(kafka_frame *f, int64_t n)
{
    if (n < 0 || f->len - f->at < (uint64_t)n) wire_die("an answer ends too early");
    f->at += (size_t)n;
}

/* ---- A batch of one record ---- */

static uint32_t crc32c(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (0x82f63b78U & -(crc & 1));
    }
    return ~crc;
}

static void make_batch(void)
{
    kafka_frame *f = &out;
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    f->len = 0;
    put(f, 0, 8);                       /* base offset */
    put(f, 0, 4);                       /* length, below */
    put(f, UINT32_MAX, 4);              /* leader epoch */
    put(f, 2, 1);                       /* magic */
    put(f, 0, 4);                       /* sum, below */
    put(f, 0, 2 + 4);                   /* attributes, last offset delta */
    put(f, now_ms, 8);
    put(f, now_ms, 8);
    put(f, UINT64_MAX, 8);              /* producer id */
    put(f, UINT64_MAX, 2 + 4);          /* epoch, sequence */
    put(f, 1, 4);                       /* records */
    put(f, (VALUE + 7) << 1 & 0x7f, 1); /* its length as a varint of two bytes ... */
    f->bytes[f->len - 1] |= 0x80;
    put(f, (VALUE + 7) >> 6, 1);        /* ... attributes, deltas, no key */
    put(f, 0, 3);
    put(f, 1, 1);
    put(f, (VALUE << 1 & 0x7f) | 0x80, 1);
    put(f, VALUE >> 6, 1);
    for (int i = 0; i < VALUE; i++) put(f, 'x', 1);
    put(f, 0, 1);                       /* headers */
    batch_len = f->len;
    f->len = 8;
    put(f, batch_len - 12, 4);
    f->len = 17;
    put(f, crc32c(f->bytes + 21, batch_len - 21), 4);
    memcpy(batch, f->bytes, batch_len);
}

/* ---- Requests ---- */

static void begin(int key, int version)
{
    out.len = 0;
    put(&out, 0, 4);
    put(&out, (uint64_t)key, 2);
    put(&out, (uint64_t)version, 2);
    put(&out, 7, 4);
    put_text(&out, "load");
}

static void send_out(wire_conn *conn)
{
    size_t len = out.len;
    out.len = 0;
    put(&out, len - 4, 4);
    wire_send(conn, out.bytes, len);
}

static void receive(wire_conn *conn)
{
    in.at = 0;
    in.len = 4;
    wire_take(conn, (char *)in.bytes, 4);
    in.len = (size_t)get(&in, 4);
    if (in.len > sizeof in.bytes) wire_die("an answer of %zu bytes", in.len);
    wire_take(conn, (char *)in.bytes, in.len);
    in.at = 4; /* the correlation id */
}

/* 0, or the error. */
static int create(wire_conn *conn, const char *topic, int partitions)
{
    begin(19, 2);
    put(&out, 1, 4);
    put_text(&out, topic);
    put(&out, (uint64_t)partitions, 4);
    put(&out, 1, 2);
    put(&out, 0, 8); /* no assignments, no settings */
    put(&out, 60000, 4);
    put(&out, 0, 1);
    send_out(conn);
    receive(conn);
    skip(&in, 4 + 4);
    skip(&in, get(&in, 2));
    return (int)get(&in, 2);
}

static void send_produce(wire_conn *conn, const char *topic, const int *partitions, int n)
{
    begin(0, 7);
    put(&out, UINT16_MAX, 2);
    put(&out, UINT16_MAX, 2); /* all acknowledge */
    put(&out, 30000, 4);
    put(&out, 1, 4);
    put_text(&out, topic);
    put(&out, (uint64_t)n, 4);
    for (int i = 0; i < n; i++) {
        put(&out, (uint64_t)partitions[i], 4);
        put(&out, batch_len, 4);
        if (out.len + batch_len > sizeof out.bytes) wire_die("a request is too large");
        memcpy(out.bytes + out.len, batch, batch_len);
        out.len += batch_len;
    }
    send_out(conn);
}

/* Those that did not take it are left in `partitions`; how many. */
static int read_produced(wire_conn *conn, int *partitions)
{
    int left = 0;
    receive(conn);
    for (int64_t topics = get(&in, 4); topics > 0; topics--) {
        skip(&in, get(&in, 2));
        for (int64_t n = get(&in, 4); n > 0; n--) {
            int index = (int)get(&in, 4);
            if (get(&in, 2) != 0) partitions[left++] = index;
            skip(&in, 3 * 8);
        }
    }
    return left;
}

static void send_fetch(wire_conn *conn, const char *topic, int64_t offset)
{
    begin(1, 4);
    put(&out, UINT32_MAX, 4);
    put(&out, 30000, 4);
    put(&out, 1, 4);
    put(&out, FRAME_MAX / 2, 4);
    put(&out, 0, 1);
    put(&out, 1, 4);
    put_text(&out, topic);
    put(&out, 1, 4);
    put(&out, 0, 4);
    put(&out, (uint64_t)offset, 8);
    put(&out, FRAME_MAX / 2, 4);
    send_out(conn);
}

/* Bytes of records that have come. */
static int64_t read_fetched(wire_conn *conn)
{
    receive(conn);
    skip(&in, 4);
    if (get(&in, 4) != 1) wire_die("an answer of another topic");
    skip(&in, get(&in, 2));
    if (get(&in, 4) != 1) wire_die("an answer of another partition");
    skip(&in, 4);
    int error = (int)get(&in, 2);
    if (error) wire_die("a fetch: error %d", error);
    skip(&in, 8 + 8);
    int64_t aborted = get(&in, 4);
    skip(&in, aborted > 0 ? 16 * aborted : 0);
    return get(&in, 4);
}

static void nap(int64_t start_ns)
{
    if (wire_now_ns() - start_ns > BOUND_S * INT64_C(1000000000))
        wire_die("not done in %d s", BOUND_S);
    nanosleep(&(struct timespec){0, NAP_NS}, NULL);
}

/* The partitions from `first` on of a topic take a record each. */
static void take_one_each(wire_conn *conn, const char *topic, int first, int n, int64_t start_ns)
{
    int partitions[STRIDE];
    for (int i = 0; i < n; i++) partitions[i] = first + i;
    while (n > 0) {
        send_produce(conn, topic, partitions, n);
        n = read_produced(conn, partitions);
        if (n > 0) nap(start_ns);
    }
}

/* ---- The modes ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void run_latency(int port, const char *topic, int count)
{
    wire_conn producer, consumer;
    int64_t *took = wire_alloc((size_t)count * sizeof *took);
    if (!wire_try(&producer, port) || !wire_try(&consumer, port)) wire_die("nobody listens");
    take_one_each(&producer, topic, 0, 1, wire_now_ns());
    for (int i = -WARMING; i < count; i++) {
        int partition = 0;
        int64_t offset = 1 + i + WARMING;
        send_fetch(&consumer, topic, offset);
        int64_t start_ns = wire_now_ns();
        send_produce(&producer, topic, &partition, 1);
        while (read_fetched(&consumer) == 0) send_fetch(&consumer, topic, offset);
        if (i >= 0) took[i] = wire_now_ns() - start_ns;
        if (read_produced(&producer, &partition) > 0) wire_die("a record was refused");
    }
    qsort(took, (size_t)count, sizeof *took, by_size);
    printf("latency p50_us=%.1f p99_us=%.1f\n", (double)took[count / 2] / 1e3,
           (double)took[(size_t)count * 99 / 100] / 1e3);
    free(took);
}

/* A record that is acknowledged, in a topic that is made first. */
static void first_record(int port, const char *topic, int64_t start_ns)
{
    wire_conn conn;
    int error;
    while (!wire_try(&conn, port)) nap(start_ns);
    while ((error = create(&conn, topic, 1)) != 0 && error != EXISTS) nap(start_ns);
    take_one_each(&conn, topic, 0, 1, start_ns);
    close(conn.fd);
}

static void run_start(int port, char **program)
{
    pid_t pid;
    char c;
    prctl(PR_SET_TIMERSLACK, 1UL); /* or each nap is twice as long */
    int64_t start_ns = wire_now_ns();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&pid, program[0], &actions, NULL, program, environ) != 0)
        wire_die("%s does not start", program[0]);
    first_record(port, "first", start_ns);
    fprintf(stderr, "start ms=%.2f pid=%d\n", (double)(wire_now_ns() - start_ns) / 1e6, (int)pid);
    while (read(0, &c, 1) > 0) continue;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&actions);
}

static void topic_name(char *name, size_t size, int i)
{
    snprintf(name, size, "many%d", i);
}

static void run_each(int port, int topics, int partitions)
{
    wire_conn conn;
    char name[32];
    int64_t start_ns = wire_now_ns();
    if (!wire_try(&conn, port)) wire_die("nobody listens");
    for (int i = 0; i < topics; i++) {
        topic_name(name, sizeof name, i);
        int error = create(&conn, name, partitions);
        if (error) wire_die("%s is not made: error %d", name, error);
    }
    double made_s = (double)(wire_now_ns() - start_ns) / 1e9;
    for (int i = 0; i < topics; i++) {
        topic_name(name, sizeof name, i);
        for (int at = 0; at < partitions; at += STRIDE)
            take_one_each(&conn, name, at, partitions - at < STRIDE ? partitions - at : STRIDE,
                          start_ns);
    }
    printf("each made_s=%.3f s=%.3f\n", made_s, (double)(wire_now_ns() - start_ns) / 1e9);
}

static void run_last(int port, int topics, int partitions)
{
    wire_conn conn;
    char name[32];
    int64_t start_ns = wire_now_ns();
    while (!wire_try(&conn, port)) nap(start_ns);
    for (int i = 0; i < topics; i++) {
        topic_name(name, sizeof name, i);
        take_one_each(&conn, name, partitions - 1, 1, start_ns);
    }
    printf("last s=%.3f\n", (double)(wire_now_ns() - start_ns) / 1e9);
}

int main(int argc, char **argv)
{
    if (argc < 4) wire_die("usage: loadgen_kafka latency|start|up|each|last PORT ...");
    const char *mode = argv[1];
    int port = atoi(argv[2]), number = argc > 4 ? atoi(argv[4]) : 0;
    make_batch();
    if (strcmp(mode, "start") == 0)
        run_start(port, argv + 3);
    else if (number <= 0)
        wire_die("%s needs a number that is not zero", mode);
    else if (strcmp(mode, "latency") == 0)
        run_latency(port, argv[3], number);
    else if (strcmp(mode, "up") == 0)
        first_record(port, argv[3], wire_now_ns());
    else if (strcmp(mode, "each") == 0)
        run_each(port, atoi(argv[3]), number);
    else if (strcmp(mode, "last") == 0)
        run_last(port, atoi(argv[3]), number);
    else
        wire_die("no mode %s", mode);
    return 0;
}
