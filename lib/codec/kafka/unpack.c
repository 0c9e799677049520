/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/unpack.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/kafka/lz4.h"
#include "codec/kafka/zstd.h"

enum {
    UNPACK_SNAPPY_HEAD = 16, /* bytes of the frame before its first block */
    UNPACK_LENGTH = 4,       /* of each block's length */
    UNPACK_STEP = 256,       /* bytes that a step counts for at least: it may yield nothing */
    UNPACK_PIECE = 16384,    /* bytes of input, and of output, for one call of a library */
};

static const char *const unpack_names[] = {
    [RI_KAFKA_CODEC_NONE] = "none", [RI_KAFKA_CODEC_GZIP] = "gzip",
    [RI_KAFKA_CODEC_SNAPPY] = "snappy", [RI_KAFKA_CODEC_LZ4] = "lz4",
    [RI_KAFKA_CODEC_ZSTD] = "zstd",
};

static int unpack_bad(const ri_unpack *u, ri_str in)
{
    return ri_err(RILL_EPROTO, "%zu bytes that are not %s's", in.len, unpack_names[u->codec]);
}

static int unpack_too_big(const ri_unpack *u)
{
    return ri_err(RILL_ETOOBIG, "it unpacks to more than %zu bytes", u->max);
}

/* ---- Snappy ---- */

/* `bytes` more of one block: what was unpacked of it before is the end of what is in `out`. */
static int unpack_block(ri_unpack *u, ri_str block, size_t bytes, ri_buffer *out)
{
    size_t before = u->place.len, holds, head;
    if (ri_s2_block_size(block, &holds, &head) < 0) return unpack_bad(u, block);
    RI_ASSERT(before <= u->given && before <= holds);
    if (holds > u->max - (u->given - before)) return unpack_too_big(u);
    char *room = ri_buffer_room(out, RI_MAX(holds - before, (size_t)1));
    if (!room) return ri_err_nomem(holds);
    int rc = ri_s2_block_some(&u->place, ri_str_from(block, head), room - before, holds, bytes);
    if (rc < 0) return unpack_bad(u, block);
    ri_buffer_added(out, u->place.len - before);
    u->given += u->place.len - before;
    if (rc == 0) u->place = (ri_s2_place){0};
    return rc;
}

static uint32_t unpack_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int unpack_snappy(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out)
{
    static const char magic[] = "\202SNAPPY"; /* with its 0 */
    bool framed = in.len >= UNPACK_SNAPPY_HEAD && memcmp(in.ptr, magic, sizeof magic) == 0;
    if (!framed) return unpack_block(u, in, bytes, out);
    size_t done = 0;
    u->at = RI_MAX(u->at, (size_t)UNPACK_SNAPPY_HEAD);
    while (u->at < in.len && done < bytes) {
        size_t before = u->given;
        ri_str rest = ri_str_from(in, u->at);
        size_t len = rest.len >= UNPACK_LENGTH ? unpack_u32(rest.ptr) : SIZE_MAX;
        if (len > rest.len - RI_MIN(rest.len, (size_t)UNPACK_LENGTH)) return unpack_bad(u, in);
        int rc = unpack_block(u, (ri_str){rest.ptr + UNPACK_LENGTH, len}, bytes - done, out);
        if (rc != 0) return rc;
        u->at += UNPACK_LENGTH + len;
        done += RI_MAX(u->given - before, (size_t)UNPACK_STEP);
    }
    return u->at < in.len;
}

/* ---- Which ---- */

static int unpack_none(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out)
{
    (void)bytes;
    if (in.len > u->max) return ri_err(RILL_ETOOBIG, "%zu bytes are more than %zu", in.len, u->max);
    ri_buffer_put_str(out, in);
    u->given += in.len;
    return out->failed ? RILL_ENOMEM : RILL_OK;
}

/* A library's. */
typedef struct unpack_stream {
    void *(*open)(const ri_host *host); /* NULL: this build has none */
    int (*step)(void *state, ri_unpack_step *step);
    void (*close)(void *state);
} unpack_stream;

typedef struct unpack_row {
    int (*some)(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out); /* NULL: `stream` */
    unpack_stream stream;
} unpack_row;

