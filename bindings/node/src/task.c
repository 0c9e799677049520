/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits and has no verb: a thread of its own for as long as it takes. */
#include "binding.h"
#include <signal.h>

void nd_task_ends(nd_task *t, int rc)
{
    t->rc = rc;
    if (rc < 0) t->sentence = strdup(rill_errmsg());
}

static void task_free(nd_task *t)
{
    nd_env *e = t->e;
    free(t->sentence);
    t->end(t);
    nd_env_unref(e);
}

static void task_run(nd_env *e, nd_post *post)
{
    nd_task *t = (nd_task *)post;
    napi_value v = NULL;
    bool pending = false;
    nd_wait(e, -1);
    if (t->rc < 0) v = nd_error(e, t->rc, t->sentence ? t->sentence : "out of memory");
    else v = t->told ? t->told(e, t) : nd_undefined(e);
    napi_is_exception_pending(e->env, &pending);
    if (pending) napi_get_and_clear_last_exception(e->env, &v);
    if (t->rc < 0 || pending || !v) napi_reject_deferred(e->env, t->deferred, v);
    else napi_resolve_deferred(e->env, t->deferred, v);
    task_free(t);
}

static void task_drop(nd_post *post) { task_free((nd_task *)post); }

static void *task_thread(void *arg)
{
    nd_task *t = arg;
    t->work(t);
    if (t->post.run) nd_post_send(t->e, &t->post);
    else task_free(t);
    return NULL;
}

static bool task_start(nd_task *t)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all); /* signals are for the threads of the program */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    nd_env_ref(t->e);
    int rc = pthread_create(&thread, &attr, task_thread, t);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) nd_env_unref(t->e);
    return rc == 0;
}

napi_value nd_task_begin(nd_env *e, nd_task *t)
{
    napi_value promise;
    t->post.run = task_run;
    t->post.drop = task_drop;
    t->e = e;
    if (napi_create_promise(e->env, &t->deferred, &promise) != napi_ok) promise = NULL;
    if (promise && task_start(t)) {
        nd_wait(e, 1);
        return promise;
    }
    if (promise) { /* a promise that is never settled would be a leak */
        napi_value why = nd_error(e, RILL_ENOMEM, "no thread was to be had");
        napi_reject_deferred(e->env, t->deferred, why);
    }
    t->end(t);
    return promise;
}

void nd_task_alone(nd_task *t)
{
    if (task_start(t)) return;
    t->work(t); /* no thread is to be had: the collector waits */
    t->end(t);
}
