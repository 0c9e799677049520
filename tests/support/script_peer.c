/* SPDX-License-Identifier: Apache-2.0 */
#include "support/script_peer.h"

#include "base/assert.h"
#include "base/error.h"
#include "net/thread.h"

enum { SCRIPT_WAITING_MAX = 64 };

typedef struct script_waiting { /* one that is answered later */
    ri_list calls;              /* the ri_ask.link, or ri_js_waiter.link; empty: nobody waits */
    ri_ask *ask;                /* NULL: an append */
    ri_js_append *append;
    const script_row *row;
} script_waiting;

typedef struct script_peer {
    rill_bus bus;
    const script_row *rows;
    ri_buffer heard, told;      /* told: what was lent */
    script_waiting waiting[SCRIPT_WAITING_MAX];
    uint32_t first, end;        /* of those */
    ri_park work;               /* where its thread sleeps */
    pthread_t thread;
    bool ended;
} script_peer;

#define SCRIPT_OF(pointer) ri_container_of(pointer, script_peer, bus)

/* ---- Answers: inside the gate ---- */

static rill_msg *script_msg(rill_bus *bus, const script_row *row)
{
    ri_message m = {.subject = ri_str_of(row->subject), .headers = ri_str_of(row->headers),
                    .data = ri_str_of(row->data)};
    ri_packet *packet = ri_packet_new(bus->broker->router.pool, &m, 1);
    rill_msg *made = packet ? ri_bus_msg_own(bus, packet) : NULL;
    RI_ASSERT(made);
    made->seq = row->seq;
    return made;
}

static void script_fill(rill_bus *bus, ri_ask *ask, const script_row *row)
{
    switch (ask->kind) {
    case RI_ASK_GET: case RI_ASK_LAST: case RI_ASK_NEXT: case RI_ASK_API:
        *ask->out.msg = script_msg(bus, row);
        break;
    case RI_ASK_STREAM_NAMES: case RI_ASK_SUBJECTS: case RI_ASK_KEYS: case RI_ASK_GROUP_NAMES:
        for (size_t i = 0; i < 4 && row->names[i]; i++)
            ri_buffer_put(ask->out.names, row->names[i], strlen(row->names[i]) + 1);
        break;
    case RI_ASK_STREAM_PURGE: *ask->out.count = row->seq; break;
    case RI_ASK_STREAM_STATUS: ask->out.stream->msgs = row->seq; break;
    case RI_ASK_GROUP_STATUS: ask->out.group->lag_msgs = row->seq; break;
    case RI_ASK_JOIN: *ask->out.joined = row->joined; break;
    default: break;
    }
}

static void script_answer(script_peer *peer, script_waiting *w)
{
    if (ri_list_empty(&w->calls)) return; /* it was given up */
    int rc = w->row->rc;
    if (rc < 0) ri_err(rc, "%s", w->row->sentence);
    if (w->ask) {
        if (rc >= 0) script_fill(&peer->bus, w->ask, w->row);
        ri_ask_over(w->ask, rc);
        return;
    }
    ri_list_remove(&w->append->waiter.link);
    w->append->seq = w->row->seq;
    w->append->waiter.done(&w->append->waiter, rc);
}

static bool script_step(script_peer *peer)
{
    if (peer->first == peer->end) return false;
    script_waiting *w = &peer->waiting[peer->first++ % SCRIPT_WAITING_MAX];
    if (!w->row->never) script_answer(peer, w);
    return true;
}

static void *script_thread(void *arg)
{
    script_peer *peer = arg;
    for (bool ended = false; !ended;) {
        ri_broker_enter(peer->bus.broker);
        bool more = script_step(peer);
        uint32_t seen = ri_park_count(&peer->work);
        ended = peer->ended;
        ri_broker_leave(peer->bus.broker);
        if (!more && !ended) ri_park_wait(&peer->work, seen, -1);
    }
    return NULL;
}

