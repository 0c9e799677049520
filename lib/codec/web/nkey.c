/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/nkey.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"

#ifdef RI_HAVE_SODIUM

#include <sodium.h>

enum {
    NKEY_SEED_BYTES = 2 + crypto_sign_SEEDBYTES + 2,
    NKEY_BYTES = 1 + crypto_sign_PUBLICKEYBYTES + 2,
    NKEY_SEED = 18 << 3, /* S, in the upper five bits of the first byte */
    NKEY_USER = 20 << 3, /* U */
    NKEY_POLYNOMIAL = 0x1021,
};
static const char nkey_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t nkey_crc(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ NKEY_POLYNOMIAL : crc << 1;
        crc &= 0xffff;
    }
    return (uint16_t)crc;
}

/* What a public key of that kind begins with: its letter is the first five bits. */
static uint8_t nkey_first(char kind)
{
    const char *digit = strchr(nkey_digits, kind);
    RI_ASSERT(kind && digit);
    return (uint8_t)((digit - nkey_digits) << 3);
}

/* The checksum of what is before it. */
static void nkey_close(uint8_t *bytes, size_t n)
{
    uint16_t crc = nkey_crc(bytes, n - 2);
    bytes[n - 2] = (uint8_t)(crc & 0xff);
    bytes[n - 1] = (uint8_t)(crc >> 8);
}

/* Base32 without padding; false if `text` has another digit. What is over of its last one is not
 * looked at: the CRC covers all bytes. */
static bool nkey_decode(ri_str text, uint8_t *out, size_t n)
{
    RI_ASSERT(text.len * 5 / 8 == n);
    uint32_t bits = 0, held = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(nkey_digits, text.ptr[i]) : NULL;
        if (!digit) return false;
        bits = bits << 5 | (uint32_t)(digit - nkey_digits);
        held += 5;
        if (held < 8 || len == n) continue;
        held -= 8;
        out[len++] = (uint8_t)(bits >> held);
    }
    return true;
}

static void nkey_encode(const uint8_t *bytes, size_t n, char *out)
{
    uint32_t bits = 0, held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 5;) {
            held -= 5;
            *out++ = nkey_digits[bits >> held & 31];
        }
    }
    if (held) *out++ = nkey_digits[bits << (5 - held) & 31];
    *out = 0;
}

/* The bytes of a seed; *kind is what its key begins with. The caller wipes them. */
static int nkey_read(ri_str seed, uint8_t bytes[NKEY_SEED_BYTES], uint8_t *kind)
{
    if (seed.len != RI_NKEY_SEED_LEN)
        return ri_err(RILL_EINVAL, "the seed of a key has %d characters, not %zu",
                      RI_NKEY_SEED_LEN, seed.len);
    if (!nkey_decode(seed, bytes, NKEY_SEED_BYTES))
        return ri_err(RILL_EINVAL, "the seed of a key has the characters A-Z and 2-7");
    uint16_t crc = nkey_crc(bytes, NKEY_SEED_BYTES - 2);
    if (bytes[NKEY_SEED_BYTES - 2] != (crc & 0xff) || bytes[NKEY_SEED_BYTES - 1] != crc >> 8)
        return ri_err(RILL_EINVAL, "the seed of a key does not have its checksum: it is mistyped");
    if ((bytes[0] & 0xf8) != NKEY_SEED)
        return ri_err(RILL_EINVAL, "that is a key, and not its seed, which begins with S");
    *kind = (uint8_t)(bytes[0] << 5 | bytes[1] >> 3);
    return RILL_OK;
}

/* The pair of keys; the caller wipes `secret`. */
static int nkey_pair(ri_str seed, uint8_t key[crypto_sign_PUBLICKEYBYTES],
                     uint8_t secret[crypto_sign_SECRETKEYBYTES], uint8_t *kind)
{
    uint8_t bytes[NKEY_SEED_BYTES];
    if (sodium_init() < 0) return ri_err(RILL_EIO, "libsodium does not begin");
    int rc = nkey_read(seed, bytes, kind);
    if (rc == RILL_OK) crypto_sign_seed_keypair(key, secret, bytes + 2);
    sodium_memzero(bytes, sizeof bytes);
    return rc;
}

