/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rfc3339.h"

#include <stdio.h>
#include <time.h>

#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

/* What the C library makes of a time, less the zeros at the end of a fraction. */
static ri_str by_library(char *out, size_t size, int64_t ns)
{
    time_t sec = ns / RI_SEC;
    long nsec = (long)(ns % RI_SEC);
    if (nsec < 0) {
        nsec += RI_SEC;
        sec--;
    }
    struct tm tm;
    gmtime_r(&sec, &tm);
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    len += (size_t)snprintf(out + len, size - len, ".%09ld", nsec);
    while (out[len - 1] == '0') len--;
    if (out[len - 1] == '.') len--;
    out[len++] = 'Z';
    return (ri_str){out, len};
}

/* Written as the library does and not a byte further, and read back. */
static void write_and_read(int64_t ns)
{
    char want_text[64], got[RI_RFC3339_MAX + 1];
    ri_str want = by_library(want_text, sizeof want_text, ns);
    got[RI_RFC3339_MAX] = 'x';
    size_t len = ri_rfc3339_write(got, ns);
    if (len != want.len || memcmp(got, want.ptr, len) != 0)
        ck_abort_msg("%lld is \"%.*s\", not \"%.*s\"", (long long)ns, (int)len, got, RI_ARG(want));
    ck_quick(got[RI_RFC3339_MAX] == 'x');
    int64_t back;
    ck_quick(ri_rfc3339_read((ri_str){guard_copy(got, len), len}, &back) && back == ns);
}

START_TEST(test_edges)
{
    static const int64_t day_ns = 86400 * (int64_t)RI_SEC;
    static const int64_t steps[] = {0, 1, -1, 10, 999999999, RI_SEC, 100000000, 120000000,
                                    60 * RI_SEC, 3600 * RI_SEC};
    /* around each new year and end of February that 64 bits can tell, and the ends but for the
     * second that is read as a time that does not fit */
    for (int64_t day = -106000; day < 106000; day++)
        if (day % 365 < 4 || day % 365 > 361 || day % 1461 == 789)
            for (size_t i = 0; i < RI_LEN(steps); i++) write_and_read(day * day_ns + steps[i]);
    for (int64_t i = 0; i < 20; i++) {
        write_and_read(INT64_MAX - RI_SEC - i * i * i * RI_SEC - i);
        write_and_read(INT64_MIN + 2 * RI_SEC + i * i * i * RI_SEC + i);
    }
    for (int64_t fraction = 1; fraction < RI_SEC; fraction *= 10) {
        write_and_read(fraction);
        write_and_read(RI_SEC - fraction);
    }
    guard_free();
}
END_TEST

START_TEST(test_random)
{
    rng r;
    rng_init(&r, rng_seed(1));
    for (int i = 0; i < 100000; i++) {
        int64_t ns = (int64_t)(rng_next(&r) >> rng_below(&r, 62) >> 1);
        write_and_read(i % 2 ? ns : -ns);
    }
    guard_free();
}
END_TEST

START_TEST(test_texts)
{
    static const struct {
        const char *text;
        int64_t ns;
        const char *again; /* NULL: the same */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, NULL},
        {"1970-01-01T00:00:00.000000001Z", 1, NULL},
        {"1969-12-31T23:59:59.9Z", -100000000, NULL},
        {"2000-02-29T12:30:45.5Z", 951827445500000000, NULL},
        {"2026-11-22T22:47:51.90124516Z", 1795387671901245160, NULL},
        {"2020-01-01T00:00:00+02:00", 1577829600000000000, "2019-12-31T22:00:00Z"},
        {"2020-01-01T00:00:00.120-00:30", 1577838600120000000 + 0, "2020-01-01T00:30:00.12Z"},
        {"0001-01-01T00:00:00Z", INT64_MIN, NULL},
    };
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        int64_t ns;
        size_t len = strlen(cases[i].text);
        ck_assert(ri_rfc3339_read((ri_str){guard_copy(cases[i].text, len), len}, &ns));
        ck_assert_msg(ns == cases[i].ns, "%s is %lld", cases[i].text, (long long)ns);
        char out[RI_RFC3339_MAX];
        ri_str again = {out, ri_rfc3339_write(out, ns)};
        ck_assert_span(again, cases[i].again ? cases[i].again : cases[i].text);
    }
    static const char *const wrong[] = {"", "2020", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z",
                                        "2021-02-29T00:00:00Z", "2020-01-01T24:00:00Z",
                                        "2020-01-01T00:00:00", "2020-01-01T00:00:00.Z",
                                        "2020-01-01T00:00:00Zx", "2020-01-01 00:00:00Z"};
    for (size_t i = 0; i < RI_LEN(wrong); i++) {
        int64_t ns;
        size_t len = strlen(wrong[i]);
        ck_assert_msg(!ri_rfc3339_read((ri_str){guard_copy(wrong[i], len), len}, &ns), "%s",
                      wrong[i]);
    }
    guard_free();
}
END_TEST

SUITE_MAIN("rfc3339", test_edges, test_random, test_texts)
