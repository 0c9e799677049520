/* SPDX-License-Identifier: Apache-2.0 */
/* msgs/index.db of a tar: which of the messages in its blocks are gone. Messages that limits have
 * removed are listed nowhere else. Numbers are varints, times are zigzag.
 *
 *     0b | version 1 to 4
 *     messages, bytes, first sequence, first time, last sequence, last time
 *     subjects: how many; each: length, bytes, messages, first block, last block (before version 4
 *               only if it has more than one message)
 *     blocks: how many; each: number, bytes, first sequence, first time, last sequence, last time,
 *             deleted: how many; messages with a TTL (from version 2), schedules (from version 3);
 *             if any are deleted, the set of their sequences:
 *
 *                 16 | version | nodes u32, sequences u32 | each node: its first sequence u64,
 *                 a bit per sequence: 32 u64 (64 in version 1) | height u16
 *
 *     number of the last block, checksum of its last record: 8 bytes
 *     HighwayHash-64 of all before it, under SHA-256 of the stream's name
 *
 * It may be as long as there are subjects: it is read part by part. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/archive/archive_private.h"
#include "codec/limits.h"

enum { INDEX_BEGIN, INDEX_SUBJECTS, INDEX_BLOCKS, INDEX_SET, INDEX_NODES, INDEX_BITS, INDEX_TAIL,
       INDEX_OVER };
enum {
    INDEX_MAGIC = 11, INDEX_VERSION_MAX = 4,
    INDEX_SET_MAGIC = 22,
    INDEX_HASH = 8,
    INDEX_PART_MAX = RI_LIMIT_CONTROL_LINE + 64 * 10, /* bytes of a part made of varints */
};

static int index_bad(void)
{
    return ri_archive_damaged("its index");
}

void ri_archive_index_begin(ri_archive *a)
{
    RI_ASSERT(a->file != 0);
    a->index = INDEX_BEGIN;
    a->next = 0;
    ri_archive_key(&a->sum, a->stream, "", RI_STR_NONE);
}

/* So many bytes were read; all but the checksum at the end are part of it. */
static void index_eat(ri_archive *a, ri_buffer *in, size_t bytes)
{
    RI_ASSERT(bytes <= a->left && bytes <= ri_buffer_size(in));
    ri_highway_add(&a->sum, (ri_str){ri_buffer_str(in).ptr, bytes});
    ri_archive_eat(a, in, bytes);
}

/* The part that `c` went through: 2, 0 when it was not all there, or damage. */
static int index_took(ri_archive *a, ri_buffer *in, const archive_cursor *c)
{
    RI_ASSERT(c->at <= c->end);
    ri_str window = ri_archive_window(a, in);
    if (c->bad) return window.len == a->left || window.len > INDEX_PART_MAX ? index_bad() : 0;
    index_eat(a, in, (size_t)(c->at - window.ptr));
    return 2;
}

static int index_head(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->index == INDEX_BEGIN);
    archive_cursor c = ri_archive_cursor(ri_archive_window(a, in));
    if (c.end - c.at < 2) return a->left < 2 ? index_bad() : 0;
    unsigned char magic = (unsigned char)*c.at++;
    a->version = (unsigned char)*c.at++;
    if (magic != INDEX_MAGIC || a->version < 1 || a->version > INDEX_VERSION_MAX)
        return ri_err(RILL_EPROTO, "the archive has an index of an unknown version");
    for (int i = 0; i < 2; i++) ri_archive_varint(&c);
    uint64_t first = ri_archive_varint(&c);
    ri_archive_zigzag(&c);
    uint64_t last = ri_archive_varint(&c);
    int64_t last_ns = ri_archive_zigzag(&c);
    a->count = ri_archive_varint(&c);
    int rc = index_took(a, in, &c);
    if (rc != 2) return rc;
    a->index = INDEX_SUBJECTS;
    a->last_seq = RI_MAX(a->last_seq, last);
    a->last_ns = RI_MAX(last_ns, 0);
    a->next = first;
    if (first < 2) return 2;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_GONE, .seq = 1, .last = first - 1};
    return 1;
}

static int index_subject(ri_archive *a, ri_buffer *in)
{
    RI_ASSERT(a->index == INDEX_SUBJECTS);
    archive_cursor c = ri_archive_cursor(ri_archive_window(a, in));
    if (a->count == 0) { /* how many blocks there are */
        a->count = ri_archive_varint(&c);
        if (!c.bad) a->index = INDEX_BLOCKS;
        return index_took(a, in, &c);
    }
    uint64_t len = ri_archive_varint(&c);
    if (!c.bad && len) {
        if (len > RI_LIMIT_CONTROL_LINE) return index_bad();
        c.bad = (uint64_t)(c.end - c.at) < len;
        if (!c.bad) c.at += len;
        uint64_t messages = ri_archive_varint(&c);
        ri_archive_varint(&c);
        if (messages > 1 || a->version >= 4) ri_archive_varint(&c);
    }
    int rc = index_took(a, in, &c);
    if (rc == 2) a->count--;
    return rc;
}

