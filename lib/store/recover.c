/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a log. Segments are taken in the order of their numbers; one with a whole footer costs
 * its directory, the others, usually the last one or two, are read commit by commit.
 *
 * Where no valid commit stands although one may be expected, either the log ends there (a commit
 * was being written when the power failed) or bytes were damaged later. A commit header tells up
 * to which commit all was durable when it was made, and a segment's header is written only when
 * the segment before it is safe. So: if anything further on says that the missing commit was
 * durable, it is *damage*: told, entries with good checksums are saved one by one, and reading
 * goes on behind it. If nothing says so, the log is *cut* there; segments further on are
 * leftovers, wiped before anything new is written.
 *
 * A commit of several parts counts from its last part on; until then the parts wait. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log_private.h"

enum { RECOVER_REPAIR_MAX = 4096 }; /* bytes of an entry of which each bit is tried */

typedef struct recover_part { /* of a commit whose last part was not seen yet */
    log_segment *segment;
    ri_segment_commit commit;
} recover_part;

typedef struct recover_lost { /* an entry of a whole commit that fails its own checksum */
    log_segment *segment;
    uint32_t position, track;
    uint64_t seq;
} recover_lost;

typedef struct recover {
    ri_log *log;
    uint32_t at;            /* index of the segment at hand */
    uint64_t number;        /* of the last commit read */
    uint32_t chain;         /* its check */
    uint32_t epoch;         /* its epoch */
    uint32_t max_epoch;     /* seen anywhere */
    uint64_t durable;       /* highest claim seen */
    bool damaged;           /* in the segment at hand, bytes were lost */
    recover_part *parts;
    uint32_t nparts, cap_parts;
    recover_lost *lost;     /* not known to be removed, which would mean: erased */
    uint32_t nlost, cap_lost;
    uint64_t done_bytes, total_bytes;
    int rc;                 /* of the walk over the directory */
} recover;

/* ---- Entries ---- */

int ri_recover_track(ri_log *log, log_segment *s, const ri_segment_entry *e)
{
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) {
        ri_track *old = ri_map_get(&log->tracks_by_id, ri_hash_u64(e->id), &e->id);
        if (old && old->number > e->track) return RILL_OK;
        if (old) ri_track_forget(old);
        ri_track_opts opts = {.subjects = e->flags & 1, .single_tail = e->flags & 2};
        int rc = ri_track_new(log, e->id, e->track, &opts, &track);
        if (rc < 0) return rc;
        track->born_in = s->number;
    }
    track->touched_in = s->number;
    track->last_seq = RI_MAX(track->last_seq, e->seq - 1);
    if (e->last <= track->floor) return RILL_OK;
    track->floor = e->last;
    return ri_track_kill_range(track, 1, e->last - 1);
}

int ri_recover_removal(ri_log *log, const log_removal *r)
{
    ri_track *track = ri_track_by_number(log, r->track);
    if (!track) return RILL_OK;
    if (r->drop) {
        ri_track_forget(track);
        return RILL_OK;
    }
    track->last_seq = RI_MAX(track->last_seq, r->last);
    return ri_track_kill_range(track, r->first, r->last);
}

/* A record whose older copy may be in the index: the newer place counts. */
static int recover_replace(ri_track *track, const log_place *p)
{
    uint32_t slot;
    log_run *run = ri_run_find(track, p->seq, &slot);
    if (!run) return 0;
    int rc = ri_run_load(track, run);
    if (rc < 0 || run->slots[slot] == 0) return rc;
    track->log->stale = run->segment->number;
    track->count--;
    track->bytes -= RI_MIN(p->bytes, track->bytes);
    ri_run_kill(track, ri_run_after(track, p->seq), slot, p->bytes, (uint32_t)p->room);
    return 1;
}

