/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL 3: ten times the bytes a second, and a third of the memory of an idle connection,
 * of mbedTLS 2.28, for a program that is some four megabytes larger.
 *
 * OpenSSL takes memory and randomness from the system, and its machine-wide configuration is not
 * read: what is agreed upon is the same on every machine. A handshake is one step, since OpenSSL
 * goes as far as the bytes that have come; a step is one signature at most. What a server is left
 * with behind one of TLS 1.3 is in tls_record.c. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/error.h"
#include "net/tls_record.h"

enum {
    TLS_OPENSSL_BYTES = 16 * 1024, /* its buffers go while nothing moves */
    TLS_OPENSSL_CIPHERS = 32,      /* in a list that somebody gives, of each version */
    TLS_OPENSSL_ALERT_MAX = 255,   /* an alert is a byte */
    TLS_OPENSSL_WHY = 128,         /* bytes of a sentence of its own */
    TLS_OPENSSL_LEVEL = 2,         /* keys and signatures of 112 bits at least */
};

static const char tls_openssl_ciphers_12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char tls_openssl_ciphers_13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

typedef struct tls_openssl_conf {
    ri_tls_conf conf; /* first */
    SSL_CTX *ctx;                     /* whose app data this is */
    SSL_SESSION *session;             /* a client's last; NULL: there is none ... */
    char remembered[RI_TLS_NAME_MAX]; /* ... with this server */
    unsigned char psk[RI_TLS_PSK_MAX]; /* a key that is shared ... */
    unsigned psk_len;
    char psk_identity[RI_TLS_PSK_NAME_MAX + 1]; /* ... and its name */
} tls_openssl_conf;

/* Where OpenSSL reads and writes, and for which call: one for all connections of a loop, of which
 * one at a time is served. */
struct ri_tls_desk {
    ri_host host;
    BIO_METHOD *method;
    BIO *bio;                /* whose data this is; each connection has a reference */
    ri_tls *tls;             /* whose call is under way; NULL: none is ... */
    ri_tls_io *io;           /* ... and what it was given */
};

struct ri_tls {
    SSL *ssl;                /* NULL: it was slimmed to its records ... */
    ri_tls_records *records; /* ... which are here, or NULL */
    tls_openssl_conf *conf;  /* its wire's */
    ri_tls_secrets *secrets; /* within a handshake whose records may be taken over; or NULL */
    const char *cipher;      /* with records: what was agreed upon, and whether ... */
    bool resumed;            /* ... a session was resumed */
    ri_tls_verdict *verdict; /* NULL: no flaw was found, or there was no memory for it */
    bool failed;
    char name[];             /* whom a client wants to reach, with a 0; or empty */
};

static tls_openssl_conf *tls_openssl_of(ri_tls_conf *conf)
{
    return ri_container_of(conf, tls_openssl_conf, conf);
}

static tls_openssl_conf *tls_openssl_conf_of(const SSL *ssl)
{
    tls_openssl_conf *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    RI_ASSERT(c);
    return c;
}

static ri_tls_desk *tls_openssl_desk_of(const SSL *ssl)
{
    ri_tls_desk *desk = BIO_get_data(SSL_get_rbio(ssl));
    RI_ASSERT(desk);
    return desk;
}

/* The connection that a callback is about. */
static ri_tls *tls_openssl_called(const SSL *ssl)
{
    ri_tls *tls = tls_openssl_desk_of(ssl)->tls;
    RI_ASSERT(tls && tls->ssl == ssl);
    return tls;
}

static void tls_openssl_version(char *out, size_t room)
{
    snprintf(out, room, "OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
}

static int tls_openssl_nomem(void)
{
    ERR_clear_error();
    return ri_tls_nomem_err("TLS");
}

/* ---- Bytes to and from memory ---- */

static int tls_openssl_on_read(BIO *bio, char *buf, int len)
{
    const ri_tls_desk *desk = BIO_get_data(bio);
    RI_ASSERT(desk && buf);
    BIO_clear_retry_flags(bio);
    size_t n = desk->io && len > 0 ? ri_tls_io_take(desk->io, buf, (size_t)len) : 0;
    if (n) return (int)n;
    BIO_set_retry_read(bio);
    return -1;
}

static int tls_openssl_on_write(BIO *bio, const char *bytes, int len)
{
    const ri_tls_desk *desk = BIO_get_data(bio);
    RI_ASSERT(desk && bytes);
    BIO_clear_retry_flags(bio);
    size_t n = desk->io && len > 0 ? ri_tls_io_put(desk->io, bytes, (size_t)len) : 0;
    if (n) return (int)n;
    BIO_set_retry_write(bio);
    return -1;
}

static long tls_openssl_on_ctrl(BIO *bio, int command, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static int tls_openssl_on_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *tls_openssl_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "memory of rill");
    if (!method) return NULL;
    BIO_meth_set_read(method, tls_openssl_on_read);
    BIO_meth_set_write(method, tls_openssl_on_write);
    BIO_meth_set_ctrl(method, tls_openssl_on_ctrl);
    BIO_meth_set_create(method, tls_openssl_on_create);
    return method;
}

