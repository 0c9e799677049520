/* SPDX-License-Identifier: Apache-2.0 */
/* A door: what a broker listens with. One speaks one protocol at any number of places; a broker
 * has at most one of each kind, opened by the first URL of a scheme that the kind names, and keeps
 * all of them until it is closed.
 *
 * Whoever calls ri_broker_listen() gives the table of kinds, so the broker itself knows no
 * protocol. A door brings its own thread, as a rule a loop (net/loop.h), and stands at the router
 * with a client for each connection. Its memory is its own; it outlives none of the calls below,
 * since the broker counts the calls that use a door outside the gate (`users`).
 *
 *     listen, accept, flush    any thread, outside the gate
 *     close                    the closing thread, outside the gate
 *     all others               any thread, inside the gate; they do not wait
 *
 * A door says what it has by bits of its own in two words of the broker:
 *
 *     broker->output_waits |= door->bit    a message went to an out-queue of this door; whoever
 *                                          leaves the gate next calls wake(), once for all that
 *                                          was queued. On its own thread a door clears the bit
 *                                          before it leaves, and writes at the end of its turn
 *     broker->stalled |= door->bit         some connection has nearly all waiting that it may:
 *                                          publishers of this process pause until it is cleared
 *
 * So a message costs no call through this table, however many doors there are. When output was
 * written a door calls ri_broker_relieve(), and signals broker->drained if drain_waiters > 0.
 * Connections take their ids from broker->next_conn_id, so that ids are one order for all doors.
 *
 * A door that has a loop may embed a ri_driver, which joins in open() and leaves in end(). */
#ifndef RI_DOOR_H
#define RI_DOOR_H

#include "base/histogram.h"
#include "base/list.h"
#include "rill.h"

struct ri_broker;
struct ri_broker_subs_query;
struct ri_broker_conn;
struct ri_groups;
struct ri_wire;

typedef enum ri_act_kind { RI_ACT_KICK, RI_ACT_LAME_DUCK } ri_act_kind;
typedef enum ri_acted { RI_ACTED_NOBODY, RI_ACTED_YES, RI_ACTED_CANNOT } ri_acted;

typedef struct ri_door ri_door;
typedef struct ri_door_ops {
    const char *const *schemes; /* of its URLs; NULL ends the list */
    bool hosted;                /* it can do without a thread: where broker->hosted.on, open() gives
                                   its loop to ri_hosted_join() in place of starting it */
    /* Its thread runs, and may enter the gate when this has returned. RILL_ENOMEM ... */
    int (*open)(ri_door **door, struct ri_broker *broker);
    /* The port, 0 if the place has none. RILL_EINVAL, RILL_EIO, RILL_ECLOSED. */
    int (*listen)(ri_door *door, const char *url, const rill_listen_opts *opts);
    /* Takes over a wire that is connected; `peer` names its other end. RILL_ECLOSED, RILL_ENOMEM:
     * then the wire is still the caller's. NULL: it takes none. */
    int (*accept)(ri_door *door, struct ri_wire *wire, const char *peer);
    void (*wake)(ri_door *door); /* output waits that its own thread has not heard of */
    /* Until what is queued now is written or its connection gone; monotonic, INT64_MAX: for ever.
     * RILL_ETIMEDOUT. */
    int (*flush)(ri_door *door, int64_t due_ns);
    void (*reload)(ri_door *door); /* broker->conf has changed */
    void (*lame_duck)(ri_door *door, uint32_t grace_ms, uint32_t duration_ms);
    void (*stats)(const ri_door *door, rill_stats *add); /* the counts of connections */

    /* Connections that are open, in the order of their ids: `at` is a place, NULL before the first.
     * Steps to the next one; its id, or 0 behind the last. A place holds while the gate is. */
    uint64_t (*next_conn)(const ri_door *door, const void **at);
    /* To a place before the first connection with an id above that; near it, if a walk was there
     * last. NULL: walks begin before the first of all. */
    void (*seek_conn)(const ri_door *door, uint64_t id, const void **at);
    void (*describe_conn)(const ri_door *door, const void *at, struct ri_broker_conn *out);
    void (*list_subs)(const ri_door *door, const void *at, struct ri_broker_subs_query *query);

    /* That one is ended, or hears that the server is about to go. NULL: neither can be. */
    ri_acted (*act)(ri_door *door, const void *at, ri_act_kind kind);

    /* The groups of consumers that come here, which know where their partitions are. Where there
     * are streams. NULL: they cannot be had, or the door has none. */
    struct ri_groups *(*groups)(ri_door *door);

    uint64_t (*greediest)(const ri_door *door); /* the most output that waits for a connection */
    /* Ends connections with more than `cap` bytes of output waiting, until about `bytes` of that
     * will be gone; says how many bytes that is. */
    uint64_t (*shed)(ri_door *door, uint64_t cap, uint64_t bytes);
    /* Lets go of the memory that it keeps for later output. NULL: it keeps little or none. */
    void (*spare)(ri_door *door);
    bool (*crowded)(const ri_door *door); /* so many wait to be written to that a message to very
                                             many goes no further */

    /* The streams are about to be closed: a slice of what is not to stay half done. True: there is
     * more. Nothing of that kind is begun any more. NULL: there never is anything. */
    bool (*finish)(ri_door *door);
    /* Takes no more connections, writes what is queued, ends by due_ns at the latest. */
    void (*end)(ri_door *door, int64_t due_ns);
    /* After end(): its thread is over; removes `link` inside the gate and frees. RILL_ETIMEDOUT if
     * output was left. */
    int (*close)(ri_door *door);
} ri_door_ops;

struct ri_door {
    const ri_door_ops *ops; /* set by open(); all is guarded by the gate */
    int64_t tls_expires_ns; /* set by the door: when the first certificate of its listeners ends; 0:
                               there is none. The rest is the broker's */
    ri_list link;           /* in broker->doors */
    uint32_t bit;           /* in output_waits and stalled */
    /* Of a sample of what it read: how long until messages had found their receivers, or were
     * stored where that is what is answered; how long until receivers had them. */
    ri_histogram publish, delivery;
    uint32_t users;         /* calls that use it outside the gate: a close waits for them */
    const void *at;         /* where a walk over all connections is ... */
    uint64_t at_id;         /* ... and whose turn it is there; 0: behind the last */
};

/* Inside the gate, all of them. */
/* The door for a URL: one that is open, or a new one of its kind. RILL_EINVAL: no kind has it. */
int ri_door_have(ri_door **door, struct ri_broker *broker, const ri_door_ops *const *kinds,
                 const char *url);
/* When the first certificate of all doors ends, of the wall clock; 0: there is none. */
int64_t ri_door_tls_expires_ns(const struct ri_broker *broker);
/* The open connections of all doors in the order of their ids: the first of those behind `after`,
 * or one that is before them, and the next one behind `door`, where the last one was. NULL: there
 * are no more. door->at is the connection. */
ri_door *ri_door_walk(struct ri_broker *broker, uint64_t after);
ri_door *ri_door_walk_on(struct ri_broker *broker, ri_door *door);

#endif
