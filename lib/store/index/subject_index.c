/* SPDX-License-Identifier: Apache-2.0 */
/* The subject index: an adaptive radix tree with path compression.
 *
 * A radix tree spells its keys along its edges, so that common beginnings are stored once and a
 * filter visits only the branches it can match. Three subjects, plain (a byte an edge):
 *
 *     a - . - b - [a.b]
 *             |
 *             c - [a.c]               [x]: the record numbers of subject x
 *             |
 *             c . d - [a.cc.d]        (drawn short)
 *
 * *Compressed*: a node keeps the bytes that all below it share (its prefix), then one byte for
 * each child; a leaf keeps the bytes that no other subject has there (its suffix). A subject
 * that ends where others go on is the node's `end`.
 *
 *     ("a.")                          (prefix)   node
 *       |- b -> [""]                  ["suffix"] leaf
 *       `- c -> ("")
 *                |- end -> [""]            a.c
 *                `- c ---> [".d"]          a.cc.d
 *
 * *After a split*, by the coming of "ax":
 *
 *     ("a")
 *       |- . -> ("")                  the old node, its prefix shortened by "a" and "."
 *       |        |- b -> [""]
 *       |        `- c -> ("") ...
 *       `- x -> [""]
 *
 * Insertion walks down as far as the subject leads and stops in one of six ways:
 *
 *   empty           no root                       the root becomes a leaf ["subject"]
 *
 *   found           at the subject's leaf         its numbers are rewritten, in place if they fit
 *
 *   leaf differs    at ["sky"], wanted "sea":     ("s")-k->["y"]
 *                                                    `-e->["a"]     the old leaf shrinks in place
 *   prefix differs  at ("eu.we"), wanted "eu.n":  ("eu.")-w->("e")  the old node shrinks in place
 *                                                      `-n->[""]
 *   no child        at ("eu.") without n:         a leaf joins; a full node first moves to the
 *                                                 next size
 *   no end          at ("eu") wanted "eu":        the leaf [""] becomes its end
 *
 * Before it changes anything a case asks the slab for all the memory it needs, so it happens as
 * a whole or not at all. A removal takes its leaf away; a node that is left with one entry is
 * folded into it, and one that is half empty moves to a smaller size. Both need memory to save
 * memory and are simply not done when there is none: a node with one entry is legal (prefixes of
 * more than 255 bytes are chains of such).
 *
 * The bytes (a unit is 4; references and sizes are those of subject_slab.h):
 *
 *     node  [kind 1][prefix len 1][n 2][end 4] [refs 4 x cap] [keys 1 x cap] [prefix] pad
 *           keys are in order. cap is 1 .. 64 by kind; the last kind is direct: 256 references
 *           by byte, 0 where there is no child, and no keys.
 *
 *     leaf  [1 s f l L www] [suffix len 1, or 2 if L] [last]                    [suffix]   if s
 *           [1 s f l L www] [suffix len 1, or 2 if L] [last] [first] [c][count] [suffix]   else
 *           s: one record, so that first = last and both are known; f, l: first, last known;
 *           www: bytes of a sequence - 1; c: bytes of the count. Little-endian.
 *
 * Ten million subjects of 20 to 30 bytes with a record each cost some 31 bytes apiece
 * (bench_index): a leaf of 5 + suffix, and a fourth of a node (5 bytes an entry, 8 a node, some
 * spare room). */
#include "store/index/subject_index.h"

#include "base/assert.h"
#include "base/error.h"
#include "store/index/subject_node.h"
#include "store/index/subject_walk.h"

#define RADIX_DIRECT_MIN 48 /* children below which a direct node becomes one with keys */

/* Where a reference stands, good across moves of memory. */
struct radix_slot {
    uint32_t node;  /* 0: the root */
    uint32_t index; /* of the child, or RADIX_SLOT_END */
};

enum radix_stop {
    RADIX_EMPTY,
    RADIX_FOUND,
    RADIX_LEAF_DIFFERS,
    RADIX_PREFIX_DIFFERS,
    RADIX_NO_CHILD,
    RADIX_NO_END,
};

/* Where a walk down stopped. */
struct radix_place {
    uint32_t ref;             /* the leaf or node */
    struct radix_slot slot; /* where `ref` stands */
    struct radix_slot up;   /* where slot.node stands */
    size_t at;                /* bytes of the subject that were used before `ref` */
    size_t same;              /* of its prefix or suffix, bytes that agree */
};

