/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions of this process: the queue between publishers and a reader, its bounds, and what
 * happens when they are reached.
 *
 * The producer side is whoever is inside the gate; the reader takes from the chain without it. The
 * reader's counts are reported to the producer every few messages (each one, when the bounds are
 * small) and whenever the queue is found empty, so the bounds hold within a sixteenth. Only with
 * RILL_FULL_DROP_OLD, where the producer takes from the front as well, the reader enters the gate
 * for each message. */
#include "front/handle/peer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "front/handle/bus_reap.h"
#include "front/handle/bus_stored.h"

enum {
    SUB_PENDING_MSGS = 65536,
    SUB_READ_MAX = 4096,  /* messages that one read lends at most */
    SUB_DEBT_MAX = 64,    /* references that a reader drops in one go */
    SUB_HANDED = 64,      /* messages that are handed out within one stay in the gate, at most */
    SUB_SPINS_FIRST = 64, /* pauses before a reader looks again at the queue that it emptied: */
    SUB_SPINS = 256,      /* ... about 1 us, then twice as many, up to this; then it sleeps */
    SUB_READING = 1,
    SUB_AWAITED = 2,
};
#define SUB_PENDING_BYTES (UINT64_C(64) << 20)

/* ---- Producer: inside the gate ---- */

/* By the reader's counts as they were last looked at: a look costs the line that it writes. */
static inline bool sub_is_over(const rill_sub *sub, size_t bytes)
{
    return sub->pushed_msgs - sub->seen_msgs >= sub->pending_msgs_max ||
           sub->pushed_bytes - sub->seen_bytes + bytes >
               RI_MIN(sub->pending_bytes_max, sub->bus->broker->pending_cap);
}

void ri_bus_sub_end_later(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (!ri_list_linked(&sub->deferred_link))
        ri_list_push(&sub->bus->deferred, &sub->deferred_link);
    ri_member_settle_later(&sub->bus->member, sub->bus->broker);
}

int ri_bus_sub_mark(rill_sub *sub, ri_str subject)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_router *router = &sub->bus->broker->router;
    ri_packet *packet = ri_packet_new(router->pool, &(ri_message){.subject = subject},
                                      router->time_ns);
    if (!packet) return RILL_ENOMEM;
    if (ri_chain_push(&sub->chain, packet) < 0) {
        ri_packet_unref(packet);
        return RILL_ENOMEM;
    }
    sub->pushed_msgs++;
    sub->pushed_bytes += packet->size;
    if (sub->on_msg && !ri_list_linked(&sub->ready_link)) {
        ri_list_push(&sub->bus->ready, &sub->ready_link);
        ri_bus_work(sub->bus);
    }
    return RILL_OK;
}

bool ri_bus_sub_full(rill_sub *sub, size_t bytes)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (ri_likely(!sub_is_over(sub, bytes))) return false;
    sub->seen_msgs = atomic_load(&sub->popped_msgs);
    sub->seen_bytes = atomic_load(&sub->popped_bytes);
    ri_broker_relieve(sub->bus->broker);
    return sub_is_over(sub, bytes);
}

/* Is the queue full for no other reason than the broker's memory? */
static bool sub_is_capped(const rill_sub *sub, size_t bytes)
{
    return sub->pushed_msgs - sub->seen_msgs < sub->pending_msgs_max &&
           sub->pushed_bytes - sub->seen_bytes + bytes <= sub->pending_bytes_max;
}

void ri_bus_sub_wake(rill_sub *sub)
{
    if (sub->on_msg) {
        if (ri_list_linked(&sub->ready_link) || ri_bus_sub_call_runner(sub)) return;
        ri_list_push(&sub->bus->ready, &sub->ready_link);
        ri_bus_work(sub->bus);
    } else if (sub->sleeping) {
        sub->sleeping = false;
        ri_park_signal(&sub->park);
        if (sub->bus->drive == RILL_DRIVE_HOST) ri_bus_work(sub->bus);
    } else if (sub->watched) {
        ri_park_signal(&sub->park);
    }
}

static void sub_count_drop(rill_sub *sub, uint64_t number)
{
    if (sub->dropped_new++ == 0) sub->dropped_first = number;
    sub->dropped_msgs++;
    sub->bus->broker->router.dropped_msgs++;
    if (!ri_bus_hears(sub->bus) || ri_list_linked(&sub->slow_link)) return;
    ri_list_push(&sub->bus->slow, &sub->slow_link);
    ri_bus_work(sub->bus);
}

