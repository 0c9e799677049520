/* SPDX-License-Identifier: Apache-2.0 */
/* What a service is asked about who logs in, and each answer that may come: the right one, and
 * those of somebody who would like to come in. */
#include "engine/access/callout.h"

#include <stdio.h>

#include "base/error.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/mint.h"
#include "support/suite.h"

#ifdef RI_HAVE_SODIUM

#define NOW 2000
#define FREE "\"subs\":-1,\"payload\":-1,\"data\":-1"

enum { TEXT_MAX = 8192 };

typedef struct office {
    fault f;
    ri_callout_keys keys;    /* the server's */
    ri_xkey service;
    ri_callout *callout;     /* of the configuration, or ... */
    ri_trust *trust;         /* ... of operators */
    ri_callout_letter *letter;
    uint32_t timeout_ms;     /* 0: 1500 */
} office;

static const char *const service_names[] = {"auth"};

static ri_claims_callout rules_of(const office *o, bool sealed)
{
    return (ri_claims_callout){.issuer = RI_STR(MINT_ACCOUNT), .account = RI_STR("AUTH"),
                               .xkey = sealed ? ri_str_of(o->service.key) : RI_STR_NONE,
                               .users = {(const char **)(uintptr_t)service_names, 1}};
}

static int office_begin(office *o, bool sealed)
{
    const ri_host *host = &o->f.host;
    o->f.now_ns = NOW * RI_SEC;
    ck_assert_ok(ri_nkey_new(host, 'N', o->keys.seed, o->keys.id));
    ck_assert_ok(ri_xkey_new(&o->keys.xkey, host));
    ck_assert_ok(ri_xkey_new(&o->service, host));
    const ri_claims_callout rules = rules_of(o, sealed);
    return ri_callout_new(host, &rules, &o->callout);
}

/* What he shows: a password with all that JSON does not like. */
static const ri_callout_facts facts = {
    .server_name = RI_STR("here"), .server_host = RI_STR("0.0.0.0"),
    .server_version = RI_STR("2.15.2"), .host = "10.0.0.7", .cid = 12, .type = "nats",
    .name = RI_STR("desk"), .nonce = "n0nce", .user = "joe", .password = "p\"\\\n\xff",
    .protocol = 1, .tls_version = "1.3", .tls_cipher = "TLS_X", .cert = RI_STR("der")};

static int office_ask(office *o, const ri_claims_callout *rules)
{
    ri_callout_letter *letter = o->letter =
        ri_callout_letter_new(&o->f.host, &o->keys, o->trust, o->callout, rules);
    if (!letter) return RILL_ENOMEM;
    o->trust = NULL;
    o->callout = NULL;
    letter->timeout_ms = o->timeout_ms ? o->timeout_ms : 1500;
    letter->type = "STANDARD";
    snprintf(letter->peer, sizeof letter->peer, "10.0.0.7");
    ri_callout_put_facts(&letter->text, &facts);
    ri_callout_work(letter);
    return letter->rc;
}

static void office_open(office *o, bool sealed)
{
    *o = (office){0};
    fault_init(&o->f);
    ck_assert_ok(office_begin(o, sealed));
    ck_assert_ok(office_ask(o, ri_callout_rules(o->callout)));
}

static void office_clear(office *o)
{
    ri_callout_letter_free(o->letter);
    ri_callout_unref(o->callout);
    ri_trust_unref(o->trust);
}

static void office_close(office *o)
{
    office_clear(o);
    fault_fini(&o->f);
}

/* ---- The request ---- */

