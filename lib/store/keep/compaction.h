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
 * are left from before it was one.
 *
 * The table of keys is in parts that grow each by itself, so that no note() moves all of it. */
#ifndef RI_COMPACTION_H
#define RI_COMPACTION_H

#include "base/alloc.h"
#include "base/str.h"

typedef struct ri_compaction {
    const ri_host *host;
    uint32_t max_keys;                /* of a round */
    uint32_t len;                     /* keys */
    struct ri_compaction_part *parts; /* of the table, by the key's hash; NULL while empty */
    uint64_t end_seq;                 /* note() has seen all below: verdicts reach up to here */
} ri_compaction;

typedef struct ri_compaction_record {
    ri_str key;         /* ptr NULL: none */
    uint64_t seq;
    bool tombstone;     /* null value */
    int64_t horizon_ms; /* of its batch: when a tombstone may go; -1: not stamped yet */
} ri_compaction_record;

typedef enum ri_compaction_verdict {
    RI_COMPACTION_KEEP,
    RI_COMPACTION_STAMP, /* a tombstone that is the last: keep, and say when it may go */
    RI_COMPACTION_DEAD,
} ri_compaction_verdict;

/* max_keys: 48 bytes each, about. */
void ri_compaction_init(ri_compaction *c, const ri_host *host, uint32_t max_keys);
void ri_compaction_fini(ri_compaction *c);
/* Show a record, in order of sequences. RILL_EFULL when max_keys are known: end the round's
 * dirty range before this record. RILL_ENOMEM likewise. */
int ri_compaction_note(ri_compaction *c, ri_str key, uint64_t seq);
ri_compaction_verdict ri_compaction_judge(const ri_compaction *c, const ri_compaction_record *r,
                                          int64_t now_ms);

#endif
