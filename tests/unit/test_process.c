/* SPDX-License-Identifier: Apache-2.0 */
/* The stamp of a process: the same for all its threads, not its child's. */
#include "base/process.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/suite.h"

static void *stamp_on_a_thread(void *arg)
{
    *(uint32_t *)arg = ri_process_stamp();
    return NULL;
}

START_TEST(test_threads)
{
    pthread_t thread;
    uint32_t other, stamp = ri_process_stamp();
    ck_assert_uint_ne(stamp, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, stamp_on_a_thread, &other), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(other, stamp);
    ck_assert(ri_process_is(stamp));
    ck_assert(!ri_process_is(stamp + 1));
    ck_assert(!ri_process_is(0));
}
END_TEST

/* 0 if the stamps of a child are its own. */
static int child_looks(uint32_t stamp)
{
    if (ri_process_is(stamp)) return 1;
    uint32_t own = ri_process_stamp();
    if (own == stamp || !ri_process_is(own)) return 2;
    return ri_process_is(stamp) ? 3 : 0;
}

START_TEST(test_fork)
{
    int status;
    uint32_t stamp = ri_process_stamp();
    pid_t child = fork();
    if (child == 0) _exit(child_looks(stamp));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert(ri_process_is(stamp));
}
END_TEST

/* A handle that is made before any look, and a kernel that has no such page. */
START_TEST(test_without_a_page)
{
    uint32_t stamp = ri_process_stamp();
    atomic_uint *page = ri_process_page;
    ri_process_page = NULL;
    ck_assert(ri_process_is(stamp));
    ck_assert(!ri_process_is(stamp + 1));
    ri_process_page = page;
}
END_TEST

SUITE_MAIN("process", test_threads, test_fork, test_without_a_page)
