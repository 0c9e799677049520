/* SPDX-License-Identifier: Apache-2.0 */
/* Appends to a stream, one after the other, while lost.py lets packets go nowhere, and reads it
 * with one reader all the time. Each append is made again until it is acknowledged.
 *
 *     lost URL REPLICAS    a line for each event, "under way" once many are there, "went on" once
 *                          some are behind a second connection, and, when a line has come on its
 *                          input, what has become of all
 *
 * Over nats:// an append has an id, and each is there once, in order. Kafka knows no ids, so that
 * one whose end was not known may be there again, later. */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rill.h"

enum { FIRST = 200, THEN = 100, TRIES = 300, WAIT_MS = 1000, READ_MS = 30000 };

static bool kafka;
static atomic_int ups;

static void say(const char *what)
{
    puts(what);
    fflush(stdout);
}

static void must(int rc, const char *what)
{
    if (rc >= 0) return;
    printf("%s: %s: %s\n", what, rill_errname(rc), rill_errmsg());
    exit(1);
}

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    if (ev->kind == RILL_EV_UP) ups++;
    if (ev->kind == RILL_EV_UP) printf("up %s\n", ev->server ? ev->server : "-");
    if (ev->kind == RILL_EV_DOWN) printf("down %s %s\n", rill_errname(ev->err), ev->detail);
    fflush(stdout);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void make_stream(rill_bus *bus, uint8_t replicas)
{
    int rc = RILL_EAGAIN;
    for (int i = 0; i < TRIES && rc < 0; i++) { /* a cluster may be choosing who leads */
        rc = rill_stream_ensure(bus, "lost", RILL_OPTS(rill_stream_opts, .replicas = replicas));
        if (rc < 0) pause_ms(100);
    }
    must(rc, "rill_stream_ensure");
}

/* How often it had to be made. */
static int append(rill_bus *bus, int number)
{
    char id[16];
    int len = snprintf(id, sizeof id, "%d", number), tries = 0, rc = RILL_EAGAIN;
    for (; tries < TRIES && rc < 0; tries++) {
        rc = rill_append(bus, "lost", id, (size_t)len,
                         RILL_OPTS(rill_post, .msg_id = kafka ? NULL : id), NULL, WAIT_MS);
        if (rc < 0) pause_ms(20);
    }
    must(rc, "rill_append");
    return tries;
}

static bool asked_to_end(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* How many were there more than once. */
static int read_all(rill_sub *sub, int count)
{
    const rill_msg *m;
    int again = 0;
    for (int i = 0; i < count;) {
        must(rill_next(sub, &m, READ_MS), "rill_next");
        int number = atoi(m->data.ptr);
        if (number == i) {
            i++;
        } else if (kafka && number < i) {
            again++;
        } else {
            printf("%d came in place of %d\n", number, i);
            exit(1);
        }
    }
    return again;
}

int main(int argc, char **argv)
{
    rill_bus *bus;
    rill_sub *sub;
    int count = 0, then = 0, tries = 0, before = 0;
    if (argc != 3) return 2;
    kafka = strncmp(argv[1], "kafka", 5) == 0;
    rill_opts opts = {.size = sizeof opts, .on_event = on_event, .ping_interval_ms = 500,
                      .connect_timeout_ms = 1000};
    if (kafka) opts = (rill_opts){.size = sizeof opts, .on_event = on_event, .kafka_config =
        "socket.timeout.ms=1000\nsocket.connection.setup.timeout.ms=1000\n"
        "reconnect.backoff.max.ms=500\nmessage.timeout.ms=60000\n"};
    must(rill_open(&bus, argv[1], &opts), "rill_open");
    make_stream(bus, (uint8_t)atoi(argv[2]));
    must(rill_tail(bus, &sub, "lost", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_FIRST)),
         "rill_tail");
    for (; !asked_to_end(); count++) {
        tries += append(bus, count);
        if (count == FIRST) before = ups; /* more than one, on a machine that stood still */
        if (count == FIRST) say("under way");
        if (count > FIRST && ups > before && !then) then = count + THEN;
        if (then && count == then) say("went on");
        pause_ms(1);
    }
    int again = read_all(sub, count);
    printf("%d appended and read, %d appends made again, %d there again\n", count, tries - count,
           again);
    rill_sub_close(sub);
    must(rill_close(bus, 10000), "rill_close");
    return 0;
}
