/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription in a consumer's metadata; subscription.c says how it looks. */
#ifndef RI_SUBSCRIPTION_H
#define RI_SUBSCRIPTION_H

#include "base/str.h"

typedef struct ri_subscription_reader {
    ri_str rest;
    int version;
    int64_t topics;  /* that are still to be read */
} ri_subscription_reader;

/* False: that is no subscription. */
bool ri_subscription_begin(ri_subscription_reader *reader, ri_str metadata);
/* The next topic: 1; 0: there are no more; -1: what was said of them is not there. */
int ri_subscription_topic(ri_subscription_reader *reader, ri_str *topic);

#endif
