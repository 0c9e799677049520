/* SPDX-License-Identifier: Apache-2.0 */
/* Reading everything to find damage before a reader does. What fails its checksum and is dead
 * was erased, or does not matter. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { SCRUB_SLICE = 1 << 18 };

typedef struct log_piece { /* of a footer */
    uint32_t at, len, crc;
    const char *what;      /* if it is damaged */
} log_piece;

static bool scrub_is_live(const ri_log *log, const log_segment *s, const ri_segment_entry *e,
                          uint32_t position)
{
    ri_track *track = ri_track_by_number(log, e->track);
    uint32_t slot;
    log_run *run = track ? ri_run_find(track, e->seq, &slot) : NULL;
    if (!run || run->segment != s || ri_run_load(track, run) < 0) return false;
    return run->slots[slot] == position;
}

/* To whoever asked goes what is known, too; to the log's listener what is new. What is not kept
 * is passed on at once. */
static void scrub_pass_on(void *arg, const ri_damage *damage)
{
    ri_scrub *scrub = arg;
    scrub->damages++;
    if (scrub->damage) scrub->damage(scrub->arg, damage);
}

static void scrub_report(ri_log *log, ri_scrub *scrub, const log_segment *s, ri_damage *damage,
                         const char *what)
{
    char sentence[RI_ERROR_TEXT_MAX], path[RI_ERROR_TEXT_MAX];
    if (!ri_log_damage_at(log, s, damage, "%s", what) || log->nknown < RI_LOG_KNOWN_MAX) return;
    snprintf(path, sizeof path, "%s/%08x.seg", log->dir, s->slot);
    snprintf(sentence, sizeof sentence, "%s: %s", path, what);
    damage->file = path;
    damage->sentence = sentence;
    scrub_pass_on(scrub, damage);
}

/* Bytes of which no record is known. */
static void scrub_report_part(ri_log *log, ri_scrub *scrub, const log_segment *s, uint32_t from,
                              uint32_t to, const char *what)
{
    RI_ASSERT(from <= to); /* the same: the file as a whole */
    if (ri_damage_covers(log, s, from)) return;
    scrub_report(log, scrub, s, &(ri_damage){.position = from, .end = to}, what);
}

static void scrub_report_entry(ri_log *log, ri_scrub *scrub, const log_segment *s,
                               uint32_t position,
                               const ri_segment_entry *e)
{
    char what[RI_ERROR_TEXT_MAX];
    const ri_track *track = ri_track_by_number(log, e->track);
    ri_damage damage = {.position = position, .end = position + e->length, .record = true,
                        .track = track ? track->id : 0,
                        .first_seq = e->seq, .last_seq = RI_MAX(e->last, e->seq)};
    snprintf(what, sizeof what, "sequence %" PRIu64 ", at %u, fails its checksum", e->seq,
             position);
    if (!ri_damage_covers(log, s, position))
        scrub_report(log, scrub, s, &damage, what);
}

/* The track's live records that stand in these bytes: from the first to the last. */
static void scrub_find(ri_track *track, const log_segment *s, uint32_t from, uint32_t to,
                       ri_damage *damage)
{
    RI_ASSERT(from <= to);
    for (uint32_t at = 0; at < track->nruns; at++) {
        log_run *run = track->runs[at];
        if (run->segment != s || ri_run_load(track, run) < 0) continue;
        for (uint32_t i = run->head; i <= run->last; i++) {
            if (run->slots[i] < from || run->slots[i] >= to) continue;
            if (!damage->first_seq) damage->first_seq = run->first_seq + i;
            damage->last_seq = run->first_seq + i;
        }
    }
}

/* Of each track the live records that stand in these bytes, which look all alike. */
static void scrub_report_bytes(ri_log *log, ri_scrub *scrub, log_segment *s, uint32_t from,
                               uint32_t to)
{
    RI_ASSERT(from <= to);
    char what[RI_ERROR_TEXT_MAX];
    bool reported = false;
    if (ri_damage_covers(log, s, from)) return;
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        ri_damage damage = {.position = from, .end = to, .track = track->id};
        scrub_find(track, s, from, to, &damage);
        if (!damage.first_seq) continue;
        snprintf(what, sizeof what, "bytes %u to %u fail their checksum: sequences %" PRIu64 " to %"
                 PRIu64, from, to - 1, damage.first_seq, damage.last_seq);
        scrub_report(log, scrub, s, &damage, what);
        reported = true;
    }
    if (reported) return;
    snprintf(what, sizeof what, "bytes %u to %u fail their checksum; no live record is in them",
             from, to - 1);
    scrub_report(log, scrub, s, &(ri_damage){.position = from, .end = to}, what);
}

