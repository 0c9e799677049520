/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"

enum { MONITOR_BACKLOG = 64 };

static int64_t monitor_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Open and close ---- */

/* A listening socket at this address; -1 with errno. */
static int monitor_bind(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, MONITOR_BACKLOG) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int monitor_port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    char port[16];
    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0) return 0;
    if (getnameinfo((struct sockaddr *)&name, len, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV) != 0)
        return 0;
    return atoi(port);
}

bool monitor_open(monitor *self, const char *host, int port)
{
    *self = (monitor){.listen_fd = -1};
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all;
    if (getaddrinfo(host, service, &hints, &all) != 0) {
        errno = EADDRNOTAVAIL;
        return false;
    }
    for (const struct addrinfo *at = all; at && self->listen_fd < 0; at = at->ai_next)
        self->listen_fd = monitor_bind(at);
    int saved = errno;
    freeaddrinfo(all);
    errno = saved;
    if (self->listen_fd < 0) return false;
    self->port = monitor_port_of(self->listen_fd);
    return true;
}

static void monitor_dismiss(monitor *self, size_t i)
{
    monitor_visitor *visitor = self->visitors[i];
    if (!visitor) return;
    close(visitor->fd);
    free(visitor->answer);
    free(visitor);
    self->visitors[i] = NULL;
}

void monitor_close(monitor *self)
{
    if (self->listen_fd < 0) return;
    for (size_t i = 0; i < MONITOR_VISITORS_MAX; i++) monitor_dismiss(self, i);
    close(self->listen_fd);
    self->listen_fd = -1;
}

/* ---- One request ---- */

typedef struct monitor_reply {
    int status;
    const char *type;
    doc_text body;
} monitor_reply;

static const char *monitor_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    default: return "Service Unavailable";
    }
}

/* The page of that path, if there is one. What is not as asked is told in plain text, but for the
 * page whose JSON says so itself. */
static void monitor_page(monitor *self, const char *path, const char *query, monitor_reply *reply)
{
    int page = pages_find(path);
    if (page < 0) {
        reply->status = 404;
        doc_raw(&reply->body, "404 page not found\n", 19);
        return;
    }
    self->shown[page]++;
    reply->status = pages_show(page, self, query, &reply->body);
    const char *first = reply->body.ptr;
    if (first && first[0] == '{') reply->type = "application/json";
    if (first && first[0] == '<') reply->type = "text/html; charset=utf-8";
}

typedef struct monitor_request {
    bool head;                /* only the header of the answer is wanted */
    bool keep;                /* another request may follow */
    bool keep_said;           /* it was asked for: it is no matter of course in HTTP/1.0 */
    const char *path, *query;
} monitor_request;

/* The value of a header and whatever follows; NULL if it is not there. */
static const char *monitor_header(const char *headers, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = headers; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
        return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

/* Not after a body, which nobody reads. */
static void monitor_read_keep(monitor_request *request, const char *headers, bool modern)
{
    const char *wish = monitor_header(headers, "Connection");
    bool close = wish && strncasecmp(wish, "close", 5) == 0;
    request->keep_said = wish && strncasecmp(wish, "keep-alive", 10) == 0;
    request->keep = !close && (modern || request->keep_said) &&
                    monitor_header(headers, "Content-Length") == NULL &&
                    monitor_header(headers, "Transfer-Encoding") == NULL;
}

/* Cut "GET /path?query HTTP/1.1" in place; false if it is no request for a page. */
static bool monitor_split(char *line, monitor_request *request)
{
    char *headers = line + strcspn(line, "\r");
    if (*headers) *headers++ = 0;
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0) return false;
    *target++ = 0;
    *version = 0;
    request->head = strcmp(line, "HEAD") == 0;
    if (!request->head && strcmp(line, "GET") != 0 && strcmp(line, "POST") != 0) return false;
    char *mark = strchr(target, '?');
    if (mark) *mark++ = 0;
    request->path = target;
    request->query = mark ? mark : "";
    monitor_read_keep(request, headers, version[8] != '0');
    return true;
}

