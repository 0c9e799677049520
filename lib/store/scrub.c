/* SPDX-License-Identifier: Apache-2.0 */
/* Reading everything to find damage before a reader does. What fails its checksum and is dead
 * was erased, or does not matter. */
#include <inttypes.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "store/log_private.h"

enum { SCRUB_SLICE = 1 << 20 };

static bool scrub_is_live(const ri_log *log, const log_segment *s, const ri_segment_entry *e,
                          uint32_t position)
{
    ri_track *track = ri_track_by_number(log, e->track);
    uint32_t slot;
    log_run *run = track ? ri_run_find(track, e->seq, &slot) : NULL;
    if (!run || run->segment != s || ri_run_load(track, run) < 0) return false;
    return run->slots[slot] == position;
}

static void scrub_tell(ri_log *log, ri_scrub *scrub, const log_segment *s, uint32_t position,
                       const ri_segment_entry *e)
{
    scrub->damages++;
    if (!e) {
        ri_log_damage(log, "%s/%08x.seg: the commit at %u fails its checksum", log->dir, s->slot,
                      position);
        return;
    }
    const ri_track *track = ri_track_by_number(log, e->track);
    ri_log_damage(log, "%s/%08x.seg: the record at %u fails its checksum: track %" PRIu64
                  ", sequence %" PRIu64, log->dir, s->slot, position, track ? track->id : 0, e->seq);
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
            scrub_tell(log, scrub, s, position, &e);
        at += (uint32_t)RI_ALIGN(ri_segment_u32(body + at + 4), 8);
    }
}

/* One commit: its size, 0 at the segment's end, or a code. */
static int64_t scrub_commit(ri_log *log, ri_scrub *scrub, log_segment *s)
{
    char head[RI_SEGMENT_COMMIT];
    ri_segment_commit c;
    if (scrub->position + RI_SEGMENT_COMMIT > s->written) return 0;
    int rc = ri_space_read(log, s, head, sizeof head, scrub->position);
    if (rc < 0) return rc;
    if (ri_segment_get_commit(head, s->seed, &c) < 0 || c.position != scrub->position ||
        c.bytes > s->size - c.position - RI_SEGMENT_COMMIT) {
        scrub_tell(log, scrub, s, scrub->position, NULL);
        return 0;
    }
    char *body = ri_alloc(&log->host, c.bytes ? c.bytes : 1);
    if (!body) return RILL_ENOMEM;
    rc = c.bytes ? ri_space_read(log, s, body, c.bytes, c.position + RI_SEGMENT_COMMIT) : 0;
    if (rc == 0 && ri_segment_check_body(body, &c) < 0)
        scrub_tell(log, scrub, s, scrub->position, NULL);
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
    scrub->damages++;
    ri_log_damage(log, "%s/%08x.seg: the footer is damaged", log->dir, s->slot);
    return RILL_OK;
}

int ri_log_scrub(ri_log *log, ri_scrub *scrub)
{
    if (!log->os) return 0;
    uint32_t i = 0;
    while (i < log->nsegments && log->segments[i]->number < scrub->segment) i++;
    if (i == log->nsegments) return 0;
    log_segment *s = log->segments[i];
    if (s->number != scrub->segment) scrub->position = RI_SEGMENT_HEAD;
    scrub->segment = s->number;
    if (s->leftover) scrub->position = s->size;
    for (uint64_t until = scrub->bytes + SCRUB_SLICE; scrub->bytes < until;) {
        int64_t n = s->leftover ? 0 : scrub_commit(log, scrub, s);
        if (n < 0) return (int)n;
        scrub->bytes += (uint64_t)n;
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
