/* SPDX-License-Identifier: Apache-2.0 */
/* Unique names: 22 characters of base 62, a random prefix of 12 and a counter that starts at
 * random and steps at random, as NATS clients make them. One generator per owner. */
#ifndef RI_NUID_H
#define RI_NUID_H

#include "base/alloc.h"

#define RI_NUID_LEN 22

typedef struct ri_nuid {
    const ri_host *host;
    char prefix[12];
    uint64_t seq, step;
} ri_nuid;

void ri_nuid_init(ri_nuid *nuid, const ri_host *host);
/* Exactly RI_NUID_LEN characters, no 0 behind them. */
void ri_nuid_next(ri_nuid *nuid, char out[RI_NUID_LEN]);

#endif
