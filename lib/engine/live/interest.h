/* SPDX-License-Identifier: Apache-2.0 */
/* Who wants which subjects: the set of subscriptions, and the generations by which caches of its
 * answers know that they are still right. One owner; pure.
 *
 * The entry is embedded in the subscription of whoever owns it, who keeps the bytes of subject
 * and queue alive and unchanged while it is in. Matching is through a cache: match_cache.h. */
#ifndef RI_INTEREST_H
#define RI_INTEREST_H

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "codec/limits.h"
#include "codec/subject/shapes.h"

typedef struct ri_interest_node ri_interest_node;

typedef struct ri_interest_entry {
    ri_str subject; /* a valid filter; set by the owner before add */
    ri_str queue;   /* empty: plain */
    /* Private part: zero before the first add. */
    struct ri_interest_entry *next, *prev; /* ring of the entries at the same place; NULL: not in */
    ri_interest_node *node;                /* a filter's place in the trie; NULL: a literal */
    uint64_t hash;                         /* of a literal subject */
} ri_interest_entry;

enum { /* generation counters by what they count for; powers of two */
    RI_INTEREST_ONE = 512,
    RI_INTEREST_TWO = 8192, /* the most: every client's inbox moves one */
    RI_INTEREST_FULL = 4096,
    RI_INTEREST_COUNTERS = RI_INTEREST_ONE + RI_INTEREST_TWO + RI_INTEREST_FULL,
    RI_INTEREST_LITERALS = 1024, /* places where literal subjects are counted */
};

enum { /* nodes of the tree that a walk visits at most: see interest.c */
    RI_INTEREST_VISITS = (2 << RI_LIMIT_SHAPE_TOKENS) - 1 + RI_LIMIT_SHAPES,
};

typedef struct ri_interest {
    const ri_host *host;
    ri_map literals;        /* subject -> first entry of its ring */
    ri_map edges;           /* (node, token) -> node; see interest.c */
    ri_interest_node *root; /* of the trie of filters; NULL while there is none */
    ri_shapes shapes;       /* of its filters: so many nodes a walk may visit */
    bool bare;              /* set after init: nobody caches its answers, so it has no
                               generations */
    size_t count;           /* entries in it */
    uint64_t changes;       /* adds and removes ever */
    uint64_t filter_changes; /* ... of those with wildcards */
    uint64_t seed;          /* of the tables: who chooses subjects cannot choose their slots */
    uint64_t all;           /* generation of filters that begin with a wildcard, and 2^32 for
                               each time that one of the counters went round */
    uint32_t *counters;     /* RI_INTEREST_COUNTERS of them; NULL before the first entry */
    uint32_t *literals_at;  /* RI_INTEREST_LITERALS of them, behind the counters: places of
                               literal subjects, each counted by its first token, and by two */
} ri_interest;

/* No memory is taken before the first entry. */
void ri_interest_init(ri_interest *interest, const ri_host *host);
/* All entries must have been removed, or their owners must not touch them again. */
void ri_interest_fini(ri_interest *interest);

/* RILL_EINVAL for a subject that is no valid filter; RILL_EFULL if it is deep and places its
 * wildcards as no other does, and there are RI_LIMIT_SHAPES ways already; RILL_ENOMEM. All change
 * nothing. */
int ri_interest_add(ri_interest *interest, ri_interest_entry *entry);
void ri_interest_remove(ri_interest *interest, ri_interest_entry *entry); /* not in: no-op */

static inline bool ri_interest_is_in(const ri_interest_entry *entry)
{
    return entry->next != NULL;
}

static inline size_t ri_interest_count(const ri_interest *interest)
{
    return interest->count;
}

/* Does any entry match? No allocation. */
bool ri_interest_any(const ri_interest *interest, ri_str subject);

/* ---- For match_cache.c ---- */

/* Which generations a subject depends on, besides interest->all. */
typedef struct ri_interest_key {
    uint32_t one, two, full; /* in interest->counters; `two` is `full` if it has one token */
} ri_interest_key;

void ri_interest_key_init(ri_interest_key *key, ri_str subject, uint64_t hash);

/* Never goes back; equal to what it was: no entry that matches has come or gone since. Of an
 * interest that has had an entry. */
static inline uint64_t ri_interest_generation(const ri_interest *interest,
                                              const ri_interest_key *key)
{
    const uint32_t *c = interest->counters;
    return interest->all + c[key->one] + c[key->two] + c[key->full];
}

/* Gets the ring of entries at a place that matches; false ends the walk. */
typedef bool (*ri_interest_visit)(void *arg, ri_interest_entry *ring);
/* `hash` is ri_hash(subject). False if a visit ended it. */
bool ri_interest_walk(const ri_interest *interest, ri_str subject, uint64_t hash,
                      ri_interest_visit visit, void *arg);

/* All of them, in no order; the interest may not change meanwhile. */
void ri_interest_each(const ri_interest *interest, ri_interest_visit visit, void *arg);

/* The same with one thing more. */
typedef struct ri_interest_search {
    ri_str subject;
    uint64_t hash;      /* of the subject */
    ri_interest_visit visit;
    void *arg;
    size_t reach;       /* out: by so many of the first tokens, and by the number of all of them,
                           the filters that match are decided: whatever else the subject says, they
                           are the same until filter_changes moves */
    size_t visited;     /* out: nodes of the tree of filters, at most RI_INTEREST_VISITS */
} ri_interest_search;
bool ri_interest_find(const ri_interest *interest, ri_interest_search *search);

/* Does a subscription without wildcards match? `hash` is ri_hash(subject). */
bool ri_interest_has_literal(const ri_interest *interest, ri_str subject, uint64_t hash);
/* Where literal subjects are counted that have these first one or two tokens, in
 * interest->literals_at: none is there while it is 0. */
uint32_t ri_interest_literal_place(ri_str tokens);

/* Ahead of a walk: where the subject's literal entries are found, and in a second step the first
 * of those, begin to be fetched. */
void ri_interest_fetch(const ri_interest *interest, uint64_t hash);
void ri_interest_fetch_more(const ri_interest *interest, uint64_t hash);

/* Is a walk but one look into the table of literals? */
static inline bool ri_interest_is_flat(const ri_interest *interest)
{
    return interest->root == NULL;
}

#endif
