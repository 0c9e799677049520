/* SPDX-License-Identifier: Apache-2.0 */
/* Key-value buckets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "run.h"
#include "stream.h"
#include "tool.h"

#define KV_PREFIX "KV_"

/* The bucket of the first word, which must be there; an exit code. */
static int kv_open(tool *t, rill_kv **kv)
{
    const char *bucket = tool_word(t, 0);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_kv_open(t->bus, kv, bucket, RILL_OPTS(rill_bucket_opts, .must_exist = true));
    return err < 0 ? tool_failed(t, err, bucket) : TOOL_OK;
}

static void kv_key(out *o, const rill_msg *m)
{
    out_bytes(o, "key", m->key.ptr, m->key.len);
    out_count(o, "revision", m->seq);
    out_time(o, "time", m->time_ns);
    out_flag(o, "deleted", (m->flags & RILL_MSG_DELETED) != 0);
}

/* ---- Buckets ---- */

static int kv_ls_one(const rill_stream_desc *desc, void *arg)
{
    out *o = &((tool *)arg)->out;
    if (strncmp(desc->name, KV_PREFIX, strlen(KV_PREFIX)) != 0) return 0;
    out_row(o);
    out_text(o, "bucket", desc->name + strlen(KV_PREFIX));
    out_count(o, "keys", desc->info->subjects);
    out_count(o, "history", desc->opts->max_msgs_per_subject);
    out_size(o, "bytes", desc->info->bytes);
    out_time(o, "last_time", desc->info->last_time_ns);
    out_row_end(o);
    return 0;
}

int run_kv_ls(tool *t)
{
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = rill_stream_describe(t->bus, NULL, kv_ls_one, t);
    if (err < 0) return tool_failed(t, err, "buckets");
    out_end(&t->out);
    return TOOL_OK;
}

static int kv_info_one(const rill_stream_desc *desc, void *arg)
{
    out *o = &((tool *)arg)->out;
    out_begin(o, OUT_LIST);
    out_row(o);
    out_text(o, "bucket", desc->name + strlen(KV_PREFIX));
    out_count(o, "history", desc->opts->max_msgs_per_subject);
    if (desc->opts->max_age_ms) out_span(o, "ttl_ns", stream_ns(desc->opts->max_age_ms));
    if (desc->opts->max_bytes) out_size(o, "max_bytes", desc->opts->max_bytes);
    out_flag(o, "key_ttl", desc->opts->allow_ttl);
    out_text(o, "storage", desc->opts->in_memory ? "memory" : "file");
    out_count(o, "keys", desc->info->subjects);
    out_count(o, "revisions", desc->info->msgs);
    out_size(o, "bytes", desc->info->bytes);
    out_count(o, "last_revision", desc->info->last_seq);
    out_time(o, "last_time", desc->info->last_time_ns);
    out_row_end(o);
    out_end(o);
    return 0;
}

int run_kv_info(tool *t)
{
    const char *bucket = tool_word(t, 0);
    text stream = {0};
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    text_addf(&stream, KV_PREFIX "%s", bucket);
    int err = rill_stream_describe(t->bus, stream.ptr, kv_info_one, t);
    text_free(&stream);
    return err < 0 ? tool_failed(t, err, bucket) : TOOL_OK;
}

int run_kv_add(tool *t)
{
    const char *bucket = tool_word(t, 0);
    rill_kv *kv = NULL;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_kv_open(t->bus, &kv, bucket, RILL_OPTS(rill_bucket_opts, .must_exist = true));
    rill_kv_close(kv);
    if (err >= 0) return tool_error(t, TOOL_CONFLICT, "there is a bucket %s", bucket);
    uint64_t history = tool_number(t, OPT_HISTORY, 0);
    const rill_bucket_opts opts = {
        .size = sizeof opts, .in_memory = tool_has(t, OPT_MEMORY),
        .key_ttl = tool_has(t, OPT_KEY_TTL),
        .history = history > UINT32_MAX ? UINT32_MAX : (uint32_t)history,
        .ttl_ms = (int64_t)tool_number(t, OPT_TTL, 0),
        .max_bytes = tool_number(t, OPT_MAX_BYTES, 0), .replicas = tool_number(t, OPT_REPLICAS, 0)};
    err = rill_kv_open(t->bus, &kv, bucket, &opts);
    if (err < 0) return tool_failed(t, err, bucket);
    rill_kv_close(kv);
    return stream_done(t, "created", "bucket", bucket);
}

