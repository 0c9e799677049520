/* SPDX-License-Identifier: Apache-2.0 */
/* Tracks: sequences of records within a log. What is appended or removed here changes the index
 * at once and stands in the open commit; readers see records up to visible_seq. */
#include "base/assert.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/limits.h"
#include "store/log/log_private.h"

#define TRACK_WINDOW 65536u
#define TRACK_PEEK 512u

ri_track *ri_track_by_number(const ri_log *log, uint32_t number)
{
    return ri_map_get(&log->tracks_by_number, ri_hash_u64(number), &number);
}

/* A segment may have very many tracks, which are all over the memory: those that come next are
 * fetched ahead. */
ri_track *ri_track_touched(const ri_log *log, const log_segment *s, uint32_t i)
{
    enum { SLOT_AHEAD = 8, TRACK_AHEAD = 4 };
    const ri_map *map = &log->tracks_by_number;
    RI_ASSERT(i < s->ntouched);
    if (i + SLOT_AHEAD < s->ntouched) ri_map_fetch(map, ri_hash_u64(s->touched[i + SLOT_AHEAD]));
    if (i + TRACK_AHEAD < s->ntouched) {
        const ri_track *next = ri_map_peek(map, ri_hash_u64(s->touched[i + TRACK_AHEAD]));
        if (next) __builtin_prefetch(next);
        if (next) __builtin_prefetch(&next->runs);
    }
    return ri_track_by_number(log, s->touched[i]);
}

int ri_track_new(ri_log *log, uint64_t id, uint32_t number, const ri_track_opts *opts,
                 ri_track **out)
{
    RI_ASSERT(number != 0 && id != 0);
    ri_track *track = ri_new(&log->host, ri_track);
    if (!track) return RILL_ENOMEM;
    track->log = log;
    track->id = id;
    track->number = number;
    track->opts = *opts;
    if (opts->single_tail) track->opts.subjects = track->opts.batches = false;
    if (opts->subjects) track->opts.batches = false;
    ri_list_init(&track->dirty);
    if (track->opts.subjects) {
        track->index = ri_new(&log->host, ri_subject_index);
        if (!track->index) {
            ri_delete(&log->host, track);
            return RILL_ENOMEM;
        }
        ri_subject_index_init(track->index, &log->host);
        track->index->slab.memory = log->opts.memory;
    }
    int rc = ri_map_put(&log->tracks_by_number, ri_hash_u64(number), track);
    if (rc == 0 && (rc = ri_map_put(&log->tracks_by_id, ri_hash_u64(id), track)) < 0)
        ri_map_take(&log->tracks_by_number, ri_hash_u64(number), &number);
    if (rc < 0) {
        ri_track_free(track);
        return rc;
    }
    if (number >= log->next_track) log->next_track = number + 1;
    *out = track;
    return RILL_OK;
}

/* Frees; the maps no longer have it, or go as well. */
void ri_track_free(ri_track *track)
{
    RI_ASSERT(!track->partition || track->opts.batches);
    ri_log *log = track->log;
    ri_list_remove(&track->dirty);
    ri_partition_free(track);
    ri_compactor_free(track);
    for (uint32_t i = 0; i < track->nruns; i++) ri_run_free(log, track->runs[i]);
    ri_free(&log->host, track->runs, track->cap_runs * sizeof *track->runs);
    if (track->index) {
        ri_subject_index_fini(track->index);
        ri_delete(&log->host, track->index);
    }
    ri_delete(&log->host, track);
}

/* Take it out of the log with all its records. */
void ri_track_forget(ri_track *track)
{
    ri_log *log = track->log;
    while (track->nruns) ri_run_drop(track, track->nruns - 1);
    ri_map_take(&log->tracks_by_number, ri_hash_u64(track->number), &track->number);
    ri_map_take(&log->tracks_by_id, ri_hash_u64(track->id), &track->id);
    ri_track_free(track);
}

