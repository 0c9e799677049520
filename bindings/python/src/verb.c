/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever is asked. A call is a dict of the fields of rill_call, the same for who waits (ask) and
 * for who does not (start), and what it brings is made by one function from the item that
 * rill_start() has, which ask() fills itself. */
#include "binding.h"

typedef struct asked { /* a call, with room for all that it points to */
    rill_call call;
    union { /* a verb has one of these at most, but for a post */
        rill_sub_opts sub_opts;
        rill_stream_opts stream_opts;
        rill_bucket_opts bucket_opts;
        rill_kv_opts kv_opts;
        rill_purge_opts purge_opts;
        rill_at at;
        rill_post post;
    } room;
    PyObject *bus, *keep;
    PyObject *used[6];  /* handles that this call is within */
    int nused;
    py_data data;
    py_sub *sub;        /* that it will open */
} asked;

typedef struct got { /* what a call that was waited for has brought, besides its item */
    rill_item item;
    rill_receipt receipt;
    rill_sub_info sub_info;
    rill_stream_info stream_info;
    rill_group_info group_info;
    rill_forward_info forward_info;
    rill_obj_info obj_info;
    rill_msg *msg;
    PyObject *list; /* of a listing */
    bool raised;    /* within one */
} got;

typedef struct begun { /* an object: a call that was started, and the `arg` of its end */
    PyObject_HEAD
    PyObject *done, *bus;
    py_sub *sub;
    PyObject *used[6];
    int nused;
    int verb;
} begun;
static PyTypeObject *begun_class;

/* ---- Its arguments ---- */

typedef struct part {
    const char *name;
    size_t at;
    py_kind kind;
    const py_record *record;
} part;
#define HANDLE(name, kind) {#name, offsetof(rill_call, name), kind, NULL}
#define OPTIONS(name) {#name, offsetof(rill_call, name), PY_KINDS, &py_##name}
static const part parts[] = {
    HANDLE(sub, PY_SUB), HANDLE(kv, PY_KV), HANDLE(objs, PY_OBJS), HANDLE(to, PY_OBJS),
    HANDLE(batch, PY_BATCH), HANDLE(forward, PY_FORWARD), OPTIONS(post), OPTIONS(sub_opts),
    OPTIONS(stream_opts), OPTIONS(bucket_opts), OPTIONS(kv_opts), OPTIONS(purge_opts), OPTIONS(at),
    {"name", offsetof(rill_call, name), PY_KINDS, NULL},
    {"group", offsetof(rill_call, group), PY_KINDS, NULL}};

static bool part_fill(asked *a, const char *name, PyObject *v)
{
    if (!strcmp(name, "data")) {
        if (!py_data_get(&a->data, v)) return false;
        a->call.data = a->data.ptr;
        a->call.len = a->data.len;
        return true;
    }
    if (!strcmp(name, "time_ns")) {
        a->call.time_ns = PyLong_AsLongLong(v);
        return !PyErr_Occurred();
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const part *p = &parts[i];
        void **at = (void **)((char *)&a->call + p->at);
        if (strcmp(p->name, name)) continue;
        if (p->record) return *at = &a->room, py_record_fill(p->record, &a->room, v, a->keep);
        if (p->kind == PY_KINDS) return (*at = (void *)(uintptr_t)py_text(v, name)) != NULL;
        if (!(*at = py_handle_use(v, p->kind))) return false;
        Py_INCREF(v);
        a->used[a->nused++] = v;
        return true;
    }
    PyErr_Format(PyExc_TypeError, "a call has no %s", name);
    return false;
}

