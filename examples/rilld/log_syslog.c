/* SPDX-License-Identifier: Apache-2.0 */
#include "log_syslog.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
    SYSLOG_LINE = 8192,        /* bytes of a line: the rest is cut */
    SYSLOG_SHORT = 1024,       /* ... for a peer that takes no longer ones: RFC 3164 */
    SYSLOG_QUEUE = 64 * 1024,
    SYSLOG_ADDRESSES = 4,      /* of a name, at most */
    SYSLOG_AGAIN_MS = 1000,    /* between two searches for a peer that is away */
    SYSLOG_FLUSH_MS = 50,      /* between two looks whether a stream takes more */
    SYSLOG_HOST = 256
};

typedef struct syslog_address {
    struct sockaddr_storage at;
    socklen_t len;
} syslog_address;

struct syslog_peer {
    char *url;                 /* ours */
    bool local;                /* a socket of this machine, by its path */
    int type;                  /* SOCK_DGRAM or SOCK_STREAM */
    syslog_address addresses[SYSLOG_ADDRESSES];
    size_t naddresses, next;   /* which is tried next */
    int fd;                    /* -1: it is away */
    bool connecting;
    bool told;                 /* standard error knows that it is away */
    int64_t again_ms;          /* not to be looked for before */
    size_t queued;
    bool cut;                  /* a part of the queue's first line has been sent */
    char queue[SYSLOG_QUEUE];  /* whole lines, each with its end */
    char line[SYSLOG_LINE];
    char host[SYSLOG_HOST];    /* of this machine */
};

static int64_t syslog_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Where it is ---- */

typedef struct syslog_place {
    int type;                  /* 0: a path */
    char host[SYSLOG_HOST];
    const char *port, *path;
} syslog_place;

static bool syslog_read_url(const char *url, syslog_place *place)
{
    *place = (syslog_place){0};
    if (strncmp(url, "unix://", 7) == 0) {
        place->path = url + 7;
        return *place->path && strlen(place->path) < sizeof((struct sockaddr_un *)0)->sun_path;
    }
    if (strncmp(url, "udp://", 6) == 0) place->type = SOCK_DGRAM;
    else if (strncmp(url, "tcp://", 6) == 0) place->type = SOCK_STREAM;
    else return false;
    const char *host = url + 6, *colon = strrchr(host, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || *end || port < 1 || port > 65535) return false;
    size_t len = (size_t)(colon - host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof place->host || memchr(host, '@', len)) return false;
    memcpy(place->host, host, len);
    place->port = colon + 1;
    return true;
}

bool syslog_url_is_good(const char *url)
{
    syslog_place place;
    return syslog_read_url(url, &place);
}

static bool syslog_look_up(syslog_peer *peer, const syslog_place *place, char *error, size_t size)
{
    const struct addrinfo wanted = {.ai_socktype = place->type, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(place->host, place->port, &wanted, &found);
    if (rc != 0) {
        snprintf(error, size, "syslog %s: %s", peer->url, gai_strerror(rc));
        return false;
    }
    for (struct addrinfo *at = found; at && peer->naddresses < SYSLOG_ADDRESSES; at = at->ai_next) {
        syslog_address *to = &peer->addresses[peer->naddresses++];
        memcpy(&to->at, at->ai_addr, at->ai_addrlen);
        to->len = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return true;
}

static void syslog_set_path(syslog_peer *peer, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path)); /* syslog_read_url() knows that it fits */
    memcpy(&peer->addresses[0].at, &name, sizeof name);
    peer->addresses[0].len = sizeof name;
    peer->naddresses = 1;
    peer->local = true;
}

/* ---- A connection ---- */

static void syslog_tell(syslog_peer *peer, int why)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (!peer->told && poll(&out, 1, 0) == 1)
        dprintf(STDERR_FILENO, "%s: syslog %s: %s; lines are lost until it takes them\n",
                program_invocation_short_name, peer->url, strerror(why));
    peer->told = true;
}

