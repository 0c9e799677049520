/* SPDX-License-Identifier: Apache-2.0 */
/* The open commit and its way to the disk.
 *
 *   active image  |head|commit|entries|commit|entries|commit| entries ...  |   free   | reserve |
 *                                     ^ written      ^ begin               ^ end
 *
 * Entries go straight to the place in the active segment's image where they will stand in the
 * file. ri_log_commit_begin() fills in the header at `begin`; the job writes what lies between
 * `written` and `end`; a new commit opens behind it. Where the segment ends, the commit goes on
 * in the next one: its parts but the last say MORE, and recovery takes all of them or none.
 *
 * The last sixteenth of a segment, of a small one up to a quarter, is kept for removals and for the
 * cleaner when no next segment is at hand, so that a full disk can be emptied. */
#include "store/log/log.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log/log_private.h"

enum { LOG_FOOT_SUBJECT = 4, LOG_RESERVE = 262144 };

/* What only removals and the cleaner may use. */
static uint32_t log_reserve(uint32_t segment_bytes)
{
    RI_ASSERT(segment_bytes >= RI_LOG_SEGMENT_MIN);
    return RI_MAX(segment_bytes / 16, RI_MIN((uint32_t)LOG_RESERVE, segment_bytes / 4));
}

int ri_log_check(ri_log *log)
{
    if (ri_likely(!log->fenced.code && !log->read_only)) return RILL_OK;
    if (log->read_only)
        return ri_err(RILL_EIO, "the log %s is on a read-only file system", log->dir);
    return ri_err(log->fenced.code, "the log %s takes no changes until it is opened again: %s",
                  log->dir, log->fenced.text);
}

log_segment *ri_log_segment_at(const ri_log *log, uint64_t number)
{
    uint32_t low = 0, high = log->nsegments;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (log->segments[mid]->number < number) low = mid + 1;
        else high = mid;
    }
    return low < log->nsegments && log->segments[low]->number == number ? log->segments[low] : NULL;
}

int ri_log_add_segment(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    int rc = ri_array_reserve(&log->host, &log->segments, &log->cap_segments, log->nsegments + 1,
                              sizeof *log->segments);
    if (rc < 0) return rc;
    RI_ASSERT(log->nsegments == 0 || log->segments[log->nsegments - 1]->number < s->number);
    log->segments[log->nsegments++] = s;
    return RILL_OK;
}

/* Close the part of the open commit that stands in the active segment. */
static void log_close_part(ri_log *log, uint32_t flags)
{
    RI_ASSERT(log->active->begin < log->active->end);
    log_segment *s = log->active;
    ri_segment_commit c = {
        .flags = flags, .segment = s->number, .number = log->next_commit,
        .durable = log->durable, .position = s->begin,
        .bytes = s->end - s->begin - RI_SEGMENT_COMMIT, .entries = log->entries,
        .epoch = log->epoch, .body = log->body, .prev = log->chain,
    };
    ri_segment_put_commit(s->image + s->begin, s->seed, &c);
    log->chain = s->chain = c.check;
    s->last_commit = log->next_commit++;
    s->begin = s->end;
    log->parts = flags & RI_SEGMENT_MORE ? log->parts + 1 : 0;
    log->entries = 0;
    log->body = 0;
    log->marked = c.entries == 0;
    log->stats.commits++;
}

/* Begin a segment with the reserved file, or memory, `s`. */
static int log_start_segment(ri_log *log, log_segment *s)
{
    RI_ASSERT(s->number == 0);
    s->number = log->next_segment;
    int rc = ri_log_add_segment(log, s);
    if (rc < 0) return rc;
    log->next_segment++;
    s->seed = ri_segment_seed(log->id, s->number);
    s->version = RI_SEGMENT_VERSION;
    s->prev = s->head_prev = log->newest;
    log->newest = s->number;
    ri_segment_put_head(s->image, &(ri_segment_head){
        .epoch = log->epoch, .log_id = log->id, .number = s->number, .prev = s->prev,
        .size = s->size, .first_commit = log->next_commit, .chain = log->chain});
    s->first_commit = log->next_commit;
    s->begin = s->end = RI_SEGMENT_HEAD;
    s->written = 0;
    s->foot_need = RI_SEGMENT_FOOT_HEAD + RI_SEGMENT_TAIL + 16;
    log->active = s;
    ri_names_clear(log);
    return RILL_OK;
}

