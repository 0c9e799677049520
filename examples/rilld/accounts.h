/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts of a configuration, which are subject spaces side by side:
 *
 *     accounts {
 *       A { users: [ { user: ada, password: p } ], default_permissions: { publish: "a.>" }
 *           mappings: { from: to }, limits: { max_connections: 10 } }
 *     }
 *     accounts: [ A, B ]
 *
 * The grammar is nats-server's. */
#ifndef RILLD_ACCOUNTS_H
#define RILLD_ACCOUNTS_H

#include "options.h"

/* Into options->accounts, and its users behind those that are there. False leaves "FILE:LINE: what"
 * in options->error. */
bool accounts_read(daemon_options *options, config_node *node);
void accounts_finish(daemon_options *options); /* into options->broker */
void accounts_free(daemon_options *options);

#endif
