/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to libsodium: the keys of NATS, by which a client shows who it is without sending a
 * secret. The server sends a nonce, and the client signs it with ed25519.
 *
 *     seed   "SU" + 56 more characters of base32:   [kind of key, 2 bytes][32 bytes][CRC, 2]
 *     key    "U" + 55 more, which all may know:     [kind of key, 1 byte ][32 bytes][CRC, 2]
 *
 * The five bits of S say that it is a seed, the next eight what the key is of: U a user, A an
 * account, O an operator. The CRC is that of XMODEM, low byte first. A seed lies in memory in the
 * clear no longer than a call lasts.
 *
 * Without libsodium all of it is RILL_ENOTSUP. */
#ifndef RI_NKEY_H
#define RI_NKEY_H

#include "base/alloc.h"
#include "base/buffer.h"

enum {
    RI_NKEY_SEED_LEN = 58,
    RI_NKEY_LEN = 56,
};

/* Is that the public key of a user? RILL_EINVAL says what is wrong with it. */
int ri_nkey_check_user(ri_str key);
/* Has whoever holds the seed of that key, which ri_nkey_check_user() has let pass, signed the text?
 * The signature is base64 as URLs have it, or of the standard alphabet, padded or not. */
bool ri_nkey_signed(ri_str key, ri_str text, ri_str signature);
/* The first letter of a public key, which says whose it is: 'O' an operator's, 'A' an account's,
 * 'U' a user's, ...; 0: it is none. Without libsodium it is always 0. */
char ri_nkey_kind(ri_str key);
/* As ri_nkey_signed(), by a key of any kind. */
bool ri_nkey_signed_by(ri_str key, ri_str text, ri_str signature);
/* Is that the seed of a user? RILL_EINVAL says what is wrong with it, and shows none of it. */
int ri_nkey_check(ri_str seed);
/* The key of a seed of any kind, with a 0 behind it. */
int ri_nkey_public(ri_str seed, char out[RI_NKEY_LEN + 1]);
/* What the seed signs, in base64 as URLs have it, without padding, behind `out`. */
int ri_nkey_sign(ri_str seed, ri_str text, ri_buffer *out);
/* A pair of keys that nobody else has, of the kind that the first letter of a public key says: both
 * with a 0 behind them. The caller wipes the seed. */
int ri_nkey_new(const ri_host *host, char kind, char seed[RI_NKEY_SEED_LEN + 1],
                char key[RI_NKEY_LEN + 1]);

/* ---- Keys that sign nothing, for xkey.h ---- */

enum { RI_NKEY_RAW = 32 };
/* The bytes within a public key of that kind; false: it is none. */
bool ri_nkey_raw(ri_str key, char kind, uint8_t out[RI_NKEY_RAW]);
/* And back, with a 0 behind it. */
void ri_nkey_write(char kind, const uint8_t raw[RI_NKEY_RAW], char out[RI_NKEY_LEN + 1]);

#endif
