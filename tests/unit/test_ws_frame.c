/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of WebSocket, read from bytes that are cut anywhere, and compared with wslay's, which is
 * the library that the world has for them, where that is here. */
#include <stdio.h>

#include "base/error.h"
#include "codec/web/ws_frame.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"
#ifdef RI_HAVE_WSLAY
#include <wslay/wslay.h>
#endif

enum { OUT_MAX = 1 << 18 };

/* What a reader has made of all that came. */
typedef struct taken {
    ri_ws_reader reader;
    char out[OUT_MAX];
    size_t len;
    char told[512]; /* "9:hello " for a control frame */
    size_t told_len;
    int rc;
} taken;

static taken all; /* one at a time: it is large */

static void taken_init(bool masked)
{
    memset(&all.reader, 0, sizeof all.reader);
    all.reader.masked = masked;
    all.len = all.told_len = 0;
    all.told[0] = 0;
    all.rc = RI_WS_MORE;
}

static void taken_feed(const char *bytes, size_t len)
{
    ri_ws_io io = {.in = guard_copy(bytes, len), .in_len = len};
    while (all.rc >= 0) {
        io.out = all.out + all.len;
        io.out_cap = sizeof all.out - all.len;
        all.rc = ri_ws_frame_read(&all.reader, &io);
        all.len = (size_t)(io.out - all.out);
        if (all.rc != RI_WS_CONTROLLED) break;
        all.told_len += (size_t)snprintf(all.told + all.told_len, sizeof all.told - all.told_len,
                                         "%u:%.*s ", all.reader.frame.opcode,
                                         (int)all.reader.control_len, all.reader.control);
    }
    ck_quick(all.rc < 0 || (all.rc == RI_WS_MORE && io.in_len == 0));
}

/* A frame of a client, behind *at. */
static void put(char *out, size_t *at, uint8_t opcode, bool final, const char *data, size_t len)
{
    ri_ws_frame f = {.opcode = opcode, .final = final, .masked = true, .len = len,
                     .key = {1, 0x82, 3, (uint8_t)len}};
    *at += ri_ws_frame_write(out + *at, &f);
    ri_ws_frame_mask(out + *at, data, len, f.key, 0);
    *at += len;
}

/* A text, a message of four frames with a PING and a PONG within, one with a longer header. */
static size_t make_stream(char *out, char *want, size_t *want_len)
{
    char long_one[300];
    size_t at = 0;
    memset(long_one, 'l', sizeof long_one);
    put(out, &at, RI_WS_TEXT, true, "CONNECT {}", 10);
    put(out, &at, RI_WS_BINARY, false, "PI", 2);
    put(out, &at, RI_WS_CONTINUATION, false, "", 0);
    put(out, &at, RI_WS_PING, true, "are you", 7);
    put(out, &at, RI_WS_CONTINUATION, false, "NG", 2);
    put(out, &at, RI_WS_PONG, true, "", 0);
    put(out, &at, RI_WS_CONTINUATION, true, "\r\n", 2);
    put(out, &at, RI_WS_BINARY, true, long_one, sizeof long_one);
    put(out, &at, RI_WS_CLOSE, true, "\x03\xe8 bye", 6);
    *want_len = (size_t)snprintf(want, 64, "CONNECT {}PING\r\n");
    memset(want + *want_len, 'l', sizeof long_one);
    *want_len += sizeof long_one;
    return at;
}

static void check_stream(const char *want, size_t len)
{
    ck_quick(all.rc >= 0 && all.len == len && memcmp(all.out, want, len) == 0);
    ck_quick(strcmp(all.told, "9:are you 10: 8:\x03\xe8 bye ") == 0);
    ck_quick(ri_ws_frame_closed(&all.reader) == 1000);
}

START_TEST(every_split)
{
    char stream[1024], want[512];
    size_t want_len, len = make_stream(stream, want, &want_len);
    for (size_t a = 0; a <= len; a++) {
        taken_init(true);
        taken_feed(stream, a);
        taken_feed(stream + a, len - a);
        check_stream(want, want_len);
    }
    for (size_t step = 1; step < 20; step++) {
        taken_init(true);
        for (size_t at = 0; at < len; at += step)
            taken_feed(stream + at, RI_MIN(step, len - at));
        check_stream(want, want_len);
    }
    guard_free();
}
END_TEST

