/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka door through a broker, over real sockets, with a client of our own that can do what no
 * other does. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/kafka/kafka_errors.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static int port;
static kclient c;
static produce p;

static void start(const rill_broker_opts *opts, const rill_listen_opts *listen)
{
    ck_assert_ok(rill_broker_open(&broker, opts));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", listen);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
}

static void stop(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}

static void setup(void)
{
    memset(&p, 0, sizeof p);
    start(NULL, NULL);
}

static void teardown(void)
{
    stop();
    produce_fini(&p);
}

/* A batch of n records "v0" ... without keys; of a producer, or of none (-1). */
static ri_str batch_of(int n, int64_t producer, int32_t sequence)
{
    int64_t now_ms = ri_wall_ns(&c.host) / RI_MS;
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_NONE, producer, sequence);
    for (int i = 0; i < n; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%d", i);
        produce_add(&p, NULL, value, NULL, now_ms + i);
    }
    return produce_end(&p);
}

static ri_str batch(int n)
{
    return batch_of(n, -1, -1);
}

static int64_t sent(const char *topic, int n)
{
    ri_kafka_produce_answer_partition a =
        kclient_produced(&c, 9, kclient_produce(topic, 0, batch(n)));
    ck_assert_int_eq(a.error_code, 0);
    return a.base_offset;
}

/* ---- The first words ---- */

static ri_kafka_api_versions_request versions_request(const char *name)
{
    ri_kafka_api_versions_request q;
    ri_kafka_blank(ri_kafka_api_versions_request_type(), &q);
    q.client_software_name = ri_str_of(name);
    q.client_software_version = RI_STR("1.0");
    return q;
}

START_TEST(test_versions)
{
    ri_kafka_api_versions_request q = versions_request("test");
    for (int16_t v = 0; v <= 5; v++) {
        ri_kafka_api_versions_answer *a = kclient_ask(&c, RI_KAFKA_API_VERSIONS, v, &q);
        ck_assert_int_eq(a->error_code, 0);
        ck_assert_int_eq(a->api_keys.items[0].api_key, RI_KAFKA_PRODUCE);
        ck_assert_int_eq(a->api_keys.items[0].min_version, 0); /* or clients do not compress */
        for (uint32_t i = 1; i < a->api_keys.len; i++)
            ck_assert_int_gt(a->api_keys.items[i].api_key, a->api_keys.items[i - 1].api_key);
    }
    q = versions_request("no good name");
    ri_kafka_api_versions_answer *a = kclient_ask(&c, RI_KAFKA_API_VERSIONS, 3, &q);
    ck_assert_int_eq(a->error_code, RI_KAFKA_E_INVALID_REQUEST);
    q = versions_request("test");
    q.cluster_id = RI_STR("another");
    a = kclient_ask(&c, RI_KAFKA_API_VERSIONS, 5, &q);
    ck_assert_int_eq(a->error_code, RI_KAFKA_E_REBOOTSTRAP);
}
END_TEST

/* A version that is too new is answered as version 0, whatever its body is, and the next one on the
 * same connection is right. */
START_TEST(test_too_new)
{
    static const char ask[] = "\0\0\0\x10\0\x12\0\x63\0\0\0\x01\0\x02kd????";
    static const char want[] = "\0\0\0\x01\0\x23\0\0\0\x01\0\x12\0\0\0\x05";
    ri_str frame;
    ri_kafka_api_versions_request q = versions_request("test");
    peer_send_bytes(&c.p, ask, sizeof ask - 1);
    ck_assert(kclient_frame(&c, WAIT_MS, &frame));
    ck_assert(ri_str_eq(frame, (ri_str){want, sizeof want - 1}));
    ri_kafka_api_versions_answer *a = kclient_ask(&c, RI_KAFKA_API_VERSIONS, 3, &q);
    ck_assert_int_eq(a->error_code, 0);
}
END_TEST

/* What cannot be answered ends the connection, behind the answers to what came before it, and no
 * other. */
START_TEST(test_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
#define BYTES(text) {text, sizeof(text) - 1}
        BYTES("\xff\xff\xff\xff"), BYTES("\0\0\0\0"), BYTES("\x7f\xff\xff\xff"),
        BYTES("\0\0\0\x02\0\x03"), BYTES("\0\0\0\x0a\x7f\xff\0\0\0\0\0\x01\0\0"),
        BYTES("\0\0\0\x0a\0\x03\0\x63\0\0\0\x01\0\0"),  /* a version that is not there */
        BYTES("\0\0\0\x0a\0\0\0\x02\0\0\0\x01\0\0"),    /* one that is only announced */
        BYTES("\0\0\0\x0c\0\x03\0\x01\0\0\0\x01\xff\xff\0\0"), /* half a count */
    };
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        kclient one;
        ri_kafka_api_versions_request q = versions_request("test");
        kclient_open(&one, port);
        kclient_put(&one, RI_KAFKA_API_VERSIONS, 3, &q);
        ri_buffer_put(&one.out, bad[i].bytes, bad[i].len);
        kclient_put(&one, RI_KAFKA_API_VERSIONS, 3, &q);
        kclient_flush(&one);
        kclient_read(&one, RI_KAFKA_API_VERSIONS, 3);
        ck_assert_msg(kclient_ended(&one), "%zu", i);
        kclient_close(&one);
        kclient_ask(&c, RI_KAFKA_API_VERSIONS, 3, &q);
    }
}
END_TEST