/* The bytes of a public key, of which the first says what it is of. */
static bool nkey_read_public(ri_str key, uint8_t bytes[NKEY_BYTES])
{
    if (key.len != RI_NKEY_LEN || !nkey_decode(key, bytes, NKEY_BYTES)) return false;
    uint16_t crc = nkey_crc(bytes, NKEY_BYTES - 2);
    return bytes[NKEY_BYTES - 2] == (crc & 0xff) && bytes[NKEY_BYTES - 1] == crc >> 8;
}

static bool nkey_read_user(ri_str key, uint8_t bytes[NKEY_BYTES])
{
    return nkey_read_public(key, bytes) && bytes[0] == NKEY_USER;
}

char ri_nkey_kind(ri_str key)
{
    static const char kinds[] = "ACNOUX"; /* the first letter is the first five bits */
    uint8_t bytes[NKEY_BYTES];
    if (!nkey_read_public(key, bytes) || bytes[0] & 7) return 0;
    return strchr(kinds, key.ptr[0]) ? key.ptr[0] : 0;
}

bool ri_nkey_raw(ri_str key, char kind, uint8_t out[RI_NKEY_RAW])
{
    uint8_t bytes[NKEY_BYTES];
    RI_ASSERT(kind);
    if (ri_nkey_kind(key) != kind || !nkey_read_public(key, bytes)) return false;
    memcpy(out, bytes + 1, RI_NKEY_RAW);
    return true;
}

void ri_nkey_write(char kind, const uint8_t raw[RI_NKEY_RAW], char out[RI_NKEY_LEN + 1])
{
    uint8_t bytes[NKEY_BYTES] = {nkey_first(kind)};
    memcpy(bytes + 1, raw, RI_NKEY_RAW);
    nkey_close(bytes, sizeof bytes);
    nkey_encode(bytes, sizeof bytes, out);
    RI_ASSERT(strlen(out) == RI_NKEY_LEN && out[0] == kind);
}

int ri_nkey_check_user(ri_str key)
{
    uint8_t bytes[NKEY_BYTES];
    if (sodium_init() < 0) return ri_err(RILL_EIO, "libsodium does not begin");
    if (!nkey_read_user(key, bytes))
        return ri_err(RILL_EINVAL, "Not a valid public nkey for a user, which has %d characters "
                      "and begins with U", RI_NKEY_LEN);
    return RILL_OK;
}

static bool nkey_read_signature(ri_str text, uint8_t out[crypto_sign_BYTES])
{
    static const int variants[] = {sodium_base64_VARIANT_URLSAFE_NO_PADDING,
                                   sodium_base64_VARIANT_URLSAFE,
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
                                   sodium_base64_VARIANT_ORIGINAL};
    for (size_t i = 0; i < RI_LEN(variants); i++) {
        size_t len;
        if (sodium_base642bin(out, crypto_sign_BYTES, text.ptr, text.len, NULL, &len, NULL,
                              variants[i]) == 0 && len == crypto_sign_BYTES)
            return true;
    }
    return false;
}

bool ri_nkey_signed_by(ri_str key, ri_str text, ri_str signature)
{
    uint8_t bytes[NKEY_BYTES], sig[crypto_sign_BYTES];
    if (!nkey_read_public(key, bytes) || !nkey_read_signature(signature, sig)) return false;
    return crypto_sign_verify_detached(sig, (const uint8_t *)text.ptr, text.len, bytes + 1) == 0;
}

bool ri_nkey_signed(ri_str key, ri_str text, ri_str signature)
{
    uint8_t bytes[NKEY_BYTES];
    return nkey_read_user(key, bytes) && ri_nkey_signed_by(key, text, signature);
}

int ri_nkey_check(ri_str seed)
{
    uint8_t bytes[NKEY_SEED_BYTES], kind;
    int rc = nkey_read(seed, bytes, &kind);
    sodium_memzero(bytes, sizeof bytes);
    if (rc == RILL_OK && kind != NKEY_USER)
        return ri_err(RILL_EINVAL, "the seed is not that of a user, which begins with SU");
    return rc;
}

