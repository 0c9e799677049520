/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a log. Segments are taken in the order of their numbers; one with a whole footer costs
 * its directory, the others, usually the last one or two, are read commit by commit.
 *
 * Where no valid commit stands although one may be expected, either the log ends there (a commit
 * was being written when the power failed) or bytes were damaged later. A commit header says up
 * to which commit all was durable when it was made, and a segment's header is written only when
 * the segment before it is safe. So: if anything further on says that the missing commit was
 * durable, it is *damage*: reported, entries with good checksums are saved one by one, and reading
 * goes on behind it. If nothing says so, the log is *cut* there; segments further on are
 * leftovers, wiped before anything new is written. The log goes on at the cut, over what is left
 * there; behind it in the next segment only if this one is damaged, and then that is blanked first.
 *
 * A commit of several parts counts from its last part on; until then the parts wait.
 *
 * What opening may cost, whatever the files hold (n bytes of segments without a whole footer, f of
 * footers, t log entries of the index):
 *
 *     time     O(n + f): each byte of a scanned segment is read once, summed at most twice as
 *              part of a commit, and up to 8 times where damage is searched (seek.c); log t for
 *              each entry that goes into the index
 *     memory   the n bytes, which stay until a footer is written, and 3/8 of one segment while it
 *              is scanned; the directories of footers, and some tens of bytes for each record
 *
 * No count, length or sequence of a file is believed beyond the bytes that are there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log/log_private.h"
#include "store/log/seek.h"

typedef struct recover_part { /* of a commit whose last part was not seen yet */
    log_segment *segment;
    ri_segment_commit commit;
    bool whole;             /* each entry was summed */
} recover_part;

typedef struct recover {
    ri_log *log;
    uint32_t at;            /* index of the segment at hand */
    uint64_t number;        /* of the last commit read */
    uint32_t chain;         /* its check */
    uint32_t epoch;         /* its epoch */
    uint32_t max_epoch;     /* seen anywhere */
    uint64_t durable;       /* highest claim seen, the last commits of sealed segments included */
    uint64_t claimed;       /* highest of a commit with entries */
    uint64_t noted;         /* commit that was durable, as the note says */
    uint64_t *later;        /* by index of segment: greatest first commit of those behind it */
    ri_seek seek;           /* in the segment at hand */
    bool damaged;           /* in the segment at hand, bytes were lost */
    bool remains;           /* behind the end of the log stands a commit */
    log_segment *cut;       /* where the log ends, if bytes of a commit may follow */
    recover_part *parts;
    uint32_t nparts, cap_parts;
    log_losses lost;
    uint64_t done_bytes, total_bytes;
} recover;

/* ---- Entries ---- */

int ri_recover_track(ri_log *log, log_segment *s, const ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_TRACK);
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) {
        ri_track *old = ri_map_get(&log->tracks_by_id, ri_hash_u64(e->id), &e->id);
        if (old && old->number > e->track) return RILL_OK;
        if (old) ri_track_forget(old);
        ri_track_opts opts = {.subjects = e->flags & 1, .single_tail = e->flags & 2,
                              .batches = e->flags & 4};
        int rc = ri_track_new(log, e->id, e->track, &opts, &track);
        if (rc < 0) return rc;
        track->born_in = s->number;
    }
    track->touched_in = s->number;
    track->heard = log->lost_bytes;
    if (e->seq) track->last_seq = RI_MAX(track->last_seq, e->seq - 1);
    if (e->last <= track->floor) return RILL_OK;
    track->floor = e->last;
    return ri_track_kill_range(track, 1, e->last - 1);
}

int ri_recover_removal(ri_log *log, const log_removal *r)
{
    /* A track that is gone may be declared nowhere: its number must not be used again while
     * something says that it is dead. */
    if (r->track >= log->next_track && r->track < UINT32_MAX) log->next_track = r->track + 1;
    if (r->gone) {
        log_segment *behind = ri_log_segment_at(log, r->last);
        if (behind) behind->prev = r->first;
        return RILL_OK;
    }
    ri_track *track = ri_track_by_number(log, r->track);
    if (!track) return RILL_OK;
    if (r->drop) {
        ri_track_forget(track);
        return RILL_OK;
    }
    track->last_seq = RI_MAX(track->last_seq, r->last);
    return ri_track_kill_range(track, r->first, r->last);
}

