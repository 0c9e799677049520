/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to libsodium: keys of NATS that seal and sign nothing ("X" + 55 characters, nkey.h). Who
 * has one and knows the other's seals a text that only the other can open, and only if it is of
 * both: X25519, XSalsa20 and Poly1305, NaCl's box.
 *
 *     "xkv1" | nonce, 24 bytes | 16 bytes that show who sealed it | the text, as long as it was
 *
 * Without libsodium there is no such key. */
#ifndef RI_XKEY_H
#define RI_XKEY_H

#include "codec/web/nkey.h"

typedef struct ri_xkey {
    uint8_t secret[RI_NKEY_RAW]; /* its owner wipes it */
    char key[RI_NKEY_LEN + 1];   /* the public one */
} ri_xkey;

int ri_xkey_new(ri_xkey *own, const ri_host *host);
static inline bool ri_xkey_is_public(ri_str key)
{
    return ri_nkey_kind(key) == 'X';
}
/* Behind `out`; RILL_EINVAL: `to` is no such key. The nonce is of the host's entropy. */
int ri_xkey_seal(const ri_xkey *own, ri_str to, const ri_host *host, ri_str text, ri_buffer *out);
/* Behind `out`; RILL_EINVAL: it is not sealed, or not by the owner of `from` for this one. */
int ri_xkey_open(const ri_xkey *own, ri_str from, ri_str sealed, ri_buffer *out);

#endif
