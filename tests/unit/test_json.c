/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/naive_json.h"
#include "support/rng.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

static int escape(fault *f, void *arg)
{
    static const struct { ri_str in; const char *out; } rows[] = {
        {RI_STR("foo.>"), "\"foo.\\u003e\""},
        {RI_STR("<&\"\\\n\r\t\b\f\x01\x1f"),
         "\"\\u003c\\u0026\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\""},
        {RI_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"),
         "\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\""},
        {RI_STR("\xff" "a\xc3"), "\"\\ufffda\\ufffd\""},
        {RI_STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""}, /* a surrogate */
        {RI_STR("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\""},
        {RI_STR("\xc0\x80\xf5"), "\"\\ufffd\\ufffd\\ufffd\""},
        {RI_STR("\x7f"), "\"\x7f\""},
        {{NULL, 0}, "\"\""},
    };
    (void)arg;
    int rc = RILL_OK;
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_buffer b;
        ri_buffer_init(&b, &f->host);
        ri_json_put_string(&b, (ri_str){guard_copy(rows[i].in.ptr, rows[i].in.len),
                                        rows[i].in.len});
        if (b.failed) rc = RILL_ENOMEM;
        else ck_assert_span(ri_buffer_str(&b), rows[i].out);
        ri_buffer_fini(&b);
    }
    return rc;
}

START_TEST(test_escape)
{
    ck_assert_uint_gt(fault_each(escape, NULL), 1);
    guard_free();
}
END_TEST

static ri_json parsed(const char *text)
{
    ri_json root;
    ck_assert_ok(ri_json_parse(&root, guarded(text)));
    return root;
}

static void is_string(ri_json value, const char *want, size_t len)
{
    char out[64];
    ck_assert_int_eq(ri_json_kind_of(value), RI_JSON_STRING);
    ck_assert_uint_eq(ri_json_copy(value, out, sizeof out), len);
    ck_assert(memcmp(out, want, len) == 0 && out[len] == 0);
    ck_assert(ri_json_is(value, (ri_str){want, len}));
}

START_TEST(test_values)
{
    ri_json root = parsed(" {\"Name\":\"x\\u0000y\" , \"n\":-7,\"r\":1.5,\"t\":true,\"f\":false,"
                          "\"z\":null,\"a\":[1,\"b\",{\"c\":[]},[ ]],\"NAME\":\"big\"}\r\n");
    ck_assert_int_eq(ri_json_kind_of(root), RI_JSON_OBJECT);
    is_string(ri_json_get(root, "Name"), "x\0y", 3);
    is_string(ri_json_get(root, "NAME"), "big", 3);
    is_string(ri_json_get(root, "name"), "x\0y", 3); /* the first without regard to case */
    ck_assert_int_eq(ri_json_integer(ri_json_get(root, "N")), -7);
    ck_assert_int_eq(ri_json_kind_of(ri_json_get(root, "r")), RI_JSON_REAL);
    ck_assert_int_eq(ri_json_integer(ri_json_get(root, "r")), 0);
    ck_assert_span(ri_json_literal(ri_json_get(root, "r")), "1.5");
    ck_assert(ri_json_bool(ri_json_get(root, "t")) && !ri_json_bool(ri_json_get(root, "f")));
    ck_assert_int_eq(ri_json_kind_of(ri_json_get(root, "z")), RI_JSON_NULL);
    ri_json a = ri_json_get(root, "a"), item, name;
    ck_assert_uint_eq(ri_json_len(a), 4);
    ck_assert_span(ri_json_literal(a), "[1,\"b\",{\"c\":[]},[ ]]");
    ri_json rest = ri_json_first(a);
    ck_assert(ri_json_item(&rest, &item) && ri_json_integer(item) == 1);
    ck_assert(ri_json_item(&rest, &item) && ri_json_is(item, RI_STR("b")));
    ck_assert(ri_json_item(&rest, &item) && ri_json_len(ri_json_get(item, "c")) == 0);
    ck_assert(ri_json_item(&rest, &item) && ri_json_kind_of(item) == RI_JSON_ARRAY);
    ck_assert(!ri_json_item(&rest, &item) && !ri_json_item(&rest, &item));
    size_t n = 0;
    for (rest = ri_json_first(root); ri_json_member(&rest, &name, &item);) n++;
    ck_assert_uint_eq(n, 8);
    ck_assert_uint_eq(ri_json_len(root), 8);
    guard_free();
}
END_TEST

