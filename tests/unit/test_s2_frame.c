/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/archive/s2_frame.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rill.h"
#include "support/guard.h"
#include "support/suite.h"

/* "abc": CRC-32C 364b3fb7, masked 21f1576e. */
static const char golden[] = "\xff\x06\0\0S2sTwO\x01\x07\0\0\x6e\x57\xf1\x21" "abc";

/* Read all chunks; what no chunk used must be the front of one. */
static size_t frame_read_all(ri_str in, ri_buffer *out)
{
    int64_t n;
    size_t used = 0;
    while ((n = ri_s2_frame_read(ri_str_from(in, used), out)) > 0) used += (size_t)n;
    ck_assert_int_eq(n, 0);
    return used;
}

START_TEST(test_golden)
{
    ri_host host;
    ri_buffer out, back;
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    ri_buffer_init(&back, &host);
    ri_s2_frame_begin(&out);
    ri_s2_frame_put(&out, RI_STR("abc"));
    ck_assert_uint_eq(ri_buffer_size(&out), sizeof golden - 1);
    ck_assert_mem_eq(ri_buffer_str(&out).ptr, golden, sizeof golden - 1);
    for (size_t len = 0; len < sizeof golden; len++) { /* split at every byte */
        ri_buffer_reset(&back);
        frame_read_all((ri_str){guard_copy(golden, len), len}, &back);
        ck_assert_uint_eq(ri_buffer_size(&back), len == sizeof golden - 1 ? 3 : 0);
    }
    ck_assert_span(ri_buffer_str(&back), "abc");
    ri_buffer_fini(&out);
    ri_buffer_fini(&back);
    guard_free();
}
END_TEST

START_TEST(test_sizes)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ri_buffer out, back;
        ri_buffer_init(&out, &host);
        ri_buffer_init(&back, &host);
        char *data = calloc(1, sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++) data[k] = (char)(k * 7);
        ri_s2_frame_put(&out, (ri_str){data, sizes[i]});
        ck_assert_uint_eq(frame_read_all(ri_buffer_str(&out), &back), ri_buffer_size(&out));
        ck_assert_uint_eq(ri_buffer_size(&back), sizes[i]);
        if (sizes[i]) ck_assert_mem_eq(ri_buffer_str(&back).ptr, data, sizes[i]);
        free(data);
        ri_buffer_fini(&out);
        ri_buffer_fini(&back);
    }
}
END_TEST

/* "abcabcabcabcabcd" as a literal, a copy that overlaps itself, and a literal. */
static const char compressed[] = "\xff\x06\0\0sNaPpY\x00\x0e\0\0\x44\xfd\x78\xf4"
                                 "\x10\x08" "abc" "\x2e\x03\x00" "\x00" "d";

START_TEST(test_compressed)
{
    ri_host host;
    ri_buffer back;
    ri_host_init(&host, NULL);
    ri_buffer_init(&back, &host);
    for (size_t len = 0; len < sizeof compressed; len++) { /* split at every byte */
        ri_buffer_reset(&back);
        frame_read_all((ri_str){guard_copy(compressed, len), len}, &back);
        ck_assert_uint_eq(ri_buffer_size(&back), len == sizeof compressed - 1 ? 16 : 0);
    }
    ck_assert_span(ri_buffer_str(&back), "abcabcabcabcabcd");
    ri_buffer_fini(&back);
    guard_free();
}
END_TEST

START_TEST(test_bad)
{
    static const struct { const char *bytes; size_t len; } rows[] = {
        {"\x01\x07\0\0\x6f\x57\xf1\x21" "abc", 11}, /* checksum */
        {"\x01\x07\0\0\x6e\x57\xf1\x21" "abd", 11}, /* data */
        {"\x01\x03\0\0\x6e\x57\xf1", 7},            /* no room for a checksum */
        {"\x00\x07\0\0\x6e\x57\xf1\x21" "abc", 11}, /* not what a block looks like */
        {"\x00\x08\0\0\x6e\x57\xf1\x21\xff\xff\xff\x02", 12}, /* it claims 5 MB */
        {"\x02\x01\0\0a", 5},                       /* unknown, and not to be skipped */
        {"\x01\xff\xff\xff", 4},                    /* too long */
        {"\xff\x05\0\0S2sTw", 9},                   /* an identifier of another length */
        {"\xff\x06\0\0S2sTwo", 10},                 /* another identifier */
    };
    ri_host host;
    ri_buffer plain;
    ri_host_init(&host, NULL);
    ri_buffer_init(&plain, &host);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ri_str in = {guard_copy(rows[i].bytes, rows[i].len), rows[i].len};
        ck_assert_rc((int)ri_s2_frame_read(in, &plain), RILL_EPROTO);
    }
    ri_str skip = {guard_copy("\x80\x02\0\0ab", 6), 6};
    ck_assert_int_eq(ri_s2_frame_read(skip, &plain), 6);
    ck_assert_uint_eq(ri_buffer_size(&plain), 0);
    ri_buffer_fini(&plain);
    guard_free();
}
END_TEST

SUITE_MAIN("s2_frame", test_golden, test_sizes, test_compressed, test_bad)
