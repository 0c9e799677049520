/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out. All operations are put into `out` whole, each in one piece of memory, so that what
 * waits there can be read again: what means nothing to another connection goes when one is lost,
 * and what a call wanted that nobody waits for any more goes before it is sent. The latter is made
 * up for when it is half of `out`, or when `out` is taken, so that each byte is looked at for a
 * byte that was put. */
#include "front/peer_nats/nats_peer.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"

enum { NATS_SEND_VERB = 4 }; /* bytes of "PUB " */

/* ---- Messages ---- */

/* A connection that is being dialled is the loop's alone, outside the gate. */
static size_t nats_send_pending(const ri_nats_peer *peer)
{
    return peer->out.bytes + (peer->state > RI_NATS_DIALLING ? peer->conn.pending : 0);
}

/* ---- The same line again ---- */

static bool nats_send_is_about(const ri_nats_again *again, ri_str subject)
{
    return subject.len && ri_str_same(subject, (ri_str){again->line + NATS_SEND_VERB,
                                                        again->subject_len});
}

/* Inside the gate: data whose line is there, and is what went before on its subject. False: there
 * is something to be looked at, as the room, or a new line to be written; nothing has happened. */
static inline bool nats_send_data(ri_nats_peer *peer, ri_str data)
{
    ri_nats_again *again = &peer->again;
    RI_ASSERT(again->subject_len > 0);
    if (data.len != again->data_len) return false;
    if (ri_unlikely(atomic_load_explicit(&peer->bus.closed, memory_order_relaxed) ||
                    data.len > peer->bus.broker->conf.max_msg_bytes)) return false;
    size_t len = again->line_len + data.len + RI_NATS_CRLF.len;
    if (ri_unlikely(nats_send_pending(peer) + len > peer->conf.send_bytes / 2)) return false;
    if (ri_unlikely(!ri_outq_has_room(&peer->out, sizeof again->line + len))) return false;
    char *at = peer->out.fill;
    memcpy(at, again->line, RI_NATS_AGAIN_STEP);
    if (again->line_len > RI_NATS_AGAIN_STEP)
        memcpy(at + RI_NATS_AGAIN_STEP, again->line + RI_NATS_AGAIN_STEP, RI_NATS_AGAIN_STEP);
    at += again->line_len;
    if (data.len) memcpy(at, data.ptr, data.len);
    memcpy(at + data.len, RI_NATS_CRLF.ptr, RI_NATS_CRLF.len);
    ri_outq_added(&peer->out, len);
    return true;
}

static inline void nats_send_went_again(ri_nats_peer *peer)
{
    peer->again.used = true;
    peer->unflushed = true;
    ri_nats_peer_call(peer);
}

static inline bool nats_send_again(ri_nats_peer *peer, const ri_message *m)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (m->headers.len || m->reply.len || !nats_send_is_about(&peer->again, m->subject) ||
        !nats_send_data(peer, m->data)) return false;
    nats_send_went_again(peer);
    return true;
}

/* The message has just gone, with a line of its own: may it be that the next one is the same? Where
 * no two are, little is spent on it. */
static void nats_send_learn(ri_nats_peer *peer, const ri_message *m)
{
    ri_nats_again *again = &peer->again;
    bool fits = RI_NATS_PUB_ROOM(m->subject.len, 0) <= sizeof again->line;
    if (!fits || m->headers.len || m->reply.len) return;
    if (again->subject_len && !again->used && ++again->misses % RI_NATS_AGAIN_MISSES) return;
    char *end = ri_nats_put_pub(again->line, m->subject, RI_STR_NONE, 0, m->data.len);
    again->line_len = (uint32_t)(end - again->line);
    again->subject_len = (uint32_t)m->subject.len;
    again->data_len = m->data.len;
    again->used = false;
    RI_ASSERT(again->line_len <= sizeof again->line);
}

/* ---- Any message ---- */

