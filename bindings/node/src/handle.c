/* SPDX-License-Identifier: Apache-2.0
 *
 * A handle is what JavaScript has of something of rill's. It is closed by its owner, by the
 * collector, or by the end of the environment, whichever comes first, and then once; and not while
 * a call is under way that was given it. */
#include "binding.h"

void nd_handle_unref(nd_handle *h)
{
    if (atomic_fetch_sub(&h->refs, 1) == 1) free(h);
}

typedef struct closing { /* what waits when it is closed, and is closed by the collector */
    nd_task task;
    nd_kind kind;
    void *ptr;
    nd_hooks *hooks;
} closing;

static void close_waiting(nd_kind kind, void *ptr, nd_hooks *hooks)
{
    int rc = kind == ND_BUS       ? rill_close(ptr, 0)
             : kind == ND_FORWARD ? rill_forward_close(ptr, 0)
                                  : rill_broker_close(ptr, 0);
    if (hooks && kind == ND_BUS) nd_hooks_closed(hooks, rc);
    if (hooks) nd_hooks_unref(hooks);
}

static void closing_work(nd_task *t)
{
    closing *c = (closing *)t;
    close_waiting(c->kind, c->ptr, c->hooks);
}

static void closing_end(nd_task *t) { free(t); }

static void close_now(nd_handle *h, nd_kind kind, void *ptr)
{
    switch (kind) {
    case ND_SUB: rill_sub_close(ptr); break;
    case ND_KV: rill_kv_close(ptr); break;
    case ND_OBJS: rill_objs_close(ptr); break;
    case ND_BATCH: rill_batch_close(ptr); break;
    case ND_WIRE: nd_wire_close(ptr); break;
    case ND_PIPE: nd_pipe_close(ptr); break;
    default: {
        nd_hooks *hooks = h->hooks;
        h->hooks = NULL;
        if (hooks) nd_hooks_quiet(hooks);
        close_waiting(kind, ptr, hooks);
    }
    }
}

void *nd_handle_take(nd_handle *h)
{
    void *ptr = h->ptr;
    if (!ptr) return NULL;
    h->ptr = NULL;
    nd_handle_keep(h, false);
    if (h->kind == ND_SUB) nd_sub_unwatch(h);
    *h->link = h->next;
    if (h->next) h->next->link = h->link;
    return ptr;
}

void nd_handle_close(nd_handle *h)
{
    /* A call that is under way has been given it: that one's end closes it. The calls of a bus, and
     * of a broker, end with it. */
    bool later = h->uses > 0 && h->kind != ND_BUS && h->kind != ND_BROKER;
    void *ptr = nd_handle_take(h);
    if (ptr && later) h->ending = ptr;
    if (later) return;
    if (ptr) close_now(h, h->kind, ptr);
}

void nd_handle_use(nd_handle *h)
{
    h->uses++;
    atomic_fetch_add(&h->refs, 1);
}

void nd_handle_done(nd_handle *h)
{
    if (--h->uses == 0 && h->ending) {
        void *ptr = h->ending;
        h->ending = NULL;
        close_now(h, h->kind, ptr);
    }
    nd_handle_unref(h);
}

void nd_handle_keep(nd_handle *h, bool keeps)
{
    if (h->keeps != keeps) nd_wait(h->env, keeps ? 1 : -1);
    h->keeps = keeps;
}

void nd_handle_dropped(nd_handle *h)
{
    pthread_mutex_lock(&h->env->lock);
    void *ptr = --h->uses == 0 ? h->ending : NULL;
    if (ptr) h->ending = NULL;
    pthread_mutex_unlock(&h->env->lock);
    if (ptr) close_now(h, h->kind, ptr);
    nd_handle_unref(h);
}

/* The collector never waits: what would, is closed by a thread. */
static void handle_finalize(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    nd_handle *h = data;
    bool waits = h->kind == ND_BUS || h->kind == ND_BROKER || h->kind == ND_FORWARD;
    closing *c = h->ptr && waits && !h->env->dead ? calloc(1, sizeof *c) : NULL;
    if (c) {
        *c = (closing){.task = {.e = h->env, .work = closing_work, .end = closing_end},
                       .kind = h->kind, .hooks = h->hooks};
        if (h->hooks) nd_hooks_quiet(h->hooks);
        h->hooks = NULL;
        c->ptr = nd_handle_take(h);
        nd_task_alone(&c->task);
    } else nd_handle_close(h);
    nd_env *e = h->env;
    nd_handle_unref(h);
    nd_env_unref(e);
}

nd_handle *nd_handle_new(nd_env *e, nd_kind kind, void *ptr, napi_value *out)
{
    nd_handle *h = calloc(1, sizeof *h);
    if (!h || napi_create_external(e->env, h, handle_finalize, NULL, out) != napi_ok) {
        nd_handle none = {.kind = kind, .env = e, .ptr = NULL};
        free(h);
        close_now(&none, kind, ptr);
        napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return NULL;
    }
    *h = (nd_handle){.kind = kind, .ptr = ptr, .env = e, .next = e->handles, .link = &e->handles,
                     .refs = 1};
    if (h->next) h->next->link = &h->next;
    e->handles = h;
    nd_env_ref(e);
    return h;
}

nd_handle *nd_handle_any(nd_env *e, napi_value v, nd_kind kind)
{
    nd_handle *h = NULL;
    if (!v || napi_get_value_external(e->env, v, (void **)&h) != napi_ok || h->kind != kind) {
        nd_throw_type(e, "a handle of another kind is wanted");
        return NULL;
    }
    return h;
}

bool nd_handle_closed(nd_env *e, const nd_handle *h)
{
    static const char *const words[] = {"the bus", "the subscription", "the bucket", "the bucket",
                                        "the batch", "the broker", "the forward", "the wire",
                                        "the object"};
    char text[60] = "";
    strcat(strcat(text, words[h->kind]), " is closed");
    napi_throw(e->env, nd_error(e, RILL_ECLOSED, text));
    return false;
}

nd_handle *nd_handle_get(nd_env *e, napi_value v, nd_kind kind)
{
    nd_handle *h = nd_handle_any(e, v, kind);
    return !h || h->ptr || nd_handle_closed(e, h) ? h : NULL;
}
