/* SPDX-License-Identifier: Apache-2.0
 *
 * A wire whose bytes JavaScript moves: lib/wire.js joins it to a stream of Node's. Between rill's
 * thread and that of JavaScript lie two bounded buffers; each side is told when the other has
 * something for it, or room again. */
#include "binding.h"

enum { WIRE_ROOM = 256 << 10, HAS_BYTES = 1, HAS_ROOM = 2, IS_CLOSED = 4 };

typedef struct side { char *p; size_t at, len; } side;

typedef struct wire {
    nd_env *e;
    atomic_int refs; /* of rill, of JavaScript's handle, of posts */
    pthread_mutex_t lock;
    rill_wire *rill; /* NULL: rill has closed it; inside the lock, as all that follows */
    bool given;      /* a bus or a broker has it */
    bool ended, broken, full, told;
    side in, out;
    int news;
    napi_ref fn;     /* on the thread of JavaScript */
} wire;

typedef struct news { nd_post post; wire *w; } news;

static void wire_unref(wire *w)
{
    if (atomic_fetch_sub(&w->refs, 1) > 1) return;
    pthread_mutex_destroy(&w->lock);
    free(w->in.p);
    free(w->out.p);
    nd_env_unref(w->e);
    free(w);
}

static bool side_put(side *s, const void *buf, size_t len)
{
    if (s->at + s->len + len > WIRE_ROOM * 2 || !s->p) {
        size_t cap = s->len + len > WIRE_ROOM * 2 ? s->len + len : WIRE_ROOM * 2;
        char *more = malloc(cap);
        if (!more) return false;
        if (s->len) memcpy(more, s->p + s->at, s->len);
        free(s->p);
        s->p = more;
        s->at = 0;
    }
    memcpy(s->p + s->at + s->len, buf, len);
    s->len += len;
    return true;
}

static size_t side_take(side *s, void *buf, size_t cap)
{
    size_t n = s->len < cap ? s->len : cap;
    memcpy(buf, s->p + s->at, n);
    s->at += n;
    s->len -= n;
    if (!s->len) s->at = 0;
    return n;
}

/* ---- News for JavaScript ---- */

static void news_run(nd_env *e, nd_post *post)
{
    wire *w = ((news *)post)->w;
    napi_value fn = NULL, recv = nd_undefined(e), what;
    pthread_mutex_lock(&w->lock);
    what = nd_number(e, w->news);
    w->news = 0;
    w->told = false;
    pthread_mutex_unlock(&w->lock);
    if (w->fn && napi_get_reference_value(e->env, w->fn, &fn) == napi_ok && fn)
        napi_call_function(e->env, recv, fn, 1, &what, NULL);
    wire_unref(w);
    free(post);
}

static void news_drop(nd_post *post)
{
    wire_unref(((news *)post)->w);
    free(post);
}

/* Inside the lock. The post that has to be sent behind it; what says nothing new needs none. */
static news *news_add(wire *w, int what)
{
    w->news |= what;
    if (w->told) return NULL;
    news *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    *n = (news){.post = {.run = news_run, .drop = news_drop}, .w = w};
    w->told = true;
    atomic_fetch_add(&w->refs, 1);
    return n;
}

/* ---- What rill calls ---- */

static int64_t on_read(void *arg, void *buf, size_t len)
{
    wire *w = arg;
    news *n = NULL;
    pthread_mutex_lock(&w->lock);
    int64_t got = (int64_t)side_take(&w->in, buf, len);
    if (!got) got = w->broken ? RILL_ECONN : w->ended ? 0 : RILL_EAGAIN;
    if (w->full && w->in.len <= WIRE_ROOM / 2) {
        w->full = false;
        n = news_add(w, HAS_ROOM);
    }
    pthread_mutex_unlock(&w->lock);
    if (n) nd_post_send(w->e, &n->post);
    return got;
}

static int64_t on_write(void *arg, const void *buf, size_t len)
{
    wire *w = arg;
    news *n = NULL;
    pthread_mutex_lock(&w->lock);
    size_t room = w->out.len < WIRE_ROOM ? WIRE_ROOM - w->out.len : 0;
    int64_t put = (int64_t)(len < room ? len : room);
    if (w->broken) put = RILL_ECONN;
    else if (!put) put = RILL_EAGAIN;
    else if (!side_put(&w->out, buf, (size_t)put)) put = RILL_ENOMEM;
    else n = news_add(w, HAS_BYTES);
    pthread_mutex_unlock(&w->lock);
    if (n) nd_post_send(w->e, &n->post);
    return put;
}

static void on_close(void *arg)
{
    wire *w = arg;
    pthread_mutex_lock(&w->lock);
    w->rill = NULL;
    news *n = news_add(w, IS_CLOSED);
    pthread_mutex_unlock(&w->lock);
    if (n) nd_post_send(w->e, &n->post);
    wire_unref(w);
}

