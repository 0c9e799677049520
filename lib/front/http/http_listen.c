/* SPDX-License-Identifier: Apache-2.0 */
/* Where the door listens, and how long its certificates last. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/url.h"
#include "codec/web/http_read.h"
#include "front/http/http_base.h"
#include "front/http/http_server.h"

#define HTTP_LISTEN_PLACE(item) ri_container_of(item, ri_http_listener, link)

static int http_listen_may(const ri_url *url, const rill_listen_opts *opts)
{
    if (url->scheme == RI_URL_HTTPS && !opts->tls)
        return ri_err(RILL_EINVAL, "https:// wants tls with a certificate");
    if (url->npeers && (url->peers[0].user.len || url->peers[0].password.len ||
                        url->peers[0].token.len))
        return ri_err(RILL_EINVAL, "a user or a password in the URL guards nothing: visitors are "
                      "not asked who they are");
    if (opts->tls && opts->tls->verify_and_map)
        return ri_err(RILL_ENOTSUP, "verify_and_map: visitors are no users; verify_peer lets in "
                      "whoever has a certificate");
    if (opts->tls_optional)
        return ri_err(RILL_ENOTSUP, "tls_optional: a port for HTTP speaks TLS or does not; listen "
                      "on two");
    if (opts->tls && opts->tls->first_ms)
        return ri_err(RILL_ENOTSUP, "first_ms: with HTTP TLS comes first, and nothing goes in "
                      "clear");
    return ri_http_read_there();
}

void ri_http_listen_free(ri_http_listener *place, const ri_host *host)
{
    if (place->listener) ri_listen_close(place->listener);
    ri_http_base_free(place->base, host);
    ri_delete(host, place);
}

/* ---- Certificates ---- */

void ri_http_listen_look(ri_http_server *server)
{
    RI_ASSERT(ri_broker_is_entered(server->broker));
    int64_t wall_ns = ri_wall_ns(&server->broker->host);
    ri_listen_certs certs = {0};
    server->certs_changed = false;
    ri_list_each (item, &server->places)
        ri_listen_look(HTTP_LISTEN_PLACE(item)->listener, wall_ns, &certs);
    server->door.tls_expires_ns = certs.expires_ns;
    ri_listen_obey(&certs, &server->loop, &server->cert_timer);
}

static void http_listen_on_cert_due(ri_loop_timer *timer)
{
    ri_http_server *server = ri_container_of(timer, ri_http_server, cert_timer);
    ri_http_server_enter(server);
    ri_http_listen_look(server);
    ri_http_server_leave(server);
}

void ri_http_listen_init(ri_http_server *server)
{
    server->cert_timer.fn = http_listen_on_cert_due;
}

/* ---- Places ---- */

static ri_http_listener *http_listen_find(const ri_http_server *server, const ri_url *url)
{
    const ri_list *lists[] = {&server->places, &server->new_places};
    for (size_t i = 0; i < RI_LEN(lists); i++)
        ri_list_each (item, lists[i]) {
            ri_http_listener *place = HTTP_LISTEN_PLACE(item);
            if (ri_listen_is_at(place->listener, url)) return place;
        }
    return NULL;
}

/* Inside the gate if it is in use; *tls becomes what was. */
static void http_listen_set(ri_http_listener *place, const rill_listen_opts *opts,
                            ri_tls_conf **tls)
{
    ri_tls_conf *was = place->listener->tls;
    RI_ASSERT(!*tls || (*tls)->server);
    place->listener->tls = *tls;
    *tls = was;
    place->on_page = opts->on_page;
    place->on_page_arg = opts->on_page_arg;
}

/* The port; RILL_ENOENT: the door does not listen there. */
static int http_listen_again(ri_http_server *server, const ri_url *url,
                             const rill_listen_opts *opts, ri_tls_conf **tls, const char *base)
{
    ri_broker_enter(server->broker);
    ri_http_listener *place = http_listen_find(server, url);
    int port = place ? place->listener->port : RILL_ENOENT;
    bool same = !place || strcmp(place->base ? place->base : "", base ? base : "") == 0;
    if (place && same) http_listen_set(place, opts, tls);
    if (place && same) server->certs_changed = true;
    ri_broker_leave(server->broker);
    return same ? port : ri_err(RILL_EINVAL, "http_base_path stays what it was");
}

static int http_listen_new(ri_http_server *server, const ri_url *url,
                           const rill_listen_opts *opts, ri_tls_conf **tls, char **base)
{
    const ri_host *host = &server->broker->host;
    ri_http_listener *place = ri_new(host, ri_http_listener);
    if (!place) return RILL_ENOMEM;
    place->server = server;
    int rc = ri_listen_open(&place->listener, host, url, opts->socket);
    if (rc < 0) {
        ri_http_listen_free(place, host);
        return rc;
    }
    rc = place->listener->port;
    place->base = *base;
    *base = NULL;
    http_listen_set(place, opts, tls);
    ri_broker_enter(server->broker);
    bool stopped = server->stopped;
    if (!stopped) ri_list_push(&server->new_places, &place->link);
    server->certs_changed = server->certs_changed || place->listener->tls;
    ri_broker_leave(server->broker);
    if (!stopped) return rc;
    ri_http_listen_free(place, host);
    return ri_err(RILL_ECLOSED, "the broker takes no more connections");
}

int ri_http_listen(ri_door *door, const char *url_text, const rill_listen_opts *opts)
{
    ri_http_server *server = ri_container_of(door, ri_http_server, door);
    const ri_host *host = &server->broker->host;
    ri_url url;
    ri_tls_conf *tls = NULL;
    char *base = NULL;
    int rc = ri_url_parse(&url, host, url_text);
    if (rc < 0) return rc;
    rc = http_listen_may(&url, opts);
    if (rc == RILL_OK) rc = ri_http_base_new(&base, host, opts->http_base_path);
    if (rc == RILL_OK && opts->tls) rc = ri_tls_conf_new(&tls, host, opts->tls, true);
    if (rc == RILL_OK) rc = http_listen_again(server, &url, opts, &tls, base);
    if (rc == RILL_ENOENT) rc = http_listen_new(server, &url, opts, &tls, &base);
    ri_http_base_free(base, host);
    ri_tls_conf_unref(tls);
    ri_url_fini(&url);
    if (rc >= 0) ri_loop_wake(&server->loop);
    return rc;
}
