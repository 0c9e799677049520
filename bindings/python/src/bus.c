/* SPDX-License-Identifier: Apache-2.0
 *
 * A bus, and what belongs to it: batches, forwards, buckets. What a bus's callbacks need lies in
 * `extra`, a dict: on_event and dial, its subscriptions with callbacks, the calls that are to be
 * reaped. */
#include "binding.h"

PyObject *py_event_tell(const rill_event *ev)
{
    PyObject *dict = py_record_tell(&py_event, ev);
    PyObject *sub = dict ? py_sub_find(ev->sub) : NULL;
    if (dict && (!sub || PyDict_SetItemString(dict, "sub", sub) < 0)) Py_CLEAR(dict);
    Py_XDECREF(sub);
    return dict;
}

static void bus_on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    py_gil lock;
    (void)bus;
    if (!py_gil_enter(&lock)) return;
    PyObject *fn = PyDict_GetItemString(arg, "on_event");
    Py_XINCREF(fn);
    PyObject *told = fn ? py_event_tell(ev) : NULL; /* the collector may have taken it */
    PyObject *said = told ? PyObject_CallFunctionObjArgs(fn, told, NULL) : NULL;
    if (fn && !said) PyErr_WriteUnraisable(fn);
    Py_XDECREF(told);
    Py_XDECREF(said);
    Py_XDECREF(fn);
    py_gil_leave(&lock);
}

/* dial(address) gives a wire. What it raises is said, and is a server that is not there. */
static int bus_dial(rill_wire **wire, const char *address, void *arg)
{
    py_gil lock;
    *wire = NULL;
    if (!py_gil_enter(&lock)) return RILL_ECLOSED;
    PyObject *fn = Py_NewRef_(PyDict_GetItemString(arg, "dial"));
    PyObject *made = PyObject_CallFunction(fn, "s", address);
    *wire = made ? py_handle_use(made, PY_WIRE) : NULL;
    if (*wire) { /* it is rill's from now on */
        ((py_handle *)made)->ptr = NULL;
        py_handle_done(made);
    } else if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(fn);
    }
    Py_XDECREF(made);
    Py_DECREF(fn);
    py_gil_leave(&lock);
    return *wire ? RILL_OK : RILL_ECONN;
}

/* rill_opts of a dict, whose functions go to `extra`. */
bool py_bus_options(rill_opts *out, PyObject *given, PyObject *keep, PyObject *extra)
{
    PyObject *rest = given && given != Py_None ? PyDict_Copy(given) : PyDict_New();
    bool has[2] = {false, false};
    static const char *const names[] = {"on_event", "dial"};
    bool ok = rest != NULL;
    for (int i = 0; ok && i < 2; i++) {
        PyObject *fn = PyDict_GetItemString(rest, names[i]);
        if (!fn) continue;
        has[i] = fn != Py_None;
        if (has[i] && !PyCallable_Check(fn)) {
            PyErr_Format(PyExc_TypeError, "%s: a function is wanted", names[i]);
            ok = false;
        }
        ok = ok && (!has[i] || PyDict_SetItemString(extra, names[i], fn) == 0) &&
             PyDict_DelItemString(rest, names[i]) == 0;
    }
    ok = ok && py_record_fill(&py_opts, out, rest, keep);
    Py_XDECREF(rest);
    if (!ok) return false;
    if (has[0]) out->on_event = bus_on_event;
    if (has[1]) out->dial = bus_dial;
    out->arg = extra;
    return true;
}

#define PUBLISH_HEAD_BYTES 32 /* what a message is to be counted with besides its data */

typedef struct py_bus {
    py_handle h;
    bool waits; /* a publish may */
    size_t turn_bytes; /* a loop turns it, and publishing as well after so many; 0: nothing does */
    size_t bytes;      /* since it was turned so */
} py_bus;

static PyObject *bus_extra(void) { return Py_BuildValue("{s{}s{}}", "subs", "calls"); }

