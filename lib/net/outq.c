/* SPDX-License-Identifier: Apache-2.0 */
#include "net/outq.h"

#include <string.h>

#include "base/assert.h"

enum { OUTQ_LONG = 256 * 1024 }; /* bytes that the system does not take back in passing */

struct ri_outq_chunk {
    ri_outq_chunk *next; /* in the pool's free list; itself: `bytes` is a buffer whose memory goes
                            with the chunk */
    size_t size;         /* bytes of the whole allocation */
    _Alignas(ri_buffer) char bytes[];
};

static ri_buffer *outq_taken(ri_outq_chunk *chunk)
{
    return chunk->next == chunk ? (ri_buffer *)(void *)chunk->bytes : NULL;
}

static const size_t outq_sizes[RI_OUTQ_SIZES] = {1024, 8192, 65536};
/* Of the big ones as many as a turn fills with SESSION_BURST bytes for a few receivers, which would
 * else be mapped anew each time. */
static const uint32_t outq_keep[RI_OUTQ_SIZES] = {64, 32, 48};

void ri_outq_pool_init(ri_outq_pool *pool, const ri_host *host, ri_memory *memory)
{
    RI_ASSERT(host);
    *pool = (ri_outq_pool){.host = host, .memory = memory};
}

static void *outq_alloc(ri_outq_pool *pool, size_t size)
{
    void *p = ri_alloc(pool->host, size);
    if (p) ri_memory_charge(pool->memory, RI_MEMORY_OUTPUT, size);
    return p;
}

static void outq_free(ri_outq_pool *pool, void *p, size_t size)
{
    if (p) ri_memory_refund(pool->memory, RI_MEMORY_OUTPUT, size);
    ri_free(pool->host, p, size);
}

/* Much of what all may queue is left to queues. */
static bool outq_may_keep(const ri_outq_pool *pool, size_t cap)
{
    uint64_t most = RI_OUTQ_BUFFER_BYTES;
    if (pool->memory) most = RI_MIN(most, ri_memory_share(pool->memory, RI_MEMORY_OUTPUT) / 4);
    return pool->nkept < RI_OUTQ_BUFFERS && cap <= most && pool->kept_bytes <= most - cap;
}

void ri_outq_pool_keep(ri_outq_pool *pool, ri_buffer *buffer)
{
    RI_ASSERT(buffer->host == pool->host && pool->nkept <= RI_OUTQ_BUFFERS);
    if (buffer->cap < outq_sizes[RI_OUTQ_SIZES - 1] || !outq_may_keep(pool, buffer->cap)) {
        ri_buffer_fini(buffer);
        return;
    }
    ri_buffer_reset(buffer);
    ri_memory_charge(pool->memory, RI_MEMORY_OUTPUT, buffer->cap);
    pool->kept_bytes += buffer->cap;
    pool->kept[pool->nkept++] = *buffer;
    pool->lent++;
    ri_buffer_init(buffer, pool->host);
}

/* The smallest that is large enough, but not one that is much larger. */
void ri_outq_pool_lend(ri_outq_pool *pool, size_t size, ri_buffer *buffer)
{
    RI_ASSERT(buffer->host == pool->host && buffer->cap == 0);
    ri_buffer *best = NULL;
    for (uint32_t i = 0; i < pool->nkept; i++) {
        ri_buffer *b = &pool->kept[i];
        if (b->cap >= size && b->cap / 4 < size && (!best || b->cap < best->cap)) best = b;
    }
    if (!best) return;
    ri_memory_refund(pool->memory, RI_MEMORY_OUTPUT, best->cap);
    pool->kept_bytes -= best->cap;
    *buffer = *best;
    *best = pool->kept[--pool->nkept];
    pool->lent++;
}

uint64_t ri_outq_pool_give_back(ri_outq_pool *pool)
{
    uint64_t bytes = pool->kept_bytes;
    for (; pool->nkept > 0; pool->nkept--) {
        ri_buffer *b = &pool->kept[pool->nkept - 1];
        ri_memory_refund(pool->memory, RI_MEMORY_OUTPUT, b->cap);
        ri_buffer_fini(b);
    }
    pool->kept_bytes = 0;
    return bytes;
}

