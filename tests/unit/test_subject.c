/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "codec/subject/subject.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

START_TEST(test_validity)
{
    static const struct { const char *text; bool filter, literal; } rows[] = {
        {"a", true, true},          {"a.b.c", true, true},    {"", false, false},
        {".", false, false},        {"a.", false, false},     {".a", false, false},
        {"a..b", false, false},     {"a b", false, false},    {"a.b\t", false, false},
        {"a\r", false, false},      {"a\n.b", false, false},  {"a\f", false, false},
        {"*", true, false},         {">", true, false},       {"a.*", true, false},
        {"a.>", true, false},       {"*.>", true, false},     {">.a", false, false},
        {"a.>.b", false, false},    {"a*.b", true, true},     {"a.b>", true, true},
        {"**", true, true},         {">>", true, true},       {"a.*b.c", true, true},
        {"*.a.*", true, false},     {"\x01", true, true},     {">.", false, false},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_str s = guarded(rows[i].text);
        ck_assert_msg(ri_subject_is_filter(s) == rows[i].filter, "filter \"%s\"", rows[i].text);
        ck_assert_msg(ri_subject_is_literal(s) == rows[i].literal, "literal \"%s\"", rows[i].text);
    }
    ck_assert(!ri_subject_is_filter(RI_STR_NONE) && !ri_subject_has_wildcard(RI_STR_NONE));
    ck_assert(ri_subject_has_wildcard(guarded("a.*")) && !ri_subject_has_wildcard(guarded("a*")));
    ck_assert_uint_eq(ri_subject_count(guarded("a.b.c")), 3);
    ck_assert_uint_eq(ri_subject_count(RI_STR_NONE), 0);
    guard_free();
}
END_TEST

START_TEST(test_sentences)
{
    char longest[RILL_SUBJECT_MAX + 1];
    memset(longest, 'a', sizeof longest);
    static const struct { const char *text, *word; } rows[] = {
        {"", "empty"}, {"a..b", "empty token"}, {"a b", "space"}, {"a\tb", "0x09"},
        {"a\x7f", "0x7f"}, {"a.*", "wildcard"}, {">.a", "not its last"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ck_assert_rc(ri_subject_check_literal(guarded(rows[i].text)), RILL_EINVAL);
        ck_assert_msg(strstr(ri_err_text(), rows[i].word) != NULL, "%s", ri_err_text());
    }
    ck_assert_ok(ri_subject_check_filter(guarded("a.*.>")));
    ck_assert_ok(ri_subject_check_literal((ri_str){longest, RILL_SUBJECT_MAX}));
    ck_assert_rc(ri_subject_check_literal((ri_str){longest, RILL_SUBJECT_MAX + 1}), RILL_EINVAL);
    ck_assert_ok(ri_subject_check_queue(guarded("workers")));
    ck_assert_rc(ri_subject_check_queue(guarded("")), RILL_EINVAL);
    ck_assert_rc(ri_subject_check_queue(guarded("a b")), RILL_EINVAL);
    ck_assert(ri_subject_is_queue(guarded("q.1")) && !ri_subject_is_queue(guarded("a\tb")));
    guard_free();
}
END_TEST

START_TEST(test_match)
{
    static const struct { const char *filter, *subject; bool match; } rows[] = {
        {"a.b", "a.b", true},      {"a.b", "a.c", false},     {"a.b", "a.b.c", false},
        {"a.b.c", "a.b", false},   {"a.*", "a.b", true},      {"a.*", "a", false},
        {"a.*", "a.b.c", false},   {"*.b", "a.b", true},      {"a.>", "a.b", true},
        {"a.>", "a.b.c.d", true},  {"a.>", "a", false},       {">", "a", true},
        {">", "a.b", true},        {"*", "a", true},          {"*", "a.b", false},
        {"a*.b", "ax.b", false},   {"a*.b", "a*.b", true},    {"foo.*", "foo.*", true},
        {"foo.bar", "foo.*", false}, {"a.*.c.>", "a.b.c.d", true}, {"a.*.c.>", "a.b.c", false},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++)
        ck_assert_msg(ri_subject_match(guarded(rows[i].filter), guarded(rows[i].subject)) ==
                          rows[i].match, "%s against %s", rows[i].filter, rows[i].subject);
    guard_free();
}
END_TEST

/* covers() and overlaps() are what enumerating all subjects says: over an alphabet with one
 * token that no filter names, subjects one longer than the filters tell filters apart. */
enum { FILTER_TOKENS = 3, SUBJECT_TOKENS = FILTER_TOKENS + 1 };

static size_t all_subjects(char out[][16])
{
    static const char *words[] = {"a", "b", "z"};
    size_t n = 0;
    for (size_t len = 1; len <= SUBJECT_TOKENS; len++) {
        size_t combos = 1;
        for (size_t i = 0; i < len; i++) combos *= RI_LEN(words);
        for (size_t c = 0; c < combos; c++, n++) {
            size_t rest = c;
            out[n][0] = 0;
            for (size_t i = 0; i < len; i++, rest /= RI_LEN(words)) {
                if (i) strcat(out[n], ".");
                strcat(out[n], words[rest % RI_LEN(words)]);
            }
        }
    }
    return n;
}

static void random_filter(rng *r, char out[16])
{
    static const char *words[] = {"a", "b", "*"};
    size_t len = 1 + rng_below(r, FILTER_TOKENS);
    out[0] = 0;
    for (size_t i = 0; i < len; i++) {
        if (i) strcat(out, ".");
        bool rest = i + 1 == len && rng_below(r, 3) == 0;
        strcat(out, rest ? ">" : words[rng_below(r, RI_LEN(words))]);
    }
}

START_TEST(test_sets)
{
    static char subjects[200][16];
    size_t n = all_subjects(subjects);
    rng r;
    rng_init(&r, rng_seed(7));
    size_t covers = 0, overlaps = 0;
    for (int round = 0; round < 3000; round++) {
        char a[16], b[16];
        random_filter(&r, a);
        random_filter(&r, b);
        bool covered = true, common = false;
        for (size_t i = 0; i < n; i++) {
            bool in_a = ri_subject_match(ri_str_of(a), ri_str_of(subjects[i]));
            bool in_b = ri_subject_match(ri_str_of(b), ri_str_of(subjects[i]));
            covered = covered && (in_a || !in_b);
            common = common || (in_a && in_b);
        }
        ck_assert_msg(ri_subject_covers(ri_str_of(a), ri_str_of(b)) == covered, "%s covers %s", a,
                      b);
        ck_assert_msg(ri_subject_overlaps(ri_str_of(a), ri_str_of(b)) == common, "%s and %s", a, b);
        covers += covered;
        overlaps += common;
    }
    ck_assert(covers > 100 && covers < 2900 && overlaps > 100 && overlaps < 2900);
}
END_TEST

SUITE_MAIN("subject", test_validity, test_sentences, test_match, test_sets)
