/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from a program: a stream laid out as NATS clients lay out theirs.
 *
 *     bucket B          stream OBJ_B
 *     pieces            $O.B.C.<nuid>, in order, 128 KiB each; a put has a nuid of its own
 *     object "a.txt"    $O.B.M.YS50eHQ=, one message (Nats-Rollup: sub): codec/jetstream/objmeta.h
 *
 * A put appends its pieces, which nobody finds yet, and then the one message that says where they
 * are. That one is what is waited for: it is behind them in the same log, so once it is committed
 * they are. It expects the object to be as it was when last looked at (Nats-Expected-Last-Subject-
 * Sequence); of two puts at once, the second looks again. So each put knows which pieces it has
 * taken out of use, and purges those and no others:
 *
 *     pieces of old   | - - - - - - - - - - - - - - - - - - - - |  purged: in the next commit
 *     message of old  | - - - - - - - - - - -|
 *     pieces of new             | - - - - - - - - - - - - - - - - - - - -
 *     message of new                         | - - - - - - - - - - - - - -
 *                                            ^ commit: readers see the new
 *
 * The gate is held for a message at a time, never while a source or a sink runs. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/saturate.h"
#include "base/sha256.h"
#include "codec/nats/headers.h"
#include "codec/jetstream/objmeta.h"
#include "codec/subject/subject.h"
#include "front/handle/peer.h"

enum {
    OBJ_CHUNK_BYTES = 128 * 1024,
    OBJ_IN_FLIGHT = 8, /* pieces appended before a commit is waited for */
    OBJ_HOPS_MAX = 8,  /* links followed */
};

struct rill_objs {
    ri_bus_bucket b;
};
static const ri_bus_bucket_kind obj_kind = {.stream = "OBJ_", .prefix = "$O."};

rill_bus *ri_bus_obj_bus(const rill_objs *objs)
{
    return objs && objs->b.kind == &obj_kind ? objs->b.bus : NULL;
}

/* ---- Names and subjects ---- */

/* A name that the description could not give back as it was (not UTF-8) is refused. */
static int obj_check_name(rill_objs *objs, const char *name)
{
    ri_buffer text;
    ri_json json;
    size_t len = strlen(name);
    if (len == 0 || len > RILL_OBJ_NAME_MAX)
        return ri_err(RILL_EINVAL, "an object's name has %zu bytes", len);
    ri_buffer_init(&text, &objs->b.bus->host);
    ri_json_put_string(&text, (ri_str){name, len});
    int rc = text.failed ? RILL_ENOMEM : ri_json_parse(&json, ri_buffer_str(&text));
    if (rc == RILL_OK && !ri_json_is(json, ri_str_of(name)))
        rc = ri_err(RILL_EINVAL, "an object's name is not UTF-8");
    ri_buffer_fini(&text);
    return rc;
}

static int obj_meta_subject(rill_objs *objs, const char *name, char out[RILL_SUBJECT_MAX + 1])
{
    ri_buffer coded;
    int rc = obj_check_name(objs, name);
    if (rc < 0) return rc;
    ri_buffer_init(&coded, &objs->b.bus->host);
    ri_base64_put_url(&coded, ri_str_of(name));
    if (coded.failed) rc = RILL_ENOMEM;
    ri_str token = ri_buffer_str(&coded);
    int len = snprintf(out, RILL_SUBJECT_MAX + 1, "%sM.%.*s", objs->b.prefix, RI_ARG(token));
    RI_ASSERT(len <= RILL_SUBJECT_MAX);
    (void)len;
    ri_buffer_fini(&coded);
    return rc;
}

static void obj_chunk_subject(const rill_objs *objs, const char *nuid,
                              char out[RILL_SUBJECT_MAX + 1])
{
    snprintf(out, RILL_SUBJECT_MAX + 1, "%sC.%s", objs->b.prefix, nuid);
}

/* ---- Open ---- */

