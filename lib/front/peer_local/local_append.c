/* SPDX-License-Identifier: Apache-2.0 */
/* The durable half as a handle meets it: entering, turns, waiting for a commit, appending. */
#include "base/error.h"
#include "front/peer_local/local_parts.h"
#include "net/task.h"

int ri_local_durable_enter(rill_bus *bus, ri_durable **durable)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    static const ri_durable_opts hosted = {.hosted = true};
    ri_broker *broker = bus->broker;
    int rc = RILL_OK;
    if (ri_unlikely(ri_local_is_elsewhere(bus)))
        return ri_err(RILL_ENOTSUP, "a bus has streams in $G alone");
    ri_broker_enter(broker);
    if (ri_unlikely(!broker->durable)) {
        ri_broker_leave(broker);
        rc = ri_broker_need_durable(broker, bus->drive == RILL_DRIVE_HOST ? &hosted : NULL);
        if (rc < 0) return rc;
        ri_broker_enter(broker);
    }
    *durable = broker->durable;
    if (!*durable || atomic_load(&bus->closed))
        rc = ri_err(RILL_ECLOSED, "the bus is closed");
    else if (bus->drive == RILL_DRIVE_THREAD)
        rc = ri_driver_need_thread(broker);
    if (rc < 0) ri_broker_leave(broker);
    else ri_durable_clock(*durable);
    return rc;
}

int ri_local_enter(rill_bus *bus)
{
    ri_durable *durable;
    return ri_local_durable_enter(bus, &durable);
}

int ri_local_pass(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_budget *budget = &bus->broker->router.budget;
    ri_budget_close(budget);
    ri_durable_touched(bus->broker->durable);
    ri_broker_leave(bus->broker);
    ri_gate_pass(&bus->broker->gate);
    ri_task_pass();
    int rc = ri_local_enter(bus);
    if (rc < 0) ri_broker_enter(bus->broker);
    else ri_budget_open(budget);
    return rc;
}

typedef struct local_wait {
    ri_js_waiter waiter;
    ri_failure failure; /* of the commit, maybe on another thread */
    bool over;
} local_wait;

static void local_wait_done(ri_js_waiter *waiter, int rc)
{
    local_wait *wait = ri_container_of(waiter, local_wait, waiter);
    ri_failure_keep(&wait->failure, rc);
    wait->over = true;
}

static int local_wait_result(const local_wait *wait)
{
    if (wait->failure.code == RILL_ECLOSED)
        return ri_err(RILL_ECLOSED, "the broker was closed before the commit");
    return ri_failure_restore(&wait->failure);
}

int ri_local_durable_wait(ri_durable *durable, ri_log *log)
{
    local_wait wait = {.waiter = {.done = local_wait_done}};
    ri_list_init(&wait.waiter.link);
    ri_js_wait(ri_durable_js(durable), log, &wait.waiter);
    ri_durable_wait(durable, &wait.over, -1);
    return local_wait_result(&wait);
}

int ri_local_durable_flush(rill_bus *bus, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable = bus->broker->durable;
    if (!durable) return RILL_OK;
    local_wait wait = {.waiter = {.done = local_wait_done}};
    ri_list_init(&wait.waiter.link);
    ri_js_wait(ri_durable_js(durable), NULL, &wait.waiter);
    if (!ri_durable_wait(durable, &wait.over, timeout_ns)) {
        ri_list_remove(&wait.waiter.link);
        return ri_err(RILL_ETIMEDOUT, "the commit is still under way");
    }
    return local_wait_result(&wait);
}

/* ---- Appending ---- */

int ri_local_append(rill_bus *bus, const ri_publish *p, bool awaited)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_durable *durable = bus->broker->durable;
    bool guarded = ri_local_is_guarded(bus);
    int rc = guarded ? ri_local_guard_publish(bus, p->m->subject) : RILL_OK;
    if (ri_unlikely(rc < 0)) return rc;
    p->append->partition = ri_local_parts_of(bus, p->m->subject);
    rc = ri_js_publish(ri_durable_js(durable), &bus->party, p);
    if (!awaited && ri_durable_waits(durable)) ri_durable_nudge(durable);
    return rc;
}

int ri_local_append_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    uint32_t partition = 0;
    int rc = ri_local_is_guarded(bus) ? ri_local_guard_batch(bus, batch) : RILL_OK;
    if (rc < 0) return rc;
    if (batch->count)
        partition = ri_local_parts_of(bus, ri_js_batch_at(batch, batch->count - 1).subject);
    rc = ri_js_publish_batch(ri_durable_js(bus->broker->durable), &bus->party, batch, append);
    append->partition = partition; /* whoever waits is not answered before the commit */
    return rc;
}

bool ri_local_await(rill_bus *bus, const bool *over, int64_t timeout_ns)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return !bus->broker->durable || ri_durable_wait(bus->broker->durable, over, timeout_ns);
}
