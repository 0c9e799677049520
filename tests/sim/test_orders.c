/* SPDX-License-Identifier: Apache-2.0 */
/* Narratives in virtual time: what clients of a work queue see from the first order to the last,
 * the broker being closed and opened between. Each told text is the whole of what happened. */
#include "engine/streams/consumer.h"

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

START_TEST(test_orders)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    w.events = true;
    world_listen(&w, "shop", "ack.*");
    world_listen(&w, "worker", "work.*");
    ck_assert_ok(world_stream(&w, "{\"name\":\"DEAD\",\"subjects\":[\"dead.>\"]}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"ORDERS\",\"subjects\":[\"orders.*\"],"
                                  "\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "ORDERS",
                                "{\"durable_name\":\"billing\",\"ack_policy\":\"explicit\","
                                "\"ack_wait\":30000000000,\"max_deliver\":2,"
                                "\"metadata\":{\"rill.dead_letters\":\"DEAD\"}}", &c, NULL));
    WORLD_TOLD(&w, "[     0] event: stream created DEAD\n"
                   "[     0] event: stream created ORDERS\n"
                   "[     0] event: consumer created ORDERS > billing\n");

    /* A worker waits; two orders come, one of them twice. */
    world_pull(&w, c, "work.1", "{\"batch\":10,\"expires\":60000000000}");
    world_publish(&w, "orders.eu", "ack.1", "Nats-Msg-Id: o-1\r\n", "8 apples");
    world_publish(&w, "orders.us", "ack.2", "Nats-Msg-Id: o-2\r\n", "poison");
    world_publish(&w, "orders.eu", "ack.3", "Nats-Msg-Id: o-1\r\n", "8 apples");
    WORLD_TOLD(&w, "");
    world_turn(&w);
    WORLD_TOLD(&w,
               "[     0] shop: ack.1 {\"stream\":\"ORDERS\",\"seq\":1}\n"
               "[     0] shop: ack.2 {\"stream\":\"ORDERS\",\"seq\":2}\n"
               "[     0] shop: ack.3 {\"stream\":\"ORDERS\",\"seq\":1,\"duplicate\": true}\n"
               "[     0] worker: orders.eu <ACK(1/1/1/1)> {Nats-Msg-Id: o-1} 8 apples\n"
               "[     0] worker: orders.us <ACK(1/2/2/0)> {Nats-Msg-Id: o-2} poison\n");

    /* The first is done and confirmed; the second makes the worker die, then the broker. */
    world_publish(&w, "$JS.ACK.ORDERS.billing.1.1.1.0.0", "ack.done", "", "+ACK");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] shop: ack.done\n");
    world_wait(&w, 10000);
    ck_assert_ok(world_restart(&w));
    c = ri_stream_consumer(ri_js_stream(w.js, RI_STR("ORDERS")), RI_STR("billing"));
    ck_assert_ptr_nonnull(c);

    /* The new worker gets it when its time is up, 30 s after it was sent, not after the start. */
    world_pull(&w, c, "work.2", "{\"batch\":10,\"expires\":60000000000}");
    world_wait(&w, 25000);
    WORLD_TOLD(&w, "[ 30000] worker: orders.us <ACK(2/2/3/0)> {Nats-Msg-Id: o-2} poison\n");

    /* It does no better: the order is put aside, and told. */
    world_wait(&w, 35000);
    WORLD_TOLD(&w, "[ 60000] event: max deliveries ORDERS > billing seq 2 x2\n"
                   "[ 70000] worker: work.2 {408 Request Timeout, Nats-Pending-Messages: 9, "
                   "Nats-Pending-Bytes: 0}\n");
    ri_record r;
    ck_assert_ok(ri_stream_get(ri_js_stream(w.js, RI_STR("DEAD")), 1, &r));
    ck_assert_span(r.data, "poison");

    /* The shop sends it again: it is known, also to the broker that was opened since. */
    world_publish(&w, "orders.us", "ack.4", "Nats-Msg-Id: o-2\r\n", "poison");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 70000] shop: ack.4 {\"stream\":\"ORDERS\",\"seq\":2,\"duplicate\": true}\n");
    world_fini(&w);
}
END_TEST

