/* SPDX-License-Identifier: Apache-2.0 */
/* What lies below a connection's operations: TLS, whether it is wanted and how it comes in, and
 * WebSocket.
 *
 *     tls://, or rill_opts.tls    of every server; one that offers none is not spoken to
 *     wss://                      of every server, before a word of HTTP is said
 *     nats://, unix:              of a server that asks for it, by the system's list of whom to
 *                                 believe, which is read then
 *
 *     connected --handshake_first--> TLS --INFO--> CONNECT
 *         \------INFO in clear-----> TLS ---------> CONNECT, which waits in conn.out meanwhile
 *
 *     connected --wss://--> TLS --> HTTP's upgrade --INFO--> CONNECT      (ws:// without TLS)
 *
 * Behind an INFO in clear nothing may come before TLS: what does was put there by somebody in
 * between, who wants it taken for the server's. So the connection ends. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/web/ws_http.h"
#include "front/peer_nats/nats_peer.h"
#include "net/tls_wire.h"
#include "net/ws_wire.h"

#include <stdio.h>

static bool link_tls_is_ws(const ri_nats_peer *peer)
{
    return peer->pool.scheme == RI_URL_WS || peer->pool.scheme == RI_URL_WSS;
}

static const ri_tls_wire *link_tls_wire(const ri_nats_peer *peer)
{
    return ri_tls_wire_of(ri_ws_wire_under(peer->conn.wire));
}

int ri_nats_link_tls_configure(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts)
{
    if (ri_url_is_ws(url)) {
        int rc = ri_ws_http_there();
        if (rc < 0) return ri_err_wrap(rc, "%s://", ri_url_scheme_name(url->scheme));
    }
    peer->conf.tls_wanted = url->scheme == RI_URL_TLS || url->scheme == RI_URL_WSS || opts->tls;
    if (!peer->conf.tls_wanted) return RILL_OK;
    return ri_tls_conf_new(&peer->conf.tls, &peer->bus.host, opts->tls, false);
}

/* Outside the gate. */
static int link_tls_begin(ri_nats_peer *peer)
{
    RI_ASSERT(peer->conf.tls && peer->conn.wire && !ri_nats_link_tls_is_there(peer));
    const char *given = peer->conf.tls->server_name;
    const ri_tls_wire_opts opts = {.name = given[0] ? given : ri_nats_pool_name(&peer->pool)};
    ri_wire *wire;
    int rc = ri_tls_wire_new(&wire, peer->conf.tls, peer->conn.wire, &opts);
    return rc < 0 ? rc : ri_conn_put_over(&peer->conn, wire);
}

/* Outside the gate: HTTP's upgrade begins, over TLS if that is there. */
static int link_tls_begin_ws(ri_nats_peer *peer)
{
    const ri_nats_pool_server *server = ri_nats_pool_current(&peer->pool);
    char host[RI_NATS_SERVER_MAX], path[RI_LIMIT_URL + 2];
    bool ipv6 = strchr(server->host, ':') != NULL;
    snprintf(host, sizeof host, ipv6 ? "[%s]:%u" : "%s:%u", server->host, server->port);
    snprintf(path, sizeof path, "/%s", server->path ? server->path : "");
    const ri_ws_wire_opts opts = {.timeout_ns = peer->conf.connect_ns, .host = host, .path = path,
                                  .secure = peer->pool.scheme == RI_URL_WSS,
                                  .deflates = peer->conf.ws_compress,
                                  .message_max = RI_LIMIT_WS_INFLATED};
    ri_wire *wire;
    int rc = ri_ws_wire_new(&wire, &peer->bus.host, peer->conn.wire, &opts);
    return rc < 0 ? rc : ri_conn_put_over(&peer->conn, wire);
}

int ri_nats_link_tls_first(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_HELLO);
    peer->tls_due = false;
    if (link_tls_is_ws(peer)) {
        int rc = peer->conf.tls ? link_tls_begin(peer) : RILL_OK;
        return rc < 0 ? rc : link_tls_begin_ws(peer);
    }
    bool first = peer->conf.tls && peer->conf.tls->handshake_first;
    return first ? link_tls_begin(peer) : RILL_OK;
}

int ri_nats_link_tls_info(ri_nats_peer *peer, const ri_nats_info *info)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_ws_wire *ws = ri_ws_wire_of(peer->conn.wire);
    /* A server inflates no message to more than the payload that it takes. */
    int64_t most = RI_MIN(RI_MAX(info->max_payload, 0), (int64_t)UINT32_MAX);
    if (ws) ri_ws_wire_deflate_most(ws, (uint32_t)most);
    if (peer->state != RI_NATS_HELLO || ri_nats_link_tls_is_there(peer)) return RILL_OK;
    if (link_tls_is_ws(peer)) return RILL_OK; /* it speaks of what lies below HTTP */
    if (!peer->conf.tls_wanted && !info->tls_required) return RILL_OK;
    if (!info->tls_required && !info->tls_available)
        return ri_err(RILL_ENOTSUP, "%s offers no TLS, which is wanted", peer->server);
    int rc = RILL_OK;
    if (!peer->conf.tls) rc = ri_tls_conf_new(&peer->conf.tls, &peer->bus.host, NULL, false);
    if (rc < 0) return ri_err_wrap(rc, "%s wants TLS", peer->server);
    peer->tls_due = true;
    return RILL_OK;
}

int ri_nats_link_tls_go_on(ri_nats_peer *peer)
{
    RI_ASSERT(peer->tls_due && peer->state == RI_NATS_LOGIN);
    peer->tls_due = false;
    return link_tls_begin(peer);
}

/* ---- What is said of it ---- */

bool ri_nats_link_tls_is_there(const ri_nats_peer *peer)
{
    return peer->conn.wire && link_tls_wire(peer);
}

bool ri_nats_link_tls_is_under_way(const ri_nats_peer *peer)
{
    return ri_nats_link_tls_is_there(peer) &&
           ri_tls_wire_open_ns(link_tls_wire(peer)) == 0;
}

int ri_nats_link_tls_code(const ri_nats_peer *peer)
{
    const ri_tls_wire *wire = link_tls_wire(peer);
    int code = wire ? ri_tls_wire_code(wire) : RILL_OK;
    const ri_ws_wire *ws = ri_ws_wire_of(peer->conn.wire);
    if (code == RILL_OK && ws)
        return ri_err_wrap(ri_ws_wire_code(ws) == RILL_ENOMEM ? RILL_ENOMEM : RILL_ECONN,
                           "WebSocket with %s", peer->server);
    if (code == RILL_OK) return RILL_ECONN;
    return ri_err_wrap(code == RILL_EIO ? RILL_ECONN : code, "TLS with %s", peer->server);
}

void ri_nats_link_tls_up(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!ri_nats_link_tls_is_there(peer) || peer->conf.tls->verify) return;
    ri_err(RILL_EAUTH, "TLS with %s is insecure: nobody has verified who that is", peer->server);
    ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_ERROR, .code = RILL_EAUTH});
}
