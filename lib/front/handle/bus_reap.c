/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle/bus_reap.h"

#include <stdio.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/deadline.h"
#include "base/process.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

enum { REAP_BLOCK = 32 };

typedef struct reap_entry {
    rill_item item;
    ri_packet *packet;    /* of `view`; NULL: none */
    ri_bus_call *call;    /* NULL: it is no call's */
    char *texts;          /* in `texts_size` bytes; NULL: none */
    size_t texts_size;
    bool auto_ack;
    union {
        ri_bus_msg view;
        rill_receipt receipt;
        rill_event event;
    } has;
} reap_entry;

typedef struct reap_block {
    struct reap_block *next;
    reap_entry entries[REAP_BLOCK];
} reap_block;

struct ri_bus_reaping {
    rill_reaped reaped;
    rill_bus *bus;        /* a reference is held */
    const rill_item **items;
    uint32_t cap;
    size_t max;
    reap_block *first, *last;
    size_t entries;       /* in all blocks */
    bool no_memory;
};

static ri_bus_reaping *reap_of(const rill_reaped *reaped)
{
    return ri_container_of((rill_reaped *)(uintptr_t)reaped, ri_bus_reaping, reaped);
}

void ri_bus_reap_no_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m, (void)arg;
    RI_ASSERT(false);
}

/* ---- Items, one after the other ---- */

/* Room for the next pointer, and for what it points to. */
static int reap_reserve(ri_bus_reaping *b)
{
    const ri_host *host = &b->bus->host;
    size_t n = b->reaped.n;
    RI_ASSERT(n < b->max && n <= b->entries && n <= b->cap);
    if (n == b->cap &&
        ri_array_reserve(host, &b->items, &b->cap, (uint32_t)n + 1, sizeof *b->items) < 0)
        return RILL_ENOMEM;
    if (n < b->entries) return RILL_OK;
    reap_block *block = ri_alloc(host, sizeof *block);
    if (!block) return RILL_ENOMEM;
    block->next = NULL;
    if (b->last) b->last->next = block;
    else b->first = block;
    b->last = block;
    b->entries += REAP_BLOCK;
    return RILL_OK;
}

bool ri_bus_reap_has_room(rill_bus *bus)
{
    ri_bus_reaping *b = bus->reaping;
    RI_ASSERT(!b || (b->bus == bus && bus->dispatching && b->reaped.n <= b->max));
    if (!b || b->reaped.n == b->max || b->no_memory) return false;
    b->no_memory = reap_reserve(b) < 0;
    return !b->no_memory;
}

size_t ri_bus_reap_room(const rill_bus *bus)
{
    const ri_bus_reaping *b = bus->reaping;
    return b ? b->max - b->reaped.n : 0;
}

static reap_entry *reap_next(rill_bus *bus, rill_item_kind kind, void *arg)
{
    ri_bus_reaping *b = bus->reaping;
    RI_ASSERT(b && b->reaped.n < b->max && b->reaped.n < b->cap);
    RI_ASSERT(b->reaped.n < b->entries);
    reap_entry *e = &b->last->entries[b->reaped.n % REAP_BLOCK];
    e->item = (rill_item){.kind = kind, .arg = arg};
    e->packet = NULL;
    e->call = NULL;
    e->texts = NULL;
    e->auto_ack = false;
    b->items[b->reaped.n++] = &e->item;
    return e;
}

/* Room for texts of an item; NULL: there is no memory, and the item does without. */
static char *reap_texts(rill_bus *bus, reap_entry *e, size_t size)
{
    RI_ASSERT(size > 0 && !e->texts);
    e->texts = ri_alloc(&bus->host, size);
    e->texts_size = size;
    return e->texts;
}

static void reap_fail(rill_bus *bus, reap_entry *e, int err)
{
    e->item.err = err;
    if (err >= 0) return;
    size_t size = strlen(ri_err_text()) + 1;
    char *text = reap_texts(bus, e, size);
    e->item.detail = text ? memcpy(text, ri_err_text(), size) : ri_err_class(err);
}

void ri_bus_reap_call(rill_bus *bus, ri_bus_call *call)
{
    RI_ASSERT(call->bus == bus && !call->done && !call->delivered);
    reap_entry *e = reap_next(bus, RILL_ITEM_DONE, call->arg);
    e->item = call->item;
    e->call = call;
    call->delivered = true;
}

void ri_bus_reap_receipt(rill_bus *bus, int err, const rill_receipt *receipt, void *arg)
{
    reap_entry *e = reap_next(bus, RILL_ITEM_DONE, arg);
    reap_fail(bus, e, err);
    e->has.receipt = *receipt;
    if (err >= 0) e->item.receipt = &e->has.receipt;
}

void ri_bus_reap_reply(rill_bus *bus, int err, ri_packet *answer, void *arg)
{
    reap_entry *e = reap_next(bus, RILL_ITEM_DONE, arg);
    reap_fail(bus, e, err);
    if (!answer) return;
    e->packet = answer;
    ri_bus_msg_view(&e->has.view, bus, answer);
    e->item.msg = &e->has.view.m;
    bus->reaping->reaped.bytes += answer->size;
}

void ri_bus_reap_end(rill_bus *bus, rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && sub->reaped && !sub->end_reaped);
    sub->end_reaped = true;
    reap_next(bus, RILL_ITEM_END, sub->arg)->item.sub = sub;
}

