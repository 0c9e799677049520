/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that have gone: the last of them, with why they went, for whoever looks at the broker
 * afterwards. Nothing is kept before somebody can look, which is when the HTTP door is opened.
 *
 *     door: its session ends --> ri_departed_note() --> a ring, the oldest goes for the newest
 *
 *     number   1 2 3 | 4 5 6 7 8 |              4 <= number <= 8 are there: a reader keeps a number
 *              gone   kept         next          between two slices, and finds it again or does not
 *
 * The ring has RI_LIMIT_DEPARTED places, RI_LIMIT_DEPARTED_BYTES, and a 128th of the broker's
 * memory at most; one takes its texts, each cut to RI_LIMIT_DEPARTED_TEXT, its JWT and tags, if
 * each has RI_LIMIT_DEPARTED_JWT at most, and its first RI_LIMIT_DEPARTED_SUBS subscriptions, as
 * far as they fit RI_LIMIT_DEPARTED_SUBS_BYTES. Where there is no memory for one, that one is not
 * remembered. All inside the gate. */
#ifndef RI_DEPARTED_H
#define RI_DEPARTED_H

#include "codec/limits.h"
#include "front/broker/broker.h"

typedef struct ri_departed_one { /* the texts lie behind it */
    uint32_t size;             /* of the allocation */
    int64_t stop_ns;           /* wall clock */
    const char *reason;        /* lives for ever */
    ri_broker_conn conn;
} ri_departed_one;

typedef struct ri_departed {
    uint64_t first, next;      /* numbers: of the oldest, of the one to come; they begin with 1 */
    uint64_t bytes;
    ri_departed_one *ring[RI_LIMIT_DEPARTED];
} ri_departed;

/* From now on they are remembered, until the broker is freed. RILL_ENOMEM. */
int ri_departed_keep(ri_broker *broker);
void ri_departed_free(ri_broker *broker);
/* Of a door: that one ends. */
void ri_departed_note(ri_broker *broker, const ri_broker_conn *conn, const char *reason);
typedef struct ri_departed_subs { /* conn.subs, as it is made */
    ri_buffer text;
    bool full;
} ri_departed_subs;
/* Puts one into the ri_departed_subs `arg`; behind the first one without room there is no other. */
void ri_departed_put_sub(void *arg, const ri_broker_sub *sub);
/* The next one of `conn.subs`, of which *at are over. False: there is none. Lent. */
bool ri_departed_sub(const ri_departed_one *one, size_t *at, ri_broker_sub *sub);
/* NULL: it is forgotten, or not there yet. Lent. */
const ri_departed_one *ri_departed_at(const ri_departed *departed, uint64_t number);

#endif
