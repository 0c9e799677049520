/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks that take all that comes and keep nothing of it, and objects of nothing but an x. */
#ifndef RI_TEST_IDLE_H
#define RI_TEST_IDLE_H

#include <string.h>

#include "rill.h"

static inline int idle_conn(const rill_conn_info *conn, void *arg)
{
    (void)conn, (void)arg;
    return 0;
}

static inline int idle_stream(const rill_stream_desc *desc, void *arg)
{
    (void)desc, (void)arg;
    return 0;
}

static inline int idle_name(const char *name, void *arg)
{
    (void)name, (void)arg;
    return 0;
}

static inline int idle_msg(const rill_msg *m, void *arg)
{
    (void)m, (void)arg;
    return 0;
}

/* `arg` is a size_t: the bytes that are still to come. */
static inline int64_t idle_source(void *buf, size_t cap, void *arg)
{
    size_t *left = arg, n = *left < cap ? *left : cap;
    memset(buf, 'x', n);
    *left -= n;
    return (int64_t)n;
}

/* `arg` is a size_t: the bytes that have come. */
static inline int idle_sink(const void *buf, size_t len, void *arg)
{
    (void)buf;
    *(size_t *)arg += len;
    return 0;
}

#endif
