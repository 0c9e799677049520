/* SPDX-License-Identifier: Apache-2.0 */
/* A broker with a door of HTTP, and visitors of it who see each byte. */
#ifndef RI_TEST_VISITOR_H
#define RI_TEST_VISITOR_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"

enum { WAIT_MS = 20000, TEXT_MAX = 1 << 20 };

static rill_broker *broker;
static int port;
static char text[TEXT_MAX]; /* what a visitor has read, with a 0 */

static inline void serve(const rill_broker_opts *opts)
{
    OK(rill_broker_open(&broker, opts));
    OK(port = rill_broker_listen(broker, "http://127.0.0.1:0", NULL));
}

static inline void end(void)
{
    OK(rill_broker_close(broker, WAIT_MS));
}

/* ---- A visitor ---- */

static inline int visit(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){WAIT_MS / 1000, 0},
               sizeof(struct timeval));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static inline void say(int fd, const char *bytes)
{
    size_t len = strlen(bytes);
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Up to the end of the stream, into `text`; false: it was reset. */
static inline bool hear_all(int fd)
{
    size_t len = 0;
    ssize_t got;
    while ((got = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0) len += (size_t)got;
    text[len] = 0;
    ck_assert_msg(got == 0 || errno == ECONNRESET, "%s", strerror(errno));
    return got == 0;
}

/* One answer whole, into `text`: its status. */
static inline int hear_one(int fd)
{
    size_t len = 0, size = 0;
    const char *body = NULL;
    while (!body || len < size) {
        ssize_t got = recv(fd, text + len, body ? size - len : 1, 0);
        ck_assert_msg(got > 0, "the answer ends after %zu bytes: %s", len, strerror(errno));
        len += (size_t)got;
        text[len] = 0;
        if (body || !(body = strstr(text, "\r\n\r\n"))) continue;
        const char *length = strstr(text, "Content-Length: ");
        ck_assert_ptr_nonnull(length);
        size = len + strtoul(length + strlen("Content-Length: "), NULL, 10);
    }
    ck_assert_int_eq(strncmp(text, "HTTP/1.1 ", 9), 0);
    return atoi(text + 9);
}

static inline int get(const char *request)
{
    int fd = visit();
    say(fd, request);
    ck_assert(hear_all(fd));
    close(fd);
    return atoi(text + 9);
}

#define GET(path) get("GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

static inline void has(const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "no %s in %.2000s", words, text);
}

#endif