/* ---- Nodes and leaves ---- */

/* Takes promised memory; the prefix is the caller's to fill. */
static uint32_t radix_node_take(ri_subject_index *index, unsigned kind, size_t plen)
{
    RI_ASSERT(plen <= RADIX_PREFIX_MAX);
    uint32_t ref = ri_subject_slab_take(&index->slab, radix_node_units(kind, plen));
    struct radix_node *node = ri_subject_slab_at(&index->slab, ref);
    *node = (struct radix_node){(uint8_t)kind, (uint8_t)plen, 0, 0};
    if (kind == RADIX_DIRECT) memset(radix_refs(node), 0, 256 * sizeof(uint32_t));
    return ref;
}

static void radix_node_give(ri_subject_index *index, uint32_t ref)
{
    const struct radix_node *node = radix_node_at(index, ref);
    ri_subject_slab_give(&index->slab, ref, radix_node_units(node->kind, node->plen));
}

/* The node has room. */
static void radix_insert(struct radix_node *node, uint8_t byte, uint32_t child)
{
    RI_ASSERT(node->n < radix_caps[node->kind] && child);
    uint32_t *refs = radix_refs(node);
    if (node->kind == RADIX_DIRECT) {
        RI_ASSERT(!refs[byte]);
        refs[byte] = child;
    } else {
        uint8_t *keys = radix_keys(node);
        uint32_t i = node->n;
        while (i > 0 && keys[i - 1] > byte) i--;
        memmove(keys + i + 1, keys + i, node->n - i);
        memmove(refs + i + 1, refs + i, (node->n - i) * sizeof *refs);
        keys[i] = byte;
        refs[i] = child;
    }
    node->n++;
}

static void radix_delete(struct radix_node *node, uint32_t i)
{
    RI_ASSERT(i < radix_caps[node->kind] && node->n > 0);
    uint32_t *refs = radix_refs(node);
    if (node->kind == RADIX_DIRECT) {
        refs[i] = 0;
    } else {
        uint8_t *keys = radix_keys(node);
        memmove(keys + i, keys + i + 1, node->n - i - 1);
        memmove(refs + i, refs + i + 1, (node->n - i - 1) * sizeof *refs);
    }
    node->n--;
}

/* The children of one node to another, empty one with room for them. */
static void radix_copy_children(struct radix_node *to, const struct radix_node *from)
{
    RI_ASSERT(to->n == 0 && radix_caps[to->kind] >= from->n);
    const uint32_t *refs = radix_refs(from);
    to->end = from->end;
    if (to->kind == from->kind) {
        size_t cap = radix_caps[to->kind];
        memcpy(radix_refs(to), refs, cap * (to->kind == RADIX_DIRECT ? 4 : 5));
        to->n = from->n;
        return;
    }
    uint32_t slots = from->kind == RADIX_DIRECT ? 256 : from->n;
    const uint8_t *keys = radix_keys(from);
    for (uint32_t i = 0; i < slots; i++) {
        if (!refs[i]) continue;
        radix_insert(to, from->kind == RADIX_DIRECT ? (uint8_t)i : keys[i], refs[i]);
    }
}

/* Drop `drop` bytes from the front of the prefix; the memory behind goes back. */
static void radix_cut_prefix(ri_subject_index *index, uint32_t ref, size_t drop)
{
    struct radix_node *node = radix_node_at(index, ref);
    RI_ASSERT(drop <= node->plen);
    uint32_t before = radix_node_units(node->kind, node->plen);
    uint8_t *prefix = radix_prefix(node);
    memmove(prefix, prefix + drop, node->plen - drop);
    node->plen = (uint8_t)(node->plen - drop);
    uint32_t after = radix_node_units(node->kind, node->plen);
    if (after < before) ri_subject_slab_give(&index->slab, ref + after, before - after);
}

/* Takes promised memory. */
static uint32_t radix_leaf_make(ri_subject_index *index, const ri_subject_entry *e,
                                  ri_str suffix)
{
    RI_ASSERT(e->count > 0 && e->first_seq <= e->last_seq);
    uint32_t ref = ri_subject_slab_take(&index->slab, radix_leaf_units(e, suffix.len));
    uint8_t *p = ri_subject_slab_at(&index->slab, ref);
    radix_leaf_write(p, e, suffix.len);
    if (suffix.len) memcpy(p + radix_leaf_head(e, suffix.len), suffix.ptr, suffix.len);
    return ref;
}

