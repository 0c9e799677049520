/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of 128 B inside one process, rill against a ZeroMQ inproc PAIR, turn and turn about,
 * medians of five:
 *   callback on the publisher's thread   no thread, no queue: a publish is a call
 *   other thread                         the publisher does not wait but for a full queue; the
 *                                        reader takes what is there, many at a time
 * Both sides count every message; a lost one fails the run. */
#include "rill.h"
#include "wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { MESSAGES = 2000000, ROUNDS = 5, SIZE = 128, BATCH = 256 };

static char payload[SIZE];

static void inproc_check(int rc, const char *what)
{
    if (rc < 0) wire_die("%s: %s", what, rill_errmsg());
}

static double inproc_per_ns(int64_t start_ns)
{
    return (double)(wire_now_ns() - start_ns) / MESSAGES;
}

static void inproc_count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    *(uint64_t *)arg += m->data.len;
}

static double rill_same_thread(void)
{
    rill_bus *bus;
    rill_sub *sub;
    uint64_t bytes = 0;
    inproc_check(rill_open(&bus, "mem:", NULL), "open");
    inproc_check(rill_subscribe(bus, &sub, "bench.inproc",
                                RILL_OPTS(rill_sub_opts, .on_msg = inproc_count, .arg = &bytes,
                                          .on_publisher = true)), "subscribe");
    int64_t start = wire_now_ns();
    for (int i = 0; i < MESSAGES; i++)
        inproc_check(rill_publish(bus, "bench.inproc", payload, SIZE, NULL), "publish");
    double ns = inproc_per_ns(start);
    if (bytes != (uint64_t)MESSAGES * SIZE) wire_die("messages were lost");
    rill_close(bus, 1000);
    rill_sub_close(sub);
    return ns;
}

static void *rill_reader(void *arg)
{
    rill_sub *sub = arg;
    const rill_msg *msgs[BATCH];
    for (int left = MESSAGES; left > 0;) {
        int n = rill_read(sub, msgs, BATCH, 10000);
        inproc_check(n, "read");
        for (int i = 0; i < n; i++)
            if (msgs[i]->data.len != SIZE) wire_die("a message is not whole");
        left -= n;
    }
    return NULL;
}

static double rill_other_thread(void)
{
    rill_bus *bus;
    rill_sub *sub;
    pthread_t thread;
    inproc_check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .send_timeout_ms = 10000)), "open");
    inproc_check(rill_subscribe(bus, &sub, "bench.inproc",
                                RILL_OPTS(rill_sub_opts, .when_full = RILL_FULL_BLOCK)),
                 "subscribe");
    pthread_create(&thread, NULL, rill_reader, sub);
    int64_t start = wire_now_ns();
    for (int i = 0; i < MESSAGES; i++)
        inproc_check(rill_publish(bus, "bench.inproc", payload, SIZE, NULL), "publish");
    pthread_join(thread, NULL);
    double ns = inproc_per_ns(start);
    rill_close(bus, 1000);
    rill_sub_close(sub);
    return ns;
}

static void *zmq_reader(void *socket)
{
    char buf[SIZE];
    for (int i = 0; i < MESSAGES; i++)
        if (zmq_recv(socket, buf, sizeof buf, 0) != SIZE) wire_die("zmq_recv: a message is lost");
    return NULL;
}

static double zmq_pair(void)
{
    void *context = zmq_ctx_new();
    void *reader = zmq_socket(context, ZMQ_PAIR), *writer = zmq_socket(context, ZMQ_PAIR);
    if (zmq_bind(reader, "inproc://bench") != 0 || zmq_connect(writer, "inproc://bench") != 0)
        wire_die("zmq: %s", zmq_strerror(zmq_errno()));
    pthread_t thread;
    pthread_create(&thread, NULL, zmq_reader, reader);
    int64_t start = wire_now_ns();
    for (int i = 0; i < MESSAGES; i++)
        if (zmq_send(writer, payload, SIZE, 0) != SIZE) wire_die("zmq_send failed");
    pthread_join(thread, NULL);
    double ns = inproc_per_ns(start);
    zmq_close(reader);
    zmq_close(writer);
    zmq_ctx_term(context);
    return ns;
}

static int inproc_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One row; whether it holds what it must. */
static bool inproc_row(const char *work, double (*run)(void), double must, double aim)
{
    double ours[ROUNDS], theirs[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = run();
        theirs[i] = zmq_pair();
    }
    qsort(ours, ROUNDS, sizeof *ours, inproc_compare);
    qsort(theirs, ROUNDS, sizeof *theirs, inproc_compare);
    double factor = theirs[ROUNDS / 2] / ours[ROUNDS / 2];
    printf("%-36s %7.1f ns  zmq inproc %7.1f ns  %6.2fx  must %gx  aim %gx  %s\n", work,
           ours[ROUNDS / 2], theirs[ROUNDS / 2], factor, must, aim,
           factor >= aim ? "aim" : factor >= must ? "ok" : "short");
    return factor >= must;
}

int main(void)
{
    memset(payload, 'x', sizeof payload);
    bool same = inproc_row("callback on the publisher's thread", rill_same_thread, 5, 15);
    bool other = inproc_row("other thread", rill_other_thread, 3, 8);
    return same && other ? 0 : 1;
}
