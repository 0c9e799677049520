/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/archive/highway.h"

#include <check.h>

#include "support/guard.h"
#include "support/suite.h"

/* Of the bytes 0, 1, 2 .. under the key 0, 1, 2 ..: what other implementations of it say. */
static const struct { size_t len; uint64_t hash; } known[] = {
    {0, 0x907a56de22c26e53},   {1, 0x7eab43aac7cddd78},   {2, 0xb8d0569ab0b53d62},
    {3, 0x5c6befab8a463d80},   {4, 0xf205a46893007eda},   {5, 0x2b8a1668e4a94541},
    {15, 0x40793f86a449f33b},  {16, 0xcfab3489f97eb832},  {17, 0x19fe67d2c8c5c0e2},
    {18, 0x04dd90a69c565cc2},  {19, 0x75d9518e2371c504},  {20, 0x38ad9b1141d3dd16},
    {31, 0x9fc7007ccf035a68},  {32, 0xa0c964d9ecd580fc},  {33, 0x2c90f73ca03181fc},
    {63, 0xab8eebe9bf2139a0},  {64, 0x75542c5d4cd2a6ff},  {65, 0x4a36b315b88a8e62},
    {100, 0x7e42cc4f1ef90033}, {1000, 0x8d6f247785b84d4f},
};

START_TEST(test_known)
{
    unsigned char key[RI_HIGHWAY_KEY], bytes[1000];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < RI_LEN(known); i++) {
        size_t len = known[i].len;
        const char *at = guard_copy(bytes, len);
        for (size_t cut = 0; cut <= len; cut += len > 100 ? 97 : 1) { /* in two pieces */
            ri_highway h;
            ri_highway_init(&h, key);
            ri_highway_add(&h, (ri_str){at, cut});
            ri_highway_add(&h, (ri_str){at + cut, len - cut});
            ck_assert_uint_eq(ri_highway_end(&h), known[i].hash);
        }
    }
    guard_free();
}
END_TEST

SUITE_MAIN("highway", test_known)
