/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: opened on any thread, so that the caller learns at once what is wrong with
 * an address, then handed to a loop, which accepts. When the process is out of descriptors a
 * listener rests for a while in place of spinning on a connection that it cannot take. */
#ifndef RI_LISTEN_H
#define RI_LISTEN_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/list.h"
#include "codec/nats/url.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/ws_wire.h"

#define RI_LISTEN_PEER_MAX 64 /* bytes of a peer's name, with its 0 */

typedef struct ri_listener ri_listener;
/* A connection: a socket that does not block and is now yours. `peer` is "127.0.0.1:4567",
 * "[::1]:4567" or "@" for a unix socket. */
typedef void (*ri_listen_fn)(ri_listener *listener, int fd, const char *peer);

struct ri_listener {
    const ri_host *host;
    ri_loop *loop;            /* NULL until started */
    ri_listen_fn fn;
    void *arg;
    ri_list link;             /* in a list of its owner's */
    struct event event;
    bool watching;            /* the event is in the loop */
    ri_loop_timer rest_timer; /* ends a pause of accepting */
    int fd;
    int port;                 /* 0 for a unix socket */
    char *name;               /* HOST of the URL, or PATH; owned */
    size_t name_len;
    bool is_unix;
    bool given;               /* the socket was there: its file is another's */
    char *advertise;          /* host and port for its clients; NULL: `name`; owned */
    int advertise_port;
    ri_tls_conf *tls;         /* a reference; NULL: none. Guarded by its owner, as is the next */
    bool tls_optional;        /* clients need not speak it */
    ri_ws_conf *ws;           /* clients speak WebSocket: a reference; NULL: none. As tls */
    bool is_ws;
    char address[RI_LISTEN_PEER_MAX]; /* HOST:PORT for log lines, as far as it fits */
};

typedef struct ri_listen_certs { /* what the certificates of a door's listeners say together */
    uint32_t slots;     /* handshakes that may be under way at a time; 0: no listener has TLS */
    int64_t expires_ns; /* when the first of them ends, of the wall clock; 0: there is none */
    int64_t again_ns;   /* from now: when to look again; 0: never */
} ri_listen_certs;

/* A unix:, nats:, ws:, wss:, kafka:, kafkas:, http: or https: URL. `socket` > 0: one that listens
 * already, of which a copy is made; its port is what it is bound to. RILL_EINVAL, RILL_EIO,
 * RILL_ENOMEM. Any thread. */
int ri_listen_open(ri_listener **listener, const ri_host *host, const ri_url *url, int socket);
/* Is it at this URL? A port of 0 is at none. */
bool ri_listen_is_at(const ri_listener *listener, const ri_url *url);
/* Adds what the listener's certificate says, and names one that ends within a week in the log.
 * Where its `tls` is guarded. */
void ri_listen_look(const ri_listener *listener, int64_t wall_ns, ri_listen_certs *certs);
/* The calls below are for the loop's thread. */
/* The loop has room for as many handshakes, and `timer` goes off when the next look is due. */
void ri_listen_obey(const ri_listen_certs *certs, ri_loop *loop, ri_loop_timer *timer);
int ri_listen_start(ri_listener *listener, ri_loop *loop, ri_listen_fn fn, void *arg);
void ri_listen_resume(ri_listener *listener); /* descriptors may be free again */
/* Accept no more; `name` and `address` can still be read. */
void ri_listen_stop(ri_listener *listener);
void ri_listen_close(ri_listener *listener);  /* also when never started; frees */
/* The address of this host that the connection came to; empty: it has none. Any thread. */
void ri_listen_local(int fd, char out[RI_LISTEN_PEER_MAX]);

#endif
