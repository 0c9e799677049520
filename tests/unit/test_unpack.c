/* SPDX-License-Identifier: Apache-2.0 */
/* Each codec in pieces and at once; what is too big, cut or of a codec that is not there is
 * said. */
#include "codec/kafka/unpack.h"

#include <string.h>

#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "support/fault.h"
#include "support/produce.h"
#include "support/suite.h"

enum { TEXT = 200000, RAW = 100 }; /* RAW: snappy without a frame */

static fault f;
static char text[TEXT];

static void pack(int codec, size_t len, ri_buffer *out)
{
    ri_str in = {text, len};
    if (codec == RI_KAFKA_CODEC_NONE) ri_buffer_put_str(out, in);
    else if (codec == RI_KAFKA_CODEC_GZIP) ck_assert_ok(ri_gzip_pack(in, out));
    else if (codec == RI_KAFKA_CODEC_LZ4) produce_lz4(in, out);
    else if (codec == RI_KAFKA_CODEC_ZSTD) produce_zstd(in, out);
    else produce_snappy(in, codec != RAW, out);
}

static void setup(void)
{
    fault_init(&f);
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 23);
}

static void teardown(void)
{
    fault_fini(&f);
}

static const int codecs[] = {RI_KAFKA_CODEC_NONE, RI_KAFKA_CODEC_GZIP, RI_KAFKA_CODEC_SNAPPY, RAW,
                             RI_KAFKA_CODEC_LZ4, RI_KAFKA_CODEC_ZSTD};

static int real(int codec)
{
    return codec == RAW ? RI_KAFKA_CODEC_SNAPPY : codec;
}

START_TEST(test_pieces)
{
    int codec = codecs[_i];
    ri_buffer packed, plain;
    if (ri_unpack_has(real(codec)) < 0) return; /* test_missing looks at what it says then */
    ri_buffer_init(&packed, &f.host);
    ri_buffer_init(&plain, &f.host);
    pack(codec, sizeof text, &packed);
    for (size_t piece = 1000; piece < 1000000; piece *= 7) {
        ri_unpack u;
        int rc, pieces = 0;
        ri_buffer_reset(&plain);
        ri_unpack_init(&u, &f.host, real(codec), sizeof text);
        while ((rc = ri_unpack_some(&u, ri_buffer_str(&packed), piece, &plain)) == 1) pieces++;
        ck_assert_ok(rc);
        ck_assert_uint_eq(ri_buffer_size(&plain), sizeof text);
        ck_assert(memcmp(plain.ptr, text, sizeof text) == 0);
        if (piece < sizeof text / 10 && codec != RI_KAFKA_CODEC_NONE)
            ck_assert_int_gt(pieces, 4);
        ri_unpack_fini(&u);
    }
    ri_buffer_reset(&plain);
    ck_assert_rc(ri_unpack_all(real(codec), ri_buffer_str(&packed), sizeof text - 1, &plain),
                 RILL_ETOOBIG);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
}
END_TEST

/* Cut anywhere, it is not whole; a few bytes that unpack to very many end at the bound. */
START_TEST(test_bad)
{
    ri_buffer packed, plain;
    ri_buffer_init(&packed, &f.host);
    ri_buffer_init(&plain, &f.host);
    for (size_t i = 1; i < RI_LEN(codecs); i++) {
        if (ri_unpack_has(real(codecs[i])) < 0) continue;
        ri_buffer_reset(&packed);
        pack(codecs[i], 500, &packed);
        ri_str all = ri_buffer_str(&packed);
        for (size_t len = codecs[i] == RI_KAFKA_CODEC_SNAPPY ? 17 : 0; len < all.len; len++) {
            ri_buffer_reset(&plain);
            int rc = ri_unpack_all(real(codecs[i]), (ri_str){all.ptr, len}, 1000, &plain);
            ck_assert_msg(rc == RILL_EPROTO, "codec %d, %zu bytes: %d", codecs[i], len, rc);
        }
    }
    static char zeros[4000000];
    ri_buffer_reset(&packed);
    ri_buffer_reset(&plain);
    ck_assert_ok(ri_gzip_pack((ri_str){zeros, sizeof zeros}, &packed));
    ck_assert_rc(ri_unpack_all(RI_KAFKA_CODEC_GZIP, ri_buffer_str(&packed), 100000, &plain),
                 RILL_ETOOBIG);
    ck_assert_uint_lt(plain.cap, 300000);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
}
END_TEST

