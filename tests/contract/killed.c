/* SPDX-License-Identifier: Apache-2.0 */
/* Appends to a stream on three servers, of which killed.py kills one meanwhile, and reads it with
 * one reader all the time: each message is there once, in order, whatever was lost.
 *
 *     killed URL COUNT     says "under way" at a third of them, and what has become of all */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rill.h"

enum { TRIES = 100, WAIT_MS = 3000, READ_MS = 30000 };

typedef struct tally {
    int unsure, late, refused; /* appends that had to be made again, with the same id */
} tally;

static void must(int rc, const char *what)
{
    if (rc >= 0) return;
    printf("%s: %s: %s\n", what, rill_errname(rc), rill_errmsg());
    exit(1);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A cluster may be choosing who leads. */
static void make_stream(rill_bus *bus)
{
    int rc = RILL_EAGAIN;
    for (int i = 0; i < TRIES && rc < 0; i++) {
        rc = rill_stream_ensure(bus, "K", RILL_OPTS(rill_stream_opts, .subjects = "k",
                                                    .replicas = 3));
        if (rc < 0) pause_ms(100);
    }
    must(rc, "rill_stream_ensure");
}

/* Until it is acknowledged: its id sees to it that it is stored once. */
static void append(rill_bus *bus, int number, tally *t)
{
    char id[16];
    int len = snprintf(id, sizeof id, "%d", number), rc = RILL_EAGAIN;
    for (int i = 0; i < TRIES && rc < 0; i++) {
        rc = rill_append(bus, "k", id, (size_t)len, RILL_OPTS(rill_post, .msg_id = id), NULL,
                         WAIT_MS);
        if (rc == RILL_EUNSURE) t->unsure++;
        else if (rc == RILL_ETIMEDOUT) t->late++;
        else if (rc < 0) t->refused++;
        if (rc < 0) pause_ms(100);
    }
    must(rc, "rill_append");
}

static void read_all(rill_sub *sub, int count)
{
    const rill_msg *m;
    for (int i = 0; i < count; i++) {
        must(rill_next(sub, &m, READ_MS), "rill_next");
        if (atoi(m->data.ptr) == i) continue;
        printf("%.*s came in place of %d\n", RILL_ARG(m->data), i);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    rill_bus *bus;
    rill_sub *sub;
    tally t = {0};
    rill_stream_info info = {.size = sizeof info};
    int count = argc > 2 ? atoi(argv[2]) : 0;
    if (count < 3) return 2;
    must(rill_open(&bus, argv[1], NULL), "rill_open");
    make_stream(bus);
    must(rill_tail(bus, &sub, "K", NULL), "rill_tail");
    for (int i = 0; i < count; i++) {
        append(bus, i, &t);
        if (i != count / 3) continue;
        puts("under way");
        fflush(stdout);
    }
    read_all(sub, count);
    must(rill_stream_status(bus, "K", &info), "rill_stream_status");
    printf("%d appended, %d read in order, %d stored; made again: %d unsure, %d late, %d refused\n",
           count, count, (int)info.msgs, t.unsure, t.late, t.refused);
    rill_sub_close(sub);
    must(rill_close(bus, WAIT_MS), "rill_close");
    return info.msgs != (uint64_t)count;
}
