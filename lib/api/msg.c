/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "front/handle/peer.h"

#include <inttypes.h>
#include <stdio.h>

rill_msg *rill_msg_ref(const rill_msg *m)
{
    return m ? ri_bus_msg_ref(m) : NULL;
}

void rill_msg_unref(rill_msg *m)
{
    if (m && ri_args_may_close(ri_bus_msg_of(m)->bus)) ri_bus_msg_unref(m);
}

int rill_header_get(const rill_msg *m, const char *name, rill_str *value)
{
    if (value) *value = (rill_str){"", 0};
    if (!m || !name || !value) return ri_err(RILL_EINVAL, "an argument is NULL");
    return ri_headers_find(ri_bus_msg_of(m)->headers, ri_str_of(name), value);
}

rill_header rill_header_at(const rill_msg *m, uint32_t i)
{
    rill_header header = {{"", 0}, {"", 0}};
    if (!m || i >= m->nheaders) return header;
    ri_str rest = ri_bus_msg_of(m)->headers;
    for (uint32_t at = 0; at <= i && ri_headers_next(&rest, &header); at++) {}
    return header;
}

static int msg_settle(const rill_msg *m, ri_str how)
{
    if (!m) return ri_err(RILL_EINVAL, "the message is NULL");
    const rill_bus *bus = ri_bus_msg_of(m)->bus;
    int rc = bus ? ri_args_process(bus->stamp) : RILL_OK;
    return rc < 0 ? rc : ri_bus_consume_settle_one(m, how);
}

int rill_ack(const rill_msg *m)
{
    return msg_settle(m, RI_STR_NONE);
}

int rill_nak(const rill_msg *m, uint32_t delay_ms)
{
    char how[48];
    int len = delay_ms ? snprintf(how, sizeof how, "-NAK {\"delay\":%" PRIi64 "}",
                                  ri_ns_of_ms(delay_ms))
                       : snprintf(how, sizeof how, "-NAK");
    return msg_settle(m, (ri_str){how, (size_t)len});
}

int rill_term(const rill_msg *m)
{
    return msg_settle(m, RI_STR("+TERM"));
}

int rill_working(const rill_msg *m)
{
    return msg_settle(m, RI_STR("+WPI"));
}