/* What is left of a queue whose orders are done and whose broker starts again and again: the ids,
 * for two minutes. */
START_TEST(test_ids_outlive_their_orders)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "shop", "ack.*");
    world_ear *worker = world_listen(&w, "worker", "work.*");
    worker->auto_ack = worker->quiet = true;
    ck_assert_ok(world_stream(&w, "{\"name\":\"ORDERS\",\"subjects\":[\"orders.*\"],"
                                  "\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"LAST\",\"subjects\":[\"last.*\"],"
                                  "\"max_msgs_per_subject\":1}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"GONE\",\"subjects\":[\"gone.*\"],"
                                  "\"retention\":\"interest\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "ORDERS", "{\"durable_name\":\"c\","
                                              "\"ack_policy\":\"explicit\"}", &c, NULL));
    world_pull(&w, c, "work.1", "{\"batch\":10,\"expires\":1000000000}");
    world_publish(&w, "orders.eu", "", "Nats-Msg-Id: o-1\r\n", "8 apples");
    world_publish(&w, "last.eu", "", "Nats-Msg-Id: l-1\r\n", "old");
    world_publish(&w, "last.eu", "", "Nats-Msg-Id: l-2\r\n", "new");
    world_publish(&w, "gone.eu", "", "Nats-Msg-Id: g-1\r\n", "nobody hears");
    world_wait(&w, 10000);
    ck_assert_uint_eq(worker->got, 2); /* and the end of the request */
    for (int i = 0; i < 3; i++) {
        ck_assert_ok(world_restart(&w));
        world_wait(&w, 30000);
        world_publish(&w, "orders.eu", "ack.o1", "Nats-Msg-Id: o-1\r\n", "8 apples");
        world_publish(&w, "last.eu", "ack.l1", "Nats-Msg-Id: l-1\r\n", "old");
        world_publish(&w, "gone.eu", "ack.g1", "Nats-Msg-Id: g-1\r\n", "nobody hears");
        world_turn(&w);
    }
    WORLD_TOLD(&w,
               "[ 40000] shop: ack.o1 {\"stream\":\"ORDERS\",\"seq\":1,\"duplicate\": true}\n"
               "[ 40000] shop: ack.l1 {\"stream\":\"LAST\",\"seq\":1,\"duplicate\": true}\n"
               "[ 40000] shop: ack.g1 {\"stream\":\"GONE\",\"seq\":1,\"duplicate\": true}\n"
               "[ 70000] shop: ack.o1 {\"stream\":\"ORDERS\",\"seq\":1,\"duplicate\": true}\n"
               "[ 70000] shop: ack.l1 {\"stream\":\"LAST\",\"seq\":1,\"duplicate\": true}\n"
               "[ 70000] shop: ack.g1 {\"stream\":\"GONE\",\"seq\":1,\"duplicate\": true}\n"
               "[100000] shop: ack.o1 {\"stream\":\"ORDERS\",\"seq\":1,\"duplicate\": true}\n"
               "[100000] shop: ack.l1 {\"stream\":\"LAST\",\"seq\":1,\"duplicate\": true}\n"
               "[100000] shop: ack.g1 {\"stream\":\"GONE\",\"seq\":1,\"duplicate\": true}\n");

    /* The two minutes are over: it is another order, and nothing is kept of the first. */
    world_wait(&w, 21000);
    ck_assert_ok(world_restart(&w));
    world_publish(&w, "orders.eu", "ack.o1", "Nats-Msg-Id: o-1\r\n", "8 apples");
    world_publish(&w, "last.eu", "ack.l1", "Nats-Msg-Id: l-1\r\n", "old");
    world_turn(&w);
    WORLD_TOLD(&w, "[121000] shop: ack.o1 {\"stream\":\"ORDERS\",\"seq\":2}\n"
                   "[121000] shop: ack.l1 {\"stream\":\"LAST\",\"seq\":3}\n");
    ri_track *ids;
    ri_track_info info;
    ck_assert_ok(ri_log_track(w.log, 3, NULL, &ids));
    ri_track_counts(ids, &info);
    ck_assert_uint_ge(info.last_seq, 3);
    ck_assert_uint_eq(info.count, 0);
    world_publish(&w, "last.eu", "", "", "newest");
    world_turn(&w);
    ri_track_counts(ids, &info);
    ck_assert_uint_eq(info.count, 1); /* of what it dropped */
    ri_js_error e;
    ck_assert_ok(ri_stream_delete(ri_js_stream(w.js, RI_STR("LAST")), &e));
    world_turn(&w);
    ri_track_counts(ids, &info);
    ck_assert_uint_eq(info.count, 0);
    world_fini(&w);
}
END_TEST

