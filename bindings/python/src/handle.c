/* SPDX-License-Identifier: Apache-2.0
 *
 * What all handles have. */
#include "binding.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

static const char *const kind_names[PY_KINDS] = {"bus",    "subscription", "batch",   "bucket",
                                                 "bucket of objects", "broker", "forward", "wire"};
static PyTypeObject *base_class[PY_KINDS];
PyTypeObject *py_class[PY_KINDS];

/* ---- Errors ---- */

PyObject *py_error(int err, const char *why)
{
    PyObject *errors = PyImport_ImportModule("rill._errors");
    if (!errors) return NULL;
    PyObject *made = PyObject_CallMethod(errors, "make", "is", err, why ? why : "");
    Py_DECREF(errors);
    return made;
}

PyObject *py_raise_why(int err, const char *why)
{
    PyObject *made = py_error(err, why);
    if (!made) return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(made), made);
    Py_DECREF(made);
    return NULL;
}

PyObject *py_raise(int err)
{
    char why[1024];
    snprintf(why, sizeof why, "%s", rill_errmsg()); /* what is imported may call rill */
    return py_raise_why(err, why);
}

bool py_timeout(PyObject *seconds, int *ms)
{
    *ms = -1;
    if (!seconds || seconds == Py_None) return true;
    double s = PyFloat_AsDouble(seconds);
    if (s == -1 && PyErr_Occurred()) return false;
    if (isnan(s)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is None, or a number of seconds");
        return false;
    }
    double up = ceil(s * 1000);
    *ms = up <= 0 ? 0 : up >= INT_MAX ? INT_MAX : (int)up;
    return true;
}

/* ---- Use and closing ---- */

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left_cond = PTHREAD_COND_INITIALIZER;
static uint64_t left_count; /* how often a handle was left that somebody wants to close */

static uint64_t left_seen(void)
{
    pthread_mutex_lock(&left_lock);
    uint64_t seen = left_count;
    pthread_mutex_unlock(&left_lock);
    return seen;
}

static void left_tell(void)
{
    pthread_mutex_lock(&left_lock);
    left_count++;
    pthread_cond_broadcast(&left_cond);
    pthread_mutex_unlock(&left_lock);
}

static bool left_wait(uint64_t seen, const struct timespec *end)
{
    int rc = 0;
    pthread_mutex_lock(&left_lock);
    while (left_count == seen && rc != ETIMEDOUT)
        rc = end ? pthread_cond_timedwait(&left_cond, &left_lock, end)
                 : pthread_cond_wait(&left_cond, &left_lock);
    pthread_mutex_unlock(&left_lock);
    return rc != ETIMEDOUT;
}

static int shut(py_kind kind, void *ptr, int timeout_ms)
{
    switch (kind) {
    case PY_BUS: return rill_close(ptr, timeout_ms);
    case PY_SUB: rill_sub_close(ptr); return RILL_OK;
    case PY_BATCH: rill_batch_close(ptr); return RILL_OK;
    case PY_KV: rill_kv_close(ptr); return RILL_OK;
    case PY_OBJS: rill_objs_close(ptr); return RILL_OK;
    case PY_BROKER: return rill_broker_close(ptr, timeout_ms);
    case PY_FORWARD: return rill_forward_close(ptr, timeout_ms);
    case PY_WIRE: return rill_wire_close(ptr);
    default: return RILL_EINVAL;
    }
}

static int close_now(py_handle *h, int timeout_ms)
{
    void *ptr = h->ptr;
    assert(ptr && !h->busy);
    if (h->kind == PY_SUB) {
        py_sub_known((py_sub *)h, false);
        py_sub_end_loan((py_sub *)h);
    }
    h->ptr = NULL;
    py_gil_drop();
    int rc = shut(h->kind, ptr, timeout_ms);
    py_gil_take();
    PyObject *calls = h->kind == PY_BUS && h->extra && rc != RILL_EDEADLK
                          ? PyDict_GetItemString(h->extra, "calls")
                          : NULL;
    if (calls) PyDict_Clear(calls); /* what nobody has reaped */
    if (rc == RILL_EDEADLK || (rc == RILL_EBUSY && h->kind == PY_WIRE)) {
        h->ptr = ptr;
        h->closing = h->deferred = false;
    }
    return rc;
}

void *py_handle_use(PyObject *o, py_kind kind)
{
    assert(base_class[kind]);
    if (!PyObject_TypeCheck(o, base_class[kind])) {
        PyErr_Format(PyExc_TypeError, "%R is no %s", o, kind_names[kind]);
        return NULL;
    }
    py_handle *h = (py_handle *)o;
    if (!h->ptr || h->closing) {
        char why[64];
        snprintf(why, sizeof why, "the %s is closed", kind_names[kind]);
        return py_raise_why(RILL_ECLOSED, why);
    }
    h->busy++;
    return h->ptr;
}

