/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager such as systemd and its services say to each other, as sd_notify(3),
 * sd_watchdog_enabled(3) and sd_listen_fds(3) describe it: a datagram for each sentence to the
 * socket that NOTIFY_SOCKET names; WATCHDOG_USEC says how often it wants to hear of us; sockets
 * that it has bound are descriptors from 3 on. That is little, and libsystemd is much. Without such
 * a manager all of it does nothing. */
#ifndef RILLD_SYSTEMD_H
#define RILLD_SYSTEMD_H

#include <stdbool.h>
#include <sys/types.h>

enum { SYSTEMD_SOCKETS = 8, SYSTEMD_NAME_BYTES = 32, SYSTEMD_ERROR_BYTES = 200 };

typedef struct systemd_peer {
    int notify_fd;      /* connected to the manager; -1: there is none */
    int watchdog_ms;    /* between two signs of life; -1: nobody waits for any */
    int nsockets;
    struct systemd_socket {
        int fd;         /* 0: it was taken */
        char name[SYSTEMD_NAME_BYTES];
    } sockets[SYSTEMD_SOCKETS];
} systemd_peer;

/* Reads the environment and takes out of it what is not for children. False leaves a sentence: what
 * the manager gives cannot be made use of. */
bool systemd_begin(systemd_peer *peer, char error[SYSTEMD_ERROR_BYTES]);
bool systemd_has(const systemd_peer *peer, const char *door);
/* The socket of that name, which is the caller's; 0: there is none. One with another name than
 * those of doors ("nats", "kafka", "websocket", "http") is the one for "nats". */
int systemd_take(systemd_peer *peer, const char *door);
/* "READY=1", and other variables, one a line. */
void systemd_say(const systemd_peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Before what is read again; "READY=1" ends it. */
void systemd_say_reloading(const systemd_peer *peer);
/* What was not taken is closed. */
void systemd_end(systemd_peer *peer);

#endif
