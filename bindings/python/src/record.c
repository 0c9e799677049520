/* SPDX-License-Identifier: Apache-2.0
 *
 * The structs of rill.h as tables: options are filled, and reports are told, by the names of their
 * fields. What is a function there is no field here. tests/check_fields.py compares the tables with
 * the header. */
#include "binding.h"

typedef enum field_kind {
    TEXT, BOOL, U8, I32, U32, I64, U64, U64_AT, HEADERS, STRUCT, STRUCTS, TEXTS, U32S, CHARS, BYTES
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t at, count; /* where it lies, and how many it points to; CHARS, BYTES: its size */
    const py_record *of;
} field;

struct py_record {
    const char *name;
    size_t size;
    bool sized; /* begins with `size` */
    const field *fields;
};

#define F(S, kind, name) {#name, kind, offsetof(S, name), 0, NULL}
#define ROOM(S, kind, name) {#name, kind, offsetof(S, name), sizeof(((S *)0)->name), NULL}
#define LIST(S, kind, name) {#name, kind, offsetof(S, name), offsetof(S, n##name), NULL}
#define MANY(S, name, of) {#name, STRUCTS, offsetof(S, name), offsetof(S, n##name), &of}
#define ONE(S, name, of) {#name, STRUCT, offsetof(S, name), 0, &of}
#define END {NULL, TEXT, 0, 0, NULL}
#define RECORD(var, S) const py_record var = {#S, sizeof(S), true, (const field *)var##_fields}
#define PLAIN(var, S) const py_record var = {#S, sizeof(S), false, (const field *)var##_fields}

static const field py_tls_fields[] = {
    F(rill_tls, TEXT, ca_file), F(rill_tls, TEXT, ca_pem), F(rill_tls, TEXT, cert_file),
    F(rill_tls, TEXT, cert_pem), F(rill_tls, TEXT, key_file), F(rill_tls, TEXT, key_pem),
    F(rill_tls, TEXT, key_password), F(rill_tls, TEXT, server_name), F(rill_tls, TEXT, ciphers),
    F(rill_tls, U32, min_version), F(rill_tls, U32, timeout_ms), F(rill_tls, U32, first_ms),
    F(rill_tls, U32, max_handshakes), F(rill_tls, BOOL, verify_peer), F(rill_tls, BOOL, insecure),
    F(rill_tls, BOOL, handshake_first), F(rill_tls, BOOL, verify_and_map),
    F(rill_tls, TEXT, psk), F(rill_tls, TEXT, psk_identity), END};
RECORD(py_tls, rill_tls);

static const field py_user_fields[] = {
    F(rill_user, TEXT, user), F(rill_user, TEXT, password), F(rill_user, TEXT, nkey),
    LIST(rill_user, TEXTS, publish_allow), LIST(rill_user, TEXTS, publish_deny),
    LIST(rill_user, TEXTS, subscribe_allow), LIST(rill_user, TEXTS, subscribe_deny),
    F(rill_user, BOOL, allow_responses), F(rill_user, U32, responses_max),
    F(rill_user, U32, responses_ms), F(rill_user, TEXT, account), END};
RECORD(py_user, rill_user);

static const field py_opts_fields[] = {
    F(rill_opts, I32, drive), F(rill_opts, I32, send_timeout_ms), F(rill_opts, I32, sync),
    F(rill_opts, U32, sync_interval_ms), F(rill_opts, TEXT, name), F(rill_opts, TEXT, domain),
    F(rill_opts, U64, send_buffer_bytes), F(rill_opts, U32, connect_timeout_ms),
    F(rill_opts, U32, redial_min_ms), F(rill_opts, U32, redial_max_ms),
    F(rill_opts, U32, max_redials), F(rill_opts, U32, max_inflight),
    F(rill_opts, U32, call_timeout_ms), F(rill_opts, U32, ping_interval_ms),
    F(rill_opts, U32, ping_max), F(rill_opts, BOOL, no_wait), F(rill_opts, BOOL, no_redial),
    F(rill_opts, BOOL, no_echo), F(rill_opts, BOOL, fixed_servers), F(rill_opts, BOOL, reap),
    F(rill_opts, BOOL, ws_compress),
    F(rill_opts, TEXT, kafka_config), ONE(rill_opts, tls, py_tls), F(rill_opts, TEXT, creds_file),
    F(rill_opts, TEXT, nkey_seed), ONE(rill_opts, identity, py_user), F(rill_opts, TEXT, user),
    F(rill_opts, TEXT, password), F(rill_opts, TEXT, token), END};