/* The next line is begun anew, at the next address. */
static void syslog_lose(syslog_peer *peer, int why)
{
    syslog_tell(peer, why);
    if (peer->fd >= 0) close(peer->fd);
    peer->fd = -1;
    peer->connecting = false;
    peer->next = (peer->next + 1) % peer->naddresses;
    peer->again_ms = syslog_now_ms() + (peer->next == 0 ? SYSLOG_AGAIN_MS : 0);
    if (!peer->cut) return;
    const char *end = memchr(peer->queue, '\n', peer->queued);
    size_t len = end ? (size_t)(end + 1 - peer->queue) : peer->queued;
    peer->queued -= len;
    memmove(peer->queue, peer->queue + len, peer->queued);
    peer->cut = false;
}

/* 0, or errno; EPROTOTYPE: a path whose socket is of the other type, which is tried next. */
static int syslog_dial(syslog_peer *peer)
{
    const syslog_address *to = &peer->addresses[peer->next];
    peer->fd = socket(to->at.ss_family, peer->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer->fd < 0) return errno;
    if (connect(peer->fd, (const struct sockaddr *)&to->at, to->len) == 0) return 0;
    int why = errno;
    peer->connecting = why == EINPROGRESS;
    if (why == EPROTOTYPE) peer->type = peer->type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM;
    return peer->connecting ? 0 : why;
}

/* Is there a connection that takes bytes now, or within this time? */
static bool syslog_is_up(syslog_peer *peer, int wait_ms)
{
    if (peer->fd < 0 && syslog_now_ms() < peer->again_ms) return false;
    int why = peer->fd < 0 ? syslog_dial(peer) : 0;
    char none;
    if (why == 0 && peer->connecting) {
        struct pollfd out = {.fd = peer->fd, .events = POLLOUT};
        socklen_t len = sizeof why;
        if (poll(&out, 1, wait_ms) != 1) return false;
        getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &why, &len);
        peer->connecting = false;
    } else if (why == 0 && peer->type == SOCK_STREAM &&
               recv(peer->fd, &none, 1, MSG_DONTWAIT) == 0) {
        why = EPIPE; /* it has closed: a write would seem to go well */
    }
    if (why != 0) syslog_lose(peer, why);
    return why == 0;
}

static ssize_t syslog_send(syslog_peer *peer, const char *bytes, size_t len, int wait_ms)
{
    ssize_t sent = send(peer->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    struct pollfd out = {.fd = peer->fd, .events = POLLOUT};
    if (sent < 0 && errno == EAGAIN && wait_ms > 0 && poll(&out, 1, wait_ms) == 1)
        sent = send(peer->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0 && (peer->local || peer->type == SOCK_STREAM)) peer->told = false;
    return sent;
}

/* ---- Lines ---- */

static size_t syslog_head(syslog_peer *peer, int severity)
{
    char when[40];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    size_t len = strftime(when, sizeof when, peer->local ? "%b %e %H:%M:%S" : "%Y-%m-%dT%H:%M:%S%z",
                          &parts);
    if (!peer->local && len > 5) { /* +0200 is +02:00 there */
        memmove(when + len - 1, when + len - 2, 3);
        when[len - 2] = ':';
    }
    return (size_t)snprintf(peer->line, SYSLOG_SHORT, "<%d>%s %s%s%.100s[%d]: ",
                            LOG_DAEMON | severity, when, peer->host, peer->local ? "" : " ",
                            program_invocation_short_name, (int)getpid());
}

/* Its length. What is no character ends no line of a stream. */
static size_t syslog_make_line(syslog_peer *peer, int severity, const char *text, size_t len)
{
    size_t head = syslog_head(peer, severity);
    if (len > SYSLOG_LINE - 1 - head) len = SYSLOG_LINE - 1 - head;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        peer->line[head + i] = c < ' ' || c == 127 ? ' ' : text[i];
    }
    return head + len;
}

static ssize_t syslog_send_datagram(syslog_peer *peer, const char *line, size_t len, int wait_ms)
{
    ssize_t sent = syslog_send(peer, line, len, wait_ms);
    if (sent < 0 && errno == EMSGSIZE && len > SYSLOG_SHORT)
        sent = syslog_send(peer, line, SYSLOG_SHORT, wait_ms);
    return sent;
}