int ri_log_track(ri_log *log, uint64_t id, const ri_track_opts *opts, ri_track **out)
{
    RI_ASSERT(id != 0);
    RI_ASSERT(ri_log_is_sound(log));
    *out = ri_map_get(&log->tracks_by_id, ri_hash_u64(id), &id);
    if (*out) return RILL_OK;
    int rc = ri_log_check(log);
    if (rc < 0) return rc;
    static const ri_track_opts none;
    ri_track *track = NULL;
    rc = ri_track_new(log, id, log->next_track, opts ? opts : &none, &track);
    if (rc < 0) return rc;
    if ((rc = ri_log_prepare(log, track, 0, 0, false)) < 0) {
        ri_track_forget(track);
        return rc;
    }
    track->born_in = track->touched_in;
    log->touched = true;
    *out = track;
    return RILL_OK;
}

uint64_t ri_log_last_track(const ri_log *log)
{
    uint64_t last = 0;
    ri_map_each (item, &log->tracks_by_id) last = RI_MAX(last, ((const ri_track *)item)->id);
    return last;
}

int ri_log_each_track(const ri_log *log, int (*fn)(void *arg, uint64_t id), void *arg)
{
    RI_ASSERT(ri_log_is_sound(log));
    int rc = 0;
    ri_map_each (item, &log->tracks_by_id)
        if (rc == 0) rc = fn(arg, ((const ri_track *)item)->id);
    return rc;
}

int ri_track_drop(ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    int rc = ri_log_check(log);
    if (rc == 0) rc = ri_partition_drop(track);
    log_removal r = {.track = track->number, .drop = true, .home = track->born_in};
    if (rc == 0) rc = ri_removals_note(log, NULL, &r);
    if (rc < 0) return rc;
    ri_track_forget(track);
    return RILL_OK;
}

uint64_t ri_track_first(const ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    if (track->nruns == 0) return track->last_seq + 1;
    return track->runs[0]->first_seq + track->runs[0]->head;
}

/* Time of the first or last live record of a run, 0 if it cannot be read: the run's own bounds
 * are those of all records that it ever had. */
static int64_t track_time(const ri_track *track, log_run *run, bool last)
{
    ri_segment_entry e;
    if (ri_run_load((ri_track *)track, run) < 0) return 0;
    uint32_t position = run->slots[last ? run->last : run->head];
    if (ri_track_peek(track->log, run->segment, position, &e) < 0) return 0;
    return e.kind == RI_SEGMENT_KIND_BATCH ? ri_track_batch_time(e.data) : e.time_ns;
}

/* It is kept, for those who must not read. */
static int64_t track_first_time(const ri_track *track)
{
    int64_t ns = track_time(track, track->runs[0], false);
    ((ri_track *)track)->timed_seq = ns ? ri_track_first(track) : 0;
    ((ri_track *)track)->timed_ns = ns;
    return ns;
}

void ri_track_counts(const ri_track *track, ri_track_info *out)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    *out = (ri_track_info){
        .first_seq = ri_track_first(track), .last_seq = track->last_seq,
        .visible_seq = track->visible_seq, .count = track->count, .bytes = track->bytes,
        .subjects = track->index ? track->index->len : 0,
    };
    const log_run *run = track->nruns ? track->runs[track->nruns - 1] : NULL;
    if (run) out->live_seq = run->first_seq + run->last;
}

void ri_track_status(const ri_track *track, ri_track_info *out)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_track_counts(track, out);
    if (track->nruns == 0) return;
    ri_cache_trim(track->log);
    out->first_time_ns = track_first_time(track);
    out->last_time_ns = track_time(track, track->runs[track->nruns - 1], true);
}

void ri_track_at_hand(const ri_track *track, ri_track_info *out)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_track_counts(track, out);
    if (track->nruns == 0) return;
    const log_run *run = track->runs[0];
    if (track->timed_seq == out->first_seq) out->first_time_ns = track->timed_ns;
    else if (run->slots && run->segment->image) out->first_time_ns = track_first_time(track);
}

bool ri_track_is_indexed(const ri_track *track)
{
    return track->index != NULL;
}

bool ri_track_counts_as_memory(const ri_track *track)
{
    return track->log->opts.counts_as_memory;
}

void ri_track_set_view(ri_track *track, const ri_track_view *view)
{
    RI_ASSERT(!view || view->read);
    track->view = view;
}

/* ---- Append ---- */

static int track_may_append(const ri_track *track)
{
    ri_log *log = track->log;
    int rc = ri_log_check(log);
    if (rc < 0) return rc;
    if (log->stuck.code)
        return ri_err(log->stuck.code, "the log's last write failed and is not yet repeated: %s",
                      log->stuck.text);
    return RILL_OK;
}

