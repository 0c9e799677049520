/* SPDX-License-Identifier: Apache-2.0 */
/* $JS.API.STREAM.*: the checks of each request in nats-server's order, then the engine. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "codec/jetstream/jsconf.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/apart.h"
#include "engine/streams/purge.h"
#include "front/jetstream/js_request.h"
#include "store/index/subject_index.h"

/* ---- What an info says of a stream ---- */

int ri_js_request_metadata(ri_js_request *r, ri_js_map *metadata)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_pair *pairs = ri_arena_alloc(&r->arena, ri_size_mul(metadata->len + 2, sizeof *pairs));
    if (!pairs) return RILL_ENOMEM;
    /* Sorted by key: the two lie on either side of _nats.req.level. */
    ri_js_pair level = {RI_STR("_nats.level"), RI_STR("5")};
    ri_js_pair version = {RI_STR("_nats.ver"), ri_str_of(r->api->opts.version)};
    _Static_assert(RI_JS_API_LEVEL == 5, "written as text above");
    uint32_t n = 0;
    bool has_level = false, has_version = false;
    for (uint32_t i = 0; i <= metadata->len; i++) {
        ri_str key = i < metadata->len ? metadata->items[i].key : (ri_str){NULL, 0};
        bool last = i == metadata->len;
        if (!has_level && (last || ri_str_cmp(level.key, key) < 0)) {
            pairs[n++] = level;
            has_level = true;
        }
        if (!has_version && (last || ri_str_cmp(version.key, key) < 0)) {
            pairs[n++] = version;
            has_version = true;
        }
        if (!last) pairs[n++] = metadata->items[i];
    }
    RI_ASSERT(n == metadata->len + 2);
    *metadata = (ri_js_map){pairs, n};
    return RILL_OK;
}

static bool stream_api_fill(ri_js_request *r, ri_stream *stream, ri_stream_info *info)
{
    ri_stream_info_of(stream, info);
    ri_stream_conf *conf = ri_arena_alloc(&r->arena, sizeof *conf);
    if (!conf) return false;
    *conf = *info->config;
    info->config = conf;
    return ri_js_request_metadata(r, &conf->metadata) == RILL_OK;
}

ri_stream_info *ri_js_stream_api_describe(ri_js_request *r, ri_stream *stream)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_stream_info *info = ri_arena_alloc(&r->arena, sizeof *info);
    if (!info) return NULL;
    *info = (ri_stream_info){0};
    if (!stream_api_fill(r, stream, info)) return NULL;
    ri_budget_spend(ri_js_request_budget(r), info->config->subjects.len);
    return info;
}

/* ---- Create, update, delete ---- */

static bool stream_api_name(ri_js_request *r, const ri_stream_conf *conf)
{
    ri_js_error e = {0};
    if (!ri_str_eq(r->stream, conf->name))
        ri_jserror_set(&e, RI_JS_STREAM_MISMATCH, NULL);
    else if (memchr(r->stream.ptr, '/', r->stream.len) ||
             memchr(r->stream.ptr, '\\', r->stream.len))
        ri_jserror_set(&e, RI_JS_STREAM_NAME_CONTAINS_PATH_SEPARATORS, NULL);
    if (e.code) ri_js_request_fail(r, &e);
    return !e.code;
}

/* What is asked is checked, its subjects are compared with those of all streams, and then it is
 * done: each in slices of its own if it is long. Before the last of these nothing can be seen. */
typedef struct stream_api_change {
    ri_js_stream_request request;
    ri_apart apart;
    bool compared;
} stream_api_change;

static void stream_api_create_now(ri_js_request *r, const ri_js_stream_request *request)
{
    ri_js_error e = {0};
    ri_stream *stream;
    int rc = ri_stream_create(r->js, request, &stream, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_CREATE);
        return;
    }
    ri_js_stream_reply reply = {.info = ri_js_stream_api_describe(r, stream), .did_create = true};
    if (reply.info) ri_js_request_answer_committed(r, NULL, &reply);
}

