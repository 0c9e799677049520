/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's requests and answers, a row for each field: what members of groups ask, and who looks
 * after groups. kafka_apis.h says what a row is, and includes this file more than once. */

/* ---- FindCoordinator ---- */

TYPE(find_coordinator_request)
    FIELD(STR, key, UPTO(3))
    FIELD(I8, key_type, FROM(1))
    FIELD(LIST_STR, coordinator_keys, FROM(4))
DONE(find_coordinator_request)

TYPE(find_coordinator_answer_coordinator)
    FIELD(STR, key)
    FIELD(I32, node_id)
    FIELD(STR, host)
    FIELD(I32, port)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
DONE(find_coordinator_answer_coordinator)

TYPE(find_coordinator_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(I16, error_code, UPTO(3))
    FIELD(STR, error_message, FROM(1), UPTO(3), NULL_FROM(0))
    FIELD(I32, node_id, UPTO(3))
    FIELD(STR, host, UPTO(3))
    FIELD(I32, port, UPTO(3))
    FIELD(LIST(find_coordinator_answer_coordinator), coordinators, FROM(4))
DONE(find_coordinator_answer)

/* ---- JoinGroup ---- */

TYPE(join_group_request_protocol)
    FIELD(STR, name)
    FIELD(BYTES, metadata)
DONE(join_group_request_protocol)

TYPE(join_group_request)
    FIELD(STR, group_id)
    FIELD(I32, session_timeout_ms)
    FIELD(I32, rebalance_timeout_ms, FROM(1), ABSENT(-1))
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(5), NULL_FROM(0))
    FIELD(STR, protocol_type)
    FIELD(LIST(join_group_request_protocol), protocols)
    FIELD(STR, reason, FROM(8), NULL_FROM(0))
DONE(join_group_request)

TYPE(join_group_answer_member)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(5), NULL_FROM(0))
    FIELD(BYTES, metadata)
DONE(join_group_answer_member)

TYPE(join_group_answer)
    FIELD(I32, throttle_time_ms, FROM(2))
    FIELD(I16, error_code)
    FIELD(I32, generation_id, ABSENT(-1))
    FIELD(STR, protocol_type, FROM(7), NULL_FROM(0))
    FIELD(STR, protocol_name, NULL_FROM(7))
    FIELD(STR, leader)
    FIELD(BOOL, skip_assignment, FROM(9))
    FIELD(STR, member_id)
    FIELD(LIST(join_group_answer_member), members)
DONE(join_group_answer)

/* ---- SyncGroup ---- */

TYPE(sync_group_request_assignment)
    FIELD(STR, member_id)
    FIELD(BYTES, assignment)
DONE(sync_group_request_assignment)

TYPE(sync_group_request)
    FIELD(STR, group_id)
    FIELD(I32, generation_id)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(3), NULL_FROM(0))
    FIELD(STR, protocol_type, FROM(5), NULL_FROM(0))
    FIELD(STR, protocol_name, FROM(5), NULL_FROM(0))
    FIELD(LIST(sync_group_request_assignment), assignments)
DONE(sync_group_request)

TYPE(sync_group_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(I16, error_code)
    FIELD(STR, protocol_type, FROM(5), NULL_FROM(0))
    FIELD(STR, protocol_name, FROM(5), NULL_FROM(0))
    FIELD(BYTES, assignment)
DONE(sync_group_answer)

/* ---- Heartbeat ---- */

TYPE(heartbeat_request)
    FIELD(STR, group_id)
    FIELD(I32, generation_id)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(3), NULL_FROM(0))
DONE(heartbeat_request)

TYPE(heartbeat_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(I16, error_code)
DONE(heartbeat_answer)

/* ---- LeaveGroup ---- */

TYPE(leave_group_request_member)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, NULL_FROM(0))
    FIELD(STR, reason, FROM(5), NULL_FROM(0))
DONE(leave_group_request_member)