/* An entry fails its checksum: so may what it says of itself, but the index knows what stands
 * there. */
static void scrub_odd(ri_log *log, ri_scrub *scrub, log_segment *s, const char *entry,
                      uint32_t size, uint32_t position)
{
    ri_segment_entry e;
    uint32_t length = ri_segment_u32(entry + 4);
    bool read = ri_segment_read_entry(entry, size, &e) == 0;
    if (read && scrub_is_live(log, s, &e, position))
        scrub_report_entry(log, scrub, s, position, &e);
    else if (!ri_segment_is_erased(entry, length))
        scrub_report_bytes(log, scrub, s, position, position + length);
}

static void scrub_entries(ri_log *log, ri_scrub *scrub, log_segment *s, const char *body,
                          const ri_segment_commit *c)
{
    for (uint32_t at = 0; at < c->bytes;) {
        ri_segment_entry e;
        uint32_t position = c->position + RI_SEGMENT_COMMIT + at;
        if (ri_segment_get_entry(body + at, c->bytes - at, s->seed, &e) < 0)
            scrub_odd(log, scrub, s, body + at, c->bytes - at, position);
        at += (uint32_t)RI_ALIGN(ri_segment_u32(body + at + 4), 8);
    }
}

static bool scrub_is_commit(const log_segment *s, const char *head, uint32_t position,
                            ri_segment_commit *c)
{
    return ri_segment_get_commit(head, s->seed, c) == 0 && c->position == position &&
           c->segment == s->number && c->bytes <= s->size - position - RI_SEGMENT_COMMIT;
}

/* Where the next whole commit header stands behind `from`, or the end of the commits. */
static int64_t scrub_seek(ri_log *log, log_segment *s, uint32_t from)
{
    RI_ASSERT(from <= s->size);
    char *bytes = ri_alloc(&log->host, s->written);
    if (!bytes) return RILL_ENOMEM;
    int rc = ri_space_read_around(log, s, bytes, s->written, 0);
    uint32_t at = from;
    ri_segment_commit c;
    while (rc == 0 && at + RI_SEGMENT_COMMIT <= s->written &&
           !scrub_is_commit(s, bytes + at, at, &c))
        at += 8;
    if (at + RI_SEGMENT_COMMIT > s->written) at = s->written;
    ri_free(&log->host, bytes, s->written);
    return rc < 0 ? rc : (int64_t)at;
}

/* One commit: its size, 0 at the segment's end, or a code. */
static int64_t scrub_commit(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    RI_ASSERT(scrub->position >= RI_SEGMENT_HEAD);
    char head[RI_SEGMENT_COMMIT];
    ri_segment_commit c;
    uint32_t position = scrub->position;
    if (position + RI_SEGMENT_COMMIT > s->written) return 0;
    int rc = ri_space_read_around(log, s, head, sizeof head, position);
    if (rc < 0) return rc;
    if (!scrub_is_commit(s, head, position, &c)) {
        int64_t to = scrub_seek(log, s, position + 8);
        if (to > 0) scrub_report_bytes(log, scrub, s, position, (uint32_t)to);
        return to < 0 ? to : to - position;
    }
    char *body = ri_alloc(&log->host, c.bytes ? c.bytes : 1);
    if (!body) return RILL_ENOMEM;
    rc = c.bytes ? ri_space_read_around(log, s, body, c.bytes, c.position + RI_SEGMENT_COMMIT) : 0;
    if (rc == 0 && ri_segment_check_body(body, &c) < 0)
        scrub_report_bytes(log, scrub, s, position, position + RI_SEGMENT_COMMIT + c.bytes);
    else if (rc == 0)
        scrub_entries(log, scrub, s, body, &c);
    ri_free(&log->host, body, c.bytes ? c.bytes : 1);
    return rc < 0 ? rc : (int64_t)RI_SEGMENT_COMMIT + c.bytes;
}

/* Bytes of the footer that have a checksum of their own. */
static int scrub_sum(ri_log *log, ri_scrub *scrub, log_segment *s, const log_piece *piece)
{
    if (piece->at > s->size || piece->len > s->size - piece->at)
        return RILL_OK; /* reported at opening */
    char *bytes = ri_alloc(&log->host, piece->len + 1);
    int rc = bytes ? ri_space_read_around(log, s, bytes, piece->len, piece->at) : RILL_ENOMEM;
    if (rc == 0 && ri_crc32c(s->seed, bytes, piece->len) != piece->crc)
        scrub_report_part(log, scrub, s, piece->at, piece->at + piece->len, piece->what);
    ri_free(&log->host, bytes, piece->len + 1);
    return rc;
}