/* However a frame is cut on its way, it is one. */
START_TEST(test_split)
{
    kclient_created(&c, "t", 1);
    for (int round = 0; round < 2; round++) {
        kclient_put(&c, RI_KAFKA_METADATA, 9, kclient_metadata("t"));
        kclient_put(&c, RI_KAFKA_PRODUCE, 9, kclient_produce("t", 0, batch(2)));
        kclient_put(&c, RI_KAFKA_PRODUCE, 7, kclient_produce("t", 0, batch(1)));
        kclient_put(&c, RI_KAFKA_LIST_OFFSETS, 7, kclient_offsets("t", 0, -1));
        ri_str all = ri_buffer_str(&c.out);
        size_t step = round ? 7 : 1;
        for (size_t at = 0; at < all.len; at += step)
            peer_send_bytes(&c.p, all.ptr + at, RI_MIN(step, all.len - at));
        ri_buffer_reset(&c.out);
        kclient_read(&c, RI_KAFKA_METADATA, 9);
        ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
        ck_assert_int_eq(a->topics.items[0].partitions.items[0].base_offset, round * 3);
        a = kclient_read(&c, RI_KAFKA_PRODUCE, 7);
        ck_assert_int_eq(a->topics.items[0].partitions.items[0].base_offset, round * 3 + 2);
        ri_kafka_list_offsets_answer *o = kclient_read(&c, RI_KAFKA_LIST_OFFSETS, 7);
        ck_assert_int_eq(o->topics.items[0].partitions.items[0].offset, round * 3 + 3);
    }
}
END_TEST

/* ---- Topics ---- */

START_TEST(test_topics)
{
    kclient_created(&c, "a.b", 3);
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata(NULL));
    ck_assert_uint_eq(m->topics.len, 1);
    ck_assert_span(m->topics.items[0].name, "a.b");
    ck_assert_uint_eq(m->topics.items[0].partitions.len, 3);
    ck_assert_uint_eq(m->brokers.len, 1);
    ck_assert_span(m->brokers.items[0].host, "127.0.0.1");
    ck_assert_int_eq(m->brokers.items[0].port, port);
    ck_assert_uint_eq(m->cluster_id.len, 22);
    ri_kafka_metadata_request q = *kclient_metadata("x");
    ri_kafka_uuid id = m->topics.items[0].topic_id;
    q.topics.items[0] = (ri_kafka_metadata_request_topic){.topic_id = id};
    m = kclient_ask(&c, RI_KAFKA_METADATA, 12, &q);
    ck_assert_span(m->topics.items[0].name, "a.b");
    q.topics.items[0].name = RI_STR(""); /* beside its id, as of Kafka's admin client */
    m = kclient_ask(&c, RI_KAFKA_METADATA, 12, &q);
    ck_assert_span(m->topics.items[0].name, "a.b");
    q.topics.items[0].topic_id.bytes[0] ^= 1;
    m = kclient_ask(&c, RI_KAFKA_METADATA, 12, &q);
    ck_assert_int_eq(m->topics.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC_ID);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("nope"));
    ck_assert_int_eq(m->topics.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("no pe"));
    ck_assert_int_eq(m->topics.items[0].error_code, RI_KAFKA_E_INVALID_TOPIC);
    ri_kafka_create_topics_answer *made = kclient_ask(&c, RI_KAFKA_CREATE_TOPICS, 5,
                                                      kclient_create("a_b", 1));
    ck_assert_int_eq(made->topics.items[0].error_code, RI_KAFKA_E_INVALID_TOPIC);
    made = kclient_ask(&c, RI_KAFKA_CREATE_TOPICS, 5, kclient_create("a.b", 1));
    ck_assert_int_eq(made->topics.items[0].error_code, RI_KAFKA_E_TOPIC_EXISTS);
    ri_kafka_delete_topics_answer *gone = kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 4,
                                                      kclient_delete("a.b"));
    ck_assert_int_eq(gone->responses.items[0].error_code, 0);
    gone = kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 4, kclient_delete("a.b"));
    ck_assert_int_eq(gone->responses.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    kclient_created(&c, "a.b", 1);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("a.b"));
    ck_assert_mem_ne(&m->topics.items[0].topic_id, &id, sizeof id);
}
END_TEST

START_TEST(test_auto_create)
{
    ri_kafka_metadata_request q = *kclient_metadata("made");
    q.allow_auto_topic_creation = true;
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 9, &q);
    ck_assert_int_eq(m->topics.items[0].error_code, 0);
    ck_assert_uint_eq(m->topics.items[0].partitions.len, 1);
    stop();
    start(NULL, RILL_OPTS(rill_listen_opts, .no_auto_create = true, .partitions = 4,
                          .advertise = "kafka.example:77"));
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, &q);
    ck_assert_int_eq(m->topics.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_span(m->brokers.items[0].host, "kafka.example");
    ck_assert_int_eq(m->brokers.items[0].port, 77);
    kclient_created(&c, "t", -1);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("t"));
    ck_assert_uint_eq(m->topics.items[0].partitions.len, 4);
}
END_TEST