void ri_outq_pool_fini(ri_outq_pool *pool)
{
    ri_outq_pool_give_back(pool);
    for (int i = 0; i < RI_OUTQ_SIZES; i++) {
        while (pool->free[i]) {
            ri_outq_chunk *chunk = pool->free[i];
            pool->free[i] = chunk->next;
            outq_free(pool, chunk, chunk->size);
        }
        pool->nfree[i] = 0;
    }
}

static ri_outq_chunk *outq_chunk_get(ri_outq_pool *pool, size_t room)
{
    size_t size = room + sizeof(ri_outq_chunk);
    int i = 0;
    while (i < RI_OUTQ_SIZES && outq_sizes[i] < size) i++;
    if (i < RI_OUTQ_SIZES && pool->free[i]) {
        ri_outq_chunk *chunk = pool->free[i];
        pool->free[i] = chunk->next;
        pool->nfree[i]--;
        chunk->next = NULL;
        return chunk;
    }
    if (i < RI_OUTQ_SIZES) size = outq_sizes[i];
    ri_outq_chunk *chunk = outq_alloc(pool, size);
    if (chunk) {
        chunk->size = size;
        chunk->next = NULL;
    }
    return chunk;
}

static void outq_chunk_put(ri_outq_pool *pool, ri_outq_chunk *chunk)
{
    ri_buffer *taken = outq_taken(chunk);
    if (taken) {
        ri_memory_refund(pool->memory, RI_MEMORY_OUTPUT, taken->cap);
        ri_outq_pool_keep(pool, taken);
    }
    for (int i = 0; i < RI_OUTQ_SIZES; i++) {
        if (chunk->size != outq_sizes[i]) continue;
        if (pool->nfree[i] == outq_keep[i]) break;
        chunk->next = pool->free[i];
        pool->free[i] = chunk;
        pool->nfree[i]++;
        return;
    }
    outq_free(pool, chunk, chunk->size);
}

/* The same of one that is not wanted again soon. */
static void outq_chunk_drop(ri_outq_pool *pool, ri_outq_chunk *chunk)
{
    ri_buffer *taken = outq_taken(chunk);
    size_t size = chunk->size;
    if (taken) { /* a few slices give it back, and so it is not kept */
        ri_host_give_back(pool->host, taken->ptr, taken->cap);
        ri_memory_refund(pool->memory, RI_MEMORY_OUTPUT, taken->cap);
        ri_buffer_fini(taken);
        chunk->next = NULL;
    }
    if (taken || size < outq_sizes[RI_OUTQ_SIZES - 1]) {
        outq_chunk_put(pool, chunk);
        return;
    }
    ri_host_give_back(pool->host, chunk, size);
    outq_free(pool, chunk, size);
}

static inline ri_outq_piece *outq_pieces(ri_outq *q)
{
    return q->cap ? q->more_pieces : q->inline_pieces;
}

/* Places for `n` more pieces. */
static bool outq_reserve(ri_outq *q, ri_outq_pool *pool, uint32_t n)
{
    uint32_t cap = q->cap ? q->cap : RI_OUTQ_INLINE;
    if (ri_likely(q->len + n <= cap)) return true;
    uint32_t grown_cap = RI_MAX(cap * 2, q->len + n);
    ri_outq_piece *grown = outq_alloc(pool, grown_cap * sizeof *grown);
    if (!grown) return false;
    if (q->len) memcpy(grown, outq_pieces(q), q->len * sizeof *grown);
    outq_free(pool, q->more_pieces, q->cap * sizeof *grown);
    q->more_pieces = grown;
    q->cap = grown_cap;
    return true;
}

static void outq_push(ri_outq *q, ri_outq_piece piece)
{
    RI_ASSERT(q->len < (q->cap ? q->cap : RI_OUTQ_INLINE));
    outq_pieces(q)[q->len++] = piece;
}

/* The current chunk gets no more bytes. */
static void outq_seal_chunk(ri_outq *q)
{
    if (!q->chunk) return;
    outq_push(q, (ri_outq_piece){q->open, (size_t)(q->fill - q->open), NULL, q->chunk});
    q->chunk = NULL;
    q->open = q->fill = q->end = NULL;
}

