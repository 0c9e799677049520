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
 * Slots of a sealed segment are in its footer, loaded when needed and let go again (cache.c); once
 * one of them has died they stay, because the footer does not know. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { RUN_FIRST = 4 }; /* slots of a new run */

void ri_run_free(ri_log *log, log_run *run)
{
    RI_ASSERT(log->cached_bytes >= run->cached_bytes);
    size_t bytes = run->cap * sizeof *run->slots;
    ri_list_remove(&run->cached);
    log->cached_bytes -= run->cached_bytes;
    ri_free(&log->host, run->slots, bytes);
    ri_free(&log->host, run->subjects, run->subjects ? bytes : 0);
    ri_free(&log->host, run->sets, run->sets_bytes);
    ri_delete(&log->host, run);
}

/* Read what is stored of the run: slots, and behind them, if indexed, as many subject ids. */
static int run_read(ri_log *log, const log_run *run, uint32_t *slots, uint32_t *subjects)
{
    RI_ASSERT(run->stored_at > 0);
    uint32_t bytes = run->span * (uint32_t)sizeof *slots;
    int rc = ri_space_read(log, run->segment, slots, bytes, run->stored_at);
    if (rc < 0) return rc;
    uint32_t crc = ri_crc32c(run->segment->seed, slots, bytes);
    if (run->indexed) {
        rc = ri_space_read(log, run->segment, subjects, bytes, run->stored_at + bytes);
        if (rc < 0) return rc;
        crc = ri_crc32c(crc, subjects, bytes);
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (uint32_t i = 0; i < run->span; i++) {
        slots[i] = ri_segment_u32((char *)&slots[i]);
        if (run->indexed) subjects[i] = ri_segment_u32((char *)&subjects[i]);
    }
#endif
    return crc == run->crc ? RILL_OK : RILL_ECORRUPT;
}

/* As many as the footer says are not dead, and those at both ends. */
static bool run_counts(const log_run *run, const uint32_t *slots)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < run->span; i++) live += slots[i] != 0;
    return live == run->live && slots[run->head] && slots[run->last];
}

/* Subject ids have to be read as the checksum is of both, but are not kept: whole records, which
 * have their own, are what most readers want. */
int ri_run_load(ri_track *track, log_run *run)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(run->slots || run->stored_at);
    run->used = true;
    if (ri_likely(run->slots)) return RILL_OK;
    ri_log *log = track->log;
    uint32_t bytes = run->span * (uint32_t)sizeof *run->slots;
    RI_ASSERT(run->stored_at && run->span);
    int rc = run->indexed ? ri_array_reserve(&log->host, &log->side, &log->side_cap, bytes, 1) : 0;
    uint32_t *slots = rc < 0 ? NULL : ri_alloc(&log->host, bytes);
    if (!slots) return RILL_ENOMEM;
    rc = run_read(log, run, slots, (uint32_t *)(void *)log->side);
    if (rc == 0 && !run_counts(run, slots)) rc = RILL_ECORRUPT;
    if (rc < 0) {
        ri_free(&log->host, slots, bytes);
        return rc == RILL_ECORRUPT ? ri_reread_run(track, run) : rc;
    }
    run->slots = slots;
    run->cap = run->span;
    ri_cache_note(log, run);
    return RILL_OK;
}

int ri_run_subjects(ri_track *track, log_run *run)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    int rc = ri_run_load(track, run);
    if (rc < 0 || !run->indexed || run->subjects) return rc;
    ri_log *log = track->log;
    /* Slots may have died since: they are read once more, for the checksum alone. */
    uint32_t bytes = run->span * (uint32_t)sizeof *run->slots, cap = run->cap;
    uint32_t *subjects = ri_alloc(&log->host, cap * sizeof *subjects);
    if (!subjects) return RILL_ENOMEM;
    rc = ri_array_reserve(&log->host, &log->side, &log->side_cap, bytes, 1);
    if (rc == 0) rc = run_read(log, run, (uint32_t *)(void *)log->side, subjects);
    if (rc < 0) {
        ri_free(&log->host, subjects, cap * sizeof *subjects);
        return rc == RILL_ECORRUPT ? ri_reread_run(track, run) : rc;
    }
    run->subjects = subjects;
    ri_cache_note(log, run);
    return RILL_OK;
}