static int obj_ensure(rill_objs *objs, const rill_bucket_opts *opts)
{
    char pieces[sizeof objs->b.prefix + 4], metas[sizeof objs->b.prefix + 4];
    snprintf(pieces, sizeof pieces, "%sC.>", objs->b.prefix);
    snprintf(metas, sizeof metas, "%sM.>", objs->b.prefix);
    ri_str subjects[2] = {ri_str_of(pieces), ri_str_of(metas)};
    ri_stream_conf conf = ri_bus_bucket_conf(objs->b.stream, opts);
    conf.subjects = (ri_strs){subjects, 2};
    return ri_bus_bucket_open(objs->b.bus, &conf, opts);
}

int ri_bus_obj_open(rill_bus *bus, rill_objs **out, const char *bucket,
                      const rill_bucket_opts *opts)
{
    ri_bus_bucket *b;
    int rc = ri_bus_bucket_new(bus, &obj_kind, bucket, &b);
    if (rc < 0) return rc;
    rill_objs *objs = ri_container_of(b, rill_objs, b);
    if ((rc = obj_ensure(objs, opts)) < 0) {
        ri_bus_bucket_free(b);
        return rc;
    }
    *out = objs;
    return RILL_OK;
}

void ri_bus_obj_close(rill_objs *objs)
{
    ri_bus_bucket_free(&objs->b);
}

int ri_bus_obj_seal(rill_objs *objs)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_SEAL, .stream = objs->b.stream};
    return ri_ask_run(objs->b.bus, &ask);
}

/* What was changed so far, by anybody, is committed. */
static int obj_settle(rill_objs *objs)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_SETTLED, .stream = objs->b.stream};
    return ri_ask_run(objs->b.bus, &ask);
}

/* Pieces that nobody finds any more. If that fails only their space is lost: no failure. */
static void obj_drop(rill_objs *objs, const char *nuid)
{
    char subject[RILL_SUBJECT_MAX + 1];
    obj_chunk_subject(objs, nuid, subject);
    ri_ask ask = {.kind = RI_ASK_STREAM_DROP, .stream = objs->b.stream,
                  .subject = ri_str_of(subject)};
    ri_ask_run(objs->b.bus, &ask);
}

/* ---- What is said of an object ---- */

static int obj_last(rill_objs *objs, const char *subject, ri_objmeta *meta)
{
    rill_msg *m;
    memset(meta, 0, sizeof *meta);
    int rc = ri_bus_stream_last(objs->b.bus, objs->b.stream, subject, &m);
    if (rc < 0) return rc;
    rc = ri_objmeta_read(meta, m->data);
    meta->info.seq = m->seq;
    meta->info.time_ns = m->time_ns;
    ri_bus_msg_unref(m);
    return rc;
}

/* RILL_ENOENT also if the object is deleted. */
static int obj_look(rill_objs *objs, const char *name, ri_objmeta *meta)
{
    char subject[RILL_SUBJECT_MAX + 1];
    int rc = obj_meta_subject(objs, name, subject);
    if (rc == RILL_OK) rc = obj_last(objs, subject, meta);
    if (rc == RILL_ENOENT || (rc == RILL_OK && meta->info.deleted))
        return ri_err(RILL_ENOENT, "there is no object %s in %s", name,
                      ri_bus_bucket_name(&objs->b));
    return rc;
}

static int obj_append(rill_objs *objs, const ri_message *m)
{
    rill_bus *bus = objs->b.bus;
    return ri_bus_bucket_gone(&objs->b, ri_bus_append(bus, m, NULL, NULL, ri_peer_answer_ns(bus)));
}

static int obj_append_meta(rill_objs *objs, const char *subject, const ri_objmeta *meta,
                           uint64_t expect)
{
    ri_buffer headers, text;
    char number[24];
    int len = snprintf(number, sizeof number, "%" PRIu64, expect);
    ri_buffer_init(&headers, &objs->b.bus->host);
    ri_buffer_init(&text, &objs->b.bus->host);
    int rc = ri_headers_add(&headers, RI_STR("Nats-Rollup"), RI_STR("sub"));
    if (rc == RILL_OK)
        rc = ri_headers_add(&headers, RI_STR("Nats-Expected-Last-Subject-Sequence"),
                            (ri_str){number, (size_t)len});
    if (rc == RILL_OK) {
        ri_objmeta_write(&text, meta, ri_str_of(ri_bus_bucket_name(&objs->b)));
        ri_message m = {.subject = ri_str_of(subject), .headers = ri_buffer_str(&headers),
                        .data = ri_buffer_str(&text)};
        rc = text.failed ? RILL_ENOMEM : obj_append(objs, &m);
    }
    ri_buffer_fini(&headers);
    ri_buffer_fini(&text);
    return rc;
}

