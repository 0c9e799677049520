/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/stream.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/apart.h"
#include "engine/streams/carry.h"
#include "engine/streams/js_state.h"
#include "engine/streams/view.h"

/* ---- Making and freeing ---- */

static bool stream_consumer_same(const void *item, const void *key)
{
    return ri_str_eq(((const ri_consumer *)item)->name, *(const ri_str *)key);
}

static ri_track_opts stream_track_opts(const ri_stream_conf *conf)
{
    bool batches = ri_jsconf_batches(conf) > 0;
    return (ri_track_opts){.subjects = !batches, .batches = batches};
}

static void stream_init(ri_stream *stream, ri_js *js)
{
    stream->magic = RI_STREAM_MAGIC;
    stream->js = js;
    stream->created_ns = js->wall_ns;
    stream->in_order = true;
    ri_arena_init(&stream->arena, js->host);
    ri_party_init(&stream->party, js->router, &ri_ingest_ops);
    ri_party_enter(&stream->party, js->account);
    ri_map_init(&stream->consumers, js->host, stream_consumer_same);
    ri_list_init(&stream->active);
    ri_list_init(&stream->hungry);
    ri_wake_init(stream);
    ri_list_init(&stream->touched_link);
    ri_list_init(&stream->busy_link);
    ri_list_init(&stream->gone_link);
    ri_claim_init(&stream->ids_claim, NULL);
    ri_list_init(&stream->fenced_link);
    ri_counter_init(stream);
    ri_buffer_init(&stream->origins_text, js->host);
    ri_buffer_init(&stream->enforce_next, js->host);
    ri_fast_init(stream);
    ri_list_init(&stream->echoes);
    ri_list_init(&stream->spreads);
    ri_list_init(&stream->watches);
    ri_list_init(&stream->origins);
    ri_list_init(&stream->followers);
    stream->ttls.host = stream->lifted_ttls.host = stream->schedules.host = js->host;
    ri_dedupe_init(&stream->dedupe, js->host, &(ri_dedupe_opts){0});
}

/* ---- Compaction: the log does it, and asks which messages say that a subject is deleted ---- */

static bool stream_is_tombstone(void *arg, const ri_record *record)
{
    (void)arg;
    ri_str op;
    if (record->data.len) return false;
    if (record->flags & RI_RECORD_MARKER) return true;
    return record->headers.len && ri_headers_find(record->headers, RI_STR("KV-Operation"), &op) &&
           (ri_str_is(op, "DEL") || ri_str_is(op, "PURGE"));
}

static void stream_compacted(void *arg, uint64_t seq)
{
    ri_stream *stream = arg;
    ri_stream_touch(stream);
    ri_ids_gone(stream, seq, seq);
    ri_consumer_removed(stream, seq);
}

static int stream_compact(ri_stream *stream)
{
    ri_compact_rule rule = {.is_tombstone = stream_is_tombstone, .removed = stream_compacted,
                            .arg = stream};
    int asked = ri_jsconf_compact(&stream->conf, &rule.tombstone_ns);
    if (ri_jsconf_compact_when(&stream->conf, &rule.dirty, &rule.lag_ns) < 0) return RILL_EINVAL;
    if (ri_view_keyed(stream)) rule.subject = ri_view_subject;
    return ri_track_compact(stream->track, asked == 1 ? &rule : NULL);
}

/* What follows from the configuration: the window of ids, the transforms. */
static int stream_derive(ri_stream *stream)
{
    const ri_host *host = stream->js->host;
    const ri_stream_conf *conf = &stream->conf;
    ri_transform *transform = NULL, *republish = NULL;
    int rc = stream->track ? ri_view_open(stream) : RILL_OK; /* whose names lay in the old one */
    if (rc < 0) return rc;
    if (conf->subject_transform)
        rc = ri_transform_new(host, conf->subject_transform->src, conf->subject_transform->dest,
                              &transform);
    if (rc >= 0 && conf->republish)
        rc = ri_transform_new(host, conf->republish->src, conf->republish->dest, &republish);
    if (rc < 0) {
        ri_transform_free(transform);
        return rc;
    }
    ri_transform_free(stream->transform);
    ri_transform_free(stream->republish);
    stream->transform = transform;
    stream->republish = republish;
    ri_dedupe_opts opts = {.window_ns = conf->duplicate_window,
                           .forget = ri_jsconf_dedupe_strict(conf) != 1};
    ri_dedupe_configure(&stream->dedupe, &opts);
    return stream->track ? stream_compact(stream) : RILL_OK;
}

