/* SPDX-License-Identifier: Apache-2.0 */
/* Help on stdout, from the table of commands. */
#ifndef RILL_TOOL_HELP_H
#define RILL_TOOL_HELP_H

#include "args.h"
#include "out.h"

void help_all(const out *o);
void help_group(const out *o, const char *group);
void help_command(const out *o, const command_row *c);

#endif