/* The segment has an older copy. The cleaner empties one at a time, so others were left. */
static void recover_stale(ri_log *log, log_segment *s)
{
    log_segment *other = log->stale ? ri_log_segment_at(log, log->stale) : NULL;
    if (other == s) return;
    if (other) {
        ri_removals_leave(log, other);
        ri_removals_leave(log, s);
    }
    log->stale = s->number;
}

/* A record whose older copy may be in the index: the newer place counts. */
static int recover_replace(ri_track *track, const log_place *p)
{
    uint32_t slot;
    log_run *run = ri_run_find(track, p->seq, &slot);
    if (!run) return 0;
    int rc = ri_run_load(track, run);
    if (rc < 0 || run->slots[slot] == 0) return rc;
    recover_stale(track->log, run->segment);
    uint64_t bytes = p->bytes;
    uint32_t room = (uint32_t)p->room;
    ri_segment_entry old; /* of a batch it may have been longer */
    if (track->opts.batches &&
        ri_track_peek(track->log, run->segment, run->slots[slot], &old) == 0 &&
        old.kind == RI_SEGMENT_KIND_BATCH)
        ri_track_share(track->log, &old, 0, &bytes, &room);
    track->count--;
    track->bytes -= RI_MIN(bytes, track->bytes);
    ri_run_kill(track, ri_run_after(track, p->seq), slot, bytes, room);
    return 1;
}

int ri_recover_place(ri_track *track, const log_place *p, ri_str subject)
{
    RI_ASSERT(p->n > 0 && p->segment);
    if (p->seq < track->floor) return RILL_OK;
    track->last_seq = RI_MAX(track->last_seq, p->seq + p->n - 1);
    int rc = RILL_OK, known = 0;
    if (track->opts.single_tail) {
        if (track->nruns && track->runs[0]->first_seq > p->seq) return RILL_OK;
    } else if ((known = recover_replace(track, p)) < 0) {
        return known;
    }
    if ((rc = ri_track_place(track, p)) < 0) return rc;
    track->count += p->n;
    track->bytes += p->bytes;
    return known ? RILL_OK : ri_footer_index(track, subject, p->seq);
}

static int recover_batch(ri_track *track, log_place *p, const ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_BATCH && e->seq <= e->last);
    uint64_t n = ri_track_batch_records(e);
    p->bytes = e->data.len / n;
    p->room = RI_ALIGN(e->length, 8) / n;
    for (; p->seq <= e->last; p->seq++) {
        int rc = ri_recover_place(track, p, RI_STR_NONE);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static int recover_record(recover *r, log_segment *s, uint32_t position,
                          const ri_segment_entry *e)
{
    RI_ASSERT(position < s->size);
    ri_log *log = r->log;
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) return RILL_OK;
    if (r->damaged && e->seq > track->last_seq + 1)
        ri_log_damage_at(log, s, &(ri_damage){.position = position, .track = track->id,
                         .first_seq = track->last_seq + 1, .last_seq = e->seq - 1},
                         "sequences %" PRIu64 " to %" PRIu64 " are lost", track->last_seq + 1,
                         e->seq - 1);
    log_place p = {.seq = e->seq, .n = 1, .segment = s, .position = position,
                   .subject = e->subject, .time_ns = e->time_ns,
                   .room = RI_ALIGN(e->length, 8)};
    if (e->kind == RI_SEGMENT_KIND_BATCH) {
        p.subject = RI_SEGMENT_NO_SUBJECT;
        p.time_ns = ri_track_batch_time(e->data);
        return recover_batch(track, &p, e);
    }
    ri_str subject = RI_STR_NONE;
    int rc = ri_names_get(log, s, e->subject, &subject);
    if (rc == RILL_ECORRUPT) {
        s->damaged = true;
        ri_log_damage_at(log, s, &(ri_damage){.position = position, .track = track->id,
                         .first_seq = e->seq, .last_seq = e->seq},
                         "sequence %" PRIu64 " has lost its subject: %s", e->seq, ri_err_text());
        track->last_seq = RI_MAX(track->last_seq, e->seq);
        return RILL_OK;
    }
    ri_record rec = {.subject = subject, .headers = e->headers, .data = e->data};
    p.bytes = ri_record_bytes(&rec, log->opts.counts_as_memory);
    return ri_recover_place(track, &p, subject);
}

static int recover_subject(ri_log *log, log_segment *s, uint32_t position,
                           const ri_segment_entry *e)
{
    if (e->subject > s->size / RI_SEGMENT_SUBJECT) return RILL_OK;
    int rc = ri_array_reserve(&log->host, &s->subjects, &s->cap_subjects, e->subject + 1,
                              sizeof *s->subjects);
    if (rc < 0) return rc;
    while (s->nsubjects <= e->subject) s->subjects[s->nsubjects++] = 0;
    s->subjects[e->subject] = position;
    return RILL_OK;
}

