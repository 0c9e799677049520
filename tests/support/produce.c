/* SPDX-License-Identifier: Apache-2.0 */
#include "support/produce.h"

#include <string.h>
#ifdef RI_HAVE_LZ4
#include <lz4frame.h>
#endif
#ifdef RI_HAVE_ZSTD
#include <zstd.h>
#endif

#include "codec/kafka/gzip.h"
#include "support/suite.h"

enum { SNAPPY_LITERAL = 60 }; /* bytes of a literal whose length its tag holds */

void produce_begin(produce *p, const ri_host *host, int codec, int64_t producer, int32_t sequence)
{
    ri_kafka_batch head = {.leader_epoch = -1, .max_timestamp_ms = -1, .producer_id = producer,
                           .producer_epoch = producer < 0 ? -1 : 0, .base_sequence = sequence};
    produce_fini(p);
    ri_buffer_init(&p->plain, host);
    ri_buffer_init(&p->packed, host);
    ri_buffer_init(&p->headers, host);
    p->codec = codec;
    ri_kafka_builder_begin(&p->builder, &p->plain, &head);
}

static void produce_put(produce *p, ri_str key, ri_str value, ri_str headers, int32_t n,
                        int64_t time_ms)
{
    ck_assert_ok(ri_kafka_builder_add(&p->builder, &(ri_kafka_record){
        .offset = p->builder.batch.count, .timestamp_ms = time_ms, .key = key, .value = value,
        .headers = headers, .nheaders = n}));
}

void produce_add(produce *p, const char *key, const char *value, const char *header,
                 int64_t time_ms)
{
    ri_buffer_reset(&p->headers);
    ri_str rest = ri_str_of(header ? header : ""), name;
    if (header && ri_str_cut(&rest, '=', &name)) ri_kafka_headers_put(&p->headers, name, rest);
    produce_put(p, key ? ri_str_of(key) : RI_STR_NONE, value ? ri_str_of(value) : RI_STR_NONE,
                ri_buffer_str(&p->headers), header != NULL, time_ms);
}

void produce_add_bytes(produce *p, ri_str key, ri_str value, int64_t time_ms)
{
    produce_put(p, key, value, RI_STR_NONE, 0, time_ms);
}

static void snappy_block(ri_str in, ri_buffer *out)
{
    for (size_t n = in.len;; n >>= 7) {
        char byte = (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        ri_buffer_put(out, &byte, 1);
        if (n <= 0x7f) break;
    }
    while (in.len) {
        size_t n = RI_MIN(in.len, (size_t)SNAPPY_LITERAL);
        char tag = (char)((n - 1) << 2);
        ri_buffer_put(out, &tag, 1);
        ri_buffer_put(out, in.ptr, n);
        in = ri_str_from(in, n);
    }
}

void produce_snappy(ri_str in, bool framed, ri_buffer *out)
{
    static const char head[16] = {'\x82', 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    if (!framed) {
        snappy_block(in, out);
        return;
    }
    ri_buffer_put(out, head, sizeof head);
    while (in.len) {
        size_t at = out->len, n = RI_MIN(in.len, (size_t)32768);
        ri_buffer_put(out, "\0\0\0", 4);
        snappy_block((ri_str){in.ptr, n}, out);
        size_t len = out->len - at - 4;
        for (int i = 0; i < 4; i++) out->ptr[at + (size_t)i] = (char)(len >> (24 - 8 * i));
        in = ri_str_from(in, n);
    }
}

void produce_lz4(ri_str in, ri_buffer *out)
{
#ifdef RI_HAVE_LZ4
    size_t cap = LZ4F_compressFrameBound(in.len, NULL);
    char *room = ri_buffer_room(out, cap);
    ck_assert_ptr_nonnull(room);
    size_t n = LZ4F_compressFrame(room, cap, in.ptr, in.len, NULL);
    ck_assert(!LZ4F_isError(n));
    ri_buffer_added(out, n);
#else
    ri_buffer_put_str(out, in);
#endif
}

void produce_zstd(ri_str in, ri_buffer *out)
{
#ifdef RI_HAVE_ZSTD
    size_t cap = ZSTD_compressBound(in.len);
    char *room = ri_buffer_room(out, cap);
    ck_assert_ptr_nonnull(room);
    size_t n = ZSTD_compress(room, cap, in.ptr, in.len, ZSTD_CLEVEL_DEFAULT);
    ck_assert(!ZSTD_isError(n));
    ri_buffer_added(out, n);
#else
    ri_buffer_put_str(out, in);
#endif
}

ri_str produce_end(produce *p)
{
    ck_assert_int_gt(ri_kafka_builder_end(&p->builder), 0);
    ri_str all = ri_buffer_str(&p->plain), body = ri_str_from(all, RI_KAFKA_BATCH_HEADER);
    if (p->codec == RI_KAFKA_CODEC_NONE) return all;
    ri_buffer_put(&p->packed, all.ptr, RI_KAFKA_BATCH_HEADER);
    if (p->codec == RI_KAFKA_CODEC_GZIP) ck_assert_ok(ri_gzip_pack(body, &p->packed));
    else if (p->codec == RI_KAFKA_CODEC_SNAPPY) produce_snappy(body, !p->unframed, &p->packed);
    else if (p->codec == RI_KAFKA_CODEC_LZ4) produce_lz4(body, &p->packed);
    else produce_zstd(body, &p->packed);
    ri_kafka_batch_seal(p->packed.ptr, p->packed.len, p->codec);
    return ri_buffer_str(&p->packed);
}

void produce_fini(produce *p)
{
    if (!p->plain.host) return;
    ri_buffer_fini(&p->plain);
    ri_buffer_fini(&p->packed);
    ri_buffer_fini(&p->headers);
}

ri_str produce_marker(produce *p, const ri_host *host, int64_t producer, ri_kafka_marker marker)
{
    produce_fini(p);
    ri_buffer_init(&p->plain, host);
    ri_buffer_init(&p->packed, host);
    ri_buffer_init(&p->headers, host);
    ri_kafka_batch head = {.leader_epoch = -1, .producer_id = producer};
    ck_assert_int_gt(ri_kafka_marker_write(&p->plain, &head, marker, 0, 1), 0);
    return ri_buffer_str(&p->plain);
}

static void produce_done(ri_js_waiter *waiter, int rc)
{
    produced *out = ri_container_of(waiter, produced, ask.waiter);
    out->calls++;
    out->rc = rc;
}

int produce_append(ri_stream *stream, ri_str batch, produced *out)
{
    out->ask.waiter.done = produce_done;
    ri_list_init(&out->ask.waiter.link);
    out->calls = 0;
    return ri_view_append_batch(stream, batch, &out->ask);
}
