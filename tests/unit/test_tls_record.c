/* SPDX-License-Identifier: Apache-2.0 */
/* What a server keeps of TLS 1.3 behind a handshake, against the records that RFC 8448 prints and
 * against a client of OpenSSL's own. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include "base/error.h"
#include "net/tls_record.h"
#include "support/fault.h"
#include "support/suite.h"

#define TLS_DIR GOLDEN_DIR "/tls/"

enum { ROOM = 128 * 1024 };

/* A server as a wire has it, a client that is no code of ours, and what is on its way. */
typedef struct pair {
    ri_host host;
    ri_tls_conf *conf;
    ri_tls_desk *desk;
    ri_tls *tls;
    SSL_CTX *ctx;
    SSL *client;
    char in[ROOM], out[ROOM];
    size_t in_len;
} pair;

static pair p;
static char text[40000], got[sizeof text + 1];

/* One call of the server: what it did not use stays, what it wrote reaches the client. */
static ri_tls_io pair_io(void)
{
    BIO *sent = SSL_get_wbio(p.client);
    int n = BIO_read(sent, p.in + p.in_len, (int)(sizeof p.in - p.in_len));
    if (n > 0) p.in_len += (size_t)n;
    return (ri_tls_io){.in = p.in, .in_len = p.in_len, .out = p.out, .out_cap = sizeof p.out};
}

static void pair_done(const ri_tls_io *io)
{
    memmove(p.in, io->in, io->in_len);
    p.in_len = io->in_len;
    if (io->out_len)
        ck_assert_int_eq(BIO_write(SSL_get_rbio(p.client), io->out, (int)io->out_len),
                         (int)io->out_len);
}

static int pair_read(void *buf, size_t len, bool *ended)
{
    ri_tls_io io = pair_io();
    int rc = p.conf->library->read(p.tls, &io, buf, len);
    if (ended) *ended = io.ended;
    pair_done(&io);
    return rc;
}

static void pair_write(const void *bytes, size_t len)
{
    ri_tls_io io = pair_io();
    ck_assert_int_eq(p.conf->library->write(p.tls, &io, bytes, len), (int)len);
    pair_done(&io);
}

/* A server, and a client that has not begun. */
static void pair_set_up_at(const rill_host *hooks, const char *ciphers)
{
    const rill_tls server = {.size = sizeof server, .cert_file = TLS_DIR "server.pem",
                             .key_file = TLS_DIR "server.key"};
    memset(&p, 0, sizeof p);
    ri_host_init(&p.host, hooks);
    ck_assert_ok(ri_tls_conf_new(&p.conf, &p.host, &server, true));
    ck_assert_ok(p.conf->library->open(&p.tls, p.conf, &p.desk, NULL));
    ck_assert_ptr_nonnull(p.ctx = SSL_CTX_new(TLS_client_method()));
    ck_assert_int_eq(SSL_CTX_set_ciphersuites(p.ctx, ciphers), 1);
    ck_assert_ptr_nonnull(p.client = SSL_new(p.ctx));
    SSL_set_bio(p.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(p.client);
}

static void pair_set_up(const char *ciphers)
{
    pair_set_up_at(NULL, ciphers);
}

static void pair_shake(void)
{
    int done = 0;
    for (int i = 0; i < 10 && done != RI_TLS_DONE; i++) {
        SSL_do_handshake(p.client);
        ri_tls_io io = pair_io();
        done = p.conf->library->handshake(p.tls, &io);
        ck_assert_msg(done >= 0, "%s", ri_err_text());
        pair_done(&io);
    }
    ck_assert_int_eq(done, RI_TLS_DONE);
    ck_assert_int_eq(SSL_do_handshake(p.client), 1);
}

static void pair_open(const char *ciphers)
{
    pair_set_up(ciphers);
    pair_shake();
}

static void pair_close(void)
{
    p.conf->library->close(p.tls);
    p.conf->library->desk_free(p.desk);
    ri_tls_conf_unref(p.conf);
    SSL_free(p.client);
    SSL_CTX_free(p.ctx);
}

/* Both ways, in pieces that fit no record. */
static void pair_talk(size_t len, size_t piece)
{
    size_t n = 0;
    ck_assert_int_eq(SSL_write(p.client, text, (int)len), (int)len);
    while (n < len) {
        int rc = pair_read(got + n, RI_MIN(piece, len - n), NULL);
        ck_quick(rc > 0);
        n += (size_t)rc;
    }
    ck_assert_mem_eq(got, text, len);
    ck_assert_int_eq(pair_read(got, sizeof got, NULL), 0);
    for (n = 0; n < len; n += RI_MIN(len - n, RI_TLS_RECORD))
        pair_write(text + n, RI_MIN(len - n, RI_TLS_RECORD));
    for (n = 0; n < len;) {
        int rc = SSL_read(p.client, got + n, (int)(sizeof got - n));
        ck_quick(rc > 0);
        n += (size_t)rc;
    }
    ck_assert_mem_eq(got, text, len);
}

static void fill_text(void)
{
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7 + i / 251);
}

