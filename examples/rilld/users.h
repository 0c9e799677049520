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

/* An array of users, of an account (NULL: none is named), behind those that are there. False leaves
 * "FILE:LINE: what" in options->error. */
bool users_read(daemon_options *options, config_node *node, const char *account);
/* default_permissions: of those users who have none. */
bool users_read_permissions(daemon_options *options, const config_node *node, rill_user *defaults);
/* When a block is read: its defaults come to those who want them, from the user `first` on. */
void users_default(daemon_options *options, size_t first, const rill_user *defaults);
/* When all is read: into options->broker. */
bool users_finish(daemon_options *options);
void users_free_lists(rill_user *user);
void users_free(daemon_options *options);

#endif
