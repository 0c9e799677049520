/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Go writes them ("1m30s", "250ms", "1.5h"): headers and ack payloads carry them. */
#ifndef RI_DURATION_H
#define RI_DURATION_H

#include "base/defs.h"
#include "base/str.h"

#define RI_DURATION_MAX 32 /* bytes that the writer makes at most */

/* All of `s`; false if it is none or does not fit. A bare "0" is one. */
bool ri_duration_read(ri_str s, int64_t *ns);
/* As Go prints it, "0s" to "2562047h47m16.854775807s"; returns the bytes, no 0 behind them. */
size_t ri_duration_write(char out[RI_DURATION_MAX], int64_t ns);

#endif