/* Write the leaf anew with an entry and a suffix that need no more units than it has. The suffix
 * is a tail of the old one. */
static void radix_leaf_shrink(ri_subject_index *index, uint32_t ref, const ri_subject_entry *e,
                                size_t drop)
{
    RI_ASSERT(e->count > 0 && e->first_seq <= e->last_seq);
    uint8_t *p = ri_subject_slab_at(&index->slab, ref);
    ri_str suffix = radix_leaf_suffix(p);
    uint32_t before = radix_leaf_size(p);
    uint32_t after = radix_leaf_units(e, suffix.len - drop);
    RI_ASSERT(after <= before && drop <= suffix.len);
    memmove(p + radix_leaf_head(e, suffix.len - drop), suffix.ptr + drop, suffix.len - drop);
    radix_leaf_write(p, e, suffix.len - drop);
    if (after < before) ri_subject_slab_give(&index->slab, ref + after, before - after);
}

/* ---- Walking down ---- */

static size_t radix_common(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a, *y = b;
    size_t i = 0;
    while (i < len && x[i] == y[i]) i++;
    return i;
}

static uint32_t *radix_slot_at(ri_subject_index *index, struct radix_slot slot)
{
    if (!slot.node) return &index->root;
    struct radix_node *node = radix_node_at(index, slot.node);
    return slot.index == RADIX_SLOT_END ? &node->end : &radix_refs(node)[slot.index];
}

static enum radix_stop radix_walk(const ri_subject_index *index, ri_str subject,
                                      struct radix_place *place)
{
    *place = (struct radix_place){.ref = index->root};
    if (!index->root) return RADIX_EMPTY;
    for (;;) {
        const uint8_t *p = ri_subject_slab_at(&index->slab, place->ref);
        const char *rest = subject.ptr + place->at;
        size_t left = subject.len - place->at;
        if (*p & RADIX_LEAF) {
            ri_str suffix = radix_leaf_suffix(p);
            place->same = radix_common(suffix.ptr, rest, RI_MIN(suffix.len, left));
            return place->same == suffix.len && left == suffix.len ? RADIX_FOUND
                                                                   : RADIX_LEAF_DIFFERS;
        }
        const struct radix_node *node = (const void *)p;
        size_t plen = node->plen;
        place->same = radix_common(radix_prefix(node), rest, RI_MIN(plen, left));
        if (place->same < plen) return RADIX_PREFIX_DIFFERS;
        uint32_t i = RADIX_SLOT_END, child = node->end;
        if (left > plen) {
            i = radix_child(node, (uint8_t)rest[plen]);
            if (i == RADIX_SLOT_END) return RADIX_NO_CHILD;
            child = radix_refs(node)[i];
        } else if (!child) {
            return RADIX_NO_END;
        }
        place->at += plen + (left > plen);
        place->up = place->slot;
        place->slot = (struct radix_slot){place->ref, i};
        place->ref = child;
    }
}

int ri_subject_index_find(const ri_subject_index *index, ri_str subject, ri_subject_entry *out)
{
    RI_ASSERT(index->root || index->len == 0);
    struct radix_place place;
    if (radix_walk(index, subject, &place) != RADIX_FOUND) return RILL_ENOENT;
    radix_leaf_read(ri_subject_slab_at(&index->slab, place.ref), out);
    return RILL_OK;
}

/* ---- Insertion ---- */

/* One branch of a fork: the leaf or node that goes on after the common bytes, by its next byte,
 * or as the end when there is none. */
static void radix_attach(struct radix_node *fork, const uint8_t *byte, uint32_t child)
{
    if (byte) {
        radix_insert(fork, *byte, child);
    } else {
        RI_ASSERT(!fork->end);
        fork->end = child;
    }
}

