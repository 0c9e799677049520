/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of NATS, and the file that has one: what is well is read, and whatever is not is said. */
#include "codec/web/nkey.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/error.h"
#include "codec/web/creds.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

#ifdef RI_HAVE_SODIUM

#include <sodium.h>

/* From the pages that describe NATS: a user's seed, and the key of it. */
#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define ACCOUNT "SAABRKGXI4CPRJR44Y6N4XIAMPROXGYFI6OO2AVZQOQKA33267CEZ2BGFA"

static ri_str guarded(const char *text, size_t len)
{
    return (ri_str){guard_copy(text, len), len};
}

START_TEST(a_key_is_that_of_its_seed)
{
    char key[RI_NKEY_LEN + 1];
    ck_assert_ok(ri_nkey_check(guarded(SEED, RI_NKEY_SEED_LEN)));
    ck_assert_ok(ri_nkey_public(guarded(SEED, RI_NKEY_SEED_LEN), key));
    ck_assert_str_eq(key, KEY);
    ck_assert_ok(ri_nkey_public(RI_STR(ACCOUNT), key));
    ck_assert_int_eq(key[0], 'A');
    guard_free();
}
END_TEST

/* What is wrong is said, and no character of the seed is. */
START_TEST(a_seed_that_is_none)
{
    char text[RI_NKEY_SEED_LEN + 1], key[RI_NKEY_LEN + 1];
    for (size_t len = 0; len < RI_NKEY_SEED_LEN; len++)
        ck_assert_rc(ri_nkey_check(guarded(SEED, len)), RILL_EINVAL);
    for (size_t i = 0; i < RI_NKEY_SEED_LEN; i++) {
        snprintf(text, sizeof text, "%s", SEED);
        for (const char *c = "A7a1=\x7f "; *c; c++) {
            if (SEED[i] == *c) continue;
            text[i] = *c;
            bool last = i + 1 == RI_NKEY_SEED_LEN; /* of it only three bits count */
            int rc = ri_nkey_check(guarded(text, sizeof text - 1));
            ck_assert_msg(rc == RILL_EINVAL || (last && rc == RILL_OK), "%s", text);
            ck_assert_ptr_null(strstr(ri_err_text(), "CSSL3UAH"));
        }
        text[i] = 0;
        ck_assert_rc(ri_nkey_check(guarded(text, sizeof text - 1)), RILL_EINVAL);
    }
    ck_assert_rc(ri_nkey_check(RI_STR(ACCOUNT)), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "not that of a user"));
    ck_assert_rc(ri_nkey_public(RI_STR(KEY "AA"), key), RILL_EINVAL);
    guard_free();
}
END_TEST

static int sign_body(fault *f, void *arg)
{
    unsigned char signature[128], secret[crypto_sign_SECRETKEYBYTES];
    unsigned char key[crypto_sign_PUBLICKEYBYTES];
    ri_buffer out;
    size_t len;
    ri_str nonce = guarded(arg, strlen(arg));
    ri_buffer_init(&out, &f->host);
    int rc = ri_nkey_sign(RI_STR(SEED), nonce, &out);
    if (rc == RILL_OK) {
        ck_assert_uint_eq(ri_buffer_size(&out), 86); /* without padding */
        ck_assert_ok(ri_base64_read_url(ri_buffer_str(&out), (char *)signature, &len));
        ck_assert_uint_eq(len, crypto_sign_BYTES);
        /* The 32 bytes of the seed, by another reader of base32. */
        static const unsigned char raw[] = {
            0x29, 0x49, 0x7b, 0xa0, 0x0f, 0x41, 0xdd, 0x45, 0x93, 0x6b, 0x4c, 0xc4, 0xbd, 0xa1,
            0xde, 0xcb, 0x67, 0xc1, 0x28, 0xe6, 0x9f, 0xb3, 0xd4, 0x90, 0xee, 0x82, 0x0d, 0xaf,
            0x7c, 0x31, 0x8c, 0x0a};
        crypto_sign_seed_keypair(key, secret, raw);
        ck_assert_int_eq(crypto_sign_verify_detached(signature, (const unsigned char *)nonce.ptr,
                                                     nonce.len, key), 0);
    }
    ri_buffer_fini(&out);
    guard_free();
    return rc;
}

