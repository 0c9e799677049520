/* SPDX-License-Identifier: Apache-2.0 */
/* How TLS comes into a session, by what its listener has:
 *
 *     no TLS       NONE
 *     TLS          INFO in clear, then NEXT: the first byte of the client decides. A handshake of
 *                  TLS begins with 0x16, which no operation does
 *     first        BEGUN at once: INFO waits for the handshake and goes through TLS
 *     first_ms     FIRST: a hello makes it BEGUN, and INFO goes through TLS. If none comes in time
 *                  INFO goes in clear, and it is NEXT
 *
 *     FIRST --time--> NEXT --0x16--> BEGUN --first operation--> NONE, what was agreed upon being
 *       \______0x16______\____________/                                kept
 *                         \--other byte--> NONE if TLS is optional, else the end
 *
 * Before BEGUN the session's timer bounds it, from then on the wire's own does.
 *
 *     ws://, wss://   WebSocket lies over all that, and TLS, where it is, is BEGUN at once. INFO
 *                     waits for the end of HTTP's upgrade, which has a time of its own, too */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/web/cert.h"
#include "codec/web/ws_frame.h"
#include "front/nats/nats_session.h"
#include "net/tls_wire.h"
#include "net/ws_wire.h"

#include <stdio.h>

#define WS_TLS_REFUSAL \
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
#define TLS_REFUSAL "-ERR 'Secure Connection - TLS Required'\r\n"

enum {
    TLS_HELLO = 0x16,             /* the first byte of a handshake */
    TLS_HEAD_MAX = 16 * 1024,     /* read before it is known what they are */
};

static const ri_tls_wire *tls_wire(const ri_nats_session *s)
{
    return ri_tls_wire_of(ri_ws_wire_under(s->conn.wire));
}

/* Of TLS, of WebSocket, or of both. */
static bool tls_has_handshake(const ri_nats_session *s)
{
    return ri_ws_wire_of(s->conn.wire) || tls_wire(s);
}

/* When the last of them came to its end; 0: not yet. */
static int64_t tls_open_ns(const ri_nats_session *s)
{
    const ri_ws_wire *ws = ri_ws_wire_of(s->conn.wire);
    RI_ASSERT(tls_has_handshake(s));
    return ws ? ri_ws_wire_open_ns(ws) : ri_tls_wire_open_ns(tls_wire(s));
}

/* The configuration that its listener has now, with a reference; NULL: none any more. */
static ri_tls_conf *tls_conf(const ri_nats_session *s)
{
    ri_nats_server_enter(s->server);
    ri_tls_conf *conf = s->at->tls ? ri_tls_conf_ref(s->at->tls) : NULL;
    ri_nats_server_leave(s->server);
    return conf;
}

/* The wire becomes TLS, behind bytes that have come already. */
static int tls_begin(ri_nats_session *s, ri_tls_conf *conf, ri_str head)
{
    const ri_tls_wire_opts opts = {.head = head.ptr, .head_len = head.len,
                                   .refusal = s->at->ws ? WS_TLS_REFUSAL : TLS_REFUSAL};
    ri_wire *wire;
    RI_ASSERT(head.len <= RI_TLS_RECORD_MAX);
    int rc = ri_tls_wire_new(&wire, conf, s->conn.wire, &opts);
    if (rc < 0) return rc;
    memcpy(s->cert_ca, conf->ca, sizeof s->cert_ca);
    s->tls_mode = RI_NATS_TLS_BEGUN;
    s->conn.read_most = RI_CONN_READ_SIZE;
    ri_nats_trace_say(s, RILL_DEBUG, "Starting TLS client connection handshake", "");
    return ri_conn_put_over(&s->conn, wire);
}