static ri_packet *sub_pop(rill_sub *sub)
{
    ri_packet *packet = ri_chain_pop(&sub->chain);
    if (!packet) return NULL;
    sub->taken_msgs++;
    sub->taken_bytes += packet->size;
    return packet;
}

static void sub_report(rill_sub *sub)
{
    atomic_store(&sub->popped_msgs, sub->taken_msgs);
    atomic_store(&sub->popped_bytes, sub->taken_bytes);
    if (ri_unlikely(atomic_load(&sub->room_wanted))) {
        atomic_store(&sub->room_wanted, false);
        ri_park_signal(&sub->bus->broker->room);
    }
}

static bool sub_drop_old(rill_sub *sub, size_t bytes)
{
    while (ri_bus_sub_full(sub, bytes)) {
        ri_packet *packet = sub_pop(sub);
        if (!packet) return false; /* the message is larger than the bound itself */
        sub_count_drop(sub, sub->taken_msgs);
        ri_packet_unref(packet);
        sub_report(sub);
    }
    return true;
}

static void sub_disconnect(rill_sub *sub)
{
    sub->slow_end = true;
    ri_bus_sub_end_later(sub);
}

/* Make room as when_full says; false if the message cannot be taken. */
static bool sub_make_room(rill_sub *sub, size_t bytes)
{
    ri_broker *broker = sub->bus->broker;
    if (!ri_broker_has_room(broker)) ri_broker_shed(broker);
    if (!ri_bus_sub_full(sub, bytes)) return true;
    if (sub_is_capped(sub, bytes)) ri_memory_refused(&broker->router.memory);
    if (sub->when_full == RILL_FULL_DROP_OLD && sub_drop_old(sub, bytes)) return true;
    if (sub->when_full == RILL_FULL_DISCONNECT) sub_disconnect(sub);
    return false;
}

static bool sub_push(rill_sub *sub, ri_delivery *d)
{
    const ri_message *m = d->m;
    size_t bytes = m->subject.len + m->reply.len + m->headers.len + m->data.len + 3;
    if (ri_unlikely(sub_is_over(sub, bytes) || !ri_broker_has_room(sub->bus->broker))) {
        /* A message that was asked for is taken when there is nothing else, however large. */
        bool asked = sub->consumer && ri_chain_drained(&sub->chain);
        if (!asked && !sub_make_room(sub, bytes)) return false;
    }
    ri_packet *packet = ri_delivery_packet(d);
    if (!packet) return false;
    if (ri_chain_push(&sub->chain, packet) < 0) {
        ri_packet_unref(packet);
        d->no_memory = true;
        return false;
    }
    sub->pushed_msgs++;
    sub->pushed_bytes += packet->size;
    ri_bus_sub_wake(sub);
    return true;
}

/* Onto the list of callbacks that the publisher owes; the subscription is marked running. */
static bool sub_push_inline(rill_sub *sub, ri_delivery *d)
{
    const ri_message *m = d->m;
    size_t size = m->subject.len + m->reply.len + m->headers.len + m->data.len + 4;
    sub->inline_packet = size > RI_BUS_INLINE_MAX ? ri_delivery_packet(d) : NULL;
    if (size > RI_BUS_INLINE_MAX && !sub->inline_packet) {
        ri_bus_sub_rest(sub);
        return false;
    }
    ri_bus_inline *list = d->p->frame;
    list->time_ns = d->time_ns;
    sub->next_inline = NULL;
    if (list->last)
        list->last->next_inline = sub;
    else
        list->first = sub;
    list->last = sub;
    return true;
}

static bool sub_deliver(ri_party *party, ri_subscription *core, ri_delivery *d)
{
    rill_bus *bus = ri_container_of(party, rill_bus, party);
    if (core == &bus->inbox) return ri_bus_request_answer(bus, d);
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    if (ri_unlikely(sub->ended || sub->slow_end)) return false;
    if (sub->consumer && !ri_bus_consume_take(sub, d->m)) return true;
    sub->offered_msgs++;
    if (sub->on_publisher && d->p->frame && ri_bus_sub_start(sub)) return sub_push_inline(sub, d);
    if (ri_likely(sub_push(sub, d))) return true;
    if (sub->consumer) {
        ri_bus_consume_refused(sub);
        return false;
    }
    if (core->entry.queue.len == 0) sub_count_drop(sub, sub->offered_msgs);
    return false;
}

static void sub_missed(ri_party *party, ri_subscription *core)
{
    (void)party;
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    sub_count_drop(sub, sub->offered_msgs);
}

static void sub_not_blocking(rill_sub *sub)
{
    if (!sub->blocking) return;
    sub->blocking = false;
    sub->bus->broker->blocking_subs--;
    ri_park_signal(&sub->bus->broker->room);
}

