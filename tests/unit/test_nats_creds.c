/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a nats:// handle logs in where rill_opts says it, by a name or by who is asked, in
 * virtual time (support/far.h). */
#include <stdlib.h>

#include "base/error.h"
#include "support/far.h"
#include "support/suite.h"

#define SECRET "s3cr\"et"
#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static far f;

static int try_open(const char *url, const rill_opts *opts)
{
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    return far_open(&f, url, opts);
}

static void end(void)
{
    if (f.bus) far_close(&f);
    fault_fini(&f.fault);
}

static void refused_at(const char *url, const rill_opts *opts, const char *why)
{
    ck_assert_rc(try_open(url, opts), RILL_EINVAL);
    ck_assert_msg(strstr(ri_err_text(), why), "%s", ri_err_text());
    ck_assert_ptr_null(strstr(ri_err_text(), "s3cr"));
    end();
}

static void refused(const rill_opts *opts, const char *why)
{
    refused_at("nats://a,b", opts, why);
}

/* CONNECT, to a server that sends this nonce; empty: none. */
static const char *login(const char *nonce)
{
    far_turn(&f);
    far_say(&f, FAR_INFO);
    if (nonce[0]) far_say(&f, ",\"nonce\":\"");
    if (nonce[0]) far_say(&f, nonce);
    far_say(&f, nonce[0] ? "\"}\r\n" : "}\r\n");
    return far_hear(&f);
}

/* ---- Names ---- */

START_TEST(a_name_of_the_options)
{
    char user[] = "ada", password[] = SECRET;
    ck_assert_ok(try_open("nats://a,b", RILL_OPTS(rill_opts, .user = user, .password = password,
                                                  .fixed_servers = true)));
    memset(user, 'x', sizeof user - 1); /* they were copied */
    memset(password, 'x', sizeof password - 1);
    for (int i = 0; i < 2; i++) { /* to each server, and again */
        const char *heard = login("");
        ck_assert_ptr_nonnull(strstr(heard, "\"user\":\"ada\""));
        ck_assert_ptr_nonnull(strstr(heard, "\"pass\":\"s3cr\\\"et\""));
        far_say(&f, "PONG\r\n");
        far_cut(&f);
    }
    end();
    ck_assert_ok(try_open("nats://a", RILL_OPTS(rill_opts, .token = "tok")));
    ck_assert_ptr_nonnull(strstr(login(""), "\"auth_token\":\"tok\""));
    end();
    ck_assert_ok(try_open("nats://a", RILL_OPTS(rill_opts, .user = "ada")));
    const char *heard = login("");
    ck_assert_ptr_nonnull(strstr(heard, "\"user\":\"ada\""));
    ck_assert_ptr_null(strstr(heard, "\"pass\""));
    end();
}
END_TEST

static int say_nothing(rill_creds *creds, void *arg)
{
    (void)creds;
    (void)arg;
    return RILL_OK;
}

START_TEST(what_is_wrong_is_said)
{
    static char many[65538];
    memset(many, 'a', sizeof many - 1);
    refused(RILL_OPTS(rill_opts, .user = "ada", .token = SECRET), "user and token");
    refused(RILL_OPTS(rill_opts, .password = SECRET), "no user");
    refused(RILL_OPTS(rill_opts, .user = ""), "user is empty");
    refused(RILL_OPTS(rill_opts, .token = ""), "token is empty");
    refused(RILL_OPTS(rill_opts, .user = many), "user has more than 65536 bytes");
    refused(RILL_OPTS(rill_opts, .user = "a", .password = many), "password has more");
    refused(RILL_OPTS(rill_opts, .token = many), "token has more");
    many[65536] = 0;
    ck_assert_ok(try_open("nats://a", RILL_OPTS(rill_opts, .token = many)));
    end();
    refused_at("nats://a,bob:s3cr@b", RILL_OPTS(rill_opts, .user = "ada"),
               "user and the login in the URL");
    refused_at("nats://s3cr@a", RILL_OPTS(rill_opts, .token = "t"), "token and the login");
    refused_at("nats://s3cr@a", RILL_OPTS(rill_opts, .on_creds = say_nothing), "on_creds and the");
    refused(RILL_OPTS(rill_opts, .user = "ada", .on_creds = say_nothing), "on_creds and user");
    refused(RILL_OPTS(rill_opts, .token = "t", .on_creds = say_nothing), "on_creds and token");
    refused(RILL_OPTS(rill_opts, .creds_file = "x", .on_creds = say_nothing),
            "on_creds and creds_file");
    refused(RILL_OPTS(rill_opts, .nkey_seed = "x", .on_creds = say_nothing),
            "on_creds and nkey_seed");
}
END_TEST

