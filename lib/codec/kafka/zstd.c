/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/zstd.h"

#include <zstd.h>

#include "base/error.h"

enum {
    ZSTD_PIECE = 16384,   /* bytes of output asked for at a time */
    ZSTD_STEP = 256,      /* bytes that a step counts for at least: a frame may hold nothing */
    ZSTD_WINDOW_LOG = 23, /* of the largest window that is kept: 8 MiB */
};

typedef struct zstd_state {
    const ri_host *host;
    ZSTD_DCtx *frame;
    size_t at; /* bytes of the input that are done */
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

static int zstd_bad(ri_str in)
{
    return ri_err(RILL_EPROTO, "%zu bytes that are not zstd's", in.len);
}

int ri_zstd_some(void *zstd, ri_str in, size_t bytes, ri_buffer *out)
{
    zstd_state *z = zstd;
    for (size_t given = 0; given < bytes;) {
        char *room = ri_buffer_room(out, ZSTD_PIECE);
        if (!room) return ri_err_nomem(ZSTD_PIECE);
        ZSTD_outBuffer to = {room, ZSTD_PIECE, 0};
        ZSTD_inBuffer from = {in.ptr, in.len, z->at};
        size_t more = ZSTD_decompressStream(z->frame, &to, &from);
        if (ZSTD_isError(more)) return zstd_bad(in);
        ri_buffer_added(out, to.pos);
        given += RI_MAX(to.pos, (size_t)ZSTD_STEP);
        if (more == 0 && from.pos == in.len) return 0;
        if (to.pos == 0 && from.pos == z->at) return zstd_bad(in); /* it is cut */
        z->at = from.pos;
    }
    return 1;
}
