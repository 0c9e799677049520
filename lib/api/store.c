/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "api/build.h"
#include "front/handle/peer.h"

static int store_not_here(void)
{
    return ri_err(RILL_ENOTSUP, "the store is not of this process");
}

int rill_store_check(rill_bus *bus, rill_care_fn fn, void *arg)
{
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    return bus->ops->check ? bus->ops->check(bus, fn, arg) : store_not_here();
}

int rill_store_snapshot(rill_bus *bus, const char *dir)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && (!dir || !*dir)) rc = ri_err(RILL_EINVAL, "dir is NULL or empty");
    if (rc < 0) return rc;
    return bus->ops->snapshot ? bus->ops->snapshot(bus, dir) : store_not_here();
}

int rill_store_salvage(const char *from, const char *to, const rill_host *host, rill_care_fn fn,
                       void *arg)
{
    ri_host own;
    if (!from || !*from) return ri_err(RILL_EINVAL, "from is NULL or empty");
    if (to && !*to) return ri_err(RILL_EINVAL, "to is empty");
    ri_host_init(&own, host);
    return ri_build_salvage(from, to, &own, fn, arg);
}
