/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be there after a restart: one live record for each stream and consumer, in track 1
 * of the log that holds the stream.
 *
 *     subject  s.<stream>              data  <track> <created ns> <configuration as JSON>
 *              c.<stream>.<consumer>         <id>    <created ns> <configuration as JSON>
 *              w.<stream>                    <track> 0            while the stream has work under
 *              way
 *
 * A change appends the new record and removes the old one in the same commit, as deleting a
 * stream or consumer removes its records everywhere in one commit: a number that is used again
 * after a restart names nothing old. Memory streams have no records here: they end with the
 * process.
 *
 * A record that is damaged, or that says what this version cannot understand, is passed over and
 * reported. Its stream or consumer is fenced (fence.c): it is not served, nothing of it is removed,
 * and neither its track nor its number is given to another.
 *
 * Work under way is what removes messages in slices after a change: a restart goes on with it. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "engine/streams/js_state.h"

static bool catalog_keeps(const ri_js_store *store)
{
    return store->catalog != NULL;
}

/* Append `subject`, removing the record that *seq names. */
static int catalog_put(ri_js *js, ri_js_store *store, ri_str data, uint64_t *seq)
{
    if (js->scratch.failed || js->record.failed) return ri_err_nomem(0);
    ri_record record = {.time_ns = js->wall_ns, .subject = ri_buffer_str(&js->scratch),
                        .data = data};
    int rc = ri_track_append(store->catalog, &record);
    if (rc < 0) return rc;
    ri_catalog_drop(js, store, seq);
    *seq = record.seq;
    return RILL_OK;
}

void ri_catalog_drop(ri_js *js, ri_js_store *store, uint64_t *seq)
{
    RI_ASSERT(ri_js_is_sound(js));
    (void)js;
    if (*seq && catalog_keeps(store)) ri_track_remove(store->catalog, *seq, false);
    *seq = 0;
}

int ri_catalog_put_stream(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js *js = stream->js;
    if (!catalog_keeps(stream->store)) return RILL_OK;
    ri_buffer_reset(&js->scratch);
    ri_buffer_puts(&js->scratch, "s.");
    ri_buffer_put_str(&js->scratch, stream->conf.name);
    ri_buffer_reset(&js->record);
    ri_buffer_printf(&js->record, "%llu %lld ", (unsigned long long)stream->track_id,
                     (long long)stream->created_ns);
    ri_jsapi_encode(&ri_jsapi_stream_conf, &stream->conf, &js->record);
    return catalog_put(js, stream->store, ri_buffer_str(&js->record), &stream->catalog_seq);
}

int ri_catalog_put_consumer(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_stream *stream = c->stream;
    ri_js *js = stream->js;
    if (!catalog_keeps(stream->store) || !c->kept) return RILL_OK;
    ri_buffer_reset(&js->scratch);
    ri_buffer_puts(&js->scratch, "c.");
    ri_buffer_put_str(&js->scratch, stream->conf.name);
    ri_buffer_puts(&js->scratch, ".");
    ri_buffer_put_str(&js->scratch, c->name);
    ri_buffer_reset(&js->record);
    ri_buffer_printf(&js->record, "%llu %lld ", (unsigned long long)c->id,
                     (long long)c->created_ns);
    ri_jsapi_encode(&ri_jsapi_consumer_conf, &c->conf, &js->record);
    return catalog_put(js, stream->store, ri_buffer_str(&js->record), &c->catalog_seq);
}

void ri_catalog_put_work(ri_stream *stream, bool under_way)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js *js = stream->js;
    if (!under_way) ri_catalog_drop(js, stream->store, &stream->work_seq);
    if (!under_way || stream->work_seq || !catalog_keeps(stream->store)) return;
    ri_buffer_reset(&js->scratch);
    ri_buffer_puts(&js->scratch, "w.");
    ri_buffer_put_str(&js->scratch, stream->conf.name);
    ri_buffer_reset(&js->record);
    ri_buffer_printf(&js->record, "%llu 0 ", (unsigned long long)stream->track_id);
    catalog_put(js, stream->store, ri_buffer_str(&js->record), &stream->work_seq);
}

