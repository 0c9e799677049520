/* SPDX-License-Identifier: Apache-2.0
 *
 * The structs of rill.h as tables: options are filled, and reports are told, by the names of their
 * fields, which are written like names of JavaScript. What is a function there is no field here.
 * header.py compares the tables with the header. */
#include "binding.h"
#include <stdio.h>

typedef enum field_kind {
    TEXT, BOOL, U8, I32, U32, I64, NS, U64, U64_AT, HEADERS, STRUCT, STRUCTS, TEXTS, U32S, CHARS,
    BYTES, ENUM, ERR
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t at, count; /* where it lies, and how many it points to; CHARS, BYTES: its size */
    const nd_record *of;
    const char *const *names; /* of an enumeration: of the values from 0 on */
} field;

struct nd_record {
    const char *name;
    size_t size;
    bool sized; /* begins with `size` */
    const field *fields;
};

#define F(S, kind, name) {#name, kind, offsetof(S, name), 0, NULL, NULL}
#define ROOM(S, kind, name) {#name, kind, offsetof(S, name), sizeof(((S *)0)->name), NULL, NULL}
#define LIST(S, kind, name) {#name, kind, offsetof(S, name), offsetof(S, n##name), NULL, NULL}
#define MANY(S, name, of) {#name, STRUCTS, offsetof(S, name), offsetof(S, n##name), &of, NULL}
#define ONE(S, name, of) {#name, STRUCT, offsetof(S, name), 0, &of, NULL}
#define NAMED(S, name, names) {#name, ENUM, offsetof(S, name), 0, NULL, names}
#define END {NULL, TEXT, 0, 0, NULL, NULL}
#define RECORD(var, S) const nd_record var = {#S, sizeof(S), true, (const field *)var##_fields}
#define PLAIN(var, S) const nd_record var = {#S, sizeof(S), false, (const field *)var##_fields}

/* The values of enumerations, in their order: header.py compares them, too. */
static const char *const sync_names[] = {"default", "always", "lazy", "never", "memory", NULL};
static const char *const full_names[] = {"dropNew", "dropOld", "block", "disconnect", NULL};
static const char *const from_names[] = {"first", "last", "lastPerSubject", "new", "seq", "time",
                                         NULL};
static const char *const ack_names[] = {"each", "upto", "none", "auto", NULL};
static const char *const keep_names[] = {"limits", "interest", "work", NULL};
static const char *const answers_names[] = {"one", "stream", "chunked", NULL};
static const char *const event_names[] = {"", "up", "down", "error", "slow", "closed", NULL};

static const field nd_tls_fields[] = {
    F(rill_tls, TEXT, ca_file), F(rill_tls, TEXT, ca_pem), F(rill_tls, TEXT, cert_file),
    F(rill_tls, TEXT, cert_pem), F(rill_tls, TEXT, key_file), F(rill_tls, TEXT, key_pem),
    F(rill_tls, TEXT, key_password), F(rill_tls, TEXT, server_name), F(rill_tls, TEXT, ciphers),
    F(rill_tls, U32, min_version), F(rill_tls, U32, timeout_ms), F(rill_tls, U32, first_ms),
    F(rill_tls, U32, max_handshakes), F(rill_tls, BOOL, verify_peer), F(rill_tls, BOOL, insecure),
    F(rill_tls, BOOL, handshake_first), F(rill_tls, BOOL, verify_and_map),
    F(rill_tls, TEXT, psk), F(rill_tls, TEXT, psk_identity), END};
RECORD(nd_tls, rill_tls);

static const field nd_user_fields[] = {
    F(rill_user, TEXT, user), F(rill_user, TEXT, password), F(rill_user, TEXT, nkey),
    LIST(rill_user, TEXTS, publish_allow), LIST(rill_user, TEXTS, publish_deny),
    LIST(rill_user, TEXTS, subscribe_allow), LIST(rill_user, TEXTS, subscribe_deny),
    F(rill_user, BOOL, allow_responses), F(rill_user, U32, responses_max),
    F(rill_user, U32, responses_ms), F(rill_user, TEXT, account), END};
RECORD(nd_user, rill_user);

static const field nd_opts_fields[] = {
    F(rill_opts, I32, send_timeout_ms), NAMED(rill_opts, sync, sync_names),
    F(rill_opts, U32, sync_interval_ms), F(rill_opts, TEXT, name), F(rill_opts, TEXT, domain),
    F(rill_opts, U64, send_buffer_bytes), F(rill_opts, U32, connect_timeout_ms),
    F(rill_opts, U32, redial_min_ms), F(rill_opts, U32, redial_max_ms),
    F(rill_opts, U32, max_redials), F(rill_opts, U32, max_inflight),
    F(rill_opts, U32, call_timeout_ms), F(rill_opts, U32, ping_interval_ms),
    F(rill_opts, U32, ping_max), F(rill_opts, BOOL, no_wait), F(rill_opts, BOOL, no_redial),
    F(rill_opts, BOOL, no_echo), F(rill_opts, BOOL, fixed_servers), F(rill_opts, BOOL, ws_compress),
    F(rill_opts, TEXT, kafka_config), ONE(rill_opts, tls, nd_tls), F(rill_opts, TEXT, creds_file),
    F(rill_opts, TEXT, nkey_seed), ONE(rill_opts, identity, nd_user), F(rill_opts, TEXT, user),
    F(rill_opts, TEXT, password), F(rill_opts, TEXT, token), END};
