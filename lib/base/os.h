/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls that the store makes. Tests put a memory disk with torn writes, full
 * disks and failing syncs behind it; nothing under lib/store calls the system directly. Each
 * call returns >= 0, or a negative errno. */
#ifndef RI_OS_H
#define RI_OS_H

#include <sys/types.h>

#include "base/defs.h"

typedef struct ri_os ri_os;
struct ri_os {
    void *arg; /* the first argument of each call */
    int (*open)(void *arg, const char *path, int flags, mode_t mode); /* flags of open(2) */
    int (*close)(void *arg, int fd);
    ssize_t (*pread)(void *arg, int fd, void *buf, size_t len, uint64_t pos);
    ssize_t (*pwrite)(void *arg, int fd, const void *buf, size_t len, uint64_t pos);
    int (*fdatasync)(void *arg, int fd);
    int (*fsync_dir)(void *arg, const char *path); /* make names in a directory durable */
    int (*allocate)(void *arg, int fd, uint64_t len); /* grow the file to `len` by writing zeros */
    int (*zero)(void *arg, int fd, uint64_t pos, uint64_t end); /* write zeros from `pos` on */
    /* ... or without writing, if there is such a call */
    int (*reserve)(void *arg, int fd, uint64_t len);
    /* What was written there shall be on its way to the disk: a hint, which never waits for it. */
    void (*hasten)(void *arg, int fd, uint64_t pos, uint64_t len);
    int (*truncate)(void *arg, int fd, uint64_t len);
    int64_t (*size)(void *arg, int fd);
    /* Bytes that files in the directory may still take, about; the member itself may be NULL. */
    int64_t (*room)(void *arg, const char *path);
    int (*rename)(void *arg, const char *from, const char *to);
    int (*unlink)(void *arg, const char *path);
    int (*link)(void *arg, const char *from, const char *to); /* hard link */
    int (*links)(void *arg, int fd);                          /* how many names the file has */
    int (*mkdir)(void *arg, const char *path, mode_t mode);   /* 0 if it is there already */
    /* Each name in the directory but . and ..; nonzero from fn ends it. */
    int (*list)(void *arg, const char *path, int (*fn)(void *fn_arg, const char *name),
                void *fn_arg);
    /* Its first `len` bytes, to be read only, all of them in memory now; NULL if they are not
     * there, cannot be read, or the system does not do this. The member itself may be NULL. */
    char *(*map)(void *arg, int fd, size_t len);
    void (*unmap)(void *arg, char *p, size_t len);
    int (*lock)(void *arg, int fd); /* exclusive, not waiting: -EWOULDBLOCK when held */
    /* The lock goes although a forked child may still have the descriptor. */
    int (*unlock)(void *arg, int fd);
};

/* The real one; no state. */
const ri_os *ri_os_posix(void);

#endif