static void tls_openssl_desk_free(ri_tls_desk *desk)
{
    const ri_host host = desk->host;
    RI_ASSERT(!desk->tls && !desk->io);
    BIO_free(desk->bio);
    BIO_meth_free(desk->method);
    ri_delete(&host, desk);
}

static ri_tls_desk *tls_openssl_desk_new(const ri_host *host)
{
    ri_tls_desk *desk = ri_new(host, ri_tls_desk);
    if (!desk) return NULL;
    desk->host = *host;
    desk->method = tls_openssl_method();
    desk->bio = desk->method ? BIO_new(desk->method) : NULL;
    if (desk->bio) {
        BIO_set_data(desk->bio, desk);
        return desk;
    }
    tls_openssl_desk_free(desk);
    tls_openssl_nomem();
    return NULL;
}

/* ---- What stands in certificates ---- */

static int64_t tls_openssl_date(const ASN1_TIME *time)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1) return INT64_MAX;
    return ri_tls_date_ns(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                          tm.tm_sec);
}

/* The common name of a subject or issuer, or all of it if there is none. */
static void tls_openssl_common_name(const X509_NAME *name, char out[RI_TLS_NAME_MAX])
{
    out[0] = 0;
    if (!name) return;
    if (X509_NAME_get_text_by_NID(name, NID_commonName, out, RI_TLS_NAME_MAX) >= 0) return;
    if (!X509_NAME_oneline(name, out, RI_TLS_NAME_MAX)) out[0] = 0;
}

/* Whose certificate it is, for a sentence. */
static void tls_openssl_names(const X509 *cert, char out[RI_TLS_NAME_MAX])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS) continue;
        size_t more = (size_t)ASN1_STRING_length(name->d.dNSName);
        if (len + more + 3 > RI_TLS_NAME_MAX) break;
        len += (size_t)snprintf(out + len, RI_TLS_NAME_MAX - len, "%s%.*s", len ? ", " : "",
                                (int)more, ASN1_STRING_get0_data(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    if (!len) tls_openssl_common_name(X509_get_subject_name(cert), out);
}

/* ---- The chain of the other side ---- */

static ri_tls_flaw tls_openssl_flaw(int error)
{
    switch (error) {
    case X509_V_OK: return RI_TLS_FLAW_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED: return RI_TLS_FLAW_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return RI_TLS_FLAW_FUTURE;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return RI_TLS_FLAW_HOST;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_CERT_UNTRUSTED: return RI_TLS_FLAW_ISSUER;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED: return RI_TLS_FLAW_LONG;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return RI_TLS_FLAW_WEAK;
    case X509_V_ERR_INVALID_PURPOSE: return RI_TLS_FLAW_PURPOSE;
    default: return RI_TLS_FLAW_OTHER;
    }
}

/* Called for each certificate and each flaw of a chain. */
static int tls_openssl_on_cert(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    ri_tls *tls = tls_openssl_called(ssl);
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (good || tls->verdict) return good;
    ri_tls_verdict *v = tls->verdict = ri_new(&tls_openssl_conf_of(ssl)->conf.host, ri_tls_verdict);
    if (!v) return good;
    v->flaw = tls_openssl_flaw(X509_STORE_CTX_get_error(store));
    if (!cert) return good;
    v->time_ns = tls_openssl_date(v->flaw == RI_TLS_FLAW_EXPIRED ? X509_get0_notAfter(cert)
                                                                 : X509_get0_notBefore(cert));
    tls_openssl_common_name(X509_get_subject_name(cert), v->subject);
    if (v->flaw == RI_TLS_FLAW_ISSUER)
        tls_openssl_common_name(X509_get_issuer_name(cert), v->names);
    else
        tls_openssl_names(cert, v->names);
    return good;
}

/* ---- Configuration ---- */

static void tls_openssl_conf_free(ri_tls_conf *conf)
{
    tls_openssl_conf *c = tls_openssl_of(conf);
    const ri_host host = conf->host;
    RI_ASSERT(atomic_load(&conf->refs) == 0);
    SSL_SESSION_free(c->session);
    SSL_CTX_free(c->ctx);
    OPENSSL_cleanse(c->psk, sizeof c->psk);
    ri_delete(&host, c);
}

/* An entry of OpenSSL's queue, in its words. */
static const char *tls_openssl_why(unsigned long error, char out[TLS_OPENSSL_WHY])
{
    const char *text = ERR_reason_error_string(error);
    snprintf(out, TLS_OPENSSL_WHY, "OpenSSL: %s", text ? text : "it says nothing");
    return out;
}

static int tls_openssl_parse_err(const char *name, const char *what)
{
    char why[TLS_OPENSSL_WHY];
    unsigned long error = ERR_peek_last_error();
    tls_openssl_why(error, why);
    ERR_clear_error();
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) return ri_tls_nomem_err(name);
    return ri_tls_pem_err(name, what, why);
}