/* HTTP comes first, over TLS if the listener has it. */
static int tls_open_ws(ri_nats_session *s)
{
    ri_tls_conf *conf = s->at->tls;
    const ri_broker_conf *limits = &s->server->broker->conf;
    const ri_ws_wire_opts opts = {
        .timeout_ns = ri_ns_add(s->at->ws->timeout_ns, conf ? conf->timeout_ns : 0),
        .conf = s->at->ws, .secure = conf != NULL,
        .message_max = (uint64_t)limits->max_msg_bytes + limits->max_control_line_bytes};
    ri_wire *wire;
    int rc = conf ? tls_begin(s, conf, RI_STR_NONE) : RILL_OK;
    if (rc == RILL_OK)
        rc = ri_ws_wire_new(&wire, &s->server->broker->host, s->conn.wire, &opts);
    return rc < 0 ? rc : ri_conn_put_over(&s->conn, wire);
}

int ri_nats_tls_open(ri_nats_session *s, bool *greets)
{
    RI_ASSERT(s->tls_mode == RI_NATS_TLS_NONE);
    ri_tls_conf *conf = s->at ? s->at->tls : NULL;
    *greets = true;
    if (s->at && s->at->ws) return tls_open_ws(s);
    if (!conf) return RILL_OK;
    if (conf->handshake_first && conf->first_ns == INT64_MAX)
        return tls_begin(s, conf, RI_STR_NONE);
    *greets = !conf->handshake_first;
    s->tls_mode = conf->handshake_first ? RI_NATS_TLS_FIRST : RI_NATS_TLS_NEXT;
    s->conn.read_most = TLS_HEAD_MAX;
    return RILL_OK;
}

uint32_t ri_nats_tls_wait_ms(const ri_nats_session *s, uint32_t ms)
{
    RI_ASSERT(ri_broker_is_entered(s->server->broker));
    const ri_tls_conf *conf = s->at ? s->at->tls : NULL;
    if (!conf || s->tls_mode == RI_NATS_TLS_NONE) return ms;
    int64_t ns = s->tls_mode == RI_NATS_TLS_FIRST ? conf->first_ns : conf->timeout_ns;
    return (uint32_t)RI_MIN(ns / RI_MS, INT32_MAX);
}

/* ---- Input ---- */

static void tls_fail(ri_nats_session *s, const char *why, const char *text)
{
    ri_nats_server_enter(s->server);
    ri_nats_trace_say(s, RILL_ERROR, "TLS handshake error: ", why);
    s->tls_mode = RI_NATS_TLS_NONE;
    ri_nats_session_fail(s, RI_NATS_END_TLS, text);
    ri_nats_server_leave(s->server);
    ri_conn_deafen(&s->conn);
}

static void tls_on_hello(ri_nats_session *s, ri_tls_conf *conf, ri_str bytes)
{
    bool first = s->tls_mode == RI_NATS_TLS_FIRST;
    ri_nats_server_enter(s->server);
    bool says = s->conn.pending > 0;
    ri_nats_server_leave(s->server);
    if (says) {
        tls_fail(s, "a client began it before it had INFO, as if handshake_first were asked for",
                 "TLS Handshake Before INFO");
        return;
    }
    int rc = tls_begin(s, conf, bytes);
    ri_nats_server_enter(s->server);
    if (rc < 0) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else if (first) ri_nats_session_say_info(s, false);
    ri_nats_server_leave(s->server);
}

/* The first bytes of a client that may speak TLS; true: they are used. */
static bool tls_on_first(ri_nats_session *s, ri_str bytes)
{
    ri_tls_conf *conf = tls_conf(s);
    bool hello = (unsigned char)bytes.ptr[0] == TLS_HELLO, plain = !conf || s->at->tls_optional;
    if (hello && conf) {
        tls_on_hello(s, conf, bytes);
    } else if (!plain) {
        tls_fail(s, "a client speaks no TLS, which is wanted here",
                 "Secure Connection - TLS Required");
    } else {
        s->tls_mode = RI_NATS_TLS_NONE;
        s->conn.read_most = RI_CONN_READ_SIZE;
    }
    ri_tls_conf_unref(conf);
    return s->tls_mode != RI_NATS_TLS_NONE || s->end;
}

/* Who has to show a certificate is known by it: one that cannot be kept ends the session, or its
 * bearer would be taken for somebody who had to show none. */
