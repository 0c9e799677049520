/* SPDX-License-Identifier: Apache-2.0 */
/* A broker: one engine behind one gate, the buses of this process that stand at it, and, once it
 * listens, one loop thread with its listeners and connections.
 *
 *     bus (any thread) --\                          /-- connection
 *     bus (any thread) ---+--> gate --> router <---+--- connection     all on the loop thread
 *     bus (any thread) --/                          \-- connection
 *
 * Inside the gate a connection's output only collects in its out-queue. What a bus's thread has
 * put there is written by the loop, which ri_broker_leave() wakes if there is anything. */
#ifndef RI_BROKER_H
#define RI_BROKER_H

#include <stdatomic.h>

#include "base/nuid.h"
#include "engine/router.h"
#include "net/gate.h"
#include "net/park.h"

struct ri_loop;
struct ri_nats_server;

/* The options with defaults filled in; guarded by the gate, changed by a reload. */
typedef struct ri_broker_conf {
    char *name, *version;          /* never NULL after open */
    char *user, *password, *token; /* NULL: not asked for */
    uint32_t max_msg_bytes, max_conns, max_subs, max_control_line_bytes;
    uint64_t max_pending_bytes;
    uint32_t ping_interval_ms, ping_max, auth_timeout_ms, write_deadline_ms, spin_us;
} ri_broker_conf;

typedef struct ri_broker {
    uint32_t magic;
    atomic_uint refs;              /* the handle, and each bus */
    ri_host host;
    ri_gate gate;
    /* All below is guarded by the gate unless said otherwise. */
    ri_broker_conf conf;
    ri_router router;
    ri_nuid nuid;
    char id[57];                   /* server_id: N... as nats-server's, with its 0; fixed */
    bool closed;
    ri_list buses;                 /* of this process */
    struct ri_nats_server *nats;   /* NULL until it listens; lib/front/nats_server.c */
    bool output_waits;             /* a connection's out-queue was filled outside the loop */
    bool stalled;                  /* some connection has over 3/4 of max_pending_bytes waiting */
    ri_park drained;               /* signalled when output was written and somebody asked */
    uint32_t drain_waiters;
} ri_broker;

#define RI_BROKER_MAGIC 0x4272ab1eu

static inline void ri_broker_enter(ri_broker *b) /* any thread but the loop's, see below */
{
    ri_gate_enter(&b->gate);
}
/* Leave; wakes the loop when a connection waits to be written to. Any thread. */
void ri_broker_leave(ri_broker *b);

int ri_broker_new(ri_broker **broker, const rill_broker_opts *opts);
void ri_broker_ref(ri_broker *b);
void ri_broker_unref(ri_broker *b); /* the last one frees; it must be closed by then */

#endif