static void sub_ended(ri_party *party, ri_subscription *core)
{
    rill_bus *bus = ri_container_of(party, rill_bus, party);
    if (core == &bus->inbox) return;
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    sub->ended = true;
    sub_not_blocking(sub);
    if (!sub->on_msg || sub->reaped) ri_bus_sub_wake(sub);
    if (sub->owner) ri_bus_job_call(sub->owner);
}

static bool sub_has_room(ri_party *party, ri_subscription *core, const ri_message *m)
{
    if (core == &ri_container_of(party, rill_bus, party)->inbox) return true;
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    size_t bytes = m->subject.len + m->reply.len + m->headers.len + m->data.len + 3;
    if (ri_likely(!sub_is_over(sub, bytes)) || sub->when_full != RILL_FULL_BLOCK) return true;
    if (!ri_bus_sub_full(sub, bytes)) return true;
    atomic_store(&sub->room_wanted, true);
    /* The reader may have made room before it could see that it is wanted. */
    return !ri_bus_sub_full(sub, bytes);
}

const ri_party_ops ri_bus_client_ops = {
    .deliver = sub_deliver,
    .has_room = sub_has_room,
    .missed = sub_missed,
    .ended = sub_ended,
    .direct = true,
};

void ri_bus_sub_end(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (sub->ended) return;
    if (ri_list_linked(&sub->link)) sub->bus->ops->unsubscribe(sub->bus, &sub->core);
    sub_ended(&sub->bus->party, &sub->core);
    if (sub->watched) ri_park_signal(&sub->park);
}

void ri_bus_sub_finish(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    const ri_peer_ops *ops = sub->bus->ops;
    if (sub->ended || sub->finishing) return;
    sub->finishing = ops->finish && ops->finish(sub->bus, &sub->core);
    if (!sub->finishing) ri_bus_sub_end(sub);
}

/* ---- Reader: packets out of the queue ---- */

static void sub_repay(rill_sub *sub)
{
    if (sub->ndebt) ri_packet_unref_near(sub->debt, sub->ndebt);
    sub->ndebt = 0;
}

static void sub_owe(rill_sub *sub, ri_packet *packet)
{
    if (sub->ndebt && (sub->ndebt == SUB_DEBT_MAX || !ri_packet_is_near(sub->debt, packet)))
        sub_repay(sub);
    sub->debt = packet;
    sub->ndebt++;
}

static bool sub_is_gated(const rill_sub *sub)
{
    return sub->when_full == RILL_FULL_DROP_OLD;
}

/* The next packet, its reference now the reader's; NULL when there is none. */
static ri_packet *sub_take(rill_sub *sub)
{
    bool gated = sub_is_gated(sub);
    if (gated) ri_broker_enter(sub->bus->broker);
    ri_packet *packet = sub_pop(sub);
    uint64_t unreported = sub->taken_msgs - atomic_load_explicit(&sub->popped_msgs,
                                                                 memory_order_relaxed);
    bool report = !packet ? unreported > 0
                        : unreported >= SUB_DEBT_MAX || sub->exact ||
                              unreported > sub->pending_msgs_max / 16 ||
                              ri_chain_empty(&sub->chain) ||
                              atomic_load_explicit(&sub->room_wanted, memory_order_relaxed);
    if (report) sub_report(sub);
    if (gated) ri_broker_leave(sub->bus->broker);
    if (!packet) sub_repay(sub);
    return packet;
}

/* The same, without what was there before the reader sought another place, and without what is not
 * this reader's any more. */
static ri_packet *sub_take_wanted(rill_sub *sub)
{
    for (;;) {
        ri_packet *packet = sub_take(sub);
        if (ri_likely(!packet || !sub->consumer)) return packet;
        if (ri_bus_consume_hand_out(sub, &packet, 1, sub->taken_msgs - 1)) return packet;
        sub_owe(sub, packet);
        ri_bus_consume_more(sub, 1);
    }
}

static bool sub_has_stopped(rill_sub *sub)
{
    return atomic_load_explicit(&sub->closing, memory_order_relaxed) ||
           atomic_load_explicit(&sub->bus->closed, memory_order_relaxed);
}

static bool sub_is_held(rill_sub *sub)
{
    return atomic_load_explicit(&sub->held, memory_order_relaxed);
}

void ri_bus_sub_hold(rill_sub *sub, bool held)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && sub->on_msg);
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    atomic_store(&sub->held, held);
    if (!held) ri_bus_sub_wake(sub); /* its runner, who may run just now, looks at the chain */
}

