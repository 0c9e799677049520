/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine offers to this process. */
#ifndef RI_MACHINE_H
#define RI_MACHINE_H

#include "base/defs.h"

/* Bytes of memory that this process may use: the machine's, or the limit of its cgroup or of one
 * above it, whichever is least. 0: nobody knows. */
uint64_t ri_machine_memory(void);

typedef struct ri_machine_use { /* of this process; 0: nobody knows */
    uint64_t resident_bytes;
    int64_t cpu_ns;             /* of all its threads, so far */
    long cores;                 /* that are there ... */
    long usable;                /* ... and of these, those that this process may run on */
} ri_machine_use;
void ri_machine_use_of(ri_machine_use *out);

#endif
