/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static void round_trip(uint64_t n)
{
    char want[RI_NUMBER_MAX + 1], got[RI_NUMBER_MAX];
    int len = snprintf(want, sizeof want, "%" PRIu64, n);
    uint64_t back;
    ck_assert_uint_eq(ri_number_write(got, n), (size_t)len);
    ck_assert_msg(memcmp(got, want, (size_t)len) == 0, "%s", want);
    ck_assert(ri_number_read((ri_str){guard_copy(got, (size_t)len), (size_t)len}, &back));
    ck_assert_uint_eq(back, n);
}

START_TEST(test_round_trip)
{
    rng r;
    rng_init(&r, rng_seed(1));
    for (uint64_t n = 0; n < 2000; n++) round_trip(n);
    for (uint64_t power = 1; power < UINT64_MAX / 10; power *= 10) {
        round_trip(power - 1);
        round_trip(power);
        round_trip(power * 10 - 1);
    }
    for (int i = 0; i < 2000; i++) round_trip(rng_next(&r) >> rng_below(&r, 64));
    round_trip(UINT64_MAX);
    guard_free();
}
END_TEST

START_TEST(test_bad)
{
    static const char *bad[] = {"", "-1", "+1", " 1", "1 ", "1x", "x", "0x1",
                                "18446744073709551616", "99999999999999999999",
                                "100000000000000000000"};
    uint64_t n;
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_msg(!ri_number_read((ri_str){guard_copy(bad[i], strlen(bad[i])), strlen(bad[i])},
                                      &n),
                      "\"%s\"", bad[i]);
    int64_t z;
    ck_assert(ri_number_read_i64(RI_STR("-9223372036854775808"), &z) && z == INT64_MIN);
    ck_assert(ri_number_read_i64(RI_STR("9223372036854775807"), &z) && z == INT64_MAX);
    ck_assert(ri_number_read_i64(RI_STR("+7"), &z) && z == 7);
    ck_assert(!ri_number_read_i64(RI_STR("9223372036854775808"), &z));
    ck_assert(!ri_number_read_i64(RI_STR("-9223372036854775809"), &z));
    ck_assert(!ri_number_read_i64(RI_STR("--1"), &z) && !ri_number_read_i64(RI_STR("-"), &z));
    guard_free();
}
END_TEST

SUITE_MAIN("number", test_round_trip, test_bad)
