/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers to and from bytes, without locale, sign surprises or silent overflow. */
#ifndef RI_NUMBER_H
#define RI_NUMBER_H

#include "base/str.h"

#define RI_NUMBER_MAX 20 /* digits of UINT64_MAX */

/* Writes the digits of `n` and returns how many; no 0 behind them. */
size_t ri_number_write(char out[RI_NUMBER_MAX], uint64_t n);
/* All of `s` as digits; false if it is empty, has another byte, or does not fit. */
bool ri_number_read(ri_str s, uint64_t *n);
bool ri_number_read_i64(ri_str s, int64_t *n); /* with an optional sign */

#endif