bool ri_bus_sub_owes_end(rill_sub *sub)
{
    return sub->reaped && sub->ended && !sub->end_reaped && !sub_has_stopped(sub);
}

/* The first value that leaves nothing behind it is the last that was there. */
static void sub_view_key(rill_sub *sub, ri_bus_msg *view)
{
    ri_bus_msg_view_key(view, sub->key_at);
    if (sub->caught_up) view->m.flags &= ~(uint32_t)RILL_MSG_CAUGHT_UP;
    sub->caught_up = sub->caught_up || view->m.pending == 0;
}

static inline void sub_view(rill_sub *sub, ri_bus_msg *view, ri_packet *packet)
{
    ri_bus_msg_view(view, sub->bus, packet);
    if (ri_unlikely(sub->key_at)) sub_view_key(sub, view);
    if (ri_unlikely(sub->no_headers)) ri_bus_msg_view_bare(view);
}

void ri_bus_sub_run_view(rill_sub *sub, ri_bus_msg *view)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_frame frame;
    ri_bus_frame_push(&frame, sub->bus, sub);
    sub->on_msg(sub, &view->m, sub->arg);
    ri_bus_frame_pop(&frame);
}

void ri_bus_sub_run_one(rill_sub *sub, ri_packet *packet)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_bus_msg view;
    sub_view(sub, &view, packet);
    ri_bus_sub_run_view(sub, &view);
    if (ri_unlikely(sub->auto_ack)) ri_bus_consume_settle(sub, &view, 1);
    sub_owe(sub, packet);
}

/* Its messages, and its end, go to whoever reaps. With acks as many are asked for as he has room
 * for, and one at least, since without any he does not come again. */
static int sub_reap(rill_sub *sub)
{
    rill_bus *bus = sub->bus;
    int n = 0;
    for (; !sub_has_stopped(sub) && ri_bus_reap_has_room(bus); n++) {
        ri_packet *packet = sub_take_wanted(sub);
        if (!packet) break;
        sub_view(sub, ri_bus_reap_msg(bus, sub, packet, sub->auto_ack), packet);
        if (sub->consumer) ri_bus_consume_more(sub, RI_MAX(ri_bus_reap_room(bus), 1u));
    }
    ri_broker_enter(bus->broker);
    bool ends = ri_bus_sub_owes_end(sub) && ri_chain_empty(&sub->chain);
    ri_broker_leave(bus->broker);
    if (!ends || !ri_bus_reap_has_room(bus)) return n;
    ri_bus_reap_end(bus, sub);
    return n + 1;
}

int ri_bus_sub_run(rill_sub *sub, int most)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    if (sub->reaped) return sub_reap(sub);
    int ran = 0;
    if (sub->consumer) ri_bus_consume_runs(sub, true);
    for (; ran < most && !sub_has_stopped(sub) && !sub_is_held(sub); ran++) {
        ri_packet *packet = sub_take_wanted(sub);
        if (!packet) break;
        ri_bus_sub_run_one(sub, packet);
        if (sub->consumer) ri_bus_consume_more(sub, 1);
    }
    if (sub->consumer) ri_bus_consume_runs(sub, false);
    return ran;
}

static void sub_free(rill_sub *sub);

bool ri_bus_sub_start(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (atomic_load_explicit(&sub->run, memory_order_acquire) != 0) return false;
    atomic_store_explicit(&sub->run, BUS_RUNNING, memory_order_relaxed);
    return true;
}

bool ri_bus_sub_call_runner(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (atomic_load(&sub->run) == 0) return false;
    if (atomic_fetch_or(&sub->run, BUS_ATTENTION) & BUS_RUNNING) return true;
    atomic_store(&sub->run, 0); /* the runner had stopped just then */
    return false;
}

bool ri_bus_sub_rest_quick(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    unsigned running = BUS_RUNNING;
    return atomic_compare_exchange_strong(&sub->run, &running, 0);
}

bool ri_bus_sub_rest(rill_sub *sub)
{
    RI_ASSERT(atomic_load(&sub->run) & BUS_RUNNING);
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (!sub_has_stopped(sub) && !sub_is_held(sub) && !ri_chain_empty(&sub->chain)) {
        atomic_store(&sub->run, BUS_RUNNING);
        return false;
    }
    atomic_store(&sub->run, 0);
    if (ri_unlikely(sub->ended || sub_has_stopped(sub))) ri_bus_rested(sub->bus);
    if (sub->orphan && sub->asks == 0) sub_free(sub);
    return true;
}

