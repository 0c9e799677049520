/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/json_text.h"
#include "log_backup.h"
#include "log_syslog.h"

enum {
    LOG_LINE_BYTES = 4096,
    LOG_PIECE_BYTES = 4096,   /* a pipe that is ready takes so much at once (PIPE_BUF) */
    LOG_JSON_BYTES = 160,     /* of a line of JSON, besides what it says */
    LOG_LAST_WORDS_MS = 1000  /* how long the line that tells why the program ends may wait */
};

typedef struct log_kind {
    const char *tag, *word;   /* in a line of text, and of JSON */
    int severity;             /* in syslog, as nats-server has it */
} log_kind;

static const log_kind log_kinds[] = {
    [RILL_ERROR] = {"ERR", "error", LOG_ERR},
    [RILL_WARN] = {"WRN", "warn", LOG_WARNING},
    [RILL_INFO] = {"INF", "info", LOG_NOTICE},
    [RILL_DEBUG] = {"DBG", "debug", LOG_DEBUG},
    [RILL_TRACE] = {"TRC", "trace", LOG_NOTICE},
};
static const log_kind log_last_words = {"FTL", "fatal", LOG_CRIT};

/* One log a process. */
static atomic_bool log_debug, log_trace, log_time = true, log_utc, log_json;
static int log_wake = -1;     /* is readable when log_turn() has something to do; or -1 */
static atomic_bool log_woken; /* ... which it is about to do */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* nobody waits with it held ... */
/* ... and it guards these: where lines go, unless there is a syslog. */
static int log_out = STDERR_FILENO;
static syslog_peer *log_syslog;
static bool log_cut;                         /* its last line has no end */
static uint64_t log_lost;                    /* lines since the last one that was taken */
static uint64_t log_size, log_full;          /* bytes of the file, and when it is full; 0: never */
/* The main thread's, as is what puts a full file aside. */
static char log_path[PATH_MAX];
static uint64_t log_limit;
static uint32_t log_max_files;

/* ---- Where lines go ---- */

/* A pipe of that name may have no reader: the open does not wait for one, and what is written
 * before one comes stays in the pipe. */
static int log_open_file(const char *path)
{
    const int how = O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, O_WRONLY | how, 0640);
    return fd < 0 && errno == ENXIO ? open(path, O_RDWR | how, 0640) : fd;
}

/* From now on: to this file (standard error has no limit), or to `peer`. */
static void log_go_to(int fd, syslog_peer *peer)
{
    struct stat file;
    bool is_file = fd != STDERR_FILENO && fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    pthread_mutex_lock(&log_lock);
    int old = log_out;
    syslog_peer *old_peer = log_syslog;
    log_out = fd;
    log_syslog = peer;
    log_cut = false;
    log_size = is_file ? (uint64_t)file.st_size : 0;
    log_full = is_file ? log_limit : 0;
    if (old_peer) syslog_flush(old_peer, 0);
    pthread_mutex_unlock(&log_lock);
    if (old != STDERR_FILENO) close(old);
    syslog_free(old_peer);
}

bool log_open(const log_options *options, char error[LOG_ERROR_BYTES])
{
    int fd = STDERR_FILENO;
    syslog_peer *peer = NULL;
    if (log_wake < 0) log_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (options->file) {
        fd = strlen(options->file) < sizeof log_path ? log_open_file(options->file) : -1;
        if (fd < 0) {
            snprintf(error, LOG_ERROR_BYTES, "open %.400s: %s", options->file, strerror(errno));
            return false;
        }
        strcpy(log_path, options->file);
    } else if (options->remote || options->syslog) {
        peer = syslog_find(options->remote, error, LOG_ERROR_BYTES);
        if (!peer) return false;
    }
    log_limit = options->size_limit;
    log_max_files = options->max_files;
    log_debug = options->debug;
    log_trace = options->trace;
    log_time = options->time;
    log_utc = options->utc;
    log_json = options->json;
    log_go_to(fd, peer);
    return true;
}

void log_close(void)
{
    pthread_mutex_lock(&log_lock);
    if (log_syslog) syslog_flush(log_syslog, LOG_LAST_WORDS_MS);
    pthread_mutex_unlock(&log_lock);
}

/* ---- A file that is full ---- */

