/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP door of a broker: one loop thread with its listeners and its visitors, who look at the
 * broker and change nothing. It is no client of the router: nothing is published to it.
 *
 *     turn of the loop
 *       sockets    read outside the gate; a head is parsed; its answer is made at once if it is
 *                  short, else the visitor waits in a row
 *       0 enter    the first of the row has a slice of the turn for his answer; who ends goes off;
 *                  leave
 *       1          one writev() a visitor with something to write
 *       2 enter    memory is given back; leave. Whoever has his answer is read again
 *
 * A hostile visitor is bounded thus. A head has RI_HTTP_HEAD_MAX bytes and RI_LIMIT_HTTP_HEAD_MS.
 * A visitor has one request in hand at a time, and what he has sent behind it waits in his socket.
 * One long answer is made at a time, in slices of a part of a turn with pauses between them, so
 * that it stalls nobody in the broker; it counts as work while it is made. All that waits for
 * visitors has RI_LIMIT_HTTP_BYTES: above that who has most of it goes. Whoever reads an answer
 * more slowly than RI_LIMIT_HTTP_RATE goes too.
 * There are RI_LIMIT_HTTP_VISITORS places; when all are taken the visitor who has been silent for
 * longest makes way, or the one whose request is the oldest, and of those who came within the
 * last second none while there is another: nobody is kept out by who says nothing, or does not
 * read. What waits to be written counts as output of the broker, and is shed with the rest when
 * memory is short. */
#ifndef RI_HTTP_SERVER_H
#define RI_HTTP_SERVER_H

#include "front/broker/broker.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/outq.h"
#include "net/worker.h"

enum { RI_HTTP_ROUTES = 24, RI_HTTP_FAMILIES = 24 }; /* at most */

typedef struct ri_http_server ri_http_server;

/* "http://HOST:PORT", "https://HOST:PORT". */
extern const ri_door_ops ri_http_door;

/* ---- Private part: for the files of this room ---- */

typedef struct ri_http_listener { /* one place */
    ri_http_server *server;
    ri_list link;            /* in server->places; freed with the server */
    ri_listener *listener;
    char *base;              /* http_base.h; owned, fixed */
    rill_page_fn on_page;    /* the program's own pages; NULL: it has none */
    void *on_page_arg;
} ri_http_listener;

/* L: the loop's thread only; A: atomic; the rest inside the gate. */
struct ri_http_server {
    ri_door door;
    ri_broker *broker;
    ri_loop loop;
    ri_outq_pool pool;          /* of chunks */
    ri_list new_places;         /* ri_http_listener.link: opened, not yet with the loop */
    ri_list places;             /* all others; also stopped ones, since sessions name them */
    ri_list sessions;           /* all, also those that end; by the time of their last request */
    ri_list ending;             /* sessions that were ended, until they have left the row */
    ri_list row;                /* L: sessions whose answers are long, the one at hand first */
    ri_list ready;              /* L: sessions that may be read again */
    ri_list listeners;          /* L: sessions that listen to what happens, ... */
    uint32_t nlisteners;        /* L: ... so many */
    ri_loop_timer event_timer;  /* L: while there are any */
    ri_list touched;            /* sessions with something to be looked at */
    uint32_t nfollowers;        /* L: sessions that read messages */
    ri_worker worker;           /* compares hashes of passwords */
    uint32_t nchecks;           /* L: that it has, or that are done and not looked at */
    ri_list work;               /* L: sessions to be written or settled in this turn */
    ri_list dead;               /* L: to be freed at the end of the turn */
    uint32_t nsessions;         /* that are open */
    uint64_t visits, slow;      /* connections so far; closed since they read too slowly */
    uint64_t requests, refused; /* L: answered; of these, with 400 or more */
    int64_t entered_ns;         /* L: processor time when it entered the gate, ... */
    int64_t slice_longest_ns;   /* L: ... and what the longest stay there took of it */
    size_t family_sizes[RI_HTTP_FAMILIES]; /* L: bytes of those of the last /metrics */
    uint64_t asked[RI_HTTP_ROUTES]; /* L: how often for each of the routes (http_answer.c) */
    atomic_bool reload;         /* A: asked for */
    bool stopped;               /* no more sessions: it closes, or is a lame duck */
    bool closing;               /* asked for */
    bool close_begun;           /* L: the sessions were asked to end */
    bool output_left;           /* at the end of a close */
    bool certs_changed;         /* a listener has another certificate, or the first one */
    int64_t close_due_ns;       /* when it must be over */
    ri_loop_timer close_timer;  /* L */
    ri_loop_timer slice_timer;  /* L: while the row is not empty */
    int64_t slice_due_ns;       /* L: no slice of a long answer before this */
    ri_loop_timer cert_timer;   /* L: when the end of a certificate is near */
};

/* ---- http_listen.c ---- */

/* Any thread, outside the gate. At a place where the door listens already the options change. */
int ri_http_listen(ri_door *door, const char *url, const rill_listen_opts *opts);
void ri_http_listen_free(ri_http_listener *place, const ri_host *host);
void ri_http_listen_init(ri_http_server *server);
/* On the loop's thread, inside the gate: the certificates of all listeners, which have begun. */
void ri_http_listen_look(ri_http_server *server);

/* ---- http_server.c: on the loop's thread ---- */
void ri_http_server_enter(ri_http_server *server);
void ri_http_server_leave(ri_http_server *server); /* without waking itself */

#endif
