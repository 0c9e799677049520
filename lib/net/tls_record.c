/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_record.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include "base/error.h"

enum {
    RECORD_HEAD = 5,
    RECORD_IV = 12,
    RECORD_TAG = 16,
    RECORD_KEY_MAX = 32,
    RECORD_BODY_MAX = RI_TLS_RECORD + 256, /* bytes behind a head */
    RECORD_UPDATES = 32,                   /* of keys, with no data between them */
    RECORD_MESSAGE = 5,                    /* bytes of a KeyUpdate ... */
    RECORD_KEY_UPDATE = 24,                /* ... and its first */
};

typedef enum record_type {
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
} record_type;

typedef enum record_alert {
    ALERT_CLOSE = 0,
    ALERT_MESSAGE = 10,
    ALERT_MAC = 20,
    ALERT_LENGTH = 22,
    ALERT_VALUE = 47,
    ALERT_INTERNAL = 80,
    ALERT_CANCELED = 90,
} record_alert;

/* One direction. */
typedef struct record_way {
    EVP_CIPHER_CTX *ctx;
    uint64_t number;                   /* of the next record */
    uint8_t iv[RECORD_IV];
    uint8_t secret[RI_TLS_SECRET_MAX]; /* of which the next keys are made */
} record_way;

struct ri_tls_records {
    const ri_host *host;
    const EVP_CIPHER *cipher;
    const EVP_MD *md;
    record_way in, out;
    uint8_t *kept;     /* room for a record: a part of one that came, or of what one had; or NULL */
    uint32_t at, len;  /* of that: [at, len) */
    bool plain;        /* it is of what one had */
    bool broken;       /* what comes is of no use any more */
    bool shut;         /* this side has said that it sends no more */
    uint8_t updates;   /* of the peer's key since data came */
    uint8_t message[RECORD_MESSAGE]; /* what has come of a KeyUpdate */
    uint8_t message_len;
};

/* ---- Keys ---- */

static int record_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The bytes of a text of hexadecimal digits; 0: it is no such, or too long. */
static size_t record_parse_secret(const char *text, uint8_t out[RI_TLS_SECRET_MAX])
{
    size_t len = strlen(text) / 2;
    if (len > RI_TLS_SECRET_MAX || strlen(text) % 2) return 0;
    for (size_t i = 0; i < len; i++) {
        int high = record_digit(text[2 * i]), low = record_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return len;
}

void ri_tls_secrets_take(ri_tls_secrets *secrets, const char *line)
{
    static const char peer[] = "CLIENT_TRAFFIC_SECRET_0 ", own[] = "SERVER_TRAFFIC_SECRET_0 ";
    const char *last = strrchr(line, ' ');
    RI_ASSERT(secrets);
    if (!last) return;
    if (strncmp(line, peer, sizeof peer - 1) == 0)
        secrets->peer_len = record_parse_secret(last + 1, secrets->peer);
    if (strncmp(line, own, sizeof own - 1) == 0)
        secrets->own_len = record_parse_secret(last + 1, secrets->own);
}

/* HKDF-Expand-Label of RFC 8446 §7.1, without a context, of what one hash has room for. */
static bool record_expand(const EVP_MD *md, const uint8_t *secret, const char *label, uint8_t *out,
                          size_t len)
{
    uint8_t info[32], hash[EVP_MAX_MD_SIZE];
    size_t label_len = strlen(label), hash_len = (size_t)EVP_MD_get_size(md), n = 0;
    RI_ASSERT(len <= hash_len && label_len + 11 <= sizeof info);
    info[n++] = 0;
    info[n++] = (uint8_t)len;
    info[n++] = (uint8_t)(6 + label_len);
    memcpy(info + n, "tls13 ", 6);
    memcpy(info + n + 6, label, label_len);
    n += 6 + label_len;
    info[n++] = 0; /* the length of the context */
    info[n++] = 1; /* the number of the block */
    if (!HMAC(md, secret, (int)hash_len, info, n, hash, NULL)) return false;
    memcpy(out, hash, len);
    OPENSSL_cleanse(hash, sizeof hash);
    return true;
}

/* The key of this way's secret is used from now on. */
static bool record_set_key(const ri_tls_records *r, record_way *way)
{
    uint8_t key[RECORD_KEY_MAX];
    size_t key_len = (size_t)EVP_CIPHER_get_key_length(r->cipher);
    RI_ASSERT(key_len <= sizeof key && EVP_CIPHER_get_iv_length(r->cipher) == RECORD_IV);
    bool done = record_expand(r->md, way->secret, "key", key, key_len) &&
                record_expand(r->md, way->secret, "iv", way->iv, RECORD_IV) &&
                EVP_CipherInit_ex(way->ctx, r->cipher, NULL, key, NULL, way == &r->out) == 1;
    OPENSSL_cleanse(key, sizeof key);
    way->number = 0;
    return done;
}

static bool record_next_key(const ri_tls_records *r, record_way *way)
{
    size_t len = (size_t)EVP_MD_get_size(r->md);
    return record_expand(r->md, way->secret, "traffic upd", way->secret, len) &&
           record_set_key(r, way);
}

static bool record_set_up(ri_tls_records *r, record_way *way, const uint8_t *secret, size_t len)
{
    if (len != (size_t)EVP_MD_get_size(r->md)) return false;
    memcpy(way->secret, secret, len);
    way->ctx = EVP_CIPHER_CTX_new();
    return way->ctx && record_set_key(r, way);
}

static const EVP_CIPHER *record_aead(const SSL_CIPHER *cipher)
{
    switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm: return EVP_aes_128_gcm();
    case NID_aes_256_gcm: return EVP_aes_256_gcm();
    case NID_chacha20_poly1305: return EVP_chacha20_poly1305();
    default: return NULL;
    }
}

