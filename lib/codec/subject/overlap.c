/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/overlap.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"

#define OVERLAP_NONE UINT32_MAX

struct overlap_item {
    ri_str filter;
    uint32_t next; /* of its kind */
};

struct overlap_kind {
    uint32_t first, last, count; /* items */
    bool rest;                   /* the last token is `>` */
    uint32_t len;                /* tokens before it */
    char shape[];                /* of each, 'w' or '*' */
};

struct overlap_slot {
    uint64_t hash;
    uint32_t item1; /* number + 1; 0: empty */
};

typedef struct overlap_shape { /* of a filter that is looked at */
    bool rest;
    uint32_t len;
    char shape[RILL_SUBJECT_MAX];
} overlap_shape;

static bool overlap_same(const void *item, const void *key)
{
    const struct overlap_kind *kind = item;
    const overlap_shape *shape = key;
    return kind->len == shape->len && kind->rest == shape->rest &&
           memcmp(kind->shape, shape->shape, shape->len) == 0;
}

void ri_overlap_init(ri_overlap *o, const ri_host *host)
{
    RI_ASSERT(host);
    *o = (ri_overlap){.host = host};
    ri_map_init(&o->by_shape, host, overlap_same);
}

void ri_overlap_fini(ri_overlap *o)
{
    RI_ASSERT(o->n <= o->cap_items && o->nkinds <= o->cap_kinds);
    for (uint32_t i = 0; i < o->nkinds; i++)
        ri_free(o->host, o->kinds[i], sizeof *o->kinds[i] + o->kinds[i]->len);
    ri_free(o->host, o->kinds, o->cap_kinds * sizeof(struct overlap_kind *));
    ri_free(o->host, o->items, o->cap_items * sizeof *o->items);
    ri_free(o->host, o->slots, o->cap_slots * sizeof *o->slots);
    ri_map_fini(&o->by_shape);
    ri_overlap_init(o, o->host);
}

/* ---- Sorting into kinds ---- */

static int overlap_look(ri_str filter, overlap_shape *shape)
{
    ri_str token;
    shape->len = 0;
    shape->rest = false;
    if (filter.len > RILL_SUBJECT_MAX)
        return ri_err(RILL_EFULL, "a subject has %zu bytes, more than %d", filter.len,
                      RILL_SUBJECT_MAX);
    while (ri_subject_token(&filter, &token)) {
        char c = token.len == 1 ? token.ptr[0] : 'w';
        if (c == '>') shape->rest = true;
        else shape->shape[shape->len++] = c == '*' ? '*' : 'w';
    }
    return RILL_OK;
}

static int overlap_kind_of(ri_overlap *o, const overlap_shape *shape, struct overlap_kind **out)
{
    RI_ASSERT(o->nkinds <= o->cap_kinds);
    uint64_t hash = ri_hash_bytes(shape->shape, shape->len) + shape->rest;
    if ((*out = ri_map_get(&o->by_shape, hash, shape)) != NULL) return RILL_OK;
    int rc = ri_array_reserve(o->host, &o->kinds, &o->cap_kinds, o->nkinds + 1,
                              sizeof(struct overlap_kind *));
    if (rc < 0) return rc;
    struct overlap_kind *kind = ri_alloc(o->host, sizeof *kind + shape->len);
    if (!kind) return RILL_ENOMEM;
    *kind = (struct overlap_kind){.first = OVERLAP_NONE, .last = OVERLAP_NONE,
                                  .rest = shape->rest, .len = shape->len};
    memcpy(kind->shape, shape->shape, shape->len);
    if ((rc = ri_map_put(&o->by_shape, hash, kind)) < 0) {
        ri_free(o->host, kind, sizeof *kind + shape->len);
        return rc;
    }
    o->kinds[o->nkinds++] = *out = kind;
    return RILL_OK;
}

int ri_overlap_add(ri_overlap *o, ri_str filter)
{
    RI_ASSERT(o->n <= o->cap_items);
    overlap_shape shape;
    struct overlap_kind *kind;
    int rc = overlap_look(filter, &shape);
    if (rc >= 0)
        rc = ri_array_reserve(o->host, &o->items, &o->cap_items, o->n + 1, sizeof *o->items);
    if (rc < 0 || (rc = overlap_kind_of(o, &shape, &kind)) < 0) return rc;
    o->items[o->n] = (struct overlap_item){filter, OVERLAP_NONE};
    if (kind->last == OVERLAP_NONE) kind->first = o->n;
    else o->items[kind->last].next = o->n;
    kind->last = o->n++;
    kind->count++;
    return RILL_OK;
}

