/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/driver.h"

#include "base/assert.h"
#include "base/error.h"
#include "front/broker/durable.h"
#include "front/broker/member.h"
#include "net/thread.h"

#define DRIVER_PACE_NS 50000 /* between turns of the thread that are not paced by syncs */

/* ---- The row ---- */

static void driver_look(ri_broker *broker)
{
    ri_driver *first = ri_container_of(broker->drivers.next, ri_driver, link);
    if (broker->driver == first) return;
    broker->driver = first;
    first->ops->wake(first); /* it knows nothing of what is due */
}

void ri_driver_join(ri_broker *broker, ri_driver *driver)
{
    RI_ASSERT(!ri_list_linked(&driver->link));
    RI_CHECK(broker, RI_BROKER_MAGIC);
    ri_list *behind = &broker->drivers;
    ri_list_each (link, &broker->drivers) {
        const ri_driver *other = ri_container_of(link, ri_driver, link);
        if (behind == &broker->drivers && other->ops->rank < driver->ops->rank) behind = link;
    }
    ri_list_push(behind, &driver->link); /* in front of that one, behind those of its own rank */
    driver_look(broker);
}

void ri_driver_leave(ri_broker *broker, ri_driver *driver)
{
    RI_ASSERT(driver != &broker->hosts);
    RI_CHECK(broker, RI_BROKER_MAGIC);
    ri_list_remove(&driver->link);
    driver_look(broker);
}

/* ---- The hosts of this process's buses ---- */

static void driver_wake_hosts(ri_driver *driver)
{
    ri_broker *broker = ri_container_of(driver, ri_broker, hosts);
    ri_list_each (link, &broker->members) {
        ri_member *member = ri_container_of(link, ri_member, link);
        member->ops->work(member);
    }
}

/* ---- The thread ---- */

static void driver_wake_thread(ri_driver *driver)
{
    ri_driver_thread *t = ri_container_of(driver, ri_driver_thread, driver);
    if (!t->sleeping) return; /* it looks before it sleeps */
    t->sleeping = false;
    ri_park_signal(&t->park);
}

/* Inside the gate, which it leaves. A commit that is not synced takes a few microseconds: under a
 * stream of appends that nobody waits for, each would hold a handful and fight for the gate. */
static void driver_pace(ri_driver_thread *t, int64_t begun_ns)
{
    ri_broker *broker = t->broker;
    int64_t left_ns = begun_ns + DRIVER_PACE_NS - ri_mono_ns(&broker->host);
    if (left_ns <= 0 || t->ended || broker->driver != &t->driver) return;
    if (!ri_durable_is_dirty(t->durable)) return;
    uint32_t seen = ri_park_count(&t->park);
    ri_broker_leave(broker);
    ri_park_wait(&t->park, seen, left_ns);
    ri_broker_enter(broker);
}

static void driver_write_handed(ri_driver_thread *t)
{
    if (ri_likely(!t->handed)) return;
    t->handed = false;
    ri_durable_write_handed(t->durable);
}

static void *driver_run(void *arg)
{
    ri_driver_thread *t = arg;
    ri_broker *broker = t->broker;
    ri_broker_enter(broker);
    while (!t->ended) {
        int64_t begun_ns = ri_mono_ns(&broker->host);
        driver_write_handed(t);
        if (broker->driver == &t->driver) ri_durable_turn(t->durable);
        driver_pace(t, begun_ns);
        int64_t due_ns = broker->driver == &t->driver ? ri_durable_due_ns(t->durable) : -1;
        uint32_t seen = ri_park_count(&t->park);
        t->sleeping = due_ns != 0 && !t->handed && !t->ended;
        bool sleep = t->sleeping;
        ri_broker_leave(broker);
        if (sleep) ri_park_wait(&t->park, seen, due_ns);
        else ri_gate_pass(&broker->gate);
        ri_broker_enter(broker);
        t->sleeping = false;
    }
    driver_write_handed(t);
    ri_broker_leave(broker);
    return NULL;
}

int ri_driver_need_thread(ri_broker *broker)
{
    RI_CHECK(broker, RI_BROKER_MAGIC);
    ri_driver_thread *t = &broker->thread;
    if (ri_likely(t->started)) return RILL_OK;
    RI_ASSERT(broker->durable && !t->ended);
    t->durable = broker->durable;
    int err = ri_thread_start(&t->thread, driver_run, t, 0);
    if (err) return ri_err_os(RILL_ENOMEM, err, "start the thread that commits");
    t->started = true;
    ri_driver_join(broker, &t->driver);
    return RILL_OK;
}

bool ri_driver_has_thread(const ri_broker *broker)
{
    return broker->thread.started && !broker->thread.ended;
}

void ri_driver_hand_commit(ri_broker *broker)
{
    ri_driver_thread *t = &broker->thread;
    RI_ASSERT(t->started && !t->handed);
    t->handed = true;
    driver_wake_thread(&t->driver);
}

void ri_driver_stop_thread(ri_broker *broker)
{
    ri_driver_thread *t = &broker->thread;
    ri_broker_enter(broker);
    RI_ASSERT(!broker->durable);
    bool started = t->started;
    t->ended = true;
    t->started = false;
    ri_driver_leave(broker, &t->driver);
    ri_park_signal(&t->park);
    ri_broker_leave(broker);
    if (started) pthread_join(t->thread, NULL);
}

/* ---- Life ---- */

void ri_driver_init(ri_broker *broker)
{
    static const ri_driver_ops hosts = {.rank = RI_DRIVER_HOSTS, .wake = driver_wake_hosts};
    static const ri_driver_ops thread = {.rank = RI_DRIVER_THREAD, .alone = true,
                                         .wake = driver_wake_thread};
    ri_list_init(&broker->drivers);
    broker->hosts.ops = &hosts;
    broker->thread.driver.ops = &thread;
    broker->thread.broker = broker;
    ri_list_init(&broker->thread.driver.link);
    ri_park_init(&broker->thread.park);
    ri_list_push(&broker->drivers, &broker->hosts.link);
    broker->driver = &broker->hosts;
}

void ri_driver_fini(ri_broker *broker)
{
    RI_ASSERT(broker->driver == &broker->hosts && !broker->thread.started);
    ri_park_fini(&broker->thread.park);
}