/* What the broker does when it has nothing else to do. */
static void tidy(world *w)
{
    int more = 1;
    for (int i = 0; more && i < 1000; i++) {
        more = ri_log_clean(w->log);
        if (more == 0) more = ri_log_compact(w->log, w->wall_ns);
        ck_assert_int_ge(more, 0);
        world_turn(w);
    }
    ck_assert_int_eq(more, 0);
}

static uint64_t prices(world *w)
{
    ri_stream_info info;
    ri_stream_info_of(ri_js_stream(w->js, RI_STR("PRICES")), &info);
    return info.state.messages;
}

/* A list of prices: of each fruit the last one stays, of one that is sold no more a day. */
START_TEST(test_prices)
{
    static world w;
    ri_consumer *c;
    ck_assert_ok(world_init(&w, NULL));
    world_listen(&w, "clerk", "read");
    ck_assert_ok(world_stream(&w, "{\"name\":\"PRICES\",\"subjects\":[\"price.*\"],"
                                  "\"metadata\":{\"rill.compact\":\"24h0m0s\"}}", NULL, NULL));
    ri_js_error e;
    ck_assert_int_lt(world_stream(&w, "{\"name\":\"BAD\",\"metadata\":{\"rill.compact\":\"soon\"}}",
                                  NULL, &e), 0);
    ck_assert_int_eq(e.code, 500);
    ck_assert_ok(world_consumer(&w, "PRICES",
                                "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}",
                                &c, NULL));
    for (int i = 1; i <= 40; i++) {
        world_publish(&w, i % 2 ? "price.apple" : "price.pear", "", "", i > 38 ? "new" : "old");
        world_turn(&w);
    }
    ck_assert_uint_eq(prices(&w), 40);
    world_pull(&w, c, "read", "{\"batch\":2}"); /* what is being read may go, too */
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] clerk: price.apple <ACK(1/1/1/39)> old\n"
                   "[     0] clerk: price.pear <ACK(1/2/2/38)> old\n");
    tidy(&w);
    ck_assert_uint_eq(prices(&w), 2);
    ri_consumer_info info;
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    world_pull(&w, c, "read", "{\"batch\":5,\"no_wait\":true}");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] clerk: price.apple <ACK(1/39/3/1)> new\n"
                   "[     0] clerk: price.pear <ACK(1/40/4/0)> new\n"
                   "[     0] clerk: read {404 No Messages}\n");

    /* Pears are sold out. Who reads within a day hears of it. */
    world_publish(&w, "price.pear", "", "KV-Operation: DEL\r\n", "");
    world_turn(&w);
    tidy(&w);
    ck_assert_uint_eq(prices(&w), 2); /* the apple, and that there is no pear */
    ck_assert_int_gt(ri_log_compact_due_ns(w.log), w.wall_ns + 86000 * RI_SEC);
    world_wait(&w, 20 * 3600 * 1000);
    ck_assert_ok(world_restart(&w));
    tidy(&w);
    ck_assert_uint_eq(prices(&w), 2);
    world_wait(&w, 7 * 3600 * 1000);
    ck_assert_int_le(ri_log_compact_due_ns(w.log), w.wall_ns);
    tidy(&w);
    ck_assert_uint_eq(prices(&w), 1);
    ck_assert_int_eq(ri_log_compact_due_ns(w.log), INT64_MAX);
    world_fini(&w);
}
END_TEST

SUITE_MAIN("orders", test_orders, test_ids_outlive_their_orders, test_prices)