RECORD(py_opts, rill_opts);

static const field py_post_fields[] = {
    F(rill_post, TEXT, reply), LIST(rill_post, HEADERS, headers), F(rill_post, TEXT, msg_id),
    F(rill_post, U64_AT, expect_last_seq), F(rill_post, TEXT, expect_subject),
    F(rill_post, U32, ttl_ms), F(rill_post, I32, sync), F(rill_post, TEXT, deliver_to),
    F(rill_post, I64, deliver_at_ns), F(rill_post, TEXT, schedule),
    F(rill_post, TEXT, schedule_zone), END};
RECORD(py_post, rill_post);

static const field py_batch_opts_fields[] = {F(rill_batch_opts, I32, sync), END};
RECORD(py_batch_opts, rill_batch_opts);

static const field py_sub_opts_fields[] = {
    F(rill_sub_opts, TEXT, group), F(rill_sub_opts, U64, limit_msgs),
    F(rill_sub_opts, U64, pending_bytes), F(rill_sub_opts, U32, pending_msgs),
    F(rill_sub_opts, I32, when_full), F(rill_sub_opts, BOOL, on_publisher),
    F(rill_sub_opts, BOOL, headers_only), F(rill_sub_opts, BOOL, original_speed),
    F(rill_sub_opts, BOOL, no_headers), F(rill_sub_opts, I32, from),
    F(rill_sub_opts, TEXT, filter), F(rill_sub_opts, U64, from_seq),
    F(rill_sub_opts, I64, from_time_ns), F(rill_sub_opts, I32, ack),
    F(rill_sub_opts, U32, ack_wait_ms), F(rill_sub_opts, U32, max_deliveries),
    F(rill_sub_opts, U32, max_unacked),
    {"backoff_ms", U32S, offsetof(rill_sub_opts, backoff_ms), offsetof(rill_sub_opts, nbackoff),
     NULL},
    F(rill_sub_opts, TEXT, dead_letters), F(rill_sub_opts, I64, inactive_ms), END};
RECORD(py_sub_opts, rill_sub_opts);

static const field py_at_fields[] = {
    F(rill_at, I32, from), F(rill_at, U32, partition), F(rill_at, U64, seq),
    F(rill_at, I64, time_ns), F(rill_at, TEXT, filter), END};
RECORD(py_at, rill_at);

static const field py_source_fields[] = {
    F(rill_source, TEXT, stream), F(rill_source, TEXT, filter), F(rill_source, TEXT, to),
    F(rill_source, U64, from_seq), F(rill_source, I64, from_time_ns), END};
static RECORD(py_source, rill_source);

static const field py_stream_opts_fields[] = {
    F(rill_stream_opts, TEXT, subjects), F(rill_stream_opts, TEXT, description),
    F(rill_stream_opts, U64, max_msgs), F(rill_stream_opts, U64, max_bytes),
    F(rill_stream_opts, U64, max_msgs_per_subject), F(rill_stream_opts, I64, max_age_ms),
    F(rill_stream_opts, U32, max_msg_bytes), F(rill_stream_opts, U32, max_groups),
    F(rill_stream_opts, I32, keep), F(rill_stream_opts, U32, dedupe_window_ms),
    F(rill_stream_opts, U64, first_seq), F(rill_stream_opts, BOOL, in_memory),
    F(rill_stream_opts, BOOL, reject_when_full), F(rill_stream_opts, BOOL, reject_per_subject),
    F(rill_stream_opts, BOOL, deny_erase), F(rill_stream_opts, BOOL, deny_purge),
    F(rill_stream_opts, BOOL, allow_ttl), F(rill_stream_opts, BOOL, allow_schedules),
    F(rill_stream_opts, BOOL, republish_headers), F(rill_stream_opts, BOOL, compact),
    F(rill_stream_opts, BOOL, dedupe_strictly), F(rill_stream_opts, U8, replicas),
    F(rill_stream_opts, U32, partitions),
    F(rill_stream_opts, I64, marker_ttl_ms), F(rill_stream_opts, I64, tombstone_ms),
    ONE(rill_stream_opts, mirror, py_source), MANY(rill_stream_opts, sources, py_source),
    F(rill_stream_opts, TEXT, transform_from), F(rill_stream_opts, TEXT, transform_to),
    F(rill_stream_opts, TEXT, republish_from), F(rill_stream_opts, TEXT, republish_to), END};
