/* SPDX-License-Identifier: Apache-2.0 */
/* A set of filters that is asked again and again whether one of them matches: compiled once.
 *
 * Literal subjects stand in a hash table, the others in a tree by tokens, so that an answer costs
 * one look into the table and a walk that RI_LIMIT_SHAPES bounds (shapes.h), however many there
 * are. The set keeps no bytes of its own: its subjects are lent until it ends, or are compiled
 * anew. */
#ifndef RI_FILTERS_H
#define RI_FILTERS_H

#include "base/alloc.h"
#include "base/str.h"

typedef struct ri_filters {
    const ri_host *host;
    const ri_str *subjects; /* lent */
    size_t nsubjects;
    bool all;               /* one of them is ">" */
    bool apart;             /* those with wildcards have them at the end, and all at the same
                               places: nothing matches two of them that are not the same */
    uint32_t shape;         /* which these are: tokens, and words among them */
    uint64_t identity;      /* by the dice: no other set that there was has it */
    uint64_t *literals;     /* owned; upper half of the hash, and number + 1; open addressing */
    size_t cap_literals;    /* a power of two, or 0 */
    size_t nliterals;
    struct ri_filters_node *nodes; /* owned; the tree; the first is its root */
    uint32_t nnodes, cap_nodes;
    struct ri_filters_edge *edges; /* owned; (node, token) -> node; open addressing */
    uint32_t nedges, cap_edges;
} ri_filters;

/* All at once: RILL_EFULL if they place wildcards in too many ways, RILL_ENOMEM. */
int ri_filters_compile(ri_filters *f, const ri_host *host, const ri_str *subjects, size_t n);
void ri_filters_fini(ri_filters *f); /* also of one that is zeroed */
uint64_t ri_filters_bytes(const ri_filters *f); /* of memory that it has taken */
/* Does one of them match? `subject` is valid. */
bool ri_filters_match(const ri_filters *f, ri_str subject);

#endif
