/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of streams that every peer has, Kafka among them: one subject, which is the stream's name.
 * _i is the kind of kinds.h, or, over a server, whether the test turns its bus. */
#ifndef RI_TEST_TOPIC_H
#define RI_TEST_TOPIC_H

#include "kinds.h"

enum { WAIT_MS = 20000 };

static bool drives; /* this test has to turn its bus */

/* Streams of this test alone, T where all of the peer is: a server may not be through with one of
 * the last test's when it says that the stream is deleted. */
static char T[16], U[16];

/* Until a condition is true that the bus makes so. */
#define COMES(bus, condition)                                                    \
    do {                                                                         \
        int64_t until_ = api_now_ms() + 50000;                                   \
        bool came_;                                                              \
        while (!(came_ = (condition)) && api_now_ms() < until_)                  \
            if (drives) OK(rill_poll(bus, 100));                                 \
            else nanosleep(&(struct timespec){0, 200000}, NULL);                 \
        ck_assert_msg(came_, "%s did not come true in 50 s", #condition);        \
    } while (0)

static inline rill_bus *begin_with(int kind, rill_opts opts)
{
    rill_bus *bus = NULL;
    char url[80];
    make_dir();
    snprintf(T, sizeof T, "T%.0d", api_far_mock() ? 0 : (int)getpid());
    snprintf(U, sizeof U, "U%d", (int)getpid());
    drives = api_far_url() ? kind == 1 : kind_drives(kind);
    if (kind >= KIND_NATS) kind_serve();
    if (kind >= KIND_NATS) snprintf(url, sizeof url, "nats://127.0.0.1:%d", kind_port);
    else snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    opts.size = sizeof opts;
    opts.drive = drives ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_open(&bus, url, &opts));
    return bus;
}

/* A bus with the stream T. */
static inline rill_bus *begin(int kind)
{
    rill_bus *bus = begin_with(kind, (rill_opts){0});
    OK(rill_stream_ensure(bus, T, NULL));
    return bus;
}

static inline void append_numbers(rill_bus *bus, const char *stream, int first, int last)
{
    char text[16];
    for (int i = first; i <= last; i++) {
        snprintf(text, sizeof text, "%d", i);
        OK(rill_append(bus, stream, text, strlen(text), NULL, NULL, WAIT_MS));
    }
}

static inline const rill_msg *next(rill_sub *sub)
{
    const rill_msg *m = NULL;
    OK(rill_next(sub, &m, WAIT_MS));
    return m;
}

static inline void next_are(rill_sub *sub, int first, int last)
{
    char text[16];
    for (int i = first; i <= last; i++) {
        const rill_msg *m = next(sub);
        snprintf(text, sizeof text, "%d", i);
        TEXT_IS(m->data, text);
        ck_assert_uint_eq(m->seq, (uint64_t)i);
    }
}

/* The tests of this row run over each kind of bus, or, over a server, by either drive. */
#define EACH_TOPIC(...) SUITE_EACH(api_far_url() ? 2 : KINDS, __VA_ARGS__)

#endif
