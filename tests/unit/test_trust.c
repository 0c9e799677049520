/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs of NATS, and who is let in by them: those of NATS' own library, and ones that are wrong in
 * each way. */
#include "engine/access/trust.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/web/jwt.h"
#include "codec/web/nkey.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/mint.h"
#include "support/suite.h"

#ifdef RI_HAVE_SODIUM

#include "golden/jwt.h"

#define HEADER "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}"
#define NONCE "aN0nce-of_15..."
#define LIMITS "\"limits\":{\"subs\":-1,\"conn\":-1,\"payload\":-1}"
#define FREE "\"subs\":-1,\"payload\":-1,\"data\":-1"
#define NOW 2000

static int read_jwt(fault *f, const char *text)
{
    ri_arena arena;
    ri_jwt jwt;
    ri_arena_init(&arena, &f->host);
    int rc = ri_jwt_read(&jwt, (ri_str){guard_copy(text, strlen(text)), strlen(text)}, &arena);
    if (rc == RILL_OK && !ri_jwt_is_signed(&jwt)) rc = RILL_EAUTH;
    ri_arena_fini(&arena);
    guard_free();
    return rc;
}

START_TEST(those_of_the_library_are_read)
{
    fault f;
    fault_init(&f);
    ck_assert_ok(read_jwt(&f, golden_operator));
    ck_assert_ok(read_jwt(&f, golden_account));
    ck_assert_ok(read_jwt(&f, golden_user));
    ck_assert_ok(read_jwt(&f, golden_scoped));
    fault_fini(&f);
}
END_TEST

/* Cut at any byte, or changed in any, it says nothing that would be believed. */
START_TEST(one_that_was_changed_is_not_signed)
{
    fault f;
    char text[sizeof golden_user];
    fault_init(&f);
    for (size_t len = 0; len + 1 < sizeof golden_user; len++) {
        snprintf(text, len + 1, "%s", golden_user);
        text[len] = 0;
        ck_quick(read_jwt(&f, text) < 0);
    }
    for (size_t i = 0; i + 1 < sizeof golden_user; i++) {
        snprintf(text, sizeof text, "%s", golden_user);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        bool last = i + 2 == sizeof golden_user; /* of it only two bits count */
        int rc = read_jwt(&f, text);
        ck_quick(rc < 0 || (last && rc == RILL_OK));
    }
    fault_fini(&f);
}
END_TEST

static const struct { const char *header, *claims, *why; } wrong[] = {
    {"{\"typ\":\"JWT\",\"alg\":\"none\"}", "{}", "unexpected \"none\" algorithm"},
    {"{\"typ\":\"JWT\",\"alg\":\"HS256\"}", "{}", "unexpected \"HS256\""},
    {"{\"typ\":\"JWT\"}", "{}", "unexpected \"\""},
    {"{\"typ\":\"JWT\",\"alg\":\"ed25519\"}", "{}", "version 1"},
    {"{\"typ\":\"JWS\",\"alg\":\"ed25519-nkey\"}", "{}", "typ of JWT"},
    {"[]", "{}", "header is no object"},
    {"{", "{}", "header is no object"},
    {HEADER, "[1]", "claims is no object"},
    {HEADER, "{}", "no nats"},
    {HEADER, "{\"nats\":[]}", "no nats"},
    {HEADER, "{\"nats\":{}}", "version is 0"},
    {HEADER, "{\"nats\":{\"version\":1}}", "version is 1"},
    {HEADER, "{\"nats\":{\"version\":2}}", "issuer is no public nkey"},
    {HEADER, "{\"iss\":\"" MINT_ACCOUNT "\",\"nats\":{\"version\":2}}", "subject is no public"},
    {HEADER, "{\"iss\":\"" MINT_ACCOUNT_SEED "\",\"nats\":{\"version\":2}}", "issuer is no"},
    {HEADER, "{\"exp\":\"1\",\"nats\":{\"version\":2}}", "exp is no time"},
    {HEADER, "{\"nbf\":-1,\"nats\":{\"version\":2}}", "nbf is no time"},
    {HEADER, "{\"iat\":1.5,\"nats\":{\"version\":2}}", "iat is no time"},
    {HEADER, "{\"name\":\"a\\u0000b\",\"nats\":{\"version\":2}}", "has a 0"},
};