static int scrub_directory(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    log_foot foot;
    int rc = ri_footer_load(log, s);
    if (rc == 0) rc = ri_footer_view(s, &foot);
    if (rc == RILL_ECORRUPT || rc == RILL_EIO) return RILL_OK; /* it was reported */
    if (rc == 0)
        rc = scrub_sum(log, scrub, s, &(log_piece){foot.names_at, foot.names_len, foot.names_crc,
                                                   "the names of subjects are damaged"});
    for (uint32_t i = 0; rc == 0 && i < foot.nruns; i++) {
        const char *run = foot.runs + (size_t)i * RI_SEGMENT_FOOT_RUN;
        uint32_t len = ri_segment_u32(run + 4) * (ri_segment_u32(run + 24) & 2 ? 8 : 4);
        rc = scrub_sum(log, scrub, s, &(log_piece){ri_segment_u32(run + 20), len,
                                                   ri_segment_u32(run + 28),
                                                   "the positions of records are damaged"});
    }
    return rc;
}

static int scrub_footer(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    if (!s->stored) return RILL_OK;
    char trailer[RI_SEGMENT_TRAILER];
    ri_segment_trailer t;
    uint32_t at = s->size - RI_SEGMENT_TRAILER;
    int rc = ri_space_read_around(log, s, trailer, sizeof trailer, at);
    if (rc < 0) return rc;
    bool good = ri_segment_get_trailer(trailer, log->id, &t) == 0 && t.number == s->number &&
                (uint64_t)t.position + t.head_bytes + ri_segment_tail(s->version) == s->size;
    if (!good) {
        scrub_report_part(log, scrub, s, at, s->size, "the footer is damaged");
        return RILL_OK;
    }
    rc = scrub_sum(log, scrub, s, &(log_piece){t.position, t.head_bytes, t.head_crc,
                                               "the footer is damaged"});
    return rc < 0 ? rc : scrub_directory(log, scrub, s);
}

static int scrub_head(ri_log *log, ri_scrub *scrub, log_segment *s, uint32_t at, const char *what)
{
    char bytes[RI_SEGMENT_HEAD];
    ri_segment_head head;
    int rc = ri_space_read_around(log, s, bytes, sizeof bytes, at);
    if (rc < 0) return rc;
    if (ri_segment_get_head(bytes, &head) < 0 || head.number != s->number || head.log_id != log->id)
        scrub_report_part(log, scrub, s, at, at + RI_SEGMENT_HEAD, what);
    return RILL_OK;
}

/* Can anything of the file be read? A disk that is gone is no damage. */
static bool scrub_is_there(ri_log *log, log_segment *s)
{
    char bytes[RI_SEGMENT_HEAD];
    uint32_t end = s->size - (uint32_t)sizeof bytes;
    return ri_space_read_file(log, s, bytes, sizeof bytes, 0) != RILL_EIO ||
           ri_space_read_file(log, s, bytes, sizeof bytes, end) != RILL_EIO;
}

/* What says which segment the file is; that it is there at all. */
static int scrub_file(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    int fd = ri_space_fd(log, s);
    if (fd < 0) return fd;
    if (!scrub_is_there(log, s)) return RILL_EIO;
    int64_t size = log->os->size(log->os->arg, fd);
    if (log->os->links(log->os->arg, fd) == 0)
        scrub_report_part(log, scrub, s, s->size, s->size, "the file is in no directory any more");
    if (size >= 0 && size < s->size)
        scrub_report_part(log, scrub, s, (uint32_t)size, s->size, "the end of the file is missing");
    int rc = scrub_head(log, scrub, s, 0, "the header is damaged");
    if (rc < 0 || s->version == 1 || size < s->size || s->uncopied) return rc;
    return scrub_head(log, scrub, s, s->size - RI_SEGMENT_TAIL,
                      "the copy of the header is damaged");
}

/* How far it is, and what there is: both change while the log goes on. */
static void scrub_measure(const ri_log *log, ri_scrub *scrub)
{
    scrub->done_bytes = scrub->total_bytes = 0;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        const log_segment *s = log->segments[i];
        scrub->total_bytes += s->written;
        if (s->number < scrub->segment) scrub->done_bytes += s->written;
        if (s->number == scrub->segment) scrub->done_bytes += RI_MIN(scrub->position, s->written);
    }
}

