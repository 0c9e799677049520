/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index/subject_slab.h"

#include "base/assert.h"
#include "base/error.h"

#define SUBJECT_SLAB_CHUNK_UNITS (1u << RI_SUBJECT_SLAB_CHUNK_BITS)
#define SUBJECT_SLAB_CHUNKS_MAX (1u << (32 - RI_SUBJECT_SLAB_CHUNK_BITS))
#define SUBJECT_SLAB_FIRST_UNITS 64 /* of a slab that holds little: there may be 100 000 slabs */
#define SUBJECT_SLAB_SLACK 8        /* bytes behind a chunk: see subject_slab.h */
#define SUBJECT_SLAB_TRIES 8        /* larger pieces looked at before new memory is taken */

/* A free piece; `units` is there only in the bin of larger ones. */
struct subject_slab_free {
    uint32_t next;
    uint32_t units;
};

void ri_subject_slab_init(ri_subject_slab *slab, const ri_host *host)
{
    *slab = (ri_subject_slab){.host = host};
}

static void subject_slab_count(ri_subject_slab *slab, uint64_t more)
{
    slab->bytes += more;
    ri_memory_charge(slab->memory, RI_MEMORY_DURABLE, more);
}

static size_t subject_slab_bytes(uint32_t units)
{
    return (size_t)units * RI_SUBJECT_SLAB_UNIT + SUBJECT_SLAB_SLACK;
}

static uint32_t subject_slab_chunk_units(const ri_subject_slab *slab, uint32_t chunk)
{
    RI_ASSERT(chunk < slab->nchunks);
    return chunk + 1 == slab->nchunks ? slab->units : SUBJECT_SLAB_CHUNK_UNITS;
}

void ri_subject_slab_fini(ri_subject_slab *slab)
{
    RI_ASSERT(slab->nchunks <= slab->cap_chunks);
    for (uint32_t i = 0; i < slab->nchunks; i++) {
        uint32_t units = subject_slab_chunk_units(slab, i);
        ri_free(slab->host, slab->chunks[i], subject_slab_bytes(units));
    }
    ri_free(slab->host, slab->chunks, slab->cap_chunks * sizeof *slab->chunks);
    ri_memory_refund(slab->memory, RI_MEMORY_DURABLE, slab->bytes);
    *slab = (ri_subject_slab){.host = slab->host, .memory = slab->memory};
}

static int subject_slab_grow_directory(ri_subject_slab *slab)
{
    if (slab->nchunks < slab->cap_chunks) return 0;
    uint32_t cap = slab->cap_chunks ? slab->cap_chunks * 2 : 1;
    char **chunks = ri_realloc(slab->host, slab->chunks, slab->cap_chunks * sizeof *chunks,
                               cap * sizeof *chunks);
    if (!chunks) return RILL_ENOMEM;
    subject_slab_count(slab, (cap - slab->cap_chunks) * sizeof *chunks);
    slab->chunks = chunks;
    slab->cap_chunks = cap;
    return 0;
}

/* The first chunk doubles until it has the size of the others. */
static int subject_slab_grow_first(ri_subject_slab *slab, uint32_t units)
{
    uint32_t want = slab->units;
    while (want < slab->bump + units) want *= 2;
    RI_ASSERT(slab->nchunks == 1 && want <= SUBJECT_SLAB_CHUNK_UNITS);
    char *chunk = ri_realloc(slab->host, slab->chunks[0], subject_slab_bytes(slab->units),
                             subject_slab_bytes(want));
    if (!chunk) return RILL_ENOMEM;
    subject_slab_count(slab, (uint64_t)(want - slab->units) * RI_SUBJECT_SLAB_UNIT);
    slab->chunks[0] = chunk;
    slab->units = want;
    return 0;
}

static void subject_slab_bin_put(ri_subject_slab *slab, uint32_t ref, uint32_t units)
{
    RI_ASSERT(ref != 0 && units > 0);
    uint32_t *bin = &slab->bins[units <= RI_SUBJECT_SLAB_BINS ? units : 0];
    struct subject_slab_free *piece = ri_subject_slab_at(slab, ref);
    piece->next = *bin;
    if (units > RI_SUBJECT_SLAB_BINS) piece->units = units;
    *bin = ref;
}