static uint32_t shown; /* blocks with a secret in them that were given back */

static void *watch(void *arg, void *p, size_t old_size, size_t new_size)
{
    static const char password[] = SECRET, token[] = "t0ken";
    const size_t len = RI_MIN(sizeof password, sizeof token) - 1;
    for (size_t i = 0; p && i + len <= old_size; i++) {
        const char *at = (const char *)p + i;
        if (memcmp(at, password, len) == 0 || memcmp(at, token, len) == 0) shown++;
    }
    char *got = supply_alloc(&((fault *)arg)->supply, p, old_size, new_size);
    if (got && new_size > old_size) memset(got + old_size, 0, new_size - old_size);
    return got; /* all of which may be looked at */
}

static void wipes(const char *url, const rill_opts *opts, int code)
{
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    f.fault.hooks.alloc = watch;
    ri_host_init(&f.fault.host, &f.fault.hooks);
    shown = 0;
    ck_assert_rc(far_open(&f, url, opts), code);
    end();
    ck_assert_uint_eq(shown, 0);
}

START_TEST(copies_are_wiped)
{
    wipes("nats://a", RILL_OPTS(rill_opts, .user = "ada", .password = SECRET), RILL_OK);
    wipes("nats://a", RILL_OPTS(rill_opts, .token = "t0ken"), RILL_OK);
    wipes("nats://a", RILL_OPTS(rill_opts, .token = "t0ken", .creds_file = "x", .nkey_seed = "x"),
          RILL_EINVAL); /* behind them */
}
END_TEST

/* A server's own words, which have nothing of what it was shown. */
START_TEST(a_wrong_password)
{
    ck_assert_ok(try_open("nats://a", RILL_OPTS(rill_opts, .user = "ada", .password = SECRET)));
    for (int i = 0; i < 2; i++) {
        login("");
        far_say(&f, "-ERR 'Authorization Violation'\r\n");
        far_pass(&f, 120 * RI_MS);
    }
    far_close(&f);
    ck_assert_str_eq(f.notes, "dial a:4222\nDOWN EAUTH\ndial a:4222\nCLOSED\n");
    ck_assert_str_eq(f.why, "nats://a:4222 says: Authorization Violation");
    end();
}
END_TEST

/* ---- Who is asked ---- */

static rill_creds answer; /* what he says */
static int verdict;       /* what he returns */
static int asked, released, inside;
static char nonce_seen[64], server_seen[64];

static void release(rill_creds *creds, void *arg)
{
    ck_assert_ptr_eq(arg, &f);
    released++;
    ck_assert_int_eq(rill_publish(f.bus, "a", "", 0, NULL), RILL_EDEADLK);
    /* What was lent is seen no more from now on. */
    if (creds->jwt) memset((char *)(uintptr_t)creds->jwt, 'x', strlen(creds->jwt));
}

