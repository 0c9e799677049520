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
 * subjects may be as deep as its longest subject has bytes.
 *
 * A walk that is cut keeps the bytes of the branch that it did not enter any more. One that goes on
 * there leaves out what lies before, in byte order: as long as the way down is a beginning of those
 * bytes it is *bound*, and compares. */
#include "store/index/subject_walk.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "store/index/subject_node.h"

/* ---- The filter ---- */

#define RWALK_ANY UINT32_MAX        /* all that follows matches */
#define RWALK_DEAD (UINT32_MAX - 1) /* nothing that follows matches */

/* The low bits of a state; above them the position in the filter. */
enum rwalk_mode {
    RWALK_LITERAL,    /* wants the byte at the position; at the end of the filter, nothing more */
    RWALK_STAR_FIRST, /* within `*`, wants a first byte */
    RWALK_STAR,       /* within `*`, may go on or end; the position is behind it */
    RWALK_REST,       /* at `>`, wants one byte */
};

static uint32_t rwalk_state(size_t pos, enum rwalk_mode mode)
{
    return (uint32_t)pos << 2 | mode;
}

/* The state at the start of the token at `pos`. */
static uint32_t rwalk_token(ri_str filter, size_t pos)
{
    RI_ASSERT(pos <= filter.len);
    if (pos < filter.len && filter.ptr[pos] == '>' && pos + 1 == filter.len) {
        return rwalk_state(pos, RWALK_REST);
    }
    if (pos < filter.len && filter.ptr[pos] == '*' &&
        (pos + 1 == filter.len || filter.ptr[pos + 1] == '.')) {
        return rwalk_state(pos, RWALK_STAR_FIRST);
    }
    return rwalk_state(pos, RWALK_LITERAL);
}

static uint32_t rwalk_step(ri_str filter, uint32_t state, char byte)
{
    if (state >= RWALK_DEAD) return state;
    size_t pos = state >> 2;
    switch ((enum rwalk_mode)(state & 3)) {
    case RWALK_REST:
        return RWALK_ANY;
    case RWALK_STAR_FIRST:
        return byte == '.' ? RWALK_DEAD : rwalk_state(pos + 1, RWALK_STAR);
    case RWALK_STAR:
        if (byte != '.') return state;
        return pos < filter.len ? rwalk_token(filter, pos + 1) : RWALK_DEAD;
    case RWALK_LITERAL:
        if (pos == filter.len || filter.ptr[pos] != byte) return RWALK_DEAD;
        return byte == '.' ? rwalk_token(filter, pos + 1) : rwalk_state(pos + 1, RWALK_LITERAL);
    }
    return RWALK_DEAD;
}

static uint32_t rwalk_steps(ri_str filter, uint32_t state, const void *bytes, size_t len)
{
    RI_ASSERT(bytes || len == 0);
    const char *p = bytes;
    for (size_t i = 0; i < len && state < RWALK_DEAD; i++) state = rwalk_step(filter, state, p[i]);
    return state;
}

static bool rwalk_accepts(ri_str filter, uint32_t state)
{
    if (state >= RWALK_DEAD) return state == RWALK_ANY;
    unsigned mode = state & 3;
    return state >> 2 == filter.len && (mode == RWALK_LITERAL || mode == RWALK_STAR);
}

/* The one byte with which the state can go on, or -1 if there may be several. */
static int rwalk_wants(ri_str filter, uint32_t state)
{
    if (state >= RWALK_DEAD || (state & 3) != RWALK_LITERAL) return -1;
    size_t pos = state >> 2;
    return pos < filter.len ? (uint8_t)filter.ptr[pos] : 256; /* 256: none at all */
}

/* ---- The way down ---- */

struct rwalk_frame {
    uint32_t ref;   /* a node */
    uint32_t next;  /* child to visit next */
    uint32_t len;   /* bytes of the subject up to the node's children */
    uint32_t state; /* of the filter there */
    bool bound;     /* these bytes are a beginning of the place */
};

enum {
    RWALK_CHECK = 8,   /* branches and subjects that are visited for two units */
    RWALK_FRAMES = 32, /* of the first stack */
};

