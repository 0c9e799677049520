/* SPDX-License-Identifier: Apache-2.0 */
/* Message ids that outlive their messages. While a message is in its stream, its headers hold its
 * id, and a restart reads them. When one is gone while its id is still within the window (a work
 * queue's, acknowledged; or dropped by a limit), the id goes to track 3 in the same commit as the
 * removal.
 *
 *     subject  <track of the stream>    time  of the newest id in it
 *     data     one after another, little-endian:  [sequence 8][time ns 8][length 2][id]
 *
 * A record dies when all its ids are older than the window, or with its stream. */
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "engine/streams/js_state.h"
#include "store/log/segment.h"

enum {
    IDS_RECORD = 4096,  /* bytes of a record after which the next begins */
    IDS_SPANS_MAX = 1024, /* removed stretches kept apart until the commit */
    IDS_HEAD = 18,      /* of an id in a record */
    IDS_UNITS = 5,      /* to drop a record */
    IDS_TAKEN = 4,      /* blocks that others lose for one that is added */
    IDS_LEAST = 4096,   /* bytes of a window that nobody is refused for */
};

#define IDS_NOTIFY_NS (10 * RI_SEC)

typedef struct ids_name { /* the subject of a stream's records */
    char text[24];
    ri_str str;
} ids_name;

static void ids_name_of(const ri_stream *stream, ids_name *name)
{
    int len = snprintf(name->text, sizeof name->text, "%llu", (unsigned long long)stream->track_id);
    name->str = (ri_str){name->text, (size_t)len};
}

/* ---- Their memory ---- */

/* The windows have a share in the memory of what is durable, with the index of subjects and all
 * else that room.c counts. Where that is used up a window grows by what the greediest loses, which
 * is reported as it is of a full window; if that one may not forget, the publish is refused. */

static ri_stream *ids_greediest(ri_js *js)
{
    ri_stream *most = NULL;
    ri_list_each (link, &js->ids.large) {
        ri_claim *claim = ri_container_of(link, ri_claim, link);
        ri_stream *stream = ri_container_of(claim, ri_stream, ids_claim);
        if (!stream->dedupe.opts.forget || !stream->dedupe.count) continue;
        if (!most || claim->bytes > most->ids_claim.bytes) most = stream;
    }
    return most;
}

/* Returns the bytes that are free again. */
static uint64_t ids_take_from(ri_stream *stream)
{
    uint64_t before = ri_dedupe_bytes(&stream->dedupe);
    ri_dedupe_forget_some(&stream->dedupe);
    ri_ids_count(stream);
    ri_js_busy(stream); /* it reports that */
    return before - ri_dedupe_bytes(&stream->dedupe);
}

int ri_ids_make_room(ri_stream *stream, ri_str id)
{
    ri_js *js = stream->js;
    uint64_t growth = ri_dedupe_growth(&stream->dedupe, id.len), taken = 0;
    if (ri_likely(growth == 0)) return RILL_OK;
    ri_js_arm(stream, ri_js_mono_of(js, ri_ns_add(js->wall_ns, stream->conf.duplicate_window)));
    if (ri_likely(!ri_memory_is_full(&js->router->memory, RI_MEMORY_DURABLE))) return RILL_OK;
    ri_memory_refused(&js->router->memory);
    for (int i = 0; i < IDS_TAKEN && taken < growth; i++) {
        ri_stream *most = ids_greediest(js);
        if (!most && stream->dedupe.opts.forget && stream->dedupe.count) most = stream;
        if (!most) break;
        taken += ids_take_from(most);
    }
    if (taken || ri_dedupe_bytes(&stream->dedupe) < IDS_LEAST) return RILL_OK;
    return ri_err(RILL_EFULL, "the window has %llu bytes, and half of memory_bytes is taken by "
                  "what is known of streams",
                  (unsigned long long)ri_dedupe_bytes(&stream->dedupe));
}

void ri_ids_count(ri_stream *stream)
{
    uint64_t bytes = ri_dedupe_bytes(&stream->dedupe);
    if (ri_unlikely(bytes != stream->ids_claim.bytes))
        ri_claim_count(&stream->js->ids, &stream->ids_claim, bytes);
}

void ri_ids_due(ri_stream *stream)
{
    ri_js *js = stream->js;
    ri_ids_count(stream);
    if (!stream->dedupe.oldest) return;
    uint64_t before = stream->dedupe.count;
    int64_t due_ns = ri_dedupe_expire(&stream->dedupe, js->wall_ns);
    ri_budget_spend(&js->router->budget, (before - stream->dedupe.count) / 2);
    ri_ids_count(stream);
    ri_js_arm(stream, ri_js_mono_of(js, due_ns));
}

