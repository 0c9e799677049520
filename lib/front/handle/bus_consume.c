/* SPDX-License-Identifier: Apache-2.0 */
/* Reading streams from a program. A rill_sub of this kind listens on an inbox of its own and asks
 * the consumer for messages as its reader takes them:
 *
 *     rill_next() -- takes --> chain <-- delivers -- consumer <-- ri_consumer_ask(inbox, n)
 *          \________ fewer than half of what may wait: asks for the rest ___________/
 *
 * so what waits here is bounded, and nothing is dropped. The reply subject of a delivered message
 * names it to the engine: settling it is a direct call with that name.
 *
 * Without acks, up to the window may wait. With acks, what waits here is work that another member
 * of the group could do, and whose time to be settled must not run yet:
 *
 *     fetched --> held in the chain --> handed out: its ack wait begins --> settled
 *                     \__ not handed out in RI_CONSUMER_HOLD_NS: goes to the next who asks
 *
 * A reader fetches ahead what it works off in CONSUME_AHEAD_NS, measured by what it did last, and
 * nothing while one message takes longer than that. When a message's turn comes, the engine says
 * whether that delivery still stands; what was settled meanwhile, or was given to another member,
 * is passed over. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "codec/jetstream/jshot.h"
#include "codec/subject/subject.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

enum {
    CONSUME_WINDOW = 500,      /* messages that are asked for at once, at most */
    CONSUME_AHEAD_NS = 5000000, /* so much work, measured in time, may wait here */
    CONSUME_GROWTH = 4,        /* by what factor the next amount may be larger */
};

/* ---- Asking ---- */

/* Inside the gate: so many shall wait here or be on their way, if it is less than half of that.
 * RILL_ENOMEM: the request is on its way all the same, as soon as there is memory. */
static int consume_ask(rill_sub *sub, uint32_t wanted)
{
    ri_bus_consumer *c = sub->consumer;
    if (sub->ended || sub->finishing) return RILL_OK;
    uint64_t waits = sub->pushed_msgs - sub->taken_reported;
    uint64_t busy = c->asked + waits;
    c->wanted = wanted;
    if (busy * 2 > wanted || ri_list_linked(&c->asking)) return RILL_OK;
    uint32_t n = wanted - (uint32_t)busy;
    int rc = sub->bus->ops->more(sub, n);
    if (rc == RILL_ECLOSED) {
        ri_bus_sub_end(sub); /* the consumer was deleted */
        return RILL_OK;
    }
    if (rc < 0) {
        ri_list_push(&sub->bus->asking, &c->asking);
        ri_member_ask_later(&sub->bus->member, sub->bus->broker);
    } else {
        c->asked += n;
    }
    return rc;
}

static int consume_again(rill_sub *sub)
{
    return consume_ask(sub, sub->consumer->wanted);
}

void ri_bus_consume_again(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_list due;
    ri_list_init(&due);
    ri_list_splice(&due, &bus->asking);
    for (ri_list *link; (link = ri_list_pop(&due)) != NULL;)
        consume_again(ri_container_of(link, ri_bus_consumer, asking)->sub);
}

/* How many the reader works off in CONSUME_AHEAD_NS, by what it did since this was last asked. */
static void consume_measure(rill_sub *sub)
{
    ri_bus_consumer *c = sub->consumer;
    int64_t now_ns = ri_mono_ns(&sub->bus->host);
    uint64_t took = sub->taken_msgs - c->mark_msgs;
    if (took == 0) return;
    int64_t worked_ns = ri_ns_sub(ri_ns_sub(now_ns, c->mark_ns), c->idle_ns);
    int64_t each_ns = worked_ns / (int64_t)took;
    uint64_t ahead = (uint64_t)(CONSUME_AHEAD_NS / RI_MAX(each_ns, 1));
    ahead = RI_MIN(ahead, (uint64_t)c->ahead * CONSUME_GROWTH + 1);
    if (c->mark_ns && !c->counted) c->ahead = (uint32_t)RI_MIN(ahead, c->window);
    c->mark_msgs = sub->taken_msgs;
    c->mark_ns = now_ns;
    c->idle_ns = 0;
}

