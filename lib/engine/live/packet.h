/* SPDX-License-Identifier: Apache-2.0 */
/* Packets: published messages as bytes that several receivers hold at once.
 *
 *     slab (64 KiB, or one big packet)
 *     +-------------+------------------------------------+--------------------+----------
 *     | slab header | packet | subject 0 reply 0 headers data 0 | packet | ... | free ...
 *     +-------------+------------------------------------+--------------------+----------
 *
 * Packets are cut from the pool's current slab one behind the other, by the pool's one owner;
 * a slab dies as a whole, when the last reference to any packet in it is dropped, on whatever
 * thread that happens. The owner counts the references it gives in a plain integer and settles
 * with the atomic count once, when it turns to the next slab:
 *
 *     refs (atomic)  =  BIAS - dropped so far                 while the slab is current
 *     at retirement:    refs += given - BIAS                  0 now or later: the slab is free
 *
 * so giving costs an addition and dropping one atomic subtraction. Free slabs go back to the
 * pool over a lock-free stack that only the owner empties. The pool outlives its owner until
 * the last slab is back. */
#ifndef RI_PACKET_H
#define RI_PACKET_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/message.h"

typedef struct ri_packet {
    struct ri_slab *slab;
    size_t data_len;
    int64_t time_ns;      /* wall clock, when it was published */
    uint32_t subject_len;
    uint32_t reply_len;
    uint32_t headers_len;
    uint32_t size;        /* of the bytes below, with their zeroes */
    char bytes[];         /* subject 0 reply 0 headers data 0 */
} ri_packet;

static inline ri_str ri_packet_subject(const ri_packet *p)
{
    return (ri_str){p->bytes, p->subject_len};
}

static inline ri_str ri_packet_reply(const ri_packet *p)
{
    return (ri_str){p->bytes + p->subject_len + 1, p->reply_len};
}

static inline ri_str ri_packet_headers(const ri_packet *p)
{
    return (ri_str){p->bytes + p->subject_len + p->reply_len + 2, p->headers_len};
}

static inline ri_str ri_packet_data(const ri_packet *p)
{
    return (ri_str){p->bytes + p->subject_len + p->reply_len + 2 + p->headers_len, p->data_len};
}

/* Private but for `bytes`, which a publish looks at. */
typedef struct ri_packet_pool {
    ri_host host;                   /* a copy: slabs outlive the handle that opened the pool */
    atomic_uint refs;               /* the owner, and each slab there is */
    atomic_bool closed;
    atomic_uint spares;             /* slabs in `free`, nearly */
    atomic_uint_least64_t bytes;    /* of all slabs */
    atomic_uint_least64_t kept;     /* of those in which the program has something */
    _Atomic(struct ri_slab *) free; /* pushed by any thread, emptied by one exchange */
    struct ri_slab *current;        /* the owner's, as are the next ones */
    struct ri_slab *ready;          /* taken from `free` */
} ri_packet_pool;

ri_packet_pool *ri_packet_pool_open(const ri_host *host); /* NULL: out of memory */
void ri_packet_pool_close(ri_packet_pool *pool);          /* by the owner; packets live on */
static inline uint64_t ri_packet_pool_bytes(const ri_packet_pool *pool) /* any thread */
{
    return atomic_load_explicit(&pool->bytes, memory_order_relaxed);
}

/* Of those that wait for receivers; not of those that the program has kept something of. */
static inline uint64_t ri_packet_pool_waiting(const ri_packet_pool *pool)
{
    uint64_t bytes = ri_packet_pool_bytes(pool); /* both are counted, but not in one go */
    uint64_t kept = atomic_load_explicit(&pool->kept, memory_order_relaxed);
    return bytes - RI_MIN(bytes, kept);
}

/* By the owner. One reference is the caller's; NULL when out of memory. */
ri_packet *ri_packet_new(ri_packet_pool *pool, const ri_message *m, int64_t time_ns);
/* By the owner, soon after ri_packet_new(), while it is in the same hold of the pool. */
void ri_packet_give(ri_packet_pool *pool, ri_packet *p, uint32_t refs);
/* By the owner, in that same hold: one reference less, without an atomic. */
void ri_packet_take_back(ri_packet_pool *pool, ri_packet *p);
/* Any thread that holds a reference. */
ri_packet *ri_packet_ref(ri_packet *p);
void ri_packet_unref(ri_packet *p); /* any thread; NULL is a no-op */
/* One more reference, of the program's own, for as long as it likes; and its end. Any thread that
 * holds a reference; NULL is a no-op for the second. */
void ri_packet_keep(ri_packet *p);
void ri_packet_let_go(ri_packet *p);
/* Is it in the same slab? Then references to both may be dropped in one go. */
static inline bool ri_packet_is_near(const ri_packet *a, const ri_packet *b)
{
    return a->slab == b->slab;
}
/* Drop `n` references to packets near this one; any thread. */
void ri_packet_unref_near(ri_packet *p, uint32_t n);

#endif
