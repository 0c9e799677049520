/* SPDX-License-Identifier: Apache-2.0 */
/* One connection after the other. Whatever goes wrong, in whatever state, is one thing:
 * ri_nats_link_fail() notes why, and the next turn clears up and chooses what follows. So nothing
 * is freed under the feet of whoever found out, and no failure calls another. */
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/peer_nats/nats_peer.h"

static ri_loop *link_loop(const ri_nats_peer *peer)
{
    return ri_hub_loop(peer->hub);
}

static void link_set_state(ri_nats_peer *peer, ri_nats_state state)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    RI_ASSERT(peer->state != RI_NATS_CLOSED);
    peer->state = state;
}

static void link_move(ri_nats_peer *peer, ri_nats_state state)
{
    ri_broker_enter(peer->bus.broker);
    link_set_state(peer, state);
    ri_broker_leave(peer->bus.broker);
}

static void link_set_timer(ri_nats_peer *peer, int64_t in_ns)
{
    ri_loop *loop = link_loop(peer);
    if (ri_loop_timer_set(loop, &peer->timer, ri_ns_add(ri_loop_now(loop), in_ns)) < 0)
        ri_nats_link_fail(peer, RILL_ENOMEM);
}

void ri_nats_link_fail(ri_nats_peer *peer, int code)
{
    RI_ASSERT(code < 0);
    if (peer->why) return;
    peer->why = code;
    RI_ASSERT(!peer->sentence);
    peer->sentence = ri_new(&peer->bus.host, ri_failure);
    if (peer->sentence) ri_failure_keep(peer->sentence, code);
    ri_hub_call(peer->hub, &peer->guest);
}

/* ---- Up ---- */

/* Inside the gate: CONNECT goes, unless `rc` says that there is none. */
static int link_put_login(ri_nats_peer *peer, ri_buffer *text, int rc)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_str bytes = ri_buffer_str(text);
    bool put = rc == RILL_OK && ri_outq_put(&peer->conn.out, &peer->chunks, bytes.ptr, bytes.len);
    if (put) peer->conn.pending += bytes.len;
    if (rc < 0 && rc != RILL_ENOMEM) return rc;
    if (!put) return ri_err(RILL_ENOMEM, "no memory to log in");
    link_set_state(peer, RI_NATS_LOGIN);
    ri_hub_call(peer->hub, &peer->guest); /* which writes it */
    return RILL_OK;
}

/* Inside the gate: the answer to INFO, if nobody has to be asked for it. */
static int link_log_in(ri_nats_peer *peer, ri_str nonce)
{
    ri_buffer text;
    if (peer->keys.on_creds) return ri_nats_creds_need(peer, nonce);
    ri_buffer_init(&text, &peer->bus.host);
    text.secret = true;
    int rc = link_put_login(peer, &text, ri_nats_keys_write(peer, nonce, &text));
    ri_buffer_fini(&text);
    return rc;
}

/* Outside the gate: the program is asked, whom no lock of rill's may meet. */
static int link_log_in_asked(ri_nats_peer *peer)
{
    ri_buffer text;
    ri_buffer_init(&text, &peer->bus.host);
    text.secret = true;
    int rc = ri_nats_creds_write(peer, &text);
    ri_broker_enter(peer->bus.broker);
    rc = link_put_login(peer, &text, rc);
    ri_broker_leave(peer->bus.broker);
    ri_buffer_fini(&text);
    return rc;
}

static void link_read_version(ri_nats_peer *peer, ri_str text)
{
    int len = (int)RI_MIN(text.len, sizeof peer->version_text - 1);
    snprintf(peer->version_text, sizeof peer->version_text, "%.*s", len, text.ptr);
    if (sscanf(peer->version_text, "%9u.%9u", &peer->version[0], &peer->version[1]) != 2)
        peer->version[0] = peer->version[1] = 0;
}

