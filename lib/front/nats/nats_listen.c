/* SPDX-License-Identifier: Apache-2.0 */
/* Where the door listens: what a listener has beside its socket, which a second call for the same
 * place replaces, and how long its certificate lasts; and what else the clock ends. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/url.h"
#include "front/broker/system_event.h"
#include "front/nats/nats_server.h"

/* ---- Certificates ---- */

/* Inside the gate: all listeners have got the certificates that they have. */
void ri_nats_listen_look(ri_nats_server *server)
{
    RI_ASSERT(ri_broker_is_entered(server->broker));
    int64_t wall_ns = ri_wall_ns(&server->broker->host);
    ri_listen_certs certs = {0};
    server->certs_changed = false;
    ri_list_each (item, &server->listeners)
        ri_listen_look(ri_container_of(item, ri_listener, link), wall_ns, &certs);
    server->door.tls_expires_ns = certs.expires_ns;
    ri_listen_obey(&certs, &server->loop, &server->cert_timer);
}

static void listen_on_cert_due(ri_loop_timer *timer)
{
    ri_nats_server *server = ri_container_of(timer, ri_nats_server, cert_timer);
    ri_nats_server_enter(server);
    ri_nats_listen_look(server);
    ri_nats_server_leave(server);
}

/* ---- What accounts have of one another ---- */

void ri_nats_listen_tend(ri_nats_server *server)
{
    ri_broker *b = server->broker;
    RI_ASSERT(ri_broker_is_entered(b));
    b->router.time_ns = ri_wall_ns(&b->host);
    ri_budget_open(&b->router.budget);
    int64_t due_ns = ri_accounts_tend(&b->conf.accounts, &b->router, b->conf.trust);
    int64_t said_ns = ri_system_event_tend(b);
    due_ns = RI_MIN(due_ns, said_ns);
    ri_budget_close(&b->router.budget);
    if (due_ns == INT64_MAX) ri_loop_timer_cancel(&server->loop, &server->tend_timer);
    else if (ri_loop_timer_set(&server->loop, &server->tend_timer, due_ns) < 0)
        ri_host_log(&b->host, RILL_ERROR, "timers of accounts: %s", ri_err_text());
}

static void listen_on_tend_due(ri_loop_timer *timer)
{
    ri_nats_server *server = ri_container_of(timer, ri_nats_server, tend_timer);
    ri_nats_server_enter(server);
    ri_nats_listen_tend(server);
    ri_nats_server_leave(server);
}

void ri_nats_listen_init(ri_nats_server *server)
{
    server->tend_timer.fn = listen_on_tend_due;
    server->cert_timer.fn = listen_on_cert_due;
}

/* ---- Places ---- */

/* What a listener has beside its socket. */
typedef struct listen_place {
    char *advertise;
    int advertise_port;
    ri_tls_conf *tls;
    bool tls_optional;
    ri_ws_conf *ws;
} listen_place;

static int listen_place_ws(listen_place *place, const ri_host *host, const ri_url *url,
                           const rill_listen_opts *opts)
{
    if (!ri_url_is_ws(url)) return RILL_OK;
    if (opts->tls_optional)
        return ri_err(RILL_ENOTSUP, "tls_optional: a port of WebSocket has TLS, or it has not");
    if (url->scheme == RI_URL_WSS && !opts->tls)
        return ri_err(RILL_EINVAL, "wss://: opts.tls has no certificate");
    const ri_ws_conf of = {.origins = (char *)(uintptr_t)opts->ws_origins,
                           .cookies = (char *)(uintptr_t)opts->ws_cookies,
                           .same_origin = opts->ws_same_origin, .deflates = opts->ws_compress,
                           .timeout_ns = ri_ns_of_ms(opts->ws_handshake_ms)};
    return ri_ws_conf_new(&place->ws, host, &of);
}

static int listen_place_init(listen_place *place, const ri_host *host, const ri_url *url,
                             const rill_listen_opts *opts)
{
    *place = (listen_place){.tls_optional = opts->tls_optional};
    int rc = ri_broker_advertise(host, opts->advertise, &place->advertise, &place->advertise_port);
    if (rc == RILL_OK) rc = listen_place_ws(place, host, url, opts);
    if (rc == RILL_OK && opts->tls) rc = ri_tls_conf_new(&place->tls, host, opts->tls, true);
    return rc;
}

static void listen_place_fini(listen_place *place, const ri_host *host)
{
    if (place->advertise) ri_free(host, place->advertise, strlen(place->advertise) + 1);
    ri_tls_conf_unref(place->tls);
    ri_ws_conf_unref(place->ws);
}

/* Inside the gate: the listener has these from now on, and `place` what it had. */
static void listen_place_swap(listen_place *place, ri_listener *l)
{
    RI_ASSERT(!place->tls || place->tls->server);
    listen_place had = {l->advertise, l->advertise_port, l->tls, l->tls_optional, l->ws};
    l->advertise = place->advertise;
    l->advertise_port = place->advertise_port;
    l->tls = place->tls;
    l->tls_optional = place->tls_optional;
    l->ws = place->ws;
    *place = had;
}

/* Inside the gate. */
static ri_listener *listen_find(const ri_nats_server *server, const ri_url *url)
{
    const ri_list *lists[] = {&server->listeners, &server->new_listeners};
    for (size_t i = 0; i < RI_LEN(lists); i++)
        ri_list_each (item, lists[i]) {
            ri_listener *l = ri_container_of(item, ri_listener, link);
            if (ri_listen_is_at(l, url)) return l;
        }
    return NULL;
}

/* It listens there already: the port, and `place` is what was; RILL_ENOENT: it does not. */
static int listen_again(ri_nats_server *server, const ri_url *url, listen_place *place)
{
    ri_broker_enter(server->broker);
    ri_listener *l = listen_find(server, url);
    int port = l ? l->port : RILL_ENOENT;
    if (l) listen_place_swap(place, l);
    if (l) server->certs_changed = true;
    ri_broker_leave(server->broker);
    return port;
}

static int listen_new(ri_nats_server *server, const ri_url *url, int socket, listen_place *place)
{
    ri_listener *listener;
    int port = ri_listen_open(&listener, &server->broker->host, url, socket);
    if (port < 0) return port;
    port = listener->port;
    listen_place_swap(place, listener);
    ri_broker_enter(server->broker);
    bool closed = server->closing || server->ldm;
    if (!closed) ri_list_push(&server->new_listeners, &listener->link);
    server->certs_changed = server->certs_changed || listener->tls;
    ri_broker_leave(server->broker);
    if (!closed) return port;
    ri_listen_close(listener);
    return ri_err(RILL_ECLOSED, "the broker takes no more connections");
}

int ri_nats_listen(ri_door *door, const char *text, const rill_listen_opts *opts)
{
    ri_nats_server *server = ri_container_of(door, ri_nats_server, door);
    const ri_host *host = &server->broker->host;
    listen_place place;
    ri_url url;
    int rc = ri_url_parse(&url, host, text);
    if (rc < 0) return rc;
    rc = listen_place_init(&place, host, &url, opts);
    if (rc == RILL_OK) rc = listen_again(server, &url, &place);
    if (rc == RILL_ENOENT) rc = listen_new(server, &url, opts->socket, &place);
    listen_place_fini(&place, host);
    ri_url_fini(&url);
    if (rc >= 0) ri_loop_wake(&server->loop);
    return rc;
}

