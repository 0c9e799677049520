/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/rfc3339.h"

enum {
    TLS_FILE_MAX = 4 * 1024 * 1024, /* bytes of a file of certificates */
    TLS_TIMEOUT_MS = 2000,
};

/* ---- Texts and files ---- */

/* A text of PEM: one that was given, or a copy of a file, which is wiped. */
typedef struct tls_text {
    ri_str pem;        /* with a 0 behind it; empty: none */
    char *copy;        /* of `size` bytes; NULL: it was given */
    size_t size;
    const char *name;  /* for sentences */
} tls_text;

static void tls_text_fini(const ri_host *host, tls_text *text)
{
    if (!text->copy) return;
    explicit_bzero(text->copy, text->size);
    ri_free(host, text->copy, text->size);
}

static int tls_read_all(int fd, char *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, out + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : EIO; /* it became shorter meanwhile */
        done += (size_t)n;
    }
    return 0;
}

static int tls_read_open(const ri_host *host, int fd, tls_text *text)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return ri_err_os(RILL_EIO, errno, "read %s", text->name);
    if (!S_ISREG(st.st_mode)) return ri_err(RILL_EIO, "%s is no regular file", text->name);
    if (st.st_size == 0) return ri_err(RILL_EINVAL, "%s is empty", text->name);
    if (st.st_size > TLS_FILE_MAX)
        return ri_err(RILL_EINVAL, "%s has %lld bytes; at most %d", text->name,
                      (long long)st.st_size, TLS_FILE_MAX);
    size_t len = (size_t)st.st_size;
    text->size = len + 1;
    text->copy = ri_alloc(host, text->size);
    if (!text->copy) return RILL_ENOMEM;
    int err = tls_read_all(fd, text->copy, len);
    if (err) return ri_err_os(RILL_EIO, err, "read %s", text->name);
    text->copy[len] = 0;
    text->pem = (ri_str){text->copy, len};
    return RILL_OK;
}

static int tls_read_file(const ri_host *host, const char *path, tls_text *text)
{
    text->name = path;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return ri_err_os(RILL_EIO, errno, "open %s", path);
    int rc = tls_read_open(host, fd, text);
    close(fd);
    return rc;
}

/* What is given as a file or as a text; none of them: it stays empty. */
static int tls_text_have(const ri_host *host, const char *file, const char *pem, const char *what,
                         tls_text *text)
{
    RI_ASSERT(what);
    if (file && pem) return ri_err(RILL_EINVAL, "%s_file and %s_pem: one of them", what, what);
    if (file) return tls_read_file(host, file, text);
    if (!pem) return RILL_OK;
    text->name = what;
    text->pem = ri_str_of(pem);
    return text->pem.len ? RILL_OK : ri_err(RILL_EINVAL, "%s_pem is empty", what);
}

/* Where systems keep whom they believe, in one file. */
static int tls_text_system(const ri_host *host, tls_text *text)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
        "/etc/ssl/cert.pem",
    };
    const char *asked = secure_getenv("SSL_CERT_FILE");
    if (asked && asked[0]) return tls_read_file(host, asked, text);
    for (size_t i = 0; i < RI_LEN(places); i++)
        if (access(places[i], R_OK) == 0) return tls_read_file(host, places[i], text);
    return ri_err(RILL_EIO, "this system has no list of whom to believe (%s): give ca_file, or "
                  "install ca-certificates", places[0]);
}

/* ---- Options ---- */

typedef struct tls_texts {
    tls_text ca, cert, key;
} tls_texts;

static void tls_texts_fini(const ri_host *host, tls_texts *t)
{
    tls_text_fini(host, &t->ca);
    tls_text_fini(host, &t->cert);
    tls_text_fini(host, &t->key);
}

/* Does the other side have to show a certificate? */
static bool tls_verifies(const rill_tls *tls, bool server)
{
    if (tls->psk) return false;
    return server ? tls->verify_peer || tls->verify_and_map : !tls->insecure;
}

/* ---- A key that is shared ---- */