START_TEST(test_not_there)
{
    ri_json none = ri_json_get(parsed("{\"a\":1}"), "none"), item, name;
    char out[4] = "x";
    ck_assert_ptr_null(none.at);
    ck_assert_int_eq(ri_json_kind_of(none), RI_JSON_NULL);
    ck_assert(!ri_json_bool(none) && ri_json_integer(none) == 0 && ri_json_len(none) == 0);
    ck_assert(ri_json_copy(none, out, sizeof out) == 0 && !out[0]);
    ck_assert(!ri_json_is(none, RI_STR("")) && ri_json_literal(none).len == 0);
    ck_assert_ptr_null(ri_json_get(none, "a").at);
    ck_assert_ptr_null(ri_json_get(parsed("[1]"), "a").at);
    ri_json rest = ri_json_first(none);
    ck_assert(!ri_json_item(&rest, &item));
    rest = ri_json_first(parsed("\"text\""));
    ck_assert(!ri_json_member(&rest, &name, &item));
    guard_free();
}
END_TEST

/* Of members with one name the last counts, however it is written. */
START_TEST(test_same_names)
{
    ri_json root = parsed("{\"a\":1,\"b\":2,\"\\u0061\":3,\"A\":4}");
    ck_assert_int_eq(ri_json_integer(ri_json_get(root, "a")), 3);
    ck_assert_int_eq(ri_json_integer(ri_json_get(root, "A")), 4);
    ck_assert_int_eq(ri_json_integer(ri_json_get(root, "B")), 2);
    guard_free();
}
END_TEST

START_TEST(test_numbers)
{
    static const struct { const char *text; ri_json_kind kind; int64_t n; } rows[] = {
        {"0", RI_JSON_INTEGER, 0}, {"-0", RI_JSON_INTEGER, 0}, {"10", RI_JSON_INTEGER, 10},
        {"9223372036854775807", RI_JSON_INTEGER, INT64_MAX},
        {"-9223372036854775808", RI_JSON_INTEGER, INT64_MIN},
        {"9223372036854775808", RI_JSON_REAL, 0}, {"-9223372036854775809", RI_JSON_REAL, 0},
        {"18446744073709551616", RI_JSON_REAL, 0}, {"1e3", RI_JSON_REAL, 0},
        {"1.0", RI_JSON_REAL, 0}, {"1E400", RI_JSON_REAL, 0}, {"-1.5e-3", RI_JSON_REAL, 0},
        {"1e+2", RI_JSON_REAL, 0}, {"0.0", RI_JSON_REAL, 0},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_json root = parsed(rows[i].text);
        ck_assert_int_eq(ri_json_kind_of(root), rows[i].kind);
        ck_assert_int_eq(ri_json_integer(root), rows[i].n);
        ck_assert_span(ri_json_literal(root), rows[i].text);
    }
    guard_free();
}
END_TEST

