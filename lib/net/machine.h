/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine offers to this process. */
#ifndef RI_MACHINE_H
#define RI_MACHINE_H

#include "base/defs.h"

/* Bytes of memory that this process may use: the machine's, or the limit of its cgroup or of one
 * above it, whichever is least. 0: nobody knows. */
uint64_t ri_machine_memory(void);

#endif