static int log_roll(ri_log *log, uint32_t least)
{
    int rc = ri_array_reserve(&log->host, &log->segments, &log->cap_segments, log->nsegments + 1,
                              sizeof *log->segments);
    log_segment *next = NULL;
    if (rc < 0 || (rc = ri_space_take(log, least, &next)) < 0) return rc;
    log_segment *s = log->active;
    if (s) {
        ri_removals_flush(log);
        if (s->end > s->begin) log_close_part(log, RI_SEGMENT_MORE);
        s->sealed = true;
    }
    return log_start_segment(log, next);
}

/* Bytes that entries may still take in the active segment, their footer counted. */
static uint64_t log_room_left(const ri_log *log, bool reserve)
{
    const log_segment *s = log->active;
    if (!s || s->sealed) return 0;
    RI_ASSERT(s->begin <= s->end && s->end <= s->size);
    uint64_t taken = s->end + (s->begin == s->end ? RI_SEGMENT_COMMIT : 0);
    if (log->os) taken += s->foot_need + ri_removals_room(log);
    /* An empty part may have to end the commit, a mark follow it, and one end the log. */
    if (log->os) taken += 3 * RI_SEGMENT_COMMIT;
    if (log->os && !reserve && !log->nspares) taken += log_reserve(s->size);
    return taken < s->size ? s->size - taken : 0;
}

static int log_too_big(const ri_log *log, uint64_t need)
{
    return ri_err(RILL_ETOOBIG, "an entry of %" PRIu64 " bytes does not fit into segments of %u",
                  need, log->segment_bytes);
}

static int log_room(ri_log *log, uint64_t need, uint64_t foot, bool reserve)
{
    if (ri_likely(log_room_left(log, reserve) >= need + (log->os ? foot : 0))) return RILL_OK;
    uint64_t fixed = RI_SEGMENT_HEAD + 4 * RI_SEGMENT_COMMIT + RI_SEGMENT_FOOT_HEAD +
                     RI_SEGMENT_TAIL + 16;
    if (log->os && need + foot + fixed > log->segment_bytes - log_reserve(log->segment_bytes))
        return log_too_big(log, need);
    if (need > INT32_MAX / 2) return log_too_big(log, need);
    log->reserve = reserve;
    uint64_t least = need + RI_SEGMENT_HEAD + RI_SEGMENT_COMMIT;
    if (log->os) least = (need + foot + fixed) / 3 * 4 + 4; /* the reserve may be a quarter */
    int rc = log_roll(log, (uint32_t)least);
    log->pressed = rc == RILL_EFULL;
    if (rc == RILL_EFULL && reserve && log_room_left(log, true) >= need + foot) return RILL_OK;
    return rc;
}

static inline void log_count_entry(ri_log *log, uint32_t size, uint32_t crc)
{
    RI_ASSERT(size % 8 == 0 && size > 0);
    log_segment *s = log->active;
    RI_ASSERT(size <= s->size - s->end);
    s->end += size;
    log->body = ri_segment_chain(log->body, crc);
    log->entries++;
    ri_log_need(log, log->ease);
}

uint32_t ri_log_put(ri_log *log, ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(log->active && !log->active->sealed);
    log_segment *s = log->active;
    if (s->begin == s->end) s->end += RI_SEGMENT_COMMIT;
    uint32_t position = s->end;
    uint32_t size = ri_segment_put_entry(s->image + position, s->seed, e);
    log_count_entry(log, size, e->crc);
    return position;
}

void ri_log_put_lent(ri_log *log, ri_segment_entry *e, const ri_lent *lent)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(log->active && !log->active->sealed && lent->lender);
    log_segment *s = log->active;
    if (s->begin == s->end) s->end += RI_SEGMENT_COMMIT;
    log_fill fill = {.segment = s, .position = s->end, .bytes = lent->bytes,
                     .len = (uint32_t)(e->headers.len + e->data.len), .lender = lent->lender};
    uint32_t size = ri_segment_put_lent(s->image + s->end, s->seed, e, lent->sum, lent->power,
                                        &fill.at);
    log_count_entry(log, size, e->crc);
    ri_fills_add(log, &fill);
}

