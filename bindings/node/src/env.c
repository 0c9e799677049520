/* SPDX-License-Identifier: Apache-2.0
 *
 * An environment: the main thread's, or a worker's. Its queue of posts, what keeps it alive, and
 * its end. At the end handles are closed first, so that no callback comes any more, and libuv's
 * handles behind them, which takes a turn of the loop. */
#include "binding.h"

void nd_env_ref(nd_env *e) { atomic_fetch_add(&e->refs, 1); }

void nd_env_unref(nd_env *e)
{
    if (atomic_fetch_sub(&e->refs, 1) > 1) return;
    pthread_mutex_destroy(&e->lock);
    free(e->scratch);
    free(e);
}

void nd_post_send(nd_env *e, nd_post *post)
{
    post->next = NULL;
    pthread_mutex_lock(&e->lock);
    bool dead = e->dead;
    if (!dead) {
        bool first = !e->first;
        *e->last = post;
        e->last = &post->next;
        if (first) uv_async_send(e->async);
    }
    pthread_mutex_unlock(&e->lock);
    if (dead) post->drop(post);
}

void nd_wait(nd_env *e, int by)
{
    int before = e->waits;
    e->waits += by;
    if (e->dead || !e->async) return;
    if (!before && e->waits) uv_ref((uv_handle_t *)e->async);
    if (before && !e->waits) uv_unref((uv_handle_t *)e->async);
}

static nd_post *env_take(nd_env *e)
{
    pthread_mutex_lock(&e->lock);
    nd_post *first = e->first;
    e->first = NULL;
    e->last = &e->first;
    pthread_mutex_unlock(&e->lock);
    return first;
}

static void env_on_async(uv_async_t *async)
{
    nd_env *e = async->data;
    napi_handle_scope scope;
    napi_callback_scope callback;
    napi_value resource, name;
    if (napi_open_handle_scope(e->env, &scope) != napi_ok) return;
    napi_create_object(e->env, &resource);
    napi_create_string_utf8(e->env, "rill", NAPI_AUTO_LENGTH, &name);
    napi_async_context context = NULL;
    napi_async_init(e->env, resource, name, &context);
    bool opened = context &&
        napi_open_callback_scope(e->env, resource, context, &callback) == napi_ok;
    for (nd_post *post = env_take(e); post;) {
        nd_post *next = post->next;
        napi_handle_scope inner;
        bool inside = napi_open_handle_scope(e->env, &inner) == napi_ok;
        post->run(e, post);
        nd_uncaught(e);
        if (inside) napi_close_handle_scope(e->env, inner);
        post = next;
    }
    if (opened) napi_close_callback_scope(e->env, callback);
    nd_uncaught(e);
    if (context) napi_async_destroy(e->env, context);
    napi_close_handle_scope(e->env, scope);
}

void nd_uv_closed(uv_handle_t *handle)
{
    nd_env *e = handle->data;
    free(handle);
    if (--e->uv_open == 0 && e->dead) napi_remove_async_cleanup_hook(e->cleanup);
    nd_env_unref(e);
}

/* Of several handles those go first that stand on others. */
static void env_close_all(nd_env *e)
{
    static const nd_kind order[] = {ND_PIPE, ND_SUB, ND_BATCH, ND_KV, ND_OBJS, ND_FORWARD, ND_BUS,
                                    ND_BROKER, ND_WIRE};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        for (nd_handle *h = e->handles, *next; h; h = next) {
            next = h->next;
            if (h->kind == order[i]) nd_handle_close(h);
        }
    }
    nd_logins_refuse(e);
}

static void env_cleanup(napi_async_cleanup_hook_handle hook, void *arg)
{
    nd_env *e = arg;
    (void)hook;
    env_close_all(e);
    pthread_mutex_lock(&e->lock);
    e->dead = true;
    pthread_mutex_unlock(&e->lock);
    for (nd_post *post = env_take(e); post;) {
        nd_post *next = post->next;
        post->drop(post);
        post = next;
    }
    if (e->error) napi_delete_reference(e->env, e->error);
    if (e->message) napi_delete_reference(e->env, e->message);
    e->error = e->message = NULL;
    uv_close((uv_handle_t *)e->async, nd_uv_closed);
    e->async = NULL;
}

static void env_finalize(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    nd_env_unref(data);
}

/* setup(RillError, makeMessage) */
static napi_value env_setup(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    if (argc < 2 || e->error) return NULL;
    napi_create_reference(env, argv[0], 1, &e->error);
    napi_create_reference(env, argv[1], 1, &e->message);
    return NULL;
}

static napi_value env_errors(nd_env *e)
{
    napi_value names;
    napi_create_object(e->env, &names);
#define ONE(name, num, text) napi_set_element(e->env, names, num, nd_string(e, #name));
    RILL_ERROR_MAP(ONE)
#undef ONE
    return names;
}

/* errtext(n): the words for an error without particulars. */
static napi_value env_strerror(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    int64_t n;
    if (argc < 1 || !nd_int_get(e, argv[0], "an error", INT32_MIN, INT32_MAX, &n)) return NULL;
    napi_value pair, name = nd_string(e, rill_errname((int)n));
    napi_create_array_with_length(env, 2, &pair);
    napi_set_element(env, pair, 0, name);
    napi_set_element(env, pair, 1, nd_string(e, rill_strerror((int)n)));
    return pair;
}

napi_value nd_define(nd_env *e, napi_value exports, const char *name, napi_callback fn)
{
    napi_value f;
    if (napi_create_function(e->env, name, NAPI_AUTO_LENGTH, fn, e, &f) == napi_ok)
        napi_set_named_property(e->env, exports, name, f);
    return exports;
}

static nd_env *env_new(napi_env env)
{
    uv_loop_t *loop;
    nd_env *e = calloc(1, sizeof *e);
    uv_async_t *async = calloc(1, sizeof *async);
    if (!e || !async || napi_get_uv_event_loop(env, &loop) != napi_ok ||
        uv_async_init(loop, async, env_on_async) != 0) {
        free(e);
        free(async);
        return NULL;
    }
    e->env = env;
    e->async = async;
    async->data = e;
    uv_unref((uv_handle_t *)async);
    pthread_mutex_init(&e->lock, NULL);
    e->last = &e->first;
    e->uv_open = 1;
    e->refs = 2; /* of libuv's handle and of the environment */
    napi_set_instance_data(env, e, env_finalize, NULL);
    napi_add_async_cleanup_hook(env, env_cleanup, e, &e->cleanup);
    return e;
}

NAPI_MODULE_INIT(/* env, exports */)
{
    if (rill_version() < RILL_VERSION) {
        napi_throw_error(env, "RILL_ENOTSUP",
                         "librill is older than the one that this was built with");
        return NULL;
    }
    nd_records_init();
    nd_env *e = env_new(env);
    if (!e) {
        napi_throw_error(env, "RILL_ENOMEM", "out of memory");
        return NULL;
    }
    nd_define(e, exports, "setup", env_setup);
    nd_define(e, exports, "errtext", env_strerror);
    nd_bus_init(e, exports);
    nd_verb_init(e, exports);
    nd_sub_init(e, exports);
    nd_broker_init(e, exports);
    nd_wire_init(e, exports);
    nd_pipe_init(e, exports);
    nd_slab_init(e, exports);
    napi_set_named_property(env, exports, "errors", env_errors(e));
    napi_set_named_property(env, exports, "version", nd_number(e, rill_version()));
    return exports;
}
