/* SPDX-License-Identifier: Apache-2.0 */
/* A store on flash, and beside it what it must hold: plain arrays. A queue of work ("work", with
 * the group "g"), a stream whose oldest messages make room ("log", with the group "r"), and a
 * bucket ("kv"). A step does one thing to both; one that was cut off by a loss of power has
 * happened or has not, and fmodel_check() takes either, and nothing else. */
#ifndef RI_TEST_FLASH_MODEL_H
#define RI_TEST_FLASH_MODEL_H

#include "micro/flash/flash.h"
#include "support/nor.h"

enum { FMODEL_WORK = 4, FMODEL_LOG = 5, FMODEL_KEYS = 4 };

typedef struct fmodel_state {
    uint32_t work[FMODEL_WORK], work_fill[FMODEL_WORK], nwork; /* numbers that live, and what of */
    uint32_t log[FMODEL_LOG], log_fill[FMODEL_LOG], nlog;
    uint32_t work_last, log_last, kv_last;
    uint32_t log_acked[FMODEL_LOG * 2], nacked; /* by "r", of those that live */
    uint32_t key[FMODEL_KEYS], key_fill[FMODEL_KEYS];          /* revisions, 0: it is not there */
} fmodel_state;

typedef struct fmodel {
    nor flash;
    ri_flash_conf conf;
    void *memory;
    size_t bytes;
    ri_flash *f;
    int work, log, kv, g, r;
    fmodel_state now, maybe; /* what is, and what is if the step that was cut off has happened */
    rng dice;
    int64_t now_ns;
    uint64_t steps;
} fmodel;

void fmodel_init(fmodel *m, uint32_t blocks, uint32_t block_bytes, uint32_t program_bytes,
                 uint64_t seed);
void fmodel_fini(fmodel *m);
int fmodel_format(fmodel *m);
int fmodel_mount(fmodel *m);  /* the power is on */
int fmodel_step(fmodel *m);   /* by the dice; < 0: it was cut off */
void fmodel_check(fmodel *m); /* ends the test unless all is as it must be */

#endif
