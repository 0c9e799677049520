/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_DEEP_MAX = 16 };

typedef void tree_fn(const char *path, const struct stat *about, void *arg);

/* Files before the directories that hold them; links are not followed. */
static void tree_walk(const char *dir, int deep, tree_fn *fn, void *arg)
{
    char path[PATH_MAX];
    DIR *entries = deep < TREE_DEEP_MAX ? opendir(dir) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int len = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (len >= PATH_MAX || lstat(path, &about) < 0) continue;
        if (S_ISDIR(about.st_mode)) tree_walk(path, deep + 1, fn, arg);
        fn(path, &about, arg);
    }
    if (entries) closedir(entries);
}

static void tree_add(const char *path, const struct stat *about, void *arg)
{
    (void)path;
    if (S_ISREG(about->st_mode)) *(uint64_t *)arg += (uint64_t)about->st_size;
}

uint64_t tree_bytes(const char *dir)
{
    uint64_t bytes = 0;
    tree_walk(dir, 0, tree_add, &bytes);
    return bytes;
}

static void tree_unlink(const char *path, const struct stat *about, void *arg)
{
    (void)arg;
    if (S_ISDIR(about->st_mode)) rmdir(path);
    else unlink(path);
}

void tree_remove(const char *dir)
{
    tree_walk(dir, 0, tree_unlink, NULL);
    rmdir(dir);
}

bool tree_is_free(const char *dir)
{
    bool any = false;
    DIR *entries = opendir(dir);
    if (!entries) return errno == ENOENT;
    for (struct dirent *entry; !any && (entry = readdir(entries)) != NULL;)
        any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return !any;
}

bool tree_rename(const char *from, const char *to)
{
    char parent[PATH_MAX];
    if (rename(from, to) < 0) return false;
    snprintf(parent, sizeof parent, "%s", to);
    char *slash = strrchr(parent, '/');
    if (slash == parent) slash[1] = 0;
    else if (slash) *slash = 0;
    int fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}
