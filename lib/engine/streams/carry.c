/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/carry.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

int ri_carry_create(ri_js *js, const ri_js_stream_request *request, ri_stream **stream,
                    ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    js->restoring = true;
    int rc = ri_stream_create(js, request, stream, e);
    js->restoring = false;
    return rc;
}

void ri_carry_whole(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    stream->restoring = false;
    stream->restored = true;
    ri_mirror_stream_came(stream->js, stream);
}

/* ---- Messages ---- */

static int carry_refuse(ri_js_error *e, uint64_t seq, const char *why)
{
    return ri_jserror_set(e, RI_JS_STREAM_RESTORE, "message %llu: %s", (unsigned long long)seq,
                          why);
}

static int carry_check(const ri_stream *stream, const ri_record *r, const ri_asked *asked,
                       uint64_t max_bytes, ri_js_error *e)
{
    uint64_t bytes = r->headers.len + r->data.len;
    int32_t most = stream->conf.max_msg_size;
    if (r->seq <= stream->last_seq)
        return ri_jserror_set(e, RI_JS_STREAM_RESTORE, "sequence %llu is not above the last",
                              (unsigned long long)r->seq);
    if (r->seq > RI_LIMIT_SEQUENCE) return carry_refuse(e, r->seq, "the sequence is too great");
    if (r->subject.len > RI_LIMIT_CONTROL_LINE || !ri_subject_is_sound(r->subject))
        return carry_refuse(e, r->seq, "the subject is invalid");
    if (r->headers.len && ri_headers_check(r->headers) < 0)
        return carry_refuse(e, r->seq, ri_err_text());
    if (bytes > max_bytes) return carry_refuse(e, r->seq, "exceeds maximum payload size");
    if (most >= 0 && bytes > (uint64_t)most)
        return carry_refuse(e, r->seq, "exceeds maximum message size");
    if (asked->bad_ttl) return carry_refuse(e, r->seq, "the TTL is invalid");
    return RILL_OK;
}

/* When the message is over by itself: INT64_MAX if never. */
static int64_t carry_due_ns(const ri_stream *stream, const ri_record *r, const ri_asked *asked)
{
    int64_t live_ns = r->flags & RI_RECORD_TTL ? asked->ttl_ns : INT64_MAX;
    if (stream->conf.max_age > 0 && !(r->flags & RI_RECORD_NEVER))
        live_ns = RI_MIN(live_ns, stream->conf.max_age);
    return ri_ns_add(r->time_ns, live_ns);
}

static void carry_flags(const ri_stream *stream, const ri_asked *asked, ri_record *r)
{
    r->flags = 0;
    if (stream->conf.allow_msg_ttl && asked->has_ttl && asked->ttl_ns > 0)
        r->flags |= RI_RECORD_TTL;
    if (stream->conf.allow_msg_ttl && asked->has_ttl && asked->ttl_ns < 0)
        r->flags |= RI_RECORD_NEVER;
    if (asked->has_marker) r->flags |= RI_RECORD_MARKER;
    if (asked->has_source) r->flags |= RI_RECORD_SOURCED;
    if (stream->conf.allow_msg_schedules && asked->has_schedule) r->flags |= RI_RECORD_SCHEDULE;
}

/* What a stream remembers of a message besides it. */
static void carry_note(ri_stream *stream, const ri_record *r, const ri_asked *asked)
{
    ri_js *js = stream->js;
    if (stream->last_id || asked->has_msg_id) ri_ingest_set_last_id(stream, asked->msg_id);
    if (asked->has_msg_id && stream->conf.duplicate_window > 0 &&
        r->time_ns > ri_ns_sub(js->wall_ns, stream->conf.duplicate_window)) {
        ri_dedupe_expire(&stream->dedupe, r->time_ns);
        if (ri_ids_make_room(stream, asked->msg_id) == RILL_OK)
            ri_dedupe_add(&stream->dedupe, asked->msg_id, r->seq, r->time_ns);
        ri_ids_count(stream);
    }
    if (r->flags & RI_RECORD_TTL) {
        int64_t due_ns = carry_due_ns(stream, r, asked);
        ri_agenda_put(&stream->ttls, due_ns, r->seq);
        ri_js_arm(stream, ri_js_mono_of(js, due_ns));
    }
    if (r->flags & RI_RECORD_SCHEDULE) ri_schedule_put(stream, r->headers, r->seq, r->time_ns);
    if (r->flags & (RI_RECORD_TTL | RI_RECORD_SCHEDULE)) ri_room_stream(stream);
}

