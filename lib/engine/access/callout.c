/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/callout.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/saturate.h"

#define CALLOUT_HEADER "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}"
#define CALLOUT_AUDIENCE "nats-authorization-request"

enum { CALLOUT_LINE = 64 }; /* characters of base64 in a line of PEM */

/* ---- What the configuration says ---- */

struct ri_callout {
    const ri_host *host;
    atomic_uint refs;
    ri_arena arena;
    ri_claims_callout rules; /* in the arena */
};

static int callout_copy(ri_str *to, ri_str from, ri_arena *arena)
{
    const char *copy = ri_arena_copy(arena, from.len ? from.ptr : "", from.len);
    *to = (ri_str){copy, from.len};
    return copy ? RILL_OK : RILL_ENOMEM;
}

static int callout_copy_texts(ri_claims_texts *to, const ri_claims_texts *from, ri_arena *arena)
{
    *to = (ri_claims_texts){0};
    if (from->n == 0) return RILL_OK;
    if (!(to->at = ri_arena_alloc(arena, ri_size_mul(from->n, sizeof *to->at)))) return RILL_ENOMEM;
    for (size_t i = 0; i < from->n; i++) {
        ri_str text;
        if (callout_copy(&text, ri_str_of(from->at[i]), arena) < 0) return RILL_ENOMEM;
        to->at[to->n++] = text.ptr;
    }
    return RILL_OK;
}

static int callout_check(const ri_claims_callout *rules)
{
    int rc = ri_nkey_check(RI_STR_NONE);
    RI_ASSERT(rc < 0);
    if (rc == RILL_ENOTSUP) return rc; /* there is no libsodium */
    if (ri_nkey_kind(rules->issuer) != 'A')
        return ri_err(RILL_EINVAL, "Expected callout user to be a valid public account nkey, got "
                      "\"%.*s\"", (int)RI_MIN(rules->issuer.len, (size_t)RI_NKEY_LEN),
                      rules->issuer.len ? rules->issuer.ptr : "");
    if (rules->xkey.len && !ri_xkey_is_public(rules->xkey))
        return ri_err(RILL_EINVAL, "Expected callout xkey to be a valid public xkey, got \"%.*s\"",
                      (int)RI_MIN(rules->xkey.len, (size_t)RI_NKEY_LEN), rules->xkey.ptr);
    if (rules->users.n == 0)
        return ri_err(RILL_EINVAL, "Authorization callouts require authorized users to be "
                      "specified");
    return RILL_OK;
}

int ri_callout_new(const ri_host *host, const ri_claims_callout *given, ri_callout **out)
{
    *out = NULL;
    int rc = callout_check(given);
    if (rc < 0) return rc;
    ri_callout *callout = ri_new(host, ri_callout);
    if (!callout) return RILL_ENOMEM;
    ri_claims_callout *rules = &callout->rules;
    callout->host = host;
    atomic_init(&callout->refs, 1);
    ri_arena_init(&callout->arena, host);
    ri_str account = given->account.len ? given->account : RI_STR("$G");
    rc = callout_copy(&rules->issuer, given->issuer, &callout->arena);
    if (rc == RILL_OK) rc = callout_copy(&rules->account, account, &callout->arena);
    if (rc == RILL_OK) rc = callout_copy(&rules->xkey, given->xkey, &callout->arena);
    if (rc == RILL_OK) rc = callout_copy_texts(&rules->users, &given->users, &callout->arena);
    if (rc == RILL_OK) rc = callout_copy_texts(&rules->accounts, &given->accounts, &callout->arena);
    if (rc < 0) ri_callout_unref(callout);
    else *out = callout;
    return rc;
}

ri_callout *ri_callout_ref(ri_callout *callout)
{
    if (callout) atomic_fetch_add_explicit(&callout->refs, 1, memory_order_relaxed);
    return callout;
}

void ri_callout_unref(ri_callout *callout)
{
    if (!callout) return;
    RI_ASSERT(atomic_load(&callout->refs) > 0);
    if (atomic_fetch_sub_explicit(&callout->refs, 1, memory_order_acq_rel) != 1) return;
    ri_arena_fini(&callout->arena);
    ri_delete(callout->host, callout);
}

const ri_claims_callout *ri_callout_rules(const ri_callout *callout)
{
    return callout ? &callout->rules : NULL;
}

