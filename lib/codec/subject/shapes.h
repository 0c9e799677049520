/* SPDX-License-Identifier: Apache-2.0 */
/* How many kinds of filters with wildcards there are: what bounds a walk over a tree of them.
 *
 * A filter's *shape* says of each token whether it is a word or a `*`; the tree in which filters
 * stand by their tokens has, for one subject, at most one node of each shape that the subject can
 * reach: where a shape has a word, it must be the subject's. So a walk visits no more nodes than
 * there are shapes, however many filters there are and whatever they say:
 *
 *     filters   a.b.c  a.*.c  x.*.c  *.b.>       shapes   www  w*w  *w
 *
 * Down to RI_LIMIT_SHAPE_TOKENS tokens all shapes there can be are few, and are not counted. Of
 * deeper ones RI_LIMIT_SHAPES are taken. */
#ifndef RI_SHAPES_H
#define RI_SHAPES_H

#include "base/alloc.h"
#include "base/str.h"

typedef struct ri_shapes {
    const ri_host *host;
    struct ri_shape *all; /* a binary tree by tokens; the first is its root */
    uint32_t len, cap;    /* of `all` */
    uint32_t spare;       /* the first of those that are free, or 0 */
    uint32_t deep;        /* in use, beyond RI_LIMIT_SHAPE_TOKENS tokens */
} ri_shapes;

/* No memory is taken before the first deep filter. */
void ri_shapes_init(ri_shapes *shapes, const ri_host *host);
void ri_shapes_fini(ri_shapes *shapes);
/* A valid filter comes: RILL_EFULL if it has a shape too many, RILL_ENOMEM; both change nothing. */
int ri_shapes_add(ri_shapes *shapes, ri_str filter);
void ri_shapes_remove(ri_shapes *shapes, ri_str filter); /* one that was added */

#endif
