/* SPDX-License-Identifier: Apache-2.0 */
/* Operator mode: whom the daemon believes, and the accounts that these have signed:
 *
 *     operator: ./op.jwt                     # a file, or the JWT itself; or an array of them
 *     trusted_keys: [ OABC... ]              # or public keys of operators
 *     system_account: ADEF...
 *     resolver: MEMORY                       # or in a directory: resolver.h
 *     resolver { type: full, dir: ./jwt, allow_delete: true, limit: 1000 }
 *     resolver_preload { ADEF...: eyJ... }
 *
 * The grammar is nats-server's. Its resolver that asks a URL is refused by name. */
#ifndef RILLD_OPERATORS_H
#define RILLD_OPERATORS_H

#include "options.h"

/* Keys of the file, into options. False leaves "FILE:LINE: what" in options->error. */
bool operators_read(daemon_options *options, config_node *node);
bool operators_keys(daemon_options *options, config_node *node);
bool operators_resolver(daemon_options *options, config_node *node);
bool operators_preload(daemon_options *options, config_node *node);
bool operators_finish(daemon_options *options); /* into options->broker */
void operators_free(daemon_options *options);

#endif
