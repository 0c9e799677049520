/* SPDX-License-Identifier: Apache-2.0 */
/* What receivers say of what they got: acks, by the subject that each message came with.
 *
 *     $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
 *     payload   empty, +ACK, +OK    settled: acked
 *               -NAK [delay]        to be delivered again, at once or later
 *               +WPI                its ack wait starts anew
 *               +TERM [reason]      settled: never again
 *               +NXT [request]      acked, and a pull request
 *
 * They come within a publish. A plain ack is done right there, without memory; what would inform
 * others something is queued as a packet and done by the step. While anything is queued, all
 * acks are, so that they keep their order.
 *
 * One that settles all up to a message may settle very many: it does so in slices, and is confirmed
 * behind the last. Meanwhile c->ack_to says up to where all counts as acked. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "codec/jetstream/duration.h"
#include "engine/streams/js_state.h"

#define ACK_AGAIN_NS RI_SEC /* what could not leave its stream is tried again after that */

enum {
    ACK_UNITS = 4,        /* of one that was queued, beside what it sends others */
    ACK_SETTLE_UNITS = 2, /* of a message that is settled with others */
    ACK_LEAST = 64,       /* of these at a time */
};

typedef struct ack_queued {
    ri_list link;       /* in js->ear_queue, or js->settling */
    ri_packet *packet;  /* a reference */
    bool flow;          /* an answer to flow control */
} ack_queued;

/* ---- Settling ---- */

static void ack_notify(ri_consumer *c, const ri_pending *p, ri_js_event_kind kind, ri_str reason)
{
    ri_js *js = c->stream->js;
    ri_js_event event = {.kind = kind, .stream = c->stream->conf.name, .consumer = c->name,
                         .stream_seq = p->stream_seq, .consumer_seq = p->delivery,
                         .deliveries = p->deliveries, .reason = reason};
    ri_js_notify(js, &event);
}

static void ack_sample(ri_consumer *c, const ri_pending *p)
{
    ri_js *js = c->stream->js;
    if (!c->sample || !js->opts.event) return;
    if (c->sample < 100 && (p->consumer_seq * 2654435761u) % 100 >= c->sample) return;
    ri_js_event event = {.kind = RI_JS_ACK_SAMPLED, .stream = c->stream->conf.name,
                         .consumer = c->name, .stream_seq = p->stream_seq,
                         .consumer_seq = p->delivery, .deliveries = p->deliveries,
                         .time_ns = ri_ns_sub(js->wall_ns, p->sent_ns)};
    ri_js_notify(js, &event);
}

/* Is it out of a stream that keeps it for this consumer? What was given up on is, if it went to
 * the dead letters; with nowhere to go, what was terminated is, and what was tried in vain stays
 * to be looked at. */
static bool ack_leaves(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason)
{
    ri_dead dead;
    switch (fate) {
    case RI_FATE_ACKED: return true;
    case RI_FATE_REMOVED: return false; /* it is gone already */
    case RI_FATE_TERMINATED:
    case RI_FATE_EXHAUSTED:
        dead = ri_dead_letter(c, p, fate, reason);
        return dead == RI_DEAD_MOVED || (dead == RI_DEAD_NONE && fate == RI_FATE_TERMINATED);
    }
    return false;
}

static void ack_notify_fate(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    switch (fate) {
    case RI_FATE_ACKED: ack_sample(c, p); break;
    case RI_FATE_TERMINATED: ack_notify(c, p, RI_JS_MSG_TERMINATED, reason); break;
    case RI_FATE_EXHAUSTED: ack_notify(c, p, RI_JS_MAX_DELIVERIES, reason); break;
    case RI_FATE_REMOVED: break;
    }
    if (fate == RI_FATE_ACKED || fate == RI_FATE_TERMINATED)
        c->acked_ns = c->stream->js->wall_ns;
}