int ri_recover_place(ri_track *track, const log_place *p, ri_str subject)
{
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
    uint64_t n = e->last - e->seq + 1;
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
    ri_log *log = r->log;
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) return RILL_OK;
    if (r->damaged && e->seq > track->last_seq + 1)
        ri_log_damage(log, "%s/%08x.seg: of track %" PRIu64 " the sequences %" PRIu64 " to %" PRIu64
                      " are missing", log->dir, s->slot, track->id, track->last_seq + 1, e->seq - 1);
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
        ri_log_damage(log, "%s (track %" PRIu64 ", sequence %" PRIu64 ")", ri_err_text(),
                      track->id, e->seq);
        return RILL_OK;
    }
    ri_record rec = {.subject = subject, .headers = e->headers, .data = e->data};
    p.bytes = ri_record_bytes(&rec);
    return ri_recover_place(track, &p, subject);
}

static int recover_subject(ri_log *log, log_segment *s, uint32_t position,
                           const ri_segment_entry *e)
{
    if (e->subject > s->size / RI_SEGMENT_SUBJECT) return RILL_OK;
    int rc = ri_log_array(&log->host, &s->subjects, &s->cap_subjects, e->subject + 1,
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
        rc = ri_log_array(&log->host, &s->touched, &s->cap_touched, s->ntouched + 1,
                          sizeof *s->touched);
    if (rc == 0) s->touched[s->ntouched++] = e->track;
    return rc;
}

static int recover_remove(ri_log *log, log_segment *s, const ri_segment_entry *e)
{
    bool drop = e->kind == RI_SEGMENT_KIND_DROP;
    log_removal r = {.track = e->track, .drop = drop, .first = drop ? 0 : e->seq,
                     .last = drop ? 0 : e->last, .home = drop ? e->seq : e->id, .also = e->also};
    int rc = ri_log_array(&log->host, &s->removals, &s->cap_removals, s->nremovals + 1,
                          sizeof *s->removals);
    if (rc < 0) return rc;
    s->removals[s->nremovals++] = r;
    return ri_recover_removal(log, &r);
}

static int recover_floor(ri_log *log, const ri_segment_entry *e)
{
    ri_track *track = ri_track_by_number(log, e->track);
    if (!track) return RILL_OK;
    track->last_seq = RI_MAX(track->last_seq, e->seq - 1);
    if (e->kind == RI_SEGMENT_KIND_SKIP) return RILL_OK;
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
    case RI_SEGMENT_KIND_DROP: return recover_remove(r->log, s, e);
    }
    return RILL_OK;
}

/* ---- Commits ---- */

/* Remember an entry that cannot be read: erased, as a removal further on will say, or damaged. */
static int recover_note_lost(recover *r, log_segment *s, uint32_t position,
                             const ri_segment_entry *e)
{
    int rc = ri_log_array(&r->log->host, &r->lost, &r->cap_lost, r->nlost + 1, sizeof *r->lost);
    if (rc < 0) return rc;
    r->lost[r->nlost++] = (recover_lost){s, position, e->track, e->seq};
    ri_track *track = ri_track_by_number(r->log, e->track);
    if (track && e->seq == track->last_seq + 1) track->last_seq = e->seq;
    return RILL_OK;
}

static bool recover_is_removed(const recover_lost *lost, const log_segment *s)
{
    for (uint32_t i = 0; i < s->nremovals; i++) {
        const log_removal *r = &s->removals[i];
        if (r->track == lost->track && r->first <= lost->seq && lost->seq <= r->last) return true;
    }
    log_foot foot;
    if (!s->foot || ri_footer_view(s, &foot) < 0) return false;
    for (uint32_t i = 0; i < foot.nremovals; i++) {
        log_removal r;
        ri_footer_removal(&foot, i, &r);
        if (r.track == lost->track && r.first <= lost->seq && lost->seq <= r.last) return true;
    }
    return false;
}

