/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/trust.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "codec/web/nkey.h"
#include "engine/access/callout.h"
#include "engine/access/template.h"

enum { TRUST_DAY = 86400 /* seconds */ };

typedef struct trust_account {
    ri_arena arena;
    ri_claims_account claims;
    const char *mark;      /* the signature of its JWT, which no other text has; in the arena */
} trust_account;

typedef struct trust_key { /* that signs accounts */
    const char *text;
    bool strict;           /* an account that it signs signs nobody with its own key */
} trust_key;

struct ri_trust {
    const ri_host *host;
    atomic_uint refs;
    ri_arena arena;        /* what operators claim */
    trust_key *keys;       /* in the arena */
    size_t nkeys;
    const char *system;    /* in the arena; NULL: none */
    const char *sentinel;  /* likewise */
    trust_account *accounts; /* owned, by key */
    size_t naccounts, cap;
};

/* ---- Making it ---- */

static int trust_by_key(const void *a, const void *b)
{
    const trust_account *left = a, *right = b;
    return strcmp(left->claims.key.ptr, right->claims.key.ptr);
}

static int trust_key_is(const void *key, const void *item)
{
    return strcmp(key, ((const trust_account *)item)->claims.key.ptr);
}

static const trust_account *trust_find_account(const ri_trust *trust, ri_str key)
{
    if (!trust->naccounts) return NULL;
    return bsearch(key.ptr, trust->accounts, trust->naccounts, sizeof *trust->accounts,
                   trust_key_is);
}

static const ri_claims_account *trust_find(const ri_trust *trust, ri_str key)
{
    const trust_account *found = trust_find_account(trust, key);
    return found ? &found->claims : NULL;
}

static const trust_key *trust_signer(const ri_trust *trust, ri_str key)
{
    for (size_t i = 0; i < trust->nkeys; i++)
        if (ri_str_is(key, trust->keys[i].text)) return &trust->keys[i];
    return NULL;
}

static void trust_add_key(ri_trust *trust, const char *text, bool strict)
{
    RI_ASSERT(trust->nkeys < RI_LIMIT_OPERATORS * (RI_LIMIT_OPERATORS + 1));
    trust->keys[trust->nkeys++] = (trust_key){text, strict};
}

/* Read and shown to be signed by its issuer. */
static int trust_read(ri_jwt *jwt, const char *text, ri_arena *arena)
{
    ri_str undressed = ri_jwt_undress(ri_str_of(text));
    int rc = ri_jwt_read(jwt, undressed, arena);
    if (rc < 0) return rc;
    if (ri_jwt_is_signed(jwt)) return RILL_OK;
    return ri_err(RILL_EINVAL, "that JWT is not signed by its issuer %.56s", jwt->issuer.ptr);
}

static int trust_add_operator(ri_trust *trust, const char *text)
{
    ri_jwt jwt;
    ri_claims_operator claims;
    if (text && ri_nkey_kind(ri_str_of(text)) == 'O') {
        const char *copy = ri_arena_copy(&trust->arena, text, strlen(text));
        if (copy) trust_add_key(trust, copy, false);
        return copy ? RILL_OK : RILL_ENOMEM;
    }
    int rc = trust_read(&jwt, text, &trust->arena);
    if (rc == RILL_OK) rc = ri_claims_read_operator(&claims, &jwt, &trust->arena);
    if (rc < 0) return rc;
    if (!claims.strict) trust_add_key(trust, claims.key.ptr, false);
    for (size_t i = 0; i < claims.signers.n; i++)
        trust_add_key(trust, claims.signers.at[i], claims.strict);
    if (!claims.system_account.len) return RILL_OK;
    if (trust->system && strcmp(trust->system, claims.system_account.ptr) != 0)
        return ri_err(RILL_EINVAL, "system_account in config and operator JWT must be identical");
    trust->system = claims.system_account.ptr;
    return RILL_OK;
}

static int trust_add_operators(ri_trust *trust, const ri_trust_texts *texts)
{
    size_t n = texts->noperators;
    if (n > RI_LIMIT_OPERATORS)
        return ri_err(RILL_ETOOBIG, "%zu operators; at most %d", n, RI_LIMIT_OPERATORS);
    size_t room = ri_size_mul(n, RI_LIMIT_OPERATORS + 1);
    trust->keys = ri_arena_alloc(&trust->arena, ri_size_mul(room, sizeof *trust->keys));
    if (!trust->keys) return RILL_ENOMEM;
    if (texts->system_account) {
        const char *text = texts->system_account;
        if (ri_nkey_kind(ri_str_of(text)) != 'A')
            return ri_err(RILL_EINVAL, "system_account: \"%.100s\" is no public key of an account",
                          text);
        if (!(trust->system = ri_arena_copy(&trust->arena, text, strlen(text))))
            return RILL_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int rc = trust_add_operator(trust, texts->operators[i]);
        if (rc == RILL_ENOMEM) return rc;
        if (rc < 0) return ri_err_wrap(rc, "operator");
    }
    return RILL_OK;
}

