/* SPDX-License-Identifier: Apache-2.0
 *
 * The callbacks of a bus and of a broker: events, connections that are dialled, logins. Each comes
 * on a thread of rill's, is copied into a post, and told to one function of lib/. */
#include "binding.h"

struct nd_hooks {
    nd_env *e;
    atomic_int refs;
    atomic_int ends; /* 1: the last event has come; 2: rill_close() has returned */
    napi_ref fn;     /* NULL: nobody is told any more */
};

nd_hooks *nd_hooks_new(nd_env *e)
{
    nd_hooks *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->e = e;
    h->refs = 2; /* of the handle, and of rill's callbacks */
    nd_env_ref(e);
    return h;
}

bool nd_hooks_set(nd_env *e, nd_hooks *h, napi_value fn)
{
    if (napi_create_reference(e->env, fn, 1, &h->fn) == napi_ok) return true;
    nd_throw_type(e, "a function is wanted");
    return false;
}

void nd_hooks_quiet(nd_hooks *h)
{
    if (h->fn) napi_delete_reference(h->e->env, h->fn);
    h->fn = NULL;
}

void nd_hooks_unref(nd_hooks *h)
{
    if (atomic_fetch_sub(&h->refs, 1) > 1) return;
    nd_env_unref(h->e);
    free(h);
}

void nd_hooks_closed(nd_hooks *h, int rc)
{
    if (rc == RILL_OK || atomic_fetch_or(&h->ends, 2) & 1) nd_hooks_unref(h);
}

typedef struct told {
    nd_post post;
    nd_hooks *hooks;
    nd_parcel parcel;
    void *wire;      /* of a dial */
    nd_login *login; /* of a login */
} told;

static void told_free(told *t)
{
    nd_parcel_free(&t->parcel);
    nd_hooks_unref(t->hooks);
    free(t);
}

static void told_drop(nd_post *post)
{
    told *t = (told *)post;
    if (t->wire) nd_wire_drop(t->wire);
    told_free(t);
}

static napi_value login_tell(nd_env *e, nd_login *l);
static void login_refuse(nd_login *l);

static void told_run(nd_env *e, nd_post *post)
{
    told *t = (told *)post;
    napi_value fn = NULL, recv = nd_undefined(e), args[2];
    if (t->hooks->fn) napi_get_reference_value(e->env, t->hooks->fn, &fn);
    if (!fn && t->wire) nd_wire_drop(t->wire);
    if (!fn && t->login) login_refuse(t->login);
    if (fn) {
        args[0] = nd_parcel_open(e, &t->parcel);
        args[1] = t->wire    ? nd_wire_tell(e, t->wire)
                  : t->login ? login_tell(e, t->login)
                             : recv;
        if (args[0] && args[1]) napi_call_function(e->env, recv, fn, 2, args, NULL);
    }
    told_free(t);
}

static told *told_new(nd_hooks *h)
{
    told *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    atomic_fetch_add(&h->refs, 1);
    t->hooks = h;
    t->post = (nd_post){.run = told_run, .drop = told_drop};
    nd_parcel_init(&t->parcel);
    return t;
}

/* ---- Events ---- */

void nd_hooks_on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    nd_hooks *h = arg;
    told *t = told_new(h);
    if (t) {
        nd_put_object(&t->parcel);
        nd_put_key(&t->parcel, "event");
        nd_record_put(&nd_event, ev, &t->parcel);
        nd_put_key(&t->parcel, "sub");
        nd_put_num(&t->parcel, (double)(uintptr_t)ev->sub);
        nd_put_end(&t->parcel);
        nd_post_send(h->e, &t->post);
    }
    if (ev->kind == RILL_EV_CLOSED && atomic_fetch_or(&h->ends, 1) & 2) nd_hooks_unref(h);
}

/* ---- Dialling ---- */

