/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

static void dial_unwatch(ri_dial *dial)
{
    if (!dial->watching) return;
    event_del(&dial->event);
    ri_loop_watched(dial->loop, dial->fd, 0);
    dial->watching = false;
}

void ri_dial_stop(ri_dial *dial)
{
    if (!dial->loop) return;
    dial_unwatch(dial);
    if (dial->fd >= 0) close(dial->fd);
    dial->fd = -1;
    ri_loop_timer_cancel(dial->loop, &dial->timer);
    ri_list_remove(&dial->soon.link);
    ri_resolve_forget(dial->question);
    dial->question = NULL;
    dial->loop = NULL;
}

/* The socket, or -1, goes to the owner. */
static void dial_over(ri_dial *dial, int fd)
{
    if (fd >= 0) {
        dial_unwatch(dial);
        dial->fd = -1;
    }
    ri_dial_stop(dial);
    dial->done(dial, fd);
}

static void dial_on_event(evutil_socket_t fd, short what, void *arg);

/* Connects, or begins to. False: this address is of no use. */
static bool dial_connect(ri_dial *dial, const struct sockaddr *to, socklen_t len)
{
    dial->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dial->fd >= 0 && to->sa_family != AF_UNIX)
        setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (dial->fd >= 0) {
        if (connect(dial->fd, to, len) == 0 || errno == EINPROGRESS) {
            event_assign(&dial->event, dial->loop->base, dial->fd, EV_WRITE, dial_on_event, dial);
            dial->watching = event_add(&dial->event, NULL) == 0;
            errno = ENOMEM;
        }
        if (dial->watching) {
            ri_loop_watched(dial->loop, dial->fd, EV_WRITE);
            return true;
        }
    }
    dial->err = errno;
    if (dial->fd >= 0) close(dial->fd);
    dial->fd = -1;
    return false;
}

/* Until when the next address is tried: those that are left share the time alike. */
static int dial_set_timer(ri_dial *dial)
{
    int64_t now = ri_loop_now(dial->loop);
    int64_t left = RI_MAX(ri_ns_sub(dial->until_ns, now), 0);
    return ri_loop_timer_set(dial->loop, &dial->timer,
                             ri_ns_add(now, left / (dial->naddresses - dial->next + 1)));
}

static void dial_next(ri_dial *dial)
{
    while (dial->next < dial->naddresses) {
        const ri_address *to = &dial->addresses[dial->next++];
        socklen_t len = to->any.sa_family == AF_INET6 ? sizeof to->v6 : sizeof to->v4;
        if (dial_set_timer(dial) == RILL_OK && dial_connect(dial, &to->any, len)) return;
    }
    ri_err_os(RILL_ECONN, dial->err, "connect to %s", dial->name);
    dial_over(dial, -1);
}

/* The one that is tried does not answer. */
static void dial_fail(ri_dial *dial, int err)
{
    dial_unwatch(dial);
    if (dial->fd >= 0) close(dial->fd);
    dial->fd = -1;
    dial->err = err;
    dial_next(dial);
}

static void dial_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    ri_dial *dial = arg;
    int err = 0;
    socklen_t len = sizeof err;
    ri_loop_had_event(dial->loop);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) err = errno;
    if (err) dial_fail(dial, err);
    else dial_over(dial, dial->fd);
}

static void dial_on_timer(ri_loop_timer *timer)
{
    ri_dial *dial = ri_container_of(timer, ri_dial, timer);
    if (dial->question) {
        ri_err(RILL_ETIMEDOUT, "look up %s: no answer in time", dial->name);
        dial_over(dial, -1);
    } else {
        dial_fail(dial, ETIMEDOUT);
    }
}

static void dial_on_soon(ri_loop_soon *soon)
{
    ri_dial *dial = ri_container_of(soon, ri_dial, soon);
    dial_next(dial); /* of a unix socket that refused there is none, which says so */
}

void ri_dial_look(ri_dial *dial)
{
    if (!dial->question) return;
    int n = ri_resolve_read(dial->question, dial->addresses, RI_DIAL_ADDRESSES);
    if (n == RILL_EAGAIN) return;
    ri_resolve_forget(dial->question);
    dial->question = NULL;
    if (n < 0) {
        dial_over(dial, -1);
        return;
    }
    dial->naddresses = n;
    dial_next(dial);
}

static int dial_unix(ri_dial *dial, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof addr.sun_path)
        return ri_err(RILL_EINVAL, "unix:%s: a path has 1 to %zu bytes", path,
                      sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, len + 1);
    snprintf(dial->name, sizeof dial->name, "unix:%s", path);
    int rc = dial_set_timer(dial);
    if (rc == RILL_OK && !dial_connect(dial, (struct sockaddr *)&addr, sizeof addr))
        ri_loop_soon_put(dial->loop, &dial->soon);
    return rc;
}

static int dial_host(ri_dial *dial, const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;
    snprintf(dial->name, sizeof dial->name, v6 ? "[%.240s]:%u" : "%.240s:%u", host, port);
    if (ri_resolve_digits(host, port, &dial->addresses[0])) {
        dial->naddresses = 1;
        ri_loop_soon_put(dial->loop, &dial->soon);
        return RILL_OK;
    }
    int rc = ri_loop_timer_set(dial->loop, &dial->timer, dial->until_ns);
    return rc < 0 ? rc : ri_resolve_ask(&dial->question, host, port, dial->notify, dial->arg);
}

int ri_dial_start(ri_dial *dial, ri_loop *loop, const char *host, uint16_t port, const char *path,
                  int64_t timeout_ns)
{
    RI_ASSERT(!dial->loop && dial->done && dial->notify);
    dial->loop = loop;
    dial->fd = -1;
    dial->naddresses = dial->next = dial->err = 0;
    dial->timer.fn = dial_on_timer;
    dial->soon.fn = dial_on_soon;
    ri_list_init(&dial->soon.link);
    dial->until_ns = ri_ns_add(ri_loop_now(loop), timeout_ns);
    int rc = path ? dial_unix(dial, path) : dial_host(dial, host, port);
    if (rc < 0) ri_dial_stop(dial);
    return rc;
}
