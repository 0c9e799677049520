/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/shapes.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"

enum { SHAPES_FIRST = 32 };

struct ri_shape {
    uint32_t to[2]; /* by a word, by a `*`; of one that is free: the next one in to[0] */
    uint32_t uses;  /* filters whose way leads here */
};

void ri_shapes_init(ri_shapes *shapes, const ri_host *host)
{
    *shapes = (ri_shapes){.host = host};
}

void ri_shapes_fini(ri_shapes *shapes)
{
    RI_ASSERT(shapes->len <= shapes->cap);
    if (shapes->host) ri_free(shapes->host, shapes->all, shapes->cap * sizeof *shapes->all);
    ri_shapes_init(shapes, shapes->host);
}

static bool shapes_is(ri_str token, char c)
{
    return token.len == 1 && token.ptr[0] == c;
}

/* The next step of the filter's way down: 0 for a word, 1 for a `*`. A last token that is a
 * wildcard is no step: it stands at the node before it. */
static bool shapes_step(ri_str *rest, int *step)
{
    ri_str token;
    if (!ri_subject_token(rest, &token) || shapes_is(token, '>')) return false;
    *step = shapes_is(token, '*');
    return *step == 0 || rest->ptr != NULL;
}

static uint32_t shapes_steps(ri_str filter)
{
    uint32_t n = 0;
    for (int step; shapes_step(&filter, &step);) n++;
    return n;
}

/* How many steps of the way are there. */
static uint32_t shapes_known(const ri_shapes *shapes, ri_str filter)
{
    uint32_t n = 0, at = 0;
    if (shapes->len == 0) return 0;
    RI_ASSERT(shapes->all && shapes->spare < shapes->len);
    for (int step; shapes_step(&filter, &step) && (at = shapes->all[at].to[step]) != 0;) n++;
    return n;
}

static int shapes_reserve(ri_shapes *shapes, uint32_t more)
{
    uint32_t cap = RI_MAX(shapes->cap, (uint32_t)SHAPES_FIRST);
    while (cap < shapes->len + more + 1) cap *= 2;
    RI_ASSERT(cap >= shapes->len + more + 1);
    if (cap > shapes->cap) {
        struct ri_shape *all = ri_realloc(shapes->host, shapes->all,
                                          shapes->cap * sizeof *all, cap * sizeof *all);
        if (!all) return RILL_ENOMEM;
        shapes->all = all;
        shapes->cap = cap;
    }
    if (shapes->len == 0) shapes->all[shapes->len++] = (struct ri_shape){{0, 0}, 0};
    return RILL_OK;
}

static uint32_t shapes_take(ri_shapes *shapes)
{
    uint32_t at = shapes->spare;
    if (at) shapes->spare = shapes->all[at].to[0];
    else at = shapes->len++;
    RI_ASSERT(at < shapes->cap);
    shapes->all[at] = (struct ri_shape){{0, 0}, 0};
    return at;
}

int ri_shapes_add(ri_shapes *shapes, ri_str filter)
{
    uint32_t steps = shapes_steps(filter), at = 0, depth = 0;
    if (steps <= RI_LIMIT_SHAPE_TOKENS) return RILL_OK;
    uint32_t known = shapes_known(shapes, filter);
    uint32_t more = steps - RI_MAX(known, (uint32_t)RI_LIMIT_SHAPE_TOKENS);
    if (shapes->deep + more > RI_LIMIT_SHAPES)
        return ri_err(RILL_EFULL,
                      "filters of more than %d tokens place their wildcards in too many "
                      "ways; %d are taken", RI_LIMIT_SHAPE_TOKENS, RI_LIMIT_SHAPES);
    int rc = shapes_reserve(shapes, steps - known);
    if (rc < 0) return rc;
    for (int step; shapes_step(&filter, &step);) {
        uint32_t next = shapes->all[at].to[step];
        if (!next) {
            next = shapes_take(shapes);
            shapes->all[at].to[step] = next;
        }
        at = next;
        depth++;
        if (shapes->all[at].uses++ == 0) shapes->deep += depth > RI_LIMIT_SHAPE_TOKENS;
    }
    return RILL_OK;
}

static void shapes_give(ri_shapes *shapes, uint32_t at)
{
    RI_ASSERT(at < shapes->len && shapes->all[at].uses == 0);
    if (!at) return;
    shapes->all[at].to[0] = shapes->spare;
    shapes->spare = at;
}

/* What nobody uses is the end of the way: where one goes, all behind it do. */
void ri_shapes_remove(ri_shapes *shapes, ri_str filter)
{
    RI_ASSERT(shapes->deep <= RI_LIMIT_SHAPES);
    uint32_t at = 0, depth = 0, gone = 0;
    if (shapes_steps(filter) <= RI_LIMIT_SHAPE_TOKENS) return;
    for (int step; shapes_step(&filter, &step);) {
        uint32_t next = shapes->all[at].to[step];
        RI_ASSERT(next && shapes->all[next].uses > 0);
        bool last = --shapes->all[next].uses == 0;
        depth++;
        if (last && !gone) shapes->all[at].to[step] = 0;
        if (last) shapes->deep -= depth > RI_LIMIT_SHAPE_TOKENS;
        shapes_give(shapes, gone);
        gone = last ? next : 0;
        at = next;
    }
    shapes_give(shapes, gone);
}
