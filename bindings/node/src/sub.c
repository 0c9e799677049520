/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a subscription. Nothing is read that nobody asks for: who waits watches its descriptor by
 * libuv, and reads when that says so. */
#include "binding.h"

enum { READ_MAX = 4096, READ_SOME = 512, SLAB_BYTES = 64 << 10 };

/* How many messages make a slab of about SLAB_BYTES, by what the last ones were. */
static size_t some(const nd_handle *h)
{
    size_t n = SLAB_BYTES / (h->mean + 80u);
    return n < 1 ? 1 : n > READ_SOME ? READ_SOME : n;
}

static void learn(nd_handle *h, const rill_msg *const *msgs, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += msgs[i]->data.len + msgs[i]->subject.len;
    h->mean = (uint32_t)((h->mean + bytes / (size_t)n) / 2);
}

/* read(sub, max, exactly): a slab; undefined if nothing waits, and null behind the last. */
static napi_value sub_read(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    const rill_msg *msgs[READ_MAX];
    int64_t max;
    bool exactly = false;
    napi_value v = NULL;
    nd_handle *h = argc < 3 ? NULL : nd_handle_any(e, argv[0], ND_SUB);
    if (!h || !nd_int_get(e, argv[1], "max", 1, READ_MAX, &max)) return NULL;
    napi_get_null(env, &v);
    if (!h->ptr) return v;
    napi_get_value_bool(env, argv[2], &exactly);
    size_t most = some(h);
    int rc = rill_read(h->ptr, msgs, exactly || (size_t)max < most ? (size_t)max : most, 0);
    if (rc == RILL_EAGAIN || rc == RILL_ETIMEDOUT) return NULL;
    if (rc == RILL_ECLOSED) return v;
    if (rc < 0) return nd_throw(e, rc);
    learn(h, msgs, rc);
    return nd_slab_make(e, msgs, (size_t)rc, h->stored);
}

/* ---- Waiting ---- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    nd_handle *h = *(nd_handle **)(poll + 1);
    nd_env *e = h->env;
    napi_handle_scope scope;
    napi_value fn = NULL, recv;
    if (napi_open_handle_scope(e->env, &scope) != napi_ok) return;
    if (h->readable && napi_get_reference_value(e->env, h->readable, &fn) == napi_ok && fn) {
        napi_create_object(e->env, &recv);
        napi_make_callback(e->env, NULL, recv, fn, 0, NULL, NULL);
    } else uv_poll_stop(poll);
    nd_uncaught(e);
    napi_close_handle_scope(e->env, scope);
}

/* The handle of libuv has the nd_handle behind it, since `data` is the environment's. */
static bool poll_make(nd_env *e, nd_handle *h)
{
    uv_loop_t *loop;
    int fd = rill_sub_fd(h->ptr);
    if (fd < 0) return nd_throw(e, fd), false;
    uv_poll_t *poll = calloc(1, sizeof *poll + sizeof h);
    if (!poll || napi_get_uv_event_loop(e->env, &loop) != napi_ok || uv_poll_init(loop, poll, fd)) {
        free(poll);
        napi_throw(e->env, nd_error(e, RILL_EIO, "the loop cannot watch a subscription"));
        return false;
    }
    poll->data = e;
    *(nd_handle **)(poll + 1) = h;
    h->poll = poll;
    e->uv_open++;
    nd_env_ref(e);
    return true;
}

static void forget(nd_handle *h)
{
    if (h->readable) napi_delete_reference(h->env->env, h->readable);
    h->readable = NULL;
}

void nd_sub_unwatch(nd_handle *h)
{
    forget(h);
    if (!h->poll) return;
    uv_poll_stop(h->poll);
    uv_close((uv_handle_t *)h->poll, nd_uv_closed);
    h->poll = NULL;
}

/* watch(sub, fn, keeps): fn() whenever it can be read, which keeps the process alive or not. No fn:
 * not any more. */
static napi_value sub_watch(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    bool keeps = true;
    nd_handle *h = argc < 1 ? NULL : nd_handle_any(e, argv[0], ND_SUB);
    if (!h || !h->ptr) return NULL;
    if (argc < 2 || nd_is_nothing(e, argv[1])) {
        if (h->poll) uv_poll_stop(h->poll);
        forget(h);
        return NULL;
    }
    if (!h->poll && !poll_make(e, h)) return NULL;
    forget(h);
    napi_create_reference(env, argv[1], 1, &h->readable);
    if (argc > 2) napi_get_value_bool(env, argv[2], &keeps);
    if (keeps) uv_ref((uv_handle_t *)h->poll);
    else uv_unref((uv_handle_t *)h->poll);
    uv_poll_start(h->poll, UV_READABLE, on_readable);
    return NULL;
}

static napi_value sub_stop(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    nd_handle *h = argc < 1 ? NULL : nd_handle_get(e, argv[0], ND_SUB);
    int rc = h ? rill_sub_stop(h->ptr) : RILL_OK;
    return rc < 0 ? nd_throw(e, rc) : NULL;
}

/* subId(sub): what an event says that is about it. */
static napi_value sub_id(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    nd_handle *h = argc < 1 ? NULL : nd_handle_any(e, argv[0], ND_SUB);
    return h ? nd_number(e, (double)(uintptr_t)h->ptr) : NULL;
}

void nd_sub_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "read", sub_read);
    nd_define(e, exports, "watch", sub_watch);
    nd_define(e, exports, "subStop", sub_stop);
    nd_define(e, exports, "subId", sub_id);
}
