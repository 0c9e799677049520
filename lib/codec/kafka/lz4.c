/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/lz4.h"

#include <lz4frame.h>

#include "base/error.h"

typedef struct lz4_state {
    const ri_host *host;
    LZ4F_dctx *frame;
} lz4_state;

void *ri_lz4_open(const ri_host *host)
{
    lz4_state *z = ri_new(host, lz4_state);
    if (!z) return NULL;
    z->host = host;
    if (!LZ4F_isError(LZ4F_createDecompressionContext(&z->frame, LZ4F_VERSION))) return z;
    ri_delete(host, z);
    return NULL;
}

void ri_lz4_close(void *lz4)
{
    lz4_state *z = lz4;
    if (!z) return;
    LZ4F_freeDecompressionContext(z->frame);
    ri_delete(z->host, z);
}

int ri_lz4_step(void *lz4, ri_unpack_step *step)
{
    lz4_state *z = lz4;
    step->given = step->cap;
    step->used = step->in.len;
    size_t more = LZ4F_decompress(z->frame, step->room, &step->given, step->in.ptr, &step->used,
                                  NULL);
    return LZ4F_isError(more) ? RILL_EPROTO : more > 0;
}
