/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the subject index: how a node and a leaf lie in memory, read and written. The
 * drawing is in subject_index.c. For subject_index.c and subject_walk.c alone. */
#ifndef RI_SUBJECT_NODE_H
#define RI_SUBJECT_NODE_H

#include "base/assert.h"
#include "store/subject_index.h"

#define SUBJECT_LEAF 0x80
#define SUBJECT_SINGLE 0x40
#define SUBJECT_FIRST 0x20
#define SUBJECT_LAST 0x10
#define SUBJECT_LONG 0x08
#define SUBJECT_WIDTH 0x07

#define SUBJECT_PREFIX_MAX 255
#define SUBJECT_SLOT_END UINT32_MAX /* not a child: the end, or none */

static const uint16_t subject_caps[] = {1,  2,  3,  4,  5,  6,  8,  10, 13,
                                        16, 20, 26, 32, 40, 52, 64, 256};
#define SUBJECT_DIRECT (RI_LEN(subject_caps) - 1) /* the kind that needs no keys */

struct subject_node {
    uint8_t kind;  /* index into subject_caps */
    uint8_t plen;  /* bytes of the prefix */
    uint16_t n;    /* children */
    uint32_t end;  /* leaf of the subject that ends here; 0: none */
};

/* ---- Nodes ---- */

static inline size_t subject_node_bytes(unsigned kind, size_t plen)
{
    size_t cap = subject_caps[kind];
    return sizeof(struct subject_node) + cap * 4 + (kind == SUBJECT_DIRECT ? 0 : cap) + plen;
}

static inline uint32_t subject_node_units(unsigned kind, size_t plen)
{
    return ri_slab_units(subject_node_bytes(kind, plen));
}

static inline uint32_t *subject_refs(const struct subject_node *node)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)node + sizeof *node);
}

static inline uint8_t *subject_keys(const struct subject_node *node)
{
    return (uint8_t *)(subject_refs(node) + subject_caps[node->kind]);
}

static inline uint8_t *subject_prefix(const struct subject_node *node)
{
    return subject_keys(node) + (node->kind == SUBJECT_DIRECT ? 0 : subject_caps[node->kind]);
}

/* Index of the child for a byte, or SUBJECT_SLOT_END. */
static inline uint32_t subject_child(const struct subject_node *node, uint8_t byte)
{
    if (node->kind == SUBJECT_DIRECT) return subject_refs(node)[byte] ? byte : SUBJECT_SLOT_END;
    const uint8_t *keys = subject_keys(node);
    if (node->n > 8) {
        const uint8_t *key = memchr(keys, byte, node->n);
        return key ? (uint32_t)(key - keys) : SUBJECT_SLOT_END;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        if (keys[i] == byte) return i;
    }
    return SUBJECT_SLOT_END;
}

/* The kind of least size that holds n children. */
static inline unsigned subject_kind_for(unsigned n)
{
    unsigned kind = 0;
    while (subject_caps[kind] < n) kind++;
    return kind;
}

static inline struct subject_node *subject_node_at(const ri_subject_index *index, uint32_t ref)
{
    struct subject_node *node = ri_slab_at(&index->slab, ref);
    RI_ASSERT(node->kind <= SUBJECT_DIRECT && node->n <= subject_caps[node->kind]);
    return node;
}

/* ---- Leaves ---- */

static inline unsigned subject_width(uint64_t value)
{
    unsigned width = 1;
    while (value >>= 8) width++;
    return width;
}

static inline uint8_t *subject_put_uint(uint8_t *p, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++, value >>= 8) *p++ = (uint8_t)value;
    return p;
}

static inline uint64_t subject_get_uint(const uint8_t *p, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = width; i-- > 0;) value = value << 8 | p[i];
    return value;
}

static inline bool subject_is_leaf(const ri_subject_index *index, uint32_t ref)
{
    return *(const uint8_t *)ri_slab_at(&index->slab, ref) & SUBJECT_LEAF;
}

static inline bool subject_is_single(const ri_subject_entry *e)
{
    return e->count == 1 && e->first_known && e->last_known;
}

/* Bytes of a leaf ahead of its suffix. */
static inline size_t subject_leaf_head(const ri_subject_entry *e, size_t suffix_len)
{
    size_t width = subject_width(e->last_seq);
    size_t numbers = subject_is_single(e) ? width : 2 * width + 1 + subject_width(e->count);
    return 1 + (suffix_len > 255 ? 2 : 1) + numbers;
}

static inline void subject_leaf_write(uint8_t *p, const ri_subject_entry *e, size_t suffix_len)
{
    unsigned width = subject_width(e->last_seq);
    bool single = subject_is_single(e);
    *p++ = (uint8_t)(SUBJECT_LEAF | (single ? SUBJECT_SINGLE : 0) |
                     (e->first_known ? SUBJECT_FIRST : 0) | (e->last_known ? SUBJECT_LAST : 0) |
                     (suffix_len > 255 ? SUBJECT_LONG : 0) | (width - 1));
    p = subject_put_uint(p, suffix_len, suffix_len > 255 ? 2 : 1);
    p = subject_put_uint(p, e->last_seq, width);
    if (single) return;
    unsigned count_width = subject_width(e->count);
    p = subject_put_uint(p, e->first_seq, width);
    *p++ = (uint8_t)count_width;
    subject_put_uint(p, e->count, count_width);
}

static inline ri_str subject_leaf_suffix(const uint8_t *p)
{
    unsigned long_len = *p & SUBJECT_LONG ? 1 : 0;
    unsigned width = (*p & SUBJECT_WIDTH) + 1u;
    size_t len = subject_get_uint(p + 1, 1 + long_len);
    const uint8_t *s = p + 2 + long_len + width;
    if (!(*p & SUBJECT_SINGLE)) s += width + 1 + s[width];
    return (ri_str){(const char *)s, len};
}

static inline void subject_leaf_read(const uint8_t *p, ri_subject_entry *e)
{
    uint8_t flags = *p;
    unsigned width = (flags & SUBJECT_WIDTH) + 1u;
    p += flags & SUBJECT_LONG ? 3 : 2;
    e->last_seq = subject_get_uint(p, width);
    e->first_known = flags & SUBJECT_FIRST;
    e->last_known = flags & SUBJECT_LAST;
    if (flags & SUBJECT_SINGLE) {
        e->first_seq = e->last_seq;
        e->count = 1;
        return;
    }
    p += width;
    e->first_seq = subject_get_uint(p, width);
    e->count = subject_get_uint(p + width + 1, p[width]);
}

static inline uint32_t subject_leaf_units(const ri_subject_entry *e, size_t suffix_len)
{
    return ri_slab_units(subject_leaf_head(e, suffix_len) + suffix_len);
}

/* Units of the leaf that stands there. */
static inline uint32_t subject_leaf_size(const uint8_t *p)
{
    ri_str suffix = subject_leaf_suffix(p);
    return ri_slab_units((size_t)((const uint8_t *)suffix.ptr - p) + suffix.len);
}

#endif
