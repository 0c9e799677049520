/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of a session: by what its listener has when the client comes, it is there before the first
 * frame, or not at all. The wire bounds the time and the bytes of a handshake (net/tls_wire.h).
 *
 * The first bytes of a client show who speaks the other way, so that the log says what is wrong: a
 * frame begins with its size, and a handshake, read as one, with more than any frame may have. */
#include "base/assert.h"
#include "base/error.h"
#include "front/kafka/kafka_session.h"
#include "net/tls_wire.h"

int ri_kafka_tls_open(ri_kafka_session *s)
{
    ri_tls_conf *conf = s->at->listener->tls;
    ri_wire *wire;
    RI_ASSERT(ri_broker_is_entered(s->server->broker) && !s->shaking);
    if (!conf) return RILL_OK;
    int rc = ri_tls_wire_new(&wire, conf, s->conn.wire, &(ri_tls_wire_opts){0});
    if (rc < 0) return rc;
    s->shaking = true;
    return ri_conn_put_over(&s->conn, wire);
}

void ri_kafka_tls_on_open(ri_kafka_session *s)
{
    const ri_tls_wire *wire = ri_tls_wire_of(s->conn.wire);
    ri_tls_about about;
    RI_ASSERT(s->shaking && wire && ri_tls_wire_open_ns(wire) > 0);
    s->shaking = false;
    if (!ri_tls_wire_about(wire, &about)) return;
    ri_kafka_server_enter(s->server);
    const ri_host *host = &s->server->broker->host;
    s->tls = about;
    ri_host_log(host, RILL_DEBUG, "%s - cid:%llu - TLS version %s, cipher suite %s", s->peer,
                (unsigned long long)s->cid, about.version, about.cipher);
    ri_kafka_server_leave(s->server);
}

void ri_kafka_tls_failed(const ri_kafka_session *s)
{
    const ri_tls_wire *wire = ri_tls_wire_of(s->conn.wire);
    if (!wire || ri_tls_wire_open_ns(wire)) return;
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - TLS handshake error: %s",
                s->peer, (unsigned long long)s->cid, ri_err_text());
}

bool ri_kafka_tls_is_hello(ri_str bytes)
{
    enum { HANDSHAKE = 22, MAJOR = 3, MINOR_MAX = 4 };
    RI_ASSERT(bytes.ptr || bytes.len == 0);
    if (bytes.len < 3) return false;
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    return b[0] == HANDSHAKE && b[1] == MAJOR && b[2] <= MINOR_MAX;
}
