/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/heap.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

#define TIMERS 200

static int64_t naive_next(const ri_timer *timers)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < TIMERS; i++) {
        if (ri_timer_armed(&timers[i]) && timers[i].due_ns < next) next = timers[i].due_ns;
    }
    return next;
}

static size_t armed_count(const ri_timer *timers)
{
    size_t n = 0;
    for (size_t i = 0; i < TIMERS; i++) n += ri_timer_armed(&timers[i]);
    return n;
}

/* Every entry knows its place and is no earlier than the one above it. */
static void check_order(const ri_heap *heap)
{
    for (size_t i = 0; i < heap->len; i++) {
        if (heap->timers[i]->place != i + 1) ck_abort_msg("place of %zu", i);
        if (i > 0 && heap->timers[i]->due_ns < heap->timers[(i - 1) / 4]->due_ns) {
            ck_abort_msg("order at %zu", i);
        }
    }
}

START_TEST(test_random)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        rng r;
        rng_init(&r, rng_seed(seed));
        fault f;
        fault_init(&f);
        ri_heap heap;
        ri_heap_init(&heap, &f.host);
        ck_assert_int_eq(ri_heap_next(&heap), INT64_MAX);
        ck_assert_ptr_null(ri_heap_due(&heap, INT64_MAX));
        static ri_timer timers[TIMERS];
        memset(timers, 0, sizeof timers);
        int64_t now = 0;
        for (int step = 0; step < 3000; step++) {
            ri_timer *t = &timers[rng_below(&r, TIMERS)];
            uint64_t what = rng_below(&r, 10);
            if (what < 6) {
                int64_t due = now + (int64_t)rng_below(&r, seed % 2 ? 10 : 1000);
                ck_assert_ok(ri_heap_set(&heap, t, due));
                ck_assert(ri_timer_armed(t) && t->due_ns == due);
            } else if (what < 8) {
                ri_heap_cancel(&heap, t);
                ck_assert(!ri_timer_armed(t));
                ri_heap_cancel(&heap, t); /* harmless */
            } else {
                now += (int64_t)rng_below(&r, 30);
                int64_t before = INT64_MIN;
                for (ri_timer *due; (due = ri_heap_due(&heap, now)); before = due->due_ns) {
                    ck_assert(!ri_timer_armed(due));
                    ck_assert_int_le(due->due_ns, now);
                    ck_assert_int_ge(due->due_ns, before);
                }
                ck_assert_int_gt(ri_heap_next(&heap), now);
            }
            ck_assert_int_eq(ri_heap_next(&heap), naive_next(timers));
            ck_assert_uint_eq(heap.len, armed_count(timers));
            check_order(&heap);
        }
        ri_heap_fini(&heap);
        fault_fini(&f);
    }
}
END_TEST

static int body(fault *f, void *arg)
{
    (void)arg;
    ri_timer timers[100] = {{0}};
    ri_heap heap;
    ri_heap_init(&heap, &f->host);
    int rc = 0;
    size_t n = 0;
    for (; n < RI_LEN(timers) && rc == 0; n++) {
        rc = ri_heap_set(&heap, &timers[n], 1000 - (int64_t)n);
        ck_assert(ri_timer_armed(&timers[n]) == (rc == 0));
        ck_assert_uint_eq(heap.len, n + (rc == 0));
    }
    check_order(&heap);
    ri_heap_fini(&heap);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 2);
}
END_TEST

SUITE_MAIN("heap", test_random, test_faults)
