/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <sys/mman.h>
#include <unistd.h>

/* The library's second variable behind no handle: the mark that a fork wipes has to be found by
 * the copies of all handles. */
atomic_uint *_Atomic ri_process_page;

/* NULL if there is no page, or the kernel would not wipe it. */
static atomic_uint *process_map(void)
{
#ifdef MADV_WIPEONFORK
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    atomic_uint *none = NULL;
    if (madvise(page, size, MADV_WIPEONFORK) == 0 &&
        atomic_compare_exchange_strong(&ri_process_page, &none, page)) return page;
    munmap(page, size);
    return none; /* the page that another thread made meanwhile, if one did */
#else
    return NULL;
#endif
}

uint32_t ri_process_stamp(void)
{
    uint32_t pid = (uint32_t)getpid();
    atomic_uint *page = atomic_load(&ri_process_page);
    if (!page) page = process_map();
    if (page) atomic_store(page, pid);
    return pid;
}

bool ri_process_is_slow(uint32_t stamp)
{
    return !atomic_load(&ri_process_page) && (uint32_t)getpid() == stamp;
}