/* bus._open(url, options) */
static PyObject *bus_open(PyObject *o, PyObject *args)
{
    const char *url;
    PyObject *given = NULL, *first = NULL;
    py_handle *h = (py_handle *)o;
    if (!PyArg_ParseTuple(args, "OO", &first, &given)) return NULL;
    if (!(url = py_text(first, "url"))) return NULL;
    if (h->ptr || h->extra) return py_raise_why(RILL_EBUSY, "it is open already");
    rill_opts opts;
    rill_bus *bus;
    PyObject *keep = PyList_New(0), *extra = bus_extra();
    int rc = RILL_EINVAL;
    bool filled = keep && extra && py_bus_options(&opts, given, keep, extra);
    if (filled) {
        py_gil_drop();
        rc = rill_open(&bus, url, &opts);
        py_gil_take();
        if (rc < 0) py_raise(rc);
    }
    Py_XDECREF(keep);
    if (rc < 0) {
        Py_XDECREF(extra);
        return NULL;
    }
    ((py_bus *)o)->waits = opts.send_timeout_ms != 0;
    h->kind = PY_BUS;
    h->extra = extra;
    h->ptr = bus;
    return Py_NewRef_(Py_None);
}

/* broker.c has opened it. Takes `extra`. */
void *py_bus_adopt(rill_bus *bus, PyObject *self, PyObject *extra)
{
    py_handle *h = (py_handle *)self;
    h->kind = PY_BUS;
    h->extra = extra;
    h->ptr = bus;
    ((py_bus *)self)->waits = true;
    return h;
}

static PyObject *bus_close(PyObject *o, PyObject *args)
{
    PyObject *seconds = NULL;
    int ms = 0;
    if (!PyArg_ParseTuple(args, "O:close", &seconds) || !py_timeout(seconds, &ms)) return NULL;
    py_handle *h = (py_handle *)o;
    bool open = h->ptr && !h->closing;
    int rc = py_handle_close(h, ms);
    if (rc < 0 && open && h->deferred)
        return py_raise_why(rc, "a call of another thread still runs; it is closed behind that");
    if (rc == RILL_EDEADLK && py_gil_in_callback())
        return py_raise_why(rc, "a callback cannot close what runs it");
    return rc == RILL_ECLOSED ? Py_NewRef_(Py_None) : PY_CHECK(rc);
}

/* ---- Publishing ---- */

/* Fields of rill_post from the keywords of a fast call; NULL and no exception: there are none. */
static PyObject *keywords(PyObject *const *args, PyObject *names)
{
    Py_ssize_t n = names ? PyTuple_Size(names) : 0;
    PyObject *dict = n ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; dict && i < n; i++)
        if (PyDict_SetItem(dict, PyTuple_GetItem(names, i), args[i]) < 0) Py_CLEAR(dict);
    return dict;
}

/* A loop that publishes much before it goes on has its server wait for the first of it, and then
 * waits for its server. So what has been put together leaves meanwhile, without waiting. What a
 * turn has to say, the loop's next one says, too. */
static void publish_turn(py_bus *self, size_t bytes)
{
    self->bytes += bytes;
    if (self->bytes < self->turn_bytes || py_gil_in_callback()) return;
    self->bytes = 0;
    (void)rill_poll(self->h.ptr, 0);
}

/* The interpreter's lock stays where a publish does not wait: to give it up would cost more than
 * the call does. */
static int publish(py_bus *self, const char *subject, const py_data *d, const rill_post *post)
{
    if (self->waits) py_gil_drop();
    else py_gil_keep();
    int rc = rill_publish(self->h.ptr, subject, d->ptr, d->len, post);
    if (rc >= 0 && self->turn_bytes) publish_turn(self, d->len + PUBLISH_HEAD_BYTES);
    if (self->waits) py_gil_take();
    else py_gil_kept();
    return rc;
}

static PyObject *bus_publish(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError, "publish() takes a subject and data");
    const char *subject = py_text(args[0], "subject");
    PyObject *fields = NULL, *keep = NULL, *answer = NULL;
    py_data data = {0};
    rill_post post;
    if (!subject || !py_handle_use(o, PY_BUS)) return NULL;
    if (names) {
        fields = keywords(args + nargs, names);
        keep = PyList_New(0);
    }
    bool ok = !names || (keep && !PyErr_Occurred() &&
                         py_record_fill(&py_post, &post, fields, keep));
    if (ok && py_data_get(&data, nargs > 1 ? args[1] : NULL)) {
        int rc = publish((py_bus *)o, subject, &data, names ? &post : NULL);
        answer = PY_CHECK(rc);
    }
    py_data_end(&data);
    Py_XDECREF(fields);
    Py_XDECREF(keep);
    py_handle_done(o);
    return answer;
}

