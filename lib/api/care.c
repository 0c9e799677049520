/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/local_durable.h"

int rill_store_check(rill_bus *bus, rill_care_fn fn, void *arg)
{
    int rc = ri_args_bus(bus);
    return rc < 0 ? rc : ri_local_care_check(bus, fn, arg);
}

int rill_store_snapshot(rill_bus *bus, const char *dir)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && (!dir || !*dir)) rc = ri_err(RILL_EINVAL, "dir is NULL or empty");
    return rc < 0 ? rc : ri_local_care_snapshot(bus, dir);
}

int rill_store_salvage(const char *from, const char *to, const rill_host *host, rill_care_fn fn,
                       void *arg)
{
    ri_host own;
    if (!from || !to || !*from || !*to)
        return ri_err(RILL_EINVAL, "a directory is NULL or empty");
    ri_host_init(&own, host);
    return ri_local_care_salvage(from, to, &own, fn, arg);
}
