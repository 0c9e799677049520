/* SPDX-License-Identifier: Apache-2.0 */
/* zstd, as Kafka compresses batches with it: libzstd, if the build has it. The library's own
 * buffers, a window of 8 MiB and 256 KiB at the most, are not the host's memory. */
#ifndef RI_ZSTD_H
#define RI_ZSTD_H

#include "base/buffer.h"
#include "base/str.h"

/* Unpacking in pieces, of bytes that may lie elsewhere at each of them. */
void *ri_zstd_open(const ri_host *host); /* NULL: out of memory */
void ri_zstd_close(void *zstd);          /* NULL: no-op */
/* Append about `bytes` more of what `in`, all of it, unpacks to: 1 if there is more, or 0.
 * RILL_EPROTO if it is not whole frames, or they want a larger window; RILL_ENOMEM. */
int ri_zstd_some(void *zstd, ri_str in, size_t bytes, ri_buffer *out);

#endif