static int stream_open_track(ri_stream *stream)
{
    ri_track_opts opts = stream_track_opts(&stream->conf);
    ri_track_info info;
    int rc = ri_log_track(stream->store->log, stream->track_id, &opts, &stream->track);
    if (rc < 0) return rc;
    ri_cursor_init(&stream->cursor, stream->track);
    ri_cursor_init(&stream->open_cursor, stream->track);
    stream->open_cursor.open = true;
    /* Whoever asks these is not cut: that such a search is short is what tests see in its turn. */
    stream->cursor.counts = stream->open_cursor.counts = &stream->js->router->budget;
    if ((rc = ri_view_open(stream)) < 0 || (rc = stream_compact(stream)) < 0) return rc;
    ri_track_counts(stream->track, &info);
    stream->last_seq = info.last_seq;
    ri_track_status(stream->track, &info);
    stream->last_time_ns = info.last_time_ns;
    ri_last_load(stream);
    return RILL_OK;
}

int ri_stream_new(ri_js *js, const ri_stream_conf *conf, uint64_t track_id, ri_stream **out)
{
    ri_js_store *store = conf->storage == RI_STORE_MEMORY ? &js->memory : &js->files;
    if (!store->log) return ri_err(RILL_ENOTSUP, "no storage of that kind");
    ri_stream *stream = ri_new(js->host, ri_stream);
    if (!stream) return RILL_ENOMEM;
    stream_init(stream, js);
    stream->store = store;
    stream->track_id = track_id;
    int rc;
    if ((rc = ri_jsapi_copy_stream_conf(&stream->conf, conf, &stream->arena)) < 0) goto fail;
    if ((rc = stream_derive(stream)) < 0) goto fail;
    if (track_id && (rc = stream_open_track(stream)) < 0) goto fail;
    *out = stream;
    return RILL_OK;
fail:
    ri_stream_free(stream);
    return rc;
}

enum { STREAM_SUBJECT_UNITS = 2 }; /* to take a subject, to leave it, to look at it */

static void stream_unsubscribe(ri_stream *stream)
{
    for (uint32_t i = 0; i < stream->nsubs; i++) ri_router_unsubscribe(&stream->subs[i]);
    ri_free(stream->js->host, stream->subs, stream->nsubs * sizeof *stream->subs);
    stream->subs = NULL;
    stream->nsubs = 0;
}

/* A row of subscriptions for `subjects`, on the router; or nothing changed. */
static int stream_subscribe(ri_stream *stream, const ri_strs *subjects)
{
    const ri_host *host = stream->js->host;
    ri_subscription *subs = NULL;
    if (subjects->len) {
        subs = ri_calloc(host, ri_size_mul(subjects->len, sizeof *subs));
        if (!subs) return RILL_ENOMEM;
    }
    ri_budget_spend(&stream->js->router->budget,
                    STREAM_SUBJECT_UNITS * ((uint64_t)subjects->len + stream->nsubs));
    for (uint32_t i = 0; i < subjects->len; i++) {
        subs[i].entry.subject = subjects->items[i];
        int rc = ri_router_subscribe(&stream->party, &subs[i]);
        if (rc >= 0) continue;
        while (i > 0) ri_router_unsubscribe(&subs[--i]);
        ri_free(host, subs, subjects->len * sizeof *subs);
        return rc;
    }
    stream_unsubscribe(stream);
    stream->subs = subs;
    stream->nsubs = subjects->len;
    stream->version = ++stream->js->versions;
    return RILL_OK;
}

static int stream_reserve(ri_js *js)
{
    return ri_array_reserve_long(js->host, &js->sorted, &js->streams_cap, js->nstreams + 1,
                                 sizeof(ri_stream *));
}

int ri_stream_listen(ri_stream *stream)
{
    return stream_subscribe(stream, &stream->conf.subjects);
}

int ri_stream_attach(ri_stream *stream)
{
    ri_js *js = stream->js;
    int rc;
    if ((rc = stream_reserve(js)) < 0) return rc;
    if ((rc = ri_stream_listen(stream)) < 0) return rc;
    if ((rc = ri_map_put(&js->streams, ri_hash(stream->conf.name), stream)) < 0) return rc;
    js->sorted[js->nstreams++] = stream;
    ri_room_stream(stream);
    ri_ids_due(stream);
    ri_js_arm(stream, ri_js_mono_of(js, ri_retention_next_ns(stream)));
    ri_js_arm(stream, ri_js_mono_of(js, ri_schedule_next_ns(stream)));
    return RILL_OK;
}

