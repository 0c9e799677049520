/* SPDX-License-Identifier: Apache-2.0 */
/* From a stream to a receiver: which message is next, how it looks on the wire, and what the
 * consumer remembers of having sent it.
 *
 *     subject   as it was stored (the receiver's subscription is found by the inbox)
 *     reply     $JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<consumer seq>.<time>.<pending>
 *     headers   as stored; Nats-Msg-Size instead of the body if headers_only
 *
 * The consumer's books are written before the publish, and taken back if nobody took it: a
 * receiver in this process may acknowledge from within. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/headers.h"
#include "engine/streams/js_state.h"

enum { DELIVER_UNITS = 8 }; /* of the turn, for a message that is read and packed */

#define DELIVER_AGAIN_NS (50 * RI_MS) /* what found no memory is tried again after that */

void ri_deliver_step(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    RI_ASSERT(c->parked == RI_PARKED_NO);
    if (ri_unlikely(c->gone_to) && !ri_consumer_drop_gone(c)) {
        ri_js_ready(c);
        return;
    }
    if (c->conf.pause_until > js->wall_ns) {
        c->paused = true;
        ri_js_arm_consumer(c, ri_js_mono_of(js, c->conf.pause_until));
        return;
    }
    if (ri_consumer_is_push(c))
        ri_push_step(c);
    else
        ri_pull_step(c);
}

/* ---- What is next ---- */

/* Again: the first of those that are due and still in the stream. 1, 0 if there is none, or a
 * code: it is there, and cannot be read now. */
static int deliver_again(ri_consumer *c, ri_record *record, ri_pending **out)
{
    while (!ri_list_empty(&c->again)) {
        ri_pending *p = ri_container_of(c->again.next, ri_pending, clock_link);
        if (ri_unlikely(p->stream_seq <= c->ack_to || p->leaves)) {
            if (!ri_ack_settle(c, p, RI_FATE_ACKED, RI_STR_NONE)) return 0;
            continue;
        }
        int rc = ri_cursor_get(&c->stream->cursor, p->stream_seq, record);
        if (rc >= 0) *out = p;
        if (rc >= 0) return 1;
        if (!ri_js_is_lost(rc)) return rc;
        ri_ack_settle(c, p, RI_FATE_REMOVED, RI_STR_NONE);
    }
    return 0;
}

/* The same of those that were not delivered yet; or the search is cut. */
static int deliver_new(ri_consumer *c, ri_record *record)
{
    int rc;
    for (; c->pick < c->npicks; c->pick++) {
        rc = ri_cursor_get(&c->stream->cursor, c->picks[c->pick], record);
        if (rc >= 0 && ri_consumer_wants(c, record->subject)) return 1; /* filters may change */
        if (rc < 0 && !ri_js_is_lost(rc)) return rc;
    }
    while ((rc = ri_cursor_next(&c->cursor, c->next_seq, &c->filter, record)) < 0) {
        if (!ri_js_is_lost(rc)) return rc;
        c->next_seq = record->seq + 1;
        ri_ahead_count_anew(c);
    }
    if (rc == RI_CURSOR_CUT) c->next_seq = record->seq; /* none before it matches */
    if (rc == 1 && ri_unlikely(c->stream->view != NULL) && record->seq > c->next_seq)
        ri_ahead_passed(c, record->seq);
    if (rc > 0) return rc;
    ri_track_info info;
    ri_track_counts(c->stream->track, &info);
    c->next_seq = RI_MAX(c->next_seq, info.visible_seq + 1); /* none of these matched */
    ri_cursor_fini(&c->cursor); /* at the end: hold no memory while there is nothing */
    return 0;
}

/* Replay at original speed: is it too early for this record? */
static bool deliver_is_early(ri_consumer *c, const ri_record *record)
{
    ri_js *js = c->stream->js;
    if (c->conf.replay_policy != RI_REPLAY_ORIGINAL || !c->replay_ns) return false;
    int64_t due_ns = ri_ns_add(c->replay_mono_ns, ri_ns_sub(record->time_ns, c->replay_ns));
    if (due_ns <= js->mono_ns) return false;
    c->paced_ns = due_ns;
    ri_js_arm_consumer(c, due_ns);
    return true;
}

/* ---- How it looks ---- */

static void deliver_put_headers(const ri_consumer *c, const ri_record *record, const char *header,
                                ri_buffer *out)
{
    bool bare = c->conf.headers_only;
    if (!bare && !*header) {
        ri_buffer_put_str(out, record->headers);
        return;
    }
    if (record->headers.len > 2)
        ri_buffer_put(out, record->headers.ptr, record->headers.len - 2);
    else
        ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    ri_buffer_puts(out, header);
    if (bare) ri_buffer_printf(out, "Nats-Msg-Size: %zu\r\n", record->data.len);
    ri_buffer_puts(out, "\r\n");
}