static int log_touch(ri_log *log, ri_track *track)
{
    RI_ASSERT(log->active && !log->active->sealed);
    log_segment *s = log->active;
    int rc = ri_array_reserve(&log->host, &s->touched, &s->cap_touched, s->ntouched + 1,
                              sizeof *s->touched);
    if (rc < 0) return rc;
    s->touched[s->ntouched++] = track->number;
    track->touched_in = s->number;
    s->foot_need += RI_SEGMENT_FOOT_TRACK + RI_SEGMENT_FOOT_RUN;
    ri_segment_entry e = {
        .kind = RI_SEGMENT_KIND_TRACK, .track = track->number, .seq = track->last_seq + 1,
        .last = track->floor, .id = track->id,
        .flags = ri_track_bits(track),
    };
    ri_log_put(log, &e);
    return RILL_OK;
}

int ri_log_prepare(ri_log *log, ri_track *track, uint32_t need, uint32_t foot, bool reserve)
{
    RI_ASSERT(ri_log_is_sound(log));
    int rc;
    /* The declaration may be needed in this segment or, after a roll, in the next. */
    uint32_t declare = RI_SEGMENT_TRACK, touch = RI_SEGMENT_FOOT_TRACK + RI_SEGMENT_FOOT_RUN;
    if ((rc = log_room(log, (uint64_t)need + declare, (uint64_t)foot + touch, reserve)) < 0)
        return rc;
    if (track && track->touched_in != log->active->number) return log_touch(log, track);
    return RILL_OK;
}

/* The track's sum of it will be in the footer. */
static void log_count_sum(log_segment *s, const ri_track *track, log_name *name)
{
    if (!track->index || name->track == track->number) return;
    name->track = track->number;
    name->hint = (ri_subject_hint){0};
    s->foot_need += RI_SEGMENT_FOOT_SUM;
}

RI_COLD static int log_define(ri_log *log, ri_str subject, uint32_t hash, log_name **name)
{
    RI_ASSERT(log->active && !log->active->sealed);
    log_segment *s = log->active;
    int rc = ri_names_room(log);
    if (rc == 0)
        rc = ri_array_reserve(&log->host, &s->subjects, &s->cap_subjects, s->nsubjects + 1,
                              sizeof *s->subjects);
    if (rc < 0) return rc;
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_SUBJECT, .subject = s->nsubjects,
                          .data = subject};
    uint32_t position = ri_log_put(log, &e);
    s->subjects[s->nsubjects] = position;
    *name = ri_names_add(log, hash, s->nsubjects++, position);
    s->foot_need += LOG_FOOT_SUBJECT + (uint32_t)subject.len;
    log->touched = true;
    return RILL_OK;
}

int ri_log_subject(ri_track *track, ri_str subject, log_name **name)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    uint32_t hash = (uint32_t)ri_hash(subject);
    *name = ri_names_find(log, subject, hash);
    int rc = ri_likely(*name != NULL) ? RILL_OK : log_define(log, subject, hash, name);
    if (rc == 0) log_count_sum(log->active, track, *name);
    return rc;
}

/* ---- Commit ---- */

uint64_t ri_log_id(const ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    return log->id;
}

void ri_log_set_budget(ri_log *log, uint64_t bytes)
{
    RI_ASSERT(ri_log_is_sound(log));
    log->opts.budget_bytes = bytes;
}

bool ri_log_dirty(const ri_log *log)
{
    return log->touched || log->stuck.code || (log->nerases && !log->held);
}

uint64_t ri_log_open_bytes(const ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    const log_segment *s = log->active;
    uint64_t parts = (uint64_t)log->parts * log->segment_bytes;
    return s ? parts + (s->end - s->begin) : parts;
}

bool ri_log_is_read_only(const ri_log *log)
{
    return log->read_only;
}

bool ri_log_lags(const ri_log *log)
{
    return log->os && log->active && log->active->written < log->active->begin;
}

void ri_log_need(ri_log *log, ri_safety safety)
{
    RI_ASSERT(safety >= RI_SAFETY_SYNCED && safety <= RI_SAFETY_MEMORY);
    log->want = RI_MIN(log->want, safety);
}

void ri_log_ease(ri_log *log, ri_safety safety)
{
    RI_ASSERT(safety >= RI_SAFETY_SYNCED && safety <= RI_SAFETY_MEMORY);
    log->ease = safety;
}

ri_safety ri_log_safety(const ri_log *log)
{
    return log->opts.safety;
}

