/* SPDX-License-Identifier: Apache-2.0 */
#include "net/thread.h"

#include <signal.h>
#include <time.h>

#include "base/defs.h"
#include "base/saturate.h"

int ri_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg, size_t stack_bytes)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    pthread_attr_t attr;
    sigset_t ours, old;
    int err = pthread_attr_init(&attr);
    if (err) return err;
    if (stack_bytes) err = pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&ours);
    for (size_t i = 0; i < RI_LEN(faults); i++) sigdelset(&ours, faults[i]);
    pthread_sigmask(SIG_SETMASK, &ours, &old); /* a new thread begins with the mask of its maker */
    if (!err) err = pthread_create(thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return err;
}

int64_t ri_thread_cpu_ns(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ri_ns_add(ri_ns_of_s(ts.tv_sec), ts.tv_nsec);
}