int run_kv_rm(tool *t)
{
    const char *bucket = tool_word(t, 0);
    text stream = {0};
    rill_kv *kv = NULL;
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    rill_kv_close(kv);
    if (!tool_sure(t, "delete the bucket %s with all its keys", bucket)) return TOOL_USAGE;
    text_addf(&stream, KV_PREFIX "%s", bucket);
    int err = rill_stream_delete(t->bus, stream.ptr);
    text_free(&stream);
    return err < 0 ? tool_failed(t, err, bucket) : stream_done(t, "deleted", "bucket", bucket);
}

/* ---- Reading ---- */

/* The key as it was at a revision: the stream's message of that number, if it is of that key. */
static int kv_get_at(tool *t, uint64_t revision, rill_msg **m)
{
    text stream = {0}, subject = {0};
    text_addf(&stream, KV_PREFIX "%s", tool_word(t, 0));
    text_addf(&subject, "$KV.%s.%s", tool_word(t, 0), tool_word(t, 1));
    int err = rill_stream_get(t->bus, stream.ptr, RILL_AT(revision), m);
    int code = err < 0 ? tool_failed(t, err, tool_word(t, 1)) : TOOL_OK;
    bool same = err >= 0 && (*m)->subject.len == subject.len &&
                memcmp((*m)->subject.ptr, subject.ptr, subject.len) == 0;
    if (err >= 0 && !same)
        code = tool_error(t, TOOL_NOT_FOUND, "revision %" PRIu64 " is of another key", revision);
    text_free(&stream);
    text_free(&subject);
    return code;
}

static int kv_show(tool *t, const rill_msg *m)
{
    out *o = &t->out;
    if (o->json) {
        out_begin(o, OUT_LINE);
        out_row(o);
        out_text(o, "bucket", tool_word(t, 0));
        out_text(o, "key", tool_word(t, 1));
        out_count(o, "revision", m->seq);
        out_time(o, "time", m->time_ns);
        out_bytes(o, "value", m->data.ptr, m->data.len);
        out_row_end(o);
    } else {
        out_data(o, m->data.ptr, m->data.len, tool_has(t, OPT_RAW));
        if (o->terminal && !tool_has(t, OPT_RAW)) putchar('\n');
    }
    return out_flush() ? TOOL_OK : TOOL_PIPE;
}

int run_kv_get(tool *t)
{
    rill_kv *kv = NULL;
    rill_msg *m = NULL;
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    if (tool_has(t, OPT_REVISION)) {
        code = kv_get_at(t, tool_number(t, OPT_REVISION, 0), &m);
    } else {
        int err = rill_kv_get(kv, tool_word(t, 1), &m);
        if (err < 0) code = tool_failed(t, err, tool_word(t, 1));
    }
    if (code == TOOL_OK) code = kv_show(t, m);
    rill_msg_unref(m);
    rill_kv_close(kv);
    return code;
}

static int kv_keys_one(const char *name, void *arg)
{
    tool *t = arg;
    text shown = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "key", name);
    out_row_end(&t->out);
    text_add_shown(&shown, name, strlen(name), false);
    out_say(&t->out, "%s", shown.ptr);
    text_free(&shown);
    return 0;
}

int run_kv_keys(tool *t)
{
    rill_kv *kv = NULL;
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    int err = rill_kv_each(kv, tool_word(t, 1), kv_keys_one, t);
    if (err < 0) code = tool_failed(t, err, tool_word(t, 0));
    rill_kv_close(kv);
    return code;
}

static int kv_history_one(const rill_msg *m, void *arg)
{
    out *o = &((tool *)arg)->out;
    out_row(o);
    kv_key(o, m);
    out_bytes(o, "value", m->data.ptr, m->data.len);
    out_row_end(o);
    return 0;
}

int run_kv_history(tool *t)
{
    rill_kv *kv = NULL;
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = rill_kv_history(kv, tool_word(t, 1), kv_history_one, t);
    if (err < 0) code = tool_failed(t, err, tool_word(t, 1));
    else out_end(&t->out);
    rill_kv_close(kv);
    return code;
}

static bool kv_told(tool *t, const rill_msg *m)
{
    out *o = &t->out;
    text shown = {0};
    out_begin(o, OUT_LINE);
    out_row(o);
    if (o->json) {
        kv_key(o, m);
        out_bytes(o, "value", m->data.ptr, m->data.len);
    }
    out_row_end(o);
    text_add_shown(&shown, m->key.ptr, m->key.len, false);
    if (m->flags & RILL_MSG_DELETED) {
        out_say(o, "%s%s deleted%s", out_on(o->colour, OUT_YELLOW), shown.ptr,
                out_off(o->colour));
    } else {
        text value = {0};
        text_add_shown(&value, m->data.ptr, m->data.len, false);
        out_say(o, "%s%s%s = %s", out_on(o->colour, OUT_CYAN), shown.ptr, out_off(o->colour),
                value.ptr);
        text_free(&value);
    }
    text_free(&shown);
    return out_flush();
}

