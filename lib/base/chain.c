/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chain.h"

#include "base/assert.h"

enum {
    CHAIN_AHEAD = 8, /* items between the one that is taken and the one that is fetched ahead */
    CHAIN_LINES = 4, /* cache lines of an item that are fetched */
};

void ri_chain_init(ri_chain *chain, const ri_host *host)
{
    memset(chain, 0, sizeof *chain);
    chain->host = host;
}

void ri_chain_fini(ri_chain *chain)
{
    RI_ASSERT(atomic_load(&chain->head) || !chain->tail);
    ri_chain_chunk *chunk = atomic_load(&chain->head);
    while (chunk) {
        ri_chain_chunk *next = atomic_load(&chunk->next);
        ri_delete(chain->host, chunk);
        chunk = next;
    }
    ri_chain_chunk *spare = atomic_load(&chain->spare);
    if (spare) ri_delete(chain->host, spare);
    ri_chain_init(chain, chain->host);
}

static ri_chain_chunk *chain_chunk(ri_chain *chain)
{
    ri_chain_chunk *chunk = NULL;
    if (atomic_load_explicit(&chain->spare, memory_order_relaxed))
        chunk = atomic_exchange_explicit(&chain->spare, NULL, memory_order_acquire);
    return chunk ? chunk : ri_new(chain->host, ri_chain_chunk);
}

static int chain_extend(ri_chain *chain)
{
    RI_ASSERT(!chain->tail || chain->tail_slot == RI_CHAIN_SLOTS);
    ri_chain_chunk *chunk = chain_chunk(chain);
    if (!chunk) return RILL_ENOMEM;
    RI_ASSERT(!atomic_load_explicit(&chunk->next, memory_order_relaxed) &&
              !atomic_load_explicit(&chunk->slots[0], memory_order_relaxed));
    if (chain->tail)
        atomic_store_explicit(&chain->tail->next, chunk, memory_order_release);
    else
        atomic_store_explicit(&chain->head, chunk, memory_order_release);
    chain->tail = chunk;
    chain->tail_slot = 0;
    return RILL_OK;
}

int ri_chain_push(ri_chain *chain, void *item)
{
    RI_ASSERT(item);
    if ((!chain->tail || chain->tail_slot == RI_CHAIN_SLOTS) && chain_extend(chain) < 0)
        return RILL_ENOMEM;
    RI_ASSERT(chain->tail_slot < RI_CHAIN_SLOTS);
    atomic_store_explicit(&chain->tail->slots[chain->tail_slot++], item, memory_order_release);
    return RILL_OK;
}

/* The consumer is through with its chunk: go to the next one if there is one. */
static ri_chain_chunk *chain_advance(ri_chain *chain, ri_chain_chunk *used)
{
    RI_ASSERT(chain->head_slot == RI_CHAIN_SLOTS);
    ri_chain_chunk *next = atomic_load_explicit(&used->next, memory_order_acquire);
    if (!next) return NULL;
    atomic_store_explicit(&chain->head, next, memory_order_relaxed);
    chain->head_slot = 0;
    atomic_store_explicit(&used->next, NULL, memory_order_relaxed);
    ri_chain_chunk *old = atomic_exchange_explicit(&chain->spare, used, memory_order_acq_rel);
    if (old) ri_delete(chain->host, old);
    return next;
}

/* The items were written on another core: fetch one that is a few steps away, so that its lines
 * are here when it is taken. */
static inline void chain_prefetch(const ri_chain_chunk *chunk, uint32_t slot)
{
    if (slot >= RI_CHAIN_SLOTS) return;
    const char *item = atomic_load_explicit(&chunk->slots[slot], memory_order_relaxed);
    if (!item) return;
    for (int line = 0; line < CHAIN_LINES; line++) __builtin_prefetch(item + line * RI_CACHE_LINE);
}

void *ri_chain_pop(ri_chain *chain)
{
    ri_chain_chunk *chunk = atomic_load_explicit(&chain->head, memory_order_acquire);
    if (!chunk) return NULL;
    if (chain->head_slot == RI_CHAIN_SLOTS && !(chunk = chain_advance(chain, chunk))) return NULL;
    RI_ASSERT(chain->head_slot < RI_CHAIN_SLOTS);
    _Atomic(void *) *slot = &chunk->slots[chain->head_slot];
    void *item = atomic_load_explicit(slot, memory_order_acquire);
    if (!item) return NULL;
    atomic_store_explicit(slot, NULL, memory_order_relaxed);
    chain_prefetch(chunk, chain->head_slot + CHAIN_AHEAD);
    chain->head_slot++;
    return item;
}

bool ri_chain_empty(ri_chain *chain)
{
    RI_ASSERT(chain->head_slot <= RI_CHAIN_SLOTS);
    ri_chain_chunk *chunk = atomic_load_explicit(&chain->head, memory_order_acquire);
    if (!chunk) return true;
    uint32_t slot = chain->head_slot;
    if (slot == RI_CHAIN_SLOTS) {
        chunk = atomic_load_explicit(&chunk->next, memory_order_acquire);
        if (!chunk) return true;
        slot = 0;
    }
    return !atomic_load_explicit(&chunk->slots[slot], memory_order_acquire);
}

/* The producer knows its own last slot only: where the consumer stands is not its to read. */
bool ri_chain_drained(ri_chain *chain)
{
    if (!chain->tail) return true;
    RI_ASSERT(chain->tail_slot > 0);
    return !atomic_load_explicit(&chain->tail->slots[chain->tail_slot - 1], memory_order_acquire);
}
