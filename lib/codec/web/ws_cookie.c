/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/ws_cookie.h"

#include "base/assert.h"
#include "base/error.h"

static const char *const cookie_words[RI_WS_COOKIES] = {
    [RI_WS_COOKIE_USER] = "user", [RI_WS_COOKIE_PASS] = "pass", [RI_WS_COOKIE_TOKEN] = "token",
    [RI_WS_COOKIE_JWT] = "jwt"};

static ri_str cookie_trim(ri_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s = ri_str_from(s, 1);
    while (s.len && strchr(" \t\r", s.ptr[s.len - 1])) s.len--;
    return s;
}

/* "NAME=VALUE" at its first =; false: there is none. */
static bool cookie_split(ri_str pair, ri_str *name, ri_str *value)
{
    const char *at = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
    if (!at) return false;
    *name = cookie_trim((ri_str){pair.ptr, (size_t)(at - pair.ptr)});
    *value = cookie_trim(ri_str_from(pair, (size_t)(at - pair.ptr) + 1));
    return true;
}

/* RI_WS_COOKIES: it is none of them. */
static size_t cookie_word(ri_str word)
{
    size_t i = 0;
    while (i < RI_WS_COOKIES && !ri_str_is(word, cookie_words[i])) i++;
    return i;
}

/* What RFC 6265 lets a name be. */
static bool cookie_is_name(ri_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", name.ptr[i]))
            return false;
    return name.len > 0;
}

int ri_ws_cookie_validate(const char *names)
{
    ri_str rest = ri_str_of(names), part, word, name;
    while (ri_str_cut(&rest, ',', &part))
        if (!cookie_split(part, &word, &name) || cookie_word(word) == RI_WS_COOKIES ||
            !cookie_is_name(name))
            return ri_err(RILL_EINVAL, "\"%.*s\" does not say which cookie stands for user, pass, "
                          "token or jwt", (int)RI_MIN(part.len, (size_t)200), part.ptr);
    return RILL_OK;
}

static void cookie_look_at(const char *names, ri_str cookie, ri_str out[RI_WS_COOKIES])
{
    ri_str rest = ri_str_of(names), part, word, name, given, value;
    if (!cookie_split(cookie, &given, &value)) return;
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = (ri_str){value.ptr + 1, value.len - 2};
    while (ri_str_cut(&rest, ',', &part)) {
        if (!cookie_split(part, &word, &name) || !ri_str_eq(name, given)) continue;
        size_t which = cookie_word(word);
        RI_ASSERT(which < RI_WS_COOKIES); /* the names were validated */
        out[which] = value;
    }
}

void ri_ws_cookie_find(const char *names, ri_str head, ri_str out[RI_WS_COOKIES])
{
    static const char field[] = "Cookie:";
    ri_str line, cookie;
    RI_ASSERT(ri_ws_cookie_validate(names) == RILL_OK);
    for (size_t i = 0; i < RI_WS_COOKIES; i++) out[i] = RI_STR_NONE;
    while (ri_str_cut(&head, '\n', &line)) {
        ri_str begin = {line.ptr, RI_MIN(line.len, sizeof field - 1)};
        if (!ri_str_eq_nocase(begin, ri_str_of(field))) continue;
        line = ri_str_from(line, begin.len);
        while (ri_str_cut(&line, ';', &cookie)) cookie_look_at(names, cookie, out);
    }
}
