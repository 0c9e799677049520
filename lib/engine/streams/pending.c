/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of one consumer that were delivered and are not settled.
 *
 *     order   a list by stream sequence: its head is the ack floor's neighbour
 *     map     stream sequence -> entry
 *     clock   those that wait for an ack, by the time it is due at; since each waits equally
 *             long, a new one goes to the end
 *     late    a heap of those with a time of their own (NAK with delay, backoff)
 *     again   those to be delivered again, in the order of their becoming due; of several in one
 *             moment, in the order of the stream
 *
 *     every entry is in order and map, and in exactly one of clock, late and again
 *
 * They are counted in the broker's memory for deliveries, in steps of an eighth. Where that is used
 * up nothing is taken back: the consumers that have most deliver no more until some of theirs are
 * acknowledged, each but for one message at a time. */
#include "engine/streams/js_state.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

enum {
    PENDING_SPARE_MAX = 4096, /* entries kept for the next use, of all consumers */
    PENDING_LOOK = 4096,      /* entries that are looked at for unread ones */
    PENDING_LEAST = 64,       /* due ones that are taken together at least */
    PENDING_UNITS = 2,        /* of the turn, for each of them */
    PENDING_UNIT_FREED = 4,   /* so many entries are freed in a unit */
    PENDING_BYTES = sizeof(ri_pending) + 2 * sizeof(void *), /* of one, with its place in the map */
};

static bool pending_same(const void *item, const void *key)
{
    return ((const ri_pending *)item)->stream_seq == *(const uint64_t *)key;
}

void ri_pending_init(ri_consumer *c)
{
    ri_map_init(&c->pending, c->stream->js->host, pending_same);
    ri_claim_init(&c->claim, NULL);
    ri_list_init(&c->order);
    ri_list_init(&c->clock);
    ri_list_init(&c->again);
}

/* Count those that are there: a little more, or up to twice as many. */
static void pending_count(ri_consumer *c)
{
    ri_ledger *ledger = &c->stream->js->router->deliveries;
    uint64_t n = c->pending.len, counted = c->claim.bytes / PENDING_BYTES;
    if (ri_unlikely(n > counted))
        ri_claim_add(ledger, &c->claim, (n - counted + n / 8) * PENDING_BYTES);
    else if (ri_unlikely(n < counted / 2 || n == 0))
        ri_claim_shrink(ledger, &c->claim, (counted - n) * PENDING_BYTES);
}

bool ri_pending_is_scarce(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_router *router = c->stream->js->router;
    if (c->pending.len == 0 || !ri_claim_waits(&router->deliveries, &c->claim)) return false;
    if (!c->scarce) ri_memory_refused(&router->memory);
    c->scarce = true;
    return true;
}

ri_pending *ri_pending_find(const ri_consumer *c, uint64_t seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    return c->pending.len ? ri_map_get(&c->pending, ri_hash_u64(seq), &seq) : NULL;
}

static ri_pending *pending_take_spare(ri_js *js)
{
    ri_list *link = ri_list_pop(&js->spare);
    if (!link) return ri_new(js->host, ri_pending);
    js->nspare--;
    ri_pending *p = ri_container_of(link, ri_pending, order_link);
    *p = (ri_pending){0};
    return p;
}

static void pending_give_spare(ri_js *js, ri_pending *p)
{
    if (js->nspare >= PENDING_SPARE_MAX) {
        ri_delete(js->host, p);
        return;
    }
    js->nspare++;
    ri_list_push(&js->spare, &p->order_link);
}

bool ri_pending_spare_is_much(const ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    return js->nspare > PENDING_SPARE_MAX;
}

void ri_pending_spare_trim(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_budget *budget = &js->router->budget;
    bool left = true;
    while (left && ri_pending_spare_is_much(js)) {
        for (int i = 0; i < PENDING_LEAST && ri_pending_spare_is_much(js); i++) {
            ri_delete(js->host, ri_container_of(ri_list_pop(&js->spare), ri_pending, order_link));
            js->nspare--;
        }
        left = ri_budget_spend(budget, PENDING_LEAST / PENDING_UNIT_FREED);
    }
}

void ri_pending_spare_fini(ri_js *js)
{
    for (ri_list *link; (link = ri_list_pop(&js->spare)) != NULL;)
        ri_delete(js->host, ri_container_of(link, ri_pending, order_link));
    js->nspare = 0;
}

ri_pending *ri_pending_add(ri_consumer *c, uint64_t stream_seq, uint64_t consumer_seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    ri_pending *p = pending_take_spare(js);
    if (!p) return NULL;
    p->stream_seq = stream_seq;
    p->consumer_seq = p->delivery = consumer_seq;
    p->deliveries = 1;
    p->sent_ns = js->wall_ns;
    if (ri_map_put(&c->pending, ri_hash_u64(stream_seq), p) < 0) {
        pending_give_spare(js, p);
        return NULL;
    }
    RI_ASSERT(ri_list_empty(&c->order) ||
              ri_container_of(c->order.prev, ri_pending, order_link)->stream_seq < stream_seq);
    ri_list_push(&c->order, &p->order_link);
    pending_count(c);
    if (!ri_list_linked(&c->active_link)) ri_list_push(&c->stream->active, &c->active_link);
    return p;
}

