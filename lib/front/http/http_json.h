/* SPDX-License-Identifier: Apache-2.0 */
/* Indented JSON, as nats-server's monitoring port writes it, put piece by piece into a buffer.
 *
 *     open '{' --- "key": value --- "key": value ,--- close '}'
 *                  ^ depth: two blanks each      ^ follows: a comma goes before the next member
 *
 * A failed allocation shows in out->failed. */
#ifndef RI_HTTP_JSON_H
#define RI_HTTP_JSON_H

#include "base/buffer.h"

typedef struct ri_http_json {
    ri_buffer *out;
    int depth;
    bool follows;
    bool flat;               /* on one line */
} ri_http_json;

/* NULL as the key: a member of an array, or the outermost value. Keys are plain text. */
void ri_http_json_open(ri_http_json *j, const char *key, char bracket);
void ri_http_json_close(ri_http_json *j, char bracket);
void ri_http_json_string(ri_http_json *j, const char *key, ri_str value);
void ri_http_json_text(ri_http_json *j, const char *key, const char *value); /* NULL: no member */
void ri_http_json_uint(ri_http_json *j, const char *key, uint64_t n);
void ri_http_json_int(ri_http_json *j, const char *key, int64_t n);
void ri_http_json_number(ri_http_json *j, const char *key, double n); /* six digits */
void ri_http_json_bool(ri_http_json *j, const char *key, bool is);
void ri_http_json_time(ri_http_json *j, const char *key, int64_t wall_ns);
/* "1d2h3m4s", from the first unit that is not zero. */
void ri_http_json_span(ri_http_json *j, const char *key, int64_t ns);
/* "977µs", "1.25ms", "2s": as Go writes a duration that is short. */
void ri_http_json_duration(ri_http_json *j, const char *key, int64_t ns);
/* What comes next is put into the buffer by the caller, as JSON. */
void ri_http_json_key(ri_http_json *j, const char *key);

#endif
