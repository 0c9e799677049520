/* SPDX-License-Identifier: Apache-2.0 */
/* lz4's frames, as Kafka compresses batches with them: liblz4, if the build has it. The library's
 * own buffers, a block of 4 MiB and 128 KiB at the most, are not the host's memory. */
#ifndef RI_LZ4_H
#define RI_LZ4_H

#include "base/buffer.h"
#include "base/str.h"

/* Unpacking in pieces, of bytes that may lie elsewhere at each of them. */
void *ri_lz4_open(const ri_host *host); /* NULL: out of memory */
void ri_lz4_close(void *lz4);           /* NULL: no-op */
/* Append about `bytes` more of what `in`, all of it, unpacks to: 1 if there is more, or 0.
 * RILL_EPROTO if it is no whole frame, RILL_ENOMEM. */
int ri_lz4_some(void *lz4, ri_str in, size_t bytes, ri_buffer *out);

#endif