/* Ids leave a full window before their time: this is reported at most each IDS_NOTIFY_NS. */
void ri_ids_notify_forgotten(ri_stream *stream)
{
    ri_js *js = stream->js;
    uint64_t count = stream->dedupe.forgotten - stream->forgotten_reported;
    if (!count || js->mono_ns < stream->forgotten_notify_ns) return;
    stream->forgotten_reported = stream->dedupe.forgotten;
    stream->forgotten_notify_ns = js->mono_ns + IDS_NOTIFY_NS;
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_IDS_FORGOTTEN, .stream = stream->conf.name,
                                    .count = count});
}

/* ---- What is gone ---- */

void ri_ids_gone(ri_stream *stream, uint64_t first, uint64_t last)
{
    if (stream->dedupe.count == 0 || !stream->store->ids || stream->closing) return;
    ri_dedupe_span *newest = stream->ngone ? &stream->gone[stream->ngone - 1] : NULL;
    if (newest && first <= newest->last + 1 && last + 1 >= newest->first) {
        newest->first = RI_MIN(newest->first, first);
        newest->last = RI_MAX(newest->last, last);
        return;
    }
    if (stream->ngone < IDS_SPANS_MAX) /* without memory it is as if there were too many */
        ri_array_reserve(stream->js->host, &stream->gone, &stream->gone_cap, stream->ngone + 1,
                         sizeof *stream->gone);
    if (!ri_list_linked(&stream->gone_link))
        ri_list_push(&stream->store->gone, &stream->gone_link);
    if (stream->ngone < stream->gone_cap) {
        stream->gone[stream->ngone++] = (ri_dedupe_span){first, last};
    } else if (newest) { /* also what lies between: to know an id twice does no harm */
        newest->first = RI_MIN(newest->first, first);
        newest->last = RI_MAX(newest->last, last);
    }
}

typedef struct ids_writer {
    ri_stream *stream;
    ids_name name;
    int64_t newest_ns;
    int rc;
} ids_writer;

static void ids_flush(ids_writer *w)
{
    ri_buffer *out = &w->stream->js->record;
    if (out->failed) w->rc = ri_err_nomem(0);
    if (w->rc < 0 || ri_buffer_size(out) == 0) return;
    ri_record record = {.time_ns = w->newest_ns, .subject = w->name.str,
                        .data = ri_buffer_str(out)};
    w->rc = ri_track_append(w->stream->store->ids, &record);
    ri_buffer_reset(out);
}

static void ids_put(void *arg, ri_str id, uint64_t seq, int64_t time_ns)
{
    ids_writer *w = arg;
    ri_buffer *out = &w->stream->js->record;
    char head[IDS_HEAD];
    ri_segment_set64(head, seq);
    ri_segment_set64(head + 8, (uint64_t)time_ns);
    head[16] = (char)id.len;
    head[17] = (char)(id.len >> 8);
    ri_buffer_put(out, head, sizeof head);
    ri_buffer_put_str(out, id);
    w->newest_ns = RI_MAX(w->newest_ns, time_ns);
    if (ri_buffer_size(out) >= IDS_RECORD) ids_flush(w);
}

static bool ids_aged(const ri_stream *stream, int64_t time_ns)
{
    return ri_ns_sub(stream->js->wall_ns, time_ns) >= stream->conf.duplicate_window;
}

/* Those committed records of the stream of which every id has left the window. */
static void ids_expire(ri_stream *stream, ri_str name)
{
    ri_js_store *store = stream->store;
    ri_subject_info info;
    ri_record record;
    while (ri_track_subject(store->ids, name, &info) >= 0 &&
           ri_cursor_get(&store->ids_cursor, info.first_seq, &record) >= 0 &&
           ids_aged(stream, record.time_ns))
        if (ri_track_remove(store->ids, record.seq, false) < 0) break;
}

