/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void json_free(json_text *json)
{
    free(json->ptr);
    *json = (json_text){0};
}

void json_raw(json_text *json, const char *text, size_t len)
{
    if (json->failed) return;
    if (json->size - json->len < len) {
        size_t size = json->size < 1024 ? 1024 : json->size;
        while (size - json->len < len) size *= 2;
        char *grown = realloc(json->ptr, size);
        if (grown == NULL) {
            json->failed = true;
            return;
        }
        json->ptr = grown;
        json->size = size;
    }
    memcpy(json->ptr + json->len, text, len);
    json->len += len;
}

static void json_text_put(json_text *json, const char *text)
{
    json_raw(json, text, strlen(text));
}

static void json_line(json_text *json)
{
    json_text_put(json, "\n");
    for (int i = 0; i < json->depth; i++) json_text_put(json, "  ");
}

/* How many bytes the UTF-8 sequence at `p` has; 0 if it is none, as where a text was cut. */
static size_t json_utf8_len(const unsigned char *p)
{
    size_t len = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0; /* the 0 at the end is caught here, too */
    }
    return len;
}

/* As Go writes it: what HTML may misread is escaped, too. */
static void json_quoted(json_text *json, const char *text)
{
    json_text_put(json, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p != 0;) {
        size_t len = json_utf8_len(p);
        if (len == 0) {
            json_text_put(json, "\\ufffd");
        } else if (*p < ' ' || *p == '<' || *p == '>' || *p == '&') {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", *p);
            json_text_put(json, escape);
        } else {
            if (*p == '"' || *p == '\\') json_text_put(json, "\\");
            json_raw(json, (const char *)p, len);
        }
        p += len > 0 ? len : 1;
    }
    json_text_put(json, "\"");
}

static void json_begin(json_text *json, const char *key)
{
    if (json->follows) json_text_put(json, ",");
    if (json->depth > 0) json_line(json);
    json->follows = true;
    if (key == NULL) return;
    json_quoted(json, key);
    json_text_put(json, ": ");
}

void json_open(json_text *json, const char *key, char bracket)
{
    json_begin(json, key);
    json_raw(json, &bracket, 1);
    json->depth++;
    json->follows = false;
}

void json_close(json_text *json, char bracket)
{
    json->depth--;
    if (json->follows) json_line(json); /* an empty one stays on its line */
    json_raw(json, &bracket, 1);
    json->follows = true;
}

void json_string(json_text *json, const char *key, const char *text)
{
    json_begin(json, key);
    json_quoted(json, text);
}

void json_int(json_text *json, const char *key, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    json_begin(json, key);
    json_text_put(json, text);
}

void json_uint(json_text *json, const char *key, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    json_begin(json, key);
    json_text_put(json, text);
}

void json_number(json_text *json, const char *key, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.6g", number);
    json_begin(json, key);
    json_text_put(json, text);
}

void json_bool(json_text *json, const char *key, bool value)
{
    json_begin(json, key);
    json_text_put(json, value ? "true" : "false");
}

void json_time(json_text *json, const char *key, int64_t wall_ns)
{
    time_t seconds = wall_ns / 1000000000;
    struct tm parts;
    char text[64];
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%09dZ", (int)(wall_ns % 1000000000));
    json_string(json, key, text);
}

void json_span(json_text *json, const char *key, int64_t ns)
{
    int64_t s = ns < 0 ? 0 : ns / 1000000000;
    int days = (int)(s / 86400), hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);
    char text[64];
    size_t len = 0;
    if (days > 0) len += (size_t)snprintf(text + len, sizeof text - len, "%dd", days);
    if (len > 0 || hours > 0) len += (size_t)snprintf(text + len, sizeof text - len, "%dh", hours);
    if (len > 0 || minutes > 0) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%dm", minutes);
    }
    snprintf(text + len, sizeof text - len, "%ds", (int)(s % 60));
    json_string(json, key, text);
}
