/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/http_session.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "net/tls_wire.h"

#define HTTP_SESSION_TLS_REFUSAL \
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

enum {
    HTTP_SESSION_LINGER_MS = 1000,     /* for the visitor to read what is left, and close */
    HTTP_SESSION_COPY = 16 * 1024,     /* a body of fewer bytes is copied */
    HTTP_SESSION_READ = 2 * RI_HTTP_HEAD_MAX, /* bytes that are read at once */
    HTTP_SESSION_LONG_MS = 3600 * 1000, /* the longest answer takes no more, and a head's time */
    HTTP_SESSION_SLICE = RI_BUDGET_SLICE / 2, /* units of a part of an answer: 125 us or so, so that
                                          also on a machine that is slow just now it is < 1 ms */
    HTTP_SESSION_NEW_MS = 1000,        /* who has come, or asked, since then is new */
};

/* ---- Ending ---- */

void ri_http_session_end(ri_http_session *s, ri_http_end end)
{
    RI_ASSERT(s && end != RI_HTTP_END_NOT);
    if (s->end) return;
    s->end = end;
    ri_list_push(&s->server->ending, &s->ending_link);
    s->server->broker->output_waits |= s->server->door.bit;
}

static void http_session_end_outside(ri_http_session *s, ri_http_end end)
{
    ri_http_server_enter(s->server);
    ri_http_session_end(s, end);
    ri_http_server_leave(s->server);
    ri_loop_wake(&s->server->loop); /* it may be late in this turn */
}

static bool http_session_ends_hard(const ri_http_session *s)
{
    return s->end == RI_HTTP_END_BROKEN || s->end == RI_HTTP_END_CROWDED ||
           s->end == RI_HTTP_END_MEMORY || s->end == RI_HTTP_END_LATE;
}

static void http_session_arm(ri_http_session *s, uint32_t ms)
{
    ri_loop *loop = &s->server->loop;
    int64_t due_ns = ri_ns_add(ri_loop_now(loop), ri_ns_of_ms(ms));
    if (ri_loop_timer_set(loop, &s->timer, due_ns) < 0)
        http_session_end_outside(s, RI_HTTP_END_MEMORY);
}

static void http_session_bury(ri_http_session *s)
{
    if (s->dead) return;
    s->dead = true;
    ri_conn_silence(&s->conn);
    ri_list_remove(&s->work_link);
    ri_list_push(&s->server->dead, &s->work_link);
}

/* Its answer is not made any further. Inside the gate. */
static void http_session_give_up(ri_http_session *s)
{
    const ri_http_route *route = s->answer.route;
    if (route && route->leave && s->answer.work) route->leave(&s->answer);
}

/* Nothing is made for it any more. Inside the gate. */
static void http_session_detach(ri_http_session *s)
{
    http_session_give_up(s);
    ri_list_remove(&s->row_link);
    ri_list_remove(&s->ready_link);
    ri_list_remove(&s->touched_link);
    ri_http_events_leave(s);
    ri_http_follow_drop(s);
    ri_http_login_fini(&s->login);
}

void ri_http_session_wind_down(ri_http_session *s)
{
    RI_ASSERT(s->winding);
    if (s->dead) return;
    ri_http_server_enter(s->server);
    http_session_detach(s);
    ri_http_server_leave(s->server);
    ri_http_answer_fini(&s->answer);
    if (http_session_ends_hard(s) || s->conn.ended) {
        http_session_bury(s);
        return;
    }
    ri_conn_deafen(&s->conn);
    if (s->end == RI_HTTP_END_SHUTDOWN && !s->hurried && !s->shut) {
        int64_t late_ns = ri_ns_add(ri_loop_now(&s->server->loop),
                                    RI_LIMIT_HTTP_HEAD_MS * RI_MS);
        s->hurried = true;
        if (ri_loop_timer_set(&s->server->loop, &s->timer, late_ns) < 0) {
            http_session_bury(s);
            return;
        }
    }
    if (s->conn.sending.bytes || s->conn.out.bytes || s->conn.full || s->shut) return;
    s->shut = true;
    ri_conn_shut(&s->conn);
    int64_t due_ns = ri_ns_add(ri_loop_now(&s->server->loop), HTTP_SESSION_LINGER_MS * RI_MS);
    if (s->conn.eof || ri_loop_timer_set(&s->server->loop, &s->timer, due_ns) < 0)
        http_session_bury(s);
}