static int tls_shown(const ri_nats_session *s, const ri_tls_wire *wire, ri_str *kept)
{
    const ri_host *host = &s->server->broker->host;
    ri_buffer der;
    *kept = RI_STR_NONE;
    ri_buffer_init(&der, host);
    ri_tls_wire_shown(wire, &der);
    size_t len = ri_buffer_size(&der);
    int rc = der.failed ? RILL_ENOMEM : len > RI_CERT_MAX ? RILL_ETOOBIG : RILL_OK;
    char *copy = rc == RILL_OK && len ? ri_strdup(host, ri_buffer_str(&der).ptr, len) : NULL;
    if (rc == RILL_OK && len && !copy) rc = RILL_ENOMEM;
    if (copy) *kept = (ri_str){copy, len};
    ri_buffer_fini(&der);
    return rc;
}

/* Inside the gate. */
static void tls_keep(ri_nats_session *s, const ri_tls_wire *wire)
{
    RI_ASSERT(!s->cert.len);
    int rc = tls_shown(s, wire, &s->cert);
    if (rc == RILL_ENOMEM) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    if (rc != RILL_ETOOBIG) return;
    ri_nats_trace_say(s, RILL_ERROR, "TLS handshake error: ", "the certificate is too long");
    ri_nats_session_fail(s, RI_NATS_END_TLS, "Certificate Too Long");
}

/* The handshake is over: what was agreed upon is kept for whoever lists connections. */
static void tls_on_open(ri_nats_session *s)
{
    const ri_tls_wire *wire = tls_wire(s);
    ri_tls_about about;
    s->tls_mode = RI_NATS_TLS_NONE;
    RI_ASSERT(wire && ri_tls_wire_open_ns(wire) > 0);
    if (!ri_tls_wire_about(wire, &about)) return;
    char text[RI_TLS_WORD_MAX + 40];
    snprintf(text, sizeof text, "%s, cipher suite %s", about.version, about.cipher);
    ri_nats_server_enter(s->server);
    s->tls = about;
    ri_nats_trace_say(s, RILL_DEBUG, "TLS handshake complete", "");
    ri_nats_trace_say(s, RILL_DEBUG, "TLS version ", text);
    tls_keep(s, wire);
    ri_nats_server_leave(s->server);
    if (s->end) ri_conn_deafen(&s->conn);
}

bool ri_nats_tls_on_bytes(ri_nats_session *s, ri_str bytes)
{
    RI_ASSERT(bytes.len > 0 && s->tls_mode != RI_NATS_TLS_NONE);
    if (s->tls_mode != RI_NATS_TLS_BEGUN) return tls_on_first(s, bytes);
    tls_on_open(s);
    return s->end != RI_NATS_END_NOT;
}

/* ---- Time and ends ---- */

/* What a CLOSE of WebSocket says, as nats-server has it. */
static uint16_t tls_close_code(ri_nats_end end)
{
    switch (end) {
    case RI_NATS_END_CLIENT_CLOSED: return RI_WS_NORMAL;
    case RI_NATS_END_READ_ERROR:
    case RI_NATS_END_WRITE_ERROR:
    case RI_NATS_END_STALE:
    case RI_NATS_END_SHUTDOWN: return RI_WS_GOING_AWAY;
    case RI_NATS_END_PROTOCOL:
    case RI_NATS_END_BAD_CLIENT_PROTOCOL: return RI_WS_PROTOCOL;
    case RI_NATS_END_PAYLOAD: return RI_WS_TOO_BIG;
    case RI_NATS_END_AUTH:
    case RI_NATS_END_AUTH_TIMEOUT:
    case RI_NATS_END_EXPIRED:
    case RI_NATS_END_REVOKED:
    case RI_NATS_END_SLOW_PENDING:
    case RI_NATS_END_SLOW_DEADLINE:
    case RI_NATS_END_MAX_CONNS:
    case RI_NATS_END_MAX_ACCOUNT_CONNS:
    case RI_NATS_END_CONTROL_LINE: return RI_WS_POLICY;
    case RI_NATS_END_NOT:
    case RI_NATS_END_KICKED:
    case RI_NATS_END_NO_RESPONDERS_HEADERS:
    case RI_NATS_END_NO_MEMORY:
    case RI_NATS_END_MEMORY:
    case RI_NATS_END_TLS: return RI_WS_INTERNAL;
    }
    return RI_WS_INTERNAL;
}

