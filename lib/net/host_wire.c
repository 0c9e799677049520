/* SPDX-License-Identifier: Apache-2.0 */
#include "net/host_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/process.h"

_Thread_local int ri_host_wire_depth RI_NEAR;

static rill_wire *host_wire_of(ri_wire *wire)
{
    rill_wire *w = ri_container_of(wire, rill_wire, wire);
    RI_ASSERT(w->magic == RI_HOST_WIRE_MAGIC && atomic_load(&w->taken));
    return w;
}

/* ---- What the program's functions answer ---- */

/* The sentence of a wire that is broken; it is said anew to whoever asks again. */
static ssize_t host_wire_fail(const rill_wire *w)
{
    RI_ASSERT(w->broken);
    long long verdict = (long long)w->verdict;
    bool known = verdict >= INT32_MIN && strcmp(ri_err_name((int)verdict), "EUNKNOWN") != 0;
    if (verdict > 0)
        ri_err(RILL_EIO, "%s() of the program's wire was asked for %zu bytes and answered %lld",
               w->broken, w->asked, verdict);
    else if (known)
        ri_err(RILL_EIO, "%s() of the program's wire failed: %s", w->broken,
               ri_err_name((int)verdict));
    else
        ri_err(RILL_EIO, "%s() of the program's wire answered %lld, which is no code of rill.h",
               w->broken, verdict);
    return -EIO;
}

static void host_wire_break(rill_wire *w, const char *function, int64_t verdict, size_t asked)
{
    w->broken = function;
    w->verdict = verdict;
    w->asked = asked;
    w->may = RI_WIRE_READ | RI_WIRE_WRITE; /* an error is readable and writable */
}

/* How many bytes came; 0: none, and w->may, w->ended or w->broken says why. */
static size_t host_wire_read_piece(rill_wire *w, const struct iovec *piece)
{
    RI_ASSERT(piece->iov_len > 0 && !w->ended && !w->broken);
    ri_host_wire_enter();
    int64_t got = w->ops.read(w->arg, piece->iov_base, piece->iov_len);
    ri_host_wire_leave();
    if (got > 0 && (uint64_t)got <= piece->iov_len) return (size_t)got;
    if (got == RILL_EAGAIN) w->may &= ~(unsigned)RI_WIRE_READ;
    else if (got == 0) w->ended = true;
    else host_wire_break(w, "read", got, piece->iov_len);
    return 0;
}

/* How many bytes it took; 0: none, and w->may or w->broken says why. */
static size_t host_wire_write_piece(rill_wire *w, const char *bytes, size_t len)
{
    RI_ASSERT(len > 0 && !w->broken);
    ri_host_wire_enter();
    int64_t put = w->ops.write(w->arg, bytes, len);
    ri_host_wire_leave();
    if (put > 0 && (uint64_t)put <= len) return (size_t)put;
    if (put == 0 || put == RILL_EAGAIN) w->may &= ~(unsigned)RI_WIRE_WRITE;
    else host_wire_break(w, "write", put, len);
    return 0;
}

/* ---- As a ri_wire ---- */

static ssize_t host_wire_readv(ri_wire *wire, const struct iovec *iov, int n)
{
    rill_wire *w = host_wire_of(wire);
    size_t got = 0;
    for (int i = 0; i < n && !w->broken && !w->ended; i++) {
        size_t piece = host_wire_read_piece(w, &iov[i]);
        got += piece;
        if (piece < iov[i].iov_len) break;
    }
    if (got) return (ssize_t)got;
    if (w->broken) return host_wire_fail(w);
    return w->ended ? 0 : -EAGAIN;
}

/* No more than a turn's share: the program's function may compute on each byte. */
static ssize_t host_wire_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    rill_wire *w = host_wire_of(wire);
    size_t put = 0;
    for (int i = 0; i < n && !w->broken && put < RI_LOOP_SHARED_SIZE; i++) {
        size_t len = RI_MIN(iov[i].iov_len, RI_LOOP_SHARED_SIZE - put);
        size_t piece = host_wire_write_piece(w, iov[i].iov_base, len);
        put += piece;
        if (piece < len) break;
    }
    if (put) return (ssize_t)put;
    return w->broken ? host_wire_fail(w) : -EAGAIN;
}

/* The owner hears of it in this turn, or the next. */
static void host_wire_look(rill_wire *w)
{
    if (w->wire.loop && (w->may & w->watched)) ri_loop_soon_put(w->wire.loop, &w->soon);
}

static void host_wire_on_soon(ri_loop_soon *soon)
{
    rill_wire *w = ri_container_of(soon, rill_wire, soon);
    unsigned ready = w->may & w->watched;
    if (!ready) return;
    w->wire.on_ready(&w->wire, ready);
    host_wire_look(w);
}

static void host_wire_on_call(ri_loop_call *call)
{
    rill_wire *w = ri_container_of(call, rill_wire, call);
    w->may = RI_WIRE_READ | RI_WIRE_WRITE;
    host_wire_look(w);
}

static void host_wire_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    rill_wire *w = arg;
    RI_CHECK(w, RI_HOST_WIRE_MAGIC);
    ri_loop_had_event(w->wire.loop);
    w->may |= (what & EV_READ ? RI_WIRE_READ : 0u) | (what & EV_WRITE ? RI_WIRE_WRITE : 0u);
    host_wire_look(w);
}