/* ---- The RFC's own ---- */

#define PEER_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define OWN_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"

static const uint8_t peer_data[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
    0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
    0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
    0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
};
static const uint8_t peer_close[] = {
    0x17, 0x03, 0x03, 0x00, 0x13, 0xc9, 0x87, 0x27, 0x60, 0x65, 0x56, 0x66,
    0xb7, 0x4d, 0x7f, 0xf1, 0x15, 0x3e, 0xfd, 0x6d, 0xb6, 0xd0, 0xb0, 0xe3,
};
static const uint8_t own_data[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0x2e, 0x93, 0x7e, 0x11, 0xef, 0x4a, 0xc7, 0x40, 0xe5, 0x38,
    0xad, 0x36, 0x00, 0x5f, 0xc4, 0xa4, 0x69, 0x32, 0xfc, 0x32, 0x25, 0xd0, 0x5f, 0x82, 0xaa,
    0x1b, 0x36, 0xe3, 0x0e, 0xfa, 0xf9, 0x7d, 0x90, 0xe6, 0xdf, 0xfc, 0x60, 0x2d, 0xcb, 0x50,
    0x1a, 0x59, 0xa8, 0xfc, 0xc4, 0x9c, 0x4b, 0xf2, 0xe5, 0xf0, 0xa2, 0x1c, 0x00, 0x47, 0xc2,
    0xab, 0xf3, 0x32, 0x54, 0x0d, 0xd0, 0x32, 0xe1, 0x67, 0xc2, 0x95, 0x5d,
};

START_TEST(rfc_8448)
{
    ri_tls_secrets secrets = {.peer_len = 0};
    uint8_t plain[50];
    char in[sizeof peer_data + sizeof peer_close];
    ri_tls_secrets_take(&secrets, "CLIENT_TRAFFIC_SECRET_0 00 " PEER_SECRET);
    ri_tls_secrets_take(&secrets, "SERVER_TRAFFIC_SECRET_0 00 " OWN_SECRET);
    ri_tls_secrets_take(&secrets, "EXPORTER_SECRET 00 " OWN_SECRET "00");
    pair_open("TLS_AES_128_GCM_SHA256");
    const SSL_CIPHER *cipher = SSL_get_current_cipher(p.client);
    static char ticket[] = "\x17\x03\x03\x00\x01t";
    ri_str open = ri_str_of("\x16\x03\x03\x01"); /* a record that is not encrypted */
    ck_assert_ptr_null(ri_tls_records_new(&p.host, cipher, &secrets, open));
    ri_tls_records *r = ri_tls_records_new(&p.host, cipher, &secrets, (ri_str){ticket, 6});
    ck_assert_ptr_nonnull(r);
    memcpy(in, peer_data, sizeof peer_data);
    memcpy(in + sizeof peer_data, peer_close, sizeof peer_close);
    ri_tls_io io = {.in = in, .in_len = sizeof in, .out = p.out, .out_cap = sizeof p.out};
    ck_assert_int_eq(ri_tls_records_read(r, &io, got, sizeof got), sizeof plain);
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (uint8_t)i;
    ck_assert_mem_eq(got, plain, sizeof plain);
    ck_assert_int_eq(ri_tls_records_read(r, &io, got, sizeof got), 0);
    ck_assert(io.ended && io.in_len == 0 && io.out_len == 0);
    ck_assert_int_eq(ri_tls_records_write(r, &io, plain, sizeof plain), sizeof plain);
    ck_assert_uint_eq(io.out_len, sizeof own_data);
    ck_assert_mem_eq(io.out, own_data, sizeof own_data);
    ri_tls_records_free(r);
    pair_close();
}
END_TEST

/* ---- A KeyUpdate in parts ---- */

enum { ALERT = 21, HANDSHAKE = 22, DATA = 23 };

