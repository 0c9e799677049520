/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that ask the peer. Each is begun on the thread of JavaScript and ends on one of rill's,
 * where what it brings is copied; the promise is settled by a post. */
#include "binding.h"

typedef struct nd_call nd_call;
struct nd_call {
    nd_post post;
    nd_env *e;
    nd_call *next, **link; /* of those under way */
    nd_handle *bus, *used[6];
    int nused;
    uint32_t id;
    int32_t verb;
    int err;
    bool stored;      /* what it opens has messages to be settled, or told about */
    char *detail;
    nd_kind kind;     /* of `opened` */
    void *opened;
    napi_deferred deferred;
    nd_parcel parcel;
};

/* ---- The end ---- */

static void close_opened(nd_call *c)
{
    if (c->opened && c->kind == ND_SUB) rill_sub_close(c->opened);
    if (c->opened && c->kind == ND_KV) rill_kv_close(c->opened);
    if (c->opened && c->kind == ND_OBJS) rill_objs_close(c->opened);
    c->opened = NULL;
}

static void call_free(nd_call *c)
{
    nd_env *e = c->e;
    close_opened(c);
    nd_parcel_free(&c->parcel);
    free(c->detail);
    free(c);
    nd_env_unref(e);
}

static void call_drop(nd_post *post)
{
    nd_call *c = (nd_call *)post;
    close_opened(c); /* what was opened of a handle goes before it */
    for (int i = 0; i < c->nused; i++) nd_handle_dropped(c->used[i]);
    call_free(c);
}

static void call_unlink(nd_call *c)
{
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    nd_wait(c->e, -1);
}

static napi_value call_told(nd_env *e, nd_call *c)
{
    napi_value v = NULL;
    if (!c->opened) return nd_parcel_open(e, &c->parcel);
    nd_handle *h = nd_handle_new(e, c->kind, c->opened, &v);
    c->opened = NULL;
    if (h) h->stored = c->stored;
    return h ? v : NULL;
}

static void call_run(nd_env *e, nd_post *post)
{
    nd_call *c = (nd_call *)post;
    napi_value v;
    call_unlink(c);
    bool failed = c->err < 0, pending = false;
    if (failed) v = nd_error(e, c->err, c->detail ? c->detail : rill_strerror(c->err));
    else v = call_told(e, c);
    napi_is_exception_pending(e->env, &pending);
    if (pending) napi_get_and_clear_last_exception(e->env, &v);
    if (failed || pending || !v) napi_reject_deferred(e->env, c->deferred, v ? v : nd_undefined(e));
    else napi_resolve_deferred(e->env, c->deferred, v);
    for (int i = 0; i < c->nused; i++) nd_handle_done(c->used[i]);
    call_free(c);
}

/* ---- What it brings ---- */

static void put_desc(const rill_stream_desc *d, nd_parcel *p)
{
    nd_put_object(p);
    nd_put_key(p, "name");
    nd_put_text(p, d->name);
    nd_put_key(p, "options");
    nd_record_put_given(&nd_stream_opts, d->opts, p);
    nd_put_key(p, "info");
    nd_record_put(&nd_stream_info, d->info, p);
    nd_put_end(p);
}

static void put_list(const rill_item *item, nd_parcel *p)
{
    nd_put_array(p);
    for (size_t i = 0; i < item->n; i++) {
        if (item->names) nd_put_str(p, item->names[i].ptr, item->names[i].len);
        else if (item->msgs) nd_put_msg(p, item->msgs[i]);
        else put_desc(item->descs[i], p);
    }
    nd_put_end(p);
}

static void put_other(const nd_call *c, const rill_item *item, nd_parcel *p)
{
    switch (c->verb) {
    case RILL_DO_STREAM_EACH:
    case RILL_DO_STREAM_DESCRIBE:
    case RILL_DO_GROUP_EACH:
    case RILL_DO_KV_EACH:
    case RILL_DO_KV_HISTORY:
    case RILL_DO_OBJ_EACH: put_list(item, p); break;
    case RILL_DO_STREAM_ENSURE:
    case RILL_DO_GROUP_ENSURE: nd_put_bool(p, item->count != 0); break;
    case RILL_DO_STREAM_PURGE:
    case RILL_DO_KV_PUT:
    case RILL_DO_KV_CREATE:
    case RILL_DO_STORE_CHECK: nd_put_u64(p, item->count); break;
    case RILL_DO_OBJ_GET: nd_put_bytes(p, item->data.ptr, item->data.len); break;
    default: break;
    }
}