START_TEST(one_that_is_wrong_says_how)
{
    fault f;
    fault_init(&f);
    for (size_t i = 0; i < RI_LEN(wrong); i++) {
        const char *text = mint_raw(MINT_ACCOUNT_SEED, wrong[i].header, wrong[i].claims);
        ck_assert_rc(read_jwt(&f, text), RILL_EINVAL);
        ck_assert_msg(strstr(ri_err_text(), wrong[i].why), "%s: %s", wrong[i].why, ri_err_text());
    }
    ck_assert_rc(read_jwt(&f, ""), RILL_EINVAL);
    ck_assert_rc(read_jwt(&f, "a.b"), RILL_EINVAL);
    ck_assert_rc(read_jwt(&f, "a.b.c.d"), RILL_EINVAL);
    fault_fini(&f);
}
END_TEST

START_TEST(one_that_is_deep_or_huge_is_refused)
{
    fault f;
    char claims[2048] = "{\"nats\":";
    static char huge[RI_LIMIT_JWT + 2];
    fault_init(&f);
    for (int i = 0; i < 500; i++) strcat(claims, "[");
    ck_assert_rc(read_jwt(&f, mint_raw(MINT_ACCOUNT_SEED, HEADER, claims)), RILL_EINVAL);
    memset(huge, 'A', sizeof huge - 1);
    ck_assert_rc(read_jwt(&f, huge), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "at most"));
    fault_fini(&f);
}
END_TEST

START_TEST(it_is_found_where_it_stands)
{
    ck_assert_span(ri_jwt_undress(RI_STR(" eyJ0.a.b\r\n")), "eyJ0.a.b");
    ck_assert_span(ri_jwt_undress(RI_STR("--BEGIN\n--\n---X---\n\n eyJ0.a.b \n---Y---\n")),
                   "eyJ0.a.b");
    ck_assert_uint_eq(ri_jwt_undress(RI_STR("---X---\nabc\n---Y---\neyJ")).len, 0);
    ck_assert_uint_eq(ri_jwt_undress(RI_STR("")).len, 0);
}
END_TEST

/* ---- Whom a broker believes ---- */

typedef struct court {
    fault f;
    ri_trust *trust;
    ri_trust_verdict verdict;
} court;

static int open_court(court *c, const char *operator, const char *account)
{
    const ri_trust_texts texts = {.operators = &operator, .noperators = 1, .accounts = &account,
                                  .naccounts = account != NULL};
    return ri_trust_new(&c->f.host, &texts, &c->trust);
}

/* Signed by MINT_OPERATOR, with these claims. */
static void court_init(court *c, const char *head, const char *nats)
{
    *c = (court){0};
    fault_init(&c->f);
    ck_assert_ok(open_court(c, MINT_OPERATOR, mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT,
                                                   head, nats)));
}

static void court_fini(court *c)
{
    ri_access_unref(c->verdict.access);
    ri_trust_unref(c->trust);
    fault_fini(&c->f);
}

static ri_trust_case shown_of(const char *jwt, const char *seed)
{
    return (ri_trust_case){.jwt = ri_str_of(jwt), .nonce = RI_STR(NONCE),
                           .signature = ri_str_of(seed ? mint_sign(seed, NONCE) : NULL),
                           .host = "127.0.0.1", .type = "STANDARD", .now_s = NOW};
}

static ri_trust_why judge(court *c, const ri_trust_case *shown)
{
    ri_access_unref(c->verdict.access);
    ck_assert_ok(ri_trust_judge(c->trust, shown, &c->verdict));
    ck_assert((c->verdict.access != NULL) == (c->verdict.why == RI_TRUST_LET_IN));
    return c->verdict.why;
}

static ri_trust_why judge_user(court *c, const char *jwt)
{
    ri_trust_case shown = shown_of(jwt, MINT_USER_SEED);
    return judge(c, &shown);
}

static const char *user_jwt(const char *head, const char *nats)
{
    return mint(MINT_ACCOUNT_SEED, "user", MINT_USER, head, nats);
}

static bool may_publish(court *c, const char *subject)
{
    ri_verdicts verdicts;
    ri_verdicts_init(&verdicts, &c->f.host, NULL);
    bool may = ri_access_may_publish(ri_access_first(c->verdict.access), &verdicts,
                                     ri_str_of(subject));
    ri_verdicts_fini(&verdicts);
    return may;
}

