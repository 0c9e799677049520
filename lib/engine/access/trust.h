/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a broker believes, in operator mode: operators, whose keys sign accounts, whose keys sign
 * users. Who comes shows the JWT of a user, and signs with his key; nothing of him is configured.
 *
 *     operators  --sign-->  accounts (claims.h)  --sign-->  user's JWT + signature of a nonce
 *     --------- ri_trust, made from texts ------           ---------- ri_trust_case ---------
 *                                    \                           /
 *                                     ri_trust_judge(): his rights, until when; or why not
 *
 * A ri_trust is counted and never changes, so that a judge needs no lock: signatures, which take
 * some 100 us, are looked at on a thread of their own. What an operator says anew makes another
 * one, and who is there is judged by that again, without his signatures (`known`). Here is no
 * clock: the time comes in.
 *
 * What is looked at, in the order of nats-server: the user's JWT and who has signed it; his times;
 * his account, and whether that has expired; scoped keys (template.h); bearers; the kind of
 * connection; the signature; revocations; where he comes from; the time of the day. */
#ifndef RI_TRUST_H
#define RI_TRUST_H

#include "engine/access/access.h"
#include "engine/access/claims.h"

typedef struct ri_trust ri_trust;

typedef struct ri_trust_texts { /* read during the call */
    const char *const *operators; /* JWTs, dressed or not, or public keys "O..." */
    size_t noperators;
    const char *const *accounts;  /* JWTs */
    size_t naccounts;
    const char *system_account;   /* its public key; NULL: as the operators say */
    const char *sentinel;         /* the JWT of who shows none that can be read: a bearer's; NULL:
                                     he is nobody */
} ri_trust_texts;

/* With one reference; no operators: NULL. An account whose JWT is over at `now_s` is there, and
 * lets nobody in. RILL_EINVAL, RILL_ETOOBIG and RILL_ENOTSUP name what is wrong. */
int ri_trust_new(const ri_host *host, const ri_trust_texts *texts, ri_trust **out);
ri_trust *ri_trust_ref(ri_trust *trust); /* any thread; NULL is one, too */
void ri_trust_unref(ri_trust *trust);    /* likewise */

/* The accounts, in the order of their keys. `trust` may be NULL, which has none. */
size_t ri_trust_count(const ri_trust *trust);
const ri_claims_account *ri_trust_at(const ri_trust *trust, size_t i);
const char *ri_trust_system(const ri_trust *trust); /* the key of the system's; NULL: none */

const char *ri_trust_sentinel(const ri_trust *trust); /* NULL: there is none */

/* As what an account is shown: the name that its JWT gives it, or else `account` itself. Lent, as
 * both are. `trust` may be NULL. */
ri_str ri_trust_name_of(const ri_trust *trust, ri_str account);
/* NULL: there is no JWT of that account. */
const ri_claims_account *ri_trust_claims_of(const ri_trust *trust, ri_str account);

/* Does the operator say the same of that account in both? */
bool ri_trust_same_account(const ri_trust *a, const ri_trust *b, ri_str key);

typedef struct ri_trust_case {
    ri_str jwt, signature, nonce;
    const char *host;   /* the address that he comes from */
    const char *type;   /* of the connection: "STANDARD", "WEBSOCKET", ... */
    int64_t now_s;      /* of Unix */
    int32_t east_s;     /* of UTC, the clock of the place where the broker is */
    bool known;         /* signatures of these texts were looked at before, and were right */
} ri_trust_case;

typedef enum ri_trust_why {
    RI_TRUST_LET_IN,
    RI_TRUST_REFUSED,
    RI_TRUST_EXPIRED,         /* he was let in, and his time is over */
    RI_TRUST_ACCOUNT_EXPIRED, /* ... that of his account */
    RI_TRUST_REVOKED,
} ri_trust_why;

typedef struct ri_trust_verdict {
    ri_trust_why why;
    ri_access *access;  /* the one user that he is; the caller's reference; NULL unless let in */
    int64_t until_s;    /* INT64_MAX: for ever */
    bool account_ends;  /* at that time it is the account's that is over */
    bool is_signed;     /* he has shown that the key is his, now or before; a bearer has not */
    const ri_claims_callout *asks; /* of his account: he is let in, and others decide whether he
                           stays, and as whom; NULL: nobody else does. Lent by the trust */
    char text[160];     /* why not, for the log; it shows nothing secret */
} ri_trust_verdict;

/* Any thread. RILL_ENOMEM: there is no verdict. */
int ri_trust_judge(const ri_trust *trust, const ri_trust_case *shown, ri_trust_verdict *out);

typedef struct ri_trust_answer {  /* of a service that decides (callout.h) */
    const ri_claims_callout *by;  /* who was asked */
    ri_str user;                  /* the key that was given him */
} ri_trust_answer;

/* The same of a JWT that such a service has made; nothing is signed by its user. NULL, in place of
 * `trust`: there are no operators, and any account that it names is his. */
int ri_trust_judge_answer(const ri_host *host, const ri_trust *trust, const ri_trust_case *shown,
                          const ri_trust_answer *answer, ri_trust_verdict *out);
/* Does that key sign for the account? */
bool ri_trust_signs(const ri_trust *trust, ri_str account, ri_str key);
/* What nobody may do who is in the account of a callout, and what only its exempt users may, is
 * added to what is denied. */
int ri_trust_deny_callout(ri_claims_texts *publish, ri_claims_texts *subscribe, bool exempt,
                          ri_arena *arena);

#endif
