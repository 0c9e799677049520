/* SPDX-License-Identifier: Apache-2.0 */
/* From the tree of a configuration file to options: one table a block, one row a key. */
#ifndef RILLD_KEYS_H
#define RILLD_KEYS_H

#include "options.h"

/* False leaves "FILE:LINE: what" in options->error. */
bool keys_apply(daemon_options *options, config_node *root);
/* mappings: of options->broker. */
bool keys_mappings(daemon_options *options, config_node *map);
/* False, with that sentence: the file and the line are those of the node. */
bool keys_fail(daemon_options *options, const config_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Remember a warning until there is a log. */
void options_note_add(daemon_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