static bool syslog_put_datagram(syslog_peer *peer, size_t len, int wait_ms)
{
    if (!syslog_is_up(peer, 0)) return false;
    ssize_t sent = syslog_send_datagram(peer, peer->line, len, wait_ms);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) syslog_lose(peer, errno);
    return sent >= 0;
}

bool syslog_put(syslog_peer *peer, int severity, const char *text, size_t len, int wait_ms)
{
    len = syslog_make_line(peer, severity, text, len);
    if (peer->type == SOCK_DGRAM && peer->queued > 0) syslog_flush(peer, wait_ms);
    if (peer->type == SOCK_DGRAM) return syslog_put_datagram(peer, len, wait_ms);
    if (peer->queued + len + 1 > sizeof peer->queue) syslog_flush(peer, wait_ms);
    if (peer->queued + len + 1 > sizeof peer->queue) return false;
    memcpy(peer->queue + peer->queued, peer->line, len);
    peer->queue[peer->queued + len] = '\n';
    peer->queued += len + 1;
    syslog_flush(peer, wait_ms);
    return true;
}

bool syslog_waits(const syslog_peer *peer)
{
    return peer->queued > 0;
}

/* How much is left of the time to wait: one that takes a little again and again has no more. */
static int syslog_left_ms(int64_t until_ms)
{
    int64_t left_ms = until_ms - syslog_now_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

/* How much of it has gone. A stream that has come back as a socket of datagrams takes a line with
 * each. */
static ssize_t syslog_send_queue(syslog_peer *peer, int wait_ms)
{
    if (peer->type == SOCK_STREAM)
        return syslog_send(peer, peer->queue, peer->queued, wait_ms);
    size_t len = (size_t)((const char *)memchr(peer->queue, '\n', peer->queued) - peer->queue);
    return syslog_send_datagram(peer, peer->queue, len, wait_ms) < 0 ? -1 : (ssize_t)len + 1;
}

int syslog_flush(syslog_peer *peer, int wait_ms)
{
    const int64_t until_ms = wait_ms > 0 ? syslog_now_ms() + wait_ms : 0;
    while (peer->queued > 0 && syslog_is_up(peer, wait_ms)) {
        ssize_t sent = syslog_send_queue(peer, wait_ms);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            syslog_lose(peer, errno);
            break;
        }
        peer->cut = peer->queue[sent - 1] != '\n';
        peer->queued -= (size_t)sent;
        memmove(peer->queue, peer->queue + sent, peer->queued);
        if (wait_ms > 0) wait_ms = syslog_left_ms(until_ms);
    }
    if (peer->queued == 0) return -1;
    int64_t left_ms = peer->fd < 0 ? peer->again_ms - syslog_now_ms() : SYSLOG_FLUSH_MS;
    return left_ms > 0 ? (int)left_ms : 1;
}

/* ---- All of it ---- */

syslog_peer *syslog_find(const char *url, char *error, size_t size)
{
    syslog_place place;
    const char *name = url ? url : "unix:///dev/log";
    syslog_peer *peer = calloc(1, sizeof *peer);
    if (peer) peer->fd = -1;
    if (peer) peer->url = strdup(name);
    if (!peer || !peer->url) {
        snprintf(error, size, "out of memory");
        syslog_free(peer);
        return NULL;
    }
    bool good = syslog_read_url(name, &place);
    if (!good) snprintf(error, size, "syslog %s is no URL", name);
    if (good && place.path) {
        peer->type = SOCK_DGRAM;
        syslog_set_path(peer, place.path);
        int why = syslog_dial(peer);
        if (why == EPROTOTYPE) {
            close(peer->fd);
            why = syslog_dial(peer);
        }
        good = why == 0;
        if (!good) snprintf(error, size, "syslog %s: %s", name, strerror(why));
    } else if (good) {
        peer->type = place.type;
        gethostname(peer->host, sizeof peer->host - 1);
        good = syslog_look_up(peer, &place, error, size);
    }
    if (good) return peer;
    syslog_free(peer);
    return NULL;
}

void syslog_free(syslog_peer *peer)
{
    if (!peer) return;
    if (peer->fd >= 0) close(peer->fd);
    free(peer->url);
    free(peer);
}
