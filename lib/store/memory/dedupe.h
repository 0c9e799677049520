/* SPDX-License-Identifier: Apache-2.0 */
/* The message ids of the last while: a publish that comes twice is stored once.
 *
 *     oldest                                             newest
 *     [id seq time][id seq time] ... [id seq time]  ->  add          blocks of entries, in order
 *       ^ expire frees from here                 ^ map: hash(id) -> entry
 *
 * Bounded three ways: in time (entries leave as they age), in number and in bytes. When number
 * or bytes are reached the add is refused, or, as the owner has chosen, the oldest block of ids is
 * forgotten before its time; both are counted, for the owner to report. Not stored by itself: the
 * log's records carry their ids, its owner stores those of records that are gone
 * (ri_dedupe_each()), and a restart adds those of the last window
 * again, in order. Sequences rise. */
#ifndef RI_DEDUPE_H
#define RI_DEDUPE_H

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

#define RI_DEDUPE_COUNT_DEFAULT 1000000
#define RI_DEDUPE_BYTES_DEFAULT (128u << 20)
#define RI_DEDUPE_ID_MAX 65535 /* bytes of an id; more is RILL_ETOOBIG */

typedef struct ri_dedupe_opts {
    int64_t window_ns;  /* how long an id is known; 0: nothing is kept */
    uint64_t max_count; /* 0: RI_DEDUPE_COUNT_DEFAULT */
    uint64_t max_bytes; /* of memory for entries and ids; 0: RI_DEDUPE_BYTES_DEFAULT */
    bool forget;        /* at a bound, the oldest leave; else who comes is refused */
} ri_dedupe_opts;

typedef struct ri_dedupe {
    const ri_host *host;
    ri_dedupe_opts opts;
    ri_map map;                       /* id -> entry */
    struct ri_dedupe_block *oldest;   /* row of blocks, NULL when empty */
    struct ri_dedupe_block *newest;
    int64_t newest_ns;                /* time of the newest entry: times never go back in here */
    uint64_t count;                   /* ids known */
    uint64_t bytes;                   /* memory of the blocks */
    uint64_t duplicates;              /* finds that found */
    uint64_t refused;                 /* adds turned away by max_count or max_bytes */
    uint64_t forgotten;               /* ids that left before their time */
} ri_dedupe;

void ri_dedupe_init(ri_dedupe *dedupe, const ri_host *host, const ri_dedupe_opts *opts);
void ri_dedupe_fini(ri_dedupe *dedupe);
/* New bounds; what is beyond a smaller window leaves at the next expire. */
void ri_dedupe_configure(ri_dedupe *dedupe, const ri_dedupe_opts *opts);
/* Is the id known? 1 and the sequence it has, or 0. Entries older than the window at `now_ns` are
 * not known even if they are still here. */
int ri_dedupe_find(ri_dedupe *dedupe, ri_str id, int64_t now_ns, uint64_t *seq);
/* Remember it; it must not be known. RILL_EFULL (counted), RILL_ETOOBIG, RILL_ENOMEM. */
int ri_dedupe_add(ri_dedupe *dedupe, ri_str id, uint64_t seq, int64_t time_ns);
/* Take back the newest entry with this id: its record was not stored after all. */
void ri_dedupe_forget(ri_dedupe *dedupe, ri_str id);
/* Each id whose sequence is in one of the spans, which rise and do not overlap much. */
typedef struct ri_dedupe_span {
    uint64_t first, last;
} ri_dedupe_span;
void ri_dedupe_each(const ri_dedupe *dedupe, const ri_dedupe_span *spans, size_t n,
                    void (*fn)(void *arg, ri_str id, uint64_t seq, int64_t time_ns), void *arg);
enum { RI_DEDUPE_SOME = 512 };
/* Let go of what is older than the window, RI_DEDUPE_SOME ids at most. Returns when to call again,
 * which is now_ns if there are more; INT64_MAX if it is empty. */
int64_t ri_dedupe_expire(ri_dedupe *dedupe, int64_t now_ns);
/* The oldest block of ids leaves before its time; false: there are none. */
bool ri_dedupe_forget_some(ri_dedupe *dedupe);
/* The memory that it takes, and that an id of this length would add. */
uint64_t ri_dedupe_bytes(const ri_dedupe *dedupe);
uint64_t ri_dedupe_growth(const ri_dedupe *dedupe, size_t id_len);

#endif
