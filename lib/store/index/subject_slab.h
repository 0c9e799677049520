/* SPDX-License-Identifier: Apache-2.0 */
/* Many small pieces of memory, named by 32-bit references in place of 64-bit pointers.
 *
 *     reference:  [ chunk: 18 bits | unit: 14 bits ]       a unit is 4 bytes: 16 GiB in all
 *
 *     chunks[0]   [-|piece|piece|  free  |piece|....]      grows 256 B -> 64 KiB, may move
 *     chunks[1]   [piece|piece|.... bump ->         ]      64 KiB each, never move
 *
 * Pieces have no header: who gives one back says its size, and may give back a part. A freed
 * piece waits in the bin of its exact size; pieces above 256 bytes share one bin and are split.
 * When the last piece is given back, all memory goes back to the host.
 *
 * Eight bytes that begin anywhere in a piece may be read: chunks have that much behind them.
 *
 * Failure is kept to one place: ri_subject_slab_reserve() either makes room for a number of units
 * or changes nothing, and the ri_subject_slab_take() calls behind it, up to that number, cannot
 * fail. A reserve may move chunks[0]: resolve references after it, not before. */
#ifndef RI_SUBJECT_SLAB_H
#define RI_SUBJECT_SLAB_H

#include "base/alloc.h"
#include "base/memory.h"

#define RI_SUBJECT_SLAB_UNIT 4         /* bytes */
#define RI_SUBJECT_SLAB_CHUNK_BITS 14  /* units of a chunk, as a power of two */
#define RI_SUBJECT_SLAB_BINS 64        /* bins of exact sizes, in units */
#define RI_SUBJECT_SLAB_TAKE_MAX 12000 /* units that one reserve may ask for */

typedef struct ri_subject_slab {
    const ri_host *host;
    ri_memory *memory;             /* set after init: where `bytes` are counted as durable; NULL:
                                      nowhere */
    char **chunks;                 /* the directory */
    uint32_t nchunks, cap_chunks;  /* used; allocated */
    uint32_t units;                /* size of the newest chunk */
    uint32_t bump;                 /* used units at the front of the newest chunk */
    uint32_t promised;             /* left of the last reserve */
    uint64_t bytes;                /* taken from the host */
    uint64_t live_bytes;           /* of these, in pieces */
    /* [n]: first free piece of n units; [0]: of the larger ones */
    uint32_t bins[RI_SUBJECT_SLAB_BINS + 1];
} ri_subject_slab;

void ri_subject_slab_init(ri_subject_slab *slab, const ri_host *host);
void ri_subject_slab_fini(ri_subject_slab *slab);
/* RILL_ENOMEM; RILL_EFULL when 16 GiB are in use. */
int ri_subject_slab_reserve(ri_subject_slab *slab, uint32_t units);
/* Never 0. The bytes are not cleared. */
uint32_t ri_subject_slab_take(ri_subject_slab *slab, uint32_t units);
void ri_subject_slab_give(ri_subject_slab *slab, uint32_t ref, uint32_t units);

static inline void *ri_subject_slab_at(const ri_subject_slab *slab, uint32_t ref)
{
    return slab->chunks[ref >> RI_SUBJECT_SLAB_CHUNK_BITS] +
           (size_t)(ref & ((1u << RI_SUBJECT_SLAB_CHUNK_BITS) - 1)) * RI_SUBJECT_SLAB_UNIT;
}

static inline uint32_t ri_subject_slab_units(size_t bytes)
{
    return (uint32_t)((bytes + RI_SUBJECT_SLAB_UNIT - 1) / RI_SUBJECT_SLAB_UNIT);
}

#endif
