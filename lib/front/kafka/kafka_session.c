/* SPDX-License-Identifier: Apache-2.0 */
#include "front/kafka/kafka_session.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/broker/departed.h"

enum {
    KAFKA_SESSION_LINGER_MS = 50,       /* for the peer to read what is left, and close */
    KAFKA_SESSION_OUT = 1024 * 1024,    /* bytes that wait: no request is begun behind them */
    KAFKA_SESSION_UNITS = 10,           /* of the turn, for a request beside what it does */
    KAFKA_SESSION_TEXT = 128,           /* bytes of a name that is kept */
    KAFKA_SESSION_COPY = 16 * 1024,     /* records of fewer bytes are copied */
};

#define KAFKA_SESSION_REQUEST(item) ri_container_of(item, ri_kafka_request, link)

/* ---- Ending ---- */

/* Whoever looks at the broker hears of it as it was, in the words of NATS' connections. */
static void kafka_session_note_end(const ri_kafka_session *s, ri_kafka_end end)
{
    static const char *const reasons[] = {
        [RI_KAFKA_END_CLIENT] = "Client Closed", [RI_KAFKA_END_BROKEN] = "Write Error",
        [RI_KAFKA_END_REFUSED] = "Protocol Violation",
        [RI_KAFKA_END_MEMORY] = "Memory Budget Exceeded", [RI_KAFKA_END_KICKED] = "Kicked",
        [RI_KAFKA_END_SHUTDOWN] = "Server Shutdown"};
    ri_broker *broker = s->server->broker;
    ri_broker_conn conn = {0};
    if (!broker->departed) return;
    ri_kafka_session_describe(s, ri_ns_sub(ri_wall_ns(&broker->host), ri_mono_ns(&broker->host)),
                              &conn);
    ri_departed_note(broker, &conn, reasons[end]);
}

void ri_kafka_session_end(ri_kafka_session *s, ri_kafka_end end)
{
    RI_ASSERT(s);
    static const char *const words[] = {
        [RI_KAFKA_END_CLIENT] = "the client closed", [RI_KAFKA_END_BROKEN] = "broken",
        [RI_KAFKA_END_REFUSED] = "refused", [RI_KAFKA_END_MEMORY] = "out of memory",
        [RI_KAFKA_END_KICKED] = "kicked", [RI_KAFKA_END_SHUTDOWN] = "shut down"};
    RI_ASSERT(end != RI_KAFKA_END_NOT);
    if (s->end) return;
    kafka_session_note_end(s, end);
    s->end = end;
    ri_host_log(&s->server->broker->host, end == RI_KAFKA_END_MEMORY ? RILL_WARN : RILL_DEBUG,
                "%s - cid:%llu - Kafka client connection closed: %s", s->peer,
                (unsigned long long)s->cid, words[end]);
    ri_list_push(&s->server->ending, &s->ending_link);
    s->server->broker->output_waits |= s->server->door.bit;
}

void ri_kafka_session_refuse(ri_kafka_session *s, const char *what)
{
    RI_ASSERT(s);
    if (s->end || s->refused) return;
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - client %s%s%s: %s: %s",
                s->peer, (unsigned long long)s->cid, s->client_id ? s->client_id : "unknown",
                s->client ? ", " : "", s->client ? s->client : "", what, ri_err_text());
    s->refused = true;
    if (ri_list_empty(&s->requests)) ri_kafka_session_end(s, RI_KAFKA_END_REFUSED);
}

static bool kafka_session_ends_hard(const ri_kafka_session *s)
{
    return s->end == RI_KAFKA_END_BROKEN || s->end == RI_KAFKA_END_MEMORY;
}

static void kafka_session_drop_requests(ri_kafka_session *s)
{
    for (ri_list *item; !ri_list_empty(&s->requests);) {
        item = s->requests.next;
        ri_kafka_request *r = KAFKA_SESSION_REQUEST(item);
        ri_kafka_request_drop(r);
        ri_list_push(&s->server->spent, item); /* what may be much memory goes outside the gate */
        ri_budget_spend(&s->server->broker->router.budget, 1);
    }
    s->nrequests = 0;
}

void ri_kafka_session_detach(ri_kafka_session *s)
{
    RI_ASSERT(s->end && !s->winding);
    kafka_session_drop_requests(s);
    ri_list_remove(&s->ready_link);
    ri_claim_end(&s->server->broker->router.work, &s->claim);
    RI_ASSERT(s->server->nsessions > 0);
    s->server->nsessions--;
    s->winding = true;
}