TYPE(leave_group_request)
    FIELD(STR, group_id)
    FIELD(STR, member_id, UPTO(2))
    FIELD(LIST(leave_group_request_member), members, FROM(3))
DONE(leave_group_request)

TYPE(leave_group_answer_member)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, NULL_FROM(0))
    FIELD(I16, error_code)
DONE(leave_group_answer_member)

TYPE(leave_group_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(I16, error_code)
    FIELD(LIST(leave_group_answer_member), members, FROM(3))
DONE(leave_group_answer)

/* ---- OffsetCommit ---- */

TYPE(offset_commit_request_partition)
    FIELD(I32, partition_index)
    FIELD(I64, committed_offset)
    FIELD(I32, committed_leader_epoch, FROM(6), ABSENT(-1))
    FIELD(STR, committed_metadata, NULL_FROM(0))
DONE(offset_commit_request_partition)

TYPE(offset_commit_request_topic)
    FIELD(STR, name, UPTO(9))
    FIELD(UUID, topic_id, FROM(10))
    FIELD(LIST(offset_commit_request_partition), partitions)
DONE(offset_commit_request_topic)

TYPE(offset_commit_request)
    FIELD(STR, group_id)
    FIELD(I32, generation_id_or_member_epoch, ABSENT(-1))
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(7), NULL_FROM(0))
    FIELD(I64, retention_time_ms, UPTO(4), ABSENT(-1))
    FIELD(LIST(offset_commit_request_topic), topics)
DONE(offset_commit_request)

TYPE(offset_commit_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
DONE(offset_commit_answer_partition)

TYPE(offset_commit_answer_topic)
    FIELD(STR, name, UPTO(9))
    FIELD(UUID, topic_id, FROM(10))
    FIELD(LIST(offset_commit_answer_partition), partitions)
DONE(offset_commit_answer_topic)

TYPE(offset_commit_answer)
    FIELD(I32, throttle_time_ms, FROM(3))
    FIELD(LIST(offset_commit_answer_topic), topics)
DONE(offset_commit_answer)

/* ---- OffsetFetch ---- */

TYPE(offset_fetch_request_topic)
    FIELD(STR, name)
    FIELD(LIST_I32, partition_indexes)
DONE(offset_fetch_request_topic)

TYPE(offset_fetch_request_group_topic)
    FIELD(STR, name, UPTO(9))
    FIELD(UUID, topic_id, FROM(10))
    FIELD(LIST_I32, partition_indexes)
DONE(offset_fetch_request_group_topic)

TYPE(offset_fetch_request_group)
    FIELD(STR, group_id)
    FIELD(STR, member_id, FROM(9), NULL_FROM(0))
    FIELD(I32, member_epoch, FROM(9), ABSENT(-1))
    FIELD(LIST(offset_fetch_request_group_topic), topics, NULL_FROM(0))
DONE(offset_fetch_request_group)

TYPE(offset_fetch_request)
    FIELD(STR, group_id, UPTO(7))
    FIELD(LIST(offset_fetch_request_topic), topics, UPTO(7), NULL_FROM(2))
    FIELD(LIST(offset_fetch_request_group), groups, FROM(8))
    FIELD(BOOL, require_stable, FROM(7))
DONE(offset_fetch_request)

TYPE(offset_fetch_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I64, committed_offset)
    FIELD(I32, committed_leader_epoch, FROM(5), ABSENT(-1))
    FIELD(STR, metadata, NULL_FROM(0))
    FIELD(I16, error_code)
DONE(offset_fetch_answer_partition)

TYPE(offset_fetch_answer_topic)
    FIELD(STR, name)
    FIELD(LIST(offset_fetch_answer_partition), partitions)
DONE(offset_fetch_answer_topic)

TYPE(offset_fetch_answer_group_topic)
    FIELD(STR, name, UPTO(9))
    FIELD(UUID, topic_id, FROM(10))
    FIELD(LIST(offset_fetch_answer_partition), partitions)
DONE(offset_fetch_answer_group_topic)

TYPE(offset_fetch_answer_group)
    FIELD(STR, group_id)
    FIELD(LIST(offset_fetch_answer_group_topic), topics)
    FIELD(I16, error_code)
DONE(offset_fetch_answer_group)

TYPE(offset_fetch_answer)
    FIELD(I32, throttle_time_ms, FROM(3))
    FIELD(LIST(offset_fetch_answer_topic), topics, UPTO(7))
    FIELD(I16, error_code, FROM(2), UPTO(7))
    FIELD(LIST(offset_fetch_answer_group), groups, FROM(8))
DONE(offset_fetch_answer)

/* ---- OffsetDelete ---- */

TYPE(offset_delete_request_partition)
    FIELD(I32, partition_index)
DONE(offset_delete_request_partition)

TYPE(offset_delete_request_topic)
    FIELD(STR, name)
    FIELD(LIST(offset_delete_request_partition), partitions)
DONE(offset_delete_request_topic)

TYPE(offset_delete_request)
    FIELD(STR, group_id)
    FIELD(LIST(offset_delete_request_topic), topics)
DONE(offset_delete_request)

TYPE(offset_delete_answer_partition)
    FIELD(I32, partition_index)
    FIELD(I16, error_code)
DONE(offset_delete_answer_partition)

TYPE(offset_delete_answer_topic)
    FIELD(STR, name)
    FIELD(LIST(offset_delete_answer_partition), partitions)
DONE(offset_delete_answer_topic)

TYPE(offset_delete_answer)
    FIELD(I16, error_code)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(offset_delete_answer_topic), topics)
