/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to zlib: messages of WebSocket that are deflated (RFC 7692), each for itself: neither
 * side takes over what it knows of the message before, which nats-server's clients agree to. So
 * whoever has such a connection has 40 KB for what comes and 100 KB for what goes, from the first
 * message on, and a message says all about itself. */
#ifndef RI_WS_ZIP_H
#define RI_WS_ZIP_H

#include "base/alloc.h"
#include "base/str.h"

enum {
    RI_WS_ZIP_LEAST = 64,            /* bytes that are not worth it */
    RI_WS_ZIP_IN_BYTES = 44 * 1024,  /* of memory, about */
    RI_WS_ZIP_OUT_BYTES = 104 * 1024,
};

typedef struct ri_ws_zip ri_ws_zip;

/* What comes, or what goes. NULL: no memory. */
ri_ws_zip *ri_ws_zip_open(const ri_host *host, bool deflates);
void ri_ws_zip_close(ri_ws_zip *zip); /* NULL: nothing */

/* ---- What comes ---- */
/* More of the message: uses *in from its front, and *room from out on, which become less. `last`:
 * the message has no more. 1: it is over, and the next begins anew; 0: there is more to come, or no
 * room; RILL_EPROTO, RILL_ENOMEM. */
int ri_ws_zip_read(ri_ws_zip *zip, ri_str *in, bool last, char *out, size_t *room);

/* ---- What goes ---- */
/* Room that bytes of this length take at most, as one message. */
size_t ri_ws_zip_bound(ri_ws_zip *zip, size_t len);
/* More of the message, and with `last` its end, behind the *done bytes at `out`, which has room. */
void ri_ws_zip_write(ri_ws_zip *zip, ri_str bytes, bool last, char *out, size_t *done);

#endif
