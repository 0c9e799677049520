/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of all subscriptions of a bus at once: their counts; and that they stop, and the
 * callbacks run for all that has come. */
#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "front/handle/peer.h"

void ri_bus_stats(rill_bus *bus, rill_stats *out)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_broker_enter(bus->broker);
    out->in_msgs = bus->party.in_msgs;
    out->in_bytes = bus->party.in_bytes;
    out->out_msgs = bus->party.out_msgs;
    out->out_bytes = bus->party.out_bytes;
    out->subs = bus->party.nsubs;
    ri_list_each (link, &bus->subs)
        out->dropped_msgs += ri_container_of(link, rill_sub, link)->dropped_msgs;
    if (bus->ops->stats) bus->ops->stats(bus, out);
    ri_broker_leave(bus->broker);
}

/* A drain that was started: the end of each dispatch, which it waits for by its nature, is none of
 * its signals, or the two would wake each other for as long as a callback runs elsewhere. */
static int drain_task(rill_bus *bus, int64_t until_ns)
{
    RI_ASSERT(ri_task_here() != NULL);
    bool drained = false;
    int64_t left = 1;
    ri_broker_enter(bus->broker);
    bus->draining++;
    while (!(drained = ri_bus_has_rest(bus)) && left != 0) {
        uint32_t seen = ri_park_count(&bus->rest);
        ri_broker_leave(bus->broker);
        left = ri_deadline_left_ns(&bus->host, until_ns);
        if (left != 0) ri_park_wait(&bus->rest, seen, left);
        ri_broker_enter(bus->broker);
    }
    bus->draining--;
    ri_broker_leave(bus->broker);
    return drained ? RILL_OK : ri_err(RILL_ETIMEDOUT, "callbacks still have messages to take");
}

static int drain_wait(rill_bus *bus, int64_t until_ns)
{
    if (ri_task_here()) return drain_task(bus, until_ns);
    for (;;) {
        ri_broker_enter(bus->broker);
        bool drained = !bus->dispatching && ri_bus_has_rest(bus);
        uint32_t seen = ri_park_count(&bus->quiet);
        ri_broker_leave(bus->broker);
        if (drained) return RILL_OK;
        int64_t left = ri_deadline_left_ns(&bus->host, until_ns);
        if (left == 0)
            return ri_err(RILL_ETIMEDOUT, "callbacks still have messages to take");
        bool runs = bus->drive == RILL_DRIVE_HOST && !bus->reap;
        int rc = runs ? ri_bus_poll(bus, left) : RILL_EBUSY;
        if (rc < 0 && rc != RILL_EBUSY) return rc;
        if (rc >= 0) continue;
        if (bus->reap) ri_bus_sleep(bus, &bus->quiet, seen, left); /* until others reap */
        else ri_park_wait(&bus->quiet, seen, left); /* another thread runs them */
    }
}

/* What a peer has sent before it hears that no more is wanted is in the queues then. */
static int drain_peer(rill_bus *bus, int timeout_ms)
{
    if (!bus->ops->finish) return RILL_OK;
    ri_broker_enter(bus->broker);
    ri_list_each (link, &bus->subs) ri_bus_sub_finish(ri_container_of(link, rill_sub, link));
    ri_broker_leave(bus->broker);
    return bus->ops->flush(bus, timeout_ms, false);
}

int ri_bus_drain(rill_bus *bus, int timeout_ms)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot wait for the others");
    int64_t timeout_ns = ri_timeout_ns(timeout_ms);
    int64_t until_ns = ri_deadline_in(&bus->host, timeout_ns);
    int rc = drain_peer(bus, timeout_ms);
    if (rc < 0) return rc;
    ri_broker_enter(bus->broker);
    ri_list_each (link, &bus->subs) {
        rill_sub *sub = ri_container_of(link, rill_sub, link);
        ri_bus_sub_end(sub);
        ri_bus_sub_call_runner(sub); /* it signals when it rests */
    }
    ri_broker_leave(bus->broker);
    return drain_wait(bus, until_ns);
}
