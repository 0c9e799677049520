/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/handle/peer.h"

/* `what` is the subject, or the stream. */
static int sub_args(rill_bus *bus, rill_sub **sub, const char *what, const rill_sub_opts *opts,
                    rill_sub_opts *own)
{
    if (!sub) return ri_err(RILL_EINVAL, "sub is NULL");
    *sub = NULL;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!what) return ri_err(RILL_EINVAL, "the subject, or stream, is NULL");
    return ri_args_sub_opts(own, opts);
}

int rill_subscribe(rill_bus *bus, rill_sub **sub, const char *subject, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    int rc = sub_args(bus, sub, subject, opts, &own);
    if (rc == RILL_OK) rc = ri_args_live(&own);
    return rc < 0 ? rc : ri_bus_sub_open(bus, sub, subject, &own);
}

int rill_consume(rill_bus *bus, rill_sub **sub, const char *stream, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    int rc = sub_args(bus, sub, stream, opts, &own);
    return rc < 0 ? rc : ri_bus_consume(bus, sub, stream, &own, RI_BUS_CONSUME, 0);
}

int rill_tail(rill_bus *bus, rill_sub **sub, const char *stream, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    int rc = sub_args(bus, sub, stream, opts, &own);
    if (rc == RILL_OK) rc = ri_args_tail(&own);
    return rc < 0 ? rc : ri_bus_consume(bus, sub, stream, &own, RI_BUS_TAIL, 0);
}

int rill_next(rill_sub *sub, const rill_msg **m, int timeout_ms)
{
    if (!m) return ri_err(RILL_EINVAL, "m is NULL");
    *m = NULL;
    int rc = ri_args_sub(sub);
    if (ri_likely(rc == RILL_OK)) rc = ri_bus_sub_read(sub, m, 1, ri_timeout_ns(timeout_ms));
    return rc < 0 ? rc : RILL_OK;
}

int rill_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms)
{
    if (!msgs || max == 0) return ri_err(RILL_EINVAL, "there is no room for messages");
    msgs[0] = NULL;
    int rc = ri_args_sub(sub);
    return rc < 0 ? rc : ri_bus_sub_read(sub, msgs, max, ri_timeout_ns(timeout_ms));
}

int rill_sub_fd(rill_sub *sub)
{
    int rc = ri_args_sub(sub);
    if (rc < 0) return rc;
    if (sub->on_msg) return ri_err(RILL_EINVAL, "the subscription has a callback");
    return ri_bus_sub_fd(sub);
}

int rill_seek(rill_sub *sub, const rill_at *at)
{
    rill_at own;
    int rc = ri_args_sub(sub);
    if (rc == RILL_OK) rc = ri_args_seek(&own, at);
    return rc < 0 ? rc : ri_bus_consume_seek(sub, &own);
}

int rill_sub_stop(rill_sub *sub)
{
    int rc = ri_args_sub(sub);
    return rc < 0 ? rc : ri_bus_sub_stop(sub);
}

void rill_sub_close(rill_sub *sub)
{
    (void)rill_sub_end(sub, -1);
}

int rill_sub_end(rill_sub *sub, int timeout_ms)
{
    int rc = sub ? ri_args_sub(sub) : RILL_OK;
    return rc < 0 || !sub ? rc : ri_bus_sub_close(sub, ri_timeout_ns(timeout_ms));
}

int rill_sub_status(rill_sub *sub, rill_sub_info *out)
{
    rill_sub_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_sub_info");
    if (rc == RILL_OK) rc = ri_args_sub(sub);
    if (rc < 0) return rc;
    ri_bus_sub_status(sub, &own);
    return ri_args_out(&own, sizeof own, out, "rill_sub_info");
}
