/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WIRE_WAIT_MS 30000 /* a server that is silent for so long has failed */

void wire_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

void *wire_alloc(size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL) wire_die("out of memory: %zu bytes", bytes);
    return p;
}

int64_t wire_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t wire_cpu_ns(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) wire_die("%s: %s", path, strerror(errno));
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    const char *fields = strrchr(text, ')'); /* the name may hold spaces */
    unsigned long long user = 0, system = 0;
    if (fields == NULL ||
        sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
               &system) != 2)
        wire_die("%s: not understood", path);
    return (int64_t)(user + system) * (1000000000 / sysconf(_SC_CLK_TCK));
}

static int wire_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) wire_die("socket: %s", strerror(errno));
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

int wire_try(wire_conn *conn, int port)
{
    conn->len = conn->pos = 0;
    conn->fd = wire_dial(port);
    return conn->fd >= 0;
}

void wire_open(wire_conn *conn, int port)
{
    if (!wire_try(conn, port)) wire_die("connect to port %d: %s", port, strerror(errno));
    wire_greet(conn);
}

void wire_greet(wire_conn *conn)
{
    if (strncmp(wire_line(conn), "INFO ", 5) != 0) wire_die("the server did not begin with INFO");
    wire_sendf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                     "\"no_responders\":true,\"protocol\":0,\"lang\":\"C\",\"name\":\"load\"}\r\n");
    wire_sync(conn);
}

static void wire_await(wire_conn *conn, short events)
{
    struct pollfd poller = {.fd = conn->fd, .events = events};
    int rc = poll(&poller, 1, WIRE_WAIT_MS);
    if (rc == 0) wire_die("the server was silent for %d s", WIRE_WAIT_MS / 1000);
    if (rc < 0 && errno != EINTR) wire_die("poll: %s", strerror(errno));
}

void wire_send(wire_conn *conn, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(conn->fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            wire_await(conn, POLLOUT);
            continue;
        }
        if (n < 0) wire_die("send: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
}

void wire_sendf(wire_conn *conn, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof text) wire_die("a line is too long: %s", fmt);
    wire_send(conn, text, (size_t)len);
}

/* Read once more into buf, behind what waits there. */
static void wire_fill(wire_conn *conn)
{
    memmove(conn->buf, conn->buf + conn->pos, conn->len);
    conn->pos = 0;
    if (conn->len == sizeof conn->buf) wire_die("a line is longer than %zu", sizeof conn->buf);
    ssize_t n;
    while ((n = recv(conn->fd, conn->buf + conn->len, sizeof conn->buf - conn->len, 0)) < 0) {
        if (errno != EAGAIN) wire_die("recv: %s", strerror(errno));
        wire_await(conn, POLLIN);
    }
    if (n == 0) wire_die("the server closed the connection");
    conn->len += (size_t)n;
}

char *wire_line(wire_conn *conn)
{
    for (;;) {
        char *start = conn->buf + conn->pos;
        char *end = memchr(start, '\n', conn->len);
        if (end != NULL) {
            conn->len -= (size_t)(end + 1 - start);
            conn->pos += (size_t)(end + 1 - start);
            *end = 0;
            if (end > start && end[-1] == '\r') end[-1] = 0;
            if (strncmp(start, "-ERR", 4) == 0) wire_die("the server said %s", start);
            return start;
        }
        wire_fill(conn);
    }
}

void wire_take(wire_conn *conn, char *out, size_t len)
{
    while (len > 0) {
        if (conn->len == 0) wire_fill(conn);
        size_t n = len < conn->len ? len : conn->len;
        if (out != NULL) {
            memcpy(out, conn->buf + conn->pos, n);
            out += n;
        }
        conn->pos += n;
        conn->len -= n;
        len -= n;
    }
}

void wire_sync(wire_conn *conn)
{
    wire_sendf(conn, "PING\r\n");
    while (strcmp(wire_line(conn), "PONG") != 0)
        continue;
}

void wire_nonblocking(wire_conn *conn)
{
    if (fcntl(conn->fd, F_SETFL, O_NONBLOCK) < 0) wire_die("fcntl: %s", strerror(errno));
}
