/* SPDX-License-Identifier: Apache-2.0 */
/* A wire over lwIP's TCP: rill_opts.dial, to a numeric address. One connection at a time. */
#ifndef LWIP_WIRE_H
#define LWIP_WIRE_H

#include "rill.h"

int lwip_dial(rill_wire **wire, const char *address, void *arg);
void lwip_idle(void *arg, int64_t ns); /* rill_host.idle: until a byte comes, or so long */

#endif
