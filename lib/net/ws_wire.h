/* SPDX-License-Identifier: Apache-2.0 */
/* The wire that is WebSocket over another wire, which it owns: TLS for wss://, else a socket, most
 * often. What its owner writes at once becomes one frame, wherever operations end in it, and what
 * comes in frames is read as one stream.
 *
 *                the head of the other side is whole, and right
 *     HEAD ------------------------------------------------------> OPEN
 *       |                                                            |
 *       +-- too late, too long, refused, no WebSocket; a bad frame --+--> BROKEN
 *
 * HEAD     A server waits for the request, a client sends one and waits for the answer: at most
 *          RI_WS_HTTP_MAX bytes, in the time that it was given, TLS below included. Who connects
 *          and says nothing costs some 700 bytes, and with his first byte room for a head.
 * OPEN     Bytes are read straight into the owner's pieces and moved together there, while they are
 *          unmasked; a server's output goes from the owner's pieces behind a header of up to 10
 *          bytes. Nothing is allocated, but where messages are deflated.
 * BROKEN   Its sentence is what readv() and writev() fail with. A CLOSE that says so was sent, if
 *          it went at once.
 *
 * A frame that has begun is of a length, so its bytes are the owner's next ones, whatever follows:
 * what the wire below has not taken of them is offered again, and masked again from there. A PONG
 * or a CLOSE waits for the end of that frame. Of PINGs that come faster than PONGs go only the last
 * is answered, as RFC 6455 has it.
 *
 * A CLOSE that comes is the end of the stream; shut() sends one, which has the code of the other's,
 * if that came first. An end without one is -ECONNABORTED, as wire.h has it. */
#ifndef RI_WS_WIRE_H
#define RI_WS_WIRE_H

#include <stdatomic.h>

#include "codec/web/ws_cookie.h"
#include "net/wire.h"

/* What a listener wants of those who come: counted, and the same for all of them. */
typedef struct ri_ws_conf {
    ri_host host;
    atomic_uint refs;
    char *origins;       /* as in ws_http.h; owned; NULL: any */
    char *cookies;       /* as in ws_cookie.h; owned; NULL: none is looked at */
    bool same_origin;
    bool deflates;       /* permessage-deflate, if it is asked for */
    int64_t timeout_ns;  /* of a handshake, but for that of TLS */
} ri_ws_conf;

#define RI_WS_TIMEOUT_NS (2 * RI_SEC) /* if nothing is said */

/* ---- ws_conf.c ---- */
/* With one reference. RILL_EINVAL names an origin or a cookie that is none; RILL_ENOTSUP: this
 * build speaks no WebSocket. */
int ri_ws_conf_new(ri_ws_conf **conf, const ri_host *host, const ri_ws_conf *of);
ri_ws_conf *ri_ws_conf_ref(ri_ws_conf *conf); /* any thread, as the next */
void ri_ws_conf_unref(ri_ws_conf *conf);      /* NULL: nothing */

/* ---- ws_wire.c ---- */
typedef struct ri_ws_wire_opts {
    int64_t timeout_ns;   /* of the handshake, from the first watch() on */
    bool secure;          /* TLS lies below */
    uint64_t message_max; /* bytes that a deflated message may become */
    /* A server's. */
    ri_ws_conf *conf;     /* it keeps a reference; NULL: a client */
    /* A client's. */
    bool deflates;        /* permessage-deflate is offered */
    const char *host;     /* "HOST:PORT" */
    const char *path;     /* begins with a / */
} ri_ws_wire_opts;

/* Over `below`, which is the wire's from now on, and on no loop when it is first watched.
 * RILL_ENOMEM, RILL_ENOTSUP, and then `below` is still the caller's. */
int ri_ws_wire_new(ri_wire **wire, const ri_host *host, ri_wire *below,
                   const ri_ws_wire_opts *opts);

/* Of a wire that this file has made, on its loop's thread; NULL: it is another. */
typedef struct ri_ws_wire ri_ws_wire;
ri_ws_wire *ri_ws_wire_of(ri_wire *wire);
ri_wire *ri_ws_wire_below(const ri_ws_wire *wire);
int ri_ws_wire_code(const ri_ws_wire *wire); /* why it is broken, a rill code; 0: it is not */
int64_t ri_ws_wire_open_ns(const ri_ws_wire *wire); /* when its handshake has come to its end, of
                                                       the loop's clock; 0: not yet */
/* What the cookies that came say, of a server; empty: nothing. Lent until they are forgotten. */
ri_str ri_ws_wire_cookie(const ri_ws_wire *wire, ri_ws_cookie which);
void ri_ws_wire_forget_cookies(ri_ws_wire *wire);
/* No deflated message of this side is of more bytes; 0 means nothing. */
void ri_ws_wire_deflate_most(ri_ws_wire *wire, uint32_t bytes);
/* What the next CLOSE of this side says, if the other has said none. */
void ri_ws_wire_reason(ri_ws_wire *wire, uint16_t code, const char *text);

/* The wire that a connection is over, below WebSocket, if there is any. */
static inline ri_wire *ri_ws_wire_under(ri_wire *wire)
{
    ri_ws_wire *ws = ri_ws_wire_of(wire);
    return ws ? ri_ws_wire_below(ws) : wire;
}

#endif