static const unpack_row unpack_rows[] = {
    [RI_KAFKA_CODEC_NONE] = {unpack_none, {0}},
    [RI_KAFKA_CODEC_GZIP] = {NULL, {ri_gzip_open, ri_gzip_step, ri_gzip_close}},
    [RI_KAFKA_CODEC_SNAPPY] = {unpack_snappy, {0}},
#ifdef RI_HAVE_LZ4
    [RI_KAFKA_CODEC_LZ4] = {NULL, {ri_lz4_open, ri_lz4_step, ri_lz4_close}},
#else
    [RI_KAFKA_CODEC_LZ4] = {NULL, {0}},
#endif
#ifdef RI_HAVE_ZSTD
    [RI_KAFKA_CODEC_ZSTD] = {NULL, {ri_zstd_open, ri_zstd_step, ri_zstd_close}},
#else
    [RI_KAFKA_CODEC_ZSTD] = {NULL, {0}},
#endif
};

/* One call of the library, whose output goes behind what is in `out`. *work: bytes that it has read
 * and made, since blocks may hold nothing. */
static int unpack_step(ri_unpack *u, ri_str in, ri_buffer *out, size_t *work)
{
    char *room = ri_buffer_room(out, UNPACK_PIECE);
    if (!room) return ri_err_nomem(UNPACK_PIECE);
    ri_str left = ri_str_from(in, u->at);
    ri_unpack_step step = {.in = {left.ptr, RI_MIN(left.len, (size_t)UNPACK_PIECE)},
                           .rest = left.len > UNPACK_PIECE, .room = room, .cap = UNPACK_PIECE};
    int rc = unpack_rows[u->codec].stream.step(u->state, &step);
    if (rc < 0) return rc == RILL_EPROTO ? unpack_bad(u, in) : rc;
    RI_ASSERT(step.given <= step.cap && step.used <= step.in.len);
    ri_buffer_added(out, step.given);
    u->given += step.given;
    u->at += step.used;
    *work = RI_MAX(step.given + step.used, (size_t)UNPACK_STEP);
    if (u->given > u->max) return unpack_too_big(u);
    bool cut = rc == 1 && step.given == 0 && step.used == 0;
    return cut || (rc == 0 && u->at < in.len) ? unpack_bad(u, in) : rc;
}

/* No more than one piece above the maximum is ever asked for. */
static int unpack_stream_some(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out)
{
    if (!u->state && !(u->state = unpack_rows[u->codec].stream.open(u->host)))
        return ri_err_nomem(0);
    int rc = 1;
    for (size_t done = 0, work = 0; rc == 1 && done < bytes; done += work)
        rc = unpack_step(u, in, out, &work);
    return rc;
}

int ri_unpack_has(int codec)
{
    if (codec < 0 || (size_t)codec >= RI_LEN(unpack_rows))
        return ri_err(RILL_ENOTSUP, "record batches of codec %d cannot be unpacked", codec);
    if (unpack_rows[codec].some || unpack_rows[codec].stream.open) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "record batches that are compressed with %s cannot be unpacked: "
                  "this build has no %s", unpack_names[codec], unpack_names[codec]);
}

void ri_unpack_init(ri_unpack *u, const ri_host *host, int codec, size_t max)
{
    *u = (ri_unpack){.host = host, .codec = codec, .max = max};
}

void ri_unpack_fini(ri_unpack *u)
{
    if (u->state) unpack_rows[u->codec].stream.close(u->state);
    u->state = NULL;
}

int ri_unpack_some(ri_unpack *u, ri_str in, size_t bytes, ri_buffer *out)
{
    RI_ASSERT(bytes > 0 && u->at <= in.len);
    int rc = ri_unpack_has(u->codec);
    if (rc < 0) return rc;
    const unpack_row *row = &unpack_rows[u->codec];
    return row->some ? row->some(u, in, bytes, out) : unpack_stream_some(u, in, bytes, out);
}

int ri_unpack_all(int codec, ri_str in, size_t max, ri_buffer *out)
{
    ri_unpack u;
    ri_unpack_init(&u, out->host, codec, max);
    int rc = 1;
    while (rc == 1) rc = ri_unpack_some(&u, in, max + 1, out);
    ri_unpack_fini(&u);
    return rc;
}