/* ---- Two kinds ---- */

typedef struct overlap_pair { /* what two kinds have in common */
    const struct overlap_kind *a, *b;
    bool covers;     /* asked is whether one of `a` covers one of `b` */
    uint32_t len;    /* of places that are looked at */
    bool any;        /* one of these counts; else whatever they say, all do */
    bool place[RILL_SUBJECT_MAX]; /* both have words there, which must be the same */
} overlap_pair;

static bool overlap_lengths(const overlap_pair *p)
{
    const struct overlap_kind *a = p->a, *b = p->b;
    if (p->covers) return a->rest ? b->len + b->rest > a->len : !b->rest && a->len == b->len;
    if (a->rest && b->rest) return true;
    if (a->rest) return b->len > a->len;
    return b->rest ? a->len > b->len : a->len == b->len;
}

/* Can a filter of the one kind overlap with, or cover, one of the other at all? Then how. */
static bool overlap_meet(overlap_pair *p)
{
    if (!overlap_lengths(p)) return false;
    p->len = RI_MIN(p->a->len, p->b->len);
    p->any = false;
    RI_ASSERT(p->len <= RILL_SUBJECT_MAX);
    for (uint32_t i = 0; i < p->len; i++) {
        bool a = p->a->shape[i] == 'w', b = p->b->shape[i] == 'w';
        if (p->covers && a && !b) return false;
        p->place[i] = a && b;
        p->any = p->any || p->place[i];
    }
    return true;
}

static uint64_t overlap_hash(const overlap_pair *p, ri_str filter)
{
    uint64_t hash = 0;
    ri_str token;
    for (uint32_t i = 0; i < p->len && ri_subject_token(&filter, &token); i++)
        if (p->place[i]) hash = ri_hash_u64(hash * 3 + ri_hash(token));
    return hash;
}

static struct overlap_slot *overlap_slot_of(ri_overlap *o, uint64_t hash)
{
    RI_ASSERT(o->in_slots > 0 && (o->in_slots & (o->in_slots - 1)) == 0);
    size_t mask = o->in_slots - 1, i = hash & mask;
    while (o->slots[i].item1 && o->slots[i].hash != hash) i = (i + 1) & mask;
    return &o->slots[i];
}

/* An empty table for so many. */
static int overlap_table(ri_overlap *o, uint32_t count)
{
    size_t cap = 16;
    while (cap < (size_t)count * 2) cap *= 2;
    RI_ASSERT((cap & (cap - 1)) == 0 && cap >= (size_t)count * 2);
    if (cap > o->cap_slots) {
        ri_free(o->host, o->slots, o->cap_slots * sizeof *o->slots);
        o->cap_slots = 0;
        o->slots = ri_alloc(o->host, cap * sizeof *o->slots);
        if (!o->slots) return RILL_ENOMEM;
        o->cap_slots = cap;
    }
    o->in_slots = cap;
    memset(o->slots, 0, cap * sizeof *o->slots);
    return RILL_OK;
}

/* Of each beginning the first one of `a` goes into the table. */
static int overlap_fill(ri_overlap *o, const overlap_pair *p)
{
    int rc = overlap_table(o, p->a->count);
    for (uint32_t i = p->a->first; rc >= 0 && i != OVERLAP_NONE; i = o->items[i].next) {
        uint64_t hash = overlap_hash(p, o->items[i].filter);
        struct overlap_slot *slot = overlap_slot_of(o, hash);
        if (!slot->item1) *slot = (struct overlap_slot){hash, i + 1};
    }
    return rc;
}

/* The first one of `a`, a kind of `o`, with which `filter`, of the other kind, meets. */
static uint32_t overlap_find(ri_overlap *o, const overlap_pair *p, ri_str filter)
{
    if (!p->any) return p->a->first;
    const struct overlap_slot *slot = overlap_slot_of(o, overlap_hash(p, filter));
    if (!slot->item1) return OVERLAP_NONE;
    RI_ASSERT(slot->item1 <= o->n);
    ri_str found = o->items[slot->item1 - 1].filter;
    bool meets = p->covers ? ri_subject_covers(found, filter) : ri_subject_overlaps(found, filter);
    return meets ? slot->item1 - 1 : OVERLAP_NONE;
}

/* So much may be compared of `n` filters. */
static int64_t overlap_work(uint64_t n)
{
    RI_ASSERT(n <= 2u * RI_LIMIT_JS_NAMED_MAX * (uint64_t)RI_LIMIT_JS_SOURCES);
    return (int64_t)(RI_LIMIT_OVERLAP_WORK + 4 * n);
}

