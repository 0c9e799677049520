/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of rill_start(): each is the call of that name, on the stack of a task, with the
 * arguments that were copied, and its results in the item. */
#include <string.h>

#include "api/start.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/handle/bus.h"

/* ---- Lists ---- */

static int verb_take_name(const char *name, void *arg)
{
    ri_start *s = arg;
    RI_ASSERT(name && !s->item->names);
    ri_buffer_put(&s->bytes, name, strlen(name) + 1);
    s->item->n += !s->bytes.failed;
    return s->bytes.failed;
}

/* The names stand in `bytes`, which moves no more. */
static int verb_names(ri_start *s, int rc)
{
    RI_ASSERT(!s->item->names && !s->call.delivered);
    if (rc >= 0 && s->bytes.failed) return RILL_ENOMEM;
    if (rc < 0 || s->item->n == 0) return rc;
    rill_str *names = ri_arena_alloc(&s->arena, ri_size_mul(s->item->n, sizeof *names));
    if (!names) return RILL_ENOMEM;
    const char *at = ri_buffer_str(&s->bytes).ptr;
    for (size_t i = 0; i < s->item->n; i++) {
        names[i] = (rill_str){at, strlen(at)};
        at += names[i].len + 1;
    }
    s->item->names = names;
    return rc;
}

static bool verb_add_row(ri_start *s, const void *row)
{
    RI_ASSERT(s->item->n <= s->rows_cap && !s->item->names);
    if (!row || ri_array_reserve(&s->bus->host, &s->rows, &s->rows_cap, s->item->n + 1,
                                 sizeof *s->rows) < 0)
        return false;
    s->rows[s->item->n++] = row;
    return true;
}

static int verb_take_msg(const rill_msg *m, void *arg)
{
    ri_start *s = arg;
    rill_msg *own = rill_msg_ref(m);
    if (verb_add_row(s, own)) return 0;
    rill_msg_unref(own);
    s->bytes.failed = true;
    return 1;
}

static bool verb_copy_desc(ri_start *s, const rill_stream_desc *desc, rill_stream_desc *own)
{
    RI_ASSERT(desc->name && desc->opts && desc->info);
    rill_stream_info *info = ri_arena_alloc(&s->arena, sizeof *info);
    const void *opts = NULL;
    own->name = ri_arena_copy(&s->arena, desc->name, strlen(desc->name));
    if (!info || !own->name) return false;
    if (ri_copy_in(&s->arena, &ri_copy_stream_opts, desc->opts, &opts) < 0) return false;
    *info = *desc->info;
    own->opts = opts;
    own->info = info;
    return true;
}

static int verb_take_desc(const rill_stream_desc *desc, void *arg)
{
    ri_start *s = arg;
    rill_stream_desc *own = ri_arena_alloc(&s->arena, sizeof *own);
    if (own && verb_copy_desc(s, desc, own) && verb_add_row(s, own)) return 0;
    s->bytes.failed = true;
    return 1;
}

static int verb_rows(ri_start *s, int rc)
{
    return rc == RILL_OK && s->bytes.failed ? RILL_ENOMEM : rc;
}

static int verb_msg(ri_start *s, int rc)
{
    s->item->msg = s->msg;
    return rc;
}

/* What was created is a count; the call itself is over, or not. */
static int verb_count(ri_start *s, int rc)
{
    if (rc < 0) return rc;
    s->item->count = (uint64_t)rc;
    return RILL_OK;
}

/* ---- Live messages and appends ---- */

static int verb_append(ri_start *s)
{
    const rill_call *c = s->c;
    s->receipt.size = sizeof s->receipt;
    s->item->receipt = &s->receipt;
    return rill_append(s->bus, c->name, c->data, c->len, c->post, &s->receipt, s->timeout_ms);
}

static int verb_request(ri_start *s)
{
    const rill_call *c = s->c;
    return verb_msg(s, rill_request(s->bus, c->name, c->data, c->len, c->post, &s->msg,
                                    s->timeout_ms));
}

static int verb_jetstream_ask(ri_start *s)
{
    const rill_call *c = s->c;
    return verb_msg(s, rill_jetstream_ask(s->bus, c->name, c->data, c->len, &s->msg,
                                          s->timeout_ms));
}

static int verb_flush(ri_start *s)
{
    return rill_flush(s->bus, s->timeout_ms);
}

static int verb_drain(ri_start *s)
{
    return rill_drain(s->bus, s->timeout_ms);
}

static int verb_batch_commit(ri_start *s)
{
    s->receipt.size = sizeof s->receipt;
    s->item->receipt = &s->receipt;
    return rill_batch_commit(s->c->batch, &s->receipt, s->timeout_ms);
}

