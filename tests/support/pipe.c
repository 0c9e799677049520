/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/die.h"

enum { PIPE_ROOM = 64 * 1024 };

static pipe_end *pipe_of(ri_wire *wire)
{
    return ri_container_of(wire, pipe_end, wire);
}

static pipe_flow *pipe_out(pipe_end *end)
{
    return &end->pair->flow[end - end->pair->end];
}

static pipe_end *pipe_other(pipe_end *end)
{
    return &end->pair->end[end == end->pair->end];
}

static pipe_flow *pipe_in(pipe_end *end)
{
    return pipe_out(pipe_other(end));
}

/* What of that which is watched would go now. */
static unsigned pipe_ready(pipe_end *end)
{
    const pipe_flow *in = pipe_in(end), *out = pipe_out(end);
    unsigned ready = 0;
    if (in->at < in->len || in->ended || in->broken) ready |= RI_WIRE_READ;
    if (out->len - out->at < out->room || out->broken || pipe_other(end)->closed)
        ready |= RI_WIRE_WRITE;
    return ready & end->watched;
}

static void pipe_tell(pipe_end *end)
{
    if (end->wire.loop && !end->closed && pipe_ready(end))
        ri_loop_soon_put(end->wire.loop, &end->soon);
}

static void pipe_tell_both(pipe_end *end)
{
    pipe_tell(end);
    pipe_tell(pipe_other(end));
}

static void pipe_on_soon(ri_loop_soon *soon)
{
    pipe_end *end = ri_container_of(soon, pipe_end, soon);
    unsigned ready = pipe_ready(end);
    if (!ready) return;
    end->told++;
    end->wire.on_ready(&end->wire, ready);
    pipe_tell(end);
}

static ssize_t pipe_fail(int err)
{
    ri_err_os(RILL_EIO, err, "a pipe in memory");
    return -err;
}

static ssize_t pipe_readv(ri_wire *wire, const struct iovec *iov, int n)
{
    pipe_end *end = pipe_of(wire);
    pipe_flow *in = pipe_in(end);
    if (end->closed) die("a pipe is read after it was closed");
    if (in->broken) return pipe_fail(in->broken);
    if (in->refuse && in->refuse--) return -EAGAIN;
    if (in->at == in->len) return in->ended ? 0 : -EAGAIN;
    size_t most = RI_MIN(in->len - in->at, in->step), got = 0;
    if (in->passed < in->cut) most = RI_MIN(most, in->cut - in->passed);
    for (int i = 0; i < n && got < most; i++) {
        size_t part = RI_MIN(iov[i].iov_len, most - got);
        memcpy(iov[i].iov_base, in->bytes + in->at + got, part);
        got += part;
    }
    if (got == 0) die("a pipe is read into no room");
    in->at += got;
    in->passed += got;
    pipe_tell_both(end);
    return (ssize_t)got;
}

static void pipe_add(pipe_flow *f, const void *bytes, size_t len)
{
    if (f->len + len > f->cap) {
        if (f->at) memmove(f->bytes, f->bytes + f->at, f->len - f->at);
        f->len -= f->at;
        f->at = 0;
    }
    if (f->len + len > f->cap) {
        f->cap = RI_MAX(f->len + len, f->cap * 2);
        if (!(f->bytes = realloc(f->bytes, f->cap))) die("no memory for a pipe");
    }
    memcpy(f->bytes + f->len, bytes, len);
    f->len += len;
}

static ssize_t pipe_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    pipe_end *end = pipe_of(wire);
    pipe_flow *out = pipe_out(end);
    if (end->closed || end->shut) die("a pipe is written to after its end");
    if (out->broken) return pipe_fail(out->broken);
    if (pipe_other(end)->closed) return pipe_fail(EPIPE);
    if (out->refuse && out->refuse--) return -EAGAIN;
    size_t used = out->len - out->at, put = 0;
    size_t most = RI_MIN(out->room > used ? out->room - used : 0, out->step);
    if (most == 0) return -EAGAIN;
    for (int i = 0; i < n && put < most; i++) {
        size_t part = RI_MIN(iov[i].iov_len, most - put);
        if (part) pipe_add(out, iov[i].iov_base, part);
        put += part;
    }
    pipe_tell_both(end);
    return (ssize_t)put;
}

static int pipe_watch(ri_wire *wire, unsigned what)
{
    pipe_end *end = pipe_of(wire);
    if (!wire->loop || end->closed) die("a pipe is watched that is on no loop");
    end->watched = what;
    pipe_tell(end);
    return RILL_OK;
}

static void pipe_shut(ri_wire *wire)
{
    pipe_end *end = pipe_of(wire);
    end->shut = true;
    pipe_out(end)->ended = true;
    pipe_tell_both(end);
}

static void pipe_close(ri_wire *wire)
{
    pipe_end *end = pipe_of(wire);
    if (end->closed) die("a pipe is closed twice");
    end->closed = true;
    pipe_out(end)->ended = true;
    ri_list_remove(&end->soon.link);
    pipe_tell(pipe_other(end));
}

static const ri_wire_ops pipe_ops = {"pipe", pipe_readv, pipe_writev, pipe_watch,
                                     pipe_shut, pipe_close, NULL};

void pipe_init(pipe_pair *p)
{
    *p = (pipe_pair){0};
    for (int i = 0; i < 2; i++) {
        p->end[i] = (pipe_end){.wire.ops = &pipe_ops, .soon.fn = pipe_on_soon, .pair = p};
        ri_list_init(&p->end[i].soon.link);
        p->flow[i] = (pipe_flow){.room = PIPE_ROOM, .step = SIZE_MAX};
    }
}

void pipe_fini(pipe_pair *p)
{
    for (int i = 0; i < 2; i++) {
        ri_list_remove(&p->end[i].soon.link);
        free(p->flow[i].bytes);
    }
}

size_t pipe_put(pipe_end *end, const char *bytes, size_t len)
{
    struct iovec iov = {(char *)(uintptr_t)bytes, len};
    ssize_t put = pipe_writev(&end->wire, &iov, 1);
    return put > 0 ? (size_t)put : 0;
}

size_t pipe_get(pipe_end *end, char *bytes, size_t len)
{
    struct iovec iov = {bytes, len};
    ssize_t got = pipe_readv(&end->wire, &iov, 1);
    return got > 0 ? (size_t)got : 0;
}

void pipe_break(pipe_pair *p, int i, int err)
{
    p->flow[i].broken = err;
    pipe_tell_both(&p->end[0]);
}
