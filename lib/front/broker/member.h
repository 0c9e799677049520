/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a broker: who stands at its gate in this process without being a door. Today that is
 * each bus of the process (front/peer_local).
 *
 * A member is embedded in its owner, which pushes it to broker->members inside the gate when it
 * joins, holding a reference to the broker, and removes all its links inside the gate when it is
 * shut. All functions are called inside the gate, on any thread, and none waits. None is called
 * for a message: `settle` runs when the gate is left after a publish that ended some subscription,
 * the others when something rare has happened, and most_pending() when output has used up its
 * share of memory. Each may cost as much as the member has subscriptions.
 *
 * What a member has to do when the publish of the moment is over, it keeps in a list of its own
 * and says ri_member_settle_later(); the same with ri_member_ask_later() for requests that found
 * no memory, which the durable half repeats some time later. */
#ifndef RI_MEMBER_H
#define RI_MEMBER_H

#include "front/broker/broker.h"

typedef struct ri_member ri_member;
typedef struct ri_member_ops {
    void (*gone)(ri_member *member);      /* the broker closes: it removes its links */
    void (*work)(ri_member *member);      /* its host, if it drives, shall turn the durable half */
    void (*trouble)(ri_member *member);   /* ri_durable_next_trouble() has another */
    void (*settle)(ri_member *member);    /* no publish is under way: subscriptions may end */
    void (*ask_again)(ri_member *member); /* there may be memory: ask for messages again */
    uint64_t (*most_pending)(const ri_member *member); /* bytes that wait for one reader */
} ri_member_ops;

struct ri_member {
    const ri_member_ops *ops;
    ri_list link;        /* in broker->members */
    ri_list settle_link; /* in broker->settling */
    ri_list ask_link;    /* in broker->asking */
};

static inline void ri_member_init(ri_member *member, const ri_member_ops *ops)
{
    member->ops = ops;
    ri_list_init(&member->link);
    ri_list_init(&member->settle_link);
    ri_list_init(&member->ask_link);
}

static inline void ri_member_leave(ri_member *member)
{
    ri_list_remove(&member->link);
    ri_list_remove(&member->settle_link);
    ri_list_remove(&member->ask_link);
}

static inline void ri_member_settle_later(ri_member *member, ri_broker *broker)
{
    if (ri_list_linked(&member->settle_link)) return;
    ri_list_push(&broker->settling, &member->settle_link);
}

static inline void ri_member_ask_later(ri_member *member, ri_broker *broker)
{
    if (ri_list_linked(&member->ask_link)) return;
    ri_list_push(&broker->asking, &member->ask_link);
}

#endif