/* Where its message cannot leave the stream now, for want of memory perhaps, it stays pending, and
 * the removal is tried again; after a restart it is delivered again, as nobody heard that it was
 * settled. */
bool ri_ack_settle(ri_consumer *c, ri_pending *p, ri_fate fate, ri_str reason)
{
    ri_stream *stream = c->stream;
    uint64_t seq = p->stream_seq;
    bool was_full = c->scarce || (c->conf.max_ack_pending > 0 &&
                                  ri_consumer_npending(c) >= (size_t)c->conf.max_ack_pending);
    c->scarce = false;
    c->busy_mono_ns = stream->js->mono_ns;
    if (!p->leaves) ack_notify_fate(c, p, fate, reason);
    bool goes = fate != RI_FATE_REMOVED && (p->leaves || ack_leaves(c, p, fate, reason));
    if (goes && ri_unlikely(ri_retention_acked(stream, c, seq) < 0)) {
        ri_pending_leave(c, p, ri_ns_add(stream->js->mono_ns, ACK_AGAIN_NS));
        return false;
    }
    ri_state_settled(c, seq);
    ri_pending_drop(c, p);
    if (was_full && c->parked != RI_PARKED_UNBOUND) ri_js_ready(c);
    return true;
}

static int ack_stuck(uint64_t seq)
{
    return ri_err(RILL_EFULL, "message %llu cannot leave its stream now: that is tried again",
                  (unsigned long long)seq);
}

int ri_ack_all(ri_consumer *c, uint64_t seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_budget *budget = &c->stream->js->router->budget;
    for (int n = 0; !ri_list_empty(&c->order); n++) {
        ri_pending *p = ri_container_of(c->order.next, ri_pending, order_link);
        if (p->stream_seq > seq) break;
        if (n >= ACK_LEAST && !ri_budget_left(budget)) {
            c->ack_to = RI_MAX(c->ack_to, seq);
            return 1;
        }
        if (!ri_ack_settle(c, p, RI_FATE_ACKED, RI_STR_NONE)) { /* each when it is due */
            c->ack_to = RI_MAX(c->ack_to, seq);
            return ack_stuck(p->stream_seq);
        }
        ri_budget_spend(budget, ACK_SETTLE_UNITS);
    }
    if (c->ack_to <= seq) c->ack_to = 0;
    return RILL_OK;
}

int ri_consumer_ack_more(ri_consumer *c, uint64_t seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    return c->ack_to ? ri_ack_all(c, seq) : RILL_OK;
}

/* ---- Kinds ---- */

typedef enum ack_kind {
    ACK_PLAIN, ACK_NAK, ACK_PROGRESS, ACK_TERM, ACK_NEXT, ACK_UNKNOWN,
} ack_kind;

static ack_kind ack_kind_of(ri_str payload, ri_str *rest)
{
    static const struct { const char *text; ack_kind kind; bool more; } kinds[] = {
        {"+ACK", ACK_PLAIN, false}, {"+OK", ACK_PLAIN, false}, {"-NAK", ACK_NAK, true},
        {"+WPI", ACK_PROGRESS, false}, {"+TERM", ACK_TERM, true}, {"+NXT", ACK_NEXT, true},
    };
    *rest = RI_STR_NONE;
    if (payload.len == 0) return ACK_PLAIN;
    for (size_t i = 0; i < RI_LEN(kinds); i++) {
        ri_str text = ri_str_of(kinds[i].text);
        if (!ri_str_starts(payload, text)) continue;
        *rest = ri_str_from(payload, text.len);
        while (rest->len && (unsigned char)rest->ptr[0] <= ' ') *rest = ri_str_from(*rest, 1);
        if (rest->len && !kinds[i].more) return ACK_UNKNOWN;
        return kinds[i].kind;
    }
    return ACK_UNKNOWN;
}

