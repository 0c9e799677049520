/* SPDX-License-Identifier: Apache-2.0 */
/* Where a message that was forwarded comes from, as it says itself: in the header Nats-Msg-Id where
 * a stream knows ids that come again, else in Rill-Origin.
 *
 *     edge-7/ORDERS/0/4711/1717171717000000000
 *     |      |      | |    when it was stored there, ns since 1970 UTC
 *     |      |      | its number there
 *     |      |      partition
 *     |      stream
 *     name of the forward
 *
 * Names have no slash. The time parts a message from one of the same number in a stream of the same
 * name that was deleted and made anew. */
#ifndef RI_ORIGIN_H
#define RI_ORIGIN_H

#include "base/number.h"

#define RI_ORIGIN_HEADER "Rill-Origin"

typedef struct ri_origin {
    uint64_t seq;
    int64_t time_ns; /* not below 0 */
    uint32_t partition;
} ri_origin;

enum { RI_ORIGIN_MAX = 3 * RI_NUMBER_MAX + 2 }; /* bytes of what stands behind the names */

/* Behind `at`, where "NAME/STREAM/" stands; returns the end. */
char *ri_origin_write(char *at, const ri_origin *origin);
/* Of a text that begins with `names`, "NAME/STREAM/"; false: it is none of these. For any bytes. */
bool ri_origin_read(ri_str text, ri_str names, ri_origin *origin);
/* The order of partition, number and time: < 0, 0, > 0. */
int ri_origin_compare(const ri_origin *a, const ri_origin *b);

#endif
