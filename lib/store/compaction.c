/* SPDX-License-Identifier: Apache-2.0 */
#include "store/compaction.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

#define COMPACTION_FIRST 64 /* slots of the first table */

struct ri_compaction_slot {
    uint64_t hash[2]; /* of the key */
    uint64_t seq;     /* newest of it; 0: the slot is free */
};

void ri_compaction_init(ri_compaction *c, const ri_host *host, const ri_compaction_opts *opts)
{
    *c = (ri_compaction){.host = host, .opts = *opts};
    if (!c->opts.max_keys) c->opts.max_keys = RI_COMPACTION_KEYS_MAX;
    c->opts.max_keys = RI_MIN(c->opts.max_keys, RI_COMPACTION_KEYS_MAX);
}

void ri_compaction_fini(ri_compaction *c)
{
    ri_free(c->host, c->slots, c->cap * sizeof *c->slots);
    c->slots = NULL;
    c->cap = c->len = 0;
}

/* The slot of the key, or the free one where it would be. */
static struct ri_compaction_slot *compaction_slot(struct ri_compaction_slot *slots, uint32_t cap,
                                                  const uint64_t hash[2])
{
    uint32_t i = (uint32_t)hash[0] & (cap - 1);
    while (slots[i].seq && (slots[i].hash[0] != hash[0] || slots[i].hash[1] != hash[1])) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

static int compaction_grow(ri_compaction *c)
{
    uint32_t cap = c->cap ? c->cap * 2 : COMPACTION_FIRST;
    struct ri_compaction_slot *slots = ri_calloc(c->host, cap * sizeof *slots);
    if (!slots) return RILL_ENOMEM;
    for (uint32_t i = 0; i < c->cap; i++) {
        if (c->slots[i].seq) *compaction_slot(slots, cap, c->slots[i].hash) = c->slots[i];
    }
    ri_free(c->host, c->slots, c->cap * sizeof *slots);
    c->slots = slots;
    c->cap = cap;
    return RILL_OK;
}

int ri_compaction_note(ri_compaction *c, ri_str key, uint64_t seq)
{
    RI_ASSERT(seq > 0 && seq >= c->end_seq);
    if (key.ptr) {
        if ((c->len + 1) * 2 > c->cap && compaction_grow(c) < 0) return RILL_ENOMEM;
        uint64_t hash[2];
        ri_hash128(key.ptr, key.len, hash);
        struct ri_compaction_slot *slot = compaction_slot(c->slots, c->cap, hash);
        if (!slot->seq && c->len == c->opts.max_keys) {
            return ri_err(RILL_EFULL, "%u keys in one round of compaction", c->len);
        }
        c->len += slot->seq == 0;
        *slot = (struct ri_compaction_slot){{hash[0], hash[1]}, seq};
    }
    c->end_seq = seq + 1;
    return RILL_OK;
}

/* Is there a newer record of its key? */
static bool compaction_superseded(const ri_compaction *c, const ri_compaction_record *r)
{
    if (c->cap == 0) return false;
    uint64_t hash[2];
    ri_hash128(r->key.ptr, r->key.len, hash);
    return compaction_slot(c->slots, c->cap, hash)->seq > r->seq;
}

ri_compaction_verdict ri_compaction_judge(const ri_compaction *c, const ri_compaction_record *r,
                                          int64_t now_ms)
{
    if (r->seq >= c->end_seq || r->time_ms > now_ms - c->opts.min_lag_ms) {
        return RI_COMPACTION_KEEP;
    }
    if (!r->key.ptr || compaction_superseded(c, r)) return RI_COMPACTION_DEAD;
    if (!r->tombstone) return RI_COMPACTION_KEEP;
    if (r->horizon_ms < 0) return RI_COMPACTION_STAMP;
    return now_ms >= r->horizon_ms ? RI_COMPACTION_DEAD : RI_COMPACTION_KEEP;
}