static int log_add_write(ri_log *log, log_job *job, log_segment *s, uint32_t from, uint32_t to)
{
    int rc = ri_array_reserve(&log->host, &job->writes, &job->cap_writes, job->nwrites + 1,
                              sizeof *job->writes);
    if (rc < 0 || (rc = ri_space_fd(log, s)) < 0) return rc;
    bool claims = log->claim == s && from == log->claim_at;
    s->pins++;
    job->writes[job->nwrites++] = (log_write){s, from, to, claims, s->sealed};
    return RILL_OK;
}

static int log_add_seal(ri_log *log, log_job *job, log_segment *s)
{
    RI_ASSERT(s->sealed && !s->stored);
    int rc = ri_array_reserve(&log->host, &job->seals, &job->cap_seals, job->nseals + 1,
                              sizeof *job->seals);
    if (rc < 0 || (rc = ri_space_fd(log, s)) < 0 || (rc = ri_footer_make(log, s)) < 0) return rc;
    s->pins++;
    job->seals[job->nseals++] = s;
    return RILL_OK;
}

/* Sealed, and something of it is to be written or synced. */
static bool log_is_full(const log_segment *s)
{
    return s->sealed && !s->stored && s->image && !s->settled;
}

/* The pieces that are not yet with the system, oldest first. */
static int log_collect_writes(ri_log *log, log_job *job)
{
    uint32_t from = log->nsegments;
    while (from > 0) {
        const log_segment *s = log->segments[from - 1];
        if (!s->leftover && s->written >= s->begin && !log_is_full(s)) break;
        from--;
    }
    for (uint32_t i = from; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        int rc = RILL_OK;
        if (s->leftover) continue;
        uint32_t at = s->written;
        if (log->claim == s && at < log->claim_at) {
            rc = log_add_write(log, job, s, at, log->claim_at);
            at = log->claim_at;
        }
        /* Of a segment that is full even nothing is "written": the sync must not be missed. */
        bool full = log_is_full(s);
        if (rc == 0 && (at < s->begin || full)) rc = log_add_write(log, job, s, at, s->begin);
        /* A footer says that another segment follows. */
        if (rc == 0 && s->sealed && !s->stored && !s->damaged && s->image && s != log->active)
            rc = log_add_seal(log, job, s);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static int log_collect_erases(ri_log *log, log_job *job)
{
    uint32_t n = log->held ? 0 : log->nerases;
    int rc = ri_array_reserve(&log->host, &job->erases, &job->cap_erases, n, sizeof *job->erases);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < n; i++) {
        log_erase *e = &log->erases[i];
        char *bytes = ri_alloc(&log->host, e->length);
        if (!bytes) return RILL_ENOMEM;
        rc = ri_space_read(log, e->segment, bytes, e->length, e->position);
        if (rc == 0) rc = log->os ? ri_space_fd(log, e->segment) : 0;
        if (rc < 0) {
            ri_free(&log->host, bytes, e->length);
            return rc;
        }
        ri_segment_erase_entry(bytes);
        e->segment->pins++;
        job->erases[job->nerases] = *e;
        job->erases[job->nerases++].bytes = bytes;
    }
    return RILL_OK;
}

static int log_collect_wipes(ri_log *log, log_job *job)
{
    job->room_spares = log->nspares < RI_LOG_SPARES_MAX ? RI_LOG_SPARES_MAX - log->nspares : 0;
    for (int leftover = 1; leftover >= 0; leftover--) {
        for (uint32_t i = 0; i < log->nsegments; i++) {
            log_segment *s = log->segments[i];
            if (s->leftover != (leftover == 1) || (!s->leftover && !s->emptied_at)) continue;
            if (log->held && !s->leftover) continue;
            int rc = ri_array_reserve(&log->host, &job->wipes, &job->cap_wipes, job->nwipes + 1,
                                      sizeof *job->wipes);
            if (rc < 0 || (log->os && (rc = ri_space_fd(log, s)) < 0)) return rc;
            s->pins++;
            job->wipes[job->nwipes++] = s;
        }
    }
    return RILL_OK;
}

static void log_drop_writes(log_job *job)
{
    for (uint32_t i = 0; i < job->nwrites; i++) job->writes[i].segment->pins--;
    job->nwrites = 0;
}

/* Forget what was collected; the log's own state has not changed. */
static void log_job_clear(ri_log *log, log_job *job)
{
    log_drop_writes(job);
    for (uint32_t i = 0; i < job->nseals; i++) job->seals[i]->pins--;
    for (uint32_t i = 0; i < job->nerases; i++) {
        ri_free(&log->host, job->erases[i].bytes, job->erases[i].length);
        job->erases[i].segment->pins--;
    }
    for (uint32_t i = 0; i < job->nwipes; i++) job->wipes[i]->pins--;
    job->nerases = job->nseals = job->nwipes = 0;
}

static void log_begin_tracks(ri_log *log)
{
    ri_list_each(it, &log->dirty) {
        ri_track *track = ri_container_of(it, ri_track, dirty);
        track->begun_seq = track->last_seq;
    }
    ri_list_splice(&log->begun, &log->dirty);
}

/* Level memory: nothing to write before a buffer is full. */
static bool log_may_wait(const ri_log *log)
{
    const log_segment *s = log->active;
    return log->want == RI_SAFETY_MEMORY && s && s->begin - s->written < RI_LOG_BUFFER &&
           !log->job.nwipes && !log->job.nerases && !log->job.nseals && log->job.nwrites <= 1;
}

/* An empty commit that claims all before it durable; written after the sync that makes it so. */
static void log_put_mark(ri_log *log, log_job *job)
{
    RI_ASSERT(!job->mark || job->mark == log->active);
    log_segment *s = log->active;
    uint64_t durable = log->durable;
    job->mark = s;
    job->mark_at = s->end;
    s->end += RI_SEGMENT_COMMIT;
    log->durable = log->next_commit - 1;
    log_close_part(log, 0);
    log->durable = durable;
}

static int log_begin_disk(ri_log *log, log_job *job)
{
    RI_ASSERT(log->os && !job->busy);
    int rc = log_collect_writes(log, job);
    if (rc == 0 && !log->claim) rc = log_collect_erases(log, job);
    if (rc == 0) rc = log_collect_wipes(log, job);
    if (rc < 0) {
        log_job_clear(log, job);
        return rc;
    }
    if (job->nerases && log->active && !log->active->sealed) log_put_mark(log, job);
    job->safety = log->want;
    job->sync = job->safety == RI_SAFETY_SYNCED || job->nwipes || job->nseals || job->nerases;
    if (log_may_wait(log)) log_drop_writes(job);
    else if (ri_space_job_wants(log)) job->spare = log->growing;
    return RILL_OK;
}

static int log_begin_memory(ri_log *log, log_job *job)
{
    RI_ASSERT(!log->os && !job->busy);
    int rc = log_collect_erases(log, job);
    if (rc == 0) rc = log_collect_wipes(log, job);
    if (rc < 0) log_job_clear(log, job);
    return rc;
}

int ri_log_commit_begin(ri_log *log, ri_commit *job)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(log->npending <= RI_LOG_PENDING);
    *job = (ri_commit){.log = log};
    int rc = ri_log_check(log);
    if (rc < 0) return rc;
    if (log->job.busy) return ri_err(RILL_EBUSY, "a commit of this log is under way");
    if (log->os) ri_space_keep(log);
    ri_cache_trim_all(log);
    ri_removals_flush(log);
    if (log->active && (log->entries || log->parts)) {
        log_segment *s = log->active;
        if (s->begin == s->end) s->end += RI_SEGMENT_COMMIT;
        log_close_part(log, 0);
    }
    log->job.mark = NULL;
    rc = log->os ? log_begin_disk(log, &log->job) : log_begin_memory(log, &log->job);
    if (rc < 0) return rc;
    log->job.busy = true;
    log->job.through = log->next_commit - 1;
    log->job.note = (ri_segment_note){log->id, log->active ? log->active->number : 0,
                                      log->job.through};
    log->job.active = log->active && log->active->fd >= 0 ? log->active : NULL;
    if (log->job.active) log->job.active->pins++;
    if (log->job.nerases) log->nerases = 0;
    log->want = RI_SAFETY_MEMORY;
    log->touched = false;
    log_fills taken = log->fills;
    log->fills = log->job.fills;
    log->job.fills = taken;
    log_begin_tracks(log);
    job->work = &log->job;
    return RILL_OK;
}