bool ri_tls_records_do(const SSL *ssl)
{
    uint8_t most = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)); /* a code */
    bool small = most >= TLSEXT_max_fragment_length_512 && most <= TLSEXT_max_fragment_length_4096;
    return SSL_version(ssl) == TLS1_3_VERSION && !SSL_has_pending(ssl) && !small;
}

/* How many records these bytes are; -1: not all of them are whole and encrypted. */
static int record_count(ri_str bytes)
{
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    int n = 0;
    for (size_t at = 0, size; at < bytes.len; at += size, n++) {
        if (bytes.len - at < RECORD_HEAD || b[at] != RECORD_DATA) return -1;
        size = RECORD_HEAD + (size_t)(b[at + 3] << 8 | b[at + 4]);
        if (bytes.len - at < size) return -1;
    }
    return n;
}

ri_tls_records *ri_tls_records_new(const ri_host *host, const SSL_CIPHER *cipher,
                                   const ri_tls_secrets *secrets, ri_str tickets)
{
    int sent = record_count(tickets);
    ri_tls_records *r = ri_new(host, ri_tls_records);
    if (!r) return NULL;
    r->host = host;
    r->cipher = record_aead(cipher);
    r->md = SSL_CIPHER_get_handshake_digest(cipher);
    bool done = sent >= 0 && r->cipher && r->md &&
                record_set_up(r, &r->in, secrets->peer, secrets->peer_len) &&
                record_set_up(r, &r->out, secrets->own, secrets->own_len);
    r->out.number = (uint64_t)sent;
    if (done) return r;
    ri_tls_records_free(r);
    return NULL;
}

static void record_drop_kept(ri_tls_records *r)
{
    if (!r->kept) return;
    if (r->plain) OPENSSL_cleanse(r->kept, RECORD_HEAD + RECORD_BODY_MAX);
    ri_free(r->host, r->kept, RECORD_HEAD + RECORD_BODY_MAX);
    r->kept = NULL;
    r->at = r->len = 0;
    r->plain = false;
}

