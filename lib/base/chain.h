/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of pointers without an end, from one producer to one consumer, on two threads if they
 * like. Pointers lie in chunks:
 *
 *     consumer                                   producer
 *        v                                          v
 *     [ . . . p p p p ] -> [ p p p p p p p p ] -> [ p p p . . . . . ]
 *
 * A slot is its own flag: the producer stores a pointer with release, the consumer takes it and
 * leaves NULL, so the two share no index that would bounce between their caches. An emptied chunk
 * is handed back as the spare, so that a steady flow allocates nothing. An empty chain that was
 * never used holds no memory. */
#ifndef RI_CHAIN_H
#define RI_CHAIN_H

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"

#define RI_CHAIN_SLOTS 126

typedef struct ri_chain_chunk {
    _Atomic(struct ri_chain_chunk *) next;
    _Atomic(void *) slots[RI_CHAIN_SLOTS];
} ri_chain_chunk;

typedef struct ri_chain {
    const ri_host *host;
    /* the producer's */
    ri_chain_chunk *tail;
    uint32_t tail_slot; /* next one to fill */
    char apart[RI_CACHE_LINE];  /* the two sides write to lines of their own */
    /* the consumer's */
    _Atomic(ri_chain_chunk *) head; /* set once by the producer */
    uint32_t head_slot; /* next one to take */
    _Atomic(ri_chain_chunk *) spare;
} ri_chain;

void ri_chain_init(ri_chain *chain, const ri_host *host);
void ri_chain_fini(ri_chain *chain); /* neither side is active; what is queued is forgotten */
int ri_chain_push(ri_chain *chain, void *item); /* producer; not NULL; RILL_ENOMEM */
void *ri_chain_pop(ri_chain *chain);            /* consumer; NULL when empty */
bool ri_chain_empty(ri_chain *chain);           /* consumer, or both sides at rest */
bool ri_chain_drained(ri_chain *chain);         /* producer: all that it pushed is taken */

#endif
