/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/s2_block.h"

#include <check.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "support/guard.h"
#include "support/suite.h"

static int block_read(ri_str block, char *out, size_t cap, size_t *holds)
{
    size_t head;
    int rc = ri_s2_block_size(block, holds, &head);
    if (rc < 0) return rc;
    ck_assert_uint_le(*holds, cap);
    return ri_s2_block_read(ri_str_from(block, head), out, *holds);
}

/* What S2's own writer makes of 300000 and of 1000 zeros: a literal, a copy, and that again. */
START_TEST(test_zeros)
{
    static const char *const blocks[] = {"\xe0\xa7\x12\x00\x00\x11\x01\x1d\x00\xd3\x93\x03",
                                         "\xe8\x07\x00\x00\x11\x01\x19\x00\xdb\x02"};
    static const size_t lens[] = {12, 10}, wants[] = {300000, 1000};
    char *out = malloc(300000);
    for (int i = 0; i < 2; i++) {
        size_t holds;
        memset(out, 'x', wants[i]);
        ck_assert_ok(block_read((ri_str){guard_copy(blocks[i], lens[i]), lens[i]}, out, 300000,
                                &holds));
        ck_assert_uint_eq(holds, wants[i]);
        for (size_t k = 0; k < holds; k++)
            if (out[k]) ck_abort_msg("byte %zu", k);
    }
    free(out);
    guard_free();
}
END_TEST

/* Each of the four forms. */
START_TEST(test_forms)
{
    static const unsigned char forms[] = {
        21,                     /* bytes in all */
        0xf0, 3, 'a', 'b', 'c', 'd', /* a literal whose length is in a byte */
        0x01, 4,                /* 4 bytes, 4 back */
        0x05, 0,                /* the same distance, a length of 5 */
        0x0e, 3, 0,             /* 4 bytes, 3 back */
        0x0f, 2, 0, 0, 0,       /* 4 bytes, 2 back */
    };
    char out[64];
    size_t holds;
    ck_assert_ok(block_read((ri_str){guard_copy(forms, sizeof forms), sizeof forms}, out,
                            sizeof out, &holds));
    ck_assert_uint_eq(holds, 21);
    ck_assert_span(((ri_str){out, holds}), "abcdabcdabcdacdacacac");
    guard_free();
}
END_TEST

/* A text as S2's own writer packs it: a copy again with one byte of length, and with two. */
START_TEST(test_text)
{
    static const char block[] = "\xd8\x04\xc8" "utwhqpiypvsctgmxrpjgmkhzoocboitawbvphwlewwnacxquazx"
                                "\xa2\x0c\x00\x10" "qtcub\x15\x00"
                                "r\x11\xc7\x15\x00\x83\x11\x01\x15\x00\xda";
    char out[600];
    size_t holds;
    ck_assert_ok(block_read((ri_str){guard_copy(block, sizeof block - 1), sizeof block - 1}, out,
                            sizeof out, &holds));
    ck_assert_uint_eq(holds, 600);
    ck_assert_mem_eq(out + 40, "wwnacxquazxewwnacxquazx", 23);
    ck_assert_uint_eq(ri_crc32c(0, out, holds), 0x5f0408c5);
    guard_free();
}
END_TEST

START_TEST(test_bad)
{
    static const struct { const char *bytes; size_t len; } rows[] = {
        {"", 0},                              /* no length */
        {"\x80\x80\x80\x80\x80\x01", 6},      /* one that does not fit */
        {"\x05\x0c" "abc", 5},                /* a literal that is cut off */
        {"\x05\x08" "abc", 5},                /* less than there should be */
        {"\x02\x08" "abc", 5},                /* more */
        {"\x07\x08" "abc" "\x01\x04", 7},     /* a copy from before the beginning */
        {"\x07\x08" "abc" "\x01\x00", 7},     /* again, and there was none */
        {"\x07\x08" "abc" "\x0e\x00\x00", 8}, /* no distance */
        {"\x07\x08" "abc" "\x0e\x01", 7},     /* a distance that is cut off */
        {"\x20\xf0", 2},                      /* a length that is cut off */
        {"\x0b\x08" "abc" "\x01\x03\x15\x00", 9}, /* again, its length cut off */
        {"\x05\xfc\xff\xff\xff\xff", 6},      /* a literal of 4 GiB */
    };
    char out[64];
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        size_t holds = 0;
        ri_str in = {guard_copy(rows[i].bytes, rows[i].len), rows[i].len};
        int rc = block_read(in, out, sizeof out, &holds);
        ck_assert_msg(rc == RILL_EPROTO, "row %zu: %d", i, rc);
    }
    guard_free();
}
END_TEST

/* Pieces of any length, between which the packed bytes move, end in the middle of literals and of
 * copies that copy themselves. */
START_TEST(test_some)
{
    static const char block[] = "\x5b\xf0\x05" "abcdef" "\x01\x06" "\xfe\x03\0"
                                "\x3e\x01\0" "\x00z";
    static const size_t len = sizeof block - 1;
    char want[91], out[91];
    size_t holds, head;
    ck_assert_ok(block_read((ri_str){block, len}, want, sizeof want, &holds));
    ck_assert_uint_eq(holds, sizeof want);
    ck_assert_ok(ri_s2_block_size((ri_str){block, len}, &holds, &head));
    for (size_t most = 1; most <= holds; most++) {
        ri_s2_place place = {0};
        int rc = 1;
        memset(out, 'x', sizeof out);
        for (size_t n = 0; rc == 1; n++) {
            ri_str body = {guard_copy(block + head, len - head), len - head};
            ck_assert_uint_eq(place.len, n * most);
            ck_assert_int_ge(rc = ri_s2_block_some(&place, body, out, holds, most), 0);
            guard_free();
        }
        ck_assert_mem_eq(out, want, holds);
        ck_assert_uint_eq(place.len, holds);
    }
}
END_TEST

SUITE_MAIN("s2_block", test_zeros, test_forms, test_text, test_bad, test_some)
