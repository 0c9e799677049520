/* SPDX-License-Identifier: Apache-2.0 */
/* zstd, as Kafka compresses batches with it: libzstd, if the build has it. The library's own
 * buffers, a window of 8 MiB and 256 KiB at the most, are not the host's memory: frames that want a
 * larger window are refused. */
#ifndef RI_ZSTD_H
#define RI_ZSTD_H

#include "codec/kafka/unpack.h"

void *ri_zstd_open(const ri_host *host); /* NULL: out of memory */
void ri_zstd_close(void *zstd);          /* NULL: no-op */
int ri_zstd_step(void *zstd, ri_unpack_step *step);

#endif
