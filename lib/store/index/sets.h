/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of the records of one segment, which are numbered 0 .. n-1 (their *ordinals*).
 *
 *   ri_sets    for a sealed segment: per subject id the ordinals of its records, one immutable
 *              block of bytes in the footer, used in place
 *   ri_select  the union of some subjects' sets: a filter's cursor over one segment
 *
 * A segment has some hundred thousand records, so a flat bitmap of all of them is some tens of
 * kilobytes and no operation on one takes more than microseconds. The forms on disk are drawn in
 * sets.c. */
#ifndef RI_SETS_H
#define RI_SETS_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"

#define RI_SETS_RECORDS_MAX (1u << 28) /* records of a segment that a set can number */

/* ---- Per-subject sets of a sealed segment ---- */

/* A view of the serialised form; owns nothing. */
typedef struct ri_sets {
    const unsigned char *base; /* the serialised form; any alignment */
    size_t size;               /* of it */
    uint32_t records;          /* ordinals are below this */
    uint32_t subjects;         /* subject ids are below this */
} ri_sets;

/* Write the sets of a segment whose record i has the subject id subject_of[i] < subjects.
 * Ids without records are legal. RILL_ENOMEM. */
int ri_sets_write(const ri_host *host, const uint32_t *subject_of, uint32_t records,
                  uint32_t subjects, ri_buffer *out);
/* View `bytes`: RILL_ECORRUPT if they end within the table. What lies behind the table is not
 * walked (a checksum guards it); no call reads outside the bytes, whatever they are. */
int ri_sets_view(ri_sets *sets, ri_str bytes);

/* ---- Selection ---- */

#define RI_SELECT_INLINE 12 /* ordinals kept without memory of their own */

typedef struct ri_select {
    const ri_host *host;
    uint64_t *words;    /* a bit per ordinal, when `bits`; kept for the next segment */
    uint32_t cap_words; /* allocated */
    uint32_t records;   /* of the segment selected from */
    uint32_t count;     /* selected, dead ones included */
    bool bits;          /* words is used, else few[] */
    uint32_t few[RI_SELECT_INLINE]; /* in order */
} ri_select;

void ri_select_init(ri_select *select, const ri_host *host); /* empty */
void ri_select_fini(ri_select *select);
/* Select the records of these subjects (distinct ids) in place of what was. RILL_ENOMEM. */
int ri_select_from(ri_select *select, const ri_sets *sets, const uint32_t *subjects, size_t n);
/* The same for an open segment: all i < records with want[subject_of[i]]; none of those whose
 * subject is beyond `nwant`. */
int ri_select_scan(ri_select *select, const uint32_t *subject_of, uint32_t records,
                   const bool *want, uint32_t nwant);
/* The first selected one >= from, the last one <= from; select->records if none. */
uint32_t ri_select_next(const ri_select *select, uint32_t from);
uint32_t ri_select_prev(const ri_select *select, uint32_t from);

#endif