struct rwalk {
    const ri_subject_index *index;
    ri_str filter;
    ri_subject_index_fn fn;
    void *arg;
    char *path;                /* the subject so far; index->max_len bytes */
    struct rwalk_frame *frames; /* the stack */
    size_t depth, cap;
    uint64_t entered;
    ri_subject_place *place;   /* NULL: from the beginning to the end */
    ri_str from;               /* of the place, as it was */
    uint32_t visits;
};

/* Of a way down that was bound up to `len` bytes: where is it after these? Below 0: before the
 * place; 0: still bound; above 0: behind its bytes. */
static int rwalk_compare(const struct rwalk *w, uint32_t len, const void *bytes, size_t n)
{
    RI_ASSERT(len <= w->from.len);
    size_t rest = w->from.len - len;
    int order = memcmp(bytes, w->from.ptr + len, RI_MIN(n, rest));
    return order ? order : n >= rest;
}

static int rwalk_leaf(struct rwalk *w, uint32_t ref, uint32_t len, uint32_t state, bool bound)
{
    RI_ASSERT(radix_is_leaf(w->index, ref) && len <= w->index->max_len);
    const uint8_t *p = ri_subject_slab_at(&w->index->slab, ref);
    ri_str suffix = radix_leaf_suffix(p);
    if (bound && rwalk_compare(w, len, suffix.ptr, suffix.len) <= 0) return 0;
    state = rwalk_steps(w->filter, state, suffix.ptr, suffix.len);
    if (!rwalk_accepts(w->filter, state)) return 0;
    RI_ASSERT(len + suffix.len <= w->index->max_len);
    memcpy(w->path + len, suffix.ptr, suffix.len);
    ri_subject_entry entry;
    radix_leaf_read(p, &entry);
    return w->fn(w->arg, (ri_str){w->path, len + suffix.len}, &entry);
}

/* Enter what `ref` names: a leaf is handed out, a node becomes a frame, if the filter lets it. */
static int rwalk_enter(struct rwalk *w, uint32_t ref, uint32_t len, uint32_t state, bool bound)
{
    RI_ASSERT(ref != 0);
    w->entered++;
    if (radix_is_leaf(w->index, ref)) return rwalk_leaf(w, ref, len, state, bound);
    const struct radix_node *node = radix_node_at(w->index, ref);
    int order = bound ? rwalk_compare(w, len, radix_prefix(node), node->plen) : 1;
    if (order < 0) return 0;
    bound = order == 0;
    state = rwalk_steps(w->filter, state, radix_prefix(node), node->plen);
    if (state == RWALK_DEAD) return 0;
    if (w->depth == w->cap &&
        ri_array_reserve_long(w->index->slab.host, &w->frames, &w->cap,
                              RI_MAX(w->depth + 1, (size_t)RWALK_FRAMES), sizeof *w->frames) < 0)
        return RILL_ENOMEM;
    memcpy(w->path + len, radix_prefix(node), node->plen);
    len += node->plen;
    w->frames[w->depth++] = (struct rwalk_frame){ref, 0, len, state, bound};
    if (!node->end || bound || !rwalk_accepts(w->filter, state)) return 0;
    return rwalk_leaf(w, node->end, len, state, false);
}

/* Is it to be cut before this branch? Its bytes become the place then. */
static bool rwalk_is_cut(struct rwalk *w, uint32_t len)
{
    RI_ASSERT(len <= w->index->max_len);
    ri_subject_place *place = w->place;
    if (!place || ++w->visits % RWALK_CHECK || ri_budget_spend(place->budget, 2)) return false;
    ri_buffer_reset(&place->next);
    ri_buffer_put(&place->next, w->path, len);
    return true;
}