static void check_request(const office *o, ri_str text)
{
    ri_arena arena;
    ri_jwt jwt;
    ri_str user, shown;
    ri_arena_init(&arena, &o->f.host);
    ck_assert_ok(ri_jwt_read(&jwt, (ri_str){guard_copy(text.ptr, text.len), text.len}, &arena));
    ck_assert(ri_jwt_is_signed(&jwt));
    ck_assert_span(jwt.type, "authorization_request");
    ck_assert_span(jwt.subject, MINT_ACCOUNT);
    ck_assert_span(jwt.issuer, o->keys.id);
    ck_assert_span(jwt.audience, "nats-authorization-request");
    ck_assert_int_eq(jwt.issued_s, NOW);
    ck_assert_int_eq(jwt.expires_s, NOW + 2);
    ck_assert_ok(ri_jwt_string(ri_json_get(jwt.nats, "user_nkey"), &arena, &user));
    ck_assert_span(user, o->letter->user);
    ck_assert_int_eq(ri_nkey_kind(user), 'U');
    ri_json connect = ri_json_get(jwt.nats, "connect_opts"), tls;
    ck_assert_ok(ri_jwt_string(ri_json_get(connect, "pass"), &arena, &shown));
    ck_assert_msg(ri_str_starts(shown, RI_STR("p\"\\\n")), "%.*s", RI_ARG(shown));
    ck_assert_int_eq(ri_json_kind_of(ri_json_get(connect, "jwt")), RI_JSON_NULL);
    tls = ri_json_get(ri_json_get(jwt.nats, "client_tls"), "verified_chains");
    ck_assert_int_eq(ri_json_len(tls), 1);
    ck_assert_ok(ri_jwt_string(ri_json_get(ri_json_get(jwt.nats, "server_id"), "id"), &arena,
                               &shown));
    ck_assert_span(shown, o->keys.id);
    guard_free();
    ri_arena_fini(&arena);
}

START_TEST(what_is_asked)
{
    office o;
    office_open(&o, false);
    check_request(&o, ri_buffer_str(&o.letter->text));
    office_close(&o);
}
END_TEST

/* The longest time that can be said is not the shortest one. */
START_TEST(the_longest_time)
{
    office o = {0};
    ri_arena arena;
    ri_jwt jwt;
    fault_init(&o.f);
    o.timeout_ms = UINT32_MAX;
    ck_assert_ok(office_begin(&o, false));
    ck_assert_ok(office_ask(&o, ri_callout_rules(o.callout)));
    ri_arena_init(&arena, &o.f.host);
    ck_assert_ok(ri_jwt_read(&jwt, ri_buffer_str(&o.letter->text), &arena));
    ck_assert_int_eq(jwt.expires_s, NOW + UINT32_MAX / 1000 + 1);
    ri_arena_fini(&arena);
    office_close(&o);
}
END_TEST

/* A broker that could not make its keys asks nobody. */
START_TEST(without_keys)
{
    office o = {0};
    fault_init(&o.f);
    ck_assert_ok(office_begin(&o, false));
    memset(o.keys.seed, 0, sizeof o.keys.seed);
    ck_assert_int_eq(office_ask(&o, ri_callout_rules(o.callout)), RILL_ENOMEM);
    office_close(&o);
}
END_TEST

START_TEST(what_is_asked_under_seal)
{
    office o;
    ri_buffer text;
    ri_xkey stranger;
    office_open(&o, true);
    ri_buffer_init(&text, &o.f.host);
    ri_str sealed = ri_buffer_str(&o.letter->text), server = ri_str_of(o.keys.xkey.key);
    ck_assert(ri_str_starts(sealed, RI_STR("xkv1")));
    ck_assert_ok(ri_xkey_new(&stranger, &o.f.host));
    ck_assert_rc(ri_xkey_open(&stranger, server, sealed, &text), RILL_EINVAL);
    ck_assert_rc(ri_xkey_open(&o.service, ri_str_of(stranger.key), sealed, &text), RILL_EINVAL);
    ck_assert_ok(ri_xkey_open(&o.service, server, sealed, &text));
    check_request(&o, ri_buffer_str(&text));
    ri_buffer_fini(&text);
    office_close(&o);
}
END_TEST

/* ---- The answer ---- */

static void say(office *o, ri_str text)
{
    ri_buffer_reset(&o->letter->text);
    ri_buffer_put_str(&o->letter->text, text);
    o->letter->asks = false;
}

