/* SPDX-License-Identifier: Apache-2.0 */
/* The JWTs of NATS: what an operator says of himself, an operator of an account, an account of a
 * user. Each is signed with ed25519 by the key that it names as its issuer (codec/web/nkey.h).
 *
 *     eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ . eyJleHAiOjE3..., "nats":{...}} . AbC-_...
 *     {"typ":"JWT","alg":"ed25519-nkey"}                claims                            signature
 *     ------------------------ what is signed ---------------------
 *
 * A JWT is read from the outside in: sizes, header, claims as JSON, keys. It says nothing until
 * ri_jwt_is_signed(), and whether its issuer may say so is for whoever knows him. No other
 * algorithm is known, so that none, or one of a secret that is shared, cannot be asked for. JWTs of
 * version 1 are refused by name: `nsc` writes version 2 since 2020. */
#ifndef RI_JWT_H
#define RI_JWT_H

#include "base/alloc.h"
#include "base/json.h"

typedef struct ri_jwt {
    ri_str signs;         /* the part that is signed, and ... */
    ri_str signature;     /* ... by what: places in the text that was read */
    ri_str type;          /* "operator", "account", "user", ... In the arena, as the next four,
                             each with a 0 behind it and none within */
    ri_str issuer;        /* the public key that signs */
    ri_str subject;       /* the public key that it is about */
    ri_str name, audience; /* may be empty */
    int64_t issued_s, expires_s, not_before_s; /* of Unix; 0: not said */
    ri_json nats;         /* the object of that name, in the arena */
} ri_jwt;

/* RILL_EINVAL says what is wrong with it and shows none of it; RILL_ENOMEM. */
int ri_jwt_read(ri_jwt *jwt, ri_str text, ri_arena *arena);
bool ri_jwt_is_signed(const ri_jwt *jwt); /* by its issuer; false, too, without libsodium */
/* The JWT in a text that has it between lines as a file of credentials has, or has nothing else but
 * blanks; empty: there is none. */
ri_str ri_jwt_undress(ri_str text);
/* A string of the claims: in the arena, with a 0 behind it. RILL_EINVAL: there is a 0 within. */
int ri_jwt_string(ri_json value, ri_arena *arena, ri_str *out);

#endif
