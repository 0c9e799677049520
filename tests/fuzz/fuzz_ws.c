/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket: however the bytes of frames are cut into pieces, the same payload comes out, and the
 * stream ends by the same failure; and what a head of HTTP, its cookies and an origin may be. The
 * first byte says which of them it is. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/web/ws_cookie.h"
#include "codec/web/ws_frame.h"
#include "codec/web/ws_http.h"
#include "support/fuzz.h"

enum { STREAM_MAX = 4096 };

typedef struct outcome {
    char out[STREAM_MAX];
    size_t len, controls;
    uint64_t digest;
    int rc;
} outcome;

static void step(ri_ws_reader *r, ri_ws_io *io, outcome *o)
{
    do {
        io->out = o->out + o->len;
        io->out_cap = sizeof o->out - o->len;
        o->rc = ri_ws_frame_read(r, io);
        o->len = (size_t)(io->out - o->out);
        if (o->rc == RI_WS_DEFLATED) {
            bool last;
            ri_str part = ri_ws_frame_take(r, io, &last);
            fuzz_require(part.len <= sizeof o->out - o->len, "a payload is longer than the input");
            memcpy(o->out + o->len, part.ptr, part.len);
            o->len += part.len;
            if (io->in_len == 0) o->rc = RI_WS_MORE;
        }
        if (o->rc == RI_WS_CONTROLLED) {
            o->controls++;
            fuzz_require(r->control_len <= RI_WS_CONTROL_MAX, "a control frame is too long");
            for (size_t i = 0; i < r->control_len; i++)
                o->digest = o->digest * 31 + (uint8_t)r->control[i];
            if (r->frame.opcode == RI_WS_CLOSE) (void)ri_ws_frame_closed(r);
        }
    } while (o->rc == RI_WS_CONTROLLED || o->rc == RI_WS_DEFLATED);
    fuzz_require(o->rc < 0 || (o->rc == RI_WS_MORE && io->in_len == 0), "some of it is left");
}

static void run(const char *bytes, size_t len, const ri_ws_reader *as, size_t size, outcome *o)
{
    ri_ws_reader r = *as;
    memset(o, 0, sizeof *o);
    for (size_t at = 0; at < len && o->rc >= 0; at += size) {
        size_t n = len - at < size ? len - at : size;
        char *piece = malloc(n);
        fuzz_require(piece != NULL, "memory");
        memcpy(piece, bytes + at, n);
        ri_ws_io io = {.in = piece, .in_len = n};
        step(&r, &io, o);
        free(piece);
    }
}

static void frames(const char *bytes, size_t len, uint8_t mode)
{
    static outcome whole, cut;
    const ri_ws_reader as = {.masked = mode & 1, .deflates = mode & 2};
    static const size_t sizes[] = {1, 2, 3, 7, 13, 100};
    run(bytes, len, &as, STREAM_MAX, &whole);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        run(bytes, len, &as, sizes[i], &cut);
        fuzz_require(cut.rc == whole.rc && cut.len == whole.len &&
                     cut.controls == whole.controls && cut.digest == whole.digest &&
                     memcmp(cut.out, whole.out, whole.len) == 0,
                     "it depends on where the bytes are cut");
    }
}

/* A head of words that such heads have. */
static size_t words(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const all[] = {
        "GET / HTTP/1.1\r\n", "HTTP/1.1 101 Switching Protocols\r\n", "POST", " ", "\r\n", ": ",
        "Host: h\r\n", "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Origin: ",
        "https://a.example", "http://b:81", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Extensions: ", "permessage-deflate", ";",
        "server_no_context_takeover", "server_max_window_bits=9",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ",", "\t", "x", "[::1]", ":",
        "Cookie: ", "user=", "jwt", "\"", "=",
    };
    return fuzz_words(text, cap, all, sizeof all / sizeof all[0], data, size);
}

/* Each value is a part of the head, in one line of it. */
static void cookies(ri_str head)
{
    ri_str found[RI_WS_COOKIES];
    ri_ws_cookie_find("user=user,pass=x,token=x,jwt=jwt", head, found);
    for (size_t i = 0; i < RI_WS_COOKIES; i++) {
        if (!found[i].len) continue;
        size_t at = (size_t)(found[i].ptr - head.ptr);
        fuzz_require(at < head.len && found[i].len <= head.len - at, "a cookie is elsewhere");
        fuzz_require(!memchr(found[i].ptr, '\n', found[i].len) &&
                     !memchr(found[i].ptr, ';', found[i].len), "a cookie does not end");
    }
    fuzz_require(found[RI_WS_COOKIE_PASS].ptr == found[RI_WS_COOKIE_TOKEN].ptr,
                 "a cookie stands for one of two");
}

static void heads(const char *text, size_t len)
{
    ri_ws_request request;
    int status = 0;
    if (ri_ws_http_there() < 0) return;
    size_t head = ri_ws_http_head((ri_str){text, len}, 0);
    fuzz_require(head <= len, "a head ends behind the input");
    if (head == 0 || head > RI_WS_HTTP_MAX) return;
    bool offered = len & 4, deflates = offered;
    int rc = ri_ws_http_read_answer((ri_str){text, head}, "dGhlIHNhbXBsZSBub25jZQ==", &deflates);
    fuzz_require(rc < 0 || offered || !deflates, "what nobody has offered was agreed upon");
    if (ri_ws_http_read_request((ri_str){text, head}, &request, &status) < 0) {
        fuzz_require(status >= 400 && status < 600, "a refusal has a status");
        return;
    }
    fuzz_require(request.key.len == RI_WS_HTTP_KEY && request.host.len > 0, "a part is missing");
    cookies((ri_str){text, head});
    (void)ri_ws_origin_check("https://a.example,http://b:81", len & 1, &request, len & 2);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    char text[STREAM_MAX + 1];
    if (size < 2) return 0;
    size_t len = size - 1 < STREAM_MAX ? size - 1 : STREAM_MAX;
    if (data[0] & 4) {
        len = data[0] & 8 ? words(text, STREAM_MAX, data + 1, len) : len;
        if (!(data[0] & 8)) memcpy(text, data + 1, len);
        heads(text, len);
        text[len] = 0;
        (void)ri_ws_origin_validate(text);
        (void)ri_ws_cookie_validate(text);
    } else {
        memcpy(text, data + 1, len);
        frames(text, len, data[0]);
    }
    return 0;
}
