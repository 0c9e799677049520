/* SPDX-License-Identifier: Apache-2.0 */
/* Where copying goes on: for each source of a stream one record in track 4, written in the commit
 * of the copies that it names. What becomes of these copies later does not matter.
 *
 *     subject  <track of the stream>.<checksum of the key>
 *     data     <sequence> <time ns> <identity> <key>
 *
 * sequence and time are those of the origin's message that was copied last (0: none yet), identity
 * is that of the origin they are counted in ("-": none yet), and the key names the source: its
 * stream, filters and destinations. The record of a source that is configured away stays: who
 * comes back goes on.
 *
 *     subject  last.<track of the stream>
 *     data     <time ns>
 *
 * says when the last message came to a stream in which that message is no more. It is written
 * before a log is closed or copied: a crash may forget it. All go with the stream. */
#include <stdio.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/number.h"
#include "engine/streams/js_state.h"

enum { PLACE_SUBJECT_MAX = 32 }; /* bytes: 20 digits, a dot, 8 digits */

typedef struct place_subject {
    char text[PLACE_SUBJECT_MAX];
    ri_str str;
} place_subject;

static void place_subject_of(const ri_place *p, place_subject *subject)
{
    int len = snprintf(subject->text, sizeof subject->text, "%llu.%08x",
                       (unsigned long long)p->target->track_id,
                       (unsigned)ri_crc32c(0, p->key, p->key_len));
    subject->str = (ri_str){subject->text, (size_t)len};
}

/* ---- Reading ---- */

/* False: it is of another source, whose key has the same checksum. */
static bool place_read(ri_place *p, const ri_record *record)
{
    ri_str rest = record->data, seq_text, time_text, identity;
    uint64_t seq;
    int64_t time_ns;
    bool ok = ri_str_cut(&rest, ' ', &seq_text) && ri_str_cut(&rest, ' ', &time_text) &&
              ri_str_cut(&rest, ' ', &identity) && ri_number_read(seq_text, &seq) &&
              ri_number_read_i64(time_text, &time_ns) && identity.len <= RI_PLACE_IDENTITY &&
              ri_str_eq(rest, (ri_str){p->key, p->key_len});
    if (!ok) return false;
    p->seq = seq;
    p->time_ns = time_ns;
    ri_place_identify(p, ri_str_is(identity, "-") ? RI_STR_NONE : identity);
    p->record_seq = record->seq;
    return true;
}

int ri_place_init(ri_place *p, ri_stream *target, ri_str key)
{
    ri_js_store *store = target->store;
    *p = (ri_place){.target = target, .key_len = key.len};
    ri_list_init(&p->moved_link);
    p->key = ri_strdup(target->js->host, key.ptr, key.len);
    if (!p->key) return RILL_ENOMEM;
    if (!store->places) return 0;
    place_subject subject;
    place_subject_of(p, &subject);
    ri_filter filter = {&subject.str, 1};
    ri_record record;
    bool found = false, lost = target->js->lost_places && target->reopened;
    int rc;
    for (uint64_t from = 1;
         (rc = ri_cursor_next(&store->places_cursor, from, &filter, &record)) != 0;
         from = record.seq + 1) {
        lost = lost || rc == RILL_ECORRUPT;
        if (rc == RILL_ECORRUPT) continue; /* reported when it was found */
        if (rc < 0) return rc;
        found = place_read(p, &record) || found;
    }
    return found ? 1 : lost ? RI_PLACE_LOST : 0;
}

static int place_found(void *arg, const ri_subject_info *info)
{
    ri_buffer *name = arg;
    ri_buffer_reset(name);
    ri_buffer_put_str(name, info->subject); /* the index may change before it is used */
    return 1;
}

/* The subject of one of the stream's records, in `name`. */
static bool place_any(ri_stream *stream, ri_buffer *name)
{
    char filter[PLACE_SUBJECT_MAX];
    int len = snprintf(filter, sizeof filter, "%llu.*", (unsigned long long)stream->track_id);
    ri_track *places = stream->store->places;
    return places &&
           ri_track_each_subject(places, (ri_str){filter, (size_t)len}, place_found, name) > 0;
}

bool ri_places_any(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    return place_any(stream, &stream->js->scratch);
}

/* ---- Writing ---- */

void ri_place_identify(ri_place *p, ri_str identity)
{
    RI_ASSERT(identity.len <= RI_PLACE_IDENTITY);
    p->identity_len = identity.len;
    if (identity.len) memcpy(p->identity, identity.ptr, identity.len);
}