static int trust_check_account(const ri_trust *trust, const ri_claims_account *claims)
{
    if (trust_signer(trust, claims->issuer)) return RILL_OK;
    return ri_err(RILL_EINVAL, "Account JWT not signed by trusted operator");
}

static int trust_add_account(ri_trust *trust, const char *text)
{
    trust_account *account = &trust->accounts[trust->naccounts++];
    ri_jwt jwt;
    ri_arena_init(&account->arena, trust->host);
    int rc = trust_read(&jwt, text, &account->arena);
    if (rc == RILL_OK) rc = ri_claims_read_account(&account->claims, &jwt, &account->arena);
    if (rc == RILL_OK) rc = trust_check_account(trust, &account->claims);
    if (rc == RILL_OK)
        account->mark = ri_arena_copy(&account->arena, jwt.signature.ptr, jwt.signature.len);
    if (rc == RILL_OK && !account->mark) rc = RILL_ENOMEM;
    if (rc == RILL_OK || rc == RILL_ENOMEM) return rc;
    return ri_err_wrap(rc, "account %.56s", jwt.subject.len ? jwt.subject.ptr : "JWT");
}

static int trust_add_accounts(ri_trust *trust, const ri_trust_texts *texts)
{
    size_t n = texts->naccounts;
    if (n > RI_LIMIT_ACCOUNTS)
        return ri_err(RILL_ETOOBIG, "%zu accounts; at most %d", n, RI_LIMIT_ACCOUNTS);
    if (n == 0) return RILL_OK;
    trust->cap = n;
    trust->accounts = ri_calloc(trust->host, ri_size_mul(n, sizeof *trust->accounts));
    if (!trust->accounts) return RILL_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int rc = trust_add_account(trust, texts->accounts[i]);
        if (rc < 0) return rc;
    }
    qsort(trust->accounts, n, sizeof *trust->accounts, trust_by_key);
    for (size_t i = 1; i < n; i++)
        if (trust_by_key(&trust->accounts[i - 1], &trust->accounts[i]) == 0)
            return ri_err(RILL_EINVAL, "Duplicate Account Entry: %s",
                          trust->accounts[i].claims.key.ptr);
    return RILL_OK;
}

/* The exporter's own key signs an activation, or one of his signing keys, with his name in it. */
static bool trust_activates(const ri_claims_account *exporter, const ri_jwt *jwt, ri_arena *arena)
{
    ri_str issuer_account;
    if (ri_jwt_string(ri_json_get(jwt->nats, "issuer_account"), arena, &issuer_account) < 0)
        issuer_account = RI_STR("");
    if (issuer_account.len == 0) return ri_str_eq(jwt->issuer, exporter->key);
    return ri_str_eq(issuer_account, exporter->key) && ri_claims_signer_of(exporter, jwt->issuer);
}

static bool trust_is_for(const ri_claims_import *import, const ri_jwt *jwt, ri_arena *arena)
{
    ri_str subject, kind;
    return ri_jwt_string(ri_json_get(jwt->nats, "subject"), arena, &subject) == RILL_OK &&
           ri_jwt_string(ri_json_get(jwt->nats, "kind"), arena, &kind) == RILL_OK &&
           ri_str_is(kind, import->row.service ? "service" : "stream") &&
           ri_subject_is_filter(subject) &&
           ri_subject_covers(subject, ri_str_of(import->row.subject));
}

/* A token that is not right makes an import that is none, and no error: it may have been for an
 * export of yesterday. */
static int trust_activate(const ri_trust *trust, trust_account *importer, ri_claims_import *import)
{
    const ri_claims_account *exporter = trust_find(trust, ri_str_of(import->row.account));
    ri_jwt jwt;
    RI_ASSERT(import->row.account && !import->is_active);
    if (!exporter || !import->token.len) return RILL_OK;
    int rc = ri_jwt_read(&jwt, import->token, &importer->arena);
    if (rc < 0) return rc == RILL_ENOMEM ? rc : RILL_OK;
    if (!ri_str_is(jwt.type, "activation") || !ri_str_eq(jwt.subject, importer->claims.key) ||
        !trust_is_for(import, &jwt, &importer->arena) ||
        !trust_activates(exporter, &jwt, &importer->arena) || !ri_jwt_is_signed(&jwt))
        return RILL_OK;
    import->is_active = true;
    import->issued_s = jwt.issued_s;
    import->expires_s = jwt.expires_s;
    import->not_before_s = jwt.not_before_s;
    return RILL_OK;
}

