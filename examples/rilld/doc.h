/* SPDX-License-Identifier: Apache-2.0 */
/* Indented JSON, appended piece by piece to a text that grows. Failure to grow is kept in it. */
#ifndef RILLD_DOC_H
#define RILLD_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct doc_text {
    char *ptr;    /* malloc'd */
    size_t len, size;
    int depth;
    bool failed;  /* out of memory: what stands in it is not whole */
    bool follows; /* a comma goes before the next member */
} doc_text;

void doc_free(doc_text *doc);
void doc_raw(doc_text *doc, const char *text, size_t len);
/* A value that is JSON already. */
void doc_value(doc_text *doc, const char *key, const char *text, size_t len);
/* NULL as the key: a member of an array, or the outermost value. */
void doc_open(doc_text *doc, const char *key, char bracket);
void doc_close(doc_text *doc, char bracket);
void doc_string(doc_text *doc, const char *key, const char *text);
void doc_int(doc_text *doc, const char *key, int64_t number);
void doc_uint(doc_text *doc, const char *key, uint64_t number);
void doc_number(doc_text *doc, const char *key, double number);
void doc_bool(doc_text *doc, const char *key, bool value);
/* "2026-01-02T15:04:05.123456789Z" of ns since 1970 */
void doc_time(doc_text *doc, const char *key, int64_t wall_ns);
/* "1d2h3m4s", from the first unit that is not zero */
void doc_span(doc_text *doc, const char *key, int64_t ns);

#endif
