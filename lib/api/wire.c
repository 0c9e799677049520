/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "net/host_wire.h"

int rill_wire_new(rill_wire **wire, const rill_wire_ops *ops, void *arg, const rill_host *host)
{
    if (!wire) return ri_err(RILL_EINVAL, "wire is NULL");
    *wire = NULL;
    if (!ops) return ri_err(RILL_EINVAL, "ops is NULL");
    rill_wire_ops own;
    int rc = ri_args_opts(&own, sizeof own, ops, "rill_wire_ops");
    return rc < 0 ? rc : ri_host_wire_new(wire, &own, arg, host);
}

void rill_wire_ready(rill_wire *wire)
{
    ri_host_wire_ready(wire);
}

int rill_wire_close(rill_wire *wire)
{
    ri_wire *own;
    if (!wire) return RILL_OK;
    int rc = ri_host_wire_take(wire, &own);
    if (rc == RILL_OK) own->ops->close(own);
    return rc;
}