/* Options of a subscription, whose callback is a function of Python's. */
static bool sub_fill(asked *a, PyObject *opts)
{
    a->sub = py_handle_new(py_class[PY_SUB], PY_SUB, a->bus);
    if (!a->sub) return false;
    if (!opts || opts == Py_None) opts = NULL;
    PyObject *fn = opts && PyDict_Check(opts) ? PyDict_GetItemString(opts, "on_msg") : NULL;
    PyObject *rest = fn ? PyDict_Copy(opts) : opts ? Py_NewRef_(opts) : PyDict_New();
    bool ok = rest && (!fn || PyDict_DelItemString(rest, "on_msg") == 0) &&
              py_record_fill(&py_sub_opts, &a->room.sub_opts, rest, a->keep);
    Py_XDECREF(rest);
    if (ok && fn && fn != Py_None && !PyCallable_Check(fn)) {
        PyErr_SetString(PyExc_TypeError, "on_msg: a function is wanted");
        return false;
    }
    if (ok && fn && fn != Py_None) {
        a->sub->h.extra = Py_NewRef_(fn);
        a->room.sub_opts.on_msg = py_sub_on_msg;
    }
    a->room.sub_opts.arg = a->sub;
    a->sub->auto_ack = a->room.sub_opts.ack == RILL_ACK_AUTO;
    a->sub->stored = a->call.verb == RILL_DO_CONSUME;
    a->call.sub_opts = &a->room.sub_opts;
    return ok;
}

static bool opens_sub(int verb)
{
    return verb == RILL_DO_SUBSCRIBE || verb == RILL_DO_CONSUME || verb == RILL_DO_TAIL ||
           verb == RILL_DO_KV_WATCH || verb == RILL_DO_OBJ_WATCH;
}

static void asked_end(asked *a)
{
    for (int i = 0; i < a->nused; i++) {
        py_handle_done(a->used[i]);
        Py_DECREF(a->used[i]);
    }
    a->nused = 0;
    Py_CLEAR(a->sub);
    Py_CLEAR(a->keep);
    py_data_end(&a->data);
}

static bool asked_fill(asked *a, PyObject *bus, PyObject *const *args, Py_ssize_t nargs)
{
    *a = (asked){.bus = bus, .call.size = sizeof a->call};
    if (nargs < 3 || !PyDict_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "a call is a verb, a timeout and a dict");
        return false;
    }
    a->call.verb = (rill_verb)PyLong_AsLong(args[0]);
    a->call.timeout_ms = (int32_t)PyLong_AsLong(args[1]);
    if (PyErr_Occurred() || !(a->keep = PyList_New(0))) return false;
    if (!py_handle_use(bus, PY_BUS)) return false;
    Py_INCREF(bus);
    a->used[a->nused++] = bus;
    PyObject *name, *value;
    for (Py_ssize_t i = 0; PyDict_Next(args[2], &i, &name, &value);) {
        const char *text = py_text(name, "a field");
        if (!text) return false;
        if (value == Py_None) continue;
        if (!strcmp(text, "sub_opts") && opens_sub(a->call.verb)) continue;
        if (!part_fill(a, text, value)) return false;
    }
    return !opens_sub(a->call.verb) || sub_fill(a, PyDict_GetItemString(args[2], "sub_opts"));
}

/* ---- What it brings ---- */

static PyObject *open_handle(py_kind kind, PyObject *bus, void *ptr)
{
    py_handle *h = py_handle_new(py_class[kind], kind, bus);
    if (h) h->ptr = ptr;
    else if (kind == PY_KV) rill_kv_close(ptr);
    else rill_objs_close(ptr);
    return (PyObject *)h;
}

static PyObject *open_sub(py_sub *sub, PyObject *bus, rill_sub *ptr)
{
    sub->h.ptr = ptr;
    py_sub_known(sub, true);
    PyObject *subs = PyDict_GetItemString(((py_handle *)bus)->extra, "subs");
    if (sub->h.extra && subs) { /* it lives as long as its bus, unless it is closed */
        PyObject *id = PyLong_FromVoidPtr(ptr);
        if (!id || PyDict_SetItem(subs, id, (PyObject *)sub) < 0) PyErr_Clear();
        Py_XDECREF(id);
    }
    return Py_NewRef_((PyObject *)sub);
}

