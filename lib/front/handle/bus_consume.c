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
#include "front/peer_local/local_durable.h"

enum {
    CONSUME_WINDOW = 500,      /* messages asked for at once at most */
    CONSUME_AHEAD_NS = 5000000, /* of work may wait here */
    CONSUME_GROWTH = 4,        /* how much more may wait than before */
};

struct ri_bus_consumer {
    char inbox[RILL_INBOX_LEN]; /* where messages come to */
    char *stream, *name;        /* owned */
    size_t size;                /* of this allocation */
    uint32_t window;            /* asked for at once at most */
    uint32_t asked;             /* asked for and not delivered yet; guarded by the gate */
    uint32_t wanted;            /* ... and what the last request was to bring it to */
    uint32_t reader;            /* its number for the engine */
    bool acks;                  /* messages are held until they are handed out */
    bool counted;               /* deliveries are limited: nothing is fetched ahead */
    /* The reader's, as in `sub`: */
    uint32_t ahead;             /* so many may wait here; with acks */
    uint64_t mark_msgs;         /* sub->taken_msgs when its speed was last measured ... */
    int64_t mark_ns;            /* ... which was then; monotonic; 0: never */
    int64_t idle_ns;            /* since then, without a message */
    int64_t rest_ns;            /* since then no callback of it runs; 0: one does */
    rill_sub *sub;              /* whose it is */
    ri_list asking;             /* in bus->asking */
    bool own;                   /* no group: it ends with the reader */
};

/* ---- Asking ---- */

/* Inside the gate; NULL when it, its stream or all of them are gone. */
static ri_consumer *consume_find(const rill_sub *sub)
{
    const ri_bus_consumer *c = sub->consumer;
    ri_durable *durable = sub->bus->broker->durable;
    ri_stream *stream = durable ? ri_js_stream(ri_durable_js(durable), ri_str_of(c->stream)) : NULL;
    return stream ? ri_stream_consumer(stream, ri_str_of(c->name)) : NULL;
}

static int consume_request(ri_consumer *consumer, const ri_bus_consumer *c, uint32_t n)
{
    ri_str inbox = ri_str_of(c->inbox);
    if (c->acks) return ri_consumer_ask(consumer, c->reader, inbox, n);
    return ri_consumer_pull(consumer, inbox, &(ri_js_pull_request){.batch = n});
}

/* Inside the gate: so many shall wait here or be on their way, if it is less than half of that.
 * RILL_ENOMEM: the request is on its way all the same, as soon as there is memory. */
static int consume_ask(rill_sub *sub, uint32_t wanted)
{
    ri_bus_consumer *c = sub->consumer;
    ri_durable *durable = sub->bus->broker->durable;
    ri_consumer *consumer = sub->ended ? NULL : consume_find(sub);
    if (!consumer) {
        ri_bus_sub_end(sub); /* it was deleted */
        return RILL_OK;
    }
    uint64_t waits = sub->pushed_msgs - sub->taken_told;
    uint64_t busy = c->asked + waits;
    c->wanted = wanted;
    if (busy * 2 > wanted || ri_list_linked(&c->asking)) return RILL_OK;
    uint32_t n = wanted - (uint32_t)busy;
    int rc = consume_request(consumer, c, n);
    if (rc < 0) {
        ri_list_push(&sub->bus->asking, &c->asking);
        ri_member_ask_later(&sub->bus->member, sub->bus->broker);
    } else {
        c->asked += n;
    }
    ri_durable_touched(durable);
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
    uint64_t untold = sub->taken_msgs - sub->taken_told;
    return untold >= (wanted + 3) / 4 || (untold > 0 && ri_chain_empty(&sub->chain));
}

void ri_bus_consume_more(rill_sub *sub, size_t want)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    uint32_t wanted = c->window;
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
    sub->taken_told = sub->taken_msgs;
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

bool ri_bus_consume_hand_out(rill_sub *sub, const ri_packet *packet)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_js_ack ack;
    ri_durable *durable;
    if (!sub->consumer->acks || !ri_jshot_ack_read(ri_packet_reply(packet), &ack)) return true;
    if (ri_local_durable_enter(sub->bus, &durable) < 0) return false;
    ri_consumer *consumer = consume_find(sub);
    bool stands = consumer && ri_consumer_hand_out(consumer, ack.stream_seq, ack.consumer_seq);
    ri_broker_leave(sub->bus->broker);
    return stands;
}

void ri_bus_consume_give_up(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_consumer *c = sub->consumer;
    if (!c->acks) return;
    ri_broker_enter(sub->bus->broker);
    ri_consumer *consumer = consume_find(sub);
    if (consumer) ri_consumer_unask(consumer, ri_str_of(c->inbox));
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
    if (status == 409) ri_bus_sub_end_later(sub); /* deleted, or shut down */
    return false;
}