static int track_over_budget(const ri_log *log)
{
    return ri_err(RILL_EFULL, "the log keeps %" PRIu64 " of its %" PRIu64 " bytes: budget_bytes",
                  log->live_bytes, log->opts.budget_bytes);
}

/* The subject in the active segment; often it is that of the record before. */
static int track_subject(ri_track *track, ri_str subject, log_name **name)
{
    ri_log *log = track->log;
    const log_segment *s = log->active;
    if (track->memo_in == s->number) {
        *name = track->memo;
        if ((!track->index || (*name)->track == track->number) &&
            ri_str_same(ri_names_at(s, (*name)->position), subject))
            return RILL_OK;
    }
    int rc = ri_log_subject(track, subject, name);
    if (rc < 0) return rc;
    track->memo = *name;
    track->memo_in = s->number;
    return RILL_OK;
}

/* What n more slots at `seq` may add to the footer, their subjects not counted. */
static uint32_t track_slots(const ri_track *track, uint64_t seq, uint32_t n)
{
    const log_run *run = track->nruns ? track->runs[track->nruns - 1] : NULL;
    uint64_t gap = run ? seq - run->first_seq - run->span : 0; /* skipped ones, too */
    return (n + (gap <= RI_LOG_GAP_MAX ? (uint32_t)gap : 0)) * (track->index ? 8u : 4u);
}

/* Only the newest record of the track counts: it takes the place of the one before. */
static int track_place_single(ri_track *track, const log_place *p)
{
    RI_ASSERT(p->n == 1);
    log_run *run = track->nruns ? track->runs[0] : NULL;
    if (!run || run->cap == 0) {
        int rc = ri_run_place(track, p);
        if (rc < 0) return rc;
        if (track->nruns > 1) ri_run_drop(track, 0);
    } else {
        RI_ASSERT(track->nruns == 1);
        run->segment->live -= run->room;
        track->log->live_bytes -= run->room;
        track->changes++;
        run->segment = p->segment;
        run->first_seq = p->seq;
        run->span = run->live = 0;
        run->bytes = run->room = 0;
        run->stored_at = 0;
        run->mixed = false;
        ri_run_add(run, 0, p);
        if (run->cached_bytes) ri_cache_note(track->log, run);
        track->log->live_bytes += p->room;
    }
    track->count = track->bytes = 0;
    return RILL_OK;
}

static inline bool track_fits_last(const ri_track *track, uint64_t seq)
{
    const log_run *run = track->nruns ? track->runs[track->nruns - 1] : NULL;
    return run && run->segment == track->log->active && run->slots &&
           run->first_seq + run->span == seq && run->span < run->cap;
}

int ri_track_place(ri_track *track, const log_place *p)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(p->segment && p->n > 0);
    if (ri_unlikely(track->opts.single_tail)) return track_place_single(track, p);
    if (ri_unlikely(p->n != 1 || !track_fits_last(track, p->seq))) return ri_run_place(track, p);
    ri_run_push(track->runs[track->nruns - 1], p);
    track->log->live_bytes += p->room;
    return RILL_OK;
}

/* Index and count what was given room, and account for its slots in the footer. */
static int track_append(ri_track *track, const log_place *p, uint32_t foot)
{
    RI_ASSERT(p->n > 0 && p->seq > 0);
    ri_log *log = track->log;
    uint32_t runs = track->nruns;
    int rc = ri_track_place(track, p);
    if (ri_unlikely(rc < 0)) return rc;
    if (track->nruns > runs) foot += RI_SEGMENT_FOOT_RUN;
    p->segment->foot_need += foot;
    track->count += p->n;
    track->bytes += p->bytes;
    track->last_seq = p->seq + p->n - 1;
    log->stats.appended_bytes += p->room;
    log->touched = true;
    if (!ri_list_linked(&track->dirty)) ri_list_push(&log->dirty, &track->dirty);
    return RILL_OK;
}

/* Where ri_log_put() will put the next entry. */
static uint32_t track_next_position(const ri_log *log)
{
    RI_ASSERT(log->active && log->active->begin <= log->active->end);
    const log_segment *s = log->active;
    return s->end + (s->begin == s->end ? RI_SEGMENT_COMMIT : 0);
}

