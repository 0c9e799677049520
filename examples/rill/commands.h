/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all commands. */
#ifndef RILL_TOOL_COMMANDS_H
#define RILL_TOOL_COMMANDS_H

#include "args.h"

extern const command_row commands[];      /* up to one without a name */
extern const opt commands_global[];   /* options of all of them, up to OPT_NONE */
/* "stream": what its commands are about; NULL for a word that begins no command of two. */
const char *commands_group(const char *word);
/* The words that commands begin with, in the order of the table: the i-th, NULL behind the last. */
const char *commands_first(size_t i, size_t *len);

#endif
