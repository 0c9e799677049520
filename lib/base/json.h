/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to jansson for reading, and a small writer. jansson keeps its trees in the C library's
 * memory; they live from parse to free and never longer than a call of ours. */
#ifndef RI_JSON_H
#define RI_JSON_H

#include "base/buffer.h"
#include "base/str.h"

typedef struct ri_json ri_json; /* a value within a parsed text; lent, dies with its root */

typedef enum ri_json_kind {
    RI_JSON_NULL,
    RI_JSON_BOOL,
    RI_JSON_INTEGER,
    RI_JSON_REAL,
    RI_JSON_STRING,
    RI_JSON_ARRAY,
    RI_JSON_OBJECT,
} ri_json_kind;

/* jansson's tables of names get their seed from the host, unless they have one already: without
 * this, jansson opens /dev/urandom while it parses for the first peer. Any thread, any number of
 * times. */
void ri_json_seed(const ri_host *host);
/* RILL_EPROTO with place and reason, RILL_ENOMEM. */
int ri_json_parse(ri_json **root, ri_str text);
void ri_json_free(ri_json *root); /* NULL is fine */

/* All of these take NULL for a value that is not there. */
ri_json_kind ri_json_kind_of(const ri_json *value);
const char *ri_json_kind_name(ri_json_kind kind);
bool ri_json_bool(const ri_json *value);       /* false unless true */
int64_t ri_json_integer(const ri_json *value); /* 0 unless an integer */
double ri_json_real(const ri_json *value);     /* of an integer, too */
ri_str ri_json_string(const ri_json *value);   /* empty unless a string; a 0 behind it */
size_t ri_json_len(const ri_json *value);      /* of an array or object */
const ri_json *ri_json_at(const ri_json *array, size_t i);
/* A member by its exact name, or else by its name without regard to ASCII case, or NULL. */
const ri_json *ri_json_get(const ri_json *object, const char *name);
/* Walk the members in the order of the text: *at starts as NULL; false at the end. */
bool ri_json_next(const ri_json *object, void **at, ri_str *name, const ri_json **value);

/* Bytes of the UTF-8 character that `len` > 0 bytes begin with; 0 if they do not. */
size_t ri_json_utf8_len(const unsigned char *s, size_t len);
/* Append `s` in quotes. < > & are escaped as Go's encoder does; a byte that is no UTF-8 becomes
 * U+FFFD. */
void ri_json_put_string(ri_buffer *out, ri_str s);

#endif
