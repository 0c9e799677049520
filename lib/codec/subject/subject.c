/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/subject.h"

#include "base/assert.h"
#include "base/error.h"

/* What a token is in a filter. */
typedef enum subject_token_kind { SUBJECT_WORD, SUBJECT_ONE, SUBJECT_REST } subject_token_kind;

static subject_token_kind subject_kind(ri_str token)
{
    if (token.len != 1) return SUBJECT_WORD;
    if (token.ptr[0] == '*') return SUBJECT_ONE;
    return token.ptr[0] == '>' ? SUBJECT_REST : SUBJECT_WORD;
}

static bool subject_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static bool subject_has_blank(ri_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (subject_is_blank(s.ptr[i])) return true;
    return false;
}

typedef enum subject_fault {
    SUBJECT_FINE,
    SUBJECT_EMPTY,
    SUBJECT_EMPTY_TOKEN,
    SUBJECT_BLANK,
    SUBJECT_REST_NOT_LAST,
    SUBJECT_WILDCARD,
} subject_fault;

/* Words alone, as most subjects have: sound and literal, and that is seen byte by byte. What is not
 * plain may still be sound. */
static bool subject_is_plain(ri_str s)
{
    bool begins = true; /* a token does */
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c > '>' && c != 0x7f) { /* letters, for the most part */
            begins = false;
            continue;
        }
        if (c <= ' ' || c == 0x7f || c == '*' || c == '>' || (c == '.' && begins)) return false;
        begins = c == '.';
    }
    return !begins;
}

static subject_fault subject_look(ri_str s, bool literal)
{
    RI_ASSERT(s.ptr || s.len == 0);
    if (s.len == 0) return SUBJECT_EMPTY;
    bool wildcard = false, rest_seen = false;
    ri_str rest = s, token;
    while (ri_subject_token(&rest, &token)) {
        if (token.len == 0) return SUBJECT_EMPTY_TOKEN;
        if (rest_seen) return SUBJECT_REST_NOT_LAST;
        subject_token_kind kind = subject_kind(token);
        rest_seen = kind == SUBJECT_REST;
        wildcard |= kind != SUBJECT_WORD;
    }
    if (subject_has_blank(s)) return SUBJECT_BLANK;
    return literal && wildcard ? SUBJECT_WILDCARD : SUBJECT_FINE;
}

bool ri_subject_is_filter(ri_str s)
{
    return subject_look(s, false) == SUBJECT_FINE;
}

bool ri_subject_is_literal(ri_str s)
{
    return subject_look(s, true) == SUBJECT_FINE;
}

bool ri_subject_is_sound(ri_str s)
{
    subject_fault fault = subject_look(s, false);
    return fault == SUBJECT_FINE || (fault == SUBJECT_REST_NOT_LAST && !subject_has_blank(s) &&
                                     s.ptr[s.len - 1] != '.' && !memmem(s.ptr, s.len, "..", 2));
}

bool ri_subject_has_wildcard(ri_str s)
{
    ri_str rest = s, token;
    while (ri_subject_token(&rest, &token))
        if (subject_kind(token) != SUBJECT_WORD) return true;
    return false;
}

/* The first control character, or -1. */
static int subject_control(ri_str s)
{
    RI_ASSERT(s.ptr || s.len == 0);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f) return (unsigned char)s.ptr[i];
    return -1;
}

static int subject_check(ri_str s, bool literal)
{
    enum { SHOWN = 80 };
    RI_ASSERT(s.ptr || s.len == 0);
    int shown = (int)RI_MIN(s.len, (size_t)SHOWN);
    if (s.len <= RILL_SUBJECT_MAX && subject_is_plain(s)) return RILL_OK;
    if (s.len > RILL_SUBJECT_MAX)
        return ri_err(RILL_EINVAL, "subject \"%.*s...\" has %zu bytes, more than %d", shown, s.ptr,
                      s.len, RILL_SUBJECT_MAX);
    int control = subject_control(s);
    if (control >= 0)
        return ri_err(RILL_EINVAL, "a subject may not contain the control character 0x%02x",
                      (unsigned)control);
    switch (subject_look(s, literal)) {
    case SUBJECT_FINE: return RILL_OK;
    case SUBJECT_EMPTY: return ri_err(RILL_EINVAL, "the subject is empty");
    case SUBJECT_EMPTY_TOKEN:
        return ri_err(RILL_EINVAL, "subject \"%.*s\" has an empty token", shown, s.ptr);
    case SUBJECT_BLANK: return ri_err(RILL_EINVAL, "subject \"%.*s\" has a space", shown, s.ptr);
    case SUBJECT_REST_NOT_LAST:
        return ri_err(RILL_EINVAL, "subject \"%.*s\" has a > that is not its last token", shown,
                      s.ptr);
    case SUBJECT_WILDCARD:
        return ri_err(RILL_EINVAL, "subject \"%.*s\" has a wildcard, which only filters may",
                      shown, s.ptr);
    }
    return ri_err(RILL_EBUG, "subject: unknown fault");
}

