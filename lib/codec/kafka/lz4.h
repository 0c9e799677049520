/* SPDX-License-Identifier: Apache-2.0 */
/* lz4's frames, as Kafka compresses batches with them: liblz4, if the build has it. The library's
 * own buffers, a block of 4 MiB and 128 KiB at the most, are not the host's memory. */
#ifndef RI_LZ4_H
#define RI_LZ4_H

#include "codec/kafka/unpack.h"

void *ri_lz4_open(const ri_host *host); /* NULL: out of memory */
void ri_lz4_close(void *lz4);           /* NULL: no-op */
int ri_lz4_step(void *lz4, ri_unpack_step *step);

#endif
