/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker in this process. */
#include "binding.h"

typedef struct filled { /* options of a call */
    PyObject *keep;
    union {
        rill_broker_opts broker;
        rill_listen_opts listen;
    } of;
} filled;

static bool fill(filled *f, const py_record *r, PyObject *fields)
{
    f->keep = PyList_New(0);
    return f->keep && py_record_fill(r, &f->of, fields, f->keep);
}

/* The functions that were given as on_login stay in `extra` as long as the broker. */
static bool broker_fill(py_handle *h, filled *f, PyObject *fields)
{
    f->keep = NULL;
    if (!h->extra && !(h->extra = PyList_New(0))) return false;
    rill_broker_opts login = {.size = sizeof login};
    PyObject *rest = Py_NewRef_(fields);
    bool ok = py_login_take(&login, &rest, h->extra) && fill(f, &py_broker_opts, rest);
    Py_XDECREF(rest);
    f->of.broker.on_login = login.on_login;
    f->of.broker.on_login_arg = login.on_login_arg;
    return ok;
}

static PyObject *broker_open(PyObject *o, PyObject *fields)
{
    py_handle *h = (py_handle *)o;
    filled f;
    rill_broker *broker;
    if (h->ptr) return py_raise_why(RILL_EBUSY, "it is open already");
    bool ok = broker_fill(h, &f, fields);
    int rc = RILL_OK;
    if (ok) {
        py_gil_drop();
        rc = rill_broker_open(&broker, &f.of.broker);
        py_gil_take();
        if (rc < 0) py_raise(rc);
    }
    Py_XDECREF(f.keep);
    if (!ok || rc < 0) return NULL;
    h->kind = PY_BROKER;
    h->closing = h->deferred = false;
    h->ptr = broker;
    return Py_NewRef_(Py_None);
}

static PyObject *broker_close(PyObject *o, PyObject *args)
{
    PyObject *seconds = NULL;
    int ms = 0;
    if (!PyArg_ParseTuple(args, "O:close", &seconds) || !py_timeout(seconds, &ms)) return NULL;
    int rc = py_handle_close((py_handle *)o, ms);
    return rc == RILL_ECLOSED ? Py_NewRef_(Py_None) : PY_CHECK(rc);
}

/* broker._listen(url, options): the port. */
static PyObject *broker_listen(PyObject *o, PyObject *args)
{
    PyObject *url, *fields;
    filled f = {.keep = NULL};
    if (!PyArg_ParseTuple(args, "OO", &url, &fields)) return NULL;
    const char *text = py_text(url, "url");
    bool ok = text && fill(&f, &py_listen_opts, fields);
    rill_broker *broker = ok ? py_handle_use(o, PY_BROKER) : NULL;
    int rc = RILL_OK;
    if (broker) {
        py_gil_drop();
        rc = rill_broker_listen(broker, text, &f.of.listen);
        py_gil_take();
        if (rc < 0) py_raise(rc);
        py_handle_done(o);
    }
    Py_XDECREF(f.keep);
    return broker && rc >= 0 ? PyLong_FromLong(rc) : NULL;
}

static PyObject *broker_reload(PyObject *o, PyObject *fields)
{
    filled f = {.keep = NULL};
    bool ok = broker_fill((py_handle *)o, &f, fields);
    rill_broker *broker = ok ? py_handle_use(o, PY_BROKER) : NULL;
    int rc = RILL_OK;
    if (broker) {
        py_gil_drop();
        rc = rill_broker_reload(broker, &f.of.broker);
        py_gil_take();
        if (rc < 0) py_raise(rc);
        py_handle_done(o);
    }
    Py_XDECREF(f.keep);
    return broker && rc >= 0 ? Py_NewRef_(Py_None) : NULL;
}

/* broker._accept(url, wire): the wire is the broker's then. */
static PyObject *broker_accept(PyObject *o, PyObject *args)
{
    PyObject *url, *wire;
    if (!PyArg_ParseTuple(args, "OO", &url, &wire)) return NULL;
    const char *text = py_text(url, "url");
    rill_broker *broker = text ? py_handle_use(o, PY_BROKER) : NULL;
    if (!broker) return NULL;
    rill_wire *ptr = py_handle_use(wire, PY_WIRE);
    int rc = RILL_OK;
    if (ptr) {
        ((py_handle *)wire)->ptr = NULL;
        py_handle_done(wire);
        py_gil_drop();
        rc = rill_broker_accept(broker, text, ptr);
        py_gil_take();
        if (rc < 0) py_raise(rc);
    }
    py_handle_done(o);
    return ptr && rc >= 0 ? Py_NewRef_(Py_None) : NULL;
}

