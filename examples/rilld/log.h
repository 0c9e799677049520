/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's log, in nats-server's shape, which scripts parse:
 *
 *     [4711] 2026/01/02 15:04:05.000000 [INF] Server is ready */
#ifndef RILLD_LOG_H
#define RILLD_LOG_H

#include <stdbool.h>

#include "rill.h"

typedef struct log_options {
    const char *file;  /* appended to; NULL: standard error */
    bool debug, trace;
    bool time;         /* lines carry the time ... */
    bool utc;          /* ... of Greenwich */
} log_options;

/* Make the log so, at the start and again at any later time: a reopened file is a new file if
 * the old one was moved away. On false nothing has changed and errno tells why. */
bool log_open(const log_options *options);

/* Any thread; never waits. Lines do not mix. Those that a log does not take, because nobody reads
 * the pipe that it is, are lost; how many is told when it takes lines again. */
void log_line(rill_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* [FTL]: why the program ends. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* rill_host.log */
void log_hook(void *arg, rill_level level, const char *line);

#endif