static void http_session_on_timer(ri_loop_timer *timer)
{
    ri_http_session *s = ri_container_of(timer, ri_http_session, timer);
    if (s->winding) {
        http_session_bury(s);
    } else if (!s->busy) {
        http_session_end_outside(s, RI_HTTP_END_LATE);
    } else if (!s->answer.route) { /* it is written, and not read as fast as it has to be */
        s->server->slow++;
        http_session_end_outside(s, RI_HTTP_END_BROKEN);
    }
}

void ri_http_session_free(ri_http_session *s)
{
    ri_http_server *server = s->server;
    RI_ASSERT(server->nsessions > 0);
    http_session_detach(s);
    ri_http_answer_fini(&s->answer);
    server->nsessions--;
    ri_loop_timer_cancel(&server->loop, &s->timer);
    ri_list_remove(&s->link);
    ri_list_remove(&s->ending_link);
    ri_list_remove(&s->work_link);
    ri_conn_fini(&s->conn, &server->pool);
    ri_delete(&server->broker->host, s);
}

/* ---- Answers ---- */

static bool http_session_put(ri_http_session *s, ri_buffer *bytes)
{
    size_t n = ri_buffer_size(bytes);
    bool copied = n < HTTP_SESSION_COPY;
    if (bytes->failed) return false;
    if (n == 0) return true;
    if (copied && !ri_outq_put(&s->conn.out, &s->server->pool, ri_buffer_str(bytes).ptr, n))
        return false;
    if (!copied && !ri_outq_put_buffer(&s->conn.out, &s->server->pool, bytes)) return false;
    s->conn.pending += n;
    return true;
}

/* Of all that waits for visitors; and who has most of it, of such the one that asked first. */
static uint64_t http_session_waiting(const ri_http_server *server, ri_http_session **most)
{
    uint64_t bytes = 0;
    *most = NULL;
    ri_list_each (item, &server->sessions) {
        ri_http_session *s = ri_container_of(item, ri_http_session, link);
        if (s->end || s->conn.pending == 0) continue;
        bytes += s->conn.pending;
        if (!*most || s->conn.pending > (*most)->conn.pending) *most = s;
    }
    return bytes;
}

/* Visitors who do not read make room for one more answer, before anybody else pays for them. */
static void http_session_make_room(ri_http_server *server, uint64_t more)
{
    ri_memory *memory = &server->broker->router.memory;
    uint64_t limit = RI_MIN(ri_memory_share(memory, RI_MEMORY_OUTPUT) / 4,
                            (uint64_t)RI_LIMIT_HTTP_BYTES);
    ri_http_session *most;
    while (http_session_waiting(server, &most) + more > limit && most) {
        ri_memory_refused(memory);
        ri_http_session_end(most, RI_HTTP_END_MEMORY);
    }
}

static bool http_session_put_answer(ri_http_session *s, ri_http_answer *a)
{
    bool well = http_session_put(s, &a->body);
    for (size_t i = 0; well && i < a->nmore; i++) well = http_session_put(s, &a->more[i]);
    return well;
}

static void http_session_queue(ri_http_session *s, ri_buffer *head)
{
    ri_broker *broker = s->server->broker;
    ri_http_server_enter(s->server);
    if (!s->only_head) http_session_make_room(s->server, ri_http_answer_size(&s->answer));
    if (!ri_broker_has_room(broker)) ri_broker_shed(broker);
    bool well = s->end || (http_session_put(s, head) &&
                           (s->only_head || http_session_put_answer(s, &s->answer)));
    if (!well) ri_http_session_end(s, RI_HTTP_END_MEMORY);
    ri_http_server_leave(s->server);
}