/* What a certificate would be given for. */
static const char *tls_beside_psk(const rill_tls *tls)
{
    const struct {
        bool given;
        const char *name;
    } others[] = {
        {tls->ca_file || tls->ca_pem, "ca_file"}, {tls->cert_file || tls->cert_pem, "cert_file"},
        {tls->key_file || tls->key_pem, "key_file"}, {tls->key_password, "key_password"},
        {tls->ciphers, "ciphers"}, {tls->min_version == 13, "min_version 13"},
        {tls->verify_peer, "verify_peer"}, {tls->verify_and_map, "verify_and_map"},
        {tls->insecure, "insecure"}};
    for (size_t i = 0; i < RI_LEN(others); i++)
        if (others[i].given) return others[i].name;
    return NULL;
}

static int tls_check_psk(const rill_tls *tls)
{
    const char *beside;
    if (!tls->psk && !tls->psk_identity) return RILL_OK;
    if (!tls->psk || !tls->psk_identity)
        return ri_err(RILL_EINVAL, "%s", tls->psk ? "psk wants its psk_identity"
                                                  : "psk_identity wants its psk");
#ifndef RI_HAVE_PSK
    return ri_err(RILL_ENOTSUP, "psk: this library was built without keys that are shared");
#endif
    if ((beside = tls_beside_psk(tls)) != NULL)
        return ri_err(RILL_EINVAL, "psk and %s: a key that is shared stands for all certificates",
                      beside);
    size_t len = strlen(tls->psk_identity);
    if (len == 0 || len > RI_TLS_PSK_NAME_MAX)
        return ri_err(RILL_EINVAL, "psk_identity has %zu bytes; 1 to %d", len, RI_TLS_PSK_NAME_MAX);
    return RILL_OK;
}

static int tls_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Nothing of the key is in a sentence. */
static int tls_read_psk(const rill_tls *tls, uint8_t out[RI_TLS_PSK_MAX], size_t *len)
{
    size_t digits = tls->psk ? strlen(tls->psk) : 0;
    *len = digits / 2;
    if (!tls->psk) return RILL_OK;
    bool well = digits % 2 == 0 && *len >= RI_TLS_PSK_MIN && *len <= RI_TLS_PSK_MAX;
    for (size_t i = 0; well && i < digits; i++) {
        int digit = tls_digit(tls->psk[i]);
        well = digit >= 0;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit * 16);
    }
    return well ? RILL_OK : ri_err(RILL_EINVAL, "psk is %d to %d digits of base 16",
                                   2 * RI_TLS_PSK_MIN, 2 * RI_TLS_PSK_MAX);
}

static int tls_texts_have(const ri_host *host, const rill_tls *tls, bool server, tls_texts *t)
{
    int rc = tls_text_have(host, tls->ca_file, tls->ca_pem, "ca", &t->ca);
    if (rc == RILL_OK) rc = tls_text_have(host, tls->cert_file, tls->cert_pem, "cert", &t->cert);
    if (rc == RILL_OK) rc = tls_text_have(host, tls->key_file, tls->key_pem, "key", &t->key);
    if (rc < 0) return rc;
    bool verify = tls_verifies(tls, server);
    if (verify && !t->ca.pem.len) rc = tls_text_system(host, &t->ca);
    if (rc == RILL_OK && server && !t->cert.pem.len && !tls->psk)
        rc = ri_err(RILL_EINVAL, "TLS needs a certificate: cert_file or cert_pem");
    if (rc == RILL_OK && t->cert.pem.len && !t->key.pem.len)
        rc = ri_err(RILL_EINVAL, "the certificate %s needs its key: key_file or key_pem",
                    t->cert.name);
    if (rc == RILL_OK && t->key.pem.len && !t->cert.pem.len)
        rc = ri_err(RILL_EINVAL, "the key %s needs its certificate: cert_file or cert_pem",
                    t->key.name);
    return rc;
}