bool ri_log_found_begin(ri_log *log, ri_commit *job)
{
    RI_ASSERT(ri_log_is_sound(log));
    log_segment *s = log->active;
    *job = (ri_commit){.log = log};
    if (!log->os || log->job.busy || !s || s->fd < 0 || !ri_log_is_unfounded(s)) return false;
    if (log->nsegments > 1 || s->written || log->claim || log->fenced.code) return false;
    RI_ASSERT(!log->read_only && !log->job.spare && !log->job.nwrites);
    log->job.busy = log->job.founds = true;
    log->job.sync = false;
    log->job.safety = RI_SAFETY_MEMORY;
    log->job.mark = NULL;
    log->job.through = log->next_commit - 1;
    log->job.active = s;
    s->pins++;
    job->work = &log->job;
    return true;
}

int ri_log_commit_io(ri_commit *job)
{
    ri_log *log = job->log;
    job->rc = RILL_OK;
    if (!job->work) return RILL_OK;
    ri_fills_copy(&log->job.fills, NULL);
    if (log->os) job->rc = ri_space_job_io(log, job->work);
    return ri_failure_keep(&log->job.failure, job->rc);
}

int ri_log_commit_io_some(ri_commit *job, ri_budget *budget)
{
    RI_ASSERT(!job->log->os);
    job->rc = RILL_OK;
    return job->work && ri_fills_copy(&job->log->job.fills, budget);
}

