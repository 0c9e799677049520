/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes in, where a service decides: nats-server's auth callout (its ADR 26). What is known of
 * who comes is a letter, which goes out as one JWT and comes back as another:
 *
 *     `text`: what he has shown, as JSON       ri_callout_put_facts()
 *        | ri_callout_work(): a key that is his alone, drawn now; signed by the server's key, and
 *        v                    sealed if the service has an xkey
 *     authorization_request JWT  ------- $SYS.REQ.USER.AUTH, in the service's account ------->
 *     authorization_response JWT <------ {"jwt": that of a user | "error": why not} ----------
 *        | ri_callout_work(): of this key, for this server, and by whom it has to be?
 *        v
 *     ri_trust_verdict: his rights, until when; or why not
 *
 * The key is what makes an answer that of one question: who has heard an earlier answer has nothing
 * to say with it, and nobody has the seed, since nobody shall sign by it.
 *
 * Two say who decides. The configuration (ri_callout), for all who are not named in it, or who are
 * in accounts that it does not name: who is let in is of any account that the answer says, without
 * account keys. And the JWT of an account (ri_claims_callout, in operator mode), for its own users,
 * when their JWTs have let them in: then who is let in is signed by that account, or by one that it
 * allows, as any user is (trust.h).
 *
 * Nobody but the server asks: in the service's account $SYS.REQ.USER.AUTH is denied to all, and to
 * all but its exempt users also to hear, as are the answers. That is said in the permissions of
 * its users; what others would ask or hear there, streams and imports, the router lets pass
 * (ri_account.callout).
 *
 * A letter is worked on by one thread at a time, any, for some 200 us, without a lock; it holds all
 * that it goes by. No clock is here but the host's, for the times that stand in the JWTs. */
#ifndef RI_CALLOUT_H
#define RI_CALLOUT_H

#include "codec/web/xkey.h"
#include "engine/access/trust.h"

#define RI_CALLOUT_SUBJECT "$SYS.REQ.USER.AUTH" /* RI_ACCOUNT_ASKED of the router, */
#define RI_CALLOUT_ANSWERS "$SYS._INBOX." /* ... and RI_ACCOUNT_ANSWERS: two tokens behind it */
#define RI_CALLOUT_XKEY "Nats-Server-Xkey"  /* header of a request that is sealed */

enum { RI_CALLOUT_ANSWER_MAX = 1024 * 1024 }; /* bytes; longer ones are refused unread */

/* ---- What the configuration says ---- */

typedef struct ri_callout ri_callout;
/* A copy, with one reference. RILL_EINVAL names what is wrong; without libsodium RILL_ENOTSUP. */
int ri_callout_new(const ri_host *host, const ri_claims_callout *rules, ri_callout **out);
ri_callout *ri_callout_ref(ri_callout *callout); /* any thread; NULL is one, too */
void ri_callout_unref(ri_callout *callout);      /* likewise */
const ri_claims_callout *ri_callout_rules(const ri_callout *callout); /* NULL: NULL */
bool ri_callout_same(const ri_callout *a, const ri_callout *b);       /* of which any may be NULL */
/* The users of a configuration, in the arena, with what those of that account are denied. */
int ri_callout_guard(const ri_claims_callout *rules, const rill_user *const *users, size_t n,
                     ri_arena *arena, const rill_user ***out);

/* ---- One question ---- */

typedef struct ri_callout_keys { /* of a server; its owner wipes them */
    char seed[RI_NKEY_SEED_LEN + 1];
    char id[RI_NKEY_LEN + 1];    /* the public key of that, which names the server */
    ri_xkey xkey;
} ri_callout_keys;

typedef struct ri_callout_facts { /* what is empty or NULL is not said */
    ri_str server_name, server_host, server_version;
    const char *host;            /* where he comes from */
    uint64_t cid;
    const char *type;            /* "nats" or "websocket" */
    ri_str name, lang, version;  /* what he calls himself */
    const char *nonce;           /* that he was to sign */
    const char *user, *password, *token, *nkey, *jwt, *sig;
    int protocol;
    const char *tls_version, *tls_cipher; /* NULL: he does not come by TLS */
    ri_str cert;                 /* that he had to show, in DER */
} ri_callout_facts;
/* Members of an object, the last one open, behind `out`, whose owner wipes it: a password may be in
 * it. */
void ri_callout_put_facts(ri_buffer *out, const ri_callout_facts *facts);

typedef struct ri_callout_letter {
    const ri_host *host;
    const ri_callout_keys *keys; /* lent */
    ri_trust *trust;             /* a reference: `rules` are of it, or else of ... */
    ri_callout *callout;         /* ... this one, likewise */
    const ri_claims_callout *rules;
    bool asks;                   /* `text` becomes the request; false: it is the answer */
    ri_buffer text;
    uint32_t timeout_ms;         /* for which the service may take it for one of now */
    char user[RI_NKEY_LEN + 1];  /* the key that is his alone */
    const char *type;            /* of the connection: "STANDARD", "WEBSOCKET", ... */
    char peer[64];               /* the address that he comes from */
    int32_t east_s;              /* of UTC, the clock of the place where the broker is */
    ri_trust_verdict verdict;    /* out, of an answer; its access is the letter's until taken */
    int rc;                      /* out: RILL_OK, or why there is neither request nor verdict */
} ri_callout_letter;

/* Either of the two is a reference that becomes the letter's; NULL: out of memory, and both are
 * still the caller's. */
ri_callout_letter *ri_callout_letter_new(const ri_host *host, const ri_callout_keys *keys,
                                         ri_trust *trust, ri_callout *callout,
                                         const ri_claims_callout *rules);
void ri_callout_letter_free(ri_callout_letter *letter); /* NULL: no-op */
void ri_callout_work(ri_callout_letter *letter);

#endif
