/* SPDX-License-Identifier: Apache-2.0
 *
 * The native half of rill for Node: what lib/ calls, and nobody else.
 *
 * JavaScript runs on one thread, and rill's callbacks come on threads of rill's. None of these
 * ever waits for JavaScript: what one has to tell is copied into a post (env.c; parcel.c has its
 * bytes), posts stand in a queue of their environment, and uv_async_send() has that queue emptied
 * on the environment's thread. So rill_close() never waits for JavaScript either, and a worker that
 * is terminated in the middle leaves nobody waiting.
 *
 * What waits, and has a verb, is begun by rill_start() (verb.c). What waits without one
 * (rill_open(), rill_close(), objects in pieces, care of a store) has a thread for as long as it
 * takes (task.c): libuv's pool has four of them, and four objects that wait for a file would keep
 * that file's reads from being made.
 *
 * Messages are read by rill_read() where somebody wants them, many at a time, and copied into one
 * slab (slab.c) that JavaScript looks into when a field is asked for. */
#ifndef RILL_NODE_BINDING_H
#define RILL_NODE_BINDING_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <pthread.h>
#include <rill.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* ---- Posts: env.c ---- */

typedef struct nd_env nd_env;
typedef struct nd_post nd_post;
struct nd_post {
    nd_post *next;
    void (*run)(nd_env *e, nd_post *post);  /* on the thread of `e`; frees it */
    void (*drop)(nd_post *post);            /* its environment is gone; on any thread */
};

typedef struct nd_handle nd_handle;
typedef struct nd_login nd_login;
struct nd_env {
    napi_env env;
    uv_async_t *async;
    pthread_mutex_t lock;   /* of the next three */
    nd_post *first, **last;
    bool dead;              /* no post is taken any more */
    atomic_int refs;
    int waits;              /* what keeps the process alive */
    napi_ref error, message; /* class RillError; a function that makes a Message of a slab */
    nd_handle *handles;     /* all that are open */
    struct nd_call *calls;  /* all that are under way */
    nd_login *logins;       /* that wait for their answer */
    int uv_open;            /* handles of libuv's that are not closed yet */
    napi_async_cleanup_hook_handle cleanup;
    char *scratch;          /* for texts of messages */
    size_t scratch_cap;
};
void nd_env_ref(nd_env *e);
void nd_env_unref(nd_env *e); /* any thread */
void nd_post_send(nd_env *e, nd_post *post); /* any thread */
void nd_wait(nd_env *e, int by);

/* ---- Bytes that say of what kind they are: parcel.c ---- */

typedef struct nd_parcel {
    char *p;
    size_t len, cap;
    bool failed; /* no memory */
    char room[128];
} nd_parcel;
void nd_parcel_init(nd_parcel *p);
void nd_parcel_free(nd_parcel *p); /* with the messages that are still in it */
void nd_put_null(nd_parcel *p);
void nd_put_bool(nd_parcel *p, bool v);
void nd_put_num(nd_parcel *p, double v);
void nd_put_u64(nd_parcel *p, uint64_t v);  /* a number, or beyond 2^53 a bigint */
void nd_put_big(nd_parcel *p, int64_t v);   /* a bigint */
void nd_put_text(nd_parcel *p, const char *text); /* NULL: null */
void nd_put_str(nd_parcel *p, const char *ptr, size_t len);
void nd_put_bytes(nd_parcel *p, const void *ptr, size_t len);
void nd_put_msg(nd_parcel *p, const rill_msg *m);  /* keeps it; NULL: null */
void nd_put_key(nd_parcel *p, const char *key);    /* which lives for ever; a value follows */
void nd_put_object(nd_parcel *p);
void nd_put_array(nd_parcel *p);
void nd_put_end(nd_parcel *p);
napi_value nd_parcel_open(nd_env *e, nd_parcel *p); /* NULL: an exception is pending */

/* ---- Structs of rill.h: record.c ---- */

typedef struct nd_arena { struct nd_block *blocks; } nd_arena;
void *nd_arena_take(nd_arena *a, size_t size); /* zeroed; NULL: out of memory */
void nd_arena_free(nd_arena *a);