static void kafka_session_bury(ri_kafka_session *s)
{
    if (s->dead) return;
    s->dead = true;
    ri_conn_silence(&s->conn);
    ri_list_remove(&s->work_link);
    ri_list_push(&s->server->dead, &s->work_link);
}

void ri_kafka_session_wind_down(ri_kafka_session *s)
{
    RI_ASSERT(s->winding);
    ri_loop *loop = &s->server->loop;
    if (s->dead) return;
    if (kafka_session_ends_hard(s) || s->conn.ended) {
        kafka_session_bury(s);
        return;
    }
    ri_conn_deafen(&s->conn);
    if (s->conn.sending.bytes || s->conn.out.bytes || s->conn.full || s->shut) return;
    s->shut = true;
    ri_conn_shut(&s->conn);
    int64_t due_ns = ri_loop_now(loop) + KAFKA_SESSION_LINGER_MS * RI_MS;
    bool lingers = s->end == RI_KAFKA_END_SHUTDOWN;
    if (!lingers || ri_loop_timer_set(loop, &s->timer, due_ns) < 0) kafka_session_bury(s);
}

static void kafka_session_on_timer(ri_loop_timer *timer)
{
    kafka_session_bury(ri_container_of(timer, ri_kafka_session, timer));
}

static void kafka_session_free_text(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

void ri_kafka_session_free(ri_kafka_session *s)
{
    RI_ASSERT(s);
    ri_kafka_server *server = s->server;
    const ri_host *host = &server->broker->host;
    if (!s->end) s->end = RI_KAFKA_END_SHUTDOWN;
    if (!s->winding) ri_kafka_session_detach(s);
    ri_loop_timer_cancel(&server->loop, &s->timer);
    ri_kafka_server_pass(server, s);
    ri_list_remove(&s->link);
    ri_list_remove(&s->touched_link);
    ri_list_remove(&s->ending_link);
    ri_list_remove(&s->work_link);
    ri_conn_fini(&s->conn, &server->pool);
    kafka_session_free_text(host, s->client);
    kafka_session_free_text(host, s->client_id);
    ri_delete(host, s);
}

/* ---- Answers ---- */

static void kafka_session_touch(ri_kafka_session *s)
{
    ri_kafka_server *server = s->server;
    if (!s->out_epoch) s->out_epoch = server->epoch;
    if (!s->touched) ri_list_push(&server->touched, &s->touched_link);
    s->touched = true;
    server->broker->output_waits |= server->door.bit;
}

static bool kafka_session_put_bytes(ri_kafka_session *s, ri_str bytes)
{
    if (bytes.len && !ri_outq_put(&s->conn.out, &s->server->pool, bytes.ptr, bytes.len))
        return false;
    s->conn.pending += bytes.len;
    s->out_bytes += bytes.len;
    return true;
}

/* Much goes out where it lies, with its memory. */
static bool kafka_session_put_records(ri_kafka_session *s, ri_buffer *records)
{
    size_t n = ri_buffer_size(records);
    if (n < KAFKA_SESSION_COPY) return kafka_session_put_bytes(s, ri_buffer_str(records));
    if (!ri_outq_put_buffer(&s->conn.out, &s->server->pool, records)) return false;
    s->conn.pending += n;
    s->out_bytes += n;
    return true;
}

/* The answer of a request, with what belongs between its bytes. */
static bool kafka_session_put_answer(ri_kafka_session *s, ri_kafka_request *r)
{
    ri_str frame = ri_buffer_str(&r->answer);
    RI_ASSERT(frame.len > 0);
    if (!r->records) return kafka_session_put_records(s, &r->answer);
    const ri_kafka_splice *splices = (const ri_kafka_splice *)(const void *)r->splices.ptr;
    size_t at = 0, n = r->records ? r->splices.len / sizeof *splices : 0;
    ri_buffer *const *records = r->records;
    for (size_t i = 0; i < n; i++, records++) {
        while (ri_buffer_size(*records) == 0) records++; /* those have no place */
        RI_ASSERT(ri_buffer_size(*records) == splices[i].bytes.len);
        if (!kafka_session_put_bytes(s, (ri_str){frame.ptr + at, splices[i].at - at}) ||
            !kafka_session_put_records(s, *records))
            return false;
        at = splices[i].at;
    }
    return kafka_session_put_bytes(s, ri_str_from(frame, at));
}

static void kafka_session_put(ri_kafka_session *s, ri_kafka_request *r)
{
    ri_broker *broker = s->server->broker;
    if (r->answer.len == 0 || s->end) return;
    if (!ri_broker_has_room(broker)) ri_broker_shed(broker);
    if (s->end) return;
    if (!kafka_session_put_answer(s, r)) {
        ri_kafka_session_end(s, RI_KAFKA_END_MEMORY);
        return;
    }
    s->out_msgs++;
    kafka_session_touch(s);
}

/* It may begin what it has read. */
static void kafka_session_ready(ri_kafka_session *s)
{
    ri_kafka_server *server = s->server;
    if (s->end || ri_list_linked(&s->ready_link)) return;
    ri_list_push(&server->ready, &s->ready_link);
    server->broker->output_waits |= server->door.bit;
}

void ri_kafka_session_emit(ri_kafka_session *s)
{
    RI_ASSERT(s);
    ri_kafka_server *server = s->server;
    bool any = false;
    while (!ri_list_empty(&s->requests)) {
        ri_kafka_request *r = KAFKA_SESSION_REQUEST(s->requests.next);
        if (r->stage != RI_KAFKA_DONE) break;
        if (!r->silent) kafka_session_put(s, r);
        ri_claim_shrink(&server->broker->router.work, &s->claim, r->claimed);
        r->claimed = 0;
        ri_list_remove(&r->link);
        ri_list_push(&server->spent, &r->link);
        s->nrequests--;
        any = true;
    }
    if (s->refused && ri_list_empty(&s->requests)) ri_kafka_session_end(s, RI_KAFKA_END_REFUSED);
    if (any) kafka_session_ready(s);
}

void ri_kafka_session_drained(ri_kafka_session *s)
{
    if (s->conn.pending < KAFKA_SESSION_OUT && (s->nrequests || s->conn.held))
        kafka_session_ready(s);
}

/* ---- Requests ---- */

static bool kafka_session_is_full(const ri_kafka_session *s)
{
    return s->nrequests >= RI_LIMIT_KAFKA_PIPELINE || s->conn.pending >= KAFKA_SESSION_OUT;
}

/* Nothing is read behind one that waits to be begun, or that is done apart. */
static bool kafka_session_is_blocked(const ri_kafka_session *s)
{
    if (s->end || s->refused || s->napart) return true;
    return !ri_list_empty(&s->requests) &&
           KAFKA_SESSION_REQUEST(s->requests.prev)->stage == RI_KAFKA_READ;
}

/* What is begun together is begun in its order: behind one that has more to do, since its turn was
 * over, none is. */
static bool kafka_session_may_begin(const ri_kafka_session *s, const ri_kafka_request *r)
{
    if (s->end || s->conn.pending >= KAFKA_SESSION_OUT || r->coded) return false;
    if (s->requests.next == &r->link) return true;
    return r->kind->together && s->napart == 0 && !KAFKA_SESSION_REQUEST(r->link.prev)->goes_on;
}

static void kafka_session_trace(const ri_kafka_session *s, const ri_kafka_request *r)
{
    if (ri_likely(!s->server->broker->conf.trace)) return;
    ri_host_log(&s->server->broker->host, RILL_DEBUG, "%s - cid:%llu - <<- [%s v%d, %d]", s->peer,
                (unsigned long long)s->cid, r->head.api->word, r->head.version,
                r->head.correlation_id);
}

/* Begin those that were read, in their order, as far as they may be and the budget lasts. */
static void kafka_session_begin(ri_kafka_session *s)
{
    ri_list *item = &s->requests;
    while (item->prev != &s->requests &&
           KAFKA_SESSION_REQUEST(item->prev)->stage == RI_KAFKA_READ)
        item = item->prev;
    for (bool left = true; left && item != &s->requests;) {
        ri_kafka_request *r = KAFKA_SESSION_REQUEST(item);
        if (!kafka_session_may_begin(s, r)) return;
        item = item->next; /* which is not begun, and so stays */
        kafka_session_trace(s, r);
        ri_kafka_request_begin(r);
        left = ri_budget_spend(&s->server->broker->router.budget, KAFKA_SESSION_UNITS);
    }
    if (item != &s->requests) kafka_session_ready(s);
}

/* The bytes that they came in go: those that still need them have copies from now on. The last may
 * have had its own at once, as what is done apart has; the others that came with it have not. */
static void kafka_session_keep(ri_kafka_session *s)
{
    ri_list *item = s->requests.prev;
    if (item != &s->requests && !KAFKA_SESSION_REQUEST(item)->lent) item = item->prev;
    for (; item != &s->requests; item = item->prev) {
        ri_kafka_request *r = KAFKA_SESSION_REQUEST(item);
        if (!r->lent) return;
        r->lent = false;
        bool goes_on = r->stage == RI_KAFKA_BEGUN && ri_list_linked(&r->busy_link);
        if (r->stage != RI_KAFKA_READ && !goes_on) continue;
        if (ri_kafka_request_keep(r) < 0) ri_kafka_session_end(s, RI_KAFKA_END_MEMORY);
        ri_kafka_request_claim(r, 0);
    }
}

static void kafka_session_note_client(ri_kafka_session *s, const ri_kafka_request *r)
{
    const ri_host *host = &s->server->broker->host;
    ri_str id = r->head.client_id;
    id.len = RI_MIN(id.len, (size_t)KAFKA_SESSION_TEXT);
    if (s->client_id ? ri_str_is(id, s->client_id) : !id.ptr) return;
    kafka_session_free_text(host, s->client_id);
    s->client_id = id.ptr ? ri_strdup(host, id.ptr, id.len) : NULL; /* without is well, too */
}

/* One frame, cut off the front of *in: 1; 0 if it is not whole, and *need says how many bytes it
 * is, if that is known. */
static int kafka_session_cut(ri_str *in, ri_str *frame, size_t *need)
{
    *need = 0;
    if (in->len < RI_KAFKA_FRAME_SIZE) return 0;
    const unsigned char *p = (const unsigned char *)in->ptr;
    uint32_t size = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (ri_kafka_tls_is_hello(*in))
        return ri_err(RILL_EPROTO, "a handshake of TLS, which this port does not speak");
    if (size == 0 || size > RI_LIMIT_KAFKA_FRAME)
        return ri_err(RILL_EPROTO, "a frame of %d bytes", (int32_t)size);
    if (in->len - RI_KAFKA_FRAME_SIZE < size) {
        *need = size + RI_KAFKA_FRAME_SIZE;
        return 0;
    }
    *frame = (ri_str){in->ptr + RI_KAFKA_FRAME_SIZE, size};
    *in = ri_str_from(*in, size + RI_KAFKA_FRAME_SIZE);
    return 1;
}

static bool kafka_session_is_whole(ri_str in)
{
    ri_str frame;
    size_t need;
    return kafka_session_cut(&in, &frame, &need) != 0;
}

/* Frames are cut off the front of *in and decoded, outside the gate, up to one that is done apart,
 * `most` at most. 1: there may be more in *in; 0; or a code, which says what is wrong with the
 * next. */
static int kafka_session_read(ri_kafka_session *s, ri_str *in, uint32_t most, ri_list *taken,
                              size_t *need)
{
    for (uint32_t n = 0; n < most; n++) {
        ri_str frame, rest = *in;
        ri_kafka_request *r;
        int rc = kafka_session_cut(&rest, &frame, need);
        if (rc <= 0) return rc;
        if ((rc = ri_kafka_request_read(s, frame, &r)) < 0) return rc;
        *in = rest;
        ri_list_push(taken, &r->link);
        if (!r->kind->together) break;
    }
    return in->len > 0;
}

static void kafka_session_add(ri_kafka_session *s, ri_list *taken)
{
    for (ri_list *item; (item = ri_list_pop(taken)) != NULL;) {
        ri_kafka_request *r = KAFKA_SESSION_REQUEST(item);
        ri_list_push(&s->requests, item);
        s->nrequests++;
        s->in_msgs++;
        s->in_bytes += r->frame.len + RI_KAFKA_FRAME_SIZE;
        kafka_session_note_client(s, r);
        ri_kafka_request_claim(r, 0);
        if (r->coded) ri_list_push(&s->server->coded, &r->busy_link);
        s->server->codes = s->server->codes || r->coded;
    }
}

void ri_kafka_session_decoded(ri_kafka_session *s, ri_kafka_request *r, int rc)
{
    RI_ASSERT(r->session == s && r->stage == RI_KAFKA_READ);
    if (s->end) return;
    bool room = rc < 0 || ri_kafka_request_claim(r, 0);
    if (rc == 1 && room) ri_list_push(&s->server->coded, &r->busy_link);
    if (rc == 0 && room) kafka_session_ready(s);
    if (rc >= 0) return;
    ri_kafka_request_drop(r);
    ri_list_push(&s->server->spent, &r->link);
    s->nrequests--;
    ri_kafka_session_refuse(s, "a request that is not understood");
}

/* How many frames may be read now. One that fills `len` bytes is taken in any case: they come from
 * the connection's own buffer, which is to be emptied. */
static uint32_t kafka_session_room(const ri_kafka_session *s, ri_str in)
{
    ri_str frame, rest = in;
    size_t need;
    if (kafka_session_is_blocked(s)) return 0;
    if (!kafka_session_is_full(s)) return RI_LIMIT_KAFKA_PIPELINE - s->nrequests;
    return kafka_session_cut(&rest, &frame, &need) == 1 && rest.len == 0;
}

/* One round: what may be read is read, and begun. True: there may be more in *in for another. */
static bool kafka_session_round(ri_kafka_session *s, ri_str *in, uint32_t room, size_t *need)
{
    ri_list taken;
    ri_list_init(&taken);
    int rc = kafka_session_read(s, in, room, &taken, need);
    ri_kafka_server_enter(s->server);
    ri_budget *budget = &s->server->broker->router.budget;
    ri_budget_open(budget);
    ri_budget_slice(budget, ri_kafka_server_share(s->server));
    s->server->broker->router.time_ns = ri_wall_ns(&s->server->broker->host);
    kafka_session_add(s, &taken);
    if (rc < 0) ri_kafka_session_refuse(s, "a request that is not understood");
    kafka_session_begin(s);
    kafka_session_keep(s);
    bool cut = !ri_budget_left(budget), more = rc == 1 && !cut && !kafka_session_is_blocked(s);
    ri_budget_close(budget);
    ri_kafka_server_leave(s->server);
    if (cut) ri_gate_pass(&s->server->broker->gate); /* other connections' input follows at once */
    return more;
}

static size_t kafka_session_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    ri_kafka_session *s = ri_container_of(conn, ri_kafka_session, conn);
    ri_str in = {bytes, len};
    uint32_t room;
    if (ri_unlikely(s->shaking)) ri_kafka_tls_on_open(s);
    *need = 0;
    do {
        ri_kafka_server_enter(s->server);
        room = kafka_session_room(s, in);
        ri_kafka_server_leave(s->server);
    } while (room > 0 && kafka_session_round(s, &in, room, need));
    ri_kafka_server_enter(s->server);
    bool ends = s->end != RI_KAFKA_END_NOT, blocked = kafka_session_is_blocked(s);
    conn->hold = in.len > 0 && (blocked || kafka_session_is_whole(in));
    if (conn->hold) *need = 0;
    if (conn->hold && !blocked && !kafka_session_is_full(s)) kafka_session_ready(s);
    ri_kafka_server_leave(s->server);
    if (ends) ri_conn_deafen(conn);
    return len - in.len;
}

