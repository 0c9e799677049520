/* SPDX-License-Identifier: Apache-2.0 */
/* One connection is ended, or hears that its server is about to go: it is looked for in slices. */
#ifndef RI_ACT_H
#define RI_ACT_H

#include "base/budget.h"
#include "front/broker/door.h"

typedef struct ri_act {
    uint64_t id;
    ri_act_kind kind;
    ri_acted acted;          /* what came of it */
    uint64_t after;          /* the rest is its own, zeroed: where it looks next */
} ri_act;

/* Inside the gate: true where the turn ends before it is found. */
bool ri_act_some(ri_act *act, struct ri_broker *broker, ri_budget *budget);

#endif