/* Who knows the secret of the RFC's client, and cuts as no library does. */
typedef struct sealer {
    uint8_t secret[32], key[16], iv[12];
    uint8_t number;
    char out[1000];
    size_t len;
} sealer;

static void sealer_expand(const sealer *s, const char *label, uint8_t *to, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    uint8_t secret[32];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    memcpy(secret, s->secret, sizeof secret);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_int("mode", &mode),
        OSSL_PARAM_construct_octet_string("key", secret, sizeof secret),
        OSSL_PARAM_construct_octet_string("prefix", (char[]){"tls13 "}, 6),
        OSSL_PARAM_construct_octet_string("label", (char *)(uintptr_t)label, strlen(label)),
        OSSL_PARAM_construct_end()};
    ck_assert_int_eq(EVP_KDF_derive(ctx, to, len, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void sealer_set_key(sealer *s)
{
    sealer_expand(s, "key", s->key, sizeof s->key);
    sealer_expand(s, "iv", s->iv, sizeof s->iv);
    s->number = 0;
}

static void sealer_next_key(sealer *s)
{
    uint8_t next[32];
    sealer_expand(s, "traffic upd", next, sizeof next);
    memcpy(s->secret, next, sizeof next);
    sealer_set_key(s);
}

static void sealer_put(sealer *s, uint8_t type, const void *bytes, size_t len)
{
    uint8_t *head = (uint8_t *)s->out + s->len, *body = head + 5, nonce[12];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    memcpy(nonce, s->iv, sizeof nonce);
    nonce[11] ^= s->number++;
    memcpy(head, (uint8_t[]){DATA, 3, 3, 0, (uint8_t)(len + 17)}, 5);
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, s->key, nonce), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, NULL, &n, head, 5), 1);
    if (len) ck_assert_int_eq(EVP_EncryptUpdate(ctx, body, &n, bytes, (int)len), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, body + len, &n, &type, 1), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(ctx, body + len + 1, &n), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, body + len + 1), 1);
    EVP_CIPHER_CTX_free(ctx);
    s->len += 5 + len + 17;
}

static ri_tls_records *sealer_set_up(sealer *s)
{
    ri_tls_secrets secrets = {.peer_len = 0};
    memset(s, 0, sizeof *s);
    ri_tls_secrets_take(&secrets, "CLIENT_TRAFFIC_SECRET_0 00 " PEER_SECRET);
    ri_tls_secrets_take(&secrets, "SERVER_TRAFFIC_SECRET_0 00 " OWN_SECRET);
    memcpy(s->secret, secrets.peer, sizeof s->secret);
    sealer_set_key(s);
    pair_open("TLS_AES_128_GCM_SHA256");
    ri_tls_records *r = ri_tls_records_new(&p.host, SSL_get_current_cipher(p.client), &secrets,
                                           ri_str_of(""));
    ck_assert_ptr_nonnull(r);
    return r;
}

/* In parts of which each ends behind a byte of whose number a bit is set. */
static void sealer_update(sealer *s, const uint8_t message[5], unsigned cuts)
{
    for (size_t from = 0, to = 1; to <= 5; to++) {
        if (to < 5 && !(cuts >> to & 1)) continue;
        sealer_put(s, HANDSHAKE, message + from, to - from);
        from = to;
    }
}

/* At each place and at each set of places, whole or byte by byte, asked for a new key or not. */
START_TEST(updates_cut)
{
    const unsigned cuts = (unsigned)_i * 2;
    for (unsigned kind = 0; kind < 4; kind++) {
        sealer s;
        ri_tls_records *r = sealer_set_up(&s);
        size_t n = 0, said = 0;
        sealer_put(&s, DATA, "one", 3);
        for (int i = 0; i < 3; i++) {
            sealer_update(&s, (uint8_t[]){24, 0, 0, 1, kind & 1}, cuts);
            sealer_next_key(&s);
        }
        sealer_put(&s, DATA, "two", 3);
        size_t piece = kind & 2 ? 1 : s.len;
        for (size_t at = 0; at < s.len; at += piece) {
            ri_tls_io io = {.in = s.out + at, .in_len = piece, .out = p.out,
                            .out_cap = sizeof p.out};
            int rc;
            while ((rc = ri_tls_records_read(r, &io, got + n, sizeof got - n)) > 0) n += (size_t)rc;
            ck_assert_int_eq(rc, 0);
            said += io.out_len;
        }
        ck_assert_uint_eq(n, 6);
        ck_assert_mem_eq(got, "onetwo", 6);
        ck_assert_uint_eq(said, kind & 1 ? 3 * (5 + 5 + 17) : 0);
        ri_tls_records_free(r);
        pair_close();
    }
}
END_TEST