static void stream_detach(ri_stream *stream)
{
    ri_js *js = stream->js;
    if (ri_js_stream(js, stream->conf.name) != stream) return;
    js->found = NULL;
    js->versions++;
    ri_map_take(&js->streams, ri_hash(stream->conf.name), &stream->conf.name);
    size_t i = ri_js_place(js, stream);
    js->nstreams--;
    memmove(js->sorted + i, js->sorted + i + 1, (js->nstreams - i) * sizeof *js->sorted);
    js->nsorted -= i < js->nsorted;
}

void ri_stream_free(ri_stream *stream)
{
    ri_js *js = stream->js;
    const ri_host *host = js->host;
    RI_CHECK(stream, RI_STREAM_MAGIC);
    while (stream->nconsumers > 0) ri_consumer_free(stream->list[stream->nconsumers - 1]);
    if (js->ack_stream == stream) js->ack_stream = NULL;
    ri_watch_gone(stream);
    ri_mirror_detach(stream);
    stream_detach(stream);
    ri_batch_fini(stream);
    ri_fast_fini(stream);
    ri_echo_fini(stream);
    ri_spread_fini(stream);
    ri_counter_fini(stream);
    ri_expected_fini(stream);
    ri_buffer_fini(&stream->origins_text);
    ri_buffer_fini(&stream->enforce_next);
    stream_unsubscribe(stream);
    ri_party_fini(&stream->party);
    ri_heap_cancel(&js->stream_timers, &stream->timer);
    ri_list_remove(&stream->touched_link);
    ri_list_remove(&stream->busy_link);
    ri_list_remove(&stream->fenced_link);
    if (stream->track) {
        ri_track_compact(stream->track, NULL);
        ri_cursor_fini(&stream->cursor);
        ri_cursor_fini(&stream->open_cursor);
    }
    ri_view_close(stream);
    ri_transform_free(stream->transform);
    ri_transform_free(stream->republish);
    ri_dedupe_fini(&stream->dedupe);
    ri_room_leave(js, &stream->held);
    ri_ids_fini(stream);
    ri_free(host, stream->last_id, stream->last_id_len + 1);
    ri_map_fini(&stream->consumers);
    ri_wake_fini(stream);
    ri_free(host, stream->list, stream->list_cap * sizeof *stream->list);
    ri_retention_fini(stream);
    ri_arena_fini(&stream->arena);
    stream->magic = 0;
    ri_delete(host, stream);
}

/* ---- Rules that see other streams ---- */

/* What was compared in slices before is not compared again. */
static int stream_check_overlap(ri_js *js, const ri_stream_conf *conf, ri_apart *apart,
                                ri_js_error *e)
{
    ri_apart all;
    if (!conf->subjects.len) return ri_fence_check(js, conf, e);
    ri_apart_init(&all, js, conf->name, &conf->subjects);
    if (!apart || apart->mine.len != conf->subjects.len) apart = &all;
    apart->whole = true;
    int rc = ri_apart_some(js, apart);
    bool found = apart->found;
    ri_apart_fini(&all);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc);
    return found ? ri_jserror_set(e, RI_JS_STREAM_SUBJECT_OVERLAP, NULL)
                 : ri_fence_check(js, conf, e);
}

static int stream_check_bytes(ri_js *js, const ri_stream *self, const ri_stream_conf *conf,
                              ri_js_error *e)
{
    bool memory = conf->storage == RI_STORE_MEMORY;
    int64_t limit = memory ? js->limits.max_memory : js->limits.max_storage;
    uint64_t most = memory ? js->opts.max_memory_bytes : js->opts.max_file_bytes;
    if (most == 0) most = UINT64_MAX;
    if (limit >= 0) most = RI_MIN(most, (uint64_t)limit);
    ri_js_code none = memory ? RI_JS_MEMORY_RESOURCES_EXCEEDED : RI_JS_STORAGE_RESOURCES_EXCEEDED;
    if (limit == 0 && !self) return ri_jserror_set(e, none, NULL);
    if (conf->max_bytes <= 0 || (self && conf->max_bytes <= self->conf.max_bytes)) return RILL_OK;
    ri_js_account account;
    ri_js_account_of(js, &account);
    uint64_t reserved = memory ? account.reserved_memory : account.reserved_storage;
    if (self && self->conf.max_bytes > 0)
        reserved = ri_u64_sub(reserved, (uint64_t)self->conf.max_bytes);
    if (ri_u64_add(reserved, (uint64_t)conf->max_bytes) <= most) return RILL_OK;
    return ri_jserror_set(e, none, NULL);
}

