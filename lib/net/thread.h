/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the library. Signals are the program's: a thread of ours handles none, so that a
 * handler of the host never runs between two steps of a commit, and no system call of ours is
 * interrupted. Only the signals of faults stay open, which the kernel sends to the thread that
 * made the fault. */
#ifndef RI_THREAD_H
#define RI_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* `stack_bytes` 0: the system's default. 0, or an errno. */
int ri_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg, size_t stack_bytes);
/* Processor time that the calling thread has had: it stands still while others run. */
int64_t ri_thread_cpu_ns(void);

#endif