/* Let the loop know what to look for at the descriptor. */
static int host_wire_watch_fd(rill_wire *w, unsigned what)
{
    int events = (what & RI_WIRE_READ ? EV_READ : 0) | (what & RI_WIRE_WRITE ? EV_WRITE : 0);
    short want = (short)events;
    if (w->fd < 0 || want == w->interest) return RILL_OK;
    if (w->interest) event_del(&w->event);
    w->interest = want;
    ri_loop_watched(w->wire.loop, w->fd, want);
    if (!want) return RILL_OK;
    event_assign(&w->event, w->wire.loop->base, w->fd, (short)(want | EV_PERSIST),
                 host_wire_on_event, w);
    if (event_add(&w->event, NULL) == 0) return RILL_OK;
    w->interest = 0;
    return ri_err(RILL_EIO, "descriptor %d of the program's wire cannot be watched", w->fd);
}

static int host_wire_watch(ri_wire *wire, unsigned what)
{
    rill_wire *w = host_wire_of(wire);
    RI_ASSERT(!(what & ~(unsigned)(RI_WIRE_READ | RI_WIRE_WRITE)));
    RI_ASSERT(wire->loop && !ri_list_linked(&w->end.link));
    int rc = host_wire_watch_fd(w, what);
    if (rc < 0) return rc;
    w->watched = what;
    atomic_store(&w->loop, wire->loop);
    host_wire_look(w);
    return RILL_OK;
}

/* The program's functions know no half of an end; its close() comes soon. */
static void host_wire_shut(ri_wire *wire)
{
    (void)wire;
}

/* On no loop, or on the loop's thread, and outside any gate: the program's last call. */
static void host_wire_end(rill_wire *w)
{
    RI_ASSERT(!w->interest && !w->watched && !ri_list_linked(&w->soon.link));
    ri_host_wire_enter();
    w->ops.close(w->arg);
    ri_host_wire_leave();
    ri_loop *loop = atomic_load(&w->loop);
    if (loop) ri_loop_run_calls(loop); /* so that this wire is not among those who have called */
    w->magic = 0;
    ri_host host = w->host;
    ri_delete(&host, w);
}

static void host_wire_on_end(ri_loop_soon *end)
{
    host_wire_end(ri_container_of(end, rill_wire, end));
}

static void host_wire_close(ri_wire *wire)
{
    rill_wire *w = host_wire_of(wire);
    ri_loop *loop = atomic_load(&w->loop);
    RI_ASSERT(!ri_list_linked(&w->end.link));
    w->watched = 0;
    ri_list_remove(&w->soon.link);
    if (w->interest) {
        event_del(&w->event);
        ri_loop_watched(loop, w->fd, 0);
        w->interest = 0;
    }
    if (loop) ri_loop_end_put(loop, &w->end);
    else host_wire_end(w);
}

static const ri_wire_ops host_wire_ops = {"wire", host_wire_readv, host_wire_writev,
                                          host_wire_watch, host_wire_shut, host_wire_close, NULL};

/* ---- The program's handle ---- */

/* Files cannot be watched; libevent would say so on stderr, and later. */
static int host_wire_check_fd(int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return ri_err(RILL_EINVAL, "fd() of the program's wire answered %d, which is no descriptor",
                      fd);
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return ri_err(RILL_EINVAL, "fd() of the program's wire answered %d, a file, which cannot "
                      "be watched", fd);
    return RILL_OK;
}

static int host_wire_check(const rill_wire_ops *ops)
{
    const char *missing = !ops->read ? "read" : !ops->write ? "write" : NULL;
    if (!ops->close) missing = "close";
    if (missing) return ri_err(RILL_EINVAL, "%s of a rill_wire_ops is NULL", missing);
    return RILL_OK;
}

int ri_host_wire_new(rill_wire **out, const rill_wire_ops *ops, void *arg, const rill_host *hooks)
{
    ri_host host;
    int rc = host_wire_check(ops), fd = -1;
    if (rc < 0) return rc;
    if (ops->fd && (rc = host_wire_check_fd(fd = ops->fd(arg))) < 0) return rc;
    ri_host_init(&host, hooks);
    rill_wire *w = ri_new(&host, rill_wire);
    if (!w) return RILL_ENOMEM;
    w->magic = RI_HOST_WIRE_MAGIC;
    w->stamp = ri_process_stamp();
    w->ops = *ops;
    w->arg = arg;
    w->host = host;
    w->wire.ops = &host_wire_ops;
    w->fd = fd;
    w->may = RI_WIRE_READ | RI_WIRE_WRITE;
    w->call.fn = host_wire_on_call;
    w->soon.fn = host_wire_on_soon;
    w->end.fn = host_wire_on_end;
    ri_list_init(&w->soon.link);
    ri_list_init(&w->end.link);
    *out = w;
    return RILL_OK;
}

int ri_host_wire_take(rill_wire *w, ri_wire **wire)
{
    if (!w || w->magic != RI_HOST_WIRE_MAGIC) return ri_err(RILL_EINVAL, "that is no wire");
    if (atomic_exchange(&w->taken, true))
        return ri_err(RILL_EBUSY, "the wire was given away before: it is used once");
    *wire = &w->wire;
    return RILL_OK;
}

void ri_host_wire_ready(rill_wire *w)
{
    if (!w || w->magic != RI_HOST_WIRE_MAGIC || !ri_process_is(w->stamp)) return;
    ri_loop *loop = atomic_load(&w->loop);
    if (loop) ri_loop_call_put(loop, &w->call);
}
