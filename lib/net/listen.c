/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "net/tls_wire.h"

enum {
    LISTEN_BACKLOG = 4096,
    LISTEN_ACCEPTS = 64,   /* connections accepted in one turn, at most */
    /* The pause when no descriptor is left, unless a connection closes before. */
    LISTEN_REST_MS = 100,
};

#define LISTEN_DAY_NS (24 * 3600 * RI_SEC)
#define LISTEN_WARN_NS (7 * LISTEN_DAY_NS) /* before a certificate ends that is said, each day */

static int listen_bind(int fd, const struct sockaddr *addr, socklen_t len, const char *name)
{
    if (bind(fd, addr, len) < 0) return ri_err_os(RILL_EIO, errno, "bind %s", name);
    if (listen(fd, LISTEN_BACKLOG) < 0) return ri_err_os(RILL_EIO, errno, "listen on %s", name);
    return RILL_OK;
}

/* A socket file that nobody listens on any more may be replaced; anything else may not. */
static bool listen_is_stale(const struct sockaddr_un *addr, socklen_t len)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool stale = connect(fd, (const struct sockaddr *)addr, len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int listen_open_unix(ri_listener *l)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (l->name_len == 0 || l->name_len >= sizeof addr.sun_path)
        return ri_err(RILL_EINVAL, "unix:%s: a path has 1 to %zu bytes", l->name,
                      sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, l->name, l->name_len + 1);
    snprintf(l->address, sizeof l->address, "%s", l->name);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0) return ri_err_os(RILL_EIO, errno, "socket");
    if (listen_is_stale(&addr, sizeof addr)) unlink(l->name);
    int rc = listen_bind(l->fd, (const struct sockaddr *)&addr, sizeof addr, l->name);
    l->is_unix = rc == RILL_OK; /* from here on the socket's file is ours to remove */
    return rc;
}

static int listen_port_of(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0) return 0;
    if (addr.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
    return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static int listen_open_address(ri_listener *l, const struct addrinfo *info)
{
    l->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0) return ri_err_os(RILL_EIO, errno, "socket");
    int one = 1;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = listen_bind(l->fd, info->ai_addr, info->ai_addrlen, l->address);
    if (rc == RILL_OK) return RILL_OK;
    close(l->fd);
    l->fd = -1;
    return rc;
}

static void listen_write_address(ri_listener *l)
{
    bool v6 = memchr(l->name, ':', l->name_len) != NULL;
    snprintf(l->address, sizeof l->address, v6 ? "[%.40s]:%d" : "%.56s:%d", l->name, l->port);
}

static int listen_open_tcp(ri_listener *l, uint16_t port)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    l->port = port;
    listen_write_address(l);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(l->name_len ? l->name : "0.0.0.0", service, &hints, &found);
    if (err) return ri_err(RILL_EIO, "%s: %s", l->address, gai_strerror(err));
    int rc = RILL_EIO;
    /* A name with several addresses, such as localhost: the IPv4 one is what clients try. */
    for (int pass = 0; pass < 2 && rc < 0; pass++)
        for (struct addrinfo *info = found; info && rc < 0; info = info->ai_next)
            if ((info->ai_family == AF_INET) == (pass == 0)) rc = listen_open_address(l, info);
    freeaddrinfo(found);
    if (rc < 0) return rc;
    l->port = listen_port_of(l->fd);
    listen_write_address(l);
    return RILL_OK;
}

/* One that somebody else has bound, as systemd does: of the kind that the URL says. */
static int listen_copy_socket(ri_listener *l, bool is_unix, int fd)
{
    int listens = 0, family = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
        return ri_err(RILL_EINVAL, "descriptor %d is no socket that listens", fd);
    size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        (is_unix ? family != AF_UNIX : family != AF_INET && family != AF_INET6))
        return ri_err(RILL_EINVAL, "descriptor %d is no socket of that kind", fd);
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (l->fd < 0) return ri_err_os(RILL_EIO, errno, "descriptor %d", fd);
    int flags = fcntl(l->fd, F_GETFL);
    if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ri_err_os(RILL_EIO, errno, "descriptor %d", fd);
    l->given = true;
    l->is_unix = is_unix;
    l->port = is_unix ? 0 : listen_port_of(l->fd);
    if (is_unix) snprintf(l->address, sizeof l->address, "%s", l->name);
    else listen_write_address(l);
    return RILL_OK;
}