bool ri_bus_sub_slow_event(rill_sub *sub, rill_event *ev, char *text, size_t size)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    if (sub->dropped_new == 0) return false;
    snprintf(text, size, "%" PRIu64 " messages on %.*s were dropped: its reader is too slow",
             sub->dropped_new, RI_ARG(sub->core.entry.subject));
    *ev = (rill_event){.kind = RILL_EV_SLOW, .count = sub->dropped_new, .first = sub->dropped_first,
                       .sub = sub, .detail = text};
    if (sub->slow_end) ev->err = RILL_ECLOSED;
    sub->dropped_new = 0;
    return true;
}

bool ri_bus_sub_is_busy(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    if (!sub->on_msg) return false;
    if (atomic_load(&sub->run)) return true; /* the chain is its runner's, outside the gate too */
    return !sub_is_held(sub) && !ri_chain_empty(&sub->chain);
}

void ri_bus_sub_abandon(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    uint64_t left = sub->pushed_msgs - sub->taken_msgs;
    if (!sub->on_msg || sub->consumer || atomic_load(&sub->run) || left == 0) return;
    if (sub->dropped_new == 0) sub->dropped_first = sub->offered_msgs - left + 1;
    sub->dropped_new += left;
    sub->dropped_msgs += left;
    sub->bus->broker->router.dropped_msgs += left;
    if (!ri_list_linked(&sub->slow_link)) ri_list_push(&sub->bus->slow, &sub->slow_link);
}

/* ---- Reading ---- */

/* Nothing waits: may the reader sleep, and on what count? */
static int sub_before_sleep(rill_sub *sub, uint32_t *seen)
{
    int rc = RILL_OK;
    ri_broker_enter(sub->bus->broker);
    if (!ri_chain_empty(&sub->chain) || ri_bus_pull_waits(sub)) {
        rc = 1;
    } else if (sub->ended || atomic_load(&sub->closing)) {
        rc = ri_err(RILL_ECLOSED,
                    sub->slow_end ? "the subscription was ended: its reader was too slow"
                                                : "the subscription has ended");
    } else {
        if (sub->watched) ri_park_calm(&sub->park);
        sub->sleeping = true;
        *seen = ri_park_count(&sub->park);
    }
    ri_broker_leave(sub->bus->broker);
    return rc;
}

static void sub_awake(rill_sub *sub)
{
    ri_broker_enter(sub->bus->broker);
    sub->sleeping = false;
    ri_broker_leave(sub->bus->broker);
}

static inline void sub_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Look at the empty queue a few times, ever less often: each look takes the cache line that the
 * producer is about to write, so looking all the time would slow it down. */
static ri_packet *sub_spin(rill_sub *sub)
{
    if (sub_is_gated(sub)) return NULL; /* the producer takes from it as well: not to be looked
                                           at */
    for (int pauses = SUB_SPINS_FIRST; pauses <= SUB_SPINS; pauses *= 2) {
        for (int i = 0; i < pauses; i++) sub_pause();
        if (!ri_chain_empty(&sub->chain)) return sub_take_wanted(sub);
    }
    return NULL;
}

/* Sleep until something changes; < 0 says why there is nothing to wait for. */
int ri_bus_sub_sleep(rill_sub *sub, int64_t timeout_ns, int64_t *until)
{
    uint32_t seen = 0;
    int rc = sub_before_sleep(sub, &seen);
    if (rc != 0) return rc < 0 ? rc : RILL_OK;
    int64_t now = timeout_ns == 0 ? 0 : ri_mono_ns(&sub->bus->host);
    if (*until < 0 && timeout_ns > 0) *until = ri_ns_add(now, timeout_ns);
    if (timeout_ns == 0)
        rc = ri_err(RILL_EAGAIN, "no message waits");
    else if (ri_bus_in_callback(sub->bus))
        rc = ri_err(RILL_EDEADLK, "a callback of this bus cannot wait for its messages");
    else if (timeout_ns > 0 && now >= *until)
        rc = ri_err(RILL_ETIMEDOUT, "no message came in time");
    else
        ri_bus_sleep(sub->bus, &sub->park, seen, timeout_ns < 0 ? -1 : ri_ns_sub(*until, now));
    sub_awake(sub);
    return rc;
}

/* Wait for the first packet of a read; < 0 says why there is none. */
static int sub_await(rill_sub *sub, int64_t timeout_ns, ri_packet **packet)
{
    int64_t until = -1;
    int64_t since_ns = sub->consumer ? ri_mono_ns(&sub->bus->host) : 0;
    int rc = RILL_OK;
    while (rc == RILL_OK && !*packet) {
        if (timeout_ns != 0 && (*packet = sub_spin(sub))) break;
        rc = ri_bus_sub_sleep(sub, timeout_ns, &until);
        if (rc == RILL_OK) *packet = sub_take_wanted(sub);
    }
    if (sub->consumer) ri_bus_consume_idle(sub, since_ns);
    return rc;
}

