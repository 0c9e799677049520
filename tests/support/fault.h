/* SPDX-License-Identifier: Apache-2.0 */
/* A ri_host whose memory fails on demand, and whose clocks and entropy are told. */
#ifndef RI_TEST_FAULT_H
#define RI_TEST_FAULT_H

#include "base/alloc.h"
#include "support/supply.h"

typedef struct fault {
    ri_host host;        /* give &fault.host to the object under test */
    rill_host hooks;     /* the same as public hooks, for tests of the API */
    supply supply;         /* says which allocation fails, and counts */
    int64_t now_ns;      /* what both clocks say ... */
    int64_t step_ns;     /* ... and by which they go on whenever one is looked at: for calls that
                            wait until a time */
    uint64_t entropy;    /* state of the entropy: the same bytes each run */
} fault;

void fault_init(fault *f);
/* Aborts the test unless all that was allocated is free again. */
void fault_fini(fault *f);

/* Run `body` with allocation 1, 2, 3 ... failing until it goes through without having met the
 * fault; after each run nothing may be out. `body` returns a rill code and must clean up after
 * itself: a code other than RILL_ENOMEM from a run that was hit, or a negative one from a run
 * that was not, fails the test. At most FAULT_RUNS_MAX runs. Returns how many faults were met.
 * A body that swallows a fault on purpose returns 0. */
#define FAULT_RUNS_MAX 20000
typedef int (*fault_body)(fault *f, void *arg);
size_t fault_each(fault_body body, void *arg);

#endif