RECORD(nd_opts, rill_opts);

static const field nd_post_opts_fields[] = {
    F(rill_post, TEXT, reply), LIST(rill_post, HEADERS, headers), F(rill_post, TEXT, msg_id),
    F(rill_post, U64_AT, expect_last_seq), F(rill_post, TEXT, expect_subject),
    F(rill_post, U32, ttl_ms), NAMED(rill_post, sync, sync_names), F(rill_post, TEXT, deliver_to),
    F(rill_post, NS, deliver_at_ns), F(rill_post, TEXT, schedule),
    F(rill_post, TEXT, schedule_zone), END};
RECORD(nd_post_opts, rill_post);

static const field nd_batch_opts_fields[] = {NAMED(rill_batch_opts, sync, sync_names), END};
RECORD(nd_batch_opts, rill_batch_opts);

static const field nd_sub_opts_fields[] = {
    F(rill_sub_opts, TEXT, group), F(rill_sub_opts, U64, limit_msgs),
    F(rill_sub_opts, U64, pending_bytes), F(rill_sub_opts, U32, pending_msgs),
    NAMED(rill_sub_opts, when_full, full_names),
    F(rill_sub_opts, BOOL, headers_only), F(rill_sub_opts, BOOL, original_speed),
    F(rill_sub_opts, BOOL, no_headers),
    NAMED(rill_sub_opts, from, from_names), F(rill_sub_opts, TEXT, filter),
    F(rill_sub_opts, U64, from_seq),
    F(rill_sub_opts, NS, from_time_ns), NAMED(rill_sub_opts, ack, ack_names),
    F(rill_sub_opts, U32, ack_wait_ms), F(rill_sub_opts, U32, max_deliveries),
    F(rill_sub_opts, U32, max_unacked),
    {"backoff_ms", U32S, offsetof(rill_sub_opts, backoff_ms), offsetof(rill_sub_opts, nbackoff),
     NULL, NULL},
    F(rill_sub_opts, TEXT, dead_letters), F(rill_sub_opts, I64, inactive_ms), END};
RECORD(nd_sub_opts, rill_sub_opts);

static const field nd_at_fields[] = {
    NAMED(rill_at, from, from_names), F(rill_at, U32, partition), F(rill_at, U64, seq),
    F(rill_at, NS, time_ns), F(rill_at, TEXT, filter), END};
RECORD(nd_at, rill_at);

static const field nd_source_fields[] = {
    F(rill_source, TEXT, stream), F(rill_source, TEXT, filter), F(rill_source, TEXT, to),
    F(rill_source, U64, from_seq), F(rill_source, NS, from_time_ns), END};
static RECORD(nd_source, rill_source);

static const field nd_stream_opts_fields[] = {
    F(rill_stream_opts, TEXT, subjects), F(rill_stream_opts, TEXT, description),
    F(rill_stream_opts, U64, max_msgs), F(rill_stream_opts, U64, max_bytes),
    F(rill_stream_opts, U64, max_msgs_per_subject), F(rill_stream_opts, I64, max_age_ms),
    F(rill_stream_opts, U32, max_msg_bytes), F(rill_stream_opts, U32, max_groups),
    NAMED(rill_stream_opts, keep, keep_names), F(rill_stream_opts, U32, dedupe_window_ms),
    F(rill_stream_opts, U64, first_seq), F(rill_stream_opts, BOOL, in_memory),
    F(rill_stream_opts, BOOL, reject_when_full), F(rill_stream_opts, BOOL, reject_per_subject),
    F(rill_stream_opts, BOOL, deny_erase), F(rill_stream_opts, BOOL, deny_purge),
    F(rill_stream_opts, BOOL, allow_ttl), F(rill_stream_opts, BOOL, allow_schedules),
    F(rill_stream_opts, BOOL, republish_headers), F(rill_stream_opts, BOOL, compact),
    F(rill_stream_opts, BOOL, dedupe_strictly), F(rill_stream_opts, U8, replicas),
    F(rill_stream_opts, U32, partitions),
    F(rill_stream_opts, I64, marker_ttl_ms), F(rill_stream_opts, I64, tombstone_ms),
    ONE(rill_stream_opts, mirror, nd_source), MANY(rill_stream_opts, sources, nd_source),
    F(rill_stream_opts, TEXT, transform_from), F(rill_stream_opts, TEXT, transform_to),
    F(rill_stream_opts, TEXT, republish_from), F(rill_stream_opts, TEXT, republish_to), END};
RECORD(nd_stream_opts, rill_stream_opts);

static const field nd_purge_opts_fields[] = {
    F(rill_purge_opts, TEXT, filter), F(rill_purge_opts, U64, before_seq),
    F(rill_purge_opts, U64, keep_msgs), END};
