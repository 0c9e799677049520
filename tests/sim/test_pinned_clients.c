/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: pinned clients. Of several that ask, the first gets all, under an
 * id that it repeats; others wait. When it is silent for too long, or is unpinned, the next one
 * takes over, and the old id is worth nothing. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

START_TEST(test_pinned_clients)
{
    static world w;
    ri_consumer *c;
    char pull[200], text[16];
    ck_assert_ok(world_init(&w, NULL));
    w.events = true;
    world_listen(&w, "ann", "ann");
    world_listen(&w, "bob", "bob");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                         "\"priority_policy\":\"pinned_client\","
                                         "\"priority_groups\":[\"g\"],"
                                         "\"priority_timeout\":10000000000}", &c, NULL));
    /* Ann was first. */
    world_pull(&w, c, "ann", "{\"batch\":2,\"expires\":120000000000,\"group\":\"g\"}");
    world_pull(&w, c, "bob", "{\"batch\":9,\"expires\":120000000000,\"group\":\"g\"}");
    for (int i = 1; i <= 3; i++) {
        snprintf(text, sizeof text, "m%d", i);
        world_publish(&w, "s", "", "", text);
    }
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] event: stream created S\n"
                   "[     0] event: consumer created S > c\n"
                   "[     0] event: pinned S > c\n"
                   "[     0] ann: s <ACK(1/1/1/2)> {Nats-Pin-Id: ID} m1\n"
                   "[     0] ann: s <ACK(1/2/2/1)> {Nats-Pin-Id: ID} m2\n");
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.priority_groups.len, 1);
    char id[64];
    snprintf(id, sizeof id, "%.*s", RI_ARG(info.priority_groups.items[0].pinned_client_id));

    /* She asks for more in time, and is given it. */
    world_wait(&w, 9000);
    snprintf(pull, sizeof pull, "{\"batch\":1,\"expires\":120000000000,\"group\":\"g\","
                                "\"id\":\"%s\"}", id);
    world_pull(&w, c, "ann", pull);
    world_turn(&w);
    WORLD_TOLD(&w, "[  9000] ann: s <ACK(1/3/3/0)> {Nats-Pin-Id: ID} m3\n");

    /* Then nothing is heard of her: ten seconds later Bob takes over. */
    world_publish(&w, "s", "", "", "m4");
    world_wait(&w, 10000);
    WORLD_TOLD(&w, "[ 19000] event: unpinned S > c (timeout)\n"
                   "[ 19000] event: pinned S > c\n"
                   "[ 19000] bob: s <ACK(1/4/4/0)> {Nats-Pin-Id: ID} m4\n");

    /* Ann is back with her old id, which is not the one. */
    world_pull(&w, c, "ann", pull);
    world_turn(&w);
    WORLD_TOLD(&w, "[ 19000] ann: ann {423 Nats-Pin-Id mismatch}\n");

    /* An operator unpins Bob, whose request is over; the first who asks without an id is pinned. */
    world_pull(&w, c, "ann", "{\"batch\":9,\"expires\":120000000000,\"group\":\"g\"}");
    ck_assert_ok(ri_consumer_unpin(c, RI_STR("g"), NULL));
    world_publish(&w, "s", "", "", "m5");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 19000] event: unpinned S > c (admin)\n"
                   "[ 19000] bob: bob {423 Nats-Wrong-Pin-Id}\n"
                   "[ 19000] event: pinned S > c\n"
                   "[ 19000] ann: s <ACK(1/5/5/0)> {Nats-Pin-Id: ID} m5\n");

    /* A group that there is not, and none. */
    world_pull(&w, c, "ann", "{\"batch\":1,\"group\":\"h\"}");
    world_pull(&w, c, "ann", "{\"batch\":1}");
    WORLD_TOLD(&w, "[ 19000] ann: ann {400 Bad Request - Invalid Priority Group}\n"
                   "[ 19000] ann: ann {400 Bad Request - Priority Group missing}\n");
    world_fini(&w);
}
END_TEST

/* An id is worth nothing while nobody is pinned; who names no group gets what is there; a pinned
 * client that cannot take what is next makes room for another. */
START_TEST(test_pins_of_old)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    w.events = true;
    world_listen(&w, "ann", "ann");
    world_listen(&w, "bob", "bob");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s\"]}", NULL, NULL));
    world_publish(&w, "s", "", "", "m1");
    ck_assert_ok(world_consumer(&w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                         "\"priority_policy\":\"pinned_client\","
                                         "\"priority_groups\":[\"g\"]}", &c, NULL));
    world_pull(&w, c, "bob", "{\"batch\":1,\"group\":\"g\",\"id\":\"of old\"}");
    world_turn(&w);
    ck_assert_ok(ri_consumer_pull(c, RI_STR("bob"),
                                  &(ri_js_pull_request){.batch = 1, .plain = true}));
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] event: stream created S\n"
                   "[     0] event: consumer created S > c\n"
                   "[     0] bob: bob {423 Nats-Wrong-Pin-Id}\n"
                   "[     0] bob: s <ACK(1/1/1/0)> {Nats-Pin-Id: } m1\n");
    world_publish(&w, "s", "", "", "m2");
    world_pull(&w, c, "ann", "{\"batch\":2,\"expires\":120000000000,\"group\":\"g\","
                             "\"max_bytes\":10}");
    world_pull(&w, c, "bob", "{\"batch\":1,\"expires\":120000000000,\"group\":\"g\"}");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] event: pinned S > c\n"
                   "[     0] ann: ann {409 Message Size Exceeds MaxBytes, "
                   "Nats-Pending-Messages: 2, Nats-Pending-Bytes: 10}\n"
                   "[     0] event: pinned S > c\n"
                   "[     0] bob: s <ACK(1/2/2/0)> {Nats-Pin-Id: ID} m2\n");
    world_fini(&w);
}
END_TEST

SUITE_MAIN("pinned_clients", test_pinned_clients, test_pins_of_old)
