/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/lz4.h"

#include <lz4frame.h>

#include "base/error.h"

enum { LZ4_PIECE = 16384 }; /* bytes of output asked for at a time */

typedef struct lz4_state {
    const ri_host *host;
    LZ4F_dctx *frame;
    size_t at; /* bytes of the input that are done */
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

static int lz4_bad(ri_str in)
{
    return ri_err(RILL_EPROTO, "%zu bytes that are not lz4's", in.len);
}

int ri_lz4_some(void *lz4, ri_str in, size_t bytes, ri_buffer *out)
{
    lz4_state *z = lz4;
    for (size_t given = 0; given < bytes;) {
        char *room = ri_buffer_room(out, LZ4_PIECE);
        if (!room) return ri_err_nomem(LZ4_PIECE);
        size_t got = LZ4_PIECE, used = in.len - z->at;
        size_t more = LZ4F_decompress(z->frame, room, &got, in.ptr + z->at, &used, NULL);
        if (LZ4F_isError(more)) return lz4_bad(in);
        ri_buffer_added(out, got);
        given += got;
        z->at += used;
        if (more == 0) return z->at < in.len ? lz4_bad(in) : 0;
        if (got == 0 && used == 0) return lz4_bad(in); /* it is cut */
    }
    return 1;
}
