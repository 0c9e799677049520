/* SPDX-License-Identifier: Apache-2.0
 *
 * Buses: opened and closed, what is sent without waiting, batches, forwards. */
#include "binding.h"

/* ---- Opening and closing ---- */

typedef struct opening {
    nd_task task;
    nd_arena arena;
    rill_opts opts;
    char *url;
    nd_hooks *hooks;
    rill_bus *bus;
} opening;

/* hooks: a function, or nothing; what of it is wanted says `dials`. */
static bool opening_fill(nd_env *e, opening *o, napi_value *argv, size_t argc)
{
    bool dials = false;
    o->url = argc < 1 ? NULL : nd_text_get(e, argv[0], "url", &o->arena);
    if (!o->url || !nd_record_fill(e, &nd_opts, &o->opts, argc > 1 ? argv[1] : NULL, &o->arena))
        return false;
    if (argc < 3 || nd_is_nothing(e, argv[2])) return true;
    if (!(o->hooks = nd_hooks_new(e))) return false;
    if (!nd_hooks_set(e, o->hooks, argv[2])) return false;
    o->opts.arg = o->hooks;
    o->opts.on_event = nd_hooks_on_event;
    if (argc > 3) napi_get_value_bool(e->env, argv[3], &dials);
    if (dials) o->opts.dial = nd_hooks_dial;
    return true;
}

static void hooks_never(nd_hooks *h)
{
    if (!h) return;
    nd_hooks_unref(h); /* of rill's callbacks */
    nd_hooks_unref(h);
}

static void opening_work(nd_task *t)
{
    opening *o = (opening *)t;
    nd_task_ends(t, rill_open(&o->bus, o->url, &o->opts));
}

static napi_value opening_told(nd_env *e, nd_task *t)
{
    opening *o = (opening *)t;
    napi_value v = NULL;
    rill_bus *bus = o->bus;
    o->bus = NULL;
    nd_handle *h = nd_handle_new(e, ND_BUS, bus, &v);
    if (!h) return NULL;
    h->hooks = o->hooks;
    o->hooks = NULL;
    return v;
}

static void opening_end(nd_task *t)
{
    opening *o = (opening *)t;
    int rc = o->bus ? rill_close(o->bus, 0) : RILL_OK;
    if (o->hooks && o->bus) {
        nd_hooks_closed(o->hooks, rc);
        nd_hooks_unref(o->hooks);
    } else hooks_never(o->hooks);
    nd_arena_free(&o->arena);
    free(o);
}

/* open(url, opts, fn, dials) */
static napi_value bus_open(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    opening *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->task.work = opening_work;
    o->task.told = opening_told;
    o->task.end = opening_end;
    if (opening_fill(e, o, argv, argc)) return nd_task_begin(e, &o->task);
    if (o->hooks) nd_hooks_quiet(o->hooks);
    opening_end(&o->task);
    return NULL;
}

static napi_value bus_open_sync(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    opening o = {0};
    napi_value v = NULL;
    int rc = RILL_OK;
    if (opening_fill(e, &o, argv, argc) && (rc = rill_open(&o.bus, o.url, &o.opts)) >= 0)
        v = opening_told(e, &o.task);
    else if (rc < 0) nd_throw(e, rc);
    if (o.hooks) nd_hooks_quiet(o.hooks);
    hooks_never(o.hooks);
    nd_arena_free(&o.arena);
    return v;
}

typedef struct ending {
    nd_task task;
    nd_kind kind;
    void *ptr;
    nd_hooks *hooks;
    int ms;
} ending;

static void ending_work(nd_task *t)
{
    ending *c = (ending *)t;
    int rc = c->kind == ND_BUS       ? rill_close(c->ptr, c->ms)
             : c->kind == ND_BROKER  ? rill_broker_close(c->ptr, c->ms)
                                     : rill_forward_close(c->ptr, c->ms);
    nd_task_ends(t, rc);
    if (c->hooks && c->kind == ND_BUS) nd_hooks_closed(c->hooks, rc);
}

/* What its callbacks told by then is told still; behind this nothing is. */
static void ending_end(nd_task *t)
{
    ending *c = (ending *)t;
    if (c->hooks) nd_hooks_unref(c->hooks);
    free(c);
}

static napi_value ending_told(nd_env *e, nd_task *t)
{
    ending *c = (ending *)t;
    if (c->hooks) nd_hooks_quiet(c->hooks);
    return nd_undefined(e);
}

static nd_handle *any_handle(nd_env *e, napi_value v)
{
    nd_handle *h = NULL;
    if (!v || napi_get_value_external(e->env, v, (void **)&h) != napi_ok) return NULL;
    return h;
}