int ri_track_append(ri_track *track, ri_record *rec)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    return ri_track_put(track, rec, false, NULL);
}

int ri_track_append_kept(ri_track *track, ri_record *rec)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    return ri_track_put(track, rec, true, NULL);
}

int ri_track_append_lent(ri_track *track, ri_record *rec, const ri_lent *lent)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(lent->lender && lent->bytes);
    const char *data = rec->data.len ? rec->data.ptr : lent->bytes + rec->headers.len;
    bool same = (!rec->headers.len || rec->headers.ptr == lent->bytes) &&
                data == lent->bytes + rec->headers.len;
    if (!same || ri_fills_room(track->log) < 0) lent = NULL;
    return ri_track_put(track, rec, false, lent);
}

/* Make sure of the record's room; foot: bytes of its slots in the footer. */
static inline int track_prepare(ri_track *track, ri_str subject, uint32_t size, uint32_t foot,
                                bool reserve)
{
    RI_ASSERT(size % 8 == 0);
    size += ri_log_subject_size(subject.len);
    foot += RI_SEGMENT_FOOT_RUN + RI_SEGMENT_FOOT_SUM + 4 + (uint32_t)subject.len;
    if (ri_likely(ri_log_prepared(track->log, track, size, foot))) return RILL_OK;
    return ri_log_prepare(track->log, track, size, foot, reserve);
}

int ri_track_put(ri_track *track, ri_record *rec, bool reserve, const ri_lent *lent)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    int rc = track_may_append(track);
    if (ri_unlikely(rc < 0)) return rc;
    uint64_t seq = rec->seq ? rec->seq : track->last_seq + 1;
    if (ri_unlikely(seq <= track->last_seq))
        return ri_err(RILL_EINVAL, "sequence %" PRIu64 " is used: the last is %" PRIu64, seq,
                      track->last_seq);
    if (ri_unlikely(rec->data.len + rec->headers.len + rec->subject.len > INT32_MAX / 4))
        return ri_err(RILL_ETOOBIG, "a record of %zu bytes", rec->data.len);
    uint32_t size = ri_segment_record_size(rec->headers.len, rec->data.len);
    RI_ASSERT(!rec->seq || rec->seq > track->last_seq);
    uint32_t foot = track_slots(track, seq, 1);
    if (ri_unlikely(log->opts.budget_bytes && !reserve &&
                    log->live_bytes + size > log->opts.budget_bytes))
        return track_over_budget(log);
    log_name *name = NULL;
    rc = track_prepare(track, rec->subject, size, foot, reserve);
    if (rc == 0) rc = track_subject(track, rec->subject, &name);
    if (rc == 0 && track->index)
        rc = ri_subject_index_add_hinted(track->index, rec->subject, seq, &name->hint);
    if (ri_unlikely(rc < 0)) return rc;
    log_place p = {
        .seq = seq, .n = 1, .segment = log->active, .position = track_next_position(log),
        .subject = name->id1 - 1, .time_ns = rec->time_ns,
        .bytes = ri_record_bytes(rec, log->opts.counts_as_memory), .room = size,
    };
    if (ri_unlikely((rc = track_append(track, &p, foot)) < 0)) {
        if (track->index) ri_subject_index_remove(track->index, rec->subject, seq);
        return rc;
    }
    ri_segment_entry e = {
        .kind = RI_SEGMENT_KIND_RECORD, .track = track->number, .seq = seq, .subject = p.subject,
        .time_ns = rec->time_ns, .flags = rec->flags, .headers = rec->headers, .data = rec->data,
    };
    if (ri_unlikely(lent != NULL)) ri_log_put_lent(log, &e, lent);
    else ri_log_put(log, &e);
    rec->seq = seq;
    return RILL_OK;
}

int ri_track_skip_to(ri_track *track, uint64_t seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    int rc = ri_log_check(log);
    if (rc < 0 || seq <= track->last_seq + 1) return rc;
    if ((rc = ri_log_prepare(log, track, RI_SEGMENT_SKIP, 0, true)) < 0) return rc;
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_SKIP, .track = track->number, .seq = seq};
    ri_log_put(log, &e);
    track->last_seq = seq - 1;
    log->touched = true;
    if (!ri_list_linked(&track->dirty)) ri_list_push(&log->dirty, &track->dirty);
    return RILL_OK;
}

