/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void text_free(text *t)
{
    free(t->ptr);
    *t = (text){0};
}

void text_clear(text *t)
{
    t->len = 0;
    if (t->ptr) t->ptr[0] = 0;
}

static void text_reserve(text *t, size_t more)
{
    if (t->size - t->len > more) return;
    size_t size = t->size ? t->size : 128;
    while (size - t->len <= more && size < SIZE_MAX / 4) size *= 2;
    char *ptr = size - t->len > more ? realloc(t->ptr, size) : NULL;
    if (!ptr) {
        fputs("rill: out of memory\n", stderr);
        exit(1);
    }
    t->ptr = ptr;
    t->size = size;
}

void text_add(text *t, const void *ptr, size_t len)
{
    text_reserve(t, len);
    if (len) memcpy(t->ptr + t->len, ptr, len);
    t->len += len;
    t->ptr[t->len] = 0;
}

void text_puts(text *t, const char *ptr)
{
    text_add(t, ptr, strlen(ptr));
}

void text_addf(text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    text_reserve(t, (size_t)len);
    vsnprintf(t->ptr + t->len, (size_t)len + 1, format, again);
    va_end(again);
    t->len += (size_t)len;
}

/* ---- Bytes of strangers ---- */

/* The bytes of the code point at `p`, and the code point; 0 if that is no UTF-8. */
static size_t text_point(const unsigned char *p, size_t len, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len) return 0;
    *point = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 0;
        *point = *point << 6 | (p[i] & 0x3f);
    }
    bool surrogate = *point >= 0xd800 && *point < 0xe000;
    return *point < least[n] || *point > 0x10ffff || surrogate ? 0 : n;
}

/* Would a terminal obey it rather than show it? */
static bool text_is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029;
}

bool text_is_utf8(const void *ptr, size_t len)
{
    const unsigned char *p = ptr;
    uint32_t point;
    for (size_t i = 0, n; i < len; i += n) {
        n = text_point(p + i, len - i, &point);
        if (n == 0) return false;
    }
    return true;
}

void text_add_shown(text *t, const void *ptr, size_t len, bool lines)
{
    const unsigned char *p = ptr;
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = text_point(p + i, len - i, &c);
        if (n == 0 || c < 0x20 || c == 0x7f) {
            bool stays = n == 1 && lines && (c == '\n' || c == '\t');
            if (stays) text_add(t, p + i, 1);
            else text_addf(t, "\\x%02x", p[i]);
            n = 1;
        } else if (text_is_control(c)) {
            text_addf(t, "\\u%04x", c);
        } else {
            text_add(t, p + i, n);
        }
        i += n;
    }
    if (len == 0) text_add(t, "", 0);
}

void text_add_json(text *t, const void *ptr, size_t len)
{
    const unsigned char *p = ptr;
    text_puts(t, "\"");
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = text_point(p + i, len - i, &c);
        if (n == 0) text_puts(t, "\\ufffd");
        else if (c == '"' || c == '\\') text_addf(t, "\\%c", (int)c);
        else if (c == '\n') text_puts(t, "\\n");
        else if (text_is_control(c)) text_addf(t, "\\u%04x", c);
        else text_add(t, p + i, n);
        i += n ? n : 1;
    }
    text_puts(t, "\"");
}

void text_add_base64(text *t, const void *ptr, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = ptr;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)p[i] << 16 | (uint32_t)(n > 1 ? p[i + 1] : 0) << 8 |
                        (uint32_t)(n > 2 ? p[i + 2] : 0);
        char four[4] = {letters[bits >> 18], letters[bits >> 12 & 63],
                        n > 1 ? letters[bits >> 6 & 63] : '=', n > 2 ? letters[bits & 63] : '='};
        text_add(t, four, sizeof four);
    }
}

size_t text_columns(const char *ptr)
{
    size_t columns = 0;
    for (; *ptr; ptr++) columns += ((unsigned char)*ptr & 0xc0) != 0x80;
    return columns;
}

/* ---- Numbers for people ---- */

void text_add_count(text *t, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text_puts(t, ",");
        text_add(t, digits + i, 1);
    }
}

void text_add_size(text *t, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit < sizeof units / sizeof units[0] - 1) {
        value /= 1024;
        unit++;
    }
    if (unit == 0) text_addf(t, "%" PRIu64 " B", bytes);
    else text_addf(t, "%.1f %s", value, units[unit]);
}

/* Three figures below a minute, and the two largest units above. */
void text_add_span(text *t, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *unit;
    } units[] = {{86400000000000, "d"}, {3600000000000, "h"}, {60000000000, "m"},
                 {1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
    size_t unit = 0, last = sizeof units / sizeof units[0] - 1;
    if (ns < 0) {
        text_puts(t, "-");
        ns = ns == INT64_MIN ? INT64_MAX : -ns;
    }
    while (unit < last && ns < units[unit].ns) unit++;
    if (ns == 0) {
        text_puts(t, "0s");
    } else if (ns < units[2].ns) {
        double value = (double)ns / (double)units[unit].ns;
        text_addf(t, "%.*f%s", value >= 99.95 || unit == last ? 0 : value >= 9.995 ? 1 : 2, value,
                  units[unit].unit);
    } else {
        int64_t rest = ns % units[unit].ns / units[unit + 1].ns;
        text_addf(t, "%" PRId64 "%s", ns / units[unit].ns, units[unit].unit);
        if (rest > 0) text_addf(t, "%" PRId64 "%s", rest, units[unit + 1].unit);
    }
}

void text_add_time(text *t, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    int64_t rest = wall_ns % 1000000000;
    struct tm parts;
    char date[40];
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    if (!gmtime_r(&seconds, &parts)) parts = (struct tm){.tm_mday = 1};
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    text_addf(t, "%s.%03dZ", date, (int)(rest / 1000000));
}
