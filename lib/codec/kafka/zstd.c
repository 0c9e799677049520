/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/zstd.h"

#include <zstd.h>

#include "base/error.h"

enum { ZSTD_WINDOW_LOG = 23 }; /* of the largest window that is kept: 8 MiB */

typedef struct zstd_state {
    const ri_host *host;
    ZSTD_DCtx *frame;
} zstd_state;

void *ri_zstd_open(const ri_host *host)
{
    zstd_state *z = ri_new(host, zstd_state);
    if (!z) return NULL;
    z->host = host;
    z->frame = ZSTD_createDCtx();
    if (z->frame &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(z->frame, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
        return z;
    ri_zstd_close(z);
    return NULL;
}

void ri_zstd_close(void *zstd)
{
    zstd_state *z = zstd;
    if (!z) return;
    ZSTD_freeDCtx(z->frame);
    ri_delete(z->host, z);
}

int ri_zstd_step(void *zstd, ri_unpack_step *step)
{
    zstd_state *z = zstd;
    ZSTD_outBuffer to = {step->room, step->cap, 0};
    ZSTD_inBuffer from = {step->in.ptr, step->in.len, 0};
    size_t more = ZSTD_decompressStream(z->frame, &to, &from);
    if (ZSTD_isError(more)) return RILL_EPROTO;
    step->given = to.pos;
    step->used = from.pos;
    return more > 0 || from.pos < from.size || step->rest; /* another frame may follow */
}