/* More partitions than a turn can make: they are made, read, and deleted in slices. */
START_TEST(test_many_partitions)
{
    enum { MANY = 1500, MORE = 2000 };
    kclient_created(&c, "big", MANY);
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("big"));
    ck_assert_uint_eq(m->topics.items[0].partitions.len, MANY);
    ri_kafka_create_partitions_request q;
    ri_kafka_blank(ri_kafka_create_partitions_request_type(), &q);
    ri_kafka_create_partitions_request_topic t = {.name = RI_STR("big"), .count = MORE};
    q.topics.items = &t;
    q.topics.len = 1;
    q.timeout_ms = WAIT_MS;
    ri_kafka_create_partitions_answer *more = kclient_ask(&c, RI_KAFKA_CREATE_PARTITIONS, 3, &q);
    ck_assert_int_eq(more->results.items[0].error_code, 0);
    more = kclient_ask(&c, RI_KAFKA_CREATE_PARTITIONS, 3, &q);
    ck_assert_int_eq(more->results.items[0].error_code, RI_KAFKA_E_INVALID_PARTITIONS);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("big"));
    ck_assert_uint_eq(m->topics.items[0].partitions.len, MORE);
    ck_assert_int_eq(m->topics.items[0].partitions.items[MORE - 1].partition_index, MORE - 1);
    ri_kafka_delete_topics_answer *gone = kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 4,
                                                      kclient_delete("big"));
    ck_assert_int_eq(gone->responses.items[0].error_code, 0);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata(NULL));
    ck_assert_uint_eq(m->topics.len, 0);
}
END_TEST

/* A stream's subjects may be taken: the topic is refused, with a sentence. */
START_TEST(test_overlap)
{
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_int_eq(rill_stream_ensure(bus, "S",
                                        RILL_OPTS(rill_stream_opts, .subjects = "s.>")), 1);
    ri_kafka_create_topics_answer *made = kclient_ask(&c, RI_KAFKA_CREATE_TOPICS, 7,
                                                      kclient_create("s.x", 1));
    ck_assert_int_eq(made->topics.items[0].error_code, RI_KAFKA_E_INVALID_TOPIC);
    ck_assert_span(made->topics.items[0].error_message,
                   "subjects overlap with an existing stream");
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata(NULL));
    ck_assert_uint_eq(m->topics.len, 1);
    ck_assert_span(m->topics.items[0].name, "S");
    rill_close(bus, WAIT_MS);
}
END_TEST

/* ---- Produce ---- */

static int16_t refused(int16_t version, const ri_kafka_produce_request *q)
{
    ri_kafka_produce_answer_partition a = kclient_produced(&c, version, q);
    ck_assert_int_eq(a.base_offset, -1);
    if (version >= 8) ck_assert_uint_gt(a.error_message.len, 0);
    return a.error_code;
}

START_TEST(test_produce_refused)
{
    static char text[4096];
    kclient_created(&c, "t", 2);
    ri_str good = batch(3);
    memcpy(text, good.ptr, good.len);
    ri_str other = {text, good.len};
    ck_assert_int_eq(refused(9, kclient_produce("t", 7, good)), RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(refused(9, kclient_produce("nope", 0, good)), RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, RI_STR_NONE)), RI_KAFKA_E_INVALID_RECORD);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, RI_STR(""))), RI_KAFKA_E_INVALID_RECORD);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, ri_str_from(good, 1))),
                     RI_KAFKA_E_INVALID_RECORD);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, (ri_str){good.ptr, good.len - 1})),
                     RI_KAFKA_E_INVALID_RECORD);
    text[good.len - 1] ^= 1;
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, other)), RI_KAFKA_E_CORRUPT_MESSAGE);
    memcpy(text, good.ptr, good.len);
    memcpy(text + good.len, good.ptr, good.len);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, (ri_str){text, 2 * good.len})),
                     RI_KAFKA_E_INVALID_RECORD);
    text[16] = 1; /* magic */
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, other)), RI_KAFKA_E_INVALID_RECORD);
    memcpy(text, good.ptr, good.len);
    ri_kafka_batch_seal(text, good.len, RI_KAFKA_CODEC_ZSTD);
    ck_assert_int_eq(refused(6, kclient_produce("t", 0, other)), RI_KAFKA_E_NO_COMPRESSION);
    memcpy(text, good.ptr, good.len);
    text[22] = RI_KAFKA_CONTROL;
    ri_kafka_batch_seal(text, good.len, 0);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, other)), RI_KAFKA_E_INVALID_RECORD);
    text[22] = RI_KAFKA_TRANSACTIONAL;
    ri_kafka_batch_seal(text, good.len, 0);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, other)), RI_KAFKA_E_TXN_ID_DENIED);
    ri_kafka_produce_request *q = kclient_produce("t", 0, good);
    q->acks = 5;
    ck_assert_int_eq(refused(9, q), RI_KAFKA_E_INVALID_ACKS);
    q = kclient_produce("t", 0, good);
    q->transactional_id = RI_STR("x");
    ck_assert_int_eq(refused(9, q), RI_KAFKA_E_TXN_ID_DENIED);
    produce_begin(&p, &c.host, 0, -1, -1);
    produce_add(&p, NULL, "v", NULL, ri_wall_ns(&c.host) / RI_MS + 2 * 3600 * 1000);
    ck_assert_int_eq(refused(9, kclient_produce("t", 0, produce_end(&p))),
                     RI_KAFKA_E_INVALID_TIMESTAMP);
    ck_assert_int_eq(sent("t", 1), 0); /* nothing of that was stored */
}
END_TEST

