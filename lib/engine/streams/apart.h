/* SPDX-License-Identifier: Apache-2.0 */
/* No two streams take the same subject: what a stream wants to take is compared with what all
 * others take, in slices of the turn's budget.
 *
 * A stream has a version, which is new whenever its subjects are. A pass compares with the streams
 * that have come, or changed, since the pass before began; when nothing has, all is compared. So
 * streams may come and go between two slices, and a name is nobody's before it is taken. A few
 * subjects without wildcards, as partitions have, are looked up where messages are: at once. */
#ifndef RI_APART_H
#define RI_APART_H

#include "codec/subject/overlap.h"
#include "engine/streams/js.h"

typedef struct ri_apart {
    ri_str name;             /* of the stream that asks, lent; it is not compared with itself */
    ri_strs mine;            /* its subjects, lent */
    ri_overlap own, others;  /* many of mine; what they are compared with, within one call */
    ri_buffer after;         /* the stream that was looked at last; empty: a pass begins */
    uint64_t seen, upto;     /* versions: those compared before this pass; those of this pass */
    bool begun;
    bool found;              /* somebody else takes one of them */
    bool whole;              /* do not ask the budget */
} ri_apart;

/* Without subjects a stream takes its own name. */
void ri_apart_init(ri_apart *c, ri_js *js, ri_str name, const ri_strs *mine);
void ri_apart_fini(ri_apart *c);
/* Compare some more: 1: there is more to be compared, 0: all is, as things are, and c->found
 * says which; RILL_ENOMEM, RILL_EFULL. */
int ri_apart_some(ri_js *js, ri_apart *c);

#endif