int ri_nats_send_message(ri_nats_peer *peer, const ri_message *m)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (ri_unlikely(m->headers.len && peer->state == RI_NATS_UP && !peer->headers))
        return ri_err(RILL_ENOTSUP, "%s takes no headers", peer->server);
    size_t room = RI_NATS_PUB_ROOM(m->subject.len, m->reply.len) + m->headers.len + m->data.len + 2;
    char *start = ri_outq_room(&peer->out, &peer->chunks, room);
    if (ri_unlikely(!start)) return RILL_ENOMEM;
    char *at = ri_nats_put_pub(start, m->subject, m->reply, m->headers.len, m->data.len);
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

int ri_nats_send_has_spare(const ri_nats_peer *peer)
{
    if (ri_unlikely(nats_send_pending(peer) >= ri_u64_mul(peer->conf.send_bytes, 2)))
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

static void nats_send_count(rill_bus *bus, const ri_message *m)
{
    bus->party.in_msgs++;
    bus->party.in_bytes += m->headers.len + m->data.len;
}

/* Inside the gate, which it leaves. */
static RI_NOINLINE int nats_send_another(ri_nats_peer *peer, const ri_message *m)
{
    rill_bus *bus = &peer->bus;
    int rc = ri_bus_check(bus, m);
    if (ri_unlikely(rc == RILL_OK && nats_send_is_full(peer, m))) rc = nats_send_make_room(peer, m);
    if (ri_likely(rc == RILL_OK)) rc = ri_nats_send_message(peer, m);
    if (ri_likely(rc == RILL_OK)) {
        nats_send_count(bus, m);
        nats_send_learn(peer, m);
    }
    bool slow = peer->state == RI_NATS_UP && !ri_nats_send_is_easy(peer);
    ri_broker_leave(bus->broker);
    if (ri_unlikely(slow)) nats_send_pause(peer);
    return rc < 0 ? rc : 1;
}

int ri_nats_send_publish(rill_bus *bus, const ri_message *m)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_broker_enter(bus->broker);
    if (!nats_send_again(peer, m)) return nats_send_another(peer, m);
    nats_send_count(bus, m);
    ri_broker_leave(bus->broker);
    return 1;
}

/* ---- Many ---- */

/* No longer inside the gate than for so many: others want to send, too. */
enum { NATS_SEND_AT_ONCE = 64, NATS_SEND_AT_ONCE_BYTES = 64 << 10 };

/* Inside the gate: a message with a line of its own. False: it is not to go, or not now, which
 * publish() will see. */
static bool nats_send_now(ri_nats_peer *peer, const ri_message *m)
{
    bool easy = peer->state != RI_NATS_UP || ri_nats_send_is_easy(peer);
    if (!easy || ri_bus_check(&peer->bus, m) < 0 || nats_send_is_full(peer, m)) return false;
    if (ri_nats_send_message(peer, m) < 0) return false;
    nats_send_learn(peer, m);
    return true;
}

size_t ri_nats_send_more(rill_bus *bus, ri_str subject, const rill_str *data, size_t n)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    size_t done = 0, bytes = 0;
    bool again = false;
    n = RI_MIN(n, (size_t)NATS_SEND_AT_ONCE);
    ri_broker_enter(bus->broker);
    bool about = nats_send_is_about(&peer->again, subject);
    for (; done < n && bytes < NATS_SEND_AT_ONCE_BYTES; bytes += data[done++].len) {
        ri_message m = {.subject = subject, .data = {data[done].ptr, data[done].len}};
        if (!m.data.ptr && m.data.len) break;
        if (ri_likely(about && nats_send_data(peer, m.data))) {
            again = true;
            continue;
        }
        if (!nats_send_now(peer, &m)) break;
        about = nats_send_is_about(&peer->again, subject);
    }
    bus->party.in_msgs += done;
    bus->party.in_bytes += bytes;
    if (again) nats_send_went_again(peer);
    ri_broker_leave(bus->broker);
    return done;
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
    if (peer->unflushed && !ri_nats_send_ping(peer)) return false;
    *flush = (nats_send_flush){peer->connections, peer->pings}; /* nothing is behind that one */
    return peer->pongs >= peer->pings;
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

