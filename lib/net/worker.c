/* SPDX-License-Identifier: Apache-2.0 */
#include "net/worker.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "net/thread.h"

enum { WORKER_STACK = 256 * 1024, WORKER_NICE = 3 };

void ri_worker_init(ri_worker *worker, void (*on_done)(void *arg), void *arg)
{
    *worker = (ri_worker){.on_done = on_done, .arg = arg};
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    ri_list_init(&worker->waiting);
    ri_list_init(&worker->done);
}

static void *worker_run(void *arg)
{
    ri_worker *worker = arg;
    /* The priority of this thread alone. */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), WORKER_NICE);
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping) {
        ri_list *link = ri_list_pop(&worker->waiting);
        if (!link) {
            pthread_cond_wait(&worker->changed, &worker->lock);
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        ri_job *job = ri_container_of(link, ri_job, link);
        job->run(job);
        pthread_mutex_lock(&worker->lock);
        ri_list_push(&worker->done, link);
        pthread_mutex_unlock(&worker->lock);
        worker->on_done(worker->arg);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static void worker_run_here(ri_worker *worker, ri_job *job)
{
    RI_ASSERT(!worker->started && !ri_list_linked(&job->link));
    job->run(job);
    pthread_mutex_lock(&worker->lock);
    ri_list_push(&worker->done, &job->link);
    pthread_mutex_unlock(&worker->lock);
    worker->on_done(worker->arg);
}

int ri_worker_put(ri_worker *worker, ri_job *job)
{
    RI_ASSERT(job->run);
    if (worker->here) {
        worker_run_here(worker, job);
        return RILL_OK;
    }
    pthread_mutex_lock(&worker->lock);
    RI_ASSERT(!worker->stopping);
    int err = worker->started ? 0
        : ri_thread_start(&worker->thread, worker_run, worker, WORKER_STACK);
    worker->started = err == 0;
    if (!err) ri_list_push(&worker->waiting, &job->link);
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return err ? ri_err_os(RILL_EIO, err, "a thread could not be started") : RILL_OK;
}

ri_job *ri_worker_done(ri_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    ri_list *link = ri_list_pop(&worker->done);
    pthread_mutex_unlock(&worker->lock);
    return link ? ri_container_of(link, ri_job, link) : NULL;
}

bool ri_worker_has_done(ri_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool some = !ri_list_empty(&worker->done);
    pthread_mutex_unlock(&worker->lock);
    return some;
}

void ri_worker_stop(ri_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool started = worker->started;
    worker->stopping = true;
    worker->started = false;
    ri_list_splice(&worker->done, &worker->waiting);
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    if (started) pthread_join(worker->thread, NULL);
}

void ri_worker_fini(ri_worker *worker)
{
    RI_ASSERT(!worker->started && ri_list_empty(&worker->waiting) && ri_list_empty(&worker->done));
    RI_ASSERT(ri_list_empty(&worker->waiting));
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
}