/* The next certificate of a text; NULL behind the last, or if it is damaged: *rc is an error. */
static X509 *tls_openssl_next(BIO *bio, bool first, const char *name, int *rc)
{
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool over = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!cert && (first || !over)) *rc = tls_openssl_parse_err(name, "certificate");
    ERR_clear_error();
    return cert;
}

static int tls_openssl_add_ca(tls_openssl_conf *c, X509 *cert)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
    RI_ASSERT(cert && store);
    if (X509_STORE_add_cert(store, cert) != 1) return tls_openssl_nomem();
    if (!c->conf.server || SSL_CTX_add_client_CA(c->ctx, cert) == 1) return RILL_OK;
    return tls_openssl_nomem();
}

/* OpenSSL will not use it. */
static int tls_openssl_use_err(const ri_tls_rules *rules)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (reason != SSL_R_EE_KEY_TOO_SMALL && reason != SSL_R_CA_KEY_TOO_SMALL &&
        reason != SSL_R_CA_MD_TOO_WEAK)
        return tls_openssl_parse_err(rules->cert_name, "certificate");
    ERR_clear_error();
    return ri_tls_misfit_err(RI_TLS_MISFIT_WEAK, rules);
}

/* Takes over the certificate. */
static int tls_openssl_add_own(tls_openssl_conf *c, X509 *cert, bool first,
                               const ri_tls_rules *rules)
{
    int purpose = rules->server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
    c->conf.expires_ns = RI_MIN(c->conf.expires_ns, tls_openssl_date(X509_get0_notAfter(cert)));
    int rc = RILL_OK;
    if (!first) {
        if (SSL_CTX_add0_chain_cert(c->ctx, cert) == 1) return RILL_OK;
        rc = tls_openssl_use_err(rules);
    } else if (X509_check_purpose(cert, purpose, 0) != 1) {
        rc = ri_tls_misfit_err(RI_TLS_MISFIT_PURPOSE, rules);
    } else if (SSL_CTX_use_certificate(c->ctx, cert) != 1) {
        rc = tls_openssl_use_err(rules);
    }
    X509_free(cert);
    return rc;
}