static ri_js_limits stream_limits(const ri_js *js)
{
    return (ri_js_limits){
        .duplicate_window = js->opts.duplicate_window_ns,
        .max_ack_pending = js->limits.max_ack_pending,
        .max_stream_bytes_file = js->limits.storage_max_stream_bytes,
        .max_stream_bytes_memory = js->limits.memory_max_stream_bytes,
        .max_bytes_required = js->limits.max_bytes_required,
        .max_subjects = js->opts.max_subjects,
    };
}

/* A mirror may be read directly as its origin may. */
static int stream_inherit(ri_js *js, ri_stream_conf *conf, bool pedantic, ri_js_error *e)
{
    if (!conf->mirror || conf->mirror->external) return RILL_OK;
    const ri_stream *origin = ri_js_stream(js, conf->mirror->name);
    if (!origin) return RILL_OK;
    if (pedantic && conf->mirror_direct != origin->conf.allow_direct)
        return ri_jserror_set(e, RI_JS_PEDANTIC,
                              "origin stream has direct get set, mirror has it disabled");
    conf->mirror_direct = origin->conf.allow_direct;
    return RILL_OK;
}

/* The configuration in its final form, in `arena`. */
static int stream_normalise(ri_js *js, const ri_js_stream_request *request, ri_arena *arena,
                            ri_stream_conf *conf, ri_js_error *e)
{
    ri_js_limits limits = stream_limits(js);
    int rc;
    ri_budget_spend(&js->router->budget, STREAM_SUBJECT_UNITS * request->conf.subjects.len);
    if ((rc = ri_jsapi_copy_stream_conf(conf, &request->conf, arena)) < 0) return rc;
    if ((rc = ri_jsconf_stream(conf, &limits, request->pedantic, arena, e)) < 0) return rc;
    if ((rc = ri_mirror_check_ring(js, conf, e)) < 0) return rc;
    if (js->account->callout && conf->republish &&
        ri_str_is(conf->republish->dest, RI_ACCOUNT_ASKED))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, RI_ACCOUNT_ASKED " is the server's");
    return stream_inherit(js, conf, request->pedantic, e);
}

/* ---- Create, update, delete ---- */

static int stream_open_new(ri_js *js, const ri_stream_conf *conf, ri_apart *apart,
                           ri_stream **out, ri_js_error *e)
{
    int rc;
    if (js->limits.max_streams >= 0 && js->nstreams >= (size_t)js->limits.max_streams)
        return ri_jserror_set(e, RI_JS_MAXIMUM_STREAMS_LIMIT, NULL);
    if ((rc = stream_check_overlap(js, conf, apart, e)) < 0) return rc;
    if ((rc = ri_view_check(conf, e)) < 0) return rc;
    if ((rc = stream_check_bytes(js, NULL, conf, e)) < 0) return rc;
    if ((rc = ri_room_check(js, "another stream", e)) < 0) return rc;
    ri_stream *stream;
    if ((rc = ri_stream_new(js, conf, js->next_track, &stream)) < 0)
        return ri_jserror_of(e, RI_JS_STREAM_CREATE, rc);
    js->next_track++;
    stream->restoring = js->restoring;
    if (conf->first_seq > 1) {
        rc = ri_track_skip_to(stream->track, conf->first_seq);
        stream->last_seq = conf->first_seq - 1;
    }
    if (rc < 0 || (rc = ri_stream_attach(stream)) < 0 || (rc = ri_catalog_put_stream(stream)) < 0) {
        ri_track_drop(stream->track);
        stream->track = NULL;
        ri_stream_free(stream);
        return ri_jserror_of(e, RI_JS_STREAM_CREATE, rc);
    }
    *out = stream;
    return RILL_OK;
}