START_TEST(a_signature_is_one)
{
    static const char *const nonces[] = {"", "x", "PXoWU7zWAMt75FY"};
    for (size_t i = 0; i < RI_LEN(nonces); i++)
        ck_assert_uint_gt(fault_each(sign_body, (void *)(uintptr_t)nonces[i]), 0);
}
END_TEST

START_TEST(a_public_key_that_is_none)
{
    char text[RI_NKEY_LEN + 1];
    ck_assert_ok(ri_nkey_check_user(guarded(KEY, RI_NKEY_LEN)));
    for (size_t len = 0; len < RI_NKEY_LEN; len++)
        ck_assert_rc(ri_nkey_check_user(guarded(KEY, len)), RILL_EINVAL);
    for (size_t i = 0; i < RI_NKEY_LEN; i++) {
        snprintf(text, sizeof text, "%s", KEY);
        for (const char *c = "A7a1=\x7f "; *c; c++) {
            if (KEY[i] == *c) continue;
            text[i] = *c;
            ck_assert_rc(ri_nkey_check_user(guarded(text, RI_NKEY_LEN)), RILL_EINVAL);
            ck_assert_ptr_nonnull(strstr(ri_err_text(), "public nkey"));
        }
    }
    char account[RI_NKEY_LEN + 1];
    ck_assert_ok(ri_nkey_public(RI_STR(ACCOUNT), account));
    ck_assert_rc(ri_nkey_check_user(ri_str_of(account)), RILL_EINVAL);
    ck_assert_rc(ri_nkey_check_user(RI_STR(SEED)), RILL_EINVAL);
    guard_free();
}
END_TEST

/* By that key, of that text, and whole; in both alphabets, padded or not. */
START_TEST(who_has_signed)
{
    fault f;
    ri_buffer sig, padded;
    fault_init(&f);
    for (int i = 0; i < 40; i++) {
        char text[16];
        snprintf(text, sizeof text, "nonce %d", i);
        ri_str nonce = ri_str_of(text);
        ri_buffer_init(&sig, &f.host);
        ri_buffer_init(&padded, &f.host);
        ck_assert_ok(ri_nkey_sign(RI_STR(SEED), nonce, &sig));
        ri_str made = ri_buffer_str(&sig);
        ck_assert(ri_nkey_signed(RI_STR(KEY), nonce, guarded(made.ptr, made.len)));
        ck_assert(!ri_nkey_signed(RI_STR(KEY), RI_STR("another"), made));
        ri_buffer_put(&padded, made.ptr, made.len);
        ri_buffer_puts(&padded, "==");
        ck_assert(ri_nkey_signed(RI_STR(KEY), nonce, ri_buffer_str(&padded)));
        for (size_t k = 0; k < padded.len; k++) {
            if (padded.ptr[k] == '-') padded.ptr[k] = '+';
            if (padded.ptr[k] == '_') padded.ptr[k] = '/';
        }
        ck_assert(ri_nkey_signed(RI_STR(KEY), nonce, ri_buffer_str(&padded)));
        ck_assert(ri_nkey_signed(RI_STR(KEY), nonce, (ri_str){padded.ptr, made.len}));
        for (size_t cut = 0; cut < made.len; cut++)
            ck_quick(!ri_nkey_signed(RI_STR(KEY), nonce, guarded(made.ptr, cut)));
        padded.ptr[i] = padded.ptr[i] == 'A' ? 'B' : 'A';
        ck_assert(!ri_nkey_signed(RI_STR(KEY), nonce, ri_buffer_str(&padded)));
        ri_buffer_fini(&padded);
        ri_buffer_fini(&sig);
    }
    guard_free();
    fault_fini(&f);
}
END_TEST

#else