/* Tell of the entries that nobody removed. */
static void recover_tell_lost(recover *r)
{
    ri_log *log = r->log;
    for (uint32_t i = 0; i < r->nlost; i++) {
        const recover_lost *lost = &r->lost[i];
        const ri_track *track = ri_track_by_number(log, lost->track);
        bool removed = !track || lost->seq < track->floor;
        for (uint32_t n = 0; n < log->nsegments && !removed; n++)
            removed = recover_is_removed(lost, log->segments[n]);
        if (removed) continue;
        lost->segment->damaged = true;
        ri_log_damage(log, "%s/%08x.seg: the record at %u fails its checksum: track %" PRIu64
                      ", sequence %" PRIu64, log->dir, lost->segment->slot, lost->position,
                      track->id, lost->seq);
    }
}

/* An entry that one flipped bit, among its first `bits`, keeps from being whole: set right. */
static bool recover_repair(char *in, size_t len, uint32_t seed, uint32_t bits)
{
    ri_segment_entry e;
    for (uint32_t bit = 0; bit < bits; bit++) {
        in[bit / 8] = (char)(in[bit / 8] ^ 1 << bit % 8);
        if (ri_segment_get_entry(in, len, seed, &e) == 0) return true;
        in[bit / 8] = (char)(in[bit / 8] ^ 1 << bit % 8);
    }
    return false;
}

static void recover_tell_repair(ri_log *log, log_segment *s, uint32_t position)
{
    s->damaged = true;
    ri_log_damage(log, "%s/%08x.seg: a bit of the entry at %u is flipped: read as it was", log->dir,
                  s->slot, position);
}