/* Why it lets nobody in, or "". */
static const char *hear(office *o, ri_str text)
{
    say(o, text);
    ri_access_unref(o->letter->verdict.access);
    o->letter->verdict = (ri_trust_verdict){0};
    ri_callout_work(o->letter);
    ck_assert_ok(o->letter->rc);
    bool in = o->letter->verdict.why == RI_TRUST_LET_IN;
    ck_assert(in == (o->letter->verdict.access != NULL));
    return in ? "" : o->letter->verdict.text;
}

static const char *response(const char *seed, const char *of, const char *to, const char *nats)
{
    char head[200];
    snprintf(head, sizeof head, "\"aud\":\"%s\"", to);
    return mint(seed, "authorization_response", of, head, nats);
}

static const char *with_jwt(const char *jwt)
{
    static char nats[TEXT_MAX];
    snprintf(nats, sizeof nats, "\"jwt\":\"%s\"", jwt);
    return nats;
}

/* The right answer, with these claims of the user. */
static const char *lets_in(const office *o, const char *head, const char *nats)
{
    const char *user = mint(MINT_ACCOUNT_SEED, "user", o->letter->user, head, nats);
    return response(MINT_ACCOUNT_SEED, o->letter->user, o->keys.id, with_jwt(user));
}

START_TEST(who_is_let_in)
{
    office o;
    ri_verdicts verdicts;
    ri_memory memory;
    office_open(&o, false);
    ri_memory_init(&memory);
    ri_verdicts_init(&verdicts, &o.f.host, &memory);
    ck_assert_str_eq(hear(&o, ri_str_of(lets_in(&o, "\"aud\":\"APP\",\"name\":\"joseph\","
                                                "\"exp\":2500", "\"pub\":{\"allow\":[\"a\"]}"))),
                     "");
    ri_access_user *user = ri_access_first(o.letter->verdict.access);
    ck_assert_str_eq(ri_access_name(user), "joseph");
    ck_assert_str_eq(ri_access_account(user), "APP");
    ck_assert_int_eq(o.letter->verdict.until_s, 2500);
    ck_assert(ri_access_may_publish(user, &verdicts, RI_STR("a")));
    ck_assert(!ri_access_may_publish(user, &verdicts, RI_STR("b")));
    ck_assert_uint_eq(ri_access_max_subs(user), UINT32_MAX); /* it says nothing of them */
    ck_assert_str_eq(hear(&o, ri_str_of(lets_in(&o, "\"aud\":\"AUTH\"", "\"subs\":3"))), "");
    user = ri_access_first(o.letter->verdict.access);
    ck_assert_str_eq(ri_access_name(user), o.letter->user);
    ck_assert_uint_eq(ri_access_max_subs(user), 3);
    ck_assert(!ri_access_may_publish(user, &verdicts, RI_STR(RI_CALLOUT_SUBJECT)));
    ck_assert(!ri_access_may_publish(user, &verdicts, RI_STR(RI_CALLOUT_ANSWERS "a.b")));
    ck_assert(ri_access_may_publish(user, &verdicts, RI_STR("$SYS.REQ.USER.INFO")));
    ri_verdicts_fini(&verdicts);
    office_close(&o);
}
END_TEST

