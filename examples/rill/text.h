/* SPDX-License-Identifier: Apache-2.0 */
/* A text that grows, and how bytes of strangers are shown. Messages, subjects and names may hold
 * whatever a publisher likes: what would move a cursor, change a colour or turn the direction of
 * writing never reaches a terminal, and JSON is well formed for any bytes. A program that has no
 * memory left for a line of output ends, with a sentence. */
#ifndef RILL_TOOL_TEXT_H
#define RILL_TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    char *ptr;  /* malloc'd; a 0 stands at ptr[len] once something was added */
    size_t len, size;
} text;

void text_free(text *t);
void text_clear(text *t);
void text_add(text *t, const void *ptr, size_t len);
void text_puts(text *t, const char *ptr);
__attribute__((format(printf, 2, 3))) void text_addf(text *t, const char *format, ...);
/* As it may stand on a terminal: \x1b for control characters and for what is not UTF-8, \u202e for
 * what turns the direction of writing. `lines`: tabs and ends of lines stay as they are. */
void text_add_shown(text *t, const void *ptr, size_t len, bool lines);
/* With its quotes. What is not UTF-8 becomes \ufffd: who has such bytes asks text_is_utf8() first
 * and gives text_add_base64(). */
void text_add_json(text *t, const void *ptr, size_t len);
void text_add_base64(text *t, const void *ptr, size_t len);
bool text_is_utf8(const void *ptr, size_t len);
/* How many columns it takes, of a text that text_add_shown() made. */
size_t text_columns(const char *ptr);

/* How people read numbers: "1,234,567", "1.2 MiB", "2h3m", "4.31ms", "2026-01-02T15:04:05.123Z". */
void text_add_count(text *t, uint64_t number);
void text_add_size(text *t, uint64_t bytes);
void text_add_span(text *t, int64_t ns);
void text_add_time(text *t, int64_t wall_ns);

#endif