RECORD(py_stream_opts, rill_stream_opts);

static const field py_purge_opts_fields[] = {
    F(rill_purge_opts, TEXT, filter), F(rill_purge_opts, U64, before_seq),
    F(rill_purge_opts, U64, keep_msgs), END};
RECORD(py_purge_opts, rill_purge_opts);

static const field py_forward_opts_fields[] = {
    F(rill_forward_opts, TEXT, name), F(rill_forward_opts, TEXT, filter),
    F(rill_forward_opts, TEXT, map_from), F(rill_forward_opts, TEXT, map_to),
    F(rill_forward_opts, TEXT, dead_letters), F(rill_forward_opts, I32, from),
    F(rill_forward_opts, U32, window), F(rill_forward_opts, U64, from_seq),
    F(rill_forward_opts, I64, from_time_ns), F(rill_forward_opts, U32, retry_min_ms),
    F(rill_forward_opts, U32, retry_max_ms), END};
RECORD(py_forward_opts, rill_forward_opts);

static const field py_bucket_opts_fields[] = {
    F(rill_bucket_opts, BOOL, must_exist), F(rill_bucket_opts, BOOL, in_memory),
    F(rill_bucket_opts, BOOL, key_ttl), F(rill_bucket_opts, U32, history),
    F(rill_bucket_opts, I64, ttl_ms), F(rill_bucket_opts, U64, max_bytes),
    F(rill_bucket_opts, U64, replicas), END};
RECORD(py_bucket_opts, rill_bucket_opts);

static const field py_kv_opts_fields[] = {
    F(rill_kv_opts, U64_AT, expect), F(rill_kv_opts, U32, ttl_ms), END};
RECORD(py_kv_opts, rill_kv_opts);

static const field py_mapping_fields[] = {
    F(rill_mapping, TEXT, from), F(rill_mapping, TEXT, to), F(rill_mapping, U32, percent), END};
static RECORD(py_mapping, rill_mapping);

static const field py_export_fields[] = {
    F(rill_export, TEXT, subject), F(rill_export, BOOL, service), F(rill_export, I32, answers),
    F(rill_export, U32, answer_ms), F(rill_export, U32, account_token),
    LIST(rill_export, TEXTS, accounts), F(rill_export, TEXT, latency_subject),
    F(rill_export, U32, latency_percent), END};
static RECORD(py_export, rill_export);
static const field py_import_fields[] = {
    F(rill_import, TEXT, account), F(rill_import, TEXT, subject), F(rill_import, TEXT, to),
    F(rill_import, BOOL, service), F(rill_import, BOOL, share), END};
static RECORD(py_import, rill_import);
static const field py_account_fields[] = {
    F(rill_account, TEXT, name), F(rill_account, U32, max_conns), F(rill_account, U32, max_subs),
    F(rill_account, U32, max_msg_bytes), F(rill_account, BOOL, jetstream),
    F(rill_account, BOOL, max_bytes_required), MANY(rill_account, mappings, py_mapping),
    F(rill_account, U64, max_store_bytes), F(rill_account, U64, max_stream_memory_bytes),
    F(rill_account, U64, max_stream_bytes), F(rill_account, U64, max_memory_stream_bytes),
    F(rill_account, U32, max_streams), F(rill_account, U32, max_groups),
    F(rill_account, U32, max_unacked), MANY(rill_account, exports, py_export),
    MANY(rill_account, imports, py_import), END};
static RECORD(py_account, rill_account);

static const field py_login_fields[] = {
    F(rill_login, TEXT, peer), F(rill_login, TEXT, client), F(rill_login, TEXT, user),
    F(rill_login, TEXT, password), F(rill_login, TEXT, token), F(rill_login, TEXT, nkey),
    F(rill_login, BOOL, encrypted), F(rill_login, TEXT, certificate), END};
RECORD(py_login, rill_login);

