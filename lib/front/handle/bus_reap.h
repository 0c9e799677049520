/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of all that comes for a bus: rill_reap(). Whoever reaps is the dispatcher for as long as
 * he does, and what has no callback goes into his batch in place of one:
 *
 *     turn of the dispatcher                    batch
 *       events                                    |item|item|item|item| ...|   32 a block
 *       answers, receipts, calls that are over     |    |    |    |
 *       messages of each sub in turn               v    v    v    v
 *                                               event receipt call packet + view
 *
 * What is put into a batch is moved there: a packet with its reference, a call with all that it
 * has. So nothing is copied but events, which are few. A turn that finds the batch full leaves the
 * rest where it is. A batch holds a reference to its bus, and to nothing else that may be closed:
 * so it may be freed by any thread, after all handles are. */
#ifndef RI_BUS_REAP_H
#define RI_BUS_REAP_H

#include "front/handle/bus.h"
#include "front/handle/bus_call.h"

enum { RI_BUS_REAP_MAX = 4096 }; /* items of a batch */

/* As rill_reap(); 0 is "only callbacks ran". */
int ri_bus_reap(rill_bus *bus, rill_reaped **out, size_t max, int64_t timeout_ns);
void ri_bus_reap_free(rill_reaped *reaped);
/* The on_msg of a sub whose messages are reaped; it is never called. */
void ri_bus_reap_no_callback(rill_sub *sub, const rill_msg *m, void *arg);

/* ---- By the dispatcher, while somebody reaps (bus->reaping) ---- */
/* Is there room, and memory, for one more item? Any of the calls below may be made once then. */
bool ri_bus_reap_has_room(rill_bus *bus);
size_t ri_bus_reap_room(const rill_bus *bus); /* for so many, as far as memory goes */
void ri_bus_reap_call(rill_bus *bus, ri_bus_call *call);
void ri_bus_reap_event(rill_bus *bus, const rill_event *ev);
void ri_bus_reap_receipt(rill_bus *bus, int err, const rill_receipt *receipt, void *arg);
void ri_bus_reap_reply(rill_bus *bus, int err, ri_packet *answer, void *arg);
void ri_bus_reap_end(rill_bus *bus, rill_sub *sub);
/* A view to be filled, of a packet that becomes the batch's; settled with it, if `auto_ack`. */
ri_bus_msg *ri_bus_reap_msg(rill_bus *bus, rill_sub *sub, ri_packet *packet, bool auto_ack);

#endif