static int verb_subscribe(ri_start *s)
{
    return rill_subscribe(s->bus, &s->item->sub, s->c->name, s->c->sub_opts);
}

/* ---- Streams and groups ---- */

static int verb_consume(ri_start *s)
{
    return rill_consume(s->bus, &s->item->sub, s->c->name, s->c->sub_opts);
}

static int verb_tail(ri_start *s)
{
    return rill_tail(s->bus, &s->item->sub, s->c->name, s->c->sub_opts);
}

static int verb_seek(ri_start *s)
{
    return rill_seek(s->c->sub, s->c->at);
}

static int verb_sub_status(ri_start *s)
{
    s->out.sub.size = sizeof s->out.sub;
    s->item->sub_info = &s->out.sub;
    return rill_sub_status(s->c->sub, &s->out.sub);
}

static int verb_stream_ensure(ri_start *s)
{
    return verb_count(s, rill_stream_ensure(s->bus, s->c->name, s->c->stream_opts));
}

static int verb_stream_delete(ri_start *s)
{
    return rill_stream_delete(s->bus, s->c->name);
}

static int verb_stream_status(ri_start *s)
{
    s->out.stream.size = sizeof s->out.stream;
    s->item->stream_info = &s->out.stream;
    return rill_stream_status(s->bus, s->c->name, &s->out.stream);
}

static int verb_stream_each(ri_start *s)
{
    return verb_names(s, rill_stream_each(s->bus, verb_take_name, s));
}

static int verb_stream_describe(ri_start *s)
{
    int rc = rill_stream_describe(s->bus, s->c->name, verb_take_desc, s);
    s->item->descs = (const rill_stream_desc *const *)s->rows;
    return verb_rows(s, rc);
}

static int verb_stream_purge(ri_start *s)
{
    return rill_stream_purge(s->bus, s->c->name, s->c->purge_opts, &s->item->count);
}

static int verb_stream_get(ri_start *s)
{
    return verb_msg(s, rill_stream_get(s->bus, s->c->name, s->c->at, &s->msg));
}

static int verb_stream_erase(ri_start *s)
{
    return rill_stream_erase(s->bus, s->c->name, s->c->at);
}

static int verb_group_ensure(ri_start *s)
{
    return verb_count(s, rill_group_ensure(s->bus, s->c->name, s->c->group, s->c->sub_opts));
}

static int verb_group_status(ri_start *s)
{
    s->out.group.size = sizeof s->out.group;
    s->item->group_info = &s->out.group;
    return rill_group_status(s->bus, s->c->name, s->c->group, &s->out.group);
}

static int verb_group_each(ri_start *s)
{
    return verb_names(s, rill_group_each(s->bus, s->c->name, verb_take_name, s));
}

static int verb_group_seek(ri_start *s)
{
    return rill_group_seek(s->bus, s->c->name, s->c->group, s->c->at);
}

static int verb_group_pause(ri_start *s)
{
    return rill_group_pause(s->bus, s->c->name, s->c->group, s->c->time_ns);
}

static int verb_group_delete(ri_start *s)
{
    return rill_group_delete(s->bus, s->c->name, s->c->group);
}

static int verb_forward_status(ri_start *s)
{
    s->out.forward.size = sizeof s->out.forward;
    s->item->forward_info = &s->out.forward;
    return rill_forward_status(s->c->forward, &s->out.forward);
}

/* ---- Buckets ---- */

static int verb_kv_open(ri_start *s)
{
    return rill_kv_open(s->bus, &s->item->kv, s->c->name, s->c->bucket_opts);
}

static int verb_kv_put(ri_start *s)
{
    const rill_call *c = s->c;
    return rill_kv_put(c->kv, c->name, c->data, c->len, c->kv_opts, &s->item->count);
}

static int verb_kv_create(ri_start *s)
{
    const rill_call *c = s->c;
    return rill_kv_create(c->kv, c->name, c->data, c->len, c->kv_opts, &s->item->count);
}

static int verb_kv_get(ri_start *s)
{
    return verb_msg(s, rill_kv_get(s->c->kv, s->c->name, &s->msg));
}

static int verb_kv_delete(ri_start *s)
{
    return rill_kv_delete(s->c->kv, s->c->name, s->c->kv_opts);
}

static int verb_kv_purge(ri_start *s)
{
    return rill_kv_purge(s->c->kv, s->c->name, s->c->kv_opts);
}

static int verb_kv_each(ri_start *s)
{
    return verb_names(s, rill_kv_each(s->c->kv, s->c->name, verb_take_name, s));
}

static int verb_kv_history(ri_start *s)
{
    int rc = rill_kv_history(s->c->kv, s->c->name, verb_take_msg, s);
    s->item->msgs = (const rill_msg *const *)s->rows;
    return verb_rows(s, rc);
}