int ri_run_sets(ri_track *track, log_run *run, uint32_t nsubjects)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    run->used = true;
    if (run->sets || !run->indexed || !run->stored_at || !run->segment->stored) return RILL_OK;
    bool before = run->asked;
    run->asked = true;
    if (!before) return RILL_OK; /* to make them takes longer than to look through the ids once */
    ri_log *log = track->log;
    int rc = ri_run_subjects(track, run);
    if (rc < 0 || !run->stored_at) return rc;
    for (uint32_t i = 0; i < run->span; i++)
        if (run->subjects[i] >= nsubjects) return RILL_OK; /* damaged: they are looked at singly */
    ri_buffer out;
    ri_buffer_init(&out, &log->host);
    rc = ri_sets_write(&log->host, run->subjects, run->span, nsubjects, &out);
    ri_str bytes = ri_buffer_str(&out);
    char *sets = rc < 0 ? NULL : ri_alloc(&log->host, bytes.len);
    if (sets) memcpy(sets, bytes.ptr, bytes.len);
    ri_buffer_fini(&out);
    if (!sets) return RILL_ENOMEM;
    run->sets = sets;
    run->sets_bytes = (uint32_t)bytes.len;
    /* The ids say the same and are four times as long. */
    ri_free(&log->host, run->subjects, run->cap * sizeof *run->subjects);
    run->subjects = NULL;
    ri_cache_note(log, run);
    return RILL_OK;
}

uint32_t ri_run_after(const ri_track *track, uint64_t seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
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
    RI_ASSERT(ri_log_track_is_sound(track));
    uint32_t at = ri_run_after(track, seq);
    if (at == track->nruns || track->runs[at]->first_seq > seq) return NULL;
    *slot = (uint32_t)(seq - track->runs[at]->first_seq);
    return track->runs[at];
}

/* The first number >= seq that is dead, or alive, in the run at `at`; behind it if none is. */
static int run_seek(ri_track *track, uint32_t at, bool alive, uint64_t *seq, uint64_t *visited)
{
    RI_ASSERT(at < track->nruns && *seq >= track->runs[at]->first_seq);
    log_run *run = track->runs[at];
    uint64_t end = run->first_seq + run->span;
    if (run->live == run->span) { /* nothing of it is dead */
        if (!alive) *seq = end;
        return RILL_OK;
    }
    int rc = ri_run_load(track, run);
    if (rc < 0) return rc;
    uint64_t from = *seq;
    while (*seq < end && (run->slots[*seq - run->first_seq] != 0) != alive) ++*seq;
    *visited += *seq - from;
    return RILL_OK;
}

int ri_track_gap(ri_track *track, uint64_t *first, uint64_t last, uint64_t *end, uint64_t *visited)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    uint64_t seq = *first;
    uint32_t at = ri_run_after(track, seq);
    int rc = RILL_OK;
    for (; at < track->nruns && track->runs[at]->first_seq <= seq; at++) {
        if ((rc = run_seek(track, at, false, &seq, visited)) < 0) return rc;
        if (seq < track->runs[at]->first_seq + track->runs[at]->span) break;
    }
    if (seq > last) return 0;
    *first = seq;
    for (*end = last; at < track->nruns && track->runs[at]->first_seq <= last; at++) {
        uint64_t next = RI_MAX(seq, track->runs[at]->first_seq);
        if ((rc = run_seek(track, at, true, &next, visited)) < 0) return rc;
        if (next >= track->runs[at]->first_seq + track->runs[at]->span) continue;
        *end = RI_MIN(last, next - 1);
        break;
    }
    return 1;
}

static int run_grow(ri_log *log, log_run *run, uint32_t need)
{
    RI_ASSERT(run->slots || run->cap == 0);
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
    RI_ASSERT(at <= track->nruns && run->segment);
    ri_log *log = track->log;
    int rc = ri_array_reserve(&log->host, &track->runs, &track->cap_runs, track->nruns + 1,
                              sizeof(log_run *));
    if (rc < 0) return rc;
    memmove(track->runs + at + 1, track->runs + at, (track->nruns - at) * sizeof(log_run *));
    track->runs[at] = run;
    track->nruns++;
    track->changes++;
    return RILL_OK;
}

int ri_run_insert(ri_track *track, log_run *run)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    return run_insert_at(track, ri_run_after(track, run->first_seq), run);
}

void ri_run_drop(ri_track *track, uint32_t at)
{
    RI_ASSERT(at < track->nruns);
    log_run *run = track->runs[at];
    track->changes++;
    run->segment->live -= run->room;
    track->log->live_bytes -= run->room;
    ri_run_free(track->log, run);
    memmove(track->runs + at, track->runs + at + 1,
            (track->nruns - at - 1) * sizeof(log_run *));
    track->nruns--;
}

static log_run *run_new(ri_track *track, const log_place *p)
{
    RI_ASSERT(p->n > 0 && p->segment);
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
        ri_track_share(track->log, &e, subject.len, &bytes, &room);
        run->bytes += bytes;
        run->room += room;
    }
}

/* Its slots and ids are about to be no longer those of the footer: it is all here from now on. */
static int run_detach(ri_track *track, log_run *run)
{
    RI_ASSERT(run->segment && run->span > 0);
    int rc = ri_run_subjects(track, run);
    if (rc < 0) return rc;
    track->changes++;
    ri_free(&track->log->host, run->sets, run->sets_bytes);
    run->sets = NULL;
    run->sets_bytes = run->stored_at = 0;
    run->dirty = true;
    ri_cache_note(track->log, run);
    return RILL_OK;
}

