/* SPDX-License-Identifier: Apache-2.0 */
/* Who decides who comes in, where it is a service of the broker's own clients:
 *
 *     authorization {
 *         users: [ { user: auth, password: secret } ]
 *         auth_callout {
 *             issuer: AABC...             # whose key signs those who are let in
 *             account: AUTH               # where the service is; default: $G
 *             auth_users: [ auth ]        # who come in as the file says: the service
 *             xkey: XDEF...               # requests are sealed for it
 *             allowed_accounts: [ A ]     # whose users are asked about, too; default: all
 *         }
 *     }
 *
 * The grammar is nats-server's. In operator mode the JWT of an account says this. */
#ifndef RILLD_CALLOUTS_H
#define RILLD_CALLOUTS_H

#include "options.h"

/* False leaves "FILE:LINE: what" in options->error. */
bool callouts_read(daemon_options *options, config_node *node);
void callouts_free(daemon_options *options);

#endif
