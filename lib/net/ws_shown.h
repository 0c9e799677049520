/* SPDX-License-Identifier: Apache-2.0 */
/* What the cookies of a handshake say of who somebody is (codec/web/ws_cookie.h), from there until
 * his CONNECT. It is secret, bounded, and counted as input of a peer. */
#ifndef RI_WS_SHOWN_H
#define RI_WS_SHOWN_H

#include "base/alloc.h"
#include "base/memory.h"
#include "codec/web/ws_cookie.h"

enum { RI_WS_SHOWN_MAX = 4096 }; /* bytes of all of them */

typedef struct ri_ws_shown {
    ri_str cookies[RI_WS_COOKIES]; /* spans of the bytes */
    size_t size;                   /* of all of it */
    char bytes[];
} ri_ws_shown;

/* *shown is NULL if the head has none of them, or `names` is NULL. RILL_ENOMEM; RILL_EPROTO: they
 * are too long. */
int ri_ws_shown_new(ri_ws_shown **shown, const ri_host *host, ri_memory *memory, const char *names,
                    ri_str head);
void ri_ws_shown_free(ri_ws_shown *shown, const ri_host *host, ri_memory *memory);

#endif
