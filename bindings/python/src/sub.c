/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever yields messages. A read ends the loan of the one before. */
#include "binding.h"

#define SLICE_MS 100 /* so often a wait looks whether a signal has come */

static PyObject *known; /* rill's handle -> where the object lies */

void py_sub_known(py_sub *self, bool is)
{
    PyObject *id = PyLong_FromVoidPtr(self->h.ptr);
    PyObject *at = is ? PyLong_FromVoidPtr(self) : NULL;
    if (id && at) PyDict_SetItem(known, id, at);
    else if (id && PyDict_Contains(known, id) == 1) PyDict_DelItem(known, id);
    PyErr_Clear();
    PyObject *subs = self->h.bus && ((py_handle *)self->h.bus)->extra
                         ? PyDict_GetItemString(((py_handle *)self->h.bus)->extra, "subs")
                         : NULL;
    if (!is && id && subs && PyDict_Contains(subs, id) == 1) PyDict_DelItem(subs, id);
    PyErr_Clear();
    Py_XDECREF(id);
    Py_XDECREF(at);
}

PyObject *py_sub_find(const rill_sub *sub)
{
    PyObject *id = sub ? PyLong_FromVoidPtr((void *)(uintptr_t)sub) : NULL;
    PyObject *at = id ? PyDict_GetItemWithError(known, id) : NULL;
    Py_XDECREF(id);
    return Py_NewRef_(at ? PyLong_AsVoidPtr(at) : Py_None);
}

void py_sub_end_loan(py_sub *self)
{
    size_t n = self->nlent;
    self->nlent = 0;
    for (size_t i = 0; i < n; i++) py_message_end(self->lent[i]);
}

void py_sub_on_msg(rill_sub *sub, const rill_msg *m, void *arg)
{
    py_gil lock;
    (void)sub;
    if (!py_gil_enter(&lock)) return;
    bool auto_ack = ((py_sub *)arg)->auto_ack;
    PyObject *fn = Py_NewRef_(((py_sub *)arg)->h.extra); /* it may close the sub */
    PyObject *msg = py_message_lend(m);
    PyObject *said = msg ? PyObject_CallFunctionObjArgs(fn, msg, NULL) : NULL;
    if (!said) {
        PyErr_WriteUnraisable(fn);
        if (auto_ack) (void)rill_nak(m, 0); /* it was not worked off */
    }
    Py_XDECREF(said);
    if (msg) py_message_end(msg);
    Py_DECREF(fn);
    py_gil_leave(&lock);
}

/* ---- Reading ---- */

static bool room_for(py_sub *self, size_t n)
{
    if (n <= self->cap) return true;
    PyObject **lent = realloc(self->lent, n * sizeof(PyObject *));
    if (lent) self->lent = lent;
    const rill_msg **room = lent ? realloc(self->room, n * sizeof(rill_msg *)) : NULL;
    if (!room) return PyErr_NoMemory(), false;
    self->room = room;
    self->cap = n;
    return true;
}

static int read_now(rill_sub *sub, const rill_msg **out, size_t max, int timeout_ms)
{
    return max == 1 ? rill_next(sub, out, timeout_ms) : rill_read(sub, out, max, timeout_ms);
}

/* In slices, in which signals are looked for. Returns what rill does; 1: an exception is set. */
static int read_slices(py_sub *self, size_t max, int timeout_ms, bool *raised)
{
    int rc = RILL_ETIMEDOUT;
    int64_t left = timeout_ms < 0 ? INT64_MAX : timeout_ms;
    while (rc == RILL_ETIMEDOUT && left > 0) {
        int slice = left < SLICE_MS ? (int)left : SLICE_MS;
        py_gil_drop();
        rc = read_now(self->h.ptr, self->room, max, slice);
        py_gil_take();
        left -= slice;
        if (rc == RILL_ETIMEDOUT && PyErr_CheckSignals() < 0) return *raised = true, rc;
        if (rc == RILL_ETIMEDOUT && self->h.closing) return RILL_ECLOSED;
    }
    return rc;
}

/* How many are lent now; below 0: an error; *raised: an exception is set. What lies here is taken
 * without giving up the lock, but for messages that are handed out one by one. */
static int read_lent(py_sub *self, size_t max, int timeout_ms, bool *raised)
{
    py_sub_end_loan(self);
    if (!room_for(self, max)) return *raised = true, RILL_ENOMEM;
    int rc = RILL_EAGAIN;
    if (!timeout_ms || !self->stored) {
        py_gil_keep();
        rc = read_now(self->h.ptr, self->room, max, 0);
        py_gil_kept();
    }
    if (rc == RILL_EAGAIN && timeout_ms) rc = read_slices(self, max, timeout_ms, raised);
    if (rc < 0) return rc;
    size_t n = max == 1 ? 1 : (size_t)rc;
    for (size_t i = 0; i < n; i++) {
        PyObject *m = py_message_lend(self->room[i]);
        if (!m) return *raised = true, RILL_ENOMEM;
        self->lent[self->nlent++] = m;
    }
    return (int)n;
}