/* A duration, or an object with nanoseconds; what is neither puts off nothing. */
static int64_t ack_delay(ri_str text)
{
    int64_t ns = 0;
    ri_json root;
    if (text.len == 0) return 0;
    if (text.ptr[0] != '{') return ri_duration_read(text, &ns) ? ns : 0;
    if (ri_json_parse(&root, text) < 0) return 0;
    return ri_json_integer(ri_json_get(root, "delay"));
}

static void ack_nak(ri_consumer *c, ri_pending *p, int64_t delay_ns)
{
    ri_js *js = c->stream->js;
    ack_notify(c, p, RI_JS_MSG_NAKED, RI_STR_NONE);
    ri_state_delayed(c, p->stream_seq, ri_ns_add(js->wall_ns, RI_MAX(delay_ns, 0)));
    if (delay_ns > 0) {
        ri_pending_delay(c, p, ri_ns_add(js->mono_ns, delay_ns));
    } else if (!p->again) {
        ri_pending_retry(c, p);
    }
}

static int ack_settle_one(ri_consumer *c, ri_pending *p, ri_fate fate, ri_str reason)
{
    uint64_t seq = p->stream_seq;
    return ri_likely(ri_ack_settle(c, p, fate, reason)) ? RILL_OK : ack_stuck(seq);
}

/* 1: more is to be settled; RILL_EFULL: one cannot leave yet. */
static int ack_plain(ri_consumer *c, uint64_t seq)
{
    if (c->conf.ack_policy == RI_ACK_ALL || c->conf.ack_policy == RI_ACK_FLOW_CONTROL)
        return ri_ack_all(c, seq);
    ri_pending *p = ri_pending_find(c, seq);
    return p ? ack_settle_one(c, p, RI_FATE_ACKED, RI_STR_NONE) : RILL_OK;
}

/* One that a native caller or the subject names. `deliveries` of an older delivery still counts:
 * the message was worked on. 1: more is to be settled; RILL_EFULL: it cannot leave yet. */
static int ack_apply(ri_consumer *c, uint64_t seq, ack_kind kind, ri_str rest)
{
    c->busy_mono_ns = c->stream->js->mono_ns;
    ri_pending *p = ri_likely(seq > c->ack_to) ? ri_pending_find(c, seq) : NULL;
    int rc = RILL_OK;
    if (ri_unlikely(p && p->leaves) && kind != ACK_NEXT) kind = ACK_PLAIN; /* it is settled */
    switch (kind) {
    case ACK_PLAIN:
    case ACK_NEXT:
        /* never delivered: forged, or from before a seek */
        if (seq >= c->next_seq) return RILL_ENOENT;
        rc = ack_plain(c, seq);
        break;
    case ACK_NAK:
        if (p) ack_nak(c, p, ack_delay(rest));
        break;
    case ACK_PROGRESS:
        if (!p || p->again || p->reader) break;
        p->sent_ns = c->stream->js->wall_ns;
        ri_pending_clock(c, p);
        ri_state_renewed(c, seq);
        break;
    case ACK_TERM:
        if (p) rc = ack_settle_one(c, p, RI_FATE_TERMINATED, rest);
        break;
    case ACK_UNKNOWN:
        return ri_err(RILL_EINVAL, "that is no ack");
    }
    if (ri_unlikely(rc)) return rc;
    return p ? RILL_OK : RILL_ENOENT;
}

/* Of a program: without a delay the backoff holds, which pauses before every redelivery. Over NATS
 * such a NAK means at once. */
static int ack_back_off(ri_consumer *c, uint64_t seq)
{
    ri_pending *p = ri_pending_find(c, seq);
    if (!p) return RILL_ENOENT;
    c->busy_mono_ns = c->stream->js->mono_ns;
    ack_nak(c, p, ri_pending_wait_ns(c, p->deliveries));
    return RILL_OK;
}