static int trust_activate_all(ri_trust *trust)
{
    for (size_t i = 0; i < trust->naccounts; i++) {
        trust_account *account = &trust->accounts[i];
        for (size_t k = 0; k < account->claims.nimports; k++) {
            int rc = trust_activate(trust, account, &account->claims.imports[k]);
            if (rc < 0) return rc;
        }
    }
    return RILL_OK;
}

static void trust_free(ri_trust *trust)
{
    const ri_host *host = trust->host;
    for (size_t i = 0; i < trust->naccounts; i++) ri_arena_fini(&trust->accounts[i].arena);
    if (trust->accounts)
        ri_free(host, trust->accounts, ri_size_mul(trust->cap, sizeof *trust->accounts));
    ri_arena_fini(&trust->arena);
    ri_delete(host, trust);
}

static int trust_check_system(const ri_trust *trust)
{
    if (!trust->system || trust_find(trust, ri_str_of(trust->system))) return RILL_OK;
    return ri_err(RILL_EINVAL, "system_account: there is no JWT of %s", trust->system);
}

static int trust_set_sentinel(ri_trust *trust, const char *text)
{
    ri_jwt jwt;
    ri_claims_user user;
    if (!text) return RILL_OK;
    ri_str undressed = ri_jwt_undress(ri_str_of(text));
    int rc = trust_read(&jwt, text, &trust->arena);
    if (rc == RILL_OK) rc = ri_claims_read_user(&user, &jwt, &trust->arena);
    if (rc < 0) return rc == RILL_ENOMEM ? rc : ri_err_wrap(rc, "default sentinel JWT not valid");
    bool scoped = user.issuer_account.len > 0 && !user.rights.any; /* then his key says so */
    if (!user.rights.bearer && !scoped)
        return ri_err(RILL_EINVAL, "default sentinel must be a bearer token");
    trust->sentinel = ri_arena_copy(&trust->arena, undressed.ptr, undressed.len);
    return trust->sentinel ? RILL_OK : RILL_ENOMEM;
}

int ri_trust_new(const ri_host *host, const ri_trust_texts *texts, ri_trust **out)
{
    RI_ASSERT(host && out);
    *out = NULL;
    if (texts->noperators == 0 && texts->naccounts == 0) return RILL_OK;
    if (texts->noperators == 0)
        return ri_err(RILL_EINVAL, "JWTs of accounts need an operator who has signed them");
    ri_trust *trust = ri_new(host, ri_trust);
    if (!trust) return RILL_ENOMEM;
    trust->host = host;
    atomic_init(&trust->refs, 1);
    ri_arena_init(&trust->arena, host);
    int rc = trust_add_operators(trust, texts);
    if (rc == RILL_OK) rc = trust_add_accounts(trust, texts);
    if (rc == RILL_OK) rc = trust_activate_all(trust);
    if (rc == RILL_OK) rc = trust_check_system(trust);
    if (rc == RILL_OK) rc = trust_set_sentinel(trust, texts->sentinel);
    if (rc < 0) trust_free(trust);
    else *out = trust;
    return rc;
}

ri_trust *ri_trust_ref(ri_trust *trust)
{
    if (trust) atomic_fetch_add_explicit(&trust->refs, 1, memory_order_relaxed);
    return trust;
}

void ri_trust_unref(ri_trust *trust)
{
    if (!trust) return;
    RI_ASSERT(atomic_load(&trust->refs) > 0);
    if (atomic_fetch_sub_explicit(&trust->refs, 1, memory_order_acq_rel) == 1) trust_free(trust);
}

size_t ri_trust_count(const ri_trust *trust)
{
    return trust ? trust->naccounts : 0;
}

const ri_claims_account *ri_trust_at(const ri_trust *trust, size_t i)
{
    RI_ASSERT(i < trust->naccounts);
    return &trust->accounts[i].claims;
}

const char *ri_trust_system(const ri_trust *trust)
{
    return trust ? trust->system : NULL;
}

const char *ri_trust_sentinel(const ri_trust *trust)
{
    return trust ? trust->sentinel : NULL;
}

const ri_claims_account *ri_trust_claims_of(const ri_trust *trust, ri_str account)
{
    return trust && account.len ? trust_find(trust, account) : NULL;
}

