/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that fail, at any door of a broker: bounded by the host that they come from and the user
 * that they name (engine/access/guesses.h), whatever door they take. All inside the gate.
 *
 * A door asks ri_failed_login_holds() before it looks at a password or a token, and again before a
 * check that takes long is begun: many may wait for one at a time. What was shown and is wrong it
 * notes, also when whoever showed it has gone meanwhile. Who shows nothing guesses nothing, and
 * nobody guesses a key or a JWT. */
#ifndef RI_FAILED_LOGIN_H
#define RI_FAILED_LOGIN_H

#include "front/broker/broker.h"

/* `peer`: its name as a listener gives it. `user`: none of a token. */
ri_guesser ri_failed_login_guesser(const char *peer, ri_str user);
/* True: it is to be refused without a look; it is counted, and the log says so, seldom. */
bool ri_failed_login_holds(ri_broker *b, const char *peer, ri_str user);
void ri_failed_login_note(ri_broker *b, const ri_guesser *who);

#endif
