/* SPDX-License-Identifier: Apache-2.0 */
/* The NATS door of a broker: one loop thread with its listeners and its sessions.
 *
 *     turn of the loop
 *       sockets    read outside the gate; enter; parse and route what came, as much as is a
 *                  connection's share of a turn; leave. What is left waits in a row
 *       0          those in the row go on, each by its share
 *       1 enter    end sessions; take what was queued for the touched ones; leave
 *       2          one writev() a touched session
 *       3 enter    give chunks and packets back; who is slow no more; leave
 *
 * A thread of the program that publishes enters the gate itself and only queues; the loop is
 * woken to write. No callback of the program runs here. */
#ifndef RI_NATS_SERVER_H
#define RI_NATS_SERVER_H

#include "base/map.h"
#include "base/nuid.h"
#include "codec/nats/nats.h"
#include "front/broker/broker.h"
#include "front/broker/login.h"
#include "front/broker/peer_host.h"
#include "front/broker/trim.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/outq.h"
#include "net/wire.h"

typedef struct ri_nats_server ri_nats_server;

/* "nats://HOST:PORT", "ws://HOST:PORT", "wss://HOST:PORT" and "unix:PATH". */
extern const ri_door_ops ri_nats_door;

/* Takes over a wire that is connected; `peer` names its other end in log lines. RILL_ECLOSED,
 * RILL_ENOMEM, and then the wire is still the caller's. Any thread. */
int ri_nats_server_accept(ri_nats_server *server, ri_wire *wire, const char *peer);

/* ---- Private part: for the files nats_*.c ---- */

/* The door without its thread: the caller turns server->loop. Inside the gate. */
int ri_nats_server_make(ri_nats_server **server, ri_broker *broker);

/* Write what is queued now, in the middle of a turn. The loop's thread, outside the gate. */
void ri_nats_server_write(ri_nats_server *server);

/* Inside the gate: as in ri_door_ops. */
bool ri_nats_server_is_crowded(const ri_nats_server *server);

/* ---- nats_listen.c ---- */
/* As in ri_door_ops. */
int ri_nats_listen(ri_door *door, const char *url, const rill_listen_opts *opts);
void ri_nats_listen_init(ri_nats_server *server);
/* Inside the gate, on the loop's thread: the certificates of listeners have changed. */
void ri_nats_listen_look(ri_nats_server *server);
void ri_nats_listen_tend(ri_nats_server *server); /* inside the gate */

/* ---- nats_server.c ---- */
struct ri_nats_session;
/* It goes: no walk goes on from there. */
void ri_nats_server_pass(ri_nats_server *server, struct ri_nats_session *s);
/* There is no memory for a subscription that `asker` wants. True: whoever has most of them, and
 * much more than the asker, will go, and there will be. */
bool ri_nats_server_make_interest(ri_nats_server *server, struct ri_nats_session *asker);