static int recover_apply(recover *r, log_segment *s, const ri_segment_commit *c)
{
    uint32_t at = c->position + RI_SEGMENT_COMMIT, end = at + c->bytes;
    while (at < end) {
        ri_segment_entry e;
        int rc = ri_segment_get_entry(s->image + at, end - at, s->seed, &e);
        if (rc == RILL_ECORRUPT) {
            uint32_t length = RI_MIN(ri_segment_u32(s->image + at + 4), end - at);
            /* What a record holds may have been erased, which can look like one flipped bit. */
            if ((s->image[at + 8] & 255) == RI_SEGMENT_KIND_RECORD)
                length = RI_MIN(length, (uint32_t)RI_SEGMENT_RECORD);
            if (length <= RECOVER_REPAIR_MAX &&
                recover_repair(s->image + at, end - at, s->seed, length * 8)) {
                recover_tell_repair(r->log, s, at);
                continue;
            }
            if (ri_segment_read_entry(s->image + at, end - at, &e) < 0)
                e.length = ri_segment_u32(s->image + at + 4);
            rc = recover_note_lost(r, s, at, &e);
        } else if (rc == 0) {
            rc = recover_entry(r, s, at, &e);
        }
        if (rc < 0) return rc;
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    return RILL_OK;
}

static int recover_flush_parts(recover *r)
{
    int rc = RILL_OK;
    for (uint32_t i = 0; rc == 0 && i < r->nparts; i++)
        rc = recover_apply(r, r->parts[i].segment, &r->parts[i].commit);
    r->nparts = 0;
    return rc;
}

/* Is there a header of this segment, not older than what was read, at the position? */
static bool recover_header(const recover *r, const log_segment *s, uint32_t at,
                           ri_segment_commit *c)
{
    if ((uint64_t)at + RI_SEGMENT_COMMIT > s->size) return false;
    if (ri_segment_u32(s->image + at) == 0) return false;
    return ri_segment_get_commit(s->image + at, s->seed, c) == 0 && c->segment == s->number &&
           c->position == at && c->epoch >= r->epoch && c->number > r->number &&
           c->bytes <= s->size - at - RI_SEGMENT_COMMIT;
}

/* The next header at or behind the position; s->size if none. */
static uint32_t recover_seek(const recover *r, const log_segment *s, uint32_t at,
                             ri_segment_commit *c)
{
    for (; at + RI_SEGMENT_COMMIT <= s->size; at += 8)
        if (recover_header(r, s, at, c)) return at;
    return s->size;
}

/* Does anything further on say that the commit after the last one read was durable? Notes the
 * epochs seen on the way, which new commits must exceed. */
static bool recover_evidence(recover *r, const log_segment *s, uint32_t at)
{
    uint64_t missing = r->number + 1;
    bool found = false;
    ri_segment_commit c;
    for (at = recover_seek(r, s, at, &c); at < s->size; at = recover_seek(r, s, at + 8, &c)) {
        if (c.durable >= missing) found = true;
        r->max_epoch = RI_MAX(r->max_epoch, c.epoch);
    }
    for (uint32_t i = r->at + 1; i < r->log->nsegments; i++) {
        const log_segment *later = r->log->segments[i];
        if (later->first_commit > missing || later->stored) found = true;
    }
    return found;
}

/* Entries between two positions, each for itself. Where one must begin, a flipped bit of its
 * checksum or length is set right. */
static int recover_pieces(recover *r, log_segment *s, uint32_t at, uint32_t end)
{
    bool begins = true;
    while (at + RI_SEGMENT_ENTRY <= end) {
        ri_segment_entry e;
        int rc = ri_segment_get_entry(s->image + at, end - at, s->seed, &e);
        if (rc < 0 && begins && recover_repair(s->image + at, end - at, s->seed, 64)) {
            recover_tell_repair(r->log, s, at);
            continue;
        }
        begins = rc == 0;
        if (rc < 0) {
            at += 8;
            continue;
        }
        if ((rc = recover_entry(r, s, at, &e)) < 0) return rc;
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    return RILL_OK;
}

/* Bytes from `at` on are damaged: save what can be, and where to go on. */
static int recover_damage(recover *r, log_segment *s, uint32_t at, uint32_t *next)
{
    ri_log *log = r->log;
    ri_segment_commit c, after;
    bool header = recover_header(r, s, at, &c);
    uint32_t from = header ? at + RI_SEGMENT_COMMIT + c.bytes : at + 8;
    if (header) r->number = c.number;
    uint32_t to = recover_seek(r, s, from, &after);
    int rc = recover_flush_parts(r);
    if (rc < 0) return rc;
    if (to < s->size)
        ri_log_damage(log, "%s/%08x.seg: bytes %u to %u fail their checksum (before commit %" PRIu64
                      ")", log->dir, s->slot, at, to - 1, after.number);
    else
        ri_log_damage(log, "%s/%08x.seg: bytes from %u on fail their checksum (after commit %"
                      PRIu64 ")", log->dir, s->slot, at, r->number);
    r->damaged = s->damaged = true;
    rc = recover_pieces(r, s, at + (header ? RI_SEGMENT_COMMIT : 0), to);
    if (to < s->size) { /* take its word for the chain */
        r->number = after.number - 1;
        r->chain = after.prev;
    }
    *next = to;
    return rc;
}

static int recover_commit(recover *r, log_segment *s, const ri_segment_commit *c)
{
    r->number = c->number;
    r->chain = c->check;
    r->epoch = c->epoch;
    r->max_epoch = RI_MAX(r->max_epoch, c->epoch);
    r->durable = RI_MAX(r->durable, c->durable);
    r->log->marked = c->entries == 0 && c->durable + 1 == c->number;
    s->chain = c->check;
    s->last_commit = c->number;
    ri_log *log = r->log;
    int rc = ri_log_array(&log->host, &r->parts, &r->cap_parts, r->nparts + 1, sizeof *r->parts);
    if (rc < 0) return rc;
    r->parts[r->nparts++] = (recover_part){s, *c};
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

/* Is the commit that stands here the next one, and whole? Its entries may fail their checksums
 * only if it was durable once: then they were erased, or damaged later. */
static bool recover_good(recover *r, const log_segment *s, uint32_t at, ri_segment_commit *c)
{
    if (!recover_header(r, s, at, c) || c->number != r->number + 1 || c->prev != r->chain)
        return false;
    if (ri_segment_check_body(s->image + at + RI_SEGMENT_COMMIT, c) < 0) return false;
    return recover_entries_whole(s, c) ||
           recover_evidence(r, s, at + RI_SEGMENT_COMMIT + c->bytes);
}

/* Read the commits of a segment whose image is loaded. 1 if the log ends in it. */
static int recover_scan(recover *r, log_segment *s)
{
    uint32_t at = RI_SEGMENT_HEAD;
    r->damaged = false;
    for (;;) {
        ri_segment_commit c;
        bool last = r->at + 1 == r->log->nsegments;
        const log_segment *later = last ? NULL : r->log->segments[r->at + 1];
        s->end = at;
        /* The next segment takes up here: what may still stand in this one was cut off once. */
        if (later && later->first_commit == r->number + 1 && later->first_chain == r->chain)
            return 0;
        if (recover_good(r, s, at, &c)) {
            int rc = recover_commit(r, s, &c);
            if (rc < 0) return rc;
            at += RI_SEGMENT_COMMIT + c.bytes;
            continue;
        }
        /* Nothing is missing either when those between the two were cleaned away. */
        if (later && later->first_commit == r->number + 1) return 0;
        if (!recover_evidence(r, s, at)) return 1;
        if (later && later->number > s->number + 1 && recover_seek(r, s, at, &c) == s->size)
            return 0;
        int rc = recover_damage(r, s, at, &at);
        if (rc < 0) return rc;
        if (at >= s->size) return 0;
    }
}

/* ---- Segments ---- */

static void recover_tell(recover *r, uint64_t bytes)
{
    r->done_bytes += bytes;
    if (r->log->opts.progress)
        r->log->opts.progress(r->log->opts.arg, r->done_bytes, r->total_bytes);
}

static int recover_load(recover *r, log_segment *s)
{
    ri_log *log = r->log;
    s->image = ri_space_image(log, s->size);
    if (!s->image) return RILL_ENOMEM;
    memset(s->image, 0, s->size);
    int fd = ri_space_fd(log, s);
    if (fd < 0) return fd;
    for (uint32_t done = 0; done < s->size;) {
        ssize_t n = log->os->pread(log->os->arg, fd, s->image + done, s->size - done, done);
        if (n < 0)
            return ri_err_os(RILL_EIO, (int)-n, "read %s/%08x.seg at %u", log->dir, s->slot, done);
        if (n == 0) break; /* shorter than it says: the rest is missing, which will be told */
        done += (uint32_t)n;
    }
    return RILL_OK;
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
        ri_names_add(log, ri_hash(name), id, s->subjects[id]);
    }
    return RILL_OK;
}

/* What the footer of the segment that goes on would take, at most. */
static void recover_foot_need(ri_log *log, log_segment *s)
{
    uint64_t need = RI_SEGMENT_FOOT_HEAD + RI_SEGMENT_TRAILER + 16;
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

/* The log ends in the segment at hand, or where a commit began that is not whole. */
static int recover_end(recover *r)
{
    ri_log *log = r->log;
    log_segment *s = log->segments[r->at];
    if (r->nparts) {
        recover_part *first = &r->parts[0];
        s = first->segment;
        s->end = first->commit.position;
        r->number = first->commit.number - 1;
        r->chain = s->chain = first->commit.prev;
        s->last_commit = r->number;
        r->nparts = 0;
        log->marked = false;
    }
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *later = log->segments[i];
        if (later->number <= s->number) continue;
        ri_space_drop_image(log, later);
        later->leftover = true;
    }
    s->sealed = s->damaged;
    s->begin = s->written = s->end;
    recover_foot_need(log, s);
    log->active = s;
    return recover_names(log, s);
}

static int recover_segment(recover *r)
{
    ri_log *log = r->log;
    log_segment *s = log->segments[r->at];
    int rc = ri_footer_load(log, s);
    if (rc == RILL_ENOMEM || rc == RILL_EIO) return rc;
    if (rc == 0) {
        s->stored = s->sealed = true;
        s->written = s->begin = s->end;
        if ((rc = recover_flush_parts(r)) == 0) rc = ri_footer_apply(log, s);
        if (rc != RILL_ECORRUPT) {
            r->number = s->last_commit;
            r->chain = s->chain;
            r->durable = RI_MAX(r->durable, s->last_commit);
            recover_tell(r, s->size);
            return rc;
        }
        ri_log_damage(log, "%s", ri_err_text());
        s->stored = false;
    }
    if ((rc = recover_load(r, s)) < 0) return rc;
    if (r->at == 0 || s->first_commit > r->number + 1) { /* what was before is cleaned away */
        r->number = s->first_commit - 1;
        r->chain = s->first_chain;
    }
    rc = recover_scan(r, s);
    recover_tell(r, s->size);
    if (rc < 0) return rc;
    s->written = s->begin = s->end;
    s->sealed = true;
    if (rc == 1 || r->at + 1 == log->nsegments) {
        rc = recover_end(r);
        return rc < 0 ? rc : 1;
    }
    s->foot_need = s->size - s->end;
    return RILL_OK;
}

/* ---- The directory ---- */

static bool recover_is_spare(const char *head)
{
    int zeros = 0;
    for (int i = 0; i < RI_SEGMENT_HEAD; i++) zeros += head[i] == 0;
    return zeros >= RI_SEGMENT_HEAD - 8;
}

/* The segment header is damaged. One flipped bit is found by trying; else the header of the first
 * commit says the number, if another segment has told the id of the log. */
static int recover_identify(ri_log *log, log_segment *s, const char *bytes, ri_segment_head *head)
{
    char copy[RI_SEGMENT_HEAD];
    memcpy(copy, bytes, sizeof copy);
    for (unsigned bit = 0; bit < RI_SEGMENT_HEAD * 8; bit++) {
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (ri_segment_get_head(copy, head) == 0 && (!log->id || head->log_id == log->id)) return 0;
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
    }
    ri_segment_commit c;
    uint64_t number = ri_segment_u64(bytes + RI_SEGMENT_HEAD + 8);
    uint32_t seed = ri_segment_seed(log->id, number);
    if (!log->id || ri_segment_get_commit(bytes + RI_SEGMENT_HEAD, seed, &c) < 0) return -1;
    *head = (ri_segment_head){.log_id = log->id, .number = number, .size = s->size,
                              .first_commit = c.number, .chain = c.prev, .epoch = c.epoch};
    return 0;
}

static int recover_take_spare(ri_log *log, log_segment *s)
{
    int rc = ri_log_array(&log->host, &log->spares, &log->cap_spares,
                          log->nspares + RI_LOG_SPARES_MAX + 1, sizeof *log->spares);
    if (rc < 0) ri_space_free_segment(log, s);
    else log->spares[log->nspares++] = s;
    return rc;
}

/* Spares beyond what is kept, or of another size, go: once the directory has been read. */
static void recover_trim_spares(ri_log *log)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < log->nspares; i++) {
        log_segment *s = log->spares[i];
        if (s->size == log->segment_bytes && kept < RI_LOG_SPARES_MAX) {
            log->spares[kept++] = s;
            continue;
        }
        char path[4096];
        if (!log->read_only && ri_space_path(log, s->slot, path, sizeof path) == 0)
            log->os->unlink(log->os->arg, path);
        ri_space_free_segment(log, s);
    }
    log->nspares = kept;
}

