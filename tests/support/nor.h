/* SPDX-License-Identifier: Apache-2.0 */
/* NOR flash in memory, that wears, fails and loses power.
 *
 * Each program and erase is counted; the one numbered cut_at is torn, and the power is gone: it
 * and all after it fail. nor_power() brings it back. What was torn may read differently each time
 * that power comes back, until it is erased. NOR_TEAR_NOT: nothing has happened yet. WEAK: a few
 * bits may read as changed, or not. BITS: any may. PREFIX: it came some way. ALL: it was done,
 * nearly.
 *
 * A program that is not aligned, crosses what rill.h says, or falls on a byte that was programmed
 * since its erase, ends the test; so does one on a byte that was torn, unless it is the same. */
#ifndef RI_TEST_NOR_H
#define RI_TEST_NOR_H

#include <stdbool.h>

#include "rill.h"
#include "support/rng.h"

enum { NOR_TEAR_NOT, NOR_TEAR_WEAK, NOR_TEAR_BITS, NOR_TEAR_PREFIX, NOR_TEAR_ALL, NOR_TEARS };

typedef struct nor {
    rill_flash dev;       /* give &n.dev to the store */
    unsigned char *bytes; /* as they read now */
    unsigned char *state; /* of each byte: 0 erased, 1 programmed, 2 torn */
    unsigned char *old, *new; /* of torn bytes: what they were, and should be */
    unsigned char *torn;      /* ... and how they were */
    uint32_t last_at, last_len; /* what was torn last */
    uint32_t *wear;       /* erases of each block */
    uint64_t ops;         /* programs and erases */
    uint64_t reads;
    uint64_t cut_at;      /* 0: none */
    int tear;             /* NOR_TEAR_* */
    bool drifts;          /* what is torn reads differently after each nor_power() */
    bool off;
    uint32_t bad_program, bad_erase; /* blocks of which these fail; UINT32_MAX: none */
    bool silent;          /* ... without saying so */
    bool fail_reads;
    bool lenient;         /* bytes may be programmed twice: somebody has made them up */
    rng dice;
} nor;

void nor_init(nor *n, uint32_t blocks, uint32_t block_bytes, uint32_t program_bytes, uint64_t seed);
void nor_fini(nor *n);
void nor_power(nor *n); /* it is back */

#endif
