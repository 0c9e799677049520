/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that call back and wait for the answer: objects in pieces, which a thread reads from, or
 * writes to, JavaScript by a bounded queue; and what is saved of a damaged store, which reports on
 * its way. Whoever gives up says so, and the call ends with RILL_ECANCELED. */
#include "binding.h"

enum { PIPE_ROOM = 1 << 20 };

typedef struct chunk { struct chunk *next; size_t at, len; char bytes[]; } chunk;

typedef struct pipe_ { /* not the pipe() of the system */
    nd_env *e;
    atomic_int refs; /* of JavaScript's handle, of the thread, of posts */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    chunk *first, **last;  /* inside the lock, as all that follows */
    size_t queued;
    bool ended, given_up, told;
    napi_ref fn; /* on the thread of JavaScript */
} pipe_;

typedef struct flow { /* the thread's */
    nd_task task;
    pipe_ *p;
    nd_handle *objs;
    void *rill;       /* the bucket */
    nd_arena arena;
    char *name, *to;
    enum { PUT, GET, SALVAGE } what;
} flow;

typedef struct signal_ { nd_post post; pipe_ *p; nd_parcel parcel; } signal_;

static void pipe_unref(pipe_ *p)
{
    if (atomic_fetch_sub(&p->refs, 1) > 1) return;
    for (chunk *c = p->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->moved);
    nd_env_unref(p->e);
    free(p);
}

static void signal_free(signal_ *s)
{
    nd_parcel_free(&s->parcel);
    pipe_unref(s->p);
    free(s);
}

static void signal_drop(nd_post *post) { signal_free((signal_ *)post); }

static void signal_run(nd_env *e, nd_post *post)
{
    signal_ *s = (signal_ *)post;
    napi_value fn = NULL, arg;
    pthread_mutex_lock(&s->p->lock);
    s->p->told = false;
    pthread_mutex_unlock(&s->p->lock);
    if (s->p->fn && napi_get_reference_value(e->env, s->p->fn, &fn) == napi_ok && fn &&
        (arg = nd_parcel_open(e, &s->parcel)))
        napi_call_function(e->env, nd_undefined(e), fn, 1, &arg, NULL);
    signal_free(s);
}

static signal_ *signal_new(pipe_ *p)
{
    signal_ *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->post = (nd_post){.run = signal_run, .drop = signal_drop};
    s->p = p;
    nd_parcel_init(&s->parcel);
    atomic_fetch_add(&p->refs, 1);
    return s;
}

/* Inside the lock: have JavaScript look at the queue, once. */
static bool look(pipe_ *p)
{
    signal_ *s = p->told ? NULL : signal_new(p);
    if (!s) return p->told;
    p->told = true;
    nd_post_send(p->e, &s->post);
    return true;
}

/* ---- On the thread ---- */

static int64_t source(void *buf, size_t cap, void *arg)
{
    pipe_ *p = ((flow *)arg)->p;
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->ended && !p->given_up) pthread_cond_wait(&p->moved, &p->lock);
    chunk *c = p->first;
    int64_t n = p->given_up ? RILL_ECANCELED : 0;
    if (c && !p->given_up) {
        n = (int64_t)(c->len - c->at < cap ? c->len - c->at : cap);
        memcpy(buf, c->bytes + c->at, (size_t)n);
        c->at += (size_t)n;
        p->queued -= (size_t)n;
        if (c->at == c->len) {
            p->first = c->next;
            if (!p->first) p->last = &p->first;
            free(c);
        }
        if (p->queued < PIPE_ROOM && !p->ended && !look(p)) n = RILL_ENOMEM;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static chunk *chunk_new(const void *buf, size_t len)
{
    chunk *c = malloc(sizeof *c + len);
    if (!c) return NULL;
    *c = (chunk){.len = len};
    memcpy(c->bytes, buf, len);
    return c;
}

static void chunk_add(pipe_ *p, chunk *c)
{
    *p->last = c;
    p->last = &c->next;
    p->queued += c->len;
}

static int sink(const void *buf, size_t len, void *arg)
{
    pipe_ *p = ((flow *)arg)->p;
    chunk *c = len ? chunk_new(buf, len) : NULL;
    if (len && !c) return RILL_ENOMEM;
    pthread_mutex_lock(&p->lock);
    while (p->queued >= PIPE_ROOM && !p->given_up) pthread_cond_wait(&p->moved, &p->lock);
    int rc = p->given_up ? RILL_ECANCELED : RILL_OK;
    if (c && !rc) chunk_add(p, c);
    else free(c);
    if (!rc && !look(p)) rc = RILL_ENOMEM;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int on_care(const rill_care *care, void *arg)
{
    pipe_ *p = ((flow *)arg)->p;
    signal_ *s = signal_new(p);
    if (s) {
        nd_record_put(&nd_care, care, &s->parcel);
        nd_post_send(p->e, &s->post);
    }
    pthread_mutex_lock(&p->lock);
    int stops = p->given_up;
    pthread_mutex_unlock(&p->lock);
    return stops;
}

static void flow_work(nd_task *t)
{
    flow *f = (flow *)t;
    int rc = f->what == PUT   ? rill_obj_put(f->rill, f->name, source, f)
             : f->what == GET ? rill_obj_get(f->rill, f->name, sink, f)
                              : rill_store_salvage(f->name, f->to, NULL, on_care, f);
    nd_task_ends(t, rc);
}

static napi_value flow_told(nd_env *e, nd_task *t)
{
    flow *f = (flow *)t;
    if (f->objs) nd_handle_done(f->objs);
    f->objs = NULL;
    return nd_number(e, t->rc);
}

static void flow_end(nd_task *t)
{
    flow *f = (flow *)t;
    if (f->objs) nd_handle_dropped(f->objs);
    nd_arena_free(&f->arena);
    pipe_unref(f->p);
    free(f);
}

/* ---- JavaScript's ---- */

void nd_pipe_close(void *pipe)
{
    pipe_ *p = pipe;
    if (p->fn) napi_delete_reference(p->e->env, p->fn);
    p->fn = NULL;
    pthread_mutex_lock(&p->lock);
    p->given_up = true;
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->lock);
    pipe_unref(p);
}

static pipe_ *pipe_new(nd_env *e)
{
    pipe_ *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->e = e;
    p->refs = 2;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->moved, NULL);
    nd_env_ref(e);
    return p;
}

