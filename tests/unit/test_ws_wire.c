/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket over a pipe in memory, of which the test has the other end: what a browser, or somebody
 * worse, might send, byte by byte and in virtual time. What a connection makes of such a wire is in
 * test_conn.c. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "codec/web/ws_frame.h"
#include "codec/web/ws_http.h"
#include "codec/web/ws_zip.h"
#include "net/conn.h"
#include "net/ws_wire.h"
#include "support/fault.h"
#include "support/pipe.h"
#include "support/suite.h"

enum { TURNS_MAX = 20000 };

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define REQUEST                                                                  \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Origin: http://page\r\nSec-WebSocket-Key: " KEY "\r\n"                      \
    "Sec-WebSocket-Version: 13\r\n\r\n"
#define ANSWER                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade" \
    "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

/* A wire, its owner, and what both ends have heard. */
typedef struct web {
    fault f;
    ri_memory memory;
    ri_loop loop;
    pipe_pair pipe;
    ri_ws_conf *conf;
    ri_wire *wire;
    char got[65536]; /* by the owner */
    size_t len;
    ssize_t last;   /* what readv() said that was no bytes, and not -EAGAIN */
    char why[RI_ERROR_TEXT_MAX];
    char seen[65536]; /* by the test at the other end */
    size_t seen_len;
} web;

static web w; /* one at a time */
static bool deflates; /* the listener lets messages be compressed */

static void web_on_turn(void *arg)
{
    (void)arg;
}

static void web_on_ready(ri_wire *wire, unsigned what)
{
    if (!(what & RI_WIRE_READ) || w.last != -EAGAIN) return;
    struct iovec iov = {w.got + w.len, sizeof w.got - w.len};
    ck_quick(iov.iov_len > 0);
    ssize_t n = wire->ops->readv(wire, &iov, 1);
    if (n > 0) w.len += (size_t)n;
    if (n > 0 || n == -EAGAIN) return;
    w.last = n;
    snprintf(w.why, sizeof w.why, "%s", n < 0 ? ri_err_text() : "");
    wire->ops->watch(wire, 0);
}

/* A wire that has no owner yet. */
static void web_make(bool server, const char *origins)
{
    memset(&w, 0, sizeof w);
    fault_init(&w.f);
    w.f.now_ns = RI_SEC; /* 0 stands for never */
    ri_memory_init(&w.memory);
    ck_assert_ok(ri_loop_init(&w.loop, &w.f.host, web_on_turn, NULL));
    w.loop.memory = &w.memory;
    const ri_ws_conf conf = {.origins = (char *)(uintptr_t)origins, .deflates = deflates};
    ck_assert_ok(ri_ws_conf_new(&w.conf, &w.f.host, &conf));
    pipe_init(&w.pipe);
    w.last = -EAGAIN;
    const ri_ws_wire_opts opts = {.timeout_ns = RI_SEC, .conf = server ? w.conf : NULL,
                                  .deflates = deflates && !server, .message_max = 20000,
                                  .host = "h", .path = "/p"};
    ck_assert_ok(ri_ws_wire_new(&w.wire, &w.f.host, &w.pipe.end[0].wire, &opts));
}

static void web_open(bool server, const char *origins)
{
    web_make(server, origins);
    ri_wire_attach(w.wire, &w.loop, web_on_ready, &w);
    ck_assert_ok(w.wire->ops->watch(w.wire, RI_WIRE_READ));
}

static void web_end(void)
{
    pipe_fini(&w.pipe);
    ri_ws_conf_unref(w.conf);
    ri_loop_fini(&w.loop);
    for (int i = 0; i < RI_MEMORY_KINDS; i++) ck_assert_uint_eq(ri_memory_used(&w.memory, i), 0);
    fault_fini(&w.f);
}

static void web_close(void)
{
    w.wire->ops->close(w.wire);
    web_end();
}