typedef enum obj_change { OBJ_PUT, OBJ_DELETE, OBJ_LINK } obj_change;

static int obj_may(obj_change change, const ri_objmeta *was, const char *name)
{
    bool there = was->info.seq && !was->info.deleted;
    if (change == OBJ_DELETE && !there) return ri_err(RILL_ENOENT, "there is no object %s", name);
    if (change == OBJ_LINK && there && !was->info.link_bucket[0])
        return ri_err(RILL_EEXIST, "there is an object %s", name);
    return RILL_OK;
}

/* `meta` becomes what is said of its object; pieces that are out of use then, go. One whose
 * description cannot be read may be replaced. */
static int obj_replace(rill_objs *objs, ri_objmeta *meta, obj_change change)
{
    char subject[RILL_SUBJECT_MAX + 1];
    ri_objmeta was;
    int rc = obj_meta_subject(objs, meta->info.name, subject);
    while (rc == RILL_OK) {
        rc = obj_last(objs, subject, &was);
        if (rc < 0 && rc != RILL_ENOENT && rc != RILL_ECORRUPT) return rc;
        rc = obj_may(change, &was, meta->info.name);
        if (rc < 0) return rc;
        if (change == OBJ_DELETE && was.nuid[0]) memcpy(meta->nuid, was.nuid, sizeof meta->nuid);
        rc = obj_append_meta(objs, subject, meta, was.info.seq);
        if (rc != RILL_ECONFLICT) break;
        rc = obj_settle(objs); /* somebody was faster: look at what that one has put */
    }
    if (rc == RILL_OK && was.nuid[0]) obj_drop(objs, was.nuid);
    return rc;
}

static void obj_meta_init(rill_objs *objs, ri_objmeta *meta, const char *name)
{
    memset(meta, 0, sizeof *meta);
    snprintf(meta->info.name, sizeof meta->info.name, "%s", name);
    ri_broker_enter(objs->b.bus->broker);
    ri_nuid_next(&objs->b.bus->nuid, meta->nuid);
    meta->chunk_bytes = RI_MIN((uint32_t)OBJ_CHUNK_BYTES, objs->b.bus->broker->conf.max_msg_bytes);
    ri_broker_leave(objs->b.bus->broker);
}

/* ---- Put ---- */

/* A piece, full unless it is the last: its length, or what the source gives up with. */
static int64_t obj_fill(char *piece, size_t cap, rill_source_fn source, void *arg)
{
    size_t len = 0;
    while (len < cap) {
        int64_t n = source(piece + len, cap - len, arg);
        if (n == 0) break;
        if (n < 0) {
            int rc = (int)RI_MAX(n, INT_MIN);
            return ri_err(rc, "the source gave up: %s", ri_err_class(rc));
        }
        if ((uint64_t)n > cap - len)
            return ri_err(RILL_EINVAL, "the source gave %" PRId64 " bytes for %zu", n, cap - len);
        len += (size_t)n;
    }
    return (int64_t)len;
}

typedef struct obj_writing {
    ri_bus_appending pieces[OBJ_IN_FLIGHT]; /* used in turn */
    char piece[];                           /* chunk_bytes of them */
} obj_writing;

/* The piece of that number is stored. */
static int obj_put_end(rill_objs *objs, obj_writing *w, uint32_t number)
{
    ri_bus_appending *a = &w->pieces[number % OBJ_IN_FLIGHT];
    return ri_bus_bucket_gone(&objs->b, ri_bus_append_end(a, NULL, ri_peer_answer_ns(objs->b.bus)));
}

