/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/gzip.h"

#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's word for: the largest window, gzip's head and tail */
    GZIP_PIECE = 16384,    /* bytes that are packed at a time */
    GZIP_HEAD = 16,        /* in front of each allocation: its size, which zlib does not pass */
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
    RI_ASSERT(given);
    size_t bytes;
    char *p = (char *)given - GZIP_HEAD;
    memcpy(&bytes, p, sizeof bytes);
    ri_free(host, p, bytes);
}

typedef struct gzip_state {
    const ri_host *host;
    z_stream z;
} gzip_state;

void *ri_gzip_open(const ri_host *host)
{
    gzip_state *gzip = ri_new(host, gzip_state);
    if (!gzip) return NULL;
    gzip->host = host;
    gzip->z = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free,
                         .opaque = (void *)(uintptr_t)host};
    if (inflateInit2(&gzip->z, GZIP_WINDOW) == Z_OK) return gzip;
    ri_delete(host, gzip);
    return NULL;
}

void ri_gzip_close(void *state)
{
    gzip_state *gzip = state;
    if (!gzip) return;
    inflateEnd(&gzip->z);
    ri_delete(gzip->host, gzip);
}

int ri_gzip_step(void *gzip, ri_unpack_step *step)
{
    z_stream *z = &((gzip_state *)gzip)->z;
    z->next_in = (Bytef *)(uintptr_t)step->in.ptr;
    z->avail_in = (uInt)step->in.len;
    z->next_out = (Bytef *)step->room;
    z->avail_out = (uInt)step->cap;
    int rc = inflate(z, Z_NO_FLUSH);
    step->used = step->in.len - z->avail_in;
    step->given = step->cap - z->avail_out;
    if (rc == Z_MEM_ERROR) return ri_err_nomem(0);
    if (rc != Z_OK && rc != Z_STREAM_END) return RILL_EPROTO;
    return rc == Z_OK;
}

/* Call deflate() until it has said all; what it returned last. */
static int gzip_pack_all(z_stream *z, ri_buffer *out)
{
    int rc = Z_OK;
    while (rc == Z_OK) {
        char *room = ri_buffer_room(out, GZIP_PIECE);
        if (!room) return Z_MEM_ERROR;
        z->next_out = (Bytef *)room;
        z->avail_out = GZIP_PIECE;
        rc = deflate(z, Z_FINISH);
        ri_buffer_added(out, GZIP_PIECE - z->avail_out);
    }
    return rc;
}

int ri_gzip_pack(ri_str in, ri_buffer *out)
{
    z_stream z = {.zalloc = gzip_alloc, .zfree = gzip_free,
                  .opaque = (void *)(uintptr_t)out->host,
                  .next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
    if (in.len > INT32_MAX) return ri_err(RILL_ETOOBIG, "%zu bytes to pack", in.len);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ri_err_nomem(0);
    int rc = gzip_pack_all(&z, out);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? RILL_OK : ri_err_nomem(GZIP_PIECE);
}