int ri_consumer_ack(ri_consumer *c, uint64_t stream_seq, uint64_t deliveries, ri_str payload)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    (void)deliveries;
    ri_str rest;
    ack_kind kind = ack_kind_of(payload, &rest);
    if (kind == ACK_NEXT) return ri_err(RILL_EINVAL, "+NXT wants a reply");
    bool backs_off = kind == ACK_NAK && !rest.len && c->conf.backoff.len;
    int rc = backs_off ? ack_back_off(c, stream_seq) : ack_apply(c, stream_seq, kind, rest);
    if (ri_likely(rc != RILL_ENOENT)) return rc;
    return ri_err(rc, "message %llu is settled already, or the group has sought another place",
                  (unsigned long long)stream_seq);
}

/* ---- By subject ---- */

static ri_consumer *ack_consumer(ri_js *js, const ri_js_ack *ack)
{
    ri_stream *stream = ri_js_stream(js, ack->stream);
    ri_consumer *c = stream ? ri_stream_consumer(stream, ack->consumer) : NULL;
    return c && c->conf.ack_policy != RI_ACK_NONE ? c : NULL;
}

static void ack_confirm(ri_consumer *c, ri_str reply)
{
    ri_js *js = c->stream->js;
    if (reply.len == 0) return;
    ri_js_store *store = c->stream->store;
    if (store->save_now) ri_state_save(js, store); /* so that it waits for that commit */
    bool unsaved = c->kept && c->whole && ri_list_linked(&c->unsaved_link);
    if (unsaved) return; /* the disk is full: silence makes its sender ask again */
    ri_js_answer(js, store, reply, RI_STR_NONE);
}

static void ack_next(ri_consumer *c, ri_str reply, ri_str rest)
{
    ri_js *js = c->stream->js;
    ri_js_pull_request request;
    ri_arena arena;
    if (reply.len == 0) return;
    ri_arena_init(&arena, js->host);
    if (ri_consumer_pull_read(rest, &arena, &request) >= 0) {
        ri_consumer_pull(c, reply, &request);
    } else {
        char status[160];
        snprintf(status, sizeof status, "400 Bad Request - %.100s", ri_err_text());
        ri_deliver_status(js, reply, RI_STR_NONE, status, "");
    }
    ri_arena_fini(&arena);
}

/* True if it is to go on: `later`, as it does now. */
static bool ack_hear(ri_js *js, const ri_packet *packet, bool later)
{
    ri_js_ack ack;
    ri_consumer *c = ri_jshot_ack_read(ri_packet_subject(packet), &ack) ? ack_consumer(js, &ack)
                                                                       : NULL;
    if (!c) return false;
    ri_str rest, reply = ri_packet_reply(packet);
    ack_kind kind = ack_kind_of(ri_packet_data(packet), &rest);
    bool plain = kind == ACK_PLAIN || kind == ACK_NEXT;
    if (plain && ack.stream_seq >= c->next_seq) return false; /* it was never delivered */
    int rc = later                 ? ri_consumer_ack_more(c, ack.stream_seq)
             : kind == ACK_UNKNOWN ? RILL_OK : ack_apply(c, ack.stream_seq, kind, rest);
    if (rc == 1) return true;
    if (rc == RILL_EFULL) return false; /* silence makes its sender ask again */
    if (kind == ACK_NEXT)
        ack_next(c, reply, rest);
    else
        ack_confirm(c, reply);
    return false;
}

/* May it be done within the publish? */
static bool ack_is_quiet(const ri_js *js, const ri_consumer *c, ack_kind kind)
{
    return ri_list_empty(&js->ear_queue) && !c->sample &&
           (kind == ACK_PLAIN || kind == ACK_PROGRESS);
}

static bool ack_queue(ri_js *js, ri_list *queue, ri_delivery *d, bool flow)
{
    ack_queued *queued = ri_new(js->host, ack_queued);
    if (!queued) return false; /* its sender will see the message again */
    queued->packet = ri_delivery_packet(d);
    queued->flow = flow;
    if (!queued->packet) {
        ri_delete(js->host, queued);
        return false;
    }
    ri_list_push(queue, &queued->link);
    return true;
}

