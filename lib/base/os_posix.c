/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/defs.h"
#include "base/os.h"

enum {
    /* Bytes of a piece of zeros; a large one would make the library large ... */
    OS_POSIX_ZEROS = 4096,
    OS_POSIX_PIECES = 32,  /* ... so many pieces are one write */
};

static int os_posix_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int os_posix_close(void *arg, int fd)
{
    (void)arg;
    return close(fd) < 0 ? -errno : 0;
}

static ssize_t os_posix_pread(void *arg, int fd, void *buf, size_t len, uint64_t pos)
{
    RI_ASSERT(fd >= 0 && pos <= INT64_MAX);
    (void)arg;
    ssize_t n;
    do n = pread(fd, buf, len, (off_t)pos);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t os_posix_pwrite(void *arg, int fd, const void *buf, size_t len, uint64_t pos)
{
    RI_ASSERT(fd >= 0 && pos + len <= INT64_MAX);
    (void)arg;
    ssize_t n;
    do n = pwrite(fd, buf, len, (off_t)pos);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int os_posix_fdatasync(void *arg, int fd)
{
    (void)arg;
    int rc;
    do rc = fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int os_posix_fsync_dir(void *arg, const char *path)
{
    int fd = os_posix_open(arg, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    int rc;
    do rc = fsync(fd) < 0 ? -errno : 0;
    while (rc == -EINTR);
    close(fd);
    return rc;
}

static int64_t os_posix_size(void *arg, int fd)
{
    (void)arg;
    struct stat st;
    return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_size;
}

/* Growing a file beyond the process's limit makes the kernel send a signal that ends the program,
 * where -EFBIG is all that the caller gets. */
static int os_posix_may_grow(uint64_t len)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
    return len <= limit.rlim_cur ? 0 : -EFBIG;
}

static int os_posix_zero(void *arg, int fd, uint64_t pos, uint64_t end)
{
    (void)arg;
    static const char zeros[OS_POSIX_ZEROS];
    while (pos < end) {
        struct iovec iov[OS_POSIX_PIECES];
        int n = 0;
        for (uint64_t at = pos; at < end && n < OS_POSIX_PIECES; at += iov[n++].iov_len)
            iov[n] = (struct iovec){(void *)(uintptr_t)zeros, RI_MIN(end - at, sizeof zeros)};
        ssize_t put = pwritev(fd, iov, n, (off_t)pos);
        if (put < 0 && errno != EINTR) return -errno;
        if (put > 0) pos += (uint64_t)put;
    }
    return 0;
}

static int os_posix_allocate(void *arg, int fd, uint64_t len)
{
    int64_t size = os_posix_size(arg, fd);
    if (size < 0) return (int)size;
    if (len > (uint64_t)size && os_posix_may_grow(len) < 0) return -EFBIG;
    return os_posix_zero(arg, fd, (uint64_t)size, len);
}

static int os_posix_reserve(void *arg, int fd, uint64_t len)
{
#ifdef __linux__
    int rc = os_posix_may_grow(len);
    while (rc == 0 && fallocate(fd, 0, 0, (off_t)len) < 0) {
        if (errno != EINTR) rc = -errno;
    }
    if (rc == 0 || rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG) return rc;
#endif
    return os_posix_allocate(arg, fd, len);
}

static void os_posix_hasten(void *arg, int fd, uint64_t pos, uint64_t len)
{
    (void)arg;
#ifdef __linux__
    sync_file_range(fd, (off_t)pos, (off_t)len, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd, (void)pos, (void)len;
#endif
}

static int os_posix_truncate(void *arg, int fd, uint64_t len)
{
    RI_ASSERT(fd >= 0 && len <= INT64_MAX);
    (void)arg;
    int rc;
    do rc = ftruncate(fd, (off_t)len);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int64_t os_posix_room(void *arg, const char *path)
{
    (void)arg;
    struct statvfs fs;
    if (statvfs(path, &fs) < 0) return -errno;
    /* this file system does not count them */
    if (fs.f_blocks == 0 || fs.f_frsize == 0) return -ENOSYS;
    uint64_t most = INT64_MAX / fs.f_frsize;
    return (int64_t)(RI_MIN((uint64_t)fs.f_bavail, most) * fs.f_frsize);
}

static int os_posix_rename(void *arg, const char *from, const char *to)
{
    (void)arg;
    return rename(from, to) < 0 ? -errno : 0;
}

static int os_posix_unlink(void *arg, const char *path)
{
    (void)arg;
    return unlink(path) < 0 ? -errno : 0;
}

static int os_posix_link(void *arg, const char *from, const char *to)
{
    (void)arg;
    return link(from, to) < 0 ? -errno : 0;
}

/* A log asks how many names its file has after each sync. `fstat` would also ask for the times of
 * the file: when these have been seen, Linux (6.13 and later) gives the next write a time of its
 * own, and the next sync has to write the inode as well, which nearly doubles what a sync takes. So
 * this call asks for the names alone where it can. */
static int os_posix_links(void *arg, int fd)
{
    (void)arg;
#ifdef STATX_NLINK
    struct statx only;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &only) == 0) return (int)only.stx_nlink;
    if (errno != ENOSYS && errno != EPERM) return -errno; /* EPERM: old filters of containers */
#endif
    struct stat st;
    return fstat(fd, &st) < 0 ? -errno : (int)st.st_nlink;
}

static int os_posix_mkdir(void *arg, const char *path, mode_t mode)
{
    (void)arg;
    if (mkdir(path, mode) == 0) return 0;
    int why = errno;
    struct stat st;
    if (why != ENOENT && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return -why;
}

static int os_posix_list(void *arg, const char *path, int (*fn)(void *fn_arg, const char *name),
                         void *fn_arg)
{
    RI_ASSERT(path && fn);
    (void)arg;
    DIR *dir = opendir(path);
    if (!dir) return -errno;
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rc = fn(fn_arg, entry->d_name);
    }
    if (rc == 0 && errno) rc = -errno;
    closedir(dir);
    return rc;
}

static char *os_posix_map(void *arg, int fd, size_t len)
{
#ifdef MADV_POPULATE_READ
    if (os_posix_size(arg, fd) < (int64_t)len) return NULL;
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return NULL;
    if (madvise(p, len, MADV_POPULATE_READ) == 0) return p;
    munmap(p, len);
#else
    (void)arg;
    (void)fd;
    (void)len;
#endif
    return NULL;
}

static void os_posix_unmap(void *arg, char *p, size_t len)
{
    RI_ASSERT(p && len > 0);
    (void)arg;
    munmap(p, len);
}

static int os_posix_lock(void *arg, int fd)
{
    (void)arg;
    int rc;
    do rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int os_posix_unlock(void *arg, int fd)
{
    (void)arg;
    return flock(fd, LOCK_UN) < 0 ? -errno : 0;
}

static const ri_os os_posix_table = {
    .open = os_posix_open,
    .close = os_posix_close,
    .pread = os_posix_pread,
    .pwrite = os_posix_pwrite,
    .fdatasync = os_posix_fdatasync,
    .fsync_dir = os_posix_fsync_dir,
    .allocate = os_posix_allocate,
    .zero = os_posix_zero,
    .reserve = os_posix_reserve,
    .hasten = os_posix_hasten,
    .truncate = os_posix_truncate,
    .size = os_posix_size,
    .room = os_posix_room,
    .rename = os_posix_rename,
    .unlink = os_posix_unlink,
    .link = os_posix_link,
    .links = os_posix_links,
    .mkdir = os_posix_mkdir,
    .list = os_posix_list,
    .map = os_posix_map,
    .unmap = os_posix_unmap,
    .lock = os_posix_lock,
    .unlock = os_posix_unlock,
};

const ri_os *ri_os_posix(void)
{
    return &os_posix_table;
}