/* Out of clock, late or again. */
static void pending_unlink(ri_consumer *c, ri_pending *p)
{
    ri_list_remove(&p->clock_link);
    if (c->late) ri_heap_cancel(c->late, &p->late);
    if (p->again) c->nagain--;
    p->again = false;
}

void ri_pending_drop(ri_consumer *c, ri_pending *p)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    pending_unlink(c, p);
    if (p->unread) c->nunread--;
    if (p->deliveries > 1) c->nredelivered--;
    ri_map_take(&c->pending, ri_hash_u64(p->stream_seq), &p->stream_seq);
    ri_list_remove(&p->order_link);
    pending_count(c);
    pending_give_spare(c->stream->js, p);
}

/* However many there are: they become spare ones, of which those that are too many are freed
 * later. */
void ri_pending_clear(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    js->nspare += c->pending.len;
    ri_list_splice(&js->spare, &c->order);
    ri_map_fini(&c->pending);
    ri_claim_end(&js->router->deliveries, &c->claim);
    if (c->late) {
        ri_heap_fini(c->late);
        ri_delete(js->host, c->late);
        c->late = NULL;
    }
    ri_pending_init(c);
    c->nagain = c->nunread = c->nredelivered = 0;
    c->ack_to = c->gone_to = 0;
}

int64_t ri_pending_wait_ns(const ri_consumer *c, uint32_t deliveries)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    const ri_int64s *backoff = &c->conf.backoff;
    if (backoff->len == 0) /* 0: acks by flow control */
        return c->conf.ack_wait ? c->conf.ack_wait : INT64_MAX;
    uint32_t i = deliveries ? deliveries - 1 : 0;
    return backoff->items[RI_MIN(i, backoff->len - 1)];
}

void ri_pending_delay(ri_consumer *c, ri_pending *p, int64_t due_ns)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    const ri_host *host = c->stream->js->host;
    pending_unlink(c, p);
    if (!c->late && (c->late = ri_new(host, ri_heap)) != NULL) ri_heap_init(c->late, host);
    if (c->late && ri_heap_set(c->late, &p->late, due_ns) >= 0) {
        ri_js_arm_consumer(c, due_ns);
        return;
    }
    ri_pending_again(c, p); /* out of memory: early is better than never */
}

void ri_pending_clock_at(ri_consumer *c, ri_pending *p, int64_t due_ns)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    bool last = ri_list_empty(&c->clock) ||
                ri_container_of(c->clock.prev, ri_pending, clock_link)->due_ns <= due_ns;
    pending_unlink(c, p);
    if (!last) {
        ri_pending_delay(c, p, due_ns);
        return;
    }
    p->due_ns = due_ns;
    ri_list_push(&c->clock, &p->clock_link);
    ri_js_arm_consumer(c, due_ns);
}

void ri_pending_clock(ri_consumer *c, ri_pending *p)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    int64_t wait_ns = ri_pending_wait_ns(c, p->deliveries);
    ri_pending_clock_at(c, p, ri_ns_add(c->stream->js->mono_ns, wait_ns));
}

static void pending_set_unread(ri_consumer *c, ri_pending *p, bool unread)
{
    c->nunread += (uint32_t)unread - (uint32_t)p->unread;
    p->unread = unread;
}

void ri_pending_hand_out(ri_consumer *c, ri_pending *p)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    p->reader = 0;
    pending_set_unread(c, p, false);
    ri_pending_clock(c, p);
}

void ri_pending_hold(ri_consumer *c, ri_pending *p, uint32_t reader)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    p->reader = reader;
    pending_set_unread(c, p, true);
    ri_pending_clock_at(c, p, c->stream->js->mono_ns + RI_CONSUMER_HOLD_NS);
}

void ri_pending_leave(ri_consumer *c, ri_pending *p, int64_t due_ns)
{
    p->leaves = true;
    p->reader = 0;
    pending_set_unread(c, p, false);
    ri_pending_clock_at(c, p, due_ns);
}

void ri_pending_again(ri_consumer *c, ri_pending *p)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    pending_unlink(c, p);
    p->again = true;
    c->nagain++;
    ri_list_push(&c->again, &p->clock_link);
}

int64_t ri_pending_next_ns(const ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    int64_t due = c->late ? ri_heap_next(c->late) : INT64_MAX;
    if (ri_list_empty(&c->clock)) return due;
    return RI_MIN(due, ri_container_of(c->clock.next, ri_pending, clock_link)->due_ns);
}

/* Nobody has seen it: the delivery did not take place. Its reader sleeps, or is busy with another
 * one: it shall not get it again before it asks anew. */
static void pending_unread(ri_consumer *c, ri_pending *p)
{
    ri_pull_asleep(c, p->reader);
    p->reader = 0;
    if (p->deliveries-- == 2) c->nredelivered--;
    ri_pending_again(c, p);
    ri_state_reset(c);
}