void ri_bus_consume_refused(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    sub->offered_msgs--;
    sub->consumer->asked = 0; /* the reader asks again when it has read what waits */
}

/* ---- Life ---- */

static ri_bus_consumer *consume_new(rill_bus *bus, ri_str stream, ri_str name)
{
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
    return c;
}

/* Inside the gate: the consumer is there, and `sub` listens to its inbox. */
static int consume_begin(rill_bus *bus, ri_durable *durable, const char *stream_name,
                         ri_local_group_draft *draft, rill_sub *sub)
{
    ri_stream *stream;
    ri_consumer *consumer;
    int rc = ri_local_stream_find(durable, stream_name, &stream);
    if (rc < 0) return rc;
    draft->request.observer = draft->tail &&
                              ri_stream_conf_of(stream)->retention == RI_RETAIN_WORKQUEUE;
    rc = ri_local_group_join(stream, draft, &consumer);
    if (rc < 0) return rc;
    bool own = draft->request.conf.durable_name.len == 0;
    sub->consumer = consume_new(bus, ri_str_of(stream_name), ri_consumer_name(consumer));
    if (!sub->consumer) return RILL_ENOMEM;
    sub->consumer->sub = sub;
    sub->consumer->own = own;
    sub->consumer->reader = ri_js_reader(ri_durable_js(durable));
    sub->consumer->acks = ri_consumer_conf_of(consumer)->ack_policy != RI_ACK_NONE;
    sub->consumer->counted = ri_consumer_conf_of(consumer)->max_deliver > 0;
    int64_t unacked = ri_consumer_conf_of(consumer)->max_ack_pending;
    sub->consumer->window = RI_MIN(sub->pending_msgs_max, CONSUME_WINDOW);
    if (unacked > 0 && unacked < sub->consumer->window) sub->consumer->window = (uint32_t)unacked;
    sub->core.entry.subject = ri_str_of(sub->consumer->inbox);
    sub->core.entry.queue = RI_STR_NONE;
    rc = ri_bus_sub_attach(bus, sub);
    ri_consumer_info info = {0};
    ri_consumer_info_of(consumer, &info);
    if (rc == RILL_OK && sub->key_at && info.num_pending == 0)
        rc = ri_bus_sub_mark(sub, (ri_str){stream_name, sub->key_at});
    if (rc == RILL_OK) rc = ri_local_durable_wait(durable, ri_stream_log(stream));
    return rc == RILL_OK ? consume_ask(sub, sub->consumer->acks ? 1 : sub->consumer->window) : rc;
}

int ri_bus_consume(rill_bus *bus, rill_sub **out, const char *stream, const rill_sub_opts *opts,
                     ri_bus_kind kind, uint32_t key_at)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    static const rill_sub_opts defaults = {.size = sizeof defaults};
    if (!opts) opts = &defaults;
    ri_local_group_draft draft;
    ri_durable *durable;
    rill_sub_opts own = *opts;
    own.on_publisher = false;
    own.limit_msgs = 0;
    own.when_full = RILL_FULL_DROP_NEW; /* nothing is dropped: what finds no room stays there */
    int rc = ri_local_group_plan(&draft, opts, kind != RI_BUS_CONSUME);
    if (rc == RILL_OK && opts->on_msg) rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    rill_sub *sub = ri_bus_sub_new(bus, "", &own);
    if (!sub) return RILL_ENOMEM;
    sub->key_at = key_at;
    sub->auto_ack = kind == RI_BUS_CONSUME && opts->ack == RILL_ACK_AUTO;
    rc = ri_local_durable_enter(bus, &durable);
    if (rc == RILL_OK) {
        rc = consume_begin(bus, durable, stream, &draft, sub);
        ri_broker_leave(bus->broker);
    }
    if (rc < 0) {
        ri_bus_sub_close(sub);
        return rc;
    }
    *out = sub;
    return RILL_OK;
}

void ri_bus_consume_close(rill_sub *sub)
{
    ri_durable *durable = sub->bus->broker->durable;
    ri_consumer *consumer = consume_find(sub);
    ri_list_remove(&sub->consumer->asking);
    if (consumer) ri_consumer_unask(consumer, ri_str_of(sub->consumer->inbox));
    if (consumer && sub->consumer->own) {
        ri_consumer_delete(consumer);
        if (ri_durable_waits(durable)) ri_durable_nudge(durable);
    }
}

void ri_bus_consume_free(rill_sub *sub)
{
    if (sub->consumer) ri_free(&sub->bus->host, sub->consumer, sub->consumer->size);
}