int ri_stream_create(ri_js *js, const ri_js_stream_request *request, ri_stream **out,
                     ri_js_error *e)
{
    *out = NULL;
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_stream_conf conf;
    int rc = stream_normalise(js, request, &arena, &conf, e);
    if (rc < 0) goto done;
    ri_stream *there = ri_js_stream(js, conf.name);
    if (there && !there->closing && ri_jsapi_equal_stream_conf(&there->conf, &conf)) {
        *out = there;
    } else if (there) {
        rc = ri_jserror_set(e, RI_JS_STREAM_NAME_EXIST, NULL);
    } else if (conf.sealed) {
        rc = ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                            "stream configuration for create can not be sealed");
    } else {
        rc = stream_open_new(js, &conf, request->apart, out, e);
    }
    if (rc >= 0 && *out && !there) {
        ri_mirror_attach(*out);
        ri_mirror_stream_came(js, *out);
        ri_js_notify(js, &(ri_js_event){.kind = RI_JS_STREAM_CREATED, .stream = (*out)->conf.name});
    }
done:
    ri_arena_fini(&arena);
    return rc;
}

/* Put `conf` in place of what is there. */
static int stream_reconfigure(ri_stream *stream, const ri_stream_conf *conf)
{
    ri_arena arena, old_arena = stream->arena;
    ri_stream_conf old = stream->conf, copy;
    ri_arena_init(&arena, stream->js->host);
    int rc = ri_jsapi_copy_stream_conf(&copy, conf, &arena);
    if (rc < 0) goto fail;
    stream->conf = copy;
    if ((rc = stream_derive(stream)) < 0) goto fail;
    if ((rc = stream_subscribe(stream, &copy.subjects)) < 0) goto fail;
    stream->arena = arena;
    /* The map of streams is keyed by the name, whose bytes are those of the new arena now. */
    if ((rc = ri_catalog_put_stream(stream)) < 0) {
        stream->conf = old;
        stream->arena = old_arena;
        if (stream_subscribe(stream, &old.subjects) >= 0) goto fail;
        stream->conf = copy; /* it listens as the new one: keep that */
        stream->arena = arena;
    }
    ri_arena_fini(&old_arena);
    return rc;
fail:
    stream->conf = old;
    stream_derive(stream);
    ri_arena_fini(&arena);
    return rc;
}

/* Limits of consumers hold for those that are there, too; who would break them is named. */
static int stream_check_consumers(const ri_stream *stream, const ri_stream_conf *conf,
                                  ri_js_error *e)
{
    int64_t pending = conf->limit_max_ack_pending, inactive = conf->limit_inactive_threshold;
    ri_buffer names;
    ri_buffer_init(&names, stream->js->host);
    for (size_t i = 0; i < stream->nconsumers; i++) {
        const ri_consumer *c = stream->list[i];
        if ((pending > 0 && c->conf.max_ack_pending > pending) ||
            (inactive > 0 && c->conf.inactive_threshold > inactive))
            ri_buffer_printf(&names, "%s%.*s", names.len ? ", " : "", RI_ARG(c->name));
    }
    int rc = names.failed ? ri_err(RILL_ENOMEM, "no memory to check limits of consumers") : RILL_OK;
    if (rc >= 0 && names.len)
        rc = ri_jserror_set(e, RI_JS_STREAM_UPDATE, "change to limits violates consumers: %.*s",
                             RI_ARG(ri_buffer_str(&names)));
    ri_buffer_fini(&names);
    return rc;
}

int ri_stream_update(ri_stream *stream, const ri_js_stream_request *request, ri_js_error *e)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js *js = stream->js;
    if (stream->closing) return ri_jserror_set(e, RI_JS_STREAM_NOT_FOUND, NULL);
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_stream_conf conf;
    int rc;
    if ((rc = stream_normalise(js, request, &arena, &conf, e)) < 0) goto done;
    if ((rc = ri_jsconf_stream_update(&stream->conf, &conf, request->pedantic, e)) < 0) goto done;
    ri_jsconf_seal(&conf);
    if ((rc = stream_check_overlap(js, &conf, request->apart, e)) < 0) goto done;
    if ((rc = ri_view_check(&conf, e)) < 0) goto done;
    if ((rc = stream_check_bytes(js, stream, &conf, e)) < 0) goto done;
    if ((rc = stream_check_consumers(stream, &conf, e)) < 0) goto done;
    if (arena.bytes > stream->arena.bytes &&
        (rc = ri_room_check(js, "more in a stream's configuration", e)) < 0) goto done;
    ri_list origins;
    ri_mirror_review_origins(stream);
    ri_mirror_part(stream, &origins);
    if ((rc = stream_reconfigure(stream, &conf)) < 0)
        ri_jserror_of(e, RI_JS_STREAM_UPDATE, rc);
    ri_mirror_attach_again(stream, &origins);
    ri_room_stream(stream);
    if (rc < 0) goto done;
    ri_retention_enforce(stream);
    ri_retention_review(stream);
    ri_retention_step(stream);
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_STREAM_UPDATED, .stream = stream->conf.name});
done:
    ri_arena_fini(&arena);
    return rc;
}