/* Some commits, or what is behind the last: 1 if the segment goes on. */
static int scrub_segment(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    RI_ASSERT(scrub->segment == s->number);
    if (s->leftover || s->written == 0) return 0;
    int rc = scrub->position == RI_SEGMENT_HEAD ? scrub_file(log, scrub, s) : RILL_OK;
    if (rc < 0) return rc;
    for (uint64_t done = 0; done < SCRUB_SLICE;) {
        int64_t n = scrub_commit(log, scrub, s);
        if (n < 0) return (int)n;
        if (n == 0) return scrub_footer(log, scrub, s);
        done += (uint64_t)n;
        scrub->position += (uint32_t)n;
    }
    return 1;
}

static int scrub_slice(ri_log *log, ri_scrub *scrub)
{
    uint32_t i = 0;
    while (i < log->nsegments && log->segments[i]->number < scrub->segment) i++;
    if (i == log->nsegments) return 0;
    log_segment *s = log->segments[i];
    if (s->number != scrub->segment) scrub->position = RI_SEGMENT_HEAD;
    scrub->segment = s->number;
    int rc = scrub_segment(log, scrub, s);
    if (rc == RILL_ECORRUPT) { /* it could not be read on */
        scrub_report_part(log, scrub, s, scrub->position, s->size, ri_err_text());
        rc = 0;
    }
    if (rc != 0) return rc;
    scrub->segment = s->number + 1;
    scrub->position = RI_SEGMENT_HEAD;
    return i + 1 < log->nsegments;
}

/* Where the commit begins that holds the position, or should: behind the last one before it. */
static int64_t scrub_before(ri_log *log, log_segment *s, uint32_t position)
{
    enum { PIECE = 65536 };
    char *bytes = ri_alloc(&log->host, PIECE + RI_SEGMENT_COMMIT);
    int64_t found = bytes ? 0 : RILL_ENOMEM;
    for (uint32_t to = position & ~7u, from; found == 0 && to > RI_SEGMENT_HEAD; to = from) {
        from = to > RI_SEGMENT_HEAD + PIECE ? to - PIECE : RI_SEGMENT_HEAD;
        uint32_t len = RI_MIN(to + RI_SEGMENT_COMMIT, s->written) - from;
        int rc = ri_space_read_around(log, s, bytes, len, from);
        if (rc < 0) found = rc;
        for (uint32_t at = to; found == 0 && at > from;) {
            ri_segment_commit c;
            at -= 8;
            if (at - from + RI_SEGMENT_COMMIT > len ||
                !scrub_is_commit(s, bytes + (at - from), at, &c))
                continue;
            uint32_t end = at + RI_SEGMENT_COMMIT + c.bytes;
            found = end > position ? at : end;
        }
    }
    ri_free(&log->host, bytes, PIECE + RI_SEGMENT_COMMIT);
    return found ? found : RI_SEGMENT_HEAD;
}

static void scrub_around(ri_track *track, log_segment *s, uint32_t position, uint64_t seq,
                         const char *sentence)
{
    ri_log *log = track->log;
    int64_t from = position < s->written ? scrub_before(log, s, position) : RILL_ECORRUPT;
    ri_scrub scrub = {.position = (uint32_t)RI_MAX(from, 0)};
    if (from > 0) scrub_commit(log, &scrub, s);
    if (ri_damage_covers(log, s, position)) return;
    ri_damage damage = {.position = position, .track = track->id, .first_seq = seq,
                        .last_seq = seq, .record = true};
    ri_log_damage_at(log, s, &damage, "sequence %" PRIu64 ", at %u: %s", seq, position, sentence);
}

int ri_scrub_met(ri_track *track, log_segment *s, uint32_t position, uint64_t seq, int code)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_log *log = track->log;
    ri_failure met;
    if (log->os && log->nknown < RI_LOG_KNOWN_MAX && !ri_damage_covers(log, s, position)) {
        ri_failure_keep(&met, code);
        if (code != RILL_EIO || scrub_is_there(log, s))
            scrub_around(track, s, position, seq, met.text);
        ri_failure_restore(&met);
    }
    return ri_err_wrap(code, "%s/%08x.seg at %u, sequence %" PRIu64, log->dir ? log->dir : "memory",
                       s->slot, position, seq);
}

int ri_log_scrub(ri_log *log, ri_scrub *scrub)
{
    if (!log->os) return 0;
    int rc = scrub_slice(log, scrub);
    uint32_t from = RI_MIN(scrub->reported, log->nknown);
    scrub->reported = ri_log_each_damage(log, from, scrub_pass_on, scrub);
    scrub_measure(log, scrub);
    return rc;
}
