/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies of the request by which HTTP becomes WebSocket, which stand for what a CONNECT leaves
 * out. Which ones is said as "user=NAME,pass=NAME,token=NAME,jwt=NAME", any of these. As with
 * nats-server names are compared with case, the last of two cookies counts, and a value may stand
 * in double quotes. */
#ifndef RI_WS_COOKIE_H
#define RI_WS_COOKIE_H

#include "base/str.h"

typedef enum ri_ws_cookie {
    RI_WS_COOKIE_USER,
    RI_WS_COOKIE_PASS,
    RI_WS_COOKIE_TOKEN,
    RI_WS_COOKIE_JWT,
    RI_WS_COOKIES,
} ri_ws_cookie;

/* RILL_EINVAL names what is wrong. */
int ri_ws_cookie_validate(const char *names);
/* Their values in a head that was read, as spans of it; empty: it is not there. */
void ri_ws_cookie_find(const char *names, ri_str head, ri_str out[RI_WS_COOKIES]);

#endif