static bool callout_same_texts(const ri_claims_texts *a, const ri_claims_texts *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->at[i], b->at[i]) != 0) return false;
    return true;
}

bool ri_callout_same(const ri_callout *a, const ri_callout *b)
{
    if (!a || !b) return a == b;
    const ri_claims_callout *x = &a->rules, *y = &b->rules;
    return ri_str_eq(x->issuer, y->issuer) && ri_str_eq(x->account, y->account) &&
           ri_str_eq(x->xkey, y->xkey) && callout_same_texts(&x->users, &y->users) &&
           callout_same_texts(&x->accounts, &y->accounts);
}

static int callout_guard_one(const ri_claims_callout *rules, const rill_user *row, ri_arena *arena,
                             rill_user *out)
{
    *out = *row;
    RI_ASSERT(rules->account.len && arena);
    ri_str name = ri_str_of(row->nkey ? row->nkey : row->user);
    ri_str account = ri_str_of(row->account && row->account[0] ? row->account : "$G");
    if (!ri_str_eq(account, rules->account)) return RILL_OK;
    ri_claims_texts publish = {(const char **)(uintptr_t)row->publish_deny, row->npublish_deny};
    ri_claims_texts subscribe = {(const char **)(uintptr_t)row->subscribe_deny,
                                 row->nsubscribe_deny};
    int rc = ri_trust_deny_callout(&publish, &subscribe, ri_claims_is_exempt(rules, name), arena);
    out->publish_deny = publish.at;
    out->npublish_deny = publish.n;
    out->subscribe_deny = subscribe.at;
    out->nsubscribe_deny = subscribe.n;
    return rc;
}

int ri_callout_guard(const ri_claims_callout *rules, const rill_user *const *users, size_t n,
                     ri_arena *arena, const rill_user ***out)
{
    rill_user *rows = ri_arena_alloc(arena, ri_size_mul(n + 1, sizeof *rows));
    const rill_user **list = ri_arena_alloc(arena, ri_size_mul(n + 1, sizeof *list));
    *out = list;
    if (!rows || !list) return RILL_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int rc = callout_guard_one(rules, users[i], arena, &rows[i]);
        if (rc < 0) return rc;
        list[i] = &rows[i];
    }
    return RILL_OK;
}

/* ---- What is known of him ---- */

/* A member, unless it is empty; `*first` is none yet. */
static void callout_put(ri_buffer *out, bool *first, const char *name, ri_str value)
{
    if (!value.len) return;
    ri_buffer_printf(out, "%s\"%s\":", *first ? "" : ",", name);
    ri_json_put_string(out, value);
    *first = false;
}

static void callout_put_text(ri_buffer *out, bool *first, const char *name, const char *value)
{
    callout_put(out, first, name, ri_str_of(value));
}

static void callout_put_client(ri_buffer *out, const ri_callout_facts *facts)
{
    bool first = true;
    const char *who = facts->nkey ? facts->nkey : facts->user ? facts->user : facts->token;
    ri_buffer_puts(out, ",\"client_info\":{");
    callout_put_text(out, &first, "host", facts->host);
    ri_buffer_printf(out, "%s\"id\":%llu", first ? "" : ",", (unsigned long long)facts->cid);
    first = false;
    callout_put_text(out, &first, "user", who);
    callout_put(out, &first, "name", facts->name);
    callout_put_text(out, &first, "kind", "Client");
    callout_put_text(out, &first, "type", facts->type);
    if (facts->sig) callout_put_text(out, &first, "nonce", facts->nonce);
    ri_buffer_puts(out, "}");
}

static void callout_put_connect(ri_buffer *out, const ri_callout_facts *facts)
{
    bool first = true;
    ri_buffer_puts(out, ",\"connect_opts\":{");
    callout_put_text(out, &first, "jwt", facts->jwt);
    callout_put_text(out, &first, "nkey", facts->nkey);
    callout_put_text(out, &first, "sig", facts->sig);
    callout_put_text(out, &first, "auth_token", facts->token);
    callout_put_text(out, &first, "user", facts->user);
    callout_put_text(out, &first, "pass", facts->password);
    callout_put(out, &first, "name", facts->name);
    callout_put(out, &first, "lang", facts->lang);
    callout_put(out, &first, "version", facts->version);
    ri_buffer_printf(out, "%s\"protocol\":%d}", first ? "" : ",", facts->protocol);
}