/* What holds of this server for as long as it says nothing else. */
static int link_read_info(ri_nats_peer *peer, const ri_nats_info *info)
{
    int64_t most = RI_MIN(info->max_payload, (int64_t)RI_LIMIT_PAYLOAD_MAX);
    if (most > 0) peer->bus.broker->conf.max_msg_bytes = (uint32_t)most;
    if (info->version.len) link_read_version(peer, info->version);
    peer->jetstream = info->jetstream;
    peer->headers = info->headers;
    peer->is_rill = ri_str_is(info->go, "C11");
    atomic_store(&peer->clustered, info->cluster.len > 0);
    return ri_nats_pool_learn(&peer->pool, &info->connect_urls);
}

/* The server is about to go. */
static int link_leave(ri_nats_peer *peer)
{
    if (peer->leaving || !ri_nats_pool_has_other(&peer->pool)) return RILL_OK;
    if (!ri_nats_send_ping(peer)) return RILL_ENOMEM;
    peer->leaving = true;
    peer->leave_at = peer->pings;
    peer->leave_takes = peer->takes;
    peer->leave_ns = ri_ns_add(ri_mono_ns(&peer->bus.host), RI_NATS_LEAVE_NS);
    link_set_timer(peer, RI_NATS_LOOK_NS);
    return RILL_OK;
}

bool ri_nats_link_is_done(const ri_nats_peer *peer)
{
    return peer->leaving && peer->takes > peer->leave_takes;
}

/* Inside the gate: its last answers come before we go, unless they take too long. */
static void link_look_back(ri_nats_peer *peer)
{
    RI_ASSERT(peer->leaving && peer->state == RI_NATS_UP);
    bool answered = peer->pongs >= peer->leave_at && !ri_nats_calls_are_under_way(peer);
    if (!answered && ri_mono_ns(&peer->bus.host) < peer->leave_ns) return;
    ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s is about to end, and was left", peer->server));
}

void ri_nats_link_pong(ri_nats_peer *peer)
{
    if (peer->leaving && peer->pongs == peer->leave_at) link_look_back(peer);
}

int ri_nats_link_info(ri_nats_peer *peer, ri_str json)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_arena arena;
    ri_nats_info info;
    ri_arena_init(&arena, &peer->bus.host);
    ri_nats_info_init(&info);
    int rc = ri_nats_info_read(&info, json, &arena);
    if (rc < 0) ri_err_wrap(rc, "INFO of %s", peer->server);
    else rc = link_read_info(peer, &info);
    if (rc == RILL_OK) rc = ri_nats_link_tls_info(peer, &info);
    if (rc == RILL_OK && peer->state == RI_NATS_HELLO) rc = link_log_in(peer, info.nonce);
    if (rc == RILL_OK && peer->state == RI_NATS_UP && info.ldm) rc = link_leave(peer);
    ri_arena_fini(&arena);
    return rc;
}

void ri_nats_link_up(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    RI_ASSERT(peer->state == RI_NATS_LOGIN);
    ri_nats_pool_up(&peer->pool);
    peer->pings = peer->pongs = peer->beat = 0;
    peer->unflushed = peer->unflushed || peer->out.bytes || peer->subs.len;
    peer->missed = 0;
    peer->connections++;
    peer->ever_up = true;
    peer->down_reported = false;
    link_set_state(peer, RI_NATS_UP);
    peer->up_ns = ri_mono_ns(&peer->bus.host);
    int rc = ri_nats_subs_subscribe_all(peer);
    if (rc < 0) {
        ri_nats_link_fail(peer, rc);
        return;
    }
    ri_nats_pull_up(peer);
    ri_outq_pool_fini(&peer->chunks); /* what the login took */
    link_set_timer(peer, peer->conf.ping_ns);
    peer->settled = true;
    ri_err(RILL_ECONN, "connected to %s", peer->server);
    ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_UP});
    ri_nats_link_tls_up(peer);
    ri_bus_notify(&peer->bus);
    ri_hub_call(peer->hub, &peer->guest); /* what waits in `out` */
}

/* ---- Dialling ---- */

static size_t link_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    ri_nats_peer *peer = ri_container_of(conn, ri_nats_peer, conn);
    size_t used = ri_nats_take(peer, (ri_str){bytes, len});
    *need = peer->parser.need;
    if (!peer->why && ri_nats_creds_are_due(peer)) {
        int rc = link_log_in_asked(peer);
        if (rc < 0) ri_nats_link_fail(peer, rc);
    }
    if (!peer->why && peer->tls_due) {
        int rc = ri_nats_link_tls_go_on(peer);
        if (rc < 0) ri_nats_link_fail(peer, rc);
    }
    if (!peer->why) return used;
    ri_conn_silence(conn);
    return len;
}

