/* SPDX-License-Identifier: Apache-2.0 */
/* Entries lie in blocks in the order they came, which is the order they leave:
 *
 *     block  [next][size][used][eaten][last seq] [entry][entry][entry] ...
 *     entry  [seq 8][time 8][id len 2][id bytes] pad to 8      seq 0: taken back
 *
 * so expiry frees whole blocks and nothing is ever moved. The map points at entries. */
#include "store/memory/dedupe.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"

#define DEDUPE_BLOCK_BYTES 16384 /* of a block of more than a few entries */
#define DEDUPE_FIRST_BYTES 512   /* of the first one: most streams see few ids */

struct dedupe_entry {
    uint64_t seq;    /* 0: taken back */
    int64_t time_ns;
    uint16_t len;    /* of the id */
    char id[];
};

struct ri_dedupe_block {
    struct ri_dedupe_block *next; /* newer */
    uint32_t size;                /* of the block with this header */
    uint32_t used;                /* bytes of entries put in */
    uint32_t eaten;               /* bytes of entries that have left, at the front */
    uint64_t last_seq;            /* of its newest entry */
};

#define DEDUPE_HEADER RI_ALIGN(sizeof(struct ri_dedupe_block), 8)

static struct dedupe_entry *dedupe_entry_at(struct ri_dedupe_block *block, uint32_t at)
{
    return (struct dedupe_entry *)(void *)((char *)block + DEDUPE_HEADER + at);
}

static uint32_t dedupe_size(size_t id_len)
{
    RI_ASSERT(id_len <= RI_DEDUPE_ID_MAX);
    return (uint32_t)RI_ALIGN(offsetof(struct dedupe_entry, id) + id_len, 8);
}

static bool dedupe_same(const void *item, const void *key)
{
    const struct dedupe_entry *entry = item;
    return ri_str_eq((ri_str){entry->id, entry->len}, *(const ri_str *)key);
}

static void dedupe_set_opts(ri_dedupe *dedupe, const ri_dedupe_opts *opts)
{
    dedupe->opts = *opts;
    if (!dedupe->opts.max_count) dedupe->opts.max_count = RI_DEDUPE_COUNT_DEFAULT;
    if (!dedupe->opts.max_bytes) dedupe->opts.max_bytes = RI_DEDUPE_BYTES_DEFAULT;
}

void ri_dedupe_init(ri_dedupe *dedupe, const ri_host *host, const ri_dedupe_opts *opts)
{
    *dedupe = (ri_dedupe){.host = host, .newest_ns = INT64_MIN};
    ri_map_init(&dedupe->map, host, dedupe_same);
    dedupe_set_opts(dedupe, opts);
}

void ri_dedupe_configure(ri_dedupe *dedupe, const ri_dedupe_opts *opts)
{
    dedupe_set_opts(dedupe, opts);
}

static void dedupe_free_oldest(ri_dedupe *dedupe)
{
    RI_ASSERT(dedupe->oldest && dedupe->newest);
    struct ri_dedupe_block *block = dedupe->oldest;
    dedupe->oldest = block->next;
    if (!dedupe->oldest) dedupe->newest = NULL;
    dedupe->bytes -= block->size;
    ri_free(dedupe->host, block, block->size);
}

void ri_dedupe_fini(ri_dedupe *dedupe)
{
    RI_ASSERT(dedupe->count <= dedupe->map.len || !dedupe->oldest);
    while (dedupe->oldest) dedupe_free_oldest(dedupe);
    ri_map_fini(&dedupe->map);
    dedupe->count = 0;
}

static bool dedupe_aged(const ri_dedupe *dedupe, int64_t time_ns, int64_t now_ns)
{
    return now_ns > time_ns && ri_ns_sub(now_ns, time_ns) >= dedupe->opts.window_ns;
}

