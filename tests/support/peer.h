/* SPDX-License-Identifier: Apache-2.0 */
/* A client of a broker: a blocking socket, and what was read of it. What does not go as a function
 * says that it must ends the test. */
#ifndef RI_TEST_PEER_H
#define RI_TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define PEER_CONNECT "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true," \
                     "\"protocol\":1,\"no_responders\":true}\r\n"

enum { PEER_WAIT_MS = 60000 }; /* far more than any answer takes */

typedef struct peer {
    int fd;
    size_t len; /* bytes of `buf` that wait */
    char buf[16384];
} peer;

/* A socket that is connected to this port of 127.0.0.1, or to this path; -1: nobody listens. What
 * is sent to it is taken within PEER_WAIT_MS, or that fails. */
int peer_dial(int port);
int peer_dial_unix(const char *path);
/* Dial a port at which somebody listens, and say nothing. */
void peer_visit(peer *p, int port);
/* On a fresh connection: read the INFO, send the CONNECT, wait until it is obeyed. */
void peer_greet(peer *p);
/* Both. */
void peer_open(peer *p, int port);

/* As far as the other side listens: false if it does not. */
bool peer_try(peer *p, const char *bytes, size_t len);
void peer_send_bytes(peer *p, const char *bytes, size_t len);
void peer_send(peer *p, const char *text);

/* More bytes behind those there, within this time: > 0; 0: the stream has ended; < 0: in vain. */
int peer_fill_within(peer *p, int wait_ms);
/* The same within PEER_WAIT_MS: true if there are more. */
bool peer_fill(peer *p);
/* Forget the first `n` bytes of those that wait. */
void peer_eat(peer *p, size_t n);
/* Take and forget `len` bytes. */
void peer_skip(peer *p, size_t len);
/* Read until `word` has come, and forget all up to its end. False: the stream has ended before. */
bool peer_hear(peer *p, const char *word);
/* The next line without its CRLF; "" at the end of the stream. Good until the next call. */
const char *peer_any_line(peer *p);
/* The same, but a PING, which comes two seconds after the login, is answered and passed over. */
const char *peer_line(peer *p);
/* The next line is this one. */
void peer_expect(peer *p, const char *want);
/* The stream ends, without another byte. */
void peer_expect_end(peer *p);
/* All that was sent is obeyed, and nothing else was waiting to be read. */
void peer_sync(peer *p);

#endif
