/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream tables: one row for each field of each struct, in nats-server's order. */
#include "codec/jetstream/jsapi_table.h"

#define JS_COUNT(rows) (uint16_t)RI_LEN(rows)
/* A row, one whose kind needs another table, and one that is left out when empty. */
#define JS_ROW(owner, field, kind, flags) {#field, offsetof(owner, field), JSAPI_##kind, flags, {0}}
#define JS_ROW_AS(owner, name, field, kind, flags) \
    {name, offsetof(owner, field), JSAPI_##kind, flags, {0}}
#define JS_ROW_OF(owner, field, kind, flags, sub) \
    {#field, offsetof(owner, field), JSAPI_##kind, flags, {.type = &sub}}
#define JS_ROW_ENUM(owner, field, flags, enum_names) \
    {#field, offsetof(owner, field), JSAPI_ENUM, flags, {.names = &enum_names}}
#define JS_ROW_WORD(owner, field, flags, go) \
    {#field, offsetof(owner, field), JSAPI_INT, flags, {.word = go}}
#define JS_ROW_EMBED(owner, field, kind, sub) \
    {NULL, offsetof(owner, field), JSAPI_##kind, 0, {.type = &sub}}
#define JS_ROW_GROUP(field, sub) {field, 0, JSAPI_GROUP, 0, {.type = &sub}}
#define JS_TABLE(name, owner, go, rows) \
    const ri_jsapi_type name = {go, rows, JS_COUNT(rows), sizeof(owner)}
#define JS_NAMES(name, bad_text, ...) \
    static const char *const name##_text[] = {__VA_ARGS__}; \
    static const jsapi_names name = {name##_text, RI_LEN(name##_text), bad_text}

JS_NAMES(jsapi_retention, NULL, "limits", "interest", "workqueue");
JS_NAMES(jsapi_discard, NULL, "old", "new");
JS_NAMES(jsapi_storage, NULL, "file", "memory");
JS_NAMES(jsapi_compression, "unknown compression algorithm", "none", "s2");
JS_NAMES(jsapi_persist, NULL, "default", "async");
JS_NAMES(jsapi_deliver, NULL, "all", "last", "new", "by_start_sequence", "by_start_time",
      "last_per_subject");
JS_NAMES(jsapi_ack, NULL, "none", "all", "explicit", "flow_control");
JS_NAMES(jsapi_replay, NULL, "instant", "original");
JS_NAMES(jsapi_priority, "unknown priority policy: %s", "none", "overflow", "pinned_client",
      "prioritized");
JS_NAMES(jsapi_action, "unknown consumer action: %s", "", "create", "update");

static const jsapi_row jsapi_transform_rows[] = {
    JS_ROW(ri_js_transform, src, STR, 0),
    JS_ROW(ri_js_transform, dest, STR, 0),
};
static JS_TABLE(jsapi_transform, ri_js_transform, "SubjectTransformConfig", jsapi_transform_rows);

static const jsapi_row jsapi_republish_rows[] = {
    JS_ROW(ri_js_republish, src, STR, JSAPI_OMIT),
    JS_ROW(ri_js_republish, dest, STR, 0),
    JS_ROW(ri_js_republish, headers_only, BOOL, JSAPI_OMIT),
};
static JS_TABLE(jsapi_republish, ri_js_republish, "RePublish", jsapi_republish_rows);

static const jsapi_row jsapi_placement_rows[] = {
    JS_ROW(ri_js_placement, cluster, STR, JSAPI_OMIT),
    JS_ROW(ri_js_placement, tags, STRS, JSAPI_OMIT),
    JS_ROW(ri_js_placement, preferred, STR, JSAPI_OMIT),
};
static JS_TABLE(jsapi_placement, ri_js_placement, "Placement", jsapi_placement_rows);

static const jsapi_row jsapi_external_rows[] = {
    JS_ROW(ri_js_external, api, STR, 0),
    JS_ROW(ri_js_external, deliver, STR, 0),
};
static JS_TABLE(jsapi_external, ri_js_external, "ExternalStream", jsapi_external_rows);

static const jsapi_row jsapi_source_consumer_rows[] = {
    JS_ROW(ri_js_source_consumer, name, STR, JSAPI_OMIT),
    JS_ROW(ri_js_source_consumer, deliver_subject, STR, JSAPI_OMIT),
};
static JS_TABLE(jsapi_source_consumer, ri_js_source_consumer, "StreamConsumerSource",
    jsapi_source_consumer_rows);

static const jsapi_row jsapi_source_rows[] = {
    JS_ROW(ri_js_source, name, STR, 0),
    JS_ROW(ri_js_source, opt_start_seq, UINT, JSAPI_OMIT),
    JS_ROW(ri_js_source, opt_start_time, TIME, JSAPI_OMIT),
    JS_ROW(ri_js_source, filter_subject, STR, JSAPI_OMIT),
    JS_ROW_OF(ri_js_source, subject_transforms, LIST, JSAPI_OMIT, jsapi_transform),
    JS_ROW_OF(ri_js_source, external, POINTER, JSAPI_OMIT, jsapi_external),
    JS_ROW_OF(ri_js_source, consumer, POINTER, JSAPI_OMIT, jsapi_source_consumer),
};
JS_TABLE(ri_jsapi_source, ri_js_source, "StreamSource", jsapi_source_rows);

static const jsapi_row jsapi_consumer_limits_rows[] = {
    {"inactive_threshold", offsetof(ri_stream_conf, limit_inactive_threshold), JSAPI_INT,
        JSAPI_OMIT, {.word = "time.Duration"}},
    JS_ROW_AS(ri_stream_conf, "max_ack_pending", limit_max_ack_pending, INT, JSAPI_OMIT),
};
static JS_TABLE(jsapi_consumer_limits, ri_stream_conf, "StreamConsumerLimits",
    jsapi_consumer_limits_rows);

static const jsapi_row jsapi_stream_conf_rows[] = {
    JS_ROW(ri_stream_conf, name, STR, 0),
    JS_ROW(ri_stream_conf, description, STR, JSAPI_OMIT),
    JS_ROW(ri_stream_conf, subjects, STRS, JSAPI_OMIT),
    JS_ROW_ENUM(ri_stream_conf, retention, 0, jsapi_retention),
    JS_ROW(ri_stream_conf, max_consumers, INT, 0),
    JS_ROW_WORD(ri_stream_conf, max_msgs, 0, "int64"),
    JS_ROW_WORD(ri_stream_conf, max_bytes, 0, "int64"),
    JS_ROW_WORD(ri_stream_conf, max_age, 0, "time.Duration"),
    JS_ROW_WORD(ri_stream_conf, max_msgs_per_subject, 0, "int64"),
    JS_ROW(ri_stream_conf, max_msg_size, INT32, JSAPI_OMIT),
    JS_ROW_ENUM(ri_stream_conf, discard, 0, jsapi_discard),
    JS_ROW_ENUM(ri_stream_conf, storage, 0, jsapi_storage),
    JS_ROW(ri_stream_conf, num_replicas, INT, 0),
    JS_ROW(ri_stream_conf, no_ack, BOOL, JSAPI_OMIT),
    JS_ROW_WORD(ri_stream_conf, duplicate_window, JSAPI_OMIT, "time.Duration"),
    JS_ROW_OF(ri_stream_conf, placement, POINTER, JSAPI_OMIT, jsapi_placement),
    JS_ROW_OF(ri_stream_conf, mirror, POINTER, JSAPI_OMIT, ri_jsapi_source),
    JS_ROW_OF(ri_stream_conf, sources, LIST, JSAPI_OMIT, ri_jsapi_source),
    JS_ROW_ENUM(ri_stream_conf, compression, 0, jsapi_compression),
    JS_ROW(ri_stream_conf, first_seq, UINT, JSAPI_OMIT),
    JS_ROW_OF(ri_stream_conf, subject_transform, POINTER, JSAPI_OMIT, jsapi_transform),
    JS_ROW_OF(ri_stream_conf, republish, POINTER, JSAPI_OMIT, jsapi_republish),
    JS_ROW(ri_stream_conf, allow_direct, BOOL, 0),
    JS_ROW(ri_stream_conf, mirror_direct, BOOL, 0),
    JS_ROW(ri_stream_conf, discard_new_per_subject, BOOL, JSAPI_OMIT),
    JS_ROW(ri_stream_conf, sealed, BOOL, 0),
    JS_ROW(ri_stream_conf, deny_delete, BOOL, 0),
    JS_ROW(ri_stream_conf, deny_purge, BOOL, 0),
    JS_ROW(ri_stream_conf, allow_rollup_hdrs, BOOL, 0),
    JS_ROW_GROUP("consumer_limits", jsapi_consumer_limits),
    JS_ROW(ri_stream_conf, allow_msg_ttl, BOOL, 0),
    JS_ROW_WORD(ri_stream_conf, subject_delete_marker_ttl, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_stream_conf, allow_msg_counter, BOOL, JSAPI_OMIT),
    JS_ROW(ri_stream_conf, allow_atomic, BOOL, JSAPI_OMIT),
    JS_ROW(ri_stream_conf, allow_msg_schedules, BOOL, JSAPI_OMIT),
    JS_ROW_ENUM(ri_stream_conf, persist_mode, JSAPI_OMIT, jsapi_persist),
    JS_ROW(ri_stream_conf, allow_batched, BOOL, JSAPI_OMIT),
    JS_ROW(ri_stream_conf, metadata, MAP, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_conf, ri_stream_conf, "StreamConfig", jsapi_stream_conf_rows);

static const jsapi_row jsapi_stream_core_rows[] = {
    JS_ROW(ri_stream_conf, subjects, STRS, JSAPI_OMIT),
    JS_ROW_OF(ri_stream_conf, mirror, POINTER, JSAPI_OMIT, ri_jsapi_source),
    JS_ROW_OF(ri_stream_conf, sources, LIST, JSAPI_OMIT, ri_jsapi_source),
};
JS_TABLE(ri_jsapi_stream_core, ri_stream_conf, "StreamConfig", jsapi_stream_core_rows);

static const jsapi_row jsapi_stream_request_rows[] = {
    JS_ROW_EMBED(ri_js_stream_request, conf, EMBED, ri_jsapi_stream_conf),
    JS_ROW(ri_js_stream_request, pedantic, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_request, ri_js_stream_request, "StreamConfigRequest",
    jsapi_stream_request_rows);

static const jsapi_row jsapi_consumer_conf_rows[] = {
    JS_ROW(ri_consumer_conf, durable_name, STR, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, name, STR, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, description, STR, JSAPI_OMIT),
    JS_ROW_ENUM(ri_consumer_conf, deliver_policy, 0, jsapi_deliver),
    JS_ROW(ri_consumer_conf, opt_start_seq, UINT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, opt_start_time, TIME, JSAPI_OMIT),
    JS_ROW_ENUM(ri_consumer_conf, ack_policy, 0, jsapi_ack),
    JS_ROW_WORD(ri_consumer_conf, ack_wait, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_consumer_conf, max_deliver, INT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, backoff, INTS, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, filter_subject, STR, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, filter_subjects, STRS, JSAPI_OMIT),
    JS_ROW_ENUM(ri_consumer_conf, replay_policy, 0, jsapi_replay),
    JS_ROW(ri_consumer_conf, rate_limit_bps, UINT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, sample_freq, STR, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, max_waiting, INT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, max_ack_pending, INT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, flow_control, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, headers_only, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, max_batch, INT, JSAPI_OMIT),
    JS_ROW_WORD(ri_consumer_conf, max_expires, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_consumer_conf, max_bytes, INT, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, deliver_subject, STR, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, deliver_group, STR, JSAPI_OMIT),
    JS_ROW_WORD(ri_consumer_conf, idle_heartbeat, JSAPI_OMIT, "time.Duration"),
    JS_ROW_WORD(ri_consumer_conf, inactive_threshold, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_consumer_conf, num_replicas, INT, 0),
    JS_ROW(ri_consumer_conf, mem_storage, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, direct, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, sourcing, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, metadata, MAP, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, pause_until, TIME, JSAPI_OMIT),
    JS_ROW(ri_consumer_conf, priority_groups, STRS, JSAPI_OMIT),
    JS_ROW_ENUM(ri_consumer_conf, priority_policy, JSAPI_OMIT, jsapi_priority),
    JS_ROW_WORD(ri_consumer_conf, priority_timeout, JSAPI_OMIT, "time.Duration"),
};
JS_TABLE(ri_jsapi_consumer_conf, ri_consumer_conf, "ConsumerConfig", jsapi_consumer_conf_rows);

static const jsapi_row jsapi_consumer_request_rows[] = {
    JS_ROW(ri_js_consumer_request, stream_name, STR, 0),
    {"config", offsetof(ri_js_consumer_request, conf), JSAPI_OBJECT, 0,
        {.type = &ri_jsapi_consumer_conf}},
    JS_ROW_ENUM(ri_js_consumer_request, action, 0, jsapi_action),
    JS_ROW(ri_js_consumer_request, pedantic, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_consumer_request, ri_js_consumer_request, "CreateConsumerRequest",
    jsapi_consumer_request_rows);

static const jsapi_row jsapi_lost_rows[] = {
    JS_ROW(ri_js_lost, msgs, INTS, JSAPI_NULL | JSAPI_UNSIGNED),
    JS_ROW(ri_js_lost, bytes, UINT, 0),
};
static JS_TABLE(jsapi_lost, ri_js_lost, "LostStreamData", jsapi_lost_rows);

static const jsapi_row jsapi_stream_state_rows[] = {
    JS_ROW(ri_stream_state, messages, UINT, 0),
    JS_ROW(ri_stream_state, bytes, UINT, 0),
    JS_ROW(ri_stream_state, first_seq, UINT, 0),
    JS_ROW(ri_stream_state, first_ts, TIME, 0),
    JS_ROW(ri_stream_state, last_seq, UINT, 0),
    JS_ROW(ri_stream_state, last_ts, TIME, 0),
    JS_ROW(ri_stream_state, num_subjects, UINT, JSAPI_OMIT),
    JS_ROW(ri_stream_state, subjects, COUNTS, JSAPI_OMIT),
    JS_ROW(ri_stream_state, num_deleted, UINT, JSAPI_OMIT),
    JS_ROW(ri_stream_state, deleted, INTS, JSAPI_OMIT | JSAPI_UNSIGNED),
    JS_ROW_OF(ri_stream_state, lost, POINTER, JSAPI_OMIT, jsapi_lost),
    JS_ROW(ri_stream_state, consumer_count, UINT, 0),
};
JS_TABLE(ri_jsapi_stream_state, ri_stream_state, "StreamState", jsapi_stream_state_rows);

static const jsapi_row jsapi_replica_rows[] = {
    JS_ROW(ri_js_replica, name, STR, 0),
    JS_ROW(ri_js_replica, current, BOOL, 0),
    JS_ROW(ri_js_replica, offline, BOOL, JSAPI_OMIT),
    JS_ROW_WORD(ri_js_replica, active, 0, "time.Duration"),
    JS_ROW(ri_js_replica, lag, UINT, JSAPI_OMIT),
    JS_ROW(ri_js_replica, peer, STR, 0),
};
static JS_TABLE(jsapi_replica, ri_js_replica, "PeerInfo", jsapi_replica_rows);

static const jsapi_row jsapi_cluster_rows[] = {
    JS_ROW(ri_js_cluster, name, STR, JSAPI_OMIT),
    JS_ROW(ri_js_cluster, raft_group, STR, JSAPI_OMIT),
    JS_ROW(ri_js_cluster, leader, STR, JSAPI_OMIT),
    JS_ROW(ri_js_cluster, leader_since, TIME, JSAPI_OMIT),
    JS_ROW(ri_js_cluster, system_account, BOOL, JSAPI_OMIT),
    JS_ROW(ri_js_cluster, traffic_account, STR, JSAPI_OMIT),
    JS_ROW_OF(ri_js_cluster, replicas, LIST, JSAPI_OMIT, jsapi_replica),
};
static JS_TABLE(jsapi_cluster, ri_js_cluster, "ClusterInfo", jsapi_cluster_rows);

static const jsapi_row jsapi_source_info_rows[] = {
    JS_ROW(ri_js_source_info, name, STR, 0),
    JS_ROW_OF(ri_js_source_info, external, POINTER, JSAPI_OMIT, jsapi_external),
    JS_ROW(ri_js_source_info, lag, UINT, 0),
    JS_ROW(ri_js_source_info, seq, UINT, JSAPI_OMIT),
    JS_ROW_WORD(ri_js_source_info, active, 0, "time.Duration"),
    JS_ROW(ri_js_source_info, error, ERROR, JSAPI_OMIT),
    JS_ROW(ri_js_source_info, filter_subject, STR, JSAPI_OMIT),
    JS_ROW_OF(ri_js_source_info, subject_transforms, LIST, JSAPI_OMIT, jsapi_transform),
};
static JS_TABLE(jsapi_source_info, ri_js_source_info, "StreamSourceInfo", jsapi_source_info_rows);

static const jsapi_row jsapi_alternate_rows[] = {
    JS_ROW(ri_js_alternate, name, STR, 0),
    JS_ROW(ri_js_alternate, domain, STR, JSAPI_OMIT),
    JS_ROW(ri_js_alternate, cluster, STR, 0),
};
static JS_TABLE(jsapi_alternate, ri_js_alternate, "StreamAlternate", jsapi_alternate_rows);

static const jsapi_row jsapi_stream_info_rows[] = {
    JS_ROW_OF(ri_stream_info, config, POINTER, 0, ri_jsapi_stream_conf),
    JS_ROW(ri_stream_info, created, TIME, 0),
    JS_ROW_OF(ri_stream_info, state, OBJECT, 0, ri_jsapi_stream_state),
    JS_ROW(ri_stream_info, domain, STR, JSAPI_OMIT),
    JS_ROW_OF(ri_stream_info, cluster, POINTER, JSAPI_OMIT, jsapi_cluster),
    JS_ROW_OF(ri_stream_info, mirror, POINTER, JSAPI_OMIT, jsapi_source_info),
    JS_ROW_OF(ri_stream_info, sources, LIST, JSAPI_OMIT, jsapi_source_info),
    JS_ROW_OF(ri_stream_info, alternates, LIST, JSAPI_OMIT, jsapi_alternate),
    JS_ROW(ri_stream_info, ts, TIME, 0),
};
JS_TABLE(ri_jsapi_stream_info, ri_stream_info, "StreamInfo", jsapi_stream_info_rows);

static const jsapi_row jsapi_position_rows[] = {
    JS_ROW(ri_js_position, consumer_seq, UINT, 0),
    JS_ROW(ri_js_position, stream_seq, UINT, 0),
    JS_ROW(ri_js_position, last_active, TIME, JSAPI_OMIT),
};
static JS_TABLE(jsapi_position, ri_js_position, "SequenceInfo", jsapi_position_rows);

static const jsapi_row jsapi_group_state_rows[] = {
    JS_ROW(ri_js_group_state, group, STR, 0),
    JS_ROW(ri_js_group_state, pinned_client_id, STR, JSAPI_OMIT),
    JS_ROW(ri_js_group_state, pinned_ts, TIME, 0),
};
static JS_TABLE(jsapi_group_state, ri_js_group_state, "PriorityGroupState", jsapi_group_state_rows);

static const jsapi_row jsapi_consumer_info_rows[] = {
    JS_ROW(ri_consumer_info, stream_name, STR, 0),
    JS_ROW(ri_consumer_info, name, STR, 0),
    JS_ROW(ri_consumer_info, created, TIME, 0),
    JS_ROW_OF(ri_consumer_info, config, POINTER, JSAPI_OMIT, ri_jsapi_consumer_conf),
    JS_ROW_OF(ri_consumer_info, delivered, OBJECT, 0, jsapi_position),
    JS_ROW_OF(ri_consumer_info, ack_floor, OBJECT, 0, jsapi_position),
    JS_ROW(ri_consumer_info, num_ack_pending, UINT, 0),
    JS_ROW(ri_consumer_info, num_redelivered, UINT, 0),
    JS_ROW(ri_consumer_info, num_waiting, UINT, 0),
    JS_ROW(ri_consumer_info, num_pending, UINT, 0),
    JS_ROW_OF(ri_consumer_info, cluster, POINTER, JSAPI_OMIT, jsapi_cluster),
    JS_ROW(ri_consumer_info, push_bound, BOOL, JSAPI_OMIT),
    JS_ROW(ri_consumer_info, paused, BOOL, JSAPI_OMIT),
    JS_ROW_WORD(ri_consumer_info, pause_remaining, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_consumer_info, ts, TIME, 0),
    JS_ROW_OF(ri_consumer_info, priority_groups, LIST, JSAPI_OMIT, jsapi_group_state),
};
JS_TABLE(ri_jsapi_consumer_info, ri_consumer_info, "ConsumerInfo", jsapi_consumer_info_rows);

static const jsapi_row jsapi_stream_list_request_rows[] = {
    JS_ROW(ri_js_list_request, offset, INT, 0),
    JS_ROW(ri_js_list_request, subject, STR, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_list_request, ri_js_list_request, "JSApiStreamListRequest",
    jsapi_stream_list_request_rows);

JS_TABLE(ri_jsapi_stream_names_request, ri_js_list_request, "JSApiStreamNamesRequest",
    jsapi_stream_list_request_rows);

static const jsapi_row jsapi_consumer_list_request_rows[] = {
    JS_ROW(ri_js_list_request, offset, INT, 0),
};
JS_TABLE(ri_jsapi_consumer_list_request, ri_js_list_request, "JSApiConsumersRequest",
    jsapi_consumer_list_request_rows);

static const jsapi_row jsapi_stream_info_request_rows[] = {
    JS_ROW(ri_js_stream_info_request, offset, INT, 0),
    JS_ROW(ri_js_stream_info_request, deleted_details, BOOL, JSAPI_OMIT),
    JS_ROW(ri_js_stream_info_request, subjects_filter, STR, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_info_request, ri_js_stream_info_request, "JSApiStreamInfoRequest",
    jsapi_stream_info_request_rows);

static const jsapi_row jsapi_purge_request_rows[] = {
    JS_ROW(ri_js_purge_request, seq, UINT, JSAPI_OMIT),
    JS_ROW(ri_js_purge_request, filter, STR, JSAPI_OMIT),
    JS_ROW(ri_js_purge_request, keep, UINT, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_purge_request, ri_js_purge_request, "JSApiStreamPurgeRequest",
    jsapi_purge_request_rows);

static const jsapi_row jsapi_msg_delete_request_rows[] = {
    JS_ROW(ri_js_msg_delete_request, seq, UINT, 0),
    JS_ROW(ri_js_msg_delete_request, no_erase, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_msg_delete_request, ri_js_msg_delete_request, "JSApiMsgDeleteRequest",
    jsapi_msg_delete_request_rows);

static const jsapi_row jsapi_msg_get_request_rows[] = {
    JS_ROW(ri_js_msg_get_request, seq, UINT, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, last_by_subj, STR, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, next_by_subj, STR, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, batch, INT, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, max_bytes, INT, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, start_time, TIME, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, multi_last, STRS, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, up_to_seq, UINT, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, up_to_time, TIME, JSAPI_OMIT),
    JS_ROW(ri_js_msg_get_request, no_hdr, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_msg_get_request, ri_js_msg_get_request, "JSApiMsgGetRequest",
    jsapi_msg_get_request_rows);

static const jsapi_row jsapi_pull_request_rows[] = {
    JS_ROW_WORD(ri_js_pull_request, expires, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_js_pull_request, batch, INT, JSAPI_OMIT),
    JS_ROW(ri_js_pull_request, max_bytes, INT, JSAPI_OMIT),
    JS_ROW(ri_js_pull_request, no_wait, BOOL, JSAPI_OMIT),
    JS_ROW_WORD(ri_js_pull_request, idle_heartbeat, JSAPI_OMIT, "time.Duration"),
    JS_ROW(ri_js_pull_request, group, STR, JSAPI_OMIT),
    JS_ROW_WORD(ri_js_pull_request, min_pending, JSAPI_OMIT, "int64"),
    JS_ROW_WORD(ri_js_pull_request, min_ack_pending, JSAPI_OMIT, "int64"),
    JS_ROW(ri_js_pull_request, id, STR, JSAPI_OMIT),
    JS_ROW(ri_js_pull_request, priority, INT, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_pull_request, ri_js_pull_request, "JSApiConsumerGetNextRequest",
    jsapi_pull_request_rows);

static const jsapi_row jsapi_pause_request_rows[] = {
    JS_ROW(ri_js_pause_request, pause_until, TIME, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_pause_request, ri_js_pause_request, "JSApiConsumerPauseRequest",
    jsapi_pause_request_rows);

static const jsapi_row jsapi_reset_request_rows[] = {
    JS_ROW(ri_js_reset_request, seq, UINT, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_reset_request, ri_js_reset_request, "JSApiConsumerResetRequest",
    jsapi_reset_request_rows);

static const jsapi_row jsapi_unpin_request_rows[] = {
    JS_ROW(ri_js_unpin_request, group, STR, 0),
};
JS_TABLE(ri_jsapi_unpin_request, ri_js_unpin_request, "JSApiConsumerUnpinRequest",
    jsapi_unpin_request_rows);

static const jsapi_row jsapi_stepdown_request_rows[] = {
    JS_ROW_OF(ri_js_stepdown_request, placement, POINTER, JSAPI_OMIT, jsapi_placement),
};
JS_TABLE(ri_jsapi_stepdown_request, ri_js_stepdown_request, "JSApiLeaderStepdownRequest",
    jsapi_stepdown_request_rows);

static const jsapi_row jsapi_peer_request_rows[] = {
    JS_ROW(ri_js_peer_request, peer, STR, 0),
};
JS_TABLE(ri_jsapi_peer_request, ri_js_peer_request, "JSApiStreamRemovePeerRequest",
    jsapi_peer_request_rows);

static const jsapi_row jsapi_snapshot_request_rows[] = {
    JS_ROW(ri_js_snapshot_request, deliver_subject, STR, 0),
    JS_ROW(ri_js_snapshot_request, no_consumers, BOOL, JSAPI_OMIT),
    JS_ROW(ri_js_snapshot_request, chunk_size, INT, JSAPI_OMIT),
    JS_ROW(ri_js_snapshot_request, window_size, INT, JSAPI_OMIT),
    JS_ROW(ri_js_snapshot_request, jsck, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_snapshot_request, ri_js_snapshot_request, "JSApiStreamSnapshotRequest",
    jsapi_snapshot_request_rows);

static const jsapi_row jsapi_restore_request_rows[] = {
    JS_ROW_OF(ri_js_restore_request, config, OBJECT, 0, ri_jsapi_stream_conf),
    JS_ROW_OF(ri_js_restore_request, state, OBJECT, 0, ri_jsapi_stream_state),
};
JS_TABLE(ri_jsapi_restore_request, ri_js_restore_request, "JSApiStreamRestoreRequest",
    jsapi_restore_request_rows);

static const jsapi_row jsapi_head_rows[] = {
    JS_ROW(ri_js_head, type, STR, 0),
    JS_ROW(ri_js_head, error, ERROR, JSAPI_OMIT),
};
static JS_TABLE(jsapi_head, ri_js_head, "ApiResponse", jsapi_head_rows);

static const jsapi_row jsapi_paged_rows[] = {
    JS_ROW(ri_js_paged, total, INT, 0),
    JS_ROW(ri_js_paged, offset, INT, 0),
    JS_ROW(ri_js_paged, limit, INT, 0),
};
static JS_TABLE(jsapi_paged, ri_js_paged, "ApiPaged", jsapi_paged_rows);

static const jsapi_row jsapi_ok_reply_rows[] = {
    JS_ROW_EMBED(ri_js_ok_reply, head, EMBED, jsapi_head),
    JS_ROW(ri_js_ok_reply, success, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_ok_reply, ri_js_ok_reply, "ApiResponse", jsapi_ok_reply_rows);

static const jsapi_row jsapi_stream_reply_rows[] = {
    JS_ROW_EMBED(ri_js_stream_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_stream_reply, info, EMBED_PTR, ri_jsapi_stream_info),
    JS_ROW(ri_js_stream_reply, did_create, BOOL, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_reply, ri_js_stream_reply, "JSApiStreamCreateResponse",
    jsapi_stream_reply_rows);

static const jsapi_row jsapi_stream_info_reply_rows[] = {
    JS_ROW_EMBED(ri_js_stream_info_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_stream_info_reply, paged, EMBED, jsapi_paged),
    JS_ROW_EMBED(ri_js_stream_info_reply, info, EMBED_PTR, ri_jsapi_stream_info),
};
JS_TABLE(ri_jsapi_stream_info_reply, ri_js_stream_info_reply, "JSApiStreamInfoResponse",
    jsapi_stream_info_reply_rows);

static const jsapi_row jsapi_stream_names_reply_rows[] = {
    JS_ROW_EMBED(ri_js_stream_names_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_stream_names_reply, paged, EMBED, jsapi_paged),
    JS_ROW(ri_js_stream_names_reply, streams, STRS, JSAPI_NULL),
};
JS_TABLE(ri_jsapi_stream_names_reply, ri_js_stream_names_reply, "JSApiStreamNamesResponse",
    jsapi_stream_names_reply_rows);

static const jsapi_row jsapi_stream_list_reply_rows[] = {
    JS_ROW_EMBED(ri_js_stream_list_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_stream_list_reply, paged, EMBED, jsapi_paged),
    JS_ROW(ri_js_stream_list_reply, offline, MAP, JSAPI_OMIT),
    JS_ROW_OF(ri_js_stream_list_reply, streams, LIST, 0, ri_jsapi_stream_info),
    JS_ROW(ri_js_stream_list_reply, missing, STRS, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_stream_list_reply, ri_js_stream_list_reply, "JSApiStreamListResponse",
    jsapi_stream_list_reply_rows);

static const jsapi_row jsapi_consumer_reply_rows[] = {
    JS_ROW_EMBED(ri_js_consumer_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_consumer_reply, info, EMBED_PTR, ri_jsapi_consumer_info),
};
JS_TABLE(ri_jsapi_consumer_reply, ri_js_consumer_reply, "JSApiConsumerInfoResponse",
    jsapi_consumer_reply_rows);

static const jsapi_row jsapi_reset_reply_rows[] = {
    JS_ROW_EMBED(ri_js_reset_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_reset_reply, info, EMBED_PTR, ri_jsapi_consumer_info),
    JS_ROW(ri_js_reset_reply, reset_seq, UINT, 0),
};
JS_TABLE(ri_jsapi_reset_reply, ri_js_reset_reply, "JSApiConsumerResetResponse",
    jsapi_reset_reply_rows);

static const jsapi_row jsapi_consumer_names_reply_rows[] = {
    JS_ROW_EMBED(ri_js_consumer_names_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_consumer_names_reply, paged, EMBED, jsapi_paged),
    JS_ROW(ri_js_consumer_names_reply, consumers, STRS, 0),
};
JS_TABLE(ri_jsapi_consumer_names_reply, ri_js_consumer_names_reply, "JSApiConsumerNamesResponse",
    jsapi_consumer_names_reply_rows);

static const jsapi_row jsapi_consumer_list_reply_rows[] = {
    JS_ROW_EMBED(ri_js_consumer_list_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_consumer_list_reply, paged, EMBED, jsapi_paged),
    JS_ROW(ri_js_consumer_list_reply, offline, MAP, JSAPI_OMIT),
    JS_ROW_OF(ri_js_consumer_list_reply, consumers, LIST, 0, ri_jsapi_consumer_info),
    JS_ROW(ri_js_consumer_list_reply, missing, STRS, JSAPI_OMIT),
};
JS_TABLE(ri_jsapi_consumer_list_reply, ri_js_consumer_list_reply, "JSApiConsumerListResponse",
    jsapi_consumer_list_reply_rows);

static const jsapi_row jsapi_purge_reply_rows[] = {
    JS_ROW_EMBED(ri_js_purge_reply, head, EMBED, jsapi_head),
    JS_ROW(ri_js_purge_reply, success, BOOL, JSAPI_OMIT),
    JS_ROW(ri_js_purge_reply, purged, UINT, 0),
};
JS_TABLE(ri_jsapi_purge_reply, ri_js_purge_reply, "JSApiStreamPurgeResponse",
    jsapi_purge_reply_rows);

static const jsapi_row jsapi_stored_rows[] = {
    JS_ROW(ri_js_stored, subject, STR, 0),
    JS_ROW(ri_js_stored, seq, UINT, 0),
    JS_ROW(ri_js_stored, hdrs, BASE64, JSAPI_OMIT),
    JS_ROW(ri_js_stored, data, BASE64, JSAPI_OMIT),
    JS_ROW(ri_js_stored, time, TIME, 0),
};
static JS_TABLE(jsapi_stored, ri_js_stored, "StoredMsg", jsapi_stored_rows);

static const jsapi_row jsapi_msg_get_reply_rows[] = {
    JS_ROW_EMBED(ri_js_msg_get_reply, head, EMBED, jsapi_head),
    JS_ROW_OF(ri_js_msg_get_reply, message, POINTER, JSAPI_OMIT, jsapi_stored),
};
JS_TABLE(ri_jsapi_msg_get_reply, ri_js_msg_get_reply, "JSApiMsgGetResponse",
    jsapi_msg_get_reply_rows);

static const jsapi_row jsapi_pause_reply_rows[] = {
    JS_ROW_EMBED(ri_js_pause_reply, head, EMBED, jsapi_head),
    JS_ROW(ri_js_pause_reply, paused, BOOL, 0),
    JS_ROW(ri_js_pause_reply, pause_until, TIME, 0),
    JS_ROW_WORD(ri_js_pause_reply, pause_remaining, JSAPI_OMIT, "time.Duration"),
};
JS_TABLE(ri_jsapi_pause_reply, ri_js_pause_reply, "JSApiConsumerPauseResponse",
    jsapi_pause_reply_rows);

static const jsapi_row jsapi_snapshot_reply_rows[] = {
    JS_ROW_EMBED(ri_js_snapshot_reply, head, EMBED, jsapi_head),
    JS_ROW_OF(ri_js_snapshot_reply, config, POINTER, JSAPI_OMIT, ri_jsapi_stream_conf),
    JS_ROW_OF(ri_js_snapshot_reply, state, POINTER, JSAPI_OMIT, ri_jsapi_stream_state),
};
JS_TABLE(ri_jsapi_snapshot_reply, ri_js_snapshot_reply, "JSApiStreamSnapshotResponse",
    jsapi_snapshot_reply_rows);

static const jsapi_row jsapi_restore_reply_rows[] = {
    JS_ROW_EMBED(ri_js_restore_reply, head, EMBED, jsapi_head),
    JS_ROW(ri_js_restore_reply, deliver_subject, STR, 0),
};
JS_TABLE(ri_jsapi_restore_reply, ri_js_restore_reply, "JSApiStreamRestoreResponse",
    jsapi_restore_reply_rows);

static const jsapi_row jsapi_account_limits_rows[] = {
    JS_ROW_WORD(ri_js_account_limits, max_memory, 0, "int64"),
    JS_ROW_WORD(ri_js_account_limits, max_storage, 0, "int64"),
    JS_ROW(ri_js_account_limits, max_streams, INT, 0),
    JS_ROW(ri_js_account_limits, max_consumers, INT, 0),
    JS_ROW(ri_js_account_limits, max_ack_pending, INT, 0),
    JS_ROW_WORD(ri_js_account_limits, memory_max_stream_bytes, 0, "int64"),
    JS_ROW_WORD(ri_js_account_limits, storage_max_stream_bytes, 0, "int64"),
    JS_ROW(ri_js_account_limits, max_bytes_required, BOOL, 0),
};
static JS_TABLE(jsapi_account_limits, ri_js_account_limits, "JetStreamAccountLimits",
    jsapi_account_limits_rows);

static const jsapi_row jsapi_api_stats_rows[] = {
    JS_ROW(ri_js_api_stats, level, INT, 0),
    JS_ROW(ri_js_api_stats, total, UINT, 0),
    JS_ROW(ri_js_api_stats, errors, UINT, 0),
    JS_ROW(ri_js_api_stats, inflight, UINT, JSAPI_OMIT),
};
static JS_TABLE(jsapi_api_stats, ri_js_api_stats, "JetStreamAPIStats", jsapi_api_stats_rows);

static const jsapi_row jsapi_account_rows[] = {
    JS_ROW(ri_js_account, memory, UINT, 0),
    JS_ROW(ri_js_account, storage, UINT, 0),
    JS_ROW(ri_js_account, reserved_memory, UINT, 0),
    JS_ROW(ri_js_account, reserved_storage, UINT, 0),
    JS_ROW(ri_js_account, streams, UINT, 0),
    JS_ROW(ri_js_account, consumers, UINT, 0),
    JS_ROW_OF(ri_js_account, limits, OBJECT, 0, jsapi_account_limits),
    JS_ROW(ri_js_account, domain, STR, JSAPI_OMIT),
    JS_ROW_OF(ri_js_account, api, OBJECT, 0, jsapi_api_stats),
};
JS_TABLE(ri_jsapi_account, ri_js_account, "JetStreamAccountStats", jsapi_account_rows);

static const jsapi_row jsapi_account_reply_rows[] = {
    JS_ROW_EMBED(ri_js_account_reply, head, EMBED, jsapi_head),
    JS_ROW_EMBED(ri_js_account_reply, account, EMBED_PTR, ri_jsapi_account),
};
JS_TABLE(ri_jsapi_account_reply, ri_js_account_reply, "JSApiAccountInfoResponse",
    jsapi_account_reply_rows);

#undef JS_COUNT
#undef JS_ROW
#undef JS_ROW_AS
#undef JS_ROW_OF
#undef JS_ROW_ENUM
#undef JS_ROW_WORD
#undef JS_ROW_EMBED
#undef JS_ROW_GROUP
#undef JS_TABLE
#undef JS_NAMES