void ri_kafka_session_go_on(ri_kafka_session *s)
{
    RI_ASSERT(s);
    ri_kafka_server *server = s->server;
    ri_budget *budget = &server->broker->router.budget;
    ri_kafka_server_enter(server);
    ri_budget_open(budget);
    ri_budget_slice(budget, ri_kafka_server_share(server));
    server->broker->router.time_ns = ri_wall_ns(&server->broker->host);
    kafka_session_begin(s);
    bool cut = !ri_budget_left(budget);
    ri_budget_close(budget);
    bool open = !kafka_session_is_blocked(s) && !kafka_session_is_full(s);
    ri_kafka_server_leave(server);
    if (cut) ri_gate_pass(&server->broker->gate);
    if (open) ri_conn_go_on(&s->conn);
}

/* ---- The connection ---- */

static void kafka_session_on_writable(ri_conn *conn)
{
    ri_kafka_session *s = ri_container_of(conn, ri_kafka_session, conn);
    ri_conn_write(conn);
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

static void kafka_session_on_end(ri_conn *conn, ri_conn_end end)
{
    ri_kafka_session *s = ri_container_of(conn, ri_kafka_session, conn);
    ri_kafka_server *server = s->server;
    ri_kafka_server_enter(server);
    if (!s->end && end == RI_CONN_DEADLINE) server->slow_conns++;
    if (!s->end && end == RI_CONN_READ_FAILED) ri_kafka_tls_failed(s);
    ri_kafka_session_end(s, end == RI_CONN_EOF         ? RI_KAFKA_END_CLIENT
                            : end == RI_CONN_NO_MEMORY ? RI_KAFKA_END_MEMORY
                                                       : RI_KAFKA_END_BROKEN);
    ri_kafka_server_leave(server);
    if (s->winding && (end != RI_CONN_EOF || s->shut)) kafka_session_bury(s);
    ri_loop_wake(&server->loop); /* it may be late in this turn */
}

/* Whoever has sent the largest part of a frame goes. */
static bool kafka_session_on_crowded(ri_conn *conn)
{
    ri_kafka_server *server = ri_container_of(conn, ri_kafka_session, conn)->server;
    ri_kafka_session *greediest = NULL;
    size_t most = 0;
    ri_kafka_server_enter(server);
    ri_list_each (item, &server->sessions) {
        ri_kafka_session *s = ri_container_of(item, ri_kafka_session, link);
        size_t bytes = s->conn.own_cap + s->conn.held_len;
        if (s->end || bytes <= most) continue;
        most = bytes;
        greediest = s;
    }
    ri_memory_refused(&server->broker->router.memory);
    if (greediest) ri_kafka_session_end(greediest, RI_KAFKA_END_MEMORY);
    ri_kafka_server_leave(server);
    if (greediest) ri_conn_deafen(&greediest->conn);
    return greediest != NULL;
}

static void kafka_session_give_up(ri_claim *claim)
{
    ri_kafka_session_end(ri_container_of(claim, ri_kafka_session, claim), RI_KAFKA_END_MEMORY);
}

/* The name that the listener has, or, where that is any address of this host, the one that the
 * client came to: it will find us there again. */
static void kafka_session_note_host(ri_kafka_session *s, int fd)
{
    const char *name = s->at->listener->name;
    bool any = *name == 0 || strcmp(name, "0.0.0.0") == 0 || strcmp(name, "::") == 0;
    if (any) ri_listen_local(fd, s->host);
    else snprintf(s->host, sizeof s->host, "%s", name);
}

int ri_kafka_session_open(ri_kafka_server *server, int fd, const ri_kafka_listener *at,
                          const char *peer)
{
    RI_ASSERT(server);
    static const ri_conn_ops ops = {kafka_session_on_bytes, kafka_session_on_writable,
                                    kafka_session_on_end, kafka_session_on_crowded};
    ri_broker *broker = server->broker;
    ri_kafka_session *s = ri_new(&broker->host, ri_kafka_session);
    if (!s) return RILL_ENOMEM;
    int rc = ri_conn_init_fd(&s->conn, &server->loop, fd, &ops);
    if (rc < 0) {
        ri_delete(&broker->host, s);
        return rc;
    }
    s->server = server;
    s->at = at;
    s->cid = ++broker->next_conn_id;
    s->start_ns = ri_wall_ns(&broker->host);
    s->timer.fn = kafka_session_on_timer;
    s->conn.write_deadline_ms = broker->conf.write_deadline_ms;
    snprintf(s->peer, sizeof s->peer, "%s", peer);
    kafka_session_note_host(s, fd);
    ri_list_init(&s->requests);
    ri_claim_init(&s->claim, kafka_session_give_up);
    ri_list_push(&server->sessions, &s->link);
    server->nsessions++;
    server->conns_total++;
    ri_host_log(&broker->host, RILL_DEBUG, "%s - cid:%llu - Kafka client connection created", peer,
                (unsigned long long)s->cid);
    if (ri_kafka_tls_open(s) < 0) {
        ri_kafka_session_end(s, RI_KAFKA_END_MEMORY);
        return RILL_OK;
    }
    if (server->nsessions <= ri_kafka_server_most(server)) return RILL_OK;
    ri_host_log(&broker->host, RILL_ERROR, "%s - cid:%llu - maximum connections exceeded", peer,
                (unsigned long long)s->cid);
    ri_kafka_session_end(s, RI_KAFKA_END_REFUSED);
    return RILL_OK;
}

void ri_kafka_session_describe(const ri_kafka_session *s, int64_t boot_ns, ri_broker_conn *out)
{
    out->info = (rill_conn_info){
        .id = s->cid, .start_ns = s->start_ns, .active_ns = ri_ns_add(s->conn.read_ns, boot_ns),
        .in_msgs = s->in_msgs, .in_bytes = s->in_bytes, .out_msgs = s->out_msgs,
        .out_bytes = s->out_bytes, .pending_bytes = s->conn.out.bytes};
    out->peer = ri_str_of(s->peer);
    if (s->client_id) out->name = ri_str_of(s->client_id);
    if (s->client) out->lang = ri_str_of(s->client);
    if (s->tls.version) out->tls_version = ri_str_of(s->tls.version);
    if (s->tls.version) out->tls_cipher = ri_str_of(s->tls.cipher);
}