static int ids_span_order(const void *a, const void *b)
{
    const ri_dedupe_span *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static int ids_save_one(ri_stream *stream)
{
    ids_writer w = {.stream = stream, .newest_ns = INT64_MIN};
    ids_name_of(stream, &w.name);
    ri_buffer_reset(&stream->js->record);
    ri_dedupe_expire(&stream->dedupe, stream->js->wall_ns);
    ri_ids_count(stream);
    qsort(stream->gone, stream->ngone, sizeof *stream->gone, ids_span_order);
    ri_dedupe_each(&stream->dedupe, stream->gone, stream->ngone, ids_put, &w);
    ids_flush(&w);
    if (w.rc < 0) return w.rc;
    stream->ngone = 0;
    ids_expire(stream, w.name.str);
    return RILL_OK;
}

void ri_ids_save(ri_js_store *store)
{
    ri_list waiting;
    ri_list_init(&waiting);
    ri_list_splice(&waiting, &store->gone);
    for (ri_list *link; (link = ri_list_pop(&waiting)) != NULL;) {
        ri_stream *stream = ri_container_of(link, ri_stream, gone_link);
        /* On a full disk removals go on: their ids follow when there is room, or memory, again. */
        if (ids_save_one(stream) < 0) ri_list_push(&store->gone, &stream->gone_link);
    }
}

/* ---- After a restart ---- */

static int ids_order(const void *a, const void *b)
{
    const ri_ids_item *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int ids_add(ri_ids *ids, uint64_t seq, int64_t time_ns, ri_str id)
{
    int rc = ri_array_reserve_long(ids->host, &ids->items, &ids->cap, ids->len + 1,
                                   sizeof *ids->items);
    if (rc < 0) return rc;
    ids->items[ids->len++] = (ri_ids_item){seq, time_ns, ri_buffer_size(&ids->bytes), id.len};
    ri_buffer_put_str(&ids->bytes, id);
    return ids->bytes.failed ? ri_err_nomem(id.len) : RILL_OK;
}

/* A record's ids; one that is not as written ends it: its checksum was good. */
static int ids_read(ri_ids *ids, ri_str data)
{
    while (data.len >= IDS_HEAD) {
        size_t len = (uint8_t)data.ptr[16] | (size_t)(uint8_t)data.ptr[17] << 8;
        if (data.len - IDS_HEAD < len) break;
        int rc = ids_add(ids, ri_segment_u64(data.ptr), (int64_t)ri_segment_u64(data.ptr + 8),
                         (ri_str){data.ptr + IDS_HEAD, len});
        if (rc < 0) return rc;
        data = ri_str_from(data, IDS_HEAD + len);
    }
    return RILL_OK;
}

int ri_ids_load(ri_stream *stream, ri_ids *ids)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_store *store = stream->store;
    *ids = (ri_ids){.host = stream->js->host};
    ri_buffer_init(&ids->bytes, stream->js->host);
    if (!store->ids) return RILL_OK;
    ids_name name;
    ids_name_of(stream, &name);
    ri_filter filter = {&name.str, 1};
    ri_record record;
    int rc;
    for (uint64_t from = 1;
         (rc = ri_cursor_next(&store->ids_cursor, from, &filter, &record)) != 0;) {
        from = record.seq + 1;
        if (rc == RILL_ECORRUPT) continue; /* reported when it was found: these ids are forgotten */
        if (rc > 0) rc = ids_read(ids, record.data);
        if (rc < 0) break;
    }
    if (rc == 0) ids_expire(stream, name.str);
    if (ids->len) qsort(ids->items, ids->len, sizeof *ids->items, ids_order);
    return rc;
}

int ri_ids_take(ri_stream *stream, ri_ids *ids, uint64_t before)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    for (; ids->next < ids->len && ids->items[ids->next].seq < before; ids->next++) {
        const ri_ids_item *item = &ids->items[ids->next];
        ri_str id = ri_str_from(ri_buffer_str(&ids->bytes), item->at);
        id.len = item->len;
        uint64_t seq;
        if (ids_aged(stream, item->time_ns)) continue;
        if (ri_dedupe_find(&stream->dedupe, id, item->time_ns, &seq)) continue;
        int rc = ri_dedupe_add(&stream->dedupe, id, item->seq, item->time_ns);
        if (rc == RILL_ENOMEM) return rc;
    }
    return RILL_OK;
}

void ri_ids_free(ri_ids *ids)
{
    ri_free(ids->host, ids->items, ids->cap * sizeof *ids->items);
    ri_buffer_fini(&ids->bytes);
}

/* ---- With the stream ---- */

int ri_ids_drop_some(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_store *store = stream->store;
    ri_subject_info info;
    ids_name name;
    bool left = true;
    if (!store->ids) return RILL_OK;
    ri_list_remove(&stream->gone_link); /* those that are gone since are not noted any more */
    ids_name_of(stream, &name);
    while (ri_track_subject(store->ids, name.str, &info) >= 0) {
        if (!left) return 1;
        if (ri_track_remove(store->ids, info.first_seq, false) < 0) break;
        left = ri_budget_spend(&stream->js->router->budget, IDS_UNITS);
    }
    return RILL_OK;
}

void ri_ids_fini(ri_stream *stream)
{
    ri_list_remove(&stream->gone_link);
    ri_free(stream->js->host, stream->gone, stream->gone_cap * sizeof *stream->gone);
    ri_claim_end(&stream->js->ids, &stream->ids_claim);
}
