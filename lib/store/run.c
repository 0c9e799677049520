/* SPDX-License-Identifier: Apache-2.0 */
/* A track's index: its live records as *runs*, each a stretch of sequences within one segment.
 *
 *     track->runs   [100 .. 4711 in segment 7] [4712 .. 9000 in 8] [9001 .. in 9, the active]
 *
 *     run, first_seq 4712:   slot   0     1     2     3   ...
 *                            pos   64   232     0   568        position in the file; 0: dead
 *                                   ^head                ^last live one
 *
 * Runs are ordered and do not overlap. A record that the cleaner moves leaves its slot in one
 * run and gets one in another, so a run may be split where moved records stand between others.
 * Slots of a sealed segment are in its footer and loaded when first needed; once one of them
 * has died they stay, because the footer does not know. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log_private.h"

enum { RUN_FIRST = 4 }; /* slots of a new run */

void ri_run_free(ri_log *log, log_run *run)
{
    uint32_t cap = run->cap;
    ri_free(&log->host, run->slots, cap * sizeof *run->slots);
    ri_free(&log->host, run->subjects, cap * sizeof *run->subjects);
    ri_delete(&log->host, run);
}

int ri_run_load(ri_track *track, log_run *run)
{
    if (ri_likely(run->slots)) return RILL_OK;
    ri_log *log = track->log;
    uint32_t bytes = run->span * (uint32_t)sizeof *run->slots;
    RI_ASSERT(run->stored_at && run->span);
    uint32_t *slots = ri_alloc(&log->host, bytes);
    uint32_t *subjects = run->indexed ? ri_alloc(&log->host, bytes) : NULL;
    int rc = slots && (subjects || !run->indexed) ? RILL_OK : RILL_ENOMEM;
    if (rc == 0) rc = ri_space_read(log, run->segment, slots, bytes, run->stored_at);
    if (rc == 0 && subjects)
        rc = ri_space_read(log, run->segment, subjects, bytes, run->stored_at + bytes);
    if (rc < 0) {
        ri_free(&log->host, slots, bytes);
        ri_free(&log->host, subjects, bytes);
        return rc;
    }
    uint32_t crc = ri_crc32c(run->segment->seed, slots, bytes);
    if (subjects) crc = ri_crc32c(crc, subjects, bytes);
    for (uint32_t i = 0; i < run->span; i++) {
        slots[i] = ri_segment_u32((char *)&slots[i]);
        if (subjects) subjects[i] = ri_segment_u32((char *)&subjects[i]);
    }
    run->slots = slots;
    run->subjects = subjects;
    run->cap = run->span;
    return crc == run->crc ? RILL_OK : ri_recover_run(log, track, run);
}

uint32_t ri_run_after(const ri_track *track, uint64_t seq)
{
    uint32_t low = 0, high = track->nruns;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const log_run *run = track->runs[mid];
        if (run->first_seq + run->span <= seq) low = mid + 1;
        else high = mid;
    }
    return low;
}

log_run *ri_run_find(const ri_track *track, uint64_t seq, uint32_t *slot)
{
    uint32_t at = ri_run_after(track, seq);
    if (at == track->nruns || track->runs[at]->first_seq > seq) return NULL;
    *slot = (uint32_t)(seq - track->runs[at]->first_seq);
    return track->runs[at];
}

static int run_grow(ri_log *log, log_run *run, uint32_t need)
{
    if (need <= run->cap) return RILL_OK;
    uint32_t cap = RI_MAX(run->cap ? run->cap + run->cap / 2 : RUN_FIRST, need);
    size_t was = run->cap * sizeof *run->slots, now = cap * sizeof *run->slots;
    if (run->indexed) {
        /* Both grow or neither: `cap` is the size of the two. */
        uint32_t *subjects = ri_alloc(&log->host, now);
        if (!subjects) return RILL_ENOMEM;
        uint32_t *slots = ri_realloc(&log->host, run->slots, was, now);
        if (!slots) {
            ri_free(&log->host, subjects, now);
            return RILL_ENOMEM;
        }
        if (was) memcpy(subjects, run->subjects, was);
        ri_free(&log->host, run->subjects, was);
        run->subjects = subjects;
        run->slots = slots;
    } else {
        uint32_t *slots = ri_realloc(&log->host, run->slots, was, now);
        if (!slots) return RILL_ENOMEM;
        run->slots = slots;
    }
    run->cap = cap;
    return RILL_OK;
}

static int run_insert_at(ri_track *track, uint32_t at, log_run *run)
{
    ri_log *log = track->log;
    int rc = ri_log_array(&log->host, &track->runs, &track->cap_runs, track->nruns + 1,
                          sizeof(log_run *));
    if (rc < 0) return rc;
    memmove(track->runs + at + 1, track->runs + at, (track->nruns - at) * sizeof(log_run *));
    track->runs[at] = run;
    track->nruns++;
    return RILL_OK;
}

int ri_run_insert(ri_track *track, log_run *run)
{
    return run_insert_at(track, ri_run_after(track, run->first_seq), run);
}