static bool may_subscribe(court *c, const char *subject)
{
    bool watch;
    return ri_access_may_subscribe(ri_access_first(c->verdict.access), ri_str_of(subject),
                                   RI_STR_NONE, &watch);
}

START_TEST(users_of_the_library_are_let_in)
{
    court c = {0};
    fault_init(&c.f);
    ck_assert_rc(open_court(&c, golden_operator, golden_account), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "there is no JWT of " MINT_SYSTEM));
    ck_assert_ok(open_court(&c, MINT_SIGNER, golden_account));
    ck_assert_uint_eq(ri_trust_count(c.trust), 1);
    const ri_claims_account *account = ri_trust_at(c.trust, 0);
    ck_assert_span(account->name, "A");
    ck_assert(account->jetstream);
    ck_assert_int_eq(account->streams.max_storage, 1 << 20);
    ck_assert_int_eq(account->streams.max_memory, 0);
    ck_assert_int_eq(account->streams.max_streams, -1);
    ck_assert_int_eq(judge_user(&c, golden_user), RI_TRUST_LET_IN);
    ri_access_user *ann = ri_access_first(c.verdict.access);
    ck_assert_str_eq(ri_access_name(ann), MINT_USER);
    ck_assert_str_eq(ri_access_account(ann), MINT_ACCOUNT);
    ck_assert(may_publish(&c, "a.b") && !may_publish(&c, "b"));
    ri_trust_case shown = shown_of(golden_scoped, NULL); /* his template makes him a bearer */
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    ck_assert(may_publish(&c, "work.bob.x") && !may_publish(&c, "work.ann.x"));
    ck_assert(may_publish(&c, "tag.red") && may_publish(&c, "tag.blue"));
    ck_assert(!may_publish(&c, "tag.green"));
    ck_assert(may_subscribe(&c, "_INBOX.x") && !may_subscribe(&c, "x"));
    court_fini(&c);
}
END_TEST

START_TEST(a_user_has_to_sign)
{
    court c;
    court_init(&c, "", LIMITS);
    const char *jwt = user_jwt("", FREE);
    ri_trust_case shown = shown_of(jwt, MINT_USER_SEED);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    ck_assert_int_eq(c.verdict.until_s, INT64_MAX);
    shown.nonce = RI_STR("another nonce..");
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "Signature not verified");
    shown.nonce = RI_STR_NONE;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    shown = shown_of(jwt, MINT_OTHER_SEED);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    shown = shown_of(jwt, NULL);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "Signature missing");
    shown.known = true; /* he has signed before */
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    shown = shown_of(user_jwt("", FREE ",\"bearer_token\":true"), NULL);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    court_fini(&c);
    court_init(&c, "", "\"limits\":{\"subs\":-1,\"conn\":-1,\"disallow_bearer\":true}");
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "Account does not allow bearer tokens");
    court_fini(&c);
}
END_TEST

START_TEST(who_has_signed_him_counts)
{
    court c;
    court_init(&c, "", LIMITS);
    const char *stranger = mint(MINT_SYSTEM_SEED, "user", MINT_USER, "", FREE);
    ck_assert_int_eq(judge_user(&c, stranger), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "there is no JWT of his account");
    const char *borrowed = mint(MINT_SYSTEM_SEED, "user", MINT_USER, "",
                                FREE ",\"issuer_account\":\"" MINT_ACCOUNT "\"");
    ck_assert_int_eq(judge_user(&c, borrowed), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "User JWT issuer is not known");
    const char *himself = mint(MINT_USER_SEED, "user", MINT_USER, "", FREE);
    ck_assert_int_eq(judge_user(&c, himself), RI_TRUST_REFUSED);
    const char *operator = mint(MINT_OPERATOR_SEED, "user", MINT_USER, "", FREE);
    ck_assert_int_eq(judge_user(&c, operator), RI_TRUST_REFUSED);
    const char *account = mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT, "", LIMITS);
    ck_assert_int_eq(judge_user(&c, account), RI_TRUST_REFUSED);
    ck_assert_int_eq(judge_user(&c, "x"), RI_TRUST_REFUSED);
    court_fini(&c);
    fault_init(&c.f);
    const char *forged = mint(MINT_SIGNER_SEED, "account", MINT_ACCOUNT, "", LIMITS);
    ck_assert_rc(open_court(&c, MINT_OPERATOR, forged), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "not signed by trusted operator"));
    fault_fini(&c.f);
}
END_TEST