static const field py_broker_opts_fields[] = {
    F(rill_broker_opts, TEXT, name), F(rill_broker_opts, TEXT, version),
    F(rill_broker_opts, TEXT, user), F(rill_broker_opts, TEXT, password),
    F(rill_broker_opts, TEXT, token), F(rill_broker_opts, U32, max_msg_bytes),
    F(rill_broker_opts, U32, max_conns), F(rill_broker_opts, U32, max_subs),
    F(rill_broker_opts, U32, max_control_line_bytes), F(rill_broker_opts, U64, max_pending_bytes),
    F(rill_broker_opts, U32, ping_interval_ms), F(rill_broker_opts, U32, ping_max),
    F(rill_broker_opts, U32, auth_timeout_ms), F(rill_broker_opts, U32, write_deadline_ms),
    F(rill_broker_opts, TEXT, dir), F(rill_broker_opts, I32, sync),
    F(rill_broker_opts, U32, sync_interval_ms), F(rill_broker_opts, TEXT, domain),
    F(rill_broker_opts, U64, max_store_bytes), F(rill_broker_opts, U64, max_stream_memory_bytes),
    F(rill_broker_opts, U32, max_dedupe_ms), F(rill_broker_opts, U32, max_unacked),
    F(rill_broker_opts, U32, max_pull_batch), F(rill_broker_opts, U32, max_subjects),
    F(rill_broker_opts, U32, spin_us), F(rill_broker_opts, BOOL, jetstream),
    F(rill_broker_opts, BOOL, no_headers), F(rill_broker_opts, BOOL, trace),
    F(rill_broker_opts, U32, trace_data_bytes), F(rill_broker_opts, U32, max_sub_tokens),
    F(rill_broker_opts, TEXT, advertise), F(rill_broker_opts, U64, memory_bytes),
    MANY(rill_broker_opts, mappings, py_mapping), F(rill_broker_opts, I32, drive),
    MANY(rill_broker_opts, users, py_user), F(rill_broker_opts, TEXT, no_auth_user),
    F(rill_broker_opts, TEXT, kafka_config), MANY(rill_broker_opts, accounts, py_account),
    F(rill_broker_opts, TEXT, system_account), LIST(rill_broker_opts, TEXTS, operators),
    LIST(rill_broker_opts, TEXTS, account_jwts), F(rill_broker_opts, TEXT, callout_issuer),
    F(rill_broker_opts, TEXT, callout_account), F(rill_broker_opts, TEXT, callout_xkey),
    LIST(rill_broker_opts, TEXTS, callout_users), LIST(rill_broker_opts, TEXTS, callout_accounts),
    F(rill_broker_opts, TEXT, default_sentinel), F(rill_broker_opts, U32, login_failures),
    F(rill_broker_opts, U32, login_failures_per_s), LIST(rill_broker_opts, TEXTS, server_tags),
    LIST(rill_broker_opts, TEXTS, server_metadata), END};
RECORD(py_broker_opts, rill_broker_opts);

static const field py_listen_opts_fields[] = {
    F(rill_listen_opts, TEXT, advertise), ONE(rill_listen_opts, tls, py_tls),
    F(rill_listen_opts, BOOL, tls_optional), F(rill_listen_opts, BOOL, no_auto_create),
    F(rill_listen_opts, U32, partitions), F(rill_listen_opts, BOOL, ws_same_origin),
    F(rill_listen_opts, BOOL, ws_compress), F(rill_listen_opts, TEXT, ws_origins),
    F(rill_listen_opts, TEXT, ws_cookies), F(rill_listen_opts, U32, ws_handshake_ms),
    F(rill_listen_opts, I32, socket), F(rill_listen_opts, TEXT, http_base_path), END};
RECORD(py_listen_opts, rill_listen_opts);

#define S(name) F(rill_stats, U64, name)
static const field py_stats_fields[] = {
    S(in_msgs), S(in_bytes), S(out_msgs), S(out_bytes), S(dropped_msgs), S(subs), S(conns),
    S(conns_total), S(slow_conns), S(store_bytes), S(store_file_bytes), S(store_appended_bytes),
    S(store_moved_bytes), S(store_written_bytes), S(store_damages), S(turns), S(turns_cut),
    S(turn_units), S(turn_units_max), S(memory_bytes), S(memory_max_bytes), S(memory_refusals),
    S(stale_conns), S(stalled_conns), S(subs_begun), S(subs_ended), S(matches), S(matches_known),
    S(answers), S(answers_told), S(receivers), S(receivers_max),
    S(logins_failed), S(logins_refused), END};