void ri_http_session_push(ri_http_session *s, ri_str bytes)
{
    RI_ASSERT(s->busy && !s->end);
    if (!ri_outq_put(&s->conn.out, &s->server->pool, bytes.ptr, bytes.len)) {
        ri_http_session_end(s, RI_HTTP_END_MEMORY);
        return;
    }
    s->conn.pending += bytes.len;
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

void ri_http_session_touch(ri_http_session *s)
{
    ri_http_server *server = s->server;
    RI_ASSERT(ri_broker_is_entered(server->broker));
    if (!ri_list_linked(&s->touched_link)) ri_list_push(&server->touched, &s->touched_link);
    server->broker->output_waits |= server->door.bit;
}

void ri_http_session_hand(ri_http_session *s, ri_str bytes)
{
    RI_ASSERT(bytes.len > 0);
    if (s->end) return;
    if (!ri_outq_put(&s->conn.out, &s->server->pool, bytes.ptr, bytes.len)) {
        ri_http_session_end(s, RI_HTTP_END_MEMORY);
        return;
    }
    s->conn.pending += bytes.len;
    ri_http_session_touch(s);
}

/* The answer is made: it is written from now on. */
static void http_session_reply(ri_http_session *s)
{
    ri_http_answer *a = &s->answer;
    ri_buffer head;
    RI_ASSERT(s->busy && a->route);
    ri_http_answer_finish(a, s->gzips && !s->only_head && !a->stream);
    bool listens = a->stream && !s->only_head;
    s->last = s->last || a->stream;
    ri_buffer_init(&head, &s->server->broker->host);
    ri_http_answer_head(a, !s->last, s->keep_said, ri_http_answer_size(a), &head);
    s->server->requests++;
    s->server->refused += a->status >= 400;
    http_session_arm(s, RI_LIMIT_HTTP_HEAD_MS + (uint32_t)RI_MIN(
        ri_http_answer_size(a) / RI_LIMIT_HTTP_RATE, (size_t)HTTP_SESSION_LONG_MS));
    http_session_queue(s, &head);
    if (listens) ri_loop_timer_cancel(&s->server->loop, &s->timer); /* he may wait for ever */
    if (listens && a->route->join) a->route->join(s);
    ri_buffer_fini(&head);
    ri_http_answer_fini(a);
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
    ri_loop_wake(&s->server->loop);
}

bool ri_http_session_make(ri_http_session *s)
{
    ri_http_server *server = s->server;
    ri_budget *budget = &server->broker->router.budget;
    RI_ASSERT(s->busy && s->answer.route && s->answer.route->step);
    ri_http_server_enter(server);
    ri_budget_open_part(budget, HTTP_SESSION_SLICE);
    bool more = s->answer.route->step(&s->answer);
    ri_budget_close(budget);
    bool wanted = ri_gate_is_wanted(&server->broker->gate);
    ri_http_server_leave(server);
    ri_http_answer_grow(&s->answer.body);
    if (s->answer.route->between) s->answer.route->between(&s->answer);
    if (more && !s->answer.body.failed) return wanted;
    if (more) {
        ri_http_server_enter(server);
        http_session_give_up(s);
        ri_http_server_leave(server);
    }
    ri_list_remove(&s->row_link);
    http_session_reply(s);
    return wanted;
}

void ri_http_session_drained(ri_http_session *s)
{
    /* What a follower has waiting is the gate's, as others hand to him: it is not looked at. */
    bool waits = !s->busy || s->answer.route || s->listening || s->follow || s->login.check ||
                 s->conn.pending > 0;
    if (s->winding || waits) return;
    s->busy = false;
    if (s->last) {
        http_session_end_outside(s, RI_HTTP_END_DONE);
        return;
    }
    http_session_arm(s, RI_LIMIT_HTTP_HEAD_MS);
    if (!ri_list_linked(&s->ready_link)) ri_list_push(&s->server->ready, &s->ready_link);
}

/* ---- Requests ---- */

/* It has asked for something last, of all. */
static void http_session_note(ri_http_session *s)
{
    ri_http_server_enter(s->server);
    ri_list_remove(&s->link);
    ri_list_push(&s->server->sessions, &s->link);
    ri_http_server_leave(s->server);
    ri_loop_timer_cancel(&s->server->loop, &s->timer);
    s->busy = true;
    s->sought = 0;
    s->since_ns = ri_loop_now(&s->server->loop);
}

static void http_session_refuse(ri_http_session *s, int status)
{
    http_session_note(s);
    s->last = true;
    s->only_head = s->gzips = s->keep_said = false;
    ri_http_answer_refuse(&s->answer, s->server, status);
    http_session_reply(s);
}

static void http_session_begin(ri_http_session *s, ri_str head)
{
    ri_http_request request;
    int status;
    if (ri_http_read(head, &request, &status) < 0) {
        http_session_refuse(s, status);
        return;
    }
    http_session_note(s);
    s->last = !request.keep;
    s->keep_said = request.keep_said;
    s->only_head = request.only_head;
    s->gzips = request.gzips;
    ri_http_verdict verdict = RI_HTTP_LOGIN_NO;
    if (ri_http_answer_asks(s->at, request.path)) {
        ri_http_server_enter(s->server);
        verdict = ri_http_login_look(s, &request);
        ri_http_server_leave(s->server);
        if (verdict == RI_HTTP_LOGIN_LATER && ri_http_login_begin(s, head)) return;
    }
    bool stays = verdict == RI_HTTP_LOGIN_YES || verdict == RI_HTTP_LOGIN_NONE;
    s->last = s->last || (!stays && request.login.len > 0);
    ri_http_answer_begin(&s->answer, s, &request, verdict);
    if (s->answer.route->step && !s->answer.said) ri_list_push(&s->server->row, &s->row_link);
    else http_session_reply(s);
    ri_loop_wake(&s->server->loop);
}

void ri_http_session_checked(ri_http_session *s)
{
    ri_buffer head = s->login.head;
    RI_ASSERT(s->busy && !s->login.check);
    ri_buffer_init(&s->login.head, head.host);
    s->login.head.secret = true;
    if (!s->winding && !s->dead) http_session_begin(s, ri_buffer_str(&head));
    ri_buffer_fini(&head);
}

static void http_session_note_tls(ri_http_session *s)
{
    const ri_tls_wire *wire = ri_tls_wire_of(s->conn.wire);
    RI_ASSERT(wire && ri_tls_wire_open_ns(wire) > 0);
    (void)wire;
    s->shaking = false;
    http_session_arm(s, RI_LIMIT_HTTP_HEAD_MS);
}

/* One request is taken; what is behind it is held until that is answered. */
static size_t http_session_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    ri_http_session *s = ri_container_of(conn, ri_http_session, conn);
    size_t skip, used = 0;
    *need = 0;
    if (s->shaking) http_session_note_tls(s);
    if (s->winding) return len;
    if (!s->busy) {
        size_t head = ri_http_read_head((ri_str){bytes, len}, RI_MIN(s->sought, len), &skip);
        s->sought = len;
        if (head > RI_HTTP_HEAD_MAX || (!head && len > RI_HTTP_HEAD_MAX)) {
            ri_err(RILL_EPROTO, "the head of a request has more than %d bytes", RI_HTTP_HEAD_MAX);
            http_session_refuse(s, 431);
            return len;
        }
        if (!head) return 0;
        http_session_begin(s, (ri_str){bytes + skip, head});
        used = skip + head;
        if (s->last) return len;
    }
    conn->hold = used < len;
    return used;
}

