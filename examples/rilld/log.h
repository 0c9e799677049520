/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's log, in nats-server's shape, which scripts parse, or as JSON:
 *
 *     [4711] 2026/01/02 15:04:05.000000 [INF] Server is ready
 *     {"time":"2026-01-02T15:04:05.000000Z","level":"info","pid":4711,"msg":"Server is ready"}
 *
 * It goes to standard error, to a file, or to syslog (log_syslog.h). Who logs writes, and does no
 * more: a file that is full is put aside by log_turn(), on the main thread (log_backup.h). Until
 * then, and if it cannot be done, lines go on into the same file. */
#ifndef RILLD_LOG_H
#define RILLD_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "rill.h"

enum { LOG_ERROR_BYTES = 512 };

typedef struct log_options {
    const char *file;     /* appended to; goes before the next two */
    const char *remote;   /* syslog elsewhere, as udp://host:port; goes before the next */
    bool syslog;          /* that of this machine; else standard error */
    bool debug, trace;
    bool time;            /* lines carry the time ... */
    bool utc;             /* ... of Greenwich */
    bool json;            /* a line is an object of JSON; not in syslog */
    uint64_t size_limit;  /* bytes of a file that is put aside; 0: never */
    uint32_t max_files;   /* the file and those put aside: older ones are deleted; 0: none is */
} log_options;

/* Make the log so, at the start and again at any later time: a reopened file is a new file if
 * the old one was moved away. On false nothing has changed, and `error` has a sentence. */
bool log_open(const log_options *options, char error[LOG_ERROR_BYTES]);
/* At the end: what waits for syslog may take a moment to leave. */
void log_close(void);

/* Main thread: log_turn() is due when log_fd() can be read, and after log_wait_ms(). It puts a
 * full file aside and sends what waits for syslog. -1: none, and never. */
int log_fd(void);
int log_wait_ms(void);
void log_turn(void);

/* Any thread; never waits. Lines do not mix. Those that a log does not take, because its disk is
 * full or nobody reads the pipe that it is, are lost. How many is told when it takes some again. */
void log_line(rill_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* [FTL]: why the program ends. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* rill_host.log */
void log_hook(void *arg, rill_level level, const char *line);

#endif
