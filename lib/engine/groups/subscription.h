/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription in a consumer's metadata, and its assignment; subscription.c says how they
 * look. */
#ifndef RI_SUBSCRIPTION_H
#define RI_SUBSCRIPTION_H

#include "base/buffer.h"
#include "base/str.h"

enum { RI_SUBSCRIPTION_VERSION = 3 }; /* the newest that is written */

typedef struct ri_subscription_reader {
    ri_str rest;
    int version;
    int64_t topics;  /* that are still to be read: names, or names with partitions */
} ri_subscription_reader;

/* False: that is no subscription. */
bool ri_subscription_begin(ri_subscription_reader *reader, ri_str metadata);
/* The next topic: 1; 0: there are no more; -1: what was said of them is not there. */
int ri_subscription_topic(ri_subscription_reader *reader, ri_str *topic);
/* Behind these: what its reader has. False: it is not there. */
bool ri_subscription_begin_owned(ri_subscription_reader *reader);
/* The next topic of those with partitions, as ri_subscription_topic(). */
int ri_subscription_parts(ri_subscription_reader *reader, ri_str *topic, ri_str *partitions);
/* Behind these: the rack; ptr NULL: none. */
bool ri_subscription_end(ri_subscription_reader *reader, ri_str *rack);

/* Topics with partitions, then what nobody but the assignor understands. */
bool ri_subscription_begin_assignment(ri_subscription_reader *reader, ri_str assignment);
bool ri_subscription_end_assignment(ri_subscription_reader *reader, ri_str *user_data);

size_t ri_subscription_count(ri_str partitions);
int32_t ri_subscription_partition(ri_str partitions, size_t i);

/* An assignment is put together of these, in this order, as often as they say. */
void ri_subscription_put(ri_buffer *out, int version, size_t topics);
void ri_subscription_put_topic(ri_buffer *out, ri_str topic, size_t partitions);
void ri_subscription_put_partition(ri_buffer *out, int32_t partition);
void ri_subscription_put_end(ri_buffer *out);

#endif