void ri_tls_records_free(ri_tls_records *r)
{
    if (!r) return;
    const ri_host *host = r->host;
    record_drop_kept(r);
    EVP_CIPHER_CTX_free(r->in.ctx); /* which wipes it */
    EVP_CIPHER_CTX_free(r->out.ctx);
    OPENSSL_cleanse(r, sizeof *r);
    ri_delete(host, r);
}

/* ---- One record ---- */

/* Its number and what stands before it, open to all but not to be changed. */
static bool record_begin(record_way *way, const uint8_t head[RECORD_HEAD])
{
    uint8_t nonce[RECORD_IV];
    int n;
    if (way->number == UINT64_MAX) return false; /* no number comes twice */
    memcpy(nonce, way->iv, sizeof nonce);
    for (int i = 0; i < 8; i++) nonce[RECORD_IV - 1 - i] ^= (uint8_t)(way->number >> (8 * i));
    way->number++;
    return EVP_CipherInit_ex(way->ctx, NULL, NULL, NULL, nonce, -1) == 1 &&
           EVP_CipherUpdate(way->ctx, NULL, &n, head, RECORD_HEAD) == 1;
}

static int record_put(ri_tls_records *r, ri_tls_io *io, record_type type, const void *bytes,
                      size_t len)
{
    uint8_t *head = (uint8_t *)io->out + io->out_len, *body = head + RECORD_HEAD;
    uint8_t kind = (uint8_t)type;
    size_t body_len = len + 1 + RECORD_TAG;
    int n;
    RI_ASSERT(len <= RI_TLS_RECORD && io->out_len <= io->out_cap);
    if (io->out_cap - io->out_len < RECORD_HEAD + body_len)
        return ri_tls_fault_err(RI_TLS_FAULT_MESSAGE);
    memcpy(head, (uint8_t[]){RECORD_DATA, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len},
           RECORD_HEAD);
    if (!record_begin(&r->out, head) ||
        EVP_EncryptUpdate(r->out.ctx, body, &n, bytes, (int)len) != 1 ||
        EVP_EncryptUpdate(r->out.ctx, body + len, &n, &kind, 1) != 1 ||
        EVP_EncryptFinal_ex(r->out.ctx, body + len + 1, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(r->out.ctx, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, body + len + 1) != 1)
        return ri_tls_nomem_err("TLS");
    io->out_len += RECORD_HEAD + body_len;
    return (int)len;
}

/* The other side hears why, if there is room; the code is that of the fault. */
static int record_refuse(ri_tls_records *r, ri_tls_io *io, record_alert alert, ri_tls_fault fault)
{
    enum { FATAL = 2 };
    r->broken = true;
    if (!r->shut) record_put(r, io, RECORD_ALERT, (uint8_t[]){FATAL, (uint8_t)alert}, 2);
    ERR_clear_error(); /* the queue is the thread's, and others' calls look at it, too */
    return ri_tls_fault_err(fault);
}

/* What a record has, with its type and what fills it up behind: how much, or -1: it is not whole,
 * not of its place, or not of the peer. `to` may be its body. */
static int record_decrypt(ri_tls_records *r, uint8_t *record, size_t size, uint8_t *to)
{
    int body_len = (int)(size - RECORD_HEAD - RECORD_TAG), n, more;
    uint8_t *body = record + RECORD_HEAD;
    RI_ASSERT(body_len > 0);
    if (!record_begin(&r->in, record) ||
        EVP_DecryptUpdate(r->in.ctx, to, &n, body, body_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(r->in.ctx, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, body + body_len) != 1 ||
        EVP_DecryptFinal_ex(r->in.ctx, to + n, &more) != 1)
        return -1;
    return n + more;
}

/* ---- Input ---- */

/* Bytes of the record that begins so; or a rill code. */
static int record_size(ri_tls_records *r, ri_tls_io *io, const uint8_t head[RECORD_HEAD])
{
    size_t len = (size_t)(head[3] << 8 | head[4]);
    if (head[0] != RECORD_DATA || head[1] != 3)
        return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_RECORD);
    if (len > RECORD_BODY_MAX) return record_refuse(r, io, ALERT_LENGTH, RI_TLS_FAULT_RECORD);
    if (len <= RECORD_TAG) return record_refuse(r, io, ALERT_MAC, RI_TLS_FAULT_RECORD);
    return (int)(RECORD_HEAD + len);
}

static bool record_make_room(ri_tls_records *r)
{
    if (!r->kept) r->kept = ri_alloc(r->host, RECORD_HEAD + RECORD_BODY_MAX);
    return r->kept != NULL;
}

/* What is kept of a record grows, up to `len` bytes of it. True: they are there. */
static bool record_grow(ri_tls_records *r, ri_tls_io *io, size_t len)
{
    if (r->len < len) r->len += (uint32_t)ri_tls_io_take(io, r->kept + r->len, len - r->len);
    return r->len >= len;
}

/* The next record: its bytes, where it came or where it was kept; 0: it is not whole yet. */
static int record_next(ri_tls_records *r, ri_tls_io *io, uint8_t **record)
{
    int size;
    if (r->len == 0 && io->in_len >= RECORD_HEAD) {
        *record = (uint8_t *)(uintptr_t)io->in;
        if ((size = record_size(r, io, *record)) < 0) return size;
        if (io->in_len >= (size_t)size) {
            io->in += size;
            io->in_len -= (size_t)size;
            return size;
        }
    }
    if (io->in_len == 0) return 0;
    if (!record_make_room(r)) return RILL_ENOMEM;
    if (!record_grow(r, io, RECORD_HEAD)) return 0;
    *record = r->kept;
    if ((size = record_size(r, io, r->kept)) < 0) return size;
    return record_grow(r, io, (size_t)size) ? size : 0;
}

/* The peer has another key from now on, and may want us to have one. */
static int record_on_update(ri_tls_records *r, ri_tls_io *io, bool asked)
{
    if (!record_next_key(r, &r->in)) return ri_tls_nomem_err("TLS");
    if (!asked || r->shut) return 0; /* behind our last word there is no answer */
    int rc = record_put(r, io, RECORD_HANDSHAKE, (uint8_t[]){RECORD_KEY_UPDATE, 0, 0, 1, 0},
                        RECORD_MESSAGE);
    if (rc < 0) return rc;
    return record_next_key(r, &r->out) ? 0 : ri_tls_nomem_err("TLS");
}

/* A part of a KeyUpdate, or all of it: nothing may stand behind it under the old key. */
static int record_on_message(ri_tls_records *r, ri_tls_io *io, const uint8_t *part, size_t len)
{
    static const uint8_t head[] = {RECORD_KEY_UPDATE, 0, 0, 1};
    if (len == 0 || len > (size_t)(RECORD_MESSAGE - r->message_len))
        return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_MESSAGE);
    memcpy(r->message + r->message_len, part, len);
    r->message_len += (uint8_t)len;
    if (memcmp(r->message, head, RI_MIN(r->message_len, sizeof head)) != 0)
        return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_MESSAGE);
    if (r->message_len < RECORD_MESSAGE) return 0;
    r->message_len = 0;
    if (++r->updates > RECORD_UPDATES)
        return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_MESSAGE);
    uint8_t asked = r->message[sizeof head];
    if (asked > 1) return record_refuse(r, io, ALERT_VALUE, RI_TLS_FAULT_MESSAGE);
    return record_on_update(r, io, asked == 1);
}

