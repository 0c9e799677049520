/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter's lock. A call that may wait drops it. A callback finds its thread in one of
 * three states: within a call that has dropped the lock, within one that keeps it, or on a thread
 * of rill's, which gets a state of the interpreter's at its first callback and keeps that. */
#include "binding.h"

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
    return true;
}

void py_gil_leave(py_gil *g)
{
    assert(depth > 0);
    depth--;
    kept = g->held;
    if (!g->held) py_gil_drop();
}
