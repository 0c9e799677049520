/* SPDX-License-Identifier: Apache-2.0 */
/* What a nats:// handle logs in with when the server sends a nonce, in virtual time
 * (support/far.h). */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "support/far.h"
#include "support/scratch.h"
#include "support/suite.h"

#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define OTHER "SUANPDM7WJ4XJAZ6PVQZYZM7GIJL7HNAY62PFLZN7EYWGBVLD55HHVJ3OI"

static far f;
static char dir[SCRATCH_LEN], path[SCRATCH_LEN + 16];

static int try_open(const rill_opts *opts)
{
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    return far_open(&f, "nats://a,b", opts);
}

static void end(void)
{
    if (f.bus) far_close(&f);
    fault_fini(&f.fault);
}

#ifdef RI_HAVE_SODIUM

static void refused(const rill_opts *opts, const char *why)
{
    ck_assert_rc(try_open(opts), RILL_EINVAL);
    ck_assert_msg(strstr(ri_err_text(), why), "%s", ri_err_text());
    end();
}

static void write_creds(const char *jwt, const char *seed)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n"
            "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", jwt, seed);
    fclose(file);
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

/* ed25519 signs the same with the same. */
static void take_signature(char out[128], const char *heard)
{
    const char *at = strstr(heard, "\"sig\":\"");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "\"sig\":\"%127[A-Za-z0-9_-]\"", out), 1);
    ck_assert_uint_eq(strlen(out), 86);
}

START_TEST(a_seed_signs_the_nonce)
{
    char first[128], second[128];
    ck_assert_ok(try_open(RILL_OPTS(rill_opts, .nkey_seed = SEED, .fixed_servers = true)));
    const char *heard = login("PXoWU7zWAMt75FY");
    ck_assert_ptr_nonnull(strstr(heard, "\"nkey\":\"" KEY "\""));
    ck_assert_ptr_null(strstr(heard, "jwt"));
    take_signature(first, heard);
    far_cut(&f);
    take_signature(second, login("another"));
    ck_assert_str_ne(first, second);
    far_cut(&f);
    far_pass(&f, 200 * RI_MS);
    heard = login(""); /* which does not ask: nothing is shown */
    ck_assert_ptr_null(strstr(heard, KEY));
    ck_assert_ptr_null(strstr(heard, "sig"));
    end();
}
END_TEST

/* The file is read anew for each connection: its JWT may have been replaced. */
START_TEST(credentials_are_read_again)
{
    char first[128], second[128];
    write_creds("eyJ0.one", SEED);
    ck_assert_ok(try_open(RILL_OPTS(rill_opts, .creds_file = path, .fixed_servers = true)));
    const char *heard = login("nonce");
    ck_assert_ptr_nonnull(strstr(heard, "\"jwt\":\"eyJ0.one\""));
    ck_assert_ptr_null(strstr(heard, "nkey"));
    take_signature(first, heard);
    write_creds("eyJ0.two", OTHER);
    far_cut(&f);
    heard = login("nonce");
    ck_assert_ptr_nonnull(strstr(heard, "\"jwt\":\"eyJ0.two\""));
    take_signature(second, heard);
    ck_assert_str_ne(first, second);
    far_say(&f, "PONG\r\n");
    far_pass(&f, RI_NATS_STOOD_NS);
    ck_assert_int_eq(unlink(path), 0); /* for a moment there is none: it is tried again */
    far_notes(&f);
    far_cut(&f);
    NOTES(&f, "DOWN ECONN\n");
    ck_assert_ptr_null(far_peer(&f)->conn.wire);
    write_creds("eyJ0.three", SEED);
    far_pass(&f, 200 * RI_MS);
    ck_assert_ptr_nonnull(strstr(login("nonce"), "\"jwt\":\"eyJ0.three\""));
    end();
}
END_TEST

/* Who opens a handle hears what is wrong. */
START_TEST(what_is_wrong_is_said)
{
    refused(RILL_OPTS(rill_opts, .nkey_seed = "SU"), "nkey_seed");
    refused(RILL_OPTS(rill_opts, .nkey_seed = KEY "AA"), "nkey_seed");
    refused(RILL_OPTS(rill_opts, .nkey_seed = SEED, .creds_file = path), "give one");
    refused(RILL_OPTS(rill_opts, .creds_file = "/no/such/file"), "/no/such/file");
    refused(RILL_OPTS(rill_opts, .creds_file = "/"), "is no file");
    write_creds("eyJ0", "SUAB");
    refused(RILL_OPTS(rill_opts, .creds_file = path), path);
    FILE *file = fopen(path, "w");
    fclose(file);
    refused(RILL_OPTS(rill_opts, .creds_file = path), "no block NATS USER JWT");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes there: it is not waited for */
    refused(RILL_OPTS(rill_opts, .creds_file = path), "is no file");
}
END_TEST

static int scarce_body(fault *given, void *arg)
{
    const rill_opts *const *opts = arg;
    memset(&f, 0, sizeof f);
    f.fault = *given;
    f.fault.hooks.arg = f.fault.host.arg = &f.fault;
    int rc = far_open(&f, "nats://a", *opts);
    if (rc == RILL_OK) {
        far_turn(&f);
        if (f.ndials) far_say(&f, FAR_INFO ",\"nonce\":\"n\"}\r\nPONG\r\n");
        far_close(&f);
    }
    *given = f.fault;
    return rc;
}

START_TEST(scarce)
{
    write_creds("eyJ0.one", SEED);
    const rill_opts by_file = {.size = sizeof by_file, .creds_file = path};
    const rill_opts by_seed = {.size = sizeof by_seed, .nkey_seed = SEED};
    const rill_opts *opts[] = {&by_file, &by_seed};
    for (size_t i = 0; i < RI_LEN(opts); i++) fault_each(scarce_body, &opts[i]);
}
END_TEST

#else

START_TEST(without_libsodium)
{
    ck_assert_rc(try_open(RILL_OPTS(rill_opts, .nkey_seed = SEED)), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "libsodium"));
    end();
}
END_TEST

#endif

static void make_place(void)
{
    scratch_make(dir);
    snprintf(path, sizeof path, "%s/user.creds", dir);
}

static void remove_place(void)
{
    scratch_remove(dir);
}

#ifdef RI_HAVE_SODIUM
#define TESTS a_seed_signs_the_nonce, credentials_are_read_again, what_is_wrong_is_said, scarce
#else
#define TESTS without_libsodium
#endif

SUITE_MAIN_ROWS("nats_keys", SUITE_WITH(make_place, remove_place, TESTS))
