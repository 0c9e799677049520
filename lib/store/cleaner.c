/* SPDX-License-Identifier: Apache-2.0 */
/* Space comes back in one way: what still lives in a mostly dead segment is copied forward into
 * the open commit, then the segment is wiped and used again.
 *
 *     pick --> per track of its directory: records moved, else a new declaration if this was
 *              the last --> removals that still matter copied --> emptied --> commit --> wiped
 *
 * What must survive a segment besides its live records:
 *
 *   declarations   each segment that has entries of a track declares it with its next sequence
 *                  and floor, so only a track that no later segment declares needs a new one
 *   removals       as long as a file with the dead bytes exists; a removal names its segment
 *   drops          as long as an older segment, down to the track's birth, exists
 *
 * One segment is emptied at a time. Until it is wiped both copies of a moved record exist, so a
 * removal made meanwhile names it as well (log->stale), also after a crash. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log_private.h"

enum {
    CLEANER_SLICE = 262144, /* bytes moved by one call, about */
    CLEANER_STEPS = 4096,   /* tracks and removals looked at by one call */
    CLEANER_SHARE = 4,      /* a segment is worth it below 1/4 live */
};

static uint32_t cleaner_ntracks(const log_segment *s, const log_foot *foot)
{
    return s->touched ? s->ntouched : foot->ntracks;
}

static uint32_t cleaner_track_number(const log_segment *s, const log_foot *foot, uint32_t i)
{
    if (s->touched) return s->touched[i];
    return ri_segment_u32(foot->tracks + (size_t)i * RI_SEGMENT_FOOT_TRACK);
}

/* Copy the entry; its new position, or a code. */
static int64_t cleaner_copy(ri_track *track, log_segment *s, ri_segment_entry *e, uint32_t slots)
{
    ri_log *log = track->log;
    ri_str subject = RI_STR_NONE;
    uint32_t need = (uint32_t)RI_ALIGN(e->length, 8);
    int rc = RILL_OK;
    if (e->kind == RI_SEGMENT_KIND_RECORD) rc = ri_names_get(log, s, e->subject, &subject);
    if (rc < 0) return rc;
    uint32_t foot = (slots + RI_LOG_GAP_MAX) * 8 + 2 * RI_SEGMENT_FOOT_RUN +
                    RI_SEGMENT_FOOT_SUM + 4 + (uint32_t)subject.len;
    need += ri_log_subject_size(subject.len);
    if ((rc = ri_log_prepare(log, track, need, foot, true)) < 0) return rc;
    if (e->kind == RI_SEGMENT_KIND_RECORD) {
        log_name *name;
        if ((rc = ri_log_subject(log, subject, &name)) < 0) return rc;
        e->subject = name->id1 - 1;
    }
    log->active->foot_need += foot - 4 - (uint32_t)subject.len;
    uint32_t position = ri_log_put(log, e);
    log->stats.copied_bytes += RI_ALIGN(e->length, 8);
    log->touched = true;
    return position;
}

