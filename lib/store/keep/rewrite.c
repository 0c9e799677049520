/* SPDX-License-Identifier: Apache-2.0 */
/* A record batch that the cleaner moves, without the records that are dead.
 *
 *     stored as    base 10  [10 dead][11 k1][12 dead][13 null]  [14..900 dead]  [901 k2]
 *     moved as     base 11  [11 k1][13 null], last offset delta 2
 *     and then     base 901 [901 k2], last offset delta 0
 *
 * Offsets, times and the records' own sequences stay; the base moves up to the first live record,
 * the base sequence with it. No batch spans more offsets than it has bytes: a reader of segments
 * counts on it, so behind a long stretch of dead ones the next batch begins. A compacted track's
 * last words on a key (tombstones) make the batch say when they may go, as Kafka's do. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/kafka/unpack.h"
#include "codec/limits.h"
#include "store/log/log_private.h"

bool ri_rewrite_is_live(ri_track *track, uint64_t seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(seq > 0);
    uint32_t slot;
    log_run *run = ri_run_find(track, seq, &slot);
    return run && ri_run_load(track, run) == 0 && run->slots[slot];
}

int ri_rewrite_plain(const ri_kafka_batch *b, ri_buffer *out, ri_str *plain)
{
    *plain = b->records;
    if (ri_kafka_batch_codec(b) == RI_KAFKA_CODEC_NONE) return RILL_OK;
    ri_buffer_reset(out);
    int rc = ri_unpack_all(ri_kafka_batch_codec(b), b->records, RI_LIMIT_KAFKA_UNPACKED, out);
    *plain = ri_buffer_str(out);
    return rc;
}

typedef struct rewrite {
    ri_track *track;
    uint64_t from;       /* first sequence that is live */
    uint64_t before;     /* this one and those behind it are left out */
    ri_kafka_batch old, head;
    ri_buffer plain;     /* the old records, unpacked */
    ri_buffer *out;
    uint64_t last;       /* last sequence in the new batch */
    uint32_t records;    /* in the new batch */
    bool dead, tombstones; /* some were left out; some are null */
} rewrite;

/* The live records from `from` on, as many as one batch may span. */
static int rewrite_records(rewrite *w, ri_kafka_builder *b, ri_str plain)
{
    RI_ASSERT(w->records == 0);
    ri_kafka_records it;
    ri_kafka_record r;
    int rc;
    ri_kafka_records_init(&it, &w->old, plain);
    while ((rc = ri_kafka_records_next(&it, &r)) == 1) {
        uint64_t seq = (uint64_t)r.offset + 1;
        if (seq >= w->before) break;
        if (seq < w->from || !ri_rewrite_is_live(w->track, seq)) {
            w->dead = true;
            continue;
        }
        if (w->records && seq - w->from >= ri_buffer_size(w->out)) break;
        if ((rc = ri_kafka_builder_add(b, &r)) < 0) break;
        w->last = seq;
        w->records++;
        w->tombstones = w->tombstones || !r.value.ptr;
    }
    if (rc == 1) w->dead = true; /* the rest comes in another batch */
    return RI_MIN(rc, 0);
}

static void rewrite_head(rewrite *w, bool stamp)
{
    RI_ASSERT(w->from > 0);
    const ri_kafka_batch *old = &w->old;
    int64_t shift = (int64_t)w->from - 1 - old->base_offset;
    w->head = *old;
    w->head.base_offset += shift;
    w->head.last_offset_delta = 0;
    w->head.attributes &= (int16_t)~RI_KAFKA_CODEC_MASK;
    if (old->base_sequence >= 0)
        w->head.base_sequence = (int32_t)((old->base_sequence + shift) & INT32_MAX);
    if (stamp) {
        int64_t now_ms = w->track->log->now_ns / RI_MS;
        w->head.attributes |= RI_KAFKA_DELETE_HORIZON;
        w->head.base_timestamp_ms = now_ms + ri_compactor_tombstone_ms(w->track);
    }
}

