/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 behind a handshake: the records of RFC 8446 §5 and no more. OpenSSL makes the handshake,
 * which is nearly all of TLS; what is left then are two keys and two counters, for which it goes on
 * holding twelve kilobytes a connection and copies each byte twice. Here the same AEADs of it are
 * used upon the wire's own buffers, and TLS holds two and a half kilobytes of a connection that
 * rests.
 *
 * Of a server's side, and where no certificate of a client is looked at. What may come then is
 * data, an alert, and KeyUpdate, in a record of its own or in parts with nothing between them; all
 * else ends the connection, and behind an error every read fails. */
#ifndef RI_TLS_RECORD_H
#define RI_TLS_RECORD_H

#include <openssl/ssl.h>

#include "net/tls.h"

enum { RI_TLS_SECRET_MAX = 48 }; /* bytes of a hash */

/* What both sides' keys are made of. */
typedef struct ri_tls_secrets {
    uint8_t peer[RI_TLS_SECRET_MAX], own[RI_TLS_SECRET_MAX];
    size_t peer_len, own_len;
} ri_tls_secrets;

typedef struct ri_tls_records ri_tls_records;

/* Of a line of the handshake's log of keys: those that are of use here are taken. */
void ri_tls_secrets_take(ri_tls_secrets *secrets, const char *line);

/* Are records all that is left to do on this connection, whose handshake is done? Of TLS 1.3, with
 * nothing that was read and not used, and of any length: a client may have asked for short ones by
 * RFC 6066's max_fragment_length. */
bool ri_tls_records_do(const SSL *ssl);

/* From behind a handshake on, whose last output is `tickets`: records by the key that `secrets`
 * has. `host` outlives it. NULL: there is no memory, or these are not a cipher and an output of
 * which such records can be. */
ri_tls_records *ri_tls_records_new(const ri_host *host, const SSL_CIPHER *cipher,
                                   const ri_tls_secrets *secrets, ri_str tickets);
void ri_tls_records_free(ri_tls_records *r); /* NULL: nothing */

/* As in ri_tls_ops. What they use of io->in may be written over. */
int ri_tls_records_read(ri_tls_records *r, ri_tls_io *io, void *buf, size_t len);
bool ri_tls_records_pending(const ri_tls_records *r);
int ri_tls_records_write(ri_tls_records *r, ri_tls_io *io, const void *bytes, size_t len);
void ri_tls_records_shut(ri_tls_records *r, ri_tls_io *io);

#endif
