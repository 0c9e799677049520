/* SPDX-License-Identifier: Apache-2.0 */
/* A wire of the profile on the host: a socket to the HOST:PORT of the URL, and a host with this
 * machine's clock, randomness and rest. */
#ifndef TEST_SOCKET_WIRE_H
#define TEST_SOCKET_WIRE_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rill.h"

static int socket_fd = -1;
static size_t socket_most; /* bytes in one write; 0: as many as it takes */

static int64_t socket_result(ssize_t n)
{
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EINTR ? RILL_EAGAIN : RILL_EIO;
}

static int64_t socket_read(void *arg, void *buf, size_t len)
{
    (void)arg;
    return socket_result(recv(socket_fd, buf, len, 0));
}

static int64_t socket_write(void *arg, const void *buf, size_t len)
{
    static bool stalls;
    (void)arg;
    if (socket_most && (stalls = !stalls)) return RILL_EAGAIN;
    size_t most = socket_most && socket_most < len ? socket_most : len;
    return socket_result(send(socket_fd, buf, most, MSG_NOSIGNAL));
}

static void socket_close(void *arg)
{
    (void)arg;
    close(socket_fd);
    socket_fd = -1;
}

static int socket_dial(rill_wire **wire, const char *address, void *arg)
{
    static const rill_wire_ops ops = {sizeof ops, socket_read, socket_write, socket_close, NULL};
    char host[64] = {0};
    const char *colon = strrchr(address, ':');
    struct addrinfo *found = NULL;
    (void)arg;
    if (!colon || (size_t)(colon - address) >= sizeof host) return RILL_EINVAL;
    memcpy(host, address, (size_t)(colon - address));
    if (getaddrinfo(host, colon + 1, &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found) != 0)
        return RILL_ECONN;
    socket_fd = socket(found->ai_family, SOCK_STREAM, 0);
    int rc = connect(socket_fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (rc == 0 && fcntl(socket_fd, F_SETFL, O_NONBLOCK) == 0)
        return rill_wire_new(wire, &ops, NULL, NULL);
    close(socket_fd);
    return RILL_ECONN;
}

static int64_t host_now(void *arg)
{
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void host_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    if (getrandom(out, len, 0) != (ssize_t)len) abort();
}

/* Until the socket has something, or that time is over. */
static void host_idle(void *arg, int64_t ns)
{
    (void)arg;
    struct pollfd fd = {socket_fd, POLLIN, 0};
    int ms = ns < 0 || ns > INT64_C(1000000000) ? 1000 : (int)((ns + 999999) / 1000000);
    poll(&fd, socket_fd >= 0, ms);
}

static const rill_host socket_host = {.size = sizeof socket_host, .mono_ns = host_now,
                                      .entropy = host_entropy, .idle = host_idle};

#endif