/* The footer is in the file: what it says need not be kept. */
static void log_seal_done(ri_log *log, log_segment *s)
{
    RI_ASSERT(s->sealed && !s->stored);
    s->stored = true;
    ri_space_drop_image(log, s);
    ri_free(&log->host, s->tail, s->tail_bytes);
    s->tail = NULL;
    for (uint32_t i = 0; i < s->ntouched; i++) {
        ri_track *track = ri_track_touched(log, s, i);
        for (uint32_t at = track ? track->nruns : 0; at-- > 0;)
            if (track->runs[at]->segment == s) ri_cache_sealed(log, track->runs[at]);
    }
    ri_free(&log->host, s->touched, s->cap_touched * sizeof *s->touched);
    ri_free(&log->host, s->removals, s->cap_removals * sizeof *s->removals);
    ri_free(&log->host, s->subjects, s->cap_subjects * sizeof *s->subjects);
    s->touched = NULL;
    s->removals = NULL;
    s->subjects = NULL;
    s->ntouched = s->cap_touched = s->nremovals = s->cap_removals = 0;
    s->nsubjects = s->cap_subjects = 0;
}

static void log_end_segments(ri_log *log, log_job *job, int rc)
{
    if (job->active) job->active->pins--;
    for (uint32_t i = 0; i < job->nwrites; i++) {
        log_segment *s = job->writes[i].segment;
        s->pins--;
        if (rc < 0) continue;
        s->written = job->writes[i].to;
        s->uncopied = false;
        s->settled = job->writes[i].sync_after && (s->damaged || s == log->active);
    }
    if (job->mark && rc == 0) job->mark->written = job->mark_at + RI_SEGMENT_COMMIT;
    if (rc == 0) {
        log->claim = NULL;
    } else if (job->mark) {
        log->claim = job->mark;
        log->claim_at = job->mark_at;
    }
    for (uint32_t i = 0; i < job->nseals; i++) {
        log_segment *s = job->seals[i];
        s->pins--;
        if (rc < 0) continue;
        log_seal_done(log, s);
    }
    for (uint32_t i = 0; i < job->nerases; i++) {
        log_erase *e = &job->erases[i];
        log_segment *s = e->segment;
        s->pins--;
        /* Not before: the job may have had to write the record's commit, which a crash may leave
         * without the one that says that it is dead. */
        if (rc == 0 && s->image) memcpy(s->image + e->position, e->bytes, e->length);
        ri_free(&log->host, e->bytes, e->length);
        /* Try it again: the array has room, as these came out of it. */
        if (rc < 0 && log->nerases < log->cap_erases) log->erases[log->nerases++] = *e;
    }
    job->nwrites = job->nerases = job->nseals = 0;
}

static void log_end_failed(ri_log *log, log_job *job)
{
    ri_list_splice(&log->dirty, &log->begun);
    log->touched = true;
    ri_log_need(log, job->safety);
    *(job->sync_failed ? &log->fenced : &log->stuck) = job->failure;
}

