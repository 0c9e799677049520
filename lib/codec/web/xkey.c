/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/xkey.h"

#include "base/assert.h"
#include "base/error.h"

#ifdef RI_HAVE_SODIUM

#include <sodium.h>

enum {
    XKEY_WORD = 4, /* bytes of "xkv1" */
    XKEY_HEAD = XKEY_WORD + crypto_box_NONCEBYTES,
};
static const char xkey_word[XKEY_WORD] = {'x', 'k', 'v', '1'};

int ri_xkey_new(ri_xkey *own, const ri_host *host)
{
    uint8_t raw[RI_NKEY_RAW];
    RI_ASSERT(sizeof own->secret == crypto_box_SECRETKEYBYTES);
    if (sodium_init() < 0) return ri_err(RILL_EIO, "libsodium does not begin");
    host->entropy(host->arg, own->secret, sizeof own->secret);
    crypto_scalarmult_base(raw, own->secret);
    ri_nkey_write('X', raw, own->key);
    return RILL_OK;
}

int ri_xkey_seal(const ri_xkey *own, ri_str to, const ri_host *host, ri_str text, ri_buffer *out)
{
    uint8_t key[RI_NKEY_RAW];
    RI_ASSERT(own->key[0]);
    if (!ri_nkey_raw(to, 'X', key)) return ri_err(RILL_EINVAL, "that is no public xkey");
    size_t size = XKEY_HEAD + crypto_box_MACBYTES + text.len;
    uint8_t *at = (uint8_t *)ri_buffer_room(out, size);
    if (!at) return RILL_ENOMEM;
    memcpy(at, xkey_word, XKEY_WORD);
    host->entropy(host->arg, at + XKEY_WORD, crypto_box_NONCEBYTES);
    if (crypto_box_easy(at + XKEY_HEAD, (const uint8_t *)text.ptr, text.len, at + XKEY_WORD, key,
                        own->secret) != 0)
        return ri_err(RILL_EINVAL, "nothing can be sealed for that xkey");
    ri_buffer_added(out, size);
    return RILL_OK;
}

int ri_xkey_open(const ri_xkey *own, ri_str from, ri_str sealed, ri_buffer *out)
{
    uint8_t key[RI_NKEY_RAW];
    const size_t head = XKEY_HEAD, least = head + crypto_box_MACBYTES;
    RI_ASSERT(own->key[0]);
    if (!ri_nkey_raw(from, 'X', key)) return ri_err(RILL_EINVAL, "that is no public xkey");
    if (sealed.len < least || memcmp(sealed.ptr, xkey_word, XKEY_WORD) != 0)
        return ri_err(RILL_EINVAL, "it is not sealed by an xkey");
    RI_ASSERT(ri_buffer_is_sound(out));
    const uint8_t *bytes = (const uint8_t *)sealed.ptr;
    size_t size = sealed.len - least;
    uint8_t *at = (uint8_t *)ri_buffer_room(out, size + 1);
    if (!at) return RILL_ENOMEM;
    if (crypto_box_open_easy(at, bytes + head, sealed.len - head, bytes + XKEY_WORD, key,
                             own->secret) != 0)
        return ri_err(RILL_EINVAL, "it is not sealed by that xkey, or for another one");
    ri_buffer_added(out, size);
    return RILL_OK;
}

#else

static int xkey_absent(void)
{
    return ri_err(RILL_ENOTSUP, "this rill was built without libsodium (libsodium-dev), by which "
                  "xkeys seal");
}

int ri_xkey_new(ri_xkey *own, const ri_host *host)
{
    (void)host;
    own->key[0] = 0;
    return xkey_absent();
}

int ri_xkey_seal(const ri_xkey *own, ri_str to, const ri_host *host, ri_str text, ri_buffer *out)
{
    (void)own;
    (void)to;
    (void)host;
    (void)text;
    (void)out;
    return xkey_absent();
}

int ri_xkey_open(const ri_xkey *own, ri_str from, ri_str sealed, ri_buffer *out)
{
    (void)own;
    (void)from;
    (void)sealed;
    (void)out;
    return xkey_absent();
}

#endif
