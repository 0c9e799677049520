/* SPDX-License-Identifier: Apache-2.0 */
/* Log files that were full, beside the one that is written to, with nats-server's names:
 *
 *     rilld.log.2026.01.02.15.04.05.000000000
 *
 * The main thread's. */
#ifndef RILLD_LOG_BACKUP_H
#define RILLD_LOG_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_BACKUP_BYTES = 64 }; /* longer than what is added to a name */

/* What the file that has this path would be called now. */
void log_backup_name(const char *path, bool utc, char *out, size_t size);
/* Delete the oldest of its backups but `keep`. Nothing else is touched: what has another name, or
 * is no file. */
void log_backup_purge(const char *path, uint32_t keep);

#endif