ri_bus_msg *ri_bus_reap_msg(rill_bus *bus, rill_sub *sub, ri_packet *packet, bool auto_ack)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && sub->reaped && packet);
    reap_entry *e = reap_next(bus, RILL_ITEM_MSG, sub->arg);
    e->item.sub = sub;
    e->item.msg = &e->has.view.m;
    e->packet = packet;
    e->auto_ack = auto_ack;
    bus->reaping->reaped.bytes += packet->size;
    return &e->has.view;
}

/* ---- Events: their texts are the dispatcher's ---- */

static const char *reap_keep_text(char **at, const char *text)
{
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static size_t reap_text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* One that finds no memory for its texts does without them. */
void ri_bus_reap_event(rill_bus *bus, const rill_event *ev)
{
    RI_ASSERT(!bus->on_event && ev->kind);
    reap_entry *e = reap_next(bus, RILL_ITEM_EVENT, bus->arg);
    size_t size = reap_text_size(ev->detail) + reap_text_size(ev->server) +
                  reap_text_size(ev->subject);
    char *at = size ? reap_texts(bus, e, size) : NULL;
    rill_event *own = &e->has.event;
    *own = *ev;
    own->detail = at ? reap_keep_text(&at, ev->detail) : "";
    own->server = at ? reap_keep_text(&at, ev->server) : NULL;
    own->subject = at ? reap_keep_text(&at, ev->subject) : NULL;
    e->item.event = own;
    e->item.err = ev->err;
    e->item.sub = ev->sub;
    e->item.count = ev->count;
    e->item.detail = ev->err < 0 ? own->detail : NULL;
}

/* ---- A batch ---- */

static ri_bus_reaping *reap_new(rill_bus *bus, size_t max)
{
    ri_bus_reaping *b = ri_new(&bus->host, ri_bus_reaping);
    if (!b) return NULL;
    ri_bus_ref(bus);
    b->bus = bus;
    b->max = RI_MIN(max, (size_t)RI_BUS_REAP_MAX);
    return b;
}

static void reap_settle(reap_entry *e)
{
    RI_ASSERT(!e->auto_ack || e->item.kind == RILL_ITEM_MSG);
    if (!e->auto_ack || atomic_load_explicit(&e->has.view.settled, memory_order_relaxed)) return;
    ri_bus_consume_settle_one(&e->has.view.m, RI_STR_NONE);
}

/* Packets that lie together are given back together. */
static void reap_give_back(ri_packet *packet, ri_packet **near, uint32_t *n)
{
    RI_ASSERT(!*n || *near);
    if (*n && (!packet || !ri_packet_is_near(*near, packet))) {
        ri_packet_unref_near(*near, *n);
        *n = 0;
    }
    if (packet) (*n)++;
    *near = packet;
}

static void reap_drop(ri_bus_reaping *b, reap_entry *e)
{
    reap_settle(e);
    if (e->call) ri_bus_call_free(e->call);
    if (e->texts) ri_free(&b->bus->host, e->texts, e->texts_size);
}

void ri_bus_reap_free(rill_reaped *reaped)
{
    ri_bus_reaping *b = reap_of(reaped);
    rill_bus *bus = b->bus;
    RI_ASSERT(ri_bus_is_sound(bus) && reaped->n <= b->entries);
    if (!ri_process_is(bus->stamp)) return; /* a child's copy, whose locks nobody gives back */
    const ri_host *host = &bus->host;
    ri_packet *near = NULL;
    uint32_t nnear = 0;
    size_t left = reaped->n;
    for (reap_block *block = b->first, *next; block; block = next) {
        next = block->next;
        for (int i = 0; i < REAP_BLOCK && left > 0; i++, left--) {
            reap_drop(b, &block->entries[i]);
            if (block->entries[i].packet) reap_give_back(block->entries[i].packet, &near, &nnear);
        }
        ri_free(host, block, sizeof *block);
    }
    reap_give_back(NULL, &near, &nnear);
    ri_free(host, b->items, b->cap * sizeof *b->items);
    ri_delete(host, b);
    ri_bus_unref(bus);
}

/* Until there is an item, or a callback has run (> 0), or the time is up. */
static int reap_fill(rill_bus *bus, ri_bus_reaping *b, int64_t timeout_ns)
{
    RI_ASSERT(b->bus == bus && b->reaped.n == 0);
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    for (;;) {
        int ran = ri_bus_dispatch_reaping(bus, b);
        if (ran > 0 || b->reaped.n) return ran;
        if (b->no_memory) return RILL_ENOMEM;
        if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
        if (ran < 0) return ran;
        if (timeout_ns == 0) return ri_err(RILL_EAGAIN, "nothing waits");
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        if (left == 0) return ri_err(RILL_ETIMEDOUT, "nothing came in time");
        ri_bus_doze(bus, left);
    }
}

int ri_bus_reap(rill_bus *bus, rill_reaped **out, size_t max, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus) && max > 0);
    ri_bus_reaping *b = reap_new(bus, max);
    if (!b) return RILL_ENOMEM;
    int rc = reap_fill(bus, b, timeout_ns);
    if (b->reaped.n == 0) {
        ri_bus_reap_free(&b->reaped);
        return rc < 0 ? rc : 0;
    }
    b->reaped.items = b->items;
    *out = &b->reaped;
    return (int)b->reaped.n;
}