typedef struct nd_record nd_record;
extern const nd_record nd_opts, nd_post_opts, nd_batch_opts, nd_sub_opts, nd_at, nd_stream_opts,
    nd_purge_opts, nd_forward_opts, nd_bucket_opts, nd_kv_opts, nd_broker_opts, nd_listen_opts,
    nd_user, nd_conns_opts, nd_conn_subs_opts, nd_stats, nd_receipt, nd_sub_info, nd_stream_info,
    nd_group_info, nd_forward_info, nd_obj_info, nd_broker_info, nd_conn_info, nd_conn_sub,
    nd_event, nd_damage, nd_care, nd_login_record;
void nd_records_init(void);
size_t nd_record_size(const nd_record *r);
/* Zeroes the struct, and fills it from an object. undefined and null: none. */
bool nd_record_fill(nd_env *e, const nd_record *r, void *into, napi_value from, nd_arena *a);
void nd_record_put(const nd_record *r, const void *from, nd_parcel *p);
/* The same, less what is 0 or NULL: options, as they would be given. */
void nd_record_put_given(const nd_record *r, const void *from, nd_parcel *p);
napi_value nd_record_tell(nd_env *e, const nd_record *r, const void *from);

/* ---- Values of JavaScript's: value.c ---- */

#define ND_ARGS(max) \
    nd_env *e; \
    napi_value argv[max]; \
    size_t argc = max; \
    if (napi_get_cb_info(env, info, &argc, argv, NULL, (void **)&e) != napi_ok) return NULL

typedef struct nd_data { /* bytes that are lent, or a copy in the scratch or of its own */
    const void *ptr;
    size_t len;
    void *own;
} nd_data;
bool nd_data_get(nd_env *e, napi_value v, nd_data *d);
void nd_data_free(nd_data *d);
typedef struct nd_list { /* bytes of an array's elements: lent until JavaScript runs, or copies */
    rill_str *data;
    size_t n;
    char *texts;
} nd_list;
/* False: thrown, and for an element of a wrong type with its index. To be freed either way. */
bool nd_list_get(nd_env *e, napi_value v, nd_list *l);
void nd_list_free(nd_list *l);
char *nd_text_get(nd_env *e, napi_value v, const char *what, nd_arena *a); /* NULL: thrown */
/* The same, but undefined and null are NULL and true. */
bool nd_text_may(nd_env *e, napi_value v, const char *what, nd_arena *a, char **text);
/* Room for a subject, and for a longer one to be seen as such: it is cut behind a whole character,
 * which has up to four bytes. */
#define ND_SUBJECT_ROOM (RILL_SUBJECT_MAX + 8)
bool nd_subject_get(nd_env *e, napi_value v, char out[ND_SUBJECT_ROOM]);
bool nd_int_get(nd_env *e, napi_value v, const char *what, int64_t min, int64_t max, int64_t *out);
bool nd_is_nothing(nd_env *e, napi_value v);
napi_value nd_error(nd_env *e, int err, const char *sentence);
napi_value nd_throw(nd_env *e, int err); /* with this thread's sentence. Always NULL */
napi_value nd_throw_type(nd_env *e, const char *form, ...) __attribute__((format(printf, 2, 3)));
napi_value nd_throw_range(nd_env *e, const char *form, ...) __attribute__((format(printf, 2, 3)));
napi_value nd_undefined(nd_env *e);
napi_value nd_number(nd_env *e, double v);
napi_value nd_string(nd_env *e, const char *text);
/* What a function of lib/ threw, when no JavaScript is below, is an uncaught exception. */
void nd_uncaught(nd_env *e);

/* ---- Handles: handle.c ---- */

