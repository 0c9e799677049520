/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, in the form that JSON of the NATS world uses: 2026-01-02T03:04:05.000006Z, UTC,
 * nine digits of a second at most and none that are zero at the end. In memory: ns since 1970. */
#ifndef RI_RFC3339_H
#define RI_RFC3339_H

#include "base/str.h"

#define RI_RFC3339_MAX 30           /* bytes written at most */
#define RI_RFC3339_YEAR1 INT64_MIN  /* written as 0001-01-01T00:00:00Z: "no time" of others */

size_t ri_rfc3339_write(char out[RI_RFC3339_MAX], int64_t time_ns);
/* All of `s`, with Z or an offset; false if it is no such time. What does not fit (before 1678
 * or after 2261) becomes RI_RFC3339_YEAR1 or INT64_MAX. */
bool ri_rfc3339_read(ri_str s, int64_t *time_ns);
/* What the clock of this place has more than UTC at that second of Unix. */
int32_t ri_rfc3339_east_s(int64_t at_s);

#endif
