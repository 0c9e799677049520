/* SPDX-License-Identifier: Apache-2.0 */
/* Which records does keeping the last of each key (cleanup.policy=compact) make dead? The
 * cleaner first shows all records of the dirty range, then asks about each record of any older
 * or the same range:
 *
 *     note(key, seq) ...  the newest sequence of each key           (one pass)
 *     verdict(record)     keep, dead, or keep but stamp a horizon   (another pass)
 *
 * A key is known by 128 bits of its hash; a collision would lose a record, and with 2^-128 for
 * a pair there is none. Records without a key are dead: a compacted topic refuses them, so they
 * are left from before it was one. */
#ifndef RI_COMPACTION_H
#define RI_COMPACTION_H

#include "base/alloc.h"
#include "base/str.h"

#define RI_COMPACTION_KEYS_MAX (1u << 24) /* keys of one round, 24 bytes each at most 1/2 full */

typedef struct ri_compaction_opts {
    int64_t delete_retention_ms; /* how long a tombstone stays readable; Kafka: 86 400 000 */
    int64_t min_lag_ms;          /* a younger record is never dead; Kafka: 0 */
    uint32_t max_keys;           /* 0: RI_COMPACTION_KEYS_MAX; a power of two is used best */
} ri_compaction_opts;

typedef struct ri_compaction {
    const ri_host *host;
    ri_compaction_opts opts;
    struct ri_compaction_slot *slots; /* open addressing; NULL while empty */
    uint32_t cap, len;                /* slots, keys */
    uint64_t end_seq;                 /* note() has seen all below: verdicts reach up to here */
} ri_compaction;

typedef struct ri_compaction_record {
    ri_str key;         /* ptr NULL: none */
    uint64_t seq;
    int64_t time_ms;
    bool tombstone;     /* null value */
    int64_t horizon_ms; /* of its batch: when a tombstone may go; -1: not stamped yet */
} ri_compaction_record;

typedef enum ri_compaction_verdict {
    RI_COMPACTION_KEEP,
    RI_COMPACTION_STAMP, /* a tombstone that is the last: keep, set now + delete_retention_ms */
    RI_COMPACTION_DEAD,
} ri_compaction_verdict;

void ri_compaction_init(ri_compaction *c, const ri_host *host, const ri_compaction_opts *opts);
void ri_compaction_fini(ri_compaction *c);
/* Show a record, in order of sequences. RILL_EFULL when max_keys are known: end the round's
 * dirty range before this record. RILL_ENOMEM likewise. */
int ri_compaction_note(ri_compaction *c, ri_str key, uint64_t seq);
ri_compaction_verdict ri_compaction_judge(const ri_compaction *c, const ri_compaction_record *r,
                                          int64_t now_ms);

#endif
