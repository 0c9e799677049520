/* SPDX-License-Identifier: Apache-2.0
 *
 * Three workers, each on a thread of its own, share the jobs of one group: every job is done
 * by exactly one of them. Prints
 *
 *     100 jobs, each done once
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

enum { JOBS = 100, WORKERS = 3 };
static atomic_int done[JOBS];

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static void *work(void *arg)
{
    rill_sub *jobs = arg;
    const rill_msg *m; /* lent until the next rill_next(), and ends in a 0 */
    while (rill_next(jobs, &m, -1) == RILL_OK) done[atoi(m->data.ptr)]++;
    return NULL; /* RILL_ECLOSED: no more are to come */
}

int main(void)
{
    rill_bus *bus;
    rill_sub *jobs[WORKERS];
    pthread_t threads[WORKERS];
    check(rill_open(&bus, "mem:", NULL));
    for (int i = 0; i < WORKERS; i++) {
        check(rill_subscribe(bus, &jobs[i], "jobs", RILL_OPTS(rill_sub_opts, .group = "w")));
        if (pthread_create(&threads[i], NULL, work, jobs[i]) != 0) return 1;
    }
    char job[16];
    for (int i = 0; i < JOBS; i++) {
        check(rill_publish(bus, "jobs", job, (size_t)sprintf(job, "%d", i), NULL));
    }
    int once = 0;
    for (int i = 0; i < WORKERS; i++) check(rill_sub_stop(jobs[i])); /* what waits is still read */
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        rill_sub_close(jobs[i]);
    }
    for (int i = 0; i < JOBS; i++) once += done[i] == 1;
    printf("%d jobs, each done once\n", once);
    return rill_close(bus, 1000) < 0 || once != JOBS;
}
