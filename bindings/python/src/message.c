/* SPDX-License-Identifier: Apache-2.0
 *
 * A message. It is lent, kept (rill_msg_ref) or part of a batch that was reaped; binding.h says
 * when it goes from the first to the second. */
#include "binding.h"

struct py_message {
    PyObject_HEAD
    const rill_msg *m;  /* NULL: it was lent, and there was no memory to keep it */
    bool kept;
    PyObject *batch;    /* what lends it, if that is a batch */
};
PyTypeObject *py_message_class;
static allocfunc message_alloc;
static freefunc message_free;

static py_message *message_new(const rill_msg *m, bool kept, PyObject *batch)
{
    py_message *self = (py_message *)message_alloc(py_message_class, 0);
    if (!self) return NULL;
    self->m = m;
    self->kept = kept;
    self->batch = batch;
    Py_XINCREF(batch);
    return self;
}

PyObject *py_message_lend(const rill_msg *m) { return (PyObject *)message_new(m, false, NULL); }

PyObject *py_message_own(rill_msg *m)
{
    py_message *self = message_new(m, true, NULL);
    if (!self) rill_msg_unref(m);
    return (PyObject *)self;
}

PyObject *py_message_part(const rill_msg *m, PyObject *batch)
{
    return (PyObject *)message_new(m, false, batch);
}

static void message_keep(py_message *self)
{
    if (self->kept || self->batch || !self->m) return;
    self->m = rill_msg_ref(self->m);
    self->kept = self->m != NULL;
}

void py_message_end(PyObject *o)
{
    py_message *self = (py_message *)o;
    if (Py_REFCNT(o) > 1) message_keep(self);
    else if (!self->kept) self->m = NULL;
    Py_DECREF(o);
}

static void message_dealloc(PyObject *o)
{
    py_message *self = (py_message *)o;
    PyTypeObject *type = Py_TYPE(o);
    if (self->kept) { /* the last one of a broker ends it, and its thread */
        py_gil_drop();
        rill_msg_unref((rill_msg *)(uintptr_t)self->m);
        py_gil_take();
    }
    Py_XDECREF(self->batch);
    message_free(o);
    Py_DECREF(type);
}

const rill_msg *py_message_get(PyObject *o)
{
    if (Py_TYPE(o) != py_message_class) {
        PyErr_Format(PyExc_TypeError, "%R is no message", o);
        return NULL;
    }
    const rill_msg *m = ((py_message *)o)->m;
    if (!m) py_raise_why(RILL_ENOMEM, "the message could not be kept beyond its loan");
    return m;
}

/* ---- What it has ---- */

#define GET(name, value)                                      \
    static PyObject *get_##name(PyObject *self, void *unused) \
    {                                                         \
        (void)unused;                                         \
        const rill_msg *m = py_message_get(self);             \
        return m ? (value) : NULL;                            \
    }
GET(subject, py_str(m->subject.ptr, m->subject.len))
GET(reply_to, py_str(m->reply.ptr, m->reply.len))
GET(data, PyBytes_FromStringAndSize(m->data.ptr, (Py_ssize_t)m->data.len))
GET(time_ns, PyLong_FromLongLong(m->time_ns))
GET(deliveries, PyLong_FromUnsignedLong(m->deliveries))
GET(seq, PyLong_FromUnsignedLongLong(m->seq))
GET(pending, PyLong_FromUnsignedLongLong(m->pending))
GET(stream, py_str(m->stream.ptr, m->stream.len))
GET(key, py_str(m->key.ptr, m->key.len))
GET(flags, PyLong_FromUnsignedLong(m->flags))
GET(partition, PyLong_FromUnsignedLong(m->partition))
GET(deleted, PyBool_FromLong(m->flags & RILL_MSG_DELETED))
GET(caught_up, PyBool_FromLong(m->flags & RILL_MSG_CAUGHT_UP))

static PyObject *get_view(PyObject *self, void *unused)
{
    (void)unused;
    return PyMemoryView_FromObject(self);
}