static PyObject *tell_desc(const rill_stream_desc *d)
{
    PyObject *opts = py_record_given(&py_stream_opts, d->opts);
    PyObject *info = py_record_tell(&py_stream_info, d->info);
    PyObject *made = opts && info ? Py_BuildValue("(sOO)", d->name, opts, info) : NULL;
    Py_XDECREF(opts);
    Py_XDECREF(info);
    return made;
}

static PyObject *tell_list(int verb, const rill_item *item)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < item->n; i++) {
        PyObject *one = item->names  ? py_str(item->names[i].ptr, item->names[i].len)
                        : item->msgs ? py_message_own(rill_msg_ref(item->msgs[i]))
                                     : tell_desc(item->descs[i]);
        if (!one || PyList_Append(list, one) < 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    (void)verb;
    return list;
}

/* `item` has no error. */
static PyObject *brings(int verb, const rill_item *item, py_sub *sub, PyObject *bus)
{
    switch (verb) {
    case RILL_DO_SUBSCRIBE:
    case RILL_DO_CONSUME:
    case RILL_DO_TAIL:
    case RILL_DO_KV_WATCH:
    case RILL_DO_OBJ_WATCH: return open_sub(sub, bus, item->sub);
    case RILL_DO_KV_OPEN: return open_handle(PY_KV, bus, item->kv);
    case RILL_DO_OBJS_OPEN: return open_handle(PY_OBJS, bus, item->objs);
    case RILL_DO_APPEND:
    case RILL_DO_BATCH_COMMIT: return py_record_tell(&py_receipt, item->receipt);
    case RILL_DO_SUB_STATUS: return py_record_tell(&py_sub_info, item->sub_info);
    case RILL_DO_STREAM_STATUS: return py_record_tell(&py_stream_info, item->stream_info);
    case RILL_DO_GROUP_STATUS: return py_record_tell(&py_group_info, item->group_info);
    case RILL_DO_FORWARD_STATUS: return py_record_tell(&py_forward_info, item->forward_info);
    case RILL_DO_OBJ_STATUS: return py_record_tell(&py_obj_info, item->obj_info);
    case RILL_DO_OBJ_GET:
        return PyBytes_FromStringAndSize(item->data.ptr, (Py_ssize_t)item->data.len);
    case RILL_DO_STREAM_EACH:
    case RILL_DO_STREAM_DESCRIBE:
    case RILL_DO_GROUP_EACH:
    case RILL_DO_KV_EACH:
    case RILL_DO_KV_HISTORY:
    case RILL_DO_OBJ_EACH: return tell_list(verb, item);
    case RILL_DO_STREAM_ENSURE:
    case RILL_DO_GROUP_ENSURE: return PyBool_FromLong(item->count != 0);
    case RILL_DO_STREAM_PURGE:
    case RILL_DO_KV_PUT:
    case RILL_DO_KV_CREATE:
    case RILL_DO_STORE_CHECK: return PyLong_FromUnsignedLongLong(item->count);
    default: break;
    }
    if (!item->msg) return Py_NewRef_(Py_None);
    rill_msg *own = rill_msg_ref(item->msg);
    return own ? py_message_own(own) : PyErr_NoMemory();
}

/* ---- Asked, and waited for ---- */

static int add(got *g, PyObject *one)
{
    int rc = one ? PyList_Append(g->list, one) : -1;
    Py_XDECREF(one);
    if (rc < 0) g->raised = true;
    return rc < 0;
}

static int add_name(const char *name, void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return 1;
    int ends = add(arg, py_str(name, strlen(name)));
    py_gil_leave(&lock);
    return ends;
}

static int add_desc(const rill_stream_desc *desc, void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return 1;
    int ends = add(arg, tell_desc(desc));
    py_gil_leave(&lock);
    return ends;
}

static int add_revision(const rill_msg *m, void *arg)
{
    py_gil lock;
    if (!py_gil_enter(&lock)) return 1;
    rill_msg *own = rill_msg_ref(m);
    int ends = add(arg, own ? py_message_own(own) : PyErr_NoMemory());
    py_gil_leave(&lock);
    return ends;
}

static int counted(got *g, int rc)
{
    if (rc >= 0) g->item.count = (uint64_t)rc;
    return rc;
}

static int ask_kv(const rill_call *c, rill_bus *bus, got *g)
{
    uint64_t *count = &g->item.count;
    switch (c->verb) {
    case RILL_DO_KV_OPEN: return rill_kv_open(bus, &g->item.kv, c->name, c->bucket_opts);
    case RILL_DO_KV_PUT: return rill_kv_put(c->kv, c->name, c->data, c->len, c->kv_opts, count);
    case RILL_DO_KV_CREATE:
        return rill_kv_create(c->kv, c->name, c->data, c->len, c->kv_opts, count);
    case RILL_DO_KV_GET: return rill_kv_get(c->kv, c->name, &g->msg);
    case RILL_DO_KV_DELETE: return rill_kv_delete(c->kv, c->name, c->kv_opts);
    case RILL_DO_KV_PURGE: return rill_kv_purge(c->kv, c->name, c->kv_opts);
    case RILL_DO_KV_EACH: return rill_kv_each(c->kv, c->name, add_name, g);
    case RILL_DO_KV_HISTORY: return rill_kv_history(c->kv, c->name, add_revision, g);
    case RILL_DO_KV_WATCH: return rill_kv_watch(c->kv, &g->item.sub, c->sub_opts);
    case RILL_DO_OBJS_OPEN: return rill_objs_open(bus, &g->item.objs, c->name, c->bucket_opts);
    case RILL_DO_OBJS_SEAL: return rill_objs_seal(c->objs);
    case RILL_DO_OBJ_STATUS: return rill_obj_status(c->objs, c->name, &g->obj_info);
    case RILL_DO_OBJ_DELETE: return rill_obj_delete(c->objs, c->name);
    case RILL_DO_OBJ_LINK: return rill_obj_link(c->objs, c->name, c->to, c->group);
    case RILL_DO_OBJ_EACH: return rill_obj_each(c->objs, add_name, g);
    case RILL_DO_OBJ_WATCH: return rill_obj_watch(c->objs, &g->item.sub, c->sub_opts);
    case RILL_DO_STORE_SNAPSHOT: return rill_store_snapshot(bus, c->name);
    default: return RILL_EINVAL;
    }
}

static int ask_stream(const rill_call *c, rill_bus *bus, got *g)
{
    switch (c->verb) {
    case RILL_DO_STREAM_ENSURE: return counted(g, rill_stream_ensure(bus, c->name, c->stream_opts));
    case RILL_DO_STREAM_DELETE: return rill_stream_delete(bus, c->name);
    case RILL_DO_STREAM_STATUS: return rill_stream_status(bus, c->name, &g->stream_info);
    case RILL_DO_STREAM_EACH: return rill_stream_each(bus, add_name, g);
    case RILL_DO_STREAM_DESCRIBE: return rill_stream_describe(bus, c->name, add_desc, g);
    case RILL_DO_STREAM_PURGE:
        return rill_stream_purge(bus, c->name, c->purge_opts, &g->item.count);
    case RILL_DO_STREAM_GET: return rill_stream_get(bus, c->name, c->at, &g->msg);
    case RILL_DO_STREAM_ERASE: return rill_stream_erase(bus, c->name, c->at);
    case RILL_DO_GROUP_ENSURE:
        return counted(g, rill_group_ensure(bus, c->name, c->group, c->sub_opts));
    case RILL_DO_GROUP_STATUS: return rill_group_status(bus, c->name, c->group, &g->group_info);
    case RILL_DO_GROUP_EACH: return rill_group_each(bus, c->name, add_name, g);
    case RILL_DO_GROUP_SEEK: return rill_group_seek(bus, c->name, c->group, c->at);
    case RILL_DO_GROUP_PAUSE: return rill_group_pause(bus, c->name, c->group, c->time_ns);
    case RILL_DO_GROUP_DELETE: return rill_group_delete(bus, c->name, c->group);
    default: return ask_kv(c, bus, g);
    }
}

static int ask(const rill_call *c, rill_bus *bus, got *g)
{
    int ms = c->timeout_ms;
    switch (c->verb) {
    case RILL_DO_APPEND:
        return rill_append(bus, c->name, c->data, c->len, c->post, &g->receipt, ms);
    case RILL_DO_REQUEST: return rill_request(bus, c->name, c->data, c->len, c->post, &g->msg, ms);
    case RILL_DO_JETSTREAM_ASK:
        return rill_jetstream_ask(bus, c->name, c->data, c->len, &g->msg, ms);
    case RILL_DO_FLUSH: return rill_flush(bus, ms);
    case RILL_DO_DRAIN: return rill_drain(bus, ms);
    case RILL_DO_BATCH_COMMIT: return rill_batch_commit(c->batch, &g->receipt, ms);
    case RILL_DO_SUBSCRIBE: return rill_subscribe(bus, &g->item.sub, c->name, c->sub_opts);
    case RILL_DO_CONSUME: return rill_consume(bus, &g->item.sub, c->name, c->sub_opts);
    case RILL_DO_TAIL: return rill_tail(bus, &g->item.sub, c->name, c->sub_opts);
    case RILL_DO_SEEK: return rill_seek(c->sub, c->at);
    case RILL_DO_SUB_STATUS: return rill_sub_status(c->sub, &g->sub_info);
    case RILL_DO_FORWARD_STATUS: return rill_forward_status(c->forward, &g->forward_info);
    default: return ask_stream(c, bus, g);
    }
}

static bool lists(int verb)
{
    return verb == RILL_DO_STREAM_EACH || verb == RILL_DO_STREAM_DESCRIBE ||
           verb == RILL_DO_GROUP_EACH || verb == RILL_DO_KV_EACH || verb == RILL_DO_KV_HISTORY ||
           verb == RILL_DO_OBJ_EACH;
}

static PyObject *ask_and_tell(asked *a, PyObject *self)
{
    got g = {.receipt.size = sizeof g.receipt, .sub_info.size = sizeof g.sub_info,
             .stream_info.size = sizeof g.stream_info, .group_info.size = sizeof g.group_info,
             .forward_info.size = sizeof g.forward_info, .obj_info.size = sizeof g.obj_info};
    rill_item *item = &g.item;
    item->receipt = &g.receipt, item->sub_info = &g.sub_info;
    item->stream_info = &g.stream_info, item->group_info = &g.group_info;
    item->forward_info = &g.forward_info, item->obj_info = &g.obj_info;
    if (!a->call.data) a->call.data = "";
    if (lists(a->call.verb) && !(g.list = PyList_New(0))) return NULL;
    py_gil_drop();
    int rc = ask(&a->call, ((py_handle *)self)->ptr, &g);
    py_gil_take();
    if (rc < 0 || g.raised) {
        Py_XDECREF(g.list);
        return g.raised ? NULL : py_raise(rc);
    }
    if (g.list) return g.list;
    if (g.msg) return py_message_own(g.msg);
    return brings(a->call.verb, item, a->sub, self);
}

/* A call outlives no bus that it keeps in use, so that self->ptr stays while it is under way. */
PyObject *py_verb_ask(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    asked a;
    PyObject *told = asked_fill(&a, self, args, nargs) ? ask_and_tell(&a, self) : NULL;
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    asked_end(&a);
    PyErr_Restore(kind, value, trace);
    return told;
}

/* ---- Begun ---- */

static void begun_end(begun *b)
{
    int n = b->nused;
    b->nused = 0;
    for (int i = 0; i < n; i++) {
        py_handle_done(b->used[i]);
        Py_DECREF(b->used[i]);
    }
    Py_CLEAR(b->done);
    Py_CLEAR(b->sub);
    Py_CLEAR(b->bus);
}

static void begun_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    begun_end((begun *)o);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

/* (err, value): one of them is None. */
static bool outcome(begun *b, const rill_item *item, PyObject **err, PyObject **value)
{
    *err = item->err < 0 ? py_error(item->err, item->detail) : Py_NewRef_(Py_None);
    *value = item->err < 0 ? Py_NewRef_(Py_None) : brings(b->verb, item, b->sub, b->bus);
    if (*err && *value) return true;
    Py_CLEAR(*err);
    Py_CLEAR(*value);
    return false;
}

/* The end of a call, whose reference to `b` is taken. */
static void begun_done(const rill_item *item, void *arg)
{
    begun *b = arg;
    py_gil lock;
    PyObject *err, *value;
    if (!py_gil_enter(&lock)) return;
    if (outcome(b, item, &err, &value)) {
        PyObject *said = PyObject_CallFunctionObjArgs(b->done, err, value, NULL);
        if (!said) PyErr_WriteUnraisable(b->done);
        Py_XDECREF(said);
        Py_DECREF(err);
        Py_DECREF(value);
    } else {
        PyErr_WriteUnraisable(b->done);
    }
    begun_end(b);
    Py_DECREF((PyObject *)b);
    py_gil_leave(&lock);
}

static void begun_stored(int err, const rill_receipt *receipt, void *arg)
{
    rill_item item = {.kind = RILL_ITEM_DONE, .err = err, .receipt = receipt};
    if (err < 0) item.detail = rill_errmsg();
    begun_done(&item, arg);
}

static void begun_answered(int err, const rill_msg *reply, void *arg)
{
    rill_item item = {.kind = RILL_ITEM_DONE, .err = err, .msg = reply};
    if (err < 0) item.detail = rill_errmsg();
    begun_done(&item, arg);
}

/* What has a form of its own is begun by that. */
static int begin(rill_bus *bus, const rill_call *c, begun *b)
{
    bool reaped = b->done == Py_None;
    if (c->verb == RILL_DO_APPEND && c->timeout_ms < 0)
        return rill_append_async(bus, c->name, c->data, c->len, c->post,
                                 reaped ? NULL : begun_stored, b);
    if (c->verb == RILL_DO_REQUEST && c->timeout_ms)
        return rill_request_async(bus, c->name, c->data, c->len, c->post, c->timeout_ms,
                                  reaped ? NULL : begun_answered, b);
    return rill_start(bus, c, reaped ? NULL : begun_done, b);
}

/* A call that was begun is held until its end: by itself, or, if that is to be reaped, by the bus,
 * whose close is its end, too. */
static bool hold(begun *b)
{
    if (b->done != Py_None) return Py_INCREF((PyObject *)b), true;
    PyObject *id = PyLong_FromVoidPtr(b);
    PyObject *calls = PyDict_GetItemString(((py_handle *)b->bus)->extra, "calls");
    int rc = id && calls ? PyDict_SetItem(calls, id, (PyObject *)b) : -1;
    Py_XDECREF(id);
    return rc == 0;
}

static void let_go(begun *b, PyObject *bus)
{
    if (b->done != Py_None) {
        Py_DECREF((PyObject *)b);
        return;
    }
    PyObject *id = PyLong_FromVoidPtr(b);
    PyObject *calls = PyDict_GetItemString(((py_handle *)bus)->extra, "calls");
    if (!id || !calls || PyDict_DelItem(calls, id) < 0) PyErr_Clear();
    Py_XDECREF(id);
}

/* What is under way does not keep the bus from being closed, which ends it. */
static void leave_bus(begun *b)
{
    assert(b->nused > 0 && b->used[0] == b->bus);
    PyObject *bus = b->used[0];
    b->nused--;
    memmove(b->used, b->used + 1, (size_t)b->nused * sizeof *b->used);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    py_handle_done(bus);
    PyErr_Restore(kind, value, trace);
    Py_DECREF(bus);
}

static bool begin_held(begun *b, PyObject *bus, const rill_call *call)
{
    if (!hold(b)) return false;
    py_gil_keep();
    int rc = begin(((py_handle *)bus)->ptr, call, b);
    py_gil_kept();
    if (b->bus) leave_bus(b);
    if (rc >= 0) return true;
    py_raise(rc);
    let_go(b, bus);
    return false;
}

PyObject *py_verb_start(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    asked a;
    begun *b = NULL;
    if (asked_fill(&a, self, args, nargs) && nargs > 3)
        b = (begun *)PyType_GenericAlloc(begun_class, 0);
    if (b) {
        b->done = Py_NewRef_(args[3]);
        b->bus = Py_NewRef_(self);
        b->verb = a.call.verb;
        b->sub = a.sub, a.sub = NULL;
        memcpy(b->used, a.used, sizeof b->used);
        b->nused = a.nused, a.nused = 0;
        if (!begin_held(b, self, &a.call)) Py_CLEAR(b);
    }
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    asked_end(&a);
    PyErr_Restore(kind, value, trace);
    return (PyObject *)b;
}

static PyObject *begun_cancel(PyObject *self, PyObject *unused)
{
    (void)unused;
    begun *b = (begun *)self;
    if (!b->bus) return PyLong_FromLong(0);
    PyObject *bus = Py_NewRef_(b->bus);
    rill_bus *ptr = py_handle_use(bus, PY_BUS);
    int rc = 0;
    if (ptr) {
        py_gil_keep();
        rc = rill_cancel(ptr, b);
        py_gil_kept();
        py_handle_done(bus);
    }
    Py_DECREF(bus);
    if (!ptr) return NULL;
    return rc < 0 ? py_raise(rc) : PyLong_FromLong(rc);
}

/* ---- Reaped ---- */

/* (kind, object, error, value) of an item. */
PyObject *py_verb_item(PyObject *bus, const rill_item *item, PyObject *batch)
{
    PyObject *err = NULL, *value = NULL, *about = NULL;
    if (item->kind == RILL_ITEM_DONE) {
        begun *b = item->arg;
        about = Py_NewRef_((PyObject *)b);
        let_go(b, bus);
        if (!outcome(b, item, &err, &value)) PyErr_WriteUnraisable(about);
        begun_end(b);
    } else if (item->kind == RILL_ITEM_EVENT) {
        about = Py_NewRef_(Py_None);
        value = py_event_tell(item->event);
    } else {
        about = py_sub_find(item->sub);
        value = item->msg ? py_message_part(item->msg, batch) : Py_NewRef_(Py_None);
    }
    if (!err) err = Py_NewRef_(Py_None);
    PyObject *made = about && value ? Py_BuildValue("(iOOO)", (int)item->kind, about, err, value)
                                    : NULL;
    Py_XDECREF(about);
    Py_XDECREF(err);
    Py_XDECREF(value);
    return made;
}

static PyMethodDef methods[] = {
    {"cancel", begun_cancel, METH_NOARGS, "Take it back; returns whether it was under way."},
    {NULL, NULL, 0, NULL},
};

int py_verb_init(PyObject *module)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, begun_dealloc}, {Py_tp_methods, methods},
                           {Py_tp_doc, "A call that was started."}, {0, NULL}};
    PyType_Spec spec = {"rill.Call", sizeof(begun), 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (!type) return -1;
    begun_class = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Call", type);
}
