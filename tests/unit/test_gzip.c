/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/kafka/kafka_batch.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static int unpack(ri_str in, size_t max, ri_buffer *out)
{
    return ri_unpack_all(RI_KAFKA_CODEC_GZIP, in, max, out);
}

static void fill(char *out, size_t len, uint64_t seed)
{
    rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < len; i++) out[i] = (char)('a' + rng_below(&r, 4));
}

START_TEST(test_there_and_back)
{
    static char text[100000];
    fault f;
    fault_init(&f);
    ri_buffer packed, plain;
    fill(text, sizeof text, 1);
    for (size_t len = 0; len <= sizeof text; len = len * 3 + 1) {
        ri_buffer_init(&packed, &f.host);
        ri_buffer_init(&plain, &f.host);
        ri_buffer_puts(&plain, "kept");
        ck_assert_ok(ri_gzip_pack((ri_str){text, len}, &packed));
        ck_assert_ok(unpack(ri_buffer_str(&packed), len, &plain));
        ck_assert_uint_eq(ri_buffer_size(&plain), len + 4);
        ck_assert(memcmp(ri_buffer_str(&plain).ptr + 4, text, len) == 0);
        if (len)
            ck_assert_rc(unpack(ri_buffer_str(&packed), len - 1, &plain), RILL_ETOOBIG);
        ri_buffer_fini(&packed);
        ri_buffer_fini(&plain);
    }
    fault_fini(&f);
}
END_TEST

/* Cut anywhere, with more behind it, or with a flipped bit: said, and nothing read beyond. */
START_TEST(test_what_is_none)
{
    char text[600];
    fault f;
    fault_init(&f);
    ri_buffer packed, plain;
    fill(text, sizeof text, 2);
    ri_buffer_init(&packed, &f.host);
    ri_buffer_init(&plain, &f.host);
    ck_assert_ok(ri_gzip_pack((ri_str){text, sizeof text}, &packed));
    ri_str all = ri_buffer_str(&packed);
    for (size_t len = 0; len < all.len; len++) {
        ri_buffer_reset(&plain);
        ck_assert_rc(unpack((ri_str){guard_copy(all.ptr, len), len}, 1000, &plain),
                     RILL_EPROTO);
    }
    for (size_t at = 0; at < all.len; at++) {
        char *bytes = guard_copy(all.ptr, all.len);
        bytes[at] ^= 4;
        ri_buffer_reset(&plain);
        int rc = unpack((ri_str){bytes, all.len}, 1000, &plain);
        bool head = at >= 4 && at < 10; /* a time and a system that nobody looks at */
        ck_assert_msg(head || rc < 0, "byte %zu: %d", at, rc);
    }
    ri_buffer_put(&packed, "x", 1);
    ri_buffer_reset(&plain);
    ck_assert_rc(unpack(ri_buffer_str(&packed), 1000, &plain), RILL_EPROTO);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
    fault_fini(&f);
}
END_TEST

static int both(fault *f, void *arg)
{
    ri_buffer packed, plain;
    ri_buffer_init(&packed, &f->host);
    ri_buffer_init(&plain, &f->host);
    int rc = ri_gzip_pack(*(ri_str *)arg, &packed);
    if (rc == 0) rc = unpack(ri_buffer_str(&packed), 100000, &plain);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
    return rc;
}

START_TEST(test_each_allocation_fails)
{
    static char text[40000];
    ri_str all = {text, sizeof text};
    fill(text, sizeof text, 3);
    size_t n = fault_each(both, &all);
    ck_assert_uint_gt(n, 3);
}
END_TEST

SUITE_MAIN("gzip", test_there_and_back, test_what_is_none, test_each_allocation_fails)
