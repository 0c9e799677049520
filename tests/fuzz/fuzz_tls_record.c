/* SPDX-License-Identifier: Apache-2.0 */
/* Records of TLS 1.3 behind a handshake: the input is what a peer does, who knows the secrets and
 * has code of its own for them. It seals data, changes keys, and damages, repeats, swaps or cuts
 * what it has made. The server's side yields what was sealed under the next number and no other
 * byte, however the stream is cut; answers to new keys and one alert are all it says; it holds a
 * record at most; and behind an error it reads nothing. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/tls_record.h"
#include "support/fuzz.h"
#include "support/supply.h"

enum {
    STREAM_MAX = 256 * 1024,
    HEAD = 5,
    TAG = 16,
    ROOM = 64 * 1024 + 2 * RI_TLS_RECORD_MAX, /* for output, as a wire has it */
    HELD_MAX = 20 * 1024,
    ALERT = 21,
    HANDSHAKE = 22,
    DATA = 23,
};

typedef struct peer {
    const SSL_CIPHER *cipher;
    const EVP_CIPHER *aead;
    const EVP_MD *md;
    EVP_CIPHER_CTX *ctx;
    uint8_t secret[RI_TLS_SECRET_MAX], iv[12];
    uint64_t number;
    uint8_t stream[STREAM_MAX];
    size_t len, last, before; /* where the last record begins, and the one before it */
    char plain[STREAM_MAX];   /* what is to be read */
    size_t plain_len;
    size_t asked;             /* answers to new keys */
    bool spoiled;             /* something is wrong from some place on */
    bool ended;               /* it has said that it sends no more */
} peer;

static peer p;
static char got[STREAM_MAX], out[ROOM];

static const SSL_CIPHER *cipher_at(unsigned i)
{
    static const uint16_t ids[] = {0x1301, 0x1302, 0x1303};
    static SSL_CTX *ctx;
    if (!ctx) ctx = SSL_CTX_new(TLS_client_method());
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    for (int k = 0; k < sk_SSL_CIPHER_num(all); k++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, k);
        if (SSL_CIPHER_get_protocol_id(c) == ids[i % 3]) return c;
    }
    fuzz_require(0, "a cipher of TLS 1.3 is not there");
    return NULL;
}

/* RFC 8446 §7.1 once more. */
static void derive(const char *label, uint8_t *to, size_t len)
{
    uint8_t info[64], hash[EVP_MAX_MD_SIZE];
    size_t n = strlen(label);
    info[0] = 0;
    info[1] = (uint8_t)len;
    info[2] = (uint8_t)n;
    memcpy(info + 3, label, n);
    info[3 + n] = 0;
    info[4 + n] = 1;
    fuzz_require(HMAC(p.md, p.secret, EVP_MD_get_size(p.md), info, n + 5, hash, NULL) != NULL,
                 "HMAC");
    memcpy(to, hash, len);
}

static void set_key(void)
{
    uint8_t key[32];
    derive("tls13 key", key, (size_t)EVP_CIPHER_get_key_length(p.aead));
    derive("tls13 iv", p.iv, sizeof p.iv);
    p.number = 0;
    fuzz_require(EVP_EncryptInit_ex(p.ctx, p.aead, NULL, key, NULL) == 1, "a key");
}

static void next_key(void)
{
    derive("tls13 traffic upd", p.secret, (size_t)EVP_MD_get_size(p.md));
    set_key();
}

