/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out. All operations are put into `out` whole, each in one piece of memory, so that what
 * is left of it when a connection is lost can be read again. */
#include "front/peer_nats/nats_peer.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"

enum { SEND_IOV = 64 };

static bool nats_send_same(const void *item, const void *key)
{
    return ((const ri_subscription *)item)->fanned == *(const uint64_t *)key;
}

ri_subscription *ri_nats_send_find(ri_nats_peer *peer, uint64_t sid)
{
    return ri_map_get(&peer->subs, ri_hash_u64(sid), &sid);
}

/* ---- Messages ---- */

static size_t nats_send_pending(const ri_nats_peer *peer)
{
    return peer->out.bytes + peer->conn.pending;
}

int ri_nats_send_message(ri_nats_peer *peer, const ri_message *m)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_nats_line line;
    if (ri_unlikely(m->headers.len && peer->state == RI_NATS_UP && !peer->headers))
        return ri_err(RILL_ENOTSUP, "%s takes no headers", peer->server);
    ri_nats_line_init(&line, m->subject, m->reply, m->headers.len, m->data.len);
    size_t room = ri_nats_line_room(&line, 0) + m->headers.len + m->data.len + 2;
    char *start = ri_outq_room(&peer->out, &peer->chunks, room);
    if (ri_unlikely(!start)) return RILL_ENOMEM;
    char *at = ri_nats_put_pub(start, &line);
    if (m->headers.len) memcpy(at, m->headers.ptr, m->headers.len);
    at += m->headers.len;
    if (m->data.len) memcpy(at, m->data.ptr, m->data.len);
    at += m->data.len;
    at = ri_str_put(at, RI_NATS_CRLF);
    RI_ASSERT((size_t)(at - start) <= room);
    ri_outq_added(&peer->out, (size_t)(at - start));
    peer->unflushed = true;
    ri_nats_peer_call(peer);
    return RILL_OK;
}

static int nats_send_no_room(const ri_nats_peer *peer)
{
    return ri_err(RILL_EAGAIN, "%zu bytes wait to be sent to %s: there is no room for more",
                  nats_send_pending(peer), peer->server);
}

bool ri_nats_send_is_easy(const ri_nats_peer *peer)
{
    return nats_send_pending(peer) <= peer->conf.send_bytes / 2;
}

void ri_nats_send_notify_room(ri_nats_peer *peer)
{
    if (!peer->room_wanted || !ri_nats_send_is_easy(peer)) return;
    peer->room_wanted = false;
    ri_park_signal(&peer->room);
    if (peer->bus.drive == RILL_DRIVE_HOST) ri_bus_work(&peer->bus);
}

int ri_nats_send_has_room(const ri_nats_peer *peer)
{
    if (ri_unlikely(nats_send_pending(peer) >= peer->conf.send_bytes))
        return nats_send_no_room(peer);
    return RILL_OK;
}

/* Outside the gate: until output has gone, or the time is up (false). */
static bool nats_send_await_room(ri_nats_peer *peer, uint32_t seen, int64_t timeout_ns)
{
    return ri_bus_sleep(&peer->bus, &peer->room, seen, timeout_ns);
}

/* One message may be larger than the bound: it goes when nothing else waits. */
static bool nats_send_is_full(const ri_nats_peer *peer, const ri_message *m)
{
    uint64_t pending = nats_send_pending(peer);
    return pending > 0 &&
           pending + m->subject.len + m->headers.len + m->data.len > peer->conf.send_bytes;
}

/* Inside the gate, which it leaves and enters again while there is no room. */
static int nats_send_make_room(ri_nats_peer *peer, const ri_message *m)
{
    rill_bus *bus = &peer->bus;
    int64_t until = ri_deadline_in(&bus->host, ri_timeout_ns(bus->send_timeout_ms));
    while (nats_send_is_full(peer, m)) {
        if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        if (left == 0) return nats_send_no_room(peer);
        peer->room_wanted = true;
        uint32_t seen = ri_park_count(&peer->room);
        ri_broker_leave(bus->broker);
        nats_send_await_room(peer, seen, left);
        ri_broker_enter(bus->broker);
    }
    return RILL_OK;
}

/* Outside the gate: the connection takes bytes more slowly than they come. */
static void nats_send_pause(ri_nats_peer *peer)
{
    ri_broker_enter(peer->bus.broker);
    bool slow = peer->state == RI_NATS_UP && !ri_nats_send_is_easy(peer);
    peer->room_wanted = peer->room_wanted || slow;
    uint32_t seen = ri_park_count(&peer->room);
    ri_broker_leave(peer->bus.broker);
    if (slow) nats_send_await_room(peer, seen, RI_NATS_PAUSE_NS);
}