static bool deliver_pack(ri_consumer *c, const ri_record *record, const char *header,
                         ri_parcel *parcel)
{
    const ri_stream *stream = c->stream;
    ri_buffer *out = &stream->js->scratch;
    const ri_pending *p = parcel->pending;
    uint64_t ahead = ri_ahead_of(c);
    ri_js_ack ack = {.stream = stream->conf.name, .consumer = c->name,
                     .deliveries = p ? p->deliveries + 1 : 1, .stream_seq = record->seq,
                     .consumer_seq = c->delivered_consumer + 1, .time_ns = record->time_ns,
                     .pending = p || !ahead ? ahead : ahead - 1};
    ri_buffer_reset(out);
    char *room = ri_buffer_room(out, record->subject.len + stream->conf.name.len + c->name.len +
                                         RI_JS_ACK_MAX + record->headers.len + record->data.len);
    if (!room) return false;
    size_t subject_len = record->subject.len;
    memcpy(room, record->subject.ptr, subject_len);
    size_t ack_len = ri_jshot_ack_write(&ack, room + subject_len);
    ri_buffer_added(out, subject_len + ack_len);
    deliver_put_headers(c, record, header, out);
    size_t headers_end = out->len;
    if (!c->conf.headers_only) ri_buffer_put_str(out, record->data);
    if (out->failed) return false;
    const char *at = out->ptr;
    parcel->m = (ri_message){.subject = {at, subject_len}, .reply = {at + subject_len, ack_len},
                             .headers = {at + subject_len + ack_len,
                                         headers_end - subject_len - ack_len},
                             .data = {at + headers_end, out->len - headers_end}};
    parcel->seq = record->seq;
    parcel->time_ns = record->time_ns;
    parcel->bytes = out->len;
    return true;
}

/* No memory, or the disk did not answer. */
static void deliver_later(ri_consumer *c)
{
    ri_js_arm_consumer(c, c->stream->js->mono_ns + DELIVER_AGAIN_NS);
}

static bool deliver_full(const ri_consumer *c)
{
    return c->conf.ack_policy != RI_ACK_NONE && c->conf.max_ack_pending > 0 &&
           ri_consumer_npending(c) >= (size_t)c->conf.max_ack_pending;
}

ri_supply ri_deliver_next(ri_consumer *c, const char *header, ri_parcel *parcel)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_record record;
    *parcel = (ri_parcel){0};
    if (ri_unlikely(ri_router_has_backlog(c->stream->js->router))) {
        ri_js_ready(c);
        return RI_SUPPLY_HELD;
    }
    if (c->paced_ns > c->stream->js->mono_ns) {
        ri_js_arm_consumer(c, c->paced_ns);
        return RI_SUPPLY_HELD;
    }
    int rc = deliver_again(c, &record, &parcel->pending);
    if (rc == 0) {
        if (deliver_full(c)) return RI_SUPPLY_HELD;
        if (c->conf.ack_policy != RI_ACK_NONE && ri_pending_is_scarce(c)) {
            deliver_later(c);
            return RI_SUPPLY_HELD;
        }
        bool counted = ri_likely(!c->stream->view) || ri_ahead_count_on(c);
        rc = counted ? deliver_new(c, &record) : RI_CURSOR_CUT;
        if (rc == 1 && !ri_ahead_count_on(c)) rc = RI_CURSOR_CUT; /* the message says it */
        if (rc == 0) return RI_SUPPLY_DRY;
        if (rc == RI_CURSOR_CUT) {
            ri_js_ready(c);
            return RI_SUPPLY_HELD;
        }
        if (rc > 0 && deliver_is_early(c, &record)) return RI_SUPPLY_HELD;
    }
    ri_budget_spend(&c->stream->js->router->budget, DELIVER_UNITS);
    if (rc > 0 && deliver_pack(c, &record, header, parcel)) return RI_SUPPLY_PARCEL;
    deliver_later(c);
    return RI_SUPPLY_HELD;
}

/* ---- Sending ---- */

/* It is with its receiver: when will it be due again? */
static void deliver_start_clock(ri_consumer *c, ri_pending *p, uint32_t reader)
{
    p->delivery = c->delivered_consumer;
    if (reader) ri_pending_hold(c, p, reader);
    else ri_pending_hand_out(c, p);
}

static int deliver_publish(ri_js *js, ri_str inbox, const ri_message *m)
{
    RI_ASSERT(inbox.len > 0);
    return ri_router_publish(&js->party, &(ri_publish){.m = m, .route = inbox});
}