void ri_place_move(ri_place *p, uint64_t seq, int64_t time_ns)
{
    p->seq = seq;
    p->time_ns = time_ns;
    if (p->target->store->places && !ri_list_linked(&p->moved_link))
        ri_list_push(&p->target->store->moved, &p->moved_link);
}

int ri_place_save(ri_place *p)
{
    if (!p->target || !ri_list_linked(&p->moved_link)) return RILL_OK;
    ri_js *js = p->target->js;
    ri_js_store *store = p->target->store;
    place_subject subject;
    place_subject_of(p, &subject);
    ri_buffer *out = &js->record;
    ri_buffer_reset(out);
    ri_buffer_printf(out, "%llu %lld %.*s ", (unsigned long long)p->seq, (long long)p->time_ns,
                     p->identity_len ? (int)p->identity_len : 1,
                     p->identity_len ? p->identity : "-");
    ri_buffer_put(out, p->key, p->key_len);
    ri_record record = {.time_ns = js->wall_ns, .subject = subject.str, .data = ri_buffer_str(out)};
    int rc = out->failed ? ri_err_nomem(0) : ri_track_append_kept(store->places, &record);
    p->late = rc < 0;
    if (rc < 0) return rc;
    if (p->record_seq) ri_track_remove(store->places, p->record_seq, false);
    p->record_seq = record.seq;
    ri_list_remove(&p->moved_link);
    return RILL_OK;
}

void ri_places_save(ri_js_store *store)
{
    if (!store->places) return;
    ri_list waiting;
    ri_list_init(&waiting);
    ri_list_splice(&waiting, &store->moved);
    while (!ri_list_empty(&waiting)) {
        ri_place *p = ri_container_of(waiting.next, ri_place, moved_link);
        if (ri_place_save(p) >= 0) continue;
        ri_list_remove(&p->moved_link); /* nothing more is copied until it could be written */
        ri_list_push(&store->moved, &p->moved_link);
    }
}

void ri_place_fini(ri_place *p)
{
    if (!p->target) return;
    ri_list_remove(&p->moved_link);
    ri_free(p->target->js->host, p->key, p->key_len + 1);
    p->key = NULL;
}

/* ---- The time of a last message that is gone ---- */

static void place_last_of(const ri_stream *stream, place_subject *subject)
{
    int len = snprintf(subject->text, sizeof subject->text, "last.%llu",
                       (unsigned long long)stream->track_id);
    subject->str = (ri_str){subject->text, (size_t)len};
}

static void place_last_drop(ri_stream *stream)
{
    place_subject subject;
    ri_subject_info info;
    place_last_of(stream, &subject);
    if (ri_track_subject(stream->store->places, subject.str, &info) >= 0)
        ri_track_remove(stream->store->places, info.last_seq, false);
}

void ri_last_load(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_store *store = stream->store;
    place_subject subject;
    ri_subject_info info;
    ri_record record;
    int64_t time_ns;
    if (!store->places) return;
    place_last_of(stream, &subject);
    if (ri_track_subject(store->places, subject.str, &info) < 0 ||
        ri_cursor_get(&store->places_cursor, info.last_seq, &record) < 0 ||
        !ri_number_read_i64(record.data, &time_ns))
        return;
    stream->noted_time_ns = time_ns;
    stream->last_time_ns = RI_MAX(stream->last_time_ns, time_ns);
}

void ri_last_save(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_track_info info;
    place_subject subject;
    char text[24];
    if (!stream->store->places || !stream->track || stream->closing) return;
    ri_track_counts(stream->track, &info);
    if (info.live_seq >= stream->last_seq || stream->last_time_ns <= stream->noted_time_ns) return;
    place_last_of(stream, &subject);
    int len = snprintf(text, sizeof text, "%lld", (long long)stream->last_time_ns);
    ri_record record = {.time_ns = stream->js->wall_ns, .subject = subject.str,
                        .data = {text, (size_t)len}};
    place_last_drop(stream);
    if (ri_track_append_kept(stream->store->places, &record) >= 0)
        stream->noted_time_ns = stream->last_time_ns;
}

void ri_places_drop(ri_stream *stream)
{
    if (!stream->store->places) return;
    place_last_drop(stream);
    ri_buffer *name = &stream->js->scratch;
    ri_subject_info info;
    while (place_any(stream, name) && !name->failed) {
        if (ri_track_subject(stream->store->places, ri_buffer_str(name), &info) < 0) break;
        if (ri_track_remove(stream->store->places, info.first_seq, false) < 0) break;
    }
}
