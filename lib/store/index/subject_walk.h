/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over the whole subject index: under a filter, to show it, to check it. */
#ifndef RI_SUBJECT_WALK_H
#define RI_SUBJECT_WALK_H

#include "base/buffer.h"
#include "store/index/subject_index.h"

/* What ri_subject_index_each() does; and ri_subject_index_some(), with a place. */
int ri_subject_walk(ri_subject_index *index, ri_str filter, ri_subject_place *place,
                    ri_subject_index_fn fn, void *arg);
/* The tree as indented text, a line for each prefix and each leaf, for tests and the curious. */
void ri_subject_walk_show(const ri_subject_index *index, ri_buffer *out);
/* Check every invariant of the tree: NULL if all hold, else the first one broken. */
const char *ri_subject_walk_verify(const ri_subject_index *index);

#endif
