/* SPDX-License-Identifier: Apache-2.0 */
/* Where the door listens, what is so for the clients that come there, and how long its certificates
 * last. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/url.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_server.h"

enum { KAFKA_LISTEN_PARTITIONS_MAX = 1000 }; /* of a topic, unless its maker says how many */

/* Nobody is asked who he is here yet: with credentials to be asked for nobody is let in. */
bool ri_kafka_listen_asks(const ri_broker_conf *conf)
{
    return conf->user || conf->password || conf->token || conf->access ||
           conf->trust || conf->on_login;
}

/* Of TLS: on Kafka's protocol it comes first, and a port speaks it or does not. */
static int kafka_listen_may_tls(const ri_url *url, const rill_listen_opts *opts)
{
    if (url->scheme == RI_URL_KAFKAS && !opts->tls)
        return ri_err(RILL_EINVAL, "kafkas:// wants tls with a certificate");
    if (opts->tls_optional)
        return ri_err(RILL_ENOTSUP, "tls_optional: a port for Kafka's clients speaks TLS or does "
                      "not; listen on two");
    if (opts->tls && opts->tls->verify_and_map)
        return ri_err(RILL_ENOTSUP, "verify_and_map: Kafka's clients are no users here; "
                      "verify_peer lets in whoever has a certificate");
    if (opts->tls && opts->tls->first_ms)
        return ri_err(RILL_ENOTSUP, "first_ms: with Kafka's clients TLS comes first, and nothing "
                      "goes in clear");
    return RILL_OK;
}

static int kafka_listen_may(ri_broker *broker, const rill_listen_opts *opts)
{
    if (opts->partitions > KAFKA_LISTEN_PARTITIONS_MAX)
        return ri_err(RILL_EINVAL, "partitions is %u; at most %d", opts->partitions,
                      KAFKA_LISTEN_PARTITIONS_MAX);
    ri_broker_enter(broker);
    bool asks = ri_kafka_listen_asks(&broker->conf);
    ri_broker_leave(broker);
    if (!asks) return ri_broker_need_durable(broker, NULL);
    return ri_err(RILL_ENOTSUP, "kafka:// asks nobody for credentials, and this broker wants them");
}

void ri_kafka_listen_free(ri_kafka_listener *place, const ri_host *host)
{
    if (place->listener) ri_listen_close(place->listener);
    ri_delete(host, place);
}

/* ---- Certificates ---- */

void ri_kafka_listen_look(ri_kafka_server *server)
{
    RI_ASSERT(ri_broker_is_entered(server->broker));
    int64_t wall_ns = ri_wall_ns(&server->broker->host);
    ri_listen_certs certs = {0};
    server->certs_changed = false;
    ri_list_each (item, &server->places)
        ri_listen_look(ri_container_of(item, ri_kafka_listener, link)->listener, wall_ns, &certs);
    server->door.tls_expires_ns = certs.expires_ns;
    ri_listen_obey(&certs, &server->loop, &server->cert_timer);
}

static void kafka_listen_on_cert_due(ri_loop_timer *timer)
{
    ri_kafka_server *server = ri_container_of(timer, ri_kafka_server, cert_timer);
    ri_kafka_server_enter(server);
    ri_kafka_listen_look(server);
    ri_kafka_server_leave(server);
}

void ri_kafka_listen_init(ri_kafka_server *server)
{
    server->cert_timer.fn = kafka_listen_on_cert_due;
}

/* ---- Places ---- */

/* What is so for who comes there, besides where it is. */
typedef struct kafka_listen_how {
    char *advertise;
    int advertise_port;
    ri_tls_conf *tls;
} kafka_listen_how;

static int kafka_listen_how_init(kafka_listen_how *how, const ri_host *host,
                                 const rill_listen_opts *opts)
{
    *how = (kafka_listen_how){0};
    int rc = ri_broker_advertise(host, opts->advertise, &how->advertise, &how->advertise_port);
    if (rc == RILL_OK && opts->tls) rc = ri_tls_conf_new(&how->tls, host, opts->tls, true);
    return rc;
}

