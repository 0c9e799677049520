/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be there after a restart: one live record for each stream and consumer, in track 1
 * of the log that holds the stream.
 *
 *     subject  s.<stream>              data  <track> <created ns> <configuration as JSON>
 *              c.<stream>.<consumer>         <id>    <created ns> <configuration as JSON>
 *
 * A change appends the new record and removes the old one in the same commit, as deleting a
 * stream or consumer removes its records everywhere in one commit: a number that is used again
 * after a restart names nothing old. Memory streams have no records here: they end with the
 * process.
 *
 * A record that is damaged, or that says what this version cannot understand, is passed over and
 * told. Its stream is not served, nothing of it is removed, and neither its track nor the number of
 * its consumer is given to another. */
#include <stdio.h>

#include "base/error.h"
#include "base/number.h"
#include "engine/js_state.h"

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
    (void)js;
    if (*seq && catalog_keeps(store)) ri_track_remove(store->catalog, *seq, false);
    *seq = 0;
}

int ri_catalog_put_stream(ri_stream *stream)
{
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

/* ---- Loading ---- */

bool ri_catalog_pass_over(ri_js *js, int rc, const char *what, ri_str name)
{
    char sentence[RI_ERROR_TEXT_MAX];
    if (rc != RILL_ECORRUPT && rc != RILL_EPROTO) return false;
    snprintf(sentence, sizeof sentence, "%s %.*s cannot be read: %s", what, RI_ARG(name),
             ri_err_text());
    ri_log_line(js->host, RILL_ERROR, "%s", sentence);
    ri_js_tell(js, &(ri_js_event){.kind = RI_JS_UNREADABLE, .code = RILL_ECORRUPT,
                                  .reason = ri_str_of(sentence)});
    return true;
}

typedef struct catalog_entry {
    ri_str kind, stream, consumer; /* of the subject */
    uint64_t number;
    int64_t created_ns;
    ri_str json;
} catalog_entry;

static int catalog_read(const ri_record *record, catalog_entry *entry)
{
    ri_str rest = record->subject, data = record->data, number, created;
    *entry = (catalog_entry){0};
    bool ok = ri_str_cut(&rest, '.', &entry->kind) && ri_str_cut(&rest, '.', &entry->stream);
    ok = ok && (ri_str_is(entry->kind, "s") || ri_str_cut(&rest, '.', &entry->consumer));
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
    };
    if (track_id >= RI_JS_TRACK_FIRST) return catalog_name_stream(log, track_id, out, cap);
    if (track_id >= RI_LEN(names) || !names[track_id]) return false;
    snprintf(out, cap, "%s", names[track_id]);
    return true;
}

static int catalog_load_stream(ri_js *js, const catalog_entry *entry, uint64_t seq)
{
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_stream_conf conf;
    ri_stream *stream = NULL;
    js->next_track = RI_MAX(js->next_track, ri_u64_add(entry->number, 1));
    int rc = ri_jsapi_decode(&ri_jsapi_stream_conf, entry->json, false, &arena, &conf);
    bool readable = rc >= 0;
    if (readable) rc = ri_stream_new(js, &conf, entry->number, &stream);
    ri_arena_fini(&arena);
    if (!readable && ri_catalog_pass_over(js, rc, "the configuration of the stream", entry->stream))
        return RILL_OK;
    if (rc < 0) return rc;
    stream->catalog_seq = seq;
    stream->created_ns = entry->created_ns;
    if ((rc = ri_ingest_reopen(stream)) < 0 || (rc = ri_stream_attach(stream)) < 0) {
        ri_stream_free(stream);
        return rc;
    }
    return RILL_OK;
}

static int catalog_load_consumer(ri_js *js, const catalog_entry *entry, uint64_t seq)
{
    ri_stream *stream = ri_js_stream(js, entry->stream);
    if (!stream) return RILL_OK; /* its stream was deleted in a later commit than it was made */
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_consumer_conf conf;
    ri_consumer *c = NULL;
    int rc = ri_jsapi_decode(&ri_jsapi_consumer_conf, entry->json, false, &arena, &conf);
    bool readable = rc >= 0;
    if (readable) rc = ri_consumer_new(stream, &conf, entry->consumer, entry->number, &c);
    ri_arena_fini(&arena);
    js->next_consumer = RI_MAX(js->next_consumer, ri_u64_add(entry->number, 1));
    if (!readable &&
        ri_catalog_pass_over(js, rc, "the configuration of the consumer", entry->consumer))
        return RILL_OK;
    if (rc < 0) return rc;
    c->catalog_seq = seq;
    c->created_ns = entry->created_ns;
    if ((rc = ri_stream_add_consumer(stream, c)) < 0) ri_consumer_free(c);
    return rc;
}

/* One whose name is not to be had; it is told once, though it is met with each kind. */
static bool catalog_pass_over(ri_js *js, int rc, bool tell, uint64_t seq)
{
    char number[24];
    if (!tell) return rc == RILL_ECORRUPT || rc == RILL_EPROTO;
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)seq);
    return ri_catalog_pass_over(js, rc, "record", (ri_str){number, (size_t)len});
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
        if (rc > 0) rc = catalog_read(&record, &entry);
        if (rc < 0 && !catalog_pass_over(js, rc, *kind == 's', record.seq)) break;
        from = record.seq + 1;
        if (rc < 0 || !ri_str_is(entry.kind, kind)) continue;
        rc = *kind == 's' ? catalog_load_stream(js, &entry, record.seq)
                          : catalog_load_consumer(js, &entry, record.seq);
        if (rc < 0) break;
    }
    ri_cursor_fini(&cursor);
    return rc;
}

int ri_catalog_load(ri_js *js)
{
    ri_js_store *store = &js->files;
    if (!store->log) return RILL_OK;
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
    js->next_track = RI_MAX(js->next_track, ri_log_last_track(store->log) + 1);
    if ((rc = catalog_load_kind(js, "s")) < 0) return rc;
    if ((rc = catalog_load_kind(js, "c")) < 0) return rc;
    if ((rc = ri_state_load(js, store)) < 0) return rc;
    for (size_t i = 0; i < js->nstreams; i++) {
        if ((rc = ri_mirror_attach(js->sorted[i])) < 0) return rc;
        ri_retention_due(js->sorted[i]); /* nobody sees what has expired meanwhile */
    }
    return RILL_OK;
}
