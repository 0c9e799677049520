/* SPDX-License-Identifier: Apache-2.0 */
/* A broker in this process. */
#include "binding.h"

typedef struct opening {
    nd_task task;
    nd_arena arena;
    rill_broker_opts opts;
    nd_hooks *hooks;
    rill_broker *broker;
} opening;

static bool opening_fill(nd_env *e, opening *o, napi_value *argv, size_t argc)
{
    if (!nd_record_fill(e, &nd_broker_opts, &o->opts, argc > 0 ? argv[0] : NULL, &o->arena))
        return false;
    if (argc < 2 || nd_is_nothing(e, argv[1])) return true;
    if (!(o->hooks = nd_hooks_new(e))) return false;
    nd_hooks_unref(o->hooks); /* logins end with the broker: only the handle has it */
    if (!nd_hooks_set(e, o->hooks, argv[1])) return false;
    o->opts.on_login = nd_hooks_on_login;
    o->opts.on_login_arg = o->hooks;
    return true;
}

static void opening_work(nd_task *t)
{
    opening *o = (opening *)t;
    nd_task_ends(t, rill_broker_open(&o->broker, &o->opts));
}

static napi_value opening_told(nd_env *e, nd_task *t)
{
    opening *o = (opening *)t;
    napi_value v = NULL;
    rill_broker *broker = o->broker;
    o->broker = NULL;
    nd_handle *h = nd_handle_new(e, ND_BROKER, broker, &v);
    if (!h) return NULL;
    h->hooks = o->hooks;
    o->hooks = NULL;
    return v;
}

static void opening_end(nd_task *t)
{
    opening *o = (opening *)t;
    rill_broker_close(o->broker, 0);
    if (o->hooks) nd_hooks_unref(o->hooks);
    nd_arena_free(&o->arena);
    free(o);
}

/* brokerOpen(opts, fn) */
static napi_value broker_open(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
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

static napi_value broker_open_sync(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    opening o = {0};
    napi_value v = NULL;
    int rc = RILL_OK;
    if (opening_fill(e, &o, argv, argc) && (rc = rill_broker_open(&o.broker, &o.opts)) >= 0)
        v = opening_told(e, &o.task);
    else if (rc < 0) nd_throw(e, rc);
    if (o.hooks) {
        nd_hooks_quiet(o.hooks);
        nd_hooks_unref(o.hooks);
    }
    nd_arena_free(&o.arena);
    return v;
}

/* listen(broker, url, opts): the port */
static napi_value broker_listen(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    rill_listen_opts opts;
    nd_arena a = {0};
    char *url;
    int rc = RILL_EINVAL;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    bool filled = h && (url = nd_text_get(e, argv[1], "url", &a)) &&
                  nd_record_fill(e, &nd_listen_opts, &opts, argv[2], &a);
    if (filled && (rc = rill_broker_listen(h->ptr, url, &opts)) < 0) nd_throw(e, rc);
    nd_arena_free(&a);
    if (!filled || rc < 0) return NULL;
    nd_handle_keep(h, true);
    return nd_number(e, rc);
}

/* accept(broker, url, wire) */
static napi_value broker_accept(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    nd_arena a = {0};
    char *url;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    nd_handle *wire = h ? nd_handle_get(e, argv[2], ND_WIRE) : NULL;
    if (wire && (url = nd_text_get(e, argv[1], "url", &a))) {
        int rc = rill_broker_accept(h->ptr, url, nd_wire_give(wire));
        if (rc < 0) nd_throw(e, rc);
    }
    nd_arena_free(&a);
    return NULL;
}

/* brokerBus(broker, opts, fn) */
static napi_value broker_bus(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    rill_opts opts;
    rill_bus *bus;
    nd_arena a = {0};
    napi_value v = NULL;
    nd_hooks *hooks = NULL;
    int rc = RILL_OK;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h || !nd_record_fill(e, &nd_opts, &opts, argv[1], &a)) goto out;
    if (!nd_is_nothing(e, argv[2])) {
        if (!(hooks = nd_hooks_new(e)) || !nd_hooks_set(e, hooks, argv[2])) goto out;
        opts.arg = hooks;
        opts.on_event = nd_hooks_on_event;
    }
    if ((rc = rill_broker_bus(h->ptr, &bus, &opts)) < 0) {
        nd_throw(e, rc);
        goto out;
    }
    nd_handle *made = nd_handle_new(e, ND_BUS, bus, &v);
    if (made) made->hooks = hooks, hooks = NULL;
out:
    nd_arena_free(&a);
    if (hooks) {
        nd_hooks_quiet(hooks);
        nd_hooks_unref(hooks);
        nd_hooks_unref(hooks);
    }
    return v;
}

