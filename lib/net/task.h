/* SPDX-License-Identifier: Apache-2.0 */
/* A task: a call that waits in the midst of its work, and does not hold up the thread that it runs
 * on. It is written as every other call is, and runs on a stack of its own; where it would sleep on
 * a park (park.h), its thread goes on with other work, and comes back to it when the park was
 * signalled or the time is up.
 *
 *     its thread                      the task's stack
 *       ri_task_resume() ------------> run(): ask the peer, ri_park_wait()
 *       <------------------------------- not yet
 *       callbacks, other tasks               :
 *       ri_task_is_ready()?                  :       <--- ri_park_signal(), from any thread
 *       ri_task_resume() ------------> ri_park_wait() returns; the next step; run() returns
 *       <------------------------------- over
 *
 * So there is one form of each call, and no second one that is cut into steps. What holds for code
 * that runs in a task is what holds for code that waits: no lock is held, and what others may
 * change meanwhile is looked at again. It may come back on another thread than before, since a host
 * may drive from several: it keeps no address of a thread-local.
 *
 * A task yields only if its owner allows it (may_yield): not while a callback of the program is on
 * its stack, since another one would begin above it. Then it waits as everybody does.
 *
 * Time. A task that hurries (base/hurry.h) has no time left in all waits that have an end: it goes
 * the way of a call whose time is up. Waits without an end, such as those for a commit, end by
 * themselves.
 *
 * The stack is address space with a page below that nobody may touch; what is used of it, some
 * pages, is memory. Sanitizers are informed of each switch. */
#ifndef RI_TASK_H
#define RI_TASK_H

#include <ucontext.h>

#include "base/alloc.h"
#include "base/hurry.h"
#include "net/park.h"

enum { RI_TASK_STACK = 256 * 1024 };

typedef struct ri_task ri_task;
struct ri_task {
    ri_hurry hurry;            /* first: what deadlines look at while the task runs */
    void (*run)(ri_task *task); /* on its own stack, outside any gate */
    bool (*may_yield)(const ri_task *task); /* NULL: a thread of its own, which never does */
    void (*wake)(ri_task *task); /* any thread, under the lock of a park: it is ready */
    const ri_host *host;       /* whose clock it waits by */
    void *stack;               /* its lowest byte, above a page that guards it; NULL: none */
    bool over;                 /* run() has returned */
    bool runs;                 /* some thread is on its stack */
    atomic_bool ready;         /* its park was signalled, or it gave others a turn */
    _Atomic int64_t due_ns;    /* monotonic: until when it waits; INT64_MAX: for ever */
    ri_park_watch watch;       /* of the park on which it waits */
    ucontext_t here, there;    /* of the task; of its thread */
    /* What sanitizers and valgrind keep of both stacks. */
    unsigned stack_id;
    void *fake, *outer_fake, *fiber, *outer_fiber;
    const void *outer;
    size_t outer_size;
};

/* The task that this thread runs; NULL: none. */
static inline ri_task *ri_task_here(void)
{
    return (ri_task *)(void *)ri_hurry_here();
}

/* `run`, may_yield, wake and host are set; the rest is 0. RILL_ENOMEM. */
int ri_task_open(ri_task *task);
/* It is over, or was never resumed. */
void ri_task_close(ri_task *task);
/* Runs until it waits, or is over (true). */
bool ri_task_resume(ri_task *task);
bool ri_task_is_ready(const ri_task *task, int64_t now_ns);

/* ---- On the stack of a task ---- */
/* Does a wait of this thread give way to others? */
static inline bool ri_task_yields(void)
{
    ri_task *task = ri_task_here();
    return ri_unlikely(task != NULL) && task->may_yield && task->may_yield(task);
}
/* As ri_park_wait(), whose part this is. */
bool ri_task_wait(ri_park *park, uint32_t seen, int64_t timeout_ns);
/* Others get a turn, if this is a task that yields. */
void ri_task_pass(void);

#endif
