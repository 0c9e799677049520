/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "store/memory/producers.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_producers ps;

static void begin(ri_producers_opts opts)
{
    fault_init(&f);
    ri_producers_init(&ps, &f.host, &opts);
}

static void end(void)
{
    ri_producers_fini(&ps);
    fault_fini(&f);
}

static int64_t told; /* offset of the last duplicate */

static ri_producers_verdict check(int64_t id, int16_t epoch, int32_t base, int32_t count, bool txn)
{
    ri_producers_batch batch = {id, epoch, base, count, txn};
    return ri_producers_check(&ps, &batch, &told);
}

static void add(int64_t id, int16_t epoch, int32_t base, int32_t count, int64_t offset, bool txn)
{
    ri_producers_batch batch = {id, epoch, base, count, txn};
    ck_assert_int_eq(ri_producers_check(&ps, &batch, &told), RI_PRODUCERS_APPEND);
    ck_assert_ok(ri_producers_add(&ps, &batch, offset, 1000 + offset));
}

START_TEST(test_sequences)
{
    begin((ri_producers_opts){0});
    add(7, 0, 100, 10, 0, false); /* not known: any sequence */
    ck_assert_int_eq(check(7, 0, 100, 10, false), RI_PRODUCERS_DUPLICATE);
    ck_assert_int_eq(told, 0);
    ck_assert_int_eq(check(7, 0, 100, 9, false), RI_PRODUCERS_OUT_OF_ORDER);
    ck_assert_int_eq(check(7, 0, 111, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    ck_assert_int_eq(check(7, 0, 109, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    for (int i = 0; i < 5; i++) add(7, 0, 110 + i, 1, 10 + i, false);
    ck_assert_int_eq(check(7, 0, 100, 10, false), RI_PRODUCERS_OUT_OF_ORDER); /* the sixth back */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(check(7, 0, 110 + i, 1, false), RI_PRODUCERS_DUPLICATE);
        ck_assert_int_eq(told, 10 + i);
    }
    ck_assert_int_eq(check(7, 1, 115, 1, false), RI_PRODUCERS_OUT_OF_ORDER); /* new epoch: from 0 */
    add(7, 1, 0, 2, 20, false);
    ck_assert_int_eq(check(7, 0, 114, 1, false), RI_PRODUCERS_FENCED); /* even what was stored */
    ck_assert_int_eq(check(7, 0, 115, 1, false), RI_PRODUCERS_FENCED);
    ck_assert_int_eq(check(7, 1, 0, 2, false), RI_PRODUCERS_DUPLICATE);
    ck_assert_int_eq(check(7, 1, 2, 1, false), RI_PRODUCERS_APPEND);
    int16_t epoch;
    int32_t last;
    ck_assert(ri_producers_find(&ps, 7, &epoch, &last));
    ck_assert(epoch == 1 && last == 1);
    ck_assert(!ri_producers_find(&ps, 8, &epoch, &last));
    end();

    begin((ri_producers_opts){.strict_unknown = true});
    ck_assert_int_eq(check(7, 0, 100, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    add(7, 3, 0, 1, 0, false);
    end();
}
END_TEST

START_TEST(test_wrap)
{
    begin((ri_producers_opts){0});
    add(1, 0, INT32_MAX - 1, 2, 0, false); /* ends at the largest */
    ck_assert_int_eq(check(1, 0, 1, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    add(1, 0, 0, 3, 2, false);
    add(2, 0, INT32_MAX - 1, 5, 10, false); /* goes over it: max - 1, max, 0, 1, 2 */
    ck_assert_int_eq(check(2, 0, INT32_MAX - 1, 5, false), RI_PRODUCERS_DUPLICATE);
    ck_assert_int_eq(told, 10);
    ck_assert_int_eq(check(2, 0, 2, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    add(2, 0, 3, 1, 15, false);
    end();
}
END_TEST

START_TEST(test_transactions)
{
    begin((ri_producers_opts){0});
    ck_assert_int_eq(ri_producers_stable(&ps), RI_PRODUCERS_NO_OFFSET);
    add(1, 0, 0, 1, 5, true);
    add(2, 0, 0, 1, 6, true);
    add(1, 0, 1, 1, 7, true);
    ck_assert_int_eq(check(1, 0, 2, 1, false), RI_PRODUCERS_BAD_STATE);
    ck_assert_int_eq(ri_producers_stable(&ps), 5);
    int64_t first;
    ck_assert_int_eq(ri_producers_check_marker(&ps, 1, 0, 3), RI_PRODUCERS_APPEND);
    ck_assert_ok(ri_producers_end(&ps, 1, 0, 3, 2000, &first));
    ck_assert_int_eq(first, 5);
    ck_assert_int_eq(ri_producers_stable(&ps), 6);
    ck_assert_int_eq(ri_producers_check_marker(&ps, 1, 0, 2), RI_PRODUCERS_STALE_COORDINATOR);
    add(1, 0, 2, 1, 8, true); /* the sequence goes on over a marker of the same epoch */
    ck_assert_ok(ri_producers_end(&ps, 1, 1, 3, 2000, &first)); /* and anew with a higher one */
    ck_assert_int_eq(first, 8);
    ck_assert_int_eq(check(1, 0, 3, 1, true), RI_PRODUCERS_FENCED);
    ck_assert_int_eq(ri_producers_check_marker(&ps, 1, 0, 3), RI_PRODUCERS_FENCED);
    ck_assert_int_eq(check(1, 1, 3, 1, true), RI_PRODUCERS_OUT_OF_ORDER);
    ck_assert_int_eq(check(1, 1, 0, 1, true), RI_PRODUCERS_APPEND);
    ck_assert_ok(ri_producers_end(&ps, 3, 4, 0, 2000, &first)); /* of one that is not known */
    ck_assert_int_eq(first, RI_PRODUCERS_NO_OFFSET);
    ck_assert_int_eq(check(3, 3, 0, 1, false), RI_PRODUCERS_FENCED);
    ck_assert_int_eq(check(3, 4, 1, 1, false), RI_PRODUCERS_OUT_OF_ORDER);
    ck_assert_int_eq(check(3, 4, 0, 1, false), RI_PRODUCERS_APPEND);
    ck_assert_int_eq(ri_producers_stable(&ps), 6);
    ck_assert_ok(ri_producers_end(&ps, 2, 0, 3, 2000, &first));
    ck_assert_int_eq(ri_producers_stable(&ps), RI_PRODUCERS_NO_OFFSET);
    end();
}
END_TEST

START_TEST(test_expiry_and_bounds)
{
    begin((ri_producers_opts){.expire_ns = 100, .max_count = 3});
    add(1, 0, 0, 1, 0, true);  /* at 1000; its transaction stays open */
    add(2, 0, 0, 1, 10, false); /* at 1010 */
    add(3, 0, 0, 1, 20, false); /* at 1020 */
    ck_assert_uint_eq(ri_producers_expire(&ps, 1109), 0);
    ck_assert_uint_eq(ri_producers_expire(&ps, 1110), 1);
    ck_assert_uint_eq(ps.count, 2);
    add(4, 0, 0, 1, 30, false);
    ck_assert_ok(ri_producers_reserve(&ps, 5)); /* 3 was the longest silent that may go */
    ck_assert_uint_eq(ps.count, 3);
    int16_t epoch;
    int32_t last;
    ck_assert(!ri_producers_find(&ps, 3, &epoch, &last));
    ck_assert(!ri_producers_find(&ps, 5, &epoch, &last)); /* reserved is not known */
    ck_assert_int_eq(check(5, 0, 77, 1, false), RI_PRODUCERS_APPEND);
    f.supply.fail_at = f.supply.calls + 1;
    f.supply.fail_after = true;
    add(5, 0, 77, 1, 40, true); /* reserved: no memory is needed */
    f.supply.fail_at = 0;
    add(4, 0, 1, 1, 50, true);
    ck_assert_rc(ri_producers_reserve(&ps, 6), RILL_EFULL); /* all have open transactions */
    ck_assert_uint_eq(ri_producers_expire(&ps, 100000), 0);
    ck_assert_uint_eq(ps.count, 3);
    end();
}
END_TEST

static void fill(rng *r)
{
    int64_t offset = 0;
    for (int i = 0; i < 300; i++) {
        int64_t id = (int64_t)rng_below(r, 40), first;
        int16_t epoch = 0;
        int32_t last = -1;
        ri_producers_find(&ps, id, &epoch, &last);
        bool txn = id % 3 == 0;
        if (txn && rng_below(r, 4) == 0) {
            ck_assert_ok(ri_producers_end(&ps, id, epoch, 1, 1000 + offset, &first));
        } else if (rng_below(r, 6) == 0) {
            add(id, (int16_t)(epoch + 1), 0, 3, offset, txn);
        } else {
            add(id, epoch, last + 1, 1 + (int32_t)rng_below(r, 9), offset, txn);
        }
        offset += 10;
    }
}

START_TEST(test_round_trip)
{
    begin((ri_producers_opts){0});
    rng r;
    rng_init(&r, rng_seed(1));
    fill(&r);
    ri_buffer out, again;
    ri_buffer_init(&out, &f.host);
    ri_buffer_init(&again, &f.host);
    ri_producers_write(&ps, &out);
    ri_str bytes = ri_buffer_str(&out);
    ri_producers back;
    ri_producers_init(&back, &f.host, &(ri_producers_opts){.max_count = 2});
    char *copy = guard_copy(bytes.ptr, bytes.len);
    ck_assert_ok(ri_producers_read(&back, copy, bytes.len));
    ri_producers_write(&back, &again);
    ck_assert_uint_eq(again.len, bytes.len);
    ck_assert_mem_eq(again.ptr, bytes.ptr, bytes.len);
    ck_assert_int_ne(ri_producers_stable(&ps), RI_PRODUCERS_NO_OFFSET);
    for (int i = 0; i < 40; i++) { /* open transactions come back in order */
        int64_t a, b;
        ck_assert_int_eq(ri_producers_stable(&back), ri_producers_stable(&ps));
        ck_assert_ok(ri_producers_end(&ps, i, 99, 1, 0, &a));
        ck_assert_ok(ri_producers_end(&back, i, 99, 1, 0, &b));
        ck_assert_int_eq(a, b);
    }
    ri_producers_fini(&back);
    for (size_t len = 0; len < bytes.len; len++) {
        ri_producers_init(&back, &f.host, &(ri_producers_opts){0});
        copy = guard_copy(bytes.ptr, len);
        ck_assert_rc(ri_producers_read(&back, copy, len), RILL_ECORRUPT);
        ck_assert_uint_eq(back.count, 0);
        ri_producers_fini(&back);
    }
    for (int i = 0; i < 3000; i++) {
        ri_producers_init(&back, &f.host, &(ri_producers_opts){0});
        copy = guard_copy(bytes.ptr, bytes.len);
        copy[rng_below(&r, bytes.len)] ^= (char)(1u << rng_below(&r, 8));
        int rc = ri_producers_read(&back, copy, bytes.len);
        ck_assert(rc == 0 || (rc == RILL_ECORRUPT && back.count == 0));
        ri_producers_fini(&back);
    }
    ri_buffer_fini(&out);
    ri_buffer_fini(&again);
    end();
}
END_TEST

static int body(fault *at, void *arg)
{
    (void)arg;
    ri_producers a, b;
    ri_buffer out;
    int64_t first;
    int rc = 0;
    uint32_t n = 0;
    ri_producers_init(&a, &at->host, &(ri_producers_opts){0});
    ri_producers_init(&b, &at->host, &(ri_producers_opts){0});
    ri_buffer_init(&out, &at->host);
    for (; n < 30 && rc == 0; n += rc == 0) {
        rc = ri_producers_add(&a, &(ri_producers_batch){n, 0, 0, 1, true}, n, n);
    }
    ck_assert_uint_eq(a.count, n);
    if (rc == 0) rc = ri_producers_end(&a, 99, 0, 0, 100, &first);
    ri_producers_write(&a, &out);
    if (rc == 0 && out.failed) rc = RILL_ENOMEM;
    if (rc == 0) rc = ri_producers_read(&b, out.ptr, out.len);
    ck_assert_uint_eq(b.count, rc == 0 ? 31 : 0);
    ri_producers_fini(&a);
    ri_producers_fini(&b);
    ri_buffer_fini(&out);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 60);
}
END_TEST

SUITE_MAIN("producers", test_sequences, test_wrap, test_transactions, test_expiry_and_bounds,
           test_round_trip, test_faults)
