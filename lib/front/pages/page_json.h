/* SPDX-License-Identifier: Apache-2.0 */
/* Indented JSON, as nats-server's monitoring port writes it, put piece by piece into a buffer.
 *
 *     open '{' --- "key": value --- "key": value ,--- close '}'
 *                  ^ depth: two blanks each      ^ follows: a comma goes before the next member
 *
 * A failed allocation shows in out->failed. */
#ifndef RI_PAGE_JSON_H
#define RI_PAGE_JSON_H

#include "base/buffer.h"

typedef struct ri_page_json {
    ri_buffer *out;
    int depth;
    bool follows;
    bool flat;               /* on one line ... */
    bool tight;              /* ... without blanks */
} ri_page_json;

/* NULL as the key: a member of an array, or the outermost value. Keys are plain text. */
void ri_page_json_open(ri_page_json *j, const char *key, char bracket);
void ri_page_json_close(ri_page_json *j, char bracket);
void ri_page_json_string(ri_page_json *j, const char *key, ri_str value);
/* A member whose key may be any text. */
void ri_page_json_pair(ri_page_json *j, ri_str key, ri_str value);
void ri_page_json_text(ri_page_json *j, const char *key, const char *value); /* NULL: no member */
void ri_page_json_uint(ri_page_json *j, const char *key, uint64_t n);
void ri_page_json_int(ri_page_json *j, const char *key, int64_t n);
void ri_page_json_number(ri_page_json *j, const char *key, double n); /* six digits */
void ri_page_json_bool(ri_page_json *j, const char *key, bool is);
void ri_page_json_time(ri_page_json *j, const char *key, int64_t wall_ns);
/* "1d2h3m4s", from the first unit that is not zero. */
void ri_page_json_span(ri_page_json *j, const char *key, int64_t ns);
/* "977µs", "1.25ms", "2s": as Go writes a duration that is short. */
void ri_page_json_duration(ri_page_json *j, const char *key, int64_t ns);
/* What comes next is put into the buffer by the caller, as JSON. */
void ri_page_json_key(ri_page_json *j, const char *key);

#endif