static void script_later(rill_bus *bus, ri_list *link, ri_ask *ask, ri_js_append *append)
{
    script_peer *peer = SCRIPT_OF(bus);
    RI_ASSERT(peer->end - peer->first < SCRIPT_WAITING_MAX);
    script_waiting *w = &peer->waiting[peer->end++ % SCRIPT_WAITING_MAX];
    w->ask = ask;
    w->append = append;
    w->row = peer->rows++;
    ri_list_init(&w->calls);
    ri_list_push(&w->calls, link);
    ri_park_signal(&peer->work);
}

/* ---- The table ---- */

static uint32_t script_caps(const rill_bus *bus)
{
    (void)bus;
    return RILL_CAN_REQUEST | RILL_CAN_STREAM;
}

static void script_shut(rill_bus *bus)
{
    SCRIPT_OF(bus)->ended = true;
    ri_park_signal(&SCRIPT_OF(bus)->work);
}

static void script_fini(rill_bus *bus)
{
    script_peer *peer = SCRIPT_OF(bus);
    if (bus->drive == RILL_DRIVE_THREAD) pthread_join(peer->thread, NULL);
    ri_park_fini(&peer->work);
    ri_buffer_fini(&peer->heard);
    ri_buffer_fini(&peer->told);
}

static int script_flush(rill_bus *bus, int timeout_ms, bool stored)
{
    (void)timeout_ms;
    ri_broker_enter(bus->broker);
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "FLUSH%s\n", stored ? " STORED" : "");
    ri_broker_leave(bus->broker);
    return RILL_OK;
}

static void script_turn(rill_bus *bus)
{
    script_step(SCRIPT_OF(bus));
}

static int64_t script_due_ns(rill_bus *bus)
{
    return SCRIPT_OF(bus)->first == SCRIPT_OF(bus)->end ? -1 : 0;
}

static bool script_event(rill_bus *bus, rill_event *ev, ri_failure *detail)
{
    if (bus->troubles_given) return false;
    bus->troubles_given++;
    ev->kind = RILL_EV_DOWN;
    ri_err(RILL_EIO, "the line is cut");
    ri_failure_keep(detail, RILL_EIO);
    return true;
}

static int script_publish(rill_bus *bus, const ri_message *m)
{
    ri_broker_enter(bus->broker);
    int rc = ri_bus_check(bus, m);
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "PUB %.*s %.*s\n", RI_ARG(m->subject),
                     RI_ARG(m->data));
    ri_broker_leave(bus->broker);
    if (rc == RILL_OK && m->reply.len && ri_str_is(m->data, "echo")) {
        ri_message answer = {.subject = m->reply, .data = RI_STR("echoed")};
        script_bring(bus, bus->inbox_prefix, &answer);
    }
    if (rc == RILL_OK && m->reply.len && ri_str_is(m->data, "nobody")) {
        ri_message answer = {.subject = m->reply, .headers = RI_STR("NATS/1.0 503\r\n\r\n")};
        script_bring(bus, bus->inbox_prefix, &answer);
    }
    return rc < 0 ? rc : 1;
}

static int script_subscribe(rill_bus *bus, ri_subscription *core)
{
    bool inbox = core == &bus->inbox;
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "SUB %.*s\n",
                     RI_ARG(inbox ? RI_STR("inbox") : core->entry.subject));
    return RILL_OK;
}

static void script_unsubscribe(rill_bus *bus, ri_subscription *core)
{
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "UNSUB %.*s\n", RI_ARG(core->entry.subject));
}

static int script_append(rill_bus *bus, const ri_publish *p, bool awaited)
{
    (void)awaited;
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "APPEND %.*s %.*s\n", RI_ARG(p->m->subject),
                     RI_ARG(p->m->data));
    script_later(bus, &p->append->waiter.link, NULL, p->append);
    return RILL_OK;
}