/* Nothing stands between the parts, or behind the last one; none is empty, of something else, or
 * of more than there may be. */
START_TEST(updates_cut_wrong)
{
    static const uint8_t message[] = {24, 0, 0, 1, 0};
    static const struct {
        uint8_t first, type, second[6];
        size_t len;
    } rows[] = {
        {1, DATA, "data", 4}, {1, DATA, "", 0}, {4, DATA, "data", 4}, {4, ALERT, {1, 0}, 2},
        {2, 20, {1}, 1}, {1, HANDSHAKE, "", 0}, {1, HANDSHAKE, {0, 0, 1, 0, 24}, 5},
        {4, HANDSHAKE, {0, 24}, 2}, {4, HANDSHAKE, {2}, 1}, {1, HANDSHAKE, {1}, 1},
        {3, HANDSHAKE, {2, 0}, 2}, {5, HANDSHAKE, {24}, 1}};
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        sealer s;
        ri_tls_records *r = sealer_set_up(&s);
        sealer_put(&s, HANDSHAKE, message, rows[i].first);
        sealer_put(&s, rows[i].type, rows[i].second, rows[i].len);
        ri_tls_io io = {.in = s.out, .in_len = s.len, .out = p.out, .out_cap = sizeof p.out};
        ck_assert_int_eq(ri_tls_records_read(r, &io, got, sizeof got), RILL_EPROTO);
        ck_assert_uint_eq(io.out_len, 24); /* an alert */
        ck_assert_int_eq(ri_tls_records_read(r, &io, got, sizeof got), RILL_EPROTO);
        ri_tls_records_free(r);
        pair_close();
    }
}
END_TEST

/* ---- A client of OpenSSL's ---- */

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};

START_TEST(both_ways)
{
    ri_tls_about about;
    fill_text();
    pair_open(suites[_i]);
    p.conf->library->about(p.tls, &about);
    ck_assert_str_eq(about.version, "1.3");
    ck_assert_str_eq(about.cipher, suites[_i]);
    for (size_t len = 1; len < sizeof text; len = len * 5 / 3 + 1) pair_talk(len, sizeof got);
    pair_talk(sizeof text, 1000);
    pair_talk(sizeof text, 1);
    pair_close();
}
END_TEST

/* It comes byte by byte. */
START_TEST(dribble)
{
    size_t n = 0;
    fill_text();
    pair_open(suites[0]);
    ck_assert_int_eq(SSL_write(p.client, text, 17000), 17000);
    pair_io();
    for (size_t i = 0; i < p.in_len; i++) {
        char byte = p.in[i];
        ri_tls_io io = {.in = &byte, .in_len = 1, .out = p.out, .out_cap = sizeof p.out};
        int rc = p.conf->library->read(p.tls, &io, got + n, sizeof got - n);
        ck_quick(rc >= 0 && io.in_len == 0);
        n += (size_t)rc;
    }
    ck_assert_uint_eq(n, 17000);
    ck_assert_mem_eq(got, text, n);
    pair_close();
}
END_TEST

/* The client takes new keys, and wants us to take new ones, or not. */
START_TEST(updates)
{
    fill_text();
    pair_open(suites[_i]);
    for (int i = 0; i < 100; i++) {
        int kind = i % 3 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        ck_assert_int_eq(SSL_key_update(p.client, kind), 1);
        pair_talk(100 + (size_t)i, 64);
    }
    pair_close();
}
END_TEST

/* ... again and again, and says nothing. */
START_TEST(updates_alone)
{
    int rc = 0, n = 0;
    pair_open(suites[0]);
    while (rc == 0 && n++ < 100) {
        ck_assert_int_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(p.client), 1);
        rc = pair_read(got, sizeof got, NULL);
    }
    ck_assert_int_eq(rc, RILL_EPROTO);
    ck_assert_int_eq(n, 33);
    pair_close();
}
END_TEST

START_TEST(ends)
{
    bool ended = false;
    pair_open(suites[0]);
    ck_assert_int_eq(pair_read(got, sizeof got, &ended), 0);
    ck_assert(!ended);
    ck_assert_int_eq(SSL_shutdown(p.client), 0);
    ck_assert_int_eq(pair_read(got, sizeof got, &ended), 0);
    ck_assert(ended);
    ri_tls_io io = pair_io();
    p.conf->library->shut(p.tls, &io);
    pair_done(&io);
    ck_assert_int_eq(SSL_shutdown(p.client), 1);
    pair_close();
}
END_TEST