RECORD(nd_purge_opts, rill_purge_opts);

static const field nd_forward_opts_fields[] = {
    F(rill_forward_opts, TEXT, name), F(rill_forward_opts, TEXT, filter),
    F(rill_forward_opts, TEXT, map_from), F(rill_forward_opts, TEXT, map_to),
    F(rill_forward_opts, TEXT, dead_letters), NAMED(rill_forward_opts, from, from_names),
    F(rill_forward_opts, U32, window), F(rill_forward_opts, U64, from_seq),
    F(rill_forward_opts, NS, from_time_ns), F(rill_forward_opts, U32, retry_min_ms),
    F(rill_forward_opts, U32, retry_max_ms), END};
RECORD(nd_forward_opts, rill_forward_opts);

static const field nd_bucket_opts_fields[] = {
    F(rill_bucket_opts, BOOL, must_exist), F(rill_bucket_opts, BOOL, in_memory),
    F(rill_bucket_opts, BOOL, key_ttl), F(rill_bucket_opts, U32, history),
    F(rill_bucket_opts, I64, ttl_ms), F(rill_bucket_opts, U64, max_bytes),
    F(rill_bucket_opts, U64, replicas), END};
RECORD(nd_bucket_opts, rill_bucket_opts);

static const field nd_kv_opts_fields[] = {
    F(rill_kv_opts, U64_AT, expect), F(rill_kv_opts, U32, ttl_ms), END};
RECORD(nd_kv_opts, rill_kv_opts);

static const field nd_mapping_fields[] = {
    F(rill_mapping, TEXT, from), F(rill_mapping, TEXT, to), F(rill_mapping, U32, percent), END};
static RECORD(nd_mapping, rill_mapping);

static const field nd_export_fields[] = {
    F(rill_export, TEXT, subject), F(rill_export, BOOL, service),
    NAMED(rill_export, answers, answers_names),
    F(rill_export, U32, answer_ms), F(rill_export, U32, account_token),
    LIST(rill_export, TEXTS, accounts), F(rill_export, TEXT, latency_subject),
    F(rill_export, U32, latency_percent), END};
static RECORD(nd_export, rill_export);
static const field nd_import_fields[] = {
    F(rill_import, TEXT, account), F(rill_import, TEXT, subject), F(rill_import, TEXT, to),
    F(rill_import, BOOL, service), F(rill_import, BOOL, share), END};
static RECORD(nd_import, rill_import);
static const field nd_account_fields[] = {
    F(rill_account, TEXT, name), F(rill_account, U32, max_conns), F(rill_account, U32, max_subs),
    F(rill_account, U32, max_msg_bytes), F(rill_account, BOOL, jetstream),
    F(rill_account, BOOL, max_bytes_required), MANY(rill_account, mappings, nd_mapping),
    F(rill_account, U64, max_store_bytes), F(rill_account, U64, max_stream_memory_bytes),
    F(rill_account, U64, max_stream_bytes), F(rill_account, U64, max_memory_stream_bytes),
    F(rill_account, U32, max_streams), F(rill_account, U32, max_groups),
    F(rill_account, U32, max_unacked), MANY(rill_account, exports, nd_export),
    MANY(rill_account, imports, nd_import), END};
static RECORD(nd_account, rill_account);

static const field nd_login_record_fields[] = {
    F(rill_login, TEXT, peer), F(rill_login, TEXT, client), F(rill_login, TEXT, user),
    F(rill_login, TEXT, password), F(rill_login, TEXT, token), F(rill_login, TEXT, nkey),
    F(rill_login, BOOL, encrypted), F(rill_login, TEXT, certificate), END};
RECORD(nd_login_record, rill_login);