typedef enum nd_kind {
    ND_BUS, ND_SUB, ND_KV, ND_OBJS, ND_BATCH, ND_BROKER, ND_FORWARD, ND_WIRE, ND_PIPE
} nd_kind;
struct nd_handle {
    nd_kind kind;
    void *ptr;        /* NULL: it is closed, or about to be */
    nd_env *env;
    nd_handle *next, **link;
    void *ending;     /* what to close when `uses` is 0 */
    int uses;         /* calls under way that have it */
    atomic_int refs;
    bool keeps;       /* it keeps the process alive */
    bool stored;      /* of a sub: messages are kept, to be settled */
    uint32_t mean;    /* of a sub: bytes of a message */
    uv_poll_t *poll;  /* of a sub */
    napi_ref readable;
    void *hooks;      /* of a bus or broker: what its callbacks need */
};
nd_handle *nd_handle_new(nd_env *e, nd_kind kind, void *ptr, napi_value *out);
/* One that is open, or NULL and an exception. */
nd_handle *nd_handle_get(nd_env *e, napi_value v, nd_kind kind);
bool nd_handle_closed(nd_env *e, const nd_handle *h); /* throws that; always false */
nd_handle *nd_handle_any(nd_env *e, napi_value v, nd_kind kind); /* closed ones, too */
void nd_handle_use(nd_handle *h);
void nd_handle_done(nd_handle *h);  /* the end of a use */
void nd_handle_dropped(nd_handle *h); /* the same behind the end of the environment; any thread */
void nd_handle_keep(nd_handle *h, bool keeps);
void nd_handle_close(nd_handle *h); /* without waiting */
void *nd_handle_take(nd_handle *h); /* it is closed from now on, and `ptr` the caller's */
void nd_handle_unref(nd_handle *h);
void nd_sub_unwatch(nd_handle *h);
void nd_uv_closed(uv_handle_t *handle);

/* ---- Callbacks of a bus or a broker: hooks.c ---- */

typedef struct nd_hooks nd_hooks;
nd_hooks *nd_hooks_new(nd_env *e);
bool nd_hooks_set(nd_env *e, nd_hooks *h, napi_value fn); /* what posts call. False: thrown */
void nd_hooks_quiet(nd_hooks *h); /* on the thread of JavaScript: nothing is called any more */
void nd_hooks_unref(nd_hooks *h); /* any thread */
void nd_hooks_closed(nd_hooks *h, int rc); /* rill_close() has returned this */
void nd_hooks_on_event(rill_bus *bus, const rill_event *ev, void *arg);
int nd_hooks_dial(rill_wire **wire, const char *address, void *arg);
void nd_hooks_on_login(const rill_login *login, void *arg);
void nd_logins_refuse(nd_env *e); /* all that wait */
napi_value nd_login_answer(napi_env env, napi_callback_info info);

/* ---- Threads: task.c ---- */

typedef struct nd_task nd_task;
struct nd_task {
    nd_post post;
    nd_env *e;
    void (*work)(nd_task *t);               /* on its thread */
    napi_value (*told)(nd_env *e, nd_task *t); /* its value; NULL: an exception is pending */
    void (*end)(nd_task *t);                /* frees what it has; any thread */
    napi_deferred deferred;
    int rc;
    char *sentence;                         /* of rc; set by nd_task_ends() */
};
/* Begins it and returns its promise; `size` bytes, of which nd_task are the first. */
napi_value nd_task_begin(nd_env *e, nd_task *t);
void nd_task_ends(nd_task *t, int rc); /* on its thread: keeps the sentence */
/* The same without a promise and without anybody to tell. */
void nd_task_alone(nd_task *t);

/* ---- The rest: what lib/ calls ---- */

napi_value nd_slab_make(nd_env *e, const rill_msg *const *msgs, size_t n, bool keep);
napi_value nd_msg_tell(nd_env *e, const rill_msg *m, bool keep);

int nd_wire_make(nd_env *e, rill_wire **wire, void **ours); /* any thread */
napi_value nd_wire_tell(nd_env *e, void *ours);             /* an external for `ours` */
void nd_wire_drop(void *ours);
void nd_wire_close(void *ours);
rill_wire *nd_wire_give(nd_handle *h);

void nd_pipe_close(void *pipe);

napi_value nd_define(nd_env *e, napi_value exports, const char *name, napi_callback fn);
void nd_bus_init(nd_env *e, napi_value exports);
void nd_verb_init(nd_env *e, napi_value exports);
void nd_sub_init(nd_env *e, napi_value exports);
void nd_broker_init(nd_env *e, napi_value exports);

void nd_wire_init(nd_env *e, napi_value exports);
void nd_pipe_init(nd_env *e, napi_value exports);
void nd_slab_init(nd_env *e, napi_value exports);

#endif