/* A record, with `pad` zeros behind its type. */
static void seal(uint8_t type, const void *bytes, size_t len, size_t pad)
{
    static uint8_t inner[RI_TLS_RECORD + 1024];
    size_t body = len + 1 + pad + TAG;
    uint8_t *to = p.stream + p.len, *tag = to + HEAD + body - TAG, nonce[12];
    int n;
    memcpy(nonce, p.iv, sizeof nonce);
    for (int i = 0; i < 8; i++) nonce[11 - i] ^= (uint8_t)(p.number >> (8 * i));
    p.number++;
    memcpy(inner, bytes, len);
    memset(inner + len, 0, pad + 1);
    inner[len] = type;
    memcpy(to, (uint8_t[]){DATA, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, HEAD);
    fuzz_require(EVP_EncryptInit_ex(p.ctx, NULL, NULL, NULL, nonce) == 1 &&
                 EVP_EncryptUpdate(p.ctx, NULL, &n, to, HEAD) == 1 &&
                 EVP_EncryptUpdate(p.ctx, to + HEAD, &n, inner, (int)(len + 1 + pad)) == 1 &&
                 EVP_EncryptFinal_ex(p.ctx, to + HEAD + n, &n) == 1 &&
                 EVP_CIPHER_CTX_ctrl(p.ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1,
                 "a record");
    p.before = p.last;
    p.last = p.len;
    p.len += HEAD + body;
}

static void say(const uint8_t arg[2])
{
    static char bytes[RI_TLS_RECORD];
    size_t len = arg[0] < 200 ? arg[0] : (size_t)(arg[0] - 199) * 293, pad = arg[1] % 16;
    if (len > sizeof bytes) len = sizeof bytes;
    if (len + pad > RI_TLS_RECORD) pad = 0;
    for (size_t i = 0; i < len; i++) bytes[i] = (char)(i * arg[1] + p.number);
    if (!p.spoiled && !p.ended) {
        memcpy(p.plain + p.plain_len, bytes, len);
        p.plain_len += len;
    }
    seal(DATA, bytes, len, pad);
}

/* In one record, or cut into several: behind each byte of whose number a bit is set. */
static void change_key(bool ask, uint8_t cuts, unsigned *updates)
{
    uint8_t message[] = {24, 0, 0, 1, ask}, from = 0;
    for (uint8_t to = 1; to <= sizeof message; to++) {
        if (to < sizeof message && !(cuts >> to & 1)) continue;
        seal(HANDSHAKE, message + from, (size_t)(to - from), cuts >> 5);
        from = to;
    }
    next_key();
    if (++*updates > 32) p.spoiled = true; /* with no data between them */
    if (!p.spoiled && !p.ended && ask) p.asked++;
}

/* What no peer may do. */
static void spoil(const uint8_t arg[2])
{
    size_t size = p.len - p.last;
    static uint8_t kept[RI_TLS_RECORD_MAX];
    if (size == 0) return;
    p.spoiled = p.spoiled || !p.ended;
    switch (arg[0] % 8) {
    case 0: /* once more */
        memcpy(p.stream + p.len, p.stream + p.last, size);
        p.len += size;
        break;
    case 1: /* one is left out */
        p.number++;
        say(arg);
        break;
    case 2: seal(arg[1] % 2 ? 22 : 20, "\x18\0\0\1\2", 5, 0); break;
    case 3: seal(0, "", 0, arg[1]); break; /* zeros alone */
    case 4: /* nothing that is encrypted */
        memcpy(p.stream + p.len, arg, 2);
        memset(p.stream + p.len + 2, arg[1] | 1, 30);
        if (p.stream[p.len] == DATA) p.stream[p.len] = 0;
        p.len += 32;
        break;
    case 5: /* a part of a KeyUpdate, and something else */
        seal(HANDSHAKE, "\x18\0\0\1", 1 + arg[1] % 4, 0);
        if (arg[1] & 4) say(arg);
        else seal(ALERT, (uint8_t[]){1, 0}, 2, 0);
        break;
    case 6: /* ... and more than there is of it, or nothing */
        seal(HANDSHAKE, "\x18\0\0\1", 1 + arg[1] % 4, 0);
        seal(HANDSHAKE, "\0\0\1\0\x18", arg[1] & 4 ? 5 : 0, 0);
        break;
    default: { /* one before its turn */
        say(arg);
        say(arg);
        size_t half = p.last - p.before;
        size = p.len - p.last;
        memcpy(kept, p.stream + p.before, half);
        memmove(p.stream + p.before, p.stream + p.last, size);
        memcpy(p.stream + p.before + size, kept, half);
    }
    }
}

static void set_up(unsigned kind, ri_tls_secrets *secrets)
{
    if (!p.ctx) p.ctx = EVP_CIPHER_CTX_new();
    p.cipher = cipher_at(kind);
    p.aead = kind % 3 == 0 ? EVP_aes_128_gcm() : kind % 3 == 1 ? EVP_aes_256_gcm()
                                                               : EVP_chacha20_poly1305();
    p.md = SSL_CIPHER_get_handshake_digest(p.cipher);
    p.number = 0;
    p.len = p.last = p.before = p.plain_len = p.asked = 0;
    p.spoiled = p.ended = false;
    secrets->own_len = secrets->peer_len = (size_t)EVP_MD_get_size(p.md);
    for (size_t i = 0; i < sizeof p.secret; i++) p.secret[i] = (uint8_t)(i * 7 + kind);
    memcpy(secrets->peer, p.secret, sizeof p.secret);
    memset(secrets->own, 0x5a, sizeof secrets->own);
    set_key();
}

/* What the peer does, until one thing is wrong and a little more. */
static void play(const uint8_t *data, size_t size)
{
    unsigned updates = 0, later = 0;
    for (size_t at = 0; at + 3 <= size && p.len < STREAM_MAX / 2 && later < 4; at += 3) {
        const uint8_t *arg = data + at + 1;
        later += p.spoiled;
        switch (data[at] % 16) {
        case 10: case 11: change_key(arg[0] & 1, arg[1], &updates); break;
        case 12: if (arg[0] < 40) spoil(arg); break;
        case 13: seal(ALERT, (uint8_t[]){1, 90}, 2, arg[1]); break; /* which says nothing */
        case 14:
            if (arg[0] >= 20) break;
            seal(ALERT, (uint8_t[]){1, 0}, 2, 0);
            p.ended = p.ended || !p.spoiled;
            break;
        default:
            say(arg);
            if (arg[0]) updates = 0;
        }
    }
}

/* A record of which a bit is another has none of its data. True: it may be of another length now,
 * and wait for more than there is. */
static bool damage(uint8_t where, uint8_t bit)
{
    static const uint8_t small[] = {40, 3}, more[] = {200, 0};
    if (p.spoiled || p.ended) return false;
    p.spoiled = true;
    say(small);
    size_t at = where % (p.len - p.last);
    p.stream[p.last + at] ^= (uint8_t)(1 << bit % 8);
    say(more);
    return at == 3 || at == 4;
}

/* All of the stream in pieces, with room for pieces. */
static void read_all(ri_tls_records *r, const supply *s, size_t piece, size_t room, bool cut)
{
    static uint8_t in[STREAM_MAX + 1];
    size_t n = 0, said = 0, kept = 0, at = 0, held = s->bytes;
    int rc = 0;
    bool ended = false;
    while (rc >= 0 && !ended && (at < p.len || kept)) {
        size_t left = p.len - at, more = RI_MIN(piece, left);
        memcpy(in + kept, p.stream + at, more);
        at += more;
        ri_tls_io io = {.in = (char *)in, .in_len = kept + more, .out = out, .out_cap = sizeof out};
        do {
            rc = ri_tls_records_read(r, &io, got + n, RI_MIN(room, sizeof got - n));
            fuzz_require((rc < 0 || (size_t)rc <= room) && io.in_len <= kept + more,
                         "more than there is room for");
            if (rc > 0) n += (size_t)rc;
        } while (rc > 0);
        fuzz_require(rc < 0 || io.ended || io.in_len == 0, "something is left");
        fuzz_require(!ri_tls_records_pending(r), "something is left that needs no input");
        fuzz_require(s->bytes - held <= HELD_MAX, "more than a record is held");
        fuzz_require(n <= p.plain_len && memcmp(got, p.plain, n) == 0, "none has sealed this");
        said += io.out_len;
        ended = io.ended;
        kept = io.in_len;
        memmove(in, io.in, kept);
    }
    if (!cut) fuzz_require(n == p.plain_len, "something is lost");
    if (!cut && p.spoiled && !p.ended) fuzz_require(rc < 0, "what is wrong is not said");
    if (!p.spoiled) fuzz_require(rc == 0 && (cut || ended == p.ended), "nothing is wrong");
    fuzz_require(said <= p.asked * 27 + 24, "it says what it was not asked for");
    if (rc < 0) {
        ri_tls_io io = {.in = (char *)p.stream, .in_len = p.len, .out = out, .out_cap = sizeof out};
        fuzz_require(ri_tls_records_read(r, &io, got, sizeof got) < 0, "an error is not the end");
        fuzz_require(io.out_len == 0, "it speaks behind an error");
    }
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 5, 22, 100, 4096, 16406, 65536};
    ri_tls_secrets secrets;
    supply s;
    ri_host host;
    if (size < 6) return 0;
    set_up(data[0], &secrets);
    play(data + 5, size - 5);
    bool cut = data[4] & 1 && damage(data[2], data[3]);
    if (data[4] % 8 == 2 && p.len > 0) {
        p.len -= 1 + data[2] % p.len;
        cut = true;
    }
    supply_init(&s);
    rill_host hooks = supply_hooks(&s);
    ri_host_init(&host, &hooks);
    ri_tls_records *r = ri_tls_records_new(&host, p.cipher, &secrets, (ri_str){NULL, 0});
    fuzz_require(r != NULL, "memory");
    size_t room = data[3] % 4 ? sizeof got : 1u + data[2];
    read_all(r, &s, p.len > 20000 && data[1] % 7 == 0 ? 333 : pieces[data[1] % 7], room, cut);
    ri_tls_records_free(r);
    supply_fini(&s);
    return 0;
}