/* Is what we write to still what has that name? */
static bool log_is_at_its_place(void)
{
    struct stat ours, named;
    return fstat(log_out, &ours) == 0 && stat(log_path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Lines go on into the file that there is, until as much again has come. */
static void log_stay(const char *what, const char *name)
{
    int why = errno;
    pthread_mutex_lock(&log_lock);
    log_full = log_size < UINT64_MAX - log_limit ? log_size + log_limit : UINT64_MAX;
    uint64_t next = log_full;
    pthread_mutex_unlock(&log_lock);
    log_line(RILL_ERROR, "Unable to rotate the log (%s %s: %s), will attempt next rotation at size "
             "%llu", what, name, strerror(why), (unsigned long long)next);
}

static void log_rotate(void)
{
    char backup[PATH_MAX + LOG_BACKUP_BYTES];
    if (!log_is_at_its_place()) { /* somebody has moved it away */
        int fd = log_open_file(log_path);
        if (fd >= 0) log_go_to(fd, NULL);
        else log_stay("open", log_path);
        return;
    }
    log_backup_name(log_path, log_utc, backup, sizeof backup);
    if (rename(log_path, backup) < 0) {
        log_stay("rename", log_path);
        return;
    }
    int fd = log_open_file(log_path);
    if (fd < 0) {
        int why = errno;
        if (rename(backup, log_path) < 0) log_line(RILL_WARN, "The log is in %s now", backup);
        errno = why;
        log_stay("open", log_path);
        return;
    }
    log_go_to(fd, NULL);
    log_line(RILL_INFO, "Rotated log, backup saved as \"%s\"", backup);
    if (log_max_files > 0) log_backup_purge(log_path, log_max_files - 1);
}

/* Is the file full? Who has cut it off meanwhile has made room. */
static bool log_is_full(void)
{
    struct stat file;
    pthread_mutex_lock(&log_lock);
    bool full = log_full > 0 && log_size > log_full;
    if (full && fstat(log_out, &file) == 0) log_size = (uint64_t)file.st_size;
    full = full && log_size > log_full;
    pthread_mutex_unlock(&log_lock);
    return full;
}

/* ---- The main thread's turns ---- */

int log_fd(void)
{
    return log_wake;
}

int log_wait_ms(void)
{
    pthread_mutex_lock(&log_lock);
    int wait_ms = log_syslog ? syslog_flush(log_syslog, 0) : -1;
    pthread_mutex_unlock(&log_lock);
    return wait_ms;
}

void log_turn(void)
{
    uint64_t times;
    if (read(log_wake, &times, sizeof times) < 0 && errno != EAGAIN) return;
    if (log_is_full()) log_rotate(); /* whose own lines wake nobody, however small a file may be */
    log_woken = false; /* behind the read, which else took the wake of a line in between */
}

static void log_wake_main(void)
{
    const uint64_t once = 1;
    if (atomic_exchange(&log_woken, true) || write(log_wake, &once, sizeof once) < 0)
        return; /* it is awake */
}

/* ---- Lines ---- */

/* "2026/01/02 15:04:05.000000", or as RFC 3339 has it. */
static void log_now(char *out, size_t size, const char *format, bool zone)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    if (log_utc) gmtime_r(&now.tv_sec, &parts);
    else localtime_r(&now.tv_sec, &parts);
    size_t len = strftime(out, size, format, &parts);
    len += (size_t)snprintf(out + len, size - len, ".%06ld", now.tv_nsec / 1000);
    if (!zone) return;
    if (parts.tm_gmtoff == 0) {
        snprintf(out + len, size - len, "Z");
        return;
    }
    long minutes = parts.tm_gmtoff / 60, ahead = labs(minutes);
    snprintf(out + len, size - len, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', ahead / 60 % 100,
             ahead % 60);
}

/* "[4711] 2026/01/02 15:04:05.000000 [INF] "; returns its length. */
static size_t log_head(char *out, size_t size, const char *tag)
{
    char when[64] = "";
    if (log_time) log_now(when, sizeof when, "%Y/%m/%d %H:%M:%S", false);
    return (size_t)snprintf(out, size, "[%d] %s%s[%s] ", (int)getpid(), when, *when ? " " : "",
                            tag);
}

/* May the log be written to now? A file always; a pipe or a terminal when there is room. */
static bool log_has_room(int wait_ms)
{
    struct pollfd out = {.fd = log_out, .events = POLLOUT};
    return poll(&out, 1, wait_ms) == 1 && (out.revents & POLLOUT) != 0;
}

/* False: the log took no more, or not all of it; then the rest is cut. */
static bool log_put(const char *line, size_t len, int wait_ms)
{
    if (log_cut && log_has_room(wait_ms)) log_cut = write(log_out, "\n", 1) != 1;
    if (log_cut) return false;
    while (len > 0) {
        if (!log_has_room(wait_ms)) return false;
        ssize_t put = write(log_out, line, len < LOG_PIECE_BYTES ? len : LOG_PIECE_BYTES);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        log_cut = (size_t)put < len;
        line += put;
        len -= (size_t)put;
        log_size += (uint64_t)put;
    }
    return true;
}

/* {"time":..,"level":..,"pid":..,"msg":..} */
static size_t log_make_json(char *out, size_t size, const log_kind *kind, const char *text,
                            size_t len)
{
    char when[64], escape[RI_JSON_TEXT_ESCAPE];
    size_t at = (size_t)snprintf(out, size, "{");
    if (log_time) {
        log_now(when, sizeof when, "%Y-%m-%dT%H:%M:%S", true);
        at += (size_t)snprintf(out + at, size - at, "\"time\":\"%s\",", when);
    }
    at += (size_t)snprintf(out + at, size - at, "\"level\":\"%s\",\"pid\":%d,\"msg\":\"",
                           kind->word, (int)getpid());
    while (len > 0) {
        size_t plain = ri_json_text_plain(text, len);
        memcpy(out + at, text, plain);
        at += plain;
        text += plain;
        len -= plain;
        size_t taken = len > 0 ? ri_json_text_escape(text, len, escape) : 0;
        for (const char *c = escape; taken > 0 && *c; c++) out[at++] = *c;
        text += taken;
        len -= taken;
    }
    return at + (size_t)snprintf(out + at, size - at, "\"}\n");
}

static bool log_put_json(const log_kind *kind, const char *text, size_t len, int wait_ms)
{
    char small[LOG_LINE_BYTES];
    const size_t most = (sizeof small - LOG_JSON_BYTES) / RI_JSON_TEXT_ESCAPE;
    size_t size = len > most ? LOG_JSON_BYTES + len * RI_JSON_TEXT_ESCAPE : sizeof small;
    char *line = size > sizeof small ? malloc(size) : small;
    if (!line && len > most) len = most;
    bool taken = log_put(line ? line : small,
                         log_make_json(line ? line : small, line ? size : sizeof small, kind, text,
                                       len), wait_ms);
    if (line != small) free(line);
    return taken;
}

/* What a stranger has chosen, such as a name, ends no line and moves no terminal's cursor: letters
 * up to 31 and from 127 to 159, the latter as UTF-8 has them. */
static void log_tame(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool second = i > 0 && (unsigned char)text[i - 1] == 0xc2 && c >= 0x80 && c < 0xa0;
        if ((c < ' ' && c != '\t') || c == 127) text[i] = '?';
        if (second) text[i - 1] = text[i] = '?';
    }
}