static const field nd_broker_opts_fields[] = {
    F(rill_broker_opts, TEXT, name), F(rill_broker_opts, TEXT, version),
    F(rill_broker_opts, TEXT, user), F(rill_broker_opts, TEXT, password),
    F(rill_broker_opts, TEXT, token), F(rill_broker_opts, U32, max_msg_bytes),
    F(rill_broker_opts, U32, max_conns), F(rill_broker_opts, U32, max_subs),
    F(rill_broker_opts, U32, max_control_line_bytes), F(rill_broker_opts, U64, max_pending_bytes),
    F(rill_broker_opts, U32, ping_interval_ms), F(rill_broker_opts, U32, ping_max),
    F(rill_broker_opts, U32, auth_timeout_ms), F(rill_broker_opts, U32, write_deadline_ms),
    F(rill_broker_opts, TEXT, dir), NAMED(rill_broker_opts, sync, sync_names),
    F(rill_broker_opts, U32, sync_interval_ms), F(rill_broker_opts, TEXT, domain),
    F(rill_broker_opts, U64, max_store_bytes), F(rill_broker_opts, U64, max_stream_memory_bytes),
    F(rill_broker_opts, U32, max_dedupe_ms), F(rill_broker_opts, U32, max_unacked),
    F(rill_broker_opts, U32, max_pull_batch), F(rill_broker_opts, U32, max_subjects),
    F(rill_broker_opts, U32, spin_us), F(rill_broker_opts, BOOL, jetstream),
    F(rill_broker_opts, BOOL, no_headers), F(rill_broker_opts, BOOL, trace),
    F(rill_broker_opts, U32, trace_data_bytes), F(rill_broker_opts, U32, max_sub_tokens),
    F(rill_broker_opts, TEXT, advertise), F(rill_broker_opts, U64, memory_bytes),
    MANY(rill_broker_opts, mappings, nd_mapping),
    MANY(rill_broker_opts, users, nd_user), F(rill_broker_opts, TEXT, no_auth_user),
    F(rill_broker_opts, TEXT, kafka_config), MANY(rill_broker_opts, accounts, nd_account),
    F(rill_broker_opts, TEXT, system_account), LIST(rill_broker_opts, TEXTS, operators),
    LIST(rill_broker_opts, TEXTS, account_jwts), F(rill_broker_opts, TEXT, callout_issuer),
    F(rill_broker_opts, TEXT, callout_account), F(rill_broker_opts, TEXT, callout_xkey),
    LIST(rill_broker_opts, TEXTS, callout_users), LIST(rill_broker_opts, TEXTS, callout_accounts),
    F(rill_broker_opts, TEXT, default_sentinel), F(rill_broker_opts, U32, login_failures),
    F(rill_broker_opts, U32, login_failures_per_s), LIST(rill_broker_opts, TEXTS, server_tags),
    LIST(rill_broker_opts, TEXTS, server_metadata), END};
RECORD(nd_broker_opts, rill_broker_opts);

static const field nd_listen_opts_fields[] = {
    F(rill_listen_opts, TEXT, advertise), ONE(rill_listen_opts, tls, nd_tls),
    F(rill_listen_opts, BOOL, tls_optional), F(rill_listen_opts, BOOL, no_auto_create),
    F(rill_listen_opts, U32, partitions), F(rill_listen_opts, BOOL, ws_same_origin),
    F(rill_listen_opts, BOOL, ws_compress), F(rill_listen_opts, TEXT, ws_origins),
    F(rill_listen_opts, TEXT, ws_cookies), F(rill_listen_opts, U32, ws_handshake_ms),
    F(rill_listen_opts, I32, socket), F(rill_listen_opts, TEXT, http_base_path), END};
RECORD(nd_listen_opts, rill_listen_opts);

#define S(name) F(rill_stats, U64, name)
static const field nd_stats_fields[] = {
    S(in_msgs), S(in_bytes), S(out_msgs), S(out_bytes), S(dropped_msgs), S(subs), S(conns),
    S(conns_total), S(slow_conns), S(store_bytes), S(store_file_bytes), S(store_appended_bytes),
    S(store_moved_bytes), S(store_written_bytes), S(store_damages), S(turns), S(turns_cut),
    S(turn_units), S(turn_units_max), S(memory_bytes), S(memory_max_bytes), S(memory_refusals),
    S(stale_conns), S(stalled_conns), S(subs_begun), S(subs_ended), S(matches), S(matches_known),
    S(answers), S(answers_told), S(receivers), S(receivers_max),
    S(logins_failed), S(logins_refused), END};
#undef S
RECORD(nd_stats, rill_stats);

static const field nd_receipt_fields[] = {
    F(rill_receipt, U64, seq), F(rill_receipt, BOOL, duplicate), F(rill_receipt, U32, partition),
    END};
RECORD(nd_receipt, rill_receipt);

#define S(name) F(rill_sub_info, U64, name)
static const field nd_sub_info_fields[] = {
    S(pending_msgs), S(pending_bytes), S(dropped_msgs), S(delivered_msgs), S(unacked_msgs),
    S(lag_msgs), F(rill_sub_info, NS, lag_ns), S(lag_bytes), END};
#undef S
RECORD(nd_sub_info, rill_sub_info);

#define S(kind, name) F(rill_stream_info, kind, name)
static const field nd_stream_info_fields[] = {
    S(U64, msgs), S(U64, bytes), S(U64, first_seq), S(U64, last_seq), S(NS, first_time_ns),
    S(NS, last_time_ns), S(U64, subjects), S(U32, groups), S(U32, partitions),
    S(U64, ids_forgotten), END};
#undef S
RECORD(nd_stream_info, rill_stream_info);

#define S(kind, name) F(rill_group_info, kind, name)
static const field nd_group_info_fields[] = {
    S(U64, unacked_msgs), S(U64, lag_msgs), S(U64, lag_bytes), S(NS, lag_ns),
    S(U64, redelivered_msgs), S(U64, delivered_seq), S(U64, settled_seq), S(NS, active_ns),
    S(NS, paused_until_ns), S(U32, waiting), END};
#undef S
RECORD(nd_group_info, rill_group_info);

#define S(kind, name) F(rill_forward_info, kind, name)
static const field nd_forward_info_fields[] = {
    S(U64, msgs), S(U64, bytes), S(U64, known_msgs), S(U64, dead_msgs), S(U64, failures),
    S(ERR, err), S(U32, under_way), S(BOOL, up), S(BOOL, closed), S(BOOL, lag_known),
    S(U64, lag_msgs), S(NS, lag_ns), ROOM(rill_forward_info, CHARS, why), END};