START_TEST(who_is_not)
{
    office o;
    char key[RI_NKEY_LEN + 1], seed[RI_NKEY_SEED_LEN + 1], other[TEXT_MAX];
    office_open(&o, false);
    const char *own = o.letter->user, *here = o.keys.id, *by = MINT_ACCOUNT_SEED;
    const char *app = "\"aud\":\"APP\"";
    ck_assert_ok(ri_nkey_new(&o.f.host, 'N', seed, key));
    snprintf(other, sizeof other, "%s", mint(by, "user", own, app, FREE));
#define REFUSED(text, reason)                                                          \
    do {                                                                               \
        const char *why_ = hear(&o, ri_str_of(text));                                  \
        ck_assert_msg(strstr(why_, reason), "\"%s\" and not \"%s\"", why_, reason);    \
    } while (0)
    REFUSED("", "no reason supplied");
    REFUSED("yes", "that JWT is none");
    REFUSED("eyJ", "that JWT is none");
    REFUSED(other, "no authorization_response");
    REFUSED(response(by, own, here, "\"error\":\"go \\u0007 away\""), "an error: go ? away");
    REFUSED(response(by, own, here, "\"error\":7"), "is no text");
    REFUSED(response(by, own, here, "\"error\":\"\""), "not one of jwt and error");
    REFUSED(response(by, own, here, ""), "not one of jwt and error");
    REFUSED(response(by, own, key, with_jwt(other)), "not for server");
    REFUSED(response(by, own, "", with_jwt(other)), "not for server");
    REFUSED(response(by, MINT_USER, here, with_jwt(other)), "not for expected user");
    REFUSED(response(MINT_USER_SEED, own, here, with_jwt(other)), "not signed by an account");
    REFUSED(response(by, own, here, with_jwt(mint(by, "user", MINT_USER, app, FREE))),
            "user of another key");
    REFUSED(response(by, own, here, with_jwt(mint(MINT_SCOPED_SEED, "user", own, app, FREE))),
            "Wrong issuer");
    REFUSED(response(by, own, here, with_jwt(mint(by, "account", own, app, FREE))), "of type");
    REFUSED(lets_in(&o, "\"aud\":\"\"", FREE), "No valid account");
    REFUSED(lets_in(&o, "\"aud\":\"APP\",\"exp\":2000", FREE), "has expired");
    REFUSED(lets_in(&o, "\"aud\":\"APP\",\"nbf\":2001", FREE), "not yet valid");
    REFUSED(lets_in(&o, app, "\"issuer_account\":\"" MINT_SYSTEM "\""), "issuer_account");
    REFUSED(lets_in(&o, app, "\"src\":[\"10.1.0.0/16\"]"), "Bad src Ip");
    REFUSED(lets_in(&o, app, "\"allowed_connection_types\":[\"WEBSOCKET\"]"), "Connection type");
    REFUSED(lets_in(&o, app, "\"proxy_required\":true"), "proxy_required");
    REFUSED(lets_in(&o, app, "\"pub\":{\"allow\":[\"a b\"]}"), "not a valid subject");
    REFUSED(mint(by, "authorization_response", own, "\"exp\":1999", "\"error\":\"x\""), "expired");
    ck_assert_str_eq(hear(&o, ri_str_of(response(by, own, here, with_jwt(other)))), "");
    office_close(&o);
}
END_TEST

/* Cut at any byte, or changed in any. */
START_TEST(one_that_was_changed)
{
    office o;
    ri_buffer sealed;
    office_open(&o, true);
    ri_buffer_init(&sealed, &o.f.host);
    const char *clear = lets_in(&o, "\"aud\":\"APP\"", FREE);
    size_t len = strlen(clear);
    ck_assert_str_eq(hear(&o, ri_str_of(clear)), ""); /* it need not be sealed */
    for (size_t i = 0; i < len; i += 3) {
        ck_quick(hear(&o, (ri_str){clear, i})[0]);
        char text[TEXT_MAX];
        snprintf(text, sizeof text, "%s", clear);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        ck_quick(i + 1 == len || hear(&o, ri_str_of(text))[0]);
    }
    ck_assert_ok(ri_xkey_seal(&o.service, ri_str_of(o.keys.xkey.key), &o.f.host, ri_str_of(clear),
                              &sealed));
    ck_assert_str_eq(hear(&o, ri_buffer_str(&sealed)), "");
    for (size_t i = 0; i < sealed.len; i += 3) {
        ck_quick(hear(&o, (ri_str){sealed.ptr, i})[0]);
        sealed.ptr[i] ^= 1;
        ck_quick(hear(&o, ri_buffer_str(&sealed))[0]);
        sealed.ptr[i] ^= 1;
    }
    ri_buffer_reset(&sealed);
    ck_assert_ok(ri_xkey_seal(&o.keys.xkey, ri_str_of(o.keys.xkey.key), &o.f.host,
                              ri_str_of(clear), &sealed));
    ck_assert_ptr_nonnull(strstr(hear(&o, ri_buffer_str(&sealed)), "decrypting")); /* by another */
    ri_buffer_fini(&sealed);
    office_close(&o);
}
END_TEST