START_TEST(test_producers)
{
    kclient_created(&c, "t", 1);
    ri_kafka_init_producer_id_request q;
    ri_kafka_blank(ri_kafka_init_producer_id_request_type(), &q);
    ri_kafka_init_producer_id_answer *id = kclient_ask(&c, RI_KAFKA_INIT_PRODUCER_ID, 4, &q);
    ck_assert_int_eq(id->error_code, 0);
    ck_assert_int_ge(id->producer_id, 0);
    int64_t producer = id->producer_id;
    id = kclient_ask(&c, RI_KAFKA_INIT_PRODUCER_ID, 4, &q);
    ck_assert_int_ne(id->producer_id, producer);
    q.transactional_id = RI_STR("");
    id = kclient_ask(&c, RI_KAFKA_INIT_PRODUCER_ID, 4, &q);
    ck_assert_int_eq(id->error_code, RI_KAFKA_E_INVALID_REQUEST);
    q.transactional_id = RI_STR("x");
    id = kclient_ask(&c, RI_KAFKA_INIT_PRODUCER_ID, 4, &q);
    ck_assert_int_eq(id->error_code, RI_KAFKA_E_TXN_ID_DENIED);
    static const struct { int n, sequence, error, offset; } rows[] = {
        {2, 0, 0, 0}, {2, 0, 0, 0}, {1, 5, RI_KAFKA_E_OUT_OF_ORDER, -1}, {1, 2, 0, 2}, {2, 0, 0, 0},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_str bytes = batch_of(rows[i].n, producer, rows[i].sequence);
        ri_kafka_produce_answer_partition a = kclient_produced(&c, 9,
                                                               kclient_produce("t", 0, bytes));
        ck_assert_int_eq(a.error_code, rows[i].error);
        ck_assert_int_eq(a.base_offset, rows[i].offset);
    }
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -1)).offset, 3);
}
END_TEST

/* No byte comes back, and the next answer is that of the next request; but not if it failed. */
START_TEST(test_no_acks)
{
    kclient_created(&c, "t", 1);
    for (int i = 0; i < 100; i++) {
        ri_kafka_produce_request *q = kclient_produce("t", 0, batch(1));
        q->acks = 0;
        kclient_put(&c, RI_KAFKA_PRODUCE, 9, q);
        c.read++; /* it has no answer */
    }
    kclient_flush(&c);
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("t"));
    ck_assert_int_eq(m->topics.items[0].error_code, 0);
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -1)).offset, 100);
    ri_kafka_produce_request *q = kclient_produce("nope", 0, batch(1));
    q->acks = 0;
    kclient_send(&c, RI_KAFKA_PRODUCE, 9, q);
    ck_assert(kclient_ended(&c));
}
END_TEST

/* ---- Order ---- */

/* Requests of all kinds in one write: the answers come in their order, though some wait. */
START_TEST(test_pipeline)
{
    enum { ROUNDS = 40 };
    kclient_created(&c, "t", 1);
    sent("t", 1);
    for (int i = 0; i < ROUNDS; i++) {
        kclient_put(&c, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 1 + 3 * i, 1));
        kclient_put(&c, RI_KAFKA_PRODUCE, 9, kclient_produce("t", 0, batch(2)));
        kclient_put(&c, RI_KAFKA_PRODUCE, 7, kclient_produce("t", 0, batch(1)));
        kclient_put(&c, RI_KAFKA_LIST_OFFSETS, 7, kclient_offsets("t", 0, -1));
    }
    kclient_flush(&c);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t end = 1 + 3 * i;
        ri_kafka_fetch_answer *f = kclient_read(&c, RI_KAFKA_FETCH, 11);
        ck_assert_int_eq(f->topics.items[0].partitions.items[0].high_watermark, end);
        ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
        ck_assert_int_eq(a->topics.items[0].partitions.items[0].base_offset, end);
        a = kclient_read(&c, RI_KAFKA_PRODUCE, 7);
        ck_assert_int_eq(a->topics.items[0].partitions.items[0].base_offset, end + 2);
        ri_kafka_list_offsets_answer *o = kclient_read(&c, RI_KAFKA_LIST_OFFSETS, 7);
        ck_assert_int_eq(o->topics.items[0].partitions.items[0].offset, end + 3);
    }
}
END_TEST

/* More than the door begins at once. */
START_TEST(test_long_pipeline)
{
    enum { MANY = 3 * RI_LIMIT_KAFKA_PIPELINE };
    kclient_created(&c, "t", 1);
    ri_str one = batch(1);
    for (int i = 0; i < MANY; i++)
        kclient_put(&c, RI_KAFKA_PRODUCE, 9, kclient_produce("t", 0, one));
    kclient_flush(&c);
    for (int i = 0; i < MANY; i++) {
        ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
        ck_assert_int_eq(a->topics.items[0].partitions.items[0].base_offset, i);
    }
}
END_TEST

