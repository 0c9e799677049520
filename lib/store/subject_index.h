/* SPDX-License-Identifier: Apache-2.0 */
/* Which subjects a track holds: subject -> first and last sequence, number of live records. An
 * adaptive radix tree; the essay with the drawings is in subject_index.c.
 *
 * *The rule of the ends.* `first_seq` and `last_seq` are always bounds: no live record of the
 * subject lies outside them. They are exact as long as first_known and last_known say so. An
 * append makes the last exact. When the record at an end dies, the index cannot know which one
 * takes its place: the end moves one step inwards and is no longer known, until the log, which
 * can look, tells it by ri_subject_index_settle(). With one record left one known end makes
 * both known. So a subject of which only the newest counts never causes a look.
 *
 * One owner. Every failure (RILL_ENOMEM) leaves the index as it was. */
#ifndef RI_SUBJECT_INDEX_H
#define RI_SUBJECT_INDEX_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"

#define RI_SUBJECT_INDEX_LEN_MAX 4096 /* bytes of a subject; more, or none, is RILL_EINVAL */
#define RI_SUBJECT_INDEX_BINS 64      /* free lists of exact sizes, in units of 4 bytes */

typedef struct ri_subject_entry {
    uint64_t first_seq, last_seq; /* bounds; see the rule of the ends */
    uint64_t count;               /* live records, at least 1 */
    bool first_known, last_known; /* the bound is the sequence of a live record */
} ri_subject_entry;

/* Fields are the index's own, but for `len` and `bytes`, which may be read. */
typedef struct ri_subject_index {
    const ri_host *host;
    uint64_t len;        /* distinct subjects */
    uint64_t bytes;      /* taken from the host: all that the index costs but this struct */
    uint64_t live_bytes; /* of these, in nodes and leaves that are in use */
    char **chunks;       /* memory of the tree, 64 KiB each; the first one grows up to that */
    uint32_t nchunks, cap_chunks;
    uint32_t first_units; /* size of chunks[0], in units */
    uint32_t bump;        /* units used in the newest chunk */
    uint32_t root;        /* reference of the root; 0: empty */
    uint32_t max_len;     /* of a subject ever put */
    uint32_t walking;     /* walks under way: no change is legal meanwhile */
    uint32_t bins[RI_SUBJECT_INDEX_BINS + 1]; /* [n]: freed pieces of n units; [0]: larger ones */
} ri_subject_index;

void ri_subject_index_init(ri_subject_index *index, const ri_host *host);
void ri_subject_index_fini(ri_subject_index *index);

/* A record is appended: seq must be above the subject's last (RILL_EINVAL). */
int ri_subject_index_add(ri_subject_index *index, ri_str subject, uint64_t seq);
/* A record died. RILL_ENOENT if the subject is not there or seq is outside its bounds. The
 * subject goes with its last record. Allocates nothing that it could not do without. */
int ri_subject_index_remove(ri_subject_index *index, ri_str subject, uint64_t seq);
/* Put an entry as it is, new or in place of the old one (recovery). */
int ri_subject_index_put(ri_subject_index *index, ri_str subject, const ri_subject_entry *entry);
/* The log looked: these are the ends. The subject must be there; never fails on a narrower range. */
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

/* The tree as indented text, for tests and for the curious. */
void ri_subject_index_show(const ri_subject_index *index, ri_buffer *out);
/* Walk all of it and assert its invariants (tests). Returns the number of subjects seen. */
uint64_t ri_subject_index_verify(const ri_subject_index *index);

#endif
