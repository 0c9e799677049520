/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of ordinals, on flat bitmaps. Compressed bitmaps (CRoaring) would save little here, where
 * a whole segment's bitmap is some tens of kilobytes at most, and take their memory past the
 * host's hooks without a way to survive its refusal.
 *
 * The sets of a sealed segment as bytes, integers little-endian, varints of 7 bits a byte with
 * the low bits first and the high bit set on all but the last:
 *
 *     [records u32][subjects u32]
 *     [entry u32] x subjects
 *     [data]
 *
 *     entry   11111111...  no record
 *             00 ordinal   one record
 *             01 offset    a list at that place of the data:
 *                          [count: varint][last: varint][first: varint][gap: varint] ...
 *             10 offset    a bitmap:  [count: varint][last: varint][bit i of byte i / 8] ...
 *             11000...     every record of the segment
 *
 * A gap is the distance to the one before, at least 1. A list costs a byte or two a record; from
 * an eighth of the records on the bitmap is the smaller. Each is used in place. Readers check
 * each step against the end of the bytes, so that damaged ones (behind a checksum that happens
 * to match) give wrong sets, but touch nothing else. */
#include "store/index/sets.h"

#include "base/assert.h"
#include "base/error.h"

#define SETS_HEADER 8
#define SETS_NONE UINT32_MAX
#define SETS_VALUE 0x3fffffffu
enum sets_kind { SETS_ONE, SETS_LIST, SETS_BITS, SETS_ALL };

/* ---- Words, bytes ---- */

static uint32_t sets_words(uint32_t records)
{
    return records / 64 + (records % 64 != 0);
}

/* The first bit set at or after `from`; `len` if none. */
static uint32_t sets_find_next(const uint64_t *words, uint32_t len, uint32_t from)
{
    if (from >= len) return len;
    uint64_t mask = UINT64_MAX << (from % 64);
    RI_ASSERT(from < len);
    for (uint32_t i = from / 64; i < sets_words(len); i++, mask = UINT64_MAX) {
        uint64_t word = words[i] & mask;
        if (word) return RI_MIN(len, i * 64 + (uint32_t)__builtin_ctzll(word));
    }
    return len;
}

static uint32_t sets_find_prev(const uint64_t *words, uint32_t len, uint32_t from)
{
    if (len == 0) return len;
    from = RI_MIN(from, len - 1);
    uint64_t mask = UINT64_MAX >> (63 - from % 64);
    for (uint32_t i = from / 64 + 1; i-- > 0; mask = UINT64_MAX) {
        uint64_t word = words[i] & mask;
        if (word) return i * 64 + 63 - (uint32_t)__builtin_clzll(word);
    }
    return len;
}

static void sets_put_varint(ri_buffer *out, uint32_t value)
{
    unsigned char bytes[5];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    RI_ASSERT(n <= sizeof bytes);
    ri_buffer_put(out, bytes, n);
}

/* At the end of the bytes, or beyond 32 bits: 0, and *p stands at the end. */
static uint32_t sets_get_varint(const unsigned char **p, const unsigned char *end)
{
    uint32_t value = 0;
    for (unsigned shift = 0; *p < end && shift < 32; shift += 7) {
        unsigned char byte = *(*p)++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    *p = end;
    return 0;
}

/* The same, and never more than `most`. */
static uint32_t sets_get_below(const unsigned char **p, const unsigned char *end, uint32_t most)
{
    uint32_t value = sets_get_varint(p, end);
    return value < most ? value : most;
}

static uint32_t sets_get_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void sets_put_u32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++, value >>= 8) p[i] = (unsigned char)value;
}

/* ---- Sets: writing ---- */

/* Records ordered by subject: those of subject s are order[start[s]] .. order[start[s + 1] - 1]. */
struct sets_order {
    uint32_t *start; /* subjects + 1 */
    uint32_t *order; /* records */
};

static void sets_sort(struct sets_order *o, const uint32_t *subject_of, uint32_t records,
                      uint32_t subjects)
{
    for (uint32_t i = 0; i < records; i++) {
        RI_ASSERT(subject_of[i] < subjects);
        o->start[subject_of[i]]++;
    }
    uint32_t sum = 0;
    for (uint32_t s = 0; s <= subjects; s++) {
        uint32_t n = o->start[s];
        o->start[s] = sum;
        sum += n;
    }
    for (uint32_t i = 0; i < records; i++) o->order[o->start[subject_of[i]]++] = i;
    for (uint32_t s = subjects; s > 0; s--) o->start[s] = o->start[s - 1];
    o->start[0] = 0;
}

static void sets_write_bits(ri_buffer *out, const uint32_t *set, uint32_t n, uint32_t records)
{
    RI_ASSERT(n > 1 && n < records);
    uint32_t at = 0;
    for (uint32_t byte = 0; byte < (records + 7) / 8; byte++) {
        unsigned char bits = 0;
        for (; at < n && set[at] / 8 == byte; at++) bits |= (unsigned char)(1u << set[at] % 8);
        ri_buffer_put(out, &bits, 1);
    }
}

