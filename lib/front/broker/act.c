/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/act.h"

#include "base/assert.h"
#include "front/broker/broker.h"

static void act_on(ri_act *act, ri_door *door)
{
    if (door->at_id != act->id) return; /* it has gone, or never was */
    act->acted = door->ops->act ? door->ops->act(door, door->at, act->kind) : RI_ACTED_CANNOT;
}

bool ri_act_some(ri_act *act, ri_broker *broker, ri_budget *budget)
{
    RI_ASSERT(ri_broker_is_entered(broker));
    for (ri_door *d = ri_door_walk(broker, act->after); d; d = ri_door_walk_on(broker, d)) {
        if (d->at_id >= act->id) {
            act_on(act, d);
            return false;
        }
        bool left = ri_budget_spend(budget, 1);
        if (d->at_id <= act->after) continue;
        act->after = d->at_id;
        if (!left) return true;
    }
    return false;
}