ri_str ri_trust_name_of(const ri_trust *trust, ri_str account)
{
    const ri_claims_account *claims = ri_trust_claims_of(trust, account);
    return claims && claims->name.len ? claims->name : account;
}

bool ri_trust_same_account(const ri_trust *a, const ri_trust *b, ri_str key)
{
    RI_ASSERT(a && b);
    const trust_account *left = trust_find_account(a, key), *right = trust_find_account(b, key);
    if (!left || !right || strcmp(left->mark, right->mark) != 0) return false;
    return trust_signer(a, left->claims.issuer)->strict ==
           trust_signer(b, right->claims.issuer)->strict;
}

/* ---- Judging ---- */

typedef struct trust_hearing {
    const ri_host *host;
    const ri_trust *trust;         /* NULL: there are no operators, and no JWTs of accounts */
    const ri_trust_answer *answer; /* a service has made that JWT; NULL: he shows his own */
    const ri_trust_case *shown;
    ri_trust_verdict *out;
    ri_arena *arena;
    ri_claims_user user;
    const ri_claims_account *account; /* NULL: there are no JWTs of them */
    const char *place;             /* the account's key, or its name */
    ri_claims_rights rights;       /* his, or those of the key that has signed him */
} trust_hearing;

/* RILL_EAUTH, behind the verdict. */
static int trust_say(trust_hearing *h, ri_trust_why why, const char *text)
{
    h->out->why = why;
    snprintf(h->out->text, sizeof h->out->text, "%s", text);
    return RILL_EAUTH;
}

static int trust_refuse(trust_hearing *h, const char *text)
{
    return trust_say(h, RI_TRUST_REFUSED, text);
}

/* What the calls below have refused with a sentence of theirs. */
static int trust_pass_up(trust_hearing *h, int rc)
{
    if (rc == RILL_OK || rc == RILL_ENOMEM || rc == RILL_EAUTH) return rc;
    return trust_refuse(h, ri_err_text());
}

/* It was, at some time, and is no more: whoever is in already hears that. */
static int trust_expire(trust_hearing *h, ri_trust_why why, const char *text)
{
    return trust_say(h, h->shown->known ? why : RI_TRUST_REFUSED, text);
}

static void trust_until(trust_hearing *h, int64_t until_s, bool of_account)
{
    if (until_s >= h->out->until_s) return;
    h->out->until_s = until_s;
    h->out->account_ends = of_account;
}

static int trust_read_user(trust_hearing *h, ri_str text, ri_jwt *jwt)
{
    int rc = ri_jwt_read(jwt, text, h->arena);
    return rc < 0 ? rc : ri_claims_read_user(&h->user, jwt, h->arena);
}

static int trust_hear_user(trust_hearing *h)
{
    ri_jwt jwt;
    int64_t now_s = h->shown->now_s;
    const char *sentinel = h->answer ? NULL : ri_trust_sentinel(h->trust);
    int rc = trust_read_user(h, h->shown->jwt, &jwt);
    if (rc < 0 && rc != RILL_ENOMEM && sentinel)
        rc = trust_read_user(h, ri_str_of(sentinel), &jwt);
    if (rc < 0) return rc;
    if (!h->shown->known && !ri_jwt_is_signed(&jwt))
        return trust_refuse(h, "User JWT is not signed by its issuer");
    if (h->user.not_before_s > now_s) return trust_refuse(h, "User JWT is not yet valid");
    if (h->user.expires_s && h->user.expires_s <= now_s)
        return trust_expire(h, RI_TRUST_EXPIRED, "User JWT has expired");
    if (h->user.proxy) return trust_refuse(h, "proxy_required is not supported");
    if (h->user.expires_s) trust_until(h, h->user.expires_s, false);
    return RILL_OK;
}

static int trust_hear_account(trust_hearing *h)
{
    ri_str key = h->user.issuer_account.len ? h->user.issuer_account : h->user.issuer;
    int64_t now_s = h->shown->now_s;
    h->account = trust_find(h->trust, key);
    if (!h->account) return trust_refuse(h, "there is no JWT of his account");
    const ri_claims_account *account = h->account;
    h->place = account->key.ptr;
    if (account->not_before_s > now_s) return trust_refuse(h, "Account JWT is not yet valid");
    if (account->expires_s && account->expires_s <= now_s)
        return trust_expire(h, RI_TRUST_ACCOUNT_EXPIRED, "Account JWT has expired");
    if (account->expires_s) trust_until(h, account->expires_s, true);
    if (account->conns == 0) return trust_refuse(h, "his account may have no connections");
    return RILL_OK;
}

