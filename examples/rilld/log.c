/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_BYTES = 4096 };

/* One log a process. The descriptor never changes: reopening puts another file behind it, so
 * threads that write meanwhile need no lock. */
static int log_fd = STDERR_FILENO;
static atomic_bool log_debug, log_trace, log_time = true, log_utc;

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
    if (options->file != NULL && !log_redirect(options->file)) return false;
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
        if (log_utc) {
            gmtime_r(&now.tv_sec, &parts);
        } else {
            localtime_r(&now.tv_sec, &parts);
        }
        size_t len = strftime(when, sizeof when, "%Y/%m/%d %H:%M:%S", &parts);
        snprintf(when + len, sizeof when - len, ".%06ld ", now.tv_nsec / 1000);
    }
    return (size_t)snprintf(out, size, "[%d] %s[%s] ", (int)getpid(), when, tag);
}

static void log_write(const char *tag, const char *format, va_list args)
{
    char small[LOG_LINE_BYTES], *line = small;
    size_t size = sizeof small, len = log_head(small, sizeof small, tag);
    va_list again;
    va_copy(again, args);
    int more = vsnprintf(small + len, sizeof small - len, format, args);
    if (more > 0 && len + (size_t)more + 2 > sizeof small) {
        char *big = malloc(len + (size_t)more + 2); /* a trace of a large message */
        if (big != NULL) {
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
    /* A log that takes no more must not stop the service. */
    ssize_t written = write(log_fd, line, len);
    (void)written;
    if (line != small) free(line);
}

void log_line(rill_level level, const char *format, ...)
{
    static const char *const tags[] = {"ERR", "WRN", "INF", "DBG", "TRC"};
    if (level == RILL_DEBUG && !log_debug) return;
    if (level == RILL_TRACE && !log_trace) return;
    va_list args;
    va_start(args, format);
    log_write(tags[level], format, args);
    va_end(args);
}

void log_fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write("FTL", format, args);
    va_end(args);
}

void log_hook(void *arg, rill_level level, const char *line)
{
    (void)arg;
    log_line(level, "%s", line);
}