int nd_hooks_dial(rill_wire **wire, const char *address, void *arg)
{
    nd_hooks *h = arg;
    told *t = told_new(h);
    int rc = t ? nd_wire_make(h->e, wire, &t->wire) : RILL_ENOMEM;
    if (rc < 0) {
        if (t) told_free(t);
        return rc;
    }
    nd_put_object(&t->parcel);
    nd_put_key(&t->parcel, "dial");
    nd_put_text(&t->parcel, address);
    nd_put_end(&t->parcel);
    nd_post_send(h->e, &t->post);
    return RILL_OK;
}

/* ---- Logins ---- */

/* One that is not answered when nobody can any more is refused: the collector, the end of the
 * environment. All of them are known to it for that. */
struct nd_login {
    nd_login *next, **link; /* inside the environment's lock */
    const rill_login *login; /* NULL: answered */
    nd_env *e;
    int refs; /* of the list, and of JavaScript; inside the lock */
};

static void login_unref(nd_login *l)
{
    pthread_mutex_lock(&l->e->lock);
    bool last = --l->refs == 0;
    pthread_mutex_unlock(&l->e->lock);
    nd_env *e = l->e;
    if (!last) return;
    free(l);
    nd_env_unref(e);
}

static const rill_login *login_take(nd_login *l)
{
    pthread_mutex_lock(&l->e->lock);
    const rill_login *login = l->login;
    l->login = NULL;
    if (login) {
        *l->link = l->next;
        if (l->next) l->next->link = l->link;
    }
    pthread_mutex_unlock(&l->e->lock);
    return login;
}

static void login_refuse(nd_login *l)
{
    const rill_login *login = login_take(l);
    if (!login) return;
    rill_login_answer(login, NULL, "nobody has answered");
    login_unref(l);
}

void nd_logins_refuse(nd_env *e)
{
    while (e->logins) login_refuse(e->logins);
}

static void login_finalize(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    nd_login *l = data;
    login_refuse(l);
    login_unref(l);
}

static napi_value login_tell(nd_env *e, nd_login *l)
{
    napi_value v = NULL;
    l->refs++;
    if (napi_create_external(e->env, l, login_finalize, NULL, &v) != napi_ok) {
        login_unref(l);
        login_refuse(l);
    }
    return v;
}

void nd_hooks_on_login(const rill_login *login, void *arg)
{
    nd_hooks *h = arg;
    nd_env *e = h->e;
    told *t = told_new(h);
    nd_login *l = t ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        if (t) told_free(t);
        rill_login_answer(login, NULL, "out of memory");
        return;
    }
    nd_env_ref(e);
    pthread_mutex_lock(&e->lock);
    bool dead = e->dead;
    *l = (nd_login){.next = e->logins, .link = &e->logins, .login = login, .e = e, .refs = 1};
    if (l->next) l->next->link = &l->next;
    e->logins = l;
    pthread_mutex_unlock(&e->lock);
    t->login = l;
    nd_put_object(&t->parcel);
    nd_put_key(&t->parcel, "login");
    nd_record_put_given(&nd_login_record, login, &t->parcel);
    nd_put_end(&t->parcel);
    nd_post_send(e, &t->post);
    if (dead) nd_logins_refuse(e);
}

/* loginAnswer(login, user or null, why) */
napi_value nd_login_answer(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    nd_login *l = NULL;
    nd_arena a = {0};
    rill_user as;
    char *why = NULL;
    bool none = argc < 2 || nd_is_nothing(e, argv[1]);
    if (argc < 1 || napi_get_value_external(env, argv[0], (void **)&l) != napi_ok) return NULL;
    if ((none || nd_record_fill(e, &nd_user, &as, argv[1], &a)) &&
        (argc < 3 || nd_text_may(e, argv[2], "why", &a, &why)) && l->login) {
        int rc = rill_login_answer(l->login, none ? NULL : &as, why);
        if (rc < 0) nd_throw(e, rc);
        else {
            login_take(l); /* its rill_login is gone; what it was is forgotten */
            login_unref(l);
        }
    }
    nd_arena_free(&a);
    return NULL;
}