void ri_run_drop(ri_track *track, uint32_t at)
{
    log_run *run = track->runs[at];
    run->segment->live -= run->room;
    track->log->live_bytes -= run->room;
    ri_run_free(track->log, run);
    memmove(track->runs + at, track->runs + at + 1,
            (track->nruns - at - 1) * sizeof(log_run *));
    track->nruns--;
}

static log_run *run_new(ri_track *track, const log_place *p)
{
    log_run *run = ri_new(&track->log->host, log_run);
    if (!run) return NULL;
    run->segment = p->segment;
    run->first_seq = p->seq;
    run->indexed = track->index != NULL;
    if (run_grow(track->log, run, p->n) < 0) {
        ri_free(&track->log->host, run, sizeof *run);
        return NULL;
    }
    return run;
}

void ri_run_add(log_run *run, uint32_t slot, const log_place *p)
{
    RI_ASSERT(slot + p->n <= run->cap);
    for (; run->span < slot; run->span++) {
        run->slots[run->span] = 0;
        if (run->indexed) run->subjects[run->span] = 0;
    }
    for (uint32_t i = slot; i < slot + p->n; i++) {
        run->slots[i] = p->position;
        if (run->indexed) run->subjects[i] = p->subject;
    }
    if (run->span < slot + p->n) run->span = slot + p->n;
    if (run->live == 0) {
        run->head = slot;
        run->last = slot + p->n - 1;
        run->min_time_ns = run->max_time_ns = p->time_ns;
    }
    if (slot < run->head) run->head = slot;
    if (slot + p->n - 1 > run->last) run->last = slot + p->n - 1;
    else if (p->n == 1 && slot != run->last) run->mixed = true;
    if (p->time_ns < run->max_time_ns) run->mixed = true;
    run->min_time_ns = RI_MIN(run->min_time_ns, p->time_ns);
    run->max_time_ns = RI_MAX(run->max_time_ns, p->time_ns);
    run->live += p->n;
    run->bytes += p->bytes;
    run->room += p->room;
    run->dirty = true;
    p->segment->live += p->room;
}

/* Bytes and room of the run's live slots, by reading them. */
static void run_measure(ri_track *track, log_run *run)
{
    run->bytes = run->room = 0;
    for (uint32_t i = 0; i < run->span; i++) {
        ri_segment_entry e;
        ri_str subject;
        uint64_t bytes;
        uint32_t room;
        if (run->slots[i] == 0) continue;
        if (ri_track_peek(track->log, run->segment, run->slots[i], &e) < 0) continue;
        if (ri_names_get(track->log, run->segment,
                         e.kind == RI_SEGMENT_KIND_RECORD ? e.subject : RI_SEGMENT_NO_SUBJECT,
                         &subject) < 0)
            continue;
        ri_track_share(&e, subject.len, &bytes, &room);
        run->bytes += bytes;
        run->room += room;
    }
}

/* Cut the run at `slot`: what follows becomes a run of its own. */
static int run_split(ri_track *track, uint32_t at, uint32_t slot)
{
    log_run *run = track->runs[at];
    RI_ASSERT(slot > 0 && slot < run->span);
    log_place p = {.seq = run->first_seq + slot, .n = run->span - slot, .segment = run->segment};
    log_run *right = run_new(track, &p);
    if (!right) return RILL_ENOMEM;
    memcpy(right->slots, run->slots + slot, p.n * sizeof *right->slots);
    if (run->indexed) memcpy(right->subjects, run->subjects + slot, p.n * sizeof *right->slots);
    uint32_t live = 0;
    for (uint32_t i = 0; i < p.n; i++) {
        if (!right->slots[i]) continue;
        if (live++ == 0) right->head = i;
        right->last = i;
    }
    right->span = p.n;
    right->live = live;
    right->dirty = true;
    right->mixed = run->mixed;
    right->min_time_ns = run->min_time_ns;
    right->max_time_ns = run->max_time_ns;
    if (live == 0) {
        ri_run_free(track->log, right);
    } else {
        int rc = run_insert_at(track, at + 1, right);
        if (rc < 0) {
            ri_run_free(track->log, right);
            return rc;
        }
        run_measure(track, right);
        run->segment->foot_need += RI_SEGMENT_FOOT_RUN;
        right->bytes = RI_MIN(right->bytes, run->bytes);
        right->room = RI_MIN(right->room, run->room);
        run->bytes -= right->bytes;
        run->room -= right->room;
        run->live -= live;
    }
    run->span = slot;
    run->dirty = true;
    while (run->live && run->slots[run->last = RI_MIN(run->last, slot - 1)] == 0) slot = run->last;
    if (run->live == 0) ri_run_drop(track, at);
    return RILL_OK;
}

/* Give up the slots before the first live one. */
static void run_trim(log_run *run)
{
    uint32_t cut = run->head;
    if (cut == 0) return;
    memmove(run->slots, run->slots + cut, (run->span - cut) * sizeof *run->slots);
    if (run->indexed)
        memmove(run->subjects, run->subjects + cut, (run->span - cut) * sizeof *run->slots);
    run->first_seq += cut;
    run->span -= cut;
    run->last -= cut;
    run->head = 0;
}

