/* SPDX-License-Identifier: Apache-2.0 */
/* Narratives in virtual time: a topic whose track holds messages and Kafka's batches, packed and
 * not. Consumers of all kinds, a mirror and a stream that draws from it see messages, and cannot
 * tell which way one is stored; acks, removals, restarts, compaction and a power cut do to them
 * what they do to any. No turn is long, however much a batch unpacks to. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/streams/purge.h"
#include "base/error.h"
#include "codec/limits.h"
#include "support/fake_os.h"
#include "support/produce.h"
#include "support/suite.h"

#define TOPIC(more) "{\"name\":\"T\",\"subjects\":[\"t.>\"]," \
                    "\"metadata\":{\"rill.batches\":\"on\"" more "}}"

static world w;
static fake_os disk;
static produce p;
static produced sent;

static ri_log_opts log_opts(const char *dir)
{
    return (ri_log_opts){.host = &w.own.host, .os = &disk.os, .dir = dir,
                         .segment_bytes = 1 << 20};
}

static ri_log *open_log(void)
{
    ri_log *log;
    ri_log_opts opts = log_opts("/data");
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

static void setup(void)
{
    memset(&p, 0, sizeof p);
    fake_os_init(&disk);
    fault_init(&w.own);
    ck_assert_ok(world_init_with(&w, &w.own, open_log()));
}

static void teardown(void)
{
    produce_fini(&p);
    world_fini(&w);
    fake_os_fini(&disk);
}

static ri_stream *topic(void)
{
    return ri_js_stream(w.js, RI_STR("T"));
}

static ri_consumer *crew(void)
{
    return ri_stream_consumer(topic(), RI_STR("crew"));
}

/* "k=v" each; "k" alone is a null value. */
static ri_str batch(int codec, const char *const *records)
{
    produce_begin(&p, &w.f->host, codec, -1, -1);
    for (; *records; records++) {
        ri_str rest = ri_str_of(*records), key;
        bool valued = strchr(*records, '=') != NULL;
        ri_str_cut(&rest, '=', &key);
        produce_add_bytes(&p, key, valued ? rest : RI_STR_NONE, 1000);
    }
    return produce_end(&p);
}

#define SEND(codec, ...) \
    ck_assert_ok(produce_append(topic(), batch(codec, (const char *[]){__VA_ARGS__, NULL}), &sent))