static int trust_templates(trust_hearing *h, const ri_claims_rights *scope)
{
    const ri_template_words words = {&h->user, h->account, h->user.issuer_account};
    ri_claims_rights *rights = &h->rights;
    static const char *const all[] = {">"};
    int rc = ri_template_apply(&rights->subscribe_allow, false, &words, h->arena);
    if (rc == RILL_OK) rc = ri_template_apply(&rights->subscribe_deny, true, &words, h->arena);
    if (rc == RILL_OK) rc = ri_template_apply(&rights->publish_allow, false, &words, h->arena);
    if (rc == RILL_OK) rc = ri_template_apply(&rights->publish_deny, true, &words, h->arena);
    if (rc < 0) return rc;
    if (scope->subscribe_allow.n && !rights->subscribe_allow.n)
        rights->subscribe_deny = (ri_claims_texts){(const char **)(uintptr_t)all, 1};
    if (scope->publish_allow.n && !rights->publish_allow.n)
        rights->publish_deny = (ri_claims_texts){(const char **)(uintptr_t)all, 1};
    return RILL_OK;
}

/* Whoever has signed him may do so, and says what he may do, if the key is a scoped one. */
static int trust_hear_signer(trust_hearing *h)
{
    const ri_claims_signer *signer = ri_claims_signer_of(h->account, h->user.issuer);
    const trust_key *operator = trust_signer(h->trust, h->account->issuer);
    RI_ASSERT(operator);
    bool own = ri_str_eq(h->account->key, h->user.issuer);
    if (!signer || (own && operator->strict))
        return trust_refuse(h, "User JWT issuer is not known");
    h->rights = h->user.rights;
    if (!signer->scope) return RILL_OK;
    if (h->user.rights.any)
        return trust_refuse(h, "scoped users require no permissions or limits set");
    h->rights = *signer->scope;
    return trust_templates(h, signer->scope);
}

static int trust_hear_type(trust_hearing *h)
{
    const ri_claims_texts *types = &h->rights.types;
    for (size_t i = 0; i < types->n; i++)
        if (ri_str_eq_nocase(ri_str_of(types->at[i]), ri_str_of(h->shown->type))) return RILL_OK;
    return types->n ? trust_refuse(h, "Connection type not allowed") : RILL_OK;
}

static int trust_hear_signature(trust_hearing *h)
{
    const ri_trust_case *shown = h->shown;
    if (h->rights.bearer && h->account->no_bearer)
        return trust_refuse(h, "Account does not allow bearer tokens");
    if (h->rights.bearer) return RILL_OK;
    if (!shown->known && !shown->signature.len) return trust_refuse(h, "Signature missing");
    h->out->is_signed = shown->known || (shown->nonce.len &&
                                         ri_nkey_signed(h->user.key, shown->nonce,
                                                        shown->signature));
    return h->out->is_signed ? RILL_OK : trust_refuse(h, "Signature not verified");
}