static int radix_put_split_leaf(ri_subject_index *index, const struct radix_place *place,
                                  ri_str subject, const ri_subject_entry *e)
{
    RI_ASSERT(place->at + place->same <= subject.len);
    ri_str rest = ri_str_from(subject, place->at);
    const uint8_t *old = ri_subject_slab_at(&index->slab, place->ref);
    size_t same = place->same, links = same / (RADIX_PREFIX_MAX + 1);
    bool old_goes_on = radix_leaf_suffix(old).len > same, new_goes_on = rest.len > same;
    unsigned kind = radix_kind_for((unsigned)old_goes_on + new_goes_on);
    size_t plen = same % (RADIX_PREFIX_MAX + 1);
    size_t need = radix_leaf_units(e, rest.len - same - new_goes_on) +
                  links * radix_node_units(0, RADIX_PREFIX_MAX) +
                  radix_node_units(kind, plen);
    int rc = ri_subject_slab_reserve(&index->slab, (uint32_t)need);
    if (rc < 0) return rc;

    uint32_t leaf = radix_leaf_make(index, e, ri_str_from(rest, same + new_goes_on));
    uint32_t ref = radix_node_take(index, kind, plen);
    struct radix_node *fork = radix_node_at(index, ref);
    memcpy(radix_prefix(fork), rest.ptr + same - plen, plen);
    old = ri_subject_slab_at(&index->slab, place->ref);
    uint8_t old_byte = old_goes_on ? (uint8_t)radix_leaf_suffix(old).ptr[same] : 0;
    ri_subject_entry old_entry;
    radix_leaf_read(old, &old_entry);
    radix_leaf_shrink(index, place->ref, &old_entry, same + old_goes_on);
    radix_attach(fork, old_goes_on ? &old_byte : NULL, place->ref);
    radix_attach(fork, new_goes_on ? (const uint8_t *)rest.ptr + same : NULL, leaf);
    while (links-- > 0) { /* common bytes beyond one prefix: a chain, built from its end */
        const char *from = rest.ptr + links * (RADIX_PREFIX_MAX + 1);
        uint32_t link = radix_node_take(index, 0, RADIX_PREFIX_MAX);
        struct radix_node *node = radix_node_at(index, link);
        memcpy(radix_prefix(node), from, RADIX_PREFIX_MAX);
        radix_insert(node, (uint8_t)from[RADIX_PREFIX_MAX], ref);
        ref = link;
    }
    *radix_slot_at(index, place->slot) = ref;
    return RILL_OK;
}

static int radix_put_split_prefix(ri_subject_index *index, const struct radix_place *place,
                                    ri_str subject, const ri_subject_entry *e)
{
    RI_ASSERT(place->at + place->same <= subject.len);
    ri_str rest = ri_str_from(subject, place->at);
    size_t same = place->same;
    bool goes_on = rest.len > same;
    unsigned kind = radix_kind_for(1u + goes_on);
    uint32_t need = radix_leaf_units(e, rest.len - same - goes_on) +
                    radix_node_units(kind, same);
    int rc = ri_subject_slab_reserve(&index->slab, need);
    if (rc < 0) return rc;

    uint32_t leaf = radix_leaf_make(index, e, ri_str_from(rest, same + goes_on));
    uint32_t ref = radix_node_take(index, kind, same);
    struct radix_node *fork = radix_node_at(index, ref);
    memcpy(radix_prefix(fork), rest.ptr, same);
    uint8_t old_byte = radix_prefix(radix_node_at(index, place->ref))[same];
    radix_cut_prefix(index, place->ref, same + 1);
    radix_attach(fork, &old_byte, place->ref);
    radix_attach(fork, goes_on ? (const uint8_t *)rest.ptr + same : NULL, leaf);
    *radix_slot_at(index, place->slot) = ref;
    return RILL_OK;
}

/* Move a node to another kind, taking promised memory; returns its new reference. */
static uint32_t radix_resize(ri_subject_index *index, uint32_t ref, struct radix_slot slot,
                               unsigned kind)
{
    RI_ASSERT(ref != 0 && kind <= RADIX_DIRECT);
    struct radix_node *from = radix_node_at(index, ref);
    uint32_t to_ref = radix_node_take(index, kind, from->plen);
    struct radix_node *to = radix_node_at(index, to_ref);
    radix_copy_children(to, from);
    memcpy(radix_prefix(to), radix_prefix(from), from->plen);
    *radix_slot_at(index, slot) = to_ref;
    radix_node_give(index, ref);
    return to_ref;
}

