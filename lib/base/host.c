/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is whose program gives no hooks: the C library, and the system below it. */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__ /* a header above defines it */
#include <malloc.h>
#endif

#include "base/assert.h"
#include "base/hash.h"

enum { HOST_HUGE = 2097152 }; /* bytes of a huge page */

/* Memory of whole huge pages: filling it costs one fault for each, not five hundred. */
static void *host_huge(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, HOST_HUGE, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, size, MADV_HUGEPAGE); /* a wish: nothing is lost if the kernel ignores it */
#endif
    return p;
}

static void *host_libc(void *arg, void *p, size_t old_size, size_t new_size)
{
    (void)arg;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    if (!p && new_size >= HOST_HUGE && new_size % HOST_HUGE == 0) return host_huge(new_size);
    return realloc(p, new_size);
}

static int64_t host_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    RI_ASSERT(ts.tv_nsec >= 0 && ts.tv_nsec < RI_SEC);
    return (int64_t)ts.tv_sec * RI_SEC + ts.tv_nsec;
}

static int64_t host_mono(void *arg)
{
    (void)arg;
    return host_clock(CLOCK_MONOTONIC);
}

static int64_t host_wall(void *arg)
{
    (void)arg;
    return host_clock(CLOCK_REALTIME);
}

static int64_t host_coarse(void *arg)
{
    (void)arg;
#ifdef CLOCK_REALTIME_COARSE
    return host_clock(CLOCK_REALTIME_COARSE);
#else
    return host_clock(CLOCK_REALTIME);
#endif
}

static void host_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)out + done, len - done, 0);
        if (n > 0) done += (size_t)n;
    }
}

static void host_no_log(void *arg, rill_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void host_set_hooks(ri_host *host, const rill_host *hooks)
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
    *host = (ri_host){NULL, host_libc, host_mono, host_wall, host_coarse, host_entropy,
                      host_no_log};
    if (hooks) host_set_hooks(host, hooks);
    RI_ASSERT(host->alloc && host->mono_ns && host->wall_ns && host->coarse_ns &&
              host->entropy && host->log);
    ri_hash_seed(host);
}

void ri_host_trim(const ri_host *host)
{
#ifdef __GLIBC__
    if (host->alloc == host_libc) malloc_trim(0);
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
    if (host->alloc != host_libc || from >= to) return;
    /* If that fails, the pages stay. */
    madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_DONTNEED);
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