static int tls_check(const rill_tls *tls, bool server)
{
    if (tls->min_version && tls->min_version != 12 && tls->min_version != 13)
        return ri_err(RILL_EINVAL, "min_version is %u; 12 and 13 are TLS 1.2 and 1.3",
                      tls->min_version);
    if (server && tls->insecure)
        return ri_err(RILL_EINVAL, "insecure is for handles: a listener has verify_peer");
    if (server && tls->server_name)
        return ri_err(RILL_EINVAL, "server_name is for handles: a listener has its certificate's");
    if (!server && (tls->verify_peer || tls->verify_and_map))
        return ri_err(RILL_EINVAL, "%s is for listeners: a handle verifies its server "
                      "unless it is insecure",
                      tls->verify_peer ? "verify_peer" : "verify_and_map");
    if (!server && (tls->first_ms || tls->timeout_ms || tls->max_handshakes))
        return ri_err(RILL_EINVAL, "%s is for listeners",
                      tls->first_ms ? "first_ms" : tls->timeout_ms ? "timeout_ms"
                                                                   : "max_handshakes");
    if (tls->first_ms && !tls->handshake_first)
        return ri_err(RILL_EINVAL, "first_ms without handshake_first");
    if (tls->server_name && strlen(tls->server_name) >= RI_TLS_NAME_MAX)
        return ri_err(RILL_EINVAL, "server_name has %zu bytes; at most %d",
                      strlen(tls->server_name), RI_TLS_NAME_MAX - 1);
    return RILL_OK;
}

const ri_tls_ops *ri_tls_library(void)
{
#ifdef RI_HAVE_OPENSSL
    return &ri_tls_openssl;
#else
    return &ri_tls_openssl ? &ri_tls_openssl : &ri_tls_mbedtls;
#endif
}

static void tls_conf_fill(ri_tls_conf *conf, const ri_host *host, const rill_tls *tls, bool server)
{
    RI_ASSERT(conf->library && tls && !(server && tls->insecure));
    conf->host = *host;
    atomic_init(&conf->refs, 1);
    conf->server = server;
    conf->verify = tls_verifies(tls, server);
    conf->maps = tls->verify_and_map;
    conf->psk = tls->psk != NULL;
    conf->handshake_first = tls->handshake_first;
    conf->first_ns = tls->first_ms ? ri_ns_of_ms(tls->first_ms) : INT64_MAX;
    conf->timeout_ns = INT64_MAX; /* a handle has a time of its own */
    if (server) conf->timeout_ns = ri_ns_of_ms(tls->timeout_ms ? tls->timeout_ms : TLS_TIMEOUT_MS);
    conf->slots = tls->max_handshakes ? tls->max_handshakes : RI_TLS_SLOTS;
    snprintf(conf->server_name, sizeof conf->server_name, "%s",
             tls->server_name ? tls->server_name : "");
}

int ri_tls_conf_new(ri_tls_conf **conf, const ri_host *host, const rill_tls *tls, bool server)
{
    RI_ASSERT(conf && host && (tls || !server));
    const ri_tls_ops *library = ri_tls_library();
    static const rill_tls defaults = {.size = sizeof defaults};
    tls_texts t = {0};
    uint8_t psk[RI_TLS_PSK_MAX] = {0};
    size_t psk_len = 0;
    *conf = NULL;
    if (!tls) tls = &defaults;
    int rc = tls_check(tls, server);
    if (rc == RILL_OK) rc = tls_check_psk(tls);
    if (rc == RILL_OK) rc = tls_read_psk(tls, psk, &psk_len);
    if (rc == RILL_OK) rc = tls_texts_have(host, tls, server, &t);
    const ri_tls_rules rules = {
        .server = server, .verify = tls_verifies(tls, server),
        .min_version = tls->min_version ? tls->min_version : 12,
        .ca = t.ca.pem, .cert = t.cert.pem, .key = t.key.pem, .key_password = tls->key_password,
        .ciphers = tls->ciphers, .ca_name = t.ca.name, .cert_name = t.cert.name,
        .key_name = t.key.name, .psk = {(const char *)psk, psk_len},
        .psk_identity = tls->psk_identity};
    if (rc == RILL_OK) rc = library->conf_new(conf, host, &rules);
    if (rc == RILL_OK) {
        (*conf)->library = library;
        ri_hash128(t.ca.pem.ptr, t.ca.pem.len, (*conf)->ca);
        tls_conf_fill(*conf, host, tls, server);
    }
    tls_texts_fini(host, &t);
    explicit_bzero(psk, sizeof psk);
    return rc;
}

ri_tls_conf *ri_tls_conf_ref(ri_tls_conf *conf)
{
    RI_ASSERT(conf && atomic_load(&conf->refs) > 0);
    atomic_fetch_add_explicit(&conf->refs, 1, memory_order_relaxed);
    return conf;
}

void ri_tls_conf_unref(ri_tls_conf *conf)
{
    if (!conf) return;
    RI_ASSERT(atomic_load(&conf->refs) > 0);
    if (atomic_fetch_sub_explicit(&conf->refs, 1, memory_order_acq_rel) == 1)
        conf->library->conf_free(conf);
}