int ri_nkey_public(ri_str seed, char out[RI_NKEY_LEN + 1])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], bytes[NKEY_BYTES];
    int rc = nkey_pair(seed, bytes + 1, secret, &bytes[0]);
    sodium_memzero(secret, sizeof secret);
    if (rc < 0) return rc;
    nkey_close(bytes, sizeof bytes);
    nkey_encode(bytes, sizeof bytes, out);
    RI_ASSERT(strlen(out) == RI_NKEY_LEN);
    return RILL_OK;
}

int ri_nkey_sign(ri_str seed, ri_str text, ri_buffer *out)
{
    uint8_t key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], kind;
    uint8_t signature[crypto_sign_BYTES];
    int rc = nkey_pair(seed, key, secret, &kind);
    if (rc == RILL_OK)
        crypto_sign_detached(signature, NULL, (const uint8_t *)text.ptr, text.len, secret);
    sodium_memzero(secret, sizeof secret);
    if (rc < 0) return rc;
    ri_base64_put_url(out, (ri_str){(const char *)signature, sizeof signature});
    if (out->failed) return RILL_ENOMEM;
    while (out->ptr[out->len - 1] == '=') ri_buffer_cut(out, ri_buffer_size(out) - 1);
    return RILL_OK;
}

int ri_nkey_new(const ri_host *host, char kind, char seed[RI_NKEY_SEED_LEN + 1],
                char key[RI_NKEY_LEN + 1])
{
    uint8_t first = nkey_first(kind);
    uint8_t bytes[NKEY_SEED_BYTES] = {(uint8_t)(NKEY_SEED | first >> 5), (uint8_t)(first << 3)};
    host->entropy(host->arg, bytes + 2, crypto_sign_SEEDBYTES);
    nkey_close(bytes, sizeof bytes);
    nkey_encode(bytes, sizeof bytes, seed);
    sodium_memzero(bytes, sizeof bytes);
    RI_ASSERT(strlen(seed) == RI_NKEY_SEED_LEN);
    return ri_nkey_public(ri_str_of(seed), key);
}

#else

static int nkey_absent(void)
{
    return ri_err(RILL_ENOTSUP, "this rill was built without libsodium (libsodium-dev), by which "
                  "keys of NATS sign");
}

int ri_nkey_check_user(ri_str key)
{
    (void)key;
    return nkey_absent();
}

bool ri_nkey_signed(ri_str key, ri_str text, ri_str signature)
{
    (void)key;
    (void)text;
    (void)signature;
    return false;
}

char ri_nkey_kind(ri_str key)
{
    (void)key;
    return 0;
}

bool ri_nkey_signed_by(ri_str key, ri_str text, ri_str signature)
{
    return ri_nkey_signed(key, text, signature);
}

int ri_nkey_check(ri_str seed)
{
    (void)seed;
    return nkey_absent();
}

int ri_nkey_public(ri_str seed, char out[RI_NKEY_LEN + 1])
{
    (void)seed;
    (void)out;
    return nkey_absent();
}

int ri_nkey_sign(ri_str seed, ri_str text, ri_buffer *out)
{
    (void)seed;
    (void)text;
    (void)out;
    return nkey_absent();
}

int ri_nkey_new(const ri_host *host, char kind, char seed[RI_NKEY_SEED_LEN + 1],
                char key[RI_NKEY_LEN + 1])
{
    (void)host;
    (void)kind;
    seed[0] = key[0] = 0;
    return nkey_absent();
}

bool ri_nkey_raw(ri_str key, char kind, uint8_t out[RI_NKEY_RAW])
{
    (void)key;
    (void)kind;
    (void)out;
    return false;
}

void ri_nkey_write(char kind, const uint8_t raw[RI_NKEY_RAW], char out[RI_NKEY_LEN + 1])
{
    (void)kind;
    (void)raw;
    out[0] = 0;
}

#endif