char *ri_outq_grow(ri_outq *q, ri_outq_pool *pool, size_t n)
{
    size_t likely = RI_MAX(q->bytes, q->hint); /* as much as there was lately will follow */
    size_t room = outq_sizes[0];
    if (likely > outq_sizes[0]) room = outq_sizes[1];
    if (likely > outq_sizes[1]) room = outq_sizes[2];
    room = RI_MAX(room - sizeof(ri_outq_chunk), n);
    if (!outq_reserve(q, pool, 2)) return NULL; /* seal the old one now, the new one later */
    ri_outq_chunk *chunk = outq_chunk_get(pool, room);
    if (!chunk) return NULL;
    outq_seal_chunk(q);
    q->chunk = chunk;
    q->open = q->fill = chunk->bytes;
    q->end = (char *)chunk + chunk->size;
    return q->fill;
}

bool ri_outq_put(ri_outq *q, ri_outq_pool *pool, const void *data, size_t n)
{
    RI_ASSERT(data || n == 0);
    char *room = ri_outq_room(q, pool, n);
    if (!room) return false;
    memcpy(room, data, n);
    ri_outq_added(q, n);
    return true;
}

bool ri_outq_put_packet(ri_outq *q, ri_outq_pool *pool, ri_packet *packet, ri_str bytes)
{
    if (!outq_reserve(q, pool, 3)) { /* pieces for: the open bytes, this packet, the chunk's end */
        ri_packet_unref(packet);
        return false;
    }
    if (q->fill > q->open) {
        outq_push(q, (ri_outq_piece){q->open, (size_t)(q->fill - q->open), NULL, NULL});
        q->open = q->fill;
    }
    outq_push(q, (ri_outq_piece){bytes.ptr, bytes.len, packet, NULL});
    q->bytes += bytes.len;
    return true;
}

bool ri_outq_put_buffer(ri_outq *q, ri_outq_pool *pool, ri_buffer *buffer)
{
    RI_ASSERT(buffer->host == pool->host && ri_buffer_size(buffer) > 0);
    if (!outq_reserve(q, pool, 3)) return false; /* the open bytes, this one, the chunk's end */
    ri_outq_chunk *owner = outq_chunk_get(pool, sizeof *buffer);
    if (!owner) return false;
    if (q->fill > q->open) {
        outq_push(q, (ri_outq_piece){q->open, (size_t)(q->fill - q->open), NULL, NULL});
        q->open = q->fill;
    }
    ri_str bytes = ri_buffer_str(buffer);
    outq_push(q, (ri_outq_piece){bytes.ptr, bytes.len, NULL, owner});
    q->bytes += bytes.len;
    ri_memory_charge(pool->memory, RI_MEMORY_OUTPUT, buffer->cap);
    owner->next = owner;
    *outq_taken(owner) = *buffer;
    *buffer = (ri_buffer){.host = buffer->host};
    return true;
}

void ri_outq_take(ri_outq *to, ri_outq *from, ri_outq_pool *pool)
{
    RI_ASSERT(to->bytes == 0 && to->len == 0);
    RI_ASSERT(to != from);
    outq_seal_chunk(from);
    outq_free(pool, to->more_pieces, to->cap * sizeof *to->more_pieces);
    *to = *from;
    *from = (ri_outq){.hint = to->bytes};
}

/* What stays of these bytes moves to their front; how many bytes that is. */
static size_t outq_sift_piece(char *bytes, size_t len, ri_outq_judge judge, void *arg)
{
    size_t kept = 0;
    for (size_t at = 0, one; at < len; at += one) {
        bool stays = true;
        one = judge(arg, bytes + at, len - at, &stays);
        RI_ASSERT(one > 0 && one <= len - at);
        if (!stays) continue;
        if (kept != at) memmove(bytes + kept, bytes + at, one);
        kept += one;
    }
    return kept;
}

/* Where only bytes were put, a sealed piece begins where its chunk does: packets and buffers would
 * have cut the chunk into several pieces. */
