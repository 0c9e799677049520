/* SPDX-License-Identifier: Apache-2.0 */
/* What is published, as every floor passes it on. */
#ifndef RI_MESSAGE_H
#define RI_MESSAGE_H

#include "base/str.h"

/* Four spans that live as long as the call they are passed to. */
typedef struct ri_message {
    ri_str subject;
    ri_str reply;
    ri_str headers; /* a whole NATS/1.0 block, or empty */
    ri_str data;
    uint64_t hash;  /* ri_hash(subject), or 0: not computed yet */
} ri_message;

#endif