static int script_append_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append)
{
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "BATCH %zu\n", batch->count);
    script_later(bus, &append->waiter.link, NULL, append);
    return RILL_OK;
}

static int script_ask(rill_bus *bus, ri_ask *ask)
{
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "ASK %d %s %.*s\n", (int)ask->kind,
                     ask->stream ? ask->stream : "-", RI_ARG(ask->subject));
    script_later(bus, &ask->link, ask, NULL);
    return RI_PEER_LATER;
}

static int script_more(rill_sub *sub, uint32_t n)
{
    ri_buffer_printf(&SCRIPT_OF(sub->bus)->heard, "MORE %u\n", n);
    return RILL_OK;
}

static void script_enough(rill_sub *sub)
{
    ri_buffer_puts(&SCRIPT_OF(sub->bus)->heard, "ENOUGH\n");
}

static int script_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how)
{
    (void)msgs;
    ri_buffer_printf(&SCRIPT_OF(bus)->heard, "SETTLE %zu %.*s\n", n, RI_ARG(how));
    return RILL_OK;
}

static void script_leave(rill_sub *sub)
{
    ri_buffer_puts(&SCRIPT_OF(sub->bus)->heard, "LEAVE\n");
}

static const ri_peer_ops script_ops = {
    .bytes = sizeof(script_peer),
    .late = true,
    .caps = script_caps,
    .shut = script_shut,
    .fini = script_fini,
    .flush = script_flush,
    .turn = script_turn,
    .due_ns = script_due_ns,
    .event = script_event,
    .publish = script_publish,
    .subscribe = script_subscribe,
    .unsubscribe = script_unsubscribe,
    .append = script_append,
    .append_batch = script_append_batch,
    .ask = script_ask,
    .more = script_more,
    .enough = script_enough,
    .settle = script_settle,
    .leave = script_leave,
};

int script_open(rill_bus **bus, rill_drive drive, const script_row *rows)
{
    ri_broker *broker;
    rill_opts opts = {.size = sizeof opts, .drive = drive};
    int rc = ri_broker_new(&broker, NULL);
    if (rc == RILL_OK) rc = ri_bus_open(bus, &script_ops, broker, &opts);
    ri_broker_unref(broker);
    if (rc < 0) return rc;
    script_peer *peer = SCRIPT_OF(*bus);
    peer->rows = rows;
    ri_buffer_init(&peer->heard, &(*bus)->host);
    ri_buffer_init(&peer->told, &(*bus)->host);
    ri_park_init(&peer->work);
    if (drive == RILL_DRIVE_THREAD) ri_thread_start(&peer->thread, script_thread, peer, 0);
    return RILL_OK;
}

void script_bring(rill_bus *bus, const char *where, const ri_message *m)
{
    ri_publish p = {.m = m};
    ri_delivery d = {.router = &bus->broker->router, .from = &bus->party, .m = m, .p = &p,
                     .time_ns = 1};
    ri_broker_enter(bus->broker);
    ri_subscription *core = where == bus->inbox_prefix ? &bus->inbox : NULL;
    ri_list_each (link, &bus->subs) {
        rill_sub *sub = ri_container_of(link, rill_sub, link);
        bool own = sub->consumer && strcmp(where, "consumer") == 0;
        if (own || ri_str_is(sub->core.entry.subject, where)) core = &sub->core;
    }
    RI_ASSERT(core);
    bus->party.ops->deliver(&bus->party, core, &d);
    ri_broker_leave(bus->broker);
    ri_packet_unref(d.packet);
}

const char *script_heard(rill_bus *bus)
{
    script_peer *peer = SCRIPT_OF(bus);
    ri_broker_enter(bus->broker);
    ri_buffer_reset(&peer->told);
    ri_buffer_put_str(&peer->told, ri_buffer_str(&peer->heard));
    ri_buffer_put(&peer->told, "", 1);
    ri_buffer_reset(&peer->heard);
    ri_broker_leave(bus->broker);
    return peer->told.ptr;
}