/* Is there enough to be asked for, so that it is worth the gate? */
static bool consume_is_worth_it(rill_sub *sub, uint32_t wanted)
{
    uint64_t unreported = sub->taken_msgs - sub->taken_reported;
    return unreported >= (wanted + 3) / 4 || (unreported > 0 && ri_chain_empty(&sub->chain));
}

void ri_bus_consume_more(rill_sub *sub, size_t want)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    uint32_t wanted = c->window;
    if (c->pulled) return;
    if (c->acks) {
        bool short_of = want > 0 && ri_chain_empty(&sub->chain);
        if (!short_of && (c->ahead == 0 || !consume_is_worth_it(sub, c->ahead))) return;
        consume_measure(sub);
        if (!short_of && c->ahead == 0) return;
        wanted = (uint32_t)RI_MIN(RI_MAX(want, c->ahead), c->window);
    } else if (!consume_is_worth_it(sub, wanted)) {
        return;
    }
    ri_broker_enter(sub->bus->broker);
    sub->taken_reported = sub->taken_msgs;
    c->patience_ns = c->wait_ns;
    consume_ask(sub, wanted);
    ri_broker_leave(sub->bus->broker);
}

void ri_bus_consume_idle(rill_sub *sub, int64_t since_ns)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    int64_t idle_ns = ri_ns_sub(ri_mono_ns(&sub->bus->host), since_ns);
    sub->consumer->idle_ns = ri_ns_add(sub->consumer->idle_ns, idle_ns);
}

void ri_bus_consume_runs(rill_sub *sub, bool runs)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    if (!c->acks) return;
    if (runs && c->rest_ns) ri_bus_consume_idle(sub, c->rest_ns);
    c->rest_ns = runs ? 0 : ri_mono_ns(&sub->bus->host);
}

/* A delivery that does not stand: its message comes again, to whomever. */
static void consume_pass_over(ri_bus_consumer *c, const ri_js_ack *ack)
{
    c->passed_first = c->passed ? RI_MIN(c->passed_first, ack->stream_seq) : ack->stream_seq;
    c->passed_last = c->passed ? RI_MAX(c->passed_last, ack->stream_seq) : ack->stream_seq;
    c->passed++;
}

uint32_t ri_bus_consume_hand_out(rill_sub *sub, ri_packet **packets, uint32_t n, uint64_t before)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_js_ack ack;
    const ri_peer_ops *ops = sub->bus->ops;
    uint64_t skip_to = atomic_load_explicit(&sub->skip_to, memory_order_acquire);
    bool asks = sub->consumer->acks && ops->hand_out;
    bool entered = asks && ri_bus_enter(sub->bus) == RILL_OK;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        ri_packet *packet = packets[i];
        bool wanted = before + i + 1 > skip_to;
        bool stands = wanted && (!asks || (entered && ops->hand_out(sub, packet)));
        /* Behind those that stand lie those that do not, in any order. */
        packets[i] = packets[kept];
        packets[kept] = packet;
        kept += stands;
        if (wanted && !stands && entered && ri_jshot_ack_read(ri_packet_reply(packet), &ack))
            consume_pass_over(sub->consumer, &ack);
    }
    if (entered) ri_broker_leave(sub->bus->broker);
    return kept;
}

void ri_bus_consume_give_up(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    if (!c->acks) return;
    ri_broker_enter(sub->bus->broker);
    sub->bus->ops->enough(sub);
    c->asked = 0;
    ri_list_remove(&c->asking);
    ri_broker_leave(sub->bus->broker);
}

bool ri_bus_consume_take(rill_sub *sub, const ri_message *m)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    ri_str description;
    int status = m->headers.len &&
        m->reply.len == 0 ? ri_headers_status(m->headers, &description) : 0;
    if (status == 0) {
        if (c->asked) c->asked--;
        return true;
    }
    if (status == 100) return false;
    c->asked = 0; /* 408, 409: that request is over */
    /* The consumer was deleted, or the server shuts down. */
    if (status == 409) ri_bus_sub_end_later(sub);
    return false;
}

void ri_bus_consume_refused(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    sub->offered_msgs--;
    sub->consumer->asked = 0; /* the reader asks again when it has read what waits */
}

/* ---- Life ---- */

