/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/packet.h"

#include "base/assert.h"

enum {
    PACKET_SLAB = 64 * 1024,      /* bytes of a shared slab, header included */
    PACKET_BIG = PACKET_SLAB / 4, /* a packet above this has a slab of its own */
    PACKET_AHEAD = 1024,          /* bytes of lead that writing gives to fetching */
    PACKET_SPARES = 32,           /* free slabs that are kept */
};
#define PACKET_BIAS (INT64_C(1) << 40)

typedef struct ri_slab {
    _Atomic int64_t refs;  /* see the essay; a big slab has no bias */
    ri_packet_pool *pool;
    atomic_uint kept;      /* references that are the program's */
    char apart[RI_CACHE_LINE]; /* the owner's fields are not on the line of those who drop */
    struct ri_slab *next;  /* among the free ones */
    int64_t given;         /* the owner's count while current */
    size_t size, used;     /* bytes, this header included */
} ri_slab;

static void packet_pool_unref(ri_packet_pool *pool)
{
    if (atomic_fetch_sub(&pool->refs, 1) != 1) return;
    ri_host host = pool->host;
    ri_delete(&host, pool);
}

static void packet_slab_delete(ri_packet_pool *pool, ri_slab *slab)
{
    RI_ASSERT(slab && pool);
    atomic_fetch_sub_explicit(&pool->bytes, slab->size, memory_order_relaxed);
    ri_free(&pool->host, slab, slab->size);
    packet_pool_unref(pool);
}

static void packet_slab_delete_all(ri_packet_pool *pool, ri_slab *slab)
{
    while (slab) {
        ri_slab *next = slab->next;
        packet_slab_delete(pool, slab);
        slab = next;
    }
}

/* The last reference is gone, on whatever thread. */
static void packet_slab_return(ri_slab *slab)
{
    ri_packet_pool *pool = slab->pool;
    if (slab->size != PACKET_SLAB || atomic_load(&pool->closed) ||
        atomic_load_explicit(&pool->spares, memory_order_relaxed) >= PACKET_SPARES) {
        packet_slab_delete(pool, slab);
        return;
    }
    atomic_fetch_add(&pool->refs, 1); /* the pool must last until the look below */
    atomic_fetch_add_explicit(&pool->spares, 1, memory_order_relaxed);
    slab->next = atomic_load_explicit(&pool->free, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&pool->free, &slab->next, slab)) {}
    if (atomic_load(&pool->closed))
        packet_slab_delete_all(pool, atomic_exchange(&pool->free, NULL));
    packet_pool_unref(pool);
}

static void packet_slab_drop(ri_slab *slab, int64_t n)
{
    int64_t was = atomic_fetch_sub_explicit(&slab->refs, n, memory_order_acq_rel);
    RI_ASSERT(was >= n);
    if (was == n) packet_slab_return(slab);
}

ri_packet_pool *ri_packet_pool_open(const ri_host *host)
{
    ri_packet_pool *pool = ri_new(host, ri_packet_pool);
    if (!pool) return NULL;
    pool->host = *host;
    atomic_init(&pool->refs, 1);
    return pool;
}

/* Settle the current slab. True when nobody holds anything in it any more: it is the owner's
 * again, as if new. */
static bool packet_slab_retire(ri_slab *slab)
{
    int64_t settle = slab->given - PACKET_BIAS;
    slab->given = 0;
    return atomic_fetch_add_explicit(&slab->refs, settle, memory_order_acq_rel) + settle == 0;
}

void ri_packet_pool_close(ri_packet_pool *pool)
{
    if (!pool) return;
    atomic_store(&pool->closed, true);
    if (pool->current && packet_slab_retire(pool->current))
        packet_slab_delete(pool, pool->current);
    packet_slab_delete_all(pool, pool->ready);
    packet_slab_delete_all(pool, atomic_exchange(&pool->free, NULL));
    packet_pool_unref(pool);
}

static ri_slab *packet_slab_new(ri_packet_pool *pool, size_t size)
{
    ri_slab *slab = ri_alloc(&pool->host, size);
    if (!slab) return NULL;
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->bytes, size, memory_order_relaxed);
    slab->pool = pool;
    slab->size = size;
    atomic_init(&slab->kept, 0);
    return slab;
}

static void packet_slab_begin(ri_slab *slab)
{
    slab->used = RI_ALIGN(sizeof *slab, 16);
    slab->given = 0;
    slab->next = NULL;
    atomic_store_explicit(&slab->refs, PACKET_BIAS, memory_order_relaxed);
}

