/* SPDX-License-Identifier: Apache-2.0 */
/* The little of NATS that the load generators share: dial, log in, whole lines, clocks. They
 * speak to raw sockets so that no client library's cost is measured. Every failure ends the
 * program with a sentence; a generator has nothing to save. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct wire_conn {
    int fd;
    size_t len;      /* bytes of `buf` that wait to be read */
    size_t pos;      /* the first of them */
    char buf[16384]; /* of the line reader; generators that count bytes read past it */
} wire_conn;

_Noreturn void wire_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *wire_alloc(size_t bytes);
int64_t wire_now_ns(void);
/* CPU that the process has used so far, user and system, in ns (the kernel counts in 10 ms). */
int64_t wire_cpu_ns(pid_t pid);
/* Connect to 127.0.0.1:port; 0 if nobody listens. */
int wire_try(wire_conn *conn, int port);
/* On a connection that was dialled: read INFO, CONNECT, PING, and wait for the PONG. Of protocol
 * 0, so that no later INFO comes between messages. */
void wire_greet(wire_conn *conn);
/* Both, or the end of this program. */
void wire_open(wire_conn *conn, int port);
void wire_send(wire_conn *conn, const void *data, size_t len);
void wire_sendf(wire_conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The next line without its CRLF, lent until the next call. */
char *wire_line(wire_conn *conn);
/* Exactly len bytes into out (NULL: dropped). */
void wire_take(wire_conn *conn, char *out, size_t len);
/* PING, and drop whole lines up to the PONG. */
void wire_sync(wire_conn *conn);
void wire_nonblocking(wire_conn *conn);

#endif