/* A client that has asked for short records gets no others. */
START_TEST(short_records)
{
    fill_text();
    pair_set_up(suites[0]);
    ck_assert_int_eq(SSL_set_tlsext_max_fragment_length(p.client, (uint8_t)(_i + 1)), 1);
    pair_shake();
    pair_write(text, RI_TLS_RECORD);
    char *bytes;
    long len = BIO_get_mem_data(SSL_get_rbio(p.client), &bytes);
    size_t most = 0;
    for (long at = 0; at < len;) {
        size_t body = (size_t)((uint8_t)bytes[at + 3] << 8 | (uint8_t)bytes[at + 4]);
        most = RI_MAX(most, body);
        at += 5 + (long)body;
    }
    ck_assert_uint_eq(most, ((size_t)512 << _i) + 17);
    pair_talk(5000, 1000);
    pair_close();
}
END_TEST

/* A client's last message of the handshake comes with its data and its end, cut at each place. */
START_TEST(cut_anywhere)
{
    size_t len = 0;
    fill_text();
    for (size_t cut = 0; cut == 0 || cut < len; cut++) {
        bool ended = false;
        size_t n = 0;
        int done = 0;
        pair_set_up(suites[cut % RI_LEN(suites)]);
        SSL_do_handshake(p.client);
        ri_tls_io io = pair_io();
        ck_assert_int_eq(p.conf->library->handshake(p.tls, &io), 0);
        pair_done(&io);
        ck_assert_int_eq(SSL_do_handshake(p.client), 1);
        ck_assert_int_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_write(p.client, text, 100), 100);
        SSL_shutdown(p.client);
        io = pair_io();
        len = io.in_len;
        const char *end = io.in + io.in_len;
        io.in_len = cut;
        for (int i = 0; i < 100 && !ended; i++) {
            if (done != RI_TLS_DONE) done = p.conf->library->handshake(p.tls, &io);
            ck_assert_int_ge(done, 0);
            while (done == RI_TLS_DONE && !ended) {
                int rc = p.conf->library->read(p.tls, &io, got + n, sizeof got - n);
                ck_assert_int_ge(rc, 0);
                n += (size_t)rc;
                ended = io.ended;
                if (rc == 0) break;
            }
            io.in_len = (size_t)(end - io.in);
        }
        ck_assert(ended && n == 100 && memcmp(got, text, n) == 0);
        pair_done(&io);
        pair_close();
    }
}
END_TEST

