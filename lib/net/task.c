/* SPDX-License-Identifier: Apache-2.0 */
#include "net/task.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"

/* ---- What sanitizers have to know of a switch ---- */

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

static void task_mark_in(ri_task *task)
{
    __sanitizer_start_switch_fiber(&task->outer_fake, task->stack, RI_TASK_STACK);
}

static void task_mark_is_in(ri_task *task)
{
    __sanitizer_finish_switch_fiber(task->fake, &task->outer, &task->outer_size);
}

static void task_mark_out(ri_task *task)
{
    void **fake = task->over ? NULL : &task->fake; /* NULL: this stack is used no more */
    __sanitizer_start_switch_fiber(fake, task->outer, task->outer_size);
}

static void task_mark_is_out(ri_task *task)
{
    __sanitizer_finish_switch_fiber(task->outer_fake, NULL, NULL);
}

#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>

static void task_mark_in(ri_task *task)
{
    if (!task->fiber) task->fiber = __tsan_create_fiber(0);
    task->outer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(task->fiber, 0);
}

static void task_mark_out(ri_task *task)
{
    __tsan_switch_to_fiber(task->outer_fiber, 0);
}

static void task_mark_end(ri_task *task)
{
    if (task->fiber) __tsan_destroy_fiber(task->fiber);
}

#define task_mark_end task_mark_end
#define task_mark_is_in(task) ((void)(task))
#define task_mark_is_out(task) ((void)(task))

#else
#define task_mark_in(task) ((void)(task))
#define task_mark_is_in(task) ((void)(task))
#define task_mark_out(task) ((void)(task))
#define task_mark_is_out(task) ((void)(task))
#endif

#ifndef task_mark_end
#define task_mark_end(task) ((void)(task))
#endif

/* valgrind, where its header is, would take a stack that lies near another for a part of it. */
#if !defined(NDEBUG) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>

static void task_mark_stack(ri_task *task)
{
    task->stack_id = (unsigned)VALGRIND_STACK_REGISTER(task->stack, task->stack + RI_TASK_STACK);
}

static void task_unmark_stack(ri_task *task)
{
    VALGRIND_STACK_DEREGISTER(task->stack_id);
}
#else
#define task_mark_stack(task) ((void)(task))
#define task_unmark_stack(task) ((void)(task))
#endif

/* ---- The two stacks ---- */

/* On the task's stack: back to whoever has resumed it. */
static void task_go_out(ri_task *task)
{
    RI_ASSERT(task->runs && ri_task_here() == task);
    task_mark_out(task);
    swapcontext(&task->here, &task->there);
    task_mark_is_in(task);
}

static void task_main(unsigned high, unsigned low)
{
    ri_task *task = (ri_task *)((uintptr_t)high << 32 | (uintptr_t)low);
    task_mark_is_in(task);
    RI_ASSERT(task->runs && ri_task_here() == task);
    task->run(task);
    task->over = true;
    task_go_out(task);
    RI_ASSERT(false); /* it is over */
}

static size_t task_guard(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void task_fire(ri_park_watch *watch)
{
    ri_task *task = ri_container_of(watch, ri_task, watch);
    RI_ASSERT(task->wake && !task->over);
    atomic_store(&task->ready, true);
    task->wake(task);
}

int ri_task_open(ri_task *task)
{
    RI_ASSERT(task->run && task->may_yield && task->wake && task->host && !task->stack);
    size_t guard = task_guard();
    void *stack = mmap(NULL, guard + RI_TASK_STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return ri_err_nomem(guard + RI_TASK_STACK);
    if (mprotect(stack, guard, PROT_NONE) < 0 || getcontext(&task->here) < 0) {
        munmap(stack, guard + RI_TASK_STACK);
        return ri_err_nomem(guard + RI_TASK_STACK);
    }
    task->stack = (char *)stack + guard;
    task_mark_stack(task);
    task->here.uc_stack.ss_sp = task->stack;
    task->here.uc_stack.ss_size = RI_TASK_STACK;
    task->here.uc_link = NULL;
    uintptr_t self = (uintptr_t)task;
    makecontext(&task->here, (void (*)(void))task_main, 2, (unsigned)(self >> 32), (unsigned)self);
    ri_list_init(&task->watch.link);
    task->watch.fire = task_fire;
    atomic_init(&task->ready, true);
    task->due_ns = INT64_MAX;
    return RILL_OK;
}

void ri_task_close(ri_task *task)
{
    RI_ASSERT(!task->runs && !ri_list_linked(&task->watch.link));
    if (!task->stack) return;
    task_mark_end(task);
    task_unmark_stack(task);
    munmap((char *)task->stack - task_guard(), task_guard() + RI_TASK_STACK);
    task->stack = NULL;
}

bool ri_task_resume(ri_task *task)
{
    RI_ASSERT(task->stack && !task->over && !task->runs);
    /* Another one's, when a callback on its stack drives another bus. */
    ri_hurry *outer = ri_hurry_swap(&task->hurry);
    atomic_store(&task->ready, false);
    task->runs = true;
    task_mark_in(task);
    swapcontext(&task->there, &task->here);
    task_mark_is_out(task);
    ri_hurry_swap(outer);
    task->runs = false;
    return task->over;
}

bool ri_task_is_ready(const ri_task *task, int64_t now_ns)
{
    if (atomic_load(&task->ready) || now_ns >= task->due_ns) return true;
    return atomic_load(&task->hurry.now) && task->due_ns != INT64_MAX;
}

bool ri_task_wait(ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    ri_task *task = ri_task_here();
    RI_ASSERT(task && task->runs);
    bool over = timeout_ns == 0 || (timeout_ns > 0 && ri_hurry_is_now());
    /* The watch of the wait before may have fired once more between resume and its end, and would
     * make this wait look late. From here on no watch can fire until one begins. */
    atomic_store(&task->ready, false);
    if (!over && ri_park_watch_begin(park, seen, &task->watch)) {
        task->due_ns = timeout_ns < 0 ? INT64_MAX
                                      : ri_ns_add(ri_mono_ns(task->host), timeout_ns);
        task_go_out(task);
        ri_park_watch_end(park, &task->watch);
        task->due_ns = INT64_MAX;
    }
    return ri_park_count(park) != seen;
}

void ri_task_pass(void)
{
    if (!ri_task_yields()) return;
    ri_task *task = ri_task_here();
    atomic_store(&task->ready, true);
    task_go_out(task);
}