static void kafka_listen_how_fini(kafka_listen_how *how, const ri_host *host)
{
    if (how->advertise) ri_free(host, how->advertise, strlen(how->advertise) + 1);
    ri_tls_conf_unref(how->tls);
}

/* Inside the gate if it is in use; *how is what was. */
static void kafka_listen_set(ri_kafka_listener *place, const rill_listen_opts *opts,
                             kafka_listen_how *how)
{
    RI_ASSERT(opts->partitions <= KAFKA_LISTEN_PARTITIONS_MAX);
    RI_ASSERT(!how->tls || how->tls->server);
    ri_listener *l = place->listener;
    kafka_listen_how was = {l->advertise, l->advertise_port, l->tls};
    l->advertise = how->advertise;
    l->advertise_port = how->advertise_port;
    l->tls = how->tls;
    *how = was;
    place->auto_create = !opts->no_auto_create;
    place->partitions = opts->partitions ? (int32_t)opts->partitions : 1;
}

static ri_kafka_listener *kafka_listen_find(const ri_kafka_server *server, const ri_url *url)
{
    const ri_list *lists[] = {&server->places, &server->new_places};
    for (size_t i = 0; i < RI_LEN(lists); i++)
        ri_list_each (item, lists[i]) {
            ri_kafka_listener *place = ri_container_of(item, ri_kafka_listener, link);
            if (ri_listen_is_at(place->listener, url)) return place;
        }
    return NULL;
}

/* The port; RILL_ENOENT: the door does not listen there. */
static int kafka_listen_again(ri_kafka_server *server, const ri_url *url,
                              const rill_listen_opts *opts, kafka_listen_how *how)
{
    ri_broker_enter(server->broker);
    ri_kafka_listener *place = kafka_listen_find(server, url);
    int port = place ? place->listener->port : RILL_ENOENT;
    if (place) kafka_listen_set(place, opts, how);
    if (place) server->certs_changed = true;
    ri_broker_leave(server->broker);
    return port;
}

static int kafka_listen_new(ri_kafka_server *server, const ri_url *url,
                            const rill_listen_opts *opts, kafka_listen_how *how)
{
    const ri_host *host = &server->broker->host;
    ri_kafka_listener *place = ri_new(host, ri_kafka_listener);
    if (!place) return RILL_ENOMEM;
    place->server = server;
    int rc = ri_listen_open(&place->listener, host, url, opts->socket);
    if (rc < 0) {
        ri_kafka_listen_free(place, host);
        return rc;
    }
    rc = place->listener->port;
    kafka_listen_set(place, opts, how);
    ri_broker_enter(server->broker);
    bool stopped = server->stopped;
    if (!stopped) ri_list_push(&server->new_places, &place->link);
    server->certs_changed = server->certs_changed || place->listener->tls;
    ri_broker_leave(server->broker);
    if (!stopped) return rc;
    ri_kafka_listen_free(place, host);
    return ri_err(RILL_ECLOSED, "the broker takes no more connections");
}

int ri_kafka_listen(ri_door *door, const char *url_text, const rill_listen_opts *opts)
{
    ri_kafka_server *server = ri_container_of(door, ri_kafka_server, door);
    const ri_host *host = &server->broker->host;
    ri_url url;
    kafka_listen_how how = {0};
    int rc = kafka_listen_may(server->broker, opts);
    if (rc == RILL_OK) rc = ri_url_parse(&url, host, url_text);
    if (rc < 0) return rc;
    rc = kafka_listen_may_tls(&url, opts);
    if (rc == RILL_OK) rc = kafka_listen_how_init(&how, host, opts);
    if (rc == RILL_OK) rc = kafka_listen_again(server, &url, opts, &how);
    if (rc == RILL_ENOENT) rc = kafka_listen_new(server, &url, opts, &how);
    kafka_listen_how_fini(&how, host);
    ri_url_fini(&url);
    if (rc >= 0) ri_loop_wake(&server->loop);
    return rc;
}
