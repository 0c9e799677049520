/* SPDX-License-Identifier: Apache-2.0 */
/* Where the lines of a log go over a socket: the syslog of this machine, or one elsewhere. The
 * C library's syslog() would wait for a syslog that is slow. Here nobody waits: what a socket does
 * not take at once is lost, but for 64 KiB of whole lines, which wait for a stream. A peer that is
 * away is looked for once a second, and standard error is told.
 *
 * Lines are of RFC 3164, as nats-server's: elsewhere with the host's name and a time of RFC 3339.
 * Their facility is daemon. Calls are one at a time, under the log's lock. */
#ifndef RILLD_LOG_SYSLOG_H
#define RILLD_LOG_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>

/* Any thread; nothing is opened: is this a URL that syslog_find() may find? */
bool syslog_url_is_good(const char *url);

typedef struct syslog_peer syslog_peer;

/* udp://host:port, tcp://host:port or unix://path; NULL: the syslog of this machine. May wait for
 * names. NULL with a sentence in `error`. */
syslog_peer *syslog_find(const char *url, char *error, size_t size);
void syslog_free(syslog_peer *peer);
/* False: the line is lost. `wait_ms`: how long it may take. */
bool syslog_put(syslog_peer *peer, int severity, const char *text, size_t len, int wait_ms);
/* Is there something that waits? */
bool syslog_waits(const syslog_peer *peer);
/* Send what waits. How long until the next call, in milliseconds; -1: nothing waits. */
int syslog_flush(syslog_peer *peer, int wait_ms);

#endif