static void has_badge(const court *c, const char *issuer, const char *name, const char *tags)
{
    ri_access_badge badge = ri_access_badge_of(ri_access_first(c->verdict.access));
    ck_assert_span(badge.issuer, issuer);
    ck_assert_span(badge.name, name);
    ck_assert_span(badge.tags, tags);
}

/* The own key of an account is shown as that account; tags are as JSON has them. */
START_TEST(what_jwts_say_is_shown)
{
    court c;
    court_init(&c, "\"name\":\"acme\"", LIMITS ",\"signing_keys\":[\"" MINT_SCOPED "\"]");
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE)), RI_TRUST_LET_IN);
    has_badge(&c, MINT_ACCOUNT, "", "");
    const char *tags = FREE ",\"tags\":[\"a\",\"b\\\"\\u0001\"]";
    ck_assert_int_eq(judge_user(&c, user_jwt("\"name\":\"ann\"", tags)), RI_TRUST_LET_IN);
    has_badge(&c, MINT_ACCOUNT, "ann", "[\"a\",\"b\\\"\\u0001\"]");
    const char *jwt = mint(MINT_SCOPED_SEED, "user", MINT_USER, "",
                           FREE ",\"issuer_account\":\"" MINT_ACCOUNT "\"");
    ck_assert_int_eq(judge_user(&c, jwt), RI_TRUST_LET_IN);
    has_badge(&c, MINT_SCOPED, "", "");
    ck_assert_span(ri_trust_name_of(c.trust, RI_STR(MINT_ACCOUNT)), "acme");
    ck_assert_span(ri_trust_claims_of(c.trust, RI_STR(MINT_ACCOUNT))->name, "acme");
    ck_assert_span(ri_trust_name_of(c.trust, RI_STR(MINT_OTHER)), MINT_OTHER);
    ck_assert_span(ri_trust_name_of(NULL, RI_STR("A")), "A");
    ck_assert_ptr_null(ri_trust_claims_of(c.trust, RI_STR_NONE));
    ck_assert_ptr_null(ri_trust_claims_of(NULL, RI_STR("A")));
    court_fini(&c);
    court_init(&c, "", LIMITS); /* one without a name is shown by its key */
    ck_assert_span(ri_trust_name_of(c.trust, RI_STR(MINT_ACCOUNT)), MINT_ACCOUNT);
    court_fini(&c);
}
END_TEST

/* His account's own key signs nobody where its operator is strict. */
START_TEST(a_strict_operator_wants_signing_keys)
{
    court c = {0};
    fault_init(&c.f);
    const char *operator = mint(MINT_OPERATOR_SEED, "operator", MINT_OPERATOR, "",
                                "\"strict_signing_key_usage\":true,\"signing_keys\":[\""
                                MINT_SIGNER "\"]");
    const char *account = mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT, "", LIMITS);
    ck_assert_rc(open_court(&c, operator, account), RILL_EINVAL);
    account = mint(MINT_SIGNER_SEED, "account", MINT_ACCOUNT, "",
                   LIMITS ",\"signing_keys\":[\"" MINT_SCOPED "\"]");
    ck_assert_ok(open_court(&c, operator, account));
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE)), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "User JWT issuer is not known");
    const char *jwt = mint(MINT_SCOPED_SEED, "user", MINT_USER, "",
                           FREE ",\"issuer_account\":\"" MINT_ACCOUNT "\"");
    ck_assert_int_eq(judge_user(&c, jwt), RI_TRUST_LET_IN);
    court_fini(&c);
}
END_TEST