/* Where the bytes lie, as a wire does it: nothing is overtaken. */
START_TEST(in_place)
{
    char stream[1024], want[512];
    size_t want_len, len = make_stream(stream, want, &want_len), done = 0;
    ri_ws_reader r = {.masked = true};
    ri_ws_io io = {.in = stream, .in_len = len, .out = stream, .out_cap = len};
    while (io.in_len) {
        ck_assert_int_ge(ri_ws_frame_read(&r, &io), 0);
        done = (size_t)(io.out - stream);
        ck_assert(io.out <= io.in);
    }
    ck_assert_uint_eq(done, want_len);
    ck_assert(memcmp(stream, want, done) == 0);
}
END_TEST

/* Little room at a time: it says so, and goes on. */
START_TEST(little_room)
{
    char stream[1024], want[512], out[512];
    size_t want_len, len = make_stream(stream, want, &want_len);
    for (size_t room = 1; room < 40; room++) {
        ri_ws_reader r = {.masked = true};
        ri_ws_io io = {.in = stream, .in_len = len};
        size_t done = 0;
        int rc = RI_WS_FULL;
        while (rc == RI_WS_FULL || rc == RI_WS_CONTROLLED) {
            io.out = out + done;
            io.out_cap = room;
            rc = ri_ws_frame_read(&r, &io);
            done = (size_t)(io.out - out);
            ck_quick(done <= want_len);
        }
        ck_assert_int_eq(rc, RI_WS_MORE);
        ck_assert(done == want_len && memcmp(out, want, done) == 0);
        len = make_stream(stream, want, &want_len);
    }
}
END_TEST

START_TEST(headers)
{
    static const uint64_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 1ull << 32, INT64_MAX};
    static const size_t sizes[] = {2, 2, 2, 4, 4, 4, 10, 10, 10};
    for (size_t i = 0; i < RI_LEN(lens); i++)
        for (int masked = 0; masked < 2; masked++) {
            char out[RI_WS_HEAD_MAX + 1] = {0};
            ri_ws_frame f = {.opcode = RI_WS_BINARY, .final = true, .masked = masked,
                             .len = lens[i], .key = {9, 8, 7, 6}};
            size_t len = ri_ws_frame_write(out, &f);
            ck_assert_uint_eq(len, sizes[i] + (masked ? 4 : 0));
            taken_init(masked);
            taken_feed(out, len);
            ck_assert(all.reader.frame.len == lens[i] && all.reader.framed == (lens[i] > 0));
            if (masked) ck_assert(memcmp(all.reader.frame.key, f.key, 4) == 0);
        }
    guard_free();
}
END_TEST

START_TEST(masks)
{
    static const uint8_t key[4] = {0xa1, 0xb2, 0xc3, 0xd4};
    rng r;
    rng_init(&r, 3);
    for (size_t len = 0; len < 100; len++)
        for (size_t gap = 0; gap < 20; gap++) {
            char bytes[128], want[128];
            for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)rng_next(&r);
            for (size_t i = 0; i < len; i++)
                want[i] = (char)(bytes[gap + i] ^ key[(gap + i) % 4]);
            ri_ws_frame_mask(bytes, bytes + gap, len, key, gap);
            ck_quick(memcmp(bytes, want, len) == 0);
        }
}
END_TEST

/* What is no frame here, and what nats-server says of it. */
START_TEST(refusals)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool unmasked;
        const char *why;
    } rows[] = {
        {"\xa2\x80", 2, false, "RSV2 and RSV3 must be clear"},
        {"\x92\x80", 2, false, "RSV2 and RSV3 must be clear"},
        {"\xc2\x80", 2, false,
         "compressed frame received without negotiated permessage-deflate"},
        {"\x82\x01", 2, false, "mask bit missing"},
        {"\x82\x81", 2, true, "a server's frame is masked"},
        {"\x89\xfe", 2, false,
         "control frame length bigger than maximum allowed of 125 bytes"},
        {"\x88\xff", 2, false,
         "control frame length bigger than maximum allowed of 125 bytes"},
        {"\x09\x80" "ABCD", 6, false, "control frame does not have final bit set"},
        {"\x80\x80ZZZZ", 6, false, "invalid continuation frame"},
        {"\x83\x80ZZZZ", 6, false, "unknown opcode 3"},
        {"\x8b\x80ZZZZ", 6, false, "unknown opcode 11"},
        {"\x02\x80ZZZZ\x82\x80ZZZZ", 12, false,
         "new message started before final frame for previous message was received"},
        {"\x82\xff\xff\0\0\0\0\0\0\0ZZZZ", 14, false, "invalid 64-bit payload length"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++)
        for (size_t cut = 0; cut <= rows[i].len; cut++) {
            taken_init(!rows[i].unmasked);
            taken_feed(rows[i].bytes, cut);
            if (all.rc >= 0) taken_feed(rows[i].bytes + cut, rows[i].len - cut);
            ck_assert_msg(all.rc == RILL_EPROTO, "%zu: %d", i, all.rc);
            ck_assert_str_eq(ri_err_text(), rows[i].why);
        }
    guard_free();
}
END_TEST

