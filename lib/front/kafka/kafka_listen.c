/* SPDX-License-Identifier: Apache-2.0 */
/* Where the door listens, and what is so for the clients that come there. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/url.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_server.h"

enum { KAFKA_LISTEN_PARTITIONS_MAX = 1000 }; /* of a topic, unless its maker says how many */

/* Nobody is asked who he is here yet: with credentials to be asked for nobody is let in. */
bool ri_kafka_listen_asks(const ri_broker_conf *conf)
{
    return conf->user || conf->password || conf->token || conf->access;
}

static int kafka_listen_may(ri_broker *broker, const rill_listen_opts *opts)
{
    if (opts->partitions > KAFKA_LISTEN_PARTITIONS_MAX)
        return ri_err(RILL_EINVAL, "partitions is %u; at most %d", opts->partitions,
                      KAFKA_LISTEN_PARTITIONS_MAX);
    if (opts->tls)
        return ri_err(RILL_ENOTSUP, "kafka:// speaks no TLS here");
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

/* What is so for who comes there, besides where it is. */
typedef struct kafka_listen_text {
    char *advertise;
    int advertise_port;
} kafka_listen_text;

/* Inside the gate if it is in use; *text is what was. */
static void kafka_listen_set(ri_kafka_listener *place, const rill_listen_opts *opts,
                             kafka_listen_text *text)
{
    RI_ASSERT(opts->partitions <= KAFKA_LISTEN_PARTITIONS_MAX);
    ri_listener *l = place->listener;
    kafka_listen_text was = {l->advertise, l->advertise_port};
    l->advertise = text->advertise;
    l->advertise_port = text->advertise_port;
    *text = was;
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
                              const rill_listen_opts *opts, kafka_listen_text *text)
{
    ri_broker_enter(server->broker);
    ri_kafka_listener *place = kafka_listen_find(server, url);
    int port = place ? place->listener->port : RILL_ENOENT;
    if (place) kafka_listen_set(place, opts, text);
    ri_broker_leave(server->broker);
    return port;
}

static int kafka_listen_new(ri_kafka_server *server, const ri_url *url,
                            const rill_listen_opts *opts, kafka_listen_text *text)
{
    const ri_host *host = &server->broker->host;
    ri_kafka_listener *place = ri_new(host, ri_kafka_listener);
    if (!place) return RILL_ENOMEM;
    place->server = server;
    int rc = ri_listen_open(&place->listener, host, url);
    if (rc < 0) {
        ri_kafka_listen_free(place, host);
        return rc;
    }
    rc = place->listener->port;
    kafka_listen_set(place, opts, text);
    ri_broker_enter(server->broker);
    bool stopped = server->stopped;
    if (!stopped) ri_list_push(&server->new_places, &place->link);
    ri_broker_leave(server->broker);
    if (!stopped) {
        ri_loop_wake(&server->loop);
        return rc;
    }
    ri_kafka_listen_free(place, host);
    return ri_err(RILL_ECLOSED, "the broker takes no more connections");
}

int ri_kafka_listen(ri_door *door, const char *url_text, const rill_listen_opts *opts)
{
    ri_kafka_server *server = ri_container_of(door, ri_kafka_server, door);
    const ri_host *host = &server->broker->host;
    ri_url url;
    kafka_listen_text text = {NULL, 0};
    int rc = kafka_listen_may(server->broker, opts);
    if (rc == RILL_OK) rc = ri_url_parse(&url, host, url_text);
    if (rc < 0) return rc;
    rc = ri_broker_advertise(host, opts->advertise, &text.advertise, &text.advertise_port);
    if (rc == RILL_OK) rc = kafka_listen_again(server, &url, opts, &text);
    if (rc == RILL_ENOENT) rc = kafka_listen_new(server, &url, opts, &text);
    if (text.advertise) ri_free(host, text.advertise, strlen(text.advertise) + 1);
    ri_url_fini(&url);
    return rc;
}
