/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/duration.h"

#include "support/guard.h"
#include "support/suite.h"

START_TEST(test_read)
{
    static const struct { const char *text; int64_t ns; } rows[] = {
        {"0", 0}, {"0s", 0}, {"1ns", 1}, {"1us", 1000}, {"1\xc2\xb5s", 1000},
        {"250ms", 250 * RI_MS},
        {"1s", RI_SEC}, {"1.5s", 1500 * RI_MS}, {".5s", 500 * RI_MS}, {"1m30s", 90 * RI_SEC},
        {"1h", 3600 * RI_SEC}, {"-2s", -2 * RI_SEC}, {"+2s", 2 * RI_SEC}, {"2.s", 2 * RI_SEC},
        {"1h2m3.004s", 3723004 * RI_MS}, {"2562047h47m16.854775807s", INT64_MAX},
        {"9223372036854775807ns", INT64_MAX}, {"0.29s", 290 * RI_MS},
        {"1.50000000000000000000000s", 1500 * RI_MS},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        int64_t ns = -1;
        size_t len = strlen(rows[i].text);
        ck_assert_msg(ri_duration_read((ri_str){guard_copy(rows[i].text, len), len}, &ns), "%s",
                      rows[i].text);
        ck_assert_int_eq(ns, rows[i].ns);
    }
    static const char *const bad[] = {"", "s", "1", "1x", "-", ".s", "1s2", "1 s", "9999999999h",
                                      "9223372036854775808ns", "2562047h47m16.854775808s", ".",
                                      "99999999999999999999s"};
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        int64_t ns;
        size_t len = strlen(bad[i]);
        ck_assert_msg(!ri_duration_read((ri_str){guard_copy(bad[i], len), len}, &ns), "%s", bad[i]);
    }
}
END_TEST

START_TEST(test_write)
{
    static const struct { int64_t ns; const char *text; } rows[] = {
        {0, "0s"}, {1, "1ns"}, {1100, "1.1\xc2\xb5s"}, {RI_MS, "1ms"}, {1500 * RI_MS, "1.5s"},
        {5 * RI_SEC, "5s"}, {120 * RI_SEC, "2m0s"}, {3723004 * RI_MS, "1h2m3.004s"},
        {-RI_SEC, "-1s"}, {INT64_MAX, "2562047h47m16.854775807s"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        char out[RI_DURATION_MAX + 1];
        size_t len = ri_duration_write(out, rows[i].ns);
        ck_assert_uint_le(len, RI_DURATION_MAX);
        out[len] = 0;
        ck_assert_str_eq(out, rows[i].text);
    }
}
END_TEST

SUITE_MAIN("duration", test_read, test_write)