int ri_nats_send_publish(rill_bus *bus, const ri_message *m)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_broker_enter(bus->broker);
    int rc = ri_bus_check(bus, m);
    if (ri_unlikely(rc == RILL_OK && nats_send_is_full(peer, m))) rc = nats_send_make_room(peer, m);
    if (ri_likely(rc == RILL_OK)) rc = ri_nats_send_message(peer, m);
    if (ri_likely(rc == RILL_OK)) {
        bus->party.in_msgs++;
        bus->party.in_bytes += m->headers.len + m->data.len;
    }
    bool slow = peer->state == RI_NATS_UP && !ri_nats_send_is_easy(peer);
    ri_broker_leave(bus->broker);
    if (ri_unlikely(slow)) nats_send_pause(peer);
    return rc < 0 ? rc : 1;
}

/* ---- Subscriptions ---- */

/* SUB, and UNSUB with what is left of its maximum, into `q`. */
static size_t nats_send_put_sub(ri_nats_peer *peer, ri_outq *q, const ri_subscription *core)
{
    ri_str subject = core->entry.subject, queue = core->entry.queue;
    char *start = ri_outq_room(q, &peer->chunks, RI_NATS_SUB_ROOM(subject.len, queue.len) +
                                                     RI_NATS_UNSUB_ROOM);
    if (!start) return 0;
    char *at = ri_nats_put_sub(start, subject, queue, core->fanned);
    if (core->max) at = ri_nats_put_unsub(at, core->fanned, core->max - core->delivered);
    ri_outq_added(q, (size_t)(at - start));
    return (size_t)(at - start);
}

int ri_nats_send_subscribe(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    core->fanned = ++peer->last_sid;
    core->delivered = 0;
    core->party = &bus->party;
    int rc = ri_map_put(&peer->subs, ri_hash_u64(core->fanned), core);
    if (rc < 0) return rc;
    if (peer->state == RI_NATS_UP && !nats_send_put_sub(peer, &peer->out, core)) {
        ri_map_take(&peer->subs, ri_hash_u64(core->fanned), &core->fanned);
        return RILL_ENOMEM;
    }
    bus->party.nsubs++;
    peer->unflushed = true;
    ri_nats_peer_call(peer);
    return RILL_OK;
}

void ri_nats_send_forget(ri_nats_peer *peer, ri_subscription *core)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!ri_map_take(&peer->subs, ri_hash_u64(core->fanned), &core->fanned)) return;
    RI_ASSERT(peer->bus.party.nsubs > 0);
    peer->bus.party.nsubs--;
}

/* It stays known by its sid, so what is on its way finds it. */
void ri_nats_send_finish(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (peer->state != RI_NATS_UP || ri_nats_send_find(peer, core->fanned) != core) return;
    char *at = ri_outq_room(&peer->out, &peer->chunks, RI_NATS_UNSUB_ROOM);
    if (!at) return;
    ri_outq_added(&peer->out, (size_t)(ri_nats_put_unsub(at, core->fanned, 0) - at));
    peer->unflushed = true;
    ri_nats_peer_call(peer);
}

/* What finds no memory is said by nobody: what comes for that sid is passed over. */
void ri_nats_send_unsubscribe(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (ri_nats_send_find(peer, core->fanned) != core) return;
    ri_nats_send_forget(peer, core);
    if (peer->state != RI_NATS_UP) return;
    char *at = ri_outq_room(&peer->out, &peer->chunks, RI_NATS_UNSUB_ROOM);
    if (!at) return;
    ri_outq_added(&peer->out, (size_t)(ri_nats_put_unsub(at, core->fanned, 0) - at));
    ri_nats_peer_call(peer);
}

int ri_nats_send_subscribe_all(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_map_each (item, &peer->subs) {
        size_t bytes = nats_send_put_sub(peer, &peer->conn.out, item);
        if (!bytes) return ri_err(RILL_ENOMEM, "no memory to subscribe again");
        peer->conn.pending += bytes;
    }
    return RILL_OK;
}

/* ---- Flush ---- */

bool ri_nats_send_ping(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!ri_outq_put(&peer->out, &peer->chunks, RI_NATS_PING_LINE.ptr, RI_NATS_PING_LINE.len))
        return false;
    peer->pings++;
    peer->unflushed = false;
    ri_nats_peer_call(peer);
    return true;
}

typedef struct nats_send_flush {
    uint32_t connection; /* over which the PING went; 0: it did not */
    uint64_t ping;
} nats_send_flush;

/* Inside the gate: is the PONG there? Each connection that comes up is asked anew. */
static bool nats_send_is_flushed(ri_nats_peer *peer, nats_send_flush *flush)
{
    if (peer->state != RI_NATS_UP) return false;
    if (flush->connection == peer->connections) return peer->pongs >= flush->ping;
    if (!peer->unflushed && peer->pongs == peer->pings) return true;
    if (!ri_nats_send_ping(peer)) return false;
    *flush = (nats_send_flush){peer->connections, peer->pings};
    return false;
}