void ri_http_session_read_on(ri_http_session *s)
{
    if (s->winding || s->busy) return;
    ri_conn_go_on(&s->conn);
    if (s->conn.eof && !s->busy && !s->conn.held) http_session_end_outside(s, RI_HTTP_END_DONE);
}

/* ---- The connection ---- */

void ri_http_session_write(ri_http_session *s)
{
    ri_conn_write(&s->conn);
    ri_outq_give_back(&s->conn.sending, &s->server->broker->host);
}

static void http_session_on_writable(ri_conn *conn)
{
    ri_http_session *s = ri_container_of(conn, ri_http_session, conn);
    ri_http_session_write(s);
    if (!s->dead && !ri_list_linked(&s->work_link)) ri_list_push(&s->server->work, &s->work_link);
}

static void http_session_on_end(ri_conn *conn, ri_conn_end end)
{
    ri_http_session *s = ri_container_of(conn, ri_http_session, conn);
    bool eof = end == RI_CONN_EOF;
    bool reads = s->busy && !s->listening && !s->follow && !s->winding; /* what he has asked for */
    if (eof && reads) return;
    if (!s->winding && end == RI_CONN_DEADLINE) s->server->slow++;
    http_session_end_outside(s, eof                        ? RI_HTTP_END_DONE
                                : end == RI_CONN_NO_MEMORY ? RI_HTTP_END_MEMORY
                                                           : RI_HTTP_END_BROKEN);
    if (s->winding && (!eof || s->shut)) http_session_bury(s);
}