/* The greatest of its records, in ns: whoever looks for what came after a time finds each batch
 * that has some of that. */
int64_t ri_track_batch_time(ri_str batch)
{
    enum { MAX = 35 };
    uint64_t ms = 0;
    for (int i = 0; i < 8; i++) ms = ms << 8 | (uint8_t)batch.ptr[MAX + i];
    int64_t time_ms = (int64_t)ms;
    return time_ms > INT64_MAX / RI_MS || time_ms < 0 ? 0 : ri_ns_of_ms(time_ms);
}

int ri_track_put_batch(ri_track *track, ri_str batch, uint64_t *first_seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    int rc = track_may_append(track);
    if (rc < 0) return rc;
    ri_kafka_batch b;
    if ((rc = ri_kafka_batch_parse(batch, RI_LIMIT_KAFKA_BATCH_MAX, &b)) < 0) return rc;
    if (rc == 0 || (size_t)rc != batch.len || b.last_offset_delta >= (int64_t)batch.len)
        return ri_err(RILL_EPROTO, "a record batch whose lengths are wrong");
    uint64_t seq = track->last_seq + 1, n = (uint64_t)b.last_offset_delta + 1;
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_BATCH, .track = track->number, .seq = seq,
                          .last = seq + n - 1, .data = batch};
    uint32_t size = ri_segment_entry_size(&e);
    if (log->opts.budget_bytes && log->live_bytes + size > log->opts.budget_bytes)
        return track_over_budget(log);
    uint32_t foot = track_slots(track, seq, (uint32_t)n) + RI_SEGMENT_FOOT_RUN;
    if ((rc = ri_log_prepare(log, track, size, foot, false)) < 0) return rc;
    log_place p = {
        .seq = seq, .n = (uint32_t)n, .segment = log->active, .subject = RI_SEGMENT_NO_SUBJECT,
        .position = track_next_position(log),
        .bytes = batch.len / n * n, .room = size / n * n,
        .time_ns = ri_track_batch_time(batch),
    };
    if ((rc = track_append(track, &p, foot - RI_SEGMENT_FOOT_RUN)) < 0) return rc;
    ri_log_put(log, &e);
    *first_seq = seq;
    return RILL_OK;
}

/* ---- Remove ---- */

/* The entry at a position, without its data being checked or kept: through a window that makes
 * neighbours cheap. What `e` points to is good until the next call. */
int ri_track_peek(ri_log *log, log_segment *s, uint32_t position, ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->image || log->os);
    if (s->image) return ri_segment_read_entry(s->image + position, s->size - position, e);
    uint32_t need = TRACK_PEEK;
    for (;;) {
        uint32_t to = RI_MIN(log->scratch_to, s->size);
        if (log->scratch_segment == s->number && position >= log->scratch_from && position < to) {
            int rc = ri_segment_read_entry(log->scratch + (position - log->scratch_from),
                                           to - position, e);
            if (rc != RILL_EAGAIN) return rc;
            need = e->length;
            if (need > s->size - position)
                return ri_err(RILL_ECORRUPT, "%s/%08x.seg: no entry at %u", log->dir, s->slot,
                              position);
        }
        bool near = log->scratch_segment == s->number && position >= log->scratch_from &&
                    position <= (uint64_t)log->scratch_to + TRACK_WINDOW;
        uint32_t len = RI_MIN(RI_MAX(need, near ? TRACK_WINDOW : TRACK_PEEK), s->size - position);
        int rc = ri_array_reserve(&log->host, &log->scratch, &log->scratch_cap, len, 1);
        log->scratch_segment = 0;
        if (rc == 0) rc = ri_space_read(log, s, log->scratch, len, position);
        if (rc < 0) return rc;
        log->scratch_segment = s->number;
        log->scratch_from = position;
        log->scratch_to = position + len;
    }
}

/* The same, with the checksum: what is copied must be whole. */
int ri_track_peek_checked(ri_log *log, log_segment *s, uint32_t position, ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    int rc = ri_track_peek(log, s, position, e);
    if (rc < 0) return rc;
    const char *in = s->image ? s->image + position : log->scratch + (position - log->scratch_from);
    return ri_segment_get_entry(in, e->length, s->seed, e);
}