int ri_dedupe_find(ri_dedupe *dedupe, ri_str id, int64_t now_ns, uint64_t *seq)
{
    RI_ASSERT((dedupe->oldest != NULL) == (dedupe->newest != NULL));
    const struct dedupe_entry *entry = ri_map_get(&dedupe->map, ri_hash(id), &id);
    if (!entry || dedupe_aged(dedupe, entry->time_ns, now_ns)) return 0;
    *seq = entry->seq;
    dedupe->duplicates++;
    return 1;
}

/* The oldest block leaves, whatever the age of its ids. */
static void dedupe_forget_oldest(ri_dedupe *dedupe)
{
    RI_ASSERT(dedupe->oldest);
    struct ri_dedupe_block *block = dedupe->oldest;
    for (uint32_t at = block->eaten; at < block->used;) {
        const struct dedupe_entry *entry = dedupe_entry_at(block, at);
        at += dedupe_size(entry->len);
        if (!entry->seq) continue;
        ri_str id = {entry->id, entry->len};
        ri_map_take(&dedupe->map, ri_hash(id), &id);
        dedupe->count--;
        dedupe->forgotten++;
    }
    dedupe_free_oldest(dedupe);
}

bool ri_dedupe_forget_some(ri_dedupe *dedupe)
{
    if (!dedupe->oldest) return false;
    dedupe_forget_oldest(dedupe);
    return true;
}

/* Of the block that is taken for an entry of `size` bytes; 0: the newest has room for it. */
static uint32_t dedupe_block_size(const ri_dedupe *dedupe, uint32_t size)
{
    const struct ri_dedupe_block *newest = dedupe->newest;
    if (newest && newest->size - DEDUPE_HEADER - newest->used >= size) return 0;
    uint32_t block_size = DEDUPE_FIRST_BYTES;
    if (newest) block_size = RI_MIN(newest->size * 2, DEDUPE_BLOCK_BYTES);
    return RI_MAX(block_size, (uint32_t)DEDUPE_HEADER + size);
}

uint64_t ri_dedupe_bytes(const ri_dedupe *dedupe)
{
    return dedupe->bytes + ri_map_bytes(&dedupe->map);
}

uint64_t ri_dedupe_growth(const ri_dedupe *dedupe, size_t id_len)
{
    if (dedupe->opts.window_ns <= 0 || id_len > RI_DEDUPE_ID_MAX) return 0;
    return dedupe_block_size(dedupe, dedupe_size(id_len)) + ri_map_growth(&dedupe->map);
}

/* A block with room for `size` bytes more at its end. */
static int dedupe_room(ri_dedupe *dedupe, uint32_t size)
{
    RI_ASSERT(size > 0 && size % 8 == 0);
    uint32_t block_size = dedupe_block_size(dedupe, size);
    if (block_size == 0) return RILL_OK;
    while (dedupe->opts.forget && dedupe->oldest &&
           dedupe->bytes + block_size > dedupe->opts.max_bytes)
        dedupe_forget_oldest(dedupe);
    struct ri_dedupe_block *newest = dedupe->newest;
    if (dedupe->bytes + block_size > dedupe->opts.max_bytes) {
        dedupe->refused++;
        return ri_err(RILL_EFULL, "the message ids of the window take %llu bytes",
                      (unsigned long long)dedupe->bytes);
    }
    struct ri_dedupe_block *block = ri_alloc(dedupe->host, block_size);
    if (!block) return RILL_ENOMEM;
    *block = (struct ri_dedupe_block){.size = block_size};
    if (newest) {
        newest->next = block;
    } else {
        dedupe->oldest = block;
    }
    dedupe->newest = block;
    dedupe->bytes += block_size;
    return RILL_OK;
}

