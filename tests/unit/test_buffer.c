/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/error.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

START_TEST(test_basics)
{
    fault f;
    fault_init(&f);
    ri_buffer b;
    ri_buffer_init(&b, &f.host);
    ck_assert_uint_eq(ri_buffer_size(&b), 0);
    ck_assert_span(ri_buffer_str(&b), "");
    ri_buffer_put(&b, NULL, 0);
    ri_buffer_puts(&b, "");
    ck_assert_uint_eq(f.supply.calls, 0); /* nothing is taken for nothing */
    ri_buffer_puts(&b, "one ");
    ri_buffer_put_str(&b, RI_STR("two "));
    ri_buffer_printf(&b, "%d %s", 3, "four");
    ck_assert_span(ri_buffer_str(&b), "one two 3 four");
    ri_buffer_eat(&b, 4);
    ck_assert_span(ri_buffer_str(&b), "two 3 four");
    char *room = ri_buffer_room(&b, 2);
    ck_assert_ptr_nonnull(room);
    memcpy(room, "!?", 2);
    ck_assert_span(ri_buffer_str(&b), "two 3 four"); /* not before it is said */
    ri_buffer_added(&b, 1);
    ck_assert_span(ri_buffer_str(&b), "two 3 four!");
    ri_buffer_cut(&b, 1);
    ck_assert_uint_eq(ri_buffer_size(&b), 1);
    ri_buffer_eat(&b, ri_buffer_size(&b));
    ck_assert_uint_eq(ri_buffer_size(&b), 0);
    ri_buffer_puts(&b, "again");
    ck_assert_span(ri_buffer_str(&b), "again");
    size_t bytes = f.supply.bytes;
    ri_buffer_reset(&b);
    ck_assert_uint_eq(ri_buffer_size(&b), 0);
    ck_assert_uint_eq(f.supply.bytes, bytes); /* keeps the memory */
    ri_buffer_fini(&b);
    ck_assert_uint_eq(f.supply.bytes, 0);
    ri_buffer_puts(&b, "usable");
    ck_assert_span(ri_buffer_str(&b), "usable");
    ri_buffer_fini(&b);
    fault_fini(&f);
}
END_TEST

/* Bytes come out as they went in, and eaten room is used again. */
START_TEST(test_stream)
{
    rng r;
    rng_init(&r, rng_seed(1));
    fault f;
    fault_init(&f);
    ri_buffer b;
    ri_buffer_init(&b, &f.host);
    uint64_t in = 0, out = 0;
    for (int step = 0; step < 20000; step++) {
        char bytes[300];
        size_t n = rng_below(&r, ri_buffer_size(&b) > 2000 ? 2 : sizeof bytes);
        for (size_t i = 0; i < n; i++) bytes[i] = (char)(in++ * 31);
        ri_buffer_put(&b, bytes, n);
        n = rng_below(&r, ri_buffer_size(&b) + 1);
        for (size_t i = 0; i < n; i++) {
            if (ri_buffer_str(&b).ptr[i] != (char)(out++ * 31)) ck_abort_msg("byte %zu", i);
        }
        ri_buffer_eat(&b, n);
        ck_assert_uint_eq(ri_buffer_size(&b), in - out);
    }
    ck_assert_uint_le(f.supply.bytes, 8192); /* bounded by what waits, not by what went through */
    ri_buffer_fini(&b);
    fault_fini(&f);
}
END_TEST

static int body(fault *f, void *arg)
{
    (void)arg;
    ri_buffer b;
    ri_buffer_init(&b, &f->host);
    size_t n = 0;
    for (; n < 300 && !b.failed; n += !b.failed) ri_buffer_puts(&b, "0123456789");
    ck_assert_uint_eq(ri_buffer_size(&b), n * 10);
    if (b.failed) {
        ri_buffer_puts(&b, "x"); /* fails on, and changes nothing */
        ck_assert_ptr_null(ri_buffer_room(&b, 1));
        ck_assert_uint_eq(ri_buffer_size(&b), n * 10);
        ri_buffer_reset(&b);
        ck_assert(!b.failed);
        ri_buffer_puts(&b, "y");
        ck_assert_span(ri_buffer_str(&b), "y");
    }
    ri_buffer_fini(&b);
    return f->supply.failed ? RILL_ENOMEM : 0;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 3);
}
END_TEST

/* An allocator that looks at what it gets back. */
static uint32_t secrets_seen, blocks_freed;

static void *looking_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    const char *bytes = p;
    (void)arg;
    if (p && new_size == 0) blocks_freed++;
    for (size_t i = 0; p && i + 5 <= old_size; i++)
        secrets_seen += memcmp(bytes + i, "token", 5) == 0;
    if (!new_size) {
        free(p);
        return NULL;
    }
    char *made = realloc(p, new_size);
    if (made && new_size > old_size) memset(made + old_size, 0, new_size - old_size);
    return made;
}

/* What holds a secret leaves none of it in memory that it gives back. */
START_TEST(test_secret)
{
    ri_host host;
    ri_host_init(&host, NULL);
    host.alloc = looking_alloc;
    for (int secret = 0; secret < 2; secret++) {
        ri_buffer b;
        secrets_seen = blocks_freed = 0;
        ri_buffer_init(&b, &host);
        b.secret = secret;
        for (int i = 0; i < 500; i++) ri_buffer_puts(&b, "token ");
        ck_assert_uint_eq(ri_buffer_size(&b), 3000);
        ck_assert_int_eq(memcmp(ri_buffer_str(&b).ptr + 2994, "token ", 6), 0);
        ri_buffer_fini(&b);
        ck_assert(b.secret == (secret != 0));
        ck_assert_uint_gt(blocks_freed, 0);
        if (secret) ck_assert_uint_eq(secrets_seen, 0);
        else ck_assert_uint_gt(secrets_seen, 500);
    }
}
END_TEST

/* However large one is, its memory is no number of whole huge pages, as the images of segments are:
 * each would be made ready at once for the first bytes that come there. */
START_TEST(test_small_pages)
{
    enum { HUGE_PAGE = 2 * 1024 * 1024, MOST = 64 * 1024 * 1024 };
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t size = 256; size <= MOST; size *= 2) {
        ri_buffer at_once, grown;
        ri_buffer_init(&at_once, &host);
        ri_buffer_init(&grown, &host);
        ck_assert_ptr_nonnull(ri_buffer_room(&at_once, size));
        ck_assert_uint_gt(at_once.cap % HUGE_PAGE, 0);
        ck_assert_ptr_nonnull(ri_buffer_room(&grown, size / 2));
        ri_buffer_added(&grown, size / 2);
        ck_assert_ptr_nonnull(ri_buffer_room(&grown, size));
        ck_assert_uint_ge(grown.cap, size + size / 2);
        ck_assert_uint_gt(grown.cap % HUGE_PAGE, 0);
        ri_buffer_fini(&at_once);
        ri_buffer_fini(&grown);
    }
}
END_TEST

SUITE_MAIN("buffer", test_basics, test_stream, test_secret, test_faults, test_small_pages)
