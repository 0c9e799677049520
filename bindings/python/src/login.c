/* SPDX-License-Identifier: Apache-2.0
 *
 * Who logs in to a broker, where a function of Python's decides that. A login is answered once; one
 * that is dropped without an answer is refused, and so is one whose function raises. */
#include "binding.h"

typedef struct py_login_obj {
    PyObject_HEAD
    const rill_login *login; /* NULL: it is answered */
    PyObject *fields;
} py_login_obj;
static PyTypeObject *login_class;

static int answer(py_login_obj *self, const rill_user *as, const char *why)
{
    py_gil_keep();
    int rc = rill_login_answer(self->login, as, why);
    py_gil_kept();
    if (rc >= 0) self->login = NULL;
    return rc;
}

static void login_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    py_login_obj *self = (py_login_obj *)o;
    if (self->login) (void)answer(self, NULL, "the program gave no answer");
    Py_XDECREF(self->fields);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

static void on_login(const rill_login *login, void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) {
        (void)rill_login_answer(login, NULL, "the program ends");
        return;
    }
    PyObject *fn = Py_NewRef_(arg);
    py_login_obj *self = (py_login_obj *)PyType_GenericAlloc(login_class, 0);
    if (self) {
        self->login = login;
        self->fields = py_record_tell(&py_login, login);
    } else {
        (void)rill_login_answer(login, NULL, "out of memory");
    }
    PyObject *said = self && self->fields ? PyObject_CallFunctionObjArgs(fn, self, NULL) : NULL;
    if (!said) PyErr_WriteUnraisable(fn);
    if (!said && self && self->login) (void)answer(self, NULL, "the program's function has failed");
    Py_XDECREF(said);
    Py_XDECREF((PyObject *)self);
    Py_DECREF(fn);
    py_gil_leave(&lock);
}

/* Takes on_login out of `*given`, which is a copy then; `fns` keeps the function. */
bool py_login_take(rill_broker_opts *opts, PyObject **given, PyObject *fns)
{
    PyObject *fn = PyDict_Check(*given) ? PyDict_GetItemString(*given, "on_login") : NULL;
    if (!fn) return true;
    PyObject *rest = PyDict_Copy(*given);
    bool ok = rest && PyDict_DelItemString(rest, "on_login") == 0;
    if (ok && fn != Py_None && !PyCallable_Check(fn)) {
        PyErr_SetString(PyExc_TypeError, "on_login: a function is wanted");
        ok = false;
    } else if (ok && fn != Py_None) {
        ok = PyList_Append(fns, fn) == 0;
        opts->on_login = on_login;
        opts->on_login_arg = fn;
    }
    Py_DECREF(*given);
    *given = rest;
    return ok;
}

/* login.answer(user=None, why=None): `user` is a dict of rill_user; None: he is refused. */
static PyObject *login_answer(PyObject *o, PyObject *args)
{
    PyObject *given = Py_None;
    const char *why = NULL;
    py_login_obj *self = (py_login_obj *)o;
    if (!PyArg_ParseTuple(args, "|Oz:answer", &given, &why)) return NULL;
    if (!self->login) return py_raise_why(RILL_EINVAL, "this login has had its answer");
    PyObject *keep = PyList_New(0);
    rill_user user;
    PyObject *done = NULL;
    if (keep && py_record_fill(&py_user, &user, given, keep)) {
        int rc = answer(self, given == Py_None ? NULL : &user, why);
        done = PY_CHECK(rc);
    }
    Py_XDECREF(keep);
    return done;
}

static PyObject *login_get(PyObject *o, void *name)
{
    PyObject *fields = ((py_login_obj *)o)->fields;
    PyObject *value = fields ? PyDict_GetItemString(fields, name) : NULL;
    return Py_NewRef_(value ? value : Py_None);
}

#define G(name) {#name, login_get, NULL, NULL, #name}
static PyGetSetDef getset[] = {G(peer), G(client), G(user), G(password), G(token), G(nkey),
                               G(encrypted), G(certificate), {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef methods[] = {
    {"answer", login_answer, METH_VARARGS, "Who he is, as a dict of rill_user; None: refused."},
    {NULL, NULL, 0, NULL},
};

int py_login_init(PyObject *module)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, login_dealloc}, {Py_tp_methods, methods},
                           {Py_tp_getset, getset},
                           {Py_tp_doc, "A client that wants to log in."}, {0, NULL}};
    PyType_Spec spec = {"rill.Login", sizeof(py_login_obj), 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (!type) return -1;
    login_class = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Login", type);
}
