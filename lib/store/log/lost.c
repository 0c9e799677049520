/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: entries of whole commits that fail their own checksums. Each was erased, as a removal
 * further on will say, or is damaged: then it is reported, and what it may have said of sequences
 * is used up. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"

/* Does the entry, which fails its checksum, name a next sequence that may be true? No more can
 * have been used than what is between the last that is known and here had room for. */
static bool lost_says_next(const ri_log *log, const ri_track *track, const log_segment *s,
                           const ri_segment_entry *e)
{
    bool says = e->kind == RI_SEGMENT_KIND_TRACK || e->kind == RI_SEGMENT_KIND_SKIP ||
                e->kind == RI_SEGMENT_KIND_PURGE;
    if (!says || e->seq <= track->last_seq || s->number < track->touched_in) return false;
    uint64_t most = ri_size_mul(s->number - track->touched_in + 1, log->segment_bytes);
    return e->seq - track->last_seq <= most;
}

/* Remember an entry that cannot be read: erased, as a removal further on will say, or damaged. */
int ri_lost_note(ri_log *log, log_losses *l, log_segment *s, uint32_t position,
                 const ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->image && position < s->size);
    int rc = ri_array_reserve(&log->host, &l->all, &l->cap, l->n + 1, sizeof *l->all);
    if (rc < 0) return rc;
    /* What is erased keeps its head. */
    bool batch = e->kind == RI_SEGMENT_KIND_BATCH;
    bool headed = (e->kind == RI_SEGMENT_KIND_RECORD || batch) && e->track && e->seq;
    log_lost *lost = &l->all[l->n++];
    *lost = (log_lost){.segment = s, .position = position, .track = e->track, .seq = e->seq,
                       .last = e->seq, .length = e->length,
                       .erased = headed &&
                                 ri_segment_is_erased(s->image + position, e->length)};
    bool sound = !batch || (e->last >= e->seq && e->last - e->seq < e->length);
    if (batch && sound) lost->last = e->last;
    lost->batch = batch && sound;
    lost->erased = lost->erased && sound;
    ri_track *track = ri_track_by_number(log, e->track);
    lost->next_one = track && sound && e->seq && e->seq == track->last_seq + 1;
    if (lost->next_one) track->last_seq = lost->last;
    if (track && lost_says_next(log, track, s, e)) track->last_seq = e->seq - 1;
    return RILL_OK;
}

static int lost_order(const void *a, const void *b)
{
    const log_lost *x = a, *y = b;
    if (x->track != y->track) return x->track < y->track ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The first lost entry from `i` on that no removal has met; paths are shortened on the way. */
static uint32_t lost_next(log_losses *l, uint32_t i)
{
    RI_ASSERT(l->n <= l->cap);
    uint32_t end = i;
    while (end < l->n && l->all[end].next != end) end = l->all[end].next;
    while (i < end && i < l->n) {
        uint32_t next = l->all[i].next;
        l->all[i].next = end;
        i = next;
    }
    return end;
}

/* Those lost entries that the removal speaks of were erased. */
static void lost_excuse(log_losses *l, const log_removal *removal)
{
    RI_ASSERT(removal->gone || removal->first <= removal->last);
    if (removal->gone) return; /* it speaks of segments */
    uint32_t low = 0, high = l->n;
    log_lost key = {.track = removal->track, .seq = removal->first};
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (lost_order(&l->all[mid], &key) < 0) low = mid + 1;
        else high = mid;
    }
    for (low = lost_next(l, low); low < l->n; low = lost_next(l, low + 1)) {
        log_lost *lost = &l->all[low];
        if (lost->track != removal->track || lost->seq > removal->last) return;
        if (lost->last <= removal->last) lost->next = low + 1; /* all of a batch */
    }
}

static void lost_excuse_all(ri_log *log, log_losses *l, log_segment *s)
{
    for (uint32_t i = 0; i < s->nremovals; i++) lost_excuse(l, &s->removals[i]);
    log_foot foot;
    if (!s->stored || ri_footer_load(log, s) < 0 || ri_footer_view(s, &foot) < 0) return;
    for (uint32_t i = 0; i < foot.nremovals; i++) {
        log_removal removal;
        ri_footer_removal(&foot, i, &removal);
        lost_excuse(l, &removal);
    }
    ri_cache_trim_all(log);
}

/* ---- Batches of which one record was erased ---- */

/* What says of a number of the batch that it is not there any more, or is elsewhere. */
static void lost_mark(const log_lost *lost, const log_removal *r, char *said)
{
    if (r->gone || r->drop || r->track != lost->track) return;
    uint64_t from = RI_MAX(r->first, lost->seq), to = RI_MIN(r->last, lost->last);
    for (uint64_t seq = from; seq <= to; seq++) said[seq - lost->seq] = 1;
}

