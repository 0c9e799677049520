/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka door of a broker: one loop thread with its listeners and its sessions.
 *
 *     turn of the loop
 *       sockets    read outside the gate; frames are cut and decoded; enter; requests begin, as
 *                  much as is a connection's share of a turn; leave. What is left waits in a row
 *       0 enter    requests that can go on do so; the streams take their turn, which commits; those
 *                  who waited for that are answered; who ends goes off; leave
 *       1          one writev() a touched session
 *       2 enter    memory is given back; leave. Sessions that have room again read on
 *
 * A large frame is decoded in its turn, outside the gate, some in each turn of the loop, and its
 * request begins then. A request that can go on has a small part of a turn at first, and all are
 * stepped before those that such a part was too little for: these have what is left of the turn,
 * one after the other. So who asks for little, or waits for one record, does not stand behind those
 * who ask for much, however many they are.
 *
 * What a topic is to the streams says kafka_catalog.h; how requests are begun, wait and are
 * answered in their order, kafka_session.h. This file knows neither. */
#ifndef RI_KAFKA_SERVER_H
#define RI_KAFKA_SERVER_H

#include "front/broker/broker.h"
#include "front/broker/trim.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/outq.h"

typedef struct ri_kafka_server ri_kafka_server;

/* "kafka://HOST:PORT", "kafkas://HOST:PORT". */
extern const ri_door_ops ri_kafka_door;

/* ---- Private part: for the files of this room ---- */

struct ri_kafka_session;
struct ri_kafka_catalog;

typedef struct ri_kafka_listener { /* one place, and what clients that come there are answered */
    ri_kafka_server *server;
    ri_list link;            /* in server->places; freed with the server */
    ri_listener *listener;
    bool auto_create;        /* a topic that is asked for is made */
    int32_t partitions;      /* of a topic whose maker does not say how many */
} ri_kafka_listener;

/* L: the loop's thread only; A: atomic; the rest inside the gate. */
struct ri_kafka_server {
    ri_door door;
    ri_driver driver;           /* of the streams: the loop turns them */
    ri_broker *broker;
    ri_loop loop;
    ri_outq_pool pool;          /* of chunks */
    ri_worker worker;           /* gives memory back */
    ri_trim trim;               /* L */
    ri_list new_places;         /* ri_kafka_listener.link: opened, not yet with the loop */
    ri_list places;             /* all others; also stopped ones, since sessions name them */
    ri_list sessions;           /* all, also those that end */
    struct ri_kafka_session *walked; /* of them, where a walk came by last; or NULL */
    ri_list touched;            /* sessions with output to be looked at */
    ri_list ending;             /* sessions that were ended, until their requests are dropped */
    ri_list coded;              /* requests whose large frames are to be decoded */
    bool codes;                 /* L: there may be some */
    ri_list busy;               /* requests that can go on, for the first time since they waited */
    ri_list slow;               /* requests that were cut, and have more to do */
    ri_list ready;              /* sessions that may begin what they have read */
    ri_list written_apart;      /* requests whose answers become frames outside the gate */
    ri_list spent;              /* requests that are done, to be freed */
    ri_list making;             /* topics that are being made */
    ri_list left;               /* such, whose clients have gone */
    uint32_t nleft;             /* of these */
    bool finishing;             /* no more are begun: the streams are about to be closed */
    ri_list work;               /* L: sessions to be written or settled in this turn */
    ri_list dead;               /* L: to be freed at the end of the turn */
    struct ri_kafka_catalog *catalog;
    struct ri_groups *groups;   /* of the durable half, once somebody has asked for them */
    uint32_t sample_left;       /* L: requests until the next one that is measured */
    uint32_t inputs, inputs_last; /* L: shares of input in this turn of the loop, in the last */
    uint32_t nsessions;         /* connections that are open */
    uint64_t conns_total, slow_conns;
    bool large;                 /* L: something was written_apart at the end of the last turn */
    bool stored;                /* something was appended that this loop may commit itself */
    ri_park written;            /* signalled when output was written and a flush waits */
    uint32_t flushing;          /* calls of flush that wait */
    uint64_t epoch;             /* a flush begins a new one */
    atomic_bool reload;         /* A: asked for */
    bool stopped;               /* no more sessions: it closes, or is a lame duck */
    bool closing;               /* asked for */
    bool close_begun;           /* L: the sessions were asked to end */
    bool output_left;           /* at the end of a close */
    int64_t close_due_ns;       /* when it must be over */
    ri_loop_timer close_timer;  /* L */
    ri_loop_timer durable_timer; /* L: the streams' next turn */
    ri_loop_timer keep_timer;   /* L: has anybody wanted what the pool keeps of buffers? */
    bool keeps;                 /* L: it is set */
    uint64_t lent_last;         /* L: pool.lent at its last look */
    bool certs_changed;         /* a listener has another certificate, or the first one */
    ri_loop_timer cert_timer;   /* L: when the end of a certificate is near */
    int64_t ldm_begin_ns, ldm_end_ns; /* lame duck: sessions end between these; 0: it is none */
    ri_loop_timer ldm_timer;    /* L */
};

/* The door without its thread: the caller turns server->loop. Inside the gate. */
int ri_kafka_server_make(ri_kafka_server **server, ri_broker *broker);
/* How many sessions there may be: none, if they would have to be asked who they are. */
uint32_t ri_kafka_server_most(const ri_kafka_server *server);
/* L: the units that one connection's input may take now. */
int64_t ri_kafka_server_share(ri_kafka_server *server);
/* On the loop's thread: the memory of large answers that were written, for the next ones. */
void ri_kafka_server_lend(ri_kafka_server *server, size_t size, ri_buffer *buffer);
/* It goes: no walk goes on from there. */
void ri_kafka_server_pass(ri_kafka_server *server, struct ri_kafka_session *s);

/* ---- kafka_making.c: on the loop's thread, inside the gate ---- */

/* A slice of a topic whose client has gone, in a turn of its own. */
void ri_kafka_making_step(ri_kafka_server *server);
/* Any thread: a slice of any of them. True: there is more; and none is begun from now on. */
bool ri_kafka_making_finish(ri_kafka_server *server);

/* ---- kafka_listen.c ---- */

/* Any thread, outside the gate. At a place where the door listens already the options change. */
int ri_kafka_listen(ri_door *door, const char *url, const rill_listen_opts *opts);
void ri_kafka_listen_free(ri_kafka_listener *place, const ri_host *host);
void ri_kafka_listen_init(ri_kafka_server *server);
/* On the loop's thread, inside the gate: the certificates of all listeners, which have begun. */
void ri_kafka_listen_look(ri_kafka_server *server);
/* Would clients have to be asked who they are? */
bool ri_kafka_listen_asks(const ri_broker_conf *conf);

static inline void ri_kafka_server_enter(ri_kafka_server *server) /* the loop's thread */
{
    ri_broker_enter(server->broker);
}
/* Leave without waking itself. */
static inline void ri_kafka_server_leave(ri_kafka_server *server)
{
    server->broker->output_waits &= ~server->door.bit;
    ri_broker_leave(server->broker);
}

#endif