/* ---- Loading ---- */

bool ri_catalog_pass_over(ri_js *js, int rc, const char *what, ri_str name)
{
    RI_ASSERT(ri_js_is_sound(js));
    char sentence[RI_ERROR_TEXT_MAX];
    if (rc != RILL_ECORRUPT && rc != RILL_EPROTO && rc != RILL_EINVAL) return false;
    snprintf(sentence, sizeof sentence, "%s%s%.*s cannot be read: %s", what, name.len ? " " : "",
             RI_ARG(name), ri_err_text());
    ri_host_log(js->host, RILL_ERROR, "%s", sentence);
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_UNREADABLE, .code = RILL_ECORRUPT,
                                    .reason = ri_str_of(sentence)});
    return true;
}

typedef struct catalog_entry {
    ri_str kind, stream, consumer; /* of the subject */
    uint64_t number;
    int64_t created_ns;
    ri_str json;
    uint64_t seq;
} catalog_entry;

static bool catalog_kind_is_known(ri_str kind)
{
    return ri_str_is(kind, "s") || ri_str_is(kind, "c") || ri_str_is(kind, "w");
}

static int catalog_read(const ri_record *record, catalog_entry *entry)
{
    ri_str rest = record->subject, data = record->data, number, created;
    *entry = (catalog_entry){.seq = record->seq};
    bool ok = ri_str_cut(&rest, '.', &entry->kind) && catalog_kind_is_known(entry->kind) &&
              ri_str_cut(&rest, '.', &entry->stream);
    ok = ok && (!ri_str_is(entry->kind, "c") || ri_str_cut(&rest, '.', &entry->consumer));
    if (!ok) entry->kind = RI_STR_NONE;
    ok = ok && ri_str_cut(&data, ' ', &number) && ri_str_cut(&data, ' ', &created);
    ok = ok && ri_number_read(number, &entry->number) &&
         ri_number_read_i64(created, &entry->created_ns);
    if (!ok) return ri_err(RILL_ECORRUPT, "catalogue record %llu", (unsigned long long)record->seq);
    entry->json = data;
    return RILL_OK;
}

static bool catalog_name_stream(ri_log *log, uint64_t track_id, char *out, size_t cap)
{
    ri_track *catalog;
    ri_track_opts opts = {0};
    ri_cursor cursor;
    ri_record record;
    catalog_entry entry;
    bool found = false;
    if (ri_log_track(log, RI_JS_TRACK_CATALOG, &opts, &catalog) < 0) return false;
    ri_cursor_init(&cursor, catalog);
    for (uint64_t from = 1; !found && ri_cursor_next(&cursor, from, NULL, &record) > 0;) {
        from = record.seq + 1;
        found = catalog_read(&record, &entry) == 0 && ri_str_is(entry.kind, "s") &&
                entry.number == track_id;
        if (found) snprintf(out, cap, "stream %.*s", RI_ARG(entry.stream));
    }
    ri_cursor_fini(&cursor);
    return found;
}

bool ri_js_name_track(ri_log *log, uint64_t track_id, char *out, size_t cap)
{
    static const char *const names[] = {
        [RI_JS_TRACK_CATALOG] = "the list of streams and consumers",
        [RI_JS_TRACK_STATES] = "the states of consumers",
        [RI_JS_TRACK_IDS] = "the ids of messages", [RI_JS_TRACK_PLACES] = "the places of copies",
        [RI_JS_TRACK_GROUPS] = "the groups of Kafka's consumers",
    };
    if (track_id >= RI_JS_TRACK_FIRST) return catalog_name_stream(log, track_id, out, cap);
    if (track_id >= RI_LEN(names) || !names[track_id]) return false;
    snprintf(out, cap, "%s", names[track_id]);
    return true;
}