/* As a string of JSON, with its line ends. */
static void callout_put_pem(ri_buffer *out, ri_str der)
{
    ri_buffer base64;
    ri_buffer_init(&base64, out->host);
    ri_base64_put(&base64, der);
    ri_buffer_puts(out, "\"-----BEGIN CERTIFICATE-----\\n");
    for (ri_str rest = ri_buffer_str(&base64); rest.len;) {
        size_t n = RI_MIN(rest.len, (size_t)CALLOUT_LINE);
        ri_buffer_put(out, rest.ptr, n);
        ri_buffer_puts(out, "\\n");
        rest = ri_str_from(rest, n);
    }
    ri_buffer_puts(out, "-----END CERTIFICATE-----\\n\"");
    out->failed |= base64.failed;
    ri_buffer_fini(&base64);
}

static void callout_put_tls(ri_buffer *out, const ri_callout_facts *facts)
{
    bool first = true;
    if (!facts->tls_version) return;
    ri_buffer_puts(out, ",\"client_tls\":{");
    callout_put_text(out, &first, "version", facts->tls_version);
    callout_put_text(out, &first, "cipher", facts->tls_cipher);
    if (facts->cert.len) {
        ri_buffer_printf(out, "%s\"verified_chains\":[[", first ? "" : ",");
        callout_put_pem(out, facts->cert);
        ri_buffer_puts(out, "]]");
    }
    ri_buffer_puts(out, "}");
}

void ri_callout_put_facts(ri_buffer *out, const ri_callout_facts *facts)
{
    callout_put_client(out, facts);
    callout_put_connect(out, facts);
    callout_put_tls(out, facts);
    ri_buffer_puts(out, ",\"server_id\":{\"name\":");
    ri_json_put_string(out, facts->server_name);
    ri_buffer_puts(out, ",\"host\":");
    ri_json_put_string(out, facts->server_host);
    bool first = false;
    callout_put(out, &first, "version", facts->server_version);
}

/* ---- The letter ---- */

/* A password may be in it. */
static void callout_init(ri_buffer *text, const ri_host *host)
{
    ri_buffer_init(text, host);
    text->secret = true;
}

ri_callout_letter *ri_callout_letter_new(const ri_host *host, const ri_callout_keys *keys,
                                         ri_trust *trust, ri_callout *callout,
                                         const ri_claims_callout *rules)
{
    RI_ASSERT(!trust != !callout && rules->account.len);
    RI_ASSERT(host);
    if (!keys->seed[0]) return NULL; /* a broker without keys signs nothing */
    ri_callout_letter *letter = ri_new(host, ri_callout_letter);
    if (!letter) return NULL;
    letter->host = host;
    letter->keys = keys;
    letter->trust = trust;
    letter->callout = callout;
    letter->rules = rules;
    letter->asks = true;
    callout_init(&letter->text, host);
    return letter;
}

void ri_callout_letter_free(ri_callout_letter *letter)
{
    if (!letter) return;
    ri_access_unref(letter->verdict.access);
    ri_trust_unref(letter->trust);
    ri_callout_unref(letter->callout);
    ri_buffer_fini(&letter->text);
    ri_delete(letter->host, letter);
}

/* ---- The request ---- */

static void callout_put_claims(const ri_callout_letter *letter, ri_buffer *out)
{
    int64_t now_s = ri_wall_ns(letter->host) / RI_SEC;
    int64_t until_s = now_s + ((int64_t)letter->timeout_ms + 999) / 1000;
    const ri_claims_callout *rules = letter->rules;
    ri_buffer_printf(out, "{\"aud\":\"%s\",\"exp\":%lld,\"jti\":\"%s\",\"iat\":%lld,\"iss\":\"%s\","
                     "\"sub\":\"%.*s\",\"nats\":{\"user_nkey\":\"%s\"", CALLOUT_AUDIENCE,
                     (long long)until_s, letter->user, (long long)now_s, letter->keys->id,
                     RI_ARG(rules->issuer), letter->user);
    ri_buffer_put_str(out, ri_buffer_str(&letter->text)); /* it ends within "server_id" */
    ri_buffer_printf(out, ",\"id\":\"%s\"", letter->keys->id);
    if (rules->xkey.len) ri_buffer_printf(out, ",\"xkey\":\"%s\"", letter->keys->xkey.key);
    ri_buffer_puts(out, "},\"type\":\"authorization_request\",\"version\":2}}");
}

