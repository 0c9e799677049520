/* SPDX-License-Identifier: Apache-2.0 */
/* What a partition remembers of its idempotent and transactional Kafka producers, so that a
 * batch sent twice is stored once, and in order. The rules stand in producers.c.
 *
 *     check -> (append to the log) -> add         one after the other, on the partition's owner
 *
 * Offsets are Kafka's (sequence - 1). The state is rebuilt from the log's batches; a saved one
 * (ri_producers_write) shortens that. */
#ifndef RI_PRODUCERS_H
#define RI_PRODUCERS_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/map.h"

#define RI_PRODUCERS_BATCHES 5          /* remembered of each producer, as Kafka does */
#define RI_PRODUCERS_COUNT_DEFAULT 100000 /* producers of a partition; each costs 200 bytes */
#define RI_PRODUCERS_EXPIRE_NS_DEFAULT (86400 * RI_SEC) /* producer.id.expiration.ms */
#define RI_PRODUCERS_NO_OFFSET (-1)

/* A batch as its header describes it. */
typedef struct ri_producers_batch {
    int64_t producer_id;   /* >= 0 */
    int16_t epoch;
    int32_t base_sequence; /* >= 0 */
    int32_t count;         /* records, at least 1; last sequence = base + count - 1, wrapping */
    bool transactional;
} ri_producers_batch;

typedef enum ri_producers_verdict {
    RI_PRODUCERS_APPEND,       /* store it, then ri_producers_add() */
    RI_PRODUCERS_DUPLICATE,    /* stored already: answer with its offset; Kafka error 0 */
    RI_PRODUCERS_OUT_OF_ORDER, /* Kafka error 45 */
    RI_PRODUCERS_FENCED,       /* an older epoch; Kafka error 47 */
    RI_PRODUCERS_BAD_STATE,    /* not transactional within an open transaction; Kafka error 48 */
    RI_PRODUCERS_STALE_COORDINATOR, /* a marker of an older coordinator; Kafka error 52 */
} ri_producers_verdict;

typedef struct ri_producers_opts {
    int64_t expire_ns;   /* of silence; 0: RI_PRODUCERS_EXPIRE_NS_DEFAULT */
    uint32_t max_count;  /* 0: RI_PRODUCERS_COUNT_DEFAULT */
    bool strict_unknown; /* transactions version 2: an unknown producer must start at 0 */
} ri_producers_opts;

/* May not be moved while it is in use. */
typedef struct ri_producers {
    const ri_host *host;
    ri_producers_opts opts;
    ri_map map;       /* producer id -> ri_producer */
    ri_list by_time;  /* all, the longest silent first */
    ri_list open;     /* those with an open transaction, by its first offset */
    uint32_t count;
} ri_producers;

void ri_producers_init(ri_producers *producers, const ri_host *host,
                       const ri_producers_opts *opts);
void ri_producers_fini(ri_producers *producers);

/* May this batch be stored? *offset: of the first stored time when it is a duplicate. Changes
 * nothing. */
ri_producers_verdict ri_producers_check(const ri_producers *producers,
                                        const ri_producers_batch *batch, int64_t *offset);
/* It was stored at base_offset; offsets rise. When there are too many producers, the longest
 * silent one without an open transaction is forgotten; RILL_EFULL if there is none. RILL_ENOMEM.
 * Both come before anything has changed, and neither right after ri_producers_reserve(). */
int ri_producers_add(ri_producers *producers, const ri_producers_batch *batch,
                     int64_t base_offset, int64_t time_ns);
/* Ahead of an append: what follows it, ri_producers_add() or _end() of this producer, will not
 * fail. RILL_EFULL, RILL_ENOMEM. */
int ri_producers_reserve(ri_producers *producers, int64_t producer_id);

/* A control batch ends the producer's transaction: is it legal, and make it so. *first_offset:
 * where the transaction began, or RI_PRODUCERS_NO_OFFSET if it stored nothing here. */
ri_producers_verdict ri_producers_check_marker(const ri_producers *producers, int64_t producer_id,
                                               int16_t epoch, int32_t coordinator_epoch);
int ri_producers_end(ri_producers *producers, int64_t producer_id, int16_t epoch,
                     int32_t coordinator_epoch, int64_t time_ns, int64_t *first_offset);
/* First offset of the oldest open transaction (the last stable offset), or
 * RI_PRODUCERS_NO_OFFSET. */
int64_t ri_producers_stable(const ri_producers *producers);
/* What is known of a producer: false if nothing. */
bool ri_producers_find(const ri_producers *producers, int64_t producer_id, int16_t *epoch,
                       int32_t *last_sequence);

/* Those that have sent something, who spoke last first: `most` of them into `out`, if that is not
 * NULL; how many. */
typedef struct ri_producers_one {
    int64_t id, time_ns;       /* of its last batch or marker */
    int64_t first_offset;      /* of its open transaction, or RI_PRODUCERS_NO_OFFSET */
    int32_t coordinator_epoch; /* of its last marker; -1: none yet */
    int32_t last_sequence;     /* -1: it has sent nothing of this epoch yet */
    int16_t epoch;
} ri_producers_one;
uint32_t ri_producers_list(const ri_producers *producers, ri_producers_one *out, uint32_t most);

/* Forget producers that were silent for long and have no open transaction; how many. */
uint32_t ri_producers_expire(ri_producers *producers, int64_t now_ns);
/* All of the state as bytes, and back into an empty one: RILL_ECORRUPT, RILL_ENOMEM (and
 * `producers` is empty). */
void ri_producers_write(const ri_producers *producers, ri_buffer *out);
int ri_producers_read(ri_producers *producers, const void *data, size_t len);

#endif