START_TEST(times_and_revocations)
{
    court c;
    court_init(&c, "\"exp\":4000", LIMITS ",\"revocations\":{\"" MINT_OTHER "\":5000,\"*\":999}");
    ck_assert_int_eq(judge_user(&c, user_jwt("\"nbf\":2001", FREE)), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "User JWT is not yet valid");
    ck_assert_int_eq(judge_user(&c, user_jwt("\"exp\":3000", FREE)), RI_TRUST_LET_IN);
    ck_assert_int_eq(c.verdict.until_s, 3000);
    ck_assert(!c.verdict.account_ends);
    ck_assert_int_eq(judge_user(&c, user_jwt("\"exp\":5000", FREE)), RI_TRUST_LET_IN);
    ck_assert_int_eq(c.verdict.until_s, 4000);
    ck_assert(c.verdict.account_ends);
    const char *jwt = user_jwt("\"exp\":3000", FREE);
    ri_trust_case shown = shown_of(jwt, MINT_USER_SEED);
    shown.now_s = 3000;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    shown.known = true;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_EXPIRED);
    jwt = user_jwt("", FREE);
    shown = shown_of(jwt, MINT_USER_SEED);
    shown.now_s = 4000;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    shown.known = true;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_ACCOUNT_EXPIRED);
    jwt = mint(MINT_ACCOUNT_SEED, "user", MINT_OTHER, "", FREE);
    shown = shown_of(jwt, MINT_OTHER_SEED);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REVOKED);
    court_fini(&c);
    court_init(&c, "", LIMITS ",\"revocations\":{\"*\":1000}");
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE)), RI_TRUST_REVOKED);
    court_fini(&c);
}
END_TEST

START_TEST(where_he_comes_from_and_how)
{
    static const struct { const char *networks, *host; bool in; } places[] = {
        {"\"127.0.0.0/8\"", "127.3.2.1", true},   {"\"127.0.0.0/8\"", "128.0.0.1", false},
        {"\"10.0.0.4/30\"", "10.0.0.7", true},    {"\"10.0.0.4/30\"", "10.0.0.8", false},
        {"\"0.0.0.0/0\"", "9.9.9.9", true},       {"\"10.0.0.1/33\"", "10.0.0.1", false},
        {"\"10.0.0.1\"", "10.0.0.1", false},      {"\"x\",\"10.0.0.1/32\"", "10.0.0.1", true},
        {"\"2001:db8::/32\"", "2001:db8::7", true}, {"\"2001:db8::/32\"", "10.0.0.1", false},
        {"\"10.0.0.0/8\"", "::ffff:10.1.1.1", true}, {"\"10.0.0.0/8\"", "@", false},
        {"\"10.0.0.0/\"", "10.0.0.1", false},
    };
    court c;
    char nats[256];
    court_init(&c, "", LIMITS);
    for (size_t i = 0; i < RI_LEN(places); i++) {
        snprintf(nats, sizeof nats, FREE ",\"src\":[%s]", places[i].networks);
        ri_trust_case shown = shown_of(user_jwt("", nats), MINT_USER_SEED);
        shown.host = places[i].host;
        ck_assert_msg((judge(&c, &shown) == RI_TRUST_LET_IN) == places[i].in, "%s from %s",
                      places[i].networks, places[i].host);
    }
    const char *jwt = user_jwt("", FREE ",\"allowed_connection_types\":[\"websocket\",\"X\"]");
    ri_trust_case shown = shown_of(jwt, MINT_USER_SEED);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "Connection type not allowed");
    shown.type = "WEBSOCKET";
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    court_fini(&c);
}
END_TEST

START_TEST(the_time_of_the_day)
{
    static const struct { const char *range; int64_t now_s; int64_t left; } days[] = {
        {"00:30:00\",\"end\":\"00:40:00", 2000, 400},  {"00:10:00\",\"end\":\"00:30:00", 2000, 0},
        {"00:40:00\",\"end\":\"00:50:00", 2000, 0},
        {"22:00:00\",\"end\":\"06:00:00", 2000, 19600},
        {"22:00:00\",\"end\":\"06:00:00", 82800, 25200}, {"22:00:00\",\"end\":\"00:20:00", 2000, 0},
        {"00:00:00\",\"end\":\"24:00:00", 2000, 0},    {"0:0:0\",\"end\":\"23:00:00", 2000, 0},
    };
    court c;
    char nats[256];
    court_init(&c, "", LIMITS);
    for (size_t i = 0; i < RI_LEN(days); i++) {
        snprintf(nats, sizeof nats, FREE ",\"times\":[{\"start\":\"%s\"}]", days[i].range);
        ri_trust_case shown = shown_of(user_jwt("", nats), MINT_USER_SEED);
        shown.now_s = days[i].now_s;
        bool in = judge(&c, &shown) == RI_TRUST_LET_IN;
        ck_assert_msg(in == (days[i].left > 0), "%s", days[i].range);
        if (in) ck_assert_int_eq(c.verdict.until_s, days[i].now_s + days[i].left);
    }
    snprintf(nats, sizeof nats, FREE ",\"times\":[{\"start\":\"01:30:00\",\"end\":\"01:40:00\"}]");
    ri_trust_case shown = shown_of(user_jwt("", nats), MINT_USER_SEED);
    shown.east_s = 3600;
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    const char *place = ",\"times_location\":\"Europe/Berlin\"";
    strncat(nats, place, sizeof nats - strlen(nats) - 1);
    ck_assert_int_eq(judge_user(&c, user_jwt("", nats)), RI_TRUST_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.verdict.text, "times_location"));
    court_fini(&c);
}
END_TEST