static void log_end_good(ri_log *log, log_job *job)
{
    RI_ASSERT(job->through < log->next_commit);
    log->stuck.code = 0;
    if (job->sync) log->durable = job->through;
    ri_list_each(it, &log->begun) {
        ri_track *track = ri_container_of(it, ri_track, dirty);
        track->visible_seq = track->begun_seq;
        ri_list_remove(it);
        if (track->last_seq > track->begun_seq) ri_list_push(&log->dirty, it);
    }
}

int ri_log_commit_end(ri_log *log, ri_commit *commit)
{
    log_job *job = commit->work;
    if (!job) return commit->rc;
    RI_ASSERT(job == &log->job && job->busy);
    int rc = commit->rc;
    log_end_segments(log, job, rc);
    ri_fills_end(&job->fills);
    log->stats.syncs += job->syncs;
    log->stats.written_bytes += job->written_bytes;
    if (!log->os && rc == 0)
        for (uint32_t i = 0; i < job->nwipes; i++) job->wipes[i]->wiped = true;
    ri_space_job_end(log, job);
    if (rc < 0) log_end_failed(log, job);
    else log_end_good(log, job);
    job->syncs = job->written_bytes = 0;
    job->sync_failed = false;
    job->busy = job->founds = false;
    commit->work = NULL;
    return rc < 0 ? ri_failure_restore(&job->failure) : RILL_OK;
}

int ri_log_commit(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    ri_commit job;
    int rc = ri_log_commit_begin(log, &job);
    if (rc < 0) return rc;
    ri_log_commit_io(&job);
    return ri_log_commit_end(log, &job);
}

void ri_log_status(const ri_log *log, ri_log_stats *out)
{
    *out = log->stats;
    out->segments = log->nsegments;
    out->spares = log->nspares;
    out->live_bytes = log->live_bytes;
    out->memory_bytes = log->image_bytes;
    out->cached_bytes = log->cached_bytes + log->names_bytes;
    out->map_bytes = log->map_bytes;
    for (uint32_t i = 0; i < log->nsegments; i++) out->used_bytes += log->segments[i]->size;
}

/* ---- Open and close ---- */

static int log_new_id(ri_log *log)
{
    log->host.entropy(log->host.arg, &log->id, sizeof log->id);
    log->next_segment = 1;
    log->next_commit = 1;
    log->next_track = 1;
    return RILL_OK;
}

static bool log_same_id(const void *item, const void *key)
{
    return ((const ri_track *)item)->id == *(const uint64_t *)key;
}

static bool log_same_number(const void *item, const void *key)
{
    return ((const ri_track *)item)->number == *(const uint32_t *)key;
}

static int log_init(ri_log *log, const ri_log_opts *opts)
{
    log->opts = *opts;
    log->os = opts->os;
    log->lock_fd = -1;
    for (size_t i = 0; i < RI_LEN(log->kept_fds); i++) log->kept_fds[i] = -1;
    log->want = RI_SAFETY_MEMORY;
    log->ease = opts->safety;
    log->read_only = opts->read_only;
    log->marked = true;
    ri_map_init(&log->tracks_by_id, &log->host, log_same_id);
    ri_map_init(&log->tracks_by_number, &log->host, log_same_number);
    ri_list_init(&log->dirty);
    ri_list_init(&log->begun);
    ri_list_init(&log->cached);
    log->cache_most = opts->cache_bytes ? opts->cache_bytes : RI_LOG_CACHE;
    ri_list_init(&log->compactors);
    uint64_t size = opts->segment_bytes;
    if (!size) size = opts->os ? RI_LOG_SEGMENT_DEFAULT : RI_LOG_SEGMENT_MEMORY;
    if (!opts->os && opts->budget_bytes) size = RI_MIN(size, opts->budget_bytes / 16);
    size = RI_ALIGN(RI_MAX(size, RI_LOG_SEGMENT_MIN), 4096);
    if (size > INT32_MAX) return ri_err(RILL_EINVAL, "segment_bytes is above 2 GiB");
    log->segment_bytes = log->fit_bytes = (uint32_t)size;
    log_new_id(log);
    if (!opts->os) return RILL_OK;
    if (!opts->dir || !*opts->dir) return ri_err(RILL_EINVAL, "a log on disk needs a directory");
    log->dir = ri_strdup(&log->host, opts->dir, strlen(opts->dir));
    return log->dir ? RILL_OK : RILL_ENOMEM;
}

