/* SPDX-License-Identifier: Apache-2.0 */
/* Settings at the Kafka door, and what tools ask of a cluster: what is set is told again, is what
 * the stream does, and outlasts a restart; what is wrong leaves the topic as it was. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_catalog.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_errors.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static rill_bus *bus;
static int port;
static kclient c;

static void start(const char *dir)
{
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, dir ? &(ri_durable_opts){.dir = dir} : NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", &(rill_listen_opts){
                                  .size = sizeof(rill_listen_opts), .partitions = 7});
    ck_assert_msg(port > 0, "%s", ri_err_text());
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    kclient_open(&c, port);
}

static void stop(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}

static void setup(void)
{
    start(NULL);
}

/* ---- Describing ---- */

static const ri_kafka_describe_configs_answer_result *describe(int type, const char *name,
                                                               ri_str *keys, uint32_t nkeys)
{
    KCLIENT_BLANK(describe_configs_request, q);
    ri_kafka_describe_configs_request_resource of = {(int8_t)type, ri_str_of(name),
                                                     {keys, nkeys}};
    KCLIENT_ONE(q.resources, &of);
    q.include_synonyms = true;
    ri_kafka_describe_configs_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_CONFIGS, 4, &q);
    ck_assert_uint_eq(a->results.len, 1);
    ck_assert_span(a->results.items[0].resource_name, name);
    return &a->results.items[0];
}

static const ri_kafka_describe_configs_answer_config *find(
    const ri_kafka_describe_configs_answer_result *result, const char *name)
{
    for (uint32_t i = 0; i < result->configs.len; i++)
        if (ri_str_is(result->configs.items[i].name, name)) return &result->configs.items[i];
    ck_abort_msg("no setting %s is told", name);
}

static void is(const char *topic, const char *name, const char *value, int source)
{
    ri_str key = ri_str_of(name);
    const ri_kafka_describe_configs_answer_result *r =
        describe(RI_KAFKA_RESOURCE_TOPIC, topic, &key, 1);
    ck_assert_int_eq(r->error_code, 0);
    ck_assert_uint_eq(r->configs.len, 1);
    ck_assert_span(r->configs.items[0].value, value);
    ck_assert_int_eq(r->configs.items[0].config_source, source);
}

