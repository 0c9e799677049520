/* SPDX-License-Identifier: Apache-2.0
 *
 * Care of a store, and objects by pieces: calls that call back while they are waited for. What such
 * a function raises ends the call, and comes out of it. */
#include "binding.h"

typedef struct told { /* the `arg` of such a call */
    PyObject *fn;
    bool raised;
} told;

static int care_report(const rill_care *care, void *arg)
{
    told *t = arg;
    py_gil lock;
    if (!py_gil_enter(&lock)) return 1;
    PyObject *damage = care->damage ? py_record_tell(&py_damage, care->damage)
                                    : Py_NewRef_(Py_None);
    PyObject *said = damage ? PyObject_CallFunction(t->fn, "KKKO",
                                                    (unsigned long long)care->done_bytes,
                                                    (unsigned long long)care->total_bytes,
                                                    (unsigned long long)care->damages, damage)
                            : NULL;
    int ends = said ? PyObject_IsTrue(said) : -1;
    t->raised = ends < 0;
    Py_XDECREF(damage);
    Py_XDECREF(said);
    py_gil_leave(&lock);
    return ends != 0;
}

PyObject *py_care_check(PyObject *self, PyObject *fn)
{
    told t = {.fn = fn};
    rill_bus *bus = py_handle_use(self, PY_BUS);
    if (!bus) return NULL;
    py_gil_drop();
    int rc = rill_store_check(bus, fn == Py_None ? NULL : care_report, &t);
    py_gil_take();
    PyObject *answer = t.raised ? NULL : rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
    py_handle_done(self);
    return answer;
}

PyObject *py_care_salvage(PyObject *module, PyObject *args)
{
    PyObject *from, *to, *fn;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOO", &from, &to, &fn)) return NULL;
    const char *source = py_text(from, "source");
    const char *target = source && to != Py_None ? py_text(to, "target") : NULL;
    if (PyErr_Occurred()) return NULL;
    told t = {.fn = fn};
    py_gil_drop();
    int rc = rill_store_salvage(source, target, NULL, fn == Py_None ? NULL : care_report, &t);
    py_gil_take();
    return t.raised ? NULL : rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
}

/* read(n) of a file, or of whatever has it, gives at most n bytes. */
static int64_t object_source(void *buf, size_t cap, void *arg)
{
    told *t = arg;
    py_gil lock;
    int64_t rc = RILL_ECANCELED;
    if (!py_gil_enter(&lock)) return rc;
    PyObject *piece = PyObject_CallFunction(t->fn, "n", (Py_ssize_t)cap);
    py_data data = {0};
    if (piece && PyUnicode_Check(piece))
        PyErr_SetString(PyExc_TypeError, "the source gives text; open it for bytes");
    else if (piece && py_data_get(&data, piece) && data.len <= cap)
        memcpy(buf, data.ptr, (size_t)(rc = (int64_t)data.len));
    else if (piece && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "the source gave more than the %zu bytes wanted", cap);
    t->raised = rc < 0;
    py_data_end(&data);
    Py_XDECREF(piece);
    py_gil_leave(&lock);
    return rc;
}

static int object_sink(const void *buf, size_t len, void *arg)
{
    told *t = arg;
    py_gil lock;
    if (!py_gil_enter(&lock)) return RILL_ECANCELED;
    PyObject *said = PyObject_CallFunction(t->fn, "y#", (const char *)buf, (Py_ssize_t)len);
    t->raised = !said;
    Py_XDECREF(said);
    py_gil_leave(&lock);
    return said ? RILL_OK : RILL_ECANCELED;
}

static PyObject *object_move(PyObject *self, PyObject *args, bool put)
{
    PyObject *name, *fn;
    if (!PyArg_ParseTuple(args, "OO", &name, &fn)) return NULL;
    const char *text = py_text(name, "name");
    rill_objs *objs = text ? py_handle_use(self, PY_OBJS) : NULL;
    if (!objs) return NULL;
    told t = {.fn = fn};
    py_gil_drop();
    int rc = put ? rill_obj_put(objs, text, object_source, &t)
                 : rill_obj_get(objs, text, object_sink, &t);
    py_gil_take();
    PyObject *answer = t.raised ? NULL : PY_CHECK(rc);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    py_handle_done(self);
    PyErr_Restore(kind, value, trace);
    return answer;
}

PyObject *py_obj_put(PyObject *self, PyObject *args) { return object_move(self, args, true); }
PyObject *py_obj_get(PyObject *self, PyObject *args) { return object_move(self, args, false); }