/* The next child of a node that the filter does not rule out: its place, or RADIX_SLOT_END. */
static uint32_t rwalk_child(const struct rwalk *w, const struct radix_node *node,
                           struct rwalk_frame *frame, uint8_t *byte)
{
    int wants = rwalk_wants(w->filter, frame->state);
    if (wants >= 0) {
        if (frame->next++ > 0 || wants > 255) return RADIX_SLOT_END;
        *byte = (uint8_t)wants;
        return radix_child(node, *byte);
    }
    if (node->kind != RADIX_DIRECT) {
        if (frame->next == node->n) return RADIX_SLOT_END;
        *byte = radix_keys(node)[frame->next];
        return frame->next++;
    }
    while (frame->next < 256) {
        *byte = (uint8_t)frame->next++;
        if (radix_refs(node)[*byte]) return *byte;
    }
    return RADIX_SLOT_END;
}

static int rwalk_run(struct rwalk *w)
{
    int rc = rwalk_enter(w, w->index->root, 0, rwalk_token(w->filter, 0), w->from.len > 0);
    while (rc == 0 && w->depth > 0) {
        struct rwalk_frame *frame = &w->frames[w->depth - 1];
        RI_ASSERT(w->depth <= w->cap);
        const struct radix_node *node = radix_node_at(w->index, frame->ref);
        uint8_t byte = 0;
        uint32_t i = rwalk_child(w, node, frame, &byte);
        if (i == RADIX_SLOT_END) {
            w->depth--;
            continue;
        }
        uint32_t state = rwalk_step(w->filter, frame->state, (char)byte);
        if (state == RWALK_DEAD) continue;
        int order = frame->bound ? rwalk_compare(w, frame->len, &byte, 1) : 1;
        if (order < 0) continue;
        w->path[frame->len] = (char)byte;
        if (order > 0 && ri_unlikely(rwalk_is_cut(w, frame->len + 1)))
            return w->place->next.failed ? RILL_ENOMEM : 1;
        rc = rwalk_enter(w, radix_refs(node)[i], frame->len + 1, state, order == 0);
    }
    return rc;
}

int ri_subject_walk(ri_subject_index *index, ri_str filter, ri_subject_place *place,
                    ri_subject_index_fn fn, void *arg)
{
    RI_ASSERT(fn);
    if (!index->root) return 0;
    if (filter.len == 0) filter = RI_STR(">");
    struct rwalk w = {.index = index, .filter = filter, .fn = fn, .arg = arg, .place = place};
    size_t from_len = place ? ri_buffer_size(&place->next) : 0;
    w.path = ri_alloc(index->slab.host, index->max_len + from_len);
    if (!w.path) return RILL_ENOMEM;
    if (from_len) {
        memcpy(w.path + index->max_len, place->next.ptr, from_len);
        w.from = (ri_str){w.path + index->max_len, from_len};
    }
    int rc = rwalk_run(&w);
    index->walked += w.entered;
    ri_free(index->slab.host, w.path, index->max_len + from_len);
    ri_free(index->slab.host, w.frames, w.cap * sizeof *w.frames);
    return rc;
}

/* ---- Showing ---- */

static void rwalk_indent(ri_buffer *out, unsigned depth)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    for (unsigned i = 0; i < depth; i++) ri_buffer_puts(out, "  ");
}

static void rwalk_show_leaf(const ri_subject_index *index, uint32_t ref, ri_buffer *out)
{
    const uint8_t *p = ri_subject_slab_at(&index->slab, ref);
    ri_str suffix = radix_leaf_suffix(p);
    ri_subject_entry e;
    radix_leaf_read(p, &e);
    ri_buffer_printf(out, "[\"%.*s\"] %llu%s..%llu%s x%llu\n", RI_ARG(suffix),
                     (unsigned long long)e.first_seq, e.first_known ? "" : "?",
                     (unsigned long long)e.last_seq, e.last_known ? "" : "?",
                     (unsigned long long)e.count);
}