/* All that happens without time going on. */
static void web_rest(void)
{
    for (int i = 0; i < TURNS_MAX && !ri_list_empty(&w.loop.soon); i++) ri_loop_turn(&w.loop);
    w.seen_len += pipe_get(&w.pipe.end[1], w.seen + w.seen_len, sizeof w.seen - w.seen_len);
    for (int i = 0; i < TURNS_MAX && !ri_list_empty(&w.loop.soon); i++) ri_loop_turn(&w.loop);
}

static void web_put(const char *bytes, size_t len)
{
    ck_quick(pipe_put(&w.pipe.end[1], bytes, len) == len);
    web_rest();
}

static void web_say(uint8_t opcode, bool final, const char *data, size_t len)
{
    char bytes[1024];
    ri_ws_frame f = {.opcode = opcode, .final = final, .masked = w.wire == NULL || w.conf != NULL,
                     .len = len, .key = {7, 0x99, 2, 1}};
    size_t head = ri_ws_frame_write(bytes, &f);
    ri_ws_frame_mask(bytes + head, data, len, f.key, 0);
    web_put(bytes, head + len);
}

/* What the test has seen so far is over. */
static void web_forget(void)
{
    web_rest();
    w.seen_len = 0;
}

static void web_open_server(void)
{
    web_open(true, NULL);
    web_put(REQUEST, strlen(REQUEST));
    ck_assert(w.seen_len == strlen(ANSWER) && memcmp(w.seen, ANSWER, w.seen_len) == 0);
    ck_assert_int_gt(ri_ws_wire_open_ns(ri_ws_wire_of(w.wire)), 0);
    web_forget();
}

static ssize_t web_write(const char *bytes, size_t len)
{
    struct iovec iov = {(char *)(uintptr_t)bytes, len};
    ssize_t n = w.wire->ops->writev(w.wire, &iov, 1);
    web_rest();
    return n;
}

static bool web_saw(const char *bytes, size_t len)
{
    return w.seen_len == len && memcmp(w.seen, bytes, len) == 0;
}

START_TEST(every_split)
{
    static const char frames[] = "\x82\x83\1\2\3\4BKL"; /* "CIO" */
    for (size_t cut = 1; cut <= strlen(REQUEST); cut++) {
        web_open(true, NULL);
        web_put(REQUEST, cut);
        ck_quick(cut == strlen(REQUEST) || web_write("early", 5) == -EAGAIN);
        web_put(&REQUEST[cut], strlen(REQUEST) - cut);
        ck_quick(web_saw(ANSWER, strlen(ANSWER)));
        web_forget();
        for (size_t i = 0; i < sizeof frames - 1; i++) web_put(frames + i, 1);
        ck_quick(w.len == 3 && memcmp(w.got, "CIO", 3) == 0);
        ck_quick(web_write("INFO", 4) == 4 && web_saw("\x82\x04INFO", 6));
        web_close();
    }
}
END_TEST

static void check_refused(const char *origins, const char *bytes, size_t len, const char *answer,
                          const char *why)
{
    web_open(true, origins);
    web_put(bytes, len);
    ck_assert_int_eq(w.last, origins ? -EACCES : -EPROTO);
    ck_assert_str_eq(w.why, why);
    ck_assert(w.seen_len > strlen(answer) && memcmp(w.seen, answer, strlen(answer)) == 0);
    ck_assert_int_lt(web_write("x", 1), 0);
    web_close();
}

START_TEST(refused)
{
    static char flood[RI_WS_HTTP_MAX + 10];
    check_refused("https://other", REQUEST, strlen(REQUEST), "HTTP/1.1 403 Forbidden\r\n",
                  "websocket handshake error: origin not allowed: not in the allowed list");
    check_refused(NULL, REQUEST "more", strlen(REQUEST) + 4, "HTTP/1.1 400 Bad Request\r\n",
                  "websocket handshake error: client sent data before handshake is complete");
    check_refused(NULL, "PUT / HTTP/1.1\r\n\r\n", 18, "HTTP/1.1 405 Method Not Allowed\r\n",
                  "websocket handshake error: request method must be GET");
    memset(flood, 'x', sizeof flood);
    memcpy(flood, REQUEST, 20);
    check_refused(NULL, flood, sizeof flood, "HTTP/1.1 431 Request Header Fields Too Large\r\n",
                  "a head of HTTP has more than 8192 bytes");
}
END_TEST