/* A frame of more than a turn's bytes: it is kept, and goes on in the next. */
START_TEST(test_large_produce)
{
    enum { PARTS = 24, BYTES = 500 * 1000 };
    static char value[BYTES];
    ri_kafka_produce_request_partition parts[PARTS];
    kclient_created(&c, "t", PARTS);
    memset(value, 'x', sizeof value);
    produce_begin(&p, &c.host, 0, -1, -1);
    produce_add_bytes(&p, RI_STR_NONE, (ri_str){value, BYTES}, ri_wall_ns(&c.host) / RI_MS);
    ri_str bytes = produce_end(&p);
    for (int i = 0; i < PARTS; i++) parts[i] = (ri_kafka_produce_request_partition){i, bytes};
    ri_kafka_produce_request *q = kclient_produce("t", 0, bytes);
    q->topics.items[0].partitions.items = parts;
    q->topics.items[0].partitions.len = PARTS;
    for (int round = 0; round < 2; round++) {
        ri_kafka_produce_answer *a = kclient_ask(&c, RI_KAFKA_PRODUCE, 9, q);
        ck_assert_span(a->topics.items[0].name, "t");
        for (int i = 0; i < PARTS; i++) {
            ck_assert_int_eq(a->topics.items[0].partitions.items[i].index, i);
            ck_assert_int_eq(a->topics.items[0].partitions.items[i].error_code, 0);
            ck_assert_int_eq(a->topics.items[0].partitions.items[i].base_offset, round);
        }
    }
    ri_kafka_fetch_answer_partition f = kclient_fetched(&c, 11, kclient_fetch("t", 5, 1, 0));
    ck_assert_uint_eq(f.records.len, bytes.len);
}
END_TEST

/* ---- Fetch ---- */

/* Large and small records, and none: each goes where it belongs, whether it is copied or not. */
START_TEST(test_large_fetch)
{
    enum { PARTS = 9, BYTES = 300 * 1000 };
    static char value[BYTES];
    ri_kafka_fetch_request_partition parts[PARTS];
    kclient_created(&c, "t", PARTS);
    for (int i = 0; i < PARTS; i++) {
        memset(value, 'a' + i, sizeof value);
        produce_begin(&p, &c.host, 0, -1, -1);
        produce_add_bytes(&p, RI_STR_NONE, (ri_str){value, i % 3 ? BYTES : 10},
                          ri_wall_ns(&c.host) / RI_MS);
        ri_str bytes = produce_end(&p);
        if (i % 4 == 3) continue; /* this one stays empty */
        ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", i, bytes)).error_code, 0);
    }
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, 0);
    for (int i = 0; i < PARTS; i++) {
        parts[i] = q->topics.items[0].partitions.items[0];
        parts[i].partition = i;
    }
    q->topics.items[0].partitions.items = parts;
    q->topics.items[0].partitions.len = PARTS;
    kclient_put(&c, RI_KAFKA_FETCH, 12, q);
    kclient_send(&c, RI_KAFKA_FETCH, 4, q);
    for (int k = 0; k < 2; k++) {
        ri_kafka_fetch_answer *a = kclient_read(&c, RI_KAFKA_FETCH, k ? 4 : 12);
        for (int i = 0; i < PARTS; i++) {
            ri_str records = a->topics.items[0].partitions.items[i].records;
            size_t least = i % 4 == 3 ? 0 : i % 3 ? BYTES : 10;
            ck_assert_uint_ge(records.len, least);
            if (least == 0) ck_assert_uint_eq(records.len, 0);
            else ck_assert_ptr_nonnull(memchr(records.ptr + RI_KAFKA_BATCH_HEADER, 'a' + i,
                                              records.len - RI_KAFKA_BATCH_HEADER));
        }
    }
}
END_TEST

START_TEST(test_fetch)
{
    kclient_created(&c, "t", 1);
    ck_assert_int_eq(kclient_fetched(&c, 11, kclient_fetch("t", 0, 0, 0)).records.len, 0);
    sent("t", 2);
    size_t first = p.plain.len;
    sent("t", 3);
    ri_kafka_fetch_answer_partition f = kclient_fetched(&c, 11, kclient_fetch("t", 0, 0, 0));
    ck_assert_int_eq(f.high_watermark, 5);
    ck_assert_int_eq(f.last_stable_offset, 5);
    ck_assert_int_eq(f.log_start_offset, 0);
    ck_assert_uint_eq(f.records.len, first + p.plain.len);
    ck_assert_ptr_null(f.aborted_transactions.items);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 1, 0);
    q->max_bytes = 1;
    q->isolation_level = 1;
    f = kclient_fetched(&c, 11, q);
    ck_assert_uint_eq(f.records.len, first); /* whole, though it is larger */
    ck_assert_ptr_nonnull(f.aborted_transactions.items);
    f = kclient_fetched(&c, 11, kclient_fetch("t", 0, 6, 0));
    ck_assert_int_eq(f.error_code, RI_KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(f.high_watermark, -1);
    ck_assert_ptr_nonnull(f.records.ptr);
    f = kclient_fetched(&c, 11, kclient_fetch("t", 1, 0, 1000));
    ck_assert_int_eq(f.error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    q = kclient_fetch("t", 0, 0, 0);
    q->topics.items[0].partitions.items[0].current_leader_epoch = 3;
    ck_assert_int_eq(kclient_fetched(&c, 11, q).error_code, RI_KAFKA_E_UNKNOWN_EPOCH);
    q = kclient_fetch("t", 0, 0, 0);
    q->session_id = 7;
    q->session_epoch = 1;
    ri_kafka_fetch_answer *a = kclient_ask(&c, RI_KAFKA_FETCH, 11, q);
    ck_assert_int_eq(a->error_code, RI_KAFKA_E_NO_SESSION);
}
END_TEST

static int64_t now_ms(void)
{
    return ri_mono_ns(&c.host) / RI_MS;
}

/* It waits for records, or for its time, or until the topic goes. */
START_TEST(test_parked)
{
    kclient other;
    kclient_created(&c, "t", 1);
    kclient_open(&other, port);
    int64_t before_ms = now_ms();
    ri_kafka_fetch_answer_partition f = kclient_fetched(&other, 11, kclient_fetch("t", 0, 0, 150));
    ck_assert_int_eq(f.error_code, 0);
    ck_assert_uint_eq(f.records.len, 0);
    ck_assert_int_ge(now_ms() - before_ms, 149);
    kclient_send(&other, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 0, WAIT_MS));
    kclient_send(&other, RI_KAFKA_METADATA, 9, kclient_metadata("t")); /* which waits behind it */
    ri_str frame;
    ck_assert(!kclient_frame(&other, 50, &frame));
    sent("t", 2);
    ri_kafka_fetch_answer *a = kclient_read(&other, RI_KAFKA_FETCH, 11);
    ck_assert_uint_eq(a->topics.items[0].partitions.items[0].records.len, p.plain.len);
    kclient_read(&other, RI_KAFKA_METADATA, 9);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 2, WAIT_MS);
    q->min_bytes = 2 * (int32_t)p.plain.len;
    kclient_send(&other, RI_KAFKA_FETCH, 11, q);
    sent("t", 2);
    ck_assert(!kclient_frame(&other, 50, &frame)); /* not enough yet */
    sent("t", 2);
    a = kclient_read(&other, RI_KAFKA_FETCH, 11);
    ck_assert_uint_eq(a->topics.items[0].partitions.items[0].records.len, 2 * p.plain.len);
    kclient_send(&other, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 6, WAIT_MS));
    ck_assert(!kclient_frame(&other, 50, &frame));
    kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 4, kclient_delete("t"));
    a = kclient_read(&other, RI_KAFKA_FETCH, 11);
    ck_assert_int_eq(a->topics.items[0].partitions.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    kclient_close(&other);
}
END_TEST