static void stream_api_update_now(ri_js_request *r, const ri_js_stream_request *request)
{
    ri_js_error e = {0};
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    int rc = ri_stream_update(stream, request, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_UPDATE);
        return;
    }
    ri_js_stream_reply reply = {.info = ri_js_stream_api_describe(r, stream)};
    if (!reply.info) return;
    reply.info->domain = ri_js_request_domain(r->api);
    ri_js_request_answer_committed(r, NULL, &reply);
}

static bool stream_api_change_step(ri_js_request *r)
{
    stream_api_change *w = r->work;
    if (!w->compared) { /* what it says is asked once more, and answered, in its place */
        w->compared = ri_apart_some(r->js, &w->apart) != 1;
        return true;
    }
    w->request.apart = &w->apart;
    if (r->route->handle == ri_js_stream_api_create) stream_api_create_now(r, &w->request);
    else stream_api_update_now(r, &w->request);
    return false;
}

static void stream_api_change_drop(ri_js_request *r)
{
    stream_api_change *w = r->work;
    ri_apart_fini(&w->apart);
}

static void stream_api_change_begin(ri_js_request *r, const ri_js_stream_request *request)
{
    stream_api_change *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    w->request = *request;
    w->compared = false;
    ri_apart_init(&w->apart, r->js, w->request.conf.name, &w->request.conf.subjects);
    r->work = w;
    r->drop = stream_api_change_drop;
    ri_js_request_go_on(r, stream_api_change_step);
}

/* The request, unless it names more than any may. */
static bool stream_api_read(ri_js_request *r, ri_js_stream_request *request)
{
    if (!ri_js_request_decode(r, &ri_jsapi_stream_request, request)) return false;
    uint32_t most = ri_js_max_subjects(r->js);
    if (request->conf.subjects.len <= most) return true;
    ri_js_error e = {0};
    ri_jserror_set(&e, RI_JS_STREAM_INVALID_CONFIG, "a stream takes at most %u subjects", most);
    ri_js_request_fail(r, &e);
    return false;
}

void ri_js_stream_api_create(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_stream_request request;
    if (!stream_api_read(r, &request) || !stream_api_name(r, &request.conf)) return;
    ri_js_error e = {0};
    if (request.conf.sealed)
        ri_jserror_set(&e, RI_JS_STREAM_INVALID_CONFIG,
                       "stream configuration for create can not be sealed");
    else if (request.conf.mirror_direct && !request.conf.mirror)
        ri_jserror_set(&e, RI_JS_STREAM_INVALID_CONFIG,
                       "stream has no mirror but does have mirror direct");
    if (e.code) ri_js_request_fail(r, &e);
    else stream_api_change_begin(r, &request);
}

void ri_js_stream_api_update(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_stream_request request;
    ri_js_error e = {0};
    if (!stream_api_read(r, &request)) return;
    ri_budget_spend(ri_js_request_budget(r), 2 * (uint64_t)request.conf.subjects.len);
    int rc = ri_jsconf_stream(&request.conf, NULL, request.pedantic, &r->arena, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_INVALID_CONFIG);
        return;
    }
    ri_stream *stream = stream_api_name(r, &request.conf) ? ri_js_request_stream(r) : NULL;
    if (!stream) return;
    rc = ri_jsconf_stream_update(ri_stream_conf_of(stream), &request.conf, request.pedantic, &e);
    if (rc < 0) ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_UPDATE);
    else stream_api_change_begin(r, &request);
}

static void stream_api_answer_deleted(ri_js_request *r, int rc, ri_js_error *e)
{
    ri_js_ok_reply reply = {.success = true};
    if (rc < 0) ri_js_request_fail_rc(r, rc, e, RI_JS_STREAM_DELETE);
    else ri_js_request_answer_committed(r, NULL, &reply);
}

static bool stream_api_delete_step(ri_js_request *r)
{
    ri_stream *stream = ri_js_request_again(r);
    if (!stream) return false;
    ri_js_error e = {0};
    int rc = ri_stream_delete_some(stream, &e);
    if (rc == 1) return true;
    stream_api_answer_deleted(r, rc, &e);
    return false;
}