/* ---- For libraries ---- */

int64_t ri_tls_date_ns(int year, int month, int day, int hour, int minute, int second)
{
    char text[64];
    int64_t time_ns;
    int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, hour,
                     minute, second);
    RI_ASSERT(n > 0 && (size_t)n < sizeof text);
    if (!ri_rfc3339_read((ri_str){text, (size_t)n}, &time_ns)) return INT64_MAX;
    return time_ns == RI_RFC3339_YEAR1 ? 0 : time_ns;
}

static bool tls_is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '_' || c == '-';
}

bool ri_tls_next_cipher(const char **list, char out[RI_TLS_WORD_MAX])
{
    const char *at = *list;
    size_t len = 0;
    while (*at && !tls_is_word(*at)) at++;
    for (; tls_is_word(*at); at++)
        if (len < RI_TLS_WORD_MAX - 1) out[len++] = *at;
    out[len] = 0;
    *list = at;
    return len > 0;
}

size_t ri_tls_address(const char *name, uint8_t out[16])
{
    RI_ASSERT(name);
    if (inet_pton(AF_INET, name, out) == 1) return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

/* ---- Sentences ---- */

/* Names come from a stranger's certificate: what is not printed well is a question mark. */
static const char *tls_printed(char out[RI_TLS_NAME_MAX], const char *name)
{
    size_t n = 0;
    for (; name[n] && n < RI_TLS_NAME_MAX - 1; n++)
        out[n] = name[n] < ' ' || name[n] > '~' || name[n] == '"' ? '?' : name[n];
    out[n] = 0;
    return n ? out : "?";
}

static int tls_dated_err(const char *subject, const char *what, int64_t time_ns)
{
    char date[RI_RFC3339_MAX];
    size_t len = ri_rfc3339_write(date, time_ns);
    return ri_err(RILL_EAUTH, "the certificate of \"%s\" %s %.*s", subject, what, (int)len, date);
}

int ri_tls_verdict_err(const ri_tls_verdict *v, const char *name)
{
    char subject_room[RI_TLS_NAME_MAX], names_room[RI_TLS_NAME_MAX];
    const char *subject = tls_printed(subject_room, v->subject);
    const char *names = tls_printed(names_room, v->names);
    switch (v->flaw) {
    case RI_TLS_FLAW_NONE:
    case RI_TLS_FLAW_OTHER:
        return ri_err(RILL_EAUTH, "the certificate of \"%s\" is not valid", subject);
    case RI_TLS_FLAW_ABSENT: return ri_err(RILL_EAUTH, "no certificate was shown");
    case RI_TLS_FLAW_EXPIRED: return tls_dated_err(subject, "has expired at", v->time_ns);
    case RI_TLS_FLAW_FUTURE: return tls_dated_err(subject, "is not valid before", v->time_ns);
    case RI_TLS_FLAW_HOST:
        return ri_err(RILL_EAUTH, "the certificate is of \"%s\", and not of \"%s\"", names,
                      name ? name : "");
    case RI_TLS_FLAW_ISSUER:
        return ri_err(RILL_EAUTH, "the certificate of \"%s\" was signed by \"%s\", who is not "
                      "believed here", subject, names);
    case RI_TLS_FLAW_LONG:
        return ri_err(RILL_EAUTH, "there are more than %d certificates between that of \"%s\" and "
                      "one that is believed", RI_TLS_CHAIN_MAX, subject);
    case RI_TLS_FLAW_WEAK:
        return ri_err(RILL_EAUTH, "the key or the signature of the certificate of \"%s\" is too "
                      "weak", subject);
    case RI_TLS_FLAW_PURPOSE:
        return ri_err(RILL_EAUTH, "the certificate of \"%s\" is for another purpose", subject);
    }
    return ri_err(RILL_EAUTH, "the certificate is not valid");
}

int ri_tls_alert_err(int alert)
{
    static const struct {
        uint8_t number;
        bool auth; /* it is about a certificate */
        const char *text;
    } alerts[] = {
        {10, false, "a message out of turn"},
        {20, false, "a record that does not decrypt"},
        {22, false, "a record that is too long"},
        {40, false, "there is no cipher that both sides have"},
        {42, true, "our certificate is not valid"},
        {43, true, "our certificate is of a kind that is not wanted"},
        {44, true, "our certificate was revoked"},
        {45, true, "our certificate has expired"},
        {46, true, "our certificate is not accepted"},
        {47, false, "a value that is not allowed"},
        {48, true, "nobody who is believed there has signed our certificate"},
        {49, true, "access is denied"},
        {50, false, "a message that makes no sense"},
        {51, false, "a signature that is wrong"},
        {70, false, "there is no version of TLS that both sides have"},
        {71, false, "our ciphers are too weak"},
        {80, false, "an error of its own"},
        {90, false, "it was taken back"},
        {109, false, "an extension that is missing"},
        {112, true, "it has no such name"},
        {115, true, "it does not know our psk_identity"},
        {116, true, "a certificate is wanted"},
    };
    for (size_t i = 0; i < RI_LEN(alerts); i++)
        if (alerts[i].number == alert)
            return ri_err(alerts[i].auth ? RILL_EAUTH : RILL_EPROTO,
                          "the other side has ended TLS: %s (alert %d)", alerts[i].text, alert);
    return ri_err(RILL_EPROTO, "the other side has ended TLS by alert %d", alert);
}

int ri_tls_fault_err(ri_tls_fault fault)
{
    switch (fault) {
    case RI_TLS_FAULT_RECORD:
        return ri_err(RILL_EPROTO, "a TLS record is damaged, or out of its order");
    case RI_TLS_FAULT_MESSAGE:
        return ri_err(RILL_EPROTO, "a TLS message makes no sense, or is out of turn");
    case RI_TLS_FAULT_VERSION:
        return ri_err(RILL_EPROTO, "there is no version of TLS that both sides have");
    case RI_TLS_FAULT_CIPHER:
        return ri_err(RILL_EPROTO, "there is no cipher that both sides have");
    case RI_TLS_FAULT_LENGTH: return ri_err(RILL_EPROTO, "a TLS message is too long");
    }
    return ri_err(RILL_EPROTO, "TLS has failed");
}

int ri_tls_misfit_err(ri_tls_misfit misfit, const ri_tls_rules *rules)
{
    RI_ASSERT(rules->cert_name && rules->key_name);
    switch (misfit) {
    case RI_TLS_MISFIT_WEAK:
        return ri_err(RILL_EINVAL, "the key or the signature of the certificate %s is too weak",
                      rules->cert_name);
    case RI_TLS_MISFIT_PURPOSE:
        return ri_err(RILL_EINVAL, "the certificate %s is not for a %s", rules->cert_name,
                      rules->server ? "server" : "client");
    case RI_TLS_MISFIT_PAIR:
        return ri_err(RILL_EINVAL, "the key %s is not that of the certificate %s", rules->key_name,
                      rules->cert_name);
    case RI_TLS_MISFIT_LOCKED:
        return ri_err(RILL_EINVAL, "%s: the key wants a password", rules->key_name);
    case RI_TLS_MISFIT_PASSWORD:
        return ri_err(RILL_EINVAL, "%s: that is not the password of the key", rules->key_name);
    }
    return ri_err(RILL_EINVAL, "the certificate %s cannot be used", rules->cert_name);
}

int ri_tls_pem_err(const char *name, const char *what, const char *why)
{
    RI_ASSERT(name && what && why);
    return ri_err(RILL_EINVAL, "%s: there is no whole %s in PEM that this library knows (%s)", name,
                  what, why);
}

int ri_tls_cipher_err(const char *name)
{
    if (!name)
        return ri_err(RILL_EINVAL, "ciphers: there is none in the list that this library knows");
    return ri_err(RILL_EINVAL, "ciphers: %s is none that this library knows", name);
}

int ri_tls_ciphers_err(int max)
{
    RI_ASSERT(max > 0);
    return ri_err(RILL_EINVAL, "ciphers: more than %d of them", max);
}

int ri_tls_nomem_err(const char *what)
{
    RI_ASSERT(what);
    return ri_err(RILL_ENOMEM, "no memory for %s", what);
}

int ri_tls_psk_err(void)
{
    return ri_err(RILL_EAUTH, "the other side has another psk or psk_identity");
}

int ri_tls_other_err(const char *why)
{
    RI_ASSERT(why);
    return ri_err(RILL_EPROTO, "TLS has failed (%s)", why);
}