static void pair_client_anew(SSL_SESSION *session)
{
    SSL_free(p.client);
    p.conf->library->close(p.tls);
    ck_assert_ok(p.conf->library->open(&p.tls, p.conf, &p.desk, NULL));
    ck_assert_ptr_nonnull(p.client = SSL_new(p.ctx));
    SSL_set_bio(p.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(p.client);
    ck_assert_int_eq(SSL_set_session(p.client, session), 1);
    SSL_SESSION_free(session);
    p.in_len = 0;
}

/* A ticket that was given before resumes, again and again. */
START_TEST(resumes)
{
    fill_text();
    pair_open(suites[_i]);
    for (int i = 0; i < 5; i++) {
        ri_tls_about about;
        pair_talk(1000, 300);
        SSL_SESSION *session = SSL_get1_session(p.client);
        ck_assert(SSL_SESSION_is_resumable(session));
        SSL_shutdown(p.client);
        pair_client_anew(session);
        pair_shake();
        p.conf->library->about(p.tls, &about);
        ck_assert(SSL_session_reused(p.client) && about.resumed);
    }
    pair_talk(1000, 300);
    pair_close();
}
END_TEST

/* Behind our last word nothing is said: no answer to new keys, and not why it ends. */
START_TEST(silent)
{
    static const char none[] = "\x17\3\3\0\x14 no record of it   ";
    pair_open(suites[0]);
    ri_tls_io io = pair_io();
    p.conf->library->shut(p.tls, &io);
    p.conf->library->shut(p.tls, &io);
    ck_assert_uint_eq(io.out_len, 24);
    pair_done(&io);
    ck_assert_int_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
    ck_assert_int_eq(SSL_write(p.client, "last", 4), 4);
    io = pair_io();
    ck_assert_int_eq(p.conf->library->read(p.tls, &io, got, sizeof got), 4);
    ck_assert_uint_eq(io.out_len, 0);
    pair_done(&io);
    if (_i) SSL_shutdown(p.client);
    else ck_assert_int_eq(BIO_write(SSL_get_wbio(p.client), none, 25), 25);
    io = pair_io();
    ck_assert_int_eq(p.conf->library->read(p.tls, &io, got, sizeof got), _i ? 0 : RILL_EPROTO);
    ck_assert(io.out_len == 0 && io.ended == (_i == 1));
    pair_done(&io);
    pair_close();
}
END_TEST

/* Without memory for records OpenSSL goes on, and a record that is read in parts is an error. */
static int short_of_memory(fault *f, void *arg)
{
    size_t fail_at = f->supply.fail_at;
    int n = 0, rc = 1;
    (void)arg;
    f->supply.fail_at = 0;
    pair_set_up_at(&f->hooks, suites[0]);
    f->supply.fail_at = f->supply.calls + fail_at;
    pair_shake();
    ck_assert_int_eq(SSL_write(p.client, text, 1000), 1000);
    while (rc > 0 && n < 1000) {
        if ((rc = pair_read(got + n, 300, NULL)) > 0) n += rc;
    }
    if (rc > 0) ck_assert_mem_eq(got, text, 1000);
    f->supply.fail_at = 0;
    pair_close();
    return RI_MIN(rc, 0);
}

START_TEST(no_memory)
{
    fill_text();
    ck_assert_uint_ge(fault_each(short_of_memory, NULL), 3);
}
END_TEST

/* ---- Damage ---- */

typedef struct damage {
    size_t at;       /* a byte of the record ... */
    uint8_t flipped; /* ... and its bits */
    int alert;       /* that the client hears */
} damage;

static const damage damages[] = {
    {0, 1, SSL_AD_UNEXPECTED_MESSAGE}, {0, 2, SSL_AD_UNEXPECTED_MESSAGE},
    {1, 1, SSL_AD_UNEXPECTED_MESSAGE}, {2, 1, SSL_AD_BAD_RECORD_MAC},
    {3, 0x80, SSL_AD_RECORD_OVERFLOW}, {5, 1, SSL_AD_BAD_RECORD_MAC},
    {20, 0x40, SSL_AD_BAD_RECORD_MAC}, {104, 1, SSL_AD_BAD_RECORD_MAC},
    {121, 0x80, SSL_AD_BAD_RECORD_MAC}};

START_TEST(damaged)
{
    const damage *d = &damages[_i];
    fill_text();
    pair_open(suites[0]);
    ck_assert_int_eq(SSL_write(p.client, text, 100), 100);
    pair_io();
    ck_assert_uint_eq(p.in_len, 122);
    p.in[d->at] = (char)(p.in[d->at] ^ d->flipped);
    ck_assert_int_eq(pair_read(got, sizeof got, NULL), RILL_EPROTO);
    ck_assert_str_eq(ri_err_text(), "a TLS record is damaged, or out of its order");
    ck_assert_int_le(SSL_read(p.client, got, sizeof got), 0);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), SSL_AD_REASON_OFFSET + d->alert);
    ERR_clear_error();
    pair_close();
}
END_TEST

/* A record that comes once more, or before its turn, is none. */
START_TEST(replayed)
{
    pair_open(suites[0]);
    ck_assert_int_eq(SSL_write(p.client, "one", 3), 3);
    ck_assert_int_eq(SSL_write(p.client, "two", 3), 3);
    pair_io();
    size_t half = p.in_len / 2;
    memmove(p.in + (_i ? half : 0), p.in + (_i ? 0 : half), half); /* one, one; or two, two */
    if (_i) ck_assert_int_eq(pair_read(got, 3, NULL), 3);
    ck_assert_int_eq(pair_read(got, sizeof got, NULL), RILL_EPROTO);
    ck_assert_int_eq(SSL_write(p.client, "three", 5), 5); /* which has the next number */
    ck_assert_int_eq(pair_read(got, sizeof got, NULL), RILL_EPROTO);
    pair_close();
}
END_TEST

SUITE_MAIN_ROWS("tls_record", SUITE_ONCE(rfc_8448, dribble, updates_alone, ends, cut_anywhere,
                                         no_memory, updates_cut_wrong),
                SUITE_EACH(RI_LEN(suites), both_ways, updates, resumes),
                SUITE_EACH(4, short_records), SUITE_EACH(RI_LEN(damages), damaged),
                SUITE_EACH(2, replayed, silent), SUITE_EACH(16, updates_cut))
