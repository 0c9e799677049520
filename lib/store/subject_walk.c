/* SPDX-License-Identifier: Apache-2.0 */
/* A filter is walked along with the tree: a state says where in the filter the bytes so far have
 * led. Since `*` never matches a dot, there is one state at a time and no going back.
 *
 *     filter  o r d e r s . * . n e w
 *             ^ literal: one child can go on, looked up by its byte
 *                           ^ star: all children go on, but not by a dot at first;
 *                             by a dot, later, to the literal behind the star
 *             `>`: whatever comes, to the end; from there on nothing is compared
 *
 * The way down is a stack of frames in memory of the walk, not of the C stack: a tree of long
 * subjects may be as deep as its longest subject has bytes. */
#include "store/subject_walk.h"

#include "base/error.h"
#include "store/subject_node.h"

/* ---- The filter ---- */

#define WALK_ANY UINT32_MAX        /* all that follows matches */
#define WALK_DEAD (UINT32_MAX - 1) /* nothing that follows matches */

/* The low bits of a state; above them the position in the filter. */
enum walk_mode {
    WALK_LITERAL,    /* wants the byte at the position; at the end of the filter, nothing more */
    WALK_STAR_FIRST, /* within `*`, wants a first byte */
    WALK_STAR,       /* within `*`, may go on or end; the position is behind it */
    WALK_REST,       /* at `>`, wants one byte */
};

static uint32_t walk_state(size_t pos, enum walk_mode mode)
{
    return (uint32_t)pos << 2 | mode;
}

/* The state at the start of the token at `pos`. */
static uint32_t walk_token(ri_str filter, size_t pos)
{
    if (pos < filter.len && filter.ptr[pos] == '>' && pos + 1 == filter.len) {
        return walk_state(pos, WALK_REST);
    }
    if (pos < filter.len && filter.ptr[pos] == '*' &&
        (pos + 1 == filter.len || filter.ptr[pos + 1] == '.')) {
        return walk_state(pos, WALK_STAR_FIRST);
    }
    return walk_state(pos, WALK_LITERAL);
}

static uint32_t walk_step(ri_str filter, uint32_t state, char byte)
{
    if (state >= WALK_DEAD) return state;
    size_t pos = state >> 2;
    switch ((enum walk_mode)(state & 3)) {
    case WALK_REST:
        return WALK_ANY;
    case WALK_STAR_FIRST:
        return byte == '.' ? WALK_DEAD : walk_state(pos + 1, WALK_STAR);
    case WALK_STAR:
        if (byte != '.') return state;
        return pos < filter.len ? walk_token(filter, pos + 1) : WALK_DEAD;
    case WALK_LITERAL:
        if (pos == filter.len || filter.ptr[pos] != byte) return WALK_DEAD;
        return byte == '.' ? walk_token(filter, pos + 1) : walk_state(pos + 1, WALK_LITERAL);
    }
    return WALK_DEAD;
}

static uint32_t walk_steps(ri_str filter, uint32_t state, const void *bytes, size_t len)
{
    const char *p = bytes;
    for (size_t i = 0; i < len && state < WALK_DEAD; i++) state = walk_step(filter, state, p[i]);
    return state;
}

static bool walk_accepts(ri_str filter, uint32_t state)
{
    if (state >= WALK_DEAD) return state == WALK_ANY;
    unsigned mode = state & 3;
    return state >> 2 == filter.len && (mode == WALK_LITERAL || mode == WALK_STAR);
}

/* The one byte with which the state can go on, or -1 if there may be several. */
static int walk_wants(ri_str filter, uint32_t state)
{
    if (state >= WALK_DEAD || (state & 3) != WALK_LITERAL) return -1;
    size_t pos = state >> 2;
    return pos < filter.len ? (uint8_t)filter.ptr[pos] : 256; /* 256: none at all */
}

/* ---- The way down ---- */

struct walk_frame {
    uint32_t ref;   /* a node */
    uint32_t next;  /* child to visit next */
    uint32_t len;   /* bytes of the subject up to the node's children */
    uint32_t state; /* of the filter there */
};

struct walk {
    const ri_subject_index *index;
    ri_str filter;
    ri_subject_index_fn fn;
    void *arg;
    char *path;                /* the subject so far; index->max_len bytes */
    struct walk_frame *frames; /* the stack */
    size_t depth, cap;
};

