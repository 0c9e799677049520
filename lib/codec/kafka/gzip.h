/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, as Kafka compresses batches with it: zlib behind the host's memory. */
#ifndef RI_GZIP_H
#define RI_GZIP_H

#include "base/buffer.h"
#include "base/str.h"
#include "codec/kafka/unpack.h"

void *ri_gzip_open(const ri_host *host); /* NULL: out of memory */
void ri_gzip_close(void *gzip);          /* NULL: no-op */
int ri_gzip_step(void *gzip, ri_unpack_step *step);

/* Append `in`, packed. RILL_ENOMEM. */
int ri_gzip_pack(ri_str in, ri_buffer *out);

#endif