/* Those of a copied batch that are dead must be dead in the copy, too. */
static int cleaner_batch_dead(ri_track *track, const ri_segment_entry *e)
{
    for (uint64_t seq = e->seq; seq <= e->last; seq++) {
        uint32_t slot;
        log_run *run = ri_run_find(track, seq, &slot);
        int rc = run ? ri_run_load(track, run) : 0;
        if (rc < 0) return rc;
        if (run && run->slots[slot]) continue;
        log_removal r = {.track = track->number, .first = seq, .last = seq,
                         .home = track->log->active->number};
        rc = ri_log_prepare(track->log, track, RI_SEGMENT_REMOVE, RI_SEGMENT_FOOT_REMOVE, true);
        if (rc == 0) rc = ri_log_removal(track->log, &r);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

/* Each live record of the entry gets its new place. */
static int cleaner_place(ri_track *track, const log_segment *s, const ri_segment_entry *e,
                         log_place *p)
{
    for (p->seq = e->seq; p->seq <= e->last; p->seq++) {
        uint32_t slot;
        log_run *run = ri_run_find(track, p->seq, &slot);
        int rc = run ? ri_run_load(track, run) : RILL_OK;
        if (rc < 0) return rc;
        if (!run || !run->slots[slot] || run->segment != s) continue;
        rc = ri_run_move(track, ri_run_after(track, p->seq), slot, p);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

/* Write the entry, or what is to take its place, anew; its size, or a code. */
static int64_t cleaner_write(ri_track *track, log_segment *s, ri_segment_entry *e,
                             const ri_segment_entry *old)
{
    ri_log *log = track->log;
    ri_str subject = RI_STR_NONE;
    bool batch = e->kind == RI_SEGMENT_KIND_BATCH;
    int rc = batch ? 0 : ri_names_get(log, s, e->subject, &subject);
    if (rc < 0) return rc;
    uint64_t bytes;
    uint32_t room, n = (uint32_t)(e->last - e->seq + 1);
    log_place p = {.n = 1, .time_ns = batch ? ri_track_batch_time(e->data) : e->time_ns};
    ri_track_share(old, subject.len, &p.was_bytes, &p.was_room);
    ri_track_share(e, subject.len, &bytes, &room);
    int64_t position = cleaner_copy(track, s, e, n);
    if (position < 0) return position;
    p.segment = log->active;
    p.position = (uint32_t)position;
    p.bytes = bytes;
    p.room = room;
    p.subject = batch ? RI_SEGMENT_NO_SUBJECT : e->subject;
    if (n > 1 && (rc = cleaner_batch_dead(track, e)) < 0) return rc;
    rc = cleaner_place(track, s, e, &p);
    return rc < 0 ? rc : (int64_t)RI_ALIGN(e->length, 8);
}

/* Move the first live entry of the run at `at`, a batch without what is dead in it; bytes copied,
 * or a code. */
static int64_t cleaner_move(ri_track *track, uint32_t at)
{
    ri_log *log = track->log;
    log_run *run = track->runs[at];
    log_segment *s = run->segment;
    int rc = ri_run_load(track, run);
    if (rc < 0) return rc;
    uint64_t seq = run->first_seq + run->head;
    ri_segment_entry e, fresh;
    if ((rc = ri_track_peek_checked(log, s, run->slots[run->head], &e)) < 0) return rc;
    if (e.track != track->number || seq < e.seq || seq > e.last)
        return ri_err(RILL_ECORRUPT, "another entry stands where sequence %" PRIu64 " of track %"
                      PRIu64 " should", seq, track->id);
    fresh = e;
    if (e.kind != RI_SEGMENT_KIND_BATCH || !track->opts.batches)
        return cleaner_write(track, s, &fresh, &e);
    ri_buffer out;
    ri_buffer_init(&out, &log->host);
    ri_rewrite_batch(track, &e, seq, &out, &fresh);
    int64_t moved = cleaner_write(track, s, &fresh, &e);
    ri_buffer_fini(&out);
    return moved;
}

/* First run of the track in the segment, or nruns. */
static uint32_t cleaner_run(const ri_track *track, const log_segment *s)
{
    for (uint32_t at = 0; at < track->nruns; at++)
        if (track->runs[at]->segment == s) return at;
    return track->nruns;
}

/* Take the track out of the segment, as far as the budget goes. */
static int cleaner_track(ri_log *log, log_segment *s, ri_track *track, int64_t *budget)
{
    uint32_t at;
    while ((at = cleaner_run(track, s)) < track->nruns && *budget > 0) {
        int64_t moved = cleaner_move(track, at);
        if (moved < 0) return (int)moved;
        *budget -= moved;
    }
    if (at < track->nruns) return RILL_OK;
    if (track->touched_in > s->number) return RILL_OK;
    log->touched = true;
    return ri_log_prepare(log, track, 0, 0, true);
}

static bool cleaner_needed(const ri_log *log, const log_segment *s, const log_removal *r)
{
    if (!log->os) return false;
    if (r->drop) {
        for (uint32_t i = 0; i < log->nsegments && log->segments[i]->number < s->number; i++)
            if (log->segments[i]->number >= r->home) return true;
        return false;
    }
    const ri_track *track = ri_track_by_number(log, r->track);
    if (!track || r->last < track->floor) return false;
    if (r->home != s->number && ri_log_segment_at(log, r->home)) return true;
    return r->also && r->also != s->number && ri_log_segment_at(log, r->also);
}

static int cleaner_removal(ri_log *log, log_segment *s, const log_foot *foot, uint32_t i)
{
    log_removal r;
    if (s->removals) r = s->removals[i];
    else ri_footer_removal(foot, i, &r);
    if (!cleaner_needed(log, s, &r)) return RILL_OK;
    ri_track *track = r.drop ? NULL : ri_track_by_number(log, r.track);
    int rc = ri_log_prepare(log, track, RI_SEGMENT_REMOVE, RI_SEGMENT_FOOT_REMOVE, true);
    if (rc == 0) rc = ri_log_removal(log, &r);
    return rc < 0 ? rc : ri_log_flush(log);
}

static bool cleaner_may(const ri_log *log, const log_segment *s)
{
    if (s == log->active || !s->sealed || s->damaged || s->leftover || s->emptied_at) return false;
    return !log->os || s->stored;
}

/* The segment that is worth it most; NULL if none is. */
static log_segment *cleaner_pick(ri_log *log)
{
    if (log->stale) {
        log_segment *s = ri_log_segment_at(log, log->stale);
        if (s && cleaner_may(log, s)) return s;
        if (s && !s->damaged) return NULL;
    }
    log_segment *best = NULL;
    uint32_t share = log->pressed ? log->segment_bytes / 4 * 3 : log->segment_bytes / CLEANER_SHARE;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        if (!cleaner_may(log, s) || (s->live >= share && !s->undated)) continue;
        if (!best || s->live < best->live) best = s;
    }
    return best;
}

static int cleaner_directory(ri_log *log, log_segment *s, log_foot *foot)
{
    *foot = (log_foot){0};
    if (!s->stored) return RILL_OK;
    int rc = ri_footer_load(log, s);
    return rc < 0 ? rc : ri_footer_view(s, foot);
}

static int cleaner_slice(ri_log *log, log_segment *s)
{
    log_foot foot;
    int rc = cleaner_directory(log, s, &foot);
    int64_t budget = CLEANER_SLICE;
    uint32_t steps = CLEANER_STEPS, ntracks = cleaner_ntracks(s, &foot);
    while (rc == 0 && log->clean_track < ntracks && budget > 0 && steps-- > 0) {
        uint32_t number = cleaner_track_number(s, &foot, log->clean_track);
        ri_track *track = ri_track_by_number(log, number);
        if (track) rc = cleaner_track(log, s, track, &budget);
        if (rc == 0 && budget > 0) log->clean_track++;
    }
    if (rc < 0 || log->clean_track < ntracks) return rc;
    uint32_t nremovals = s->removals ? s->nremovals : foot.nremovals;
    for (; log->clean_removal < nremovals && steps-- > 0; log->clean_removal++)
        if ((rc = cleaner_removal(log, s, &foot, log->clean_removal)) < 0) return rc;
    if (log->clean_removal < nremovals) return RILL_OK;
    s->emptied_at = log->next_commit;
    log->cleaning = NULL;
    log->touched = true;
    return RILL_OK;
}

int ri_log_clean(ri_log *log)
{
    if (ri_log_check(log) < 0 || log->stuck) return 0;
    if (!log->cleaning) {
        log->cleaning = cleaner_pick(log);
        if (!log->cleaning) return 0;
        log->stale = log->cleaning->number;
        log->clean_track = log->clean_removal = 0;
    }
    log_segment *s = log->cleaning;
    int rc = cleaner_slice(log, s);
    if (rc == RILL_ECORRUPT) {
        ri_log_damage_at(log, s, &(ri_damage){0}, "kept as it is: %s", ri_err_text());
        s->damaged = true;
        log->cleaning = NULL;
        return 1;
    }
    if (rc < 0) return rc == RILL_EFULL ? 0 : rc;
    return 1;
}