/* ---- Rights ---- */

#define SCOPE(template) LIMITS ",\"tags\":[\"zone:eu\"],\"signing_keys\":[{\"kind\":" \
    "\"user_scope\",\"key\":\"" MINT_SCOPED "\",\"template\":{" FREE "," template "}}]"

static const char *scoped_jwt(const char *head, const char *nats)
{
    char all[512];
    snprintf(all, sizeof all, "\"issuer_account\":\"" MINT_ACCOUNT "\"%s%s", *nats ? "," : "",
             nats);
    return mint(MINT_SCOPED_SEED, "user", MINT_USER, head, all);
}

START_TEST(templates_say_what_the_scoped_may)
{
    court c;
    court_init(&c, "\"name\":\"acc\"",
               SCOPE("\"pub\":{\"allow\":[\"{{account-name()}}.{{ Name() }}\",\"{{subject()}}\","
                     "\"{{account-subject()}}.>\",\"{{account-tag(Zone)}}.{{tag(a)}}.{{tag(a)}}\","
                     "\"gone.{{tag(none)}}\",\"{{}}\"]},"
                     "\"sub\":{\"allow\":[\"{{tag(none)}}\"]}"));
    const char *jwt = scoped_jwt("\"name\":\"ann\"", "\"tags\":[\"a:1\",\"a:2\",\"b:3\"]");
    ck_assert_int_eq(judge_user(&c, jwt), RI_TRUST_LET_IN);
    ck_assert(may_publish(&c, "acc.ann") && may_publish(&c, MINT_USER));
    ck_assert(may_publish(&c, MINT_ACCOUNT ".x") && may_publish(&c, "{{}}"));
    ck_assert(may_publish(&c, "eu.1.1") && may_publish(&c, "eu.2.2"));
    ck_assert(!may_publish(&c, "eu.1.2") && !may_publish(&c, "eu.3.3"));
    ck_assert(!may_publish(&c, "gone") && !may_publish(&c, "x"));
    ck_assert(!may_subscribe(&c, "x")); /* nothing that was allowed is left */
    ck_assert_int_eq(judge_user(&c, scoped_jwt("\"name\":\"a b\"", "")), RI_TRUST_LET_IN);
    ck_assert(!may_publish(&c, "acc.a"));
    ck_assert_int_eq(judge_user(&c, scoped_jwt("", "\"subs\":-1")), RI_TRUST_REFUSED);
    ck_assert_str_eq(c.verdict.text, "scoped users require no permissions or limits set");
    court_fini(&c);
}
END_TEST

START_TEST(templates_that_deny_have_to_say_what)
{
    static const char *const denied[] = {"x.{{tag(none)}}", "{{other()}}", "a.{{name()}}"};
    char nats[1024], tags[4096] = "\"tags\":[\"a:0\"";
    for (size_t i = 0; i < RI_LEN(denied); i++) {
        court c;
        snprintf(nats, sizeof nats, SCOPE("\"sub\":{\"deny\":[\"%s\"]}"), denied[i]);
        court_init(&c, "", nats);
        ck_assert_int_eq(judge_user(&c, scoped_jwt("", "")), RI_TRUST_REFUSED);
        court_fini(&c);
    }
    court c;
    court_init(&c, "", SCOPE("\"pub\":{\"allow\":[\"{{tag(a)}}.{{tag( a)}}.{{ tag(a)}}\"]}"));
    for (int i = 1; i < 40; i++)
        snprintf(tags + strlen(tags), sizeof tags - strlen(tags), ",\"a:%d\"", i);
    strcat(tags, "]");
    ck_assert_int_eq(judge_user(&c, scoped_jwt("", tags)), RI_TRUST_LET_IN); /* tag( a) is none */
    court_fini(&c);
    court_init(&c, "", SCOPE("\"pub\":{\"allow\":[\"{{tag(a)}}.{{ tag(a)}}\"]}"));
    ck_assert_int_eq(judge_user(&c, scoped_jwt("", tags)), RI_TRUST_REFUSED);
    ck_assert_ptr_nonnull(strstr(c.verdict.text, "more than 1000"));
    court_fini(&c);
}
END_TEST