#undef S
RECORD(nd_forward_info, rill_forward_info);

#define S(kind, name) F(rill_obj_info, kind, name)
static const field nd_obj_info_fields[] = {
    S(U64, bytes), S(NS, time_ns), S(U64, seq), S(U32, chunks), S(BOOL, deleted),
    ROOM(rill_obj_info, BYTES, sha256), ROOM(rill_obj_info, CHARS, name),
    ROOM(rill_obj_info, CHARS, link_bucket), ROOM(rill_obj_info, CHARS, link_name), END};
#undef S
RECORD(nd_obj_info, rill_obj_info);

static const field nd_broker_info_fields[] = {
    F(rill_broker_info, TEXT, id), F(rill_broker_info, TEXT, name),
    F(rill_broker_info, TEXT, version), F(rill_broker_info, TEXT, tls_library),
    F(rill_broker_info, NS, tls_expires_ns), END};
RECORD(nd_broker_info, rill_broker_info);

#define S(kind, name) F(rill_conn_info, kind, name)
static const field nd_conn_info_fields[] = {
    S(U64, id), S(NS, start_ns), S(NS, active_ns), S(U64, in_msgs), S(U64, in_bytes),
    S(U64, out_msgs), S(U64, out_bytes), S(U64, pending_bytes), S(U32, subs), S(TEXT, peer),
    S(TEXT, user), S(TEXT, name), S(TEXT, lang), S(TEXT, version), S(TEXT, tls_version),
    S(TEXT, tls_cipher), S(BOOL, websocket), S(TEXT, account), END};
#undef S
PLAIN(nd_conn_info, rill_conn_info);

#define S(kind, name) F(rill_conn_sub, kind, name)
static const field nd_conn_sub_fields[] = {
    S(U64, conn), S(U64, msgs), S(U64, max_msgs), S(TEXT, subject), S(TEXT, queue), S(TEXT, sid),
    END};
#undef S
PLAIN(nd_conn_sub, rill_conn_sub);

#define S(kind, name) F(rill_event, kind, name)
static const field nd_event_fields[] = {
    NAMED(rill_event, kind, event_names), S(ERR, err), S(U64, count), S(U64, first),
    S(TEXT, detail), S(TEXT, server),
    S(TEXT, subject), END};
#undef S
PLAIN(nd_event, rill_event);

#define S(kind, name) F(rill_damage, kind, name)
static const field nd_damage_fields[] = {
    S(TEXT, sentence), S(TEXT, file), S(U64, position), S(TEXT, stream), S(U64, first_seq),
    S(U64, last_seq), END};
#undef S
PLAIN(nd_damage, rill_damage);

static const field nd_conns_opts_fields[] = {F(rill_conns_opts, U64, after), END};
RECORD(nd_conns_opts, rill_conns_opts);

static const field nd_conn_subs_opts_fields[] = {
    F(rill_conn_subs_opts, U64, conn), F(rill_conn_subs_opts, TEXT, matches),
    F(rill_conn_subs_opts, U64, skip), F(rill_conn_subs_opts, U64, max), END};
RECORD(nd_conn_subs_opts, rill_conn_subs_opts);

static const field nd_care_fields[] = {
    F(rill_care, U64, done_bytes), F(rill_care, U64, total_bytes), F(rill_care, U64, damages),
    ONE(rill_care, damage, nd_damage), END};
RECORD(nd_care, rill_care);

#define RECORDS(X) \
    X(nd_tls) X(nd_user) X(nd_opts) X(nd_post_opts) X(nd_batch_opts) X(nd_sub_opts) X(nd_at) \
    X(nd_source) X(nd_stream_opts) X(nd_purge_opts) X(nd_forward_opts) X(nd_bucket_opts) \
    X(nd_kv_opts) X(nd_mapping) X(nd_login_record) X(nd_broker_opts) X(nd_listen_opts) X(nd_stats) \
    X(nd_receipt) X(nd_sub_info) X(nd_stream_info) X(nd_group_info) X(nd_forward_info) \
    X(nd_obj_info) X(nd_broker_info) X(nd_conn_info) X(nd_conn_sub) X(nd_event) X(nd_damage) \
    X(nd_conns_opts) X(nd_conn_subs_opts) X(nd_care)

/* ---- Names ---- */

/* max_msgs is maxMsgs. The tables are written by hand with the names of rill.h, so that they can be
 * compared; JavaScript's are made once. */
typedef struct spelling { const field *f; char camel[32]; } spelling;
static spelling spellings[400];
static size_t nspellings;
static pthread_once_t spelled = PTHREAD_ONCE_INIT;

static void spell(const nd_record *r)
{
    for (const field *f = r->fields; f->name; f++) {
        spelling *s = &spellings[nspellings++];
        size_t n = 0;
        s->f = f;
        for (const char *c = f->name; *c && n < sizeof s->camel - 1; c++) {
            bool word = *c == '_' && c[1];
            if (word) c++;
            s->camel[n++] = (char)(*c - (word && 'a' <= *c && *c <= 'z' ? 32 : 0));
        }
    }
}