/* One whose time has come: to be delivered again, unless it has been often enough. */
static void pending_expire(ri_consumer *c, ri_pending *p)
{
    if (p->stream_seq <= c->ack_to || p->leaves)
        ri_ack_settle(c, p, RI_FATE_ACKED, RI_STR_NONE);
    else if (p->reader)
        pending_unread(c, p);
    else if (c->conf.max_deliver > 0 && p->deliveries >= (uint64_t)c->conf.max_deliver)
        ri_ack_settle(c, p, RI_FATE_EXHAUSTED, RI_STR_NONE);
    else
        ri_pending_again(c, p);
}

static uint64_t pending_first_seq(const ri_list *list)
{
    return ri_container_of(list->next, ri_pending, clock_link)->stream_seq;
}

/* By stream sequence; `n` of them. */
static void pending_sort(ri_list *list, size_t n)
{
    if (n < 2) return;
    ri_list left, sorted;
    ri_list_init(&left);
    ri_list_init(&sorted);
    for (size_t i = 0; i < n / 2; i++) ri_list_push(&left, ri_list_pop(list));
    pending_sort(&left, n / 2);
    pending_sort(list, n - n / 2);
    while (!ri_list_empty(&left) && !ri_list_empty(list)) {
        bool from_left = pending_first_seq(&left) < pending_first_seq(list);
        ri_list_push(&sorted, ri_list_pop(from_left ? &left : list));
    }
    ri_list_splice(&sorted, &left);
    ri_list_splice(&sorted, list);
    ri_list_splice(list, &sorted);
}

/* As many of those that are due now as the budget allows, in the order of the stream. The others
 * stay due. */
static void pending_take_due(ri_consumer *c, int64_t now, ri_list *due)
{
    const ri_budget *budget = &c->stream->js->router->budget;
    size_t n = 0, fit = (size_t)RI_MAX(budget->left - budget->floor, 0) / PENDING_UNITS;
    size_t most = RI_MAX(fit, (size_t)PENDING_LEAST);
    uint64_t last = 0;
    bool sorted = true;
    for (ri_pending *p; n < most; n++) {
        ri_timer *timer;
        if (!ri_list_empty(&c->clock) &&
            (p = ri_container_of(c->clock.next, ri_pending, clock_link))->due_ns <= now)
            ri_list_remove(&p->clock_link);
        else if (c->late && (timer = ri_heap_due(c->late, now)) != NULL)
            p = ri_container_of(timer, ri_pending, late);
        else
            break;
        ri_list_push(due, &p->clock_link);
        sorted = sorted && p->stream_seq > last;
        last = p->stream_seq;
    }
    if (!sorted) pending_sort(due, n);
}

void ri_pending_due(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_list due;
    ri_list_init(&due);
    pending_take_due(c, c->stream->js->mono_ns, &due);
    if (ri_list_empty(&due)) return;
    c->busy_mono_ns = c->stream->js->mono_ns; /* somebody might have worked on them until here */
    for (ri_list *link; (link = ri_list_pop(&due)) != NULL;) {
        pending_expire(c, ri_container_of(link, ri_pending, clock_link));
        ri_budget_spend(&c->stream->js->router->budget, PENDING_UNITS);
    }
    ri_js_ready(c);
}

void ri_pending_retry(ri_consumer *c, ri_pending *p)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    p->reader = 0;
    pending_expire(c, p);
    ri_js_ready(c);
}

bool ri_consumer_hand_out(ri_consumer *c, uint64_t stream_seq, uint64_t delivery)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_pending *p = ri_pending_find(c, stream_seq);
    if (!p || !p->reader || p->delivery != delivery) return false;
    p->sent_ns = c->stream->js->wall_ns;
    ri_pending_hand_out(c, p);
    return true;
}

/* What was fetched last is at the end. */
uint64_t ri_consumer_unread(const ri_consumer *c, uint64_t *first_seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    uint64_t found = 0;
    *first_seq = 0;
    const ri_list *link = c->order.prev;
    for (int i = 0; i < PENDING_LOOK && link != &c->order && found < c->nunread; i++) {
        const ri_pending *p = ri_container_of((ri_list *)(uintptr_t)link, ri_pending, order_link);
        if (p->unread) *first_seq = p->stream_seq;
        found += p->unread;
        link = link->prev;
    }
    return c->nunread;
}

void ri_pending_floor(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    uint64_t floor_consumer = c->floor_consumer;
    if (ri_list_empty(&c->order)) {
        c->floor_stream = c->delivered_stream;
        c->floor_consumer = c->delivered_consumer;
    } else {
        const ri_pending *first = ri_container_of(c->order.next, ri_pending, order_link);
        c->floor_stream = first->stream_seq - 1;
        c->floor_consumer = first->consumer_seq - 1;
    }
    if (c->floor_consumer > floor_consumer && c->conf.ack_policy != RI_ACK_NONE)
        c->acked_ns = c->stream->js->wall_ns;
}