static int obj_put_piece(rill_objs *objs, ri_objmeta *meta, obj_writing *w, const ri_message *m)
{
    uint32_t number = meta->info.chunks;
    if (number == UINT32_MAX) return ri_err(RILL_ETOOBIG, "the object has too many pieces");
    int rc = number >= OBJ_IN_FLIGHT ? obj_put_end(objs, w, number) : RILL_OK;
    if (rc == RILL_OK)
        rc = ri_bus_append_begin(objs->b.bus, &w->pieces[number % OBJ_IN_FLIGHT], m);
    if (rc == RILL_OK) meta->info.chunks++;
    return ri_bus_bucket_gone(&objs->b, rc);
}

static int obj_put_pieces(rill_objs *objs, ri_objmeta *meta, obj_writing *w,
                          rill_source_fn source, void *arg)
{
    char subject[RILL_SUBJECT_MAX + 1];
    ri_sha256 sha;
    int64_t len;
    obj_chunk_subject(objs, meta->nuid, subject);
    ri_sha256_init(&sha);
    while ((len = obj_fill(w->piece, meta->chunk_bytes, source, arg)) > 0) {
        ri_message m = {.subject = ri_str_of(subject), .data = {w->piece, (size_t)len}};
        int rc = obj_put_piece(objs, meta, w, &m);
        if (rc < 0) return rc;
        ri_sha256_add(&sha, m.data);
        meta->info.bytes += (uint64_t)len;
        if ((size_t)len < meta->chunk_bytes) break;
    }
    if (len < 0) return (int)len;
    ri_sha256_end(&sha, meta->info.sha256);
    meta->has_digest = true;
    return RILL_OK;
}

/* A server is waited for until it has answered to all pieces, whatever became of the put: what it
 * has not stored yet could not be purged. Where the stream is at hand the message that names them
 * is visible when they are. */
static int obj_put_ends(rill_objs *objs, const ri_objmeta *meta, obj_writing *w)
{
    int rc = RILL_OK;
    if (!objs->b.bus->ops->late) return RILL_OK;
    uint32_t left = RI_MIN(meta->info.chunks, (uint32_t)OBJ_IN_FLIGHT);
    for (; rc != RILL_ETIMEDOUT && left > 0; left--) {
        uint32_t number = meta->info.chunks - left;
        if (!w->pieces[number % OBJ_IN_FLIGHT].bus) continue; /* it was refused */
        int end = obj_put_end(objs, w, number);
        if (rc == RILL_OK || end == RILL_ETIMEDOUT) rc = end;
    }
    return rc;
}

/* Send them all, and see to it that none is under way any more. */
static int obj_put_all(rill_objs *objs, ri_objmeta *meta, obj_writing *w, rill_source_fn source,
                       void *arg)
{
    ri_failure why;
    ri_failure_keep(&why, obj_put_pieces(objs, meta, w, source, arg));
    int rc = obj_put_ends(objs, meta, w);
    for (int i = 0; i < OBJ_IN_FLIGHT; i++) ri_bus_append_forget(&w->pieces[i]);
    return why.code ? ri_failure_restore(&why) : rc;
}

/* The pieces of a put that failed: those not committed yet cannot be purged, hence the wait. */
static int obj_undo(rill_objs *objs, const ri_objmeta *meta, int rc)
{
    ri_failure why;
    ri_failure_keep(&why, rc);
    if (meta->info.chunks && obj_settle(objs) == RILL_OK) obj_drop(objs, meta->nuid);
    return ri_failure_restore(&why);
}

int ri_bus_obj_put(rill_objs *objs, const char *name, rill_source_fn source, void *arg)
{
    ri_objmeta meta;
    int rc = obj_check_name(objs, name);
    if (rc < 0) return rc;
    obj_meta_init(objs, &meta, name);
    size_t size = sizeof(obj_writing) + meta.chunk_bytes;
    obj_writing *w = ri_calloc(&objs->b.bus->host, size);
    if (!w) return RILL_ENOMEM;
    rc = obj_put_all(objs, &meta, w, source, arg);
    ri_free(&objs->b.bus->host, w, size);
    if (rc == RILL_OK) rc = obj_replace(objs, &meta, OBJ_PUT);
    return rc < 0 ? obj_undo(objs, &meta, rc) : RILL_OK;
}