static int recover_insert(ri_log *log, log_segment *s)
{
    int rc = ri_log_array(&log->host, &log->segments, &log->cap_segments, log->nsegments + 1,
                          sizeof *log->segments);
    if (rc < 0) {
        ri_space_free_segment(log, s);
        return rc;
    }
    uint32_t at = log->nsegments++;
    for (; at > 0 && log->segments[at - 1]->number > s->number; at--)
        log->segments[at] = log->segments[at - 1];
    log->segments[at] = s;
    return RILL_OK;
}

/* Look at one file. Those whose header is damaged wait for a second round, when the id of the
 * log is known: RILL_EAGAIN. */
static int recover_file(recover *r, uint32_t slot, bool second)
{
    ri_log *log = r->log;
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->slot = slot;
    s->size = UINT32_MAX;
    int fd = ri_space_fd(log, s);
    int64_t size = fd < 0 ? fd : log->os->size(log->os->arg, fd);
    char bytes[RI_SEGMENT_HEAD + RI_SEGMENT_COMMIT] = {0};
    ri_segment_head head;
    int rc = fd < 0 ? fd : size < 0 ? ri_err_os(RILL_EIO, (int)-size, "size of %08x.seg", slot) : 0;
    if (rc == 0 && size >= (int64_t)sizeof bytes) rc = ri_space_read(log, s, bytes, sizeof bytes, 0);
    s->size = (uint32_t)RI_MIN(size, INT32_MAX);
    if (rc == 0 && recover_is_spare(bytes)) return recover_take_spare(log, s);
    if (rc == 0) rc = ri_segment_get_head(bytes, &head);
    if (rc == RILL_ENOTSUP) ri_err_wrap(rc, "%s/%08x.seg", log->dir, slot);
    if (rc == RILL_ECORRUPT) {
        rc = second && recover_identify(log, s, bytes, &head) == 0 ? RILL_OK : RILL_EAGAIN;
        if (second)
            ri_log_damage(log, "%s/%08x.seg: the segment header is damaged%s", log->dir, slot,
                          rc ? ", and nothing tells which segment it is: left out" : "");
        s->damaged = true;
    } else if (rc == 0 && log->id && head.log_id != log->id) {
        ri_log_damage(log, "%s/%08x.seg belongs to another log: left out", log->dir, slot);
        rc = RILL_EAGAIN;
    }
    if (rc == 0 && (head.size > INT32_MAX || head.size < RI_LOG_SEGMENT_MIN))
        rc = ri_err(RILL_ECORRUPT, "%s/%08x.seg: a size of %" PRIu64, log->dir, slot, head.size);
    if (rc < 0) {
        ri_space_free_segment(log, s);
        return rc;
    }
    log->id = head.log_id;
    s->number = head.number;
    s->size = (uint32_t)head.size;
    s->seed = ri_segment_seed(log->id, s->number);
    s->first_commit = head.first_commit;
    s->first_chain = head.chain;
    r->max_epoch = RI_MAX(r->max_epoch, head.epoch);
    if (ri_log_segment_at(log, s->number)) {
        ri_log_damage(log, "%s/%08x.seg: segment %" PRIu64 " is there twice: left out", log->dir,
                      slot, s->number);
        ri_space_free_segment(log, s);
        return RILL_OK;
    }
    r->total_bytes += s->size;
    return recover_insert(log, s);
}

