/* SPDX-License-Identifier: Apache-2.0 */
/* Names that nobody else makes and nobody can guess: 22 characters of base 62, 131 bits of the
 * host's entropy each. None says anything of another, since whoever is sent one as a reply
 * subject must not know where other answers go. Entropy is drawn some hundred bytes at a time.
 * One generator per owner. */
#ifndef RI_NUID_H
#define RI_NUID_H

#include "base/alloc.h"

#ifndef RI_NUID_POOL
#define RI_NUID_POOL 256 /* bytes */
#endif
enum { RI_NUID_LEN = 22 };

typedef struct ri_nuid {
    const ri_host *host;
    uint32_t left;               /* bytes of the pool that are not used yet, at its end */
    uint8_t pool[RI_NUID_POOL];  /* what was used is zeroed */
} ri_nuid;

void ri_nuid_init(ri_nuid *nuid, const ri_host *host);
/* Exactly RI_NUID_LEN characters, no 0 behind them. */
void ri_nuid_next(ri_nuid *nuid, char out[RI_NUID_LEN]);
/* 64 bits of the same kind. */
uint64_t ri_nuid_number(ri_nuid *nuid);

#endif
