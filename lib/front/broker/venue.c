/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/venue.h"

#include "base/assert.h"
#include "front/broker/broker.h"

#define VENUE_ONE(item) ri_container_of(item, ri_venue, link)

static void venue_free_text(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

void ri_venue_free(ri_venue *venue, const ri_host *host)
{
    if (!venue) return;
    venue_free_text(host, venue->name);
    venue_free_text(host, venue->advertise);
    venue_free_text(host, venue->origins);
    venue_free_text(host, venue->base_path);
    ri_delete(host, venue);
}

static bool venue_copy(const ri_host *host, char **to, const char *from)
{
    if (from) *to = ri_strdup(host, from, strlen(from));
    return !from || *to;
}

static int venue_fill(ri_venue *a, const ri_host *host, const ri_url *url,
                          const rill_listen_opts *opts)
{
    RI_ASSERT(!a->name);
    bool is_unix = url->scheme == RI_URL_UNIX;
    ri_str name = is_unix || !url->npeers ? url->path : url->peers[0].host;
    a->scheme = url->scheme;
    a->name = ri_strdup(host, name.ptr ? name.ptr : "", name.len);
    a->tls = opts->tls != NULL;
    a->tls_optional = opts->tls_optional;
    a->tls_verify = opts->tls && (opts->tls->verify_peer || opts->tls->verify_and_map);
    a->tls_maps = opts->tls && opts->tls->verify_and_map;
    a->tls_timeout_ms = opts->tls ? opts->tls->timeout_ms : 0;
    a->same_origin = opts->ws_same_origin;
    a->compress = opts->ws_compress;
    a->handshake_ms = opts->ws_handshake_ms;
    if (!a->name || !venue_copy(host, &a->advertise, opts->advertise) ||
        !venue_copy(host, &a->origins, opts->ws_origins) ||
        !venue_copy(host, &a->base_path, opts->http_base_path))
        return RILL_ENOMEM;
    return RILL_OK;
}

int ri_venue_new(ri_venue **venue, const ri_host *host, const char *url_text,
                   const rill_listen_opts *opts)
{
    ri_url url;
    RI_ASSERT(url_text && opts);
    int rc = ri_url_parse(&url, host, url_text);
    if (rc < 0) return rc;
    ri_venue *a = ri_new(host, ri_venue);
    rc = a ? venue_fill(a, host, &url, opts) : RILL_ENOMEM;
    ri_url_fini(&url);
    if (rc < 0) ri_venue_free(a, host);
    else *venue = a;
    return rc;
}

void ri_venue_put(ri_broker *broker, ri_venue *venue, int port)
{
    RI_ASSERT(ri_broker_is_entered(broker) && port >= 0);
    venue->port = port;
    ri_list_each (item, &broker->venues) {
        ri_venue *old = VENUE_ONE(item);
        if (old->port != port || old->scheme != venue->scheme ||
            strcmp(old->name, venue->name) != 0)
            continue;
        ri_list_push(&old->link, &venue->link); /* in its place */
        ri_list_remove(&old->link);
        ri_venue_free(old, &broker->host);
        return;
    }
    ri_list_push(&broker->venues, &venue->link);
}

const ri_venue *ri_venue_find(const ri_broker *broker, ri_url_scheme scheme)
{
    RI_ASSERT(ri_broker_is_entered(broker));
    ri_list_each (item, &broker->venues)
        if (VENUE_ONE(item)->scheme == scheme) return VENUE_ONE(item);
    return NULL;
}

bool ri_venue_maps(const ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_entered(broker));
    ri_list_each (item, &broker->venues)
        if (VENUE_ONE(item)->tls_maps) return true;
    return false;
}

void ri_venue_free_all(ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    for (ri_list *item; (item = ri_list_pop(&broker->venues)) != NULL;)
        ri_venue_free(VENUE_ONE(item), &broker->host);
}