static int tls_openssl_each(tls_openssl_conf *c, ri_str pem, const char *name,
                            const ri_tls_rules *own)
{
    RI_ASSERT(pem.len <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    int rc = bio ? RILL_OK : tls_openssl_nomem();
    X509 *cert;
    for (bool first = true; rc == RILL_OK; first = false) {
        if (!(cert = tls_openssl_next(bio, first, name, &rc))) break;
        if (own) {
            rc = tls_openssl_add_own(c, cert, first, own);
        } else {
            rc = tls_openssl_add_ca(c, cert);
            X509_free(cert);
        }
    }
    BIO_free(bio);
    return rc;
}

/* What is known of a password when OpenSSL asks for it. */
typedef struct tls_openssl_password {
    const char *text;
    bool asked;
} tls_openssl_password;

static int tls_openssl_on_password(char *buf, int room, int writing, void *arg)
{
    (void)writing;
    tls_openssl_password *password = arg;
    RI_ASSERT(password && room > 0);
    password->asked = true;
    size_t len = password->text ? strlen(password->text) : 0;
    if (!password->text || len > (size_t)room) return -1;
    memcpy(buf, password->text, len);
    return (int)len;
}

static int tls_openssl_key_err(const tls_openssl_password *password, const ri_tls_rules *rules)
{
    if (!password->asked) return tls_openssl_parse_err(rules->key_name, "key");
    ERR_clear_error();
    return ri_tls_misfit_err(password->text ? RI_TLS_MISFIT_PASSWORD : RI_TLS_MISFIT_LOCKED, rules);
}

static int tls_openssl_parse_key(tls_openssl_conf *c, const ri_tls_rules *rules)
{
    tls_openssl_password password = {.text = rules->key_password};
    RI_ASSERT(SSL_CTX_get0_certificate(c->ctx) && rules->key.len <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(rules->key.ptr, (int)rules->key.len);
    if (!bio) return tls_openssl_nomem();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, tls_openssl_on_password, &password);
    BIO_free(bio);
    if (!key) return tls_openssl_key_err(&password, rules);
    int rc = RILL_OK;
    if (X509_check_private_key(SSL_CTX_get0_certificate(c->ctx), key) != 1)
        rc = ri_tls_misfit_err(RI_TLS_MISFIT_PAIR, rules);
    else if (SSL_CTX_use_PrivateKey(c->ctx, key) != 1)
        rc = tls_openssl_parse_err(rules->key_name, "key");
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

static int tls_openssl_parse(tls_openssl_conf *c, const ri_tls_rules *rules)
{
    int rc = RILL_OK;
    if (rules->ca.len) rc = tls_openssl_each(c, rules->ca, rules->ca_name, NULL);
    if (rc < 0 || !rules->cert.len) return rc;
    rc = tls_openssl_each(c, rules->cert, rules->cert_name, rules);
    return rc < 0 ? rc : tls_openssl_parse_key(c, rules);
}

/* Lists of OpenSSL's: TLS 1.3 has ciphers of its own. */
typedef struct tls_openssl_list {
    char text[TLS_OPENSSL_CIPHERS * RI_TLS_WORD_MAX];
    size_t len;
    int n;
} tls_openssl_list;

/* OpenSSL's own names are short, too, so that as many as there may be have room. */
static bool tls_openssl_list_add(tls_openssl_list *list, const char *name)
{
    if (list->n == TLS_OPENSSL_CIPHERS) return false;
    int n = snprintf(list->text + list->len, sizeof list->text - list->len, "%s%s",
                     list->len ? ":" : "", name);
    if (n < 0 || (size_t)n >= sizeof list->text - list->len) return false;
    list->len += (size_t)n;
    list->n++;
    return true;
}

static bool tls_openssl_is_13(const char *name)
{
    return strncmp(name, "TLS_AES_", 8) == 0 || strncmp(name, "TLS_CHACHA20_", 13) == 0;
}

static int tls_openssl_parse_ciphers(const char *ciphers, tls_openssl_list *of_12,
                                     tls_openssl_list *of_13)
{
    char name[RI_TLS_WORD_MAX];
    while (ri_tls_next_cipher(&ciphers, name)) {
        const char *own = OPENSSL_cipher_name(name);
        bool is_13 = tls_openssl_is_13(name);
        if (!own || strcmp(own, "(NONE)") == 0) return ri_tls_cipher_err(name);
        if (!tls_openssl_list_add(is_13 ? of_13 : of_12, own))
            return ri_tls_ciphers_err(TLS_OPENSSL_CIPHERS);
    }
    return of_12->n || of_13->n ? RILL_OK : ri_tls_cipher_err(NULL);
}

static int tls_openssl_set_ciphers(tls_openssl_conf *c, const ri_tls_rules *rules)
{
    tls_openssl_list of_12 = {.len = 0}, of_13 = {.len = 0};
    int rc = RILL_OK;
    if (rules->ciphers) rc = tls_openssl_parse_ciphers(rules->ciphers, &of_12, &of_13);
    if (rc < 0) return rc;
    bool only_13 = rules->min_version == 13 || (of_13.len && !of_12.len);
    const char *list_12 = of_12.len ? of_12.text : tls_openssl_ciphers_12;
    const char *list_13 = of_13.len ? of_13.text : tls_openssl_ciphers_13;
    if (SSL_CTX_set_min_proto_version(c->ctx, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c->ctx, list_12) == 1 &&
        SSL_CTX_set_ciphersuites(c->ctx, list_13) == 1)
        return RILL_OK;
    ERR_clear_error();
    return rules->ciphers ? ri_tls_cipher_err(rules->ciphers) : tls_openssl_nomem();
}

static unsigned tls_openssl_put_psk(const tls_openssl_conf *c, unsigned char *psk, unsigned room)
{
    RI_ASSERT(c->psk_len > 0);
    if (c->psk_len > room) return 0;
    memcpy(psk, c->psk, c->psk_len);
    return c->psk_len;
}

static unsigned tls_openssl_on_psk_server(SSL *ssl, const char *identity, unsigned char *psk,
                                          unsigned room)
{
    const tls_openssl_conf *c = tls_openssl_conf_of(ssl);
    bool known = identity && strcmp(identity, c->psk_identity) == 0;
    return known ? tls_openssl_put_psk(c, psk, room) : 0;
}

static unsigned tls_openssl_on_psk_client(SSL *ssl, const char *hint, char *identity,
                                          unsigned identity_room, unsigned char *psk, unsigned room)
{
    const tls_openssl_conf *c = tls_openssl_conf_of(ssl);
    (void)hint;
    int n = snprintf(identity, identity_room, "%s", c->psk_identity);
    return n >= 0 && (unsigned)n < identity_room ? tls_openssl_put_psk(c, psk, room) : 0;
}

/* One cipher, and TLS 1.2, as the other libraries have it. */
static int tls_openssl_set_psk(tls_openssl_conf *c, const ri_tls_rules *rules)
{
    RI_ASSERT(rules->psk.len <= sizeof c->psk && rules->psk_identity);
    memcpy(c->psk, rules->psk.ptr, rules->psk.len);
    c->psk_len = (unsigned)rules->psk.len;
    snprintf(c->psk_identity, sizeof c->psk_identity, "%s", rules->psk_identity);
    if (rules->server) SSL_CTX_set_psk_server_callback(c->ctx, tls_openssl_on_psk_server);
    else SSL_CTX_set_psk_client_callback(c->ctx, tls_openssl_on_psk_client);
    if (SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c->ctx, "ECDHE-PSK-CHACHA20-POLY1305") == 1)
        return RILL_OK;
    ERR_clear_error();
    return ri_err(RILL_ENOTSUP, "psk: this OpenSSL has no keys that are shared");
}

/* A client remembers its last session; takes it over. */
static int tls_openssl_on_session(SSL *ssl, SSL_SESSION *session)
{
    tls_openssl_conf *c = tls_openssl_conf_of(ssl);
    RI_ASSERT(session && !c->conf.server);
    SSL_SESSION_free(c->session);
    c->session = session;
    snprintf(c->remembered, sizeof c->remembered, "%s", tls_openssl_called(ssl)->name);
    return 1;
}

/* A secret of the handshake, which nobody else gets to see. */
static void tls_openssl_on_secret(const SSL *ssl, const char *line)
{
    ri_tls *tls = tls_openssl_called(ssl);
    if (!tls->secrets) tls->secrets = ri_new(&tls->conf->conf.host, ri_tls_secrets);
    if (tls->secrets) ri_tls_secrets_take(tls->secrets, line);
}

static void tls_openssl_configure(tls_openssl_conf *c, const ri_tls_rules *rules)
{
    int mode = !rules->verify ? SSL_VERIFY_NONE
               : rules->server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                               : SSL_VERIFY_PEER;
    SSL_CTX_set_security_level(c->ctx, TLS_OPENSSL_LEVEL);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(c->ctx, mode, tls_openssl_on_cert);
    /* Who is named as believed is, whether or not somebody else has signed it. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify_depth(c->ctx, RI_TLS_CHAIN_MAX);
    /* Tickets hold what a server has to know, so that it remembers nobody. */
    SSL_CTX_set_num_tickets(c->ctx, 1);
    SSL_CTX_set_session_id_context(c->ctx, (const unsigned char *)"rill", 4);
    SSL_CTX_set_session_cache_mode(c->ctx, rules->server ? SSL_SESS_CACHE_OFF
                                                         : SSL_SESS_CACHE_CLIENT |
                                                               SSL_SESS_CACHE_NO_INTERNAL);
    if (!rules->server) SSL_CTX_sess_set_new_cb(c->ctx, tls_openssl_on_session);
    if (rules->server && !rules->verify) SSL_CTX_set_keylog_callback(c->ctx, tls_openssl_on_secret);
}

/* What a server signs with is said by its key: OpenSSL keeps for each connection those that both
 * sides have. Who has to show a certificate may sign with any. */
static int tls_openssl_set_signatures(const tls_openssl_conf *c, const ri_tls_rules *rules)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(c->ctx);
    const char *list = NULL;
    if (!rules->server || rules->verify || !key) return RILL_OK;
    if (EVP_PKEY_is_a(key, "EC")) list = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512";
    if (EVP_PKEY_is_a(key, "RSA"))
        list = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
    return !list || SSL_CTX_set1_sigalgs_list(c->ctx, list) == 1 ? RILL_OK : tls_openssl_nomem();
}

