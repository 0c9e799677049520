/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "api/build.h"
#include "front/broker/registry.h"
#include "codec/nats/url.h"
#include "front/broker/durable.h"
#include "front/peer_local/local_durable.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int bus_opts(rill_opts *own, const rill_opts *opts)
{
    int rc = ri_args_opts(own, sizeof *own, opts, "rill_opts");
    if (rc < 0) return rc;
    if (own->drive != RILL_DRIVE_THREAD && own->drive != RILL_DRIVE_HOST)
        return ri_err(RILL_EINVAL, "drive is %d", (int)own->drive);
    ri_durable_opts durable;
    return ri_durable_set_sync(&durable, own->sync, own->sync_interval_ms);
}

int ri_build_bus(rill_bus **bus, ri_broker *broker, const rill_opts *opts)
{
    rill_opts own;
    int rc = bus_opts(&own, opts);
    return rc < 0 ? rc : ri_bus_open(bus, broker, &own);
}

/* One broker for each directory, whatever it is called by. */
static int bus_open_file(rill_bus **bus, const ri_url *url, const rill_opts *opts)
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
    if (rc == RILL_OK) rc = ri_bus_open(bus, broker, opts);
    ri_broker_unref(broker);
    return rc;
}

static int bus_open_mem(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    ri_broker *broker = NULL;
    rill_broker_opts broker_opts = {.size = sizeof broker_opts, .host = opts->host};
    int rc = url->path.len ? ri_registry_get(&broker, url->path, &broker_opts)
                           : ri_broker_new(&broker, &broker_opts);
    if (rc < 0) return rc;
    rc = ri_bus_open(bus, broker, opts);
    ri_broker_unref(broker); /* the bus has its own reference */
    return rc;
}

int rill_open(rill_bus **bus, const char *url, const rill_opts *opts)
{
    rill_opts own;
    ri_url parsed;
    ri_host host;
    if (!bus || !url) return ri_err(RILL_EINVAL, "%s is NULL", bus ? "url" : "bus");
    *bus = NULL;
    int rc = bus_opts(&own, opts);
    if (rc < 0) return rc;
    ri_host_init(&host, own.host);
    if ((rc = ri_url_parse(&parsed, &host, url)) < 0) return rc;
    if (parsed.scheme == RI_URL_MEM)
        rc = bus_open_mem(bus, &parsed, &own);
    else if (parsed.scheme == RI_URL_FILE)
        rc = bus_open_file(bus, &parsed, &own);
    else
        rc = ri_err(RILL_EINVAL, "this build opens mem: and file:, not %s",
                    ri_url_scheme_name(parsed.scheme));
    ri_url_fini(&parsed);
    return rc;
}

int rill_close(rill_bus *bus, int timeout_ms)
{
    if (!bus) return RILL_OK;
    if (bus->magic != RI_BUS_MAGIC) return ri_err(RILL_EINVAL, "that is no open bus");
    int rc = ri_args_process(bus->stamp);
    return rc < 0 ? rc : ri_bus_close(bus, timeout_ms);
}

int rill_flush(rill_bus *bus, int timeout_ms)
{
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot wait for a flush");
    ri_broker_enter(bus->broker);
    rc = ri_local_durable_flush(bus, ri_timeout_ns(timeout_ms));
    ri_broker_leave(bus->broker);
    return rc < 0 ? rc : ri_broker_flush(bus->broker, timeout_ms);
}

int rill_drain(rill_bus *bus, int timeout_ms)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK) rc = ri_bus_drain(bus, timeout_ms);
    return rc < 0 ? rc : rill_flush(bus, timeout_ms);
}

uint32_t rill_caps(const rill_bus *bus)
{
    static const uint32_t all = RILL_CAN_REQUEST | RILL_CAN_STREAM | RILL_CAN_KV | RILL_CAN_OBJECTS;
    return bus && bus->magic == RI_BUS_MAGIC ? all : 0;
}

static int bus_is_driven(rill_bus *bus)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && bus->drive != RILL_DRIVE_HOST)
        return ri_err(RILL_EINVAL, "the bus was not opened with RILL_DRIVE_HOST");
    return rc;
}

int rill_fd(rill_bus *bus)
{
    int rc = bus_is_driven(bus);
    if (rc < 0) return rc;
    int fd = ri_bus_fd(bus);
    return fd >= 0 ? fd : ri_err_os(RILL_EIO, -fd, "eventfd");
}

int rill_wait_ms(rill_bus *bus)
{
    int rc = bus_is_driven(bus);
    if (rc < 0) return rc;
    ri_broker_enter(bus->broker);
    int64_t due = ri_bus_due_ns(bus);
    ri_broker_leave(bus->broker);
    return due < 0 ? -1 : (int)RI_MIN(ri_ns_add(due, RI_MS - 1) / RI_MS, INT32_MAX);
}

int rill_poll(rill_bus *bus, int timeout_ms)
{
    int rc = bus_is_driven(bus);
    if (rc < 0) return rc;
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot run its callbacks");
    return ri_bus_poll(bus, ri_timeout_ns(timeout_ms));
}

int rill_bus_stats(rill_bus *bus, rill_stats *out)
{
    rill_stats own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_stats");
    if (rc == RILL_OK) rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    ri_bus_stats(bus, &own);
    return ri_args_out(&own, sizeof own, out, "rill_stats");
}
