/* SPDX-License-Identifier: Apache-2.0 */
/* Where records are found by their time, and the ends of subjects, where the index of these does
 * not know them: what was removed may have been the first or the last. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log/log_private.h"

enum {
    LOOKUP_UNIT_NAMES = 8,  /* names that are looked at in a unit */
    LOOKUP_UNIT_SLOTS = 64, /* slots of which the subject's number is looked at */
};

/* ---- Time ---- */

static int64_t lookup_time(ri_track *track, const log_run *run, uint32_t slot)
{
    RI_ASSERT(slot < run->span && run->slots[slot]);
    ri_segment_entry e;
    if (ri_track_peek(track->log, run->segment, run->slots[slot], &e) < 0) return INT64_MIN;
    return e.kind == RI_SEGMENT_KIND_BATCH ? ri_track_batch_time(e.data) : e.time_ns;
}

static uint32_t lookup_live_up(const log_run *run, uint32_t slot)
{
    RI_ASSERT(run->slots && run->last < run->span);
    while (slot <= run->last && run->slots[slot] == 0) slot++;
    return slot;
}

/* First slot at or after the time; run->span if none. */
static uint32_t lookup_slot_at(ri_track *track, const log_run *run, int64_t time_ns)
{
    RI_ASSERT(run->slots && run->head <= run->last);
    uint32_t low = run->head, high = run->last + 1;
    if (run->mixed) {
        for (; low < high; low++)
            if (run->slots[low] && lookup_time(track, run, low) >= time_ns) return low;
        return run->span;
    }
    while (low < high) { /* the answer is in [low, high] */
        uint32_t mid = lookup_live_up(run, low + (high - low) / 2);
        if (mid >= high) { /* nothing lives in the upper half */
            high = low + (high - low) / 2;
            continue;
        }
        if (lookup_time(track, run, mid) < time_ns) low = mid + 1;
        else if (high == mid) break;
        else high = mid;
    }
    low = lookup_live_up(run, low);
    return low <= run->last ? low : run->span;
}

uint64_t ri_track_seq_at(ri_track *track, int64_t time_ns)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    for (uint32_t at = 0; at < track->nruns; at++) {
        log_run *run = track->runs[at];
        if (run->max_time_ns < time_ns) continue;
        if (run->min_time_ns >= time_ns) return run->first_seq + run->head;
        ri_cache_trim(track->log);
        if (ri_run_load(track, run) < 0) continue;
        uint32_t slot = lookup_slot_at(track, run, time_ns);
        if (slot < run->span) return run->first_seq + slot;
    }
    return track->last_seq + 1;
}

/* The latest time of the run's live records; INT64_MIN: it has none, or cannot be read. */
static int64_t lookup_last_time(ri_track *track, log_run *run)
{
    int64_t latest = INT64_MIN;
    uint32_t before = 0;
    ri_cache_trim(track->log);
    if (ri_run_load(track, run) < 0) return latest;
    for (uint32_t slot = run->last + 1; slot-- > run->head;) {
        if (run->slots[slot] == 0 || run->slots[slot] == before) continue;
        before = run->slots[slot]; /* the records of a batch are one entry */
        latest = RI_MAX(latest, lookup_time(track, run, slot));
        if (!run->mixed) break;
    }
    return latest;
}

uint64_t ri_track_latest(ri_track *track, int64_t *time_ns)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    int64_t latest = INT64_MIN;
    for (uint32_t at = track->nruns; at-- > 0;) {
        log_run *run = track->runs[at];
        if (run->max_time_ns <= latest) continue;
        int64_t of = lookup_last_time(track, run);
        latest = RI_MAX(latest, of);
    }
    uint64_t seq = latest == INT64_MIN ? 0 : ri_track_seq_at(track, latest);
    *time_ns = latest;
    return seq > track->visible_seq ? 0 : seq;
}

/* ---- Subjects ---- */

/* Id of a subject in a run's segment. */
static uint32_t lookup_subject_id(ri_log *log, log_segment *s, ri_str subject, uint64_t *units)
{
    if (s == log->active) {
        log_name *name = ri_names_find(log, subject, (uint32_t)ri_hash(subject));
        return name ? name->id1 - 1 : RI_SEGMENT_NO_SUBJECT;
    }
    uint32_t n = ri_names_count(log, s);
    *units += n / LOOKUP_UNIT_NAMES;
    for (uint32_t id = 0; id < n; id++) {
        ri_str name;
        if (ri_names_get(log, s, id, &name) == 0 && ri_str_eq(name, subject)) return id;
    }
    return RI_SEGMENT_NO_SUBJECT;
}

/* First live record of the subject at or after seq, 0 if none; *units grows by what it took. */
static uint64_t lookup_up(ri_track *track, ri_str subject, uint64_t seq, uint64_t *units)
{
    for (uint32_t at = ri_run_after(track, seq); at < track->nruns; at++) {
        log_run *run = track->runs[at];
        ri_cache_trim(track->log);
        if (ri_run_subjects(track, run) < 0) continue;
        uint32_t id = lookup_subject_id(track->log, run->segment, subject, units);
        if (id == RI_SEGMENT_NO_SUBJECT) continue;
        uint32_t slot = seq > run->first_seq ? (uint32_t)(seq - run->first_seq) : 0, from = slot;
        for (slot = RI_MAX(slot, run->head); slot <= run->last; slot++)
            if (run->subjects[slot] == id && run->slots[slot]) return run->first_seq + slot;
        *units += (slot - from) / LOOKUP_UNIT_SLOTS;
    }
    return 0;
}

