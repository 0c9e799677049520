/* SPDX-License-Identifier: Apache-2.0 */
#include "support/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/die.h"

enum { SCRATCH_FDS = 16, SCRATCH_MOST = 64 /* directories that are remembered */ };

static _Thread_local scratch_sizes scratch_sum;

/* What a failed test, or one that forgets, leaves behind goes with the process that made it. */
static struct {
    pid_t owner;
    int n;
    char dirs[SCRATCH_MOST][SCRATCH_LEN];
} scratch_made;

static int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0; /* who works there may remove, too */
}

static void scratch_remove_rest(void)
{
    if (scratch_made.owner != getpid()) return;
    for (int i = 0; i < scratch_made.n; i++)
        nftw(scratch_made.dirs[i], scratch_remove_one, SCRATCH_FDS, FTW_DEPTH | FTW_PHYS);
}

/* A child of fork() owns what it makes itself, and nothing that its parent has made. */
static void scratch_remember(const char *dir)
{
    if (scratch_made.owner != getpid()) {
        if (!scratch_made.owner) atexit(scratch_remove_rest);
        scratch_made.owner = getpid();
        scratch_made.n = 0;
    }
    if (scratch_made.n < SCRATCH_MOST) strcpy(scratch_made.dirs[scratch_made.n++], dir);
}

static void scratch_make_in(const char *parent, char dir[SCRATCH_LEN])
{
    snprintf(dir, SCRATCH_LEN, "%s/rill-test-XXXXXX", parent);
    if (!mkdtemp(dir)) die("%s: %s", dir, strerror(errno));
    scratch_remember(dir);
}

void scratch_make(char dir[SCRATCH_LEN])
{
    scratch_make_in("/tmp", dir);
}

void scratch_make_quick(char dir[SCRATCH_LEN])
{
    scratch_make_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", dir);
}

static int scratch_add(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (flag != FTW_F) return 0;
    uint64_t size = (uint64_t)st->st_size;
    scratch_sum.files++;
    scratch_sum.largest = size > scratch_sum.largest ? size : scratch_sum.largest;
    scratch_sum.disk_bytes += (uint64_t)st->st_blocks * 512;
    return 0;
}

scratch_sizes scratch_measure(const char *dir)
{
    scratch_sum = (scratch_sizes){0};
    if (nftw(dir, scratch_add, SCRATCH_FDS, FTW_PHYS) < 0) die("%s: %s", dir, strerror(errno));
    return scratch_sum;
}

void scratch_remove(const char *dir)
{
    int rc = nftw(dir, scratch_remove_one, SCRATCH_FDS, FTW_DEPTH | FTW_PHYS);
    if (rc < 0 && errno != ENOENT) die("%s: %s", dir, strerror(errno));
}

char *scratch_read(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "r");
    if (!file) die("%s: %s", path, strerror(errno));
    size_t len = fread(out, 1, room, file);
    if (len == room || ferror(file)) die("%s has no room in %zu bytes, or fails", path, room);
    fclose(file);
    out[len] = 0;
    return out;
}
