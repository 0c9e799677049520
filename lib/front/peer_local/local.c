/* SPDX-License-Identifier: Apache-2.0 */
/* The broker of this process as a peer: it is at hand, inside the gate that the handle enters
 * anyway, so there is no connection, and what is asked is answered by a call. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "front/broker/registry.h"
#include "front/peer_local/local_parts.h"

static uint32_t local_caps(const rill_bus *bus)
{
    if (ri_local_is_elsewhere(bus)) return RILL_CAN_REQUEST;
    return RILL_CAN_REQUEST | RILL_CAN_STREAM | RILL_CAN_KV | RILL_CAN_OBJECTS;
}

static int local_flush(rill_bus *bus, int timeout_ms, bool stored)
{
    ri_broker_enter(bus->broker);
    int rc = stored ? ri_local_durable_flush(bus, ri_timeout_ns(timeout_ms)) : RILL_OK;
    ri_broker_leave(bus->broker);
    return rc < 0 ? rc : ri_broker_flush(bus->broker, timeout_ms);
}

/* The streams of a broker that has no thread are driven from here, and its doors if its host turns
 * them: their input comes first, and what a commit lets go to them goes at once. */
static void local_turn(rill_bus *bus)
{
    ri_broker *b = bus->broker;
    ri_hosted_turn(b);
    if (!b->durable || ri_durable_due_ns(b->durable) != 0) return;
    ri_durable_turn(b->durable);
    if (b->output_waits || ri_hosted_due_ns(b) == 0) ri_hosted_turn(b);
}

static int64_t local_due_ns(rill_bus *bus)
{
    ri_durable *durable = bus->broker->durable;
    int64_t due_ns = ri_hosted_due_ns(bus->broker);
    int64_t stored_ns = durable ? ri_durable_due_ns(durable) : -1;
    if (due_ns < 0 || stored_ns < 0) return RI_MAX(due_ns, stored_ns);
    return RI_MIN(due_ns, stored_ns);
}

static void local_sleep(rill_bus *bus, uint32_t seen, int64_t timeout_ns)
{
    if (bus->broker->hosted.on) ri_hosted_sleep(bus->broker, &bus->park, seen, timeout_ns);
    else ri_park_wait(&bus->park, seen, timeout_ns);
}

static ri_hosted_eye *local_eye(rill_bus *bus)
{
    return &ri_container_of(bus, ri_local_bus, bus)->eye;
}

static int local_fd(rill_bus *bus)
{
    if (!bus->broker->hosted.on) return ri_park_fd(&bus->park);
    return ri_hosted_eye_fd(bus->broker, local_eye(bus), &bus->park);
}

static void local_fini(rill_bus *bus)
{
    ri_broker_enter(bus->broker);
    ri_hosted_eye_close(bus->broker, local_eye(bus));
    ri_local_guard_fini(bus);
    ri_broker_leave(bus->broker);
}

static bool local_event(rill_bus *bus, rill_event *ev, ri_failure *detail)
{
    (void)ev;
    const ri_durable *durable = bus->broker->durable;
    return durable && ri_durable_next_trouble(durable, &bus->troubles_given, detail);
}

static void local_stats(rill_bus *bus, rill_stats *out)
{
    if (bus->broker->durable) ri_durable_stats(bus->broker->durable, out);
}

static bool local_rewinds(const rill_bus *bus)
{
    (void)bus;
    return true;
}

static int local_subscribe(rill_bus *bus, ri_subscription *core)
{
    int rc = ri_local_is_guarded(bus) ? ri_local_guard_subscribe(bus, core) : RILL_OK;
    return rc < 0 ? rc : ri_router_subscribe(&bus->party, core);
}

static void local_unsubscribe(rill_bus *bus, ri_subscription *core)
{
    (void)bus;
    ri_router_unsubscribe(core);
}

/* ---- Open ---- */