/* The first `bits` of both? */
static bool trust_same_bits(const uint8_t *a, const uint8_t *b, uint64_t bits)
{
    size_t bytes = (size_t)bits / 8, rest = (size_t)bits % 8;
    if (memcmp(a, b, bytes) != 0) return false;
    return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

/* An address within an IPv6 one, ::ffff:10.0.0.7, is as it would be without. */
static int trust_address(const char *text, uint8_t out[16])
{
    static const uint8_t within[12] = {[10] = 0xff, 0xff};
    if (inet_pton(AF_INET, text, out) == 1) return 4;
    if (inet_pton(AF_INET6, text, out) != 1) return 0;
    if (memcmp(out, within, sizeof within) != 0) return 16;
    memmove(out, out + sizeof within, 4);
    return 4;
}

static bool trust_is_within(const char *network, const uint8_t *address, int len)
{
    char text[64];
    uint8_t base[16];
    uint64_t bits;
    const char *slash = strchr(network, '/');
    if (!slash || (size_t)(slash - network) >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", (int)(slash - network), network);
    if (!ri_number_read(ri_str_of(slash + 1), &bits) || trust_address(text, base) != len)
        return false;
    return bits <= (uint64_t)len * 8 && trust_same_bits(base, address, bits);
}

static int trust_hear_place(trust_hearing *h)
{
    const ri_claims_texts *networks = &h->rights.networks;
    uint8_t address[16];
    if (!networks->n) return RILL_OK;
    int len = trust_address(h->shown->host, address);
    for (size_t i = 0; len && i < networks->n; i++)
        if (trust_is_within(networks->at[i], address, len)) return RILL_OK;
    return trust_refuse(h, "Bad src Ip");
}

/* "15:04:05", of a day's seconds; false: it is none. */
static bool trust_clock(ri_json value, int64_t *seconds)
{
    char text[16];
    ri_str rest = {text, ri_json_copy(value, text, sizeof text)}, part;
    static const uint64_t most[] = {23, 59, 59};
    *seconds = 0;
    for (size_t i = 0; i < RI_LEN(most); i++) {
        uint64_t n;
        if (!ri_str_cut(&rest, ':', &part) || part.len != 2 || !ri_number_read(part, &n) ||
            n > most[i])
            return false;
        *seconds = *seconds * 60 + (int64_t)n;
    }
    return !rest.len;
}

/* Of a range that may go over midnight; how many seconds are left of it; 0: it is not now. */
static int64_t trust_left(int64_t start, int64_t end, int64_t now)
{
    if (start < now && now < end) return end - now;
    if (start <= end) return 0;
    if (now < end) return end - now;
    return start < now ? end + TRUST_DAY - now : 0;
}

static int trust_hear_time(trust_hearing *h)
{
    const ri_trust_case *shown = h->shown;
    ri_json range, rest = ri_json_first(h->rights.times);
    int64_t most = 0, start, end;
    if (!ri_json_len(h->rights.times)) return RILL_OK;
    bool utc = ri_str_is(h->rights.place, "UTC");
    if (h->rights.place.len && !utc)
        return trust_refuse(h, "times_location other than UTC is not supported");
    int64_t east_s = utc ? 0 : shown->east_s;
    int64_t now = ((shown->now_s + east_s) % TRUST_DAY + TRUST_DAY) % TRUST_DAY;
    while (ri_json_item(&rest, &range)) {
        if (!trust_clock(ri_json_get(range, "start"), &start) ||
            !trust_clock(ri_json_get(range, "end"), &end))
            return trust_refuse(h, "a time of the day is not HH:MM:SS");
        int64_t left = trust_left(start, end, now);
        if (left > most) most = left;
    }
    if (most == 0) return trust_expire(h, RI_TRUST_EXPIRED, "Outside connect times");
    trust_until(h, shown->now_s + most, false);
    return RILL_OK;
}

static uint32_t trust_answers_max(const ri_claims_rights *rights)
{
    if (rights->answers_max < 0) return UINT32_MAX;
    return (uint32_t)RI_MIN(rights->answers_max, (int64_t)UINT32_MAX - 1);
}

static uint32_t trust_answers_ms(const ri_claims_rights *rights)
{
    if (rights->answers_ns < 0) return UINT32_MAX;
    int64_t ms = rights->answers_ns / 1000000 + (rights->answers_ns % 1000000 > 0);
    return (uint32_t)RI_MIN(ms, (int64_t)UINT32_MAX - 1);
}

static bool trust_permits(const ri_claims_rights *rights)
{
    return rights->publish_allow.n || rights->publish_deny.n || rights->subscribe_allow.n ||
           rights->subscribe_deny.n || rights->answers;
}

/* The lesser of both, of which -1 is none. */
static int64_t trust_lesser(int64_t a, int64_t b)
{
    if (a < 0 || b < 0) return RI_MAX(a, b);
    return RI_MIN(a, b);
}

static int trust_add_text(ri_claims_texts *list, const char *text, ri_arena *arena)
{
    RI_ASSERT(text && (list->at || !list->n));
    const char **at = ri_arena_alloc(arena, ri_size_mul(list->n + 1, sizeof *at));
    if (!at) return RILL_ENOMEM;
    if (list->n) memcpy(at, list->at, list->n * sizeof *at);
    at[list->n] = text;
    *list = (ri_claims_texts){at, list->n + 1};
    return RILL_OK;
}

int ri_trust_deny_callout(ri_claims_texts *publish, ri_claims_texts *subscribe, bool exempt,
                          ri_arena *arena)
{
    static const char asked[] = RI_CALLOUT_SUBJECT, answers[] = RI_CALLOUT_ANSWERS ">";
    int rc = trust_add_text(publish, asked, arena);
    if (exempt || rc < 0) return rc;
    rc = trust_add_text(publish, answers, arena);
    if (rc == RILL_OK) rc = trust_add_text(subscribe, asked, arena);
    return rc < 0 ? rc : trust_add_text(subscribe, answers, arena);
}

/* His rights, or those that his account has for who has none. */
static int trust_settle_rights(trust_hearing *h)
{
    ri_claims_rights *rights = &h->rights;
    const ri_claims_callout *callout = h->account ? &h->account->callout : NULL;
    bool inside = h->account ? ri_claims_has_callout(h->account)
                             : ri_str_is(h->answer->by->account, h->place);
    if (h->account && !trust_permits(rights)) {
        const ri_claims_rights *defaults = &h->account->defaults;
        rights->publish_allow = defaults->publish_allow;
        rights->publish_deny = defaults->publish_deny;
        rights->subscribe_allow = defaults->subscribe_allow;
        rights->subscribe_deny = defaults->subscribe_deny;
        rights->answers = defaults->answers;
        rights->answers_max = defaults->answers_max;
        rights->answers_ns = defaults->answers_ns;
    }
    if (!inside) return RILL_OK;
    bool exempt = !h->answer && ri_claims_is_exempt(callout, h->user.key);
    return ri_trust_deny_callout(&rights->publish_deny, &rights->subscribe_deny, exempt, h->arena);
}

/* What an answer does not say is no limit: nats-server's services leave it out. */
static int64_t trust_said(const trust_hearing *h, int64_t limit)
{
    return h->answer && limit == 0 ? -1 : limit;
}

/* As whom he is known: who was asked about has the name that the answer gives him. */
static void trust_name(const trust_hearing *h, rill_user *row)
{
    bool named = h->answer && h->user.name.len;
    for (size_t i = 0; named && i < h->user.name.len; i++)
        named = (unsigned char)h->user.name.ptr[i] >= ' ' && h->user.name.ptr[i] != 127;
    if (named) row->user = h->user.name.ptr;
    else row->nkey = h->user.key.ptr;
}

/* What his JWT says of him, for whoever looks at the broker. His account's own key is shown as that
 * account. */
static int trust_pin(const trust_hearing *h, ri_access_user *user)
{
    const ri_claims_texts *tags = &h->user.tags;
    ri_buffer text;
    ri_buffer_init(&text, h->host);
    for (size_t i = 0; i < tags->n; i++) {
        ri_buffer_puts(&text, i ? "," : "[");
        ri_json_put_string(&text, ri_str_of(tags->at[i]));
    }
    if (tags->n) ri_buffer_puts(&text, "]");
    ri_access_badge badge = {.name = h->user.name, .tags = ri_buffer_str(&text)};
    badge.issuer = h->user.issuer_account.len ? h->user.issuer : ri_str_of(h->place);
    int rc = text.failed ? RILL_ENOMEM : ri_access_pin(user, &badge);
    ri_buffer_fini(&text);
    return rc;
}

static int trust_let_in(trust_hearing *h)
{
    const ri_claims_rights *rights = &h->rights;
    const ri_claims_account *account = h->account;
    int64_t subs = trust_lesser(trust_said(h, rights->subs), account ? account->subs : -1);
    int64_t payload = trust_lesser(trust_said(h, rights->payload), account ? account->payload : -1);
    if (subs == 0) return trust_refuse(h, "he may have no subscriptions");
    int rc = trust_settle_rights(h);
    if (rc < 0) return rc;
    rill_user row = {
        .size = sizeof row, .account = h->place,
        .publish_allow = rights->publish_allow.at, .npublish_allow = rights->publish_allow.n,
        .publish_deny = rights->publish_deny.at, .npublish_deny = rights->publish_deny.n,
        .subscribe_allow = rights->subscribe_allow.at,
        .nsubscribe_allow = rights->subscribe_allow.n,
        .subscribe_deny = rights->subscribe_deny.at, .nsubscribe_deny = rights->subscribe_deny.n,
        .allow_responses = rights->answers, .responses_max = trust_answers_max(rights),
        .responses_ms = trust_answers_ms(rights)};
    trust_name(h, &row);
    rc = ri_access_new(h->host, &(const rill_user *){&row}, 1, &h->out->access);
    if (rc < 0) return rc;
    ri_access_limit(ri_access_first(h->out->access), subs, payload);
    rc = trust_pin(h, ri_access_first(h->out->access));
    if (rc < 0) {
        ri_access_unref(h->out->access);
        h->out->access = NULL;
        return rc;
    }
    h->out->why = RI_TRUST_LET_IN;
    return RILL_OK;
}

/* He is let in to be asked about. */
static void trust_note_callout(trust_hearing *h)
{
    if (!ri_claims_has_callout(h->account)) return;
    const ri_claims_callout *callout = &h->account->callout;
    if (!ri_claims_is_exempt(callout, h->user.key)) h->out->asks = callout;
}

static int trust_hear(trust_hearing *h)
{
    int rc = trust_hear_user(h);
    if (rc == RILL_OK) rc = trust_hear_account(h);
    if (rc == RILL_OK) rc = trust_hear_signer(h);
    if (rc == RILL_OK) rc = trust_hear_type(h);
    if (rc == RILL_OK) rc = trust_hear_signature(h);
    if (rc == RILL_OK && ri_claims_is_revoked(h->account, h->user.key, h->user.issued_s))
        rc = trust_say(h, RI_TRUST_REVOKED, "User authentication revoked");
    if (rc == RILL_OK) rc = trust_hear_place(h);
    if (rc == RILL_OK) rc = trust_hear_time(h);
    if (rc == RILL_OK) rc = trust_let_in(h);
    if (rc == RILL_OK) trust_note_callout(h);
    return rc;
}

/* ---- What a service has decided ---- */

/* The account that the answer names, by the one key that may name it. */
static int trust_hear_named(trust_hearing *h)
{
    RI_ASSERT(!h->trust && !h->account);
    if (h->user.issuer_account.len)
        return trust_refuse(h, "attempted to use issuer_account without operators");
    if (!ri_str_eq(h->user.issuer, h->answer->by->issuer))
        return trust_refuse(h, "Wrong issuer for auth callout response");
    if (!h->user.audience.len)
        return trust_refuse(h, "No valid account for auth callout response");
    h->place = h->user.audience.ptr;
    h->rights = h->user.rights;
    return RILL_OK;
}

/* May who was asked let users into that account? */
static bool trust_is_allowed(const ri_claims_callout *by, ri_str account)
{
    if (ri_str_eq(account, by->account)) return true;
    for (size_t i = 0; i < by->accounts.n; i++)
        if (ri_str_is(account, by->accounts.at[i]) || strcmp(by->accounts.at[i], "*") == 0)
            return true;
    return false;
}

/* Its own account, or one that it may let users into, has signed him. */
static int trust_hear_signed(trust_hearing *h)
{
    ri_str key = h->user.issuer_account.len ? h->user.issuer_account : h->user.issuer;
    if (!trust_is_allowed(h->answer->by, key))
        return trust_refuse(h, "account not permitted as valid account option for auth callout");
    int rc = trust_hear_account(h);
    if (rc == RILL_OK) rc = trust_hear_signer(h);
    if (rc == RILL_OK && ri_claims_is_revoked(h->account, h->user.key, h->user.issued_s))
        rc = trust_refuse(h, "User authentication revoked");
    return rc;
}

static int trust_hear_answer(trust_hearing *h)
{
    int rc = trust_hear_user(h);
    if (rc < 0) return rc;
    if (!ri_str_eq(h->user.key, h->answer->user))
        return trust_refuse(h, "Expected authorized user of another key");
    rc = h->trust ? trust_hear_signed(h) : trust_hear_named(h);
    if (rc == RILL_OK) rc = trust_hear_type(h);
    if (rc == RILL_OK) rc = trust_hear_place(h);
    if (rc == RILL_OK) rc = trust_hear_time(h);
    return rc < 0 ? rc : trust_let_in(h);
}

bool ri_trust_signs(const ri_trust *trust, ri_str account, ri_str key)
{
    const ri_claims_account *claims = trust_find(trust, account);
    return claims && ri_claims_signer_of(claims, key) != NULL;
}

/* ---- The verdict ---- */

static int trust_judge(trust_hearing *h)
{
    ri_arena arena;
    RI_ASSERT(h->shown->host && h->shown->type);
    ri_arena_init(&arena, h->host);
    h->arena = &arena;
    *h->out = (ri_trust_verdict){.until_s = INT64_MAX};
    int rc = trust_pass_up(h, h->answer ? trust_hear_answer(h) : trust_hear(h));
    ri_arena_fini(&arena);
    RI_ASSERT(rc < 0 || h->out->access);
    return rc == RILL_EAUTH ? RILL_OK : rc;
}

int ri_trust_judge(const ri_trust *trust, const ri_trust_case *shown, ri_trust_verdict *out)
{
    RI_ASSERT(trust && out);
    trust_hearing h = {.host = trust->host, .trust = trust, .shown = shown, .out = out};
    return trust_judge(&h);
}

int ri_trust_judge_answer(const ri_host *host, const ri_trust *trust, const ri_trust_case *shown,
                          const ri_trust_answer *answer, ri_trust_verdict *out)
{
    RI_ASSERT(answer->by && answer->user.len && !shown->known);
    trust_hearing h = {.host = host, .trust = trust, .shown = shown, .answer = answer, .out = out};
    return trust_judge(&h);
}
