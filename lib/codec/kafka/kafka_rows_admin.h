/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's requests and answers, a row for each field: what is asked by who looks after topics,
 * settings and the cluster. kafka_apis.h says what a row is, and includes this file more than once.
 */

/* ---- CreateTopics ---- */

TYPE(create_topics_request_assignment)
    FIELD(I32, partition_index)
    FIELD(LIST_I32, broker_ids)
DONE(create_topics_request_assignment)

TYPE(create_topics_request_config)
    FIELD(STR, name)
    FIELD(STR, value, NULL_FROM(0))
DONE(create_topics_request_config)

TYPE(create_topics_request_topic)
    FIELD(STR, name)
    FIELD(I32, num_partitions)
    FIELD(I16, replication_factor)
    FIELD(LIST(create_topics_request_assignment), assignments)
    FIELD(LIST(create_topics_request_config), configs)
DONE(create_topics_request_topic)

TYPE(create_topics_request)
    FIELD(LIST(create_topics_request_topic), topics)
    FIELD(I32, timeout_ms, ABSENT(60000))
    FIELD(BOOL, validate_only)
DONE(create_topics_request)

TYPE(create_topics_answer_config)
    FIELD(STR, name)
    FIELD(STR, value, NULL_FROM(0))
    FIELD(BOOL, read_only)
    FIELD(I8, config_source, ABSENT(-1))
    FIELD(BOOL, is_sensitive)
DONE(create_topics_answer_config)

TYPE(create_topics_answer_topic)
    FIELD(STR, name)
    FIELD(UUID, topic_id, FROM(7))
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(I16, topic_config_error_code, FROM(5), TAG(0))
    FIELD(I32, num_partitions, FROM(5), ABSENT(-1))
    FIELD(I16, replication_factor, FROM(5), ABSENT(-1))
    FIELD(LIST(create_topics_answer_config), configs, FROM(5), NULL_FROM(0))
DONE(create_topics_answer_topic)

TYPE(create_topics_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(create_topics_answer_topic), topics)
DONE(create_topics_answer)

/* ---- DeleteTopics ---- */

TYPE(delete_topics_request_topic)
    FIELD(STR, name, NULL_FROM(0))
    FIELD(UUID, topic_id)
DONE(delete_topics_request_topic)

TYPE(delete_topics_request)
    FIELD(LIST(delete_topics_request_topic), topics, FROM(6))
    FIELD(LIST_STR, topic_names, UPTO(5))
    FIELD(I32, timeout_ms)
DONE(delete_topics_request)

TYPE(delete_topics_answer_response)
    FIELD(STR, name, NULL_FROM(6))
    FIELD(UUID, topic_id, FROM(6))
    FIELD(I16, error_code)
    FIELD(STR, error_message, FROM(5), NULL_FROM(0))
DONE(delete_topics_answer_response)

TYPE(delete_topics_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(delete_topics_answer_response), responses)
DONE(delete_topics_answer)

/* ---- CreatePartitions ---- */

TYPE(create_partitions_request_assignment)
    FIELD(LIST_I32, broker_ids)
DONE(create_partitions_request_assignment)

TYPE(create_partitions_request_topic)
    FIELD(STR, name)
    FIELD(I32, count)
    FIELD(LIST(create_partitions_request_assignment), assignments, NULL_FROM(0))
DONE(create_partitions_request_topic)

TYPE(create_partitions_request)
    FIELD(LIST(create_partitions_request_topic), topics)
    FIELD(I32, timeout_ms)
    FIELD(BOOL, validate_only)
DONE(create_partitions_request)

TYPE(create_partitions_answer_result)
    FIELD(STR, name)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
DONE(create_partitions_answer_result)

TYPE(create_partitions_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(create_partitions_answer_result), results)
DONE(create_partitions_answer)

/* ---- DescribeTopicPartitions ---- */

TYPE(describe_topic_partitions_request_topic)
    FIELD(STR, name)
DONE(describe_topic_partitions_request_topic)

TYPE(describe_topic_partitions_cursor)
    FIELD(STR, topic_name)
    FIELD(I32, partition_index)
DONE(describe_topic_partitions_cursor)

TYPE(describe_topic_partitions_request)
    FIELD(LIST(describe_topic_partitions_request_topic), topics)
    FIELD(I32, response_partition_limit, ABSENT(2000))
    FIELD(POINTER(describe_topic_partitions_cursor), cursor)