static int walk_leaf(struct walk *w, uint32_t ref, uint32_t len, uint32_t state)
{
    const uint8_t *p = ri_slab_at(&w->index->slab, ref);
    ri_str suffix = subject_leaf_suffix(p);
    state = walk_steps(w->filter, state, suffix.ptr, suffix.len);
    if (!walk_accepts(w->filter, state)) return 0;
    RI_ASSERT(len + suffix.len <= w->index->max_len);
    memcpy(w->path + len, suffix.ptr, suffix.len);
    ri_subject_entry entry;
    subject_leaf_read(p, &entry);
    return w->fn(w->arg, (ri_str){w->path, len + suffix.len}, &entry);
}

/* Enter what `ref` names: a leaf is told, a node becomes a frame, if the filter lets it. */
static int walk_enter(struct walk *w, uint32_t ref, uint32_t len, uint32_t state)
{
    if (subject_is_leaf(w->index, ref)) return walk_leaf(w, ref, len, state);
    const struct subject_node *node = subject_node_at(w->index, ref);
    state = walk_steps(w->filter, state, subject_prefix(node), node->plen);
    if (state == WALK_DEAD) return 0;
    if (w->depth == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 32;
        void *frames = ri_realloc(w->index->slab.host, w->frames, w->cap * sizeof *w->frames,
                                  cap * sizeof *w->frames);
        if (!frames) return RILL_ENOMEM;
        w->frames = frames;
        w->cap = cap;
    }
    memcpy(w->path + len, subject_prefix(node), node->plen);
    len += node->plen;
    w->frames[w->depth++] = (struct walk_frame){ref, 0, len, state};
    return node->end && walk_accepts(w->filter, state) ? walk_leaf(w, node->end, len, state) : 0;
}

/* The next child of a node that the filter does not rule out: its place, or SUBJECT_SLOT_END. */
static uint32_t walk_child(const struct walk *w, const struct subject_node *node,
                           struct walk_frame *frame, uint8_t *byte)
{
    int wants = walk_wants(w->filter, frame->state);
    if (wants >= 0) {
        if (frame->next++ > 0 || wants > 255) return SUBJECT_SLOT_END;
        *byte = (uint8_t)wants;
        return subject_child(node, *byte);
    }
    if (node->kind != SUBJECT_DIRECT) {
        if (frame->next == node->n) return SUBJECT_SLOT_END;
        *byte = subject_keys(node)[frame->next];
        return frame->next++;
    }
    while (frame->next < 256) {
        *byte = (uint8_t)frame->next++;
        if (subject_refs(node)[*byte]) return *byte;
    }
    return SUBJECT_SLOT_END;
}

static int walk_run(struct walk *w)
{
    int rc = walk_enter(w, w->index->root, 0, walk_token(w->filter, 0));
    while (rc == 0 && w->depth > 0) {
        struct walk_frame *frame = &w->frames[w->depth - 1];
        const struct subject_node *node = subject_node_at(w->index, frame->ref);
        uint8_t byte = 0;
        uint32_t i = walk_child(w, node, frame, &byte);
        if (i == SUBJECT_SLOT_END) {
            w->depth--;
            continue;
        }
        uint32_t state = walk_step(w->filter, frame->state, (char)byte);
        if (state == WALK_DEAD) continue;
        w->path[frame->len] = (char)byte;
        rc = walk_enter(w, subject_refs(node)[i], frame->len + 1, state);
    }
    return rc;
}

int ri_subject_walk(const ri_subject_index *index, ri_str filter, ri_subject_index_fn fn,
                    void *arg)
{
    if (!index->root) return 0;
    if (filter.len == 0) filter = RI_STR(">");
    struct walk w = {.index = index, .filter = filter, .fn = fn, .arg = arg};
    w.path = ri_alloc(index->slab.host, index->max_len);
    if (!w.path) return RILL_ENOMEM;
    int rc = walk_run(&w);
    ri_free(index->slab.host, w.path, index->max_len);
    ri_free(index->slab.host, w.frames, w.cap * sizeof *w.frames);
    return rc;
}

/* ---- Showing ---- */

static void walk_indent(ri_buffer *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) ri_buffer_puts(out, "  ");
}

static void walk_show_leaf(const ri_subject_index *index, uint32_t ref, ri_buffer *out)
{
    const uint8_t *p = ri_slab_at(&index->slab, ref);
    ri_str suffix = subject_leaf_suffix(p);
    ri_subject_entry e;
    subject_leaf_read(p, &e);
    ri_buffer_printf(out, "[\"%.*s\"] %llu%s..%llu%s x%llu\n", RI_ARG(suffix),
                     (unsigned long long)e.first_seq, e.first_known ? "" : "?",
                     (unsigned long long)e.last_seq, e.last_known ? "" : "?",
                     (unsigned long long)e.count);
}

