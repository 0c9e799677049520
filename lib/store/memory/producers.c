/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of idempotence, in the order in which they are asked (Kafka's are the same):
 *
 *     known epoch e, last batches (base .. last sequence) of it, at most five
 *
 *     a batch of epoch e that is one of the five   duplicate: its offset of then
 *     an epoch below e                             fenced
 *     an epoch above e                             must begin at sequence 0; the five are gone
 *     epoch e                                      must begin at last + 1 (0 after 2^31 - 1)
 *     a producer that is not known                 any sequence (0 if strict_unknown): it may
 *                                                  have been forgotten
 *     not transactional, but a transaction is open a bad state
 *
 * Sequences count records, so a batch takes as many as it has records. A producer that only a
 * marker has named has an epoch and no batch: it begins at 0.
 *
 * As bytes, little-endian:
 *
 *     [version u32 = 1][producers u32], then each, the longest silent first:
 *     [id 8][time ns 8][transaction's first offset 8, or -1][coordinator epoch 4][epoch 2]
 *     [batches 2], then each, the oldest first:
 *     [base sequence 4][last sequence 4][base offset 8] */
#include "store/memory/producers.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"

#define PRODUCERS_VERSION 1
#define PRODUCERS_NO_EPOCH (-1)
#define PRODUCERS_HEAD 8  /* bytes of the serialised form ahead of the first */
#define PRODUCERS_ROW 32  /* of a producer without its batches */
#define PRODUCERS_BATCH 16

struct producer_batch {
    int32_t base_sequence, last_sequence;
    int64_t base_offset;
};

struct producer {
    ri_list by_time;           /* in producers->by_time, always */
    ri_list open;              /* in producers->open while a transaction is */
    int64_t id;
    int64_t time_ns;           /* of its last batch or marker */
    int64_t first_offset;      /* of the open transaction, or RI_PRODUCERS_NO_OFFSET */
    int32_t coordinator_epoch; /* of its last marker; -1: none yet */
    int16_t epoch;             /* PRODUCERS_NO_EPOCH: reserved only */
    uint8_t nbatches;
    struct producer_batch batches[RI_PRODUCERS_BATCHES]; /* the oldest first */
};

static bool producers_same(const void *item, const void *key)
{
    return ((const struct producer *)item)->id == *(const int64_t *)key;
}

static struct producer *producers_get(const ri_producers *producers, int64_t id)
{
    return ri_map_get(&producers->map, ri_hash_number((uint64_t)id), &id);
}

void ri_producers_init(ri_producers *producers, const ri_host *host, const ri_producers_opts *opts)
{
    *producers = (ri_producers){.host = host, .opts = *opts};
    if (!producers->opts.expire_ns) producers->opts.expire_ns = RI_PRODUCERS_EXPIRE_NS_DEFAULT;
    if (!producers->opts.max_count) producers->opts.max_count = RI_PRODUCERS_COUNT_DEFAULT;
    ri_map_init(&producers->map, host, producers_same);
    ri_list_init(&producers->by_time);
    ri_list_init(&producers->open);
}

static void producers_forget(ri_producers *producers, struct producer *p)
{
    RI_ASSERT(producers->count > 0 && ri_list_linked(&p->by_time));
    ri_map_take(&producers->map, ri_hash_number((uint64_t)p->id), &p->id);
    ri_list_remove(&p->by_time);
    ri_list_remove(&p->open);
    ri_delete(producers->host, p);
    producers->count--;
}

void ri_producers_fini(ri_producers *producers)
{
    while (producers->by_time.next && !ri_list_empty(&producers->by_time)) {
        producers_forget(producers, ri_container_of(producers->by_time.next, struct producer,
                                                    by_time));
    }
    ri_map_fini(&producers->map);
}

/* ---- Checking ---- */

static int32_t producers_last_sequence(int32_t base, int32_t count)
{
    RI_ASSERT(base >= 0 && count > 0);
    return (int32_t)(((int64_t)base + count - 1) & INT32_MAX);
}

static int32_t producers_next_sequence(const struct producer *p)
{
    RI_ASSERT(p->nbatches <= RI_PRODUCERS_BATCHES);
    if (p->nbatches == 0) return 0;
    return (int32_t)(((int64_t)p->batches[p->nbatches - 1].last_sequence + 1) & INT32_MAX);
}

static bool producers_find_duplicate(const struct producer *p, const ri_producers_batch *batch,
                                     int64_t *offset)
{
    int32_t last = producers_last_sequence(batch->base_sequence, batch->count);
    for (unsigned i = 0; i < p->nbatches && batch->epoch == p->epoch; i++) {
        const struct producer_batch *stored = &p->batches[i];
        if (stored->base_sequence == batch->base_sequence && stored->last_sequence == last) {
            *offset = stored->base_offset;
            return true;
        }
    }
    return false;
}

ri_producers_verdict ri_producers_check(const ri_producers *producers,
                                        const ri_producers_batch *batch, int64_t *offset)
{
    RI_ASSERT(batch->producer_id >= 0 && batch->base_sequence >= 0 && batch->count > 0);
    const struct producer *p = producers_get(producers, batch->producer_id);
    if (!p || p->epoch == PRODUCERS_NO_EPOCH) {
        bool refused = producers->opts.strict_unknown && batch->base_sequence != 0;
        return refused ? RI_PRODUCERS_OUT_OF_ORDER : RI_PRODUCERS_APPEND;
    }
    if (producers_find_duplicate(p, batch, offset)) return RI_PRODUCERS_DUPLICATE;
    if (batch->epoch < p->epoch) return RI_PRODUCERS_FENCED;
    int32_t next = batch->epoch > p->epoch ? 0 : producers_next_sequence(p);
    if (batch->base_sequence != next) return RI_PRODUCERS_OUT_OF_ORDER;
    if (p->first_offset != RI_PRODUCERS_NO_OFFSET && !batch->transactional) {
        return RI_PRODUCERS_BAD_STATE;
    }
    return RI_PRODUCERS_APPEND;
}

ri_producers_verdict ri_producers_check_marker(const ri_producers *producers, int64_t producer_id,
                                               int16_t epoch, int32_t coordinator_epoch)
{
    const struct producer *p = producers_get(producers, producer_id);
    if (!p) return RI_PRODUCERS_APPEND;
    if (epoch < p->epoch) return RI_PRODUCERS_FENCED;
    if (coordinator_epoch < p->coordinator_epoch) return RI_PRODUCERS_STALE_COORDINATOR;
    return RI_PRODUCERS_APPEND;
}

/* ---- Changing ---- */

/* Make room for one more by the longest silent that may go. */
static int producers_evict(ri_producers *producers)
{
    RI_ASSERT(producers->count == producers->map.len);
    if (producers->count < producers->opts.max_count) return RILL_OK;
    ri_list_each(at, &producers->by_time) {
        struct producer *p = ri_container_of(at, struct producer, by_time);
        if (p->first_offset != RI_PRODUCERS_NO_OFFSET) continue;
        producers_forget(producers, p);
        return RILL_OK;
    }
    return ri_err(RILL_EFULL, "%u producers have open transactions", producers->count);
}

/* A new producer, the least silent of all. */
static int producers_make(ri_producers *producers, int64_t id, struct producer **out)
{
    int rc = producers_evict(producers);
    RI_ASSERT(rc < 0 || producers->count < producers->opts.max_count);
    if (rc < 0) return rc;
    struct producer *p = ri_new(producers->host, struct producer);
    if (!p) return RILL_ENOMEM;
    p->id = id;
    p->epoch = PRODUCERS_NO_EPOCH;
    p->coordinator_epoch = -1;
    p->first_offset = RI_PRODUCERS_NO_OFFSET;
    p->time_ns = INT64_MIN;
    if (!ri_list_empty(&producers->by_time)) {
        p->time_ns = ri_container_of(producers->by_time.prev, struct producer, by_time)->time_ns;
    }
    rc = ri_map_put(&producers->map, ri_hash_number((uint64_t)id), p);
    if (rc < 0) {
        ri_delete(producers->host, p);
        return rc;
    }
    ri_list_init(&p->open);
    ri_list_push(&producers->by_time, &p->by_time);
    producers->count++;
    *out = p;
    return RILL_OK;
}

int ri_producers_reserve(ri_producers *producers, int64_t producer_id)
{
    struct producer *p = producers_get(producers, producer_id);
    return p ? RILL_OK : producers_make(producers, producer_id, &p);
}

/* It spoke: the least silent, at a time that never goes back along the list. */
static void producers_touch(ri_producers *producers, struct producer *p, int64_t time_ns)
{
    RI_ASSERT(ri_list_linked(&p->by_time));
    ri_list_remove(&p->by_time);
    if (!ri_list_empty(&producers->by_time)) {
        struct producer *newest = ri_container_of(producers->by_time.prev, struct producer,
                                                  by_time);
        time_ns = RI_MAX(time_ns, newest->time_ns);
    }
    p->time_ns = time_ns;
    ri_list_push(&producers->by_time, &p->by_time);
}

static void producers_set_epoch(struct producer *p, int16_t epoch)
{
    if (epoch <= p->epoch) return;
    p->epoch = epoch;
    p->nbatches = 0;
}

static void producers_remember(struct producer *p, struct producer_batch batch)
{
    RI_ASSERT(p->nbatches <= RI_PRODUCERS_BATCHES);
    if (p->nbatches == RI_PRODUCERS_BATCHES) {
        p->nbatches--;
        memmove(p->batches, p->batches + 1, p->nbatches * sizeof *p->batches);
    }
    p->batches[p->nbatches++] = batch;
}

int ri_producers_add(ri_producers *producers, const ri_producers_batch *batch,
                     int64_t base_offset, int64_t time_ns)
{
    RI_ASSERT(batch->count > 0 && base_offset >= 0);
    struct producer *p = producers_get(producers, batch->producer_id);
    int rc = p ? RILL_OK : producers_make(producers, batch->producer_id, &p);
    if (rc < 0) return rc;
    producers_set_epoch(p, batch->epoch);
    producers_remember(p, (struct producer_batch){
        batch->base_sequence, producers_last_sequence(batch->base_sequence, batch->count),
        base_offset});
    producers_touch(producers, p, time_ns);
    if (batch->transactional && p->first_offset == RI_PRODUCERS_NO_OFFSET) {
        RI_ASSERT(ri_producers_stable(producers) < base_offset);
        p->first_offset = base_offset;
        ri_list_push(&producers->open, &p->open);
    }
    return RILL_OK;
}

int ri_producers_end(ri_producers *producers, int64_t producer_id, int16_t epoch,
                     int32_t coordinator_epoch, int64_t time_ns, int64_t *first_offset)
{
    RI_ASSERT(producer_id >= 0);
    struct producer *p = producers_get(producers, producer_id);
    int rc = p ? RILL_OK : producers_make(producers, producer_id, &p);
    if (rc < 0) return rc;
    producers_set_epoch(p, epoch);
    p->coordinator_epoch = RI_MAX(p->coordinator_epoch, coordinator_epoch);
    *first_offset = p->first_offset;
    p->first_offset = RI_PRODUCERS_NO_OFFSET;
    ri_list_remove(&p->open);
    producers_touch(producers, p, time_ns);
    return RILL_OK;
}

int64_t ri_producers_stable(const ri_producers *producers)
{
    if (ri_list_empty(&producers->open)) return RI_PRODUCERS_NO_OFFSET;
    return ri_container_of(producers->open.next, struct producer, open)->first_offset;
}

static int32_t producers_last(const struct producer *p)
{
    return p->nbatches ? p->batches[p->nbatches - 1].last_sequence : -1;
}

uint32_t ri_producers_list(const ri_producers *producers, ri_producers_one *out, uint32_t most)
{
    RI_ASSERT(producers->count == producers->map.len);
    const ri_list *all = &producers->by_time;
    uint32_t n = 0;
    for (const ri_list *at = all->prev; at != all && n < most; at = at->prev) {
        const struct producer *p = ri_container_of(at, struct producer, by_time);
        if (p->epoch == PRODUCERS_NO_EPOCH) continue;
        if (out)
            out[n] = (ri_producers_one){p->id, p->time_ns, p->first_offset, p->coordinator_epoch,
                                        producers_last(p), p->epoch};
        n++;
    }
    return n;
}

bool ri_producers_find(const ri_producers *producers, int64_t producer_id, int16_t *epoch,
                       int32_t *last_sequence)
{
    const struct producer *p = producers_get(producers, producer_id);
    if (!p || p->epoch == PRODUCERS_NO_EPOCH) return false;
    *epoch = p->epoch;
    *last_sequence = producers_last(p);
    return true;
}

uint32_t ri_producers_expire(ri_producers *producers, int64_t now_ns)
{
    RI_ASSERT(producers->count == producers->map.len);
    uint32_t gone = 0;
    ri_list_each(at, &producers->by_time) {
        struct producer *p = ri_container_of(at, struct producer, by_time);
        if (p->time_ns > ri_ns_sub(now_ns, producers->opts.expire_ns)) break;
        if (p->first_offset != RI_PRODUCERS_NO_OFFSET) continue;
        producers_forget(producers, p);
        gone++;
    }
    return gone;
}

/* ---- As bytes ---- */

static void producers_put(ri_buffer *out, uint64_t value, unsigned bytes)
{
    RI_ASSERT(bytes > 0 && bytes <= 8);
    char p[8];
    for (unsigned i = 0; i < bytes; i++, value >>= 8) p[i] = (char)value;
    ri_buffer_put(out, p, bytes);
}

static uint64_t producers_take(const unsigned char **p, unsigned bytes)
{
    RI_ASSERT(bytes > 0 && bytes <= 8);
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;) value = value << 8 | (*p)[i];
    *p += bytes;
    return value;
}

void ri_producers_write(const ri_producers *producers, ri_buffer *out)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    producers_put(out, PRODUCERS_VERSION, 4);
    producers_put(out, producers->count, 4);
    ri_list_each(at, &producers->by_time) {
        const struct producer *p = ri_container_of(at, struct producer, by_time);
        producers_put(out, (uint64_t)p->id, 8);
        producers_put(out, (uint64_t)p->time_ns, 8);
        producers_put(out, (uint64_t)p->first_offset, 8);
        producers_put(out, (uint64_t)p->coordinator_epoch, 4);
        producers_put(out, (uint64_t)p->epoch, 2);
        producers_put(out, p->nbatches, 2);
        for (unsigned i = 0; i < p->nbatches; i++) {
            producers_put(out, (uint64_t)p->batches[i].base_sequence, 4);
            producers_put(out, (uint64_t)p->batches[i].last_sequence, 4);
            producers_put(out, (uint64_t)p->batches[i].base_offset, 8);
        }
    }
}