typedef struct recover_list {
    recover *r;
    uint32_t *again; /* slots of files with a damaged header */
    uint32_t nagain, cap_again;
} recover_list;

static int recover_name(void *arg, const char *name)
{
    recover_list *list = arg;
    ri_log *log = list->r->log;
    unsigned slot;
    char tail;
    if (strlen(name) != 12 || sscanf(name, "%8x.se%c", &slot, &tail) != 2 || tail != 'g')
        return 0;
    log->next_slot = RI_MAX(log->next_slot, slot + 1);
    int rc = recover_file(list->r, slot, false);
    if (rc == RILL_EAGAIN) {
        rc = ri_log_array(&log->host, &list->again, &list->cap_again, list->nagain + 1,
                          sizeof *list->again);
        if (rc == 0) list->again[list->nagain++] = slot;
    }
    list->r->rc = rc;
    return rc;
}

static int recover_directory(recover *r)
{
    ri_log *log = r->log;
    recover_list list = {.r = r};
    uint64_t id = log->id;
    log->id = 0;
    int os_rc = log->os->list(log->os->arg, log->dir, recover_name, &list);
    int rc = r->rc;
    if (rc == 0 && os_rc < 0) rc = ri_err_os(RILL_EIO, -os_rc, "list %s", log->dir);
    for (uint32_t i = 0; rc == 0 && i < list.nagain; i++) {
        rc = recover_file(r, list.again[i], true);
        if (rc == RILL_EAGAIN) rc = RILL_OK;
    }
    ri_free(&log->host, list.again, list.cap_again * sizeof *list.again);
    if (rc == 0) recover_trim_spares(log);
    if (log->nsegments == 0) log->id = id;
    return rc;
}