/* [pipe, promise] of a flow that has its arguments, or NULL. */
static napi_value flow_begin(nd_env *e, flow *f, napi_value fn)
{
    napi_value pair, handle;
    f->task.e = e;
    f->task.work = flow_work;
    f->task.told = flow_told;
    f->task.end = flow_end;
    if (!nd_handle_new(e, ND_PIPE, f->p, &handle)) f->p->refs = 1;
    else if (napi_create_reference(e->env, fn, 1, &f->p->fn) == napi_ok &&
             napi_create_array_with_length(e->env, 2, &pair) == napi_ok) {
        napi_set_element(e->env, pair, 0, handle);
        napi_value promise = nd_task_begin(e, &f->task);
        napi_set_element(e->env, pair, 1, promise);
        return pair;
    }
    flow_end(&f->task);
    return NULL;
}

/* objPut(objs, name, fn), objGet(objs, name, fn) */
static napi_value flow_object(napi_env env, napi_callback_info info, int what)
{
    ND_ARGS(3);
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_OBJS);
    flow *f = h ? calloc(1, sizeof *f) : NULL;
    if (!f) return NULL;
    f->what = what;
    f->rill = h->ptr;
    if ((f->name = nd_text_get(e, argv[1], "name", &f->arena)) && (f->p = pipe_new(e))) {
        nd_handle_use(h);
        f->objs = h;
        return flow_begin(e, f, argv[2]);
    }
    nd_arena_free(&f->arena);
    free(f);
    return NULL;
}

static napi_value pipe_put(napi_env env, napi_callback_info info)
{
    return flow_object(env, info, PUT);
}

static napi_value pipe_get(napi_env env, napi_callback_info info)
{
    return flow_object(env, info, GET);
}

/* salvage(from, to or null, fn) */
static napi_value pipe_salvage(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    flow *f = argc < 3 ? NULL : calloc(1, sizeof *f);
    if (!f) return NULL;
    f->what = SALVAGE;
    if ((f->name = nd_text_get(e, argv[0], "from", &f->arena)) &&
        nd_text_may(e, argv[1], "to", &f->arena, &f->to) && (f->p = pipe_new(e)))
        return flow_begin(e, f, argv[2]);
    nd_arena_free(&f->arena);
    free(f);
    return NULL;
}

/* pipePush(pipe, bytes): whether there is room for more. No bytes: that was all. */
static napi_value pipe_push(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    nd_data d;
    napi_value v = NULL;
    nd_handle *h = argc < 2 ? NULL : nd_handle_any(e, argv[0], ND_PIPE);
    pipe_ *p = h ? h->ptr : NULL;
    if (!p || !nd_data_get(e, argv[1], &d)) return NULL;
    bool more = !nd_is_nothing(e, argv[1]);
    chunk *c = more && d.len ? chunk_new(d.ptr, d.len) : NULL;
    pthread_mutex_lock(&p->lock);
    if (!more) p->ended = true;
    if (c) chunk_add(p, c);
    if (more && d.len && !c) p->given_up = true;
    napi_get_boolean(env, p->queued < PIPE_ROOM, &v);
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->lock);
    nd_data_free(&d);
    return v;
}

/* pipeTake(pipe): a buffer, or undefined */
static napi_value pipe_take(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    napi_value v = NULL;
    nd_handle *h = argc < 1 ? NULL : nd_handle_any(e, argv[0], ND_PIPE);
    pipe_ *p = h ? h->ptr : NULL;
    if (!p) return NULL;
    pthread_mutex_lock(&p->lock);
    chunk *c = p->first;
    if (c) {
        p->first = c->next;
        if (!p->first) p->last = &p->first;
        p->queued -= c->len;
        pthread_cond_signal(&p->moved);
    }
    pthread_mutex_unlock(&p->lock);
    if (c) napi_create_buffer_copy(env, c->len, c->bytes, NULL, &v);
    free(c);
    return v;
}

void nd_pipe_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "objPut", pipe_put);
    nd_define(e, exports, "objGet", pipe_get);
    nd_define(e, exports, "salvage", pipe_salvage);
    nd_define(e, exports, "pipePush", pipe_push);
    nd_define(e, exports, "pipeTake", pipe_take);
}