static int ask(rill_creds *creds, void *arg)
{
    ck_assert_ptr_eq(arg, &f);
    ck_assert_uint_eq(creds->size, sizeof *creds);
    ck_assert(!creds->user && !creds->password && !creds->token && !creds->jwt && !creds->nkey);
    ck_assert(!creds->is_signed && !creds->release);
    if (f.bus) inside = rill_publish(f.bus, "a", "", 0, NULL);
    snprintf(server_seen, sizeof server_seen, "%s", creds->server);
    snprintf(nonce_seen, sizeof nonce_seen, "%s", creds->nonce ? creds->nonce : "(none)");
    const rill_creds given = *creds;
    *creds = answer;
    creds->size = given.size;
    asked++;
    return verdict;
}

static void ask_with(const rill_creds *creds)
{
    answer = *creds;
    asked = released = inside = verdict = 0;
    ck_assert_ok(try_open("nats://a", RILL_OPTS(rill_opts, .on_creds = ask)));
}

START_TEST(asked_for_each_login)
{
    char one[] = "eyJ0.one", two[] = "eyJ0.two";
    rill_creds creds = {.jwt = one, .is_signed = true, .release = release};
    memset(creds.signature, 0xfb, sizeof creds.signature);
    ask_with(&creds);
    ck_assert_int_eq(asked, 0); /* there is nobody yet who wants to know */
    const char *heard = login("PXoWU7zWAMt75FY");
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(released, 1);
    ck_assert_int_eq(inside, RILL_EDEADLK);
    ck_assert_str_eq(nonce_seen, "PXoWU7zWAMt75FY");
    ck_assert_str_eq(server_seen, "nats://a:4222");
    ck_assert_ptr_nonnull(strstr(heard, "\"jwt\":\"eyJ0.one\""));
    ck_assert_ptr_nonnull(strstr(heard, "\"sig\":\"-_v7-_v7")); /* base64 as URLs have it */
    ck_assert_ptr_null(strstr(heard, "=\""));
    ck_assert_ptr_null(strstr(heard, "nkey"));
    far_say(&f, "PONG\r\n");
    far_pass(&f, RI_NATS_STOOD_NS);
    answer = (rill_creds){.jwt = two};
    far_cut(&f);
    far_pass(&f, 200 * RI_MS);
    heard = login("another");
    ck_assert_int_eq(asked, 2);
    ck_assert_str_eq(nonce_seen, "another");
    ck_assert_ptr_nonnull(strstr(heard, "\"jwt\":\"eyJ0.two\""));
    ck_assert_ptr_null(strstr(heard, "\"sig\"")); /* a bearer's needs none */
    far_say(&f, "PONG\r\n");
    NOTES(&f, "dial a:4222\nUP\nDOWN ECONN\ndial a:4222\nUP\n");
    end();
}
END_TEST

/* A JWT runs out, which its server says: whoever is asked gives another. That is no refusal of a
 * login, however often it comes. */
START_TEST(one_that_has_run_out)
{
    char jwt[16], want[32];
    ask_with(&(rill_creds){.jwt = "eyJ0.0", .is_signed = true});
    for (int i = 0; i < 5; i++) {
        snprintf(jwt, sizeof jwt, "eyJ0.%d", i);
        snprintf(want, sizeof want, "\"jwt\":\"%s\"", jwt);
        answer.jwt = jwt;
        ck_assert_ptr_nonnull(strstr(login("n"), want));
        ck_assert_int_eq(asked, i + 1);
        far_say(&f, "PONG\r\n");
        far_pass(&f, RI_NATS_STOOD_NS);
        NOTES(&f, "dial a:4222\nUP\n");
        far_say(&f, "-ERR 'User Authentication Expired'\r\n");
        NOTES(&f, "DOWN EAUTH\n");
        ck_assert_str_eq(f.why, "nats://a:4222 says: User Authentication Expired");
        far_pass(&f, 200 * RI_MS);
    }
    end();
}
END_TEST

