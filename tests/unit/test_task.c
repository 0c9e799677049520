/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: they wait without their thread, come back when they are called or their time is up, on
 * whatever thread, and hurry when they are asked to. */
#include <pthread.h>
#include <stdio.h>

#include "base/deadline.h"
#include "base/error.h"
#include "net/task.h"
#include "support/fault.h"
#include "support/suite.h"

typedef struct work {
    ri_task task;
    fault *f;
    ri_park park;
    int64_t timeout_ns;
    int steps, want;      /* times that it has waited, and shall */
    bool woken;           /* what its last wait returned */
    int64_t left_ns;      /* of a deadline, as it sees it */
    bool pinned;
    bool stale;           /* each wait begins with a wake that was meant for the one before */
    int wakes;
} work;

static void work_run(ri_task *task)
{
    work *w = ri_container_of(task, work, task);
    int64_t until_ns = ri_deadline_in(&w->f->host, w->timeout_ns);
    for (w->steps = 0; w->steps < w->want; w->steps++) {
        if (w->stale) atomic_store(&task->ready, true);
        w->woken = ri_park_wait(&w->park, ri_park_count(&w->park), w->timeout_ns);
        w->left_ns = ri_deadline_left_ns(&w->f->host, until_ns);
    }
}

static bool work_may_yield(const ri_task *task)
{
    return !ri_container_of(task, work, task)->pinned;
}

static void work_wake(ri_task *task)
{
    ri_container_of(task, work, task)->wakes++;
}

static void work_open(work *w, fault *f, int64_t timeout_ns)
{
    *w = (work){.task = {.run = work_run, .may_yield = work_may_yield, .wake = work_wake,
                         .host = &f->host},
                .f = f, .timeout_ns = timeout_ns, .want = 1};
    ri_park_init(&w->park);
    ck_assert_ok(ri_task_open(&w->task));
}

static void work_close(work *w)
{
    ck_assert(w->task.over && !ri_task_here());
    ri_task_close(&w->task);
    ri_park_fini(&w->park);
}

static bool work_is_ready(work *w)
{
    return ri_task_is_ready(&w->task, ri_mono_ns(&w->f->host));
}

START_TEST(a_signal_calls_it_back)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, -1);
    w.want = 3;
    ck_assert(work_is_ready(&w)); /* it has not begun */
    for (int i = 0; i < 3; i++) {
        ck_assert(!ri_task_resume(&w.task));
        ck_assert_int_eq(w.steps, i);
        ck_assert(!work_is_ready(&w));
        f.now_ns += 1000 * RI_SEC; /* it waits for ever */
        ck_assert(!work_is_ready(&w));
        ri_park_signal(&w.park);
        ck_assert(work_is_ready(&w));
        ck_assert_int_eq(w.wakes, i + 1);
        if (i < 2) continue;
        ck_assert(ri_task_resume(&w.task));
        ck_assert(w.woken);
    }
    work_close(&w);
    fault_fini(&f);
}
END_TEST

/* A park may signal twice before a wait is over: the second one wakes no other wait. */
START_TEST(a_wake_is_of_one_wait)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, 1000 * RI_SEC);
    w.stale = true;
    w.want = 2;
    for (int i = 0; i < 2; i++) {
        ck_assert(!ri_task_resume(&w.task));
        ck_assert(!work_is_ready(&w));
        ri_park_signal(&w.park);
        ri_park_signal(&w.park);
        ck_assert(work_is_ready(&w));
    }
    ck_assert(ri_task_resume(&w.task));
    ck_assert(w.woken);
    work_close(&w);
    fault_fini(&f);
}
END_TEST

START_TEST(time_calls_it_back)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, 10 * RI_MS);
    ck_assert(!ri_task_resume(&w.task));
    f.now_ns += 10 * RI_MS - 1;
    ck_assert(!work_is_ready(&w));
    f.now_ns++;
    ck_assert(work_is_ready(&w));
    ck_assert(ri_task_resume(&w.task));
    ck_assert(!w.woken && w.wakes == 0);
    ck_assert_int_eq(w.left_ns, 0);
    work_close(&w);
    fault_fini(&f);
}
END_TEST