static int tls_openssl_conf_new(ri_tls_conf **conf, const ri_host *host, const ri_tls_rules *rules)
{
    *conf = NULL;
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
        return tls_openssl_nomem();
    tls_openssl_conf *c = ri_new(host, tls_openssl_conf);
    if (!c) return RILL_ENOMEM;
    c->conf.host = *host;
    c->conf.server = rules->server;
    c->conf.expires_ns = INT64_MAX;
    c->ctx = SSL_CTX_new(rules->server ? TLS_server_method() : TLS_client_method());
    int rc = c->ctx && SSL_CTX_set_app_data(c->ctx, c) == 1 ? RILL_OK : tls_openssl_nomem();
    if (rc == RILL_OK) tls_openssl_configure(c, rules);
    if (rc == RILL_OK)
        rc = rules->psk.len ? tls_openssl_set_psk(c, rules) : tls_openssl_set_ciphers(c, rules);
    if (rc == RILL_OK) rc = tls_openssl_parse(c, rules);
    if (rc == RILL_OK) rc = tls_openssl_set_signatures(c, rules);
    if (rc < 0) tls_openssl_conf_free(&c->conf);
    else *conf = &c->conf;
    ERR_clear_error(); /* the queue is the thread's, and others' calls look at it, too */
    return rc;
}

