/* SPDX-License-Identifier: Apache-2.0 */
/* kafka:// in a build that was made without librdkafka's headers. */
#include "base/error.h"
#include "front/peer_kafka/kafka.h"

static int kafka_absent_open(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    (void)bus;
    (void)opts;
    return ri_err(RILL_ENOTSUP, "%s:// needs a build with librdkafka, and this one is without: "
                  "apt-get install librdkafka-dev, then meson setup -Dkafka_peer=enabled",
                  ri_url_scheme_name(url->scheme));
}

const ri_peer_ops ri_kafka_peer_ops = {
    .schemes = 1u << RI_URL_KAFKA | 1u << RI_URL_KAFKAS,
    .open = kafka_absent_open,
};