/* A crowd that waits for one record; some of it goes before; the broker closes over the rest. */
START_TEST(test_crowd)
{
    enum { CROWD = 200 };
    static kclient crowd[CROWD];
    kclient_created(&c, "t", 1);
    for (int i = 0; i < CROWD; i++) {
        kclient_open(&crowd[i], port);
        kclient_send(&crowd[i], RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 0, 60000));
    }
    for (int i = 0; i < CROWD; i += 4) kclient_close(&crowd[i]);
    sent("t", 1);
    for (int i = 0; i < CROWD; i++) {
        if (i % 4 == 0) continue;
        ri_kafka_fetch_answer *a = kclient_read(&crowd[i], RI_KAFKA_FETCH, 11);
        ck_assert_uint_eq(a->topics.items[0].partitions.items[0].records.len, p.plain.len);
        kclient_send(&crowd[i], RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 1, 60000));
    }
    kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("t"));
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    for (int i = 0; i < CROWD; i++) {
        if (i % 4 == 0) continue;
        ck_assert(kclient_ended(&crowd[i]));
        kclient_close(&crowd[i]);
    }
    ck_assert_ok(rill_broker_open(&broker, NULL)); /* for the teardown */
}
END_TEST

/* Who reads no answer makes the broker keep one, and no more. */
START_TEST(test_never_reads)
{
    enum { BYTES = 900 * 1000, ASKED = 48 };
    static char value[BYTES];
    kclient deaf;
    kclient_created(&c, "t", 1);
    memset(value, 'x', sizeof value);
    produce_begin(&p, &c.host, 0, -1, -1);
    produce_add_bytes(&p, RI_STR_NONE, (ri_str){value, BYTES}, ri_wall_ns(&c.host) / RI_MS);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p))).error_code,
                     0);
    kclient_open(&deaf, port);
    int small = 64 << 10;
    setsockopt(deaf.p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < ASKED; i++)
        kclient_put(&deaf, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, 0, 0));
    kclient_flush(&deaf);
    for (int i = 0; i < 20; i++) sent("t", 1); /* others go on */
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_broker_stats(broker, &stats));
    ck_assert_uint_lt(stats.memory_bytes, 20 << 20);
    for (int i = 0; i < ASKED; i++) {
        ri_kafka_fetch_answer *a = kclient_read(&deaf, RI_KAFKA_FETCH, 11);
        ck_assert_uint_ge(a->topics.items[0].partitions.items[0].records.len, BYTES);
        ri_arena_fini(&deaf.arena);
        ri_arena_init(&deaf.arena, &deaf.host);
    }
    kclient_close(&deaf);
}
END_TEST

/* ---- Offsets ---- */

