/* SPDX-License-Identifier: Apache-2.0 */
/* One thread beside the loop, for what takes long on purpose or asks the system for much: it runs
 * jobs in their order, outside of any gate, and gives way to all other threads of the machine. It
 * is started by the first job. Whoever gives it jobs bounds how many wait. Where there shall be no
 * thread (`here`), jobs run at once, on the thread that brings them. */
#ifndef RI_WORKER_H
#define RI_WORKER_H

#include <pthread.h>

#include "base/alloc.h"
#include "base/list.h"

typedef struct ri_job ri_job;
struct ri_job {
    ri_list link;             /* the worker's, from ri_worker_put() to ri_worker_done() */
    void (*run)(ri_job *job); /* on the worker's thread */
};

typedef struct ri_worker {
    pthread_t thread;
    pthread_mutex_t lock;     /* guards the fields below */
    pthread_cond_t changed;
    ri_list waiting, done;
    bool started, stopping;
    bool here;                /* set before the first job: no thread, ri_worker_put() runs it */
    void (*on_done)(void *arg); /* on the worker's thread, after each job */
    void *arg;
} ri_worker;

void ri_worker_init(ri_worker *worker, void (*on_done)(void *arg), void *arg);
/* Any thread; RILL_EIO: the worker's thread does not start. */
int ri_worker_put(ri_worker *worker, ri_job *job);
/* A job that was run, or after a stop one that never was; NULL: none. Any thread. */
ri_job *ri_worker_done(ri_worker *worker);
bool ri_worker_has_done(ri_worker *worker); /* is there one? Any thread */
/* Waits for the job that runs; those that wait are not run. Not by two at once. */
void ri_worker_stop(ri_worker *worker);
void ri_worker_fini(ri_worker *worker); /* after a stop, when all jobs have been taken */

#endif
