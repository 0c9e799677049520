/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of streams that run over each kind of bus: looped, _i is the kind. */
#ifndef RI_TEST_KINDS_H
#define RI_TEST_KINDS_H

#include <unistd.h>

#include "api.h"
#include "support/scratch.h"

static char dir[SCRATCH_LEN];

static inline void make_dir(void)
{
    scratch_make(dir);
}

/* Over nats:// there is a broker of the test's, which keeps its streams in `dir`. */
static rill_broker *kind_broker;
static int kind_port;

static inline void remove_dir(void)
{
    OK(rill_broker_close(kind_broker, 20000));
    kind_broker = NULL;
    scratch_remove(dir);
}

static inline void kind_serve(void)
{
    if (kind_broker) return;
    OK(rill_broker_open(&kind_broker, RILL_OPTS(rill_broker_opts, .dir = dir, .jetstream = true)));
    kind_port = rill_broker_listen(kind_broker, "nats://127.0.0.1:0", NULL);
    OK(kind_port);
}

enum { KIND_MEM, KIND_FILE, KIND_FILE_HOST, KIND_NATS, KIND_NATS_HOST, KINDS };

/* Has the test to call rill_poll() itself? */
static inline bool kind_drives(int kind)
{
    return kind == KIND_FILE_HOST || kind == KIND_NATS_HOST;
}

/* In memory; on disk; on disk and driven by the test; and the last two over nats://. */
static inline rill_bus *open_kind(int kind)
{
    char url[80];
    rill_bus *bus = NULL;
    if (kind >= KIND_NATS) kind_serve();
    if (kind >= KIND_NATS) snprintf(url, sizeof url, "nats://127.0.0.1:%d", kind_port);
    else snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    OK(rill_open(&bus, url,
                 RILL_OPTS(rill_opts, .drive = kind_drives(kind) ? RILL_DRIVE_HOST
                                                               : RILL_DRIVE_THREAD)));
    return bus;
}

/* The same with a directory of its own; and the end of both. */
static inline rill_bus *begin_kind(int kind)
{
    make_dir();
    return open_kind(kind);
}

static inline void end_kind(rill_bus *bus)
{
    OK(rill_close(bus, 20000));
    remove_dir();
}

/* Bytes that a message of such a stream counts beside its own, without headers. */
static inline uint64_t kind_overhead(int kind)
{
    return kind || api_far_url() ? 30 : 16;
}

/* Closed and opened again; in memory that would be the end of it. */
static inline rill_bus *reopen_kind(rill_bus *bus, int kind)
{
    if (kind == 0) return bus;
    OK(rill_close(bus, 20000));
    if (kind_broker) OK(rill_broker_close(kind_broker, 20000));
    kind_broker = NULL;
    return open_kind(kind);
}

static inline uint64_t append(rill_bus *bus, const char *subject, const char *text)
{
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, subject, text, strlen(text), NULL, &receipt, 20000));
    return receipt.seq;
}

/* The tests of these rows run over the kinds of this process alone, and the reason says what a NATS
 * server does otherwise: this is the table of the differences. */
#define LOCAL_KINDS(reason, ...) SUITE_EACH(api_far_url() ? 0 : KIND_NATS, __VA_ARGS__)
/* The tests of this row run over each kind of bus; where all are the same server, over three. */
#define EACH_KIND(...) SUITE_EACH(api_far_url() ? KIND_NATS : KINDS, __VA_ARGS__)

#endif
