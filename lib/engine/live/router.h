/* SPDX-License-Identifier: Apache-2.0 */
/* The live half of the engine: who is on the bus, what they listen to, and who gets a message.
 *
 *     publisher --ri_router_publish--> match (cached) --+-- plain subscription: each its copy
 *                                                       +-- group: one member, by turns; the
 *                                                           next one if it cannot take it
 *                                                       +-- nobody, but an answer is wanted:
 *                                                           ops->no_responders(publisher)
 *
 * A *party* is whoever is on the bus: a bus of this process, a NATS connection, a stream. The
 * router calls its ops; it knows no sockets, threads or clocks. One owner at a time. An op may
 * not change the interest (subscribe, unsubscribe, close a party): it notes what it wants done
 * and its floor does it after the publish. */
#ifndef RI_ROUTER_H
#define RI_ROUTER_H

#include "base/budget.h"
#include "base/claim.h"
#include "base/buffer.h"
#include "base/list.h"
#include "engine/live/account.h"
#include "engine/live/packet.h"
#include "engine/live/probe.h"

typedef struct ri_router ri_router;
typedef struct ri_party ri_party;
typedef struct ri_subscription ri_subscription;
typedef struct ri_delivery ri_delivery;
typedef struct ri_fan ri_fan;
struct ri_js_append;
struct ri_import; /* trade.h */
struct ri_shadow;

struct ri_subscription {
    ri_interest_entry entry; /* subject and queue; the owner keeps their bytes alive */
    ri_party *party;
    ri_account *account;     /* where it is; a reference, while it is on the router */
    ri_list link;            /* in party->subs */
    uint64_t delivered;      /* messages since it was made */
    uint64_t max;            /* it ends after so many; 0: never */
    union {
        ri_subscription *next_ended; /* within one publish: those that have had their max */
        uint64_t fanned;     /* else the stamp of the last fan that reached it */
    };
    struct ri_shadow *shadows; /* where its account imports what it is for; NULL: it does not */
};

typedef struct ri_party_ops {
    /* Take a copy of what is delivered; false if it could not. */
    bool (*deliver)(ri_party *party, ri_subscription *sub, ri_delivery *d);
    /* No member of its group took the message, `sub` being one of them. May be NULL. */
    void (*missed)(ri_party *party, ri_subscription *sub);
    /* `sub` has had its max: it is off the router; the owner frees it after the publish. */
    void (*ended)(ri_party *party, ri_subscription *sub);
    /* A message that wants an answer, published by `party`, reached nobody. May be NULL. */
    void (*no_responders)(ri_party *party, const ri_message *m);
    /* Bytes that it can take now before it is too slow. NULL: any number. */
    uint64_t (*room)(const ri_party *party);
    /* Would `m` fit for `sub`? False: a publisher who can wait does so first, and is woken when
     * there is room. NULL: nobody waits for this one. */
    bool (*has_room)(ri_party *party, ri_subscription *sub, const ri_message *m);
    /* Much waits at a receiver of what `party` publishes: it publishes less for a while. NULL: it
     * finds that out by itself, or cannot. */
    void (*slow_down)(ri_party *party);
    /* It takes nothing any more, for any of its subscriptions: it is about to go. NULL: never. */
    bool (*shut)(const ri_party *party);
    /* The number of its connection in reports. NULL: it is on no connection. */
    uint64_t (*number)(const ri_party *party);
    /* There is no room for what it subscribes to or asks: its floor holds back whoever has most.
     * False: that is this one, or nobody. NULL: it is refused. */
    bool (*make_interest)(ri_party *party);
    /* Who it is, as members of a JSON object, each with its comma, for services of other accounts
     * where the import shares it. NULL: nothing is known. */
    void (*facts)(const ri_party *party, ri_buffer *out);
    /* How long its connection takes to answer; 0, NULL: not known. */
    int64_t (*rtt_ns)(const ri_party *party);
    /* It is a stream: what it takes is stored. It looks at p->probe itself, and reports to it what
     * would become of the message. */
    bool stores;
    /* It may hear what goes between the broker and a callout's service: a connection, whose
     * permissions decide, or the broker itself, which ... */
    bool direct;
    bool asks;      /* ... alone asks it */
} ri_party_ops;