int ri_stream_delete_some(ri_stream *stream, ri_js_error *e)
{
    ri_js *js = stream->js;
    js->versions += !stream->closing;
    stream->closing = true;
    ri_watch_gone(stream);
    if (ri_consumer_delete_some(stream) == 1 || ri_ids_drop_some(stream) == 1) return 1;
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_STREAM_DELETED, .stream = stream->conf.name});
    int rc = stream->track ? ri_track_drop(stream->track) : RILL_OK;
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_DELETE, rc);
    if (stream->track) {
        ri_cursor_fini(&stream->cursor);
        ri_cursor_fini(&stream->open_cursor);
    }
    stream->track = NULL;
    ri_places_drop(stream);
    ri_catalog_drop(js, stream->store, &stream->catalog_seq);
    ri_catalog_put_work(stream, false);
    ri_mirror_stream_went(js, stream);
    ri_mirror_review_origins(stream);
    ri_stream_free(stream);
    return RILL_OK;
}

int ri_stream_delete(ri_stream *stream, ri_js_error *e)
{
    int rc;
    do rc = ri_stream_delete_some(stream, e);
    while (rc == 1);
    return rc;
}

/* ---- Asking ---- */

const ri_stream_conf *ri_stream_conf_of(const ri_stream *stream)
{
    return &stream->conf;
}

bool ri_stream_is_closing(const ri_stream *stream)
{
    return stream->closing;
}

ri_js *ri_stream_js(const ri_stream *stream)
{
    return stream->js;
}

ri_log *ri_stream_log(const ri_stream *stream)
{
    return stream->store->log;
}

uint64_t ri_stream_id(const ri_stream *stream)
{
    return stream->track_id;
}

int64_t ri_stream_created_ns(const ri_stream *stream)
{
    return stream->created_ns;
}

ri_track *ri_stream_track(const ri_stream *stream)
{
    return stream->track;
}

uint64_t ri_stream_ids_forgotten(const ri_stream *stream)
{
    return stream->dedupe.forgotten;
}

static void stream_state(const ri_stream *stream, const ri_track_info *info, ri_stream_state *out)
{
    uint64_t first = info->count ? info->first_seq : stream->last_seq + 1;
    *out = (ri_stream_state){
        .messages = info->count, .bytes = info->bytes, .first_seq = first,
        .last_seq = stream->last_seq, .first_ts = info->count ? info->first_time_ns : 0,
        .last_ts = stream->last_time_ns,
        .num_subjects = info->subjects,
        .num_deleted = stream->last_seq + 1 - first - info->count,
        .consumer_count = stream->nconsumers};
    if (stream->last_seq == 0) out->first_seq = stream->purged;
}

void ri_stream_info_of(ri_stream *stream, ri_stream_info *out)
{
    ri_track_info info;
    ri_track_status(stream->track, &info);
    *out = (ri_stream_info){
        .config = &stream->conf, .created = stream->created_ns, .ts = stream->js->wall_ns,
        .domain = ri_str_of(stream->js->opts.domain)};
    stream_state(stream, &info, &out->state);
    ri_mirror_info(stream, out);
}

void ri_stream_state_at_hand(const ri_stream *stream, ri_stream_state *out)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_track_info info;
    ri_track_at_hand(stream->track, &info);
    stream_state(stream, &info, out);
}

int ri_stream_get(ri_stream *stream, uint64_t seq, ri_record *out)
{
    int rc = ri_cursor_get(&stream->cursor, seq, out);
    if (ri_unlikely(rc == RILL_ENOENT) && ri_track_lost(stream->track, seq))
        return ri_err(RILL_ECORRUPT, "message %llu is lost to damage of the store",
                      (unsigned long long)seq);
    return rc;
}

