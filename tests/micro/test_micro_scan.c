/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_scan.h"

#include "support/suite.h"

/* Fields of the object itself, whatever is nested before them. */
START_TEST(test_find)
{
    static const char text[] = " { \"a\" : {\"b\":\"}\",\"c\":[1,{\"d\":2}]} ,"
                               "\"b\":\"x\\\"y\",\"c\":-7.5e3,"
                               "\"d\":true,\"e\":[],\"n\":18446744073709551615,\"a\":\"late\"}";
    ri_str json = RI_STR(text), value;
    uint64_t n;
    ck_assert(ri_micro_scan_find(json, "a", &value));
    ck_assert_span(value, "{\"b\":\"}\",\"c\":[1,{\"d\":2}]}");
    ck_assert(ri_micro_scan_find(json, "b", &value));
    ck_assert_span(value, "x\\\"y");
    ck_assert(ri_micro_scan_find(json, "c", &value));
    ck_assert_span(value, "-7.5e3");
    ck_assert(!ri_micro_scan_number(json, "c", &n));
    ck_assert(ri_micro_scan_is_true(json, "d"));
    ck_assert(!ri_micro_scan_is_true(json, "e"));
    ck_assert(ri_micro_scan_number(json, "n", &n));
    ck_assert_uint_eq(n, UINT64_MAX);
    ck_assert(!ri_micro_scan_find(json, "late", &value));
}
END_TEST

/* Cut anywhere it is never read beyond its end, and what it says is what the whole says. */
START_TEST(test_cut)
{
    static const char text[] = "{\"a\":{\"b\":[\"\\\\\"]},\"c\":12,\"d\":\"e\"}";
    static const char *const names[] = {"a", "c", "d"};
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len ? len : 1);
        memcpy(copy, text, len);
        for (size_t i = 0; i < RI_LEN(names); i++) {
            ri_str part, whole;
            bool found = ri_micro_scan_find((ri_str){copy, len}, names[i], &part);
            ck_assert(ri_micro_scan_find(RI_STR(text), names[i], &whole));
            if (found) ck_assert(ri_str_eq(part, whole));
        }
        free(copy);
    }
}
END_TEST

/* Whatever the bytes are it comes to an end, and depth costs no stack. */
START_TEST(test_noise)
{
    static const char bytes[] = "{}[]\",:\\ab1 ";
    static char text[100000];
    ri_str value;
    memset(text, '[', sizeof text);
    memcpy(text, "{\"a\":", 5);
    ck_assert(!ri_micro_scan_find((ri_str){text, sizeof text}, "a", &value));
    uint32_t dice = 1;
    for (int i = 0; i < 20000; i++) {
        char *some = malloc(40);
        for (int k = 0; k < 40; k++)
            some[k] = bytes[((dice = dice * 1664525u + 1013904223u) >> 24) % 12];
        some[0] = '{';
        ri_micro_scan_find((ri_str){some, 40}, "a", &value);
        free(some);
    }
}
END_TEST

START_TEST(test_quote)
{
    char out[64];
    ri_str text = RI_STR("a\"\\\n\x7f");
    char *end = ri_micro_scan_quote(out, text);
    ck_assert_uint_eq((size_t)(end - out), ri_micro_scan_quoted(text));
    ck_assert_span(((ri_str){out, (size_t)(end - out)}), "a\\\"\\\\\\u000a\\u007f");
}
END_TEST

SUITE_MAIN("micro scan", test_find, test_cut, test_noise, test_quote)
