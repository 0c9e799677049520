/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"

int rill_subscribe(rill_bus *bus, rill_sub **sub, const char *subject, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    if (!sub) return ri_err(RILL_EINVAL, "sub is NULL");
    *sub = NULL;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!subject) return ri_err(RILL_EINVAL, "the subject is NULL");
    if ((rc = ri_args_opts(&own, sizeof own, opts, "rill_sub_opts")) < 0) return rc;
    if ((unsigned)own.when_full > RILL_FULL_DISCONNECT)
        return ri_err(RILL_EINVAL, "when_full is %d", (int)own.when_full);
    if (own.on_publisher && !own.on_msg)
        return ri_err(RILL_EINVAL, "on_publisher needs an on_msg to run");
    return ri_local_subscribe(bus, sub, subject, &own);
}

int rill_next(rill_sub *sub, const rill_msg **m, int timeout_ms)
{
    if (!m) return ri_err(RILL_EINVAL, "m is NULL");
    *m = NULL;
    int rc = ri_args_sub(sub);
    if (ri_likely(rc == RILL_OK)) rc = ri_local_read(sub, m, 1, ri_timeout_ns(timeout_ms));
    return rc < 0 ? rc : RILL_OK;
}

int rill_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms)
{
    if (!msgs || max == 0) return ri_err(RILL_EINVAL, "there is no room for messages");
    msgs[0] = NULL;
    int rc = ri_args_sub(sub);
    return rc < 0 ? rc : ri_local_read(sub, msgs, max, ri_timeout_ns(timeout_ms));
}

int rill_sub_fd(rill_sub *sub)
{
    int rc = ri_args_sub(sub);
    if (rc < 0) return rc;
    if (sub->on_msg) return ri_err(RILL_EINVAL, "the subscription has a callback");
    return ri_local_sub_fd(sub);
}

int rill_sub_stop(rill_sub *sub)
{
    int rc = ri_args_sub(sub);
    return rc < 0 ? rc : ri_local_sub_stop(sub);
}

void rill_sub_close(rill_sub *sub)
{
    if (sub && ri_args_sub(sub) == RILL_OK) ri_local_sub_close(sub);
}

int rill_sub_status(rill_sub *sub, rill_sub_info *out)
{
    int rc = ri_args_sub(sub);
    if (rc < 0) return rc;
    rill_sub_info own = {.size = sizeof own};
    ri_local_sub_status(sub, &own);
    return ri_args_out(&own, sizeof own, out, "rill_sub_info");
}
