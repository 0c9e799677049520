/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of a server's streams, as `nats stream backup` makes them: a folder a stream, with
 * backup.json, which says what the stream is, and the archive that the server has sent. */
#ifndef RILL_TOOL_ARCHIVE_H
#define RILL_TOOL_ARCHIVE_H

#include "tool.h"

/* All streams, or those of --stream, into `dir`, which is there when all of them are; an exit
 * code. */
int archive_backup(tool *t, const char *dir);
/* The streams of `dir`, none of which may be there yet. */
int archive_restore(tool *t, const char *dir);

#endif
