/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by mbedTLS: 2.28, which has TLS 1.2, and 3.x, which has 1.3, too. Two things it leaves to us:
 * addresses in certificates, which 2.28 does not compare, and which of its states are steps.
 *
 * mbedTLS takes memory from the C library, and its randomness from the host here. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* 3.x hides which alert has come, and the state */
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <mbedtls/x509.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>

#include "base/error.h"
#include "net/tls.h"

#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

enum {
    TLS_MBEDTLS_BYTES = 40 * 1024,  /* two records, and what belongs to them */
    TLS_MBEDTLS_CIPHERS = 32,       /* in a list that somebody gives */
    TLS_MBEDTLS_RSA_MIN = 2048,     /* bits of a key ... */
    TLS_MBEDTLS_EC_MIN = 224,       /* ... on a curve */
    TLS_MBEDTLS_WHY = 32,           /* bytes of a code, in letters */
    TLS_MBEDTLS_ALERT_WANTED = 116, /* a certificate is; mbedTLS has no name for it */
    TLS_MBEDTLS_TICKET_S = 2 * 3600,
};

/* By what they cost here: 2.28 computes ChaCha20-Poly1305 half as fast again as AES-GCM. */
static const int tls_mbedtls_ciphers[] = {
#if MBEDTLS_VERSION_MAJOR >= 3
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

#if defined(RI_HAVE_PSK) && defined(MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED)
#define TLS_MBEDTLS_HAS_PSK 1
static const int tls_mbedtls_psk_ciphers[] = {
    MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    0,
};
#endif

typedef struct tls_mbedtls_conf {
    ri_tls_conf conf; /* first */
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt cert, ca;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
    int ciphers[TLS_MBEDTLS_CIPHERS + 1];
    char names[TLS_MBEDTLS_CIPHERS][RI_TLS_WORD_MAX]; /* of those that may be agreed upon */
    bool remembers;              /* a client: the session below can be resumed ... */
    mbedtls_ssl_session session;
    char remembered[RI_TLS_NAME_MAX]; /* ... with this server */
} tls_mbedtls_conf;

struct ri_tls {
    mbedtls_ssl_context ssl;
    tls_mbedtls_conf *conf;
    ri_tls_io *io;           /* of the call that is under way */
    ri_tls_verdict verdict;
    bool certified;          /* a certificate was sent: it is no session of before */
    char name[RI_TLS_NAME_MAX];
};

static tls_mbedtls_conf *tls_mbedtls_of(ri_tls_conf *conf)
{
    return ri_container_of(conf, tls_mbedtls_conf, conf);
}

static int tls_mbedtls_random(void *arg, unsigned char *out, size_t len)
{
    const ri_host *host = arg;
    host->entropy(host->arg, out, len);
    return 0;
}

static void tls_mbedtls_version(char *out, size_t room)
{
    char text[32];
    mbedtls_version_get_string(text);
    snprintf(out, room, "mbedTLS %s", text);
}

/* ---- What stands in certificates ---- */

static void tls_mbedtls_copy(char out[RI_TLS_NAME_MAX], const mbedtls_x509_buf *text)
{
    size_t len = RI_MIN(text->len, (size_t)RI_TLS_NAME_MAX - 1);
    if (len) memcpy(out, text->p, len);
    out[len] = 0;
}

/* The common name of a subject or issuer, or all of it if there is none. */
static void tls_mbedtls_common_name(const mbedtls_x509_name *name, char out[RI_TLS_NAME_MAX])
{
    for (const mbedtls_x509_name *at = name; at; at = at->next)
        if (at->oid.p && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) == 0) {
            tls_mbedtls_copy(out, &at->val);
            return;
        }
    if (mbedtls_x509_dn_gets(out, RI_TLS_NAME_MAX, name) < 0) out[0] = 0;
}

static bool tls_mbedtls_is_alt(const mbedtls_x509_sequence *alt, int tag)
{
    return alt->buf.p && alt->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | tag);
}

enum { TLS_MBEDTLS_DNS = 2, TLS_MBEDTLS_IP = 7 }; /* tags of alternative names */

