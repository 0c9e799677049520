/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way to a session: the one copy that a small one costs, and the bounds on
 * what may wait. */
#include "base/assert.h"
#include "base/error.h"
#include "front/nats/nats_session.h"

enum {
    DELIVER_COPY_MAX = 4096, /* a bigger payload is shared, not copied */
    DELIVER_LINE_ROOM = 256, /* of most lines with their headers: subject, sid, reply, sizes */
};

void ri_nats_deliver_touch(ri_nats_session *s)
{
    if (ri_likely(s->touched && !s->crowded)) return;
    ri_nats_server *server = s->server;
    bool crowd = server->broker->router.fanning;
    if (s->crowded && crowd) return;
    if (s->crowded) { /* there is something for it alone, which does not wait behind all others */
        ri_list_remove(&s->touched_link);
        server->ncrowd--;
    }
    s->touched = true;
    s->crowded = crowd;
    server->ncrowd += crowd;
    ri_list_push(crowd ? &server->crowd : &server->touched, &s->touched_link);
    server->broker->output_waits |= server->door.bit;
}

/* There is no room for `n` more bytes: of the session's own, or of the broker's. */
static bool deliver_squeeze(ri_nats_session *s, size_t n)
{
    ri_broker *broker = s->server->broker;
    if (s->conn.pending + n <= broker->conf.max_pending_bytes) {
        ri_broker_shed(broker);
        return !s->end;
    }
    s->server->slow_conns++;
    ri_nats_session_end(s, RI_NATS_END_SLOW_PENDING);
    return false;
}

/* May `n` more bytes wait? If not, the session is too slow, which ends it without a word. The
 * broker's memory is looked at when a chunk is to come. */
static inline bool deliver_fits(ri_nats_session *s, size_t n)
{
    const ri_broker *broker = s->server->broker;
    return ri_likely(s->conn.pending + n <= broker->conf.max_pending_bytes &&
                     (ri_outq_has_room(&s->conn.out, n + DELIVER_LINE_ROOM) ||
                      ri_broker_has_room(broker))) || deliver_squeeze(s, n);
}

static inline void deliver_added(ri_nats_session *s, size_t n)
{
    s->conn.pending += n;
    if (ri_likely(s->touched && !s->crowded && s->out_epoch)) return;
    if (!s->out_epoch) s->out_epoch = s->server->epoch;
    ri_nats_deliver_touch(s);
}

