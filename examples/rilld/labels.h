/* SPDX-License-Identifier: Apache-2.0 */
/* server_tags and server_metadata of the file: what the owner calls the server by. */
#ifndef RILLD_LABELS_H
#define RILLD_LABELS_H

#include "options.h"

bool labels_tags(daemon_options *options, config_node *node);
bool labels_metadata(daemon_options *options, config_node *node);
/* Would a broker take them? False leaves a sentence in error. */
bool labels_try(daemon_options *options);
void labels_free(daemon_options *options);

#endif