START_TEST(test_described)
{
    size_t n = 0;
    kclient_created(&c, "t", 1);
    while (ri_kafka_config_at(n)) n++;
    const ri_kafka_describe_configs_answer_result *r =
        describe(RI_KAFKA_RESOURCE_TOPIC, "t", NULL, 0);
    ck_assert_uint_eq(r->configs.len, n);
    const ri_kafka_describe_configs_answer_config *s = find(r, "max.message.bytes");
    ck_assert_span(s->value, "1048588");
    ck_assert_int_eq(s->config_source, RI_KAFKA_CONFIG_DEFAULT);
    ck_assert_int_eq(s->config_type, RI_KAFKA_CONFIG_INT);
    ck_assert(!s->read_only);
    ck_assert_uint_eq(s->synonyms.len, 1);
    ck_assert_span(s->synonyms.items[0].name, "message.max.bytes");
    ri_str keys[] = {RI_STR("retention.ms"), RI_STR("nope")};
    ck_assert_uint_eq(describe(RI_KAFKA_RESOURCE_TOPIC, "t", keys, 2)->configs.len, 1);
    r = describe(RI_KAFKA_RESOURCE_TOPIC, "nope", NULL, 0);
    ck_assert_int_eq(r->error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(describe(RI_KAFKA_RESOURCE_TOPIC, "", NULL, 0)->error_code,
                     RI_KAFKA_E_INVALID_TOPIC);
    ck_assert_int_eq(describe(16, "metrics", NULL, 0)->error_code, RI_KAFKA_E_INVALID_REQUEST);
}
END_TEST

START_TEST(test_of_the_broker)
{
    char text[64];
    const ri_kafka_describe_configs_answer_result *r =
        describe(RI_KAFKA_RESOURCE_BROKER, "1", NULL, 0);
    ck_assert_int_eq(r->error_code, 0);
    ck_assert_span(find(r, "num.partitions")->value, "7");
    ck_assert_span(find(r, "auto.create.topics.enable")->value, "true");
    ck_assert_span(find(r, "message.max.bytes")->value, "1048588");
    ck_assert_span(find(r, "offsets.retention.minutes")->value, "10080");
    ck_assert_int_eq(find(r, "offsets.retention.minutes")->config_type, RI_KAFKA_CONFIG_INT);
    ck_assert_int_eq(find(r, "offsets.retention.check.interval.ms")->config_type,
                     RI_KAFKA_CONFIG_LONG);
    ck_assert(find(r, "node.id")->read_only);
    snprintf(text, sizeof text, "PLAINTEXT://127.0.0.1:%d", port);
    ck_assert_span(find(r, "advertised.listeners")->value, text);
    for (uint32_t i = 0; i < r->configs.len; i++) /* each once */
        for (uint32_t k = 0; k < i; k++)
            ck_assert(!ri_str_eq(r->configs.items[i].name, r->configs.items[k].name));
    r = describe(RI_KAFKA_RESOURCE_BROKER, "2", NULL, 0);
    ck_assert_int_eq(r->error_code, RI_KAFKA_E_INVALID_REQUEST);
    r = describe(RI_KAFKA_RESOURCE_BROKER, "", NULL, 0);
    ck_assert_int_eq(r->error_code, 0);
    ck_assert_uint_eq(r->configs.len, 0);
    r = describe(RI_KAFKA_RESOURCE_GROUP, "g", NULL, 0);
    ck_assert_span(find(r, "consumer.session.timeout.ms")->value, "45000");
    KCLIENT_BLANK(list_config_resources_request, q);
    kclient_created(&c, "t", 2);
    ri_kafka_list_config_resources_answer *a =
        kclient_ask(&c, RI_KAFKA_LIST_CONFIG_RESOURCES, 1, &q);
    ck_assert_uint_eq(a->resources.len, 2);
    ck_assert_span(a->resources.items[1].resource_name, "t");
    a = kclient_ask(&c, RI_KAFKA_LIST_CONFIG_RESOURCES, 0, &q);
    ck_assert_uint_eq(a->resources.len, 0);
}
END_TEST

/* ---- Altering ---- */

enum { SET, DELETE, APPEND, SUBTRACT };

static bool only_check;

static ri_kafka_alter_configs_answer_response change(int type, const char *topic, const char *name,
                                                     int op, const char *value)
{
    KCLIENT_BLANK(incremental_alter_configs_request, q);
    ri_kafka_incremental_alter_configs_request_config one = {
        ri_str_of(name), (int8_t)op, value ? ri_str_of(value) : RI_STR_NONE};
    ri_kafka_incremental_alter_configs_request_resource of = {(int8_t)type, ri_str_of(topic),
                                                              {&one, 1}};
    KCLIENT_ONE(q.resources, &of);
    q.validate_only = only_check;
    ri_kafka_incremental_alter_configs_answer *a =
        kclient_ask(&c, RI_KAFKA_INCREMENTAL_ALTER_CONFIGS, 1, &q);
    ck_assert_uint_eq(a->responses.len, 1);
    ck_assert_int_eq(a->responses.items[0].resource_type, type);
    return a->responses.items[0];
}

static int changed(const char *topic, const char *name, int op, const char *value)
{
    ri_kafka_alter_configs_answer_response a = change(RI_KAFKA_RESOURCE_TOPIC, topic, name, op,
                                                      value);
    ck_assert_int_eq(a.error_code != 0, a.error_message.len > 0);
    return a.error_code;
}

/* What a stream does; the spans are not looked at. */
static ri_stream_conf conf_of(const char *stream)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    ri_stream *s = ri_js_stream(ri_durable_js(b->durable), ri_str_of(stream));
    ck_assert_ptr_nonnull(s);
    ri_stream_conf conf = *ri_stream_conf_of(s);
    ri_broker_leave(b);
    return conf;
}

static int64_t age_ms(const char *stream)
{
    return conf_of(stream).max_age / RI_MS;
}

