/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro.h"

#include "codec/nats/headers.h"

ri_micro_msg *ri_micro_msg_new(rill_bus *bus)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    ri_micro_msg *msg = bus->slots;
    if (!msg) return NULL;
    RI_ASSERT(msg->refs == 0 && bus->slots_free > 0);
    bus->slots = msg->next;
    bus->slots_free--;
    msg->refs = 1;
    msg->settled = false;
    msg->reader = 0;
    msg->ack = RI_STR_NONE;
    msg->m.time_ns = 0;
    msg->m.seq = msg->m.pending = 0;
    msg->m.deliveries = msg->m.flags = 0;
    return msg; /* the rest is filled */
}

void ri_micro_msg_drop(ri_micro_msg *msg)
{
    RI_CHECK(msg->bus, RI_MICRO_MAGIC);
    RI_ASSERT(msg->refs > 0);
    if (--msg->refs > 0) return;
    rill_bus *bus = msg->bus;
    msg->next = bus->slots;
    bus->slots = msg;
    bus->slots_free++;
    RI_ASSERT(bus->slots_free <= bus->max_pending + 1);
}

static ri_str micro_msg_put(char **at, ri_str s)
{
    RI_ASSERT(s.ptr || s.len == 0);
    ri_str copy = {*at, s.len};
    *at = ri_micro_copy(*at, s);
    *(*at)++ = 0;
    return copy;
}

static bool micro_msg_fits(const ri_micro_msg *msg, ri_str subject, ri_str reply, size_t headers,
                           size_t data)
{
    size_t sum = ri_size_add(ri_size_add(subject.len, reply.len), ri_size_add(headers, data));
    return sum <= msg->bus->max_msg_bytes;
}

bool ri_micro_msg_fill(ri_micro_msg *msg, ri_str subject, ri_str reply, ri_str headers,
                       ri_str data)
{
    RI_ASSERT(msg->refs == 1);
    if (!micro_msg_fits(msg, subject, reply, headers.len, data.len)) return false;
    char *at = msg->room;
    msg->m.subject = micro_msg_put(&at, subject);
    msg->m.reply = micro_msg_put(&at, reply);
    msg->headers = micro_msg_put(&at, headers);
    msg->m.data = micro_msg_put(&at, data);
    msg->m.stream = msg->m.key = RI_STR("");
    msg->m.nheaders = headers.len ? ri_headers_count(headers) : 0;
    return true;
}

bool ri_micro_msg_fill_out(ri_micro_msg *msg, const ri_micro_out *out)
{
    RI_ASSERT(msg->refs == 1);
    if (!micro_msg_fits(msg, out->subject, out->reply, out->header_bytes, out->data.len))
        return false;
    char *at = msg->room;
    msg->m.subject = micro_msg_put(&at, out->subject);
    msg->m.reply = micro_msg_put(&at, out->reply);
    msg->headers = (ri_str){at, out->header_bytes};
    at = ri_micro_send_headers(at, out);
    *at++ = 0;
    msg->m.data = micro_msg_put(&at, out->data);
    msg->m.stream = msg->m.key = RI_STR("");
    msg->m.nheaders = (uint32_t)(out->nheaders + out->nextras);
    return true;
}

rill_msg *rill_msg_ref(const rill_msg *m)
{
    if (!m) return NULL;
    ri_micro_msg *msg = (ri_micro_msg *)(uintptr_t)m;
    RI_ASSERT(msg->refs > 0 && msg->bus->magic == RI_MICRO_MAGIC);
    if (ri_micro_bus_enter(msg->bus) < 0) return NULL;
    bool fits = msg->refs < UINT16_MAX;
    msg->refs = (uint16_t)(msg->refs + fits);
    ri_micro_bus_leave(msg->bus, RILL_OK);
    return fits ? &msg->m : NULL;
}

void rill_msg_unref(rill_msg *m)
{
    if (!m) return;
    ri_micro_msg *msg = (ri_micro_msg *)m;
    if (ri_micro_bus_enter(msg->bus) < 0) return;
    ri_micro_msg_drop(msg);
    ri_micro_bus_leave(msg->bus, RILL_OK);
}

int rill_header_get(const rill_msg *m, const char *name, rill_str *value)
{
    if (value) *value = RI_STR("");
    if (!m || !name || !value)
        return ri_err(RILL_EINVAL, "a message, a name and a place are needed");
    const ri_micro_msg *msg = (const ri_micro_msg *)m;
    if (ri_headers_find(msg->headers, ri_str_of(name), value)) return 1;
    *value = RI_STR("");
    return 0;
}

rill_header rill_header_at(const rill_msg *m, uint32_t i)
{
    rill_header header = {RI_STR(""), RI_STR("")};
    if (!m) return header;
    ri_str rest = ((const ri_micro_msg *)m)->headers;
    for (uint32_t n = 0; ri_headers_next(&rest, &header); n++)
        if (n == i) return header;
    return (rill_header){RI_STR(""), RI_STR("")};
}