void ri_js_stream_api_delete(ri_js_request *r)
{
    ri_js_error e = {0};
    if (ri_js_stream(r->js, r->stream)) ri_js_request_go_on(r, stream_api_delete_step);
    else stream_api_answer_deleted(r, ri_fence_delete(r->js, r->stream, &e), &e);
}

/* ---- Info ---- */

enum {
    STREAM_API_SLOTS = 64,     /* slots of a track that are looked through in a unit */
    STREAM_API_GAPS = 8,       /* numbers that are noted in a unit */
    STREAM_API_LOOK = 1 << 16, /* slots that are looked through before the budget is asked */
};

/* What takes slices: a page of the stream's subjects, in byte order, and the numbers between first
 * and last that are gone; the lowest, where there are more than an answer can carry. The rest of
 * the answer is that of the moment of the last of them. */
typedef struct stream_api_details {
    ri_js_stream_info_request request;
    bool pages;               /* subjects are asked for, and not yet all seen */
    ri_subject_place place;
    ri_buffer json;           /* "subject":count,... */
    uint32_t listed;            /* subjects in it */
    int64_t from, seen;
    int64_t *gaps;
    uint32_t ngaps, cap;      /* of `gaps` */
    uint64_t gap;             /* the number that is looked at next */
} stream_api_details;

/* Is the page full though another one fits its number? */
static bool stream_api_cut(const stream_api_details *w)
{
    return w->json.len >= RI_LIMIT_JS_PAGE;
}

static int stream_api_subject(void *arg, const ri_subject_info *info)
{
    stream_api_details *w = arg;
    if (w->seen++ < w->from || w->listed >= RI_LIMIT_JS_SUBJECTS || stream_api_cut(w)) return 0;
    char digits[RI_NUMBER_MAX];
    if (w->listed++) ri_buffer_puts(&w->json, ",");
    ri_json_put_string(&w->json, info->subject);
    ri_buffer_puts(&w->json, ":");
    ri_buffer_put(&w->json, digits, ri_number_write(digits, info->count));
    ri_budget_spend(w->place.budget, 1);
    return 0;
}

/* Some more numbers that are gone: true, if there may be others. */
static bool stream_api_gaps(ri_js_request *r, ri_stream *stream, stream_api_details *w)
{
    ri_track_info info;
    ri_track_counts(ri_stream_track(stream), &info);
    bool left = true;
    w->gap = RI_MAX(w->gap, info.first_seq);
    while (w->ngaps < w->cap && w->gap <= info.last_seq) {
        if (!left) return true;
        uint64_t end, visited = 0, last = RI_MIN(info.last_seq - w->gap, STREAM_API_LOOK) + w->gap;
        uint32_t before = w->ngaps;
        int rc = ri_track_gap(ri_stream_track(stream), &w->gap, last, &end, &visited);
        if (rc < 0) break;
        if (rc == 0) w->gap = last + 1;
        for (; rc > 0 && w->gap <= end && w->ngaps < w->cap; w->gap++)
            w->gaps[w->ngaps++] = (int64_t)w->gap;
        left = ri_budget_spend(ri_js_request_budget(r), (w->ngaps - before) / STREAM_API_GAPS +
                                                            visited / STREAM_API_SLOTS + 1);
    }
    return false;
}

/* Those that were noted, without what has gone from the stream's beginning meanwhile. */
static ri_int64s stream_api_deleted(const stream_api_details *w, uint64_t first_seq)
{
    uint32_t skip = 0;
    while (skip < w->ngaps && (uint64_t)w->gaps[skip] < first_seq) skip++;
    return (ri_int64s){w->ngaps ? w->gaps + skip : NULL, w->ngaps - skip};
}