static int verb_kv_watch(ri_start *s)
{
    return rill_kv_watch(s->c->kv, &s->item->sub, s->c->sub_opts);
}

static int verb_objs_open(ri_start *s)
{
    return rill_objs_open(s->bus, &s->item->objs, s->c->name, s->c->bucket_opts);
}

static int verb_objs_seal(ri_start *s)
{
    return rill_objs_seal(s->c->objs);
}

static int64_t verb_give_data(void *buf, size_t cap, void *arg)
{
    ri_start *s = arg;
    RI_ASSERT(s->c->verb == RILL_DO_OBJ_PUT && s->nsent <= s->c->len && (buf || cap == 0));
    size_t n = RI_MIN(cap, s->c->len - s->nsent);
    if (n) memcpy(buf, (const char *)s->c->data + s->nsent, n);
    s->nsent += n;
    return (int64_t)n;
}

static int verb_obj_put(ri_start *s)
{
    return rill_obj_put(s->c->objs, s->c->name, verb_give_data, s);
}

static int verb_take_data(const void *buf, size_t len, void *arg)
{
    ri_start *s = arg;
    RI_ASSERT(s->c->verb == RILL_DO_OBJ_GET && ri_buffer_str(&s->bytes).len <= RILL_START_DATA_MAX);
    if (len > RILL_START_DATA_MAX - ri_buffer_str(&s->bytes).len)
        return ri_err(RILL_ETOOBIG, "the object has more than %d bytes: rill_obj_get() is for such",
                      RILL_START_DATA_MAX);
    ri_buffer_put(&s->bytes, buf, len);
    return s->bytes.failed ? RILL_ENOMEM : RILL_OK;
}

static int verb_obj_get(ri_start *s)
{
    int rc = rill_obj_get(s->c->objs, s->c->name, verb_take_data, s);
    if (rc == RILL_OK) s->item->data = ri_buffer_str(&s->bytes);
    return rc;
}

static int verb_obj_status(ri_start *s)
{
    s->out.obj.size = sizeof s->out.obj;
    s->item->obj_info = &s->out.obj;
    return rill_obj_status(s->c->objs, s->c->name, &s->out.obj);
}

static int verb_obj_delete(ri_start *s)
{
    return rill_obj_delete(s->c->objs, s->c->name);
}

static int verb_obj_link(ri_start *s)
{
    return rill_obj_link(s->c->objs, s->c->name, s->c->to, s->c->group);
}

static int verb_obj_each(ri_start *s)
{
    return verb_names(s, rill_obj_each(s->c->objs, verb_take_name, s));
}

static int verb_obj_watch(ri_start *s)
{
    return rill_obj_watch(s->c->objs, &s->item->sub, s->c->sub_opts);
}

/* ---- Care of a store ---- */

static int verb_store_check(ri_start *s)
{
    return verb_count(s, rill_store_check(s->bus, NULL, NULL));
}

static int verb_store_snapshot(ri_start *s)
{
    return rill_store_snapshot(s->bus, s->c->name);
}

/* ---- The table ---- */

#define VERB(id, run, fields) [RILL_DO_##id] = {#id, run, fields, false, false}
#define VERB_TIMED(id, run, fields) [RILL_DO_##id] = {#id, run, fields, true, false}
#define VERB_BESIDE(id, run, fields) [RILL_DO_##id] = {#id, run, fields, false, true}

