/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/nuid.h"
#include "base/str.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

START_TEST(test_unique)
{
    fault f;
    fault_init(&f);
    ri_nuid nuid;
    ri_nuid_init(&nuid, &f.host);
    char before[RI_NUID_LEN], first[RI_NUID_LEN];
    char *out = guard_copy(first, sizeof first); /* writes no 0 behind them */
    ri_nuid_next(&nuid, out);
    memcpy(first, out, sizeof first);
    memcpy(before, out, sizeof before);
    for (int i = 0; i < 20000; i++) {
        ri_nuid_next(&nuid, out);
        for (int k = 0; k < RI_NUID_LEN; k++) ck_assert_ptr_nonnull(strchr(digits, out[k]));
        ck_assert(memcmp(out, before, RI_NUID_LEN) > 0); /* counts up behind one prefix */
        ck_assert_mem_eq(out, first, 12);
        memcpy(before, out, sizeof before);
    }
    guard_free();
    fault_fini(&f);
}
END_TEST

START_TEST(test_reseeds)
{
    fault f;
    fault_init(&f);
    ri_nuid nuid;
    ri_nuid_init(&nuid, &f.host);
    char prefix[12], out[RI_NUID_LEN];
    memcpy(prefix, nuid.prefix, sizeof prefix);
    nuid.seq = 839299365868340224ULL - 1; /* 62^10, the end of the counter */
    ri_nuid_next(&nuid, out);
    ck_assert(memcmp(out, prefix, sizeof prefix) != 0);
    ri_nuid other;
    ri_nuid_init(&other, &f.host); /* two generators do not meet */
    ck_assert(memcmp(other.prefix, nuid.prefix, sizeof other.prefix) != 0);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("nuid", test_unique, test_reseeds)