static void spell_all(void)
{
#define X(r) spell(&r);
    RECORDS(X)
#undef X
}

void nd_records_init(void) { pthread_once(&spelled, spell_all); }

size_t nd_record_size(const nd_record *r) { return r->size; }

static const spelling *spelling_of(const nd_record *r)
{
    size_t i = 0;
    while (i < nspellings && spellings[i].f != r->fields) i++;
    return &spellings[i];
}

/* "StreamOptions", for who reads an error. */
static const char *said(const nd_record *r, char out[48])
{
    size_t n = 0;
    for (const char *c = r->name + 4; *c && n < 40; c++)
        if (*c == '_' && c[1]) c++, out[n++] = (char)(*c - 32);
        else out[n++] = *c;
    out[n] = 0;
    if (n > 4 && !strcmp(out + n - 4, "Opts")) memcpy(out + n - 4, "Options", 8);
    if (out[0] == '_') memmove(out, out + 1, n);
    return out;
}

/* ---- Filling ---- */

typedef struct nd_block { struct nd_block *next; size_t left; char *at; } nd_block;

void *nd_arena_take(nd_arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    nd_block *b = a->blocks;
    if (!b || b->left < size) {
        size_t room = size > 1000 ? size : 1000;
        if (!(b = malloc(sizeof *b + 16 + room))) return NULL;
        *b = (nd_block){a->blocks, room, (char *)(((uintptr_t)(b + 1) + 15) & ~(uintptr_t)15)};
        a->blocks = b;
    }
    void *got = b->at;
    b->at += size;
    b->left -= size;
    return memset(got, 0, size);
}

void nd_arena_free(nd_arena *a)
{
    for (nd_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
}

static void *room(nd_env *e, nd_arena *a, size_t size)
{
    void *got = nd_arena_take(a, size);
    if (!got) napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
    return got;
}

static bool wrong(nd_env *e, const char *what, const char *want)
{
    nd_throw_type(e, "%s: %s is wanted", what, want);
    return false;
}

static bool fill_bool(nd_env *e, const char *what, napi_value v, bool *out)
{
    return napi_get_value_bool(e->env, v, out) == napi_ok || wrong(e, what, "true or false");
}

static bool fill_u64(nd_env *e, const char *what, napi_value v, uint64_t *out)
{
    napi_valuetype type;
    bool lossless = false;
    int64_t n;
    napi_typeof(e->env, v, &type);
    if (type == napi_bigint) {
        napi_get_value_bigint_uint64(e->env, v, out, &lossless);
        if (!lossless) nd_throw_range(e, "%s is out of range", what);
        return lossless;
    }
    if (!nd_int_get(e, v, what, 0, 1ll << 53, &n)) return false;
    *out = (uint64_t)n;
    return true;
}

/* A bigint, a number, or a Date. */
static bool fill_ns(nd_env *e, const char *what, napi_value v, int64_t *out)
{
    bool is_date = false;
    double ms;
    napi_is_date(e->env, v, &is_date);
    if (!is_date) return nd_int_get(e, v, what, INT64_MIN, INT64_MAX, out);
    if (napi_get_date_value(e->env, v, &ms) != napi_ok || !(ms > -9.2e12 && ms < 9.2e12)) {
        nd_throw_range(e, "%s is out of range", what);
        return false;
    }
    *out = (int64_t)(ms * 1e6);
    return true;
}

static bool fill_enum(nd_env *e, const field *f, const char *what, napi_value v, int32_t *out)
{
    char text[32] = "", names[160] = "one of";
    int64_t n;
    napi_valuetype type;
    napi_typeof(e->env, v, &type);
    if (type == napi_number) {
        if (!nd_int_get(e, v, what, INT32_MIN, INT32_MAX, &n)) return false;
        *out = (int32_t)n;
        return true;
    }
    if (type == napi_string) napi_get_value_string_utf8(e->env, v, text, sizeof text, NULL);
    for (int i = 0; f->names[i]; i++) {
        if (type == napi_string && !strcmp(f->names[i], text)) return *out = i, true;
        snprintf(names + strlen(names), sizeof names - strlen(names), " '%s'", f->names[i]);
    }
    return wrong(e, what, names);
}

static bool list_of(nd_env *e, const char *what, napi_value v, uint32_t *n)
{
    bool is = false;
    napi_is_array(e->env, v, &is);
    return (is && napi_get_array_length(e->env, v, n) == napi_ok) || wrong(e, what, "an array");
}

/* The i-th element. False: a getter has thrown. */
static bool element(nd_env *e, napi_value list, uint32_t i, napi_value *one)
{
    return napi_get_element(e->env, list, i, one) == napi_ok;
}

static bool fill_texts(nd_env *e, const char *what, napi_value v, const char ***out, size_t *count,
                       nd_arena *a)
{
    uint32_t n;
    napi_value one;
    if (!list_of(e, what, v, &n) || !(*out = room(e, a, (n + 1) * sizeof **out))) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!element(e, v, i, &one) || !((*out)[i] = nd_text_get(e, one, what, a))) return false;
    *count = n;
    return true;
}