/* Turn to another slab; the one that was current lives as long as its packets. */
static ri_slab *packet_next_slab(ri_packet_pool *pool)
{
    ri_slab *slab = pool->current;
    pool->current = NULL;
    if (!slab || !packet_slab_retire(slab)) {
        if (!pool->ready) {
            pool->ready = atomic_exchange(&pool->free, NULL);
            atomic_store_explicit(&pool->spares, 0, memory_order_relaxed);
        }
        slab = pool->ready;
        if (slab)
            pool->ready = slab->next;
        else if (!(slab = packet_slab_new(pool, PACKET_SLAB)))
            return NULL;
    }
    packet_slab_begin(slab);
    return pool->current = slab;
}

static ri_packet *packet_cut(ri_packet_pool *pool, size_t need)
{
    RI_ASSERT(need > 0);
    ri_slab *slab = pool->current;
    if (need > PACKET_BIG) {
        slab = packet_slab_new(pool, RI_ALIGN(sizeof *slab, 16) + need);
        if (!slab) return NULL;
        packet_slab_begin(slab);
        atomic_store_explicit(&slab->refs, 1, memory_order_relaxed);
    } else if (!slab || slab->size - slab->used < need) {
        slab = packet_next_slab(pool);
        if (!slab) return NULL;
    }
    ri_packet *p = (ri_packet *)(void *)((char *)slab + slab->used);
    slab->used += need;
    /* What comes next was last read on another core: fetch it before it is to be written. */
    const char *ahead = (const char *)p + PACKET_AHEAD;
    for (size_t at = 0; at < need; at += RI_CACHE_LINE) __builtin_prefetch(ahead + at, 1);
    slab->given++;
    p->slab = slab;
    return p;
}

static char *packet_copy(char *at, ri_str s)
{
    if (s.len) memcpy(at, s.ptr, s.len);
    return at + s.len;
}

ri_packet *ri_packet_new(ri_packet_pool *pool, const ri_message *m, int64_t time_ns)
{
    RI_ASSERT(m->subject.len <= UINT32_MAX && m->headers.len <= UINT32_MAX);
    size_t size = m->subject.len + m->reply.len + m->headers.len + m->data.len + 3;
    RI_ASSERT(size < UINT32_MAX);
    ri_packet *p = packet_cut(pool, RI_ALIGN(sizeof *p + size, 16));
    if (!p) return NULL;
    p->data_len = m->data.len;
    p->time_ns = time_ns;
    p->subject_len = (uint32_t)m->subject.len;
    p->reply_len = (uint32_t)m->reply.len;
    p->headers_len = (uint32_t)m->headers.len;
    p->size = (uint32_t)size;
    char *at = packet_copy(p->bytes, m->subject);
    *at++ = 0;
    at = packet_copy(at, m->reply);
    *at++ = 0;
    at = packet_copy(at, m->headers);
    at = packet_copy(at, m->data);
    *at = 0;
    return p;
}

void ri_packet_give(ri_packet_pool *pool, ri_packet *p, uint32_t refs)
{
    RI_ASSERT(refs > 0);
    if (p->slab == pool->current)
        p->slab->given += refs;
    else
        atomic_fetch_add_explicit(&p->slab->refs, refs, memory_order_relaxed);
}

void ri_packet_take_back(ri_packet_pool *pool, ri_packet *p)
{
    if (p->slab == pool->current)
        p->slab->given--;
    else
        packet_slab_drop(p->slab, 1);
}

ri_packet *ri_packet_ref(ri_packet *p)
{
    RI_ASSERT(p && p->slab);
    atomic_fetch_add_explicit(&p->slab->refs, 1, memory_order_relaxed);
    return p;
}

void ri_packet_unref(ri_packet *p)
{
    if (p) packet_slab_drop(p->slab, 1);
}

void ri_packet_unref_near(ri_packet *p, uint32_t n)
{
    RI_ASSERT(n > 0 && p->slab);
    packet_slab_drop(p->slab, n);
}

void ri_packet_keep(ri_packet *p)
{
    ri_slab *slab = ri_packet_ref(p)->slab;
    if (atomic_fetch_add_explicit(&slab->kept, 1, memory_order_relaxed) == 0)
        atomic_fetch_add_explicit(&slab->pool->kept, slab->size, memory_order_relaxed);
}

void ri_packet_let_go(ri_packet *p)
{
    if (!p) return;
    ri_slab *slab = p->slab;
    if (atomic_fetch_sub_explicit(&slab->kept, 1, memory_order_relaxed) == 1)
        atomic_fetch_sub_explicit(&slab->pool->kept, slab->size, memory_order_relaxed);
    ri_packet_unref(p);
}