int ri_bus_obj_delete(rill_objs *objs, const char *name)
{
    ri_objmeta meta;
    int rc = obj_check_name(objs, name);
    if (rc < 0) return rc;
    obj_meta_init(objs, &meta, name);
    meta.info.deleted = true;
    return obj_replace(objs, &meta, OBJ_DELETE);
}

int ri_bus_obj_link(rill_objs *objs, const char *name, rill_objs *to, const char *target)
{
    ri_objmeta meta;
    int rc = obj_check_name(objs, name);
    if (rc == RILL_OK && target) rc = obj_look(to, target, &meta);
    if (rc < 0) return rc;
    if (target && meta.info.link_bucket[0])
        return ri_err(RILL_EINVAL, "%s is a link itself", target);
    obj_meta_init(objs, &meta, name);
    meta.chunk_bytes = 0;
    snprintf(meta.info.link_bucket, sizeof meta.info.link_bucket, "%s", ri_bus_bucket_name(&to->b));
    snprintf(meta.info.link_name, sizeof meta.info.link_name, "%s", target ? target : "");
    return obj_replace(objs, &meta, OBJ_LINK);
}

/* ---- Get ---- */

int ri_bus_obj_status(rill_objs *objs, const char *name, rill_obj_info *out)
{
    ri_objmeta meta;
    int rc = obj_look(objs, name, &meta);
    if (rc < 0) return rc;
    meta.info.size = sizeof meta.info;
    *out = meta.info;
    return RILL_OK;
}

/* The object at the end of all links; `at` is the bucket that it is in. */
static int obj_follow(rill_objs *at, const char *name, ri_objmeta *meta)
{
    char next[sizeof meta->info.link_name];
    for (int i = 0; i <= OBJ_HOPS_MAX; i++, name = next) {
        int rc = obj_look(at, name, meta);
        if (rc < 0 || !meta->info.link_bucket[0]) return rc;
        if (!meta->info.link_name[0])
            return ri_err(RILL_EINVAL, "%s leads to the bucket %s", name, meta->info.link_bucket);
        if ((rc = ri_bus_bucket_set(&at->b, meta->info.link_bucket)) < 0) return rc;
        memcpy(next, meta->info.link_name, sizeof next);
    }
    return ri_err(RILL_EINVAL, "more than %d links lead to one another", OBJ_HOPS_MAX);
}

typedef struct obj_reading {
    rill_sink_fn sink;
    void *arg;
    uint32_t chunks;  /* pieces that were given to the sink */
    uint64_t bytes;
    ri_sha256 sha;
} obj_reading;

static int obj_give_pieces(rill_objs *objs, const ri_objmeta *meta, obj_reading *r,
                           ri_str subject)
{
    uint64_t seq = 1;
    for (; r->chunks < meta->info.chunks; r->chunks++) {
        rill_msg *m;
        int rc = ri_bus_stream_next(objs->b.bus, objs->b.stream, subject, &seq, &m);
        if (rc < 0) return rc;
        r->bytes += m->data.len;
        ri_sha256_add(&r->sha, m->data);
        rc = r->sink(m->data.ptr, m->data.len, r->arg);
        ri_bus_msg_unref(m);
        if (rc < 0) return ri_err(rc, "the sink gave up: %s", ri_err_class(rc));
    }
    return RILL_OK;
}

static int obj_get_pieces(rill_objs *objs, const ri_objmeta *meta, obj_reading *r)
{
    char subject[RILL_SUBJECT_MAX + 1];
    obj_chunk_subject(objs, meta->nuid, subject);
    ri_sha256_init(&r->sha);
    return obj_give_pieces(objs, meta, r, ri_str_of(subject));
}

static int obj_verify(const ri_objmeta *meta, obj_reading *r)
{
    uint8_t digest[RI_SHA256_LEN];
    ri_sha256_end(&r->sha, digest);
    if (r->bytes != meta->info.bytes)
        return ri_err(RILL_ECORRUPT, "%s has %" PRIu64 " bytes, not %" PRIu64, meta->info.name,
                      r->bytes, meta->info.bytes);
    if (meta->has_digest && memcmp(digest, meta->info.sha256, sizeof digest) != 0)
        return ri_err(RILL_ECORRUPT, "%s has another digest than when it was put", meta->info.name);
    return RILL_OK;
}