static int record_on_alert(ri_tls_records *r, ri_tls_io *io, const uint8_t *alert, size_t len)
{
    if (len != 2) return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_MESSAGE);
    if (alert[1] == ALERT_CLOSE) io->ended = true;
    if (alert[1] == ALERT_CLOSE || alert[1] == ALERT_CANCELED) return 0;
    r->broken = true;
    return ri_tls_alert_err(alert[1]);
}

/* Of what a record had, the caller has room for `len` bytes: the others are kept. */
static int record_hand_over(ri_tls_records *r, const uint8_t *bytes, size_t n, uint8_t *buf,
                            size_t len)
{
    if (bytes == buf) return (int)n;
    size_t taken = RI_MIN(n, len);
    RI_ASSERT(!r->plain && r->len == 0 && n <= RI_TLS_RECORD);
    memcpy(buf, bytes, taken);
    if (taken == n) return (int)n;
    if (!record_make_room(r)) return RILL_ENOMEM;
    memmove(r->kept, bytes + taken, n - taken);
    r->len = (uint32_t)(n - taken);
    r->plain = true;
    return (int)taken;
}

/* A record: bytes for the caller, 0: it had none, or a rill code. */
static int record_open(ri_tls_records *r, ri_tls_io *io, uint8_t *record, size_t size, void *buf,
                       size_t len)
{
    bool fits = size - RECORD_HEAD - RECORD_TAG <= len;
    uint8_t *to = fits ? buf : record + RECORD_HEAD;
    int got = record_decrypt(r, record, size, to);
    if (record == r->kept) r->len = 0;
    if (got < 0) return record_refuse(r, io, ALERT_MAC, RI_TLS_FAULT_RECORD);
    size_t n = (size_t)got;
    while (n > 0 && to[n - 1] == 0) n--;
    if (n == 0) return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_RECORD);
    if (got > RI_TLS_RECORD + 1) return record_refuse(r, io, ALERT_LENGTH, RI_TLS_FAULT_RECORD);
    if (to[--n] != RECORD_HANDSHAKE && r->message_len > 0) /* between the parts of a message */
        return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_MESSAGE);
    switch (to[n]) {
    case RECORD_DATA:
        if (n) r->updates = 0;
        return record_hand_over(r, to, n, buf, len);
    case RECORD_ALERT: return record_on_alert(r, io, to, n);
    case RECORD_HANDSHAKE: return record_on_message(r, io, to, n);
    default: return record_refuse(r, io, ALERT_MESSAGE, RI_TLS_FAULT_RECORD);
    }
}