static void link_on_writable(ri_conn *conn)
{
    ri_nats_send_write(ri_container_of(conn, ri_nats_peer, conn));
}

static void link_on_end(ri_conn *conn, ri_conn_end end)
{
    ri_nats_peer *peer = ri_container_of(conn, ri_nats_peer, conn);
    switch (end) {
    case RI_CONN_EOF: ri_err(RILL_ECONN, "%s has closed the connection", peer->server); break;
    case RI_CONN_READ_FAILED:
    case RI_CONN_WRITE_FAILED: break; /* the wire has made a sentence */
    case RI_CONN_DEADLINE: ri_err(RILL_ECONN, "%s takes nothing any more", peer->server); break;
    case RI_CONN_NO_MEMORY:
        ri_nats_link_fail(peer, ri_err(RILL_ENOMEM, "no memory for the connection"));
        return;
    }
    ri_nats_link_fail(peer, ri_nats_link_tls_code(peer));
}

static const ri_conn_ops link_conn_ops = {
    .on_bytes = link_on_bytes,
    .on_writable = link_on_writable,
    .on_end = link_on_end,
};

static void link_begin(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_DIALLING && peer->conn.wire);
    ri_nats_init(&peer->parser, RI_NATS_FROM_SERVER);
    peer->parser.max_line = RI_NATS_LINE_MAX;
    peer->conn.write_deadline_ms = (uint32_t)RI_MIN(peer->conf.ping_ns / RI_MS, 10000);
    link_move(peer, RI_NATS_HELLO);
    int rc = ri_nats_link_tls_first(peer);
    if (rc < 0) ri_nats_link_fail(peer, rc);
}

static void link_on_dialled(ri_dial *dial, int fd)
{
    ri_nats_peer *peer = ri_container_of(dial, ri_nats_peer, dial);
    if (fd < 0) {
        ri_nats_link_fail(peer, RILL_ECONN);
        return;
    }
    int rc = ri_conn_init_fd(&peer->conn, link_loop(peer), fd, &link_conn_ops);
    if (rc == RILL_OK) {
        link_begin(peer);
        return;
    }
    close(fd); /* the connection took none over */
    ri_nats_link_fail(peer, rc);
}

/* Any thread. */
static void link_on_notify(void *arg)
{
    ri_nats_peer *peer = arg;
    ri_hub_call(peer->hub, &peer->guest);
}

static int link_dial_wire(ri_nats_peer *peer, const ri_nats_pool_server *server)
{
    ri_wire *wire;
    int rc = peer->dialler->dial(peer->dialler->arg, server->host, server->port, &wire);
    if (rc < 0) return rc;
    rc = ri_conn_init(&peer->conn, link_loop(peer), wire, &link_conn_ops);
    if (rc < 0) wire->ops->close(wire);
    else link_begin(peer);
    return rc;
}

static void link_dial(ri_nats_peer *peer)
{
    RI_ASSERT(!peer->conn.wire && !peer->dial.loop);
    const ri_nats_pool_server *server = ri_nats_pool_current(&peer->pool);
    ri_broker_enter(peer->bus.broker);
    ri_nats_pool_write(&peer->pool, server, peer->server, sizeof peer->server);
    link_set_state(peer, RI_NATS_DIALLING);
    ri_broker_leave(peer->bus.broker);
    link_set_timer(peer, peer->conf.connect_ns);
    int rc = ri_nats_keys_load(peer);
    if (rc == RILL_OK)
        rc = peer->dialler ? link_dial_wire(peer, server)
             : ri_dial_start(&peer->dial, link_loop(peer), server->host, server->port,
                             peer->pool.is_unix ? server->host : NULL, peer->conf.connect_ns);
    if (rc < 0) ri_nats_link_fail(peer, rc);
}