void ri_bus_consume_status(rill_sub *sub, rill_sub_info *out)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_consumer *consumer = consume_find(sub);
    rill_group_info info = {.size = sizeof info};
    if (!consumer) return;
    ri_local_group_fill(consumer, ri_wall_ns(&sub->bus->host), &info);
    out->unacked_msgs = info.unacked_msgs;
    out->lag_msgs = info.lag_msgs;
    out->lag_bytes = info.lag_bytes;
    out->lag_ns = info.lag_ns;
}

int ri_bus_consume_seek(rill_sub *sub, const rill_at *at)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_durable *durable;
    if (!sub->consumer || sub->key_at)
        return ri_err(RILL_EINVAL, "the messages are not from rill_consume() or rill_tail()");
    rill_at own = *at;
    int rc = ri_local_stream_find_last(sub->bus, sub->consumer->stream, &own);
    if (rc == RILL_OK) rc = ri_local_durable_enter(sub->bus, &durable);
    if (rc < 0) return rc;
    ri_consumer *consumer = consume_find(sub);
    if (consumer) {
        ri_stream *stream = ri_consumer_stream(consumer);
        ri_consumer_seek(consumer, ri_local_stream_seq_at(stream, &own));
        atomic_store_explicit(&sub->skip_to, sub->pushed_msgs, memory_order_release);
        rc = ri_local_durable_wait(durable, ri_stream_log(stream));
    } else {
        rc = ri_err(RILL_ECLOSED, "the stream or the group is gone");
    }
    ri_broker_leave(sub->bus->broker);
    return rc;
}

/* ---- Settling ---- */

static ri_consumer *consume_settle_find(ri_durable *durable, const ri_js_ack *ack)
{
    ri_stream *stream = ri_js_stream(ri_durable_js(durable), ack->stream);
    return stream ? ri_stream_consumer(stream, ack->consumer) : NULL;
}

/* Of an ack that settles very many messages: the others, turn by turn. Only if this fails the gate
 * was left. */
static int consume_settle_rest(rill_bus *bus, ri_durable **durable, const ri_js_ack *ack)
{
    ri_consumer *consumer;
    do {
        int rc = ri_local_durable_pass(bus, durable);
        if (rc < 0) return rc;
        consumer = consume_settle_find(*durable, ack);
    } while (consumer && ri_consumer_ack_more(consumer, ack->stream_seq));
    ri_budget_close(&bus->broker->router.budget);
    return RILL_OK;
}

int ri_bus_consume_settle_one(const rill_msg *m, ri_str how)
{
    ri_bus_msg *msg = ri_bus_msg_of(m);
    ri_js_ack ack;
    ri_durable *durable;
    if (!ri_jshot_ack_read(msg->ack, &ack))
        return ri_err(RILL_EINVAL, "the message did not come from rill_consume()");
    int rc = ri_local_durable_enter(msg->bus, &durable);
    if (rc < 0) return rc;
    ri_consumer *consumer = consume_settle_find(durable, &ack);
    if (consumer && ri_consumer_conf_of(consumer)->ack_policy == RI_ACK_NONE)
        rc = ri_err(RILL_EINVAL, "the message came without acknowledgement");
    else if (consumer)
        rc = ri_consumer_ack(consumer, ack.stream_seq, ack.deliveries, how);
    else
        rc = ri_err(RILL_ECLOSED, "the stream or the group of the message is gone");
    if (!ri_str_is(how, "+WPI")) atomic_store_explicit(&msg->settled, true, memory_order_relaxed);
    if (rc == 1 && (rc = consume_settle_rest(msg->bus, &durable, &ack)) < 0) return rc;
    ri_durable_touched(durable);
    ri_broker_leave(msg->bus->broker);
    return rc;
}

void ri_bus_consume_settle(rill_sub *sub, const ri_bus_msg *views, size_t n)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_durable *durable;
    ri_js_ack ack;
    if (ri_local_durable_enter(sub->bus, &durable) < 0) return;
    ri_consumer *consumer = consume_find(sub);
    for (size_t i = 0; consumer && i < n; i++) {
        if (atomic_load_explicit(&views[i].settled, memory_order_relaxed) ||
            !ri_jshot_ack_read(views[i].ack, &ack) ||
            ri_consumer_ack(consumer, ack.stream_seq, ack.deliveries, RI_STR_NONE) != 1)
            continue;
        if (consume_settle_rest(sub->bus, &durable, &ack) < 0) return;
        consumer = consume_find(sub);
    }
    ri_durable_touched(durable);
    ri_broker_leave(sub->bus->broker);
}