/* L: the loop's thread only; A: atomic; the rest inside the gate. */
struct ri_nats_server {
    ri_door door;
    ri_driver driver;           /* of the streams: the loop turns them */
    ri_broker *broker;
    ri_loop loop;
    ri_outq_pool pool;          /* of chunks */
    ri_list new_listeners;      /* opened, not yet with the loop; both lists are changed inside the
                                   gate, by the loop's thread */
    ri_list new_wires;          /* of server_wire: accepted, not yet with the loop */
    ri_list refused_wires;      /* of server_wire: to be closed outside the gate */
    ri_list listeners;          /* L */
    ri_list stopped_listeners;  /* L: accept no more; sessions still name them */
    ri_list sessions;           /* all, also those that end */
    struct ri_nats_session *walked; /* of them, where a walk came by last; or NULL */
    ri_list touched;            /* sessions with output to be looked at */
    ri_list crowd;              /* the same, of a message to very many: a few in each turn ... */
    uint32_t ncrowd;            /* ... as many */
    ri_list fans;               /* L: sessions that rest until all have got what they published */
    ri_list ending;             /* sessions that were ended, until they are off the router */
    ri_list forgetting;         /* sessions with subscriptions that a CONNECT has ended */
    ri_list rechecking;         /* sessions whose rights have changed under their subscriptions */
    ri_list work;               /* L: sessions to be written or settled in this turn */
    ri_list dead;               /* L: to be freed at the end of the turn */
    ri_list waiting;            /* L: sessions not read because of a slow receiver */
    ri_list held;               /* L: sessions whose input waits for its turn */
    uint32_t inputs, inputs_last; /* L: shares of input in this turn of the loop, in the last */
    uint32_t sample_left;       /* L: reads until the next one that is measured */
    int64_t sample_ns;          /* L: when that one was, until what came of it is written; 0: none
                                   is waited for */
    uint64_t sample_out;        /* L: messages that had been delivered before it */
    uint32_t nsessions;         /* connections that are open */
    uint32_t nstalled;          /* receivers with over 3/4 of max_pending_bytes waiting */
    bool drained;               /* one of those is so no more */
    ri_worker worker;           /* checks hashes of passwords, and gives memory back */
    ri_list checking;           /* L: sessions that wait for that */
    uint32_t nchecking;         /* L: as many */
    bool check_runs;            /* L: the worker has a check, or has done it */
    ri_login_desk *desk;        /* L: where the program is asked; NULL: nobody had to be yet */
    atomic_uint nasking;        /* sessions that wait there, for their turn or for its answer */
    char checked_host[RI_PEER_HOST_MAX]; /* whose was the last */
    ri_list windows;            /* where services answer who comes in, one an account */
    ri_map callouts;            /* what they are asked, by the token of the answer */
    ri_list asked;              /* the same, in the order of asking; later ones are due later */
    ri_list answered;           /* of these, which are answered and wait for the worker's row */
    ri_loop_timer asked_timer;  /* L: the first of them is due */
    ri_nuid nuid;               /* of tokens */
    ri_trim trim;               /* L */
    bool interest_looked;       /* in this turn, for who has most subscriptions */
    uint64_t interest_most;     /* bytes that he had */
    uint64_t conns_total, slow_conns, stale_conns, stalled_conns;
    ri_match_cache reply_cache; /* small; who listens to the reply of an unanswered request */
    ri_buffer mapped;           /* the subject that a publish is mapped to */
    ri_nats_line line;          /* sizes as text, of the message delivered last ... */
    size_t line_header_len, line_data_len; /* ... which had these */
    ri_park written;            /* signalled when output was written and a flush waits */
    uint32_t flushing;          /* calls of flush that wait */
    uint64_t epoch;             /* a flush begins a new one */
    atomic_bool reload;         /* A: asked for */
    bool closing;               /* asked for: no more sessions */
    bool close_begun;           /* L: the sessions were asked to end */
    bool output_left;           /* at the end of a close */
    int64_t close_due_ns;       /* when it must be over */
    ri_loop_timer close_timer;  /* L */
    ri_loop_timer durable_timer; /* L: the streams' next turn */
    bool ldm;                   /* lame duck */
    bool ldm_begun;             /* L */
    uint32_t ldm_grace_ms, ldm_duration_ms;
    int64_t ldm_end_ns;         /* L: the last session is closed then */
    ri_loop_timer ldm_timer;    /* L */
    bool certs_changed;         /* a listener has another certificate, or the first one */
    ri_loop_timer cert_timer;   /* L: when the end of a certificate is near */
    ri_loop_timer tend_timer;   /* L: when something is over between accounts */
};

/* L: the units that one connection's input may take now: all those of a turn of the loop take about
 * two of the gate's, unless they are many. */
int64_t ri_nats_server_share(ri_nats_server *server);

static inline void ri_nats_server_enter(ri_nats_server *server) /* the loop's thread */
{
    ri_broker_enter(server->broker);
}
/* Leave without waking itself. */
static inline void ri_nats_server_leave(ri_nats_server *server)
{
    server->broker->output_waits &= ~server->door.bit;
    ri_broker_leave(server->broker);
}

#endif