/* The runs at and behind `at` must leave [seq, seq + n) free; nothing in there is live. */
static int run_clear(ri_track *track, uint32_t at, const log_place *p)
{
    while (at < track->nruns) {
        log_run *run = track->runs[at];
        if (run->first_seq >= p->seq + p->n) return RILL_OK;
        int rc = ri_run_load(track, run);
        if (rc < 0) return rc;
        uint64_t head = run->first_seq + run->head;
        if (head >= p->seq && head < p->seq + p->n) /* a footer said that nothing lives there */
            return ri_err(RILL_ECORRUPT, "record %" PRIu64 " of track %" PRIu64 " is there twice",
                          head, track->id);
        if (head >= p->seq) { /* only dead slots are in the way */
            run_trim(run);
            run->dirty = true;
            return RILL_OK;
        }
        if (run->first_seq + run->last < p->seq) { /* dead ones at its end */
            run->span = run->last + 1;
            run->dirty = true;
            at++;
            continue;
        }
        if ((rc = run_split(track, at, (uint32_t)(p->seq - run->first_seq))) < 0) return rc;
    }
    return RILL_OK;
}

int ri_run_place(ri_track *track, const log_place *p)
{
    uint32_t at = ri_run_after(track, p->seq);
    log_run *run = at < track->nruns ? track->runs[at] : NULL;
    int rc;
    if (run && run->first_seq <= p->seq && run->segment == p->segment && run->slots &&
        p->seq + p->n <= run->first_seq + run->span) { /* a hole of a run in this segment */
        ri_run_add(run, (uint32_t)(p->seq - run->first_seq), p);
        track->log->live_bytes += p->room;
        return RILL_OK;
    }
    if ((rc = run_clear(track, at, p)) < 0) return rc;
    at = ri_run_after(track, p->seq);
    log_run *before = at ? track->runs[at - 1] : NULL;
    if (before && before->segment == p->segment && before->slots &&
        p->seq - (before->first_seq + before->span) <= RI_LOG_GAP_MAX) {
        uint32_t slot = (uint32_t)(p->seq - before->first_seq);
        if ((rc = run_grow(track->log, before, slot + p->n)) < 0) return rc;
        ri_run_add(before, slot, p);
    } else {
        if (!(run = run_new(track, p))) return RILL_ENOMEM;
        if ((rc = run_insert_at(track, at, run)) < 0) {
            ri_run_free(track->log, run);
            return rc;
        }
        ri_run_add(run, 0, p);
    }
    track->log->live_bytes += p->room;
    return RILL_OK;
}

void ri_run_kill(ri_track *track, uint32_t at, uint32_t slot, uint64_t bytes, uint32_t room)
{
    log_run *run = track->runs[at];
    RI_ASSERT(run->slots && run->slots[slot] && run->live);
    if (run->live == 1) {
        ri_run_drop(track, at);
        return;
    }
    bytes = RI_MIN(bytes, run->bytes);
    uint64_t gone = RI_MIN((uint64_t)room, run->room);
    run->slots[slot] = 0;
    run->live--;
    run->bytes -= bytes;
    run->room -= gone;
    run->segment->live -= gone;
    track->log->live_bytes -= gone;
    run->dirty = true;
    /* A damaged footer may have counted more live ones than there are. */
    while (run->head < run->last && run->slots[run->head] == 0) run->head++;
    while (run->last > run->head && run->slots[run->last] == 0) run->last--;
}

int ri_run_move(ri_track *track, uint32_t at, uint32_t slot, const log_place *p)
{
    log_run *run = track->runs[at], *fresh = NULL;
    RI_ASSERT(run->slots && run->slots[slot] && run->first_seq + slot == p->seq && p->n == 1);
    int rc;
    if (slot != run->head) { /* it must be the first of its run */
        if ((rc = run_split(track, at, slot)) < 0) return rc;
        at = ri_run_after(track, p->seq);
        run = track->runs[at];
        slot = (uint32_t)(p->seq - run->first_seq);
    }
    log_run *before = at ? track->runs[at - 1] : NULL;
    bool extend = before && before->segment == p->segment && before->slots &&
                  p->seq - (before->first_seq + before->span) <= RI_LOG_GAP_MAX;
    if (extend) {
        rc = run_grow(track->log, before, (uint32_t)(p->seq - before->first_seq) + 1);
        if (rc < 0) return rc;
    } else {
        if (!(fresh = run_new(track, p))) return RILL_ENOMEM;
        if ((rc = run_insert_at(track, at, fresh)) < 0) {
            ri_run_free(track->log, fresh);
            return rc;
        }
        before = fresh;
        at++;
    }
    /* Nothing fails from here on. */
    bool last = run->live == 1;
    ri_run_kill(track, at, slot, p->bytes, (uint32_t)p->room);
    if (!last) run_trim(run);
    ri_run_add(before, (uint32_t)(p->seq - before->first_seq), p);
    track->log->live_bytes += p->room;
    return RILL_OK;
}
