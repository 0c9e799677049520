/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pages/page_query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"

static const char page_query_true[] = "1 t T TRUE true True";
static const char page_query_false[] = "0 f F FALSE false False";

enum { PAGE_QUERY_NAME = 32, PAGE_QUERY_CHECKED = 64 /* bytes of a number that is read */ };

static int page_query_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %24G stands for $G. A 0 is none, since what is decoded ends with one. */
static void page_query_decode(ri_str text, char *value, size_t size)
{
    size_t n = 0;
    RI_ASSERT(size > 0);
    for (size_t i = 0; i < text.len && n + 1 < size; i++) {
        const char *p = text.ptr + i;
        bool coded = *p == '%' && text.len - i > 2 && page_query_digit(p[1]) >= 0 &&
                     page_query_digit(p[2]) >= 0;
        int byte = coded ? page_query_digit(p[1]) * 16 + page_query_digit(p[2]) : *p;
        if (coded && byte) i += 2;
        else byte = *p == '+' ? ' ' : *p;
        value[n++] = (char)byte;
    }
    value[n] = 0;
}

bool ri_page_query_get(ri_str query, const char *name, char *value, size_t size)
{
    RI_ASSERT(size > 0);
    ri_str pair;
    size_t len = strlen(name);
    RI_ASSERT(len > 0);
    value[0] = 0;
    while (query.len) {
        const char *end = memchr(query.ptr, '&', query.len);
        pair = (ri_str){query.ptr, end ? (size_t)(end - query.ptr) : query.len};
        if (pair.len > len && memcmp(pair.ptr, name, len) == 0 && pair.ptr[len] == '=') {
            page_query_decode((ri_str){pair.ptr + len + 1, pair.len - len - 1}, value, size);
            return true;
        }
        size_t used = pair.len + (end != NULL);
        query = (ri_str){query.ptr + used, query.len - used};
    }
    return false;
}

/* Is it one of these words? */
static bool page_query_is(const char *value, const char *words)
{
    size_t len = strlen(value);
    for (const char *p = words; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && strncmp(p, value, len) == 0) return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

bool ri_page_query_bool(ri_str query, const char *name)
{
    char value[8];
    return ri_page_query_get(query, name, value, sizeof value) &&
           page_query_is(value, page_query_true);
}

uint64_t ri_page_query_number(ri_str query, const char *name, uint64_t absent)
{
    char value[PAGE_QUERY_CHECKED], *rest;
    if (!ri_page_query_get(query, name, value, sizeof value)) return absent;
    unsigned long long number = strtoull(value, &rest, 10);
    return rest == value || *rest || value[0] == '-' ? absent : number;
}

/* One that is empty is as good as absent. */
static bool page_query_is_bool(const char *name, const char *value)
{
    return page_query_is(value, page_query_true) || page_query_is(value, page_query_false) ||
           (strcmp(name, "subs") == 0 && strcasecmp(value, "detail") == 0);
}

static bool page_query_is_number(const char *value, bool signs)
{
    const char *digits = value + (signs && (*value == '-' || *value == '+'));
    if (!*digits || digits[strspn(digits, "0123456789")] != 0) return false;
    errno = 0;
    if (signs) strtoll(value, NULL, 10);
    else strtoull(value, NULL, 10);
    return errno == 0;
}

static bool page_query_check(ri_str query, const char *kind, const char *names, ri_buffer *out)
{
    RI_ASSERT(kind[0] == 'b' || kind[0] == 'i' || kind[0] == 'u');
    for (const char *p = names ? names : ""; *p;) {
        char name[PAGE_QUERY_NAME], value[PAGE_QUERY_CHECKED];
        size_t len = strcspn(p, " ");
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        ri_page_query_get(query, name, value, sizeof value);
        bool good = !value[0] || (kind[0] == 'b' ? page_query_is_bool(name, value)
                                                 : page_query_is_number(value, kind[0] == 'i'));
        if (!good) {
            ri_buffer_printf(out, "Error decoding %s for '%s': \"%s\" is none", kind, name, value);
            return false;
        }
        p += len + (p[len] == ' ');
    }
    return true;
}

bool ri_page_query_check(ri_str query, const char *bools, const char *ints, const char *uints,
                         ri_buffer *out)
{
    return page_query_check(query, "boolean", bools, out) &&
           page_query_check(query, "int", ints, out) &&
           page_query_check(query, "uint64", uints, out);
}
