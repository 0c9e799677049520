/* SPDX-License-Identifier: Apache-2.0 */
/* How long Kafka's clients wait, as the door measures it. */
#include "base/error.h"
#include "front/broker/broker.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static int port;
static kclient c;
static produce p;

static void sent(const char *topic)
{
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add(&p, NULL, "v", NULL, ri_wall_ns(&c.host) / RI_MS);
    ri_str batch = produce_end(&p);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce(topic, 0, batch)).error_code, 0);
}

/* Of the door's histograms, so many are measured in all. */
static void measured(uint64_t *publishes, uint64_t *deliveries)
{
    ri_broker *b = (ri_broker *)broker;
    ri_broker_enter(b);
    const ri_door *door = ri_container_of(b->doors.next, ri_door, link);
    *publishes = *deliveries = 0;
    for (int i = 0; i <= RI_HISTOGRAM_BOUNDS; i++) {
        *publishes += door->publish.counts[i];
        *deliveries += door->delivery.counts[i];
    }
    ri_broker_leave(b);
}

/* One in RI_HISTOGRAM_EVERY is measured, whatever it asks; of a fetch that waits, from when records
 * came. */
START_TEST(test_latency)
{
    enum { TIMES = 2 * RI_HISTOGRAM_EVERY, WAITED_MS = 100 };
    uint64_t publishes, deliveries;
    kclient other;
    ck_assert_ok(rill_broker_open(&broker, NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
    kclient_created(&c, "t", 1);
    for (int i = 0; i < TIMES; i++) sent("t");
    measured(&publishes, &deliveries);
    ck_assert(publishes >= 1 && publishes <= 3);
    ck_assert_uint_eq(deliveries, 0);
    kclient_open(&other, port);
    for (int i = 0; i < TIMES; i++) kclient_fetched(&other, 11, kclient_fetch("t", 0, 0, 0));
    measured(&publishes, &deliveries);
    ck_assert_uint_ge(deliveries, 1);
    ri_broker *b = (ri_broker *)broker;
    const ri_door *door = ri_container_of(b->doors.next, ri_door, link);
    uint64_t before_ns = door->delivery.sum_ns, before = deliveries;
    for (int i = 0; i < TIMES && deliveries == before; i++) {
        kclient_send(&other, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, TIMES + i, WAIT_MS));
        ri_str frame;
        ck_assert(!kclient_frame(&other, i ? 0 : WAITED_MS, &frame));
        sent("t");
        kclient_read(&other, RI_KAFKA_FETCH, 11);
        measured(&publishes, &deliveries);
    }
    ck_assert_uint_eq(deliveries, before + 1);
    ck_assert_uint_gt(door->delivery.sum_ns, before_ns);
    kclient_close(&other);
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    produce_fini(&p);
}
END_TEST

SUITE_MAIN("kafka_latency", test_latency)