static void call_put(nd_call *c, const rill_item *item)
{
    nd_parcel *p = &c->parcel;
    if (item->sub) c->kind = ND_SUB, c->opened = item->sub;
    else if (item->kv && c->verb == RILL_DO_KV_OPEN) c->kind = ND_KV, c->opened = item->kv;
    else if (item->objs && c->verb == RILL_DO_OBJS_OPEN) c->kind = ND_OBJS, c->opened = item->objs;
    else if (item->receipt) nd_record_put(&nd_receipt, item->receipt, p);
    else if (item->msg) nd_put_msg(p, item->msg);
    else if (item->stream_info) nd_record_put(&nd_stream_info, item->stream_info, p);
    else if (item->group_info) nd_record_put(&nd_group_info, item->group_info, p);
    else if (item->sub_info) nd_record_put(&nd_sub_info, item->sub_info, p);
    else if (item->obj_info) nd_record_put(&nd_obj_info, item->obj_info, p);
    else if (item->forward_info) nd_record_put(&nd_forward_info, item->forward_info, p);
    else put_other(c, item, p);
}

static void call_ends(nd_call *c, int err, const char *detail)
{
    c->err = err;
    if (err < 0 && detail) c->detail = strdup(detail);
    nd_post_send(c->e, &c->post);
}

static void on_done(const rill_item *item, void *arg)
{
    nd_call *c = arg;
    if (item->err >= 0) call_put(c, item);
    call_ends(c, item->err, item->detail);
}

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    nd_call *c = arg;
    if (err >= 0 && receipt) nd_record_put(&nd_receipt, receipt, &c->parcel);
    call_ends(c, err, err < 0 ? rill_errmsg() : NULL);
}

static void on_reply(int err, const rill_msg *reply, void *arg)
{
    nd_call *c = arg;
    if (err >= 0) nd_put_msg(&c->parcel, reply);
    call_ends(c, err, err < 0 ? rill_errmsg() : NULL);
}

/* ---- The beginning ---- */

static nd_call *call_new(nd_env *e, nd_handle *bus, int verb)
{
    static atomic_uint ids;
    nd_call *c = calloc(1, sizeof *c);
    if (!c) {
        napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return NULL;
    }
    c->e = e;
    c->bus = bus;
    c->verb = verb;
    c->id = atomic_fetch_add(&ids, 1);
    c->post = (nd_post){.run = call_run, .drop = call_drop};
    nd_parcel_init(&c->parcel);
    nd_env_ref(e);
    return c;
}

static void call_use(nd_call *c, nd_handle *h)
{
    nd_handle_use(h);
    c->used[c->nused++] = h;
}

static void call_abandon(nd_call *c)
{
    for (int i = 0; i < c->nused; i++) nd_handle_done(c->used[i]);
    call_free(c);
}

/* Before it is begun, since it may be over before that returns. */
static napi_value call_link(nd_call *c)
{
    napi_value promise = NULL;
    nd_env *e = c->e;
    if (napi_create_promise(e->env, &c->deferred, &promise) != napi_ok) return NULL;
    c->next = e->calls;
    c->link = &e->calls;
    if (c->next) c->next->link = &c->next;
    e->calls = c;
    nd_wait(e, 1);
    return promise;
}

/* The promise of a call that was begun with this answer. */
static napi_value call_begun(nd_call *c, int rc, napi_value promise)
{
    if (rc >= 0) return promise;
    napi_value why = nd_error(c->e, rc, rill_errmsg());
    call_unlink(c);
    napi_reject_deferred(c->e->env, c->deferred, why);
    call_abandon(c);
    return promise;
}

/* ---- Its arguments ---- */

