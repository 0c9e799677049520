/* SPDX-License-Identifier: Apache-2.0 */
/* The streams of accounts besides $G: for each account with JetStream a durable half of its own,
 * which is a room of the one of $G.
 *
 *     DIR/                    log of $G: what a store without accounts is, and stays
 *     DIR/accounts/SALES/     log of SALES: streams, consumers, states, all that a store has
 *     DIR/accounts/A%2Fb/     log of "A/b": bytes of a name that are no letter, digit, - or _ are
 *                             written so
 *
 * So a room commits, recovers, cleans and meets its limits alone. Whoever turns the house turns its
 * rooms: in each turn a few of those that something has come for (engine/live/account.h), or for
 * which something is due, each with a share of the budget; the others wait in a row. A room commits
 * on the thread that turns it, outside the gate.
 *
 *     stirred --> [A] [B] [C] ...   in the order of their coming        timers: by their next due
 *
 * An account of an operator may get its room while the broker runs, and all have theirs until the
 * close: one that may have no streams any more has a room that stands still
 * (ri_account_is_stopped()). */
#ifndef RI_ROOMS_H
#define RI_ROOMS_H

#include "base/budget.h"
#include "base/heap.h"
#include "base/list.h"
#include "rill.h"

struct ri_accounts;
struct ri_broker;
struct ri_durable;

enum {
    RI_ROOMS_A_TURN = 4,                                /* are stepped */
    RI_ROOM_UNITS = RI_BUDGET_TURN / RI_ROOMS_A_TURN,   /* in one step */
    RI_ROOM_CACHES = 16, /* rooms share what the house may keep at hand of its files, as if there
                            were so many at least */
};

typedef struct ri_rooms {
    ri_list all;         /* ri_durable.room_link */
    ri_list stirred;     /* ri_account.stir_link */
    ri_heap timers;      /* ri_durable.timer */
} ri_rooms;

void ri_rooms_init(ri_rooms *rooms, const ri_host *host);
void ri_rooms_fini(ri_rooms *rooms);
/* Outside the gate: one for each account of the broker that has JetStream, but for those of which
 * what is stored cannot be opened (ri_account.locked_out). */
int ri_rooms_open(struct ri_durable *house);

/* The same of those that may have streams since a reload; what fails is logged. */
void ri_rooms_open_more(struct ri_broker *broker);

/* ---- Inside the gate ---- */
/* A reload: who has a room and was let go is the one of `accounts` again, which are not in use yet;
 * and what they may take is what their accounts say now. */
void ri_rooms_readmit(const struct ri_durable *house, struct ri_accounts *accounts);
void ri_rooms_limit(struct ri_durable *house);
static inline bool ri_rooms_wait(const ri_rooms *rooms)
{
    return !ri_list_empty(&rooms->stirred);
}
static inline int64_t ri_rooms_due_ns(const ri_rooms *rooms) /* monotonic; INT64_MAX: never */
{
    return ri_heap_next(&rooms->timers);
}
/* Leaves the gate and enters it again. */
void ri_rooms_turn(struct ri_durable *house);
int ri_rooms_copy(struct ri_durable *house, const char *dir); /* likewise */
void ri_rooms_shutdown(const ri_rooms *rooms); /* who waits for messages asks elsewhere */
void ri_rooms_close(struct ri_durable *house); /* likewise */
/* A walk: the durable half of $G behind NULL, then those behind it; NULL: there are no more. */
struct ri_durable *ri_rooms_after(struct ri_durable *house, const struct ri_durable *room);
const char *ri_rooms_account(const struct ri_durable *room); /* the name whose streams these are */
void ri_rooms_stats(const ri_rooms *rooms, rill_stats *add);

#endif
