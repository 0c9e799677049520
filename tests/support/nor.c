/* SPDX-License-Identifier: Apache-2.0 */
#include "support/nor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOR_ERASED, NOR_PROGRAMMED, NOR_TORN, NOR_CHUNK = 64 };

static void nor_must(bool holds, const char *what, uint32_t at)
{
    if (holds) return;
    fprintf(stderr, "flash: %s at 0x%x\n", what, at);
    abort();
}

static uint32_t nor_size(const nor *n)
{
    return n->dev.blocks * n->dev.block_bytes;
}

/* Each bit is the old or the new one. */
static unsigned char nor_between(nor *n, unsigned char old, unsigned char new)
{
    unsigned char mask = (unsigned char)(rng_next(&n->dice) >> 20);
    return (unsigned char)((old & mask) | (new & ~mask));
}

/* What a torn byte reads as, this time. */
static unsigned char nor_drift(nor *n, uint32_t at)
{
    unsigned char old = n->old[at], new = n->new[at], some = nor_between(n, old, new);
    switch (n->torn[at]) {
    case NOR_TEAR_BITS: return some;
    case NOR_TEAR_WEAK: return rng_below(&n->dice, 24) == 0 ? some : old;
    case NOR_TEAR_ALL: return new;
    default: return old;
    }
}

static void nor_tear(nor *n, uint32_t at, const unsigned char *new, uint32_t len)
{
    uint32_t cut = (uint32_t)rng_below(&n->dice, len);
    for (uint32_t i = at; i < at + len; i++) {
        n->old[i] = n->bytes[i];
        n->new[i] = new ? new[i - at] : 0xff;
        n->state[i] = NOR_TORN;
        n->torn[i] = (unsigned char)n->tear;
        if (n->tear == NOR_TEAR_PREFIX)
            n->torn[i] = i - at < cut ? NOR_TEAR_ALL : i - at == cut ? NOR_TEAR_BITS : NOR_TEAR_NOT;
        n->bytes[i] = nor_drift(n, i);
    }
    n->last_at = at;
    n->last_len = len;
}

/* Does the power hold for one operation more? */
static bool nor_holds(nor *n)
{
    if (n->off) return false;
    n->off = ++n->ops == n->cut_at;
    return !n->off;
}

static int nor_read(void *arg, uint32_t at, void *buf, uint32_t len)
{
    nor *n = arg;
    nor_must(at <= nor_size(n) && len <= nor_size(n) - at, "a read outside", at);
    n->reads++;
    if (n->off || n->fail_reads) return -1;
    memcpy(buf, n->bytes + at, len);
    return 0;
}

static int nor_program(void *arg, uint32_t at, const void *buf, uint32_t len)
{
    nor *n = arg;
    uint32_t unit = n->dev.program_bytes, chunk = unit > NOR_CHUNK ? unit : NOR_CHUNK;
    nor_must(len > 0 && at % unit == 0 && len % unit == 0, "a program that is not aligned", at);
    nor_must(at / chunk == (at + len - 1) / chunk, "a program across chunks", at);
    nor_must(at < nor_size(n), "a program outside", at);
    if (n->off) return -1;
    for (uint32_t i = at; i < at + len && !n->lenient; i++)
        nor_must(n->state[i] == NOR_ERASED ||
                 (n->state[i] == NOR_TORN && n->new[i] == ((const unsigned char *)buf)[i - at]),
                 "programmed twice, or torn before", i);
    if (!nor_holds(n)) {
        nor_tear(n, at, buf, len);
        return -1;
    }
    bool fails = at / n->dev.block_bytes == n->bad_program;
    for (uint32_t i = 0; i < len; i++) {
        unsigned char to = ((const unsigned char *)buf)[i];
        n->bytes[at + i] = fails ? nor_between(n, 0xff, to) : to;
        n->state[at + i] = NOR_PROGRAMMED;
    }
    return fails && !n->silent ? -1 : 0;
}

static int nor_erase(void *arg, uint32_t block)
{
    nor *n = arg;
    uint32_t at = block * n->dev.block_bytes, len = n->dev.block_bytes;
    nor_must(block < n->dev.blocks, "an erase outside", at);
    if (n->off) return -1;
    n->wear[block]++;
    if (!nor_holds(n)) {
        nor_tear(n, at, NULL, len);
        return -1;
    }
    if (block == n->bad_erase) {
        if (n->silent) n->bytes[at + len / 2] &= 0xfe;
        return n->silent ? 0 : -1;
    }
    memset(n->bytes + at, 0xff, len);
    memset(n->state + at, NOR_ERASED, len);
    return 0;
}

static int nor_sync(void *arg)
{
    return ((nor *)arg)->off ? -1 : 0;
}

void nor_init(nor *n, uint32_t blocks, uint32_t block_bytes, uint32_t program_bytes, uint64_t seed)
{
    size_t size = (size_t)blocks * block_bytes;
    *n = (nor){
        .dev = {sizeof n->dev, n, nor_read, nor_program, nor_erase, nor_sync, block_bytes, blocks,
                program_bytes, 0},
        .bytes = malloc(size), .state = calloc(size, 1), .old = calloc(size, 1),
        .new = calloc(size, 1), .torn = calloc(size, 1), .wear = calloc(blocks, sizeof *n->wear),
        .bad_program = UINT32_MAX, .bad_erase = UINT32_MAX,
    };
    if (!n->bytes || !n->state || !n->old || !n->new || !n->torn || !n->wear) abort();
    memset(n->bytes, 0xff, size);
    rng_init(&n->dice, seed);
}

void nor_fini(nor *n)
{
    free(n->bytes);
    free(n->state);
    free(n->old);
    free(n->new);
    free(n->torn);
    free(n->wear);
}

void nor_power(nor *n)
{
    /* What had come to its end, nearly, reads as if it had, or like anything between. */
    bool whole = rng_below(&n->dice, 2) == 0;
    n->off = false;
    n->cut_at = 0;
    for (uint32_t i = 0; n->drifts && i < nor_size(n); i++) {
        if (n->state[i] != NOR_TORN) continue;
        n->bytes[i] = nor_drift(n, i);
        if (n->torn[i] == NOR_TEAR_ALL && !whole && i >= n->last_at && i < n->last_at + n->last_len)
            n->bytes[i] = nor_between(n, n->old[i], n->new[i]);
    }
}