START_TEST(test_incremental)
{
    kclient_created(&c, "t", 3);
    ck_assert_int_eq(changed("t", "retention.ms", SET, "5000"), 0);
    is("t", "retention.ms", "5000", RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(age_ms("t"), 5000);
    ck_assert_int_eq(age_ms("t~2"), 5000);
    ck_assert_int_eq(changed("t", "max.message.bytes", SET, "2000"), 0);
    is("t", "retention.ms", "5000", RI_KAFKA_CONFIG_TOPIC); /* others stay */
    ck_assert_int_eq(changed("t", "cleanup.policy", APPEND, "compact"), 0);
    is("t", "cleanup.policy", "delete,compact", RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(changed("t", "cleanup.policy", APPEND, "compact"), 0);
    is("t", "cleanup.policy", "delete,compact", RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(changed("t", "cleanup.policy", SUBTRACT, "delete"), 0);
    is("t", "cleanup.policy", "compact", RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(age_ms("t~1"), 0); /* none leaves for its age */
    ck_assert_int_eq(changed("t", "cleanup.policy", DELETE, NULL), 0);
    is("t", "cleanup.policy", "delete", RI_KAFKA_CONFIG_DEFAULT);
    ck_assert_int_eq(age_ms("t~1"), 5000);
    ck_assert_int_eq(changed("t", "cleanup.policy", DELETE, NULL), 0); /* it is not there */
}
END_TEST

START_TEST(test_refused)
{
    kclient_created(&c, "t", 1);
    ck_assert_int_eq(changed("t", "retention.ms", APPEND, "1"), RI_KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(changed("t", "retention.ms", SUBTRACT, "1"), RI_KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(changed("t", "retention.ms", SET, "soon"), RI_KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(changed("t", "retention.ms", SET, NULL), RI_KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(changed("t", "retention.ms", 4, "1"), RI_KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(changed("t", "retention.ms", -1, "1"), RI_KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(changed("t", "no.such", SET, "1"), RI_KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(changed("t", "cleanup.policy", APPEND, "burn"), RI_KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(changed("nope", "retention.ms", SET, "1"), RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(changed("no pe", "retention.ms", SET, "1"), RI_KAFKA_E_INVALID_TOPIC);
    ck_assert_int_eq(change(RI_KAFKA_RESOURCE_BROKER, "1", "leader.replication.throttled.rate",
                            DELETE, NULL).error_code, 0);
    ck_assert_int_eq(change(RI_KAFKA_RESOURCE_BROKER, "2", "leader.replication.throttled.rate",
                            DELETE, NULL).error_code, RI_KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(change(RI_KAFKA_RESOURCE_BROKER, "1", "num.partitions", SET, "3").error_code,
                     RI_KAFKA_E_INVALID_REQUEST);
    is("t", "retention.ms", "604800000", RI_KAFKA_CONFIG_DEFAULT);
    only_check = true;
    ck_assert_int_eq(changed("t", "retention.ms", SET, "7000"), 0);
    ck_assert_int_eq(changed("t", "retention.ms", SET, "x"), RI_KAFKA_E_INVALID_CONFIG);
    only_check = false;
    is("t", "retention.ms", "604800000", RI_KAFKA_CONFIG_DEFAULT);
    KCLIENT_BLANK(incremental_alter_configs_request, q);
    ri_kafka_incremental_alter_configs_request_config twins[] = {
        {RI_STR("retention.ms"), SET, RI_STR("1000")}, {RI_STR("retention.ms"), SET, RI_STR("2")}};
    ri_kafka_incremental_alter_configs_request_resource of = {RI_KAFKA_RESOURCE_TOPIC, RI_STR("t"),
                                                              {twins, 2}};
    KCLIENT_ONE(q.resources, &of);
    ri_kafka_incremental_alter_configs_answer *a =
        kclient_ask(&c, RI_KAFKA_INCREMENTAL_ALTER_CONFIGS, 0, &q);
    ck_assert_int_eq(a->responses.items[0].error_code, RI_KAFKA_E_INVALID_REQUEST);
}
END_TEST

/* Those that are not named become what they are by default; and a restart keeps what was set. */
START_TEST(test_replaced)
{
    char dir[SCRATCH_LEN];
    stop();
    scratch_make(dir);
    start(dir);
    kclient_created(&c, "my.topic", 2);
    ck_assert_int_eq(changed("my.topic", "retention.ms", SET, "5000"), 0);
    KCLIENT_BLANK(alter_configs_request, q);
    ri_kafka_alter_configs_request_config one = {RI_STR("max.message.bytes"), RI_STR("100000")};
    ri_kafka_alter_configs_request_resource of = {RI_KAFKA_RESOURCE_TOPIC, RI_STR("my.topic"),
                                                  {&one, 1}};
    KCLIENT_ONE(q.resources, &of);
    ri_kafka_alter_configs_answer *a = kclient_ask(&c, RI_KAFKA_ALTER_CONFIGS, 2, &q);
    ck_assert_int_eq(a->responses.items[0].error_code, 0);
    is("my.topic", "retention.ms", "604800000", RI_KAFKA_CONFIG_DEFAULT);
    is("my.topic", "max.message.bytes", "100000", RI_KAFKA_CONFIG_TOPIC);
    stop();
    start(dir);
    is("my.topic", "max.message.bytes", "100000", RI_KAFKA_CONFIG_TOPIC);
    is("my.topic", "retention.ms", "604800000", RI_KAFKA_CONFIG_DEFAULT);
    stop();
    scratch_remove(dir);
    start(NULL);
}
END_TEST

/* A stream of another door shows what it does, and what is not asked for stays. */
START_TEST(test_of_another_door)
{
    ck_assert_int_eq(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts,
                                                            .max_age_ms = 60000,
                                                            .max_bytes = 4096)), 1);
    is("S", "retention.ms", "60000", RI_KAFKA_CONFIG_TOPIC);
    is("S", "retention.bytes", "4096", RI_KAFKA_CONFIG_TOPIC);
    is("S", "message.timestamp.type", "LogAppendTime", RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(changed("S", "retention.bytes", SET, "8192"), 0);
    ck_assert_int_eq(age_ms("S"), 60000);
    ck_assert_int_eq(conf_of("S").max_bytes, 8192);
    kclient_created(&c, "t", 1);
    ck_assert_int_eq(changed("t", "retention.ms", SET, "50"), 0); /* no stream has so short a one */
    is("t", "retention.ms", "50", RI_KAFKA_CONFIG_TOPIC);
}
END_TEST

/* ---- What tools ask for ---- */

START_TEST(test_pages)
{
    kclient_created(&c, "b", 3);
    kclient_created(&c, "a", 2);
    KCLIENT_BLANK(describe_topic_partitions_request, q);
    ri_kafka_describe_topic_partitions_request_topic topics[] = {
        {RI_STR("b")}, {RI_STR("nope")}, {RI_STR("a")}, {RI_STR("a")}};
    q.topics.items = topics;
    q.topics.len = 4;
    q.response_partition_limit = 3;
    ri_kafka_describe_topic_partitions_answer *a =
        kclient_ask(&c, RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, &q);
    ck_assert_uint_eq(a->topics.len, 2);
    ck_assert_span(a->topics.items[0].name, "a");
    ck_assert_uint_eq(a->topics.items[0].partitions.len, 2);
    ck_assert_uint_eq(a->topics.items[1].partitions.len, 1);
    ck_assert_ptr_nonnull(a->next_cursor);
    ck_assert_span(a->next_cursor->topic_name, "b");
    ck_assert_int_eq(a->next_cursor->partition_index, 1);
    q.cursor = a->next_cursor;
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, &q);
    ck_assert_uint_eq(a->topics.len, 2);
    ck_assert_uint_eq(a->topics.items[0].partitions.len, 2);
    ck_assert_int_eq(a->topics.items[0].partitions.items[1].partition_index, 2);
    ck_assert_int_eq(a->topics.items[1].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_ptr_null(a->next_cursor);
    q.topics.len = 0; /* all */
    q.cursor = NULL;
    q.response_partition_limit = 2000;
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, &q);
    ck_assert_uint_eq(a->topics.len, 2);
    ri_kafka_describe_topic_partitions_cursor wrong = {RI_STR("a"), -1};
    q.cursor = &wrong;
    kclient_send(&c, RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, &q);
    ck_assert(kclient_ended(&c));
}
END_TEST

START_TEST(test_directories)
{
    kclient_created(&c, "t", 2);
    KCLIENT_BLANK(describe_log_dirs_request, q);
    ri_kafka_describe_log_dirs_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_LOG_DIRS, 4, &q);
    ck_assert_uint_eq(a->results.len, 1);
    ck_assert_span(a->results.items[0].log_dir, "memory");
    ck_assert_uint_eq(a->results.items[0].topics.len, 1);
    ck_assert_uint_eq(a->results.items[0].topics.items[0].partitions.len, 2);
    int64_t empty = a->results.items[0].topics.items[0].partitions.items[0].partition_size;
    ck_assert_ok(rill_publish(bus, "t", "hello", 5, NULL));
    ck_assert_ok(rill_flush(bus, WAIT_MS));
    int32_t partitions[] = {0, 9};
    ri_kafka_describe_log_dirs_request_topic named[] = {{RI_STR("t"), {partitions, 2}},
                                                        {RI_STR("nope"), {partitions, 1}}};
    q.topics.items = named;
    q.topics.len = 2;
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_LOG_DIRS, 1, &q);
    ck_assert_uint_eq(a->results.items[0].topics.items[0].partitions.len, 1);
    ck_assert_int_gt(a->results.items[0].topics.items[0].partitions.items[0].partition_size,
                     empty);
    ck_assert_uint_eq(a->results.items[0].topics.items[1].partitions.len, 0);
}
END_TEST

/* Where all replicas are one may be moved, and nowhere else. */
START_TEST(test_moved)
{
    kclient_created(&c, "t", 2);
    int32_t partitions[] = {1, 9}, first[] = {0};
    ri_kafka_alter_replica_log_dirs_request_topic here[] = {{RI_STR("t"), {partitions, 2}},
                                                            {RI_STR("nope"), {first, 1}}};
    ri_kafka_alter_replica_log_dirs_request_topic away = {RI_STR("t"), {first, 1}};
    ri_kafka_alter_replica_log_dirs_request_dir dirs[] = {
        {RI_STR("memory"), {here, 2}}, {RI_STR("/none"), {NULL, 0}}, {RI_STR("/away"), {&away, 1}}};
    KCLIENT_BLANK(alter_replica_log_dirs_request, q);
    q.dirs.items = dirs;
    q.dirs.len = 3;
    for (int16_t version = 1; version <= 2; version++) {
        ri_kafka_alter_replica_log_dirs_answer *a =
            kclient_ask(&c, RI_KAFKA_ALTER_REPLICA_LOG_DIRS, version, &q);
        ck_assert_uint_eq(a->results.len, 3);
        const ri_kafka_alter_replica_log_dirs_answer_result *t = a->results.items;
        ck_assert_span(t[0].topic_name, "t");
        ck_assert_uint_eq(t[0].partitions.len, 2);
        ck_assert_int_eq(t[0].partitions.items[0].partition_index, 1);
        ck_assert_int_eq(t[0].partitions.items[0].error_code, 0);
        ck_assert_int_eq(t[0].partitions.items[1].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
        ck_assert_int_eq(t[1].partitions.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
        ck_assert_int_eq(t[2].partitions.items[0].error_code, RI_KAFKA_E_NO_LOG_DIR);
    }
}
END_TEST

START_TEST(test_quorum)
{
    KCLIENT_BLANK(describe_quorum_request, q);
    ri_kafka_describe_quorum_request_partition zero = {0}, one = {1};
    ri_kafka_describe_quorum_request_topic metadata = {RI_STR("__cluster_metadata"), {&zero, 1}};
    KCLIENT_ONE(q.topics, &metadata);
    ri_kafka_describe_quorum_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_QUORUM, 2, &q);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert_uint_eq(a->nodes.len, 1);
    ck_assert_int_eq(a->nodes.items[0].node_id, 1);
    ck_assert_int_eq(a->nodes.items[0].listeners.items[0].port, port);
    const ri_kafka_describe_quorum_answer_partition *p = a->topics.items[0].partitions.items;
    ck_assert_int_eq(p->error_code, 0);
    ck_assert_int_eq(p->leader_id, 1);
    ck_assert_uint_eq(p->current_voters.len, 1);
    ck_assert_int_eq(p->current_voters.items[0].replica_id, 1);
    ck_assert_int_eq(p->current_voters.items[0].log_end_offset, p->high_watermark);
    ck_assert_int_gt(p->current_voters.items[0].last_caught_up_timestamp, 0);
    ck_assert_uint_eq(p->observers.len, 0);
    int64_t before = p->high_watermark;
    kclient_created(&c, "t", 1);
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_QUORUM, 0, &q);
    ck_assert_int_gt(a->topics.items[0].partitions.items[0].high_watermark, before);
    metadata.partitions.items = &one;
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_QUORUM, 2, &q);
    ck_assert_int_eq(a->topics.items[0].partitions.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_uint_eq(a->nodes.len, 0);
}
END_TEST

START_TEST(test_leaders)
{
    kclient_created(&c, "t", 1);
    int32_t partitions[] = {0, 1}, here[] = {1}, there[] = {2};
    KCLIENT_BLANK(elect_leaders_request, q);
    ri_kafka_elect_leaders_answer *e = kclient_ask(&c, RI_KAFKA_ELECT_LEADERS, 2, &q);
    ck_assert_uint_eq(e->topics.len, 1);
    ri_kafka_elect_leaders_request_topic t = {RI_STR("t"), {partitions, 2}};
    KCLIENT_ONE(q.topics, &t);
    e = kclient_ask(&c, RI_KAFKA_ELECT_LEADERS, 0, &q);
    ck_assert_int_eq(e->topics.items[0].partitions.items[0].error_code,
                     RI_KAFKA_E_ELECTION_NOT_NEEDED);
    ck_assert_int_eq(e->topics.items[0].partitions.items[1].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    KCLIENT_BLANK(alter_partition_reassignments_request, m);
    ri_kafka_alter_partition_reassignments_request_partition to[] = {
        {0, {here, 1}}, {0, {there, 1}}, {0, {NULL, 0}}, {1, {here, 1}}};
    ri_kafka_alter_partition_reassignments_request_topic mt = {RI_STR("t"), {to, 4}};
    KCLIENT_ONE(m.topics, &mt);
    ri_kafka_alter_partition_reassignments_answer *a =
        kclient_ask(&c, RI_KAFKA_ALTER_PARTITION_REASSIGNMENTS, 1, &m);
    const int16_t codes[] = {0, RI_KAFKA_E_INVALID_ASSIGNMENT, RI_KAFKA_E_NOT_REASSIGNING,
                             RI_KAFKA_E_UNKNOWN_TOPIC};
    for (size_t i = 0; i < RI_LEN(codes); i++)
        ck_assert_int_eq(a->responses.items[0].partitions.items[i].error_code, codes[i]);
    KCLIENT_BLANK(list_partition_reassignments_request, l);
    ri_kafka_list_partition_reassignments_answer *moving =
        kclient_ask(&c, RI_KAFKA_LIST_PARTITION_REASSIGNMENTS, 0, &l);
    ck_assert_int_eq(moving->error_code, 0);
    ck_assert_uint_eq(moving->topics.len, 0);
}
END_TEST

/* As by a Kafka whose listener has no logins, and the session goes on. */
START_TEST(test_no_login)
{
    KCLIENT_BLANK(sasl_handshake_request, hello);
    KCLIENT_BLANK(sasl_authenticate_request, login);
    hello.mechanism = RI_STR("PLAIN");
    login.auth_bytes = RI_STR("\0user\0password");
    for (int16_t v = 0; v <= 1; v++) {
        ri_kafka_sasl_handshake_answer *a = kclient_ask(&c, RI_KAFKA_SASL_HANDSHAKE, v, &hello);
        ck_assert_int_eq(a->error_code, RI_KAFKA_E_SASL_STATE);
        ck_assert_ptr_nonnull(a->mechanisms.items);
        ck_assert_uint_eq(a->mechanisms.len, 0);
    }
    for (int16_t v = 0; v <= 2; v++) {
        ri_kafka_sasl_authenticate_answer *a =
            kclient_ask(&c, RI_KAFKA_SASL_AUTHENTICATE, v, &login);
        ck_assert_int_eq(a->error_code, RI_KAFKA_E_SASL_STATE);
        ck_assert_span(a->error_message, "nobody logs in here");
        ck_assert_uint_eq(a->auth_bytes.len, 0);
        ck_assert_int_eq(a->session_lifetime_ms, 0);
    }
    kclient_created(&c, "topic", 1);
}
END_TEST

START_TEST(test_nobody)
{
    KCLIENT_BLANK(describe_acls_request, acls);
    ri_kafka_describe_acls_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_ACLS, 3, &acls);
    ck_assert_int_eq(a->error_code, RI_KAFKA_E_NO_SECURITY);
    KCLIENT_BLANK(create_acls_request, allow);
    ri_kafka_create_acls_request_creation rules[2] = {
        {2, RI_STR("t"), 3, RI_STR("User:u"), RI_STR("*"), 3, 3},
        {2, RI_STR("t"), 4, RI_STR("User:v"), RI_STR("*"), 4, 2}};
    allow.creations.items = rules;
    allow.creations.len = 2;
    KCLIENT_BLANK(delete_acls_request, disallow);
    ri_kafka_delete_acls_request_filter filter = {.resource_type_filter = 2,
                                                  .pattern_type_filter = 3, .operation = 1,
                                                  .permission_type = 1};
    KCLIENT_ONE(disallow.filters, &filter);
    for (int16_t v = 1; v <= 3; v++) {
        ri_kafka_create_acls_answer *made = kclient_ask(&c, RI_KAFKA_CREATE_ACLS, v, &allow);
        ck_assert_uint_eq(made->results.len, 2);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(made->results.items[i].error_code, RI_KAFKA_E_NO_SECURITY);
            ck_assert_span(made->results.items[i].error_message, "No Authorizer is configured.");
        }
        ri_kafka_delete_acls_answer *gone = kclient_ask(&c, RI_KAFKA_DELETE_ACLS, v, &disallow);
        ck_assert_uint_eq(gone->filter_results.len, 1);
        ck_assert_int_eq(gone->filter_results.items[0].error_code, RI_KAFKA_E_NO_SECURITY);
        ck_assert_span(gone->filter_results.items[0].error_message,
                       "No Authorizer is configured.");
        ck_assert_uint_eq(gone->filter_results.items[0].matching_acls.len, 0);
    }
    enum { TOO_MANY = RI_LIMIT_KAFKA_RULES + 1 };
    static ri_kafka_create_acls_request_creation many[TOO_MANY];
    for (int i = 0; i < TOO_MANY; i++) many[i] = rules[0];
    allow.creations.items = many;
    allow.creations.len = TOO_MANY;
    kclient_send(&c, RI_KAFKA_CREATE_ACLS, 3, &allow);
    ck_assert(kclient_ended(&c));
    kclient_close(&c);
    kclient_open(&c, port);
    KCLIENT_BLANK(describe_client_quotas_request, quotas);
    ri_kafka_describe_client_quotas_answer *q =
        kclient_ask(&c, RI_KAFKA_DESCRIBE_CLIENT_QUOTAS, 1, &quotas);
    ck_assert_ptr_nonnull(q->entries.items);
    ck_assert_uint_eq(q->entries.len, 0);
    KCLIENT_BLANK(describe_user_scram_credentials_request, users);
    ri_kafka_describe_user_scram_credentials_request_user who = {RI_STR("who")};
    KCLIENT_ONE(users.users, &who);
    ri_kafka_describe_user_scram_credentials_answer *u =
        kclient_ask(&c, RI_KAFKA_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &users);
    ck_assert_int_eq(u->results.items[0].error_code, RI_KAFKA_E_UNKNOWN_USER);
}
END_TEST

/* ---- Producers, and transactions, of which there are none ---- */

/* A batch of one record, of that producer. */
static void produce_as(produce *p, int64_t producer, int32_t sequence)
{
    produce_begin(p, &c.host, RI_KAFKA_CODEC_NONE, producer, sequence);
    produce_add(p, NULL, "v", NULL, ri_wall_ns(&c.host) / RI_MS);
    ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(p))).error_code,
                     0);
}

static ri_kafka_describe_producers_answer_partition *makers_of(const char *topic, int32_t *indexes,
                                                               uint32_t n)
{
    KCLIENT_BLANK(describe_producers_request, q);
    ri_kafka_describe_producers_request_topic of = {ri_str_of(topic), {indexes, n}};
    KCLIENT_ONE(q.topics, &of);
    ri_kafka_describe_producers_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_PRODUCERS, 0, &q);
    ck_assert_uint_eq(a->topics.len, 1);
    ck_assert_span(a->topics.items[0].name, topic);
    ck_assert_uint_eq(a->topics.items[0].partitions.len, n);
    return a->topics.items[0].partitions.items;
}

/* Who spoke last stands first; who has sent nothing with an id, or to another partition, is not
 * there; a stream of NATS has none. */
START_TEST(test_makers)
{
    static produce p;
    kclient_created(&c, "t", 2);
    int64_t before_ms = ri_wall_ns(&c.host) / RI_MS;
    produce_as(&p, 7, 0);
    produce_as(&p, 9, 4);
    produce_as(&p, -1, -1);
    produce_as(&p, 7, 1);
    ri_kafka_describe_producers_answer_partition *a = makers_of("t", (int32_t[]){0, 1, 2, -1}, 4);
    ck_assert_int_eq(a[0].error_code, 0);
    ck_assert_uint_eq(a[0].active_producers.len, 2);
    static const struct { int64_t id; int32_t last; } want[] = {{7, 1}, {9, 4}};
    for (size_t i = 0; i < RI_LEN(want); i++) {
        const ri_kafka_describe_producers_answer_producer *one = &a[0].active_producers.items[i];
        ck_assert_int_eq(one->producer_id, want[i].id);
        ck_assert_int_eq(one->last_sequence, want[i].last);
        ck_assert_int_eq(one->producer_epoch, 0);
        ck_assert_int_eq(one->coordinator_epoch, -1);
        ck_assert_int_eq(one->current_txn_start_offset, -1);
        ck_assert_int_ge(one->last_timestamp, before_ms);
    }
    ck_assert_int_eq(a[1].error_code, 0);
    ck_assert_uint_eq(a[1].active_producers.len, 0);
    for (int i = 2; i < 4; i++) ck_assert_int_eq(a[i].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(makers_of("none", (int32_t[]){0}, 1)->error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_ge(rill_stream_ensure(bus, "N", NULL), 0);
    ck_assert_uint_eq(makers_of("N", (int32_t[]){0}, 1)->active_producers.len, 0);
    produce_fini(&p);
}
END_TEST

/* Of very many those that spoke last are told, and no more partitions are named than there can
 * be. */
START_TEST(test_many_makers)
{
    enum { MANY = 300, NAMED = RI_LIMIT_KAFKA_PARTITIONS + 1 };
    static produce p;
    static int32_t indexes[NAMED];
    kclient_created(&c, "t", 1);
    for (int i = 0; i < MANY; i++) produce_as(&p, i, 0);
    ri_kafka_describe_producers_answer_partition *a = makers_of("t", indexes, MANY);
    for (int i = 0; i < MANY; i++) {
        ck_quick(a[i].active_producers.len == MANY);
        ck_quick(a[i].active_producers.items[i].producer_id == MANY - 1 - i);
    }
    KCLIENT_BLANK(describe_producers_request, q);
    ri_kafka_describe_producers_request_topic of = {RI_STR("t"), {indexes, NAMED}};
    KCLIENT_ONE(q.topics, &of);
    kclient_send(&c, RI_KAFKA_DESCRIBE_PRODUCERS, 0, &q);
    ck_assert(kclient_ended(&c));
    produce_fini(&p);
}
END_TEST

START_TEST(test_no_transactions)
{
    KCLIENT_BLANK(list_transactions_request, q);
    ri_str filters[] = {RI_STR("Ongoing"), RI_STR("nonsense"), RI_STR(""), RI_STR("Dead")};
    int64_t ids[] = {7, INT64_MAX};
    q.state_filters.items = filters;
    q.state_filters.len = RI_LEN(filters);
    q.producer_id_filters.items = ids;
    q.producer_id_filters.len = RI_LEN(ids);
    q.transactional_id_pattern = RI_STR("a.*");
    for (int16_t version = 0; version <= 2; version++) {
        ri_kafka_list_transactions_answer *a = kclient_ask(&c, RI_KAFKA_LIST_TRANSACTIONS, version,
                                                           &q);
        ck_assert_int_eq(a->error_code, 0);
        ck_assert_uint_eq(a->unknown_state_filters.len, 2);
        ck_assert_span(a->unknown_state_filters.items[0], "nonsense");
        ck_assert_uint_eq(a->transaction_states.len, 0);
        ck_assert_ptr_nonnull(a->transaction_states.items);
    }
}
END_TEST

/* ---- Long ones ---- */

/* A list has no more words than are compared within a turn, and no value more bytes than the
 * oldest version can tell. */
START_TEST(test_long_values)
{
    enum { WORDS = RI_LIMIT_KAFKA_WORDS, LONGEST = INT16_MAX };
    const char *name = "leader.replication.throttled.replicas";
    static char list[7 * (WORDS + 1)], text[LONGEST + 1];
    kclient_created(&c, "t", 1);
    for (int i = 0; i < WORDS; i++) sprintf(list + 7 * (size_t)i, "%06d,", i);
    list[7 * WORDS - 1] = 0;
    ck_assert_int_eq(changed("t", name, APPEND, list), 0);
    is("t", name, list, RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(changed("t", name, APPEND, "one.more"), RI_KAFKA_E_INVALID_CONFIG);
    list[7 * WORDS - 1] = ',';
    strcpy(list + 7 * WORDS, "x");
    ck_assert_int_eq(changed("t", name, SUBTRACT, list), RI_KAFKA_E_INVALID_CONFIG);
    memset(text, 'a', LONGEST);
    ck_assert_int_eq(changed("t", name, SET, text), 0);
    is("t", name, text, RI_KAFKA_CONFIG_TOPIC);
    ck_assert_int_eq(changed("t", name, APPEND, "b"), RI_KAFKA_E_INVALID_CONFIG);
    is("t", name, text, RI_KAFKA_CONFIG_TOPIC);
}
END_TEST

/* Streams have no dots in their names, and so another order. */
START_TEST(test_pages_with_dots)
{
    const char *topics[] = {"a_a", "a.b", "a_c"};
    KCLIENT_BLANK(describe_topic_partitions_request, q);
    q.response_partition_limit = 1;
    for (size_t i = 0; i < RI_LEN(topics); i++) kclient_created(&c, topics[i], 1);
    for (size_t i = 0; i < RI_LEN(topics); i++) {
        ri_kafka_describe_topic_partitions_answer *a =
            kclient_ask(&c, RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, &q);
        ck_assert_uint_eq(a->topics.len, 1);
        ck_assert_span(a->topics.items[0].name, topics[i]);
        q.cursor = a->next_cursor;
        ck_assert_int_eq(q.cursor != NULL, i + 1 < RI_LEN(topics));
    }
}
END_TEST

/* What a broker was opened with is what its groups are told to keep to, and what tools are told. */
START_TEST(test_groups_config)
{
    static const char config[] = "group.min.session.timeout.ms=200\n"
                                 "group.max.session.timeout.ms=300\n"
                                 "group.consumer.migration.policy=disabled\n";
    stop();
    ck_assert_ok(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .kafka_config = config)));
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_int_gt(port, 0);
    kclient_open(&c, port);
    const ri_kafka_describe_configs_answer_result *r =
        describe(RI_KAFKA_RESOURCE_BROKER, "1", NULL, 0);
    const ri_kafka_describe_configs_answer_config *s = find(r, "group.max.session.timeout.ms");
    ck_assert_span(s->value, "300");
    ck_assert_int_eq(s->config_source, RI_KAFKA_CONFIG_BROKER);
    s = find(r, "group.consumer.migration.policy");
    ck_assert_span(s->value, "disabled");
    ck_assert_int_eq(s->config_source, RI_KAFKA_CONFIG_BROKER);
    s = find(r, "offsets.retention.minutes");
    ck_assert_span(s->value, "10080");
    ck_assert_int_eq(s->config_source, RI_KAFKA_CONFIG_DEFAULT);
    KCLIENT_BLANK(join_group_request, q);
    ri_kafka_join_group_request_protocol range = {.name = RI_STR("range"),
                                                  .metadata = RI_STR("m")};
    q.group_id = RI_STR("g");
    q.protocol_type = RI_STR("consumer");
    KCLIENT_ONE(q.protocols, &range);
    for (int ms = 199; ms <= 301; ms++) {
        q.session_timeout_ms = q.rebalance_timeout_ms = ms;
        const ri_kafka_join_group_answer *a = kclient_ask(&c, RI_KAFKA_JOIN_GROUP, 4, &q);
        ck_assert_int_eq(a->error_code, ms < 200 || ms > 300 ? RI_GROUP_INVALID_SESSION_TIMEOUT
                                                             : RI_GROUP_MEMBER_ID_REQUIRED);
    }
}
END_TEST

/* It stays as it is, and what it cannot be is refused. */
START_TEST(test_groups_config_refused)
{
    rill_broker *none;
    ck_assert_rc(rill_broker_open(&none, RILL_OPTS(rill_broker_opts, .kafka_config = "a=b")),
                 RILL_EINVAL);
    ck_assert_str_eq(ri_err_text(), "kafka_config: a is no setting of groups that this broker has");
    ck_assert_rc(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts,
                                                      .kafka_config = "group.max.size=3")),
                 RILL_EINVAL);
    stop();
    const char *config = "group.max.size=3";
    ck_assert_ok(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .kafka_config = config)));
    ck_assert_ok(rill_broker_bus(broker, &bus, NULL));
    ck_assert_ok(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .kafka_config = config)));
    ck_assert_ok(rill_broker_reload(broker, NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    kclient_open(&c, port);
    ck_assert_span(find(describe(RI_KAFKA_RESOURCE_BROKER, "1", NULL, 0), "group.max.size")->value,
                   "3");
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(setup, stop, test_described, test_of_the_broker,
                                         test_incremental, test_refused, test_replaced,
                                         test_of_another_door, test_pages, test_directories,
                                         test_moved, test_quorum, test_leaders, test_nobody,
                                         test_no_login, test_long_values, test_pages_with_dots,
                                         test_groups_config, test_groups_config_refused,
                                         test_makers, test_many_makers, test_no_transactions)};
    return suite_run("kafka_admin", rows, RI_LEN(rows), CK_FORK_GETENV);
}
