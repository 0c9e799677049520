/* SPDX-License-Identifier: Apache-2.0
 *
 * A wire whose bytes an object of Python's moves: read(n) gives bytes, b"" at the end, or None if
 * there are none at the moment; write(view) returns how many were taken, or None; close(); and
 * maybe fileno(). What they raise is said, and breaks the wire. */
#include "binding.h"

typedef struct py_wire {
    py_handle h;      /* ptr: until it is given to somebody; extra: the object */
    rill_wire *ready; /* until its close() was called */
} py_wire;
#define END_OF(arg) (((py_handle *)(arg))->extra)

static int64_t wire_read(void *arg, void *buf, size_t len)
{
    py_gil lock;
    int64_t rc = RILL_EIO;
    if (!py_gil_enter(&lock)) return rc;
    PyObject *piece = PyObject_CallMethod(END_OF(arg), "read", "n", (Py_ssize_t)len);
    py_data data = {0};
    if (piece == Py_None) rc = RILL_EAGAIN;
    else if (piece && py_data_get(&data, piece) && data.len <= len)
        memcpy(buf, data.ptr, (size_t)(rc = (int64_t)data.len));
    else if (piece && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "read() gave more than was wanted");
    if (PyErr_Occurred()) PyErr_WriteUnraisable(END_OF(arg));
    py_data_end(&data);
    Py_XDECREF(piece);
    py_gil_leave(&lock);
    return rc;
}

static int64_t wire_write(void *arg, const void *buf, size_t len)
{
    py_gil lock;
    int64_t rc = RILL_EIO;
    if (!py_gil_enter(&lock)) return rc;
    PyObject *said = PyObject_CallMethod(END_OF(arg), "write", "y#", (const char *)buf,
                                         (Py_ssize_t)len);
    if (said == Py_None) rc = RILL_EAGAIN;
    else if (said) rc = PyLong_AsLongLong(said);
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(END_OF(arg));
        rc = RILL_EIO;
    }
    Py_XDECREF(said);
    py_gil_leave(&lock);
    return rc;
}

static void wire_close(void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return;
    ((py_wire *)arg)->ready = NULL;
    PyObject *said = PyObject_CallMethod(END_OF(arg), "close", NULL);
    if (!said) PyErr_WriteUnraisable(END_OF(arg));
    Py_XDECREF(said);
    Py_DECREF((PyObject *)arg);
    py_gil_leave(&lock);
}

static int wire_fd(void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return -1;
    PyObject *said = PyObject_CallMethod(END_OF(arg), "fileno", NULL);
    long fd = said ? PyLong_AsLong(said) : -1;
    if (PyErr_Occurred()) PyErr_WriteUnraisable(END_OF(arg));
    Py_XDECREF(said);
    py_gil_leave(&lock);
    return (int)fd;
}

/* wire._open(end): both are held until the wire's close() was called. */
static PyObject *wire_open(PyObject *o, PyObject *end)
{
    py_handle *h = (py_handle *)o;
    if (h->ptr || h->extra) return py_raise_why(RILL_EBUSY, "it is open already");
    rill_wire_ops ops = {.size = sizeof ops, .read = wire_read, .write = wire_write,
                         .close = wire_close};
    PyObject *fileno = PyObject_GetAttrString(end, "fileno");
    if (fileno) ops.fd = wire_fd;
    Py_XDECREF(fileno);
    PyErr_Clear();
    rill_wire *wire;
    h->kind = PY_WIRE;
    h->extra = Py_NewRef_(end);
    Py_INCREF(o);
    py_gil_keep();
    int rc = rill_wire_new(&wire, &ops, o, NULL);
    py_gil_kept();
    if (rc < 0) {
        Py_CLEAR(h->extra);
        Py_DECREF(o);
        return py_raise(rc);
    }
    h->ptr = ((py_wire *)o)->ready = wire;
    return Py_NewRef_(Py_None);
}

static PyObject *wire_ready(PyObject *o, PyObject *unused)
{
    (void)unused;
    if (((py_wire *)o)->ready) rill_wire_ready(((py_wire *)o)->ready);
    return Py_NewRef_(Py_None);
}

static PyObject *wire_end(PyObject *o, PyObject *unused)
{
    (void)unused;
    int rc = py_handle_close((py_handle *)o, 0);
    return PY_CHECK(rc);
}

static PyMethodDef methods[] = {
    {"_open", wire_open, METH_O, NULL},
    {"ready", wire_ready, METH_NOARGS, "Look: read() has something, or write() has room."},
    {"close", wire_end, METH_NOARGS, "Close a wire that was given to nobody."},
    {NULL, NULL, 0, NULL},
};
PY_HANDLE_GETSET(getset);

int py_wire_init(PyObject *module)
{
    return py_handle_type(module, "rill._rill.Wire", sizeof(py_wire), PY_WIRE, methods, getset);
}
