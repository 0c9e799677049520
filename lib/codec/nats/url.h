/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that name a peer, a store or a place to listen at.
 *
 *     mem:  mem:NAME  file:DIR  unix:PATH
 *     nats://  tls://  ws://  wss://  kafka://  kafkas://  http://  https://
 *         [user:pass@|token@] host [:port] [/path] [, ...]
 *
 * A host is a name, an IPv4 address, or an IPv6 address in []. Further peers of a comma list may
 * repeat the scheme, which must then be the same. User, password and token may hold %XX.
 * Only ws:// and wss:// know a path, which may hold a ?. */
#ifndef RI_URL_H
#define RI_URL_H

#include "base/alloc.h"
#include "base/str.h"

typedef enum ri_url_scheme {
    RI_URL_MEM = 1,
    RI_URL_FILE,
    RI_URL_UNIX,
    RI_URL_NATS,
    RI_URL_TLS,
    RI_URL_WS,
    RI_URL_WSS,
    RI_URL_KAFKA,
    RI_URL_KAFKAS,
    RI_URL_HTTP,  /* a place to listen at, no peer */
    RI_URL_HTTPS,
} ri_url_scheme;

/* All spans have a 0 behind them and live as long as their ri_url. */
typedef struct ri_url_peer {
    ri_str host;     /* without []; may be empty only in a place to listen at */
    uint16_t port;   /* the scheme's default if none is given */
    bool has_port;   /* one was given */
    ri_str user;     /* empty: none */
    ri_str password;
    ri_str token;    /* what stood before @ if it had no colon; empty: none */
    ri_str path;     /* without its first /; empty: none */
} ri_url_peer;

typedef struct ri_url {
    const ri_host *alloc_host;
    ri_url_scheme scheme;
    ri_str path;         /* mem: NAME; file: DIR; unix: PATH; else empty */
    ri_url_peer *peers;  /* owned; NULL for mem, file, unix */
    uint32_t npeers;
    size_t block_size;   /* of the one allocation, at `block` */
    void *block;         /* owned */
} ri_url;

/* RILL_EINVAL with a sentence that names what is wrong; a password is never part of it. */
int ri_url_parse(ri_url *url, const ri_host *host, const char *text);
void ri_url_fini(ri_url *url);
static inline bool ri_url_is_ws(const ri_url *url)
{
    return url->scheme == RI_URL_WS || url->scheme == RI_URL_WSS;
}
const char *ri_url_scheme_name(ri_url_scheme scheme);

#endif
