/* SPDX-License-Identifier: Apache-2.0 */
#include "doc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_text.h"

void doc_free(doc_text *doc)
{
    free(doc->ptr);
    *doc = (doc_text){0};
}

void doc_raw(doc_text *doc, const char *text, size_t len)
{
    if (doc->failed) return;
    if (doc->size - doc->len < len) {
        size_t size = doc->size < 1024 ? 1024 : doc->size;
        while (size - doc->len < len) size *= 2;
        char *grown = realloc(doc->ptr, size);
        if (!grown) {
            doc->failed = true;
            return;
        }
        doc->ptr = grown;
        doc->size = size;
    }
    memcpy(doc->ptr + doc->len, text, len);
    doc->len += len;
}

static void doc_put(doc_text *doc, const char *text)
{
    doc_raw(doc, text, strlen(text));
}

static void doc_line(doc_text *doc)
{
    doc_put(doc, "\n");
    for (int i = 0; i < doc->depth; i++) doc_put(doc, "  ");
}

static void doc_quoted(doc_text *doc, const char *text)
{
    char escape[RI_JSON_TEXT_ESCAPE];
    size_t len = strlen(text);
    doc_put(doc, "\"");
    while (len > 0) {
        size_t plain = ri_json_text_plain(text, len);
        doc_raw(doc, text, plain);
        text += plain;
        len -= plain;
        if (len == 0) break;
        size_t used = ri_json_text_escape(text, len, escape);
        doc_put(doc, escape);
        text += used;
        len -= used;
    }
    doc_put(doc, "\"");
}

static void doc_begin(doc_text *doc, const char *key)
{
    if (doc->follows) doc_put(doc, ",");
    if (doc->depth > 0) doc_line(doc);
    doc->follows = true;
    if (!key) return;
    doc_quoted(doc, key);
    doc_put(doc, ": ");
}

void doc_open(doc_text *doc, const char *key, char bracket)
{
    doc_begin(doc, key);
    doc_raw(doc, &bracket, 1);
    doc->depth++;
    doc->follows = false;
}

void doc_close(doc_text *doc, char bracket)
{
    doc->depth--;
    if (doc->follows) doc_line(doc); /* an empty one stays on its line */
    doc_raw(doc, &bracket, 1);
    doc->follows = true;
}

void doc_value(doc_text *doc, const char *key, const char *text, size_t len)
{
    doc_begin(doc, key);
    doc_raw(doc, text, len);
}

void doc_string(doc_text *doc, const char *key, const char *text)
{
    doc_begin(doc, key);
    doc_quoted(doc, text);
}

void doc_int(doc_text *doc, const char *key, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    doc_begin(doc, key);
    doc_put(doc, text);
}

void doc_uint(doc_text *doc, const char *key, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    doc_begin(doc, key);
    doc_put(doc, text);
}

void doc_number(doc_text *doc, const char *key, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.6g", number);
    doc_begin(doc, key);
    doc_put(doc, text);
}

void doc_bool(doc_text *doc, const char *key, bool value)
{
    doc_begin(doc, key);
    doc_put(doc, value ? "true" : "false");
}

void doc_time(doc_text *doc, const char *key, int64_t wall_ns)
{
    time_t seconds = wall_ns / 1000000000;
    struct tm parts;
    char text[64];
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%09dZ", (int)(wall_ns % 1000000000));
    doc_string(doc, key, text);
}

void doc_span(doc_text *doc, const char *key, int64_t ns)
{
    int64_t s = ns < 0 ? 0 : ns / 1000000000;
    int days = (int)(s / 86400), hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);
    char text[64];
    size_t len = 0;
    if (days > 0) len += (size_t)snprintf(text + len, sizeof text - len, "%dd", days);
    if (len > 0 || hours > 0) len += (size_t)snprintf(text + len, sizeof text - len, "%dh", hours);
    if (len > 0 || minutes > 0)
        len += (size_t)snprintf(text + len, sizeof text - len, "%dm", minutes);
    snprintf(text + len, sizeof text - len, "%ds", (int)(s % 60));
    doc_string(doc, key, text);
}