/* ---- What waits and is not to be sent any more ---- */

typedef struct nats_send_sieve {
    const ri_nats_peer *peer;
    ri_nats parser;
    bool lost; /* the connection that it was for is */
} nats_send_sieve;

/* Does it matter to another connection? Interest, PINGs and requests for messages are said anew. */
static bool nats_send_survives(const ri_nats_peer *peer, const ri_nats_op *op)
{
    if (!ri_nats_is_message(op->kind)) return false;
    ri_str api = ri_str_of(peer->conf.api);
    return !ri_str_starts(op->m.subject, api) ||
           !ri_str_starts(ri_str_from(op->m.subject, api.len), RI_STR("CONSUMER.MSG.NEXT."));
}

static size_t nats_send_judge(void *arg, const char *bytes, size_t len, bool *stays)
{
    nats_send_sieve *sieve = arg;
    ri_nats_op op;
    int used = ri_nats_parse(&sieve->parser, bytes, bytes + len, &op);
    RI_ASSERT(used > 0); /* all of it was put there by us, whole */
    if (used <= 0) return len;
    *stays = !sieve->lost || nats_send_survives(sieve->peer, &op);
    if (*stays && ri_nats_is_message(op.kind))
        *stays = !ri_nats_calls_is_over(sieve->peer, op.m.reply);
    return (size_t)used;
}

static void nats_send_sift(ri_nats_peer *peer, bool lost)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    nats_send_sieve sieve = {.peer = peer, .lost = lost};
    ri_nats_init(&sieve.parser, RI_NATS_FROM_CLIENT);
    sieve.parser.max_line = RI_LIMIT_SERVER_LINE;
    sieve.parser.max_payload = UINT32_MAX;
    ri_outq_sift(&peer->out, &peer->chunks, nats_send_judge, &sieve);
    peer->over_bytes = 0;
}

void ri_nats_send_is_over(ri_nats_peer *peer, size_t bytes)
{
    peer->over_bytes += bytes;
    if (peer->over_bytes > peer->out.bytes / 2) nats_send_sift(peer, false);
}

void ri_nats_send_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && peer->state == RI_NATS_LOST);
    nats_send_sift(peer, true);
}

/* ---- Writing ---- */

/* Inside the gate: is there something to write? */
static bool nats_send_take(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_conn *conn = &peer->conn;
    bool idle = conn->sending.bytes == 0 && conn->out.bytes == 0;
    bool takes = peer->state == RI_NATS_UP && idle && !ri_nats_link_is_done(peer);
    if (takes && peer->over_bytes) nats_send_sift(peer, false);
    if (takes && peer->out.bytes) {
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
    if (!some && !peer->conn.full) return;
    ri_conn_write(&peer->conn);
    ri_broker_enter(peer->bus.broker);
    ri_conn_settle(&peer->conn, &peer->chunks);
    if (!peer->conn.sending.bytes && !peer->conn.out.bytes) peer->pongs_owed = 0;
    if (peer->holds_pulls) ri_nats_pull_again(peer);
    bool more = !peer->conn.full && (peer->out.bytes || peer->conn.out.bytes);
    if (more) ri_hub_call(peer->hub, &peer->guest);
    if (peer->calls.appends < peer->conf.max_inflight) ri_nats_send_notify_room(peer);
    ri_broker_leave(peer->bus.broker);
}

void ri_nats_send_init(ri_nats_peer *peer)
{
    ri_outq_pool_init(&peer->chunks, &peer->bus.host, NULL);
    ri_park_init(&peer->room);
}

void ri_nats_send_fini(ri_nats_peer *peer)
{
    ri_outq_fini(&peer->out, &peer->chunks);
    ri_outq_pool_fini(&peer->chunks);
    ri_park_fini(&peer->room);
}