/* Somebody else could still come. */
static bool monitor_has_room(const monitor *self)
{
    for (size_t i = 0; i < MONITOR_VISITORS_MAX; i++)
        if (!self->visitors[i]) return true;
    return false;
}

/* Put the answer to a request, NULL if it was none, into the visitor; false when out of memory. */
static bool monitor_answer(monitor *self, monitor_visitor *visitor, char *text)
{
    monitor_reply reply = {.status = 200, .type = "text/plain; charset=utf-8"};
    monitor_request request = {.head = false};
    if (!text || !monitor_split(text, &request))
        reply.status = 400;
    else
        monitor_page(self, request.path, request.query, &reply);
    visitor->keep = request.keep && monitor_has_room(self);
    const char *wish = !visitor->keep ? "Connection: close\r\n" :
                       request.keep_said ? "Connection: keep-alive\r\n" : "";
    char header[256];
    int len = snprintf(header, sizeof header,
                       "HTTP/1.1 %d %s\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: %s\r\n"
                       "Content-Length: %zu\r\n%s\r\n", reply.status,
                       monitor_reason(reply.status), reply.type, reply.body.len, wish);
    size_t body_len = request.head ? 0 : reply.body.len;
    visitor->answer = reply.body.failed ? NULL : malloc((size_t)len + body_len);
    if (visitor->answer) {
        memcpy(visitor->answer, header, (size_t)len);
        if (body_len > 0) memcpy(visitor->answer + len, reply.body.ptr, body_len);
        visitor->answer_len = (size_t)len + body_len;
    }
    doc_free(&reply.body);
    return visitor->answer != NULL;
}

/* ---- Visitors ---- */

/* The empty line behind a whole request; NULL if it is not there yet. */
static char *monitor_end_of(const monitor_visitor *visitor)
{
    return memmem(visitor->request, visitor->request_len, "\r\n\r\n", 4);
}

/* Does the request ask for a page that takes long? */
static bool monitor_asks_much(const monitor_visitor *visitor)
{
    const char *target = memchr(visitor->request, ' ', visitor->request_len);
    if (!target) return false;
    size_t len = strcspn(++target, " ?\r");
    char path[32];
    if (len >= sizeof path) return false;
    memcpy(path, target, len);
    path[len] = 0;
    return pages_is_long(pages_find(path));
}

/* Read up to the empty line; then the answer is made. What is behind it is the next request.
 * False: dismiss it. */
static bool monitor_read(monitor *self, monitor_visitor *visitor)
{
    char *end;
    while ((end = monitor_end_of(visitor)) == NULL) {
        size_t room = MONITOR_REQUEST_MAX_BYTES - visitor->request_len;
        if (room == 0) return monitor_answer(self, visitor, NULL);
        ssize_t got = recv(visitor->fd, visitor->request + visitor->request_len, room, 0);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        visitor->request_len += (size_t)got;
    }
    visitor->waits = self->long_shown && monitor_asks_much(visitor);
    if (visitor->waits) return true;
    self->long_shown = self->long_shown || monitor_asks_much(visitor);
    *end = 0;
    bool answered = monitor_answer(self, visitor, visitor->request);
    visitor->request_len -= (size_t)(end + 4 - visitor->request);
    memmove(visitor->request, end + 4, visitor->request_len);
    return answered;
}

static bool monitor_write(monitor_visitor *visitor)
{
    while (visitor->sent < visitor->answer_len) {
        ssize_t put = send(visitor->fd, visitor->answer + visitor->sent,
                           visitor->answer_len - visitor->sent, MSG_NOSIGNAL);
        if (put < 0) return errno == EAGAIN || errno == EINTR;
        visitor->sent += (size_t)put;
    }
    free(visitor->answer);
    visitor->answer = NULL;
    visitor->answer_len = visitor->sent = 0;
    if (visitor->keep) {
        visitor->until_ms = monitor_now_ms() + MONITOR_VISIT_MS;
        return true;
    }
    visitor->told = true;
    return shutdown(visitor->fd, SHUT_WR) == 0;
}