/* ---- A connection ---- */

/* OpenSSL takes a session for a bad one if its connection ends without a word: ours may, and is
 * only bad if something was wrong. */
static void tls_openssl_free_ssl(ri_tls *tls)
{
    RI_ASSERT(tls->ssl && tls_openssl_desk_of(tls->ssl)->tls != tls);
    if (!tls->failed) SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

static void tls_openssl_forget_secrets(ri_tls *tls)
{
    if (!tls->secrets) return;
    OPENSSL_cleanse(tls->secrets, sizeof *tls->secrets);
    ri_delete(&tls->conf->conf.host, tls->secrets);
    tls->secrets = NULL;
}

static void tls_openssl_close(ri_tls *tls)
{
    const ri_host *host = &tls->conf->conf.host;
    if (tls->ssl) tls_openssl_free_ssl(tls);
    tls_openssl_forget_secrets(tls);
    ri_tls_records_free(tls->records);
    if (tls->verdict) ri_delete(host, tls->verdict);
    ri_free(host, tls, sizeof *tls + strlen(tls->name) + 1);
}

/* Whom a client wants to reach. */
static bool tls_openssl_set_name(SSL *ssl, const char *name)
{
    uint8_t ip[16];
    RI_ASSERT(name[0]);
    size_t len = ri_tls_address(name, ip);
    if (len) return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip, len) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int tls_openssl_set_up(ri_tls *tls, tls_openssl_conf *c, const char *name)
{
    RI_ASSERT(tls->ssl);
    if (c->conf.server) {
        SSL_set_accept_state(tls->ssl);
        return RILL_OK;
    }
    SSL_set_connect_state(tls->ssl);
    if (name && !tls_openssl_set_name(tls->ssl, name)) return tls_openssl_nomem();
    if (c->session && strcmp(c->remembered, tls->name) == 0)
        SSL_set_session(tls->ssl, c->session); /* or all of it once more */
    return RILL_OK;
}

static int tls_openssl_open(ri_tls **out, ri_tls_conf *conf, ri_tls_desk **desk, const char *name)
{
    *out = NULL;
    size_t len = name ? strlen(name) : 0;
    if (!*desk && !(*desk = tls_openssl_desk_new(&conf->host))) return RILL_ENOMEM;
    ri_tls *tls = ri_calloc(&conf->host, sizeof *tls + len + 1);
    if (!tls) return RILL_ENOMEM;
    tls->conf = tls_openssl_of(conf);
    tls->ssl = SSL_new(tls_openssl_of(conf)->ctx);
    if (!tls->ssl) {
        ri_free(&conf->host, tls, sizeof *tls + len + 1);
        return tls_openssl_nomem();
    }
    BIO_up_ref((*desk)->bio);
    SSL_set_bio(tls->ssl, (*desk)->bio, (*desk)->bio);
    if (len) memcpy(tls->name, name, len);
    int rc = tls_openssl_set_up(tls, tls_openssl_of(conf), name);
    if (rc < 0) tls_openssl_close(tls);
    else *out = tls;
    return rc;
}

/* What is wrong, by what OpenSSL calls it. */
static int tls_openssl_reason_err(int reason)
{
    switch (reason) {
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_BAD_PACKET_LENGTH:
    case SSL_R_LENGTH_TOO_SHORT:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_RECORD_TOO_SMALL:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG: return ri_tls_fault_err(RI_TLS_FAULT_RECORD);
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_CIPHERS_AVAILABLE: return ri_tls_fault_err(RI_TLS_FAULT_CIPHER);
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION: return ri_tls_fault_err(RI_TLS_FAULT_VERSION);
    case SSL_R_EXCESSIVE_MESSAGE_SIZE: return ri_tls_fault_err(RI_TLS_FAULT_LENGTH);
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_UNEXPECTED_RECORD:
    case SSL_R_LENGTH_MISMATCH: return ri_tls_fault_err(RI_TLS_FAULT_MESSAGE);
    default: return RILL_OK;
    }
}

/* The oldest of what the part of OpenSSL that is TLS itself has put into the queue, which is empty
 * then: what it builds upon (certificates, ASN.1) says there, too, and before it, what it has come
 * across. 0: there is none. */
static int tls_openssl_reason(bool *nomem)
{
    int reason = 0;
    *nomem = false;
    for (unsigned long error; (error = ERR_get_error());) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) *nomem = true;
        if (!reason && ERR_GET_LIB(error) == ERR_LIB_SSL) reason = ERR_GET_REASON(error);
    }
    return reason;
}