START_TEST(what_a_user_may)
{
    court c;
    uint32_t max;
    int64_t for_ns;
    court_init(&c, "", "\"limits\":{\"subs\":7,\"conn\":-1,\"payload\":100},"
               "\"default_permissions\":{\"pub\":{\"allow\":[\"d\"]}}");
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE)), RI_TRUST_LET_IN);
    ck_assert(may_publish(&c, "d") && !may_publish(&c, "e"));
    ri_access_user *user = ri_access_first(c.verdict.access);
    ck_assert_uint_eq(ri_access_max_subs(user), 7);
    ck_assert_uint_eq(ri_access_max_msg_bytes(user), 100);
    const char *own = "\"subs\":3,\"payload\":500,\"pub\":{\"deny\":[\"x\"]},\"resp\":{\"max\":-1,"
                      "\"ttl\":-1}";
    ck_assert_int_eq(judge_user(&c, user_jwt("", own)), RI_TRUST_LET_IN);
    user = ri_access_first(c.verdict.access);
    ck_assert_uint_eq(ri_access_max_subs(user), 3);
    ck_assert_uint_eq(ri_access_max_msg_bytes(user), 100);
    ck_assert(ri_access_answers(user, &max, &for_ns));
    ck_assert_uint_eq(max, UINT32_MAX);
    ck_assert_int_eq(for_ns, INT64_MAX);
    ck_assert_int_eq(judge_user(&c, user_jwt("", "\"payload\":-1")), RI_TRUST_REFUSED);
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE ",\"pub\":{\"allow\":[\"a..b\"]}")),
                     RI_TRUST_REFUSED);
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE ",\"pub\":[]")), RI_TRUST_REFUSED);
    ck_assert_int_eq(judge_user(&c, user_jwt("", FREE ",\"proxy_required\":true")),
                     RI_TRUST_REFUSED);
    court_fini(&c);
}
END_TEST

static int open_sentinel(court *c, const char *sentinel)
{
    const char *operator = MINT_OPERATOR;
    const char *account = mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT, "", LIMITS);
    const ri_trust_texts texts = {.operators = &operator, .noperators = 1, .accounts = &account,
                                  .naccounts = 1, .sentinel = sentinel};
    return ri_trust_new(&c->f.host, &texts, &c->trust);
}

/* Who shows a JWT that can be read is judged by that one, and by no other. */
START_TEST(who_shows_none_is_the_sentinel)
{
    court c = {0};
    fault_init(&c.f);
    ck_assert_rc(open_sentinel(&c, "eyJ"), RILL_EINVAL);
    ck_assert_rc(open_sentinel(&c, mint(MINT_ACCOUNT_SEED, "user", MINT_USER, "", FREE)),
                 RILL_EINVAL);
    ck_assert_ok(open_sentinel(&c, mint(MINT_ACCOUNT_SEED, "user", MINT_USER, "",
                                        FREE ",\"bearer_token\":true")));
    ri_trust_case shown = shown_of("", NULL);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    ck_assert_str_eq(ri_access_name(ri_access_first(c.verdict.access)), MINT_USER);
    shown = shown_of("eyJ.eyJ.x", NULL);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_LET_IN);
    shown = shown_of(mint(MINT_ACCOUNT_SEED, "user", MINT_OTHER, "\"exp\":1", FREE), NULL);
    ck_assert_int_eq(judge(&c, &shown), RI_TRUST_REFUSED);
    court_fini(&c);
}
END_TEST