START_TEST(closes)
{
    static const struct {
        unsigned code;
        bool good;
    } rows[] = {{999, false}, {1000, true}, {1003, true}, {1004, false}, {1005, false},
                {1006, false}, {1007, true}, {1014, true}, {1015, false}, {1016, false},
                {2999, false}, {3000, true}, {4999, true}, {5000, false}, {65535, false}};
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        char stream[32], payload[2] = {(char)(rows[i].code >> 8), (char)rows[i].code};
        size_t len = 0;
        put(stream, &len, RI_WS_CLOSE, true, payload, 2);
        taken_init(true);
        taken_feed(stream, len);
        ck_assert_rc(ri_ws_frame_closed(&all.reader),
                     rows[i].good ? (int)rows[i].code : RILL_EPROTO);
    }
    char stream[32], out[RI_WS_CONTROL_MAX], text[300];
    size_t len = 0;
    put(stream, &len, RI_WS_CLOSE, true, "", 0);
    put(stream, &len, RI_WS_CLOSE, true, "x", 1);
    taken_init(true);
    taken_feed(stream, 6);
    ck_assert_int_eq(ri_ws_frame_closed(&all.reader), RI_WS_NO_STATUS);
    taken_feed(stream + 6, len - 6);
    ck_assert_rc(ri_ws_frame_closed(&all.reader), RILL_EPROTO);
    memset(text, 't', sizeof text);
    text[sizeof text - 1] = 0;
    ck_assert_uint_eq(ri_ws_frame_reason(out, 1001, text), RI_WS_CONTROL_MAX);
    ck_assert(memcmp(out, "\x03\xe9ttt", 5) == 0 && memcmp(out + 121, "t...", 4) == 0);
    text[123] = 0;
    ck_assert_uint_eq(ri_ws_frame_reason(out, 1001, text), RI_WS_CONTROL_MAX);
    ck_assert(memcmp(out + 121, "tttt", 4) == 0);
    guard_free();
}
END_TEST

/* A deflated message is for others: its frames are handed over where they stand. */
START_TEST(deflated)
{
    char stream[] = "\x41\x82\1\2\3\4__\x80\x81\1\2\3\4_";
    size_t len = sizeof stream - 1, given = 0;
    stream[6] = 'a' ^ 1;
    stream[7] = 'b' ^ 2;
    stream[14] = 'c' ^ 1;
    ri_ws_reader r = {.masked = true, .deflates = true};
    ri_ws_io io = {.in = stream, .in_len = len};
    char got[8];
    bool last = false;
    while (!last) {
        ck_assert_int_eq(ri_ws_frame_read(&r, &io), RI_WS_DEFLATED);
        ri_str part = ri_ws_frame_take(&r, &io, &last);
        memcpy(got + given, part.ptr, part.len);
        given += part.len;
    }
    ck_assert(given == 3 && memcmp(got, "abc", 3) == 0);
    ck_assert(!r.within && io.in_len == 0);
}
END_TEST

#ifdef RI_HAVE_WSLAY
static char wire[OUT_MAX];
static size_t wire_len, wire_at;

static ssize_t oracle_send(const uint8_t *data, size_t len, int flags, void *arg)
{
    (void)flags;
    (void)arg;
    ck_quick(wire_len + len <= sizeof wire);
    memcpy(wire + wire_len, data, len);
    wire_len += len;
    return (ssize_t)len;
}

static ssize_t oracle_recv(uint8_t *buf, size_t len, int flags, void *arg)
{
    size_t n = RI_MIN(len, wire_len - wire_at);
    (void)flags;
    (void)arg;
    if (n == 0) return -1;
    memcpy(buf, wire + wire_at, n);
    wire_at += n;
    return (ssize_t)n;
}