static bool ack_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_js *js = ri_container_of(party, ri_js, ear);
    if (ri_account_is_stopped(js->account)) return false; /* no turn would take it */
    ri_js_catch_up(js, d->time_ns);
    ri_account_stir(js->account);
    if (sub == &js->ear_flow) return ack_queue(js, &js->ear_queue, d, true);
    ri_js_ack ack;
    /* No such consumer, or none that wants acks: as if nobody listened there. */
    if (!ri_jshot_ack_read(d->m->subject, &ack)) return false;
    ri_consumer *c = ack_consumer(js, &ack);
    if (!c) return false;
    ri_str rest;
    ack_kind kind = ack_kind_of(d->m->data, &rest);
    if (!ack_is_quiet(js, c, kind)) return ack_queue(js, &js->ear_queue, d, false);
    if (kind == ACK_PLAIN && ack.stream_seq >= c->next_seq) return true;
    int rc = ack_apply(c, ack.stream_seq, kind, rest);
    if (ri_unlikely(rc == 1)) return ack_queue(js, &js->settling, d, false);
    if (ri_likely(rc != RILL_EFULL)) ack_confirm(c, d->m->reply);
    return true;
}

static const ri_party_ops ack_ops = {.deliver = ack_deliver};

/* $JS.FC.<stream>.<consumer>.<id>, and the longer form with domain and hash in front. True if it is
 * to go on. */
static bool ack_hear_flow(ri_js *js, const ri_packet *packet)
{
    ri_str subject = ri_packet_subject(packet), tokens[8], rest = subject;
    size_t n = 0;
    while (n < RI_LEN(tokens) && ri_str_cut(&rest, '.', &tokens[n])) n++;
    size_t at = n == 5 ? 2 : 4;
    if (n != 5 && n != 7) return false;
    ri_stream *stream = ri_js_stream(js, tokens[at]);
    ri_consumer *c = stream ? ri_stream_consumer(stream, tokens[at + 1]) : NULL;
    return c && ri_consumer_is_push(c) && ri_push_flow(c, subject, ri_packet_headers(packet));
}

/* As many as the budget allows, at least one; those that have to go on by turns. */
static void ack_run(ri_js *js, ri_list *queue)
{
    bool left = true, later = queue == &js->settling;
    for (ri_list *link; left && (link = ri_list_pop(queue)) != NULL;) {
        ack_queued *queued = ri_container_of(link, ack_queued, link);
        ri_packet *packet = queued->packet;
        if (queued->flow ? ack_hear_flow(js, packet) : ack_hear(js, packet, later)) {
            ri_list_push(&js->settling, link);
        } else {
            ri_packet_unref(packet);
            ri_delete(js->host, queued);
        }
        left = ri_budget_spend(&js->router->budget, ACK_UNITS);
    }
}

void ri_ack_step(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    ack_run(js, &js->ear_queue);
    ack_run(js, &js->settling);
}

int ri_ack_init(ri_js *js)
{
    ri_party_init(&js->ear, js->router, &ack_ops);
    ri_party_enter(&js->ear, js->account);
    js->ear_acks.entry.subject = RI_STR("$JS.ACK.>");
    js->ear_flow.entry.subject = RI_STR("$JS.FC.>");
    int rc = ri_router_subscribe(&js->ear, &js->ear_acks);
    if (rc < 0) return rc;
    return ri_router_subscribe(&js->ear, &js->ear_flow);
}

void ri_ack_fini(ri_js *js)
{
    ri_list_splice(&js->ear_queue, &js->settling);
    for (ri_list *link; (link = ri_list_pop(&js->ear_queue)) != NULL;) {
        ack_queued *queued = ri_container_of(link, ack_queued, link);
        ri_packet_unref(queued->packet);
        ri_delete(js->host, queued);
    }
    ri_party_fini(&js->ear);
}