/* Recursion as deep as the tree: for trees that a person reads. */
static void walk_show(const ri_subject_index *index, uint32_t ref, unsigned depth, ri_buffer *out)
{
    if (subject_is_leaf(index, ref)) {
        walk_show_leaf(index, ref, out);
        return;
    }
    const struct subject_node *node = subject_node_at(index, ref);
    ri_buffer_printf(out, "(\"%.*s\") %u of %u\n", (int)node->plen,
                     (const char *)subject_prefix(node), node->n, subject_caps[node->kind]);
    if (node->end) {
        walk_indent(out, depth + 1);
        ri_buffer_puts(out, "end ");
        walk_show_leaf(index, node->end, out);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t i = subject_child(node, (uint8_t)byte);
        if (i == SUBJECT_SLOT_END) continue;
        walk_indent(out, depth + 1);
        ri_buffer_printf(out, "%c ", (int)byte);
        walk_show(index, subject_refs(node)[i], depth + 1, out);
    }
}

void ri_subject_walk_show(const ri_subject_index *index, ri_buffer *out)
{
    if (index->root) walk_show(index, index->root, 0, out);
}

/* ---- Checking ---- */

struct walk_sum {
    uint64_t leaves;
    uint64_t units;
    const char *broken;
};

static void walk_require(struct walk_sum *sum, bool holds, const char *what)
{
    if (!holds && !sum->broken) sum->broken = what;
}

static void walk_verify_leaf(const ri_subject_index *index, uint32_t ref, size_t len,
                             struct walk_sum *sum)
{
    const uint8_t *p = ri_slab_at(&index->slab, ref);
    ri_subject_entry e;
    subject_leaf_read(p, &e);
    sum->leaves++;
    sum->units += subject_leaf_size(p);
    walk_require(sum, e.count > 0 && e.first_seq <= e.last_seq, "a leaf's numbers are in order");
    walk_require(sum, e.last_seq - e.first_seq >= e.count - 1, "a leaf's count fits its range");
    walk_require(sum, subject_leaf_units(&e, subject_leaf_suffix(p).len) == subject_leaf_size(p),
                 "a leaf has the least size for its numbers");
    walk_require(sum, len + subject_leaf_suffix(p).len <= index->max_len, "max_len bounds all");
}

static void walk_verify_node(const ri_subject_index *index, const struct subject_node *node,
                             struct walk_sum *sum)
{
    sum->units += subject_node_units(node->kind, node->plen);
    walk_require(sum, node->n > 0 || node->end, "no node is empty");
    unsigned children = 0;
    const uint8_t *keys = subject_keys(node);
    for (unsigned i = 0; i < (node->kind == SUBJECT_DIRECT ? 256u : node->n); i++) {
        children += subject_refs(node)[i] != 0;
        if (node->kind != SUBJECT_DIRECT && i > 0) {
            walk_require(sum, keys[i - 1] < keys[i], "keys rise");
        }
    }
    walk_require(sum, children == node->n, "n counts the children");
    if (node->end) {
        walk_require(sum, subject_is_leaf(index, node->end) &&
                     subject_leaf_suffix(ri_slab_at(&index->slab, node->end)).len == 0,
                     "an end is a leaf without suffix");
    }
}

static void walk_verify(const ri_subject_index *index, uint32_t ref, size_t len,
                        struct walk_sum *sum)
{
    if (subject_is_leaf(index, ref)) {
        walk_verify_leaf(index, ref, len, sum);
        return;
    }
    const struct subject_node *node = subject_node_at(index, ref);
    walk_verify_node(index, node, sum);
    len += node->plen;
    if (node->end) walk_verify_leaf(index, node->end, len, sum);
    for (unsigned i = 0; i < (node->kind == SUBJECT_DIRECT ? 256u : node->n); i++) {
        uint32_t child = subject_refs(node)[i];
        if (child) walk_verify(index, child, len + 1, sum);
    }
}

const char *ri_subject_walk_verify(const ri_subject_index *index)
{
    struct walk_sum sum = {0, 0, NULL};
    if (index->root) walk_verify(index, index->root, 0, &sum);
    walk_require(&sum, sum.leaves == index->len, "len counts the leaves");
    walk_require(&sum, sum.units * RI_SLAB_UNIT == index->slab.live_bytes,
                 "every piece of memory is part of the tree");
    return sum.broken;
}
