/* SPDX-License-Identifier: Apache-2.0
 *
 * Indented JSON, appended piece by piece to a text that grows. Failure to grow is kept in it.
 */
#ifndef RILLD_JSON_H
#define RILLD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_text {
    char *ptr;    /* malloc'd */
    size_t len, size;
    int depth;
    bool failed;  /* out of memory: what stands in it is not whole */
    bool follows; /* a comma goes before the next member */
} json_text;

void json_free(json_text *json);
void json_raw(json_text *json, const char *text, size_t len);
/* NULL as the key: a member of an array, or the outermost value. */
void json_open(json_text *json, const char *key, char bracket);
void json_close(json_text *json, char bracket);
void json_string(json_text *json, const char *key, const char *text);
void json_int(json_text *json, const char *key, int64_t number);
void json_uint(json_text *json, const char *key, uint64_t number);
void json_number(json_text *json, const char *key, double number);
void json_bool(json_text *json, const char *key, bool value);
/* "2026-01-02T15:04:05.123456789Z" of ns since 1970 */
void json_time(json_text *json, const char *key, int64_t wall_ns);
/* "1d2h3m4s", from the first unit that is not zero */
void json_span(json_text *json, const char *key, int64_t ns);

#endif