static ri_bus_consumer *consume_new(rill_sub *sub, ri_str stream, const ri_ask_joined *joined)
{
    rill_bus *bus = sub->bus;
    ri_str name = ri_str_of(joined->name);
    size_t size = sizeof(ri_bus_consumer) + stream.len + name.len + 2;
    ri_bus_consumer *c = ri_calloc(&bus->host, size);
    if (!c) return NULL;
    c->size = size;
    ri_list_init(&c->asking);
    c->stream = (char *)(c + 1);
    c->name = c->stream + stream.len + 1;
    memcpy(c->stream, stream.ptr, stream.len);
    memcpy(c->name, name.ptr, name.len);
    memcpy(c->inbox, "_INBOX.", 7);
    ri_nuid_next(&bus->nuid, c->inbox + 7);
    c->sub = sub;
    c->wait_ns = c->patience_ns = -1;
    c->reader = joined->reader;
    c->parts = RI_MAX(joined->parts, 1);
    c->acks = joined->acks;
    c->counted = joined->counted;
    c->pulled = joined->pulled;
    ri_buffer_init(&c->loan, &bus->host);
    uint32_t window = joined->window && !joined->acks ? joined->window : CONSUME_WINDOW;
    c->window = RI_MIN(sub->pending_msgs_max, window);
    if (joined->max_unacked > 0 && joined->max_unacked < c->window)
        c->window = (uint32_t)joined->max_unacked;
    return c;
}

/* Inside the gate: the consumer is there; `sub` listens to its inbox, and asks. */
static int consume_begin(rill_sub *sub, const char *stream, const ri_ask_joined *joined, bool own)
{
    sub->consumer = consume_new(sub, ri_str_of(stream), joined);
    if (!sub->consumer) return RILL_ENOMEM;
    sub->consumer->own = own;
    sub->exact = joined->exact;
    if (joined->queue_bytes) sub->pending_bytes_max = joined->queue_bytes;
    sub->core.entry.subject = ri_str_of(sub->consumer->inbox);
    sub->core.entry.queue = RI_STR_NONE;
    int rc = ri_bus_sub_attach(sub->bus, sub);
    if (rc == RILL_OK && sub->key_at && joined->pending == 0)
        rc = ri_bus_sub_mark(sub, (ri_str){stream, sub->key_at});
    /* Of a server's messages, whose time runs from when they are sent, none comes before it is
     * wanted. */
    bool waits = joined->acks && !sub->on_msg && sub->bus->ops->late;
    if (rc < 0 || waits) return rc;
    if (joined->pulled) return sub->bus->ops->more(sub, 0);
    return consume_ask(sub, joined->acks ? 1 : sub->consumer->window);
}

/* A consumer of this reader alone, which will not have it, after all: the reader's failure is what
 * is reported. */
static void consume_undo(rill_sub *sub, const char *stream, const ri_ask_joined *joined, int rc)
{
    ri_failure failure;
    ri_failure_keep(&failure, rc);
    ri_ask ask = {.kind = RI_ASK_GROUP_DELETE, .stream = stream, .group = joined->name};
    ri_ask_run(sub->bus, &ask);
    ri_failure_restore(&failure);
}

static int consume_join(rill_sub *sub, const char *stream, ri_bus_group_draft *draft)
{
    bool own = draft->request.conf.durable_name.len == 0;
    ri_ask_joined joined;
    ri_ask ask = {.kind = RI_ASK_JOIN, .stream = stream, .draft = draft, .out.joined = &joined};
    int rc = ri_ask_run(sub->bus, &ask);
    if (rc < 0) return rc;
    if ((rc = ri_bus_enter(sub->bus)) == RILL_OK) {
        rc = consume_begin(sub, stream, &joined, own);
        ri_broker_leave(sub->bus->broker);
    }
    if (rc < 0 && own && !sub->consumer) consume_undo(sub, stream, &joined, rc);
    return rc;
}