#undef S
RECORD(py_stats, rill_stats);

static const field py_receipt_fields[] = {
    F(rill_receipt, U64, seq), F(rill_receipt, BOOL, duplicate), F(rill_receipt, U32, partition),
    END};
RECORD(py_receipt, rill_receipt);

#define S(name) F(rill_sub_info, U64, name)
static const field py_sub_info_fields[] = {
    S(pending_msgs), S(pending_bytes), S(dropped_msgs), S(delivered_msgs), S(unacked_msgs),
    S(lag_msgs), F(rill_sub_info, I64, lag_ns), S(lag_bytes), END};
#undef S
RECORD(py_sub_info, rill_sub_info);

#define S(kind, name) F(rill_stream_info, kind, name)
static const field py_stream_info_fields[] = {
    S(U64, msgs), S(U64, bytes), S(U64, first_seq), S(U64, last_seq), S(I64, first_time_ns),
    S(I64, last_time_ns), S(U64, subjects), S(U32, groups), S(U32, partitions),
    S(U64, ids_forgotten), END};
#undef S
RECORD(py_stream_info, rill_stream_info);

#define S(kind, name) F(rill_group_info, kind, name)
static const field py_group_info_fields[] = {
    S(U64, unacked_msgs), S(U64, lag_msgs), S(U64, lag_bytes), S(I64, lag_ns),
    S(U64, redelivered_msgs), S(U64, delivered_seq), S(U64, settled_seq), S(I64, active_ns),
    S(I64, paused_until_ns), S(U32, waiting), END};
#undef S
RECORD(py_group_info, rill_group_info);

#define S(kind, name) F(rill_forward_info, kind, name)
static const field py_forward_info_fields[] = {
    S(U64, msgs), S(U64, bytes), S(U64, known_msgs), S(U64, dead_msgs), S(U64, failures),
    S(I32, err), S(U32, under_way), S(BOOL, up), S(BOOL, closed), S(BOOL, lag_known),
    S(U64, lag_msgs), S(I64, lag_ns), ROOM(rill_forward_info, CHARS, why), END};
#undef S
RECORD(py_forward_info, rill_forward_info);

#define S(kind, name) F(rill_obj_info, kind, name)
static const field py_obj_info_fields[] = {
    S(U64, bytes), S(I64, time_ns), S(U64, seq), S(U32, chunks), S(BOOL, deleted),
    ROOM(rill_obj_info, BYTES, sha256), ROOM(rill_obj_info, CHARS, name),
    ROOM(rill_obj_info, CHARS, link_bucket), ROOM(rill_obj_info, CHARS, link_name), END};
#undef S
RECORD(py_obj_info, rill_obj_info);

static const field py_broker_info_fields[] = {
    F(rill_broker_info, TEXT, id), F(rill_broker_info, TEXT, name),
    F(rill_broker_info, TEXT, version), F(rill_broker_info, TEXT, tls_library),
    F(rill_broker_info, I64, tls_expires_ns), END};
RECORD(py_broker_info, rill_broker_info);

#define S(kind, name) F(rill_conn_info, kind, name)
static const field py_conn_info_fields[] = {
    S(U64, id), S(I64, start_ns), S(I64, active_ns), S(U64, in_msgs), S(U64, in_bytes),
    S(U64, out_msgs), S(U64, out_bytes), S(U64, pending_bytes), S(U32, subs), S(TEXT, peer),
    S(TEXT, user), S(TEXT, name), S(TEXT, lang), S(TEXT, version), S(TEXT, tls_version),
    S(TEXT, tls_cipher), S(BOOL, websocket), S(TEXT, account), END};
#undef S
PLAIN(py_conn_info, rill_conn_info);

#define S(kind, name) F(rill_conn_sub, kind, name)
static const field py_conn_sub_fields[] = {
    S(U64, conn), S(U64, msgs), S(U64, max_msgs), S(TEXT, subject), S(TEXT, queue), S(TEXT, sid),
    END};
