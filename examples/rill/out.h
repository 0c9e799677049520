/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to stdout. A command names fields and gives values; whether that becomes one JSON
 * object a line, a table or a list of "name: value" is decided here. A key is the JSON member's
 * name; for people its underscores are blanks, and a last "_ns" is left out. */
#ifndef RILL_TOOL_OUT_H
#define RILL_TOOL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rill.h"
#include "text.h"

enum {
    OUT_COLUMNS_MAX = 16,
    OUT_HEAD_BYTES = 32,
};

typedef enum out_shape {
    OUT_TABLE,   /* rows below a head; JSON: an object a row */
    OUT_LIST,    /* "name: value", a block a row */
    OUT_LINE,    /* a sentence a row for people (out_say()); JSON: an object */
} out_shape;

typedef enum out_colour {
    OUT_PLAIN,
    OUT_BOLD,
    OUT_DIM,
    OUT_GREEN,
    OUT_YELLOW,
    OUT_RED,
    OUT_CYAN,
} out_colour;

typedef struct out {
    bool json;
    bool terminal;     /* stdout is one */
    bool colour;       /* stdout may have colours */
    bool error_colour; /* stderr may */
    out_shape shape;
    text line;         /* JSON that is being made */
    struct {
        char name[OUT_HEAD_BYTES];
        size_t width;
        bool right;    /* numbers */
    } heads[OUT_COLUMNS_MAX]; /* of a table */
    char **cells;      /* of it, row by row */
    size_t columns, ncells, room, row_cells;
} out;

/* `choice`: "auto", "always" or "never". */
void out_init(out *o, bool json, const char *choice);
void out_free(out *o);
const char *out_on(bool colours, out_colour colour);
const char *out_off(bool colours);

void out_begin(out *o, out_shape shape);
void out_row(out *o);
void out_row_end(out *o);
void out_end(out *o);  /* a table is written here */

/* Bytes of strangers: shown for people; in JSON KEY, or KEY_base64 if they are no UTF-8. */
void out_bytes(out *o, const char *key, const void *ptr, size_t len);
void out_text(out *o, const char *key, const char *value);
void out_count(out *o, const char *key, uint64_t value);
void out_size(out *o, const char *key, uint64_t bytes);
void out_span(out *o, const char *key, int64_t ns);
void out_time(out *o, const char *key, int64_t wall_ns);  /* 0: never, JSON null */
void out_flag(out *o, const char *key, bool value);
void out_real(out *o, const char *key, double value, int digits);
/* JSON alone: an array of {"name", "value"}. */
void out_headers(out *o, const rill_msg *m);
/* JSON alone. A member whose value is JSON already. */
void out_raw(out *o, const char *key, const char *json);
/* For people alone: a line on stdout. */
__attribute__((format(printf, 2, 3))) void out_say(out *o, const char *format, ...);
/* Bytes as they are, to anything but a terminal or if `raw`; else shown. */
void out_data(out *o, const void *ptr, size_t len, bool raw);
/* Everything on its way? False if stdout could not be written. */
bool out_flush(void);

#endif