/* Whose certificate it is, for a sentence. */
static void tls_mbedtls_names(const mbedtls_x509_crt *crt, char out[RI_TLS_NAME_MAX])
{
    size_t len = 0;
    for (const mbedtls_x509_sequence *alt = &crt->subject_alt_names; alt; alt = alt->next) {
        if (!tls_mbedtls_is_alt(alt, TLS_MBEDTLS_DNS)) continue;
        if (len + alt->buf.len + 3 > RI_TLS_NAME_MAX) break;
        len += (size_t)snprintf(out + len, RI_TLS_NAME_MAX - len, "%s%.*s", len ? ", " : "",
                                (int)alt->buf.len, alt->buf.p);
    }
    if (!len) tls_mbedtls_common_name(&crt->subject, out);
}

static bool tls_mbedtls_has_address(const mbedtls_x509_crt *crt, const uint8_t *ip, size_t len)
{
    for (const mbedtls_x509_sequence *alt = &crt->subject_alt_names; alt; alt = alt->next)
        if (tls_mbedtls_is_alt(alt, TLS_MBEDTLS_IP) && alt->buf.len == len &&
            memcmp(alt->buf.p, ip, len) == 0)
            return true;
    return false;
}

static int64_t tls_mbedtls_date(const mbedtls_x509_time *t)
{
    return ri_tls_date_ns(t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

/* ---- The chain of the other side ---- */

static ri_tls_flaw tls_mbedtls_flaw(uint32_t flags)
{
    static const struct {
        uint32_t flags;
        ri_tls_flaw flaw;
    } flaws[] = {
        {MBEDTLS_X509_BADCERT_EXPIRED, RI_TLS_FLAW_EXPIRED},
        {MBEDTLS_X509_BADCERT_FUTURE, RI_TLS_FLAW_FUTURE},
        {MBEDTLS_X509_BADCERT_MISSING, RI_TLS_FLAW_ABSENT},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, RI_TLS_FLAW_ISSUER},
        {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
         RI_TLS_FLAW_WEAK},
        {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
             MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
         RI_TLS_FLAW_PURPOSE},
        {MBEDTLS_X509_BADCERT_CN_MISMATCH, RI_TLS_FLAW_HOST},
    };
    for (size_t i = 0; i < RI_LEN(flaws); i++)
        if (flags & flaws[i].flags) return flaws[i].flaw;
    return flags ? RI_TLS_FLAW_OTHER : RI_TLS_FLAW_NONE;
}

/* Called for each certificate of a chain, the peer's own last. */
static int tls_mbedtls_on_cert(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    ri_tls *tls = arg;
    uint8_t ip[16];
    RI_ASSERT(crt && flags && depth >= 0);
    size_t ip_len = depth == 0 && tls->name[0] ? ri_tls_address(tls->name, ip) : 0;
    if (ip_len && !tls_mbedtls_has_address(crt, ip, ip_len))
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    ri_tls_verdict *v = &tls->verdict;
    if (v->flaw || !*flags) return 0;
    v->flaw = tls_mbedtls_flaw(*flags);
    v->time_ns = tls_mbedtls_date(v->flaw == RI_TLS_FLAW_EXPIRED ? &crt->valid_to
                                                                 : &crt->valid_from);
    tls_mbedtls_common_name(&crt->subject, v->subject);
    if (v->flaw == RI_TLS_FLAW_ISSUER) tls_mbedtls_common_name(&crt->issuer, v->names);
    else tls_mbedtls_names(crt, v->names);
    return 0;
}

/* ---- Configuration ---- */

static void tls_mbedtls_conf_free(ri_tls_conf *conf)
{
    tls_mbedtls_conf *c = tls_mbedtls_of(conf);
    RI_ASSERT(atomic_load(&conf->refs) == 0);
    const ri_host host = conf->host;
    mbedtls_ssl_config_free(&c->ssl);
    mbedtls_x509_crt_free(&c->cert);
    mbedtls_x509_crt_free(&c->ca);
    mbedtls_pk_free(&c->key);
    mbedtls_ssl_ticket_free(&c->tickets);
    mbedtls_ssl_session_free(&c->session);
    ri_delete(&host, c);
}

/* A code of its own, in the form in which its documentation lists it. */
static const char *tls_mbedtls_why(int rc, char out[TLS_MBEDTLS_WHY])
{
    RI_ASSERT(rc <= 0);
    snprintf(out, TLS_MBEDTLS_WHY, "mbedTLS -0x%04x", (unsigned)-rc);
    return out;
}

static int tls_mbedtls_parse_err(int rc, const char *name, const char *what)
{
    char why[TLS_MBEDTLS_WHY];
    RI_ASSERT(rc < 0);
    if (rc == MBEDTLS_ERR_X509_ALLOC_FAILED || rc == MBEDTLS_ERR_PK_ALLOC_FAILED)
        return ri_tls_nomem_err(name);
    return ri_tls_pem_err(name, what, tls_mbedtls_why(rc, why));
}

static int tls_mbedtls_parse_key(tls_mbedtls_conf *c, const ri_tls_rules *rules)
{
    RI_ASSERT(c->cert.raw.p && rules->key.len);
    const unsigned char *key = (const unsigned char *)rules->key.ptr;
    const unsigned char *password = (const unsigned char *)rules->key_password;
    size_t password_len = password ? strlen(rules->key_password) : 0;
#if MBEDTLS_VERSION_MAJOR >= 3
    int rc = mbedtls_pk_parse_key(&c->key, key, rules->key.len + 1, password, password_len,
                                  tls_mbedtls_random, &c->conf.host);
    if (rc == 0 && mbedtls_pk_check_pair(&c->cert.pk, &c->key, tls_mbedtls_random,
                                         &c->conf.host) != 0)
#else
    int rc = mbedtls_pk_parse_key(&c->key, key, rules->key.len + 1, password, password_len);
    if (rc == 0 && mbedtls_pk_check_pair(&c->cert.pk, &c->key) != 0)
#endif
        return ri_tls_misfit_err(RI_TLS_MISFIT_PAIR, rules);
    if (rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return ri_tls_misfit_err(RI_TLS_MISFIT_LOCKED, rules);
    if (rc == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
        return ri_tls_misfit_err(RI_TLS_MISFIT_PASSWORD, rules);
    return rc == 0 ? RILL_OK : tls_mbedtls_parse_err(rc, rules->key_name, "key");
}

/* mbedTLS would pass over a certificate that is for something else, and find none. */
static int tls_mbedtls_check_purpose(const tls_mbedtls_conf *c, const ri_tls_rules *rules)
{
    const char *oid = rules->server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
    size_t len = rules->server ? MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)
                               : MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
    if (mbedtls_x509_crt_check_extended_key_usage(&c->cert, oid, len) == 0) return RILL_OK;
    return ri_tls_misfit_err(RI_TLS_MISFIT_PURPOSE, rules);
}

/* Is the certificate as hard to forge as level 2 of OpenSSL wants it, 112 bits: its key
 * and its signature? One that signs itself is not believed for its signature. */
static bool tls_mbedtls_is_strong(const mbedtls_x509_crt *crt)
{
    bool rsa = mbedtls_pk_get_type(&crt->pk) == MBEDTLS_PK_RSA;
    bool own = crt->subject_raw.len == crt->issuer_raw.len &&
               memcmp(crt->subject_raw.p, crt->issuer_raw.p, crt->subject_raw.len) == 0;
    RI_ASSERT(crt->raw.p);
    if (mbedtls_pk_get_bitlen(&crt->pk) < (rsa ? TLS_MBEDTLS_RSA_MIN : TLS_MBEDTLS_EC_MIN))
        return false;
    return own || mbedtls_x509_crt_profile_default.allowed_mds &
                      MBEDTLS_X509_ID_FLAG((unsigned)crt->sig_md);
}

static int tls_mbedtls_parse(tls_mbedtls_conf *c, const ri_tls_rules *rules)
{
    if (rules->ca.len) {
        int rc = mbedtls_x509_crt_parse(&c->ca, (const unsigned char *)rules->ca.ptr,
                                        rules->ca.len + 1);
        /* Of a list of the system, some may be of kinds that are not known. */
        if (rc < 0) return tls_mbedtls_parse_err(rc, rules->ca_name, "certificate");
    }
    if (!rules->cert.len) return RILL_OK;
    int rc = mbedtls_x509_crt_parse(&c->cert, (const unsigned char *)rules->cert.ptr,
                                    rules->cert.len + 1);
    if (rc > 0) rc = MBEDTLS_ERR_X509_INVALID_FORMAT;
    if (rc < 0) return tls_mbedtls_parse_err(rc, rules->cert_name, "certificate");
    for (mbedtls_x509_crt *crt = &c->cert; crt && crt->raw.p; crt = crt->next) {
        c->conf.expires_ns = RI_MIN(c->conf.expires_ns, tls_mbedtls_date(&crt->valid_to));
        if (!tls_mbedtls_is_strong(crt)) return ri_tls_misfit_err(RI_TLS_MISFIT_WEAK, rules);
    }
    rc = tls_mbedtls_check_purpose(c, rules);
    return rc < 0 ? rc : tls_mbedtls_parse_key(c, rules);
}

/* TLS 1.3 has ciphers of its own, which 2.28 need not know. */
static bool tls_mbedtls_is_13(const char *name)
{
    return strncmp(name, "TLS-AES-", 8) == 0 || strncmp(name, "TLS-CHACHA20-", 13) == 0;
}

static int tls_mbedtls_parse_ciphers(tls_mbedtls_conf *c, const char *list)
{
    char name[RI_TLS_WORD_MAX];
    int n = 0;
    while (ri_tls_next_cipher(&list, name)) {
        char own[RI_TLS_WORD_MAX];
        for (size_t i = 0; i <= strlen(name); i++) own[i] = name[i] == '_' ? '-' : name[i];
        int id = mbedtls_ssl_get_ciphersuite_id(own);
        if (!id && tls_mbedtls_is_13(own)) continue;
        if (!id) return ri_tls_cipher_err(name);
        if (n == TLS_MBEDTLS_CIPHERS) return ri_tls_ciphers_err(TLS_MBEDTLS_CIPHERS);
        c->ciphers[n++] = id;
    }
    return n ? RILL_OK : ri_tls_cipher_err(NULL);
}

static int tls_mbedtls_set_version(tls_mbedtls_conf *c, uint32_t version)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(&c->ssl, version == 13 ? MBEDTLS_SSL_VERSION_TLS1_3
                                                            : MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(&c->ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
#if MBEDTLS_VERSION_MAJOR < 3 || !defined(MBEDTLS_SSL_PROTO_TLS1_3)
    if (version == 13)
        return ri_err(RILL_ENOTSUP, "min_version 13: this mbedTLS has no TLS 1.3");
#endif
    return RILL_OK;
}

/* Tickets are sealed with a key of the configuration, which is replaced now and then. */
static int tls_mbedtls_set_tickets(tls_mbedtls_conf *c)
{
    int rc = mbedtls_ssl_ticket_setup(&c->tickets, tls_mbedtls_random, &c->conf.host,
                                      MBEDTLS_CIPHER_AES_256_GCM, TLS_MBEDTLS_TICKET_S);
    if (rc != 0) return ri_tls_nomem_err("the tickets of TLS");
    mbedtls_ssl_conf_session_tickets_cb(&c->ssl, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &c->tickets);
    return RILL_OK;
}

/* mbedTLS has names of its own. */
static void tls_mbedtls_set_name(char out[RI_TLS_WORD_MAX], const char *own)
{
    bool is_13 = strncmp(own, "TLS1-3-", 7) == 0;
    snprintf(out, RI_TLS_WORD_MAX, "%s%s", is_13 ? "TLS-" : "", is_13 ? own + 7 : own);
    for (char *at = out; *at; at++)
        if (*at == '-') *at = '_';
}

/* These may be agreed upon; they live as long as the configuration. */
static void tls_mbedtls_set_ciphers(tls_mbedtls_conf *c, const int *ids)
{
    mbedtls_ssl_conf_ciphersuites(&c->ssl, ids);
    for (int i = 0; ids[i]; i++) {
        const char *own = mbedtls_ssl_get_ciphersuite_name(ids[i]);
        RI_ASSERT(i < TLS_MBEDTLS_CIPHERS);
        tls_mbedtls_set_name(c->names[i], own ? own : "");
    }
}

/* Its name is its key's alone: of TLS 1.2, which all that is built has. mbedTLS wipes its copy. */
static int tls_mbedtls_set_psk(tls_mbedtls_conf *c, const ri_tls_rules *rules)
{
#ifdef TLS_MBEDTLS_HAS_PSK
    RI_ASSERT(rules->psk.len >= RI_TLS_PSK_MIN && rules->psk_identity);
    if (mbedtls_ssl_conf_psk(&c->ssl, (const unsigned char *)rules->psk.ptr, rules->psk.len,
                             (const unsigned char *)rules->psk_identity,
                             strlen(rules->psk_identity)) != 0)
        return ri_tls_nomem_err("TLS");
    memset(c->names, 0, sizeof c->names);
    tls_mbedtls_set_ciphers(c, tls_mbedtls_psk_ciphers);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_max_tls_version(&c->ssl, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
    return RILL_OK;
#else
    (void)c;
    (void)rules;
    return ri_err(RILL_ENOTSUP, "psk: this mbedTLS has no keys that are shared");
#endif
}

static int tls_mbedtls_configure(tls_mbedtls_conf *c, const ri_tls_rules *rules)
{
    int end = rules->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
    if (mbedtls_ssl_config_defaults(&c->ssl, end, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return ri_tls_nomem_err("TLS");
    mbedtls_ssl_conf_rng(&c->ssl, tls_mbedtls_random, &c->conf.host);
    mbedtls_ssl_conf_authmode(&c->ssl, rules->verify ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                     : MBEDTLS_SSL_VERIFY_NONE);
    if (rules->ca.len) mbedtls_ssl_conf_ca_chain(&c->ssl, &c->ca, NULL);
    if (rules->cert.len && mbedtls_ssl_conf_own_cert(&c->ssl, &c->cert, &c->key) != 0)
        return ri_tls_nomem_err("TLS");
    int rc = tls_mbedtls_set_version(c, rules->min_version);
    if (rc == RILL_OK && rules->ciphers) rc = tls_mbedtls_parse_ciphers(c, rules->ciphers);
    if (rc < 0) return rc;
    tls_mbedtls_set_ciphers(c, rules->ciphers ? c->ciphers : tls_mbedtls_ciphers);
    if (rules->psk.len && (rc = tls_mbedtls_set_psk(c, rules)) < 0) return rc;
    return rules->server ? tls_mbedtls_set_tickets(c) : RILL_OK;
}

static int tls_mbedtls_conf_new(ri_tls_conf **conf, const ri_host *host, const ri_tls_rules *rules)
{
    *conf = NULL;
#if MBEDTLS_VERSION_MAJOR >= 3
    if (psa_crypto_init() != PSA_SUCCESS)
        return ri_err(RILL_ENOMEM, "the cryptography of mbedTLS could not be begun");
#endif
    tls_mbedtls_conf *c = ri_new(host, tls_mbedtls_conf);
    if (!c) return RILL_ENOMEM;
    c->conf.host = *host;
    c->conf.expires_ns = INT64_MAX;
    mbedtls_ssl_config_init(&c->ssl);
    mbedtls_x509_crt_init(&c->cert);
    mbedtls_x509_crt_init(&c->ca);
    mbedtls_pk_init(&c->key);
    mbedtls_ssl_ticket_init(&c->tickets);
    mbedtls_ssl_session_init(&c->session);
    int rc = tls_mbedtls_parse(c, rules);
    if (rc == RILL_OK) rc = tls_mbedtls_configure(c, rules);
    if (rc < 0) tls_mbedtls_conf_free(&c->conf);
    else *conf = &c->conf;
    return rc;
}

/* ---- A connection ---- */

static int tls_mbedtls_on_recv(void *arg, unsigned char *buf, size_t len)
{
    ri_tls *tls = arg;
    RI_ASSERT(tls->io);
    size_t n = ri_tls_io_take(tls->io, buf, len);
    return n ? (int)n : MBEDTLS_ERR_SSL_WANT_READ;
}

static int tls_mbedtls_on_send(void *arg, const unsigned char *bytes, size_t len)
{
    ri_tls *tls = arg;
    RI_ASSERT(tls->io);
    size_t n = ri_tls_io_put(tls->io, bytes, len);
    return n ? (int)n : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void tls_mbedtls_close(ri_tls *tls)
{
    RI_ASSERT(tls->conf && !tls->io);
    const ri_host *host = &tls->conf->conf.host;
    mbedtls_ssl_free(&tls->ssl);
    ri_delete(host, tls);
}

static int tls_mbedtls_set_up(ri_tls *tls, tls_mbedtls_conf *c, const char *name)
{
    uint8_t ip[16];
    if (mbedtls_ssl_setup(&tls->ssl, &c->ssl) != 0) return ri_tls_nomem_err("a TLS connection");
    mbedtls_ssl_set_bio(&tls->ssl, tls, tls_mbedtls_on_send, tls_mbedtls_on_recv, NULL);
    mbedtls_ssl_set_verify(&tls->ssl, tls_mbedtls_on_cert, tls);
    if (c->conf.server) return RILL_OK;
    bool is_name = name && ri_tls_address(name, ip) == 0;
    if (mbedtls_ssl_set_hostname(&tls->ssl, is_name ? name : NULL) != 0)
        return ri_tls_nomem_err("a TLS connection");
    if (c->remembers && strcmp(c->remembered, tls->name) == 0)
        mbedtls_ssl_set_session(&tls->ssl, &c->session); /* or all of it once more */
    return RILL_OK;
}

static int tls_mbedtls_open(ri_tls **out, ri_tls_conf *conf, ri_tls_desk **desk, const char *name)
{
    *out = NULL;
    (void)desk;
    ri_tls *tls = ri_new(&conf->host, ri_tls);
    if (!tls) return RILL_ENOMEM;
    tls->conf = tls_mbedtls_of(conf);
    snprintf(tls->name, sizeof tls->name, "%s", name ? name : "");
    mbedtls_ssl_init(&tls->ssl);
    int rc = tls_mbedtls_set_up(tls, tls->conf, name);
    if (rc < 0) tls_mbedtls_close(tls);
    else *out = tls;
    return rc;
}

/* A server that wants a certificate, and was shown none, may say just that it has failed. */
static int tls_mbedtls_alert(const ri_tls *tls)
{
    int alert = tls->ssl.in_msg[1];
#if MBEDTLS_VERSION_MAJOR < 3 /* later ones do not show what was asked for */
    bool refused = alert == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
    if (refused && !tls->conf->conf.server && tls->ssl.client_auth && !tls->conf->cert.raw.p)
        return TLS_MBEDTLS_ALERT_WANTED;
#endif
    return alert;
}

static int tls_mbedtls_err(const ri_tls *tls, int rc)
{
    RI_ASSERT(rc < 0 && !tls->io);
    char why[TLS_MBEDTLS_WHY];
    const char *name = tls->conf->conf.server || !tls->name[0] ? NULL : tls->name;
    switch (rc) {
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED: return ri_tls_verdict_err(&tls->verdict, name);
    case MBEDTLS_ERR_X509_FATAL_ERROR:
        return ri_tls_verdict_err(&(ri_tls_verdict){.flaw = RI_TLS_FLAW_LONG}, name);
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return ri_tls_alert_err(tls_mbedtls_alert(tls));
#ifdef TLS_MBEDTLS_HAS_PSK
    case MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY: return ri_tls_psk_err();
#endif
    case MBEDTLS_ERR_SSL_INVALID_MAC:
        if (tls->conf->conf.psk && tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER)
            return ri_tls_psk_err();
        return ri_tls_fault_err(RI_TLS_FAULT_RECORD);
    case MBEDTLS_ERR_SSL_INVALID_RECORD: return ri_tls_fault_err(RI_TLS_FAULT_RECORD);
    case MBEDTLS_ERR_SSL_ALLOC_FAILED: return ri_tls_nomem_err("a TLS connection");
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        return ri_tls_verdict_err(&(ri_tls_verdict){.flaw = RI_TLS_FLAW_ABSENT}, name);
#if MBEDTLS_VERSION_MAJOR >= 3
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION: return ri_tls_fault_err(RI_TLS_FAULT_VERSION);
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE: return ri_tls_fault_err(RI_TLS_FAULT_CIPHER);
#else
    case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION: return ri_tls_fault_err(RI_TLS_FAULT_VERSION);
    case MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE:
    case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN: return ri_tls_fault_err(RI_TLS_FAULT_CIPHER);
#endif
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE: return ri_tls_fault_err(RI_TLS_FAULT_MESSAGE);
    default: return ri_tls_other_err(tls_mbedtls_why(rc, why));
    }
}

/* What mbedTLS passes over in silence the other side shall hear, too. */
static int tls_mbedtls_fail(ri_tls *tls, ri_tls_io *io, int rc, size_t out_before)
{
    int alert = MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
    if (rc == MBEDTLS_ERR_SSL_INVALID_MAC || rc == MBEDTLS_ERR_SSL_INVALID_RECORD)
        alert = MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC;
    if (rc == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)
        alert = MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;
    if (rc == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE) alert = MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
    tls->io = io;
    if (io->out_len == out_before && rc != MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       (unsigned char)alert);
    tls->io = NULL;
    return tls_mbedtls_err(tls, rc);
}

static bool tls_mbedtls_is_wait(int rc)
{
    return rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* A client remembers its last session. */
static void tls_mbedtls_remember(ri_tls *tls)
{
    tls_mbedtls_conf *c = tls->conf;
    RI_ASSERT(c);
    if (c->conf.server) return;
    mbedtls_ssl_session_free(&c->session);
    mbedtls_ssl_session_init(&c->session);
    c->remembers = mbedtls_ssl_get_session(&tls->ssl, &c->session) == 0;
    memcpy(c->remembered, tls->name, sizeof c->remembered);
}

static int tls_mbedtls_handshake(ri_tls *tls, ri_tls_io *io)
{
    tls->io = io;
    if (tls->ssl.state == MBEDTLS_SSL_SERVER_CERTIFICATE) tls->certified = true;
    size_t before = io->out_len;
    int rc = mbedtls_ssl_handshake_step(&tls->ssl);
    tls->io = NULL;
    if (tls_mbedtls_is_wait(rc)) return 0;
    if (rc != 0) return tls_mbedtls_fail(tls, io, rc, before);
    if (tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER) return RI_TLS_STEP;
    tls_mbedtls_remember(tls);
    return RI_TLS_DONE;
}

static int tls_mbedtls_read(ri_tls *tls, ri_tls_io *io, void *buf, size_t len)
{
    RI_ASSERT(!tls->io && io && len > 0);
    int rc;
    size_t before = io->out_len;
    tls->io = io;
    do {
        rc = mbedtls_ssl_read(&tls->ssl, buf, len);
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
        if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            tls_mbedtls_remember(tls);
            continue;
        }
#endif
        break;
    } while (true);
    tls->io = NULL;
    if (rc > 0) return rc;
    if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) io->ended = true;
    if (rc == 0 || io->ended || tls_mbedtls_is_wait(rc)) return 0;
    return tls_mbedtls_fail(tls, io, rc, before);
}

static bool tls_mbedtls_pending(const ri_tls *tls)
{
    return mbedtls_ssl_check_pending(&tls->ssl) != 0;
}

static int tls_mbedtls_write(ri_tls *tls, ri_tls_io *io, const void *bytes, size_t len)
{
    RI_ASSERT(len > 0 && io->out_cap - io->out_len >= RI_TLS_RECORD_MAX);
    tls->io = io;
    int rc = mbedtls_ssl_write(&tls->ssl, bytes, len);
    tls->io = NULL;
    return rc > 0 ? rc : tls_mbedtls_err(tls, rc);
}

static void tls_mbedtls_shut(ri_tls *tls, ri_tls_io *io)
{
    RI_ASSERT(!tls->io && io);
    tls->io = io;
    mbedtls_ssl_close_notify(&tls->ssl);
    tls->io = NULL;
}

static void tls_mbedtls_about(const ri_tls *tls, ri_tls_about *out)
{
    const char *version = mbedtls_ssl_get_version(&tls->ssl); /* "TLSv1.2" */
    char name[RI_TLS_WORD_MAX];
    const char *own = mbedtls_ssl_get_ciphersuite(&tls->ssl);
    *out = (ri_tls_about){
        .version = strncmp(version, "TLSv", 4) == 0 ? version + 4 : version,
        .cipher = "", .resumed = !tls->certified};
    tls_mbedtls_set_name(name, own ? own : "");
    for (size_t i = 0; i < RI_LEN(tls->conf->names); i++)
        if (strcmp(tls->conf->names[i], name) == 0) out->cipher = tls->conf->names[i];
}

static void tls_mbedtls_shown(const ri_tls *tls, ri_buffer *out)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&tls->ssl);
    RI_ASSERT(tls->ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER && out);
    if (crt && crt->raw.p) ri_buffer_put(out, crt->raw.p, crt->raw.len);
}

const ri_tls_ops ri_tls_mbedtls = {
    .bytes = TLS_MBEDTLS_BYTES,
    .version = tls_mbedtls_version,
    .conf_new = tls_mbedtls_conf_new,
    .conf_free = tls_mbedtls_conf_free,
    .open = tls_mbedtls_open,
    .close = tls_mbedtls_close,
    .handshake = tls_mbedtls_handshake,
    .read = tls_mbedtls_read,
    .pending = tls_mbedtls_pending,
    .write = tls_mbedtls_write,
    .shut = tls_mbedtls_shut,
    .about = tls_mbedtls_about,
    .shown = tls_mbedtls_shown,
};