static int subject_slab_new_chunk(ri_subject_slab *slab, uint32_t units)
{
    RI_ASSERT(slab->nchunks <= slab->cap_chunks || slab->nchunks == 0);
    if (slab->nchunks == SUBJECT_SLAB_CHUNKS_MAX) {
        return ri_err(RILL_EFULL, "16 GiB of index are in use");
    }
    int rc = subject_slab_grow_directory(slab);
    if (rc < 0) return rc;
    uint32_t size = SUBJECT_SLAB_CHUNK_UNITS;
    if (slab->nchunks == 0) {
        for (size = SUBJECT_SLAB_FIRST_UNITS; size < units + 1; size *= 2) {}
    }
    char *chunk = ri_alloc(slab->host, subject_slab_bytes(size));
    if (!chunk) return RILL_ENOMEM;
    if (slab->nchunks > 0 && slab->bump < slab->units) { /* what is left of the last one */
        subject_slab_bin_put(slab, (slab->nchunks - 1) << RI_SUBJECT_SLAB_CHUNK_BITS | slab->bump,
                     slab->units - slab->bump);
    }
    slab->bump = slab->nchunks == 0 ? 1 : 0; /* reference 0 means none */
    subject_slab_count(slab, subject_slab_bytes(size));
    slab->chunks[slab->nchunks++] = chunk;
    slab->units = size;
    return 0;
}

int ri_subject_slab_reserve(ri_subject_slab *slab, uint32_t units)
{
    RI_ASSERT(units <= RI_SUBJECT_SLAB_TAKE_MAX);
    int rc = 0;
    if (slab->nchunks == 0 || slab->units - slab->bump < units) {
        bool first = slab->nchunks == 1 && slab->bump + units <= SUBJECT_SLAB_CHUNK_UNITS;
        rc = first ? subject_slab_grow_first(slab, units) : subject_slab_new_chunk(slab, units);
    }
    if (rc == 0) slab->promised = units;
    return rc;
}

/* A large enough piece of the last bin, the rest of it given back; 0 if none is found soon. */
static uint32_t subject_slab_split(ri_subject_slab *slab, uint32_t units)
{
    RI_ASSERT(units > 0);
    uint32_t *link = &slab->bins[0];
    for (int i = 0; i < SUBJECT_SLAB_TRIES && *link; i++) {
        uint32_t ref = *link;
        struct subject_slab_free *piece = ri_subject_slab_at(slab, ref);
        if (piece->units >= units) {
            uint32_t rest = piece->units - units;
            *link = piece->next;
            if (rest) subject_slab_bin_put(slab, ref + units, rest);
            return ref;
        }
        link = &piece->next;
    }
    return 0;
}

uint32_t ri_subject_slab_take(ri_subject_slab *slab, uint32_t units)
{
    RI_ASSERT(units > 0 && units <= slab->promised);
    slab->promised -= units;
    slab->live_bytes += (uint64_t)units * RI_SUBJECT_SLAB_UNIT;
    uint32_t ref = units <= RI_SUBJECT_SLAB_BINS ? slab->bins[units] : 0;
    if (ref) {
        slab->bins[units] = ((struct subject_slab_free *)ri_subject_slab_at(slab, ref))->next;
        return ref;
    }
    ref = subject_slab_split(slab, units);
    if (ref) return ref;
    RI_ASSERT(slab->units - slab->bump >= units);
    ref = (slab->nchunks - 1) << RI_SUBJECT_SLAB_CHUNK_BITS | slab->bump;
    slab->bump += units;
    return ref;
}

void ri_subject_slab_give(ri_subject_slab *slab, uint32_t ref, uint32_t units)
{
    RI_ASSERT(ref != 0 && units > 0);
    RI_ASSERT(slab->live_bytes >= (uint64_t)units * RI_SUBJECT_SLAB_UNIT);
    slab->live_bytes -= (uint64_t)units * RI_SUBJECT_SLAB_UNIT;
    if (slab->live_bytes == 0) {
        ri_subject_slab_fini(slab);
        return;
    }
    subject_slab_bin_put(slab, ref, units);
}
