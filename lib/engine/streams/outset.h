/* SPDX-License-Identifier: Apache-2.0 */
/* Where a new consumer begins, if that takes long to be found: at the last message under its
 * filters, or with the last one of each subject. It is looked for before the consumer is made, in
 * slices of a budget:
 *
 *     find    last: the search goes down, cut where the budget ends
 *             last of each subject: the index is walked; what is found goes onto a heap
 *     sort    the heap becomes an array, the first message first
 *
 * What is stored meanwhile is new to the consumer, since it begins behind what could be seen when
 * this was begun; what goes meanwhile is passed over when it would be delivered. */
#ifndef RI_OUTSET_H
#define RI_OUTSET_H

#include "codec/jetstream/jsapi.h"
#include "codec/subject/filters.h"
#include "engine/streams/stream.h"
#include "store/index/subject_index.h"
#include "store/log/log.h"

typedef struct ri_outset {
    const ri_host *host;
    ri_budget *budget;     /* NULL: it is found in one go */
    ri_deliver_policy policy;
    ri_filter filter;      /* lent */
    bool begun, sorting;
    uint64_t upto;         /* it is looked for up to here */
    ri_filters compiled;
    ri_cursor cursor;      /* last */
    uint64_t from;         /* ... search down from here on */
    uint64_t last;         /* ... found; 0: there is none */
    size_t at;             /* of each subject: the filter at hand */
    ri_subject_place place; /* ... in the index */
    uint64_t *seqs;
    size_t n, cap;
    size_t heaped;         /* of them, so many are on the heap still */
} ri_outset;

/* Is there anything to be looked for? */
bool ri_outset_is_long(const ri_consumer_conf *conf);
/* `conf` is kept as it is until the end. */
void ri_outset_init(ri_outset *o, const ri_host *host, const ri_consumer_conf *conf,
                    ri_budget *budget);
int ri_outset_some(ri_outset *o, ri_stream *stream); /* 1: there is more; RILL_OK; RILL_ENOMEM */
/* What was found of each subject, in order: the caller's to free, by its number. RILL_ENOMEM. */
int ri_outset_take(ri_outset *o, uint64_t **seqs, uint32_t *n);
void ri_outset_fini(ri_outset *o);

#endif
