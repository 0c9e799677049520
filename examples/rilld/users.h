/* SPDX-License-Identifier: Apache-2.0 */
/* The users of an authorization block, with what they may do:
 *
 *     users = [ { user: ada, password: p,
 *                 permissions: { publish: "a.>", subscribe: { allow: [ a, "b q" ], deny: c } } } ]
 *
 * The grammar is nats-server's. */
#ifndef RILLD_USERS_H
#define RILLD_USERS_H

#include "options.h"

/* An array of users into options->broker. False leaves "FILE:LINE: what" in options->error. */
bool users_read(daemon_options *options, config_node *node);
/* default_permissions: of those users who have none. */
bool users_read_defaults(daemon_options *options, config_node *node);
/* When the whole block is read: the defaults come to those who want them. */
bool users_finish(daemon_options *options);
void users_free(daemon_options *options);

#endif