static PyObject *get_headers(PyObject *self, void *unused)
{
    (void)unused;
    const rill_msg *m = py_message_get(self);
    PyObject *list = m ? PyList_New(0) : NULL;
    for (uint32_t i = 0; list && i < m->nheaders; i++) {
        rill_header h = rill_header_at(m, i);
        PyObject *name = py_str(h.name.ptr, h.name.len), *value = py_str(h.value.ptr, h.value.len);
        PyObject *pair = name && value ? PyTuple_Pack(2, name, value) : NULL;
        if (!pair || PyList_Append(list, pair) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
        Py_XDECREF(value);
        Py_XDECREF(pair);
    }
    return list;
}

static int message_buffer(PyObject *self, Py_buffer *view, int flags)
{
    view->obj = NULL;
    if (!py_message_get(self)) return -1;
    message_keep((py_message *)self);
    const rill_msg *m = py_message_get(self);
    if (!m) return -1;
    return PyBuffer_FillInfo(view, self, (void *)(uintptr_t)m->data.ptr, (Py_ssize_t)m->data.len, 1,
                             flags);
}

static Py_ssize_t message_length(PyObject *self)
{
    const rill_msg *m = py_message_get(self);
    return m ? (Py_ssize_t)m->data.len : -1;
}

static int message_true(PyObject *self)
{
    (void)self;
    return 1; /* an empty message is one, too */
}

static PyObject *message_repr(PyObject *self)
{
    const rill_msg *m = ((py_message *)self)->m;
    if (!m) return PyUnicode_FromString("<rill.Message that is gone>");
    PyObject *subject = py_str(m->subject.ptr, m->subject.len);
    PyObject *text = subject ? PyUnicode_FromFormat("<rill.Message %R, %zu bytes>", subject,
                                                    m->data.len) : NULL;
    Py_XDECREF(subject);
    return text;
}

/* ---- What is done with it ---- */

static PyObject *do_header(PyObject *self, PyObject *name)
{
    const rill_msg *m = py_message_get(self);
    const char *text = m ? py_text(name, "header") : NULL;
    rill_str value;
    if (!text) return NULL;
    int rc = rill_header_get(m, text, &value);
    if (rc < 0) return py_raise(rc);
    return rc ? py_str(value.ptr, value.len) : Py_NewRef_(Py_None);
}

typedef int settle_fn(const rill_msg *m);
static PyObject *settle(PyObject *self, settle_fn *fn)
{
    const rill_msg *m = py_message_get(self);
    if (!m) return NULL;
    py_gil_keep();
    int rc = fn(m);
    py_gil_kept();
    return PY_CHECK(rc);
}

static PyObject *do_ack(PyObject *self, PyObject *unused)
{
    return (void)unused, settle(self, rill_ack);
}

static PyObject *do_term(PyObject *self, PyObject *unused)
{
    return (void)unused, settle(self, rill_term);
}

static PyObject *do_working(PyObject *self, PyObject *unused)
{
    return (void)unused, settle(self, rill_working);
}

static PyObject *do_nak(PyObject *self, PyObject *args)
{
    PyObject *delay = NULL;
    int ms = 0;
    const rill_msg *m = py_message_get(self);
    if (!m || !PyArg_ParseTuple(args, "|O:nak", &delay) || (delay && !py_timeout(delay, &ms)))
        return NULL;
    py_gil_keep();
    int rc = rill_nak(m, ms < 0 ? UINT32_MAX : (uint32_t)ms);
    py_gil_kept();
    return PY_CHECK(rc);
}

static PyObject *do_reply(PyObject *self, PyObject *args, PyObject *fields)
{
    PyObject *given = NULL;
    const rill_msg *m = py_message_get(self);
    if (!m || !PyArg_ParseTuple(args, "|O:reply", &given)) return NULL;
    PyObject *keep = PyList_New(0);
    rill_post post;
    py_data data = {0};
    PyObject *answer = NULL;
    if (keep && py_record_fill(&py_post, &post, fields, keep) && py_data_get(&data, given)) {
        py_gil_keep();
        int rc = rill_reply(m, data.ptr, data.len, fields ? &post : NULL);
        py_gil_kept();
        answer = PY_CHECK(rc);
    }
    py_data_end(&data);
    Py_XDECREF(keep);
    return answer;
}

static PyObject *do_told(PyObject *self, PyObject *unused)
{
    (void)unused;
    const rill_msg *m = py_message_get(self);
    rill_obj_info info = {.size = sizeof info};
    if (!m) return NULL;
    int rc = rill_obj_told(m, &info);
    return rc < 0 ? py_raise(rc) : py_record_tell(&py_obj_info, &info);
}

#define G(name) {#name, get_##name, NULL, NULL, NULL}
static PyGetSetDef getset[] = {G(subject), G(reply_to), G(data), G(view), G(time_ns), G(deliveries),
    G(seq), G(pending), G(stream), G(key), G(flags), G(partition), G(deleted), G(caught_up),
    G(headers), {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef methods[] = {
    {"header", do_header, METH_O, "The first value of that header, or None."},
    {"ack", do_ack, METH_NOARGS, "It is done."},
    {"nak", do_nak, METH_VARARGS, "Deliver it again, after so many seconds."},
    {"term", do_term, METH_NOARGS, "Never deliver it again."},
    {"working", do_working, METH_NOARGS, "Its ack_wait begins anew."},
    {"reply", PY_FN(do_reply), METH_VARARGS | METH_KEYWORDS, "Answer; keywords are of rill_post."},
    {"_told", do_told, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int py_message_init(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, message_dealloc}, {Py_tp_getset, getset},
        {Py_tp_methods, methods},         {Py_tp_repr, message_repr},
        {Py_bf_getbuffer, message_buffer}, {Py_mp_length, message_length},
        {Py_nb_bool, message_true},
        {Py_tp_doc, "A message that has come. It stays as long as you hold it."},
        {0, NULL},
    };
    PyType_Spec spec = {"rill.Message", sizeof(py_message), 0,
                        Py_TPFLAGS_DEFAULT
#ifdef Py_TPFLAGS_DISALLOW_INSTANTIATION
                            | Py_TPFLAGS_DISALLOW_INSTANTIATION
#endif
                        , slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (!type) return -1;
    py_message_class = (PyTypeObject *)type;
    message_alloc = (allocfunc)PyType_GetSlot(py_message_class, Py_tp_alloc);
    message_free = (freefunc)PyType_GetSlot(py_message_class, Py_tp_free);
    Py_INCREF(type);
    return PyModule_AddObject(module, "Message", type);
}