/* reload(broker, opts, asks): on_login stays as it is, or is no more */
static napi_value broker_reload(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    rill_broker_opts opts;
    nd_arena a = {0};
    bool asks = false;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h) return NULL;
    napi_get_value_bool(env, argv[2], &asks);
    if (nd_record_fill(e, &nd_broker_opts, &opts, argv[1], &a)) {
        if (asks && h->hooks) {
            opts.on_login = nd_hooks_on_login;
            opts.on_login_arg = h->hooks;
        }
        int rc = rill_broker_reload(h->ptr, &opts);
        if (rc < 0) nd_throw(e, rc);
    }
    nd_arena_free(&a);
    return NULL;
}

/* lameDuck(broker, graceMs, durationMs) */
static napi_value broker_lame_duck(napi_env env, napi_callback_info info)
{
    ND_ARGS(3);
    int64_t grace, duration;
    nd_handle *h = argc < 3 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h || !nd_int_get(e, argv[1], "graceMs", 0, UINT32_MAX, &grace) ||
        !nd_int_get(e, argv[2], "durationMs", 0, UINT32_MAX, &duration)) return NULL;
    int rc = rill_broker_lame_duck(h->ptr, (uint32_t)grace, (uint32_t)duration);
    return rc < 0 ? nd_throw(e, rc) : NULL;
}

static napi_value broker_stats(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    rill_stats stats = {.size = sizeof stats};
    nd_handle *h = argc < 1 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h) return NULL;
    int rc = rill_broker_stats(h->ptr, &stats);
    return rc < 0 ? nd_throw(e, rc) : nd_record_tell(e, &nd_stats, &stats);
}

static napi_value broker_about(napi_env env, napi_callback_info info)
{
    ND_ARGS(1);
    rill_broker_info about = {.size = sizeof about};
    nd_handle *h = argc < 1 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h) return NULL;
    int rc = rill_broker_about(h->ptr, &about);
    return rc < 0 ? nd_throw(e, rc) : nd_record_tell(e, &nd_broker_info, &about);
}

static int put_conn(const rill_conn_info *conn, void *arg)
{
    nd_record_put(&nd_conn_info, conn, arg);
    return 0;
}

static int put_conn_sub(const rill_conn_sub *sub, void *arg)
{
    nd_record_put(&nd_conn_sub, sub, arg);
    return 0;
}

/* What a parcel has, behind a call that filled it with a list. */
static napi_value listed(nd_env *e, int rc, nd_parcel *p)
{
    nd_put_end(p);
    napi_value v = rc < 0 ? nd_throw(e, rc) : nd_parcel_open(e, p);
    nd_parcel_free(p);
    return v;
}

/* conns(broker, opts): an array */
static napi_value broker_conns(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    rill_conns_opts opts;
    nd_arena a = {0};
    nd_parcel p;
    nd_handle *h = argc < 2 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h || !nd_record_fill(e, &nd_conns_opts, &opts, argv[1], &a)) return NULL;
    nd_parcel_init(&p);
    nd_put_array(&p);
    return listed(e, rill_broker_conns(h->ptr, &opts, put_conn, &p), &p);
}

/* connSubs(broker, opts): [array, total] */
static napi_value broker_subs(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    rill_conn_subs_opts opts;
    nd_arena a = {0};
    nd_parcel p;
    uint64_t total = 0;
    nd_handle *h = argc < 2 ? NULL : nd_handle_get(e, argv[0], ND_BROKER);
    if (!h || !nd_record_fill(e, &nd_conn_subs_opts, &opts, argv[1], &a)) {
        nd_arena_free(&a);
        return NULL;
    }
    nd_parcel_init(&p);
    nd_put_array(&p);
    nd_put_array(&p);
    int rc = rill_broker_subs(h->ptr, &opts, put_conn_sub, &p, &total);
    nd_put_end(&p);
    nd_put_u64(&p, total);
    nd_arena_free(&a);
    return listed(e, rc, &p);
}

void nd_broker_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "brokerOpen", broker_open);
    nd_define(e, exports, "brokerOpenSync", broker_open_sync);
    nd_define(e, exports, "listen", broker_listen);
    nd_define(e, exports, "accept", broker_accept);
    nd_define(e, exports, "brokerBus", broker_bus);
    nd_define(e, exports, "reload", broker_reload);
    nd_define(e, exports, "lameDuck", broker_lame_duck);
    nd_define(e, exports, "brokerStats", broker_stats);
    nd_define(e, exports, "about", broker_about);
    nd_define(e, exports, "conns", broker_conns);
    nd_define(e, exports, "connSubs", broker_subs);
    nd_define(e, exports, "loginAnswer", nd_login_answer);
}