int ri_carry_message(ri_stream *stream, ri_record *r, uint64_t max_bytes, ri_js_error *e)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_asked asked;
    ri_ingest_read(r->headers, &asked);
    int rc = carry_check(stream, r, &asked, max_bytes, e);
    ri_ingest in = {.stream = stream, .subject = r->subject, .asked = asked};
    if (rc == RILL_OK) rc = ri_room_admit(&in, e);
    if (rc < 0) return rc;
    carry_flags(stream, &asked, r);
    r->time_ns = RI_MIN(r->time_ns, stream->js->wall_ns);  /* nor come from the future */
    r->time_ns = RI_MAX(r->time_ns, stream->last_time_ns); /* a stream's times do not go back */
    r->time_ns = RI_MAX(r->time_ns, 0);
    bool over = carry_due_ns(stream, r, &asked) <= stream->js->wall_ns;
    rc = over ? ri_carry_skip(stream, r->seq) : ri_track_append(stream->track, r);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_RESTORE, rc);
    stream->last_seq = r->seq;
    stream->last_time_ns = r->time_ns;
    ri_stream_touch(stream);
    if (over) return RILL_OK;
    carry_note(stream, r, &asked);
    ri_retention_stored(stream, r->subject);
    return RILL_OK;
}

int ri_carry_skip(ri_stream *stream, uint64_t last_seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (last_seq <= stream->last_seq) return RILL_OK;
    if (last_seq > RI_LIMIT_SEQUENCE)
        return ri_err(RILL_EPROTO, "sequence %llu is too great", (unsigned long long)last_seq);
    int rc = ri_track_skip_to(stream->track, last_seq + 1);
    if (rc == RILL_OK) stream->last_seq = last_seq;
    return rc;
}

int ri_carry_end(ri_stream *stream, uint64_t last_seq, int64_t time_ns)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    time_ns = RI_MIN(time_ns, stream->js->wall_ns);
    stream->last_time_ns = RI_MAX(stream->last_time_ns, time_ns);
    return ri_carry_skip(stream, last_seq);
}

int ri_carry_gone(ri_stream *stream, uint64_t *first, uint64_t last)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_record record;
    int rc = ri_cursor_next(&stream->open_cursor, *first, NULL, &record);
    if (rc < 0) return rc;
    if (rc == 0 || record.seq > last) return ri_carry_skip(stream, last);
    *first = record.seq + 1;
    rc = ri_retention_remove(stream, record.seq, false);
    return rc < 0 ? rc : 1;
}

/* ---- Consumers: to where they were ---- */

void ri_carry_hold(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    c->paced_ns = RI_CONSUMER_HELD;
    ri_pending_clear(c);
}

bool ri_carry_holds(const ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    return c->paced_ns == RI_CONSUMER_HELD;
}

static int carry_too_great(const ri_consumer *c)
{
    return ri_err(RILL_EPROTO, "consumer %.*s stands at a sequence that is too great",
                  RI_ARG(c->name));
}

static void carry_drop_picks(ri_consumer *c)
{
    ri_free(c->stream->js->host, c->picks, c->npicks * sizeof *c->picks);
    c->picks = NULL;
    c->npicks = c->pick = 0;
    ri_room_consumer(c);
}

int ri_carry_put(ri_consumer *c, const ri_carry_place *place, uint64_t last_seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (place->delivered_stream > RI_LIMIT_SEQUENCE || place->next_seq > RI_LIMIT_SEQUENCE + 1 ||
        place->delivered_consumer > RI_LIMIT_SEQUENCE || last_seq > RI_LIMIT_SEQUENCE)
        return carry_too_great(c);
    carry_drop_picks(c);
    c->delivered_stream = RI_MIN(place->delivered_stream, last_seq);
    c->delivered_consumer = place->delivered_consumer;
    c->next_seq = RI_MIN(RI_MAX(place->next_seq, c->delivered_stream + 1), last_seq + 1);
    c->floor_stream = RI_MIN(place->floor_stream, c->delivered_stream);
    c->floor_consumer = RI_MIN(place->floor_consumer, c->delivered_consumer);
    ri_ahead_count_anew(c);
    int64_t now_ns = c->stream->js->wall_ns;
    if (place->created_ns > 0) c->created_ns = RI_MIN(place->created_ns, now_ns);
    c->delivered_ns = RI_MAX(RI_MIN(place->delivered_ns, now_ns), 0);
    c->acked_ns = RI_MAX(RI_MIN(place->acked_ns, now_ns), 0);
    return RILL_OK;
}

