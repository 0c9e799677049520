/* SPDX-License-Identifier: Apache-2.0 */
/* The bus of this process and its streams: the engine is called directly, inside the gate, and
 * whoever waits for a commit makes it on its own thread if nobody else is at it. */
#ifndef RI_LOCAL_H
#define RI_LOCAL_H

#include "engine/access/replies.h"
#include "engine/streams/consumer.h"
#include "front/broker/durable.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

typedef struct ri_local_bus {
    rill_bus bus;
    ri_hosted_eye eye;  /* of a broker that its host turns: rill_fd() */
    /* Of a handle with an identity: local_guard.c. Guarded by the gate. */
    ri_access *access;  /* a reference */
    ri_access_user *who; /* of it; NULL: all is allowed */
    ri_replies replies; /* what it was asked, and may answer beyond its rights */
    ri_party_ops ops;   /* of its party */
    bool elsewhere;     /* in another account than $G, where it has no streams; fixed */
} ri_local_bus;

/* Enter the gate with the durable half there (RILL_ECLOSED ...); only then it must be left. */
int ri_local_durable_enter(rill_bus *bus, ri_durable **durable);
/* Inside the gate, and after the wait still: what was just changed is committed. `log` NULL: the
 * catalogue's. */
int ri_local_durable_wait(ri_durable *durable, ri_log *log);
/* Inside the gate: all that was published or settled before is committed. */
int ri_local_durable_flush(rill_bus *bus, int64_t timeout_ns);

/* ---- local.c ---- */
extern const ri_peer_ops ri_local_peer;
int ri_local_join(rill_bus **bus, ri_broker *broker, const rill_opts *opts);
static inline bool ri_local_is_elsewhere(const rill_bus *bus)
{
    return ri_container_of((rill_bus *)(uintptr_t)bus, ri_local_bus, bus)->elsewhere;
}

/* ---- local_guard.c: inside the gate. All but the last three of a handle with an identity ---- */
static inline bool ri_local_is_guarded(const rill_bus *bus)
{
    return ri_container_of((rill_bus *)(uintptr_t)bus, ri_local_bus, bus)->who != NULL;
}
/* RILL_EAUTH, with who may not do what. */
int ri_local_guard_publish(rill_bus *bus, ri_str subject);
int ri_local_guard_message(rill_bus *bus, const ri_message *m); /* and where its answer goes */
int ri_local_guard_subscribe(rill_bus *bus, const ri_subscription *core);
int ri_local_guard_batch(rill_bus *bus, const ri_js_batch *batch);
int ri_local_guard_ask(rill_bus *bus, const ri_ask *ask);
int ri_local_guard_more(rill_sub *sub);
int ri_local_guard_store(rill_bus *bus); /* outside, too */
/* It is bound by that from now on, and in that user's account; the reference becomes the handle's.
 * RILL_EINVAL: there is no such account. */
int ri_local_guard_set(rill_bus *bus, ri_access *access);
void ri_local_guard_fini(rill_bus *bus);

/* ---- local_publish.c ---- */
int ri_local_publish(rill_bus *bus, const ri_message *m);

/* ---- local_append.c ---- */
int ri_local_enter(rill_bus *bus);
bool ri_local_await(rill_bus *bus, const bool *over, int64_t timeout_ns);
int ri_local_append(rill_bus *bus, const ri_publish *p, bool awaited);
int ri_local_append_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append);

/* Inside the gate, a turn of which is over for this call: others get it before this returns, with a
 * new turn begun. RILL_ECLOSED: there is none, but this is inside. */
int ri_local_pass(rill_bus *bus);

/* ---- local_ask.c ---- */
int ri_local_ask(rill_bus *bus, ri_ask *ask);

/* ---- local_stream.c: inside the gate ---- */
/* RILL_ENOENT with a sentence. */
int ri_local_stream_find(rill_bus *bus, const char *name, ri_stream **stream);
/* A change of a stream that is there; committed when this returns. It is called again, in another
 * turn, as long as it returns 1. */
typedef int (*ri_local_change)(ri_stream *stream, void *arg, ri_js_error *e);
int ri_local_stream_do(rill_bus *bus, const char *name, ri_local_change change, void *arg);
/* The same without waiting for a commit. */
int ri_local_stream_see(rill_bus *bus, const char *name, ri_local_change look, void *arg);
int ri_local_stream_make(rill_bus *bus, ri_ask *ask);
int ri_local_stream_ensure(rill_bus *bus, ri_ask *ask);
int ri_local_stream_seal(rill_bus *bus, ri_ask *ask);
int ri_local_stream_delete(rill_bus *bus, ri_ask *ask);
int ri_local_stream_purge(rill_bus *bus, ri_ask *ask);
int ri_local_stream_drop(rill_bus *bus, ri_ask *ask);
int ri_local_stream_erase(rill_bus *bus, ri_ask *ask);
int ri_local_stream_settled(rill_bus *bus, ri_ask *ask);
int ri_local_stream_status(rill_bus *bus, ri_ask *ask);
int ri_local_stream_describe(rill_bus *bus, ri_ask *ask);
int ri_local_stream_names(rill_bus *bus, ri_ask *ask);
int ri_local_stream_subjects(rill_bus *bus, ri_ask *ask);
int ri_local_stream_get(rill_bus *bus, ri_ask *ask);
int ri_local_stream_next(rill_bus *bus, ri_ask *ask);

/* ---- local_group.c: inside the gate ---- */
int ri_local_group_join(rill_bus *bus, ri_ask *ask);
int ri_local_group_ensure(rill_bus *bus, ri_ask *ask);
int ri_local_group_delete(rill_bus *bus, ri_ask *ask);
int ri_local_group_seek(rill_bus *bus, ri_ask *ask);
int ri_local_group_pause(rill_bus *bus, ri_ask *ask);
int ri_local_group_status(rill_bus *bus, ri_ask *ask);
int ri_local_group_names(rill_bus *bus, ri_ask *ask);

/* ---- local_consume.c: inside the gate ---- */
int ri_local_consume_more(rill_sub *sub, uint32_t n);
void ri_local_consume_enough(rill_sub *sub);
bool ri_local_consume_hand_out(rill_sub *sub, const ri_packet *m);
void ri_local_consume_leave(rill_sub *sub);
int ri_local_consume_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how);

/* ---- local_store.c: outside the gate ---- */
int ri_local_store_check(rill_bus *bus, rill_care_fn fn, void *arg);
int ri_local_store_snapshot(rill_bus *bus, const char *dir);
int ri_local_store_salvage(const char *from, const char *to, const ri_host *host, rill_care_fn fn,
                           void *arg);

#endif
