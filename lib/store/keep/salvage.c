/* SPDX-License-Identifier: Apache-2.0 */
/* Saving what can be read of a damaged log into a new one. Opening does the hard part: it takes
 * every entry whose checksum is good. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log_private.h"

enum { SALVAGE_COMMIT = 1024 }; /* records */

typedef struct salvage {
    ri_log *from, *to;
    uint64_t records;     /* copied */
    uint64_t seen, total; /* bytes checked, then records looked at, of so many there are */
} salvage;

static int salvage_report(const salvage *s)
{
    const ri_log_opts *opts = &s->from->opts;
    if (!opts->progress || opts->progress(opts->arg, s->seen, s->total) == 0) return RILL_OK;
    return ri_err(RILL_ECLOSED, "the salvage was given up");
}

static uint64_t salvage_batch_first(ri_str batch)
{
    RI_ASSERT(batch.len >= 8);
    uint64_t base = 0;
    for (int i = 0; i < 8; i++) base = base << 8 | (uint8_t)batch.ptr[i];
    return base + 1;
}

static uint64_t salvage_batch_last(const ri_record *r)
{
    ri_kafka_batch b;
    if (ri_kafka_batch_parse(r->data, r->data.len, &b) <= 0) return r->seq;
    return RI_MAX(r->seq, (uint64_t)ri_kafka_batch_last_offset(&b) + 1);
}

/* The first sequence of the record's batch, behind the record, that is in another entry: such a
 * batch was taken apart, of which an older copy is there, too. UINT64_MAX: there is none. */
static uint64_t salvage_batch_end(ri_track *in, const ri_record *r, uint64_t last)
{
    uint32_t slot;
    const log_run *home = ri_run_find(in, r->seq, &slot);
    uint32_t position = home->slots[slot];
    for (uint64_t seq = r->seq + 1; seq <= last; seq++) {
        log_run *run = ri_run_find(in, seq, &slot);
        if (!run || ri_run_load(in, run) < 0 || run->slots[slot] == 0) continue;
        if (run->segment != home->segment || run->slots[slot] != position) return seq;
    }
    return UINT64_MAX;
}

/* The batch, or that part of it whose place no other entry has. RILL_ECORRUPT: it cannot be
 * parted. */
static int salvage_put_batch(ri_track *in, ri_track *out, const ri_record *r, uint64_t *first)
{
    ri_buffer part;
    ri_segment_entry e = {.kind = RI_SEGMENT_KIND_BATCH, .seq = salvage_batch_first(r->data),
                          .last = salvage_batch_last(r), .data = r->data}, fresh = e;
    uint64_t end = salvage_batch_end(in, r, e.last);
    bool whole = e.seq > out->last_seq && end == UINT64_MAX;
    ri_buffer_init(&part, &out->log->host);
    int rc = RILL_OK;
    if (!whole && !ri_rewrite_batch(in, &e, r->seq, end, &part, &fresh))
        rc = ri_err(RILL_ECORRUPT, "a batch that was taken apart cannot be unpacked");
    if (rc == 0) rc = ri_track_skip_to(out, fresh.seq);
    if (rc == 0) rc = ri_track_put_batch(out, fresh.data, first);
    ri_buffer_fini(&part);
    return rc;
}

/* A batch that is not in the new log yet; its dead records die there, too. */
static int salvage_batch(ri_cursor *c, ri_track *out, const ri_record *r)
{
    RI_ASSERT(r->flags & RI_RECORD_BATCH);
    uint64_t first;
    int rc = salvage_put_batch(c->track, out, r, &first);
    if (rc < 0) return rc;
    for (uint64_t seq = first; seq <= out->last_seq && rc == 0; seq++) {
        ri_record other;
        if (ri_cursor_get(c, seq, &other) == RILL_ENOENT) rc = ri_track_remove(out, seq, false);
        if (rc == RILL_ENOENT) rc = RILL_OK; /* nor is it in the batch any more */
    }
    return rc;
}

static int salvage_record(salvage *s, ri_cursor *c, ri_track *out, ri_record *r)
{
    int rc = RILL_OK;
    if (r->seq <= out->last_seq) return RILL_OK; /* of a batch that is there */
    if (r->flags & RI_RECORD_BATCH) rc = salvage_batch(c, out, r);
    else rc = ri_track_append(out, r);
    if (rc == RILL_ECORRUPT) return RILL_OK; /* it is not copied, and not counted */
    if (rc < 0 || ++s->records % SALVAGE_COMMIT) return rc;
    rc = ri_log_commit(s->to);
    ri_cache_trim_all(s->from); /* nobody else reads it */
    return rc < 0 ? rc : salvage_report(s);
}

static int salvage_track(salvage *s, ri_track *in)
{
    ri_track *out;
    int rc = ri_log_track(s->to, in->id, &in->opts, &out);
    if (rc < 0) return rc;
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, in);
    for (uint64_t from = 0;; from = r.seq + 1) {
        rc = ri_cursor_next(&c, from, NULL, &r);
        if (rc == 0) break;
        s->seen++;
        if (rc == RILL_ECORRUPT) continue; /* that was reported */
        if (rc > 0) rc = salvage_record(s, &c, out, &r);
        if (rc < 0) break;
    }
    ri_cursor_fini(&c);
    return rc < 0 ? rc : ri_track_skip_to(out, in->last_seq + 1);
}

/* What a check would report is reported, whether it keeps a record from being copied or not. */
static int salvage_check(salvage *s)
{
    ri_scrub scrub = {0};
    int more;
    while ((more = ri_log_scrub(s->from, &scrub)) == 1) {
        ri_cache_trim_all(s->from); /* nobody else reads it */
        s->seen = scrub.done_bytes;
        s->total = scrub.total_bytes;
        int rc = salvage_report(s);
        if (rc < 0) return rc;
    }
    s->seen = s->total = 0;
    return more;
}

static int salvage_all(salvage *s)
{
    RI_ASSERT(s->from->read_only && !s->to->read_only);
    if (s->to->nsegments)
        return ri_err(RILL_EEXIST, "%s has a log already: name a new directory", s->to->dir);
    int rc = RILL_OK;
    ri_map_each(item, &s->from->tracks_by_number) s->total += ((ri_track *)item)->count;
    ri_map_each(item, &s->from->tracks_by_number)
        if (rc == 0) rc = salvage_track(s, item);
    if (rc == 0) rc = ri_log_commit(s->to);
    return rc < 0 ? rc : salvage_report(s);
}

int ri_log_salvage(const ri_log_opts *opts, const char *dir, uint64_t *records)
{
    RI_ASSERT(opts && records);
    salvage s = {0};
    ri_log_opts from = *opts, to = *opts;
    from.read_only = true;
    to.dir = dir;
    to.read_only = false;
    to.safety = RI_SAFETY_SYNCED;
    to.damage = NULL;
    to.progress = NULL;
    int rc = ri_log_open(&s.from, &from);
    if (rc == 0 && !s.from->nsegments) rc = ri_err(RILL_ENOENT, "%s holds no log", opts->dir);
    if (rc == 0) to.segment_bytes = s.from->segment_bytes; /* the largest record fits */
    if (rc == 0 && dir) rc = ri_log_open(&s.to, &to);
    if (s.to) s.to->raw = true;
    if (rc == 0) rc = salvage_check(&s);
    if (rc == 0 && dir) rc = salvage_all(&s);
    if (dir) ri_log_close(s.to);
    ri_log_close(s.from);
    *records = s.records;
    return rc;
}
