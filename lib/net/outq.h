/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way out of one connection, kept as pieces that one writev() takes.
 *
 *     pieces   [ptr,len,-] [ptr,len,packet] [ptr,len,chunk] ...   sealed, oldest first
 *     chunk    |..... sealed ......|..... open .....|.... free room ....|
 *                                  ^ open           ^ fill              ^ end
 *
 * Small things are written straight into the free room of the current chunk; a big payload is a
 * piece that points into its packet and holds a reference to it, or one that has all the memory of
 * a buffer. A piece with an owner gives it
 * back once its bytes are out: a packet's reference, or a chunk that no later piece points into.
 * While a chunk is current there is always a free place for the piece that will seal it.
 *
 * Chunks come from a pool in three sizes, so that a queue which rarely has more than a line in
 * it does not hold 64 KiB; the pool keeps a bounded number of them. It keeps some memory of buffers
 * that are out, too, and lends it to who fills the next: the kernel clears what is mapped anew,
 * which takes longer than to fill it. Its owner gives that back when nobody has wanted it for a
 * while. */
#ifndef RI_OUTQ_H
#define RI_OUTQ_H

#include <sys/uio.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "engine/live/packet.h"

enum {
    RI_OUTQ_SIZES = 3,
    RI_OUTQ_INLINE = 2,
    RI_OUTQ_BUFFERS = 4,                       /* whose memory a pool keeps for others, ... */
    RI_OUTQ_BUFFER_BYTES = 32 * 1024 * 1024 + 1024, /* of so many bytes at most: buffers of such
                                                       numbers are somewhat longer */
};

typedef struct ri_outq_chunk ri_outq_chunk;

typedef struct ri_outq_pool {
    const ri_host *host;
    ri_memory *memory; /* where chunks and pieces are counted as output; NULL: nowhere */
    ri_outq_chunk *free[RI_OUTQ_SIZES];
    uint32_t nfree[RI_OUTQ_SIZES];
    ri_buffer kept[RI_OUTQ_BUFFERS]; /* empty, with their memory; the first `nkept` */
    uint32_t nkept;
    uint64_t kept_bytes;
    uint64_t lent;     /* how often one was lent or kept */
} ri_outq_pool;

typedef struct ri_outq_piece {
    const char *ptr;
    size_t len;
    ri_packet *packet;    /* to be unreferenced when the piece is out, or NULL */
    ri_outq_chunk *chunk; /* to go back to the pool when the piece is out, or NULL */
} ri_outq_piece;

typedef struct ri_outq {
    char *open, *fill, *end; /* in the current chunk; all NULL without one */
    ri_outq_chunk *chunk;
    size_t bytes;            /* not written yet */
    size_t hint;             /* how many bytes there were lately; chooses a chunk's size */
    uint32_t settled;        /* the owners of pieces [0, settled) are given back */
    uint32_t first, len;     /* pieces [first, len) are still to be written */
    uint32_t cap;            /* of more_pieces; 0: the inline ones are in use */
    ri_outq_piece *more_pieces;
    ri_outq_piece inline_pieces[RI_OUTQ_INLINE];
} ri_outq;

void ri_outq_pool_init(ri_outq_pool *pool, const ri_host *host, ri_memory *memory);
void ri_outq_pool_fini(ri_outq_pool *pool);
/* A buffer that has no memory gets some that is kept, if there is any for `size` bytes. */
void ri_outq_pool_lend(ri_outq_pool *pool, size_t size, ri_buffer *buffer);
/* A buffer of the pool's host is not wanted: its memory is kept, if there is room, and it has none
 * then. */
void ri_outq_pool_keep(ri_outq_pool *pool, ri_buffer *buffer);
/* What is kept of buffers goes; how many bytes that is. */
uint64_t ri_outq_pool_give_back(ri_outq_pool *pool);

/* Drop all that is queued; a zeroed struct is legal. */
void ri_outq_fini(ri_outq *q, ri_outq_pool *pool);
/* The same as long as the budget lasts, at least one piece. True: all is dropped. Nothing more is
 * put into the queue, or written from it, but for its end. */
bool ri_outq_drop_some(ri_outq *q, ri_outq_pool *pool, ri_budget *budget);

/* Has the current chunk room for `n` bytes? */
static inline bool ri_outq_has_room(const ri_outq *q, size_t n)
{
    return (size_t)(q->end - q->fill) >= n && q->chunk;
}
char *ri_outq_grow(ri_outq *q, ri_outq_pool *pool, size_t n);
/* Room for `n` bytes in one piece, or NULL when out of memory. */
static inline char *ri_outq_room(ri_outq *q, ri_outq_pool *pool, size_t n)
{
    if (ri_likely(ri_outq_has_room(q, n))) return q->fill;
    return ri_outq_grow(q, pool, n);
}
/* The first `n` bytes of that room are written. */
static inline void ri_outq_added(ri_outq *q, size_t n)
{
    q->fill += n;
    q->bytes += n;
}
bool ri_outq_put(ri_outq *q, ri_outq_pool *pool, const void *data, size_t n);
/* Bytes within a packet; takes over the caller's reference, in any case. False when out of
 * memory. */
bool ri_outq_put_packet(ri_outq *q, ri_outq_pool *pool, ri_packet *packet, ri_str bytes);
/* All that is in a buffer of the pool's host, with its memory: it is empty then. False when out of
 * memory, and the buffer is as it was. */
bool ri_outq_put_buffer(ri_outq *q, ri_outq_pool *pool, ri_buffer *buffer);

/* All of `from` becomes `to`, which is empty; `from` is empty then, and `to` complete. */
void ri_outq_take(ri_outq *to, ri_outq *from, ri_outq_pool *pool);
/* What stands at the front of these bytes is one thing: how long it is, and whether it stays. */
typedef size_t (*ri_outq_judge)(void *arg, const char *bytes, size_t len, bool *stays);
/* Of a queue of bytes only, without packets and buffers, of which nothing is written yet, that goes
 * which is not to stay. It takes no memory, so it cannot fail. */
void ri_outq_sift(ri_outq *q, ri_outq_pool *pool, ri_outq_judge judge, void *arg);
/* The pieces to be written next, up to `max`; returns how many. */
int ri_outq_iov(const ri_outq *q, struct iovec *iov, int max);
void ri_outq_written(ri_outq *q, size_t n);
/* Of pieces that were written, the pages of long buffers, by whoever has `q`, outside the gate: the
 * system takes so long for them that settling had better find them gone. */
void ri_outq_give_back(const ri_outq *q, const ri_host *host);
/* Give back the chunks and packets of pieces that were written. */
void ri_outq_settle(ri_outq *q, ri_outq_pool *pool);

#endif