#undef S
PLAIN(py_conn_sub, rill_conn_sub);

#define S(kind, name) F(rill_event, kind, name)
static const field py_event_fields[] = {
    S(I32, kind), S(I32, err), S(U64, count), S(U64, first), S(TEXT, detail), S(TEXT, server),
    S(TEXT, subject), END};
#undef S
PLAIN(py_event, rill_event);

#define S(kind, name) F(rill_damage, kind, name)
static const field py_damage_fields[] = {
    S(TEXT, sentence), S(TEXT, file), S(U64, position), S(TEXT, stream), S(U64, first_seq),
    S(U64, last_seq), END};
#undef S
PLAIN(py_damage, rill_damage);

/* ---- Filling ---- */

const char *py_record_name(const py_record *r) { return r->name; }

/* Room that lives as long as `keep`; NULL: an exception is set. */
static void *room(PyObject *keep, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    int rc = bytes ? PyList_Append(keep, bytes) : -1;
    Py_XDECREF(bytes); /* the list has it */
    return rc < 0 ? NULL : memset(PyBytes_AsString(bytes), 0, size);
}

static bool wrong(const py_record *r, const field *f, const char *want)
{
    PyErr_Format(PyExc_TypeError, "%s.%s: %s is wanted", r->name, f->name, want);
    return false;
}

static bool number(const py_record *r, const field *f, PyObject *v, int64_t min, uint64_t max,
                   uint64_t *out)
{
    if (!PyLong_Check(v)) return wrong(r, f, "an int");
    bool below;
    if (min < 0) {
        int over;
        long long n = PyLong_AsLongLongAndOverflow(v, &over);
        below = over || n < min || (n > 0 && (uint64_t)n > max);
        *out = (uint64_t)n;
    } else {
        *out = PyLong_AsUnsignedLongLong(v);
        below = PyErr_Occurred() || *out > max;
        PyErr_Clear();
    }
    if (below)
        PyErr_Format(PyExc_OverflowError, "%s.%s: %R is out of range", r->name, f->name, v);
    return !below;
}

/* A tuple or list of `v`, kept. */
static PyObject *sequence(PyObject *v, PyObject *keep)
{
    if (PyUnicode_Check(v) || PyBytes_Check(v))
        return PyErr_Format(PyExc_TypeError, "a sequence is wanted, not %R", v);
    PyObject *items = PySequence_Tuple(v);
    int rc = items ? PyList_Append(keep, items) : -1;
    Py_XDECREF(items);
    return rc < 0 ? NULL : items;
}

static bool str_of(rill_str *out, PyObject *v, PyObject *keep)
{
    if (PyUnicode_Check(v)) {
        Py_ssize_t len;
        out->ptr = PyUnicode_AsUTF8AndSize(v, &len);
        out->len = (size_t)len;
    } else if (PyBytes_Check(v)) {
        out->ptr = PyBytes_AsString(v);
        out->len = (size_t)PyBytes_Size(v);
    } else {
        PyErr_SetString(PyExc_TypeError, "headers are pairs of str or bytes");
        return false;
    }
    return out->ptr && PyList_Append(keep, v) == 0;
}

static bool headers(const field *f, char *out, PyObject *v, PyObject *keep)
{
    PyObject *items = PyDict_Check(v) ? PyDict_Items(v) : Py_NewRef_(v);
    PyObject *list = items ? sequence(items, keep) : NULL;
    Py_XDECREF(items);
    if (!list) return false;
    size_t n = (size_t)PyTuple_Size(list);
    rill_header *h = room(keep, (n + 1) * sizeof *h);
    for (size_t i = 0; h && i < n; i++) {
        PyObject *pair = PySequence_Tuple(PyTuple_GetItem(list, (Py_ssize_t)i));
        bool ok = pair && PyTuple_Size(pair) == 2 &&
                  str_of(&h[i].name, PyTuple_GetItem(pair, 0), keep) &&
                  str_of(&h[i].value, PyTuple_GetItem(pair, 1), keep);
        if (!ok && !PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "headers are pairs of a name and a value");
        Py_XDECREF(pair);
        if (!ok) return false;
    }
    *(rill_header **)(out + f->at) = h;
    *(size_t *)(out + f->count) = n;
    return h != NULL;
}