static void recover_visible(ri_log *log)
{
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        track->visible_seq = track->last_seq;
    }
}

int ri_recover_all(ri_log *log)
{
    recover r = {.log = log};
    int rc = recover_directory(&r);
    for (; rc == 0 && r.at < log->nsegments; r.at++) rc = recover_segment(&r);
    if (rc > 0) rc = RILL_OK;
    if (rc == 0) recover_tell_lost(&r);
    ri_free(&log->host, r.parts, r.cap_parts * sizeof *r.parts);
    ri_free(&log->host, r.lost, r.cap_lost * sizeof *r.lost);
    if (rc < 0) return rc;
    if (log->nsegments) log->next_segment = log->segments[log->nsegments - 1]->number + 1;
    if (!log->active && log->nsegments) log->active = log->segments[log->nsegments - 1];
    log->next_commit = r.number + 1;
    log->chain = r.chain;
    log->epoch = r.max_epoch + 1;
    log->durable = RI_MIN(r.durable, r.number);
    recover_visible(log);
    return RILL_OK;
}

/* ---- A run whose stored slots are damaged ---- */

static void recover_run_entry(const ri_track *track, log_run *run, uint32_t at,
                              const ri_segment_entry *e)
{
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
        run->slots[seq - run->first_seq] = put ? at : 0;
        if (run->subjects)
            run->subjects[seq - run->first_seq] =
                e->kind == RI_SEGMENT_KIND_RECORD ? e->subject : RI_SEGMENT_NO_SUBJECT;
    }
}