/* Into the list of open ones at its place: they were written by time, not by offset. */
static void producers_open_sorted(ri_producers *producers, struct producer *p)
{
    RI_ASSERT(p->first_offset != RI_PRODUCERS_NO_OFFSET);
    ri_list *before = producers->open.prev;
    while (before != &producers->open &&
           ri_container_of(before, struct producer, open)->first_offset > p->first_offset) {
        before = before->prev;
    }
    ri_list_push(before->next, &p->open); /* ahead of what follows `before` */
}

static bool producers_row_whole(const struct producer *p)
{
    bool whole = p->epoch >= PRODUCERS_NO_EPOCH && p->coordinator_epoch >= -1 &&
                 p->first_offset >= RI_PRODUCERS_NO_OFFSET;
    for (unsigned i = 0; i < p->nbatches; i++) {
        const struct producer_batch *b = &p->batches[i];
        whole = whole && b->base_sequence >= 0 && b->last_sequence >= 0 && b->base_offset >= 0;
    }
    return whole && (p->epoch >= 0 || p->nbatches == 0);
}

static int producers_read_row(ri_producers *producers, const unsigned char **at,
                              const unsigned char *end)
{
    if (end - *at < PRODUCERS_ROW) return ri_err(RILL_ECORRUPT, "producers end within a row");
    int64_t id = (int64_t)producers_take(at, 8);
    struct producer *p;
    if (id < 0 || producers_get(producers, id)) {
        return ri_err(RILL_ECORRUPT, "producer %lld comes twice or cannot be", (long long)id);
    }
    int rc = producers_make(producers, id, &p);
    if (rc < 0) return rc;
    p->time_ns = (int64_t)producers_take(at, 8);
    p->first_offset = (int64_t)producers_take(at, 8);
    p->coordinator_epoch = (int32_t)producers_take(at, 4);
    p->epoch = (int16_t)producers_take(at, 2);
    uint64_t nbatches = producers_take(at, 2);
    if (nbatches > RI_PRODUCERS_BATCHES || (size_t)(end - *at) < nbatches * PRODUCERS_BATCH) {
        return ri_err(RILL_ECORRUPT, "producer %lld with %llu batches", (long long)id,
                      (unsigned long long)nbatches);
    }
    for (p->nbatches = 0; p->nbatches < nbatches; p->nbatches++) {
        struct producer_batch *batch = &p->batches[p->nbatches];
        batch->base_sequence = (int32_t)producers_take(at, 4);
        batch->last_sequence = (int32_t)producers_take(at, 4);
        batch->base_offset = (int64_t)producers_take(at, 8);
    }
    if (!producers_row_whole(p)) {
        return ri_err(RILL_ECORRUPT, "producer %lld has values that cannot be", (long long)id);
    }
    if (p->first_offset != RI_PRODUCERS_NO_OFFSET) producers_open_sorted(producers, p);
    return RILL_OK;
}

