/* SPDX-License-Identifier: Apache-2.0
 *
 * The module itself: its types, and what belongs to no handle. */
#include "binding.h"

static PyObject *module_errname(PyObject *m, PyObject *code)
{
    (void)m;
    long err = PyLong_AsLong(code);
    return PyErr_Occurred() ? NULL : PyUnicode_FromString(rill_errname((int)err));
}

static PyObject *module_strerror(PyObject *m, PyObject *code)
{
    (void)m;
    long err = PyLong_AsLong(code);
    return PyErr_Occurred() ? NULL : PyUnicode_FromString(rill_strerror((int)err));
}

static PyObject *module_version(PyObject *m, PyObject *unused)
{
    (void)m, (void)unused;
    return Py_BuildValue("(II)", (unsigned)rill_version(), (unsigned)RILL_VERSION);
}

/* use("Bus", class): what C makes of that kind is of the package's class. */
static PyObject *module_use(PyObject *m, PyObject *args)
{
    static const char *const names[PY_KINDS] = {"Bus", "Sub", "Batch", "KV", "Objects", "Broker",
                                                "Forward", "Wire"};
    const char *name;
    PyObject *type;
    (void)m;
    if (!PyArg_ParseTuple(args, "sO!", &name, &PyType_Type, &type)) return NULL;
    for (int i = 0; i < PY_KINDS; i++) {
        if (strcmp(names[i], name)) continue;
        if (!PyType_IsSubtype((PyTypeObject *)type, py_class[i])) break;
        py_class[i] = (PyTypeObject *)Py_NewRef_(type);
        return Py_NewRef_(Py_None);
    }
    return PyErr_Format(PyExc_TypeError, "%s: no such class", name);
}

static PyObject *module_timeout(PyObject *m, PyObject *seconds)
{
    int ms;
    (void)m;
    return py_timeout(seconds, &ms) ? PyLong_FromLong(ms) : NULL;
}

static PyObject *module_finish(PyObject *m, PyObject *unused)
{
    (void)m, (void)unused;
    py_gil_finish();
    return Py_NewRef_(Py_None);
}

/* {struct: [its fields]}, for the test that compares them with rill.h. */
static PyObject *module_fields(PyObject *m, PyObject *unused)
{
    static const py_record *const all[] = {
        &py_opts, &py_tls, &py_post, &py_batch_opts, &py_sub_opts, &py_at, &py_stream_opts,
        &py_purge_opts, &py_forward_opts, &py_bucket_opts, &py_kv_opts, &py_broker_opts, &py_login,
        &py_listen_opts, &py_stats, &py_receipt, &py_sub_info, &py_stream_info, &py_group_info,
        &py_forward_info, &py_obj_info, &py_broker_info, &py_conn_info, &py_conn_sub, &py_event,
        &py_damage};
    (void)m, (void)unused;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < sizeof all / sizeof *all; i++) {
        PyObject *names = py_record_names(all[i]);
        if (!names || PyDict_SetItemString(dict, py_record_name(all[i]), names) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(names);
    }
    return dict;
}

static PyMethodDef methods[] = {
    {"errname", module_errname, METH_O, NULL},   {"strerror", module_strerror, METH_O, NULL},
    {"version", module_version, METH_NOARGS, NULL}, {"use", module_use, METH_VARARGS, NULL},
    {"timeout_ms", module_timeout, METH_O, NULL},
    {"finish", module_finish, METH_NOARGS, NULL}, {"fields", module_fields, METH_NOARGS, NULL},
    {"salvage", py_care_salvage, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rill._rill", NULL, -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__rill(void)
{
    PyObject *m = PyModule_Create(&definition);
    if (m && py_message_init(m) == 0 && py_sub_init(m) == 0 && py_verb_init(m) == 0 &&
        py_bus_init(m) == 0 && py_broker_init(m) == 0 && py_login_init(m) == 0 &&
        py_wire_init(m) == 0)
        return m;
    Py_XDECREF(m);
    return NULL;
}
