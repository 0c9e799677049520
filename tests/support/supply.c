/* SPDX-License-Identifier: Apache-2.0 */
#include "support/supply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/die.h"

/* Each block carries its size in front and a mark behind, so that a wrong size in a free and a
 * write past the end are met here even without a sanitizer. */
#define SUPPLY_FRONT 16
#define SUPPLY_BACK 8
#define SUPPLY_MARK 0xfa017b10c4ed5eedULL
/* Blocks are stained as far as this, when they are taken and when they are given back: more would
 * touch the pages of large blocks that nobody else touches. */
#define SUPPLY_STAINED 4096

void supply_init(supply *s)
{
    *s = (supply){.lock = PTHREAD_MUTEX_INITIALIZER};
}

rill_host supply_hooks(supply *s)
{
    return (rill_host){.size = sizeof(rill_host), .arg = s, .alloc = supply_alloc};
}

static char *supply_block(void *p, size_t old_size)
{
    char *block = (char *)p - SUPPLY_FRONT;
    size_t size;
    uint64_t mark;
    memcpy(&size, block, sizeof size);
    if (size != old_size) die("supply: a block of %zu is told to be of %zu", size, old_size);
    memcpy(&mark, block + SUPPLY_FRONT + size, sizeof mark);
    if (mark != SUPPLY_MARK) die("supply: written past the end of %zu", size);
    return block;
}

static bool supply_hits(supply *s)
{
    s->calls++;
    bool hit = s->fail_at && (s->fail_after ? s->calls >= s->fail_at : s->calls == s->fail_at);
    s->failed += hit;
    return hit;
}

static void supply_stain(char *block, int stain, size_t size)
{
    memset(block + SUPPLY_FRONT, stain, size < SUPPLY_STAINED ? size : SUPPLY_STAINED);
}

static char *supply_take(supply *s, size_t size)
{
    char *block = malloc(SUPPLY_FRONT + size + SUPPLY_BACK);
    if (!block) die("supply: the machine has no %zu bytes", size);
    supply_stain(block, 0xa5, size);
    memcpy(block, &size, sizeof size);
    memcpy(block + SUPPLY_FRONT + size, &(uint64_t){SUPPLY_MARK}, SUPPLY_BACK);
    s->blocks++;
    s->bytes += size;
    return block;
}

static void supply_give(supply *s, char *block, size_t size)
{
    supply_stain(block, 0x5a, size);
    free(block);
    s->blocks--;
    s->bytes -= size;
}

/* A block that grows always moves: who kept its old place is met. */
static void *supply_change(supply *s, void *p, size_t old_size, size_t new_size)
{
    char *old = p ? supply_block(p, old_size) : NULL, *block = NULL;
    if (!p && old_size) die("supply: an old size of %zu without a block", old_size);
    if (new_size) {
        if (supply_hits(s)) return NULL;
        block = supply_take(s, new_size);
        if (old) memcpy(block + SUPPLY_FRONT, p, old_size < new_size ? old_size : new_size);
    }
    if (old) supply_give(s, old, old_size);
    if (s->bytes > s->peak_bytes) s->peak_bytes = s->bytes;
    return block ? block + SUPPLY_FRONT : NULL;
}

void *supply_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    supply *s = arg;
    pthread_mutex_lock(&s->lock);
    void *result = supply_change(s, p, old_size, new_size);
    pthread_mutex_unlock(&s->lock);
    return result;
}

void supply_fini(supply *s)
{
    if (s->blocks || s->bytes)
        die("supply: %zu blocks of %zu bytes are not given back", s->blocks, s->bytes);
}
