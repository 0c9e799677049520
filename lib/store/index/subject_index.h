/* SPDX-License-Identifier: Apache-2.0 */
/* Which subjects a track holds: subject -> first and last sequence, number of live records. An
 * adaptive radix tree; the essay with the drawings is in subject_index.c.
 *
 * *The rule of the ends.* `first_seq` and `last_seq` are always bounds: no live record of the
 * subject lies outside them. They are exact as long as first_known and last_known say so. An
 * append makes the last exact. When the record at an end dies, the index cannot know which one
 * takes its place: the end moves one step inwards and is no longer known, until the log, which
 * can look, says it by ri_subject_index_settle(). With one record left one known end makes
 * both known. So a subject of which only the newest counts never causes a look.
 *
 * One owner. Every failure (RILL_ENOMEM) leaves the index as it was. */
#ifndef RI_SUBJECT_INDEX_H
#define RI_SUBJECT_INDEX_H

#include "base/alloc.h"
#include "base/budget.h"
#include "base/buffer.h"
#include "base/str.h"
#include "store/index/subject_slab.h"

#define RI_SUBJECT_INDEX_LEN_MAX 4096 /* bytes of a subject; more, or none, is RILL_EINVAL */

typedef struct ri_subject_entry {
    uint64_t first_seq, last_seq; /* bounds; see the rule of the ends */
    uint64_t count;               /* live records, at least 1 */
    bool first_known, last_known; /* the bound is the sequence of a live record */
} ri_subject_entry;

typedef struct ri_subject_index {
    ri_subject_slab slab;     /* nodes and leaves; slab.bytes is what the index costs */
    uint64_t len;     /* distinct subjects */
    uint32_t root;    /* reference of the root; 0: empty */
    uint32_t max_len; /* of a subject ever put, in bytes */
    uint32_t walking; /* walks under way: no change is legal meanwhile */
    uint64_t moves;   /* counts what ends all hints */
    uint64_t walked;  /* nodes and leaves that walks have entered, ever: what they cost */
} ri_subject_index;

/* Where a subject was found last, so that its next record is counted without a walk. Zeroed at
 * first; for one subject of one index, which has no other hint. */
typedef struct ri_subject_hint {
    uint64_t moves;   /* of the index, when `leaf` was good; 0: nothing is known */
    uint32_t leaf;
} ri_subject_hint;

void ri_subject_index_init(ri_subject_index *index, const ri_host *host);
void ri_subject_index_fini(ri_subject_index *index);

/* A record is appended: seq must be above the subject's last (RILL_EINVAL). */
int ri_subject_index_add(ri_subject_index *index, ri_str subject, uint64_t seq);
int ri_subject_index_add_hinted(ri_subject_index *index, ri_str subject, uint64_t seq,
                                ri_subject_hint *hint);
/* A record died. RILL_ENOENT if the subject is not there or seq is outside its bounds. The
 * subject goes with its last record. Allocates nothing that it could not do without. */
int ri_subject_index_remove(ri_subject_index *index, ri_str subject, uint64_t seq);
/* Put an entry as it is, new or in place of the old one (recovery). */
int ri_subject_index_put(ri_subject_index *index, ri_str subject, const ri_subject_entry *entry);
/* The log looked: these are the ends, within the bounds. RILL_ENOENT if it is not there. */
int ri_subject_index_settle(ri_subject_index *index, ri_str subject, uint64_t first, uint64_t last);
/* Forget the subject with all its records; RILL_ENOENT. */
int ri_subject_index_drop(ri_subject_index *index, ri_str subject);
/* RILL_ENOENT without a sentence: a hot path asks. */
int ri_subject_index_find(const ri_subject_index *index, ri_str subject, ri_subject_entry *out);

/* Nonzero ends the walk and is what it returns. `subject` is lent for the call. The index may
 * not be changed within; ri_subject_index_find() is fine. */
typedef int (*ri_subject_index_fn)(void *arg, ri_str subject, const ri_subject_entry *entry);
/* Each subject that matches the NATS filter (`*` one token, `>` the rest; empty: all), in byte
 * order, visiting only branches that can match. 0, what fn returned, or RILL_ENOMEM. */
int ri_subject_index_each(ri_subject_index *index, ri_str filter, ri_subject_index_fn fn,
                          void *arg);

/* Where a walk goes on that was cut: it may be changed meanwhile. A subject that is there all the
 * time is met once; one that comes or goes meanwhile may be met or not. */
typedef struct ri_subject_place {
    ri_budget *budget; /* spent on branches and subjects; the walk is cut when it is used up */
    ri_buffer next;    /* nothing before this, in byte order, is left; empty: all is */
} ri_subject_place;
/* As many subjects as the budget allows, at least one branch: 1 if there are more; else as
 * above. */
int ri_subject_index_some(ri_subject_index *index, ri_str filter, ri_subject_place *place,
                          ri_subject_index_fn fn, void *arg);

#endif
