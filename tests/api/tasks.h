/* SPDX-License-Identifier: Apache-2.0 */
/* How many threads the process has. */
#ifndef RI_TEST_TASKS_H
#define RI_TEST_TASKS_H

#include <dirent.h>
#include <pthread.h>

static inline void *tasks_nothing(void *arg)
{
    return arg;
}

/* A sanitizer's own thread comes with the first that the program makes: there was one before. */
static inline int threads(void)
{
    static bool begun;
    pthread_t thread;
    int n = 0;
    if (!begun) {
        pthread_create(&thread, NULL, tasks_nothing, NULL);
        pthread_join(thread, NULL);
    }
    begun = true;
    DIR *tasks = opendir("/proc/self/task");
    while (readdir(tasks)) n++;
    closedir(tasks);
    return n - 2;
}

#endif
