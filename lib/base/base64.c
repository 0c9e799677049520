/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <mbedtls/base64.h>

#include "base/assert.h"
#include "base/error.h"

void ri_base64_put(ri_buffer *out, ri_str bytes)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    if (!bytes.len) return;
    size_t room = (bytes.len + 2) / 3 * 4 + 1, len = 0; /* mbedTLS writes a 0 behind the text */
    char *to = ri_buffer_room(out, room);
    if (!to) return;
    int rc = mbedtls_base64_encode((unsigned char *)to, room, &len,
                                   (const unsigned char *)bytes.ptr, bytes.len);
    RI_ASSERT(rc == 0 && len == room - 1);
    (void)rc;
    ri_buffer_added(out, len);
}

size_t ri_base64_write(ri_str bytes, char *out)
{
    size_t len = 0;
    int rc = mbedtls_base64_encode((unsigned char *)out, bytes.len / 3 * 4 + 5, &len,
                                   (const unsigned char *)bytes.ptr, bytes.len);
    RI_ASSERT(rc == 0);
    (void)rc;
    return len;
}

int ri_base64_read(ri_str text, char *out, size_t *len)
{
    *len = 0;
    if (!text.len) return RILL_OK;
    int rc = mbedtls_base64_decode((unsigned char *)out, ri_base64_size(text), len,
                                   (const unsigned char *)text.ptr, text.len);
    RI_ASSERT(rc != 0 || *len <= ri_base64_size(text));
    if (rc != 0 || text.len % 4) return ri_err(RILL_EPROTO, "illegal base64 data");
    return RILL_OK;
}

static void base64_swap(char *text, size_t len, const char *from, const char *to)
{
    RI_ASSERT(from[0] != from[1] && to[0] != to[1]);
    for (size_t i = 0; i < len; i++)
        for (int k = 0; k < 2; k++)
            if (text[i] == from[k]) {
                text[i] = to[k];
                break;
            }
}

void ri_base64_put_url(ri_buffer *out, ri_str bytes)
{
    size_t before = ri_buffer_size(out);
    ri_base64_put(out, bytes);
    if (out->failed) return;
    size_t len = ri_buffer_size(out) - before;
    if (len) base64_swap(out->ptr + out->len - len, len, "+/", "-_");
}

int ri_base64_read_url(ri_str text, char *out, size_t *len)
{
    char part[64]; /* whole groups of 4, so that each yields whole bytes */
    *len = 0;
    while (text.len) {
        size_t n = text.len < sizeof part ? text.len : sizeof part, got;
        if (memchr(text.ptr, '+', n) || memchr(text.ptr, '/', n))
            return ri_err(RILL_EPROTO, "illegal base64 data");
        memcpy(part, text.ptr, n);
        RI_ASSERT(n > 0 && n <= sizeof part);
        base64_swap(part, n, "-_", "+/");
        for (text = ri_str_from(text, n); n % 4; n++) part[n] = '=';
        int rc = ri_base64_read((ri_str){part, n}, out + *len, &got);
        if (rc < 0) return rc;
        *len += got;
    }
    return RILL_OK;
}