static bool many(const py_record *r, const field *f, char *out, PyObject *v, PyObject *keep)
{
    PyObject *list = sequence(v, keep);
    if (!list) return false;
    size_t n = (size_t)PyTuple_Size(list);
    void **at = room(keep, (n + 1) * sizeof *at);
    for (size_t i = 0; at && i < n; i++) {
        PyObject *item = PyTuple_GetItem(list, (Py_ssize_t)i);
        uint64_t u = 0;
        if (f->kind == STRUCTS) {
            at[i] = room(keep, f->of->size);
            if (!at[i] || !py_record_fill(f->of, at[i], item, keep)) return false;
        } else if (f->kind == TEXTS) {
            if (!(at[i] = (void *)(uintptr_t)py_text(item, f->name))) return false;
        } else {
            if (!number(r, f, item, 0, UINT32_MAX, &u)) return false;
            ((uint32_t *)at)[i] = (uint32_t)u;
        }
    }
    *(void **)(out + f->at) = at;
    *(size_t *)(out + f->count) = n;
    return at != NULL;
}

static bool field_number(const py_record *r, const field *f, char *at, PyObject *v, PyObject *keep)
{
    uint64_t u = 0;
    uint64_t *apart;
    switch (f->kind) {
    case U8: return number(r, f, v, 0, UINT8_MAX, &u) && (*(uint8_t *)at = (uint8_t)u, true);
    case I32:
        return number(r, f, v, INT32_MIN, INT32_MAX, &u) && (*(int32_t *)at = (int32_t)u, true);
    case U32: return number(r, f, v, 0, UINT32_MAX, &u) && (*(uint32_t *)at = (uint32_t)u, true);
    case I64:
        return number(r, f, v, INT64_MIN, INT64_MAX, &u) && (*(int64_t *)at = (int64_t)u, true);
    case U64: return number(r, f, v, 0, UINT64_MAX, (uint64_t *)at);
    default:
        *(uint64_t **)at = apart = room(keep, sizeof *apart);
        return apart && number(r, f, v, 0, UINT64_MAX, apart);
    }
}

static bool field_fill(const py_record *r, const field *f, char *out, PyObject *v, PyObject *keep)
{
    char *at = out + f->at;
    void *inner;
    switch (f->kind) {
    case TEXT: return (*(const char **)at = py_text(v, f->name)) != NULL;
    case BOOL:
        if (!PyBool_Check(v)) return wrong(r, f, "a bool");
        return *(bool *)at = v == Py_True, true;
    case HEADERS: return headers(f, out, v, keep);
    case STRUCT:
        *(void **)at = inner = room(keep, f->of->size);
        return inner && py_record_fill(f->of, inner, v, keep);
    case STRUCTS:
    case TEXTS:
    case U32S: return many(r, f, out, v, keep);
    case CHARS:
    case BYTES: return wrong(r, f, "nothing");
    default: return field_number(r, f, at, v, keep);
    }
}

/* The field of that name; from_ is `from`, which is a word of Python's. */
static const field *find(const py_record *r, PyObject *name)
{
    Py_ssize_t len;
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &len) : NULL;
    if (text && len && text[len - 1] == '_') len--;
    for (const field *f = r->fields; text && f->name; f++)
        if (strlen(f->name) == (size_t)len && !memcmp(f->name, text, (size_t)len)) return f;
    if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "%s has no field %R", r->name, name);
    return NULL;
}

bool py_record_fill(const py_record *r, void *out, PyObject *from, PyObject *keep)
{
    memset(out, 0, r->size);
    if (r->sized) *(size_t *)out = r->size;
    if (!from || from == Py_None) return true;
    if (!PyDict_Check(from)) {
        PyErr_Format(PyExc_TypeError, "%s: a dict of its fields is wanted", r->name);
        return false;
    }
    if (PyList_Append(keep, from) < 0) return false;
    PyObject *name, *value;
    for (Py_ssize_t i = 0; PyDict_Next(from, &i, &name, &value);) {
        if (value == Py_None) continue;
        const field *f = find(r, name);
        if (!f || !field_fill(r, f, out, value, keep)) return false;
    }
    return true;
}

/* ---- Telling ---- */

static PyObject *field_tell(const field *f, const char *from);