START_TEST(test_offsets)
{
    kclient_created(&c, "t", 1);
    int64_t base_ms = ri_wall_ns(&c.host) / RI_MS - 1000;
    for (int i = 0; i < 3; i++) {
        produce_begin(&p, &c.host, i == 1 ? RI_KAFKA_CODEC_GZIP : 0, -1, -1);
        for (int k = 0; k < 3; k++) produce_add(&p, "k", "v", NULL, base_ms + 100 * i + 10 * k);
        kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p)));
    }
    static const struct { int64_t after_ms, offset, found_ms; } rows[] = {
        {-5, 0, 0}, {0, 0, 0}, {1, 1, 10}, {110, 4, 110}, {111, 5, 120}, {121, 6, 200},
        {220, 8, 220}, {221, -1, -1},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_kafka_list_offsets_answer_partition a =
            kclient_listed(&c, 7, kclient_offsets("t", 0, base_ms + rows[i].after_ms));
        ck_assert_int_eq(a.error_code, 0);
        ck_assert_int_eq(a.offset, rows[i].offset);
        ck_assert_int_eq(a.timestamp, rows[i].offset < 0 ? -1 : base_ms + rows[i].found_ms);
    }
    ri_kafka_list_offsets_answer_partition a = kclient_listed(&c, 7, kclient_offsets("t", 0, -3));
    ck_assert_int_eq(a.offset, 8);
    ck_assert_int_eq(a.timestamp, base_ms + 220);
    ck_assert_int_eq(kclient_listed(&c, 6, kclient_offsets("t", 0, -3)).error_code,
                     RI_KAFKA_E_UNSUPPORTED_VERSION);
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -99)).error_code,
                     RI_KAFKA_E_UNSUPPORTED_VERSION);
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -1)).offset, 9);
    ri_kafka_delete_records_request_partition part = {0, 4};
    ri_kafka_delete_records_request_topic topic = {RI_STR("t"), {&part, 1}};
    ri_kafka_delete_records_request q = {.topics = {&topic, 1}};
    ri_kafka_delete_records_answer *d = kclient_ask(&c, RI_KAFKA_DELETE_RECORDS, 2, &q);
    ck_assert_int_eq(d->topics.items[0].partitions.items[0].low_watermark, 4);
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -2)).offset, 4);
    part.offset = 10;
    d = kclient_ask(&c, RI_KAFKA_DELETE_RECORDS, 2, &q);
    ck_assert_int_eq(d->topics.items[0].partitions.items[0].error_code,
                     RI_KAFKA_E_OFFSET_OUT_OF_RANGE);
    part.offset = -1;
    d = kclient_ask(&c, RI_KAFKA_DELETE_RECORDS, 2, &q);
    ck_assert_int_eq(d->topics.items[0].partitions.items[0].low_watermark, 9);
    ck_assert_int_eq(kclient_fetched(&c, 11, kclient_fetch("t", 0, 3, 0)).error_code,
                     RI_KAFKA_E_OFFSET_OUT_OF_RANGE);
}
END_TEST

/* ---- Both doors ---- */

START_TEST(test_both_doors)
{
    rill_bus *bus;
    const rill_msg *m;
    rill_sub *sub;
    kclient_created(&c, "t", 2);
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_ok(rill_append(bus, "t", "from here", 9, NULL, NULL, WAIT_MS));
    ri_kafka_fetch_answer_partition f = kclient_fetched(&c, 11, kclient_fetch("t", 0, 0, 0));
    ri_kafka_batch b;
    ri_kafka_records it;
    ri_kafka_record r;
    ck_assert_int_gt(ri_kafka_batch_parse(f.records, f.records.len, &b), 0);
    ri_kafka_records_init(&it, &b, b.records);
    ck_assert_int_eq(ri_kafka_records_next(&it, &r), 1);
    ck_assert_span(r.value, "from here");
    sent("t", 2);
    ck_assert_ok(rill_tail(bus, &sub, "t", NULL));
    ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_span(m->data, "from here");
    ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_span(m->data, "v0");
    ck_assert_uint_eq(m->seq, 2);
    ck_assert_span(m->subject, "t");
    rill_sub_close(sub);
    /* A stream that was not made for batches is read, and not written. */
    ck_assert_int_eq(rill_stream_ensure(bus, "S",
                                        RILL_OPTS(rill_stream_opts, .subjects = "s.*")), 1);
    ck_assert_ok(rill_append(bus, "s.key", "x", 1, NULL, NULL, WAIT_MS));
    f = kclient_fetched(&c, 11, kclient_fetch("S", 0, 0, 0));
    ck_assert_int_gt(ri_kafka_batch_parse(f.records, f.records.len, &b), 0);
    ri_kafka_records_init(&it, &b, b.records);
    ck_assert_int_eq(ri_kafka_records_next(&it, &r), 1);
    ck_assert_span(r.key, "key");
    ri_kafka_produce_answer_partition a = kclient_produced(&c, 9,
                                                           kclient_produce("S", 0, batch(1)));
    ck_assert_int_eq(a.error_code, RI_KAFKA_E_POLICY);
    ck_assert_span(a.error_message, "stream S takes no record batches: it was made without the "
                                    "metadata rill.batches");
    ck_assert_ok(rill_close(bus, WAIT_MS));
}
END_TEST

static void hears(rill_sub *sub, const char *subject, const char *data)
{
    const rill_msg *m;
    ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_span(m->subject, subject);
    ck_assert_span(m->data, data);
}