/* end(handle, timeoutMs): of a bus, a broker, a forward: waits elsewhere. */
static napi_value handle_end(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    int64_t ms;
    nd_handle *h = argc < 2 ? NULL : any_handle(e, argv[0]);
    if (!h || !h->ptr || !nd_int_get(e, argv[1], "timeoutMs", INT32_MIN, INT32_MAX, &ms))
        return NULL;
    ending *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->task.work = ending_work;
    c->task.told = ending_told;
    c->task.end = ending_end;
    c->kind = h->kind;
    c->hooks = h->hooks;
    c->ms = (int)ms;
    h->hooks = NULL;
    c->ptr = nd_handle_take(h);
    return nd_task_begin(e, &c->task);
}

/* close(handle): of any kind, at once. */
static napi_value handle_close(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    nd_handle *h = argc < 1 ? NULL : any_handle(e, argv[0]);
    if (h) nd_handle_close(h);
    return NULL;
}

static napi_value handle_keep(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    bool keeps = false;
    nd_handle *h = argc < 2 ? NULL : any_handle(e, argv[0]);
    if (!h || !h->ptr) return NULL;
    napi_get_value_bool(env, argv[1], &keeps);
    nd_handle_keep(h, keeps);
    return NULL;
}

static napi_value handle_closed(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    napi_value v = NULL;
    nd_handle *h = argc < 1 ? NULL : any_handle(e, argv[0]);
    napi_get_boolean(env, !h || !h->ptr, &v);
    return v;
}

/* ---- What does not wait ---- */

static napi_value bus_caps(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    nd_handle *h = argc < 1 ? NULL : nd_handle_any(e, argv[0], ND_BUS);
    return h ? nd_number(e, rill_caps(h->ptr)) : NULL;
}

static napi_value bus_stats(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    rill_stats stats = {.size = sizeof stats};
    nd_handle *h = argc < 1 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!h) return NULL;
    int rc = rill_bus_stats(h->ptr, &stats);
    return rc < 0 ? nd_throw(e, rc) : nd_record_tell(e, &nd_stats, &stats);
}

static napi_value bus_inbox(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    char inbox[1024];
    nd_handle *h = argc < 1 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!h) return NULL;
    int rc = rill_inbox(h->ptr, inbox, sizeof inbox);
    return rc < 0 ? nd_throw(e, rc) : nd_string(e, inbox);
}

typedef struct letter { /* what is sent, taken apart */
    char subject[ND_SUBJECT_ROOM];
    nd_arena arena;
    rill_post post;
    const rill_post *with; /* NULL: nothing */
} letter;

static bool letter_fill(nd_env *e, letter *l, napi_value subject, napi_value post)
{
    l->arena.blocks = NULL;
    l->with = NULL;
    if (!nd_subject_get(e, subject, l->subject)) return false;
    if (nd_is_nothing(e, post)) return true;
    l->with = &l->post;
    if (nd_record_fill(e, &nd_post_opts, &l->post, post, &l->arena)) return true;
    nd_arena_free(&l->arena);
    return false;
}

/* publish(bus, subject, data, post). A getter of the post may have closed the bus. */
static napi_value bus_publish(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    letter l;
    nd_data d;
    nd_handle *h = argc < 4 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!h || !letter_fill(e, &l, argv[1], argv[3])) return NULL;
    if (nd_data_get(e, argv[2], &d) && (h->ptr || nd_handle_get(e, argv[0], ND_BUS))) {
        int rc = rill_publish(h->ptr, l.subject, d.ptr, d.len, l.with);
        if (rc < 0) nd_throw(e, rc);
    }
    nd_data_free(&d);
    if (l.arena.blocks) nd_arena_free(&l.arena);
    return NULL;
}

/* Each of a list is sent, by a bus or to a batch. A getter of a list of one's own may close the
 * handle in between: it is looked at for each. The answer is how many were; what the next one
 * failed with is thrown, with that number as `sent`. */
static napi_value send_all(nd_env *e, nd_handle *h, letter *l, napi_value list)
{
    uint32_t n = 0, sent = 0;
    int rc = RILL_OK;
    bool is = false, pending = false;
    napi_value one, thrown;
    if (napi_is_array(e->env, list, &is) != napi_ok || !is)
        return nd_throw_type(e, "an array of data is wanted");
    napi_get_array_length(e->env, list, &n);
    for (nd_data d = {0}; sent < n && rc >= 0; nd_data_free(&d)) {
        napi_handle_scope scope;
        napi_open_handle_scope(e->env, &scope);
        bool has = napi_get_element(e->env, list, sent, &one) == napi_ok && nd_data_get(e, one, &d);
        if (has && !h->ptr) has = nd_handle_closed(e, h);
        if (has && h->kind == ND_BUS) rc = rill_publish(h->ptr, l->subject, d.ptr, d.len, l->with);
        else if (has) rc = rill_batch_add(h->ptr, l->subject, d.ptr, d.len, l->with);
        napi_close_handle_scope(e->env, scope);
        if (!has) break;
        if (rc >= 0) sent++;
    }
    if (rc < 0) nd_throw(e, rc);
    napi_is_exception_pending(e->env, &pending);
    if (!pending) return nd_number(e, sent);
    napi_get_and_clear_last_exception(e->env, &thrown);
    napi_set_named_property(e->env, thrown, "sent", nd_number(e, sent));
    napi_throw(e->env, thrown);
    return NULL;
}