int ri_listen_open(ri_listener **listener, const ri_host *host, const ri_url *url, int socket)
{
    RI_ASSERT(host && url);
    *listener = NULL;
    bool tcp = url->scheme == RI_URL_NATS || url->scheme == RI_URL_KAFKA ||
               url->scheme == RI_URL_KAFKAS || url->scheme == RI_URL_HTTP ||
               url->scheme == RI_URL_HTTPS || ri_url_is_ws(url);
    if (url->scheme != RI_URL_UNIX && (!tcp || url->npeers != 1))
        return ri_err(RILL_EINVAL, "a listener's URL is nats://HOST:PORT, ws://HOST:PORT, "
                      "wss://HOST:PORT, kafka://HOST:PORT, kafkas://HOST:PORT, http://HOST:PORT, "
                      "https://HOST:PORT or unix:PATH");
    if (tcp && url->peers[0].path.len)
        return ri_err(RILL_EINVAL, "a listener's URL has no path: whatever a client asks for is "
                      "served");
    ri_listener *l = ri_new(host, ri_listener);
    if (!l) return RILL_ENOMEM;
    l->host = host;
    l->fd = -1;
    l->is_ws = ri_url_is_ws(url);
    ri_list_init(&l->link);
    ri_str name = url->scheme == RI_URL_UNIX ? url->path : url->peers[0].host;
    l->name_len = name.len;
    l->name = ri_strdup(host, name.ptr, name.len);
    int rc = RILL_ENOMEM;
    if (l->name && socket > 0) rc = listen_copy_socket(l, url->scheme == RI_URL_UNIX, socket);
    else if (l->name && url->scheme == RI_URL_UNIX) rc = listen_open_unix(l);
    else if (l->name) rc = listen_open_tcp(l, url->peers[0].port);
    if (rc < 0) {
        ri_listen_close(l);
        return rc;
    }
    *listener = l;
    return RILL_OK;
}

bool ri_listen_is_at(const ri_listener *l, const ri_url *url)
{
    RI_ASSERT(l && url);
    if (url->scheme == RI_URL_UNIX) return l->is_unix && ri_str_is(url->path, l->name);
    bool tcp = !l->is_unix && url->npeers == 1 && l->is_ws == ri_url_is_ws(url);
    return tcp && url->peers[0].port == l->port && l->port != 0 &&
           ri_str_is(url->peers[0].host, l->name);
}

/* When to look again. */
static int64_t listen_look_at_end(const ri_listener *l, int64_t left_ns)
{
    char date[RI_RFC3339_MAX];
    if (left_ns > LISTEN_WARN_NS) return ri_ns_sub(left_ns, LISTEN_WARN_NS);
    int len = (int)ri_rfc3339_write(date, l->tls->expires_ns);
    if (left_ns <= 0)
        ri_host_log(l->host, RILL_ERROR, "The certificate of the listener %s has expired at %.*s",
                    l->address, len, date);
    else
        ri_host_log(l->host, RILL_WARN, "The certificate of the listener %s expires at %.*s, in "
                    "%lld hours", l->address, len, date, (long long)(left_ns / (3600 * RI_SEC)));
    return LISTEN_DAY_NS;
}

void ri_listen_look(const ri_listener *l, int64_t wall_ns, ri_listen_certs *certs)
{
    RI_ASSERT(l && certs);
    if (!l->tls) return;
    RI_ASSERT(l->tls->server);
    int64_t again_ns = listen_look_at_end(l, ri_ns_sub(l->tls->expires_ns, wall_ns));
    certs->again_ns = certs->slots ? RI_MIN(certs->again_ns, again_ns) : again_ns;
    certs->expires_ns = certs->slots ? RI_MIN(certs->expires_ns, l->tls->expires_ns)
                                     : l->tls->expires_ns;
    certs->slots = RI_MAX(certs->slots, l->tls->slots);
}

