/* SPDX-License-Identifier: Apache-2.0 */
/* The wire that is a stream socket: TCP or unix, which differ only in the options that the listener
 * has set. It keeps no byte inside, so the kernel's readiness is the wire's. */
#ifndef RI_FD_WIRE_H
#define RI_FD_WIRE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "net/wire.h"

typedef struct ri_fd_wire {
    ri_wire wire;
    struct event event;
    int fd;
    short interest; /* EV_READ and EV_WRITE, as the loop knows it */
} ri_fd_wire;

/* `fd` does not block; close() of the wire closes it. */
void ri_fd_wire_init(ri_fd_wire *w, int fd);

#endif