/* sendAll(bus or batch, subject, [data ..], post) */
static napi_value bus_send_all(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    letter l;
    nd_handle *h = argc < 4 ? NULL : any_handle(e, argv[0]);
    if (!h || !nd_handle_get(e, argv[0], h->kind == ND_BATCH ? ND_BATCH : ND_BUS)) return NULL;
    if (!letter_fill(e, &l, argv[1], argv[3])) return NULL;
    napi_value v = send_all(e, h, &l, argv[2]);
    nd_arena_free(&l.arena);
    return v;
}

/* publishMany(bus, subject, [data ..]). A getter of the list may have closed the bus. */
static napi_value bus_publish_many(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    char subject[ND_SUBJECT_ROOM];
    nd_list l;
    napi_value v = NULL;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!h || !nd_subject_get(e, argv[1], subject)) return NULL;
    if (nd_list_get(e, argv[2], &l) && (h->ptr || nd_handle_get(e, argv[0], ND_BUS))) {
        int rc = rill_publish_many(h->ptr, subject, l.data, l.n);
        v = rc < 0 ? nd_throw(e, rc) : nd_number(e, rc);
    }
    nd_list_free(&l);
    return v;
}

/* ---- Batches ---- */

static napi_value batch_begin(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    rill_batch *batch;
    rill_batch_opts opts;
    nd_arena a = {0};
    napi_value v = NULL;
    nd_handle *h = argc < 2 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!h || !nd_record_fill(e, &nd_batch_opts, &opts, argv[1], &a)) return NULL;
    int rc = rill_batch_begin(h->ptr, &batch, &opts);
    if (rc < 0) return nd_throw(e, rc);
    nd_handle_new(e, ND_BATCH, batch, &v);
    return v;
}

/* batchAdd(batch, subject, data, post) */
static napi_value batch_add(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    letter l;
    nd_data d;
    nd_handle *h = argc < 4 ? NULL : nd_handle_get(e, argv[0], ND_BATCH);
    if (!h || !letter_fill(e, &l, argv[1], argv[3])) return NULL;
    if (nd_data_get(e, argv[2], &d) && nd_handle_get(e, argv[0], ND_BATCH)) {
        int rc = rill_batch_add(h->ptr, l.subject, d.ptr, d.len, l.with);
        if (rc < 0) nd_throw(e, rc);
    }
    nd_data_free(&d);
    nd_arena_free(&l.arena);
    return NULL;
}

/* ---- Forwards ---- */

/* forwardOpen(from, stream, to, into, opts) */
static napi_value forward_open(napi_env env, napi_callback_info info)
{
    ND_ARGS(5);
    rill_forward *forward;
    rill_forward_opts opts;
    nd_arena a = {0};
    char *stream, *into;
    napi_value v = NULL;
    nd_handle *from = argc < 5 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    nd_handle *to = from ? nd_handle_get(e, argv[2], ND_BUS) : NULL;
    if (to && (stream = nd_text_get(e, argv[1], "stream", &a)) &&
        (into = nd_text_get(e, argv[3], "into", &a)) &&
        nd_record_fill(e, &nd_forward_opts, &opts, argv[4], &a)) {
        int rc = rill_forward_open(&forward, from->ptr, stream, to->ptr, into, &opts);
        if (rc < 0) nd_throw(e, rc);
        else nd_handle_new(e, ND_FORWARD, forward, &v);
    }
    nd_arena_free(&a);
    return v;
}

void nd_bus_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "open", bus_open);
    nd_define(e, exports, "openSync", bus_open_sync);
    nd_define(e, exports, "end", handle_end);
    nd_define(e, exports, "close", handle_close);
    nd_define(e, exports, "keep", handle_keep);
    nd_define(e, exports, "closed", handle_closed);
    nd_define(e, exports, "caps", bus_caps);
    nd_define(e, exports, "stats", bus_stats);
    nd_define(e, exports, "inbox", bus_inbox);
    nd_define(e, exports, "publish", bus_publish);
    nd_define(e, exports, "sendAll", bus_send_all);
    nd_define(e, exports, "publishMany", bus_publish_many);
    nd_define(e, exports, "batchBegin", batch_begin);
    nd_define(e, exports, "batchAdd", batch_add);
    nd_define(e, exports, "forwardOpen", forward_open);
}
