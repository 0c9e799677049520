/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that peers can make a broker take: one budget, dealt out to the kinds of things that
 * they can make grow, so that none of these takes the room of another.
 *
 *     durable     1/2   what is known of streams and consumers, which stays: configurations, the
 *                       index of subjects, the ids of messages
 *
 * What that share has not used is dealt out, with the other half, to what comes and goes:
 *
 *     output      3/8   what is queued for receivers: chunks of out-queues, packets
 *     input       2/8   operations of which a part has come
 *     interest    1/8   connections and their subscriptions
 *     work        1/8   open batches, requests and answers that wait or are at hand, backups,
 *                       restores, pull requests that wait
 *     deliveries  1/8   messages that consumers have delivered and nobody has acknowledged
 *
 * Who takes memory for a peer charges it first, and refunds as much when it goes. Where a share is
 * used up its owner holds back whoever has most of it, or refuses; what that means is said where
 * it is done (claim.h does it for work, pending.c for deliveries, room.c for what is durable). Only
 * the bytes are counted here, by any thread. A limit of 0 is none. */
#ifndef RI_MEMORY_H
#define RI_MEMORY_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/defs.h"

typedef enum ri_memory_kind {
    RI_MEMORY_OUTPUT,
    RI_MEMORY_INPUT,
    RI_MEMORY_INTEREST,
    RI_MEMORY_WORK,
    RI_MEMORY_DELIVERIES,
    RI_MEMORY_DURABLE,
    RI_MEMORY_KINDS,
} ri_memory_kind;

enum { RI_MEMORY_MIN = 32 * 1024 * 1024 }; /* the least limit: pools keep some of it */

typedef struct ri_memory {
    atomic_uint_least64_t limit;                  /* 0: none */
    atomic_uint_least64_t share[RI_MEMORY_KINDS]; /* of the limit; UINT64_MAX: there is none */
    atomic_uint_least64_t used[RI_MEMORY_KINDS];  /* bytes */
    /* How often somebody was held back for want of room. */
    atomic_uint_least64_t refusals;
} ri_memory;

/* What the durable things hold the others do not have, up to half of all: a store is opened however
 * much it needs. */
static inline void ri_memory_deal(ri_memory *m)
{
    static const uint8_t eighths[RI_MEMORY_DURABLE] = {
        [RI_MEMORY_OUTPUT] = 3, [RI_MEMORY_INPUT] = 2, [RI_MEMORY_INTEREST] = 1,
        [RI_MEMORY_WORK] = 1, [RI_MEMORY_DELIVERIES] = 1};
    uint64_t limit = atomic_load_explicit(&m->limit, memory_order_relaxed);
    uint64_t held = atomic_load_explicit(&m->used[RI_MEMORY_DURABLE], memory_order_relaxed);
    uint64_t left = limit - RI_MIN(held, limit / 2);
    for (int i = 0; i < RI_MEMORY_DURABLE; i++)
        atomic_store_explicit(&m->share[i], limit ? left / 8 * eighths[i] : UINT64_MAX,
                              memory_order_relaxed);
    atomic_store_explicit(&m->share[RI_MEMORY_DURABLE], limit ? limit / 2 : UINT64_MAX,
                          memory_order_relaxed);
}

static inline void ri_memory_set_limit(ri_memory *m, uint64_t limit)
{
    atomic_store_explicit(&m->limit, limit, memory_order_relaxed);
    ri_memory_deal(m);
}

static inline void ri_memory_init(ri_memory *m)
{
    atomic_init(&m->refusals, 0);
    atomic_init(&m->limit, 0);
    for (int i = 0; i < RI_MEMORY_KINDS; i++) atomic_init(&m->used[i], 0);
    ri_memory_set_limit(m, 0);
}

static inline uint64_t ri_memory_share(const ri_memory *m, ri_memory_kind kind)
{
    return atomic_load_explicit(&m->share[kind], memory_order_relaxed);
}

static inline uint64_t ri_memory_used(const ri_memory *m, ri_memory_kind kind)
{
    return atomic_load_explicit(&m->used[kind], memory_order_relaxed);
}

/* Count the bytes, whether there is room or not; true: there is. `m` NULL: nobody counts. */
static inline bool ri_memory_charge(ri_memory *m, ri_memory_kind kind, uint64_t bytes)
{
    if (!m) return true;
    uint64_t was = atomic_fetch_add_explicit(&m->used[kind], bytes, memory_order_relaxed);
    if (kind == RI_MEMORY_DURABLE) ri_memory_deal(m);
    return was + bytes <= ri_memory_share(m, kind);
}

static inline void ri_memory_refund(ri_memory *m, ri_memory_kind kind, uint64_t bytes)
{
    if (!m) return;
    uint64_t was = atomic_fetch_sub_explicit(&m->used[kind], bytes, memory_order_relaxed);
    RI_ASSERT(was >= bytes);
    (void)was;
    if (kind == RI_MEMORY_DURABLE) ri_memory_deal(m);
}

static inline bool ri_memory_is_full(const ri_memory *m, ri_memory_kind kind)
{
    return ri_memory_used(m, kind) >= ri_memory_share(m, kind);
}

/* Count the bytes if there is room; false: there is none. */
static inline bool ri_memory_take(ri_memory *m, ri_memory_kind kind, uint64_t bytes)
{
    if (ri_likely(ri_memory_charge(m, kind, bytes))) return true;
    ri_memory_refund(m, kind, bytes);
    return false;
}

/* The bytes of a share that nobody has. */
static inline uint64_t ri_memory_left(const ri_memory *m, ri_memory_kind kind)
{
    uint64_t share = ri_memory_share(m, kind), used = ri_memory_used(m, kind);
    return share - RI_MIN(share, used);
}

static inline void ri_memory_refused(ri_memory *m)
{
    if (m) atomic_fetch_add_explicit(&m->refusals, 1, memory_order_relaxed);
}

#endif
