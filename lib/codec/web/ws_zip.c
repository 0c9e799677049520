/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/ws_zip.h"

#include <zlib.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    ZIP_WINDOW = -15,      /* zlib's word for: the largest window, and nothing around the bytes */
    ZIP_WINDOW_OUT = -13,  /* 8 KiB: what is written at once is seldom more */
    ZIP_LEVEL_MEMORY = 7,
    ZIP_TAIL = 4,          /* bytes at the end of each message that are not sent */
    ZIP_HEAD = 16,         /* in front of each allocation: its size, which zlib does not pass */
};

static const char zip_tail[ZIP_TAIL] = {0, 0, (char)0xff, (char)0xff};

struct ri_ws_zip {
    const ri_host *host;
    z_stream z;
    bool deflates;
    bool over;     /* a message that comes has ended by a word of zlib's own */
    uint8_t tail;  /* bytes of its tail that were used */
};

static void *zip_alloc(void *host, unsigned items, unsigned size)
{
    size_t bytes = (size_t)items * size + ZIP_HEAD;
    char *p = ri_alloc(host, bytes);
    if (!p) return NULL;
    memcpy(p, &bytes, sizeof bytes);
    return p + ZIP_HEAD;
}

static void zip_free(void *host, void *given)
{
    RI_ASSERT(given);
    size_t bytes;
    char *p = (char *)given - ZIP_HEAD;
    memcpy(&bytes, p, sizeof bytes);
    ri_free(host, p, bytes);
}

ri_ws_zip *ri_ws_zip_open(const ri_host *host, bool deflates)
{
    ri_ws_zip *zip = ri_new(host, ri_ws_zip);
    if (!zip) return NULL;
    zip->host = host;
    zip->deflates = deflates;
    zip->z = (z_stream){.zalloc = zip_alloc, .zfree = zip_free,
                        .opaque = (void *)(uintptr_t)host};
    int rc = deflates ? deflateInit2(&zip->z, Z_BEST_SPEED, Z_DEFLATED, ZIP_WINDOW_OUT,
                                     ZIP_LEVEL_MEMORY, Z_DEFAULT_STRATEGY)
                      : inflateInit2(&zip->z, ZIP_WINDOW);
    if (rc == Z_OK) return zip;
    ri_delete(host, zip);
    return NULL;
}

void ri_ws_zip_close(ri_ws_zip *zip)
{
    if (!zip) return;
    if (zip->deflates) deflateEnd(&zip->z);
    else inflateEnd(&zip->z);
    ri_delete(zip->host, zip);
}

/* Use what is given, as far as there is room. */
static int zip_inflate(ri_ws_zip *zip, ri_str *in, char **out, size_t *room)
{
    z_stream *z = &zip->z;
    z->next_in = (Bytef *)(uintptr_t)in->ptr;
    z->avail_in = (uInt)in->len;
    z->next_out = (Bytef *)*out;
    z->avail_out = (uInt)*room;
    int rc = inflate(z, Z_SYNC_FLUSH);
    size_t used = in->len - z->avail_in, given = *room - z->avail_out;
    *in = ri_str_from(*in, used);
    *out += given;
    *room -= given;
    if (rc == Z_MEM_ERROR) return ri_err_nomem(0);
    zip->over = rc == Z_STREAM_END;
    if (rc == Z_OK || rc == Z_BUF_ERROR || (zip->over && in->len == 0)) return RILL_OK;
    return ri_err(RILL_EPROTO, "a compressed message is damaged");
}

int ri_ws_zip_read(ri_ws_zip *zip, ri_str *in, bool last, char *out, size_t *room)
{
    RI_ASSERT(!zip->deflates && in->len <= UINT32_MAX && *room > 0 && *room <= UINT32_MAX);
    int rc = zip->over && in->len == 0 ? RILL_OK : zip_inflate(zip, in, &out, room);
    if (rc < 0 || in->len > 0 || !last) return rc;
    ri_str tail = {zip_tail + zip->tail, (size_t)(ZIP_TAIL - zip->tail)};
    if (!zip->over && *room > 0) rc = zip_inflate(zip, &tail, &out, room);
    zip->tail = (uint8_t)(ZIP_TAIL - tail.len);
    if (rc < 0 || (!zip->over && (tail.len > 0 || *room == 0))) return rc;
    zip->over = false; /* where room is left, all has come */
    zip->tail = 0;
    inflateReset(&zip->z);
    return 1;
}

size_t ri_ws_zip_bound(ri_ws_zip *zip, size_t len)
{
    RI_ASSERT(zip->deflates);
    return deflateBound(&zip->z, len) + 16; /* and the empty block that ends it */
}

void ri_ws_zip_write(ri_ws_zip *zip, ri_str bytes, bool last, char *out, size_t *done)
{
    RI_ASSERT(zip->deflates && bytes.len <= UINT32_MAX);
    z_stream *z = &zip->z;
    z->next_in = (Bytef *)(uintptr_t)bytes.ptr;
    z->avail_in = (uInt)bytes.len;
    z->next_out = (Bytef *)out + *done;
    z->avail_out = (uInt)1 << 30; /* it was asked for by ri_ws_zip_bound() */
    deflate(z, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    RI_ASSERT(z->avail_in == 0);
    *done = (size_t)((char *)z->next_out - out);
    if (!last) return;
    RI_ASSERT(*done >= ZIP_TAIL && memcmp(out + *done - ZIP_TAIL, zip_tail, ZIP_TAIL) == 0);
    *done -= ZIP_TAIL;
    deflateReset(z);
}
