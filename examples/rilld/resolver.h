/* SPDX-License-Identifier: Apache-2.0 */
/* Operator mode while the daemon runs: who is in the system's account asks for JWTs of accounts,
 * and brings others, which count at once; nats-server's answers, so that `nsc push` and `nsc pull`
 * are content.
 *
 *     $SYS.REQ.CLAIMS.UPDATE            the JWT is kept, and accounts change as by a reload
 *     $SYS.REQ.ACCOUNT.KEY.CLAIMS.UPDATE, $SYS.ACCOUNT.KEY.CLAIMS.UPDATE      the same
 *     $SYS.REQ.ACCOUNT.KEY.CLAIMS.LOOKUP                 the JWT, or nothing
 *     $SYS.REQ.CLAIMS.LIST              the keys
 *     $SYS.REQ.CLAIMS.PACK              all JWTs, one a message, and an empty one
 *     $SYS.REQ.CLAIMS.DELETE            a JWT of the operator's, of which keys shall go
 *
 * A directory (jwt_dir.h) has all that; MEMORY takes new JWTs of the accounts that it has, until
 * the next reload, and so does a cache, which keeps them. What nobody has signed who may, or what
 * the broker does not take, changes nothing and is answered with an error. What is answered as done
 * counts, and is on the disk.
 *
 * JWTs that wait for one another are kept together: the broker changes once, and they share the
 * sync of the directory. Where that fails each has its own turn, so that one that is wrong is alone
 * with it.
 *
 * All of it is on the main thread, by a bus that is in the system's account; the requests that wait
 * are bounded. */
#ifndef RILLD_RESOLVER_H
#define RILLD_RESOLVER_H

#include "jwt_dir.h"
#include "options.h"

typedef struct resolver resolver;

/* What the options say; their broker then has the JWTs that there are. Nothing is written. No
 * operator: NULL. False leaves a sentence in options->error. */
bool resolver_open(resolver **out, daemon_options *options);
void resolver_close(resolver *self);

/* The broker runs with them: what is preloaded is written to the directory, and requests are
 * answered from now on, also those that wait for `before`, who is closed next; NULL: there is none.
 * `options` stay where they are. False leaves a sentence. */
bool resolver_start(resolver *self, resolver *before, rill_broker *broker,
                    const daemon_options *options, char error[JWT_DIR_ERROR]);
/* The system's account, as operators have it; NULL: they have none. */
const char *resolver_system(const resolver *self);
/* For the caller's poll(): -1: there is nothing to wait for; likewise, milliseconds. */
int resolver_fd(resolver *self);
int resolver_wait_ms(resolver *self);
void resolver_turn(resolver *self); /* answers what waits */

#endif