/* Who has asked for something that is answered later, in slices. It outlives its party as long as
 * anything refers to it, so that whoever answers can see that nobody waits any more. */
typedef struct ri_asker {
    const ri_host *host;
    ri_party *party;  /* NULL: it has gone */
    void *row;          /* its questions, at whoever answers them; NULL: none */
    uint32_t refs;
    uint32_t waiting;   /* questions that are not answered yet */
} ri_asker;
/* With a reference for the caller; NULL when out of memory. */
ri_asker *ri_party_asker(ri_party *party);
void ri_asker_unref(ri_asker *asker);
/* Below that its owner takes what it has to ask; else it lets it wait, where it came from. */
enum { RI_ASKER_MANY = 128 };
static inline bool ri_asker_has_many(const ri_asker *asker) /* may be NULL */
{
    return asker && asker->waiting >= RI_ASKER_MANY;
}

struct ri_party {
    const ri_party_ops *ops;
    ri_router *router;
    ri_account *account;    /* where it publishes and subscribes; a reference */
    ri_asker *asker;        /* what others know it by that answer later; NULL: it asked nothing */
    ri_list subs;           /* ri_subscription.link */
    bool no_echo;           /* does not get what it publishes itself */
    bool local;             /* a bus of this process */
    bool queues;            /* what it publishes to very many waits in router->backlog */
    uint32_t nsubs;
    uint32_t nshadows;      /* of its subscriptions, where its account imports */
    uint64_t trade_bytes;   /* of interest, that its shadows and requests have; see trade.h */
    ri_list asking;         /* its requests that wait for answers of other accounts; errand.c */
    uint64_t in_msgs, in_bytes;   /* published by it; bytes of headers and data */
    uint64_t out_msgs, out_bytes; /* delivered to it */
};

/* All that a publish carries, from its publisher, on whose stack it lies, to its receivers. What
 * is zero is not asked for. */
typedef struct ri_publish {
    const ri_message *m;
    ri_str route;      /* the subject that it is matched by; empty: that of the message. Receivers
                          get m->subject: what a stream delivers to an inbox keeps the subject that
                          it was stored under. It is no message of `from`: it is not counted as
                          such, and m->reply makes no no_responders answer */
    void *frame;       /* the local publisher's, for callbacks on its thread */
    ri_probe *probe;   /* reported to: where it goes, unless to very many */
    struct ri_js_append *append; /* a stream that takes it answers this one; m->reply is empty */
    bool once;         /* of `append`, by a peer elsewhere: over this connection or not at all */
    struct ri_failure *refused;  /* code 0: kept by a stream that refuses it, if nobody waits */
    bool stored;       /* streams have it already: they let it pass */
    bool direct;       /* for those alone whose ops say so: the router's, see RI_ACCOUNT_ASKED */
    uint8_t errands;   /* services that it has gone through */
    ri_fan **fan;      /* its publisher can rest: see ri_router_publish() */
    const ri_match *match; /* who gets it, if its publisher has looked that up in the same stay
                              inside the gate; NULL: it has not */
} ri_publish;

/* One publish on its way; lives on the stack of ri_router_publish(). */
struct ri_delivery {
    ri_router *router;
    ri_party *from;
    const ri_message *m;   /* p->m */
    const ri_publish *p;
    ri_packet *packet; /* made by the first receiver that wants to keep it */
    ri_subscription *ended; /* subscriptions that this publish brought to their max */
    int64_t time_ns;   /* wall clock */
    struct ri_import *touched; /* imports that it has met; see trade.h */
    uint32_t errands;  /* noted in router->errands */
    bool no_memory;    /* a receiver could not have its packet */
    bool more;         /* one of `ended`, `touched` and `errands` is there */
};

