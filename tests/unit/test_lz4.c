/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the lz4 tool made, and such as nobody makes: cut, with each bit flipped, too big. */
#include "codec/lz4.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static const char text[] = "hello hello hello hello hello hello hello hello world, and again: "
                           "hello hello hello hello\n";
/* By lz4 1.9.4 of that text. */
static const unsigned char frame[] = {
    0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0x26, 0x00, 0x00, 0x00, 0x6f, 0x68, 0x65, 0x6c,
    0x6c, 0x6f, 0x20, 0x06, 0x00, 0x17, 0xff, 0x02, 0x77, 0x6f, 0x72, 0x6c, 0x64, 0x2c, 0x20,
    0x61, 0x6e, 0x64, 0x20, 0x61, 0x67, 0x61, 0x69, 0x6e, 0x3a, 0x3c, 0x00, 0x01, 0x50, 0x65,
    0x6c, 0x6c, 0x6f, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x66, 0x55, 0x73, 0x0d,
};

static fault f;
static ri_buffer out;

static void setup(void)
{
    fault_init(&f);
    ri_buffer_init(&out, &f.host);
}

static void teardown(void)
{
    ri_buffer_fini(&out);
    fault_fini(&f);
}

static int all(ri_str in, size_t piece, size_t max)
{
    ri_lz4 z = {0};
    int rc;
    ri_buffer_reset(&out);
    while ((rc = ri_lz4_some(&z, in, piece, max, &out)) == 1) {}
    return rc;
}

START_TEST(test_golden)
{
    ri_str in = {(const char *)frame, sizeof frame};
    for (size_t piece = 1; piece < 200; piece++) {
        ck_assert_ok(all(in, piece, sizeof text - 1));
        ck_assert(ri_str_is(ri_buffer_str(&out), text));
    }
    ck_assert_rc(all(in, 1000, sizeof text - 2), RILL_ETOOBIG);
}
END_TEST

START_TEST(test_damaged)
{
    char copy[sizeof frame];
    for (size_t len = 0; len < sizeof frame; len++)
        ck_assert_rc(all((ri_str){guard_copy(frame, len), len}, 1000, 10000), RILL_EPROTO);
    for (size_t bit = 0; bit < sizeof frame * 8; bit++) {
        memcpy(copy, frame, sizeof frame);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        int rc = all((ri_str){guard_copy(copy, sizeof copy), sizeof copy}, 1000, 10000);
        bool same = rc == 0 && ri_str_is(ri_buffer_str(&out), text); /* from another place */
        ck_assert_msg(rc < 0 || same, "bit %zu: %d", bit, rc);
    }
}
END_TEST

static void put32(uint32_t x)
{
    char bytes[4] = {(char)x, (char)(x >> 8), (char)(x >> 16), (char)(x >> 24)};
    ri_buffer_put(&out, bytes, 4);
}

/* Blocks that are not packed, and one that copies from those before it, with sums of each. */
START_TEST(test_blocks)
{
    static char plain[65536];
    ri_buffer in;
    rng r;
    rng_init(&r, 3);
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (char)rng_next(&r);
    put32(0x184d2204);
    char head[3] = {0x40 | 0x10, 0x40, 0};
    head[2] = (char)(ri_hash_xxh32(head, 2) >> 8);
    ri_buffer_put(&out, head, sizeof head);
    for (int i = 0; i < 3; i++) {
        put32(0x80000000u | sizeof plain);
        ri_buffer_put(&out, plain, sizeof plain);
        put32(ri_hash_xxh32(plain, sizeof plain));
    }
    /* No literals, a copy of 19 + 255 + 1 bytes from 65535 back; then one literal. */
    static const char packed[] = {0x0f, '\xff', '\xff', '\xff', 1, 0x10, 'z'};
    put32(sizeof packed);
    ri_buffer_put(&out, packed, sizeof packed);
    put32(ri_hash_xxh32(packed, sizeof packed));
    put32(0);
    in = out;
    ri_buffer_init(&out, &f.host);
    ck_assert_ok(all(ri_buffer_str(&in), 70000, 1000000));
    ck_assert_uint_eq(out.len, 3 * sizeof plain + 275 + 1);
    ck_assert(memcmp(out.ptr + 2 * sizeof plain, plain, sizeof plain) == 0);
    ck_assert(memcmp(out.ptr + 3 * sizeof plain, plain + 1, 275) == 0);
    ck_assert_int_eq(out.ptr[out.len - 1], 'z');
    ck_assert_rc(all(ri_buffer_str(&in), 70000, 100000), RILL_ETOOBIG);
    ri_buffer_fini(&in);
}
END_TEST

/* Any bytes behind a good head end, and take no more than is allowed. */
START_TEST(test_noise)
{
    rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        char bytes[300];
        memcpy(bytes, frame, 7);
        for (size_t k = 7; k < sizeof bytes; k++) bytes[k] = (char)rng_below(&r, 256);
        size_t len = 11 + rng_below(&r, sizeof bytes - 11);
        bytes[7] = (char)(len - 11 - rng_below(&r, 2) * 4);
        bytes[8] = bytes[9] = bytes[10] = 0;
        ck_quick(all((ri_str){guard_copy(bytes, len), len}, 5000, 5000) < 0);
        ck_quick(out.len <= 5000);
    }
}
END_TEST

SUITE_MAIN_ROWS("lz4", SUITE_WITH(setup, teardown, test_golden, test_damaged, test_blocks,
                                  test_noise))