typedef struct part {
    const char *name;
    size_t at;
    int kind; /* -1: a text; -2: options */
    const nd_record *record;
} part;
#define HANDLE(name, kind) {#name, offsetof(rill_call, name), kind, NULL}
#define OPTIONS(camel, name, record) {camel, offsetof(rill_call, name), -2, &record}
static const part parts[] = {
    {"name", offsetof(rill_call, name), -1, NULL}, {"group", offsetof(rill_call, group), -1, NULL},
    HANDLE(sub, ND_SUB), HANDLE(kv, ND_KV), HANDLE(objs, ND_OBJS), HANDLE(to, ND_OBJS),
    HANDLE(batch, ND_BATCH), HANDLE(forward, ND_FORWARD), OPTIONS("post", post, nd_post_opts),
    OPTIONS("subOpts", sub_opts, nd_sub_opts), OPTIONS("streamOpts", stream_opts, nd_stream_opts),
    OPTIONS("bucketOpts", bucket_opts, nd_bucket_opts), OPTIONS("kvOpts", kv_opts, nd_kv_opts),
    OPTIONS("purgeOpts", purge_opts, nd_purge_opts), OPTIONS("at", at, nd_at)};

static bool part_fill(nd_call *c, rill_call *call, const part *p, napi_value v, nd_arena *a)
{
    void **at = (void **)((char *)call + p->at);
    nd_handle *h;
    if (p->kind == -1) return (*at = nd_text_get(c->e, v, p->name, a)) != NULL;
    if (p->kind == -2) {
        *at = nd_arena_take(a, nd_record_size(p->record));
        return *at && nd_record_fill(c->e, p->record, *at, v, a);
    }
    if (!(h = nd_handle_get(c->e, v, (nd_kind)p->kind))) return false;
    *at = h->ptr;
    call_use(c, h);
    return true;
}

static bool parts_fill(nd_call *c, rill_call *call, napi_value fields, nd_arena *a, nd_data *d)
{
    nd_env *e = c->e;
    napi_value v;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (napi_get_named_property(e->env, fields, parts[i].name, &v) != napi_ok) return false;
        if (!nd_is_nothing(e, v) && !part_fill(c, call, &parts[i], v, a)) return false;
    }
    if (napi_get_named_property(e->env, fields, "data", &v) != napi_ok) return false;
    if (!nd_is_nothing(e, v)) {
        if (!nd_data_get(e, v, d)) return false;
        call->data = d->ptr;
        call->len = d->len;
    }
    if (napi_get_named_property(e->env, fields, "timeNs", &v) != napi_ok) return false;
    return nd_is_nothing(e, v) ||
           nd_int_get(e, v, "untilNs", INT64_MIN, INT64_MAX, &call->time_ns);
}

/* start(bus, verb, timeoutMs, fields, withId): a promise, or [promise, id]. */
static napi_value verb_start(napi_env env, napi_callback_info info)
{
    ND_ARGS(5);
    int64_t verb, ms;
    nd_arena a = {0};
    nd_data d = {0};
    napi_value promise = NULL, both;
    rill_call call = {.size = sizeof call};
    nd_handle *bus = argc < 5 ? NULL : nd_handle_get(e, argv[0], ND_BUS);
    if (!bus || !nd_int_get(e, argv[1], "verb", 0, INT32_MAX, &verb) ||
        !nd_int_get(e, argv[2], "timeoutMs", INT32_MIN, INT32_MAX, &ms)) return NULL;
    nd_call *c = call_new(e, bus, (int)verb);
    if (!c) return NULL;
    call.verb = (rill_verb)verb;
    call.timeout_ms = (int32_t)ms;
    c->stored = verb == RILL_DO_CONSUME || verb == RILL_DO_OBJ_WATCH;
    call_use(c, bus);
    uint32_t id = c->id;
    if (parts_fill(c, &call, argv[3], &a, &d) && nd_handle_get(e, argv[0], ND_BUS) &&
        (promise = call_link(c)))
        promise = call_begun(c, rill_start(bus->ptr, &call, on_done, c), promise);
    else call_abandon(c);
    nd_arena_free(&a);
    nd_data_free(&d);
    bool with_id = false;
    napi_get_value_bool(env, argv[4], &with_id);
    if (!promise || !with_id) return promise;
    napi_create_array_with_length(env, 2, &both);
    napi_set_element(env, both, 0, promise);
    napi_set_element(env, both, 1, nd_number(e, id));
    return both;
}