/* Who goes first; 0: he goes already. Who has come or asked just now stays, if he can: he had no
 * time for more yet. */
static int http_session_worth(const ri_http_session *s, int64_t now_ns)
{
    bool new = ri_ns_sub(now_ns, s->since_ns) < HTTP_SESSION_NEW_MS * RI_MS;
    if (s->dead || s->end == RI_HTTP_END_CROWDED) return 0;
    if (s->end) return 5;
    return (s->busy ? 1 : 2) + (new ? 0 : 2);
}

/* A place for one more: whoever is on his way out goes, or is silent, or has been at it longest. */
static void http_session_make_way(ri_http_server *server)
{
    ri_http_session *victim = NULL;
    int best = 0;
    ri_list_each (item, &server->sessions) {
        ri_http_session *s = ri_container_of(item, ri_http_session, link);
        int worth = http_session_worth(s, ri_loop_now(&server->loop));
        if (worth <= best) continue;
        victim = s;
        best = worth;
    }
    if (!victim) return;
    if (victim->end) victim->end = RI_HTTP_END_CROWDED;
    ri_http_session_end(victim, RI_HTTP_END_CROWDED);
    if (!ri_list_linked(&victim->ending_link))
        ri_list_push(&server->ending, &victim->ending_link);
}

static int http_session_put_tls(ri_http_session *s, const ri_http_listener *at)
{
    const ri_tls_wire_opts opts = {.refusal = HTTP_SESSION_TLS_REFUSAL};
    ri_wire *wire;
    if (!at->listener->tls) return RILL_OK;
    int rc = ri_tls_wire_new(&wire, at->listener->tls, s->conn.wire, &opts);
    if (rc < 0) return rc;
    s->shaking = true;
    return ri_conn_put_over(&s->conn, wire);
}

int ri_http_session_open(ri_http_server *server, int fd, const ri_http_listener *at,
                         const char *peer)
{
    RI_ASSERT(ri_broker_is_entered(server->broker));
    static const ri_conn_ops ops = {http_session_on_bytes, http_session_on_writable,
                                    http_session_on_end, NULL};
    ri_broker *broker = server->broker;
    ri_http_session *s = ri_new(&broker->host, ri_http_session);
    if (!s) return RILL_ENOMEM;
    int rc = ri_conn_init_fd(&s->conn, &server->loop, fd, &ops);
    if (rc < 0) {
        ri_delete(&broker->host, s);
        return rc;
    }
    if (server->nsessions >= RI_LIMIT_HTTP_VISITORS) http_session_make_way(server);
    s->server = server;
    s->at = at;
    s->timer.fn = http_session_on_timer;
    s->conn.write_deadline_ms = broker->conf.write_deadline_ms;
    s->conn.read_most = HTTP_SESSION_READ;
    s->since_ns = ri_loop_now(&server->loop);
    ri_http_login_init(&s->login, &broker->host);
    snprintf(s->peer, sizeof s->peer, "%s", peer);
    ri_list_push(&server->sessions, &s->link);
    server->nsessions++;
    server->visits++;
    int64_t due_ns = ri_ns_add(ri_loop_now(&server->loop), RI_LIMIT_HTTP_HEAD_MS * RI_MS);
    rc = ri_loop_timer_set(&server->loop, &s->timer, due_ns);
    if (rc == RILL_OK) rc = http_session_put_tls(s, at);
    if (rc < 0) ri_http_session_end(s, RI_HTTP_END_MEMORY);
    return RILL_OK;
}