static int recover_touch(ri_log *log, log_segment *s, const ri_segment_entry *e)
{
    int rc = ri_recover_track(log, s, e);
    if (rc == 0)
        rc = ri_array_reserve(&log->host, &s->touched, &s->cap_touched, s->ntouched + 1,
                              sizeof *s->touched);
    if (rc == 0) s->touched[s->ntouched++] = e->track;
    return rc;
}

static int recover_remove(ri_log *log, log_segment *s, const ri_segment_entry *e)
{
    bool drop = e->kind == RI_SEGMENT_KIND_DROP;
    log_removal r = {.track = e->track, .drop = drop, .gone = e->kind == RI_SEGMENT_KIND_GONE,
                     .first = drop ? 0 : e->seq,
                     .last = drop ? 0 : e->last, .home = drop ? e->seq : e->id, .also = e->also};
    int rc = ri_array_reserve(&log->host, &s->removals, &s->cap_removals, s->nremovals + 1,
                              sizeof *s->removals);
    if (rc < 0) return rc;
    s->removals[s->nremovals++] = r;
    return ri_recover_removal(log, &r);
}

static int recover_floor(ri_log *log, const ri_segment_entry *e)
{
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) return RILL_OK;
    if (e->seq == 0) return RILL_OK;
    track->last_seq = RI_MAX(track->last_seq, e->seq - 1);
    if (e->kind == RI_SEGMENT_KIND_SKIP) {
        track->heard = log->lost_bytes;
        return RILL_OK;
    }
    track->floor = RI_MAX(track->floor, e->seq);
    return ri_track_kill_range(track, 1, e->seq - 1);
}

static int recover_entry(recover *r, log_segment *s, uint32_t position, const ri_segment_entry *e)
{
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD:
    case RI_SEGMENT_KIND_BATCH: return recover_record(r, s, position, e);
    case RI_SEGMENT_KIND_SUBJECT: return recover_subject(r->log, s, position, e);
    case RI_SEGMENT_KIND_TRACK: return recover_touch(r->log, s, e);
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE: return recover_floor(r->log, e);
    case RI_SEGMENT_KIND_REMOVE:
    case RI_SEGMENT_KIND_DROP:
    case RI_SEGMENT_KIND_GONE: return recover_remove(r->log, s, e);
    }
    return RILL_OK;
}

/* ---- Commits ---- */

static void recover_report_repair(ri_log *log, log_segment *s, uint32_t position)
{
    s->damaged = true;
    ri_log_damage_at(log, s, &(ri_damage){.position = position, .whole = true},
                     "a bit of the entry at %u is flipped: read as it was", position);
}

/* An entry of a commit that holds fails its own checksum; its length and checksum are good. */
static int recover_odd(recover *r, log_segment *s, uint32_t at, uint32_t end, ri_segment_entry *e)
{
    RI_ASSERT(at < end && end <= s->size);
    uint32_t bytes = ri_segment_u32(s->image + at + 4);
    /* What a record holds may have been erased, which can look like one flipped bit. */
    int kind = s->image[at + 8] & 255;
    if (kind == RI_SEGMENT_KIND_RECORD || kind == RI_SEGMENT_KIND_BATCH)
        bytes = RI_MIN(bytes, (uint32_t)RI_SEGMENT_RECORD);
    ri_seek seek; /* the part may stand in an earlier segment than the one at hand */
    ri_seek_init(&seek, &r->log->host, s->image, s->size, s->seed);
    if (ri_seek_mend(&seek, at, bytes)) {
        recover_report_repair(r->log, s, at);
        return ri_segment_read_entry(s->image + at, end - at, e);
    }
    if (ri_segment_read_entry(s->image + at, end - at, e) < 0)
        e->length = ri_segment_u32(s->image + at + 4);
    int rc = ri_lost_note(r->log, &r->lost, s, at, e);
    return rc < 0 ? rc : RILL_ENOENT;
}

