/* SPDX-License-Identifier: Apache-2.0 */
/* What a build has for kafka:// and kafkas://: the peer of kafka_peer.h, or, without librdkafka's
 * headers, one that says how it is had. */
#ifndef RI_KAFKA_H
#define RI_KAFKA_H

#include "front/handle/peer.h"

extern const ri_peer_ops ri_kafka_peer_ops;

#endif
