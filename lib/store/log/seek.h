/* SPDX-License-Identifier: Apache-2.0 */
/* What can still be found in a segment's bytes where the row of commits is broken: commit
 * headers, whole entries, entries with one flipped bit. All questions about one segment together
 * take time linear in its size; the proof stands in seek.c. */
#ifndef RI_SEEK_H
#define RI_SEEK_H

#include "store/log/segment.h"

typedef struct ri_seek_mark { /* a commit header that fits where it stands */
    uint64_t number, durable;
    uint32_t position, epoch;
} ri_seek_mark;

typedef struct ri_seek {
    const ri_host *host;
    char *bytes;          /* of the segment; the caller's */
    uint32_t size;
    uint32_t seed;        /* of the segment's checksums */
    ri_seek_mark *marks;  /* by position; at most one for each 64 bytes */
    uint32_t nmarks, cap_marks;
    uint32_t next;        /* marks before it are out of the question for good */
    uint32_t claims;      /* and so are those from it on, as evidence */
    uint32_t max_epoch;   /* of all marks */
    uint64_t left;        /* bytes that may still be summed in vain */
    bool given_up;        /* there were too many: not all was looked at */
} ri_seek;

/* `bytes` may be set right by ri_seek_mend_*() and must outlive the seek. */
void ri_seek_init(ri_seek *seek, const ri_host *host, char *bytes, uint32_t size, uint32_t seed);
void ri_seek_fini(ri_seek *seek);
/* Find the commit headers of this segment. RILL_ENOMEM. */
int ri_seek_marks(ri_seek *seek, uint64_t segment);

/* The first header at or behind `at` with a greater number and no smaller epoch, or NULL. No
 * argument may be smaller than in the call before. */
const ri_seek_mark *ri_seek_next(ri_seek *seek, uint32_t at, uint64_t number, uint32_t epoch);
/* Does one at or behind `at`, of no smaller epoch, claim that commit `number` was durable?
 * Neither number nor epoch may be smaller than in the call before. */
bool ri_seek_claim(ri_seek *seek, uint32_t at, uint64_t number, uint32_t epoch);

/* Is there a whole entry at `at` that ends by `end`? What does not look like one costs nothing,
 * what fails its checksum counts against what may be summed in vain. */
bool ri_seek_entry(ri_seek *seek, uint32_t at, uint32_t end, ri_segment_entry *e);
/* Set right the one flipped bit, among the entry's bytes 8 to `bytes` - 1, that keeps it from
 * being whole; its length and checksum are known to be good. False: it is not that. */
bool ri_seek_mend(ri_seek *seek, uint32_t at, uint32_t bytes);
/* The same of a bit of its checksum or length: where an entry is known to begin. */
bool ri_seek_mend_start(ri_seek *seek, uint32_t at, uint32_t end);

#endif
