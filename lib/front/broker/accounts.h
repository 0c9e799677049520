/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts that a broker is configured with, besides $G (engine/live/account.h), by name; in
 * operator mode these are the ones that it has JWTs of, by their keys.
 *
 *     rill_account, or --ri_accounts_new()--> ri_accounts --+--> ri_account A
 *     ri_trust          a reload makes all anew ...         +--> ri_account B
 *
 *     ri_accounts_take_over(new, old)     ... and who was there stays who he is, with what the new
 *                                         one was configured with. Whom the new ones do not have is
 *                                         let go: he is there while somebody is in him
 *
 * A table never changes once it is in use, but for its accounts, inside the gate. */
#ifndef RI_ACCOUNTS_H
#define RI_ACCOUNTS_H

#include "engine/access/trust.h"
#include "engine/live/account.h"
#include "rill.h"

typedef struct ri_accounts ri_accounts;

/* Of opts->accounts and of `trust`, which may be NULL; none: NULL. RILL_EINVAL and RILL_ETOOBIG say
 * what is wrong, also with a user of an account that is not there. The rows are not kept. */
int ri_accounts_new(struct ri_router *router, const ri_host *host, const rill_broker_opts *opts,
                    const ri_trust *trust, ri_accounts **out);
/* Its references; NULL is nothing. Inside the gate, if it was in use. */
void ri_accounts_free(ri_accounts *accounts);
/* What they import begins to count: of the first ones that a broker has. */
void ri_accounts_link(ri_accounts *accounts);
/* For good: before the router ends. NULL is nothing. */
void ri_accounts_unlink(ri_accounts *accounts);
/* Inside the gate; either may be NULL. What they have of one another changes with them. */
void ri_accounts_take_over(ri_accounts *accounts, ri_accounts *from);
/* Inside the gate, before: `account`, which was let go and is still there, is again the one of its
 * name, if there is one. */
void ri_accounts_readmit(ri_accounts *accounts, ri_account *account);
/* Inside the gate: what is over by the clock. Activations of `trust` that have begun or ended since
 * it was looked at count so, and requests that nobody has answered are reported where samples go.
 * When to look again, of the monotonic clock, also where there was no memory; INT64_MAX: never.
 * Either may be NULL. */
int64_t ri_accounts_tend(ri_accounts **accounts, struct ri_router *router, const ri_trust *trust);
/* Whose users may ask about all of the broker; NULL: nobody's. `accounts` may be NULL. */
ri_account *ri_accounts_system(const ri_accounts *accounts);
/* NULL: there is none of that name. `accounts` may be NULL. */
ri_account *ri_accounts_find(const ri_accounts *accounts, const char *name);
/* May `to` come in the place of `from`, by a reload? RILL_EINVAL names the account whose streams
 * that would change: which account has streams, and what they may take, is fixed where no operator
 * says so. Either may be NULL. */
int ri_accounts_check_reload(const ri_accounts *from, const ri_accounts *to);
/* The same names, and the same of them the system's? */
bool ri_accounts_same(const ri_accounts *a, const ri_accounts *b);
size_t ri_accounts_count(const ri_accounts *accounts);
ri_account *ri_accounts_at(const ri_accounts *accounts, size_t i); /* in the order of names */
/* Is there but the system's account, and all users are of it? Then who shows nothing is let in, to
 * $G, as nats-server has it. */
bool ri_accounts_only_system(const ri_accounts *accounts);

#endif