DONE(describe_topic_partitions_request)

TYPE(describe_topic_partitions_answer_partition)
    FIELD(I16, error_code)
    FIELD(I32, partition_index)
    FIELD(I32, leader_id)
    FIELD(I32, leader_epoch, ABSENT(-1))
    FIELD(LIST_I32, replica_nodes)
    FIELD(LIST_I32, isr_nodes)
    FIELD(LIST_I32, eligible_leader_replicas, NULL_FROM(0))
    FIELD(LIST_I32, last_known_elr, NULL_FROM(0))
    FIELD(LIST_I32, offline_replicas)
DONE(describe_topic_partitions_answer_partition)

TYPE(describe_topic_partitions_answer_topic)
    FIELD(I16, error_code)
    FIELD(STR, name, NULL_FROM(0))
    FIELD(UUID, topic_id)
    FIELD(BOOL, is_internal)
    FIELD(LIST(describe_topic_partitions_answer_partition), partitions)
    FIELD(I32, topic_auth_ops, ABSENT(INT32_MIN))
DONE(describe_topic_partitions_answer_topic)

TYPE(describe_topic_partitions_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(describe_topic_partitions_answer_topic), topics)
    FIELD(POINTER(describe_topic_partitions_cursor), next_cursor)
DONE(describe_topic_partitions_answer)

/* ---- DescribeCluster ---- */

TYPE(describe_cluster_request)
    FIELD(BOOL, include_cluster_auth_ops)
    FIELD(I8, endpoint_type, FROM(1), ABSENT(1))
    FIELD(BOOL, include_fenced_brokers, FROM(2))
DONE(describe_cluster_request)

TYPE(describe_cluster_answer_broker)
    FIELD(I32, broker_id)
    FIELD(STR, host)
    FIELD(I32, port)
    FIELD(STR, rack, NULL_FROM(0))
    FIELD(BOOL, is_fenced, FROM(2))
DONE(describe_cluster_answer_broker)