/* What was kept of a record's bytes. */
static int record_take_rest(ri_tls_records *r, void *buf, size_t len)
{
    size_t n = RI_MIN(len, r->len - r->at);
    RI_ASSERT(r->plain && n > 0);
    memcpy(buf, r->kept + r->at, n);
    r->at += (uint32_t)n;
    if (r->at == r->len) record_drop_kept(r);
    return (int)n;
}

int ri_tls_records_read(ri_tls_records *r, ri_tls_io *io, void *buf, size_t len)
{
    uint8_t *record;
    int rc = 0;
    RI_ASSERT(len > 0 && (r->len == 0 || r->kept));
    if (r->plain) return record_take_rest(r, buf, len);
    if (r->broken) return ri_tls_fault_err(RI_TLS_FAULT_RECORD);
    while (rc == 0 && !io->ended) {
        int size = record_next(r, io, &record);
        if (size <= 0) return size;
        rc = record_open(r, io, record, (size_t)size, buf, len);
        if (r->len == 0) record_drop_kept(r);
    }
    return rc;
}

bool ri_tls_records_pending(const ri_tls_records *r)
{
    return r->plain;
}

int ri_tls_records_write(ri_tls_records *r, ri_tls_io *io, const void *bytes, size_t len)
{
    return record_put(r, io, RECORD_DATA, bytes, len);
}

void ri_tls_records_shut(ri_tls_records *r, ri_tls_io *io)
{
    enum { WARNING = 1 };
    if (r->shut) return;
    record_put(r, io, RECORD_ALERT, (uint8_t[]){WARNING, ALERT_CLOSE}, 2);
    r->shut = true;
}
