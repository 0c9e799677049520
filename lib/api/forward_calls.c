/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/forward/forward.h"

static int forward_opts(rill_forward_opts *own, const rill_forward_opts *opts)
{
    int rc = RI_ARGS_OPTS(own, opts, "rill_forward_opts");
    if (rc < 0) return rc;
    if ((unsigned)own->from > RILL_FROM_TIME)
        return ri_err(RILL_EINVAL, "from is %d", (int)own->from);
    if (own->from_seq && own->from != RILL_FROM_SEQ)
        return ri_err(RILL_EINVAL, "from_seq without from = RILL_FROM_SEQ");
    if (own->from_time_ns && own->from != RILL_FROM_TIME)
        return ri_err(RILL_EINVAL, "from_time_ns without from = RILL_FROM_TIME");
    return RILL_OK;
}

int rill_forward_open(rill_forward **forward, rill_bus *from, const char *stream, rill_bus *to,
                      const char *into, const rill_forward_opts *opts)
{
    rill_forward_opts own;
    if (!forward) return ri_err(RILL_EINVAL, "forward is NULL");
    *forward = NULL;
    int rc = ri_args_bus(from);
    if (rc == RILL_OK) rc = ri_args_bus(to);
    if (rc == RILL_OK) rc = forward_opts(&own, opts);
    return rc < 0 ? rc : ri_forward_open(forward, from, stream, to, into, &own);
}

static int forward_args(const rill_forward *forward)
{
    if (!forward) return ri_err(RILL_EINVAL, "the forward is NULL");
    if (!ri_forward_is_sound(forward)) return ri_err(RILL_EINVAL, "that is no open forward");
    return ri_args_process(forward->from->stamp);
}

int rill_forward_status(rill_forward *forward, rill_forward_info *out)
{
    rill_forward_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_forward_info");
    if (rc == RILL_OK) rc = forward_args(forward);
    if (rc == RILL_OK) rc = ri_forward_status(forward, &own);
    return rc < 0 ? rc : ri_args_out(&own, sizeof own, out, "rill_forward_info");
}

int rill_forward_close(rill_forward *forward, int timeout_ms)
{
    if (!forward) return RILL_OK;
    int rc = forward_args(forward);
    return rc < 0 ? rc : ri_forward_close(forward, ri_timeout_ns(timeout_ms));
}