/* The stream or consumer of that record is not served, which is reported, if its failure is of the
 * record; else the failure stays one. */
static int catalog_fence(ri_js *js, int rc, const catalog_entry *entry, ri_stream *stream)
{
    char reason[RI_ERROR_TEXT_MAX];
    snprintf(reason, sizeof reason, "%s", ri_err_text());
    const char *what = stream ? "the configuration of the consumer"
                              : "the configuration of the stream";
    ri_fence fence = {.name = stream ? entry->consumer : entry->stream, .json = entry->json,
                      .number = entry->number, .seq = entry->seq,
                      .created_ns = entry->created_ns, .reason = ri_str_of(reason)};
    if (!ri_catalog_pass_over(js, rc, what, fence.name)) return rc;
    return stream ? ri_fence_consumer(stream, &fence) : ri_fence_stream(js, &fence);
}

static int catalog_load_stream(ri_js *js, const catalog_entry *entry)
{
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_stream_conf conf;
    ri_stream *stream = NULL;
    js->next_track = RI_MAX(js->next_track, ri_u64_add(entry->number, 1));
    int rc = ri_jsapi_decode(&ri_jsapi_stream_conf, entry->json, false, &arena, &conf);
    if (rc >= 0) rc = ri_fence_level(&conf.metadata);
    if (rc >= 0) rc = ri_stream_new(js, &conf, entry->number, &stream);
    ri_arena_fini(&arena);
    if (rc < 0) return catalog_fence(js, rc, entry, NULL);
    stream->catalog_seq = entry->seq;
    stream->created_ns = entry->created_ns;
    stream->reopened = true;
    if ((rc = ri_ingest_reopen(stream)) < 0 || (rc = ri_stream_attach(stream)) < 0) {
        ri_stream_free(stream);
        return rc;
    }
    return RILL_OK;
}

/* Of a stream that is not served, or whose record is lost: then its name is known from here. */
static int catalog_skip_consumer(ri_js *js, const catalog_entry *entry)
{
    ri_buffer_put(&js->fenced_ids, &entry->number, sizeof entry->number);
    if (js->fenced_ids.failed) return RILL_ENOMEM;
    if (!js->damaged || ri_fence_is_named(js, entry->stream)) return RILL_OK;
    catalog_entry lost = {.stream = entry->stream};
    return catalog_fence(js, ri_err(RILL_ECORRUPT, "its record is lost"), &lost, NULL);
}

static int catalog_load_consumer(ri_js *js, const catalog_entry *entry)
{
    ri_stream *stream = ri_js_stream(js, entry->stream);
    js->next_consumer = RI_MAX(js->next_consumer, ri_u64_add(entry->number, 1));
    if (!stream) return catalog_skip_consumer(js, entry);
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_consumer_conf conf;
    ri_consumer *c = NULL;
    int rc = ri_jsapi_decode(&ri_jsapi_consumer_conf, entry->json, false, &arena, &conf);
    if (rc >= 0) rc = ri_fence_level(&conf.metadata);
    if (rc >= 0) rc = ri_consumer_new(stream, &conf, entry->consumer, entry->number, &c);
    ri_arena_fini(&arena);
    if (rc < 0) return catalog_fence(js, rc, entry, stream);
    c->catalog_seq = entry->seq;
    c->created_ns = entry->created_ns;
    if ((rc = ri_stream_add_consumer(stream, c)) < 0) ri_consumer_free(c);
    return rc;
}

/* A record whose numbers cannot be read, or that cannot be read at all; each is reported once,
 * though it is met with each kind. */