/* The loan of the last read ends. */
static void sub_end_loan(rill_sub *sub)
{
    if (sub->view_packet) sub_owe(sub, sub->view_packet);
    sub->view_packet = NULL;
    for (uint32_t i = 0; i < sub->nlent; i++) sub_owe(sub, sub->lent[i]);
    sub->nlent = 0;
}

/* What the last read lent has been worked on: the next one asks for more. */
static void sub_auto_ack(rill_sub *sub)
{
    if (sub->view_packet) ri_bus_consume_settle(sub, &sub->view, 1);
    if (sub->nlent) ri_bus_consume_settle(sub, sub->views, sub->nlent);
}

int ri_bus_sub_reserve(rill_sub *sub, size_t max)
{
    if (max <= sub->cap_lent) return RILL_OK;
    const ri_host *host = &sub->bus->host;
    uint32_t cap = (uint32_t)max;
    ri_bus_msg *views = ri_alloc(host, cap * sizeof *views);
    ri_packet **lent = ri_alloc(host, cap * sizeof *lent);
    if (!views || !lent) {
        ri_free(host, views, cap * sizeof *views);
        ri_free(host, lent, cap * sizeof *lent);
        return RILL_ENOMEM;
    }
    ri_free(host, sub->views, sub->cap_lent * sizeof *views);
    ri_free(host, sub->lent, sub->cap_lent * sizeof *lent);
    sub->views = views;
    sub->lent = lent;
    sub->cap_lent = cap;
    return RILL_OK;
}

/* How many packets wait, to be lent behind those that are: they are put there, and `most` is
 * enough. */
static uint32_t sub_take_more(rill_sub *sub, uint32_t most)
{
    ri_packet **more = sub->lent + sub->nlent;
    uint64_t before = sub->consumer ? sub->taken_msgs : 0;
    uint32_t n = 0;
    while (n < most && (more[n] = sub_take(sub))) n++;
    uint32_t kept = sub->consumer ? ri_bus_consume_hand_out(sub, more, n, before) : n;
    for (uint32_t i = kept; i < n; i++) sub_owe(sub, more[i]);
    sub->nlent += kept;
    return n;
}

static int sub_read_many(rill_sub *sub, ri_packet *packet, const rill_msg **msgs, size_t max)
{
    RI_ASSERT(sub->nlent == 0 && max <= sub->cap_lent);
    uint32_t most = 1, took = 1, viewed = 0;
    sub->lent[sub->nlent++] = packet;
    do {
        for (; viewed < sub->nlent; viewed++) {
            sub_view(sub, &sub->views[viewed], sub->lent[viewed]);
            msgs[viewed] = &sub->views[viewed].m;
        }
        bool more = took == most && sub->nlent < max;
        most = more ? RI_MIN((uint32_t)max - sub->nlent, (uint32_t)SUB_HANDED) : 0;
    } while (most > 0 && (took = sub_take_more(sub, most)) > 0);
    return (int)sub->nlent;
}

static int sub_read(rill_sub *sub, const rill_msg **msgs, size_t max, int64_t timeout_ns)
{
    ri_packet *packet = NULL;
    if (max > SUB_READ_MAX) max = SUB_READ_MAX;
    if (ri_bus_is_pulled(sub)) return ri_bus_pull_read(sub, msgs, max, timeout_ns);
    if (ri_unlikely(sub->auto_ack)) sub_auto_ack(sub);
    sub_end_loan(sub);
    if (max > 1 && ri_bus_sub_reserve(sub, max) < 0) return RILL_ENOMEM;
    if (!(packet = sub_take_wanted(sub))) {
        int rc = sub_await(sub, timeout_ns, &packet);
        if (rc < 0) return rc;
    }
    if (max > 1) return sub_read_many(sub, packet, msgs, max);
    sub_view(sub, &sub->view, packet);
    sub->view_packet = packet;
    *msgs = &sub->view.m;
    return 1;
}

static void sub_reader_leaves(rill_sub *sub)
{
    ri_broker *broker = sub->bus->broker;
    unsigned reading = SUB_READING;
    if (ri_likely(atomic_compare_exchange_strong(&sub->reading, &reading, 0))) return;
    ri_broker_enter(broker); /* a closer waits: it frees `sub` as soon as this has left */
    atomic_fetch_and(&sub->reading, ~(unsigned)SUB_READING);
    ri_park_signal(&sub->bus->quiet);
    ri_broker_leave(broker);
}

