/* SPDX-License-Identifier: Apache-2.0
 *
 * For no_thread.c: a serial line as a driver of a small system has it, of which a wire needs two
 * functions that move what goes now, and a word when more will go. */
#ifndef LINE_H
#define LINE_H

#include <string.h>

#include "rill.h"

typedef struct line {  /* one end */
    char bytes[64];    /* that have come for it */
    size_t len;
    struct line *other;
    rill_wire *wire;   /* while it is used */
} line;

/* An interrupt would say so: the other end has bytes, or room. */
static int64_t line_moved(size_t n, line *other)
{
    if (n == 0) return RILL_EAGAIN;
    if (other->wire) rill_wire_ready(other->wire);
    return (int64_t)n;
}

static int64_t line_read(void *arg, void *buf, size_t len)
{
    line *l = arg;
    size_t n = l->len < len ? l->len : len;
    memcpy(buf, l->bytes, n);
    l->len -= n;
    memmove(l->bytes, l->bytes + n, l->len);
    return line_moved(n, l->other);
}

static int64_t line_write(void *arg, const void *buf, size_t len)
{
    line *to = ((line *)arg)->other;
    size_t room = sizeof to->bytes - to->len, n = len < room ? len : room;
    memcpy(to->bytes + to->len, buf, n);
    to->len += n;
    return line_moved(n, to);
}

static void line_close(void *arg)
{
    ((line *)arg)->wire = NULL;
}

static const rill_wire_ops line_ops = {sizeof line_ops, line_read, line_write, line_close, NULL};

static int line_wire(line *l, rill_wire **wire)
{
    int rc = rill_wire_new(wire, &line_ops, l, NULL);
    l->wire = *wire;
    return rc;
}

#endif
