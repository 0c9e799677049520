/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pages/page_json.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/number.h"
#include "base/rfc3339.h"

enum {
    PAGE_JSON_DEPTH = 16,     /* of what is written here, at most */
    PAGE_JSON_MARKS = 8,      /* bytes of comma, line, quotes and colon */
    PAGE_JSON_NS_OF_S = 1000 * 1000 * 1000,
};

/* All at once, since there are a dozen of these for each thing that is listed. */
void ri_page_json_key(ri_page_json *j, const char *key)
{
    RI_ASSERT(j->depth <= PAGE_JSON_DEPTH);
    size_t len = key ? strlen(key) : 0, blanks = j->flat ? 0 : 2 * (size_t)j->depth;
    char *begin = ri_buffer_room(j->out, len + blanks + PAGE_JSON_MARKS), *at = begin;
    if (!begin) return;
    if (j->depth > 0) {
        if (j->follows) *at++ = ',';
        if (!j->flat) *at++ = '\n';
        memset(at, ' ', blanks);
        at += blanks;
    }
    j->follows = true;
    if (key) {
        *at++ = '"';
        memcpy(at, key, len);
        memcpy(at + len, "\": ", 3);
        at += len + 3 - j->tight;
    }
    ri_buffer_added(j->out, (size_t)(at - begin));
}

void ri_page_json_open(ri_page_json *j, const char *key, char bracket)
{
    RI_ASSERT(bracket == '{' || bracket == '[');
    ri_page_json_key(j, key);
    ri_buffer_put(j->out, &bracket, 1);
    j->depth++;
    j->follows = false;
}

/* An empty one stays on its line. */
void ri_page_json_close(ri_page_json *j, char bracket)
{
    RI_ASSERT(j->depth > 0 && (bracket == '}' || bracket == ']'));
    bool empty = !j->follows;
    j->depth--;
    j->follows = false;
    if (!empty && j->depth > 0) ri_page_json_key(j, NULL); /* a line of its own */
    if (!empty && j->depth == 0 && !j->flat) ri_buffer_put(j->out, "\n", 1);
    ri_buffer_put(j->out, &bracket, 1);
    j->follows = true;
}

void ri_page_json_string(ri_page_json *j, const char *key, ri_str value)
{
    RI_ASSERT(value.ptr || !value.len);
    ri_page_json_key(j, key);
    ri_json_put_string(j->out, value);
}

void ri_page_json_pair(ri_page_json *j, ri_str key, ri_str value)
{
    ri_page_json_key(j, NULL);
    ri_json_put_string(j->out, key);
    ri_buffer_puts(j->out, j->tight ? ":" : ": ");
    ri_json_put_string(j->out, value);
}

void ri_page_json_text(ri_page_json *j, const char *key, const char *value)
{
    if (value) ri_page_json_string(j, key, ri_str_of(value));
}

static void page_json_put_u64(ri_buffer *out, uint64_t n)
{
    char *room = ri_buffer_room(out, RI_NUMBER_MAX);
    if (room) ri_buffer_added(out, ri_number_write(room, n));
}

void ri_page_json_uint(ri_page_json *j, const char *key, uint64_t n)
{
    ri_page_json_key(j, key);
    page_json_put_u64(j->out, n);
}

void ri_page_json_int(ri_page_json *j, const char *key, int64_t n)
{
    ri_page_json_key(j, key);
    if (n < 0) ri_buffer_put(j->out, "-", 1);
    page_json_put_u64(j->out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void ri_page_json_number(ri_page_json *j, const char *key, double n)
{
    RI_ASSERT(n - n == 0); /* JSON knows no infinity */
    ri_page_json_key(j, key);
    ri_buffer_printf(j->out, "%.6g", n);
}

void ri_page_json_bool(ri_page_json *j, const char *key, bool is)
{
    ri_page_json_key(j, key);
    ri_buffer_puts(j->out, is ? "true" : "false");
}

void ri_page_json_time(ri_page_json *j, const char *key, int64_t wall_ns)
{
    ri_page_json_key(j, key);
    char *room = ri_buffer_room(j->out, RI_RFC3339_MAX + 2);
    if (!room) return;
    size_t len = ri_rfc3339_write(room + 1, wall_ns);
    room[0] = room[len + 1] = '"';
    ri_buffer_added(j->out, len + 2);
}

void ri_page_json_span(ri_page_json *j, const char *key, int64_t ns)
{
    static const struct { char unit; int64_t seconds; } units[] = {
        {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t left = RI_MAX(ns, 0) / PAGE_JSON_NS_OF_S;
    bool begun = false;
    ri_page_json_key(j, key);
    ri_buffer_put(j->out, "\"", 1);
    for (size_t i = 0; i < RI_LEN(units); i++) {
        begun = begun || left >= units[i].seconds || units[i].seconds == 1;
        if (begun) page_json_put_u64(j->out, (uint64_t)(left / units[i].seconds));
        if (begun) ri_buffer_put(j->out, &units[i].unit, 1);
        left %= units[i].seconds;
    }
    ri_buffer_put(j->out, "\"", 1);
}

void ri_page_json_duration(ri_page_json *j, const char *key, int64_t ns)
{
    static const struct { const char *unit; int64_t ns; } units[] = {
        {"s", PAGE_JSON_NS_OF_S}, {"ms", 1000 * 1000}, {"\xc2\xb5s", 1000}, {"ns", 1}};
    size_t i = 0;
    char text[40];
    if (ns <= 0) {
        ri_page_json_text(j, key, "0s");
        return;
    }
    while (ns < units[i].ns) i++;
    int n = snprintf(text, sizeof text, "%lld.%09lld", (long long)(ns / units[i].ns),
                     (long long)(ns % units[i].ns * (PAGE_JSON_NS_OF_S / units[i].ns)));
    while (text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    snprintf(text + n, sizeof text - (size_t)n, "%s", units[i].unit);
    ri_page_json_text(j, key, text);
}
