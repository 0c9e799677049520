/* SPDX-License-Identifier: Apache-2.0 */
/* The gate lets one in at a time and leaves nobody asleep, whether the sleepers make the barriers
 * or those who leave. */
#include <poll.h>
#include <pthread.h>

#include "net/gate.h"
#include "support/suite.h"

enum { THREADS = 4, TIMES = 100000, LONG_EVERY = 20000 };

typedef struct ring {
    ri_gate gate;
    uint64_t count;  /* inside the gate, as all that follows */
    unsigned inside; /* who are; 1 at most */
    uint64_t crowds; /* how often it was more: each check of Check's is a system call */
} ring;

static void *go_through(void *arg)
{
    ring *r = arg;
    for (int i = 1; i <= TIMES; i++) {
        ri_gate_enter(&r->gate);
        if (++r->inside != 1) r->crowds++;
        r->count++;
        if (i % LONG_EVERY == 0) poll(NULL, 0, 2); /* so long that the others sleep */
        r->inside--;
        ri_gate_leave(&r->gate);
    }
    return NULL;
}

static void crowd(bool light)
{
    ring r = {.count = 0};
    ri_gate_init(&r.gate);
    r.gate.light = r.gate.light && light;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, go_through, &r), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert_uint_eq(r.count, (uint64_t)THREADS * TIMES);
    ck_assert_uint_eq(r.crowds, 0);
    ck_assert(!atomic_load(&r.gate.taken) && !atomic_load(&r.gate.sleepers));
}

START_TEST(test_crowd)
{
    crowd(true);
    crowd(false);
}
END_TEST

SUITE_MAIN("gate", test_crowd)
