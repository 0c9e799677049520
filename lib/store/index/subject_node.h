/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the subject index: how a node and a leaf lie in memory, read and written. The
 * drawing is in subject_index.c. For subject_index.c and subject_walk.c alone. */
#ifndef RI_SUBJECT_NODE_H
#define RI_SUBJECT_NODE_H

#include "base/assert.h"
#include "store/index/subject_index.h"

#define RADIX_LEAF 0x80
#define RADIX_SINGLE 0x40
#define RADIX_FIRST 0x20
#define RADIX_LAST 0x10
#define RADIX_LONG 0x08
#define RADIX_WIDTH 0x07

#define RADIX_PREFIX_MAX 255
#define RADIX_SLOT_END UINT32_MAX /* not a child: the end, or none */

static const uint16_t radix_caps[] = {1,  2,  3,  4,  5,  6,  8,  10, 13,
                                        16, 20, 26, 32, 40, 52, 64, 256};
#define RADIX_DIRECT (RI_LEN(radix_caps) - 1) /* the kind that needs no keys */

struct radix_node {
    uint8_t kind;  /* index into radix_caps */
    uint8_t plen;  /* bytes of the prefix */
    uint16_t n;    /* children */
    uint32_t end;  /* leaf of the subject that ends here; 0: none */
};

/* ---- Nodes ---- */

static inline size_t radix_node_bytes(unsigned kind, size_t plen)
{
    size_t cap = radix_caps[kind];
    return sizeof(struct radix_node) + cap * 4 + (kind == RADIX_DIRECT ? 0 : cap) + plen;
}

static inline uint32_t radix_node_units(unsigned kind, size_t plen)
{
    return ri_subject_slab_units(radix_node_bytes(kind, plen));
}

static inline uint32_t *radix_refs(const struct radix_node *node)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)node + sizeof *node);
}

static inline uint8_t *radix_keys(const struct radix_node *node)
{
    return (uint8_t *)(radix_refs(node) + radix_caps[node->kind]);
}

static inline uint8_t *radix_prefix(const struct radix_node *node)
{
    return radix_keys(node) + (node->kind == RADIX_DIRECT ? 0 : radix_caps[node->kind]);
}

/* Index of the child for a byte, or RADIX_SLOT_END. */
static inline uint32_t radix_child(const struct radix_node *node, uint8_t byte)
{
    if (node->kind == RADIX_DIRECT) return radix_refs(node)[byte] ? byte : RADIX_SLOT_END;
    const uint8_t *keys = radix_keys(node);
    if (node->n > 8) {
        const uint8_t *key = memchr(keys, byte, node->n);
        return key ? (uint32_t)(key - keys) : RADIX_SLOT_END;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        if (keys[i] == byte) return i;
    }
    return RADIX_SLOT_END;
}

/* The kind of least size that holds n children. */
static inline unsigned radix_kind_for(unsigned n)
{
    unsigned kind = 0;
    while (radix_caps[kind] < n) kind++;
    return kind;
}

static inline struct radix_node *radix_node_at(const ri_subject_index *index, uint32_t ref)
{
    struct radix_node *node = ri_subject_slab_at(&index->slab, ref);
    RI_ASSERT(node->kind <= RADIX_DIRECT && node->n <= radix_caps[node->kind]);
    return node;
}

/* ---- Leaves ---- */

static inline unsigned radix_width(uint64_t value)
{
#if defined(__GNUC__)
    return (71u - (unsigned)__builtin_clzll(value | 1)) / 8;
#else
    unsigned width = 1;
    while (value >>= 8) width++;
    return width;
#endif
}

/* Numbers of 1 to 8 bytes are read and written as the eight bytes that begin there, which the
 * slab lets us touch; those behind the number stay as they are. */
