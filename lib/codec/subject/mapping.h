/* SPDX-License-Identifier: Apache-2.0 */
/* Subject mappings: where what clients publish goes instead. Rows of one source share its messages
 * by their weights; what these leave of 100 keeps its subject, or goes nowhere if that subject is
 * one of the destinations. The first source that matches decides, those without wildcards first;
 * nothing is mapped twice. */
#ifndef RI_MAPPING_H
#define RI_MAPPING_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"
#include "rill.h"

typedef struct ri_mappings ri_mappings;

typedef enum ri_mapped {
    RI_MAPPED_NOT,     /* it keeps its subject */
    RI_MAPPED_TO,      /* what was put out */
    RI_MAPPED_NOWHERE,
} ri_mapped;

/* No rows: NULL. RILL_EINVAL with a sentence, RILL_ETOOBIG, RILL_ENOMEM. The rows are not kept. */
int ri_mappings_new(const ri_host *host, const rill_mapping *const *rows, size_t n,
                    ri_mappings **out);
void ri_mappings_free(ri_mappings *mappings); /* NULL is a no-op */
/* `random` decides between weights. Without memory for `out` it is NOWHERE; units: of the turn. */
ri_mapped ri_mappings_apply(const ri_mappings *mappings, ri_str subject, uint64_t random,
                            ri_buffer *out, uint32_t *units);

#endif