/* What unpacks to nothing is work, too: it is cut into pieces. */
START_TEST(test_nothing)
{
    int codec = _i ? RI_KAFKA_CODEC_ZSTD : RI_KAFKA_CODEC_SNAPPY;
    ri_buffer packed, plain;
    if (ri_unpack_has(codec) < 0) return;
    ri_buffer_init(&packed, &f.host);
    ri_buffer_init(&plain, &f.host);
    if (codec == RI_KAFKA_CODEC_SNAPPY) pack(codec, 0, &packed);
    for (int i = 0; i < 1000; i++) {
        if (codec == RI_KAFKA_CODEC_ZSTD) pack(codec, 0, &packed);
        else ri_buffer_put(&packed, "\0\0\0\1", 5);
    }
    ri_unpack u;
    int rc, pieces = 0;
    ri_unpack_init(&u, &f.host, codec, 1000);
    while ((rc = ri_unpack_some(&u, ri_buffer_str(&packed), 1000, &plain)) == 1) pieces++;
    ck_assert_ok(rc);
    ck_assert_uint_eq(ri_buffer_size(&plain), 0);
    ck_assert_int_gt(pieces, 100);
    ri_unpack_fini(&u);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
}
END_TEST

typedef struct hollow { /* a frame with very many blocks that hold nothing */
    int codec;
    const char *head, *block, *end;
    size_t head_len, block_len, end_len;
} hollow;

static const hollow hollows[] = {
    {RI_KAFKA_CODEC_GZIP, .head = "\x1f\x8b\x08\0\0\0\0\0\0\xff", .head_len = 10,
     .block = "\0\0\0\xff\xff", .block_len = 5,
     .end = "\1\0\0\xff\xff\0\0\0\0\0\0\0\0", .end_len = 13},
    {RI_KAFKA_CODEC_LZ4, .head = "\x04\x22\x4d\x18\x60\x40\x82", .head_len = 7,
     .block = "\0\0\0\x80", .block_len = 4, .end = "\0\0\0\0", .end_len = 4},
    {RI_KAFKA_CODEC_ZSTD, .head = "\x28\xb5\x2f\xfd\0\x50", .head_len = 6,
     .block = "\0\0\0", .block_len = 3, .end = "\1\0\0", .end_len = 3},
};

START_TEST(test_hollow)
{
    enum { BLOCKS = 200000, BYTES = 65536 };
    const hollow *h = &hollows[_i];
    ri_buffer packed, plain;
    if (ri_unpack_has(h->codec) < 0) return;
    ri_buffer_init(&packed, &f.host);
    ri_buffer_init(&plain, &f.host);
    ri_buffer_put(&packed, h->head, h->head_len);
    for (int i = 0; i < BLOCKS; i++) ri_buffer_put(&packed, h->block, h->block_len);
    ri_buffer_put(&packed, h->end, h->end_len);
    ri_unpack u;
    int rc, pieces = 0;
    ri_unpack_init(&u, &f.host, h->codec, 1000000);
    while ((rc = ri_unpack_some(&u, ri_buffer_str(&packed), BYTES, &plain)) == 1) pieces++;
    ck_assert_ok(rc);
    ck_assert_uint_eq(ri_buffer_size(&plain), 0);
    ck_assert_int_ge(pieces, (int)(BLOCKS * h->block_len / BYTES - 1));
    ri_unpack_fini(&u);
    ri_buffer_fini(&packed);
    ri_buffer_fini(&plain);
}
END_TEST

START_TEST(test_missing)
{
    ck_assert_rc(ri_unpack_has(5), RILL_ENOTSUP);
    for (int codec = RI_KAFKA_CODEC_LZ4; codec <= RI_KAFKA_CODEC_ZSTD; codec++) {
        int rc = ri_unpack_has(codec);
        if (rc == 0) continue;
        ck_assert_int_eq(rc, RILL_ENOTSUP);
        ck_assert_ptr_nonnull(strstr(ri_err_text(), codec == RI_KAFKA_CODEC_LZ4
                                                        ? "this build has no lz4"
                                                        : "this build has no zstd"));
    }
}
END_TEST

SUITE_MAIN_ROWS("unpack",
                {.times = (int)RI_LEN(codecs), .setup = setup, .teardown = teardown,
                 SUITE_LIST(test_pieces)},
                {.times = 2, .setup = setup, .teardown = teardown, SUITE_LIST(test_nothing)},
                {.times = (int)RI_LEN(hollows), .setup = setup, .teardown = teardown,
                 SUITE_LIST(test_hollow)},
                SUITE_WITH(setup, teardown, test_bad, test_missing))
