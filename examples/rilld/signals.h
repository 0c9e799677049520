/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as bytes in a pipe, so that the main thread meets them one after another; and signals
 * to another such process, for --signal. */
#ifndef RILLD_SIGNALS_H
#define RILLD_SIGNALS_H

#include <stdbool.h>

enum { SIGNALS_ERROR_BYTES = 256 };

/* Handle HUP INT TERM USR1 USR2, however they were inherited. Returns the pipe's end to read
 * signal numbers from, a byte each, or -1 with errno. Before there is any thread. */
int signals_install(void);
/* While threads are started: they inherit that these signals are not for them. */
void signals_hold(bool hold);
/* "hangup" */
const char *signals_name(int number);

/* "reload", "stop=PID", "ldm=FILE": to that process, or to the only other one of this program's
 * name. False leaves a sentence. */
bool signals_send(const char *command, const char *program, char error[SIGNALS_ERROR_BYTES]);

#endif
