/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that rill asks of its host: memory, time, entropy, a place for log lines. One
 * ri_host per handle, filled from the caller's rill_host; no global, so that two brokers in one
 * process may use two allocators. Sizes travel with every free: a host needs no headers of its
 * own, and a wrong size is found by the tests' counting allocator. */
#ifndef RI_ALLOC_H
#define RI_ALLOC_H

#include "base/saturate.h"
#include "rill.h"

typedef struct ri_host {
    void *arg;
    void *(*alloc)(void *arg, void *p, size_t old_size, size_t new_size);
    int64_t (*mono_ns)(void *arg);
    int64_t (*wall_ns)(void *arg);
    int64_t (*coarse_ns)(void *arg); /* as wall_ns: four times as fast, in steps of 4 ms */
    void (*entropy)(void *arg, void *out, size_t len);
    void (*log)(void *arg, rill_level level, const char *line);
} ri_host;

/* Fill `host` from the caller's hooks; NULL, or a NULL member, means the C library's. */
void ri_host_init(ri_host *host, const rill_host *hooks);

/* Give what was freed back to the system, as far as the host's allocator is the C library's. It
 * takes a while, in which other threads may wait for memory. Any thread. */
void ri_host_trim(const ri_host *host);
/* Of memory that is freed next, the pages: they go back to the system at once, by themselves, and a
 * trim, which holds up all who allocate, finds nothing to do there. What stood there is lost. For
 * the C library's allocator, too. Any thread. */
void ri_host_give_back(const ri_host *host, void *p, size_t size);

/* NULL on failure, with the sentence made. A size of 0 yields NULL and is no failure. */
void *ri_alloc(const ri_host *host, size_t size);
void *ri_calloc(const ri_host *host, size_t size); /* zeroed */
/* On failure NULL, and `p` stays as it was. */
void *ri_realloc(const ri_host *host, void *p, size_t old_size, size_t new_size);
void ri_free(const ri_host *host, void *p, size_t size);

/* A copy of `s` with a 0 behind it; free with size s.len + 1. NULL on failure. */
char *ri_strdup(const ri_host *host, const char *s, size_t len);

#define ri_new(host, type) ((type *)ri_calloc((host), sizeof(type)))
#define ri_delete(host, object) ri_free((host), (object), sizeof *(object))

static inline int64_t ri_mono_ns(const ri_host *host)
{
    return host->mono_ns(host->arg);
}

static inline int64_t ri_wall_ns(const ri_host *host)
{
    return host->wall_ns(host->arg);
}

static inline int64_t ri_coarse_ns(const ri_host *host)
{
    return host->coarse_ns(host->arg);
}

void ri_host_log(const ri_host *host, rill_level level, const char *fmt, ...) RI_PRINTF(3, 4);

/* An arena: many small pieces that die together. Zeroed is valid and empty. */
typedef struct ri_arena {
    const ri_host *host;
    struct ri_arena_block *block; /* the newest block, which leads to the others */
    size_t bytes;                 /* all that the arena has taken from the host */
} ri_arena;

void ri_arena_init(ri_arena *arena, const ri_host *host);
void ri_arena_fini(ri_arena *arena);
/* Aligned to 8; NULL on failure. */
void *ri_arena_alloc(ri_arena *arena, size_t size);
char *ri_arena_copy(ri_arena *arena, const void *data, size_t len); /* a 0 behind it */

#endif
