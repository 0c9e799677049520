/* SPDX-License-Identifier: Apache-2.0 */
/* Who a connection is, for services of other accounts and samples of them. */
#include "base/json.h"
#include "base/rfc3339.h"
#include "front/nats/nats_session.h"

static const ri_nats_session *facts_of(const ri_party *party)
{
    return ri_container_of((ri_party *)(uintptr_t)party, ri_nats_session, party);
}

static void facts_put(ri_buffer *out, const char *name, ri_str text)
{
    if (!text.len) return;
    ri_buffer_printf(out, "\"%s\":", name);
    ri_json_put_string(out, text);
    ri_buffer_puts(out, ",");
}

/* "127.0.0.1" of "127.0.0.1:4222" and "[::1]:4222" */
static ri_str facts_host(ri_str peer)
{
    size_t len = peer.len;
    while (len > 0 && peer.ptr[len - 1] != ':') len--;
    ri_str host = {peer.ptr, len > 1 ? len - 1 : peer.len};
    if (host.len < 2 || host.ptr[0] != '[') return host;
    return (ri_str){host.ptr + 1, host.len - 2};
}

int64_t ri_nats_facts_rtt_ns(const ri_party *party)
{
    return facts_of(party)->rtt_ns;
}

void ri_nats_facts_put(const ri_party *party, ri_buffer *out)
{
    const ri_nats_session *s = facts_of(party);
    ri_broker_conn conn = {0};
    char start[RI_RFC3339_MAX];
    ri_nats_session_describe(s, 0, &conn);
    size_t len = ri_rfc3339_write(start, s->start_ns);
    const struct { const char *name; ri_str text; } members[] = {
        {"start", {start, len}}, {"host", facts_host(conn.peer)}, {"user", conn.user},
        {"name", conn.name}, {"lang", conn.lang}, {"ver", conn.version},
        {"server", ri_str_of(s->server->broker->name)}, {"kind", RI_STR("Client")},
        {"client_type", ri_str_of(s->at && s->at->ws ? "websocket" : "nats")}};
    for (size_t i = 0; i < RI_LEN(members); i++) facts_put(out, members[i].name, members[i].text);
    ri_buffer_printf(out, "\"id\":%llu,", (unsigned long long)s->cid);
    if (conn.rtt_ns > 0) ri_buffer_printf(out, "\"rtt\":%lld,", (long long)conn.rtt_ns);
}
