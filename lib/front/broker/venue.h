/* SPDX-License-Identifier: Apache-2.0 */
/* Where a broker listens, and with what: for whoever looks at it, whichever door it is. The doors
 * have listeners of their own; this is a note of what ri_broker_listen() was given, made before the
 * door is asked and put into the list when it has agreed. A place where it listens already has the
 * newest note. */
#ifndef RI_VENUE_H
#define RI_VENUE_H

#include "base/list.h"
#include "codec/nats/url.h"
#include "rill.h"

struct ri_broker;

typedef struct ri_venue {
    ri_list link;            /* broker->venues, in the order of their opening */
    ri_url_scheme scheme;
    char *name;              /* HOST, or the PATH of a unix socket; owned */
    int port;                /* 0: a unix socket */
    bool tls, tls_optional, tls_verify, tls_maps;
    bool same_origin, compress; /* of WebSocket */
    uint32_t tls_timeout_ms; /* 0: the default */
    uint32_t handshake_ms;   /* of WebSocket; 0: the default */
    char *advertise;         /* owned; NULL: none */
    char *origins;           /* of WebSocket; owned; NULL: any */
    char *base_path;         /* of HTTP, as it was given; owned; NULL: none */
} ri_venue;

/* RILL_ENOMEM, RILL_EINVAL: that is no URL. */
int ri_venue_new(ri_venue **venue, const ri_host *host, const char *url,
                   const rill_listen_opts *opts);
void ri_venue_free(ri_venue *venue, const ri_host *host); /* NULL is nothing */
/* Inside the gate: the broker's from now on. */
void ri_venue_put(struct ri_broker *broker, ri_venue *venue, int port);
/* The first of that scheme; NULL: there is none. Lent inside the gate. */
const ri_venue *ri_venue_find(const struct ri_broker *broker, ri_url_scheme scheme);
/* One of them lets users in by their certificates. */
bool ri_venue_maps(const struct ri_broker *broker);
void ri_venue_free_all(struct ri_broker *broker);

#endif
