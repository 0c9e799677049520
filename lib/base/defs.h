/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, branch hints and container_of: what C11 forgot. No types of rill live here. */
#ifndef RI_DEFS_H
#define RI_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RI_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define RI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RI_MAX(a, b) ((a) > (b) ? (a) : (b))
/* `n` rounded up to a multiple of `to`, a power of two. */
#define RI_ALIGN(n, to) (((n) + ((to) - 1)) & ~((size_t)(to) - 1))

/* The struct of `type` whose member `member` is at `ptr`. */
#define ri_container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#ifdef __GNUC__
#define ri_likely(x) __builtin_expect(!!(x), 1)
#define ri_unlikely(x) __builtin_expect(!!(x), 0)
#define RI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RI_COLD __attribute__((cold, noinline))
#define RI_NOINLINE __attribute__((noinline)) /* what it needs is not saved by its callers */
#define RI_INLINE inline __attribute__((always_inline)) /* also where it has two callers */
#define RI_UNUSED __attribute__((unused))
/* Of a function that looks at what each thread has of its own: whoever calls it may go on on
 * another thread behind it (net/task.h), so nothing of it is known, or kept, where it is called. */
#ifdef __clang__
#define RI_APART __attribute__((noinline))
#else
#define RI_APART __attribute__((noipa))
#endif
#else
#define ri_likely(x) (x)
#define ri_unlikely(x) (x)
#define RI_PRINTF(fmt, args)
#define RI_COLD
#define RI_NOINLINE
#define RI_INLINE inline
#define RI_UNUSED
#define RI_APART
#endif

/* Of a thread-local that each call looks at. A pointer fits into what the C library keeps free for
 * those of libraries that are loaded later, so that no call is needed to find it. */
#ifdef __GLIBC__
#define RI_NEAR __attribute__((tls_model("initial-exec")))
#else
#define RI_NEAR
#endif

#define RI_CACHE_LINE 64
#define RI_MS 1000000LL     /* nanoseconds in a millisecond */
#define RI_SEC 1000000000LL /* nanoseconds in a second */

#endif