/* All see the same: what is pushed, pulled, copied and drawn, over a restart. */
START_TEST(test_all_readers)
{
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(""), NULL, NULL));
    world_listen(&w, "push", "p");
    world_listen(&w, "crew", "in");
    world_listen(&w, "mirror", "m");
    world_listen(&w, "sum", "s");
    ck_assert_ok(world_stream(&w, "{\"name\":\"COPY\",\"mirror\":{\"name\":\"T\"}}", NULL, NULL));
    ck_assert_ok(world_stream(&w, "{\"name\":\"SUM\",\"sources\":[{\"name\":\"T\","
                                  "\"filter_subject\":\"t.a\"}]}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"p\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "COPY", "{\"deliver_subject\":\"m\",\"durable_name\":\"m\"}",
                                NULL, NULL));
    ck_assert_ok(world_consumer(&w, "SUM", "{\"deliver_subject\":\"s\",\"durable_name\":\"s\"}",
                                NULL, NULL));
    ck_assert_ok(world_consumer(&w, "T", "{\"durable_name\":\"crew\",\"ack_policy\":\"explicit\","
                                         "\"ack_wait\":10000000000,\"filter_subject\":\"t.a\"}",
                                NULL, NULL));
    world_publish(&w, "t.a", "", "K: v\r\n", "1");
    SEND(RI_KAFKA_CODEC_GZIP, "a=2", "b=3", "a");
    world_publish(&w, "t.b", "", "", "5");
    SEND(RI_KAFKA_CODEC_SNAPPY, "a=6");
    world_turn(&w);
    ck_assert_int_eq(sent.calls, 1);
    WORLD_TOLD(&w, "[     0] push: t.a <ACK(1/1/1/5)> {K: v} 1\n"
                   "[     0] push: t.a <ACK(1/2/2/4)> 2\n"
                   "[     0] push: t.b <ACK(1/3/3/3)> 3\n"
                   "[     0] push: t.a <ACK(1/4/4/2)> {KV-Operation: DEL}\n"
                   "[     0] push: t.b <ACK(1/5/5/1)> 5\n"
                   "[     0] push: t.a <ACK(1/6/6/0)> 6\n"
                   "[     0] mirror: t.a <ACK(1/1/1/5)> {K: v} 1\n"
                   "[     0] mirror: t.a <ACK(1/2/2/4)> 2\n"
                   "[     0] mirror: t.b <ACK(1/3/3/3)> 3\n"
                   "[     0] mirror: t.a <ACK(1/4/4/2)> {KV-Operation: DEL}\n"
                   "[     0] mirror: t.b <ACK(1/5/5/1)> 5\n"
                   "[     0] mirror: t.a <ACK(1/6/6/0)> 6\n"
                   "[     0] sum: t.a <ACK(1/1/1/3)> {K: v, Nats-Stream-Source: T 1 t.a > t.a "
                   "3GUDaR8x} 1\n"
                   "[     0] sum: t.a <ACK(1/2/2/2)> {Nats-Stream-Source: T 2 t.a > t.a "
                   "3GUDaR8x} 2\n"
                   "[     0] sum: t.a <ACK(1/3/3/1)> {KV-Operation: DEL, Nats-Stream-Source: T 4 "
                   "t.a > t.a 3GUDaR8x}\n"
                   "[     0] sum: t.a <ACK(1/4/4/0)> {Nats-Stream-Source: T 6 t.a > t.a "
                   "3GUDaR8x} 6\n");
    ck_assert_ok(world_restart(&w));
    world_pull(&w, crew(), "in", "3");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] crew: t.a <ACK(1/1/1/3)> {K: v} 1\n"
                   "[     0] crew: t.a <ACK(1/2/2/2)> 2\n"
                   "[     0] crew: t.a <ACK(1/4/3/1)> {KV-Operation: DEL}\n");
    teardown();
}
END_TEST

START_TEST(test_acks)
{
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(""), NULL, NULL));
    world_listen(&w, "crew", "in");
    ck_assert_ok(world_consumer(&w, "T", "{\"durable_name\":\"crew\",\"ack_policy\":\"explicit\","
                                         "\"ack_wait\":10000000000}", NULL, NULL));
    SEND(RI_KAFKA_CODEC_GZIP, "a=1", "b=2", "c=3", "d=4", "e=5", "f=6");
    world_turn(&w);
    world_pull(&w, crew(), "in", "4");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] crew: t.a <ACK(1/1/1/5)> 1\n"
                   "[     0] crew: t.b <ACK(1/2/2/4)> 2\n"
                   "[     0] crew: t.c <ACK(1/3/3/3)> 3\n"
                   "[     0] crew: t.d <ACK(1/4/4/2)> 4\n");

    /* One is done, one comes again at once, one is removed; the fourth is late. */
    world_publish(&w, "$JS.ACK.T.crew.1.1.1.0.0", "", "", "+ACK");
    world_publish(&w, "$JS.ACK.T.crew.1.3.3.0.0", "", "", "-NAK");
    ck_assert_ok(ri_stream_erase(topic(), 2, false, NULL));
    world_pull(&w, crew(), "in", "{\"batch\":9,\"expires\":20000000000}");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] crew: t.c <ACK(2/3/5/2)> 3\n"
                   "[     0] crew: t.e <ACK(1/5/6/1)> 5\n"
                   "[     0] crew: t.f <ACK(1/6/7/0)> 6\n");
    ck_assert_ok(world_restart(&w));
    world_pull(&w, crew(), "in", "{\"batch\":2,\"expires\":20000000000}");
    world_wait(&w, 10000);
    WORLD_TOLD(&w, "[ 10000] crew: t.c <ACK(3/3/8/0)> 3\n"
                   "[ 10000] crew: t.d <ACK(2/4/9/0)> 4\n");

    /* A purge up to the middle of the batch: what is left of it is there. */
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(topic(), RI_STR_NONE, 5, 0, &purged, NULL));
    ck_assert_uint_eq(purged, 3);
    world_pull(&w, crew(), "in", "{\"batch\":9,\"expires\":20000000000}");
    world_wait(&w, 10000);
    WORLD_TOLD(&w, "[ 10000] crew: t.e <ACK(2/5/10/0)> 5\n"
                   "[ 10000] crew: t.f <ACK(2/6/11/0)> 6\n"
                   "[ 20000] crew: t.e <ACK(3/5/12/0)> 5\n"
                   "[ 20000] crew: t.f <ACK(3/6/13/0)> 6\n");
    teardown();
}
END_TEST