static PyObject *tell_many(const field *f, const char *from)
{
    size_t n = *(const size_t *)(from + f->count);
    void *const *at = *(void *const *const *)(from + f->at);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = f->kind == STRUCTS ? py_record_given(f->of, at[i])
                         : f->kind == TEXTS ? py_str(at[i], strlen(at[i]))
                                            : PyLong_FromUnsignedLong(((uint32_t *)at)[i]);
        if (!item || PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *field_tell(const field *f, const char *from)
{
    const char *at = from + f->at;
    const char *text;
    switch (f->kind) {
    case TEXT:
        text = *(const char *const *)at;
        return text ? py_str(text, strlen(text)) : Py_NewRef_(Py_None);
    case BOOL: return PyBool_FromLong(*(const bool *)at);
    case U8: return PyLong_FromLong(*(const uint8_t *)at);
    case I32: return PyLong_FromLong(*(const int32_t *)at);
    case U32: return PyLong_FromUnsignedLong(*(const uint32_t *)at);
    case I64: return PyLong_FromLongLong(*(const int64_t *)at);
    case U64: return PyLong_FromUnsignedLongLong(*(const uint64_t *)at);
    case CHARS: return py_str(at, strnlen(at, f->count));
    case BYTES: return PyBytes_FromStringAndSize(at, (Py_ssize_t)f->count);
    case STRUCT:
        text = *(const char *const *)at;
        return text ? py_record_given(f->of, text) : Py_NewRef_(Py_None);
    case STRUCTS:
    case TEXTS:
    case U32S: return tell_many(f, from);
    default: return Py_NewRef_(Py_None);
    }
}

static PyObject *tell(const py_record *r, const void *from, bool all)
{
    PyObject *dict = PyDict_New();
    for (const field *f = r->fields; dict && f->name; f++) {
        PyObject *v = field_tell(f, from);
        int wanted = !v ? -1 : all ? 1 : PyObject_IsTrue(v);
        if (wanted < 0 || (wanted && PyDict_SetItemString(dict, f->name, v) < 0)) Py_CLEAR(dict);
        Py_XDECREF(v);
    }
    return dict;
}

PyObject *py_record_tell(const py_record *r, const void *from) { return tell(r, from, true); }
PyObject *py_record_given(const py_record *r, const void *from) { return tell(r, from, false); }

PyObject *py_record_names(const py_record *r)
{
    PyObject *list = PyList_New(0);
    for (const field *f = r->fields; list && f->name; f++) {
        PyObject *name = py_str(f->name, strlen(f->name));
        if (!name || PyList_Append(list, name) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* ---- Data and texts ---- */

PyObject *py_str(const char *ptr, size_t len)
{
    return PyUnicode_DecodeUTF8(ptr, (Py_ssize_t)len, "surrogateescape");
}

const char *py_text(PyObject *from, const char *what)
{
    Py_ssize_t len = 0;
    const char *text = NULL;
    if (PyUnicode_Check(from)) {
        text = PyUnicode_AsUTF8AndSize(from, &len);
    } else if (PyBytes_Check(from)) {
        text = PyBytes_AsString(from);
        len = PyBytes_Size(from);
    } else {
        PyErr_Format(PyExc_TypeError, "%s: a str is wanted, not %R", what, from);
    }
    if (!text || strlen(text) == (size_t)len) return text;
    PyErr_Format(PyExc_ValueError, "%s: there is a 0 within it", what);
    return NULL;
}

bool py_data_get(py_data *d, PyObject *from)
{
    *d = (py_data){.ptr = ""};
    if (!from || from == Py_None) return true;
    if (PyBytes_Check(from)) {
        d->ptr = PyBytes_AsString(from);
        d->len = (size_t)PyBytes_Size(from);
        return true;
    }
    if (PyUnicode_Check(from)) {
        Py_ssize_t len;
        d->ptr = PyUnicode_AsUTF8AndSize(from, &len);
        d->len = (size_t)len;
        return d->ptr != NULL;
    }
    if (PyObject_GetBuffer(from, &d->view, PyBUF_SIMPLE) < 0) return false;
    d->ptr = d->view.buf;
    d->len = (size_t)d->view.len;
    return true;
}

void py_data_end(py_data *d)
{
    if (d->view.obj) PyBuffer_Release(&d->view);
}