void ri_nats_deliver_raw(ri_nats_session *s, ri_str bytes)
{
    RI_ASSERT(bytes.len > 0);
    if (s->end || !deliver_fits(s, bytes.len)) return;
    if (ri_unlikely(s->server->broker->conf.trace)) ri_nats_trace_raw(s, bytes);
    if (ri_outq_put(&s->conn.out, &s->server->pool, bytes.ptr, bytes.len))
        deliver_added(s, bytes.len);
    else
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

/* The text of the sizes is kept from message to message: mostly they are the same. */
static inline ri_nats_line *deliver_line(ri_nats_server *server, const ri_message *m,
                                         size_t header_len)
{
    ri_nats_line *line = &server->line;
    if (line->tail_len && server->line_header_len == header_len &&
        server->line_data_len == m->data.len) {
        line->subject = m->subject;
        line->reply = m->reply;
        return line;
    }
    ri_nats_line_init(line, m->subject, m->reply, header_len, m->data.len);
    server->line_header_len = header_len;
    server->line_data_len = m->data.len;
    return line;
}

/* Line, headers, data and CRLF, all copied to `begin`, where there is room for them; their end. */
static inline char *deliver_copy(char *begin, const ri_nats_line *line, ri_str sid,
                                 const ri_message *m)
{
    char *p = ri_nats_put_msg(begin, line, sid);
    if (line->headers) p = ri_str_put(p, m->headers);
    p = ri_str_put(p, m->data);
    memcpy(p, "\r\n", 2);
    return p + 2;
}

static size_t deliver_small(ri_nats_session *s, const ri_nats_line *line, ri_str sid,
                            const ri_message *m, size_t room)
{
    char *begin = ri_outq_room(&s->conn.out, &s->server->pool, room);
    if (!begin) return 0;
    size_t n = (size_t)(deliver_copy(begin, line, sid, m) - begin);
    RI_ASSERT(n <= room);
    ri_outq_added(&s->conn.out, n);
    return n;
}

/* Line and CRLF copied, what lies between them shared with the packet. */
static size_t deliver_big(ri_nats_session *s, const ri_nats_line *line, ri_str sid, ri_delivery *d)
{
    ri_packet *packet = ri_delivery_packet(d);
    if (!packet) return 0;
    ri_str body = ri_packet_data(packet);
    if (line->headers) {
        ri_str headers = ri_packet_headers(packet);
        RI_ASSERT(headers.ptr + headers.len == body.ptr);
        body = (ri_str){headers.ptr, headers.len + body.len};
    }
    ri_outq *out = &s->conn.out;
    ri_outq_pool *pool = &s->server->pool;
    char *begin = ri_outq_room(out, pool, ri_nats_line_room(line, sid.len) + 2);
    if (!begin) {
        ri_packet_unref(packet);
        return 0;
    }
    size_t n = (size_t)(ri_nats_put_msg(begin, line, sid) - begin);
    ri_outq_added(out, n);
    /* From here on a part of the message is queued: it is all or the end. */
    if (ri_outq_put_packet(out, pool, packet, body) && ri_outq_put(out, pool, "\r\n", 2))
        return n + body.len + 2;
    ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    return 0;
}

void ri_nats_deliver_stalled(ri_nats_session *s)
{
    ri_nats_server *server = s->server;
    if (s->stalled) return;
    s->stalled = true;
    server->nstalled++;
    server->broker->stalled |= server->door.bit;
}

/* A receiver with much waiting slows those who publish to it. */
static void deliver_stall(ri_nats_session *s, ri_party *from)
{
    if (s->conn.pending <= s->server->broker->conf.slow_bytes) return;
    ri_nats_deliver_stalled(s);
    if (from->ops->slow_down) from->ops->slow_down(from);
}

static void deliver_slow_down(ri_party *party)
{
    ri_nats_session_of(party)->stall = true;
}

/* There is no room in the chunk, much waits already, it is large, or it is traced. */
static bool deliver_carefully(ri_nats_session *s, ri_subscription *sub, ri_delivery *d,
                              const ri_nats_line *line, size_t body_len, size_t room)
{
    ri_str sid = ri_container_of(sub, ri_nats_sub, sub)->sid;
    size_t n = 0;
    if (deliver_fits(s, body_len))
        n = body_len <= DELIVER_COPY_MAX ? deliver_small(s, line, sid, d->m, room)
                                         : deliver_big(s, line, sid, d);
    if (ri_unlikely(n == 0)) {
        if (!s->end) d->no_memory = true;
        d->router->dropped_msgs++;
        return false;
    }
    deliver_added(s, n);
    if (ri_unlikely(s->server->broker->conf.trace)) ri_nats_trace_msg(s, d->m, sub);
    deliver_stall(s, d->from);
    return true;
}

static bool deliver_message(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_nats_session *s = ri_nats_session_of(party);
    ri_nats_sub *nats_sub = ri_container_of(sub, ri_nats_sub, sub);
    if (ri_unlikely(s->end || ri_nats_session_has_forgotten(s, nats_sub))) return false;
    const ri_message *m = d->m;
    if (ri_unlikely(ri_nats_access_guards(s, nats_sub, m)) &&
        !ri_nats_access_deliver(s, nats_sub, m, d->p->route))
        return false;
    const ri_broker_conf *conf = &s->server->broker->conf;
    size_t header_len = s->headers ? m->headers.len : 0;
    size_t body_len = header_len + m->data.len;
    const ri_nats_line *line = deliver_line(s->server, m, header_len);
    size_t room = ri_nats_line_room(line, nats_sub->sid.len) + body_len + 2;
    if (ri_unlikely(body_len > DELIVER_COPY_MAX || s->conn.pending + room > conf->slow_bytes ||
                    !ri_outq_has_room(&s->conn.out, room) || conf->trace))
        return deliver_carefully(s, sub, d, line, body_len, room);
    char *begin = s->conn.out.fill;
    size_t n = (size_t)(deliver_copy(begin, line, nats_sub->sid, m) - begin);
    RI_ASSERT(n <= room);
    ri_outq_added(&s->conn.out, n);
    deliver_added(s, n);
    return true;
}

void ri_nats_deliver_drained(ri_nats_session *s)
{
    ri_nats_server *server = s->server;
    if (!s->stalled) return;
    if (!s->end && s->conn.pending > server->broker->conf.slow_bytes) return;
    s->stalled = false;
    server->drained = true;
    RI_ASSERT(server->nstalled > 0);
    if (--server->nstalled == 0) server->broker->stalled &= ~server->door.bit;
}

static void deliver_ended(ri_party *party, ri_subscription *sub)
{
    ri_nats_session *s = ri_nats_session_of(party);
    ri_nats_sub *nats_sub = ri_container_of(sub, ri_nats_sub, sub);
    void *taken = ri_map_take(&s->subs, ri_hash(nats_sub->sid), &nats_sub->sid);
    RI_ASSERT(taken == nats_sub);
    if (s->server->broker->conf.trace) ri_nats_trace_gone(s, nats_sub->sid);
    (void)taken;
    ri_nats_session_free_sub(s, nats_sub);
}

/* 503 goes to the publisher's own plain subscription on the reply, if it has one. */
static void deliver_no_responders(ri_party *party, const ri_message *m)
{
    ri_nats_session *s = ri_nats_session_of(party);
    if (!s->no_responders || !s->headers || s->end) return;
    ri_account *account = party->account;
    bool global = account == &party->router->global; /* whose replies are in no other's way */
    ri_match_cache *cache = global ? &s->server->reply_cache : &account->cache;
    const ri_match *match = ri_match_cache_get(cache, &account->interest, m->reply);
    for (uint32_t i = 0; match && i < match->nplain; i++) {
        ri_subscription *sub = ri_container_of(match->plain[i], ri_subscription, entry);
        const ri_nats_sub *nats_sub = ri_container_of(sub, ri_nats_sub, sub);
        if (sub->party != party || ri_nats_session_has_forgotten(s, nats_sub)) continue;
        char head[] = "NATS/1.0 503\r\nNats-Subject: ";
        size_t len = sizeof head - 1 + m->subject.len + 4;
        ri_nats_line line;
        ri_nats_line_init(&line, m->reply, RI_STR_NONE, len, 0);
        ri_str sid = nats_sub->sid;
        size_t room = ri_nats_line_room(&line, sid.len) + len + 2;
        char *begin = deliver_fits(s, room) ? ri_outq_room(&s->conn.out, &s->server->pool, room)
                                            : NULL;
        if (!begin) return;
        char *p = ri_nats_put_msg(begin, &line, sid);
        p = ri_str_put(p, (ri_str){head, sizeof head - 1});
        p = ri_str_put(p, m->subject);
        p = ri_str_put(p, RI_STR("\r\n\r\n\r\n"));
        ri_outq_added(&s->conn.out, (size_t)(p - begin));
        deliver_added(s, (size_t)(p - begin));
        return;
    }
}

/* Up to where it would make others wait. */
static uint64_t deliver_room(const ri_party *party)
{
    const ri_nats_session *s =
        ri_container_of((ri_party *)(uintptr_t)party, ri_nats_session, party);
    uint64_t most = s->server->broker->conf.slow_bytes;
    return most > s->conn.pending ? most - s->conn.pending : 0;
}

static uint64_t deliver_number(const ri_party *party)
{
    return ri_container_of(party, const ri_nats_session, party)->cid;
}

static bool deliver_shut(const ri_party *party)
{
    const ri_nats_session *s =
        ri_container_of((ri_party *)(uintptr_t)party, ri_nats_session, party);
    return s->end;
}

static bool deliver_make_interest(ri_party *party)
{
    ri_nats_session *s = ri_container_of(party, ri_nats_session, party);
    return !s->end && ri_nats_server_make_interest(s->server, s);
}

const ri_party_ops ri_nats_deliver_ops = {
    .deliver = deliver_message,
    .ended = deliver_ended,
    .no_responders = deliver_no_responders,
    .room = deliver_room,
    .shut = deliver_shut,
    .slow_down = deliver_slow_down,
    .number = deliver_number,
    .make_interest = deliver_make_interest,
    .facts = ri_nats_facts_put,
    .rtt_ns = ri_nats_facts_rtt_ns,
    .direct = true,
};
