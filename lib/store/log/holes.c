/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments should be there. The newest statement on each says which one stands before it:
 * its own header or, when those between were cleaned away, an entry GONE of a later commit. So
 * when all is read,
 *
 *     a number that is named, and is not there      its file is missing
 *     a number that a statement passes over         the segment was given up: its file comes from
 *                                                   a crash before it was wiped, or from elsewhere
 *     no segment behind one that has a footer       the newest is missing
 *
 * A segment may seem missing because the commit is lost that gave it up: one that was durable. So
 * if a commit stands behind what seems to be the end of the log, the end is damage, not of a
 * crash, and reading begins anew with that in mind.
 *
 * What was given up must not have been read: nothing says any more what is dead in it. So
 * reading begins anew without it.
 *
 * Sequences that a lost piece may have used are not used again. Whatever was in there, a record
 * takes RI_SEGMENT_RECORD bytes at least, or one in a batch, so each track that says no next
 * sequence behind the piece skips as many as that had room for. (A record says none: it may be an
 * old one, copied.) What was left out on purpose in the piece cannot be known. The sum follows
 * from the files alone, and is the same at each opening until something later is stored. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "store/log/log_private.h"

enum { HOLES_TRACKS_MAX = 64 }; /* reported one by one */

static void holes_skip(ri_track *track, uint64_t bytes)
{
    uint64_t n = track->opts.batches ? bytes : bytes / RI_SEGMENT_RECORD + 1;
    if (ri_u64_add(track->last_seq, n) < INT64_MAX) track->last_seq += n;
}

void ri_holes_skip_lost(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        if (log->lost_bytes > track->heard)
            holes_skip(track, log->lost_bytes - track->heard);
    }
}

void ri_holes_skip(ri_log *log, uint64_t number, uint64_t bytes)
{
    RI_ASSERT(ri_log_is_sound(log));
    ri_map_each(item, &log->tracks_by_number)
        if (((ri_track *)item)->touched_in < number) holes_skip(item, bytes);
}

/* ---- Missing segments ---- */

/* Of a track, where the sequences jump from segments up to `before` to such from `behind` on. */
static void holes_of_track(const ri_track *track, uint64_t before, uint64_t behind, ri_damage *d)
{
    bool near = before == 0; /* the last run looked at stands before the hole */
    uint64_t next = RI_MAX(track->floor, 1u);
    for (uint32_t i = 0; i <= track->nruns; i++) {
        const log_run *run = i < track->nruns ? track->runs[i] : NULL;
        uint64_t first = run ? run->first_seq + run->head : track->last_seq + 1;
        uint64_t number = run ? run->segment->number : track->touched_in;
        if (near && number >= behind && first > next) {
            if (!d->first_seq) d->first_seq = next;
            d->last_seq = first - 1;
        }
        if (!run) break;
        near = number <= before;
        next = run->first_seq + run->last + 1;
    }
}

static void holes_report(ri_log *log, uint64_t number, uint64_t before, uint64_t behind)
{
    RI_ASSERT(before < behind || behind == 0);
    uint32_t reported = 0;
    uint64_t last = log->active ? log->active->number : 0;
    ri_log_damage_at(log, NULL, &(ri_damage){0},
                     "%s: the file of segment %" PRIu64 " is missing: what it held is lost, and "
                     "what was removed in it may be back", log->dir, number);
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        if (track->touched_in < behind || (!log->marked && track->touched_in == last)) {
            holes_skip(track, log->segment_bytes);
            continue;
        }
        ri_damage d = {.track = track->id};
        if (!track->opts.single_tail) holes_of_track(track, before, behind, &d);
        if (d.first_seq && reported++ < HOLES_TRACKS_MAX)
            ri_log_damage_at(log, NULL, &d,
                             "%s: sequences %" PRIu64 " to %" PRIu64 " are lost with segment "
                             "%" PRIu64 ", as far as they were not removed", log->dir,
                             d.first_seq, d.last_seq, number);
    }
}

static void holes_report_newest(ri_log *log, const log_segment *last, uint64_t number)
{
    ri_log_damage_at(log, NULL, &(ri_damage){0},
                     "%s: the file of segment %" PRIu64 ", the newest, is missing: what was stored "
                     "last is lost", log->dir, number);
    ri_map_each(item, &log->tracks_by_number)
        holes_skip(item, ri_u64_mul(log->segment_bytes, number - last->number));
    log->newest = number;
}

/* ---- All of them ---- */

bool ri_holes_given_up(const ri_log *log, uint64_t number)
{
    for (uint32_t i = 0; i < log->ngiven_up; i++)
        if (log->given_up[i] == number) return true;
    return false;
}

static int holes_give_up(ri_log *log, uint64_t after, uint64_t before)
{
    RI_ASSERT(after < before);
    for (uint32_t i = 0; i < log->nsegments; i++) {
        uint64_t number = log->segments[i]->number;
        if (number <= after || number >= before || ri_holes_given_up(log, number)) continue;
        int rc = ri_array_reserve(&log->host, &log->given_up, &log->cap_given_up,
                                  log->ngiven_up + 1,
                                  sizeof *log->given_up);
        if (rc < 0) return rc;
        log->given_up[log->ngiven_up++] = number;
    }
    return RILL_EAGAIN;
}

int ri_holes_check(ri_log *log, bool remains)
{
    RI_ASSERT(ri_log_is_sound(log));
    uint64_t before = 0;
    const log_segment *last = NULL;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        const log_segment *s = log->segments[i];
        if (s->leftover) continue;
        if (s->prev != RI_SEGMENT_UNNAMED && s->prev < before)
            rc = holes_give_up(log, s->prev, s->number);
        if (rc < 0 && rc != RILL_EAGAIN) return rc;
        before = s->number;
        last = s;
    }
    if (rc < 0) return rc;
    before = 0;
    bool any = false;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        const log_segment *s = log->segments[i];
        if (s->leftover) continue;
        bool missing = s->prev != RI_SEGMENT_UNNAMED && s->prev > before;
        if (missing && remains && !log->suspect) {
            log->suspect = true;
            return RILL_EAGAIN;
        }
        if (missing) holes_report(log, s->prev, before, s->number);
        any = any || missing;
        before = s->number;
    }
    if (!last) return RILL_OK;
    /* It also seems missing if the newest commits are lost, which said that it was given up, and
     * used sequences. */
    if (any) ri_holes_skip(log, last->number + 1, last->size - RI_MIN(last->end, last->size));
    log->newest = last->number;
    bool noted = log->note.number > last->number && log->note.log_id == log->id;
    if (last->stored || noted)
        holes_report_newest(log, last, RI_MAX(last->number + 1, noted ? log->note.number : 0));
    return RILL_OK;
}
