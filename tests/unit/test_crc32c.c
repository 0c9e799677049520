/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <string.h>

#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

/* The vectors of RFC 3720, B.4, and the customary one. */
START_TEST(test_known_vectors)
{
    char bytes[32];
    ck_assert_uint_eq(ri_crc32c(0, "", 0), 0);
    ck_assert_uint_eq(ri_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    ck_assert_uint_eq(ri_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    ck_assert_uint_eq(ri_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) bytes[i] = (char)i;
    ck_assert_uint_eq(ri_crc32c(0, bytes, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++) bytes[i] = (char)(31 - i);
    ck_assert_uint_eq(ri_crc32c(0, bytes, 32), 0x113fdb5cu);
    ck_assert_uint_eq(ri_crc32c_table(0, "123456789", 9), 0xe3069283u);
}
END_TEST

/* Every length and offset around the lanes' borders, each against a page that may not be read. */
START_TEST(test_instruction_equals_table)
{
    static char bytes[8192];
    rng r;
    rng_init(&r, rng_seed(5));
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(rng_next(&r) >> 20);
    for (size_t len = 0; len <= 300; len++) {
        const char *p = guard_copy(bytes, len);
        for (size_t from = 0; from <= len; from++) {
            uint32_t start = (uint32_t)rng_next(&r);
            ck_quick(ri_crc32c(start, p + from, len - from) ==
                     ri_crc32c_table(start, p + from, len - from));
        }
    }
    for (size_t len = 1500; len <= 8192; len += 37) {
        const char *p = guard_copy(bytes, len);
        for (size_t from = 0; from < 9; from++)
            ck_quick(ri_crc32c(7, p + from, len - from) ==
                     ri_crc32c_table(7, p + from, len - from));
    }
}
END_TEST

START_TEST(test_parts_give_the_whole)
{
    char bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * i);
    uint32_t whole = ri_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        ck_quick(ri_crc32c(ri_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut) == whole);
}
END_TEST

START_TEST(test_sums_are_joined)
{
    char bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * i);
    uint32_t whole = ri_crc32c(7, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t rest = ri_crc32c(0, bytes + cut, sizeof bytes - cut);
        ck_quick(ri_crc32c_join(ri_crc32c(7, bytes, cut), rest,
                                ri_crc32c_power(sizeof bytes - cut)) == whole);
    }
}
END_TEST

START_TEST(test_words)
{
    ck_assert_uint_eq(ri_crc32c_word(ri_crc32c_word(0, 0x34333231u), 0x38373635u),
                      ri_crc32c(0, "12345678", 8));
}
END_TEST

START_TEST(test_three_at_once)
{
    char bytes[3][257];
    for (size_t i = 0; i < sizeof bytes; i++) (&bytes[0][0])[i] = (char)(i * i / 3);
    for (size_t n = 0; n <= 3 * 256; n++) { /* of all lengths, equal ones and others */
        const void *data[3];
        size_t len[3] = {n % 257, n < 257 ? n % 257 : n * 7 % 257, n < 257 ? n % 257 : n * 5 % 257};
        uint32_t out[3];
        for (int k = 0; k < 3; k++) data[k] = guard_copy(bytes[k], len[k]);
        ri_crc32c_three(9, data, len, out);
        for (int k = 0; k < 3; k++) ck_quick(out[k] == ri_crc32c_table(9, bytes[k], len[k]));
    }
    guard_free();
}
END_TEST

SUITE_MAIN("crc32c", test_known_vectors, test_instruction_equals_table, test_parts_give_the_whole,
           test_sums_are_joined, test_words, test_three_at_once)
