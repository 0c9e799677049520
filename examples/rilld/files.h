/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that tell others where this process is: its pid, and the ports it listens on.
 */
#ifndef RILLD_FILES_H
#define RILLD_FILES_H

#include <stdbool.h>

/* false with errno */
bool files_write_pid(const char *path);

/* DIR/<program>_<pid>.ports: {"nats":["nats://HOST:PORT"]}, one URL for each address of this
 * machine when `host` stands for all. Whole when it appears. */
bool files_write_ports(const char *dir, const char *program, const char *host, int port);
void files_remove_ports(const char *dir, const char *program);

#endif
