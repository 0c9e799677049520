/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "api/build.h"
#include "front/handle/peer.h"

#include <limits.h>

static bool bus_may_have_tls(ri_url_scheme scheme)
{
    return scheme == RI_URL_NATS || scheme == RI_URL_TLS || scheme == RI_URL_UNIX ||
           scheme == RI_URL_WSS;
}

int rill_open(rill_bus **bus, const char *url, const rill_opts *opts)
{
    rill_opts own;
    rill_tls tls;
    ri_url parsed;
    ri_host host;
    if (!bus || !url) return ri_err(RILL_EINVAL, "%s is NULL", bus ? "url" : "bus");
    *bus = NULL;
    int rc = ri_args_bus_opts(&own, opts);
    if (rc == RILL_OK) rc = ri_args_tls(&tls, &own.tls);
    if (rc == RILL_OK && own.identity)
        rc = ri_err(RILL_EINVAL, "identity: only rill_broker_bus() gives a bus one");
    if (rc == RILL_OK && (own.memory || own.flash))
        rc = ri_err(RILL_ENOTSUP, "memory and flash are for a build for firmware: -Dprofile=micro");
    if (rc < 0) return rc;
    ri_host_init(&host, own.host);
    if ((rc = ri_url_parse(&parsed, &host, url)) < 0) return rc;
    if (own.tls && !bus_may_have_tls(parsed.scheme))
        rc = ri_err(RILL_EINVAL, "tls is for nats://, tls://, wss:// and unix:, not for %s:",
                    ri_url_scheme_name(parsed.scheme));
    else
        rc = ri_build_open(bus, &parsed, &own);
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
    return bus->ops->flush(bus, timeout_ms, true);
}

int rill_drain(rill_bus *bus, int timeout_ms)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK) rc = ri_bus_drain(bus, timeout_ms);
    return rc < 0 ? rc : rill_flush(bus, timeout_ms);
}

uint32_t rill_caps(const rill_bus *bus)
{
    return bus && bus->magic == RI_BUS_MAGIC ? bus->ops->caps(bus) : 0;
}

static int bus_is_driven(rill_bus *bus)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && bus->drive != RILL_DRIVE_HOST && !bus->reap)
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
    if (bus->reap) return ri_err(RILL_EINVAL, "a bus with reap is polled by rill_reap()");
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