static int radix_put_child(ri_subject_index *index, const struct radix_place *place,
                             ri_str subject, const ri_subject_entry *e)
{
    const struct radix_node *node = radix_node_at(index, place->ref);
    size_t at = place->at + node->plen;
    ri_str suffix = ri_str_from(subject, at + 1);
    bool full = node->n == radix_caps[node->kind];
    uint32_t need = radix_leaf_units(e, suffix.len) +
                    (full ? radix_node_units(node->kind + 1u, node->plen) : 0);
    int rc = ri_subject_slab_reserve(&index->slab, need);
    if (rc < 0) return rc;

    uint32_t ref = place->ref;
    if (full) ref = radix_resize(index, ref, place->slot, radix_node_at(index, ref)->kind + 1u);
    uint32_t leaf = radix_leaf_make(index, e, suffix);
    radix_insert(radix_node_at(index, ref), (uint8_t)subject.ptr[at], leaf);
    return RILL_OK;
}

/* A leaf with nothing below or beside it, at a slot that is empty. */
static int radix_put_leaf(ri_subject_index *index, struct radix_slot slot, ri_str suffix,
                            const ri_subject_entry *e)
{
    RI_ASSERT(e->count > 0);
    int rc = ri_subject_slab_reserve(&index->slab, radix_leaf_units(e, suffix.len));
    if (rc < 0) return rc;
    uint32_t leaf = radix_leaf_make(index, e, suffix);
    *radix_slot_at(index, slot) = leaf;
    return RILL_OK;
}

/* Another entry for a leaf that is there, and may move. */
static int radix_rewrite(ri_subject_index *index, struct radix_place *place,
                           const ri_subject_entry *e)
{
    const uint8_t *p = ri_subject_slab_at(&index->slab, place->ref);
    ri_str suffix = radix_leaf_suffix(p);
    uint32_t before = radix_leaf_size(p), after = radix_leaf_units(e, suffix.len);
    if (after <= before) {
        radix_leaf_shrink(index, place->ref, e, 0);
        return RILL_OK;
    }
    int rc = ri_subject_slab_reserve(&index->slab, after);
    if (rc < 0) return rc;
    suffix = radix_leaf_suffix(ri_subject_slab_at(&index->slab, place->ref));
    uint32_t leaf = radix_leaf_make(index, e, suffix);
    *radix_slot_at(index, place->slot) = leaf;
    ri_subject_slab_give(&index->slab, place->ref, before);
    place->ref = leaf;
    index->moves++;
    return RILL_OK;
}

static int radix_insert_at(ri_subject_index *index, enum radix_stop stop,
                             struct radix_place *place, ri_str subject,
                             const ri_subject_entry *e)
{
    int rc = RILL_OK;
    switch (stop) {
    case RADIX_EMPTY:
        rc = radix_put_leaf(index, (struct radix_slot){0, 0}, subject, e);
        break;
    case RADIX_FOUND:
        return radix_rewrite(index, place, e);
    case RADIX_LEAF_DIFFERS:
        rc = radix_put_split_leaf(index, place, subject, e);
        break;
    case RADIX_PREFIX_DIFFERS:
        rc = radix_put_split_prefix(index, place, subject, e);
        break;
    case RADIX_NO_CHILD:
        rc = radix_put_child(index, place, subject, e);
        break;
    case RADIX_NO_END:
        rc = radix_put_leaf(index, (struct radix_slot){place->ref, RADIX_SLOT_END},
                              RI_STR_NONE, e);
        break;
    }
    if (rc < 0) return rc;
    index->len++;
    index->max_len = RI_MAX(index->max_len, (uint32_t)subject.len);
    return RILL_OK;
}

/* ---- Removal ---- */