static int kv_follow(tool *t, rill_sub *sub)
{
    uint64_t most = tool_number(t, OPT_COUNT, 0), count = 0;
    int64_t wait_ms = tool_has(t, OPT_WAIT) ? (int64_t)tool_number(t, OPT_WAIT, 0) : -1;
    const rill_msg *m;
    bool read = true, more = true;
    int err = RILL_OK;
    while (more && (err = link_next(sub, &m, wait_ms)) >= 0) {
        bool last = tool_has(t, OPT_END) && (m->flags & RILL_MSG_CAUGHT_UP) != 0;
        if (m->key.len) {
            read = kv_told(t, m);
            count++;
        }
        more = read && !last && !(most && count == most);
    }
    return !read ? TOOL_PIPE : link_ended(t, err, tool_word(t, 0));
}

int run_kv_watch(tool *t)
{
    rill_kv *kv = NULL;
    rill_sub *sub = NULL;
    if (tool_has(t, OPT_CHANGES) && tool_has(t, OPT_END))
        return tool_error(t, TOOL_USAGE, "--changes never ends: leave --end out");
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    rill_from from = tool_has(t, OPT_CHANGES) ? RILL_FROM_NEW : RILL_FROM_FIRST;
    int err = rill_kv_watch(kv, &sub, RILL_OPTS(rill_sub_opts, .from = from,
                                                .filter = tool_word(t, 1)));
    code = err < 0 ? tool_failed(t, err, tool_word(t, 0)) : kv_follow(t, sub);
    rill_sub_close(sub);
    rill_kv_close(kv);
    return code;
}

/* ---- Changing ---- */

static int kv_stored(tool *t, int err, uint64_t revision)
{
    if (err < 0) return tool_failed(t, err, tool_word(t, 1));
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "bucket", tool_word(t, 0));
    out_text(&t->out, "key", tool_word(t, 1));
    out_count(&t->out, "revision", revision);
    out_row_end(&t->out);
    out_say(&t->out, "stored as revision %" PRIu64, revision);
    return TOOL_OK;
}

typedef int kv_put_fn(rill_kv *kv, const char *key, const void *data, size_t len,
                      const rill_kv_opts *opts, uint64_t *rev);

static int kv_store(tool *t, kv_put_fn *put, const uint64_t *expect)
{
    rill_kv *kv = NULL;
    text value = {0};
    uint64_t revision = 0, ttl = tool_number(t, OPT_TTL, 0);
    if (ttl >= UINT32_MAX) return tool_error(t, TOOL_USAGE, "--ttl: at most 49 days");
    int code = message_data(t, tool_word(t, 2), &value) ? kv_open(t, &kv) : TOOL_FAILED;
    if (code == TOOL_OK) {
        int err = put(kv, tool_word(t, 1), value.ptr, value.len,
                      RILL_OPTS(rill_kv_opts, .expect = expect, .ttl_ms = (uint32_t)ttl),
                      &revision);
        code = kv_stored(t, err, revision);
    }
    rill_kv_close(kv);
    text_free(&value);
    return code;
}

int run_kv_put(tool *t)
{
    return kv_store(t, rill_kv_put, NULL);
}

int run_kv_create(tool *t)
{
    return kv_store(t, rill_kv_create, NULL);
}

int run_kv_update(tool *t)
{
    uint64_t expect;
    if (!args_number(tool_word(t, 3), &expect))
        return tool_error(t, TOOL_USAGE, "'%s' is no revision", tool_word(t, 3));
    return kv_store(t, rill_kv_put, &expect);
}

static int kv_remove(tool *t, int (*remove)(rill_kv *, const char *, const rill_kv_opts *),
                     const char *did)
{
    rill_kv *kv = NULL;
    uint64_t expect = tool_number(t, OPT_REVISION, 0);
    int code = kv_open(t, &kv);
    if (code != TOOL_OK) return code;
    int err = remove(kv, tool_word(t, 1),
                     RILL_OPTS(rill_kv_opts,
                               .expect = tool_has(t, OPT_REVISION) ? &expect : NULL));
    code = err < 0 ? tool_failed(t, err, tool_word(t, 1)) :
                     stream_done(t, did, "key", tool_word(t, 1));
    rill_kv_close(kv);
    return code;
}

int run_kv_del(tool *t)
{
    return kv_remove(t, rill_kv_delete, "deleted");
}

int run_kv_purge(tool *t)
{
    return kv_remove(t, rill_kv_purge, "purged");
}