/* Cut the run at `slot`: what follows becomes a run of its own. */
static int run_split(ri_track *track, uint32_t at, uint32_t slot)
{
    RI_ASSERT(at < track->nruns);
    log_run *run = track->runs[at];
    RI_ASSERT(slot > 0 && slot < run->span);
    int rc = run_detach(track, run);
    if (rc < 0) return rc;
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
        rc = run_insert_at(track, at + 1, right);
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
    while (run->live && run->slots[run->last = RI_MIN(run->last, slot - 1)] == 0) slot = run->last;
    if (run->live == 0) ri_run_drop(track, at);
    return RILL_OK;
}

/* Give up the slots before the first live one. */
static void run_trim(log_run *run)
{
    RI_ASSERT(run->slots && run->head < run->span);
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
    RI_ASSERT(p->n > 0);
    while (at < track->nruns) {
        log_run *run = track->runs[at];
        if (run->first_seq >= p->seq + p->n) return RILL_OK;
        int rc = run_detach(track, run);
        if (rc < 0) return rc;
        uint64_t head = run->first_seq + run->head;
        if (head >= p->seq && head < p->seq + p->n) /* a footer said that nothing lives there */
            return ri_err(RILL_ECORRUPT, "record %" PRIu64 " is there twice", head);
        if (head >= p->seq) { /* only dead slots are in the way */
            run_trim(run);
            return RILL_OK;
        }
        if (run->first_seq + run->last < p->seq) { /* dead ones at its end */
            run->span = run->last + 1;
            at++;
            continue;
        }
        if ((rc = run_split(track, at, (uint32_t)(p->seq - run->first_seq))) < 0) return rc;
    }
    return RILL_OK;
}

int ri_run_place(ri_track *track, const log_place *p)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(p->n > 0 && p->segment);
    uint32_t at = ri_run_after(track, p->seq);
    log_run *run = at < track->nruns ? track->runs[at] : NULL;
    int rc;
    if (run && run->first_seq <= p->seq && run->segment == p->segment && run->slots &&
        p->seq + p->n <= run->first_seq + run->span) { /* a hole of a run in this segment */
        if (run->stored_at && (rc = run_detach(track, run)) < 0) return rc;
        ri_run_add(run, (uint32_t)(p->seq - run->first_seq), p);
        track->log->live_bytes += p->room;
        return RILL_OK;
    }
    if ((rc = run_clear(track, at, p)) < 0) return rc;
    at = ri_run_after(track, p->seq);
    log_run *before = at ? track->runs[at - 1] : NULL;
    if (before && before->segment == p->segment && before->slots && !before->stored_at &&
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

void ri_run_tighten(ri_track *track, log_run *run)
{
    RI_ASSERT(run->slots && (run->subjects || !run->indexed));
    run_trim(run);
    run->span = run->last + 1;
    track->changes++;
}

void ri_run_trim(ri_track *track, uint64_t seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    uint32_t at = ri_run_after(track, seq);
    if (at == track->nruns) return;
    log_run *run = track->runs[at];
    /* What stands in the footer, or is not loaded, is left as it is. */
    if (run->slots && !run->stored_at) run_trim(run);
}

void ri_run_kill(ri_track *track, uint32_t at, uint32_t slot, uint64_t bytes, uint32_t room)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(at < track->nruns && slot < track->runs[at]->span);
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
    track->changes++;
    if (run->cached_bytes) ri_cache_note(track->log, run);
    /* A damaged footer may have counted more live ones than there are. */
    while (run->head < run->last && run->slots[run->head] == 0) run->head++;
    while (run->last > run->head && run->slots[run->last] == 0) run->last--;
}

int ri_run_move(ri_track *track, uint32_t at, uint32_t slot, const log_place *p)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(at < track->nruns && p->segment);
    log_run *run = track->runs[at], *fresh = NULL;
    RI_ASSERT(run->slots && run->slots[slot] && run->first_seq + slot == p->seq && p->n == 1);
    int rc = run_detach(track, run);
    if (rc < 0) return rc;
    if (slot != run->head) { /* it must be the first of its run */
        if ((rc = run_split(track, at, slot)) < 0) return rc;
        at = ri_run_after(track, p->seq);
        run = track->runs[at];
        slot = (uint32_t)(p->seq - run->first_seq);
    }
    log_run *before = at ? track->runs[at - 1] : NULL;
    bool extend = before && before->segment == p->segment && before->slots && !before->stored_at &&
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
    uint32_t slots = fresh ? 1 : (uint32_t)(p->seq - (before->first_seq + before->span)) + 1;
    p->segment->foot_need += slots * (track->index ? 8 : 4) + (fresh ? RI_SEGMENT_FOOT_RUN : 0);
    ri_run_kill(track, at, slot, p->was_bytes, p->was_room);
    track->bytes = track->bytes - RI_MIN(p->was_bytes, track->bytes) + p->bytes;
    ri_run_add(before, (uint32_t)(p->seq - before->first_seq), p);
    track->log->live_bytes += p->room;
    return RILL_OK;
}
