/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <mbedtls/base64.h>

#include "base/assert.h"
#include "base/error.h"

void ri_base64_put(ri_buffer *out, ri_str bytes)
{
    if (!bytes.len) return;
    size_t room = (bytes.len + 2) / 3 * 4 + 1, len = 0; /* mbedTLS writes a 0 behind it */
    char *to = ri_buffer_room(out, room);
    if (!to) return;
    int rc = mbedtls_base64_encode((unsigned char *)to, room, &len,
                                   (const unsigned char *)bytes.ptr, bytes.len);
    RI_ASSERT(rc == 0 && len == room - 1);
    (void)rc;
    ri_buffer_added(out, len);
}

int ri_base64_read(ri_str text, char *out, size_t *len)
{
    *len = 0;
    if (!text.len) return RILL_OK;
    int rc = mbedtls_base64_decode((unsigned char *)out, ri_base64_size(text), len,
                                   (const unsigned char *)text.ptr, text.len);
    if (rc != 0) return ri_err(RILL_EPROTO, "illegal base64 data");
    return RILL_OK;
}
