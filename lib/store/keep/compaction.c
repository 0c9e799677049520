/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keep/compaction.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

enum {
    COMPACTION_PARTS = 256,
    COMPACTION_FIRST = 8, /* slots of a part */
};

struct ri_compaction_slot {
    uint64_t hash[2]; /* of the key */
    uint64_t seq;     /* newest of it; 0: the slot is free */
};

struct ri_compaction_part {
    struct ri_compaction_slot *slots; /* open addressing; NULL while empty */
    uint32_t cap, len;                /* slots, keys */
};

void ri_compaction_init(ri_compaction *c, const ri_host *host, uint32_t max_keys)
{
    RI_ASSERT(max_keys > 0);
    *c = (ri_compaction){.host = host, .max_keys = max_keys};
}

void ri_compaction_fini(ri_compaction *c)
{
    for (uint32_t i = 0; c->parts && i < COMPACTION_PARTS; i++)
        ri_free(c->host, c->parts[i].slots, c->parts[i].cap * sizeof *c->parts[i].slots);
    ri_free(c->host, c->parts, COMPACTION_PARTS * sizeof *c->parts);
    c->parts = NULL;
    c->len = 0;
}

static struct ri_compaction_part *compaction_part(const ri_compaction *c, const uint64_t hash[2])
{
    return &c->parts[hash[1] % COMPACTION_PARTS];
}

/* The slot of the key, or the free one where it would be. */
static struct ri_compaction_slot *compaction_slot(struct ri_compaction_slot *slots, uint32_t cap,
                                                  const uint64_t hash[2])
{
    RI_ASSERT(cap > 0 && (cap & (cap - 1)) == 0);
    uint32_t i = (uint32_t)hash[0] & (cap - 1);
    while (slots[i].seq && (slots[i].hash[0] != hash[0] || slots[i].hash[1] != hash[1])) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

static int compaction_grow(const ri_host *host, struct ri_compaction_part *part)
{
    RI_ASSERT(part->len <= part->cap);
    uint32_t cap = part->cap ? part->cap * 2 : COMPACTION_FIRST;
    struct ri_compaction_slot *slots = ri_calloc(host, cap * sizeof *slots);
    if (!slots) return RILL_ENOMEM;
    for (uint32_t i = 0; i < part->cap; i++) {
        const struct ri_compaction_slot *old = &part->slots[i];
        if (old->seq) *compaction_slot(slots, cap, old->hash) = *old;
    }
    ri_free(host, part->slots, part->cap * sizeof *slots);
    part->slots = slots;
    part->cap = cap;
    return RILL_OK;
}

static int compaction_note_key(ri_compaction *c, ri_str key, uint64_t seq)
{
    RI_ASSERT(c->len <= c->max_keys);
    uint64_t hash[2];
    if (!c->parts && !(c->parts = ri_calloc(c->host, COMPACTION_PARTS * sizeof *c->parts)))
        return RILL_ENOMEM;
    ri_hash128(key.ptr, key.len, hash);
    struct ri_compaction_part *part = compaction_part(c, hash);
    if ((part->len + 1) * 2 > part->cap && compaction_grow(c->host, part) < 0) return RILL_ENOMEM;
    struct ri_compaction_slot *slot = compaction_slot(part->slots, part->cap, hash);
    if (!slot->seq && c->len == c->max_keys)
        return ri_err(RILL_EFULL, "%u keys in one round of compaction", c->len);
    c->len += slot->seq == 0;
    part->len += slot->seq == 0;
    *slot = (struct ri_compaction_slot){{hash[0], hash[1]}, seq};
    return RILL_OK;
}

int ri_compaction_note(ri_compaction *c, ri_str key, uint64_t seq)
{
    RI_ASSERT(seq > 0 && seq >= c->end_seq);
    int rc = key.ptr ? compaction_note_key(c, key, seq) : RILL_OK;
    if (rc == 0) c->end_seq = seq + 1;
    return rc;
}

/* Is there a newer record of its key? */
static bool compaction_superseded(const ri_compaction *c, const ri_compaction_record *r)
{
    if (!c->parts) return false;
    uint64_t hash[2];
    ri_hash128(r->key.ptr, r->key.len, hash);
    const struct ri_compaction_part *part = compaction_part(c, hash);
    return part->cap && compaction_slot(part->slots, part->cap, hash)->seq > r->seq;
}

ri_compaction_verdict ri_compaction_judge(const ri_compaction *c, const ri_compaction_record *r,
                                          int64_t now_ms)
{
    RI_ASSERT(r->seq > 0);
    if (r->seq >= c->end_seq) return RI_COMPACTION_KEEP;
    if (!r->key.ptr || compaction_superseded(c, r)) return RI_COMPACTION_DEAD;
    if (!r->tombstone) return RI_COMPACTION_KEEP;
    if (r->horizon_ms < 0) return RI_COMPACTION_STAMP;
    return now_ms >= r->horizon_ms ? RI_COMPACTION_DEAD : RI_COMPACTION_KEEP;
}
