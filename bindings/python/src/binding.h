/* SPDX-License-Identifier: Apache-2.0
 *
 * rill._rill: rill.h for CPython, as types and functions that know nothing of what a program wants.
 * The package beside it (rill/) gives them their idiom.
 *
 *   binding.h   what the files share
 *   gil.c       the interpreter's lock, in calls and in callbacks
 *   handle.c    what all handles have: use, closing, errors
 *   record.c    structs of rill.h, by the names of their fields
 *   message.c   a message, lent or kept
 *   verb.c      whatever is asked: at once, or begun
 *   sub.c bus.c broker.c wire.c login.c care.c   the handles, each with its own calls
 *
 * A handle of Python's may be closed by one thread while another one is within a call of it. So
 * each call counts itself in (py_handle_use) and out, all under the interpreter's lock, and who
 * closes a handle that is in use leaves it to whoever comes out last.
 *
 * Messages are lent by rill_next(), rill_read() and callbacks. A message that nobody but its lender
 * holds when the loan ends goes with it; any other is kept by rill_msg_ref() then, and not before.
 * Who takes a view of the bytes has the message kept at once, since they lie elsewhere then. */
#ifndef RILL_PYTHON_BINDING_H
#define RILL_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define PY_FN(f) ((PyCFunction)(void (*)(void))(f))

/* ---- The interpreter's lock ---- */

typedef struct py_gil { /* of a callback: how it got the lock */
    int held;
} py_gil;
void py_gil_drop(void); /* before a call that may wait ... */
void py_gil_take(void); /* ... and behind it */
/* Around a call that does not wait, and may run callbacks on this thread. */
void py_gil_keep(void);
void py_gil_kept(void);
/* A callback begins; false: the interpreter ends, and nothing of it may be used. */
bool py_gil_enter(py_gil *g);
void py_gil_leave(py_gil *g);
bool py_gil_in_callback(void);
void py_gil_finish(void); /* no callback enters any more */

/* ---- Handles ---- */

typedef enum py_kind {
    PY_BUS, PY_SUB, PY_BATCH, PY_KV, PY_OBJS, PY_BROKER, PY_FORWARD, PY_WIRE, PY_KINDS
} py_kind;

typedef struct py_handle {
    PyObject_HEAD
    void *ptr;        /* of rill's; NULL: closed */
    PyObject *bus;    /* what it belongs to, and keeps open */
    PyObject *extra;  /* what its callbacks need */
    py_kind kind;
    unsigned busy;    /* calls that are within it */
    bool closing;     /* no new call is let in */
    bool deferred;    /* whoever leaves last closes it */
} py_handle;

extern PyTypeObject *py_class[PY_KINDS];  /* that C makes: the package's own */
void *py_handle_new(PyTypeObject *type, py_kind kind, PyObject *bus);
/* Is it open, and of that kind? Counts this call in, and returns rill's handle; NULL: an exception
 * is set. */
void *py_handle_use(PyObject *o, py_kind kind);
void py_handle_done(PyObject *o);
/* Close it. Returns what rill_close() does; only a bus, a broker and a forward wait. */
int py_handle_close(py_handle *h, int timeout_ms);
void py_handle_finalize(PyObject *self);
void py_handle_dealloc(PyObject *self);
int py_handle_traverse(PyObject *self, visitproc visit, void *arg);
int py_handle_clear(PyObject *self);
PyObject *py_handle_bus(PyObject *self, void *unused);
PyObject *py_handle_closed(PyObject *self, void *unused);
void py_handle_base(py_kind kind, PyTypeObject *type);
int py_handle_type(PyObject *module, const char *name, size_t size, py_kind kind,
                   PyMethodDef *methods, PyGetSetDef *getset);

PyObject *py_raise(int err);                        /* with rill_errmsg(); NULL */
PyObject *py_raise_why(int err, const char *why);   /* the same with that sentence */
PyObject *py_error(int err, const char *why);       /* the exception itself */
#define PY_CHECK(rc) ((rc) < 0 ? py_raise(rc) : Py_NewRef_(Py_None))
static inline PyObject *Py_NewRef_(PyObject *o)
{
    Py_INCREF(o);
    return o;
}
#define PY_HANDLE_GETSET(name)                                      \
    static PyGetSetDef name[] = {{"closed", py_handle_closed, NULL, NULL, NULL}, \
                                 {"_bus", py_handle_bus, NULL, NULL, NULL},      \
                                 {NULL, NULL, NULL, NULL, NULL}}