START_TEST(test_strings)
{
    is_string(parsed("\"\""), "", 0);
    is_string(parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t", 8);
    is_string(parsed("\"\\u00e9\\u20AC\\uD83D\\ude00\""),
              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
    is_string(parsed("\"\xc3\xa9\x7f/\""), "\xc3\xa9\x7f/", 4);
    is_string(parsed("\"\\udbff\\udfff\""), "\xf4\x8f\xbf\xbf", 4);
    char out[4];
    ck_assert_uint_eq(ri_json_copy(parsed("\"ab\\u0063de\""), out, sizeof out), 3);
    ck_assert_str_eq(out, "abc");
    ck_assert_uint_eq(ri_json_copy(parsed("\"x\\uD83D\\ude00\""), out, sizeof out), 3);
    ck_assert(!ri_json_is(parsed("\"abc\""), RI_STR("ab")));
    ck_assert(!ri_json_is(parsed("\"a\\u0062\""), RI_STR("abc")));
    ck_assert(!ri_json_is(parsed("\"\\u20ac\""), RI_STR("\xe2\x82")));
    guard_free();
}
END_TEST

static int in_arena(fault *f, void *arg)
{
    static const char *const texts[] = {"\"plain\"", "\"esc\\u0061ped\"", "\"\""};
    ri_arena arena;
    ri_str s;
    int rc = RILL_OK;
    (void)arg;
    ri_arena_init(&arena, &f->host);
    for (size_t i = 0; rc == RILL_OK && i < RI_LEN(texts); i++) {
        ri_json root = parsed(texts[i]);
        if ((rc = ri_json_text(root, &arena, &s)) < 0) break;
        ck_assert(ri_json_is(root, s));
        ck_assert(i != 0 || s.ptr == root.at + 1); /* lent by the text */
        if ((rc = ri_json_string(root, &arena, &s)) < 0) break;
        ck_assert(ri_json_is(root, s) && s.ptr[s.len] == 0 && s.ptr != root.at + 1);
    }
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_memory)
{
    ck_assert_uint_gt(fault_each(in_arena, NULL), 0);
    guard_free();
}
END_TEST

START_TEST(test_refused)
{
    static const struct { const char *text, *why; } rows[] = {
        {"", "line 1, column 0: a value is missing"},
        {" \n ", "line 2, column 1: a value is missing"},
        {"{", "line 1, column 1: string or '}' expected"},
        {"{\"a\":}", "line 1, column 6: invalid token near '}'"},
        {"{\"a\" 1}", "line 1, column 6: ':' expected near '1'"},
        {"{\"a\":1 \"b\":2}", "line 1, column 8: '}' expected near '\"'"},
        {"{\"a\":1,}", "line 1, column 8: string or '}' expected near '}'"},
        {"{1:2}", "line 1, column 2: string or '}' expected near '1'"},
        {"{\"a\":1]", "line 1, column 7: '}' expected near ']'"},
        {"[1,]", "line 1, column 4: invalid token near ']'"},
        {"[1 2]", "line 1, column 4: ']' expected near '2'"},
        {"[1\n,\n2", "line 3, column 1: ']' expected"},
        {"{\"a\":1}x", "line 1, column 8: end of file expected near 'x'"},
        {"\xff", "line 1, column 0: invalid token"},
        {"\"abc", "line 1, column 1: a string does not end near '\"'"},
        {"\"\\x\"", "line 1, column 1: invalid escape near '\"'"},
        {"\"a\nb\"", "line 1, column 2: control character in a string"},
        {"\"a\xc3(\"", "line 1, column 2: a string is not UTF-8"},
        {"not", "line 1, column 3: invalid token near 'not'"},
        {"nullx", "line 1, column 5: invalid token near 'nullx'"},
        {"truetruetruetruetruetruetrue",
         "line 1, column 20: invalid token near 'truetruetruetruetrue'"},
    };
    static const char *const more[] = {
        "nul", "True", "+1", "01", "-", "-01", "1.", ".5", "1.e3", "1e", "1e+", "0x10", "1a",
        "Infinity",
        "NaN", "-Infinity", "'a'", "{a:1}", "[,1]", "[1,,2]", "{,}", "{\"a\"}", "{\"a\",}",
        "]", "}",
        ":", ",", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\udc00\\ud800\"", "\"\\\"", "\"\\u\"", "\"\t\"",
        "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"",
        "\"\xe2\x82\"", "\"\x80\"", "/* */1", "1//", "\xef\xbb\xbf" "1", "[1]]", "{\"a\":{}", "1 2",
        "\"a\" \"b\"", "{\"a\":1,\"b\"}", "\x0b" "1", "[\"a\":1]", "1\xc2\xa0",
    };
    ri_json root;
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ck_assert_rc(ri_json_parse(&root, guarded(rows[i].text)), RILL_EPROTO);
        ck_assert_ptr_null(root.at);
        ck_assert_str_eq(ri_err_text() + strlen("JSON, "), rows[i].why);
    }
    for (size_t i = 0; i < RI_LEN(more); i++) {
        ck_assert_rc(ri_json_parse(&root, guarded(more[i])), RILL_EPROTO);
        ck_assert(!naive_is_json(more[i], strlen(more[i]), RI_JSON_DEPTH_MAX));
    }
    ck_assert_rc(ri_json_parse(&root, (ri_str){guard_copy("1\0", 2), 2}), RILL_EPROTO);
    ck_assert_rc(ri_json_parse(&root, RI_STR_NONE), RILL_EPROTO);
    guard_free();
}
END_TEST

START_TEST(test_depth)
{
    char text[4 * RI_JSON_DEPTH_MAX + 8];
    ri_json root;
    for (int depth = 1; depth <= RI_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = 0;
        int rc = ri_json_parse(&root, guarded(text));
        ck_assert_int_eq(rc, depth <= RI_JSON_DEPTH_MAX ? RILL_OK : RILL_EPROTO);
        if (rc == RILL_OK) ck_assert_uint_eq(ri_json_literal(root).len, 2 * (size_t)depth);
        guard_free();
    }
    ck_assert_str_eq(ri_err_text(),
                     "JSON, line 1, column 65: maximum parsing depth reached near '['");
}
END_TEST

static const char *const whole_ =
    "{\"name\":\"A\\u00e9\\ud83d\\ude00\xc3\xa9\",\"subjects\":[\"a.*\",\"b\"],\"n\":-12.5e+3,"
    "\"t\":true,\"f\":false,\"z\":null,\"o\":{\"p\":{},\"q\":[[],[0]]}}";

/* Cut anywhere it is refused, and nothing behind the cut is looked at. */
START_TEST(test_cut)
{
    ri_json root;
    size_t len = strlen(whole_);
    for (size_t i = 0; i < len; i++) {
        ck_assert_rc(ri_json_parse(&root, (ri_str){guard_copy(whole_, i), i}), RILL_EPROTO);
        guard_free();
    }
    ck_assert_ok(ri_json_parse(&root, (ri_str){guard_copy(whole_, len), len}));
    guard_free();
}
END_TEST

/* All values, so that each reader has been where the check has been. */
static size_t visit(ri_json value)
{
    char out[8];
    size_t n = 1;
    ri_json name, item, rest = ri_json_first(value);
    ck_quick(ri_json_literal(value).len > 0);
    ri_json_copy(value, out, sizeof out);
    if (ri_json_kind_of(value) == RI_JSON_OBJECT)
        while (ri_json_member(&rest, &name, &item)) n += visit(name) + visit(item);
    else
        while (ri_json_item(&rest, &item)) n += visit(item);
    return n;
}

/* Texts that were changed by the dice are taken exactly if the naive reader takes them. */
START_TEST(test_against_naive)
{
    static const char bytes[] = "{}[]:,\"\\u0d8fe1-+.tn \x80\xc3\xa9\xed\xf4\x01";
    rng random;
    rng_init(&random, 20270115);
    size_t taken = 0;
    for (int i = 0; i < 60000; i++) {
        char text[256];
        size_t len = strlen(whole_);
        memcpy(text, whole_, len);
        for (uint64_t changes = rng_below(&random, 4); changes > 0; changes--) {
            size_t at = rng_below(&random, len);
            char byte = bytes[rng_below(&random, sizeof bytes - 1)];
            uint64_t how = rng_below(&random, 3);
            if (how == 0) text[at] = byte;
            if (how == 1) memmove(text + at, text + at + 1, --len - at);
            if (how == 2) memmove(text + at + 1, text + at, len++ - at), text[at] = byte;
        }
        ri_json root;
        ri_str copy = {guard_copy(text, len), len};
        bool ok = ri_json_parse(&root, copy) == RILL_OK;
        ck_quick(ok == naive_is_json(text, len, RI_JSON_DEPTH_MAX));
        if (ok) visit(root);
        taken += ok;
        if (i % 64 == 0) guard_free();
    }
    guard_free();
    ck_assert_uint_gt(taken, 1000);
    ck_assert_uint_lt(taken, 59000);
}
END_TEST

SUITE_MAIN("json", test_escape, test_values, test_not_there, test_same_names, test_numbers,
           test_strings, test_memory, test_refused, test_depth, test_cut, test_against_naive)
