/* SPDX-License-Identifier: Apache-2.0 */
/* How a text is written as a string of JSON: which bytes stand for themselves, and what stands for
 * the others. < > & are escaped as Go's encoder does; a byte that is no UTF-8 becomes U+FFFD.
 *
 * It knows nothing else of the library, so that the daemon, which otherwise sees rill.h alone,
 * compiles this file, too, and both write the same. */
#ifndef RI_JSON_TEXT_H
#define RI_JSON_TEXT_H

#include <stddef.h>

enum { RI_JSON_TEXT_ESCAPE = 8 }; /* bytes of the longest escape, with a 0 behind it */

/* Bytes of the UTF-8 character that `len` > 0 bytes begin with; 0 if they do not. */
size_t ri_json_text_utf8_len(const unsigned char *s, size_t len);
/* So many bytes at the front of `s` stand for themselves. */
size_t ri_json_text_plain(const char *s, size_t len);
/* What stands for the next character, which is not plain; returns how many bytes of `s` it has. */
size_t ri_json_text_escape(const char *s, size_t len, char out[RI_JSON_TEXT_ESCAPE]);

#endif
