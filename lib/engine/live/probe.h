/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who wants to know where one message goes. Each report comes while that is published. */
#ifndef RI_PROBE_H
#define RI_PROBE_H

#include "base/str.h"

struct ri_party;
struct ri_subscription;

typedef struct ri_probe ri_probe;
struct ri_probe {
    bool only; /* the message is to arrive nowhere: it is looked where it would */
    /* This one has it, or would have. */
    void (*egress)(ri_probe *probe, const struct ri_party *party,
                   const struct ri_subscription *sub);
    /* A stream has it, or would have, under this subject; or it is of no interest there; or
     * (error of a length) it is refused. */
    void (*stored)(ri_probe *probe, ri_str stream, ri_str subject, bool no_interest, ri_str error);
};

#endif
