/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MONITOR_ANSWER_MAX = 1 << 20, MONITOR_HOST_MAX = 256 };

static const struct {
    const char *name;
    size_t at;
} monitor_names[] = {
    {"connections", offsetof(monitor_figures, connections)},
    {"subscriptions", offsetof(monitor_figures, subscriptions)},
    {"in_msgs", offsetof(monitor_figures, in_msgs)},
    {"out_msgs", offsetof(monitor_figures, out_msgs)},
    {"in_bytes", offsetof(monitor_figures, in_bytes)},
    {"out_bytes", offsetof(monitor_figures, out_bytes)},
    {"slow_consumers", offsetof(monitor_figures, slow_consumers)},
    {"mem", offsetof(monitor_figures, mem)},
};
enum { MONITOR_NAMES = sizeof monitor_names / sizeof monitor_names[0] };

static double *monitor_at(monitor_figures *figures, size_t i)
{
    return (double *)((char *)figures + monitor_names[i].at);
}

/* "http://HOST:PORT/", or less of it. */
static bool monitor_place(const char *place, char host[MONITOR_HOST_MAX], const char **port)
{
    const char *scheme = strstr(place, "://");
    snprintf(host, MONITOR_HOST_MAX, "%s", scheme ? scheme + 3 : place);
    host[strcspn(host, "/")] = 0;
    char *colon = strrchr(host, ':');
    if (!colon || colon == host) return false;
    *colon = 0;
    *port = colon + 1;
    size_t len = strlen(host);
    if (host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = 0;
    }
    return true;
}

static int monitor_dial(const tool *t, const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct timeval most = {.tv_sec = tool_timeout_ms(t) / 1000,
                           .tv_usec = tool_timeout_ms(t) % 1000 * 1000};
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) return errno = EHOSTUNREACH, -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        int why = errno;
        close(fd);
        fd = -1;
        errno = why;
    }
    freeaddrinfo(found);
    return fd;
}

/* The whole answer, up to its end. */
static bool monitor_get(int fd, const char *host, text *answer)
{
    text ask = {0};
    char piece[4096];
    ssize_t n = 0;
    text_addf(&ask, "GET /varz HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
    bool sent = send(fd, ask.ptr, ask.len, MSG_NOSIGNAL) == (ssize_t)ask.len;
    text_free(&ask);
    while (sent && answer->len < MONITOR_ANSWER_MAX && (n = recv(fd, piece, sizeof piece, 0)) > 0)
        text_add(answer, piece, (size_t)n);
    return sent && n == 0 && answer->len > 0 && strncmp(answer->ptr, "HTTP/1.", 7) == 0 &&
           strstr(answer->ptr, " 200 ") != NULL;
}

/* The member of the outermost object, by its name: others of that name lie deeper, and are indented
 * by more than the one step that these have. */
static void monitor_read(const char *answer, monitor_figures *figures)
{
    for (size_t i = 0; i < MONITOR_NAMES; i++) {
        char name[64];
        snprintf(name, sizeof name, "\n  \"%s\": ", monitor_names[i].name);
        const char *found = strstr(answer, name);
        if (found) *monitor_at(figures, i) = strtod(found + strlen(name), NULL);
    }
}

int monitor_ask(tool *t, const char *place, monitor_figures *figures)
{
    char host[MONITOR_HOST_MAX];
    const char *port;
    text answer = {0};
    if (!monitor_place(place, host, &port))
        return tool_error(t, TOOL_USAGE, "--monitor %s: write HOST:PORT", place);
    /* A terminal that is resized meanwhile would cut off what has a time-out. */
    sigset_t resized, before;
    sigemptyset(&resized);
    sigaddset(&resized, SIGWINCH);
    sigprocmask(SIG_BLOCK, &resized, &before);
    errno = 0;
    int fd = monitor_dial(t, host, port);
    bool good = fd >= 0 && monitor_get(fd, host, &answer);
    if (good) monitor_read(answer.ptr, figures);
    else tool_error(t, TOOL_UNREACHABLE, "--monitor %s: %s", place,
                    errno ? strerror(errno) : "that is no monitoring port of a server");
    if (fd >= 0) close(fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    text_free(&answer);
    return good ? TOOL_OK : TOOL_UNREACHABLE;
}

void monitor_rates(monitor_figures *rates, const monitor_figures *now,
                   const monitor_figures *before, double seconds)
{
    monitor_figures a = *now, b = *before;
    for (size_t i = 0; i < MONITOR_NAMES; i++)
        *monitor_at(rates, i) = seconds > 0 ?
            (*monitor_at(&a, i) - *monitor_at(&b, i)) / seconds : 0;
}

static void monitor_rate(text *line, const char *what, double msgs, double bytes)
{
    text_addf(line, "  %s ", what);
    text_add_count(line, msgs > 0 ? (uint64_t)(msgs + 0.5) : 0);
    text_puts(line, "/s ");
    text_add_size(line, bytes > 0 ? (uint64_t)bytes : 0);
    text_puts(line, "/s");
}

void monitor_line(text *line, const monitor_figures *f, const monitor_figures *rates)
{
    if (!f) return;
    text_add_count(line, (uint64_t)f->connections);
    text_puts(line, " connections  ");
    text_add_count(line, (uint64_t)f->subscriptions);
    text_puts(line, " subscriptions");
    monitor_rate(line, "in", rates->in_msgs, rates->in_bytes);
    monitor_rate(line, "out", rates->out_msgs, rates->out_bytes);
    text_addf(line, "  slow %.0f  memory ", f->slow_consumers);
    text_add_size(line, (uint64_t)f->mem);
}

void monitor_fields(out *o, const monitor_figures *figures)
{
    monitor_figures f = *figures;
    for (size_t i = 0; i < MONITOR_NAMES; i++)
        out_count(o, monitor_names[i].name, (uint64_t)*monitor_at(&f, i));
}