/* broker._bus(bus, options): opens `bus`, which is new. */
static PyObject *broker_bus(PyObject *o, PyObject *args)
{
    PyObject *self, *given;
    if (!PyArg_ParseTuple(args, "OO", &self, &given)) return NULL;
    if (!PyObject_TypeCheck(self, py_class[PY_BUS]) || ((py_handle *)self)->extra)
        return PyErr_Format(PyExc_TypeError, "%R is no new bus", self);
    rill_opts opts;
    rill_bus *bus = NULL;
    PyObject *keep = PyList_New(0), *extra = Py_BuildValue("{s{}s{}}", "subs", "calls");
    bool ok = keep && extra && py_bus_options(&opts, given, keep, extra);
    rill_broker *broker = ok ? py_handle_use(o, PY_BROKER) : NULL;
    if (broker) {
        py_gil_drop();
        int rc = rill_broker_bus(broker, &bus, &opts);
        py_gil_take();
        if (rc < 0) py_raise(rc);
        py_handle_done(o);
    }
    Py_XDECREF(keep);
    if (bus) return py_bus_adopt(bus, self, extra), Py_NewRef_(Py_None);
    Py_XDECREF(extra);
    return NULL;
}

static PyObject *broker_lame_duck(PyObject *o, PyObject *args)
{
    unsigned grace, duration;
    if (!PyArg_ParseTuple(args, "II", &grace, &duration)) return NULL;
    rill_broker *broker = py_handle_use(o, PY_BROKER);
    if (!broker) return NULL;
    int rc = rill_broker_lame_duck(broker, grace, duration);
    py_handle_done(o);
    return PY_CHECK(rc);
}

static PyObject *broker_stats(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_broker *broker = py_handle_use(o, PY_BROKER);
    if (!broker) return NULL;
    rill_stats stats = {.size = sizeof stats};
    int rc = rill_broker_stats(broker, &stats);
    py_handle_done(o);
    return rc < 0 ? py_raise(rc) : py_record_tell(&py_stats, &stats);
}

static PyObject *broker_about(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_broker *broker = py_handle_use(o, PY_BROKER);
    if (!broker) return NULL;
    rill_broker_info info = {.size = sizeof info};
    int rc = rill_broker_about(broker, &info);
    PyObject *told = rc < 0 ? py_raise(rc) : py_record_tell(&py_broker_info, &info);
    py_handle_done(o);
    return told;
}

typedef struct listing {
    PyObject *list;
    bool raised;
} listing;

static int listed(listing *l, const py_record *r, const void *from)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return 1;
    PyObject *one = py_record_tell(r, from);
    l->raised = !one || PyList_Append(l->list, one) < 0;
    Py_XDECREF(one);
    py_gil_leave(&lock);
    return l->raised;
}

static int conn_listed(const rill_conn_info *c, void *arg) { return listed(arg, &py_conn_info, c); }
static int sub_listed(const rill_conn_sub *s, void *arg) { return listed(arg, &py_conn_sub, s); }

static PyObject *listing_end(listing *l, PyObject *broker, int rc)
{
    py_handle_done(broker);
    if (!l->raised && rc >= 0) return l->list;
    Py_XDECREF(l->list);
    return l->raised ? NULL : py_raise(rc);
}

static PyObject *broker_conns(PyObject *o, PyObject *args)
{
    unsigned long long after = 0;
    if (!PyArg_ParseTuple(args, "K", &after)) return NULL;
    listing l = {PyList_New(0), false};
    rill_broker *broker = l.list ? py_handle_use(o, PY_BROKER) : NULL;
    if (!broker) return Py_XDECREF(l.list), NULL;
    py_gil_drop();
    int rc = rill_broker_conns(broker, RILL_OPTS(rill_conns_opts, .after = after), conn_listed, &l);
    py_gil_take();
    return listing_end(&l, o, rc);
}

/* broker._subs(conn, matches, skip, max): (list, how many there are). */
static PyObject *broker_subs(PyObject *o, PyObject *args)
{
    unsigned long long conn, skip, max;
    const char *matches;
    uint64_t total = 0;
    if (!PyArg_ParseTuple(args, "KzKK", &conn, &matches, &skip, &max)) return NULL;
    listing l = {PyList_New(0), false};
    rill_broker *broker = l.list ? py_handle_use(o, PY_BROKER) : NULL;
    if (!broker) return Py_XDECREF(l.list), NULL;
    py_gil_drop();
    int rc = rill_broker_subs(broker, RILL_OPTS(rill_conn_subs_opts, .conn = conn,
                                                .matches = matches, .skip = skip, .max = max),
                              sub_listed, &l, &total);
    py_gil_take();
    PyObject *list = listing_end(&l, o, rc);
    return list ? Py_BuildValue("(NK)", list, (unsigned long long)total) : NULL;
}

static PyMethodDef methods[] = {
    {"_open", broker_open, METH_O, NULL},       {"_close", broker_close, METH_VARARGS, NULL},
    {"_listen", broker_listen, METH_VARARGS, NULL}, {"_reload", broker_reload, METH_O, NULL},
    {"_accept", broker_accept, METH_VARARGS, NULL}, {"_bus", broker_bus, METH_VARARGS, NULL},
    {"_lame_duck", broker_lame_duck, METH_VARARGS, NULL},
    {"_stats", broker_stats, METH_NOARGS, NULL}, {"_about", broker_about, METH_NOARGS, NULL},
    {"_conns", broker_conns, METH_VARARGS, NULL}, {"_subs", broker_subs, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef getset[] = {{"closed", py_handle_closed, NULL, NULL, NULL},
                               {NULL, NULL, NULL, NULL, NULL}};

int py_broker_init(PyObject *m)
{
    return py_handle_type(m, "rill._rill.Broker", sizeof(py_handle), PY_BROKER, methods, getset);
}