/* Each of a sequence, to one subject: one call for all of them. */
static PyObject *bus_publish_all(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    const char *subject = nargs == 2 ? py_text(args[0], "subject") : NULL;
    if (!subject) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "publish_all() takes a subject and a sequence");
        return NULL;
    }
    PyObject *all = PySequence_Tuple(args[1]);
    if (!all) return NULL;
    int rc = RILL_OK;
    bool open = py_handle_use(o, PY_BUS) != NULL, ok = open;
    Py_ssize_t n = PyTuple_Size(all), sent = 0;
    for (; ok && rc >= 0 && sent < n; sent += ok && rc >= 0) {
        py_data data;
        ok = py_data_get(&data, PyTuple_GetItem(all, sent));
        if (ok) rc = publish((py_bus *)o, subject, &data, NULL);
        py_data_end(&data);
    }
    Py_DECREF(all);
    if (ok && rc < 0) py_raise(rc);
    if (open) py_handle_done(o);
    return ok && rc >= 0 ? PyLong_FromSsize_t(sent) : NULL;
}

/* ---- Many in one call ---- */

typedef struct parts { /* what is to go; all of it is looked at before the first goes */
    rill_str *data;
    py_data *held; /* of those whose bytes another object might move; NULL: there are none */
    size_t nheld;
} parts;

/* What was raised says of which element it is. An exception that a program's own object raised
 * stays as it is. */
static void part_wrong(size_t i)
{
    PyObject *kind, *value, *trace;
    bool text = PyErr_ExceptionMatches(PyExc_UnicodeError);
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    PyObject *as = text ? PyExc_ValueError : kind;
    if (as != PyExc_TypeError && as != PyExc_BufferError && as != PyExc_ValueError) {
        PyErr_Restore(kind, value, trace);
        return;
    }
    PyErr_Format(as, "data[%zu]: %S", i, value);
    Py_XDECREF(kind);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}

static bool part_take(parts *p, PyObject *from, size_t i, size_t n)
{
    py_data plain, *d = &plain;
    if (PyObject_CheckBuffer(from) && !PyBytes_Check(from)) {
        if (!p->held && !(p->held = PyMem_Calloc(n - i, sizeof *p->held))) {
            PyErr_NoMemory();
            return false;
        }
        d = &p->held[p->nheld++];
    }
    if (!py_data_get(d, from)) {
        part_wrong(i);
        return false;
    }
    p->data[i] = (rill_str){d->ptr, d->len};
    return true;
}

static bool parts_take(parts *p, PyObject *all, size_t n)
{
    if (!(p->data = PyMem_Calloc(n ? n : 1, sizeof *p->data))) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!part_take(p, PyTuple_GetItem(all, (Py_ssize_t)i), i, n)) return false;
    return true;
}

static void parts_end(parts *p)
{
    for (size_t i = 0; i < p->nheld; i++) py_data_end(&p->held[i]);
    PyMem_Free(p->held);
    PyMem_Free(p->data);
}

/* Those that go before the bus is turned, which is as often as by publish(). */
static size_t parts_piece(const py_bus *self, const rill_str *data, size_t n, size_t *bytes)
{
    size_t piece = 0;
    *bytes = 0;
    while (piece < n && (piece == 0 || self->bytes + *bytes < self->turn_bytes))
        *bytes += data[piece++].len + PUBLISH_HEAD_BYTES;
    return piece;
}

/* Returns how many went, or an error if none did. The interpreter's lock is as in publish(). */
static Py_ssize_t publish_parts(py_bus *self, const char *subject, const rill_str *data, size_t n)
{
    size_t done = 0, piece, bytes = 0;
    int rc;
    if (self->waits) py_gil_drop();
    else py_gil_keep();
    do {
        piece = self->turn_bytes ? parts_piece(self, data + done, n - done, &bytes) : n - done;
        rc = rill_publish_many(self->h.ptr, subject, data + done, piece);
        if (rc > 0) done += (size_t)rc;
        if (rc > 0 && self->turn_bytes) publish_turn(self, bytes);
    } while (done < n && rc > 0 && (size_t)rc == piece);
    if (self->waits) py_gil_take();
    else py_gil_kept();
    return done > 0 || rc >= 0 ? (Py_ssize_t)done : rc;
}

