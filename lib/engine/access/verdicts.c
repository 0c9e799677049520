/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/verdicts.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

enum {
    VERDICTS_MIN = 64,
    VERDICTS_MAX = 8192, /* rows: 768 KiB */
    VERDICTS_LEN = 86,   /* bytes of the longest subject that has one */
};

struct ri_verdict {
    uint64_t user;
    uint8_t len;         /* 0: none */
    bool may;
    char subject[VERDICTS_LEN];
};

void ri_verdicts_init(ri_verdicts *v, const ri_host *host, ri_memory *memory)
{
    RI_ASSERT(v && host);
    *v = (ri_verdicts){.host = host, .memory = memory};
}

uint64_t ri_verdicts_bytes(const ri_verdicts *v)
{
    return v->n * sizeof(ri_verdict);
}

void ri_verdicts_fini(ri_verdicts *v)
{
    if (!v->rows) return;
    ri_memory_refund(v->memory, RI_MEMORY_INTEREST, ri_verdicts_bytes(v));
    ri_free(v->host, v->rows, ri_verdicts_bytes(v));
    *v = (ri_verdicts){0};
}

static ri_verdict *verdicts_row(const ri_verdicts *v, uint64_t user, ri_str subject)
{
    RI_ASSERT(v->rows && (v->n & (v->n - 1)) == 0);
    return &v->rows[(ri_hash(subject) ^ ri_hash_u64(user)) & (v->n - 1)];
}

static bool verdicts_is(const ri_verdict *row, uint64_t user, ri_str subject)
{
    return row->user == user && row->len == subject.len &&
           memcmp(row->subject, subject.ptr, subject.len) == 0;
}

bool ri_verdicts_get(const ri_verdicts *v, uint64_t user, ri_str subject, bool *may)
{
    RI_ASSERT(subject.len > 0);
    if (!v->rows || subject.len > VERDICTS_LEN) return false;
    const ri_verdict *row = verdicts_row(v, user, subject);
    if (!verdicts_is(row, user, subject)) return false;
    *may = row->may;
    return true;
}

/* The first rows, or twice as many, which are empty. */
static void verdicts_grow(ri_verdicts *v)
{
    uint32_t n = v->rows ? 2 * v->n : VERDICTS_MIN;
    size_t size = n * sizeof(ri_verdict);
    v->forgotten = 0;
    if (n > VERDICTS_MAX || !ri_memory_take(v->memory, RI_MEMORY_INTEREST, size)) return;
    ri_verdict *rows = ri_calloc(v->host, size);
    if (!rows) {
        ri_memory_refund(v->memory, RI_MEMORY_INTEREST, size);
        return;
    }
    ri_verdicts before = *v;
    ri_verdicts_fini(&before);
    v->rows = rows;
    v->n = n;
}

void ri_verdicts_put(ri_verdicts *v, uint64_t user, ri_str subject, bool may)
{
    RI_ASSERT(v->host && subject.len > 0);
    if (subject.len > VERDICTS_LEN) return;
    if (!v->rows || v->forgotten > v->n) verdicts_grow(v);
    if (!v->rows) return;
    ri_verdict *row = verdicts_row(v, user, subject);
    if (row->len) v->forgotten++;
    row->user = user;
    row->len = (uint8_t)subject.len;
    row->may = may;
    memcpy(row->subject, subject.ptr, subject.len);
}