static void lost_mark_all(ri_log *log, const log_lost *lost, log_segment *s, char *said)
{
    for (uint32_t i = 0; i < s->nremovals; i++) lost_mark(lost, &s->removals[i], said);
    log_foot foot;
    if (!s->stored || ri_footer_load(log, s) < 0 || ri_footer_view(s, &foot) < 0) return;
    for (uint32_t i = 0; i < foot.nremovals; i++) {
        log_removal removal;
        ri_footer_removal(&foot, i, &removal);
        lost_mark(lost, &removal, said);
    }
    ri_cache_trim_all(log);
}

static bool lost_is_elsewhere(ri_track *track, const log_lost *lost, uint64_t seq)
{
    uint32_t slot;
    log_run *run = ri_run_find(track, seq, &slot);
    if (!run || ri_run_load(track, run) < 0 || !run->slots[slot]) return false;
    return run->segment != lost->segment || run->slots[slot] != lost->position;
}

/* Its entry was erased, maybe not to the end: each of its records has been removed, or stands
 * elsewhere. */
static bool lost_was_rewritten(ri_log *log, const log_lost *lost)
{
    ri_track *track = ri_track_by_number(log, lost->track);
    size_t n = (size_t)(lost->last - lost->seq) + 1;
    if (!lost->batch || !track) return false;
    char *said = ri_calloc(&log->host, n); /* 0 or 1 of each */
    if (!said) return false;
    bool all = true;
    for (uint32_t i = 0; i < log->nsegments; i++) lost_mark_all(log, lost, log->segments[i], said);
    for (uint64_t seq = lost->seq; seq <= lost->last && all; seq++)
        all = said[seq - lost->seq] || seq < track->floor || lost_is_elsewhere(track, lost, seq);
    ri_free(&log->host, said, n);
    return all;
}

static void lost_report_record(ri_log *log, const log_lost *lost, uint64_t track)
{
    char more[48] = "";
    if (lost->last > lost->seq) snprintf(more, sizeof more, " to %" PRIu64, lost->last);
    ri_damage damage = {.position = lost->position, .end = lost->position + lost->length,
                        .track = track, .first_seq = lost->seq, .last_seq = lost->last,
                        .record = true};
    ri_log_damage_at(log, lost->segment, &damage,
                     "sequence %" PRIu64 "%s, at %u, fails its checksum", lost->seq, more,
                     lost->position);
}

/* Either such an entry was erased, which is done only when the commit that removes it is durable:
 * that one is lost. Or it is the last of the log, and what damaged it may go on behind it. */
static bool lost_is_doubtful(const ri_log *log, const log_lost *lost)
{
    uint32_t end = lost->position + (uint32_t)RI_ALIGN(lost->length, 8);
    return lost->erased || (lost->segment == log->active && end == lost->segment->end);
}

/* Report the entries that nobody removed. */
void ri_lost_report(ri_log *log, log_losses *l)
{
    RI_ASSERT(ri_log_is_sound(log));
    uint64_t bytes = 0, newest = 0;
    if (l->n == 0) return;
    qsort(l->all, l->n, sizeof *l->all, lost_order);
    for (uint32_t i = 0; i < l->n; i++) l->all[i].next = i;
    for (uint32_t n = 0; n < log->nsegments; n++) lost_excuse_all(log, l, log->segments[n]);
    for (uint32_t i = 0; (i = lost_next(l, i)) < l->n; i++) {
        const log_lost *lost = &l->all[i];
        const ri_track *track = ri_track_by_number(log, lost->track);
        bool known = track && lost->seq;
        bool dropped = !track && lost->track && lost->track < log->next_track;
        if (dropped || (!known && lost->erased) || lost_was_rewritten(log, lost)) continue;
        if (known && lost->last < track->floor) continue;
        lost->segment->damaged = true;
        l->doubtful = l->doubtful || lost_is_doubtful(log, lost);
        /* One that says to be old may be so, or have lost what it says. */
        if (!lost->next_one && !lost->erased) bytes += lost->length;
        newest = RI_MAX(newest, lost->segment->number);
        if (known) lost_report_record(log, lost, track->id);
        else
            ri_log_damage_at(log, lost->segment,
                             &(ri_damage){.position = lost->position,
                             .end = lost->position + lost->length},
                             "the entry at %u fails its checksum; what it was is not known",
                             lost->position);
    }
    if (bytes) ri_holes_skip(log, newest + 1, bytes);
}
