/* SPDX-License-Identifier: Apache-2.0 */
/* A broker without sockets or clock: a router, a log, streams, and clients that write down what
 * they get. Time stands still unless a test moves it; what happens is a text that is compared
 * whole:
 *
 *     world_publish(&w, "orders.1", "ack", "", "hello");
 *     world_turn(&w);
 *     WORLD_TOLD(&w, "[     0] app: ack {\"stream\":\"ORDERS\",\"seq\":1}\n");
 *
 * A line: [ms] who: subject <reply> {status or headers} body. Ack subjects are told as
 * ACK(deliveries/stream seq/consumer seq/pending), ids (22 letters and digits) as ID,
 * flow control's subjects as FC, and of long bodies how long they are. */
#ifndef RI_TEST_WORLD_H
#define RI_TEST_WORLD_H

#include "engine/live/probe.h"
#include "engine/streams/consumer.h"
#include "support/fault.h"

#define WORLD_EARS 32

typedef struct world world;

typedef struct world_ear { /* a client with one subscription */
    world *w;
    ri_party party;
    ri_subscription sub;
    char who[32], subject[256];
    bool auto_ack;         /* acknowledges all in the next turn */
    bool quiet;            /* writes nothing down */
    uint64_t got;          /* messages */
    uint64_t last_seq;     /* of the last one's ack subject */
    char last_ack[512];    /* its whole reply */
    char last_flow[128];   /* the reply of the last question of flow control */
} world_ear;

struct world {
    fault *f, own;         /* the host: the world's own, or one that a test has set to fail */
    ri_router router;
    ri_probe *probe;       /* of what world_publish() publishes; may be NULL */
    ri_log *log, *memory;  /* `log` may be on a disk that a test provides */
    ri_js *js;
    ri_party from;        /* publishes for the test */
    world_ear *ears[WORLD_EARS];
    size_t nears;
    int64_t mono_ns, wall_ns;
    ri_buffer told;
    ri_buffer acks;        /* of those with auto_ack, to be sent in the next turn */
    bool events;           /* write down advisories */
    void (*also)(void *arg, const ri_js_event *event); /* told of each event, too; may be NULL */
    void *also_arg;
};

/* `log` NULL: one in memory, which the world closes. RILL codes. */
int world_init(world *w, ri_log *log);
/* The test fails if a turn was longer than its budget allows. */
void world_fini(world *w);
/* The same over a host that is the test's. After a failure, too, world_fini_with() is due. */
int world_init_with(world *w, fault *f, ri_log *log);
void world_fini_with(world *w);
/* Close the engine and open it again over the same logs. */
int world_restart(world *w);

/* The power goes: engine and `log` are closed without a commit; and it is back, over `log`, which
 * is the world's again. What is in memory is lost, clients stay. */
void world_down(world *w);
int world_up(world *w, ri_log *log);

/* NULL: out of memory. */
world_ear *world_listen(world *w, const char *who, const char *subject);
world_ear *world_listen_in(world *w, const char *who, const char *subject, const char *queue);
void world_deafen(world *w, world_ear *ear);
/* Headers are "" or lines with CRLF. How many took it. */
int world_publish(world *w, const char *subject, const char *reply, const char *headers,
                  const char *data);
/* Step and commit until nothing is left to do. */
void world_turn(world *w);
/* Step as often as the budget of one turn allows, as the broker does; commit nothing. */
void world_one_turn(world *w);
/* Set both clocks (`mono_ns` is not in the past) and step once. */
void world_move(world *w, int64_t mono_ns);
/* Move both clocks, stopping at each timer that is due. */
void world_wait(world *w, int64_t ms);

/* From JSON, as a client would write it. */
int world_stream(world *w, const char *json, ri_stream **out, ri_js_error *e);
int world_consumer(world *w, const char *stream, const char *json, ri_consumer **out,
                   ri_js_error *e);
int world_pull(world *w, ri_consumer *c, const char *inbox, const char *json);

/* What was told since the last time; the test fails if it is something else. */
void world_told(world *w, const char *want, const char *file, int line);
#define WORLD_TOLD(w, want) world_told((w), (want), __FILE__, __LINE__)

#endif