int nd_wire_make(nd_env *e, rill_wire **out, void **ours)
{
    static const rill_wire_ops ops = {.size = sizeof ops, .read = on_read, .write = on_write,
                                      .close = on_close};
    wire *w = calloc(1, sizeof *w);
    if (!w) return RILL_ENOMEM;
    w->e = e;
    w->refs = 2;
    pthread_mutex_init(&w->lock, NULL);
    nd_env_ref(e);
    int rc = rill_wire_new(out, &ops, w, NULL);
    if (rc < 0) {
        w->refs = 1;
        wire_unref(w);
        return rc;
    }
    w->rill = *out;
    w->given = true; /* who makes one otherwise says so */
    *ours = w;
    return RILL_OK;
}

/* ---- What JavaScript calls ---- */

napi_value nd_wire_tell(nd_env *e, void *ours)
{
    napi_value v = NULL;
    nd_handle_new(e, ND_WIRE, ours, &v);
    return v;
}

void nd_wire_close(void *ours)
{
    wire *w = ours;
    rill_wire *alone = NULL;
    if (!w->e->dead && w->fn) napi_delete_reference(w->e->env, w->fn);
    w->fn = NULL;
    pthread_mutex_lock(&w->lock);
    w->broken = true;
    if (!w->given) alone = w->rill;
    else if (w->rill) rill_wire_ready(w->rill);
    pthread_mutex_unlock(&w->lock);
    if (alone) rill_wire_close(alone);
    wire_unref(w);
}

/* Nobody of JavaScript's will have it. */
void nd_wire_drop(void *ours)
{
    wire *w = ours;
    pthread_mutex_lock(&w->lock);
    w->broken = true;
    if (w->rill) rill_wire_ready(w->rill);
    pthread_mutex_unlock(&w->lock);
    wire_unref(w);
}

rill_wire *nd_wire_give(nd_handle *h)
{
    wire *w = h->ptr;
    pthread_mutex_lock(&w->lock);
    rill_wire *rill = w->rill;
    w->given = true;
    pthread_mutex_unlock(&w->lock);
    return rill;
}

static napi_value wire_new(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    rill_wire *rill;
    void *ours;
    int rc = nd_wire_make(e, &rill, &ours);
    if (rc < 0) return nd_throw(e, rc);
    ((wire *)ours)->given = false;
    return nd_wire_tell(e, ours);
}

/* wireOn(wire, fn): fn(news) */
static napi_value wire_on(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    nd_handle *h = argc < 2 ? NULL : nd_handle_any(e, argv[0], ND_WIRE);
    wire *w = h ? h->ptr : NULL;
    if (!w || w->fn) return NULL;
    napi_create_reference(env, argv[1], 1, &w->fn);
    pthread_mutex_lock(&w->lock); /* what came before this */
    news *n = w->out.len ? news_add(w, HAS_BYTES) : !w->rill ? news_add(w, IS_CLOSED) : NULL;
    pthread_mutex_unlock(&w->lock);
    if (n) nd_post_send(e, &n->post);
    return NULL;
}

/* wirePush(wire, bytes): whether there is room for more. No bytes: no more come. */
static napi_value wire_push(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    nd_data d;
    napi_value v = NULL;
    nd_handle *h = argc < 2 ? NULL : nd_handle_any(e, argv[0], ND_WIRE);
    wire *w = h ? h->ptr : NULL;
    napi_get_boolean(env, false, &v);
    if (!w || !nd_data_get(e, argv[1], &d)) return v;
    pthread_mutex_lock(&w->lock);
    if (nd_is_nothing(e, argv[1])) w->ended = true;
    else if (!side_put(&w->in, d.ptr, d.len)) w->broken = true;
    w->full = w->in.len > WIRE_ROOM;
    napi_get_boolean(env, !w->full, &v);
    if (w->rill) rill_wire_ready(w->rill);
    pthread_mutex_unlock(&w->lock);
    nd_data_free(&d);
    return v;
}

/* wireTake(wire): the bytes that are to be sent */
static napi_value wire_take(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    napi_value v = NULL;
    nd_handle *h = argc < 1 ? NULL : nd_handle_any(e, argv[0], ND_WIRE);
    wire *w = h ? h->ptr : NULL;
    if (!w) return NULL;
    pthread_mutex_lock(&w->lock);
    bool was_full = w->out.len >= WIRE_ROOM;
    if (w->out.len) napi_create_buffer_copy(env, w->out.len, w->out.p + w->out.at, NULL, &v);
    w->out.at = w->out.len = 0;
    if (was_full && w->rill) rill_wire_ready(w->rill);
    pthread_mutex_unlock(&w->lock);
    return v;
}

void nd_wire_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "wireNew", wire_new);
    nd_define(e, exports, "wireOn", wire_on);
    nd_define(e, exports, "wirePush", wire_push);
    nd_define(e, exports, "wireTake", wire_take);
}