static int tls_openssl_err(const ri_tls *tls)
{
    bool nomem;
    char why[TLS_OPENSSL_WHY];
    tls_openssl_why(ERR_peek_error(), why);
    int reason = tls_openssl_reason(&nomem);
    const ri_tls_conf *conf = &tls_openssl_conf_of(tls->ssl)->conf;
    const char *name = conf->server || !tls->name[0] ? NULL : tls->name;
    if (nomem) return tls_openssl_nomem();
    bool differs = reason == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC ||
                   reason == SSL_R_PSK_IDENTITY_NOT_FOUND;
    if (conf->psk && differs && !SSL_is_init_finished(tls->ssl)) return ri_tls_psk_err();
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && tls->verdict)
        return ri_tls_verdict_err(tls->verdict, name);
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return ri_tls_verdict_err(&(ri_tls_verdict){.flaw = RI_TLS_FLAW_ABSENT}, name);
    if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + TLS_OPENSSL_ALERT_MAX)
        return ri_tls_alert_err(reason - SSL_AD_REASON_OFFSET);
    int rc = tls_openssl_reason_err(reason);
    return rc < 0 ? rc : ri_tls_other_err(why);
}

/* Behind a call that has returned `rc`: 0: more input is needed, or none will come. */
static int tls_openssl_result(ri_tls *tls, ri_tls_io *io, int rc)
{
    RI_ASSERT(rc <= 0);
    int error = SSL_get_error(tls->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
    tls->failed = error != SSL_ERROR_ZERO_RETURN;
    if (tls->failed) return tls_openssl_err(tls);
    io->ended = true;
    return 0;
}

static ri_tls_desk *tls_openssl_enter(ri_tls *tls, ri_tls_io *io)
{
    ri_tls_desk *desk = tls_openssl_desk_of(tls->ssl);
    RI_ASSERT(!desk->tls && io);
    desk->tls = tls;
    desk->io = io;
    ERR_clear_error();
    return desk;
}

static void tls_openssl_leave(ri_tls_desk *desk)
{
    desk->tls = NULL;
    desk->io = NULL;
}

/* What a key holds goes; takes over the reference to it. */
static void tls_openssl_empty_key(EVP_PKEY *key)
{
    if (key) EVP_PKEY_set_type(key, EVP_PKEY_get_base_id(key));
    EVP_PKEY_free(key);
}

/* Behind a handshake OpenSSL keeps what none but a next one on the same connection would ask for,
 * which there is not: the keys that were made for it, and the ciphers that the client has named. */
static void tls_openssl_slim(SSL *ssl)
{
    EVP_PKEY *own = NULL, *peer = NULL;
    STACK_OF(SSL_CIPHER) *named = SSL_get_client_ciphers(ssl);
    if (SSL_get_tmp_key(ssl, &own) == 1) tls_openssl_empty_key(own);
    if (SSL_get_peer_tmp_key(ssl, &peer) == 1) tls_openssl_empty_key(peer);
    if (named) {
        sk_SSL_CIPHER_zero(named);
        sk_SSL_CIPHER_reserve(named, 0);
    }
    ERR_clear_error();
}

/* Behind a handshake: where its records are all that is left of TLS, OpenSSL's structure goes. Its
 * last step has read the client's last message, no byte more, and has written tickets alone. */
static void tls_openssl_take_over(ri_tls *tls, ri_str tickets)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    if (!tls->secrets || !cipher || !ri_tls_records_do(tls->ssl)) return;
    tls->records = ri_tls_records_new(&tls->conf->conf.host, cipher, tls->secrets, tickets);
    if (!tls->records) return; /* OpenSSL goes on */
    tls->cipher = SSL_CIPHER_standard_name(cipher);
    tls->resumed = SSL_session_reused(tls->ssl) != 0;
    tls_openssl_free_ssl(tls);
}