/* The power goes when a batch is written and not synced: it was not acknowledged, and is gone. */
START_TEST(test_power_cut)
{
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(""), NULL, NULL));
    world_listen(&w, "push", "p");
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"p\",\"durable_name\":\"d\"}", NULL,
                                NULL));
    SEND(RI_KAFKA_CODEC_NONE, "a=1", "b=2");
    world_turn(&w);
    disk.fail_syncs_only = true;
    disk.fail_at = disk.syncs + 1;
    disk.fail_errno = EIO;
    disk.power_at_fail = true;
    SEND(RI_KAFKA_CODEC_GZIP, "c=3", "d=4");
    ck_assert_uint_eq(sent.ask.first_seq, 3);
    ri_js_prepare(w.js, w.log);
    int rc = ri_log_commit(w.log);
    ck_assert_rc(rc, RILL_EIO);
    ri_js_committed(w.js, w.log, rc, w.wall_ns, w.mono_ns);
    ck_assert_int_eq(sent.calls, 1);
    ck_assert_int_eq(sent.rc, RILL_EIO);
    world_down(&w);
    disk.fail_at = 0;
    fake_os_crash(&disk, FAKE_OS_RANDOM, 3);
    ck_assert_ok(world_up(&w, open_log()));
    ri_buffer_reset(&w.told);
    SEND(RI_KAFKA_CODEC_SNAPPY, "c=3 again");
    ck_assert_uint_eq(sent.ask.first_seq, 3);
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] push: t.a <ACK(1/1/1/1)> 1\n" /* that it had these is not recorded */
                   "[     0] push: t.b <ACK(1/2/2/0)> 2\n"
                   "[     0] push: t.c <ACK(1/3/3/0)> 3 again\n");
    teardown();
}
END_TEST

static void compact(void)
{
    while (ri_log_compact(w.log, w.wall_ns) == 1) world_turn(&w);
    world_turn(&w);
}

/* Both kinds say the last word on a key; a null value is one, for a while. */
START_TEST(test_compaction)
{
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(",\"rill.compact\":\"1h\""), NULL, NULL));
    world_listen(&w, "push", "p");
    SEND(RI_KAFKA_CODEC_GZIP, "a=1", "b=2", "c=3", "a=4");
    world_publish(&w, "t.b", "", "", "5");
    SEND(RI_KAFKA_CODEC_NONE, "c=6", "d=7");
    world_publish(&w, "t.d", "", "KV-Operation: DEL\r\n", "");
    SEND(RI_KAFKA_CODEC_GZIP, "a");
    world_turn(&w);
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add(&p, NULL, "nobody's", NULL, 1);
    ck_assert_rc(produce_append(topic(), produce_end(&p), &sent), RILL_EINVAL);
    compact();
    ck_assert_ok(world_restart(&w));
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"p\"}", NULL, NULL));
    WORLD_TOLD(&w, "[     0] push: t.b <ACK(1/5/1/3)> 5\n"
                   "[     0] push: t.c <ACK(1/6/2/2)> 6\n"
                   "[     0] push: t.d <ACK(1/8/3/1)> {KV-Operation: DEL}\n"
                   "[     0] push: t.a <ACK(1/9/4/0)> {KV-Operation: DEL}\n");
    teardown();
}
END_TEST