/* The end of that attempt, which is told; then there is another. */
static void fails(const rill_creds *creds, int code, const char *why)
{
    rill_creds given = *creds;
    given.release = release;
    ask_with(&given);
    verdict = code;
    login("n");
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(released, 1);
    ck_assert_msg(strstr(f.why, why), "%s", f.why);
    ck_assert_ptr_null(strstr(f.why, "s3cr"));
    ck_assert_ptr_null(strstr(far_hear(&f), "CONNECT"));
    NOTES(&f, "dial a:4222\nDOWN EAUTH\n");
    answer = (rill_creds){.user = "ada"};
    verdict = RILL_OK;
    far_pass(&f, 120 * RI_MS);
    ck_assert_ptr_nonnull(strstr(login("n"), "\"user\":\"ada\""));
    far_say(&f, "PONG\r\n");
    NOTES(&f, "dial a:4222\nUP\n");
    end();
}

#ifdef RI_HAVE_SODIUM
static void sign_by_a_seed(void)
{
    ask_with(&(rill_creds){.seed = SEED});
    const char *heard = login("PXoWU7zWAMt75FY");
    ck_assert_ptr_nonnull(strstr(heard, "\"nkey\":\"" KEY "\""));
    ck_assert_ptr_nonnull(strstr(heard, "\"sig\":\""));
    ck_assert_ptr_null(strstr(heard, "jwt"));
    ck_assert_ptr_null(strstr(heard, SEED));
    end();
    ask_with(&(rill_creds){.jwt = "eyJ0", .seed = SEED});
    heard = login("PXoWU7zWAMt75FY");
    ck_assert_ptr_nonnull(strstr(heard, "\"jwt\":\"eyJ0\""));
    ck_assert_ptr_nonnull(strstr(heard, "\"sig\":\""));
    ck_assert_ptr_null(strstr(heard, "nkey"));
    end();
    fails(&(rill_creds){.seed = "SU"}, RILL_OK, "on_creds() for nats://a:4222: seed: ");
}
#else
static void sign_by_a_seed(void)
{
    fails(&(rill_creds){.seed = SEED}, RILL_OK, "libsodium");
}
#endif

START_TEST(asked_for_a_seed)
{
    sign_by_a_seed();
    ask_with(&(rill_creds){.seed = SEED}); /* a server that asks for none */
    ck_assert_ptr_null(strstr(login(""), "sig"));
    end();
}
END_TEST

START_TEST(asked_for_a_name_or_a_key)
{
    ask_with(&(rill_creds){.user = "ada", .password = SECRET});
    const char *heard = login("n");
    ck_assert_ptr_nonnull(strstr(heard, "\"user\":\"ada\""));
    ck_assert_ptr_nonnull(strstr(heard, "\"pass\":\"s3cr\\\"et\""));
    end();
    ask_with(&(rill_creds){.nkey = "UKEY", .is_signed = true});
    heard = login("n");
    ck_assert_ptr_nonnull(strstr(heard, "\"nkey\":\"UKEY\""));
    ck_assert_ptr_nonnull(strstr(heard, "\"sig\":\"AAAA"));
    end();
    /* A server that sends no nonce is shown no key. */
    ask_with(&(rill_creds){.token = "tok", .jwt = "eyJ0", .nkey = "UKEY"});
    heard = login("");
    ck_assert_str_eq(nonce_seen, "(none)");
    ck_assert_ptr_nonnull(strstr(heard, "\"auth_token\":\"tok\""));
    ck_assert_ptr_null(strstr(heard, "eyJ0"));
    ck_assert_ptr_null(strstr(heard, "UKEY"));
    end();
    ask_with(&(rill_creds){0}); /* nobody */
    ck_assert_ptr_nonnull(strstr(login("n"), "CONNECT {"));
    end();
}
END_TEST

