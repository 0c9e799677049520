/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter's lock. A call that may wait drops it. A callback finds its thread in one of
 * three states: within a call that has dropped the lock, within one that keeps it, or on a thread
 * of rill's, which gets a state of the interpreter's at its first callback, and gives it back when
 * it ends: so nobody waits for the end of a thread with the lock. */
#include "binding.h"

#include <pthread.h>
#include <stdatomic.h>

static _Thread_local PyThreadState *parked; /* that of this thread, while it has not the lock */
static _Thread_local int kept;              /* calls of this thread that have the lock */
static _Thread_local int depth;             /* callbacks that this thread is in */
static _Thread_local bool foreign;          /* rill has made this thread */
static atomic_bool finished;

void py_gil_drop(void)
{
    assert(!parked);
    parked = PyEval_SaveThread();
}

void py_gil_take(void)
{
    PyThreadState *mine = parked;
    assert(mine);
    parked = NULL;
    PyEval_RestoreThread(mine);
}

void py_gil_keep(void) { kept++; }

void py_gil_kept(void)
{
    assert(kept > 0);
    kept--;
}

bool py_gil_in_callback(void) { return depth > 0; }
void py_gil_finish(void) { atomic_store(&finished, true); }

static pthread_key_t ending;
static pthread_once_t ending_once = PTHREAD_ONCE_INIT;

/* A thread of rill's ends, and its state with it. */
static void thread_ends(void *unused)
{
    (void)unused;
    PyThreadState *mine = parked;
    if (atomic_load(&finished) || !mine) return;
    py_gil_take();
    PyThreadState_Clear(mine);
    PyEval_ReleaseThread(mine);
    PyThreadState_Delete(mine);
}

static void ending_make(void) { (void)pthread_key_create(&ending, thread_ends); }

bool py_gil_enter(py_gil *g)
{
    if (!kept && (!parked || foreign) && atomic_load(&finished)) return false;
    g->held = kept;
    kept = 0;
    depth++;
    if (g->held) return true;
    if (parked) {
        py_gil_take();
        return true;
    }
    foreign = true;
    (void)PyGILState_Ensure();
    pthread_once(&ending_once, ending_make);
    (void)pthread_setspecific(ending, &ending);
    return true;
}

void py_gil_leave(py_gil *g)
{
    assert(depth > 0);
    depth--;
    kept = g->held;
    if (!g->held) py_gil_drop();
}
