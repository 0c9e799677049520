/* SPDX-License-Identifier: Apache-2.0 */
/* A loop for many who have connections of their own, such as the handles of remote peers: a thread
 * that all of a process share who come with the same host table, or, for somebody who drives it
 * himself, a loop without a thread.
 *
 *     any thread: ri_hub_call(guest) --> the row of those who called --> loop: guest->turn()
 *
 * A hub holds no reference to its guests. A guest leaves in its turn(), and sees to it that
 * nobody calls for it any more then. */
#ifndef RI_HUB_H
#define RI_HUB_H

#include "net/loop.h"

typedef struct ri_hub ri_hub;

typedef struct ri_hub_guest ri_hub_guest;
struct ri_hub_guest {
    void (*turn)(ri_hub_guest *guest); /* on the loop's thread, outside any gate */
    ri_list link;                      /* the hub's: in its row */
    atomic_bool called;                /* it is in the row, or about to be */
};

/* `hooks` are what the host was made from; NULL: the C library's. `own`: without a thread, for this
 * caller alone. RILL_ENOMEM, RILL_EIO. */
int ri_hub_open(ri_hub **hub, const rill_host *hooks, bool own);
ri_loop *ri_hub_loop(ri_hub *hub);
static inline void ri_hub_guest_init(ri_hub_guest *guest, void (*turn)(ri_hub_guest *guest))
{
    guest->turn = turn;
    ri_list_init(&guest->link);
    atomic_init(&guest->called, false);
}
/* Any thread, inside a gate, too: turn() runs soon, once for all calls until it begins. */
void ri_hub_call(ri_hub *hub, ri_hub_guest *guest);
/* On the loop's thread, in its turn(): it is gone if nobody calls from now on. */
void ri_hub_leave(ri_hub *hub, ri_hub_guest *guest);
/* The last who closes it joins its thread. Not from that thread. */
void ri_hub_close(ri_hub *hub);

#endif
