/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to http_parser: the request by which HTTP becomes WebSocket, and its answer.
 *
 *     GET /path HTTP/1.1                     HTTP/1.1 101 Switching Protocols
 *     Host: HOST:PORT                        Upgrade: websocket
 *     Upgrade: websocket                     Connection: Upgrade
 *     Connection: Upgrade                    Sec-WebSocket-Accept: base64(SHA-1(key, a number))
 *     Sec-WebSocket-Key: 16 bytes, base64
 *     Sec-WebSocket-Version: 13
 *
 * and of both sides, if both want it,
 *
 *     Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_...
 *
 * A head is parsed when all of it is there, so that its parts are spans of it. What is refused, in
 * which order and with which status, is nats-server's. */
#ifndef RI_WS_HTTP_H
#define RI_WS_HTTP_H

#include "base/buffer.h"
#include "base/str.h"

enum {
    RI_WS_HTTP_MAX = 8 * 1024, /* bytes of a head, with the empty line */
    RI_WS_HTTP_KEY = 24,       /* letters of a key */
    RI_WS_HTTP_ACCEPT = 28,    /* ... and of its answer */
};

typedef struct ri_ws_request {
    ri_str key, host, origin; /* origin: empty if there is none */
    ri_str forwarded;         /* X-Forwarded-For; empty: there is none */
    bool deflates;            /* permessage-deflate is offered */
} ri_ws_request;

/* RILL_ENOTSUP, with the sentence, in a build without http_parser. */
int ri_ws_http_there(void);
/* Bytes of the head at the beginning of `bytes`, with the empty line behind it; 0: its end has not
 * come; the first `sought` bytes hold no end. */
size_t ri_ws_http_head(ri_str bytes, size_t sought);
/* RILL_EPROTO: it is refused for what the sentence says, with *status. */
int ri_ws_http_read_request(ri_str head, ri_ws_request *request, int *status);
/* RILL_EPROTO: it is none to this key, and the sentence says why. *deflates: permessage-deflate was
 * offered, and is from now on what the server says to that. */
int ri_ws_http_read_answer(ri_str head, const char *key, bool *deflates);

/* A key of these 16 bytes. */
void ri_ws_http_key(const unsigned char bytes[16], char out[RI_WS_HTTP_KEY + 1]);
/* A failed allocation shows in out->failed. */
void ri_ws_http_write_request(ri_buffer *out, const char *host, const char *path, const char *key,
                              bool deflates);
void ri_ws_http_write_answer(ri_buffer *out, ri_str key, bool deflates);
void ri_ws_http_write_refusal(ri_buffer *out, int status);

/* ---- ws_origin.c ---- */

/* Whose pages may connect. `allowed` lists "https://HOST" or "https://HOST:PORT" with commas or
 * blanks in between; NULL or empty: any. `same`: only those that came from this host themselves.
 * A request without an origin is no page's. RILL_EAUTH says why not. */
int ri_ws_origin_check(const char *allowed, bool same, const ri_ws_request *request, bool secure);
/* RILL_EINVAL names the entry that is no origin. */
int ri_ws_origin_validate(const char *allowed);

#endif
