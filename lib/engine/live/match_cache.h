/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of an interest, remembered by subject, or by the beginning of the subject where what
 * follows decides nothing. Each publisher (connection, bus, shard) has a cache of its own, sized
 * by use up to its bounds; an answer is checked against the generations of its subject before it
 * is given, so that subscriptions elsewhere do not throw it away. */
#ifndef RI_MATCH_CACHE_H
#define RI_MATCH_CACHE_H

#include "engine/live/interest.h"

/* Every entry that matches and has this queue name, whatever its subject: one of them gets the
 * message. */
typedef struct ri_match_group {
    ri_str queue;
    ri_interest_entry **members; /* in the order of their coming, by place */
    uint32_t n;
    uint32_t turn; /* the caller's: whom it picked last; kept while the answer is cached */
} ri_match_group;

typedef struct ri_match {
    ri_interest_entry **plain; /* each gets the message */
    uint32_t nplain;
    ri_match_group *groups;
    uint32_t ngroups;
} ri_match;

typedef struct ri_match_cache {
    const ri_host *host;
    const ri_interest *interest;       /* whose answers these are */
    struct ri_match_cache_slot *slots; /* owned; open addressing by the subject's hash */
    uint64_t seed;                     /* the interest's: nobody can choose slots */
    size_t cap;                        /* slots, a power of two or 0; at most half are in use */
    size_t len;                        /* answers remembered */
    struct ri_match_cache_stem *stems; /* owned; answers by the first tokens; NULL until one may
                                          be */
    uint32_t patience;                 /* new subjects of one kind, until a stem is made of it */
    struct ri_match_answer *stem;      /* among those, the one given last; or NULL */
    size_t bytes;                      /* of all answers */
    size_t max_entries, max_bytes;
    struct ri_match_answer *last; /* of one subject, the one given last; or NULL */
    size_t hand;                       /* where the search for an answer to forget goes on */
    ri_match single;                   /* an answer of one plain entry ... */
    ri_interest_entry *one;            /* ... which is this; no block is made */
    uint64_t single_changes;           /* its subject is matched by it alone while the interest's
                                          changes are this */
    struct ri_match_answer *loose;     /* owned; a block for answers that are not remembered */
    size_t loose_cap;                  /* its bytes */
    uint16_t *marks;                   /* owned; marks of subjects asked for of late, by hash */
    size_t marks_cap;                  /* a power of two or 0 */
    size_t marks_news;                 /* marks made since it grew */
    ri_interest_entry **rings;         /* owned; places found by the match under way */
    size_t rings_cap;
    uint64_t hits, misses;
    uint64_t visited;                  /* nodes of the interest, for answers that were not there;
                                          the caller sets it to 0 */
} ri_match_cache;

/* No memory is taken before the first match. A bound of 0 is its default (limits.h). */
void ri_match_cache_init(ri_match_cache *cache, const ri_host *host, size_t max_entries,
                         size_t max_bytes);
void ri_match_cache_fini(ri_match_cache *cache);
/* Forget all answers; needed when the interest that it served is gone. */
void ri_match_cache_clear(ri_match_cache *cache);

/* Who gets a message published on `subject`. Good until the interest changes or the next call
 * with this cache. A subject with an empty token matches nothing. NULL only when out of memory. */
const ri_match *ri_match_cache_get(ri_match_cache *cache, const ri_interest *interest,
                                   ri_str subject);
/* The same for who has its hash already. */
const ri_match *ri_match_cache_find(ri_match_cache *cache, const ri_interest *interest,
                                    ri_str subject, uint64_t hash);

typedef struct ri_match_cache_sample { /* of the answers that are remembered */
    uint64_t answers;               /* how many there are */
    uint64_t seen;                  /* looked at, ... */
    uint64_t receivers, receivers_max; /* ... with so many entries in all, and in one at most */
} ri_match_cache_sample;
/* Looks at a bounded number of slots. */
void ri_match_cache_sample_of(const ri_match_cache *cache, ri_match_cache_sample *out);

/* ---- Ahead of a match, while others are worked on: what it will read begins to be fetched, in
 * two steps with some time between. Nothing is promised. ---- */
void ri_match_cache_fetch(const ri_match_cache *cache, const ri_interest *interest, uint64_t hash);
void ri_match_cache_fetch_more(const ri_match_cache *cache, const ri_interest *interest,
                               uint64_t hash);

#endif
