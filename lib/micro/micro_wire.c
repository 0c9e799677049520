/* SPDX-License-Identifier: Apache-2.0 */
/* The wires of programs. There is no allocator before a handle is open, so they are in a table of
 * this file: one for each handle, and one more while it is dialled anew. */
#include "micro/micro.h"

#ifndef RI_MICRO_WIRES
#define RI_MICRO_WIRES 4
#endif

struct rill_wire {
    rill_wire_ops ops;
    void *arg;
    bool used, taken;
    volatile bool ready; /* set by rill_wire_ready(), from interrupts, too */
};

static rill_wire micro_wires[RI_MICRO_WIRES];

int rill_wire_new(rill_wire **wire, const rill_wire_ops *ops, void *arg, const rill_host *host)
{
    (void)host;
    if (!wire) return ri_err(RILL_EINVAL, "no place for the wire was given");
    *wire = NULL;
    if (!ops || !ops->read || !ops->write || !ops->close)
        return ri_err(RILL_EINVAL, "a wire needs the functions read, write and close");
    for (size_t i = 0; i < RI_MICRO_WIRES; i++) {
        rill_wire *w = &micro_wires[i];
        if (w->used) continue;
        *w = (rill_wire){.ops = *ops, .arg = arg, .used = true};
        *wire = w;
        return RILL_OK;
    }
    return ri_err(RILL_EFULL, "all %d wires are in use", RI_MICRO_WIRES);
}

void rill_wire_ready(rill_wire *wire)
{
    if (wire) wire->ready = true;
}

int rill_wire_close(rill_wire *wire)
{
    if (!wire) return RILL_OK;
    if (wire->taken) return ri_err(RILL_EBUSY, "the wire was given to a handle, which closes it");
    ri_micro_wire_end(wire);
    return RILL_OK;
}

int64_t ri_micro_wire_read(rill_wire *wire, void *buf, size_t len)
{
    RI_ASSERT(wire->taken && len > 0);
    int64_t n = wire->ops.read(wire->arg, buf, len);
    if (n == 0) return ri_err(RILL_ECONN, "the server has closed the connection");
    if (n > 0 && (uint64_t)n > len)
        return ri_err(RILL_EPROTO, "the wire has read more than it was asked for");
    if (n < 0 && n != RILL_EAGAIN) return ri_err(RILL_ECONN, "the wire is broken: %s",
                                                 ri_err_class((int)n));
    return n;
}

int64_t ri_micro_wire_write(rill_wire *wire, const void *buf, size_t len)
{
    RI_ASSERT(wire->taken && len > 0);
    int64_t n = wire->ops.write(wire->arg, buf, len);
    if (n > 0 && (uint64_t)n > len)
        return ri_err(RILL_EPROTO, "the wire has written more than it was given");
    if (n < 0 && n != RILL_EAGAIN) return ri_err(RILL_ECONN, "the wire is broken: %s",
                                                 ri_err_class((int)n));
    return n == 0 ? RILL_EAGAIN : n;
}

int ri_micro_wire_take(rill_wire *wire)
{
    if (!wire || !wire->used || wire->taken)
        return ri_err(RILL_EBUSY, "the wire is not new");
    wire->taken = true;
    return RILL_OK;
}

void ri_micro_wire_end(rill_wire *wire)
{
    RI_ASSERT(wire->used);
    rill_wire_ops ops = wire->ops;
    void *arg = wire->arg;
    *wire = (rill_wire){.used = false};
    ops.close(arg);
}