static int recover_apply(recover *r, const recover_part *part)
{
    RI_ASSERT(part->segment && part->segment->image);
    log_segment *s = part->segment;
    uint32_t at = part->commit.position + RI_SEGMENT_COMMIT, end = at + part->commit.bytes;
    while (at < end) {
        ri_segment_entry e;
        int rc = part->whole
                     ? ri_segment_read_entry(s->image + at, end - at, &e)
                     : ri_segment_get_entry(s->image + at, end - at, s->seed, &e);
        if (rc == RILL_ECORRUPT) rc = recover_odd(r, s, at, end, &e);
        if (rc == 0) rc = recover_entry(r, s, at, &e);
        if (rc < 0 && rc != RILL_ENOENT) return rc;
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    return RILL_OK;
}

static int recover_flush_parts(recover *r)
{
    RI_ASSERT(r->nparts <= r->cap_parts);
    int rc = RILL_OK;
    for (uint32_t i = 0; rc == 0 && i < r->nparts; i++)
        rc = recover_apply(r, &r->parts[i]);
    r->nparts = 0;
    return rc;
}

/* Is there a header of this segment, not older than what was read, at the position? */
static bool recover_header(const recover *r, const log_segment *s, uint32_t at,
                           ri_segment_commit *c)
{
    RI_ASSERT(s->image);
    if ((uint64_t)at + RI_SEGMENT_COMMIT > s->size) return false;
    return ri_segment_fits_commit(s->image + at, s->number, at, s->size) &&
           ri_segment_get_commit(s->image + at, s->seed, c) == 0 && c->epoch >= r->epoch &&
           c->number > r->number && c->durable < c->number;
}

/* Does a newer commit stand there, or behind? Asked seldom. */
static bool recover_goes_on(const recover *r, uint32_t at)
{
    for (uint32_t i = r->seek.nmarks; i-- > 0 && r->seek.marks[i].position >= at;)
        if (r->seek.marks[i].number > r->number && r->seek.marks[i].epoch >= r->epoch) return true;
    return false;
}

/* Does anything further on say that the commit after the last one read was durable? */
static bool recover_evidence(recover *r, uint32_t at)
{
    return r->later[r->at] > r->number + 1 || r->noted > r->number ||
           ri_seek_claim(&r->seek, at, r->number + 1, r->epoch) ||
           ((r->log->suspect || r->log->segments[r->at]->missing) && recover_goes_on(r, at));
}

/* Entries between two positions, each for itself. Where one must begin, a flipped bit of its
 * checksum or length is set right. */
static int recover_pieces(recover *r, log_segment *s, uint32_t at, uint32_t end)
{
    RI_ASSERT(at <= end && end <= s->size);
    bool begins = true;
    while (at + RI_SEGMENT_ENTRY <= end) {
        ri_segment_entry e;
        bool whole = ri_seek_entry(&r->seek, at, end, &e);
        if (!whole && begins && ri_seek_mend_start(&r->seek, at, end) &&
            (whole = ri_seek_entry(&r->seek, at, end, &e)))
            recover_report_repair(r->log, s, at);
        begins = whole;
        if (!whole) {
            r->log->lost_bytes += 8;
            at += 8;
            continue;
        }
        int rc = recover_entry(r, s, at, &e);
        if (rc < 0) return rc;
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    if (r->seek.given_up)
        ri_log_damage_at(r->log, s, &(ri_damage){0},
                         "too much looks like damaged entries: not all was tried");
    r->seek.given_up = false;
    return RILL_OK;
}

static void recover_report_bytes(ri_log *log, log_segment *s, uint32_t at, uint32_t to, bool last)
{
    RI_ASSERT(at <= to);
    uint32_t end = to; /* behind the last byte nothing was written, or it is lost without trace */
    while (last && end > at + RI_SEGMENT_COMMIT && s->image[end - 1] == 0) end--;
    ri_log_damage_at(log, s, &(ri_damage){.position = at, .end = end},
                     "bytes %u to %u fail their checksum%s", at, end - 1,
                     last ? ": what was stored last is lost, in part or all" : "");
}

/* Bytes from `at` on are damaged: save what can be, and where to go on. */
static int recover_damage(recover *r, log_segment *s, uint32_t at, uint32_t *next)
{
    ri_log *log = r->log;
    ri_segment_commit c;
    bool newest = r->at + 1 == log->nsegments;
    bool header = recover_header(r, s, at, &c);
    uint32_t from = header ? at + RI_SEGMENT_COMMIT + c.bytes : at + 8;
    if (header) r->number = c.number;
    const ri_seek_mark *after = ri_seek_next(&r->seek, from, r->number, r->epoch);
    uint32_t to = after ? after->position : s->size;
    int rc = recover_flush_parts(r);
    if (rc < 0) return rc;
    recover_report_bytes(log, s, at, to, !after);
    r->damaged = s->damaged = true;
    /* What is stored from here on must show at the next opening that this was durable. */
    if (!after && newest) r->number = RI_MAX(r->number + 1, r->noted);
    rc = recover_pieces(r, s, at + (header ? RI_SEGMENT_COMMIT : 0), to);
    if (after) { /* take its word for the chain */
        r->number = after->number - 1;
        r->chain = ri_segment_u32(s->image + to + 52);
    }
    *next = to;
    return rc;
}

static int recover_commit(recover *r, log_segment *s, const ri_segment_commit *c, bool whole)
{
    r->number = c->number;
    r->chain = c->check;
    r->epoch = c->epoch;
    r->max_epoch = RI_MAX(r->max_epoch, c->epoch);
    r->durable = RI_MAX(r->durable, c->durable);
    if (c->entries) r->claimed = RI_MAX(r->claimed, c->durable); /* a mark comes before footers */
    r->log->marked = c->entries == 0 && c->durable + 1 == c->number;
    s->chain = c->check;
    s->last_commit = c->number;
    ri_log *log = r->log;
    int rc = ri_array_reserve(&log->host, &r->parts, &r->cap_parts, r->nparts + 1,
                              sizeof *r->parts);
    if (rc < 0) return rc;
    r->parts[r->nparts++] = (recover_part){s, *c, whole};
    return c->flags & RI_SEGMENT_MORE ? RILL_OK : recover_flush_parts(r);
}

static bool recover_entries_whole(const log_segment *s, const ri_segment_commit *c)
{
    uint32_t at = c->position + RI_SEGMENT_COMMIT, end = at + c->bytes;
    while (at < end) {
        ri_segment_entry e;
        if (ri_segment_get_entry(s->image + at, end - at, s->seed, &e) < 0) return false;
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    return true;
}

/* Did the commit that stands here go on where the file was cut off? */
static bool recover_cut_off(const recover *r, const log_segment *s, uint32_t at)
{
    ri_segment_commit c;
    return s->damaged && s->there < s->size && recover_header(r, s, at, &c) &&
           c.number == r->number + 1 && (uint64_t)at + RI_SEGMENT_COMMIT + c.bytes > s->there;
}

/* Is the commit that stands here the next one, and whole? Its entries may fail their checksums
 * only if it was durable once: then they were erased, or damaged later. */
static bool recover_good(recover *r, const log_segment *s, uint32_t at, ri_segment_commit *c,
                         bool *whole)
{
    RI_ASSERT(s->image && at >= RI_SEGMENT_HEAD);
    if (!recover_header(r, s, at, c) || c->number != r->number + 1 || c->prev != r->chain)
        return false;
    if (ri_segment_check_body(s->image + at + RI_SEGMENT_COMMIT, c) < 0) return false;
    *whole = recover_entries_whole(s, c);
    return *whole || recover_evidence(r, at + RI_SEGMENT_COMMIT + c->bytes);
}

/* Read the commits of a segment whose image is loaded. 1 if the log ends in it. */
static int recover_scan(recover *r, log_segment *s)
{
    RI_ASSERT(s->image && s->number != 0);
    uint32_t at = RI_SEGMENT_HEAD;
    r->damaged = false;
    for (;;) {
        ri_segment_commit c;
        bool whole, last = r->at + 1 == r->log->nsegments;
        const log_segment *later = last ? NULL : r->log->segments[r->at + 1];
        s->end = at;
        /* The next segment takes up here: what may still stand in this one was cut off once. */
        if (later && later->first_commit == r->number + 1 && later->first_chain == r->chain)
            return 0;
        if (recover_good(r, s, at, &c, &whole)) {
            int rc = recover_commit(r, s, &c, whole);
            if (rc < 0) return rc;
            at += RI_SEGMENT_COMMIT + c.bytes;
            continue;
        }
        /* Nothing is missing either when those between the two were cleaned away. */
        if (later && later->first_commit == r->number + 1) return 0;
        if (!recover_evidence(r, at) && !recover_cut_off(r, s, at)) {
            r->remains = recover_goes_on(r, at);
            return 1;
        }
        if (later && later->head_prev != s->number && later->number > s->number + 1 &&
            !ri_seek_next(&r->seek, at, r->number, r->epoch))
            return 0;
        int rc = recover_damage(r, s, at, &at);
        if (rc < 0) return rc;
        if (at >= s->size) return 0;
    }
}

/* ---- Segments ---- */

static void recover_progress(recover *r, uint64_t bytes)
{
    r->done_bytes += bytes;
    if (r->log->opts.progress)
        r->log->opts.progress(r->log->opts.arg, r->done_bytes, r->total_bytes);
}

static int recover_load(recover *r, log_segment *s)
{
    ri_log *log = r->log;
    if (!ri_space_image(log, s)) return RILL_ENOMEM;
    uint32_t done; /* less than it says: if the rest is missing, that will be reported */
    int rc = ri_space_read_some(log, s, s->image, s->size, 0, &done);
    if (rc == 0) memset(s->image + done, 0, s->size - done);
    return rc;
}

/* Put the names of the segment that goes on into the table. */
static int recover_names(ri_log *log, log_segment *s)
{
    ri_names_clear(log);
    for (uint32_t id = 0; id < s->nsubjects; id++) {
        if (s->subjects[id] == 0) continue;
        ri_str name;
        int rc = ri_names_get(log, s, id, &name);
        if (rc == 0) rc = ri_names_room(log);
        if (rc < 0) return rc;
        ri_names_add(log, (uint32_t)ri_hash(name), id, s->subjects[id]);
    }
    return RILL_OK;
}

/* What the footer of the segment that goes on would take, at most. */
static void recover_foot_need(ri_log *log, log_segment *s)
{
    RI_ASSERT(s == log->active || s->number != 0);
    uint64_t need = RI_SEGMENT_FOOT_HEAD + RI_SEGMENT_TAIL + 16;
    need += (uint64_t)s->ntouched * (RI_SEGMENT_FOOT_TRACK + RI_SEGMENT_FOOT_RUN);
    need += (uint64_t)s->nremovals * RI_SEGMENT_FOOT_REMOVE;
    for (uint32_t id = 0; id < s->nsubjects; id++) {
        ri_str name = RI_STR_NONE;
        if (s->subjects[id]) ri_names_get(log, s, id, &name);
        need += 4 + name.len;
    }
    ri_map_each(item, &log->tracks_by_number) {
        const ri_track *track = item;
        for (uint32_t i = 0; i < track->nruns; i++) {
            const log_run *run = track->runs[i];
            if (run->segment != s) continue;
            need += RI_SEGMENT_FOOT_RUN + (uint64_t)run->span * (track->index ? 8 : 4);
            if (track->index) need += (uint64_t)run->live * RI_SEGMENT_FOOT_SUM;
        }
    }
    s->foot_need = (uint32_t)RI_MIN(need, (uint64_t)s->size - s->end);
}

/* Power loss may have taken the end of a file that was being made. It is made whole before another
 * segment can follow it, as directory.c then takes a short one for damaged. Where the disk is full
 * it stays short, and is kept as it is if it gets full before the next opening. */
static void recover_lengthen(ri_log *log, log_segment *s)
{
    if (log->read_only || s->damaged || s->there >= s->size) return;
    int fd = ri_space_fd(log, s);
    if (fd >= 0 && log->os->allocate(log->os->arg, fd, s->size) >= 0) s->there = s->size;
}

/* A damaged segment goes on no more and gets no footer, so nothing would ever cover what is left
 * of a commit that was cut off. It would count again once the segments behind are cleaned away. */
static void recover_blank(log_segment *s)
{
    if (!s || !s->damaged) return;
    uint32_t end = RI_MIN(s->size - ri_segment_tail(s->version), s->there);
    while (end > s->end && s->image[end - 1] == 0) end--;
    if (end <= s->end) return;
    memset(s->image + s->end, 0, end - s->end);
    s->begin = end; /* the next job writes, and syncs, this before any newer segment */
}

/* The log ends in the segment at hand, or where a commit began that is not whole; `cut` if bytes
 * of one may follow. */
static int recover_end(recover *r, bool cut)
{
    RI_ASSERT(r->at < r->log->nsegments);
    ri_log *log = r->log;
    log_segment *s = log->segments[r->at];
    if (r->nparts) {
        cut = true;
        recover_part *first = &r->parts[0];
        s = first->segment;
        s->end = first->commit.position;
        r->number = first->commit.number - 1;
        r->chain = s->chain = first->commit.prev;
        s->last_commit = r->number;
        r->remains = true;
        r->nparts = 0;
        log->marked = false;
    }
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *later = log->segments[i];
        if (later->number <= s->number) continue;
        ri_space_drop_image(log, later);
        later->leftover = true;
    }
    s->sealed = s->damaged || s->version < RI_SEGMENT_VERSION; /* the old has no word for gone */
    s->begin = s->written = s->end;
    r->cut = cut && r->remains ? s : NULL;
    recover_lengthen(log, s);
    recover_foot_need(log, s);
    log->active = s;
    return recover_names(log, s);
}

static bool recover_has_trailer(ri_log *log, log_segment *s)
{
    char bytes[RI_SEGMENT_TRAILER];
    ri_segment_trailer t;
    return ri_space_read(log, s, bytes, sizeof bytes, s->size - RI_SEGMENT_TRAILER) == 0 &&
           ri_segment_get_trailer(bytes, log->id, &t) == 0 && t.number == s->number;
}

/* The segment is to be read commit by commit: a crash before its footer was written, or damage?
 * Footers are written in order, behind the commits of all segments. */
static void recover_report_footer(recover *r, log_segment *s)
{
    char bytes[RI_SEGMENT_TRAILER] = {0};
    ri_log *log = r->log;
    if (s->damaged || ri_space_read(log, s, bytes, sizeof bytes, s->size - RI_SEGMENT_TRAILER) < 0)
        return;
    static const char none[RI_SEGMENT_TRAILER];
    ri_segment_trailer t;
    bool blank = memcmp(bytes, none, sizeof none) == 0;
    bool whole = ri_segment_get_trailer(bytes, log->id, &t) == 0;
    if (whole && t.number != s->number) blank = true; /* of the file's earlier life */
    log_segment *next = r->at + 1 < log->nsegments ? log->segments[r->at + 1] : NULL;
    bool apart = next && next->head_prev != RI_SEGMENT_UNNAMED && next->head_prev > s->number;
    if (blank && !apart && (!next || !recover_has_trailer(log, next))) return;
    if (s->version == 1 && (blank || !whole)) return;
    if (blank && apart) { /* only behind a whole one were others cleaned away */
        s->missing = 1;
        s->damaged = true;
        ri_log_damage_at(log, s, &(ri_damage){.position = s->size - RI_SEGMENT_TRAILER,
                                              .end = s->size},
                         "the footer is missing: what was stored last may be lost");
        return;
    }
    uint32_t at = whole ? RI_MIN(t.position, t.names) : s->size - RI_SEGMENT_TRAILER;
    ri_log_damage_at(log, s, &(ri_damage){.position = at, .end = s->size, .whole = true},
                     "the footer is damaged; made anew from what the file holds");
}

/* The end of the file is damaged where the copy of the header stands. Before it there may have been
 * commits: what is behind the last looks like what was never written. */
static void recover_check_copy(ri_log *log, log_segment *s)
{
    if (s->damaged || s->version == 1) return;
    uint32_t at = s->size - RI_SEGMENT_TAIL;
    if (memcmp(s->image, s->image + at, RI_SEGMENT_HEAD) == 0) return;
    s->uncopied = !ri_directory_was_synced(log, s, s->image, s->size);
    if (s->uncopied) return; /* the power went before the first sync */
    s->missing = 1;
    s->damaged = true;
    ri_log_damage_at(log, s, &(ri_damage){.position = at, .end = at + RI_SEGMENT_HEAD},
                     "the copy of the header is damaged: what was stored last may be lost");
}

static int recover_segment(recover *r)
{
    RI_ASSERT(r->at < r->log->nsegments);
    ri_log *log = r->log;
    log_segment *s = log->segments[r->at];
    int rc = ri_footer_load(log, s);
    s->stored = rc == 0;
    if (rc == 0) rc = ri_footer_check(log, s);
    if (rc == 0) {
        s->sealed = true;
        s->written = s->begin = s->end;
        if ((rc = recover_flush_parts(r)) == 0) rc = ri_footer_apply(log, s);
        ri_cache_trim_all(log);
        r->number = s->last_commit;
        r->chain = s->chain;
        r->durable = RI_MAX(r->durable, s->last_commit);
        recover_progress(r, s->size);
        return rc;
    }
    ri_cache_drop_names(log, s);
    s->stored = false;
    if (rc != RILL_ECORRUPT) return rc;
    recover_report_footer(r, s);
    if ((rc = recover_load(r, s)) < 0) return rc;
    if (r->at == 0 || s->first_commit > r->number + 1) { /* what was before is cleaned away */
        r->number = s->first_commit - 1;
        r->chain = s->first_chain;
    }
    ri_seek_init(&r->seek, &log->host, s->image, s->size, s->seed);
    rc = ri_seek_marks(&r->seek, s->number);
    r->max_epoch = RI_MAX(r->max_epoch, r->seek.max_epoch);
    recover_check_copy(log, s);
    if (rc == 0) rc = recover_scan(r, s);
    ri_seek_fini(&r->seek);
    recover_progress(r, s->size);
    if (s->missing) log->lost_bytes += s->missing + s->size - RI_MIN(s->end, s->size);
    if (rc < 0) return rc;
    s->written = s->begin = s->end;
    s->sealed = true;
    if (rc == 1 || r->at + 1 == log->nsegments) {
        rc = recover_end(r, rc == 1);
        return rc < 0 ? rc : 1;
    }
    s->foot_need = s->size - s->end;
    return RILL_OK;
}

/* The file was read to its end, and what nothing was written to yet takes no memory. */
static void recover_give_back(ri_log *log)
{
    const log_segment *s = log->active;
    if (!s || !s->image || s->sealed || s->damaged) return;
    uint32_t end = s->size - RI_SEGMENT_TAIL;
    RI_ASSERT(s->end <= s->size);
    if (s->end < end) ri_host_give_back(&log->host, s->image + s->end, end - s->end);
}

/* ---- All of it ---- */

/* Of each segment, what those behind it say of the commits before them. */
static int recover_later(recover *r)
{
    const ri_log *log = r->log;
    uint64_t most = 0;
    r->later = ri_alloc(&log->host, ri_size_mul(log->nsegments + 1, sizeof *r->later));
    if (!r->later) return RILL_ENOMEM;
    for (uint32_t i = log->nsegments; i-- > 0;) {
        r->later[i] = most;
        most = RI_MAX(most, log->segments[i]->first_commit);
    }
    return RILL_OK;
}

static void recover_visible(ri_log *log)
{
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        track->visible_seq = track->last_seq;
    }
}

/* The end is taken for damage: more may have stood there. */
static int recover_suspect(recover *r)
{
    ri_log *log = r->log;
    bool again = r->remains && !log->suspect;
    log->suspect = true;
    if (!again) log->lost_bytes += log->active->size - log->active->end;
    return again ? RILL_EAGAIN : RILL_OK;
}

int ri_recover_all(ri_log *log)
{
    RI_ASSERT(log->opening && log->nsegments == 0);
    recover r = {.log = log};
    int rc = ri_directory_read(log, &r.max_epoch, &r.total_bytes);
    if (log->note.log_id != log->id) log->note = (ri_segment_note){0};
    r.noted = log->note.commit;
    if (rc == 0) rc = recover_later(&r);
    uint32_t nlater = log->nsegments;
    for (; rc == 0 && r.at < log->nsegments; r.at++) rc = recover_segment(&r);
    if (rc > 0) rc = RILL_OK;
    if (rc == 0) ri_lost_report(log, &r.lost);
    if (rc == 0 && r.lost.doubtful) rc = recover_suspect(&r);
    if (rc == 0) rc = ri_holes_check(log, r.remains);
    ri_free(&log->host, r.parts, r.cap_parts * sizeof *r.parts);
    ri_free(&log->host, r.lost.all, r.lost.cap * sizeof *r.lost.all);
    ri_free(&log->host, r.later, r.later ? (nlater + 1) * sizeof *r.later : 0);
    if (rc < 0) return rc;
    if (log->nsegments) log->next_segment = log->segments[log->nsegments - 1]->number + 1;
    log->next_segment = RI_MAX(log->next_segment, log->newest + 1);
    ri_holes_skip_lost(log);
    if (!log->active && log->nsegments) log->active = log->segments[log->nsegments - 1];
    /* What was durable, as the note says, may be gone with its file: its numbers are used. */
    log->next_commit = RI_MAX(r.number, r.noted) + 1;
    if (RI_MAX(log->next_commit, log->next_segment) > RI_SEGMENT_NUMBERS)
        ri_failure_keep(&log->fenced, ri_err(RILL_EFULL, "%s: the numbers of commits and segments "
                                             "are used up: it is only read", log->dir));
    log->chain = r.chain;
    log->epoch = r.max_epoch + 1;
    log->durable = RI_MIN(r.durable, r.number);
    recover_visible(log);
    if (log->active && log->active->damaged) log->active->sealed = true; /* found after its end */
    recover_blank(r.cut);
    recover_give_back(log);
    return ri_note_settle(log, r.claimed);
}
