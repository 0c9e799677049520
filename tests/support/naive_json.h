/* SPDX-License-Identifier: Apache-2.0 */
/* A second reader of JSON, by recursion and by the book (RFC 8259, its grammar rule by rule), with
 * which the library's is compared. */
#ifndef RI_TEST_NAIVE_JSON_H
#define RI_TEST_NAIVE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct naive_json {
    const unsigned char *at, *end;
    int depth, max;
} naive_json;

static inline bool naive_char(naive_json *j, int c)
{
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static inline void naive_ws(naive_json *j)
{
    while (naive_char(j, ' ') || naive_char(j, '\t') || naive_char(j, '\n') || naive_char(j, '\r'))
        continue;
}

static inline bool naive_word(naive_json *j, const char *word)
{
    for (; *word; word++)
        if (!naive_char(j, *word)) return false;
    return true;
}

static inline int naive_digits(naive_json *j)
{
    int n = 0;
    for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) n++;
    return n;
}

static inline bool naive_number(naive_json *j)
{
    naive_char(j, '-');
    if (!naive_char(j, '0') && !naive_digits(j)) return false;
    if (naive_char(j, '.') && !naive_digits(j)) return false;
    if (!naive_char(j, 'e') && !naive_char(j, 'E')) return true;
    if (!naive_char(j, '+')) naive_char(j, '-');
    return naive_digits(j) > 0;
}

/* \uXXXX: the number; -1 if it is none. */
static inline long naive_unit(naive_json *j)
{
    char hex[5] = "";
    if (j->end - j->at < 4) return -1;
    memcpy(hex, j->at, 4);
    if (strspn(hex, "0123456789abcdefABCDEF") != 4) return -1;
    j->at += 4;
    return strtol(hex, NULL, 16);
}

static inline bool naive_escape(naive_json *j)
{
    if (j->at == j->end) return false;
    int c = *j->at++;
    if (c != 'u') return c && strchr("\"\\/bfnrt", c);
    long unit = naive_unit(j);
    if (unit < 0xd800 || unit > 0xdfff) return unit >= 0;
    if (unit > 0xdbff || !naive_char(j, '\\') || !naive_char(j, 'u')) return false;
    unit = naive_unit(j);
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* One character of more than one byte: the number of it in its shortest form, and no surrogate. */
static inline bool naive_utf8(naive_json *j)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = *j->at;
    int len = c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    if (!len || j->end - j->at < len) return false;
    uint32_t u = c & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if (j->at[i] >> 6 != 2) return false;
        u = u << 6 | (j->at[i] & 0x3f);
    }
    j->at += len;
    return u >= least[len] && u <= 0x10ffff && (u < 0xd800 || u > 0xdfff);
}

static inline bool naive_string(naive_json *j)
{
    if (!naive_char(j, '"')) return false;
    while (!naive_char(j, '"')) {
        if (j->at == j->end || *j->at < 0x20) return false;
        if (naive_char(j, '\\')) {
            if (!naive_escape(j)) return false;
        } else if (*j->at >= 0x80) {
            if (!naive_utf8(j)) return false;
        } else {
            j->at++;
        }
    }
    return true;
}

static inline bool naive_value(naive_json *j);

static inline bool naive_list(naive_json *j, bool object)
{
    int close = object ? '}' : ']';
    j->at++;
    naive_ws(j);
    if (naive_char(j, close)) return true;
    do {
        naive_ws(j);
        if (object) {
            if (!naive_string(j)) return false;
            naive_ws(j);
            if (!naive_char(j, ':')) return false;
        }
        if (!naive_value(j)) return false;
    } while (naive_char(j, ','));
    return naive_char(j, close);
}

static inline bool naive_value(naive_json *j)
{
    naive_ws(j);
    if (j->at == j->end) return false;
    bool ok = false;
    switch (*j->at) {
    case '{':
    case '[':
        if (++j->depth > j->max) return false;
        ok = naive_list(j, *j->at == '{');
        j->depth--;
        break;
    case '"': ok = naive_string(j); break;
    case 't': ok = naive_word(j, "true"); break;
    case 'f': ok = naive_word(j, "false"); break;
    case 'n': ok = naive_word(j, "null"); break;
    default: ok = naive_number(j);
    }
    naive_ws(j);
    return ok;
}

/* Is all of the text JSON, not deeper than `max`? */
static inline bool naive_is_json(const char *text, size_t len, int max)
{
    naive_json j = {(const unsigned char *)text, (const unsigned char *)text + len, 0, max};
    return naive_value(&j) && j.at == j.end;
}

#endif