/* None: for ever; seconds otherwise. False: an exception is set. */
bool py_timeout(PyObject *seconds, int *ms);

/* ---- Structs and data ---- */

typedef struct py_record py_record;
extern const py_record py_opts, py_tls, py_post, py_batch_opts, py_sub_opts, py_at, py_stream_opts,
    py_purge_opts, py_forward_opts, py_bucket_opts, py_kv_opts, py_broker_opts, py_listen_opts,
    py_stats, py_receipt, py_sub_info, py_stream_info, py_group_info, py_forward_info, py_obj_info,
    py_user, py_login, py_broker_info, py_conn_info, py_conn_sub, py_event, py_damage;
/* Fill `out` from a dict (NULL or None: nothing is given) by the names of fields. `keep` is a list
 * that holds what is pointed to. False: an exception is set. */
bool py_record_fill(const py_record *r, void *out, PyObject *from, PyObject *keep);
PyObject *py_record_tell(const py_record *r, const void *from);  /* a dict */
/* The same without what is 0: as options that can be given again. */
PyObject *py_record_given(const py_record *r, const void *from);
PyObject *py_record_names(const py_record *r);
const char *py_record_name(const py_record *r);

typedef struct py_data { /* bytes that a program gave */
    const void *ptr;
    size_t len;
    Py_buffer view;
} py_data;
bool py_data_get(py_data *d, PyObject *from);  /* a str as UTF-8, or whatever has bytes */
void py_data_end(py_data *d);
const char *py_text(PyObject *from, const char *what);  /* as long as `from`; NULL: exception */
PyObject *py_str(const char *ptr, size_t len);

/* ---- Messages ---- */

typedef struct py_message py_message;
extern PyTypeObject *py_message_class;
PyObject *py_message_lend(const rill_msg *m);       /* until py_message_end() */
void py_message_end(PyObject *self);                /* the loan is over; takes the reference */
PyObject *py_message_own(rill_msg *m);              /* takes `m`, also when it fails */
PyObject *py_message_part(const rill_msg *m, PyObject *batch);  /* lent as long as that */
const rill_msg *py_message_get(PyObject *self);     /* NULL: an exception is set */
int py_message_init(PyObject *module);

/* ---- Calls ---- */

typedef struct py_sub {
    py_handle h;
    PyObject **lent;       /* messages of the last read */
    const rill_msg **room; /* as many as `cap`, as is `lent` */
    size_t nlent, cap;
    bool reading;
    bool stored;           /* its messages are handed out, one for each rill_next() */
    bool auto_ack;
} py_sub;
void py_sub_on_msg(rill_sub *sub, const rill_msg *m, void *arg);
void py_sub_end_loan(py_sub *self);
void py_sub_known(py_sub *self, bool known);
PyObject *py_sub_find(const rill_sub *sub); /* a new reference, None if it is not there */
int py_sub_init(PyObject *module);

PyObject *py_event_tell(const rill_event *ev);
PyObject *py_verb_ask(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *py_verb_start(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *py_verb_item(PyObject *bus, const rill_item *item, PyObject *batch);
int py_verb_init(PyObject *module);
int py_bus_init(PyObject *module);
void *py_bus_adopt(rill_bus *bus, PyObject *self, PyObject *extra);
bool py_bus_options(rill_opts *out, PyObject *given, PyObject *keep, PyObject *extra);
int py_broker_init(PyObject *module);
int py_login_init(PyObject *module);
bool py_login_take(rill_broker_opts *opts, PyObject **given, PyObject *fns);
int py_wire_init(PyObject *module);
PyObject *py_wire_dial(void);
PyObject *py_care_check(PyObject *self, PyObject *fn);
PyObject *py_care_salvage(PyObject *module, PyObject *args);
PyObject *py_obj_put(PyObject *self, PyObject *args);
PyObject *py_obj_get(PyObject *self, PyObject *args);

#endif
