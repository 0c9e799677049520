/* SPDX-License-Identifier: Apache-2.0 */
/* Who this is, where the program is asked: rill_opts.on_creds.
 *
 *     INFO, inside the gate: ri_nats_creds_need() keeps the nonce
 *     the gate is left, as the program's locks may be held around calls of rill
 *     ri_nats_creds_write(): on_creds(), what it gave is looked at and written into CONNECT
 *     release(): nothing of it is kept but those bytes, on their way to the server
 *
 * A server that says more behind its INFO is obeyed as long as it is not out of turn: of two INFOs
 * the last nonce counts. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "front/handle/bus_login.h"
#include "front/peer_nats/nats_peer.h"
#include "net/host_wire.h"

int ri_nats_creds_need(ri_nats_peer *peer, ri_str nonce)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && peer->keys.on_creds);
    ri_nats_keys_wipe(peer, &peer->keys.nonce);
    if (memchr(nonce.ptr ? nonce.ptr : "", 0, nonce.len))
        return ri_err(RILL_EPROTO, "the nonce of %s has a byte 0", peer->server);
    peer->keys.nonce = ri_strdup(&peer->bus.host, nonce.len ? nonce.ptr : "", nonce.len);
    return peer->keys.nonce ? RILL_OK : ri_err(RILL_ENOMEM, "no memory to log in");
}

/* The same alphabet as ri_nkey_sign() writes, without padding. */
static void creds_put_signature(const rill_creds *creds, ri_buffer *out)
{
    ri_base64_put_url(out, (ri_str){(const char *)creds->signature, sizeof creds->signature});
    while (!out->failed && ri_buffer_size(out) && out->ptr[ri_buffer_size(out) - 1] == '=')
        ri_buffer_cut(out, ri_buffer_size(out) - 1);
}

/* What the server's nonce asks for: by a signature that is there, or by a seed. */
static int creds_sign(const rill_creds *creds, ri_nats_connect *connect, char key[RI_NKEY_LEN + 1],
                      ri_buffer *signature)
{
    if (creds->seed) {
        const ri_creds keys = {.jwt = ri_str_of(creds->jwt), .seed = ri_str_of(creds->seed)};
        int rc = ri_nkey_check(keys.seed);
        if (rc == RILL_OK)
            rc = ri_nats_keys_sign(&keys, ri_str_of(creds->nonce), connect, key, signature);
        return rc == RILL_ENOMEM ? rc : rc < 0 ? ri_err_wrap(rc, "seed") : RILL_OK;
    }
    if (creds->is_signed) creds_put_signature(creds, signature);
    connect->jwt = ri_str_of(creds->jwt);
    connect->nkey = ri_str_of(creds->nkey);
    connect->sig = ri_buffer_str(signature);
    return signature->failed ? RILL_ENOMEM : RILL_OK;
}

static int creds_put(ri_nats_peer *peer, const rill_creds *creds, ri_buffer *out)
{
    char key[RI_NKEY_LEN + 1] = "";
    int rc = RILL_OK;
    ri_nats_connect connect;
    ri_buffer signature;
    ri_nats_connect_init(&connect);
    ri_buffer_init(&signature, &peer->bus.host);
    connect.user = ri_str_of(creds->user);
    connect.pass = ri_str_of(creds->password);
    connect.auth_token = ri_str_of(creds->token);
    if (creds->nonce) rc = creds_sign(creds, &connect, key, &signature);
    if (rc == RILL_OK) rc = ri_nats_keys_put(peer, &connect, out);
    ri_buffer_fini(&signature);
    return rc;
}

int ri_nats_creds_write(ri_nats_peer *peer, ri_buffer *out)
{
    RI_ASSERT(ri_nats_creds_are_due(peer) && peer->state == RI_NATS_HELLO);
    const char *nonce = peer->keys.nonce[0] ? peer->keys.nonce : NULL;
    void *arg = peer->bus.arg;
    ri_failure why;
    rill_creds creds = {.size = sizeof creds, .server = peer->server, .nonce = nonce};
    ri_host_wire_enter();
    int rc = peer->keys.on_creds(&creds, arg);
    ri_host_wire_leave();
    creds.nonce = nonce; /* it was lent, whatever stands there now */
    if (rc < 0) rc = ri_err(RILL_EAUTH, "on_creds() for %s: %s", peer->server, ri_err_name(rc));
    else {
        rc = ri_bus_login_check(&creds);
        if (rc == RILL_OK) rc = creds_put(peer, &creds, out);
        if (rc < 0 && rc != RILL_ENOMEM)
            rc = ri_err_wrap(RILL_EAUTH, "on_creds() for %s", peer->server);
    }
    rc = ri_failure_keep(&why, rc);
    ri_host_wire_enter();
    if (creds.release) creds.release(&creds, arg);
    ri_host_wire_leave();
    ri_failure_restore(&why); /* release() may have said something else */
    explicit_bzero(&creds, sizeof creds);
    ri_nats_keys_wipe(peer, &peer->keys.nonce);
    return rc;
}