void ri_listen_obey(const ri_listen_certs *certs, ri_loop *loop, ri_loop_timer *timer)
{
    RI_ASSERT(certs && loop && timer->fn);
    if (certs->slots && ri_tls_wire_set_slots(loop, certs->slots) < 0)
        ri_host_log(loop->host, RILL_ERROR, "TLS: %s", ri_err_text());
    ri_loop_timer_cancel(loop, timer);
    if (certs->again_ns) /* without memory for the timer nothing is said of the end */
        ri_loop_timer_set(loop, timer, ri_ns_add(ri_loop_now(loop), certs->again_ns));
}

void ri_listen_local(int fd, char out[RI_LISTEN_PEER_MAX])
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    *out = 0;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0) return;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&addr;
    if (addr.ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&addr)->sin_addr, out, RI_LISTEN_PEER_MAX);
    else if (addr.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], out, RI_LISTEN_PEER_MAX);
    else if (addr.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, out, RI_LISTEN_PEER_MAX);
}

static void listen_name_peer(const struct sockaddr_storage *addr, char *peer)
{
    char ip[INET6_ADDRSTRLEN];
    unsigned port = 0;
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        port = ntohs(in->sin_port);
        snprintf(peer, RI_LISTEN_PEER_MAX, "%s:%u", ip, port);
    } else if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        port = ntohs(in6->sin6_port);
        snprintf(peer, RI_LISTEN_PEER_MAX, "[%s]:%u", ip, port);
    } else {
        strcpy(peer, "@");
    }
}

static void listen_watch(ri_listener *l, bool watch)
{
    if (watch == l->watching) return;
    if (watch) l->watching = event_add(&l->event, NULL) == 0;
    else l->watching = event_del(&l->event) != 0;
}

static void listen_rest(ri_listener *l, int err)
{
    ri_host_log(l->host, RILL_ERROR, "Temporary client accept error (%s), resting for %d ms",
                strerror(err), LISTEN_REST_MS);
    listen_watch(l, false);
    int64_t due_ns = ri_loop_now(l->loop) + LISTEN_REST_MS * RI_MS;
    if (ri_loop_timer_set(l->loop, &l->rest_timer, due_ns) < 0) listen_watch(l, true);
}

static void listen_on_rested(ri_loop_timer *timer)
{
    listen_watch(ri_container_of(timer, ri_listener, rest_timer), true);
}

static void listen_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    ri_listener *l = arg;
    ri_loop_had_event(l->loop);
    for (int i = 0; i < LISTEN_ACCEPTS && l->watching; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int conn = accept4(fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn < 0) {
            int err = errno;
            if (err == ECONNABORTED || err == EINTR) continue;
            bool lack = err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
            if (lack) listen_rest(l, err);
            return;
        }
        int one = 1;
        if (!l->is_unix) setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        char peer[RI_LISTEN_PEER_MAX];
        listen_name_peer(&addr, peer);
        l->fn(l, conn, peer);
    }
}

int ri_listen_start(ri_listener *l, ri_loop *loop, ri_listen_fn fn, void *arg)
{
    RI_ASSERT(!l->loop && l->fd >= 0);
    l->loop = loop;
    l->fn = fn;
    l->arg = arg;
    l->rest_timer.fn = listen_on_rested;
    event_assign(&l->event, loop->base, l->fd, EV_READ | EV_PERSIST, listen_on_event, l);
    listen_watch(l, true);
    return l->watching ? RILL_OK : ri_err(RILL_EIO, "libevent could not watch %s", l->address);
}

void ri_listen_resume(ri_listener *l)
{
    if (!l->loop || l->watching || l->fd < 0) return;
    ri_loop_timer_cancel(l->loop, &l->rest_timer);
    listen_watch(l, true);
}

void ri_listen_stop(ri_listener *l)
{
    if (l->loop) {
        listen_watch(l, false);
        ri_loop_timer_cancel(l->loop, &l->rest_timer);
    }
    if (l->fd >= 0) close(l->fd);
    if (l->fd >= 0 && l->is_unix && !l->given) unlink(l->name);
    l->fd = -1;
}

void ri_listen_close(ri_listener *l)
{
    if (!l) return;
    ri_listen_stop(l);
    ri_list_remove(&l->link);
    ri_free(l->host, l->name, l->name_len + 1);
    if (l->advertise) ri_free(l->host, l->advertise, strlen(l->advertise) + 1);
    ri_tls_conf_unref(l->tls);
    ri_ws_conf_unref(l->ws);
    ri_delete(l->host, l);
}
