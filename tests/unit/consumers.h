/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the consumers of a stream S share. */
#ifndef RI_TEST_CONSUMERS_H
#define RI_TEST_CONSUMERS_H

#include <stdio.h>

#include "engine/streams/consumer.h"
#include "support/suite.h"
#include "support/world.h"

static inline ri_consumer *consumer(world *w, const char *json)
{
    ri_consumer *c;
    ck_assert_ok(world_consumer(w, "S", json, &c, NULL));
    return c;
}

static inline void ack(world *w, uint64_t seq, uint64_t consumer_seq, const char *payload)
{
    char subject[256];
    snprintf(subject, sizeof subject, "$JS.ACK.S.c.1.%llu.%llu.0.0", (unsigned long long)seq,
             (unsigned long long)consumer_seq);
    ck_assert_int_eq(world_publish(w, subject, "", "", payload), 1);
    world_turn(w);
}

static inline ri_consumer_info info_of(ri_consumer *c)
{
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    return info;
}

#define EXPLICIT "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\""

#endif
