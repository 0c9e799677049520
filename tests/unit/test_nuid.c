/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/nuid.h"
#include "base/str.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, RI_NUID_LEN);
}

START_TEST(test_unique)
{
    enum { NAMES = 20000 };
    static char names[NAMES][RI_NUID_LEN];
    fault f;
    fault_init(&f);
    ri_nuid nuid;
    ri_nuid_init(&nuid, &f.host);
    char *out = guard_copy(names[0], RI_NUID_LEN); /* writes no 0 behind them */
    for (int i = 0; i < NAMES; i++) {
        ri_nuid_next(&nuid, out);
        for (int k = 0; k < RI_NUID_LEN; k++) ck_assert_ptr_nonnull(strchr(digits, out[k]));
        memcpy(names[i], out, RI_NUID_LEN);
    }
    qsort(names, NAMES, RI_NUID_LEN, by_bytes);
    for (int i = 1; i < NAMES; i++) ck_assert(memcmp(names[i], names[i - 1], RI_NUID_LEN) > 0);
    guard_free();
    fault_fini(&f);
}
END_TEST

/* Every character is drawn anew: each place takes each digit, and two names in a row differ in
 * nearly all places. */
START_TEST(test_tells_nothing_of_the_next)
{
    fault f;
    fault_init(&f);
    ri_nuid nuid;
    ri_nuid_init(&nuid, &f.host);
    static bool seen[RI_NUID_LEN][62];
    char before[RI_NUID_LEN], out[RI_NUID_LEN];
    int same = 0;
    ri_nuid_next(&nuid, before);
    for (int i = 0; i < 2000; i++) {
        ri_nuid_next(&nuid, out);
        for (int k = 0; k < RI_NUID_LEN; k++) {
            seen[k][strchr(digits, out[k]) - digits] = true;
            same += out[k] == before[k];
        }
        memcpy(before, out, sizeof before);
    }
    for (int k = 0; k < RI_NUID_LEN; k++)
        for (int d = 0; d < 62; d++) ck_assert(seen[k][d]);
    ck_assert_int_lt(same, 2000 * RI_NUID_LEN / 30); /* one in 62 is expected */
    fault_fini(&f);
}
END_TEST

START_TEST(test_numbers)
{
    fault f;
    fault_init(&f);
    ri_nuid nuid, other;
    ri_nuid_init(&nuid, &f.host);
    uint64_t a = ri_nuid_number(&nuid), b = ri_nuid_number(&nuid);
    ri_nuid_init(&other, &f.host); /* two generators do not meet */
    uint64_t c = ri_nuid_number(&other);
    ck_assert(a != b && b != c && a != c);
    for (uint32_t i = 0; i + nuid.left < RI_NUID_POOL; i++) ck_assert_uint_eq(nuid.pool[i], 0);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("nuid", test_unique, test_tells_nothing_of_the_next, test_numbers)
