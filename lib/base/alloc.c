/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

void *ri_alloc(const ri_host *host, size_t size)
{
    RI_ASSERT(host && host->alloc);
    if (size == 0) return NULL;
    if (ri_unlikely(size > PTRDIFF_MAX)) {
        ri_err_nomem(size);
        return NULL;
    }
    void *p = host->alloc(host->arg, NULL, 0, size);
    if (ri_unlikely(!p)) ri_err_nomem(size);
    return p;
}

void *ri_calloc(const ri_host *host, size_t size)
{
    void *p = ri_alloc(host, size);
    if (p) memset(p, 0, size);
    return p;
}

void *ri_realloc(const ri_host *host, void *p, size_t old_size, size_t new_size)
{
    RI_ASSERT(new_size > 0);
    RI_ASSERT(p ? old_size > 0 : old_size == 0);
    void *grown = host->alloc(host->arg, p, old_size, new_size);
    if (ri_unlikely(!grown)) ri_err_nomem(new_size);
    return grown;
}

void ri_free(const ri_host *host, void *p, size_t size)
{
    RI_ASSERT(!p || size > 0);
    if (p) host->alloc(host->arg, p, size, 0);
}

char *ri_strdup(const ri_host *host, const char *s, size_t len)
{
    RI_ASSERT(s || len == 0);
    char *copy = ri_alloc(host, len + 1);
    if (!copy) return NULL;
    if (len) memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

/* Bytes: each block is twice the one before, up to ARENA_BLOCK. */
enum { ARENA_BLOCK_FIRST = 256, ARENA_BLOCK = 4096 };

struct ri_arena_block {
    struct ri_arena_block *next;
    size_t size, used; /* bytes of data */
    _Alignas(8) char data[];
};

void ri_arena_init(ri_arena *arena, const ri_host *host)
{
    RI_ASSERT(host && host->alloc);
    *arena = (ri_arena){.host = host};
}

void ri_arena_fini(ri_arena *arena)
{
    while (arena->block) {
        struct ri_arena_block *block = arena->block;
        RI_ASSERT(block->used <= block->size && arena->bytes >= sizeof *block + block->size);
        arena->block = block->next;
        ri_free(arena->host, block, sizeof *block + block->size);
    }
    arena->bytes = 0;
}

void *ri_arena_alloc(ri_arena *arena, size_t size)
{
    if (ri_unlikely(size > PTRDIFF_MAX)) {
        ri_err_nomem(size);
        return NULL;
    }
    size = RI_ALIGN(size, 8);
    struct ri_arena_block *block = arena->block;
    if (!block || block->size - block->used < size) {
        size_t next = block ? RI_MIN(2 * (sizeof *block + block->size), ARENA_BLOCK)
                            : ARENA_BLOCK_FIRST;
        size_t room = RI_MAX(size, next - sizeof *block);
        block = ri_alloc(arena->host, sizeof *block + room);
        if (!block) return NULL;
        *block = (struct ri_arena_block){.next = arena->block, .size = room};
        arena->block = block;
        arena->bytes += sizeof *block + room;
    }
    RI_ASSERT(block->used % 8 == 0 && block->size - block->used >= size);
    void *p = block->data + block->used;
    block->used += size;
    return p;
}

char *ri_arena_copy(ri_arena *arena, const void *data, size_t len)
{
    RI_ASSERT(data || len == 0);
    char *copy = ri_arena_alloc(arena, len + 1);
    if (!copy) return NULL;
    if (len) memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}
