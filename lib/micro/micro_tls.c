/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_tls.h"

#ifdef RI_MICRO_TLS

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

enum {
    MICRO_TLS_KEY_MIN = 16, MICRO_TLS_KEY_MAX = 64, /* bytes */
    MICRO_TLS_NAME_MAX = 128,
};

struct ri_micro_tls {
    rill_bus *bus;
    rill_wire *wire;     /* NULL: no connection */
    bool first;
    bool agreed;         /* the handshake is over */
    size_t owed;         /* bytes that are in a record which the wire has not taken whole */
    int wire_err;        /* by which the wire has failed */
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
};

/* As all of rill has it: what a listener with a key takes. */
static const int micro_tls_ciphers[] = {MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0};

/* ---- What mbedTLS asks for ---- */

static int micro_tls_dice(void *arg, unsigned char *out, size_t len)
{
    const ri_micro_tls *tls = arg;
    tls->bus->host.entropy(tls->bus->host.arg, out, len);
    return 0;
}

static int micro_tls_moved(ri_micro_tls *tls, int64_t n, int again)
{
    if (n == RILL_EAGAIN) return again;
    if (n < 0) tls->wire_err = (int)n;
    return n < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

static int micro_tls_send(void *arg, const unsigned char *buf, size_t len)
{
    ri_micro_tls *tls = arg;
    RI_ASSERT(tls->wire);
    return micro_tls_moved(tls, ri_micro_wire_write(tls->wire, buf, RI_MIN(len, (size_t)INT32_MAX)),
                           MBEDTLS_ERR_SSL_WANT_WRITE);
}

static int micro_tls_recv(void *arg, unsigned char *buf, size_t len)
{
    ri_micro_tls *tls = arg;
    RI_ASSERT(tls->wire);
    return micro_tls_moved(tls, ri_micro_wire_read(tls->wire, buf, RI_MIN(len, (size_t)INT32_MAX)),
                           MBEDTLS_ERR_SSL_WANT_READ);
}

/* ---- Opening ---- */

static int micro_tls_check(const rill_tls *asked)
{
    if (!asked->psk || !asked->psk_identity || asked->ca_file || asked->ca_pem ||
        asked->cert_file || asked->cert_pem || asked->key_file || asked->key_pem ||
        asked->server_name || asked->ciphers || asked->insecure || asked->min_version > 12)
        return ri_err(RILL_ENOTSUP, "this build has TLS 1.2 by psk and psk_identity, and no more");
    size_t name = strlen(asked->psk_identity);
    if (name == 0 || name > MICRO_TLS_NAME_MAX)
        return ri_err(RILL_EINVAL, "psk_identity has %zu bytes; 1 to %d", name, MICRO_TLS_NAME_MAX);
    return RILL_OK;
}

static int micro_tls_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes the key has; RILL_EINVAL. */
static int micro_tls_key(const char *digits, uint8_t out[MICRO_TLS_KEY_MAX])
{
    size_t len = strlen(digits);
    bool well = len % 2 == 0 && len >= 2 * MICRO_TLS_KEY_MIN && len <= 2 * MICRO_TLS_KEY_MAX;
    for (size_t i = 0; well && i < len; i += 2) {
        int high = micro_tls_digit(digits[i]), low = micro_tls_digit(digits[i + 1]);
        well = high >= 0 && low >= 0;
        if (well) out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return well ? (int)(len / 2) : ri_err(RILL_EINVAL, "psk is %d to %d digits of base 16",
                                          2 * MICRO_TLS_KEY_MIN, 2 * MICRO_TLS_KEY_MAX);
}

static int micro_tls_configure(ri_micro_tls *tls, const rill_tls *asked, const uint8_t *key,
                               size_t len)
{
    mbedtls_ssl_config *conf = &tls->conf;
    mbedtls_ssl_config_init(conf);
    int rc = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                         MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc == 0)
        rc = mbedtls_ssl_conf_psk(conf, key, len, (const unsigned char *)asked->psk_identity,
                                  strlen(asked->psk_identity));
    if (rc != 0) {
        mbedtls_ssl_config_free(conf);
        return ri_err(RILL_ENOMEM, "mbedTLS has no memory for a key");
    }
    mbedtls_ssl_conf_ciphersuites(conf, micro_tls_ciphers);
    mbedtls_ssl_conf_rng(conf, micro_tls_dice, tls);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
    return RILL_OK;
}

int ri_micro_tls_lay(rill_bus *bus, const rill_tls *given, ri_micro_tls **out)
{
    rill_tls asked = {.size = 0};
    uint8_t key[MICRO_TLS_KEY_MAX];
    memcpy(&asked, given, RI_MIN(given->size, sizeof asked));
    *out = NULL;
    int rc = micro_tls_check(&asked);
    if (rc >= 0) rc = micro_tls_key(asked.psk, key);
    if (rc < 0) return rc;
    ri_micro_tls *tls = ri_micro_bus_carve(bus, sizeof *tls);
    if (!tls) return RILL_OK;
    memset(tls, 0, sizeof *tls);
    tls->bus = bus;
    tls->first = asked.handshake_first;
    rc = micro_tls_configure(tls, &asked, key, (size_t)rc);
    for (volatile uint8_t *p = key; p < key + sizeof key; p++) *p = 0;
    if (rc >= 0) *out = tls;
    return rc;
}

bool ri_micro_tls_is_first(const ri_micro_tls *tls)
{
    RI_ASSERT(tls->bus);
    return tls->first;
}

/* ---- A connection ---- */

int ri_micro_tls_begin(ri_micro_tls *tls, rill_wire *wire)
{
    RI_ASSERT(wire && !tls->wire);
    mbedtls_ssl_init(&tls->ssl);
    if (mbedtls_ssl_setup(&tls->ssl, &tls->conf) != 0) {
        mbedtls_ssl_free(&tls->ssl);
        return ri_err(RILL_ENOMEM, "mbedTLS has no memory for a connection");
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, micro_tls_send, micro_tls_recv, NULL);
    tls->wire = wire;
    tls->agreed = false;
    tls->owed = 0;
    tls->wire_err = 0;
    return RILL_OK;
}

/* What mbedTLS has said, as one of ours. The sentence of a wire that has failed stands. */
static int micro_tls_error(const ri_micro_tls *tls, int rc)
{
    RI_ASSERT(rc < 0);
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE) return RILL_EAGAIN;
    if (tls->wire_err < 0 && !tls->agreed) /* an alert may have been lost with it */
        return ri_err(tls->wire_err, "TLS was cut off, maybe for another psk or psk_identity");
    if (tls->wire_err < 0) return tls->wire_err;
    if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || rc == MBEDTLS_ERR_SSL_CONN_EOF)
        return ri_err(RILL_ECONN, "the server has closed the connection");
    if (!tls->agreed && rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return ri_err(RILL_EAUTH, "the other side has another psk or psk_identity");
    return ri_err(RILL_ECONN, "TLS has failed: mbedTLS says -0x%04x", (unsigned)-rc);
}