static int catalog_load_bad(ri_js *js, int rc, const char *kind, const catalog_entry *entry)
{
    char number[24];
    ri_stream *stream = entry->consumer.len ? ri_js_stream(js, entry->stream) : NULL;
    if (ri_str_is(entry->kind, kind)) {
        if (*kind == 's' || stream) return catalog_fence(js, rc, entry, stream);
        return *kind == 'c' ? catalog_skip_consumer(js, entry) : RILL_OK;
    }
    if (rc != RILL_ECORRUPT && rc != RILL_EPROTO) return rc;
    if (entry->kind.len || *kind != 's') return RILL_OK;
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)entry->seq);
    ri_catalog_pass_over(js, rc, "record", (ri_str){number, (size_t)len});
    return RILL_OK;
}

static int catalog_load_one(ri_js *js, const catalog_entry *entry, const char *kind)
{
    if (!ri_str_is(entry->kind, kind)) return RILL_OK;
    if (*kind == 's') return catalog_load_stream(js, entry);
    if (*kind == 'c') return catalog_load_consumer(js, entry);
    ri_stream *stream = ri_js_stream(js, entry->stream);
    if (stream) stream->work_seq = entry->seq;
    return RILL_OK;
}

/* All records of one kind, in the order of their making. */
static int catalog_load_kind(ri_js *js, const char *kind)
{
    ri_cursor cursor;
    ri_cursor_init(&cursor, js->files.catalog);
    ri_record record = {0};
    catalog_entry entry;
    int rc;
    for (uint64_t from = 1; (rc = ri_cursor_next(&cursor, from, NULL, &record)) != 0;) {
        from = record.seq + 1;
        entry = (catalog_entry){.seq = record.seq};
        if (rc < 0)
            js->damaged = true;
        else
            rc = catalog_read(&record, &entry);
        rc = rc < 0 ? catalog_load_bad(js, rc, kind, &entry) : catalog_load_one(js, &entry, kind);
        if (rc < 0) break;
    }
    ri_cursor_fini(&cursor);
    return rc;
}

/* ---- Records that are lost ---- */

static void catalog_hear(void *arg, const ri_damage *damage)
{
    ri_js *js = arg;
    bool unknown = damage->track == 0 && !damage->whole;
    js->damaged = js->damaged || unknown || damage->track == RI_JS_TRACK_CATALOG;
    js->lost_consumers = js->lost_consumers || unknown || damage->track == RI_JS_TRACK_STATES;
    js->lost_places = js->lost_places || unknown || damage->track == RI_JS_TRACK_PLACES;
}

typedef struct catalog_strays { /* tracks that no record names */
    ri_js *js;
    ri_map named;     /* streams by their tracks */
    ri_buffer ids;    /* uint64_t, of the tracks */
} catalog_strays;

static bool catalog_same_track(const void *item, const void *key)
{
    return ((const ri_stream *)item)->track_id == *(const uint64_t *)key;
}

static int catalog_stray(void *arg, uint64_t id)
{
    catalog_strays *strays = arg;
    if (id < RI_JS_TRACK_FIRST || ri_map_get(&strays->named, ri_hash_u64(id), &id)) return 0;
    ri_buffer_put(&strays->ids, &id, sizeof id);
    return strays->ids.failed ? RILL_ENOMEM : 0;
}

static int catalog_fence_stray(ri_js *js, uint64_t id)
{
    ri_fence fence = {.number = id, .reason = RI_STR("its record is lost")};
    ri_err(RILL_ECORRUPT, "its record is lost; nothing is taken on the subjects of its messages");
    ri_catalog_pass_over(js, RILL_ECORRUPT, "the configuration of a stream", RI_STR_NONE);
    return ri_fence_stream(js, &fence);
}

