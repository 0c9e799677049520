/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in. One read is obeyed within one stay inside the gate. */
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "front/peer_nats/nats_peer.h"

enum { TAKE_OPS = 64 };

/* The subscription that the last message came for: most often it is that of the next one, too. */
typedef struct take_memo {
    ri_str sid;
    uint64_t number;
    ri_subscription *core; /* NULL: look it up */
} take_memo;

static ri_subscription *take_find(ri_nats_peer *peer, ri_str sid, take_memo *memo)
{
    /* One that listens anew has another number. */
    if (memo->core && memo->core->fanned == memo->number && ri_str_same(sid, memo->sid))
        return memo->core;
    memo->core = ri_number_read(sid, &memo->number) ? ri_nats_subs_find(peer, memo->number) : NULL;
    memo->sid = sid;
    return memo->core;
}

static void take_message(ri_nats_peer *peer, const ri_nats_op *op, int64_t time_ns,
                         take_memo *memo)
{
    ri_subscription *core = take_find(peer, op->sid, memo);
    if (!core) return; /* it was on its way when we unsubscribed */
    rill_bus *bus = &peer->bus;
    const ri_message *m = &op->m;
    ri_publish p = {.m = m};
    ri_delivery d = {.router = &bus->broker->router, .from = &bus->party, .m = m, .p = &p,
                     .time_ns = time_ns};
    core->delivered++;
    bus->party.out_msgs++;
    bus->party.out_bytes += m->headers.len + m->data.len;
    if (core == &peer->calls.inbox) ri_nats_calls_answer(peer, m);
    else if (core == &bus->inbox) bus->party.ops->deliver(&bus->party, core, &d);
    else if (ri_nats_pull_take(peer, core, m) && !bus->party.ops->deliver(&bus->party, core, &d))
        ri_nats_pull_dropped(peer, core, m);
    if (d.packet) ri_packet_take_back(d.router->pool, d.packet);
    if (!core->max || core->delivered < core->max) return;
    memo->core = NULL;
    ri_nats_subs_end(peer, core);
}

/* One operation was refused, as the thread's sentence says. */
static void take_refusal(ri_nats_peer *peer, const ri_nats_err *err)
{
    if (err->subscription) {
        ri_nats_subs_refused(peer, err);
        return;
    }
    if (err->code == RILL_EAUTH && ri_bus_asked_refuse(&peer->bus, err->subject, err->code))
        return; /* whoever waits for the answer has it */
    ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_ERROR, .code = err->code,
                                              .subject = err->subject});
}

static void take_error(ri_nats_peer *peer, ri_str text)
{
    ri_nats_err err;
    ri_nats_err_read(text, &err);
    ri_err(err.code, "%s says: %.*s", peer->server, (int)RI_MIN(text.len, 300), text.ptr);
    if (peer->state == RI_NATS_UP && err.verdict == RI_NATS_ERR_STAYS) {
        take_refusal(peer, &err);
        return;
    }
    if (err.verdict == RI_NATS_ERR_LOGIN) ri_nats_pool_refused(&peer->pool);
    ri_nats_link_fail(peer, err.code);
}

static void take_pong(ri_nats_peer *peer)
{
    RI_ASSERT(peer->pongs <= peer->pings);
    if (peer->state == RI_NATS_LOGIN) {
        ri_nats_link_up(peer);
        return;
    }
    if (peer->pongs < peer->pings) peer->pongs++;
    ri_nats_subs_pong(peer);
    ri_bus_notify(&peer->bus);
    ri_nats_link_pong(peer);
}

static void take_ping(ri_nats_peer *peer)
{
    if (++peer->pongs_owed > RI_NATS_PONGS_MAX) {
        ri_nats_link_fail(peer, ri_err(RILL_EPROTO, "%s sends PING and does not read PONG",
                                       peer->server));
        return;
    }
    if (!ri_outq_put(&peer->conn.out, &peer->chunks, RI_NATS_PONG_LINE.ptr, RI_NATS_PONG_LINE.len))
        ri_nats_link_fail(peer, ri_err(RILL_ENOMEM, "no memory for a PONG"));
    else peer->conn.pending += RI_NATS_PONG_LINE.len;
    ri_hub_call(peer->hub, &peer->guest);
}

/* Before it is up a server says INFO, and then PONG or why not. */
static bool take_is_timely(const ri_nats_peer *peer, ri_nats_kind kind)
{
    switch (kind) {
    case RI_NATS_INFO: return true;
    case RI_NATS_ERR: return true;
    case RI_NATS_PONG:
    case RI_NATS_OK:
    case RI_NATS_PING: return peer->state != RI_NATS_HELLO;
    case RI_NATS_MSG:
    case RI_NATS_HMSG: return peer->state == RI_NATS_UP;
    case RI_NATS_PUB:
    case RI_NATS_HPUB:
    case RI_NATS_SUB:
    case RI_NATS_UNSUB:
    case RI_NATS_CONNECT: return false;
    }
    return false;
}

static void take_other(ri_nats_peer *peer, const ri_nats_op *op, take_memo *memo)
{
    int rc = RILL_OK;
    memo->core = NULL; /* it may end a subscription */
    if (op->kind == RI_NATS_INFO) rc = ri_nats_link_info(peer, op->text);
    else if (op->kind == RI_NATS_ERR) take_error(peer, op->text);
    else if (op->kind == RI_NATS_PONG) take_pong(peer);
    else if (op->kind == RI_NATS_PING) take_ping(peer);
    if (rc < 0) ri_nats_link_fail(peer, rc);
}

static void take_op(ri_nats_peer *peer, const ri_nats_op *op, int64_t time_ns, take_memo *memo)
{
    if (ri_unlikely(!take_is_timely(peer, op->kind)))
        ri_nats_link_fail(peer, ri_err(RILL_EPROTO, "%s speaks out of turn", peer->server));
    else if (ri_likely(ri_nats_is_message(op->kind)))
        take_message(peer, op, time_ns, memo);
    else
        take_other(peer, op, memo);
}

static const char *take_why(ri_nats_failure failure)
{
    const char *text = ri_nats_failure_text(failure);
    return text ? text : "a line with wrong arguments";
}

size_t ri_nats_take(ri_nats_peer *peer, ri_str bytes)
{
    RI_ASSERT(peer->conn.wire && bytes.len > 0);
    ri_nats_op ops[TAKE_OPS];
    take_memo memo = {0};
    ri_str in = bytes;
    int n;
    ri_broker_enter(peer->bus.broker);
    int64_t time_ns = ri_coarse_ns(&peer->bus.host);
    peer->taken_ns = ri_mono_ns(&peer->bus.host);
    peer->bus.broker->router.time_ns = time_ns;
    while (!peer->why && (n = ri_nats_parse_many(&peer->parser, &in, ops, TAKE_OPS)) != 0) {
        int taken = 0;
        while (taken < n && !peer->why && !peer->tls_due)
            take_op(peer, &ops[taken++], time_ns, &memo);
        if (ri_unlikely(peer->tls_due && (taken < n || in.len > 0)))
            ri_nats_link_fail(peer, ri_err(RILL_EPROTO, "%s has said more in clear, behind INFO, "
                                           "than TLS allows", peer->server));
        if (n < 0)
            ri_nats_link_fail(peer, ri_err(RILL_EPROTO, "%s breaks the protocol: %s", peer->server,
                                           take_why(peer->parser.failure)));
    }
    ri_broker_leave(peer->bus.broker);
    return bytes.len - in.len;
}