/* Who sends a byte now and then is given up when his time is over, and not before. */
START_TEST(slow)
{
    web_open(true, NULL);
    for (int i = 0; i < 9; i++) {
        web_put(&REQUEST[i], 1);
        w.f.now_ns += RI_SEC / 10;
        ri_loop_turn(&w.loop);
        ck_assert_int_eq(w.last, -EAGAIN);
    }
    w.f.now_ns += RI_SEC / 5;
    ri_loop_turn(&w.loop);
    web_rest();
    ck_assert_int_eq(w.last, -ETIMEDOUT);
    ck_assert_str_eq(w.why, "websocket handshake timeout: it was not done in 1000 ms");
    web_close();
    web_open(true, NULL);
    web_put(REQUEST, 30);
    w.pipe.end[1].wire.ops->shut(&w.pipe.end[1].wire);
    web_rest();
    ck_assert_str_eq(w.why, "the connection was ended within WebSocket's handshake");
    web_close();
}
END_TEST

/* Each is answered; where nothing goes, the last of many. */
START_TEST(pings)
{
    char text[8];
    web_open_server();
    web_say(RI_WS_PING, true, "a", 1);
    ck_assert(web_saw("\x8a\x01" "a", 3));
    web_forget();
    w.pipe.flow[0].room = 1;
    for (int i = 0; i < 50; i++) {
        int len = snprintf(text, sizeof text, "%03d", i);
        ck_assert_uint_eq(pipe_put(&w.pipe.end[1], "\x89\x83\0\0\0\0", 6), 6);
        ck_assert_uint_eq(pipe_put(&w.pipe.end[1], text, (size_t)len), (size_t)len);
        for (int k = 0; k < 10; k++) ri_loop_turn(&w.loop);
    }
    for (int i = 0; i < 20; i++) web_rest();
    ck_assert_msg(w.seen_len == 10, "%zu", w.seen_len);
    ck_assert(memcmp(w.seen, "\x8a\x03" "000\x8a\x03" "049", 10) == 0);
    web_close();
}
END_TEST

/* What the pipe takes byte by byte is one frame, and a PONG stands behind it. */
START_TEST(slow_reader)
{
    web_open_server();
    w.pipe.flow[0].room = 3;
    ck_assert_int_eq(web_write("INFO {}", 7), 1);
    web_say(RI_WS_PING, true, "p", 1);
    size_t done = 1;
    for (int i = 0; i < 100 && done < 7; i++) {
        ssize_t n = web_write(&"INFO {}"[done], 7 - done);
        if (n > 0) done += (size_t)n;
    }
    for (int i = 0; i < 20; i++) web_rest();
    ck_assert_uint_eq(done, 7);
    ck_assert(web_saw("\x82\x07INFO {}\x8a\x01p", 12));
    web_close();
}
END_TEST

START_TEST(closes)
{
    web_open_server();
    web_say(RI_WS_BINARY, false, "PI", 2);
    web_say(RI_WS_CLOSE, true, "\x0f\xa1 bye", 6);
    ck_assert(w.len == 2 && w.last == 0);
    ck_assert_int_eq(web_write("last", 4), 4);
    w.wire->ops->shut(w.wire);
    web_rest();
    ck_assert(web_saw("\x82\x04last\x88\x02\x0f\xa1", 10));
    ck_assert(w.pipe.flow[0].ended);
    web_close();

    web_open_server();
    ri_ws_wire_reason(ri_ws_wire_of(w.wire), RI_WS_POLICY, "Authentication Failure");
    w.wire->ops->shut(w.wire);
    web_rest();
    ck_assert(web_saw("\x88\x18\x03\xf0" "Authentication Failure", 26));
    web_close();

    web_open_server();
    w.pipe.end[1].wire.ops->shut(&w.pipe.end[1].wire);
    web_rest();
    ck_assert_int_eq(w.last, -ECONNABORTED);
    web_close();
}
END_TEST