/* Inside the gate: there will be no connection any more, for the reason that the thread has. */
static void link_give_up(ri_nats_peer *peer, int code)
{
    if (!peer->settled && peer->first) ri_failure_keep(peer->first, code);
    peer->settled = true;
    if (!peer->down_reported)
        ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_DOWN, .code = code});
    ri_bus_notify(&peer->bus);
    ri_bus_shut(&peer->bus);
}

/* The next server's turn, behind `why`, if that is why there is no other now. */
static void link_next(ri_nats_peer *peer, const ri_failure *why)
{
    RI_ASSERT(peer->state == RI_NATS_LOST && !peer->conn.wire);
    int64_t pause_ns;
    const ri_nats_pool_server *server = ri_nats_pool_next(&peer->pool, &pause_ns);
    bool enough = peer->ever_up ? peer->conf.no_redial : peer->conf.no_redial && pause_ns;
    if (peer->conf.max_redials && peer->pool.rounds > peer->conf.max_redials) enough = true;
    if (!server || enough) {
        ri_broker_enter(peer->bus.broker);
        ri_failure_restore(why);
        link_give_up(peer, why->code);
        ri_broker_leave(peer->bus.broker);
        return;
    }
    if (pause_ns == 0) {
        link_dial(peer);
        return;
    }
    link_move(peer, RI_NATS_PAUSED);
    link_set_timer(peer, pause_ns);
}

/* ---- The end of a connection, or of an attempt ---- */

/* What the connection that was up was for. */
static void link_drop_up(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_LOST);
    int64_t stood_ns = ri_ns_sub(ri_mono_ns(&peer->bus.host), peer->up_ns);
    if (stood_ns >= RI_NATS_STOOD_NS) ri_nats_pool_stood(&peer->pool);
    ri_nats_subs_lost(peer);
    ri_nats_pull_lost(peer);
    ri_nats_calls_lost(peer);
    ri_nats_send_lost(peer);
}

/* Inside the gate. */
static void link_drop(ri_nats_peer *peer)
{
    bool was_up = peer->state == RI_NATS_UP;
    if (peer->conn.wire) ri_conn_fini(&peer->conn, &peer->chunks);
    link_set_state(peer, RI_NATS_LOST);
    peer->pongs_owed = 0;
    peer->leaving = false;
    if (was_up) link_drop_up(peer);
    ri_park_signal(&peer->room);
}

/* Inside the gate: who is to hear of it? An attempt is reported when all servers have failed. */
static void link_report_loss(ri_nats_peer *peer, const ri_failure *why, bool was_up)
{
    bool round = ri_nats_pool_is_round(&peer->pool);
    ri_failure_restore(why);
    if ((was_up || round) && !peer->down_reported) {
        ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_DOWN, .code = why->code});
        peer->down_reported = true;
    }
    if (!peer->settled && round) {
        if (peer->first) *peer->first = *why;
        peer->settled = true;
    }
    ri_bus_notify(&peer->bus); /* whoever waits for a PONG waits for another */
}

static void link_lose(ri_nats_peer *peer)
{
    ri_failure why = {.code = peer->why};
    if (peer->sentence) why = *peer->sentence;
    else snprintf(why.text, sizeof why.text, "%s", ri_err_class(why.code));
    ri_free(&peer->bus.host, peer->sentence, sizeof *peer->sentence);
    peer->sentence = NULL;
    peer->why = RILL_OK;
    ri_dial_stop(&peer->dial);
    ri_loop_timer_cancel(link_loop(peer), &peer->timer);
    ri_broker_enter(peer->bus.broker);
    bool was_up = peer->state == RI_NATS_UP;
    link_drop(peer);
    link_report_loss(peer, &why, was_up);
    ri_broker_leave(peer->bus.broker);
    link_next(peer, &why);
}

/* The handle is shut: the loop lets go of it. */
static void link_close(ri_nats_peer *peer)
{
    ri_dial_stop(&peer->dial);
    ri_loop_timer_cancel(link_loop(peer), &peer->timer);
    ri_loop_timer_cancel(link_loop(peer), &peer->watch);
    ri_broker_enter(peer->bus.broker);
    if (!peer->gone) {
        link_drop(peer);
        link_set_state(peer, RI_NATS_CLOSED);
        peer->gone = true;
        ri_hub_leave(peer->hub, &peer->guest);
        ri_park_signal(&peer->room);
    }
    ri_broker_leave(peer->bus.broker);
}

