/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of bytes that somebody else owns. The public rill_str is the one span type. */
#ifndef RI_STR_H
#define RI_STR_H

#include <string.h>

#include "rill.h"

typedef rill_str ri_str;

#define RI_STR(literal) ((ri_str){(literal), sizeof(literal) - 1})
#define RI_STR_NONE ((ri_str){NULL, 0})
#define RI_ARG(s) (int)(s).len, (s).ptr

static inline ri_str ri_str_of(const char *text) /* NULL is the empty span */
{
    return (ri_str){text, text ? strlen(text) : 0};
}

static inline bool ri_str_eq(ri_str a, ri_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The same, for bytes that are few and nearly always equal: by words, the last two overlapping. */
static inline bool ri_str_same(ri_str a, ri_str b)
{
    if (a.len != b.len) return false;
    if (a.len > 64) return memcmp(a.ptr, b.ptr, a.len) == 0;
    uint64_t x, y, differs = 0;
    if (a.len < 4) {
        for (size_t i = 0; i < a.len; i++) differs |= (uint64_t)(a.ptr[i] ^ b.ptr[i]);
        return differs == 0;
    }
    if (a.len < 8) {
        uint32_t first[2], last[2];
        memcpy(&first[0], a.ptr, 4);
        memcpy(&first[1], b.ptr, 4);
        memcpy(&last[0], a.ptr + a.len - 4, 4);
        memcpy(&last[1], b.ptr + b.len - 4, 4);
        return ((first[0] ^ first[1]) | (last[0] ^ last[1])) == 0;
    }
    for (size_t at = 0;; at = at + 16 < a.len ? at + 8 : a.len - 8) {
        memcpy(&x, a.ptr + at, 8);
        memcpy(&y, b.ptr + at, 8);
        differs |= x ^ y;
        if (at == a.len - 8) return differs == 0;
    }
}

/* Copies s to `out`, and returns its end there. Most words of a line are short: two moves that
 * overlap, no call. */
static inline char *ri_str_put(char *out, ri_str s)
{
    if (s.len > 16) {
        memcpy(out, s.ptr, s.len);
    } else if (s.len >= 8) {
        memcpy(out, s.ptr, 8);
        memcpy(out + s.len - 8, s.ptr + s.len - 8, 8);
    } else if (s.len >= 4) {
        memcpy(out, s.ptr, 4);
        memcpy(out + s.len - 4, s.ptr + s.len - 4, 4);
    } else if (s.len > 0) {
        out[0] = s.ptr[0];
        out[s.len / 2] = s.ptr[s.len / 2];
        out[s.len - 1] = s.ptr[s.len - 1];
    }
    return out + s.len;
}

static inline bool ri_str_is(ri_str a, const char *text)
{
    return ri_str_eq(a, ri_str_of(text));
}

static inline bool ri_str_starts(ri_str s, ri_str prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline ri_str ri_str_from(ri_str s, size_t skip) /* s without its first `skip` bytes */
{
    if (s.len == 0) return s; /* it may be NULL */
    return skip >= s.len ? (ri_str){s.ptr + s.len, 0} : (ri_str){s.ptr + skip, s.len - skip};
}

static inline int ri_str_cmp(ri_str a, ri_str b) /* by bytes, the shorter first */
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* Compared without regard to ASCII case, whatever the locale. */
bool ri_str_eq_nocase(ri_str a, ri_str b);

/* Cut the part before the next `sep` off the front of *rest; false once *rest is used up. */
bool ri_str_cut(ri_str *rest, char sep, ri_str *part);
/* The next word of *rest, words being parted by runs of spaces and tabs. */
bool ri_str_word(ri_str *rest, ri_str *word);

#endif
