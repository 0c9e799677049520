/* SPDX-License-Identifier: Apache-2.0 */
/* A supply of memory for the host of a test: it counts what is out, checks the size that each free
 * tells, meets writes past the end, fails on demand, and may be asked on any thread. */
#ifndef RI_TEST_SUPPLY_H
#define RI_TEST_SUPPLY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "rill.h"

typedef struct supply {
    pthread_mutex_t lock;
    size_t fail_at;    /* the allocation that fails, counted from 1; 0: none */
    bool fail_after;   /* all later ones fail, too */
    size_t calls;      /* allocations and growths asked for */
    size_t failed;     /* of these, refused */
    size_t bytes;      /* out now */
    size_t blocks;     /* out now */
    size_t peak_bytes;
} supply;

void supply_init(supply *s);
/* Fits rill_host, with a supply as `arg`. */
void *supply_alloc(void *arg, void *p, size_t old_size, size_t new_size);
/* The hooks of a host that has this supply, and all else from the system. */
rill_host supply_hooks(supply *s);
/* Aborts the test unless all that was allocated is free again. */
void supply_fini(supply *s);

#endif