static void log_free(ri_log *log)
{
    ri_host host = log->host;
    ri_log_take_lent(log);
    ri_fills_free(log);
    ri_map_each(track, &log->tracks_by_number) ri_track_free(track);
    ri_map_fini(&log->tracks_by_id);
    ri_map_fini(&log->tracks_by_number);
    for (uint32_t i = 0; i < log->nsegments; i++) ri_space_free_segment(log, log->segments[i]);
    for (uint32_t i = 0; i < log->nspares; i++) ri_space_free_segment(log, log->spares[i]);
    if (log->os) ri_space_close(log);
    ri_free(&host, log->image_spare, log->segment_bytes);
    ri_free(&host, log->segments, log->cap_segments * sizeof *log->segments);
    ri_free(&host, log->spares, log->cap_spares * sizeof *log->spares);
    ri_names_free(log);
    ri_free(&host, log->erases, log->cap_erases * sizeof *log->erases);
    ri_free(&host, log->given_up, log->cap_given_up * sizeof *log->given_up);
    ri_damage_free(log);
    ri_free(&host, log->scratch, log->scratch_cap);
    ri_free(&host, log->side, log->side_cap);
    ri_free(&host, log->job.writes, log->job.cap_writes * sizeof *log->job.writes);
    ri_free(&host, log->job.erases, log->job.cap_erases * sizeof *log->job.erases);
    ri_free(&host, log->job.seals, log->job.cap_seals * sizeof *log->job.seals);
    ri_free(&host, log->job.wipes, log->job.cap_wipes * sizeof *log->job.wipes);
    if (log->dir) ri_free(&host, log->dir, strlen(log->dir) + 1);
    ri_delete(&host, log);
}

static int log_open(ri_log *log, const ri_log_opts *opts)
{
    int rc = log_init(log, opts);
    if (rc < 0 || !log->os || (rc = ri_space_open(log)) < 0) return rc;
    ri_note_read(log);
    return ri_recover_all(log);
}

int ri_log_open(ri_log **out, const ri_log_opts *opts)
{
    *out = NULL;
    uint64_t *given_up = NULL; /* numbers of segments that are not to be read */
    uint32_t ngiven_up = 0, cap = 0;
    bool suspect = false;
    int rc;
    ri_log *log;
    do {
        log = ri_new(opts->host, ri_log);
        if (!log) break;
        log->host = *opts->host;
        log->opening = true;
        log->given_up = given_up;
        log->suspect = suspect;
        log->ngiven_up = ngiven_up;
        log->cap_given_up = cap;
        rc = log_open(log, opts);
        if (rc != RILL_EAGAIN) ri_damage_opened(log, rc);
        if (rc == RILL_OK) {
            *out = log;
            return RILL_OK;
        }
        given_up = log->given_up;
        suspect = log->suspect;
        ngiven_up = log->ngiven_up;
        cap = log->cap_given_up;
        log->given_up = NULL;
        log->cap_given_up = 0;
        log_free(log);
    } while (rc == RILL_EAGAIN);
    ri_free(opts->host, given_up, cap * sizeof *given_up);
    return log ? rc : RILL_ENOMEM;
}

/* Say on disk that all is durable: damage to the last commit then differs from a torn one. */
static void log_mark(ri_log *log)
{
    RI_ASSERT(!log->read_only);
    log_segment *s = log->active;
    if (!s || log->marked || log->stuck.code || log->fenced.code) return;
    if (s->sealed || s->size - s->end < RI_SEGMENT_COMMIT + s->foot_need) return;
    s->end += RI_SEGMENT_COMMIT;
    log_close_part(log, 0);
    ri_log_need(log, log->opts.safety);
    ri_log_commit(log);
}

void ri_log_close(ri_log *log)
{
    if (!log) return;
    if (log->os && !log->read_only && !log->fenced.code) {
        ri_map_each(track, &log->tracks_by_number) ri_partition_close(track);
        if (!log->marked || log->touched) {
            log->touched = true;
            ri_log_need(log, RI_SAFETY_SYNCED);
            if (ri_log_commit(log) == 0) log_mark(log);
        }
        if (log->active && log->durable >= log->active->first_commit &&
            log->durable > log->note.commit) {
            ri_segment_note note = {log->id, log->active->number, log->durable};
            ri_note_write(log, &note, true);
        }
    }
    log_free(log);
}