/* Is there time for two more kinds? */
static int overlap_spend(int64_t *work, const overlap_pair *p, bool meet)
{
    *work -= 1 + (meet ? (int64_t)p->a->count + p->b->count : 0);
    if (*work >= 0) return RILL_OK;
    return ri_err(RILL_EFULL, "wildcards stand in too many different places to compare the "
                  "subjects");
}

/* Two of one kind are the same filter: the table is filled while it is asked. */
static int overlap_twins(ri_overlap *o, const struct overlap_kind *kind, uint32_t pair[2])
{
    RI_ASSERT(kind->count > 0);
    int rc = overlap_table(o, kind->count);
    for (uint32_t i = kind->first; rc >= 0 && i != OVERLAP_NONE; i = o->items[i].next) {
        uint64_t hash = ri_hash(o->items[i].filter);
        struct overlap_slot *slot = overlap_slot_of(o, hash);
        if (!slot->item1) {
            *slot = (struct overlap_slot){hash, i + 1};
        } else if (slot->item1 - 1 < pair[0] &&
                   ri_str_eq(o->items[slot->item1 - 1].filter, o->items[i].filter)) {
            pair[0] = slot->item1 - 1;
            pair[1] = i;
        }
    }
    return rc;
}

static void overlap_better(uint32_t pair[2], uint32_t a, uint32_t b)
{
    RI_ASSERT(a != b && a != OVERLAP_NONE && b != OVERLAP_NONE);
    uint32_t low = RI_MIN(a, b), high = RI_MAX(a, b);
    if (low > pair[0] || (low == pair[0] && high >= pair[1])) return;
    pair[0] = low;
    pair[1] = high;
}

/* All of `b` against those of `a`: the best pair there is, or the first that is covered. */
static int overlap_compare(ri_overlap *o, overlap_pair *p, uint32_t pair[2], int64_t *work)
{
    RI_ASSERT(p->a->count > 0 && p->b->count > 0);
    bool meet = overlap_meet(p);
    int rc = overlap_spend(work, p, meet);
    if (rc < 0 || !meet) return rc;
    if (p->any && (rc = overlap_fill(o, p)) < 0) return rc;
    for (uint32_t i = p->b->first; i != OVERLAP_NONE; i = o->items[i].next) {
        uint32_t found = overlap_find(o, p, o->items[i].filter);
        if (found == OVERLAP_NONE) continue;
        if (!p->covers) overlap_better(pair, found, i);
        else if (i < pair[0]) pair[0] = i;
        if (p->covers || !p->any) break;
    }
    return RILL_OK;
}

static int overlap_search(ri_overlap *o, bool covers, uint32_t pair[2])
{
    int rc = RILL_OK;
    int64_t work = overlap_work(o->n);
    overlap_pair p;
    p.covers = covers;
    pair[0] = pair[1] = OVERLAP_NONE;
    for (uint32_t a = 0; a < o->nkinds && rc >= 0; a++) {
        rc = overlap_twins(o, o->kinds[a], pair);
        for (uint32_t b = covers ? 0 : a + 1; b < o->nkinds && rc >= 0; b++) {
            p.a = o->kinds[a];
            p.b = o->kinds[b];
            if (a != b) rc = overlap_compare(o, &p, pair, &work);
        }
    }
    return rc < 0 ? rc : pair[0] != OVERLAP_NONE;
}

int ri_overlap_within(ri_overlap *o, uint32_t pair[2])
{
    return overlap_search(o, false, pair);
}

int ri_overlap_covered(ri_overlap *o, uint32_t *covered)
{
    uint32_t pair[2];
    int rc = overlap_search(o, true, pair);
    *covered = pair[0];
    return rc;
}

int ri_overlap_between(ri_overlap *a, ri_overlap *b)
{
    RI_ASSERT(a != b);
    int rc = RILL_OK;
    int64_t work = overlap_work((uint64_t)a->n + b->n);
    overlap_pair p;
    p.covers = false;
    for (uint32_t i = 0; i < a->nkinds; i++)
        for (uint32_t k = 0; k < b->nkinds; k++) {
            p.a = a->kinds[i];
            p.b = b->kinds[k];
            bool meet = overlap_meet(&p);
            if ((rc = overlap_spend(&work, &p, meet)) < 0) return rc;
            if (!meet) continue;
            if (!p.any) return 1;
            if ((rc = overlap_fill(a, &p)) < 0) return rc;
            for (uint32_t n = p.b->first; n != OVERLAP_NONE; n = b->items[n].next)
                if (overlap_find(a, &p, b->items[n].filter) != OVERLAP_NONE) return 1;
        }
    return 0;
}