static const struct { const char *nats, *why; } bad_accounts[] = {
    {"\"limits\":[]", "is no object"},
    {"\"limits\":{\"conn\":\"1\"}", "is no number"},
    {"\"limits\":{\"conn\":-2}", "is no number"},
    {"\"signing_keys\":{}", "is no array"},
    {"\"signing_keys\":[\"" MINT_USER "\"]", "no key of an account"},
    {"\"signing_keys\":[{\"kind\":\"other\",\"key\":\"" MINT_SCOPED "\"}]", "unknown signing key"},
    {"\"revocations\":{\"*\":\"now\"}", "no time"},
    {"\"mappings\":{\"a\":[{\"subject\":\"b\",\"weight\":101}]}", "above 100"},
    {"\"mappings\":{\"a\":1}", "is no array"},
    {"\"authorization\":{\"auth_users\":[\"" MINT_ACCOUNT "\"]}", "no such key"},
    {"\"authorization\":{\"auth_users\":[\"*\"]}", "no such key"},
    {"\"authorization\":{\"auth_users\":[\"" MINT_USER "\"],\"allowed_accounts\":[\"x\"]}",
     "no such key"},
    {"\"authorization\":{\"allowed_accounts\":[\"*\"]}", "no auth_users"},
    {"\"authorization\":{\"auth_users\":[\"" MINT_USER "\"],\"xkey\":\"" MINT_USER "\"}",
     "no public xkey"},
    {"\"default_permissions\":{\"resp\":{\"ttl\":\"1s\"}}", "nanoseconds"},
};

START_TEST(an_account_that_is_wrong_says_how)
{
    for (size_t i = 0; i < RI_LEN(bad_accounts); i++) {
        court c = {0};
        fault_init(&c.f);
        int rc = open_court(&c, MINT_OPERATOR, mint(MINT_OPERATOR_SEED, "account", MINT_ACCOUNT,
                                                    "", bad_accounts[i].nats));
        ck_assert_int_lt(rc, 0);
        ck_assert_msg(strstr(ri_err_text(), bad_accounts[i].why), "%s: %s", bad_accounts[i].why,
                      ri_err_text());
        ck_assert_ptr_nonnull(strstr(ri_err_text(), MINT_ACCOUNT));
        fault_fini(&c.f);
    }
}
END_TEST

static int whole_body(fault *f, void *arg)
{
    const char *const *given = arg;
    ri_trust *trust;
    ri_trust_verdict verdict = {0};
    const ri_trust_texts texts = {.operators = &given[0], .noperators = 1, .accounts = &given[1],
                                  .naccounts = 1};
    int rc = ri_trust_new(&f->host, &texts, &trust);
    if (rc < 0) return rc;
    ri_trust_case shown = {.jwt = ri_str_of(given[2]), .host = "127.0.0.1", .type = "STANDARD",
                           .now_s = NOW};
    rc = ri_trust_judge(trust, &shown, &verdict);
    ri_access_unref(verdict.access);
    ri_trust_unref(trust);
    return rc;
}

START_TEST(each_allocation_fails_once)
{
    const char *given[] = {MINT_SIGNER, golden_account, golden_scoped};
    ck_assert_uint_gt(fault_each(whole_body, given), 8);
}
END_TEST

#else

START_TEST(without_libsodium)
{
    ck_assert_int_eq(ri_nkey_kind(RI_STR(MINT_OPERATOR)), 0);
    ck_assert(!ri_nkey_signed_by(RI_STR(MINT_OPERATOR), RI_STR("x"), RI_STR("y")));
}
END_TEST

#endif

#ifdef RI_HAVE_SODIUM
SUITE_MAIN("trust", those_of_the_library_are_read, one_that_was_changed_is_not_signed,
           one_that_is_wrong_says_how, one_that_is_deep_or_huge_is_refused,
           it_is_found_where_it_stands, users_of_the_library_are_let_in, a_user_has_to_sign,
           who_has_signed_him_counts, what_jwts_say_is_shown, a_strict_operator_wants_signing_keys,
           times_and_revocations, where_he_comes_from_and_how, the_time_of_the_day,
           templates_say_what_the_scoped_may, templates_that_deny_have_to_say_what,
           what_a_user_may, who_shows_none_is_the_sentinel, an_account_that_is_wrong_says_how,
           each_allocation_fails_once)
#else
SUITE_MAIN("trust", without_libsodium)
#endif
