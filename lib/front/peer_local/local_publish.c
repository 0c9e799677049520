/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing from a program: the message goes through the gate on the caller's thread. */
#include "front/broker/durable.h"
#include "front/peer_local/local.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"

#define LOCAL_FAN_NS RI_MS /* between two looks whether a message to very many may go on */

/* Inside the gate: is some reader of `match` that makes publishers wait too full for this
 * message? */
static bool local_is_blocked(const ri_match *match, const ri_message *m)
{
    for (uint32_t i = 0; match && i < match->nplain; i++) {
        ri_subscription *sub = ri_container_of(match->plain[i], ri_subscription, entry);
        const ri_party_ops *ops = sub->party->ops;
        if (ops->has_room && !ops->has_room(sub->party, sub, m)) return true;
    }
    return false;
}

/* Enter the gate at a moment when nobody who makes publishers wait is full. *match: who gets the
 * message, if that was looked up. */
static int local_enter_unblocked(rill_bus *bus, const ri_message *m, const ri_match **match)
{
    ri_broker *broker = bus->broker;
    int64_t until = 0;
    for (;;) {
        ri_broker_enter(broker);
        if (ri_likely(broker->blocking_subs == 0)) return RILL_OK;
        ri_account *account = bus->party.account;
        if (ri_unlikely(!account)) return RILL_OK; /* it is closed, which is found below */
        *match = ri_match_cache_get(&account->cache, &account->interest, m->subject);
        if (!local_is_blocked(*match, m)) return RILL_OK;
        uint32_t seen = ri_park_count(&broker->room);
        ri_broker_leave(broker);
        int64_t now = ri_mono_ns(&bus->host);
        if (until == 0) until = ri_ns_add(now, ri_ns_of_ms(bus->send_timeout_ms));
        if (bus->send_timeout_ms >= 0 && now >= until)
            return ri_err(RILL_EAGAIN, "a reader of %.*s has no room", RI_ARG(m->subject));
        ri_park_wait(&broker->room, seen, bus->send_timeout_ms < 0 ? -1 : ri_ns_sub(until, now));
        if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    }
}

/* Inside the gate, which it leaves and enters again: the message is for so many that others get in
 * between. */
static void local_fan_on(rill_bus *bus, ri_fan **fan)
{
    ri_broker *broker = bus->broker;
    ri_budget *budget = &broker->router.budget;
    bool more = true;
    while (more) {
        bool others = broker->router.fan != *fan;
        bool rests = others || ri_broker_is_crowded(broker);
        uint32_t seen = ri_park_count(&broker->room);
        ri_broker_leave(broker);
        if (rests) ri_hosted_wait(broker, &broker->room, seen, LOCAL_FAN_NS);
        else ri_gate_pass(&broker->gate);
        ri_broker_enter(broker);
        if (atomic_load(&bus->closed)) break;
        if (rests && ri_broker_is_crowded(broker)) continue;
        ri_budget_open(budget);
        more = ri_router_fan_on(fan);
        ri_budget_close(budget);
    }
    ri_router_fan_drop(fan);
}

int ri_local_publish(rill_bus *bus, const ri_message *m)
{
    ri_broker *broker = bus->broker;
    const ri_match *match = NULL;
    int rc = local_enter_unblocked(bus, m, &match);
    if (ri_unlikely(rc < 0)) return rc;
    ri_bus_inline frame = {.m = m};
    rc = ri_bus_check(bus, m);
    if (ri_unlikely(ri_local_is_guarded(bus)) && rc == RILL_OK)
        rc = ri_local_guard_message(bus, m);
    if (ri_likely(rc == RILL_OK)) {
        broker->router.time_ns = ri_coarse_ns(&broker->host);
        ri_fan *fan = NULL; /* nobody waits for readers in between: then all get it at once */
        ri_failure refused;
        refused.code = RILL_OK;
        ri_publish p = {.m = m, .frame = &frame, .fan = broker->blocking_subs ? NULL : &fan,
                        .refused = &refused, .match = match};
        rc = ri_router_publish(&bus->party, &p);
        if (ri_unlikely(fan != NULL)) local_fan_on(bus, &fan);
        if (ri_unlikely(refused.code < 0)) ri_bus_report_refused(bus, &refused);
    }
    if (ri_unlikely(broker->durable != NULL) && ri_durable_waits(broker->durable))
        ri_durable_nudge(broker->durable);
    uint32_t stalled = broker->stalled;
    ri_broker_leave(broker);
    if (frame.first) ri_bus_inline_run(broker, &frame);
    if (ri_unlikely(stalled)) ri_broker_pause(broker);
    return rc;
}