static void stream_api_answer_info(ri_js_request *r, ri_stream *stream, const stream_api_details *w)
{
    ri_js_stream_info_reply reply = {.info = ri_js_stream_api_describe(r, stream)};
    if (!reply.info) return;
    reply.info->domain = ri_js_request_domain(r->api);
    ri_js_cluster cluster = {.leader = ri_str_of(r->api->opts.server_name)};
    reply.info->cluster = &cluster;
    if (w) reply.info->state.deleted = stream_api_deleted(w, reply.info->state.first_seq);
    if (w && w->seen) {
        reply.info->state.subjects = (ri_js_counts){.len = w->listed,
                                                    .json = ri_buffer_str(&w->json)};
        reply.paged = (ri_js_paged){.total = w->seen, .offset = w->from,
                                    .limit = stream_api_cut(w) ? w->listed : RI_LIMIT_JS_SUBJECTS};
    }
    ri_js_request_answer(r, &reply);
}

static bool stream_api_info_step(ri_js_request *r)
{
    stream_api_details *w = r->work;
    ri_stream *stream = ri_js_request_again(r);
    if (!stream) return false;
    int rc = !w->pages ? RILL_OK
             : ri_track_some_subjects(ri_stream_track(stream), w->request.subjects_filter, false,
                                      &w->place, stream_api_subject, w);
    r->held = w->json.cap;
    if (rc == 1) return true;
    if (rc < 0 || w->json.failed) return false;
    w->pages = false;
    if (stream_api_gaps(r, stream, w)) return true;
    stream_api_answer_info(r, stream, w);
    return false;
}

static void stream_api_info_drop(ri_js_request *r)
{
    stream_api_details *w = r->work;
    ri_buffer_fini(&w->place.next);
    ri_buffer_fini(&w->json);
}

/* Room for the numbers that are gone now. */
static bool stream_api_expect_gaps(ri_js_request *r, ri_stream *stream, stream_api_details *w)
{
    ri_stream_info info = {0};
    if (!w->request.deleted_details) return true;
    ri_stream_info_of(stream, &info);
    w->cap = (uint32_t)RI_MIN(info.state.num_deleted, (uint64_t)RI_LIMIT_JS_DELETED);
    w->gap = info.state.first_seq;
    w->gaps = w->cap ? ri_arena_alloc(&r->arena, w->cap * sizeof *w->gaps) : NULL;
    return w->gaps || !w->cap;
}

void ri_js_stream_api_info(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_stream_info_request request;
    if (!ri_js_request_decode_optional(r, &ri_jsapi_stream_info_request, &request)) return;
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    bool pages = request.subjects_filter.len && ri_subject_is_filter(request.subjects_filter);
    if (!pages && !request.deleted_details) {
        stream_api_answer_info(r, stream, NULL);
        return;
    }
    stream_api_details *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (stream_api_details){.request = request, .from = RI_MAX(request.offset, 0),
                              .pages = pages};
    if (!stream_api_expect_gaps(r, stream, w)) return;
    w->place.budget = ri_js_request_budget(r);
    ri_buffer_init(&w->place.next, &r->api->host);
    ri_buffer_init(&w->json, &r->api->host);
    r->work = w;
    r->drop = stream_api_info_drop;
    ri_js_request_go_on(r, stream_api_info_step);
}

/* ---- Purge, messages ---- */

static void stream_api_purge_drop(ri_js_request *r)
{
    ri_purge_end(r->work);
}

static bool stream_api_purge_step(ri_js_request *r)
{
    ri_stream *stream = ri_js_request_again(r);
    if (!stream) return false;
    ri_js_error e = {0};
    ri_purging *p = r->work;
    int rc = ri_purge_some(stream, p, &e);
    if (rc == 1) return true;
    ri_js_purge_reply reply = {.success = true, .purged = p->purged};
    if (rc < 0)
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_GENERAL);
    else
        ri_js_request_answer_committed(r, ri_stream_log(stream), &reply);
    return false;
}

void ri_js_stream_api_purge(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_purge_request request;
    if (!ri_js_request_decode_optional(r, &ri_jsapi_purge_request, &request)) return;
    if (request.seq && request.keep) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    ri_stream *stream = ri_js_request_stream(r);
    ri_purging *p = stream ? ri_arena_alloc(&r->arena, sizeof *p) : NULL;
    if (!p) return;
    ri_js_error e = {0};
    int rc = ri_purge_begin(stream, request.filter, request.seq, request.keep, p, &e);
    r->work = p;
    r->drop = stream_api_purge_drop;
    if (rc < 0)
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_GENERAL);
    else
        ri_js_request_go_on(r, stream_api_purge_step);
}

