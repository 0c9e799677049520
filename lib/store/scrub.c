/* SPDX-License-Identifier: Apache-2.0 */
/* Reading everything to find damage before a reader does. What fails its checksum and is dead
 * was erased, or does not matter. */
#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "store/log_private.h"

enum { SCRUB_SLICE = 1 << 18 };

static bool scrub_is_live(const ri_log *log, const log_segment *s, const ri_segment_entry *e,
                          uint32_t position)
{
    ri_track *track = ri_track_by_number(log, e->track);
    uint32_t slot;
    log_run *run = track ? ri_run_find(track, e->seq, &slot) : NULL;
    if (!run || run->segment != s || ri_run_load(track, run) < 0) return false;
    return run->slots[slot] == position;
}

/* To the log's listener goes what was found, and to whoever asked. */
static void scrub_tell(ri_log *log, ri_scrub *scrub, const log_segment *s, ri_damage *damage,
                       const char *what)
{
    char sentence[RI_ERROR_TEXT_MAX], path[RI_ERROR_TEXT_MAX];
    scrub->damages++;
    ri_log_damage_at(log, s, damage, "%s", what);
    if (!scrub->damage) return;
    snprintf(path, sizeof path, "%s/%08x.seg", log->dir, s->slot);
    snprintf(sentence, sizeof sentence, "%s: %s", path, what);
    damage->file = path;
    damage->sentence = sentence;
    scrub->damage(scrub->arg, damage);
}

static void scrub_tell_entry(ri_log *log, ri_scrub *scrub, const log_segment *s, uint32_t position,
                             const ri_segment_entry *e)
{
    char what[RI_ERROR_TEXT_MAX];
    const ri_track *track = ri_track_by_number(log, e->track);
    ri_damage damage = {.position = position, .track = track ? track->id : 0,
                        .first_seq = e->seq, .last_seq = RI_MAX(e->last, e->seq)};
    snprintf(what, sizeof what, "the record at %u fails its checksum: track %" PRIu64
             ", sequence %" PRIu64, position, damage.track, e->seq);
    scrub_tell(log, scrub, s, &damage, what);
}

/* Of each track the live records that stand in these bytes, which cannot be told apart. */
static void scrub_tell_bytes(ri_log *log, ri_scrub *scrub, log_segment *s, uint32_t from,
                             uint32_t to)
{
    char what[RI_ERROR_TEXT_MAX];
    bool told = false;
    ri_map_each(item, &log->tracks_by_number) {
        ri_track *track = item;
        ri_damage damage = {.position = from, .track = track->id};
        for (uint32_t at = 0; at < track->nruns; at++) {
            log_run *run = track->runs[at];
            if (run->segment != s || ri_run_load(track, run) < 0) continue;
            for (uint32_t i = run->head; i <= run->last; i++) {
                if (run->slots[i] < from || run->slots[i] >= to) continue;
                if (!damage.first_seq) damage.first_seq = run->first_seq + i;
                damage.last_seq = run->first_seq + i;
            }
        }
        if (!damage.first_seq) continue;
        snprintf(what, sizeof what, "bytes %u to %u fail their checksum: track %" PRIu64
                 ", sequences %" PRIu64 " to %" PRIu64, from, to - 1, track->id, damage.first_seq,
                 damage.last_seq);
        scrub_tell(log, scrub, s, &damage, what);
        told = true;
    }
    if (told) return;
    snprintf(what, sizeof what, "bytes %u to %u fail their checksum; no live record is in them",
             from, to - 1);
    scrub_tell(log, scrub, s, &(ri_damage){.position = from}, what);
}

