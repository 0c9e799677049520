/* SPDX-License-Identifier: Apache-2.0 */
/* Whether filters overlap, or cover one another, asked of many at once.
 *
 * Filters of one *shape* (words, `*` and a last `>` at the same places) are one kind. Of two
 * kinds the shapes alone say at which places both have words; two filters overlap if they have the
 * same words there, which a hash table over those of one kind finds for all of the other:
 *
 *     a.*.c  x.*.c        shape w * w     both have words at 1 and 3:  a.c  x.c
 *     a.b.c  a.b.d        shape w w w                                  a.c  a.d    a.*.c, a.b.c
 *
 * So the work is the number of filters times that of their kinds, of which real configurations
 * have a handful. Where it would be more than RI_LIMIT_OVERLAP_WORK, and four for each filter, the
 * answer is RILL_EFULL. */
#ifndef RI_OVERLAP_H
#define RI_OVERLAP_H

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

typedef struct ri_overlap { /* a set of filters; their bytes are lent until it ends */
    const ri_host *host;
    struct overlap_item *items; /* in the order of their coming */
    uint32_t n, cap_items;
    struct overlap_kind **kinds;
    uint32_t nkinds, cap_kinds;
    ri_map by_shape;           /* of kinds */
    struct overlap_slot *slots; /* the table at hand */
    size_t cap_slots, in_slots; /* allocated; of the table: a power of two */
} ri_overlap;

void ri_overlap_init(ri_overlap *o, const ri_host *host);
void ri_overlap_fini(ri_overlap *o);
/* A valid filter more; it is known by its number, from 0. RILL_ENOMEM, RILL_EFULL. */
int ri_overlap_add(ri_overlap *o, ri_str filter);
/* Do two of one set overlap? 1 and the numbers of two, the first of them the least there is, and
 * the second the least for it; 0; RILL_ENOMEM, RILL_EFULL. */
int ri_overlap_within(ri_overlap *o, uint32_t pair[2]);
/* Is one of them covered by another, or twice there? 1 and the least number of such a one; or as
 * above. */
int ri_overlap_covered(ri_overlap *o, uint32_t *covered);
/* Does one of `a` overlap with one of `b`? 1, 0, or as above. */
int ri_overlap_between(ri_overlap *a, ri_overlap *b);

#endif
