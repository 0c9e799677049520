/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__ /* a header above defines it */
#include <malloc.h>
#endif

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

enum { ALLOC_HUGE = 2097152 }; /* bytes of a huge page */

/* Memory of whole huge pages: filling it costs one fault for each, not five hundred. */
static void *alloc_huge(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, ALLOC_HUGE, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, size, MADV_HUGEPAGE); /* a wish: nothing is lost if the kernel ignores it */
#endif
    return p;
}

static void *alloc_libc(void *arg, void *p, size_t old_size, size_t new_size)
{
    (void)arg;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    if (!p && new_size >= ALLOC_HUGE && new_size % ALLOC_HUGE == 0) return alloc_huge(new_size);
    return realloc(p, new_size);
}

static int64_t alloc_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    RI_ASSERT(ts.tv_nsec >= 0 && ts.tv_nsec < RI_SEC);
    return (int64_t)ts.tv_sec * RI_SEC + ts.tv_nsec;
}

static int64_t alloc_mono(void *arg)
{
    (void)arg;
    return alloc_clock(CLOCK_MONOTONIC);
}

static int64_t alloc_wall(void *arg)
{
    (void)arg;
    return alloc_clock(CLOCK_REALTIME);
}

static int64_t alloc_coarse(void *arg)
{
    (void)arg;
#ifdef CLOCK_REALTIME_COARSE
    return alloc_clock(CLOCK_REALTIME_COARSE);
#else
    return alloc_clock(CLOCK_REALTIME);
#endif
}

static void alloc_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)out + done, len - done, 0);
        if (n > 0) done += (size_t)n;
    }
}

static void alloc_no_log(void *arg, rill_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void alloc_set_hooks(ri_host *host, const rill_host *hooks)
{
    host->arg = hooks->arg;
    if (hooks->alloc) host->alloc = hooks->alloc;
    if (hooks->mono_ns) host->mono_ns = hooks->mono_ns;
    if (hooks->wall_ns) host->wall_ns = host->coarse_ns = hooks->wall_ns;
    if (hooks->entropy) host->entropy = hooks->entropy;
    if (hooks->log) host->log = hooks->log;
}

void ri_host_init(ri_host *host, const rill_host *hooks)
{
    *host = (ri_host){NULL, alloc_libc, alloc_mono, alloc_wall, alloc_coarse, alloc_entropy,
                      alloc_no_log};
    if (hooks) alloc_set_hooks(host, hooks);
    RI_ASSERT(host->alloc && host->mono_ns && host->wall_ns && host->coarse_ns &&
              host->entropy && host->log);
    ri_hash_seed(host);
}

void ri_host_trim(const ri_host *host)
{
#ifdef __GLIBC__
    if (host->alloc == alloc_libc) malloc_trim(0);
#else
    (void)host;
#endif
}

void ri_host_give_back(const ri_host *host, void *p, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)p + size) / page * page;
    RI_ASSERT(p || size == 0);
    if (host->alloc != alloc_libc || from >= to) return;
    /* If that fails, the pages stay. */
    madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_DONTNEED);
}

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

void ri_host_log(const ri_host *host, rill_level level, const char *fmt, ...)
{
    RI_ASSERT(level >= RILL_ERROR && level <= RILL_TRACE);
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    host->log(host->arg, level, line);
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
