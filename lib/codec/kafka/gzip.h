/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, as Kafka compresses batches with it: zlib behind the host's memory. */
#ifndef RI_GZIP_H
#define RI_GZIP_H

#include "base/buffer.h"
#include "base/str.h"

/* Unpacking in pieces, of bytes that may lie elsewhere at each of them. */
void *ri_gzip_open(const ri_host *host); /* NULL: out of memory */
void ri_gzip_close(void *gzip);          /* NULL: no-op */
/* Append about `bytes` more of what `in`, all of it, unpacks to: 1 if there is more, or 0.
 * RILL_EPROTO if it is no whole gzip stream, RILL_ENOMEM. */
int ri_gzip_some(void *gzip, ri_str in, size_t bytes, ri_buffer *out);

/* Append what `in` unpacks to. RILL_EPROTO if it is no whole gzip stream, RILL_ETOOBIG above
 * `max` bytes, RILL_ENOMEM; then `out` holds a part. */
int ri_gzip_unpack(ri_str in, size_t max, ri_buffer *out);
/* Append `in`, packed. RILL_ENOMEM. */
int ri_gzip_pack(ri_str in, ri_buffer *out);

#endif