START_TEST(without_libsodium)
{
    ck_assert_rc(ri_nkey_check_user(RI_STR("U")), RILL_ENOTSUP);
    ck_assert(!ri_nkey_signed(RI_STR("U"), RI_STR("x"), RI_STR("y")));
    char key[RI_NKEY_LEN + 1];
    ri_buffer out = {0};
    ck_assert_rc(ri_nkey_check(RI_STR("S")), RILL_ENOTSUP);
    ck_assert_rc(ri_nkey_public(RI_STR("S"), key), RILL_ENOTSUP);
    ck_assert_rc(ri_nkey_sign(RI_STR("S"), RI_STR("x"), &out), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "libsodium"));
}
END_TEST

#endif

/* ---- The file ---- */

#define JWT_BLOCK "-----BEGIN NATS USER JWT-----\neyJ0.eyJq_-.c2ln\n------END NATS USER JWT------\n"
#define SEED_BLOCK "-----BEGIN USER NKEY SEED-----\nSUAB\n------END USER NKEY SEED------\n"
#define WORDS "\n****** IMPORTANT ******\nNKEY Seed printed below can be used to sign.\n\n"

static const struct { const char *text, *missing; } files[] = {
    {JWT_BLOCK WORDS SEED_BLOCK, NULL},
    {SEED_BLOCK JWT_BLOCK, NULL},
    {"---BEGIN NATS USER JWT---\r\n\r\n  eyJ0.eyJq_-.c2ln \r\n---END NATS USER JWT---\r\n"
     "---BEGIN USER NKEY SEED---\r\n\tSUAB\r\n---END USER NKEY SEED---", NULL},
    {"", "JWT"},
    {JWT_BLOCK, "SEED"},
    {SEED_BLOCK, "JWT"},
    {"--BEGIN NATS USER JWT--\nx\n--END NATS USER JWT--\n" SEED_BLOCK, "JWT"},
    {"-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n" SEED_BLOCK, "JWT"},
    {"-----BEGIN NATS USER JWT-----\na\nb\n------END NATS USER JWT------\n" SEED_BLOCK, "JWT"},
    {"-----BEGIN NATS USER JWT-----\na b\n------END NATS USER JWT------\n" SEED_BLOCK, "JWT"},
    {"-----BEGIN NATS USER JWT-----\n\"a\"\n------END NATS USER JWT------\n" SEED_BLOCK, "JWT"},
    {"-----BEGIN NATS USER JWT----- \na\n------END NATS USER JWT\n" SEED_BLOCK, "JWT"},
};

START_TEST(a_file_of_credentials)
{
    ri_creds creds;
    const char *text = files[_i].text;
    size_t len = strlen(text);
    int rc = ri_creds_read((ri_str){guard_copy(text, len), len}, &creds);
    ck_assert_rc(rc, files[_i].missing ? RILL_EINVAL : RILL_OK);
    if (rc < 0) ck_assert_ptr_nonnull(strstr(ri_err_text(), files[_i].missing));
    if (rc == RILL_OK) ck_assert_span(creds.jwt, "eyJ0.eyJq_-.c2ln");
    if (rc == RILL_OK) ck_assert_span(creds.seed, "SUAB");
    for (size_t cut = 0; cut < len; cut++) /* as far as it was written */
        ri_creds_read((ri_str){guard_copy(text, cut), cut}, &creds);
    guard_free();
}
END_TEST

START_TEST(a_file_that_is_too_long)
{
    ri_creds creds;
    size_t len = RI_CREDS_MAX + 1;
    char *text = malloc(len);
    memset(text, '\n', len);
    memcpy(text, JWT_BLOCK SEED_BLOCK, sizeof JWT_BLOCK SEED_BLOCK - 1);
    ck_assert_ok(ri_creds_read((ri_str){text, len - 1}, &creds));
    ck_assert_rc(ri_creds_read((ri_str){text, len}, &creds), RILL_EINVAL);
    free(text);
}
END_TEST

#ifdef RI_HAVE_SODIUM
#define OF_KEYS a_key_is_that_of_its_seed, a_seed_that_is_none, a_signature_is_one, \
                a_public_key_that_is_none, who_has_signed
#else
#define OF_KEYS without_libsodium
#endif

SUITE_MAIN_ROWS("nkey", SUITE_ONCE(OF_KEYS, a_file_that_is_too_long),
                SUITE_EACH(RI_LEN(files), a_file_of_credentials))
