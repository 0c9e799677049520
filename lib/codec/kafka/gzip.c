/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/gzip.h"

#include <string.h>
#include <zlib.h>

#include "base/error.h"

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's word for: the largest window, gzip's head and tail */
    GZIP_PIECE = 16384,    /* bytes of output asked for at a time */
    GZIP_HEAD = 16,        /* in front of each allocation: its size, which zlib does not tell */
};

static void *gzip_alloc(void *host, unsigned items, unsigned size)
{
    size_t bytes = (size_t)items * size + GZIP_HEAD;
    char *p = ri_alloc(host, bytes);
    if (!p) return NULL;
    memcpy(p, &bytes, sizeof bytes);
    return p + GZIP_HEAD;
}

static void gzip_free(void *host, void *given)
{
    size_t bytes;
    char *p = (char *)given - GZIP_HEAD;
    memcpy(&bytes, p, sizeof bytes);
    ri_free(host, p, bytes);
}

static z_stream gzip_stream(ri_str in, ri_buffer *out)
{
    return (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free,
                      .opaque = (void *)(uintptr_t)out->host,
                      .next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
}

/* Call `step` until it has said all; what it returned last. */
static int gzip_run(z_stream *z, int (*step)(z_stream *, int), int flush, size_t max,
                    ri_buffer *out)
{
    int rc = Z_OK;
    for (size_t given = 0; rc == Z_OK && given <= max;) {
        char *room = ri_buffer_room(out, GZIP_PIECE);
        if (!room) return Z_MEM_ERROR;
        z->next_out = (Bytef *)room;
        z->avail_out = GZIP_PIECE;
        rc = step(z, flush);
        ri_buffer_added(out, GZIP_PIECE - z->avail_out);
        given += GZIP_PIECE - z->avail_out;
        if (rc == Z_OK && z->avail_out == GZIP_PIECE) rc = Z_BUF_ERROR; /* no step forward */
    }
    return rc;
}

int ri_gzip_unpack(ri_str in, size_t max, ri_buffer *out)
{
    z_stream z = gzip_stream(in, out);
    if (in.len > INT32_MAX) return ri_err(RILL_ETOOBIG, "%zu packed bytes", in.len);
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) return ri_err_nomem(0);
    int rc = gzip_run(&z, inflate, Z_NO_FLUSH, max, out);
    size_t left = z.avail_in;
    bool too_big = z.total_out > max;
    inflateEnd(&z);
    if (rc == Z_MEM_ERROR) return ri_err_nomem(GZIP_PIECE);
    if (too_big) return ri_err(RILL_ETOOBIG, "it unpacks to more than %zu bytes", max);
    if (rc == Z_STREAM_END && left == 0) return RILL_OK;
    return ri_err(RILL_EPROTO, "%zu bytes that are not gzip's", in.len);
}

int ri_gzip_pack(ri_str in, ri_buffer *out)
{
    z_stream z = gzip_stream(in, out);
    if (in.len > INT32_MAX) return ri_err(RILL_ETOOBIG, "%zu bytes to pack", in.len);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ri_err_nomem(0);
    int rc = gzip_run(&z, deflate, Z_FINISH, SIZE_MAX - GZIP_PIECE, out);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? RILL_OK : ri_err_nomem(GZIP_PIECE);
}