/* A bad frame ends it, and the other side is told why; what came before is read. */
START_TEST(bad_frames)
{
    web_open_server();
    web_put("\x82\x82\1\2\3\4BK\x82\x02no", 12);
    ck_assert(w.len == 2 && w.last == -EPROTO);
    ck_assert_str_eq(w.why, "mask bit missing");
    ck_assert(web_saw("\x88\x12\x03\xea" "mask bit missing", 20));
    ck_assert_int_eq(web_write("PONG\r\n", 6), -EPROTO); /* which answers what came before */
    ck_assert_str_eq(ri_err_text(), "mask bit missing");
    web_close();

    web_open_server();
    for (int i = 0; i < 2000; i++) web_say(i ? RI_WS_CONTINUATION : RI_WS_BINARY, false, "", 0);
    web_say(RI_WS_CONTINUATION, true, "end", 3);
    ck_assert(w.len == 3 && w.last == -EAGAIN);
    web_put("\x8c\x80", 2);
    web_put("\0\0\0\0", 4);
    ck_assert_str_eq(w.why, "unknown opcode 12");
    web_close();
}
END_TEST

/* A frame whose length is said and never comes takes no memory. */
START_TEST(huge)
{
    web_open_server();
    web_put("\x82\xff\0\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14);
    size_t used = w.f.supply.bytes;
    char block[1000] = {0};
    for (int i = 0; i < 60; i++) web_put(block, sizeof block);
    ck_assert(w.len == 60 * sizeof block && w.last == -EAGAIN);
    ck_assert(w.f.supply.bytes <= used);
    web_close();
}
END_TEST

/* A client: asks, checks the answer, and masks each frame by another key. */
START_TEST(client)
{
    ri_ws_request r;
    int status;
    for (int good = 0; good < 2; good++) {
        web_open(false, NULL);
        web_rest();
        ck_assert_ok(ri_ws_http_read_request((ri_str){w.seen, w.seen_len}, &r, &status));
        ri_buffer answer;
        ri_buffer_init(&answer, &w.f.host);
        ri_ws_http_write_answer(&answer, good ? r.key : RI_STR(KEY), false);
        ri_buffer_puts(&answer, "\x82\x04INFO\x89\x01p");
        ri_str text = ri_buffer_str(&answer);
        web_forget();
        for (size_t i = 0; i < text.len; i++) web_put(text.ptr + i, 1);
        ri_buffer_fini(&answer);
        if (!good) {
            ck_assert_str_eq(w.why, "the answer to the upgrade is to another key");
            web_close();
            continue;
        }
        ck_assert(w.len == 4 && memcmp(w.got, "INFO", 4) == 0);
        ck_assert(w.seen_len == 7 && memcmp(w.seen, "\x8a\x81", 2) == 0);
        web_forget();
        char keys[2][4], plain[4];
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(web_write("PING", 4), 4);
            ck_assert(w.seen_len == 10 && memcmp(w.seen, "\x82\x84", 2) == 0);
            memcpy(keys[i], w.seen + 2, 4);
            ri_ws_frame_mask(plain, w.seen + 6, 4, (const uint8_t *)keys[i], 0);
            ck_assert(memcmp(plain, "PING", 4) == 0);
            web_forget();
        }
        ck_assert(memcmp(keys[0], keys[1], 4) != 0);
        web_put("\x82\x81\1\2\3\4x", 7);
        ck_assert_str_eq(w.why, "a server's frame is masked");
        web_close();
    }
}
END_TEST

static void web_upgrade_deflated(void)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n";
    web_put(request, strlen(request));
    w.seen[w.seen_len] = 0;
    ck_assert_ptr_nonnull(strstr(w.seen, "permessage-deflate; server_no_context_takeover; "
                                         "client_no_context_takeover\r\n"));
    web_forget();
}

static void web_open_deflated(void)
{
    deflates = true;
    web_open(true, NULL);
    deflates = false;
    web_upgrade_deflated();
}

