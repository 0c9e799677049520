/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/str.h"

static char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool ri_str_eq_nocase(ri_str a, ri_str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (str_lower(a.ptr[i]) != str_lower(b.ptr[i])) return false;
    return true;
}

bool ri_str_cut(ri_str *rest, char sep, ri_str *part)
{
    if (!rest->ptr) return false;
    const char *at = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
    RI_ASSERT(!at || at < rest->ptr + rest->len);
    if (!at) {
        *part = *rest;
        *rest = RI_STR_NONE;
        return true;
    }
    size_t len = (size_t)(at - rest->ptr);
    *part = (ri_str){rest->ptr, len};
    *rest = (ri_str){at + 1, rest->len - len - 1};
    return true;
}

static bool str_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool ri_str_word(ri_str *rest, ri_str *word)
{
    size_t at = 0;
    if (rest->len == 0) {
        *word = *rest;
        return false;
    }
    while (at < rest->len && str_is_blank(rest->ptr[at])) at++;
    size_t start = at;
    while (at < rest->len && !str_is_blank(rest->ptr[at])) at++;
    *word = (ri_str){rest->ptr + start, at - start};
    RI_ASSERT(word->len == 0 || !str_is_blank(word->ptr[0]));
    *rest = (ri_str){rest->ptr + at, rest->len - at};
    return word->len > 0;
}
