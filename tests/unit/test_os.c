/* SPDX-License-Identifier: Apache-2.0 */
/* The real table of system calls, in a directory of its own. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/suite.h"

static char dir[SCRATCH_LEN], path_a[80], path_b[80];
static const ri_os *os;

static void setup(void)
{
    os = ri_os_posix();
    scratch_make(dir);
    snprintf(path_a, sizeof path_a, "%s/a", dir);
    snprintf(path_b, sizeof path_b, "%s/b", dir);
}

static void teardown(void)
{
    scratch_remove(dir);
}

static int create(const char *path)
{
    int fd = os->open(os->arg, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(test_bytes)
{
    setup();
    char buf[16];
    int fd = create(path_a);
    ck_assert_int_eq(os->open(os->arg, path_a, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(os->pwrite(os->arg, fd, "hello", 5, 3), 5);
    ck_assert_int_eq(os->size(os->arg, fd), 8);
    ck_assert_int_eq(os->pread(os->arg, fd, buf, sizeof buf, 0), 8);
    ck_assert_int_eq(memcmp(buf, "\0\0\0hello", 8), 0);
    ck_assert_int_eq(os->pread(os->arg, fd, buf, sizeof buf, 8), 0);
    ck_assert_int_eq(os->fdatasync(os->arg, fd), 0);
    ck_assert_int_eq(os->truncate(os->arg, fd, 4), 0);
    ck_assert_int_eq(os->size(os->arg, fd), 4);
    ck_assert_int_eq(os->close(os->arg, fd), 0);
    ck_assert_int_eq(os->pread(os->arg, fd, buf, 1, 0), -EBADF);
    ck_assert_int_eq(os->pwrite(os->arg, fd, buf, 1, 0), -EBADF);
    ck_assert_int_eq(os->fdatasync(os->arg, fd), -EBADF);
    ck_assert_int_eq(os->size(os->arg, fd), -EBADF);
    ck_assert_int_eq(os->truncate(os->arg, fd, 0), -EBADF);
    ck_assert_int_eq(os->allocate(os->arg, fd, 9), -EBADF);
    ck_assert_int_eq(os->reserve(os->arg, fd, 9), -EBADF);
    os->hasten(os->arg, fd, 0, 9); /* nobody hears of it */
    teardown();
}
END_TEST