static void callout_put_part(ri_buffer *out, ri_str bytes)
{
    ri_base64_put_url(out, bytes);
    while (!out->failed && out->ptr[out->len - 1] == '=')
        ri_buffer_cut(out, ri_buffer_size(out) - 1);
}

/* The JWT of these claims, behind `out`, which is empty. */
static int callout_sign(const ri_callout_letter *letter, ri_str claims, ri_buffer *out)
{
    RI_ASSERT(claims.len && ri_buffer_size(out) == 0);
    callout_put_part(out, RI_STR(CALLOUT_HEADER));
    ri_buffer_puts(out, ".");
    callout_put_part(out, claims);
    if (out->failed) return RILL_ENOMEM;
    ri_buffer signature;
    ri_buffer_init(&signature, letter->host);
    int rc = ri_nkey_sign(ri_str_of(letter->keys->seed), ri_buffer_str(out), &signature);
    ri_buffer_puts(out, ".");
    ri_buffer_put_str(out, ri_buffer_str(&signature));
    ri_buffer_fini(&signature);
    return rc == RILL_OK && out->failed ? RILL_ENOMEM : rc;
}

static int callout_seal(ri_callout_letter *letter, ri_buffer *jwt)
{
    ri_buffer sealed;
    if (!letter->rules->xkey.len) return RILL_OK;
    ri_buffer_init(&sealed, letter->host);
    int rc = ri_xkey_seal(&letter->keys->xkey, letter->rules->xkey, letter->host,
                          ri_buffer_str(jwt), &sealed);
    ri_buffer_fini(jwt);
    *jwt = sealed;
    return rc;
}

static int callout_ask(ri_callout_letter *letter)
{
    char seed[RI_NKEY_SEED_LEN + 1];
    ri_buffer claims, jwt;
    RI_ASSERT(letter->asks && (ri_buffer_size(&letter->text) > 0 || letter->text.failed));
    int rc = ri_nkey_new(letter->host, 'U', seed, letter->user);
    explicit_bzero(seed, sizeof seed);
    if (rc < 0) return rc;
    callout_init(&claims, letter->host);
    callout_init(&jwt, letter->host);
    callout_put_claims(letter, &claims);
    rc = claims.failed || letter->text.failed ? RILL_ENOMEM : RILL_OK;
    if (rc == RILL_OK) rc = callout_sign(letter, ri_buffer_str(&claims), &jwt);
    if (rc == RILL_OK) rc = callout_seal(letter, &jwt);
    ri_buffer_fini(&claims);
    ri_buffer_fini(&letter->text);
    letter->text = jwt;
    return rc;
}

/* ---- The answer ---- */

static int callout_refuse(const char *why)
{
    return ri_err(RILL_EAUTH, "Auth callout violation: %s", why);
}

/* Opens it, if it is sealed. */
static int callout_open(ri_callout_letter *letter, bool *sealed)
{
    ri_str text = ri_buffer_str(&letter->text), xkey = letter->rules->xkey;
    ri_buffer opened;
    if (!text.len) return callout_refuse("no reason supplied");
    *sealed = xkey.len && !ri_str_starts(text, RI_STR("eyJ"));
    if (!*sealed) return RILL_OK;
    ri_buffer_init(&opened, letter->host);
    int rc = ri_xkey_open(&letter->keys->xkey, xkey, text, &opened);
    ri_buffer_fini(&letter->text);
    letter->text = opened;
    if (rc == RILL_OK || rc == RILL_ENOMEM) return rc;
    return ri_err_wrap(rc, "Error decrypting auth callout response");
}