static PyObject *bus_publish_many(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || PyUnicode_Check(args[1]) || PyBytes_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "publish_many() takes a subject and a sequence");
    const char *subject = py_text(args[0], "subject");
    PyObject *all = subject ? PySequence_Tuple(args[1]) : NULL, *answer = NULL;
    parts p = {0};
    if (!all) return NULL;
    size_t n = (size_t)PyTuple_Size(all);
    if (parts_take(&p, all, n) && py_handle_use(o, PY_BUS)) {
        Py_ssize_t went = publish_parts((py_bus *)o, subject, p.data, n);
        answer = went < 0 ? py_raise((int)went) : PyLong_FromSsize_t(went);
        py_handle_done(o);
    }
    parts_end(&p);
    Py_DECREF(all);
    return answer;
}

/* ---- A loop of the program's own ---- */

/* bus._turns(bytes): publishing turns the bus, too, each time that so many have been published. */
static PyObject *bus_turns(PyObject *o, PyObject *arg)
{
    size_t bytes = PyLong_AsSize_t(arg);
    if (PyErr_Occurred()) return NULL;
    ((py_bus *)o)->turn_bytes = bytes;
    return Py_NewRef_(Py_None);
}

static PyObject *bus_fd(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_bus *bus = py_handle_use(o, PY_BUS);
    if (!bus) return NULL;
    int rc = rill_fd(bus);
    py_handle_done(o);
    return rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
}

static PyObject *bus_wait_ms(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_bus *bus = py_handle_use(o, PY_BUS);
    if (!bus) return NULL;
    int rc = rill_wait_ms(bus);
    py_handle_done(o);
    return rc < -1 ? py_raise(rc) : PyLong_FromLong(rc);
}

#define SLICE_MS 100 /* so often a wait looks whether a signal has come, or the bus is to close */

typedef int turn_fn(rill_bus *bus, int timeout_ms, void *arg); /* returns `none` if nothing came */

/* Turn the bus until something comes, in slices. *raised: an exception is set. */
static int bus_turn(PyObject *o, turn_fn *fn, void *arg, int timeout_ms, int none, bool *raised)
{
    rill_bus *bus = ((py_handle *)o)->ptr;
    int rc = none;
    *raised = false;
    if (!timeout_ms) {
        py_gil_keep();
        rc = fn(bus, 0, arg);
        py_gil_kept();
    }
    int64_t left = timeout_ms < 0 ? INT64_MAX : timeout_ms;
    while (timeout_ms && rc == none && left > 0) {
        int slice = left < SLICE_MS ? (int)left : SLICE_MS;
        py_gil_drop();
        rc = fn(bus, slice, arg);
        py_gil_take();
        left -= slice;
        *raised = rc == none && PyErr_CheckSignals() < 0;
        if (*raised || ((py_handle *)o)->closing) break;
    }
    return rc;
}

/* A call leaves the bus, which may close it; its exception stays. */
static void bus_done(PyObject *o)
{
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    py_handle_done(o);
    PyErr_Restore(kind, value, trace);
}

static int turn_poll(rill_bus *bus, int timeout_ms, void *arg)
{
    (void)arg;
    return rill_poll(bus, timeout_ms);
}

static PyObject *bus_poll(PyObject *o, PyObject *args)
{
    PyObject *seconds = NULL;
    int ms = 0;
    if (!PyArg_ParseTuple(args, "|O:poll", &seconds) || (seconds && !py_timeout(seconds, &ms)))
        return NULL;
    bool raised;
    if (!py_handle_use(o, PY_BUS)) return NULL;
    int rc = bus_turn(o, turn_poll, NULL, ms, 0, &raised);
    PyObject *answer = raised ? NULL : rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
    bus_done(o);
    return answer;
}

/* ---- Reaping ---- */

static const char reaped_name[] = "rill_reaped";
static void reaped_end(PyObject *capsule)
{
    rill_reaped *reaped = PyCapsule_GetPointer(capsule, reaped_name);
    py_gil_drop();
    rill_reaped_free(reaped);
    py_gil_take();
}

typedef struct reaping {
    size_t max;
    rill_reaped *out;
} reaping;

static int turn_reap(rill_bus *bus, int timeout_ms, void *arg)
{
    return rill_reap(bus, &((reaping *)arg)->out, ((reaping *)arg)->max, timeout_ms);
}