int ri_nats_send_flush(rill_bus *bus, int timeout_ms, bool stored)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    (void)stored; /* who appends waits for it */
    int64_t until = ri_deadline_in(&bus->host, ri_timeout_ns(timeout_ms));
    nats_send_flush flush = {0};
    int rc = RILL_EAGAIN;
    while (rc == RILL_EAGAIN) {
        ri_broker_enter(bus->broker);
        uint32_t seen = ri_park_count(&bus->answer);
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        if (nats_send_is_flushed(peer, &flush)) rc = RILL_OK;
        else if (atomic_load(&bus->closed)) rc = ri_err(RILL_ECLOSED, "the bus was closed");
        else if (left == 0)
            rc = ri_err(RILL_ETIMEDOUT, peer->state == RI_NATS_UP
                        ? "%s has not answered in time" : "there is no connection to %s",
                        peer->server);
        ri_broker_leave(bus->broker);
        if (rc == RILL_EAGAIN) ri_bus_sleep(bus, &bus->answer, seen, left);
    }
    return rc;
}

/* ---- A connection is lost ---- */

/* Does it matter to another connection? Interest, PINGs and requests for messages are said anew. */
static bool nats_send_survives(ri_nats_peer *peer, const ri_nats_op *op)
{
    if (op->kind != RI_NATS_PUB && op->kind != RI_NATS_HPUB) return false;
    ri_str api = ri_str_of(peer->conf.api);
    return !ri_str_starts(op->m.subject, api) ||
           !ri_str_starts(ri_str_from(op->m.subject, api.len), RI_STR("CONSUMER.MSG.NEXT."));
}

/* A piece of whole operations: those that survive go to `to`. */
static void nats_send_sift(ri_nats_peer *peer, ri_str piece, ri_outq *to)
{
    ri_nats parser;
    ri_nats_init(&parser, RI_NATS_FROM_CLIENT);
    parser.max_line = RI_LIMIT_SERVER_LINE;
    parser.max_payload = UINT32_MAX;
    while (piece.len) {
        ri_nats_op op;
        int used = ri_nats_parse(&parser, piece.ptr, piece.ptr + piece.len, &op);
        RI_ASSERT(used > 0);
        if (used <= 0) return;
        if (nats_send_survives(peer, &op)) ri_outq_put(to, &peer->chunks, piece.ptr, (size_t)used);
        piece = ri_str_from(piece, (size_t)used);
    }
}

void ri_nats_send_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && peer->state == RI_NATS_LOST);
    ri_outq old = {0}, kept = {0};
    struct iovec iov[SEND_IOV];
    if (peer->out.bytes == 0) return;
    ri_outq_take(&old, &peer->out, &peer->chunks);
    while (old.bytes) {
        int n = ri_outq_iov(&old, iov, SEND_IOV);
        size_t bytes = 0;
        for (int i = 0; i < n; i++) {
            nats_send_sift(peer, (ri_str){iov[i].iov_base, iov[i].iov_len}, &kept);
            bytes += iov[i].iov_len;
        }
        ri_outq_written(&old, bytes);
        ri_outq_settle(&old, &peer->chunks);
    }
    ri_outq_fini(&old, &peer->chunks);
    peer->out = kept;
}

/* ---- Writing ---- */

/* Inside the gate: is there something to write? */
static bool nats_send_take(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_conn *conn = &peer->conn;
    bool idle = conn->sending.bytes == 0 && conn->out.bytes == 0;
    if (peer->state == RI_NATS_UP && idle && peer->out.bytes) {
        conn->pending += peer->out.bytes;
        ri_outq_take(&conn->out, &peer->out, &peer->chunks);
        peer->takes++;
    }
    return ri_conn_take(conn, &peer->chunks);
}

void ri_nats_send_write(ri_nats_peer *peer)
{
    if (!peer->conn.wire || peer->conn.ended) return;
    ri_broker_enter(peer->bus.broker);
    bool some = nats_send_take(peer);
    ri_broker_leave(peer->bus.broker);
    if (!some) return;
    ri_conn_write(&peer->conn);
    ri_broker_enter(peer->bus.broker);
    ri_conn_settle(&peer->conn, &peer->chunks);
    if (!peer->conn.sending.bytes && !peer->conn.out.bytes) peer->pongs_owed = 0;
    bool more = !peer->conn.full && (peer->out.bytes || peer->conn.out.bytes);
    if (more) ri_hub_call(peer->hub, &peer->guest);
    if (peer->calls.appends < peer->conf.max_inflight) ri_nats_send_notify_room(peer);
    ri_broker_leave(peer->bus.broker);
}

void ri_nats_send_init(ri_nats_peer *peer)
{
    ri_map_init(&peer->subs, &peer->bus.host, nats_send_same);
    ri_outq_pool_init(&peer->chunks, &peer->bus.host, NULL);
    ri_park_init(&peer->room);
}

void ri_nats_send_fini(ri_nats_peer *peer)
{
    ri_outq_fini(&peer->out, &peer->chunks);
    ri_outq_pool_fini(&peer->chunks);
    ri_map_fini(&peer->subs);
    ri_park_fini(&peer->room);
}