/* Some may have been taken out: what is left shares the bytes. */
uint32_t ri_track_batch_records(const ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_BATCH && e->seq <= e->last);
    enum { COUNT = 57 };
    uint32_t span = (uint32_t)(e->last - e->seq + 1), n = 0;
    if (e->data.len < RI_KAFKA_BATCH_HEADER) return span;
    for (int i = 0; i < 4; i++) n = n << 8 | (uint8_t)e->data.ptr[COUNT + i];
    return n == 0 || n > span ? span : n;
}

void ri_track_share(const ri_log *log, const ri_segment_entry *e, size_t subject_len,
                    uint64_t *bytes, uint32_t *room)
{
    RI_ASSERT(ri_log_is_sound(log));
    uint32_t size = (uint32_t)RI_ALIGN(e->length, 8);
    if (e->kind == RI_SEGMENT_KIND_BATCH) {
        uint32_t n = ri_track_batch_records(e);
        *bytes = e->data.len / n;
        *room = size / n;
        return;
    }
    /* As ri_record_bytes() says, and true of an erased one, too. */
    uint32_t headers = e->bits & RI_SEGMENT_BIT_HEADERS ? 4 : 0;
    uint64_t held = subject_len + (e->length - RI_SEGMENT_RECORD);
    *bytes = log->opts.counts_as_memory ? 16 + held - headers : 30 + held;
    *room = size;
}

/* The record in this slot dies, in memory. What cannot be read is counted by the average. */
int ri_track_kill(ri_track *track, uint32_t at, uint32_t slot)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(at < track->nruns && slot < track->runs[at]->span && track->runs[at]->live);
    ri_log *log = track->log;
    log_run *run = track->runs[at];
    uint64_t seq = run->first_seq + slot, bytes = run->bytes / run->live;
    uint32_t room = (uint32_t)(run->room / run->live);
    ri_segment_entry e;
    ri_str subject = RI_STR_NONE;
    int rc = ri_track_peek(log, run->segment, run->slots[slot], &e);
    if (rc == RILL_ENOMEM) return rc;
    uint32_t id = RI_SEGMENT_NO_SUBJECT;
    if (rc == 0 && e.kind == RI_SEGMENT_KIND_RECORD) id = e.subject;
    else if (run->indexed && ri_run_subjects(track, run) == 0) id = run->subjects[slot];
    int name_rc = ri_names_get(log, run->segment, id, &subject);
    if (name_rc == RILL_ENOMEM) return name_rc;
    if (rc == 0) ri_track_share(log, &e, subject.len, &bytes, &room);
    if (track->index && subject.len) ri_subject_index_remove(track->index, subject, seq);
    track->count--;
    track->bytes -= RI_MIN(bytes, track->bytes);
    ri_run_kill(track, at, slot, bytes, room);
    if (track->count == 0) track->bytes = 0;
    return RILL_OK;
}

/* One that is damaged may be so in its length: its bytes stay as they are, or others would go. */
static int track_erase(ri_track *track, log_segment *s, uint32_t position, uint64_t seq)
{
    ri_log *log = track->log;
    ri_segment_entry e;
    int rc = s->image ? ri_track_peek(log, s, position, &e)
                      : ri_track_peek_checked(log, s, position, &e);
    if (rc == RILL_ECORRUPT) {
        ri_scrub_met(track, s, position, seq, rc);
        return RILL_OK;
    }
    if (rc == 0 && e.kind == RI_SEGMENT_KIND_BATCH) rc = ri_cleaner_may_rewrite(track, s, position);
    if (rc < 0) return rc;
    rc = ri_array_reserve(&log->host, &log->erases, &log->cap_erases, log->nerases + 1,
                          sizeof *log->erases);
    if (rc == 0) log->erases[log->nerases++] = (log_erase){s, position, e.length, NULL};
    return rc;
}

/* A purge entry: all below `before` is dead for ever. */
static int track_write_floor(ri_track *track, uint64_t before)
{
    RI_ASSERT(before > 0);
    ri_log *log = track->log;
    int rc = ri_log_prepare(log, track, RI_SEGMENT_SKIP, 0, true);
    if (rc < 0) return rc;
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_PURGE, .track = track->number, .seq = before};
    ri_log_put(log, &e);
    track->floor = before;
    log->touched = true;
    return RILL_OK;
}