int ri_dedupe_add(ri_dedupe *dedupe, ri_str id, uint64_t seq, int64_t time_ns)
{
    RI_ASSERT(seq > 0);
    RI_ASSERT((dedupe->oldest != NULL) == (dedupe->newest != NULL));
    if (dedupe->opts.window_ns <= 0) return RILL_OK;
    if (id.len > RI_DEDUPE_ID_MAX) return ri_err(RILL_ETOOBIG, "message id of %zu bytes", id.len);
    uint64_t hash = ri_hash(id);
    while (dedupe->opts.forget && dedupe->oldest && dedupe->count >= dedupe->opts.max_count)
        dedupe_forget_oldest(dedupe);
    struct dedupe_entry *entry = ri_map_get(&dedupe->map, hash, &id);
    if (dedupe->count - (entry != NULL) >= dedupe->opts.max_count) {
        dedupe->refused++;
        return ri_err(RILL_EFULL, "%llu message ids are in the window",
                      (unsigned long long)dedupe->count);
    }
    int rc = dedupe_room(dedupe, dedupe_size(id.len));
    if (rc < 0) return rc;
    if (entry && dedupe->opts.forget) entry = ri_map_get(&dedupe->map, hash, &id);
    /* One of that name that has aged but not left: the new one takes its place in the map. */
    if (entry) ri_map_take(&dedupe->map, hash, &id);
    struct ri_dedupe_block *block = dedupe->newest;
    struct dedupe_entry *added = dedupe_entry_at(block, block->used);
    rc = ri_map_put(&dedupe->map, hash, added);
    if (rc < 0) {
        RI_ASSERT(!entry); /* the slot that was just freed takes no memory */
        return rc;
    }
    if (entry) entry->seq = 0;
    dedupe->count += entry == NULL;
    dedupe->newest_ns = RI_MAX(dedupe->newest_ns, time_ns);
    added->seq = seq;
    added->time_ns = dedupe->newest_ns;
    added->len = (uint16_t)id.len;
    if (id.len) memcpy(added->id, id.ptr, id.len);
    block->used += dedupe_size(id.len);
    block->last_seq = seq;
    return RILL_OK;
}

void ri_dedupe_each(const ri_dedupe *dedupe, const ri_dedupe_span *spans, size_t n,
                    void (*fn)(void *arg, ri_str id, uint64_t seq, int64_t time_ns), void *arg)
{
    RI_ASSERT(spans || n == 0);
    size_t i = 0;
    for (struct ri_dedupe_block *block = dedupe->oldest; block && i < n; block = block->next) {
        if (block->last_seq < spans[i].first) continue;
        for (uint32_t at = block->eaten; at < block->used && i < n;) {
            const struct dedupe_entry *entry = dedupe_entry_at(block, at);
            at += dedupe_size(entry->len);
            while (i < n && spans[i].last < entry->seq) i++;
            if (i < n && entry->seq && spans[i].first <= entry->seq)
                fn(arg, (ri_str){entry->id, entry->len}, entry->seq, entry->time_ns);
        }
    }
}

void ri_dedupe_forget(ri_dedupe *dedupe, ri_str id)
{
    struct dedupe_entry *entry = ri_map_take(&dedupe->map, ri_hash(id), &id);
    if (!entry) return;
    entry->seq = 0;
    dedupe->count--;
}

int64_t ri_dedupe_expire(ri_dedupe *dedupe, int64_t now_ns)
{
    RI_ASSERT((dedupe->oldest != NULL) == (dedupe->newest != NULL));
    for (int left = RI_DEDUPE_SOME; dedupe->oldest;) {
        struct ri_dedupe_block *block = dedupe->oldest;
        while (block->eaten < block->used) {
            struct dedupe_entry *entry = dedupe_entry_at(block, block->eaten);
            if (entry->seq) {
                if (!dedupe_aged(dedupe, entry->time_ns, now_ns)) {
                    return ri_ns_add(entry->time_ns, dedupe->opts.window_ns);
                }
                if (left-- == 0) return now_ns;
                ri_str id = {entry->id, entry->len};
                ri_map_take(&dedupe->map, ri_hash(id), &id);
                dedupe->count--;
            }
            block->eaten += dedupe_size(entry->len);
        }
        dedupe_free_oldest(dedupe);
    }
    RI_ASSERT(dedupe->count == 0);
    ri_map_fini(&dedupe->map); /* it may have been large */
    return INT64_MAX;
}
