/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a JSON object, found in one pass without a tree, an allocation or a recursion: what
 * is not asked for is passed over by counting braces. A text that was cut is read as far as it
 * goes. Names are compared as they stand; an escape in one makes it another name. */
#ifndef RI_MICRO_SCAN_H
#define RI_MICRO_SCAN_H

#include "base/str.h"

/* The value of the first field `name` of the object `json`, as it stands there: a text without its
 * quotes, an object with its braces. False: there is none, or it was cut. */
bool ri_micro_scan_find(ri_str json, const char *name, ri_str *value);
bool ri_micro_scan_number(ri_str json, const char *name, uint64_t *n);
bool ri_micro_scan_is_true(ri_str json, const char *name);
/* Write `text` as the inside of a JSON text, and return its end. */
char *ri_micro_scan_quote(char *out, ri_str text);
size_t ri_micro_scan_quoted(ri_str text); /* bytes that this takes */

#endif
