/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/hash.h"
#include "support/fault.h"
#include "support/suite.h"

enum { KEYS = 4096, KEY_LEN = 32 };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Keys that all have one hash where nobody keeps a secret: their first 8 bytes are the ones that
 * xxHash mixes them with, and what is multiplied by their difference does not count. */
static void colliding_key(int i, char key[KEY_LEN])
{
    static const unsigned char begin[8] = {0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe};
    memset(key, 'x', KEY_LEN);
    memcpy(key, begin, sizeof begin);
    for (int k = 8; k < 16; k++, i /= 26) key[k] = (char)('a' + i % 26);
}

START_TEST(test_keys_that_collide_without_a_secret)
{
    fault f;
    fault_init(&f);
    static uint64_t hashes[KEYS];
    char key[KEY_LEN];
    colliding_key(0, key);
    uint64_t plain = ri_hash_plain(key, sizeof key);
    for (int i = 0; i < KEYS; i++) {
        colliding_key(i, key);
        ck_assert_uint_eq(ri_hash_plain(key, sizeof key), plain);
        hashes[i] = ri_hash((ri_str){key, sizeof key});
    }
    qsort(hashes, KEYS, sizeof *hashes, by_value);
    for (int i = 1; i < KEYS; i++) ck_assert_uint_ne(hashes[i], hashes[i - 1]);
    fault_fini(&f);
}
END_TEST

/* Integers whose hash by ri_hash_u64() ends in the same bits are spread, too. */
START_TEST(test_numbers_are_keyed)
{
    fault f;
    fault_init(&f);
    int places[64] = {0}, found = 0;
    for (uint64_t x = 0; found < 6400; x++) {
        if (ri_hash_u64(x) % 64) continue;
        places[ri_hash_number(x) % 64]++;
        found++;
    }
    for (int i = 0; i < 64; i++) ck_assert_int_lt(places[i], 200); /* 100 are expected */
    fault_fini(&f);
}
END_TEST

/* A host that gives the same entropy has the same hashes in its next process; one that gives
 * other entropy has others; and what is stored has one hash for ever. */
START_TEST(test_secret)
{
    uint64_t before = ri_hash(RI_STR("orders.eu"));
    fault f;
    fault_init(&f);
    uint64_t keyed = ri_hash(RI_STR("orders.eu")), pair[2], again[2];
    ri_hash128("orders.eu", 9, pair);
    ck_assert_uint_ne(before, keyed);
    fault other;
    fault_init(&other); /* the first host's secret stays */
    ck_assert_uint_eq(ri_hash(RI_STR("orders.eu")), keyed);
    ri_hash128("orders.eu", 9, again);
    ck_assert(pair[0] == again[0] && pair[1] == again[1] && pair[0] != pair[1]);
    /* by the entropy of support/fault.c */
    ck_assert_uint_eq(keyed, UINT64_C(16153415014192133715));
    ck_assert_uint_eq(ri_hash_plain("orders.eu", 9), UINT64_C(4979181959393628749));
    fault_fini(&other);
    fault_fini(&f);
}
END_TEST

/* The secret of a process is drawn once: the test that sees it drawn is the first. */
SUITE_MAIN("hash", test_secret, test_keys_that_collide_without_a_secret, test_numbers_are_keyed)
