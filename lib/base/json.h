/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) as it stands in its text: a text is checked as a whole, in one pass and without
 * memory, and then its values are places in it that are read when they are asked for. Whoever
 * holds a value holds the text. */
#ifndef RI_JSON_H
#define RI_JSON_H

#include "base/buffer.h"
#include "base/str.h"

#define RI_JSON_DEPTH_MAX 64 /* objects and arrays within each other */

typedef struct ri_json { /* a value of a text that was checked; NULL: one that is not there */
    const char *at, *end; /* its first byte; the end of the text */
} ri_json;

typedef enum ri_json_kind {
    RI_JSON_NULL, /* null, or no value there */
    RI_JSON_BOOL,
    RI_JSON_INTEGER, /* a number that int64_t can hold, without point and exponent */
    RI_JSON_REAL,    /* any other number */
    RI_JSON_STRING,
    RI_JSON_ARRAY,
    RI_JSON_OBJECT,
} ri_json_kind;

/* RILL_EPROTO with place and reason if anything in `text` is no JSON: one value, blanks around it,
 * strings that are UTF-8 and whose escapes are characters, not deeper than RI_JSON_DEPTH_MAX. */
int ri_json_parse(ri_json *root, ri_str text);

ri_json_kind ri_json_kind_of(ri_json value);
const char *ri_json_kind_name(ri_json_kind kind);
bool ri_json_bool(ri_json value);       /* false unless true */
int64_t ri_json_integer(ri_json value); /* 0 unless an integer */
ri_str ri_json_literal(ri_json value);  /* as it stands in the text */

/* Strings; empty of any other value. */
/* Lent by the text where nothing is escaped, else from the arena. RILL_ENOMEM. */
int ri_json_text(ri_json value, ri_arena *arena, ri_str *out);
int ri_json_string(ri_json value, ri_arena *arena, ri_str *out); /* the arena's, a 0 behind it */
/* The first `size` - 1 bytes of it, and a 0; returns how many. */
size_t ri_json_copy(ri_json value, char *out, size_t size);
bool ri_json_is(ri_json value, ri_str text);

/* ---- Arrays and objects: what of one name comes last in the text counts ---- */

/* What is left to walk of one; of any other value there is nothing. */
ri_json ri_json_first(ri_json container);
/* The next item, or member with its name; false at the end. `rest` begins as ri_json_first(). */
bool ri_json_item(ri_json *rest, ri_json *value);
bool ri_json_member(ri_json *rest, ri_json *name, ri_json *value);
size_t ri_json_len(ri_json container); /* members of one name are each counted */
/* A member by its exact name, or else by its name without regard to ASCII case. */
ri_json ri_json_get(ri_json object, const char *name);

/* ---- Writing ---- */

/* Append `s` in quotes, as json_text.h says. */
void ri_json_put_string(ri_buffer *out, ri_str s);

#endif