int ri_recover_run(ri_log *log, ri_track *track, log_run *run)
{
    log_segment *s = run->segment;
    ri_log_damage(log, "%s/%08x.seg: positions of track %" PRIu64 ", sequences %" PRIu64 " to %"
                  PRIu64 ", at %u fail their checksum; found again by reading the segment",
                  log->dir, s->slot, track->id, run->first_seq, run->first_seq + run->span - 1,
                  run->stored_at);
    char *bytes = ri_alloc(&log->host, s->size);
    int rc = bytes ? ri_space_read(log, s, bytes, s->end, 0) : RILL_ENOMEM;
    memset(run->slots, 0, run->span * sizeof *run->slots);
    for (uint32_t at = RI_SEGMENT_HEAD; rc == 0 && at + RI_SEGMENT_ENTRY <= s->end;) {
        ri_segment_entry e;
        if (ri_segment_get_entry(bytes + at, s->end - at, s->seed, &e) == 0) {
            recover_run_entry(track, run, at, &e);
            at += (uint32_t)RI_ALIGN(e.length, 8);
        } else {
            at += 8;
        }
    }
    ri_free(&log->host, bytes, s->size);
    run->live = 0;
    run->head = run->span;
    for (uint32_t i = 0; rc == 0 && i < run->span; i++) {
        if (run->slots[i] == 0) continue;
        run->head = RI_MIN(run->head, i);
        run->last = i;
        run->live++;
    }
    run->dirty = true;
    if (rc == 0 && run->live == 0)
        rc = ri_err(RILL_ECORRUPT, "%s/%08x.seg: no record of track %" PRIu64 " is left", log->dir,
                    s->slot, track->id);
    return rc;
}