/* The message as a packet, with a reference for the caller; NULL when out of memory. */
ri_packet *ri_delivery_packet(ri_delivery *d);

struct ri_router {
    const ri_host *host;
    ri_account global;            /* $G, where all parties begin */
    ri_packet_pool *pool;
    ri_memory memory;             /* what peers make grow; packets count in the pool */
    ri_ledger work;               /* of it, who holds the share of work, */
    ri_ledger deliveries;         /* ... and that of deliveries */
    uint64_t asked_bytes;         /* of packets, those that count as work: requests that wait */
    int64_t time_ns;              /* wall clock of this turn; the owner sets it */
    ri_budget budget;             /* of this turn; the owner opens it. All of the broker spends
                                     it */
    uint64_t steps;               /* of live messages, too few yet for a unit of it */
    uint64_t turn;                /* state of the dice that pick a group's member */
    uint64_t in_msgs, in_bytes;   /* of all parties */
    uint64_t out_msgs, out_bytes;
    uint64_t dropped_msgs;        /* counted by whoever drops */
    struct ri_fan *fan;           /* the one that is being delivered; NULL */
    ri_list backlog;              /* fans of those who do not rest */
    uint64_t fans;                /* stamps given to fans */
    bool fanning;                 /* what is delivered now is a slice of one */
    ri_list orphans;              /* what waits for answers, of parties that have gone; errand.c */
    ri_party **errands;           /* owned; imports and desks to run behind the walks under way */
    uint32_t nerrands, cap_errands;
};

/* What waits for receivers, in bytes. */
static inline uint64_t ri_router_output_bytes(const ri_router *router)
{
    uint64_t packets = ri_packet_pool_waiting(router->pool);
    return ri_memory_used(&router->memory, RI_MEMORY_OUTPUT) + packets -
           RI_MIN(packets, router->asked_bytes);
}

uint64_t ri_router_random(ri_router *router); /* for dice, no secret; the upper half is better */

int ri_router_init(ri_router *router, const ri_host *host);
void ri_router_fini(ri_router *router);

void ri_party_init(ri_party *party, ri_router *router, const ri_party_ops *ops);
/* From here on it publishes and subscribes there; what it has subscribed to stays where it is. */
void ri_party_enter(ri_party *party, ri_account *account);
/* Takes it and its subscriptions off the router; they are the caller's to free. */
void ri_party_fini(ri_party *party);

/* sub->entry.subject and .queue are set and valid; sub->max may be. */
int ri_router_subscribe(ri_party *party, ri_subscription *sub);
void ri_router_unsubscribe(ri_subscription *sub);
/* The same without what the account imports. */
int ri_router_place(ri_party *party, ri_subscription *sub);
/* UNSUB with a count, of messages since the SUB: true if it ended now (and is off the router). */
bool ri_router_limit(ri_subscription *sub, uint64_t max);

/* How many took it; RILL_ENOMEM if nobody did for want of memory. The subject is valid, or else
 * matches nothing.
 *
 * p->fan, for a publisher who can rest: a message to very many receivers reaches them in slices of
 * the turn's budget. *p->fan, which was NULL, is set if there are more: then nothing else may be
 * published by this party, or looked for by it, until ri_router_fan_on() has been called, turn by
 * turn, as long as it returns true. Of several such messages one is delivered at a time. Whoever
 * unsubscribes in between gets it no more, whoever subscribes may get it. */
int ri_router_publish(ri_party *from, const ri_publish *p);
/* The same in another account than its own, behind a walk, and not counted as published by it. */
int ri_router_send(ri_account *account, ri_party *from, const ri_publish *p);
bool ri_router_fan_on(ri_fan **fan); /* false: it is over, and *fan NULL */
void ri_router_fan_drop(ri_fan **fan); /* the others do not get it; NULL: no-op */
/* A slice of what the broker's own parties, who cannot rest, publish to very many. */
void ri_router_backlog_some(ri_router *router);
static inline bool ri_router_has_backlog(const ri_router *router)
{
    return !ri_list_empty(&router->backlog);
}

#endif
