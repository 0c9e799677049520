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

static inline void remove_dir(void)
{
    scratch_remove(dir);
}

/* 0 in memory, 1 on disk, 2 on disk and driven by the test. */
static inline rill_bus *open_kind(int kind)
{
    char url[80];
    rill_bus *bus = NULL;
    snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    OK(rill_open(&bus, url,
                 RILL_OPTS(rill_opts, .drive = kind == 2 ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD)));
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
    OK(rill_close(bus, 5000));
    remove_dir();
}

/* Bytes that a message of such a stream counts beside its own, without headers. */
static inline uint64_t kind_overhead(int kind)
{
    return kind ? 30 : 16;
}

/* Closed and opened again; in memory that would be the end of it. */
static inline rill_bus *reopen_kind(rill_bus *bus, int kind)
{
    if (kind == 0) return bus;
    OK(rill_close(bus, 5000));
    return open_kind(kind);
}

static inline uint64_t append(rill_bus *bus, const char *subject, const char *text)
{
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, subject, text, strlen(text), NULL, &receipt, 10000));
    return receipt.seq;
}

/* The tests of this row run over each kind of bus. */
#define EACH_KIND(...) SUITE_EACH(3, __VA_ARGS__)

#endif