int ri_bus_sub_read(rill_sub *sub, const rill_msg **msgs, size_t max, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    if (sub->reaped) return ri_err(RILL_EINVAL, "messages of this bus come by rill_reap()");
    if (sub->on_msg) return ri_err(RILL_EINVAL, "the subscription has a callback");
    if (atomic_fetch_or(&sub->reading, SUB_READING) & SUB_READING)
        return ri_err(RILL_EBUSY, "another thread reads this subscription");
    if (sub->consumer) sub->consumer->wait_ns = timeout_ns;
    if (sub->consumer) ri_bus_consume_more(sub, max);
    int rc = sub_read(sub, msgs, max, timeout_ns);
    if (rc > 0 && sub->consumer) ri_bus_consume_more(sub, 0);
    if (rc == RILL_ETIMEDOUT && sub->consumer) ri_bus_consume_give_up(sub);
    if (sub->watched) ri_bus_pull_calm(sub);
    sub_reader_leaves(sub);
    return rc;
}

/* ---- Life ---- */

static void sub_free(rill_sub *sub)
{
    rill_bus *bus = sub->bus;
    const ri_host *host = &bus->host;
    ri_list_remove(&sub->link); /* an orphan is in bus->subs still */
    sub_end_loan(sub);
    for (ri_packet *packet; (packet = ri_chain_pop(&sub->chain));) sub_owe(sub, packet);
    sub_repay(sub);
    ri_chain_fini(&sub->chain);
    ri_bus_consume_free(sub);
    ri_park_fini(&sub->park);
    ri_free(host, sub->views, sub->cap_lent * sizeof *sub->views);
    ri_free(host, sub->lent, sub->cap_lent * sizeof *sub->lent);
    sub->magic = 0;
    ri_free(host, sub, sub->size);
    ri_bus_unref(bus);
}

static void sub_init(rill_sub *sub, rill_bus *bus, const rill_sub_opts *opts)
{
    sub->magic = RI_SUB_MAGIC;
    sub->bus = bus;
    ri_list_init(&sub->link);
    ri_list_init(&sub->ready_link);
    ri_list_init(&sub->slow_link);
    ri_list_init(&sub->deferred_link);
    ri_list_init(&sub->core.link);
    ri_chain_init(&sub->chain, &bus->host);
    ri_park_init(&sub->park);
    sub->reaped = bus->reap && !opts->on_msg;
    sub->on_msg = sub->reaped ? ri_bus_reap_no_callback : opts->on_msg;
    sub->arg = opts->arg;
    sub->when_full = opts->when_full;
    sub->on_publisher = opts->on_publisher;
    sub->core.max = opts->limit_msgs;
    sub->pending_msgs_max = opts->pending_msgs ? opts->pending_msgs : SUB_PENDING_MSGS;
    sub->pending_bytes_max = opts->pending_bytes ? opts->pending_bytes : SUB_PENDING_BYTES;
}

rill_sub *ri_bus_sub_new(rill_bus *bus, const char *subject, const rill_sub_opts *opts)
{
    size_t subject_size = strlen(subject) + 1;
    size_t group_size = opts->group ? strlen(opts->group) + 1 : 0;
    size_t size = sizeof(rill_sub) + subject_size + group_size;
    rill_sub *sub = ri_calloc(&bus->host, size);
    if (!sub) return NULL;
    char *strings = (char *)(sub + 1);
    memcpy(strings, subject, subject_size);
    sub->core.entry.subject = (ri_str){strings, subject_size - 1};
    if (group_size) {
        memcpy(strings + subject_size, opts->group, group_size);
        sub->core.entry.queue = (ri_str){strings + subject_size, group_size - 1};
    }
    sub->size = size;
    sub_init(sub, bus, opts);
    ri_bus_ref(bus);
    return sub;
}

int ri_bus_sub_attach(rill_bus *bus, rill_sub *sub)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    sub->core.party = &bus->party;
    int rc = bus->ops->subscribe(bus, &sub->core);
    if (rc < 0) return rc;
    ri_list_push(&bus->subs, &sub->link);
    sub->blocking = sub->when_full == RILL_FULL_BLOCK && !sub->consumer;
    bus->broker->blocking_subs += sub->blocking;
    return RILL_OK;
}

