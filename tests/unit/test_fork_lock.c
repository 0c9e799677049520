/* SPDX-License-Identifier: Apache-2.0 */
/* A lock that another thread of the parent holds at the moment of a fork. */
#include "net/fork_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "support/suite.h"

enum { THREADS = 4, TIMES = 20000 };

static void reset(void);
static ri_fork_lock lock = RI_FORK_LOCK(reset);
static int guarded, resets;

static void reset(void)
{
    guarded = 0;
    resets++;
}

static void *hold(void *arg)
{
    int *pipes = arg;
    char byte = 1;
    ri_fork_lock_enter(&lock);
    guarded = 7; /* half of a change */
    if (write(pipes[1], &byte, 1) == 1 && read(pipes[2], &byte, 1) == 1) guarded = 8;
    ri_fork_lock_leave(&lock);
    return NULL;
}

static int child_enters(void)
{
    alarm(20); /* it would wait for ever */
    ri_fork_lock_enter(&lock);
    int seen = guarded;
    guarded = 1;
    ri_fork_lock_leave(&lock);
    ri_fork_lock_enter(&lock);
    bool once = guarded == 1 && resets == 2; /* the parent's first, and its own */
    ri_fork_lock_leave(&lock);
    return seen == 0 && once ? 0 : 1;
}

START_TEST(a_child_does_not_wait_for_its_parents_threads)
{
    int pipes[4], status;
    char byte;
    pthread_t thread;
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(pipe(pipes + 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, pipes), 0);
    ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
    pid_t child = fork();
    if (child == 0) _exit(child_enters());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(write(pipes[3], &byte, 1), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ri_fork_lock_enter(&lock);
    ck_assert_int_eq(guarded, 8); /* the parent's is as it was */
    ri_fork_lock_leave(&lock);
    for (int i = 0; i < 4; i++) close(pipes[i]);
}
END_TEST

static void *count(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        ri_fork_lock_enter(&lock);
        ++*(int *)arg;
        ri_fork_lock_leave(&lock);
    }
    return NULL;
}

/* Threads that come first at once make it once. */
START_TEST(it_is_a_lock)
{
    int n = 0;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &n), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(n, THREADS * TIMES);
    ck_assert_int_eq(resets, 1);
}
END_TEST

/* A lock that the parent never entered, where the child has no stamp yet: it is made there, too. */
START_TEST(it_is_made_in_a_child)
{
    int status;
    ck_assert_uint_ne(ri_process_stamp(), 0);
    pid_t child = fork();
    if (child == 0) {
        ri_fork_lock_enter(&lock);
        bool made = resets == 1 && atomic_load(&lock.stamp) == (uint32_t)getpid();
        ri_fork_lock_leave(&lock);
        _exit(made ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

SUITE_MAIN("fork_lock", it_is_made_in_a_child, a_child_does_not_wait_for_its_parents_threads,
           it_is_a_lock)