/* ---- With operators ---- */

static void office_operate(office *o, const char *authorization)
{
    const char *operator = MINT_OPERATOR;
    const char *accounts[] = {
        mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT, "", authorization),
        mint(MINT_OPERATOR_SEED, "account", MINT_SYSTEM, "",
             "\"limits\":{\"subs\":-1,\"conn\":-1,\"payload\":-1}")};
    const ri_trust_texts texts = {.operators = &operator, .noperators = 1, .accounts = accounts,
                                  .naccounts = 2};
    *o = (office){0};
    fault_init(&o->f);
    ck_assert_ok(office_begin(o, true));
    ri_callout_unref(o->callout);
    o->callout = NULL;
    ck_assert_ok(ri_trust_new(&o->f.host, &texts, &o->trust));
    const char *jwt = mint(MINT_ACCOUNT_SEED, "user", MINT_USER, "", FREE ",\"bearer_token\":true");
    const ri_trust_case shown = {.jwt = ri_str_of(jwt), .host = "10.0.0.7", .type = "STANDARD",
                                 .now_s = NOW};
    ri_trust_verdict verdict;
    ck_assert_ok(ri_trust_judge(o->trust, &shown, &verdict));
    ck_assert_msg(verdict.access && verdict.asks, "%s", verdict.text);
    ri_access_unref(verdict.access);
    ck_assert_ok(office_ask(o, verdict.asks));
}

#define AUTHORIZATION(accounts) "\"limits\":{\"subs\":-1,\"conn\":-1,\"payload\":-1}," \
    "\"authorization\":{\"auth_users\":[\"" MINT_OTHER "\"]" accounts "}"

