/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle/ask.h"

#include "base/assert.h"
#include "front/handle/peer.h"

void ri_ask_over(ri_ask *ask, int rc)
{
    RI_ASSERT(!ask->over && rc != RI_PEER_LATER);
    ri_list_remove(&ask->link);
    if (rc < 0) ri_failure_keep(&ask->failure, rc);
    ask->rc = rc;
    ask->over = true;
    ri_bus_notify(ask->bus);
}

void ri_ask_put_name(ri_buffer *names, ri_str name)
{
    if (memchr(name.ptr, 0, name.len)) return;
    ri_buffer_put_str(names, name);
    ri_buffer_put(names, "", 1);
}

/* Inside the gate, which this leaves and enters again. */
static int ask_wait(rill_bus *bus, ri_ask *ask)
{
    int64_t timeout_ns = ask->kind == RI_ASK_API ? ask->timeout_ns : bus->answer_ns;
    if (ri_bus_await(bus, &ask->over, timeout_ns))
        return ask->rc < 0 ? ri_failure_restore(&ask->failure) : ask->rc;
    ri_list_remove(&ask->link);
    if (atomic_load(&bus->closed))
        return ri_err(RILL_ECLOSED, "the bus was closed before there was an answer");
    return ri_err(RILL_ETIMEDOUT, "there was no answer in time");
}

int ri_ask_run(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ask->bus = bus;
    ask->over = false;
    ri_list_init(&ask->link);
    int rc = ri_bus_enter(bus);
    if (rc < 0) return rc;
    rc = bus->ops->ask(bus, ask);
    if (rc == RI_PEER_LATER) rc = ask_wait(bus, ask);
    ri_broker_leave(bus->broker);
    return rc;
}
