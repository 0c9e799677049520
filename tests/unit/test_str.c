/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/str.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

START_TEST(test_compare)
{
    static const char *sorted[] = {"", "a", "a.b", "ab", "b", "\xff"};
    for (size_t i = 0; i < RI_LEN(sorted); i++) {
        for (size_t k = 0; k < RI_LEN(sorted); k++) {
            ri_str a = guarded(sorted[i]), b = guarded(sorted[k]);
            int c = ri_str_cmp(a, b);
            ck_assert(i < k ? c < 0 : i > k ? c > 0 : c == 0);
            ck_assert(ri_str_eq(a, b) == (i == k));
            ck_assert(ri_str_same(a, b) == (i == k));
            ck_assert(ri_str_is(a, sorted[k]) == (i == k));
        }
    }
    ck_assert(ri_str_eq(RI_STR_NONE, RI_STR("")));
    ck_assert(ri_str_is(ri_str_of(NULL), ""));
    ck_assert(ri_str_starts(guarded("abc"), guarded("ab")));
    ck_assert(ri_str_starts(guarded("abc"), guarded("")));
    ck_assert(!ri_str_starts(guarded("ab"), guarded("abc")));
    ck_assert_span(ri_str_from(guarded("abc"), 1), "bc");
    ck_assert_span(ri_str_from(guarded("abc"), 3), "");
    ck_assert_span(ri_str_from(guarded("abc"), 9), "");
    ck_assert(ri_str_eq_nocase(guarded("Nats-Msg-ID"), guarded("nAtS-mSG-id")));
    ck_assert(!ri_str_eq_nocase(guarded("a"), guarded("ab")));
    ck_assert(!ri_str_eq_nocase(guarded("@[`{"), guarded("`{@["))); /* neighbours of the letters */
    ck_assert(!ri_str_eq_nocase(guarded("\xc4"), guarded("\xe4"))); /* no locale */
    guard_free();
}
END_TEST

/* Of every length, with each byte in turn another one. */
START_TEST(test_same)
{
    char text[80];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 26);
    for (size_t len = 0; len <= sizeof text; len++) {
        ri_str a = {guard_copy(text, len), len};
        ck_assert(ri_str_same(a, (ri_str){guard_copy(text, len), len}));
        for (size_t at = 0; at < len; at++) {
            char *other = guard_copy(text, len);
            other[at] ^= 0x20;
            ck_assert(!ri_str_same((ri_str){guard_copy(text, len), len}, (ri_str){other, len}));
        }
    }
    guard_free();
}
END_TEST

static void cuts(const char *text, const char *want) /* parts joined by | */
{
    char got[64] = "";
    ri_str rest = guarded(text), part;
    while (ri_str_cut(&rest, '.', &part)) {
        strncat(got, part.ptr, part.len);
        strcat(got, "|");
    }
    ck_assert_str_eq(got, want);
}

static void words(const char *text, const char *want)
{
    char got[64] = "";
    ri_str rest = guarded(text), word;
    while (ri_str_word(&rest, &word)) {
        strncat(got, word.ptr, word.len);
        strcat(got, "|");
    }
    ck_assert_str_eq(got, want);
    ck_assert_uint_eq(word.len, 0);
}

START_TEST(test_parts)
{
    cuts("a.bc.d", "a|bc|d|");
    cuts("a", "a|");
    cuts(".a..", "|a|||");
    cuts("", "|");
    words("", "");
    words("  \t ", "");
    words("one", "one|");
    words("  one \t two  3 ", "one|two|3|");
    guard_free();
}
END_TEST

SUITE_MAIN("str", test_compare, test_same, test_parts)