static int deliver_send_again(ri_consumer *c, ri_parcel *parcel, ri_str inbox)
{
    ri_js *js = c->stream->js;
    ri_pending *p = parcel->pending;
    uint64_t seq = p->stream_seq;
    c->delivered_consumer++;
    if (++p->deliveries == 2) c->nredelivered++;
    int64_t was_sent_ns = p->sent_ns;
    p->sent_ns = js->wall_ns;
    deliver_start_clock(c, p, parcel->reader);
    int took = deliver_publish(js, inbox, &parcel->m);
    if (took > 0) {
        ri_state_delivered(c, seq, false);
        return 1;
    }
    c->delivered_consumer--;
    if (p->deliveries-- == 2) c->nredelivered--;
    p->sent_ns = was_sent_ns;
    p->reader = 0;
    ri_pending_again(c, p);
    ri_list_remove(&p->clock_link); /* it was the first, and is again */
    p->clock_link.next = c->again.next;
    p->clock_link.prev = &c->again;
    c->again.next->prev = &p->clock_link;
    c->again.next = &p->clock_link;
    return took;
}

/* The place behind a first delivery; `back` holds what it was. */
typedef struct deliver_place {
    uint64_t next_seq, delivered_stream, ahead;
    uint32_t pick;
} deliver_place;

static deliver_place deliver_advance(ri_consumer *c, uint64_t seq)
{
    deliver_place was = {c->next_seq, c->delivered_stream, c->ahead, c->pick};
    if (c->pick < c->npicks) {
        c->pick++;
    } else {
        c->next_seq = seq + 1;
        if (c->counted_to && c->ahead) c->ahead--;
    }
    c->delivered_stream = seq;
    c->delivered_consumer++;
    return was;
}

static void deliver_retreat(ri_consumer *c, const deliver_place *was)
{
    c->next_seq = was->next_seq;
    c->delivered_stream = was->delivered_stream;
    c->ahead = was->ahead;
    c->pick = was->pick;
    c->delivered_consumer--;
}

static int deliver_send_new(ri_consumer *c, ri_parcel *parcel, ri_str inbox)
{
    ri_js *js = c->stream->js;
    bool acks = c->conf.ack_policy != RI_ACK_NONE;
    ri_pending *p = NULL;
    if (acks && !(p = ri_pending_add(c, parcel->seq, c->delivered_consumer + 1)))
        return RILL_ENOMEM;
    deliver_place was = deliver_advance(c, parcel->seq);
    if (p) deliver_start_clock(c, p, parcel->reader);
    int took = deliver_publish(js, inbox, &parcel->m);
    if (took <= 0) {
        deliver_retreat(c, &was);
        if (p) ri_pending_drop(c, p);
        return took;
    }
    ri_state_delivered(c, parcel->seq, true);
    if (!acks && !c->observer) ri_retention_acked(c->stream, c, parcel->seq);
    return 1;
}

int ri_deliver_send(ri_consumer *c, ri_parcel *parcel, ri_str inbox)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    int sent = parcel->pending ? deliver_send_again(c, parcel, inbox)
                               : deliver_send_new(c, parcel, inbox);
    if (sent < 0) deliver_later(c);
    if (sent <= 0) return sent;
    c->delivered_ns = js->wall_ns;
    c->replay_ns = parcel->time_ns;
    c->replay_mono_ns = js->mono_ns;
    return 1;
}

/* ---- Status lines ---- */

int ri_deliver_status(ri_js *js, ri_str inbox, ri_str reply, const char *status,
                      const char *headers)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_buffer_reset(&js->status);
    ri_buffer_printf(&js->status, RI_HEADERS_FIRST " %s\r\n%s\r\n", status, headers);
    if (js->status.failed) return 0;
    ri_message m = {.subject = inbox, .reply = reply, .headers = ri_buffer_str(&js->status)};
    return deliver_publish(js, inbox, &m);
}

void ri_deliver_heartbeat(ri_consumer *c, ri_str inbox, ri_str stalled)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    char headers[512];
    snprintf(headers, sizeof headers, "Nats-Last-Consumer: %llu\r\nNats-Last-Stream: %llu\r\n"
             "%s%.*s%s", (unsigned long long)c->delivered_consumer,
             (unsigned long long)c->delivered_stream,
             stalled.len ? "Nats-Consumer-Stalled: " : "", RI_ARG(stalled),
             stalled.len ? "\r\n" : "");
    ri_deliver_status(c->stream->js, inbox, RI_STR_NONE, "100 Idle Heartbeat", headers);
}