/* Streams whose records are lost with their names still have their tracks. */
static int catalog_find_strays(ri_js *js)
{
    catalog_strays strays = {.js = js};
    ri_map_init(&strays.named, js->host, catalog_same_track);
    ri_buffer_init(&strays.ids, js->host);
    int rc = RILL_OK;
    for (size_t i = 0; i < js->nstreams && rc >= 0; i++)
        rc = ri_map_put(&strays.named, ri_hash_u64(js->sorted[i]->track_id), js->sorted[i]);
    ri_list_each (link, &js->fenced) {
        ri_stream *fence = ri_container_of(link, ri_stream, fenced_link);
        if (rc >= 0) rc = ri_map_put(&strays.named, ri_hash_u64(fence->track_id), fence);
    }
    if (rc >= 0) rc = ri_log_each_track(js->files.log, catalog_stray, &strays);
    const char *at = strays.ids.ptr + strays.ids.head;
    for (size_t i = 0; rc >= 0 && i < ri_buffer_size(&strays.ids); i += sizeof(uint64_t)) {
        uint64_t id;
        memcpy(&id, at + i, sizeof id);
        rc = catalog_fence_stray(js, id);
    }
    ri_buffer_fini(&strays.ids);
    ri_map_fini(&strays.named);
    return rc;
}

static int catalog_load_all(ri_js *js)
{
    int rc;
    ri_log_each_damage(js->files.log, 0, catalog_hear, js);
    if ((rc = catalog_load_kind(js, "s")) < 0) return rc;
    if ((rc = catalog_load_kind(js, "c")) < 0) return rc;
    if ((rc = catalog_load_kind(js, "w")) < 0) return rc;
    if (js->damaged && (rc = catalog_find_strays(js)) < 0) return rc;
    return ri_state_load(js, &js->files);
}

static int catalog_open(ri_js_store *store)
{
    ri_track_opts opts = {0}, by_subject = {.subjects = true};
    int rc;
    if ((rc = ri_log_track(store->log, RI_JS_TRACK_CATALOG, &opts, &store->catalog)) < 0) return rc;
    if ((rc = ri_log_track(store->log, RI_JS_TRACK_STATES, &opts, &store->states)) < 0) return rc;
    if ((rc = ri_log_track(store->log, RI_JS_TRACK_IDS, &by_subject, &store->ids)) < 0) return rc;
    ri_cursor_init(&store->ids_cursor, store->ids);
    rc = ri_log_track(store->log, RI_JS_TRACK_PLACES, &by_subject, &store->places);
    if (rc < 0) return rc;
    ri_cursor_init(&store->places_cursor, store->places);
    store->places_cursor.open = true;
    return RILL_OK;
}

int ri_catalog_load(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_store *store = &js->files;
    if (!store->log) return RILL_OK;
    int rc = catalog_open(store);
    if (rc < 0) return rc;
    js->next_track = RI_MAX(js->next_track, ri_log_last_track(store->log) + 1);
    if ((rc = catalog_load_all(js)) < 0) return rc;
    for (size_t i = 0; i < js->nstreams; i++) {
        ri_stream *stream = js->sorted[i];
        if ((rc = ri_mirror_attach(stream)) < 0) return rc;
        if (stream->work_seq) ri_retention_resume(stream);
        ri_retention_due(stream); /* nobody sees what has expired meanwhile */
    }
    return RILL_OK;
}

int ri_catalog_drop_all_of(ri_js *js, ri_str stream)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_cursor cursor;
    ri_record record;
    catalog_entry entry;
    int rc;
    ri_cursor_init(&cursor, js->files.catalog);
    for (uint64_t from = 1; (rc = ri_cursor_next(&cursor, from, NULL, &record)) != 0;) {
        from = record.seq + 1;
        if (rc < 0 && !ri_js_is_lost(rc)) break;
        if (rc < 0) continue;
        catalog_read(&record, &entry);
        if (!entry.kind.len || !ri_str_eq(entry.stream, stream)) continue;
        if (ri_str_is(entry.kind, "s")) continue; /* goes with its stream */
        if ((rc = ri_track_remove(js->files.catalog, record.seq, false)) < 0) break;
    }
    ri_cursor_fini(&cursor);
    return RI_MIN(rc, 0);
}
