/* SPDX-License-Identifier: Apache-2.0 */
/* A loop for many who have connections of their own, such as the handles of remote peers: a thread
 * that all of a process share who come with the same host table, or, for somebody who drives it
 * himself, a loop without a thread.
 *
 *     any thread: ri_hub_call(guest) --> the row of those who called --> loop: guest->turn()
 *
 * A hub holds no reference to its guests. A guest leaves in its turn(), and sees to it that
 * nobody calls for it any more then; who frees it waits for that. */
#ifndef RI_HUB_H
#define RI_HUB_H

#include "net/loop.h"

typedef struct ri_hub ri_hub;

typedef struct ri_hub_guest ri_hub_guest;
struct ri_hub_guest {
    void (*turn)(ri_hub_guest *guest); /* on the loop's thread, outside any gate */
    ri_list link;                      /* the hub's: in its row */
    atomic_bool called;                /* it is in the row, or about to be */
    bool leaves;                       /* the loop's: its turn() has said so */
    bool left;                         /* the hub's: nobody touches it any more */
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
    guest->leaves = guest->left = false;
}
void ri_hub_call_first(ri_hub *hub, ri_hub_guest *guest); /* private */
/* Any thread, inside a gate, too: turn() runs soon, once for all calls until it begins. */
static inline void ri_hub_call(ri_hub *hub, ri_hub_guest *guest)
{
    if (!atomic_load(&guest->called)) ri_hub_call_first(hub, guest);
}
/* On the loop's thread, in its turn(), the last one: nobody calls for it from now on. */
void ri_hub_leave(ri_hub *hub, ri_hub_guest *guest);
/* From another thread, or, of one's own hub, from any: until that turn has returned, locks and all
 * that it used being let go. Then the guest may be freed. */
void ri_hub_await_left(ri_hub *hub, ri_hub_guest *guest);
/* The last who closes it joins its thread. Not from that thread. */
void ri_hub_close(ri_hub *hub);

#endif
