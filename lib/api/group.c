/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/handle/peer.h"

static int group_args(rill_bus *bus, const char *stream, const char *group)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !stream) rc = ri_err(RILL_EINVAL, "the stream is NULL");
    if (rc == RILL_OK && !group) rc = ri_err(RILL_EINVAL, "the group is NULL");
    return rc;
}

int rill_group_ensure(rill_bus *bus, const char *stream, const char *group,
                      const rill_sub_opts *opts)
{
    rill_sub_opts own;
    int rc = group_args(bus, stream, group);
    if (rc == RILL_OK) rc = ri_args_sub_opts(&own, opts);
    return rc < 0 ? rc : ri_bus_group_ensure(bus, stream, group, &own);
}

int rill_group_status(rill_bus *bus, const char *stream, const char *group, rill_group_info *out)
{
    rill_group_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_group_info");
    if (rc == RILL_OK) rc = group_args(bus, stream, group);
    if (rc == RILL_OK) rc = ri_bus_group_status(bus, stream, group, &own);
    return rc < 0 ? rc : ri_args_out(&own, sizeof own, out, "rill_group_info");
}

int rill_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg)
{
    int rc = group_args(bus, stream, "");
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_group_each(bus, stream, fn, arg);
}

int rill_group_seek(rill_bus *bus, const char *stream, const char *group, const rill_at *at)
{
    rill_at own;
    int rc = group_args(bus, stream, group);
    if (rc == RILL_OK) rc = ri_args_seek(&own, at);
    return rc < 0 ? rc : ri_bus_group_seek(bus, stream, group, &own);
}

int rill_group_pause(rill_bus *bus, const char *stream, const char *group, int64_t until_ns)
{
    int rc = group_args(bus, stream, group);
    return rc < 0 ? rc : ri_bus_group_pause(bus, stream, group, until_ns);
}

int rill_group_delete(rill_bus *bus, const char *stream, const char *group)
{
    int rc = group_args(bus, stream, group);
    return rc < 0 ? rc : ri_bus_group_delete(bus, stream, group);
}
