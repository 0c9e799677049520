/* SPDX-License-Identifier: Apache-2.0 */
/* Removals on their way into the log, and how long they are needed there.
 *
 * That a record dies is written to the log by an entry of 48 bytes, and by 40 in the footer; most
 * die beside one that has just died. So the last few removals of the open commit are *pending*,
 * each a range that grows at both ends while other entries are written. They are written when the
 * segment or the commit ends, or when there are too many of them:
 *
 *     remove 7, append, remove 8, append, remove 9  -->  append, append, REMOVE 7..9
 *
 * That they come later than they were made changes nothing: a commit counts as a whole, and what
 * is dead never lives again. Room for them is kept in the active segment (ri_removals_room()), so
 * that writing them cannot fail.
 *
 * A removal is needed as long as a file with the dead bytes exists, and by none but the files
 * behind it: the footer of a segment says what lived in there when it was sealed, so it lists no
 * removal of its own dead.
 *
 * Copies. What the cleaner moves exists twice until the segment that it came from is wiped, so that
 * one is named as well (`also`). A segment that cannot be emptied, because something in it is
 * damaged, is *left* for ever with copies of what was moved out of it: whatever it once held, and
 * dies elsewhere, takes an entry more that names it. */
#include "base/assert.h"
#include "store/log/log_private.h"

uint32_t ri_removals_room(const ri_log *log)
{
    return log->npending * (RI_SEGMENT_REMOVE + RI_SEGMENT_FOOT_REMOVE);
}

static bool removals_join(log_removal *p, const log_removal *r)
{
    if (p->track != r->track || p->home != r->home || p->also != r->also) return false;
    if (p->last + 1 == r->first) p->last = r->last;
    else if (r->last + 1 == p->first) p->first = r->first;
    else return false;
    return true;
}

/* Let a pending one say this, too; the newest is the likeliest. */
static bool removals_extend(ri_log *log, const log_removal *r)
{
    for (uint32_t i = log->npending; i-- > 0;)
        if (removals_join(&log->pending[i], r)) return true;
    return false;
}

static void removals_put(ri_log *log, const log_removal *r)
{
    RI_ASSERT(r->gone || r->first <= r->last);
    log_segment *s = log->active;
    RI_ASSERT(s->nremovals < s->cap_removals);
    s->removals[s->nremovals++] = *r;
    if (ri_removals_needed(log, s, r)) s->foot_need += RI_SEGMENT_FOOT_REMOVE;
    ri_segment_entry e = {
        .kind = r->gone ? RI_SEGMENT_KIND_GONE
                        : r->drop ? RI_SEGMENT_KIND_DROP : RI_SEGMENT_KIND_REMOVE,
        .track = r->track, .seq = r->drop ? r->home : r->first, .last = r->last, .id = r->home,
        .also = r->also,
    };
    ri_log_put(log, &e);
}

void ri_removals_flush(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(log->npending == 0 || log->active);
    ri_safety want = log->want; /* they said what they need when they were made */
    uint32_t n = log->npending;
    log->npending = 0;
    for (uint32_t i = 0; i < n; i++) removals_put(log, &log->pending[i]);
    log->want = want;
}

/* Among the pending; there is room in the active segment, and in its array. */
static void removals_add(ri_log *log, const log_removal *r)
{
    RI_ASSERT(log->active && log->npending <= RI_LOG_PENDING);
    bool single = r->drop || r->gone;
    if (!single && removals_extend(log, r)) return;
    if (log->npending == RI_LOG_PENDING || single) ri_removals_flush(log);
    log->pending[log->npending++] = *r;
    if (single) ri_removals_flush(log);
}

/* Did the segment ever hold any of these? Who does not know says yes. */
static bool removals_held(ri_log *log, log_segment *s, const log_removal *r)
{
    log_foot foot;
    if (!s->stored || ri_footer_load(log, s) < 0 || ri_footer_view(s, &foot) < 0) return true;
    for (uint32_t i = 0; i < foot.nruns; i++) {
        const char *run = foot.runs + (size_t)i * RI_SEGMENT_FOOT_RUN;
        uint64_t first = ri_segment_u64(run + 8), end = first + ri_segment_u32(run + 4);
        if (ri_segment_u32(run) == r->track && first <= r->last && end > r->first) return true;
    }
    return false;
}

/* One more entry for each segment that was left with copies of these: how many; `add` them. */
static uint32_t removals_of_copies(ri_log *log, const log_removal *r, bool add)
{
    uint32_t n = 0;
    for (uint32_t i = 0; log->nleft && !r->drop && !r->gone && i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        if (!s->left || s->number >= r->home || s->number == r->also) continue;
        if (!removals_held(log, s, r)) continue;
        log_removal copy = *r;
        copy.also = s->number;
        if (add) removals_add(log, &copy);
        n++;
    }
    return n;
}

int ri_removals_keep(ri_log *log, ri_track *track, const log_removal *r, uint32_t more)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(r->gone || r->first <= r->last);
    uint32_t n = 1 + more;
    if (more || r->drop || r->gone || !removals_extend(log, r)) {
        int rc = ri_log_prepare(log, track, n * RI_SEGMENT_REMOVE, n * RI_SEGMENT_FOOT_REMOVE,
                                true);
        log_segment *s = log->active;
        if (rc == 0)
            rc = ri_array_reserve(&log->host, &s->removals, &s->cap_removals,
                                  s->nremovals + log->npending + n, sizeof *s->removals);
        if (rc < 0) return rc;
        removals_add(log, r);
    }
    ri_log_need(log, log->ease);
    log->touched = true;
    return RILL_OK;
}

int ri_removals_note(ri_log *log, ri_track *track, const log_removal *r)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (!log->os) {
        log->touched = true;
        return RILL_OK;
    }
    int rc = ri_removals_keep(log, track, r, removals_of_copies(log, r, false));
    if (rc == 0) removals_of_copies(log, r, true);
    return rc;
}

void ri_removals_leave(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->number != 0);
    log->nleft += !s->left;
    s->left = true;
}

bool ri_removals_needed(const ri_log *log, const log_segment *s, const log_removal *r)
{
    if (!log->os) return false;
    if (r->gone) {
        const log_segment *behind = ri_log_segment_at(log, r->last);
        return behind && behind->prev == r->first && behind->head_prev != r->first;
    }
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