/* A client that has offered to compress, and whose server does. */
static void web_open_deflating_client(void)
{
    ri_ws_request r;
    int status;
    ri_buffer answer;
    deflates = true;
    web_open(false, NULL);
    deflates = false;
    web_rest();
    ck_assert_ok(ri_ws_http_read_request((ri_str){w.seen, w.seen_len}, &r, &status));
    ck_assert(r.deflates);
    ri_buffer_init(&answer, &w.f.host);
    ri_ws_http_write_answer(&answer, r.key, true);
    ri_str text = ri_buffer_str(&answer);
    web_forget();
    web_put(text.ptr, text.len);
    ri_buffer_fini(&answer);
    ck_assert_int_gt(ri_ws_wire_open_ns(ri_ws_wire_of(w.wire)), 0);
    ck_assert_int_eq(w.last, -EAGAIN);
}

/* A deflated message in `frames` frames, of a client if `masked`; its bytes. */
static size_t deflated_by(bool masked, char *out, const char *text, size_t len, size_t frames)
{
    char *packed = NULL;
    size_t size = 0, at = 0, sent = 0;
    ri_ws_zip *zip = ri_ws_zip_open(&w.f.host, true);
    ck_assert_ptr_nonnull(zip);
    ck_assert_ptr_nonnull(packed = malloc(ri_ws_zip_bound(zip, len)));
    ri_ws_zip_write(zip, (ri_str){text, len / 2}, false, packed, &size);
    ri_ws_zip_write(zip, (ri_str){text + len / 2, len - len / 2}, true, packed, &size);
    ri_ws_zip_close(zip);
    for (size_t i = 0; i < frames; i++) {
        size_t n = i + 1 == frames ? size - sent : size / frames;
        ri_ws_frame f = {.opcode = i ? RI_WS_CONTINUATION : RI_WS_BINARY, .deflated = i == 0,
                         .final = i + 1 == frames, .masked = masked, .len = n};
        if (masked) memcpy(f.key, "\1\2\3\4", 4);
        at += ri_ws_frame_write(out + at, &f);
        ri_ws_frame_mask(out + at, packed + sent, n, f.key, 0); /* a key of zeros changes nothing */
        at += n;
        sent += n;
    }
    free(packed);
    return at;
}

static size_t deflated(char *out, const char *text, size_t len, size_t frames)
{
    return deflated_by(true, out, text, len, frames);
}

/* Compressed messages in one frame and in many, cut anywhere, among others; twice, as each is for
 * itself. */
START_TEST(compressed)
{
    static char text[20000], bytes[8192];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 7 + i / 5000);
    for (size_t frames = 1; frames < 5; frames += 3)
        for (size_t step = 1; step < 500; step = step * 3 + 1) {
            web_open_deflated();
            size_t len = deflated(bytes, text, sizeof text, frames);
            len += deflated(bytes + len, text, sizeof text, frames);
            memcpy(bytes + len, "\x82\x82\1\2\3\4BK", 8);
            len += 8;
            for (size_t at = 0; at < len; at += step) web_put(bytes + at, RI_MIN(step, len - at));
            web_rest();
            ck_assert_msg(w.len == 2 * sizeof text + 2, "%zu of %zu: %s", w.len, step, w.why);
            ck_quick(memcmp(w.got, text, sizeof text) == 0);
            ck_quick(memcmp(w.got + sizeof text, text, sizeof text) == 0);
            web_close();
        }
}
END_TEST

/* What becomes more than it may is refused when it does, and what is no deflate at once. */
START_TEST(bombs)
{
    static char text[65536], bytes[8192];
    web_open_deflated();
    size_t len = deflated(bytes, text, sizeof text, 1);
    ck_assert_uint_lt(len, 500);
    web_put(bytes, len);
    ck_assert_int_eq(w.last, -EPROTO);
    ck_assert_str_eq(w.why, "a compressed message became more than 20000 bytes");
    ck_assert(w.seen_len > 4 && memcmp(w.seen + 2, "\x03\xf1", 2) == 0);
    web_close();
    web_open_deflated();
    web_put("\xc2\x84\0\0\0\0\xff\xff\xff\xff", 10);
    ck_assert_str_eq(w.why, "a compressed message is damaged");
    web_close();
}
END_TEST

