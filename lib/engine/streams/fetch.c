/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/fetch.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/kafka_message.h"
#include "codec/limits.h"
#include "engine/streams/view.h"

enum {
    FETCH_BUILT = 128 * 1024, /* bytes of a batch that is built, and ... */
    FETCH_BUILT_MAX = 4096,   /* ... records, at most */
    FETCH_RECORD = 64,        /* bytes that a record takes beside its key, value and headers */
    FETCH_MESSAGE_UNITS = 4,  /* of the turn, for a message that becomes a record */
    FETCH_SLOTS = 64,         /* numbers that are looked at in a unit */
};

void ri_fetch_ends_of(const ri_stream *stream, ri_fetch_ends *out)
{
    ri_track_info info;
    ri_track_counts(ri_stream_track(stream), &info);
    uint64_t end = info.visible_seq + 1;
    *out = (ri_fetch_ends){.start = ri_kafka_offset_of(RI_MIN(info.first_seq, end)),
                           .end = ri_kafka_offset_of(end)};
}

void ri_fetch_open(ri_fetch *fetch, ri_stream *stream)
{
    RI_ASSERT(!fetch->open);
    ri_cursor_init(&fetch->cursor, ri_stream_track(stream));
    fetch->cursor.raw = true;
    ri_buffer_init(&fetch->text, ri_js_router(ri_stream_js(stream))->host);
    fetch->open = true;
}

void ri_fetch_close(ri_fetch *fetch)
{
    if (!fetch->open) return;
    ri_cursor_fini(&fetch->cursor);
    ri_buffer_fini(&fetch->text);
    fetch->open = false;
}

/* How the subjects of its messages are made. What they do not say, a record's headers do. */
static ri_kafka_names fetch_names(const ri_stream *stream)
{
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    ri_kafka_names names;
    if (conf->subjects.len == 1 && ri_kafka_names_of(conf->subjects.items[0], &names) >= 0)
        return names;
    return (ri_kafka_names){0};
}

/* A message that says of its headers what they are not goes out without them. */
static int fetch_record(const ri_kafka_names *names, const ri_record *r, ri_buffer *text,
                        ri_kafka_record *out)
{
    ri_kafka_message m = {.subject = r->subject, .headers = r->headers, .data = r->data,
                          .time_ns = r->time_ns};
    *out = (ri_kafka_record){.offset = ri_kafka_offset_of(r->seq)};
    int rc = ri_kafka_message_write(names, &m, text, out);
    if (rc != RILL_EPROTO) return rc;
    m.headers = RI_STR_NONE;
    *out = (ri_kafka_record){.offset = ri_kafka_offset_of(r->seq)};
    return ri_kafka_message_write(&(ri_kafka_names){0}, &m, text, out);
}

static size_t fetch_record_size(const ri_kafka_record *r)
{
    return FETCH_RECORD + r->key.len + r->value.len + r->headers.len;
}

/* One batch of messages from `first` on, up to `last` or the next batch. 1 if it was built; 0: not
 * even one fits. *next: behind its last message. */
