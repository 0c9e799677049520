/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka door on a disk that fails a sync: no request is answered as if what it asked for were
 * kept. The disk is a fake one: ri_os_posix() is defined here, so the library's own is not
 * linked. */
#include <errno.h>
#include <sys/stat.h>

#include "base/error.h"
#include "front/broker/broker.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_errors.h"
#include "front/kafka/kafka_configs.h"
#include "support/fake_os.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static fake_os disk;
static char dir[SCRATCH_LEN];
static rill_broker *broker;
static kclient c;

const ri_os *ri_os_posix(void)
{
    return &disk.os;
}

/* A broker with the topic "old", whose disk fails the next sync. */
static void setup(void)
{
    scratch_make(dir);
    fake_os_init(&disk);
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, &(ri_durable_opts){.dir = dir}));
    int port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
    kclient_created(&c, "old", 2);
    ri_broker_enter(b);
    disk.fail_syncs_only = true;
    disk.fail_errno = EIO;
    disk.fail_at = disk.syncs + 1;
    ri_broker_leave(b);
}

static void teardown(void)
{
    kclient_close(&c);
    rill_broker_close(broker, WAIT_MS);
    fake_os_fini(&disk);
    scratch_remove(dir);
}

START_TEST(test_create)
{
    ri_kafka_create_topics_answer *a = kclient_ask(&c, RI_KAFKA_CREATE_TOPICS, 7,
                                                   kclient_create("new", 1));
    ck_assert_int_eq(a->topics.items[0].error_code, RI_KAFKA_E_STORAGE);
}
END_TEST

START_TEST(test_more_partitions)
{
    KCLIENT_BLANK(create_partitions_request, q);
    KCLIENT_BLANK(create_partitions_request_topic, of);
    of.name = RI_STR("old");
    of.count = 5;
    KCLIENT_ONE(q.topics, &of);
    ri_kafka_create_partitions_answer *a = kclient_ask(&c, RI_KAFKA_CREATE_PARTITIONS, 3, &q);
    ck_assert_int_eq(a->results.items[0].error_code, RI_KAFKA_E_STORAGE);
}
END_TEST

START_TEST(test_delete)
{
    ri_kafka_delete_topics_answer *a = kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 5,
                                                   kclient_delete("old"));
    ck_assert_int_eq(a->responses.items[0].error_code, RI_KAFKA_E_STORAGE);
}
END_TEST

START_TEST(test_metadata_that_creates)
{
    ri_kafka_metadata_request *q = kclient_metadata("asked");
    q->allow_auto_topic_creation = true;
    ri_kafka_metadata_answer *a = kclient_ask(&c, RI_KAFKA_METADATA, 12, q);
    ck_assert_int_eq(a->topics.items[0].error_code, RI_KAFKA_E_STORAGE);
}
END_TEST

START_TEST(test_settings)
{
    KCLIENT_BLANK(incremental_alter_configs_request, q);
    KCLIENT_BLANK(incremental_alter_configs_request_resource, of);
    KCLIENT_BLANK(incremental_alter_configs_request_config, setting);
    setting.name = RI_STR("retention.ms");
    setting.value = RI_STR("5000");
    of.resource_type = RI_KAFKA_RESOURCE_TOPIC;
    of.resource_name = RI_STR("old");
    KCLIENT_ONE(of.configs, &setting);
    KCLIENT_ONE(q.resources, &of);
    ri_kafka_incremental_alter_configs_answer *a =
        kclient_ask(&c, RI_KAFKA_INCREMENTAL_ALTER_CONFIGS, 1, &q);
    ck_assert_int_eq(a->responses.items[0].error_code, RI_KAFKA_E_STORAGE);
}
END_TEST

START_TEST(test_produce)
{
    produce p;
    memset(&p, 0, sizeof p);
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add(&p, NULL, "v", NULL, ri_wall_ns(&c.host) / RI_MS);
    ri_kafka_produce_answer_partition a =
        kclient_produced(&c, 9, kclient_produce("old", 0, produce_end(&p)));
    ck_assert_int_eq(a.error_code, RI_KAFKA_E_STORAGE);
    produce_fini(&p);
}
END_TEST

START_TEST(test_offsets)
{
    KCLIENT_BLANK(offset_commit_request, q);
    KCLIENT_BLANK(offset_commit_request_topic, topic);
    KCLIENT_BLANK(offset_commit_request_partition, partition);
    q.group_id = RI_STR("g");
    topic.name = RI_STR("old");
    partition.committed_offset = 7;
    KCLIENT_ONE(topic.partitions, &partition);
    KCLIENT_ONE(q.topics, &topic);
    ri_kafka_offset_commit_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_COMMIT, 8, &q);
    ck_assert_int_ne(a->topics.items[0].partitions.items[0].error_code, 0);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(setup, teardown, test_create, test_more_partitions,
                                         test_delete, test_metadata_that_creates, test_settings,
                                         test_produce, test_offsets)};
    return suite_run("kafka_disk", rows, RI_LEN(rows), CK_FORK_GETENV);
}