/* What goes is compressed where that is worth it, also through a pipe that takes little. */
START_TEST(compresses)
{
    static char text[20000];
    memset(text, 'x', sizeof text);
    web_open_deflated();
    ck_assert_int_eq(web_write("PONG\r\n", 6), 6);
    ck_assert(web_saw("\x82\x06PONG\r\n", 8));
    web_forget();
    for (int run = 0; run < 2; run++) {
        w.pipe.flow[0].room = run ? 5 : 0;
        if (!run) w.pipe.flow[0].room = sizeof w.seen;
        ck_assert_int_eq(web_write(text, sizeof text), sizeof text);
        for (int i = 0; i < 100; i++) web_rest();
        ck_assert(w.seen_len < 200 && (uint8_t)w.seen[0] == 0xc2);
        ri_ws_reader r = {.deflates = true};
        ri_ws_io io = {.in = w.seen, .in_len = w.seen_len};
        bool last = false;
        ck_assert_int_eq(ri_ws_frame_read(&r, &io), RI_WS_DEFLATED);
        ri_str part = ri_ws_frame_take(&r, &io, &last);
        static char out[sizeof text + 10];
        size_t room = sizeof out;
        ri_ws_zip *zip = ri_ws_zip_open(&w.f.host, false);
        ck_assert_int_eq(ri_ws_zip_read(zip, &part, last, out, &room), 1);
        ri_ws_zip_close(zip);
        ck_assert(room == 10 && memcmp(out, text, sizeof text) == 0);
        web_forget();
    }
    web_close();
}
END_TEST

/* A client reads what a server has compressed, cut at every byte, among other frames. */
START_TEST(client_every_split)
{
    static char text[600], bytes[1024];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 7);
    for (size_t frames = 1; frames < 5; frames += 3) {
        size_t len = SIZE_MAX;
        for (size_t cut = 1; cut < len; cut++) {
            web_open_deflating_client();
            len = deflated_by(false, bytes, text, sizeof text, frames);
            len += deflated_by(false, bytes + len, text, sizeof text, frames);
            memcpy(bytes + len, "\x82\x02OK", 4);
            len += 4;
            web_put(bytes, cut);
            web_put(bytes + cut, len - cut);
            web_rest();
            ck_assert_msg(w.len == 2 * sizeof text + 2, "%zu of %zu: %s", w.len, cut, w.why);
            ck_quick(memcmp(w.got, text, sizeof text) == 0);
            ck_quick(memcmp(w.got + sizeof text, text, sizeof text) == 0);
            ck_quick(memcmp(w.got + 2 * sizeof text, "OK", 2) == 0);
            web_close();
        }
    }
}
END_TEST

static void check_client(const char *bytes, size_t len, const char *why)
{
    web_open_deflating_client();
    web_put(bytes, len);
    ck_assert_int_eq(w.last, -EPROTO);
    ck_assert_str_eq(w.why, why);
    web_close();
}

/* What a server must not send to one that compresses: too much, what is no deflate, and a mask. */
START_TEST(client_bombs)
{
    static char text[65536], bytes[8192];
    web_open_deflating_client();
    size_t len = deflated_by(false, bytes, text, sizeof text, 1);
    web_close();
    ck_assert_uint_lt(len, 500);
    check_client(bytes, len, "a compressed message became more than 20000 bytes");
    check_client("\xc2\x04\xff\xff\xff\xff", 6, "a compressed message is damaged");
    check_client("\xc2\x81\1\2\3\4x", 7, "a server's frame is masked");
}
END_TEST

/* Takes a client's compressed messages apart; the bytes that they were, in `out`. */
static size_t unmask_all(char *out, size_t cap, size_t most)
{
    ri_ws_reader r = {.deflates = true, .masked = true};
    ri_ws_io io = {.in = w.seen, .in_len = w.seen_len};
    ri_ws_zip *zip = ri_ws_zip_open(&w.f.host, false);
    size_t done = 0;
    while (io.in_len > 0) {
        bool last = false;
        size_t room = cap - done, before = room;
        ck_assert_int_eq(ri_ws_frame_read(&r, &io), RI_WS_DEFLATED);
        ri_str part = ri_ws_frame_take(&r, &io, &last);
        ck_assert(last);
        ck_assert_int_eq(ri_ws_zip_read(zip, &part, last, out + done, &room), 1);
        ck_assert_uint_le(before - room, most);
        done += before - room;
    }
    ri_ws_zip_close(zip);
    return done;
}