static uint64_t lookup_down(ri_track *track, ri_str subject, uint64_t seq, uint64_t *units)
{
    uint32_t at = ri_run_after(track, seq);
    if (at < track->nruns && track->runs[at]->first_seq <= seq) at++;
    while (at-- > 0) {
        log_run *run = track->runs[at];
        ri_cache_trim(track->log);
        if (ri_run_subjects(track, run) < 0) continue;
        uint32_t id = lookup_subject_id(track->log, run->segment, subject, units);
        if (id == RI_SEGMENT_NO_SUBJECT) continue;
        int64_t from = (int64_t)(RI_MIN(seq, run->first_seq + run->last) - run->first_seq);
        for (int64_t slot = from; slot >= (int64_t)run->head; slot--)
            if (run->subjects[slot] == id && run->slots[slot])
                return run->first_seq + (uint64_t)slot;
        *units += (uint64_t)RI_MAX(from, 0) / LOOKUP_UNIT_SLOTS;
    }
    return 0;
}

/* Returns the units that it took. */
static uint64_t lookup_settle(ri_track *track, ri_str subject, ri_subject_entry *e)
{
    RI_ASSERT(e->count > 0 && e->first_seq <= e->last_seq);
    uint64_t seq, units = 0;
    if (!e->first_known && (seq = lookup_up(track, subject, e->first_seq, &units)) != 0)
        e->first_seq = seq;
    if (!e->last_known && (seq = lookup_down(track, subject, e->last_seq, &units)) != 0)
        e->last_seq = seq;
    return units;
}

int ri_track_subject_bounds(ri_track *track, ri_str subject, ri_subject_info *out)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_subject_entry e;
    int rc = track->index ? ri_subject_index_find(track->index, subject, &e) : RILL_ENOENT;
    if (rc == RILL_OK) *out = (ri_subject_info){subject, e.first_seq, e.last_seq, e.count};
    return rc;
}

int ri_track_subject(ri_track *track, ri_str subject, ri_subject_info *out)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_subject_entry e;
    int rc = track->index ? ri_subject_index_find(track->index, subject, &e) : RILL_ENOENT;
    if (rc < 0) {
        *out = (ri_subject_info){.subject = subject};
        return rc;
    }
    if (!e.first_known || !e.last_known) {
        lookup_settle(track, subject, &e);
        /* Who walks may ask of what he meets; then it is found again the next time. */
        if (track->index->walking == 0)
            ri_subject_index_settle(track->index, subject, e.first_seq, e.last_seq);
    }
    *out = (ri_subject_info){subject, e.first_seq, e.last_seq, e.count};
    return RILL_OK;
}

typedef struct lookup_each {
    ri_track *track;
    bool ends;
    ri_budget *budget; /* NULL: of a walk that is not cut */
    int (*fn)(void *arg, const ri_subject_info *info);
    void *arg;
} lookup_each;

static int lookup_each_subject(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    lookup_each *each = arg;
    ri_subject_entry e = *entry;
    uint64_t units = each->ends ? lookup_settle(each->track, subject, &e) : 0;
    if (each->budget) ri_budget_spend(each->budget, units);
    ri_subject_info info = {subject, e.first_seq, e.last_seq, e.count};
    return each->fn(each->arg, &info);
}

int ri_track_each_subject(ri_track *track, ri_str filter,
                          int (*fn)(void *arg, const ri_subject_info *info), void *arg)
{
    if (!track->index) return RILL_OK;
    lookup_each each = {track, true, NULL, fn, arg};
    return ri_subject_index_each(track->index, filter, lookup_each_subject, &each);
}

typedef struct lookup_latest {
    ri_track *track;
    uint64_t seq;
} lookup_latest;

/* Of what cannot be later than what was found nothing is looked up. */
static int lookup_later(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    lookup_latest *latest = arg;
    if (entry->last_seq <= latest->seq) return 0;
    ri_subject_entry e = *entry;
    e.first_known = true; /* nobody asks for that */
    lookup_settle(latest->track, subject, &e);
    latest->seq = RI_MAX(latest->seq, e.last_seq);
    return 0;
}

uint64_t ri_track_last_of(ri_track *track, ri_str filter, uint64_t *visited)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    lookup_latest latest = {.track = track};
    *visited = 0;
    if (!track->index) return 0;
    uint64_t before = track->index->walked;
    ri_subject_index_each(track->index, filter, lookup_later, &latest);
    *visited = track->index->walked - before;
    return latest.seq;
}

int ri_track_some_subjects(ri_track *track, ri_str filter, bool ends, ri_subject_place *place,
                           int (*fn)(void *arg, const ri_subject_info *info), void *arg)
{
    RI_ASSERT(place->budget);
    if (!track->index) return RILL_OK;
    lookup_each each = {track, ends, place->budget, fn, arg};
    return ri_subject_index_some(track->index, filter, place, lookup_each_subject, &each);
}