bool ri_nats_tls_on_timer(ri_nats_session *s, uint32_t *wait_ms)
{
    int64_t now_ns = ri_loop_now(&s->server->loop);
    RI_ASSERT(ri_broker_is_entered(s->server->broker) && !s->end);
    const ri_broker_conf *conf = &s->server->broker->conf;
    uint32_t ms = s->parser.connect_only ? conf->auth_timeout_ms : conf->ping_interval_ms;
    *wait_ms = 0;
    if (s->tls_mode == RI_NATS_TLS_FIRST) {
        s->tls_mode = RI_NATS_TLS_NEXT;
        ri_nats_session_say_info(s, false);
        *wait_ms = ri_nats_tls_wait_ms(s, 0);
    } else if (s->tls_mode == RI_NATS_TLS_NEXT && s->at->tls && !s->at->tls_optional) {
        ri_nats_trace_say(s, RILL_ERROR, "TLS handshake timeout", "");
        ri_nats_session_fail(s, RI_NATS_END_TLS, "TLS Handshake Timeout");
        return true;
    } else if (tls_has_handshake(s) && !s->connected) {
        /* The time to log in begins behind the handshake, which has a time of its own. */
        int64_t open_ns = tls_open_ns(s), log_in_ns = ri_ns_of_ms(ms);
        int64_t left_ns = open_ns ? ri_ns_sub(ri_ns_add(open_ns, log_in_ns), now_ns) : log_in_ns;
        if (left_ns > 0) *wait_ms = (uint32_t)RI_MAX(left_ns / RI_MS, 1);
    }
    return *wait_ms > 0;
}

bool ri_nats_tls_failed(const ri_nats_session *s)
{
    const ri_tls_wire *wire = tls_wire(s);
    if (!wire || ri_tls_wire_open_ns(wire)) {
        if (tls_has_handshake(s) && !tls_open_ns(s))
            ri_nats_trace_say(s, RILL_ERROR, ri_err_text(), "");
        return false;
    }
    ri_nats_trace_say(s, RILL_ERROR, "TLS handshake error: ", ri_err_text());
    return true;
}

void ri_nats_tls_say_end(const ri_nats_session *s)
{
    ri_ws_wire *ws = ri_ws_wire_of(s->conn.wire);
    if (ws) ri_ws_wire_reason(ws, tls_close_code(s->end), ri_nats_session_end_text(s->end));
}

void ri_nats_tls_show_cookies(const ri_nats_session *s, ri_nats_connect *connect)
{
    const ri_ws_wire *ws = ri_ws_wire_of(s->conn.wire);
    ri_str *const fields[RI_WS_COOKIES] = {
        [RI_WS_COOKIE_USER] = &connect->user, [RI_WS_COOKIE_PASS] = &connect->pass,
        [RI_WS_COOKIE_TOKEN] = &connect->auth_token, [RI_WS_COOKIE_JWT] = &connect->jwt};
    for (int i = 0; ws && i < RI_WS_COOKIES; i++)
        if (!fields[i]->len) *fields[i] = ri_ws_wire_cookie(ws, (ri_ws_cookie)i);
}

void ri_nats_tls_forget_cookies(ri_nats_session *s)
{
    ri_ws_wire *ws = ri_ws_wire_of(s->conn.wire);
    if (ws) ri_ws_wire_forget_cookies(ws);
}

void ri_nats_tls_refused(const ri_nats_session *s, ri_str bytes)
{
    if (s->connected || bytes.len == 0 || (unsigned char)bytes.ptr[0] != TLS_HELLO) return;
    ri_nats_trace_say(s, RILL_ERROR, "a client speaks TLS, which this port does not", "");
}
