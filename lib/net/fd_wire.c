/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fd_wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static ri_fd_wire *fd_wire_of(ri_wire *wire)
{
    return ri_container_of(wire, ri_fd_wire, wire);
}

/* Give `errno` back as a value, with its sentence unless it only means "not now". */
static ssize_t fd_wire_fail(const char *what)
{
    int err = errno;
    if (err == EAGAIN) return -EAGAIN;
    ri_err_os(RILL_EIO, err, "%s a connection", what);
    return -err;
}

static ssize_t fd_wire_readv(ri_wire *wire, const struct iovec *iov, int n)
{
    int fd = fd_wire_of(wire)->fd;
    ssize_t got;
    do {
        got = n == 1 ? recv(fd, iov->iov_base, iov->iov_len, 0) : readv(fd, iov, n);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? fd_wire_fail("read from") : got;
}

static ssize_t fd_wire_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    ssize_t put;
    do {
        put = sendmsg(fd_wire_of(wire)->fd, &msg, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? fd_wire_fail("write to") : put;
}

static void fd_wire_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    ri_wire *wire = arg;
    ri_loop_had_event(wire->loop);
    unsigned ready = (what & EV_READ ? RI_WIRE_READ : 0u) | (what & EV_WRITE ? RI_WIRE_WRITE : 0u);
    wire->on_ready(wire, ready);
}

/* The loop forgets an event with no interest. */
static int fd_wire_watch(ri_wire *wire, unsigned what)
{
    ri_fd_wire *w = fd_wire_of(wire);
    int events = (what & RI_WIRE_READ ? EV_READ : 0) | (what & RI_WIRE_WRITE ? EV_WRITE : 0);
    short want = (short)events;
    if (want == w->interest) return RILL_OK;
    if (w->interest) event_del(&w->event);
    w->interest = want;
    ri_loop_watched(wire->loop, w->fd, want);
    if (!want) return RILL_OK;
    event_assign(&w->event, wire->loop->base, w->fd, (short)(want | EV_PERSIST), fd_wire_on_event,
                 wire);
    if (event_add(&w->event, NULL) == 0) return RILL_OK;
    w->interest = 0;
    return ri_err(RILL_EIO, "libevent could not watch a connection");
}

static void fd_wire_shut(ri_wire *wire)
{
    shutdown(fd_wire_of(wire)->fd, SHUT_WR);
}

static void fd_wire_close(ri_wire *wire)
{
    ri_fd_wire *w = fd_wire_of(wire);
    if (w->interest) {
        event_del(&w->event);
        ri_loop_watched(wire->loop, w->fd, 0);
    }
    close(w->fd);
    *w = (ri_fd_wire){.fd = -1};
}

static const ri_wire_ops fd_wire_ops = {"socket", fd_wire_readv, fd_wire_writev, fd_wire_watch,
                                        fd_wire_shut, fd_wire_close, NULL};

void ri_fd_wire_init(ri_fd_wire *w, int fd)
{
    RI_ASSERT(fd >= 0);
    *w = (ri_fd_wire){.wire.ops = &fd_wire_ops, .fd = fd};
}