/* Wait for its end, or the end of its time. */
static bool monitor_drain(const monitor_visitor *visitor)
{
    char scrap[1024];
    ssize_t got;
    while ((got = recv(visitor->fd, scrap, sizeof scrap, 0)) > 0) continue;
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool monitor_serve(monitor *self, monitor_visitor *visitor)
{
    if (visitor->told) return monitor_drain(visitor);
    if (!visitor->answer && !monitor_read(self, visitor)) return false;
    return !visitor->answer || monitor_write(visitor);
}

/* A free place, or that of who has been silent longest, or, if all have an answer under way, of
 * who has been here longest. */
static size_t monitor_place(monitor *self)
{
    size_t best = 0;
    for (size_t i = 0; i < MONITOR_VISITORS_MAX; i++) {
        const monitor_visitor *a = self->visitors[i], *b = self->visitors[best];
        if (!a) return i;
        bool silent = !a->answer && !a->waits, other = !b->answer && !b->waits;
        if (silent != other ? silent : a->until_ms < b->until_ms) best = i;
    }
    return best;
}

/* One visitor, who may have said already what it wants; false when there is nobody to accept. */
static bool monitor_admit(monitor *self)
{
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool gone = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
        if (!gone) self->rest_until_ms = monitor_now_ms() + MONITOR_REST_MS;
        return false;
    }
    size_t place = monitor_place(self);
    monitor_dismiss(self, place);
    monitor_visitor *visitor = self->visitors[place] = calloc(1, sizeof *visitor);
    if (!visitor) {
        close(fd);
        return false;
    }
    visitor->fd = fd;
    visitor->until_ms = monitor_now_ms() + MONITOR_VISIT_MS;
    if (!monitor_serve(self, visitor)) monitor_dismiss(self, place);
    return true;
}

static void monitor_accept(monitor *self)
{
    for (int i = 0; i < MONITOR_VISITORS_MAX && monitor_admit(self); i++) continue;
}

nfds_t monitor_watch(const monitor *self, struct pollfd fds[MONITOR_FDS_MAX], int *wait_ms)
{
    if (self->listen_fd < 0) return 0;
    nfds_t count = 0;
    int64_t now_ms = monitor_now_ms();
    for (size_t i = 0; i < MONITOR_VISITORS_MAX; i++) {
        const monitor_visitor *visitor = self->visitors[i];
        if (!visitor) continue;
        /* Who has asked for more at once has it in the next turn. */
        bool writes = !visitor->told &&
                      (visitor->answer || monitor_end_of(visitor) != NULL);
        fds[count++] = (struct pollfd){.fd = visitor->fd, .events = writes ? POLLOUT : POLLIN};
        int64_t left_ms = visitor->until_ms > now_ms ? visitor->until_ms - now_ms : 0;
        if (*wait_ms < 0 || left_ms < *wait_ms) *wait_ms = (int)left_ms;
    }
    int64_t rest_ms = self->rest_until_ms - now_ms;
    if (rest_ms > 0) {
        if (*wait_ms < 0 || rest_ms < *wait_ms) *wait_ms = (int)rest_ms;
        return count;
    }
    fds[count++] = (struct pollfd){.fd = self->listen_fd, .events = POLLIN};
    return count;
}

void monitor_turn(monitor *self, const struct pollfd *fds, nfds_t nfds)
{
    if (self->listen_fd < 0) return;
    int64_t now_ms = monitor_now_ms();
    self->long_shown = false;
    self->first = (self->first + 1) % MONITOR_VISITORS_MAX;
    for (size_t k = 0; k < MONITOR_VISITORS_MAX; k++) {
        size_t i = (self->first + k) % MONITOR_VISITORS_MAX;
        monitor_visitor *visitor = self->visitors[i];
        if (!visitor) continue;
        bool ready = false;
        for (nfds_t at = 0; at < nfds; at++)
            ready = ready || (fds[at].fd == visitor->fd && fds[at].revents != 0);
        bool stays = !ready || monitor_serve(self, visitor);
        if (!stays || now_ms >= visitor->until_ms) monitor_dismiss(self, i);
    }
    for (nfds_t k = 0; k < nfds; k++)
        if (fds[k].fd == self->listen_fd && fds[k].revents != 0) monitor_accept(self);
}