int ri_bus_sub_open(rill_bus *bus, rill_sub **out, const char *subject,
                       const rill_sub_opts *opts)
{
    static const rill_sub_opts defaults = {.size = sizeof defaults};
    if (!opts) opts = &defaults;
    int rc = ri_subject_check_filter(ri_str_of(subject));
    if (rc == RILL_OK && opts->group) rc = ri_subject_check_queue(ri_str_of(opts->group));
    if (rc == RILL_OK && opts->on_msg) rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    rill_sub *sub = ri_bus_sub_new(bus, subject, opts);
    if (!sub) return RILL_ENOMEM;
    ri_broker_enter(bus->broker);
    rc = ri_bus_sub_attach(bus, sub);
    ri_broker_leave(bus->broker);
    if (rc < 0) {
        sub_free(sub);
        return rc;
    }
    *out = sub;
    return RILL_OK;
}

int ri_bus_sub_stop(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_broker_enter(sub->bus->broker);
    bool closed = atomic_load(&sub->bus->closed);
    ri_bus_sub_finish(sub);
    ri_broker_leave(sub->bus->broker);
    return closed ? ri_err(RILL_ECLOSED, "the bus is closed") : RILL_OK;
}

void ri_bus_sub_ask_begin(rill_sub *sub, ri_bus_frame *frame)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub));
    ri_broker_enter(sub->bus->broker);
    sub->asks++;
    ri_broker_leave(sub->bus->broker);
    ri_bus_frame_push(frame, sub->bus, sub);
}

void ri_bus_sub_ask_end(rill_sub *sub, ri_bus_frame *frame)
{
    rill_bus *bus = sub->bus;
    ri_bus_frame_pop(frame);
    ri_bus_ref(bus);
    ri_broker_enter(bus->broker);
    RI_ASSERT(sub->asks > 0);
    sub->asks--;
    bool last = sub->asks == 0 && !(atomic_load(&sub->run) & BUS_RUNNING);
    if (last && sub->orphan) sub_free(sub);
    ri_park_signal(&bus->quiet);
    ri_broker_leave(bus->broker);
    ri_bus_unref(bus);
}

/* Does anybody run the callback of `sub`, read it, or ask about it? Inside the gate. */
static bool sub_is_in_use(rill_sub *sub)
{
    if (sub->asks > 0 || (atomic_load(&sub->run) & BUS_RUNNING)) return true;
    return atomic_load(&sub->reading) & SUB_READING;
}

/* Nothing of it begins any more. */
static void sub_silence(rill_sub *sub)
{
    if (sub->consumer) ri_bus_consume_close(sub);
    ri_bus_sub_end(sub);
    atomic_store(&sub->closing, true);
    ri_list_remove(&sub->ready_link);
    ri_list_remove(&sub->slow_link);
    ri_list_remove(&sub->deferred_link);
    if (!ri_bus_hears(sub->bus) || !sub->dropped_new) return;
    sub->bus->lost_msgs += sub->dropped_new;
    ri_bus_work(sub->bus);
}

/* Until nobody is inside it; false: the time was up before, and it is as it was. */
static bool sub_await_unused(rill_sub *sub, int64_t timeout_ns)
{
    rill_bus *bus = sub->bus;
    int64_t due_ns = ri_deadline_in(&bus->host, timeout_ns), left_ns = -1;
    ri_list_remove(&sub->link);
    atomic_fetch_or(&sub->reading, SUB_AWAITED);
    ri_park_signal(&sub->park);
    ri_bus_work(bus); /* a reader that drives the bus sleeps there */
    while (sub_is_in_use(sub) && (left_ns = ri_deadline_left_ns(&bus->host, due_ns)) != 0) {
        uint32_t seen = ri_park_count(&bus->quiet);
        ri_broker_leave(bus->broker);
        ri_park_wait(&bus->quiet, seen, left_ns);
        ri_broker_enter(bus->broker);
    }
    bool used = sub_is_in_use(sub);
    if (used) ri_list_push(&bus->subs, &sub->link);
    return !used;
}

int ri_bus_sub_close(rill_sub *sub, int64_t timeout_ns)
{
    ri_broker *broker = sub->bus->broker;
    ri_broker_enter(broker);
    if (!atomic_load(&sub->closing)) sub_silence(sub);
    bool runs = ri_bus_sub_call_runner(sub);
    bool orphan = (runs || sub->asks > 0) && ri_bus_in_callback_of(sub);
    sub->orphan = orphan;
    bool free = !orphan && sub_await_unused(sub, timeout_ns);
    ri_broker_leave(broker);
    if (free) sub_free(sub);
    if (free || orphan) return RILL_OK;
    return ri_err(RILL_ETIMEDOUT, "a callback of the subscription, or a call of it, has not ended");
}