int ri_stream_get_open(ri_stream *stream, uint64_t seq, ri_record *out)
{
    return ri_cursor_get(&stream->open_cursor, seq, out);
}

int ri_stream_get_last(ri_stream *stream, ri_str subject, ri_record *out)
{
    ri_subject_info info;
    bool one = subject.len && !ri_subject_has_wildcard(subject) && !stream->view;
    if (one && ri_track_subject(stream->track, subject, &info) < 0) return RILL_ENOENT;
    /* The index knows it, unless the newest is not committed yet. */
    if (one && ri_cursor_get(&stream->cursor, info.last_seq, out) >= 0) return RILL_OK;
    ri_filter filter = {&subject, subject.len && !ri_str_is(subject, ">") ? 1 : 0};
    int rc = ri_cursor_prev(&stream->cursor, UINT64_MAX, &filter, out);
    if (rc == 0) rc = ri_cursor_prev(&stream->open_cursor, UINT64_MAX, &filter, out);
    return rc == 0 ? ri_err(RILL_ENOENT, "no message on %.*s", RI_ARG(subject)) : RI_MIN(rc, 0);
}

int ri_stream_get_next(ri_stream *stream, uint64_t from, ri_str subject, ri_record *out)
{
    ri_filter filter = {&subject, subject.len && !ri_str_is(subject, ">") ? 1 : 0};
    int rc = ri_cursor_next(&stream->cursor, from, &filter, out);
    if (rc == 0 && subject.len) rc = ri_cursor_next(&stream->open_cursor, from, &filter, out);
    return rc == 0 ? ri_err(RILL_ENOENT, "no message on %.*s", RI_ARG(subject)) : RI_MIN(rc, 0);
}

static void stream_search_init(ri_stream *stream, ri_stream_search *s)
{
    ri_cursor_init(&s->cursor, stream->track);
    s->cursor.budget = &stream->js->router->budget;
}

/* Those of the open commit come behind all others. */
void ri_stream_search_next(ri_stream *stream, ri_stream_search *s, ri_str filter, uint64_t from)
{
    *s = (ri_stream_search){.filter = filter, .from = from};
    stream_search_init(stream, s);
    s->cursor.open = filter.len > 0;
}

void ri_stream_search_last(ri_stream *stream, ri_stream_search *s, ri_str filter)
{
    *s = (ri_stream_search){.filter = filter, .from = UINT64_MAX, .last = true};
    stream_search_init(stream, s);
}

int ri_stream_search_some(ri_stream *stream, ri_stream_search *s, ri_record *out)
{
    ri_filter filter = {&s->filter, s->filter.len && !ri_str_is(s->filter, ">") ? 1 : 0};
    bool open = s->cursor.open;
    int rc = s->last ? ri_cursor_prev(&s->cursor, s->from, &filter, out)
                     : ri_cursor_next(&s->cursor, s->from, &filter, out);
    if (rc == RI_CURSOR_CUT) {
        s->from = out->seq;
        return 1;
    }
    if (rc == 0 && s->last && !open && stream->last_seq > 0) { /* none is committed */
        s->cursor.open = true;
        s->from = UINT64_MAX;
        return 1;
    }
    return rc == 0 ? ri_err(RILL_ENOENT, "no message on %.*s", RI_ARG(s->filter)) : RI_MIN(rc, 0);
}

void ri_stream_search_end(ri_stream_search *s)
{
    ri_cursor_fini(&s->cursor);
}

uint64_t ri_stream_seq_at(ri_stream *stream, int64_t time_ns)
{
    uint64_t seq = ri_track_seq_at(stream->track, time_ns);
    return stream->view ? ri_view_seq_at(stream, seq, time_ns) : seq;
}

/* ---- Removing ---- */

int ri_stream_erase(ri_stream *stream, uint64_t seq, bool erase, ri_js_error *e)
{
    if (stream->conf.sealed) return ri_jserror_set(e, RI_JS_STREAM_SEALED, NULL);
    if (stream->conf.deny_delete)
        return ri_jserror_set(e, RI_JS_STREAM_MSG_DELETE_FAILED, "message delete not permitted");
    int rc = ri_retention_remove(stream, seq, erase);
    if (rc == RILL_ENOENT)
        return ri_jserror_set(e, RI_JS_SEQUENCE_NOT_FOUND, "%llu", (unsigned long long)seq);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_MSG_DELETE_FAILED, rc);
    return RILL_OK;
}