int ri_local_join(rill_bus **bus, ri_broker *broker, const rill_opts *opts)
{
    ri_access *access = NULL;
    bool guarded = opts->identity != NULL;
    int rc = guarded ? ri_access_new(&broker->host, &opts->identity, 1, &access) : RILL_OK;
    if (rc < 0) return ri_err_wrap(rc, "identity");
    if (!guarded) return ri_bus_open(bus, &ri_local_peer, broker, opts);
    rill_bus *made;
    if ((rc = ri_bus_make(&made, &ri_local_peer, broker, opts)) < 0) {
        ri_access_unref(access);
        return rc;
    }
    ri_broker_enter(broker);
    rc = ri_local_guard_set(made, access);
    ri_broker_leave(broker);
    if (rc < 0) return ri_bus_give_up(made, rc);
    if ((rc = ri_bus_begin(made)) == RILL_OK) *bus = made;
    return rc;
}

/* One broker for each directory, whatever it is called by. */
static int local_open_file(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    ri_broker *broker = NULL;
    char path[PATH_MAX], key[PATH_MAX + 8];
    rill_broker_opts broker_opts = {.size = sizeof broker_opts, .host = opts->host};
    ri_durable_opts durable_opts = {.dir = path, .hosted = opts->drive == RILL_DRIVE_HOST};
    if (mkdir(url->path.ptr, 0700) < 0 && errno != EEXIST)
        return ri_err_os(RILL_EIO, errno, "make the directory %s", url->path.ptr);
    if (!realpath(url->path.ptr, path))
        return ri_err_os(RILL_EIO, errno, "open the directory %s", url->path.ptr);
    int len = snprintf(key, sizeof key, "file:%s", path);
    int rc = ri_durable_set_sync(&durable_opts, opts->sync, opts->sync_interval_ms);
    if (rc < 0) return rc;
    rc = ri_registry_get(&broker, (ri_str){key, (size_t)len}, &broker_opts);
    if (rc < 0) return rc;
    rc = ri_broker_need_durable(broker, &durable_opts);
    if (rc == RILL_OK) rc = ri_local_join(bus, broker, opts);
    ri_broker_unref(broker);
    return rc;
}

static int local_open(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    ri_broker *broker = NULL;
    rill_broker_opts broker_opts = {.size = sizeof broker_opts, .host = opts->host};
    if (url->scheme == RI_URL_FILE) return local_open_file(bus, url, opts);
    int rc = url->path.len ? ri_registry_get(&broker, url->path, &broker_opts)
                           : ri_broker_new(&broker, &broker_opts);
    if (rc < 0) return rc;
    rc = ri_local_join(bus, broker, opts);
    ri_broker_unref(broker); /* the bus has its own reference */
    return rc;
}

const ri_peer_ops ri_local_peer = {
    .bytes = sizeof(ri_local_bus),
    .partitions = true,
    .ids = true,
    .schemes = 1u << RI_URL_MEM | 1u << RI_URL_FILE,
    .open = local_open,
    .caps = local_caps,
    .fini = local_fini,
    .flush = local_flush,
    .turn = local_turn,
    .due_ns = local_due_ns,
    .sleep = local_sleep,
    .fd = local_fd,
    .event = local_event,
    .stats = local_stats,
    .publish = ri_local_publish,
    .subscribe = local_subscribe,
    .unsubscribe = local_unsubscribe,
    .enter = ri_local_enter,
    .route = ri_local_parts_route,
    .append = ri_local_append,
    .append_batch = ri_local_append_batch,
    .await = ri_local_await,
    .ask = ri_local_ask,
    .rewinds = local_rewinds,
    .more = ri_local_consume_more,
    .enough = ri_local_consume_enough,
    .hand_out = ri_local_consume_hand_out,
    .settle = ri_local_consume_settle,
    .leave = ri_local_consume_leave,
    .check = ri_local_store_check,
    .snapshot = ri_local_store_snapshot,
};