static inline uint64_t radix_load(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint64_t radix_get_uint(const uint8_t *p, unsigned width)
{
    return radix_load(p) & UINT64_MAX >> (64 - 8 * width);
}

/* Two stores that overlap, as wide as fits: no byte outside is touched. */
static inline uint8_t *radix_put_uint(uint8_t *p, uint64_t value, unsigned width)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (width >= 4) {
        uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 8 * (width - 4));
        memcpy(p, &low, sizeof low);
        memcpy(p + width - sizeof high, &high, sizeof high);
    } else if (width >= 2) {
        uint16_t low = (uint16_t)value, high = (uint16_t)(value >> 8 * (width - 2));
        memcpy(p, &low, sizeof low);
        memcpy(p + width - sizeof high, &high, sizeof high);
    } else {
        *p = (uint8_t)value;
    }
#else
    for (unsigned i = 0; i < width; i++) p[i] = (uint8_t)(value >> 8 * i);
#endif
    return p + width;
}

static inline bool radix_is_leaf(const ri_subject_index *index, uint32_t ref)
{
    return *(const uint8_t *)ri_subject_slab_at(&index->slab, ref) & RADIX_LEAF;
}

static inline bool radix_is_single(const ri_subject_entry *e)
{
    return e->count == 1 && e->first_known && e->last_known;
}

/* Bytes of a leaf ahead of its suffix. */
static inline size_t radix_leaf_head(const ri_subject_entry *e, size_t suffix_len)
{
    size_t width = radix_width(e->last_seq);
    size_t numbers = radix_is_single(e) ? width : 2 * width + 1 + radix_width(e->count);
    return 1 + (suffix_len > 255 ? 2 : 1) + numbers;
}

static inline void radix_leaf_write(uint8_t *p, const ri_subject_entry *e, size_t suffix_len)
{
    unsigned width = radix_width(e->last_seq);
    bool single = radix_is_single(e);
    *p++ = (uint8_t)(RADIX_LEAF | (single ? RADIX_SINGLE : 0) |
                     (e->first_known ? RADIX_FIRST : 0) | (e->last_known ? RADIX_LAST : 0) |
                     (suffix_len > 255 ? RADIX_LONG : 0) | (width - 1));
    p = radix_put_uint(p, suffix_len, suffix_len > 255 ? 2 : 1);
    p = radix_put_uint(p, e->last_seq, width);
    if (single) return;
    unsigned count_width = radix_width(e->count);
    p = radix_put_uint(p, e->first_seq, width);
    *p++ = (uint8_t)count_width;
    radix_put_uint(p, e->count, count_width);
}

static inline ri_str radix_leaf_suffix(const uint8_t *p)
{
    unsigned long_len = *p & RADIX_LONG ? 1 : 0;
    unsigned width = (*p & RADIX_WIDTH) + 1u;
    size_t len = radix_get_uint(p + 1, 1 + long_len);
    const uint8_t *s = p + 2 + long_len + width;
    if (!(*p & RADIX_SINGLE)) s += width + 1 + s[width];
    return (ri_str){(const char *)s, len};
}

static inline void radix_leaf_read(const uint8_t *p, ri_subject_entry *e)
{
    uint8_t flags = *p;
    unsigned width = (flags & RADIX_WIDTH) + 1u;
    p += flags & RADIX_LONG ? 3 : 2;
    e->last_seq = radix_get_uint(p, width);
    e->first_known = flags & RADIX_FIRST;
    e->last_known = flags & RADIX_LAST;
    if (flags & RADIX_SINGLE) {
        e->first_seq = e->last_seq;
        e->count = 1;
        return;
    }
    p += width;
    e->first_seq = radix_get_uint(p, width);
    e->count = radix_get_uint(p + width + 1, p[width]);
}

static inline uint32_t radix_leaf_units(const ri_subject_entry *e, size_t suffix_len)
{
    return ri_subject_slab_units(radix_leaf_head(e, suffix_len) + suffix_len);
}

/* Units of the leaf that stands there. */
static inline uint32_t radix_leaf_size(const uint8_t *p)
{
    ri_str suffix = radix_leaf_suffix(p);
    return ri_subject_slab_units((size_t)((const uint8_t *)suffix.ptr - p) + suffix.len);
}

#endif