/* ---- Consumers ---- */

ri_consumer *ri_stream_consumer(ri_stream *stream, ri_str name)
{
    ri_consumer *c = ri_map_get(&stream->consumers, ri_hash(name), &name);
    return c && !c->offline.len ? c : NULL;
}

static int stream_by_name(const void *a, const void *b)
{
    const ri_consumer *const *x = a, *const *y = b;
    return ri_str_cmp((*x)->name, (*y)->name);
}

ri_consumer *const *ri_stream_consumers(ri_stream *stream, size_t *n)
{
    if (!stream->in_order)
        qsort(stream->list, stream->nconsumers, sizeof *stream->list, stream_by_name);
    stream->in_order = true;
    *n = stream->nconsumers;
    return stream->list;
}

int ri_stream_add_consumer(ri_stream *stream, ri_consumer *c)
{
    ri_js *js = stream->js;
    int rc = ri_array_reserve_long(js->host, &stream->list, &stream->list_cap,
                                   stream->nconsumers + 1, sizeof(ri_consumer *));
    /* Its timer is what wakes it when memory was short: arming it must not need any. */
    if (rc == RILL_OK) rc = ri_heap_reserve(&js->consumer_timers, js->nconsumers + 1);
    if (rc == RILL_OK) rc = ri_map_put(&stream->consumers, ri_hash(c->name), c);
    if (rc < 0) return rc;
    size_t n = stream->nconsumers;
    stream->in_order = stream->in_order &&
                       (n == 0 || ri_str_cmp(stream->list[n - 1]->name, c->name) < 0);
    stream->list[stream->nconsumers++] = c;
    ri_room_consumer(c);
    if (c->filter.nsubjects == 0) stream->nunfiltered++;
    js->nconsumers++;
    return RILL_OK;
}

void ri_stream_remove_consumer(ri_stream *stream, ri_consumer *c)
{
    if (ri_map_get(&stream->consumers, ri_hash(c->name), &c->name) != c) return;
    ri_map_take(&stream->consumers, ri_hash(c->name), &c->name);
    size_t i = stream->nconsumers - 1;
    while (stream->list[i] != c) i--;
    stream->list[i] = stream->list[--stream->nconsumers];
    stream->in_order = stream->in_order && i == stream->nconsumers;
    if (c->filter.nsubjects == 0) stream->nunfiltered--;
    stream->js->nconsumers--;
}

/* ---- Its turns ---- */

void ri_stream_touch(ri_stream *stream)
{
    if (!ri_list_linked(&stream->touched_link))
        ri_list_push(&stream->store->touched, &stream->touched_link);
}

void ri_stream_committed(ri_stream *stream)
{
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    if (info.visible_seq < info.last_seq) ri_stream_touch(stream); /* there is more to come */
    ri_counter_committed(stream, info.visible_seq);
    while (!ri_list_empty(&stream->hungry))
        ri_js_ready(ri_container_of(stream->hungry.next, ri_consumer, ready_link));
    ri_wake_step(stream);
    ri_watch_grew(stream);
    if (!ri_list_empty(&stream->followers)) ri_mirror_origin_grew(stream);
    if (!ri_list_empty(&stream->echoes) || !ri_list_empty(&stream->spreads) || stream->review_to)
        ri_js_busy(stream);
}

void ri_stream_step(ri_stream *stream)
{
    ri_ids_notify_forgotten(stream);
    ri_wake_step(stream);
    ri_batch_step(stream);
    ri_echo_step(stream);
    ri_spread_step(stream);
    ri_mirror_step(stream);
    ri_view_step(stream);
    ri_retention_step(stream);
}

void ri_stream_due(ri_stream *stream)
{
    ri_js *js = stream->js;
    ri_retention_due(stream);
    ri_ids_due(stream);
    ri_schedule_due(stream);
    ri_batch_due(stream);
    ri_fast_due(stream);
    if (stream->review_to || stream->enforcing) ri_js_busy(stream); /* that failed is tried again */
    ri_mirror_due(stream); /* one may have waited for room */
    ri_js_arm(stream, ri_js_mono_of(js, ri_retention_next_ns(stream)));
    ri_js_arm(stream, ri_js_mono_of(js, ri_schedule_next_ns(stream)));
    ri_js_arm(stream, ri_batch_next_ns(stream));
    ri_js_arm(stream, ri_fast_next_ns(stream));
}