/* A leaf in place of a node of one entry and that entry. */
static void radix_fold_leaf(ri_subject_index *index, struct radix_slot slot, uint32_t ref,
                              int byte)
{
    RI_ASSERT(byte <= 255);
    const struct radix_node *node = radix_node_at(index, ref);
    uint32_t child = byte < 0 ? node->end : radix_refs(node)[radix_child(node, (uint8_t)byte)];
    const uint8_t *old = ri_subject_slab_at(&index->slab, child);
    ri_str tail = radix_leaf_suffix(old);
    size_t len = node->plen + (byte >= 0) + tail.len;
    ri_subject_entry e;
    radix_leaf_read(old, &e);
    if (ri_subject_slab_reserve(&index->slab, radix_leaf_units(&e, len)) < 0) return;

    uint32_t leaf = ri_subject_slab_take(&index->slab, radix_leaf_units(&e, len));
    uint8_t *p = ri_subject_slab_at(&index->slab, leaf);
    radix_leaf_write(p, &e, len);
    p += radix_leaf_head(&e, len);
    node = radix_node_at(index, ref);
    old = ri_subject_slab_at(&index->slab, child);
    tail = radix_leaf_suffix(old);
    memcpy(p, radix_prefix(node), node->plen);
    p += node->plen;
    if (byte >= 0) *p++ = (uint8_t)byte;
    memcpy(p, tail.ptr, tail.len);
    *radix_slot_at(index, slot) = leaf;
    ri_subject_slab_give(&index->slab, child, radix_leaf_size(old));
    radix_node_give(index, ref);
    index->moves++;
}

/* One node in place of a node of one entry and the node below it. */
static void radix_fold_node(ri_subject_index *index, struct radix_slot slot, uint32_t ref,
                              uint8_t byte)
{
    const struct radix_node *node = radix_node_at(index, ref);
    uint32_t below = radix_refs(node)[radix_child(node, byte)];
    const struct radix_node *child = radix_node_at(index, below);
    size_t plen = (size_t)node->plen + 1 + child->plen;
    unsigned kind = child->kind;
    if (plen > RADIX_PREFIX_MAX) return;
    if (ri_subject_slab_reserve(&index->slab, radix_node_units(kind, plen)) < 0) return;

    uint32_t to_ref = radix_node_take(index, kind, plen);
    struct radix_node *to = radix_node_at(index, to_ref);
    node = radix_node_at(index, ref);
    child = radix_node_at(index, below);
    radix_copy_children(to, child);
    uint8_t *prefix = radix_prefix(to);
    memcpy(prefix, radix_prefix(node), node->plen);
    prefix[node->plen] = byte;
    memcpy(prefix + node->plen + 1, radix_prefix(child), child->plen);
    *radix_slot_at(index, slot) = to_ref;
    radix_node_give(index, below);
    radix_node_give(index, ref);
}

/* After an entry left the node: fold or shrink it where that helps and memory allows. */
static void radix_tidy(ri_subject_index *index, struct radix_slot slot, uint32_t ref)
{
    const struct radix_node *node = radix_node_at(index, ref);
    if (node->n == 0) {
        radix_fold_leaf(index, slot, ref, -1);
    } else if (node->n == 1 && !node->end) {
        uint8_t byte = radix_keys(node)[0];
        if (node->kind == RADIX_DIRECT) {
            for (byte = 0; !radix_refs(node)[byte];) byte++;
        }
        uint32_t child = radix_refs(node)[radix_child(node, byte)];
        if (radix_is_leaf(index, child)) {
            radix_fold_leaf(index, slot, ref, byte);
        } else {
            radix_fold_node(index, slot, ref, byte);
        }
    } else if (node->kind == RADIX_DIRECT ? node->n < RADIX_DIRECT_MIN
                                            : node->n <= radix_caps[node->kind] / 2) {
        unsigned kind = radix_kind_for(node->n);
        if (ri_subject_slab_reserve(&index->slab, radix_node_units(kind, node->plen)) == 0) {
            radix_resize(index, ref, slot, kind);
        }
    }
}

/* The slots of a node that lies on the way of `subject`, and of the node above it. */
static void radix_slots_of(const ri_subject_index *index, ri_str subject, uint32_t ref,
                             struct radix_slot *slot, struct radix_slot *up)
{
    uint32_t at = index->root;
    *slot = *up = (struct radix_slot){0, 0};
    for (size_t used = 0; at != ref;) {
        const struct radix_node *node = radix_node_at(index, at);
        used += node->plen;
        uint32_t i = radix_child(node, (uint8_t)subject.ptr[used++]);
        RI_ASSERT(i != RADIX_SLOT_END);
        *up = *slot;
        *slot = (struct radix_slot){at, i};
        at = radix_refs(node)[i];
    }
}