static bool fill_u32s(nd_env *e, const char *what, napi_value v, uint32_t **out, size_t *count,
                      nd_arena *a)
{
    uint32_t n;
    int64_t number;
    napi_value one;
    if (!list_of(e, what, v, &n) || !(*out = room(e, a, (n + 1) * sizeof **out))) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!element(e, v, i, &one) || !nd_int_get(e, one, what, 0, UINT32_MAX, &number))
            return false;
        (*out)[i] = (uint32_t)number;
    }
    *count = n;
    return true;
}

/* Pairs of texts: lib/ makes them of whatever it was given. */
static bool fill_headers(nd_env *e, const char *what, napi_value v, rill_header **out,
                         size_t *count, nd_arena *a)
{
    uint32_t n, two;
    napi_value pair, name, value;
    if (!list_of(e, what, v, &n) || !(*out = room(e, a, (n + 1) * sizeof **out))) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!element(e, v, i, &pair)) return false;
        if (!list_of(e, what, pair, &two)) return false;
        if (two != 2) return wrong(e, what, "pairs of a name and a value");
        if (!element(e, pair, 0, &name) || !element(e, pair, 1, &value)) return false;
        rill_header *h = &(*out)[i];
        if (!(h->name.ptr = nd_text_get(e, name, what, a))) return false;
        if (!(h->value.ptr = nd_text_get(e, value, what, a))) return false;
        h->name.len = strlen(h->name.ptr);
        h->value.len = strlen(h->value.ptr);
    }
    *count = n;
    return true;
}

static bool fill_struct(nd_env *e, const field *f, const char *what, napi_value v, void **out,
                        nd_arena *a)
{
    napi_valuetype type;
    napi_typeof(e->env, v, &type);
    if (type != napi_object) return wrong(e, what, "an object");
    return (*out = room(e, a, f->of->size)) && nd_record_fill(e, f->of, *out, v, a);
}

static bool fill_structs(nd_env *e, const field *f, const char *what, napi_value v, void ***out,
                         size_t *count, nd_arena *a)
{
    uint32_t n;
    napi_value one;
    if (!list_of(e, what, v, &n) || !(*out = room(e, a, (n + 1) * sizeof **out))) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!element(e, v, i, &one) || !fill_struct(e, f, what, one, &(*out)[i], a)) return false;
    *count = n;
    return true;
}

static bool fill_one(nd_env *e, const field *f, const char *what, napi_value v, char *into,
                     nd_arena *a)
{
    void *at = into + f->at, *count = into + f->count;
    int64_t n;
    switch (f->kind) {
    case TEXT: return (*(char **)at = nd_text_get(e, v, what, a)) != NULL;
    case BOOL: return fill_bool(e, what, v, at);
    case ENUM: return fill_enum(e, f, what, v, at);
    case U8: return nd_int_get(e, v, what, 0, UINT8_MAX, &n) && (*(uint8_t *)at = (uint8_t)n, true);
    case I32:
        return nd_int_get(e, v, what, INT32_MIN, INT32_MAX, &n) &&
               (*(int32_t *)at = (int32_t)n, true);
    case U32:
        return nd_int_get(e, v, what, 0, UINT32_MAX, &n) && (*(uint32_t *)at = (uint32_t)n, true);
    case I64: return nd_int_get(e, v, what, INT64_MIN, INT64_MAX, at);
    case NS: return fill_ns(e, what, v, at);
    case U64: return fill_u64(e, what, v, at);
    case U64_AT:
        return (*(void **)at = room(e, a, 8)) && fill_u64(e, what, v, *(uint64_t **)at);
    case HEADERS: return fill_headers(e, what, v, at, count, a);
    case STRUCT: return fill_struct(e, f, what, v, at, a);
    case STRUCTS: return fill_structs(e, f, what, v, at, count, a);
    case TEXTS: return fill_texts(e, what, v, at, count, a);
    case U32S: return fill_u32s(e, what, v, at, count, a);
    default: return wrong(e, what, "nothing");
    }
}

static bool fill_named(nd_env *e, const nd_record *r, napi_value key, napi_value v, void *into,
                       nd_arena *a)
{
    char name[64] = "", what[120], record[48];
    napi_get_value_string_utf8(e->env, key, name, sizeof name, NULL);
    const spelling *s = spelling_of(r);
    for (const field *f = r->fields; f->name; f++, s++) {
        if (strcmp(s->camel, name)) continue;
        snprintf(what, sizeof what, "%s.%s", said(r, record), name);
        return fill_one(e, f, what, v, into, a);
    }
    nd_throw_type(e, "%s has no %s", said(r, record), name);
    return false;
}