/* Grown with zeros; what was there stays. */
static void check_grows(int (*grow)(void *arg, int fd, uint64_t len))
{
    int fd = create(path_a);
    static char bytes[200000];
    ck_assert_int_eq(os->pwrite(os->arg, fd, "kept", 4, 0), 4);
    ck_assert_int_eq(grow(os->arg, fd, sizeof bytes), 0);
    ck_assert_int_eq(os->size(os->arg, fd), (int64_t)sizeof bytes);
    os->hasten(os->arg, fd, 0, sizeof bytes);
    ck_assert_int_eq(os->pread(os->arg, fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    ck_assert_int_eq(memcmp(bytes, "kept", 4), 0);
    for (size_t i = 4; i < sizeof bytes; i++) ck_quick(bytes[i] == 0);
    ck_assert_int_eq(grow(os->arg, fd, 10), 0); /* never shrinks */
    ck_assert_int_eq(os->size(os->arg, fd), (int64_t)sizeof bytes);
    os->close(os->arg, fd);
}

START_TEST(test_allocate)
{
    setup();
    check_grows(os->allocate);
    teardown();
}
END_TEST

/* What lies before and behind the zeros stays. */
START_TEST(test_zero)
{
    static char bytes[200000], got[200000];
    setup();
    int fd = create(path_a);
    memset(bytes, 'x', sizeof bytes);
    ck_assert_int_eq(os->pwrite(os->arg, fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    ck_assert_int_eq(os->zero(os->arg, fd, 100, 150001), 0);
    ck_assert_int_eq(os->zero(os->arg, fd, 200, 200), 0);
    memset(bytes + 100, 0, 150001 - 100);
    ck_assert_int_eq(os->size(os->arg, fd), (int64_t)sizeof bytes);
    ck_assert_int_eq(os->pread(os->arg, fd, got, sizeof got, 0), (ssize_t)sizeof got);
    ck_assert_int_eq(memcmp(got, bytes, sizeof bytes), 0);
    os->close(os->arg, fd);
    ck_assert_int_eq(os->zero(os->arg, fd, 0, 9), -EBADF);
    teardown();
}
END_TEST

START_TEST(test_reserve)
{
    setup();
    check_grows(os->reserve);
    teardown();
}
END_TEST

static int count_name(void *arg, const char *name)
{
    int *n = arg;
    ck_assert(strcmp(name, "a") == 0 || strcmp(name, "b") == 0);
    return ++*n == 3;
}

static int stop_at_once(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 42;
}

START_TEST(test_names)
{
    setup();
    int fd = create(path_a), n = 0;
    ck_assert_int_eq(os->links(os->arg, fd), 1);
    ck_assert_int_eq(os->link(os->arg, path_a, path_b), 0);
    ck_assert_int_eq(os->link(os->arg, path_a, path_b), -EEXIST);
    ck_assert_int_eq(os->links(os->arg, fd), 2);
    ck_assert_int_eq(os->list(os->arg, dir, count_name, &n), 0);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(os->list(os->arg, dir, stop_at_once, NULL), 42);
    ck_assert_int_eq(os->unlink(os->arg, path_b), 0);
    ck_assert_int_eq(os->unlink(os->arg, path_b), -ENOENT);
    ck_assert_int_eq(os->rename(os->arg, path_a, path_b), 0);
    ck_assert_int_eq(os->rename(os->arg, path_a, path_b), -ENOENT);
    ck_assert_int_eq(os->open(os->arg, path_a, O_RDWR, 0), -ENOENT);
    ck_assert_int_eq(os->fsync_dir(os->arg, dir), 0);
    ck_assert_int_eq(os->fsync_dir(os->arg, path_a), -ENOENT);
    ck_assert_int_eq(os->list(os->arg, path_a, count_name, &n), -ENOENT);
    ck_assert_int_eq(os->mkdir(os->arg, path_a, 0700), 0);
    ck_assert_int_eq(os->mkdir(os->arg, path_a, 0700), 0);       /* a directory is there */
    ck_assert_int_eq(os->mkdir(os->arg, path_b, 0700), -EEXIST); /* a file is */
    os->close(os->arg, fd);
    teardown();
}
END_TEST

START_TEST(test_lock_has_one_holder)
{
    setup();
    int fd = create(path_a), other = os->open(os->arg, path_a, O_RDWR, 0);
    ck_assert_int_ge(other, 0);
    ck_assert_int_eq(os->lock(os->arg, fd), 0);
    ck_assert_int_eq(os->lock(os->arg, other), -EWOULDBLOCK);
    ck_assert_int_eq(os->close(os->arg, fd), 0);
    ck_assert_int_eq(os->lock(os->arg, other), 0);
    os->close(os->arg, other);
    teardown();
}
END_TEST

/* A file that is shorter than what is asked for is not mapped: to touch what is not there kills. */
START_TEST(test_map)
{
    setup();
    int fd = create(path_a);
    ck_assert_int_eq(os->pwrite(os->arg, fd, "mapped", 6, 8186), 6);
    char *p = os->map(os->arg, fd, 8192);
    if (p) { /* not every system tells of errors when it maps */
        ck_assert_int_eq(memcmp(p + 8186, "mapped", 6), 0);
        ck_assert_int_eq(os->pwrite(os->arg, fd, "M", 1, 8186), 1);
        ck_assert_int_eq(p[8186], 'M');
        os->unmap(os->arg, p, 8192);
    }
    ck_assert_ptr_null(os->map(os->arg, fd, 8193));
    os->close(os->arg, fd);
    teardown();
}
END_TEST

/* A child has copies of all descriptors; those of a lock do not keep it. */
START_TEST(test_unlock_is_for_the_childs_copy_too)
{
    setup();
    int fd = create(path_a);
    ck_assert_int_eq(os->lock(os->arg, fd), 0);
    int copy = dup(fd);
    ck_assert_int_eq(os->unlock(os->arg, fd), 0);
    ck_assert_int_eq(os->close(os->arg, fd), 0);
    int other = os->open(os->arg, path_a, O_RDWR, 0);
    ck_assert_int_eq(os->lock(os->arg, other), 0);
    os->close(os->arg, other);
    close(copy);
    teardown();
}
END_TEST

/* With the signal of that limit at its default, which ends the program. */
START_TEST(test_growing_beyond_the_limit_of_the_process)
{
    setup();
    struct rlimit small = {100000, RLIM_INFINITY};
    int fd = create(path_a);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(os->allocate(os->arg, fd, 100001), -EFBIG);
    ck_assert_int_eq(os->reserve(os->arg, fd, 100001), -EFBIG);
    ck_assert_int_eq(os->size(os->arg, fd), 0);
    ck_assert_int_eq(os->reserve(os->arg, fd, 100000), 0);
    os->close(os->arg, fd);
    teardown();
}
END_TEST

SUITE_MAIN("os", test_bytes, test_allocate, test_zero, test_reserve, test_names,
           test_lock_has_one_holder, test_unlock_is_for_the_childs_copy_too,
           test_growing_beyond_the_limit_of_the_process, test_map)
