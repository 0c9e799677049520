/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a mirror and a stream that draws from two others. They copy what
 * was there before them and what comes; a restart, an origin that is away for a while and one that
 * is made anew lose and double nothing. */
#include <stdio.h>
#include <string.h>

#include "engine/streams/purge.h"
#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static void read_from(world *w, const char *stream, const char *inbox)
{
    char conf[200];
    snprintf(conf, sizeof conf, "{\"deliver_subject\":\"%s\",\"durable_name\":\"%s\"}", inbox,
             inbox);
    ck_assert_ok(world_consumer(w, stream, conf, NULL, NULL));
}

START_TEST(test_catching_up)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "mirror", "m");
    world_listen(&w, "sum", "s");
    ck_assert_ok(world_stream(&w, "{\"name\":\"EU\",\"subjects\":[\"eu.*\"]}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"US\",\"subjects\":[\"us.*\"]}", NULL, NULL));
    world_publish(&w, "eu.a", "", "", "eu 1");
    world_publish(&w, "eu.b", "", "Nats-Expected-Last-Sequence: 1\r\nK: v\r\n", "eu 2");
    world_publish(&w, "us.a", "", "", "us 1");
    world_turn(&w);
    ri_stream_erase(ri_js_stream(w.js, RI_STR("EU")), 1, false, NULL);
    ck_assert_ok(world_stream(&w, "{\"name\":\"COPY\",\"mirror\":{\"name\":\"EU\"}}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"SUM\",\"subjects\":[\"sum\"],\"sources\":["
                                  "{\"name\":\"EU\",\"filter_subject\":\"eu.b\"},{\"name\":\"US\","
                                  "\"subject_transforms\":[{\"src\":\"us.*\","
                                  "\"dest\":\"all.us.{{wildcard(1)}}\"}]}]}", NULL, NULL));
    read_from(&w, "COPY", "m");
    read_from(&w, "SUM", "s");
    WORLD_TOLD(&w, "[     0] mirror: eu.b <ACK(1/2/1/0)> {K: v} eu 2\n"
                   "[     0] sum: eu.b <ACK(1/1/1/1)> {K: v, Nats-Stream-Source: EU 2 eu.b > "
                   "eu.b FpjOFwHW} eu 2\n"
                   "[     0] sum: all.us.a <ACK(1/2/2/0)> {Nats-Stream-Source: US 1 us.* "
                   "all.us.{{wildcard(1)}} us.a Kh00lidf} us 1\n");

    /* What comes is copied in the next turn; SUM has a subject of its own, too. */
    world_publish(&w, "eu.b", "", "", "eu 3");
    world_publish(&w, "us.b", "", "", "us 2");
    world_publish(&w, "eu.a", "", "", "eu 4");
    world_publish(&w, "sum", "", "", "own");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] sum: sum <ACK(1/3/3/0)> own\n"
                   "[     0] mirror: eu.b <ACK(1/3/2/1)> eu 3\n"
                   "[     0] mirror: eu.a <ACK(1/4/3/0)> eu 4\n"
                   "[     0] sum: eu.b <ACK(1/4/4/1)> {Nats-Stream-Source: EU 3 eu.b > eu.b "
                   "FpjOFwHW} eu 3\n"
                   "[     0] sum: all.us.b <ACK(1/5/5/0)> {Nats-Stream-Source: US 2 us.* "
                   "all.us.{{wildcard(1)}} us.b Kh00lidf} us 2\n");

    /* A restart: each goes on where it was. */
    ck_assert_ok(world_restart(&w));
    world_publish(&w, "eu.b", "", "", "eu 5");
    world_publish(&w, "us.a", "", "", "us 3");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] mirror: eu.b <ACK(1/5/4/0)> eu 5\n"
                   "[     0] sum: eu.b <ACK(1/6/6/1)> {Nats-Stream-Source: EU 5 eu.b > eu.b "
                   "FpjOFwHW} eu 5\n"
                   "[     0] sum: all.us.a <ACK(1/7/7/0)> {Nats-Stream-Source: US 3 us.* "
                   "all.us.{{wildcard(1)}} us.a Kh00lidf} us 3\n");

    /* US is deleted and made anew: its first message is a new one. */
    ri_stream_delete(ri_js_stream(w.js, RI_STR("US")), NULL);
    world_wait(&w, 1000);
    ck_assert_ok(world_stream(&w, "{\"name\":\"US\",\"subjects\":[\"us.*\"]}", NULL, NULL));
    world_publish(&w, "us.c", "", "", "us, again 1");
    world_wait(&w, 1000);
    WORLD_TOLD(&w, "[  1000] sum: all.us.c <ACK(1/8/8/0)> {Nats-Stream-Source: US 1 us.* "
                   "all.us.{{wildcard(1)}} us.c KV74iucP} us, again 1\n");
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("COPY")), &info);
    ck_assert_uint_eq(info.state.first_seq, 2);
    ck_assert_uint_eq(info.state.last_seq, 5);
    ck_assert_ptr_nonnull(info.mirror);
    ck_assert_uint_eq(info.mirror->lag, 0);
    world_fini(&w);
}
END_TEST

/* A target that is full, or starts in the middle. */
START_TEST(test_full_and_late)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "late", "l");
    ck_assert_ok(world_stream(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}", NULL, NULL));
    for (const char *n = "12345"; *n; n++) {
        world_publish(&w, "o", "", "", (char[2]){*n});
        world_wait(&w, 1000);
    }
    ck_assert_ok(world_stream(&w, "{\"name\":\"FULL\",\"sources\":[{\"name\":\"O\"}],"
                                  "\"max_msgs\":2,\"discard\":\"new\"}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"LATE\",\"sources\":[{\"name\":\"O\","
                                  "\"opt_start_seq\":4}]}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"THEN\",\"mirror\":{\"name\":\"O\","
                                  "\"opt_start_time\":\"2027-01-15T08:00:03Z\"}}", NULL, NULL));
    world_wait(&w, 5000);
    read_from(&w, "LATE", "l");
    WORLD_TOLD(&w, "[ 10000] late: o <ACK(1/1/1/1)> {Nats-Stream-Source: O 4 > > o Igmnf6pp} 4\n"
                   "[ 10000] late: o <ACK(1/2/2/0)> {Nats-Stream-Source: O 5 > > o Igmnf6pp} 5\n");
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w.js, RI_STR("THEN")), &info);
    ck_assert_uint_eq(info.state.first_seq, 4);
    ri_stream *full = ri_js_stream(w.js, RI_STR("FULL"));
    ri_stream_info_of(full, &info);
    ck_assert_uint_eq(info.state.last_seq, 2);
    /* There is room again: it goes on within a second. */
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(full, RI_STR_NONE, 0, 0, &purged, NULL));
    world_wait(&w, 1000);
    ri_stream_info_of(full, &info);
    ck_assert_uint_eq(info.state.last_seq, 4);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("catching_up", test_catching_up, test_full_and_late)
