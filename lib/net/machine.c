/* SPDX-License-Identifier: Apache-2.0 */
#include "net/machine.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/saturate.h"

enum { MACHINE_PATH = 1024, MACHINE_TEXT = 4096 };

/* The beginning of a file as text; false if it cannot be read. */
static bool machine_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* A number of bytes in a file of its own; UINT64_MAX: no limit, as "max" and no file say. */
static uint64_t machine_limit(const char *path)
{
    char text[64];
    if (!machine_read(path, text, sizeof text) || text[0] < '0' || text[0] > '9') return UINT64_MAX;
    return strtoull(text, NULL, 10);
}

/* The least limit from the group up to the root of the hierarchy that is mounted at `mount`. */
static uint64_t machine_groups(const char *mount, const char *group, size_t len, const char *name)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        char path[MACHINE_PATH];
        int n = snprintf(path, sizeof path, "%s%.*s/%s", mount, (int)len, group, name);
        uint64_t limit = n > 0 && (size_t)n < sizeof path ? machine_limit(path) : UINT64_MAX;
        least = RI_MIN(least, limit);
        if (len == 0) return least;
        while (len > 0 && group[--len] != '/') {}
    }
}

/* A line of /proc/self/cgroup is ID:CONTROLLERS:GROUP; version 2 has an empty list. */
static uint64_t machine_cgroup(void)
{
    char text[MACHINE_TEXT], *save = NULL;
    uint64_t least = UINT64_MAX;
    if (!machine_read("/proc/self/cgroup", text, sizeof text)) return least;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        uint64_t limit = UINT64_MAX;
        if (list[1] == 0)
            limit = machine_groups("/sys/fs/cgroup", group, strlen(group), "memory.max");
        else if (strstr(list + 1, "memory"))
            limit = machine_groups("/sys/fs/cgroup/memory", group, strlen(group),
                                   "memory.limit_in_bytes");
        least = RI_MIN(least, limit);
    }
    return least;
}

uint64_t ri_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t least = machine_cgroup();
    if (pages > 0 && page > 0) least = RI_MIN(least, (uint64_t)pages * (uint64_t)page);
    return least == UINT64_MAX ? 0 : least;
}

static long machine_usable(long cores)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return cores;
}

void ri_machine_use_of(ri_machine_use *out)
{
    char text[128];
    struct rusage used = {0};
    long page = sysconf(_SC_PAGESIZE);
    RI_ASSERT(out);
    *out = (ri_machine_use){.cores = RI_MAX(sysconf(_SC_NPROCESSORS_ONLN), 0L)};
    out->usable = machine_usable(out->cores);
    if (getrusage(RUSAGE_SELF, &used) == 0)
        out->cpu_ns = ri_ns_of_s(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                      (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * INT64_C(1000);
    if (page <= 0 || !machine_read("/proc/self/statm", text, sizeof text)) return;
    const char *resident = strchr(text, ' '); /* the second number */
    if (resident) out->resident_bytes = strtoull(resident, NULL, 10) * (uint64_t)page;
}