/* What lies between this block and the one before is gone. */
static int index_block(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->index == INDEX_BLOCKS);
    if (a->count == 0) {
        a->index = INDEX_TAIL;
        return 2;
    }
    archive_cursor c = ri_archive_cursor(ri_archive_window(a, in));
    for (int i = 0; i < 2; i++) ri_archive_varint(&c);
    uint64_t first = ri_archive_varint(&c);
    ri_archive_zigzag(&c);
    uint64_t last = ri_archive_varint(&c);
    ri_archive_zigzag(&c);
    uint64_t deleted = ri_archive_varint(&c);
    for (int version = 2; version <= RI_MIN(a->version, 3); version++) ri_archive_varint(&c);
    int rc = index_took(a, in, &c);
    if (rc != 2) return rc;
    a->count--;
    a->index = deleted ? INDEX_SET : INDEX_BLOCKS;
    uint64_t next = a->next;
    if (last < UINT64_MAX) a->next = RI_MAX(a->next, last + 1);
    if (first <= next || next == 0) return 2;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_GONE, .seq = next, .last = first - 1};
    return 1;
}

static int index_set(ri_archive *a, ri_buffer *in)
{
    RI_ASSERT(a->index == INDEX_SET);
    ri_str window = ri_archive_window(a, in);
    if (window.len < 10) return window.len == a->left ? index_bad() : 0;
    unsigned char version = (unsigned char)window.ptr[1];
    if ((unsigned char)window.ptr[0] != INDEX_SET_MAGIC || version < 1 || version > 2)
        return index_bad();
    a->nbits = version == 1 ? 64 * 64 : 32 * 64;
    a->nodes = ri_archive_little(window.ptr + 2, 4);
    a->index = INDEX_NODES;
    index_eat(a, in, 10);
    return 2;
}

static int index_node(ri_archive *a, ri_buffer *in)
{
    RI_ASSERT(a->index == INDEX_NODES);
    if (a->nodes == 0) {
        a->index = INDEX_BLOCKS;
        return 2;
    }
    ri_str window = ri_archive_window(a, in);
    size_t bytes = 8 + a->nbits / 8 + 2;
    if (window.len < bytes) return window.len == a->left ? index_bad() : 0;
    a->base = ri_archive_little(window.ptr, 8);
    for (uint32_t i = 0; i < a->nbits / 64; i++)
        a->bits[i] = ri_archive_little(window.ptr + 8 + 8 * i, 8);
    if (a->base > RI_LIMIT_SEQUENCE) return index_bad();
    a->bit = 0;
    a->nodes--;
    a->index = INDEX_BITS;
    index_eat(a, in, bytes);
    return 2;
}

static bool index_has(const ri_archive *a, uint32_t bit)
{
    RI_ASSERT(bit < a->nbits && bit / 64 < RI_LEN(a->bits));
    return a->bits[bit / 64] >> (bit % 64) & 1;
}

/* The next stretch of deleted numbers of the node. */
static int index_bits(ri_archive *a, ri_archive_item *item)
{
    RI_ASSERT(a->index == INDEX_BITS && a->bit <= a->nbits);
    while (a->bit < a->nbits && !index_has(a, a->bit)) a->bit++;
    if (a->bit == a->nbits) {
        a->index = INDEX_NODES;
        return 2;
    }
    uint32_t from = a->bit;
    while (a->bit < a->nbits && index_has(a, a->bit)) a->bit++;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_GONE, .seq = a->base + from,
                              .last = a->base + a->bit - 1};
    return 1;
}

static int index_tail(ri_archive *a, ri_buffer *in)
{
    RI_ASSERT(a->index == INDEX_TAIL);
    archive_cursor c = ri_archive_cursor(ri_archive_window(a, in));
    ri_archive_varint(&c);
    if (c.bad || (size_t)(c.end - c.at) < 8 + INDEX_HASH)
        return ri_archive_window(a, in).len == a->left ? index_bad() : 0;
    index_eat(a, in, (size_t)(c.at + 8 - ri_buffer_str(in).ptr));
    if (a->left != INDEX_HASH) return index_bad();
    uint64_t hash = ri_archive_little(ri_buffer_str(in).ptr, 8);
    ri_archive_eat(a, in, INDEX_HASH);
    if (ri_highway_end(&a->sum) != hash) return ri_archive_damaged("the checksum of its index");
    a->index = INDEX_OVER;
    return 2;
}

bool ri_archive_index_over(const ri_archive *a)
{
    return a->index == INDEX_OVER;
}

int ri_archive_index_next(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->index >= INDEX_BEGIN && a->index <= INDEX_OVER);
    switch (a->index) {
    case INDEX_BEGIN: return index_head(a, in, item);
    case INDEX_SUBJECTS: return index_subject(a, in);
    case INDEX_BLOCKS: return index_block(a, in, item);
    case INDEX_SET: return index_set(a, in);
    case INDEX_NODES: return index_node(a, in);
    case INDEX_BITS: return index_bits(a, item);
    default: return index_tail(a, in);
    }
}