static void radix_unlink(ri_subject_index *index, struct radix_place *place, ri_str subject)
{
    RI_ASSERT(index->len > 0);
    index->len--;
    index->moves++;
    ri_subject_slab_give(&index->slab, place->ref,
                 radix_leaf_size(ri_subject_slab_at(&index->slab, place->ref)));
    struct radix_slot slot = place->slot, up = place->up;
    while (slot.node) {
        struct radix_node *node = radix_node_at(index, slot.node);
        if (slot.index == RADIX_SLOT_END) {
            node->end = 0;
        } else {
            radix_delete(node, slot.index);
        }
        uint32_t ref = slot.node;
        if (node->n > 0 || node->end) {
            radix_tidy(index, up, ref);
            return;
        }
        /* It had but this entry (a link of a chain): it goes as well, and the one above it is
         * looked at in turn. */
        radix_slots_of(index, subject, ref, &slot, &up);
        radix_node_give(index, ref);
    }
    index->root = 0;
}

/* ---- The calls ---- */

void ri_subject_index_init(ri_subject_index *index, const ri_host *host)
{
    *index = (ri_subject_index){.moves = 1};
    ri_subject_slab_init(&index->slab, host);
}

void ri_subject_index_fini(ri_subject_index *index)
{
    RI_ASSERT(index->walking == 0);
    ri_memory *memory = index->slab.memory;
    ri_subject_slab_fini(&index->slab);
    ri_subject_index_init(index, index->slab.host);
    index->slab.memory = memory;
}

/* What follows from what is known: one end of one record is the other; as many records as numbers
 * leave no number out. */
static void radix_settle_entry(ri_subject_entry *e)
{
    RI_ASSERT(e->count > 0 && e->first_seq <= e->last_seq);
    if (e->count == 1 && e->first_known) e->last_seq = e->first_seq;
    if (e->count == 1 && e->last_known) e->first_seq = e->last_seq;
    if (e->last_seq - e->first_seq == e->count - 1) e->first_known = e->last_known = true;
}

static int radix_check(const ri_subject_index *index, ri_str subject)
{
    RI_ASSERT(index->walking == 0);
    if (subject.len > 0 && subject.len <= RI_SUBJECT_INDEX_LEN_MAX) return RILL_OK;
    return ri_err(RILL_EINVAL, "a subject of %zu bytes", subject.len);
}

/* One more record, at `seq`, if the numbers take no more bytes than they have. */
static bool radix_leaf_count(uint8_t *p, uint64_t seq)
{
    unsigned width = (*p & RADIX_WIDTH) + 1u;
    uint8_t *numbers = p + (*p & RADIX_LONG ? 3 : 2), *counted = numbers + 2 * width;
    if (*p & RADIX_SINGLE || radix_width(seq) != width) return false;
    uint64_t first = radix_get_uint(numbers + width, width);
    uint64_t count = radix_get_uint(counted + 1, *counted) + 1;
    if (seq <= radix_get_uint(numbers, width) || radix_width(count) != *counted) return false;
    radix_put_uint(numbers, seq, width);
    radix_put_uint(counted + 1, count, *counted);
    *p |= seq - first == count - 1 ? RADIX_FIRST | RADIX_LAST : RADIX_LAST;
    return true;
}

/* By a walk; the hint learns where the leaf is now. */
static int radix_add(ri_subject_index *index, ri_str subject, uint64_t seq,
                             ri_subject_hint *hint)
{
    int rc = radix_check(index, subject);
    if (rc < 0) return rc;
    uint64_t moves = index->moves;
    struct radix_place place;
    enum radix_stop stop = radix_walk(index, subject, &place);
    ri_subject_entry e = {seq, seq, 1, true, true};
    if (stop == RADIX_FOUND) {
        uint8_t *leaf = ri_subject_slab_at(&index->slab, place.ref);
        *hint = (ri_subject_hint){moves, place.ref};
        if (radix_leaf_count(leaf, seq)) return RILL_OK;
        radix_leaf_read(leaf, &e);
        if (seq <= e.last_seq) {
            return ri_err(RILL_EINVAL, "sequence %llu of a subject that is at %llu",
                          (unsigned long long)seq, (unsigned long long)e.last_seq);
        }
        e.last_seq = seq;
        e.last_known = true;
        e.count++;
        radix_settle_entry(&e);
    }
    rc = radix_insert_at(index, stop, &place, subject, &e);
    if (rc < 0) return rc;
    index->moves = moves; /* an addition moves no leaf but its own */
    *hint = (ri_subject_hint){stop == RADIX_FOUND ? moves : 0, place.ref};
    return RILL_OK;
}