static int rewrite_build(rewrite *w, bool stamp)
{
    ri_str plain;
    ri_kafka_builder b;
    w->records = 0;
    w->dead = w->tombstones = false;
    ri_buffer_reset(w->out);
    rewrite_head(w, stamp);
    int rc = ri_rewrite_plain(&w->old, &w->plain, &plain);
    if (rc < 0) return rc;
    ri_kafka_builder_begin(&b, w->out, &w->head);
    rc = rewrite_records(w, &b, plain);
    if (rc < 0 || w->records == 0) {
        ri_kafka_builder_cancel(&b);
        return rc < 0 ? rc : ri_err(RILL_ECORRUPT, "a batch without its live records");
    }
    int64_t max_ms = w->old.max_timestamp_ms;
    if (w->old.attributes & RI_KAFKA_LOG_APPEND_TIME) b.batch.max_timestamp_ms = max_ms;
    return ri_kafka_builder_end(&b);
}

static int rewrite_pack(rewrite *w)
{
    ri_buffer *packed = &w->plain;
    ri_str all = ri_buffer_str(w->out);
    ri_buffer_reset(packed);
    ri_buffer_put(packed, all.ptr, RI_KAFKA_BATCH_HEADER);
    int rc = ri_gzip_pack(ri_str_from(all, RI_KAFKA_BATCH_HEADER), packed);
    if (rc < 0 || packed->failed) return RILL_ENOMEM;
    ri_kafka_batch_seal(packed->ptr + packed->head, ri_buffer_size(packed), RI_KAFKA_CODEC_GZIP);
    ri_buffer_reset(w->out);
    ri_buffer_put_str(w->out, ri_buffer_str(packed));
    return w->out->failed ? RILL_ENOMEM : RILL_OK;
}

/* Only what no round has yet to look at may be given a date. */
static bool rewrite_stamps(const rewrite *w)
{
    static const int never = RI_KAFKA_DELETE_HORIZON | RI_KAFKA_TRANSACTIONAL;
    return w->tombstones && !(w->old.attributes & never) && w->track->compactor &&
           w->track->log->now_ns && w->last < ri_compactor_done(w->track);
}

static int rewrite_run(rewrite *w)
{
    RI_ASSERT(w->out && w->track);
    int rc = rewrite_build(w, false);
    if (rc < 0) return rc;
    bool stamps = rewrite_stamps(w);
    if (!stamps && !w->dead) return RILL_OK;
    if (stamps && (rc = rewrite_build(w, true)) < 0) return rc;
    bool packed = ri_kafka_batch_codec(&w->old) == RI_KAFKA_CODEC_GZIP;
    if (packed && (rc = rewrite_pack(w)) < 0) return rc;
    if (w->last - w->from < ri_buffer_size(w->out)) return 1;
    rc = rewrite_build(w, stamps); /* packed, it would be too short for its span */
    return rc < 0 ? rc : 1;
}

bool ri_rewrite_batch(ri_track *track, const ri_segment_entry *e, uint64_t from, uint64_t before,
                      ri_buffer *out, ri_segment_entry *fresh)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_BATCH && from >= e->seq && from <= e->last);
    rewrite w = {.track = track, .from = from, .before = before, .out = out};
    int rc = ri_kafka_batch_parse(e->data, e->data.len, &w.old);
    if (rc <= 0 || w.old.attributes & RI_KAFKA_CONTROL) return false;
    ri_buffer_init(&w.plain, &track->log->host);
    rc = rewrite_run(&w);
    ri_buffer_fini(&w.plain);
    if (rc != 1) return false; /* as it is: nothing is dead, or it cannot be unpacked */
    *fresh = *e;
    fresh->seq = w.from;
    fresh->last = w.last;
    fresh->data = ri_buffer_str(out);
    fresh->length = RI_SEGMENT_BATCH + (uint32_t)fresh->data.len;
    return true;
}