int ri_producers_read(ri_producers *producers, const void *data, size_t len)
{
    RI_ASSERT(producers->count == 0);
    const unsigned char *at = data, *end = at + len;
    if (len < PRODUCERS_HEAD) return ri_err(RILL_ECORRUPT, "producers of %zu bytes", len);
    uint64_t version = producers_take(&at, 4), count = producers_take(&at, 4);
    if (version != PRODUCERS_VERSION || count > (len - PRODUCERS_HEAD) / PRODUCERS_ROW) {
        return ri_err(RILL_ECORRUPT, "%llu producers of version %llu in %zu bytes",
                      (unsigned long long)count, (unsigned long long)version, len);
    }
    uint32_t max_count = producers->opts.max_count;
    producers->opts.max_count = UINT32_MAX; /* what was known stays known */
    int rc = RILL_OK;
    for (uint64_t i = 0; i < count && rc == 0; i++) rc = producers_read_row(producers, &at, end);
    producers->opts.max_count = max_count;
    if (rc == 0 && at != end) rc = ri_err(RILL_ECORRUPT, "bytes behind the last producer");
    if (rc == 0) return RILL_OK;
    while (producers->count) {
        producers_forget(producers, ri_container_of(producers->by_time.next, struct producer,
                                                    by_time));
    }
    return rc;
}
