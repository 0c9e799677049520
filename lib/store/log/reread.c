/* SPDX-License-Identifier: Apache-2.0 */
/* A run of which what is stored in the footer is damaged: found again by reading its segment. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "store/log/log_private.h"
#include "store/log/seek.h"

static void reread_entry(const ri_track *track, log_run *run, uint32_t at,
                              const ri_segment_entry *e, bool slots)
{
    RI_ASSERT(run->span > 0);
    if (e->track != track->number) return;
    uint64_t first = e->seq, last = e->last, end = run->first_seq + run->span - 1;
    bool put = e->kind == RI_SEGMENT_KIND_RECORD || e->kind == RI_SEGMENT_KIND_BATCH;
    if (e->kind == RI_SEGMENT_KIND_PURGE) {
        first = 0;
        last = e->seq - 1;
    } else if (!put && e->kind != RI_SEGMENT_KIND_REMOVE) {
        return;
    }
    for (uint64_t seq = RI_MAX(first, run->first_seq); seq <= RI_MIN(last, end); seq++) {
        uint64_t slot = seq - run->first_seq;
        if (slots) run->slots[slot] = put ? at : 0;
        if (run->subjects && put)
            run->subjects[slot] =
                e->kind == RI_SEGMENT_KIND_RECORD ? e->subject : RI_SEGMENT_NO_SUBJECT;
    }
}

/* Read the segment for the run's entries. */
static int reread_scan(ri_log *log, const ri_track *track, log_run *run, bool slots)
{
    log_segment *s = run->segment;
    char *bytes = ri_alloc(&log->host, s->size);
    int rc = bytes ? ri_space_read(log, s, bytes, s->end, 0) : RILL_ENOMEM;
    ri_seek seek;
    ri_seek_init(&seek, &log->host, bytes, s->end, s->seed);
    for (uint32_t at = RI_SEGMENT_HEAD; rc == 0 && at + RI_SEGMENT_ENTRY <= s->end;) {
        ri_segment_entry e;
        bool whole = ri_seek_entry(&seek, at, s->end, &e);
        if (whole) reread_entry(track, run, at, &e, slots);
        at += whole ? (uint32_t)RI_ALIGN(e.length, 8) : 8;
    }
    ri_seek_fini(&seek);
    ri_free(&log->host, bytes, s->size);
    return rc;
}

/* A run that is read to be put into the index, record by record, is none that the track counts. */
static void reread_count(ri_track *track, log_run *run)
{
    RI_ASSERT(run->slots);
    uint32_t was = run->live, slot;
    bool counted = ri_run_find(track, run->first_seq, &slot) == run;
    run->live = run->head = run->last = 0;
    for (uint32_t i = 0; i < run->span; i++) {
        if (run->slots[i] == 0) continue;
        if (run->live++ == 0) run->head = i;
        run->last = i;
    }
    if (counted) track->count = ri_u64_sub(track->count, was) + run->live;
}

int ri_reread_run(ri_track *track, log_run *run)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(run->segment->stored || run->segment->image || run->segment->sealed);
    ri_log *log = track->log;
    log_segment *s = run->segment;
    bool slots = !run->slots; /* else some may have died since they were read */
    uint64_t last_seq = run->first_seq + run->span - 1;
    uint32_t cap = slots ? run->span : run->cap;
    if (!ri_damage_covers(log, s, run->stored_at))
        ri_log_damage_at(log, s, &(ri_damage){.position = run->stored_at, .track = track->id},
                         "the positions of the sequences %" PRIu64 " to %" PRIu64 ", at %u, fail "
                         "their checksum; found again by reading the file", run->first_seq,
                         last_seq, run->stored_at);
    if (slots) run->slots = ri_calloc(&log->host, cap * sizeof *run->slots);
    if (run->indexed) run->subjects = ri_alloc(&log->host, cap * sizeof *run->subjects);
    run->cap = cap;
    int rc = run->slots && (run->subjects || !run->indexed) ? RILL_OK : RILL_ENOMEM;
    for (uint32_t i = 0; rc == 0 && run->indexed && i < cap; i++)
        run->subjects[i] = RI_SEGMENT_NO_SUBJECT;
    if (rc == 0) rc = reread_scan(log, track, run, slots);
    if (rc < 0) { /* as it was: it may be tried again */
        if (slots) ri_free(&log->host, run->slots, cap * sizeof *run->slots);
        ri_free(&log->host, run->subjects, run->subjects ? cap * sizeof *run->subjects : 0);
        if (slots) run->slots = NULL;
        if (slots) run->cap = 0;
        run->subjects = NULL;
        return rc;
    }
    if (slots) reread_count(track, run);
    run->dirty = true;
    track->changes++;
    ri_cache_note(log, run);
    return run->live ? RILL_OK
                     : ri_err(RILL_ECORRUPT, "%s/%08x.seg: none of the sequences %" PRIu64 " to %"
                              PRIu64 " is left", log->dir, s->slot, run->first_seq, last_seq);
}
