/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/nuid.h"

static const char nuid_digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { NUID_BASE = 62, NUID_MASK = 63 };

void ri_nuid_init(ri_nuid *nuid, const ri_host *host)
{
    nuid->host = host;
    nuid->left = 0;
}

static uint8_t nuid_byte(ri_nuid *nuid)
{
    if (ri_unlikely(nuid->left == 0)) {
        nuid->host->entropy(nuid->host->arg, nuid->pool, sizeof nuid->pool);
        nuid->left = RI_NUID_POOL;
    }
    RI_ASSERT(nuid->left > 0 && nuid->left <= RI_NUID_POOL);
    uint8_t *at = &nuid->pool[RI_NUID_POOL - nuid->left--], byte = *at;
    *at = 0;
    return byte;
}

void ri_nuid_next(ri_nuid *nuid, char out[RI_NUID_LEN])
{
    for (int i = 0; i < RI_NUID_LEN;) {
        /* 62 and 63 stand for no character: another draw */
        unsigned six = nuid_byte(nuid) & NUID_MASK;
        if (ri_likely(six < NUID_BASE)) out[i++] = nuid_digits[six];
    }
}

uint64_t ri_nuid_number(ri_nuid *nuid)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) number = number << 8 | nuid_byte(nuid);
    return number;
}