DONE(offset_delete_answer)

/* ---- ListGroups ---- */

TYPE(list_groups_request)
    FIELD(LIST_STR, states_filter, FROM(4))
    FIELD(LIST_STR, types_filter, FROM(5))
DONE(list_groups_request)

TYPE(list_groups_answer_group)
    FIELD(STR, group_id)
    FIELD(STR, protocol_type)
    FIELD(STR, group_state, FROM(4))
    FIELD(STR, group_type, FROM(5))
DONE(list_groups_answer_group)

TYPE(list_groups_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(I16, error_code)
    FIELD(LIST(list_groups_answer_group), groups)
DONE(list_groups_answer)

/* ---- DescribeGroups ---- */

TYPE(describe_groups_request)
    FIELD(LIST_STR, groups)
    FIELD(BOOL, include_auth_ops, FROM(3))
DONE(describe_groups_request)

TYPE(describe_groups_answer_member)
    FIELD(STR, member_id)
    FIELD(STR, group_instance_id, FROM(4), NULL_FROM(0))
    FIELD(STR, client_id)
    FIELD(STR, client_host)
    FIELD(BYTES, member_metadata)
    FIELD(BYTES, member_assignment)
DONE(describe_groups_answer_member)

TYPE(describe_groups_answer_group)
    FIELD(I16, error_code)
    FIELD(STR, error_message, FROM(6), NULL_FROM(0))
    FIELD(STR, group_id)
    FIELD(STR, group_state)
    FIELD(STR, protocol_type)
    FIELD(STR, protocol_data)
    FIELD(LIST(describe_groups_answer_member), members)
    FIELD(I32, auth_ops, FROM(3), ABSENT(INT32_MIN))
DONE(describe_groups_answer_group)

TYPE(describe_groups_answer)
    FIELD(I32, throttle_time_ms, FROM(1))
    FIELD(LIST(describe_groups_answer_group), groups)
DONE(describe_groups_answer)

/* ---- DeleteGroups ---- */

TYPE(delete_groups_request)
    FIELD(LIST_STR, group_names)
DONE(delete_groups_request)

TYPE(delete_groups_answer_result)
    FIELD(STR, group_id)
    FIELD(I16, error_code)
    FIELD(STR, error_message, FROM(3), NULL_FROM(0))
DONE(delete_groups_answer_result)

TYPE(delete_groups_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(delete_groups_answer_result), results)
DONE(delete_groups_answer)

/* ---- ConsumerGroupHeartbeat ---- */

TYPE(consumer_group_heartbeat_request_topic_partition)
    FIELD(UUID, topic_id)
    FIELD(LIST_I32, partitions)
DONE(consumer_group_heartbeat_request_topic_partition)

TYPE(consumer_group_heartbeat_request)
    FIELD(STR, group_id)
    FIELD(STR, member_id)
    FIELD(I32, member_epoch)
    FIELD(STR, instance_id, NULL_FROM(0))
    FIELD(STR, rack_id, NULL_FROM(0))
    FIELD(I32, rebalance_timeout_ms, ABSENT(-1))
    FIELD(LIST_STR, subscribed_topic_names, NULL_FROM(0))
    FIELD(STR, subscribed_topic_regex, FROM(1), NULL_FROM(0))
    FIELD(STR, server_assignor, NULL_FROM(0))
    FIELD(LIST(consumer_group_heartbeat_request_topic_partition), topic_partitions, NULL_FROM(0))
DONE(consumer_group_heartbeat_request)

TYPE(consumer_group_heartbeat_answer_topic_partition)
    FIELD(UUID, topic_id)
    FIELD(LIST_I32, partitions)
DONE(consumer_group_heartbeat_answer_topic_partition)

TYPE(consumer_group_heartbeat_answer_assignment)
    FIELD(LIST(consumer_group_heartbeat_answer_topic_partition), topic_partitions)
DONE(consumer_group_heartbeat_answer_assignment)

TYPE(consumer_group_heartbeat_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(STR, member_id, NULL_FROM(0))
    FIELD(I32, member_epoch)
    FIELD(I32, heartbeat_interval_ms)
    FIELD(POINTER(consumer_group_heartbeat_answer_assignment), assignment)
DONE(consumer_group_heartbeat_answer)

/* ---- ConsumerGroupDescribe ---- */

TYPE(consumer_group_describe_request)
    FIELD(LIST_STR, group_ids)
    FIELD(BOOL, include_auth_ops)
DONE(consumer_group_describe_request)

TYPE(consumer_group_describe_answer_topic_partition)
    FIELD(UUID, topic_id)
    FIELD(STR, topic_name)
    FIELD(LIST_I32, partitions)
DONE(consumer_group_describe_answer_topic_partition)

TYPE(consumer_group_describe_answer_assignment)
    FIELD(LIST(consumer_group_describe_answer_topic_partition), topic_partitions)
DONE(consumer_group_describe_answer_assignment)

TYPE(consumer_group_describe_answer_member)
    FIELD(STR, member_id)
    FIELD(STR, instance_id, NULL_FROM(0))
    FIELD(STR, rack_id, NULL_FROM(0))
    FIELD(I32, member_epoch)
    FIELD(STR, client_id)
    FIELD(STR, client_host)
    FIELD(LIST_STR, subscribed_topic_names)
    FIELD(STR, subscribed_topic_regex, NULL_FROM(0))
    FIELD(STRUCT(consumer_group_describe_answer_assignment), assignment)
    FIELD(STRUCT(consumer_group_describe_answer_assignment), target_assignment)
    FIELD(I8, member_type, FROM(1), ABSENT(-1))
DONE(consumer_group_describe_answer_member)

TYPE(consumer_group_describe_answer_group)
    FIELD(I16, error_code)
    FIELD(STR, error_message, NULL_FROM(0))
    FIELD(STR, group_id)
    FIELD(STR, group_state)
    FIELD(I32, group_epoch)
    FIELD(I32, assignment_epoch)
    FIELD(STR, assignor_name)
    FIELD(LIST(consumer_group_describe_answer_member), members)
    FIELD(I32, auth_ops, ABSENT(INT32_MIN))
DONE(consumer_group_describe_answer_group)

TYPE(consumer_group_describe_answer)
    FIELD(I32, throttle_time_ms)
    FIELD(LIST(consumer_group_describe_answer_group), groups)
DONE(consumer_group_describe_answer)
