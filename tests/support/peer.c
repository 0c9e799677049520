/* SPDX-License-Identifier: Apache-2.0 */
#include "support/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/die.h"

/* Takes over the socket. */
static int peer_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    if (fd < 0) die("socket: %s", strerror(errno));
    struct timeval bound = {.tv_sec = PEER_WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    if (connect(fd, to, len) == 0) return fd;
    close(fd);
    return -1;
}

int peer_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return peer_connect(fd, (struct sockaddr *)&to, sizeof to);
}

int peer_dial_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path) die("%s is too long", path);
    strcpy(to.sun_path, path);
    return peer_connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&to,
                        sizeof to);
}

void peer_visit(peer *p, int port)
{
    p->len = 0;
    p->fd = peer_dial(port);
    if (p->fd < 0) die("port %d: %s", port, strerror(errno));
}

void peer_greet(peer *p)
{
    if (strncmp(peer_line(p), "INFO {", 6) != 0) die("the broker does not begin with INFO");
    peer_send(p, PEER_CONNECT "PING\r\n");
    peer_expect(p, "PONG");
    if (!strstr(peer_line(p), "\"connect_info\":true")) die("no INFO came behind the PONG");
}

void peer_open(peer *p, int port)
{
    peer_visit(p, port);
    peer_greet(p);
}

bool peer_try(peer *p, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

void peer_send_bytes(peer *p, const char *bytes, size_t len)
{
    if (!peer_try(p, bytes, len)) die("send: %s", strerror(errno));
}

void peer_send(peer *p, const char *text)
{
    peer_send_bytes(p, text, strlen(text));
}

int peer_fill_within(peer *p, int wait_ms)
{
    struct pollfd pfd = {p->fd, POLLIN, 0};
    if (p->len == sizeof p->buf) die("a line is longer than %zu", sizeof p->buf);
    if (poll(&pfd, 1, wait_ms) <= 0) return -1;
    ssize_t n = recv(p->fd, p->buf + p->len, sizeof p->buf - p->len, 0);
    if (n < 0 && errno != ECONNRESET) die("recv: %s", strerror(errno));
    if (n <= 0) return 0;
    p->len += (size_t)n;
    return 1;
}

bool peer_fill(peer *p)
{
    return peer_fill_within(p, PEER_WAIT_MS) > 0;
}

void peer_eat(peer *p, size_t n)
{
    p->len -= n;
    memmove(p->buf, p->buf + n, p->len);
}

void peer_skip(peer *p, size_t len)
{
    while (len > 0) {
        if (p->len == 0 && !peer_fill(p)) die("%zu bytes do not come", len);
        size_t part = len < p->len ? len : p->len;
        peer_eat(p, part);
        len -= part;
    }
}

bool peer_hear(peer *p, const char *word)
{
    size_t len = strlen(word);
    char *at;
    while (!(at = memmem(p->buf, p->len, word, len))) {
        if (p->len > len) peer_eat(p, p->len - len);
        int rc = peer_fill_within(p, PEER_WAIT_MS);
        if (rc < 0) die("\"%s\" does not come", word);
        if (rc == 0) return false;
    }
    peer_eat(p, (size_t)(at - p->buf) + len);
    return true;
}

const char *peer_any_line(peer *p)
{
    static _Thread_local char line[sizeof p->buf];
    char *end;
    while (!(end = memmem(p->buf, p->len, "\r\n", 2)))
        if (!peer_fill(p)) return "";
    size_t len = (size_t)(end - p->buf);
    memcpy(line, p->buf, len);
    line[len] = 0;
    peer_eat(p, len + 2);
    return line;
}

const char *peer_line(peer *p)
{
    const char *line;
    while (strcmp(line = peer_any_line(p), "PING") == 0) peer_send(p, "PONG\r\n");
    return line;
}

void peer_expect(peer *p, const char *want)
{
    const char *line = peer_line(p);
    if (strcmp(line, want) != 0) die("\"%s\" came, not \"%s\"", line, want);
}

void peer_expect_end(peer *p)
{
    int rc;
    while ((rc = peer_fill_within(p, PEER_WAIT_MS)) > 0) continue;
    if (rc < 0) die("the stream does not end");
    if (p->len) die("\"%.*s\" came before the end", (int)p->len, p->buf);
}

void peer_sync(peer *p)
{
    peer_send(p, "PING\r\n");
    peer_expect(p, "PONG");
}
