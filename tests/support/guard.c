/* SPDX-License-Identifier: Apache-2.0 */
#include "support/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/die.h"

#define GUARD_SLOTS 16

static struct guard_slot {
    char *map;       /* readable pages, then one that is not */
    size_t readable; /* bytes of the former */
} guard_slots[GUARD_SLOTS];
static unsigned guard_turn;

static void guard_unmap(struct guard_slot *slot, size_t page)
{
    if (slot->map && munmap(slot->map, slot->readable + page) < 0)
        die("munmap: %s", strerror(errno));
    *slot = (struct guard_slot){NULL, 0};
}

char *guard_copy(const void *data, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t need = (len / page + 1) * page;
    struct guard_slot *slot = &guard_slots[guard_turn++ % GUARD_SLOTS];
    if (slot->readable != need) {
        guard_unmap(slot, page);
        void *map = mmap(NULL, need + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
        if (map == MAP_FAILED) die("mmap: %s", strerror(errno));
        if (mprotect((char *)map + need, page, PROT_NONE) < 0) die("mprotect: %s", strerror(errno));
        *slot = (struct guard_slot){map, need};
    }
    char *at = slot->map + need - len;
    if (len) memcpy(at, data, len);
    return at;
}

void guard_free(void)
{
    for (unsigned i = 0; i < GUARD_SLOTS; i++) {
        guard_unmap(&guard_slots[i], (size_t)sysconf(_SC_PAGESIZE));
    }
}
