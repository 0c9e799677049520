/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the consumers of a stream S share. */
#ifndef RI_TEST_CONSUMERS_H
#define RI_TEST_CONSUMERS_H

#include <stdio.h>

#include "base/error.h"
#include "engine/streams/consumer.h"
#include "support/suite.h"
#include "support/world.h"

/* A world with stream S of s.>, some messages in it, and a listener on in.>. */
static inline world *consumers_world(const char *more, int n)
{
    static world w_;
    char json[512], data[16];
    ck_assert_ok(world_init(&w_, NULL));
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s}", more);
    ck_assert_ok(world_stream(&w_, json, NULL, NULL));
    world_listen(&w_, "in", "in.>");
    for (int i = 1; i <= n; i++) {
        snprintf(data, sizeof data, "m%d", i);
        world_publish(&w_, i % 2 ? "s.a" : "s.b", "", "", data);
    }
    world_turn(&w_);
    return &w_;
}

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