int ri_bus_obj_get(rill_objs *objs, const char *name, rill_sink_fn sink, void *arg)
{
    ri_objmeta meta;
    char nuid[sizeof meta.nuid] = "";
    for (;;) {
        rill_objs at = *objs;
        obj_reading r = {.sink = sink, .arg = arg};
        int rc = obj_follow(&at, name, &meta);
        if (rc < 0) return rc;
        if (strcmp(nuid, meta.nuid) == 0)
            return ri_err(RILL_ECORRUPT, "a piece of %s is missing", name);
        rc = obj_get_pieces(&at, &meta, &r);
        if (rc == RILL_OK) return obj_verify(&meta, &r);
        if (rc != RILL_ENOENT) return rc;
        /* A piece is gone: replaced meanwhile, and read anew if that can be done unseen. */
        memcpy(nuid, meta.nuid, sizeof nuid);
        if (r.chunks == 0) continue;
        at = *objs;
        rc = obj_follow(&at, name, &meta);
        /* Then the next round finds it missing. */
        if (rc == RILL_OK && strcmp(nuid, meta.nuid) == 0) continue;
        return ri_err(RILL_ECONFLICT, "%s was replaced or deleted while it was read", name);
    }
}

/* ---- All of them ---- */

typedef struct obj_listing {
    rill_objs *objs;
    rill_name_fn fn;
    void *arg;
    int rc;
} obj_listing;

static int obj_list_one(const char *subject, void *arg)
{
    ri_objmeta meta;
    obj_listing *l = arg;
    int rc = obj_last(l->objs, subject, &meta);
    if (rc == RILL_ENOENT || (rc == RILL_OK && meta.info.deleted)) return 0;
    l->rc = rc;
    return rc < 0 || l->fn(meta.info.name, l->arg);
}

int ri_bus_obj_each(rill_objs *objs, rill_name_fn fn, void *arg)
{
    char filter[sizeof objs->b.prefix + 4];
    snprintf(filter, sizeof filter, "%sM.>", objs->b.prefix);
    obj_listing l = {.objs = objs, .fn = fn, .arg = arg};
    ri_ask ask = {.kind = RI_ASK_SUBJECTS, .stream = objs->b.stream, .subject = ri_str_of(filter)};
    int rc = ri_bus_names(objs->b.bus, &ask, 0, obj_list_one, &l);
    return rc < 0 ? rc : l.rc;
}

/* ---- Watch ---- */

int ri_bus_obj_watch(rill_objs *objs, rill_sub **sub, const rill_sub_opts *opts)
{
    char filter[sizeof objs->b.prefix + 4];
    rill_sub_opts own = *opts;
    if (own.group || own.filter || (own.from != RILL_FROM_FIRST && own.from != RILL_FROM_NEW &&
                                    own.from != RILL_FROM_LAST_PER_SUBJECT))
        return ri_err(RILL_EINVAL, "a watch has no group and no filter, and begins with what is "
                                   "there, or with NEW");
    if (own.from == RILL_FROM_FIRST) own.from = RILL_FROM_LAST_PER_SUBJECT;
    snprintf(filter, sizeof filter, "%sM.>", objs->b.prefix);
    own.filter = filter;
    uint32_t key_at = (uint32_t)strlen(objs->b.prefix) + 2;
    return ri_bus_consume(objs->b.bus, sub, objs->b.stream, &own, RI_BUS_WATCH, key_at);
}

int ri_bus_obj_info(const rill_msg *m, rill_obj_info *out)
{
    ri_objmeta meta;
    if (!ri_str_starts(m->subject, RI_STR("$O.")) || m->key.len == 0)
        return ri_err(RILL_EINVAL, "the message did not come from rill_obj_watch()");
    int rc = ri_objmeta_read(&meta, m->data);
    if (rc < 0) return rc;
    *out = meta.info;
    out->size = sizeof *out;
    out->seq = m->seq;
    out->time_ns = m->time_ns;
    return RILL_OK;
}