static void link_beat(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_UP && peer->conn.wire);
    ri_broker_enter(peer->bus.broker);
    bool answered = peer->pongs >= peer->beat;
    peer->missed = answered ? 0 : peer->missed + 1;
    bool stale = peer->missed >= peer->conf.ping_max;
    ri_outq_pool_fini(&peer->chunks); /* what nobody needs now */
    if (answered && ri_nats_send_ping(peer)) peer->beat = peer->pings;
    ri_broker_leave(peer->bus.broker);
    if (stale) {
        ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s has not answered %u pings", peer->server,
                                       peer->conf.ping_max));
        return;
    }
    link_set_timer(peer, peer->conf.ping_ns);
    ri_nats_send_write(peer);
}

static void link_go(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_UP && peer->leaving);
    ri_broker_enter(peer->bus.broker);
    link_look_back(peer);
    ri_broker_leave(peer->bus.broker);
    link_set_timer(peer, RI_NATS_LOOK_NS);
}

static void link_on_timer(ri_loop_timer *timer)
{
    ri_nats_peer *peer = ri_container_of(timer, ri_nats_peer, timer);
    if (ri_nats_link_tls_is_under_way(peer)) {
        ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s: no TLS in time", peer->server));
        return;
    }
    switch (peer->state) {
    case RI_NATS_PAUSED: link_dial(peer); return;
    case RI_NATS_UP:
        if (peer->leaving) link_go(peer);
        else link_beat(peer);
        return;
    case RI_NATS_DIALLING:
        ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s: no connection in time", peer->server));
        return;
    case RI_NATS_HELLO:
        ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s: no INFO in time", peer->server));
        return;
    case RI_NATS_LOGIN:
        ri_nats_link_fail(peer, ri_err(RILL_ECONN, "%s: no answer to CONNECT in time",
                                       peer->server));
        return;
    case RI_NATS_LOST:
    case RI_NATS_CLOSED: return;
    }
}

/* Readers wait for messages: they are looked after, now and then. */
static void link_watch(ri_nats_peer *peer)
{
    ri_loop *loop = link_loop(peer);
    ri_broker_enter(peer->bus.broker);
    int64_t in_ns = ri_nats_pull_watch(peer, ri_loop_now(loop));
    if (in_ns >= 0) ri_loop_timer_set(loop, &peer->watch, ri_ns_add(ri_loop_now(loop), in_ns));
    ri_broker_leave(peer->bus.broker);
    ri_nats_send_write(peer);
}

static void link_on_watch(ri_loop_timer *timer)
{
    link_watch(ri_container_of(timer, ri_nats_peer, watch));
}

void ri_nats_link_init(ri_nats_peer *peer)
{
    ri_list_init(&peer->reading);
    peer->watch.fn = link_on_watch;
    peer->timer.fn = link_on_timer;
    peer->dial.done = link_on_dialled;
    peer->dial.notify = link_on_notify;
    peer->dial.arg = peer;
    peer->dial.fd = -1;
    peer->state = RI_NATS_LOST; /* as if a connection had been lost: the first turn chooses */
    ri_hub_guest_init(&peer->guest, ri_nats_link_turn);
}

void ri_nats_link_turn(ri_hub_guest *guest)
{
    ri_nats_peer *peer = ri_container_of(guest, ri_nats_peer, guest);
    ri_broker_enter(peer->bus.broker);
    bool closing = peer->closing, watches = peer->watches, hurries = peer->hurries;
    ri_broker_leave(peer->bus.broker);
    if (closing) {
        link_close(peer);
        return;
    }
    static const ri_failure nothing;
    if (peer->why) link_lose(peer);
    else if (peer->state == RI_NATS_LOST) link_next(peer, &nothing);
    ri_dial_look(&peer->dial);
    if (hurries || (watches && !ri_timer_armed(&peer->watch.timer))) link_watch(peer);
    ri_nats_send_write(peer);
}
