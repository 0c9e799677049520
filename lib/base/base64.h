/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to mbedTLS: base64 with padding, of the standard alphabet or of the one
 * for URLs (- _ for + /). */
#ifndef RI_BASE64_H
#define RI_BASE64_H

#include "base/buffer.h"

void ri_base64_put(ri_buffer *out, ri_str bytes); /* a failed allocation shows in out->failed */
/* How many letters, with a 0 behind them; `out` has room for bytes.len / 3 * 4 + 5. */
size_t ri_base64_write(ri_str bytes, char *out);
/* Bytes at most that reading `text` yields; `out` has room for so many. */
static inline size_t ri_base64_size(ri_str text)
{
    return text.len / 4 * 3 + 3;
}
/* RILL_EPROTO if `text` is not base64. */
int ri_base64_read(ri_str text, char *out, size_t *len);

void ri_base64_put_url(ri_buffer *out, ri_str bytes);
int ri_base64_read_url(ri_str text, char *out, size_t *len); /* without the padding, too */

#endif
