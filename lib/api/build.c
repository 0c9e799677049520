/* SPDX-License-Identifier: Apache-2.0 */
#include "api/build.h"

#include "base/error.h"
#include "front/http/http_server.h"
#include "front/jetstream/jetstream_api.h"
#include "front/kafka/kafka_server.h"
#include "front/nats/nats_server.h"
#include "front/peer_kafka/kafka.h"
#include "front/peer_local/local.h"
#include "front/peer_nats/nats_peer.h"

const ri_door_ops *const ri_build_doors[] = {&ri_nats_door, &ri_kafka_door, &ri_http_door,
                                                  NULL};
const ri_service_ops *const ri_build_service = &ri_jetstream_service;
static const ri_peer_ops *const build_peers[] = {&ri_local_peer, &ri_nats_peer_ops,
                                                  &ri_kafka_peer_ops};

int ri_build_join(rill_bus **bus, ri_broker *broker, const rill_opts *opts)
{
    return ri_local_join(bus, broker, opts);
}

int ri_build_open(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    for (size_t i = 0; i < sizeof build_peers / sizeof build_peers[0]; i++) {
        if (!(build_peers[i]->schemes & 1u << url->scheme)) continue;
        if (opts->dial && !build_peers[i]->dials)
            return ri_err(RILL_EINVAL, "dial: %s is not dialled by a program",
                          ri_url_scheme_name(url->scheme));
        if (opts->on_creds && !build_peers[i]->dials)
            return ri_err(RILL_EINVAL, "on_creds: %s does not ask for that",
                          ri_url_scheme_name(url->scheme));
        return build_peers[i]->open(bus, url, opts);
    }
    return ri_err(RILL_EINVAL, "this build opens mem:, file:, nats://, tls://, ws://, unix: "
                  "and kafka://, not %s",
                  ri_url_scheme_name(url->scheme));
}

int ri_build_salvage(const char *from, const char *to, const ri_host *host, rill_care_fn fn,
                     void *arg)
{
    return ri_local_store_salvage(from, to, host, fn, arg);
}
