/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration of TLS is made of, and what is refused with which sentence, by either of the
 * libraries. */
#include <stdio.h>

#include "base/error.h"
#include "net/tls.h"
#include "support/scratch.h"
#include "support/suite.h"

#define TLS_DIR GOLDEN_DIR "/tls/"

/* The oldest entry of OpenSSL's queue of errors; NULL where OpenSSL is not linked. */
unsigned long ERR_peek_error(void) __attribute__((weak));

static void conf_fails(const rill_tls *tls, bool server, int code, const char *why)
{
    ri_host host;
    ri_host_init(&host, NULL);
    ri_tls_conf *conf;
    ck_assert_rc(ri_tls_conf_new(&conf, &host, tls, server), code);
    ck_assert_ptr_null(conf);
    ck_assert_msg(strstr(ri_err_text(), why), "%s", ri_err_text());
    ck_assert(!ERR_peek_error || ERR_peek_error() == 0);
}

#define SERVER_FAILS(code, why, ...) \
    conf_fails(RILL_OPTS(rill_tls, __VA_ARGS__), true, code, why)
#define CLIENT_FAILS(code, why, ...) \
    conf_fails(RILL_OPTS(rill_tls, __VA_ARGS__), false, code, why)
#define CERT .cert_file = TLS_DIR "server.pem"
#define KEY .key_file = TLS_DIR "server.key"

/* A list that goes on and on. */
static const char *many_ciphers(void)
{
    static const char name[] = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,";
    static char list[33 * sizeof name];
    for (size_t i = 0; i < 33; i++) memcpy(list + i * (sizeof name - 1), name, sizeof name);
    return list;
}

#define PSK .psk = "000102030405060708090a0b0c0d0e0f"
#define NAMED .psk_identity = "pump 7"

START_TEST(shared_keys)
{
    CLIENT_FAILS(RILL_EINVAL, "psk wants its psk_identity", PSK);
    SERVER_FAILS(RILL_EINVAL, "psk_identity wants its psk", NAMED, CERT, KEY);
#ifdef RI_HAVE_PSK
    SERVER_FAILS(RILL_EINVAL, "psk and cert_file", PSK, NAMED, CERT, KEY);
    CLIENT_FAILS(RILL_EINVAL, "psk and insecure", PSK, NAMED, .insecure = true);
    CLIENT_FAILS(RILL_EINVAL, "psk and min_version 13", PSK, NAMED, .min_version = 13);
    CLIENT_FAILS(RILL_EINVAL, "psk_identity has 0 bytes", PSK, .psk_identity = "");
    static const char *const bad[] = {
        "", "00", "000102030405060708090a0b0c0d0e", "000102030405060708090a0b0c0d0e0",
        "000102030405060708090a0b0c0d0e0f0", "000102030405060708090a0b0c0d0eg0"};
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        SERVER_FAILS(RILL_EINVAL, "psk is 32 to 128 digits of base 16", NAMED, .psk = bad[i]);
        if (bad[i][0]) ck_assert_ptr_null(strstr(ri_err_text(), bad[i]));
    }
#else
    SERVER_FAILS(RILL_ENOTSUP, "was built without keys that are shared", PSK, NAMED);
#endif
}
END_TEST

#ifdef RI_HAVE_PSK
static const struct {
    const char *key, *name; /* of the client; NULL: it believes certificates */
    int code;
} sharers[] = {
    {"000102030405060708090A0B0C0D0E0F", "pump 7", RILL_OK},
    {"000102030405060708090a0b0c0d0e0e", "pump 7", RILL_EAUTH},
    {"000102030405060708090a0b0c0d0e0f00", "pump 7", RILL_EAUTH},
    {"000102030405060708090a0b0c0d0e0f", "pump 8", RILL_EAUTH},
    {NULL, NULL, RILL_EPROTO},
};