static int oracle_key(uint8_t *buf, size_t len, void *arg)
{
    for (size_t i = 0; i < len; i++) buf[i] = (uint8_t)rng_next(arg);
    return 0;
}

/* One of any kind, of any length. */
static struct wslay_frame_iocb oracle_frame(rng *r, uint8_t *data, bool within, bool masked)
{
    static const uint8_t kinds[] = {RI_WS_TEXT, RI_WS_BINARY, RI_WS_BINARY, RI_WS_PING};
    static const size_t lens[] = {0, 1, 100, 125, 126, 1000, 65535, 65536};
    struct wslay_frame_iocb f = {.opcode = kinds[rng_next(r) % 4], .mask = masked};
    size_t most = f.opcode == RI_WS_PING ? 4 : RI_LEN(lens);
    f.payload_length = f.data_length = lens[rng_next(r) % most];
    f.fin = f.opcode == RI_WS_PING || rng_next(r) % 2;
    if (within && f.opcode != RI_WS_PING) f.opcode = RI_WS_CONTINUATION;
    for (size_t i = 0; i < f.data_length; i++) data[i] = (uint8_t)rng_next(r);
    f.data = data;
    return f;
}

/* What wslay writes we read, and what we write wslay reads, all the same. */
START_TEST(oracle)
{
    static uint8_t data[65536];
    static const struct wslay_frame_callbacks calls = {oracle_send, oracle_recv, oracle_key};
    rng r;
    rng_init(&r, 11);
    wslay_frame_context_ptr ctx[2];
    bool within[2] = {false, false};
    for (int i = 0; i < 2; i++) ck_assert_int_eq(wslay_frame_context_init(&ctx[i], &calls, &r), 0);
    for (int masked = 0; masked < 2; masked++) taken_init(masked);
    ri_ws_reader readers[2] = {{.masked = false}, {.masked = true}};
    for (int run = 0; run < (under_valgrind() ? 20 : 400); run++) {
        int masked = run % 2;
        struct wslay_frame_iocb f = oracle_frame(&r, data, within[masked], masked), back;
        bool control = f.opcode == RI_WS_PING;
        if (!control) within[masked] = !f.fin;
        wire_len = wire_at = 0;
        struct wslay_frame_iocb rest = f;
        do {
            ssize_t n = wslay_frame_send(ctx[masked], &rest);
            ck_quick(n >= 0);
            rest.data += n;
            rest.data_length -= (size_t)n;
        } while (rest.data_length > 0);
        ri_ws_io io = {.in = wire, .in_len = wire_len, .out = all.out, .out_cap = sizeof all.out};
        int rc = ri_ws_frame_read(&readers[masked], &io);
        ck_quick(rc == (control ? RI_WS_CONTROLLED : RI_WS_MORE) && io.in_len == 0);
        const char *got = control ? readers[masked].control : all.out;
        ck_quick((size_t)(io.out - all.out) == (control ? 0 : f.data_length));
        ck_quick(memcmp(got, data, f.data_length) == 0);

        ri_ws_frame own = {.opcode = f.opcode, .final = f.fin, .masked = masked,
                           .len = f.data_length, .key = {3, 1, 4, 1}};
        wire_at = 0;
        wire_len = ri_ws_frame_write(wire, &own);
        memcpy(wire + wire_len, data, f.data_length);
        if (masked)
            ri_ws_frame_mask(wire + wire_len, wire + wire_len, f.data_length, own.key, 0);
        wire_len += f.data_length;
        size_t seen = 0;
        do {
            ck_quick(wslay_frame_recv(ctx[masked], &back) >= 0);
            ck_quick(back.opcode == f.opcode && back.fin == f.fin && back.mask == masked);
            ck_quick(back.payload_length == f.data_length && !back.rsv);
            ck_quick(memcmp(back.data, data + seen, back.data_length) == 0);
            seen += back.data_length;
        } while (seen < f.data_length);
    }
    for (int i = 0; i < 2; i++) wslay_frame_context_free(ctx[i]);
}
END_TEST
#define ORACLE oracle,
#else
#define ORACLE
#endif

SUITE_MAIN("ws_frame", ORACLE every_split, in_place, little_room, headers, masks, refusals, closes,
           deflated)