/* The store is checked, and salvaged into another: all that lived is there, under its number. */
START_TEST(test_salvage)
{
    uint64_t records, purged;
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(""), NULL, NULL));
    SEND(RI_KAFKA_CODEC_GZIP, "a=1", "b=2", "c=3", "d=4");
    world_publish(&w, "t.e", "", "", "5");
    SEND(RI_KAFKA_CODEC_SNAPPY, "f=6", "g=7", "h=8");
    world_turn(&w);
    ck_assert_ok(ri_stream_erase(topic(), 7, true, NULL));
    ck_assert_ok(ri_purge_whole(topic(), RI_STR_NONE, 3, 0, &purged, NULL));
    world_turn(&w);
    ri_scrub scrub = {0};
    while (ri_log_scrub(w.log, &scrub) == 1) {}
    ck_assert_uint_eq(scrub.damages, 0);
    ck_assert_ok(world_restart(&w)); /* all is in the files */
    world_down(&w);
    ri_log_opts from = log_opts("/data"), to = log_opts("/saved");
    ck_assert_ok(ri_log_salvage(&from, "/saved", &records));
    ri_log *saved;
    ck_assert_ok(ri_log_open(&saved, &to));
    ck_assert_ok(world_up(&w, saved));
    world_listen(&w, "push", "p");
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"p\"}", NULL, NULL));
    WORLD_TOLD(&w, "[     0] push: t.c <ACK(1/3/1/4)> 3\n"
                   "[     0] push: t.d <ACK(1/4/2/3)> 4\n"
                   "[     0] push: t.e <ACK(1/5/3/2)> 5\n"
                   "[     0] push: t.f <ACK(1/6/4/1)> 6\n"
                   "[     0] push: t.h <ACK(1/8/5/0)> 8\n");
    teardown();
}
END_TEST

/* Eight megabytes out of a few packed bytes: unpacked once, in slices, also for a filter. */
START_TEST(test_slices)
{
    static char value[64000];
    setup();
    ck_assert_ok(world_stream(&w, TOPIC(""), NULL, NULL));
    world_ear *push = world_listen(&w, "push", "p"), *few = world_listen(&w, "few", "f");
    push->quiet = few->quiet = true;
    memset(value, 'x', sizeof value);
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    for (int i = 0; i < 125; i++)
        produce_add_bytes(&p, i % 25 ? RI_STR("many") : RI_STR("few"),
                          (ri_str){value, sizeof value}, 1000);
    ck_assert_ok(produce_append(topic(), produce_end(&p), &sent));
    world_turn(&w);
    ck_assert_ok(world_restart(&w)); /* nothing is at hand */
    uint64_t turns = w.router.budget.turns, cut = w.router.budget.cut;
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"f\",\"durable_name\":\"f\","
                                         "\"filter_subject\":\"t.few\"}", NULL, NULL));
    ck_assert_uint_eq(few->got, 5);
    ck_assert_uint_gt(w.router.budget.turns - turns, 8000000 / 256 / RI_BUDGET_TURN);
    ck_assert_uint_gt(w.router.budget.cut, cut);
    ck_assert_uint_lt(w.router.budget.longest, 2 * RI_BUDGET_TURN);
    ck_assert_ok(world_consumer(&w, "T", "{\"deliver_subject\":\"p\",\"durable_name\":\"p\"}", NULL,
                                NULL));
    ck_assert_uint_eq(push->got, 125);
    teardown();
}
END_TEST

SUITE_MAIN("mixed_tracks", test_all_readers, test_acks, test_power_cut, test_compaction,
           test_salvage, test_slices)
