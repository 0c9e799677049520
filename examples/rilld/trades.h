/* SPDX-License-Identifier: Apache-2.0 */
/* What accounts have of one another:
 *
 *     exports: [ { stream: "s.>" }, { service: "svc.*", accounts: [A], response: stream } ]
 *     imports: [ { stream: { account: B, subject: "s.>" }, prefix: in },
 *                { service: { account: B, subject: "svc.*" }, to: "do.$1" } ]
 *
 * The grammar is nats-server's. */
#ifndef RILLD_TRADES_H
#define RILLD_TRADES_H

#include "options.h"

/* Into the account. False leaves "FILE:LINE: what" in options->error. */
bool trades_exports(daemon_options *options, const config_node *node, daemon_account *account);
bool trades_imports(daemon_options *options, const config_node *node, daemon_account *account);
void trades_free(daemon_account *account);

#endif