int ri_bus_consume(rill_bus *bus, rill_sub **out, const char *stream, const rill_sub_opts *opts,
                   ri_bus_kind kind, uint32_t key_at)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_group_draft draft;
    rill_sub_opts own = *opts;
    own.on_publisher = false;
    own.limit_msgs = 0;
    own.when_full = RILL_FULL_DROP_NEW; /* nothing is dropped: what finds no room stays there */
    int rc = ri_bus_group_plan(&draft, opts, kind != RI_BUS_CONSUME);
    if (rc == RILL_OK && opts->on_msg) rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    rill_sub *sub = ri_bus_sub_new(bus, "", &own);
    if (!sub) return RILL_ENOMEM;
    sub->key_at = key_at;
    sub->no_headers = opts->no_headers && kind != RI_BUS_WATCH;
    sub->auto_ack = kind == RI_BUS_CONSUME && opts->ack == RILL_ACK_AUTO;
    rc = consume_join(sub, stream, &draft);
    if (rc < 0) {
        ri_bus_sub_close(sub, -1);
        return rc;
    }
    *out = sub;
    return RILL_OK;
}

void ri_bus_consume_close(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_list_remove(&sub->consumer->asking);
    sub->bus->ops->leave(sub);
}

void ri_bus_consume_free(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    if (!sub->consumer) return;
    ri_buffer_fini(&sub->consumer->loan);
    ri_free(&sub->bus->host, sub->consumer, sub->consumer->size);
}

void ri_bus_consume_status(rill_sub *sub, rill_sub_info *out)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    rill_group_info info = {.size = sizeof info};
    const ri_bus_consumer *c = sub->consumer;
    ri_bus_frame frame;
    ri_bus_sub_ask_begin(sub, &frame);
    int rc = ri_bus_group_status(sub->bus, c->stream, c->name, &info);
    ri_bus_sub_ask_end(sub, &frame);
    if (rc < 0) return;
    out->unacked_msgs = info.unacked_msgs;
    out->lag_msgs = info.lag_msgs;
    out->lag_bytes = info.lag_bytes;
    out->lag_ns = info.lag_ns;
}

void ri_bus_consume_skip(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    atomic_store_explicit(&sub->skip_to, sub->pushed_msgs, memory_order_release);
}

int ri_bus_consume_seek(rill_sub *sub, const rill_at *at)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    const ri_bus_consumer *c = sub->consumer;
    if (!c || sub->key_at)
        return ri_err(RILL_EINVAL, "the messages are not from rill_consume() or rill_tail()");
    ri_bus_frame frame;
    ri_bus_sub_ask_begin(sub, &frame);
    int rc = ri_bus_stream_seek(sub->bus, c->stream, c->name, sub, at);
    ri_bus_sub_ask_end(sub, &frame);
    return rc;
}

/* ---- Settling ---- */

int ri_bus_consume_settle_one(const rill_msg *m, ri_str how)
{
    ri_bus_msg *msg = ri_bus_msg_of(m);
    if (msg->ack.len == 0)
        return ri_err(RILL_EINVAL, "the message did not come from rill_consume()");
    int rc = ri_bus_enter(msg->bus);
    if (rc < 0) return rc;
    rc = msg->bus->ops->settle(msg->bus, msg, 1, how);
    if (rc != RILL_EAGAIN && !ri_str_is(how, "+WPI"))
        atomic_store_explicit(&msg->settled, true, memory_order_relaxed);
    ri_broker_leave(msg->bus->broker);
    return rc;
}

static size_t consume_settle_skip(const ri_bus_msg *views, size_t i, size_t n, bool settled)
{
    while (i < n && atomic_load_explicit(&views[i].settled, memory_order_relaxed) == settled) i++;
    return i;
}

void ri_bus_consume_settle(rill_sub *sub, const ri_bus_msg *views, size_t n)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    if (ri_bus_enter(sub->bus) < 0) return;
    for (size_t end, i = consume_settle_skip(views, 0, n, true); i < n;
         i = consume_settle_skip(views, end, n, true)) {
        end = consume_settle_skip(views, i, n, false);
        sub->bus->ops->settle(sub->bus, views + i, end - i, RI_STR_NONE);
    }
    ri_broker_leave(sub->bus->broker);
}

void ri_bus_sub_status(rill_sub *sub, rill_sub_info *out)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_broker_enter(sub->bus->broker);
    out->pending_msgs = sub->pushed_msgs - atomic_load(&sub->popped_msgs);
    out->pending_bytes = sub->pushed_bytes - atomic_load(&sub->popped_bytes);
    out->dropped_msgs = sub->dropped_msgs;
    out->delivered_msgs = sub->offered_msgs - sub->dropped_msgs;
    ri_broker_leave(sub->bus->broker);
    if (sub->consumer) ri_bus_consume_status(sub, out);
}