int ri_track_remove(ri_track *track, uint64_t seq, bool erase)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    int rc = ri_log_check(log);
    if (rc < 0 || (rc = ri_partition_before_removal(track, seq)) < 0) return rc;
    uint32_t slot;
    log_run *run = ri_run_find(track, seq, &slot);
    if (run && (rc = ri_run_load(track, run)) < 0) return rc;
    if (!run || run->slots[slot] == 0)
        return ri_err(RILL_ENOENT, "no record with sequence %" PRIu64, seq);
    uint32_t nerases = log->nerases, position = run->slots[slot];
    log_segment *s = run->segment;
    if (erase && (rc = track_erase(track, s, position, seq)) < 0) return rc;
    log_removal r = {.track = track->number, .first = seq, .last = seq,
                     .home = run->segment->number, .also = log->stale};
    if (track->opts.single_tail) {
        rc = track_write_floor(track, seq + 1);
    } else {
        rc = ri_removals_note(log, track, &r);
    }
    if (rc == 0) rc = ri_track_kill(track, ri_run_after(track, seq), slot);
    if (rc == 0 && log->nerases > nerases && track->opts.batches)
        rc = ri_cleaner_rewrite(track, s, position);
    if (rc < 0) log->nerases = nerases; /* the others that stand there stay */
    return rc;
}

/* A run goes as a whole; only an index must hear of each record. */
static int track_kill_run(ri_track *track, uint32_t at)
{
    RI_ASSERT(at < track->nruns);
    log_run *run = track->runs[at];
    if (track->index) {
        int rc = ri_run_subjects(track, run);
        for (uint32_t i = run->head; rc == 0 && i <= run->last; i++) {
            ri_str subject;
            if (run->slots[i] == 0) continue;
            rc = ri_names_get(track->log, run->segment, run->subjects[i], &subject);
            if (rc == 0 && subject.len)
                ri_subject_index_remove(track->index, subject, run->first_seq + i);
            if (rc == RILL_ECORRUPT) rc = RILL_OK; /* reported when it was found */
        }
        if (rc < 0) return rc;
    }
    track->count -= run->live;
    track->bytes -= RI_MIN(run->bytes, track->bytes);
    ri_run_drop(track, at);
    if (track->count == 0) track->bytes = 0;
    return RILL_OK;
}

/* All live records in [first, last] die, in memory. */
int ri_track_kill_range(ri_track *track, uint64_t first, uint64_t last)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(track->nruns <= track->cap_runs);
    for (;;) {
        uint32_t at = ri_run_after(track, first);
        if (at == track->nruns) return RILL_OK;
        log_run *run = track->runs[at];
        if (run->first_seq > last) return RILL_OK;
        int rc = RILL_OK;
        uint64_t head = run->first_seq + run->head, tail = run->first_seq + run->last;
        if (head >= first && tail <= last) {
            if ((rc = track_kill_run(track, at)) < 0) return rc;
            continue;
        }
        if ((rc = ri_run_load(track, run)) < 0) return rc;
        uint64_t next = run->first_seq + run->span;
        uint32_t left = run->live; /* a run goes with its last one, though its end lay further on */
        uint64_t stop = RI_MIN(last, tail);
        for (uint64_t seq = RI_MAX(first, head); rc == 0 && left && seq <= stop; seq++) {
            uint32_t slot = (uint32_t)(seq - run->first_seq);
            if (run->slots[slot] == 0) continue;
            left--;
            rc = ri_track_kill(track, at, slot);
        }
        if (rc < 0) return rc;
        if (next > last) return RILL_OK;
        first = next;
    }
}

int ri_track_purge(ri_track *track, uint64_t before)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    int rc = ri_log_check(track->log);
    if (rc < 0) return rc;
    before = RI_MIN(before, track->last_seq + 1);
    if (before <= track->floor || before <= 1) return RILL_OK;
    if (ri_track_first(track) >= before) return RILL_OK;
    if ((rc = ri_partition_before_removal(track, before - 1)) < 0) return rc;
    if ((rc = track_write_floor(track, before)) < 0) return rc;
    return ri_track_kill_range(track, 1, before - 1);
}