static int micro_tls_agree(ri_micro_tls *tls)
{
    RI_ASSERT(tls->wire);
    if (tls->agreed) return RILL_OK;
    int rc = mbedtls_ssl_handshake(&tls->ssl);
    if (rc < 0) return micro_tls_error(tls, rc);
    tls->agreed = true;
    return RILL_OK;
}

int64_t ri_micro_tls_read(ri_micro_tls *tls, void *buf, size_t len)
{
    int rc = micro_tls_agree(tls);
    if (rc < 0) return rc;
    rc = mbedtls_ssl_read(&tls->ssl, buf, len);
    if (rc == 0) return ri_err(RILL_ECONN, "the server has closed the connection");
    return rc > 0 ? rc : micro_tls_error(tls, rc);
}

int64_t ri_micro_tls_write(ri_micro_tls *tls, const void *buf, size_t len)
{
    int rc = micro_tls_agree(tls);
    if (rc < 0) return rc;
    RI_ASSERT(tls->owed <= len);
    if (tls->owed) len = tls->owed; /* mbedTLS has them already, and says so when they are gone */
    rc = mbedtls_ssl_write(&tls->ssl, buf, len);
    tls->owed = rc == MBEDTLS_ERR_SSL_WANT_WRITE ? len : 0;
    return rc >= 0 ? rc : micro_tls_error(tls, rc);
}

bool ri_micro_tls_has(const ri_micro_tls *tls)
{
    return tls->wire && mbedtls_ssl_get_bytes_avail(&tls->ssl) > 0;
}

void ri_micro_tls_end(ri_micro_tls *tls)
{
    if (!tls->wire) return;
    if (tls->agreed && tls->wire_err == 0) (void)mbedtls_ssl_close_notify(&tls->ssl);
    mbedtls_ssl_free(&tls->ssl);
    tls->wire = NULL;
}

void ri_micro_tls_close(ri_micro_tls *tls)
{
    ri_micro_tls_end(tls);
    mbedtls_ssl_config_free(&tls->conf);
}

#endif