static int tls_openssl_handshake(ri_tls *tls, ri_tls_io *io)
{
    size_t before = io->out_len;
    ri_tls_desk *desk = tls_openssl_enter(tls, io);
    int rc = SSL_do_handshake(tls->ssl);
    tls_openssl_leave(desk);
    if (rc == 1) {
        tls_openssl_take_over(tls, (ri_str){io->out + before, io->out_len - before});
        tls_openssl_forget_secrets(tls);
        if (tls->ssl) tls_openssl_slim(tls->ssl);
    } else {
        /* What the last step writes is counted: where a step was cut, OpenSSL goes on. */
        if (SSL_want_write(tls->ssl)) tls_openssl_forget_secrets(tls);
        rc = tls_openssl_result(tls, io, rc);
    }
    if (rc == 0 && io->ended) return ri_tls_fault_err(RI_TLS_FAULT_MESSAGE);
    return rc == 1 ? RI_TLS_DONE : rc;
}

static int tls_openssl_read(ri_tls *tls, ri_tls_io *io, void *buf, size_t len)
{
    RI_ASSERT(buf && len > 0);
    if (tls->records) return ri_tls_records_read(tls->records, io, buf, len);
    ri_tls_desk *desk = tls_openssl_enter(tls, io);
    int rc = SSL_read(tls->ssl, buf, (int)RI_MIN(len, INT32_MAX));
    tls_openssl_leave(desk);
    return rc > 0 ? rc : tls_openssl_result(tls, io, rc);
}

static bool tls_openssl_pending(const ri_tls *tls)
{
    return tls->records ? ri_tls_records_pending(tls->records) : SSL_pending(tls->ssl) > 0;
}

static int tls_openssl_write(ri_tls *tls, ri_tls_io *io, const void *bytes, size_t len)
{
    RI_ASSERT(len > 0 && len <= RI_TLS_RECORD && io->out_cap - io->out_len >= RI_TLS_RECORD_MAX);
    if (tls->records) return ri_tls_records_write(tls->records, io, bytes, len);
    ri_tls_desk *desk = tls_openssl_enter(tls, io);
    int rc = SSL_write(tls->ssl, bytes, (int)len);
    tls_openssl_leave(desk);
    if (rc <= 0) rc = tls_openssl_result(tls, io, rc);
    return rc == 0 ? ri_tls_fault_err(RI_TLS_FAULT_MESSAGE) : rc; /* there is room for it */
}

static void tls_openssl_shut(ri_tls *tls, ri_tls_io *io)
{
    if (tls->records) {
        ri_tls_records_shut(tls->records, io);
        return;
    }
    RI_ASSERT(SSL_is_init_finished(tls->ssl));
    ri_tls_desk *desk = tls_openssl_enter(tls, io);
    SSL_shutdown(tls->ssl);
    tls_openssl_leave(desk);
    ERR_clear_error();
}

static void tls_openssl_about(const ri_tls *tls, ri_tls_about *out)
{
    if (tls->records) {
        *out = (ri_tls_about){"1.3", tls->cipher ? tls->cipher : "", tls->resumed};
        return;
    }
    RI_ASSERT(SSL_is_init_finished(tls->ssl));
    const char *version = SSL_get_version(tls->ssl); /* "TLSv1.3" */
    const char *cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(tls->ssl));
    *out = (ri_tls_about){
        .version = strncmp(version, "TLSv", 4) == 0 ? version + 4 : version,
        .cipher = cipher ? cipher : "", .resumed = SSL_session_reused(tls->ssl) != 0};
}

static void tls_openssl_shown(const ri_tls *tls, ri_buffer *out)
{
    if (tls->records) return; /* it had to show none */
    const X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    int len = cert ? i2d_X509(cert, NULL) : 0;
    RI_ASSERT(SSL_is_init_finished(tls->ssl) && out);
    unsigned char *at = len > 0 ? (unsigned char *)ri_buffer_room(out, (size_t)len) : NULL;
    if (at && i2d_X509(cert, &at) == len) ri_buffer_added(out, (size_t)len);
    ERR_clear_error();
}

const ri_tls_ops ri_tls_openssl = {
    .bytes = TLS_OPENSSL_BYTES,
    .version = tls_openssl_version,
    .conf_new = tls_openssl_conf_new,
    .conf_free = tls_openssl_conf_free,
    .desk_free = tls_openssl_desk_free,
    .open = tls_openssl_open,
    .close = tls_openssl_close,
    .handshake = tls_openssl_handshake,
    .read = tls_openssl_read,
    .pending = tls_openssl_pending,
    .write = tls_openssl_write,
    .shut = tls_openssl_shut,
    .about = tls_openssl_about,
    .shown = tls_openssl_shown,
};