START_TEST(whose_account_may_let_in)
{
    static const struct { const char *nats, *seed, *why; } rows[] = {
        {AUTHORIZATION(""), MINT_ACCOUNT_SEED, ""},
        {AUTHORIZATION(""), MINT_SYSTEM_SEED, "not permitted"},
        {AUTHORIZATION(",\"allowed_accounts\":[\"" MINT_SYSTEM "\"]"), MINT_SYSTEM_SEED, ""},
        {AUTHORIZATION(",\"allowed_accounts\":[\"*\"]"), MINT_SYSTEM_SEED, ""},
        {AUTHORIZATION(",\"allowed_accounts\":[\"*\"]"), MINT_SCOPED_SEED, "no JWT of his account"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        office o;
        office_operate(&o, rows[i].nats);
        const char *user = mint(rows[i].seed, "user", o.letter->user, "", FREE);
        const char *why = hear(&o, ri_str_of(response(MINT_ACCOUNT_SEED, o.letter->user, o.keys.id,
                                                      with_jwt(user))));
        ck_assert_msg(rows[i].why[0] ? strstr(why, rows[i].why) != NULL : !why[0], "%zu: %s", i,
                      why);
        why = hear(&o, ri_str_of(response(rows[i].seed, o.letter->user, o.keys.id,
                                          with_jwt(user))));
        ck_assert_msg(i == 0 ? !why[0] : why[0], "%zu: %s", i, why);
        office_close(&o);
    }
}
END_TEST

/* ---- The configuration ---- */

START_TEST(what_users_of_its_account_are_denied)
{
    static const char *const denied[] = {"x"};
    static const rill_user auth = {.user = "auth", .account = "AUTH"},
        aide = {.user = "aide", .account = "AUTH", .publish_deny = denied, .npublish_deny = 1},
        bob = {.user = "bob", .account = "APP"};
    const rill_user *const users[] = {&auth, &aide, &bob}, **guarded;
    office o;
    ri_arena arena;
    office_open(&o, false);
    ri_arena_init(&arena, &o.f.host);
    const ri_claims_callout rules = rules_of(&o, false);
    ck_assert_ok(ri_callout_guard(&rules, users, 3, &arena, &guarded));
    ck_assert_uint_eq(guarded[0]->npublish_deny, 1);
    ck_assert_uint_eq(guarded[0]->nsubscribe_deny, 0);
    ck_assert_str_eq(guarded[0]->publish_deny[0], RI_CALLOUT_SUBJECT);
    ck_assert_uint_eq(guarded[1]->npublish_deny, 3);
    ck_assert_str_eq(guarded[1]->publish_deny[0], "x");
    ck_assert_uint_eq(guarded[1]->nsubscribe_deny, 2);
    ck_assert_uint_eq(guarded[2]->npublish_deny + guarded[2]->nsubscribe_deny, 0);
    ri_arena_fini(&arena);
    office_close(&o);
}
END_TEST

START_TEST(a_configuration_that_is_wrong)
{
    office o;
    ri_callout *callout, *same;
    office_open(&o, true);
    ri_claims_callout rules = rules_of(&o, true);
    ck_assert_ok(ri_callout_new(&o.f.host, &rules, &callout));
    ck_assert_ok(ri_callout_new(&o.f.host, &rules, &same));
    ck_assert(ri_callout_same(callout, same) && !ri_callout_same(callout, NULL));
    ri_callout_unref(same);
    ri_callout_unref(callout);
    rules.issuer = RI_STR(MINT_USER);
    ck_assert_rc(ri_callout_new(&o.f.host, &rules, &callout), RILL_EINVAL);
    rules = rules_of(&o, true);
    rules.xkey = RI_STR(MINT_ACCOUNT);
    ck_assert_rc(ri_callout_new(&o.f.host, &rules, &callout), RILL_EINVAL);
    rules = rules_of(&o, true);
    rules.users.n = 0;
    ck_assert_rc(ri_callout_new(&o.f.host, &rules, &callout), RILL_EINVAL);
    office_close(&o);
}
END_TEST

/* ---- Memory ---- */

static int run(fault *f, void *arg)
{
    office *o = arg;
    fault own = o->f;
    f->now_ns = NOW * RI_SEC;
    o->f = *f; /* its host counts here */
    const ri_claims_callout rules = rules_of(o, true);
    int rc = ri_callout_new(&f->host, &rules, &o->callout);
    if (rc == RILL_OK) rc = office_ask(o, ri_callout_rules(o->callout));
    if (rc == RILL_OK) {
        const char *answer = lets_in(o, "\"aud\":\"APP\"", FREE);
        say(o, ri_str_of(answer));
        rc = o->letter->text.failed ? RILL_ENOMEM : RILL_OK;
    }
    if (rc == RILL_OK) {
        ri_callout_work(o->letter);
        rc = o->letter->rc;
    }
    if (rc == RILL_OK && !o->letter->verdict.access) rc = RILL_EAUTH;
    office_clear(o);
    o->letter = NULL;
    o->callout = NULL;
    o->f = own;
    return rc;
}

START_TEST(every_allocation_fails_once)
{
    office o = {0};
    fault_init(&o.f);
    ck_assert_ok(office_begin(&o, true));
    ri_callout_unref(o.callout);
    o.callout = NULL;
    ck_assert_uint_gt(fault_each(run, &o), 10);
    fault_fini(&o.f);
}
END_TEST

SUITE_MAIN("callout", what_is_asked, the_longest_time, without_keys, what_is_asked_under_seal,
           who_is_let_in, who_is_not, one_that_was_changed, whose_account_may_let_in,
           what_users_of_its_account_are_denied, a_configuration_that_is_wrong,
           every_allocation_fails_once)

#else

START_TEST(there_is_no_libsodium)
{
    ri_callout *callout;
    ri_host host;
    ri_host_init(&host, NULL);
    const ri_claims_callout rules = {.issuer = RI_STR("A")};
    ck_assert_rc(ri_callout_new(&host, &rules, &callout), RILL_ENOTSUP);
}
END_TEST

SUITE_MAIN("callout", there_is_no_libsodium)

#endif