void ri_js_stream_api_msg_delete(ri_js_request *r)
{
    ri_js_msg_delete_request request;
    if (ri_js_request_is_empty(r->body)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    if (!ri_js_request_decode(r, &ri_jsapi_msg_delete_request, &request)) return;
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    ri_js_error e = {0};
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    int rc;
    if (conf->sealed)
        rc = ri_jserror_set(&e, RI_JS_STREAM_SEALED, NULL);
    else if (conf->deny_delete)
        rc = ri_jserror_set(&e, RI_JS_STREAM_MSG_DELETE_FAILED, "message delete not permitted");
    else
        rc = ri_stream_erase(stream, request.seq, !request.no_erase, &e);
    ri_js_ok_reply reply = {.success = true};
    if (rc < 0)
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_MSG_DELETE_FAILED);
    else
        ri_js_request_answer_committed(r, ri_stream_log(stream), &reply);
}

/* Sequence, last of a subject, and time exclude each other; a filter goes with the first or the
 * last of these. */
static bool stream_api_get_ok(const ri_js_msg_get_request *get)
{
    bool seq = get->seq, last = get->last_by_subj.len, next = get->next_by_subj.len;
    bool time = get->start_time;
    if (get->batch > 0 || get->max_bytes > 0) return false;
    return (seq || last || next || time) && !(seq && last) && !(seq && time) && !(time && last) &&
           !(last && next);
}

typedef struct stream_api_get_work {
    ri_js_msg_get_request get;
    ri_stream_search search;
    uint64_t seq;             /* not a search: of this one */
} stream_api_get_work;

static void stream_api_get_begin(ri_stream *stream, stream_api_get_work *w)
{
    const ri_js_msg_get_request *get = &w->get;
    uint64_t seq = get->start_time ? ri_stream_seq_at(stream, get->start_time) : get->seq;
    if (get->next_by_subj.len)
        ri_stream_search_next(stream, &w->search, get->next_by_subj, seq);
    else if (seq)
        w->seq = seq;
    else
        ri_stream_search_last(stream, &w->search, get->last_by_subj);
}

static bool stream_api_get_step(ri_js_request *r)
{
    stream_api_get_work *w = r->work;
    ri_stream *stream = ri_js_request_again(r);
    if (!stream) return false;
    ri_record record;
    int rc = w->seq ? ri_stream_get(stream, w->seq, &record)
                    : ri_stream_search_some(stream, &w->search, &record);
    if (rc == 1) return true;
    if (rc < 0) {
        ri_js_request_fail_with(r, RI_JS_NO_MESSAGE_FOUND);
        return false;
    }
    ri_js_stored stored = {record.subject, record.seq, record.headers, record.data,
                           record.time_ns};
    if (w->get.no_hdr) stored.hdrs = (ri_str){NULL, 0};
    ri_js_msg_get_reply reply = {.message = &stored};
    ri_js_request_answer(r, &reply);
    return false;
}

static void stream_api_get_drop(ri_js_request *r)
{
    stream_api_get_work *w = r->work;
    ri_stream_search_end(&w->search);
}

void ri_js_stream_api_msg_get(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_msg_get_request get;
    if (ri_js_request_is_empty(r->body)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    if (!ri_js_request_decode(r, &ri_jsapi_msg_get_request, &get)) return;
    if (!stream_api_get_ok(&get)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    if ((get.next_by_subj.len && !ri_subject_is_filter(get.next_by_subj)) ||
        (get.last_by_subj.len && !ri_subject_is_filter(get.last_by_subj))) {
        ri_js_request_fail_with(r, RI_JS_NO_MESSAGE_FOUND);
        return;
    }
    stream_api_get_work *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (stream_api_get_work){.get = get};
    stream_api_get_begin(stream, w);
    r->work = w;
    r->drop = stream_api_get_drop;
    ri_js_request_go_on(r, stream_api_get_step);
}
