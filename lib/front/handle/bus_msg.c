/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as programs see them: views that are lent, and copies that are kept. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/headers.h"
#include "codec/jetstream/jshot.h"
#include "codec/topic.h"
#include "front/handle/peer.h"

/* A kept message up to this size is copied, so that it does not hold a whole slab of others. */
enum { MSG_COPY_MAX = 8192 };

void ri_bus_msg_view_stored(ri_bus_msg *view)
{
    ri_js_ack ack;
    if (view->bus->ops->view && view->bus->ops->view(view)) return;
    if (!ri_jshot_ack_read(view->m.reply, &ack)) return;
    view->ack = view->m.reply;
    view->m.reply = (ri_str){"", 0};
    view->m.stream = ack.stream;
    if (view->bus->ops->partitions)
        view->m.partition = ri_topic_of(&view->m.stream, view->m.subject);
    view->m.seq = ack.stream_seq;
    view->m.deliveries = (uint32_t)RI_MIN(ack.deliveries, UINT32_MAX);
    view->m.pending = ack.pending;
    view->m.time_ns = ack.time_ns;
}

void ri_bus_msg_view(ri_bus_msg *view, rill_bus *bus, ri_packet *packet)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    view->m.subject = ri_packet_subject(packet);
    view->m.reply = ri_packet_reply(packet);
    view->m.data = ri_packet_data(packet);
    view->headers = ri_packet_headers(packet);
    view->packet = packet;
    ri_bus_msg_view_init(view, bus, packet->time_ns);
}

bool ri_bus_msg_is_deletion(ri_str headers)
{
    ri_str value;
    if (headers.len == 0) return false;
    if (ri_headers_find(headers, RI_STR("KV-Operation"), &value))
        return ri_str_is(value, "DEL") || ri_str_is(value, "PURGE");
    return ri_headers_find(headers, RI_STR("Nats-Marker-Reason"), &value);
}

void ri_bus_msg_view_key(ri_bus_msg *view, uint32_t key_at)
{
    view->m.key = ri_str_from(view->m.subject, key_at);
    if (ri_bus_msg_is_deletion(view->headers)) view->m.flags |= RILL_MSG_DELETED;
    if (view->m.pending == 0) view->m.flags |= RILL_MSG_CAUGHT_UP;
}

/* A copy of `view` with room for `extra` bytes behind it, and a reference to the bus. */
static ri_bus_msg *msg_keep(const ri_bus_msg *view, size_t extra)
{
    ri_bus_msg *msg = ri_alloc(&view->bus->host, sizeof *msg + extra);
    if (!msg) return NULL;
    memcpy(msg, view, sizeof *msg);
    atomic_init(&msg->refs, 1);
    msg->size = sizeof *msg + extra;
    ri_bus_ref(msg->bus);
    return msg;
}

/* A span that lies within the `size` bytes at `from` moves to the same place behind `to`. */
static void msg_moved(ri_str *s, const char *from, char *to, size_t size)
{
    if (s->ptr >= from && s->ptr < from + size) s->ptr = to + (s->ptr - from);
}

static void msg_move(ri_bus_msg *msg, const char *from, char *to, size_t size)
{
    msg_moved(&msg->m.subject, from, to, size);
    msg_moved(&msg->m.reply, from, to, size);
    msg_moved(&msg->m.data, from, to, size);
    msg_moved(&msg->m.stream, from, to, size);
    msg_moved(&msg->m.key, from, to, size);
    msg_moved(&msg->headers, from, to, size);
    msg_moved(&msg->ack, from, to, size);
}

/* A message that lies on a publisher's stack is one run of bytes, from its subject to the 0
 * behind its data; one in a small packet is copied with all of that. */
static rill_msg *msg_copy(const ri_bus_msg *view, const char *from, size_t size)
{
    ri_bus_msg *msg = msg_keep(view, size);
    if (!msg) return NULL;
    memcpy(msg + 1, from, size);
    msg_move(msg, from, (char *)(msg + 1), size);
    msg->packet = NULL;
    return &msg->m;
}

static rill_msg *msg_own(const ri_bus_msg *view)
{
    if (!view->packet)
        return msg_copy(view, view->m.subject.ptr,
                              (size_t)(view->m.data.ptr + view->m.data.len +
                                       1 - view->m.subject.ptr));
    if (view->packet->size <= MSG_COPY_MAX)
        return msg_copy(view, view->packet->bytes, view->packet->size);
    ri_bus_msg *msg = msg_keep(view, 0);
    if (!msg) return NULL;
    ri_packet_keep(msg->packet);
    return &msg->m;
}

rill_msg *ri_bus_msg_own(rill_bus *bus, ri_packet *packet)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_msg view;
    ri_bus_msg_view(&view, bus, packet);
    rill_msg *m = msg_own(&view);
    ri_packet_unref(packet);
    return m;
}

int ri_bus_msg_stored(rill_bus *bus, ri_str stream, const ri_record *record, rill_msg **m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_message message = {.subject = record->subject, .reply = stream,
                          .headers = record->headers, .data = record->data};
    ri_packet *packet = ri_packet_new(bus->broker->router.pool, &message, record->time_ns);
    if (!packet) return RILL_ENOMEM;
    *m = ri_bus_msg_own(bus, packet);
    if (!*m) return RILL_ENOMEM;
    (*m)->stream = (*m)->reply;
    (*m)->reply = (ri_str){"", 0};
    (*m)->seq = record->seq;
    if (bus->ops->partitions) (*m)->partition = ri_topic_of(&(*m)->stream, (*m)->subject);
    return RILL_OK;
}

rill_msg *ri_bus_msg_ref(const rill_msg *m)
{
    ri_bus_msg *msg = ri_bus_msg_of(m);
    if (atomic_load_explicit(&msg->refs, memory_order_relaxed) == 0) return msg_own(msg);
    atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    return &msg->m;
}

void ri_bus_msg_unref(rill_msg *m)
{
    ri_bus_msg *msg = ri_bus_msg_of(m);
    if (atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) != 1) return;
    rill_bus *bus = msg->bus;
    ri_packet_let_go(msg->packet);
    ri_free(&bus->host, msg, msg->size);
    ri_bus_unref(bus);
}