static void scrub_entries(ri_log *log, ri_scrub *scrub, log_segment *s, const char *body,
                          const ri_segment_commit *c)
{
    for (uint32_t at = 0; at < c->bytes;) {
        ri_segment_entry e;
        uint32_t position = c->position + RI_SEGMENT_COMMIT + at;
        if (ri_segment_get_entry(body + at, c->bytes - at, s->seed, &e) < 0 &&
            ri_segment_read_entry(body + at, c->bytes - at, &e) == 0 &&
            scrub_is_live(log, s, &e, position))
            scrub_tell_entry(log, scrub, s, position, &e);
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
    char *bytes = ri_alloc(&log->host, s->written);
    if (!bytes) return RILL_ENOMEM;
    int rc = ri_space_read(log, s, bytes, s->written, 0);
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
    char head[RI_SEGMENT_COMMIT];
    ri_segment_commit c;
    uint32_t position = scrub->position;
    if (position + RI_SEGMENT_COMMIT > s->written) return 0;
    int rc = ri_space_read(log, s, head, sizeof head, position);
    if (rc < 0) return rc;
    if (!scrub_is_commit(s, head, position, &c)) {
        int64_t to = scrub_seek(log, s, position + 8);
        if (to > 0) scrub_tell_bytes(log, scrub, s, position, (uint32_t)to);
        return to < 0 ? to : to - position;
    }
    char *body = ri_alloc(&log->host, c.bytes ? c.bytes : 1);
    if (!body) return RILL_ENOMEM;
    rc = c.bytes ? ri_space_read(log, s, body, c.bytes, c.position + RI_SEGMENT_COMMIT) : 0;
    if (rc == 0 && ri_segment_check_body(body, &c) < 0)
        scrub_tell_bytes(log, scrub, s, position, position + RI_SEGMENT_COMMIT + c.bytes);
    else if (rc == 0)
        scrub_entries(log, scrub, s, body, &c);
    ri_free(&log->host, body, c.bytes ? c.bytes : 1);
    return rc < 0 ? rc : (int64_t)RI_SEGMENT_COMMIT + c.bytes;
}

static int scrub_footer(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    if (!s->stored) return RILL_OK;
    char trailer[RI_SEGMENT_TRAILER];
    ri_segment_trailer t;
    int rc = ri_space_read(log, s, trailer, sizeof trailer, s->size - RI_SEGMENT_TRAILER);
    if (rc < 0) return rc;
    bool good = ri_segment_get_trailer(trailer, log->id, &t) == 0 && t.number == s->number &&
                (uint64_t)t.position + t.head_bytes + RI_SEGMENT_TRAILER == s->size;
    char *head = good ? ri_alloc(&log->host, t.head_bytes) : NULL;
    if (good && !head) return RILL_ENOMEM;
    if (good) rc = ri_space_read(log, s, head, t.head_bytes, t.position);
    good = good && rc == 0 && ri_crc32c(s->seed, head, t.head_bytes) == t.head_crc;
    if (head) ri_free(&log->host, head, t.head_bytes);
    if (good || rc < 0) return rc;
    scrub_tell(log, scrub, s, &(ri_damage){.position = s->size - RI_SEGMENT_TRAILER},
               "the footer is damaged");
    return RILL_OK;
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

static int scrub_slice(ri_log *log, ri_scrub *scrub)
{
    uint32_t i = 0;
    while (i < log->nsegments && log->segments[i]->number < scrub->segment) i++;
    if (i == log->nsegments) return 0;
    log_segment *s = log->segments[i];
    if (s->number != scrub->segment) scrub->position = RI_SEGMENT_HEAD;
    scrub->segment = s->number;
    if (s->leftover) scrub->position = s->size;
    for (uint64_t done = 0; done < SCRUB_SLICE;) {
        int64_t n = s->leftover ? 0 : scrub_commit(log, scrub, s);
        if (n < 0) return (int)n;
        done += (uint64_t)n;
        scrub->position += (uint32_t)n;
        if (n > 0) continue;
        int rc = scrub_footer(log, scrub, s);
        if (rc < 0) return rc;
        scrub->segment++;
        scrub->position = RI_SEGMENT_HEAD;
        return i + 1 < log->nsegments;
    }
    return 1;
}

int ri_log_scrub(ri_log *log, ri_scrub *scrub)
{
    if (!log->os) return 0;
    int rc = scrub_slice(log, scrub);
    scrub_measure(log, scrub);
    return rc;
}