START_TEST(what_cannot_be)
{
    static char many[65538];
    memset(many, 'a', sizeof many - 1);
    fails(&(rill_creds){.user = "ada"}, RILL_ETIMEDOUT, "on_creds() for nats://a:4222: ETIMEDOUT");
    fails(&(rill_creds){.user = "ada"}, -12345, "on_creds() for nats://a:4222: EUNKNOWN");
    fails(&(rill_creds){.jwt = many}, RILL_OK, "on_creds() for nats://a:4222: jwt has more than");
    fails(&(rill_creds){.nkey = many}, RILL_OK, "nkey has more than");
    fails(&(rill_creds){.jwt = ""}, RILL_OK, "jwt is empty");
    fails(&(rill_creds){.user = "a", .token = SECRET}, RILL_OK, "user and token");
    fails(&(rill_creds){.password = SECRET}, RILL_OK, "no user");
    fails(&(rill_creds){.nkey = "UKEY"}, RILL_OK, "an nkey, and no signature");
    fails(&(rill_creds){.user = "a", .is_signed = true}, RILL_OK, "a signature, and no jwt");
    fails(&(rill_creds){.seed = SECRET, .nkey = KEY}, RILL_OK, "seed and nkey are two");
    fails(&(rill_creds){.seed = SECRET, .is_signed = true}, RILL_OK, "seed and signature are two");
}
END_TEST

/* A server that says INFO twice before he is asked, one with a nonce that is no text, and one that
 * has refused already. */
START_TEST(servers_that_say_more)
{
    ask_with(&(rill_creds){.user = "ada"});
    far_turn(&f);
    far_say(&f, FAR_INFO ",\"nonce\":\"one\"}\r\n" FAR_INFO ",\"nonce\":\"two\"}\r\n");
    ck_assert_int_eq(asked, 1);
    ck_assert_str_eq(nonce_seen, "two");
    end();
    ask_with(&(rill_creds){.user = "ada"});
    far_turn(&f);
    far_say(&f, FAR_INFO ",\"nonce\":\"a\\u0000b\"}\r\n");
    ck_assert_int_eq(asked, 0);
    NOTES(&f, "dial a:4222\nDOWN EPROTO\n");
    end();
    ask_with(&(rill_creds){.user = "ada"});
    far_turn(&f);
    far_say(&f, FAR_INFO "}\r\n-ERR 'maximum connections exceeded'\r\n");
    ck_assert_int_eq(asked, 0);
    far_pass(&f, 120 * RI_MS);
    login("");
    ck_assert_int_eq(asked, 1);
    ck_assert_str_eq(nonce_seen, "(none)");
    end();
}
END_TEST

/* ---- Memory ---- */

static int scarce_body(fault *given, void *arg)
{
    const rill_opts *const *opts = arg;
    memset(&f, 0, sizeof f);
    f.fault = *given;
    f.fault.hooks.arg = f.fault.host.arg = &f.fault;
    int rc = far_open(&f, "nats://a", *opts);
    if (rc == RILL_OK) {
        far_turn(&f);
        if (f.ndials) far_say(&f, FAR_INFO ",\"nonce\":\"n\"}\r\n");
        far_close(&f);
    }
    *given = f.fault;
    return rc;
}

START_TEST(scarce)
{
    const rill_opts by_name = {.size = sizeof by_name, .user = "ada", .password = "p"};
    const rill_opts by_token = {.size = sizeof by_token, .token = "t"};
    const rill_opts by_asking = {.size = sizeof by_asking, .on_creds = ask};
    const rill_opts *opts[] = {&by_name, &by_token, &by_asking};
    answer = (rill_creds){.jwt = "eyJ0", .is_signed = true};
    verdict = RILL_OK;
    for (size_t i = 0; i < RI_LEN(opts); i++)
        ck_assert_uint_gt(fault_each(scarce_body, &opts[i]), 0);
#ifdef RI_HAVE_SODIUM
    answer = (rill_creds){.seed = SEED};
    ck_assert_uint_gt(fault_each(scarce_body, &opts[2]), 0);
#endif
}
END_TEST

SUITE_MAIN("nats_creds", a_name_of_the_options, what_is_wrong_is_said, copies_are_wiped,
           a_wrong_password, asked_for_each_login, one_that_has_run_out, asked_for_a_seed,
           asked_for_a_name_or_a_key, what_cannot_be, servers_that_say_more, scarce)
