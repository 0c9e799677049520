/* SPDX-License-Identifier: Apache-2.0 */
/* A task's registers lie on its stack while another runs. The tick asks for PendSV, the exception
 * that all others go before; that one changes stacks. Nobody to run: the processor sleeps. */
#include "scheduler.h"

#include "board.h"

enum { TASKS = 4, SAVED = 16, THUMB = 0x01000000, PENDSV = 1 << 28 };
#define ICSR (*(volatile uint32_t *)0xE000ED04)
#define PENDSV_PRIORITY (*(volatile uint8_t *)0xE000ED22)

typedef struct task {
    uint32_t *sp;
    int64_t until;        /* it waits so long, ... */
    volatile bool woken;  /* ... or until a byte comes, which one of the others may read */
} task;

static task tasks[TASKS];
static uint32_t ntasks, now;      /* now: of `tasks`; TASKS: nobody ran yet */
static volatile bool locked, running;
static uint32_t first_stack[64] __attribute__((aligned(8)));

void task_start(void (*run)(void), void *stack, size_t bytes)
{
    uint32_t *sp = (uint32_t *)stack + bytes / sizeof *sp - SAVED;
    for (int i = 0; i < SAVED; i++) sp[i] = 0;
    sp[SAVED - 2] = (uint32_t)(uintptr_t)run & ~UINT32_C(1);
    sp[SAVED - 1] = THUMB;
    tasks[ntasks++].sp = sp;
}

/* From PendSV: the stack that was, and the one that is next. */
uint32_t *scheduler_next(uint32_t *sp);
__attribute__((used)) uint32_t *scheduler_next(uint32_t *sp)
{
    if (now < TASKS) tasks[now].sp = sp;
    for (;;) {
        int64_t time = board_ns();
        for (uint32_t i = 1; i <= ntasks; i++) {
            uint32_t next = ((now < TASKS ? now : 0) + i) % ntasks;
            if (tasks[next].until > time && !tasks[next].woken) continue;
            now = next;
            return tasks[now].sp;
        }
        board_sleep();
    }
}

__attribute__((naked)) void board_switch(void)
{
    __asm volatile("mrs r0, psp\n"
                   "stmdb r0!, {r4-r11}\n"
                   "push {r3, lr}\n"
                   "bl scheduler_next\n"
                   "pop {r3, lr}\n"
                   "ldmia r0!, {r4-r11}\n"
                   "msr psp, r0\n"
                   "bx lr\n");
}

void board_ticked(void)
{
    if (running) ICSR = PENDSV;
}

void board_came(void)
{
    for (uint32_t i = 0; i < ntasks; i++) tasks[i].woken = true;
}

static void task_yield(void)
{
    ICSR = PENDSV;
    __asm volatile("dsb\nisb" ::: "memory");
}

void scheduler_run(void)
{
    now = TASKS;
    PENDSV_PRIORITY = 0xff; /* behind all others, which go on while it sleeps */
    __asm volatile("msr psp, %0\n"
                   "msr control, %1\n"
                   "isb" : : "r"(first_stack + 64), "r"(2) : "memory");
    running = true; /* from here on there is a stack to change from */
    for (;;) task_yield();
}

void *task_current(void)
{
    return &tasks[now];
}

void task_wait(int64_t ns)
{
    task *self = &tasks[now];
    int64_t until = ns < 0 ? INT64_MAX : board_ns() + ns;
    __asm volatile("cpsid i" ::: "memory"); /* it is written in two halves */
    self->until = until;
    __asm volatile("cpsie i" ::: "memory");
    task_yield();
    __asm volatile("cpsid i" ::: "memory");
    self->until = 0;
    self->woken = false;
    __asm volatile("cpsie i" ::: "memory");
}

void task_lock(bool enter)
{
    for (;;) {
        __asm volatile("cpsid i" ::: "memory");
        bool mine = !enter || !locked;
        if (mine) locked = enter;
        __asm volatile("cpsie i" ::: "memory");
        if (mine) return;
        task_yield();
    }
}