/* Recursion as deep as the tree: for trees that a person reads. */
static void rwalk_show(const ri_subject_index *index, uint32_t ref, unsigned depth, ri_buffer *out)
{
    if (radix_is_leaf(index, ref)) {
        rwalk_show_leaf(index, ref, out);
        return;
    }
    const struct radix_node *node = radix_node_at(index, ref);
    ri_buffer_printf(out, "(\"%.*s\") %u of %u\n", (int)node->plen,
                     (const char *)radix_prefix(node), node->n, radix_caps[node->kind]);
    if (node->end) {
        rwalk_indent(out, depth + 1);
        ri_buffer_puts(out, "end ");
        rwalk_show_leaf(index, node->end, out);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t i = radix_child(node, (uint8_t)byte);
        if (i == RADIX_SLOT_END) continue;
        rwalk_indent(out, depth + 1);
        ri_buffer_printf(out, "%c ", (int)byte);
        rwalk_show(index, radix_refs(node)[i], depth + 1, out);
    }
}

void ri_subject_walk_show(const ri_subject_index *index, ri_buffer *out)
{
    if (index->root) rwalk_show(index, index->root, 0, out);
}

/* ---- Checking ---- */

struct rwalk_sum {
    uint64_t leaves;
    uint64_t units;
    const char *broken;
};

static void rwalk_require(struct rwalk_sum *sum, bool holds, const char *what)
{
    if (!holds && !sum->broken) sum->broken = what;
}

static void rwalk_verify_leaf(const ri_subject_index *index, uint32_t ref, size_t len,
                             struct rwalk_sum *sum)
{
    const uint8_t *p = ri_subject_slab_at(&index->slab, ref);
    ri_subject_entry e;
    radix_leaf_read(p, &e);
    sum->leaves++;
    sum->units += radix_leaf_size(p);
    rwalk_require(sum, e.count > 0 && e.first_seq <= e.last_seq, "a leaf's numbers are in order");
    rwalk_require(sum, e.last_seq - e.first_seq >= e.count - 1, "a leaf's count fits its range");
    rwalk_require(sum, radix_leaf_units(&e, radix_leaf_suffix(p).len) == radix_leaf_size(p),
                 "a leaf has the least size for its numbers");
    rwalk_require(sum, len + radix_leaf_suffix(p).len <= index->max_len, "max_len bounds all");
}

static void rwalk_verify_node(const ri_subject_index *index, const struct radix_node *node,
                             struct rwalk_sum *sum)
{
    sum->units += radix_node_units(node->kind, node->plen);
    rwalk_require(sum, node->n > 0 || node->end, "no node is empty");
    unsigned children = 0;
    const uint8_t *keys = radix_keys(node);
    for (unsigned i = 0; i < (node->kind == RADIX_DIRECT ? 256u : node->n); i++) {
        children += radix_refs(node)[i] != 0;
        if (node->kind != RADIX_DIRECT && i > 0) {
            rwalk_require(sum, keys[i - 1] < keys[i], "keys rise");
        }
    }
    rwalk_require(sum, children == node->n, "n counts the children");
    if (node->end) {
        rwalk_require(sum, radix_is_leaf(index, node->end) &&
                     radix_leaf_suffix(ri_subject_slab_at(&index->slab, node->end)).len == 0,
                     "an end is a leaf without suffix");
    }
}

static void rwalk_verify(const ri_subject_index *index, uint32_t ref, size_t len,
                        struct rwalk_sum *sum)
{
    if (radix_is_leaf(index, ref)) {
        rwalk_verify_leaf(index, ref, len, sum);
        return;
    }
    const struct radix_node *node = radix_node_at(index, ref);
    rwalk_verify_node(index, node, sum);
    len += node->plen;
    if (node->end) rwalk_verify_leaf(index, node->end, len, sum);
    for (unsigned i = 0; i < (node->kind == RADIX_DIRECT ? 256u : node->n); i++) {
        uint32_t child = radix_refs(node)[i];
        if (child) rwalk_verify(index, child, len + 1, sum);
    }
}

const char *ri_subject_walk_verify(const ri_subject_index *index)
{
    struct rwalk_sum sum = {0, 0, NULL};
    if (index->root) rwalk_verify(index, index->root, 0, &sum);
    rwalk_require(&sum, sum.leaves == index->len, "len counts the leaves");
    rwalk_require(&sum, sum.units * RI_SUBJECT_SLAB_UNIT == index->slab.live_bytes,
                 "every piece of memory is part of the tree");
    return sum.broken;
}