/* When it is due again, by the clock that goes on from its delivery. */
static int64_t carry_clock(const ri_consumer *c, const ri_pending *p)
{
    const ri_js *js = c->stream->js;
    int64_t due_ns = ri_ns_add(p->sent_ns, ri_pending_wait_ns(c, p->deliveries));
    return RI_MAX(ri_js_mono_of(js, due_ns), js->mono_ns);
}

int ri_carry_pending_add(ri_consumer *c, const ri_carry_pending *pending)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    uint64_t seq = pending->stream_seq, last = c->floor_stream;
    if (!ri_list_empty(&c->order))
        last = ri_container_of(c->order.prev, ri_pending, order_link)->stream_seq;
    if (c->conf.ack_policy == RI_ACK_NONE || c->floor_consumer == c->delivered_consumer ||
        seq <= last || seq > c->delivered_stream)
        return RILL_OK;
    uint64_t consumer_seq = RI_MAX(pending->consumer_seq, c->floor_consumer + 1);
    ri_pending *p = ri_pending_add(c, seq, RI_MIN(consumer_seq, c->delivered_consumer));
    if (!p) return RILL_ENOMEM;
    int64_t now_ns = c->stream->js->wall_ns;
    p->sent_ns = pending->sent_ns > 0 ? RI_MIN(pending->sent_ns, now_ns) : now_ns;
    ri_pending_clock_at(c, p, carry_clock(c, p));
    return RILL_OK;
}

void ri_carry_again(ri_consumer *c, uint64_t stream_seq, uint64_t deliveries)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_pending *p = ri_pending_find(c, stream_seq);
    if (!p || deliveries < 2) return;
    if (p->deliveries < 2) c->nredelivered++;
    p->deliveries = (uint32_t)RI_MIN(deliveries, UINT32_MAX);
    ri_pending_clock_at(c, p, carry_clock(c, p));
}

int ri_carry_picks(ri_consumer *c, const uint64_t *picks, uint32_t n)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    carry_drop_picks(c);
    uint64_t last = c->delivered_stream;
    for (uint32_t i = 0; i < n; last = picks[i++]) /* their order is relied upon */
        if (picks[i] >= c->next_seq || picks[i] <= last) return RILL_OK;
    if (n == 0) return RILL_OK;
    c->picks = ri_alloc(c->stream->js->host, ri_size_mul(n, sizeof *picks));
    if (!c->picks) return RILL_ENOMEM;
    memcpy(c->picks, picks, n * sizeof *picks);
    c->npicks = n;
    ri_room_consumer(c);
    return RILL_OK;
}

void ri_carry_let_go(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    c->paced_ns = 0;
    int64_t acked_ns = c->acked_ns;
    ri_pending_floor(c);
    c->acked_ns = acked_ns;
    ri_state_reset(c);
    c->busy_mono_ns = c->stream->js->mono_ns;
    ri_js_arm_consumer(c, ri_pending_next_ns(c));
    ri_consumer_started(c);
}

/* ---- Consumers: where they are ---- */

void ri_carry_get(ri_consumer *c, ri_carry_place *place)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_pending_floor(c);
    *place = (ri_carry_place){
        .delivered_consumer = c->delivered_consumer, .delivered_stream = c->delivered_stream,
        .floor_consumer = c->floor_consumer, .floor_stream = c->floor_stream,
        .next_seq = c->next_seq, .created_ns = c->created_ns, .delivered_ns = c->delivered_ns,
        .acked_ns = c->acked_ns};
}

void ri_carry_each(const ri_consumer *c, const ri_carry_visitor *each)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_list_each (link, &c->order) {
        const ri_pending *p = ri_container_of(link, ri_pending, order_link);
        each->pending(each->arg, &(ri_carry_pending){p->stream_seq, p->consumer_seq,
                                                     p->deliveries, p->sent_ns});
    }
    for (uint32_t i = c->pick; i < c->npicks; i++) each->pick(each->arg, c->picks[i]);
}