static int callout_check_answer(const ri_callout_letter *letter, const ri_jwt *jwt)
{
    RI_ASSERT(letter->user[0] && letter->keys->id[0]);
    int64_t now_s = ri_wall_ns(letter->host) / RI_SEC;
    if (!ri_str_is(jwt->type, "authorization_response"))
        return callout_refuse("that JWT is no authorization_response");
    if (ri_nkey_kind(jwt->issuer) != 'A') return callout_refuse("it is not signed by an account");
    if (!ri_jwt_is_signed(jwt)) return callout_refuse("it is not signed by its issuer");
    if (jwt->not_before_s > now_s) return callout_refuse("it is not yet valid");
    if (jwt->expires_s && jwt->expires_s <= now_s) return callout_refuse("it has expired");
    if (!ri_str_is(jwt->subject, letter->user))
        return callout_refuse("auth callout response is not for expected user");
    if (!ri_str_is(jwt->audience, letter->keys->id))
        return callout_refuse("auth callout response is not for server");
    return RILL_OK;
}

static int callout_field(const ri_jwt *jwt, const char *name, ri_arena *arena, ri_str *out)
{
    ri_json value = ri_json_get(jwt->nats, name);
    *out = RI_STR("");
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(value) != RI_JSON_STRING)
        return ri_err(RILL_EAUTH, "Auth callout violation: \"%s\" of it is no text", name);
    return ri_jwt_string(value, arena, out);
}

/* In operator mode, and unless it is sealed: who answers is of the account that was asked. */
static int callout_check_issuer(const ri_callout_letter *letter, const ri_jwt *jwt, ri_arena *arena)
{
    ri_str key;
    int rc = callout_field(jwt, "issuer_account", arena, &key);
    if (rc < 0) return rc;
    if (key.len && !ri_str_eq(key, letter->rules->account))
        return ri_err(RILL_EAUTH, "Auth callout signing key is unknown");
    if (ri_trust_signs(letter->trust, letter->rules->account, jwt->issuer)) return RILL_OK;
    return ri_err(RILL_EAUTH, "Auth callout signing key is unknown");
}

static void callout_show(ri_str text, char *out, size_t room)
{
    snprintf(out, room, "%.*s", (int)RI_MIN(text.len, room - 1), text.ptr);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
}

static int callout_judge(ri_callout_letter *letter, const ri_jwt *jwt, ri_arena *arena)
{
    ri_str user, why;
    char shown[100];
    int rc = callout_field(jwt, "jwt", arena, &user);
    if (rc == RILL_OK) rc = callout_field(jwt, "error", arena, &why);
    if (rc < 0) return rc;
    if (!user.len == !why.len) return callout_refuse("it has not one of jwt and error");
    if (why.len) {
        callout_show(why, shown, sizeof shown);
        return ri_err(RILL_EAUTH, "Auth callout service returned an error: %s", shown);
    }
    const ri_trust_case shown_case = {
        .jwt = user, .host = letter->peer, .type = letter->type,
        .now_s = ri_wall_ns(letter->host) / RI_SEC, .east_s = letter->east_s};
    const ri_trust_answer answer = {.by = letter->rules, .user = ri_str_of(letter->user)};
    return ri_trust_judge_answer(letter->host, letter->trust, &shown_case, &answer,
                                 &letter->verdict);
}

static int callout_read(ri_callout_letter *letter, ri_arena *arena)
{
    ri_jwt jwt;
    bool sealed;
    int rc = callout_open(letter, &sealed);
    if (rc == RILL_OK) rc = ri_jwt_read(&jwt, ri_buffer_str(&letter->text), arena);
    if (rc == RILL_OK) rc = callout_check_answer(letter, &jwt);
    if (rc == RILL_OK && letter->trust && !sealed) rc = callout_check_issuer(letter, &jwt, arena);
    return rc < 0 ? rc : callout_judge(letter, &jwt, arena);
}

static int callout_hear(ri_callout_letter *letter)
{
    ri_arena arena;
    ri_trust_verdict *verdict = &letter->verdict;
    RI_ASSERT(letter->user[0] && !verdict->access);
    ri_arena_init(&arena, letter->host);
    int rc = callout_read(letter, &arena);
    ri_arena_fini(&arena);
    if (rc == RILL_OK || rc == RILL_ENOMEM) return rc;
    *verdict = (ri_trust_verdict){.why = RI_TRUST_REFUSED};
    snprintf(verdict->text, sizeof verdict->text, "%s", ri_err_text());
    return RILL_OK;
}

void ri_callout_work(ri_callout_letter *letter)
{
    letter->rc = letter->asks ? callout_ask(letter) : callout_hear(letter);
}
