/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka, which is loaded when the first kafka:// handle is opened: whoever links rill and does
 * not speak to Kafka needs it neither on disk nor in memory. A handle has the table of the calls
 * that it makes: lib->produce is rd_kafka_produce(). What is loaded stays so, since its threads and
 * those of the libraries below it may outlive any handle. */
#ifndef RI_KAFKA_LIB_H
#define RI_KAFKA_LIB_H

#include <librdkafka/rdkafka.h>

#include "base/defs.h"

#define RI_KAFKA_CALLS(X) \
    X(version) X(version_str) X(last_error) X(err2str) X(error_code) X(error_string) \
    X(error_destroy) X(conf_new) X(conf_set) X(conf_get) X(conf_get_default_topic_conf) \
    X(topic_conf_set_partitioner_cb) X(topic_conf_set_opaque) X(topic_partition_available) \
    X(msg_partitioner_murmur2_random) X(conf_set_opaque) X(conf_destroy) X(conf_set_events) \
    X(conf_set_rebalance_cb) X(set_log_queue) X(event_log) X(new) X(destroy) X(destroy_flags) \
    X(fatal_error) X(flush) X(poll) X(init_transactions) X(begin_transaction) \
    X(commit_transaction) X(abort_transaction) X(error_is_retriable) X(error_txn_requires_abort) \
    X(conf_set_dr_msg_cb) X(topic_new) X(topic_destroy) X(topic_name) X(produce) X(produceva) \
    X(produce_batch) X(purge) X(headers_new) X(headers_destroy) X(header_add) X(header_get_all) \
    X(message_headers) X(message_timestamp) X(message_destroy) X(queue_new) X(queue_destroy) \
    X(queue_get_main) X(queue_get_consumer) X(queue_get_partition) X(queue_forward) \
    X(queue_length) X(queue_poll) X(queue_cb_event_enable) X(consume_batch_queue) \
    X(consume_start_queue) X(consume_stop) X(seek_partitions) X(subscribe) X(assign) \
    X(assignment_lost) X(commit_queue) X(topic_partition_list_del_by_idx) X(consumer_close_queue) \
    X(consumer_closed) X(topic_partition_list_new) X(topic_partition_list_add) \
    X(topic_partition_list_destroy) X(topic_partition_list_copy) X(event_topic_partition_list) \
    X(query_watermark_offsets) X(get_watermark_offsets) X(offsets_for_times) X(metadata) \
    X(metadata_destroy) X(event_type) X(event_destroy) X(event_error) X(event_error_string) \
    X(event_message_next) X(AdminOptions_new) X(AdminOptions_destroy) \
    X(AdminOptions_set_request_timeout) X(AdminOptions_set_operation_timeout) X(NewTopic_new) \
    X(NewTopic_destroy) X(NewTopic_set_config) X(CreateTopics) X(event_CreateTopics_result) \
    X(CreateTopics_result_topics) X(topic_result_error) X(topic_result_error_string) \
    X(DeleteTopic_new) X(DeleteTopic_destroy) X(DeleteTopics) X(event_DeleteTopics_result) \
    X(DeleteTopics_result_topics) X(DeleteRecords_new) X(DeleteRecords_destroy) X(DeleteRecords) \
    X(event_DeleteRecords_result) X(DeleteRecords_result_offsets) X(ConfigResource_new) \
    X(ConfigResource_destroy) X(ConfigResource_set_config) X(ConfigResource_configs) \
    X(ConfigResource_error) X(ConfigEntry_name) X(ConfigEntry_value) X(ConfigEntry_source) \
    X(DescribeConfigs) X(event_DescribeConfigs_result) X(DescribeConfigs_result_resources) \
    X(AlterConfigs) X(event_AlterConfigs_result) X(AlterConfigs_result_resources) \
    X(ListConsumerGroups) X(event_ListConsumerGroups_result) X(ListConsumerGroups_result_valid) \
    X(ConsumerGroupListing_group_id) X(DeleteGroup_new) X(DeleteGroup_destroy) X(DeleteGroups) \
    X(event_DeleteGroups_result) X(DeleteGroups_result_groups) X(group_result_error) X(committed) \
    X(message_status) X(NewPartitions_new) X(NewPartitions_destroy) X(CreatePartitions) \
    X(event_CreatePartitions_result) X(CreatePartitions_result_topics)

typedef struct ri_kafka_lib {
#define X(name) __typeof__(rd_kafka_##name) *name;
    RI_KAFKA_CALLS(X)
#undef X
} ri_kafka_lib;

/* RILL_ENOTSUP with a sentence on what is missing. */
int ri_kafka_lib_open(ri_kafka_lib *lib);
/* The nearest of our codes. */
int ri_kafka_lib_code(rd_kafka_resp_err_t err);
/* The same with a sentence, "WHAT: what librdkafka says of it". */
int ri_kafka_lib_err(const ri_kafka_lib *lib, rd_kafka_resp_err_t err, const char *fmt, ...)
    RI_PRINTF(3, 4);
/* The same of an error of its own, which is freed; NULL: none, RILL_OK. */
int ri_kafka_lib_error(const ri_kafka_lib *lib, rd_kafka_error_t *error, const char *what);

#endif