/* A line with its end, of which so many bytes are before what it says. */
static bool log_take(const log_kind *kind, const char *line, size_t head, size_t len, int wait_ms)
{
    if (log_syslog)
        return syslog_put(log_syslog, kind->severity, line + head, len - head - 1, wait_ms);
    if (log_json) return log_put_json(kind, line + head, len - head - 1, wait_ms);
    return log_put(line, len, wait_ms);
}

/* A log that takes no more must not stop the service: its lines are counted and told of later. */
static void log_emit(const log_kind *kind, const char *line, size_t head, size_t len, int wait_ms)
{
    pthread_mutex_lock(&log_lock);
    if (log_lost > 0) {
        char told[160];
        size_t before = log_head(told, sizeof told, "WRN");
        int more = snprintf(told + before, sizeof told - before,
                            "%llu lines of the log were lost: it took no more\n",
                            (unsigned long long)log_lost);
        if (log_take(&log_kinds[RILL_WARN], told, before, before + (size_t)more,
                     wait_ms))
            log_lost = 0;
    }
    if (log_lost > 0 || !log_take(kind, line, head, len, wait_ms)) log_lost++;
    bool due = log_syslog ? syslog_waits(log_syslog) : log_full > 0 && log_size > log_full;
    pthread_mutex_unlock(&log_lock);
    if (due) log_wake_main();
}

static void log_write(const log_kind *kind, int wait_ms, const char *format, va_list args)
{
    char small[LOG_LINE_BYTES], *line = small;
    size_t size = sizeof small, head = log_head(small, sizeof small, kind->tag), len = head;
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
    if (!log_json) log_tame(line + head, len - head); /* JSON has escapes for them */
    line[len++] = '\n';
    log_emit(kind, line, head, len, wait_ms);
    if (line != small) free(line);
}

void log_line(rill_level level, const char *format, ...)
{
    if (level == RILL_DEBUG && !log_debug) return;
    if (level == RILL_TRACE && !log_trace) return;
    va_list args;
    va_start(args, format);
    log_write(&log_kinds[level], 0, format, args);
    va_end(args);
}

void log_fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_write(&log_last_words, LOG_LAST_WORDS_MS, format, args);
    va_end(args);
}

void log_hook(void *arg, rill_level level, const char *line)
{
    (void)arg;
    log_line(level, "%s", line);
}