static int fetch_build(ri_fetch *fetch, ri_stream *stream, ri_record *r, uint64_t last, size_t max,
                       bool whole, ri_buffer *out, uint64_t *next)
{
    ri_budget *budget = &ri_js_router(ri_stream_js(stream))->budget;
    ri_kafka_names names = fetch_names(stream);
    ri_kafka_batch head = {.base_offset = ri_kafka_offset_of(r->seq), .max_timestamp_ms = -1,
                           .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    ri_kafka_builder builder;
    ri_kafka_record record;
    size_t size = RI_KAFKA_BATCH_HEADER;
    int n = 0, rc = 1;
    max = RI_MIN(max, (size_t)FETCH_BUILT);
    ri_kafka_builder_begin(&builder, out, &head);
    while (rc == 1 && r->seq <= last && !(r->flags & RI_RECORD_BATCH) && n < FETCH_BUILT_MAX) {
        if ((rc = fetch_record(&names, r, &fetch->text, &record)) < 0) break;
        size += fetch_record_size(&record);
        if (size > max && !(whole && n == 0)) {
            ri_budget_spend(budget, FETCH_MESSAGE_UNITS + ri_budget_bytes(r->data.len));
            break;
        }
        if ((rc = ri_kafka_builder_add(&builder, &record)) < 0) break;
        *next = r->seq + 1;
        n++;
        bool left = ri_budget_spend(budget, FETCH_MESSAGE_UNITS +
                                                ri_budget_bytes(fetch_record_size(&record)));
        rc = left ? ri_cursor_next(&fetch->cursor, *next, NULL, r) : 0;
    }
    if (n == 0) {
        ri_kafka_builder_cancel(&builder);
        return RI_MIN(rc, 0);
    }
    rc = ri_kafka_builder_end(&builder);
    return rc < 0 ? rc : 1;
}

/* ---- Batches ---- */

/* The batch as it came in. 1, or 0 if it does not fit. */
static int fetch_copy(const ri_stream *stream, const ri_record *r, uint64_t end, size_t max,
                      bool whole, ri_buffer *out, uint64_t *next)
{
    /* Also one that does not fit was read. */
    ri_budget_spend(&ri_js_router(ri_stream_js(stream))->budget,
                    1 + ri_budget_bytes(r->data.len));
    if (r->data.len > max && !whole) return 0;
    ri_buffer_put_str(out, r->data);
    *next = end + 1;
    return out->failed ? ri_err_nomem(r->data.len) : 1;
}

/* Is a record of it gone, but for those before the first of all? */
static bool fetch_is_thinned(const ri_stream *stream, uint64_t first, uint64_t end)
{
    ri_track_info info;
    ri_track_counts(ri_stream_track(stream), &info);
    uint64_t from = RI_MAX(first, info.first_seq), gap_end, visited = 0;
    int rc = ri_track_gap(ri_stream_track(stream), &from, end, &gap_end, &visited);
    ri_budget_spend(&ri_js_router(ri_stream_js(stream))->budget, visited / FETCH_SLOTS);
    return rc == 1;
}

/* A number that is gone is stepped over with all that are gone behind it. */
static uint64_t fetch_next_live(const ri_stream *stream, uint64_t seq, uint64_t end)
{
    uint64_t gap = seq, gap_end, visited = 0;
    int rc = ri_track_gap(ri_stream_track(stream), &gap, end, &gap_end, &visited);
    ri_budget_spend(&ri_js_router(ri_stream_js(stream))->budget, visited / FETCH_SLOTS);
    return rc == 1 && gap == seq ? gap_end + 1 : seq;
}

/* What is built of it has its producer and times; the base moves up to the first record. */
static ri_kafka_batch fetch_thin_head(const ri_kafka_batch *old, uint64_t first)
{
    ri_kafka_batch head = *old;
    int64_t shift = ri_kafka_offset_of(first) - old->base_offset;
    RI_ASSERT(shift >= 0);
    head.base_offset += shift;
    head.last_offset_delta = 0;
    head.attributes &= (int16_t)~RI_KAFKA_CODEC_MASK;
    if (old->base_sequence >= 0)
        head.base_sequence = (int32_t)((old->base_sequence + shift) & INT32_MAX);
    return head;
}

/* The live records from `seq` on, as many as go into one batch: *next is behind them. 1; 0: not
 * even one fits; or a code. */
static int fetch_thin_records(const ri_stream *stream, ri_held *held, ri_kafka_builder *builder,
                              uint64_t end, size_t max, bool whole, uint64_t *next)
{
    ri_budget *budget = &ri_js_router(ri_stream_js(stream))->budget;
    ri_kafka_record record;
    size_t size = RI_KAFKA_BATCH_HEADER;
    uint64_t seq = *next;
    int n = 0, rc = 1;
    bool left = true;
    while (rc >= 0 && left && n < FETCH_BUILT_MAX && seq <= end) {
        rc = ri_view_batch_record(held, seq, &record);
        if (rc == 1) {
            size += fetch_record_size(&record);
            if (size > max && !(whole && n == 0)) break;
            if ((rc = ri_kafka_builder_add(builder, &record)) < 0) break;
            n++;
        }
        left = ri_budget_spend(budget, 2 + ri_budget_bytes(rc == 1 ? fetch_record_size(&record)
                                                                   : 0));
        seq = fetch_next_live(stream, seq + 1, end);
        *next = seq;
    }
    return rc < 0 ? rc : n > 0;
}

/* The batch without what is gone of it, in one or several: 1, 0 if it does not fit, RI_CURSOR_CUT
 * if it is still being unpacked, or a code. */
static int fetch_thin(ri_stream *stream, const ri_record *r, const ri_kafka_batch *old, size_t max,
                      bool whole, ri_buffer *out, uint64_t *next)
{
    ri_held *held;
    ri_kafka_builder builder;
    ri_kafka_batch head = fetch_thin_head(old, r->seq);
    uint64_t at = r->seq, end = ri_kafka_seq_of(ri_kafka_batch_last_offset(old));
    int rc = ri_view_open_batch(stream, r, &held);
    if (rc != RILL_OK) return rc;
    ri_kafka_builder_begin(&builder, out, &head);
    rc = fetch_thin_records(stream, held, &builder, end, RI_MIN(max, (size_t)FETCH_BUILT), whole,
                            &at);
    held->release(held);
    if (rc != 1) {
        ri_kafka_builder_cancel(&builder);
        return rc;
    }
    builder.batch.last_offset_delta = (int32_t)(at - r->seq - 1);
    if (old->attributes & RI_KAFKA_LOG_APPEND_TIME)
        builder.batch.max_timestamp_ms = old->max_timestamp_ms;
    rc = ri_kafka_builder_end(&builder);
    if (rc >= 0) *next = at;
    return rc < 0 ? rc : 1;
}

/* One that has lost some of its records goes out without these, as other readers see it; as it came
 * in, if it cannot be unpacked here. What is behind a piece of it is another piece, also if it was
 * written anew in between: a client takes all that comes behind what it asked for. */
static int fetch_batch(ri_stream *stream, const ri_record *r, size_t max, bool whole,
                       ri_buffer *out, uint64_t *next)
{
    ri_kafka_batch b;
    if (ri_kafka_batch_parse(r->data, RI_LIMIT_KAFKA_BATCH_MAX, &b) <= 0)
        return ri_err(RILL_ECORRUPT, "what stands at sequence %llu is no record batch",
                      (unsigned long long)r->seq);
    uint64_t first = ri_kafka_seq_of(b.base_offset);
    uint64_t end = RI_MAX(r->seq, ri_kafka_seq_of(ri_kafka_batch_last_offset(&b)));
    bool begun = *next > first && ri_buffer_size(out) > 0;
    if (!(b.attributes & RI_KAFKA_CONTROL) && (begun || fetch_is_thinned(stream, first, end))) {
        int rc = fetch_thin(stream, r, &b, max, whole, out, next);
        if (rc >= 0 || rc == RILL_ENOMEM) return rc; /* nobody reads what was deleted */
    }
    return fetch_copy(stream, r, end, max, whole, out, next);
}

/* Nothing lives from `from` to `last`: a batch without records, so that a reader gets behind it. 1,
 * or 0 if it does not fit. */
static int fetch_gap(uint64_t from, uint64_t last, size_t max, bool whole, ri_buffer *out,
                     uint64_t *next)
{
    RI_ASSERT(from <= last);
    uint64_t delta = RI_MIN(last - from, (uint64_t)INT32_MAX);
    ri_kafka_batch head = {.base_offset = ri_kafka_offset_of(from), .max_timestamp_ms = -1,
                           .last_offset_delta = (int32_t)delta, .producer_id = -1,
                           .producer_epoch = -1, .base_sequence = -1};
    ri_kafka_builder builder;
    if (max < RI_KAFKA_BATCH_HEADER && !whole) return 0;
    ri_kafka_builder_begin(&builder, out, &head);
    int rc = ri_kafka_builder_end(&builder);
    *next = from + delta + 1;
    return rc < 0 ? rc : 1;
}

/* What is there behind the offset, or nearly, up to `max`: a buffer that grows step by step is
 * copied again and again. */
size_t ri_fetch_likely(const ri_stream *stream, int64_t offset, size_t max)
{
    ri_fetch_ends ends;
    ri_track_info info;
    ri_fetch_ends_of(stream, &ends);
    ri_track_counts(ri_stream_track(stream), &info);
    size_t left = offset < ends.end ? (size_t)(ends.end - offset) : 0;
    size_t each = info.count ? (size_t)(info.bytes / info.count) + 1 : 0;
    uint64_t live = RI_MIN((uint64_t)ri_size_mul(left, each), info.bytes); /* gaps take none */
    size_t likely = RI_MIN(ri_size_add((size_t)live, FETCH_RECORD), max);
    return likely > FETCH_BUILT ? likely : 0;
}

int ri_fetch_some(ri_fetch *fetch, ri_stream *stream, int64_t *offset, size_t max, bool whole,
                  ri_buffer *out)
{
    ri_fetch_ends ends;
    ri_record r;
    size_t begin = ri_buffer_size(out);
    const ri_budget *budget = &ri_js_router(ri_stream_js(stream))->budget;
    RI_ASSERT(fetch->open && fetch->cursor.track == ri_stream_track(stream));
    ri_fetch_ends_of(stream, &ends);
    if (*offset < ends.start || *offset > ends.end)
        return ri_err(RILL_EINVAL, "offset %lld is not within %lld and %lld", (long long)*offset,
                      (long long)ends.start, (long long)ends.end);
    uint64_t next = ri_kafka_seq_of(*offset), last = ri_kafka_seq_of(ends.end) - 1;
    int rc = 1;
    size_t likely = begin == 0 ? ri_fetch_likely(stream, *offset, max) : 0;
    if (likely > 0) ri_buffer_room(out, likely);
    while (rc == 1 && next <= last) {
        rc = ri_cursor_next(&fetch->cursor, next, NULL, &r);
        if (rc != 0 && rc != 1) break;
        size_t had = ri_buffer_size(out) - begin, room = max > had ? max - had : 0;
        bool first = whole && had == 0;
        if (rc == 0 || r.seq > last) rc = fetch_gap(next, last, room, first, out, &next);
        else if (r.flags & RI_RECORD_BATCH) rc = fetch_batch(stream, &r, room, first, out, &next);
        else rc = fetch_build(fetch, stream, &r, last, room, first, out, &next);
        if (rc == RI_CURSOR_CUT) return 1;
        if (rc == 1) *offset = ri_kafka_offset_of(next);
        if (rc == 1 && !ri_budget_left(budget)) return next <= last;
    }
    return RI_MIN(rc, 0);
}

bool ri_fetch_latest(ri_stream *stream, int64_t *offset, int64_t *time_ms)
{
    ri_record record;
    int64_t time_ns;
    uint64_t seq = ri_track_latest(ri_stream_track(stream), &time_ns);
    for (int i = 0; seq && i < RI_LIMIT_KAFKA_TAKEN; i++, seq = record.seq + 1) {
        if (ri_stream_get_next(stream, seq, RI_STR_NONE, &record) < 0) return false;
        if (record.time_ns < time_ns) continue; /* it stands before that one in its batch */
        *offset = ri_kafka_offset_of(record.seq);
        *time_ms = record.time_ns / RI_MS;
        return true;
    }
    return false;
}
