/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the question mark: "a=1&b=%2A". A value is decoded when it is asked for. Only
 * pairs with a = count, and of several with one name the first. */
#ifndef RI_PAGE_QUERY_H
#define RI_PAGE_QUERY_H

#include "base/buffer.h"

enum { RI_PAGE_QUERY_VALUE = 1100 }; /* bytes of a value with its 0: a subject, and more */

/* The value of `name`, cut to fit, with a 0 behind it; false, and empty, if it is absent. */
bool ri_page_query_get(ri_str query, const char *name, char *value, size_t size);
bool ri_page_query_bool(ri_str query, const char *name);
uint64_t ri_page_query_number(ri_str query, const char *name, uint64_t absent);
/* Does each of these names, parted by blanks, have a value of its kind, or none? Else `out` has
 * nats-server's sentence. A kind may be NULL. */
bool ri_page_query_check(ri_str query, const char *bools, const char *ints, const char *uints,
                         ri_buffer *out);

#endif
