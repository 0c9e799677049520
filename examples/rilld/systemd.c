/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    SYSTEMD_FIRST_FD = 3,  /* SD_LISTEN_FDS_START */
    SYSTEMD_SAY_BYTES = 512,
    SYSTEMD_SAY_S = 1,     /* a manager that does not read holds us up no longer */
    SYSTEMD_USEC_OF_MS = 1000,
};

/* A variable that says a number; -1: it is not there, or says none. */
static long long systemd_number(const char *name)
{
    const char *text = getenv(name);
    char *rest;
    if (!text || !*text) return -1;
    errno = 0;
    long long n = strtoll(text, &rest, 10);
    return *rest || errno || n < 0 ? -1 : n;
}

/* Is it meant for us, and for no parent or child? */
static bool systemd_is_ours(const char *name)
{
    return systemd_number(name) == (long long)getpid();
}

/* "@" begins a name that no file has. */
static int systemd_connect(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof at.sun_path) return -1;
    memcpy(at.sun_path, path, len);
    if (path[0] == '@') at.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){SYSTEMD_SAY_S, 0},
               sizeof(struct timeval));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (connect(fd, (const struct sockaddr *)&at, size) == 0) return fd;
    close(fd);
    return -1;
}

/* Half of the time after which it gives us up. */
static int systemd_interval(void)
{
    long long usec = systemd_number("WATCHDOG_USEC");
    bool ours = !getenv("WATCHDOG_PID") || systemd_is_ours("WATCHDOG_PID");
    if (usec <= 0 || !ours) return -1;
    long long ms = usec / 2 / SYSTEMD_USEC_OF_MS;
    return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (int)ms;
}

/* "nats:http": the name of the one at `i`, which may have none. */
static void systemd_name(int i, char name[SYSTEMD_NAME_BYTES])
{
    const char *names = getenv("LISTEN_FDNAMES");
    for (; names && i > 0; i--) {
        names = strchr(names, ':');
        if (names) names++;
    }
    int len = names ? (int)strcspn(names, ":") : 0;
    snprintf(name, SYSTEMD_NAME_BYTES, "%.*s", len, names ? names : "");
}

static bool systemd_is_door(const char *name)
{
    static const char *const doors[] = {"nats", "kafka", "websocket", "http"};
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++)
        if (strcmp(name, doors[i]) == 0) return true;
    return false;
}

static bool systemd_sockets(systemd_peer *peer, char *error)
{
    long long n = systemd_number("LISTEN_FDS");
    if (n <= 0 || !systemd_is_ours("LISTEN_PID")) return true;
    if (n > SYSTEMD_SOCKETS) {
        snprintf(error, SYSTEMD_ERROR_BYTES, "LISTEN_FDS is %lld, and there are %d at most", n,
                 SYSTEMD_SOCKETS);
        return false;
    }
    for (; peer->nsockets < (int)n; peer->nsockets++) {
        struct systemd_socket *socket = &peer->sockets[peer->nsockets];
        char name[SYSTEMD_NAME_BYTES];
        systemd_name(peer->nsockets, name);
        const char *door = systemd_is_door(name) ? name : "nats";
        for (int i = 0; i < peer->nsockets; i++) {
            if (strcmp(peer->sockets[i].name, door) != 0) continue;
            snprintf(error, SYSTEMD_ERROR_BYTES, "two sockets are given for %s: "
                     "FileDescriptorName= is nats, kafka, websocket or http", door);
            return false;
        }
        snprintf(socket->name, sizeof socket->name, "%s", door);
        socket->fd = SYSTEMD_FIRST_FD + peer->nsockets;
        fcntl(socket->fd, F_SETFD, FD_CLOEXEC);
    }
    return true;
}

bool systemd_begin(systemd_peer *peer, char error[SYSTEMD_ERROR_BYTES])
{
    static const char *const words[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
    const char *path = getenv("NOTIFY_SOCKET");
    *peer = (systemd_peer){.notify_fd = path ? systemd_connect(path) : -1};
    peer->watchdog_ms = peer->notify_fd < 0 ? -1 : systemd_interval();
    bool good = systemd_sockets(peer, error);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) unsetenv(words[i]);
    return good;
}

bool systemd_has(const systemd_peer *peer, const char *door)
{
    for (int i = 0; i < peer->nsockets; i++)
        if (peer->sockets[i].fd && strcmp(peer->sockets[i].name, door) == 0) return true;
    return false;
}

int systemd_take(systemd_peer *peer, const char *door)
{
    for (int i = 0; i < peer->nsockets; i++) {
        int fd = peer->sockets[i].fd;
        if (strcmp(peer->sockets[i].name, door) != 0) continue;
        peer->sockets[i].fd = 0;
        return fd;
    }
    return 0;
}

void systemd_say(const systemd_peer *peer, const char *format, ...)
{
    char text[SYSTEMD_SAY_BYTES];
    va_list args;
    if (peer->notify_fd < 0) return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = len < 0 ? 0 : len < (int)sizeof text ? (size_t)len : sizeof text - 1;
    ssize_t sent;
    do sent = send(peer->notify_fd, text, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

void systemd_say_reloading(const systemd_peer *peer)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    systemd_say(peer, "RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec,
                now.tv_nsec / 1000);
}

void systemd_end(systemd_peer *peer)
{
    for (int i = 0; i < peer->nsockets; i++)
        if (peer->sockets[i].fd) close(peer->sockets[i].fd);
    if (peer->notify_fd >= 0) close(peer->notify_fd);
    *peer = (systemd_peer){.notify_fd = -1, .watchdog_ms = -1};
}