void py_handle_done(PyObject *o)
{
    py_handle *h = (py_handle *)o;
    assert(h->busy > 0);
    if (--h->busy || !h->closing) return;
    if (h->deferred) (void)close_now(h, 0);
    else left_tell();
}

/* True when nobody is within the handle any more. */
static bool wait_for_users(py_handle *h, int timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    int64_t ns = end.tv_nsec + (int64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
    end.tv_sec += ns / 1000000000;
    end.tv_nsec = ns % 1000000000;
    for (bool more = true; h->busy && more;) {
        uint64_t seen = left_seen();
        py_gil_drop();
        more = left_wait(seen, timeout_ms < 0 ? NULL : &end);
        py_gil_take();
    }
    return !h->busy;
}

int py_handle_close(py_handle *h, int timeout_ms)
{
    if (!h->ptr || h->closing) return RILL_OK;
    bool waits = h->kind == PY_BUS || h->kind == PY_BROKER || h->kind == PY_FORWARD;
    if (h->busy && waits && py_gil_in_callback()) return RILL_EDEADLK;
    h->closing = true;
    if (h->busy && h->kind == PY_SUB) (void)rill_sub_stop(h->ptr); /* a reader wakes up */
    if (h->busy && (!waits || !wait_for_users(h, timeout_ms))) {
        h->deferred = true;
        return waits ? RILL_ETIMEDOUT : RILL_OK;
    }
    return h->ptr ? close_now(h, timeout_ms) : RILL_OK;
}

/* ---- Types ---- */

void *py_handle_new(PyTypeObject *type, py_kind kind, PyObject *bus)
{
    py_handle *h = (py_handle *)PyType_GenericAlloc(type, 0);
    if (!h) return NULL;
    h->kind = kind;
    h->bus = bus;
    Py_XINCREF(bus);
    return h;
}

int py_handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    py_handle *h = (py_handle *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(h->bus);
    Py_VISIT(h->extra);
    return 0;
}

/* `extra` stays: callbacks may need it until the handle is closed. */
int py_handle_clear(PyObject *self)
{
    py_handle *h = (py_handle *)self;
    if (h->kind == PY_BUS && h->extra) { /* its subscriptions with callbacks: closed, so freed */
        PyObject *subs = PyDict_GetItemString(h->extra, "subs");
        if (subs) PyDict_Clear(subs);
    }
    Py_CLEAR(h->bus);
    return 0;
}

/* A bus that a callback of its own has dropped is closed by the main thread. */
static int close_later(void *ptr) { return (void)rill_close(ptr, 0), 0; }

/* Of what the collector has found, this is called before anything of it is cleared: behind it no
 * callback runs any more that would meet a function, or a dict, of which half is gone. */
void py_handle_finalize(PyObject *self)
{
    py_handle *h = (py_handle *)self;
    if (!h->ptr || h->busy) return;
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    h->closing = true;
    (void)close_now(h, 1000);
    PyErr_Restore(kind, value, trace);
}

void py_handle_dealloc(PyObject *self)
{
    py_handle *h = (py_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject *kind, *value, *trace;
    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&kind, &value, &trace);
    assert(!h->busy);
    if (h->ptr && close_now(h, 1000) == RILL_EDEADLK && h->kind == PY_BUS) {
        Py_XINCREF(h->extra); /* its callbacks may need that until then */
        Py_AddPendingCall(close_later, h->ptr);
    }
    PyErr_Restore(kind, value, trace);
    if (h->kind == PY_SUB) {
        free(((py_sub *)self)->lent);
        free(((py_sub *)self)->room);
    }
    Py_CLEAR(h->bus);
    Py_CLEAR(h->extra);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

PyObject *py_handle_closed(PyObject *self, void *unused)
{
    (void)unused;
    py_handle *h = (py_handle *)self;
    return PyBool_FromLong(!h->ptr || h->closing);
}

void py_handle_base(py_kind kind, PyTypeObject *type) { base_class[kind] = py_class[kind] = type; }

PyObject *py_handle_bus(PyObject *self, void *unused)
{
    (void)unused;
    py_handle *h = (py_handle *)self;
    if (!h->ptr || h->closing) return py_raise_why(RILL_ECLOSED, "the handle is closed");
    return Py_NewRef_(h->bus ? h->bus : Py_None);
}

int py_handle_type(PyObject *module, const char *name, size_t size, py_kind kind,
                   PyMethodDef *methods, PyGetSetDef *getset)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, py_handle_dealloc}, {Py_tp_traverse, py_handle_traverse},
        {Py_tp_clear, py_handle_clear},     {Py_tp_methods, methods},
        {Py_tp_getset, getset},             {Py_tp_finalize, py_handle_finalize},
        {0, NULL},
    };
    PyType_Spec spec = {name, (int)size, 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (!type) return -1;
    py_handle_base(kind, (PyTypeObject *)type);
    Py_INCREF(type);
    return PyModule_AddObject(module, strrchr(name, '.') + 1, type);
}