TYPE(describe_cluster_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(I8, endpoint_type, FROM(1), ABSENT(1))
    FIELD(STR, cluster_id)
    FIELD(I32, controller_id, ABSENT(-1))
    FIELD(LIST(describe_cluster_answer_broker), brokers)
    FIELD(I32, cluster_auth_ops, ABSENT(INT32_MIN))
DONE(describe_cluster_answer)

/* ---- DescribeConfigs ---- */

TYPE(describe_configs_request_resource)
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(LIST_STR, configuration_keys, NULL_FROM(0))
DONE(describe_configs_request_resource)

TYPE(describe_configs_request)
    FIELD(LIST(describe_configs_request_resource), resources)
    FIELD(BOOL, include_synonyms)
    FIELD(BOOL, include_documentation, FROM(3))
DONE(describe_configs_request)

TYPE(describe_configs_answer_synonym)
    FIELD(STR, name)
    FIELD(STR, value, NULL_FROM(0))
    FIELD(I8, source)
DONE(describe_configs_answer_synonym)

TYPE(describe_configs_answer_config)
    FIELD(STR, name)
    FIELD(STR, value, NULL_FROM(0))
    FIELD(BOOL, read_only)
    FIELD(I8, config_source, ABSENT(-1))
    FIELD(BOOL, is_sensitive)
    FIELD(LIST(describe_configs_answer_synonym), synonyms)
    FIELD(I8, config_type, FROM(3))
    FIELD(STR, documentation, FROM(3), NULL_FROM(0))
DONE(describe_configs_answer_config)

TYPE(describe_configs_answer_result)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(LIST(describe_configs_answer_config), configs)
DONE(describe_configs_answer_result)

TYPE(describe_configs_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(describe_configs_answer_result), results)
DONE(describe_configs_answer)

/* ---- AlterConfigs ---- */

TYPE(alter_configs_request_config)
    FIELD(STR, name)
    FIELD(STR, value, NULL_FROM(0))
DONE(alter_configs_request_config)

TYPE(alter_configs_request_resource)
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(LIST(alter_configs_request_config), configs)
DONE(alter_configs_request_resource)

TYPE(alter_configs_request)
    FIELD(LIST(alter_configs_request_resource), resources)
    FIELD(BOOL, validate_only)
DONE(alter_configs_request)

TYPE(alter_configs_answer_response)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
DONE(alter_configs_answer_response)

TYPE(alter_configs_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(alter_configs_answer_response), responses)
DONE(alter_configs_answer)

/* ---- IncrementalAlterConfigs ---- */

TYPE(incremental_alter_configs_request_config)
    FIELD(STR, name)
    FIELD(I8, config_operation)
    FIELD(STR, value, NULL_FROM(0))
DONE(incremental_alter_configs_request_config)

TYPE(incremental_alter_configs_request_resource)
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(LIST(incremental_alter_configs_request_config), configs)
DONE(incremental_alter_configs_request_resource)

TYPE(incremental_alter_configs_request)
    FIELD(LIST(incremental_alter_configs_request_resource), resources)
    FIELD(BOOL, validate_only)
DONE(incremental_alter_configs_request)

TYPE(incremental_alter_configs_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(alter_configs_answer_response), responses)
DONE(incremental_alter_configs_answer)

/* ---- ListConfigResources ---- */

TYPE(list_config_resources_request)
    FIELD(LIST_I8, resource_types, FROM(1))
DONE(list_config_resources_request)

TYPE(list_config_resources_answer_resource)
    FIELD(STR, resource_name)
    FIELD(I8, resource_type, FROM(1), ABSENT(16))
DONE(list_config_resources_answer_resource)

TYPE(list_config_resources_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(LIST(list_config_resources_answer_resource), resources)
DONE(list_config_resources_answer)

/* ---- DescribeLogDirs ---- */

TYPE(describe_log_dirs_request_topic)
    FIELD(STR, topic)
    FIELD(LIST_I32, partitions)
DONE(describe_log_dirs_request_topic)

TYPE(describe_log_dirs_request)
    FIELD(LIST(describe_log_dirs_request_topic), topics, NULL_FROM(0))
DONE(describe_log_dirs_request)

TYPE(describe_log_dirs_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I64, partition_size)
    FIELD(I64, offset_lag)
    FIELD(BOOL, is_future_key)
DONE(describe_log_dirs_answer_partition)

TYPE(describe_log_dirs_answer_topic)
    FIELD(STR, name)
    FIELD(LIST(describe_log_dirs_answer_partition), partitions)
DONE(describe_log_dirs_answer_topic)

TYPE(describe_log_dirs_answer_result)
    FIELD(I16, error_code)
    FIELD(STR, log_dir)
    FIELD(LIST(describe_log_dirs_answer_topic), topics)
    FIELD(I64, total_bytes, FROM(4), ABSENT(-1))
    FIELD(I64, usable_bytes, FROM(4), ABSENT(-1))
    FIELD(BOOL, is_cordoned, FROM(5))
DONE(describe_log_dirs_answer_result)

TYPE(describe_log_dirs_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code, FROM(3))
    FIELD(LIST(describe_log_dirs_answer_result), results)
DONE(describe_log_dirs_answer)

/* ---- AlterReplicaLogDirs ---- */

TYPE(alter_replica_log_dirs_request_topic)
    FIELD(STR, name)
    FIELD(LIST_I32, partitions)
DONE(alter_replica_log_dirs_request_topic)

TYPE(alter_replica_log_dirs_request_dir)
    FIELD(STR, path)
    FIELD(LIST(alter_replica_log_dirs_request_topic), topics)
DONE(alter_replica_log_dirs_request_dir)

TYPE(alter_replica_log_dirs_request)
    FIELD(LIST(alter_replica_log_dirs_request_dir), dirs)
DONE(alter_replica_log_dirs_request)

TYPE(alter_replica_log_dirs_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
DONE(alter_replica_log_dirs_answer_partition)

TYPE(alter_replica_log_dirs_answer_result)
    FIELD(STR, topic_name)
    FIELD(LIST(alter_replica_log_dirs_answer_partition), partitions)
DONE(alter_replica_log_dirs_answer_result)

TYPE(alter_replica_log_dirs_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(alter_replica_log_dirs_answer_result), results)
DONE(alter_replica_log_dirs_answer)

/* ---- ElectLeaders ---- */

TYPE(elect_leaders_request_topic)
    FIELD(STR, topic)
    FIELD(LIST_I32, partitions)
DONE(elect_leaders_request_topic)

TYPE(elect_leaders_request)
    FIELD(I8, election_type, FROM(1))
    FIELD(LIST(elect_leaders_request_topic), topics, NULL_FROM(0))
    FIELD(I32, timeout_ms, ABSENT(60000))
DONE(elect_leaders_request)

TYPE(elect_leaders_answer_partition)
    FIELD(I32, partition_id)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
DONE(elect_leaders_answer_partition)

TYPE(elect_leaders_answer_topic)
    FIELD(STR, topic)
    FIELD(LIST(elect_leaders_answer_partition), partitions)
DONE(elect_leaders_answer_topic)

TYPE(elect_leaders_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code, FROM(1))
    FIELD(LIST(elect_leaders_answer_topic), topics)
DONE(elect_leaders_answer)

/* ---- AlterPartitionReassignments ---- */

TYPE(alter_partition_reassignments_request_partition)
    FIELD(I32, partition_index)
    FIELD(LIST_I32, replicas, NULL_FROM(0))
DONE(alter_partition_reassignments_request_partition)

TYPE(alter_partition_reassignments_request_topic)
    FIELD(STR, name)
    FIELD(LIST(alter_partition_reassignments_request_partition), partitions)
DONE(alter_partition_reassignments_request_topic)

TYPE(alter_partition_reassignments_request)
    FIELD(I32, timeout_ms, ABSENT(60000))
    FIELD(BOOL, allow_replication_factor_change, FROM(1), ABSENT(1))
    FIELD(LIST(alter_partition_reassignments_request_topic), topics)
DONE(alter_partition_reassignments_request)

TYPE(alter_partition_reassignments_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
DONE(alter_partition_reassignments_answer_partition)

TYPE(alter_partition_reassignments_answer_response)
    FIELD(STR, name)
    FIELD(LIST(alter_partition_reassignments_answer_partition), partitions)
DONE(alter_partition_reassignments_answer_response)

TYPE(alter_partition_reassignments_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(BOOL, allow_replication_factor_change, FROM(1), ABSENT(1))
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(alter_partition_reassignments_answer_response), responses)
DONE(alter_partition_reassignments_answer)

/* ---- ListPartitionReassignments ---- */

TYPE(list_partition_reassignments_request_topic)
    FIELD(STR, name)
    FIELD(LIST_I32, partition_indexes)
DONE(list_partition_reassignments_request_topic)

TYPE(list_partition_reassignments_request)
    FIELD(I32, timeout_ms, ABSENT(60000))
    FIELD(LIST(list_partition_reassignments_request_topic), topics, NULL_FROM(0))
DONE(list_partition_reassignments_request)

TYPE(list_partition_reassignments_answer_partition)
    FIELD(I32, partition_index)
    FIELD(LIST_I32, replicas)
    FIELD(LIST_I32, adding_replicas)
    FIELD(LIST_I32, removing_replicas)
DONE(list_partition_reassignments_answer_partition)

TYPE(list_partition_reassignments_answer_topic)
    FIELD(STR, name)
    FIELD(LIST(list_partition_reassignments_answer_partition), partitions)
DONE(list_partition_reassignments_answer_topic)

TYPE(list_partition_reassignments_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(list_partition_reassignments_answer_topic), topics)
DONE(list_partition_reassignments_answer)

/* ---- DescribeQuorum ---- */

TYPE(describe_quorum_request_partition)
    FIELD(I32, partition_index)
DONE(describe_quorum_request_partition)

TYPE(describe_quorum_request_topic)
    FIELD(STR, topic_name)
    FIELD(LIST(describe_quorum_request_partition), partitions)
DONE(describe_quorum_request_topic)

TYPE(describe_quorum_request)
    FIELD(LIST(describe_quorum_request_topic), topics)
DONE(describe_quorum_request)

TYPE(describe_quorum_answer_replica)
    FIELD(I32, replica_id)
    FIELD(UUID, replica_directory_id, FROM(2))
    FIELD(I64, log_end_offset)
    FIELD(I64, last_fetch_timestamp, FROM(1), ABSENT(-1))
    FIELD(I64, last_caught_up_timestamp, FROM(1), ABSENT(-1))
DONE(describe_quorum_answer_replica)

TYPE(describe_quorum_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
    FIELD(STR, error_message, FROM(2), NULL_FROM(0))
    FIELD(I32, leader_id)
    FIELD(I32, leader_epoch)
    FIELD(I64, high_watermark)
    FIELD(LIST(describe_quorum_answer_replica), current_voters)
    FIELD(LIST(describe_quorum_answer_replica), observers)
DONE(describe_quorum_answer_partition)

TYPE(describe_quorum_answer_topic)
    FIELD(STR, topic_name)
    FIELD(LIST(describe_quorum_answer_partition), partitions)
DONE(describe_quorum_answer_topic)

TYPE(describe_quorum_answer_listener)
    FIELD(STR, name)
    FIELD(STR, host)
    FIELD(U16, port)
DONE(describe_quorum_answer_listener)

TYPE(describe_quorum_answer_node)
    FIELD(I32, node_id)
    FIELD(LIST(describe_quorum_answer_listener), listeners)
DONE(describe_quorum_answer_node)

TYPE(describe_quorum_answer)
    FIELD(I16, error_code)
    FIELD(STR, error_message, FROM(2), NULL_FROM(0))
    FIELD(LIST(describe_quorum_answer_topic), topics)
    FIELD(LIST(describe_quorum_answer_node), nodes, FROM(2))
DONE(describe_quorum_answer)

/* ---- SaslHandshake ---- */

TYPE(sasl_handshake_request)
    FIELD(STR, mechanism)
DONE(sasl_handshake_request)

TYPE(sasl_handshake_answer)
    FIELD(I16, error_code)
    FIELD(LIST_STR, mechanisms)
DONE(sasl_handshake_answer)

/* ---- SaslAuthenticate ---- */

TYPE(sasl_authenticate_request)
    FIELD(BYTES, auth_bytes)
DONE(sasl_authenticate_request)

TYPE(sasl_authenticate_answer)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(BYTES, auth_bytes)
    FIELD(I64, session_lifetime_ms, FROM(1))
DONE(sasl_authenticate_answer)

/* ---- DescribeAcls ---- */

TYPE(describe_acls_request)
    FIELD(I8, resource_type_filter)
    FIELD(STR, resource_name_filter, NULL_FROM(0))
    FIELD(I8, pattern_type_filter, ABSENT(3))
    FIELD(STR, principal_filter, NULL_FROM(0))
    FIELD(STR, host_filter, NULL_FROM(0))
    FIELD(I8, operation)
    FIELD(I8, permission_type)
DONE(describe_acls_request)

TYPE(describe_acls_answer_acl)
    FIELD(STR, principal)
    FIELD(STR, host)
    FIELD(I8, operation)
    FIELD(I8, permission_type)
DONE(describe_acls_answer_acl)

TYPE(describe_acls_answer_resource)
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(I8, pattern_type, ABSENT(3))
    FIELD(LIST(describe_acls_answer_acl), acls)
DONE(describe_acls_answer_resource)

TYPE(describe_acls_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(describe_acls_answer_resource), resources)
DONE(describe_acls_answer)

/* ---- CreateAcls ---- */

TYPE(create_acls_request_creation)
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(I8, pattern_type, ABSENT(3))
    FIELD(STR, principal)
    FIELD(STR, host)
    FIELD(I8, operation)
    FIELD(I8, permission_type)
DONE(create_acls_request_creation)

TYPE(create_acls_request)
    FIELD(LIST(create_acls_request_creation), creations)
DONE(create_acls_request)

TYPE(create_acls_answer_result)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
DONE(create_acls_answer_result)

TYPE(create_acls_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(create_acls_answer_result), results)
DONE(create_acls_answer)

/* ---- DeleteAcls ---- */

TYPE(delete_acls_request_filter)
    FIELD(I8, resource_type_filter)
    FIELD(STR, resource_name_filter, NULL_FROM(0))
    FIELD(I8, pattern_type_filter, ABSENT(3))
    FIELD(STR, principal_filter, NULL_FROM(0))
    FIELD(STR, host_filter, NULL_FROM(0))
    FIELD(I8, operation)
    FIELD(I8, permission_type)
DONE(delete_acls_request_filter)

TYPE(delete_acls_request)
    FIELD(LIST(delete_acls_request_filter), filters)
DONE(delete_acls_request)

TYPE(delete_acls_answer_acl)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(I8, resource_type)
    FIELD(STR, resource_name)
    FIELD(I8, pattern_type, ABSENT(3))
    FIELD(STR, principal)
    FIELD(STR, host)
    FIELD(I8, operation)
    FIELD(I8, permission_type)
DONE(delete_acls_answer_acl)

TYPE(delete_acls_answer_result)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(delete_acls_answer_acl), matching_acls)
DONE(delete_acls_answer_result)

TYPE(delete_acls_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(delete_acls_answer_result), filter_results)
DONE(delete_acls_answer)

/* ---- DescribeClientQuotas ---- */

TYPE(describe_client_quotas_request_component)
    FIELD(STR, entity_type)
    FIELD(I8, match_type)
    FIELD(STR, match, NULL_FROM(0))
DONE(describe_client_quotas_request_component)

TYPE(describe_client_quotas_request)
    FIELD(LIST(describe_client_quotas_request_component), components)
    FIELD(BOOL, strict)
DONE(describe_client_quotas_request)

TYPE(describe_client_quotas_answer_entity)
    FIELD(STR, entity_type)
    FIELD(STR, entity_name, NULL_FROM(0))
DONE(describe_client_quotas_answer_entity)

TYPE(describe_client_quotas_answer_value)
    FIELD(STR, key)
    FIELD(F64, value)
DONE(describe_client_quotas_answer_value)

TYPE(describe_client_quotas_answer_entry)
    FIELD(LIST(describe_client_quotas_answer_entity), entity)
    FIELD(LIST(describe_client_quotas_answer_value), values)
DONE(describe_client_quotas_answer_entry)

TYPE(describe_client_quotas_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(describe_client_quotas_answer_entry), entries, NULL_FROM(0))
DONE(describe_client_quotas_answer)

/* ---- DescribeUserScramCredentials ---- */

TYPE(describe_user_scram_credentials_request_user)
    FIELD(STR, name)
DONE(describe_user_scram_credentials_request_user)

TYPE(describe_user_scram_credentials_request)
    FIELD(LIST(describe_user_scram_credentials_request_user), users, NULL_FROM(0))
DONE(describe_user_scram_credentials_request)

TYPE(describe_user_scram_credentials_answer_credential_info)
    FIELD(I8, mechanism)
    FIELD(I32, iterations)
DONE(describe_user_scram_credentials_answer_credential_info)

TYPE(describe_user_scram_credentials_answer_result)
    FIELD(STR, user)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(describe_user_scram_credentials_answer_credential_info), credential_infos)
DONE(describe_user_scram_credentials_answer_result)

TYPE(describe_user_scram_credentials_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(describe_user_scram_credentials_answer_result), results)
DONE(describe_user_scram_credentials_answer)

/* ---- DescribeProducers ---- */

TYPE(describe_producers_request_topic)
    FIELD(STR, name)
    FIELD(LIST_I32, partition_indexes)
DONE(describe_producers_request_topic)

TYPE(describe_producers_request)
    FIELD(LIST(describe_producers_request_topic), topics)
DONE(describe_producers_request)

TYPE(describe_producers_answer_producer)
    FIELD(I64, producer_id)
    FIELD(I32, producer_epoch)
    FIELD(I32, last_sequence, ABSENT(-1))
    FIELD(I64, last_timestamp, ABSENT(-1))
    FIELD(I32, coordinator_epoch)
    FIELD(I64, current_txn_start_offset, ABSENT(-1))
DONE(describe_producers_answer_producer)

TYPE(describe_producers_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(LIST(describe_producers_answer_producer), active_producers)
DONE(describe_producers_answer_partition)

TYPE(describe_producers_answer_topic)
    FIELD(STR, name)
    FIELD(LIST(describe_producers_answer_partition), partitions)
DONE(describe_producers_answer_topic)

TYPE(describe_producers_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(describe_producers_answer_topic), topics)
DONE(describe_producers_answer)

/* ---- ListTransactions ---- */

TYPE(list_transactions_request)
    FIELD(LIST_STR, state_filters)
    FIELD(LIST_I64, producer_id_filters)
    FIELD(I64, duration_filter, FROM(1), ABSENT(-1))
    FIELD(STR, transactional_id_pattern, FROM(2), NULL_FROM(2))
DONE(list_transactions_request)

TYPE(list_transactions_answer_state)
    FIELD(STR, transactional_id)
    FIELD(I64, producer_id)
    FIELD(STR, transaction_state)
DONE(list_transactions_answer_state)

TYPE(list_transactions_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(LIST_STR, unknown_state_filters)
    FIELD(LIST(list_transactions_answer_state), transaction_states)
DONE(list_transactions_answer)