/* Live subscribers hear each record of a batch, once it is stored, and once. */
START_TEST(test_live)
{
    rill_bus *bus;
    const rill_msg *m;
    rill_sub *sub, *all, *worker;
    rill_str key;
    kclient_created(&c, "t", 2);
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_ok(rill_subscribe(bus, &sub, "t", NULL));
    ck_assert_ok(rill_subscribe(bus, &all, ">", NULL));
    ck_assert_ok(rill_subscribe(bus, &worker, "t", RILL_OPTS(rill_sub_opts, .group = "w")));
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_GZIP, -1, -1);
    int64_t now_ms = ri_wall_ns(&c.host) / RI_MS;
    produce_add(&p, "k", "packed", NULL, now_ms);
    produce_add(&p, NULL, "too", NULL, now_ms);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p))).error_code,
                     0);
    ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_span(m->data, "packed");
    ck_assert_int_eq(rill_header_get(m, "Kafka-Key", &key), 1);
    ck_assert_span(key, "k");
    hears(sub, "t", "too");
    hears(all, "t", "packed");
    hears(all, "t", "too");
    hears(worker, "t", "packed");
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 1, batch(1))).error_code, 0);
    hears(all, "t.~1", "v0");
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_EAGAIN);
    /* It is stored once: what was published by the way is no message of the stream again. */
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -1)).offset, 2);
    /* A batch that its producer sends twice is heard once. */
    kclient_produced(&c, 9, kclient_produce("t", 0, batch_of(1, 7, 0)));
    kclient_produced(&c, 9, kclient_produce("t", 0, batch_of(1, 7, 0)));
    hears(sub, "t", "v0");
    sent("t", 3);
    for (int i = 0; i < 3; i++) hears(sub, "t", (const char *[]){"v0", "v1", "v2"}[i]);
    sent("t", 9000); /* in slices of the turn, all and in order */
    for (int i = 0; i < 9000; i++) {
        char value[16];
        hears(sub, "t", (snprintf(value, sizeof value, "v%d", i), value));
    }
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_EAGAIN);
    for (int i = 0; i < 3; i++) rill_sub_close((rill_sub *[]){sub, all, worker}[i]);
    ck_assert_ok(rill_close(bus, WAIT_MS));
}
END_TEST

/* ---- On disk ---- */

/* What was acknowledged is there after a restart: records, topics with their ids, producers. */
START_TEST(test_restart)
{
    char dir[SCRATCH_LEN];
    stop();
    scratch_make(dir);
    const rill_broker_opts *opts = RILL_OPTS(rill_broker_opts, .dir = dir);
    start(opts, NULL);
    kclient_created(&c, "t", 2);
    ri_str one = batch_of(2, 4711, 0);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, one)).base_offset, 0);
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
    ri_kafka_uuid id = m->topics.items[0].topic_id;
    char cluster[32];
    snprintf(cluster, sizeof cluster, "%.*s", RI_ARG(m->cluster_id));
    stop();
    start(opts, NULL);
    m = kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
    ck_assert_uint_eq(m->topics.items[0].partitions.len, 2);
    ck_assert_mem_eq(&m->topics.items[0].topic_id, &id, sizeof id);
    ck_assert_span(m->cluster_id, cluster);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, one)).base_offset, 0);
    one = batch_of(1, 4711, 2);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, one)).base_offset, 2);
    ck_assert_int_eq(kclient_listed(&c, 7, kclient_offsets("t", 0, -1)).offset, 3);
    stop();
    scratch_remove(dir);
    start(NULL, NULL); /* for the teardown */
}
END_TEST

/* Listening again where the door listens changes what is so there. */
START_TEST(test_listen_again)
{
    char url[64];
    snprintf(url, sizeof url, "kafka://127.0.0.1:%d", port);
    ck_assert_rc(rill_broker_listen(broker, url, RILL_OPTS(rill_listen_opts, .partitions = 1001)),
                 RILL_EINVAL);
    const rill_tls *absent = RILL_OPTS(rill_tls, .cert_file = "cert", .key_file = "key");
    ck_assert_rc(rill_broker_listen(broker, url, RILL_OPTS(rill_listen_opts, .tls = absent)),
                 RILL_EIO);
    ck_assert_int_eq(rill_broker_listen(broker, url, RILL_OPTS(rill_listen_opts, .partitions = 3,
                                                               .advertise = "name:77")), port);
    ri_kafka_metadata_request *q = kclient_metadata("t");
    q->allow_auto_topic_creation = true;
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 9, q);
    ck_assert_uint_eq(m->topics.items[0].partitions.len, 3);
    ck_assert_span(m->brokers.items[0].host, "name");
    ck_assert_int_eq(m->brokers.items[0].port, 77);
}
END_TEST

START_TEST(test_credentials)
{
    stop();
    ck_assert_ok(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .token = "secret")));
    ck_assert_rc(rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL), RILL_ENOTSUP);
    ck_assert_str_eq(rill_errmsg(), "kafka:// asks nobody for credentials, and this broker wants "
                                    "them");
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    start(NULL, NULL);
    ck_assert_ok(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .token = "secret")));
    ck_assert(kclient_ended(&c));
    kclient_close(&c);
    kclient_open(&c, port);
    ck_assert(kclient_ended(&c));
}
END_TEST

START_TEST(test_conns)
{
    kclient other;
    kclient_ask(&c, RI_KAFKA_METADATA, 9, kclient_metadata("t"));
    ck_assert_ok(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .max_conns = 1)));
    kclient_open(&other, port);
    ck_assert(kclient_ended(&other));
    kclient_close(&other);
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_broker_stats(broker, &stats));
    ck_assert_uint_ge(stats.conns_total, 2);
    ck_assert_ok(rill_broker_lame_duck(broker, 0, 0));
    ck_assert(kclient_ended(&c));
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(
        setup, teardown, test_versions, test_too_new, test_refused, test_split, test_topics,
        test_many_partitions, test_auto_create,
        test_overlap, test_produce_refused, test_producers,
        test_no_acks, test_pipeline, test_long_pipeline, test_large_produce, test_fetch,
        test_large_fetch,
        test_parked, test_crowd, test_never_reads, test_offsets, test_both_doors, test_live,
        test_restart, test_listen_again, test_credentials, test_conns)};
    return suite_run("kafka_server", rows, RI_LEN(rows), CK_FORK_GETENV);
}