bool nd_record_fill(nd_env *e, const nd_record *r, void *into, napi_value from, nd_arena *a)
{
    napi_value keys, key, v;
    uint32_t n = 0;
    napi_valuetype type;
    char record[48];
    memset(into, 0, r->size);
    if (r->sized) *(size_t *)into = r->size;
    if (nd_is_nothing(e, from)) return true;
    napi_typeof(e->env, from, &type);
    if (type != napi_object) {
        nd_throw_type(e, "%s: an object is wanted", said(r, record));
        return false;
    }
    if (napi_get_all_property_names(e->env, from, napi_key_own_only,
                                    napi_key_enumerable | napi_key_skip_symbols,
                                    napi_key_numbers_to_strings, &keys) != napi_ok) return false;
    napi_get_array_length(e->env, keys, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (!element(e, keys, i, &key)) return false;
        if (napi_get_property(e->env, from, key, &v) != napi_ok) return false;
        if (nd_is_nothing(e, v)) continue;
        if (!fill_named(e, r, key, v, into, a)) return false;
    }
    return true;
}

/* ---- Telling ---- */

static void put_many(const field *f, const char *from, nd_parcel *p)
{
    size_t n = *(const size_t *)(from + f->count);
    const void *at = *(const void *const *)(from + f->at);
    nd_put_array(p);
    for (size_t i = 0; i < n; i++) {
        if (f->kind == TEXTS) nd_put_text(p, ((const char *const *)at)[i]);
        else if (f->kind == U32S) nd_put_num(p, ((const uint32_t *)at)[i]);
        else nd_record_put_given(f->of, ((const void *const *)at)[i], p);
    }
    nd_put_end(p);
}

static void put_enum(const field *f, int32_t v, nd_parcel *p)
{
    int n = 0;
    while (f->names[n]) n++;
    if (v >= 0 && v < n) nd_put_text(p, f->names[v]);
    else nd_put_num(p, v);
}

static void put_struct(const field *f, const void *at, bool given, nd_parcel *p)
{
    if (!at) nd_put_null(p);
    else if (given) nd_record_put_given(f->of, at, p);
    else nd_record_put(f->of, at, p);
}

static void put_field(const field *f, const char *from, bool given, nd_parcel *p)
{
    const void *at = from + f->at;
    switch (f->kind) {
    case TEXT: nd_put_text(p, *(const char *const *)at); break;
    case BOOL: nd_put_bool(p, *(const bool *)at); break;
    case U8: nd_put_num(p, *(const uint8_t *)at); break;
    case I32: nd_put_num(p, *(const int32_t *)at); break;
    case U32: nd_put_num(p, *(const uint32_t *)at); break;
    case I64: nd_put_num(p, (double)*(const int64_t *)at); break;
    case NS: nd_put_big(p, *(const int64_t *)at); break;
    case U64: nd_put_u64(p, *(const uint64_t *)at); break;
    case U64_AT: nd_put_u64(p, **(const uint64_t *const *)at); break;
    case ENUM: put_enum(f, *(const int32_t *)at, p); break;
    case ERR:
        if (*(const int32_t *)at) nd_put_text(p, rill_errname(*(const int32_t *)at));
        else nd_put_null(p);
        break;
    case CHARS: nd_put_str(p, at, strnlen(at, f->count)); break;
    case BYTES: nd_put_bytes(p, at, f->count); break;
    case STRUCT: put_struct(f, *(const void *const *)at, given, p); break;
    default: put_many(f, from, p); break;
    }
}

/* 0, NULL and an empty list: what options leave out. */
static bool is_given(const field *f, const char *from)
{
    static const size_t sizes[] = {[TEXT] = 8, [BOOL] = 1, [U8] = 1, [I32] = 4, [U32] = 4,
                                   [I64] = 8, [NS] = 8, [U64] = 8, [U64_AT] = 8, [HEADERS] = 8,
                                   [STRUCT] = 8, [STRUCTS] = 8, [TEXTS] = 8, [U32S] = 8,
                                   [ENUM] = 4, [ERR] = 4};
    static const char zeros[8];
    bool many = f->kind == STRUCTS || f->kind == TEXTS || f->kind == U32S || f->kind == HEADERS;
    const char *at = from + (many ? f->count : f->at);
    return f->kind == CHARS || f->kind == BYTES || memcmp(at, zeros, sizes[f->kind]) != 0;
}

static void record_put(const nd_record *r, const void *from, bool given, nd_parcel *p)
{
    const spelling *s = spelling_of(r);
    nd_put_object(p);
    for (const field *f = r->fields; f->name; f++, s++) {
        if (given && !is_given(f, from)) continue;
        nd_put_key(p, s->camel);
        put_field(f, from, given, p);
    }
    nd_put_end(p);
}

void nd_record_put(const nd_record *r, const void *from, nd_parcel *p)
{
    record_put(r, from, false, p);
}

void nd_record_put_given(const nd_record *r, const void *from, nd_parcel *p)
{
    record_put(r, from, true, p);
}

napi_value nd_record_tell(nd_env *e, const nd_record *r, const void *from)
{
    nd_parcel p;
    nd_parcel_init(&p);
    nd_record_put(r, from, &p);
    napi_value v = nd_parcel_open(e, &p);
    nd_parcel_free(&p);
    return v;
}
