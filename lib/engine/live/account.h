/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: subject spaces side by side on one router. What is published in one is heard in that
 * one alone, whatever its subject is, unless it is exported (trade.h).
 *
 *     ri_router --+-- global ($G) --- interest, match cache     parties: buses of this process,
 *                 |                                             streams, connections of nobody's
 *                 .   (the router knows no others)
 *                 .
 *     ri_party ---> account A ------- interest, match cache     connections whose user is of A
 *     ri_subscription ^
 *
 * *What an account has.* Its interest and the cache of that interest's answers; the mappings of
 * what its clients publish; the bounds of each of its connections. All else is the router's, for
 * all accounts together: the budget of a turn, memory and who has most of it, packets, dice,
 * counters. So a message costs the same in each account, and one load more than if there were none:
 * that of party->account.
 *
 * *Streams.* An account with JetStream has an engine of streams of its own, over logs of its own
 * (front/broker/rooms.h), whose parties are in it. That of $G is looked at in each turn; the others
 * when something has come for them, which ri_account_stir() says, or is due.
 *
 * *Who is where.* A party begins in $G and enters another account by ri_party_enter(), which
 * changes nothing for the subscriptions that it has: each stays where it was made until its owner
 * takes it off, so that a client which logs in anew leaves a million of them behind in slices. A
 * message that is on its way to very many goes on in the account that it was published in.
 *
 * *Life.* Whoever configures accounts makes them by ri_account_new() and is their first holder;
 * each party in it, each subscription and each long delivery is another. The last one frees it. So
 * an account that a reload takes away is there as long as somebody is in it, with nobody new to
 * come.
 *
 * *Bounds.* The numbers of generations take RI_INTEREST_COUNTERS words in an account from its first
 * subscription on. The caches of all accounts but $G share RI_LIMIT_ACCOUNTS_CACHE_BYTES, each
 * having RI_LIMIT_ACCOUNT_CACHE_LEAST at least; what that costs is asked for by the configuration
 * alone, never by a peer. */
#ifndef RI_ACCOUNT_H
#define RI_ACCOUNT_H

#include "base/list.h"
#include "codec/jetstream/jsapi.h"
#include "codec/subject/mapping.h"
#include "engine/live/interest.h"
#include "engine/live/match_cache.h"

struct ri_router;

typedef struct ri_account_limits { /* of each connection but the first; 0: no own limit */
    uint32_t conns;                /* connections of the account */
    uint32_t subs, msg_bytes;
} ri_account_limits;

/* What connections did that have gone from it. */
typedef struct ri_account_gone {
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
} ri_account_gone;

typedef struct ri_account {
    struct ri_router *router;
    const char *name;              /* owned; that of $G lies in the program */
    ri_interest interest;
    ri_match_cache cache;          /* of all that its parties publish: its bound holds for all */
    const ri_mappings *mappings;   /* of what NATS clients publish; owned but by $G; or NULL */
    ri_account_limits limits;
    uint32_t refs;                 /* who holds it; $G is not counted */
    uint32_t nconns;               /* connections that are logged in to it */
    ri_account_gone gone;
    ri_js_account_limits streams;  /* what its streams may take ... */
    bool jetstream;                /* ... if it may have any */
    bool locked_out;               /* what is stored of them could not be opened: none until the
                                      next start */
    ri_list *stirs;                /* where who steps them finds it; NULL: $G, or it has none */
    ri_list stir_link;             /* in there, when there may be something to do for them */
    void *keeper;                  /* of that one */
    bool system;                   /* whose users may ask about all of the broker */
    bool callout;                  /* a service in it decides who comes in: guards these two */
    struct ri_trade *trade;        /* owned; what it exports and imports; NULL: nothing (trade.h) */
    struct ri_desk *desk;          /* owned; where answers of its services come; or NULL */
} ri_account;

#define RI_ACCOUNT_GLOBAL "$G"
#define RI_ACCOUNT_SYSTEM "$SYS"
/* What such a service is asked, by the broker alone, and what it answers (engine/access/callout.h):
 * both go straight to connections, and into no stream and no other account. */
#define RI_ACCOUNT_ASKED "$SYS.REQ.USER.AUTH"
#define RI_ACCOUNT_ANSWERS "$SYS._INBOX."

/* $G, which lies in the router. */
void ri_account_init(ri_account *account, struct ri_router *router, const ri_host *host);
void ri_account_fini(ri_account *account);

/* Another one, with a reference for the caller; it takes `mappings` over. NULL: out of memory. */
ri_account *ri_account_new(struct ri_router *router, const ri_host *host, ri_str name,
                           ri_mappings *mappings);
void ri_account_unref(ri_account *account); /* not of $G: no-op, as for NULL */
static inline ri_account *ri_account_ref(ri_account *account)
{
    account->refs++;
    return account;
}
/* What is configured may change while it is in use: those of `from` become its own. */
void ri_account_adopt(ri_account *account, ri_account *from);
/* Something has come for its streams, or for those who ask about them, or its interest is another
 * one: whoever steps them looks at it. */
static inline void ri_account_stir(ri_account *account)
{
    if (ri_likely(!account->stirs) || ri_list_linked(&account->stir_link)) return;
    ri_list_push(account->stirs, &account->stir_link);
}
/* It has streams, and may have none any more: they are as if they were not there, until it may. */
static inline bool ri_account_is_stopped(const ri_account *account)
{
    return account->keeper && !account->jetstream;
}
/* Its clients have streams. */
static inline bool ri_account_has_streams(const ri_account *account)
{
    return account->jetstream && !account->locked_out;
}
/* Of so many accounts. */
void ri_account_share_cache(ri_account *account, size_t accounts);

#endif