/* Who hurries has no time left in what has an end, and waits for what has none. */
START_TEST(it_hurries)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, 1000 * RI_SEC);
    ck_assert(!ri_task_resume(&w.task));
    ck_assert(!work_is_ready(&w));
    atomic_store(&w.task.hurry.now, true);
    ck_assert(work_is_ready(&w) && w.wakes == 0); /* who takes it back wakes its thread himself */
    ck_assert(ri_task_resume(&w.task));
    ck_assert(!w.woken);
    ck_assert_int_eq(w.left_ns, 0);
    work_close(&w);
    work_open(&w, &f, -1);
    atomic_store(&w.task.hurry.now, true);
    ck_assert(!ri_task_resume(&w.task));
    ck_assert(!work_is_ready(&w));
    ri_park_signal(&w.park);
    ck_assert(ri_task_resume(&w.task));
    ck_assert(w.woken);
    ck_assert_int_eq(w.left_ns, -1);
    ck_assert_int_eq(ri_deadline_left_ns(&f.host, f.now_ns + 5), 5); /* it alone hurries */
    work_close(&w);
    fault_fini(&f);
}
END_TEST

/* While a callback is on its stack it waits as everybody does. */
START_TEST(a_pinned_one_waits_here)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, RI_MS);
    w.pinned = true;
    ck_assert(ri_task_resume(&w.task));
    ck_assert(!w.woken && w.steps == 1);
    work_close(&w);
    fault_fini(&f);
}
END_TEST

static void pass_run(ri_task *task)
{
    work *w = ri_container_of(task, work, task);
    for (w->steps = 0; w->steps < w->want; w->steps++) ri_task_pass();
}

START_TEST(it_gives_others_a_turn)
{
    fault f;
    work w[3];
    fault_init(&f);
    ri_task_pass(); /* no task: nothing */
    for (int i = 0; i < 3; i++) {
        work_open(&w[i], &f, -1);
        w[i].task.run = pass_run;
        w[i].want = 5;
    }
    for (int step = 0; step <= 5; step++)
        for (int i = 0; i < 3; i++) {
            ck_assert(work_is_ready(&w[i]));
            ck_assert_int_eq(ri_task_resume(&w[i].task), step == 5);
            ck_assert_int_eq(w[i].steps, step);
        }
    for (int i = 0; i < 3; i++) work_close(&w[i]);
    fault_fini(&f);
}
END_TEST

static void *resume(void *arg)
{
    work *w = arg;
    ri_park_signal(&w->park);
    ri_task_resume(&w->task);
    return NULL;
}

/* What goes on elsewhere finds its sentences, and what is on its stack, where it left them. */
START_TEST(it_goes_on_on_any_thread)
{
    fault f;
    work w;
    pthread_t thread;
    fault_init(&f);
    work_open(&w, &f, -1);
    w.want = 20;
    ck_assert(!ri_task_resume(&w.task));
    for (int i = 0; i < 20; i++) {
        ck_assert(!w.task.over);
        pthread_create(&thread, NULL, resume, &w);
        pthread_join(thread, NULL);
    }
    work_close(&w);
    fault_fini(&f);
}
END_TEST

static int deep(char *room, int n)
{
    char own[4096];
    snprintf(own, sizeof own, "%d", n);
    int sum = n ? deep(own, n - 1) : 0;
    return sum + own[0] + (room ? room[0] : 0);
}

static void deep_run(ri_task *task)
{
    ri_container_of(task, work, task)->steps = deep(NULL, 30); /* about half of the stack */
}

START_TEST(it_has_a_stack)
{
    fault f;
    work w;
    fault_init(&f);
    work_open(&w, &f, -1);
    w.task.run = deep_run;
    ck_assert(ri_task_resume(&w.task));
    ck_assert_int_gt(w.steps, 0);
    work_close(&w);
    work_open(&w, &f, -1); /* one that is never begun */
    w.task.over = true;
    work_close(&w);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("task", a_signal_calls_it_back, a_wake_is_of_one_wait, time_calls_it_back, it_hurries,
           a_pinned_one_waits_here, it_gives_others_a_turn, it_goes_on_on_any_thread,
           it_has_a_stack)