int ri_subject_index_add(ri_subject_index *index, ri_str subject, uint64_t seq)
{
    ri_subject_hint none = {0};
    int rc = ri_subject_index_add_hinted(index, subject, seq, &none);
    index->moves++; /* there may be a hint that does not know it */
    return rc;
}

int ri_subject_index_add_hinted(ri_subject_index *index, ri_str subject, uint64_t seq,
                                ri_subject_hint *hint)
{
    if (ri_likely(hint->moves == index->moves)) {
        uint8_t *leaf = ri_subject_slab_at(&index->slab, hint->leaf);
        RI_ASSERT(index->walking == 0 && *leaf & RADIX_LEAF);
        if (ri_likely(radix_leaf_count(leaf, seq))) return RILL_OK;
    }
    return radix_add(index, subject, seq, hint);
}

int ri_subject_index_put(ri_subject_index *index, ri_str subject, const ri_subject_entry *entry)
{
    int rc = radix_check(index, subject);
    if (rc < 0) return rc;
    if (entry->count == 0 || entry->first_seq > entry->last_seq ||
        entry->count - 1 > entry->last_seq - entry->first_seq) {
        return ri_err(RILL_EINVAL, "%llu records from %llu to %llu",
                      (unsigned long long)entry->count, (unsigned long long)entry->first_seq,
                      (unsigned long long)entry->last_seq);
    }
    ri_subject_entry e = *entry;
    radix_settle_entry(&e);
    struct radix_place place;
    enum radix_stop stop = radix_walk(index, subject, &place);
    return radix_insert_at(index, stop, &place, subject, &e);
}

int ri_subject_index_remove(ri_subject_index *index, ri_str subject, uint64_t seq)
{
    RI_ASSERT(index->walking == 0);
    struct radix_place place;
    if (radix_walk(index, subject, &place) != RADIX_FOUND) return RILL_ENOENT;
    ri_subject_entry e;
    radix_leaf_read(ri_subject_slab_at(&index->slab, place.ref), &e);
    if (seq < e.first_seq || seq > e.last_seq) return RILL_ENOENT;
    if (e.count == 1) {
        radix_unlink(index, &place, subject);
        return RILL_OK;
    }
    if (seq == e.first_seq) {
        e.first_known = false;
        e.first_seq++;
    } else if (seq == e.last_seq) {
        e.last_known = false;
        e.last_seq--;
    }
    e.count--;
    if (e.last_seq - e.first_seq < e.count - 1) return RILL_ENOENT; /* seq was not live */
    radix_settle_entry(&e);
    return radix_rewrite(index, &place, &e);
}

int ri_subject_index_settle(ri_subject_index *index, ri_str subject, uint64_t first, uint64_t last)
{
    RI_ASSERT(index->walking == 0);
    struct radix_place place;
    RI_ASSERT(first <= last);
    if (radix_walk(index, subject, &place) != RADIX_FOUND) return RILL_ENOENT;
    ri_subject_entry e;
    radix_leaf_read(ri_subject_slab_at(&index->slab, place.ref), &e);
    RI_ASSERT(first >= e.first_seq && last <= e.last_seq && last - first >= e.count - 1);
    e.first_seq = first;
    e.last_seq = last;
    e.first_known = e.last_known = true;
    radix_settle_entry(&e);
    return radix_rewrite(index, &place, &e);
}

int ri_subject_index_drop(ri_subject_index *index, ri_str subject)
{
    RI_ASSERT(index->walking == 0);
    struct radix_place place;
    if (radix_walk(index, subject, &place) != RADIX_FOUND) return RILL_ENOENT;
    radix_unlink(index, &place, subject);
    return RILL_OK;
}

int ri_subject_index_each(ri_subject_index *index, ri_str filter, ri_subject_index_fn fn,
                          void *arg)
{
    index->walking++;
    int rc = ri_subject_walk(index, filter, NULL, fn, arg);
    index->walking--;
    RI_ASSERT(index->walking < UINT32_MAX);
    return rc;
}

int ri_subject_index_some(ri_subject_index *index, ri_str filter, ri_subject_place *place,
                          ri_subject_index_fn fn, void *arg)
{
    RI_ASSERT(place->budget);
    index->walking++;
    int rc = ri_subject_walk(index, filter, place, fn, arg);
    index->walking--;
    return rc;
}