static const ri_verb verb_table[] = {
    VERB_TIMED(APPEND, verb_append, RI_VERB_NAME | RI_VERB_DATA | RI_VERB_POST),
    VERB_TIMED(REQUEST, verb_request, RI_VERB_NAME | RI_VERB_DATA | RI_VERB_POST),
    VERB_TIMED(JETSTREAM_ASK, verb_jetstream_ask, RI_VERB_NAME | RI_VERB_DATA),
    VERB_TIMED(FLUSH, verb_flush, 0),
    VERB_TIMED(DRAIN, verb_drain, 0),
    VERB_TIMED(BATCH_COMMIT, verb_batch_commit, RI_VERB_BATCH),
    VERB(SUBSCRIBE, verb_subscribe, RI_VERB_NAME | RI_VERB_SUB_OPTS),
    VERB(CONSUME, verb_consume, RI_VERB_NAME | RI_VERB_SUB_OPTS),
    VERB(TAIL, verb_tail, RI_VERB_NAME | RI_VERB_SUB_OPTS),
    VERB(SEEK, verb_seek, RI_VERB_SUB | RI_VERB_AT),
    VERB(SUB_STATUS, verb_sub_status, RI_VERB_SUB),
    VERB(STREAM_ENSURE, verb_stream_ensure, RI_VERB_NAME | RI_VERB_STREAM_OPTS),
    VERB(STREAM_DELETE, verb_stream_delete, RI_VERB_NAME),
    VERB(STREAM_STATUS, verb_stream_status, RI_VERB_NAME),
    VERB(STREAM_EACH, verb_stream_each, 0),
    VERB(STREAM_DESCRIBE, verb_stream_describe, RI_VERB_NAME),
    VERB(STREAM_PURGE, verb_stream_purge, RI_VERB_NAME | RI_VERB_PURGE_OPTS),
    VERB(STREAM_GET, verb_stream_get, RI_VERB_NAME | RI_VERB_AT),
    VERB(STREAM_ERASE, verb_stream_erase, RI_VERB_NAME | RI_VERB_AT),
    VERB(GROUP_ENSURE, verb_group_ensure, RI_VERB_NAME | RI_VERB_GROUP | RI_VERB_SUB_OPTS),
    VERB(GROUP_STATUS, verb_group_status, RI_VERB_NAME | RI_VERB_GROUP),
    VERB(GROUP_EACH, verb_group_each, RI_VERB_NAME),
    VERB(GROUP_SEEK, verb_group_seek, RI_VERB_NAME | RI_VERB_GROUP | RI_VERB_AT),
    VERB(GROUP_PAUSE, verb_group_pause, RI_VERB_NAME | RI_VERB_GROUP | RI_VERB_TIME),
    VERB(GROUP_DELETE, verb_group_delete, RI_VERB_NAME | RI_VERB_GROUP),
    VERB(FORWARD_STATUS, verb_forward_status, RI_VERB_FORWARD),
    VERB(KV_OPEN, verb_kv_open, RI_VERB_NAME | RI_VERB_BUCKET_OPTS),
    VERB(KV_PUT, verb_kv_put, RI_VERB_KV | RI_VERB_NAME | RI_VERB_DATA | RI_VERB_KV_OPTS),
    VERB(KV_CREATE, verb_kv_create, RI_VERB_KV | RI_VERB_NAME | RI_VERB_DATA | RI_VERB_KV_OPTS),
    VERB(KV_GET, verb_kv_get, RI_VERB_KV | RI_VERB_NAME),
    VERB(KV_DELETE, verb_kv_delete, RI_VERB_KV | RI_VERB_NAME | RI_VERB_KV_OPTS),
    VERB(KV_PURGE, verb_kv_purge, RI_VERB_KV | RI_VERB_NAME | RI_VERB_KV_OPTS),
    VERB(KV_EACH, verb_kv_each, RI_VERB_KV | RI_VERB_NAME),
    VERB(KV_HISTORY, verb_kv_history, RI_VERB_KV | RI_VERB_NAME),
    VERB(KV_WATCH, verb_kv_watch, RI_VERB_KV | RI_VERB_SUB_OPTS),
    VERB(OBJS_OPEN, verb_objs_open, RI_VERB_NAME | RI_VERB_BUCKET_OPTS),
    VERB(OBJS_SEAL, verb_objs_seal, RI_VERB_OBJS),
    VERB(OBJ_PUT, verb_obj_put, RI_VERB_OBJS | RI_VERB_NAME | RI_VERB_DATA),
    VERB(OBJ_GET, verb_obj_get, RI_VERB_OBJS | RI_VERB_NAME),
    VERB(OBJ_STATUS, verb_obj_status, RI_VERB_OBJS | RI_VERB_NAME),
    VERB(OBJ_DELETE, verb_obj_delete, RI_VERB_OBJS | RI_VERB_NAME),
    VERB(OBJ_LINK, verb_obj_link, RI_VERB_OBJS | RI_VERB_NAME | RI_VERB_TO | RI_VERB_GROUP),
    VERB(OBJ_EACH, verb_obj_each, RI_VERB_OBJS),
    VERB(OBJ_WATCH, verb_obj_watch, RI_VERB_OBJS | RI_VERB_SUB_OPTS),
    VERB_BESIDE(STORE_CHECK, verb_store_check, 0),
    VERB_BESIDE(STORE_SNAPSHOT, verb_store_snapshot, RI_VERB_NAME),
};

const ri_verb *ri_verb_of(rill_verb verb)
{
    bool known = verb > 0 && (size_t)verb < RI_LEN(verb_table) && verb_table[verb].run;
    return known ? &verb_table[verb] : NULL;
}

void ri_verb_drop(ri_start *s)
{
    RI_ASSERT(s->item == &s->call.item && (!s->item->msgs || s->item->n <= s->rows_cap));
    rill_msg_unref(s->msg);
    for (size_t i = 0; s->item->msgs && i < s->item->n; i++)
        rill_msg_unref((rill_msg *)(uintptr_t)s->item->msgs[i]);
}