/* bus._reap(max, timeout): a list of (kind, about, error, value). */
static PyObject *bus_reap(PyObject *o, PyObject *args)
{
    PyObject *seconds = NULL;
    unsigned max = 4096;
    int ms = 0;
    if (!PyArg_ParseTuple(args, "IO", &max, &seconds) || !py_timeout(seconds, &ms)) return NULL;
    bool raised;
    if (!py_handle_use(o, PY_BUS)) return NULL;
    reaping r = {.max = max};
    int rc = bus_turn(o, turn_reap, &r, ms, RILL_ETIMEDOUT, &raised);
    rill_reaped *reaped = r.out;
    bool none = rc == RILL_ETIMEDOUT || rc == RILL_EAGAIN;
    PyObject *list = raised ? NULL : rc < 0 && !none ? py_raise(rc) : PyList_New(0);
    if (rc > 0 && !list) rill_reaped_free(reaped);
    PyObject *batch = rc > 0 && list ? PyCapsule_New(reaped, reaped_name, reaped_end) : NULL;
    for (size_t i = 0; batch && list && i < reaped->n; i++) {
        PyObject *item = py_verb_item(o, reaped->items[i], batch);
        if (!item || PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    Py_XDECREF(batch);
    bus_done(o);
    return list;
}

static PyObject *bus_caps(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_bus *bus = py_handle_use(o, PY_BUS);
    if (!bus) return NULL;
    uint32_t caps = rill_caps(bus);
    py_handle_done(o);
    return PyLong_FromUnsignedLong(caps);
}

static PyObject *bus_stats(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_bus *bus = py_handle_use(o, PY_BUS);
    if (!bus) return NULL;
    rill_stats stats = {.size = sizeof stats};
    int rc = rill_bus_stats(bus, &stats);
    py_handle_done(o);
    return rc < 0 ? py_raise(rc) : py_record_tell(&py_stats, &stats);
}

static PyObject *bus_inbox(PyObject *o, PyObject *unused)
{
    (void)unused;
    rill_bus *bus = py_handle_use(o, PY_BUS);
    if (!bus) return NULL;
    char text[RILL_SUBJECT_MAX + 1];
    int rc = rill_inbox(bus, text, sizeof text);
    py_handle_done(o);
    return rc < 0 ? py_raise(rc) : py_str(text, (size_t)rc);
}

/* ---- Batches and forwards ---- */

static PyObject *bus_batch(PyObject *o, PyObject *fields)
{
    rill_batch_opts opts;
    rill_batch *batch = NULL;
    PyObject *keep = PyList_New(0);
    bool ok = keep && py_record_fill(&py_batch_opts, &opts, fields, keep);
    Py_XDECREF(keep);
    rill_bus *bus = ok ? py_handle_use(o, PY_BUS) : NULL;
    if (!bus) return NULL;
    int rc = rill_batch_begin(bus, &batch, &opts);
    if (rc < 0) py_raise(rc);
    py_handle *h = rc < 0 ? NULL : py_handle_new(py_class[PY_BATCH], PY_BATCH, o);
    if (h) h->ptr = batch;
    else if (rc >= 0) rill_batch_close(batch);
    py_handle_done(o);
    return (PyObject *)h;
}

static PyObject *batch_add(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError, "add() takes a subject and data");
    const char *subject = py_text(args[0], "subject");
    rill_batch *batch = subject ? py_handle_use(o, PY_BATCH) : NULL;
    if (!batch) return NULL;
    PyObject *fields = keywords(args + nargs, names), *keep = names ? PyList_New(0) : NULL;
    PyObject *answer = NULL;
    py_data data = {0};
    rill_post post;
    bool ok = !names || (keep && !PyErr_Occurred() &&
                         py_record_fill(&py_post, &post, fields, keep));
    if (ok && py_data_get(&data, nargs > 1 ? args[1] : NULL)) {
        int rc = rill_batch_add(batch, subject, data.ptr, data.len, names ? &post : NULL);
        answer = PY_CHECK(rc);
    }
    py_data_end(&data);
    Py_XDECREF(fields);
    Py_XDECREF(keep);
    py_handle_done(o);
    return answer;
}

static PyObject *handle_close(PyObject *o, PyObject *unused)
{
    (void)unused;
    int rc = py_handle_close((py_handle *)o, 0);
    return PY_CHECK(rc);
}

/* bus._forward(stream, to, into, options) */
static PyObject *bus_forward(PyObject *o, PyObject *args)
{
    PyObject *stream, *to, *into, *fields;
    if (!PyArg_ParseTuple(args, "OOOO", &stream, &to, &into, &fields)) return NULL;
    const char *from_name = py_text(stream, "stream"), *to_name = from_name ? py_text(into, "into")
                                                                            : NULL;
    rill_forward_opts opts;
    PyObject *keep = to_name ? PyList_New(0) : NULL;
    bool ok = keep && py_record_fill(&py_forward_opts, &opts, fields, keep);
    rill_bus *from = ok ? py_handle_use(o, PY_BUS) : NULL;
    rill_bus *there = from ? py_handle_use(to, PY_BUS) : NULL;
    py_handle *h = there ? py_handle_new(py_class[PY_FORWARD], PY_FORWARD, o) : NULL;
    if (h) {
        rill_forward *forward;
        h->extra = Py_NewRef_(to);
        py_gil_drop();
        int rc = rill_forward_open(&forward, from, from_name, there, to_name, &opts);
        py_gil_take();
        if (rc < 0) {
            py_raise(rc);
            Py_CLEAR(h);
        } else {
            h->ptr = forward;
        }
    }
    Py_XDECREF(keep);
    if (from) py_handle_done(o);
    if (there) py_handle_done(to);
    return (PyObject *)h;
}

PY_HANDLE_GETSET(getset);
static PyMethodDef methods[] = {
    {"_open", bus_open, METH_VARARGS, NULL},
    {"_close", bus_close, METH_VARARGS, NULL},
    {"_ask", PY_FN(py_verb_ask), METH_FASTCALL, NULL},
    {"_start", PY_FN(py_verb_start), METH_FASTCALL, NULL},
    {"_reap", bus_reap, METH_VARARGS, NULL},
    {"_batch", bus_batch, METH_O, NULL},
    {"_forward", bus_forward, METH_VARARGS, NULL},
    {"_check", py_care_check, METH_O, NULL},
    {"_stats", bus_stats, METH_NOARGS, NULL},
    {"publish", PY_FN(bus_publish), METH_FASTCALL | METH_KEYWORDS,
     "Send and forget; keywords are of rill_post."},
    {"publish_all", PY_FN(bus_publish_all), METH_FASTCALL,
     "Send each of a sequence to one subject; returns how many."},
    {"publish_many", PY_FN(bus_publish_many), METH_FASTCALL,
     "The same in one call of rill's, which costs less where they go to a server; returns how many "
     "went, fewer when one of them cannot go: the call for the rest says why."},
    {"fd", bus_fd, METH_NOARGS, "To be watched for reading, of a bus with Drive.HOST or reap."},
    {"wait_ms", bus_wait_ms, METH_NOARGS, "Sleep at most so long; -1: no bound."},
    {"_turns", bus_turns, METH_O, "Publishing turns it as well, each time after so many bytes."},
    {"poll", bus_poll, METH_VARARGS, "Run what is due; returns how many callbacks that were."},
    {"caps", bus_caps, METH_NOARGS, "What this peer can do: Can."},
    {"inbox", bus_inbox, METH_NOARGS, "A subject of one's own."},
    {NULL, NULL, 0, NULL},
};
static PyMethodDef batch_methods[] = {
    {"add", PY_FN(batch_add), METH_FASTCALL | METH_KEYWORDS,
     "One more message; keywords are of rill_post."},
    {"close", handle_close, METH_NOARGS, "What was not sent is dropped."},
    {NULL, NULL, 0, NULL},
};
static PyMethodDef kv_methods[] = {{"close", handle_close, METH_NOARGS, NULL},
                                   {NULL, NULL, 0, NULL}};
static PyMethodDef objs_methods[] = {{"close", handle_close, METH_NOARGS, NULL},
                                     {"_put", py_obj_put, METH_VARARGS, NULL},
                                     {"_get", py_obj_get, METH_VARARGS, NULL},
                                     {NULL, NULL, 0, NULL}};
static PyMethodDef forward_methods[] = {{"_close", bus_close, METH_VARARGS, NULL},
                                        {NULL, NULL, 0, NULL}};

int py_bus_init(PyObject *m)
{
    size_t plain = sizeof(py_handle);
    if (py_handle_type(m, "rill._rill.Bus", sizeof(py_bus), PY_BUS, methods, getset) < 0) return -1;
    if (py_handle_type(m, "rill._rill.Batch", plain, PY_BATCH, batch_methods, getset) < 0)
        return -1;
    if (py_handle_type(m, "rill._rill.KV", plain, PY_KV, kv_methods, getset) < 0) return -1;
    if (py_handle_type(m, "rill._rill.Objects", plain, PY_OBJS, objs_methods, getset) < 0)
        return -1;
    return py_handle_type(m, "rill._rill.Forward", plain, PY_FORWARD, forward_methods, getset);
}