int ri_subject_check_literal(ri_str s)
{
    return subject_check(s, true);
}

int ri_subject_check_filter(ri_str s)
{
    return subject_check(s, false);
}

bool ri_subject_is_queue(ri_str s)
{
    RI_ASSERT(s.ptr || s.len == 0);
    return s.len > 0 && !subject_has_blank(s);
}

int ri_subject_check_queue(ri_str s)
{
    if (s.len == 0) return ri_err(RILL_EINVAL, "the group's name is empty");
    if (s.len > RILL_SUBJECT_MAX)
        return ri_err(RILL_EINVAL, "the group's name has %zu bytes, more than %d", s.len,
                      RILL_SUBJECT_MAX);
    if (subject_has_blank(s) || subject_control(s) >= 0)
        return ri_err(RILL_EINVAL, "the group's name has a space or a control character");
    return RILL_OK;
}

size_t ri_subject_count(ri_str s)
{
    size_t n = s.len > 0;
    for (size_t i = 0; i < s.len; i++) n += s.ptr[i] == '.';
    return n;
}

/* Is the token at `at` the one byte `c`? */
static bool subject_is_token(const char *at, const char *end, char c)
{
    RI_ASSERT(at <= end);
    return at < end && *at == c && (at + 1 == end || at[1] == '.');
}

/* Asked of very many subjects, whose tokens are short: byte by byte. */
bool ri_subject_match(ri_str filter, ri_str subject)
{
    const char *f = filter.ptr, *s = subject.ptr;
    if (!f || !s) return !f == !s;
    const char *f_end = f + filter.len, *s_end = s + subject.len;
    for (;; f++, s++) { /* both at the beginning of a token */
        if (subject_is_token(f, f_end, '>')) return true;
        if (subject_is_token(f, f_end, '*'))
            for (f++; s < s_end && *s != '.';) s++;
        else
            for (; f < f_end && s < s_end && *f == *s && *f != '.'; f++) s++;
        if (f == f_end || s == s_end) return f == f_end && s == s_end;
        if (*f != '.' || *s != '.') return false;
    }
}

bool ri_subject_covers(ri_str outer, ri_str inner)
{
    ri_str want, have;
    for (;;) {
        bool more_want = ri_subject_token(&outer, &want);
        bool more_have = ri_subject_token(&inner, &have);
        if (!more_want || !more_have) return more_want == more_have;
        subject_token_kind kind = subject_kind(have);
        switch (subject_kind(want)) {
        case SUBJECT_REST: return true;
        case SUBJECT_ONE:
            if (kind == SUBJECT_REST) return false;
            break;
        case SUBJECT_WORD:
            if (kind != SUBJECT_WORD || !ri_str_eq(want, have)) return false;
        }
    }
}

bool ri_subject_overlaps(ri_str a, ri_str b)
{
    ri_str left, right;
    for (;;) {
        bool more_left = ri_subject_token(&a, &left);
        bool more_right = ri_subject_token(&b, &right);
        if (!more_left || !more_right) return more_left == more_right;
        subject_token_kind kinds[] = {subject_kind(left), subject_kind(right)};
        if (kinds[0] == SUBJECT_REST || kinds[1] == SUBJECT_REST) return true;
        if (kinds[0] == SUBJECT_WORD && kinds[1] == SUBJECT_WORD && !ri_str_eq(left, right))
            return false;
    }
}
