/* SPDX-License-Identifier: Apache-2.0 */
/* What JWTs of NATS claim (codec/web/jwt.h): an operator of himself, an operator of an account, an
 * account, or one of its signing keys, of a user. Here they become structs; whether a claim counts
 * says trust.h.
 *
 *     operator   keys that may sign accounts, the system's account
 *     account    limits, JetStream, signing keys, of which a scoped one has the rights of all whom
 *                it signs; revocations; rights of those who have none of their own; mappings; what
 *                it exports and imports, for some of which it has a JWT of the exporter's
 *     user       rights and limits, or none where a scoped key has signed it
 *
 * Strings are in the arena that is given, each with a 0 behind it. A field of another type than it
 * should have is an error: what guards access is not passed over. */
#ifndef RI_CLAIMS_H
#define RI_CLAIMS_H

#include "codec/jetstream/jsapi.h"
#include "codec/web/jwt.h"
#include "rill.h"

typedef struct ri_claims_texts {
    const char **at;
    size_t n;
} ri_claims_texts;

typedef struct ri_claims_rights { /* of a user */
    ri_claims_texts publish_allow, publish_deny, subscribe_allow, subscribe_deny;
    bool answers;
    int64_t answers_max, answers_ns; /* <= 0: as many, or as long, as the default; -1: no limit */
    int64_t subs, payload;           /* -1: no limit */
    bool bearer;                     /* needs to sign nothing */
    ri_claims_texts types;           /* of connections; none: all */
    ri_claims_texts networks;        /* "10.0.0.0/8"; none: all */
    ri_json times;                   /* [{"start":"08:00:00","end":"17:00:00"}]; none: always */
    ri_str place;                    /* whose clock that is; empty: the server's */
    bool any;                        /* something of all these was said */
} ri_claims_rights;

typedef struct ri_claims_operator {
    ri_str key, system_account;      /* the latter may be empty */
    ri_claims_texts signers;
    bool strict;                     /* `key` itself signs no account */
} ri_claims_operator;

typedef struct ri_claims_signer {
    const char *key;
    const ri_claims_rights *scope;   /* NULL: who is signed has rights of his own */
} ri_claims_signer;

typedef struct ri_claims_revoked {
    const char *key;                 /* of a user, or "*" */
    int64_t until_s;                 /* what was issued by then is revoked */
} ri_claims_revoked;

typedef struct ri_claims_export {
    rill_export row;
    bool by_token;                   /* who imports it has a JWT of this account's for that */
    ri_claims_revoked *revoked;      /* those JWTs, by the importer's key */
    size_t nrevoked;
} ri_claims_export;

typedef struct ri_claims_import {
    rill_import row;
    ri_str token;                    /* the exporter's JWT, of type "activation"; empty: none */
    bool is_active;                  /* it is right, which trust.h says: */
    int64_t issued_s, expires_s, not_before_s;
} ri_claims_import;

typedef struct ri_claims_callout { /* who decides who comes in (callout.h) */
    ri_str issuer;                   /* whose key signs those who are let in */
    ri_str account;                  /* where that is asked for */
    ri_str xkey;                     /* what is asked is sealed for it; empty: it is not */
    ri_claims_texts users;           /* who are not asked about; none: nobody decides */
    ri_claims_texts accounts;        /* of an account's JWT: into which others, "*" being all, users
                                        may be let; of the configuration: the accounts, besides $G,
                                        whose users are asked about; none: all */
} ri_claims_callout;

typedef struct ri_claims_account {
    ri_str key, name, issuer;
    int64_t issued_s, expires_s, not_before_s; /* 0: not said */
    int64_t conns, subs, payload;    /* -1: no limit */
    bool no_bearer;
    bool jetstream;
    ri_js_account_limits streams;
    ri_claims_signer *signers;
    size_t nsigners;
    ri_claims_revoked *revoked;      /* by key */
    size_t nrevoked;
    ri_claims_rights defaults;
    ri_claims_texts tags;
    rill_mapping *mappings;
    size_t nmappings;
    ri_claims_export *exports;
    ri_claims_import *imports;
    size_t nexports, nimports;
    ri_claims_callout callout;
} ri_claims_account;

typedef struct ri_claims_user {
    ri_str key, name, issuer, issuer_account; /* the last may be empty, as is ... */
    ri_str audience;                 /* ... the account that a callout puts him into */
    int64_t issued_s, expires_s, not_before_s;
    ri_claims_rights rights;
    ri_claims_texts tags;
    bool proxy;                      /* he has to come through a proxy that is trusted */
} ri_claims_user;

/* RILL_EINVAL says what is wrong; RILL_ENOMEM. */
int ri_claims_read_operator(ri_claims_operator *out, const ri_jwt *jwt, ri_arena *arena);
int ri_claims_read_account(ri_claims_account *out, const ri_jwt *jwt, ri_arena *arena);
int ri_claims_read_user(ri_claims_user *out, const ri_jwt *jwt, ri_arena *arena);

/* May that user be there without being asked about? `name` of a key or of one who has none. */
bool ri_claims_is_exempt(const ri_claims_callout *callout, ri_str name);
static inline bool ri_claims_has_callout(const ri_claims_account *account)
{
    return account->callout.users.n > 0;
}

/* NULL: that key signs none of its users. The account's own key does. */
const ri_claims_signer *ri_claims_signer_of(const ri_claims_account *account, ri_str key);
/* Is that import's JWT of now, and not revoked by the account whose export it is? */
bool ri_claims_is_active(const ri_claims_import *import, const ri_claims_export *of,
                         ri_str importer, int64_t now_s);
/* Was what was issued to that key then revoked since? */
bool ri_claims_is_revoked(const ri_claims_account *account, ri_str key, int64_t issued_s);

#endif
