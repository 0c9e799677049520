/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nuid.h"

static const char nuid_digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { NUID_BASE = 62, NUID_PREFIX = 12, NUID_TAIL = RI_NUID_LEN - NUID_PREFIX };
#define NUID_SEQ_MAX 839299365868340224ULL /* 62 to the power of NUID_TAIL */

static void nuid_reseed(ri_nuid *nuid)
{
    uint8_t raw[NUID_PREFIX];
    uint64_t start[2];
    nuid->host->entropy(nuid->host->arg, raw, sizeof raw);
    nuid->host->entropy(nuid->host->arg, start, sizeof start);
    for (int i = 0; i < NUID_PREFIX; i++) nuid->prefix[i] = nuid_digits[raw[i] % NUID_BASE];
    nuid->seq = start[0] % NUID_SEQ_MAX;
    nuid->step = 33 + start[1] % 300;
}

void ri_nuid_init(ri_nuid *nuid, const ri_host *host)
{
    nuid->host = host;
    nuid_reseed(nuid);
}

void ri_nuid_next(ri_nuid *nuid, char out[RI_NUID_LEN])
{
    nuid->seq += nuid->step;
    if (nuid->seq >= NUID_SEQ_MAX) nuid_reseed(nuid);
    for (int i = 0; i < NUID_PREFIX; i++) out[i] = nuid->prefix[i];
    uint64_t left = nuid->seq;
    for (int i = RI_NUID_LEN - 1; i >= NUID_PREFIX; i--, left /= NUID_BASE)
        out[i] = nuid_digits[left % NUID_BASE];
}