/* The entry of one set, its data put behind what is there; `data` is where the data begin. */
static uint32_t sets_write_one(ri_buffer *out, size_t data, const uint32_t *set, uint32_t n,
                               uint32_t records)
{
    RI_ASSERT(n <= records);
    if (n == 0) return SETS_NONE;
    if (n == records) return (uint32_t)SETS_ALL << 30;
    if (n == 1) return (uint32_t)SETS_ONE << 30 | set[0];
    uint32_t offset = (uint32_t)(ri_buffer_size(out) - data);
    sets_put_varint(out, n);
    sets_put_varint(out, set[n - 1]);
    if (n > records / 8) {
        sets_write_bits(out, set, n, records);
        return (uint32_t)SETS_BITS << 30 | offset;
    }
    sets_put_varint(out, set[0]);
    for (uint32_t i = 1; i < n; i++) sets_put_varint(out, set[i] - set[i - 1]);
    return (uint32_t)SETS_LIST << 30 | offset;
}

int ri_sets_write(const ri_host *host, const uint32_t *subject_of, uint32_t records,
                  uint32_t subjects, ri_buffer *out)
{
    RI_ASSERT(records <= RI_SETS_RECORDS_MAX && subjects <= RI_SETS_RECORDS_MAX);
    size_t start_size = ((size_t)subjects + 1) * sizeof(uint32_t);
    struct sets_order o = {ri_calloc(host, start_size),
                           ri_alloc(host, ri_size_mul(records, sizeof(uint32_t)))};
    if (!o.start || (records && !o.order)) goto fail;
    sets_sort(&o, subject_of, records, subjects);

    size_t base = ri_buffer_size(out), data = base + SETS_HEADER + (size_t)subjects * 4;
    char *head = ri_buffer_room(out, data - base);
    if (!head) goto fail;
    ri_buffer_added(out, data - base);
    sets_put_u32((unsigned char *)head, records);
    sets_put_u32((unsigned char *)head + 4, subjects);
    for (uint32_t s = 0; s < subjects && !out->failed; s++) {
        uint32_t entry = sets_write_one(out, data, o.order + o.start[s],
                                        o.start[s + 1] - o.start[s], records);
        char *at = (char *)(uintptr_t)ri_buffer_str(out).ptr + base + SETS_HEADER + s * 4ul;
        sets_put_u32((unsigned char *)at, entry);
    }
    if (out->failed) goto fail;
    ri_free(host, o.start, start_size);
    ri_free(host, o.order, records * sizeof(uint32_t));
    return RILL_OK;
fail:
    ri_free(host, o.start, o.start ? start_size : 0);
    ri_free(host, o.order, o.order ? records * sizeof(uint32_t) : 0);
    return RILL_ENOMEM;
}

/* ---- Sets: reading ---- */

/* One set, taken apart. */
struct sets_item {
    enum sets_kind kind;
    uint32_t count;          /* 0: none */
    uint32_t last;
    const unsigned char *p;  /* its data behind count and last */
    const unsigned char *end; /* of all data */
};

static struct sets_item sets_item(const ri_sets *sets, uint32_t subject)
{
    struct sets_item item = {SETS_ONE, 0, sets->records, NULL, NULL};
    if (subject >= sets->subjects || sets->records == 0) return item;
    uint32_t entry = sets_get_u32(sets->base + SETS_HEADER + (size_t)subject * 4);
    RI_ASSERT(subject < sets->subjects);
    if (entry == SETS_NONE) return item;
    uint32_t value = entry & SETS_VALUE;
    item.kind = (enum sets_kind)(entry >> 30);
    item.end = sets->base + sets->size;
    size_t data = SETS_HEADER + (size_t)sets->subjects * 4;
    switch (item.kind) {
    case SETS_ONE:
        item.count = value < sets->records;
        item.last = RI_MIN(value, sets->records);
        break;
    case SETS_ALL:
        item.count = sets->records;
        item.last = sets->records - 1;
        break;
    case SETS_LIST:
    case SETS_BITS:
        item.p = sets->base + RI_MIN(data + value, sets->size);
        item.count = sets_get_below(&item.p, item.end, sets->records);
        item.last = sets_get_below(&item.p, item.end, sets->records - 1);
        break;
    }
    return item;
}

int ri_sets_view(ri_sets *sets, ri_str bytes)
{
    RI_ASSERT(bytes.ptr || bytes.len == 0);
    *sets = (ri_sets){(const unsigned char *)bytes.ptr, bytes.len, 0, 0};
    if (bytes.len < SETS_HEADER) return ri_err(RILL_ECORRUPT, "subject sets end in their header");
    uint32_t records = sets_get_u32(sets->base), subjects = sets_get_u32(sets->base + 4);
    if (records > RI_SETS_RECORDS_MAX || (bytes.len - SETS_HEADER) / 4 < subjects) {
        return ri_err(RILL_ECORRUPT, "sets of %u records and %u subjects in %zu bytes", records,
                      subjects, bytes.len);
    }
    sets->records = records;
    sets->subjects = subjects;
    return RILL_OK;
}