/* cancel(bus, id) */
static napi_value verb_cancel(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    int64_t id;
    nd_handle *bus = argc < 2 ? NULL : nd_handle_any(e, argv[0], ND_BUS);
    if (!bus || !bus->ptr || !nd_int_get(e, argv[1], "id", 0, UINT32_MAX, &id)) return NULL;
    for (nd_call *c = e->calls; c; c = c->next)
        if (c->id == (uint32_t)id) {
            rill_cancel(bus->ptr, c);
            break;
        }
    return NULL;
}

/* append(bus, subject, data, post) and request(bus, subject, data, post, timeoutMs) have forms of
 * their own, which need no stack. The last argument says whether the id is wanted, too. */
static napi_value send_and_wait(nd_env *e, napi_value *argv, bool asks, int32_t ms)
{
    char subject[ND_SUBJECT_ROOM];
    nd_arena a = {0};
    nd_data d = {0};
    rill_post post;
    napi_value promise = NULL;
    nd_handle *bus = nd_handle_get(e, argv[0], ND_BUS);
    if (!bus || !nd_subject_get(e, argv[1], subject)) return NULL;
    bool has = !nd_is_nothing(e, argv[3]);
    nd_call *c = NULL;
    if ((!has || nd_record_fill(e, &nd_post_opts, &post, argv[3], &a)) &&
        nd_data_get(e, argv[2], &d) && nd_handle_get(e, argv[0], ND_BUS) &&
        (c = call_new(e, bus, 0)) && (promise = call_link(c))) {
        call_use(c, bus);
        const rill_post *with = has ? &post : NULL;
        int rc = asks ? rill_request_async(bus->ptr, subject, d.ptr, d.len, with, ms, on_reply, c)
                      : rill_append_async(bus->ptr, subject, d.ptr, d.len, with, on_stored, c);
        promise = call_begun(c, rc, promise);
    }
    nd_arena_free(&a);
    nd_data_free(&d);
    return promise;
}

static napi_value verb_append(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    return argc < 4 ? NULL : send_and_wait(e, argv, false, 0);
}

static napi_value verb_request(napi_env env, napi_callback_info info)
{
    ND_ARGS(5);
    int64_t ms;
    if (argc < 5 || !nd_int_get(e, argv[4], "timeoutMs", INT32_MIN, INT32_MAX, &ms)) return NULL;
    return send_and_wait(e, argv, true, (int32_t)ms);
}

static napi_value verbs(nd_env *e)
{
    napi_value all;
    napi_create_object(e->env, &all);
#define V(name) napi_set_named_property(e->env, all, #name, nd_number(e, RILL_DO_##name))
    V(APPEND), V(REQUEST), V(JETSTREAM_ASK), V(FLUSH), V(DRAIN), V(BATCH_COMMIT), V(SUBSCRIBE);
    V(CONSUME), V(TAIL), V(SEEK), V(SUB_STATUS), V(STREAM_ENSURE), V(STREAM_DELETE);
    V(STREAM_STATUS), V(STREAM_EACH), V(STREAM_DESCRIBE), V(STREAM_PURGE), V(STREAM_GET);
    V(STREAM_ERASE), V(GROUP_ENSURE), V(GROUP_STATUS), V(GROUP_EACH), V(GROUP_SEEK);
    V(GROUP_PAUSE), V(GROUP_DELETE), V(FORWARD_STATUS), V(KV_OPEN), V(KV_PUT), V(KV_CREATE);
    V(KV_GET), V(KV_DELETE), V(KV_PURGE), V(KV_EACH), V(KV_HISTORY), V(KV_WATCH), V(OBJS_OPEN);
    V(OBJS_SEAL), V(OBJ_PUT), V(OBJ_GET), V(OBJ_STATUS), V(OBJ_DELETE), V(OBJ_LINK), V(OBJ_EACH);
    V(OBJ_WATCH), V(STORE_CHECK), V(STORE_SNAPSHOT);
#undef V
    return all;
}

void nd_verb_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "start", verb_start);
    nd_define(e, exports, "cancel", verb_cancel);
    nd_define(e, exports, "append", verb_append);
    nd_define(e, exports, "request", verb_request);
    napi_set_named_property(e->env, exports, "verbs", verbs(e));
}
