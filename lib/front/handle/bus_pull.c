/* SPDX-License-Identifier: Apache-2.0 */
/* Readers whose messages stay with their peer until they are read, because that has queues of its
 * own, and who have neither acks nor a callback:
 *
 *     the peer's queue --- pull(), by the thread that reads ---> views, and their bytes in `loan`
 *
 * No packet is made of such a message, no other thread touches it, and the gate is entered for each
 * read, not for each message. What the peer does when a queue ceases to be empty is to call
 * ri_bus_pull_ready(), which wakes who sleeps there. The chain of such a subscription is empty; all
 * else of it is as with others. And what makes a queue readable, of these and of all others. */
#include "base/assert.h"
#include "base/error.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

bool ri_bus_is_pulled(const rill_sub *sub)
{
    return sub->consumer && sub->consumer->pulled;
}

bool ri_bus_pull_waits(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    return ri_bus_is_pulled(sub) && sub->bus->ops->pullable(sub);
}

void ri_bus_pull_ready(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_bus_is_pulled(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_bus_sub_wake(sub);
}

/* Who finds a message each time never sleeps, where a host-driven peer would have its turns. */
static void pull_turn(rill_bus *bus)
{
    if (bus->drive != RILL_DRIVE_HOST || !bus->ops->turn) return;
    ri_broker_enter(bus->broker);
    if (bus->ops->due_ns(bus) == 0) bus->ops->turn(bus);
    ri_broker_leave(bus->broker);
}

int ri_bus_pull_read(rill_sub *sub, const rill_msg **msgs, size_t max, int64_t timeout_ns)
{
    int64_t until = -1;
    int rc = RILL_OK, n = 0;
    RI_ASSERT(ri_bus_is_pulled(sub) && !sub->on_msg && max > 0);
    if (max > 1 && (rc = ri_bus_sub_reserve(sub, max)) < 0) return rc;
    ri_bus_msg *views = max > 1 ? sub->views : &sub->view;
    pull_turn(sub->bus);
    while (rc == RILL_OK && (n = sub->bus->ops->pull(sub, views, (uint32_t)max)) == 0)
        rc = ri_bus_sub_sleep(sub, timeout_ns, &until);
    for (int i = 0; i < n; i++) msgs[i] = &views[i].m;
    return rc < 0 ? rc : n;
}

/* ---- A descriptor ---- */

/* A watched queue that was emptied is not readable any more. */
void ri_bus_pull_calm(rill_sub *sub)
{
    RI_ASSERT(sub->watched);
    ri_broker_enter(sub->bus->broker);
    bool empty = ri_chain_empty(&sub->chain) && !ri_bus_pull_waits(sub);
    if (empty && !sub->ended) ri_park_calm(&sub->park);
    ri_broker_leave(sub->bus->broker);
}

int ri_bus_sub_fd(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_broker_enter(sub->bus->broker);
    int fd = ri_park_fd(&sub->park);
    if (fd >= 0) {
        sub->watched = true;
        /* A reader may take one at this moment. */
        bool waits = sub->pushed_msgs != atomic_load(&sub->popped_msgs) || ri_bus_is_pulled(sub);
        if (waits || sub->ended) ri_park_signal(&sub->park);
    }
    ri_broker_leave(sub->bus->broker);
    return fd >= 0 ? fd : ri_err_os(RILL_EIO, -fd, "eventfd");
}