/* What a client sends is compressed, then masked by a key of its own, and of no more bytes than the
 * server makes of one message. */
START_TEST(client_compresses)
{
    static char text[20000], out[sizeof text + 10];
    memset(text, 'x', sizeof text);
    for (uint32_t most = 0; most < 10000; most += 3000) {
        web_open_deflating_client();
        ri_ws_wire_deflate_most(ri_ws_wire_of(w.wire), most);
        if (most == 3000) w.pipe.flow[0].room = 5; /* it takes little at once */
        for (size_t done = 0; done < sizeof text;) {
            ssize_t n = web_write(text + done, sizeof text - done);
            ck_assert(n > 0 || n == -EAGAIN);
            if (n > 0) done += (size_t)n;
        }
        for (int i = 0; i < 200; i++) web_rest();
        ck_assert(w.seen_len < 2000 && memcmp(w.seen, "\xc2", 1) == 0);
        ck_assert_uint_eq(unmask_all(out, sizeof out, most ? most : sizeof text), sizeof text);
        ck_assert(memcmp(out, text, sizeof text) == 0);
        web_close();
    }
}
END_TEST

/* What a server makes so little of that compressing is not worth it goes as it is. */
START_TEST(client_spares_small_servers)
{
    static char text[1000];
    web_open_deflating_client();
    ri_ws_wire_deflate_most(ri_ws_wire_of(w.wire), 1);
    ck_assert_int_eq(web_write(text, sizeof text), sizeof text);
    web_rest();
    ck_assert_uint_gt(w.seen_len, sizeof text);
    ck_assert_int_eq((unsigned char)w.seen[0], 0x82);
    web_close();
}
END_TEST

static int held_end; /* what ended the connection of held(), and 1 more; 0: nothing has */

static size_t held_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    (void)conn;
    (void)bytes;
    (void)need;
    return len;
}

static void held_on_end(ri_conn *conn, ri_conn_end end)
{
    (void)conn;
    held_end = (int)end + 1;
}

/* What a connection has written and the wire holds is waited for: until it is gone, or the write
 * deadline. */
START_TEST(held)
{
    static const ri_conn_ops ops = {held_on_bytes, ri_conn_write, held_on_end, NULL};
    static char text[20000];
    memset(text, 'x', sizeof text);
    for (int reads = 0; reads < 2; reads++) {
        ri_conn conn;
        ri_outq_pool pool;
        held_end = 0;
        deflates = true;
        web_make(true, NULL);
        deflates = false;
        ri_outq_pool_init(&pool, &w.f.host, NULL);
        ck_assert_ok(ri_conn_init(&conn, &w.loop, w.wire, &ops));
        conn.write_deadline_ms = 100;
        web_upgrade_deflated();
        w.pipe.flow[0].room = 5;
        ck_assert(ri_outq_put(&conn.out, &pool, text, sizeof text));
        conn.pending = sizeof text;
        ck_assert(ri_conn_take(&conn, &pool));
        ri_conn_write(&conn);
        ri_conn_settle(&conn, &pool);
        ck_assert(conn.pending == 0 && conn.full);
        for (int i = 0; reads && i < 100; i++) web_rest();
        ck_assert(conn.full != reads && (!reads || w.seen_len > 20));
        w.f.now_ns += RI_SEC / 5;
        ri_loop_turn(&w.loop);
        ck_assert_int_eq(held_end, reads ? 0 : RI_CONN_DEADLINE + 1);
        ri_conn_fini(&conn, &pool);
        ri_outq_pool_fini(&pool);
        web_end();
    }
}
END_TEST

SUITE_MAIN("ws_wire", compressed, bombs, compresses, client_every_split, client_bombs,
           client_compresses, client_spares_small_servers, held, every_split, refused, slow, pings,
           slow_reader, closes, bad_frames, huge, client)
