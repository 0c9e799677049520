/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_LINE_BYTES = 4096,
    LOG_PIECE_BYTES = 4096,  /* a pipe that is ready takes so much at once (PIPE_BUF) */
    LOG_LAST_WORDS_MS = 1000 /* how long the line that tells why the program ends may wait */
};

/* One log a process. The descriptor never changes: reopening puts another file behind it, so
 * threads that write meanwhile need no lock. */
static int log_fd = STDERR_FILENO;
static atomic_bool log_debug, log_trace, log_time = true, log_utc;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* nobody waits with it held ... */
static uint64_t log_lost; /* ... and it guards this: lines since the last one that was taken */

static bool log_redirect(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return false;
    if (log_fd == STDERR_FILENO) {
        log_fd = fd;
        return true;
    }
    bool moved = dup3(fd, log_fd, O_CLOEXEC) >= 0;
    close(fd);
    return moved;
}

bool log_open(const log_options *options)
{
    if (options->file && !log_redirect(options->file)) return false;
    log_debug = options->debug;
    log_trace = options->trace;
    log_time = options->time;
    log_utc = options->utc;
    return true;
}

/* "[4711] 2026/01/02 15:04:05.000000 [INF] "; returns its length. */
static size_t log_head(char *out, size_t size, const char *tag)
{
    char when[64] = "";
    if (log_time) {
        struct timespec now;
        struct tm parts;
        clock_gettime(CLOCK_REALTIME, &now);
        if (log_utc)
            gmtime_r(&now.tv_sec, &parts);
        else
            localtime_r(&now.tv_sec, &parts);
        size_t len = strftime(when, sizeof when, "%Y/%m/%d %H:%M:%S", &parts);
        snprintf(when + len, sizeof when - len, ".%06ld ", now.tv_nsec / 1000);
    }
    return (size_t)snprintf(out, size, "[%d] %s[%s] ", (int)getpid(), when, tag);
}

/* May the log be written to now? A file always; a pipe or a terminal when there is room. */
static bool log_has_room(int wait_ms)
{
    struct pollfd out = {.fd = log_fd, .events = POLLOUT};
    return poll(&out, 1, wait_ms) == 1 && (out.revents & POLLOUT) != 0;
}

/* All of it, unless the log takes no more: then the rest is cut. */
static void log_put(const char *line, size_t len, int wait_ms)
{
    while (len > 0 && log_has_room(wait_ms)) {
        ssize_t put = write(log_fd, line, len < LOG_PIECE_BYTES ? len : LOG_PIECE_BYTES);
        if (put < 0 && errno != EINTR) return;
        if (put > 0) {
            line += put;
            len -= (size_t)put;
        }
    }
}

/* A log that takes no more must not stop the service: its lines are counted and told of later. */
static void log_emit(const char *line, size_t len, int wait_ms)
{
    pthread_mutex_lock(&log_lock);
    if (!log_has_room(wait_ms)) {
        log_lost++;
    } else {
        char told[160];
        if (log_lost > 0) {
            size_t head = log_head(told, sizeof told, "WRN");
            int more = snprintf(told + head, sizeof told - head,
                                "%llu lines of the log were lost: it took no more\n",
                                (unsigned long long)log_lost);
            log_put(told, head + (size_t)more, 0);
            log_lost = 0;
        }
        log_put(line, len, wait_ms);
    }
    pthread_mutex_unlock(&log_lock);
}

static void log_write(const char *tag, int wait_ms, const char *format, va_list args)
{
    char small[LOG_LINE_BYTES], *line = small;
    size_t size = sizeof small, len = log_head(small, sizeof small, tag);
    va_list again;
    va_copy(again, args);
    int more = vsnprintf(small + len, sizeof small - len, format, args);
    if (more > 0 && len + (size_t)more + 2 > sizeof small) {
        char *big = malloc(len + (size_t)more + 2); /* a trace of a large message */
        if (big) {
            memcpy(big, small, len);
            line = big;
            size = len + (size_t)more + 2;
            vsnprintf(line + len, size - len, format, again);
        }
    }
    va_end(again);
    if (more > 0) len += (size_t)more;
    if (len > size - 2) len = size - 2;
    line[len++] = '\n';
    log_emit(line, len, wait_ms);
    if (line != small) free(line);
}

void log_line(rill_level level, const char *format, ...)
{
    static const char *const tags[] = {"ERR", "WRN", "INF", "DBG", "TRC"};
    if (level == RILL_DEBUG && !log_debug) return;
    if (level == RILL_TRACE && !log_trace) return;
    va_list args;
    va_start(args, format);
    log_write(tags[level], 0, format, args);
    va_end(args);
}

void log_fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write("FTL", LOG_LAST_WORDS_MS, format, args);
    va_end(args);
}

void log_hook(void *arg, rill_level level, const char *line)
{
    (void)arg;
    log_line(level, "%s", line);
}