void ri_outq_sift(ri_outq *q, ri_outq_pool *pool, ri_outq_judge judge, void *arg)
{
    RI_ASSERT(q->first == 0 && q->settled == 0);
    ri_outq_piece *pieces = outq_pieces(q);
    uint32_t kept = 0;
    q->bytes = 0;
    for (uint32_t i = 0; i < q->len; i++) {
        ri_outq_piece piece = pieces[i];
        RI_ASSERT(!piece.packet && piece.chunk && piece.ptr == piece.chunk->bytes);
        piece.len = outq_sift_piece(piece.chunk->bytes, piece.len, judge, arg);
        q->bytes += piece.len;
        if (piece.len) pieces[kept++] = piece;
        else outq_chunk_put(pool, piece.chunk);
    }
    q->len = kept;
    size_t open = outq_sift_piece(q->open, (size_t)(q->fill - q->open), judge, arg);
    q->fill = q->open + open;
    q->bytes += open;
}

int ri_outq_iov(const ri_outq *q, struct iovec *iov, int max)
{
    RI_ASSERT(max > 0);
    const ri_outq_piece *pieces = q->cap ? q->more_pieces : q->inline_pieces;
    int n = 0;
    for (uint32_t i = q->first; i < q->len && n < max; i++)
        iov[n++] = (struct iovec){(void *)(uintptr_t)pieces[i].ptr, pieces[i].len};
    return n;
}

void ri_outq_written(ri_outq *q, size_t n)
{
    RI_ASSERT(n <= q->bytes);
    q->bytes -= n;
    ri_outq_piece *pieces = outq_pieces(q);
    for (; q->first < q->len && pieces[q->first].len <= n; q->first++) n -= pieces[q->first].len;
    if (n == 0) return;
    pieces[q->first].ptr += n;
    pieces[q->first].len -= n;
}

/* Give back what the pieces up to `end` own. */
static void outq_release(ri_outq *q, ri_outq_pool *pool, uint32_t end)
{
    ri_outq_piece *pieces = outq_pieces(q);
    for (uint32_t i = q->settled; i < end; i++) {
        if (pieces[i].chunk) outq_chunk_put(pool, pieces[i].chunk);
        ri_packet_unref(pieces[i].packet);
    }
    q->settled = end;
}

void ri_outq_give_back(const ri_outq *q, const ri_host *host)
{
    RI_ASSERT(q->settled <= q->first && q->first <= q->len);
    const ri_outq_piece *pieces = q->cap ? q->more_pieces : q->inline_pieces;
    for (uint32_t i = q->settled; i < q->first; i++) {
        const ri_buffer *taken = pieces[i].chunk ? outq_taken(pieces[i].chunk) : NULL;
        if (taken && taken->cap >= OUTQ_LONG) ri_host_give_back(host, taken->ptr, taken->cap);
    }
}

void ri_outq_settle(ri_outq *q, ri_outq_pool *pool)
{
    RI_ASSERT(!q->chunk);
    RI_ASSERT(q->settled <= q->first && q->first <= q->len);
    outq_release(q, pool, q->first);
    if (q->first < q->len) return;
    RI_ASSERT(q->bytes == 0);
    outq_free(pool, q->more_pieces, q->cap * sizeof *q->more_pieces);
    *q = (ri_outq){0};
}

void ri_outq_fini(ri_outq *q, ri_outq_pool *pool)
{
    if (q->chunk) outq_chunk_put(pool, q->chunk);
    outq_release(q, pool, q->len);
    outq_free(pool, q->more_pieces, q->cap * sizeof *q->more_pieces);
    *q = (ri_outq){0};
}

/* What is one piece goes in one step, with its pages. */
static bool outq_drop_first(ri_outq *q, ri_outq_pool *pool, ri_budget *budget)
{
    ri_outq_piece *piece = &outq_pieces(q)[q->settled];
    uint64_t units = 1 + ri_budget_bytes(piece->len);
    if (q->settled == q->first) {
        RI_ASSERT(q->bytes >= piece->len);
        q->bytes -= piece->len;
        q->first++;
    }
    if (piece->chunk) outq_chunk_drop(pool, piece->chunk);
    piece->chunk = NULL;
    outq_release(q, pool, q->settled + 1);
    return ri_budget_spend(budget, RI_MIN(units, (uint64_t)RI_BUDGET_SLICE));
}

bool ri_outq_drop_some(ri_outq *q, ri_outq_pool *pool, ri_budget *budget)
{
    outq_seal_chunk(q);
    for (bool left = true; left && q->settled < q->len;) left = outq_drop_first(q, pool, budget);
    if (q->settled < q->len) return false;
    ri_outq_fini(q, pool);
    return true;
}