/* The same within the handle. RILL_ETIMEDOUT when nothing came. */
static int read_into(PyObject *o, size_t max, int timeout_ms, bool *raised)
{
    py_sub *self = (py_sub *)o;
    *raised = false;
    if (!py_handle_use(o, PY_SUB)) return *raised = true, RILL_ECLOSED;
    if (self->reading) {
        py_handle_done(o);
        py_raise_why(RILL_EBUSY, "another thread reads this subscription");
        return *raised = true, RILL_EBUSY;
    }
    self->reading = true;
    int rc = read_lent(self, max, timeout_ms, raised);
    self->reading = false;
    if (rc < 0 && !*raised && rc != RILL_ETIMEDOUT && rc != RILL_EAGAIN) {
        *raised = true;
        if (self->h.closing) py_raise_why(RILL_ECLOSED, "the subscription is closed");
        else py_raise(rc);
    }
    PyObject *first = rc > 0 ? Py_NewRef_(self->lent[0]) : NULL; /* if the last one out closes */
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    py_handle_done(o);
    PyErr_Restore(kind, value, trace);
    if (rc > 0 && !self->nlent) rc = RILL_ETIMEDOUT;
    Py_XDECREF(first);
    return rc == RILL_EAGAIN ? RILL_ETIMEDOUT : rc;
}

static PyObject *sub_next(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    int ms;
    bool raised;
    if (nargs > 1) return PyErr_Format(PyExc_TypeError, "next() takes a timeout alone");
    if (!py_timeout(nargs ? args[0] : NULL, &ms)) return NULL;
    int rc = read_into(o, 1, ms, &raised);
    if (raised) return NULL;
    return Py_NewRef_(rc > 0 ? ((py_sub *)o)->lent[0] : Py_None);
}

static PyObject *sub_read(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    int ms;
    bool raised;
    py_sub *self = (py_sub *)o;
    if (nargs > 2) return PyErr_Format(PyExc_TypeError, "read() takes a number and a timeout");
    long max = nargs ? PyLong_AsLong(args[0]) : 256;
    if (max == -1 && PyErr_Occurred()) return NULL;
    if (max < 1 || max > 4096) return PyErr_Format(PyExc_ValueError, "read() has 1 to 4096");
    if (!py_timeout(nargs > 1 ? args[1] : NULL, &ms)) return NULL;
    int n = read_into(o, (size_t)max, ms, &raised);
    if (raised) return NULL;
    PyObject *list = PyList_New(n > 0 ? n : 0);
    for (int i = 0; list && i < n; i++) PyList_SetItem(list, i, Py_NewRef_(self->lent[i]));
    return list;
}

/* The end of the messages is the end of the iteration. */
static PyObject *sub_iternext(PyObject *o)
{
    bool raised;
    if (!((py_handle *)o)->ptr) return NULL;
    int rc = read_into(o, 1, -1, &raised);
    if (!raised) return rc > 0 ? Py_NewRef_(((py_sub *)o)->lent[0]) : NULL;
    if (rc == RILL_ECLOSED) PyErr_Clear();
    return NULL;
}

static PyObject *sub_iter(PyObject *o) { return Py_NewRef_(o); }

/* ---- The rest ---- */

static PyObject *sub_fd(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_sub *sub = py_handle_use(o, PY_SUB);
    if (!sub) return NULL;
    int rc = rill_sub_fd(sub);
    py_handle_done(o);
    return rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
}

static PyObject *sub_stop(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_sub *sub = py_handle_use(o, PY_SUB);
    if (!sub) return NULL;
    int rc = rill_sub_stop(sub);
    py_handle_done(o);
    return PY_CHECK(rc);
}

static PyObject *sub_close(PyObject *o, PyObject *unused)
{
    (void)unused;
    int rc = py_handle_close((py_handle *)o, 0);
    return PY_CHECK(rc);
}

static PyMethodDef methods[] = {
    {"next", PY_FN(sub_next), METH_FASTCALL, "The next message; None if none came in time."},
    {"read", PY_FN(sub_read), METH_FASTCALL, "Up to so many, at most 4096; waits for the first."},
    {"fd", sub_fd, METH_NOARGS, "Readable while messages wait."},
    {"stop", sub_stop, METH_NOARGS, "Ask for no more; what waits can be read."},
    {"close", sub_close, METH_NOARGS, "Unsubscribe. It waits for a callback that runs."},
    {NULL, NULL, 0, NULL},
};
PY_HANDLE_GETSET(getset);

int py_sub_init(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, py_handle_dealloc}, {Py_tp_traverse, py_handle_traverse},
        {Py_tp_clear, py_handle_clear},     {Py_tp_methods, methods},
        {Py_tp_getset, getset},             {Py_tp_iter, sub_iter},
        {Py_tp_iternext, sub_iternext},     {Py_tp_finalize, py_handle_finalize},
        {0, NULL},
    };
    PyType_Spec spec = {"rill._rill.Sub", sizeof(py_sub), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    if (!(known = PyDict_New())) return -1;
    PyObject *type = PyType_FromSpec(&spec);
    if (!type) return -1;
    py_handle_base(PY_SUB, (PyTypeObject *)type);
    Py_INCREF(type);
    return PyModule_AddObject(module, "Sub", type);
}