/* Both sides in turn, until they have done or one fails: the code of whoever fails first. */
static int shake(ri_tls *const tls[2], const ri_tls_ops *library)
{
    static char bytes[2][2 * RI_TLS_RECORD_MAX]; /* what each has sent and the other not read */
    size_t len[2] = {0};
    bool done[2] = {false};
    for (int i = 0, turns = 0; turns < 200 && !(done[0] && done[1]); i = !i, turns++) {
        ri_tls_io io = {.in = bytes[!i], .in_len = len[!i], .out = bytes[i], .out_len = len[i],
                        .out_cap = sizeof bytes[i]};
        int rc = done[i] ? RI_TLS_DONE : library->handshake(tls[i], &io);
        memmove(bytes[!i], io.in, io.in_len);
        len[!i] = io.in_len;
        len[i] = io.out_len;
        done[i] = rc == RI_TLS_DONE;
        if (rc < 0) return rc;
    }
    ck_assert(done[0] && done[1]);
    return RILL_OK;
}

START_TEST(sharing)
{
    ri_host host;
    ri_tls_conf *confs[2];
    ri_tls *tls[2];
    ri_tls_desk *desk = NULL;
    ri_tls_about about;
    const ri_tls_ops *library = ri_tls_library();
    rill_tls client = {.size = sizeof client, .psk = sharers[_i].key,
                       .psk_identity = sharers[_i].name};
    if (!client.psk) client.ca_file = TLS_DIR "ca.pem";
    ri_host_init(&host, NULL);
    ck_assert_ok(ri_tls_conf_new(&confs[0], &host, RILL_OPTS(rill_tls, PSK, NAMED), true));
    ck_assert_ok(ri_tls_conf_new(&confs[1], &host, &client, false));
    for (int i = 0; i < 2; i++)
        ck_assert_ok(library->open(&tls[i], confs[i], &desk, i ? "a" : NULL));
    ck_assert_rc(shake(tls, library), sharers[_i].code);
    if (sharers[_i].code == RILL_OK) {
        library->about(tls[1], &about);
        ck_assert_str_eq(about.version, "1.2");
        ck_assert_str_eq(about.cipher, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256");
        ck_assert(!about.resumed);
    }
    for (int i = 0; i < 2; i++) {
        library->close(tls[i]);
        ri_tls_conf_unref(confs[i]);
    }
    if (desk) library->desk_free(desk);
}
END_TEST
#define OF_SHARING , SUITE_EACH(RI_LEN(sharers), sharing)
#else
#define OF_SHARING
#endif

START_TEST(options)
{
    SERVER_FAILS(RILL_EINVAL, "cert_file or cert_pem", KEY);
    SERVER_FAILS(RILL_EINVAL, "server.pem needs its key: key_file or key_pem", CERT);
    CLIENT_FAILS(RILL_EINVAL, "server.key needs its certificate", .ca_file = TLS_DIR "ca.pem", KEY);
    SERVER_FAILS(RILL_EINVAL, "cert_file and cert_pem: one of them", CERT, .cert_pem = "x", KEY);
    SERVER_FAILS(RILL_EIO, "nothing.pem: No such file or directory",
                 .cert_file = TLS_DIR "nothing.pem", KEY);
    SERVER_FAILS(RILL_EIO, "is no regular file", .cert_file = TLS_DIR, KEY);
    SERVER_FAILS(RILL_EIO, "/dev/null is no regular file", .cert_file = "/dev/null", KEY);
    SERVER_FAILS(RILL_EINVAL, "cert_pem is empty", .cert_pem = "", KEY);
    SERVER_FAILS(RILL_EINVAL, "make.sh: there is no whole certificate in PEM",
                 .cert_file = TLS_DIR "make.sh", KEY);
    if (ri_tls_library() == &ri_tls_mbedtls) /* names of a CA that cannot be read */
        SERVER_FAILS(RILL_EINVAL, "odd.pem: there is no whole certificate",
                     .cert_file = TLS_DIR "odd.pem", .key_file = TLS_DIR "odd.key");
    SERVER_FAILS(RILL_EINVAL, "server.pem: there is no whole key in PEM", CERT,
                 .key_file = TLS_DIR "server.pem");
    SERVER_FAILS(RILL_EINVAL, "is not that of the certificate", CERT,
                 .key_file = TLS_DIR "client.key");
    SERVER_FAILS(RILL_EINVAL, "is not that of the certificate", CERT,
                 .key_file = TLS_DIR "rsa.key");
    SERVER_FAILS(RILL_EINVAL, "client.pem is not for a server", .cert_file = TLS_DIR "client.pem",
                 .key_file = TLS_DIR "client.key");
    CLIENT_FAILS(RILL_EINVAL, "elsewhere.pem is not for a client", .ca_file = TLS_DIR "ca.pem",
                 .cert_file = TLS_DIR "elsewhere.pem", .key_file = TLS_DIR "elsewhere.key");
    SERVER_FAILS(RILL_EINVAL, "weak.pem is too weak", .cert_file = TLS_DIR "weak.pem",
                 .key_file = TLS_DIR "weak.key");
    SERVER_FAILS(RILL_EINVAL, "small.pem is too weak", .cert_file = TLS_DIR "small.pem",
                 .key_file = TLS_DIR "small.key");
    SERVER_FAILS(RILL_EINVAL, "sha1.pem is too weak", .cert_file = TLS_DIR "sha1.pem",
                 .key_file = TLS_DIR "sha1.key");
    SERVER_FAILS(RILL_EINVAL, "the key wants a password", CERT, .key_file = TLS_DIR "locked.key");
    SERVER_FAILS(RILL_EINVAL, "that is not the password", CERT, .key_file = TLS_DIR "locked.key",
                 .key_password = "open");
    SERVER_FAILS(RILL_EINVAL, "ciphers: TLS_ROT13 is none", CERT, KEY,
                 .ciphers = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ROT13");
    SERVER_FAILS(RILL_EINVAL, "ciphers: there is none", CERT, KEY, .ciphers = ", ");
    SERVER_FAILS(RILL_EINVAL, "ciphers: more than 32 of them", CERT, KEY,
                 .ciphers = many_ciphers());
    SERVER_FAILS(RILL_EINVAL, "min_version is 11", CERT, KEY, .min_version = 11);
    SERVER_FAILS(RILL_EINVAL, "insecure is for handles", CERT, KEY, .insecure = true);
    SERVER_FAILS(RILL_EINVAL, "server_name is for handles", CERT, KEY, .server_name = "x");
    SERVER_FAILS(RILL_EINVAL, "first_ms without handshake_first", CERT, KEY, .first_ms = 50);
    CLIENT_FAILS(RILL_EINVAL, "verify_peer is for listeners", .verify_peer = true);
    CLIENT_FAILS(RILL_EINVAL, "first_ms is for listeners", .first_ms = 50);
    CLIENT_FAILS(RILL_EINVAL, "ca: there is no whole certificate", .ca_pem = "nobody");
}
END_TEST

/* A file that is cut anywhere is refused, or is still whole; a key behind its password is taken. */
START_TEST(truncated)
{
    char pem[4096];
    size_t len = strlen(scratch_read(TLS_DIR "server.pem", pem, sizeof pem));
    ri_host host;
    ri_host_init(&host, NULL);
    ri_tls_conf *conf;
    for (size_t cut = 0; cut <= len; cut++) {
        char was = pem[cut];
        pem[cut] = 0;
        int rc = ri_tls_conf_new(&conf, &host, RILL_OPTS(rill_tls, .cert_pem = pem, KEY), true);
        ck_quick(rc == (cut + 1 < len ? RILL_EINVAL : RILL_OK));
        ri_tls_conf_unref(conf);
        pem[cut] = was;
    }
    ck_assert_ok(ri_tls_conf_new(&conf, &host,
                                 RILL_OPTS(rill_tls, CERT, .key_file = TLS_DIR "locked.key",
                                           .key_password = "sesame"), true));
    ck_assert(conf->expires_ns == ri_tls_date_ns(2076, 1, 1, 0, 0, 0));
    ri_tls_conf_unref(conf);
}
END_TEST

START_TEST(version)
{
    char text[64];
    ri_tls_library()->version(text, sizeof text);
    ck_assert_msg(strncmp(text, "mbedTLS ", 8) == 0 || strncmp(text, "OpenSSL ", 8) == 0, "%s",
                  text);
    ck_assert_uint_gt(strlen(text), 10);
}
END_TEST

SUITE_MAIN_ROWS("tls_conf", SUITE_ONCE(options, shared_keys, truncated, version) OF_SHARING)
