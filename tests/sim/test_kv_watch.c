/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: a bucket whose keys expire. A watcher gets what is there, then
 * every change: puts, deletes, and the markers that tell that a key's time was up, which go in
 * turn. A second watcher that comes late sees what is left, as the first knows it. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static void watch(world *w, const char *inbox)
{
    char conf[300];
    snprintf(conf, sizeof conf, "{\"deliver_subject\":\"%s\",\"ack_policy\":\"none\","
                                "\"max_deliver\":1,\"deliver_policy\":\"last_per_subject\","
                                "\"filter_subject\":\"$KV.B.>\"}", inbox);
    ck_assert_ok(world_consumer(w, "KV_B", conf, NULL, NULL));
}

START_TEST(test_kv_watch)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "early", "early");
    world_listen(&w, "late", "late");
    world_listen(&w, "put", "ok");
    ck_assert_ok(world_stream(&w, "{\"name\":\"KV_B\",\"subjects\":[\"$KV.B.>\"],"
                                  "\"max_msgs_per_subject\":1,\"allow_rollup_hdrs\":true,"
                                  "\"allow_msg_ttl\":true,\"max_age\":60000000000,"
                                  "\"subject_delete_marker_ttl\":10000000000}", NULL, NULL));
    world_publish(&w, "$KV.B.color", "", "", "red");
    world_publish(&w, "$KV.B.color", "", "", "blue");
    world_publish(&w, "$KV.B.token", "ok", "Nats-TTL: 5\r\n", "secret");
    world_turn(&w);
    watch(&w, "early");
    WORLD_TOLD(&w, "[     0] put: ok {\"stream\":\"KV_B\",\"seq\":3}\n"
                   "[     0] early: $KV.B.color <ACK(1/2/1/1)> blue\n"
                   "[     0] early: $KV.B.token <ACK(1/3/2/0)> {Nats-TTL: 5} secret\n");

    /* A put, a delete, and a wrong TTL. */
    world_wait(&w, 2000);
    world_publish(&w, "$KV.B.size", "", "", "10");
    world_publish(&w, "$KV.B.color", "", "KV-Operation: DEL\r\n", "");
    world_publish(&w, "$KV.B.size", "ok", "Nats-TTL: soon\r\n", "11");
    world_turn(&w);
    WORLD_TOLD(&w, "[  2000] put: ok {\"error\":{\"code\":400,\"err_code\":10165,"
                   "\"description\":\"invalid per-message TTL\"},\"stream\":\"KV_B\",\"seq\":0}\n"
                   "[  2000] early: $KV.B.size <ACK(1/4/3/1)> 10\n"
                   "[  2000] early: $KV.B.color <ACK(1/5/4/0)> {KV-Operation: DEL}\n");

    /* The token's time is up after five seconds: a marker tells it, for ten. */
    world_wait(&w, 3000);
    WORLD_TOLD(&w, "[  5000] early: $KV.B.token <ACK(1/6/5/0)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n");
    watch(&w, "late");
    WORLD_TOLD(&w, "[  5000] late: $KV.B.size <ACK(1/4/1/2)> 10\n"
                   "[  5000] late: $KV.B.color <ACK(1/5/2/1)> {KV-Operation: DEL}\n"
                   "[  5000] late: $KV.B.token <ACK(1/6/3/0)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n");
    world_wait(&w, 10000);
    ri_record r;
    ri_stream *s = ri_js_stream(w.js, RI_STR("KV_B"));
    ck_assert_rc(ri_stream_get_last(s, RI_STR("$KV.B.token"), &r), RILL_ENOENT);

    /* So are the others', a minute after they were put; then their markers go, and all is empty. */
    world_wait(&w, 47000);
    WORLD_TOLD(&w, "[ 62000] early: $KV.B.size <ACK(1/7/6/1)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n"
                   "[ 62000] early: $KV.B.color <ACK(1/8/7/0)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n"
                   "[ 62000] late: $KV.B.size <ACK(1/7/4/1)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n"
                   "[ 62000] late: $KV.B.color <ACK(1/8/5/0)> {Nats-Marker-Reason: MaxAge, "
                   "Nats-TTL: 10s, Nats-Rollup: sub}\n");
    world_wait(&w, 10000);
    ri_stream_info info;
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 0);
    WORLD_TOLD(&w, "");
    world_fini(&w);
}
END_TEST

SUITE_MAIN("kv_watch", test_kv_watch)