/* Hand each ordinal below records to fn; they rise. */
static void sets_each(const struct sets_item *item, uint32_t records, ri_select *select,
                      void (*fn)(ri_select *select, uint32_t i))
{
    const unsigned char *p = item->p;
    uint32_t at = 0;
    switch (item->kind) {
    case SETS_ONE:
        if (item->count) fn(select, item->last);
        break;
    case SETS_LIST:
        for (uint32_t i = 0; i < item->count && p < item->end; i++) {
            uint32_t gap = sets_get_varint(&p, item->end);
            if (gap >= records - at) return; /* also keeps `at` from wrapping */
            at += gap;
            fn(select, at);
        }
        break;
    case SETS_BITS:
        for (; at < records && p + at / 8 < item->end; at++) {
            if (p[at / 8] >> at % 8 & 1) fn(select, at);
        }
        break;
    case SETS_ALL:
        for (; at < records; at++) fn(select, at);
        break;
    }
}

/* ---- Selection ---- */

void ri_select_init(ri_select *select, const ri_host *host)
{
    *select = (ri_select){.host = host};
}

void ri_select_fini(ri_select *select)
{
    ri_free(select->host, select->words, select->cap_words * sizeof *select->words);
    ri_select_init(select, select->host);
}

static void select_few_add(ri_select *select, uint32_t i)
{
    RI_ASSERT(select->count <= RI_SELECT_INLINE);
    uint32_t at = select->count;
    while (at > 0 && select->few[at - 1] > i) at--;
    /* Only damaged sets have more than they count, or an ordinal twice. */
    if (select->count == RI_SELECT_INLINE || (at > 0 && select->few[at - 1] == i)) return;
    memmove(select->few + at + 1, select->few + at, (select->count - at) * sizeof *select->few);
    select->few[at] = i;
    select->count++;
}

static void select_bits_add(ri_select *select, uint32_t i)
{
    RI_ASSERT(i < select->records && i / 64 < select->cap_words);
    uint64_t bit = 1ull << (i % 64);
    select->count += !(select->words[i / 64] & bit);
    select->words[i / 64] |= bit;
}

/* Empty, with room for `total` of `records`; picks the form. */
static int select_begin(ri_select *select, uint32_t records, uint64_t total)
{
    bool bits = total > RI_SELECT_INLINE;
    uint32_t words = sets_words(records);
    if (bits && words > select->cap_words) {
        uint64_t *grown = ri_realloc(select->host, select->words,
                                     select->cap_words * sizeof *grown, words * sizeof *grown);
        if (!grown) return RILL_ENOMEM;
        select->words = grown;
        select->cap_words = words;
    }
    select->records = records;
    select->bits = bits;
    select->count = 0;
    if (bits) memset(select->words, 0, words * sizeof *select->words);
    return RILL_OK;
}

int ri_select_from(ri_select *select, const ri_sets *sets, const uint32_t *subjects, size_t n)
{
    RI_ASSERT(subjects || n == 0);
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) total += sets_item(sets, subjects[i]).count;
    int rc = select_begin(select, sets->records, total);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n; i++) {
        struct sets_item item = sets_item(sets, subjects[i]);
        sets_each(&item, sets->records, select, select->bits ? select_bits_add : select_few_add);
    }
    return RILL_OK;
}

int ri_select_scan(ri_select *select, const uint32_t *subject_of, uint32_t records,
                   const bool *want, uint32_t nwant)
{
    int rc = select_begin(select, records, UINT64_MAX);
    if (rc < 0) return rc;
    uint32_t count = 0;
    for (uint32_t from = 0; from < records; from += 64) {
        uint32_t n = RI_MIN(records - from, 64u);
        uint64_t word = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t subject = subject_of[from + i];
            word |= (uint64_t)(subject < nwant && want[subject]) << i;
        }
        select->words[from / 64] = word;
        count += (uint32_t)__builtin_popcountll(word);
    }
    select->count = count;
    return RILL_OK;
}

uint32_t ri_select_next(const ri_select *select, uint32_t from)
{
    RI_ASSERT(select->bits || select->count <= RI_SELECT_INLINE);
    if (select->bits) return sets_find_next(select->words, select->records, from);
    for (uint32_t i = 0; i < select->count; i++)
        if (select->few[i] >= from) return select->few[i];
    return select->records;
}

uint32_t ri_select_prev(const ri_select *select, uint32_t from)
{
    RI_ASSERT(select->bits || select->count <= RI_SELECT_INLINE);
    if (select->bits) return sets_find_prev(select->words, select->records, from);
    for (uint32_t i = select->count; i-- > 0;)
        if (select->few[i] <= from) return select->few[i];
    return select->records;
}
